// BPF assembly to instructions: the syntax of the kernel's verifier log and bpftool, LLVM's where
// it differs, and the directives that make a `.bpf.s` file a whole object.
//
// One statement a line. Comments: `;` and `//` to the end of the line, `#` at its start or after
// white space, and /* */. A leading "12:" and "(b7)" are skipped, so that verifier logs assemble as
// they are.
//
//   moves         r0 = 5   w0 = -1   r1 = r2   w1 = (s8)w2   r1 = (s32)r2   r1 = -r1
//                 r2 = 0x1122334455667788 ll   r1 = addr_space_cast(r1, 0, 1)
//   arithmetic    r0 += r1   w0 <<= 3   += -= *= /= s/= |= &= <<= >>= s>>= %= s%= ^=
//   byte order    r1 = be16 r1   r1 = le64 r1   r1 = bswap32 r1
//   memory        r1 = *(u32 *)(r2 +8)   r1 = *(s8 *)(r2 -1)   *(u64 *)(r10 -8) = r1   *(u8 *)(r1
//   +0) = 7 packets       r0 = *(u16 *)skb[12]   r0 = *(u8 *)skb[r6 + 14] atomics       lock *(u64
//   *)(r1 +0) += r2       (+= |= &= ^=)
//                 r2 = atomic_fetch_add((u64 *)(r1 +0), r2)     add or and xor; also
//                 atomic64_fetch_… r2 = atomic_xchg((u64 *)(r1 +0), r2)   r0 = atomic_cmpxchg((u64
//                 *)(r1 +0), r0, r2) r2 = xchg_64(r1 + 0, r2)   w0 = cmpxchg32_32(r1 + 0, w0, w2)
//                 (LLVM's names for them) r3 = load_acquire((u32 *)(r1 +0))   store_release((u32
//                 *)(r1 +0), r3)
//   jumps         goto L   gotol L   may_goto L   if r1 == 5 goto L   if w7 s> w8 goto L
//                 == != > >= < <= s> s>= s< s<= &; L is a label, pc+3 or +3 (slots after the next)
//   calls         call 1   call bpf_map_lookup_elem   call bpf_map_lookup_elem#1   call L   call
//   pc+3
//                 call kfunc[BTF_ID]   call kfunc[BTF_ID, FD_INDEX]   callx r2   exit
//   addresses     r1 = map[NAME]   r1 = map[NAME][0]+8   r1 = NAME ll       of a .map of this file
//                 r1 = map[fd:3]   r1 = map[idx:0]   r1 = map[id:17]        and …[0]+8: of its
//                 first value r1 = subprog[L]   r1 = btf[id:9]   r1 = btf[id:9, fd:3]
//   labels        NAME:
//
// Directives:
//   .license "GPL"
//   .map NAME, TYPE, KEY_SIZE, VALUE_SIZE, MAX_ENTRIES [, FLAGS]     TYPE: hash, array, … or a
//   number .section "tracepoint/syscalls/sys_enter_openat"    the SEC() name of the programs that
//   follow .prog NAME      a program starts; without it one starts at a section's first instruction
//   .func NAME      a subprogram of this program starts: like a label, and named in .functions
//
// Labels are a program's own. Programs come out flat, as object/program.h wants them: calls
// relative, a map of this file as BPF_PSEUDO_MAP_IDX(_VALUE) with imm an index into Assembly::maps.
//
// Errors are EINVAL: "3:14: expected a register, found 'foo'" (line:column, both from 1).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "isa/insn.h"

namespace skep::isa {

struct AsmOptions {
  // Id of a helper by name ("bpf_map_lookup_elem"), negative where it is unknown; may be null.
  int32_t (*helper_id)(const void* data, std::string_view name) = nullptr;
  const void* data = nullptr;
  bool callx = false;  // admit callx, which no kernel loads
};

struct AsmMap {
  std::string name{};
  std::string type{};  // as written: "hash", "BPF_MAP_TYPE_HASH" or "1"
  uint32_t key_size = 0;
  uint32_t value_size = 0;
  uint32_t max_entries = 0;
  uint32_t flags = 0;
  uint32_t line = 0;
};

struct AsmLabel {
  std::string name{};
  uint32_t insn = 0;
  bool function = false;  // of .func
};

// `r1 = map[id:17]`: ld_imm64 at `insn` is BPF_PSEUDO_MAP_FD or _VALUE with imm the id, to be
// replaced.
struct AsmMapById {
  uint32_t insn = 0;
  uint32_t id = 0;
};

struct AsmProgram {
  std::string section{};  // empty where the file names none
  std::string name{};     // "main" where the file names none
  uint32_t line = 0;      // where it starts
  std::vector<Insn> insns{};
  std::vector<uint32_t> lines{};  // source line of each insn, from 1
  std::vector<AsmLabel> labels{};
  std::vector<AsmMapById> maps_by_id{};
};

struct Assembly {
  std::string license{};
  std::vector<AsmMap> maps;
  std::vector<AsmProgram> programs;  // in the file's order; none is empty
};

[[nodiscard]] Result<Assembly> assemble(std::string_view text, const AsmOptions& options = {});

// A text that is just one program: its instructions. EINVAL where it has maps or several programs.
[[nodiscard]] Result<std::vector<Insn>> assemble_insns(std::string_view text,
                                                       const AsmOptions& options = {});

// The other dialect, of iovisor/ubpf and bpf_conformance: `mov %r0, 1`, `ldxdw %r1, [%r2+4]`,
// `jeq %r1, 2, +3`, `lock fetch add [%r10-8], %r1`, `call local f`. One statement a line, `#`
// comments, labels; "exit" is also the name of the first exit instruction.
[[nodiscard]] Result<std::vector<Insn>> assemble_ubpf(std::string_view text);

}  // namespace skep::isa
