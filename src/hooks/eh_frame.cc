// ElfImage's readers of .eh_frame_hdr, .eh_frame and exception tables (LSB 5.0, "Exception Frames";
// the Itanium C++ ABI's exception handling tables).
//
//   .eh_frame_hdr   version 1 | encodings of: pointer to .eh_frame, count, table
//                   table of (function start, address of its entry), sorted by function start
//   .eh_frame       length | offset back to the common entry (0: is one) | start | length |
//   augmentation
#include "hooks/elf_image.h"

namespace skep::hooks {
namespace {

// DW_EH_PE_*: low nibble the format, next three bits what it is relative to, top bit "indirect".
constexpr uint8_t kOmit = 0xff, kPcRelative = 0x10, kDataRelative = 0x30;

// Reads on, remembering the address it stands at; any read past the end makes it fail for good.
class Cursor {
 public:
  Cursor(ByteSpan bytes, uint64_t address) : reader_(bytes), address_(address) {}
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] size_t position() const { return at_; }
  [[nodiscard]] uint64_t address() const { return address_ + at_; }
  [[nodiscard]] bool at_end() const { return !ok_ || at_ >= reader_.size(); }
  void skip(uint64_t count) {
    if (count > reader_.size() - at_)
      ok_ = false;
    else
      at_ += count;
  }
  template <class T>
  T take() {
    auto value = reader_.at<T>(at_);
    if (!ok_ || !value) {
      ok_ = false;
      return 0;
    }
    at_ += sizeof(T);
    return *value;
  }
  uint64_t uleb() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      auto byte = take<uint8_t>();
      value |= uint64_t{byte & 0x7fu} << shift;
      if ((byte & 0x80) == 0) return value;
    }
    ok_ = false;
    return 0;
  }
  // A value of `encoding`; `data_base` is what data-relative ones count from. Indirect ones fail.
  uint64_t encoded(uint8_t encoding, uint64_t data_base) {
    uint64_t here = address();
    uint64_t value = raw(encoding);
    if (value == 0) return 0;  // null, whatever it would be relative to
    switch (encoding & 0xf0) {
      case 0: return value;
      case kPcRelative: return value + here;
      case kDataRelative: return value + data_base;
      default: ok_ = false; return 0;
    }
  }
  // The value alone, as lengths are stored.
  uint64_t raw(uint8_t encoding) {
    switch (encoding & 0x0f) {
      case 0x00:  // pointer
      case 0x04:
      case 0x0c: return take<uint64_t>();
      case 0x01: return uleb();
      case 0x02: return take<uint16_t>();
      case 0x03: return take<uint32_t>();
      case 0x0a: return static_cast<uint64_t>(int64_t{take<int16_t>()});
      case 0x0b: return static_cast<uint64_t>(int64_t{take<int32_t>()});
      default: ok_ = false; return 0;
    }
  }

 private:
  Reader reader_;
  uint64_t address_;
  size_t at_ = 0;
  bool ok_ = true;
};

// The bytes from `vaddr` to the end of the segment that holds it.
ByteSpan rest_of_segment(const ElfImage& image, uint64_t vaddr) {
  for (const Segment& segment : image.segments())
    if (vaddr >= segment.vaddr && vaddr - segment.vaddr < segment.file_size)
      return image.bytes_of_segment(segment).subspan(vaddr - segment.vaddr);
  return {};
}

struct CommonEntry {
  uint8_t pointer_encoding = 0;
  uint8_t exception_table_encoding = kOmit;
  bool has_augmentation_data = false;
};

std::optional<CommonEntry> read_common_entry(const ElfImage& image, uint64_t vaddr) {
  Cursor cursor(rest_of_segment(image, vaddr), vaddr);
  auto length = cursor.take<uint32_t>();
  if (length == 0 || length == 0xffffffff || cursor.take<uint32_t>() != 0) return std::nullopt;
  auto version = cursor.take<uint8_t>();
  if (version != 1 && version != 3) return std::nullopt;
  char augmentation[8] = {};
  for (size_t i = 0;; ++i) {
    auto letter = static_cast<char>(cursor.take<uint8_t>());
    if (letter == 0) break;
    if (i + 1 >= sizeof augmentation) return std::nullopt;
    augmentation[i] = letter;
  }
  cursor.uleb();  // code alignment
  cursor.uleb();  // data alignment (its sign is no matter)
  version == 1 ? void(cursor.take<uint8_t>()) : void(cursor.uleb());  // return address register
  CommonEntry entry;
  if (augmentation[0] == 'z') {
    entry.has_augmentation_data = true;
    cursor.uleb();
    for (const char* letter = augmentation + 1; *letter != 0; ++letter) {
      if (*letter == 'R')
        entry.pointer_encoding = cursor.take<uint8_t>();
      else if (*letter == 'L')
        entry.exception_table_encoding = cursor.take<uint8_t>();
      else if (*letter == 'P')
        cursor.raw(cursor.take<uint8_t>());
      else if (*letter != 'S' && *letter != 'B')
        return std::nullopt;
    }
  } else if (augmentation[0] != 0) {
    return std::nullopt;
  }
  if (!cursor.ok()) return std::nullopt;
  return entry;
}

}  // namespace

