#include "report/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace skep::report {
namespace {

// Length of the UTF-8 sequence at `text`, and its character; 0 where there is none (overlong forms, surrogates and
// what lies above U+10FFFF included).
size_t utf8_at(std::string_view text, char32_t& character) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const size_t length = first < 0x80                    ? 1
                        : first >= 0xc2 && first < 0xe0 ? 2
                        : first >= 0xe0 && first < 0xf0 ? 3
                        : first >= 0xf0 && first < 0xf5 ? 4
                                                        : 0;
  if (length == 0 || length > text.size()) return 0;
  character = length == 1 ? first : first & (0x7f >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    character = character << 6 | (byte(i) & 0x3f);
  }
  if ((length == 3 && character < 0x800) || (length == 4 && character < 0x10000) ||
      character > 0x10ffff || (character >= 0xd800 && character < 0xe000))
    return 0;
  return length;
}

bool is_harmless(char32_t c) {
  if (c < 0x20 || (c >= 0x7f && c < 0xa0)) return false;                         // C0, DEL, C1
  if (c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e)) return false;  // direction
  return c < 0x2066 || c > 0x2069;
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    char32_t character = 0;
    const size_t length = utf8_at(text, character);
    if (length != 0 && is_harmless(character) && character != '\\') {
      out += text.substr(0, length);
      text.remove_prefix(length);
      continue;
    }
    switch (text[0]) {
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\t': out += "\\t"; break;
      default:
        for (char c : text.substr(0, std::max<size_t>(length, 1)))
          out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return out;
}

size_t display_width(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string pad_left(std::string_view text, size_t width) {
  const size_t has = display_width(text);
  return std::string(width > has ? width - has : 0, ' ') + std::string(text);
}

std::string pad_right(std::string_view text, size_t width) {
  const size_t has = display_width(text);
  return std::string(text) + std::string(width > has ? width - has : 0, ' ');
}

}  // namespace skep::report
