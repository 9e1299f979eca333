#include "engine/user/descriptors.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace skep::engine::user {

Result<int> Descriptors::open(Object object) {
  int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return fail_errno(errno, "opening a descriptor");
  Object before;  // of a number that was closed behind our back; released outside the lock
  std::lock_guard lock(mutex_);
  auto [row, added] = objects_.try_emplace(fd);
  if (!added) before = std::move(row->second);
  row->second = std::move(object);
  return fd;
}

void Descriptors::close(int fd) {
  Object object;
  {
    std::lock_guard lock(mutex_);
    auto found = objects_.find(fd);
    if (found == objects_.end()) return;
    object = std::move(found->second);
    objects_.erase(found);
    ::close(fd);
  }
}

Result<Object> Descriptors::get_any(int64_t fd) const {
  std::lock_guard lock(mutex_);
  auto found = objects_.find(static_cast<int>(fd));
  if (found == objects_.end()) return fail(EBADF, "{} is not a descriptor of this engine", fd);
  return found->second;
}

void Descriptors::clear() {
  std::unordered_map<int, Object> objects;
  {
    std::lock_guard lock(mutex_);
    objects.swap(objects_);
  }
  for (const auto& [fd, object] : objects) ::close(fd);
}

}  // namespace skep::engine::user
