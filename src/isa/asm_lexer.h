// Tokens of one line of assembly, for assembler.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace skep::isa {

struct Token {
  enum class Kind : uint8_t { kWord, kNumber, kPunct, kString, kEnd };
  Kind kind = Kind::kEnd;
  std::string_view text{};  // of the source; a string without its quotes
  uint32_t column = 0;      // from 1
  uint64_t value = 0;       // kNumber, unsigned: signs are tokens of their own

  [[nodiscard]] bool is(std::string_view what) const {
    return (kind == Kind::kWord || kind == Kind::kPunct) && text == what;
  }
  [[nodiscard]] std::string shown() const;  // for "found …"
};

// The text with every comment blanked out; lines and columns stay. `ends_in_comment` where a /* has
// no */.
[[nodiscard]] std::string without_comments(std::string_view text, bool* ends_in_comment);

// A line's tokens, a kEnd last. The error has a column: "14: …".
[[nodiscard]] Result<std::vector<Token>> tokenize(std::string_view line);

}  // namespace skep::isa
