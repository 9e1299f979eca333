// Who calls bpf(2): a process with memory and descriptors. The engine reads and writes that memory and opens
// descriptors there, as a kernel does for whoever makes a system call: this process (LocalCaller), or one that
// is connected to the hive's server (server.h).
//
// Memory is reached through process_vm_readv/writev(2), so a wild pointer is EFAULT and never a crash.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "engine/user/objects.h"

namespace skep::engine::user {

class Caller {
 public:
  explicit Caller(pid_t pid, uid_t uid) : pid_(pid), uid_(uid) {}
  virtual ~Caller() = default;
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] uid_t uid() const { return uid_; }

  // A new descriptor of the caller's. EMFILE, ENFILE where there is none left.
  [[nodiscard]] virtual Result<int> open(Handle handle) = 0;
  // EBADF where the caller has no such descriptor, EINVAL where it is not one of this engine's.
  [[nodiscard]] virtual Result<Handle> find(int64_t fd) const = 0;
  // A file that the engine opened, as a descriptor of the caller's.
  [[nodiscard]] virtual Result<int> give_file(int fd) = 0;

  [[nodiscard]] Result<> copy_in(void* to, uint64_t address, size_t size) const;
  // E2BIG beyond 1 GiB.
  [[nodiscard]] Result<std::vector<std::byte>> copy_in(uint64_t address, size_t size) const;
  // At most `limit` bytes with the NUL; EFAULT, or `too_long` where no NUL is there.
  [[nodiscard]] Result<std::string> copy_string_in(uint64_t address, size_t limit,
                                                   int too_long = EINVAL) const;
  [[nodiscard]] Result<> copy_out(uint64_t address, ByteSpan bytes) const;

  // EBADF as find(), EINVAL where it is another kind of object.
  template <class T>
  [[nodiscard]] Result<std::shared_ptr<T>> get(int64_t fd) const {
    auto handle = find(fd);
    if (!handle) return fail(handle);
    const auto* object = std::get_if<std::shared_ptr<T>>(&handle->object);
    if (object == nullptr) return fail(EINVAL, "descriptor {} is another kind of object", fd);
    return *object;
  }

 private:
  pid_t pid_;
  uid_t uid_;
};

// bpf(2)'s attribute as all commands know it: as long as Linux 6.18's. A shorter one reads as 0 beyond its
// end; a longer one must be 0 there.
inline constexpr uint32_t kAttrSize = 168;

// One call: the caller, and its attribute.
class Call {
 public:
  Call(Caller& caller, void* attr, uint32_t size) : caller_(caller), attr_(attr), size_(size) {}
  // E2BIG over a page or where bytes that no command knows are set; EFAULT.
  [[nodiscard]] Result<> take();

  // EINVAL where a byte from `end` on is set: the command's fields stop there.
  template <class Attr>
  [[nodiscard]] Result<Attr> read(size_t end) const {
    static_assert(sizeof(Attr) <= sizeof bytes_);
    for (size_t at = end; at < sizeof bytes_; ++at) {
      if (bytes_[at] != std::byte{0})
        return fail(EINVAL, "the command's attributes end at byte {}, byte {} is set", end, at);
    }
    Attr attr{};
    std::memcpy(static_cast<void*>(&attr), bytes_, sizeof attr);
    return attr;
  }
  // Gives one field back to the caller, where its attribute has it.
  template <class Attr, class T>
  [[nodiscard]] Result<> give(const Attr& attr, const T& field) const {
    auto offset = static_cast<size_t>(reinterpret_cast<const std::byte*>(&field) -
                                      reinterpret_cast<const std::byte*>(&attr));
    return caller_.copy_out(reinterpret_cast<uint64_t>(attr_) + offset,
                            ByteSpan(reinterpret_cast<const std::byte*>(&field), sizeof field));
  }
  [[nodiscard]] Caller& caller() const { return caller_; }
  [[nodiscard]] uint32_t size() const { return size_; }
  template <class T>
  [[nodiscard]] Result<std::shared_ptr<T>> get(int64_t fd) const {
    return caller_.get<T>(fd);
  }
  [[nodiscard]] Result<int64_t> open(Handle handle) const {
    auto fd = caller_.open(std::move(handle));
    if (!fd) return fail(fd);
    return *fd;
  }

 private:
  Caller& caller_;
  void* attr_;
  uint32_t size_;
  std::byte bytes_[kAttrSize] = {};
};

// Where the fields of a command end, after the last that it has.
#define SKEP_ATTR_END(Attr, field) (offsetof(Attr, field) + sizeof(Attr::field))

}  // namespace skep::engine::user
