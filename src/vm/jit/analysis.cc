#include "vm/jit/analysis.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "vm/jit/lookup.h"

namespace skep::jit {

using namespace isa;

namespace {

constexpr uint16_t bit(unsigned reg) { return static_cast<uint16_t>(1u << reg); }
constexpr uint16_t kCallerSaved = 0x3f;  // r0 to r5
constexpr uint16_t kArguments = 0x3e;    // r1 to r5
constexpr uint8_t kBad = 0xff;
constexpr int32_t kProcessorId = 8;  // BPF_FUNC_get_smp_processor_id

// Native bytes that an instruction usually takes at most, by class; see Analysis::estimate().
unsigned typical_bytes(const Insn& insn) {
  switch (insn.cls()) {
    case BPF_LD: return insn.mode() == BPF_IMM ? 10 : 48;
    case BPF_LDX: return 8;
    case BPF_ST: return 10;
    case BPF_STX: return insn.mode() == BPF_ATOMIC ? 40 : 8;
    case BPF_JMP:
    case BPF_JMP32: return insn.op() == BPF_CALL ? 48 : insn.op() == BPF_EXIT ? 16 : 11;
    default: return insn.op() == BPF_DIV || insn.op() == BPF_MOD ? 44 : 6;
  }
}

bool is_move(const Insn& insn) {
  return (insn.cls() == BPF_ALU || insn.cls() == BPF_ALU64) && insn.op() == BPF_MOV &&
         insn.off <= 1 && insn.opcode != kNop &&
         !(insn.uses_src_reg() && insn.src == kFramePointer);
}

// Whether a 4-byte cell of the stack can be a register, as all accesses so far have it.
struct Cells {
  enum : uint8_t { kNone, kWord, kDouble, kDoubleHigh };
  std::array<uint8_t, 130> kind{};
  std::array<uint32_t, 130> weight{};

