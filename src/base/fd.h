// Owning file descriptors and whole-file reads and writes.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace skep {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~Fd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

[[nodiscard]] Result<Fd> open_file(const std::string& path, int flags, mode_t mode = 0);
// Reads all; refuses files over `limit` bytes with EFBIG.
[[nodiscard]] Result<std::vector<std::byte>> read_file(const std::string& path,
                                                       size_t limit = size_t{1} << 30);
// Replaces `path` in one step (temporary file in its directory, fsync-less rename): a reader or a
// full disk never sees half of it.
[[nodiscard]] Result<> write_file(const std::string& path, ByteSpan bytes, mode_t mode = 0644);

}  // namespace skep
