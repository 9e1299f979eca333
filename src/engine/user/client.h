// ClientEngine: the user engine of another process of this user, which keeps a hive (server.h). All of Engine but
// what only the keeper can do.
//
// Its descriptors are sockets of this process: dup(2), fork(2) and close(2) work on them as on any; close() is
// ::close(). Thread-safe, and usable in a forked child, which connects anew.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/fd.h"
#include "engine/engine.h"
#include "engine/user/protocol.h"

namespace skep::engine {

class ClientEngine final : public Engine {
 public:
  // ECONNREFUSED or ENOENT where nobody keeps the hive whose home this is; EPROTO where its keeper is of another
  // version.
  [[nodiscard]] static Result<std::unique_ptr<ClientEngine>> connect(const std::string& home);

  [[nodiscard]] std::string_view name() const override { return "user"; }
  [[nodiscard]] int64_t bpf(Cmd cmd, void* attr, uint32_t size) override;
  void close(int fd) override;
  [[nodiscard]] int64_t perf_event_open(const PerfEventAttr& attr, int pid, int cpu, int group_fd,
                                        uint64_t flags) override;
  [[nodiscard]] Result<uint32_t> perf_type(std::string_view unit) override;
  [[nodiscard]] Result<uint64_t> tracepoint_id(std::string_view category,
                                               std::string_view name) override;
  [[nodiscard]] Result<int> open_cgroup(const std::string& path) override;
  [[nodiscard]] uint32_t possible_cpus() override { return hello_.possible_cpus; }
  [[nodiscard]] Result<std::shared_ptr<const btf::Btf>> vmlinux_btf() override;
  [[nodiscard]] std::optional<Error> last_error() const override;

  [[nodiscard]] const user::HelloReply& hello() const { return hello_; }
  [[nodiscard]] int event_set_program(int event, int program);  // 0 or -errno
  // What a descriptor is; none where it is not one of the engine's.
  [[nodiscard]] std::optional<user::Kind> describe(int fd);
  // Until the keeper is gone.
  void wait_for_end();
  // mmap(2) of a map's descriptor: its address, or -errno.
  [[nodiscard]] int64_t map_memory(void* address, size_t length, int protection, int flags, int fd,
                                   off_t offset);

 private:
  explicit ClientEngine(std::string home) : home_(std::move(home)) {}
  // The reply, and the one descriptor that may come with it.
  Result<user::ServerReply> ask(const user::ServerRequest& request, Fd& descriptor);
  Result<> reconnect();
  int64_t finish(const user::ServerRequest& request);

  std::string home_;
  mutable std::mutex mutex_;
  Fd socket_;
  pid_t connected_pid_ = 0;
  user::HelloReply hello_;
  std::optional<Error> last_error_;
};

}  // namespace skep::engine
