#include "cli/kernel_run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "base/fd.h"
#include "cli/event_printer.h"
#include "cli/kernel_side.h"
#include "cli/map_contents.h"
#include "engine/kernel/kernel_engine.h"
#include "hooks/command.h"
#include "spec/map_types.h"

namespace skep::cli {

namespace {

using engine::Cmd;

// COMMAND, forked and held before its exec until it is let go.
class Held {
 public:
  static Result<Held> start(const std::string& path, const std::vector<std::string>& command,
                            const sigset_t& signals) {
    int gate[2];
    if (::pipe2(gate, O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
    Held held;
    std::vector<char*> argv;
    for (const std::string& each : command) argv.push_back(const_cast<char*>(each.c_str()));
    argv.push_back(nullptr);
    held.pid_ = ::fork();
    if (held.pid_ < 0) return fail_errno(errno, "fork");
    if (held.pid_ == 0) {
      ::close(gate[1]);
      ::sigprocmask(SIG_SETMASK, &signals, nullptr);
      char go = 0;
      if (::read(gate[0], &go, 1) != 1) ::_exit(kNoCommand);
      ::execv(path.c_str(), argv.data());
      ::_exit(kCannotTrace);
    }
    ::close(gate[0]);
    held.gate_ = Fd(gate[1]);
    held.ended_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, held.pid_, 0)));
    return held;
  }
  Held(Held&& other) noexcept
      : pid_(std::exchange(other.pid_, 0)),
        gate_(std::move(other.gate_)),
        ended_(std::move(other.ended_)) {}
  ~Held() {
    if (pid_ <= 0) return;
    gate_.reset();  // it ends by itself
    ::waitpid(pid_, nullptr, 0);
  }
  void let_go() {
    (void)!::write(gate_.get(), "g", 1);
    gate_.reset();
  }
  [[nodiscard]] int ended() const { return ended_.get(); }
  [[nodiscard]] pid_t pid() const { return pid_; }
  int status() {
    int status = 0;
    ::waitpid(std::exchange(pid_, 0), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  Held() = default;
  pid_t pid_ = 0;
  Fd gate_, ended_;
};

// An iterator's output is text, made by its programs as it is read.
Result<> print_iterator(engine::Engine& engine, const loader::Link& link) {
  engine::IterCreateAttr attr;
  attr.link_fd = static_cast<uint32_t>(link.fd.get());
  int64_t fd = engine.call(Cmd::BPF_ITER_CREATE, attr);
  if (fd < 0) return fail_errno(static_cast<int>(-fd), "{}", link.where);
  Fd owned(static_cast<int>(fd));
  char buffer[1 << 14];
  while (true) {
    const ssize_t count = ::read(owned.get(), buffer, sizeof buffer);
    if (count == 0) return {};
    if (count < 0 && errno == EAGAIN) continue;
    if (count < 0) return fail_errno(errno, "{}", link.where);
    print({buffer, static_cast<size_t>(count)});
  }
}

class KernelRun {
 public:
  explicit KernelRun(const KernelRunOptions& options) : options_(options), printer_(options.json) {
    sigemptyset(&signals_);
    for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals_, signal);
    ::sigprocmask(SIG_BLOCK, &signals_, &before_);
    stop_ = Fd(::signalfd(-1, &signals_, SFD_CLOEXEC));
  }
  ~KernelRun() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

  int main(std::unique_ptr<object::Object> object, const std::vector<std::string>& command,
           const std::vector<lang::ShownMap>& shown);

 private:
  std::expected<void, Failure> follow_events();
  int watch(std::optional<Held>& command);
  void print_maps(const std::vector<lang::ShownMap>& shown);

  const KernelRunOptions& options_;
  EventPrinter printer_;
  std::unique_ptr<engine::Engine> engine_;
  std::optional<loader::Loader> loader_;
  std::vector<pollfd> waits_;
  sigset_t signals_{}, before_{};
  Fd stop_;
};

std::expected<void, Failure> KernelRun::follow_events() {
  for (const loader::LoadedMap& map : loader_->maps()) {
    Result<std::unique_ptr<engine::kernel::EventReader>> reader =
        std::unique_ptr<engine::kernel::EventReader>();
    if (map.spec->type == MapType::BPF_MAP_TYPE_RINGBUF) {
      reader = engine::kernel::open_ring(map.fd.get(), map.max_entries);
    } else if (map.spec->type == MapType::BPF_MAP_TYPE_PERF_EVENT_ARRAY) {
      reader = engine::kernel::open_perf_buffer(
          map.fd.get(), std::min(engine_->possible_cpus(), map.max_entries));
    } else {
      continue;
    }
    if (!reader)
      return failure(kUnavailable, Error(reader.error()).within("map " + map.spec->name));
    for (int fd : (*reader)->descriptors()) waits_.push_back({fd, POLLIN, 0});
    printer_.follow(map.spec->name, std::move(*reader), loader_->object().btf(),
                    record_type(loader_->object(), *map.spec));
  }
  return {};
}

// Until COMMAND ends, a signal wants us to stop, or nobody reads any more.
int KernelRun::watch(std::optional<Held>& command) {
  const size_t rings = waits_.size();
  waits_.push_back({stop_.get(), POLLIN, 0});
  if (command) waits_.push_back({command->ended(), POLLIN, 0});
  Sampler sampler(*loader_, options_.json);
  while (true) {
    using namespace std::chrono_literals;
    const int limit = sampler.empty() ? -1 : static_cast<int>(sampler.wait(24h).count());
    if (::poll(waits_.data(), waits_.size(), limit) < 0) continue;
    printer_.drain();
    sampler.print_due();
    std::fflush(stdout);
    if (std::ferror(stdout) != 0) return kOk;
    if (command && waits_[rings + 1].revents != 0) return command->status();
    if ((waits_[rings].revents & POLLIN) == 0) continue;
    signalfd_siginfo info{};
    (void)!::read(stop_.get(), &info, sizeof info);
    if (!command) return kOk;
    // Ctrl-C reaches COMMAND by itself; what is sent to us alone is passed on.
    if (info.ssi_signo != SIGINT) ::kill(command->pid(), static_cast<int>(info.ssi_signo));
    return command->status();
  }
}

void KernelRun::print_maps(const std::vector<lang::ShownMap>& shown) {
  for (const loader::LoadedMap& map : loader_->maps()) {
    if (map.spec->freeze || map.spec->name.starts_with("__bpf_usdt_")) continue;
    auto contents = read_map(*engine_, map.fd.get(), loader_->object().btf());
    if (!contents) continue;  // it has no elements to read
    contents->name = map.spec->name;
    contents->key_type = map.spec->key_type;
    contents->value_type = map.spec->value_type;
    if (const lang::ShownMap* script = shown_map(shown, map.spec->name)) {
      print(script_map_text(*script, std::move(*contents), options_.json));
      continue;
    }
    shape_as_sampled(*map.spec, *contents);
    const bool nonzero = std::ranges::any_of(contents->elements, [](const auto& element) {
      return std::ranges::any_of(element.values, [](const auto& value) {
        return std::ranges::any_of(value, [](std::byte byte) { return byte != std::byte{0}; });
      });
    });
    if (!nonzero) continue;
    const std::string_view type = map_type_name(static_cast<uint32_t>(map.spec->type));
    print(options_.json
              ? report::map_to_json(*contents, type) + "\n"
              : fmt::format("\n{} ({}):\n{}", map.spec->name, type, report::format_map(*contents)));
  }
}

int KernelRun::main(std::unique_ptr<object::Object> object, const std::vector<std::string>& command,
                    const std::vector<lang::ShownMap>& shown) {
  loader::AttachOptions attach = options_.attach;
  std::optional<Held> held;
  if (!command.empty()) {
    auto path = hooks::find_command(command.front());
    if (!path)
      return report_failure(path.error(),
                            path.error().code() == ENOENT ? kNoCommand : kCannotTrace);
    auto started = Held::start(*path, command, before_);
    if (!started) return report_failure(started.error(), kSystem);
    held.emplace(std::move(*started));
    attach.command = *path;
  }
  auto engine = engine::make_kernel_engine();
  if (!engine) return report_failure(engine.error(), kUnavailable);
  engine_ = std::move(*engine);
  const std::string file = object->name();
  auto loaded = loader::Loader::load(*engine_, std::move(object), options_.load);
  if (!loaded) return report_load_error(loaded.error(), file, options_.json);
  loader_.emplace(std::move(*loaded));
  // Readers first: what the first event finds no reader for is lost.
  if (auto followed = follow_events(); !followed)
    return report_failure(followed.error().error, followed.error().status);
  auto links = loader_->attach_all(attach);
  if (!links) return report_failure(links.error(), exit_for(links.error(), kUnavailable));
  for (const auto& left : loader_->unattached())
    warn(fmt::format("{} is not attached: {}", left.program, left.reason));
  if (links->empty()) {
    return report_failure(Error(EINVAL, fmt::format("{}: nothing is attached", file)), kUsage);
  }
  bool only_iterators = true;
  for (const loader::Link& link : *links) {
    if (options_.verbose) fmt::print(stderr, "skep: {} attached to {}\n", link.program, link.where);
    only_iterators &= link.is_iterator;
    if (!link.is_iterator) continue;
    if (auto printed = print_iterator(*engine_, link); !printed)
      return report_failure(printed.error(), kUnavailable);
  }
  if (held) held->let_go();
  const int status = only_iterators && !held ? int{kOk} : watch(held);
  links->clear();
  printer_.drain();
  if (printer_.lost() > 0)
    warn(fmt::format("{} events were lost: the perf buffer was full", printer_.lost()));
  print_maps(shown);
  return status;
}

}  // namespace

int run_on_kernel(std::unique_ptr<object::Object> object, const KernelRunOptions& options,
                  const std::vector<std::string>& command,
                  const std::vector<lang::ShownMap>& shown) {
  return KernelRun(options).main(std::move(object), command, shown);
}

}  // namespace skep::cli
