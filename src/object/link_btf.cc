// Types of linked objects. Every input's types go into one BTF; a global function or variable is there once, as its
// owner has it. Then dedup makes one of each type, and DATASECs and BTF.ext follow.
#include <algorithm>
#include <set>

#include "btf/dedup.h"
#include "object/linker_state.h"
#include "object/map_definition.h"

namespace skep::object {

namespace {

using btf::Kind;

// Whether two files mean the same by a type: names and shapes, structs behind pointers by name only.
class TypesAgree {
 public:
  TypesAgree(const btf::Btf& a, const btf::Btf& b) : a_(a), b_(b) {}

  bool same(btf::TypeId ours_id, btf::TypeId theirs_id, bool behind_pointer = false,
            unsigned depth = 0) {
    if (depth > 32) return true;  // it came this far
    const btf::Type ours = bare(a_, ours_id), theirs = bare(b_, theirs_id);
    const bool forward = ours.kind() == Kind::Fwd || theirs.kind() == Kind::Fwd;
    if (forward && behind_pointer) return ours.name() == theirs.name();
    if (ours.is_enum() && theirs.is_enum())
      return ours.name() == theirs.name() && ours.size() == theirs.size();
    if (ours.kind() != theirs.kind()) return false;
    switch (ours.kind()) {
      case Kind::Int:
        return ours.size() == theirs.size() && ours.int_bits() == theirs.int_bits() &&
               ours.is_signed() == theirs.is_signed();
      case Kind::Float: return ours.size() == theirs.size();
      case Kind::Ptr: return same(ours.referenced(), theirs.referenced(), true, depth + 1);
      case Kind::Array:
        return (ours.length() == theirs.length() || behind_pointer || ours.length() == 0 ||
                theirs.length() == 0) &&
               same(ours.element(), theirs.element(), behind_pointer, depth + 1);
      case Kind::Struct:
      case Kind::Union: return same_record(ours, theirs, behind_pointer, depth);
      case Kind::FuncProto: {
        if (ours.vlen() != theirs.vlen() ||
            !same(ours.referenced(), theirs.referenced(), behind_pointer, depth + 1))
          return false;
        for (uint32_t i = 0; i < ours.vlen(); ++i)
          if (!same(ours.parameter(i).type, theirs.parameter(i).type, behind_pointer, depth + 1))
            return false;
        return true;
      }
      default: return true;
    }
  }

 private:
  // Typedefs and modifiers are no matter of layout.
  static btf::Type bare(const btf::Btf& btf, btf::TypeId id) { return btf.resolve(id); }

  bool same_record(const btf::Type& ours, const btf::Type& theirs, bool behind_pointer,
                   unsigned depth) {
    if (ours.name() != theirs.name()) return false;
    if (behind_pointer && !ours.name().empty()) return true;
    if (ours.size() != theirs.size() || ours.vlen() != theirs.vlen()) return false;
    if (!seen_.emplace(ours.id(), theirs.id()).second) return true;
    for (uint32_t i = 0; i < ours.vlen(); ++i) {
      const btf::Member a = ours.member(i), b = theirs.member(i);
      if (a.name != b.name || a.bit_offset != b.bit_offset || a.bitfield_size != b.bitfield_size ||
          !same(a.type, b.type, behind_pointer, depth + 1))
        return false;
    }
    return true;
  }

