// String kfuncs (the kernel's bpf_str*): over memory that may fault, at most 64 KiB of it. Freestanding.
#include "helpers/kfuncs.h"

namespace skep::helpers {
namespace {

constexpr uint32_t kMost = 65536;  // XATTR_SIZE_MAX
constexpr int64_t kEnoent = -2;

// Bytes of a string, fetched by the piece: a piece never goes over a page's end.
class Text {
 public:
  Text(uint64_t address, HelperContext* run) : address_(address), run_(run) {}
  // -EFAULT, or the byte.
  int64_t at(uint32_t index) {
    const uint64_t where = address_ + index;
    if (where - from_ >= size_) {
      uint64_t piece = sizeof bytes_ - where % sizeof bytes_;
      if (run_->host->read_memory(run_, bytes_, where, piece) != 0) {
        piece = 1;
        if (run_->host->read_memory(run_, bytes_, where, 1) != 0) return kEfault;
      }
      from_ = where;
      size_ = piece;
    }
    return bytes_[where - from_];
  }

 private:
  uint64_t address_;
  HelperContext* run_;
  uint64_t from_ = 0, size_ = 0;
  unsigned char bytes_[64] = {};
};

int64_t lower(int64_t c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }

int64_t compare(uint64_t one, uint64_t other, HelperContext* run, bool fold) {
  Text a(one, run), b(other, run);
  for (uint32_t i = 0; i < kMost; ++i) {
    int64_t x = a.at(i), y = b.at(i);
    if (x < 0) return x;
    if (y < 0) return y;
    if (fold) x = lower(x), y = lower(y);
    if (x != y) return x < y ? -1 : 1;
    if (x == 0) return 0;
  }
  return kE2big;
}
int64_t length(uint64_t text, uint64_t limit, HelperContext* run) {
  Text s(text, run);
  for (uint32_t i = 0; i < kMost; ++i) {
    if (i == limit) return i;
    const int64_t c = s.at(i);
    if (c < 0) return c;
    if (c == 0) return i;
  }
  return kE2big;
}
// The first place of `wanted`; `or_end`: of that or the end.
int64_t find(uint64_t text, uint64_t limit, unsigned char wanted, bool or_end, HelperContext* run) {
  Text s(text, run);
  for (uint32_t i = 0; i < kMost; ++i) {
    if (i == limit) return kEnoent;
    const int64_t c = s.at(i);
    if (c < 0) return c;
    if (c == wanted || (or_end && c == 0)) return i;
    if (c == 0) return kEnoent;
  }
  return kE2big;
}
int64_t find_last(uint64_t text, unsigned char wanted, HelperContext* run) {
  Text s(text, run);
  int64_t last = kEnoent;
  for (uint32_t i = 0; i < kMost; ++i) {
    const int64_t c = s.at(i);
    if (c < 0) return c;
    if (c == wanted) last = i;
    if (c == 0) return last;
  }
  return kE2big;
}
// How many bytes at its start are in the set (`inside`) or are not.
int64_t span(uint64_t text, uint64_t set, bool inside, HelperContext* run) {
  uint64_t members[4] = {};
  Text of(set, run);
  for (uint32_t i = 0;; ++i) {
    if (i == kMost) return kE2big;
    const int64_t c = of.at(i);
    if (c < 0) return c;
    if (c == 0) break;
    members[c / 64] |= uint64_t{1} << c % 64;
  }
  Text s(text, run);
  for (uint32_t i = 0; i < kMost; ++i) {
    const int64_t c = s.at(i);
    if (c < 0) return c;
    if (c == 0 || ((members[c / 64] >> c % 64 & 1) != 0) != inside) return i;
  }
  return kE2big;
}
// Where `wanted` begins, wholly within the first `limit` bytes.
int64_t find_text(uint64_t text, uint64_t wanted, uint64_t limit, HelperContext* run) {
  Text s(text, run), w(wanted, run);
  uint64_t work = 0;
  for (uint32_t i = 0; i < kMost; ++i) {
    for (uint32_t j = 0;; ++j) {
      const int64_t c = w.at(j);
      if (c < 0) return c;
      if (c == 0) return i;
      if (j == kMost || ++work > uint64_t{kMost} * 64) return kE2big;
      if (uint64_t{i} + j >= limit) return kEnoent;
      const int64_t have = s.at(i + j);
      if (have < 0) return have;
      if (have == 0) return kEnoent;
      if (have != c) break;
    }
  }
  return kE2big;
}

constexpr uint64_t kAnyLength = ~uint64_t{0};
unsigned char byte(uint64_t value) { return static_cast<unsigned char>(value); }

}  // namespace

SKEP_HELPER(bpf_strcmp) { return result(compare(r1, r2, run, false)); }
SKEP_HELPER(bpf_strcasecmp) { return result(compare(r1, r2, run, true)); }
SKEP_HELPER(bpf_strchr) { return result(find(r1, kAnyLength, byte(r2), false, run)); }
SKEP_HELPER(bpf_strchrnul) { return result(find(r1, kAnyLength, byte(r2), true, run)); }
SKEP_HELPER(bpf_strnchr) { return result(find(r1, r2, byte(r3), false, run)); }
SKEP_HELPER(bpf_strrchr) { return result(find_last(r1, byte(r2), run)); }
SKEP_HELPER(bpf_strlen) { return result(length(r1, kAnyLength, run)); }
SKEP_HELPER(bpf_strnlen) { return result(length(r1, r2, run)); }
SKEP_HELPER(bpf_strspn) { return result(span(r1, r2, true, run)); }
SKEP_HELPER(bpf_strcspn) { return result(span(r1, r2, false, run)); }
SKEP_HELPER(bpf_strstr) { return result(find_text(r1, r2, kAnyLength, run)); }
SKEP_HELPER(bpf_strnstr) { return result(find_text(r1, r2, r3, run)); }

// (void *dst, u32 dst__sz, const void *unsafe_ptr__ign, u64 flags): bytes with the NUL
SKEP_HELPER(bpf_copy_from_user_str) {
  constexpr uint64_t kPadZeros = 1;
  const auto size = static_cast<uint32_t>(r2);
  if ((r4 & ~kPadZeros) != 0) return result(kEinval);
  if (size == 0) return 0;
  int64_t copied = run->host->read_string(run, pointer<void>(r1), r3, size);
  const auto done = static_cast<uint32_t>(copied < 0 ? 0 : copied);
  if (copied < 0 || (r4 & kPadZeros) != 0) {
    for (uint32_t i = done; i < size; ++i) pointer<unsigned char>(r1)[i] = 0;
  }
  return result(copied);
}

}  // namespace skep::helpers
