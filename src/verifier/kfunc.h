// Kernel functions as the verifier knows them: BTF's prototype, what the parameters' names say of them (suffixes such as
// __sz, __k, __uninit), and the flags of spec/kfuncs.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "btf/btf.h"
#include "spec/kfuncs.h"
#include "verifier/state.h"

namespace skep::verifier {

enum class KfuncArgKind : uint8_t {
  ignored,         // __ign, the program's own aux, what the verifier supplies
  number,          // any
  constant,        // __k
  result_size,     // rdonly_buf_size, rdwr_buf_size: of the memory that it returns
  mem_size,        // __sz
  const_mem_size,  // __szk
  mem,             // its size is in the next argument
  sized_mem,       // its size is its type's
  ctx,
  object,      // __alloc
  refcounted,  // __refcounted_kptr
  dynptr,
  iterator,
  list_head,
  list_node,
  rb_root,
  rb_node,
  structure,  // a kernel struct
  const_map,  // __const_map
  const_str,  // __str
  timer,
  workqueue,
  task_work,
  irq_flag,
  res_spin_lock,
  callback,
  arena,  // __arena
};

struct KfuncArgument {
  KfuncArgKind kind = KfuncArgKind::ignored;
  bool nullable = false;
  bool uninit = false;         // __uninit
  bool non_owning_ok = false;  // __nonown_allowed
  bool readonly = false;       // result_size: of memory that may only be read
  bool any_map = false;        // __map: a struct bpf_map, or what holds a map
  bool plain_struct = false;   // structure: of numbers only, so memory will do
  btf::TypeId type = 0;        // of what a pointer points to
  uint32_t size = 0;           // sized_mem, iterator: bytes
  std::string_view type_name;
};

// Those that the verifier treats in a way of their own.
enum class SpecialKfunc : uint8_t {
  none,
  obj_new,
  obj_drop,
  percpu_obj_new,
  percpu_obj_drop,
  refcount_acquire,
  list_push,  // front, back, add
  list_other,
  rbtree_add,
  rbtree_other,
  cast_to_kern_ctx,
  rdonly_cast,
  rcu_read_lock,
  rcu_read_unlock,
  preempt_disable,
  preempt_enable,
  irq_save,
  irq_restore,
  res_spin_lock,
  res_spin_unlock,
  res_spin_lock_irqsave,
  res_spin_unlock_irqrestore,
  dynptr_from_skb,
  dynptr_from_xdp,
  dynptr_from_skb_meta,
  dynptr_from_file,
  dynptr_file_discard,
  dynptr_slice,
  dynptr_slice_rdwr,
  dynptr_clone,
  throw_,
  wq_set_callback,
  task_work_schedule,
  iter_css_task_new,
  get_kmem_cache,
  xdp_pull_data,
  session,
  trap,
};

struct Kfunc {
  uint32_t id = 0;  // in the kernel's BTF
  std::string_view name;
  const spec::Kfunc* row = nullptr;  // null: not one that the tables know
  uint32_t flags = 0;
  SpecialKfunc special{};
  std::vector<KfuncArgument> arguments;
  btf::TypeId result = 0;
  [[nodiscard]] bool has(uint32_t flag) const { return (flags & flag) != 0; }
};
[[nodiscard]] SpecialKfunc special_kfunc(std::string_view name);

}  // namespace skep::verifier
