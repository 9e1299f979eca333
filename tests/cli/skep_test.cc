// The command as people use it: the built skep, run as a process of its own.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "cli/shell.h"

namespace {

using skep::cli::test::Outcome;
using skep::cli::test::run_shell;

const std::string kBin = SKEP_BINARY_DIR "/bin/";
const std::string kExamples = SKEP_SOURCE_DIR "/examples/";

// Runs a shell command line; `skep` in it is the one that was built.
Outcome shell(const std::string& line) {
  std::string directory = ::testing::TempDir() + "skep-cli-" + std::to_string(::getpid());
  std::string err_path = directory + ".err";
  Outcome outcome = run_shell("{ " + line + "\n} 2>" + err_path);
  std::ifstream err(err_path);
  std::stringstream text;
  text << err.rdbuf();
  outcome.err = text.str();
  ::unlink(err_path.c_str());
  return outcome;
}

TEST(SkepRun, opensnoop_lists_the_opens_that_strace_lists) {
  auto seen =
      shell("skep run " + kExamples + R"sh(opensnoop.bpf.c --json -- ls -l /usr | grep '^{"source' |
      sed 's/.*"ret":\(-\{0,1\}[0-9]*\).*"filename":"\([^"]*\)".*/\2 \1/; s/ -[0-9]*$/ -1/')sh");
  auto expected = shell(R"sh(strace -f -e trace=openat -o /tmp/skep-strace-$$ ls -l /usr >/dev/null
      sed -n 's/.*openat([^,]*, "\([^"]*\)".* = \(-\{0,1\}[0-9]*\).*/\1 \2/p' /tmp/skep-strace-$$
      rm /tmp/skep-strace-$$)sh");
  EXPECT_EQ(seen.status, 0) << seen.err;
  ASSERT_FALSE(expected.out.empty());
  EXPECT_EQ(seen.out, expected.out);
}

TEST(SkepRun, passes_the_commands_output_and_status_on) {
  auto outcome = shell("skep run " + kExamples +
                       "opensnoop.bpf.c --min-ns 100000000000 -- sh -c 'echo out; exit 3'");
  EXPECT_EQ(outcome.status, 3);
  EXPECT_EQ(outcome.out, "out\n");
}

TEST(SkepRun, funclatency_counts_calls_in_a_histogram) {
  auto outcome =
      shell("skep run " + kExamples + "funclatency.bpf.c --function libc.so.6:malloc -- ls /usr");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("latency (percpu_array):"), std::string::npos) << outcome.out;
  EXPECT_TRUE(std::regex_search(outcome.out, std::regex("\\[[0-9K]+, [0-9K]+\\) +[0-9]+ \\|@")))
      << outcome.out;
}

TEST(SkepRun, options_of_the_object_are_in_its_help) {
  auto outcome = shell("skep run " + kExamples + "opensnoop.bpf.c --help");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.out.find("--failed"), std::string::npos);
  EXPECT_NE(outcome.out.find("Only opens that fail."), std::string::npos);
  EXPECT_NE(outcome.out.find("(default false)"), std::string::npos);
}

TEST(SkepRun, bindguard_makes_bind_fail_and_the_same_server_binds_without_it) {
  const std::string server =
      "python3 -c 'import socket; s = socket.socket(); s.bind((\"127.0.0.1\", 0)); "
      "print(\"bound\")'";
  auto guarded = shell("skep run " + kExamples + "bindguard.bpf.c -- " + server);
  EXPECT_NE(guarded.status, 0);
  EXPECT_NE(guarded.err.find("PermissionError: [Errno 1]"), std::string::npos) << guarded.err;
  auto free = shell(server);
  EXPECT_EQ(free.status, 0);
  EXPECT_EQ(free.out, "bound\n");
}

