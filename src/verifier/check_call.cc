// Calls of helpers: each argument's register against the helper's row (spec/helpers.h), then what the
// call does to the state: memory written, references taken and given back, r0.
#include <algorithm>
#include <bit>
#include <cstring>

#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

using namespace isa;
using spec::ArgKind;

namespace {

constexpr uint64_t kMaxSize = uint64_t{1} << 29;
constexpr int64_t kMaxErrno = 4095;

// Types of registers that a kind of argument takes, in the order that the kernel names them.
struct Accepted {
  Base base;
  Flags flags;
};
constexpr Accepted kMemory[] = {
    {Base::stack, 0},      {Base::packet, 0},    {Base::packet_meta, 0},
    {Base::map_key, 0},    {Base::map_value, 0}, {Base::mem, 0},
    {Base::mem, kRingbuf}, {Base::buf, 0},       {Base::btf_id, kTrusted}};
constexpr Accepted kSockets[] = {
    {Base::sock_common, 0}, {Base::socket, 0}, {Base::tcp_sock, 0}, {Base::xdp_sock, 0}};
constexpr Accepted kBtfSockets[] = {{Base::sock_common, 0}, {Base::socket, 0},
                                    {Base::tcp_sock, 0},    {Base::xdp_sock, 0},
                                    {Base::btf_id, 0},      {Base::btf_id, kTrusted}};
constexpr Accepted kBtf[] = {{Base::btf_id, 0}, {Base::btf_id, kTrusted}, {Base::btf_id, kRcu}};
constexpr Accepted kPercpuBtf[] = {
    {Base::btf_id, kPercpu}, {Base::btf_id, kPercpu | kRcu}, {Base::btf_id, kPercpu | kTrusted}};
constexpr Accepted kScalar[] = {{Base::scalar, 0}};
constexpr Accepted kContext[] = {{Base::ctx, 0}};
constexpr Accepted kMap[] = {{Base::const_map, 0}};
constexpr Accepted kFullSocket[] = {{Base::socket, 0}};
constexpr Accepted kMapValue[] = {{Base::map_value, 0}};
constexpr Accepted kRingbufMemory[] = {{Base::mem, kRingbuf}};
constexpr Accepted kFunction[] = {{Base::func, 0}};
constexpr Accepted kStack[] = {{Base::stack, 0}};
constexpr Accepted kDynptr[] = {{Base::stack, 0}, {Base::dynptr, 0}};
constexpr Accepted kArena[] = {{Base::arena, 0}};

std::span<const Accepted> accepted_by(ArgKind kind) {
  switch (kind) {
    case ArgKind::map_key:
    case ArgKind::map_value:
    case ArgKind::mem: return kMemory;
    case ArgKind::mem_size:
    case ArgKind::mem_size_or_zero:
    case ArgKind::alloc_size_or_zero:
    case ArgKind::scalar: return kScalar;
    case ArgKind::const_map_ptr: return kMap;
    case ArgKind::ctx: return kContext;
    case ArgKind::sock_common: return kSockets;
    case ArgKind::btf_id_sock_common: return kBtfSockets;
    case ArgKind::socket: return kFullSocket;
    case ArgKind::btf_id: return kBtf;
    case ArgKind::percpu_btf_id: return kPercpuBtf;
    case ArgKind::spin_lock:
    case ArgKind::timer:
    case ArgKind::const_str:
    case ArgKind::kptr_xchg_dest: return kMapValue;
    case ArgKind::ringbuf_mem: return kRingbufMemory;
    case ArgKind::func: return kFunction;
    case ArgKind::stack: return kStack;
    case ArgKind::dynptr: return kDynptr;
    case ArgKind::arena: return kArena;
    case ArgKind::none:
    case ArgKind::anything: return {};
  }
  return {};
}

bool writes_map(uint32_t id) {
  return id == spec::BPF_FUNC_map_delete_elem || id == spec::BPF_FUNC_map_update_elem ||
         id == spec::BPF_FUNC_map_push_elem || id == spec::BPF_FUNC_map_pop_elem;
}

// The code generators want to know the map of these.
bool remembers_map(uint32_t id) {
  switch (id) {
    case spec::BPF_FUNC_tail_call:
    case spec::BPF_FUNC_map_lookup_elem:
    case spec::BPF_FUNC_map_update_elem:
    case spec::BPF_FUNC_map_delete_elem:
    case spec::BPF_FUNC_map_push_elem:
    case spec::BPF_FUNC_map_pop_elem:
    case spec::BPF_FUNC_map_peek_elem:
    case spec::BPF_FUNC_for_each_map_elem:
    case spec::BPF_FUNC_redirect_map:
    case spec::BPF_FUNC_map_lookup_percpu_elem:
    case spec::BPF_FUNC_ringbuf_reserve:
    case spec::BPF_FUNC_ringbuf_output:
    case spec::BPF_FUNC_perf_event_output: return true;
    default: return false;
  }
}

bool casts_pointer(uint32_t id) {
  return id == spec::BPF_FUNC_tcp_sock || id == spec::BPF_FUNC_sk_fullsock ||
         id == spec::BPF_FUNC_skc_to_tcp_sock || id == spec::BPF_FUNC_skc_to_tcp6_sock ||
         id == spec::BPF_FUNC_skc_to_udp6_sock || id == spec::BPF_FUNC_skc_to_mptcp_sock ||
         id == spec::BPF_FUNC_skc_to_tcp_timewait_sock ||
         id == spec::BPF_FUNC_skc_to_tcp_request_sock;
}

}  // namespace

