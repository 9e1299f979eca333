#include "vm/jit/image.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "object/hash_layout.h"
#include "object/map_header.h"

namespace skep::jit {
namespace {

constexpr std::byte kTrap{0xcc};
constexpr uint32_t kMaxImage = 64u << 20, kTableSize = 1024;
constexpr char kMagic[8] = {'s', 'k', 'e', 'p', 'i', 'm', 'g', '1'};

bool is_relative(ImageAddress what) {
  return what == ImageAddress::helper || what == ImageAddress::kfunc;
}
bool is_hash(MapType type) {
  return type == MapType::BPF_MAP_TYPE_HASH || type == MapType::BPF_MAP_TYPE_PERCPU_HASH ||
         type == MapType::BPF_MAP_TYPE_LRU_HASH || type == MapType::BPF_MAP_TYPE_LRU_PERCPU_HASH;
}
const HashGeometry* geometry_of(const MapDescriptor& map) {
  if (map.address == 0 || !is_hash(map.type)) return nullptr;
  return reinterpret_cast<const HashGeometry*>(
      reinterpret_cast<const MapHeader*>(map.address)->extra);
}
bool is_of_hash(ImageAddress what) { return what >= ImageAddress::hash_buckets; }

// What holds for every image, wherever it comes from.
Result<> check(const Image& image) {
  const size_t size = image.bytes.size();
  if (size > kMaxImage || image.code_size > size)
    return fail(EINVAL, "an image of {} bytes with {} of code", size, image.code_size);
  if (image.entry >= image.code_size || image.tail_entry >= image.code_size)
    return fail(EINVAL, "an image whose entry lies outside its code");
  for (const ImageRelocation& relocation : image.relocations) {
    const uint32_t width = is_relative(relocation.what) ? 4 : 8;
    if (relocation.what > ImageAddress::hash_seed || relocation.at > size ||
        size - relocation.at < width ||
        (is_relative(relocation.what) && relocation.index >= kTableSize))
      return fail(EINVAL, "an image with a relocation at {}, outside of it", relocation.at);
  }
  for (size_t i = 0; i < image.faults.size(); ++i) {
    const FaultEntry& fault = image.faults[i];
    if (fault.insn >= image.code_size || fault.fixup >= image.code_size ||
        (i > 0 && image.faults[i - 1].insn >= fault.insn))
      return fail(EINVAL, "an image with a fault table that is not sorted or not of it");
  }
  for (size_t i = 0; i < image.lines.size(); ++i)
    if (image.lines[i].offset > image.code_size ||
        (i > 0 && image.lines[i - 1].offset > image.lines[i].offset))
      return fail(EINVAL, "an image with a line table that is not sorted or not of it");
  return {};
}

class Writer {
 public:
  template <class T>
  void number(T value) {
    const auto* from = reinterpret_cast<const std::byte*>(&value);
    out_.insert(out_.end(), from, from + sizeof value);
  }
  void bytes(ByteSpan from) {
    number(static_cast<uint32_t>(from.size()));
    out_.insert(out_.end(), from.begin(), from.end());
  }
  void text(std::string_view from) { bytes(std::as_bytes(std::span(from))); }
  [[nodiscard]] std::vector<std::byte> take() { return std::move(out_); }

 private:
  std::vector<std::byte> out_;
};

class Input {
 public:
  explicit Input(ByteSpan from) : left_(from) {}
  template <class T>
  bool number(T& value) {
    if (left_.size() < sizeof value) return false;
    std::memcpy(&value, left_.data(), sizeof value);
    left_ = left_.subspan(sizeof value);
    return true;
  }
  bool bytes(ByteSpan& to) {
    uint32_t size = 0;
    if (!number(size) || left_.size() < size) return false;
    to = left_.first(size);
    left_ = left_.subspan(size);
    return true;
  }
  // A count of things of at least `each` bytes.
  bool count(uint32_t& to, size_t each) { return number(to) && to <= left_.size() / each; }
  [[nodiscard]] bool at_end() const { return left_.empty(); }

