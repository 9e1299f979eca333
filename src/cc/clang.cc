#include "cc/clang.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "base/fd.h"

namespace skep::cc {

namespace {

bool is_executable(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

std::string in_path(const std::string& name) {
  if (name.find('/') != std::string::npos) return is_executable(name) ? name : std::string();
  const char* list = ::getenv("PATH");
  std::string_view rest = list != nullptr ? list : "/usr/bin:/bin";
  while (!rest.empty()) {
    const std::string_view directory = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(directory.size() + 1, rest.size()));
    std::string path = fmt::format("{}/{}", directory.empty() ? "." : directory, name);
    if (is_executable(path)) return path;
  }
  return {};
}

Result<Fd> memory_file(const char* name, std::string_view text) {
  // Inherited: clang opens it as /proc/self/fd/N. The child alone clears close-on-exec.
  Fd file(::memfd_create(name, MFD_CLOEXEC));
  if (!file) return fail_errno(errno, "memfd_create");
  while (!text.empty()) {
    const ssize_t wrote = ::write(file.get(), text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return fail_errno(errno, "writing a header to memory");
    text.remove_prefix(static_cast<size_t>(wrote));
  }
  return file;
}

Result<std::vector<std::byte>> contents(const Fd& file) {
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return fail_errno(errno, "fstat");
  std::vector<std::byte> bytes(static_cast<size_t>(status.st_size));
  size_t used = 0;
  while (used < bytes.size()) {
    const ssize_t got =
        ::pread(file.get(), bytes.data() + used, bytes.size() - used, static_cast<off_t>(used));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "reading the compiler's output");
    if (got == 0) break;
    used += static_cast<size_t>(got);
  }
  bytes.resize(used);
  return bytes;
}

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string in_quotes(std::string_view text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

// clang's YAML: each virtual path and the memory file behind it.
std::string overlay_text(const std::vector<VirtualFile>& files, const std::vector<Fd>& fds) {
  std::string text = "{\"version\": 0, \"use-external-names\": false, \"roots\": [\n";
  for (size_t i = 0; i < files.size(); ++i)
    text += fmt::format(
        "{}{{\"name\": {}, \"type\": \"file\", \"external-contents\": \"/proc/self/fd/{}\"}}",
        i > 0 ? ",\n" : "", in_quotes(files[i].path), fds[i].get());
  return text + "\n]}\n";
}

// 0 once the child has ended, ETIMEDOUT, or another errno.
int wait_until_ended(pid_t child, std::chrono::milliseconds timeout) {
  Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  if (!pidfd) return 0;  // an old kernel: wait without a limit
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return ETIMEDOUT;
    pollfd item{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
    const int ready = ::poll(&item, 1, static_cast<int>(left.count()));
    if (ready > 0) return 0;
    if (ready < 0 && errno != EINTR) return errno;
  }
}

[[noreturn]] void become_clang(const char* path, char* const* arguments,
                               const std::vector<int>& keep, int output, int errors, pid_t parent) {
  // Async-signal-safe calls only, from here.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(null, 0);
  ::dup2(output, 1);
  ::dup2(errors, 2);
  for (int fd : keep) ::fcntl(fd, F_SETFD, 0);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv(path, arguments);
  ::_exit(127);
}

}  // namespace

Result<ClangBinary> find_clang(const std::string& wanted) {
  std::vector<std::string> names;
  const char* from_environment = ::getenv("SKEP_CLANG");
  if (!wanted.empty()) {
    names = {wanted};
  } else if (from_environment != nullptr && *from_environment != '\0') {
    names = {from_environment};
  } else {
    names = {"clang-19", "clang-21", "clang-20", "clang-18", "clang-17",
             "clang-16", "clang-15", "clang-14", "clang"};
  }
  for (const std::string& name : names) {
    const std::string path = in_path(name);
    struct stat status;
    if (path.empty() || ::stat(path.c_str(), &status) != 0) continue;
    return ClangBinary{path, fmt::format("{}:{}:{}.{}", path, status.st_size, status.st_mtim.tv_sec,
                                         status.st_mtim.tv_nsec)};
  }
  return std::unexpected(
      Error(
          ENOENT,
          names.size() == 1
              ? fmt::format("there is no compiler '{}'", names[0])
              : std::string("there is no clang: looked for clang-19 … clang-14 and clang in $PATH"))
          .with_hint("install Debian's clang-19, or name one with SKEP_CLANG=/path/to/clang"));
}

Result<ClangRun> run_clang(const ClangBinary& clang, const std::vector<std::string>& arguments,
                           const std::vector<VirtualFile>& files,
                           std::chrono::milliseconds timeout) {
  std::vector<Fd> fds;
  for (const VirtualFile& file : files) {
    SKEP_TRY(fd, memory_file("skep-header", file.text));
    fds.push_back(std::move(fd));
  }
  SKEP_TRY(overlay, memory_file("skep-overlay", overlay_text(files, fds)));
  SKEP_TRY(object, memory_file("skep-object", {}));
  SKEP_TRY(errors, memory_file("skep-diagnostics", {}));
  SKEP_TRY(depfile, memory_file("skep-depfile", {}));

  std::vector<std::string> all = {clang.path};
  all.insert(all.end(), arguments.begin(), arguments.end());
  for (std::string text :
       {std::string("-o"), std::string("-"), std::string("-MD"), std::string("-MF"),
        fmt::format("/proc/self/fd/{}", depfile.get()), std::string("-ivfsoverlay"),
        fmt::format("/proc/self/fd/{}", overlay.get())})
    all.push_back(std::move(text));
  std::vector<char*> pointers;
  for (std::string& text : all) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  std::vector<int> keep = {overlay.get(), depfile.get()};
  for (const Fd& fd : fds) keep.push_back(fd.get());

  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return fail_errno(errno, "fork");
  if (child == 0)
    become_clang(clang.path.c_str(), pointers.data(), keep, object.get(), errors.get(), parent);
  const int ended = wait_until_ended(child, timeout);
  if (ended != 0) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return fail_errno(errno, "waiting for {}", clang.path);
  }
  if (ended == ETIMEDOUT)
    return fail(ETIMEDOUT, "{} did not end within {} ms", clang.path, timeout.count());
  if (ended != 0) return fail_errno(ended, "waiting for {}", clang.path);
  if (WIFSIGNALED(status))
    return fail(ECANCELED, "{} was ended by signal {} ({})", clang.path, WTERMSIG(status),
                ::strsignal(WTERMSIG(status)));
  ClangRun run;
  run.status = WEXITSTATUS(status);
  if (run.status == 127) return fail(ENOEXEC, "{} can't be executed", clang.path);
  SKEP_TRY(object_bytes, contents(object));
  SKEP_TRY(error_bytes, contents(errors));
  SKEP_TRY(depfile_bytes, contents(depfile));
  run.object = std::move(object_bytes);
  run.diagnostics = text_of(error_bytes);
  run.depfile = text_of(depfile_bytes);
  return run;
}

}  // namespace skep::cc
