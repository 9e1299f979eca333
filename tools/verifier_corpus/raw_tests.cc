// The tables of the kernel's test_verifier (tools/testing/selftests/bpf/verifier/*.c): each element of the array is
//   { "what it is about", .insns = { BPF_MOV64_IMM(BPF_REG_0, 0), … }, .result = REJECT, .errstr = "…", … }
// Read as they stand: the instructions' macros are known here, the files' own are expanded.
#include <climits>
#include <filesystem>

#include "base/fd.h"
#include "c_tokens.h"
#include "case.h"
#include "spec/attach_types.h"
#include "spec/helpers.h"
#include "spec/prog_types.h"

namespace skep::corpus {

namespace {

using namespace isa;

// Sequences that test_verifier.c names.
constexpr std::string_view kPrelude = R"(
#define BPF_SK_LOOKUP(func) BPF_MOV64_IMM(BPF_REG_2, 0), BPF_STX_MEM(BPF_W, BPF_REG_10, BPF_REG_2, -8), BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_2, -16), BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_2, -24), BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_2, -32), BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_2, -40), BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_2, -48), BPF_MOV64_REG(BPF_REG_2, BPF_REG_10), BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, -48), BPF_MOV64_IMM(BPF_REG_3, 36), BPF_MOV64_IMM(BPF_REG_4, 0), BPF_MOV64_IMM(BPF_REG_5, 0), BPF_EMIT_CALL(BPF_FUNC_ ## func)
#define BPF_DIRECT_PKT_R2 BPF_MOV64_IMM(BPF_REG_0, 0), BPF_LDX_MEM(BPF_W, BPF_REG_2, BPF_REG_1, offsetof(struct __sk_buff, data)), BPF_LDX_MEM(BPF_W, BPF_REG_3, BPF_REG_1, offsetof(struct __sk_buff, data_end)), BPF_MOV64_REG(BPF_REG_4, BPF_REG_2), BPF_ALU64_IMM(BPF_ADD, BPF_REG_4, 8), BPF_JMP_REG(BPF_JLE, BPF_REG_4, BPF_REG_3, 1), BPF_EXIT_INSN()
#define BPF_RAND_UEXT_R7 BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_prandom_u32), BPF_MOV64_REG(BPF_REG_7, BPF_REG_0), BPF_ALU64_IMM(BPF_LSH, BPF_REG_7, 33), BPF_ALU64_IMM(BPF_RSH, BPF_REG_7, 33)
#define BPF_RAND_SEXT_R7 BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_prandom_u32), BPF_MOV64_REG(BPF_REG_7, BPF_REG_0), BPF_ALU64_IMM(BPF_OR, BPF_REG_7, 0x80000000), BPF_ALU64_IMM(BPF_LSH, BPF_REG_7, 32), BPF_ALU64_IMM(BPF_ARSH, BPF_REG_7, 32)
)";

struct Constant {
  std::string_view name;
  int64_t value;
};
constexpr Constant kConstants[] = {{"BPF_LD", 0},
                                   {"BPF_LDX", 1},
                                   {"BPF_ST", 2},
                                   {"BPF_STX", 3},
                                   {"BPF_ALU", 4},
                                   {"BPF_JMP", 5},
                                   {"BPF_JMP32", 6},
                                   {"BPF_ALU64", 7},
                                   {"BPF_W", 0},
                                   {"BPF_H", 8},
                                   {"BPF_B", 0x10},
                                   {"BPF_DW", 0x18},
                                   {"BPF_IMM", 0},
                                   {"BPF_ABS", 0x20},
                                   {"BPF_IND", 0x40},
                                   {"BPF_MEM", 0x60},
                                   {"BPF_MEMSX", 0x80},
                                   {"BPF_ATOMIC", 0xc0},
                                   {"BPF_XADD", 0xc0},
                                   {"BPF_K", 0},
                                   {"BPF_X", 8},
                                   {"BPF_ADD", 0},
                                   {"BPF_SUB", 0x10},
                                   {"BPF_MUL", 0x20},
                                   {"BPF_DIV", 0x30},
                                   {"BPF_OR", 0x40},
                                   {"BPF_AND", 0x50},
                                   {"BPF_LSH", 0x60},
                                   {"BPF_RSH", 0x70},
                                   {"BPF_NEG", 0x80},
                                   {"BPF_MOD", 0x90},
                                   {"BPF_XOR", 0xa0},
                                   {"BPF_MOV", 0xb0},
                                   {"BPF_ARSH", 0xc0},
                                   {"BPF_END", 0xd0},
                                   {"BPF_TO_LE", 0},
                                   {"BPF_TO_BE", 8},
                                   {"BPF_JA", 0},
                                   {"BPF_JEQ", 0x10},
                                   {"BPF_JGT", 0x20},
                                   {"BPF_JGE", 0x30},
                                   {"BPF_JSET", 0x40},
                                   {"BPF_JNE", 0x50},
                                   {"BPF_JSGT", 0x60},
                                   {"BPF_JSGE", 0x70},
                                   {"BPF_CALL", 0x80},
                                   {"BPF_EXIT", 0x90},
                                   {"BPF_JLT", 0xa0},
                                   {"BPF_JLE", 0xb0},
                                   {"BPF_JSLT", 0xc0},
                                   {"BPF_JSLE", 0xd0},
                                   {"BPF_FETCH", 1},
                                   {"BPF_XCHG", 0xe1},
                                   {"BPF_CMPXCHG", 0xf1},
                                   {"BPF_PSEUDO_MAP_FD", 1},
                                   {"BPF_PSEUDO_MAP_VALUE", 2},
                                   {"BPF_PSEUDO_BTF_ID", 3},
                                   {"BPF_PSEUDO_FUNC", 4},
                                   {"BPF_PSEUDO_CALL", 1},
                                   {"BPF_PSEUDO_KFUNC_CALL", 2},
                                   {"BPF_REG_FP", 10},
                                   {"BPF_REG_CTX", 6},
                                   {"BPF_ANY", 0},
                                   {"BPF_F_INVALIDATE_HASH", 2},
                                   {"BPF_F_CURRENT_CPU", 0xffffffff},
                                   {"MAX_BPF_STACK", 512},
                                   {"INT_MIN", INT_MIN},
                                   {"INT_MAX", INT_MAX},
                                   {"LLONG_MIN", LLONG_MIN},
                                   {"LLONG_MAX", LLONG_MAX},
                                   {"MAX_ENTRIES", 11},
                                   {"TEST_DATA_LEN", 64},
                                   {"POINTER_VALUE", 0xcafe4a11},
                                   {"UNDEF", 0},
                                   {"ACCEPT", 1},
                                   {"REJECT", 2},
                                   {"VERBOSE_ACCEPT", 3},
                                   {"F_NEEDS_EFFICIENT_UNALIGNED_ACCESS", 1},
                                   {"F_LOAD_WITH_STRICT_ALIGNMENT", 2},
                                   {"F_NEEDS_JIT_ENABLED", 4},
                                   {"XDP_PASS", 2},
                                   {"XDP_DROP", 1},
                                   {"TC_ACT_OK", 0},
                                   {"TC_ACT_SHOT", 2},
                                   {"SK_PASS", 1},
                                   {"SK_DROP", 0},
                                   {"AF_INET", 2},
                                   {"AF_INET6", 10},
                                   {"BPF_F_SLEEPABLE", 16},
                                   {"BPF_F_TEST_STATE_FREQ", 8},
                                   {"UINT_MAX", 0xffffffff},
                                   {"ETH_HLEN", 14},
                                   {"ENOENT", 2}};

class Reader {
 public:
  explicit Reader(std::span<const std::shared_ptr<const btf::Btf>> btfs) : btfs_(btfs) {
    numbers_.name = [this](const std::string& name) { return value_of(name); };
    numbers_.call = [this](const std::string& name, const Tokens& inner) {
      return call_of(name, inner);
    };
  }

