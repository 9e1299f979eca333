// What the tests of the command share: the built skep, run by a shell as people run it.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "test_paths.h"

namespace skep::cli::test {

struct Outcome {
  int status = -1;       // as a shell's $?
  std::string out, err;  // err: only where the caller keeps it apart
};

// Standard output of a shell command line; `skep` in it is the one that was built.
inline Outcome run_shell(const std::string& line) {
  Outcome outcome;
  FILE* pipe = ::popen(("PATH=" SKEP_BINARY_DIR "/bin:$PATH; " + line).c_str(), "r");
  if (pipe == nullptr) return outcome;
  char buffer[4096];
  for (size_t got; (got = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    outcome.out.append(buffer, got);
  const int status = ::pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

// In a directory of its own, gone at the end.
class InDirectory : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = ::testing::TempDir() + "skep-cli-XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    directory_ = path;
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ + "/" + name) << text;
  }
  // Both streams, in the order of their writes.
  Outcome shell(const std::string& line) {
    return run_shell("cd " + directory_ + " && { " + line + "\n} 2>&1");
  }
  Outcome skep(const std::string& arguments) { return shell("skep " + arguments); }

  std::string directory_;
};

}  // namespace skep::cli::test
