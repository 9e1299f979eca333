// verifier_corpus [--verbose] [--unprivileged] [--program NAME] DIR|FILE…: the verifier's verdicts on objects whose programs
// carry their own expectations, as the kernel's selftests do (__success, __failure, __msg: declaration
// tags "comment:test_expect_…" of the functions). Prints what differs and a count; the last line is JSON.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "object/object.h"
#include "spec/sections.h"
#include "verifier/verifier.h"

namespace {

using namespace skep;

struct Expectation {
  bool stated = false, success = true;
  bool unprivileged_only = false;
  int log_level = 0;
  std::vector<std::string> messages;
  uint32_t flags = 0;
};

Expectation expectation_of(const btf::Btf& btf, std::string_view function, bool unprivileged) {
  Expectation result;
  const auto id = btf.find(function, btf::Kind::Func);
  if (!id) return result;
  for (btf::TypeId t = btf.type_begin(); t < btf.type_end(); ++t) {
    const btf::Type tag = btf.type(t);
    if (tag.kind() != btf::Kind::DeclTag || tag.referenced() != *id || tag.component() != -1)
      continue;
    std::string_view text = tag.name();
    constexpr std::string_view kPrefix = "comment:";
    if (!text.starts_with(kPrefix)) continue;
    text.remove_prefix(kPrefix.size());
    // Newer ones number them: "comment:test_expect_msg=12=text".
    const auto value = [&](std::string_view key) -> std::string_view {
      return text.starts_with(key) ? text.substr(key.size()) : std::string_view();
    };
    if (text == (unprivileged ? "test_expect_success_unpriv" : "test_expect_success")) {
      result.stated = true, result.success = true;
    }
    if (text == (unprivileged ? "test_expect_failure_unpriv" : "test_expect_failure")) {
      result.stated = true, result.success = false;
    }
    if (auto m = value(unprivileged ? "test_expect_msg_unpriv=" : "test_expect_msg="); !m.empty()) {
      const size_t digits = m.find_first_not_of("0123456789");
      if (digits != 0 && digits != std::string_view::npos && m[digits] == '=')
        m.remove_prefix(digits + 1);
      result.messages.emplace_back(m);
    }
    if (const auto f = value("test_prog_flags="); !f.empty()) {
      if (f == "BPF_F_STRICT_ALIGNMENT") result.flags |= 1;
      if (f == "BPF_F_ANY_ALIGNMENT") result.flags |= 2;
      if (f == "BPF_F_TEST_STATE_FREQ") result.flags |= 8;
      if (f == "BPF_F_SLEEPABLE") result.flags |= 16;
      if (f.starts_with("0x") || (f[0] >= '0' && f[0] <= '9')) {
        result.flags |= static_cast<uint32_t>(std::stoul(std::string(f), nullptr, 0));
      }
    }
  }
  return result;
}

// Parts of it are regular expressions, in {{ }}: what stands between them must come in this order.
bool has_message(std::string_view log, std::string_view message) {
  size_t at = 0;
  while (!message.empty()) {
    const size_t open = message.find("{{");
    const std::string_view part = message.substr(0, open);
    at = log.find(part, at);
    if (at == std::string_view::npos) return false;
    at += part.size();
    const size_t close = open == std::string_view::npos ? open : message.find("}}", open);
    if (close == std::string_view::npos) return true;
    message.remove_prefix(close + 2);
  }
  return true;
}

struct Counts {
  int agree = 0, stricter = 0, laxer = 0, unstated_accepted = 0, unstated_rejected = 0, skipped = 0;
  int messages = 0, messages_found = 0;
  uint64_t insns = 0, ns = 0;
};

void run_object(const std::string& path, bool verbose, bool unprivileged, const std::string& only,
                Counts& counts, std::map<std::string, int>& reasons) {
  auto bytes = read_file(path);
  if (!bytes) return;
  auto object = object::open_object(bytes_of(*bytes), path);
  const std::string file = std::filesystem::path(path).filename();
  if (!object) {
    fmt::print("{}: {}\n", file, object.error().text());
    ++counts.skipped;
    return;
  }
  for (uint32_t i = 0; i < object->programs().size(); ++i) {
    const object::ProgramSpec& spec = object->programs()[i];
    if (!only.empty() && spec.name != only) continue;
    const auto section = spec::parse_section_name(spec.section);
    if (!section || section->section == nullptr) {
      ++counts.skipped;
      continue;
    }
    auto program = object->program(i);
    if (!program) {
      if (verbose) fmt::print("{}:{}: {}\n", file, spec.name, program.error().text());
      ++counts.skipped;
      continue;
    }
    program->type = section->section->prog_type;
    if (section->section->has_attach_type)
      program->expected_attach_type = section->section->attach_type;
    if (section->section->sleepable) program->flags |= 16;
    Expectation want;
    if (object->btf() != nullptr) want = expectation_of(*object->btf(), spec.name, unprivileged);
    program->flags |= want.flags;
    for (size_t m = 0; m < program->maps.size(); ++m) {
      const object::MapSpec& map = object->maps()[m];
      if (map.freeze) {
        program->maps[m].frozen = true;
        program->maps[m].map_flags |= BPF_F_RDONLY_PROG;
        program->maps[m].constant_value = map.content;
      }
    }
    verifier::Options options;
    options.privileged = !unprivileged;
    options.log_level = verbose || !want.messages.empty() ? 2 : 0;
    const verifier::Report report = verifier::verify(*program, options);
    counts.insns += report.stats.insns_processed;
    counts.ns += report.stats.time_ns;
    if (verbose) fmt::print("{}\n", report.log);
    if (!want.stated) {
      ++(report.accepted() ? counts.unstated_accepted : counts.unstated_rejected);
      if (!report.accepted() && verbose)
        fmt::print("unstated {}:{}: {}\n", file, spec.name, report.rejection->message);
      continue;
    }
    for (const std::string& message : want.messages) {
      ++counts.messages;
      if (has_message(report.log, message)) {
        ++counts.messages_found;
      } else if (verbose) {
        fmt::print("message not found: {}\n", message);
      }
    }
    if (report.accepted() == want.success) {
      ++counts.agree;
    } else if (want.success) {
      ++counts.stricter;
      ++reasons[std::string(verifier::rule_name(report.rejection->rule))];
      std::string message = report.rejection->message;
      for (char& c : message) c = c == '\n' ? '|' : c;
      fmt::print("stricter {}:{} insn {}: {}\n", file, spec.name, report.rejection->insn, message);
    } else {
      ++counts.laxer;
      fmt::print("LAXER {}:{}: expected \"{}\"\n", file, spec.name,
                 want.messages.empty() ? "" : want.messages[0]);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  bool verbose = false, unprivileged = false;
  std::string only;
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--verbose") {
      verbose = true;
    } else if (arg == "--unprivileged") {
      unprivileged = true;
    } else if (arg == "--program" && i + 1 < argc) {
      only = argv[++i];
    } else if (std::filesystem::is_directory(arg)) {
      for (const auto& entry : std::filesystem::directory_iterator(arg)) {
        if (entry.path().extension() == ".o") files.push_back(entry.path());
      }
    } else {
      files.push_back(arg);
    }
  }
  std::sort(files.begin(), files.end());
  Counts counts;
  std::map<std::string, int> reasons;
  for (const std::string& file : files)
    run_object(file, verbose, unprivileged, only, counts, reasons);
  for (const auto& [rule, count] : reasons) fmt::print("  stricter by {}: {}\n", rule, count);
  fmt::print(
      "{{\"agree\":{},\"stricter\":{},\"laxer\":{},\"accepted\":{},\"refused\":{},\"skipped\":{},"
      "\"messages\":{},"
      "\"messages_found\":{},\"insns\":{},\"ns\":{}}}\n",
      counts.agree, counts.stricter, counts.laxer, counts.unstated_accepted,
      counts.unstated_rejected, counts.skipped, counts.messages, counts.messages_found,
      counts.insns, counts.ns);
  return counts.laxer == 0 ? 0 : 1;
}
