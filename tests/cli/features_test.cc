// Features of docs/features.md that the command shows: small programs in assembly, run by the built skep.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "cli/shell.h"

namespace {

using skep::cli::test::Outcome;
using skep::cli::test::run_shell;

// Runs a shell command line in a directory of its own that holds `source` as x.bpf.s; `skep` in it is the one that was built.
Outcome shell(const std::string& line, const std::string& source = "") {
  std::string directory = ::testing::TempDir() + "skep-features-XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) return {};
  std::ofstream(directory + "/x.bpf.s") << source;
  Outcome outcome = run_shell("cd " + directory + "; { " + line + "\n} 2>err");
  std::stringstream text;
  text << std::ifstream(directory + "/err").rdbuf();
  outcome.err = text.str();
  (void)!std::system(("rm -r " + directory).c_str());
  return outcome;
}

// An Ethernet header, and 50 bytes of IPv4.
const std::string kPacket =
    "000102030405060708090a0b0800"
    "450000320000000040110000"
    "7f0000017f000001" +
    std::string(60, '0');

// A struct __sk_buff with `bytes` at `offset`.
std::string sk_buff(size_t offset, const std::string& bytes) {
  std::string hex(2 * 192, '0');
  return hex.replace(2 * offset, bytes.size(), bytes);
}

// One run of `body` as a program of that section.
nlohmann::json exec(const std::string& section, const std::string& body,
                    const std::string& options = "") {
  const Outcome outcome =
      shell("skep exec x.bpf.s --json " + options,
            ".license \"GPL\"\n.section \"" + section + "\"\n" + body + "\nexit\n");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return nlohmann::json::parse(outcome.out, nullptr, false);
}
const std::string kOnPacket = "--data " + kPacket;

// D5.1.4
TEST(Features, feature_probe) {
  const Outcome all = shell("skep feature --json");
  EXPECT_EQ(all.status, 0) << all.err;
  const auto json = nlohmann::json::parse(all.out, nullptr, false);
  ASSERT_TRUE(json.contains("features"));
  EXPECT_TRUE(json.contains("kernel_engine"));
  auto find = [&](const std::string& name) {
    for (const auto& row : json["features"])
      if (row["name"] == name) return row;
    return nlohmann::json();
  };
  EXPECT_EQ(find("BPF_MAP_TYPE_HASH")["user_engine"], true);
  EXPECT_EQ(find("bpf_map_lookup_elem")["since"], "3.19");
  EXPECT_EQ(find("BPF_PROG_TYPE_LIRC_MODE2")["user_engine"], false);
  EXPECT_FALSE(find("BPF_PROG_TYPE_LIRC_MODE2")["reason"].empty());
}
// D5.6.8
TEST(Features, million_instructions) {
  const Outcome outcome = shell("skep feature --kind verifier mega_insns");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("5.2"), std::string::npos) << outcome.out;
}
// D5.1.5
TEST(Features, gso_segs) {
  EXPECT_EQ(
      exec("tc", "r0 = *(u32 *)(r1 +164)", kOnPacket + " --ctx " + sk_buff(164, "05"))["retval"],
      5);
}
// D5.7.3
TEST(Features, gso_size) {
  EXPECT_EQ(exec("tc", "r0 = *(u32 *)(r1 +176)",
                 kOnPacket + " --ctx " +
                     sk_buff(164,
                             "02000000"
                             "0000000000000000"
                             "7805"))["retval"],
            1400);
}
// D5.3.10
TEST(Features, departure_time) {
  const auto run = exec("tc", "r2 = 0x1122334455667788 ll\n*(u64 *)(r1 +152) = r2\nr0 = 0",
                        kOnPacket + " --ctx " + sk_buff(0, ""));
  EXPECT_EQ(run["ctx_out"].get<std::string>().substr(2 * 152, 16), "8877665544332211");
}
// D5.1.6
TEST(Features, int128_in_btf) {
  const Outcome outcome = shell(
      "echo 'unsigned __int128 wide; int f(void) { return wide >> 64; }' > w.bpf.c; "
      "skep compile w.bpf.c -o w.bpf.o && skep btf dump --format raw w.bpf.o");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("INT 'unsigned __int128' bits=128"), std::string::npos) << outcome.out;
}
// D5.5.6
TEST(Features, btf_raw) {
  const Outcome outcome = shell("skep btf dump --format raw user");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out.rfind("[1] ", 0), 0u);
  EXPECT_NE(outcome.out.find(" STRUCT 'task_struct' size="), std::string::npos);
}
// D5.1.9
TEST(Features, queue_and_stack_from_a_program) {
  for (auto [kind, second] : {std::pair("queue", 3), {"stack", 7}}) {
    const auto run = exec("tc", std::string(".map things, ") + kind + R"(, 0, 8, 4
      r6 = 3
      *(u64 *)(r10 -8) = r6
      r1 = map[things]
      r2 = r10
      r2 += -8
      r3 = 0
      call bpf_map_push_elem
      r6 = 7
      *(u64 *)(r10 -8) = r6
      r1 = map[things]
      r2 = r10
      r2 += -8
      r3 = 0
      call bpf_map_push_elem
      r1 = map[things]
      r2 = r10
      r2 += -8
      call bpf_map_pop_elem
      r0 = *(u64 *)(r10 -8))",
                          kOnPacket);
    EXPECT_EQ(run["retval"], second) << kind;
  }
}
// D5.10.3
TEST(Features, sleepable_programs) {
  const std::string body = R"(
      r1 = r10
      r1 += -8
      r2 = 8
      r3 = 0
      call bpf_copy_from_user
      r0 = 7)";
  EXPECT_EQ(exec("uprobe.s", body)["retval"], 7);
  const Outcome refused =
      shell("skep verify x.bpf.s", ".license \"GPL\"\n.section \"uprobe\"\n" + body + "\nexit\n");
  EXPECT_EQ(refused.status, 67) << refused.out << refused.err;
}
// D5.4.10
TEST(Features, frozen_maps_in_the_tool) {
  const Outcome outcome = shell(
      "mkfifo fifo; skep run " SKEP_SOURCE_DIR
      "/examples/opensnoop.bpf.c --name frozen-$$ "
      "-- cat fifo > /dev/null & "
      "until skep map list --session frozen-$$ --json 2>/dev/null | grep -q rodata; do :; done; "
      "skep map list --session frozen-$$ --json; status=$?; echo > fifo; wait; exit $status");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out, nullptr, false);
  bool frozen = false, other = false;
  for (const auto& map : json.is_array() ? json : json["maps"]) {
    if (map["name"].get<std::string>().find("rodata") != std::string::npos) frozen = map["frozen"];
    if (map["name"] == "open_calls") other = map["frozen"];
  }
  EXPECT_TRUE(frozen) << outcome.out;
  EXPECT_FALSE(other) << outcome.out;
}