bool Verifier::needs_callback(const Insn& insn) const {
  if (insn.opcode != (BPF_JMP | BPF_CALL) || insn.src != 0) return false;
  return insn.imm == spec::BPF_FUNC_loop || insn.imm == spec::BPF_FUNC_for_each_map_elem ||
         insn.imm == spec::BPF_FUNC_find_vma || insn.imm == spec::BPF_FUNC_user_ringbuf_drain;
}

// ---- one argument

bool Verifier::check_argument_type(unsigned number, const spec::Argument& argument,
                                   CallMeta& meta) {
  const RegState& reg = regs()[number];
  const std::span<const Accepted> accepted = accepted_by(argument.kind);
  Flags flags = reg.flags;
  if (argument.has(spec::kReadOnly)) flags &= static_cast<Flags>(~kRdonly);
  if (argument.has(spec::kMaybeNull)) flags &= static_cast<Flags>(~kMaybeNull);
  bool ok = false;
  for (const Accepted& type : accepted) ok |= type.base == reg.base && type.flags == flags;
  if (!ok) {
    note("R{} type={} expected=", number, type_text(reg));
    for (size_t i = 0; i < accepted.size(); ++i) {
      note("{}{}", i == 0 ? "" : ", ", type_text(accepted[i].base, accepted[i].flags));
    }
    return reject(reg.maybe_null() ? Rule::argument_maybe_null : Rule::bad_argument_type, EACCES,
                  "");
  }
  if (!reg.is(Base::btf_id)) return true;
  if (accepted.data() == kMemory) {
    if (argument.has(spec::kReadOnly)) return true;
    return reject(Rule::read_only_memory, EACCES,
                  "bpf_{}() may write into memory pointed by R{} type={}", meta.helper->name,
                  number, type_text(reg));
  }
  if (argument.kind == ArgKind::btf_id && kernel_btf_ != nullptr) {
    const std::string_view name = btf_type_name(reg);
    if (!argument.btf_type.empty() && name != argument.btf_type) {
      return reject(Rule::bad_argument_type, EACCES, "R{} is of type {} but {} is expected", number,
                    name, argument.btf_type);
    }
  }
  return true;
}

bool Verifier::check_argument_offset(unsigned number, const spec::Argument&, bool release) {
  const RegState& reg = regs()[number];
  if (release && reg.off != 0) {
    return reject(Rule::bad_argument_type, EINVAL,
                  "R{} must have zero offset when passed to release func or trusted arg to kfunc",
                  number);
  }
  switch (reg.base) {
    case Base::stack:
    case Base::packet:
    case Base::packet_meta:
    case Base::map_key:
    case Base::map_value:
    case Base::mem:
    case Base::buf:
    case Base::arena:
    case Base::scalar: return true;
    case Base::btf_id: return check_fixed_pointer(reg, number, true);
    default: return check_fixed_pointer(reg, number, false);
  }
}

