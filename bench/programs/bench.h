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
#define NOINLINE __attribute__((noinline))
#define INLINE static inline __attribute__((always_inline))

// A value that the compiler knows nothing of: keeps the BPF back end from undoing a mask.
#define OPAQUE(x)                         \
  ({                                      \
    __typeof__(x) opaque_ = (x);          \
    __asm__ volatile("" : "+r"(opaque_)); \
    opaque_;                              \
  })

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
// Open addressing, a quarter full at most: about what a C programmer would write for the occasion.
#define HASH_MAP(name, value_type, entries)                                                  \
  static struct name##_slot {                                                                \
    u32 used, key;                                                                           \
    value_type value;                                                                        \
  } name##_slots[(entries) * 4];                                                             \
  __attribute__((visibility("default"))) void* name##_escapes(void) { return name##_slots; } \
  INLINE struct name##_slot* name##_find(u32 key) {                                          \
    u32 at = (key * 0x9e3779b1u) >> 7;                                                       \
    for (;; at++) {                                                                          \
      struct name##_slot* slot = &name##_slots[at % ((entries) * 4)];                        \
      if (!slot->used || slot->key == key) return slot;                                      \
    }                                                                                        \
  }                                                                                          \
  INLINE void* name##_lookup(const u32* key) {                                               \
    struct name##_slot* slot = name##_find(*key);                                            \
    return slot->used ? &slot->value : 0;                                                    \
  }                                                                                          \
  INLINE void name##_update(const u32* key, const value_type* value) {                       \
    struct name##_slot* slot = name##_find(*key);                                            \
    slot->used = 1, slot->key = *key, slot->value = *value;                                  \
  }
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
