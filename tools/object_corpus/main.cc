// object_corpus: opens every object below the directories given, and loads it on the kernel engine, on the user engine
// and, with --peer, by another loader. One row an object, in Markdown; sums at the end.
//
//   ./dev corpus objects [--peer COMMAND] [--output FILE] [--attach] DIR...
//
// COMMAND gets the object's path and ends with status 0 where it loads (/tmp/libbpf_load: a main() of three calls of
// libbpf). Each load is in a process of its own: none leaves anything behind, or takes the rest down.
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "base/fd.h"
#include "engine/kernel/kernel_engine.h"
#include "engine/user/user_engine.h"
#include "loader/loader.h"

namespace {

using namespace skep;

struct Outcome {
  bool ok = false;
  unsigned programs = 0, loaded = 0;
  std::string why;
};

constexpr unsigned kSeconds = 60;  // for one object

std::string one_line(std::string text, size_t limit = 160) {
  // The reason stands at the end, often behind a log.
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::ranges::replace(text, '\n', ' ');
  std::ranges::replace(text, '|', '/');
  if (text.size() > limit)
    text = text.substr(0, limit / 2) + " … " + text.substr(text.size() - limit / 2);
  return text;
}

std::string text_of(const loader::LoadError& error) {
  if (!error.rejection) return error.error.text();
  return fmt::format("program {}: {}", error.rejection->program,
                     error.rejection->report.rejection->message);
}

// Runs `work` in a child and gives what it returned; a crash is an outcome, too.
template <class Work>
Outcome in_child(Work work) {
  int ends[2];
  if (::pipe(ends) != 0) return {.why = "pipe"};
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(ends[0]);
    ::alarm(kSeconds);
    const Outcome outcome = work();
    const std::string text =
        fmt::format("{} {} {} {}", int{outcome.ok}, outcome.programs, outcome.loaded, outcome.why);
    (void)!::write(ends[1], text.data(), text.size());
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t count; (count = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(count));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(pid, &status, 0);
  Outcome outcome;
  if (WIFSIGNALED(status)) {
    outcome.why = fmt::format("the process ended by signal {}", WTERMSIG(status));
    return outcome;
  }
  int ok = 0, used = 0;
  if (std::sscanf(text.c_str(), "%d %u %u %n", &ok, &outcome.programs, &outcome.loaded, &used) >= 3)
    outcome.why = text.substr(static_cast<size_t>(used));
  outcome.ok = ok != 0;
  return outcome;
}

Result<std::unique_ptr<object::Object>> open(const std::string& path) {
  SKEP_TRY(bytes, read_file(path));
  SKEP_TRY(object, object::open_object(bytes, std::filesystem::path(path).filename().string()));
  return std::make_unique<object::Object>(std::move(object));
}

// The whole object; where it is refused, each of its programs by itself.
Outcome load_on(engine::Engine& engine, const std::string& path) {
  Outcome outcome;
  auto object = open(path);
  if (!object) return {.why = one_line(object.error().text())};
  std::vector<std::string> names;
  for (const object::ProgramSpec& program : (*object)->programs()) {
    auto kind = loader::classify_section(program.section);
    if (kind && kind->autoload) names.push_back(program.name);
  }
  outcome.programs = static_cast<unsigned>(names.size());
  loader::LoadOptions options;
  options.pin_root = fmt::format("/sys/fs/bpf/skep-corpus-{}", ::getpid());
  auto loaded = loader::Loader::load(engine, std::move(*object), options);
  if (loaded) {
    outcome.ok = true;
    outcome.loaded = outcome.programs;
    return outcome;
  }
  outcome.why = one_line(text_of(loaded.error()));
  for (const std::string& name : names) {
    auto again = open(path);
    if (!again) break;
    options.only = {name};
    if (loader::Loader::load(engine, std::move(*again), options)) ++outcome.loaded;
  }
  return outcome;
}

Outcome load_on_kernel(const std::string& path) {
  return in_child([&]() -> Outcome {
    auto engine = engine::make_kernel_engine();
    if (!engine) return {.why = engine.error().text()};
    return load_on(**engine, path);
  });
}

Outcome load_on_user(const std::string& path) {
  return in_child([&]() -> Outcome {
    runtime::RuntimeOptions options;
    options.hive.name = "corpus";
    options.hive.publish_session = false;
    auto engine = engine::UserEngine::create(options);
    if (!engine) return {.why = engine.error().text()};
    return load_on(**engine, path);
  });
}

Outcome load_by_peer(const std::string& command, const std::string& path) {
  return in_child([&]() -> Outcome {
    const pid_t pid = ::fork();
    if (pid == 0) {
      if (::freopen("/dev/null", "w", stdout) == nullptr) ::_exit(127);
      if (::freopen("/dev/null", "w", stderr) == nullptr) ::_exit(127);
      ::execl(command.c_str(), command.c_str(), path.c_str(), nullptr);
      ::_exit(127);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return {.ok = WIFEXITED(status) && WEXITSTATUS(status) == 0, .why = {}};
  });
}

std::string cell(const Outcome& outcome) {
  if (outcome.ok) return "yes";
  return outcome.loaded > 0 ? fmt::format("{} of {}", outcome.loaded, outcome.programs) : "no";
}

struct Sums {
  unsigned objects = 0, opened = 0, kernel = 0, user = 0, peer = 0, peer_only = 0;
  unsigned programs = 0, legacy = 0, kernel_programs = 0, user_programs = 0;
};

}  // namespace

int main(int argc, char** argv) {
  std::string peer, output;
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if ((argument == "--peer" || argument == "--output") && i + 1 < argc) {
      (argument == "--peer" ? peer : output) = argv[++i];
      continue;
    }
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argument, error))
      if (entry.is_regular_file() &&
          (entry.path().extension() == ".o" || entry.path().extension() == ".elf"))
        files.push_back(entry.path());
    if (error) {
      fmt::print(stderr, "object_corpus: {}: {}\n", argument, error.message());
      return 2;
    }
  }
  std::ranges::sort(files);
  std::string text =
      "# Objects of others\n\nMade by `./dev corpus objects --peer COMMAND --output "
      "docs/compatibility.md DIR...`, "
      "which loads, and attaches nothing.\n\"4 of 5\": the object is refused, and so many of its "
      "programs load by "
      "themselves.\n\n";
  text += fmt::format(
      "| object | opens | kernel engine |{} user engine | why not, on the user engine (else the "
      "kernel's) |\n|---|---|---|{}---|---|\n",
      peer.empty() ? "" : " libbpf |", peer.empty() ? "" : "---|");
  Sums sums;
  for (const auto& file : files) {
    const auto bytes = read_file(file);
    // Objects for another machine, or of another kind, are no part of the corpus.
    if (!bytes || bytes->size() < 64 ||
        std::memcmp(bytes->data(),
                    "\x7f"
                    "ELF",
                    4) != 0 ||
        load<uint16_t>(bytes->data() + 18) != 247)
      continue;
    ++sums.objects;
    const Outcome opened = in_child([&]() -> Outcome {
      auto object = open(file);
      if (!object) return {.why = one_line(object.error().text())};
      return {.ok = true, .why = {}};
    });
    Outcome kernel, user, other;
    if (opened.ok) {
      kernel = load_on_kernel(file);
      user = load_on_user(file);
    }
    if (!peer.empty()) other = load_by_peer(peer, file);
    sums.opened += opened.ok;
    sums.legacy += opened.why.find("legacy map definitions") != std::string::npos;
    sums.kernel += kernel.ok;
    sums.user += user.ok;
    sums.peer += other.ok;
    sums.peer_only += other.ok && !kernel.ok;
    sums.programs += std::max(user.programs, kernel.programs);
    sums.kernel_programs += kernel.loaded;
    sums.user_programs += user.loaded;
    const std::string why = !opened.ok ? opened.why : !user.ok ? user.why : kernel.why;
    text += fmt::format("| {} | {} | {} |{} {} | {} |\n",
                        (file.parent_path().filename() / file.filename()).string(),
                        opened.ok ? "yes" : "no", cell(kernel),
                        peer.empty() ? ""
                        : other.ok   ? " yes |"
                                     : " no |",
                        cell(user), why);
    if (other.ok && !kernel.ok)
      fmt::print(stderr, "only libbpf loads {}: {}\n", file.string(), kernel.why);
  }
  text += fmt::format(
      "\n{} objects: {} opened, {} are refused for legacy map definitions; {} loaded whole on the "
      "kernel engine ({} of {} programs), {} on "
      "the user engine ({} of {})",
      sums.objects, sums.opened, sums.legacy, sums.kernel, sums.kernel_programs, sums.programs,
      sums.user, sums.user_programs, sums.programs);
  if (!peer.empty())
    text += fmt::format("; {} by libbpf, {} of them by it alone", sums.peer, sums.peer_only);
  text += ".\n";
  if (output.empty()) {
    fmt::print("{}", text);
  } else if (auto written = write_file(output, as_bytes(std::span(text))); !written) {
    fmt::print(stderr, "object_corpus: {}\n", written.error().text());
    return 1;
  }
  return sums.opened == sums.objects && sums.peer_only == 0 ? 0 : 1;
}
