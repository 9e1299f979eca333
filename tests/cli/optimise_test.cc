// The optimising tier at the command line: where libskep-llvm.so is, and where it is not.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <filesystem>
#include <string>

#include "cli/shell.h"

namespace {

using skep::cli::test::InDirectory;
using skep::cli::test::Outcome;
using skep::cli::test::run_shell;

namespace fs = std::filesystem;

const std::string kBin = SKEP_BINARY_DIR "/bin/";
const std::string kLatency = SKEP_SOURCE_DIR "/examples/funclatency.bpf.c";
const std::string kOfMalloc = " --function libc.so.6:malloc -- python3 -c 'print(1)'";

// Its cache is empty at first.
class Optimise : public InDirectory {
 protected:
  void SetUp() override {
    InDirectory::SetUp();
    write("five.bpf.s", ".license \"GPL\"\n.section \"xdp\"\nr1 = *(u32 *)(r1 +0)\nr0 = 5\nexit\n");
  }
  // `rest` says what of standard error is kept.
  Outcome run(const std::string& bin, const std::string& arguments, const char* rest) {
    return run_shell("cd " + directory_ + " && XDG_CACHE_HOME=" + directory_ + "/cache " + bin +
                     "skep " + arguments + " " + rest);
  }
  Outcome skep(const std::string& arguments) { return run(kBin, arguments, "2>&1"); }
  Outcome skep_out(const std::string& arguments) { return run(kBin, arguments, ""); }
  // skep as it is installed without the optimising tier: it must say so, and where it looked.
  void expect_missing(const std::string& arguments) {
    const std::string bin = directory_ + "/alone/bin/";
    if (!fs::exists(bin)) {
      fs::create_directories(bin);
      for (const char* name : {"skep", "skep-agent"}) fs::copy_file(kBin + name, bin + name);
    }
    const Outcome outcome = run(bin, arguments, "2>&1");
    EXPECT_EQ(outcome.status, 69) << arguments << ": " << outcome.out;
    EXPECT_NE(outcome.out.find("the optimising tier is not installed"), std::string::npos)
        << outcome.out;
    for (const char* place :
         {"libskep-llvm.so", "../lib/skep/libskep-llvm.so", "../lib/libskep-llvm.so"})
      EXPECT_NE(outcome.out.find(bin + place), std::string::npos) << outcome.out;
  }
};

const std::string kExec = "exec --via llvm five.bpf.s --data 000102030405060708090a0b0c0d0e0f";

TEST_F(Optimise, without_the_module_each_command_says_what_is_missing_and_where_it_looked) {
  expect_missing(kExec);
  expect_missing("run --optimise now " + kLatency + kOfMalloc);
  expect_missing("run --optimise hot " + kLatency + kOfMalloc);
  expect_missing("compile --native five.bpf.s");
  expect_missing("disasm --native --tier llvm five.bpf.s");
  expect_missing("disasm --native --tier llvm --json five.bpf.s");
}

TEST_F(Optimise, without_the_module_the_fast_tier_works) {
  expect_missing(kExec);
  const std::string bin = directory_ + "/alone/bin/";
  const Outcome run_off = run(bin, "run --optimise off " + kLatency + kOfMalloc, "2>&1");
  EXPECT_EQ(run_off.status, 0) << run_off.out;
  const Outcome disassembled = run(bin, "disasm --native five.bpf.s", "2>&1");
  EXPECT_EQ(disassembled.status, 0) << disassembled.out;
}

#if defined(SKEP_HAS_OPTIMISING_TIER)
TEST_F(Optimise, exec_runs_a_program_by_llvm) {
  const Outcome outcome = skep_out(kExec + " --json");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.out.find("\"retval\":5"), std::string::npos) << outcome.out;
}

TEST_F(Optimise, run_traces_a_command_whenever_its_programs_are_optimised) {
  for (const char* when : {"now", "hot", "off"}) {
    const Outcome outcome =
        skep("run --optimise " + std::string(when) + " " + kLatency + kOfMalloc);
    EXPECT_EQ(outcome.status, 0) << when << ": " << outcome.out;
    EXPECT_EQ(outcome.out.substr(0, 2), "1\n") << when << ": " << outcome.out;
    EXPECT_NE(outcome.out.find("latency (percpu_array):"), std::string::npos)
        << when << ": " << outcome.out;
  }
}

TEST_F(Optimise, compile_native_fills_the_cache_once) {
  for (const bool was_there : {false, true}) {
    const Outcome outcome = skep_out("compile --native --json five.bpf.s");
    EXPECT_EQ(outcome.status, 0);
    const auto row = nlohmann::json::parse(outcome.out, nullptr, false);
    ASSERT_TRUE(row.is_object()) << outcome.out;
    EXPECT_EQ(row.value("was_there", !was_there), was_there) << outcome.out;
    EXPECT_GT(row.value("bytes", 0), 0) << outcome.out;
  }
}

TEST_F(Optimise, disasm_native_shows_the_code_of_either_tier) {
  for (const std::string tier : {"jit", "llvm"}) {
    const Outcome text = skep("disasm --native --tier " + tier + " five.bpf.s");
    EXPECT_EQ(text.status, 0) << text.out;
    EXPECT_NE(text.out.find("bytes of native code"), std::string::npos) << text.out;
    EXPECT_NE(text.out.find("mov eax, 0x05"), std::string::npos) << text.out;
    const Outcome json = skep_out("disasm --native --json --tier " + tier + " five.bpf.s");
    EXPECT_EQ(json.status, 0);
    const auto rows = nlohmann::json::parse(json.out, nullptr, false);
    ASSERT_TRUE(rows.is_array() && rows.size() == 1) << json.out;
    EXPECT_EQ(rows[0].value("tier", ""), tier);
    EXPECT_FALSE(rows[0]["native"].empty());
  }
}
#endif

}  // namespace
