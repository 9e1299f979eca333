// Commands under a session: unharmed, every system call seen, programs run, followed where they can be, and
// left as they were.
#include "hooks/session.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>

#include "hooks/command.h"
#include "hooks/syscalls.h"
#include "hooks_fixture.h"
#include "test_paths.h"

namespace skep::hooks {
namespace {

using namespace std::chrono_literals;

std::string target(const std::string& name) {
  return SKEP_BINARY_DIR "/hooks_targets/target_" + name;
}
std::string tool() { return SKEP_BINARY_DIR "/bin/run_traced"; }
SessionOptions options() { return {.agent_path = SKEP_BINARY_DIR "/bin/skep-agent"}; }

struct Outcome {
  std::string out, err;
  int status = -1;  // as waitpid gave it
  bool operator==(const Outcome&) const = default;
};
void PrintTo(const Outcome& outcome, std::ostream* stream) {
  *stream << "status " << outcome.status << "\n--- stdout\n"
          << outcome.out << "--- stderr\n"
          << outcome.err;
}

std::string slurp(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t got;
       (got = ::pread(fd, buffer, sizeof buffer, static_cast<off_t>(text.size()))) > 0;)
    text.append(buffer, static_cast<size_t>(got));
  return text;
}

// Runs a command with its output in files; /dev/null is its input.
Outcome run(const std::vector<std::string>& argv) {
  FILE* out = std::tmpfile();
  FILE* err = std::tmpfile();
  std::vector<char*> arguments;
  for (const auto& text : argv) arguments.push_back(const_cast<char*>(text.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(::open("/dev/null", O_RDONLY), 0);
    ::dup2(::fileno(out), 1);
    ::dup2(::fileno(err), 2);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  Outcome outcome;
  ::waitpid(pid, &outcome.status, 0);
  outcome.out = slurp(::fileno(out));
  outcome.err = slurp(::fileno(err));
  std::fclose(out);
  std::fclose(err);
  return outcome;
}

Outcome traced(const std::vector<std::string>& flags, const std::vector<std::string>& argv) {
  std::vector<std::string> all = {tool(), "--quiet"};
  all.insert(all.end(), flags.begin(), flags.end());
  all.emplace_back("--");
  all.insert(all.end(), argv.begin(), argv.end());
  return run(all);
}

// The tool exits as a shell would say it.
Outcome as_exit_status(Outcome outcome) {
  if (WIFSIGNALED(outcome.status)) outcome.status = (128 + WTERMSIG(outcome.status)) << 8;
  return outcome;
}

bool installed(const std::string& program) { return find_command(program).has_value(); }

// ---- nothing changes for the program ----

class SameTraced : public testing::TestWithParam<std::string> {};

TEST_P(SameTraced, a_target_sees_no_difference) {
  Outcome plain = as_exit_status(run({target(GetParam())}));
  EXPECT_EQ(plain.out.find("WRONG"), std::string::npos) << plain.out;
  EXPECT_EQ(traced({}, {target(GetParam())}), plain);
  EXPECT_EQ(traced({"--count"}, {target(GetParam())}), plain) << "with programs on every call";
  EXPECT_EQ(traced({"--no-patch"}, {target(GetParam())}), plain) << "without patched sites";
  EXPECT_EQ(traced({"--count", "--detach-after=60"}, {target(GetParam())}), plain)
      << "left on its way";
}
INSTANTIATE_TEST_SUITE_P(Targets, SameTraced,
                         testing::Values("registers", "signals", "threads", "processes"),
                         [](const auto& row) { return row.param; });

TEST(SessionExit, status_is_passed_on_however_the_command_ends) {
  for (const char* how : {"0", "3", "255", "segv", "trap", "ill", "abort", "kill", "term", "sys",
                          "fpe", "thread", "main-exits"}) {
    EXPECT_EQ(traced({}, {target("ends"), how}).status,
              as_exit_status(run({target("ends"), how})).status)
        << how;
  }
}

struct RealProgram {
  const char* name;
  std::vector<std::string> argv;
};
class RealPrograms : public testing::TestWithParam<RealProgram> {};

TEST_P(RealPrograms, run_as_without_us) {
  const auto& program = GetParam();
  if (!installed(program.argv[0])) GTEST_SKIP() << program.argv[0] << " is not installed";
  Outcome plain = as_exit_status(run(program.argv));
  EXPECT_EQ(traced({"--count"}, program.argv), plain);
}
INSTANTIATE_TEST_SUITE_P(
    Programs, RealPrograms,
    testing::Values(
        RealProgram{
            "bash",
            {"bash", "-c",
             "for i in 1 2 3 4 5; do x=$(echo $i | tr 0-9 a-j); echo $x; done; trap 'echo trapped' "
             "USR1; "
             "kill -USR1 $$; (exit 4); echo $?; cat <(echo sub); wait; ls /nonexistent; exit 6"}},
        RealProgram{"python",
                    {"python3", "-c",
                     "import os,subprocess,threading,signal,time\n"
                     "signal.signal(signal.SIGALRM, lambda *a: print('alarm'))\n"
                     "signal.setitimer(signal.ITIMER_REAL, 0.02); time.sleep(0.05)\n"
                     "print(subprocess.run(['echo', 'x'], capture_output=True).stdout)\n"
                     "ts = [threading.Thread(target=lambda: [os.getppid() for _ in range(1000)]) "
                     "for i in range(8)]\n"
                     "[t.start() for t in ts]; [t.join() for t in ts]\n"
                     "p = os.fork()\n"
                     "if p == 0: os._exit(5)\n"
                     "print(os.waitpid(p, 0)[1])\n"}},
        RealProgram{"sqlite",
                    {"sqlite3", ":memory:",
                     "create table t(a); with recursive c(x) as (select 1 union all select x+1 "
                     "from c where x<10000) "
                     "insert into t select x from c; select count(*), sum(a) from t;"}},
        RealProgram{"gcc",
                    {"bash", "-c",
                     "d=$(mktemp -d); echo 'int main(){return 3;}' > $d/a.c; gcc -O1 -o $d/a "
                     "$d/a.c && $d/a; "
                     "r=$?; rm -r $d; exit $r"}},
        RealProgram{"git",
                    {"bash", "-c",
                     "d=$(mktemp -d); git init -q $d && cd $d && echo a > f && git add f && git -c "
                     "user.name=a -c "
                     "user.email=b commit -qm m && git log --format=%s && git status --short; "
                     "r=$?; rm -rf $d; exit $r"}},
        RealProgram{"perl",
                    {"perl", "-e",
                     "print join(',', map { $_ * 2 } 1 .. 10), qq(\\n); $SIG{ALRM} = sub { die "
                     "qq(alarm\\n) }; "
                     "eval { alarm 1; select(undef, undef, undef, 3) }; print $@; print `echo hi`; "
                     "exit 7"}}),
    [](const auto& row) { return row.param.name; });

// ---- every call is seen ----

std::map<std::string, uint64_t> by_strace(const std::vector<std::string>& argv) {
  std::string file = "/tmp/skep-session-test." + std::to_string(::getpid());
  std::vector<std::string> all = {"strace", "-f", "-qq", "-o", file};
  all.insert(all.end(), argv.begin(), argv.end());
  run(all);
  std::ifstream lines(file);
  std::map<std::string, uint64_t> counts;
  for (std::string line; std::getline(lines, line);) {
    size_t begin = line.find_first_not_of("0123456789 ");
    size_t end = line.find('(');
    if (begin == std::string::npos || end == std::string::npos || end < begin) continue;
    std::string name = line.substr(begin, end - begin);
    if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos)
      ++counts[name];
  }
  ::unlink(file.c_str());
  return counts;
}

TEST(SessionCalls, the_list_is_straces) {
  if (!installed("strace")) GTEST_SKIP() << "strace is not installed";
  const std::vector<std::string> command = {"ls", "-l", "/usr"};
  auto expected = by_strace(command);
  ASSERT_GT(expected["openat"], 3u);
  --expected["execve"];  // the first one, which the agent comes after
  std::erase_if(expected, [](const auto& row) { return row.second == 0; });
  auto hive = Hive::create({.data_size = 64u << 20, .publish_session = false});
  ASSERT_TRUE(hive) << hive.error().text();
  auto program = tests::histogram_program(**hive);
  ASSERT_TRUE(program);
  auto session = Session::create(**hive, options());
  ASSERT_TRUE(session) << session.error().text();
  ASSERT_TRUE((*session)->attach_all_syscalls(SyscallPoint::kEnter, program->header));
  int null = ::open("/dev/null", O_WRONLY), saved = ::dup(1);
  ::dup2(null, 1);  // not a terminal, as under strace -o … > file
  auto pid = (*session)->launch({.argv = command, .env = std::nullopt});
  ::dup2(saved, 1);
  ASSERT_TRUE(pid) << pid.error().text();
  while (!(*session)->exit_status()) {
    (*session)->wait(1s);
    (*session)->step();
  }
  std::map<std::string, uint64_t> seen;
  for (uint32_t nr = 0; nr < kSyscallLimit; ++nr) {
    if (program->counter[nr] != 0) seen[std::string(syscall_name(nr))] = program->counter[nr];
  }
  // How often the output is written and looked at depends on where it goes.
  for (const char* name : {"write", "ioctl", "statfs"}) {
    expected.erase(name);
    seen.erase(name);
  }
  EXPECT_EQ(seen, expected);
}

// ---- sessions in this process ----

class InSession : public testing::Test {
 protected:
  void SetUp() override {
    auto hive = Hive::create({.data_size = 64u << 20, .publish_session = false});
    ASSERT_TRUE(hive) << hive.error().text();
    hive_ = std::move(*hive);
    auto session = Session::create(*hive_, options());
    ASSERT_TRUE(session) << session.error().text();
    session_ = std::move(*session);
  }
  void TearDown() override {
    session_.reset();
    hive_.reset();
  }
  // Runs to the end; the events on the way.
  std::vector<SessionEvent> run_to_end(const std::vector<std::string>& argv) {
    auto pid = session_->launch({.argv = argv, .env = std::nullopt});
    EXPECT_TRUE(pid) << pid.error().text();
    std::vector<SessionEvent> events;
    while (pid && !session_->exit_status()) {
      session_->wait(1s);
      for (auto& event : session_->step()) events.push_back(std::move(event));
    }
    for (auto& event : session_->step()) events.push_back(std::move(event));
    return events;
  }
  std::unique_ptr<Hive> hive_;
  std::unique_ptr<Session> session_;
};

TEST_F(InSession, several_programs_run_on_one_call_and_a_detached_one_no_more) {
  auto first = tests::counting_program(*hive_), second = tests::counting_program(*hive_),
       third = tests::counting_program(*hive_);
  ASSERT_TRUE(first && second && third);
  const uint32_t nr = *syscall_number("getppid");
  ASSERT_TRUE(session_->attach_syscall(nr, SyscallPoint::kEnter, first->header));
  auto handle = session_->attach_syscall(nr, SyscallPoint::kEnter, second->header);
  ASSERT_TRUE(handle);
  ASSERT_TRUE(session_->attach_syscall(nr, SyscallPoint::kExit, third->header));
  ASSERT_TRUE(session_->detach(*handle));
  EXPECT_FALSE(session_->detach(*handle));
  run_to_end({target("registers")});
  EXPECT_EQ(session_->exit_status(), 0);
  EXPECT_EQ(*first->counter, 100u);  // fifty in assembly, fifty by libc
  EXPECT_EQ(*third->counter, 100u);
  EXPECT_EQ(*second->counter, 0u);
}

TEST_F(InSession, a_set_user_id_program_is_not_followed_and_works) {
  struct passwd* nobody = ::getpwnam("nobody");
  if (::geteuid() != 0 || nobody == nullptr)
    GTEST_SKIP() << "needs root, to make a program set-user-id";
  std::string copy = "/tmp/skep-setuid-" + std::to_string(::getpid());
  std::ofstream(copy, std::ios::binary) << std::ifstream("/usr/bin/id", std::ios::binary).rdbuf();
  ASSERT_EQ(::chown(copy.c_str(), nobody->pw_uid, nobody->pw_gid), 0);
  ASSERT_EQ(::chmod(copy.c_str(), 04755), 0);
  auto refused = session_->launch({.argv = {copy}, .env = std::nullopt});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), EPERM);
  EXPECT_NE(refused.error().text().find("set-user-id"), std::string::npos)
      << refused.error().text();
  auto events =
      run_to_end({"bash", "-c",
                  "x=$(" + copy + "); [[ $x == *euid=" + std::to_string(nobody->pw_uid) + "* ]]"});
  EXPECT_EQ(session_->exit_status(), 0);
  size_t told = 0;
  for (const auto& event : events)
    told += event.kind == NoticeKind::kExecUntraced &&
            event.detail == static_cast<uint64_t>(UntracedReason::kSetuid);
  EXPECT_EQ(told, 1u);
  ::unlink(copy.c_str());
}

