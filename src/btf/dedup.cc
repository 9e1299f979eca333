#include "btf/dedup.h"

#include <algorithm>
#include <unordered_map>

#include "btf/record.h"

namespace skep::btf {

namespace {

constexpr uint64_t kMaxSteps = 100'000'000;

uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15 + (hash << 6) + (hash >> 2);
  return hash * 0xff51afd7ed558ccd;
}

class Partition {
 public:
  explicit Partition(const Btf& btf)
      : btf_(btf), alias_(btf.type_end()), class_(btf.type_end(), 0) {}

  Result<> run() {
    for (TypeId id = 0; id < alias_.size(); ++id) alias_[id] = id;
    find_forwards();
    by_shape();
    return refine();
  }
  // The least id of the type's class: a base's, where the base has it.
  [[nodiscard]] TypeId representative(TypeId id) const { return first_[class_[alias_[id]]]; }

 private:
  [[nodiscard]] static bool stays(Kind kind) { return kind == Kind::Var || kind == Kind::Datasec; }

  [[nodiscard]] uint64_t shape_hash(const Type& type) const {
    const RecordWords words(type);
    uint64_t hash = static_cast<uint64_t>(type.kind());
    for (size_t i = 0; i < words.size(); ++i) {
      if (words.what(i) == Word::raw) hash = mix(hash, words[i]);
      if (words.what(i) == Word::name)
        hash = mix(hash, std::hash<std::string_view>()(type.btf().string(words[i])));
    }
    return hash;
  }
  [[nodiscard]] bool same_shape(TypeId a, TypeId b) const {
    const RecordWords ours(btf_.type(a)), theirs(btf_.type(b));
    if (ours.size() != theirs.size() || ours.size() == 0) return a == b;
    if (ours[1] != theirs[1]) return false;  // kind, vlen
    for (size_t i = 0; i < ours.size(); ++i) {
      if (ours.what(i) == Word::raw && ours[i] != theirs[i]) return false;
      if (ours.what(i) == Word::name && ours[i] != theirs[i] &&
          btf_.string(ours[i]) != btf_.string(theirs[i]))
        return false;
    }
    return true;
  }

  // Forward declarations of our own (a base is never changed).
  void find_forwards() {
    for (TypeId id = btf_.type_begin(); id < btf_.type_end(); ++id) {
      const Type type = btf_.type(id);
      const bool empty_enum = type.kind() == Kind::Enum && type.vlen() == 0;
      if ((type.kind() != Kind::Fwd && !empty_enum) || type.name().empty()) continue;
      TypeId found = 0;
      bool unique = true;
      for (TypeId other : btf_.find_all(type.name())) {
        const Type of = btf_.type(other);
        const bool defines = empty_enum
                                 ? of.is_enum() && of.vlen() > 0
                                 : of.kind() == (type.fwd_is_union() ? Kind::Union : Kind::Struct);
        if (!defines) continue;
        if (found == 0) found = other;
        unique = unique && (found == other || same_shape(found, other));
        steps_ += of.vlen();
        if (steps_ > kMaxSteps) return;
      }
      if (found != 0 && unique) alias_[id] = found;
    }
  }

  void by_shape() {
    std::unordered_multimap<uint64_t, uint32_t> known;  // hash → class
    first_.push_back(0);
    members_.emplace_back(1, 0);
    for (TypeId id = 1; id < btf_.type_end(); ++id) {
      const Type type = btf_.type(id);
      auto found = known.end();
      uint64_t hash = 0;
      if (!stays(type.kind())) {
        hash = shape_hash(type);
        auto [begin, end] = known.equal_range(hash);
        found = std::find_if(begin, end,
                             [&](const auto& at) { return same_shape(first_[at.second], id); });
        if (found == end) found = known.end();
      }
      if (found != known.end()) {
        class_[id] = found->second;
        members_[found->second].push_back(id);
        continue;
      }
      class_[id] = static_cast<uint32_t>(first_.size());
      if (!stays(type.kind())) known.emplace(hash, class_[id]);
      first_.push_back(id);
      members_.emplace_back(1, id);
    }
  }

  template <class Visit>
  void each_reference(TypeId id, Visit visit) const {
    const RecordWords words(btf_.type(id));
    for (size_t i = 2; i < words.size(); ++i)
      if (words.what(i) == Word::id) visit(words[i]);
  }

