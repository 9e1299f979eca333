// verifier_corpus [OPTION…] DIR|FILE…: our verdicts on programs that carry their own expectations (objects with
// the kernel selftests' annotations; .c files of its old test tables), or against the kernel that runs here.
//
//   --kernel PROFILE      whose rules (newest)
//   --btf FILE            BTF of that kernel's vmlinux (else the one of the kernel here, where there is one)
//   --module FILE         split BTF of a module, on that one; declaration tags "kfunc:TYPES:FLAGS" say which of its
//                         functions are kfuncs, for which program types ("ALL", "SCHED_CLS|TRACING"), with which KF_ flags
//   --against WHAT        annotations (default), kernel, or a file that --record made on another one
//   --record              nothing but the kernel's verdicts, a line each, to be kept in such a file
//   --unprivileged        only the unprivileged expectations (both, otherwise)
//   --program NAME        only this one      --verbose: with the log     --messages: also messages that are not found
//   --json                nothing but the last line, which is JSON in any case
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "case.h"
#include "kernel_load.h"
#include "verifier/profile.h"

namespace {

using namespace skep;

struct Options {
  const verifier::KernelProfile* profile = &verifier::newest_profile();
  std::string btf_path = "/sys/kernel/btf/vmlinux", module_path;
  bool against_kernel = false, record = false, verbose = false, messages = false, json = false;
  bool privileged = true, unprivileged = true;
  std::map<std::string, int> recorded;  // program: 0 or errno; with it: --against FILE
  std::string only;
  std::vector<std::string> paths;
};

struct Counts {
  int agree = 0, stricter = 0, laxer = 0;
  void operator+=(const Counts& o) { agree += o.agree, stricter += o.stricter, laxer += o.laxer; }
};

struct Totals {
  std::map<std::string, Counts> by_feature;
  std::map<std::string, int> by_rule;
  int not_linked = 0, skipped = 0, problems = 0, unstated = 0;
  int messages = 0, messages_found = 0;
  uint64_t insns = 0, our_ns = 0, kernel_ns = 0, kernel_insns = 0;
};

std::string one_line(std::string text) {
  std::ranges::replace(text, '\n', '|');
  return text;
}

// The end of a log, where its reason stands.
std::string last_lines(const std::string& log) {
  std::string_view text = log;
  if (const size_t stats = text.rfind("processed "); stats != std::string_view::npos)
    text = text.substr(0, stats);
  while (text.ends_with('\n')) text.remove_suffix(1);
  size_t begin = 0;
  const size_t last = text.rfind('\n');
  if (last != std::string_view::npos && last != 0) {
    const size_t before = text.rfind('\n', last - 1);
    begin = before == std::string_view::npos ? 0 : before + 1;
  }
  return one_line(std::string(text.substr(begin)));
}

class Runner {
 public:
  explicit Runner(const Options& options) : options_(options) {}

  bool read_btf() {
    if (auto bytes = read_file(options_.btf_path); bytes) {
      if (auto parsed = btf::Btf::parse(*bytes); parsed) btfs_.push_back(*parsed);
    }
    if (btfs_.empty() || options_.module_path.empty()) return !btfs_.empty();
    const auto bytes = read_file(options_.module_path);
    if (!bytes) return false;
    const auto module = btf::Btf::parse(*bytes, btfs_[0]);
    if (!module) return false;
    btfs_ = {*module};
    kfuncs_ = corpus::module_kfuncs(**module);
    return true;
  }

  void run_file(const std::string& path) {
    auto cases = path.ends_with(".c") ? corpus::read_raw_cases(path, btfs_)
                                      : corpus::read_object_cases(path, btfs_);
    if (!cases) {
      say("{}: {}\n", path, cases.error().text());
      ++totals_.problems;
      return;
    }
    std::optional<corpus::KernelLoader> kernel;
    const object::Object* of = nullptr;
    for (const corpus::Case& test : *cases) {
      if (!options_.only.empty() && test.name != options_.only) continue;
      if (test.skipped && !options_.against_kernel) {
        ++totals_.skipped;
        continue;
      }
      if (!test.not_linked.empty()) {
        ++totals_.not_linked;
        if (options_.verbose) say("{}:{}: {}\n", test.file, test.name, test.not_linked);
        continue;
      }
      if (!options_.recorded.empty()) {
        compare_with_record(test);
        continue;
      }
      if (options_.against_kernel) {
        if (!kernel || test.object == nullptr || test.object.get() != of) kernel.emplace(test);
        of = test.object.get();
        compare_with_kernel(test, *kernel);
        continue;
      }
      if (options_.privileged) check(test, test.privileged, true);
      if (options_.unprivileged) check(test, test.unprivileged, false);
    }
  }