  Case read(const Tokens& test) {
    Case result;
    program_ = &result.program;
    problem_.clear();
    result.program.license = "GPL";
    result.program.type = ProgType::BPF_PROG_TYPE_SOCKET_FILTER;
    for (const Tokens& part : split_at_commas(test)) {
      if (part.empty()) continue;
      if (part[0].kind == Token::Kind::text) {
        result.name = text_of(part, 0);
      } else if (part[0].is(".") && part.size() > 3) {
        field(part[1].value, Tokens(part.begin() + 3, part.end()), result);
      }
    }
    finish(result);
    return result;
  }

 private:
  std::optional<int64_t> value_of(const std::string& name) {
    for (const Constant& constant : kConstants) {
      if (constant.name == name) return constant.value;
    }
    if (name.starts_with("BPF_REG_")) return std::strtol(name.c_str() + 8, nullptr, 10);
    if (name.starts_with("BPF_FUNC_")) {
      if (name == "BPF_FUNC_unspec") return 0;
      const spec::Helper* helper = spec::find_helper("bpf_" + name.substr(9));
      if (helper == nullptr) helper = spec::find_helper(name.substr(9));
      if (helper != nullptr) return helper->id;
    }
    if (const auto* row = spec::find_attach_type(std::string_view(name)); row != nullptr)
      return static_cast<int64_t>(row->type);
    for (const spec::ProgTypeRow& row : spec::prog_types()) {
      if (row.name == name) return static_cast<int64_t>(row.type);
    }
    problem_ = "unknown name " + name;
    return std::nullopt;
  }

