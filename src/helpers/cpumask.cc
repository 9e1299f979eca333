// struct bpf_cpumask: objects of the heap. CPUs are the hive's slots, as everywhere in the user engine. Freestanding.
#include "btf/user_engine/published.h"
#include "helpers/kfuncs.h"
#include "object/heap.h"

namespace skep::helpers {
namespace {

constexpr uint32_t kWords = sizeof(published::cpumask) / 8;
constexpr uint32_t kBits = kWords * 64;
static_assert(kBits >= hive::kMaxSlots);

using Mask = published::cpumask;

uint32_t cpus() { return hive::slot_count(); }
uint64_t load(const Mask* mask, uint32_t word) {
  // Bits beyond the CPUs that there are never count.
  const uint32_t first = word * 64, count = cpus();
  if (first >= count) return 0;
  const uint64_t valid = count - first >= 64 ? ~uint64_t{0} : (uint64_t{1} << (count - first)) - 1;
  return __atomic_load_n(&mask->bits[word], __ATOMIC_RELAXED) & valid;
}
void store(Mask* mask, uint32_t word, uint64_t value) {
  __atomic_store_n(&mask->bits[word], value, __ATOMIC_RELAXED);
}
template <class Word>
uint32_t first(Word word) {
  for (uint32_t i = 0; i < kWords; ++i) {
    if (const uint64_t bits = word(i); bits != 0)
      return i * 64 + static_cast<uint32_t>(__builtin_ctzll(bits));
  }
  return cpus();
}
template <class Holds>
uint64_t all(Holds holds) {
  for (uint32_t i = 0; i < kWords; ++i)
    if (!holds(i)) return 0;
  return 1;
}

constexpr uint32_t bit_count(uint64_t bits) {
  uint32_t count = 0;
  for (; bits != 0; bits &= bits - 1) ++count;
  return count;
}

const ObjectType* mask_type() {
  const auto* types = reinterpret_cast<const EngineTypes*>(hive::root(hive::Root::kEngineTypes));
  return types != nullptr ? &types->cpumask : nullptr;
}

}  // namespace

SKEP_HELPER(bpf_cpumask_create) {
  const ObjectType* type = mask_type();
  if (type == nullptr) return 0;
  heap::Object* made = heap::make(*type, run->slot);
  return made == nullptr ? 0 : reinterpret_cast<uint64_t>(made->payload());
}
SKEP_HELPER(bpf_cpumask_acquire) { return bpf_refcount_acquire(r1, 0, 0, 0, 0, run); }
SKEP_HELPER(bpf_cpumask_release) {
  heap::drop(heap::object_at(r1));
  return 0;
}

SKEP_HELPER(bpf_cpumask_first) {
  const auto* mask = pointer<const Mask>(r1);
  return first([&](uint32_t i) { return load(mask, i); });
}
SKEP_HELPER(bpf_cpumask_first_zero) {
  const auto* mask = pointer<const Mask>(r1);
  const uint32_t found =
      first([&](uint32_t i) { return ~__atomic_load_n(&mask->bits[i], __ATOMIC_RELAXED); });
  return found < cpus() ? found : cpus();
}
SKEP_HELPER(bpf_cpumask_first_and) {
  const auto *a = pointer<const Mask>(r1), *b = pointer<const Mask>(r2);
  return first([&](uint32_t i) { return load(a, i) & load(b, i); });
}
SKEP_HELPER(bpf_cpumask_any_distribute) { return bpf_cpumask_first(r1, 0, 0, 0, 0, run); }
SKEP_HELPER(bpf_cpumask_any_and_distribute) { return bpf_cpumask_first_and(r1, r2, 0, 0, 0, run); }

// (u32 cpu, mask)
SKEP_HELPER(bpf_cpumask_set_cpu) {
  const auto cpu = static_cast<uint32_t>(r1);
  if (cpu < cpus())
    __atomic_fetch_or(&pointer<Mask>(r2)->bits[cpu / 64], uint64_t{1} << cpu % 64,
                      __ATOMIC_RELAXED);
  return 0;
}
SKEP_HELPER(bpf_cpumask_clear_cpu) {
  const auto cpu = static_cast<uint32_t>(r1);
  if (cpu < cpus())
    __atomic_fetch_and(&pointer<Mask>(r2)->bits[cpu / 64], ~(uint64_t{1} << cpu % 64),
                       __ATOMIC_RELAXED);
  return 0;
}
SKEP_HELPER(bpf_cpumask_test_cpu) {
  const auto cpu = static_cast<uint32_t>(r1);
  return cpu < cpus() ? load(pointer<const Mask>(r2), cpu / 64) >> cpu % 64 & 1 : 0;
}
SKEP_HELPER(bpf_cpumask_test_and_set_cpu) {
  const auto cpu = static_cast<uint32_t>(r1);
  if (cpu >= cpus()) return 0;
  return __atomic_fetch_or(&pointer<Mask>(r2)->bits[cpu / 64], uint64_t{1} << cpu % 64,
                           __ATOMIC_ACQ_REL) >>
             cpu % 64 &
         1;
}
SKEP_HELPER(bpf_cpumask_test_and_clear_cpu) {
  const auto cpu = static_cast<uint32_t>(r1);
  if (cpu >= cpus()) return 0;
  return __atomic_fetch_and(&pointer<Mask>(r2)->bits[cpu / 64], ~(uint64_t{1} << cpu % 64),
                            __ATOMIC_ACQ_REL) >>
             cpu % 64 &
         1;
}

SKEP_HELPER(bpf_cpumask_setall) {
  for (uint32_t i = 0; i < kWords; ++i) store(pointer<Mask>(r1), i, ~uint64_t{0});
  return 0;
}
SKEP_HELPER(bpf_cpumask_clear) {
  for (uint32_t i = 0; i < kWords; ++i) store(pointer<Mask>(r1), i, 0);
  return 0;
}
SKEP_HELPER(bpf_cpumask_copy) {
  for (uint32_t i = 0; i < kWords; ++i)
    store(pointer<Mask>(r1), i, load(pointer<const Mask>(r2), i));
  return 0;
}
// (dst, src1, src2)
#define SKEP_MASKS(name, expression, answer)                                     \
  SKEP_HELPER(name) {                                                            \
    const auto *one = pointer<const Mask>(r2), *other = pointer<const Mask>(r3); \
    uint64_t any = 0;                                                            \
    for (uint32_t i = 0; i < kWords; ++i) {                                      \
      const uint64_t a = load(one, i), b = load(other, i);                       \
      const uint64_t made = expression;                                          \
      any |= made;                                                               \
      store(pointer<Mask>(r1), i, made);                                         \
    }                                                                            \
    return answer;                                                               \
  }
SKEP_MASKS(bpf_cpumask_and, a& b, any != 0)
SKEP_MASKS(bpf_cpumask_or, a | b, any & 0)
SKEP_MASKS(bpf_cpumask_xor, a ^ b, any & 0)
#undef SKEP_MASKS

SKEP_HELPER(bpf_cpumask_equal) {
  const auto *a = pointer<const Mask>(r1), *b = pointer<const Mask>(r2);
  return all([&](uint32_t i) { return load(a, i) == load(b, i); });
}
SKEP_HELPER(bpf_cpumask_intersects) {
  const auto *a = pointer<const Mask>(r1), *b = pointer<const Mask>(r2);
  return all([&](uint32_t i) { return (load(a, i) & load(b, i)) == 0; }) ^ 1;
}
SKEP_HELPER(bpf_cpumask_subset) {
  const auto *a = pointer<const Mask>(r1), *b = pointer<const Mask>(r2);
  return all([&](uint32_t i) { return (load(a, i) & ~load(b, i)) == 0; });
}
SKEP_HELPER(bpf_cpumask_empty) {
  const auto* mask = pointer<const Mask>(r1);
  return all([&](uint32_t i) { return load(mask, i) == 0; });
}
SKEP_HELPER(bpf_cpumask_weight) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < kWords; ++i) count += bit_count(load(pointer<const Mask>(r1), i));
  return count;
}
SKEP_HELPER(bpf_cpumask_full) { return bpf_cpumask_weight(r1, 0, 0, 0, 0, run) == cpus(); }
// (mask, void *src, size_t src__sz)
SKEP_HELPER(bpf_cpumask_populate) {
  const uint64_t needed = (uint64_t{cpus()} + 63) / 64 * 8;
  if (r3 < needed) return result(kEacces);
  if (r2 % 8 != 0) return result(kEinval);
  for (uint32_t i = 0; i < needed / 8; ++i)
    store(pointer<Mask>(r1), i, pointer<const uint64_t>(r2)[i]);
  return 0;
}

}  // namespace skep::helpers
