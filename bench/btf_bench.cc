// BTF, objects and the compiler: what lies between `skep run FILE` and the first verified program.
#include <benchmark/benchmark.h>

#include <filesystem>

#include "base/fd.h"
#include "btf/c_dump.h"
#include "btf/user_engine/user_engine.h"
#include "cc/cc.h"
#include "object/object.h"
#include "test_paths.h"

namespace skep {
namespace {

const std::vector<std::byte>& vmlinux() {
  static const auto bytes = read_file("/sys/kernel/btf/vmlinux").value_or(std::vector<std::byte>());
  return bytes;
}
bool skipped(benchmark::State& state) {
  if (!vmlinux().empty()) return false;
  state.SkipWithError("/sys/kernel/btf/vmlinux can't be read here");
  return true;
}
const std::string kSample = SKEP_SOURCE_DIR "/tests/object/sample.bpf.c";
const std::vector<std::byte>& sample() {
  static const auto bytes = *read_file(SKEP_SOURCE_DIR "/tests/object/sample.bpf.o");
  return bytes;
}

void vmlinux_parse(benchmark::State& state) {
  if (skipped(state)) return;
  for (auto _ : state) benchmark::DoNotOptimize(btf::Btf::parse_in_place(vmlinux(), nullptr));
}
BENCHMARK(vmlinux_parse)->Unit(benchmark::kMillisecond);

void vmlinux_parse_and_first_lookup(benchmark::State& state) {
  if (skipped(state)) return;
  for (auto _ : state) {
    auto btf = *btf::Btf::parse_in_place(vmlinux(), nullptr);
    benchmark::DoNotOptimize(btf->find("task_struct", btf::Kind::Struct));
  }
}
BENCHMARK(vmlinux_parse_and_first_lookup)->Unit(benchmark::kMillisecond);

void vmlinux_h_whole(benchmark::State& state) {
  if (skipped(state)) return;
  auto btf = *btf::Btf::parse_in_place(vmlinux(), nullptr);
  for (auto _ : state) benchmark::DoNotOptimize(btf::dump_c(*btf));
}
BENCHMARK(vmlinux_h_whole)->Unit(benchmark::kMillisecond);

void vmlinux_h_minimal(benchmark::State& state) {
  if (skipped(state)) return;
  auto source = *read_file(kSample);
  const std::string text(reinterpret_cast<const char*>(source.data()), source.size());
  for (auto _ : state) {
    auto btf = *btf::Btf::parse_in_place(vmlinux(), nullptr);
    benchmark::DoNotOptimize(cc::minimal_vmlinux_h(*btf, cc::identifiers(text)));
  }
}
BENCHMARK(vmlinux_h_minimal)->Unit(benchmark::kMillisecond);

void object_open(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(object::open_object(sample(), "sample"));
}
BENCHMARK(object_open)->Unit(benchmark::kMicrosecond);

void object_relocate(benchmark::State& state) {
  const auto object = *object::open_object(sample(), "sample");
  const std::vector<std::shared_ptr<const btf::Btf>> targets = {btf::user_engine_btf()};
  for (auto _ : state)
    benchmark::DoNotOptimize(
        object.program(*object.find_program("handle"), {.btfs = targets, .symbol = {}}));
}
BENCHMARK(object_relocate)->Unit(benchmark::kMicrosecond);

void compile(benchmark::State& state, bool cached) {
  cc::Options options;
  options.target = btf::user_engine_btf();
  options.use_cache = cached;
  std::string pattern = (std::filesystem::temp_directory_path() / "skep-bench-XXXXXX").string();
  options.cache_dir = ::mkdtemp(pattern.data());
  for (auto _ : state) {
    auto compiled = cc::compile(kSample, options);
    if (!compiled || !compiled->ok) return state.SkipWithError("the sample does not compile");
  }
  std::filesystem::remove_all(options.cache_dir);
}
BENCHMARK_CAPTURE(compile, cold, false)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(compile, cached, true)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace skep

BENCHMARK_MAIN();
