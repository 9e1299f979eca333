// What a hook costs the traced program: nanoseconds over the bare call, with skep's user engine and, in
// the same run, with the kernel's own uprobes and tracepoints where bpf(2) is allowed.
//
//   hooks_bench [--quick] [--json] [--write docs/benchmarks.md]
//
// The program measures itself in children: bare, under a Session (native programs that return at once), and
// with kernel programs that it attaches to itself. A figure is the median
// of several rounds, each the best of many short bursts: other work on the machine lengthens some
// bursts, never shortens one.
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "base/fd.h"
#include "engine/bpf_attr.h"
#include "hooks/elf_symbols.h"
#include "hooks/uprobe_table.h"
#include "hooks_fixture.h"
#include "isa/builder.h"

using namespace skep;
using namespace skep::hooks;

// What is probed: a prologue as compilers make them.
extern "C" __attribute__((noinline, noclone, used, visibility("default"))) int hooks_bench_function(
    int a) {
  asm volatile("push %%rbp; mov %%rsp, %%rbp; sub $16, %%rsp; leave" ::: "memory");
  return a + 1;
}

namespace {

uint64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

double best_of_bursts(bool quick, int calls, const std::function<void(int)>& burst) {
  double best = 1e18;
  uint64_t end = now() + (quick ? 60'000'000 : 400'000'000);
  do {
    uint64_t start = now();
    burst(calls);
    best = std::min(best, static_cast<double>(now() - start) / calls);
  } while (now() < end);
  return best;
}

double measure_function(bool quick) {
  return best_of_bursts(quick, 5000, [](int calls) {
    int value = 0;
    for (int i = 0; i < calls; ++i) value = hooks_bench_function(value);
    asm volatile("" ::"r"(value));
  });
}
double measure_call(bool quick) {
  return best_of_bursts(quick, 2000, [](int calls) {
    for (int i = 0; i < calls; ++i) ::getppid();
  });
}

// ---- the kernel's engine ----

int64_t bpf(engine::Cmd cmd, void* attr, size_t size) {
  int64_t result = ::syscall(SYS_bpf, static_cast<int>(cmd), attr, size);
  return result < 0 ? -errno : result;
}

// `return 0`: nothing to filter by pid, though a tracepoint's program also runs for other tasks.
int load_kernel_program(uint32_t type) {
  using namespace isa::macros;
  const Insn code[] = {BPF_MOV64_IMM(BPF_REG_0, 0), BPF_EXIT_INSN()};
  engine::ProgLoadAttr attr;
  attr.prog_type = type;
  attr.insn_cnt = std::size(code);
  attr.insns = reinterpret_cast<uint64_t>(code);
  attr.license = reinterpret_cast<uint64_t>("GPL");
  return static_cast<int>(bpf(engine::Cmd::BPF_PROG_LOAD, &attr, sizeof attr));
}

std::string attach_kernel(uint32_t prog_type, perf_event_attr event) {
  int program = load_kernel_program(prog_type);
  if (program < 0) return fmt::format("BPF_PROG_LOAD: {}", errno_text(-program));
  event.size = sizeof event;
  auto fd =
      static_cast<int>(::syscall(SYS_perf_event_open, &event, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
  if (fd < 0) return fmt::format("perf_event_open: {}", errno_text(errno));
  if (::ioctl(fd, PERF_EVENT_IOC_SET_BPF, program) != 0) return errno_text(errno);
  if (::ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) != 0) return errno_text(errno);
  return {};
}

Result<uint64_t> file_offset_of_function() {
  SKEP_TRY(image, ElfImage::open("/proc/self/exe"));
  SKEP_TRY(place, find_place(image, "/proc/self/exe", {"self", "hooks_bench_function", 0}));
  return place.file_offset;
}

uint64_t number_in(const std::string& path, uint64_t otherwise) {
  auto bytes = read_file(path);
  if (!bytes) return otherwise;
  bytes->push_back(std::byte{0});
  return std::strtoull(reinterpret_cast<const char*>(bytes->data()), nullptr, 10);
}

constexpr uint32_t kKprobe = 2, kTracepoint = 5;  // BPF_PROG_TYPE_*

std::string attach_kernel_uprobe(bool on_return) {
  static char path[4096];
  if (::readlink("/proc/self/exe", path, sizeof path - 1) < 0) return errno_text(errno);
  auto offset = file_offset_of_function();
  if (!offset) return offset.error().text();
  perf_event_attr event{};
  event.type = static_cast<uint32_t>(number_in("/sys/bus/event_source/devices/uprobe/type", 0));
  if (event.type == 0) return "no perf unit named uprobe";
  event.config = on_return ? 1 : 0;
  event.config1 = reinterpret_cast<uint64_t>(path);
  event.config2 = *offset;
  return attach_kernel(kKprobe, event);
}

std::string attach_kernel_tracepoints(const char* call) {
  if (::unshare(CLONE_NEWNS) != 0) return errno_text(errno);
  ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  if (::mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, nullptr) != 0)
    return fmt::format("mounting tracefs: {}", errno_text(errno));
  for (const char* side : {"sys_enter_", "sys_exit_"}) {
    perf_event_attr event{};
    event.type = PERF_TYPE_TRACEPOINT;
    event.config =
        number_in(fmt::format("/sys/kernel/tracing/events/syscalls/{}{}/id", side, call), 0);
    event.sample_period = 1;
    if (event.config == 0) return fmt::format("no tracepoint {}{}", side, call);
    std::string why = attach_kernel(kTracepoint, event);
    if (!why.empty()) return why;
  }
  return {};
}

// ---- cases ----

struct Case {
  const char* name;
  bool call;      // measures a system call, not a function
  double budget;  // ns over bare
  const char* described;
};
constexpr Case kCases[] = {
    {"uprobe", false, 60, "empty program on a function's entry"},
    {"uprobe+uretprobe", false, 100, "empty programs on its entry and its return"},
    {"syscall enter+exit", true, 60, "empty programs on a system call's enter and exit"},
    {"syscall, not traced", true, 0, "a traced program's call that no program is attached to"},
};

// In a child: measures and prints the figure, or "!" and why there is none.
int child(int which, const char* engine, bool quick) {
  const Case& test = kCases[which];
  if (std::strcmp(engine, "kernel") == 0) {
    std::string why;
    if (which == 0) why = attach_kernel_uprobe(false);
    if (which == 1) {
      why = attach_kernel_uprobe(false);
      if (why.empty()) why = attach_kernel_uprobe(true);
    }
    if (which == 2) why = attach_kernel_tracepoints("getppid");
    if (which == 3) why = attach_kernel_tracepoints("setns");
    if (!why.empty()) {
      std::printf("!%s\n", why.c_str());
      return 0;
    }
  }
  std::printf("%.3f\n", test.call ? measure_call(quick) : measure_function(quick));
  return 0;
}

std::vector<std::string> child_command(int which, const char* engine, bool quick) {
  char path[4096] = {};
  if (::readlink("/proc/self/exe", path, sizeof path - 1) < 0) return {};
  return {path, "--child", std::to_string(which), engine, quick ? "quick" : "full"};
}

struct Figure {
  double ns = 0;
  std::string why_not;
};
Figure read_figure(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  if (text.empty()) return {0, "the child printed nothing"};
  if (text[0] == '!') return {0, text.substr(1)};
  return {std::strtod(text.c_str(), nullptr), {}};
}

Figure run_child(int which, const char* engine, bool quick) {
  std::string command;
  for (const std::string& word : child_command(which, engine, quick)) command += word + " ";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return {0, errno_text(errno)};
  char text[512] = {};
  size_t size = std::fread(text, 1, sizeof text - 1, pipe);
  ::pclose(pipe);
  return read_figure({text, size});
}

// Under a Session; the child's output goes through a file.
Figure run_traced(int which, bool quick) {
  auto failed = [](const Error& error) { return Figure{0, error.text()}; };
  auto hive =
      Hive::create({.name = "bench", .data_size = uint64_t{16} << 20, .publish_session = false});
  if (!hive) return failed(hive.error());
  auto session = Session::create(**hive, {});
  if (!session) return failed(session.error());
  auto table = UprobeTable::create(**hive);
  if (!table) return failed(table.error());
  auto program = tests::native_program(**hive, {0x31, 0xc0, 0xc3}, nullptr);
  if (!program) return failed(program.error());
  auto command = child_command(which, "traced", quick);
  constexpr uint32_t kGetppid = 110, kSetns = 308;
  if (!kCases[which].call) {
    auto offset = file_offset_of_function();
    if (!offset) return failed(offset.error());
    UprobeSpec spec;
    spec.path = command[0];
    spec.file_offset = *offset;
    spec.program = program->header;
    auto entry = (*table)->attach(spec);
    if (!entry) return failed(entry.error());
    if (which == 1) {
      spec.when = kOnReturn;
      auto exit = (*table)->attach(spec);
      if (!exit) return failed(exit.error());
    }
  } else {
    uint32_t nr = which == 2 ? kGetppid : kSetns;
    for (SyscallPoint point : {SyscallPoint::kEnter, SyscallPoint::kExit}) {
      auto attached = (*session)->attach_syscall(nr, point, program->header);
      if (!attached) return failed(attached.error());
    }
  }
  std::string out = fmt::format("/tmp/skep-bench-{}", ::getpid());
  std::string line = "exec ";
  for (const std::string& word : command) line += word + " ";
  line += ">" + out;
  auto pid = (*session)->launch({.argv = {"/bin/sh", "-c", line}, .env = std::nullopt});
  if (!pid) return failed(pid.error());
  while (!(*session)->exit_status()) {
    (*session)->wait(std::chrono::milliseconds(1000));
    (*session)->step();
  }
  auto bytes = read_file(out);
  ::unlink(out.c_str());
  if (!bytes) return failed(bytes.error());
  return read_figure({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
}

Figure median(std::vector<Figure> figures) {
  for (const Figure& figure : figures)
    if (!figure.why_not.empty()) return figure;
  std::ranges::sort(figures, {}, &Figure::ns);
  return figures[figures.size() / 2];
}

// Puts `text` between this bench's marks in `path`, at its end where they are missing.
Result<> write_section(const std::string& path, const std::string& text) {
  constexpr std::string_view kBegin = "<!-- bench hooks: begin -->\n",
                             kEnd = "<!-- bench hooks: end -->\n";
  std::string whole;
  if (auto bytes = read_file(path))
    whole.assign(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  std::string section = fmt::format("{}{}{}", kBegin, text, kEnd);
  size_t begin = whole.find(kBegin), end = whole.find(kEnd);
  if (begin != whole.npos && end != whole.npos && end > begin)
    whole.replace(begin, end + kEnd.size() - begin, section);
  else
    whole += (whole.empty() ? "# Benchmarks\n\n" : "\n") + section;
  return write_file(path, bytes_of(whole));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 5 && std::strcmp(argv[1], "--child") == 0)
    return child(std::atoi(argv[2]), argv[3], std::strcmp(argv[4], "quick") == 0);
  bool quick = false, json = false;
  std::string write;
  for (int i = 1; i < argc; ++i) {
    quick |= std::strcmp(argv[i], "--quick") == 0;
    json |= std::strcmp(argv[i], "--json") == 0;
    if (std::strcmp(argv[i], "--write") == 0 && i + 1 < argc) write = argv[++i];
  }
  const int rounds = quick ? 1 : 5;
  std::string page =
      "## Hooks\n\nNanoseconds over the bare call, best of many bursts, median of five rounds; "
      "programs "
      "that return at once. Kernel: the same hook by the kernel's own engine in the same run.\n\n"
      "| Hook | bare | skep | kernel | budget | skep / kernel |\n|---|---|---|---|---|---|\n";
  if (!json)
    fmt::print("{:<22} {:>9} {:>12} {:>12} {:>8} {:>9}\n", "hook", "bare ns", "skep +ns",
               "kernel +ns", "budget", "ratio");
  for (int which = 0; which < static_cast<int>(std::size(kCases)); ++which) {
    const Case& test = kCases[which];
    std::vector<Figure> bare, user, kernel;
    for (int round = 0; round < rounds; ++round) {  // by turns: the machine's moods are shared
      bare.push_back(run_child(which, "bare", quick));
      user.push_back(run_traced(which, quick));
      kernel.push_back(run_child(which, "kernel", quick));
    }
    Figure b = median(bare), u = median(user), k = median(kernel);
    if (!b.why_not.empty() || !u.why_not.empty()) {
      std::fprintf(stderr, "hooks_bench: %s: %s%s\n", test.name, b.why_not.c_str(),
                   u.why_not.c_str());
      return 1;
    }
    double ours = u.ns - b.ns, theirs = k.ns - b.ns;
    bool comparable = k.why_not.empty();
    std::string kernel_text = comparable ? fmt::format("{:.1f}", theirs) : json ? "null" : "-";
    std::string ratio = comparable && theirs > 0 ? fmt::format("{:.2f}", ours / theirs) : "-";
    std::string budget = test.budget > 0 ? fmt::format("{:.0f}", test.budget) : "-";
    if (json)
      fmt::print(
          "{{\"hook\":\"{}\",\"bare_ns\":{:.1f},\"skep_ns\":{:.1f},\"kernel_ns\":{},\"budget_ns\":{"
          ":.0f}}}\n",
          test.name, b.ns, ours, kernel_text, test.budget);
    else
      fmt::print("{:<22} {:>9.1f} {:>12.1f} {:>12} {:>8} {:>9}\n", test.name, b.ns, ours,
                 kernel_text, budget, ratio);
    if (!json && !comparable) fmt::print("    kernel: {}\n", k.why_not);
    page += fmt::format("| {}: {} | {:.1f} | {:.1f} | {} | {} | {} |\n", test.name, test.described,
                        b.ns, ours, comparable ? kernel_text : k.why_not, budget, ratio);
    std::fflush(stdout);
  }
  if (!write.empty()) {
    if (auto done = write_section(write, page); !done) {
      std::fprintf(stderr, "hooks_bench: %s\n", done.error().text().c_str());
      return 1;
    }
  }
  return 0;
}
