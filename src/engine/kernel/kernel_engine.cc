#include "engine/kernel/kernel_engine.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "base/fd.h"
#include "btf/btf.h"

namespace skep::engine {
namespace {

int64_t sys_bpf(Cmd cmd, void* attr, uint32_t size) {
  long result = ::syscall(SYS_bpf, static_cast<int>(cmd), attr, size);
  return result < 0 ? -errno : result;
}

class KernelEngine : public Engine {
 public:
  [[nodiscard]] std::string_view name() const override { return "kernel"; }
  [[nodiscard]] int64_t bpf(Cmd cmd, void* attr, uint32_t size) override {
    return sys_bpf(cmd, attr, size);
  }
  void close(int fd) override { ::close(fd); }

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
