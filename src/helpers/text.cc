// Printing (bpf_trace_printk and its kind) and parsing of numbers and strings. Freestanding.
#include <cstring>

#include "btf/user_engine/published.h"
#include "helpers/bodies.h"
#include "helpers/format.h"

namespace skep::helpers {

namespace {

constexpr uint64_t kLine = 1024;  // the kernel's MAX_BPRINTF_BUF
constexpr uint32_t kMostArguments = 12;

int64_t print(HelperContext* run, const char* fmt, uint64_t fmt_size, const uint64_t* arguments,
              uint32_t count) {
  char line[kLine];
  int64_t length = format_text(run, line, sizeof line, fmt, fmt_size, arguments, count);
  if (length < 0) return length;
  const auto shown = static_cast<uint32_t>(length < int64_t{kLine} ? length : kLine - 1);
  if (run->host->trace_print != nullptr) run->host->trace_print(run, line, shown);
  return length;
}

}  // namespace

// (const char *fmt, u32 fmt_size, …): up to three arguments
SKEP_HELPER(trace_printk) {
  const uint64_t arguments[] = {r3, r4, r5};
  return result(print(run, pointer<const char>(r1), static_cast<uint32_t>(r2), arguments, 3));
}
// (const char *fmt, u32 fmt_size, const void *data, u32 data_len): arguments as an array of u64
SKEP_HELPER(trace_vprintk) {
  const uint64_t bytes = static_cast<uint32_t>(r4);
  if (bytes % 8 != 0 || bytes > kMostArguments * 8 || (bytes != 0 && r3 == 0))
    return result(kEinval);
  return result(print(run, pointer<const char>(r1), static_cast<uint32_t>(r2),
                      pointer<const uint64_t>(r3), static_cast<uint32_t>(bytes / 8)));
}
// (char *str, u32 str_size, const char *fmt, u64 *data, u32 data_len): the length with the NUL
SKEP_HELPER(snprintf) {
  const uint64_t bytes = static_cast<uint32_t>(r5);
  if (bytes % 8 != 0 || bytes > kMostArguments * 8 || (bytes != 0 && r4 == 0))
    return result(kEinval);
  // The verifier has seen the format: a constant string, with its NUL.
  const int64_t length =
      format_text(run, pointer<char>(r1), static_cast<uint32_t>(r2), pointer<const char>(r3),
                  kLine * 64, pointer<const uint64_t>(r4), static_cast<uint32_t>(bytes / 8));
  return result(length < 0 ? length : length + 1);
}

// What an iterator writes to. Its address in r1 is the one that the run gave the program, so the run's is taken.
// (struct seq_file *m, const char *fmt, u32 fmt_size, const void *data, u32 data_len)
SKEP_HELPER(seq_printf) {
  auto* seq = static_cast<published::seq_file*>(run->seq);
  const uint64_t bytes = static_cast<uint32_t>(r5);
  if (seq == nullptr || bytes % 8 != 0 || bytes > kMostArguments * 8 || (bytes != 0 && r4 == 0))
    return result(kEinval);
  const uint64_t room = seq->size - seq->count;
  const int64_t length = format_text(run, seq->buf + seq->count, room, pointer<const char>(r2),
                                     static_cast<uint32_t>(r3), pointer<const uint64_t>(r4),
                                     static_cast<uint32_t>(bytes / 8));
  if (length < 0) return result(length);
  if (static_cast<uint64_t>(length) < room) {
    seq->count += static_cast<uint64_t>(length);
    return 0;
  }
  seq->count = seq->size;
  return result(kEoverflow);
}
// (struct seq_file *m, const void *data, u32 len)
SKEP_HELPER(seq_write) {
  auto* seq = static_cast<published::seq_file*>(run->seq);
  const uint64_t bytes = static_cast<uint32_t>(r3);
  if (seq == nullptr) return result(kEinval);
  if (bytes >= seq->size - seq->count) {
    seq->count = seq->size;
    return result(kEoverflow);
  }
  std::memcpy(seq->buf + seq->count, pointer<const void>(r2), bytes);
  seq->count += bytes;
  return 0;
}

namespace {

constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
constexpr int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

struct Number {
  uint64_t magnitude = 0;
  bool negative = false;
  int64_t consumed = 0;  // characters; or an error
};

// [spaces] [-] [0x | 0] digits. Base 0 means what the prefix says; as the kernel's __bpf_strtoull.
Number parse_number(const char* text, uint64_t size, uint64_t flags) {
  Number number;
  unsigned base = flags & 0x1f;
  number.consumed = kEinval;
  if ((flags & ~uint64_t{0x1f}) != 0 || (base != 0 && base != 8 && base != 10 && base != 16))
    return number;
  uint64_t at = 0;
  const auto next = [&](uint64_t ahead = 0) { return at + ahead < size ? text[at + ahead] : '\0'; };
  while (at < size && is_space(text[at])) at++;
  if (next() == '-') number.negative = true, at++;
  const bool hex_prefix = next() == '0' && (next(1) | 0x20) == 'x' && digit_of(next(2)) < 16;
  if (base == 0) base = hex_prefix ? 16 : next() == '0' ? 8 : 10;
  if (base == 16 && hex_prefix) at += 2;
  const uint64_t first = at;
  for (; at < size && digit_of(text[at]) < static_cast<int>(base); at++) {
    uint64_t scaled = 0;
    if (__builtin_mul_overflow(number.magnitude, uint64_t{base}, &scaled) ||
        __builtin_add_overflow(scaled, static_cast<uint64_t>(digit_of(text[at])),
                               &number.magnitude)) {
      number.consumed = kErange;
      return number;
    }
  }
  if (at > first) number.consumed = static_cast<int64_t>(at);
  return number;
}

}  // namespace

// (const char *buf, size_t buf_len, u64 flags, long *res): characters taken
SKEP_HELPER(strtol) {
  auto* to = pointer<int64_t>(r4);
  *to = 0;
  const Number number = parse_number(pointer<const char>(r1), r2, r3);
  if (number.consumed < 0) return result(number.consumed);
  const uint64_t most = number.negative ? uint64_t{1} << 63 : (uint64_t{1} << 63) - 1;
  if (number.magnitude > most) return result(kErange);
  *to = static_cast<int64_t>(number.negative ? 0 - number.magnitude : number.magnitude);
  return result(number.consumed);
}
SKEP_HELPER(strtoul) {
  auto* to = pointer<uint64_t>(r4);
  *to = 0;
  const Number number = parse_number(pointer<const char>(r1), r2, r3);
  if (number.consumed < 0) return result(number.consumed);
  if (number.negative) return result(kEinval);
  *to = number.magnitude;
  return result(number.consumed);
}
// (const char *s1, u32 s1_sz, const char *s2): s2 is a constant string with its NUL
SKEP_HELPER(strncmp) {
  const auto* a = pointer<const unsigned char>(r1);
  const auto* b = pointer<const unsigned char>(r3);
  for (uint64_t i = 0; i < static_cast<uint32_t>(r2); i++) {
    if (a[i] != b[i]) return result(a[i] < b[i] ? -1 : 1);
    if (a[i] == 0) break;
  }
  return 0;
}

}  // namespace skep::helpers
