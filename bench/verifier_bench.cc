// Time to verify a program: small ones of 4 to 4000 instructions as people load them (map lookups, branches,
// stack), loops that are walked round by round, and the same programs loaded into the running kernel
// where bpf(2) is allowed (its time includes its JIT). items_per_second is instructions walked.
#include <benchmark/benchmark.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "isa/assembler.h"
#include "spec/helpers.h"
#include "verifier/verifier.h"

namespace {

using namespace skep;

int32_t helper_id(const void*, std::string_view name) {
  const spec::Helper* helper = spec::find_helper(name);
  return helper != nullptr ? static_cast<int32_t>(helper->id) : -1;
}

// 25 instructions a piece: a lookup, its null check, counters, a bounded index, a branch.
std::string pieces(unsigned count) {
  std::string text = ".license \"GPL\"\n.map m, hash, 4, 64, 16\nr6 = r1\n";
  for (unsigned i = 0; i < count; ++i) {
    const std::string n = std::to_string(i);
    text += "r7 = *(u32 *)(r6 +12)\n*(u32 *)(r10 -4) = " + n +
            "\n*(u64 *)(r10 -16) = r7\nr1 = map[m]\nr2 = r10\n" +
            "r2 += -4\ncall bpf_map_lookup_elem\nif r0 == 0 goto skip" + n +
            "\nr3 = *(u64 *)(r0 +8)\nr3 += 1\n" +
            "*(u64 *)(r0 +8) = r3\nr4 = *(u64 *)(r10 -16)\nr4 &= 31\nr5 = r0\nr5 += r4\nw3 = *(u8 "
            "*)(r5 +16)\n" +
            "r3 <<= 2\nif r3 s> 100 goto skip" + n +
            "\nr3 ^= r4\n*(u64 *)(r10 -24) = r3\nlock *(u64 *)(r0 +0) += r3\n" + "skip" + n +
            ":\nr8 = " + n + "\n";
  }
  return text + "r0 = 0\nexit\n";
}
std::string loop(unsigned rounds) {
  return "r6 = *(u32 *)(r1 +12)\nr7 = 0\nr8 = 0\nagain:\nif r6 & 1 goto odd\nr8 += 3\ngoto "
         "next\nodd:\nr8 ^= 5\nnext:\nr6 >>= "
         "1\nr7 += 1\nif r7 < " +
         std::to_string(rounds) + " goto again\nr0 = 0\nexit\n";
}

Program make(const std::string& source) {
  std::string text = source;
  // The assembler knows w3 as a destination of moves only.
  for (size_t at; (at = text.find("w3 = *(u8")) != std::string::npos;) text[at] = 'r';
  isa::AsmOptions options;
  options.helper_id = helper_id;
  auto assembly = isa::assemble(text, options);
  Program program;
  if (!assembly) return program;
  program.insns = assembly->programs[0].insns;
  program.license = "GPL";
  program.type = ProgType::BPF_PROG_TYPE_XDP;
  for (const isa::AsmMap& map : assembly->maps) {
    MapDescriptor made;
    made.name = map.name;
    made.type = MapType::BPF_MAP_TYPE_HASH;
    made.key_size = map.key_size;
    made.value_size = map.value_size;
    made.max_entries = map.max_entries;
    program.maps.push_back(made);
  }
  return program;
}

void ours(benchmark::State& state, const Program& program) {
  uint64_t walked = 0;
  for (auto _ : state) {
    const verifier::Report report = verifier::verify(program);
    if (!report.accepted()) {
      state.SkipWithError(report.rejection->message.c_str());
      return;
    }
    walked += report.stats.insns_processed;
  }
  state.SetItemsProcessed(static_cast<int64_t>(walked));
  state.counters["insns"] = static_cast<double>(program.insns.size());
}

void kernels(benchmark::State& state, const Program& program) {
  struct {
    uint32_t type, key, value, entries;
    std::array<uint8_t, 104> rest;
  } create{1, 4, 64, 16, {}};
  const long map = syscall(SYS_bpf, 0, &create, sizeof create);
  std::vector<Insn> insns = program.insns;
  for (Insn& insn : insns) {
    if (!isa::is_ld_imm64(insn) || insn.src != isa::BPF_PSEUDO_MAP_IDX) continue;
    insn.src = isa::BPF_PSEUDO_MAP_FD;
    insn.imm = static_cast<int32_t>(map);
  }
  struct {
    uint32_t type, count;
    uint64_t insns, license;
    std::array<uint8_t, 112> rest;
  } load{6,
         static_cast<uint32_t>(insns.size()),
         reinterpret_cast<uint64_t>(insns.data()),
         reinterpret_cast<uint64_t>("GPL"),
         {}};
  for (auto _ : state) {
    const long fd = syscall(SYS_bpf, 5, &load, sizeof load);
    if (fd < 0) {
      state.SkipWithError(std::strerror(errno));
      break;
    }
    state.PauseTiming();
    close(static_cast<int>(fd));
    state.ResumeTiming();
  }
  if (map >= 0) close(static_cast<int>(map));
}

}  // namespace

int main(int argc, char** argv) {
  static const std::pair<const char*, Program> kPrograms[] = {
      {"insns_4", make("r1 = 0\nr2 = 1\nr0 = 0\nexit\n")},
      {"insns_100", make(pieces(4))},
      {"insns_1000", make(pieces(40))},
      {"insns_4000", make(pieces(160))},
      {"loop_100", make(loop(100))},
  };
  for (const auto& [name, program] : kPrograms) {
    benchmark::RegisterBenchmark(
        (std::string("verify/") + name).c_str(),
        [&program = program](benchmark::State& state) { ours(state, program); });
    benchmark::RegisterBenchmark(
        (std::string("kernel/") + name).c_str(),
        [&program = program](benchmark::State& state) { kernels(state, program); });
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
