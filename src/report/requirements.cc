#include "report/requirements.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>

#include "isa/insn.h"
#include "object/attach_target.h"
#include "spec/attach_types.h"
#include "spec/features.h"
#include "spec/helpers.h"
#include "spec/kfuncs.h"
#include "spec/map_types.h"
#include "spec/prog_types.h"
#include "spec/requirements.h"
#include "spec/sections.h"
#include "verifier/any_profile.h"
#include "verifier/verifier.h"

namespace skep::report {
namespace {

using spec::Feature;

constexpr KernelVersion kOldestLooked = kernel_version(4, 19);

// Versions in which the verifier learnt something, beside those of the tables' rows.
constexpr KernelVersion kSteps[] = {
    kernel_version(4, 19), kernel_version(5, 1),  kernel_version(5, 2),  kernel_version(5, 3),
    kernel_version(5, 4),  kernel_version(5, 6),  kernel_version(5, 8),  kernel_version(5, 10),
    kernel_version(5, 12), kernel_version(5, 13), kernel_version(5, 15), kernel_version(5, 17),
    kernel_version(5, 18), kernel_version(6, 1),  kernel_version(6, 4),  kernel_version(6, 6),
    kernel_version(6, 9),  kernel_version(6, 12), kernel_version(6, 15), kernel_version(6, 18),
    kernel_version(7, 0),  kernel_version(7, 3)};

struct Collector {
  const object::Object& object;
  Requirements& out;
  std::map<std::pair<std::string, std::string>, size_t> seen;
  std::map<std::string, std::string> capabilities, config;

  void add(std::string_view kind, std::string_view name, KernelVersion since, std::string where) {
    const auto [at, fresh] =
        seen.try_emplace({std::string(kind), std::string(name)}, out.rows.size());
    if (fresh) out.rows.push_back({std::string(kind), std::string(name), since, std::move(where)});
  }
  void add(Feature which, std::string where) {
    const spec::FeatureRow& row = spec::feature(which);
    add("feature", row.name, row.since, std::move(where));
  }
  void need(uint8_t set, std::string_view options, const std::string& reason) {
    constexpr std::pair<uint8_t, std::string_view> kNames[] = {
        {spec::kCapBpf, "CAP_BPF"},
        {spec::kCapPerfmon, "CAP_PERFMON"},
        {spec::kCapNetAdmin, "CAP_NET_ADMIN"},
        {spec::kCapSysAdmin, "CAP_SYS_ADMIN"}};
    for (const auto& [bit, name] : kNames)
      if ((set & bit) != 0) capabilities.try_emplace(std::string(name), reason);
    while (!options.empty()) {
      const size_t end = std::min(options.find(' '), options.size());
      config.try_emplace(std::string(options.substr(0, end)), reason);
      options.remove_prefix(std::min(end + 1, options.size()));
    }
  }

  [[nodiscard]] static std::string place(const Program& program, uint32_t insn) {
    std::string text = fmt::format("program {}, insn {}", program.name, insn);
    if (!program.btf || program.line_info.empty()) return text;
    const auto after =
        std::upper_bound(program.line_info.begin(), program.line_info.end(), insn,
                         [](uint32_t at, const LineInfo& line) { return at < line.insn_off; });
    if (after == program.line_info.begin()) return text;
    const std::string_view file = program.btf->string(std::prev(after)->file_name_off);
    return text +
           fmt::format(" ({}:{})", file.substr(file.rfind('/') + 1), std::prev(after)->line());
  }

  void map(const object::MapSpec& map) {
    const std::string where = fmt::format("map {}", map.name);
    if (map.is_globals) return add(Feature::global_data, where);
    if (const spec::MapTypeRow* row = spec::find_map_type(map.type); row != nullptr)
      add("map_type", row->name, row->since, where);
    for (const spec::MapFlagRow& row : spec::map_flags())
      if ((map.map_flags & row.flag) != 0) add("map_flag", row.name, row.since, where);
    const spec::MapTypeNeeds& needs = spec::needs_of(map.type);
    need(needs.capabilities, needs.config, where);
    if (map.inner) this->map(*map.inner);
  }

  void program(const Program& program, const spec::SectionName& section) {
    const std::string where = fmt::format("program {}", program.name);
    if (const spec::ProgTypeRow* row = spec::find_prog_type(program.type); row != nullptr) {
      add("program_type", row->name, row->since, where);
      if (row->needs_attach_btf && program.type != ProgType::BPF_PROG_TYPE_EXT)
        add("btf", "BTF of the kernel (attach target)", spec::feature(Feature::btf_tracing).since,
            where);
    }
    if (section.section->has_attach_type && !section.section->attach_type_optional &&
        program.type != ProgType::BPF_PROG_TYPE_STRUCT_OPS) {
      if (const spec::AttachTypeRow* row = spec::find_attach_type(program.expected_attach_type);
          row != nullptr)
        add("attach_type", row->name, row->since, where);
    }
    if ((program.flags & (1u << 4)) != 0) add(Feature::sleepable, where);
    const spec::ProgTypeNeeds& needs = spec::needs_of(program.type);
    need(needs.capabilities, needs.config, where);
    probes(section, where);
    instructions(program);
  }

