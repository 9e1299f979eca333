// skep map lookup, update and delete, on the maps of a running session.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "cli/shell.h"

namespace {

constexpr const char* kSource = R"(#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
enum color { RED, GREEN = 7 };
struct entry { int pid; enum color color; char name[8]; __u16 low : 4, high : 12; __u64 sums[2]; };
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 2);
  __type(key, int);
  __type(value, struct entry);
} entries SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u64);
} counts SEC(".maps");
SEC("tracepoint/syscalls/sys_enter_openat")
int f(void *ctx) { int key = -9; return bpf_map_lookup_elem(&entries, &key) != 0 && bpf_map_lookup_elem(&counts, &key) != 0; }
char LICENSE[] SEC("license") = "GPL";
)";

TEST(SkepMap, elements_of_a_running_session_are_read_set_and_deleted) {
  std::string directory = ::testing::TempDir() + "skep-map-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  std::ofstream(directory + "/m.bpf.c") << kSource;
  // The session lives as long as cat waits on the fifo. Each line is "STATUS OUTPUT…".
  std::ofstream(directory + "/steps.sh") << R"sh(mkfifo fifo
skep run --engine user m.bpf.c --name maptest -- cat fifo > run.out 2>&1 &
until skep map list --session maptest 2>/dev/null | grep -q entries &&
  skep map list --session maptest 2>/dev/null | grep -q counts; do kill -0 $! || exit 1; done
m() { out=$(skep map "$@" --session maptest 2>&1); echo "$? $out"; }
m update entries -3 '{"pid": -5, "color": "GREEN", "name": "ls", "high": 0xfff, "sums": [1, 2]}'
m update entries -3 '{"pid": -5, "color": "GREEN", "name": "ls", "high": 4095, "sums": [1, 2]}'
m lookup entries -3 --json
m update entries -3 '{}' --noexist
m update entries 4 '{}' --exist
m update entries 0x4 '{}'
m update entries 5 '{}'
m delete entries 4
m delete entries 4
m lookup entries hex:fdffffff --json
m update entries 1 '{"pdi": 1}'
m update entries 1 '{"high": 4096}'
m update counts 1 18446744073709551615
m lookup counts 1
m lookup counts 0
m update counts 1 -1
m update counts 7 1
m lookup counts hex:0102
m lookup nothing 1
echo > fifo
wait
)sh";
  const auto outcome =
      skep::cli::test::run_shell("cd " + directory + "; timeout 60 sh steps.sh 2>&1");
  EXPECT_EQ(outcome.status, 0);
  std::string out = outcome.out;
  std::filesystem::remove_all(directory);
  size_t at = 0;
  auto expect_line = [&](const std::string& start, const std::string& text) {
    const size_t found = out.find("\n" + start, at);
    EXPECT_NE(found, std::string::npos) << start << " " << text << "\nin:\n" << out;
    if (found == std::string::npos) return;
    const size_t end = out.find(text, found);
    EXPECT_NE(end, std::string::npos) << text << "\nin:\n" << out.substr(found);
    at = end == std::string::npos ? found + 1 : end;
  };
  out = "\n" + out;
  expect_line("64 ", "VALUE: expected");  // 0x is no JSON
  expect_line("0 ", "");
  expect_line("0 ", R"("key":-3,"value":{"pid":-5,"color":"GREEN","name":"ls")");
  expect_line("1 ", "map entries");
  expect_line("1 ", "map entries");
  expect_line("0 ", "");
  expect_line("71 ", "map entries");  // it is full
  expect_line("0 ", "");
  expect_line("1 ", "map entries");
  expect_line("0 ", "\"high\":4095");
  expect_line("64 ", "struct entry has no member \"pdi\"");
  expect_line("64 ", "high: 4096 does not fit unsigned 12 bits");
  expect_line("0 ", "");
  expect_line("0 ", "18446744073709551615");
  expect_line("0 ", "0  ");
  expect_line("64 ", "does not fit unsigned 64 bits");
  expect_line("71 ", "map counts");  // E2BIG: past the end
  expect_line("64 ", "KEY: expected 4 bytes, found 2 in hexadecimal");
  expect_line("1 ", "the session has no map \"nothing\"");
}

}  // namespace