  std::optional<int64_t> call_of(const std::string& name, const Tokens& inner) {
    size_t at = 0;
    if (at < inner.size() && inner[at].value == "struct") ++at;
    const std::string type = at < inner.size() ? inner[at].value : "";
    if (name == "sizeof" && type == "test_val") return 48;
    if (name == "sizeof" && type == "other_val") return 16;
    for (const auto& btf : btfs_) {
      const auto id = btf->find(type, btf::Kind::Struct);
      if (!id) continue;
      if (name == "sizeof") return btf->size_of(*id);
      const auto place = offset_of(*btf, *id, inner, at + 2);
      if (place) return name == "offsetofend" ? place->first + place->second : place->first;
    }
    problem_ = fmt::format("{} of struct {}", name, type);
    return std::nullopt;
  }

  // Offset and size of a member: `data`, `cb[2]`.
  std::optional<std::pair<int64_t, int64_t>> offset_of(const btf::Btf& btf, btf::TypeId id,
                                                       const Tokens& path, size_t at) {
    if (at >= path.size()) return std::nullopt;
    const btf::Type type = btf.type(id);
    for (uint32_t m = 0; m < type.vlen(); ++m) {
      const btf::Member member = type.member(m);
      if (member.name.empty()) {
        const auto inner = offset_of(btf, btf.resolve(member.type).id(), path, at);
        if (inner) return std::pair{inner->first + member.bit_offset / 8, inner->second};
        continue;
      }
      if (member.name != path[at].value) continue;
      int64_t offset = member.bit_offset / 8, size = btf.size_of(member.type).value_or(0);
      if (at + 2 < path.size() && path[at + 1].is("[")) {
        size_t inside = at + 2;
        const auto index = numbers_.parse(path, inside);
        const btf::Type array = btf.resolve(member.type);
        if (!index || array.kind() != btf::Kind::Array) return std::nullopt;
        size = btf.size_of(array.element()).value_or(0);
        offset += *index * size;
      }
      return std::pair{offset, size};
    }
    return std::nullopt;
  }

  int64_t number(const Tokens& tokens) {
    size_t at = 0;
    const auto value = numbers_.parse(tokens, at);
    if (!value && problem_.empty())
      problem_ = "no number: " + (tokens.empty() ? std::string() : tokens[0].value);
    return value.value_or(0);
  }

