// skep package, and packages wherever a file is accepted.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "cli/shell.h"

namespace {

using skep::cli::test::InDirectory;
using skep::cli::test::Outcome;

constexpr const char* kSource = R"(/// @description Counts opens by their length.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
/// @cmdarg {"default": 3, "short": "s", "long": "step"}
/// How much an open counts.
volatile __u64 per_open = 1;
/// Only this process.
const volatile int only_pid = 0;
/// @sample {"interval": 20, "type": "log2_hist", "unit": "opens"}
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} lengths SEC(".maps");
SEC("tracepoint/syscalls/sys_enter_openat")
int count(void *ctx) {
  __u32 key = 1;
  __u64 *value = bpf_map_lookup_elem(&lengths, &key);
  if (value) *value += per_open;
  return 0;
}
char LICENSE[] SEC("license") = "GPL";
)";

class PackageCommand : public InDirectory {
 protected:
  void SetUp() override {
    InDirectory::SetUp();
    write("opens.bpf.c", kSource);
    write("two.bpf.s", ".license \"GPL\"\n.section \"xdp\"\nr0 = 2\nexit\n");
  }
};

#define EXPECT_HAS(outcome, text) \
  EXPECT_NE((outcome).out.find(text), std::string::npos) << (outcome).out

TEST_F(PackageCommand, made_of_c_runs_without_the_source) {
  const Outcome made = shell("skep package opens.bpf.c && rm opens.bpf.c");
  EXPECT_EQ(made.status, 0) << made.out;
  EXPECT_HAS(made, "opens.skep.json: ");
  const Outcome shown = shell("skep package --show opens.skep.json");
  EXPECT_EQ(shown.status, 0);
  EXPECT_HAS(shown, "description: Counts opens by their length.");
  EXPECT_HAS(shown, "-s, --step");
  EXPECT_HAS(shown, "lengths every 20 ms as log2_hist");
  EXPECT_HAS(shown, "program types tracepoint; map types array");
  const Outcome help = shell("skep run opens.skep.json --help");
  EXPECT_HAS(help, "How much an open counts. (default 3)");
  EXPECT_HAS(help, "Only this process. (default 0)");
  const Outcome run = shell("skep run --engine user opens.skep.json -s 100 -- cat /dev/null");
  EXPECT_EQ(run.status, 0) << run.out;
  EXPECT_HAS(run, "lengths (array):\nopens                count\n[2, 4)");
  EXPECT_HAS(run, "00 |@@@");  // hundreds
}

TEST_F(PackageCommand, a_sample_is_printed_while_the_command_runs) {
  // The traced process ends once it has seen the first sample in the output.
  const Outcome run = shell(
      "mkfifo seen; skep run --engine user --json opens.bpf.c -- sh -c "
      "'exec 3<>seen; read line <&3' | { read first; echo \"$first\"; echo go > seen; cat; }");
  EXPECT_EQ(run.status, 0) << run.out;
  EXPECT_HAS(run, "\"name\":\"lengths\"");
}

TEST_F(PackageCommand, options_given_at_packaging_are_its_defaults) {
  const Outcome made = shell("skep package opens.bpf.c --step 7 --name other -o - > x.skep.json");
  EXPECT_EQ(made.status, 0) << made.out;
  const Outcome shown = shell("skep package --show --json x.skep.json");
  EXPECT_HAS(shown, "\"name\":\"other\"");
  EXPECT_HAS(shown, "\"default\":\"7\"");
  EXPECT_EQ(shell("skep package opens.bpf.c --stpe 7").status, 64);
}

TEST_F(PackageCommand, every_command_that_takes_a_file_takes_a_package) {
  ASSERT_EQ(shell("skep package opens.bpf.c && skep package two.bpf.s").status, 0);
  EXPECT_EQ(shell("skep verify opens.skep.json").status, 0);
  EXPECT_HAS(shell("skep disasm opens.skep.json"), "count (");
  EXPECT_EQ(shell("skep btf dump opens.skep.json").status, 0);
  EXPECT_HAS(shell("skep exec two.skep.json --data 000102030405060708090a0b0c0d"),
             "return value: 2");
  EXPECT_EQ(shell("skep link opens.skep.json -o l.bpf.o && skep verify l.bpf.o").status, 0);
  EXPECT_EQ(shell("skep skeleton opens.skep.json -o h.hpp").status, 0);
  EXPECT_EQ(shell("skep package --extract o.bpf.o opens.skep.json && skep verify o.bpf.o").status,
            0);
  EXPECT_EQ(shell("skep skeleton two.skep.json").status, 65);
}

TEST_F(PackageCommand, tags_in_the_object_say_the_same_as_comments) {
  std::ofstream(directory_ + "/tag.bpf.c")
      << "#include \"vmlinux.h\"\n#include <bpf/bpf_helpers.h>\n"
         "volatile int x __cmdarg({\"short\": \"x\", \"default\": 5}) = 1;\n"
         "SEC(\"xdp\") int f(void *c) { return x; }\nchar LICENSE[] SEC(\"license\") = \"GPL\";\n";
  EXPECT_EQ(shell("skep compile tag.bpf.c -o tag.bpf.o").status, 0);
  EXPECT_HAS(shell("skep run tag.bpf.o --help"), "-x, --x int");
  EXPECT_HAS(shell("skep exec tag.bpf.o --data 000102030405060708090a0b0c0d"), "return value: 5");
}

TEST_F(PackageCommand, bad_ones_are_one_error_each) {
  ASSERT_EQ(shell("skep package two.bpf.s").status, 0);
  EXPECT_EQ(
      shell("head -c 200 two.skep.json > cut.skep.json; skep run cut.skep.json -- true").status,
      65);
  EXPECT_EQ(shell(": > empty.skep.json; skep package --show empty.skep.json").status, 65);
  const Outcome other = shell(
      "sed 's/\"skep_package\": 1/\"skep_package\": 9/' two.skep.json > v.skep.json; "
      "skep verify v.skep.json");
  EXPECT_EQ(other.status, 65);
  EXPECT_HAS(other, "a package of version 9");
  EXPECT_EQ(shell("skep package /nonexistent.bpf.c").status, 66);
  EXPECT_EQ(shell("skep package .").status, 66);
  EXPECT_EQ(shell("skep package --show two.bpf.s").status, 64);
  // A device is written to: it was replaced by a file once.
  EXPECT_EQ(shell("skep package two.bpf.s -o /dev/full").status, 71);
  EXPECT_EQ(shell("[ -c /dev/full ]").status, 0);
  EXPECT_HAS(shell("skep package two.bpf.s -o /dev/stdout"), "skep_package");
  const Outcome bad = shell(
      "sed 's/@sample {/@sample {\"x\": 1, /' opens.bpf.c > bad.bpf.c; skep package bad.bpf.c");
  EXPECT_EQ(bad.status, 65);
  EXPECT_HAS(bad, "map lengths: @sample: \"x\" is not known");
}

}  // namespace
