// What an object needs of a kernel: the oldest version that has all of it, each thing with its version and where it is
// used, capabilities, configuration options. From the tables of spec/ and from verifying under the rules of each version.
//
//   Requirements needs = requirements_of(object, btfs);
//   print(requirements_text(needs, "6.1"));
//
// What a program only calls where it found the kernel to have it (a test of CO-RE or a constant that is 0) counts as
// optional where the verifier, told to be an older kernel, never comes to it. Pure; any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "btf/btf.h"
#include "object/object.h"
#include "spec/types.h"

namespace skep::report {

struct Requirement {
  std::string
      kind;  // program_type, attach_type, helper, kfunc, map_type, map_flag, instruction, feature, btf
  std::string name;  // "bpf_ringbuf_reserve"
  KernelVersion since = 0;
  std::string where;      // "program f, insn 12 (f.c:30)", "map events"
  bool optional = false;  // not reached where the kernel does not have it
};
struct NeededBy {
  std::string name;  // "CAP_PERFMON", "CONFIG_BPF_LSM"
  std::string reason;
};
struct ProgramVerdict {
  std::string program;
  std::optional<KernelVersion> oldest;  // that accepts it; none: no version does
  std::string older_says;  // why the version before does not, newest_says: why none does
};
struct Requirements {
  std::string object;
  std::vector<Requirement> rows;  // newest first
  std::vector<NeededBy> capabilities, config;
  std::vector<ProgramVerdict> verdicts;
  KernelVersion oldest = 0;  // 0: none loads it
  bool core = false;         // has CO-RE relocations: needs BTF of the kernel that it is loaded on
  std::vector<std::string> problems;  // programs that could not be looked at
};

// `btfs`: the kernel's, for CO-RE and attach targets. Only programs whose section is loaded by default.
[[nodiscard]] Requirements requirements_of(const object::Object& object,
                                           std::span<const std::shared_ptr<const btf::Btf>> btfs);
// `kernel`: says too what that version lacks; 0: of none in particular.
[[nodiscard]] std::string requirements_text(const Requirements& needs, KernelVersion kernel);
[[nodiscard]] nlohmann::json requirements_json(const Requirements& needs, KernelVersion kernel);
[[nodiscard]] std::string version_text(KernelVersion version);

}  // namespace skep::report
