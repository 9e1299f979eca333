// The engines of ./dev bench jit, each as something that runs a program `times` and says how long one run took.
//
// To add a tier: another entry in native_tiers(); it gets a column, and its own figure in the last line of JSON.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/code_memory.h"
#include "engine/user/user_engine.h"
#include "loader/loader.h"
#include "vm/jit/jit.h"

namespace skep::bench {

// Thread CPU time.
[[nodiscard]] double now_ns();

struct Timing {
  uint32_t result = 0;
  double ns = 0;  // of one run
};

// A tier of our own code generators, by the name that its column has.
struct Tier {
  std::string_view name;
  Result<jit::NativeCode> (*compile)(const VerifiedProgram&, const jit::JitOptions&, CodeMemory&);
};
[[nodiscard]] std::span<const Tier> native_tiers();

struct Engine {
  std::string name;
  std::function<Result<Timing>(uint32_t times)> run;
  std::function<Result<>()> reset = [] { return Result<>(); };  // the state of the first run
  std::vector<double> rounds{};
  uint32_t times = 1;
  uint32_t first = 0;
  [[nodiscard]] double ns() const;      // median of the rounds
  [[nodiscard]] double spread() const;  // half the width of the middle 80 %, over the median
};

// One object of bench/programs, its programs verified and loaded.
class Subject {
 public:
  // `kernel`: null where there is none, or where it is not to be asked.
  [[nodiscard]] static Result<std::unique_ptr<Subject>> open(const std::filesystem::path& object,
                                                             engine::UserEngine& user,
                                                             engine::Engine* kernel);
  ~Subject();
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::vector<Engine>& engines() { return engines_; }
  [[nodiscard]] const runtime::ProgObject& program() const { return *program_; }
  // By the tiers but the first.
  [[nodiscard]] const std::vector<jit::NativeCode>& other_codes() const { return codes_; }
  // BPF instructions that one run executes.
  [[nodiscard]] Result<uint64_t> count_insns();
  // ns to compile `prog` with the fast tier.
  [[nodiscard]] double compile_ns(int rounds) const;
  [[nodiscard]] const std::string& kernel_error() const { return kernel_error_; }
  // Why DPDK's JIT has no figure.
  [[nodiscard]] const std::string& peer_error() const { return peer_error_; }

 private:
  Subject() = default;
  Result<> add_native(const std::filesystem::path& object);
  Result<> add_user(engine::UserEngine& user, ByteSpan object);
  Result<> add_kernel(engine::Engine& kernel, ByteSpan object);
  Result<> add_peer(engine::UserEngine& user, const std::filesystem::path& object);

  std::string name_, kernel_error_, peer_error_;
  std::optional<loader::Loader> user_, kernel_, peer_;
  std::shared_ptr<runtime::ProgObject> program_;
  std::unique_ptr<CodeMemory> memory_;
  std::vector<jit::NativeCode> codes_;
  std::vector<Engine> engines_;
  std::unique_ptr<struct Surroundings> surroundings_;
};

// What compiling two instructions costs.
[[nodiscard]] double fixed_compile_ns();

}  // namespace skep::bench