  void add(int off, unsigned size, bool plain, uint32_t times) {
    if (off < -static_cast<int>(kMaxStackBytes) || off >= 0) return;
    unsigned first = static_cast<unsigned>(off + static_cast<int>(kMaxStackBytes)) / 4;
    unsigned last = (static_cast<unsigned>(off + static_cast<int>(kMaxStackBytes)) + size - 1) / 4;
    if (plain && off % 4 == 0 && size == 4 && (kind[first] == kNone || kind[first] == kWord)) {
      kind[first] = kWord;
    } else if (plain && off % 4 == 0 && size == 8 &&
               (kind[first] == kNone || kind[first] == kDouble) &&
               (kind[last] == kNone || kind[last] == kDoubleHigh)) {
      kind[first] = kDouble;
      kind[last] = kDoubleHigh;
    } else {
      for (unsigned cell = first; cell <= last; cell++) kind[cell] = kBad;
    }
    weight[first] += times;
  }
  [[nodiscard]] bool promotable(unsigned cell) const {
    return kind[cell] == kWord || (kind[cell] == kDouble && kind[cell + 1] == kDoubleHigh);
  }
};

}  // namespace

uint32_t Analysis::function_in(unsigned reg, uint32_t i) const {
  const auto none = static_cast<uint32_t>(functions_.size());
  while (i-- > 0 && (flags_[i + 1] & kLeader) == 0) {
    const Insn& insn = insns_[i];
    if (insn.opcode == kNop) continue;  // a second half, or dead
    const bool jump = insn.cls() == BPF_JMP || insn.cls() == BPF_JMP32;
    if (jump && (insn.op() == BPF_CALL || insn.op() == BPF_EXIT || insn.op() == BPF_JA))
      return none;
    if ((def_[i] & bit(reg)) == 0) continue;
    if (!is_ld_imm64(insn) || insn.dst != reg || insn.src != BPF_PSEUDO_FUNC) return none;
    return function_at(i + 1 + static_cast<uint32_t>(insn.imm));
  }
  return none;
}

uint32_t Analysis::function_at(uint32_t start) const {
  auto found = std::lower_bound(functions_.begin(), functions_.end(), start,
                                [](const Function& f, uint32_t at) { return f.start < at; });
  if (found == functions_.end() || found->start != start)
    return static_cast<uint32_t>(functions_.size());
  return static_cast<uint32_t>(found - functions_.begin());
}

Result<Analysis> Analysis::run(const VerifiedProgram& program,
                               unsigned (*slot_budget)(const Function&), bool optimise,
                               bool needs_context, bool inline_maps) {
  Analysis a;
  a.uses_context_ = needs_context;
  a.inline_maps_ = inline_maps;
  size_t n = program.insns().size();
  if (n == 0 || program.subprograms().empty())
    return fail(EINVAL, "expected a program, found no instructions");
  a.size_ = static_cast<uint32_t>(n);
  a.storage_ = std::make_unique_for_overwrite<std::byte[]>(n * 20 + 64);
  std::byte* at = a.storage_.get();
  auto take = [&](auto*& array, size_t count) {
    using T = std::remove_reference_t<decltype(*array)>;
    array = reinterpret_cast<T*>(at);
    at += sizeof(T) * count;
  };
  take(a.insns_, n);
  take(a.estimate_, n + 1);
  take(a.use_, n);
  take(a.def_, n);
  take(a.live_out_, n);
  take(a.refs_, n + 1);
  take(a.flags_, n + 1);
  std::memcpy(static_cast<void*>(a.insns_), program.insns().data(), n * sizeof(Insn));
  std::memset(a.refs_, 0, 2 * (n + 1));  // refs_ and flags_

  a.functions_.reserve(program.subprograms().size());
  uint32_t expected = 0;
  for (const Subprogram& sub : program.subprograms()) {
    if (sub.start != expected || sub.end <= sub.start || sub.end > n)
      return fail(EINVAL, "expected a subprogram at insn {}, found {} to {}", expected, sub.start,
                  sub.end);
    expected = sub.end;
    a.functions_.push_back({.start = sub.start, .end = sub.end});
    a.has_callbacks_ |= sub.is_callback;
  }
  if (expected != n)
    return fail(EINVAL, "expected subprograms up to insn {}, found none past {}", n, expected);
  for (Function& function : a.functions_) {
    a.slots_escape_ = a.touches_stack_ = a.loops_ = a.has_imm64_ = false;
    SKEP_CHECK(a.scan(program, function));
    bool slots = a.touches_stack_ && !a.slots_escape_;
    bool constants = a.has_imm64_ && a.loops_ && optimise;
    if (slots || constants) {
      unsigned budget = std::min(slot_budget(function), kMaxSlots);
      std::vector<int16_t> depth = a.depth_changes(function);
      if (slots) a.promote_slots(function, budget, depth);
      if (constants) a.hoist_constants(program, function, budget - function.slots, depth);
    }
    if (optimise) a.find_selects(function);
    if (optimise && a.loops_) a.find_copies(function);
    a.registers_of(program, function);
  }
  a.estimate_[n] = a.estimated_;
  // Callees mostly follow their callers: backwards, their arguments are known in time.
  for (Function& function : a.functions_) function.arguments = kArguments;
  for (size_t i = a.functions_.size(); i-- > 0;) a.liveness(a.functions_[i]);
  return a;
}

// Checks what code generation relies on, counts jump targets, and resolves dead code.
Result<> Analysis::scan(const VerifiedProgram& program, Function& function) {
  std::span<const InsnFacts> facts = program.facts();
  auto dead = [&](uint32_t i) { return !facts.empty() && facts[i].dead; };
  auto nop = [&](uint32_t i) { insns_[i] = Insn{.opcode = kNop}; };
  for (uint32_t i = function.start; i < function.end; i++) {
    Insn& insn = insns_[i];
    estimate_[i] = estimated_;
    if (dead(i)) {
      if (is_ld_imm64(insn) && i + 1 < function.end)
        nop(++i), estimate_[i] = estimated_, nop(i - 1);
      else
        nop(i);
      continue;
    }
    estimated_ += typical_bytes(insn);
    unsigned dst = insn.dst, src = insn.src;
    if (dst > kFramePointer || (src > kFramePointer))
      return fail(EINVAL, "insn {}: expected registers up to r10, found r{} and r{}", i, dst, src);
    function.used |= bit(dst) | bit(src);  // registers_of() has it exactly
    switch (insn.cls()) {
      case BPF_LD:
        if (is_ld_imm64(insn)) {
          if (i + 1 == function.end)
            return fail(EINVAL, "insn {}: ld_imm64 without its second half", i);
          has_imm64_ = true;
          has_callbacks_ |= src == BPF_PSEUDO_FUNC;
          uses_context_ |= src == BPF_PSEUDO_FUNC;
          i++;
          estimate_[i] = estimated_;
          insns_[i].opcode = kNop;  // its imm is still read
        } else {
          uses_context_ = true;
        }
        break;
      case BPF_LDX:
        if (src == kFramePointer) touches_stack_ = true;
        break;
      case BPF_ST:
        if (dst == kFramePointer) touches_stack_ = true;
        break;
      case BPF_STX:
        if (insn.mode() == BPF_ATOMIC) {
          int32_t op = insn.imm & ~BPF_FETCH;
          function.fetches_bitwise |= (insn.imm & BPF_FETCH) != 0 && insn.imm < 0x100 &&
                                      (op == BPF_AND || op == BPF_OR || op == BPF_XOR);
          if (insn.imm == BPF_LOAD_ACQ ? dst == kFramePointer : src == kFramePointer)
            slots_escape_ = true;
          if (insn.imm == BPF_LOAD_ACQ ? src == kFramePointer : dst == kFramePointer)
            touches_stack_ = true;
        } else {
          if (src == kFramePointer) slots_escape_ = true;
          if (dst == kFramePointer) touches_stack_ = true;
        }
        break;
      case BPF_ALU:
      case BPF_ALU64:
        if (dst == kFramePointer) return fail(EINVAL, "insn {}: r10 can't be written", i);
        if (insn.uses_src_reg() && src == kFramePointer) slots_escape_ = true;
        break;
      default: {  // BPF_JMP, BPF_JMP32
        if (insn.op() == BPF_EXIT) {
          function.exits++;
          break;
        }
        if (insn.op() == BPF_CALL) {
          jumps_++;
          auto lookup = inline_maps_ ? lookup_at(program, i) : std::nullopt;
          bool processor = inline_maps_ && insn.opcode == (BPF_JMP | BPF_CALL) && src == 0 &&
                           insn.imm == kProcessorId;
          if (lookup || processor) flags_[i] |= kInlined;
          if (lookup && lookup->kind == Lookup::kHash) estimated_ += 320;
          if (!processor && (!lookup || lookup->kind == Lookup::kHash)) function.calls = true;
          if (src == BPF_PSEUDO_CALL) {
            if (function_at(i + 1 + static_cast<uint32_t>(insn.imm)) == functions_.size())
              return fail(EINVAL, "insn {}: call of insn {}, where no subprogram starts", i,
                          i + 1 + insn.imm);
          } else if (!lookup || lookup->kind != Lookup::kArray) {
            uses_context_ = true;
          }
          break;
        }
        if (insn.op() == BPF_JCOND) function.has_may_goto = true;
        if (insn.op() != BPF_JA && insn.op() != BPF_JCOND &&
            (dst == kFramePointer || (insn.uses_src_reg() && src == kFramePointer)))
          slots_escape_ = true;
        uint32_t to = target(insn, i);
        if (to < function.start || to >= function.end)
          return fail(EINVAL, "insn {}: jump to insn {}, outside of its subprogram", i, to);
        bool conditional = insn.op() != BPF_JA && insn.op() != BPF_JCOND;
        if (to == i + 1 || (conditional && dead(to))) {
          nop(i);
          break;
        }
        if (conditional && i + 1 < function.end && dead(i + 1)) {
          int32_t distance = insn.off;
          insn = Insn{.opcode = BPF_JMP32 | BPF_JA, .imm = distance};
        }
        jumps_++;
        if (refs_[to] < 255) refs_[to]++;
        if (to <= i) {
          flags_[to] |= kLoopHead;
          loops_ = true;
        }
        break;
      }
    }
  }
  return {};
}

// Nesting of loops at instruction start + k: the sum of the first k + 1 entries. Empty: there are none.
std::vector<int16_t> Analysis::depth_changes(const Function& function) const {
  std::vector<int16_t> depth;
  if (!loops_) return depth;
  depth.resize(function.end - function.start + 1);
  for (uint32_t i = function.start; i < function.end; i++) {
    const Insn& insn = insns_[i];
    if ((insn.cls() != BPF_JMP && insn.cls() != BPF_JMP32) || insn.opcode == kNop ||
        insn.op() == BPF_CALL || insn.op() == BPF_EXIT)
      continue;
    uint32_t to = target(insn, i);
    if (to > i) continue;
    depth[to - function.start]++;
    depth[i + 1 - function.start]--;
  }
  return depth;
}

std::optional<uint64_t> Analysis::imm64_at(const VerifiedProgram& program, const Insn* insn) {
  auto low = static_cast<uint32_t>(insn[0].imm), high = static_cast<uint32_t>(insn[1].imm);
  switch (insn->src) {
    case BPF_PSEUDO_MAP_FD:
    case BPF_PSEUDO_MAP_IDX:
      if (low >= program.maps().size()) return std::nullopt;
      return program.maps()[low].address;
    case BPF_PSEUDO_MAP_VALUE:
    case BPF_PSEUDO_MAP_IDX_VALUE:
      if (low >= program.maps().size()) return std::nullopt;
      return program.maps()[low].value_address + high;
    case BPF_PSEUDO_FUNC: return std::nullopt;
    default: return imm64(insn[0], insn[1]);
  }
}

// Constants too long for an immediate, in loops: a register for them, or for one that lies near several.
void Analysis::hoist_constants(const VerifiedProgram& program, Function& function, unsigned budget,
                               const std::vector<int16_t>& depth) {
  struct Group {
    uint64_t base = 0;
    uint32_t weight = 0;
  };
  std::array<Group, 8> groups;
  size_t count = 0;
  auto near = [](uint64_t a, uint64_t b) {
    auto distance = static_cast<int64_t>(a - b);
    return distance == static_cast<int32_t>(distance) && distance < 1 << 30 &&
           distance > -(1 << 30);
  };
  auto each = [&](auto visit) {
    int level = 0;
    for (uint32_t i = function.start; i < function.end; i++) {
      level += depth[i - function.start];
      if (insns_[i].opcode != (BPF_LD | BPF_IMM | BPF_DW)) continue;
      if (i + 2 < function.end && insns_[i + 2].uses_src_reg() &&
          insns_[i + 2].src == insns_[i].dst &&
          (insns_[i + 2].cls() == BPF_ALU || insns_[i + 2].cls() == BPF_ALU64) &&
          (insns_[i + 2].op() == BPF_DIV || insns_[i + 2].op() == BPF_MOD))
        continue;  // a divisor is better known
      auto value = imm64_at(program, insns_ + i);
      if (i + 2 < function.end && inlined(i + 2) &&
          insns_[i].dst == 1) {  // not the map, its values
        auto lookup = lookup_at(program, i + 2);
        if (!lookup || lookup->kind == Lookup::kHash || lookup->key_is_constant) continue;
        value = lookup->header->values;
      }
      if (value && *value > UINT32_MAX && *value < ~uint64_t{0x7fffffff}) visit(i, *value, level);
    }
  };
  each([&](uint32_t, uint64_t value, int level) {
    if (level == 0) return;
    size_t g = 0;
    while (g < count && !near(value, groups[g].base)) g++;
    if (g == groups.size()) return;
    if (g == count) groups[count++] = {.base = value};
    groups[g].weight += 1u << std::min(level * 3, 15);
  });
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) { return a.weight > b.weight; });
  count = std::min<size_t>({count, budget, kMaxSlots});
  if (count == 0) return;
  for (size_t g = 0; g < count; g++) function.constant[g] = groups[g].base;
  function.constants = static_cast<uint8_t>(count);
  each([&](uint32_t i, uint64_t value, int) {
    for (size_t g = 0; g < count; g++) {
      if (!near(value, groups[g].base)) continue;
      auto reg = static_cast<int16_t>(kFirstSlot + function.slots + g);
      if (i + 2 < function.end && inlined(i + 2) && insns_[i].dst == 1) {
        insns_[i + 2].off = reg;
        return;
      }
      flags_[i] |= kHoisted;
      insns_[i].off = reg;
      return;
    }
  });
}

