// Programs under probes behave as they do without, and each run is counted. The programs that trace and
// are traced are built beside this one (tests/hooks/CMakeLists.txt).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>

#include "base/fd.h"
#include "hooks/inject.h"
#include "hooks/uprobe_table.h"
#include "hooks_fixture.h"
#include "test_paths.h"

namespace skep::hooks {
namespace {

using ::testing::HasSubstr;

const std::string kTarget = SKEP_BINARY_DIR "/hooks_targets/target_probed";
const std::string kRunProbed = SKEP_BINARY_DIR "/bin/run_probed";

struct Outcome {
  int status = 0;
  std::string out, err;
  bool operator==(const Outcome&) const = default;
};
void PrintTo(const Outcome& outcome, std::ostream* os) {
  *os << "status " << outcome.status << "\n" << outcome.out << outcome.err;
}

std::string contents(const std::string& path) {
  auto bytes = read_file(path);
  if (!bytes) return {};
  return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}

std::string temporary(std::string_view name) {
  return fmt::format("{}skep-uprobe-{}-{}", ::testing::TempDir(), ::getpid(), name);
}

Outcome run(std::vector<std::string> argv) {
  std::string out = temporary("out"), err = temporary("err");
  pid_t child = ::fork();
  if (child == 0) {
    if (std::freopen("/dev/null", "r", stdin) == nullptr ||
        std::freopen(out.c_str(), "w", stdout) == nullptr ||
        std::freopen(err.c_str(), "w", stderr) == nullptr)
      ::_exit(99);
    ::alarm(120);
    std::vector<char*> raw;
    for (auto& word : argv) raw.push_back(word.data());
    raw.push_back(nullptr);
    ::execvp(raw[0], raw.data());
    ::_exit(98);
  }
  Outcome outcome;
  ::waitpid(child, &outcome.status, 0);
  outcome.out = contents(out);
  outcome.err = contents(err);
  ::unlink(out.c_str());
  ::unlink(err.c_str());
  return outcome;
}

struct Counts {
  uint64_t entries = 0, returns = 0, arguments = 0, results = 0, installed = 0, mismatched = 0,
           unreachable = 0, missed = 0;
  bool by_jump = false;
};

struct Traced {
  Outcome outcome;
  std::map<std::string, Counts> probes;  // by the function's name
  std::string text;                      // the line that --detach-after adds
};

// `command` with entry and return probes on `functions`.
Traced trace(const std::vector<std::string>& functions, const std::vector<std::string>& command,
             std::vector<std::string> options = {}) {
  std::string report = temporary("report");
  std::vector<std::string> argv = {kRunProbed, "--report", report};
  argv.insert(argv.end(), options.begin(), options.end());
  for (const std::string& function : functions) {
    argv.push_back("--both");
    argv.push_back(function);
  }
  argv.push_back("--");
  argv.insert(argv.end(), command.begin(), command.end());
  Traced traced;
  traced.outcome = run(argv);
  std::string text = contents(report);
  ::unlink(report.c_str());
  size_t start = 0;
  while (start < text.size()) {
    size_t end = text.find('\n', start);
    std::string line = text.substr(start, end - start);
    start = end + 1;
    if (line.starts_with("text ")) traced.text = line;
    char name[256], kind[32];
    unsigned long long n[9];
    if (std::sscanf(line.c_str(),
                    "%255s entry=%llu return=%llu arguments=%llu results=%llu installed=%llu "
                    "removed=%llu mismatched=%llu unreachable=%llu missed=%llu %31s",
                    name, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7], &n[8],
                    kind) != 11)
      continue;
    std::string function = name;
    function = function.substr(function.rfind(':') + 1);
    traced.probes[function] = {
        n[0], n[1], n[2], n[3], n[4], n[6], n[7], n[8], std::string_view(kind) == "jump"};
  }
  return traced;
}

std::vector<std::string> of_target(std::initializer_list<const char*> functions) {
  std::vector<std::string> out;
  for (const char* function : functions) out.push_back(kTarget + ":probed_" + function);
  return out;
}
const std::vector<std::string>& every_function() {
  static const std::vector<std::string> all =
      of_target({"add",        "many",  "float",     "variadic",        "struct",  "fibonacci",
                 "deep",       "throw", "pass",      "catch",           "rethrow", "jump",
                 "above_jump", "tail",  "backtrace", "outer_backtrace", "flags",   "loop",
                 "tiny",       "switch"});
  return all;
}

class Probed : public ::testing::Test {
 protected:
  void SetUp() override {
    // Whether processes can be traced here at all.
    Outcome outcome = run({kRunProbed, "--report", "/dev/null", "--", "/bin/true"});
    if (outcome.status != 0) GTEST_SKIP() << "can't trace here: " << outcome.err;
  }
};

TEST_F(Probed, values_registers_flags_and_the_red_zone_pass_through) {
  Outcome plain = run({kTarget, "values"});
  ASSERT_EQ(plain.status, 0);
  Traced traced = trace(every_function(), {kTarget, "values"});
  EXPECT_EQ(traced.outcome, plain);
  EXPECT_EQ(traced.probes["probed_fibonacci"].entries, 1973u);
  EXPECT_EQ(traced.probes["probed_fibonacci"].returns, 1973u);
  EXPECT_EQ(traced.probes["probed_deep"].returns, 2001u);
  EXPECT_EQ(traced.probes["probed_deep"].arguments, 2001000u);
  EXPECT_EQ(traced.probes["probed_deep"].results, 2001000u);
  EXPECT_EQ(traced.probes["probed_tiny"].returns, 10u);
  EXPECT_EQ(traced.probes["probed_loop"].entries, 1u);
  EXPECT_FALSE(traced.probes["probed_loop"].by_jump);
  EXPECT_EQ(traced.probes["probed_add"].entries, 2u) << "one of them is a tail call";
  EXPECT_EQ(traced.probes["probed_add"].returns, 2u);
  EXPECT_EQ(traced.probes["probed_tail"].returns, 1u);
  EXPECT_EQ(traced.probes["probed_tail"].results, 42u);
}

TEST_F(Probed, breakpoints_do_what_jumps_do) {
  Outcome plain = run({kTarget, "values"});
  Traced traced = trace(every_function(), {kTarget, "values"}, {"--breakpoint"});
  EXPECT_EQ(traced.outcome, plain);
  EXPECT_EQ(traced.probes["probed_fibonacci"].returns, 1973u);
  EXPECT_FALSE(traced.probes["probed_fibonacci"].by_jump);
}

TEST_F(Probed, exceptions_pass_through_functions_whose_return_is_probed) {
  Outcome plain = run({kTarget, "exceptions"});
  ASSERT_EQ(plain.status, 0);
  Traced traced = trace(every_function(), {kTarget, "exceptions"});
  EXPECT_EQ(traced.outcome, plain);
  EXPECT_EQ(traced.probes["probed_throw"].entries, 600u);
  EXPECT_EQ(traced.probes["probed_throw"].returns, 200u) << "those that did not throw";
  EXPECT_EQ(traced.probes["probed_catch"].returns, 300u);
  EXPECT_EQ(traced.probes["probed_rethrow"].returns, 100u);
}

TEST_F(Probed, longjmp_leaves_functions_whose_return_is_probed) {
  Outcome plain = run({kTarget, "jumps"});
  Traced traced = trace(every_function(), {kTarget, "jumps"});
  EXPECT_EQ(traced.outcome, plain);
  EXPECT_EQ(traced.probes["probed_jump"].entries, 1000u);
  EXPECT_EQ(traced.probes["probed_jump"].returns, 500u);
}

TEST_F(Probed, a_backtrace_sees_the_real_callers) {
  Outcome plain = run({kTarget, "backtraces"});
  Traced traced = trace(every_function(), {kTarget, "backtraces"});
  EXPECT_EQ(traced.outcome, plain);
  EXPECT_EQ(traced.probes["probed_outer_backtrace"].returns, 3u);
}

TEST_F(Probed, coroutines_may_leave_functions_in_any_order) {
  Outcome plain = run({kTarget, "contexts"});
  Traced traced = trace(every_function(), {kTarget, "contexts"});
  EXPECT_EQ(traced.outcome, plain);
  EXPECT_EQ(traced.probes["probed_switch"].entries, 200u);
  EXPECT_EQ(traced.probes["probed_switch"].returns, 198u);
}

TEST_F(Probed, threads_and_forks) {
  for (const char* scenario : {"threads", "forks", "cancels"}) {
    Outcome plain = run({kTarget, scenario});
    ASSERT_EQ(plain.status, 0);
    Traced traced = trace(every_function(), {kTarget, scenario});
    EXPECT_EQ(traced.outcome, plain) << scenario;
    EXPECT_EQ(traced.probes["probed_add"].entries, traced.probes["probed_add"].returns);
    if (std::string_view(scenario) == "threads") {
      EXPECT_EQ(traced.probes["probed_fibonacci"].returns, 800000u);
    }
  }
}

TEST_F(Probed, signals_come_while_probes_run) {
  for (const char* scenario : {"signals", "signal_jumps"}) {
    Outcome plain = run({kTarget, scenario});
    ASSERT_EQ(plain.status, 0);
    EXPECT_EQ(trace(every_function(), {kTarget, scenario}).outcome, plain) << scenario;
  }
}

TEST_F(Probed, hot_functions_of_libc_in_real_programs) {
  std::vector<std::string> functions;
  for (const char* name : {"malloc",
                           "free",
                           "calloc",
                           "realloc",
                           "read",
                           "write",
                           "strlen",
                           "memcpy",
                           "memset",
                           "strcmp",
                           "strchr",
                           "open64",
                           "close",
                           "fopen",
                           "getenv",
                           "qsort",
                           "fwrite",
                           "pthread_mutex_lock",
                           "pthread_mutex_unlock",
                           "sigaction",
                           "fork",
                           "execve",
                           "mmap",
                           "clock_gettime"})
    functions.push_back(std::string("libc.so.6:") + name);
  const std::vector<std::vector<std::string>> commands = {
      {"bash", "-c",
       "for i in 1 2 3; do echo $i | cat; done; x=$(seq 100 | sort -n | tail -1); echo $x"},
      {"/usr/bin/python3", "-c",
       "import json, threading\nts=[threading.Thread(target=lambda: [json.dumps({'a': i}) for i in "
       "range(500)]) for _ in range(4)]\n[t.start() for t in ts]\n[t.join() for t in "
       "ts]\nprint('ok')"},
      {"sqlite3", ":memory:",
       "create table t(a,b); with recursive c(x) as (values(1) union all select x+1 from c where "
       "x<2000) insert into t select x, x*x from c; select sum(b), count(*) from t;"},
      {"gcc", "-O1", "-S", "-o", "-", SKEP_SOURCE_DIR "/tests/hooks/targets/probed.cc"},
      {"find", "/etc", "-maxdepth", "1", "-name", "p*"}};
  for (const auto& command : commands) {
    Outcome plain = run(command);
    if (WEXITSTATUS(plain.status) == 98) continue;  // not installed
    Traced traced = trace(functions, command);
    EXPECT_EQ(traced.outcome, plain) << command[0];
    EXPECT_GT(traced.probes["malloc"].entries, 0u) << command[0];
    for (auto& [name, counts] : traced.probes) {
      EXPECT_GT(counts.installed, 0u) << name;
      EXPECT_EQ(counts.mismatched, 0u) << name;
      EXPECT_EQ(counts.unreachable, 0u) << name;
      EXPECT_EQ(counts.missed, 0u) << name;
    }
  }
}

TEST_F(Probed, a_session_program_may_decline_a_return) {
  Outcome plain = run({kTarget, "values"});
  Traced traced = trace({}, {kTarget, "values"}, {"--session", kTarget + ":probed_deep"});
  EXPECT_EQ(traced.outcome, plain);
  EXPECT_EQ(traced.probes["probed_deep"].entries, 2001u + 1001u)
      << "returns of even arguments only";
}

TEST_F(Probed, a_library_that_comes_and_goes_is_probed_each_time) {
  Outcome plain = run({kTarget, "loads"});
  ASSERT_EQ(plain.status, 0);
  auto functions = every_function();
  functions.emplace_back("libz.so.1:adler32");
  Traced traced = trace(functions, {kTarget, "loads"});
  EXPECT_EQ(traced.outcome, plain);
  EXPECT_EQ(traced.probes["adler32"].installed, 200u);
  EXPECT_EQ(traced.probes["adler32"].entries, 200u);
  EXPECT_EQ(traced.probes["adler32"].returns, 200u);
  EXPECT_EQ(traced.probes["adler32"].mismatched, 0u);
}

TEST_F(Probed, detaching_restores_the_text_and_lets_calls_under_way_return) {
  auto functions = every_function();
  functions.push_back(kTarget + ":probed_slow");
  for (const char* name : {"malloc", "free", "usleep", "clock_gettime"})
    functions.push_back(std::string("libc.so.6:") + name);
  for (int round = 0; round < 5; ++round) {
    Traced traced =
        trace(functions, {kTarget, "lasting"}, {"--detach-after", std::to_string(80 + 30 * round)});
    EXPECT_EQ(traced.outcome.status, 0);
    EXPECT_EQ(traced.outcome.out, "4\n");
    EXPECT_GT(traced.probes["probed_slow"].entries, 0u);
    size_t differ = 1, compared = 0;
    EXPECT_EQ(std::sscanf(traced.text.c_str(), "text differs in %zu of %zu", &differ, &compared),
              2);
    EXPECT_EQ(differ, 0u);
    EXPECT_GT(compared, 1'000'000u);
  }
}

// ---- the table ----

class Table : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = Hive::create(
        {.name = "uprobes", .data_size = uint64_t{16} << 20, .publish_session = false});
    if (!made) GTEST_SKIP() << made.error().text();
    hive = std::move(*made);
    auto created = UprobeTable::create(*hive);
    ASSERT_TRUE(created) << created.error().text();
    table = std::move(*created);
    auto counting = tests::counting_program(*hive);
    ASSERT_TRUE(counting);
    program = counting->header;
  }
  Result<uint32_t> attach(const std::string& binary, const std::string& function, uint32_t when,
                          uint64_t offset = 0) {
    auto path = find_binary(binary, "/bin:/usr/bin");
    if (!path) return fail(path);
    auto image = ElfImage::open(*path);
    if (!image) return fail(image);
    auto place = find_place(*image, *path, {binary, function, offset});
    if (!place) return fail(place);
    UprobeSpec spec;
    spec.path = *path;
    spec.file_offset = place->file_offset;
    spec.when = when;
    spec.program = program;
    return table->attach(spec);
  }
  const ProbeTable& published() const {
    return *reinterpret_cast<const ProbeTable*>(hive::root(hive::Root::kUprobes));
  }
  std::unique_ptr<Hive> hive;
  std::unique_ptr<UprobeTable> table;
  const ProgHeader* program = nullptr;
};

