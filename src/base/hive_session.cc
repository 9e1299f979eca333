// Session files: which hives of this user are live. One file a hive, `<pid>-<session>`, lines of
// `key value`:
//
//   skep-hive 1
//   pid 4711
//   start 123456        /proc/<pid>/stat field 22
//   fds 3 4 5           control, code, data, in that process
//   data 4294967296
//   name my hive
//
// Its controller holds flock(2) on it as long as it lives: a file that can be locked is stale.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "base/hive_books.h"

namespace skep {
namespace {

constexpr std::string_view kFirstLine = "skep-hive 1";
constexpr size_t kMaxFile = 4096;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    size_t end = text.find(separator);
    if (end != 0) parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

template <class T>
bool parse(std::string_view text, T& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

bool parse_session(std::string_view text, HiveSession& session) {
  auto lines = split(text, '\n');
  if (lines.empty() || lines[0] != kFirstLine) return false;
  for (std::string_view line : lines) {
    size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    std::string_view key = line.substr(0, space);
    std::string_view value = line.substr(space + 1);
    bool good = true;
    if (key == "pid") good = parse(value, session.controller);
    if (key == "start") good = parse(value, session.controller_start);
    if (key == "data") good = parse(value, session.data_size);
    if (key == "name") session.name = value;
    if (key == "fds") {
      auto fds = split(value, ' ');
      good = fds.size() == 3 && parse(fds[0], session.control_fd) &&
             parse(fds[1], session.code_fd) && parse(fds[2], session.data_fd);
    }
    if (!good) return false;
  }
  return session.controller > 0 && session.control_fd >= 0 && session.code_fd >= 0 &&
         session.data_fd >= 0;
}

// Whether a controller holds the file's lock. A file of ours that nobody holds is a killed
// controller's.
bool is_locked(int fd) {
  if (::flock(fd, LOCK_SH | LOCK_NB) != 0) return true;
  ::flock(fd, LOCK_UN);
  return false;
}

}  // namespace

uint64_t process_start_time(pid_t pid) {
  auto bytes = read_file(fmt::format("/proc/{}/stat", pid), 1 << 16);
  if (!bytes) return 0;
  std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  size_t close = text.rfind(')');  // the command's name may hold anything
  if (close == std::string_view::npos) return 0;
  auto fields = split(text.substr(close + 1), ' ');  // the first is field 3
  uint64_t start = 0;
  return fields.size() > 19 && parse(fields[19], start) ? start : 0;
}

Result<std::string> session_directory() {
  std::string path;
  if (const char* runtime = ::getenv("XDG_RUNTIME_DIR"); runtime != nullptr && runtime[0] == '/') {
    struct stat parent{};
    if (::stat(runtime, &parent) == 0 && S_ISDIR(parent.st_mode))
      path = std::string(runtime) + "/skep";
  }
  if (path.empty()) path = fmt::format("/tmp/skep-{}", ::geteuid());
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_errno(errno, "making the session directory {}", path);
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return fail_errno(errno, "{}", path);
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 077) != 0)
    return std::unexpected<Error>(
        Error(
            EPERM,
            fmt::format("{} must be a directory of user {} with mode 0700: found uid {}, mode {:o}",
                        path, ::geteuid(), status.st_uid, status.st_mode & 07777))
            .with_hint("remove it, or set XDG_RUNTIME_DIR"));
  return path;
}

Result<> Hive::publish_session(const std::string& name) {
  SKEP_TRY(directory, session_directory());
  std::string text =
      fmt::format("{}\npid {}\nstart {}\nfds {} {} {}\ndata {}\n", kFirstLine, ::getpid(),
                  control().controller_start, control_fd(), code_fd(), data_fd(), data_size_);
  std::string shown = name;
  std::erase(shown, '\n');
  if (!shown.empty()) text += fmt::format("name {}\n", shown);
  std::string final_name = fmt::format("{}/{}-{:016x}", directory, ::getpid(), control().session);
  // Locked and complete before it has its name, so that no lister takes it for stale.
  std::string temporary = final_name + ".new";
  SKEP_TRY(file, open_file(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  bool written =
      ::flock(file.get(), LOCK_EX | LOCK_NB) == 0 &&
      ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      ::rename(temporary.c_str(), final_name.c_str()) == 0;
  if (!written) {
    int code = errno != 0 ? errno : ENOSPC;
    ::unlink(temporary.c_str());
    return fail_errno(code, "writing the session file {}", final_name);
  }
  session_fd_ = std::move(file);
  session_file_ = final_name;
  return {};
}

Result<std::vector<HiveSession>> list_sessions() {
  SKEP_TRY(directory, session_directory());
  DIR* opened = ::opendir(directory.c_str());
  if (opened == nullptr) return fail_errno(errno, "{}", directory);
  std::vector<std::string> names;
  while (dirent* entry = ::readdir(opened)) {
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') names.emplace_back(entry->d_name);
  }
  ::closedir(opened);

  std::vector<HiveSession> sessions;
  for (const std::string& name : names) {
    std::string path = directory + "/" + name;
    auto file = open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!file) continue;  // gone meanwhile
    struct stat status{};
    if (::fstat(file->get(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    pid_t pid = 0;
    std::from_chars(name.data(), name.data() + name.size(), pid);
    if (!is_locked(file->get())) {
      // A ".new" file is not locked for an instant while its maker lives.
      bool making = name.ends_with(".new") && process_start_time(pid) != 0;
      if (!making) ::unlink(path.c_str());
      continue;
    }
    if (name.ends_with(".new")) continue;
    std::string text(kMaxFile, '\0');
    ssize_t got = ::read(file->get(), text.data(), text.size());
    HiveSession session;
    if (got <= 0 ||
        !parse_session(std::string_view(text.data(), static_cast<size_t>(got)), session))
      continue;
    // A forked child of a killed controller may hold the lock still.
    if (process_start_time(session.controller) != session.controller_start) {
      ::unlink(path.c_str());
      continue;
    }
    session.file = path;
    sessions.push_back(std::move(session));
  }
  std::sort(sessions.begin(), sessions.end(), [](const HiveSession& a, const HiveSession& b) {
    return std::pair(a.controller_start, a.controller) <
           std::pair(b.controller_start, b.controller);
  });
  return sessions;
}

}  // namespace skep
