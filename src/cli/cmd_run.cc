// skep run: compile, verify, attach, start COMMAND under observation, print what happens.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>

#include "base/slots.h"
#include "cli/code_options.h"
#include "cli/engine_choice.h"
#include "cli/event_printer.h"
#include "cli/input.h"
#include "cli/jitdump.h"
#include "cli/kernel_run.h"
#include "cli/kernel_side.h"
#include "cli/map_contents.h"
#include "cli/perf_map.h"
#include "cli/rejection.h"
#include "cli/run_options.h"
#include "cli/script.h"
#include "engine/user/user_engine.h"
#include "hooks/command.h"
#include "loader/loader.h"
#include "runtime/optimise.h"
#include "vm/jit/optimiser.h"

namespace skep::cli {

int report_load_error(const loader::LoadError& error, const std::string& file, bool json) {
  if (!error.rejection) {
    return report_failure(error.error, exit_for(error.error, kBadInput));
  }
  const loader::Rejection& why = *error.rejection;
  std::fflush(stdout);
  if (json) {
    nlohmann::json row{
        {"error", "rejected"},
        {"file", file},
        {"program", why.program},
        {"rejection", rejection_json(why.input, *why.report.rejection, why.report.log)}};
    fmt::print(stderr, "{}\n", row.dump());
  } else {
    bool color = ::isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
    fmt::print(stderr, "{}",
               rejection_text(fmt::format("skep: {}: program {}", file, why.program), why.input,
                              *why.report.rejection, why.report.log, color));
  }
  return kRejected;
}

namespace {

using namespace std::chrono_literals;

constexpr uint64_t kHotRuns = 10'000;  // about when a millisecond of compiling pays off

struct Options {
  std::string path, function, session_name, engine = "auto";
  std::string interface, cgroup, netns;  // of the kernel engine
  bool egress = false;
  std::optional<std::string> script;  // a program of the tracing language, instead of FILE
  std::vector<std::string> only;
  InputOptions input;
  bool json = false, help = false, verbose = false;
  int pid = 0;
  uint64_t hive_mib = 4096;
  CodeOptions code;
};

// The signal that wants us to stop; the handler may do no more than note it and wake the loop.
std::atomic<int> g_stop_signal{0};

void on_stop_signal(int signal) {
  g_stop_signal.store(signal);
  hive::wake_consumers();
}

// While one lives, SIGINT, SIGTERM and SIGHUP end the session in good order instead of the process.
class StopSignals {
 public:
  StopSignals() {
    struct sigaction action{};
    action.sa_handler = on_stop_signal;
    for (size_t i = 0; i < std::size(kSignals); ++i) ::sigaction(kSignals[i], &action, &before_[i]);
    // A handler that does nothing, not SIG_IGN: COMMAND would inherit that.
    struct sigaction nothing{};
    nothing.sa_handler = [](int) {};
    nothing.sa_flags = SA_RESTART;
    ::sigaction(SIGPIPE, &nothing, &before_pipe_);
  }
  ~StopSignals() {
    for (size_t i = 0; i < std::size(kSignals); ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
    ::sigaction(SIGPIPE, &before_pipe_, nullptr);
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction before_[3]{};
  struct sigaction before_pipe_{};
};

void print_notice(const hooks::SessionEvent& event, bool verbose) {
  bool important = event.kind == hooks::NoticeKind::kExecUntraced ||
                   event.kind == hooks::NoticeKind::kAgentError;
  if (!event.text.empty() && (important || verbose)) fmt::print(stderr, "skep: {}\n", event.text);
}

class Run {
 public:
  explicit Run(const Options& options) : options_(options) {}

  int main(const std::vector<std::string>& arguments, const std::vector<std::string>& command);

 private:
  std::expected<void, Failure> open(const std::vector<std::string>& arguments);
  int observe(const std::vector<std::string>& command);
  int observe_from_kernel(const std::vector<std::string>& command);
  [[nodiscard]] std::string usage_with_command() const {
    return options_.script ? "skep trace 'SCRIPT' -- COMMAND"
                           : fmt::format("skep run {} -- COMMAND", options_.path);
  }
  void watch(EventPrinter& printer, hooks::Session& session);
  int finish(EventPrinter& printer, hooks::Session& session);
  void print_maps();
  void warn_of_fuel();
  void write_for_profilers(pid_t pid);

  const Options& options_;
  PerfMaps perf_maps_;
  std::unique_ptr<object::Object> object_;
  std::vector<lang::ShownMap> shown_;  // of a script's maps; else empty
  std::unique_ptr<engine::UserEngine> engine_;
  std::optional<loader::Loader> loader_;
  JitDumpFile jitdump_;
  bool interrupted_ = false;
  std::optional<runtime::BackgroundOptimiser> optimiser_;  // the last: it ends first
};

int Run::main(const std::vector<std::string>& arguments, const std::vector<std::string>& command) {
  if (auto opened = open(arguments); !opened)
    return report_failure(opened.error().error, opened.error().status);
  auto choice =
      choose_engine(options_.engine, *object_, options_.only, !command.empty(), options_.pid != 0);
  if (!choice && options_.engine == "auto" && command.empty() && options_.pid == 0) {
    Error error(choice.error().error);
    return report_failure(std::move(error).with_hint(fmt::format(
                              "run a COMMAND under the user engine: {}", usage_with_command())),
                          kUsage);
  }
  if (!choice) return report_failure(choice.error().error, choice.error().status);
  if (choice->kernel) {
    if (!choice->why.empty()) fmt::print(stderr, "skep: kernel engine: {}\n", choice->why);
    return observe_from_kernel(command);
  }
  if (options_.pid != 0) {
    return report_failure(
        Error(EOPNOTSUPP, "--pid: the user engine can't enter a process that runs already")
            .with_hint("start it under observation: skep run FILE -- COMMAND; or --engine kernel"),
        kUnavailable);
  }
  if (command.empty()) {
    return report_failure(
        Error(EOPNOTSUPP,
              "no COMMAND: the user engine observes what it starts, not the whole system")
            .with_hint(usage_with_command()),
        kUsage);
  }
  return observe(command);
}

std::expected<void, Failure> Run::open(const std::vector<std::string>& arguments) {
  if (options_.script || is_script(options_.path)) {
    auto compiled = options_.script ? compile_script(*options_.script, "script")
                                    : compile_script_file(options_.path);
    if (!compiled) return std::unexpected(compiled.error());
    object_ = std::make_unique<object::Object>(std::move(compiled->object));
    shown_ = std::move(compiled->maps);
  } else {
    auto object = open_input(options_.path, options_.input);
    if (!object) return std::unexpected(object.error());
    object_ = std::move(*object);
  }
  return set_variables(*object_, arguments);
}

int Run::observe_from_kernel(const std::vector<std::string>& command) {
  KernelRunOptions options;
  options.load.only = options_.only;
  const char* search = std::getenv("PATH");
  options.attach.function = options_.function;
  options.attach.path = search != nullptr ? search : "";
  options.attach.pid = options_.pid;
  options.attach.interface = options_.interface;
  options.attach.cgroup = options_.cgroup;
  options.attach.netns = options_.netns;
  options.attach.egress = options_.egress;
  options.json = options_.json;
  options.verbose = options_.verbose;
  return run_on_kernel(std::move(object_), options, command, shown_);
}

int Run::observe(const std::vector<std::string>& command) {
  auto path = hooks::find_command(command.front());
  if (!path) {
    return report_failure(path.error(), path.error().code() == ENOENT ? kNoCommand : kCannotTrace);
  }
  if (auto traceable = hooks::check_command(*path); !traceable)
    return report_failure(traceable.error(), kCannotTrace);

  runtime::RuntimeOptions runtime;
  runtime.hive.name = options_.session_name.empty()
                          ? object_->name().substr(object_->name().rfind('/') + 1).substr(0, 63)
                          : options_.session_name;
  runtime.hive.data_size = options_.hive_mib << 20;
  runtime.jit = jit_options(options_.code);
  auto engine = engine::UserEngine::create(runtime);
  if (!engine) return report_failure(engine.error(), exit_for(engine.error(), kSystem));
  engine_ = std::move(*engine);
  use_native_cache(engine_->runtime());
  if (options_.code.optimise != "off") {
    auto target = jit::optimiser_target();
    if (!target) return report_failure(target.error(), kUnavailable);
    engine_->runtime().set_optimise(options_.code.optimise == "now");
  }

  loader::LoadOptions load;
  load.only = options_.only;
  std::string file = object_->name();
  auto loaded = loader::Loader::load(*engine_, std::move(object_), load);
  if (!loaded) return report_load_error(loaded.error(), file, options_.json);
  loader_.emplace(std::move(*loaded));
  warn_of_cache_problems(engine_->runtime());

  const char* search = std::getenv("PATH");
  loader::AttachOptions attach;
  attach.function = options_.function;
  attach.path = search != nullptr ? search : "";
  attach.command = *path;
  auto links = loader_->attach_all(attach);
  if (!links) return report_failure(links.error(), exit_for(links.error(), kUnavailable));
  if (options_.verbose) {
    for (const loader::Link& link : *links)
      fmt::print(stderr, "skep: {} attached to {}\n", link.program, link.where);
  }

  EventPrinter printer(engine_->runtime().hive(), options_.json);
  for (const loader::LoadedMap& map : loader_->maps()) {
    if (map.spec->type != MapType::BPF_MAP_TYPE_RINGBUF &&
        map.spec->type != MapType::BPF_MAP_TYPE_PERF_EVENT_ARRAY) {
      continue;
    }
    auto shared = engine_->map_of(map.fd.get());
    if (!shared) return report_failure(shared.error(), kInternal);
    printer.follow((*shared)->header(), loader_->object().btf(),
                   record_type(loader_->object(), *map.spec));
  }
  printer.follow_printk(engine_->runtime().printk_ring());

  StopSignals signals;
  hooks::Session& session = engine_->session();
  hooks::LaunchRequest request;
  request.argv = command;
  auto pid = session.launch(request);
  if (!pid) return report_failure(pid.error(), kCannotTrace);
  if (options_.code.perf_map || options_.code.jitdump) {
    for (const loader::LoadedProgram& program : loader_->programs()) {
      auto object = engine_->program_of(program.fd.get());
      if (object) perf_maps_.add(**object), jitdump_.add(*object);
    }
    write_for_profilers(*pid);
  }
  // Not before: launching forks, which is no thing to do beside a compiler's thread.
  if (options_.code.optimise == "hot") optimiser_.emplace(engine_->runtime(), kHotRuns);
  watch(printer, session);
  int status = finish(printer, session);
  links->clear();
  return status;
}

// Until COMMAND ends or somebody wants us to stop.
void Run::watch(EventPrinter& printer, hooks::Session& session) {
  bool forwarded = false;
  Sampler sampler(*loader_, options_.json);
  while (true) {
    printer.drain();
    sampler.print_due();
    for (const hooks::SessionEvent& event : session.step()) {
      print_notice(event, options_.verbose);
      if (event.kind == hooks::NoticeKind::kProcessStarted) write_for_profilers(event.pid);
    }
    std::fflush(stdout);
    if (session.exit_status()) return;
    if (int signal = g_stop_signal.exchange(0)) {
      // Ctrl-C reaches COMMAND by itself; what is sent to us alone is passed on, once.
      if (signal == SIGINT || forwarded) {
        interrupted_ = true;
        return;
      }
      ::kill(session.pid(), signal);
      forwarded = true;
    }
    if (std::ferror(stdout) != 0) {
      interrupted_ = true;  // nobody reads any more
      return;
    }
    maps::wait_for_events(
        [&] { return printer.pending() || session.wait(0ms) || g_stop_signal.load() != 0; },
        sampler.wait(100ms));
  }
}

int Run::finish(EventPrinter& printer, hooks::Session& session) {
  if (interrupted_) {
    // COMMAND, if the same Ctrl-C ends it, does so about now; its status is worth a moment.
    auto limit = std::chrono::steady_clock::now() + 500ms;
    while (!session.exit_status() && std::chrono::steady_clock::now() < limit) {
      session.wait(50ms);
      session.step();
    }
  }
  auto left = session.detach_all(2000ms);
  if (!left) {
    report_failure(left.error(), kInternal);
  } else {
    for (pid_t pid : *left)
      warn(fmt::format("process {} is stopped: it is let go at its next system call", pid));
  }
  printer.drain();
  for (const hooks::SessionEvent& event : session.step()) print_notice(event, options_.verbose);
  if (printer.lost() > 0)
    warn(fmt::format("{} events were lost: the perf buffer was full", printer.lost()));
  print_maps();
  warn_of_fuel();
  if (auto status = session.exit_status()) return *status;
  return 128 + SIGINT;
}

void Run::write_for_profilers(pid_t pid) {
  auto wrote = options_.code.perf_map ? perf_maps_.write_for(pid) : Result<>();
  if (!wrote) warn(wrote.error().text());
  wrote = options_.code.jitdump ? jitdump_.write_for(pid) : Result<>();
  if (!wrote) warn(wrote.error().text());
}

// Which programs' runs were cut short by --fuel.
void Run::warn_of_fuel() {
  if (options_.code.fuel == 0) return;
  for (const loader::LoadedProgram& program : loader_->programs()) {
    auto object = engine_->program_of(program.fd.get());
    if (!object) continue;
    uint64_t times = (*object)->out_of_fuel();
    if (times > 0)
      warn(fmt::format("{}: {} run{} ended after {} instructions (--fuel)", program.spec->name,
                       times, times == 1 ? "" : "s", options_.code.fuel));
  }
}

void Run::print_maps() {
  for (const loader::LoadedMap& map : loader_->maps()) {
    auto shared = engine_->map_of(map.fd.get());
    if (!shared || !holds_results((*shared)->header())) continue;
    auto contents = read_map((*shared)->header(), loader_->object().btf());
    if (!contents) {
      warn(contents.error().text());
      continue;
    }
    if (const lang::ShownMap* shown = shown_map(shown_, map.spec->name)) {
      print(script_map_text(*shown, std::move(*contents), options_.json));
      continue;
    }
    shape_as_sampled(*map.spec, *contents);
    bool nonzero = false;
    for (const auto& element : contents->elements) {
      for (const auto& value : element.values) {
        for (std::byte byte : value) nonzero |= byte != std::byte{0};
      }
    }
    if (!nonzero) continue;
    if (options_.json) {
      print(report::map_to_json(*contents, map_type_name((*shared)->header().type)) + "\n");
    } else {
      print(fmt::format("\n{} ({}):\n{}", map.spec->name, map_type_name((*shared)->header().type),
                        report::format_map(*contents)));
    }
  }
}

int print_help(const CLI::App& app, const Options& options) {
  print(app.help());
  if (options.path.empty()) return kOk;
  auto object = open_input(options.path, options.input);
  if (!object) return report_failure(object.error().error, object.error().status);
  std::string variables = variable_help(**object);
  print(variables.empty() ? fmt::format("\n{} has no options of its own.\n", options.path)
                          : fmt::format("\nOptions of {}:\n{}", options.path, variables));
  return kOk;
}

}  // namespace

void add_trace(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand(
      "trace",
      "Run COMMAND under a program of the tracing language: a line that says what to count");
  auto options = std::make_shared<Options>();
  auto script = std::make_shared<std::string>();
  app->add_option("SCRIPT", *script,
                  "The program: 'uprobe:libc.so.6:malloc { @[comm] = count(); }'")
      ->required();
  app->add_option("--name", options->session_name,
                  "The session's name, for skep prog and skep map");
  app->add_flag("--json", options->json, "Print lines and maps as JSON, one a line");
  app->add_flag("-v,--verbose", options->verbose,
                "Say what is attached where, and which processes come and go");
  app->footer(language_help());
  app->callback([&chosen, options, script] {
    options->script = *script;
    options->path = "script";
    chosen.run = [&chosen, options] { return Run(*options).main({}, chosen.command); };
  });
}

void add_run(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand(
      "run", "Run COMMAND with FILE's programs attached, and print what they see");
  auto options = std::make_shared<Options>();
  app->set_help_flag();  // our own: FILE's options belong to it
  app->add_flag("-h,--help", options->help, "Print this help; with FILE, its options too");
  app->add_option("FILE", options->path,
                  "C (.bpf.c), an object (.bpf.o), assembly (.bpf.s), a package (.skep.json) or a "
                  "script (.bt)");
  app->add_option("--function", options->function,
                  "BINARY:FUNCTION of uprobes whose section names none: libc.so.6:malloc");
  app->add_option("--program", options->only, "Load this program only (may be given again)");
  add_engine_option(*app, options->engine);
  app->add_option("--pid", options->pid,
                  "Kernel engine: uprobes, USDT and samples of this process only");
  app->add_option("--interface", options->interface, "Kernel engine: where XDP and TC attach");
  app->add_flag("--egress", options->egress, "Kernel engine: SEC(\"tc\") at egress, not ingress");
  app->add_option("--cgroup", options->cgroup, "Kernel engine: where cgroup programs attach");
  app->add_option("--netns", options->netns,
                  "Kernel engine: network namespace of sk_lookup and flow_dissector");
  app->add_option("--name", options->session_name,
                  "The session's name, for skep prog and skep map");
  app->add_option("--hive-size", options->hive_mib, "Limit of map memory, MiB")
      ->capture_default_str()
      ->check(CLI::Range(uint64_t{16}, uint64_t{16384}));
  app->add_flag("--json", options->json, "Print events and maps as JSON, one a line");
  app->add_flag("-v,--verbose", options->verbose,
                "Say what is attached where, and which processes come and go");
  app->add_flag("--no-cache", options->input.no_cache, "Compile even what the cache has");
  add_code_options(*app, options->code);
  app->add_option("--optimise", options->code.optimise,
                  "By the optimising tier: all programs now, those that run hot, or none (off)")
      ->capture_default_str()
      ->check(CLI::IsMember({"now", "hot", "off"}))
      ->default_str("off");
  app->add_option("-I", options->input.include_dirs, "Directory for #include");
  app->add_option("-D", options->input.defines, "Macro, as NAME or NAME=VALUE");
  app->allow_extras();
  app->callback([&chosen, options, app] {
    chosen.run = [&chosen, options, app]() -> int {
      if (options->help) return print_help(*app, *options);
      if (options->path.empty()) {
        return report_failure(
            Error(EINVAL, "no FILE").with_hint("skep run FILE -- COMMAND; skep run --help"),
            kUsage);
      }
      return Run(*options).main(app->remaining(), chosen.command);
    };
  });
}

}  // namespace skep::cli
