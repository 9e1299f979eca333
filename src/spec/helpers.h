// The helpers: one row for each BPF_FUNC id, and one more for each program type in which the kernel
// gives the same id another prototype (a "variant": bpf_get_socket_cookie takes the context in one
// program type and a socket in another). Rows are in helpers.cc; to add a helper, add its row there
// and its body in helpers/ (or maps/), and regenerate docs/reference (./dev docs).
//
// Facts: include/uapi/linux/bpf.h, kernel/bpf/helpers.c, kernel/trace/bpf_trace.c,
// net/core/filter.c of Linux 7.3. Immutable, no allocation; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "spec/types.h"

namespace skep::spec {

// What the verifier must find in an argument's register: the kernel's enum bpf_arg_type without its
// flags.
enum class ArgKind : uint8_t {
  none,           // no such argument
  const_map_ptr,  // a map
  map_key,        // memory of the map's key_size
  map_value,      // memory of the map's value_size
  mem,            // memory; its size is in the next argument, or fixed (Argument::size)
  arena,          // pointer into the arena
  mem_size,       // size of the mem before it, above 0
  mem_size_or_zero,
  ctx,
  anything,            // any initialised register
  scalar,              // a number, no pointer
  spin_lock,           // pointer to a bpf_spin_lock in a map value
  sock_common,         // pointer to bpf_sock, any kind
  socket,              // pointer to a full bpf_sock
  btf_id,              // pointer to the kernel struct Argument::btf_type
  ringbuf_mem,         // what bpf_ringbuf_reserve gave
  alloc_size_or_zero,  // constant number of bytes to reserve
  btf_id_sock_common,  // bpf_sock or struct sock_common and what holds one
  percpu_btf_id,       // pointer to a per-CPU kernel variable
  func,                // a function of the program (callback)
  stack,               // pointer into the stack
  const_str,           // NUL-terminated string in a frozen read-only map
  timer,               // pointer to a bpf_timer in a map value
  kptr_xchg_dest,      // where a kptr lies in a map value
  dynptr,              // pointer to a bpf_dynptr on the stack
};

// Flags of Argument and of the return value: the kernel's enum bpf_type_flag, those that prototypes
// use.
enum : uint16_t {
  kMaybeNull = 1 << 0,    // the pointer may be NULL
  kReadOnly = 1 << 1,     // memory is only read: read-only memory will do
  kUninit = 1 << 2,       // memory may be uninitialised: the helper fills it
  kWrite = 1 << 3,        // memory is written
  kFixedSize = 1 << 4,    // memory of Argument::size bytes
  kAligned = 1 << 5,      // and aligned to its size
  kRelease = 1 << 6,      // the reference is released
  kDynptrLocal = 1 << 7,  // dynptr to local memory
  kDynptrRingbuf = 1 << 8,
  kRingbufMem = 1 << 9,  // return: a ring buffer's record
  kTrusted = 1 << 10,    // return: a trusted pointer
  kPercpu = 1 << 11,
  kRdonlyReturn = kReadOnly,
};

struct Argument {
  ArgKind kind = ArgKind::none;
  uint16_t flags = 0;
  uint16_t size = 0;            // of kFixedSize
  std::string_view btf_type{};  // of btf_id: "task_struct"
  [[nodiscard]] constexpr bool has(uint16_t flag) const { return (flags & flag) != 0; }
};

// The kernel's enum bpf_return_type; kMaybeNull and others in Helper::return_flags.
enum class ReturnKind : uint8_t {
  integer,
  nothing,
  map_value,
  socket,
  tcp_sock,
  sock_common,
  mem,            // size: a constant argument (alloc_size), or the dynptr slice's length
  mem_or_btf_id,  // bpf_per_cpu_ptr, bpf_this_cpu_ptr
  btf_id,
};

struct Helper {
  uint32_t id = 0;        // BPF_FUNC_*
  std::string_view name;  // "map_lookup_elem": BPF_FUNC_ and bpf_ are in front of it
  KernelVersion since = 0;
  std::string_view prototype;  // C, as bpf_helper_defs.h would declare it, argument names included
  ReturnKind returns = ReturnKind::integer;
  uint16_t return_flags = 0;
  std::string_view return_btf_type{};
  std::array<Argument, 5> arguments{};
  ProgTypeSet prog_types = 0;      // that may call this variant
  AttachTypeSet attach_types = 0;  // of those, only with these expected attach types; 0: any
  MapTypeSet map_types = 0;  // of its const_map_ptr argument; 0: it has none, or takes any map
  bool gpl_only = false;
  bool packet_access = false;   // its memory arguments may point into the packet
  bool might_sleep = false;     // sleepable programs only
  bool changes_packet = false;  // packet pointers are invalid after it
  bool acquires = false;        // returns a reference that must be released
  UserStatus user = UserStatus::refused;
  std::string_view user_reason{};  // why refused
  [[nodiscard]] constexpr unsigned argument_count() const {
    unsigned count = 0;
    while (count < 5 && arguments[count].kind != ArgKind::none) count++;
    return count;
  }
  [[nodiscard]] constexpr bool releases() const {
    for (const Argument& argument : arguments)
      if (argument.has(kRelease)) return true;
    return false;
  }
  [[nodiscard]] constexpr bool has_callback() const {
    for (const Argument& argument : arguments)
      if (argument.kind == ArgKind::func) return true;
    return false;
  }
};

// All rows, by id; a helper's variants follow one another, with disjoint prog_types.
[[nodiscard]] std::span<const Helper> helpers();
inline constexpr uint32_t kHelperIds = 212;  // ids are 1 .. kHelperIds - 1

// The first variant of `id`, null where there is no such helper.
[[nodiscard]] const Helper* find_helper(uint32_t id);
// The variant that a program of this type may call; null where it may not call it at all. Attach
// types, GPL and sleepability are the caller's to check.
[[nodiscard]] const Helper* find_helper(uint32_t id, ProgType type);
[[nodiscard]] const Helper* find_helper(
    std::string_view name);  // with or without bpf_ or BPF_FUNC_

// Number and name of each id that the verifier, the JIT or a binding treats in its own way.
// clang-format off
enum HelperId : uint32_t {
#define SKEP_HELPER_IDS(X) \
  X(map_lookup_elem, 1) X(map_update_elem, 2) X(map_delete_elem, 3) X(probe_read, 4) X(ktime_get_ns, 5) \
  X(trace_printk, 6) X(get_prandom_u32, 7) X(get_smp_processor_id, 8) X(skb_store_bytes, 9) X(l3_csum_replace, 10) \
  X(l4_csum_replace, 11) X(tail_call, 12) X(clone_redirect, 13) X(get_current_pid_tgid, 14) X(get_current_uid_gid, 15) \
  X(get_current_comm, 16) X(get_cgroup_classid, 17) X(skb_vlan_push, 18) X(skb_vlan_pop, 19) X(skb_get_tunnel_key, 20) \
  X(skb_set_tunnel_key, 21) X(perf_event_read, 22) X(redirect, 23) X(get_route_realm, 24) X(perf_event_output, 25) \
  X(skb_load_bytes, 26) X(get_stackid, 27) X(csum_diff, 28) X(skb_get_tunnel_opt, 29) X(skb_set_tunnel_opt, 30) \
  X(skb_change_proto, 31) X(skb_change_type, 32) X(skb_under_cgroup, 33) X(get_hash_recalc, 34) X(get_current_task, 35) \
  X(probe_write_user, 36) X(current_task_under_cgroup, 37) X(skb_change_tail, 38) X(skb_pull_data, 39) X(csum_update, 40) \
  X(set_hash_invalid, 41) X(get_numa_node_id, 42) X(skb_change_head, 43) X(xdp_adjust_head, 44) X(probe_read_str, 45) \
  X(get_socket_cookie, 46) X(get_socket_uid, 47) X(set_hash, 48) X(setsockopt, 49) X(skb_adjust_room, 50) \
  X(redirect_map, 51) X(sk_redirect_map, 52) X(sock_map_update, 53) X(xdp_adjust_meta, 54) X(perf_event_read_value, 55) \
  X(perf_prog_read_value, 56) X(getsockopt, 57) X(override_return, 58) X(sock_ops_cb_flags_set, 59) X(msg_redirect_map, 60) \
  X(msg_apply_bytes, 61) X(msg_cork_bytes, 62) X(msg_pull_data, 63) X(bind, 64) X(xdp_adjust_tail, 65) \
  X(skb_get_xfrm_state, 66) X(get_stack, 67) X(skb_load_bytes_relative, 68) X(fib_lookup, 69) X(sock_hash_update, 70) \
  X(msg_redirect_hash, 71) X(sk_redirect_hash, 72) X(lwt_push_encap, 73) X(lwt_seg6_store_bytes, 74) \
  X(lwt_seg6_adjust_srh, 75) X(lwt_seg6_action, 76) X(rc_repeat, 77) X(rc_keydown, 78) X(skb_cgroup_id, 79) \
  X(get_current_cgroup_id, 80) X(get_local_storage, 81) X(sk_select_reuseport, 82) X(skb_ancestor_cgroup_id, 83) \
  X(sk_lookup_tcp, 84) X(sk_lookup_udp, 85) X(sk_release, 86) X(map_push_elem, 87) X(map_pop_elem, 88) X(map_peek_elem, 89) \
  X(msg_push_data, 90) X(msg_pop_data, 91) X(rc_pointer_rel, 92) X(spin_lock, 93) X(spin_unlock, 94) X(sk_fullsock, 95) \
  X(tcp_sock, 96) X(skb_ecn_set_ce, 97) X(get_listener_sock, 98) X(skc_lookup_tcp, 99) X(tcp_check_syncookie, 100) \
  X(sysctl_get_name, 101) X(sysctl_get_current_value, 102) X(sysctl_get_new_value, 103) X(sysctl_set_new_value, 104) \
  X(strtol, 105) X(strtoul, 106) X(sk_storage_get, 107) X(sk_storage_delete, 108) X(send_signal, 109) \
  X(tcp_gen_syncookie, 110) X(skb_output, 111) X(probe_read_user, 112) X(probe_read_kernel, 113) X(probe_read_user_str, 114) \
  X(probe_read_kernel_str, 115) X(tcp_send_ack, 116) X(send_signal_thread, 117) X(jiffies64, 118) X(read_branch_records, 119) \
  X(get_ns_current_pid_tgid, 120) X(xdp_output, 121) X(get_netns_cookie, 122) X(get_current_ancestor_cgroup_id, 123) \
  X(sk_assign, 124) X(ktime_get_boot_ns, 125) X(seq_printf, 126) X(seq_write, 127) X(sk_cgroup_id, 128) \
  X(sk_ancestor_cgroup_id, 129) X(ringbuf_output, 130) X(ringbuf_reserve, 131) X(ringbuf_submit, 132) X(ringbuf_discard, 133) \
  X(ringbuf_query, 134) X(csum_level, 135) X(skc_to_tcp6_sock, 136) X(skc_to_tcp_sock, 137) X(skc_to_tcp_timewait_sock, 138) \
  X(skc_to_tcp_request_sock, 139) X(skc_to_udp6_sock, 140) X(get_task_stack, 141) X(load_hdr_opt, 142) X(store_hdr_opt, 143) \
  X(reserve_hdr_opt, 144) X(inode_storage_get, 145) X(inode_storage_delete, 146) X(d_path, 147) X(copy_from_user, 148) \
  X(snprintf_btf, 149) X(seq_printf_btf, 150) X(skb_cgroup_classid, 151) X(redirect_neigh, 152) X(per_cpu_ptr, 153) \
  X(this_cpu_ptr, 154) X(redirect_peer, 155) X(task_storage_get, 156) X(task_storage_delete, 157) X(get_current_task_btf, 158) \
  X(bprm_opts_set, 159) X(ktime_get_coarse_ns, 160) X(ima_inode_hash, 161) X(sock_from_file, 162) X(check_mtu, 163) \
  X(for_each_map_elem, 164) X(snprintf, 165) X(sys_bpf, 166) X(btf_find_by_name_kind, 167) X(sys_close, 168) X(timer_init, 169) \
  X(timer_set_callback, 170) X(timer_start, 171) X(timer_cancel, 172) X(get_func_ip, 173) X(get_attach_cookie, 174) \
  X(task_pt_regs, 175) X(get_branch_snapshot, 176) X(trace_vprintk, 177) X(skc_to_unix_sock, 178) X(kallsyms_lookup_name, 179) \
  X(find_vma, 180) X(loop, 181) X(strncmp, 182) X(get_func_arg, 183) X(get_func_ret, 184) X(get_func_arg_cnt, 185) \
  X(get_retval, 186) X(set_retval, 187) X(xdp_get_buff_len, 188) X(xdp_load_bytes, 189) X(xdp_store_bytes, 190) \
  X(copy_from_user_task, 191) X(skb_set_tstamp, 192) X(ima_file_hash, 193) X(kptr_xchg, 194) X(map_lookup_percpu_elem, 195) \
  X(skc_to_mptcp_sock, 196) X(dynptr_from_mem, 197) X(ringbuf_reserve_dynptr, 198) X(ringbuf_submit_dynptr, 199) \
  X(ringbuf_discard_dynptr, 200) X(dynptr_read, 201) X(dynptr_write, 202) X(dynptr_data, 203) \
  X(tcp_raw_gen_syncookie_ipv4, 204) X(tcp_raw_gen_syncookie_ipv6, 205) X(tcp_raw_check_syncookie_ipv4, 206) \
  X(tcp_raw_check_syncookie_ipv6, 207) X(ktime_get_tai_ns, 208) X(user_ringbuf_drain, 209) X(cgrp_storage_get, 210) \
  X(cgrp_storage_delete, 211)
#define SKEP_HELPER_ENUM(name, id) BPF_FUNC_##name = id,
  SKEP_HELPER_IDS(SKEP_HELPER_ENUM)
#undef SKEP_HELPER_ENUM
};
// clang-format on

}  // namespace skep::spec
