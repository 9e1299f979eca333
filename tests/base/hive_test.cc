#include "base/hive.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <set>
#include <thread>

#include "base/robust_lock.h"

namespace skep {
namespace {

std::unique_ptr<Hive> make_hive(HiveOptions options = {}) {
  options.publish_session = false;
  auto hive = Hive::create(options);
  if (!hive) ADD_FAILURE() << hive.error().text();
  return hive ? std::move(*hive) : nullptr;
}

// Runs `body` in a forked child; its exit status, or 128 + signal.
template <class Body>
int in_child(Body body) {
  pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

uint64_t me() {
  return hive::owner_word(static_cast<uint32_t>(::getpid()), static_cast<uint32_t>(::gettid()));
}

// ---- segments ----

TEST(hive, is_mapped_at_its_fixed_addresses_with_its_permissions) {
  auto hive = make_hive();
  ASSERT_NE(hive, nullptr);
  EXPECT_EQ(hive->control().magic.load(), hive::kControlMagic);
  EXPECT_EQ(hive->control().controller_pid, static_cast<uint32_t>(::getpid()));
  EXPECT_GE(hive->slot_count(), 8u);
  auto block = hive->code_memory().allocate(64);
  ASSERT_TRUE(block);
  EXPECT_GE(block->address, hive::kCode);
  const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};  // mov eax, 42; ret
  std::memcpy(block->writable, code, sizeof code);
#if defined(__x86_64__)
  EXPECT_EQ(reinterpret_cast<int (*)()>(block->address)(), 42);
#endif
  EXPECT_NE(::mprotect(reinterpret_cast<void*>(hive::kCode), 4096, PROT_READ | PROT_WRITE), 0);
}

TEST(hive, lets_no_other_mapping_write_control_or_code) {
  auto hive = make_hive();
  ASSERT_NE(hive, nullptr);
  for (int fd : {hive->control_fd(), hive->code_fd()}) {
    EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    void* readable = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
    ASSERT_NE(readable, MAP_FAILED);
    EXPECT_NE(::mprotect(readable, 4096, PROT_READ | PROT_WRITE), 0);
    ::munmap(readable, 4096);
    EXPECT_EQ(::pwrite(fd, "x", 1, 0), -1);
    EXPECT_EQ(::ftruncate(fd, 0), -1);
    EXPECT_EQ(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
  }
  EXPECT_EQ(::ftruncate(hive->data_fd(), 0), -1)
      << "a shorter data segment would be SIGBUS in every process";
}

TEST(hive, is_refused_where_its_addresses_are_taken) {
  {
    auto hive = make_hive();
    auto second = Hive::create({.publish_session = false});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), EEXIST);
  }
  EXPECT_NE(make_hive(), nullptr) << "the first one gave its addresses back";
}

TEST(hive, names_the_limit_that_leaves_it_no_room) {
  int status = in_child([] {
    rlimit limit{256 << 20, 256 << 20};
    ::setrlimit(RLIMIT_AS, &limit);
    auto hive = Hive::create({.publish_session = false});
    if (hive || hive.error().code() != ENOMEM) return 1;
    return hive.error().hint().find("RLIMIT_AS") == std::string::npos ? 2 : 0;
  });
  EXPECT_EQ(status, 0);
  status = in_child([] {
    rlimit limit{1 << 20, 1 << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto hive = Hive::create({.publish_session = false});
    return hive || hive.error().code() != EFBIG ? 1 : 0;
  });
  EXPECT_EQ(status, 0);
  status = in_child([] {
    rlimit limit{3, 3};
    ::setrlimit(RLIMIT_NOFILE, &limit);
    auto hive = Hive::create({.publish_session = false});
    return hive || hive.error().code() != EMFILE ? 1 : 0;
  });
  EXPECT_EQ(status, 0);
}

TEST(hive, refuses_bad_options) {
  EXPECT_EQ(Hive::create({.data_size = 4096}).error().code(), EINVAL);
  EXPECT_EQ(Hive::create({.data_size = hive::kDataMaxSize + 4096}).error().code(), EINVAL);
  EXPECT_EQ(Hive::create({.slots = hive::kMaxSlots + 1}).error().code(), EINVAL);
  EXPECT_EQ(Hive::create({.name = std::string(64, 'x')}).error().code(), EINVAL);
}

TEST(hive, process_page_is_read_only_once_filled) {
  auto hive = make_hive();
  ASSERT_TRUE(hive->map_process_page([](hive::ProcessPage& page) { page.helpers[7] = 0x1234; }));
  auto* page = reinterpret_cast<hive::ProcessPage*>(hive::kProcessPage);
  EXPECT_EQ(page->helpers[7], 0x1234u);
  EXPECT_EQ(in_child([&] {
              page->helpers[7] = 1;
              return 0;
            }),
            128 + SIGSEGV);
}

// ---- memory ----

TEST(hive, gives_zeroed_data_again_after_it_was_freed) {
  auto hive = make_hive();
  for (size_t size : {1, 64, 65, 200, 2048, 2049, 4096, 5000, 1 << 20}) {
    std::set<void*> seen;
    for (int round = 0; round < 3; ++round) {
      auto memory = hive->allocate_data(size);
      ASSERT_TRUE(memory) << size;
      EXPECT_EQ(reinterpret_cast<uint64_t>(*memory) % (size > 2048 ? 4096 : 64), 0u);
      EXPECT_TRUE(hive::in_data(reinterpret_cast<uint64_t>(*memory), size));
      auto* bytes = static_cast<unsigned char*>(*memory);
      for (size_t i = 0; i < size; ++i) ASSERT_EQ(bytes[i], 0) << size;
      std::memset(bytes, 0xee, size);
      hive->free_data(*memory);
      seen.insert(*memory);
    }
    EXPECT_EQ(seen.size(), 1u) << "freed memory of " << size << " bytes is used again";
  }
}

TEST(hive, allocations_never_overlap) {
  auto hive = make_hive({.data_size = 64 << 20});
  std::vector<std::pair<unsigned char*, size_t>> live;
  unsigned seed = 1;
  for (int i = 0; i < 3000; ++i) {
    seed = seed * 1103515245 + 12345;
    if (!live.empty() && seed >> 16 & 1) {
      auto [at, size] = live[(seed >> 17) % live.size()];
      unsigned char mark = at[0];
      for (size_t k = 0; k < size; ++k) ASSERT_EQ(at[k], mark);
      hive->free_data(at);
      std::erase(live, std::pair(at, size));
      continue;
    }
    size_t size = (seed >> 8) % 9000 + 1;
    auto memory = hive->allocate_data(size);
    ASSERT_TRUE(memory);
    std::memset(*memory, i & 0xff, size);
    live.emplace_back(static_cast<unsigned char*>(*memory), size);
  }
}

TEST(hive, says_enomem_when_its_data_is_used_up) {
  auto hive = make_hive({.data_size = 1 << 20});
  auto too_much = hive->allocate_data(2 << 20);
  ASSERT_FALSE(too_much);
  EXPECT_EQ(too_much.error().code(), ENOMEM);
  std::vector<void*> blocks;
  for (;;) {
    auto block = hive->allocate_data(64 << 10);
    if (!block) {
      EXPECT_EQ(block.error().code(), ENOMEM);
      break;
    }
    blocks.push_back(*block);
  }
  EXPECT_GE(blocks.size(), 14u);
  hive->free_data(blocks.back());
  EXPECT_TRUE(hive->allocate_data(64 << 10));
}

TEST(hive, publishes_objects_by_kind_and_never_reuses_an_id) {
  auto hive = make_hive();
  using hive::ObjectKind;
  std::vector<uint32_t> ids;
  for (int i = 0; i < 5; ++i) {
    auto object = hive->allocate_object(100);
    ASSERT_TRUE(object);
    EXPECT_EQ(reinterpret_cast<uint64_t>(*object) % 64, 0u);
    uint32_t id = hive->take_id(ObjectKind::kMap);
    EXPECT_EQ(hive->find_object(ObjectKind::kMap, id), nullptr);
    ASSERT_TRUE(hive->publish_object(ObjectKind::kMap, id, *object));
    EXPECT_EQ(hive->find_object(ObjectKind::kMap, id), *object);
    EXPECT_EQ(hive->find_object(ObjectKind::kProg, id), nullptr);
    ids.push_back(id);
  }
  hive->unpublish_object(ObjectKind::kMap, ids[2]);
  EXPECT_EQ(hive->find_object(ObjectKind::kMap, ids[2]), nullptr);
  auto object = hive->allocate_object(100);
  uint32_t id = hive->take_id(ObjectKind::kMap);
  ASSERT_TRUE(hive->publish_object(ObjectKind::kMap, id, *object));
  std::vector<uint32_t> found;
  hive->for_each_object(ObjectKind::kMap, [&](uint32_t at, void*, uint64_t) {
    found.push_back(at);
    return true;
  });
  EXPECT_EQ(found, (std::vector<uint32_t>{ids[0], ids[1], ids[3], ids[4], ids[4] + 1}));
}

TEST(hive, freed_code_traps) {
  auto hive = make_hive();
  auto block = hive->code_memory().allocate(100);
  ASSERT_TRUE(block);
  std::memset(block->writable, 0x90, block->size);
  hive->code_memory().free(*block);
  EXPECT_EQ(*reinterpret_cast<unsigned char*>(block->address), 0xcc);
  auto again = hive->code_memory().allocate(100);
  EXPECT_EQ(again->address, block->address);
  EXPECT_EQ(hive->code_memory().allocate(hive::kCodeSize + 1).error().code(), EINVAL);
}

// ---- sessions ----

class Sessions : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/skep-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    ::setenv("XDG_RUNTIME_DIR", name, 1);
  }
  void TearDown() override {
    ::unsetenv("XDG_RUNTIME_DIR");
    (void)::rmdir((directory_ + "/skep").c_str());
    EXPECT_EQ(::rmdir(directory_.c_str()), 0) << "something was left behind in " << directory_;
  }
  std::string directory_;
};

