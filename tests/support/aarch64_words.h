// AArch64 code as tests look at it: words, and the forms that the fast tier may use.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "vm/jit/jit.h"

namespace skep::aarch64 {

inline std::vector<uint32_t> words_of(const jit::NativeCode& code) {
  std::vector<uint32_t> words(code.code_size / 4);
  std::memcpy(words.data(), code.block.writable, words.size() * 4);
  return words;
}

// Whether two moves, one after the other, put `number` into a register, or half of one.
inline bool moves_number(std::span<const uint32_t> words, uint32_t number) {
  const auto is_move = [](uint32_t word, uint32_t bits) {
    return (word & 0x1f800000) == 0x12800000 && (word >> 5 & 0xffff) == bits;  // movz, movk, movn
  };
  for (size_t i = 0; i + 1 < words.size(); ++i)
    if (is_move(words[i], number & 0xffff) && is_move(words[i + 1], number >> 16) &&
        (words[i] & 31) == (words[i + 1] & 31))
      return true;
  return false;
}

}  // namespace skep::aarch64