// A stack slot that is only ever read and written whole, as [r10 + constant], in a function where r10 goes
// nowhere else, is a register that clang had no room for. Those used most get one.
void Analysis::promote_slots(Function& function, unsigned budget,
                             const std::vector<int16_t>& depth) {
  if (budget == 0) return;
  Cells cells;
  int level = 0;
  auto access = [](const Insn& insn, bool& plain) -> bool {
    if (insn.opcode == kNop) return false;
    plain = insn.mode() == BPF_MEM && insn.access_size() >= 4;
    switch (insn.cls()) {
      case BPF_LDX: return insn.src == kFramePointer;
      case BPF_ST: return insn.dst == kFramePointer;
      case BPF_STX:
        return insn.mode() == BPF_ATOMIC && insn.imm == BPF_LOAD_ACQ ? insn.src == kFramePointer
                                                                     : insn.dst == kFramePointer;
      default: return false;
    }
  };
  for (uint32_t i = function.start; i < function.end; i++) {
    if (!depth.empty()) level += depth[i - function.start];
    bool plain = false;
    if (!access(insns_[i], plain)) continue;
    cells.add(insns_[i].off, insns_[i].access_size(), plain, 1u << std::min(level * 3, 15));
  }
  std::array<uint8_t, 130> slot_of{};
  for (unsigned slot = 0; slot < std::min(budget, kMaxSlots); slot++) {
    unsigned best = 0;
    uint32_t most = 2;  // a register must be saved and restored: two accesses gain nothing
    for (unsigned cell = 0; cell < 128; cell++)
      if (slot_of[cell] == 0 && cells.weight[cell] > most && cells.promotable(cell))
        best = cell, most = cells.weight[cell];
    if (most == 2) break;
    slot_of[best] = static_cast<uint8_t>(kFirstSlot + slot);
    function.slots++;
  }
  if (function.slots == 0) return;
  for (uint32_t i = function.start; i < function.end; i++) {
    Insn& insn = insns_[i];
    bool plain = false;
    if (!access(insn, plain) || insn.off >= 0 || insn.off < -static_cast<int>(kMaxStackBytes))
      continue;
    uint8_t slot = slot_of[static_cast<unsigned>(insn.off + static_cast<int>(kMaxStackBytes)) / 4];
    if (slot == 0) continue;
    uint8_t width = insn.access_size() == 8 ? BPF_ALU64 : BPF_ALU;
    if (insn.cls() == BPF_LDX) {  // the slot's upper half is 0 if it has four bytes
      insn = Insn{.opcode = BPF_ALU64 | BPF_MOV | BPF_X, .dst = insn.dst, .src = slot};
    } else if (insn.cls() == BPF_STX) {
      insn = Insn{
          .opcode = static_cast<uint8_t>(width | BPF_MOV | BPF_X), .dst = slot, .src = insn.src};
    } else {
      insn = Insn{
          .opcode = static_cast<uint8_t>(width | BPF_MOV | BPF_K), .dst = slot, .imm = insn.imm};
    }
    flags_[i] |= kPromoted;
  }
}