TEST_F(Sessions, another_process_finds_the_hive_and_looks_into_it) {
  int go[2], done[2];
  ASSERT_EQ(::pipe(go), 0);
  ASSERT_EQ(::pipe(done), 0);
  // Forked before there is a hive here, so that its addresses are free there.
  pid_t inspector = ::fork();
  if (inspector == 0) {
    char byte;
    if (::read(go[0], &byte, 1) != 1) ::_exit(1);
    auto sessions = list_sessions();
    if (!sessions || sessions->size() != 1 || (*sessions)[0].name != "my hive") ::_exit(2);
    auto hive = Hive::open((*sessions)[0]);
    if (!hive) ::_exit(3);
    void* object = (*hive)->find_object(hive::ObjectKind::kOther, 1);
    if (object == nullptr || std::strcmp(static_cast<char*>(object), "hello") != 0) ::_exit(4);
    if ((*hive)->allocate_data(64) || (*hive)->allocate_object(64)) ::_exit(5);  // EPERM
    if (::mprotect(reinterpret_cast<void*>(hive::kControl), 4096, PROT_READ | PROT_WRITE) == 0)
      ::_exit(6);
    ::_exit(0);
  }
  {
    auto hive = Hive::create({.name = "my hive"});
    ASSERT_TRUE(hive) << hive.error().text();
    auto object = (*hive)->allocate_object(64);
    std::strcpy(static_cast<char*>(*object), "hello");
    ASSERT_TRUE((*hive)->publish_object(hive::ObjectKind::kOther, 1, *object));
    ASSERT_EQ(::write(go[1], "x", 1), 1);
    int status = 0;
    ::waitpid(inspector, &status, 0);
    EXPECT_EQ(status, 0) << "step " << WEXITSTATUS(status);
  }
  EXPECT_TRUE(list_sessions()->empty());
}

