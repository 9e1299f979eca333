// Object::program: one program's function, then each subprogram that it reaches, in the order in
// which calls lead to them; then every relocation of each.
#include <algorithm>

#include "btf/core.h"
#include "object/object.h"

namespace skep::object {

namespace {

using namespace isa;

constexpr size_t kMaxInsns = 1'000'000;

// The record of a list sorted by `insn` or `insn_off` at or after `start`.
template <class Record, class Position>
auto from(const std::vector<Record>& records, uint32_t start, Position position) {
  return std::ranges::lower_bound(records, start, {}, position);
}

int access_size_bits(uint32_t bytes) {
  switch (bytes) {
    case 1: return BPF_B;
    case 2: return BPF_H;
    case 4: return BPF_W;
    case 8: return BPF_DW;
    default: return -1;
  }
}

constexpr Insn kPoison{
    .opcode = BPF_JMP | BPF_CALL, .dst = 0, .src = 0, .off = 0, .imm = kPoisonedCore};

}  // namespace

class Object::Linker {
 public:
  Linker(const Object& object, const Target& target)
      : object_(object), target_(target), placed_(object.functions_.size(), kNowhere) {
    if (object.btf_) resolver_.emplace(*object.btf_, target.btfs);
  }

  Result<Program> link(uint32_t function) {
    SKEP_CHECK(place_all(function));
    SKEP_CHECK(place_exception_callback(function));
    for (size_t i = 0; i < order_.size(); ++i) {
      current_ = order_[i];
      SKEP_CHECK(relocate_core());
      SKEP_CHECK(relocate());
      copy_info();
    }
    return std::move(program_);
  }

 private:
  static constexpr uint32_t kNowhere = UINT32_MAX;

  const Function& function() const { return object_.functions_[current_]; }
  const Code& code() const { return object_.code_[function().code]; }

  template <class... Args>
  std::unexpected<Error> fail_at(uint32_t insn, int code_number, fmt::format_string<Args...> format,
                                 Args&&... args) {
    return fail_within(insn, Error(code_number, fmt::format(format, std::forward<Args>(args)...)));
  }
  std::unexpected<Error> fail_within(uint32_t insn, Error error) {
    return std::unexpected<Error>(std::move(error)
                                      .within(fmt::format("insn {}", insn - function().start))
                                      .within(fmt::format("function {}", function().name))
                                      .within(fmt::format("section {}", code().name))
                                      .within(object_.name_));
  }

  // Depth first: a subprogram comes when the first call to it does.
  Result<> place_all(uint32_t root) {
    struct Visit {
      uint32_t function;
      size_t next;  // its next reloc
    };
    std::vector<Visit> stack;
    SKEP_CHECK(place(root));
    stack.push_back({root, 0});
    while (!stack.empty()) {
      Visit& visit = stack.back();
      const Function& of = object_.functions_[visit.function];
      const auto& relocs = object_.code_[of.code].relocs;
      const auto first = static_cast<size_t>(from(relocs, of.start, &Reloc::insn) - relocs.begin());
      const size_t at = first + visit.next++;
      if (at >= relocs.size() || relocs[at].insn >= of.end) {
        stack.pop_back();
        continue;
      }
      const Reloc& reloc = relocs[at];
      if (reloc.kind != RelocKind::Call && reloc.kind != RelocKind::Function) continue;
      if (placed_[reloc.index] != kNowhere) continue;
      SKEP_CHECK(place(reloc.index));
      stack.push_back({reloc.index, 0});
    }
    return {};
  }

  // What bpf_throw is to end in: named by a declaration tag of the main function, called by no instruction.
  Result<> place_exception_callback(uint32_t root) {
    if (object_.btf_ == nullptr) return {};
    const btf::Btf& btf = *object_.btf_;
    const auto main = btf.find(object_.functions_[root].name, btf::Kind::Func);
    if (!main) return {};
    constexpr std::string_view kTag = "exception_callback:";
    for (btf::TypeId id = btf.type_begin(); id < btf.type_end(); ++id) {
      const btf::Type tag = btf.type(id);
      if (tag.kind() != btf::Kind::DeclTag || tag.referenced() != *main || tag.component() != -1 ||
          !tag.name().starts_with(kTag)) {
        continue;
      }
      for (uint32_t f = 0; f < object_.functions_.size(); ++f) {
        if (object_.functions_[f].name == tag.name().substr(kTag.size()) && placed_[f] == kNowhere)
          return place_all(f);
      }
    }
    return {};
  }

  Result<> place(uint32_t index) {
    const Function& of = object_.functions_[index];
    const auto& insns = object_.code_[of.code].insns;
    if (program_.insns.size() + (of.end - of.start) > kMaxInsns)
      return fail(E2BIG, "{}: function {} and what it calls exceed {} instructions", object_.name_,
                  of.name, kMaxInsns);
    placed_[index] = static_cast<uint32_t>(program_.insns.size());
    order_.push_back(index);
    program_.insns.insert(program_.insns.end(), insns.begin() + of.start, insns.begin() + of.end);
    return {};
  }

