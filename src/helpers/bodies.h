// Declarations of the bodies, by file. SKEP_HELPER is also how each is defined: all helpers take the five
// registers and the run, whether they use them or not.
#pragma once

#include <cstdint>

#include "object/helper_context.h"

#define SKEP_HELPER(name)                                                   \
  uint64_t name([[maybe_unused]] uint64_t r1, [[maybe_unused]] uint64_t r2, \
                [[maybe_unused]] uint64_t r3, [[maybe_unused]] uint64_t r4, \
                [[maybe_unused]] uint64_t r5, [[maybe_unused]] HelperContext* run)

namespace skep::helpers {

// Errors as helpers return them: negative errno in r0. Linux's numbers, for freestanding code.
inline constexpr int64_t kEperm = -1, kE2big = -7, kEnomem = -12, kEacces = -13, kEfault = -14,
                         kEinval = -22, kErange = -34, kEnospc = -28, kEoverflow = -75,
                         kEnotsupp = -524;
[[nodiscard]] constexpr uint64_t result(int64_t value) { return static_cast<uint64_t>(value); }
template <class T>
[[nodiscard]] T* pointer(uint64_t address) {
  return reinterpret_cast<T*>(address);
}

// task.cc: clocks, ids, who runs
SKEP_HELPER(ktime_get_ns);
SKEP_HELPER(ktime_get_boot_ns);
SKEP_HELPER(ktime_get_tai_ns);
SKEP_HELPER(jiffies64);
SKEP_HELPER(get_prandom_u32);
SKEP_HELPER(get_smp_processor_id);
SKEP_HELPER(get_numa_node_id);
SKEP_HELPER(get_current_pid_tgid);
SKEP_HELPER(get_current_uid_gid);
SKEP_HELPER(get_current_comm);
SKEP_HELPER(get_ns_current_pid_tgid);
SKEP_HELPER(get_current_task);
SKEP_HELPER(task_pt_regs);
SKEP_HELPER(get_func_ip);
SKEP_HELPER(get_attach_cookie);
SKEP_HELPER(get_socket_cookie);
SKEP_HELPER(get_socket_uid);
SKEP_HELPER(get_stack);
SKEP_HELPER(get_task_stack);
SKEP_HELPER(send_signal);
SKEP_HELPER(send_signal_thread);
SKEP_HELPER(get_retval);
SKEP_HELPER(set_retval);
SKEP_HELPER(get_current_cgroup_id);
SKEP_HELPER(get_current_ancestor_cgroup_id);

// memory.cc: the traced process's memory
SKEP_HELPER(probe_read);
SKEP_HELPER(probe_read_str);
SKEP_HELPER(probe_write_user);
SKEP_HELPER(copy_from_user);
SKEP_HELPER(copy_from_user_task);

// text.cc: printing and parsing
SKEP_HELPER(trace_printk);
SKEP_HELPER(trace_vprintk);
SKEP_HELPER(snprintf);
SKEP_HELPER(seq_printf);
SKEP_HELPER(seq_write);
SKEP_HELPER(strtol);
SKEP_HELPER(strtoul);
SKEP_HELPER(strncmp);

// control.cc: loops, locks
SKEP_HELPER(loop);
SKEP_HELPER(spin_lock);
SKEP_HELPER(spin_unlock);

// dynptr.cc
SKEP_HELPER(dynptr_from_mem);
SKEP_HELPER(dynptr_read);
SKEP_HELPER(dynptr_write);
SKEP_HELPER(dynptr_data);

// objects.cc: beside the kfuncs (kfuncs.h)
SKEP_HELPER(kptr_xchg);
SKEP_HELPER(per_cpu_ptr);
SKEP_HELPER(this_cpu_ptr);

// timers.cc
SKEP_HELPER(timer_init);
SKEP_HELPER(timer_set_callback);
SKEP_HELPER(timer_start);
SKEP_HELPER(timer_cancel);

// skb.cc: __sk_buff programs
SKEP_HELPER(skb_load_bytes);
SKEP_HELPER(skb_load_bytes_relative);
SKEP_HELPER(skb_store_bytes);
SKEP_HELPER(skb_pull_data);
SKEP_HELPER(skb_change_tail);
SKEP_HELPER(skb_change_head);
SKEP_HELPER(skb_change_type);
SKEP_HELPER(skb_vlan_push);
SKEP_HELPER(skb_vlan_pop);
SKEP_HELPER(get_hash_recalc);
SKEP_HELPER(set_hash_invalid);
SKEP_HELPER(set_hash);

// checksum.cc
SKEP_HELPER(csum_diff);
SKEP_HELPER(csum_update);
SKEP_HELPER(l3_csum_replace);
SKEP_HELPER(l4_csum_replace);

// xdp.cc
SKEP_HELPER(xdp_adjust_head);
SKEP_HELPER(xdp_adjust_tail);
SKEP_HELPER(xdp_adjust_meta);
SKEP_HELPER(xdp_get_buff_len);
SKEP_HELPER(xdp_load_bytes);
SKEP_HELPER(xdp_store_bytes);

}  // namespace skep::helpers
