// The public API, as a program outside of the tree uses it: only include/skep and generated skeletons.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <map>
#include <sstream>

#include "c_user.h"
#include "counter.skel.hpp"
#include "skep/skep.h"
#include "test_paths.h"

namespace {

using namespace std::chrono_literals;

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

skep::Engine user_engine() {
  auto engine = skep::Engine::create(skep::EngineKind::user);
  EXPECT_TRUE(engine) << (engine ? "" : engine.error().message);
  return engine ? *engine : skep::Engine();
}

void run_counter(const skep::Engine& engine) {
  auto counter = counter_bpf::open();
  ASSERT_TRUE(counter) << counter.error().message;
  EXPECT_EQ(counter->rodata->step, 1);
  counter->rodata->step = 2;
  counter->data_custom->elsewhere = 5;
  ASSERT_TRUE(counter->object.set("first", "33"));
  EXPECT_EQ(counter->data->first, 33) << "set() is seen through the struct";
  auto loaded = counter->load(engine);
  ASSERT_TRUE(loaded) << loaded.error().message;

  auto ring = skep::Ring<counter_bpf_types::event>::open(counter->maps.events);
  ASSERT_TRUE(ring) << ring.error().message;
  // A socket filter sees what is behind the Ethernet header.
  for (size_t length : {60, 61, 60}) {
    skep::TestRun run;
    run.data.resize(14 + length);
    auto done = counter->programs.count.test_run(run);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(run.result, 5u);
  }
  EXPECT_EQ(counter->bss->total, 6u);
  EXPECT_EQ(counter->bss->marks[1], 33);
  ASSERT_TRUE(ring->poll(1s));
  const auto events = ring->drain();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[1].length, 61u);
  EXPECT_EQ(events[2].total, 6u);

  std::map<unsigned, unsigned long long> seen;
  for (const auto& [length, event] : counter->maps.by_length) seen[length] = event.total;
  EXPECT_EQ(seen, (std::map<unsigned, unsigned long long>{{60, 6}, {61, 4}}));
  EXPECT_TRUE(counter->maps.by_length.find(61));
  EXPECT_FALSE(counter->maps.by_length.find(62));
  EXPECT_TRUE(counter->maps.by_length.insert(62, {.length = 62, .total = 1}));
  EXPECT_TRUE(counter->maps.by_length.erase(62));
  EXPECT_FALSE(counter->maps.by_length.erase(62));
}

TEST(Api, a_typed_skeleton_opens_sets_loads_runs_and_reads_on_the_user_engine) {
  run_counter(user_engine());
}

TEST(Api, the_same_on_the_kernel_engine) {
  auto engine = skep::Engine::create(skep::EngineKind::kernel);
  if (!engine) GTEST_SKIP() << engine.error().message;
  run_counter(*engine);
}

TEST(Api, errors_say_what_and_what_to_do) {
  auto missing = skep::Object::open("/nonexistent.bpf.o");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ENOENT);
  auto counter = counter_bpf::open();
  ASSERT_TRUE(counter);
  auto wrong = counter->object.set("step", "many");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("expected a number"), std::string::npos);
  EXPECT_FALSE(counter->maps.by_length.insert(1, {})) << "not loaded yet";
  EXPECT_FALSE(counter->attach());
  EXPECT_FALSE(counter->object.map("none"));
  const skep::Engine engine = user_engine();
  ASSERT_TRUE(counter->load(engine));
  EXPECT_FALSE(counter->load(engine)) << "twice";
  EXPECT_FALSE(counter->object.set("step", "1"));
  std::byte small[2];
  EXPECT_FALSE(counter->maps.by_length.raw().lookup(small, small));
}

// The C API has one engine a process: SKEP_ENGINE is read at its first use.
TEST(CApi, a_c_program_uses_its_skeleton_as_with_libbpf) {
  ::setenv("SKEP_ENGINE", "user", 1);
  EXPECT_STREQ(skep_engine_name(), "user");
  EXPECT_EQ(c_skeleton_opens_loads_runs(), 0) << "line of c_user.c";
  EXPECT_EQ(c_objects_are_walked_by_name_and_order(), 0) << "line of c_user.c";
}

// --- Snapshots ---

// Comments and blank lines are no part of the API.
std::string declarations(const std::string& path) {
  std::istringstream text(text_of(path));
  std::string result;
  bool in_comment = false;
  for (std::string line; std::getline(text, line);) {
    if (in_comment || line.starts_with("/*")) {
      in_comment = line.find("*/") == std::string::npos;
      continue;
    }
    if (const size_t at = line.find("//"); at != std::string::npos) line.erase(at);
    if (const size_t at = line.find(" /*"); at != std::string::npos) line.erase(at);
    line.erase(line.find_last_not_of(" \t") + 1);
    if (!line.empty()) result += line + "\n";
  }
  return result;
}

TEST(ApiSnapshot, public_headers_declare_what_was_agreed) {
  const std::string root = SKEP_SOURCE_DIR;
  const std::string now =
      declarations(root + "/include/skep/skep.hpp") + declarations(root + "/include/skep/skep.h");
  const std::string path = root + "/tests/api/api.snapshot";
  if (::getenv("SKEP_UPDATE_SNAPSHOTS") != nullptr) std::ofstream(path) << now;
  EXPECT_EQ(text_of(path), now) << "the public API changed: if it was meant, run "
                                   "SKEP_UPDATE_SNAPSHOTS=1 build/bin/api_test and commit "
                                << path;
}

}  // namespace
