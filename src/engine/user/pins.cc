#include "engine/user/pins.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <filesystem>
#include <vector>

#include "base/fd.h"

namespace skep::engine::user {
namespace {

constexpr std::string_view kBpfFs = "/sys/fs/bpf";

std::string real_path(const std::string& path) {
  char resolved[PATH_MAX];
  return ::realpath(path.c_str(), resolved) == nullptr ? std::string() : resolved;
}

bool is_below(const std::string& path, const std::string& root) {
  return path == root || (path.starts_with(root) && path[root.size()] == '/');
}

std::string_view kind_of(const Object& object) {
  if (std::holds_alternative<std::shared_ptr<runtime::MapObject>>(object)) return "map";
  if (std::holds_alternative<std::shared_ptr<runtime::ProgObject>>(object)) return "prog";
  return "link";
}
uint32_t id_of(const Object& object) {
  if (auto* map = std::get_if<std::shared_ptr<runtime::MapObject>>(&object)) return (*map)->id();
  if (auto* program = std::get_if<std::shared_ptr<runtime::ProgObject>>(&object))
    return (*program)->id();
  if (auto* link = std::get_if<std::shared_ptr<LinkObject>>(&object)) return (*link)->id;
  return 0;
}

// What a mode gives to one who is not its owner's superuser.
bool mode_allows(const struct stat& status, uid_t uid, bool read, bool write) {
  if (uid == 0) return true;
  mode_t bits = status.st_uid == uid ? status.st_mode >> 6 : status.st_mode;
  return (!read || (bits & 4) != 0) && (!write || (bits & 2) != 0);
}

}  // namespace

Pins::~Pins() {
  std::map<std::pair<dev_t, ino_t>, Pin> pins;
  pins.swap(pins_);
  for (const auto& [identity, pin] : pins) {
    struct stat status{};
    if (::lstat(pin.path.c_str(), &status) == 0 &&
        std::pair(status.st_dev, status.st_ino) == identity)
      ::unlink(pin.path.c_str());
  }
  if (!owned_) return;
  // Directories that users made; pins are gone, anything else of theirs stays.
  std::error_code ignored;
  std::vector<std::filesystem::path> directories;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root_, ignored)) {
    if (entry.is_directory(ignored)) directories.push_back(entry.path());
  }
  for (auto at = directories.rbegin(); at != directories.rend(); ++at) ::rmdir(at->c_str());
  ::rmdir(root_.c_str());
}

Result<> Pins::make_root() {
  std::error_code error;
  std::filesystem::create_directories(root_, error);
  if (error) return fail(error.value(), "making the directory of pins {}", root_);
  if (owned_) ::chmod(root_.c_str(), 0700);
  std::string real = real_path(root_);
  if (!real.empty()) root_ = real;
  return {};
}

std::string Pins::resolve(const std::string& path) const {
  if (is_below(path, std::string(kBpfFs))) return root_ + path.substr(kBpfFs.size());
  return path;
}

Result<> Pins::pin(const std::string& path, const Handle& object) {
  std::lock_guard lock(mutex_);
  SKEP_CHECK(make_root());
  std::filesystem::path wanted = resolve(path);
  std::string directory = real_path(wanted.parent_path());
  if (directory.empty()) return fail_errno(errno, "{}", wanted.parent_path().string());
  std::string name = wanted.filename();
  std::string at = directory + "/" + name;
  struct stat status{};
  if (::lstat(at.c_str(), &status) == 0) return fail(EEXIST, "{} exists", at);
  if (!is_below(directory, root_)) return fail(EPERM, "{}: pins are made below {}", at, root_);
  if (name.find('.') != std::string::npos) return fail(EPERM, "{}: a pin's name has no dot", at);
  auto file = open_file(at, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (!file) return fail(file);
  std::string text = fmt::format("{} {}\n", kind_of(object.object), id_of(object.object));
  bool good = ::write(file->get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
              ::fstat(file->get(), &status) == 0;
  if (!good) {
    int code = errno;
    ::unlink(at.c_str());
    return fail_errno(code, "{}", at);
  }
  pins_.emplace(std::pair(status.st_dev, status.st_ino), Pin{at, object});
  return {};
}

Result<Handle> Pins::get(const std::string& path, uid_t uid, bool read, bool write) {
  std::lock_guard lock(mutex_);
  std::string at = resolve(path);
  struct stat status{};
  if (::stat(at.c_str(), &status) != 0) return fail_errno(errno, "{}", at);
  auto found = pins_.find({status.st_dev, status.st_ino});
  if (found == pins_.end()) return fail(EACCES, "{} is not a pin of this hive", at);
  if (!mode_allows(status, uid, read, write))
    return fail(EACCES, "{}: its mode is {:o}", at, status.st_mode & 07777);
  return found->second.object;
}

bool Pins::sweep() {
  std::vector<Pin> gone;  // released outside the lock
  std::lock_guard lock(mutex_);
  for (auto at = pins_.begin(); at != pins_.end();) {
    struct stat status{};
    bool there = ::lstat(at->second.path.c_str(), &status) == 0 &&
                 std::pair(status.st_dev, status.st_ino) == at->first;
    if (there) {
      ++at;
      continue;
    }
    gone.push_back(std::move(at->second));
    at = pins_.erase(at);
  }
  return !pins_.empty();
}

std::map<std::string, Handle> Pins::list() const {
  std::lock_guard lock(mutex_);
  std::map<std::string, Handle> paths;
  for (const auto& [identity, pin] : pins_) paths.emplace(pin.path, pin.object);
  return paths;
}

}  // namespace skep::engine::user
