#include "hooks/probe_plan.h"

#include <Zydis/Zydis.h>

#include <algorithm>
#include <optional>

namespace skep::hooks {
namespace {

constexpr uint32_t kJumpSize = 5, kShortJumpSize = 2;

struct Decoded {
  ZydisDecodedInstruction insn;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  uint64_t address = 0;

  [[nodiscard]] uint64_t end() const { return address + insn.length; }
  // The absolute address that a relative immediate names.
  [[nodiscard]] std::optional<uint64_t> branch_target() const {
    for (const auto& immediate : insn.raw.imm)
      if (immediate.size != 0 && immediate.is_relative)
        return end() + static_cast<uint64_t>(immediate.value.s);
    return std::nullopt;
  }
  [[nodiscard]] bool ip_relative_memory() const {
    return (insn.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0 && insn.raw.modrm.mod == 0 &&
           insn.raw.modrm.rm == 5 && insn.raw.disp.size == 32;
  }
  // Never goes on to the next instruction.
  [[nodiscard]] bool ends_flow() const {
    switch (insn.meta.category) {
      case ZYDIS_CATEGORY_UNCOND_BR:
      case ZYDIS_CATEGORY_RET: return true;
      default: break;
    }
    switch (insn.mnemonic) {
      case ZYDIS_MNEMONIC_UD0:
      case ZYDIS_MNEMONIC_UD1:
      case ZYDIS_MNEMONIC_UD2:
      case ZYDIS_MNEMONIC_HLT:
      case ZYDIS_MNEMONIC_INT3: return true;
      default: return false;
    }
  }
  [[nodiscard]] bool is_call() const { return insn.meta.category == ZYDIS_CATEGORY_CALL; }
  [[nodiscard]] bool is_padding() const {
    return insn.mnemonic == ZYDIS_MNEMONIC_NOP || insn.mnemonic == ZYDIS_MNEMONIC_INT3;
  }
};

class Decoder {
 public:
  explicit Decoder(const CodeView& code) : code_(code) {
    ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  }
  [[nodiscard]] bool decode(uint64_t address, Decoded& out) const {
    if (address < code_.address || address >= code_.end()) return false;
    const std::byte* bytes = code_.bytes.data() + (address - code_.address);
    size_t size = std::min<uint64_t>(code_.end() - address, ZYDIS_MAX_INSTRUCTION_LENGTH);
    out.address = address;
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder_, bytes, size, &out.insn, out.operands));
  }

 private:
  const CodeView& code_;
  ZydisDecoder decoder_;
};

// Writes the relocated instructions.
class Emitter {
 public:
  explicit Emitter(uint64_t at) : at_(at) {}

  // ENOTSUP with the reason where the instruction can't run elsewhere.
  Result<> relocate(const Decoded& decoded, ByteSpan bytes);
  // Where execution goes on.
  void jump_to(uint64_t target) {
    put({0xe9});
    relative32(target);
  }
  void finish(ProbeCode& out) const;
  [[nodiscard]] size_t size() const { return code_.size(); }
  // A call was emitted: its return address is the text's, so nothing may be relocated after it.
  [[nodiscard]] bool ended_by_call() const { return return_address_.has_value(); }

 private:
  void put(std::initializer_list<uint8_t> bytes) { code_.insert(code_.end(), bytes); }
  void put(ByteSpan bytes) {
    for (std::byte byte : bytes) code_.push_back(std::to_integer<uint8_t>(byte));
  }
  // Four bytes, the last of an instruction, that name `target`.
  void relative32(uint64_t target) {
    auto offset = static_cast<uint8_t>(code_.size());
    put({0, 0, 0, 0});
    fixups_.push_back({ProbeFixup::relative32,
                       offset,
                       static_cast<uint8_t>(offset + 4),
                       {},
                       static_cast<int64_t>(target - at_)});
  }
  // push [rip + literal]: the return address that the call would have pushed, so that unwinders and
  // backtraces see the text they know. Flags and registers stay.
  void push_return_address(uint64_t address) {
    put({0xff, 0x35});
    literal_use_ = code_.size();
    put({0, 0, 0, 0});
    return_address_ = address;
  }