TEST(SkepRun, each_bad_input_has_its_own_status) {
  const std::string good = kExamples + "opensnoop.bpf.c";
  EXPECT_EQ(shell("skep run /nonexistent.bpf.c -- ls").status, 66);
  EXPECT_EQ(shell("skep run " SKEP_SOURCE_DIR "/README.md -- ls").status, 65);
  EXPECT_EQ(shell("skep run /bin/ls -- ls").status, 65);
  EXPECT_EQ(shell("skep run " + good + " --nonsense -- ls").status, 64);
  EXPECT_EQ(shell("skep run --engine user " + good).status, 64);
  EXPECT_EQ(shell("skep run --engine user " + good + " --pid 1 -- ls").status, 69);
  EXPECT_EQ(shell("skep run " + good + " -- /nonexistent-command").status, 127);
  EXPECT_EQ(shell("skep run " + good + " -- /etc/passwd").status, 126);
  EXPECT_EQ(shell("skep frobnicate").status, 64);
}

TEST(SkepRun, clangs_own_diagnostics_are_shown) {
  auto outcome = shell(
      "echo 'int f(void) { return nonsense; }' > /tmp/skep-bad-$$.bpf.c; "
      "skep run /tmp/skep-bad-$$.bpf.c -- ls; status=$?; rm /tmp/skep-bad-$$.bpf.c; exit $status");
  EXPECT_EQ(outcome.status, 65);
  EXPECT_NE(outcome.err.find("use of undeclared identifier 'nonsense'"), std::string::npos)
      << outcome.err;
}

TEST(SkepRun, a_refused_program_says_which_rule_and_where) {
  auto outcome = shell(
      "printf '.license \"GPL\"\\n.section \"xdp\"\\nr0 = *(u64 *)(r1 +100)\\nexit\\n' > "
      "/tmp/skep-no-$$.bpf.s; "
      "skep run /tmp/skep-no-$$.bpf.s -- ls; status=$?; rm /tmp/skep-no-$$.bpf.s; exit $status");
  EXPECT_EQ(outcome.status, 67);
  EXPECT_NE(outcome.err.find("rule:  context_access"), std::string::npos) << outcome.err;
}

// A uprobe on a program that this test makes: nobody else's process is touched.
TEST(SkepRun, the_kernel_engine_counts_the_same_calls) {
  auto built = shell(
      "d=/tmp/skep-kernel-$$; mkdir $d; printf '#include <stdio.h>\\n"
      "__attribute__((noinline)) int work(int x) { __asm__ volatile(\"\"); return x + 1; }\\n"
      "int main(void) { int s = 0; for (int i = 0; i < 100; i++) s += work(i); return s == 5050 ? "
      "3 : 4; }\\n'"
      " > $d/w.c && gcc -O1 -o $d/w $d/w.c && echo $d");
  ASSERT_EQ(built.status, 0) << built.err;
  const std::string directory = built.out.substr(0, built.out.size() - 1);
  const std::string run =
      "skep run " + kExamples + "funclatency.bpf.c --function " + directory + "/w:work --json ";
  auto kernel = shell(run + "--engine kernel -- " + directory + "/w");
  auto user = shell(run + "--engine user -- " + directory + "/w");
  shell("rm -r " + directory);
  auto calls = [](const std::string& text) {
    uint64_t sum = 0;
    size_t slots = text.find("\"values\":");
    const std::regex number("[0-9]+");
    std::string rest = slots == std::string::npos ? "" : text.substr(text.find("slots", slots));
    for (std::sregex_iterator at(rest.begin(), rest.end(), number), end; at != end; ++at)
      sum += std::stoull(at->str());
    return sum;
  };
  EXPECT_EQ(user.status, 3) << user.err;
  if (kernel.status == 69) GTEST_SKIP() << "the kernel engine is refused here: " << kernel.err;
  EXPECT_EQ(kernel.status, 3) << kernel.err;
  EXPECT_EQ(calls(kernel.out) > 0, true) << kernel.out;
  EXPECT_EQ(calls(kernel.out), calls(user.out)) << kernel.out << user.out;
}