  // In the program: the instruction that was number `insn` of the current function's section.
  uint32_t moved(uint32_t insn) const { return placed_[current_] + (insn - function().start); }

  // --- CO-RE ---

  Result<> relocate_core() {
    const auto& cores = code().cores;
    for (auto core = from(cores, function().start, &Core::insn);
         core != cores.end() && core->insn < function().end; ++core) {
      const btf::CoreRelocation relocation{core->type, object_.btf_->string(core->accessor_off),
                                           static_cast<btf::CoreKind>(core->kind)};
      if (target_.btfs.empty() && relocation.kind != btf::CoreKind::TypeIdLocal)
        return fail_at(core->insn, ENOENT, "{}: there is no target BTF to relocate against",
                       describe(*object_.btf_, relocation));
      auto value = resolver_->resolve(relocation);
      if (!value) return fail_within(core->insn, Error(value.error()).within("CO-RE"));
      if (auto done = patch(core->insn, relocation, *value); !done)
        return fail_within(core->insn, done.error());
    }
    return {};
  }

  void poison(uint32_t at, const btf::CoreRelocation& relocation, std::string_view why) {
    Insn& insn = program_.insns[at];
    if (is_ld_imm64(insn) && at + 1 < program_.insns.size()) program_.insns[at + 1] = kPoison;
    insn = kPoison;
    program_.core_failures.push_back(
        {at, fmt::format("{}: {}", describe(*object_.btf_, relocation), why)});
  }

  Result<> patch(uint32_t original, const btf::CoreRelocation& relocation,
                 const btf::CoreValue& value) {
    const uint32_t at = moved(original);
    Insn& insn = program_.insns[at];
    if (value.poison) {
      poison(at, relocation,
             relocation.kind == btf::CoreKind::EnumvalValue ? "the target has no such enumerator"
                                                            : "the target has no such field");
      return {};
    }
    auto unexpected = [&](int64_t found) {
      return fail(EINVAL, "{}: expected the instruction to hold {}, found {}",
                  describe(*object_.btf_, relocation), value.local, found);
    };
    switch (insn.cls()) {
      case BPF_ALU:
      case BPF_ALU64:
        if (insn.uses_src_reg())
          return fail(EINVAL, "{}: an instruction without an immediate",
                      describe(*object_.btf_, relocation));
        if (value.check_local && static_cast<uint64_t>(int64_t{insn.imm}) != value.local &&
            static_cast<uint32_t>(insn.imm) != value.local)
          return unexpected(insn.imm);
        insn.imm = static_cast<int32_t>(value.target);
        return {};
      case BPF_LDX:
      case BPF_ST:
      case BPF_STX: return patch_access(at, relocation, value);
      case BPF_LD: {
        if (!is_ld_imm64(insn) || at + 1 >= program_.insns.size() || insn.src != 0) break;
        Insn& high = program_.insns[at + 1];
        if (value.check_local && imm64(insn, high) != value.local)
          return unexpected(static_cast<int64_t>(imm64(insn, high)));
        insn.imm = static_cast<int32_t>(value.target);
        high.imm = static_cast<int32_t>(value.target >> 32);
        return {};
      }
      default: break;
    }
    return fail(EINVAL, "{}: opcode 0x{:02x} can't be relocated",
                describe(*object_.btf_, relocation), insn.opcode);
  }

  Result<> patch_access(uint32_t at, const btf::CoreRelocation& relocation,
                        const btf::CoreValue& value) {
    Insn& insn = program_.insns[at];
    if (value.check_local && static_cast<uint64_t>(int64_t{insn.off}) != value.local)
      return fail(EINVAL, "{}: expected the instruction to hold {}, found {}",
                  describe(*object_.btf_, relocation), value.local, insn.off);
    if (value.target > INT16_MAX)
      return fail(ERANGE, "{}: offset {} does not fit an instruction",
                  describe(*object_.btf_, relocation), value.target);
    if (value.cannot_adjust_size) {
      poison(at, relocation,
             fmt::format("it has {} bytes here and {} in the target, and only pointers and "
                         "unsigned integers can be "
                         "read by another size",
                         value.local_size, value.target_size));
      return {};
    }
    insn.off = static_cast<int16_t>(value.target);
    if (!value.adjust_size) return {};
    const int bits = access_size_bits(value.target_size);
    if (insn.access_size() != value.local_size || bits < 0)
      return fail(EINVAL, "{}: an access of {} bytes can't become one of {}",
                  describe(*object_.btf_, relocation), insn.access_size(), value.target_size);
    insn.opcode = static_cast<uint8_t>((insn.opcode & ~0x18) | bits);
    return {};
  }

  // --- Symbols ---

