// Engine: the UAPI boundary. bpf(2) and what goes with it, answered by the user engine
// (engine/user, in this process, no privilege) or by Linux (engine/kernel). Whatever is above
// speaks only this, so it runs on either.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "engine/bpf_attr.h"

namespace skep::btf {
class Btf;
}

namespace skep::engine {

class Engine {
 public:
  virtual ~Engine() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;  // "user" or "kernel"

  // bpf(2): what the system call returns (a file descriptor, a count or 0), or -errno. `attr` is
  // the command's structure of bpf_attr.h, `size` its size; pointers in it are this process's.
  // Thread-safe. Descriptors are real file descriptors of this process; close them with close().
  [[nodiscard]] virtual int64_t bpf(Cmd cmd, void* attr, uint32_t size) = 0;
  virtual void close(int fd) = 0;

  // perf_event_open(2): an event to attach to with BPF_LINK_CREATE, or -errno. pid, cpu, group_fd and flags
  // as there.
  [[nodiscard]] virtual int64_t perf_event_open(const PerfEventAttr& attr, int pid, int cpu,
                                                int group_fd, uint64_t flags) = 0;
  // PerfEventAttr::type of a dynamic unit ("uprobe").
  [[nodiscard]] virtual Result<uint32_t> perf_type(std::string_view unit) = 0;
  // PerfEventAttr::config of a tracepoint.
  [[nodiscard]] virtual Result<uint64_t> tracepoint_id(std::string_view category,
                                                       std::string_view name) = 0;
  // What BPF_LINK_CREATE and BPF_PROG_ATTACH take as the target of cgroup programs. The user engine's only one
  // is "": the processes that it traces.
  [[nodiscard]] virtual Result<int> open_cgroup(const std::string& path) = 0;
  // Why the last call that failed did, in words, where the engine knows more than the errno.
  [[nodiscard]] virtual std::optional<Error> last_error() const { return std::nullopt; }
  // Copies of a value in a per-CPU map, as user space sees it.
  [[nodiscard]] virtual uint32_t possible_cpus() = 0;

  // The engine's vmlinux BTF, to which CO-RE relocates.
  [[nodiscard]] virtual Result<std::shared_ptr<const btf::Btf>> vmlinux_btf() = 0;

  // BTF of loaded modules, split on vmlinux_btf(), with a descriptor of each. Read at the first call.
  struct ModuleBtf {
    std::string name;
    std::shared_ptr<const btf::Btf> btf;
    int fd = -1;  // the engine's own
  };
  [[nodiscard]] virtual std::span<const ModuleBtf> module_btfs() { return {}; }
  // The same, but empty before that first call.
  [[nodiscard]] virtual std::span<const ModuleBtf> module_btfs_if_read() { return {}; }
  // LINUX_VERSION_CODE; the user engine's is that of the kernel whose rules it keeps.
  [[nodiscard]] virtual uint32_t kernel_version() { return 6u << 16 | 18u << 8; }
  // The text behind "CONFIG_X=" in the kernel's configuration; none: not set, or there is none to read.
  [[nodiscard]] virtual std::optional<std::string> kernel_config(std::string_view) {
    return std::nullopt;
  }
  // Address of a symbol of /proc/kallsyms.
  [[nodiscard]] virtual std::optional<uint64_t> kernel_symbol(std::string_view) {
    return std::nullopt;
  }

  template <class Attr>
  [[nodiscard]] int64_t call(Cmd cmd, Attr& attr) {
    return bpf(cmd, &attr, sizeof attr);
  }
};

// Owns a descriptor of an engine.
class EngineFd {
 public:
  EngineFd() = default;
  EngineFd(Engine* engine, int fd) : engine_(engine), fd_(fd) {}
  EngineFd(EngineFd&& other) noexcept : engine_(other.engine_), fd_(std::exchange(other.fd_, -1)) {}
  EngineFd& operator=(EngineFd&& other) noexcept {
    if (this != &other) {
      reset();
      engine_ = other.engine_;
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~EngineFd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
  void reset() {
    if (fd_ >= 0) engine_->close(std::exchange(fd_, -1));
  }

 private:
  Engine* engine_ = nullptr;
  int fd_ = -1;
};

}  // namespace skep::engine