TEST(SkepRun, a_misspelt_tracepoint_is_named_with_the_one_that_was_meant) {
  auto outcome = shell(
      "printf '.license \"GPL\"\\n.section \"tracepoint/syscalls/sys_enter_opneat\"\\nr0 = "
      "0\\nexit\\n' > "
      "/tmp/skep-tp-$$.bpf.s; "
      "skep run --engine user /tmp/skep-tp-$$.bpf.s -- ls; status=$?; rm /tmp/skep-tp-$$.bpf.s; "
      "exit $status");
  EXPECT_NE(outcome.status, 0);
  EXPECT_NE(outcome.err.find("there is no system call \"opneat\""), std::string::npos)
      << outcome.err;
  EXPECT_NE(outcome.err.find("did you mean \"open"), std::string::npos) << outcome.err;
}

TEST(SkepRun, lines_of_bpf_printk_are_shown) {
  auto outcome = shell(
      "f=/tmp/skep-printk-$$.bpf.c; printf '%s\\n' '#include \"vmlinux.h\"' "
      "'#include <bpf/bpf_helpers.h>' 'SEC(\"tracepoint/syscalls/sys_enter_openat\")' "
      "'int f(void *ctx) { bpf_printk(\"hello %d\", 5); return 0; }' "
      "'char LICENSE[] SEC(\"license\") = \"GPL\";' > $f; "
      "skep run $f -- ls /usr; skep run --json $f -- ls /usr; rm $f");
  EXPECT_NE(outcome.out.find("hello 5\n"), std::string::npos) << outcome.err << outcome.out;
  EXPECT_NE(outcome.out.find("{\"printk\":\"hello 5\"}\n"), std::string::npos) << outcome.out;
}

TEST(SkepTrace, counts_by_key_and_prints_lines) {
  auto outcome = shell(
      "skep trace 'uprobe:libc.so.6:malloc { @calls[comm] = count(); @biggest = max(arg0); } "
      "t:syscalls:sys_enter_openat { printf(\"open %s by %s\\n\", str(arg1), comm); }' -- ls /usr");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(std::regex_search(outcome.out, std::regex("@calls:\nCOMM +VALUE\nls +[0-9]+\n")))
      << outcome.out;
  EXPECT_TRUE(std::regex_search(outcome.out, std::regex("@biggest: [0-9]+\n"))) << outcome.out;
  EXPECT_NE(outcome.out.find("open /etc/ld.so.cache by ls\n"), std::string::npos) << outcome.out;
}

TEST(SkepTrace, a_mistake_is_shown_in_the_script) {
  auto outcome = shell("skep trace 'uprobe:libc.so.6:malloc { @[pidd] = count(); }' -- ls");
  EXPECT_EQ(outcome.status, 65);
  EXPECT_NE(outcome.err.find("^^^^"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("did you mean pid?"), std::string::npos) << outcome.err;
}

TEST(SkepMan, every_command_is_in_the_manual_page) {
  auto outcome = shell("skep man");
  EXPECT_EQ(outcome.status, 0);
  for (const char* line : {".TH SKEP 1", ".SS skep run", ".SS skep map dump", ".SH EXIT STATUS"})
    EXPECT_NE(outcome.out.find(line), std::string::npos) << line;
  EXPECT_EQ(shell("skep man | man --warnings -l - 2>&1 >/dev/null | head -3").out, "");
}

TEST(SkepExec, jit_and_interpreter_give_the_same) {
  const std::string source =
      "printf '.license \"GPL\"\\n.section \"xdp\"\\nr2 = *(u32 *)(r1 +0)\\nr3 = *(u32 *)(r1 +4)\\n"
      "r3 -= r2\\nr0 = 2\\nexit\\n' > /tmp/skep-x-$$.bpf.s; ";
  for (const char* via : {"jit", "interp"}) {
    auto outcome = shell(
        source + "skep exec /tmp/skep-x-$$.bpf.s --data 000102030405060708090a0b0c0d0e0f --via " +
        via + " --json; status=$?; rm /tmp/skep-x-$$.bpf.s; exit $status");
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("\"retval\":2"), std::string::npos) << outcome.out;
  }
}