TEST_F(Table, programs_on_one_place_share_its_site) {
  auto first = attach("libc.so.6", "qsort", kOnEntry);
  auto second = attach("libc.so.6", "qsort", kOnEntry);
  ASSERT_TRUE(first);
  ASSERT_TRUE(second);
  EXPECT_EQ(published().count, 1u);
  EXPECT_EQ(published().sites[0].attachment_limit, 2u);
  EXPECT_EQ(table->info(*first).function, "qsort");
  table->detach(*first);
  EXPECT_EQ(published().sites[0].attachments[0].program, 0u);
  EXPECT_NE(published().sites[0].attachments[1].program, 0u);
  EXPECT_EQ(published().sites[0].when, kOnEntry);
  table->detach(*second);
  EXPECT_EQ(published().sites[0].when, 0u);
  // The free place is used again.
  ASSERT_TRUE(attach("libc.so.6", "qsort", kOnEntry));
  EXPECT_EQ(published().sites[0].attachment_limit, 2u);
}

TEST_F(Table, the_first_return_probe_watches_the_unwinders) {
  ASSERT_TRUE(attach("libc.so.6", "qsort", kOnReturn));
  uint32_t enter = 0, leave = 0;
  for (uint32_t i = 0; i < published().count; ++i) {
    enter += published().sites[i].role == ProbeRole::unwinder_enter ? 1 : 0;
    leave += published().sites[i].role == ProbeRole::unwinder_leave_rcx ? 1 : 0;
  }
  EXPECT_EQ(enter, 5u);
  EXPECT_GE(leave, 4u);
}

