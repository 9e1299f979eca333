// tests/corpus/insn on every engine: one test a file and engine.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/conformance.h"
#include "support/kernel_engine.h"
#include "test_paths.h"

namespace skep {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> corpus_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(SKEP_SOURCE_DIR "/tests/corpus/insn"))
    if (entry.path().extension() == ".data") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

// How many of a file's cases the engine was asked.
size_t run_file(const fs::path& file, vm::Engine& engine) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  auto cases = conformance::parse(text.str(), file.filename().string());
  EXPECT_TRUE(cases) << cases.error().text();
  if (!cases) return 0;
  EXPECT_FALSE(cases->empty());
  // LLVM takes milliseconds for each: here a few of a file, all in ./dev corpus conformance.
  const size_t every = engine.name() == "optimising" ? cases->size() / 8 + 1 : 1;
  size_t asked = 0;
  for (size_t i = 0; i < cases->size(); i += every) {
    const conformance::Case& test = (*cases)[i];
    const auto outcome = conformance::run(test, conformance::Dialect::kernel, engine);
    EXPECT_NE(outcome.kind, conformance::Outcome::Kind::wrong)
        << file.string() << ":" << test.line << ": " << test.name << ": " << outcome.why;
    asked += outcome.kind != conformance::Outcome::Kind::skipped;
  }
  return asked;
}

class Corpus : public testing::Test {
 public:
  Corpus(fs::path file, vm::Engine& engine) : file_(std::move(file)), engine_(engine) {}
  void TestBody() override { EXPECT_GT(run_file(file_, engine_), 0u); }

 private:
  fs::path file_;
  vm::Engine& engine_;
};

std::vector<vm::Engine*> engines() {
  static const auto interpreter = vm::make_interpreter_engine();
  static const auto jit = vm::make_jit_engine();
  std::vector<vm::Engine*> all{interpreter.get()};
  if (jit) all.push_back(jit->get());
  static const auto optimising = vm::make_optimising_engine();
  if (optimising) all.push_back(optimising->get());
  return all;
}

const bool kRegistered = [] {
  for (vm::Engine* engine : engines())
    for (const fs::path& file : corpus_files())
      testing::RegisterTest(
          ("Corpus_" + std::string(engine->name())).c_str(), file.stem().c_str(), nullptr, nullptr,
          __FILE__, __LINE__,
          [file, engine]() -> testing::Test* { return new Corpus(file, *engine); });
  return true;
}();

TEST(CorpusFiles, are_there) {
  EXPECT_TRUE(kRegistered);
  EXPECT_GE(corpus_files().size(), 30u);
}

// The kernel is the oracle of our reading of the specification. It refuses some cases (RFC 9669 defines a division by an
// immediate 0; its verifier does not load one); of the rest it must say what the corpus says.
TEST(CorpusFiles, run_on_the_running_kernel_too) {
  const auto kernel = conformance::make_kernel_engine();
  if (!kernel) GTEST_SKIP() << kernel.error().text();
  size_t asked = 0;
  for (const fs::path& file : corpus_files()) asked += run_file(file, **kernel);
  RecordProperty("cases", std::to_string(asked));
  EXPECT_GT(asked, 1000u);
}

#if defined(__x86_64__)
TEST(CorpusFiles, run_on_the_jit_too) { EXPECT_GE(engines().size(), 2u); }
TEST(CorpusFiles, run_on_the_optimising_tier_too) {
  const auto optimising = vm::make_optimising_engine();
  if (!optimising) GTEST_SKIP() << optimising.error().text();
  EXPECT_EQ(engines().size(), 3u);
}
#endif

}  // namespace
}  // namespace skep
