// A package: one file (NAME.skep.json) that holds a program and all that is needed to run it, on any machine: the
// object, what it needs of an engine, its options with their defaults, what is sampled and exported.
//
//   auto package = package::make(*object, bytes, package::Format::elf);      // of an opened object
//   std::string text = package::write(*package);
//   ...
//   auto read = package::read(text);                                         // checked whole
//   auto object = package::open(*read, "tool.skep.json");                    // with its defaults set
//
// The file, version 1 (JSON, one object):
//
//   "skep_package": 1
//   "name", "description", "license": text
//   "needs":   {"program_types": […], "map_types": […], "sections": […]}     what to expect; the loader decides
//   "options": [{"variable", "type", "default", "long", "short", "help"}]    globals of the object
//   "samples": [{"map", "interval", "type", "unit", "clear_map"}]
//   "exports": [{"map", "type"}]                                             "type": of a ring's records
//   "object":  {"format": "elf" | "assembly", "encoding": "zlib+base64", "size", "sha256", "section", "data"}
//
// The object is BPF, whose CO-RE relocations are resolved where it is run: so a package is of no kernel version and no
// architecture. Members that are not known are ignored; another version is refused.
//
// A file of more than 96 MiB, an object of more than 64 MiB unpacked, data that unpacks to another size than it says
// or whose hash is not its own: one EINVAL (EFBIG) each, before anything is opened. The hash tells damage, not malice:
// every program is verified before it runs, wherever it came from.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "object/object.h"
#include "package/annotations.h"

namespace skep::package {

inline constexpr unsigned kVersion = 1;
inline constexpr size_t kLargestFile = size_t{96} << 20;
inline constexpr size_t kLargestObject = size_t{64} << 20;

enum class Format : uint8_t { elf, assembly };  // assembly: the source, which is as portable

struct OptionRow {
  std::string variable;
  std::string type;          // in C, to be read by people
  std::string default_text;  // "": what the object has
  CommandArgument argument;
  bool declared =
      false;  // by @cmdarg; else it is a const volatile global that has text for a value
  std::string help;
};
struct SampleRow {
  std::string map;
  Sample sample;
};
struct ExportRow {
  std::string map;
  std::string type;  // "": guessed when it is run
};

struct Package {
  std::string name, description, license;
  std::vector<std::string> program_types, map_types, sections;
  std::vector<OptionRow> options;
  std::vector<SampleRow> samples;
  std::vector<ExportRow> exports;
  Format format = Format::elf;
  std::string section;  // of assembled programs that name none
  std::vector<std::byte> object;
};

// `bytes` is what `object` was opened from, and `format` says how. EINVAL: an annotation that is wrong.
[[nodiscard]] Result<Package> make(const object::Object& object, ByteSpan bytes, Format format);

[[nodiscard]] std::string write(const Package& package);
// Whether text is to be read as a package: it begins as a JSON object does.
[[nodiscard]] bool looks_like_package(std::string_view text);
[[nodiscard]] Result<Package> read(std::string_view text);

// The object with its defaults set and its comments in place. `name` is for messages.
[[nodiscard]] Result<object::Object> open(const Package& package, std::string_view name);

// Starts each variable with the "default" of its @cmdarg. EINVAL: an annotation of a variable or a map that is wrong.
[[nodiscard]] Result<> apply_defaults(object::Object& object);

// --name of an option: the one that it declares, or its variable's with '-' for '_'.
[[nodiscard]] std::string option_name(std::string_view variable, const CommandArgument& argument);
// What a package of this file is called: "opensnoop" of "dir/opensnoop.bpf.c".
[[nodiscard]] std::string default_name(std::string_view path);

}  // namespace skep::package
