// LocalCaller: this process as the caller. A descriptor is a real one (an eventfd), so that its number collides
// with no file's and epoll(7) takes it; what it stands for is looked up here.
#pragma once

#include <unordered_map>

#include "engine/user/caller.h"

namespace skep::engine::user {

class LocalCaller final : public Caller {
 public:
  LocalCaller();
  [[nodiscard]] Result<int> open(Handle handle) override;
  [[nodiscard]] Result<Handle> find(int64_t fd) const override;
  [[nodiscard]] Result<int> give_file(int fd) override;
  void close(int fd);
  void clear();

 private:
  mutable std::mutex mutex_;
  std::unordered_map<int, Handle> handles_;
};

}  // namespace skep::engine::user
