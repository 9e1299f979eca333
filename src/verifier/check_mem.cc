// Loads, stores and atomics: what the pointer points to decides what is checked.
#include <algorithm>
#include <cstring>

#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

using namespace isa;

namespace {

constexpr uint64_t kMaxOffset = uint64_t{1} << 29;
constexpr int kIpAlign = 2;  // what the kernel assumes of where a packet starts

// One instruction's code is made for one kind of these.
bool needs_one_kind(Base base, Flags flags) {
  switch (base) {
    case Base::ctx:
    case Base::socket:
    case Base::sock_common:
    case Base::tcp_sock:
    case Base::xdp_sock:
    case Base::arena: return true;
    case Base::btf_id: return (flags & kUntrusted) == 0;
    default: return false;
  }
}

}  // namespace

bool Verifier::note_pointer_type(const RegState& reg) {
  InsnAux& aux = aux_[insn_];
  if (aux.pointer == Base::not_init) {
    aux.pointer = reg.base;
    aux.pointer_flags = reg.flags;
    return true;
  }
  if (aux.pointer == reg.base && aux.pointer_flags == reg.flags) return true;
  if (needs_one_kind(reg.base, reg.flags) || needs_one_kind(aux.pointer, aux.pointer_flags)) {
    return reject(Rule::same_insn_different_pointers, EINVAL,
                  "same insn cannot be used with different pointers");
  }
  return true;
}

bool Verifier::check_alignment(const RegState& reg, int32_t off, unsigned size, bool strict) {
  strict |= strict_alignment_;
  std::string_view what;
  int ip_align = -1;
  switch (reg.base) {
    case Base::packet:
    case Base::packet_meta: ip_align = kIpAlign; break;
    case Base::flow_keys: what = "flow keys "; break;
    case Base::map_key: what = "key "; break;
    case Base::map_value: what = "value "; break;
    case Base::ctx: what = "context "; break;
    case Base::stack:
      what = "stack ";
      strict = true;  // a slot holds one aligned access
      break;
    case Base::socket: what = "sock "; break;
    case Base::sock_common: what = "sock_common "; break;
    case Base::tcp_sock: what = "tcp_sock "; break;
    case Base::xdp_sock: what = "xdp_sock "; break;
    case Base::arena: return true;
    default: break;
  }
  if (!strict || size == 1) return true;
  const int64_t fixed = int64_t{reg.off} + off + std::max(ip_align, 0);
  const Tnum at = tnum_add(reg.number.var_off, tnum_constant(static_cast<uint64_t>(fixed)));
  if (tnum_is_aligned(at, size)) return true;
  if (profile_.version >= kernel_version(7, 0)) {
    const Tnum whole =
        tnum_add(reg.number.var_off, tnum_constant(static_cast<uint64_t>(int64_t{reg.off})));
    const std::string place = whole.is_constant()
                                  ? fmt::format("{}", static_cast<int64_t>(whole.value))
                                  : tnum_text(whole);
    return ip_align >= 0
               ? reject(Rule::misaligned_access, EACCES,
                        "misaligned packet access off {}+{}+{} size {}", ip_align, place, off, size)
               : reject(Rule::misaligned_access, EACCES, "misaligned {}access off {}+{} size {}",
                        what, place, off, size);
  }
  const std::string variable = tnum_text(reg.number.var_off);
  if (ip_align >= 0) {
    return reject(Rule::misaligned_access, EACCES,
                  "misaligned packet access off {}+{}+{}+{} size {}", ip_align, variable, reg.off,
                  off, size);
  }
  return reject(Rule::misaligned_access, EACCES, "misaligned {}access off {}+{}+{} size {}", what,
                variable, reg.off, off, size);
}

