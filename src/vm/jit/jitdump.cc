#include "vm/jit/jitdump.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "btf/btf.h"
#include "vm/jit/perf_map.h"

namespace skep::jit {
namespace {

constexpr uint32_t kMagic = 0x4a695444, kVersion = 1, kHeaderSize = 40;
constexpr uint32_t kCodeLoad = 0, kDebugInfo = 2;
#if defined(__aarch64__)
constexpr uint32_t kMachine = EM_AARCH64;
#else
constexpr uint32_t kMachine = EM_X86_64;
#endif

// The source line that instruction `insn` came from; null: none is known.
const LineInfo* line_of(const Program& program, uint32_t insn) {
  auto after =
      std::upper_bound(program.line_info.begin(), program.line_info.end(), insn,
                       [](uint32_t at, const LineInfo& line) { return at < line.insn_off; });
  return after == program.line_info.begin() ? nullptr : &*std::prev(after);
}

}  // namespace

template <class T>
void JitDump::number(T value) {
  const auto* from = reinterpret_cast<const std::byte*>(&value);
  bytes_.insert(bytes_.end(), from, from + sizeof value);
}

void JitDump::text(std::string_view value) {
  const auto* from = reinterpret_cast<const std::byte*>(value.data());
  bytes_.insert(bytes_.end(), from, from + value.size());
  bytes_.push_back(std::byte{0});
}

JitDump::JitDump(pid_t writer, uint64_t now) {
  number(kMagic), number(kVersion), number(kHeaderSize), number(kMachine), number(uint32_t{0});
  number(static_cast<uint32_t>(writer)), number(now), number(uint64_t{0});
}

void JitDump::add(const VerifiedProgram& program, const NativeCode& code, std::string_view tag,
                  pid_t pid, uint64_t now) {
  for (const NamedCode& function : named_code(program, code, tag)) {
    add_lines(program, code, function.start, function.end, now);
    const size_t size = function.end - function.start;
    const uint64_t address = code.block.address + function.start;
    number(kCodeLoad);
    number(static_cast<uint32_t>(16 + 8 + 32 + function.name.size() + 1 + size));
    number(now), number(static_cast<uint32_t>(pid)), number(static_cast<uint32_t>(pid));
    number(address), number(address), number(uint64_t{size}), number(count_++);
    text(function.name);
    ByteSpan bytes = code.code().subspan(function.start, size);
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
}

void JitDump::add_lines(const VerifiedProgram& program, const NativeCode& code, uint32_t from,
                        uint32_t to, uint64_t now) {
  const Program& source = program.program();
  if (source.btf == nullptr || source.line_info.empty()) return;
  struct Entry {
    uint64_t address;
    const LineInfo* line;
  };
  std::vector<Entry> entries;
  auto see = [&](uint32_t offset, uint32_t insn) {
    if (offset < from || offset >= to || insn == kNoInsn) return;
    const LineInfo* line = line_of(source, insn);
    if (line != nullptr && (entries.empty() || entries.back().line != line))
      entries.push_back({code.block.address + offset, line});
  };
  if (!code.line_table.empty())
    for (const CodeLine& line : code.line_table) see(line.offset, line.insn);
  else
    for (uint32_t i = 0; i + 1 < code.lines.size(); i++) see(code.lines[i], i);
  if (entries.empty()) return;
  size_t size = 16 + 16;
  auto file = [&](const Entry& entry) { return source.btf->string(entry.line->file_name_off); };
  for (const Entry& entry : entries) size += 16 + file(entry).size() + 1;
  number(kDebugInfo), number(static_cast<uint32_t>(size)), number(now);
  number(code.block.address + from), number(uint64_t{entries.size()});
  for (const Entry& entry : entries) {
    number(entry.address), number(entry.line->line()), number(uint32_t{0});
    text(file(entry));
  }
}

}  // namespace skep::jit
