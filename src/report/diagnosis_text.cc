// A diagnosis as people read it, and as JSON.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "report/diagnosis.h"
#include "report/text.h"
#include "verifier/rules.h"

namespace skep::report {
namespace {

struct Palette {
  std::string_view bold = "", red = "", cyan = "", green = "", dim = "", end = "";
};
Palette palette(bool color) {
  if (!color) return {};
  return {"\033[1m", "\033[1;31m", "\033[36m", "\033[32m", "\033[2m", "\033[0m"};
}

std::string valid(std::string_view text) { return escape(text); }

}  // namespace

std::string_view history_kind_name(HistoryEvent::Kind kind) {
  switch (kind) {
    case HistoryEvent::Kind::made: return "made";
    case HistoryEvent::Kind::loaded: return "loaded";
    case HistoryEvent::Kind::moved: return "moved";
    case HistoryEvent::Kind::computed: return "computed";
    case HistoryEvent::Kind::saved: return "saved";
    case HistoryEvent::Kind::checked: return "checked";
    case HistoryEvent::Kind::lost: return "lost";
    case HistoryEvent::Kind::refused: return "refused";
  }
  return "";
}

std::string diagnosis_text(const Diagnosis& d, bool color) {
  const Palette p = palette(color);
  const CauseRow& cause = cause_row(d.cause);
  std::string text =
      fmt::format("{}rejected{}: {}{}{}\n", p.red, p.end, p.bold, cause.title, p.end);
  const auto row = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) text += fmt::format("  {:<7}{}\n", name, value);
  };
  for (std::string_view rest = d.message, name = "says:"; !rest.empty(); name = "") {
    const size_t end = std::min(rest.find('\n'), rest.size());
    row(name, valid(rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  row("rule:", d.cause == Cause::unknown
                   ? std::string(verifier::rule_name(d.rule))
                   : fmt::format("{} ({})", verifier::rule_name(d.rule), cause.name));
  if (d.line != 0)
    text += fmt::format("  {}at:    {}:{}{}{}\n", p.cyan, valid(d.file), d.line,
                        d.column != 0 ? fmt::format(":{}", d.column) : "", p.end);
  if (!d.source_text.empty())
    text += fmt::format("  {:<7}{}{}{}\n", d.line != 0 ? "" : "at:", p.bold, valid(d.source_text),
                        p.end);
  if (d.insn != kNoIndex) row("insn:", fmt::format("{}: {}", d.insn, valid(d.insn_text)));
  row("need:", d.need);
  row("known:", valid(d.known));
  if (!d.history.empty()) {
    text += "  history:\n";
    std::string last_source;
    for (const HistoryEvent& event : d.history) {
      if (!event.source.empty() && event.source != last_source)
        text += fmt::format("    {}; {}{}\n", p.dim, valid(event.source), p.end);
      last_source = event.source;
      text += fmt::format("    {:>5}: {:<36} {}\n", event.insn, valid(event.insn_text),
                          valid(event.what));
    }
  }
  for (const std::string& fix : d.fixes)
    text += fmt::format("  {}try:{}   {}\n", p.green, p.end, fix);
  return text;
}

nlohmann::json diagnosis_json(const Diagnosis& d) {
  nlohmann::json json{{"rule", verifier::rule_name(d.rule)},
                      {"cause", cause_row(d.cause).name},
                      {"title", cause_row(d.cause).title},
                      {"message", valid(d.message)},
                      {"need", d.need},
                      {"known", valid(d.known)},
                      {"subject", d.subject},
                      {"fixes", d.fixes}};
  if (!d.program.empty()) json["program"] = valid(d.program);
  if (d.insn != kNoIndex) {
    json["insn"] = d.insn;
    json["insn_text"] = valid(d.insn_text);
  }
  if (!d.source_text.empty() || d.line != 0)
    json["source"] = {{"file", valid(d.file)},
                      {"line", d.line},
                      {"column", d.column},
                      {"text", valid(d.source_text)}};
  auto history = nlohmann::json::array();
  for (const HistoryEvent& event : d.history)
    history.push_back({{"kind", history_kind_name(event.kind)},
                       {"insn", event.insn},
                       {"insn_text", valid(event.insn_text)},
                       {"source", valid(event.source)},
                       {"what", valid(event.what)}});
  json["history"] = std::move(history);
  auto state = nlohmann::json::array();
  for (const std::string& value : d.state) state.push_back(valid(value));
  json["state"] = std::move(state);
  return json;
}

}  // namespace skep::report