// [off, off + size) lies in [0, region).
bool Verifier::check_region_fixed(unsigned number, int64_t off, int64_t size, uint64_t region,
                                  bool zero_size_allowed) {
  const bool size_ok = size > 0 || (size == 0 && zero_size_allowed);
  if (off >= 0 && size_ok && static_cast<uint64_t>(off) + static_cast<uint64_t>(size) <= region)
    return true;
  const RegState& reg = regs()[number];
  switch (reg.base) {
    case Base::map_key:
      note("invalid access to map key, key_size={} off={} size={}\n", region, off, size);
      break;
    case Base::map_value:
      note("invalid access to map value, value_size={} off={} size={}\n", region, off, size);
      break;
    case Base::packet:
    case Base::packet_meta:
    case Base::packet_end:
      if (profile_.version >= kernel_version(7, 0)) {
        // Counted from where the packet starts, as far as that is known.
        const auto most = static_cast<int64_t>(reg.number.umax & 0xffff);
        note("invalid access to packet, off={} size={}, R{}(id={},off={},r={})\n", off + most, size,
             number, reg.id, off + most, static_cast<int64_t>(region) + (region != 0 ? most : 0));
        break;
      }
      note("invalid access to packet, off={} size={}, R{}(id={},off={},r={})\n", off, size, number,
           reg.id, off, static_cast<int64_t>(region));
      break;
    case Base::ctx:
      note("invalid access to context, ctx_size={} off={} size={}\n", region, off, size);
      break;
    default:
      note("invalid access to memory, mem_size={} off={} size={}\n", region, off, size);
      break;
  }
  return false;
}

static Rule rule_of(const RegState& reg) {
  switch (reg.base) {
    case Base::map_key:
    case Base::map_value: return Rule::map_value_out_of_bounds;
    case Base::packet:
    case Base::packet_meta: return Rule::packet_out_of_bounds;
    default: return Rule::mem_out_of_bounds;
  }
}

bool Verifier::check_region(unsigned number, int64_t off, int64_t size, uint64_t region,
                            bool zero_size_allowed) {
  const RegState& reg = regs()[number];
  const int64_t smin = reg.number.smin;
  const auto known = [&] {
    if (reg.number.is_constant()) {
      explain("Here R{} + {} to {} is accessed; the {} has bytes 0 to {}.", number, smin + off,
              smin + off + size - 1, type_text(reg), static_cast<int64_t>(region) - 1);
      return;
    }
    const std::string most = reg.number.umax < kMaxOffset
                                 ? fmt::format("{}", static_cast<int64_t>(reg.number.umax) + off)
                                 : "anything";
    explain(
        "Here the offset of {} bytes from R{} may be {} to {}; the {} has {} bytes, so it must be "
        "0 to {}.",
        size, number,
        smin < -static_cast<int64_t>(kMaxOffset) ? "anything" : fmt::format("{}", smin + off), most,
        type_text(reg), region, static_cast<int64_t>(region) - size);
  };
  // The fixed part of the pointer counts as the register's since 7.0, as the instruction's before.
  const bool fixed_counts = profile_.version >= kernel_version(7, 0);
  const int64_t least =
      smin < -static_cast<int64_t>(kMaxOffset) || !fixed_counts ? smin : smin + reg.off;
  if (least < 0 && (smin < -static_cast<int64_t>(kMaxOffset) || smin + off < 0)) {
    known();
    return reject(
        Rule::negative_offset, EACCES,
        "R{} min value is negative, either use unsigned index or do a if (index >=0) check.",
        number);
  }
  if (smin > static_cast<int64_t>(kMaxOffset) ||
      !check_region_fixed(number, smin + off, size, region, zero_size_allowed)) {
    known();
    return reject(rule_of(reg), EACCES, "R{} min value is outside of the allowed memory range",
                  number);
  }
  if (reg.number.umax >= kMaxOffset) {
    known();
    return reject(Rule::unbounded_access, EACCES,
                  "R{} unbounded memory access, make sure to bounds check any such access", number);
  }
  if (!check_region_fixed(number, static_cast<int64_t>(reg.number.umax) + off, size, region,
                          zero_size_allowed)) {
    known();
    return reject(rule_of(reg), EACCES, "R{} max value is outside of the allowed memory range",
                  number);
  }
  return true;
}