bool Verifier::check_helper_memory(unsigned number, int size, Access access, bool zero_size_allowed,
                                   CallMeta* meta) {
  const RegState reg = regs()[number];
  const bool writes = access == Access::write;
  const auto read_only = [&] {
    return reject(Rule::read_only_memory, EACCES, "R{} cannot write into {}", number,
                  type_text(reg));
  };
  switch (reg.base) {
    case Base::packet:
    case Base::packet_meta:
      if (writes && !may_access_packet(Access::write, nullptr)) {
        return reject(Rule::packet_not_writable, EACCES, "cannot write into packet");
      }
      return check_packet_access(number, reg.off, static_cast<unsigned>(size), zero_size_allowed);
    case Base::map_key:
      if (writes) return read_only();
      return check_region(number, reg.off, size, maps_[reg.map].map->key_size, false);
    case Base::map_value:
      return check_map_permission(number, reg.off, static_cast<unsigned>(size), access) &&
             check_map_access(number, 0, static_cast<unsigned>(size), zero_size_allowed, true);
    case Base::mem:
      if (writes && (reg.flags & kRdonly) != 0) return read_only();
      return check_region(number, reg.off, size, reg.mem_size, zero_size_allowed);
    case Base::buf: {
      if (writes && (reg.flags & kRdonly) != 0) return read_only();
      uint32_t& max = (reg.flags & kRdonly) != 0 ? accesses_.rdonly_buffer : accesses_.rdwr_buffer;
      return check_buffer(reg, number, reg.off, size,
                          (reg.flags & kRdonly) != 0 ? "rdonly" : "rdwr", zero_size_allowed, max);
    }
    case Base::stack:
      return check_stack_initialized(number, reg.off, size, zero_size_allowed, false, meta, access);
    case Base::btf_id:
      return check_btf_access(number, reg.off, static_cast<unsigned>(size), Access::read, -1);
    default: break;
  }
  if (zero_size_allowed && size == 0 && reg.is_null()) return true;
  return reject(Rule::bad_argument_type, EACCES, "R{} type={} expected={}", number, type_text(reg),
                type_text(Base::stack, 0));
}

bool Verifier::check_mem_size(unsigned memory, unsigned number, Access access,
                              bool zero_size_allowed, CallMeta* meta) {
  const RegState reg = regs()[number];
  meta->size_max = reg.number.umax;
  // How much a variable size fills is not known: all of it must be there already.
  CallMeta* raw = reg.number.is_constant() ? meta : nullptr;
  if (reg.number.smin < 0) {
    return reject(Rule::bad_size_argument, EACCES,
                  "R{} min value is negative, either use unsigned or 'var &= const'", number);
  }
  if (reg.number.umin == 0 && !zero_size_allowed) {
    return reject(Rule::bad_size_argument, EACCES, "R{} invalid zero-sized read: u64=[{},{}]",
                  number, reg.number.umin, reg.number.umax);
  }
  if (reg.number.umax >= kMaxSize) {
    explain("R{} may be as large as {} here.", number, reg.number.umax);
    return reject(Rule::bad_size_argument, EACCES,
                  "R{} unbounded memory access, use 'var &= const' or 'if (var < const)'", number);
  }
  if (!check_helper_memory(memory, static_cast<int>(reg.number.umax), access, zero_size_allowed,
                           raw)) {
    return false;
  }
  mark_precise(number);
  return true;
}

// The key that a lookup will use, where the stack holds it as a constant.
bool Verifier::constant_key_of(const RegState& reg, uint32_t size, uint64_t& value) {
  if (!reg.is(Base::stack) || !reg.number.is_constant() || size > 8 || size == 0) return false;
  FuncState& of = frame_of(reg);
  const int off = reg.off + static_cast<int>(reg.number.constant());
  if (off >= 0 || off < -static_cast<int>(kMaxStackBytes)) return false;
  const unsigned index = slot_of(off);
  if (index >= of.stack.size()) return false;
  const StackSlot& s = of.stack[index];
  unsigned zeros = 0, spills = 0;
  for (uint32_t i = 0; i < size; ++i) {
    const int at = off + static_cast<int>(i);
    if (slot_of(at) != index) return false;
    zeros += s.bytes[byte_of(at)] == SlotByte::zero;
    spills += s.bytes[byte_of(at)] == SlotByte::spill;
  }
  if (zeros == size) {
    value = 0;
    return true;
  }
  if (spills != size || off % 8 != 0 || !s.is_scalar_spill() || !s.spilled.is_constant())
    return false;
  // What is concluded from the key relies on its value.
  mark_precise_slot(of.frame, index);
  value = size == 8 ? s.spilled.number.constant()
                    : s.spilled.number.constant() & ((uint64_t{1} << (8 * size)) - 1);
  return true;
}