  static std::string text_of(const Tokens& tokens, size_t at) {
    std::string text;
    for (; at < tokens.size() && tokens[at].kind == Token::Kind::text; ++at)
      text += tokens[at].value;
    return text;
  }

  void add(int64_t opcode, int64_t dst, int64_t src, int64_t off, int64_t imm) {
    Insn insn;
    insn.opcode = static_cast<uint8_t>(opcode);
    insn.dst = static_cast<uint8_t>(dst & 15);
    insn.src = static_cast<uint8_t>(src & 15);
    insn.off = static_cast<int16_t>(off);
    insn.imm = static_cast<int32_t>(imm);
    program_->insns.push_back(insn);
  }

  void instruction(const Tokens& tokens) {
    if (tokens.size() < 3 || !tokens[1].is("(")) {
      problem_ = "an instruction that is no macro";
      return;
    }
    const std::string& name = tokens[0].value;
    size_t at = 1;
    std::vector<int64_t> a;
    for (const Tokens& argument : split_at_commas(inside_brackets(tokens, at)))
      a.push_back(number(argument));
    a.resize(8);
    if (name == "BPF_RAW_INSN") return add(a[0], a[1], a[2], a[3], a[4]);
    if (name == "BPF_EXIT_INSN") return add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    if (name == "BPF_EMIT_CALL") return add(BPF_JMP | BPF_CALL, 0, 0, 0, a[0]);
    if (name == "BPF_CALL_REL") return add(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, a[0]);
    if (name == "BPF_MOV64_IMM") return add(BPF_ALU64 | BPF_MOV | BPF_K, a[0], 0, 0, a[1]);
    if (name == "BPF_MOV32_IMM") return add(BPF_ALU | BPF_MOV | BPF_K, a[0], 0, 0, a[1]);
    if (name == "BPF_MOV64_REG") return add(BPF_ALU64 | BPF_MOV | BPF_X, a[0], a[1], 0, 0);
    if (name == "BPF_MOV32_REG") return add(BPF_ALU | BPF_MOV | BPF_X, a[0], a[1], 0, 0);
    if (name == "BPF_ALU64_IMM") return add(BPF_ALU64 | BPF_K | a[0], a[1], 0, 0, a[2]);
    if (name == "BPF_ALU32_IMM") return add(BPF_ALU | BPF_K | a[0], a[1], 0, 0, a[2]);
    if (name == "BPF_ALU64_REG") return add(BPF_ALU64 | BPF_X | a[0], a[1], a[2], 0, 0);
    if (name == "BPF_ALU32_REG") return add(BPF_ALU | BPF_X | a[0], a[1], a[2], 0, 0);
    if (name == "BPF_ENDIAN") return add(BPF_ALU | BPF_END | a[0], a[1], 0, 0, a[2]);
    if (name == "BPF_LDX_MEM") return add(BPF_LDX | BPF_MEM | a[0], a[1], a[2], a[3], 0);
    if (name == "BPF_STX_MEM") return add(BPF_STX | BPF_MEM | a[0], a[1], a[2], a[3], 0);
    if (name == "BPF_ST_MEM") return add(BPF_ST | BPF_MEM | a[0], a[1], 0, a[2], a[3]);
    if (name == "BPF_ATOMIC_OP") return add(BPF_STX | BPF_ATOMIC | a[0], a[2], a[3], a[4], a[1]);
    if (name == "BPF_STX_XADD") return add(BPF_STX | BPF_ATOMIC | a[0], a[1], a[2], a[3], BPF_ADD);
    if (name == "BPF_LD_ABS") return add(BPF_LD | BPF_ABS | a[0], 0, 0, 0, a[1]);
    if (name == "BPF_LD_IND") return add(BPF_LD | BPF_IND | a[0], 0, a[1], 0, a[2]);
    if (name == "BPF_JMP_A") return add(BPF_JMP | BPF_JA, 0, 0, a[0], 0);
    if (name == "BPF_JMP_REG") return add(BPF_JMP | BPF_X | a[0], a[1], a[2], a[3], 0);
    if (name == "BPF_JMP32_REG") return add(BPF_JMP32 | BPF_X | a[0], a[1], a[2], a[3], 0);
    if (name == "BPF_JMP_IMM") return add(BPF_JMP | BPF_K | a[0], a[1], 0, a[3], a[2]);
    if (name == "BPF_JMP32_IMM") return add(BPF_JMP32 | BPF_K | a[0], a[1], 0, a[3], a[2]);
    const auto wide = [&](int64_t src, int64_t off, int64_t off2, int64_t low, int64_t high) {
      add(BPF_LD | BPF_DW | BPF_IMM, a[0], src, off, low);
      add(0, 0, 0, off2, high);
    };
    if (name == "BPF_LD_IMM64") return wide(0, 0, 0, a[1], a[1] >> 32);
    if (name == "BPF_LD_MAP_FD") return wide(BPF_PSEUDO_MAP_FD, 0, 0, a[1], 0);
    if (name == "BPF_LD_MAP_VALUE") return wide(BPF_PSEUDO_MAP_VALUE, 0, 0, a[1], a[2]);
    if (name == "BPF_LD_IMM64_RAW") return wide(a[1], 0, 0, a[2], a[2] >> 32);
    if (name == "BPF_LD_IMM64_RAW_FULL") return wide(a[1], a[2], a[3], a[4], a[5]);
    problem_ = "unknown instruction " + name;
  }