bool Verifier::check_map_access(unsigned number, int32_t off_in, unsigned size,
                                bool zero_size_allowed, bool by_helper) {
  const RegState& reg = regs()[number];
  const MapInfo& info = maps_[reg.map];
  const int64_t off = int64_t{off_in} + (by_helper ? reg.off : 0);
  if (!check_region(number, off, size, info.map->value_size, zero_size_allowed)) return false;
  for (const SpecialField& field : info.fields) {
    const int64_t first = reg.number.smin + off;
    const int64_t past = static_cast<int64_t>(reg.number.umax) + off + size;
    if (first >= field.offset + field.size || field.offset >= past) continue;
    if (field.is_kptr()) {
      std::string_view problem;
      if (by_helper) {
        problem = "kptr cannot be accessed indirectly by helper";
      } else if (!reg.number.is_constant()) {
        problem = "kptr access cannot have variable offset";
      } else if (first != field.offset) {
        return reject(Rule::special_field_accessed, EACCES,
                      "kptr access misaligned expected={} off={}", field.offset, first);
      } else if (size != 8) {
        problem = "kptr access size must be BPF_DW";
      }
      if (problem.empty()) continue;
      return reject(Rule::special_field_accessed, EACCES, "{}", problem);
    }
    return reject(Rule::special_field_accessed, EACCES,
                  "{} cannot be accessed directly by load/store", field.name);
  }
  return true;
}

bool Verifier::check_map_permission(unsigned number, int32_t off, unsigned size, Access access) {
  const MapDescriptor& map = *maps_[regs()[number].map].map;
  if (access == Access::write && (map.map_flags & BPF_F_RDONLY_PROG) != 0) {
    return reject(Rule::map_permission, EACCES,
                  "write into map forbidden, value_size={} off={} size={}", map.value_size,
                  off + static_cast<int64_t>(regs()[number].number.smin), size);
  }
  if (access == Access::read && (map.map_flags & BPF_F_WRONLY_PROG) != 0) {
    return reject(Rule::map_permission, EACCES,
                  "read from map forbidden, value_size={} off={} size={}", map.value_size,
                  off + static_cast<int64_t>(regs()[number].number.smin), size);
  }
  return true;
}

bool Verifier::may_access_packet(Access access, const CallMeta* meta) const {
  if (meta != nullptr) return meta->packet_access;
  if (prog_type_ == nullptr || !prog_type_->direct_packet_access) return false;
  return access == Access::read || prog_type_->can_write_packet;
}

bool Verifier::check_packet_access(unsigned number, int32_t off, unsigned size,
                                   bool zero_size_allowed) {
  const RegState& reg = regs()[number];
  if (reg.number.smin < 0) {
    return reject(
        Rule::negative_offset, EACCES,
        "R{} min value is negative, either use unsigned index or do a if (index >=0) check.",
        number);
  }
  // The range is counted from where the variable part ends: `off` is all that there is to compare.
  if (!(reg.range < 0 && size != 0) &&
      check_region_fixed(number, off, size, static_cast<uint64_t>(std::max(reg.range, 0)),
                         zero_size_allowed)) {
    return true;
  }
  explain("{} bytes at offset {} are accessed; {}.", size, off,
          reg.range > 0
              ? fmt::format("only the first {} were compared with the packet's end", reg.range)
              : std::string("no byte was compared with the packet's end on this path"));
  if (profile_.version < kernel_version(7, 0) || reg.range < 0)
    return reject(Rule::packet_out_of_bounds, EACCES, "R{} offset is outside of the packet",
                  number);
  if (off < 0) {
    message_.clear();
    return reject(
        Rule::negative_offset, EACCES,
        "R{} min value is negative, either use unsigned index or do a if (index >=0) check.",
        number);
  }
  return reject(Rule::packet_out_of_bounds, EACCES,
                "R{} {} value is outside of the allowed memory range", number,
                reg.number.is_constant() ? "min" : "max");
}

// Contexts, maps and the like must be used as they were given.
bool Verifier::check_fixed_pointer(const RegState& reg, unsigned number, bool fixed_ok) {
  const std::string type = type_text(reg);
  if (reg.off < 0) {
    return reject(Rule::negative_offset, EACCES, "negative offset {} ptr R{} off={} disallowed",
                  type, number, reg.off);
  }
  if (!fixed_ok && reg.off != 0) {
    return reject(Rule::pointer_arithmetic, EACCES,
                  "dereference of modified {} ptr R{} off={} disallowed", type, number, reg.off);
  }
  if (!reg.number.is_constant() || reg.number.constant() != 0) {
    return reject(Rule::pointer_arithmetic, EACCES, "variable {} access var_off={} disallowed",
                  type, tnum_text(reg.number.var_off));
  }
  return true;
}

