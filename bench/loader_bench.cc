// ./dev bench loader: what lies between an object and its first attachment, on the kernel engine, against another loader
// in the same run.
//
//   loader_bench [--quick] [--json] [--write FILE] [--peer COMMAND] DIR...
//
// COMMAND OBJECT COUNT opens and loads OBJECT COUNT times and prints "RESULT CPU_MS WALL_MS", means of one: a main()
// of three calls of libbpf. Processor time of the process, user and system: the kernel divides the two by its clock's
// ticks, which says nothing of calls this short. The verifier's part is in both, so that the ratio of what the loaders
// themselves cost is smaller than what is shown.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "arguments.h"
#include "base/fd.h"
#include "engine/kernel/kernel_engine.h"
#include "loader/loader.h"
#include "section.h"

namespace {

using namespace skep;

double cpu_ms() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  auto ms = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
  };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}
double wall_ms() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

struct Times {
  bool ok = false;
  double cpu = 0, wall = 0;
};

// Each load begins with nothing in memory: a new engine, which reads the kernel's BTF anew.
bool load_once(const std::string& path) {
  auto engine = engine::make_kernel_engine();
  if (!engine) return false;
  auto bytes = read_file(path);
  if (!bytes) return false;
  auto object = object::open_object(*bytes, path);
  if (!object) return false;
  return loader::Loader::load(**engine, std::make_unique<object::Object>(std::move(*object)), {})
      .has_value();
}

Times measure(const std::string& path, int count) {
  Times times;
  if (!load_once(path)) return times;
  const double cpu = cpu_ms(), wall = wall_ms();
  for (int i = 0; i < count; ++i) times.ok = load_once(path);
  times.cpu = (cpu_ms() - cpu) / count;
  times.wall = (wall_ms() - wall) / count;
  return times;
}

Times measure_peer(const std::string& command, const std::string& path, int count) {
  Times times;
  FILE* pipe = ::popen(fmt::format("'{}' '{}' {}", command, path, count).c_str(), "r");
  if (pipe == nullptr) return times;
  int result = -1;
  if (std::fscanf(pipe, "%d %lf %lf", &result, &times.cpu, &times.wall) == 3)
    times.ok = result == 0;
  ::pclose(pipe);
  return times;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[values.size() / 2];
}

template <class Work>
double median_of(int count, Work work) {
  std::vector<double> all;
  for (int i = 0; i < count; ++i) {
    const double before = wall_ms();
    work();
    all.push_back(wall_ms() - before);
  }
  return median(all);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::read_arguments(argc, argv);
  const bool quick = arguments.quick, json = arguments.json;
  const std::string peer = arguments.value("--peer"), page = arguments.value("--write");
  std::vector<std::string> objects;
  for (const std::string& directory : arguments.rest) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory, error))
      if (entry.path().extension() == ".o") objects.push_back(entry.path());
  }
  std::ranges::sort(objects);
  if (auto engine = engine::make_kernel_engine(); !engine) {
    fmt::print(stderr, "loader_bench: skipped: {}\n", engine.error().text());
    return 0;
  }
  const int count = quick ? 3 : 20;
  const double vmlinux = median_of(count, [] {
    auto engine = engine::make_kernel_engine();
    if (!(*engine)->vmlinux_btf()) std::abort();
  });
  const double lookup = median_of(count, [] {
    auto engine = engine::make_kernel_engine();
    auto btf = (*engine)->vmlinux_btf();
    if (!btf || !(*btf)->find("task_struct", btf::Kind::Struct)) std::abort();
  });
  std::vector<double> cpu_ratios, wall_ratios, ours;
  for (const std::string& path : objects) {
    const Times mine = measure(path, count);
    if (!mine.ok) continue;
    ours.push_back(mine.cpu);
    const Times other = peer.empty() ? Times{} : measure_peer(peer, path, count);
    if (!other.ok) continue;
    cpu_ratios.push_back(mine.cpu / std::max(other.cpu, 0.001));
    wall_ratios.push_back(mine.wall / std::max(other.wall, 0.001));
    if (!json)
      fmt::print("{:<28} cpu {:>7.2f} ms, peer {:>7.2f} ms; wall {:>7.2f}, {:>7.2f}\n",
                 std::filesystem::path(path).filename().string(), mine.cpu, other.cpu, mine.wall,
                 other.wall);
  }
  if (json) {
    fmt::print(
        "{{\"vmlinux_btf_ms\":{:.3f},\"vmlinux_first_lookup_ms\":{:.3f},\"objects\":{},"
        "\"cpu_ms\":{:.3f},\"cpu_ratio\":{:.3f},\"wall_ratio\":{:.3f}}}\n",
        vmlinux, lookup, ours.size(), median(ours), median(cpu_ratios), median(wall_ratios));
    return 0;
  }
  std::string text = fmt::format(
      "| what | value |\n|---|---|\n| vmlinux BTF read and checked | {:.2f} ms |\n| and the first "
      "lookup by name | "
      "{:.2f} ms |\n| {} objects opened and loaded in the kernel, median | {:.2f} ms of processor "
      "time |\n",
      vmlinux, lookup, ours.size(), median(ours));
  if (!cpu_ratios.empty())
    text += fmt::format(
        "| against libbpf, {} objects, median | {:.2f}x its processor time, {:.2f}x its time |\n",
        cpu_ratios.size(), median(cpu_ratios), median(wall_ratios));
  fmt::print("\n{}", text);
  if (!page.empty()) {
    bench::write_section(page, "loader", "Loader",
                         "`SKEP_BENCH_OBJECTS=DIR SKEP_BENCH_PEER=COMMAND ./dev bench loader`: "
                         "each load in a new engine, which reads the kernel's BTF anew.\n\n" +
                             text);
  }
  return 0;
}
