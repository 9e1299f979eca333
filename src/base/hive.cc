// Making and mapping the segments; the allocators are in hive_memory.cc, the sessions in
// hive_session.cc.
#include "base/hive.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/hive_books.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace skep {
namespace {

constexpr uint64_t kPage = 4096;

void* at(uint64_t address) { return reinterpret_cast<void*>(address); }

// Which limit made a mapping or a file of the hive fail, in words.
std::string room_hint() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    return fmt::format("RLIMIT_AS is {} MiB (ulimit -v); raise it or make the hive smaller",
                       limit.rlim_cur >> 20);
  return "address space or memory is short; make the hive smaller or end other processes";
}

std::unexpected<Error> no_room(int code, const char* what, uint64_t size) {
  return std::unexpected<Error>(Error(code, fmt::format("no room for the hive's {} ({} MiB): {}",
                                                        what, size >> 20, errno_text(code)))
                                    .with_hint(room_hint()));
}

Result<Fd> make_memfd(const char* name, uint64_t size, bool exec) {
  unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  int fd = ::memfd_create(name, flags | (exec ? MFD_EXEC : MFD_NOEXEC_SEAL));
  if (fd < 0 && errno == EINVAL) fd = ::memfd_create(name, flags);  // before Linux 6.3
  if (fd < 0) return fail_errno(errno, "memfd_create {}", name);
  Fd owned(fd);
  rlimit limit{};  // exceeding it would be SIGXFSZ
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      size > limit.rlim_cur)
    return std::unexpected<Error>(
        Error(EFBIG, fmt::format("no room for the hive: {} needs {} MiB, RLIMIT_FSIZE is {} MiB",
                                 name, size >> 20, limit.rlim_cur >> 20))
            .with_hint("raise it with ulimit -f, or make the hive smaller"));
  if (::ftruncate(fd, static_cast<off_t>(size)) != 0) return no_room(errno, name, size);
  return owned;
}

Result<> map_fixed(uint64_t address, uint64_t size, int protection, int fd, const char* what) {
  // Over the reservation that this process just made: MAP_FIXED replaces only our own PROT_NONE
  // pages.
  int flags = MAP_FIXED | MAP_NORESERVE | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
  if (::mmap(at(address), size, protection, flags, fd, 0) == MAP_FAILED)
    return no_room(errno, what, size);
  return {};
}

uint64_t reserved_size(uint64_t data_size) { return hive::kData + data_size - hive::kBase; }

}  // namespace

// ---- life ----

Result<std::unique_ptr<Hive>> Hive::create(const HiveOptions& options) {
  if (options.data_size < 64 * kPage || options.data_size > hive::kDataMaxSize)
    return fail(EINVAL, "the hive's data size must be 256 KiB to {} GiB, not {} bytes",
                hive::kDataMaxSize >> 30, options.data_size);
  if (options.slots > hive::kMaxSlots)
    return fail(EINVAL, "a hive has at most {} slots, not {}", hive::kMaxSlots, options.slots);
  if (options.name.size() >= sizeof(hive::ControlHeader::name))
    return fail(EINVAL, "the hive's name is longer than {} bytes",
                sizeof(hive::ControlHeader::name) - 1);

  std::unique_ptr<Hive> hive(new Hive);
  hive->controls_ = true;
  SKEP_CHECK(hive->make_segments(options));
  SKEP_CHECK(hive->map_segments());

  hive->books_ = std::make_unique<Books>(hive->data_size_, hive->code_alias_);
  hive::ControlHeader& header = hive->control();
  header.version = hive::kControlVersion;
  header.slot_count = hive->slot_count_;
  header.controller_pid = static_cast<uint32_t>(::getpid());
  header.controller_uid = ::geteuid();
  header.controller_start = process_start_time(::getpid());
  header.data_size = hive->data_size_;
  if (::getrandom(&header.session, sizeof header.session, 0) != sizeof header.session)
    return fail_errno(errno, "getrandom");
  std::memcpy(header.name, options.name.data(), options.name.size());
  header.magic.store(hive::kControlMagic, std::memory_order_release);
  if (options.publish_session) SKEP_CHECK(hive->publish_session(options.name));
  return hive;
}

