#include "engine/kernel/kernel_engine.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/fd.h"
#include "btf/btf.h"
#include "engine/kernel/facts.h"

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
    if (std::string root = kernel::tracefs(); !root.empty()) {
      auto id = read_number(fmt::format("{}/events/{}/{}/id", root, category, name));
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
      SKEP_TRY(mapped, kernel::map_btf("/sys/kernel/btf/vmlinux"));
      vmlinux_ = mapped;
    }
    return vmlinux_;
  }

  [[nodiscard]] std::span<const ModuleBtf> module_btfs() override {
    if (!modules_read_) read_modules();
    return modules_;
  }
  [[nodiscard]] std::span<const ModuleBtf> module_btfs_if_read() override { return modules_; }
  [[nodiscard]] uint32_t kernel_version() override { return kernel::version_code(); }
  [[nodiscard]] std::optional<std::string> kernel_config(std::string_view name) override {
    if (!config_) config_ = kernel::read_config();
    auto found = config_->find(std::string(name));
    return found == config_->end() ? std::nullopt : std::optional(found->second);
  }
  [[nodiscard]] std::optional<uint64_t> kernel_symbol(std::string_view name) override {
    return kernel::find_symbol(name);
  }

  ~KernelEngine() override {
    for (const ModuleBtf& module : modules_) ::close(module.fd);
  }

 private:
  // Every BTF object of the kernel's that is not vmlinux itself. It takes CAP_SYS_ADMIN; without, there is none.
  void read_modules() {
    modules_read_ = true;
    auto vmlinux = vmlinux_btf();
    if (!vmlinux) return;
    GetIdAttr ask;
    while (call(Cmd::BPF_BTF_GET_NEXT_ID, ask) == 0) {
      ask.id = ask.next_id;
      GetIdAttr by_id;
      by_id.id = ask.id;
      int64_t fd = call(Cmd::BPF_BTF_GET_FD_BY_ID, by_id);
      if (fd < 0) continue;
      Fd owned(static_cast<int>(fd));
      char name[64] = {};
      BtfInfo info;
      info.name = reinterpret_cast<uint64_t>(name);
      info.name_len = sizeof name;
      ObjInfoAttr get{.bpf_fd = static_cast<uint32_t>(fd),
                      .info_len = sizeof info,
                      .info = reinterpret_cast<uint64_t>(&info)};
      if (call(Cmd::BPF_OBJ_GET_INFO_BY_FD, get) != 0 || info.kernel_btf == 0 ||
          std::string_view(name) == "vmlinux")
        continue;
      auto bytes = std::make_shared<std::vector<std::byte>>(info.btf_size);
      info.btf = reinterpret_cast<uint64_t>(bytes->data());
      if (call(Cmd::BPF_OBJ_GET_INFO_BY_FD, get) != 0) continue;
      auto parsed = btf::Btf::parse_in_place(*bytes, bytes, *vmlinux);
      if (parsed) modules_.push_back({name, *parsed, owned.release()});
    }
  }

  std::shared_ptr<const btf::Btf> vmlinux_;
  std::vector<ModuleBtf> modules_;
  bool modules_read_ = false;
  std::optional<std::unordered_map<std::string, std::string>> config_;
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
    return std::unexpected(
        Error(EPERM, "the kernel refuses bpf(2) to this user").with_hint(kernel::privilege_hint()));
  }
  if (fd == -ENOSYS) return fail(ENOSYS, "this kernel has no bpf(2)");
  if (fd < 0) return fail_errno(static_cast<int>(-fd), "bpf(BPF_MAP_CREATE) on this kernel");
  ::close(static_cast<int>(fd));
  // Before 5.11 maps are accounted to RLIMIT_MEMLOCK; where it can't be raised, nothing is lost elsewhere.
  const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  (void)::setrlimit(RLIMIT_MEMLOCK, &unlimited);
  return std::make_unique<KernelEngine>();
}

}  // namespace skep::engine
