// The user engine: bpf(2) decoded onto a Runtime in this process. Same attributes, same errno, same effects as
// Linux; what can't exist without a kernel is refused with the errno that a kernel without that feature gives
// (EINVAL for commands and types, EOPNOTSUPP for operations), and last_error() says why in words.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "engine/engine.h"
#include "engine/user/descriptors.h"
#include "hooks/session.h"
#include "hooks/uprobe_table.h"
#include "runtime/runtime.h"

namespace skep::engine {

namespace user {

// A program attached to a hook; detached when the last reference goes, or before.
struct LinkObject {
  LinkObject(uint32_t id, std::shared_ptr<runtime::ProgObject> program, AttachType type);
  ~LinkObject();
  LinkObject(const LinkObject&) = delete;
  LinkObject& operator=(const LinkObject&) = delete;
  void detach();

  uint32_t id;
  uint32_t kind = 0;  // BPF_LINK_TYPE_*
  std::shared_ptr<runtime::ProgObject> program;
  AttachType attach_type{};
  std::shared_ptr<EventObject> event;  // perf events
  std::string name;                    // raw tracepoints
  uint64_t cookie = 0;
  std::function<void()> release;  // takes it out of the hook tables; called once
};

}  // namespace user

class UserEngine : public Engine {
 public:
  [[nodiscard]] static Result<std::unique_ptr<UserEngine>> create(
      const runtime::RuntimeOptions& options = {}, const hooks::SessionOptions& session = {});
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

  [[nodiscard]] runtime::Runtime& runtime() { return *runtime_; }
  [[nodiscard]] hooks::Session& session() { return *session_; }
  [[nodiscard]] Result<std::shared_ptr<runtime::MapObject>> map_of(int fd) const;
  [[nodiscard]] Result<std::shared_ptr<runtime::ProgObject>> program_of(int fd) const;

 private:
  UserEngine() = default;
  // Each answers one command or a family; the value is what bpf(2) returns.
  Result<int64_t> dispatch(Cmd cmd, void* attr, uint32_t size);
  Result<int64_t> map_create(void* attr, uint32_t size);
  Result<int64_t> map_element(Cmd cmd, void* attr, uint32_t size);
  Result<int64_t> map_batch(Cmd cmd, void* attr, uint32_t size);
  Result<int64_t> map_store_object(runtime::MapObject& map, ByteSpan key, ByteSpan value,
                                   uint64_t flags);
  Result<int64_t> map_freeze(void* attr, uint32_t size);
  Result<int64_t> prog_load(void* attr, uint32_t size);
  Result<int64_t> prog_test_run(void* attr, uint32_t size);
  Result<int64_t> btf_load(void* attr, uint32_t size);
  Result<int64_t> get_next_id(Cmd cmd, void* attr, uint32_t size);
  Result<int64_t> get_fd_by_id(Cmd cmd, void* attr, uint32_t size);
  Result<int64_t> get_info(void* attr, uint32_t size);
  Result<int64_t> link_create(void* attr, uint32_t size);
  Result<int64_t> link_detach(void* attr, uint32_t size);
  Result<int64_t> raw_tracepoint_open(void* attr, uint32_t size);
  Result<int64_t> prog_attach(void* attr, uint32_t size);
  Result<int64_t> prog_detach(void* attr, uint32_t size);
  Result<int64_t> prog_bind_map(void* attr, uint32_t size);
  Result<int64_t> enable_stats(void* attr, uint32_t size);
  Result<int64_t> publish_link(std::shared_ptr<user::LinkObject> link);
  Result<std::shared_ptr<user::LinkObject>> attach_event(
      std::shared_ptr<runtime::ProgObject> program, std::shared_ptr<user::EventObject> event,
      uint64_t cookie);
  Result<> attach_uprobe(user::LinkObject& link);
  Result<> attach_tracepoint(user::LinkObject& link);
  Result<> hold_hook(user::LinkObject& link, Result<hooks::AttachHandle> handle);
  Result<std::shared_ptr<user::LinkObject>> attach_cgroup(
      std::shared_ptr<runtime::ProgObject> program, AttachType type);

  std::unique_ptr<runtime::Runtime> runtime_;
  // Shared with links, which may be released after a caller has let go of the engine's descriptors.
  std::unique_ptr<hooks::Session> session_;
  std::unique_ptr<hooks::UprobeTable> uprobes_;
  user::Descriptors descriptors_;
  std::mutex hooks_mutex_;  // session_'s attaching and uprobes_
  mutable std::mutex mutex_;
  std::optional<Error> last_error_;
  std::map<uint32_t, std::weak_ptr<user::LinkObject>> links_;
  // BPF_PROG_ATTACH: attached until detached, by no link.
  std::vector<std::shared_ptr<user::LinkObject>> attached_;
  uint32_t next_link_id_ = 1;
};

}  // namespace skep::engine