bool Verifier::check_buffer(const RegState& reg, unsigned number, int32_t off, int size,
                            std::string_view what, bool zero_size_allowed, uint32_t& max) {
  if (off < 0 || (size == 0 && !zero_size_allowed)) {
    return reject(Rule::mem_out_of_bounds, EACCES, "R{} invalid {} buffer access: off={}, size={}",
                  number, what, off, size);
  }
  if (!reg.number.is_constant() || reg.number.constant() != 0) {
    return reject(Rule::mem_out_of_bounds, EACCES,
                  "R{} invalid variable buffer offset: off={}, var_off={}", number, off,
                  tnum_text(reg.number.var_off));
  }
  max = std::max(max, static_cast<uint32_t>(off + size));
  return true;
}

// Frozen maps that programs can't write are constants.
bool Verifier::constant_map_load(const RegState& reg, int32_t off, unsigned size, uint64_t& value) {
  const MapDescriptor& map = *maps_[reg.map].map;
  if (!reg.number.is_constant() || map.constant_value.empty() ||
      (map.map_flags & BPF_F_RDONLY_PROG) == 0 || !map.frozen ||
      map.type != MapType::BPF_MAP_TYPE_ARRAY || map.max_entries != 1) {
    return false;
  }
  const uint64_t at = static_cast<uint64_t>(off) + reg.number.constant();
  if (at > map.constant_value.size() || map.constant_value.size() - at < size) return false;
  value = 0;
  std::memcpy(&value, map.constant_value.data() + at, size);
  return true;
}

void Verifier::truncate_loaded(RegState& reg, unsigned size, bool sign_extended) {
  if (size >= 8) return;
  // What comes back differs from what was there unless the cut bits were clear.
  const uint64_t fits =
      sign_extended ? (uint64_t{1} << (8 * size - 1)) - 1 : (uint64_t{1} << (8 * size)) - 1;
  if (reg.number.umax > fits) {
    reg.id = 0;
    reg.off = 0;
  }
  reg.number = sign_extended ? scalar_sign_extend(reg.number, 8 * size, true)
                             : scalar_zero_extend(reg.number, size);
  if (!sync_bounds(reg.number)) reg.number = scalar_of_load(size, sign_extended);
}