  void print_totals() {
    Counts all;
    for (const auto& [feature, counts] : totals_.by_feature) {
      say("{:<20} agree {:>5}  stricter {:>4}  laxer {:>4}\n", feature, counts.agree,
          counts.stricter, counts.laxer);
      all += counts;
    }
    for (const auto& [rule, count] : totals_.by_rule) say("  stricter by {}: {}\n", rule, count);
    fmt::print(
        "{{\"agree\":{},\"stricter\":{},\"laxer\":{},\"messages\":{},\"messages_found\":{},\"not_"
        "linked\":{},"
        "\"skipped\":{},\"problems\":{},\"insns\":{},\"our_ns\":{},\"kernel_ns\":{},\"kernel_"
        "insns\":{}}}\n",
        all.agree, all.stricter, all.laxer, totals_.messages, totals_.messages_found,
        totals_.not_linked, totals_.skipped, totals_.problems, totals_.insns, totals_.our_ns,
        totals_.kernel_ns, totals_.kernel_insns);
    laxer_ = all.laxer;
  }
  [[nodiscard]] int laxer() const { return laxer_; }

 private:
  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    if (!options_.json) fmt::print(format, std::forward<Args>(args)...);
  }

  verifier::Report verify(const corpus::Case& test, const corpus::Expectation& want,
                          bool privileged, uint32_t log_level) {
    verifier::Options options;
    options.profile = options_.profile;
    options.privileged = privileged;
    options.cap_bpf = (want.capabilities >> 39 & 1) != 0;
    options.cap_perfmon = (want.capabilities >> 38 & 1) != 0;
    options.cap_net_admin = (want.capabilities >> 12 & 1) != 0;
    options.log_level = log_level;
    if (!btfs_.empty()) options.kernel_btf = btfs_[0];
    options.module_kfuncs = kfuncs_;
    verifier::Report report = verifier::verify(test.program, options);
    totals_.insns += report.stats.insns_processed;
    totals_.our_ns += report.stats.time_ns;
    if (options_.verbose) say("{}\n", report.log);
    return report;
  }

  void check(const corpus::Case& test, const corpus::Expectation& want, bool privileged) {
    if (!want.stated) {
      ++totals_.unstated;
      return;
    }
    // As the selftests' own loader asks for it.
    uint32_t level = test.log_level | 1;
    if (options_.verbose) level |= 2;
    const verifier::Report report = verify(test, want, privileged, level);
    const std::string name =
        fmt::format("{}:{}{}", test.file, test.name, privileged ? "" : " @unpriv");
    record(test, report, want.accept, name,
           want.messages.empty() ? std::string() : want.messages[0].text);
    const std::vector<std::string> missing = corpus::missing_messages(report.log, want.messages);
    totals_.messages += static_cast<int>(want.messages.size());
    totals_.messages_found += static_cast<int>(want.messages.size() - missing.size());
    if (!options_.messages) return;
    for (const std::string& message : missing) {
      say("no message {}: \"{}\"; {}\n", name, one_line(message),
          report.rejection ? one_line(report.rejection->message) : "accepted");
    }
  }

  void record(const corpus::Case& test, const verifier::Report& report, bool accept,
              const std::string& name, const std::string& why) {
    Counts& counts = totals_.by_feature[test.feature];
    if (report.accepted() == accept) {
      ++counts.agree;
    } else if (accept) {
      ++counts.stricter;
      ++totals_.by_rule[std::string(verifier::rule_name(report.rejection->rule))];
      say("stricter {} insn {}: {}\n", name, report.rejection->insn,
          one_line(report.rejection->message));
    } else {
      ++counts.laxer;
      say("LAXER {}: expected \"{}\"\n", name, one_line(why));
    }
  }