TEST_F(InSession, what_a_command_starts_is_followed) {
  auto counter = tests::counting_program(*hive_);
  ASSERT_TRUE(counter);
  ASSERT_TRUE(session_->attach_syscall(*syscall_number("exit_group"), SyscallPoint::kEnter,
                                       counter->header));
  run_to_end({"bash", "-c",
              "for i in 1 2 3 4 5; do /bin/true; done; (bash -c 'exec /bin/true'); /bin/true | "
              "/bin/true"});
  EXPECT_EQ(session_->exit_status(), 0);
  EXPECT_GE(*counter->counter, 9u);
}

// Text mappings of a process that differ from their files.
std::vector<std::string> changed_text(pid_t pid) {
  std::vector<std::string> changed;
  std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
  int memory = ::open(("/proc/" + std::to_string(pid) + "/mem").c_str(), O_RDONLY);
  for (std::string line; std::getline(maps, line);) {
    uint64_t begin, end, offset;
    char mode[8], path[512] = "";
    if (std::sscanf(line.c_str(), "%lx-%lx %7s %lx %*s %*s %511s", &begin, &end, mode, &offset,
                    path) < 4)
      continue;
    if (mode[2] != 'x' || path[0] != '/' || std::string(path).starts_with("/memfd")) continue;
    std::vector<char> mapped(end - begin), stored(end - begin);
    int file = ::open(path, O_RDONLY);
    ssize_t got = ::pread(file, stored.data(), stored.size(), static_cast<off_t>(offset));
    ::close(file);
    EXPECT_EQ(::pread(memory, mapped.data(), mapped.size(), static_cast<off_t>(begin)),
              static_cast<ssize_t>(mapped.size()));
    if (got > 0 && std::memcmp(mapped.data(), stored.data(), static_cast<size_t>(got)) != 0)
      changed.emplace_back(path);
  }
  ::close(memory);
  return changed;
}

