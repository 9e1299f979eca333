// What a kernel-side-only program says about itself in comments (or tags): its options, what is to be sampled and
// exported. eunomia-bpf's notation:
//
//   /// @description Only opens that fail.
//   /// @cmdarg {"default": false, "short": "f", "long": "failed", "help": "…"}
//   const volatile bool targ_failed = false;
//
//   /// @sample {"interval": 1000, "type": "log2_hist", "unit": "usecs", "clear_map": false}
//   struct { … } hists SEC(".maps");
//
//   /// @export {"type": "event"}
//   struct { __uint(type, BPF_MAP_TYPE_RINGBUF); … } events SEC(".maps");
//
// They reach an object::Object as comments of its variables and maps, whichever way it came: cc reads the source's,
// an object file has them as __attribute__((btf_decl_tag("cmdarg: {…}"))) ("help:", "sample:" and "export:" likewise), and a
// package has them as members.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace skep::package {

// A global as an option of the command line.
struct CommandArgument {
  std::string long_name;                    // "": made of the variable's name
  char short_name = 0;                      // 0: none
  std::optional<std::string> default_text;  // none: what the object starts the variable with
};

enum class SampleKind : uint8_t { automatic, log2_hist, linear_hist, table };

// A map that is printed every so often while its programs run.
struct Sample {
  uint32_t interval_ms = 1000;  // 10 ms to a day
  SampleKind kind = SampleKind::automatic;
  std::string unit;    // of a histogram's slots
  bool clear = false;  // empty the map (arrays: zero it) once it is printed
};

struct Annotations {
  std::string help;  // all that is no annotation
  std::optional<CommandArgument> argument;
  std::optional<Sample> sample;
  std::optional<std::string> exported;  // the type of a ring's records
};

// EINVAL: an annotation whose JSON, member or value is wrong; says which.
[[nodiscard]] Result<Annotations> parse_annotations(std::string_view comment);
// A comment that parse_annotations reads the same of.
[[nodiscard]] std::string to_comment(const Annotations& annotations);

[[nodiscard]] std::string_view sample_kind_name(SampleKind kind);  // as @sample's "type" has it

}  // namespace skep::package
