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
#define ARRAY_MAP(name, value_type, entries) MAP(name, 2, value_type, entries)
#define PERCPU_ARRAY_MAP(name, value_type, entries) MAP(name, 6, value_type, entries)
#define LOOKUP(map, key) (((void* (*)(void*, const void*))1)(&(map), (key)))
char license_text[] SEC("license") = "GPL";
u8 input[INPUT] __attribute__((aligned(64)));
u8 work[INPUT] __attribute__((aligned(64)));
static u64 run(void);
SEC("tc") int prog(void* ctx) {
  (void)ctx;
  u64 r = run();
  return (int)(r ^ r >> 32);
}
#else
#define ARRAY_MAP(name, value_type, entries) \
  static value_type name##_values[entries];  \
  INLINE void* name##_lookup(const u32* key) { return *key < entries ? &name##_values[*key] : 0; }
#define PERCPU_ARRAY_MAP ARRAY_MAP
#define LOOKUP(map, key) map##_lookup(key)
static u8 input[INPUT] __attribute__((aligned(64)));
static u8 work[INPUT] __attribute__((aligned(64)));
static u64 run(void);
__attribute__((visibility("default"))) u8* bench_input(void) { return input; }
__attribute__((visibility("default"))) u8* bench_work(void) { return work; }
__attribute__((visibility("default"), noinline)) u32 bench_run(void* ctx) {
  (void)ctx;
  u64 r = run();
  return (u32)(r ^ r >> 32);
}
#endif

#define IN64 ((const u64*)input)
#define IN32 ((const u32*)input)
#define IN16 ((const u16*)input)
#define WORK64 ((u64*)work)
#define WORK32 ((u32*)work)

INLINE u64 rotl64(u64 x, unsigned k) { return x << k | x >> (64 - k); }
INLINE u32 rotl32(u32 x, unsigned k) { return x << k | x >> (32 - k); }