bool Verifier::check_argument(unsigned number, const spec::Argument& argument,
                              const spec::Helper& helper, CallMeta& meta) {
  if (!check_read(number)) return false;
  const unsigned index = number - 1;
  RegState& reg = regs()[number];
  if (argument.kind == ArgKind::anything) {
    if (is_pointer_value(number)) {
      return reject(Rule::pointer_leaked, EACCES, "R{} leaks addr into helper function", number);
    }
    return true;
  }
  if (reg.is_packet() && !may_access_packet(Access::read, &meta)) {
    return reject(Rule::bad_argument_type, EACCES, "helper access to the packet is not allowed");
  }
  spec::Argument wanted = argument;
  if (argument.kind == ArgKind::map_value && meta.map >= 0) {
    const MapType type = maps_[meta.map].map->type;
    if (type == MapType::BPF_MAP_TYPE_SOCKMAP || type == MapType::BPF_MAP_TYPE_SOCKHASH) {
      wanted.kind = ArgKind::btf_id_sock_common;
    }
    // A Bloom filter is asked for a value, not given one.
    if (type == MapType::BPF_MAP_TYPE_BLOOM_FILTER && helper.id == spec::BPF_FUNC_map_peek_elem)
      wanted.flags = 0;
  }
  const bool release = argument.has(spec::kRelease);
  if (!(reg.is_null() && argument.has(spec::kMaybeNull))) {
    if (!check_argument_type(number, wanted, meta) ||
        !check_argument_offset(number, wanted, release)) {
      return false;
    }
  }
  if (release) {
    if (reg.ref_id == 0 && !reg.is_null()) {
      return reject(Rule::reference_not_owned, EINVAL,
                    "R{} must be referenced when passed to release function", number);
    }
    meta.release_register = static_cast<int>(number);
  }
  if (reg.ref_id != 0) {
    if (meta.ref_id != 0) {
      return reject(Rule::internal, EACCES, "more than one arg with ref_obj_id R{} {} {}", number,
                    reg.ref_id, meta.ref_id);
    }
    meta.ref_id = reg.ref_id;
  }
  const auto access_of = [](const spec::Argument& a) {
    return a.has(spec::kWrite) || a.has(spec::kUninit) ? Access::write : Access::read;
  };
  switch (wanted.kind) {
    case ArgKind::const_map_ptr:
      meta.map = static_cast<int32_t>(reg.map);
      meta.map_uid = reg.map_uid;
      return true;
    case ArgKind::map_key: {
      if (meta.map < 0) return reject(Rule::internal, EACCES, "invalid map_ptr to access map->key");
      const MapDescriptor& map = *maps_[meta.map].map;
      if (!check_helper_memory(number, static_cast<int>(map.key_size), Access::read, false,
                               nullptr))
        return false;
      // What an inner map's size is, is known only of the map that it was made like.
      const bool exact_size = static_cast<size_t>(meta.map) < program_.maps.size() &&
                              (map.map_flags & BPF_F_INNER_MAP) == 0;
      if (exact_size &&
          (map.type == MapType::BPF_MAP_TYPE_ARRAY ||
           map.type == MapType::BPF_MAP_TYPE_PERCPU_ARRAY) &&
          helper.id == spec::BPF_FUNC_map_lookup_elem && map.key_size == 4) {
        uint64_t key;
        if (constant_key_of(reg, 4, key)) {
          meta.constant_key = true;
          meta.key = static_cast<uint32_t>(key);
        }
      }
      return true;
    }
    case ArgKind::map_value:
      if (wanted.has(spec::kMaybeNull) && reg.is_null()) return true;
      if (meta.map < 0)
        return reject(Rule::internal, EACCES, "invalid map_ptr to access map->value");
      meta.raw_mode = wanted.has(spec::kUninit);
      return check_helper_memory(number, static_cast<int>(maps_[meta.map].map->value_size),
                                 access_of(wanted), false, &meta);
    case ArgKind::mem:
      meta.raw_mode = argument.has(spec::kUninit);
      if (argument.has(spec::kFixedSize)) {
        if (reg.is_null() && argument.has(spec::kMaybeNull)) return true;
        if (!check_helper_memory(number, argument.size, access_of(argument), false, &meta))
          return false;
        if (argument.has(spec::kAligned)) return check_alignment(reg, 0, argument.size, true);
      }
      return true;
    case ArgKind::mem_size:
    case ArgKind::mem_size_or_zero: {
      if (index == 0) return reject(Rule::internal, EFAULT, "size argument without memory");
      const spec::Argument& memory = helper.arguments[index - 1];
      return check_mem_size(number - 1, number, access_of(memory),
                            wanted.kind == ArgKind::mem_size_or_zero, &meta);
    }
    case ArgKind::alloc_size_or_zero:
      if (!reg.number.is_constant()) {
        return reject(Rule::constant_argument_needed, EACCES, "R{} is not a known constant'",
                      number);
      }
      if (reg.number.constant() >= kMaxSize) {
        return reject(Rule::bad_size_argument, EACCES, "R{} unbounded memory access", number);
      }
      meta.mem_size = static_cast<uint32_t>(reg.number.constant());
      mark_precise(number);
      return true;
    case ArgKind::spin_lock:
      if (helper.id == spec::BPF_FUNC_spin_lock) return process_spin_lock(number, true, meta);
      return process_spin_lock(number, false, meta);
    case ArgKind::func: meta.subprogram = reg.subprogram; return true;
    case ArgKind::const_str: {
      if (reg.is_null()) return true;
      const MapDescriptor& map = *maps_[reg.map].map;
      if ((map.map_flags & BPF_F_RDONLY_PROG) == 0 || !map.frozen) {
        return reject(Rule::bad_argument_type, EACCES, "R{} does not point to a readonly map'",
                      number);
      }
      if (!reg.number.is_constant()) {
        return reject(Rule::constant_argument_needed, EACCES, "R{} is not a constant address'",
                      number);
      }
      if (map.constant_value.empty()) {
        return reject(Rule::bad_argument_type, EACCES,
                      "no direct value access support for this map type");
      }
      const auto at = static_cast<uint64_t>(reg.off) + reg.number.constant();
      if (!check_map_access(number, 0, 1, false, true)) return false;
      if (at >= map.constant_value.size() ||
          std::memchr(map.constant_value.data() + at, 0, map.constant_value.size() - at) ==
              nullptr) {
        return reject(Rule::bad_argument_type, EINVAL, "string is not zero-terminated");
      }
      return true;
    }
    case ArgKind::timer:
    case ArgKind::kptr_xchg_dest:
    case ArgKind::dynptr:
    case ArgKind::percpu_btf_id:
    case ArgKind::arena:
      return reject(Rule::not_supported_here, EINVAL,
                    "func bpf_{}#{} is not supported by this verifier yet", helper.name, helper.id);
    case ArgKind::none:
    case ArgKind::anything:
    case ArgKind::scalar:
    case ArgKind::ctx:
    case ArgKind::socket:
    case ArgKind::sock_common:
    case ArgKind::btf_id:
    case ArgKind::btf_id_sock_common:
    case ArgKind::ringbuf_mem:
    case ArgKind::stack: return true;
  }
  return true;
}

