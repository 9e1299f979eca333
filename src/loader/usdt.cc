#include "loader/usdt.h"

#include <elf.h>

#include <bit>
#include <charconv>
#include <cstring>
#include <optional>

namespace skep::loader {

namespace {

struct Register {
  std::string_view name;
  uint16_t offset;  // in x86-64's pt_regs
};
// clang-format off
constexpr Register kRegisters[] = {
    {"r15", 0}, {"r15d", 0}, {"r15w", 0}, {"r15b", 0}, {"r14", 8}, {"r14d", 8}, {"r14w", 8}, {"r14b", 8},
    {"r13", 16}, {"r13d", 16}, {"r13w", 16}, {"r13b", 16}, {"r12", 24}, {"r12d", 24}, {"r12w", 24}, {"r12b", 24},
    {"rbp", 32}, {"ebp", 32}, {"bp", 32}, {"bpl", 32}, {"rbx", 40}, {"ebx", 40}, {"bx", 40}, {"bl", 40},
    {"r11", 48}, {"r11d", 48}, {"r11w", 48}, {"r11b", 48}, {"r10", 56}, {"r10d", 56}, {"r10w", 56}, {"r10b", 56},
    {"r9", 64}, {"r9d", 64}, {"r9w", 64}, {"r9b", 64}, {"r8", 72}, {"r8d", 72}, {"r8w", 72}, {"r8b", 72},
    {"rax", 80}, {"eax", 80}, {"ax", 80}, {"al", 80}, {"rcx", 88}, {"ecx", 88}, {"cx", 88}, {"cl", 88},
    {"rdx", 96}, {"edx", 96}, {"dx", 96}, {"dl", 96}, {"rsi", 104}, {"esi", 104}, {"si", 104}, {"sil", 104},
    {"rdi", 112}, {"edi", 112}, {"di", 112}, {"dil", 112}, {"rip", 128}, {"eip", 128},
    {"rsp", 152}, {"esp", 152}, {"sp", 152}, {"spl", 152},
};
// clang-format on

// What is left of an argument string, taken from the front.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}
  bool take(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  std::optional<int64_t> number() {
    std::string_view rest = text_;
    const bool negative = rest.starts_with('-');
    if (negative || rest.starts_with('+')) rest.remove_prefix(1);
    const int base = rest.starts_with("0x") ? 16 : 10;
    if (base == 16) rest.remove_prefix(2);
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value, base);
    if (error != std::errc{}) return std::nullopt;
    text_ = rest.substr(static_cast<size_t>(end - rest.data()));
    return static_cast<int64_t>(negative ? 0 - value : value);
  }
  // "%rax"
  std::optional<uint16_t> reg() {
    if (!take('%')) return std::nullopt;
    const size_t end = std::min(text_.find_first_of(",) \t"), text_.size());
    for (const Register& each : kRegisters) {
      if (each.name != text_.substr(0, end)) continue;
      text_.remove_prefix(end);
      return each.offset;
    }
    return std::nullopt;
  }
  void skip_blanks() {
    while (take(' ') || take('\t')) {
    }
  }
  [[nodiscard]] bool at(char c) const { return text_.starts_with(c); }
  [[nodiscard]] bool done() const { return text_.empty(); }
  [[nodiscard]] bool at_end_of_argument() const {
    return text_.empty() || text_.front() == ' ' || text_.front() == '\t';
  }

