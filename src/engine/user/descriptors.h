// The user engine's objects behind descriptors. A descriptor is a real one of this process (an eventfd), so
// that its number collides with no file's and close(2) frees it; what it stands for is looked up here.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <variant>

#include "base/result.h"
#include "engine/bpf_attr.h"
#include "runtime/runtime.h"

namespace skep::engine::user {

struct LinkObject;

// What perf_event_open made: a place to attach to.
struct EventObject {
  enum class Kind { tracepoint, uprobe, uretprobe, bpf_output };
  Kind kind{};
  std::string category, name;  // tracepoint
  std::string path;            // uprobe
  uint64_t offset = 0;         // uprobe: into the file
};
// The traced processes, as something that cgroup programs are attached to.
struct CgroupObject {};

using Object =
    std::variant<std::shared_ptr<runtime::BtfObject>, std::shared_ptr<runtime::MapObject>,
                 std::shared_ptr<runtime::ProgObject>, std::shared_ptr<LinkObject>,
                 std::shared_ptr<EventObject>, std::shared_ptr<CgroupObject>,
                 std::shared_ptr<runtime::RunTimes>>;

class Descriptors {
 public:
  // EMFILE or ENFILE where there is none left.
  [[nodiscard]] Result<int> open(Object object);
  void close(int fd);
  // EBADF where `fd` is not ours, EINVAL where it is another kind of object.
  template <class T>
  [[nodiscard]] Result<std::shared_ptr<T>> get(int64_t fd) const {
    std::lock_guard lock(mutex_);
    auto found = objects_.find(static_cast<int>(fd));
    if (found == objects_.end()) return fail(EBADF, "{} is not a descriptor of this engine", fd);
    const auto* object = std::get_if<std::shared_ptr<T>>(&found->second);
    if (object == nullptr) return fail(EINVAL, "descriptor {} is another kind of object", fd);
    return *object;
  }
  [[nodiscard]] Result<Object> get_any(int64_t fd) const;
  void clear();

 private:
  mutable std::mutex mutex_;
  std::unordered_map<int, Object> objects_;
};

}  // namespace skep::engine::user
