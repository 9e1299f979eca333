#include "btf/btf.h"

#include <algorithm>
#include <array>
#include <mutex>

namespace skep::btf {

namespace {

constexpr uint16_t kMagic = 0xeb9f;
constexpr size_t kHeaderSize = 24;
constexpr size_t kCommonSize = 12;       // name_off, info, size or type
constexpr unsigned kMaxReferences = 32;  // typedefs and modifiers in a row

struct Common {
  uint32_t name_off, info, size_or_type;
  [[nodiscard]] uint32_t kind() const { return info >> 24 & 0x7f; }
  [[nodiscard]] uint32_t vlen() const { return info & 0xffffff; }
  [[nodiscard]] bool kind_flag() const { return info >> 31 != 0; }
};

// Bytes behind the common part.
constexpr uint64_t extra_size(Kind kind, uint32_t vlen) {
  switch (kind) {
    case Kind::Int: return 4;
    case Kind::Array: return 12;
    case Kind::Struct:
    case Kind::Union: return uint64_t{vlen} * 12;
    case Kind::Enum: return uint64_t{vlen} * 8;
    case Kind::FuncProto: return uint64_t{vlen} * 8;
    case Kind::Var: return 4;
    case Kind::Datasec: return uint64_t{vlen} * 12;
    case Kind::DeclTag: return 4;
    case Kind::Enum64: return uint64_t{vlen} * 12;
    case Kind::Void:
    case Kind::Ptr:
    case Kind::Fwd:
    case Kind::Typedef:
    case Kind::Volatile:
    case Kind::Const:
    case Kind::Restrict:
    case Kind::Func:
    case Kind::Float:
    case Kind::TypeTag: return 0;
  }
  return 0;
}

// Names are indexed by the first 16 bytes of what they are without a flavour: two words, which are had without looking
// for the name's end.
uint32_t mix(uint64_t first, uint64_t second) {
  const uint64_t hash = (first ^ std::rotl(second, 29)) * 0x9e3779b97f4a7c15;
  const uint64_t again = (hash ^ hash >> 32 ^ second) * 0xd6e8feb86659fd93;
  return static_cast<uint32_t>(again >> 32);
}
uint32_t hash_of(std::string_view text) {
  uint64_t first = 0, second = 0;
  std::memcpy(&first, text.data(), std::min<size_t>(8, text.size()));
  if (text.size() > 8) std::memcpy(&second, text.data() + 8, std::min<size_t>(8, text.size() - 8));
  return mix(first, second);
}

// 0x80 in each byte of `word` that is 0; perhaps in some above such a byte, too.
constexpr uint64_t zero_bytes(uint64_t word) {
  return (word - 0x0101010101010101) & ~word & 0x8080808080808080;
}
// The first 8 bytes of a name with what lies behind its end cleared. False where a flavour may begin in them.
bool name_word(const char* at, uint64_t& word, bool& ended) {
  std::memcpy(&word, at, 8);
  const uint64_t zeros = zero_bytes(word);
  ended = zeros != 0;
  if (ended) word &= (uint64_t{1} << (std::countr_zero(zeros) & ~7)) - 1;
  const uint64_t underscores = zero_bytes(word ^ 0x5f5f5f5f5f5f5f5f);
  return (underscores & underscores >> 8 & underscores >> 16) == 0 && underscores >> 63 == 0;
}
// hash_of(essential_name(the name at `at`)); `left` bytes lie there, the last of them 0.
uint32_t hash_at(const char* at, size_t left) {
  uint64_t first = 0, second = 0;
  bool ended = false;
  if constexpr (std::endian::native == std::endian::little) {
    if (left >= 16 && name_word(at, first, ended) && (ended || name_word(at + 8, second, ended)))
      return mix(first, second);
  }
  return hash_of(essential_name(std::string_view(at)));
}

}  // namespace

std::string_view kind_name(Kind kind) {
  static constexpr std::array<std::string_view, kKinds> kNames = {
      "VOID", "INT",     "PTR",      "ARRAY",    "STRUCT",   "UNION", "ENUM",
      "FWD",  "TYPEDEF", "VOLATILE", "CONST",    "RESTRICT", "FUNC",  "FUNC_PROTO",
      "VAR",  "DATASEC", "FLOAT",    "DECL_TAG", "TYPE_TAG", "ENUM64"};
  return kNames[static_cast<size_t>(kind)];
}

std::string_view essential_name(std::string_view name) {
  // The last place where exactly three underscores stand between two other characters.
  for (size_t i = name.rfind("___"); i != std::string_view::npos && i > 0;
       i = name.rfind("___", i - 1)) {
    if (i + 3 < name.size() && name[i - 1] != '_' && name[i + 3] != '_') return name.substr(0, i);
  }
  return name;
}

// --- Type ---

std::string_view Type::name() const {
  return btf_ != nullptr ? btf_->string(name_off_) : std::string_view();
}

bool Type::is_signed() const {
  if (kind_ == Kind::Int) return (word(0) >> 24 & 1) != 0;
  return is_enum() && kind_flag_;
}
bool Type::is_char() const { return kind_ == Kind::Int && (word(0) >> 24 & 2) != 0; }
bool Type::is_bool() const { return kind_ == Kind::Int && (word(0) >> 24 & 4) != 0; }
uint32_t Type::int_bits() const { return kind_ == Kind::Int ? word(0) & 0xff : 0; }
uint32_t Type::int_offset() const { return kind_ == Kind::Int ? word(0) >> 16 & 0xff : 0; }
TypeId Type::element() const { return kind_ == Kind::Array ? word(0) : 0; }
TypeId Type::index_type() const { return kind_ == Kind::Array ? word(1) : 0; }
uint32_t Type::length() const { return kind_ == Kind::Array ? word(2) : 0; }

Member Type::member(uint32_t i) const {
  if (!is_composite() || i >= vlen_) return {};
  const size_t at = size_t{i} * 3;
  Member member{.name = btf_->string(word(at)), .type = word(at + 1), .bit_offset = word(at + 2)};
  if (kind_flag_) {
    member.bitfield_size = member.bit_offset >> 24;
    member.bit_offset &= 0xffffff;
  }
  return member;
}
Parameter Type::parameter(uint32_t i) const {
  if (kind_ != Kind::FuncProto || i >= vlen_) return {};
  return {.name = btf_->string(word(size_t{i} * 2)), .type = word(size_t{i} * 2 + 1)};
}
Enumerator Type::enumerator(uint32_t i) const {
  if (!is_enum() || i >= vlen_) return {};
  if (kind_ == Kind::Enum) {
    const uint32_t value = word(size_t{i} * 2 + 1);
    // Before kind_flag meant "signed", all values were taken as signed.
    return {
        .name = btf_->string(word(size_t{i} * 2)),
        .value = kind_flag_ ? static_cast<uint64_t>(int64_t{static_cast<int32_t>(value)}) : value};
  }
  const size_t at = size_t{i} * 3;
  return {.name = btf_->string(word(at)), .value = word(at + 1) | uint64_t{word(at + 2)} << 32};
}
SecVar Type::sec_var(uint32_t i) const {
  if (kind_ != Kind::Datasec || i >= vlen_) return {};
  const size_t at = size_t{i} * 3;
  return {.type = word(at), .offset = word(at + 1), .size = word(at + 2)};
}
Linkage Type::linkage() const {
  uint32_t value = kind_ == Kind::Func ? vlen_ : kind_ == Kind::Var ? word(0) : 0;
  return value == 0 ? Linkage::Static : value == 1 ? Linkage::Global : Linkage::Extern;
}
int32_t Type::component() const {
  return kind_ == Kind::DeclTag ? static_cast<int32_t>(word(0)) : -1;
}

ByteSpan Type::record() const {
  if (kind_ == Kind::Void) return {};
  return {data_ - kCommonSize, kCommonSize + static_cast<size_t>(extra_size(kind_, vlen_))};
}

// --- Reading ---

// Chains of types by the hash of their essential name; `heads` by hash, `next` by type (both hold
// index
// + 1, 0 ends), ascending.
struct Btf::NameIndex {
  std::once_flag once;
  std::vector<uint32_t> heads, next, hashes;
};

Btf::Btf(Secret) : index_(std::make_unique<NameIndex>()) {}
Btf::~Btf() = default;

Result<std::shared_ptr<const Btf>> Btf::parse(ByteSpan bytes, std::shared_ptr<const Btf> base) {
  auto copy = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
  return parse_in_place(*copy, copy, std::move(base));
}

Result<std::shared_ptr<const Btf>> Btf::parse_in_place(ByteSpan bytes,
                                                       std::shared_ptr<const void> keep,
                                                       std::shared_ptr<const Btf> base) {
  auto btf = std::make_shared<Btf>(Secret());
  btf->base_ = std::move(base);
  btf->keep_ = std::move(keep);
  if (auto done = btf->read(bytes); !done) return fail(done, "BTF");
  return std::shared_ptr<const Btf>(std::move(btf));
}

Result<> Btf::read(ByteSpan bytes) {
  Reader reader(bytes);
  auto magic = reader.at<uint16_t>(0);
  if (!magic || bytes.size() < kHeaderSize)
    return fail(EINVAL, "expected a header of {} bytes, found {} bytes", kHeaderSize, bytes.size());
  if (*magic != kMagic && *magic != std::byteswap(kMagic))
    return fail(EINVAL, "expected magic 0x{:04x}, found 0x{:04x}", kMagic, *magic);
  if (*magic != kMagic) {
    // But for strings, all of it is u32 (and the header's first four bytes).
    swapped_ = true;
    own_.assign(bytes.begin(), bytes.end());
    Reader swapping(bytes, true);
    const uint32_t header_size = *swapping.at<uint32_t>(4);
    const uint64_t types_at = uint64_t{header_size} + *swapping.at<uint32_t>(8);
    const uint64_t types_size = *swapping.at<uint32_t>(12);
    store(own_.data(), kMagic);
    auto swap_words = [&](uint64_t from, uint64_t size) {
      for (uint64_t at = from; at + 4 <= std::min<uint64_t>(from + size, own_.size()); at += 4)
        store(own_.data() + at, std::byteswap(load<uint32_t>(own_.data() + at)));
    };
    if (types_at < kHeaderSize)
      return fail(EINVAL, "header size {} is below {}", header_size, kHeaderSize);
    swap_words(4, header_size - 4);
    swap_words(types_at, types_size);
    bytes = own_;
    reader = Reader(bytes);
  }
  const auto version = *reader.at<uint8_t>(2);
  if (version != 1) return fail(EINVAL, "expected version 1, found {}", version);
  const uint32_t header_size = *reader.at<uint32_t>(4);
  if (header_size < kHeaderSize || header_size > bytes.size())
    return fail(EINVAL, "header size {} is not within {} and the {} bytes there are", header_size,
                kHeaderSize, bytes.size());
  auto section = [&](size_t field, const char* what) -> Result<ByteSpan> {
    const uint32_t offset = *reader.at<uint32_t>(field), size = *reader.at<uint32_t>(field + 4);
    auto part = Reader(bytes.subspan(header_size)).slice(offset, size);
    if (!part)
      return fail(EINVAL,
                  "{} of {} bytes at offset {} do not lie within the {} bytes behind the header",
                  what, size, offset, bytes.size() - header_size);
    return *part;
  };
  SKEP_TRY(types, section(8, "types"));
  SKEP_TRY(strings, section(16, "strings"));
  if (strings.empty() ? base_ == nullptr : strings.back() != std::byte{0})
    return fail(EINVAL, "the strings do not end with a NUL");
  if (base_ == nullptr && strings.front() != std::byte{0})
    return fail(EINVAL, "the strings do not begin with the empty string");
  bytes_ = bytes;
  types_ = types;
  strings_ = strings;
  if (base_) {
    start_id_ = base_->type_end();
    string_start_ = base_->string_end();
    if (string_start_ > UINT32_MAX - strings.size())
      return fail(EINVAL, "the strings exceed 4 GiB");
  }
  return read_types();
}

// The one pass over all types. Ids and names are checked by their maxima: cheap, and exact, because
// the first type that holds an impossible one is remembered.
Result<> Btf::read_types() {
  uint32_t greatest_name = 0, greatest_id = 0;
  TypeId name_owner = 0, id_owner = 0, id = start_id_;
  auto see_name = [&](uint32_t name) {
    if (name > greatest_name) greatest_name = name, name_owner = id;
  };
  auto see_id = [&](uint32_t to) {
    if (to > greatest_id) greatest_id = to, id_owner = id;
  };
  offsets_.reserve(types_.size() / 22);
  const std::byte* base = types_.data();
  const size_t end = types_.size();
  for (size_t at = 0; at < end; ++id) {
    if (end - at < kCommonSize) return fail(EINVAL, "type {} at offset {} is cut off", id, at);
    const auto common = load<Common>(base + at);
    if (common.kind() == 0 || common.kind() >= kKinds)
      return fail(EINVAL, "type {} at offset {} has the unknown kind {}", id, at, common.kind());
    const auto kind = static_cast<Kind>(common.kind());
    const uint32_t vlen = common.vlen();
    const uint64_t extra = extra_size(kind, vlen);
    if (end - at - kCommonSize < extra)
      return fail(EINVAL, "type {} ({}) at offset {} is cut off: it needs {} more bytes, found {}",
                  id, kind_name(kind), at, extra, end - at - kCommonSize);
    see_name(common.name_off);
    const std::byte* data = base + at + kCommonSize;
    auto word = [&](size_t i) { return load<uint32_t>(data + 4 * i); };
    switch (kind) {
      case Kind::Ptr:
      case Kind::Typedef:
      case Kind::Volatile:
      case Kind::Const:
      case Kind::Restrict:
      case Kind::Func:
      case Kind::Var:
      case Kind::DeclTag:
      case Kind::TypeTag: see_id(common.size_or_type); break;
      case Kind::Array:
        see_id(word(0));
        see_id(word(1));
        break;
      case Kind::Struct:
      case Kind::Union:
        for (size_t i = 0; i < vlen; ++i) {
          see_name(word(3 * i));
          see_id(word(3 * i + 1));
        }
        break;
      case Kind::Enum:
        for (size_t i = 0; i < vlen; ++i) see_name(word(2 * i));
        break;
      case Kind::Enum64:
        for (size_t i = 0; i < vlen; ++i) see_name(word(3 * i));
        break;
      case Kind::FuncProto:
        see_id(common.size_or_type);
        for (size_t i = 0; i < vlen; ++i) {
          see_name(word(2 * i));
          see_id(word(2 * i + 1));
        }
        break;
      case Kind::Datasec:
        for (size_t i = 0; i < vlen; ++i) see_id(word(3 * i));
        break;
      case Kind::Void:
      case Kind::Int:
      case Kind::Fwd:
      case Kind::Float: break;
    }
    offsets_.push_back(static_cast<uint32_t>(at));
    at += kCommonSize + static_cast<size_t>(extra);
  }
  if (greatest_id >= type_end() && greatest_id != 0)
    return fail(EINVAL, "type {} refers to type {}, but the last one is {}", id_owner, greatest_id,
                type_end() - 1);
  if (greatest_name >= string_end() && greatest_name != 0)
    return fail(EINVAL, "type {} has a name at offset {}, behind the {} bytes of strings",
                name_owner, greatest_name, string_end());
  return {};
}

// --- Looking up ---

Type Btf::type(TypeId id) const {
  Type type;
  type.btf_ = this;
  const Btf* owner = this;
  while (id < owner->start_id_ && owner->base_) owner = owner->base_.get();
  if (id < owner->start_id_ || id - owner->start_id_ >= owner->offsets_.size()) return type;
  const std::byte* record = owner->types_.data() + owner->offsets_[id - owner->start_id_];
  const auto common = load<Common>(record);
  type.id_ = id;
  type.data_ = record + kCommonSize;
  type.name_off_ = common.name_off;
  type.vlen_ = common.vlen();
  type.size_or_type_ = common.size_or_type;
  type.kind_ = static_cast<Kind>(common.kind());
  type.kind_flag_ = common.kind_flag();
  return type;
}

std::string_view Btf::string(uint32_t offset) const {
  const Btf* owner = this;
  while (offset < owner->string_start_ && owner->base_) owner = owner->base_.get();
  if (offset < owner->string_start_ || offset - owner->string_start_ >= owner->strings_.size())
    return {};
  // The strings end with a NUL.
  return reinterpret_cast<const char*>(owner->strings_.data()) + (offset - owner->string_start_);
}

const Btf::NameIndex& Btf::name_index() const {
  NameIndex& index = *index_;
  std::call_once(index.once, [&] {
    const size_t count = offsets_.size();
    index.heads.assign(std::bit_ceil(count + 1), 0);
    index.next.assign(count, 0);
    index.hashes.assign(count, 0);
    const size_t mask = index.heads.size() - 1;
    const auto* strings = reinterpret_cast<const char*>(strings_.data());
    for (size_t i = count; i-- > 0;) {  // backwards, so that chains ascend
      const auto name_off = load<uint32_t>(types_.data() + offsets_[i]);
      const bool own = name_off >= string_start_ && name_off - string_start_ < strings_.size();
      const char* name = own ? strings + (name_off - string_start_) : string(name_off).data();
      const size_t left = own ? strings_.size() - (name_off - string_start_) : 0;
      if (name == nullptr || *name == '\0') continue;
      const uint32_t hash = hash_at(name, left);
      index.hashes[i] = hash;
      index.next[i] = std::exchange(index.heads[hash & mask], static_cast<uint32_t>(i + 1));
    }
  });
  return index;
}

std::optional<TypeId> Btf::find(std::string_view name, Kind kind) const {
  if (base_) {
    if (auto found = base_->find(name, kind)) return found;
  }
  const NameIndex& index = name_index();
  const uint32_t hash = hash_of(essential_name(name));
  for (uint32_t i = index.heads[hash & (index.heads.size() - 1)]; i != 0; i = index.next[i - 1]) {
    if (index.hashes[i - 1] != hash) continue;
    const Type found = type(start_id_ + i - 1);
    if (found.kind() == kind && found.name() == name) return found.id();
  }
  return std::nullopt;
}

std::vector<TypeId> Btf::find_all(std::string_view name) const {
  std::vector<TypeId> all = find_essential(essential_name(name));
  std::erase_if(all, [&](TypeId id) { return this->name(id) != name; });
  return all;
}

std::vector<TypeId> Btf::find_essential(std::string_view essential) const {
  std::vector<TypeId> all;
  if (base_) all = base_->find_essential(essential);
  if (essential.empty()) return all;
  const NameIndex& index = name_index();
  const uint32_t hash = hash_of(essential);
  for (uint32_t i = index.heads[hash & (index.heads.size() - 1)]; i != 0; i = index.next[i - 1]) {
    if (index.hashes[i - 1] != hash) continue;
    const TypeId id = start_id_ + i - 1;
    if (essential_name(name(id)) == essential) all.push_back(id);
  }
  return all;
}

Type Btf::resolve(TypeId id) const {
  Type found = type(id);
  for (unsigned i = 0; found.is_modifier() || found.kind() == Kind::Typedef; ++i) {
    if (i == kMaxReferences) return type(0);
    found = type(found.referenced());
  }
  return found;
}

Type Btf::strip_modifiers(TypeId id) const {
  Type found = type(id);
  for (unsigned i = 0; found.is_modifier(); ++i) {
    if (i == kMaxReferences) return type(0);
    found = type(found.referenced());
  }
  return found;
}

std::optional<uint32_t> Btf::size_of(TypeId id) const {
  uint64_t count = 1;
  Type found = type(id);
  for (unsigned i = 0; i < 2 * kMaxReferences; ++i) {
    uint64_t size = 0;
    switch (found.kind()) {
      case Kind::Int:
      case Kind::Struct:
      case Kind::Union:
      case Kind::Enum:
      case Kind::Enum64:
      case Kind::Float:
      case Kind::Datasec: size = found.size(); break;
      case Kind::Ptr: size = 8; break;
      case Kind::Array:
        count *= found.length();
        if (count > UINT32_MAX) return std::nullopt;
        found = type(found.element());
        continue;
      case Kind::Typedef:
      case Kind::Volatile:
      case Kind::Const:
      case Kind::Restrict:
      case Kind::TypeTag:
      case Kind::DeclTag:
      case Kind::Var: found = type(found.referenced()); continue;
      case Kind::Void:
      case Kind::Fwd:
      case Kind::Func:
      case Kind::FuncProto: return std::nullopt;
    }
    if (count * size > UINT32_MAX) return std::nullopt;
    return static_cast<uint32_t>(count * size);
  }
  return std::nullopt;
}

namespace {

// `budget` and `depth` bound the walk through hostile nests of structs.
std::optional<uint32_t> align_within(const Btf& btf, TypeId id, unsigned& budget, unsigned depth) {
  if (depth == kMaxReferences) return std::nullopt;
  Type found = btf.type(id);
  for (unsigned i = 0; i < 2 * kMaxReferences; ++i) {
    if (budget == 0) return std::nullopt;
    --budget;
    switch (found.kind()) {
      case Kind::Int:
      case Kind::Enum:
      case Kind::Enum64:
      case Kind::Float:
        return std::clamp<uint32_t>(std::bit_floor(found.size()), 1, found.size() == 16 ? 16 : 8);
      case Kind::Ptr: return 8;
      case Kind::Array: found = btf.type(found.element()); continue;
      case Kind::Typedef:
      case Kind::Volatile:
      case Kind::Const:
      case Kind::Restrict:
      case Kind::TypeTag:
      case Kind::DeclTag:
      case Kind::Var: found = btf.type(found.referenced()); continue;
      case Kind::Struct:
      case Kind::Union: {
        uint32_t align = 1;
        for (uint32_t m = 0; m < found.vlen(); ++m) {
          const Member member = found.member(m);
          auto of_member = align_within(btf, member.type, budget, depth + 1);
          if (!of_member) return std::nullopt;
          // One member off its alignment: the struct is packed.
          if (member.bitfield_size == 0 && member.bit_offset % (8 * *of_member) != 0) return 1;
          align = std::max(align, *of_member);
        }
        return found.size() % align == 0 ? align : 1;
      }
      case Kind::Void:
      case Kind::Fwd:
      case Kind::Func:
      case Kind::FuncProto:
      case Kind::Datasec: return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<uint32_t> Btf::align_of(TypeId id) const {
  unsigned budget = 100'000;
  return align_within(*this, id, budget, 0);
}

}  // namespace skep::btf
