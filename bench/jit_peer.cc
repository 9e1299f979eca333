#include "jit_peer.h"

#include <cstdlib>
#include <vector>

#include "isa/legality.h"

namespace skep::bench {

#if !defined(SKEP_RTE_BPF)
Result<PeerCode> compile_by_dpdk(const VerifiedProgram&) {
  return fail(ENOSYS, "built without librte-bpf (Debian: libdpdk-dev)");
}
#else
namespace {

// lib/bpf/bpf_impl.h and rte_bpf.h of DPDK 22.11: what the code generator reads and writes.
struct RteBpf {
  const Insn* insns;
  uint32_t count;
  const void* symbols;
  uint32_t symbol_count;
  struct {
    int type;
    size_t size, buffer_size;
  } argument;
  void* function;
  size_t function_size;
  size_t size;
  uint32_t stack_size;
};

}  // namespace

extern "C" {
int bpf_jit_x86(RteBpf* bpf);
// What it would take from the rest of DPDK.
int rte_bpf_logtype = 0;
int rte_log(uint32_t, uint32_t, const char*, ...) { return 0; }
void __rte_panic(const char*, const char*, ...) { std::abort(); }
const void* __rte_pktmbuf_read(const void*, uint32_t, uint32_t, void*) { return nullptr; }
}

Result<PeerCode> compile_by_dpdk(const VerifiedProgram& program) {
  using namespace isa;
  std::vector<Insn> insns(program.insns().begin(), program.insns().end());
  for (size_t i = 0; i < insns.size(); i += slots_of(insns[i])) {
    Insn& insn = insns[i];
    if (is_ld_imm64(insn)) {
      const bool value = insn.src == BPF_PSEUDO_MAP_VALUE || insn.src == BPF_PSEUDO_MAP_IDX_VALUE;
      if (insn.src != 0 && !value) return fail(ENOTSUP, "maps");
      if (!value) continue;
      const uint64_t address = program.maps()[static_cast<size_t>(insn.imm)].value_address +
                               static_cast<uint32_t>(insns[i + 1].imm);
      insn.src = 0;
      insn.imm = static_cast<int32_t>(address);
      insns[i + 1].imm = static_cast<int32_t>(address >> 32);
    } else if (insn.cls() == BPF_JMP && insn.op() == BPF_CALL) {
      return fail(ENOTSUP, "{}",
                  insn.src == BPF_PSEUDO_CALL ? "calls of BPF functions" : "helpers");
    }
  }
  RteBpf bpf{};
  bpf.insns = insns.data();
  bpf.count = static_cast<uint32_t>(insns.size());
  bpf.size = sizeof bpf;
  bpf.stack_size = 512;
  if (int result = bpf_jit_x86(&bpf); result != 0) return fail(ENOTSUP, "an instruction");
  return PeerCode{.entry = reinterpret_cast<uint64_t>(bpf.function), .size = bpf.function_size};
}
#endif

}  // namespace skep::bench