 private:
  std::string_view text_;
};

// "OFFSET(BASE)", "OFFSET(BASE,INDEX,SCALE)"; behind OFFSET.
bool parse_memory(Cursor& cursor, UsdtArgument& argument) {
  if (!cursor.take('(')) return false;
  const auto base = cursor.reg();
  if (!base) return false;
  argument.register_offset = *base;
  argument.location = UsdtLocation::memory;
  if (cursor.take(',')) {
    const auto index = cursor.reg();
    if (!index) return false;
    int64_t scale = 1;
    if (cursor.take(',')) {
      const auto read = cursor.number();
      if (!read) return false;
      scale = *read;
    }
    if (scale != 1 && scale != 2 && scale != 4 && scale != 8) return false;
    argument.location = UsdtLocation::indexed_memory;
    argument.index_offset = *index;
    argument.scale_shift = static_cast<uint8_t>(std::countr_zero(static_cast<uint64_t>(scale)));
  }
  return cursor.take(')');
}

bool parse_argument(Cursor& cursor, UsdtArgument& argument) {
  const auto size = cursor.number();
  if (!size || !cursor.take('@')) return false;
  const int64_t bytes = *size < 0 ? -*size : *size;
  if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) return false;
  argument.is_signed = *size < 0;
  argument.bit_shift = static_cast<uint8_t>(64 - 8 * bytes);
  if (cursor.take('$')) {
    const auto value = cursor.number();
    if (!value) return false;
    argument.value = static_cast<uint64_t>(*value);
    argument.location = UsdtLocation::constant;
  } else if (cursor.at('%')) {
    const auto read = cursor.reg();
    if (!read) return false;
    argument.register_offset = *read;
    argument.location = UsdtLocation::in_register;
  } else {
    if (!cursor.at('(')) {
      const auto offset = cursor.number();
      if (!offset) return false;
      argument.value = static_cast<uint64_t>(*offset);
    }
    if (!parse_memory(cursor, argument)) return false;
  }
  return cursor.at_end_of_argument();
}

// The parts of an ELF file that notes need.
struct File {
  ByteSpan bytes;
  Elf64_Ehdr header{};

  template <class T>
  std::optional<T> at(uint64_t offset) const {
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
    return load<T>(bytes.data() + offset);
  }
  std::optional<Elf64_Shdr> section(uint32_t i) const {
    return at<Elf64_Shdr>(header.e_shoff + uint64_t{i} * sizeof(Elf64_Shdr));
  }
  // Within a segment, in the file.
  std::optional<uint64_t> offset_of(uint64_t address, bool executable) const {
    for (uint32_t i = 0; i < header.e_phnum; ++i) {
      auto segment = at<Elf64_Phdr>(header.e_phoff + uint64_t{i} * sizeof(Elf64_Phdr));
      if (!segment || segment->p_type != PT_LOAD) continue;
      if (executable && (segment->p_flags & PF_X) == 0) continue;
      if (address >= segment->p_vaddr && address - segment->p_vaddr < segment->p_memsz)
        return address - segment->p_vaddr + segment->p_offset;
    }
    return std::nullopt;
  }
  std::string_view text(uint64_t offset, uint64_t end) const {
    end = std::min<uint64_t>(end, bytes.size());
    if (offset >= end) return {};
    std::string_view all(reinterpret_cast<const char*>(bytes.data()) + offset, end - offset);
    return all.substr(0, all.find('\0'));
  }
};

void read_note(const File& file, uint64_t desc, uint64_t end, uint64_t base_section,
               std::vector<UsdtSite>& sites) {
  auto location = file.at<uint64_t>(desc), base = file.at<uint64_t>(desc + 8),
       semaphore = file.at<uint64_t>(desc + 16);
  if (!location || !base || !semaphore || desc + 24 > end) return;
  UsdtSite site;
  uint64_t at = desc + 24;
  for (std::string* part : {&site.provider, &site.name, &site.arguments}) {
    std::string_view text = file.text(at, end);
    *part = text;
    at += text.size() + 1;
  }
  // prelink and linkers may have moved the code since the note was written; .stapsdt.base moved with it.
  const uint64_t moved = base_section != 0 ? base_section - *base : 0;
  site.address = *location + moved;
  auto offset = file.offset_of(site.address, true);
  if (!offset) return;
  site.file_offset = *offset;
  if (*semaphore != 0)
    site.semaphore_offset = file.offset_of(*semaphore + moved, false).value_or(0);
  sites.push_back(std::move(site));
}

}  // namespace