// ---- the call

// Programs that may change a map of sockets: the others could deadlock with the socket's own locks.
static bool may_update_sockets(const Program& program, uint32_t helper) {
  if (helper != spec::BPF_FUNC_map_update_elem && helper != spec::BPF_FUNC_map_delete_elem)
    return true;
  switch (program.type) {
    case ProgType::BPF_PROG_TYPE_TRACING:
      return program.expected_attach_type == AttachType::BPF_TRACE_ITER;
    case ProgType::BPF_PROG_TYPE_SOCK_OPS: return helper == spec::BPF_FUNC_map_delete_elem;
    case ProgType::BPF_PROG_TYPE_SOCKET_FILTER:
    case ProgType::BPF_PROG_TYPE_SCHED_CLS:
    case ProgType::BPF_PROG_TYPE_SCHED_ACT:
    case ProgType::BPF_PROG_TYPE_XDP:
    case ProgType::BPF_PROG_TYPE_SK_REUSEPORT:
    case ProgType::BPF_PROG_TYPE_FLOW_DISSECTOR:
    case ProgType::BPF_PROG_TYPE_SK_LOOKUP: return true;
    default: return false;
  }
}

bool Verifier::check_map_compatible(int32_t map_index, const spec::Helper& helper) {
  if (map_index < 0) return true;
  const MapDescriptor& map = *maps_[map_index].map;
  const bool sockets =
      map.type == MapType::BPF_MAP_TYPE_SOCKMAP || map.type == MapType::BPF_MAP_TYPE_SOCKHASH;
  if (sockets && !may_update_sockets(program_, helper.id)) {
    return reject(Rule::bad_map_for_helper, EINVAL, "cannot update sockmap in this context");
  }
  const bool by_row = helper.map_types == 0 || in_set(helper.map_types, map.type);
  if (by_row && spec::map_helper_allowed(map.type, helper.id)) return true;
  return reject(Rule::bad_map_for_helper, EINVAL, "cannot pass map_type {} into func bpf_{}#{}",
                static_cast<uint32_t>(map.type), helper.name, helper.id);
}

