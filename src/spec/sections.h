// ELF section names: what SEC("…") makes of a program. One row for each form, in the order in which
// they are tried. Rows in sections.cc.
//
// A name is `prefix` (exact), `prefix+` (prefix, then "/…" or nothing), or `prefix/` (prefix, then
// something). "?" in front: the program is not loaded unless asked for.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "spec/types.h"

namespace skep::spec {

enum class SectionMatch : uint8_t {
  exact,         // "xdp": nothing may follow
  with_extras,   // "kprobe/NAME": "/" and a target must follow
  maybe_extras,  // "kprobe" or "kprobe/NAME"
};

// How the loader attaches it, and how it reads what follows the prefix.
enum class AttachBehaviour : uint8_t {
  none,          // not by the section's name alone: an interface, a cgroup, a socket must be given
  kprobe,        // FUNCTION[+OFFSET]
  kprobe_multi,  // PATTERN
  kprobe_session,
  uprobe,  // PATH:FUNCTION[+OFFSET]
  uprobe_multi,
  uprobe_session,
  ksyscall,        // SYSCALL
  usdt,            // PATH:PROVIDER:NAME
  tracepoint,      // CATEGORY/NAME
  raw_tracepoint,  // NAME
  trace,           // BTF function or typedef: fentry, fexit, fmod_ret, tp_btf, freplace
  trace_multi,
  lsm,   // hook
  iter,  // iterator's target
  struct_ops,
  perf_event,
  cgroup,  // path of a cgroup given elsewhere
  netfilter,
};

struct Section {
  std::string_view prefix;  // "kprobe"
  SectionMatch match = SectionMatch::exact;
  ProgType prog_type{};
  AttachType attach_type{};
  bool has_attach_type = false;       // expected_attach_type is set at load
  bool attach_type_optional = false;  // … where the kernel knows it
  bool attach_btf = false;            // what follows names a BTF type
  bool sleepable = false;
  bool xdp_frags = false;
  bool is_return = false;  // kretprobe, uretprobe, kretsyscall
  AttachBehaviour attach = AttachBehaviour::none;
  UserStatus user = UserStatus::refused;
};

[[nodiscard]] std::span<const Section> sections();

struct SectionName {
  const Section* section = nullptr;
  std::string_view target;  // what follows "prefix/"; empty where nothing does
  bool autoload = true;     // no "?" in front
};
// None where no row matches.
[[nodiscard]] std::optional<SectionName> parse_section_name(std::string_view name);

}  // namespace skep::spec
