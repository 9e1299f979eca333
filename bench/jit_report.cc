#include "jit_report.h"

#include <asmjit/x86.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "jit_engines.h"

namespace skep::bench {
namespace {

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

double geomean(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += std::log(value);
  return values.empty() ? 0 : std::exp(sum / static_cast<double>(values.size()));
}

std::string ns_of(const Row& row, const std::string& engine) {
  auto found = row.ns.find(engine);
  return found == row.ns.end() ? std::string("–") : fmt::format("{:.0f}", found->second);
}

}  // namespace

Report::Report(std::vector<Row> rows, double load) : rows_(std::move(rows)), load_(load) {
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

double Report::over(const std::string& engine, const std::string& base) const {
  std::vector<double> ratios;
  for (const Row& row : rows_)
    if (row.ns.contains(engine) && row.ns.contains(base))
      ratios.push_back(row.ns.at(engine) / row.ns.at(base));
  return geomean(ratios);
}

size_t Report::count(const std::string& engine) const {
  return static_cast<size_t>(std::count_if(
      rows_.begin(), rows_.end(), [&](const Row& row) { return row.ns.contains(engine); }));
}

std::string Report::summary() const {
  std::string text = fmt::format(
      "{} programs of ours, each verified, run and compared; one run, interleaved, medians of "
      "thread CPU time, spread: half the width of the middle 80 % over the median. {}; load "
      "average "
      "{:.1f} when it began; clang 19 and gcc 12, -O2 without vectors, with the extensions (BMI, "
      "BMI2, LZCNT, POPCNT, MOVBE) that the optimising tier may use. A call in the bytecode is a "
      "call "
      "for all of its engines but the optimising tier, which may inline it, as may both native "
      "compilers. Native hash maps are the same table as ours, in plain C.\n\n",
      rows_.size(), machine(), load_);
  for (const std::string& tier : tiers_) {
    double worst = 0;
    std::string which;
    for (const Row& row : rows_)
      if (auto ratio = row.ratio(tier); ratio && *ratio > worst) worst = *ratio, which = row.name;
    text += fmt::format(
        "- The {} tier takes **{:.2f}×** clang's native time (geometric mean; {:.2f}× gcc's; at "
        "most "
        "{:.2f}×, {}), **{:.2f}×** the kernel JIT's.\n",
        tier, over(tier, "clang"), over(tier, "gcc"), worst, which, over(tier, "kernel"));
  }
  text += fmt::format(
      "- The kernel's JIT takes {:.2f}× clang's time ({} of the programs).\n"
      "- The fast tier compiles in {:.0f} ns an instruction over all programs, {:.1f} µs for the "
      "smallest one. (asmjit's Assembler alone: {:.0f} ns an instruction emitted, {:.1f} µs to "
      "start and end.)\n"
      "- The interpreter takes {:.2f} ns an instruction, {:.0f}× native.\n",
      over("kernel", "clang"), count("kernel"), compile_insn_, fixed_ / 1000, asmjit_insn_,
      asmjit_fixed_ / 1000, interpreter_insn_, over("interpreter", "clang"));
  if (count("dpdk") != 0)
    text += fmt::format(
        "- DPDK's JIT (Debian's librte-bpf 22.11) takes {:.2f}× clang's time on the {} programs "
        "that "
        "it can compile, where the fast tier takes {:.2f}× DPDK's; it is called without its "
        "validator, which refuses every loop, on bytecode for -mcpu=v2.\n",
        over("dpdk", "clang"), count("dpdk"), over("fast", "dpdk"));
  return text + "\n";
}

std::string Report::text(const std::string& plot) const {
  std::string text = summary();
  if (!plot.empty())
    text += fmt::format("![Time over clang's native code, by program]({})\n\n", plot);
  std::string head = "| program | insns | code, bytes | clang, ns | gcc |",
              rule = "|---|---|---|---|---|";
  for (const std::string& tier : tiers_) head += fmt::format(" {} |", tier), rule += "---|";
  head += " kernel JIT | dpdk | interpreter |";
  rule += "---|---|---|";
  for (const std::string& tier : tiers_)
    head += fmt::format(" {}/clang | spread |", tier), rule += "---|---|";
  text += head + " compile, ns/insn |\n" + rule + "---|\n";
  for (const Row& row : rows_) {
    text += fmt::format("| {} | {} | {} | {} | {} |", row.name, row.insns, row.native_bytes,
                        ns_of(row, "clang"), ns_of(row, "gcc"));
    for (const std::string& tier : tiers_) text += fmt::format(" {} |", ns_of(row, tier));
    text += fmt::format(" {} | {} | {} |", ns_of(row, "kernel"), ns_of(row, "dpdk"),
                        ns_of(row, "interpreter"));
    for (const std::string& tier : tiers_)
      text += fmt::format(" {:.2f} | {:.0f} % |", *row.ratio(tier), row.spread.at(tier) * 100);
    text += fmt::format(" {:.0f} |\n", row.compile_ns / static_cast<double>(row.insns));
  }
  return text + missing() + instructions();
}

// Why DPDK has no figure.
std::string Report::missing() const {
  std::map<std::string, std::string> by_reason;
  for (const Row& row : rows_) {
    if (row.peer_error.empty()) continue;
    std::string& names = by_reason[row.peer_error];
    names += (names.empty() ? "" : ", ") + row.name;
  }
  std::string text;
  for (const auto& [reason, names] : by_reason)
    text +=
        fmt::format("{}{}: {}", text.empty() ? "\nNo figure of DPDK's (–): " : "; ", reason, names);
  return text.empty() ? text : text + ".\n";
}

std::string Report::instructions() const {
  if (std::none_of(rows_.begin(), rows_.end(),
                   [](const Row& row) { return !row.instructions.empty(); }))
    return {};
  std::vector<std::string> engines = {"clang", "gcc"};
  engines.insert(engines.end(), tiers_.begin(), tiers_.end());
  engines.emplace_back("dpdk");
  std::string text = "\nNative instructions of one run, as callgrind counts them:\n\n| program |";
  std::string rule = "|---|";
  for (const std::string& engine : engines) text += fmt::format(" {} |", engine), rule += "---|";
  text += "\n" + rule + "\n";
  for (const Row& row : rows_) {
    text += fmt::format("| {} |", row.name);
    for (const std::string& engine : engines) {
      auto found = row.instructions.find(engine);
      text += found == row.instructions.end() ? std::string(" – |")
                                              : fmt::format(" {:.0f} |", found->second);
    }
    text += "\n";
  }
  return text;
}

std::string Report::svg() const {
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
        out += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" fill=\"{}\"/>\n",
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

std::string Report::json(bool equal) const {
  std::string text = fmt::format(
      "{{\"bench\":\"jit\",\"programs\":{},\"load\":{:.2f},\"fast_over_native\":{:.3f},",
      rows_.size(), load_, over("fast", "clang"));
  for (size_t t = 1; t < tiers_.size(); t++)
    text += fmt::format("\"{}_over_native\":{:.3f},", tiers_[t], over(tiers_[t], "clang"));
  if (count("dpdk") != 0)
    text += fmt::format("\"dpdk_over_native\":{:.3f},\"dpdk_programs\":{},", over("dpdk", "clang"),
                        count("dpdk"));
  return text + fmt::format(
                    "\"kernel_over_native\":{:.3f},\"fast_over_kernel\":{:.3f},"
                    "\"fast_compile_ns_per_insn\":{:.1f},\"fast_compile_fixed_ns\":{:.0f},"
                    "\"interpreter_ns_per_insn\":{:.3f},\"results_equal\":{}}}\n",
                    over("kernel", "clang"), over("fast", "kernel"), compile_insn_, fixed_,
                    interpreter_insn_, equal);
}

}  // namespace skep::bench
