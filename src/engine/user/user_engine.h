// The user engine: bpf(2) decoded onto a Runtime in this process. Same attributes, same errno, same effects as
// Linux; what can't exist without a kernel is refused with the errno that a kernel without that feature gives
// (EINVAL for commands and types, EOPNOTSUPP for operations), and last_error() says why in words.
//
// It serves this process (Engine's methods) and, through a Server (server.h), others of this user.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "engine/engine.h"
#include "engine/user/caller.h"
#include "engine/user/cgroup_hooks.h"
#include "engine/user/descriptors.h"
#include "engine/user/links.h"
#include "engine/user/pins.h"
#include "hooks/session.h"
#include "hooks/syscalls.h"
#include "hooks/uprobe_table.h"
#include "runtime/runtime.h"

namespace skep::engine {

namespace user {

inline constexpr uint32_t kTokenFlag = 1u << 16;  // BPF_F_TOKEN_FD
// The id of the one cgroup that there is, as links tell it.
inline constexpr uint64_t kTracedCgroupId = 1;

struct Access {
  bool read = true, write = true;
};
// BPF_F_RDONLY and BPF_F_WRONLY; EINVAL for both and for others.
[[nodiscard]] Result<Access> access_of(uint32_t flags);
// A name as bpf(2) takes it: at most 15 bytes, of letters, digits, '_' and '.'.
[[nodiscard]] Result<std::string> object_name(const char (&field)[16]);

}  // namespace user

struct UserEngineOptions {
  std::string pin_root;  // empty: $XDG_RUNTIME_DIR/skep/<hive>/pins
};

class UserEngine : public Engine {
 public:
  [[nodiscard]] static Result<std::unique_ptr<UserEngine>> create(
      const runtime::RuntimeOptions& options = {}, const hooks::SessionOptions& session = {},
      const UserEngineOptions& engine_options = {});
  ~UserEngine() override;

  [[nodiscard]] std::string_view name() const override { return "user"; }
  [[nodiscard]] int64_t bpf(Cmd cmd, void* attr, uint32_t size) override;
  void close(int fd) override;
  [[nodiscard]] int64_t perf_event_open(const PerfEventAttr& attr, int pid, int cpu, int group_fd,
                                        uint64_t flags) override;
  [[nodiscard]] Result<uint32_t> perf_type(std::string_view unit) override;
  [[nodiscard]] Result<uint64_t> tracepoint_id(std::string_view category,
                                               std::string_view name) override;
  [[nodiscard]] Result<int> open_cgroup(const std::string& path) override;
  [[nodiscard]] uint32_t possible_cpus() override { return runtime_->possible_cpus(); }
  [[nodiscard]] Result<std::shared_ptr<const btf::Btf>> vmlinux_btf() override;
  [[nodiscard]] std::optional<Error> last_error() const override;

  // The same for another caller. `attr` is an address in the caller's memory.
  [[nodiscard]] Result<int64_t> bpf_for(user::Caller& caller, Cmd cmd, void* attr, uint32_t size);
  [[nodiscard]] Result<int64_t> perf_event_open_for(user::Caller& caller,
                                                    const PerfEventAttr& attr);
  [[nodiscard]] Result<int> open_cgroup_for(user::Caller& caller);
  // ioctl(event, PERF_EVENT_IOC_SET_BPF, program)
  [[nodiscard]] Result<> event_set_program(user::Caller& caller, int64_t event_fd, int64_t prog_fd);

  [[nodiscard]] runtime::Runtime& runtime() { return *runtime_; }
  [[nodiscard]] hooks::Session& session() { return *session_; }
  [[nodiscard]] user::Pins& pins() { return *pins_; }
  [[nodiscard]] user::LocalCaller& local() { return local_; }
  [[nodiscard]] Result<std::shared_ptr<runtime::MapObject>> map_of(int fd) const;
  [[nodiscard]] Result<std::shared_ptr<runtime::ProgObject>> program_of(int fd) const;
  // Long test runs end with EINTR.
  void stop() { stopping_.store(true); }