  uint64_t at_;
  std::vector<uint8_t> code_;
  std::vector<ProbeFixup> fixups_;
  std::optional<uint64_t> return_address_;
  size_t literal_use_ = 0;
};

Result<> Emitter::relocate(const Decoded& decoded, ByteSpan bytes) {
  const ZydisDecodedInstruction& insn = decoded.insn;
  auto unmovable = [&](std::string_view why) {
    return fail(ENOTSUP, "{} at 0x{:x} {}", ZydisMnemonicGetString(insn.mnemonic), decoded.address,
                why);
  };
  if (decoded.ip_relative_memory() && insn.address_width != 64)
    return unmovable("addresses memory relative to eip");

  if (auto target = decoded.branch_target()) {
    if (insn.operand_width == 16 || (insn.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE) != 0)
      return unmovable("is a 16-bit branch");
    bool short_map = insn.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT;
    if (short_map && insn.opcode == 0xe8) {
      push_return_address(decoded.end());
      jump_to(*target);
    } else if (short_map && (insn.opcode == 0xe9 || insn.opcode == 0xeb)) {
      jump_to(*target);
    } else if ((short_map && (insn.opcode & 0xf0) == 0x70) ||
               (insn.opcode_map == ZYDIS_OPCODE_MAP_0F && (insn.opcode & 0xf0) == 0x80)) {
      put({0x0f, static_cast<uint8_t>(0x80 | (insn.opcode & 0x0f))});
      relative32(*target);
    } else if (short_map && insn.opcode >= 0xe0 && insn.opcode <= 0xe3) {
      // loop*, jrcxz have 8 bits only: taken +2 to the long jump, not taken over it.
      if (insn.address_width == 32) put({0x67});
      put({insn.opcode, 2, 0xeb, 5});
      jump_to(*target);
    } else {
      return unmovable("branches in a form that is not known");
    }
    return {};
  }

  if (decoded.is_call()) {
    if (insn.opcode != 0xff || insn.raw.modrm.reg != 2) return unmovable("is a far call");
    for (unsigned i = 0; i < insn.operand_count; ++i) {
      const ZydisDecodedOperand& operand = decoded.operands[i];
      if (operand.visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT) continue;
      if ((operand.type == ZYDIS_OPERAND_TYPE_MEMORY && operand.mem.base == ZYDIS_REGISTER_RSP) ||
          (operand.type == ZYDIS_OPERAND_TYPE_REGISTER && operand.reg.value == ZYDIS_REGISTER_RSP))
        return unmovable("calls through the stack pointer");
    }
    push_return_address(decoded.end());
  }
  size_t start = code_.size();
  put(bytes);
  if (decoded.is_call())  // FF /2 becomes the jump FF /4
    code_[start + insn.raw.modrm.offset] ^= (2 ^ 4) << 3;
  if (decoded.ip_relative_memory()) {
    uint64_t target = decoded.end() + static_cast<uint64_t>(insn.raw.disp.value);
    fixups_.push_back({ProbeFixup::relative32,
                       static_cast<uint8_t>(start + insn.raw.disp.offset),
                       static_cast<uint8_t>(start + insn.length),
                       {},
                       static_cast<int64_t>(target - at_)});
  }
  return {};
}

void Emitter::finish(ProbeCode& out) const {
  std::vector<uint8_t> code = code_;
  std::vector<ProbeFixup> fixups = fixups_;
  if (return_address_) {
    auto literal = static_cast<uint32_t>(code.size());
    code.insert(code.end(), 8, uint8_t{0});
    fixups.push_back({ProbeFixup::address64,
                      static_cast<uint8_t>(literal),
                      0,
                      {},
                      static_cast<int64_t>(*return_address_ - at_)});
    store<uint32_t>(code.data() + literal_use_, literal - static_cast<uint32_t>(literal_use_ + 4));
  }
  // At most 5 instructions, the longest form of one 15 or 11+8 bytes: they always fit.
  out.code_size = static_cast<uint8_t>(std::min<size_t>(code.size(), kMaxProbeCode));
  std::copy_n(code.begin(), out.code_size, out.code);
  out.fixup_count = static_cast<uint8_t>(std::min<size_t>(fixups.size(), kMaxProbeFixups));
  std::copy_n(fixups.begin(), out.fixup_count, out.fixups);
}

// Is there, anywhere in the segment, a 32-bit relative branch, or a `lea` of a code address, into
// (begin, end)? Every byte is tried as the displacement's first: nothing can hide between
// boundaries.
std::optional<uint64_t> find_long_reference(const CodeView& code, uint64_t begin, uint64_t end) {
  if (code.bytes.size() < 5) return std::nullopt;
  const auto* bytes = reinterpret_cast<const uint8_t*>(code.bytes.data());
  auto first = static_cast<uint32_t>(begin + 1 - code.address);
  auto span = static_cast<uint32_t>(end - begin - 1);
  for (size_t i = 1; i + 4 <= code.bytes.size(); ++i) {
    uint32_t target = static_cast<uint32_t>(i) + 4 + load<uint32_t>(bytes + i);
    if (target - first >= span) [[likely]]
      continue;
    uint8_t before = bytes[i - 1];
    bool branch = before == 0xe8 || before == 0xe9;
    if (i >= 2) {
      branch |= bytes[i - 2] == 0x0f && (before & 0xf0) == 0x80;
      branch |= bytes[i - 2] == 0x8d && (before & 0xc7) == 0x05;  // lea reg, [rip + x]
    }
    uint64_t at = code.address + i;
    if (branch && !(at > begin && at < end)) return at;
  }
  return std::nullopt;
}

// Walks instructions of [begin, end) and returns one that branches into (from, to); `decoded_all`
// says whether every byte was an instruction.
std::optional<uint64_t> find_branch(const Decoder& decoder, uint64_t begin, uint64_t end,
                                    uint64_t from, uint64_t to, bool& decoded_all) {
  Decoded decoded;
  decoded_all = true;
  for (uint64_t at = begin; at < end; at = decoded.end()) {
    if (!decoder.decode(at, decoded)) {
      decoded_all = false;
      return std::nullopt;
    }
    if (auto target = decoded.branch_target(); target && *target > from && *target < to) return at;
  }
  return std::nullopt;
}

constexpr uint64_t kShortReach = 128 + kMaxDisplaced;
constexpr uint64_t kNeighbourhood =
    2 * kShortReach;  // what may reach a cave that the instruction reaches

bool is_short_branch(uint8_t opcode) {
  return opcode == 0xeb || (opcode & 0xf0) == 0x70 || (opcode >= 0xe0 && opcode <= 0xe3);
}

// A short branch into (from, to), in bytes [begin, end) of which nobody knows where instructions start.
std::optional<uint64_t> find_short_reference(const CodeView& code, const Decoder& decoder,
                                             uint64_t begin, uint64_t end, uint64_t from,
                                             uint64_t to) {
  Decoded decoded;
  uint64_t at = begin;
  while (at < end && decoder.decode(at, decoded) && decoded.is_padding()) at = decoded.end();
  if (at >= end) return std::nullopt;
  for (at = begin; at + 2 <= code.end() && at < end; ++at) {
    const std::byte* bytes = code.bytes.data() + (at - code.address);
    if (!is_short_branch(std::to_integer<uint8_t>(bytes[0]))) continue;
    uint64_t target = at + 2 + static_cast<uint64_t>(int64_t{load<int8_t>(bytes + 1)});
    if (target > from && target < to) return at;
  }
  return std::nullopt;
}

// Short branches from outside the function.
std::optional<uint64_t> find_from_neighbours(const PlanRequest& request, const Decoder& decoder,
                                             uint64_t from, uint64_t to) {
  uint64_t low = std::max(request.code.address, from < kShortReach ? 0 : from - kShortReach);
  uint64_t high = std::min(request.code.end(), to + kShortReach);
  std::vector<CodeRange> known(request.neighbours.begin(), request.neighbours.end());
  known.push_back(request.function);
  std::ranges::sort(known, {}, &CodeRange::begin);
  uint64_t done = low;
  for (const CodeRange& range : known) {
    if (range.begin >= high) break;
    if (range.begin > done)
      if (auto found = find_short_reference(request.code, decoder, done, range.begin, from, to))
        return found;
    bool all = true;
    if (range != request.function && range.end > low) {
      if (auto found = find_branch(decoder, range.begin, std::min(range.end, request.code.end()),
                                   from, to, all))
        return found;
      if (!all)
        if (auto found = find_short_reference(request.code, decoder, std::max(low, range.begin),
                                              std::min(range.end, high), from, to))
          return found;
    }
    done = std::max(done, range.end);
  }
  if (done < high) return find_short_reference(request.code, decoder, done, high, from, to);
  return std::nullopt;
}

// Why a jump may not overwrite (at, at + size); empty where it may.
std::string why_no_jump(const PlanRequest& request, const Decoder& decoder, uint32_t size) {
  uint64_t at = request.at, end = at + size;
  for (uint64_t entry : request.entries)
    if (entry > at && entry < end)
      return fmt::format("0x{:x} inside it is an entry of its own", entry);
  bool all = true;
  if (auto from = find_branch(decoder, request.function.begin,
                              std::min(request.function.end, request.code.end()), at, end, all))
    return fmt::format("0x{:x} branches into its first {} bytes", *from, size);
  if (!all) return "the function can't be decoded to its end";
  if (auto from = find_from_neighbours(request, decoder, at, end))
    return fmt::format("0x{:x} branches into its first {} bytes", *from, size);
  if (auto from = find_long_reference(request.code, at, end))
    return fmt::format("0x{:x} refers to its first {} bytes", *from, size);
  return {};
}

// Five bytes of padding within reach of a short jump: behind a function whose last instruction does not
// go on, before the next one, entered from nowhere.
std::optional<uint64_t> find_cave(const PlanRequest& request, const Decoder& decoder) {
  std::vector<CodeRange> known(request.neighbours.begin(), request.neighbours.end());
  known.push_back(request.function);
  std::ranges::sort(known, {}, &CodeRange::end);
  uint64_t low = request.at + kShortJumpSize - 128, high = request.at + kShortJumpSize + 127;
  for (const CodeRange& before : known) {
    uint64_t begin = before.end, end = begin;
    if (begin + kJumpSize < low || begin > high) continue;
    Decoded last, padding;
    bool ends = false;
    for (uint64_t at = before.begin; at < before.end && decoder.decode(at, last); at = last.end())
      ends = last.end() == before.end && last.ends_flow();
    if (!ends) continue;
    auto inside = [&](uint64_t vaddr) {
      return std::ranges::any_of(known, [&](const CodeRange& r) { return r.contains(vaddr); }) ||
             std::ranges::find(request.entries, vaddr) != request.entries.end();
    };
    while (!inside(end) && decoder.decode(end, padding) && padding.is_padding())
      end = padding.end();
    // The padding must end where another function begins: else nobody knows what the bytes are for.
    if (std::ranges::none_of(known, [&](const CodeRange& r) { return r.begin == end; })) continue;
    for (uint64_t at = std::max(begin, low); at + kJumpSize <= end && at <= high; ++at) {
      bool free = std::ranges::none_of(request.taken, [&](const CodeRange& r) {
        return r.begin < at + kJumpSize && at < r.end;
      });
      if (!free || find_long_reference(request.code, at - 1, at + kJumpSize) ||
          find_from_neighbours(request, decoder, at - 1, at + kJumpSize))
        continue;
      return at;
    }
  }
  return std::nullopt;
}

}  // namespace