  void probes(const spec::SectionName& section, const std::string& where) {
    using enum spec::AttachBehaviour;
    switch (section.section->attach) {
      case kprobe:
      case ksyscall: need(0, "CONFIG_KPROBE_EVENTS", where); break;
      case kprobe_multi:
      case kprobe_session: need(0, "CONFIG_FPROBE", where); break;
      case uprobe:
      case uprobe_multi:
      case uprobe_session:
      case usdt: need(0, "CONFIG_UPROBE_EVENTS", where); break;
      case tracepoint:
        if (section.target.starts_with("syscalls/")) need(0, "CONFIG_FTRACE_SYSCALLS", where);
        break;
      default: break;
    }
    if (section.section->attach == spec::AttachBehaviour::trace &&
        section.section->prefix != "tp_btf" && section.section->prefix != "freplace")
      need(0, "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS", where);
  }

  void instructions(const Program& program) {
    bool calls = false, tail_calls = false;
    for (uint32_t i = 0; i < program.insns.size(); ++i) {
      const Insn& insn = program.insns[i];
      const auto where = [&] { return place(program, i); };
      const uint8_t cls = insn.cls();
      const bool is_ld_imm64 = insn.opcode == (isa::BPF_LD | isa::BPF_IMM | isa::BPF_DW);
      if (is_ld_imm64) {
        if (insn.src == isa::BPF_PSEUDO_FUNC) add(Feature::callbacks, where());
        ++i;
        continue;
      }
      if (cls == isa::BPF_JMP32) {
        if (insn.op() == isa::BPF_JA)
          add(Feature::cpu_v4, where());
        else
          add(Feature::jmp32, where());
      }
      if (cls == isa::BPF_JMP && insn.op() == isa::BPF_JCOND) add(Feature::may_goto, where());
      const bool jump = (cls == isa::BPF_JMP || cls == isa::BPF_JMP32) &&
                        insn.op() != isa::BPF_CALL && insn.op() != isa::BPF_EXIT;
      if (jump && cls == isa::BPF_JMP && insn.op() >= isa::BPF_JLT && insn.op() <= isa::BPF_JSLE)
        add("instruction", "jlt, jle, jslt, jsle (-mcpu=v2)", kernel_version(4, 14), where());
      const int64_t distance =
          cls == isa::BPF_JMP32 && insn.op() == isa::BPF_JA ? insn.imm : insn.off;
      if (jump && distance < 0 && insn.op() != isa::BPF_JCOND) add(Feature::bounded_loops, where());
      if (cls == isa::BPF_STX && insn.mode() == isa::BPF_ATOMIC) {
        if (insn.imm == isa::BPF_LOAD_ACQ || insn.imm == 0x110)
          add(Feature::load_acquire, where());
        else if (insn.imm != 0)
          add(Feature::atomics, where());
      }
      if (cls == isa::BPF_LDX && insn.mode() == isa::BPF_MEMSX) add(Feature::cpu_v4, where());
      const bool alu = cls == isa::BPF_ALU || cls == isa::BPF_ALU64;
      if (alu && insn.off != 0) {
        const bool cast = insn.op() == isa::BPF_MOV && insn.off == 1;
        add(cast ? Feature::arena : Feature::cpu_v4, where());
      }
      if (cls == isa::BPF_ALU64 && insn.op() == isa::BPF_END) add(Feature::cpu_v4, where());
      if (cls != isa::BPF_JMP || insn.op() != isa::BPF_CALL) continue;
      if (insn.src == isa::BPF_PSEUDO_CALL) {
        calls = true;
        add(Feature::bpf_to_bpf_calls, where());
      } else if (insn.src == isa::BPF_PSEUDO_KFUNC_CALL) {
        add(Feature::kfuncs, where());
        kfunc(program, insn, where());
      } else {
        helper(program, static_cast<uint32_t>(insn.imm), where());
        tail_calls |= insn.imm == spec::BPF_FUNC_tail_call;
      }
    }
    if (calls && tail_calls)
      add(Feature::tail_calls_in_subprograms, fmt::format("program {}", program.name));
    if (program.insns.size() > 4096)
      add(Feature::mega_insns,
          fmt::format("program {}: {} instructions", program.name, program.insns.size()));
  }

