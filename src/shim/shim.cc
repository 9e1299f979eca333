// libskep-shim.so: put into a program with LD_PRELOAD, it has bpf(2) and what goes with it answered by the user engine,
// so that libbpf, bpftool and whatever else speaks bpf(2) run on it unchanged and without privilege.
//
//   LD_PRELOAD=libskep-shim.so bpftool map list         or: skep shim -- bpftool map list
//
// The hive is $SKEP_HIVE's ("default" without): `skep hive keep` keeps it, and is started where nobody does. What the
// program may see of a kernel is redirected to what the engine has in its place:
//
//   syscall(bpf | perf_event_open)     the engine
//   ioctl(PERF_EVENT_IOC_*)            on the engine's events
//   mmap                               of the engine's maps
//   open of /sys/kernel/btf/vmlinux    the engine's BTF;  of …/cpu/possible: its slots
//   statfs of the pins' directory      a BPF file system;  /sys/fs/bpf/… in it means the same place
//   readlink of /proc/…/fd/N           "anon_inode:bpf-map" and the like
//
// The only room with global state: one engine a process, connected at the first call that needs it. What is not
// redirected goes to libc as it came.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include "btf/btf.h"
#include "engine/user/client.h"
#include "engine/user/home.h"

#define SKEP_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

using skep::engine::ClientEngine;
using skep::engine::user::Kind;

