#include "hooks/inject.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "base/bytes.h"
#include "base/hive_layout.h"
#include "hooks/agent_abi.h"

// The bootstrap. rbx: the list; r12: the descriptor opened last. Stops at int3 with rbx at the
// entry that failed, or at the end of the list.
asm(R"(
.pushsection .rodata
.globl skep_bootstrap_begin, skep_bootstrap_end
.hidden skep_bootstrap_begin, skep_bootstrap_end
skep_bootstrap_begin:
1:  movq (%rbx), %rax
    cmpq $-1, %rax
    je 4f
    movq 8(%rbx), %rdi
    movq 16(%rbx), %rsi
    movq 24(%rbx), %rdx
    movq 32(%rbx), %r10
    movq 40(%rbx), %r8
    movq 48(%rbx), %r9
    movq 56(%rbx), %r13
    testl $1, %r13d
    jz 2f
    movq %r12, %rdi
2:  testl $2, %r13d
    jz 3f
    movq %r12, %r8
3:  syscall
    cmpq $-4095, %rax
    jae 6f
    testl $4, %r13d
    jz 5f
    movq %rax, %r12
5:  addq $64, %rbx
    jmp 1b
4:  movq 8(%rbx), %rax
    movq 16(%rbx), %rdi
    callq *%rax
6:  int3
skep_bootstrap_end:
.popsection
)");
extern "C" const char skep_bootstrap_begin[], skep_bootstrap_end[];

namespace skep::hooks {
namespace {

constexpr uint64_t kUseFdFirst = 1, kUseFdFifth = 2, kKeepFd = 4;
constexpr uint64_t kAgentSignals =
    1u << (SIGTRAP - 1) | 1u << (SIGBUS - 1) | 1u << (SIGSEGV - 1) | 1u << (SIGSYS - 1);

struct Call {
  uint64_t nr;
  uint64_t arguments[6];
  uint64_t flags;
};
static_assert(sizeof(Call) == 64);

// What the tracee is given below its stack pointer: strings, then AgentInit, then the list.
class Parcel {
 public:
  explicit Parcel(uint64_t base) : base_(base) {}
  uint64_t add(const void* bytes, size_t size) {
    while (bytes_.size() % 16 != 0) bytes_.push_back(std::byte{0});
    uint64_t address = base_ + bytes_.size();
    const auto* begin = static_cast<const std::byte*>(bytes);
    bytes_.insert(bytes_.end(), begin, begin + size);
    return address;
  }
  uint64_t add(const std::string& text) { return add(text.c_str(), text.size() + 1); }
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  uint64_t base_;
  std::vector<std::byte> bytes_;
};

uint64_t page_up(uint64_t value) { return (value + 4095) & ~uint64_t{4095}; }

class CallList {
 public:
  explicit CallList(Parcel& parcel) : parcel_(parcel) {}

  void open(int fd, int flags, std::string what) {
    uint64_t path = parcel_.add(fmt::format("/proc/{}/fd/{}", ::getpid(), fd));
    add({SYS_openat,
         {static_cast<uint64_t>(AT_FDCWD), path, static_cast<uint64_t>(flags | O_CLOEXEC)},
         kKeepFd},
        "opening " + std::move(what));
  }
  void close() { add({SYS_close, {}, kUseFdFirst}, "close"); }
  void map(uint64_t address, uint64_t size, int protection, int flags,
           std::optional<uint64_t> file_offset, std::string what) {
    bool file = file_offset.has_value();
    flags |= MAP_FIXED_NOREPLACE | (file ? 0 : MAP_ANONYMOUS);
    add({SYS_mmap,
         {address, size, static_cast<uint64_t>(protection), static_cast<uint64_t>(flags),
          file ? 0 : ~uint64_t{0}, file_offset.value_or(0)},
         file ? kUseFdFifth : 0},
        "mapping " + std::move(what));
  }
  void finish(uint64_t entry, uint64_t argument) {
    add({~uint64_t{0}, {entry, argument}, 0}, "starting the agent");
  }