bool Verifier::record_map(const CallMeta& meta) {
  const uint32_t id = meta.helper->id;
  if (meta.map < 0 || !remembers_map(id)) return true;
  if ((maps_[meta.map].map->map_flags & BPF_F_RDONLY_PROG) != 0 && writes_map(id)) {
    return reject(Rule::map_permission, EACCES, "write into map forbidden");
  }
  InsnAux& aux = aux_[insn_];
  // Only maps that the program names have an index in its table.
  const bool named = static_cast<size_t>(meta.map) < program_.maps.size();
  if (!named || (aux.map >= 0 && aux.map != meta.map)) aux.map_conflict = true;
  if (aux.map_conflict && id == spec::BPF_FUNC_tail_call && !allow_leaks_) {
    return reject(Rule::tail_call, EINVAL, "tail_call abusing map_ptr");
  }
  if (aux.map < 0) aux.map = meta.map;
  return true;
}

bool Verifier::record_key(const CallMeta& meta) {
  InsnAux& aux = aux_[insn_];
  bool known = meta.constant_key;
  uint32_t key = meta.key;
  if (meta.helper->id == spec::BPF_FUNC_tail_call) {
    const RegState& index = regs()[3];
    known = index.is_constant() && meta.map >= 0 &&
            index.number.constant() < maps_[meta.map].map->max_entries;
    key = static_cast<uint32_t>(index.number.constant());
    if (known) mark_precise(3);
  } else if (meta.helper->id != spec::BPF_FUNC_map_lookup_elem) {
    return true;
  }
  if (!known || (aux.key_seen && aux.key != key)) aux.key_unknown = true;
  aux.key_seen = true;
  aux.key = key;
  return true;
}

void Verifier::refine_helper_result(const spec::Helper& helper, CallMeta& meta) {
  RegState& r0 = regs()[0];
  if (!r0.is_scalar()) return;
  switch (helper.id) {
    case spec::BPF_FUNC_get_stack:
    case spec::BPF_FUNC_get_task_stack:
    case spec::BPF_FUNC_probe_read_str:
    case spec::BPF_FUNC_probe_read_kernel_str:
    case spec::BPF_FUNC_probe_read_user_str:
      if (meta.size_max <= static_cast<uint64_t>(std::numeric_limits<int32_t>::max())) {
        r0.number = scalar_signed_range(-kMaxErrno, static_cast<int64_t>(meta.size_max));
        r0.number.s32_min = -kMaxErrno;
        r0.number.s32_max = static_cast<int32_t>(meta.size_max);
        if (!sync_bounds(r0.number)) r0.number = Scalar{};
      }
      break;
    case spec::BPF_FUNC_get_smp_processor_id:
      r0.number = scalar_unsigned_range(0, kMaxCpus - 1);
      if (!sync_bounds(r0.number)) r0.number = Scalar{};
      break;
    default: break;
  }
}

bool Verifier::check_tail_call() { return check_resources_at_exit("tail_call"); }

