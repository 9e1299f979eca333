#include "cli/jitdump.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

namespace skep::cli {
namespace {

uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}
size_t page_size() { return static_cast<size_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

JitDumpFile::~JitDumpFile() {
  if (marker_ != nullptr) ::munmap(marker_, page_size());
}

Result<> JitDumpFile::create() {
  const char* directory = std::getenv("JITDUMPDIR");
  path_ = fmt::format("{}/jit-{}.dump", directory != nullptr && *directory ? directory : "/tmp",
                      ::getpid());
  // An earlier process's of the same number goes; what others left is not followed.
  ::unlink(path_.c_str());
  file_ = Fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file_) return fail_errno(errno, "{}", path_);
  void* mapped = ::mmap(nullptr, page_size(), PROT_READ | PROT_EXEC, MAP_PRIVATE, file_.get(), 0);
  if (mapped == MAP_FAILED)
    return fail_errno(errno,
                      "mapping {} executable, by which perf finds it (is its directory "
                      "mounted noexec? $JITDUMPDIR names another)",
                      path_);
  marker_ = mapped;
  dump_ = std::make_unique<jit::JitDump>(::getpid(), now_ns());
  return {};
}

Result<> JitDumpFile::write_for(pid_t pid) {
  if (!written_.insert(pid).second) return {};
  if (dump_ == nullptr) SKEP_CHECK(create());
  for (const auto& program : programs_) {
    std::string tag;
    for (uint8_t byte : program->header().tag) tag += fmt::format("{:02x}", byte);
    dump_->add(program->verified(), program->native(), tag, pid, now_ns());
  }
  std::vector<std::byte> bytes = dump_->take();
  for (size_t done = 0; done < bytes.size();) {
    ssize_t wrote = ::write(file_.get(), bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return fail_errno(errno, "writing {}", path_);
    done += static_cast<size_t>(wrote);
  }
  return {};
}

}  // namespace skep::cli
