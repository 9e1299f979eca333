// A case of the corpus: one program and what is expected of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "object/object.h"
#include "object/program.h"
#include "spec/kfuncs.h"
#include "verifier/verifier.h"

namespace skep::corpus {

// A line that the log must (or must not) have; parts in {{ }} are POSIX extended regular expressions.
struct Message {
  std::string text;
  bool unwanted = false;
};

struct Expectation {
  bool stated = false;  // anything at all was said of loading in this mode
  bool accept = true;
  std::vector<Message> messages;
  std::optional<int64_t> result;  // of a test run
  uint64_t capabilities = 0;      // unprivileged: what is kept all the same, as bits of CAP_*
};

struct Case {
  std::string file;  // without directory and ".bpf.o"
  std::string name;
  std::string feature;
  Program program;
  // Whose program it is, where it is an object's; it owns what the program's maps start with.
  std::shared_ptr<const object::Object> object;
  std::string not_linked;  // why there is no program; empty: there is one
  Expectation privileged, unprivileged;
  uint32_t log_level = 0;  // asked for by the case
  bool skipped = false;    // not for this machine, or no case of its own
};

// Cases of an object file. `btfs`: the kernel's. EINVAL where it is no object.
[[nodiscard]] Result<std::vector<Case>> read_object_cases(
    const std::string& path, std::span<const std::shared_ptr<const btf::Btf>> btfs);
// Of a file of the kernel's old test_verifier tables (verifier/*.c). `headers`: where offsetof() and sizeof() of
// UAPI structs come from.
[[nodiscard]] Result<std::vector<Case>> read_raw_cases(
    const std::string& path, std::span<const std::shared_ptr<const btf::Btf>> btfs);

// What a module's BTF says of its kfuncs by declaration tags (main.cc's --module).
[[nodiscard]] std::vector<spec::Kfunc> module_kfuncs(const btf::Btf& module);

[[nodiscard]] std::string feature_of(const std::string& file);

// Messages that a log lacks, or has and should not; they must come in order.
[[nodiscard]] std::vector<std::string> missing_messages(const std::string& log,
                                                        const std::vector<Message>& messages);

}  // namespace skep::corpus
