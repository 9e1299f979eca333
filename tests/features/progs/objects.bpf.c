// Objects of bpf_obj_new, lists, trees, references, kptrs, CPU masks.
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define __contains(name, node) __attribute__((btf_decl_tag("contains:" #name ":" #node)))
#define private(name) SEC(".data." #name) __attribute__((visibility("hidden"))) __attribute__((aligned(8)))
#define make(type) ((type*)bpf_obj_new_impl(bpf_core_type_id_local(type), 0))
#define drop(object) bpf_obj_drop_impl(object, 0)
#ifndef container_of
#define container_of(ptr, type, member) ((type*)((void*)(ptr) - __builtin_offsetof(type, member)))
#endif
#define __kptr __attribute__((btf_type_tag("kptr")))

struct item {
  struct bpf_list_node node;
  __u64 value;
};
struct leaf {
  struct bpf_rb_node node;
  __u64 key;
};
struct shared {
  struct bpf_refcount references;
  struct bpf_list_node in_list;
  struct bpf_rb_node in_tree;
  __u64 value;
};
struct plain {
  __u64 value;
};

private(A) struct bpf_spin_lock lock;
private(A) struct bpf_list_head items __contains(item, node);
private(B) struct bpf_spin_lock tree_lock;
private(B) struct bpf_rb_root leaves __contains(leaf, node);
private(C) struct bpf_spin_lock shared_lock;
private(C) struct bpf_list_head shared_list __contains(shared, in_list);
private(C) struct bpf_rb_root shared_tree __contains(shared, in_tree);

struct slot {
  struct plain __kptr* kept;
  struct bpf_cpumask __kptr* mask;
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct slot);
} slots SEC(".maps");

// 1, 2, 3 to the front, 4 to the back: 3 2 1 4.
SEC("tc")
int list(struct __sk_buff* skb) {
  __u64 order = 0;
  int i;
  for (i = 1; i <= 4; i++) {
    struct item* one = make(struct item);
    if (!one) return 1;
    one->value = i;
    bpf_spin_lock(&lock);
    if (i == 4)
      bpf_list_push_back_impl(&items, &one->node, 0, 0);
    else
      bpf_list_push_front_impl(&items, &one->node, 0, 0);
    bpf_spin_unlock(&lock);
  }
  for (i = 0; i < 4; i++) {
    struct bpf_list_node* node;
    struct item* one;
    bpf_spin_lock(&lock);
    node = i == 3 ? bpf_list_pop_back(&items) : bpf_list_pop_front(&items);
    bpf_spin_unlock(&lock);
    if (!node) return 2;
    one = container_of(node, struct item, node);
    order = order * 10 + one->value;
    drop(one);
  }
  bpf_spin_lock(&lock);
  struct bpf_list_node* left = bpf_list_pop_front(&items);
  bpf_spin_unlock(&lock);
  if (left) {
    drop(container_of(left, struct item, node));
    return 3;
  }
  return order;
}

static bool less(struct bpf_rb_node* a, const struct bpf_rb_node* b) {
  return container_of(a, struct leaf, node)->key < container_of(b, struct leaf, node)->key;
}

SEC("tc")
int tree(struct __sk_buff* skb) {
  __u64 last = 0, count = 0;
  int i;
  bpf_for(i, 0, 100) {
    struct leaf* one = make(struct leaf);
    if (!one) return 1;
    one->key = (i * 37) % 101 + 1;
    bpf_spin_lock(&tree_lock);
    bpf_rbtree_add_impl(&leaves, &one->node, less, 0, 0);
    bpf_spin_unlock(&tree_lock);
  }
  bpf_for(i, 0, 101) {
    struct bpf_rb_node* node;
    struct leaf* one;
    bpf_spin_lock(&tree_lock);
    node = bpf_rbtree_first(&leaves);
    if (!node) {
      bpf_spin_unlock(&tree_lock);
      break;
    }
    node = bpf_rbtree_remove(&leaves, node);
    bpf_spin_unlock(&tree_lock);
    if (!node) return 2;
    one = container_of(node, struct leaf, node);
    if (one->key <= last) {
      drop(one);
      return 3;
    }
    last = one->key;
    count++;
    drop(one);
  }
  return count;
}

static bool shared_less(struct bpf_rb_node* a, const struct bpf_rb_node* b) {
  return container_of(a, struct shared, in_tree)->value <
         container_of(b, struct shared, in_tree)->value;
}

// One object in a list and a tree at a time.
SEC("tc")
int shared(struct __sk_buff* skb) {
  struct shared *one = make(struct shared), *other;
  struct bpf_list_node* node;
  __u64 value = 0;
  if (!one) return 1;
  one->value = 42;
  other = bpf_refcount_acquire_impl(one, 0);
  bpf_spin_lock(&shared_lock);
  bpf_list_push_back_impl(&shared_list, &one->in_list, 0, 0);
  bpf_rbtree_add_impl(&shared_tree, &other->in_tree, shared_less, 0, 0);
  node = bpf_list_pop_front(&shared_list);
  bpf_spin_unlock(&shared_lock);
  if (!node) return 2;
  one = container_of(node, struct shared, in_list);
  value = one->value;
  drop(one);
  return value;
}

SEC("tc")
int keep(struct __sk_buff* skb) {
  __u32 zero = 0;
  struct slot* at = bpf_map_lookup_elem(&slots, &zero);
  struct plain *one, *was;
  int value = 0;
  if (!at) return 1;
  one = make(struct plain);
  if (!one) return 2;
  one->value = skb->len;
  was = bpf_kptr_xchg(&at->kept, one);
  if (was) {
    value = was->value;
    drop(was);
  }
  return value;
}

char LICENSE[] SEC("license") = "GPL";
