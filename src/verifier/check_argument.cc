// Arguments of helper calls: each register against the helper's row (spec/helpers.h).
#include <algorithm>
#include <cstring>

#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

using namespace isa;
using spec::ArgKind;

namespace {

constexpr uint64_t kMaxSize = uint64_t{1} << 29;

// Types of registers that a kind of argument takes, in the order that the kernel names them.
struct Accepted {
  Base base;
  Flags flags;
};
constexpr Accepted kMemory[] = {
    {Base::stack, 0},      {Base::packet, 0},    {Base::packet_meta, 0},
    {Base::map_key, 0},    {Base::map_value, 0}, {Base::mem, 0},
    {Base::mem, kRingbuf}, {Base::buf, 0},       {Base::btf_id, kTrusted}};
constexpr Accepted kSpinLock[] = {{Base::map_value, 0}, {Base::btf_id, kAlloc}};
constexpr Accepted kKptrPlace[] = {{Base::map_value, 0},
                                   {Base::btf_id, kAlloc},
                                   {Base::btf_id, kAlloc | kNonOwning},
                                   {Base::btf_id, kAlloc | kNonOwning | kRcu}};
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
    case ArgKind::spin_lock: return kSpinLock;
    case ArgKind::kptr_xchg_dest: return kKptrPlace;
    case ArgKind::timer:
    case ArgKind::const_str: return kMapValue;
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

}  // namespace

// ---- one argument

