// What these programs need of <linux/bpf.h> and libbpf, in our own words.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define noinline __attribute__((noinline))
#define inlined inline __attribute__((always_inline))
// What the verifier says of the program that follows; without it, it must be accepted.
#define rejected(message) __attribute__((btf_decl_tag("reject:" message)))

#define map_uint(name, value) int(*name)[value]
#define map_type(name, type) type* name

enum { HASH = 1, ARRAY = 2, PROG_ARRAY = 3, PERCPU_ARRAY = 6, LRU_HASH = 9, RINGBUF = 27 };

struct xdp_md {
  u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};
struct __sk_buff;

static void* (*const lookup)(void* map, const void* key) = (void*)1;
static long (*const update)(void* map, const void* key, const void* value, u64 flags) = (void*)2;
static long (*const erase)(void* map, const void* key) = (void*)3;
static u64 (*const now)(void) = (void*)5;
static u32 (*const random_u32)(void) = (void*)7;
static long (*const tail_call)(void* ctx, void* map, u32 index) = (void*)12;
static u64 (*const pid_tgid)(void) = (void*)14;
static long (*const comm)(void* buffer, u32 size) = (void*)16;
static long (*const adjust_head)(struct xdp_md* ctx, int delta) = (void*)44;
static long (*const read_user_str)(void* to, u32 size, const void* from) = (void*)114;
static void* (*const reserve)(void* ring, u64 size, u64 flags) = (void*)131;
static void (*const submit)(void* data, u64 flags) = (void*)132;
static void (*const discard)(void* data, u64 flags) = (void*)133;
static long (*const for_each)(void* map, void* callback, void* data, u64 flags) = (void*)164;
static long (*const loop)(u32 count, void* callback, void* data, u64 flags) = (void*)181;
