// What the JIT bench's programs share: one C source becomes BPF (a SEC("tc") program) and native code.
//
// A program defines `static u64 run(void)`. It reads `input`, which the harness fills with the same bytes for
// every engine, and may write `work`, which is zero at first. Results are compared between engines.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;

#define INPUT 4096
// In the bytecode a call stays a call: how engines do those is what is measured. Native compilers may inline it, as the
// optimising tier may.
#ifdef __bpf__
#define NOINLINE __attribute__((noinline))
#else
#define NOINLINE
#endif
#define INLINE static inline __attribute__((always_inline))

// A value that the compiler knows nothing of: keeps the BPF back end from undoing a mask. Of no use to native code.
#ifdef __bpf__
#define OPAQUE(x)                         \
  ({                                      \
    __typeof__(x) opaque_ = (x);          \
    __asm__ volatile("" : "+r"(opaque_)); \
    opaque_;                              \
  })
#else
#define OPAQUE(x) (x)
#endif

#ifdef __bpf__
#define SEC(name) __attribute__((section(name), used))
#define MAP(kind, id_, value_type, entries) \
  struct {                                  \
    int (*type)[id_];                       \
    int (*max_entries)[entries];            \
    u32* key;                               \
    value_type* value;                      \
  } kind SEC(".maps");
#define HASH_MAP(name, value_type, entries) MAP(name, 1, value_type, entries)
#define ARRAY_MAP(name, value_type, entries) MAP(name, 2, value_type, entries)
#define PERCPU_ARRAY_MAP(name, value_type, entries) MAP(name, 6, value_type, entries)
#define LOOKUP(map, key) (((void* (*)(void*, const void*))1)(&(map), (key)))
#define UPDATE(map, key, value) \
  (((long (*)(void*, const void*, const void*, u64))2)(&(map), (key), (value), 0))
#define TAIL_CALL(map, index) (((long (*)(void*, void*, u32))12)(ctx, &(map), (index)))
// What a tail call may go to: a program of its own, natively a function.
#define PROGRAM(name) SEC("tc") int name(void* ctx)
#define PROGRAMS(name, count, ...) \
  struct {                         \
    int (*type)[3];                \
    int (*key_size)[4];            \
    int (*max_entries)[count];     \
    int (*values[count])(void*);   \
  } name SEC(".maps") = {.values = {__VA_ARGS__}}
char license_text[] SEC("license") = "GPL";
u8 input[INPUT] __attribute__((aligned(64)));
u8 work[INPUT] __attribute__((aligned(64)));
#ifndef OWN_PROG
static u64 run(void);
SEC("tc") int prog(void* ctx) {
  (void)ctx;
  u64 r = run();
  return (int)(r ^ r >> 32);
}
#endif
#else
// Values that others could change, so that compilers may not assume what is in them.
#define ARRAY_MAP(name, value_type, entries)                                                  \
  static value_type name##_values[entries];                                                   \
  __attribute__((visibility("default"))) void* name##_escapes(void) { return name##_values; } \
  INLINE void* name##_lookup(const u32* key) { return *key < entries ? &name##_values[*key] : 0; }
