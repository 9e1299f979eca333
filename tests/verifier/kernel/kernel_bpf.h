// What the programs of this directory share: kernel functions as externs (kernel.c has their BTF), a few helpers, maps.
#pragma once
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef _Bool bool;

#define SEC(name) __attribute__((section(name), used))
#define REJECT(message) __attribute__((btf_decl_tag("reject:" message)))
#define KSYM __attribute__((section(".ksyms")))
#define map_uint(name, value) int(*name)[value]
#define map_type(name, value) typeof(value)* name
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct task_struct {
  int pid;
  struct task_struct* real_parent;
  struct task_struct* group_leader;
  char comm[16];
};
struct __sk_buff {
  u32 len;
};
#pragma clang attribute pop
struct bpf_dynptr {
  u64 opaque[2];
} __attribute__((aligned(8)));
struct bpf_iter_num {
  u64 opaque[1];
} __attribute__((aligned(8)));
struct bpf_list_head {
  u64 opaque[2];
} __attribute__((aligned(8)));
struct bpf_list_node {
  u64 opaque[3];
} __attribute__((aligned(8)));
struct bpf_spin_lock {
  u32 value;
};
struct bpf_res_spin_lock {
  u32 value;
  u32 locks;
};

extern struct task_struct* bpf_task_from_pid(s32 pid) KSYM;
extern struct task_struct* bpf_task_acquire(struct task_struct* p) KSYM;
extern void bpf_task_release(struct task_struct* p) KSYM;
extern void bpf_rcu_read_lock(void) KSYM;
extern void bpf_rcu_read_unlock(void) KSYM;
extern void bpf_preempt_disable(void) KSYM;
extern void bpf_local_irq_save(unsigned long* flags) KSYM;
extern void bpf_local_irq_restore(unsigned long* flags) KSYM;
extern int bpf_res_spin_lock(struct bpf_res_spin_lock* lock) KSYM;
extern void bpf_res_spin_unlock(struct bpf_res_spin_lock* lock) KSYM;
extern int bpf_iter_num_new(struct bpf_iter_num* it, int start, int end) KSYM;
extern int* bpf_iter_num_next(struct bpf_iter_num* it) KSYM;
extern void bpf_iter_num_destroy(struct bpf_iter_num* it) KSYM;
extern int bpf_dynptr_from_skb(struct __sk_buff* s, u64 flags, struct bpf_dynptr* ptr) KSYM;
extern void* bpf_dynptr_slice(const struct bpf_dynptr* p, u64 offset, void* buffer, u64 size) KSYM;
extern int bpf_dynptr_clone(const struct bpf_dynptr* p, struct bpf_dynptr* clone) KSYM;
extern void* bpf_obj_new_impl(u64 type, void* meta) KSYM;
extern void bpf_obj_drop_impl(void* p, void* meta) KSYM;
extern int bpf_list_push_front_impl(struct bpf_list_head* head, struct bpf_list_node* node,
                                    void* meta, u64 off) KSYM;
extern struct bpf_list_node* bpf_list_pop_front(struct bpf_list_head* head) KSYM;
extern void bpf_throw(u64 cookie) KSYM;
extern void bpf_no_such_kfunc(void) KSYM;

static void* (*const lookup)(void* map, const void* key) = (void*)1;
static void (*const spin_lock)(struct bpf_spin_lock* lock) = (void*)93;
static void (*const spin_unlock)(struct bpf_spin_lock* lock) = (void*)94;
static void* (*const kptr_xchg)(void* place, void* value) = (void*)194;
static long (*const ringbuf_reserve_dynptr)(void* ring, u32 size, u64 flags,
                                            struct bpf_dynptr* ptr) = (void*)198;
static void (*const ringbuf_submit_dynptr)(struct bpf_dynptr* ptr, u64 flags) = (void*)199;
static void* (*const dynptr_data)(struct bpf_dynptr* ptr, u64 off, u64 size) = (void*)203;

struct plain {
  u64 value;
};
struct node {
  u64 value;
  struct bpf_list_node list;
};
struct element {
  struct bpf_res_spin_lock lock;
  struct plain __attribute__((btf_type_tag("kptr"))) * plain;
};
struct {
  map_uint(type, 2);
  map_uint(max_entries, 4);
  map_type(key, u32);
  map_type(value, struct element);
} elements SEC(".maps");
struct {
  map_uint(type, 27);
  map_uint(max_entries, 4096);
} ring SEC(".maps");

SEC(".bss.locked") struct bpf_spin_lock lock;
SEC(".bss.locked")
struct bpf_list_head head __attribute__((btf_decl_tag("contains:node:list")));

static inline __attribute__((always_inline)) struct node* new_node(void) {
  return bpf_obj_new_impl(__builtin_btf_type_id(*(struct node*)0, 0), 0);
}

char _license[] SEC("license") = "GPL";