  Result<> relocate() {
    const auto& relocs = code().relocs;
    for (auto reloc = from(relocs, function().start, &Reloc::insn);
         reloc != relocs.end() && reloc->insn < function().end; ++reloc) {
      const uint32_t at = moved(reloc->insn);
      Insn& insn = program_.insns[at];
      // Every kind but calls is of an ld_imm64 with both slots: the opener has seen to it. CO-RE
      // may have poisoned a hostile object's; then it stays so.
      if (insn == kPoison) continue;
      auto set = [&](uint8_t pseudo, uint32_t low, uint32_t high) {
        insn.src = pseudo;
        insn.imm = static_cast<int32_t>(low);
        program_.insns[at + 1].imm = static_cast<int32_t>(high);
      };
      switch (reloc->kind) {
        case RelocKind::Map: set(BPF_PSEUDO_MAP_IDX, reloc->index, 0); break;
        case RelocKind::MapValue: set(BPF_PSEUDO_MAP_IDX_VALUE, reloc->index, reloc->addend); break;
        case RelocKind::Kconfig: {
          const Kconfig& wanted = object_.kconfig_[reloc->index];
          set(BPF_PSEUDO_MAP_IDX_VALUE, wanted.map, wanted.offset + reloc->addend);
          break;
        }
        case RelocKind::Call:
          insn.imm = static_cast<int32_t>(placed_[reloc->index]) - static_cast<int32_t>(at) - 1;
          break;
        case RelocKind::Function: set(BPF_PSEUDO_FUNC, placed_[reloc->index] - at - 1, 0); break;
        case RelocKind::Ksym:
          if (auto done = relocate_ksym(at, object_.ksyms_[reloc->index]); !done)
            return fail_within(reloc->insn, done.error());
          break;
      }
    }
    return {};
  }

  Result<> relocate_ksym(uint32_t at, const Ksym& ksym) {
    Insn& insn = program_.insns[at];
    const bool is_call = !is_ld_imm64(insn);
    const bool typed =
        ksym.is_function || object_.btf_->resolve(ksym.type).kind() != btf::Kind::Void;
    const std::string_view name = btf::essential_name(ksym.name);
    if (typed) {
      const btf::Kind kind = ksym.is_function ? btf::Kind::Func : btf::Kind::Var;
      for (size_t i = 0; i < target_.btfs.size(); ++i) {
        const auto id = target_.btfs[i]->find(name, kind);
        if (!id) continue;
        const btf::TypeId theirs = target_.btfs[i]->type(*id).referenced();
        if (!btf::core_types_compatible(*object_.btf_, ksym.type, *target_.btfs[i], theirs)) {
          if (ksym.weak) break;
          return fail(EINVAL, "extern '{}' __ksym: its type is not the target's", ksym.name);
        }
        if (i > 0)
          return fail(EOPNOTSUPP,
                      "extern '{}' __ksym: it is a module's, which is not supported yet",
                      ksym.name);
        if (is_call) {
          insn.src = BPF_PSEUDO_KFUNC_CALL;
          insn.off = 0;
          insn.imm = static_cast<int32_t>(*id);
        } else {
          insn.src = BPF_PSEUDO_BTF_ID;
          insn.imm = static_cast<int32_t>(*id);
          program_.insns[at + 1].imm = 0;
        }
        return {};
      }
    } else if (auto address = target_.symbol ? target_.symbol(name) : std::nullopt;
               address && !is_call) {
      insn.src = 0;
      insn.imm = static_cast<int32_t>(*address);
      program_.insns[at + 1].imm = static_cast<int32_t>(*address >> 32);
      return {};
    }
    if (!ksym.weak)
      return fail(ESRCH, "extern '{}' __ksym: the target has no such {}", ksym.name,
                  ksym.is_function ? "function" : "symbol");
    if (is_call) {
      insn = kPoison;
      insn.imm = kPoisonedKfunc;
    } else {
      insn.src = 0;
      insn.imm = 0;
      program_.insns[at + 1].imm = 0;
    }
    return {};
  }

  void copy_info() {
    const uint32_t start = function().start, end = function().end;
    for (auto info = from(code().functions, start, &FuncInfo::insn_off);
         info != code().functions.end() && info->insn_off < end; ++info)
      program_.func_info.push_back({moved(info->insn_off), info->type_id});
    for (auto line = from(code().lines, start, &LineInfo::insn_off);
         line != code().lines.end() && line->insn_off < end; ++line) {
      program_.line_info.push_back(*line);
      program_.line_info.back().insn_off = moved(line->insn_off);
    }
  }

  const Object& object_;
  const Target& target_;
  std::optional<btf::CoreResolver> resolver_;  // none where the object has no BTF, and so no CO-RE
  std::vector<uint32_t> placed_;               // where each function begins in the program
  std::vector<uint32_t> order_;
  uint32_t current_ = 0;
  Program program_;
};

Result<Program> Object::program(uint32_t index, const Target& target) const {
  if (index >= programs_.size()) return fail(ENOENT, "{}: there is no program {}", name_, index);
  SKEP_TRY(program, Linker(*this, target).link(program_functions_[index]));
  program.name = programs_[index].name;
  program.license = license_;
  program.kern_version = kern_version_;
  program.btf = btf_;
  for (const MapSpec& map : maps_) program.maps.push_back(describe_map(map, btf_));
  std::ranges::stable_sort(program.core_failures, {}, &CoreFailure::insn_off);
  return std::move(program);
}

}  // namespace skep::object