template <class F>
F* real(const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

constexpr long kBpfFsMagic = 0xcafe4a11;
constexpr std::string_view kBpfFs = "/sys/fs/bpf";
constexpr std::string_view kVmlinux = "/sys/kernel/btf/vmlinux";
constexpr std::string_view kPossible = "/sys/devices/system/cpu/possible";

void complain(const std::string& text) {
  if (::getenv("SKEP_SHIM_QUIET") == nullptr) std::fprintf(stderr, "skep-shim: %s\n", text.c_str());
}

// The skep command, which stands two places from this library: beside it, or ../bin from lib.
std::string skep_command() {
  if (const char* named = ::getenv("SKEP_COMMAND")) return named;
  Dl_info info{};
  if (::dladdr(reinterpret_cast<void*>(&complain), &info) == 0) return "skep";
  std::string directory = info.dli_fname;
  directory.erase(directory.rfind('/') == std::string::npos ? 0 : directory.rfind('/') + 1);
  for (const char* place : {"skep", "../bin/skep", "../../bin/skep"}) {
    if (::access((directory + place).c_str(), X_OK) == 0) return directory + place;
  }
  return "skep";
}

// Starts the hive's keeper, which says when it listens by letting go of a pipe.
void start_keeper(const std::string& hive) {
  std::string command = skep_command();
  pid_t child = ::fork();
  if (child == 0) {
    ::unsetenv("LD_PRELOAD");
    ::execlp(command.c_str(), command.c_str(), "hive", "keep", hive.c_str(), "--background",
             "--while-used", nullptr);
    ::_exit(127);
  }
  int status = 0;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (child > 0 && status != 0)
    complain("starting \"" + command + " hive keep " + hive + "\" failed");
}

ClientEngine* engine() {
  static std::mutex mutex;
  static std::unique_ptr<ClientEngine> made;
  std::lock_guard lock(mutex);
  if (made) return made.get();
  std::string hive = skep::engine::user::hive_from_environment();
  if (hive.empty()) hive = "default";
  auto home = skep::engine::user::hive_home(hive);
  if (!home) {
    complain(home.error().text());
    return nullptr;
  }
  auto connected = ClientEngine::connect(*home);
  if (!connected) {
    start_keeper(hive);
    connected = ClientEngine::connect(*home);
  }
  if (!connected) {
    complain(connected.error().text());
    return nullptr;
  }
  made = std::move(*connected);
  return made.get();
}

long answer(int64_t result) {
  if (result >= 0) return static_cast<long>(result);
  errno = static_cast<int>(-result);
  return -1;
}

bool is_below(std::string_view path, std::string_view directory) {
  return !directory.empty() && path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

// The place that a path in the BPF file system stands for; the path itself where it is elsewhere.
std::string redirect(const char* path) {
  if (path == nullptr || !is_below(path, kBpfFs)) return path == nullptr ? "" : path;
  ClientEngine* to = engine();
  if (to == nullptr) return path;
  return to->hello().pin_root + std::string(path).substr(kBpfFs.size());
}

int file_of(const void* bytes, size_t size) {
  int fd = ::memfd_create("skep", MFD_CLOEXEC);
  if (fd < 0) return -1;
  if (::write(fd, bytes, size) != static_cast<ssize_t>(size)) {
    ::close(fd);
    errno = ENOSPC;
    return -1;
  }
  ::lseek(fd, 0, SEEK_SET);
  return fd;
}

// A descriptor of what the engine has in place of a kernel's file; -2 where it is any other file.
int open_instead(const char* path) {
  if (path == nullptr || path[0] != '/') return -2;
  if (path == kVmlinux) {
    ClientEngine* to = engine();
    auto btf = to == nullptr ? skep::fail(ENOENT, "no engine") : to->vmlinux_btf();
    if (!btf) {
      errno = ENOENT;
      return -1;
    }
    return file_of((*btf)->bytes().data(), (*btf)->bytes().size());
  }
  if (path == kPossible) {
    ClientEngine* to = engine();
    if (to == nullptr) return -2;
    std::string text = "0-" + std::to_string(to->possible_cpus() - 1) + "\n";
    return file_of(text.data(), text.size());
  }
  return -2;
}

bool needs_mode(int flags) { return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE; }

const char* link_name(Kind kind) {
  switch (kind) {
    case Kind::map: return "anon_inode:bpf-map";
    case Kind::prog: return "anon_inode:bpf-prog";
    case Kind::link: return "anon_inode:bpf_link";
    case Kind::btf: return "anon_inode:btf";
    case Kind::event: return "anon_inode:[perf_event]";
    case Kind::other: break;
  }
  return nullptr;
}

bool is_socket(int fd) {
  struct stat status{};
  return ::fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

long call_bpf(long cmd, long attr, long size) {
  ClientEngine* to = engine();
  if (to == nullptr) return answer(-ENOSYS);
  return answer(to->bpf(static_cast<skep::engine::Cmd>(cmd), reinterpret_cast<void*>(attr),
                        static_cast<uint32_t>(size)));
}

long call_perf_event_open(long attr_address, long pid, long cpu, long group, long flags) {
  ClientEngine* to = engine();
  if (to == nullptr) return answer(-ENOSYS);
  skep::engine::PerfEventAttr attr;
  uint32_t size = 0;
  std::memcpy(&size, reinterpret_cast<const char*>(attr_address) + 4, sizeof size);
  std::memcpy(&attr, reinterpret_cast<const void*>(attr_address),
              std::min<size_t>(size == 0 ? 64 : size, sizeof attr));
  return answer(to->perf_event_open(attr, static_cast<int>(pid), static_cast<int>(cpu),
                                    static_cast<int>(group), static_cast<uint64_t>(flags)));
}

}  // namespace

SKEP_EXPORT long syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  long a[6];
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  if (number == SYS_bpf) return call_bpf(static_cast<int>(a[0]), a[1], static_cast<uint32_t>(a[2]));
  if (number == SYS_perf_event_open) return call_perf_event_open(a[0], a[1], a[2], a[3], a[4]);
  static auto* next = real<long(long, ...)>("syscall");
  return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

SKEP_EXPORT int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list list;
  va_start(list, request);
  void* argument = va_arg(list, void*);
  va_end(list);
  static auto* next = real<int(int, unsigned long, ...)>("ioctl");
  constexpr unsigned long kEnable = 0x2400, kDisable = 0x2401, kSetBpf = 0x40042408;
  if ((request == kEnable || request == kDisable || request == kSetBpf) && is_socket(fd)) {
    ClientEngine* to = engine();
    if (to != nullptr && to->describe(fd) == Kind::event) {
      if (request != kSetBpf) return 0;  // attached is enabled
      auto program = static_cast<int>(reinterpret_cast<intptr_t>(argument));
      return static_cast<int>(answer(to->event_set_program(fd, program)));
    }
  }
  return next(fd, request, argument);
}

SKEP_EXPORT void* mmap(void* address, size_t length, int protection, int flags, int fd,
                       off_t offset) noexcept {
  // Not through dlsym, which may want memory itself.
  auto raw = [&](int file, off_t at) {
    static auto* next = real<void*(void*, size_t, int, int, int, off_t)>("mmap");
    return next(address, length, protection, flags, file, at);
  };
  if (fd < 0 || (flags & MAP_ANONYMOUS) != 0 || !is_socket(fd)) return raw(fd, offset);
  ClientEngine* to = engine();
  if (to == nullptr || to->describe(fd) != Kind::map) return raw(fd, offset);
  int64_t at = to->map_memory(address, length, protection, flags, fd, offset);
  if (at >= 0) return reinterpret_cast<void*>(at);
  errno = static_cast<int>(-at);
  return MAP_FAILED;
}
SKEP_EXPORT void* mmap64(void* address, size_t length, int protection, int flags, int fd,
                         off64_t offset) noexcept {
  return mmap(address, length, protection, flags, fd, offset);
}

SKEP_EXPORT int open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if (needs_mode(flags)) {
    va_list list;
    va_start(list, flags);
    mode = va_arg(list, mode_t);
    va_end(list);
  }
  if (int fd = open_instead(path); fd != -2) return fd;
  static auto* next = real<int(const char*, int, ...)>("open");
  return next(redirect(path).c_str(), flags, mode);
}
SKEP_EXPORT int open64(const char* path, int flags, ...) {
  mode_t mode = 0;
  if (needs_mode(flags)) {
    va_list list;
    va_start(list, flags);
    mode = va_arg(list, mode_t);
    va_end(list);
  }
  return open(path, flags, mode);
}
SKEP_EXPORT int openat(int directory, const char* path, int flags, ...) {
  mode_t mode = 0;
  if (needs_mode(flags)) {
    va_list list;
    va_start(list, flags);
    mode = va_arg(list, mode_t);
    va_end(list);
  }
  if (int fd = open_instead(path); fd != -2) return fd;
  static auto* next = real<int(int, const char*, int, ...)>("openat");
  return next(directory, redirect(path).c_str(), flags, mode);
}
SKEP_EXPORT FILE* fopen(const char* path, const char* mode) {
  if (int fd = open_instead(path); fd != -2) return fd < 0 ? nullptr : ::fdopen(fd, mode);
  static auto* next = real<FILE*(const char*, const char*)>("fopen");
  return next(redirect(path).c_str(), mode);
}
SKEP_EXPORT FILE* fopen64(const char* path, const char* mode) { return fopen(path, mode); }

