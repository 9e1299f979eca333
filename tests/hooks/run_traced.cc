// run_traced [--count] [--no-patch] [--quiet] [--detach-after=MS] -- COMMAND…: COMMAND under a session, its exit status passed
// on. For tests and for trying things by hand. --count runs a native "program" on every system
// call's enter and exit.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "hooks/inject.h"
#include "hooks_fixture.h"

using namespace skep;
using namespace skep::hooks;

int main(int argc, char** argv) {
  SessionOptions options;
  bool count = false, quiet = false;
  int detach_after = -1;  // ms
  int first = 1;
  for (; first < argc && argv[first][0] == '-'; ++first) {
    if (std::strcmp(argv[first], "--") == 0) {
      ++first;
      break;
    }
    count |= std::strcmp(argv[first], "--count") == 0;
    quiet |= std::strcmp(argv[first], "--quiet") == 0;
    if (std::strncmp(argv[first], "--detach-after=", 15) == 0)
      detach_after = std::atoi(argv[first] + 15);
    if (std::strcmp(argv[first], "--no-patch") == 0) options.patch_sites = false;
  }
  auto hive = Hive::create(
      {.name = "run_traced", .data_size = uint64_t{64} << 20, .publish_session = false});
  if (!hive) return std::fprintf(stderr, "hive: %s\n", hive.error().text().c_str()), 125;
  auto session = Session::create(**hive, options);
  if (!session) return std::fprintf(stderr, "session: %s\n", session.error().text().c_str()), 125;
  tests::NativeProgram counter;
  if (count) {
    auto made = tests::counting_program(**hive);
    if (!made) return std::fprintf(stderr, "program: %s\n", made.error().text().c_str()), 125;
    counter = *made;
    auto enter = (*session)->attach_all_syscalls(SyscallPoint::kEnter, counter.header);
    auto exit = (*session)->attach_all_syscalls(SyscallPoint::kExit, counter.header);
    if (!enter || !exit) return 125;
  }
  auto pid = (*session)->launch({.argv = {argv + first, argv + argc}, .env = std::nullopt});
  if (!pid) return std::fprintf(stderr, "launch: %s\n", pid.error().text().c_str()), 126;
  if (detach_after >= 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(detach_after));
    auto left = (*session)->detach_all(std::chrono::milliseconds(3000));
    if (!left) return 125;
    if (!quiet) std::fprintf(stderr, "run_traced: detached; %zu processes left\n", left->size());
  }
  while (!(*session)->exit_status()) {
    (*session)->wait(std::chrono::milliseconds(1000));
    for (const auto& event : (*session)->step()) {
      if (!event.text.empty() && !quiet)
        std::fprintf(stderr, "run_traced: %s\n", event.text.c_str());
    }
  }
  if (count && !quiet)
    std::fprintf(stderr, "run_traced: %llu runs\n",
                 static_cast<unsigned long long>(*counter.counter));
  return *(*session)->exit_status();
}
