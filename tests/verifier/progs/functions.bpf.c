// Static and global functions, callbacks.
#include "skep_bpf.h"

struct state {
  u32 sum;
  u32 rounds;
};
struct {
  map_uint(type, ARRAY);
  map_uint(max_entries, 16);
  map_type(key, u32);
  map_type(value, u64);
} cells SEC(".maps");

static noinline u32 square(u32 x) { return x * x + random_u32(); }
noinline int clamp(int x) {
  if (x < 0) return 0;
  return x > 15 ? 15 : x;
}
noinline int add_up(const u32 *numbers) {
  if (!numbers) return 0;
  return *numbers + 1;
}
noinline int forgets_the_null_check(const u32 *numbers) { return *numbers; }

SEC("kprobe")
int calls_static(void *ctx) { return square(random_u32()) & 1; }

SEC("kprobe")
int calls_global(void *ctx) {
  u32 n = random_u32();
  return (clamp(n) + add_up(&n)) & 1;
}

SEC("kprobe")
rejected("invalid mem access 'mem_or_null'")
int global_function_without_null_check(void *ctx) {
  u32 n = 1;
  return forgets_the_null_check(&n);
}

static long step(u32 index, void *data) {
  struct state *state = data;
  state->sum += index;
  state->rounds++;
  return state->rounds > 10;
}

SEC("kprobe")
int loops(void *ctx) {
  struct state state = {};
  loop(1000000, step, &state, 0);
  return state.sum & 1;
}

static long reads_too_far(u32 index, void *data) {
  u32 *numbers = data;
  return numbers[index] > 5;
}

SEC("kprobe")
rejected("invalid unbounded variable-offset read from stack R2")
int callback_index_is_not_bounded(void *ctx) {
  u32 numbers[4] = {};
  loop(4, reads_too_far, numbers, 0);
  return 0;
}

static long cell(void *map, u32 *key, u64 *value, u64 *sum) {
  *sum += *value + *key;
  return 0;
}

SEC("kprobe")
int walks_a_map(void *ctx) {
  u64 sum = 0;
  for_each(&cells, cell, &sum, 0);
  return sum & 1;
}

static long returns_two(u32 index, void *data) { return 2; }

SEC("kprobe")
rejected("should have been in [0, 1]")
int callback_returns_too_much(void *ctx) {
  loop(4, returns_two, (void *)0, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
