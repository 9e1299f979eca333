#include "cli/rejection.h"

#include <nlohmann/json.hpp>

#include <algorithm>

#include "btf/btf.h"
#include "isa/disassembler.h"
#include "spec/helpers.h"

namespace skep::cli {
namespace {

struct Palette {
  std::string_view bold = "", red = "", cyan = "", dim = "", end = "";
};
Palette palette(bool color) {
  if (!color) return {};
  return {"\033[1m", "\033[1;31m", "\033[36m", "\033[2m", "\033[0m"};
}

// "file.c:12", of the instruction's source line; empty where the program has none.
std::string source_of(const Program& program, uint32_t insn) {
  auto after =
      std::upper_bound(program.line_info.begin(), program.line_info.end(), insn,
                       [](uint32_t at, const LineInfo& line) { return at < line.insn_off; });
  if (after == program.line_info.begin() || !program.btf) return "";
  const LineInfo& line = *std::prev(after);
  std::string_view file = program.btf->string(line.file_name_off);
  return fmt::format("{}:{}", file.substr(file.rfind('/') + 1), line.line());
}

std::string indent(std::string_view text, std::string_view by) {
  std::string out;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    out += fmt::format("{}{}\n", by, text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace

std::string rejection_text(const std::string& where, const Program& program,
                           const verifier::Rejection& rejection, bool color) {
  Palette p = palette(color);
  std::string_view message = rejection.message;
  std::string text = fmt::format("{}: {}rejected{}: {}{}{}\n", where, p.red, p.end, p.bold,
                                 message.substr(0, message.find('\n')), p.end);
  if (size_t newline = message.find('\n'); newline != message.npos)
    text += indent(message.substr(newline + 1), "  ");
  text += fmt::format("  rule:  {}\n", verifier::rule_name(rejection.rule));
  if (rejection.source) {
    text += fmt::format("  {}at:    {}:{}:{}{}\n", p.cyan, rejection.source->file,
                        rejection.source->line, rejection.source->column, p.end);
    text += fmt::format("         {}\n", rejection.source->text);
  }
  text += fmt::format("  insn:  {}: {}\n", rejection.insn, rejection.insn_text);
  if (!rejection.explanation.empty()) text += fmt::format("  why:   {}\n", rejection.explanation);
  if (!rejection.suggestion.empty()) text += fmt::format("  try:   {}\n", rejection.suggestion);
  if (!rejection.state.empty()) {
    text += "  state:\n";
    for (const std::string& row : rejection.state) text += fmt::format("    {}\n", row);
  }
  if (!rejection.path.empty()) {
    text += "  path:\n";
    // A loop's repetitions say no more than its last ones.
    constexpr size_t kShown = 12;
    size_t first = rejection.path.size() > kShown ? rejection.path.size() - kShown : 0;
    if (first > 0) text += fmt::format("    {}… {} steps before{}\n", p.dim, first, p.end);
    for (size_t i = first; i < rejection.path.size(); ++i) {
      const verifier::PathStep& step = rejection.path[i];
      std::string source = source_of(program, step.insn);
      text += fmt::format("    {:>5}: {:<40} -> {}{}{}{}\n", step.insn,
                          isa::disassemble(program.insns, step.insn), step.next, p.dim,
                          source.empty() ? "" : "   " + source, p.end);
    }
  }
  return text;
}

nlohmann::json rejection_json(const verifier::Rejection& rejection) {
  nlohmann::json json{{"rule", verifier::rule_name(rejection.rule)},
                      {"errno", rejection.error},
                      {"insn", rejection.insn},
                      {"insn_text", rejection.insn_text},
                      {"message", rejection.message},
                      {"explanation", rejection.explanation},
                      {"suggestion", rejection.suggestion},
                      {"state", rejection.state}};
  if (rejection.source) {
    json["source"] = {{"file", rejection.source->file},
                      {"line", rejection.source->line},
                      {"column", rejection.source->column},
                      {"text", rejection.source->text}};
  }
  auto path = nlohmann::json::array();
  for (const verifier::PathStep& step : rejection.path)
    path.push_back({{"insn", step.insn}, {"next", step.next}});
  json["path"] = std::move(path);
  return json;
}

}  // namespace skep::cli