  void helper(const Program& program, uint32_t id, const std::string& where) {
    const spec::Helper* row = spec::find_helper(id, program.type);
    if (row == nullptr) row = spec::find_helper(id);
    if (row == nullptr) return;
    add("helper", "bpf_" + std::string(row->name), row->since, where);
    for (const spec::HelperNeeds& needs : spec::helper_needs())
      if (needs.name == row->name)
        need(needs.capabilities, needs.config, fmt::format("bpf_{}, {}", row->name, where));
  }

  void kfunc(const Program& program, const Insn& insn, const std::string& where) {
    for (const auto& btf : btfs) {
      const auto id = static_cast<btf::TypeId>(insn.imm);
      if (id == 0 || id >= btf->type_end()) continue;
      const btf::Type type = btf->type(id);
      if (type.kind() != btf::Kind::Func) continue;
      if (const spec::Kfunc* row = spec::find_kfunc(type.name()); row != nullptr)
        add("kfunc", row->name, row->since, where);
      return;
    }
    (void)program;
  }

  std::span<const std::shared_ptr<const btf::Btf>> btfs;
};

verifier::Report verify_as(const Program& program, KernelVersion version,
                           const std::shared_ptr<const btf::Btf>& kernel) {
  const verifier::KernelProfile profile = verifier::kernel_profile_of(version);
  verifier::Options options;
  options.profile = &profile;
  options.kernel_btf = kernel;
  return verifier::verify(program, options);
}

std::string said(const verifier::Report& report) {
  if (report.accepted()) return {};
  const std::string& message = report.rejection->message;
  std::string text =
      fmt::format("insn {}: {}", report.rejection->insn, message.substr(0, message.find('\n')));
  if (report.rejection->source)
    text += fmt::format(
        " ({}:{})",
        report.rejection->source->file.substr(report.rejection->source->file.rfind('/') + 1),
        report.rejection->source->line);
  return text;
}

ProgramVerdict oldest_of(const Program& program, std::span<const Requirement> rows,
                         const std::shared_ptr<const btf::Btf>& kernel) {
  ProgramVerdict verdict{program.name, std::nullopt, {}};
  std::set<KernelVersion> versions(std::begin(kSteps), std::end(kSteps));
  for (const Requirement& row : rows)
    if (row.since >= kOldestLooked) versions.insert(row.since);
  // Most programs are accepted by all newer than the first: from the newest down until one refuses.
  for (auto at = versions.rbegin(); at != versions.rend(); ++at) {
    const verifier::Report report = verify_as(program, *at, kernel);
    if (!report.accepted()) {
      verdict.older_says = fmt::format("{}: {}", version_text(*at), said(report));
      break;
    }
    verdict.oldest = *at;
  }
  return verdict;
}

}  // namespace

std::string version_text(KernelVersion version) {
  return version == 0 ? "?" : fmt::format("{}.{}", version >> 8, version & 0xff);
}

Requirements requirements_of(const object::Object& object,
                             std::span<const std::shared_ptr<const btf::Btf>> btfs) {
  Requirements out;
  out.object = object.name();
  out.core = !object.core_relocations().empty();
  Collector collect{object, out, {}, {}, {}, btfs};
  collect.need(spec::kCapBpf, "CONFIG_BPF_SYSCALL", "bpf(2)");
  for (const object::MapSpec& map : object.maps()) collect.map(map);
  if (out.core) {
    collect.add("btf", "BTF of the kernel (CO-RE)", kernel_version(5, 4),
                "CO-RE relocations; older kernels: with a BTF file given to the loader");
    collect.need(0, "CONFIG_DEBUG_INFO_BTF", "CO-RE relocations");
  }
  std::vector<Program> programs;
  for (uint32_t i = 0; i < object.programs().size(); ++i) {
    const object::ProgramSpec& spec = object.programs()[i];
    const auto section = spec::parse_section_name(spec.section);
    if (!section || section->section == nullptr) {
      out.problems.push_back(
          fmt::format("program {}: no kernel knows SEC(\"{}\")", spec.name, spec.section));
      continue;
    }
    object::Target target;
    target.btfs = btfs;
    auto program = object.program(i, target);
    if (!program) {
      out.problems.push_back(fmt::format("program {}: {}", spec.name, program.error().text()));
      continue;
    }
    // The types and versions stand in the section's name; without its target in BTF the rest still counts.
    (void)object::set_attach_target(*program, *section, btfs).has_value();
    collect.program(*program, *section);
    if (section->autoload) programs.push_back(std::move(*program));
  }
  KernelVersion oldest = 0, by_verifier = kOldestLooked;
  bool none = false;
  const std::shared_ptr<const btf::Btf> kernel = btfs.empty() ? nullptr : btfs.front();
  for (const Program& program : programs) {
    ProgramVerdict verdict = oldest_of(program, out.rows, kernel);
    none |= !verdict.oldest;
    if (verdict.oldest) by_verifier = std::max(by_verifier, *verdict.oldest);
    out.verdicts.push_back(std::move(verdict));
  }
  for (Requirement& row : out.rows) {
    // The verifier never came to it: a guard is in front.
    const bool guarded = row.kind == "helper" || row.kind == "kfunc" || row.kind == "instruction";
    row.optional = guarded && !none && !programs.empty() && row.since > by_verifier;
    if (!row.optional) oldest = std::max(oldest, row.since);
  }
  out.oldest = none ? 0
                    : std::max(oldest, programs.empty()               ? oldest
                                       : by_verifier == kOldestLooked ? oldest
                                                                      : by_verifier);
  std::stable_sort(out.rows.begin(), out.rows.end(),
                   [](const Requirement& a, const Requirement& b) { return a.since > b.since; });
  for (const auto& [name, reason] : collect.capabilities)
    out.capabilities.push_back({name, reason});
  for (const auto& [name, reason] : collect.config) out.config.push_back({name, reason});
  return out;
}

std::string requirements_text(const Requirements& needs, KernelVersion kernel) {
  std::string text;
  if (needs.oldest == 0) {
    text += fmt::format("{}: no kernel that is known loads it\n", needs.object);
  } else {
    text += fmt::format("{}: Linux {} or newer\n", needs.object, version_text(needs.oldest));
  }
  text += "  because of\n";
  for (const Requirement& row : needs.rows)
    text += fmt::format("    {:<6} {:<13} {:<34} {}{}\n", version_text(row.since), row.kind,
                        row.name, row.where, row.optional ? " (only where the kernel has it)" : "");
  text += "  verifier\n";
  for (const ProgramVerdict& verdict : needs.verdicts) {
    text += verdict.oldest ? fmt::format("    {:<6} program {}", version_text(*verdict.oldest),
                                         verdict.program)
                           : fmt::format("    none   program {}", verdict.program);
    text += verdict.older_says.empty() ? "\n" : fmt::format("; {}\n", verdict.older_says);
  }
  text += "  capabilities (before 5.8: CAP_SYS_ADMIN)\n";
  for (const NeededBy& row : needs.capabilities)
    text += fmt::format("    {:<34} {}\n", row.name, row.reason);
  text += "  kernel configuration\n";
  for (const NeededBy& row : needs.config)
    text += fmt::format("    {:<34} {}\n", row.name, row.reason);
  for (const std::string& problem : needs.problems)
    text += fmt::format("  not looked at: {}\n", problem);
  if (kernel != 0) {
    const bool loads = needs.oldest != 0 && kernel >= needs.oldest;
    text += fmt::format("  Linux {}: {}\n", version_text(kernel),
                        loads ? "loads it" : "does not load it");
    for (const Requirement& row : needs.rows)
      if (!row.optional && row.since > kernel)
        text += fmt::format("    lacks {} ({})\n", row.name, row.where);
  }
  return text;
}

nlohmann::json requirements_json(const Requirements& needs, KernelVersion kernel) {
  nlohmann::json json{{"object", needs.object}, {"core", needs.core}};
  json["oldest"] =
      needs.oldest == 0 ? nlohmann::json(nullptr) : nlohmann::json(version_text(needs.oldest));
  auto rows = nlohmann::json::array();
  for (const Requirement& row : needs.rows)
    rows.push_back({{"kind", row.kind},
                    {"name", row.name},
                    {"since", version_text(row.since)},
                    {"where", row.where},
                    {"optional", row.optional}});
  json["needs"] = std::move(rows);
  auto verdicts = nlohmann::json::array();
  for (const ProgramVerdict& verdict : needs.verdicts)
    verdicts.push_back({{"program", verdict.program},
                        {"oldest", verdict.oldest ? nlohmann::json(version_text(*verdict.oldest))
                                                  : nlohmann::json(nullptr)},
                        {"older_says", verdict.older_says}});
  json["verifier"] = std::move(verdicts);
  const auto list = [](const std::vector<NeededBy>& from) {
    auto array = nlohmann::json::array();
    for (const NeededBy& row : from) array.push_back({{"name", row.name}, {"reason", row.reason}});
    return array;
  };
  json["capabilities"] = list(needs.capabilities);
  json["config"] = list(needs.config);
  json["problems"] = needs.problems;
  if (kernel != 0)
    json["loads"] = {{"kernel", version_text(kernel)},
                     {"loads", needs.oldest != 0 && kernel >= needs.oldest}};
  return json;
}

}  // namespace skep::report
