#include "engine/user/descriptors.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <optional>

namespace skep::engine::user {

LocalCaller::LocalCaller() : Caller(::getpid(), ::geteuid()) {}

Result<int> LocalCaller::open(Handle handle) {
  int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return fail_errno(errno, "opening a descriptor");
  std::optional<Handle>
      before;  // of a number that was closed behind our back; released outside the lock
  std::lock_guard lock(mutex_);
  if (auto found = handles_.find(fd); found != handles_.end()) {
    before = std::move(found->second);
    handles_.erase(found);
  }
  handles_.emplace(fd, std::move(handle));
  return fd;
}

Result<int> LocalCaller::give_file(int fd) {
  int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return fail_errno(errno, "opening a descriptor");
  return copy;
}

void LocalCaller::close(int fd) {
  std::optional<Handle> handle;
  {
    std::lock_guard lock(mutex_);
    if (auto found = handles_.find(fd); found != handles_.end()) {
      handle = std::move(found->second);
      handles_.erase(found);
    }
    ::close(fd);
  }
}

Result<Handle> LocalCaller::find(int64_t fd) const {
  std::lock_guard lock(mutex_);
  auto found = handles_.find(static_cast<int>(fd));
  if (found != handles_.end()) return found->second;
  if (::fcntl(static_cast<int>(fd), F_GETFD) >= 0)
    return fail(EINVAL, "{} is not a descriptor of this engine", fd);
  return fail(EBADF, "there is no descriptor {}", fd);
}

void LocalCaller::clear() {
  std::unordered_map<int, Handle> handles;
  {
    std::lock_guard lock(mutex_);
    handles.swap(handles_);
  }
  for (const auto& [fd, handle] : handles) ::close(fd);
}

}  // namespace skep::engine::user