bool Verifier::set_helper_result(const Insn&, const spec::Helper& helper, CallMeta& meta) {
  RegState& r0 = regs()[0];
  Flags flags = 0;
  if ((helper.return_flags & spec::kMaybeNull) != 0) flags |= kMaybeNull;
  if ((helper.return_flags & spec::kRingbufMem) != 0) flags |= kRingbuf;
  if ((helper.return_flags & spec::kReadOnly) != 0) flags |= kRdonly;
  const auto unsupported = [&] {
    return reject(Rule::not_supported_here, EINVAL,
                  "func bpf_{}#{} is not supported by this verifier yet", helper.name, helper.id);
  };
  switch (helper.returns) {
    case spec::ReturnKind::integer: mark_unknown(r0); break;
    case spec::ReturnKind::nothing: mark_not_init(r0); break;
    case spec::ReturnKind::map_value: {
      if (meta.map < 0)
        return reject(Rule::internal, EINVAL, "kernel subsystem misconfigured verifier");
      const MapInfo& info = maps_[meta.map];
      const bool in_range = meta.constant_key && meta.key < info.map->max_entries &&
                            helper.id == spec::BPF_FUNC_map_lookup_elem;
      if (in_range) flags &= static_cast<Flags>(~kMaybeNull);
      mark_pointer(r0, Base::map_value, flags);
      r0.map = static_cast<uint32_t>(meta.map);
      r0.map_uid = meta.map_uid;
      if ((flags & kMaybeNull) == 0 && info.field(SpecialField::Kind::spin_lock) != nullptr)
        r0.id = ++next_id_;
      break;
    }
    case spec::ReturnKind::socket: mark_pointer(r0, Base::socket, flags); break;
    case spec::ReturnKind::sock_common: mark_pointer(r0, Base::sock_common, flags); break;
    case spec::ReturnKind::tcp_sock: mark_pointer(r0, Base::tcp_sock, flags); break;
    case spec::ReturnKind::mem:
      mark_pointer(r0, Base::mem, flags);
      r0.mem_size = meta.mem_size;
      break;
    case spec::ReturnKind::btf_id: {
      // The struct's name, in the BTF that the program is attached through.
      if (kernel_btf_ == nullptr) return unsupported();
      const auto id = kernel_btf_->find(helper.return_btf_type, btf::Kind::Struct);
      if (!id) return unsupported();
      if ((helper.return_flags & spec::kTrusted) != 0) flags |= kTrusted;
      mark_pointer(r0, Base::btf_id, flags);
      r0.btf_type = *id;
      r0.map_uid = static_cast<uint32_t>(BtfOf::attach);
      break;
    }
    case spec::ReturnKind::mem_or_btf_id: return unsupported();
  }
  if (r0.maybe_null()) r0.id = ++next_id_;
  const MapType map_type = meta.map >= 0 ? maps_[meta.map].map->type : MapType::BPF_MAP_TYPE_UNSPEC;
  const bool acquires =
      helper.acquires ||
      (helper.id == spec::BPF_FUNC_map_lookup_elem &&
       (map_type == MapType::BPF_MAP_TYPE_SOCKMAP || map_type == MapType::BPF_MAP_TYPE_SOCKHASH));
  if (casts_pointer(helper.id)) {
    r0.ref_id = meta.ref_id;
  } else if (acquires) {
    const uint32_t id = acquire_reference(insn_);
    r0.id = r0.ref_id = id;
  }
  return true;
}

