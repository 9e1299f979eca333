// What can be said of a program's text without walking it: its functions, that jumps stay inside them,
// that every instruction is legal and reachable, where loops are; and where walk.cc must keep history
// (jump points) or may prune (prune points).
#include <algorithm>

#include "isa/legality.h"
#include "verifier/env.h"

namespace skep::verifier {

using namespace isa;

namespace {

constexpr size_t kMaxSubprograms = 256;

bool is_pseudo_func(const Insn& insn) { return is_ld_imm64(insn) && insn.src == BPF_PSEUDO_FUNC; }
bool is_jump_class(const Insn& insn) { return insn.cls() == BPF_JMP || insn.cls() == BPF_JMP32; }

}  // namespace

int Verifier::subprogram_at(uint32_t start) const {
  const auto found =
      std::lower_bound(subs_.begin(), subs_.end(), start,
                       [](const SubprogramInfo& s, uint32_t at) { return s.start < at; });
  return found != subs_.end() && found->start == start ? static_cast<int>(found - subs_.begin())
                                                       : -1;
}

uint32_t Verifier::subprogram_of(uint32_t insn) const {
  const auto after =
      std::upper_bound(subs_.begin(), subs_.end(), insn,
                       [](uint32_t at, const SubprogramInfo& s) { return at < s.start; });
  return static_cast<uint32_t>(after - subs_.begin()) - 1;
}

bool Verifier::find_subprograms() {
  std::vector<uint32_t> starts{0};
  for (uint32_t i = 0; i < count_; ++i) {
    const Insn& insn = insns_[i];
    const bool is_ld = is_ld_imm64(insn);
    if (is_pseudo_call(insn) || is_pseudo_func(insn)) {
      if (!capable_) {
        return reject_at(
            i, Rule::not_privileged, EPERM,
            "loading/calling other bpf or kernel functions are allowed for CAP_BPF and "
            "CAP_SYS_ADMIN");
      }
      if (is_ld ? !profile_.callbacks : !profile_.subprograms) {
        return reject_at(i, Rule::feature_not_in_kernel, EINVAL, "unrecognized bpf_ld_imm64 insn");
      }
      const int64_t target = int64_t{i} + 1 + insn.imm;
      if (target < 0 || target >= count_) {
        return reject_at(i, Rule::bad_call_target, EINVAL, "call to invalid destination");
      }
      starts.push_back(static_cast<uint32_t>(target));
    }
    if (is_ld) ++i;
  }
  std::sort(starts.begin(), starts.end());
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  if (starts.size() > kMaxSubprograms) {
    return reject_at(0, Rule::too_many_subprograms, E2BIG, "too many subprograms");
  }
  subs_.resize(starts.size());
  for (size_t s = 0; s < starts.size(); ++s) {
    subs_[s].start = starts[s];
    subs_[s].end = s + 1 < starts.size() ? starts[s + 1] : count_;
    if (logging_all() && starts.size() > 1) log("func#{} @{}\n", s, starts[s]);
  }
  return true;
}

bool Verifier::check_jumps_stay_inside() {
  for (SubprogramInfo& sub : subs_) {
    for (uint32_t i = sub.start; i < sub.end; ++i) {
      const Insn& insn = insns_[i];
      if (insn.opcode == (BPF_JMP | BPF_CALL) && insn.src == 0 &&
          insn.imm == spec::BPF_FUNC_tail_call) {
        sub.has_tail_call = sub.tail_call_reachable = true;
      }
      if (insn.cls() == BPF_LD && (insn.mode() == BPF_ABS || insn.mode() == BPF_IND))
        sub.has_ld_abs = true;
      if (is_jump(insn)) {
        const int64_t target = int64_t{i} + 1 + jump_offset(insn);
        if (target < sub.start || target >= sub.end) {
          return reject_at(i, Rule::bad_jump, EINVAL, "jump out of range from insn {} to {}", i,
                           target);
        }
      }
    }
    const Insn& last = insns_[sub.end - 1];
    // A function may end in bpf_throw, which does not come back.
    const bool throws = last.opcode == (BPF_JMP | BPF_CALL) && last.src == BPF_PSEUDO_KFUNC_CALL &&
                        kernel_btf_ != nullptr &&
                        kernel_btf_->type(static_cast<uint32_t>(last.imm)).name() == "bpf_throw";
    const bool exits = last.opcode == (BPF_JMP | BPF_EXIT) || throws;
    const bool jumps = last.opcode == (BPF_JMP | BPF_JA) || last.opcode == (BPF_JMP32 | BPF_JA);
    if (!exits && !jumps) {
      return reject_at(sub.end - 1, Rule::falls_off_end, EINVAL, "last insn is not an exit or jmp");
    }
  }
  return true;
}

// The kernel's words for a field that may not be set in such an instruction.
static std::string_view reserved_message(const Insn& insn) {
  switch (insn.cls()) {
    case BPF_ALU:
    case BPF_ALU64:
      if (insn.op() == BPF_NEG) return "BPF_NEG uses reserved fields";
      if (insn.op() == BPF_END) return "BPF_END uses reserved fields";
      if (insn.op() == BPF_MOV) return "BPF_MOV uses reserved fields";
      return "BPF_ALU uses reserved fields";
    case BPF_LDX: return "BPF_LDX uses reserved fields";
    case BPF_ST: return "BPF_ST uses reserved fields";
    case BPF_STX: return "BPF_STX uses reserved fields";
    case BPF_LD:
      return insn.mode() == BPF_IMM ? "BPF_LD_IMM64 uses reserved fields"
                                    : "BPF_LD_[ABS|IND] uses reserved fields";
    default: break;
  }
  switch (insn.op()) {
    case BPF_CALL: return "BPF_CALL uses reserved fields";
    case BPF_EXIT: return "BPF_EXIT uses reserved fields";
    case BPF_JA: return "BPF_JA uses reserved fields";
    default: return "BPF_JMP/JMP32 uses reserved fields";
  }
}

// A kernel variable that the program names.
bool Verifier::check_ksym(uint32_t i) {
  if (kernel_btf_ == nullptr) {
    return reject_at(
        i, Rule::not_supported_here, EINVAL,
        "kernel is missing BTF, make sure CONFIG_DEBUG_INFO_BTF=y is specified in Kconfig.");
  }
  const auto id = static_cast<uint32_t>(insns_[i].imm);
  const btf::Type type = kernel_btf_->type(id);
  if (type.kind() == btf::Kind::Func) return true;
  if (type.kind() != btf::Kind::Var) {
    return reject_at(i, Rule::bad_ld_imm64, EINVAL,
                     "pseudo btf_id {} in ldimm64 isn't KIND_VAR or KIND_FUNC", id);
  }
  return true;
}

// Locks and timers need contexts that some programs do not run in.
static std::string_view unfit_map(const MapInfo& info, ProgType type, KernelVersion version) {
  bool tracing = false;
  switch (type) {
    case ProgType::BPF_PROG_TYPE_KPROBE:
    case ProgType::BPF_PROG_TYPE_TRACEPOINT:
    case ProgType::BPF_PROG_TYPE_PERF_EVENT:
    case ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT:
    case ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE: tracing = true; break;
    default: break;
  }
  if (info.field(SpecialField::Kind::spin_lock) != nullptr) {
    if (type == ProgType::BPF_PROG_TYPE_SOCKET_FILTER)
      return "socket filter progs cannot use bpf_spin_lock yet";
    if (tracing) return "tracing progs cannot use bpf_spin_lock yet";
  }
  const bool any_context = version >= kernel_version(7, 0);  // timers start from anywhere
  if (tracing && !any_context && info.field(SpecialField::Kind::timer) != nullptr)
    return "tracing progs cannot use bpf_timer yet";
  if (tracing && !any_context && info.field(SpecialField::Kind::workqueue) != nullptr)
    return "tracing progs cannot use bpf_wq yet";
  if (info.map->type == MapType::BPF_MAP_TYPE_STRUCT_OPS)
    return "bpf_struct_ops map cannot be used in prog";
  return {};
}

// Sleepable programs are not protected by RCU: only maps that know it.
static bool fits_sleepable(MapType type, KernelVersion version) {
  switch (type) {
    case MapType::BPF_MAP_TYPE_HASH:
    case MapType::BPF_MAP_TYPE_LRU_HASH:
    case MapType::BPF_MAP_TYPE_ARRAY:
    case MapType::BPF_MAP_TYPE_PERCPU_HASH:
    case MapType::BPF_MAP_TYPE_PERCPU_ARRAY:
    case MapType::BPF_MAP_TYPE_LRU_PERCPU_HASH:
    case MapType::BPF_MAP_TYPE_ARRAY_OF_MAPS:
    case MapType::BPF_MAP_TYPE_HASH_OF_MAPS: return true;
    case MapType::BPF_MAP_TYPE_RINGBUF: return version >= kernel_version(5, 11);
    case MapType::BPF_MAP_TYPE_INODE_STORAGE:
    case MapType::BPF_MAP_TYPE_SK_STORAGE:
    case MapType::BPF_MAP_TYPE_TASK_STORAGE: return version >= kernel_version(5, 17);
    case MapType::BPF_MAP_TYPE_USER_RINGBUF:
    case MapType::BPF_MAP_TYPE_CGRP_STORAGE: return version >= kernel_version(6, 2);
    case MapType::BPF_MAP_TYPE_QUEUE:
    case MapType::BPF_MAP_TYPE_STACK:
    case MapType::BPF_MAP_TYPE_ARENA: return version >= kernel_version(6, 9);
    case MapType::BPF_MAP_TYPE_LPM_TRIE: return version >= kernel_version(7, 0);
    case MapType::BPF_MAP_TYPE_PROG_ARRAY: return version >= kernel_version(7, 0);
    default: return static_cast<uint32_t>(type) > 33 && version >= kernel_version(6, 18);
  }
}

// Every instruction is one that this kernel has, and every ld_imm64 names something that exists.
bool Verifier::resolve_immediates() {
  for (uint32_t i = 0; i < count_; ++i) {
    const Insn& insn = insns_[i];
    if (insn.dst >= kRegisters) {
      return reject_at(i, Rule::bad_register, EINVAL, "R{} is invalid", unsigned{insn.dst});
    }
    if (!is_ld_imm64(insn) && insn.src >= kRegisters) {
      return reject_at(i, Rule::bad_register, EINVAL, "R{} is invalid", unsigned{insn.src});
    }
    if (is_ld_imm64(insn)) {
      if (i + 1 >= count_) {
        return reject_at(i, Rule::bad_ld_imm64, EINVAL, "invalid bpf_ld_imm64 insn");
      }
      const Insn& high = insns_[i + 1];
      if (high.opcode != 0 || high.dst != 0 || high.src != 0 || high.off != 0) {
        return reject_at(i, Rule::bad_ld_imm64, EINVAL, "invalid bpf_ld_imm64 insn");
      }
      if (insn.off != 0) {
        return reject_at(i, Rule::reserved_field, EINVAL, "BPF_LD_IMM64 uses reserved fields");
      }
      aux_[i + 1].second_slot = true;
      const bool names_map = insn.src == BPF_PSEUDO_MAP_IDX || insn.src == BPF_PSEUDO_MAP_IDX_VALUE;
      if (names_map) {
        if (insn.imm < 0 || static_cast<size_t>(insn.imm) >= program_.maps.size()) {
          return reject_at(i, Rule::bad_ld_imm64, EBADF, "fd {} is not pointing to valid bpf_map",
                           insn.imm);
        }
        const MapDescriptor& map = program_.maps[static_cast<size_t>(insn.imm)];
        const std::string_view unfit =
            unfit_map(maps_[static_cast<size_t>(insn.imm)], program_.type, profile_.version);
        if (!unfit.empty()) return reject_at(i, Rule::bad_map_for_program, EINVAL, "{}", unfit);
        const bool sleeps = (program_.flags & kSleepableFlag) != 0;
        if (sleeps && !fits_sleepable(map.type, profile_.version)) {
          return reject_at(
              i, Rule::bad_map_for_program, EINVAL,
              "Sleepable programs can only use array, hash, ringbuf and local storage maps");
        }
        if (insn.src == BPF_PSEUDO_MAP_IDX && high.imm != 0) {
          return reject_at(i, Rule::bad_ld_imm64, EINVAL, "unrecognized bpf_ld_imm64 insn");
        }
        if (insn.src == BPF_PSEUDO_MAP_IDX_VALUE) {
          const auto off = static_cast<uint32_t>(high.imm);
          if (!profile_.direct_values) {
            return reject_at(i, Rule::feature_not_in_kernel, EINVAL,
                             "unrecognized bpf_ld_imm64 insn");
          }
          if (off >= (1u << 29)) {
            return reject_at(i, Rule::map_value_out_of_bounds, EINVAL,
                             "direct value offset of {} is not allowed", off);
          }
          const bool arena = map.type == MapType::BPF_MAP_TYPE_ARENA;
          if (!arena && (map.type != MapType::BPF_MAP_TYPE_ARRAY || map.max_entries != 1)) {
            return reject_at(i, Rule::bad_ld_imm64, EINVAL,
                             "no direct value access support for this map type");
          }
          if (!arena && off >= map.value_size) {
            return reject_at(i, Rule::map_value_out_of_bounds, EINVAL,
                             "invalid access to map value pointer, value_size={} off={}",
                             map.value_size, off);
          }
        }
      } else if (insn.src == BPF_PSEUDO_BTF_ID) {
        if (!check_ksym(i)) return false;
      } else if (insn.src == BPF_PSEUDO_MAP_FD || insn.src == BPF_PSEUDO_MAP_VALUE) {
        // The loader has made all of these indices; what is left names no map.
        return reject_at(i, Rule::bad_ld_imm64, EBADF, "fd {} is not pointing to valid bpf_map",
                         insn.imm);
      } else if (insn.src != 0 && insn.src != BPF_PSEUDO_FUNC) {
        return reject_at(i, Rule::bad_ld_imm64, EINVAL, "unrecognized bpf_ld_imm64 insn");
      }
      ++i;
      continue;
    }
    if (forms_of(insn.opcode).empty()) {
      return reject_at(i, Rule::bad_opcode, EINVAL, "unknown opcode {:02x}", insn.opcode);
    }
    const Form* form = form_of(insn);
    if (form == nullptr && insn.cls() == BPF_STX && insn.mode() == BPF_ATOMIC) {
      return reject_at(i, Rule::bad_atomic, EINVAL, "BPF_ATOMIC uses invalid atomic opcode {:02x}",
                       static_cast<uint32_t>(insn.imm));
    }
    if (form == nullptr) {
      return reject_at(i, Rule::reserved_field, EINVAL, "{}", reserved_message(insn));
    }
    const bool known = form->since < IsaVersion::kNone &&
                       (form->since != IsaVersion::kV4 || profile_.isa_v4) &&
                       (insn.cls() != BPF_JMP32 || profile_.jmp32);
    if (!known) {
      return reject_at(i, Rule::feature_not_in_kernel, EINVAL, "unknown opcode {:02x}",
                       insn.opcode);
    }
    if (insn.cls() == BPF_STX && insn.mode() == BPF_ATOMIC) {
      const bool ordered = insn.imm == BPF_LOAD_ACQ || insn.imm == BPF_STORE_REL;
      if ((insn.imm != BPF_ADD && !profile_.atomics) || (ordered && !profile_.load_acquire)) {
        return reject_at(i, Rule::feature_not_in_kernel, EINVAL,
                         "BPF_ATOMIC uses invalid atomic opcode {:02x}",
                         static_cast<uint32_t>(insn.imm));
      }
    }
    if (insn.opcode == (BPF_JMP | BPF_JCOND) && !profile_.may_goto) {
      return reject_at(i, Rule::feature_not_in_kernel, EINVAL, "unknown opcode {:02x}",
                       insn.opcode);
    }
  }
  return true;
}

// Depth first over all that calls and jumps can reach.
bool Verifier::check_control_flow() {
  enum : uint8_t { kNew, kOpen, kDone };
  std::vector<uint8_t> state(count_, kNew);
  std::vector<uint8_t> edge(count_, 0);
  std::vector<uint32_t> stack;

  const auto points_at = [&](uint32_t i) {
    aux_[i].prune_point = true;
    aux_[i].jump_point = true;
  };
  // The edges out of an instruction, in order; and the marks that they ask for.
  struct Edges {
    uint32_t to[2] = {};
    unsigned count = 0;
  };
  const auto edges_of = [&](uint32_t i) {
    Edges edges;
    const Insn& insn = insns_[i];
    const auto add = [&](uint32_t to) { edges.to[edges.count++] = to; };
    if (is_pseudo_func(insn)) {
      const uint32_t target = static_cast<uint32_t>(int64_t{i} + 1 + insn.imm);
      points_at(target);
      add(i + 2);
      add(target);
    } else if (is_ld_imm64(insn)) {
      add(i + 2);
    } else if (!is_jump_class(insn)) {
      add(i + 1);
    } else if (insn.op() == BPF_EXIT) {
    } else if (insn.op() == BPF_CALL) {
      const Kfunc* called = known_kfunc(insn);
      if (called == nullptr || called->special != SpecialKfunc::throw_) add(i + 1);
      if (insn.src == BPF_PSEUDO_CALL) {
        const uint32_t target = static_cast<uint32_t>(int64_t{i} + 1 + insn.imm);
        aux_[i].prune_point = true;
        if (i + 1 < count_) points_at(i + 1);
        points_at(target);
        add(target);
      } else if (const Kfunc* kfunc = known_kfunc(insn);
                 kfunc != nullptr && kfunc->has(spec::kKfuncIterNext)) {
        // A state is kept at each time round: loops end by what these know.
        aux_[i].iterator_next = aux_[i].prune_point = aux_[i].force_checkpoint = true;
      } else if (needs_callback(insn)) {
        aux_[i].calls_callback = aux_[i].force_checkpoint = true;
        points_at(i);
        if (i + 1 < count_) points_at(i + 1);
      }
    } else if (insn.op() == BPF_JA) {
      const uint32_t target = static_cast<uint32_t>(int64_t{i} + 1 + jump_offset(insn));
      points_at(target);
      add(target);
    } else {
      aux_[i].prune_point = true;
      if (insn.op() == BPF_JCOND) aux_[i].force_checkpoint = true;
      const uint32_t target = static_cast<uint32_t>(int64_t{i} + 1 + insn.off);
      add(i + 1);
      add(target);
      points_at(target);
    }
    return edges;
  };

  stack.push_back(0);
  state[0] = kOpen;
  while (!stack.empty()) {
    const uint32_t i = stack.back();
    const Edges edges = edges_of(i);
    if (edge[i] == edges.count) {
      state[i] = kDone;
      stack.pop_back();
      continue;
    }
    const uint32_t to = edges.to[edge[i]++];
    if (to >= count_) {
      return reject_at(i, Rule::bad_jump, EINVAL, "jump out of range from insn {} to {}", i, to);
    }
    if (state[to] == kNew) {
      state[to] = kOpen;
      stack.push_back(to);
    } else if (state[to] == kOpen && (!capable_ || !profile_.bounded_loops)) {
      // A function that calls itself is found, by its depth, where it is walked.
      if (is_jump(insns_[i]) || !is_jump_class(insns_[i])) {
        return reject_at(i, Rule::no_loops, EINVAL, "back-edge from insn {} to {}", i, to);
      }
    }
  }
  for (uint32_t i = 0; i < count_; ++i) {
    if (is_ld_imm64(insns_[i]) && !aux_[i].second_slot) {
      if (state[i + 1] != kNew) {
        return reject_at(i, Rule::bad_jump, EINVAL, "jump into the middle of ldimm64 insn {}", i);
      }
      if (state[i] == kNew) {
        return reject_at(i, Rule::unreachable_code, EINVAL, "unreachable insn {}", i);
      }
      ++i;
      continue;
    }
    if (state[i] == kNew) {
      return reject_at(i, Rule::unreachable_code, EINVAL, "unreachable insn {}", i);
    }
  }
  return true;
}

// Strongly connected components (Tarjan's, without recursion); calls do not count as edges.
void Verifier::find_loops() {
  constexpr uint32_t kUnvisited = 0;
  std::vector<uint32_t> order(count_, kUnvisited), low(count_, 0);
  std::vector<bool> on_stack(count_, false);
  std::vector<uint32_t> component;
  struct Open {
    uint32_t insn;
    unsigned edge;
  };
  std::vector<Open> path;
  uint32_t next_order = 1, next_scc = 1;
  for (uint32_t root = 0; root < count_; ++root) {
    if (order[root] != kUnvisited || aux_[root].second_slot) continue;
    path.push_back({root, 0});
    while (!path.empty()) {
      const uint32_t i = path.back().insn;
      if (path.back().edge == 0) {
        order[i] = low[i] = next_order++;
        component.push_back(i);
        on_stack[i] = true;
      }
      const Successors next = successors(insns_, i);
      if (path.back().edge < next.count) {
        const uint32_t to = next.next[path.back().edge++];
        if (order[to] == kUnvisited) {
          path.push_back({to, 0});
        } else if (on_stack[to]) {
          low[i] = std::min(low[i], order[to]);
        }
        continue;
      }
      path.pop_back();
      if (!path.empty()) low[path.back().insn] = std::min(low[path.back().insn], low[i]);
      if (low[i] != order[i]) continue;
      bool is_loop = component.back() != i || aux_[i].calls_callback;
      for (unsigned s = 0; s < next.count; ++s) is_loop |= next.next[s] == i;
      for (;;) {
        const uint32_t member = component.back();
        component.pop_back();
        on_stack[member] = false;
        if (is_loop) aux_[member].scc = next_scc;
        if (member == i) break;
      }
      if (is_loop) ++next_scc;
    }
  }
}

// func_info and line_info, as far as they were given, agree with the text.
bool Verifier::check_debug_info() {
  if (!program_.func_info.empty()) {
    if (program_.btf == nullptr) {
      return reject_at(0, Rule::bad_func_info, EINVAL, "func_info without BTF");
    }
    if (program_.func_info.size() != subs_.size()) {
      return reject_at(0, Rule::bad_func_info, EINVAL,
                       "number of funcs in func_info doesn't match number of subprogs");
    }
    for (size_t i = 0; i < subs_.size(); ++i) {
      const FuncInfo& info = program_.func_info[i];
      SubprogramInfo& sub = subs_[i];
      if (info.insn_off != sub.start) {
        return reject_at(sub.start, Rule::bad_func_info, EINVAL,
                         "func_info BTF section doesn't match subprog layout in BPF program");
      }
      const btf::Type func = program_.btf->type(info.type_id);
      const btf::Type proto = program_.btf->type(func.referenced());
      if (func.kind() != btf::Kind::Func || proto.kind() != btf::Kind::FuncProto) {
        return reject_at(sub.start, Rule::bad_func_info, EINVAL, "invalid type id {} in func info",
                         info.type_id);
      }
      sub.has_type = true;
      sub.name = func.name();
      sub.global = i != 0 && func.linkage() == btf::Linkage::Global && profile_.global_functions;
      const btf::Type result = program_.btf->resolve(proto.referenced());
      sub.returns_void = proto.referenced() == 0;
      sub.returns_int = result.kind() == btf::Kind::Int || result.is_enum();
    }
  }
  for (size_t i = 1; i < subs_.size(); ++i) {
    SubprogramInfo& sub = subs_[i];
    if (sub.has_ld_abs && (!sub.has_type || !sub.returns_int)) {
      return reject_at(sub.start, Rule::bad_func_info, EINVAL, "{}",
                       sub.has_type ? "LD_ABS is only allowed in functions that return 'int'."
                                    : "LD_ABS is not allowed in subprogs without BTF");
    }
    if (sub.has_tail_call && (!sub.has_type || !sub.returns_int)) {
      return reject_at(sub.start, Rule::bad_func_info, EINVAL, "{}",
                       sub.has_type ? "tail_call is only allowed in functions that return 'int'."
                                    : "tail_call is not allowed in subprogs without BTF");
    }
  }
  if (program_.line_info.empty()) return true;
  if (program_.btf == nullptr)
    return reject_at(0, Rule::bad_line_info, EINVAL, "line_info without BTF");
  size_t sub = 0;
  for (size_t i = 0; i < program_.line_info.size(); ++i) {
    const LineInfo& info = program_.line_info[i];
    const uint32_t previous = i == 0 ? 0 : program_.line_info[i - 1].insn_off;
    if ((i != 0 && info.insn_off <= previous) || info.insn_off >= count_) {
      return reject_at(0, Rule::bad_line_info, EINVAL,
                       "Invalid line_info[{}].insn_off:{} (prev_offset:{} prog->len:{})", i,
                       info.insn_off, previous, count_);
    }
    if (!program_.btf->has_string(info.line_off) || !program_.btf->has_string(info.file_name_off)) {
      return reject_at(0, Rule::bad_line_info, EINVAL,
                       "Invalid line_info[{}].line_off or .file_name_off", i);
    }
    if (sub < subs_.size() && info.insn_off == subs_[sub].start) {
      ++sub;
    } else if (sub < subs_.size() && info.insn_off > subs_[sub].start) {
      return reject_at(subs_[sub].start, Rule::bad_line_info, EINVAL,
                       "missing bpf_line_info for func#{}", sub);
    }
  }
  if (sub != subs_.size()) {
    return reject_at(0, Rule::bad_line_info, EINVAL,
                     "missing bpf_line_info for {} funcs starting from func#{}", subs_.size() - sub,
                     sub);
  }
  return true;
}

// Functions after whose call packet pointers are stale; global ones are not walked where they are called.
void Verifier::find_packet_changers() {
  for (bool changed = true; changed;) {
    changed = false;
    for (SubprogramInfo& sub : subs_) {
      if (sub.changes_packet) continue;
      for (uint32_t i = sub.start; i < sub.end && !sub.changes_packet; ++i) {
        const Insn& insn = insns_[i];
        if (insn.opcode != (BPF_JMP | BPF_CALL)) continue;
        if (insn.src == BPF_PSEUDO_CALL) {
          const int callee = subprogram_at(static_cast<uint32_t>(int64_t{i} + 1 + insn.imm));
          sub.changes_packet = callee >= 0 && subs_[callee].changes_packet;
        } else if (insn.src == 0 && insn.imm > 0) {
          const spec::Helper* helper =
              spec::find_helper(static_cast<uint32_t>(insn.imm), program_.type);
          sub.changes_packet = helper != nullptr && helper->changes_packet;
        }
      }
      changed |= sub.changes_packet;
    }
  }
}

bool Verifier::check_text() {
  return find_subprograms() && check_jumps_stay_inside() && check_debug_info() &&
         resolve_immediates() && add_kfuncs() && find_exception_callback() && check_control_flow();
}

}  // namespace skep::verifier