Result<> Hive::make_segments(const HiveOptions& options) {
  data_size_ = (options.data_size + kPage - 1) & ~(kPage - 1);
  long cpus = std::max(1L, ::sysconf(_SC_NPROCESSORS_CONF));
  slot_count_ = options.slots != 0
                    ? options.slots
                    : static_cast<uint32_t>(std::clamp<long>(4 * cpus, 8, hive::kMaxSlots));
  SKEP_TRY(control, make_memfd("skep-control", hive::kControlSize, false));
  SKEP_TRY(code, make_memfd("skep-code", hive::kCodeSize, true));
  SKEP_TRY(data, make_memfd("skep-data", data_size_, false));
  control_fd_ = std::move(control);
  code_fd_ = std::move(code);
  data_fd_ = std::move(data);
  return {};
}

Result<> Hive::map_segments() {
  uint64_t size = reserved_size(data_size_);
  void* reserved = ::mmap(at(hive::kBase), size, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (reserved == MAP_FAILED && errno == EEXIST)
    return fail(EEXIST,
                "the hive's address range {:#x}-{:#x} is taken in this process (another hive?)",
                hive::kBase, hive::kBase + size);
  if (reserved == MAP_FAILED) return no_room(errno, "address range", size);
  if (reserved != at(hive::kBase)) {  // a kernel before 4.17 takes the address as a hint
    ::munmap(reserved, size);
    return fail(EEXIST, "the hive's address range {:#x} is taken in this process", hive::kBase);
  }
  mapped_ = true;

  int control_access = controls_ ? PROT_READ | PROT_WRITE : PROT_READ;
  SKEP_CHECK(map_fixed(hive::kControl, hive::kControlSize, control_access, control_fd_.get(),
                       "control segment"));
  SKEP_CHECK(
      map_fixed(hive::kData, data_size_, PROT_READ | PROT_WRITE, data_fd_.get(), "data segment"));
  if (!controls_)
    return map_fixed(hive::kCode, hive::kCodeSize, PROT_READ, code_fd_.get(), "code segment");

  // The writable alias first: once sealed, no new writable mapping can be made, by anyone.
  void* alias = ::mmap(nullptr, hive::kCodeSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                       code_fd_.get(), 0);
  if (alias == MAP_FAILED) return no_room(errno, "code segment's writable alias", hive::kCodeSize);
  code_alias_ = static_cast<std::byte*>(alias);
  // Not through a writable description: the mapping then lacks VM_MAYWRITE for good.
  std::string path = fmt::format("/proc/self/fd/{}", code_fd_.get());
  Fd read_only(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  SKEP_CHECK(map_fixed(hive::kCode, hive::kCodeSize, PROT_READ | PROT_EXEC,
                       read_only ? read_only.get() : code_fd_.get(), "code segment"));

  const int size_seals = F_SEAL_SHRINK | F_SEAL_GROW;
  if (::fcntl(control_fd_.get(), F_ADD_SEALS, size_seals | F_SEAL_FUTURE_WRITE) != 0 ||
      ::fcntl(code_fd_.get(), F_ADD_SEALS, size_seals | F_SEAL_FUTURE_WRITE) != 0 ||
      ::fcntl(data_fd_.get(), F_ADD_SEALS, size_seals) != 0)
    return fail_errno(errno, "sealing the hive's segments (Linux 5.1 or newer is needed)");
  return {};
}

Result<std::unique_ptr<Hive>> Hive::open(const HiveSession& session) {
  std::unique_ptr<Hive> hive(new Hive);
  auto open_segment = [&](int number, int flags) {
    return open_file(fmt::format("/proc/{}/fd/{}", session.controller, number), flags);
  };
  if (process_start_time(session.controller) != session.controller_start)
    return fail(ESRCH, "the hive's controlling process {} has ended", session.controller);
  SKEP_TRY(control, open_segment(session.control_fd, O_RDONLY));
  SKEP_TRY(code, open_segment(session.code_fd, O_RDONLY));
  SKEP_TRY(data, open_segment(session.data_fd, O_RDWR));
  auto size_of = [](const Fd& fd) {
    return static_cast<uint64_t>(std::max<off_t>(0, ::lseek(fd.get(), 0, SEEK_END)));
  };
  const int needed =
      F_SEAL_SHRINK | F_SEAL_GROW;  // else a mapping could be cut off under us: SIGBUS
  for (const Fd* fd : {&control, &code, &data}) {
    int seals = ::fcntl(fd->get(), F_GET_SEALS);
    if (seals < 0 || (seals & needed) != needed)
      return fail(EINVAL, "process {} has no hive: its segments are not sealed",
                  session.controller);
  }
  uint64_t data_size = size_of(data);
  if (size_of(control) != hive::kControlSize || size_of(code) != hive::kCodeSize ||
      data_size < 64 * kPage || data_size > hive::kDataMaxSize || data_size % kPage != 0)
    return fail(EINVAL, "process {} has no hive of this version: segment sizes differ",
                session.controller);
  hive->control_fd_ = std::move(control);
  hive->code_fd_ = std::move(code);
  hive->data_fd_ = std::move(data);
  hive->data_size_ = data_size;
  SKEP_CHECK(hive->map_segments());
  const hive::ControlHeader& header = hive->control();
  if (header.magic.load(std::memory_order_acquire) != hive::kControlMagic ||
      header.version != hive::kControlVersion || header.data_size != data_size ||
      header.slot_count == 0 || header.slot_count > hive::kMaxSlots)
    return fail(EINVAL, "process {}: the hive's header is of another version or damaged",
                session.controller);
  hive->slot_count_ = header.slot_count;
  return hive;
}

Hive::~Hive() {
  // A forked child that exits takes nothing from its parent.
  bool ours = books_ && control().controller_pid == static_cast<uint32_t>(::getpid());
  if (ours && !session_file_.empty()) ::unlink(session_file_.c_str());
  if (ours) {
    // What still waits for a grace period goes with the segments; other processes keep their
    // mappings.
    control().magic.store(0, std::memory_order_release);
  }
  if (code_alias_ != nullptr) ::munmap(code_alias_, hive::kCodeSize);
  if (mapped_) ::munmap(at(hive::kBase), reserved_size(data_size_));
}

Result<> Hive::map_process_page(const std::function<void(hive::ProcessPage&)>& fill) {
  SKEP_CHECK(map_fixed(hive::kProcessPage, hive::kProcessPageSize, PROT_READ | PROT_WRITE, -1,
                       "process page"));
  fill(*reinterpret_cast<hive::ProcessPage*>(hive::kProcessPage));
  if (::mprotect(at(hive::kProcessPage), hive::kProcessPageSize, PROT_READ) != 0)
    return fail_errno(errno, "making the process page read-only");
  return {};
}

namespace {

// getpid(2) without the system call, which costs more than all else that a slot is held for. A forked child asks anew.
uint32_t this_process() {
  static std::atomic<uint32_t> known{0};
  uint32_t pid = known.load(std::memory_order_relaxed);
  if (pid != 0) [[likely]]
    return pid;
  static const int forgets = ::pthread_atfork(nullptr, nullptr, [] { known = 0; });
  pid = static_cast<uint32_t>(::getpid());
  if (forgets == 0) known = pid;
  return pid;
}

}  // namespace

// The owner is the process's first thread, which saves a system call and lives as long as the
// process.
HeldSlot::HeldSlot() {
  int cpu = ::sched_getcpu();
  const uint32_t pid = this_process();
  slot_ = hive::claim(cpu < 0 ? 0 : static_cast<uint32_t>(cpu), hive::owner_word(pid, pid));
}
HeldSlot::~HeldSlot() {
  if (slot_ != hive::kNoSlot) hive::release(slot_);
}

}  // namespace skep