std::string status_field(pid_t pid, const std::string& name) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(name + ":"))
      return line.substr(line.find_first_not_of(" \t", name.size() + 1));
  return "";
}

TEST_F(InSession, detaching_puts_every_byte_back_while_the_program_goes_on) {
  auto counter = tests::counting_program(*hive_);
  ASSERT_TRUE(counter);
  ASSERT_TRUE(session_->attach_all_syscalls(SyscallPoint::kEnter, counter->header));
  int in[2], out[2];
  ASSERT_EQ(::pipe2(in, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(out, O_CLOEXEC), 0);
  int saved_in = ::dup(0), saved_out = ::dup(1);
  ::dup2(in[0], 0);
  ::dup2(out[1], 1);
  auto pid = session_->launch({.argv = {target("steady")}, .env = std::nullopt});
  ::dup2(saved_in, 0);
  ::dup2(saved_out, 1);
  ASSERT_TRUE(pid) << pid.error().text();
  ::close(in[0]);
  ::close(out[1]);
  auto ask = [&](const std::string& line) {
    EXPECT_EQ(::write(in[1], line.data(), line.size()), static_cast<ssize_t>(line.size()));
    std::string answer;
    for (char c; answer.empty() || answer.back() != '\n';) {
      if (::read(out[0], &c, 1) != 1) break;
      answer += c;
    }
    return answer;
  };
  EXPECT_EQ(ask("one\n"), "300 0 one\n");
  EXPECT_EQ(ask("two\n"), "600 0 two\n");
  EXPECT_FALSE(changed_text(*pid).empty())
      << "no site was patched: the test below would show nothing";
  const uint64_t agents_signals = 1u << (SIGSYS - 1) | 1u << (SIGSEGV - 1);
  EXPECT_EQ(std::stoull(status_field(*pid, "SigCgt"), nullptr, 16) & agents_signals,
            agents_signals);

  auto left = session_->detach_all(10s);
  ASSERT_TRUE(left);
  EXPECT_TRUE(left->empty());
  EXPECT_EQ(changed_text(*pid), std::vector<std::string>{});
  uint64_t caught = std::stoull(status_field(*pid, "SigCgt"), nullptr, 16);
  EXPECT_EQ(caught & agents_signals, 0u);
  EXPECT_NE(caught & 1u << (SIGUSR1 - 1), 0u) << "the program's own handler";
  uint64_t before = *counter->counter;
  EXPECT_EQ(ask("three\n"), "900 0 three\n");
  EXPECT_EQ(*counter->counter, before);
  ::close(in[1]);
  while (!session_->exit_status()) session_->wait(1s), session_->step();
  EXPECT_EQ(session_->exit_status(), 9) << "no wait was interrupted";
  ::close(out[0]);
}

TEST_F(InSession, a_patched_command_outlives_its_killed_controller) {
  // In a child, so that the controller can be killed.
  std::string file = "/tmp/skep-outlives-" + std::to_string(::getpid());
  ::unlink(file.c_str());
  pid_t controller = ::fork();
  if (controller == 0) {
    std::string script = "for i in 1 2 3 4 5; do /bin/true; done; echo $PPID > " + file +
                         ".started; while kill -0 $PPID 2>/dev/null && [ \"$(ps -o ppid= -p $$ | "
                         "tr -d ' ')\" = $PPID ]; do :; done; "
                         "/bin/true; (exit 3); x=$(echo alive); echo $x > " +
                         file;
    ::execl(tool().c_str(), "run_traced", "--count", "--quiet", "--", "bash", "-c", script.c_str(),
            nullptr);
    ::_exit(127);
  }
  while (::access((file + ".started").c_str(), F_OK) != 0 && ::kill(controller, 0) == 0)
    ::sched_yield();
  ::kill(controller, SIGKILL);
  int status;
  ::waitpid(controller, &status, 0);
  std::string text;
  for (int i = 0; i < 100000 && text != "alive"; ++i) {
    std::ifstream(file) >> text;
    ::sched_yield();
  }
  EXPECT_EQ(text, "alive");
  ::unlink(file.c_str());
  ::unlink((file + ".started").c_str());
}

// ---- what can't be traced is refused with the reason ----

// A process of the command's that is killed inside a program is nobody's to wait for: its slot comes back all the
// same.
TEST(SessionSlots, of_killed_processes_come_back) {
  auto hive = Hive::create({.data_size = 16 << 20, .slots = 4, .publish_session = false});
  ASSERT_TRUE(hive) << hive.error().text();
  auto session = Session::create(**hive, options());
  ASSERT_TRUE(session) << session.error().text();
  constexpr uint32_t kSlot = 2;
  pid_t child = ::fork();
  if (child == 0) {
    auto me = static_cast<uint32_t>(::getpid());
    if (!hive::try_claim(kSlot, hive::owner_word(me, me))) ::_exit(1);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  const auto end = std::chrono::steady_clock::now() + 30s;
  while (hive::slot_table().slots[kSlot].owner.load() != 0 &&
         std::chrono::steady_clock::now() < end)
    ::sched_yield();
  EXPECT_EQ(hive::slot_table().slots[kSlot].owner.load(), 0u);
  EXPECT_EQ(hive::slot_table().deaths.load(), 1u);
}

TEST(Command, is_found_and_judged_before_it_is_started) {
  auto code_of = [](const std::string& name) {
    auto path = find_command(name);
    if (!path) return path.error().code();
    auto checked = check_command(*path);
    return checked ? 0 : checked.error().code();
  };
  EXPECT_EQ(code_of("ls"), 0);
  EXPECT_EQ(code_of("no-such-command-here"), ENOENT);
  EXPECT_EQ(code_of("/no/such/path"), ENOENT);
  EXPECT_EQ(code_of("/etc"), EACCES);
  EXPECT_EQ(code_of("/etc/passwd"), EACCES);
  std::string script = "/tmp/skep-command-test-" + std::to_string(::getpid());
  auto make = [&](const std::string& text) {
    std::ofstream(script) << text;
    ::chmod(script.c_str(), 0755);
    return script;
  };
  EXPECT_EQ(code_of(make("#!/bin/sh\nexit 0\n")), 0);
  EXPECT_EQ(code_of(make("#! /no/such/interpreter\n")), ENOENT);
  EXPECT_EQ(code_of(make("echo no magic\n")), ENOEXEC);
  EXPECT_EQ(code_of(SKEP_BINARY_DIR "/bin/skep-agent"), ENOTSUP) << "statically linked";
  ::unlink(script.c_str());
}

}  // namespace
}  // namespace skep::hooks