TEST_F(Sessions, a_killed_controllers_file_is_recognised_and_removed) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  pid_t controller = ::fork();
  if (controller == 0) {
    auto hive = Hive::create({});
    (void)!::write(ready[1], hive ? "y" : "n", 1);
    for (;;) ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  auto sessions = list_sessions();
  ASSERT_TRUE(sessions);
  ASSERT_EQ(sessions->size(), 1u);
  EXPECT_EQ((*sessions)[0].controller, controller);
  std::string file = (*sessions)[0].file;
  ::kill(controller, SIGKILL);
  ::waitpid(controller, nullptr, 0);
  EXPECT_EQ(::access(file.c_str(), F_OK), 0);
  EXPECT_TRUE(list_sessions()->empty());
  EXPECT_NE(::access(file.c_str(), F_OK), 0);
  EXPECT_EQ(Hive::open((*sessions)[0]).error().code(), ESRCH);
}

TEST_F(Sessions, a_directory_that_others_may_enter_is_refused) {
  std::string path = directory_ + "/skep";
  ASSERT_EQ(::mkdir(path.c_str(), 0700), 0);
  ASSERT_EQ(::chmod(path.c_str(), 0755), 0);
  EXPECT_EQ(session_directory().error().code(), EPERM);
  EXPECT_EQ(Hive::create({}).error().code(), EPERM);
}

// ---- slots, locks, grace periods ----

TEST(slots, each_is_one_bees_alone) {
  auto hive = make_hive({.slots = 3});
  EXPECT_EQ(hive::claim(1, me()), 1u);
  EXPECT_EQ(hive::claim(1, me()), 2u);
  EXPECT_EQ(hive::claim(100, me()), 0u);
  EXPECT_EQ(hive::claim(0, me()), hive::kNoSlot) << "all busy with the living";
  uint32_t before = hive::bee_word(1);
  hive::release(1);
  EXPECT_NE(hive::bee_word(1), before);
  EXPECT_TRUE(hive::bee_is_gone(before));
  EXPECT_EQ(hive::claim(0, me()), 1u);
  EXPECT_FALSE(hive::bee_is_gone(hive::bee_word(1)));
}

