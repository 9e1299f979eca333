// What one verification knows besides its states: of maps, functions, instructions, calls and loops. Passive data;
// env.h's Verifier owns all of it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "object/program.h"
#include "spec/context.h"
#include "spec/helpers.h"
#include "verifier/kfunc.h"
#include "verifier/liveness.h"
#include "verifier/records.h"
#include "verifier/state.h"

namespace skep::verifier {

struct MapInfo : Record {
  const MapDescriptor* map = nullptr;
  int32_t inner = -1;  // index into maps_ of what an inner map looks like
};

// What a BTF function declares of its arguments (global functions).
struct FunctionArgument {
  enum class Kind : uint8_t { unknown, scalar, ctx, mem, dynptr, btf, arena };
  Kind kind = Kind::unknown;
  bool maybe_null = true;
  bool trusted = false, untrusted = false;  // btf; mem: untrusted, of any size
  uint32_t mem_size = 0;
  uint32_t btf_type = 0;
};

struct SubprogramInfo {
  uint32_t start = 0, end = 0;
  std::string_view name;
  bool has_type = false;  // func_info names it
  bool global = false;
  bool returns_void = false;
  bool returns_int = true;
  bool is_callback = false, is_async_callback = false;
  std::vector<uint32_t> async_maps;  // whose elements it is called with later
  bool has_tail_call = false, has_ld_abs = false, tail_call_reachable = false;
  bool changes_packet = false;
  bool might_sleep = false;
  bool might_throw = false;
  bool is_exception_callback = false;
  // By callers that can't sleep there, and that can: it is verified for each.
  bool called = false, called_sleepable = false;
  bool walked = false;                       // any instruction of it was
  uint32_t stack_depth = 0;                  // bytes below r10, not yet rounded
  uint32_t insns_self = 0, insns_total = 0;  // walked; with what it calls
  std::vector<FunctionArgument> arguments;
  bool arguments_known = false;
};

struct InsnAux {
  uint32_t scc = 0;  // loop that it is part of; 0: none
  RegisterMask live = 0;
  bool jump_point : 1 = false;   // needs a history entry: control may come from more than one place
  bool prune_point : 1 = false;  // is_state_visited() is asked here
  bool force_checkpoint : 1 = false;  // a state is always remembered here
  bool calls_callback : 1 = false;
  bool iterator_next : 1 = false;
  bool second_slot : 1 = false;  // of a ld_imm64
  bool seen : 1 = false;
  bool taken_seen : 1 = false, fallthrough_seen : 1 = false;
  bool map_conflict : 1 = false;  // different maps came here
  bool key_unknown : 1 = false, key_seen : 1 = false;
  bool divisor_may_be_zero : 1 = false;
  bool probe : 1 = false;  // memory access that may fault
  bool zext_needed : 1 = false;
  bool nonlinear : 1 = false;
  bool barrier_before : 1 = false;  // speculation must not run this instruction
  bool barrier_after : 1 = false;   // … nor what follows this store (Spectre v4)
  uint8_t alu_state = 0;            // how a pointer's sum is masked: sanitize.cc
  uint32_t alu_limit = 0;
  Base pointer = Base::not_init;  // of loads and stores: what they went through
  Flags pointer_flags = 0;
  int32_t map = -1;  // calls of map helpers
  uint32_t key = 0;
  const spec::ContextField* context_field = nullptr;  // to be converted
};

// What checking the arguments of one helper call finds out, for those after and for the result.
struct CallMeta {
  const spec::Helper* helper = nullptr;
  int32_t map = -1;
  uint32_t map_uid = 0;
  bool raw_mode = false;
  bool packet_access = false;
  int release_register = 0;
  int register_number = 0;  // of raw memory
  int access_size = 0;
  uint32_t mem_size = 0;
  uint64_t size_max = 0;
  uint32_t ref_id = 0;
  uint32_t subprogram = 0;
  uint32_t return_btf = 0;
  BtfOf percpu_btf = BtfOf::none;
  bool constant_key = false;
  uint32_t key = 0;
  // Of a dynptr argument.
  DynptrKind dynptr = DynptrKind::none;
  uint32_t dynptr_id = 0, dynptr_ref = 0, dynptr_of = 0;
  bool release_dynptr = false;
  const SpecialField* kptr = nullptr;  // kptr_xchg
};

// The same of a kfunc's.
struct KfuncMeta : CallMeta {
  const Kfunc* kfunc = nullptr;
  bool constant_known = false;
  uint64_t constant = 0;
  bool memory_known = false, memory_readonly = false;  // of what it returns
  BtfOf argument_btf = BtfOf::none;
  uint32_t argument_type = 0;
  bool owning = false;
  const SpecialField* root = nullptr;
  unsigned iterator_frame = 0, iterator_slot = 0;
  uint32_t kernel_context = 0;
};

// How a callback's arguments are made.
enum class CallbackOf : uint8_t {
  loop,
  map_element,
  timer,
  find_vma,
  user_ringbuf,
  less,  // bpf_rbtree_add
  task_work,
};

// Before the first instruction of a walk.
inline constexpr uint32_t kNoPrevious = ~uint32_t{0};

// A loop that is being walked, as entered through one chain of callers. A path in it that is covered by
// a state whose own paths are not all walked yet (a back edge) can't know what that state will turn out to
// need; it waits here until the loop's first state is done.
struct SccVisit {
  struct BackEdge {
    VerifierState* state;  // what was covered
    CachedState* by;
  };
  CachedState* entry = nullptr;
  std::vector<BackEdge> back_edges;
  std::vector<CachedState*> unused;  // to be dropped once back_edges are done with
};

// Slots of a hive; what bpf_get_smp_processor_id is below.
inline constexpr uint32_t kMaxCpus = 256;

enum class Access : uint8_t { read, write };
enum class Step : uint8_t { next, jumped, path_done, failed };

}  // namespace skep::verifier