  uint64_t place() { return parcel_.add(calls_.data(), calls_.size() * sizeof(Call)); }
  [[nodiscard]] size_t size() const { return calls_.size(); }
  [[nodiscard]] const std::string& what(size_t index) const { return what_[index]; }

 private:
  void add(Call call, std::string what) {
    calls_.push_back(call);
    what_.push_back(std::move(what));
  }
  Parcel& parcel_;
  std::vector<Call> calls_;
  std::vector<std::string> what_;
};

void list_calls(CallList& calls, const InjectSpec& spec) {
  using namespace hive;
  calls.open(spec.agent->file.get(), O_RDONLY, "the agent");
  for (const auto& segment : spec.agent->segments) {
    uint64_t file_pages = page_up(segment.file_size);
    if (file_pages != 0) {
      calls.map(segment.address, file_pages, segment.protection, MAP_PRIVATE, segment.file_offset,
                "the agent");
    }
    if (page_up(segment.memory_size) > file_pages) {
      calls.map(segment.address + file_pages, page_up(segment.memory_size) - file_pages,
                segment.protection, MAP_PRIVATE, std::nullopt, "the agent's data");
    }
  }
  calls.close();
  calls.open(spec.control_fd, O_RDONLY, "the control segment");
  calls.map(kControl, kControlSize, PROT_READ, MAP_SHARED, 0, "the control segment");
  calls.close();
  calls.open(spec.code_fd, O_RDONLY, "the code segment");
  calls.map(kCode, kCodeSize, PROT_READ | PROT_EXEC, MAP_SHARED, 0, "the code segment");
  calls.close();
  calls.open(spec.data_fd, O_RDWR, "the data segment");
  calls.map(kData, spec.data_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, 0,
            "the data segment");
  calls.close();
  calls.map(kProcessPage, kProcessPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE, std::nullopt,
            "the process page");
}

Result<> write_all(int memory, uint64_t address, const void* bytes, size_t size) {
  const auto* from = static_cast<const std::byte*>(bytes);
  while (size != 0) {
    ssize_t wrote = ::pwrite(memory, from, size, static_cast<off_t>(address));
    if (wrote <= 0)
      return fail_errno(wrote == 0 ? EIO : errno, "writing {} bytes at {:#x}", size, address);
    from += wrote;
    address += static_cast<uint64_t>(wrote);
    size -= static_cast<size_t>(wrote);
  }
  return {};
}

Result<> read_all(int memory, uint64_t address, void* bytes, size_t size) {
  ssize_t got = ::pread(memory, bytes, size, static_cast<off_t>(address));
  if (got != static_cast<ssize_t>(size))
    return fail_errno(got < 0 ? errno : EIO, "reading {} bytes at {:#x}", size, address);
  return {};
}

// Runs the tracee until it stops by SIGTRAP. Signals can't come (all are blocked), so any other
// stop is news.
Result<> run_to_trap(pid_t tid) {
  if (::ptrace(PTRACE_CONT, tid, nullptr, nullptr) != 0) return fail_errno(errno, "PTRACE_CONT");
  for (;;) {
    int status = 0;
    pid_t got = ::waitpid(tid, &status, __WALL);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "waitpid");
    if (WIFEXITED(status) || WIFSIGNALED(status))
      return fail(ECHILD, "the process ended while the agent was put in");
    if (!WIFSTOPPED(status)) continue;
    if (WSTOPSIG(status) == SIGTRAP && (status >> 16) == 0) return {};
    if (status >> 16 == 0)
      return fail(EIO, "the process stopped by signal {}, expected SIGTRAP", WSTOPSIG(status));
    if (::ptrace(PTRACE_CONT, tid, nullptr, nullptr) != 0) return fail_errno(errno, "PTRACE_CONT");
  }
}

}  // namespace