  void compare_with_kernel(const corpus::Case& test, corpus::KernelLoader& kernel) {
    const uint32_t level = options_.record ? 0 : options_.verbose ? 6 : 4;
    const corpus::KernelVerdict verdict = kernel.load(test.program, level);
    if (options_.record) {
      if (verdict.problem.empty()) fmt::print("{} {}:{}\n", verdict.error, test.file, test.name);
      return;
    }
    // A log that does not fit is not a verdict either.
    if (!verdict.problem.empty() || verdict.error == ENOSPC) {
      ++totals_.problems;
      if (options_.verbose) say("{}:{}: {}\n", test.file, test.name, verdict.problem);
      return;
    }
    totals_.kernel_ns += verdict.time_ns;
    if (const size_t at = verdict.log.rfind("processed "); at != std::string::npos)
      totals_.kernel_insns += std::strtoull(verdict.log.c_str() + at + 10, nullptr, 10);
    if (options_.verbose) say("---- kernel\n{}---- skep\n", verdict.log);
    const verifier::Report report = verify(test, {}, true, options_.verbose ? 2 : 0);
    std::string why;
    if (report.accepted() && !verdict.accepted)
      why = fmt::format("{} {}", verdict.error, last_lines(kernel.load(test.program, 1).log));
    record(test, report, verdict.accepted, fmt::format("{}:{}", test.file, test.name), why);
    if (options_.messages && !report.accepted() && !verdict.accepted) {
      const std::string theirs = kernel.load(test.program, 1).log;
      ++totals_.messages;
      std::vector<corpus::Message> wanted{{report.rejection->message, false}};
      // Ours in theirs, to the last line.
      if (corpus::missing_messages(theirs, wanted).empty()) {
        ++totals_.messages_found;
      } else {
        say("message {}:{}: ours \"{}\" theirs \"{}\"\n", test.file, test.name,
            one_line(report.rejection->message), last_lines(theirs));
      }
    }
  }

  void compare_with_record(const corpus::Case& test) {
    const std::string name = fmt::format("{}:{}", test.file, test.name);
    const auto found = options_.recorded.find(name);
    if (found == options_.recorded.end()) {
      ++totals_.problems;
      return;
    }
    const verifier::Report report = verify(test, {}, true, options_.verbose ? 2 : 0);
    record(test, report, found->second == 0, name, fmt::format("error {}", found->second));
  }

  const Options& options_;
  std::vector<std::shared_ptr<const btf::Btf>> btfs_;
  std::vector<spec::Kfunc> kfuncs_;
  Totals totals_;
  int laxer_ = 0;
};

[[noreturn]] void usage(const std::string& problem) {
  fmt::print(stderr,
             "verifier_corpus: {}\nusage: ./dev corpus verifier DIR|FILE... [--kernel PROFILE] "
             "[--btf FILE] [--module FILE] "
             "[--against annotations|kernel|FILE] [--record] [--unprivileged|--privileged] "
             "[--program NAME] "
             "[--messages] [--verbose] "
             "[--json]\n",
             problem);
  std::exit(2);
}

// "22 file:program" a line.
void read_record(const std::string& path, std::map<std::string, int>& into) {
  std::ifstream in(path);
  int error = 0;
  std::string name;
  while (in >> error >> name) into[name] = error;
  if (into.empty()) usage(path + " holds no verdicts");
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const auto value = [&]() -> std::string {
      if (i + 1 >= argc) usage(arg + " takes a value");
      return argv[++i];
    };
    if (arg == "--kernel") {
      const std::string name = value();
      options.profile = verifier::find_kernel_profile(name);
      if (options.profile == nullptr) usage("no kernel profile " + name);
    } else if (arg == "--btf") {
      options.btf_path = value();
    } else if (arg == "--module") {
      options.module_path = value();
    } else if (arg == "--against") {
      const std::string what = value();
      options.against_kernel = what == "kernel";
      if (what != "annotations" && what != "kernel") read_record(what, options.recorded);
    } else if (arg == "--record") {
      options.record = options.against_kernel = true;
    } else if (arg == "--unprivileged") {
      options.privileged = false;
    } else if (arg == "--privileged") {
      options.unprivileged = false;
    } else if (arg == "--program") {
      options.only = value();
    } else if (arg == "--verbose") {
      options.verbose = true;
    } else if (arg == "--messages") {
      options.messages = true;
    } else if (arg == "--json") {
      options.json = true;
    } else if (arg.starts_with("-")) {
      usage("unknown option " + arg);
    } else if (std::filesystem::is_directory(arg)) {
      for (const auto& entry : std::filesystem::directory_iterator(arg)) {
        const auto extension = entry.path().extension();
        if (extension == ".o" || extension == ".c") options.paths.push_back(entry.path());
      }
    } else if (std::filesystem::exists(arg)) {
      options.paths.push_back(arg);
    } else {
      usage(arg + " does not exist");
    }
  }
  if (options.paths.empty()) usage("no objects");
  std::ranges::sort(options.paths);
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // what was printed stays, whatever happens next
  if (options.against_kernel) {
    if (auto available = corpus::kernel_available(); !available) {
      fmt::print(stderr, "verifier_corpus: {}\n", available.error().text());
      return 1;
    }
  }
  Runner runner(options);
  if (!runner.read_btf())
    fmt::print(stderr, "verifier_corpus: {}: no BTF; kernel types are not known\n",
               options.btf_path);
  for (const std::string& path : options.paths) runner.run_file(path);
  if (options.record) return 0;
  runner.print_totals();
  return runner.laxer() == 0 ? 0 : 1;
}