bool Verifier::check_access(unsigned number, int32_t insn_off, unsigned size, Access access,
                            int value, bool strict_once, bool sign_extended) {
  const RegState reg = regs()[number];  // `value` may be the same register
  if (!check_alignment(reg, insn_off, size, strict_once)) return false;
  const int64_t wide = int64_t{insn_off} + reg.off;
  if (wide != static_cast<int32_t>(wide)) {
    return reject(Rule::pointer_out_of_range, EACCES, "{} pointer offset {} is not allowed",
                  type_text(reg), wide);
  }
  const auto off = static_cast<int32_t>(wide);
  const bool writes = access == Access::write;
  const auto leaks = [&](std::string_view where) {
    if (!writes || value < 0 || !is_pointer_value(static_cast<unsigned>(value))) return true;
    return reject(Rule::pointer_leaked, EACCES, "R{} leaks addr into {}", value, where);
  };
  const auto loaded_number = [&] {
    if (!writes && value >= 0) mark_unknown(static_cast<unsigned>(value));
  };
  const auto bad_pointer = [&] {
    return reject(reg.maybe_null() ? Rule::maybe_null_dereferenced : Rule::not_a_pointer, EACCES,
                  "R{} invalid mem access '{}'", number, type_text(reg));
  };
  if (reg.maybe_null()) return bad_pointer();

  switch (reg.base) {
    case Base::map_key: {
      if (writes)
        return reject(Rule::read_only_memory, EACCES, "write to change key R{} not allowed",
                      number);
      if (!check_region(number, off, size, maps_[reg.map].map->key_size, false)) return false;
      loaded_number();
      break;
    }
    case Base::map_value: {
      if (!leaks("map") || !check_map_permission(number, off, size, access) ||
          !check_map_access(number, off, size, false, false)) {
        return false;
      }
      if (reg.number.is_constant()) {
        const SpecialField* kptr =
            maps_[reg.map].kptr_at(off + static_cast<int64_t>(reg.number.constant()));
        if (kptr != nullptr) {
          if (!check_kptr_access(*kptr, value)) return false;
          break;
        }
      }
      uint64_t constant;
      if (!writes && value >= 0 && constant_map_load(reg, off, size, constant)) {
        mark_constant(regs()[value], constant);
        regs()[value].precise = !capable_;
        break;
      }
      loaded_number();
      break;
    }
    case Base::mem: {
      if (writes && (reg.flags & kRdonly) != 0) {
        return reject(Rule::read_only_memory, EACCES, "R{} cannot write into {}", number,
                      type_text(reg));
      }
      if (!leaks("mem")) return false;
      if ((reg.flags & kUntrusted) != 0) {
        // It may point anywhere: loads are made so that they can't fault.
        if (!allow_leaks_) {
          return reject(Rule::not_privileged, EPERM,
                        "{} access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN",
                        type_text(reg));
        }
        aux_[insn_].probe = true;
      } else if (!check_region(number, off, size, reg.mem_size, false)) {
        return false;
      }
      loaded_number();
      break;
    }
    case Base::ctx:
      if (!leaks("ctx")) return false;
      if (!check_context_access(reg, number, off, size, access, value, sign_extended)) return false;
      break;
    case Base::stack:
      if (!check_stack_bounds(number, off, size, false, access)) return false;
      if (!(writes ? check_stack_write(number, off, size, value)
                   : check_stack_read(number, off, size, value))) {
        return false;
      }
      break;
    case Base::packet:
    case Base::packet_meta:
      if (writes && !may_access_packet(Access::write, nullptr)) {
        return reject(Rule::packet_not_writable, EACCES, "cannot write into packet");
      }
      if (!leaks("packet") || !check_packet_access(number, off, size, false)) return false;
      loaded_number();
      break;
    case Base::flow_keys:
      if (!leaks("flow keys") || !check_socket_access(number, off, size, access)) return false;
      loaded_number();
      break;
    case Base::socket:
    case Base::sock_common:
    case Base::tcp_sock:
    case Base::xdp_sock:
      if (writes) {
        return reject(Rule::read_only_memory, EACCES, "R{} cannot write into {}", number,
                      type_text(reg));
      }
      if (!check_socket_access(number, off, size, access)) return false;
      loaded_number();
      break;
    case Base::tp_buffer: {
      if (!check_buffer(reg, number, off, static_cast<int>(size), "tracepoint", false,
                        accesses_.tracepoint_buffer))
        return false;
      loaded_number();
      break;
    }
    case Base::btf_id:
      if (!check_btf_access(number, off, size, access, value)) return false;
      break;
    case Base::buf: {
      if (writes && (reg.flags & kRdonly) != 0) {
        return reject(Rule::read_only_memory, EACCES, "R{} cannot write into {}", number,
                      type_text(reg));
      }
      uint32_t& max = (reg.flags & kRdonly) != 0 ? accesses_.rdonly_buffer : accesses_.rdwr_buffer;
      const std::string_view what = (reg.flags & kRdonly) != 0 ? "rdonly" : "rdwr";
      if (!leaks("mem") ||
          !check_buffer(reg, number, off, static_cast<int>(size), what, false, max))
        return false;
      loaded_number();
      break;
    }
    case Base::const_map:
      if (!check_map_pointer_access(number, off, size, access, value)) return false;
      break;
    case Base::arena: loaded_number(); break;
    case Base::not_init:
    case Base::scalar:
    case Base::packet_end:
    case Base::func:
    case Base::dynptr:
    case Base::iterator:
    case Base::irq_flag: return bad_pointer();
  }
  if (!writes && value >= 0 && regs()[value].is_scalar())
    truncate_loaded(regs()[value], size, sign_extended);
  return true;
}

