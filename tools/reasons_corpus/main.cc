// ./dev corpus reasons DIR: how many root causes we name right, over a directory of rejections that somebody labelled
// (bpfix's cases: DIR/CASE/case.yaml, the object prog.o, the kernel's log replay-verifier.log; its own `make` makes both).
//
// A case's labels are an error class (error_id) and the kind of repair (fix_type). A cause of ours is right where it is
// one that the repair cures; where the repair says nothing ("other", "env_fix", …), where it is one of the error class.
// `explain` is judged on the kernel's log, `verify` on the object under the newest profile; a case that has only one of
// the two is judged by it. The last line: {"right":…,"wrong":…}.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "btf/btf.h"
#include "loader/loader.h"
#include "object/attach_target.h"
#include "object/object.h"
#include "report/diagnosis.h"
#include "spec/sections.h"
#include "verifier/verifier.h"

namespace {

using namespace skep;
namespace fs = std::filesystem;

struct Accepted {
  std::string_view label, causes;  // causes: separated by blanks
};

// Repairs, each with what it cures.
constexpr Accepted kRepairs[] = {
    {"null_check", "null_check_missing null_on_this_path"},
    {"bounds_check",
     "packet_check_missing packet_check_short packet_check_on_other_pointer packet_offset_too_wide "
     "index_unbounded index_check_lost "
     "index_check_off index_maybe_negative access_beyond_object size_maybe_negative "
     "size_maybe_zero size_unbounded size_too_large "
     "stack_index_unbounded"},
    {"clamp",
     "packet_offset_too_wide packet_check_on_other_pointer packet_check_short index_unbounded "
     "index_check_lost index_check_off "
     "index_maybe_negative size_too_large size_unbounded size_maybe_negative "
     "stack_index_unbounded"},
    {"type_cast",
     "size_maybe_negative index_maybe_negative packet_offset_too_wide access_beyond_object"},
    {"add_l2_header_presence_guard", "packet_check_missing packet_check_short"},
    {"packet_bounds_check",
     "packet_check_missing packet_check_short packet_check_on_other_pointer"},
    {"packet_pointer_revalidation", "packet_pointer_stale"},
    {"revalidate_packet_pointer", "packet_pointer_stale"},
    {"initialization", "register_never_set register_lost_by_call argument_not_passed"},
    {"initialize_output_register", "register_never_set register_lost_by_call"},
    {"initialize_return", "return_value_not_set"},
    {"initialize_pointer", "null_on_this_path pointer_lost_at_join stack_never_written"},
    {"return_value_range", "return_value_range"},
    {"avoid_wide_context_access", "context_wide_access context_pointer_modified"},
    {"preserve_ctx_argument", "function_argument_type"},
    {"type_signature", "function_argument_type"},
    {"change_signature", "function_argument_type"},
    {"avoid_pointer_truncation", "pointer_truncated"},
    {"preserve_64bit_pointer_type", "pointer_truncated"},
    {"inline", "pointer_lost_at_join stack_of_calls_too_deep"},
    {"reduce_stack", "stack_of_calls_too_deep"},
    {"force_stack_materialization", "pointer_lost_at_join pointer_truncated"},
    {"prevent_pointer_merge", "different_pointers_merged"},
    {"pointer_arithmetic", "pointer_arithmetic_forbidden"},
    {"use_correct_pointer", "pointer_arithmetic_forbidden"},
    {"stack_alignment", "stack_misaligned"},
    {"align_stack", "stack_misaligned"},
    {"move_to_map_storage", "stack_too_small"},
    {"helper_switch", "helper_not_for_type"},
    {"change_prog_type", "helper_not_for_type"},
    {"helper_api", "kernel_pointer_dereferenced kernel_struct_access index_maybe_negative"},
    {"use_correct_context",
     "argument_not_passed kernel_pointer_dereferenced context_argument_type context_field "
     "register_never_set"},
    {"use_valid_pointer",
     "scalar_as_pointer kernel_pointer_dereferenced argument_wrong_type kptr_missing"},
    {"use_helper_or_correct_context", "kernel_pointer_dereferenced"},
    {"move_to_map_value", "argument_wrong_type object_wrong_type"},
    {"use_correct_map_pointer", "argument_wrong_type"},
    {"use_stack_copy", "packet_not_for_helper"},
    {"map_definition_fix", "access_beyond_object"},
    {"use_map_value", "map_object_accessed"},
    {"compiler_flags", "instruction_unknown"},
    {"loop_rewrite", "loop_without_end too_many_paths"},
    {"loader_fix", "map_not_relocated"},
    {"build_metadata", "btf_missing"},
    {"refcount", "reference_not_released reference_not_owned dynptr_released_twice"},
};

// Error classes, for repairs that are not in the table.
constexpr Accepted kClasses[] = {
    {"BPFIX-E001",
     "packet_check_missing packet_check_short packet_check_on_other_pointer packet_offset_too_wide "
     "packet_pointer_stale"},
    {"BPFIX-E002", "null_check_missing null_on_this_path"},
    {"BPFIX-E003", "stack_never_written stack_object_read register_never_set"},
    {"BPFIX-E004", "reference_not_released reference_not_owned"},
    {"BPFIX-E005",
     "index_check_lost index_check_off packet_offset_too_wide packet_check_on_other_pointer "
     "size_too_large size_unbounded"},
    {"BPFIX-E006", "pointer_lost_at_join pointer_truncated stack_too_small"},
    {"BPFIX-E010", "return_value_not_set"},
    {"BPFIX-E011",
     "kernel_pointer_dereferenced scalar_as_pointer slice_stale packet_pointer_stale "
     "object_wrong_type argument_wrong_type"},
    {"BPFIX-E012", "dynptr_not_initialized dynptr_in_use dynptr_misplaced stack_object_read"},
    {"BPFIX-E013",
     "irq_order region_not_left lock_held exception_callback_called callback_wrong "
     "return_value_range"},
    {"BPFIX-E014", "iterator_not_initialized iterator_in_use iterator_misplaced stack_object_read"},
    {"BPFIX-E015", "null_check_missing"},
    {"BPFIX-E016",
     "sleeps_here kfunc_not_allowed packet_read_only context_field context_wide_access "
     "instruction_unknown callback_wrong"},
    {"BPFIX-E017", "index_unbounded index_check_off access_beyond_object"},
    {"BPFIX-E018", "stack_of_calls_too_deep too_many_paths loop_without_end"},
    {"BPFIX-E019",
     "dynptr_not_initialized dynptr_misplaced dynptr_released_twice stack_object_read "
     "reference_not_owned constant_needed size_unbounded size_too_large"},
    {"BPFIX-E020", "irq_flag_not_saved irq_flag_in_use"},
    {"BPFIX-E021", "map_not_relocated btf_missing function_argument_type helper_not_for_type"},
    {"BPFIX-E023",
     "kptr_missing object_not_trusted object_not_in_rcu object_wrong_type argument_wrong_type "
     "packet_pointer_stale scalar_as_pointer size_too_large index_unbounded index_maybe_negative"},
};

bool names(std::string_view causes, std::string_view cause) {
  for (size_t at = causes.find(cause); at != causes.npos; at = causes.find(cause, at + 1)) {
    const bool begins = at == 0 || causes[at - 1] == ' ';
    const bool ends = at + cause.size() == causes.size() || causes[at + cause.size()] == ' ';
    if (begins && ends) return true;
  }
  return false;
}

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// The value of the first line "  KEY: VALUE".
std::string label(const std::string& yaml, std::string_view key) {
  const size_t at = yaml.find(fmt::format("\n  {}: ", key));
  if (at == yaml.npos) return {};
  const size_t begin = at + key.size() + 5;
  return yaml.substr(begin, yaml.find('\n', begin) - begin);
}

struct Case {
  std::string name, error_id, fix_type;
  std::string_view accepted;
};

std::optional<report::Diagnosis> by_log(const fs::path& directory) {
  const fs::path path = directory / "replay-verifier.log";
  if (!fs::exists(path)) return std::nullopt;
  const std::string text = slurp(path);
  const report::ParsedLog log = report::parse_verifier_log(text);
  std::optional<report::Diagnosis> found;
  for (const report::LogSegment& segment : log.segments) {
    if (!segment.failed()) continue;
    report::Diagnosis diagnosis = report::diagnose(log, segment, nullptr);
    if (!found || diagnosis.rule != verifier::Rule::none) found = std::move(diagnosis);
  }
  return found;
}

std::optional<report::Diagnosis> by_object(const fs::path& directory,
                                           const std::shared_ptr<const btf::Btf>& kernel) {
  const fs::path path = directory / "prog.o";
  if (!fs::exists(path)) return std::nullopt;
  const std::string bytes = slurp(path);
  const auto object =
      object::open_object(std::as_bytes(std::span(bytes.data(), bytes.size())), "prog.o");
  if (!object) return std::nullopt;
  // The one program that the case is about, where its Makefile names one.
  std::string wanted;
  const std::string makefile = slurp(directory / "Makefile");
  if (const size_t at = makefile.find("TARGET_FUNCTION ?= "); at != makefile.npos)
    wanted = makefile.substr(at + 19, makefile.find('\n', at) - at - 19);
  for (uint32_t i = 0; i < object->programs().size(); ++i) {
    const object::ProgramSpec& spec = object->programs()[i];
    if (!wanted.empty() && spec.name != wanted) continue;
    const auto kind = loader::classify_section(spec.section);
    if (!kind) continue;
    object::Target target;
    std::shared_ptr<const btf::Btf> btfs[1] = {kernel};
    if (kernel) target.btfs = btfs;
    auto program = object->program(i, target);
    if (!program) continue;
    const auto section = spec::parse_section_name(spec.section);
    if (!section || !object::set_attach_target(*program, *section, target.btfs)) {
      program->type = kind->type;
      program->expected_attach_type = kind->expected_attach_type;
    }
    verifier::Options options;
    options.kernel_btf = kernel;
    options.log_level = verifier::kLogAll;
    options.log_limit = 8u << 20;
    const verifier::Report report = verifier::verify(*program, options);
    if (report.accepted()) continue;
    return report::diagnose(*report.rejection, report.log, *program);
  }
  return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  bool json = false, verbose = false;
  std::string directory, btf_path = "/sys/kernel/btf/vmlinux";
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--json")
      json = true;
    else if (argument == "--verbose")
      verbose = true;
    else if (argument == "--btf" && i + 1 < argc)
      btf_path = argv[++i];
    else
      directory = argument;
  }
  if (directory.empty()) {
    fmt::print(stderr, "usage: ./dev corpus reasons DIR [--btf FILE] [--verbose] [--json]\n");
    return 64;
  }
  if (fs::exists(fs::path(directory) / "cases")) directory += "/cases";
  std::shared_ptr<const btf::Btf> kernel;
  const std::string btf_bytes = slurp(btf_path);
  if (!btf_bytes.empty()) {
    if (auto parsed = btf::Btf::parse(std::as_bytes(std::span(btf_bytes.data(), btf_bytes.size())));
        parsed)
      kernel = *parsed;
  }
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(directory))
    if (fs::exists(entry.path() / "case.yaml")) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  struct Count {
    unsigned right = 0, wrong = 0;
  };
  Count explain, verify, both;
  unsigned neither = 0;
  for (const fs::path& path : paths) {
    const std::string yaml = slurp(path / "case.yaml");
    Case c{path.filename(), label(yaml, "error_id"), label(yaml, "fix_type"), {}};
    for (const Accepted& row : kRepairs)
      if (row.label == c.fix_type) c.accepted = row.causes;
    for (const Accepted& row : kClasses)
      if (c.accepted.empty() && row.label == c.error_id) c.accepted = row.causes;
    const auto judge = [&](const std::optional<report::Diagnosis>& diagnosis, Count& count,
                           std::string_view by) {
      if (!diagnosis) return 0;
      const std::string_view cause = report::cause_row(diagnosis->cause).name;
      const bool right = names(c.accepted, cause);
      ++(right ? count.right : count.wrong);
      if (!json && (verbose || !right)) {
        fmt::print("{} {} {}: {} (labelled {} {}): {}\n", right ? "right" : "WRONG", by, c.name,
                   cause, c.error_id, c.fix_type,
                   diagnosis->message.substr(0, diagnosis->message.find('\n')));
      }
      return right ? 1 : -1;
    };
    const int of_log = judge(by_log(path), explain, "explain"),
              of_object = judge(by_object(path, kernel), verify, "verify ");
    if (of_log == 0 && of_object == 0) {
      ++neither;
      continue;
    }
    ++(of_log > 0 || (of_log == 0 && of_object > 0) ? both.right : both.wrong);
  }
  const auto rate = [](const Count& count) {
    const unsigned all = count.right + count.wrong;
    return all == 0 ? 0.0 : 100.0 * count.right / all;
  };
  if (!json) {
    fmt::print("explain of the kernel's log: {} right, {} wrong ({:.1f}%)\n", explain.right,
               explain.wrong, rate(explain));
    fmt::print("verify of the object:        {} right, {} wrong ({:.1f}%)\n", verify.right,
               verify.wrong, rate(verify));
    if (neither != 0)
      fmt::print("{} cases have neither a log nor an object that is refused\n", neither);
    fmt::print("{} right, {} wrong\n", both.right, both.wrong);
  } else {
    fmt::print(
        "{{\"explain\":{{\"right\":{},\"wrong\":{}}},\"verify\":{{\"right\":{},\"wrong\":{}}},"
        "\"not_judged\":{}}}\n",
        explain.right, explain.wrong, verify.right, verify.wrong, neither);
    fmt::print("{{\"right\":{},\"wrong\":{}}}\n", both.right, both.wrong);
  }
  return 0;
}