  Result<> refine() {
    std::vector<uint32_t> open;
    for (uint32_t c = 0; c < members_.size(); ++c)
      if (members_[c].size() > 1) open.push_back(c);
    for (bool changed = true; changed;) {
      changed = false;
      const std::vector<uint32_t> round = std::move(open);
      open.clear();
      for (uint32_t c : round) {
        const size_t before = first_.size();
        if (!divide(c))
          return fail(E2BIG, "the types refer to each other in more ways than can be followed");
        changed |= first_.size() != before;
        for (size_t n = before; n < first_.size(); ++n)
          if (members_[n].size() > 1) open.push_back(static_cast<uint32_t>(n));
        if (members_[c].size() > 1) open.push_back(c);
      }
    }
    return {};
  }

  // Splits a class by what its members refer to. Base types first, so that they stay representatives.
  bool divide(uint32_t c) {
    struct Key {
      std::vector<uint32_t> classes;
      uint32_t part = 0;
    };
    std::unordered_multimap<uint64_t, Key> parts;
    std::vector<TypeId> members = std::move(members_[c]);
    members_[c].clear();
    std::vector<std::pair<TypeId, uint32_t>> placed;
    std::vector<uint32_t> classes;
    for (TypeId id : members) {
      classes.clear();
      uint64_t hash = 0;
      each_reference(id, [&](TypeId to) {
        classes.push_back(class_[alias_[to]]);
        hash = mix(hash, classes.back());
      });
      steps_ += classes.size() + 1;
      if (steps_ > kMaxSteps) return false;
      auto [begin, end] = parts.equal_range(hash);
      auto found =
          std::find_if(begin, end, [&](const auto& at) { return at.second.classes == classes; });
      if (found == end) {
        uint32_t part = c;
        if (!parts.empty()) {
          part = static_cast<uint32_t>(first_.size());
          first_.push_back(id);
          members_.emplace_back();
        }
        found = parts.emplace(hash, Key{classes, part});
      }
      placed.emplace_back(id, found->second.part);
    }
    // Only now: all were compared by the same classes.
    for (auto [id, part] : placed) {
      class_[id] = part;
      members_[part].push_back(id);
    }
    return true;
  }

  const Btf& btf_;
  std::vector<TypeId> alias_;    // of a forward declaration: its definition; else itself
  std::vector<uint32_t> class_;  // by id
  std::vector<TypeId> first_;    // by class
  std::vector<std::vector<TypeId>> members_;
  uint64_t steps_ = 0;
};

}  // namespace

Result<Deduped> dedup(const std::shared_ptr<const Btf>& btf) {
  Partition partition(*btf);
  if (auto done = partition.run(); !done) return fail(done, "BTF dedup");
  Deduped result{BtfBuilder(btf->base()), std::vector<TypeId>(btf->type_end(), 0)};
  TypeId next = btf->type_begin();
  for (TypeId id = 0; id < btf->type_begin(); ++id) result.ids[id] = id;
  for (TypeId id = btf->type_begin(); id < btf->type_end(); ++id)
    if (partition.representative(id) == id) result.ids[id] = next++;
  for (TypeId id = btf->type_begin(); id < btf->type_end(); ++id)
    result.ids[id] = result.ids[partition.representative(id)];
  for (TypeId id = btf->type_begin(); id < btf->type_end(); ++id)
    if (partition.representative(id) == id)
      result.builder.add_copy(btf->type(id), [&](TypeId old) { return result.id(old); });
  return result;
}

Concatenated concatenate(std::span<const std::shared_ptr<const Btf>> inputs) {
  Concatenated result;
  for (const auto& input : inputs) {
    auto& ids = result.ids.emplace_back(input->type_end(), 0);
    const TypeId start = result.builder.next_id();
    for (TypeId id = 1; id < input->type_end(); ++id) ids[id] = start + id - 1;
    for (TypeId id = 1; id < input->type_end(); ++id)
      result.builder.add_copy(input->type(id), [&](TypeId old) { return ids[old]; });
  }
  return result;
}

Result<std::vector<std::byte>> split(const std::shared_ptr<const Btf>& btf,
                                     std::shared_ptr<const Btf> base) {
  BtfBuilder on_base(base);
  const TypeId start = on_base.next_id();
  for (TypeId id = 1; id < btf->type_end(); ++id)
    on_base.add_copy(btf->type(id), [&](TypeId old) { return old == 0 ? 0 : start + old - 1; });
  SKEP_TRY(whole, on_base.finish());
  SKEP_TRY(deduped, dedup(whole));
  return deduped.builder.bytes();
}

}  // namespace skep::btf