bool Verifier::check_load(const Insn& insn) {
  if (!check_read(insn.src) || !check_write(insn.dst, false)) return false;
  const RegState pointer = regs()[insn.src];
  return check_access(insn.src, insn.off, insn.access_size(), Access::read, insn.dst, false,
                      insn.mode() == BPF_MEMSX) &&
         note_pointer_type(pointer);
}

bool Verifier::check_store(const Insn& insn) {
  if (insn.cls() == BPF_STX && !check_read(insn.src)) return false;
  if (!check_read(insn.dst)) return false;
  const RegState pointer = regs()[insn.dst];
  return check_access(insn.dst, insn.off, insn.access_size(), Access::write,
                      insn.cls() == BPF_STX ? insn.src : -1) &&
         note_pointer_type(pointer);
}

bool Verifier::check_atomic(const Insn& insn) {
  const unsigned size = insn.access_size();
  const auto pointer_ok = [&](unsigned number) {
    const RegState& reg = regs()[number];
    switch (reg.base) {
      case Base::ctx:
      case Base::packet:
      case Base::packet_meta:
      case Base::flow_keys:
      case Base::socket:
      case Base::sock_common:
      case Base::tcp_sock:
      case Base::xdp_sock: return false;
      default: return true;
    }
  };
  if (insn.imm == BPF_LOAD_ACQ) {
    if (!check_read(insn.src) || !check_write(insn.dst, false)) return false;
    if (!pointer_ok(insn.src)) {
      return reject(Rule::bad_atomic, EACCES, "BPF_ATOMIC loads from R{} {} is not allowed",
                    unsigned{insn.src}, type_text(regs()[insn.src]));
    }
    const RegState pointer = regs()[insn.src];
    return check_access(insn.src, insn.off, size, Access::read, insn.dst, true) &&
           note_pointer_type(pointer);
  }
  if (insn.imm == BPF_STORE_REL) {
    if (!check_read(insn.src) || !check_read(insn.dst)) return false;
    if (!pointer_ok(insn.dst)) {
      return reject(Rule::bad_atomic, EACCES, "BPF_ATOMIC stores into R{} {} is not allowed",
                    unsigned{insn.dst}, type_text(regs()[insn.dst]));
    }
    const RegState pointer = regs()[insn.dst];
    return check_access(insn.dst, insn.off, size, Access::write, insn.src, true) &&
           note_pointer_type(pointer);
  }
  if (size < 4) return reject(Rule::bad_atomic, EINVAL, "invalid atomic operand size");
  if (!check_read(insn.src) || !check_read(insn.dst)) return false;
  if (insn.imm == BPF_CMPXCHG) {
    if (!check_read(0)) return false;
    if (is_pointer_value(0)) return reject(Rule::pointer_leaked, EACCES, "R0 leaks addr into mem");
  }
  if (is_pointer_value(insn.src)) {
    return reject(Rule::pointer_leaked, EACCES, "R{} leaks addr into mem", unsigned{insn.src});
  }
  if (!pointer_ok(insn.dst)) {
    return reject(Rule::bad_atomic, EACCES, "BPF_ATOMIC stores into R{} {} is not allowed",
                  unsigned{insn.dst}, type_text(regs()[insn.dst]));
  }
  int fetched = -1;
  if ((insn.imm & BPF_FETCH) != 0) fetched = insn.imm == BPF_CMPXCHG ? 0 : insn.src;
  const RegState pointer = regs()[insn.dst];
  if (!check_access(insn.dst, insn.off, size, Access::read, -1, true)) return false;
  // The memory is written through the pointer as it was; the fetched register may be the pointer.
  RegState after;
  if (fetched >= 0) {
    if (!check_write(static_cast<unsigned>(fetched), false)) return false;
    const RegState before = regs()[fetched];
    if (!check_access(insn.dst, insn.off, size, Access::read, fetched, true)) return false;
    after = regs()[fetched];
    regs()[fetched] = before;
  }
  if (!check_access(insn.dst, insn.off, size, Access::write, -1, true)) return false;
  if (fetched >= 0) regs()[fetched] = after;
  return note_pointer_type(pointer);
}

}  // namespace skep::verifier