Result<AgentImage> open_agent(const std::string& path) {
  AgentImage image;
  SKEP_TRY(file, open_file(path, O_RDONLY));
  Elf64_Ehdr header{};
  if (::pread(file.get(), &header, sizeof header, 0) != sizeof header ||
      std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_type != ET_EXEC ||
      header.e_machine != EM_X86_64 || header.e_phentsize != sizeof(Elf64_Phdr) ||
      header.e_phnum > 16) {
    return fail(ENOEXEC, "{}: expected skep's agent, a fixed-address x86-64 ELF executable", path);
  }
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    if (::pread(file.get(), &segment, sizeof segment,
                static_cast<off_t>(header.e_phoff + i * sizeof segment)) != sizeof segment)
      return fail(ENOEXEC, "{}: truncated", path);
    if (segment.p_type != PT_LOAD || segment.p_memsz == 0) continue;
    if (segment.p_vaddr < hive::kAgentImage || segment.p_memsz > hive::kAgentImageSize ||
        segment.p_vaddr - hive::kAgentImage > hive::kAgentImageSize - segment.p_memsz ||
        segment.p_vaddr % 4096 != 0 || segment.p_offset % 4096 != 0 ||
        segment.p_filesz > segment.p_memsz)
      return fail(ENOEXEC, "{}: a segment at {:#x} outside of the agent's range", path,
                  segment.p_vaddr);
    int protection = ((segment.p_flags & PF_R) != 0 ? PROT_READ : 0) |
                     ((segment.p_flags & PF_W) != 0 ? PROT_WRITE : 0) |
                     ((segment.p_flags & PF_X) != 0 ? PROT_EXEC : 0);
    image.segments.push_back({.address = segment.p_vaddr,
                              .memory_size = segment.p_memsz,
                              .file_offset = segment.p_offset,
                              .file_size = segment.p_filesz,
                              .protection = protection});
  }
  image.entry = header.e_entry;
  image.file = std::move(file);
  return image;
}

std::string default_agent_path() {
  auto directory_of = [](std::string file) {
    const size_t slash = file.find_last_of('/');
    file.resize(slash == std::string::npos ? 0 : slash);
    return file;
  };
  if (const char* said = ::secure_getenv("SKEP_AGENT"); said != nullptr && *said != '\0')
    return said;
  char self[4096];
  const ssize_t size = ::readlink("/proc/self/exe", self, sizeof self - 1);
  const std::string program =
      directory_of(std::string(self, size > 0 ? static_cast<size_t>(size) : 0));
  // Beside skep as it was built, or where it is installed; beside libskep.so, for programs that are elsewhere.
  std::vector<std::string> places{program + "/skep-agent", program + "/../lib/skep/skep-agent"};
  Dl_info library{};
  if (::dladdr(reinterpret_cast<const void*>(&default_agent_path), &library) != 0 &&
      library.dli_fname != nullptr) {
    const std::string beside = directory_of(library.dli_fname);
    places.push_back(beside + "/skep/skep-agent");
    places.push_back(beside + "/../skep/skep-agent");  // lib/ARCHITECTURE
  }
  places.emplace_back(SKEP_INSTALLED_AGENT);
  for (const std::string& place : places)
    if (::access(place.c_str(), R_OK) == 0) return place;
  return places[1];
}

