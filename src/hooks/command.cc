#include "hooks/command.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/fd.h"

namespace skep::hooks {
namespace {

Result<> check_executable(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return fail_errno(errno, "{}", path);
  if (S_ISDIR(status.st_mode))
    return fail(EACCES, "{}: is a directory, expected an executable file", path);
  if (!S_ISREG(status.st_mode) || ::access(path.c_str(), X_OK) != 0)
    return fail(EACCES, "{}: not executable", path);
  return {};
}

// It would get rights that whoever traces it does not have.
Result<> check_privilege(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return fail_errno(errno, "{}", path);
  const char* what = nullptr;
  if ((status.st_mode & S_ISUID) != 0 && status.st_uid != ::geteuid())
    what = "set-user-id";
  else if ((status.st_mode & S_ISGID) != 0 && (status.st_mode & S_IXGRP) != 0 &&
           status.st_gid != ::getegid())
    what = "set-group-id";
  else if (::geteuid() != 0 && ::getxattr(path.c_str(), "security.capability", nullptr, 0) > 0)
    what = "a program with file capabilities";
  if (what == nullptr) return {};
  return std::unexpected<Error>(
      Error(EPERM,
            fmt::format("{}: is {}: it runs with other rights than yours, so it can't be traced",
                        path, what))
          .with_hint("trace it as the user that it becomes, or a program that is not privileged"));
}

Result<> check_file(const std::string& path, int depth);

Result<> check_script(const std::string& path, const char* line, int depth) {
  if (depth >= 4) return fail(ELOOP, "{}: too many interpreters", path);
  std::string text(line + 2);
  text.resize(std::min(text.size(), text.find('\n')));
  size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return fail(ENOEXEC, "{}: names no interpreter after #!", path);
  std::string interpreter = text.substr(begin, text.find_first_of(" \t", begin) - begin);
  auto checked = check_executable(interpreter);
  if (!checked) return fail(checked, "{}: its interpreter", path);
  return check_file(interpreter, depth + 1);
}

Result<> check_elf(const std::string& path, int file, const Elf64_Ehdr& header, bool interpreter) {
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != EM_X86_64)
    return fail(ENOEXEC, "{}: expected a 64-bit x86-64 program, found ELF class {} machine {}",
                path, header.e_ident[EI_CLASS], header.e_machine);
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
    return fail(ENOEXEC, "{}: not an executable (ELF type {})", path, header.e_type);
  if (interpreter) return {};
  bool dynamic = false;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    if (::pread(file, &segment, sizeof segment,
                static_cast<off_t>(header.e_phoff + uint64_t{i} * header.e_phentsize)) !=
        sizeof segment)
      return fail(ENOEXEC, "{}: truncated program headers", path);
    dynamic |= segment.p_type == PT_INTERP;
  }
  if (!dynamic)
    return std::unexpected<Error>(
        Error(ENOTSUP,
              fmt::format("{}: is statically linked; expected a dynamically linked program", path))
            .with_hint("start it from a dynamically linked one (a shell): programs that it runs "
                       "are followed"));
  return {};
}

Result<> check_file(const std::string& path, int depth) {
  SKEP_CHECK(check_privilege(path));
  auto file = open_file(path, O_RDONLY);
  if (!file) return fail(file, "a program that can't be read can't be traced");
  union {
    char text[256];
    Elf64_Ehdr header;
  } start{};
  ssize_t got = ::pread(file->get(), start.text, sizeof start.text - 1, 0);
  if (got < 0) return fail_errno(errno, "{}", path);
  if (got >= 2 && std::memcmp(start.text, "#!", 2) == 0)
    return check_script(path, start.text, depth);
  if (got < static_cast<ssize_t>(sizeof(Elf64_Ehdr)) ||
      std::memcmp(start.text, ELFMAG, SELFMAG) != 0) {
    // A shell would run it as a script; execve does not.
    return fail(ENOEXEC, "{}: neither an ELF program nor a script that begins with #!", path);
  }
  Elf64_Ehdr header = start.header;
  return check_elf(path, file->get(), header, depth > 0);
}

}  // namespace

Result<std::string> find_command(const std::string& name) {
  if (name.empty()) return fail(ENOENT, "the command's name is empty");
  if (name.find('/') != std::string::npos) {
    SKEP_CHECK(check_executable(name));
    return name;
  }
  const char* path = std::getenv("PATH");
  std::string rest = path != nullptr ? path : "/bin:/usr/bin";
  Result<> last;
  for (size_t begin = 0; begin <= rest.size();) {
    size_t end = std::min(rest.find(':', begin), rest.size());
    std::string directory = rest.substr(begin, end - begin);
    std::string candidate = (directory.empty() ? "." : directory) + "/" + name;
    auto checked = check_executable(candidate);
    if (checked) return candidate;
    if (checked.error().code() == EACCES) last = checked;
    begin = end + 1;
  }
  if (!last) return fail(last);
  return fail(ENOENT, "{}: command not found in PATH", name);
}

Result<> check_command(const std::string& path) { return check_file(path, 0); }

}  // namespace skep::hooks
