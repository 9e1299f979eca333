// What each u32 of a type's record is: the one place that knows where names and ids stand, for whatever copies,
// compares or renumbers records without caring what they mean.
#pragma once

#include <cstddef>
#include <cstdint>

#include "btf/btf.h"

namespace skep::btf {

enum class Word : uint8_t { raw, name, id };

// Word `i` of a record: 0 is name_off, 1 info, 2 size or type, then what the kind adds.
[[nodiscard]] constexpr Word word_of(Kind kind, size_t i) {
  if (i == 0) return Word::name;
  if (i == 1) return Word::raw;
  const size_t extra = i - 3;
  switch (kind) {
    case Kind::Ptr:
    case Kind::Typedef:
    case Kind::Volatile:
    case Kind::Const:
    case Kind::Restrict:
    case Kind::Func:
    case Kind::Var:
    case Kind::DeclTag:
    case Kind::TypeTag: return i == 2 ? Word::id : Word::raw;
    case Kind::Array: return i == 3 || i == 4 ? Word::id : Word::raw;
    case Kind::Struct:
    case Kind::Union:
      if (i == 2 || extra % 3 == 2) return Word::raw;
      return extra % 3 == 0 ? Word::name : Word::id;
    case Kind::Enum: return i > 2 && extra % 2 == 0 ? Word::name : Word::raw;
    case Kind::Enum64: return i > 2 && extra % 3 == 0 ? Word::name : Word::raw;
    case Kind::FuncProto: return i == 2 || extra % 2 == 1 ? Word::id : Word::name;
    case Kind::Datasec: return i > 2 && extra % 3 == 0 ? Word::id : Word::raw;
    case Kind::Void:
    case Kind::Int:
    case Kind::Fwd:
    case Kind::Float: return Word::raw;
  }
  return Word::raw;
}

// A record's words, by number.
class RecordWords {
 public:
  explicit RecordWords(const Type& type) : record_(type.record()), kind_(type.kind()) {}
  [[nodiscard]] size_t size() const { return record_.size() / 4; }
  [[nodiscard]] uint32_t operator[](size_t i) const {
    return load<uint32_t>(record_.data() + 4 * i);
  }
  [[nodiscard]] Word what(size_t i) const { return word_of(kind_, i); }

 private:
  ByteSpan record_;
  Kind kind_;
};

}  // namespace skep::btf
