#include "object/elf_writer.h"

#include <algorithm>
#include <unordered_map>

namespace skep::object {

namespace {

constexpr size_t kHeaderSize = 64, kSymbolSize = 24;

class Strings {
 public:
  uint32_t add(const std::string& text) {
    if (text.empty()) return 0;
    auto [at, fresh] = offsets_.try_emplace(text, static_cast<uint32_t>(bytes_.size()));
    if (fresh) bytes_.append(text).push_back('\0');
    return at->second;
  }
  [[nodiscard]] ByteSpan bytes() const { return bytes_of(std::string_view(bytes_)); }

 private:
  std::string bytes_ = std::string(1, '\0');
  std::unordered_map<std::string, uint32_t> offsets_;
};

class ElfWriter {
 public:
  explicit ElfWriter(const OutputElf& elf)
      : elf_(elf), swap_(elf.big_endian != (std::endian::native == std::endian::big)) {}

  // header | sections' data | .symtab | .rel… | .strtab | section headers; numbered: 0 none, sections, .symtab,
  // .rel…, .strtab.
  std::vector<std::byte> write() {
    order_symbols();
    out_.resize(kHeaderSize);
    headers_.push_back({});
    for (const OutputSection& section : elf_.sections) {
      Header header{.name = strings_.add(section.name), .type = section.type};
      header.flags = section.flags;
      header.align = std::max<uint64_t>(section.align, 1);
      header.entry_size = section.entry_size;
      place(header, section.data);
      if (section.type == SHT_NOBITS) header.size = section.size;
      headers_.push_back(header);
    }
    write_symbols();
    write_relocations();
    Header header{.name = strings_.add(".strtab"), .type = SHT_STRTAB};
    place(header, strings_.bytes());
    headers_.push_back(header);
    headers_[1 + elf_.sections.size()].link = static_cast<uint32_t>(headers_.size() - 1);
    write_headers();
    return std::move(out_);
  }

 private:
  struct Header {
    uint32_t name = 0, type = 0;
    uint64_t flags = 0, offset = 0, size = 0;
    uint32_t link = 0, info = 0;
    uint64_t align = 1, entry_size = 0;
  };

  template <class T>
  void put(T value) {
    if constexpr (sizeof(T) > 1)
      if (swap_) value = std::byteswap(value);
    const size_t at = out_.size();
    out_.resize(at + sizeof value);
    store(out_.data() + at, value);
  }
  void align(uint64_t to) {
    // A hostile input's alignment is no reason to write gigabytes.
    to = std::clamp<uint64_t>(std::bit_floor(to), 1, 4096);
    while (out_.size() % to != 0) out_.push_back({});
  }
  void place(Header& header, ByteSpan data) {
    align(header.align);
    header.offset = out_.size();
    header.size = data.size();
    out_.insert(out_.end(), data.begin(), data.end());
  }

  void order_symbols() {
    for (uint32_t i = 0; i < elf_.symbols.size(); ++i) order_.push_back(i);
    std::ranges::stable_partition(order_,
                                  [&](uint32_t i) { return elf_.symbols[i].bind == STB_LOCAL; });
    number_.resize(elf_.symbols.size());
    for (uint32_t i = 0; i < order_.size(); ++i) number_[order_[i]] = i + 1;
  }

  void write_symbols() {
    align(8);
    Header header{.name = strings_.add(".symtab"), .type = SHT_SYMTAB};
    header.offset = out_.size();
    header.align = 8;
    header.entry_size = kSymbolSize;
    header.info =
        1 + static_cast<uint32_t>(std::ranges::count(elf_.symbols, STB_LOCAL, &OutputSymbol::bind));
    out_.resize(out_.size() + kSymbolSize);
    for (uint32_t i : order_) {
      const OutputSymbol& symbol = elf_.symbols[i];
      put(strings_.add(symbol.name));
      put(static_cast<uint8_t>(symbol.bind << 4 | symbol.type));
      put(symbol.visibility);
      put(static_cast<uint16_t>(symbol.section == OutputSymbol::kUndefined ? SHN_UNDEF
                                                                           : symbol.section + 1));
      put(symbol.value);
      put(symbol.size);
    }
    header.size = out_.size() - header.offset;
    headers_.push_back(header);
  }

  void write_relocations() {
    const auto symtab = static_cast<uint32_t>(1 + elf_.sections.size());
    for (uint32_t s = 0; s < elf_.sections.size(); ++s) {
      const OutputSection& section = elf_.sections[s];
      if (section.rels.empty()) continue;
      align(8);
      Header header{.name = strings_.add(".rel" + section.name), .type = SHT_REL};
      header.offset = out_.size();
      header.align = 8;
      header.entry_size = 16;
      header.link = symtab;
      header.info = s + 1;
      for (const OutputRel& rel : section.rels) {
        put(rel.offset);
        put(uint64_t{number_[rel.symbol]} << 32 | rel.type);
      }
      header.size = out_.size() - header.offset;
      headers_.push_back(header);
    }
  }

  void write_headers() {
    align(8);
    const uint64_t table = out_.size();
    for (const Header& header : headers_) {
      put(header.name);
      put(header.type);
      put(header.flags);
      put(uint64_t{0});  // address
      put(header.offset);
      put(header.size);
      put(header.link);
      put(header.info);
      put(header.type == 0 ? uint64_t{0} : header.align);
      put(header.entry_size);
    }
    std::vector<std::byte> all = std::move(out_);
    out_.clear();
    for (uint8_t byte : {0x7f, 0x45, 0x4c, 0x46, 2, elf_.big_endian ? 2 : 1, 1, 0}) put(byte);
    put(uint64_t{0});
    put(uint16_t{1});    // ET_REL
    put(uint16_t{247});  // EM_BPF
    put(uint32_t{1});
    put(uint64_t{0});  // entry
    put(uint64_t{0});  // program headers
    put(table);
    put(uint32_t{0});  // flags
    put(static_cast<uint16_t>(kHeaderSize));
    put(uint16_t{0});
    put(uint16_t{0});
    put(uint16_t{64});
    put(static_cast<uint16_t>(headers_.size()));
    put(static_cast<uint16_t>(headers_.size() - 1));  // names: .strtab
    std::ranges::copy(out_, all.begin());
    out_ = std::move(all);
  }

  const OutputElf& elf_;
  bool swap_;
  std::vector<std::byte> out_;
  Strings strings_;
  std::vector<Header> headers_;
  std::vector<uint32_t> order_, number_;  // symbols as written; of symbol i, its number there
};

}  // namespace

std::vector<std::byte> write_elf(const OutputElf& elf) { return ElfWriter(elf).write(); }

}  // namespace skep::object
