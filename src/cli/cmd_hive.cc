// skep hive: named hives, which outlive the processes that use them; skep shim: a command on one.
#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "cli/inspect.h"
#include "engine/user/client.h"
#include "engine/user/home.h"
#include "engine/user/server.h"

namespace skep::cli {
namespace {

struct Options {
  std::string hive, pin_root;
  bool background = false, while_used = false, json = false;
};

std::string name_of(const Options& options) {
  if (!options.hive.empty()) return options.hive;
  std::string named = engine::user::hive_from_environment();
  return named.empty() ? "default" : named;
}

// Keeps the hive until it is told to stop, or with while_used until nothing uses it for some seconds. `ready`
// is told once clients can connect.
int keep(const Options& options, int ready) {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::string name = name_of(options);
  auto home = engine::user::hive_home(name);
  if (!home) return report_failure(home.error(), kUsage);
  runtime::RuntimeOptions runtime;
  runtime.hive.name = name;
  runtime.hive.has_home = true;
  auto engine = engine::UserEngine::create(runtime, {}, {.pin_root = options.pin_root});
  if (!engine) return report_failure(engine.error(), exit_for(engine.error(), kSystem));
  auto server = engine::user::Server::create(**engine, *home);
  // Two that start at once: the other one keeps it.
  if (!server && server.error().code() == EBUSY && options.while_used) return kOk;
  if (!server) return report_failure(server.error(), exit_for(server.error(), kUnavailable));
  if (ready >= 0) {
    // Whoever waits for the end of our output must not wait for the hive's.
    int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0) ::dup2(null, STDERR_FILENO);
    char done = 0;
    (void)!::write(ready, &done, 1);
    ::close(ready);
  } else {
    print(fmt::format("hive {} is kept by process {}\n", name, ::getpid()));
    std::fflush(stdout);
  }
  constexpr int kIdleSeconds = 3;
  for (int idle = 0; idle < kIdleSeconds;) {
    timespec second{.tv_sec = 1, .tv_nsec = 0};
    if (::sigtimedwait(&signals, nullptr, &second) > 0) break;
    if (!options.while_used) continue;
    idle = (*server)->idle() ? idle + 1 : 0;
  }
  server->reset();
  return kOk;
}

int keep_in_background(const Options& options) {
  int ready[2];
  if (::pipe(ready) != 0) return report_failure(Error(errno, "pipe"), kSystem);
  pid_t child = ::fork();
  if (child < 0) return report_failure(Error(errno, "fork"), kSystem);
  if (child == 0) {
    ::close(ready[0]);
    ::setsid();
    int null = ::open("/dev/null", O_RDWR);
    for (int fd : {STDIN_FILENO, STDOUT_FILENO}) ::dup2(null, fd);
    // Its errors are told until it is ready; then nobody's terminal is held.
    int status = kSystem;
    {
      std::thread keeper([&] { status = keep(options, ready[1]); });
      keeper.join();
    }
    ::_exit(status);
  }
  ::close(ready[1]);
  char done = 0;
  bool good = ::read(ready[0], &done, 1) == 1;
  ::close(ready[0]);
  if (good) return kOk;
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : int{kSystem};
}

int list(const Options& options) {
  auto sessions = list_sessions();
  if (!sessions) return report_failure(sessions.error(), exit_for(sessions.error(), kSystem));
  auto rows = nlohmann::json::array();
  std::string text = fmt::format("{:<20} {:>8} {:<7} {}\n", "NAME", "KEEPER", "SERVED", "PINS");
  for (const HiveSession& session : *sessions) {
    bool named = false;
    for (const std::string& home_name : {session.name, std::to_string(session.controller)}) {
      auto home = engine::user::hive_home(home_name);
      if (!home) continue;
      auto client = engine::ClientEngine::connect(*home);
      if (!client) continue;
      named = true;
      rows.push_back({{"name", session.name},
                      {"keeper", session.controller},
                      {"served", true},
                      {"pins", (*client)->hello().pin_root}});
      text += fmt::format("{:<20} {:>8} {:<7} {}\n", session.name, session.controller, "yes",
                          (*client)->hello().pin_root);
      break;
    }
    if (named) continue;
    rows.push_back({{"name", session.name}, {"keeper", session.controller}, {"served", false}});
    text += fmt::format("{:<20} {:>8} {:<7} {}\n", session.name, session.controller, "no", "");
  }
  print(options.json ? rows.dump() + "\n" : text);
  return kOk;
}

// The keeper of a hive, by name.
int stop(const Options& options) {
  std::string name = name_of(options);
  auto home = engine::user::hive_home(name);
  if (!home) return report_failure(home.error(), kUsage);
  auto sessions = list_sessions();
  if (!sessions) return report_failure(sessions.error(), exit_for(sessions.error(), kSystem));
  for (const HiveSession& session : *sessions) {
    auto client =
        session.name == name ? engine::ClientEngine::connect(*home) : fail(ESRCH, "another hive");
    if (!client) continue;
    if (::kill(session.controller, SIGTERM) != 0)
      return report_failure(Error(errno, "stopping the keeper"), kSystem);
    (*client)->wait_for_end();
    return kOk;
  }
  return report_failure(Error(ESRCH, fmt::format("nobody keeps a hive \"{}\"", name)),
                        kUnavailable);
}

int shim(const Options& options, const std::vector<std::string>& command) {
  if (command.empty())
    return report_failure(Error(EINVAL, "no COMMAND").with_hint("skep shim -- bpftool prog list"),
                          kUsage);
  char self[4096];
  ssize_t length = ::readlink("/proc/self/exe", self, sizeof self - 1);
  if (length <= 0) return report_failure(Error(errno, "/proc/self/exe"), kSystem);
  std::string directory(self, static_cast<size_t>(length));
  directory.erase(directory.rfind('/') + 1);
  std::string library;
  for (const char* place :
       {"libskep-shim.so", "../lib/skep/libskep-shim.so", "../lib/libskep-shim.so"}) {
    if (::access((directory + place).c_str(), R_OK) == 0) {
      library = directory + place;
      break;
    }
  }
  if (library.empty())
    return report_failure(Error(ENOENT, "libskep-shim.so is not beside skep"), kUnavailable);
  if (const char* others = ::getenv("LD_PRELOAD")) library += fmt::format(":{}", others);
  ::setenv("LD_PRELOAD", library.c_str(), 1);
  ::setenv("SKEP_HIVE", name_of(options).c_str(), 1);
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  int code = errno;
  return report_failure(Error(code, fmt::format("{}: {}", command[0], errno_text(code))),
                        code == ENOENT ? kNoCommand : kCannotTrace);
}

}  // namespace

