// A cursor over the output that counts what does not fit, a parser of one conversion, a writer for each kind.
#include "helpers/format.h"

#include <cstring>

#include "helpers/bodies.h"

namespace skep::helpers {

namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
constexpr bool is_printable(char c) { return c >= ' ' && c <= '~'; }
constexpr bool is_alnum(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool ends_conversion(char c) {
  return c == 0 || is_space(c) || (is_printable(c) && !is_alnum(c));
}
constexpr uint32_t kWidest = 1024;

struct Output {
  char* text;
  uint64_t size;
  uint64_t length = 0;
  void put(char c) {
    if (length + 1 < size) text[length] = c;
    length++;
  }
  void put(const char* from, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) put(from[i]);
  }
  void pad(char c, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) put(c);
  }
};

struct Conversion {
  bool left = false, plus = false, space = false, zero = false;
  uint32_t width = 0;
};

void put_padded(Output& out, const Conversion& how, const char* text, uint64_t length) {
  const uint64_t padding = how.width > length ? how.width - length : 0;
  if (!how.left) out.pad(' ', padding);
  out.put(text, length);
  if (how.left) out.pad(' ', padding);
}

// Digits of `value` into the end of `buffer`; where they start.
const char* digits_of(uint64_t value, unsigned base, bool upper, char* end) {
  const char* const digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  do {
    *--end = digits[value % base];
    value /= base;
  } while (value != 0);
  return end;
}

void put_integer(Output& out, const Conversion& how, uint64_t value, char sign, unsigned base,
                 bool upper) {
  char buffer[24];
  const char* digits = digits_of(value, base, upper, buffer + sizeof buffer);
  const auto count = static_cast<uint64_t>(buffer + sizeof buffer - digits);
  const uint64_t length = count + (sign != 0 ? 1 : 0);
  const uint64_t padding = how.width > length ? how.width - length : 0;
  if (!how.left && !how.zero) out.pad(' ', padding);
  if (sign != 0) out.put(sign);
  if (!how.left && how.zero) out.pad('0', padding);
  out.put(digits, count);
  if (how.left) out.pad(' ', padding);
}

void put_signed(Output& out, const Conversion& how, int64_t value) {
  const char sign = value < 0 ? '-' : how.plus ? '+' : how.space ? ' ' : 0;
  const uint64_t magnitude =
      value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  put_integer(out, how, magnitude, sign, 10, false);
}

void put_address(Output& out, Conversion how, uint64_t address) {
  if (how.width == 0) how.width = 16, how.zero = true;
  put_integer(out, how, address, 0, 16, false);
}

// A string of the traced process, or of a map, in pieces; an unreadable one is empty.
void put_string(Output& out, const Conversion& how, uint64_t address, HelperContext* run) {
  char piece[512];
  const int64_t read = run->host->read_string(run, piece, address, sizeof piece);
  uint64_t length = 0;
  if (read > 0) {
    const auto limit =
        static_cast<uint64_t>(read) < sizeof piece ? static_cast<uint64_t>(read) : sizeof piece;
    while (length < limit && piece[length] != 0) length++;
  }
  put_padded(out, how, piece, length);
}

void put_ip4(Output& out, const Conversion& how, const uint8_t* bytes, bool leading_zeros) {
  char text[16];
  uint64_t length = 0;
  for (unsigned i = 0; i < 4; i++) {
    if (i > 0) text[length++] = '.';
    char buffer[3];
    const char* digits = digits_of(bytes[i], 10, false, buffer + sizeof buffer);
    const auto count = static_cast<uint64_t>(buffer + sizeof buffer - digits);
    for (uint64_t zeros = count; leading_zeros && zeros < 3; zeros++) text[length++] = '0';
    std::memcpy(text + length, digits, count);
    length += count;
  }
  put_padded(out, how, text, length);
}

// As the kernel's %pI6 (all groups, with colons) and %pi6 (all digits, without).
void put_ip6(Output& out, const Conversion& how, const uint8_t* bytes, bool colons) {
  char text[40];
  uint64_t length = 0;
  for (unsigned i = 0; i < 16; i++) {
    if (colons && i > 0 && i % 2 == 0) text[length++] = ':';
    text[length++] = "0123456789abcdef"[bytes[i] >> 4];
    text[length++] = "0123456789abcdef"[bytes[i] & 15];
  }
  put_padded(out, how, text, length);
}

