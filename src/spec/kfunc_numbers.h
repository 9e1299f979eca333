// The kfuncs that the user engine has, and their numbers: where an engine's table has the body, and what a verified
// program's call carries. A body for each stands in helpers/; its row in kfuncs.cc says what it takes. To add
// one: its name here (any place), its row, its body, its prototype in btf/user_engine/kfuncs.h.
#pragma once

#include <cstdint>
#include <string_view>

// clang-format off
#define SKEP_KFUNC_NAMES(X) \
  X(bpf_iter_num_new) X(bpf_iter_num_next) X(bpf_iter_num_destroy) X(bpf_iter_bits_new) X(bpf_iter_bits_next) \
  X(bpf_iter_bits_destroy) X(bpf_obj_new_impl) X(bpf_obj_new) X(bpf_obj_drop_impl) X(bpf_obj_drop) \
  X(bpf_percpu_obj_new_impl) X(bpf_percpu_obj_new) X(bpf_percpu_obj_drop_impl) X(bpf_percpu_obj_drop) \
  X(bpf_refcount_acquire_impl) X(bpf_refcount_acquire) X(bpf_list_push_front_impl) X(bpf_list_push_front) \
  X(bpf_list_push_back_impl) X(bpf_list_push_back) X(bpf_list_pop_front) X(bpf_list_pop_back) X(bpf_list_front) \
  X(bpf_list_back) X(bpf_rbtree_add_impl) X(bpf_rbtree_add) X(bpf_rbtree_remove) X(bpf_rbtree_first) \
  X(bpf_rbtree_left) X(bpf_rbtree_right) X(bpf_rbtree_root) X(bpf_task_acquire) X(bpf_task_release) \
  X(bpf_task_from_pid) X(bpf_task_from_vpid) X(bpf_cgroup_acquire) X(bpf_cgroup_release) X(bpf_cgroup_ancestor) \
  X(bpf_cgroup_from_id) X(bpf_task_under_cgroup) X(bpf_rcu_read_lock) X(bpf_rcu_read_unlock) \
  X(bpf_preempt_disable) X(bpf_preempt_enable) X(bpf_local_irq_save) X(bpf_local_irq_restore) \
  X(bpf_res_spin_lock) X(bpf_res_spin_unlock) X(bpf_res_spin_lock_irqsave) X(bpf_res_spin_unlock_irqrestore) \
  X(bpf_rdonly_cast) X(bpf_cpumask_create) X(bpf_cpumask_acquire) X(bpf_cpumask_release) X(bpf_cpumask_first) \
  X(bpf_cpumask_first_zero) X(bpf_cpumask_first_and) X(bpf_cpumask_set_cpu) X(bpf_cpumask_clear_cpu) \
  X(bpf_cpumask_test_cpu) X(bpf_cpumask_test_and_set_cpu) X(bpf_cpumask_test_and_clear_cpu) \
  X(bpf_cpumask_setall) X(bpf_cpumask_clear) X(bpf_cpumask_and) X(bpf_cpumask_or) X(bpf_cpumask_xor) \
  X(bpf_cpumask_equal) X(bpf_cpumask_intersects) X(bpf_cpumask_subset) X(bpf_cpumask_empty) \
  X(bpf_cpumask_full) X(bpf_cpumask_copy) X(bpf_cpumask_any_distribute) X(bpf_cpumask_any_and_distribute) \
  X(bpf_cpumask_weight) X(bpf_cpumask_populate) X(bpf_dynptr_adjust) X(bpf_dynptr_clone) X(bpf_dynptr_copy) \
  X(bpf_dynptr_from_skb) X(bpf_dynptr_from_xdp) X(bpf_dynptr_is_null) X(bpf_dynptr_is_rdonly) \
  X(bpf_dynptr_memset) X(bpf_dynptr_size) X(bpf_dynptr_slice) X(bpf_dynptr_slice_rdwr) \
  X(bpf_copy_from_user_str) X(bpf_probe_read_user_dynptr) X(bpf_probe_read_kernel_dynptr) \
  X(bpf_probe_read_user_str_dynptr) X(bpf_probe_read_kernel_str_dynptr) X(bpf_strcmp) X(bpf_strcasecmp) \
  X(bpf_strchr) X(bpf_strchrnul) X(bpf_strnchr) X(bpf_strrchr) X(bpf_strlen) X(bpf_strnlen) X(bpf_strspn) \
  X(bpf_strcspn) X(bpf_strstr) X(bpf_strnstr) X(bpf_wq_init) X(bpf_wq_set_callback_impl) X(bpf_wq_set_callback) \
  X(bpf_wq_start)
// clang-format on

namespace skep::spec {

enum KfuncNumber : uint32_t {
#define SKEP_NUMBER(name) kKfunc_##name,
  SKEP_KFUNC_NAMES(SKEP_NUMBER)
#undef SKEP_NUMBER
      kKfuncs
};
static_assert(kKfuncs <= 1024);  // hive::ProcessPage::kfuncs

// kKfuncs: the user engine has none of this name.
[[nodiscard]] uint32_t kfunc_number(std::string_view name);

}  // namespace skep::spec
