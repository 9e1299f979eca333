// The kfuncs' rows, by name. Prototypes are those of the kernel's BTF; flags and program types those that Linux 7.3
// registers them with, KF_TRUSTED_ARGS that of 6.12.
#include "spec/kfuncs.h"

#include <algorithm>
#include <iterator>

#include "spec/kfunc_numbers.h"

namespace skep::spec {
namespace {

constexpr KernelVersion v(unsigned major, unsigned minor) { return kernel_version(major, minor); }
// As the kernel groups program types for them.
constexpr ProgTypeSet kTracing =
    set_of(ProgType::BPF_PROG_TYPE_TRACING, ProgType::BPF_PROG_TYPE_TRACEPOINT,
           ProgType::BPF_PROG_TYPE_PERF_EVENT, ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT,
           ProgType::BPF_PROG_TYPE_LSM);
constexpr ProgTypeSet kLsm = set_of(ProgType::BPF_PROG_TYPE_LSM);
constexpr ProgTypeSet kKprobe = set_of(ProgType::BPF_PROG_TYPE_KPROBE);
constexpr ProgTypeSet kSyscall = set_of(ProgType::BPF_PROG_TYPE_SYSCALL);
constexpr ProgTypeSet kStructOps = set_of(ProgType::BPF_PROG_TYPE_STRUCT_OPS);
constexpr ProgTypeSet kCls = set_of(ProgType::BPF_PROG_TYPE_SCHED_CLS);
constexpr ProgTypeSet kAct = set_of(ProgType::BPF_PROG_TYPE_SCHED_ACT);
constexpr ProgTypeSet kXdp = set_of(ProgType::BPF_PROG_TYPE_XDP);
constexpr ProgTypeSet kSkSkb = set_of(ProgType::BPF_PROG_TYPE_SK_SKB);
constexpr ProgTypeSet kSocketFilter = set_of(ProgType::BPF_PROG_TYPE_SOCKET_FILTER);
constexpr ProgTypeSet kNetfilter = set_of(ProgType::BPF_PROG_TYPE_NETFILTER);
constexpr ProgTypeSet kCgroup =
    set_of(ProgType::BPF_PROG_TYPE_CGROUP_SKB, ProgType::BPF_PROG_TYPE_CGROUP_SOCK,
           ProgType::BPF_PROG_TYPE_CGROUP_DEVICE, ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
           ProgType::BPF_PROG_TYPE_CGROUP_SOCKOPT, ProgType::BPF_PROG_TYPE_CGROUP_SYSCTL,
           ProgType::BPF_PROG_TYPE_SOCK_OPS);
constexpr ProgTypeSet kLwt =
    set_of(ProgType::BPF_PROG_TYPE_LWT_IN, ProgType::BPF_PROG_TYPE_LWT_OUT,
           ProgType::BPF_PROG_TYPE_LWT_XMIT, ProgType::BPF_PROG_TYPE_LWT_SEG6LOCAL);
constexpr ProgTypeSet kAll = ~ProgTypeSet{0};
constexpr AttachTypeSet kIterators = set_of(AttachType::BPF_TRACE_ITER);
constexpr AttachTypeSet kSessions =
    set_of(AttachType::BPF_TRACE_KPROBE_SESSION, AttachType::BPF_TRACE_UPROBE_SESSION,
           AttachType::BPF_TRACE_FSESSION, AttachType::BPF_TRACE_FSESSION_MULTI);

// clang-format off
constexpr Kfunc kRows[] = {
    {.name = "__bpf_trap", .since = v(6, 18), .prototype = "void __bpf_trap(void)", .flags = kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bbr_cwnd_event", .since = v(6, 1), .prototype = "void bbr_cwnd_event(struct sock *sk, enum tcp_ca_event event)", .flags = 0, .prog_types = kStructOps},
    {.name = "bbr_cwnd_event_tx_start", .since = v(6, 1), .prototype = "void bbr_cwnd_event_tx_start(struct sock *sk)", .flags = 0, .prog_types = kStructOps},
    {.name = "bbr_init", .since = v(6, 1), .prototype = "void bbr_init(struct sock *sk)", .flags = 0, .prog_types = kStructOps},
    {.name = "bbr_main", .since = v(6, 1), .prototype = "void bbr_main(struct sock *sk, u32 ack, int flag, const struct rate_sample *rs)", .flags = 0, .prog_types = kStructOps},
    {.name = "bbr_min_tso_segs", .since = v(6, 1), .prototype = "u32 bbr_min_tso_segs(struct sock *sk)", .flags = 0, .prog_types = kStructOps},
    {.name = "bbr_set_state", .since = v(6, 1), .prototype = "void bbr_set_state(struct sock *sk, u8 new_state)", .flags = 0, .prog_types = kStructOps},
    {.name = "bbr_sndbuf_expand", .since = v(6, 1), .prototype = "u32 bbr_sndbuf_expand(struct sock *sk)", .flags = 0, .prog_types = kStructOps},
    {.name = "bbr_ssthresh", .since = v(6, 1), .prototype = "u32 bbr_ssthresh(struct sock *sk)", .flags = 0, .prog_types = kStructOps},
    {.name = "bbr_undo_cwnd", .since = v(6, 1), .prototype = "u32 bbr_undo_cwnd(struct sock *sk)", .flags = 0, .prog_types = kStructOps},
    {.name = "bpf_arena_alloc_pages", .since = v(6, 12), .prototype = "void *bpf_arena_alloc_pages(void *p__map, void *addr__ign, u32 page_cnt, int node_id, u64 flags)", .flags = kKfuncArenaArg2 | kKfuncArenaReturn | kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_arena_free_pages", .since = v(6, 12), .prototype = "void bpf_arena_free_pages(void *p__map, void *ptr__ign, u32 page_cnt)", .flags = kKfuncArenaArg2 | kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_arena_reserve_pages", .since = v(6, 18), .prototype = "int bpf_arena_reserve_pages(void *p__map, void *ptr__ign, u32 page_cnt)", .flags = kKfuncArenaArg2 | kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_cast_to_kern_ctx", .since = v(6, 2), .prototype = "void *bpf_cast_to_kern_ctx(void *obj)", .flags = kKfuncFastcall, .prog_types = kAll},
    {.name = "bpf_cgroup_acquire", .since = v(6, 2), .prototype = "struct cgroup *bpf_cgroup_acquire(struct cgroup *cgrp)", .flags = kKfuncAcquire | kKfuncRcu | kKfuncReturnsNull, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_cgroup_ancestor", .since = v(6, 12), .prototype = "struct cgroup *bpf_cgroup_ancestor(struct cgroup *cgrp, int level)", .flags = kKfuncAcquire | kKfuncRcu | kKfuncReturnsNull, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_cgroup_from_id", .since = v(6, 4), .prototype = "struct cgroup *bpf_cgroup_from_id(u64 cgid)", .flags = kKfuncAcquire | kKfuncReturnsNull, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_cgroup_read_xattr", .since = v(6, 18), .prototype = "int bpf_cgroup_read_xattr(struct cgroup *cgroup, const char *name__str, struct bpf_dynptr *value_p)", .flags = kKfuncRcu | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_cgroup_release", .since = v(6, 2), .prototype = "void bpf_cgroup_release(struct cgroup *cgrp)", .flags = kKfuncRelease, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_copy_from_user_dynptr", .since = v(6, 18), .prototype = "int bpf_copy_from_user_dynptr(const struct bpf_dynptr *dptr, u64 off, u64 size, const void *unsafe_ptr__ign)", .flags = kKfuncPerfmon | kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_copy_from_user_str", .since = v(6, 12), .prototype = "int bpf_copy_from_user_str(void *dst, u32 dst__sz, const void *unsafe_ptr__ign, u64 flags)", .flags = kKfuncPerfmon | kKfuncSleepable, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_copy_from_user_str_dynptr", .since = v(6, 18), .prototype = "int bpf_copy_from_user_str_dynptr(const struct bpf_dynptr *dptr, u64 off, u64 size, const void *unsafe_ptr__ign)", .flags = kKfuncPerfmon | kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_copy_from_user_task_dynptr", .since = v(6, 18), .prototype = "int bpf_copy_from_user_task_dynptr(const struct bpf_dynptr *dptr, u64 off, u64 size, const void *unsafe_ptr__ign, struct task_struct *tsk)", .flags = kKfuncPerfmon | kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_copy_from_user_task_str", .since = v(6, 18), .prototype = "int bpf_copy_from_user_task_str(void *dst, u32 dst__sz, const void *unsafe_ptr__ign, struct task_struct *tsk, u64 flags)", .flags = kKfuncPerfmon | kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_copy_from_user_task_str_dynptr", .since = v(6, 18), .prototype = "int bpf_copy_from_user_task_str_dynptr(const struct bpf_dynptr *dptr, u64 off, u64 size, const void *unsafe_ptr__ign, struct task_struct *tsk)", .flags = kKfuncPerfmon | kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_cpumask_acquire", .since = v(6, 12), .prototype = "struct bpf_cpumask *bpf_cpumask_acquire(struct bpf_cpumask *cpumask)", .flags = kKfuncAcquire | kKfuncTrustedArgs, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_and", .since = v(6, 12), .prototype = "bool bpf_cpumask_and(struct bpf_cpumask *dst, const struct cpumask *src1, const struct cpumask *src2)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_any_and_distribute", .since = v(6, 12), .prototype = "u32 bpf_cpumask_any_and_distribute(const struct cpumask *src1, const struct cpumask *src2)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_any_distribute", .since = v(6, 12), .prototype = "u32 bpf_cpumask_any_distribute(const struct cpumask *cpumask)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_clear", .since = v(6, 12), .prototype = "void bpf_cpumask_clear(struct bpf_cpumask *cpumask)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_clear_cpu", .since = v(6, 12), .prototype = "void bpf_cpumask_clear_cpu(u32 cpu, struct bpf_cpumask *cpumask)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_copy", .since = v(6, 12), .prototype = "void bpf_cpumask_copy(struct bpf_cpumask *dst, const struct cpumask *src)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_create", .since = v(6, 3), .prototype = "struct bpf_cpumask *bpf_cpumask_create(void)", .flags = kKfuncAcquire | kKfuncReturnsNull, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_empty", .since = v(6, 12), .prototype = "bool bpf_cpumask_empty(const struct cpumask *cpumask)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_equal", .since = v(6, 12), .prototype = "bool bpf_cpumask_equal(const struct cpumask *src1, const struct cpumask *src2)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_first", .since = v(6, 12), .prototype = "u32 bpf_cpumask_first(const struct cpumask *cpumask)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_first_and", .since = v(6, 12), .prototype = "u32 bpf_cpumask_first_and(const struct cpumask *src1, const struct cpumask *src2)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_first_zero", .since = v(6, 12), .prototype = "u32 bpf_cpumask_first_zero(const struct cpumask *cpumask)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_full", .since = v(6, 12), .prototype = "bool bpf_cpumask_full(const struct cpumask *cpumask)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_intersects", .since = v(6, 12), .prototype = "bool bpf_cpumask_intersects(const struct cpumask *src1, const struct cpumask *src2)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_or", .since = v(6, 12), .prototype = "void bpf_cpumask_or(struct bpf_cpumask *dst, const struct cpumask *src1, const struct cpumask *src2)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_populate", .since = v(6, 18), .prototype = "int bpf_cpumask_populate(struct bpf_cpumask *cpumask, void *src, size_t src__sz)", .flags = kKfuncRcu | kKfuncTrustedArgs, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_release", .since = v(6, 3), .prototype = "void bpf_cpumask_release(struct bpf_cpumask *cpumask)", .flags = kKfuncRelease, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_set_cpu", .since = v(6, 12), .prototype = "void bpf_cpumask_set_cpu(u32 cpu, struct bpf_cpumask *cpumask)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_setall", .since = v(6, 12), .prototype = "void bpf_cpumask_setall(struct bpf_cpumask *cpumask)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_subset", .since = v(6, 12), .prototype = "bool bpf_cpumask_subset(const struct cpumask *src1, const struct cpumask *src2)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_test_and_clear_cpu", .since = v(6, 12), .prototype = "bool bpf_cpumask_test_and_clear_cpu(u32 cpu, struct bpf_cpumask *cpumask)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_test_and_set_cpu", .since = v(6, 12), .prototype = "bool bpf_cpumask_test_and_set_cpu(u32 cpu, struct bpf_cpumask *cpumask)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_test_cpu", .since = v(6, 12), .prototype = "bool bpf_cpumask_test_cpu(u32 cpu, const struct cpumask *cpumask)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_weight", .since = v(6, 12), .prototype = "u32 bpf_cpumask_weight(const struct cpumask *cpumask)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_cpumask_xor", .since = v(6, 12), .prototype = "void bpf_cpumask_xor(struct bpf_cpumask *dst, const struct cpumask *src1, const struct cpumask *src2)", .flags = kKfuncRcu, .prog_types = kStructOps | kSyscall | kTracing, .user = UserStatus::works},
    {.name = "bpf_crypto_ctx_acquire", .since = v(6, 12), .prototype = "struct bpf_crypto_ctx *bpf_crypto_ctx_acquire(struct bpf_crypto_ctx *ctx)", .flags = kKfuncAcquire | kKfuncRcu | kKfuncReturnsNull, .prog_types = kSyscall},
    {.name = "bpf_crypto_ctx_create", .since = v(6, 12), .prototype = "struct bpf_crypto_ctx *bpf_crypto_ctx_create(const struct bpf_crypto_params *params, u32 params__sz, int *err)", .flags = kKfuncAcquire | kKfuncReturnsNull | kKfuncSleepable, .prog_types = kSyscall},
    {.name = "bpf_crypto_ctx_release", .since = v(6, 12), .prototype = "void bpf_crypto_ctx_release(struct bpf_crypto_ctx *ctx)", .flags = kKfuncRelease, .prog_types = kSyscall},
    {.name = "bpf_crypto_decrypt", .since = v(6, 12), .prototype = "int bpf_crypto_decrypt(struct bpf_crypto_ctx *ctx, const struct bpf_dynptr *src, const struct bpf_dynptr *dst, const struct bpf_dynptr *siv__nullable)", .flags = kKfuncRcu, .prog_types = kAct | kCls | kXdp},
    {.name = "bpf_crypto_encrypt", .since = v(6, 12), .prototype = "int bpf_crypto_encrypt(struct bpf_crypto_ctx *ctx, const struct bpf_dynptr *src, const struct bpf_dynptr *dst, const struct bpf_dynptr *siv__nullable)", .flags = kKfuncRcu, .prog_types = kAct | kCls | kXdp},
    {.name = "bpf_ct_change_status", .since = v(6, 18), .prototype = "int bpf_ct_change_status(struct nf_conn *nfct, u32 status)", .flags = kKfuncTrustedArgs, .prog_types = kCls | kXdp},
    {.name = "bpf_ct_change_timeout", .since = v(6, 18), .prototype = "int bpf_ct_change_timeout(struct nf_conn *nfct, u32 timeout)", .flags = kKfuncTrustedArgs, .prog_types = kCls | kXdp},
    {.name = "bpf_ct_insert_entry", .since = v(6, 18), .prototype = "struct nf_conn *bpf_ct_insert_entry(struct nf_conn___init *nfct_i)", .flags = kKfuncAcquire | kKfuncRelease | kKfuncReturnsNull | kKfuncTrustedArgs, .prog_types = kCls | kXdp},
    {.name = "bpf_ct_release", .since = v(6, 18), .prototype = "void bpf_ct_release(struct nf_conn *nfct)", .flags = kKfuncRelease | kKfuncTrustedArgs, .prog_types = kCls | kXdp},
    {.name = "bpf_ct_set_nat_info", .since = v(6, 18), .prototype = "int bpf_ct_set_nat_info(struct nf_conn___init *nfct, union nf_inet_addr *addr, int port, enum nf_nat_manip_type manip)", .flags = kKfuncTrustedArgs, .prog_types = kCls | kXdp},
    {.name = "bpf_ct_set_status", .since = v(6, 18), .prototype = "int bpf_ct_set_status(const struct nf_conn___init *nfct, u32 status)", .flags = kKfuncTrustedArgs, .prog_types = kCls | kXdp},
    {.name = "bpf_ct_set_timeout", .since = v(6, 18), .prototype = "void bpf_ct_set_timeout(struct nf_conn___init *nfct, u32 timeout)", .flags = kKfuncTrustedArgs, .prog_types = kCls | kXdp},
    {.name = "bpf_dynptr_adjust", .since = v(6, 5), .prototype = "int bpf_dynptr_adjust(struct bpf_dynptr *p, u64 start, u64 end)", .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_dynptr_clone", .since = v(6, 5), .prototype = "int bpf_dynptr_clone(const struct bpf_dynptr *p, struct bpf_dynptr *clone__uninit)", .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_dynptr_copy", .since = v(6, 18), .prototype = "int bpf_dynptr_copy(const struct bpf_dynptr *dst_ptr, u64 dst_off, const struct bpf_dynptr *src_ptr, u64 src_off, u64 size)", .flags = kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_dynptr_file_discard", .since = v(7, 3), .prototype = "int bpf_dynptr_file_discard(struct bpf_dynptr *dynptr)", .flags = kKfuncRelease | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_dynptr_from_file", .since = v(7, 3), .prototype = "int bpf_dynptr_from_file(struct file *file, u32 flags, struct bpf_dynptr *ptr__uninit)", .flags = kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_dynptr_from_skb", .since = v(6, 4), .prototype = "int bpf_dynptr_from_skb(struct __sk_buff *s, u64 flags, struct bpf_dynptr *ptr__uninit)", .flags = kKfuncTrustedArgs, .prog_types = kAct | kCgroup | kCls | kLwt | kNetfilter | kSkSkb | kSocketFilter | kStructOps | kTracing, .user = UserStatus::works},
    {.name = "bpf_dynptr_from_skb_meta", .since = v(6, 18), .prototype = "int bpf_dynptr_from_skb_meta(struct __sk_buff *skb_, u64 flags, struct bpf_dynptr *ptr__uninit)", .flags = kKfuncTrustedArgs, .prog_types = kAct | kCls},
    {.name = "bpf_dynptr_from_xdp", .since = v(6, 4), .prototype = "int bpf_dynptr_from_xdp(struct xdp_md *x, u64 flags, struct bpf_dynptr *ptr__uninit)", .prog_types = kXdp, .user = UserStatus::works},
    {.name = "bpf_dynptr_is_null", .since = v(6, 5), .prototype = "bool bpf_dynptr_is_null(const struct bpf_dynptr *p)", .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_dynptr_is_rdonly", .since = v(6, 5), .prototype = "bool bpf_dynptr_is_rdonly(const struct bpf_dynptr *p)", .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_dynptr_memset", .since = v(6, 18), .prototype = "int bpf_dynptr_memset(const struct bpf_dynptr *p, u64 offset, u64 size, u8 val)", .flags = kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_dynptr_size", .since = v(6, 5), .prototype = "u64 bpf_dynptr_size(const struct bpf_dynptr *p)", .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_dynptr_slice", .since = v(6, 4), .prototype = "void *bpf_dynptr_slice(const struct bpf_dynptr *p, u64 offset, void *buffer__nullable, u64 buffer__szk)", .flags = kKfuncReturnsNull, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_dynptr_slice_rdwr", .since = v(6, 4), .prototype = "void *bpf_dynptr_slice_rdwr(const struct bpf_dynptr *p, u64 offset, void *buffer__nullable, u64 buffer__szk)", .flags = kKfuncReturnsNull, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_get_dentry_xattr", .since = v(6, 12), .prototype = "int bpf_get_dentry_xattr(struct dentry *dentry, const char *name__str, struct bpf_dynptr *value_p)", .flags = kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kLsm},
    {.name = "bpf_get_file_xattr", .since = v(6, 12), .prototype = "int bpf_get_file_xattr(struct file *file, const char *name__str, struct bpf_dynptr *value_p)", .flags = kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kLsm},
    {.name = "bpf_get_fsverity_digest", .since = v(6, 12), .prototype = "int bpf_get_fsverity_digest(struct file *file, const struct bpf_dynptr *digest_p)", .flags = kKfuncTrustedArgs, .prog_types = kLsm},
    {.name = "bpf_get_kmem_cache", .since = v(6, 13), .prototype = "struct kmem_cache *bpf_get_kmem_cache(u64 addr)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_get_mem_cgroup", .since = v(7, 3), .prototype = "struct mem_cgroup *bpf_get_mem_cgroup(struct cgroup_subsys_state *css)", .flags = kKfuncTrustedArgs | kKfuncAcquire | kKfuncReturnsNull | kKfuncRcu, .prog_types = kAll},
    {.name = "bpf_get_root_mem_cgroup", .since = v(7, 3), .prototype = "struct mem_cgroup *bpf_get_root_mem_cgroup(void)", .flags = kKfuncTrustedArgs | kKfuncAcquire | kKfuncReturnsNull, .prog_types = kAll},
    {.name = "bpf_get_task_exe_file", .since = v(6, 12), .prototype = "struct file *bpf_get_task_exe_file(struct task_struct *task)", .flags = kKfuncAcquire | kKfuncReturnsNull | kKfuncTrustedArgs, .prog_types = kLsm},
    {.name = "bpf_icmp_send", .since = v(7, 3), .prototype = "int bpf_icmp_send(struct __sk_buff *skb_ctx, int type, int code)", .flags = kKfuncTrustedArgs, .prog_types = kCgroup},
    {.name = "bpf_iter_bits_destroy", .since = v(6, 11), .prototype = "void bpf_iter_bits_destroy(struct bpf_iter_bits *it)", .flags = kKfuncIterDestroy, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_iter_bits_new", .since = v(6, 11), .prototype = "int bpf_iter_bits_new(struct bpf_iter_bits *it, const u64 *unsafe_ptr__ign, u32 nr_words)", .flags = kKfuncIterNew | kKfuncPerfmon, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_iter_bits_next", .since = v(6, 11), .prototype = "int *bpf_iter_bits_next(struct bpf_iter_bits *it)", .flags = kKfuncIterNext | kKfuncReturnsNull, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_iter_css_destroy", .since = v(6, 12), .prototype = "void bpf_iter_css_destroy(struct bpf_iter_css *it)", .flags = kKfuncIterDestroy, .prog_types = kAll},
    {.name = "bpf_iter_css_new", .since = v(6, 12), .prototype = "int bpf_iter_css_new(struct bpf_iter_css *it, struct cgroup_subsys_state *start, unsigned int flags)", .flags = kKfuncIterNew | kKfuncRcuProtected | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_iter_css_next", .since = v(6, 12), .prototype = "struct cgroup_subsys_state *bpf_iter_css_next(struct bpf_iter_css *it)", .flags = kKfuncIterNext | kKfuncReturnsNull, .prog_types = kAll},
    {.name = "bpf_iter_css_task_destroy", .since = v(6, 12), .prototype = "void bpf_iter_css_task_destroy(struct bpf_iter_css_task *it)", .flags = kKfuncIterDestroy, .prog_types = kAll},
    {.name = "bpf_iter_css_task_new", .since = v(6, 12), .prototype = "int bpf_iter_css_task_new(struct bpf_iter_css_task *it, struct cgroup_subsys_state *css, unsigned int flags)", .flags = kKfuncIterNew | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_iter_css_task_next", .since = v(6, 12), .prototype = "struct task_struct *bpf_iter_css_task_next(struct bpf_iter_css_task *it)", .flags = kKfuncIterNext | kKfuncReturnsNull, .prog_types = kAll},
    {.name = "bpf_iter_dmabuf_destroy", .since = v(6, 18), .prototype = "void bpf_iter_dmabuf_destroy(struct bpf_iter_dmabuf *it)", .flags = kKfuncIterDestroy | kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_iter_dmabuf_new", .since = v(6, 18), .prototype = "int bpf_iter_dmabuf_new(struct bpf_iter_dmabuf *it)", .flags = kKfuncIterNew | kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_iter_dmabuf_next", .since = v(6, 18), .prototype = "struct dma_buf *bpf_iter_dmabuf_next(struct bpf_iter_dmabuf *it)", .flags = kKfuncIterNext | kKfuncReturnsNull | kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_iter_kmem_cache_destroy", .since = v(6, 18), .prototype = "void bpf_iter_kmem_cache_destroy(struct bpf_iter_kmem_cache *it)", .flags = kKfuncIterDestroy | kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_iter_kmem_cache_new", .since = v(6, 18), .prototype = "int bpf_iter_kmem_cache_new(struct bpf_iter_kmem_cache *it)", .flags = kKfuncIterNew | kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_iter_kmem_cache_next", .since = v(6, 18), .prototype = "struct kmem_cache *bpf_iter_kmem_cache_next(struct bpf_iter_kmem_cache *it)", .flags = kKfuncIterNext | kKfuncReturnsNull | kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_iter_num_destroy", .since = v(6, 4), .prototype = "void bpf_iter_num_destroy(struct bpf_iter_num *it)", .flags = kKfuncIterDestroy | kKfuncSpinLockSafe, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_iter_num_new", .since = v(6, 4), .prototype = "int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end)", .flags = kKfuncIterNew | kKfuncSpinLockSafe, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_iter_num_next", .since = v(6, 4), .prototype = "int *bpf_iter_num_next(struct bpf_iter_num *it)", .flags = kKfuncIterNext | kKfuncReturnsNull | kKfuncSpinLockSafe, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_iter_scx_dsq_destroy", .since = v(7, 3), .prototype = "void bpf_iter_scx_dsq_destroy(struct bpf_iter_scx_dsq *it)", .flags = kKfuncIterDestroy, .prog_types = kStructOps | kSyscall | kTracing},
    {.name = "bpf_iter_scx_dsq_new", .since = v(7, 3), .prototype = "int bpf_iter_scx_dsq_new(struct bpf_iter_scx_dsq *it, u64 dsq_id, u64 flags)", .flags = kKfuncImplicitArgs | kKfuncIterNew | kKfuncRcuProtected, .prog_types = kStructOps | kSyscall | kTracing},
    {.name = "bpf_iter_scx_dsq_next", .since = v(7, 3), .prototype = "struct task_struct *bpf_iter_scx_dsq_next(struct bpf_iter_scx_dsq *it)", .flags = kKfuncIterNext | kKfuncReturnsNull, .prog_types = kStructOps | kSyscall | kTracing},
    {.name = "bpf_iter_task_destroy", .since = v(6, 12), .prototype = "void bpf_iter_task_destroy(struct bpf_iter_task *it)", .flags = kKfuncIterDestroy, .prog_types = kAll},
    {.name = "bpf_iter_task_new", .since = v(6, 12), .prototype = "int bpf_iter_task_new(struct bpf_iter_task *it, struct task_struct *task__nullable, unsigned int flags)", .flags = kKfuncIterNew | kKfuncRcuProtected | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_iter_task_next", .since = v(6, 12), .prototype = "struct task_struct *bpf_iter_task_next(struct bpf_iter_task *it)", .flags = kKfuncIterNext | kKfuncReturnsNull, .prog_types = kAll},
    {.name = "bpf_iter_task_vma_destroy", .since = v(6, 12), .prototype = "void bpf_iter_task_vma_destroy(struct bpf_iter_task_vma *it)", .flags = kKfuncIterDestroy, .prog_types = kAll},
    {.name = "bpf_iter_task_vma_new", .since = v(6, 12), .prototype = "int bpf_iter_task_vma_new(struct bpf_iter_task_vma *it, struct task_struct *task, u64 addr)", .flags = kKfuncIterNew | kKfuncRcu, .prog_types = kAll},
    {.name = "bpf_iter_task_vma_next", .since = v(6, 12), .prototype = "struct vm_area_struct *bpf_iter_task_vma_next(struct bpf_iter_task_vma *it)", .flags = kKfuncIterNext | kKfuncReturnsNull, .prog_types = kAll},
    {.name = "bpf_key_put", .since = v(6, 1), .prototype = "void bpf_key_put(struct bpf_key *bkey)", .flags = kKfuncRelease, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp},
    {.name = "bpf_kfree_skb", .since = v(7, 3), .prototype = "void bpf_kfree_skb(struct sk_buff *skb)", .flags = kKfuncRelease | kKfuncTrustedArgs, .prog_types = kStructOps},
    {.name = "bpf_kfunc_call_memb_release", .since = v(6, 1), .prototype = "void bpf_kfunc_call_memb_release(struct prog_test_member *p)", .flags = kKfuncRelease, .prog_types = kCls | kSyscall | kTracing},
    {.name = "bpf_kfunc_call_test_release", .since = v(6, 1), .prototype = "void bpf_kfunc_call_test_release(struct prog_test_ref_kfunc *p)", .flags = kKfuncRelease, .prog_types = kCls | kSyscall | kTracing},
    {.name = "bpf_ksock_acquire", .since = v(7, 3), .prototype = "struct bpf_ksock *bpf_ksock_acquire(struct bpf_ksock *ks)", .flags = kKfuncAcquire | kKfuncRcu | kKfuncReturnsNull | kKfuncTrustedArgs, .prog_types = kSyscall},
    {.name = "bpf_ksock_connect", .since = v(7, 3), .prototype = "int bpf_ksock_connect(struct bpf_ksock *ks, const union bpf_ksock_addr *addr, u32 addr__sz)", .flags = kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kSyscall},
    {.name = "bpf_ksock_create", .since = v(7, 3), .prototype = "struct bpf_ksock *bpf_ksock_create(const struct bpf_ksock_create_opts *opts, u32 opts__sz, int *err__uninit)", .flags = kKfuncAcquire | kKfuncReturnsNull | kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kSyscall},
    {.name = "bpf_ksock_release", .since = v(7, 3), .prototype = "void bpf_ksock_release(struct bpf_ksock *ks)", .flags = kKfuncRelease | kKfuncTrustedArgs, .prog_types = kSyscall},
    {.name = "bpf_ksock_send", .since = v(7, 3), .prototype = "int bpf_ksock_send(struct bpf_ksock *ks, const void *data, u32 data__sz)", .flags = kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kSyscall},
    {.name = "bpf_list_add", .since = v(7, 3), .prototype = "int bpf_list_add(struct bpf_list_head *head, struct bpf_list_node *new, struct bpf_list_node *prev__nonown_allowed)", .flags = kKfuncImplicitArgs | kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp},
    {.name = "bpf_list_back", .since = v(6, 18), .prototype = "struct bpf_list_node *bpf_list_back(struct bpf_list_head *head)", .flags = kKfuncReturnsNull | kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_list_del", .since = v(7, 3), .prototype = "struct bpf_list_node *bpf_list_del(struct bpf_list_head *head, struct bpf_list_node *node__nonown_allowed)", .flags = kKfuncAcquire | kKfuncReturnsNull | kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp},
    {.name = "bpf_list_empty", .since = v(7, 3), .prototype = "bool bpf_list_empty(struct bpf_list_head *head)", .flags = kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp},
    {.name = "bpf_list_front", .since = v(6, 18), .prototype = "struct bpf_list_node *bpf_list_front(struct bpf_list_head *head)", .flags = kKfuncReturnsNull | kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_list_is_first", .since = v(7, 3), .prototype = "bool bpf_list_is_first(struct bpf_list_head *head, struct bpf_list_node *node__nonown_allowed)", .flags = kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp},
    {.name = "bpf_list_is_last", .since = v(7, 3), .prototype = "bool bpf_list_is_last(struct bpf_list_head *head, struct bpf_list_node *node__nonown_allowed)", .flags = kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp},
    {.name = "bpf_list_pop_back", .since = v(6, 2), .prototype = "struct bpf_list_node *bpf_list_pop_back(struct bpf_list_head *head)", .flags = kKfuncAcquire | kKfuncReturnsNull | kKfuncSpinLockSafe, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_list_pop_front", .since = v(6, 2), .prototype = "struct bpf_list_node *bpf_list_pop_front(struct bpf_list_head *head)", .flags = kKfuncAcquire | kKfuncReturnsNull | kKfuncSpinLockSafe, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_list_push_back", .since = v(7, 3), .prototype = "int bpf_list_push_back(struct bpf_list_head *head, struct bpf_list_node *node)", .flags = kKfuncImplicitArgs | kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_list_push_back_impl", .since = v(6, 2), .prototype = "int bpf_list_push_back_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta__ign, u64 off)", .flags = kKfuncSpinLockSafe, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_list_push_front", .since = v(7, 3), .prototype = "int bpf_list_push_front(struct bpf_list_head *head, struct bpf_list_node *node)", .flags = kKfuncImplicitArgs | kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_list_push_front_impl", .since = v(6, 2), .prototype = "int bpf_list_push_front_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta__ign, u64 off)", .flags = kKfuncSpinLockSafe, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_local_irq_restore", .since = v(6, 18), .prototype = "void bpf_local_irq_restore(long unsigned int *flags__irq_flag)", .flags = kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_local_irq_save", .since = v(6, 18), .prototype = "void bpf_local_irq_save(long unsigned int *flags__irq_flag)", .flags = kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_lookup_system_key", .since = v(6, 1), .prototype = "struct bpf_key *bpf_lookup_system_key(u64 id)", .flags = kKfuncAcquire | kKfuncReturnsNull, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp},
    {.name = "bpf_lookup_user_key", .since = v(6, 1), .prototype = "struct bpf_key *bpf_lookup_user_key(s32 serial, u64 flags)", .flags = kKfuncAcquire | kKfuncReturnsNull | kKfuncSleepable, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp},
    {.name = "bpf_map_sum_elem_count", .since = v(6, 12), .prototype = "s64 bpf_map_sum_elem_count(const struct bpf_map *map)", .flags = kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_mem_cgroup_flush_stats", .since = v(7, 3), .prototype = "void bpf_mem_cgroup_flush_stats(struct mem_cgroup *memcg)", .flags = kKfuncTrustedArgs | kKfuncSleepable, .prog_types = kAll},
    {.name = "bpf_mem_cgroup_memory_events", .since = v(7, 3), .prototype = "long unsigned int bpf_mem_cgroup_memory_events(struct mem_cgroup *memcg, enum memcg_memory_event event)", .flags = kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_mem_cgroup_page_state", .since = v(7, 3), .prototype = "long unsigned int bpf_mem_cgroup_page_state(struct mem_cgroup *memcg, int idx)", .flags = kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_mem_cgroup_usage", .since = v(7, 3), .prototype = "long unsigned int bpf_mem_cgroup_usage(struct mem_cgroup *memcg)", .flags = kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_mem_cgroup_vm_events", .since = v(7, 3), .prototype = "long unsigned int bpf_mem_cgroup_vm_events(struct mem_cgroup *memcg, enum vm_event_item event)", .flags = kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_obj_drop", .since = v(7, 3), .prototype = "void bpf_obj_drop(void *p__alloc)", .flags = kKfuncImplicitArgs | kKfuncRelease | kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_obj_drop_impl", .since = v(6, 2), .prototype = "void bpf_obj_drop_impl(void *p__alloc, void *meta__ign)", .flags = kKfuncRelease, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_obj_new", .since = v(7, 3), .prototype = "void *bpf_obj_new(u64 local_type_id__k)", .flags = kKfuncAcquire | kKfuncImplicitArgs | kKfuncReturnsNull | kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_obj_new_impl", .since = v(6, 2), .prototype = "void *bpf_obj_new_impl(u64 local_type_id__k, void *meta__ign)", .flags = kKfuncAcquire | kKfuncReturnsNull, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_path_d_path", .since = v(6, 12), .prototype = "int bpf_path_d_path(const struct path *path, char *buf, size_t buf__sz)", .flags = kKfuncTrustedArgs, .prog_types = kLsm},
    {.name = "bpf_percpu_obj_drop", .since = v(7, 3), .prototype = "void bpf_percpu_obj_drop(void *p__alloc)", .flags = kKfuncImplicitArgs | kKfuncRelease | kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_percpu_obj_drop_impl", .since = v(6, 12), .prototype = "void bpf_percpu_obj_drop_impl(void *p__alloc, void *meta__ign)", .flags = kKfuncRelease, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_percpu_obj_new", .since = v(7, 3), .prototype = "void *bpf_percpu_obj_new(u64 local_type_id__k)", .flags = kKfuncAcquire | kKfuncImplicitArgs | kKfuncReturnsNull | kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_percpu_obj_new_impl", .since = v(6, 12), .prototype = "void *bpf_percpu_obj_new_impl(u64 local_type_id__k, void *meta__ign)", .flags = kKfuncAcquire | kKfuncReturnsNull, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_preempt_disable", .since = v(6, 10), .prototype = "void bpf_preempt_disable(void)", .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_preempt_enable", .since = v(6, 10), .prototype = "void bpf_preempt_enable(void)", .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_probe_read_kernel_dynptr", .since = v(6, 18), .prototype = "int bpf_probe_read_kernel_dynptr(const struct bpf_dynptr *dptr, u64 off, u64 size, const void *unsafe_ptr__ign)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_probe_read_kernel_str_dynptr", .since = v(6, 18), .prototype = "int bpf_probe_read_kernel_str_dynptr(const struct bpf_dynptr *dptr, u64 off, u64 size, const void *unsafe_ptr__ign)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_probe_read_user_dynptr", .since = v(6, 16), .prototype = "int bpf_probe_read_user_dynptr(const struct bpf_dynptr *dptr, u64 off, u64 size, const void *unsafe_ptr__ign)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_probe_read_user_str_dynptr", .since = v(6, 18), .prototype = "int bpf_probe_read_user_str_dynptr(const struct bpf_dynptr *dptr, u64 off, u64 size, const void *unsafe_ptr__ign)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_put_file", .since = v(6, 12), .prototype = "void bpf_put_file(struct file *file)", .flags = kKfuncRelease | kKfuncTrustedArgs, .prog_types = kLsm},
    {.name = "bpf_put_mem_cgroup", .since = v(7, 3), .prototype = "void bpf_put_mem_cgroup(struct mem_cgroup *memcg)", .flags = kKfuncTrustedArgs | kKfuncRelease, .prog_types = kAll},
    {.name = "bpf_qdisc_bstats_update", .since = v(7, 3), .prototype = "void bpf_qdisc_bstats_update(struct Qdisc *sch, const struct sk_buff *skb)", .flags = kKfuncTrustedArgs, .prog_types = kStructOps},
    {.name = "bpf_qdisc_init_prologue", .since = v(7, 3), .prototype = "int bpf_qdisc_init_prologue(struct Qdisc *sch, struct netlink_ext_ack *extack)", .flags = kKfuncTrustedArgs, .prog_types = kStructOps},
    {.name = "bpf_qdisc_reset_destroy_epilogue", .since = v(7, 3), .prototype = "void bpf_qdisc_reset_destroy_epilogue(struct Qdisc *sch)", .flags = kKfuncTrustedArgs, .prog_types = kStructOps},
    {.name = "bpf_qdisc_skb_drop", .since = v(7, 3), .prototype = "void bpf_qdisc_skb_drop(struct sk_buff *skb, struct bpf_sk_buff_ptr *to_free_list)", .flags = kKfuncRelease | kKfuncTrustedArgs, .prog_types = kStructOps},
    {.name = "bpf_qdisc_watchdog_schedule", .since = v(7, 3), .prototype = "void bpf_qdisc_watchdog_schedule(struct Qdisc *sch, u64 expire, u64 delta_ns)", .flags = kKfuncTrustedArgs, .prog_types = kStructOps},
    {.name = "bpf_rbtree_add", .since = v(7, 3), .prototype = "int bpf_rbtree_add(struct bpf_rb_root *root, struct bpf_rb_node *node, bool (*less)(struct bpf_rb_node *, const struct bpf_rb_node *))", .flags = kKfuncImplicitArgs | kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_rbtree_add_impl", .since = v(6, 3), .prototype = "int bpf_rbtree_add_impl(struct bpf_rb_root *root, struct bpf_rb_node *node, bool (*less)(struct bpf_rb_node *, const struct bpf_rb_node *), void *meta__ign, u64 off)", .flags = kKfuncSpinLockSafe, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_rbtree_first", .since = v(6, 3), .prototype = "struct bpf_rb_node *bpf_rbtree_first(struct bpf_rb_root *root)", .flags = kKfuncReturnsNull | kKfuncSpinLockSafe, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_rbtree_left", .since = v(6, 18), .prototype = "struct bpf_rb_node *bpf_rbtree_left(struct bpf_rb_root *root, struct bpf_rb_node *node)", .flags = kKfuncReturnsNull | kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_rbtree_remove", .since = v(6, 3), .prototype = "struct bpf_rb_node *bpf_rbtree_remove(struct bpf_rb_root *root, struct bpf_rb_node *node)", .flags = kKfuncAcquire | kKfuncReturnsNull | kKfuncSpinLockSafe, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_rbtree_right", .since = v(6, 18), .prototype = "struct bpf_rb_node *bpf_rbtree_right(struct bpf_rb_root *root, struct bpf_rb_node *node)", .flags = kKfuncReturnsNull | kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_rbtree_root", .since = v(6, 18), .prototype = "struct bpf_rb_node *bpf_rbtree_root(struct bpf_rb_root *root)", .flags = kKfuncReturnsNull | kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_rcu_read_lock", .since = v(6, 2), .prototype = "void bpf_rcu_read_lock(void)", .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_rcu_read_unlock", .since = v(6, 2), .prototype = "void bpf_rcu_read_unlock(void)", .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_rdonly_cast", .since = v(6, 2), .prototype = "void *bpf_rdonly_cast(const void *obj__ign, u32 btf_id__k)", .flags = kKfuncFastcall | kKfuncPerfmon, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_real_data_inode", .since = v(7, 3), .prototype = "struct inode *bpf_real_data_inode(struct file *file)", .flags = kKfuncReturnsNull | kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kLsm},
    {.name = "bpf_refcount_acquire", .since = v(7, 3), .prototype = "void *bpf_refcount_acquire(void *p__refcounted_kptr)", .flags = kKfuncAcquire | kKfuncImplicitArgs | kKfuncRcu | kKfuncReturnsNull | kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_refcount_acquire_impl", .since = v(6, 4), .prototype = "void *bpf_refcount_acquire_impl(void *p__refcounted_kptr, void *meta__ign)", .flags = kKfuncAcquire | kKfuncRcu | kKfuncReturnsNull | kKfuncSpinLockSafe, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_remove_dentry_xattr", .since = v(6, 18), .prototype = "int bpf_remove_dentry_xattr(struct dentry *dentry, const char *name__str)", .flags = kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kLsm},
    {.name = "bpf_res_spin_lock", .since = v(6, 18), .prototype = "int bpf_res_spin_lock(struct bpf_res_spin_lock *lock)", .flags = kKfuncReturnsNull | kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_res_spin_lock_irqsave", .since = v(6, 18), .prototype = "int bpf_res_spin_lock_irqsave(struct bpf_res_spin_lock *lock, long unsigned int *flags__irq_flag)", .flags = kKfuncReturnsNull | kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_res_spin_unlock", .since = v(6, 18), .prototype = "void bpf_res_spin_unlock(struct bpf_res_spin_lock *lock)", .flags = kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_res_spin_unlock_irqrestore", .since = v(6, 18), .prototype = "void bpf_res_spin_unlock_irqrestore(struct bpf_res_spin_lock *lock, long unsigned int *flags__irq_flag)", .flags = kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_send_signal_task", .since = v(6, 18), .prototype = "int bpf_send_signal_task(struct task_struct *task, int sig, enum pid_type type, u64 value)", .flags = kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp},
    {.name = "bpf_session_cookie", .since = v(6, 12), .prototype = "__u64 *bpf_session_cookie(void *ctx)", .prog_types = kKprobe | kTracing, .attach_types = kSessions},
    {.name = "bpf_session_is_return", .since = v(6, 12), .prototype = "bool bpf_session_is_return(void *ctx)", .prog_types = kKprobe | kTracing, .attach_types = kSessions},
    {.name = "bpf_set_dentry_xattr", .since = v(6, 18), .prototype = "int bpf_set_dentry_xattr(struct dentry *dentry, const char *name__str, const struct bpf_dynptr *value_p, int flags)", .flags = kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kLsm},
    {.name = "bpf_sk_assign_tcp_reqsk", .since = v(6, 12), .prototype = "int bpf_sk_assign_tcp_reqsk(struct __sk_buff *s, struct sock *sk, struct bpf_tcp_req_attrs *attrs, int attrs__sz)", .flags = kKfuncTrustedArgs, .prog_types = kCls},
    {.name = "bpf_skb_ct_alloc", .since = v(6, 18), .prototype = "struct nf_conn___init *bpf_skb_ct_alloc(struct __sk_buff *skb_ctx, struct bpf_sock_tuple *bpf_tuple, u32 tuple__sz, struct bpf_ct_opts *opts, u32 opts__sz)", .flags = kKfuncAcquire | kKfuncReturnsNull | kKfuncTrustedArgs, .prog_types = kCls | kXdp},
    {.name = "bpf_skb_ct_lookup", .since = v(6, 18), .prototype = "struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *skb_ctx, struct bpf_sock_tuple *bpf_tuple, u32 tuple__sz, struct bpf_ct_opts *opts, u32 opts__sz)", .flags = kKfuncAcquire | kKfuncReturnsNull | kKfuncTrustedArgs, .prog_types = kCls | kXdp},
    {.name = "bpf_skb_get_hash", .since = v(7, 3), .prototype = "u32 bpf_skb_get_hash(struct sk_buff *skb)", .flags = kKfuncTrustedArgs, .prog_types = kStructOps},
    {.name = "bpf_sock_addr_set_sun_path", .since = v(6, 12), .prototype = "int bpf_sock_addr_set_sun_path(struct bpf_sock_addr_kern *sa_kern, const u8 *sun_path, u32 sun_path__sz)", .prog_types = kCgroup},
    {.name = "bpf_sock_destroy", .since = v(6, 12), .prototype = "int bpf_sock_destroy(struct sock_common *sock)", .flags = kKfuncTrustedArgs, .prog_types = kTracing, .attach_types = kIterators},
    {.name = "bpf_sock_ops_enable_tx_tstamp", .since = v(6, 18), .prototype = "int bpf_sock_ops_enable_tx_tstamp(struct bpf_sock_ops_kern *skops, u64 flags)", .flags = kKfuncTrustedArgs, .prog_types = kCgroup},
    {.name = "bpf_sock_read_xattr", .since = v(7, 3), .prototype = "int bpf_sock_read_xattr(struct socket *sock, const char *name__str, struct bpf_dynptr *value_p)", .flags = kKfuncRcu | kKfuncTrustedArgs, .prog_types = kLsm},
    {.name = "bpf_strcasecmp", .since = v(6, 18), .prototype = "int bpf_strcasecmp(const char *s1__ign, const char *s2__ign)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_strcasestr", .since = v(7, 3), .prototype = "int bpf_strcasestr(const char *s1__ign, const char *s2__ign)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_strchr", .since = v(6, 18), .prototype = "int bpf_strchr(const char *s__ign, char c)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_strchrnul", .since = v(6, 18), .prototype = "int bpf_strchrnul(const char *s__ign, char c)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_strcmp", .since = v(6, 18), .prototype = "int bpf_strcmp(const char *s1__ign, const char *s2__ign)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_strcspn", .since = v(6, 18), .prototype = "int bpf_strcspn(const char *s__ign, const char *reject__ign)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_stream_print_stack", .since = v(7, 3), .prototype = "int bpf_stream_print_stack(int stream_id)", .flags = kKfuncImplicitArgs | kKfuncPerfmon | kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_stream_vprintk", .since = v(7, 3), .prototype = "int bpf_stream_vprintk(int stream_id, const char *fmt__str, const void *args, u32 len__sz)", .flags = kKfuncImplicitArgs | kKfuncPerfmon | kKfuncSpinLockSafe | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_strlen", .since = v(6, 18), .prototype = "int bpf_strlen(const char *s__ign)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_strncasecmp", .since = v(7, 3), .prototype = "int bpf_strncasecmp(const char *s1__ign, const char *s2__ign, size_t len)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_strncasestr", .since = v(7, 3), .prototype = "int bpf_strncasestr(const char *s1__ign, const char *s2__ign, size_t len)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_strnchr", .since = v(6, 18), .prototype = "int bpf_strnchr(const char *s__ign, size_t count, char c)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_strnlen", .since = v(6, 18), .prototype = "int bpf_strnlen(const char *s__ign, size_t count)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_strnstr", .since = v(6, 18), .prototype = "int bpf_strnstr(const char *s1__ign, const char *s2__ign, size_t len)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_strrchr", .since = v(6, 18), .prototype = "int bpf_strrchr(const char *s__ign, int c)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_strspn", .since = v(6, 18), .prototype = "int bpf_strspn(const char *s__ign, const char *accept__ign)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_strstr", .since = v(6, 18), .prototype = "int bpf_strstr(const char *s1__ign, const char *s2__ign)", .flags = kKfuncPerfmon | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_task_acquire", .since = v(6, 2), .prototype = "struct task_struct *bpf_task_acquire(struct task_struct *p)", .flags = kKfuncAcquire | kKfuncRcu | kKfuncReturnsNull, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_task_from_pid", .since = v(6, 2), .prototype = "struct task_struct *bpf_task_from_pid(s32 pid)", .flags = kKfuncAcquire | kKfuncReturnsNull, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_task_from_vpid", .since = v(6, 18), .prototype = "struct task_struct *bpf_task_from_vpid(s32 vpid)", .flags = kKfuncAcquire | kKfuncReturnsNull | kKfuncTrustedArgs, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_task_get_cgroup1", .since = v(6, 12), .prototype = "struct cgroup *bpf_task_get_cgroup1(struct task_struct *task, int hierarchy_id)", .flags = kKfuncAcquire | kKfuncRcu | kKfuncReturnsNull, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp},
    {.name = "bpf_task_release", .since = v(6, 2), .prototype = "void bpf_task_release(struct task_struct *p)", .flags = kKfuncRelease, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_task_under_cgroup", .since = v(6, 12), .prototype = "long int bpf_task_under_cgroup(struct task_struct *task, struct cgroup *ancestor)", .flags = kKfuncRcu, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp, .user = UserStatus::works},
    {.name = "bpf_task_work_schedule_resume", .since = v(7, 3), .prototype = "int bpf_task_work_schedule_resume(struct task_struct *task, struct bpf_task_work *tw, void *map__const_map, bpf_task_work_callback_t callback)", .flags = kKfuncImplicitArgs | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_task_work_schedule_signal", .since = v(7, 3), .prototype = "int bpf_task_work_schedule_signal(struct task_struct *task, struct bpf_task_work *tw, void *map__const_map, bpf_task_work_callback_t callback)", .flags = kKfuncImplicitArgs | kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_throw", .since = v(6, 7), .prototype = "void bpf_throw(u64 cookie)", .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp},
    {.name = "bpf_timer_cancel_async", .since = v(7, 3), .prototype = "int bpf_timer_cancel_async(struct bpf_timer *timer)", .flags = kKfuncTrustedArgs, .prog_types = kAll},
    {.name = "bpf_verify_pkcs7_signature", .since = v(6, 1), .prototype = "int bpf_verify_pkcs7_signature(const struct bpf_dynptr *data_p, const struct bpf_dynptr *sig_p, struct bpf_key *trusted_keyring)", .flags = kKfuncSleepable, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp},
    {.name = "bpf_wakeup_sources_get_head", .since = v(7, 3), .prototype = "void *bpf_wakeup_sources_get_head(void)", .flags = kKfuncTrustedArgs, .prog_types = kSyscall},
    {.name = "bpf_wakeup_sources_read_lock", .since = v(7, 3), .prototype = "struct bpf_ws_lock *bpf_wakeup_sources_read_lock(void)", .flags = kKfuncTrustedArgs | kKfuncAcquire | kKfuncSleepable, .prog_types = kSyscall},
    {.name = "bpf_wakeup_sources_read_unlock", .since = v(7, 3), .prototype = "void bpf_wakeup_sources_read_unlock(struct bpf_ws_lock *lock)", .flags = kKfuncTrustedArgs | kKfuncRelease | kKfuncSleepable, .prog_types = kSyscall},
    {.name = "bpf_wq_init", .since = v(6, 10), .prototype = "int bpf_wq_init(struct bpf_wq *wq, void *p__const_map, unsigned int flags)", .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_wq_set_callback", .since = v(7, 3), .prototype = "int bpf_wq_set_callback(struct bpf_wq *wq, int (*callback_fn)(void *, int *, void *), unsigned int flags)", .flags = kKfuncImplicitArgs | kKfuncTrustedArgs, .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_wq_set_callback_impl", .since = v(6, 12), .prototype = "int bpf_wq_set_callback_impl(struct bpf_wq *wq, int (*callback_fn)(void *, int *, void *), unsigned int flags, struct bpf_prog_aux *aux)", .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_wq_start", .since = v(6, 10), .prototype = "int bpf_wq_start(struct bpf_wq *wq, unsigned int flags)", .prog_types = kAll, .user = UserStatus::works},
    {.name = "bpf_xdp_ct_alloc", .since = v(6, 18), .prototype = "struct nf_conn___init *bpf_xdp_ct_alloc(struct xdp_md *xdp_ctx, struct bpf_sock_tuple *bpf_tuple, u32 tuple__sz, struct bpf_ct_opts *opts, u32 opts__sz)", .flags = kKfuncAcquire | kKfuncReturnsNull | kKfuncTrustedArgs, .prog_types = kCls | kXdp},
    {.name = "bpf_xdp_ct_lookup", .since = v(6, 18), .prototype = "struct nf_conn *bpf_xdp_ct_lookup(struct xdp_md *xdp_ctx, struct bpf_sock_tuple *bpf_tuple, u32 tuple__sz, struct bpf_ct_opts *opts, u32 opts__sz)", .flags = kKfuncAcquire | kKfuncReturnsNull | kKfuncTrustedArgs, .prog_types = kCls | kXdp},
    {.name = "bpf_xdp_get_xfrm_state", .since = v(6, 12), .prototype = "struct xfrm_state *bpf_xdp_get_xfrm_state(struct xdp_md *ctx, struct bpf_xfrm_state_opts *opts, u32 opts__sz)", .flags = kKfuncAcquire | kKfuncReturnsNull | kKfuncTrustedArgs, .prog_types = kXdp},
    {.name = "bpf_xdp_pull_data", .since = v(6, 18), .prototype = "int bpf_xdp_pull_data(struct xdp_md *x, u32 len)", .flags = kKfuncTrustedArgs, .prog_types = kXdp},
    {.name = "bpf_xdp_xfrm_state_release", .since = v(6, 12), .prototype = "void bpf_xdp_xfrm_state_release(struct xfrm_state *x)", .flags = kKfuncRelease | kKfuncTrustedArgs, .prog_types = kXdp},
    {.name = "crash_kexec", .since = v(6, 1), .prototype = "void crash_kexec(struct pt_regs *regs)", .flags = kKfuncDestructive, .prog_types = kCgroup | kCls | kStructOps | kSyscall | kTracing | kXdp},
    {.name = "css_rstat_flush", .since = v(6, 18), .prototype = "void css_rstat_flush(struct cgroup_subsys_state *css)", .flags = kKfuncSleepable | kKfuncTrustedArgs, .prog_types = kTracing},
    {.name = "css_rstat_updated", .since = v(6, 18), .prototype = "void css_rstat_updated(struct cgroup_subsys_state *css, int cpu)", .flags = kKfuncTrustedArgs, .prog_types = kTracing},
    {.name = "cubictcp_acked", .since = v(6, 1), .prototype = "void cubictcp_acked(struct sock *sk, const struct ack_sample *sample)", .flags = 0, .prog_types = kStructOps},
    {.name = "cubictcp_cong_avoid", .since = v(6, 1), .prototype = "void cubictcp_cong_avoid(struct sock *sk, u32 ack, u32 acked)", .flags = 0, .prog_types = kStructOps},
    {.name = "cubictcp_cwnd_event", .since = v(6, 1), .prototype = "void cubictcp_cwnd_event(struct sock *sk, enum tcp_ca_event event)", .flags = 0, .prog_types = kStructOps},
    {.name = "cubictcp_cwnd_event_tx_start", .since = v(6, 1), .prototype = "void cubictcp_cwnd_event_tx_start(struct sock *sk)", .flags = 0, .prog_types = kStructOps},
    {.name = "cubictcp_init", .since = v(6, 1), .prototype = "void cubictcp_init(struct sock *sk)", .flags = 0, .prog_types = kStructOps},
    {.name = "cubictcp_recalc_ssthresh", .since = v(6, 1), .prototype = "u32 cubictcp_recalc_ssthresh(struct sock *sk)", .flags = 0, .prog_types = kStructOps},
    {.name = "cubictcp_state", .since = v(6, 1), .prototype = "void cubictcp_state(struct sock *sk, u8 new_state)", .flags = 0, .prog_types = kStructOps},
    {.name = "dctcp_cwnd_event", .since = v(6, 1), .prototype = "void dctcp_cwnd_event(struct sock *sk, enum tcp_ca_event ev)", .flags = 0, .prog_types = kStructOps},
    {.name = "dctcp_cwnd_event_tx_start", .since = v(6, 1), .prototype = "void dctcp_cwnd_event_tx_start(struct sock *sk)", .flags = 0, .prog_types = kStructOps},
    {.name = "dctcp_cwnd_undo", .since = v(6, 1), .prototype = "u32 dctcp_cwnd_undo(struct sock *sk)", .flags = 0, .prog_types = kStructOps},
    {.name = "dctcp_init", .since = v(6, 1), .prototype = "void dctcp_init(struct sock *sk)", .flags = 0, .prog_types = kStructOps},
    {.name = "dctcp_ssthresh", .since = v(6, 1), .prototype = "u32 dctcp_ssthresh(struct sock *sk)", .flags = 0, .prog_types = kStructOps},
    {.name = "dctcp_state", .since = v(6, 1), .prototype = "void dctcp_state(struct sock *sk, u8 new_state)", .flags = 0, .prog_types = kStructOps},
    {.name = "dctcp_update_alpha", .since = v(6, 1), .prototype = "void dctcp_update_alpha(struct sock *sk, u32 flags)", .flags = 0, .prog_types = kStructOps},
    {.name = "tcp_cong_avoid_ai", .since = v(6, 1), .prototype = "void tcp_cong_avoid_ai(struct tcp_sock *tp, u32 w, u32 acked)", .flags = kKfuncTrustedArgs, .prog_types = kStructOps},
    {.name = "tcp_reno_cong_avoid", .since = v(6, 1), .prototype = "void tcp_reno_cong_avoid(struct sock *sk, u32 ack, u32 acked)", .flags = kKfuncTrustedArgs, .prog_types = kStructOps},
    {.name = "tcp_reno_ssthresh", .since = v(6, 1), .prototype = "u32 tcp_reno_ssthresh(struct sock *sk)", .flags = kKfuncTrustedArgs, .prog_types = kStructOps},
    {.name = "tcp_reno_undo_cwnd", .since = v(6, 1), .prototype = "u32 tcp_reno_undo_cwnd(struct sock *sk)", .flags = kKfuncTrustedArgs, .prog_types = kStructOps},
    {.name = "tcp_slow_start", .since = v(6, 1), .prototype = "u32 tcp_slow_start(struct tcp_sock *tp, u32 acked)", .flags = kKfuncTrustedArgs, .prog_types = kStructOps},
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

uint32_t kfunc_number(std::string_view name) {
  constexpr std::string_view kNames[] = {
#define SKEP_NAME(kfunc) #kfunc,
      SKEP_KFUNC_NAMES(SKEP_NAME)
#undef SKEP_NAME
  };
  const auto* found = std::ranges::find(kNames, name);
  return static_cast<uint32_t>(found - std::begin(kNames));
}

}  // namespace skep::spec