Result<std::vector<UsdtSite>> read_usdt(ByteSpan elf) {
  File file;
  file.bytes = elf;
  auto header = file.at<Elf64_Ehdr>(0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
      header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != EM_X86_64)
    return fail(ENOEXEC, "expected an ELF file for x86-64");
  file.header = *header;
  std::vector<UsdtSite> sites;
  auto names = file.section(header->e_shstrndx);
  if (!names) return sites;
  uint64_t base_section = 0;
  std::vector<Elf64_Shdr> notes;
  for (uint32_t i = 0; i < header->e_shnum; ++i) {
    auto section = file.section(i);
    if (!section) return fail(EINVAL, "section header {} lies outside the file", i);
    const std::string_view name =
        file.text(names->sh_offset + section->sh_name, names->sh_offset + names->sh_size);
    if (name == ".stapsdt.base") base_section = section->sh_addr;
    if (name == ".note.stapsdt" && section->sh_type == SHT_NOTE) notes.push_back(*section);
  }
  for (const Elf64_Shdr& section : notes) {
    if (section.sh_offset > elf.size() || elf.size() - section.sh_offset < section.sh_size)
      return fail(EINVAL, ".note.stapsdt lies outside the file");
    uint64_t at = section.sh_offset;
    const uint64_t end = section.sh_offset + section.sh_size;
    while (at + sizeof(Elf64_Nhdr) <= end) {
      const auto note = *file.at<Elf64_Nhdr>(at);
      const uint64_t name = at + sizeof note;
      const uint64_t desc = name + ((uint64_t{note.n_namesz} + 3) & ~uint64_t{3});
      const uint64_t next = desc + ((uint64_t{note.n_descsz} + 3) & ~uint64_t{3});
      if (desc + note.n_descsz > end) return fail(EINVAL, ".note.stapsdt: a note ends outside it");
      if (note.n_type == 3 && file.text(name, desc) == "stapsdt")
        read_note(file, desc, desc + note.n_descsz, base_section, sites);
      at = next;
    }
  }
  return sites;
}

Result<UsdtArguments> parse_usdt_arguments(std::string_view text) {
  UsdtArguments arguments;
  Cursor cursor(text);
  cursor.skip_blanks();
  while (!cursor.done()) {
    if (arguments.size() == kMaxUsdtArguments)
      return fail(E2BIG, "\"{}\": more than {} arguments", text, kMaxUsdtArguments);
    if (!parse_argument(cursor, arguments.emplace_back())) {
      return fail(EINVAL,
                  "argument {} of \"{}\": expected SIZE@%REGISTER, SIZE@$NUMBER or "
                  "SIZE@OFFSET(%BASE,%INDEX,SCALE)",
                  arguments.size(), text);
    }
    cursor.skip_blanks();
  }
  return arguments;
}

// An argument, old: value u64 | location u32 | register s16 | signed u8 | shift u8
//           since 1.7: value u64 | location u8, 1 | index:12 scale:4 u16 | 2 | register s16 | signed u8 | shift u8, 6
// behind all 12: cookie u64 | count s16
Result<std::vector<std::byte>> encode_usdt_spec(const UsdtArguments& arguments, uint64_t cookie,
                                                uint32_t size) {
  constexpr uint32_t kOld = 208, kNew = 304;
  if (size != kOld && size != kNew) {
    return fail(EINVAL, "map __bpf_usdt_specs: values of {} bytes; expected {} or {}", size, kOld,
                kNew);
  }
  const size_t stride = size == kOld ? 16 : 24, tail = size == kOld ? 12 : 14;
  std::vector<std::byte> bytes(size);
  auto put = [&](size_t at, auto value) { std::memcpy(bytes.data() + at, &value, sizeof value); };
  for (size_t i = 0; i < arguments.size() && i < kMaxUsdtArguments; ++i) {
    const UsdtArgument& argument = arguments[i];
    const size_t at = i * stride;
    put(at, argument.value);
    put(at + 8, argument.location);
    if (argument.location == UsdtLocation::indexed_memory) {
      if (size == kOld) {
        return std::unexpected(
            Error(ENOTSUP, fmt::format("argument {} lies in memory behind two registers", i + 1))
                .with_hint("compile with skep's <bpf/usdt.bpf.h>, or that of libbpf 1.7"));
      }
      put(at + 10, static_cast<uint16_t>(argument.index_offset | argument.scale_shift << 12));
    }
    put(at + tail, argument.register_offset);
    put(at + tail + 2, static_cast<uint8_t>(argument.is_signed));
    put(at + tail + 3, argument.bit_shift);
  }
  put(kMaxUsdtArguments * stride, cookie);
  put(kMaxUsdtArguments * stride + 8, static_cast<int16_t>(arguments.size()));
  return bytes;
}

}  // namespace skep::loader
