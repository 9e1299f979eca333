// The kfuncs that the user engine has, as BTF has them: a function each, whose body is nothing. Only compiled into the
// engine's BTF (types.h, SKEP_PUBLISH). Prototypes are those of spec/kfuncs.cc, which a test compares.
#define SKEP_KFUNC __attribute__((btf_decl_tag("bpf_kfunc")))
// clang-format off
SKEP_KFUNC int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) { return 0; }
SKEP_KFUNC int *bpf_iter_num_next(struct bpf_iter_num *it) { return 0; }
SKEP_KFUNC void bpf_iter_num_destroy(struct bpf_iter_num *it) {}
SKEP_KFUNC int bpf_iter_bits_new(struct bpf_iter_bits *it, const u64 *unsafe_ptr__ign, u32 nr_words) { return 0; }
SKEP_KFUNC int *bpf_iter_bits_next(struct bpf_iter_bits *it) { return 0; }
SKEP_KFUNC void bpf_iter_bits_destroy(struct bpf_iter_bits *it) {}
SKEP_KFUNC void *bpf_obj_new_impl(u64 local_type_id__k, void *meta__ign) { return 0; }
SKEP_KFUNC void *bpf_obj_new(u64 local_type_id__k) { return 0; }
SKEP_KFUNC void bpf_obj_drop_impl(void *p__alloc, void *meta__ign) {}
SKEP_KFUNC void bpf_obj_drop(void *p__alloc) {}
SKEP_KFUNC void *bpf_percpu_obj_new_impl(u64 local_type_id__k, void *meta__ign) { return 0; }
SKEP_KFUNC void *bpf_percpu_obj_new(u64 local_type_id__k) { return 0; }
SKEP_KFUNC void bpf_percpu_obj_drop_impl(void *p__alloc, void *meta__ign) {}
SKEP_KFUNC void bpf_percpu_obj_drop(void *p__alloc) {}
SKEP_KFUNC void *bpf_refcount_acquire_impl(void *p__refcounted_kptr, void *meta__ign) { return 0; }
SKEP_KFUNC void *bpf_refcount_acquire(void *p__refcounted_kptr) { return 0; }
SKEP_KFUNC int bpf_list_push_front_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta__ign, u64 off) { return 0; }
SKEP_KFUNC int bpf_list_push_front(struct bpf_list_head *head, struct bpf_list_node *node) { return 0; }
SKEP_KFUNC int bpf_list_push_back_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta__ign, u64 off) { return 0; }
SKEP_KFUNC int bpf_list_push_back(struct bpf_list_head *head, struct bpf_list_node *node) { return 0; }
SKEP_KFUNC struct bpf_list_node *bpf_list_pop_front(struct bpf_list_head *head) { return 0; }
SKEP_KFUNC struct bpf_list_node *bpf_list_pop_back(struct bpf_list_head *head) { return 0; }
SKEP_KFUNC struct bpf_list_node *bpf_list_front(struct bpf_list_head *head) { return 0; }
SKEP_KFUNC struct bpf_list_node *bpf_list_back(struct bpf_list_head *head) { return 0; }
SKEP_KFUNC int bpf_rbtree_add_impl(struct bpf_rb_root *root, struct bpf_rb_node *node, bool (*less)(struct bpf_rb_node *, const struct bpf_rb_node *), void *meta__ign, u64 off) { return 0; }
SKEP_KFUNC int bpf_rbtree_add(struct bpf_rb_root *root, struct bpf_rb_node *node, bool (*less)(struct bpf_rb_node *, const struct bpf_rb_node *)) { return 0; }
SKEP_KFUNC struct bpf_rb_node *bpf_rbtree_remove(struct bpf_rb_root *root, struct bpf_rb_node *node) { return 0; }
SKEP_KFUNC struct bpf_rb_node *bpf_rbtree_first(struct bpf_rb_root *root) { return 0; }
SKEP_KFUNC struct bpf_rb_node *bpf_rbtree_left(struct bpf_rb_root *root, struct bpf_rb_node *node) { return 0; }
SKEP_KFUNC struct bpf_rb_node *bpf_rbtree_right(struct bpf_rb_root *root, struct bpf_rb_node *node) { return 0; }
SKEP_KFUNC struct bpf_rb_node *bpf_rbtree_root(struct bpf_rb_root *root) { return 0; }
SKEP_KFUNC struct task_struct *bpf_task_acquire(struct task_struct *p) { return 0; }
SKEP_KFUNC void bpf_task_release(struct task_struct *p) {}
SKEP_KFUNC struct task_struct *bpf_task_from_pid(s32 pid) { return 0; }
SKEP_KFUNC struct task_struct *bpf_task_from_vpid(s32 vpid) { return 0; }
SKEP_KFUNC struct cgroup *bpf_cgroup_acquire(struct cgroup *cgrp) { return 0; }
SKEP_KFUNC void bpf_cgroup_release(struct cgroup *cgrp) {}
SKEP_KFUNC struct cgroup *bpf_cgroup_ancestor(struct cgroup *cgrp, int level) { return 0; }
SKEP_KFUNC struct cgroup *bpf_cgroup_from_id(u64 cgid) { return 0; }
SKEP_KFUNC long int bpf_task_under_cgroup(struct task_struct *task, struct cgroup *ancestor) { return 0; }
SKEP_KFUNC void bpf_rcu_read_lock(void) {}
SKEP_KFUNC void bpf_rcu_read_unlock(void) {}
SKEP_KFUNC void bpf_preempt_disable(void) {}
SKEP_KFUNC void bpf_preempt_enable(void) {}
SKEP_KFUNC void bpf_local_irq_save(long unsigned int *flags__irq_flag) {}
SKEP_KFUNC void bpf_local_irq_restore(long unsigned int *flags__irq_flag) {}
SKEP_KFUNC int bpf_res_spin_lock(struct bpf_res_spin_lock *lock) { return 0; }
SKEP_KFUNC void bpf_res_spin_unlock(struct bpf_res_spin_lock *lock) {}
SKEP_KFUNC int bpf_res_spin_lock_irqsave(struct bpf_res_spin_lock *lock, long unsigned int *flags__irq_flag) { return 0; }
SKEP_KFUNC void bpf_res_spin_unlock_irqrestore(struct bpf_res_spin_lock *lock, long unsigned int *flags__irq_flag) {}
SKEP_KFUNC void *bpf_rdonly_cast(const void *obj__ign, u32 btf_id__k) { return 0; }
SKEP_KFUNC struct bpf_cpumask *bpf_cpumask_create(void) { return 0; }
SKEP_KFUNC struct bpf_cpumask *bpf_cpumask_acquire(struct bpf_cpumask *cpumask) { return 0; }
SKEP_KFUNC void bpf_cpumask_release(struct bpf_cpumask *cpumask) {}
SKEP_KFUNC u32 bpf_cpumask_first(const struct cpumask *cpumask) { return 0; }
SKEP_KFUNC u32 bpf_cpumask_first_zero(const struct cpumask *cpumask) { return 0; }
SKEP_KFUNC u32 bpf_cpumask_first_and(const struct cpumask *src1, const struct cpumask *src2) { return 0; }
SKEP_KFUNC void bpf_cpumask_set_cpu(u32 cpu, struct bpf_cpumask *cpumask) {}
SKEP_KFUNC void bpf_cpumask_clear_cpu(u32 cpu, struct bpf_cpumask *cpumask) {}
SKEP_KFUNC bool bpf_cpumask_test_cpu(u32 cpu, const struct cpumask *cpumask) { return 0; }
SKEP_KFUNC bool bpf_cpumask_test_and_set_cpu(u32 cpu, struct bpf_cpumask *cpumask) { return 0; }
SKEP_KFUNC bool bpf_cpumask_test_and_clear_cpu(u32 cpu, struct bpf_cpumask *cpumask) { return 0; }
SKEP_KFUNC void bpf_cpumask_setall(struct bpf_cpumask *cpumask) {}
SKEP_KFUNC void bpf_cpumask_clear(struct bpf_cpumask *cpumask) {}
SKEP_KFUNC bool bpf_cpumask_and(struct bpf_cpumask *dst, const struct cpumask *src1, const struct cpumask *src2) { return 0; }
SKEP_KFUNC void bpf_cpumask_or(struct bpf_cpumask *dst, const struct cpumask *src1, const struct cpumask *src2) {}
SKEP_KFUNC void bpf_cpumask_xor(struct bpf_cpumask *dst, const struct cpumask *src1, const struct cpumask *src2) {}
SKEP_KFUNC bool bpf_cpumask_equal(const struct cpumask *src1, const struct cpumask *src2) { return 0; }
SKEP_KFUNC bool bpf_cpumask_intersects(const struct cpumask *src1, const struct cpumask *src2) { return 0; }
SKEP_KFUNC bool bpf_cpumask_subset(const struct cpumask *src1, const struct cpumask *src2) { return 0; }
SKEP_KFUNC bool bpf_cpumask_empty(const struct cpumask *cpumask) { return 0; }
SKEP_KFUNC bool bpf_cpumask_full(const struct cpumask *cpumask) { return 0; }
SKEP_KFUNC void bpf_cpumask_copy(struct bpf_cpumask *dst, const struct cpumask *src) {}
SKEP_KFUNC u32 bpf_cpumask_any_distribute(const struct cpumask *cpumask) { return 0; }
SKEP_KFUNC u32 bpf_cpumask_any_and_distribute(const struct cpumask *src1, const struct cpumask *src2) { return 0; }
SKEP_KFUNC u32 bpf_cpumask_weight(const struct cpumask *cpumask) { return 0; }
SKEP_KFUNC int bpf_cpumask_populate(struct bpf_cpumask *cpumask, void *src, size_t src__sz) { return 0; }
SKEP_KFUNC int bpf_dynptr_adjust(struct bpf_dynptr *p, u64 start, u64 end) { return 0; }
SKEP_KFUNC int bpf_dynptr_clone(const struct bpf_dynptr *p, struct bpf_dynptr *clone__uninit) { return 0; }
SKEP_KFUNC int bpf_dynptr_copy(const struct bpf_dynptr *dst_ptr, u64 dst_off, const struct bpf_dynptr *src_ptr, u64 src_off, u64 size) { return 0; }
SKEP_KFUNC int bpf_dynptr_from_skb(struct __sk_buff *s, u64 flags, struct bpf_dynptr *ptr__uninit) { return 0; }
SKEP_KFUNC int bpf_dynptr_from_xdp(struct xdp_md *x, u64 flags, struct bpf_dynptr *ptr__uninit) { return 0; }
SKEP_KFUNC bool bpf_dynptr_is_null(const struct bpf_dynptr *p) { return 0; }
SKEP_KFUNC bool bpf_dynptr_is_rdonly(const struct bpf_dynptr *p) { return 0; }
SKEP_KFUNC int bpf_dynptr_memset(const struct bpf_dynptr *p, u64 offset, u64 size, u8 val) { return 0; }
SKEP_KFUNC u64 bpf_dynptr_size(const struct bpf_dynptr *p) { return 0; }
SKEP_KFUNC void *bpf_dynptr_slice(const struct bpf_dynptr *p, u64 offset, void *buffer__nullable, u64 buffer__szk) { return 0; }
SKEP_KFUNC void *bpf_dynptr_slice_rdwr(const struct bpf_dynptr *p, u64 offset, void *buffer__nullable, u64 buffer__szk) { return 0; }
SKEP_KFUNC int bpf_copy_from_user_str(void *dst, u32 dst__sz, const void *unsafe_ptr__ign, u64 flags) { return 0; }
SKEP_KFUNC int bpf_probe_read_user_dynptr(const struct bpf_dynptr *dptr, u64 off, u64 size, const void *unsafe_ptr__ign) { return 0; }
SKEP_KFUNC int bpf_probe_read_kernel_dynptr(const struct bpf_dynptr *dptr, u64 off, u64 size, const void *unsafe_ptr__ign) { return 0; }
SKEP_KFUNC int bpf_probe_read_user_str_dynptr(const struct bpf_dynptr *dptr, u64 off, u64 size, const void *unsafe_ptr__ign) { return 0; }
SKEP_KFUNC int bpf_probe_read_kernel_str_dynptr(const struct bpf_dynptr *dptr, u64 off, u64 size, const void *unsafe_ptr__ign) { return 0; }
SKEP_KFUNC int bpf_strcmp(const char *s1__ign, const char *s2__ign) { return 0; }
SKEP_KFUNC int bpf_strcasecmp(const char *s1__ign, const char *s2__ign) { return 0; }
SKEP_KFUNC int bpf_strchr(const char *s__ign, char c) { return 0; }
SKEP_KFUNC int bpf_strchrnul(const char *s__ign, char c) { return 0; }
SKEP_KFUNC int bpf_strnchr(const char *s__ign, size_t count, char c) { return 0; }
SKEP_KFUNC int bpf_strrchr(const char *s__ign, int c) { return 0; }
SKEP_KFUNC int bpf_strlen(const char *s__ign) { return 0; }
SKEP_KFUNC int bpf_strnlen(const char *s__ign, size_t count) { return 0; }
SKEP_KFUNC int bpf_strspn(const char *s__ign, const char *accept__ign) { return 0; }
SKEP_KFUNC int bpf_strcspn(const char *s__ign, const char *reject__ign) { return 0; }
SKEP_KFUNC int bpf_strstr(const char *s1__ign, const char *s2__ign) { return 0; }
SKEP_KFUNC int bpf_strnstr(const char *s1__ign, const char *s2__ign, size_t len) { return 0; }
SKEP_KFUNC int bpf_wq_init(struct bpf_wq *wq, void *p__const_map, unsigned int flags) { return 0; }
SKEP_KFUNC int bpf_wq_set_callback_impl(struct bpf_wq *wq, int (*callback_fn)(void *, int *, void *), unsigned int flags, struct bpf_prog_aux *aux) { return 0; }
SKEP_KFUNC int bpf_wq_set_callback(struct bpf_wq *wq, int (*callback_fn)(void *, int *, void *), unsigned int flags) { return 0; }
SKEP_KFUNC int bpf_wq_start(struct bpf_wq *wq, unsigned int flags) { return 0; }
// clang-format on
