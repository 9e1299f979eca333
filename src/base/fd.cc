#include "base/fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace skep {

void Fd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

Result<Fd> open_file(const std::string& path, int flags, mode_t mode) {
  int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return fail_errno(errno, "{}", path);
  return Fd(fd);
}

Result<std::vector<std::byte>> read_file(const std::string& path, size_t limit) {
  auto file = open_file(path, O_RDONLY);
  if (!file) return fail(file);
  struct stat status;
  if (::fstat(file->get(), &status) != 0) return fail_errno(errno, "{}", path);
  if (S_ISDIR(status.st_mode)) return fail_errno(EISDIR, "{}", path);
  std::vector<std::byte> bytes(static_cast<size_t>(status.st_size));
  size_t used = 0;
  for (;;) {
    if (used == bytes.size()) bytes.resize(bytes.size() + 4096);  // pipes and /proc report size 0
    ssize_t got = ::read(file->get(), bytes.data() + used, bytes.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "{}", path);
    if (got == 0) break;
    used += static_cast<size_t>(got);
    if (used > limit) return fail(EFBIG, "{}: larger than the limit of {} bytes", path, limit);
  }
  bytes.resize(used);
  return bytes;
}

namespace {

// 0 or errno.
int write_all(const Fd& file, ByteSpan bytes) {
  while (!bytes.empty()) {
    ssize_t wrote = ::write(file.get(), bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return errno;
    bytes = bytes.subspan(static_cast<size_t>(wrote));
  }
  return 0;
}

}  // namespace

Result<> write_file(const std::string& path, ByteSpan bytes, mode_t mode) {
  // A device, a pipe or a link is written to, never replaced.
  struct stat status;
  if (::lstat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    Fd there(::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
    if (!there) return fail_errno(errno, "{}", path);
    if (int code = write_all(there, bytes); code != 0) return fail_errno(code, "{}", path);
    return {};
  }
  std::string temporary = path + ".XXXXXX";
  Fd file(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!file) return fail_errno(errno, "{}", path);
  auto abandon = [&](int code) {
    ::unlink(temporary.c_str());
    return fail_errno(code, "{}", path);
  };
  if (int code = write_all(file, bytes); code != 0) return abandon(code);
  mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(file.get(), mode & ~mask) != 0) return abandon(errno);
  if (::rename(temporary.c_str(), path.c_str()) != 0) return abandon(errno);
  return {};
}

}  // namespace skep