bool Verifier::check_helper_call(const Insn& insn) {
  const auto id = static_cast<uint32_t>(insn.imm);
  const spec::Helper* any = insn.imm > 0 ? spec::find_helper(id) : nullptr;
  if (any == nullptr) {
    // The loader leaves this where a CO-RE relocation found nothing.
    for (const CoreFailure& failure : program_.core_failures) {
      if (failure.insn_off != insn_) continue;
      explain("CO-RE: {}", failure.text);
      note("<invalid CO-RE relocation>\nfailed to resolve CO-RE relocation {}\n", failure.text);
    }
    return reject(Rule::unknown_helper, EINVAL, "invalid func {}#{}", "unknown", insn.imm);
  }
  const spec::Helper* found = spec::find_helper(id, program_.type);
  if (found != nullptr && found->attach_types != 0 &&
      !in_set(found->attach_types, program_.expected_attach_type)) {
    found = nullptr;
  }
  if (found != nullptr && found->since > profile_.version) {
    return reject(Rule::feature_not_in_kernel, EINVAL, "invalid func bpf_{}#{}", found->name, id);
  }
  if (found == nullptr) {
    explain("This is a {} program.", prog_type_->short_name);
    return reject(Rule::helper_not_allowed, EINVAL,
                  "program of this type cannot use helper bpf_{}#{}", any->name, id);
  }
  const spec::Helper& helper = *found;
  if (helper.gpl_only && !gpl_) {
    return reject(Rule::gpl_only_helper, EINVAL,
                  "cannot call GPL-restricted function from non-GPL compatible program");
  }
  if (helper.might_sleep && !cur_->sleepable) {
    return reject(Rule::sleepable_helper, EINVAL,
                  "helper call might sleep in a non-sleepable prog");
  }
  if (cur_->active_locks != 0 && id != spec::BPF_FUNC_spin_unlock &&
      id != spec::BPF_FUNC_spin_lock) {
    return reject(Rule::lock_held, EINVAL, "function calls are not allowed while holding a lock");
  }
  CallMeta meta;
  meta.helper = &helper;
  meta.packet_access = helper.packet_access;
  for (unsigned i = 0; i < 5; ++i) {
    const spec::Argument& argument = helper.arguments[i];
    if (argument.kind == ArgKind::none) break;
    if (!check_argument(i + 1, argument, helper, meta)) return false;
  }
  if (!check_map_compatible(meta.map, helper) || !record_map(meta) || !record_key(meta))
    return false;

  // Memory that was to be filled is filled. All or nothing of a slot is overwritten, whatever was there.
  if (meta.access_size > 0) {
    const RegState memory = regs()[meta.register_number];
    const int first = memory.off + static_cast<int>(memory.number.constant());
    if (!fill_stack(frame_of(memory), first, meta.access_size)) return false;
  }
  if (meta.release_register != 0) {
    const bool ok =
        meta.ref_id != 0 ? release_reference(meta.ref_id) : regs()[meta.release_register].is_null();
    if (!ok) {
      return reject(Rule::reference_not_owned, EINVAL,
                    "func bpf_{}#{} reference has not been acquired before", helper.name, id);
    }
  }
  switch (id) {
    case spec::BPF_FUNC_tail_call:
      if (!check_tail_call()) return false;
      break;
    case spec::BPF_FUNC_get_local_storage:
      if (!regs()[2].is_null()) {
        return reject(Rule::constant_argument_needed, EINVAL,
                      "get_local_storage() doesn't support non-zero flags");
      }
      break;
    case spec::BPF_FUNC_loop:
      // How often it goes round is what the walk relies on.
      mark_precise(1);
      if (frame().callback_depth < regs()[1].number.umax) {
        if (!push_callback(insn, meta.subprogram, helper, meta)) return false;
      } else {
        frame().callback_depth = 0;
        if (logging_all()) log("frame{} bpf_loop iteration limit reached\n", frame().frame);
      }
      break;
    case spec::BPF_FUNC_for_each_map_elem:
      if (!push_callback(insn, meta.subprogram, helper, meta)) return false;
      break;
    default:
      if (helper.has_callback()) {
        return reject(Rule::not_supported_here, EINVAL,
                      "func bpf_{}#{} is not supported by this verifier yet", helper.name, id);
      }
      break;
  }
  clear_caller_saved();
  if (!set_helper_result(insn, helper, meta)) return false;
  refine_helper_result(helper, meta);
  if (helper.changes_packet) invalidate_packet_pointers(*cur_);
  return true;
}

Step Verifier::check_call(const Insn& insn) {
  ++jumps_processed_;
  if (insn.src == BPF_PSEUDO_CALL) return check_function_call(insn);
  if (insn.src == BPF_PSEUDO_KFUNC_CALL) {
    reject(Rule::bad_kfunc, EINVAL,
           "calling kernel function is not supported without CONFIG_DEBUG_INFO_BTF");
    return Step::failed;
  }
  return check_helper_call(insn) ? Step::next : Step::failed;
}

}  // namespace skep::verifier