// `if a > b goto +1; c = d` is how clang writes a select for BPF, which has no conditional move; where
// blocks were reordered it is `if a > b goto T; c = d; goto T`.
void Analysis::find_selects(const Function& function) {
  bool any = false;
  auto selected = [&](const Insn& insn, uint32_t i, uint32_t moves) {
    uint32_t to = target(insn, i), after = i + 1 + moves;
    for (uint32_t k = i + 1; k < after; k++)
      if (refs_[k] != 0 || !is_move(insns_[k])) return false;
    if (to == after) return true;
    const Insn& jump = insns_[after];
    return refs_[after] == 0 && jump.op() == BPF_JA &&
           (jump.cls() == BPF_JMP || jump.cls() == BPF_JMP32) && target(jump, after) == to;
  };
  for (uint32_t i = function.start; i + 2 < function.end; i++) {
    const Insn& insn = insns_[i];
    if ((insn.cls() != BPF_JMP && insn.cls() != BPF_JMP32) || insn.op() == BPF_CALL ||
        insn.op() == BPF_EXIT || insn.op() == BPF_JA || insn.op() == BPF_JCOND ||
        insn.dst == kFramePointer || (insn.uses_src_reg() && insn.src == kFramePointer))
      continue;
    const Insn &first = insns_[i + 1], &second = insns_[i + 2];
    if (selected(insn, i, 1)) {
      flags_[i] |= kSelect1;
      any = true;
    } else if (i + 3 < function.end && second.dst != first.dst &&
               !(second.uses_src_reg() && second.src == first.dst) && selected(insn, i, 2)) {
      flags_[i] |= kSelect2;
      any = true;
    }
  }
  if (!any) return;
  keep_chasing_branches(function);
  for (uint32_t i = function.start; i < function.end; i++) {
    if ((flags_[i] & (kSelect1 | kSelect2)) == 0) continue;
    uint8_t& refs = refs_[target(insns_[i], i)];
    if (refs != 255) refs--;
  }
}