std::optional<UnwindEntry> ElfImage::unwind_entry(uint64_t vaddr) const {
  auto entry = unwind_entry_below(vaddr + 1);
  if (!entry || !entry->range.contains(vaddr)) return std::nullopt;
  return entry;
}

std::optional<UnwindEntry> ElfImage::unwind_entry_below(uint64_t vaddr) const {
  if (unwind_header_ == 0) return std::nullopt;
  auto header = at(unwind_header_, unwind_header_size_);
  if (!header) return std::nullopt;
  Cursor cursor(*header, unwind_header_);
  auto version = cursor.take<uint8_t>();
  auto frame_encoding = cursor.take<uint8_t>(), count_encoding = cursor.take<uint8_t>(),
       table_encoding = cursor.take<uint8_t>();
  constexpr uint8_t kSortedTable = kDataRelative | 0x0b;  // the only form that linkers write
  if (version != 1 || table_encoding != kSortedTable || frame_encoding == kOmit)
    return std::nullopt;
  cursor.encoded(frame_encoding, unwind_header_);
  uint64_t count = cursor.encoded(count_encoding, unwind_header_);
  if (!cursor.ok()) return std::nullopt;
  ByteSpan table = header->subspan(cursor.position());
  count = std::min<uint64_t>(count, table.size() / 8);
  auto start_of = [&](uint64_t i) {
    return unwind_header_ + static_cast<uint64_t>(int64_t{load<int32_t>(table.data() + i * 8)});
  };
  uint64_t low = 0, high = count;  // first entry that starts at or above vaddr
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    if (start_of(middle) < vaddr)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0) return std::nullopt;
  uint64_t entry_address =
      unwind_header_ +
      static_cast<uint64_t>(int64_t{load<int32_t>(table.data() + (low - 1) * 8 + 4)});

  Cursor frame(rest_of_segment(*this, entry_address), entry_address);
  auto length = frame.take<uint32_t>();
  uint64_t link_address = frame.address();
  auto link = frame.take<uint32_t>();
  if (!frame.ok() || length == 0xffffffff || link == 0) return std::nullopt;
  auto common = read_common_entry(*this, link_address - link);
  if (!common) return std::nullopt;
  UnwindEntry entry;
  entry.range.begin = frame.encoded(common->pointer_encoding, 0);
  uint64_t size = frame.raw(common->pointer_encoding);
  if (!frame.ok() || size > (uint64_t{1} << 32)) return std::nullopt;
  entry.range.end = entry.range.begin + size;
  if (common->has_augmentation_data) {
    uint64_t data_size = frame.uleb();
    if (common->exception_table_encoding != kOmit && data_size >= 4) {
      uint64_t table_address = frame.encoded(common->exception_table_encoding & 0x7f, 0);
      if (frame.ok()) entry.exception_table = table_address;
    }
  }
  return entry;
}

std::vector<uint64_t> ElfImage::landing_pads(const UnwindEntry& entry) const {
  std::vector<uint64_t> pads;
  if (entry.exception_table == 0) return pads;
  Cursor cursor(rest_of_segment(*this, entry.exception_table), entry.exception_table);
  uint64_t landing_base = entry.range.begin;
  if (auto encoding = cursor.take<uint8_t>(); encoding != kOmit)
    landing_base = cursor.encoded(encoding, 0);
  if (auto encoding = cursor.take<uint8_t>(); encoding != kOmit) cursor.uleb();  // type table
  auto encoding = cursor.take<uint8_t>();
  uint64_t size = cursor.uleb();
  uint64_t end = cursor.position() + size;
  while (cursor.ok() && cursor.position() < end && size <= (uint64_t{1} << 24)) {
    cursor.raw(encoding);  // start of the call site
    cursor.raw(encoding);  // its length
    uint64_t pad = cursor.raw(encoding);
    cursor.uleb();  // action
    if (cursor.ok() && pad != 0) pads.push_back(landing_base + pad);
  }
  return pads;
}

}  // namespace skep::hooks