  static MapDescriptor map_of(const std::string& field) {
    MapDescriptor map;
    const auto set = [&](MapType type, uint32_t key, uint32_t value, uint32_t entries,
                         uint32_t flags = 0) {
      map.type = type, map.key_size = key, map.value_size = value, map.max_entries = entries,
      map.map_flags = flags;
    };
    using enum MapType;
    if (field == "fixup_map_hash_8b") set(BPF_MAP_TYPE_HASH, 8, 8, 1);
    if (field == "fixup_map_hash_48b") set(BPF_MAP_TYPE_HASH, 8, 48, 1);
    if (field == "fixup_map_hash_16b") set(BPF_MAP_TYPE_HASH, 8, 16, 1);
    if (field == "fixup_map_array_48b") set(BPF_MAP_TYPE_ARRAY, 4, 48, 1);
    if (field == "fixup_map_array_ro") set(BPF_MAP_TYPE_ARRAY, 4, 48, 1, BPF_F_RDONLY_PROG);
    if (field == "fixup_map_array_wo") set(BPF_MAP_TYPE_ARRAY, 4, 48, 1, BPF_F_WRONLY_PROG);
    if (field == "fixup_map_array_small") set(BPF_MAP_TYPE_ARRAY, 4, 1, 1);
    if (field == "fixup_prog1") set(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4);
    if (field == "fixup_prog2") set(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 8);
    if (field == "fixup_map_event_output") set(BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 1);
    if (field == "fixup_map_ringbuf") set(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096);
    if (field == "fixup_map_stacktrace") set(BPF_MAP_TYPE_STACK_TRACE, 4, 8, 1);
    return map;
  }

  void fix_up(const std::string& field, const Tokens& value) {
    MapDescriptor map = map_of(field);
    if (map.type == MapType::BPF_MAP_TYPE_UNSPEC) {
      problem_ = field;
      return;
    }
    map.name = field.substr(6);
    const auto index = static_cast<int32_t>(program_->maps.size());
    program_->maps.push_back(map);
    size_t at = 0;
    for (const Tokens& insn : split_at_commas(inside_brackets(value, at)))
      fixups_.push_back({static_cast<size_t>(number(insn)), index});
  }

