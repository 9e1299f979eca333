#include "report/verifier_messages.h"

namespace skep::report {
namespace {

using enum verifier::Rule;
using C = Cause;

// clang-format off
constexpr MessageRow kMessages[] = {
    // Registers.
    {"R0 !read_ok", uninitialized_register, C::return_value_not_set},
    {"R# !read_ok", uninitialized_register, C::register_never_set},
    {"frame pointer is read only", frame_pointer_written, C::text_malformed},
    {"R# is invalid", bad_register, C::text_malformed},
    {"div by zero", division_by_zero, C::text_malformed},
    {"invalid shift #", bad_shift, C::text_malformed},
    // NULL and what is no pointer.
    {"R# invalid mem access 'map_ptr'", not_a_pointer, C::map_object_accessed},
    {"R# invalid mem access '*_or_null*'", maybe_null_dereferenced, C::null_check_missing},
    {"R# invalid mem access '*or_null_*'", maybe_null_dereferenced, C::null_check_missing},
    {"R# invalid mem access '*'", not_a_pointer, C::scalar_as_pointer},
    {"R# pointer arithmetic on *_or_null prohibited", maybe_null_dereferenced, C::null_check_missing},
    {"R# pointer arithmetic on * prohibited, null-check it first", maybe_null_dereferenced, C::null_check_missing},
    {"R# leaks addr *", pointer_leaked, C::pointer_or_number_leaked},
    {"R# partial copy of pointer", pointer_leaked, C::pointer_truncated},
    {"R# sign-extension part of pointer", pointer_leaked, C::pointer_truncated},
    {"leaking pointer from stack off #", pointer_leaked, C::pointer_or_number_leaked},
    {"R# pointer comparison prohibited", pointer_compared, C::pointer_or_number_leaked},
    {"R# pointer arithmetic on pkt_end prohibited", pointer_arithmetic, C::pointer_arithmetic_forbidden},
    {"R# pointer arithmetic on * prohibited", pointer_arithmetic, C::pointer_arithmetic_forbidden},
    {"R# pointer arithmetic with <<= operator prohibited", pointer_arithmetic, C::pointer_truncated},
    {"R# pointer arithmetic with >>= operator prohibited", pointer_arithmetic, C::pointer_truncated},
    {"R# pointer arithmetic with * operator prohibited", pointer_arithmetic, C::pointer_arithmetic_forbidden},
    {"R# bitwise operator * on pointer prohibited", pointer_arithmetic, C::pointer_arithmetic_forbidden},
    {"R# 32-bit pointer arithmetic prohibited", pointer_arithmetic, C::pointer_truncated},
    {"R# pointer arithmetic prohibited", pointer_arithmetic, C::pointer_arithmetic_forbidden},
    {"R# pointer * pointer prohibited", pointer_arithmetic, C::pointer_arithmetic_forbidden},
    {"R# subtraction from stack pointer prohibited", pointer_arithmetic, C::pointer_arithmetic_forbidden},
    {"R# tried to subtract pointer from scalar", pointer_arithmetic, C::pointer_arithmetic_forbidden},
    {"R# has pointer with unsupported alu operation", pointer_arithmetic, C::pointer_arithmetic_forbidden},
    {"R# has unknown scalar with mixed signed bounds", pointer_arithmetic, C::index_maybe_negative},
    {"R# tried to * beyond pointer bounds", pointer_arithmetic, C::index_unbounded},
    {"R# tried to * from different maps", pointer_arithmetic, C::different_pointers_merged},
    {"dereference of modified ctx ptr", pointer_arithmetic, C::context_pointer_modified},
    {"variable stack access prohibited", stack_variable_offset, C::stack_index_unbounded},
    {"variable stack access var_off=", stack_variable_offset, C::stack_index_unbounded},
    {"variable ctx access", pointer_arithmetic, C::context_pointer_modified},
    {"dereference of modified * ptr", pointer_arithmetic, C::pointer_arithmetic_forbidden},
    {"variable * access", pointer_arithmetic, C::pointer_arithmetic_forbidden},
    {"negative offset * ptr R# off=# disallowed", negative_offset, C::index_maybe_negative},
    {"math between * pointer and register with unbounded min value", pointer_out_of_range, C::index_maybe_negative},
    {"math between * pointer and", pointer_out_of_range, C::index_unbounded},
    {"value # makes * pointer be out of bounds", pointer_out_of_range, C::index_unbounded},
    {"* pointer offset # is not allowed", pointer_out_of_range, C::index_unbounded},
    {"same insn cannot be used with", same_insn_different_pointers, C::different_pointers_merged},
    // Packets.
    {"invalid access to packet", packet_out_of_bounds, C::packet_check_missing},
    {"R# offset is outside of the packet", packet_out_of_bounds, C::packet_check_missing, true},
    {"cannot write into packet", packet_not_writable, C::packet_read_only},
    {"the prog does not allow writes to packet data", packet_not_writable, C::packet_read_only},
    {"helper access to the packet is not allowed", bad_argument_type, C::packet_not_for_helper},
    {"R# is a packet pointer, but func# may change packet data", argument_mismatch, C::packet_pointer_stale},
    // Memory.
    {"invalid access to map value pointer", map_value_out_of_bounds, C::access_beyond_object},
    {"invalid access to map value", map_value_out_of_bounds, C::access_beyond_object},
    {"invalid access to map key", map_value_out_of_bounds, C::access_beyond_object},
    {"invalid access to context", context_access, C::context_field},
    {"invalid access to memory", mem_out_of_bounds, C::access_beyond_object},
    {"R# unbounded memory access, use 'var &= const' or 'if (var < const)'", bad_size_argument, C::size_unbounded},
    {"R# unbounded memory access", unbounded_access, C::index_unbounded},
    {"R# min value is negative, either use unsigned index or do a if (index >=0) check.", negative_offset, C::index_maybe_negative},
    {"R# min value is negative, either use unsigned or 'var &= const'", bad_size_argument, C::size_maybe_negative},
    {"R# min value is negative", negative_offset, C::index_maybe_negative},
    {"R# min value is outside of the allowed memory range", negative_offset, C::index_maybe_negative, true},
    {"R# max value is outside of the allowed memory range", map_value_out_of_bounds, C::access_beyond_object, true},
    {"R# invalid * buffer access: off=#, size=#", mem_out_of_bounds, C::access_beyond_object},
    {"R# invalid variable buffer offset", mem_out_of_bounds, C::index_unbounded},
    {"read from map forbidden", map_permission, C::read_only},
    {"write into map forbidden", map_permission, C::read_only},
    {"write to change key R#", read_only_memory, C::read_only},
    {"R# cannot write into ptr_", btf_access, C::kernel_struct_access},
    {"R# cannot write into", read_only_memory, C::read_only},
    {"bpf_*() may write into memory pointed by R#", read_only_memory, C::read_only},
    {"misaligned stack access off", misaligned_access, C::stack_misaligned},
    {"misaligned * access off", misaligned_access, C::misaligned},
    {"misaligned access off", misaligned_access, C::misaligned},
    {"BPF_ATOMIC uses invalid atomic opcode", bad_atomic, C::instruction_unknown},
    {"BPF_ATOMIC * R# ctx is not allowed", bad_atomic, C::context_field},
    {"BPF_ATOMIC * R# pkt is not allowed", bad_atomic, C::packet_not_for_helper},
    {"BPF_ATOMIC * R# * is not allowed", bad_atomic, C::text_malformed},
    {"BPF_XADD stores into R#", bad_atomic, C::text_malformed},
    {"BPF_ATOMIC_LOAD loads from R#", bad_atomic, C::text_malformed},
    {"BPF_ATOMIC_STORE stores into R#", bad_atomic, C::text_malformed},
    {"invalid atomic operand size", bad_atomic, C::text_malformed},
    // Stack.
    {"invalid unbounded variable-offset* stack R#", stack_out_of_bounds, C::stack_index_unbounded},
    {"invalid variable-offset* stack R#", stack_out_of_bounds, C::stack_index_unbounded},
    {"invalid read from stack off #+# size #", stack_uninitialized, C::stack_never_written},
    {"invalid read from stack R# var_off", stack_uninitialized, C::stack_never_written},
    {"invalid read from stack R# off #+# size #", stack_uninitialized, C::stack_never_written},
    {"invalid indirect read from stack", stack_uninitialized, C::stack_never_written},
    {"invalid indirect access to stack R# off #+# size #", stack_uninitialized, C::stack_never_written},
    {"invalid stack type R# off=#", stack_out_of_bounds, C::stack_too_small},
    {"invalid stack off=#", stack_out_of_bounds, C::stack_too_small},
    {"invalid * stack R# off=#", stack_out_of_bounds, C::stack_too_small},
    {"attempt to corrupt spilled pointer on stack", stack_spill_corrupted, C::spilled_pointer_damaged},
    {"invalid size of register *", stack_spill_corrupted, C::spilled_pointer_damaged},
    {"corrupted spill memory", stack_spill_corrupted, C::spilled_pointer_damaged},
    {"R#* variable* stack access prohibited", stack_variable_offset, C::stack_index_unbounded},
    {"variable stack read R#", stack_variable_offset, C::stack_index_unbounded},
    {"spilled ptr in range of var-offset stack write", stack_variable_offset, C::stack_index_unbounded},
    {"uninitialized stack in range of var-offset write prohibited", stack_variable_offset, C::stack_index_unbounded},
    {"R# stack pointer arithmetic goes out of range", stack_out_of_bounds, C::stack_index_unbounded},
    {"R# pointer arithmetic of map value goes out of range", map_value_out_of_bounds, C::index_unbounded},
    {"cannot return stack pointer to the caller", stack_pointer_returned, C::pointer_or_number_leaked},
    {"cannot spill pointers to stack into stack frame of the caller", stack_pointer_returned, C::pointer_or_number_leaked},
    {"potential write to dynptr at off=", special_field_accessed, C::stack_object_read},
    {"cannot pass in dynptr at an offset", bad_argument_type, C::dynptr_not_initialized, true},
    // Context, BTF.
    {"invalid bpf_context access off=# size=#", context_access, C::context_field},
    {"invalid access to flow keys", context_access, C::access_beyond_object},
    {"R# invalid * access off=# size=#", context_access, C::kernel_struct_access},
    {"func '*' doesn't have #-th argument", context_access, C::context_argument_type},
    {"func '*' arg# has type *. Only pointer access is allowed", context_access, C::context_argument_type},
    {"func '*' arg# type * is not a struct", context_access, C::context_argument_type},
    {"func '*' offset # is not multiple of 8", context_access, C::context_argument_type},
    {"func '*' size # must be 8", context_access, C::context_argument_type},
    {"access beyond struct *", btf_access, C::kernel_struct_access},
    {"access beyond the end of member", btf_access, C::kernel_struct_access},
    {"R# is ptr_*", btf_access, C::kernel_struct_access},
    {"only read from bpf_array is supported", btf_access, C::map_object_accessed},
    {"only read from * is supported", btf_access, C::kernel_struct_access},
    {"only read is supported", btf_access, C::kernel_struct_access},
    {"Cannot access kernel 'struct *' from non-GPL compatible program", btf_access, C::helper_needs_gpl},
    {"Type '*' is not a struct", btf_access, C::kernel_struct_access},
    {"cannot access ptr member * with", btf_access, C::kernel_struct_access},
    {"direct access to * is disallowed", special_field_accessed, C::special_field},
    {"kptr in map can only be accessed", special_field_accessed, C::special_field},
    {"kptr access misaligned", special_field_accessed, C::special_field},
    {"store to referenced kptr disallowed", special_field_accessed, C::special_field},
    {"BPF_ST imm must be 0 when storing to kptr", special_field_accessed, C::special_field},
    {"store to uptr disallowed", special_field_accessed, C::special_field},
    {"kptr access size must be", special_field_accessed, C::special_field},
    {"kptr access cannot have variable offset", special_field_accessed, C::special_field},
    {"* cannot be accessed directly by load/store", special_field_accessed, C::special_field},
    // Helpers and their arguments.
    {"unknown func *#", unknown_helper, C::helper_not_for_type},
    {"invalid func unknown#", unknown_helper, C::helper_unknown},
    {"invalid func *#", feature_not_in_kernel, C::helper_unknown},
    {"program of this type cannot use helper", helper_not_allowed, C::helper_not_for_type},
    {"helper call is not allowed in probe", helper_not_allowed, C::helper_not_for_type},
    {"cannot call GPL-restricted function from non-GPL compatible program", gpl_only_helper, C::helper_needs_gpl},
    {"cannot call GPL only function from proprietary program", gpl_only_helper, C::helper_needs_gpl},
    {"cannot call kernel function from non-GPL compatible program", bad_kfunc, C::helper_needs_gpl},
    {"cannot use helper * with attach type", helper_not_allowed, C::helper_not_for_type},
    {"helper call might sleep in a non-sleepable prog", sleepable_helper, C::sleeps_here},
    {"sleepable helper", sleepable_helper, C::sleeps_here},
    {"kernel func * is sleepable within", sleepable_helper, C::sleeps_here},
    {"sleepable global function", sleepable_helper, C::sleeps_here},
    {"global functions that may sleep are not allowed in non-sleepable context", sleepable_helper, C::sleeps_here},
    {"program must be sleepable to call sleepable kfunc", sleepable_helper, C::sleeps_here},
    {"R# type=scalar expected=map_ptr", bad_argument_type, C::map_not_relocated},
    {"R# type=inv expected=map_ptr", bad_argument_type, C::map_not_relocated},
    {"R# type=imm expected=map_ptr", bad_argument_type, C::map_not_relocated},
    {"R# type=*_or_null expected=", argument_maybe_null, C::null_check_missing},
    {"R# type=*or_null_ expected=", argument_maybe_null, C::null_check_missing},
    {"R# type=mem expected=ringbuf_mem", bad_argument_type, C::reference_not_owned},
    {"R# type=* expected=fp, dynptr_ptr", bad_argument_type, C::dynptr_misplaced},
    {"R# type=* expected=fp, const struct bpf_dynptr", bad_argument_type, C::dynptr_misplaced},
    {"R# type=* expected=ptr_*", bad_argument_type, C::object_wrong_type},
    {"R# type=* expected=*", bad_argument_type, C::argument_wrong_type},
    {"R# is of type * but * is expected", bad_argument_type, C::object_wrong_type},
    {"R# has type * expected", bad_argument_type, C::argument_wrong_type},
    {"Possibly NULL pointer passed to *", argument_maybe_null, C::null_check_missing},
    {"R# is expected to be non-NULL", argument_maybe_null, C::null_check_missing},
    {"arg#* is expected to be non-NULL", argument_maybe_null, C::null_check_missing},
    {"Caller passes invalid args into func#", argument_mismatch, C::function_argument_type, true},
    {"arg#* reference type('*') size cannot be determined", argument_mismatch, C::function_argument_type},
    {"* expects pointer to ctx", argument_mismatch, C::function_argument_type},
    {"R# is not a pointer to arena or scalar", argument_mismatch, C::function_argument_type},
    {"R# invalid zero-sized read", bad_size_argument, C::size_maybe_zero},
    {"invalid zero-sized read", bad_size_argument, C::size_maybe_zero},
    {"R# * memory, len pair leads to invalid memory access", bad_size_argument, C::size_too_large, true},
    {"arg#* memory, len pair leads to invalid memory access", bad_size_argument, C::size_too_large, true},
    {"R# and R# memory, len pair leads to invalid memory access", bad_size_argument, C::size_too_large, true},
    {"R# memory size # is too large", bad_size_argument, C::size_too_large},
    {"R# allocation size exceeds", bad_size_argument, C::size_too_large},
    {"R# must be a known constant", constant_argument_needed, C::constant_needed},
    {"R# is not a known constant'", constant_argument_needed, C::constant_needed},
    {"R# is not a constant address'", constant_argument_needed, C::constant_needed},
    {"R# is not a const", constant_argument_needed, C::constant_needed},
    {"get_local_storage() doesn't support non-zero flags", constant_argument_needed, C::constant_needed},
    {"cannot pass map_type # into func", bad_map_for_helper, C::map_wrong_for_helper},
    {"cannot update sockmap in this context", bad_map_for_helper, C::map_wrong_for_helper},
    {"R# doesn't have constant offset. *_lock has to be", lock_held, C::constant_needed},
    {"R# doesn't have constant offset", bad_argument_type, C::constant_needed},
    {"R# doesn't point to a const string", bad_argument_type, C::argument_wrong_type},
    {"R# does not point to a readonly map'", bad_argument_type, C::argument_wrong_type},
    {"R# doesn't point to a map value", bad_argument_type, C::argument_wrong_type},
    {"R# doesn't point to map value or allocated object", bad_argument_type, C::argument_wrong_type},
    {"R# doesn't point to an irq flag on stack", bad_argument_type, C::irq_flag_not_saved},
    {"arg#* doesn't point to an irq flag on stack", bad_argument_type, C::irq_flag_not_saved},
    {"string is not zero-terminated", bad_argument_type, C::argument_wrong_type},
    {"Unsupported reg type * for bpf_dynptr_from_mem data", bad_argument_type, C::dynptr_misplaced},
    {"R# expected pointer to ctx, but got", bad_argument_type, C::argument_wrong_type},
    {"R# expected pointer to func", bad_argument_type, C::callback_wrong},
    {"R# arena pointer requires", bad_argument_type, C::argument_wrong_type},
    {"pointer in R# isn't map pointer", bad_argument_type, C::argument_wrong_type},
    {"R# is not a scalar", bad_argument_type, C::argument_wrong_type},
    {"* pointer in R# map_uid=# doesn't match map pointer", bad_argument_type, C::argument_wrong_type},
    {"BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value!", bad_argument_type, C::return_value_range},
    {"no direct value access support for this map type", bad_argument_type, C::map_wrong_for_helper},
    {"the context of this type of program has no kernel struct", bad_argument_type, C::kfunc_not_allowed},
    {"unable to resolve the size of type", bad_argument_type, C::btf_missing},
    // Dynptrs, iterators, IRQ flags.
    {"Expected an initialized dynptr as", bad_argument_type, C::dynptr_not_initialized},
    {"Expected a dynptr of type", bad_argument_type, C::dynptr_not_initialized},
    {"Dynptr has to be an uninitialized dynptr", bad_argument_type, C::dynptr_misplaced},
    {"R# expected pointer to stack or const struct bpf_dynptr", bad_argument_type, C::dynptr_misplaced},
    {"arg#* expected pointer to stack or const struct bpf_dynptr", bad_argument_type, C::dynptr_misplaced},
    {"cannot overwrite referenced dynptr", reference_leaked, C::dynptr_in_use},
    {"CONST_PTR_TO_DYNPTR cannot be released", reference_not_owned, C::reference_not_owned},
    {"the dynptr's reference has not been acquired before", reference_not_owned, C::dynptr_released_twice},
    {"arg # is an unacquired reference", reference_not_owned, C::dynptr_released_twice},
    {"expected an initialized iter_* as", bad_argument_type, C::iterator_not_initialized},
    {"expected uninitialized iter_* as", bad_argument_type, C::iterator_in_use},
    {"R# expected pointer to an iterator on stack", bad_argument_type, C::iterator_misplaced},
    {"arg#* expected pointer to an iterator on stack", bad_argument_type, C::iterator_misplaced},
    {"expected valid iter pointer as arg", bad_kfunc, C::iterator_misplaced},
    {"expected an initialized irq flag as", bad_argument_type, C::irq_flag_not_saved},
    {"expected uninitialized irq flag as", bad_argument_type, C::irq_flag_in_use},
    {"cannot restore irq state out of order", region_not_left, C::irq_order},
    {"irq flag acquired by * kfuncs cannot be restored with", region_not_left, C::irq_flag_not_saved},
    // Kernel objects.
    {"R# must be a rcu pointer", bad_argument_type, C::object_not_in_rcu},
    {"R# must be referenced or trusted", bad_argument_type, C::object_not_trusted},
    {"R# must be referenced", reference_not_owned, C::object_not_trusted},
    {"R# must have zero offset when passed to release func", bad_argument_type, C::reference_not_owned},
    {"R# has no valid kptr", bad_argument_type, C::kptr_missing},
    {"off=# doesn't point to kptr", bad_argument_type, C::kptr_missing},
    {"off=# kptr isn't referenced kptr", bad_argument_type, C::kptr_missing},
    {"invalid kptr access, R# type=", bad_argument_type, C::object_wrong_type},
    {"map '*' has to have BTF in order to use bpf_kptr_xchg", bad_argument_type, C::kptr_missing},
    {"R# is * expected STRUCT", bad_argument_type, C::object_wrong_type},
    {"kernel function * args#* expected pointer to * but R# has a pointer to", bad_kfunc, C::object_wrong_type},
    {"arg#* pointer type * must point to *scalar", bad_kfunc, C::object_wrong_type},
    {"kernel func * requires RCU critical section protection", bad_kfunc, C::object_not_in_rcu},
    {"expected an RCU CS when using", bad_kfunc, C::object_not_in_rcu},
    {"R# offset=#, but expected", bad_argument_type, C::argument_wrong_type},
    {"arg#* offset=#, but expected", bad_argument_type, C::object_wrong_type},
    {"off # doesn't point to 'struct *_lock' that is at", lock_held, C::argument_wrong_type},
    {"off # doesn't point to 'struct", bad_argument_type, C::argument_wrong_type},
    {"operation on * expects", bad_argument_type, C::object_wrong_type},
    {"* not found at offset=#", bad_argument_type, C::kptr_missing},
    {"release helper bpf_* expects referenced PTR_TO_BTF_ID", reference_not_owned, C::reference_not_owned},
    {"release kernel function * expects refcounted PTR_TO_BTF_ID", reference_not_owned, C::object_not_trusted},
    {"release kfunc * expects referenced PTR_TO_BTF_ID", reference_not_owned, C::object_not_trusted},
    {"release kfunc * expects", reference_not_owned, C::object_not_trusted},
    {"func bpf_*## reference has not been acquired before", reference_not_owned, C::reference_not_owned},
    {"func * reference has not been acquired before", reference_not_owned, C::reference_not_owned},
    {"kfunc * reference has not been acquired before", reference_not_owned, C::reference_not_owned},
    {"allocated object must be referenced", reference_not_owned, C::reference_not_owned},
    {"callback releases a reference of its caller", reference_not_owned, C::reference_not_owned},
    {"node was not owned", reference_not_owned, C::reference_not_owned},
    // kfuncs.
    {"calling kernel function * is not allowed", bad_kfunc, C::kfunc_not_allowed},
    {"kernel function * is not allowed", bad_kfunc, C::kfunc_not_allowed},
    {"JIT does not support calling kfunc bpf_throw", bad_kfunc, C::kfunc_not_allowed},
    {"JIT does not support calling kfunc", bad_kfunc, C::kfunc_not_allowed},
    {"JIT does not support calling kernel function", bad_kfunc, C::kfunc_not_allowed},
    {"JIT does not support kfunc", bad_kfunc, C::kfunc_not_allowed},
    {"calling kernel functions is not supported without CONFIG_DEBUG_INFO_BTF", bad_kfunc, C::btf_missing},
    {"calling kernel function is not supported without CONFIG_DEBUG_INFO_BTF", bad_kfunc, C::btf_missing},
    {"calling invalid kernel function", bad_kfunc, C::kfunc_not_allowed},
    {"invalid kernel function", bad_kfunc, C::kfunc_not_allowed},
    {"kernel btf_id # is not a function", bad_kfunc, C::kfunc_not_allowed},
    {"kernel function btf_id # does not have a valid func_proto", bad_kfunc, C::kfunc_not_allowed},
    {"kernel function * returns pointer type", bad_kfunc, C::kfunc_not_allowed},
    {"kfuncs of modules are not known to this verifier", bad_kfunc, C::kfunc_not_allowed},
    {"unexpected __bpf_trap() due to uninitialized variable?", bad_kfunc, C::register_never_set},
    {"Unknown type ID # passed to kfunc", bad_kfunc, C::argument_wrong_type},
    {"Unrecognized arg#*type", bad_kfunc, C::argument_wrong_type},
    {"bpf_obj_new/bpf_percpu_obj_new", bad_kfunc, C::argument_wrong_type},
    {"bpf_percpu_obj_new type", bad_kfunc, C::argument_wrong_type},
    {"css_task_iter is only allowed in", bad_kfunc, C::kfunc_not_allowed},
    {"kfunc bpf_rdonly_cast type ID", bad_kfunc, C::argument_wrong_type},
    {"local type ID argument must be in range", bad_kfunc, C::argument_wrong_type},
    {"struct *:", bad_kfunc, C::argument_wrong_type, true},
    // References, locks, regions.
    {"Unreleased reference id=# alloc_insn=#", reference_leaked, C::reference_not_released},
    {"* would lead to reference leak", reference_leaked, C::reference_not_released},
    {"tail_call would lead to reference leak", reference_leaked, C::reference_not_released},
    {"BPF_EXIT instruction* would lead to reference leak", reference_leaked, C::reference_not_released},
    {"reference has not been acquired before", reference_not_owned, C::reference_not_owned},
    {"function calls are not allowed while holding a lock", lock_held, C::lock_held},
    {"global function calls are not allowed while holding a lock", lock_held, C::lock_held},
    {"Locking two bpf_spin_locks are not allowed", lock_held, C::lock_held},
    {"Acquiring the same lock again", lock_held, C::lock_held},
    {"can't *spin_{lock,unlock} in rbtree cb", lock_held, C::lock_held},
    {"Calling bpf_rcu_read_{lock,unlock} in unnecessary rbtree callback", lock_held, C::lock_held},
    {"map '*' has to have BTF in order to use *lock", lock_held, C::btf_missing},
    {"* has no valid *_lock", lock_held, C::argument_wrong_type},
    {"map '*' has no valid", bad_argument_type, C::argument_wrong_type},
    {"map '*' has to have BTF in order to use", bad_argument_type, C::btf_missing},
    {"bpf_spin_lock is missing", region_not_left, C::region_not_left},
    {"bpf_spin_unlock is missing", region_not_left, C::region_not_left},
    {"* cannot be used inside bpf_spin_lock-ed region", lock_held, C::region_not_left},
    {"* cannot be used inside *-ed region", region_not_left, C::region_not_left},
    {"bpf_rcu_read_unlock is missing", region_not_left, C::region_not_left},
    {"bpf_preempt_enable is missing", region_not_left, C::region_not_left},
    {"unmatched * (kernel function", region_not_left, C::region_not_left},
    {"held lock and object are not in the same allocation", lock_not_held, C::lock_not_held},
    {"bpf_spin_lock at off=# must be held for", lock_not_held, C::lock_not_held},
    {"*_unlock * of different lock", lock_not_held, C::lock_not_held},
    {"*_unlock of different lock", lock_not_held, C::lock_not_held},
    {"*_unlock without taking a lock", lock_not_held, C::lock_not_held},
    {"*_unlock cannot be out of order", lock_not_held, C::lock_not_held},
    // Functions, callbacks.
    {"missing btf func_info", bad_callback, C::btf_missing},
    {"callback function not static", bad_callback, C::callback_wrong},
    {"callback function cannot be the main program", bad_callback, C::callback_wrong},
    {"callback function not allowed for map", bad_callback, C::map_wrong_for_helper},
    {"insn # cannot call exception cb directly", bad_callback, C::exception_callback_called},
    {"bpf_throw kfunc (insn #) cannot be called from callback subprog", bad_callback, C::callback_wrong},
    {"insn # cannot be called from callback subprog", bad_callback, C::callback_wrong},
    {"exception cb ", bad_callback, C::callback_wrong},
    {"multiple exception callback", bad_callback, C::callback_wrong},
    {"exception callback", bad_callback, C::callback_wrong},
    {"combined stack size of # calls is #", stack_too_deep, C::stack_of_calls_too_deep},
    {"stack size of subprog # is #", stack_too_deep, C::stack_of_calls_too_deep},
    {"tail_calls are not allowed when call stack of previous frames is", stack_too_deep, C::stack_of_calls_too_deep},
    {"cannot tail call within callback", tail_call, C::tail_call_misused},
    {"tail_call abusing map_ptr", tail_call, C::tail_call_misused},
    {"tail_calls are not allowed in", tail_call, C::tail_call_misused},
    {"the call stack of # frames is too deep", too_many_frames, C::stack_of_calls_too_deep},
    {"recursive call from", too_many_frames, C::stack_of_calls_too_deep},
    {"cannot use BPF_LD_[ABS|IND]", ld_abs_not_allowed, C::tail_call_misused},
    {"BPF_LD_[ABS|IND] instructions not allowed for this program type", ld_abs_not_allowed, C::helper_not_for_type},
    {"BPF_LD_[ABS|IND] ", ld_abs_not_allowed, C::region_not_left},
    {"func_info ", bad_func_info, C::btf_missing},
    {"number of funcs in func_info doesn't match", bad_func_info, C::btf_missing},
    {"invalid type id # in func info", bad_func_info, C::btf_missing},
    {"arg#* should be `struct", bad_func_info, C::function_argument_type},
    {"arg#* should be void pointer", bad_func_info, C::function_argument_type},
    {"arg#* type * in *() is not supported yet", bad_func_info, C::function_argument_type},
    {"Global function *() doesn't return scalar", bad_func_info, C::function_argument_type},
    {"Invalid line_info", bad_line_info, C::btf_missing},
    {"line_info without BTF", bad_line_info, C::btf_missing},
    {"missing bpf_line_info", bad_line_info, C::btf_missing},
    // Ends.
    {"At program exit the register R0", bad_return_value, C::return_value_range},
    {"At subprogram exit the register R", bad_return_value, C::return_value_range},
    {"At async callback the register R0", bad_return_value, C::return_value_range},
    {"At callback return the register R0", bad_return_value, C::return_value_range},
    {"At * the register R#", bad_return_value, C::return_value_range},
    {"At exception callback exit", bad_return_value, C::return_value_range},
    {"R0 not a scalar value", bad_return_value, C::return_value_range},
    {"R# not a scalar value", bad_return_value, C::return_value_range},
    {"infinite loop detected at insn", endless_loop, C::loop_without_end},
    {"back-edge from insn", no_loops, C::loop_backwards},
    {"BPF program is too large. Processed # insn", too_complex, C::too_many_paths},
    {"The sequence of # jumps is too complex", too_complex, C::too_many_paths},
    {"states take more than", out_of_memory, C::too_many_paths},
    {"BPF program is too complex", too_complex, C::too_many_paths},
    // Text.
    {"unknown opcode *", bad_opcode, C::instruction_unknown},
    {"invalid BPF_LD_IMM insn", bad_ld_imm64, C::text_malformed},
    {"invalid bpf_ld_imm64 insn", bad_ld_imm64, C::text_malformed},
    {"unrecognized bpf_ld_imm64 insn", bad_ld_imm64, C::text_malformed},
    {"fd # is not pointing to valid bpf_map", bad_ld_imm64, C::map_not_relocated},
    {"direct value offset of # is not allowed", map_value_out_of_bounds, C::access_beyond_object},
    {"pseudo btf_id", bad_ld_imm64, C::btf_missing},
    {"BPF_* uses reserved fields", reserved_field, C::text_malformed},
    {"* uses reserved fields", reserved_field, C::text_malformed},
    {"jump out of range from insn", bad_jump, C::text_malformed},
    {"jump into the middle of ldimm64", bad_jump, C::text_malformed},
    {"call to invalid destination", bad_call_target, C::text_malformed},
    {"last insn is not an exit or jmp", falls_off_end, C::text_malformed},
    {"unreachable insn #", unreachable_code, C::text_malformed},
    {"too many subprograms", too_many_subprograms, C::text_malformed},
    {"program has # instructions, expected", bad_program_size, C::text_malformed},
    {"invalid insn idx", internal, C::verifier_fault},
    // The program as such.
    {"Only one arena per program", bad_map_for_program, C::wrong_map_for_program},
    {"Sleepable programs can only use", bad_map_for_program, C::wrong_map_for_program},
    {"* programs cannot use *", bad_map_for_program, C::wrong_map_for_program},
    {"* program* cannot use *", bad_map_for_program, C::wrong_map_for_program},
    {"Only fentry/fexit/fmod_ret", bad_attach_target, C::wrong_attach_target},
    {"Only fentry/fexit", bad_attach_target, C::wrong_attach_target},
    {"Program of this type cannot be sleepable", bad_attach_target, C::wrong_attach_target},
    {"Tracing programs must provide btf_id", bad_attach_target, C::wrong_attach_target},
    {"attach_btf_id # is not", bad_attach_target, C::wrong_attach_target},
    {"attach to *", bad_attach_target, C::wrong_attach_target},
    {"program type # can't have expected attach type", bad_attach_target, C::wrong_attach_target},
    {"program with __ref argument cannot tail call", bad_attach_target, C::tail_call_misused},
    {"struct ops programs must have a GPL compatible license", bad_attach_target, C::helper_needs_gpl},
    {"unknown program type", bad_attach_target, C::wrong_attach_target},
    {"program type # is not known to kernel", feature_not_in_kernel, C::kernel_too_old},
    {"kernel is missing BTF", not_supported_here, C::btf_missing},
    {"CAP_BPF and CAP_PERFMON are required", not_privileged, C::not_privileged},
    {"loading/calling other bpf or kernel functions are allowed for", not_privileged, C::not_privileged},
    {"function calls to other bpf functions are allowed for", not_privileged, C::not_privileged},
    {"* is allowed only to CAP_PERFMON and CAP_SYS_ADMIN", not_privileged, C::not_privileged},
    {"program type * needs", not_privileged, C::not_privileged},
    {"verifier bug", internal, C::verifier_fault},
    {"kernel subsystem misconfigured", internal, C::verifier_fault},
    {"invalid map_ptr to access map->", internal, C::verifier_fault},
    {"more than one arg with ref_obj_id", internal, C::verifier_fault},
};
// clang-format on

bool is_number_char(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == 'x'; }

size_t number_length(std::string_view text) {
  size_t n = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  const size_t begin = n;
  if (n >= text.size() || text[n] < '0' || text[n] > '9') return 0;
  const bool hex = text.substr(n).starts_with("0x");
  while (n < text.size() && (hex ? is_number_char(text[n]) : text[n] >= '0' && text[n] <= '9')) ++n;
  return n > begin ? n : 0;
}

}  // namespace

bool match_pattern(std::string_view pattern, std::string_view text,
                   std::vector<std::string_view>* captures) {
  // As a glob: on a mismatch, go back to the last '*' and let it take one more character.
  size_t p = 0, t = 0, star_p = std::string_view::npos, star_begin = 0, star_end = 0;
  std::vector<std::string_view> found;
  size_t found_at_star = 0;
  while (p < pattern.size()) {
    bool ok = false;
    if (pattern[p] == '$' && p + 1 == pattern.size()) {
      if (t == text.size()) break;
    } else if (pattern[p] == '*') {
      star_p = p++;
      star_begin = star_end = t;
      found_at_star = found.size();
      found.push_back(text.substr(t, 0));
      continue;
    } else if (pattern[p] == '#') {
      const size_t n = number_length(text.substr(t));
      if (n > 0) {
        found.push_back(text.substr(t, n));
        t += n;
        ++p;
        ok = true;
      } else if (t < text.size() && text[t] == '#') {  // a '#' of the message
        ++t;
        ++p;
        ok = true;
      }
    } else if (t < text.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
      ok = true;
    }
    if (ok) continue;
    if (star_p == std::string_view::npos || star_end >= text.size()) return false;
    ++star_end;
    p = star_p + 1;
    t = star_end;
    found.resize(found_at_star + 1);
    found[found_at_star] = text.substr(star_begin, star_end - star_begin);
  }
  if (captures != nullptr) *captures = std::move(found);
  return true;
}

std::span<const MessageRow> verifier_messages() { return kMessages; }

std::optional<MessageMatch> match_verifier_message(std::string_view line) {
  constexpr size_t kLongest = 512;  // no kernel's message is longer
  line = line.substr(0, kLongest);
  MessageMatch match;
  for (const MessageRow& row : kMessages) {
    const char first = row.pattern[0];
    if (first != '*' && first != '#' && (line.empty() || line[0] != first)) continue;
    if (match_pattern(row.pattern, line, &match.captures)) {
      match.row = &row;
      return match;
    }
  }
  return std::nullopt;
}

}  // namespace skep::report
