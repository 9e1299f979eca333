// USDT: the probes that a binary's .note.stapsdt section describes, and how a program finds their arguments.
//
//   note: namesz u32 | descsz u32 | type u32 = 3 | "stapsdt\0" | location u64 | base u64 | semaphore u64 |
//         provider "\0" | name "\0" | arguments "\0"
//
// An argument is SIZE@LOCATION, in the assembler's words: "-4@%eax", "8@-24(%rbp)", "4@$5",
// "8@16(%rax,%rdi,8)". A negative size is a signed value.
//
// A program that was compiled with bpf/usdt.bpf.h has the map __bpf_usdt_specs: for each probe site a record that
// says where the arguments are; the site's attach cookie is the record's index.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace skep::loader {

struct UsdtSite {
  std::string provider, name, arguments;
  uint64_t address = 0;           // vaddr in the file
  uint64_t file_offset = 0;       // of the probe's instruction
  uint64_t semaphore_offset = 0;  // in the file, of the u16 to count up while it is traced; 0: none
};

// All sites of an ELF64 x86-64 file. EINVAL names what is malformed; no section: none.
[[nodiscard]] Result<std::vector<UsdtSite>> read_usdt(ByteSpan elf);

enum class UsdtLocation : uint8_t { constant, in_register, memory, indexed_memory };
struct UsdtArgument {
  UsdtLocation location{};
  uint64_t value = 0;            // the constant, or the offset to add
  uint16_t register_offset = 0;  // in pt_regs
  uint16_t index_offset = 0;     // of the index register, in pt_regs
  uint8_t scale_shift = 0;
  bool is_signed = false;
  uint8_t bit_shift = 0;  // 64 less the argument's bits
};
using UsdtArguments = std::vector<UsdtArgument>;
inline constexpr size_t kMaxUsdtArguments = 12;

// A record of __bpf_usdt_specs. There are two layouts: of bpf/usdt.bpf.h until libbpf 1.6 (208 bytes), and since (304
// bytes), which knows indexed memory. EINVAL for another size, ENOTSUP for indexed memory in the old one.
[[nodiscard]] Result<std::vector<std::byte>> encode_usdt_spec(const UsdtArguments& arguments,
                                                              uint64_t cookie, uint32_t size);

// Reads an argument string. EINVAL says which argument and what of it is not understood.
[[nodiscard]] Result<UsdtArguments> parse_usdt_arguments(std::string_view text);

}  // namespace skep::loader
