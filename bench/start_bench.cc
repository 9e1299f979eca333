// ./dev bench start: from the command's exec to the first instruction of COMMAND's main, which runs under observation
// by then: every attachment was made before it.
//
//   start_bench [--quick] [--json] [--write FILE] SKEP EXAMPLES
//
// COMMAND is this program with --stamp: it prints CLOCK_MONOTONIC and ends. Rows are run in turns, so that whatever
// else the machine does meets all of them; medians and quartiles of wall-clock time.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "arguments.h"
#include "base/fd.h"
#include "section.h"

namespace {

using namespace skep;
namespace fs = std::filesystem;

double now_ms() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

constexpr const char* kMark = "stamp ";

// What lies between exec of `arguments` and the stamp in its output; negative where there was none.
double run(const std::vector<std::string>& arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return -1;
  Fd reader(ends[0]), writer(ends[1]);
  std::vector<char*> pointers;
  for (const std::string& argument : arguments)
    pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  const double begin = now_ms();
  const pid_t pid = ::fork();
  if (pid < 0) return -1;
  if (pid == 0) {
    ::dup2(writer.get(), STDOUT_FILENO);
    if (int null = ::open("/dev/null", O_WRONLY); null >= 0) ::dup2(null, STDERR_FILENO);
    ::execvp(pointers[0], pointers.data());
    ::_exit(127);
  }
  writer.reset();
  std::string output;
  char buffer[4096];
  for (ssize_t got; (got = ::read(reader.get(), buffer, sizeof buffer)) > 0;)
    output.append(buffer, static_cast<size_t>(got));
  int status = 0;
  ::waitpid(pid, &status, 0);
  const size_t mark = output.find(kMark);
  if (mark == output.npos) return -1;
  return std::strtod(output.c_str() + mark + std::strlen(kMark), nullptr) - begin;
}

struct Row {
  std::string key, what;
  std::vector<std::string> arguments;
  std::function<void()> before = [] {};
  std::string cache = {};  // XDG_CACHE_HOME, where it is not that of all rows
  std::vector<double> times;

  [[nodiscard]] double quantile(double part) const {
    if (times.empty()) return -1;
    return times[std::min(times.size() - 1,
                          static_cast<size_t>(part * static_cast<double>(times.size())))];
  }
};

bool in_path(const std::string& name) {
  const char* path = std::getenv("PATH");
  for (std::string_view rest = path == nullptr ? "" : path; !rest.empty();) {
    const size_t colon = rest.find(':');
    if (fs::exists(fs::path(rest.substr(0, colon)) / name)) return true;
    rest = colon == rest.npos ? std::string_view{} : rest.substr(colon + 1);
  }
  return false;
}

std::vector<Row> make_rows(const std::string& skep, const fs::path& examples, const fs::path& cache,
                           const std::string& self) {
  const std::string source = examples / "opensnoop.bpf.c";
  const std::string object = cache / "opensnoop.bpf.o";
  std::system(fmt::format("'{}' compile '{}' -o '{}' >/dev/null", skep, source, object).c_str());
  const fs::path cold = cache / "cold";
  const std::vector<std::string> command = {"--", self, "--stamp"};
  auto with = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), command.begin(), command.end());
    return arguments;
  };
  const std::string program = "tracepoint:syscalls:sys_enter_openat { @[comm] = count(); }";
  std::vector<Row> rows;
  rows.push_back({"bare", "COMMAND alone", {self, "--stamp"}});
  rows.push_back({"object", "`skep run opensnoop.bpf.o`", with({skep, "run", object})});
  rows.push_back(
      {"cached", "`skep run opensnoop.bpf.c`, compiled before", with({skep, "run", source})});
  rows.push_back({"cold", "`skep run opensnoop.bpf.c`, nothing cached", with({skep, "run", source}),
                  [cold] { fs::remove_all(cold / "skep"); }});
  rows.back().cache = cold;
  rows.push_back({"trace", "`skep trace` of one counting line", with({skep, "trace", program})});
  // Uprobes, which the kernel's engine opens for COMMAND alone.
  const std::string uprobes = examples / "funclatency.bpf.c";
  for (const char* engine : {"user", "kernel"})
    rows.push_back(
        {std::string("uprobes_") + engine,
         fmt::format("`skep run --engine {} funclatency.bpf.c`, compiled before", engine),
         with({skep, "run", "--engine", engine, uprobes, "--function", "libc.so.6:malloc"})});
  if (in_path("bpftrace"))
    rows.push_back({"bpftrace",
                    "`bpftrace -c` of the same line",
                    {"bpftrace", "-e", program, "-c", self + " --stamp"}});
  return rows;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "--stamp") == 0) {
    fmt::print("{}{:.6f}\n", kMark, now_ms());
    return 0;
  }
  const bench::Arguments arguments = bench::read_arguments(argc, argv);
  const bool quick = arguments.quick, json = arguments.json;
  const std::string page = arguments.value("--write");
  const std::vector<std::string>& names = arguments.rest;
  if (names.size() != 2) {
    fmt::print(stderr, "usage: start_bench [--quick] [--json] [--write FILE] SKEP EXAMPLES\n");
    return 2;
  }
  std::string cache = fs::temp_directory_path() / "skep-start-bench-XXXXXX";
  if (::mkdtemp(cache.data()) == nullptr) return 1;
  ::setenv("XDG_CACHE_HOME", cache.c_str(), 1);
  std::vector<Row> rows = make_rows(fs::absolute(names[0]), fs::absolute(names[1]), cache,
                                    fs::read_symlink("/proc/self/exe"));
  for (int round = 0; round < (quick ? 7 : 31); ++round) {
    for (Row& row : rows) {
      row.before();
      ::setenv("XDG_CACHE_HOME", row.cache.empty() ? cache.c_str() : row.cache.c_str(), 1);
      if (double time = run(row.arguments); time >= 0) row.times.push_back(time);
    }
  }
  std::error_code ignored;
  fs::remove_all(cache, ignored);
  std::string text = "| what | median, ms | quartiles |\n|---|---|---|\n", object = "{";
  for (Row& row : rows) {
    std::ranges::sort(row.times);
    if (row.times.empty()) {
      text += fmt::format("| {} | did not run here | |\n", row.what);
      continue;
    }
    text += fmt::format("| {} | {:.1f} | {:.1f}–{:.1f} |\n", row.what, row.quantile(0.5),
                        row.quantile(0.25), row.quantile(0.75));
    object +=
        fmt::format("{}\"{}_ms\":{:.2f}", object.size() > 1 ? "," : "", row.key, row.quantile(0.5));
  }
  if (json) {
    fmt::print("{}}}\n", object);
  } else {
    fmt::print("{}", text);
  }
  if (!page.empty())
    bench::write_section(page, "start", "Start",
                         "`./dev bench start`: from the command's exec to the first instruction of "
                         "COMMAND's main, under observation.\n\n" +
                             text);
  return 0;
}