TEST_F(Table, what_returns_twice_is_refused_a_return_probe_but_not_an_entry_probe) {
  auto made = attach("libc.so.6", "_setjmp", kOnReturn);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), ENOTSUP);
  EXPECT_THAT(made.error().text(), HasSubstr("returns more than once"));
  EXPECT_TRUE(attach("libc.so.6", "_setjmp", kOnEntry));
  auto unwinder = attach("libgcc_s.so.1", "_Unwind_RaiseException", kOnReturn);
  ASSERT_FALSE(unwinder);
  EXPECT_EQ(unwinder.error().code(), ENOTSUP);
}

TEST_F(Table, a_return_probe_belongs_at_a_functions_start) {
  auto image = ElfImage::open("/bin/bash");
  auto made = attach("libc.so.6", "qsort", kOnReturn, 1000);
  EXPECT_FALSE(made);
  // Any boundary after the first will do.
  for (uint64_t offset = 1; offset < 16; ++offset) {
    auto at = attach("libc.so.6", "fopen", kOnReturn, offset);
    ASSERT_FALSE(at);
    EXPECT_EQ(at.error().code(), EINVAL);
  }
}

TEST_F(Table, two_probes_whose_bytes_overlap_are_told_so) {
  ASSERT_TRUE(attach("libc.so.6", "fopen", kOnEntry));
  ASSERT_TRUE(table->info(1).by_jump);
  bool refused = false;
  for (uint64_t offset = 1; offset < 5; ++offset) {
    auto made = attach("libc.so.6", "fopen", kOnEntry, offset);
    if (made) FAIL() << offset;
    refused |= made.error().code() == EBUSY;
  }
  EXPECT_TRUE(refused);
}

TEST_F(Table, more_programs_than_a_site_takes_is_an_error) {
  for (uint32_t i = 0; i < kMaxAttachments; ++i)
    ASSERT_TRUE(attach("libc.so.6", "qsort", kOnEntry));
  auto made = attach("libc.so.6", "qsort", kOnEntry);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), ENOSPC);
}

}  // namespace
}  // namespace skep::hooks
