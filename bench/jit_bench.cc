// ./dev bench jit: the programs of bench/programs on every engine, in one run, interleaved.
//
//   PROGRAM.c ──clang -target bpf──▶ Object ──loader──▶ verified; fast tier (and others), interpreter
//             │                          └──loader──▶ the running kernel's JIT (BPF_PROG_TEST_RUN)
//             └─clang, gcc -O2, no vectors──▶ PROGRAM.{clang,gcc}.so, dlopened
//
// Every engine starts from the same bytes; the first results must be equal. Then each round runs a batch on
// each engine in turn; a figure is the median of its rounds, in thread CPU time (the kernel's own clock for
// the kernel).
//   jit_bench DIR [--quick] [--json] [--only NAME] [--dump] [--write docs/benchmarks.md]
#include <asmjit/x86.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <optional>

#include "engine/kernel/kernel_engine.h"
#include "jit_engines.h"
#include "section.h"

namespace skep::bench {
namespace {

namespace fs = std::filesystem;

struct Settings {
  std::string directory, write, only;
  bool quick = false, json = false, dump = false;
};

struct Row {
  std::string name;
  size_t insns = 0, native_bytes = 0;
  double executed = 0;
  double compile_ns = 0;
  std::map<std::string, double> ns, spread;
  std::string kernel_error;
  bool equal = true;

  // Over clang's native code; none where the engine could not run it.
  [[nodiscard]] std::optional<double> ratio(const std::string& engine) const {
    auto found = ns.find(engine);
    if (found == ns.end()) return std::nullopt;
    return found->second / ns.at("clang");
  }
};

Result<Row> measure(const fs::path& path, const Settings& settings, engine::UserEngine& user,
                    engine::Engine* kernel) {
  SKEP_TRY(subject, Subject::open(path, user, kernel));
  Row row;
  row.name = subject->name();
  row.insns = subject->program().verified().insns().size();
  row.native_bytes = subject->program().native().code_size;
  row.kernel_error = subject->kernel_error();
  if (settings.dump) {
    auto code = subject->program().native().code();
    std::ofstream out("/tmp/" + row.name + ".bin", std::ios::binary);
    out.write(reinterpret_cast<const char*>(code.data()),
              static_cast<std::streamsize>(code.size()));
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
  return row;
}

// What asmjit's Assembler takes for instructions like ours, and for starting and ending (decision 0015).
std::pair<double, double> asmjit_cost() {
  using namespace asmjit;
  auto emit = [](int insns) {
    CodeHolder holder;
    holder.init(Environment::host());
    x86::Assembler a(&holder);
    for (int i = 0; i < insns; i += 4) {
      a.mov(x86::rax, x86::qword_ptr(x86::rdi, 8));
      a.lea(x86::rsi, x86::ptr(x86::rax, x86::rdx, 0, 16));
      a.add(x86::rcx, x86::rsi);
      a.cmp(x86::rcx, 1000);
    }
    return a.offset();
  };
  auto cost = [&](int insns) {
    std::vector<double> rounds;
    for (int round = 0; round < 51; round++) {
      double start = now_ns();
      for (int k = 0; k < 20; k++) emit(insns);
      rounds.push_back((now_ns() - start) / 20);
    }
    std::sort(rounds.begin(), rounds.end());
    return rounds[rounds.size() / 2];
  };
  double few = cost(4), many = cost(1004);
  return {(many - few) / 1000, few};
}

std::string machine() {
  std::string cpu = "unknown CPU";
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name")) {
      cpu = line.substr(line.find(':') + 2);
      break;
    }
  utsname name{};
  uname(&name);
  return fmt::format("{}, Linux {}", cpu, name.release);
}

class Report {
 public:
  explicit Report(std::vector<Row> rows) : rows_(std::move(rows)) {
    double compile = 0, insns = 0;
    std::vector<double> per_insn;
    for (const Row& row : rows_) {
      compile += row.compile_ns;
      insns += static_cast<double>(row.insns);
      per_insn.push_back(row.ns.at("interpreter") / row.executed);
    }
    compile_insn_ = compile / insns;
    interpreter_insn_ = geomean(per_insn);
    fixed_ = fixed_compile_ns();
    std::tie(asmjit_insn_, asmjit_fixed_) = asmjit_cost();
    for (const Tier& tier : native_tiers()) tiers_.emplace_back(tier.name);
  }

  // Geometric mean over the programs that both could run.
  [[nodiscard]] double over(const std::string& engine, const std::string& base) const {
    std::vector<double> ratios;
    for (const Row& row : rows_)
      if (row.ns.contains(engine) && row.ns.contains(base))
        ratios.push_back(row.ns.at(engine) / row.ns.at(base));
    return geomean(ratios);
  }