void add_hive(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand("hive", "Named hives, shared by many processes");
  app->require_subcommand(1);
  auto options = std::make_shared<Options>();
  auto* keep_app = app->add_subcommand("keep", "Keep a hive for other processes until stopped");
  auto* list_app = app->add_subcommand("list", "List this user's hives");
  auto* stop_app = app->add_subcommand("stop", "Stop the process that keeps a hive");
  for (CLI::App* sub : {keep_app, stop_app})
    sub->add_option("NAME", options->hive, "Its name (without: $SKEP_HIVE, or \"default\")");
  keep_app->add_option("--pin-root", options->pin_root, "The directory for its pins");
  keep_app->add_flag("--background", options->background, "Return once it can be used");
  keep_app->add_flag("--while-used", options->while_used, "End when nothing uses it any more");
  list_app->add_flag("--json", options->json, "Print one JSON array");
  keep_app->callback([&chosen, options] {
    chosen.run = [options] {
      return options->background ? keep_in_background(*options) : keep(*options, -1);
    };
  });
  list_app->callback([&chosen, options] { chosen.run = [options] { return list(*options); }; });
  stop_app->callback([&chosen, options] { chosen.run = [options] { return stop(*options); }; });
}

void add_shim(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand(
      "shim", "Run COMMAND with its bpf(2) answered by the user engine: skep shim -- COMMAND");
  auto options = std::make_shared<Options>();
  app->add_option("--hive", options->hive, "On which hive (without: $SKEP_HIVE, or \"default\")");
  app->callback([&chosen, options] {
    chosen.run = [&chosen, options] { return shim(*options, chosen.command); };
  });
}

}  // namespace skep::cli
