// What ./dev bench jit found: table, plot and JSON.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace skep::bench {

// One program.
struct Row {
  std::string name;
  size_t insns = 0, native_bytes = 0;
  double executed = 0;
  double compile_ns = 0;
  std::map<std::string, double> ns, spread;
  std::string kernel_error, peer_error;
  std::map<std::string, double> instructions;  // of one run, by engine; callgrind
  bool equal = true;

  // Over clang's native code; none where the engine could not run it.
  [[nodiscard]] std::optional<double> ratio(const std::string& engine) const {
    auto found = ns.find(engine);
    if (found == ns.end()) return std::nullopt;
    return found->second / ns.at("clang");
  }
};

class Report {
 public:
  // `load`: the load average when the run began.
  Report(std::vector<Row> rows, double load);

  // Geometric mean over the programs that both could run.
  [[nodiscard]] double over(const std::string& engine, const std::string& base) const;
  // Programs that `engine` could run.
  [[nodiscard]] size_t count(const std::string& engine) const;
  [[nodiscard]] std::string text(const std::string& plot) const;
  // Horizontal bars over clang's time, one group a program.
  [[nodiscard]] std::string svg() const;
  [[nodiscard]] std::string json(bool equal) const;

 private:
  [[nodiscard]] std::string summary() const;
  [[nodiscard]] std::string instructions() const;
  [[nodiscard]] std::string missing() const;

  std::vector<Row> rows_;
  std::vector<std::string> tiers_;
  double load_ = 0;
  double compile_insn_ = 0, interpreter_insn_ = 0, fixed_ = 0, asmjit_insn_ = 0, asmjit_fixed_ = 0;
};

}  // namespace skep::bench