uint32_t Analysis::copied_end(const Function& function, uint32_t from) const {
  constexpr uint32_t kMost = 9;
  for (uint32_t k = from; k < function.end && k - from < kMost; k++) {
    const Insn& insn = insns_[k];
    if ((k > from && refs_[k] != 0) || (flags_[k] & (kSelect1 | kSelect2)) != 0) return 0;
    if (insn.opcode == kNop) continue;
    switch (insn.cls()) {
      case BPF_LD:
        if (insn.mode() != BPF_IMM) return 0;
        break;
      case BPF_LDX:
        if (insn.mode() != BPF_MEM && insn.mode() != BPF_MEMSX) return 0;
        break;
      case BPF_ST: break;
      case BPF_STX:
        if (insn.mode() != BPF_MEM) return 0;
        break;
      case BPF_ALU:
      case BPF_ALU64:
        if (insn.op() == BPF_DIV || insn.op() == BPF_MOD) return 0;
        break;
      default: {
        bool conditional = insn.op() != BPF_JA && insn.op() != BPF_JCOND && insn.op() != BPF_CALL &&
                           insn.op() != BPF_EXIT && insn.dst != kFramePointer &&
                           !(insn.uses_src_reg() && insn.src == kFramePointer);
        return conditional && k > from && k + 1 < function.end ? k : 0;
      }
    }
  }
  return 0;
}

