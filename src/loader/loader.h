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

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "object/object.h"
#include "spec/sections.h"
#include "verifier/verifier.h"

namespace skep::loader {

struct LoadedMap {
  const object::MapSpec* spec = nullptr;
  engine::EngineFd fd;
  uint32_t id = 0;
  uint32_t max_entries = 0;               // as created
  mutable uint32_t next_usdt_record = 0;  // of __bpf_usdt_specs: the first that is free
  std::shared_ptr<void> mapping;          // of an arena: where programs and this process see it
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
  // Maps that are pinned by name are found or pinned here (kernel engine).
  std::string pin_root = "/sys/fs/bpf";
  // What freplace replaces a function of, and fentry and fexit may trace a function of: a loaded program. -1: none.
  int target_program_fd = -1;
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
  // The rest is the kernel engine's.
  int pid = 0;  // uprobes, USDT and perf events: only this process, in its mount namespace; 0: all
  std::string interface;                      // XDP, TC, netkit
  bool egress = false;                        // of SEC("tc"), which says no direction
  std::string cgroup;                         // path of a cgroup of version 2
  std::string netns;                          // path of a network namespace; empty: this process's
  std::string syscall_prefix = "__x64_sys_";  // of ksyscall's functions
  uint32_t sample_hz = 99;                    // of SEC("perf_event")
  uint64_t cookie = 0;                        // what bpf_get_attach_cookie gives
};

// What is to be done when a link goes that is no descriptor.
class Undo {
 public:
  Undo() = default;
  explicit Undo(std::move_only_function<void()> action) : action_(std::move(action)) {}
  Undo(Undo&& other) noexcept : action_(std::exchange(other.action_, nullptr)) {}
  Undo& operator=(Undo&& other) noexcept {
    if (this != &other) {
      run();
      action_ = std::exchange(other.action_, nullptr);
    }
    return *this;
  }
  ~Undo() { run(); }

 private:
  void run() {
    if (action_) std::exchange(action_, nullptr)();
  }
  std::move_only_function<void()> action_;
};

// A program attached somewhere. Members are destroyed from the last to the first: links before their events, and
// those before what undoes the rest.
struct Link {
  Undo undo;               // what no descriptor holds: tracefs events, TC filters
  engine::EngineFd event;  // of the perf event behind it, where there is one
  engine::EngineFd fd;     // of the link
  std::vector<Link> more;  // of a program in several places: one a CPU, one a USDT site
  std::string program;
  std::string where;  // "tracepoint syscalls/sys_enter_openat"
  bool is_iterator = false;
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
  // All of them; the first failure undoes what was attached. On the kernel engine, programs that nothing says where
  // to attach (a socket filter, XDP without an interface) are left to the caller: unattached() has them.
  [[nodiscard]] Result<std::vector<Link>> attach_all(const AttachOptions& options);
  struct Unattached {
    std::string program, reason;
  };
  [[nodiscard]] std::span<const Unattached> unattached() const { return unattached_; }

 private:
  // A map of struct_ops, as this kernel lays it out.
  struct StructOps {
    struct Member {
      uint32_t program = 0;  // index
      btf::TypeId type = 0;  // the struct, in vmlinux
      uint32_t member = 0;   // index in it
      uint32_t offset = 0;   // of its descriptor in `value`
    };
    size_t map = 0;
    std::vector<std::byte> value;
    std::vector<Member> programs;
  };

  Loader() = default;
  // create_maps.cc
  Result<> create_maps();
  Result<> load_btf();
  int64_t create_map(engine::MapCreateAttr attr);
  Result<> create_inner(const object::MapSpec& spec, engine::MapCreateAttr& attr,
                        engine::EngineFd& inner);
  Result<> set_globals(const LoadedMap& map);
  Result<> fill_arena(LoadedMap& map);
  Result<bool> find_pinned(const object::MapSpec& spec, LoadedMap& map);
  Result<> pin(const LoadedMap& map);
  Result<> fill_map(size_t index);
  // struct_ops.cc
  Result<> plan_struct_ops(size_t index, engine::MapCreateAttr& attr);
  [[nodiscard]] const StructOps::Member* struct_ops_member(uint32_t program) const;
  Result<Link> attach_struct_ops(StructOps& ops);
  // load_program.cc
  Result<> resolve_kconfig();
  Result<Program> relocate(size_t index, const spec::SectionName& section);
  Result<> find_program_target(Program& program, const spec::SectionName& section,
                               engine::ProgLoadAttr& attr);
  int64_t load_with_fallbacks(engine::ProgLoadAttr attr, const spec::Section& section,
                              std::string& log);
  std::expected<void, LoadError> load_program(size_t index, const LoadOptions& options);
  LoadError load_error(const object::ProgramSpec& spec, const Program& input, int64_t result,
                       std::string log);

  engine::Engine* engine_ = nullptr;
  std::unique_ptr<object::Object> object_;
  LoadOptions options_;
  engine::EngineFd btf_fd_;
  std::vector<LoadedMap> maps_;
  std::vector<LoadedProgram> programs_;
  std::vector<StructOps> struct_ops_;
  std::vector<Unattached> unattached_;
  std::vector<std::shared_ptr<const btf::Btf>>
      btfs_;  // vmlinux, then modules once they were needed
};

}  // namespace skep::loader