Result<Plan> plan_code(const PlanRequest& request) {
  Decoder decoder(request.code);
  uint64_t at = request.at;
  Decoded decoded;
  for (uint64_t walk = request.function.begin; walk < at; walk = decoded.end()) {
    if (!decoder.decode(walk, decoded))
      return fail(EINVAL, "can't tell instructions apart: 0x{:x} is none", walk);
    if (decoded.end() > at)
      return fail(EINVAL, "0x{:x} is inside the instruction at 0x{:x} ({} bytes)", at, walk,
                  decoded.insn.length);
  }
  if (!decoder.decode(at, decoded)) return fail(EINVAL, "no instruction begins at 0x{:x}", at);
  if (decoded.insn.mnemonic == ZYDIS_MNEMONIC_INT3)
    return fail(EBUSY, "0x{:x} holds a breakpoint already", at);

  auto bytes_at = [&](uint64_t address, size_t size) {
    return Reader(request.code.bytes).slice(address - request.code.address, size);
  };
  // As many instructions as cover so many bytes.
  auto build = [&](ProbeKind kind, uint32_t cover, std::string& why) -> Result<ProbeCode> {
    ProbeCode out;
    out.kind = kind;
    Emitter emitter(at);
    uint64_t end = at;
    bool flow_ended = false;
    while (end < at + cover) {
      Decoded insn;
      if (!decoder.decode(end, insn)) {
        why = fmt::format("0x{:x} is no instruction", end);
        return fail(ENOTSUP, "{}", why);
      }
      if (flow_ended || emitter.ended_by_call()) {
        // Behind the function's end there is room only in padding that nothing executes.
        if (emitter.ended_by_call() || !insn.is_padding()) {
          why = fmt::format("only {} bytes before a {} are free", end - at,
                            emitter.ended_by_call() ? "call's return" : "next block");
          return fail(ENOTSUP, "{}", why);
        }
        end = std::min(insn.end(), at + cover);
        continue;
      }
      out.boundaries[out.boundary_count++] = {static_cast<uint8_t>(end - at),
                                              static_cast<uint8_t>(emitter.size())};
      if (auto done = emitter.relocate(insn, *bytes_at(end, insn.insn.length)); !done) {
        why = done.error().message();
        return fail(done);
      }
      flow_ended = insn.ends_flow();
      end = insn.end();
    }
    out.displaced = static_cast<uint8_t>(end - at);
    if (!flow_ended && !emitter.ended_by_call()) emitter.jump_to(end);
    emitter.finish(out);
    ByteSpan original = *bytes_at(at, out.displaced);
    out.original_size = out.displaced;
    std::memcpy(out.original, original.data(), original.size());
    return out;
  };

  Plan plan;
  if (!request.breakpoint_only) {
    if (auto jump = build(ProbeKind::jump, kJumpSize, plan.why_breakpoint)) {
      plan.why_breakpoint = why_no_jump(request, decoder, jump->displaced);
      if (plan.why_breakpoint.empty()) {
        plan.code = *jump;
        return plan;
      }
    }
    std::string why;
    if (auto jump = build(ProbeKind::short_jump, kShortJumpSize, why);
        jump && why_no_jump(request, decoder, jump->displaced).empty())
      if (auto cave = find_cave(request, decoder)) {
        jump->cave = static_cast<int16_t>(*cave - at);
        std::memcpy(jump->cave_original, bytes_at(*cave, kJumpSize)->data(), kJumpSize);
        plan.code = *jump;
        return plan;
      }
  } else {
    plan.why_breakpoint = "asked for";
  }
  std::string why;
  auto breakpoint = build(ProbeKind::breakpoint, 1, why);
  if (!breakpoint) return fail(breakpoint);
  plan.code = *breakpoint;
  return plan;
}