// `again: i += 1; if i != n goto body; …` in front of a loop's body, as clang puts it for a `continue`: one taken
// jump a round instead of two. Where the block is the whole loop, it makes two rounds of one.
void Analysis::find_copies(const Function& function) {
  unsigned left = 8;
  for (uint32_t i = function.start; i + 1 < function.end && left > 0; i++) {
    const Insn& insn = insns_[i];
    if ((insn.cls() != BPF_JMP && insn.cls() != BPF_JMP32) || insn.opcode == kNop ||
        insn.op() == BPF_CALL || insn.op() == BPF_EXIT || insn.op() == BPF_JCOND ||
        (flags_[i] & (kSelect1 | kSelect2)) != 0 || insn.dst == kFramePointer ||
        (insn.uses_src_reg() && insn.src == kFramePointer))
      continue;
    uint32_t to = target(insn, i);
    if (to > i || to < function.start) continue;
    uint32_t end = copied_end(function, to);
    if (end == 0 || end > i) continue;
    flags_[i] |= kCopied;
    if (end != i && refs_[end + 1] < 255) refs_[end + 1]++;  // the copy jumps there
    left--;
  }
  if (left == 8) return;
  // What comes after is further away than was thought.
  uint32_t more = 0;
  for (uint32_t i = function.start; i < function.end; i++) {
    estimate_[i] += more;
    if ((flags_[i] & kCopied) == 0) continue;
    uint32_t to = target(insns_[i], i);
    more += 24 + estimate_[copied_end(function, to)] - estimate_[to];
  }
  estimated_ += more;
}

