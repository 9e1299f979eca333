#include "runtime/native_cache.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/fd.h"

namespace skep::runtime {
namespace {

constexpr std::string_view kMagic = "skepnat1";
constexpr size_t kHeader = 8 + 32 + 32;
constexpr off_t kMaxEntry = 64 << 20;

// All of a regular file that is this user's own, not reached through a link. None where there is no such file.
Result<std::optional<std::vector<std::byte>>> read_own(const std::string& path, mode_t forbidden) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (fd.get() < 0) {
    if (errno == ENOENT) return std::optional<std::vector<std::byte>>();
    return fail_errno(errno, "{}", path);
  }
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail_errno(errno, "{}", path);
  if (!S_ISREG(info.st_mode) || info.st_uid != ::geteuid() || (info.st_mode & forbidden) != 0)
    return fail(EPERM, "{}: expected a file of this user's own that others can't {} (mode {:o})",
                path, (forbidden & 044) != 0 ? "read" : "write", info.st_mode & 07777);
  if (info.st_size > kMaxEntry) return fail(EFBIG, "{}: {} bytes", path, info.st_size);
  std::vector<std::byte> bytes(static_cast<size_t>(info.st_size));
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(fd.get(), bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "{}", path);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  bytes.resize(done);
  return std::optional(std::move(bytes));
}

// Complete or not at all: written beside, then renamed (or, where it must be new, linked).
Result<> write_whole(const std::string& path, ByteSpan bytes, bool must_be_new) {
  std::string name = path + ".XXXXXX";
  Fd fd(::mkostemp(name.data(), O_CLOEXEC));  // mode 0600
  if (fd.get() < 0) return fail_errno(errno, "{}", name);
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put = ::write(fd.get(), bytes.data() + done, bytes.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      const int error = errno;
      ::unlink(name.c_str());
      return fail_errno(error, "{}", name);
    }
    done += static_cast<size_t>(put);
  }
  const int result =
      must_be_new ? ::link(name.c_str(), path.c_str()) : ::rename(name.c_str(), path.c_str());
  const int error = errno;
  if (must_be_new || result != 0) ::unlink(name.c_str());
  if (result != 0 && !(must_be_new && error == EEXIST)) return fail_errno(error, "{}", path);
  return {};
}

}  // namespace

std::string default_native_cache() {
  const char* cache = ::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && cache[0] == '/') return fmt::format("{}/skep/native", cache);
  const char* home = ::getenv("HOME");
  if (home != nullptr && home[0] == '/') return fmt::format("{}/.cache/skep/native", home);
  return {};
}

std::string NativeCache::path_of(const Digest256& id) const {
  std::string path = directory_ + "/";
  for (uint8_t byte : id) path += fmt::format("{:02x}", byte);
  return path + ".skn";
}

Result<std::optional<Digest256>> NativeCache::key(bool make) const {
  const std::string path = directory_ + "/key";
  for (bool again : {make, false}) {
    SKEP_TRY(bytes, read_own(path, 077));
    if (bytes) {
      if (bytes->size() != sizeof(Digest256))
        return fail(EBADMSG, "{}: expected a key of 32 bytes, found {}", path, bytes->size());
      Digest256 key;
      std::memcpy(key.data(), bytes->data(), key.size());
      return std::optional(key);
    }
    if (!again) break;
    std::error_code error;
    std::filesystem::create_directories(directory_, error);
    if (error) return fail_errno(error.value(), "{}", directory_);
    ::chmod(directory_.c_str(), 0700);
    Digest256 made;
    if (::getrandom(made.data(), made.size(), 0) != static_cast<ssize_t>(made.size()))
      return fail_errno(errno, "getrandom");
    SKEP_CHECK(write_whole(path, std::as_bytes(std::span(made)), true));
  }
  return std::optional<Digest256>();
}

Result<std::optional<jit::Image>> NativeCache::find(ByteSpan identity) const {
  const std::optional<jit::Image> none;
  const Digest256 id = sha256(identity);
  const std::string path = path_of(id);
  SKEP_TRY(bytes, read_own(path, 022));
  if (!bytes) return none;
  SKEP_TRY(secret, key(false));
  if (!secret) return fail(EBADMSG, "{}: there is no key that it could have been made with", path);
  const ByteSpan all(*bytes);
  if (all.size() < kHeader || std::memcmp(all.data(), kMagic.data(), kMagic.size()) != 0)
    return fail(EBADMSG, "{}: not an entry of native code", path);
  const Digest256 mac = hmac_sha256(std::as_bytes(std::span(*secret)), all.subspan(8 + 32));
  if (!equal_digests(std::as_bytes(std::span(mac)), all.subspan(8, 32)))
    return fail(EBADMSG, "{}: it was not made with this user's key, or was changed since", path);
  if (!equal_digests(std::as_bytes(std::span(id)), all.subspan(40, 32)))
    return fail(EBADMSG, "{}: it is of another program", path);
  auto image = jit::decode_image(all.subspan(kHeader));
  if (!image) return fail(image, "{}", path);
  return std::optional(std::move(*image));
}

Result<std::string> NativeCache::store(ByteSpan identity, const jit::Image& image) const {
  SKEP_TRY(secret, key(true));
  if (!secret) return fail(EIO, "{}: the key can't be made", directory_);
  const Digest256 id = sha256(identity);
  const auto id_bytes = std::as_bytes(std::span(id));
  std::vector<std::byte> authenticated(id_bytes.begin(), id_bytes.end());
  const std::vector<std::byte> encoded = jit::encode(image);
  authenticated.insert(authenticated.end(), encoded.begin(), encoded.end());
  const Digest256 mac = hmac_sha256(std::as_bytes(std::span(*secret)), authenticated);
  const ByteSpan magic = bytes_of(kMagic);
  std::vector<std::byte> all(magic.begin(), magic.end());
  const auto mac_bytes = std::as_bytes(std::span(mac));
  all.insert(all.end(), mac_bytes.begin(), mac_bytes.end());
  all.insert(all.end(), authenticated.begin(), authenticated.end());
  const std::string path = path_of(id);
  SKEP_CHECK(write_whole(path, all, false));
  return path;
}

}  // namespace skep::runtime
