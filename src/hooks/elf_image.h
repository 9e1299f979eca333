// ElfImage: what probes need of an x86-64 executable or shared library: its loadable segments,
// function symbols and unwind entries. It reads a caller's bytes and never trusts them: each
// offset, count and size is checked against the file before it is used, and a malformed part reads
// as absent.
//
// Addresses ("vaddr") are the file's own, before it is loaded at a base.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace skep::hooks {

struct Segment {
  uint64_t vaddr = 0;
  uint64_t file_offset = 0;
  uint64_t file_size = 0;
  bool executable = false;
};

enum class SymbolKind : uint8_t { function, ifunc, untyped };

struct Symbol {
  std::string_view name;  // without its version; points into the image's bytes
  uint64_t vaddr = 0;
  uint64_t size = 0;
  SymbolKind kind = SymbolKind::function;
  uint8_t binding = 0;          // STB_*
  bool default_version = true;  // not hidden behind a newer version of the same name
  std::string_view version;     // "GLIBC_2.14"; empty where there is none
};

// A half-open range of code addresses.
struct CodeRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  [[nodiscard]] bool contains(uint64_t vaddr) const { return vaddr >= begin && vaddr < end; }
  bool operator==(const CodeRange&) const = default;
};

// One entry of .eh_frame.
struct UnwindEntry {
  CodeRange range;
  uint64_t exception_table = 0;  // vaddr of its LSDA; 0 where it has none
};

class ElfImage {
 public:
  // Takes the whole file. Errors: ENOEXEC with what was expected and found.
  static Result<ElfImage> parse(std::vector<std::byte> bytes);
  static Result<ElfImage> open(const std::string& path);
  ElfImage(ElfImage&&) = default;  // symbols point into the bytes, which move along but don't copy
  ElfImage& operator=(ElfImage&&) = default;

  [[nodiscard]] bool position_independent() const { return position_independent_; }
  [[nodiscard]] const std::vector<Segment>& segments() const { return segments_; }
  [[nodiscard]] std::string_view interpreter() const { return interpreter_; }  // empty: static
  [[nodiscard]] ByteSpan build_id() const { return build_id_; }

  // .symtab (or that of the separate debug file given with `add_symbols`), then .dynsym. Sorted by
  // address; only defined symbols in executable segments.
  [[nodiscard]] const std::vector<Symbol>& symbols() const { return symbols_; }
  // Takes the .symtab of `debug`, this file's separate debug information (same build-id).
  void add_symbols(ElfImage debug);

  [[nodiscard]] std::optional<uint64_t> file_offset(uint64_t vaddr) const;
  [[nodiscard]] std::optional<uint64_t> vaddr_of(uint64_t file_offset) const;
  // The bytes that the file has at [vaddr, vaddr + size); none where they are not wholly in one
  // segment.
  [[nodiscard]] std::optional<ByteSpan> at(uint64_t vaddr, size_t size) const;
  // The executable segment that holds `vaddr`, and its bytes.
  [[nodiscard]] const Segment* code_segment(uint64_t vaddr) const;
  [[nodiscard]] ByteSpan bytes_of_segment(const Segment& segment) const;

  // The .eh_frame entry that covers `vaddr`; none where there is none or it can't be read.
  [[nodiscard]] std::optional<UnwindEntry> unwind_entry(uint64_t vaddr) const;
  // The entry with the highest start below `vaddr`.
  [[nodiscard]] std::optional<UnwindEntry> unwind_entry_below(uint64_t vaddr) const;
  // Landing pads that the exception table of `entry` names; empty where it has none.
  [[nodiscard]] std::vector<uint64_t> landing_pads(const UnwindEntry& entry) const;
  // Bounds of the function at `vaddr`, by a symbol's size, else by .eh_frame, else up to the next
  // symbol or the segment's end (`exact` false).
  struct Bounds {
    CodeRange range;
    bool exact = false;
  };
  [[nodiscard]] Bounds function_bounds(uint64_t vaddr) const;

 private:
  ElfImage() = default;
  void read_symbols(uint32_t section_type);
  void read_symbols_of_dynamic_segment();
  void add_symbol_table(ByteSpan table, ByteSpan names, ByteSpan versions, bool has_versions,
                        const std::vector<std::string_view>& version_names);
  void sort_symbols();
  [[nodiscard]] std::vector<std::string_view> read_version_names(ByteSpan definitions,
                                                                 ByteSpan names) const;

  struct Section {
    uint32_t type, link, info;
    uint64_t offset, size;
  };
  std::vector<std::byte> bytes_;
  std::vector<std::vector<std::byte>> debug_bytes_;  // kept alive for the names of added symbols
  std::vector<Segment> segments_;
  std::vector<Section> sections_;
  std::vector<Symbol> symbols_;
  std::string_view interpreter_;
  ByteSpan build_id_;
  uint64_t dynamic_offset_ = 0, dynamic_size_ = 0;
  uint64_t unwind_header_ = 0, unwind_header_size_ = 0;  // PT_GNU_EH_FRAME: vaddr, bytes
  bool position_independent_ = false;
};

}  // namespace skep::hooks
