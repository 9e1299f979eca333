// The list. Names on the left are BPF_FUNC_*, on the right functions of bodies.h.
#include "helpers/bindings.h"

#include "helpers/bodies.h"
#include "spec/helpers.h"

namespace skep::helpers {
namespace {

constexpr HelperBinding kBindings[] = {
    {spec::BPF_FUNC_probe_read, probe_read},
    {spec::BPF_FUNC_ktime_get_ns, ktime_get_ns},
    {spec::BPF_FUNC_trace_printk, trace_printk},
    {spec::BPF_FUNC_get_prandom_u32, get_prandom_u32},
    {spec::BPF_FUNC_get_smp_processor_id, get_smp_processor_id},
    {spec::BPF_FUNC_skb_store_bytes, skb_store_bytes},
    {spec::BPF_FUNC_l3_csum_replace, l3_csum_replace},
    {spec::BPF_FUNC_l4_csum_replace, l4_csum_replace},
    {spec::BPF_FUNC_get_current_pid_tgid, get_current_pid_tgid},
    {spec::BPF_FUNC_get_current_uid_gid, get_current_uid_gid},
    {spec::BPF_FUNC_get_current_comm, get_current_comm},
    {spec::BPF_FUNC_skb_vlan_push, skb_vlan_push},
    {spec::BPF_FUNC_skb_vlan_pop, skb_vlan_pop},
    {spec::BPF_FUNC_skb_load_bytes, skb_load_bytes},
    {spec::BPF_FUNC_csum_diff, csum_diff},
    {spec::BPF_FUNC_skb_change_type, skb_change_type},
    {spec::BPF_FUNC_get_hash_recalc, get_hash_recalc},
    {spec::BPF_FUNC_get_current_task, get_current_task},
    {spec::BPF_FUNC_probe_write_user, probe_write_user},
    {spec::BPF_FUNC_skb_change_tail, skb_change_tail},
    {spec::BPF_FUNC_skb_pull_data, skb_pull_data},
    {spec::BPF_FUNC_csum_update, csum_update},
    {spec::BPF_FUNC_set_hash_invalid, set_hash_invalid},
    {spec::BPF_FUNC_get_numa_node_id, get_numa_node_id},
    {spec::BPF_FUNC_skb_change_head, skb_change_head},
    {spec::BPF_FUNC_xdp_adjust_head, xdp_adjust_head},
    {spec::BPF_FUNC_probe_read_str, probe_read_str},
    {spec::BPF_FUNC_get_socket_cookie, get_socket_cookie},
    {spec::BPF_FUNC_get_socket_uid, get_socket_uid},
    {spec::BPF_FUNC_set_hash, set_hash},
    {spec::BPF_FUNC_xdp_adjust_meta, xdp_adjust_meta},
    {spec::BPF_FUNC_xdp_adjust_tail, xdp_adjust_tail},
    {spec::BPF_FUNC_get_stack, get_stack},
    {spec::BPF_FUNC_skb_load_bytes_relative, skb_load_bytes_relative},
    {spec::BPF_FUNC_get_current_cgroup_id, get_current_cgroup_id},
    {spec::BPF_FUNC_spin_lock, spin_lock},
    {spec::BPF_FUNC_spin_unlock, spin_unlock},
    {spec::BPF_FUNC_strtol, strtol},
    {spec::BPF_FUNC_strtoul, strtoul},
    {spec::BPF_FUNC_send_signal, send_signal},
    {spec::BPF_FUNC_probe_read_user, probe_read},
    {spec::BPF_FUNC_probe_read_kernel, probe_read},
    {spec::BPF_FUNC_probe_read_user_str, probe_read_str},
    {spec::BPF_FUNC_probe_read_kernel_str, probe_read_str},
    {spec::BPF_FUNC_send_signal_thread, send_signal_thread},
    {spec::BPF_FUNC_jiffies64, jiffies64},
    {spec::BPF_FUNC_get_ns_current_pid_tgid, get_ns_current_pid_tgid},
    {spec::BPF_FUNC_get_current_ancestor_cgroup_id, get_current_ancestor_cgroup_id},
    {spec::BPF_FUNC_ktime_get_boot_ns, ktime_get_boot_ns},
    {spec::BPF_FUNC_seq_printf, seq_printf},
    {spec::BPF_FUNC_seq_write, seq_write},
    {spec::BPF_FUNC_get_task_stack, get_task_stack},
    {spec::BPF_FUNC_copy_from_user, copy_from_user},
    {spec::BPF_FUNC_per_cpu_ptr, per_cpu_ptr},
    {spec::BPF_FUNC_this_cpu_ptr, this_cpu_ptr},
    {spec::BPF_FUNC_get_current_task_btf, get_current_task},
    {spec::BPF_FUNC_ktime_get_coarse_ns, ktime_get_ns},
    {spec::BPF_FUNC_snprintf, snprintf},
    {spec::BPF_FUNC_timer_init, timer_init},
    {spec::BPF_FUNC_timer_set_callback, timer_set_callback},
    {spec::BPF_FUNC_timer_start, timer_start},
    {spec::BPF_FUNC_timer_cancel, timer_cancel},
    {spec::BPF_FUNC_get_func_ip, get_func_ip},
    {spec::BPF_FUNC_get_attach_cookie, get_attach_cookie},
    {spec::BPF_FUNC_task_pt_regs, task_pt_regs},
    {spec::BPF_FUNC_trace_vprintk, trace_vprintk},
    {spec::BPF_FUNC_loop, loop},
    {spec::BPF_FUNC_strncmp, strncmp},
    {spec::BPF_FUNC_get_retval, get_retval},
    {spec::BPF_FUNC_set_retval, set_retval},
    {spec::BPF_FUNC_xdp_get_buff_len, xdp_get_buff_len},
    {spec::BPF_FUNC_xdp_load_bytes, xdp_load_bytes},
    {spec::BPF_FUNC_xdp_store_bytes, xdp_store_bytes},
    {spec::BPF_FUNC_copy_from_user_task, copy_from_user_task},
    {spec::BPF_FUNC_kptr_xchg, kptr_xchg},
    {spec::BPF_FUNC_dynptr_from_mem, dynptr_from_mem},
    {spec::BPF_FUNC_dynptr_read, dynptr_read},
    {spec::BPF_FUNC_dynptr_write, dynptr_write},
    {spec::BPF_FUNC_dynptr_data, dynptr_data},
    {spec::BPF_FUNC_ktime_get_tai_ns, ktime_get_tai_ns},
};

constexpr uint32_t kElsewhere[] = {
    spec::BPF_FUNC_map_lookup_elem,
    spec::BPF_FUNC_map_update_elem,
    spec::BPF_FUNC_map_delete_elem,
    spec::BPF_FUNC_tail_call,
    spec::BPF_FUNC_redirect,
    spec::BPF_FUNC_perf_event_output,
    spec::BPF_FUNC_get_stackid,
    spec::BPF_FUNC_skb_under_cgroup,
    spec::BPF_FUNC_current_task_under_cgroup,
    spec::BPF_FUNC_redirect_map,
    spec::BPF_FUNC_get_local_storage,
    spec::BPF_FUNC_map_push_elem,
    spec::BPF_FUNC_map_pop_elem,
    spec::BPF_FUNC_map_peek_elem,
    spec::BPF_FUNC_sk_storage_get,
    spec::BPF_FUNC_sk_storage_delete,
    spec::BPF_FUNC_ringbuf_output,
    spec::BPF_FUNC_ringbuf_reserve,
    spec::BPF_FUNC_ringbuf_submit,
    spec::BPF_FUNC_ringbuf_discard,
    spec::BPF_FUNC_ringbuf_query,
    spec::BPF_FUNC_inode_storage_get,
    spec::BPF_FUNC_inode_storage_delete,
    spec::BPF_FUNC_task_storage_get,
    spec::BPF_FUNC_task_storage_delete,
    spec::BPF_FUNC_for_each_map_elem,
    spec::BPF_FUNC_map_lookup_percpu_elem,
    spec::BPF_FUNC_ringbuf_reserve_dynptr,
    spec::BPF_FUNC_ringbuf_submit_dynptr,
    spec::BPF_FUNC_ringbuf_discard_dynptr,
    spec::BPF_FUNC_user_ringbuf_drain,
    spec::BPF_FUNC_cgrp_storage_get,
    spec::BPF_FUNC_cgrp_storage_delete,
};

template <class Rows, class Key>
consteval bool rows_ascend(const Rows& rows, Key key) {
  for (size_t i = 1; i < sizeof rows / sizeof rows[0]; i++) {
    if (key(rows[i - 1]) >= key(rows[i])) return false;
  }
  return true;
}
static_assert(rows_ascend(kBindings, [](const HelperBinding& row) { return row.id; }));
static_assert(rows_ascend(kElsewhere, [](uint32_t id) { return id; }));

}  // namespace

std::span<const HelperBinding> helper_bindings() { return kBindings; }
std::span<const uint32_t> bound_elsewhere() { return kElsewhere; }

}  // namespace skep::helpers
