// Pins: objects with a path (BPF_OBJ_PIN, BPF_OBJ_GET). A pin is a file in a directory of the user's, so that ls,
// rm, chmod and mkdir work on it; what it stands for is held here, by the file's identity, as long as the file is
// there and the hive lives. No file system of its own: removing the file is noticed at the next look.
//
// Thread-safe.
#pragma once

#include <sys/types.h>

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "base/result.h"
#include "engine/user/objects.h"

namespace skep::engine::user {

class Pins {
 public:
  // Made when the first pin is. `owned`: removed, with all pins, when this goes.
  Pins(std::string root, bool owned) : root_(std::move(root)), owned_(owned) {}
  ~Pins();
  Pins(const Pins&) = delete;
  Pins& operator=(const Pins&) = delete;

  [[nodiscard]] const std::string& root() const { return root_; }
  // Absolute paths; those below /sys/fs/bpf mean the same below root(). EPERM outside of root() and for names
  // with a dot, EEXIST, ENOENT as bpf(2).
  [[nodiscard]] Result<> pin(const std::string& path, const Handle& object);
  // EACCES where the path is no pin, or its mode forbids `uid` the access.
  [[nodiscard]] Result<Handle> get(const std::string& path, uid_t uid, bool read, bool write);
  // Drops what was removed. True where pins are left.
  bool sweep();
  [[nodiscard]] Result<> make_root();
  // Pins by path, with what they stand for.
  [[nodiscard]] std::map<std::string, Handle> list() const;

 private:
  struct Pin {
    std::string path;
    Handle object;
  };
  [[nodiscard]] std::string resolve(const std::string& path) const;

  std::string root_;
  bool owned_;
  mutable std::mutex mutex_;
  std::map<std::pair<dev_t, ino_t>, Pin> pins_;
};

}  // namespace skep::engine::user
