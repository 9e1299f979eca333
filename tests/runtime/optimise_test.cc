// Optimised code in the place of the first, and code that was compiled ahead of time.
#include "runtime/optimise.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/fd.h"
#include "btf/builder.h"
#include "isa/assembler.h"
#include "vm/jit/optimiser.h"

namespace skep::runtime {
namespace {

namespace fs = std::filesystem;

class OptimiseTest : public testing::Test {
 protected:
  void SetUp() override {
    auto target = jit::optimiser_target();
    if (!target) GTEST_SKIP() << target.error().text();
    start();
    std::string name = testing::TempDir() + "skep-optimise-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override {
    std::error_code ignored;
    if (!directory_.empty()) fs::remove_all(directory_, ignored);
  }
  // Another run of skep: another hive, the same cache.
  void start() {
    runtime_.reset();
    RuntimeOptions options;
    options.hive.name = "optimise";
    options.hive.publish_session = false;
    auto made = Runtime::create(options);
    ASSERT_TRUE(made) << made.error().text();
    runtime_ = std::move(*made);
  }
  std::shared_ptr<ProgObject> load(const std::string& text) {
    auto insns = isa::assemble_insns(text);
    EXPECT_TRUE(insns) << insns.error().text();
    ProgLoad load;
    load.program.insns = *insns;
    load.program.type = ProgType::BPF_PROG_TYPE_SYSCALL;
    load.program.flags = 1u << 4;  // BPF_F_SLEEPABLE
    load.program.license = "GPL";
    auto loaded = runtime_->load_program(std::move(load));
    EXPECT_TRUE(loaded && loaded->program)
        << (loaded ? loaded->report.rejection->message : loaded.error().text());
    return loaded ? loaded->program : nullptr;
  }
  uint32_t run(const ProgObject& program, uint64_t argument) {
    std::array<uint64_t, 2> ctx{argument, 0};
    RunInput input;
    input.ctx = std::as_bytes(std::span(ctx));
    auto output = runtime_->run(program, input);
    EXPECT_TRUE(output) << output.error().text();
    return output ? output->retval : 0xdead;
  }
  NativeCache cache() const { return NativeCache(directory_ + "/native"); }
  // The program compiled ahead of time; its entry's path.
  std::string store(const std::string& text) {
    runtime_->set_native_cache(cache());
    runtime_->set_optimise(true, true);
    EXPECT_TRUE(load(text));
    runtime_->set_optimise(false);
    for (const auto& entry : fs::directory_iterator(directory_ + "/native"))
      if (entry.path().extension() == ".skn") return entry.path().string();
    ADD_FAILURE() << "no entry";
    return {};
  }