 private:
  ByteSpan left_;
};

}  // namespace

Result<NativeCode> place(const Image& image, const VerifiedProgram& program,
                         const JitOptions& options, CodeMemory& memory) {
  SKEP_CHECK(check(image));
  for (const ImageRelocation& relocation : image.relocations)
    if (is_of_map(relocation.what) && relocation.index >= program.maps().size())
      return fail(EINVAL, "an image of a program with more than {} maps", program.maps().size());
    else if (is_of_hash(relocation.what) &&
             geometry_of(program.maps()[relocation.index]) == nullptr)
      return fail(EINVAL, "an image of a program whose map {} is a hash", relocation.index);
  auto table_of = [&](const ImageRelocation& relocation) {
    return (relocation.what == ImageAddress::helper ? options.helper_table : options.kfunc_table) +
           8 * uint64_t{relocation.index};
  };
  std::map<uint64_t, uint64_t> pool;  // of the table's elements, where it is out of reach
  for (const ImageRelocation& relocation : image.relocations)
    if (is_relative(relocation.what)) pool.emplace(table_of(relocation), 0);
  // | image | fault table | addresses of helpers |
  const size_t fault_at = (image.bytes.size() + 7) & ~size_t{7};
  const size_t pool_at = fault_at + image.faults.size() * sizeof(FaultEntry);
  SKEP_TRY(block, memory.allocate(pool_at));
  auto fits = [&](uint64_t target) {
    auto distance = static_cast<int64_t>(target - block.address);
    return distance > -(int64_t{1} << 30) && distance < int64_t{1} << 30;
  };
  const bool near =
      std::all_of(pool.begin(), pool.end(), [&](auto& row) { return fits(row.first); });
  if (!near) {
    memory.free(block);
    SKEP_TRY(larger, memory.allocate(pool_at + 8 * pool.size()));
    block = larger;
    size_t at = pool_at;
    for (auto& [element, place] : pool) {
      std::memcpy(block.writable + at, reinterpret_cast<const void*>(element), 8);
      place = block.address + at;
      at += 8;
    }
  }
  std::memcpy(block.writable, image.bytes.data(), image.bytes.size());
  std::memset(block.writable + image.bytes.size(), std::to_integer<int>(kTrap),
              fault_at - image.bytes.size());
  for (const ImageRelocation& relocation : image.relocations) {
    uint64_t value = 0;
    switch (relocation.what) {
      case ImageAddress::map: value = program.maps()[relocation.index].address; break;
      case ImageAddress::map_values: value = program.maps()[relocation.index].value_address; break;
      case ImageAddress::array_values: {
        const uint64_t map = program.maps()[relocation.index].address;
        value = map == 0 ? 0 : reinterpret_cast<const MapHeader*>(map)->values;
        break;
      }
      case ImageAddress::hash_buckets:
        value = geometry_of(program.maps()[relocation.index])->buckets;
        break;
      case ImageAddress::hash_elements:
        value = geometry_of(program.maps()[relocation.index])->elements;
        break;
      case ImageAddress::hash_seed:
        value = geometry_of(program.maps()[relocation.index])->seed;
        break;
      case ImageAddress::out_of_fuel: value = options.out_of_fuel; break;
      case ImageAddress::helper_table: value = options.helper_table; break;
      case ImageAddress::helper:
      case ImageAddress::kfunc: {
        const uint64_t element = table_of(relocation);
        value = (near ? element : pool.at(element)) - (block.address + relocation.at);
        break;
      }
    }
    value += static_cast<uint64_t>(int64_t{relocation.addend});
    std::memcpy(block.writable + relocation.at, &value, is_relative(relocation.what) ? 4 : 8);
  }
  if (!image.faults.empty())
    std::memcpy(block.writable + fault_at, image.faults.data(),
                image.faults.size() * sizeof(FaultEntry));
  NativeCode code;
  code.block = block;
  code.entry = block.address + image.entry;
  code.tail_entry = block.address + image.tail_entry;
  code.code_size = image.code_size;
  code.fault_table = block.address + fault_at;
  code.faults = image.faults;
  code.line_table = image.lines;
  return code;
}

std::vector<std::byte> encode(const Image& image) {
  Writer out;
  for (char c : kMagic) out.number(c);
  out.bytes(image.bytes);
  out.number(image.code_size);
  out.number(image.entry);
  out.number(image.tail_entry);
  out.number(static_cast<uint32_t>(image.relocations.size()));
  for (const ImageRelocation& relocation : image.relocations) {
    out.number(relocation.at);
    out.number(static_cast<uint32_t>(relocation.what));
    out.number(relocation.index);
    out.number(relocation.addend);
  }
  out.number(static_cast<uint32_t>(image.faults.size()));
  for (const FaultEntry& fault : image.faults) out.number(fault.insn), out.number(fault.fixup);
  out.number(static_cast<uint32_t>(image.lines.size()));
  for (const CodeLine& line : image.lines) out.number(line.offset), out.number(line.insn);
  return out.take();
}

Result<Image> decode_image(ByteSpan bytes) {
  Input in(bytes);
  Image image;
  auto read = [&] {
    for (char expected : kMagic) {
      char c = 0;
      if (!in.number(c) || c != expected) return false;
    }
    ByteSpan code;
    uint32_t count = 0;
    if (!in.bytes(code) || !in.number(image.code_size) || !in.number(image.entry) ||
        !in.number(image.tail_entry) || !in.count(count, 16))
      return false;
    image.bytes.assign(code.begin(), code.end());
    image.relocations.resize(count);
    for (ImageRelocation& relocation : image.relocations) {
      uint32_t what = 0;
      if (!in.number(relocation.at) || !in.number(what) || !in.number(relocation.index) ||
          !in.number(relocation.addend) || what > static_cast<uint32_t>(ImageAddress::hash_seed))
        return false;
      relocation.what = static_cast<ImageAddress>(what);
    }
    if (!in.count(count, 8)) return false;
    image.faults.resize(count);
    for (FaultEntry& fault : image.faults)
      if (!in.number(fault.insn) || !in.number(fault.fixup)) return false;
    if (!in.count(count, 8)) return false;
    image.lines.resize(count);
    for (CodeLine& line : image.lines)
      if (!in.number(line.offset) || !in.number(line.insn)) return false;
    return in.at_end();
  };
  if (!read()) return fail(EINVAL, "{} bytes that are no image of native code", bytes.size());
  SKEP_CHECK(check(image));
  return image;
}

const std::string& optimiser_features() {
  static const std::string features = [] {
    std::string made;
#if defined(__x86_64__)
    __builtin_cpu_init();
    auto add = [&](const char* name, bool has) {
      if (has) made += std::string(",+") + name;
    };
    add("bmi", __builtin_cpu_supports("bmi") != 0);
    add("bmi2", __builtin_cpu_supports("bmi2") != 0);
    add("lzcnt", __builtin_cpu_supports("lzcnt") != 0);
    add("popcnt", __builtin_cpu_supports("popcnt") != 0);
    add("movbe", __builtin_cpu_supports("movbe") != 0);
#endif
    return made;
  }();
  return features;
}

std::vector<std::byte> identity(const VerifiedProgram& program, const JitOptions& options,
                                std::string_view cpu) {
  Writer out;
  out.text(SKEP_VERSION);
  out.text(cpu);
  out.number(static_cast<uint32_t>(program.program().type));
  out.bytes(std::as_bytes(program.insns()));
  for (const InsnFacts& facts : program.facts()) {
    out.number(static_cast<uint32_t>(facts.dead | facts.zext_elided << 1 |
                                     facts.memory_may_fault << 2 | facts.key_is_constant << 3 |
                                     facts.tail_call_is_constant << 4 |
                                     facts.divisor_is_nonzero << 5 | facts.jump_taken_seen << 6 |
                                     facts.jump_not_taken_seen << 7));
    out.number(facts.map_index);
    out.number(facts.constant_key);
  }
  for (const Subprogram& sub : program.subprograms()) {
    out.number(sub.start), out.number(sub.end), out.number(sub.stack_depth);
    out.number(
        static_cast<uint32_t>(sub.is_callback | sub.has_tail_call << 1 | sub.has_ld_abs << 2));
  }
  for (const MapDescriptor& map : program.maps()) {
    out.number(static_cast<uint32_t>(map.type));
    out.number(map.key_size), out.number(map.value_size), out.number(map.max_entries);
    out.number(map.map_flags);
    if (map.address == 0) continue;
    const auto& header = *reinterpret_cast<const MapHeader*>(map.address);
    out.number(header.magic), out.number(header.max_entries), out.number(header.value_stride);
    out.number(header.slot_stride), out.number(header.index_mask), out.number(header.values != 0);
    if (const HashGeometry* hash = geometry_of(map)) {
      out.number(hash->bucket_mask), out.number(hash->element_stride);
      out.number(hash->value_offset), out.number(hash->total), out.number(hash->lru);
    }
  }
  out.number(options.prog_headers), out.number(options.prog_headers_size), out.number(options.fuel);
  out.number(static_cast<uint32_t>(options.inline_maps));
  return out.take();
}

}  // namespace skep::jit
