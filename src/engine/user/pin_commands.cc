// BPF_OBJ_PIN, BPF_OBJ_GET.
#include <unistd.h>

#include <climits>

#include "engine/user/user_engine.h"

namespace skep::engine {

using namespace user;

namespace {

constexpr uint32_t kPathFd = 1u << 14;  // BPF_F_PATH_FD
constexpr int kAtCwd = -100;            // AT_FDCWD

// The attribute's path, absolute, as the caller sees it.
Result<std::string> caller_path(const Caller& caller, const ObjPinAttr& attr) {
  SKEP_TRY(path, caller.copy_string_in(attr.pathname, PATH_MAX, ENAMETOOLONG));
  if (path.empty()) return fail(ENOENT, "an empty path");
  if (path[0] == '/') return path;
  const bool from_fd = (attr.file_flags & kPathFd) != 0 && attr.path_fd != kAtCwd;
  std::string link = from_fd ? fmt::format("/proc/{}/fd/{}", caller.pid(), attr.path_fd)
                             : fmt::format("/proc/{}/cwd", caller.pid());
  char base[PATH_MAX];
  ssize_t length = ::readlink(link.c_str(), base, sizeof base);
  if (length < 0) return fail(from_fd ? EBADF : ENOENT, "{} can't be followed", link);
  return std::string(base, static_cast<size_t>(length)) + "/" + path;
}

}  // namespace

namespace user {

Result<Access> access_of(uint32_t flags) {
  if ((flags & ~(BPF_F_RDONLY | BPF_F_WRONLY)) != 0)
    return fail(EINVAL, "flags {:#x}: only BPF_F_RDONLY and BPF_F_WRONLY are known", flags);
  if ((flags & BPF_F_RDONLY) != 0 && (flags & BPF_F_WRONLY) != 0)
    return fail(EINVAL, "BPF_F_RDONLY and BPF_F_WRONLY exclude each other");
  return Access{(flags & BPF_F_WRONLY) == 0, (flags & BPF_F_RDONLY) == 0};
}

}  // namespace user

Result<int64_t> UserEngine::obj_pin(Call& call) {
  SKEP_TRY(attr, call.read<ObjPinAttr>(SKEP_ATTR_END(ObjPinAttr, path_fd)));
  if ((attr.file_flags & ~kPathFd) != 0)
    return fail(EINVAL, "file_flags {:#x}: unknown", attr.file_flags);
  if ((attr.file_flags & kPathFd) == 0 && attr.path_fd != 0)
    return fail(EINVAL, "path_fd needs BPF_F_PATH_FD");
  auto handle = call.caller().find(static_cast<int32_t>(attr.bpf_fd));
  const bool can_be_pinned =
      handle && (std::holds_alternative<std::shared_ptr<runtime::MapObject>>(handle->object) ||
                 std::holds_alternative<std::shared_ptr<runtime::ProgObject>>(handle->object) ||
                 std::holds_alternative<std::shared_ptr<LinkObject>>(handle->object));
  if (!can_be_pinned)
    return fail(EINVAL, "descriptor {} is not of a program, map or link", attr.bpf_fd);
  SKEP_TRY(path, caller_path(call.caller(), attr));
  pins_->sweep();
  SKEP_CHECK(pins_->pin(path, Handle(handle->object)));
  return 0;
}

Result<int64_t> UserEngine::obj_get(Call& call) {
  SKEP_TRY(attr, call.read<ObjPinAttr>(SKEP_ATTR_END(ObjPinAttr, path_fd)));
  if (attr.bpf_fd != 0) return fail(EINVAL, "bpf_fd must be 0");
  if ((attr.file_flags & ~(BPF_F_RDONLY | BPF_F_WRONLY | kPathFd)) != 0)
    return fail(EINVAL, "file_flags {:#x}: unknown", attr.file_flags);
  if ((attr.file_flags & kPathFd) == 0 && attr.path_fd != 0)
    return fail(EINVAL, "path_fd needs BPF_F_PATH_FD");
  SKEP_TRY(access, access_of(attr.file_flags & ~kPathFd));
  SKEP_TRY(path, caller_path(call.caller(), attr));
  pins_->sweep();
  SKEP_TRY(handle, pins_->get(path, call.caller().uid(), access.read, access.write));
  if (std::holds_alternative<std::shared_ptr<runtime::MapObject>>(handle.object)) {
    handle.can_read = access.read;
    handle.can_write = access.write;
  } else if (std::holds_alternative<std::shared_ptr<LinkObject>>(handle.object) &&
             !(access.read && access.write)) {
    return fail(EINVAL, "a link is opened for reading and writing");
  }
  return call.open(std::move(handle));
}

}  // namespace skep::engine
