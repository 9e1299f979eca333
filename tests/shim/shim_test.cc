// Programs that nobody here wrote, on the user engine: Debian's bpftool through libskep-shim.so, on a hive that another
// process keeps.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "test_paths.h"

namespace {

struct Outcome {
  int status = -1;
  std::string out;
};

Outcome run(const std::string& command) {
  Outcome outcome;
  FILE* pipe = ::popen(("exec 2>&1; " + command).c_str(), "r");
  if (pipe == nullptr) return outcome;
  char buffer[4096];
  while (size_t got = ::fread(buffer, 1, sizeof buffer, pipe)) outcome.out.append(buffer, got);
  int status = ::pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

class Shim : public testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer's library can't be put into a program that is built without it";
#endif
    for (const char* place : {"/usr/sbin/bpftool", "/usr/bin/bpftool"}) {
      if (::access(place, X_OK) == 0) bpftool_ = place;
    }
    if (bpftool_.empty()) GTEST_SKIP() << "bpftool is not installed";
    hive_ = "shim-test-" + std::to_string(::getpid());
    std::string skep = std::string(SKEP_BINARY_DIR) + "/bin/skep";
    Outcome kept = run(skep + " hive keep --background --while-used " + hive_);
    ASSERT_EQ(kept.status, 0) << kept.out;
    prefix_ = skep + " shim --hive " + hive_ + " -- ";
    tool_ = prefix_ + bpftool_ + " ";
  }
  void TearDown() override {
    if (!hive_.empty()) run(std::string(SKEP_BINARY_DIR) + "/bin/skep hive stop " + hive_);
  }
  nlohmann::json json(const std::string& arguments) {
    Outcome outcome = run(tool_ + "-j " + arguments + " 2>/dev/null");
    EXPECT_EQ(outcome.status, 0) << arguments << "\n" << outcome.out;
    auto parsed = nlohmann::json::parse(outcome.out, nullptr, false);
    EXPECT_FALSE(parsed.is_discarded()) << arguments << "\n" << outcome.out;
    return parsed;
  }

  std::string bpftool_, hive_, prefix_, tool_;
};

TEST_F(Shim, bpftool_makes_reads_and_changes_a_pinned_map) {
  Outcome made =
      run(tool_ + "map create /sys/fs/bpf/counts type hash key 4 value 8 entries 16 name counts");
  ASSERT_EQ(made.status, 0) << made.out;
  // The process that made it is gone: the pin keeps it.
  auto maps = json("map list");
  ASSERT_EQ(maps.size(), 1u) << maps.dump();
  EXPECT_EQ(maps[0]["name"], "counts");
  EXPECT_EQ(maps[0]["type"], "hash");
  for (int key = 1; key <= 3; ++key) {
    Outcome updated =
        run(tool_ + "map update pinned /sys/fs/bpf/counts key " + std::to_string(key) +
            " 0 0 0 value 7 0 0 0 0 0 0 " + std::to_string(key));
    ASSERT_EQ(updated.status, 0) << updated.out;
  }
  EXPECT_EQ(json("map dump pinned /sys/fs/bpf/counts").size(), 3u);
  auto one = json("map lookup pinned /sys/fs/bpf/counts key 2 0 0 0");
  EXPECT_EQ(one["value"][7], "0x02") << one.dump();
  EXPECT_EQ(run(tool_ + "map delete pinned /sys/fs/bpf/counts key 2 0 0 0").status, 0);
  EXPECT_EQ(json("map dump name counts").size(), 2u);
}

TEST_F(Shim, bpftool_loads_pins_and_lists_a_program) {
  Outcome listed = run(tool_ + "prog list");
  EXPECT_EQ(listed.status, 0) << listed.out;
  std::string directory = "/tmp/skep-shim-" + std::to_string(::getpid());
  ::mkdir(directory.c_str(), 0700);
  std::string source = directory + "/filter.bpf.c";
  FILE* file = ::fopen(source.c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fputs(
      "#define SEC(n) __attribute__((section(n), used))\n"
      "int counter SEC(\".bss\");\n"
      "SEC(\"socket\") int filter(void *ctx) { __sync_fetch_and_add(&counter, 1); return 0; }\n"
      "char _license[] SEC(\"license\") = \"GPL\";\n",
      file);
  std::fclose(file);
  Outcome compiled =
      run("clang-19 -target bpf -g -O2 -c " + source + " -o " + directory + "/filter.bpf.o");
  ASSERT_EQ(compiled.status, 0) << compiled.out;
  Outcome loaded = run(tool_ + "prog load " + directory + "/filter.bpf.o /sys/fs/bpf/filter");
  ASSERT_EQ(loaded.status, 0) << loaded.out;
  auto programs = json("prog list");
  ASSERT_EQ(programs.size(), 1u) << programs.dump();
  EXPECT_EQ(programs[0]["name"], "filter");
  EXPECT_EQ(programs[0]["type"], "socket_filter");
  EXPECT_TRUE(programs[0]["jited"]);
  Outcome dumped = run(tool_ + "prog dump xlated name filter");
  EXPECT_EQ(dumped.status, 0) << dumped.out;
  EXPECT_NE(dumped.out.find("exit"), std::string::npos) << dumped.out;
  auto maps = json("map list");
  EXPECT_FALSE(maps.empty());
  ASSERT_TRUE(programs[0].contains("btf_id")) << programs.dump();
  Outcome btf = run(tool_ + "btf dump id " + programs[0]["btf_id"].dump());
  EXPECT_EQ(btf.status, 0) << btf.out;
  EXPECT_NE(btf.out.find("filter"), std::string::npos) << btf.out;
  for (const char* name : {"/filter.bpf.o", "/filter.bpf.c"}) ::unlink((directory + name).c_str());
  ::rmdir(directory.c_str());
}

TEST_F(Shim, bpftool_reads_the_engines_own_types) {
  Outcome dumped = run(tool_ + "btf dump file /sys/kernel/btf/vmlinux format c");
  EXPECT_EQ(dumped.status, 0) << dumped.out.substr(0, 500);
  EXPECT_NE(dumped.out.find("struct task_struct {"), std::string::npos);
}

}  // namespace
