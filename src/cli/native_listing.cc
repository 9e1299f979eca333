#include "cli/native_listing.h"

#include <Zydis/Zydis.h>
#include <fmt/format.h>

#include <algorithm>

#include "btf/btf.h"
#include "isa/disassembler.h"
#include "spec/helpers.h"

namespace skep::cli {
namespace {

std::string_view helper_name(const void*, int32_t id) {
  const spec::Helper* helper = spec::find_helper(static_cast<uint32_t>(id));
  return helper == nullptr ? std::string_view() : helper->name;
}
std::string_view map_name(const void* data, int32_t index) {
  const auto maps = static_cast<const VerifiedProgram*>(data)->maps();
  if (index < 0 || static_cast<size_t>(index) >= maps.size()) return {};
  return maps[static_cast<size_t>(index)].name;
}

// The source line that the instruction was compiled from; null: not known.
const LineInfo* line_of(const Program& program, uint32_t insn) {
  const auto& lines = program.line_info;
  auto after =
      std::upper_bound(lines.begin(), lines.end(), insn,
                       [](uint32_t at, const LineInfo& line) { return at < line.insn_off; });
  return after == lines.begin() ? nullptr : &*std::prev(after);
}

std::string source_of(const Program& program, const LineInfo& line) {
  if (!program.btf) return {};
  std::string text(program.btf->string(line.line_off));
  text.erase(0, text.find_first_not_of(" \t"));
  return text;
}

}  // namespace

NativeListing native_listing(const VerifiedProgram& program, const jit::NativeCode& code) {
  NativeListing made;
  made.rows = nlohmann::json::array();
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  ZydisFormatter formatter;
  ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
  isa::DisassemblyOptions options;
  options.helper_name = helper_name;
  options.map_name = map_name;
  options.data = &program;
  std::optional<uint32_t> last;
  uint32_t last_line = 0;
  const ByteSpan bytes = code.code();
  for (uint32_t at = 0; at < bytes.size();) {
    const auto insn = jit::insn_at(code, at);
    nlohmann::json row{{"offset", at}};
    if (insn && *insn < program.insns().size()) {
      row["insn"] = *insn;
      const LineInfo* line = line_of(program.program(), *insn);
      if (line != nullptr) row["line"] = line->line();
      if (insn != last) {
        if (line != nullptr && line->line_off != last_line) {
          last_line = line->line_off;
          if (auto text = source_of(program.program(), *line); !text.empty())
            made.text += fmt::format("; {} @ line {}\n", text, line->line());
        }
        made.text +=
            fmt::format("{:>4}: {}\n", *insn, isa::disassemble(program.insns(), *insn, options));
      }
    }
    last = insn;
    ZydisDecodedInstruction decoded;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    uint32_t length = 1;
    std::string text = fmt::format(".byte {:#04x}", std::to_integer<unsigned>(bytes[at]));
    if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes.data() + at, bytes.size() - at,
                                            &decoded, operands))) {
      length = decoded.length;
      char buffer[256];
      if (ZYAN_SUCCESS(ZydisFormatterFormatInstruction(
              &formatter, &decoded, operands, decoded.operand_count_visible, buffer, sizeof buffer,
              code.block.address + at, nullptr)))
        text = buffer;
    }
    row["bytes"] = length;
    row["text"] = text;
    made.rows.push_back(std::move(row));
    made.text += fmt::format("        {:6x}:  {}\n", at, text);
    at += length;
  }
  return made;
}

}  // namespace skep::cli
