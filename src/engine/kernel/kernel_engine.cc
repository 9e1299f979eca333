#include "engine/kernel/kernel_engine.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/fd.h"
#include "btf/btf.h"

namespace skep::engine {
namespace {

int64_t sys_bpf(Cmd cmd, void* attr, uint32_t size) {
  long result = ::syscall(SYS_bpf, static_cast<int>(cmd), attr, size);
  return result < 0 ? -errno : result;
}

Result<uint64_t> read_number(const std::string& path) {
  SKEP_TRY(bytes, read_file(path));
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  char* end = nullptr;
  uint64_t value = std::strtoull(text.c_str(), &end, 10);
  if (end == text.c_str()) return fail(EINVAL, "{}: expected a number", path);
  return value;
}

class KernelEngine : public Engine {
 public:
  [[nodiscard]] std::string_view name() const override { return "kernel"; }
  [[nodiscard]] int64_t bpf(Cmd cmd, void* attr, uint32_t size) override {
    return sys_bpf(cmd, attr, size);
  }
  void close(int fd) override { ::close(fd); }

  [[nodiscard]] int64_t perf_event_open(const PerfEventAttr& attr, int pid, int cpu, int group_fd,
                                        uint64_t flags) override {
    long fd = ::syscall(SYS_perf_event_open, &attr, pid, cpu, group_fd, flags);
    return fd < 0 ? -errno : fd;
  }

  [[nodiscard]] Result<uint32_t> perf_type(std::string_view unit) override {
    SKEP_TRY(value, read_number(fmt::format("/sys/bus/event_source/devices/{}/type", unit)));
    return static_cast<uint32_t>(value);
  }

  [[nodiscard]] Result<uint64_t> tracepoint_id(std::string_view category,
                                               std::string_view name) override {
    for (std::string_view root : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
      std::string directory = fmt::format("{}/events", root);
      if (::access(directory.c_str(), F_OK) != 0) continue;
      auto id = read_number(fmt::format("{}/{}/{}/id", directory, category, name));
      if (!id) return fail(id, "tracepoint {}/{}", category, name);
      return *id;
    }
    return std::unexpected(
        Error(ENOENT, fmt::format("tracepoint {}/{}: tracefs is not mounted", category, name))
            .with_hint("mount -t tracefs tracefs /sys/kernel/tracing"));
  }

  [[nodiscard]] Result<int> open_cgroup(const std::string& path) override {
    SKEP_TRY(directory, open_file(path, O_RDONLY | O_DIRECTORY));
    return directory.release();
  }

  [[nodiscard]] uint32_t possible_cpus() override {
    // "0-7": the last number of the list and one.
    auto bytes = read_file("/sys/devices/system/cpu/possible");
    if (!bytes) return 1;
    std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    size_t last = text.find_last_of(",-");
    return static_cast<uint32_t>(std::strtoul(
               std::string(text.substr(last == text.npos ? 0 : last + 1)).c_str(), nullptr, 10)) +
           1;
  }

  [[nodiscard]] Result<std::shared_ptr<const btf::Btf>> vmlinux_btf() override {
    if (!vmlinux_) {
      SKEP_TRY(bytes, read_file("/sys/kernel/btf/vmlinux"));
      SKEP_TRY(parsed, btf::Btf::parse(bytes));
      vmlinux_ = parsed;
    }
    return vmlinux_;
  }

 private:
  std::shared_ptr<const btf::Btf> vmlinux_;
};

}  // namespace

Result<std::unique_ptr<Engine>> make_kernel_engine() {
  // The smallest thing that needs what programs need: an array map of one element.
  MapCreateAttr attr;
  attr.map_type = 2;
  attr.key_size = 4;
  attr.value_size = 4;
  attr.max_entries = 1;
  int64_t fd = sys_bpf(Cmd::BPF_MAP_CREATE, &attr, sizeof attr);
  if (fd == -EPERM) {
    return std::unexpected(Error(EPERM, "the kernel refuses bpf(2) to this user")
                               .with_hint("run as root, or with CAP_BPF and CAP_PERFMON"));
  }
  if (fd == -ENOSYS) return fail(ENOSYS, "this kernel has no bpf(2)");
  if (fd < 0) return fail_errno(static_cast<int>(-fd), "bpf(BPF_MAP_CREATE) on this kernel");
  ::close(static_cast<int>(fd));
  return std::make_unique<KernelEngine>();
}

}  // namespace skep::engine