Result<Plan> plan_probe(const ElfImage& image, const Place& place, bool breakpoint_only,
                        std::span<const CodeRange> taken) {
  const Segment* segment = image.code_segment(place.vaddr);
  if (segment == nullptr) return fail(EINVAL, "0x{:x} lies in no executable segment", place.vaddr);
  PlanRequest request;
  request.code = {image.bytes_of_segment(*segment), segment->vaddr};
  request.at = place.vaddr;
  request.breakpoint_only = breakpoint_only;
  request.taken = taken;
  request.function = place.bounds;

  std::vector<uint64_t> entries;
  auto near = [&](uint64_t vaddr) {
    return vaddr > place.vaddr && vaddr < place.vaddr + kMaxDisplaced;
  };
  const auto& symbols = image.symbols();
  for (auto symbol = std::ranges::upper_bound(symbols, place.vaddr, {}, &Symbol::vaddr);
       symbol != symbols.end() && near(symbol->vaddr); ++symbol)
    entries.push_back(symbol->vaddr);
  for (uint64_t vaddr = place.vaddr + 1; near(vaddr); ++vaddr)
    if (auto entry = image.unwind_entry(vaddr); entry && near(entry->range.begin)) {
      entries.push_back(entry->range.begin);
      break;
    }
  if (auto entry = image.unwind_entry(place.vaddr)) {
    for (uint64_t pad : image.landing_pads(*entry)) entries.push_back(pad);
    // A symbol may be shorter than what is unwound as one function; look at all of it.
    if (entry->range.begin >= request.function.begin && entry->range.end > request.function.end &&
        entry->range.begin <= place.vaddr)
      request.function.end = entry->range.end;
  }
  std::vector<CodeRange> neighbours;
  uint64_t low = place.vaddr < kNeighbourhood ? 0 : place.vaddr - kNeighbourhood;
  uint64_t high = place.vaddr + kMaxDisplaced + kNeighbourhood;
  for (uint64_t above = high; auto entry = image.unwind_entry_below(above);) {
    if (entry->range.begin >= above || entry->range.end <= low) break;
    if (!entry->range.contains(place.vaddr)) neighbours.push_back(entry->range);
    above = entry->range.begin;
  }
  for (auto symbol = std::ranges::lower_bound(symbols, low, {}, &Symbol::vaddr);
       symbol != symbols.end() && symbol->vaddr < high; ++symbol)
    if (symbol->size != 0 &&
        (place.vaddr < symbol->vaddr || place.vaddr - symbol->vaddr >= symbol->size))
      neighbours.push_back({symbol->vaddr, symbol->vaddr + symbol->size});
  request.neighbours = neighbours;
  request.entries = entries;
  return plan_code(request);
}

std::vector<UnwinderExit> unwinder_exits(const CodeView& code, const CodeRange& function) {
  std::vector<UnwinderExit> exits;
  Decoder decoder(code);
  Decoded decoded;
  for (uint64_t at = function.begin; at < function.end; at = decoded.end()) {
    if (!decoder.decode(at, decoded)) break;
    if (decoded.insn.meta.category == ZYDIS_CATEGORY_RET)
      exits.push_back({at, ProbeRole::unwinder_leave});
    else if (decoded.insn.mnemonic == ZYDIS_MNEMONIC_MOV &&
             decoded.operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
             decoded.operands[0].reg.value == ZYDIS_REGISTER_RSP &&
             decoded.operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
             decoded.operands[1].reg.value == ZYDIS_REGISTER_RCX)
      exits.push_back({at, ProbeRole::unwinder_leave_rcx});
  }
  return exits;
}

}  // namespace skep::hooks