TEST(SkepExec, fuel_ends_a_run_at_the_same_place_on_both_engines) {
  const std::string source =
      "printf '.license \"GPL\"\\n.section \"xdp\"\\nr0 = 0\\nagain: r0 += 1\\n"
      "if r0 < 1000 goto again\\nexit\\n' > /tmp/skep-x-$$.bpf.s; ";
  auto run = [&](const std::string& options) {
    return shell(source +
                 "skep exec /tmp/skep-x-$$.bpf.s --data 000102030405060708090a0b0c0d0e0f --json " +
                 options + "; status=$?; rm /tmp/skep-x-$$.bpf.s; exit $status");
  };
  for (const char* via : {"jit", "interp"}) {
    auto enough = run("--fuel 2002 --via " + std::string(via));  // 1 + 1000 * 2 + 1
    EXPECT_EQ(enough.status, 0) << enough.err;
    EXPECT_NE(enough.out.find("\"retval\":1000"), std::string::npos) << enough.out;
    EXPECT_NE(enough.out.find("\"out_of_fuel\":false"), std::string::npos) << enough.out;
    auto short_of = run("--fuel 2001 --via " + std::string(via));
    EXPECT_EQ(short_of.status, 0) << short_of.err;
    EXPECT_NE(short_of.out.find("\"retval\":0"), std::string::npos) << short_of.out;
    EXPECT_NE(short_of.out.find("\"out_of_fuel\":true"), std::string::npos) << short_of.out;
  }
  EXPECT_EQ(run("--fuel 5 --via kernel").status, 64);
  EXPECT_NE(run("--harden").out.find("\"retval\":1000"), std::string::npos);
}

TEST(SkepRun, a_perf_map_names_the_programs_of_each_traced_process) {
  auto outcome = shell("skep run " + kExamples +
                       "opensnoop.bpf.c --perf-map -- sh -c 'echo $$; cat /dev/null; exit 0' | "
                       "grep -x '[0-9]*' > /tmp/skep-pid-$$; pid=$(cat /tmp/skep-pid-$$); "
                       "rm /tmp/skep-pid-$$; cat /tmp/perf-$pid.map; rm /tmp/perf-$pid.map");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("_openat_enter\n"), std::string::npos) << outcome.out << outcome.err;
  EXPECT_NE(outcome.out.find(" bpf_prog_"), std::string::npos) << outcome.out;
}

// tests/runtime/jitdump_test.cc looks inside.
TEST(SkepRun, a_jitdump_has_the_code_of_the_programs) {
  auto outcome =
      shell("d=$(mktemp -d); JITDUMPDIR=$d skep run " + kExamples +
            "opensnoop.bpf.c --jitdump -- cat /dev/null; ended=$?; head -c 4 $d/jit-*.dump; "
            "cat $d/jit-*.dump | tr '\\0' '\\n' | grep -a bpf_prog_; rm -r $d; exit $ended");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("DTiJ"), std::string::npos) << outcome.out << outcome.err;
  EXPECT_NE(outcome.out.find("_openat_enter"), std::string::npos) << outcome.out;
}

TEST(SkepRun, fuel_ends_runs_and_says_which_programs) {
  auto outcome = shell("skep run " + kExamples + "opensnoop.bpf.c --fuel 3 -- cat /dev/null");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("ended after 3 instructions (--fuel)"), std::string::npos)
      << outcome.err;
}

TEST(Sockcount, counts_packets_by_protocol) {
  auto outcome = shell("sockcount");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "TCP  3 packets\nUDP  2 packets\nICMP 1 packets\n");
}

TEST(SkepProg, a_second_process_sees_the_session) {
  // The traced cat waits on a fifo until both lists have been made.
  auto outcome = shell("fifo=/tmp/skep-fifo-$$; mkfifo $fifo; skep run " + kExamples +
                       R"sh(opensnoop.bpf.c --name sessiontest -- cat $fifo >/dev/null &
      until skep prog list --session sessiontest 2>/dev/null | grep -q openat_exit; do :; done
      skep prog list --session sessiontest && skep map list --session sessiontest
      status=$?; echo > $fifo; wait; rm $fifo; exit $status)sh");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("openat_enter"), std::string::npos) << outcome.out << outcome.err;
  EXPECT_NE(outcome.out.find("open_calls"), std::string::npos) << outcome.out;
}

}  // namespace