bool Verifier::check_argument_type(unsigned number, const spec::Argument& argument,
                                   CallMeta& meta) {
  const RegState& reg = regs()[number];
  const std::span<const Accepted> accepted = accepted_by(argument.kind);
  Flags flags = reg.flags;
  if (argument.has(spec::kReadOnly)) flags &= static_cast<Flags>(~kRdonly);
  if (argument.has(spec::kMaybeNull)) flags &= static_cast<Flags>(~kMaybeNull);
  if (argument.kind == ArgKind::mem) flags &= static_cast<Flags>(~kPacketSlice);
  const bool xchg = meta.helper != nullptr && meta.helper->id == spec::BPF_FUNC_kptr_xchg;
  if (xchg && number == 2) flags &= static_cast<Flags>(~(kAlloc | kPercpu));
  bool ok = false;
  for (const Accepted& type : accepted) ok |= type.base == reg.base && type.flags == flags;
  // A system call program's context is memory like any other.
  const bool context_memory =
      accepted.data() == kMemory && profile_.version >= kernel_version(7, 0);
  ok |= context_memory && reg.is(Base::ctx) && flags == 0;
  if (!ok) {
    note("R{} type={} expected=", number, type_text(reg));
    for (size_t i = 0; i < accepted.size(); ++i) {
      note("{}{}", i == 0 ? "" : ", ", type_text(accepted[i].base, accepted[i].flags));
    }
    if (context_memory) note(", ctx");
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
  if (argument.kind == ArgKind::spin_lock || argument.kind == ArgKind::kptr_xchg_dest ||
      argument.kind == ArgKind::percpu_btf_id) {
    return true;
  }
  const bool release = argument.has(spec::kRelease);
  if (xchg && number == 2) {
    // A kernel object may not be null; one of the program's own may.
    if (meta.kptr == nullptr) return reject(Rule::internal, EFAULT, "kptr_xchg without a kptr");
    if (btf_kind(reg) == BtfOf::attach && reg.maybe_null()) {
      return reject(Rule::argument_maybe_null, EACCES, "Possibly NULL pointer passed to helper R{}",
                    number);
    }
    return check_kptr_fits(*meta.kptr, number);
  }
  if (reg.maybe_null() && (!argument.has(spec::kMaybeNull) || release)) {
    return reject(Rule::argument_maybe_null, EACCES, "Possibly NULL pointer passed to helper R{}",
                  number);
  }
  std::string_view wanted = argument.btf_type;
  if (argument.kind == ArgKind::btf_id_sock_common) wanted = "sock_common";
  if (wanted.empty() || kernel_btf_ == nullptr) return true;
  if (!check_fixed_pointer(reg, number, true)) return false;
  const auto id = kernel_btf_->find(wanted, btf::Kind::Struct);
  const btf::Btf* btf = btf_of(btf_kind(reg));
  const bool strict = release && meta.helper->id != spec::BPF_FUNC_sk_release;
  if (id && btf != nullptr &&
      struct_matches(*btf, reg.btf_type, reg.off, *kernel_btf_, *id, strict,
                     (reg.flags & kAlloc) == 0)) {
    return true;
  }
  return reject(Rule::bad_argument_type, EACCES, "R{} is of type {} but {} is expected", number,
                btf_type_name(reg), wanted);
}

bool Verifier::check_argument_offset(unsigned number, const spec::Argument& argument,
                                     bool release) {
  const RegState& reg = regs()[number];
  if (release && reg.is(Base::stack)) return true;  // a dynptr's place
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
    case Base::ctx:
      if (variable_context() && argument.kind == ArgKind::mem) return true;
      return check_fixed_pointer(reg, number, false);
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
    case Base::ctx:
      if (!variable_context()) break;
      if (!check_region(number, reg.off, size, kSyscallContext, zero_size_allowed)) return false;
      accesses_.context = std::max(
          accesses_.context, static_cast<uint32_t>(static_cast<uint64_t>(int64_t{reg.off}) +
                                                   reg.number.umax + static_cast<uint64_t>(size)));
      return true;
    case Base::btf_id:
      return check_btf_access(number, reg.off, static_cast<unsigned>(size), access, -1);
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
  // The spill must be as wide as the key: which of its bytes the key has would depend on the byte order.
  const bool wider = size < 8 && s.bytes[7 - size] == SlotByte::spill;
  if (spills != size || wider || off % 8 != 0 || !s.is_scalar_spill() || !s.spilled.is_constant())
    return false;
  // What is concluded from the key relies on its value.
  mark_precise_slot(of.frame, index);
  value = size == 8 ? s.spilled.number.constant()
                    : s.spilled.number.constant() & ((uint64_t{1} << (8 * size)) - 1);
  return true;
}

// A string in a map that nothing can change.
bool Verifier::check_const_string(unsigned number) {
  const RegState& reg = regs()[number];
  if (reg.is_null()) return true;
  const MapDescriptor& map = *maps_[reg.map].map;
  if ((map.map_flags & BPF_F_RDONLY_PROG) == 0 || !map.frozen) {
    return reject(Rule::bad_argument_type, EACCES, "R{} does not point to a readonly map'", number);
  }
  if (!reg.number.is_constant()) {
    return reject(Rule::constant_argument_needed, EACCES, "R{} is not a constant address'", number);
  }
  if (map.constant_value.empty()) {
    return reject(Rule::bad_argument_type, EACCES,
                  "no direct value access support for this map type");
  }
  const auto at = static_cast<uint64_t>(reg.off) + reg.number.constant();
  if (!check_map_access(number, 0, 1, false, true)) return false;
  if (at >= map.constant_value.size() ||
      std::memchr(map.constant_value.data() + at, 0, map.constant_value.size() - at) == nullptr) {
    return reject(Rule::bad_argument_type, EINVAL, "string is not zero-terminated");
  }
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
  // That it is null holds on this path.
  if (reg.is_null() && argument.has(spec::kMaybeNull)) mark_precise(number);
  if (!(reg.is_null() && argument.has(spec::kMaybeNull))) {
    if (!check_argument_type(number, wanted, meta) ||
        !check_argument_offset(number, wanted, release)) {
      return false;
    }
  }
  if (release && wanted.kind != ArgKind::dynptr) {
    if (reg.ref_id == 0 && !reg.is_null()) {
      if (profile_.version >= kernel_version(7, 0)) {
        return reject(Rule::reference_not_owned, EINVAL,
                      "release helper bpf_{} expects referenced PTR_TO_BTF_ID passed to R{}",
                      helper.name, number);
      }
      return reject(Rule::reference_not_owned, EINVAL,
                    "R{} must be referenced when passed to release function", number);
    }
    meta.release_register = static_cast<int>(number);
  }
  if (reg.ref_id != 0 && wanted.kind != ArgKind::dynptr) {
    if (meta.ref_id != 0 && profile_.version < kernel_version(7, 0)) {
      return reject(Rule::internal, EACCES, "more than one arg with ref_obj_id R{} {} {}", number,
                    reg.ref_id, meta.ref_id);
    }
    meta.ref_id = reg.ref_id;
  }
  const auto access_of = [](const spec::Argument& a) {
    return a.has(spec::kWrite) || a.has(spec::kUninit) ? Access::write : Access::read;
  };
  switch (wanted.kind) {
    case ArgKind::const_map_ptr: return check_same_map(number, meta);
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
      if (in_less_callback())
        return reject(Rule::lock_held, EACCES, "can't spin_{{lock,unlock}} in rbtree cb");
      return process_spin_lock(number, helper.id == spec::BPF_FUNC_spin_lock, ReferenceKind::lock);
    case ArgKind::func: meta.subprogram = reg.subprogram; return true;
    case ArgKind::const_str: return check_const_string(number);
    case ArgKind::timer:
      return check_map_field(number, SpecialField::Kind::timer, "bpf_timer", meta);
    case ArgKind::kptr_xchg_dest: return check_kptr_xchg(number, meta);
    case ArgKind::dynptr: {
      DynptrKind kind = DynptrKind::none;
      if (argument.has(spec::kDynptrLocal)) kind = DynptrKind::local;
      if (argument.has(spec::kDynptrRingbuf)) kind = DynptrKind::ringbuf;
      return check_dynptr(number, argument.has(spec::kUninit), release, kind, meta);
    }
    case ArgKind::percpu_btf_id:
      meta.return_btf = reg.btf_type;
      meta.percpu_btf = btf_kind(reg);
      return true;
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

}  // namespace skep::verifier