// Where what a select chose decides, through a load, what the next one chooses (a binary search, a list), a
// conditional move waits for each load; a predicted branch doesn't. Nor does it wait for the multiplication in
// `value = digit ? value * 10 + digit : 0`. Those stay branches.
void Analysis::keep_chasing_branches(const Function& function) {
  // Registers made of a select's result; of a load through one; of a product with one.
  uint16_t chosen = 0, chased = 0, multiplied = 0;
  uint32_t first_loop = function.start;
  while (first_loop < function.end && (flags_[first_loop] & kLoopHead) == 0) first_loop++;
  for (int round = 0; round < 2; round++) {  // the second with what the first brings round the loop
    for (uint32_t i = round == 0 ? function.start : first_loop; i < function.end; i++) {
      const Insn& insn = insns_[i];
      if (insn.opcode == kNop) continue;
      uint16_t dst = bit(insn.dst), src = bit(insn.src);
      switch (insn.cls()) {
        case BPF_LD:
          chosen &= static_cast<uint16_t>(~dst);
          chased &= static_cast<uint16_t>(~dst);
          multiplied &= static_cast<uint16_t>(~dst);
          break;
        case BPF_LDX:
          chased =
              static_cast<uint16_t>(((chosen | chased) & src) != 0 ? chased | dst : chased & ~dst);
          chosen &= static_cast<uint16_t>(~dst);
          multiplied &= static_cast<uint16_t>(~dst);
          break;
        case BPF_ALU:
        case BPF_ALU64: {
          bool keeps = insn.op() != BPF_MOV;
          bool is_chosen = (chosen & ((keeps ? dst : 0) | (insn.uses_src_reg() ? src : 0))) != 0;
          bool is_chased = (chased & ((keeps ? dst : 0) | (insn.uses_src_reg() ? src : 0))) != 0;
          uint16_t inputs =
              static_cast<uint16_t>((keeps ? dst : 0) | (insn.uses_src_reg() ? src : 0));
          bool is_multiplied = (multiplied & inputs) != 0 || (insn.op() == BPF_MUL && is_chosen);
          multiplied = static_cast<uint16_t>(is_multiplied ? multiplied | dst : multiplied & ~dst);
          chosen = static_cast<uint16_t>(is_chosen ? chosen | dst : chosen & ~dst);
          chased = static_cast<uint16_t>(is_chased ? chased | dst : chased & ~dst);
          break;
        }
        case BPF_JMP:
        case BPF_JMP32:
          if (insn.op() == BPF_CALL) {
            chosen &= static_cast<uint16_t>(~kCallerSaved);
            chased &= static_cast<uint16_t>(~kCallerSaved);
          }
          if ((flags_[i] & (kSelect1 | kSelect2)) == 0) break;
          if ((chased & (dst | (insn.uses_src_reg() ? src : 0))) != 0 ||
              (multiplied & bit(insns_[i + 1].dst)) != 0) {
            flags_[i] &= static_cast<uint8_t>(~(kSelect1 | kSelect2));
            break;
          }
          for (uint32_t moves = (flags_[i] & kSelect2) != 0 ? 2 : 1; moves > 0; moves--)
            chosen |= bit(insns_[++i].dst);
          break;
        default: break;
      }
    }
  }
}

