// Lookups, keys, values, globals.
#include "skep_bpf.h"

struct value {
  u64 count;
  u32 slots[27];
};

struct {
  map_uint(type, HASH);
  map_uint(max_entries, 1024);
  map_type(key, u64);
  map_type(value, struct value);
} values SEC(".maps");
struct {
  map_uint(type, PROG_ARRAY);
  map_uint(max_entries, 4);
  map_type(key, u32);
  map_type(value, u32);
} programs SEC(".maps");

const volatile u32 limit = 20;
u64 total = 0;
static struct value zero;

static inlined u32 log2l(u64 v) {
  u32 r = 0;
  for (int i = 0; i < 6; i++) {
    u32 shift = 32 >> i;
    if (v >> shift) {
      v >>= shift;
      r += shift;
    }
  }
  return r;
}

SEC("kprobe")
int histogram(void *ctx) {
  u64 key = pid_tgid();
  struct value *value = lookup(&values, &key);
  if (!value) {
    update(&values, &key, &zero, 1);
    value = lookup(&values, &key);
    if (!value) return 0;
  }
  u32 slot = log2l(now());
  if (slot > 26) slot = 26;
  __sync_fetch_and_add(&value->slots[slot], 1);
  value->count++;
  total++;
  return 0;
}

SEC("kprobe")
int global_limit(void *ctx) {
  u64 key = 1;
  struct value *value = lookup(&values, &key);
  if (value && limit < 27) value->slots[limit]++;
  return 0;
}

SEC("kprobe")
int chains(void *ctx) {
  tail_call(ctx, &programs, 2);
  return 0;
}

SEC("kprobe")
rejected("R1 type=scalar expected=map_ptr")
int not_a_map(void *ctx) {
  u64 key = 0;
  return lookup((void *)8, &key) != 0;
}

SEC("kprobe")
rejected("cannot pass map_type 3 into func bpf_map_lookup_elem#1")
int lookup_in_a_prog_array(void *ctx) {
  u32 key = 0;
  return lookup(&programs, &key) != 0;
}

SEC("kprobe")
rejected("outside of the allowed memory range")
int slot_not_bounded_enough(void *ctx) {
  u64 key = 0;
  struct value *value = lookup(&values, &key);
  u32 i = random_u32();
  if (value && i <= 28) value->slots[i] = 1;
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
