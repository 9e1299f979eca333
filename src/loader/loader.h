// Loader: opens an Object on an Engine. Creates its maps, relocates and loads its programs, attaches them,
// and gives handles on all of it.
//
//   object::Object object = ...;                     // set const volatile globals first
//   auto loaded = Loader::load(engine, std::move(object), {});
//   if (!loaded) ...                                  // loaded.error().rejection says why a program was refused
//   auto links = loaded->attach_all({});
//
// Everything goes through Engine::bpf and perf_event_open, so that the same code serves the user engine and
// Linux. Destroying a Loader closes its descriptors: links are detached, programs and maps go when nothing
// else holds them. Not thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "object/object.h"
#include "verifier/verifier.h"

namespace skep::loader {

struct LoadedMap {
  const object::MapSpec* spec = nullptr;
  engine::EngineFd fd;
  uint32_t id = 0;
  uint32_t max_entries = 0;  // as created
};

struct LoadedProgram {
  const object::ProgramSpec* spec = nullptr;
  Program program;      // as it was loaded
  engine::EngineFd fd;  // none where it was not to be loaded ("?" before its section)
  uint32_t id = 0;
};

// Why BPF_PROG_LOAD refused a program: our own verifier's report on it, and the engine's log.
struct Rejection {
  std::string program;
  Program input;
  verifier::Report report;
  std::string engine_log;
};

struct LoadError {
  Error error;
  std::optional<Rejection> rejection;
};

struct LoadOptions {
  uint32_t log_level = 0;         // of BPF_PROG_LOAD
  std::vector<std::string> only;  // programs to load, by name; empty: all that are not "?"
};

// Type, attach type and target of a program, from its section's name.
struct ProgramKind {
  ProgType type{};
  AttachType expected_attach_type{};
  bool has_attach_type = false;
  bool sleepable = false;
  bool autoload = true;
  std::string_view section;  // the table's name of it: "tracepoint/"
  std::string target;        // what stood behind it: "syscalls/sys_enter_openat"
};
[[nodiscard]] Result<ProgramKind> classify_section(std::string_view section);

struct AttachOptions {
  // Target of uprobes and uretprobes whose section names none: "libc.so.6:malloc".
  std::string function;
  std::string path;     // the PATH that binaries are searched along
  std::string command;  // the command's binary: what a target with an empty binary means
};

// A program attached somewhere.
struct Link {
  engine::EngineFd fd;     // of the link
  engine::EngineFd event;  // of the perf event behind it, where there is one
  std::string program;
  std::string where;  // "tracepoint syscalls/sys_enter_openat"
};

class Loader {
 public:
  [[nodiscard]] static std::expected<Loader, LoadError> load(engine::Engine& engine,
                                                             std::unique_ptr<object::Object> object,
                                                             const LoadOptions& options);
  Loader(Loader&&) = default;
  Loader& operator=(Loader&&) = default;

  [[nodiscard]] engine::Engine& engine() const { return *engine_; }
  [[nodiscard]] const object::Object& object() const { return *object_; }
  [[nodiscard]] std::span<const LoadedMap> maps() const { return maps_; }
  [[nodiscard]] std::span<const LoadedProgram> programs() const { return programs_; }

  // Attaches one program where its section says.
  [[nodiscard]] Result<Link> attach(const LoadedProgram& program, const AttachOptions& options);
  // All of them; the first failure undoes what was attached.
  [[nodiscard]] Result<std::vector<Link>> attach_all(const AttachOptions& options);

 private:
  Loader() = default;
  Result<> create_maps();
  Result<> fill_map(size_t index);
  std::expected<void, LoadError> load_program(size_t index, const LoadOptions& options);

  engine::Engine* engine_ = nullptr;
  std::unique_ptr<object::Object> object_;
  engine::EngineFd btf_fd_;
  std::vector<LoadedMap> maps_;
  std::vector<LoadedProgram> programs_;
};

}  // namespace skep::loader