  void field(const std::string& name, const Tokens& value, Case& result) {
    size_t at = 0;
    if (name == "insns") {
      for (const Tokens& insn : split_at_commas(inside_brackets(value, at))) instruction(insn);
    } else if (name == "result") {
      result_ = number(value);
    } else if (name == "result_unpriv") {
      unprivileged_ = number(value);
    } else if (name == "errstr") {
      error_ = text_of(value, 0);
    } else if (name == "errstr_unpriv") {
      error_unprivileged_ = text_of(value, 0);
    } else if (name == "prog_type") {
      result.program.type = static_cast<ProgType>(number(value));
      typed_ = true;
    } else if (name == "expected_attach_type") {
      result.program.expected_attach_type = static_cast<AttachType>(number(value));
    } else if (name == "flags") {
      const int64_t flags = number(value);
      if ((flags & 2) != 0) result.program.flags |= 1;  // BPF_F_STRICT_ALIGNMENT
      if ((flags & 1) != 0) result.program.flags |= 2;  // BPF_F_ANY_ALIGNMENT
      result.program.flags |= static_cast<uint32_t>(flags & ~7);
    } else if (name == "retval") {
      result.privileged.result = number(value);
    } else if (name.starts_with("fixup_")) {
      fix_up(name, value);
    } else if (name == "kfunc") {
      for (const auto& btf : btfs_) {
        const auto id = btf->find(text_of(value, 0), btf::Kind::Func);
        if (!id) continue;
        result.program.attach_btf = btf;
        result.program.attach_btf_id = *id;
      }
    } else if (name == "fill_helper" || name == "func_info" || name == "btf_types") {
      problem_ = name;
    }
  }

  static void expect(Expectation& of, int64_t verdict, const std::string& error) {
    of.stated = true;
    of.accept = verdict != 2;
    if (verdict == 1) return;
    for (size_t begin = 0; begin < error.size();) {
      const size_t end = std::min(error.find('\t', begin), error.size());
      of.messages.push_back({error.substr(begin, end - begin), false});
      begin = end + 1;
    }
  }

  void finish(Case& result) {
    for (const auto& [insn, map] : fixups_) {
      if (insn >= result.program.insns.size()) continue;
      Insn& at = result.program.insns[insn];
      at.src = at.src == BPF_PSEUDO_MAP_VALUE ? BPF_PSEUDO_MAP_IDX_VALUE : BPF_PSEUDO_MAP_IDX;
      at.imm = map;
    }
    expect(result.privileged, result_, error_);
    // Only these can be loaded without privileges.
    if (!typed_ || result.program.type == ProgType::BPF_PROG_TYPE_SOCKET_FILTER ||
        result.program.type == ProgType::BPF_PROG_TYPE_CGROUP_SKB) {
      expect(result.unprivileged, unprivileged_ != 0 ? unprivileged_ : result_,
             error_unprivileged_.empty() ? error_ : error_unprivileged_);
    }
    if (result_ == 3) result.log_level = 2;
    result.not_linked = problem_;
    if (result.program.insns.empty() && result.not_linked.empty())
      result.not_linked = "no instructions";
    fixups_.clear();
    error_.clear(), error_unprivileged_.clear();
    result_ = unprivileged_ = 0;
    typed_ = false;
  }

  std::span<const std::shared_ptr<const btf::Btf>> btfs_;
  Expression numbers_;
  Program* program_ = nullptr;
  std::string problem_, error_, error_unprivileged_;
  std::vector<std::pair<size_t, int32_t>> fixups_;
  int64_t result_ = 0, unprivileged_ = 0;
  bool typed_ = false;
};

}  // namespace

Result<std::vector<Case>> read_raw_cases(const std::string& path,
                                         std::span<const std::shared_ptr<const btf::Btf>> btfs) {
  SKEP_TRY(bytes, read_file(path));
  const std::string_view source(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const Tokens tokens = expand_source(kPrelude, source);
  std::vector<Case> cases;
  Reader reader(btfs);
  for (size_t at = 0; at < tokens.size();) {
    if (!tokens[at].is("{")) {
      ++at;
      continue;
    }
    Case test = reader.read(inside_brackets(tokens, at));
    test.file = std::filesystem::path(path).stem();
    test.feature = "raw: " + test.file;
    cases.push_back(std::move(test));
  }
  return cases;
}

}  // namespace skep::corpus