 private:
  UserEngine() = default;
  // Each answers one command or a family; the value is what bpf(2) returns.
  Result<int64_t> dispatch(Cmd cmd, user::Call& call);
  Result<int64_t> map_create(user::Call& call);
  Result<int64_t> map_lookup(user::Call& call, bool remove);
  Result<int64_t> map_update(user::Call& call);
  Result<int64_t> map_delete(user::Call& call);
  Result<int64_t> map_next_key(user::Call& call);
  Result<int64_t> map_batch(Cmd cmd, user::Call& call);
  Result<int64_t> map_store_object(user::Call& call, runtime::MapObject& map, ByteSpan key,
                                   ByteSpan value, uint64_t flags);
  Result<int64_t> map_freeze(user::Call& call);
  Result<int64_t> prog_load(user::Call& call);
  Result<> read_program(user::Call& call, const ProgLoadAttr& attr, runtime::ProgLoad& load);
  Result<int64_t> prog_test_run(user::Call& call);
  Result<int64_t> btf_load(user::Call& call);
  Result<int64_t> get_next_id(Cmd cmd, user::Call& call);
  Result<int64_t> get_fd_by_id(Cmd cmd, user::Call& call);
  Result<int64_t> get_info(user::Call& call);
  Result<int64_t> task_fd_query(user::Call& call);
  Result<int64_t> obj_pin(user::Call& call);
  Result<int64_t> obj_get(user::Call& call);
  Result<int64_t> link_create(user::Call& call);
  Result<int64_t> link_create_cgroup(user::Call& call, const LinkCreateAttr& attr,
                                     std::shared_ptr<runtime::ProgObject> program);
  Result<int64_t> link_create_iter(user::Call& call, const LinkCreateAttr& attr,
                                   std::shared_ptr<runtime::ProgObject> program);
  Result<int64_t> link_update(user::Call& call);
  Result<int64_t> link_detach(user::Call& call);
  Result<int64_t> iter_create(user::Call& call);
  Result<int64_t> raw_tracepoint_open(user::Call& call);
  Result<int64_t> prog_attach(user::Call& call);
  Result<int64_t> prog_detach(user::Call& call);
  Result<int64_t> prog_query(user::Call& call);
  Result<int64_t> prog_bind_map(user::Call& call);
  Result<int64_t> enable_stats(user::Call& call);
  Result<int64_t> stream_read(user::Call& call);
  Result<int64_t> token_create(user::Call& call);
  Result<int64_t> publish_link(user::Call& call, std::shared_ptr<user::LinkObject> link);
  Result<std::shared_ptr<user::LinkObject>> attach_event(
      std::shared_ptr<runtime::ProgObject> program, std::shared_ptr<user::EventObject> event,
      uint64_t cookie);
  Result<std::shared_ptr<user::LinkObject>> attach_raw_tracepoint(
      std::shared_ptr<runtime::ProgObject> program, const std::string& name, uint64_t cookie);
  Result<> attach_uprobe(user::LinkObject& link);
  Result<> attach_uprobes(user::LinkObject& link);
  Result<> attach_syscall_function(user::LinkObject& link);
  Result<int64_t> link_create_uprobes(user::Call& call, const LinkCreateAttr& attr,
                                      std::shared_ptr<runtime::ProgObject> program);
  Result<> attach_tracepoint(user::LinkObject& link);
  Result<> hold_hook(user::LinkObject& link, Result<hooks::AttachHandle> handle);
  static Result<> cgroup_of(user::Call& call, int64_t fd);
  Result<> find_neighbour(user::Call& call, user::CgroupHooks::Request& request, uint32_t fd_or_id);
  int64_t remember(const Error& error);

  std::unique_ptr<runtime::Runtime> runtime_;
  // Shared with links, which may be released after a caller has let go of the engine's descriptors.
  std::unique_ptr<hooks::Session> session_;
  std::unique_ptr<hooks::UprobeTable> uprobes_;
  std::unique_ptr<user::CgroupHooks> cgroups_;
  std::mutex hooks_mutex_;  // session_'s attaching, uprobes_ and cgroups_
  user::Links links_;
  user::LocalCaller local_;
  std::unique_ptr<user::Pins> pins_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::optional<Error> last_error_;
};

}  // namespace skep::engine
