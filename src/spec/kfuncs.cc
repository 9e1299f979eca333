// The kfuncs' rows, by name: those that programs in the field call most. Prototypes are those of the
// kernel's BTF (Linux 6.18).
#include "spec/kfuncs.h"

#include <algorithm>
#include <iterator>

namespace skep::spec {
namespace {

constexpr KernelVersion v(unsigned major, unsigned minor) { return kernel_version(major, minor); }
constexpr ProgTypeSet kTracing =
    set_of(ProgType::BPF_PROG_TYPE_TRACING, ProgType::BPF_PROG_TYPE_KPROBE,
           ProgType::BPF_PROG_TYPE_TRACEPOINT, ProgType::BPF_PROG_TYPE_PERF_EVENT,
           ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT, ProgType::BPF_PROG_TYPE_LSM);
constexpr ProgTypeSet kSyscall =
    set_of(ProgType::BPF_PROG_TYPE_SYSCALL, ProgType::BPF_PROG_TYPE_STRUCT_OPS);
constexpr ProgTypeSet kNetwork =
    set_of(ProgType::BPF_PROG_TYPE_SCHED_CLS, ProgType::BPF_PROG_TYPE_SCHED_ACT,
           ProgType::BPF_PROG_TYPE_XDP);
constexpr ProgTypeSet kGeneric =
    kTracing | kSyscall | kNetwork | set_of(ProgType::BPF_PROG_TYPE_CGROUP_SKB);
constexpr ProgTypeSet kAll = ~ProgTypeSet{0};

// clang-format off
constexpr Kfunc kRows[] = {
    {.name = "bpf_cast_to_kern_ctx", .since = v(6, 2), .prototype = "void *bpf_cast_to_kern_ctx(void *obj)", .prog_types = kAll},
    {.name = "bpf_cgroup_acquire", .since = v(6, 2), .prototype = "struct cgroup *bpf_cgroup_acquire(struct cgroup *cgrp)", .flags = kKfuncAcquire | kKfuncRcu | kKfuncReturnsNull, .prog_types = kTracing | kSyscall},
    {.name = "bpf_cgroup_from_id", .since = v(6, 4), .prototype = "struct cgroup *bpf_cgroup_from_id(u64 cgid)", .flags = kKfuncAcquire | kKfuncReturnsNull, .prog_types = kTracing | kSyscall},
    {.name = "bpf_cgroup_release", .since = v(6, 2), .prototype = "void bpf_cgroup_release(struct cgroup *cgrp)", .flags = kKfuncRelease, .prog_types = kTracing | kSyscall},
    {.name = "bpf_cpumask_create", .since = v(6, 3), .prototype = "struct bpf_cpumask *bpf_cpumask_create(void)", .flags = kKfuncAcquire | kKfuncReturnsNull, .prog_types = kTracing | kSyscall},
    {.name = "bpf_cpumask_release", .since = v(6, 3), .prototype = "void bpf_cpumask_release(struct bpf_cpumask *cpumask)", .flags = kKfuncRelease, .prog_types = kTracing | kSyscall},
    {.name = "bpf_dynptr_adjust", .since = v(6, 5), .prototype = "int bpf_dynptr_adjust(const struct bpf_dynptr *p, u64 start, u64 end)", .prog_types = kAll},
    {.name = "bpf_dynptr_clone", .since = v(6, 5), .prototype = "int bpf_dynptr_clone(const struct bpf_dynptr *p, struct bpf_dynptr *clone__uninit)", .prog_types = kAll},
    {.name = "bpf_dynptr_from_skb", .since = v(6, 4), .prototype = "int bpf_dynptr_from_skb(struct __sk_buff *s, u64 flags, struct bpf_dynptr *ptr__uninit)", .prog_types = kNetwork | set_of(ProgType::BPF_PROG_TYPE_CGROUP_SKB)},
    {.name = "bpf_dynptr_from_xdp", .since = v(6, 4), .prototype = "int bpf_dynptr_from_xdp(struct xdp_md *x, u64 flags, struct bpf_dynptr *ptr__uninit)", .prog_types = set_of(ProgType::BPF_PROG_TYPE_XDP)},
    {.name = "bpf_dynptr_is_null", .since = v(6, 5), .prototype = "bool bpf_dynptr_is_null(const struct bpf_dynptr *p)", .prog_types = kAll},
    {.name = "bpf_dynptr_is_rdonly", .since = v(6, 5), .prototype = "bool bpf_dynptr_is_rdonly(const struct bpf_dynptr *p)", .prog_types = kAll},
    {.name = "bpf_dynptr_size", .since = v(6, 5), .prototype = "u64 bpf_dynptr_size(const struct bpf_dynptr *p)", .prog_types = kAll},
    {.name = "bpf_dynptr_slice", .since = v(6, 4), .prototype = "void *bpf_dynptr_slice(const struct bpf_dynptr *p, u64 offset, void *buffer__opt, u64 buffer__szk)", .flags = kKfuncReturnsNull, .prog_types = kAll},
    {.name = "bpf_dynptr_slice_rdwr", .since = v(6, 4), .prototype = "void *bpf_dynptr_slice_rdwr(const struct bpf_dynptr *p, u64 offset, void *buffer__opt, u64 buffer__szk)", .flags = kKfuncReturnsNull, .prog_types = kAll},
    {.name = "bpf_get_kmem_cache", .since = v(6, 13), .prototype = "struct kmem_cache *bpf_get_kmem_cache(u64 addr)", .flags = kKfuncReturnsNull, .prog_types = kTracing},
    {.name = "bpf_iter_bits_destroy", .since = v(6, 11), .prototype = "void bpf_iter_bits_destroy(struct bpf_iter_bits *it)", .flags = kKfuncIterDestroy, .prog_types = kAll},
    {.name = "bpf_iter_bits_new", .since = v(6, 11), .prototype = "int bpf_iter_bits_new(struct bpf_iter_bits *it, const u64 *unsafe_ptr__ign, u32 nr_words)", .flags = kKfuncIterNew, .prog_types = kAll},
    {.name = "bpf_iter_bits_next", .since = v(6, 11), .prototype = "int *bpf_iter_bits_next(struct bpf_iter_bits *it)", .flags = kKfuncIterNext | kKfuncReturnsNull, .prog_types = kAll},
    {.name = "bpf_iter_num_destroy", .since = v(6, 4), .prototype = "void bpf_iter_num_destroy(struct bpf_iter_num *it)", .flags = kKfuncIterDestroy, .prog_types = kAll},
    {.name = "bpf_iter_num_new", .since = v(6, 4), .prototype = "int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end)", .flags = kKfuncIterNew, .prog_types = kAll},
    {.name = "bpf_iter_num_next", .since = v(6, 4), .prototype = "int *bpf_iter_num_next(struct bpf_iter_num *it)", .flags = kKfuncIterNext | kKfuncReturnsNull, .prog_types = kAll},
    {.name = "bpf_list_pop_back", .since = v(6, 2), .prototype = "struct bpf_list_node *bpf_list_pop_back(struct bpf_list_head *head)", .flags = kKfuncAcquire | kKfuncReturnsNull, .prog_types = kGeneric},
    {.name = "bpf_list_pop_front", .since = v(6, 2), .prototype = "struct bpf_list_node *bpf_list_pop_front(struct bpf_list_head *head)", .flags = kKfuncAcquire | kKfuncReturnsNull, .prog_types = kGeneric},
    {.name = "bpf_list_push_back_impl", .since = v(6, 2), .prototype = "int bpf_list_push_back_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta__ign, u64 off)", .prog_types = kGeneric},
    {.name = "bpf_list_push_front_impl", .since = v(6, 2), .prototype = "int bpf_list_push_front_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta__ign, u64 off)", .prog_types = kGeneric},
    {.name = "bpf_obj_drop_impl", .since = v(6, 2), .prototype = "void bpf_obj_drop_impl(void *p__alloc, void *meta__ign)", .flags = kKfuncRelease, .prog_types = kGeneric},
    {.name = "bpf_obj_new_impl", .since = v(6, 2), .prototype = "void *bpf_obj_new_impl(u64 local_type_id__k, void *meta__ign)", .flags = kKfuncAcquire | kKfuncReturnsNull, .prog_types = kGeneric},
    {.name = "bpf_preempt_disable", .since = v(6, 10), .prototype = "void bpf_preempt_disable(void)", .prog_types = kAll},
    {.name = "bpf_preempt_enable", .since = v(6, 10), .prototype = "void bpf_preempt_enable(void)", .prog_types = kAll},
    {.name = "bpf_probe_read_user_dynptr", .since = v(6, 16), .prototype = "int bpf_probe_read_user_dynptr(struct bpf_dynptr *dptr, u64 off, u64 size, const void *unsafe_ptr__ign)", .prog_types = kAll},
    {.name = "bpf_rbtree_add_impl", .since = v(6, 3), .prototype = "int bpf_rbtree_add_impl(struct bpf_rb_root *root, struct bpf_rb_node *node, bool (*less)(struct bpf_rb_node *, const struct bpf_rb_node *), void *meta__ign, u64 off)", .prog_types = kGeneric},
    {.name = "bpf_rbtree_first", .since = v(6, 3), .prototype = "struct bpf_rb_node *bpf_rbtree_first(struct bpf_rb_root *root)", .flags = kKfuncReturnsNull, .prog_types = kGeneric},
    {.name = "bpf_rbtree_remove", .since = v(6, 3), .prototype = "struct bpf_rb_node *bpf_rbtree_remove(struct bpf_rb_root *root, struct bpf_rb_node *node)", .flags = kKfuncAcquire | kKfuncReturnsNull, .prog_types = kGeneric},
    {.name = "bpf_rcu_read_lock", .since = v(6, 2), .prototype = "void bpf_rcu_read_lock(void)", .prog_types = kAll},
    {.name = "bpf_rcu_read_unlock", .since = v(6, 2), .prototype = "void bpf_rcu_read_unlock(void)", .prog_types = kAll},
    {.name = "bpf_rdonly_cast", .since = v(6, 2), .prototype = "void *bpf_rdonly_cast(const void *obj__ign, u32 btf_id__k)", .prog_types = kAll},
    {.name = "bpf_refcount_acquire_impl", .since = v(6, 4), .prototype = "void *bpf_refcount_acquire_impl(void *p__refcounted_kptr, void *meta__ign)", .flags = kKfuncAcquire | kKfuncReturnsNull, .prog_types = kGeneric},
    {.name = "bpf_task_acquire", .since = v(6, 2), .prototype = "struct task_struct *bpf_task_acquire(struct task_struct *p)", .flags = kKfuncAcquire | kKfuncRcu | kKfuncReturnsNull, .prog_types = kTracing | kSyscall},
    {.name = "bpf_task_from_pid", .since = v(6, 2), .prototype = "struct task_struct *bpf_task_from_pid(s32 pid)", .flags = kKfuncAcquire | kKfuncReturnsNull, .prog_types = kTracing | kSyscall},
    {.name = "bpf_task_release", .since = v(6, 2), .prototype = "void bpf_task_release(struct task_struct *p)", .flags = kKfuncRelease, .prog_types = kTracing | kSyscall},
    {.name = "bpf_throw", .since = v(6, 7), .prototype = "void bpf_throw(u64 cookie)", .prog_types = kGeneric},
    {.name = "bpf_wq_init", .since = v(6, 10), .prototype = "int bpf_wq_init(struct bpf_wq *wq, void *p__map, unsigned int flags)", .prog_types = kAll},
    {.name = "bpf_wq_start", .since = v(6, 10), .prototype = "int bpf_wq_start(struct bpf_wq *wq, unsigned int flags)", .prog_types = kAll},
};
// clang-format on

consteval bool rows_are_in_order() {
  for (size_t i = 1; i < std::size(kRows); i++) {
    if (!(kRows[i - 1].name < kRows[i].name)) return false;
  }
  return true;
}
static_assert(rows_are_in_order());

}  // namespace

std::span<const Kfunc> kfuncs() { return kRows; }
const Kfunc* find_kfunc(std::string_view name) {
  const auto* row = std::ranges::lower_bound(kRows, name, {}, &Kfunc::name);
  return row != std::end(kRows) && row->name == name ? row : nullptr;
}

}  // namespace skep::spec
