// Text cases for the verifier. A file of tests/verifier/cases holds several:
//
//   == NAME                        starts a case
//   type: xdp                      program type (default: socket_filter); attach: an attach type's name
//   expect: reject                 or accept
//   message: R0 invalid mem access part of the log; may come several times
//   rule: maybe_null_dereferenced  verifier.h's Rule
//   insn: 7                        where it is rejected
//   unprivileged / strict          flags, on a line of their own
//   kernel: 4.19                   the profile; default newest
//   differs: REASON                the kernel's verdict is another one, and why
//   --
//   assembly (isa/assembler.h), with .map and .license
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "isa/assembler.h"
#include "object/program.h"
#include "spec/attach_types.h"
#include "spec/helpers.h"
#include "spec/map_types.h"
#include "spec/prog_types.h"

namespace skep::verifier_cases {

struct Case {
  std::string file, name, type = "socket_filter", attach, expect, rule, kernel, differs, text;
  std::vector<std::string> messages;
  int insn = -1;
  bool unprivileged = false, strict = false;
};

inline std::string trimmed(std::string_view s) {
  const size_t first = s.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return std::string(s.substr(first, s.find_last_not_of(" \t\r") - first + 1));
}

inline std::vector<Case> load_cases(const std::string& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<Case> cases;
  for (const auto& path : files) {
    std::ifstream in(path);
    bool in_text = false;
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("== ")) {
        cases.emplace_back();
        cases.back().file = path.stem();
        cases.back().name = trimmed(std::string_view(line).substr(3));
        in_text = false;
        continue;
      }
      if (cases.empty()) continue;
      Case& c = cases.back();
      if (in_text) {
        c.text += line + "\n";
        continue;
      }
      if (line == "--") {
        in_text = true;
        continue;
      }
      const size_t colon = line.find(':');
      const std::string key = trimmed(std::string_view(line).substr(0, colon));
      const std::string value =
          colon == std::string::npos ? "" : trimmed(std::string_view(line).substr(colon + 1));
      if (key == "type") c.type = value;
      if (key == "attach") c.attach = value;
      if (key == "expect") c.expect = value;
      if (key == "rule") c.rule = value;
      if (key == "kernel") c.kernel = value;
      if (key == "differs") c.differs = value;
      if (key == "message") c.messages.push_back(value);
      if (key == "insn") c.insn = std::stoi(value);
      if (key == "unprivileged") c.unprivileged = true;
      if (key == "strict") c.strict = true;
    }
  }
  return cases;
}

inline int32_t helper_id(const void*, std::string_view name) {
  const spec::Helper* helper = spec::find_helper(name);
  return helper != nullptr ? static_cast<int32_t>(helper->id) : -1;
}

// The case's program; an error where its text is wrong.
inline Result<Program> make_program(const Case& c) {
  isa::AsmOptions options;
  options.helper_id = helper_id;
  SKEP_TRY(assembly, isa::assemble(c.text, options));
  Program program;
  if (assembly.programs.size() != 1) return fail(EINVAL, "expected one program");
  program.name = "case";
  program.license = assembly.license;
  program.insns = assembly.programs[0].insns;
  const spec::ProgTypeRow* type = spec::find_prog_type(c.type);
  if (type == nullptr) return fail(EINVAL, "no program type '{}'", c.type);
  program.type = type->type;
  if (!c.attach.empty()) {
    const spec::AttachTypeRow* attach = spec::find_attach_type(c.attach);
    if (attach == nullptr) return fail(EINVAL, "no attach type '{}'", c.attach);
    program.expected_attach_type = attach->type;
  }
  for (const isa::AsmMap& map : assembly.maps) {
    const spec::MapTypeRow* row = spec::find_map_type(map.type);
    if (row == nullptr) return fail(EINVAL, "no map type '{}'", map.type);
    MapDescriptor made;
    made.name = map.name;
    made.type = row->type;
    made.key_size = map.key_size;
    made.value_size = map.value_size;
    made.max_entries = map.max_entries;
    made.map_flags = map.flags;
    program.maps.push_back(std::move(made));
  }
  return program;
}

}  // namespace skep::verifier_cases