  std::unique_ptr<Runtime> runtime_;
  std::string directory_;
};

constexpr const char* kSquare = "r0 = *(u64 *)(r1 +0)\n r0 *= r0\n r0 += 5\n exit";

TEST_F(OptimiseTest, takes_the_place_of_the_first_code_while_the_program_runs) {
  auto program = load(kSquare);
  ASSERT_TRUE(program);
  const uint64_t first = program->header().entry;
  std::atomic<bool> ends{false};
  std::atomic<uint64_t> runs{0}, wrong{0};
  std::thread runner([&] {
    for (uint64_t i = 0; !ends.load(); ++i) {
      if (run(*program, i % 1000) != (i % 1000) * (i % 1000) + 5) ++wrong;
      ++runs;
    }
  });
  while (runs.load() < 100) std::this_thread::yield();
  auto done = runtime_->optimise(*program);
  EXPECT_TRUE(done && *done);
  EXPECT_NE(program->header().entry, first);
  ASSERT_NE(program->optimised(), nullptr);
  EXPECT_EQ(program->header().entry, program->optimised()->entry);
  const uint64_t then = runs.load();
  while (runs.load() < then + 100) std::this_thread::yield();
  ends = true;
  runner.join();
  EXPECT_EQ(wrong.load(), 0u);
  EXPECT_EQ(program->run_count(), runs.load());  // none was missed
}

// A tp_btf program follows pointers that need not lead anywhere; in each kind of code such a load reads 0.
TEST_F(OptimiseTest, a_load_that_faults_in_a_tp_btf_program_reads_0) {
  // struct node { …; long at; };  (of 136 bytes) typedef void (*btf_trace_test)(void*, struct node*);
  btf::BtfBuilder types;
  const auto word = types.add_int("long", 8, true);
  const auto node = types.add_composite(btf::Kind::Struct, "node", 136,
                                        {{.name = "at", .type = word, .bit_offset = 128 * 8}});
  const auto proto = types.add_prototype(0, {{.name = "", .type = types.add_pointer(0)},
                                             {.name = "", .type = types.add_pointer(node)}});
  const auto target = types.add_typedef("btf_trace_test", types.add_pointer(proto));
  auto made = types.finish();
  ASSERT_TRUE(made) << made.error().text();
  std::shared_ptr<const btf::Btf> btf = *made;
  auto tracing = [&] {
    ProgLoad load;
    load.program.insns =
        *isa::assemble_insns("r2 = *(u64 *)(r1 +0)\n r0 = *(u64 *)(r2 +128)\n r0 += 3\n exit");
    load.program.type = ProgType::BPF_PROG_TYPE_TRACING;
    load.program.expected_attach_type = AttachType::BPF_TRACE_RAW_TP;
    load.program.license = "GPL";
    load.program.attach_btf = btf;
    load.program.attach_btf_id = target;
    auto loaded = runtime_->load_program(std::move(load));
    EXPECT_TRUE(loaded && loaded->program)
        << (loaded ? loaded->report.rejection->message : loaded.error().text());
    return loaded ? loaded->program : nullptr;
  };
  void* nothing = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(nothing, MAP_FAILED);
  std::array<uint64_t, 17> there{};
  there[16] = 40;
  auto check = [&](const ProgObject& program, const char* what) {
    EXPECT_EQ(run(program, reinterpret_cast<uint64_t>(there.data())), 43u) << what;
    EXPECT_EQ(run(program, reinterpret_cast<uint64_t>(nothing)), 3u) << what;
    EXPECT_EQ(run(program, uint64_t{0x8000} << 48), 3u) << what << ", an address that can't be";
  };
  auto program = tracing();
  ASSERT_TRUE(program);
  EXPECT_GT(program->header().fault_count, 0u);
  check(*program, "fast tier");
  auto done = runtime_->optimise(*program);
  ASSERT_TRUE(done && *done);
  EXPECT_GT(program->header().second_fault_count, 0u);
  check(*program, "swapped in");
  runtime_->set_optimise(true);
  auto at_once = tracing();
  ASSERT_TRUE(at_once);
  EXPECT_GT(at_once->header().fault_count, 0u);
  check(*at_once, "at once");
  ::munmap(nothing, 4096);
}

TEST_F(OptimiseTest, a_program_that_runs_hot_is_optimised_in_the_background_and_a_cold_one_is_not) {
  auto hot = load(kSquare), cold = load("r0 = 1\n exit");
  ASSERT_TRUE(hot && cold);
  BackgroundOptimiser optimiser(*runtime_, 50, std::chrono::milliseconds(1));
  run(*cold, 0);
  for (uint64_t i = 0; hot->optimised() == nullptr; ++i) ASSERT_EQ(run(*hot, 3), 14u);
  EXPECT_GE(hot->run_count(), 50u);
  EXPECT_EQ(run(*hot, 4), 21u);
  EXPECT_EQ(cold->optimised(), nullptr);
}

TEST_F(OptimiseTest, a_program_that_was_compiled_ahead_is_taken_from_the_cache) {
  const std::string path = store(kSquare);
  struct stat info{};
  ASSERT_EQ(::stat((directory_ + "/native/key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  start();
  runtime_->set_native_cache(cache());
  auto program = load(kSquare);
  ASSERT_TRUE(program);
  EXPECT_TRUE(program->from_cache());
  EXPECT_EQ(run(*program, 7), 54u);
  auto other = load("r0 = *(u64 *)(r1 +0)\n r0 *= r0\n r0 += 6\n exit");
  ASSERT_TRUE(other);
  EXPECT_FALSE(other->from_cache());
  EXPECT_EQ(run(*other, 7), 55u);
  EXPECT_TRUE(runtime_->take_cache_problems().empty());
}

TEST_F(OptimiseTest, an_entry_that_was_changed_is_refused) {
  const std::string path = store(kSquare);
  auto bytes = read_file(path);
  ASSERT_TRUE(bytes);
  for (size_t at : {size_t{0}, size_t{9}, size_t{41}, size_t{80}, bytes->size() - 1}) {
    auto changed = *bytes;
    changed[at] ^= std::byte{1};
    ASSERT_TRUE(write_file(path, changed, 0600));
    start();
    runtime_->set_native_cache(cache());
    auto program = load(kSquare);
    ASSERT_TRUE(program);
    EXPECT_FALSE(program->from_cache()) << at;
    EXPECT_EQ(run(*program, 7), 54u);
    auto problems = runtime_->take_cache_problems();
    ASSERT_EQ(problems.size(), 1u);
    EXPECT_EQ(problems[0].code(), EBADMSG);
  }
}

TEST_F(OptimiseTest, an_entry_made_with_another_key_or_put_in_another_programs_place_is_refused) {
  const std::string path = store(kSquare);
  auto bytes = read_file(path);
  ASSERT_TRUE(bytes);
  const std::vector<std::byte> identity(10), image(bytes->begin() + 72, bytes->end());
  const NativeCache theirs(directory_ + "/theirs");
  auto decoded = jit::decode_image(image);
  ASSERT_TRUE(decoded);
  auto forged = theirs.store(identity, *decoded);
  ASSERT_TRUE(forged);
  auto found = theirs.find(identity);
  ASSERT_TRUE(found && *found);
  // Their entry under our directory; then ours under another name.
  fs::copy_file(*forged, directory_ + "/native/" + fs::path(*forged).filename().string());
  auto refused = cache().find(identity);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), EBADMSG);
  fs::copy_file(path, directory_ + "/native/" + fs::path(*forged).filename().string(),
                fs::copy_options::overwrite_existing);
  refused = cache().find(identity);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), EBADMSG);
}

TEST_F(OptimiseTest, a_key_that_others_may_read_is_not_used) {
  store(kSquare);
  ASSERT_EQ(::chmod((directory_ + "/native/key").c_str(), 0644), 0);
  start();
  runtime_->set_native_cache(cache());
  auto program = load(kSquare);
  ASSERT_TRUE(program);
  EXPECT_FALSE(program->from_cache());
  auto problems = runtime_->take_cache_problems();
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].code(), EPERM);
}

TEST_F(OptimiseTest, what_decides_the_code_decides_the_entry) {
  auto program = load(kSquare);
  ASSERT_TRUE(program);
  const auto identity = jit::identity(program->verified(), {}, "a");
  EXPECT_EQ(identity, jit::identity(program->verified(), {}, "a"));
  EXPECT_NE(identity, jit::identity(program->verified(), {}, "b"));
  EXPECT_NE(identity, jit::identity(program->verified(), {.fuel = 1}, "a"));
}

TEST_F(OptimiseTest, hardened_programs_stay_with_the_fast_tier) {
  jit::JitOptions options;
  options.blinding_seed = 1;
  runtime_->set_jit_options(options);
  auto program = load(kSquare);
  ASSERT_TRUE(program);
  auto done = runtime_->optimise(*program);
  ASSERT_TRUE(done);
  EXPECT_FALSE(*done);
  EXPECT_EQ(run(*program, 2), 9u);
}

}  // namespace
}  // namespace skep::runtime
