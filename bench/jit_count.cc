#include "jit_count.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(SKEP_CALLGRIND)
#include <valgrind/callgrind.h>
#endif

#include <cstdlib>
#include <filesystem>
#include <fstream>

extern char** environ;

namespace skep::bench {

namespace fs = std::filesystem;

namespace {

constexpr uint32_t kFew = 1, kMany = 11;

// "desc: Trigger: Client Request: NAME TIMES" and "totals: N" of each dump.
Result<std::map<std::string, double>> read_dumps(const fs::path& directory) {
  std::map<std::string, std::map<uint32_t, double>> totals;
  for (const auto& entry : fs::directory_iterator(directory)) {
    std::ifstream in(entry.path());
    std::string name;
    uint32_t times = 0;
    for (std::string line; std::getline(in, line);) {
      constexpr std::string_view kTrigger = "desc: Trigger: Client Request: ", kTotals = "totals: ";
      if (line.starts_with(kTrigger)) {
        std::string rest = line.substr(kTrigger.size());
        const size_t space = rest.find(' ');
        if (space == std::string::npos) continue;
        name = rest.substr(0, space);
        times = static_cast<uint32_t>(std::strtoul(rest.c_str() + space, nullptr, 10));
      } else if (line.starts_with(kTotals) && !name.empty()) {
        totals[name][times] = std::strtod(line.c_str() + kTotals.size(), nullptr);
      }
    }
  }
  std::map<std::string, double> found;
  for (auto& [name, by_times] : totals)
    if (by_times.contains(kFew) && by_times.contains(kMany))
      found[name] = (by_times[kMany] - by_times[kFew]) / (kMany - kFew);
  if (found.empty()) return fail(EIO, "callgrind counted nothing");
  return found;
}

}  // namespace

Result<std::map<std::string, double>> count_instructions(const std::string& directory,
                                                         const std::string& name) {
  std::string scratch = (fs::temp_directory_path() / "skep-bench-XXXXXX").string();
  if (::mkdtemp(scratch.data()) == nullptr) return fail_errno(errno, "{}", scratch);
  const std::string out = "--callgrind-out-file=" + scratch + "/out";
  const std::string self = fs::read_symlink("/proc/self/exe").string();
  const char* argv[] = {"valgrind",           "--tool=callgrind",
                        "--instr-atstart=no", "-q",
                        out.c_str(),          self.c_str(),
                        directory.c_str(),    "--count",
                        name.c_str(),         nullptr};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  pid_t child = -1;
  const int error =
      ::posix_spawnp(&child, argv[0], &actions, nullptr, const_cast<char**>(argv), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  if (error == 0)
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
  auto found = read_dumps(scratch);
  std::error_code ignored;
  fs::remove_all(scratch, ignored);
  if (error != 0) return fail_errno(error, "valgrind (Debian: valgrind)");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return fail(EIO, "{} under valgrind failed", name);
  return found;
}

Result<> run_counted([[maybe_unused]] Subject& subject) {
#if defined(SKEP_CALLGRIND)
  for (Engine& engine : subject.engines()) {
    if (engine.name == "kernel" || engine.name == "interpreter") continue;
    SKEP_CHECK(engine.reset());
    SKEP_TRY(warm, engine.run(kFew));
    static_cast<void>(warm);
    for (uint32_t times : {kFew, kMany}) {
      CALLGRIND_START_INSTRUMENTATION;
      CALLGRIND_ZERO_STATS;
      auto done = engine.run(times);
      const std::string text = engine.name + " " + std::to_string(times);
      CALLGRIND_DUMP_STATS_AT(text.c_str());
      CALLGRIND_STOP_INSTRUMENTATION;
      if (!done) return fail(done);
    }
  }
  return {};
#else
  return fail(ENOSYS, "built without valgrind's headers");
#endif
}

}  // namespace skep::bench
