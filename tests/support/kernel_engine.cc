#include "support/kernel_engine.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/fd.h"
#include "isa/builder.h"
#include "isa/legality.h"

namespace skep::conformance {
namespace {

using namespace isa::macros;

constexpr int kProgLoad = 5, kProgTestRun = 10;
constexpr uint32_t kSleepable = 1u << 4;
constexpr size_t kMemory = 256;  // bytes of a case's memory; the result comes behind

long bpf(int command, void* attr, size_t size) { return syscall(SYS_bpf, command, attr, size); }

struct LoadAttr {
  uint32_t type = static_cast<uint32_t>(ProgType::BPF_PROG_TYPE_SYSCALL);
  uint32_t insn_count = 0;
  uint64_t insns = 0;
  uint64_t license = 0;
  uint32_t log_level = 0;
  uint32_t log_size = 0;
  uint64_t log = 0;
  uint32_t kern_version = 0;
  uint32_t flags = kSleepable;
};
struct RunAttr {
  uint32_t prog_fd = 0;
  uint32_t retval = 0;
  uint32_t data_size_in = 0, data_size_out = 0;
  uint64_t data_in = 0, data_out = 0;
  uint32_t repeat = 0;
  uint32_t duration = 0;
  uint32_t ctx_size_in = 0, ctx_size_out = 0;
  uint64_t ctx_in = 0, ctx_out = 0;
};

Result<Fd> load_program(std::span<const Insn> insns) {
  static const char kLicense[] = "GPL";
  LoadAttr attr;
  attr.insn_count = static_cast<uint32_t>(insns.size());
  attr.insns = reinterpret_cast<uint64_t>(insns.data());
  attr.license = reinterpret_cast<uint64_t>(kLicense);
  const long fd = bpf(kProgLoad, &attr, sizeof attr);
  if (fd < 0) return fail_errno(errno, "BPF_PROG_LOAD");
  return Fd(static_cast<int>(fd));
}

// As conformance.cc hands it to a program.
struct Context {
  uint64_t memory;
  uint64_t size;
};

class KernelProgram final : public vm::Runnable {
 public:
  explicit KernelProgram(std::vector<Insn> body) : body_(std::move(body)) {}

  Result<uint64_t> run(void* ctx, HelperContext* context) override {
    const auto& memory = *static_cast<const Context*>(ctx);
    if (memory.size > kMemory || context->packet != nullptr)
      return fail(EOPNOTSUPP, "not for a kernel");
    // The length is part of the program, so it is loaded only now.
    const auto main = isa::macros::insns(
        BPF_MOV64_REG(6, 1), BPF_MOV64_IMM(2, static_cast<int>(memory.size)), BPF_CALL_REL(3),
        BPF_STX_MEM(isa::BPF_DW, 6, 0, kMemory), BPF_MOV64_IMM(0, 0), BPF_EXIT_INSN());
    std::vector<Insn> insns(main.begin(), main.end());
    insns.insert(insns.end(), body_.begin(), body_.end());
    auto fd = load_program(insns);
    if (!fd) return fail(EOPNOTSUPP, "{}", fd.error().text());

    std::array<uint8_t, kMemory + 8> buffer{};
    std::copy_n(reinterpret_cast<const uint8_t*>(memory.memory), memory.size, buffer.data());
    RunAttr attr;
    attr.prog_fd = static_cast<uint32_t>(fd->get());
    attr.ctx_size_in = buffer.size();
    attr.ctx_in = reinterpret_cast<uint64_t>(buffer.data());
    if (bpf(kProgTestRun, &attr, sizeof attr) < 0) return fail_errno(errno, "BPF_PROG_TEST_RUN");
    std::copy_n(buffer.data(), memory.size, reinterpret_cast<uint8_t*>(memory.memory));
    return load<uint64_t>(buffer.data() + kMemory);
  }

 private:
  std::vector<Insn> body_;
};

class KernelEngine final : public vm::Engine {
 public:
  std::string_view name() const override { return "kernel"; }
  Result<std::unique_ptr<vm::Runnable>> prepare(const VerifiedProgram& program,
                                                std::span<const uint64_t, 1024>) override {
    for (const Insn& insn : program.insns())
      if (insn.opcode == (isa::BPF_JMP | isa::BPF_CALL) && insn.src != isa::BPF_PSEUDO_CALL)
        return fail(EOPNOTSUPP, "the corpus has its own helpers");
    return std::make_unique<KernelProgram>(
        std::vector<Insn>(program.insns().begin() + 2, program.insns().end()));
  }
};

}  // namespace

Result<std::unique_ptr<vm::Engine>> make_kernel_engine() {
  const auto probe = isa::macros::insns(BPF_MOV64_IMM(0, 0), BPF_EXIT_INSN());
  if (auto fd = load_program(probe); !fd) return fail(fd);
  return std::make_unique<KernelEngine>();
}

}  // namespace skep::conformance