void Analysis::registers_of(const VerifiedProgram& program, Function& function) {
  uint16_t used = 0, written = 0, again = 0, known = 0;
  for (uint32_t i = function.start; i < function.end; i++) {
    const Insn& insn = insns_[i];
    uint16_t use = 0, def = 0;
    uint16_t dst = bit(insn.dst), src = bit(insn.src);
    if (refs_[i] != 0) flags_[i] |= kLeader;
    switch (insn.opcode == kNop ? 0x100 : insn.cls()) {
      case BPF_LD:
        if (insn.mode() == BPF_IMM) {
          def = dst;
          if ((flags_[i] & kHoisted) != 0) use = bit(static_cast<unsigned>(insn.off));
        } else {
          use = insn.mode() == BPF_IND ? src : 0;
          def = kCallerSaved;
        }
        break;
      case BPF_LDX: use = src, def = dst; break;
      case BPF_ST: use = dst; break;
      case BPF_STX:
        use = dst | src;
        if (insn.mode() != BPF_ATOMIC) break;
        if (insn.imm == BPF_LOAD_ACQ) {
          use = src, def = dst;
        } else if (insn.imm == BPF_CMPXCHG) {
          use |= bit(0), def = bit(0);
        } else if (insn.imm != BPF_STORE_REL && (insn.imm & BPF_FETCH) != 0) {
          def = src;
        }
        break;
      case BPF_ALU:
      case BPF_ALU64:
        def = dst;
        if (insn.op() == BPF_NEG || insn.op() == BPF_END) {
          use = dst;
        } else {
          if (insn.op() != BPF_MOV) use = dst;
          if (insn.uses_src_reg()) use |= src;
        }
        break;
      case BPF_JMP:
      case BPF_JMP32:
        switch (insn.op()) {
          case BPF_JA:
          case BPF_JCOND: break;
          case BPF_EXIT: use = bit(0); break;
          case BPF_CALL:
            use = insn.src == 0 && insn.imm == 12 ? 0x0e : kArguments;  // BPF_FUNC_tail_call
            if (insn.uses_src_reg()) use |= dst;                        // callx
            def = kCallerSaved;
            if (inlined(i)) {
              auto lookup = lookup_at(program, i);
              use = lookup && !lookup->key_is_constant ? bit(2) : 0;
              if (lookup && insn.off != 0) use |= bit(static_cast<unsigned>(insn.off));
              if (!function.calls) def = bit(0);
            }
            break;
          default:
            use = dst;
            if (insn.uses_src_reg()) use |= src;
        }
        break;
      default: break;
    }
    use_[i] = use;
    def_[i] = def;
    used |= use | def;
    again |= written & def;
    written |= def;
    if (insn.opcode == (BPF_LD | BPF_IMM | BPF_DW)) {
      if (auto value = imm64_at(program, insns_ + i)) {
        function.known_value[insn.dst] = *value;
        known |= def;
      }
    } else if (insn.opcode == (BPF_ALU64 | BPF_MOV | BPF_K)) {
      function.known_value[insn.dst] = static_cast<uint64_t>(int64_t{insn.imm});
      known |= def;
    } else if (insn.opcode == (BPF_ALU | BPF_MOV | BPF_K)) {
      function.known_value[insn.dst] = static_cast<uint32_t>(insn.imm);
      known |= def;
    }
  }
  function.used = used;
  function.known = static_cast<uint16_t>(known & ~again & ~kArguments);
  if (function.start == 0)
    function.known |= static_cast<uint16_t>(known & ~again & 0x3c);  // r2 to r5
}

// Backwards to a fixed point, which is one when each jump back is live with what its target needs; the loops of
// real programs take two rounds.
void Analysis::liveness(Function& function) {
  std::array<uint32_t, 64> back;  // the jumps back, as far as they are remembered
  size_t backs = 0;
  for (unsigned round = 0;; round++) {
    bool again = false;
    uint16_t next = 0;  // live before instruction i + 1
    for (uint32_t i = function.end; i-- > function.start;) {
      const Insn& insn = insns_[i];
      uint16_t out = next;
      if ((insn.opcode & 7) == BPF_JMP || (insn.opcode & 7) == BPF_JMP32) {
        switch (insn.opcode == kNop ? 0 : insn.op()) {
          case BPF_EXIT: out = 0; break;
          case BPF_CALL:
            if (insn.src == BPF_PSEUDO_CALL && round == 0)
              use_[i] = functions_[function_at(i + 1 + static_cast<uint32_t>(insn.imm))].arguments;
            break;
          case BPF_JA:
            if (insn.opcode == kNop) break;
            out = 0;
            [[fallthrough]];
          default: {
            uint32_t to = target(insn, i);
            if (to > i) {
              out |= live_in(to);
            } else if (round == 0) {
              if (backs < back.size()) back[backs] = i;  // not known yet
              backs++;
            } else {
              out |= live_in(to);
            }
          }
        }
      }
      if (round > 0 && backs > back.size() && out != live_out_[i]) again = true;
      live_out_[i] = out;
      next = static_cast<uint16_t>(use_[i] | (out & ~def_[i]));
    }
    if (round == 0 && backs > back.size()) again = true;
    for (size_t b = 0; b < backs && backs <= back.size() && !again; b++)
      again = (live_in(target(insns_[back[b]], back[b])) & ~live_out_[back[b]]) != 0;
    if (!again) break;
    if (round == 64) {  // sound, and out of reach of any compiler's output
      for (uint32_t i = function.start; i < function.end; i++) live_out_[i] = 0xffff;
      break;
    }
  }
  function.arguments = live_in(function.start) & kArguments;
}

}  // namespace skep::jit
