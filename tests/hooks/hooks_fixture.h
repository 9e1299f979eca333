// Hand-made native "programs" in a hive's code segment, for hooks to run where no JIT is wanted.
#pragma once

#include <cstring>
#include <initializer_list>
#include <vector>

#include "base/hive.h"
#include "hooks/session.h"
#include "object/prog_header.h"

namespace skep::tests {

struct NativeProgram {
  ProgHeader* header = nullptr;
  uint64_t* counter = nullptr;  // in the data segment
};

inline Result<NativeProgram> native_program(Hive& hive, const std::vector<uint8_t>& code,
                                            void* data) {
  SKEP_TRY(block, hive.code_memory().allocate(code.size()));
  std::memcpy(block.writable, code.data(), code.size());
  SKEP_TRY(memory, hive.allocate_object(sizeof(ProgHeader)));
  auto* header = static_cast<ProgHeader*>(memory);
  header->entry = block.address;
  header->code_size = code.size();
  header->magic = kProgMagic;
  return NativeProgram{.header = header, .counter = static_cast<uint64_t*>(data)};
}

inline void append64(std::vector<uint8_t>& code, uint64_t value) {
  for (int i = 0; i < 8; ++i) code.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

// lock inc qword [counter]; return `result`.
inline Result<NativeProgram> counting_program(Hive& hive, uint32_t result = 0) {
  SKEP_TRY(data, hive.allocate_data(4096));
  std::vector<uint8_t> code = {0x48, 0xb8};  // mov rax, imm64
  append64(code, reinterpret_cast<uint64_t>(data));
  for (uint8_t byte : {0xf0, 0x48, 0xff, 0x00}) code.push_back(byte);  // lock inc qword [rax]
  code.push_back(0xb8);                                                // mov eax, imm32
  for (int i = 0; i < 4; ++i) code.push_back(static_cast<uint8_t>(result >> (8 * i)));
  code.push_back(0xc3);
  return native_program(hive, code, data);
}

// Counts by system call number: counter[nr & 511] += 1, nr being the s64 at offset 8 of the ctx.
inline Result<NativeProgram> histogram_program(Hive& hive) {
  SKEP_TRY(data, hive.allocate_data(4096));
  std::vector<uint8_t> code = {0x48, 0x8b, 0x4f, 0x08,              // mov rcx, [rdi + 8]
                               0x81, 0xe1, 0xff, 0x01, 0x00, 0x00,  // and ecx, 511
                               0x48, 0xb8};                         // mov rax, imm64
  append64(code, reinterpret_cast<uint64_t>(data));
  for (uint8_t byte : {0xf0, 0x48, 0xff, 0x04, 0xc8})
    code.push_back(byte);                                        // lock inc qword [rax + rcx * 8]
  for (uint8_t byte : {0x31, 0xc0, 0xc3}) code.push_back(byte);  // xor eax, eax; ret
  return native_program(hive, code, data);
}

}  // namespace skep::tests