TEST(slots, a_dead_owners_slot_is_taken_over_also_before_it_is_reaped) {
  auto hive = make_hive({.slots = 2});
  pid_t child = ::fork();
  if (child == 0) {
    hive::claim(0, me());
    hive::claim(1, me());
    ::raise(SIGKILL);
  }
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT),
            0);  // a zombie it stays
  uint32_t word = hive::bee_word(0);
  EXPECT_TRUE(hive::bee_is_gone(word));
  EXPECT_NE(hive::claim(0, me()), hive::kNoSlot);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(hive::reap_dead_slots(me()), 1u);
  EXPECT_NE(hive::claim(0, me()), hive::kNoSlot);
  EXPECT_EQ(hive::claim(0, me()), hive::kNoSlot);
}

TEST(slots, of_a_process_that_exec_replaced_can_be_released) {
  auto hive = make_hive({.slots = 2});
  uint64_t gone_thread = hive::owner_word(static_cast<uint32_t>(::getpid()), 999999);
  hive::claim(0, gone_thread);
  hive::release_all_of(static_cast<uint32_t>(::getpid()), me());
  EXPECT_EQ(hive::slot_table().slots[0].owner.load(), 0u);
}

TEST(robust_lock, is_taken_over_from_the_dead_and_says_so) {
  auto hive = make_hive({.slots = 4});
  auto& lock = *static_cast<hive::RobustLock*>(*hive->allocate_data(64));
  int status = in_child([&] {
    uint32_t slot = hive::claim(0, me());
    if (lock.lock(hive::bee_word(slot)) != hive::Locked::kClean) return 1;
    ::raise(SIGKILL);
    return 2;
  });
  ASSERT_EQ(status, 128 + SIGKILL);
  HeldSlot mine;
  ASSERT_TRUE(mine);
  EXPECT_EQ(lock.lock(hive::bee_word(mine.slot())), hive::Locked::kRecovered);
  lock.unlock();
  EXPECT_EQ(lock.lock(hive::bee_word(mine.slot())), hive::Locked::kClean);
  lock.unlock();
}

TEST(robust_lock, gives_up_on_an_owner_that_lives_but_does_not_run) {
  auto hive = make_hive({.slots = 4});
  auto& lock = *static_cast<hive::RobustLock*>(*hive->allocate_data(64));
  int held[2];
  ASSERT_EQ(::pipe(held), 0);
  pid_t child = ::fork();
  if (child == 0) {
    uint32_t slot = hive::claim(0, me());
    (void)lock.lock(hive::bee_word(slot));
    (void)!::write(held[1], "x", 1);
    for (;;) ::pause();
  }
  char byte;
  ASSERT_EQ(::read(held[0], &byte, 1), 1);
  ::kill(child, SIGSTOP);
  HeldSlot mine;
  EXPECT_EQ(lock.lock(hive::bee_word(mine.slot())), hive::Locked::kBusy);
  EXPECT_EQ(hive->synchronize(std::chrono::milliseconds(20)).error().code(), EBUSY);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(lock.lock(hive::bee_word(mine.slot())), hive::Locked::kRecovered);
}

TEST(robust_lock, survives_any_word_that_a_scribbler_puts_there) {
  auto hive = make_hive({.slots = 4});
  auto* word = static_cast<uint32_t*>(*hive->allocate_data(64));
  HeldSlot mine;
  for (uint32_t garbage : {1u, 0x80000000u, 0xffffffffu, 0x800000ffu, 0x12345678u, 0x80000003u}) {
    *word = garbage;
    auto locked = reinterpret_cast<hive::RobustLock*>(word)->lock(hive::bee_word(mine.slot()));
    if (garbage == hive::bee_word(mine.slot()))
      EXPECT_EQ(locked, hive::Locked::kBusy);
    else
      EXPECT_EQ(locked, hive::Locked::kRecovered) << garbage;
  }
}

TEST(grace_period, waits_for_bees_that_ran_before_and_for_no_others) {
  auto hive = make_hive({.slots = 4});
  EXPECT_TRUE(hive->synchronize());
  uint32_t old_bee = hive::claim(0, me());
  bool freed = false;
  hive->defer([&] { freed = true; });
  EXPECT_FALSE(freed);
  uint32_t new_bee = hive::claim(1, me());
  hive::release(old_bee);
  hive->run_deferred();
  EXPECT_TRUE(freed) << "the bee that came later does not matter";
  EXPECT_EQ(hive->synchronize(std::chrono::milliseconds(5)).error().code(), EBUSY);
  std::thread releaser([&] { hive::release(new_bee); });
  EXPECT_TRUE(hive->synchronize(std::chrono::seconds(20)));
  releaser.join();
}

}  // namespace
}  // namespace skep
