// DPDK's JIT (Debian's librte-bpf) as an engine of ./dev bench jit.
//
// Its rte_bpf_load() refuses every program with a loop, which nearly all of the bench's have; the code generator
// behind it takes them. So that is called as it is: bpf_jit_x86() of librte_bpf.a, over the private struct rte_bpf of
// DPDK 22.11 (Debian 12). It knows neither 32-bit jumps (the bench gives it bytecode for -mcpu=v2), nor calls of BPF
// functions, nor maps' helpers.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "object/verified_program.h"

namespace skep::bench {

struct PeerCode {
  uint64_t entry = 0;  // uint64_t (*)(void* ctx); stays mapped to the end
  size_t size = 0;
};
// Why not is the error's text.
[[nodiscard]] Result<PeerCode> compile_by_dpdk(const VerifiedProgram& program);

}  // namespace skep::bench
