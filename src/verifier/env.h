// Verifier: one verification. Its members are what the files of this room share; each file's part is
// grouped below under the file's name. Not for other rooms: include verifier.h.
//
// A check returns false after it has filled `rejection_` (through reject()); its caller only hands the
// false on.
#pragma once

#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "btf/btf.h"
#include "object/program.h"
#include "spec/attach_types.h"
#include "spec/context.h"
#include "spec/helpers.h"
#include "spec/map_types.h"
#include "spec/prog_types.h"
#include "verifier/btf_walk.h"
#include "verifier/facts.h"
#include "verifier/kfunc.h"
#include "verifier/liveness.h"
#include "verifier/records.h"
#include "verifier/state.h"
#include "verifier/verifier.h"

namespace skep::verifier {

class Verifier {
 public:
  Verifier(const Program& program, const Options& options);
  ~Verifier();
  Verifier(const Verifier&) = delete;
  Verifier& operator=(const Verifier&) = delete;

  // verifier.cc
  Report run();

 private:
  using Rejected = bool;  // always false

  // ---- log.cc
  [[nodiscard]] bool logging() const { return (options_.log_level & (kLogErrors | kLogAll)) != 0; }
  [[nodiscard]] bool logging_all() const { return (options_.log_level & kLogAll) != 0; }
  template <class... Args>
  void log(fmt::format_string<Args...> format, Args&&... args) {
    if (logging()) fmt::format_to(std::back_inserter(log_), format, std::forward<Args>(args)...);
  }
  // A line of the message that reject() will end. Only on the way to a rejection.
  template <class... Args>
  void note(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(message_), format, std::forward<Args>(args)...);
  }
  template <class... Args>
  Rejected reject(Rule rule, int error, fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(message_), format, std::forward<Args>(args)...);
    finish_rejection(rule, error);
    return false;
  }
  template <class... Args>
  Rejected reject_at(uint32_t insn, Rule rule, int error, fmt::format_string<Args...> format,
                     Args&&... args) {
    insn_ = insn;
    fmt::format_to(std::back_inserter(message_), format, std::forward<Args>(args)...);
    finish_rejection(rule, error);
    return false;
  }
  // What is known against what is needed, in plain words, for the rejection that follows.
  template <class... Args>
  void explain(fmt::format_string<Args...> format, Args&&... args) {
    detail_ = fmt::format(format, std::forward<Args>(args)...);
  }
  // After a first one, only adds to its message. already_logged: the message is in the log.
  void finish_rejection(Rule rule, int error, bool already_logged = false);
  void trim_log(size_t position) {
    if (log_.size() > position) log_.resize(position);
  }
  void log_instruction();
  void log_call_order();
  void log_changed_state();
  void print_state(std::string& out, const VerifierState& state, unsigned frame, bool all) const;
  void print_register(std::string& out, const FuncState& frame, const RegState& reg) const;
  void print_slot(std::string& out, const FuncState& frame, unsigned slot) const;
  void log_source_line(uint32_t insn, std::string_view prefix);
  [[nodiscard]] std::optional<SourceLine> source_line(uint32_t insn) const;
  [[nodiscard]] const LineInfo* line_info(uint32_t insn) const;
  [[nodiscard]] std::string insn_text(uint32_t insn) const;
  void scratch(unsigned reg) { scratched_registers_ |= 1u << reg; }
  void scratch_slot(unsigned slot) { scratched_slots_ |= uint64_t{1} << slot; }

  // ---- cfg.cc: what can be said of the text without walking it
  [[nodiscard]] bool check_text();
  void find_packet_changers();
  [[nodiscard]] bool find_subprograms();
  [[nodiscard]] bool check_jumps_stay_inside();
  [[nodiscard]] bool check_debug_info();
  [[nodiscard]] bool check_control_flow();
  [[nodiscard]] bool resolve_immediates();
  [[nodiscard]] bool check_ksym(uint32_t insn);
  void mark_ksym(RegState& reg, uint32_t id);
  void find_loops();
  [[nodiscard]] int subprogram_at(uint32_t start) const;      // that starts there; -1
  [[nodiscard]] uint32_t subprogram_of(uint32_t insn) const;  // that holds it

  // ---- walk.cc: paths and instructions
  [[nodiscard]] bool verify_subprogram(uint32_t subprogram, bool sleepable);
  [[nodiscard]] bool walk();
  void forget_states();
  [[nodiscard]] bool check_callback_references();
  [[nodiscard]] Step step();
  [[nodiscard]] Step leave_path();
  [[nodiscard]] Step check_exit();
  [[nodiscard]] VerifierState* push_branch(uint32_t insn, uint32_t previous);
  [[nodiscard]] bool pop_branch();
  [[nodiscard]] bool check_ld_imm64(const Insn& insn);
  [[nodiscard]] Step check_ld_abs(const Insn& insn);
  [[nodiscard]] bool check_return_value(unsigned reg);
  [[nodiscard]] bool check_resources_at_exit(std::string_view where, bool exception = false);
  [[nodiscard]] bool check_references_at_exit(std::string_view where, bool exception);
  [[nodiscard]] bool check_range(const RegState& reg, int32_t min, int32_t max,
                                 std::string_view where);

  // ---- state.cc
  FuncState* new_frame();
  void free_frame(FuncState* frame);
  VerifierState* new_state();
  void free_state(VerifierState* state);
  void copy_state(VerifierState& to, const VerifierState& from);
  void clear_frames(VerifierState& state);
  void init_frame(FuncState& frame, uint32_t callsite, uint32_t number, uint32_t subprogram);
  [[nodiscard]] FuncState& frame() { return *cur_->frames[cur_->current]; }
  [[nodiscard]] RegState* regs() { return frame().regs.data(); }
  [[nodiscard]] FuncState& frame_of(const RegState& reg) { return *cur_->frames[reg.frame]; }
  [[nodiscard]] StackSlot& slot(FuncState& frame, unsigned index);
  bool grow_stack(FuncState& frame, unsigned slots);

  // ---- registers: state.cc
  void mark_unknown(RegState& reg);
  void mark_unknown(unsigned reg) { mark_unknown(regs()[reg]); }
  static void mark_not_init(RegState& reg) { reg = RegState{}; }
  static void mark_constant(RegState& reg, uint64_t value);
  static void mark_pointer(RegState& reg, Base base, Flags flags = 0);
  [[nodiscard]] bool check_read(unsigned reg);  // r may be read
  [[nodiscard]] bool check_write(unsigned reg, bool mark_result = true);
  void clear_caller_saved();
  [[nodiscard]] bool is_pointer_value(unsigned reg) {
    return !allow_leaks_ && !regs()[reg].is_scalar();
  }
  template <class F>
  static void for_each_register(VerifierState& state, F&& f) {
    for (unsigned i = 0; i <= state.current; ++i) {
      FuncState& frame = *state.frames[i];
      for (RegState& reg : frame.regs) f(frame, reg);
      for (StackSlot& s : frame.stack) {
        if (s.is_spill()) f(frame, s.spilled);
      }
    }
  }

  // ---- prune.cc
  enum class Exactness : uint8_t { no, exact, range_within };
  struct IdPair {
    uint32_t old, cur;
  };
  enum class Visit : uint8_t { fresh, covered, failed };
  [[nodiscard]] Visit visit_state();
  void remember_state();
  [[nodiscard]] bool states_equal(CachedState& old, VerifierState& cur, Exactness exact);
  [[nodiscard]] bool frames_equal(const FuncState& old, const FuncState& cur, RegisterMask live,
                                  Exactness exact);
  [[nodiscard]] bool register_covered(const RegState& old, const RegState& cur, Exactness exact);
  [[nodiscard]] bool stack_covered(const FuncState& old, const FuncState& cur, Exactness exact);
  [[nodiscard]] bool resources_equal(const VerifierState& old, const VerifierState& cur);
  [[nodiscard]] bool same_ids(uint32_t old, uint32_t cur);
  [[nodiscard]] bool same_scalar_ids(uint32_t old, uint32_t cur);
  [[nodiscard]] bool exactly_equal(const RegState& old, const RegState& cur);
  void clean_states(std::vector<CachedState*>& list);
  void clean(CachedState& cached);
  void forget_singular_ids(VerifierState& state);
  void release_branch(CachedState* parent);  // one path out of `parent` (and so on up) is done
  void drop_if_unused(CachedState* cached);
  [[nodiscard]] const VerifierState* previous_entry(const VerifierState& from, uint32_t insn) const;
  void widen_imprecise(const VerifierState& old, VerifierState& cur);
  [[nodiscard]] bool scc_key(const VerifierState& state, std::vector<uint32_t>& key) const;
  void enter_scc(CachedState& cached);
  void leave_scc(CachedState& cached);
  [[nodiscard]] static bool reads_incomplete(const CachedState& cached);
  [[nodiscard]] uint32_t insn_of_frame(const VerifierState& state, unsigned frame) const {
    return frame == state.current ? state.insn : state.frames[frame + 1]->callsite;
  }

  // ---- precision.cc
  struct Backtrack;
  void push_history(const HistoryEntry& facts);  // of this step; insn and previous are filled in
  void mark_precise(unsigned reg);
  void mark_precise_slot(unsigned frame, unsigned slot);
  bool propagate_precision(const VerifierState& old,
                           VerifierState& cur);  // something new was marked
  void backtrack(VerifierState& start, Backtrack& what, bool& changed);
  [[nodiscard]] int backtrack_insn(uint32_t insn, int64_t next, const HistoryEntry* entry,
                                   Backtrack& what);
  static void mark_all_precise(VerifierState& from);
  static void mark_all_imprecise(VerifierState& state);

  // ---- check_alu.cc
  [[nodiscard]] bool check_alu(const Insn& insn);
  [[nodiscard]] bool check_alu_values(const Insn& insn);
  [[nodiscard]] bool adjust_pointer(const Insn& insn, const RegState& pointer,
                                    const RegState& scalar, bool scalar_is_imm);
  [[nodiscard]] bool check_pointer_sane(const RegState& reg, Base base, Flags flags);
  void assign_scalar_id(RegState& reg);
  [[nodiscard]] bool constant_delta(const Insn& insn, AluOp op, bool is64, const RegState& dst,
                                    const Scalar& operand, int32_t& delta) const;
  [[nodiscard]] bool fork_on_mask(RegState& dst, const Insn& insn);

  // ---- sanitize.cc
  struct AluWindow {
    uint8_t state = 0;
    uint32_t limit = 0;
    bool to_left = false;
  };
  enum class AluProblem : uint8_t { none, bounds, type, paths, limit, failed };
  [[nodiscard]] bool sanitize_scalar_alu(const Insn& insn);
  [[nodiscard]] bool sanitize_pointer_alu(const Insn& insn, const RegState& pointer,
                                          const RegState& scalar, bool pointer_is_dst,
                                          AluWindow& window, bool commit);
  [[nodiscard]] bool check_pointer_stays_inside(unsigned reg);
  [[nodiscard]] bool push_speculative(const Insn* jump, uint32_t insn);
  [[nodiscard]] bool skips_alu_sanitation(const Insn& insn) const {
    return bypass_spec_v1_ || !insn.uses_src_reg() || aux_[insn_].barrier_before;
  }
  [[nodiscard]] bool note_alu_window(uint8_t state, uint32_t limit);
  [[nodiscard]] bool reject_alu(const Insn& insn, AluProblem problem);
  [[nodiscard]] bool stop_speculation();

  // ---- check_jmp.cc
  [[nodiscard]] Step check_jump(const Insn& insn);
  [[nodiscard]] bool try_packet_compare(const Insn& insn, VerifierState& taken_state);
  void grow_packet_ranges(VerifierState& state, const RegState& pointer, bool range_right_open);
  static void mark_not_null(RegState& reg);
  void refine_map_value(RegState& reg);
  void mark_or_null(VerifierState& state, unsigned reg, bool is_null);
  void collect_linked(VerifierState& state, uint32_t id, LinkedSet& set);
  void sync_linked(VerifierState& state, const RegState& known, const LinkedSet& set);

  // ---- check_mem.cc, check_stack.cc
  [[nodiscard]] bool check_load(const Insn& insn);
  [[nodiscard]] bool check_store(const Insn& insn);
  [[nodiscard]] bool check_atomic(const Insn& insn);
  // value: register that is written or loaded into; -1: none.
  [[nodiscard]] bool check_access(unsigned reg, int32_t off, unsigned size, Access access,
                                  int value, bool strict_once = false, bool sign_extended = false);
  [[nodiscard]] bool note_pointer_type(const RegState& reg);
  [[nodiscard]] bool check_alignment(const RegState& reg, int32_t off, unsigned size, bool strict);
  [[nodiscard]] bool check_region(unsigned reg, int64_t off, int64_t size, uint64_t region,
                                  bool zero_size_allowed);
  [[nodiscard]] bool check_region_fixed(unsigned reg, int64_t off, int64_t size, uint64_t region,
                                        bool zero_size_allowed);
  [[nodiscard]] bool check_map_access(unsigned reg, int32_t off, unsigned size,
                                      bool zero_size_allowed, bool by_helper);
  [[nodiscard]] bool check_map_permission(unsigned reg, int32_t off, unsigned size, Access access);
  [[nodiscard]] bool check_packet_access(unsigned reg, int32_t off, unsigned size,
                                         bool zero_size_allowed);
  [[nodiscard]] bool may_access_packet(Access access, const CallMeta* meta) const;
  [[nodiscard]] bool check_fixed_pointer(const RegState& reg, unsigned number, bool fixed_ok);
  [[nodiscard]] bool check_buffer(const RegState& reg, unsigned number, int32_t off, int size,
                                  std::string_view what, bool zero_size_allowed, uint32_t& max);
  [[nodiscard]] bool constant_map_load(const RegState& reg, int32_t off, unsigned size,
                                       uint64_t& value);
  void truncate_loaded(RegState& reg, unsigned size, bool sign_extended);

  [[nodiscard]] bool check_stack_bounds(unsigned reg, int64_t off, int64_t size, bool by_helper,
                                        Access access);
  [[nodiscard]] bool check_stack_read(unsigned reg, int32_t off, unsigned size, int value);
  [[nodiscard]] bool check_stack_write(unsigned reg, int32_t off, unsigned size, int value);
  [[nodiscard]] bool read_stack_fixed(FuncState& of, int off, unsigned size, int value);
  [[nodiscard]] bool write_stack_fixed(FuncState& of, int off, unsigned size, int value);
  [[nodiscard]] bool write_stack_variable(FuncState& of, unsigned reg, int off, unsigned size,
                                          int value);
  void read_stack_mixed(FuncState& of, int min, int max, int value);
  void save_spill(FuncState& of, unsigned index, const RegState& reg, unsigned size);
  static void scrub(StackSlot& s);
  [[nodiscard]] bool check_stack_initialized(unsigned reg, int32_t off, int size,
                                             bool zero_size_allowed, bool direct, CallMeta* meta,
                                             Access access);
  void use_stack_depth(FuncState& of, int off);
  [[nodiscard]] bool fill_stack(FuncState& of, int off, int size);  // by a helper

  // ---- context.cc
  [[nodiscard]] bool check_context_access(const RegState& reg, unsigned number, int32_t off,
                                          unsigned size, Access access, int value,
                                          bool sign_extended);
  [[nodiscard]] bool check_attach_target();
  [[nodiscard]] bool check_privileges();
  [[nodiscard]] bool context_is_not_converted() const;
  // What user space hands to a system call program: any bytes of it, at any offset.
  static constexpr uint64_t kSyscallContext = 0xffff;
  [[nodiscard]] bool variable_context() const {
    return program_.type == ProgType::BPF_PROG_TYPE_SYSCALL &&
           profile_.version >= kernel_version(7, 0);
  }
  [[nodiscard]] bool check_socket_access(unsigned reg, int32_t off, unsigned size, Access access);

  // ---- btf_access.cc
  [[nodiscard]] bool check_btf_access(unsigned reg, int32_t off, unsigned size, Access access,
                                      int value);
  [[nodiscard]] bool check_map_pointer_access(unsigned reg, int32_t off, unsigned size,
                                              Access access, int value);
  [[nodiscard]] bool check_kernel_write(const RegState& reg, unsigned number, int32_t off,
                                        unsigned size);
  void mark_walked(int value, const Walk& walk, BtfOf of, Flags flags);
  [[nodiscard]] std::string_view btf_type_name(const RegState& reg) const;
  [[nodiscard]] const btf::Btf* btf_of(BtfOf of) const {
    return of == BtfOf::program ? program_.btf.get() : of == BtfOf::attach ? kernel_btf_ : nullptr;
  }
  [[nodiscard]] static BtfOf btf_kind(const RegState& reg) {
    return static_cast<BtfOf>(reg.map_uid);
  }
  // The struct behind a register, also of sockets and maps; false: it has none.
  [[nodiscard]] bool pointed_type(const RegState& reg, BtfOf& of, btf::TypeId& id) const;
  [[nodiscard]] bool field_is_listed(const RegState& reg, const Walk& walk,
                                     std::string_view list) const;
  [[nodiscard]] bool is_trusted(const RegState& reg) const;
  // Nothing that RCU protects goes away: also where the program can't sleep.
  [[nodiscard]] bool in_rcu_section() const {
    return cur_->rcu_locks != 0 || cur_->active_preempt_locks != 0 || cur_->active_locks != 0 ||
           cur_->active_irq_flags != 0 || !cur_->sleepable;
  }
  [[nodiscard]] std::string_view why_not_sleepable() const;
  void find_special_fields(MapInfo& info) const;
  [[nodiscard]] const Record* record_of(const RegState& reg);  // null: it points to no such thing
  [[nodiscard]] const Record& object_record(btf::TypeId id);

  // ---- btf_args.cc
  [[nodiscard]] bool check_btf_target();
  [[nodiscard]] bool check_struct_ops_target();
  [[nodiscard]] bool context_argument(int32_t off, unsigned size, Access access, RegState& result,
                                      bool& is_result);
  [[nodiscard]] bool attach_return_range(int32_t& min, int32_t& max) const;
  [[nodiscard]] bool arguments_are_trusted() const;
  [[nodiscard]] bool returns_nothing() const;
  void acquire_arguments();
  [[nodiscard]] bool read_function_arguments(SubprogramInfo& sub);
  [[nodiscard]] bool check_context_tag(const btf::Type& pointer, uint32_t index,
                                       SubprogramInfo& sub);

  // ---- check_call.cc, check_argument.cc
  [[nodiscard]] Step check_call(const Insn& insn);
  [[nodiscard]] bool check_helper_call(const Insn& insn);
  [[nodiscard]] bool check_argument(unsigned number, const spec::Argument& argument,
                                    const spec::Helper& helper, CallMeta& meta);
  [[nodiscard]] bool check_argument_type(unsigned reg, const spec::Argument& argument,
                                         CallMeta& meta);
  [[nodiscard]] bool check_argument_offset(unsigned reg, const spec::Argument& argument,
                                           bool release);
  [[nodiscard]] bool check_helper_memory(unsigned reg, int size, Access access,
                                         bool zero_size_allowed, CallMeta* meta);
  [[nodiscard]] bool check_mem_size(unsigned mem_reg, unsigned size_reg, Access access,
                                    bool zero_size_allowed, CallMeta* meta);
  [[nodiscard]] bool check_map_compatible(int32_t map, const spec::Helper& helper);
  [[nodiscard]] bool set_helper_result(const Insn& insn, const spec::Helper& helper,
                                       CallMeta& meta);
  [[nodiscard]] bool set_percpu_result(Flags flags, const CallMeta& meta);
  [[nodiscard]] bool record_map(const CallMeta& meta);
  [[nodiscard]] bool record_key(const CallMeta& meta);
  void refine_helper_result(const spec::Helper& helper, CallMeta& meta);
  [[nodiscard]] bool constant_key_of(const RegState& reg, uint32_t size, uint64_t& value);
  [[nodiscard]] bool check_tail_call();
  [[nodiscard]] Step finish_tail_call();

  // ---- check_kfunc.cc, kfunc_args.cc
  [[nodiscard]] Step check_kfunc_call(const Insn& insn);
  [[nodiscard]] const Kfunc* kfunc_of(const Insn& insn);  // null after a rejection
  [[nodiscard]] const Kfunc* known_kfunc(const Insn& insn) const;
  [[nodiscard]] bool add_kfuncs();
  [[nodiscard]] bool read_kfunc(uint32_t id, Kfunc& kfunc);
  [[nodiscard]] bool read_kfunc_argument(Kfunc& kfunc, const btf::Type& proto, uint32_t index);
  [[nodiscard]] bool check_kfunc_arguments(KfuncMeta& meta);
  [[nodiscard]] bool check_kfunc_argument(unsigned number, const KfuncArgument& argument,
                                          KfuncMeta& meta);
  [[nodiscard]] bool check_kfunc_object(unsigned number, const KfuncArgument& argument,
                                        KfuncMeta& meta);
  [[nodiscard]] bool check_kfunc_struct(unsigned number, const KfuncArgument& argument,
                                        KfuncMeta& meta);
  [[nodiscard]] bool check_kfunc_memory(unsigned number, uint32_t size, KfuncMeta& meta);
  [[nodiscard]] bool check_map_field(unsigned number, SpecialField::Kind kind,
                                     std::string_view name, CallMeta& meta);
  [[nodiscard]] bool check_same_map(unsigned number, CallMeta& meta);
  [[nodiscard]] bool check_const_string(unsigned number);
  [[nodiscard]] bool enter_kfunc_region(const KfuncMeta& meta);
  [[nodiscard]] bool set_kfunc_result(KfuncMeta& meta);
  [[nodiscard]] bool set_special_kfunc_result(KfuncMeta& meta, bool& done);
  [[nodiscard]] bool is_context_type(const btf::Btf& btf, const btf::Type& pointer) const;

  // ---- check_iter.cc
  [[nodiscard]] bool check_iterator(unsigned number, const KfuncArgument& argument,
                                    KfuncMeta& meta);
  [[nodiscard]] bool step_iterator(const KfuncMeta& meta);
  [[nodiscard]] static bool iterator_depths_differ(const VerifierState& a, const VerifierState& b);
  [[nodiscard]] bool active_iterator_at(const VerifierState& state) const;
  // Where a stack object of `slots` slots begins (its highest slot); -1 after a rejection, -2: not touched yet.
  [[nodiscard]] int stack_object(unsigned number, std::string_view what, unsigned slots);
  [[nodiscard]] bool write_stack_object(unsigned number, unsigned slots);
  void use_stack_object(FuncState& of, unsigned first, unsigned slots, bool written);
  [[nodiscard]] bool check_irq_flag(unsigned number, const Kfunc& kfunc);

  // ---- check_dynptr.cc
  [[nodiscard]] bool check_dynptr(unsigned number, bool uninit, bool release, DynptrKind kind,
                                  CallMeta& meta);
  [[nodiscard]] bool destroy_dynptr(FuncState& of, unsigned slot);
  void invalidate_slices(uint32_t dynptr_id);
  [[nodiscard]] bool release_dynptr(unsigned number);
  [[nodiscard]] bool release_dynptrs_of(uint32_t ref);
  [[nodiscard]] const RegState* dynptr_state(const RegState& reg);  // null: it is none
  void mark_invalid(RegState& reg);

  // ---- graph.cc: lists, trees, kptrs
  [[nodiscard]] bool check_graph_root(unsigned number, SpecialField::Kind kind, KfuncMeta& meta);
  [[nodiscard]] bool check_graph_node(unsigned number, SpecialField::Kind kind, KfuncMeta& meta);
  void set_non_owning(RegState& reg);
  void give_to_graph(uint32_t ref_id);
  [[nodiscard]] bool share_by_rcu(uint32_t ref_id);
  [[nodiscard]] bool may_use_d_path() const;
  void mark_graph_node(RegState& reg, const SpecialField& root);
  [[nodiscard]] bool check_kptr_access(const SpecialField& field, int value);
  [[nodiscard]] bool check_kptr_fits(const SpecialField& field, unsigned number);
  [[nodiscard]] bool check_kptr_xchg(unsigned number, CallMeta& meta);
  [[nodiscard]] Flags loaded_kptr_flags(const SpecialField& field);

  // ---- check_func.cc: calls between BPF functions, callbacks
  [[nodiscard]] Step check_function_call(const Insn& insn);
  [[nodiscard]] bool check_global_arguments(uint32_t subprogram);
  [[nodiscard]] bool enter_function(VerifierState& state, uint32_t subprogram, uint32_t callsite);
  // callbacks.cc
  [[nodiscard]] bool push_callback(CallbackOf what, const CallMeta& meta);
  [[nodiscard]] bool push_async_callback(CallbackOf what, const CallMeta& meta, bool sleepable);
  [[nodiscard]] bool set_callback_arguments(CallbackOf what, const CallMeta& meta,
                                            const FuncState& caller, FuncState& callee);
  [[nodiscard]] bool find_exception_callback();
  [[nodiscard]] bool check_throw();
  void find_throwers();
  [[nodiscard]] bool leave_function();
  [[nodiscard]] bool prepare_global_entry(SubprogramInfo& sub);
  [[nodiscard]] bool check_stack_depths();
  [[nodiscard]] bool needs_callback(const Insn& insn) const;

  // ---- refs.cc
  uint32_t acquire_reference(uint32_t insn);
  [[nodiscard]] bool release_reference(uint32_t id);
  void invalidate_packet_pointers(VerifierState& state);
  void invalidate_non_owning();
  void invalidate_rcu_protected();
  [[nodiscard]] bool process_spin_lock(unsigned reg, bool lock, ReferenceKind kind);
  [[nodiscard]] bool in_less_callback() const;

  // ---- finalize.cc
  void finalize(Report& report);
  void finish_stats(Report& report);

  static constexpr uint32_t kSleepableFlag = 1u << 4;  // BPF_F_SLEEPABLE

  // ---- data
  const Program& program_;
  Options options_;
  const KernelProfile& profile_;
  std::span<const Insn> insns_;
  const uint32_t count_;
  const spec::ProgTypeRow* prog_type_ = nullptr;
  bool allow_leaks_, allow_uninit_stack_, capable_, strict_alignment_;
  bool bypass_spec_v1_, bypass_spec_v4_;
  bool explore_alu_limits_ = false;  // numbers are compared exactly: masks depend on them
  bool gpl_ = false;

  std::vector<MapInfo> maps_;
  std::deque<MapDescriptor> derived_maps_;
  std::unordered_map<btf::TypeId, Record> object_records_;
  std::unordered_map<uint32_t, Kfunc> kfuncs_;
  int arena_ = -1;               // index into maps_
  int exception_callback_ = -1;  // subprogram
  std::vector<InsnAux> aux_;
  std::vector<SubprogramInfo> subs_;
  std::vector<uint32_t> sub_of_start_;
  Predecessors before_;
  StackLiveness stack_liveness_;
  const btf::Btf* kernel_btf_ = nullptr;  // the attach target's, else Options::kernel_btf
  std::string_view attach_name_;          // of the attach target, where there is one
  btf::TypeId attach_proto_ = 0;
  btf::TypeId struct_ops_proto_ =
      0;  // of the stub whose parameters' names say more; 0: there is none
  std::string_view struct_ops_name_;                          // "tcp_congestion_ops"
  std::vector<std::pair<uint32_t, uint32_t>> argument_refs_;  // struct_ops: argument, its reference
  bool attach_skips_argument_ = false;  // tp_btf: the first one is the kernel's own

  // The path that is being walked.
  VerifierState* cur_ = nullptr;
  uint32_t insn_ = 0, previous_insn_ = 0;
  bool have_history_of_step_ = false;
  bool path_switched_ = false;    // by this step: previous_insn_ is the new path's
  bool entered_path_ = false;     // the log has not shown where this path begins
  uint32_t max_stack_depth_ = 0;  // of all chains of calls
  uint32_t entry_sub_ = 0;        // the function whose verification this is
  uint32_t next_id_ = 0;
  AccessBounds accesses_;
  std::vector<VerifiedProgram::MadeType> made_types_;
  struct Pending {
    VerifierState* state;
    uint32_t insn, previous;
    size_t log_position;
  };
  std::vector<Pending> pending_;
  RegState imm_reg_;  // an immediate as a register
  const LineInfo* last_line_ = nullptr;

  // Remembered states, by instruction and call, newest last.
  std::vector<std::vector<CachedState*>> cached_;
  [[nodiscard]] size_t bucket_of(const VerifierState& state, uint32_t insn) const {
    return (insn ^ state.frame().callsite) % count_;
  }
  std::map<std::vector<uint32_t>, SccVisit> scc_visits_;
  std::vector<IdPair> id_pairs_;
  uint64_t jumps_processed_ = 0, previous_jumps_ = 0, previous_processed_ = 0;
  uint64_t cached_count_ = 0;
  size_t memory_ = 0;  // bytes in states
  bool memory_exhausted_ = false;

  // Pools.
  std::vector<FuncState*> free_frames_, all_frames_;
  std::vector<VerifierState*> free_states_, all_states_;
  std::vector<CachedState*> all_cached_, free_cached_;

  // Log and outcome.
  std::string log_;
  std::string message_;
  std::string detail_;
  uint32_t scratched_registers_ = 0;
  uint64_t scratched_slots_ = 0;
  size_t log_after_insn_ = 0, log_insn_width_ = 0;
  std::optional<Rejection> rejection_;
  Stats stats_;
};

}  // namespace skep::verifier