// After "%p": what the letters mean. The first letter not taken; null where they mean nothing.
const char* put_pointer(Output& out, const Conversion& how, const char* letters, uint64_t argument,
                        HelperContext* run) {
  if (ends_conversion(letters[0])) {
    put_address(out, how, argument);
    return letters;
  }
  if ((letters[0] == 'k' || letters[0] == 'u') && letters[1] == 's') {
    if (!ends_conversion(letters[2])) return nullptr;
    put_string(out, how, argument, run);
    return letters + 2;
  }
  switch (letters[0]) {
    case 'K':
    case 'x': put_address(out, how, argument); return letters + 1;
    case 's':
    case 'S':
    case 'B': {
      char text[18] = "0x";
      char buffer[16];
      const char* digits = digits_of(argument, 16, false, buffer + sizeof buffer);
      const auto count = static_cast<uint64_t>(buffer + sizeof buffer - digits);
      std::memcpy(text + 2, digits, count);
      put_padded(out, how, text, count + 2);
      return letters + 1;
    }
    case 'i':
    case 'I': {
      const bool v4 = letters[1] == '4';
      if (!v4 && letters[1] != '6') return nullptr;
      uint8_t bytes[16] = {};
      if (run->host->read_memory(run, bytes, argument, v4 ? 4 : 16) != 0)
        std::memset(bytes, 0, sizeof bytes);
      if (v4) {
        put_ip4(out, how, bytes, letters[0] == 'i');
      } else {
        put_ip6(out, how, bytes, letters[0] == 'I');
      }
      return letters + 2;
    }
    default: return nullptr;
  }
}

// One conversion, from behind its '%'. The first character not taken; null where it is refused.
const char* put_conversion(Output& out, const char* at, uint64_t argument, HelperContext* run) {
  Conversion how;
  for (;; at++) {
    if (*at == '-')
      how.left = true;
    else if (*at == '+')
      how.plus = true;
    else if (*at == ' ')
      how.space = true;
    else if (*at == '0')
      how.zero = true;
    else
      break;
  }
  for (; is_digit(*at); at++) {
    how.width = how.width * 10 + static_cast<uint32_t>(*at - '0');
    if (how.width > kWidest) how.width = kWidest;
  }
  if (*at == 'p') return put_pointer(out, how, at + 1, argument, run);
  if (*at == 's') {
    if (!ends_conversion(at[1])) return nullptr;
    put_string(out, how, argument, run);
    return at + 1;
  }
  if (*at == 'c') {
    const auto character = static_cast<char>(argument);
    put_padded(out, how, &character, 1);
    return at + 1;
  }
  unsigned longs = 0;
  while (longs < 2 && *at == 'l') longs++, at++;
  const bool wide = longs > 0;
  switch (*at) {
    case 'd':
    case 'i':
      put_signed(out, how, wide ? static_cast<int64_t>(argument) : static_cast<int32_t>(argument));
      break;
    case 'u':
      put_integer(out, how, wide ? argument : static_cast<uint32_t>(argument), 0, 10, false);
      break;
    case 'x':
      put_integer(out, how, wide ? argument : static_cast<uint32_t>(argument), 0, 16, false);
      break;
    case 'X':
      put_integer(out, how, wide ? argument : static_cast<uint32_t>(argument), 0, 16, true);
      break;
    default: return nullptr;
  }
  return at + 1;
}

}  // namespace

int64_t format_text(HelperContext* run, char* text, uint64_t size, const char* fmt,
                    uint64_t fmt_size, const uint64_t* arguments, uint32_t count) {
  uint64_t end = 0;
  while (end < fmt_size && fmt[end] != 0) end++;
  if (end == fmt_size) return kEinval;
  Output out{text, size};
  uint32_t used = 0;
  for (const char* at = fmt; at < fmt + end;) {
    if (static_cast<unsigned char>(*at) < 0x80 && !is_printable(*at) && !is_space(*at))
      return kEinval;
    if (*at != '%') {
      out.put(*at++);
    } else if (at[1] == '%') {
      out.put('%');
      at += 2;
    } else {
      if (used == count) return kEinval;
      at = put_conversion(out, at + 1, arguments[used++], run);
      if (at == nullptr) return kEinval;
    }
  }
  if (size > 0) text[out.length < size ? out.length : size - 1] = 0;
  return static_cast<int64_t>(out.length);
}

}  // namespace skep::helpers