#define PERCPU_ARRAY_MAP ARRAY_MAP
// The table that skep's maps are (src/maps/hash_table.h), in plain C: lines of seven tagged entries, elements apart, a
// hash whose seed the compiler does not know, so that the bench compares code, not data structures.
#define HASH_MAP(name, value_type, entries)                                                     \
  static struct name##_element {                                                                \
    u32 header[4], key, pad;                                                                    \
    value_type value;                                                                           \
  } name##_elements[entries];                                                                   \
  static struct name##_line {                                                                   \
    u32 lock, overflow;                                                                         \
    u64 tagged[7];                                                                              \
  } __attribute__((aligned(64))) name##_lines[HASH_LINES(entries)];                             \
  static u64 name##_seed = 0x1f83d9abfb41bd6bull;                                               \
  static u32 name##_used;                                                                       \
  __attribute__((visibility("default"))) void* name##_escapes(void) { return name##_elements; } \
  __attribute__((visibility("default"))) void* name##_escapes2(void) { return name##_lines; }   \
  __attribute__((visibility("default"))) u64* name##_escapes3(void) { return &name##_seed; }    \
  INLINE u64 name##_hash(u32 key) {                                                             \
    unsigned __int128 wide =                                                                    \
        (unsigned __int128)(key ^ name##_seed) * (0x9e3779b97f4a7c15ull ^ name##_seed << 1);    \
    return (u64)wide ^ (u64)(wide >> 64);                                                       \
  }                                                                                             \
  INLINE value_type* name##_lookup(const u32* key) {                                            \
    u64 hash = name##_hash(*key);                                                               \
    struct name##_line* line = &name##_lines[(u32)hash & (HASH_LINES(entries) - 1)];            \
    for (u32 k = 0; k < 7; k++) {                                                               \
      u64 entry = __atomic_load_n(&line->tagged[k], __ATOMIC_ACQUIRE);                          \
      if (entry >> 32 != hash >> 32) continue;                                                  \
      u32 index = (u32)entry - 1;                                                               \
      if (index < (entries) && name##_elements[index].key == *key)                              \
        return &name##_elements[index].value;                                                   \
    }                                                                                           \
    for (u32 at = line->overflow; at != 0; at = name##_elements[at - 1].header[0])              \
      if (name##_elements[at - 1].key == *key) return &name##_elements[at - 1].value;           \
    return 0;                                                                                   \
  }                                                                                             \
  INLINE void name##_update(const u32* key, const value_type* value) {                          \
    value_type* there = name##_lookup(key);                                                     \
    if (there) {                                                                                \
      *there = *value;                                                                          \
      return;                                                                                   \
    }                                                                                           \
    u64 hash = name##_hash(*key);                                                               \
    struct name##_line* line = &name##_lines[(u32)hash & (HASH_LINES(entries) - 1)];            \
    if (name##_used == (entries)) return;                                                       \
    struct name##_element* element = &name##_elements[name##_used++];                           \
    element->key = *key, element->value = *value;                                               \
    for (u32 k = 0; k < 7; k++)                                                                 \
      if (line->tagged[k] == 0) {                                                               \
        line->tagged[k] = hash >> 32 << 32 | name##_used;                                       \
        return;                                                                                 \
      }                                                                                         \
    element->header[0] = line->overflow, line->overflow = name##_used;                          \
  }
#define HASH_LINES(entries) ((entries) / 4)
#define LOOKUP(map, key) map##_lookup(key)
#define UPDATE(map, key, value) map##_update(key, value)
#define PROGRAM(name) static NOINLINE int name(void* ctx)
#define PROGRAMS(name, count, ...)                              \
  static int (*name##_functions[count])(void*) = {__VA_ARGS__}; \
  __attribute__((visibility("default"))) void* name##_escapes(void) { return name##_functions; }
#define TAIL_CALL(map, index) return map##_functions[index](ctx)
static u8 input[INPUT] __attribute__((aligned(64)));
static u8 work[INPUT] __attribute__((aligned(64)));
__attribute__((visibility("default"))) u8* bench_input(void) { return input; }
__attribute__((visibility("default"))) u8* bench_work(void) { return work; }
#ifdef OWN_PROG
static int prog(void* ctx);
__attribute__((visibility("default"), noinline)) u32 bench_run(void* ctx) { return (u32)prog(ctx); }
#else
static u64 run(void);
__attribute__((visibility("default"), noinline)) u32 bench_run(void* ctx) {
  (void)ctx;
  u64 r = run();
  return (u32)(r ^ r >> 32);
}
#endif
#endif

#define IN64 ((const u64*)input)
#define IN32 ((const u32*)input)
#define IN16 ((const u16*)input)
#define WORK64 ((u64*)work)
#define WORK32 ((u32*)work)

INLINE u64 rotl64(u64 x, unsigned k) { return x << k | x >> (64 - k); }
INLINE u32 rotl32(u32 x, unsigned k) { return x << k | x >> (32 - k); }
