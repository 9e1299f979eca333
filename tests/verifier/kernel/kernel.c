// What a kernel's BTF would have of the functions and types that progs/kfuncs and others name. Compiled for its BTF only.
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef _Bool bool;

struct task_struct {
  int pid;
  struct task_struct *real_parent;
  struct task_struct *group_leader;
  char comm[16];
};
// Members that may be trusted where the task is, under RCU: the kernel's BTF lists them like this.
struct task_struct__safe_rcu {
  struct task_struct *group_leader;
};
struct cgroup {
  int level;
};
struct sk_buff {
  u32 len;
  struct task_struct *sk;
};
struct __sk_buff {
  u32 len;
};
struct xdp_buff {
  void *data;
};
struct bpf_map {
  u32 id;
};
struct bpf_dynptr {
  u64 opaque[2];
} __attribute__((aligned(8)));
struct bpf_iter_num {
  u64 opaque[1];
} __attribute__((aligned(8)));
struct bpf_iter_task {
  u64 opaque[3];
} __attribute__((aligned(8)));
struct bpf_list_head {
  u64 opaque[2];
} __attribute__((aligned(8)));
struct bpf_list_node {
  u64 opaque[3];
} __attribute__((aligned(8)));
struct bpf_rb_root {
  u64 opaque[2];
} __attribute__((aligned(8)));
struct bpf_rb_node {
  u64 opaque[4];
} __attribute__((aligned(8)));
struct bpf_wq {
  u64 opaque[2];
} __attribute__((aligned(8)));
struct bpf_res_spin_lock {
  u32 value;
  u32 locks;
};

#define KFUNC __attribute__((noinline, used, visibility("default")))

KFUNC struct task_struct *bpf_task_from_pid(s32 pid) { return (void *)(long)pid; }
KFUNC struct task_struct *bpf_task_acquire(struct task_struct *p) { return p; }
KFUNC void bpf_task_release(struct task_struct *p) { p->pid = 0; }
KFUNC void bpf_rcu_read_lock(void) {}
KFUNC void bpf_rcu_read_unlock(void) {}
KFUNC void bpf_preempt_disable(void) {}
KFUNC void bpf_preempt_enable(void) {}
KFUNC void bpf_local_irq_save(unsigned long *flags__irq_flag) { *flags__irq_flag = 0; }
KFUNC void bpf_local_irq_restore(unsigned long *flags__irq_flag) { *flags__irq_flag = 0; }
KFUNC int bpf_res_spin_lock(struct bpf_res_spin_lock *lock) { return lock->value; }
KFUNC void bpf_res_spin_unlock(struct bpf_res_spin_lock *lock) { lock->value = 0; }
KFUNC int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) { return start + end; }
KFUNC int *bpf_iter_num_next(struct bpf_iter_num *it) { return (int *)it; }
KFUNC void bpf_iter_num_destroy(struct bpf_iter_num *it) { it->opaque[0] = 0; }
KFUNC int bpf_iter_task_new(struct bpf_iter_task *it, struct task_struct *task__nullable,
                            u32 flags) {
  return flags;
}
KFUNC struct task_struct *bpf_iter_task_next(struct bpf_iter_task *it) { return (void *)it; }
KFUNC void bpf_iter_task_destroy(struct bpf_iter_task *it) { it->opaque[0] = 0; }
KFUNC int bpf_dynptr_from_skb(struct __sk_buff *s, u64 flags, struct bpf_dynptr *ptr__uninit) {
  return flags;
}
KFUNC void *bpf_dynptr_slice(const struct bpf_dynptr *p, u64 offset, void *buffer__nullable,
                             u64 buffer__szk) {
  return buffer__nullable;
}
KFUNC int bpf_dynptr_clone(const struct bpf_dynptr *p, struct bpf_dynptr *clone__uninit) {
  return 0;
}
KFUNC void *bpf_obj_new_impl(u64 local_type_id__k, void *meta__ign) { return meta__ign; }
KFUNC void bpf_obj_drop_impl(void *p__alloc, void *meta__ign) {}
KFUNC void *bpf_refcount_acquire_impl(void *p__refcounted_kptr, void *meta__ign) {
  return p__refcounted_kptr;
}
KFUNC int bpf_list_push_front_impl(struct bpf_list_head *head, struct bpf_list_node *node,
                                   void *meta__ign, u64 off) {
  return off;
}
KFUNC struct bpf_list_node *bpf_list_pop_front(struct bpf_list_head *head) { return (void *)head; }
KFUNC int bpf_rbtree_add_impl(struct bpf_rb_root *root, struct bpf_rb_node *node,
                              bool(less)(struct bpf_rb_node *a, const struct bpf_rb_node *b),
                              void *meta__ign, u64 off) {
  return off;
}
KFUNC struct bpf_rb_node *bpf_rbtree_first(struct bpf_rb_root *root) { return (void *)root; }
KFUNC struct bpf_rb_node *bpf_rbtree_remove(struct bpf_rb_root *root, struct bpf_rb_node *node) {
  return node;
}
KFUNC void bpf_throw(u64 cookie) {}
KFUNC void *bpf_cast_to_kern_ctx(void *obj) { return obj; }
KFUNC void bpf_no_such_kfunc(void) {}
struct sk_buff kernel_skb;
struct xdp_buff kernel_xdp;
struct cgroup kernel_cgroup;
struct bpf_map kernel_map;
struct bpf_wq kernel_wq;
struct task_struct__safe_rcu kernel_safe;

// Hooks to be attached to.
KFUNC int vfs_something(struct task_struct *task, u64 number) { return task->pid + (int)number; }
typedef void (*btf_trace_sched_thing)(void *, struct task_struct *, int);
btf_trace_sched_thing kernel_trace_thing;