SKEP_EXPORT int access(const char* path, int mode) noexcept {
  static auto* next = real<int(const char*, int)>("access");
  if (path != nullptr && path == kVmlinux) return 0;
  return next(redirect(path).c_str(), mode);
}
SKEP_EXPORT int mkdir(const char* path, mode_t mode) noexcept {
  static auto* next = real<int(const char*, mode_t)>("mkdir");
  return next(redirect(path).c_str(), mode);
}
SKEP_EXPORT int unlink(const char* path) noexcept {
  static auto* next = real<int(const char*)>("unlink");
  return next(redirect(path).c_str());
}
SKEP_EXPORT int rmdir(const char* path) noexcept {
  static auto* next = real<int(const char*)>("rmdir");
  return next(redirect(path).c_str());
}
SKEP_EXPORT int stat(const char* path, struct stat* status) noexcept {
  static auto* next = real<int(const char*, struct stat*)>("stat");
  return next(redirect(path).c_str(), status);
}

SKEP_EXPORT int statfs(const char* path, struct statfs* status) noexcept {
  static auto* next = real<int(const char*, struct statfs*)>("statfs");
  std::string at = redirect(path);
  int result = next(at.c_str(), status);
  ClientEngine* to = result == 0 ? engine() : nullptr;
  if (to != nullptr && is_below(at, to->hello().pin_root)) status->f_type = kBpfFsMagic;
  return result;
}
SKEP_EXPORT int statfs64(const char* path, struct statfs64* status) noexcept {
  return statfs(path, reinterpret_cast<struct statfs*>(status));
}

SKEP_EXPORT ssize_t readlink(const char* path, char* to, size_t size) noexcept {
  static auto* next = real<ssize_t(const char*, char*, size_t)>("readlink");
  ssize_t length = next(path, to, size);
  std::string_view asked = path == nullptr ? "" : path;
  std::string own = "/proc/" + std::to_string(::getpid()) + "/fd/";
  bool ours = asked.starts_with("/proc/self/fd/") || asked.starts_with(own);
  if (length < 8 || !ours || std::string_view(to, 8) != "socket:[") return length;
  ClientEngine* through = engine();
  if (through == nullptr) return length;
  const std::string number(asked.substr(asked.rfind('/') + 1));
  auto kind = through->describe(std::atoi(number.c_str()));
  const char* name = kind ? link_name(*kind) : nullptr;
  if (name == nullptr) return length;
  const std::string_view text = name;
  return static_cast<ssize_t>(text.copy(to, size));  // readlink(2) ends it with no NUL
}