  const btf::Btf &a_, &b_;
  std::set<std::pair<btf::TypeId, btf::TypeId>> seen_;
};

// "value_size 8 ↔ 16": the first attribute in which two definitions of a map differ; "" where none.
std::string map_difference(const btf::Btf& a, const MapSpec& ours, const btf::Btf& b,
                           const MapSpec& theirs) {
  auto differ = [](const char* what, uint64_t x, uint64_t y) {
    return x == y ? std::string() : fmt::format("{} {} ↔ {}", what, x, y);
  };
  for (const std::string& text :
       {differ("type", static_cast<uint32_t>(ours.type), static_cast<uint32_t>(theirs.type)),
        differ("key_size", ours.key_size, theirs.key_size),
        differ("value_size", ours.value_size, theirs.value_size),
        differ("max_entries", ours.max_entries, theirs.max_entries),
        differ("map_flags", ours.map_flags, theirs.map_flags),
        differ("map_extra", ours.map_extra, theirs.map_extra),
        differ("numa_node", ours.numa_node, theirs.numa_node),
        differ("pinning", static_cast<uint8_t>(ours.pinning),
               static_cast<uint8_t>(theirs.pinning))})
    if (!text.empty()) return text;
  TypesAgree agree(a, b);
  if (!agree.same(ours.key_type, theirs.key_type)) return "the key's type";
  if (!agree.same(ours.value_type, theirs.value_type)) return "the value's type";
  if (ours.inner && theirs.inner) return map_difference(a, *ours.inner, b, *theirs.inner);
  return {};
}

// The DATASEC that a variable is in; "" where none.
std::string_view section_of(const btf::Btf& btf, btf::TypeId variable) {
  for (btf::TypeId id = btf.type_end(); id-- > 1;) {
    const btf::Type type = btf.type(id);
    if (type.kind() != Kind::Datasec) continue;
    for (uint32_t i = 0; i < type.vlen(); ++i)
      if (type.sec_var(i).type == variable) return type.name();
  }
  return {};
}

}  // namespace

Result<> StaticLinker::check_types(const Input& a, const Input& b, std::string_view symbol) const {
  auto ours = a.globals.find(symbol), theirs = b.globals.find(symbol);
  if (ours == a.globals.end() || theirs == b.globals.end()) return {};  // nothing is known of one
  const btf::Type mine = a.btf->type(ours->second), other = b.btf->type(theirs->second);
  auto refuse = [&](std::string_view what) {
    return fail(EINVAL, "{} and {} disagree about {}", a.name, b.name, what);
  };
  if (mine.kind() != other.kind()) return refuse("whether it is a function");
  if (mine.kind() == Kind::Var) {
    const std::string_view section = section_of(*a.btf, mine.id());
    const std::string_view wanted = section_of(*b.btf, other.id());
    const bool both_placed = !section.empty() && !wanted.empty();
    const bool special = section == ".maps" || section == ".kconfig" || section == ".ksyms" ||
                         wanted == ".maps" || wanted == ".kconfig" || wanted == ".ksyms";
    if (both_placed && special && section != wanted)
      return refuse(fmt::format("its section: {} ↔ {}", section, wanted));
    if (section == ".maps") {
      SKEP_TRY(x, read_map_definition(*a.btf, symbol, mine.referenced()));
      SKEP_TRY(y, read_map_definition(*b.btf, symbol, other.referenced()));
      const std::string difference = map_difference(*a.btf, x.spec, *b.btf, y.spec);
      return difference.empty() ? Result<>() : refuse("the map: " + difference);
    }
  }
  if (!TypesAgree(*a.btf, *b.btf).same(mine.referenced(), other.referenced()))
    return refuse("its type");
  return {};
}

bool StaticLinker::owns(uint32_t input, std::string_view symbol) const {
  auto found = globals_.find(symbol);
  return found == globals_.end() || found->second.owner == input ||
         !inputs_[found->second.owner].globals.contains(symbol);
}

// Ids first, since types refer to each other across files; then the records.
void StaticLinker::add_types(btf::BtfBuilder& merged) {
  btf::TypeId next = merged.next_id();
  std::vector<std::vector<bool>> kept(inputs_.size());
  for (uint32_t i = 0; i < inputs_.size(); ++i) {
    Input& input = inputs_[i];
    if (!input.btf) continue;
    input.ids.assign(input.btf->type_end(), 0);
    kept[i].assign(input.btf->type_end(), false);
    auto is_foreign = [&](const btf::Type& type) {
      return (type.kind() == Kind::Func || type.kind() == Kind::Var) &&
             type.linkage() != btf::Linkage::Static && !owns(i, type.name());
    };
    for (btf::TypeId id = 1; id < input.btf->type_end(); ++id) {
      const btf::Type type = input.btf->type(id);
      if (type.kind() == Kind::Datasec || is_foreign(type)) continue;
      if (type.kind() == Kind::DeclTag && is_foreign(input.btf->type(type.referenced()))) continue;
      kept[i][id] = true;
      input.ids[id] = next++;
    }
  }
  for (uint32_t i = 0; i < inputs_.size(); ++i) {
    Input& input = inputs_[i];
    if (!input.btf) continue;
    for (auto [name, id] : input.globals) {
      if (kept[i][id] || owns(i, name)) continue;
      const Input& owner = inputs_[globals_.find(name)->second.owner];
      input.ids[id] = owner.ids[owner.globals.find(name)->second];
    }
  }
  for (uint32_t i = 0; i < inputs_.size(); ++i) {
    Input& input = inputs_[i];
    if (!input.btf) continue;
    for (btf::TypeId id = 1; id < input.btf->type_end(); ++id)
      if (kept[i][id])
        merged.add_copy(input.btf->type(id), [&](btf::TypeId old) { return input.ids[old]; });
  }
}

void StaticLinker::add_datasecs(btf::BtfBuilder& merged) {
  struct Datasec {
    std::vector<btf::SecVar> variables;
    std::set<btf::TypeId> seen;
    bool has_externs = false;
  };
  std::map<std::string_view, Datasec> datasecs;
  for (uint32_t i = 0; i < inputs_.size(); ++i) {
    const Input& input = inputs_[i];
    if (!input.btf) continue;
    std::unordered_map<std::string_view, const ElfSymbol*> symbols;
    for (const ElfSymbol& symbol : input.elf.symbols)
      if (symbol.type != STT_SECTION && symbol.type != STT_FUNC && !symbol.name.empty())
        symbols.try_emplace(symbol.name, &symbol);
    for (btf::TypeId id = 1; id < input.btf->type_end(); ++id) {
      const btf::Type type = input.btf->type(id);
      if (type.kind() != Kind::Datasec) continue;
      Datasec& datasec = datasecs[type.name()];
      const auto section = std::ranges::find(input.elf.sections, type.name(), &ElfSection::name);
      for (uint32_t v = 0; v < type.vlen(); ++v) {
        btf::SecVar variable = type.sec_var(v);
        const btf::Type of = input.btf->type(variable.type);
        if (of.linkage() != btf::Linkage::Static && !owns(i, of.name())) continue;
        variable.type = input.ids[of.id()];
        if (!datasec.seen.insert(variable.type).second) continue;
        if (of.linkage() == btf::Linkage::Extern) {
          datasec.has_externs = true;
          datasec.variables.push_back(variable);
          continue;
        }
        // The compiler left offsets to us; an object that was linked before has them.
        auto symbol = symbols.find(of.name());
        if (type.size() == 0 && symbol != symbols.end())
          variable.offset = static_cast<uint32_t>(symbol->second->value);
        if (section != input.elf.sections.end())
          variable.offset += static_cast<uint32_t>(
              input.offset[static_cast<size_t>(section - input.elf.sections.begin())]);
        datasec.variables.push_back(variable);
      }
    }
  }
  for (auto& [name, datasec] : datasecs) {
    std::ranges::stable_sort(datasec.variables, {}, &btf::SecVar::offset);
    auto section = section_by_name_.find(std::string(name));
    // With an extern map among them it is not laid out yet: of no size, as the compiler leaves it.
    const uint64_t size = section != section_by_name_.end() && !datasec.has_externs
                              ? output_.sections[section->second].size
                              : 0;
    merged.add_datasec(name, static_cast<uint32_t>(size), datasec.variables);
  }
}

// Offsets, types and strings as the output has them.
Result<std::vector<btf::ExtSection>> StaticLinker::merge_ext(btf::Deduped& deduped) const {
  std::vector<btf::ExtSection> sections;
  for (const Input& input : inputs_) {
    const ElfSection* ext = input.elf.find(".BTF.ext");
    if (ext == nullptr || ext->data.empty() || !input.btf) continue;
    auto parts = btf::parse_btf_ext(ext->data, *input.btf);
    if (!parts) return fail(parts, "{}", input.name);
    auto text = [&](uint32_t offset) {
      return deduped.builder.add_string(input.btf->string(offset));
    };
    auto type = [&](btf::TypeId id) {
      return id < input.ids.size() ? deduped.id(input.ids[id]) : 0;
    };
    for (const btf::ExtSection& part : *parts) {
      const auto of = std::ranges::find(input.elf.sections, part.name, &ElfSection::name);
      if (of == input.elf.sections.end()) continue;
      const auto index = static_cast<size_t>(of - input.elf.sections.begin());
      if (input.section[index] == kNone) continue;
      const auto shift = static_cast<uint32_t>(input.offset[index]);
      auto known = std::ranges::find(sections, part.name, &btf::ExtSection::name);
      if (known == sections.end()) {
        sections.emplace_back().name = part.name;
        known = sections.end() - 1;
      }
      for (const btf::ExtFunc& record : part.functions)
        known->functions.push_back({record.offset + shift, type(record.type)});
      for (const btf::ExtLine& record : part.lines)
        known->lines.push_back({record.offset + shift, text(record.file_name_off),
                                text(record.line_off), record.line_col});
      for (const btf::ExtCore& record : part.relocations)
        known->relocations.push_back(
            {record.offset + shift, type(record.type), text(record.accessor_off), record.kind});
    }
  }
  return sections;
}

Result<> StaticLinker::merge_btf() {
  if (std::ranges::none_of(inputs_, [](const Input& input) { return input.btf != nullptr; }))
    return {};
  btf::BtfBuilder builder;
  add_types(builder);
  add_datasecs(builder);
  SKEP_TRY(whole, builder.finish());
  SKEP_TRY(deduped, btf::dedup(whole));
  SKEP_TRY(sections, merge_ext(deduped));
  std::vector<std::byte> ext;
  if (!sections.empty())
    ext = btf::write_btf_ext(
        sections, [&](std::string_view name) { return deduped.builder.add_string(name); });
  add_section(".BTF", deduped.builder.bytes());
  if (!ext.empty()) add_section(".BTF.ext", std::move(ext));
  return {};
}

void StaticLinker::add_section(std::string name, std::vector<std::byte> bytes) {
  if (swaps()) {
    // All words but the strings of .BTF, which end it.
    size_t words_end = bytes.size();
    if (name == ".BTF") words_end = 24 + load<uint32_t>(bytes.data() + 12);
    store(bytes.data(), std::byteswap(load<uint16_t>(bytes.data())));
    for (size_t at = 4; at + 4 <= words_end; at += 4)
      store(bytes.data() + at, std::byteswap(load<uint32_t>(bytes.data() + at)));
  }
  OutputSection& section = output_.sections.emplace_back();
  section.name = std::move(name);
  section.align = 4;
  section.size = bytes.size();
  section.data = std::move(bytes);
}

}  // namespace skep::object