const std::string kCounts = R"(.license "GPL"
.map counts, array, 4, 8, 1
.section ")";
const std::string kCount = R"("
      r1 = map[counts][0]
      r2 = 1
      lock *(u64 *)(r1 +0) += r2
      r0 = RESULT
      exit
)";
std::string counting(const std::string& section, int result) {
  std::string body = kCount;
  body.replace(body.find("RESULT"), 6, std::to_string(result));
  return kCounts + section + body;
}

// D5.4.9
TEST(Features, interface_from_the_command_line) {
  const std::string program = counting("xdp", 2);
  const Outcome user = shell("skep run --engine user x.bpf.s --interface lo -- true", program);
  EXPECT_EQ(user.status, 69) << user.err;
  if (shell("unshare -n true").status != 0)
    GTEST_SKIP() << "no network namespace of one's own here";
  const Outcome outcome = shell(
      "unshare -n sh -c 'ip link set lo up; skep run --engine kernel --json x.bpf.s --interface lo "
      "-- "
      "python3 -c \"import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
      "[s.sendto(b\\\"x\\\", (\\\"127.0.0.1\\\", 9)) for i in range(3)]\"'",
      program);
  if (outcome.err.find("needs CAP") != std::string::npos) GTEST_SKIP() << outcome.err;
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("counts"), std::string::npos) << outcome.out << outcome.err;
}

// C-prog-RAW_TRACEPOINT
TEST(Features, prog_type_raw_tracepoint) {
  const Outcome outcome = shell("skep run --json x.bpf.s -- true", counting("raw_tp/sys_enter", 0));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("counts"), std::string::npos) << outcome.out << outcome.err;
}
// C-prog-SCHED_ACT
TEST(Features, prog_type_sched_act) {
  EXPECT_EQ(exec("action", "r0 = *(u32 *)(r1 +0)", kOnPacket)["retval"], 64);
}
// C-prog-CGROUP_SKB
TEST(Features, prog_type_cgroup_skb) {
  // Below layer 2 the packet begins at its network header.
  EXPECT_EQ(exec("cgroup_skb/ingress", R"(
      r2 = *(u32 *)(r1 +0)
      r0 = 1
      if r2 == 50 goto out
      r0 = 0
    out:)",
                 kOnPacket)["retval"],
            1);
}
// C-prog-XDP
TEST(Features, prog_type_xdp) {
  const auto run = exec("xdp", R"(
      r6 = r1
      r2 = -8
      call bpf_xdp_adjust_head
      r0 = 3)",
                        kOnPacket);
  EXPECT_EQ(run["retval"], 3);
  EXPECT_EQ(run["data_out"].get<std::string>().size(), kPacket.size() + 16);
}

// B4: what C names "class" and C++ can't.
TEST(Features, skeletons_of_names_that_are_words_of_cpp) {
  const Outcome outcome = shell(R"sh(cat > k.bpf.c <<'EOF'
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
struct class { int new; };
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1); __type(key, int); __type(value, struct class); } template SEC(".maps");
int this = 3;
struct class namespace;
SEC("socket") int delete(void *skb) { int key = 0; bpf_map_lookup_elem(&template, &key); return this + namespace.new; }
char LICENSE[] SEC("license") = "GPL";
EOF
skep compile k.bpf.c -o k.bpf.o && skep skeleton k.bpf.o --lang c++ > k.hpp &&
echo '#include "k.hpp"
int f(k_bpf& k) { return k.data->this_ + k.bss->namespace_.new_; }
auto g(k_bpf& k) { return k.programs.delete_; }
auto h(k_bpf& k) { return k.maps.template_.find(1); }' > k.cc &&
c++ -std=c++23 -fsyntax-only -I )sh" SKEP_SOURCE_DIR "/include k.cc");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
}

}  // namespace
