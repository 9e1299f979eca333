#include "engine/user/owners.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "maps/storage_helpers.h"

namespace skep::engine::user {
namespace {

Result<maps::StorageKey> task_of(const Caller& caller, int32_t fd) {
  auto info = read_file(fmt::format("/proc/{}/fdinfo/{}", caller.pid(), fd), 4096);
  if (!info) return fail(EBADF, "no descriptor {}", fd);
  const std::string text(reinterpret_cast<const char*>(info->data()), info->size());
  const size_t at = text.find("\nPid:");
  if (at == std::string::npos) return fail(EBADF, "descriptor {} is not a pidfd", fd);
  const long pid = std::strtol(text.c_str() + at + 5, nullptr, 10);
  if (pid <= 0) return fail(ENOENT, "the process of pidfd {} has ended", fd);
  return maps::StorageKey{static_cast<uint64_t>(pid), 0};
}

Result<maps::StorageKey> inode_of(const Caller& caller, int32_t fd) {
  struct stat file{};
  if (::stat(fmt::format("/proc/{}/fd/{}", caller.pid(), fd).c_str(), &file) != 0)
    return fail(EBADF, "no descriptor {}", fd);
  // As super_block::s_dev has it.
  const uint64_t device = uint64_t{major(file.st_dev)} << 20 | minor(file.st_dev);
  return maps::StorageKey{file.st_ino, device};
}

Result<maps::StorageKey> socket_of(const Caller& caller, int32_t fd) {
  Fd copy;
  int own = fd;
  if (caller.pid() != ::getpid()) {
    Fd process(static_cast<int>(::syscall(SYS_pidfd_open, caller.pid(), 0)));
    if (process.get() < 0) return fail_errno(errno, "process {}", caller.pid());
    copy = Fd(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
    if (copy.get() < 0) return fail_errno(errno, "descriptor {}", fd);
    own = copy.get();
  }
  uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (::getsockopt(own, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0)
    return fail_errno(errno, "descriptor {}", fd);
  return maps::StorageKey{cookie, 0};
}

}  // namespace

Result<maps::StorageKey> find_owner(const Caller& caller, const MapHeader& map, int32_t fd) {
  switch (static_cast<MapType>(map.type)) {
    case MapType::BPF_MAP_TYPE_TASK_STORAGE: return task_of(caller, fd);
    case MapType::BPF_MAP_TYPE_INODE_STORAGE: return inode_of(caller, fd);
    case MapType::BPF_MAP_TYPE_SK_STORAGE: return socket_of(caller, fd);
    default:
      if (!caller.get<CgroupObject>(fd))
        return fail(EBADF, "descriptor {} is not of the traced processes", fd);
      return maps::StorageKey{maps::kHiveCgroup, 0};
  }
}

}  // namespace skep::engine::user
