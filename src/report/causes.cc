#include "report/causes.h"

#include <iterator>

namespace skep::report {
namespace {

using verifier::Rule;

// clang-format off
constexpr CauseRow kCauses[] = {
  {Cause::unknown, "unknown", "the verifier refused this", "", ""},
  {Cause::null_check_missing, "null_check_missing", "a pointer that may be NULL is used without a check",
   "a pointer that was compared with NULL on this path, in the register that is used", "Check the very pointer that is used: if (!ptr) return 0;"},
  {Cause::null_on_this_path, "null_on_this_path", "the pointer is NULL on this path",
   "a pointer; on this path the value is the number 0 (or NULL plus an offset)", "Leave the path where the pointer is NULL: the check before has its sides exchanged, or another path joins after it."},
  {Cause::scalar_as_pointer, "scalar_as_pointer", "a number is used as an address",
   "a pointer that the verifier has followed from where it was made", "Take the pointer from the context, a map lookup or a helper; a number that is cast to a pointer stays a number."},
  {Cause::kernel_pointer_dereferenced, "kernel_pointer_dereferenced", "an address of kernel or user memory is read as if it were the program's own",
   "memory that the verifier knows; what lies behind an address from the context or from a read is not", "Copy it first: BPF_CORE_READ(), bpf_probe_read_kernel() or bpf_probe_read_user()."},
  {Cause::pointer_truncated, "pointer_truncated", "a 32-bit operation cut the pointer to a number",
   "the pointer in all its 64 bits", "Keep it in a pointer or __u64 variable; context fields like data are __u32 in C but (void *)(long)ctx->data keeps the pointer."},
  {Cause::pointer_lost_at_join, "pointer_lost_at_join", "one of the paths that join here brings a number where the others bring a pointer",
   "a pointer on every path that reaches this instruction", "Do the access in each branch, or set the pointer again after the branches join."},
  {Cause::pointer_arithmetic_forbidden, "pointer_arithmetic_forbidden", "arithmetic that the verifier can't follow is done on a pointer",
   "additions and subtractions of numbers only", "Compute the offset in a number first, then add it once to the pointer."},
  {Cause::pointer_or_number_leaked, "pointer_or_number_leaked", "an address would get out to where it may not be seen", "", "Store a number in its place, or load with CAP_PERFMON."},
  {Cause::context_pointer_modified, "context_pointer_modified", "the context is accessed through a pointer that was moved",
   "the context pointer as it was given, and a constant offset in the access itself", "Access the field directly (ctx->field); keep the compiler from merging accesses with barrier_var() or a volatile read."},
  {Cause::different_pointers_merged, "different_pointers_merged", "two paths reach one instruction with pointers of different kinds", "one kind of pointer at this instruction on all paths", "Do the access in each branch; barrier_var() keeps clang from merging them."},
  {Cause::map_object_accessed, "map_object_accessed", "the map itself is read or written, not a value in it", "a value's pointer", "Look an element up (bpf_map_lookup_elem) and use what that returns."},
  {Cause::packet_check_missing, "packet_check_missing", "packet bytes are accessed without a comparison with data_end",
   "a comparison of this pointer plus the access's size with data_end", "Check first: if (ptr + size > data_end) return …;"},
  {Cause::packet_check_short, "packet_check_short", "the check against data_end covers fewer bytes than are accessed",
   "a check that covers the last byte of the access", "Check for all that is read: if ((void *)(hdr + 1) > data_end) return …; mind > against >=, and one byte at the loop's end."},
  {Cause::packet_check_on_other_pointer, "packet_check_on_other_pointer", "another pointer was compared with data_end, not the one that is used",
   "the check in the same register (or one copied from it) that is used", "Check the pointer that is dereferenced; barrier_var(ptr) between computing and checking keeps clang from using another."},
  {Cause::packet_offset_too_wide, "packet_offset_too_wide", "the variable offset into the packet may be too large for a check to count",
   "an offset below 64 KiB in all, so that comparing with data_end proves something", "Bound the offset before adding it: off &= 0x7ff; then add, compare with data_end, and use that pointer."},
  {Cause::packet_pointer_stale, "packet_pointer_stale", "a packet pointer from before a call that may change the packet is used",
   "a pointer taken from the context after the last call that can move the packet", "After the call read ctx->data and ctx->data_end again and check again."},
  {Cause::packet_not_for_helper, "packet_not_for_helper", "packet memory is passed to a helper that does not take it", "memory of the stack or of a map", "Copy the bytes to the stack or a map value first (bpf_skb_load_bytes, bpf_xdp_load_bytes)."},
  {Cause::packet_read_only, "packet_read_only", "programs of this type may not write to the packet", "", "Use bpf_skb_store_bytes() or a program type that may write; bpf_dynptr_slice() in place of bpf_dynptr_slice_rdwr()."},
  {Cause::index_unbounded, "index_unbounded", "the offset has no upper bound on this path", "an offset with a constant upper bound, compared as unsigned in the register that is used", "Bound it: if (i >= N) return 0; or i &= N - 1; (N a power of two)."},
  {Cause::index_check_lost, "index_check_lost", "the bound that was checked is not the bound of the value that is used",
   "a bound on the sum itself; the verifier does not relate two variables", "Check the sum that is used, not its parts, or mask it: off &= SIZE - 1; barrier_var(off) keeps clang from recomputing it."},
  {Cause::index_check_off, "index_check_off", "the check before the access lets through one value (or a few) too many",
   "the offset plus the access's size at most the object's size", "Compare with the number of elements, not bytes, and with >= rather than >; check before the element is read (order of &&)."},
  {Cause::index_maybe_negative, "index_maybe_negative", "the offset may be negative", "a lower bound of zero", "Make the variable unsigned, or check for >= 0 too, or mask it with &=."},
  {Cause::access_beyond_object, "access_beyond_object", "the access lies outside of the object", "offset plus size within the object", "Make the object as large as what is accessed: the map's value type, the reservation, the slice's length."},
  {Cause::size_maybe_negative, "size_maybe_negative", "the size may be negative", "a size with a lower bound of zero", "Make it unsigned, or check n < 0 first; n &= MAX - 1 does both bounds."},
  {Cause::size_maybe_zero, "size_maybe_zero", "the size may be zero", "a size of at least 1", "Check it: if (n == 0) return 0; barrier_var(n) where clang drops the check."},
  {Cause::size_unbounded, "size_unbounded", "the size has no upper bound", "a constant upper bound, as unsigned", "if (n > sizeof(buf)) n = sizeof(buf); or n &= sizeof(buf) - 1; in the variable that is passed."},
  {Cause::size_too_large, "size_too_large", "the size may be larger than the memory", "offset plus the largest size within the memory", "Clamp to what is left: if (n > sizeof(buf) - off) n = …; in one variable, checked right before the call."},
  {Cause::constant_needed, "constant_needed", "a constant is needed here", "a number known when the program is verified", "Pass a constant; where the length varies, split into cases of constant length."},
  {Cause::register_never_set, "register_never_set", "a register is read that nothing was put into on this path", "a value on every path", "Initialise the variable where it is declared, or in every branch."},
  {Cause::argument_not_passed, "argument_not_passed", "the program reads an argument that its type does not pass", "only r1, the context, is set when a program begins", "Take one argument, the context, and read the rest from it (BPF_PROG, BPF_KPROBE, PT_REGS_PARM)."},
  {Cause::register_lost_by_call, "register_lost_by_call", "a call left this register undefined", "r1 to r5 are undefined after every call", "Keep the value in a variable that the compiler saves (r6 to r9 or the stack); in assembly, do so yourself."},
  {Cause::return_value_not_set, "return_value_not_set", "the program ends without a return value", "r0 set on every path to exit", "Return a value on every path; a function that is not void must not fall off its end."},
  {Cause::stack_never_written, "stack_never_written", "bytes of the stack are read that were never written", "every byte initialised on this path", "Initialise the whole variable, padding too: = {} or __builtin_memset()."},
  {Cause::stack_too_small, "stack_too_small", "the access lies outside of the 512 bytes of stack", "offsets from -512 to -1 below r10", "Move the data to a per-CPU array map of one element, or make it smaller."},
  {Cause::stack_index_unbounded, "stack_index_unbounded", "the stack is accessed at an offset that may lie outside of the frame", "an offset bounded on both sides", "Bound the index before: if (i >= N) return 0; or i &= N - 1."},
  {Cause::stack_misaligned, "stack_misaligned", "the stack is accessed wider than it is aligned", "an address that is a multiple of the access's size", "Align the variable: __attribute__((aligned(8))); copy packed structs with __builtin_memcpy byte by byte."},
  {Cause::misaligned, "misaligned", "the address may not be a multiple of the access's size", "", "Align the data, or access it in smaller parts."},
  {Cause::stack_object_read, "stack_object_read", "the bytes of a dynptr, iterator or the like are accessed as data", "such objects are used through their helpers only", "Keep the object out of what is copied or read; get at its data with its helpers (bpf_dynptr_read, bpf_dynptr_data)."},
  {Cause::spilled_pointer_damaged, "spilled_pointer_damaged", "part of a pointer that was saved to the stack is read or overwritten", "pointers saved and loaded as whole 8 bytes", "Keep arrays and pointers apart; don't write over the pointer's bytes."},
  {Cause::context_field, "context_field", "the context has no such field here", "a field that this type of program may access, in its own size", "Use a field of the context struct that this program type has."},
  {Cause::context_wide_access, "context_wide_access", "neighbouring context fields are accessed in one wide access", "one access a field, of the field's own size", "Access each field on its own; a volatile access keeps clang from merging them."},
  {Cause::context_argument_type, "context_argument_type", "the attached function has no such argument, or it is no pointer to a struct", "", "Use BPF_PROG() with the function's own parameters."},
  {Cause::kernel_struct_access, "kernel_struct_access", "the kernel's struct has no such bytes, or they may not be written", "a field of the pointer's own type", "Cast through the helper for it (bpf_skc_to_*, bpf_rdonly_cast) or read it with BPF_CORE_READ()."},
  {Cause::special_field, "special_field", "a lock, timer or the like is accessed as data", "", "Use its helpers; copy the value's other fields one by one."},
  {Cause::read_only, "read_only", "the memory may only be read", "", "Write to another object, or open the map without BPF_F_RDONLY_PROG."},
  {Cause::helper_not_for_type, "helper_not_for_type", "programs of this type may not call this helper", "", "Use another helper, or another type of program: skep feature lists who may call which."},
  {Cause::helper_unknown, "helper_unknown", "the kernel has no such helper", "", "Load on a newer kernel; guard the call with bpf_core_enum_value_exists()."},
  {Cause::helper_needs_gpl, "helper_needs_gpl", "what is called is for GPL-compatible programs", "", "char LICENSE[] SEC(\"license\") = \"GPL\";"},
  {Cause::kfunc_not_allowed, "kfunc_not_allowed", "the kernel function may not be called here", "", "Check the program type that it is registered for, and that the kernel has it (bpf_ksym_exists)."},
  {Cause::sleeps_here, "sleeps_here", "something that may sleep is called where sleeping is not possible", "", "Make the program sleepable (SEC name ending in .s), or leave the lock, RCU or IRQ section before."},
  {Cause::argument_wrong_type, "argument_wrong_type", "the argument is of another kind than the helper takes", "", "Pass what the helper's prototype says: memory (a key, a buffer) by its address, a map by its address."},
  {Cause::map_not_relocated, "map_not_relocated", "the map's address was not filled in", "a map in this register; the number in it comes from a relocation that nobody did", "Load the object with a loader that relocates maps (libbpf, skep), with the map in SEC(\".maps\")."},
  {Cause::map_wrong_for_helper, "map_wrong_for_helper", "the helper does not work on maps of this type", "", "Use a map of the type that the helper is for."},
  {Cause::function_argument_type, "function_argument_type", "an argument does not fit what the called function declares", "the kind of value that the function's BTF prototype says", "Give the parameter its real type (struct __sk_buff *, a struct of known size), not void *; or make the function static __always_inline."},
  {Cause::btf_missing, "btf_missing", "the object lacks the debug information that this needs", "", "Compile with -g, and don't strip .BTF and .BTF.ext."},
  {Cause::callback_wrong, "callback_wrong", "the callback does not fit", "", "Make it a static function with the helper's callback prototype, and compile with -g."},
  {Cause::exception_callback_called, "exception_callback_called", "an exception callback is called like a function", "", "Call it from nowhere: the runtime does when bpf_throw() is reached."},
  {Cause::stack_of_calls_too_deep, "stack_of_calls_too_deep", "the frames of nested calls take more stack than there is", "", "Move large variables to a map; make small functions __always_inline, or flatten the calls."},
  {Cause::tail_call_misused, "tail_call_misused", "a tail call is not possible here", "", "Tail-call from the main function, with a map known at load time."},
  {Cause::dynptr_not_initialized, "dynptr_not_initialized", "what is passed is no initialised dynptr", "the address of a dynptr on the stack, as a helper made it", "Make it first (bpf_dynptr_from_*, bpf_ringbuf_reserve_dynptr), pass its own address, and don't write to it."},
  {Cause::dynptr_misplaced, "dynptr_misplaced", "a dynptr must lie on the stack, at a constant address of its own", "an uninitialised, 8-byte aligned stack slot at a constant offset", "Declare it as a local struct bpf_dynptr and pass &ptr."},
  {Cause::dynptr_in_use, "dynptr_in_use", "a dynptr that still holds a reference is overwritten", "", "Submit or discard it first, or use another variable."},
  {Cause::dynptr_released_twice, "dynptr_released_twice", "the dynptr was given back already", "", "Submit or discard once on every path."},
  {Cause::slice_stale, "slice_stale", "a slice of a dynptr is used after what it pointed into was changed", "a slice taken after the last call that invalidates it", "Call bpf_dynptr_data() or bpf_dynptr_slice() again after the change."},
  {Cause::iterator_not_initialized, "iterator_not_initialized", "the iterator was not created, was destroyed, or was written over", "an iterator that its _new function made, in its own stack slot", "Call _new once, _next until NULL, _destroy once; bpf_for_each() does all three."},
  {Cause::iterator_in_use, "iterator_in_use", "the iterator is created a second time", "", "Destroy it before it is created again."},
  {Cause::iterator_misplaced, "iterator_misplaced", "an iterator must lie on the stack", "", "Declare it as a local variable."},
  {Cause::irq_flag_not_saved, "irq_flag_not_saved", "the IRQ flags were not saved there", "", "Restore from the variable that bpf_local_irq_save() filled, untouched since."},
  {Cause::irq_flag_in_use, "irq_flag_in_use", "the variable already holds saved IRQ flags", "", "Use one variable for each save."},
  {Cause::irq_order, "irq_order", "IRQ state is restored in another order than it was saved in", "", "Restore the last saved first."},
  {Cause::kptr_missing, "kptr_missing", "there is no kptr at this place of the map's value", "", "Mark the field __kptr in the value's type, and pass its own address."},
  {Cause::object_not_trusted, "object_not_trusted", "the kernel object is not owned or trusted here", "a referenced or trusted pointer: an argument of the hook, or what an acquiring function returned", "Acquire a reference first (…_acquire, bpf_kptr_xchg), check it for NULL, and release it."},
  {Cause::object_not_in_rcu, "object_not_in_rcu", "the object is protected by RCU, and the section is not entered or was left", "", "Use it between bpf_rcu_read_lock() and bpf_rcu_read_unlock(), read within the same section."},
  {Cause::object_wrong_type, "object_wrong_type", "the pointer is to another kind of kernel object", "", "Pass an object of the type that the function takes; a cast does not change what it is."},
  {Cause::reference_not_released, "reference_not_released", "something acquired is not given back on this path", "", "Release, submit or discard it before every exit, error paths included."},
  {Cause::reference_not_owned, "reference_not_owned", "what is given back was not acquired here", "", "Release exactly what an acquiring function returned, once."},
  {Cause::lock_held, "lock_held", "this is not possible while a lock is held", "", "Unlock before."},
  {Cause::lock_not_held, "lock_not_held", "a lock is needed here that is not held", "", "Take the lock of the same object first."},
  {Cause::region_not_left, "region_not_left", "a critical section is not left before the end", "", "Leave it on every path: unlock, enable, restore."},
  {Cause::return_value_range, "return_value_range", "the program's result is not one that this hook takes", "", "Return one of the allowed constants on every path."},
  {Cause::loop_without_end, "loop_without_end", "the loop can go on for ever", "progress towards a constant bound in every round", "Give it a counter with a constant bound, or use bpf_for(), bpf_loop() or may_goto."},
  {Cause::loop_backwards, "loop_backwards", "this kernel allows no jumps backwards", "", "Unroll the loop (#pragma unroll), or load on 5.3 or newer."},
  {Cause::too_many_paths, "too_many_paths", "there are more paths than the verifier is willing to walk", "", "Fewer branches in loops, bpf_loop() in place of nested ones, functions made global; mask in place of checks."},
  {Cause::text_malformed, "text_malformed", "the program's text is not well formed", "", "Compile for this target with clang -target bpf -O2."},
  {Cause::instruction_unknown, "instruction_unknown", "the kernel does not know this instruction", "", "Compile with -O2 (indirect calls come of -O0), and with an older -mcpu."},
  {Cause::not_privileged, "not_privileged", "this needs a capability that the loader does not have", "", "Load with CAP_BPF and CAP_PERFMON (CAP_NET_ADMIN for networking)."},
  {Cause::kernel_too_old, "kernel_too_old", "the kernel is too old for this", "", "Load on a newer kernel: skep requires says which."},
  {Cause::wrong_attach_target, "wrong_attach_target", "the program's type and its target do not fit", "", "Check the SEC() name and the attach target."},
  {Cause::wrong_map_for_program, "wrong_map_for_program", "programs of this type may not use such a map", "", ""},
  {Cause::verifier_fault, "verifier_fault", "the verifier met what should not be possible", "", "Please report it, with the program."},
};
// clang-format on

constexpr bool in_order() {
  for (size_t i = 0; i < std::size(kCauses); ++i)
    if (static_cast<size_t>(kCauses[i].cause) != i) return false;
  return std::size(kCauses) == static_cast<size_t>(Cause::count);
}
static_assert(in_order());

}  // namespace

const CauseRow& cause_row(Cause cause) { return kCauses[static_cast<size_t>(cause)]; }

std::string_view barrier_hint(Cause cause) {
  switch (cause) {
    case Cause::packet_check_on_other_pointer:
    case Cause::index_check_lost:
    case Cause::pointer_truncated:
    case Cause::pointer_lost_at_join:
    case Cause::different_pointers_merged:
    case Cause::context_pointer_modified:
    case Cause::context_wide_access:
    case Cause::pointer_arithmetic_forbidden:
      return "If the source already says so, clang rewrote it: #define barrier_var(v) asm "
             "volatile(\"\" : "
             "\"+r\"(v)) between computing and using the value keeps the two apart.";
    default: return "";
  }
}

Cause cause_of_rule(Rule rule) {
  switch (rule) {
    case Rule::none: return Cause::unknown;
    case Rule::bad_program_size: return Cause::text_malformed;
    case Rule::bad_opcode: return Cause::instruction_unknown;
    case Rule::reserved_field:
    case Rule::bad_register:
    case Rule::bad_ld_imm64:
    case Rule::bad_jump:
    case Rule::bad_call_target:
    case Rule::unreachable_code:
    case Rule::falls_off_end:
    case Rule::bad_line_info:
    case Rule::too_many_subprograms:
    case Rule::division_by_zero:
    case Rule::bad_shift:
    case Rule::bad_atomic:
    case Rule::frame_pointer_written: return Cause::text_malformed;
    case Rule::endless_loop: return Cause::loop_without_end;
    case Rule::no_loops: return Cause::loop_backwards;
    case Rule::bad_func_info: return Cause::btf_missing;
    case Rule::feature_not_in_kernel: return Cause::kernel_too_old;
    case Rule::not_privileged: return Cause::not_privileged;
    case Rule::not_supported_here: return Cause::unknown;
    case Rule::bad_attach_target: return Cause::wrong_attach_target;
    case Rule::bad_map_for_program: return Cause::wrong_map_for_program;
    case Rule::uninitialized_register: return Cause::register_never_set;
    case Rule::pointer_arithmetic: return Cause::pointer_arithmetic_forbidden;
    case Rule::pointer_out_of_range: return Cause::index_unbounded;
    case Rule::pointer_compared:
    case Rule::pointer_leaked: return Cause::pointer_or_number_leaked;
    case Rule::maybe_null_dereferenced: return Cause::null_check_missing;
    case Rule::not_a_pointer: return Cause::scalar_as_pointer;
    case Rule::stack_out_of_bounds: return Cause::stack_too_small;
    case Rule::stack_uninitialized: return Cause::stack_never_written;
    case Rule::stack_spill_corrupted: return Cause::spilled_pointer_damaged;
    case Rule::stack_variable_offset: return Cause::stack_index_unbounded;
    case Rule::stack_pointer_returned: return Cause::pointer_or_number_leaked;
    case Rule::map_value_out_of_bounds: return Cause::access_beyond_object;
    case Rule::map_permission: return Cause::read_only;
    case Rule::packet_out_of_bounds: return Cause::packet_check_missing;
    case Rule::packet_not_writable: return Cause::packet_read_only;
    case Rule::context_access: return Cause::context_field;
    case Rule::mem_out_of_bounds: return Cause::access_beyond_object;
    case Rule::read_only_memory: return Cause::read_only;
    case Rule::misaligned_access: return Cause::misaligned;
    case Rule::unbounded_access: return Cause::index_unbounded;
    case Rule::negative_offset: return Cause::index_maybe_negative;
    case Rule::special_field_accessed: return Cause::special_field;
    case Rule::btf_access: return Cause::kernel_struct_access;
    case Rule::same_insn_different_pointers: return Cause::different_pointers_merged;
    case Rule::unknown_helper: return Cause::helper_unknown;
    case Rule::helper_not_allowed:
    case Rule::ld_abs_not_allowed: return Cause::helper_not_for_type;
    case Rule::gpl_only_helper: return Cause::helper_needs_gpl;
    case Rule::sleepable_helper: return Cause::sleeps_here;
    case Rule::bad_argument_type: return Cause::argument_wrong_type;
    case Rule::argument_maybe_null: return Cause::null_check_missing;
    case Rule::bad_size_argument: return Cause::size_unbounded;
    case Rule::constant_argument_needed: return Cause::constant_needed;
    case Rule::bad_map_for_helper: return Cause::map_wrong_for_helper;
    case Rule::bad_callback: return Cause::callback_wrong;
    case Rule::bad_kfunc: return Cause::kfunc_not_allowed;
    case Rule::too_many_frames:
    case Rule::stack_too_deep: return Cause::stack_of_calls_too_deep;
    case Rule::tail_call: return Cause::tail_call_misused;
    case Rule::argument_mismatch: return Cause::function_argument_type;
    case Rule::reference_leaked: return Cause::reference_not_released;
    case Rule::reference_not_owned: return Cause::reference_not_owned;
    case Rule::lock_held: return Cause::lock_held;
    case Rule::lock_not_held: return Cause::lock_not_held;
    case Rule::region_not_left: return Cause::region_not_left;
    case Rule::bad_return_value: return Cause::return_value_range;
    case Rule::too_complex:
    case Rule::out_of_memory: return Cause::too_many_paths;
    case Rule::internal: return Cause::verifier_fault;
  }
  return Cause::unknown;
}

}  // namespace skep::report
