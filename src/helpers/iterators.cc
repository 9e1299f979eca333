// Open-coded iterators: numbers and set bits. Their state lies on the program's stack, where only these write it.
// Freestanding.
#include "helpers/kfuncs.h"

namespace skep::helpers {
namespace {

struct NumberIterator {
  int32_t current, end;
};
constexpr int64_t kMaxLoops = 1 << 23;

struct BitsIterator {
  uint64_t words;  // address; 0: drained
  int32_t bit;     // what next() points to
  uint32_t count;  // words
};
constexpr uint32_t kMaxWords = 511;

}  // namespace

// (struct bpf_iter_num *it, int start, int end)
SKEP_HELPER(bpf_iter_num_new) {
  auto* it = pointer<NumberIterator>(r1);
  const auto start = static_cast<int32_t>(r2), end = static_cast<int32_t>(r3);
  *it = {};
  if (start > end) return result(kEinval);
  if (int64_t{end} - start > kMaxLoops) return result(kE2big);
  *it = {static_cast<int32_t>(int64_t{start} - 1), end};
  return 0;
}
SKEP_HELPER(bpf_iter_num_next) {
  auto* it = pointer<NumberIterator>(r1);
  // The number before INT_MIN is INT_MAX: it wraps around to the start.
  const auto next = static_cast<int32_t>(static_cast<uint32_t>(it->current) + 1);
  if (next >= it->end) {
    *it = {};
    return 0;
  }
  it->current = next;
  return reinterpret_cast<uint64_t>(&it->current);
}
SKEP_HELPER(bpf_iter_num_destroy) {
  *pointer<NumberIterator>(r1) = {};
  return 0;
}

// (struct bpf_iter_bits *it, const u64 *unsafe_ptr__ign, u32 nr_words)
SKEP_HELPER(bpf_iter_bits_new) {
  auto* it = pointer<BitsIterator>(r1);
  const auto count = static_cast<uint32_t>(r3);
  *it = {};
  if (r2 == 0 || count == 0) return result(kEinval);
  if (count > kMaxWords) return result(kE2big);
  uint64_t last = 0;
  if (run->host->read_memory(run, &last, r2 + 8 * uint64_t{count - 1}, 8) != 0 ||
      run->host->read_memory(run, &last, r2, 8) != 0)
    return result(kEfault);
  *it = {r2, -1, count};
  return 0;
}
SKEP_HELPER(bpf_iter_bits_next) {
  auto* it = pointer<BitsIterator>(r1);
  if (it->words == 0) return 0;
  auto bit = static_cast<uint32_t>(it->bit + 1);
  while (bit < it->count * 64) {
    uint64_t word = 0;
    if (run->host->read_memory(run, &word, it->words + 8 * uint64_t{bit / 64}, 8) != 0) break;
    word >>= bit % 64;
    if (word != 0) {
      it->bit = static_cast<int32_t>(bit) + __builtin_ctzll(word);
      return reinterpret_cast<uint64_t>(&it->bit);
    }
    bit = (bit / 64 + 1) * 64;
  }
  *it = {};
  return 0;
}
SKEP_HELPER(bpf_iter_bits_destroy) {
  *pointer<BitsIterator>(r1) = {};
  return 0;
}

}  // namespace skep::helpers
