// ./dev bench jit: the programs of bench/programs on every engine, in one run, interleaved.
//
//   PROGRAM.c ──clang -target bpf──▶ Object ──loader──▶ verified; fast tier (and others), interpreter
//             │                          └──loader──▶ the running kernel's JIT (BPF_PROG_TEST_RUN)
//             └─clang, gcc -O2, no vectors──▶ PROGRAM.{clang,gcc}.so, dlopened
//
// Every engine starts from the same bytes; the first results must be equal. Then each round runs a batch on
// each engine in turn; a figure is the median of its rounds, in thread CPU time (the kernel's own clock for
// the kernel). Where valgrind is, a full run counts native instructions, too.
//   jit_bench DIR [--quick] [--json] [--only NAME] [--dump] [--write docs/benchmarks.md] [--count NAME]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>

#include "engine/kernel/kernel_engine.h"
#include "jit_count.h"
#include "jit_engines.h"
#include "jit_report.h"
#include "section.h"

namespace skep::bench {
namespace {

namespace fs = std::filesystem;

struct Settings {
  std::string directory, write, only, count;
  bool quick = false, json = false, dump = false;
};

// For objdump -D -b binary -m i386:x86-64.
void dump(const std::string& name, const jit::NativeCode& native) {
  auto code = native.code();
  std::ofstream out("/tmp/" + name + ".bin", std::ios::binary);
  out.write(reinterpret_cast<const char*>(code.data()), static_cast<std::streamsize>(code.size()));
}

Result<Row> measure(const fs::path& path, const Settings& settings, engine::UserEngine& user,
                    engine::Engine* kernel) {
  SKEP_TRY(subject, Subject::open(path, user, kernel));
  Row row;
  row.name = subject->name();
  row.insns = subject->program().verified().insns().size();
  row.native_bytes = subject->program().native().code_size;
  row.kernel_error = subject->kernel_error(), row.peer_error = subject->peer_error();
  if (settings.dump) {
    dump(row.name + ".fast", subject->program().native());
    for (const jit::NativeCode& code : subject->other_codes()) dump(row.name + ".optimising", code);
  }
  SKEP_TRY(executed, subject->count_insns());
  row.executed = static_cast<double>(executed);
  for (Engine& engine : subject->engines()) {
    SKEP_CHECK(engine.reset());
    SKEP_TRY(first, engine.run(1));
    engine.first = first.result;
    if (engine.first != subject->engines()[0].first) row.equal = false;
    SKEP_TRY(warm, engine.run(16));
    double batch = settings.quick ? 150e3 : 1.5e6;
    engine.times = static_cast<uint32_t>(std::clamp(batch / std::max(warm.ns, 1.0), 1.0, 1e6));
  }
  for (int round = 0; round < (settings.quick ? 7 : 21); round++)
    for (Engine& engine : subject->engines()) {
      SKEP_TRY(run, engine.run(engine.times));
      engine.rounds.push_back(run.ns);
    }
  for (const Engine& engine : subject->engines())
    row.ns[engine.name] = engine.ns(), row.spread[engine.name] = engine.spread();
  row.compile_ns = subject->compile_ns(settings.quick ? 15 : 51);
  if (settings.quick) return row;
  if (auto counted = count_instructions(settings.directory, row.name))
    row.instructions = std::move(*counted);
  else
    fmt::print(stderr, "jit_bench: {}: instructions are not counted: {}\n", row.name,
               counted.error().text());
  return row;
}

std::optional<Settings> parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; i++) {
    std::string argument = argv[i];
    if (argument == "--quick") {
      settings.quick = true;
    } else if (argument == "--json") {
      settings.json = true;
    } else if (argument == "--dump") {
      settings.dump = true;
    } else if (argument == "--only" && i + 1 < argc) {
      settings.only = argv[++i];
    } else if (argument == "--count" && i + 1 < argc) {  // as valgrind runs us
      settings.count = argv[++i];
    } else if (argument == "--write" && i + 1 < argc) {
      settings.write = argv[++i];
    } else if (settings.directory.empty() && !argument.starts_with('-')) {
      settings.directory = argument;
    } else {
      return std::nullopt;
    }
  }
  if (settings.directory.empty()) return std::nullopt;
  return settings;
}

int run(const Settings& settings) {
  std::vector<fs::path> objects;
  for (const auto& entry : fs::directory_iterator(settings.directory)) {
    std::string name = entry.path().filename().string();
    if (name.ends_with(".bpf.o") && name.find(settings.only) != std::string::npos)
      objects.push_back(entry.path());
  }
  std::sort(objects.begin(), objects.end());
  runtime::RuntimeOptions options;
  options.hive.name = "bench";
  options.hive.publish_session = false;
  auto user = engine::UserEngine::create(options);
  if (!user) return fmt::print(stderr, "jit_bench: {}\n", user.error().text()), 1;
  if (!settings.count.empty()) {
    auto subject =
        Subject::open(fs::path(settings.directory) / (settings.count + ".bpf.o"), **user, nullptr);
    auto counted = subject ? run_counted(**subject) : Result<>(fail(subject));
    if (!counted) fmt::print(stderr, "jit_bench: {}\n", counted.error().text());
    return counted ? 0 : 1;
  }
  double load[1] = {};
  ::getloadavg(load, 1);
  auto kernel = engine::make_kernel_engine();
  if (!kernel) fmt::print(stderr, "jit_bench: without the kernel: {}\n", kernel.error().text());

  std::vector<Row> rows;
  bool good = true;
  for (const fs::path& path : objects) {
    auto row = measure(path, settings, **user, kernel ? kernel->get() : nullptr);
    if (!row) {
      fmt::print(stderr, "jit_bench: {}: {}\n", path.filename().string(), row.error().text());
      good = false;
      continue;
    }
    if (!row->equal) fmt::print(stderr, "jit_bench: {}: engines disagree\n", row->name);
    good &= row->equal;
    if (!row->kernel_error.empty())
      fmt::print(stderr, "jit_bench: {}: not in the kernel: {}\n", row->name, row->kernel_error);
    rows.push_back(std::move(*row));
  }
  if (rows.empty()) return 1;
  Report report(std::move(rows), load[0]);
  std::string plot;
  if (!settings.write.empty()) {
    plot = "benchmarks-jit.svg";
    std::ofstream(fs::path(settings.write).parent_path() / plot) << report.svg();
    write_section(settings.write, "jit", "JIT", report.text(plot));
  }
  fmt::print("{}", report.text(""));
  if (settings.json) fmt::print("{}", report.json(good));
  return good ? 0 : 1;
}

}  // namespace
}  // namespace skep::bench

int main(int argc, char** argv) {
  auto settings = skep::bench::parse(argc, argv);
  if (!settings) {
    fmt::print(stderr,
               "usage: jit_bench DIR [--quick] [--json] [--only NAME] [--dump] [--write PAGE]\n");
    return 2;
  }
  return skep::bench::run(*settings);
}