Result<> inject(pid_t tid, const InjectSpec& spec) {
  user_regs_struct saved{};
  if (::ptrace(PTRACE_GETREGS, tid, nullptr, &saved) != 0)
    return fail_errno(errno, "PTRACE_GETREGS of {}", tid);
  if (saved.cs != 0x33) return fail(ENOEXEC, "process {} runs no 64-bit code", tid);
  uint64_t mask = 0;
  if (::ptrace(PTRACE_GETSIGMASK, tid, reinterpret_cast<void*>(sizeof mask), &mask) != 0)
    return fail_errno(errno, "PTRACE_GETSIGMASK of {}", tid);
  SKEP_TRY(memory, open_file(fmt::format("/proc/{}/mem", tid), O_RDWR));

  // Above the parcel the initial stack (argc …) stays as it is; below it the bootstrap and the
  // agent's start run.
  Parcel parcel(((saved.rsp - 8192) & ~uint64_t{63}));
  CallList calls(parcel);
  list_calls(calls, spec);
  AgentInit init{.magic = kAgentMagic,
                 .initial_rsp = saved.rsp,
                 .entry = saved.rip,
                 .signal_mask = mask,
                 .controller_pid = static_cast<uint32_t>(::getpid()),
                 .flags = 0,
                 .result = 0};
  calls.finish(spec.agent->entry, parcel.add(&init, sizeof init));
  uint64_t list = calls.place();
  if (parcel.bytes().size() > 8192 - 256)
    return fail(E2BIG, "the list of {} calls does not fit", calls.size());

  size_t code_size = static_cast<size_t>(skep_bootstrap_end - skep_bootstrap_begin);
  std::vector<std::byte> original(code_size);
  std::vector<std::byte> stack(parcel.bytes().size());
  uint64_t parcel_base = (saved.rsp - 8192) & ~uint64_t{63};
  SKEP_CHECK(read_all(memory.get(), saved.rip, original.data(), original.size()));
  SKEP_CHECK(write_all(memory.get(), parcel_base, parcel.bytes().data(), parcel.bytes().size()));
  SKEP_CHECK(write_all(memory.get(), saved.rip, skep_bootstrap_begin, code_size));

  user_regs_struct regs = saved;
  regs.rbx = list;
  regs.r12 = ~uint64_t{0};
  regs.rsp = parcel_base - 64;
  regs.orig_rax = ~uint64_t{0};
  uint64_t blocked = ~kAgentSignals;
  Result<> outcome;
  if (::ptrace(PTRACE_SETSIGMASK, tid, reinterpret_cast<void*>(sizeof blocked), &blocked) != 0 ||
      ::ptrace(PTRACE_SETREGS, tid, nullptr, &regs) != 0) {
    outcome = fail_errno(errno, "preparing process {}", tid);
  } else {
    outcome = run_to_trap(tid);
  }
  bool injected = false;
  if (outcome) {
    if (::ptrace(PTRACE_GETREGS, tid, nullptr, &regs) != 0)
      return fail_errno(errno, "PTRACE_GETREGS of {}", tid);
    size_t index = regs.rbx >= list ? (regs.rbx - list) / sizeof(Call) : calls.size();
    auto result = static_cast<int64_t>(regs.rax);
    if (index >= calls.size())
      outcome = fail(EIO, "the bootstrap went astray (rbx {:#x})", static_cast<uint64_t>(regs.rbx));
    else if (result < 0 && result >= -4095)
      outcome = fail_errno(static_cast<int>(-result), "{}", calls.what(index));
    else
      injected = true;
  } else if (outcome.error().code() == ECHILD) {
    return fail(outcome);
  }
  // Put everything back; where the agent is in, its own signals stay deliverable.
  std::memset(stack.data(), 0, stack.size());
  SKEP_CHECK(write_all(memory.get(), parcel_base, stack.data(), stack.size()));
  SKEP_CHECK(write_all(memory.get(), saved.rip, original.data(), original.size()));
  if (injected) {
    mask &= ~kAgentSignals;
    saved.gs_base = regs.gs_base;  // the agent's thread record
  }
  saved.orig_rax = ~uint64_t{0};
  if (::ptrace(PTRACE_SETREGS, tid, nullptr, &saved) != 0)
    return fail_errno(errno, "PTRACE_SETREGS of {}", tid);
  if (::ptrace(PTRACE_SETSIGMASK, tid, reinterpret_cast<void*>(sizeof mask), &mask) != 0)
    return fail_errno(errno, "PTRACE_SETSIGMASK of {}", tid);
  if (!outcome) return fail(outcome, "putting the agent into process {}", tid);
  return {};
}

}  // namespace skep::hooks