  [[nodiscard]] std::string text(const std::string& plot) const {
    size_t in_kernel = 0;
    for (const Row& row : rows_) in_kernel += row.ns.contains("kernel");
    std::string text = fmt::format(
        "{} programs of ours, each verified, run and compared; one run, interleaved, medians of "
        "thread CPU time. {}; clang 19 and gcc 12, -O2 without vectors.\n\n",
        rows_.size(), machine());
    for (const std::string& tier : tiers_)
      text += fmt::format(
          "- The {} tier takes **{:.2f}×** clang's native time (geometric mean; {:.2f}× gcc's), "
          "**{:.2f}×** the kernel JIT's.\n",
          tier, over(tier, "clang"), over(tier, "gcc"), over(tier, "kernel"));
    text += fmt::format(
        "- The kernel's JIT takes {:.2f}× clang's time ({} of the programs).\n"
        "- The fast tier compiles in {:.0f} ns an instruction over all programs, {:.1f} µs for the "
        "smallest one. (asmjit's Assembler alone: {:.0f} ns an instruction emitted, {:.1f} µs to "
        "start and end.)\n"
        "- The interpreter takes {:.2f} ns an instruction, {:.0f}× native.\n"
        "- Debian's librte-bpf refuses every program with a loop, which all of these have, so it "
        "has no column.\n\n",
        over("kernel", "clang"), in_kernel, compile_insn_, fixed_ / 1000, asmjit_insn_,
        asmjit_fixed_ / 1000, interpreter_insn_, over("interpreter", "clang"));
    if (!plot.empty())
      text += fmt::format("![Time over clang's native code, by program]({})\n\n", plot);
    std::string head = "| program | insns | code, bytes | clang, ns | gcc |",
                rule = "|---|---|---|---|---|";
    for (const std::string& tier : tiers_) head += fmt::format(" {} |", tier), rule += "---|";
    text += head + " kernel JIT | interpreter | fast/clang | spread | compile, ns/insn |\n" + rule +
            "---|---|---|---|---|\n";
    auto ns = [](const Row& row, const std::string& engine) {
      auto found = row.ns.find(engine);
      return found == row.ns.end() ? std::string("–") : fmt::format("{:.0f}", found->second);
    };
    for (const Row& row : rows_) {
      text += fmt::format("| {} | {} | {} | {} | {} |", row.name, row.insns, row.native_bytes,
                          ns(row, "clang"), ns(row, "gcc"));
      for (const std::string& tier : tiers_) text += fmt::format(" {} |", ns(row, tier));
      text += fmt::format(" {} | {} | {:.2f} | {:.0f} % | {:.0f} |\n", ns(row, "kernel"),
                          ns(row, "interpreter"), *row.ratio("fast"), row.spread.at("fast") * 100,
                          row.compile_ns / static_cast<double>(row.insns));
    }
    return text;
  }

  // Horizontal bars over clang's time, one group a program.
  [[nodiscard]] std::string svg() const {
    std::vector<std::pair<std::string, std::string>> bars;  // engine, colour
    constexpr const char* kColours[] = {"#c88a00", "#6b8e23", "#4682b4"};
    for (size_t t = 0; t < tiers_.size(); t++) bars.emplace_back(tiers_[t], kColours[t % 3]);
    bars.emplace_back("kernel", "#888888");
    const double bar = 7, gap = 6, left = 130, unit = 150, top = 34, most = 4.5;
    double group = bar * static_cast<double>(bars.size()) + gap;
    double height = top + group * static_cast<double>(rows_.size()) + 10;
    std::string out = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
        "font-family=\"sans-serif\" "
        "font-size=\"10\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n",
        left + unit * most + 40, height);
    for (int x = 0; x <= 4; x++)
      out += fmt::format(
          "<path d=\"M{0} {1}V{2}\" stroke=\"{3}\"/><text x=\"{0}\" y=\"{4}\" "
          "text-anchor=\"middle\">{5}×</text>\n",
          left + unit * x, top - 6, height - 6, x == 1 ? "#000" : "#ddd", top - 10, x);
    double legend = left + unit * 2.6;
    for (const auto& [engine, colour] : bars) {
      out += fmt::format(
          "<rect x=\"{0}\" y=\"4\" width=\"9\" height=\"9\" fill=\"{1}\"/><text x=\"{2}\" "
          "y=\"12\">{3}"
          "</text>\n",
          legend, colour, legend + 12, engine == "kernel" ? "kernel JIT" : engine + " tier");
      legend += 100;
    }
    double y = top;
    for (const Row& row : rows_) {
      out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", left - 5,
                         y + group / 2, row.name);
      for (const auto& [engine, colour] : bars) {
        if (auto ratio = row.ratio(engine)) {
          out +=
              fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" fill=\"{}\"/>\n",
                          left, y, unit * std::min(*ratio, most), bar - 1, colour);
          if (*ratio > most)
            out += fmt::format("<text x=\"{}\" y=\"{}\" font-size=\"8\">{:.1f}</text>\n",
                               left + unit * most + 3, y + bar - 1, *ratio);
        }
        y += bar;
      }
      y += gap;
    }
    return out + "</svg>\n";
  }

  [[nodiscard]] std::string json(bool equal) const {
    std::string text =
        fmt::format("{{\"bench\":\"jit\",\"programs\":{},\"fast_over_native\":{:.3f},",
                    rows_.size(), over("fast", "clang"));
    for (size_t t = 1; t < tiers_.size(); t++)
      text += fmt::format("\"{}_over_native\":{:.3f},", tiers_[t], over(tiers_[t], "clang"));
    return text + fmt::format(
                      "\"kernel_over_native\":{:.3f},\"fast_over_kernel\":{:.3f},"
                      "\"fast_compile_ns_per_insn\":{:.1f},\"fast_compile_fixed_ns\":{:.0f},"
                      "\"interpreter_ns_per_insn\":{:.3f},\"results_equal\":{}}}\n",
                      over("kernel", "clang"), over("fast", "kernel"), compile_insn_, fixed_,
                      interpreter_insn_, equal);
  }

 private:
  static double geomean(const std::vector<double>& values) {
    double sum = 0;
    for (double value : values) sum += std::log(value);
    return values.empty() ? 0 : std::exp(sum / static_cast<double>(values.size()));
  }

  std::vector<Row> rows_;
  std::vector<std::string> tiers_;
  double compile_insn_ = 0, interpreter_insn_ = 0, fixed_ = 0, asmjit_insn_ = 0, asmjit_fixed_ = 0;
};

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
  Report report(std::move(rows));
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
