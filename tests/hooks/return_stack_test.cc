#include "hooks/agent/return_stack.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <vector>

namespace skep::agent {
namespace {

constexpr uint64_t kTrampoline = 0x7777;

// The program's stack: what slots hold; a missing one can't be read.
struct Stack {
  std::map<uint64_t, uint64_t>* slots;
  bool read(uint64_t address, uint64_t& value) const {
    auto found = slots->find(address);
    if (found == slots->end()) return false;
    value = found->second;
    return true;
  }
  bool write(uint64_t address, uint64_t value) const {
    (*slots)[address] = value;
    return true;
  }
};

class Returns : public ::testing::Test {
 protected:
  bool enter(uint64_t slot, uint64_t real) {
    slots[slot] = real;
    return replace(slot);
  }
  bool replace(uint64_t slot) {
    ReturnEntry* entry = stack.push(slot, slots[slot], kTrampoline, memory);
    if (entry == nullptr) return false;
    slots[slot] = kTrampoline;
    return true;
  }
  std::optional<uint64_t> leave(uint64_t slot) {
    ReturnEntry entry;
    if (!stack.take(slot, kTrampoline, entry, memory)) return std::nullopt;
    return entry.real;
  }
  std::map<uint64_t, uint64_t> slots;
  Stack memory{&slots};
  ReturnStack<8> stack{};
};

TEST_F(Returns, come_back_innermost_first) {
  enter(1000, 1);
  enter(900, 2);
  enter(800, 3);
  EXPECT_EQ(leave(800), 3u);
  EXPECT_EQ(leave(900), 2u);
  EXPECT_EQ(leave(1000), 1u);
  EXPECT_EQ(leave(1000), std::nullopt);
}

TEST_F(Returns, a_tail_call_goes_through_both) {
  enter(1000, 1);
  replace(1000);  // the second function finds the trampoline where its return address should be
  EXPECT_EQ(leave(1000), kTrampoline);
  EXPECT_EQ(leave(1000), 1u);
}

TEST_F(Returns, what_a_longjmp_left_behind_is_not_found_again) {
  enter(1000, 1);
  enter(900, 2);
  enter(800, 3);
  // longjmp to the frame at 1000; then the same slots are used by others.
  enter(900, 4);
  EXPECT_EQ(leave(900), 4u);
  EXPECT_EQ(leave(1000), 1u);
}

TEST_F(Returns, switched_stacks_return_in_any_order) {
  enter(1000, 1);
  enter(5000, 2);
  enter(900, 3);
  EXPECT_EQ(leave(5000), 2u);
  EXPECT_EQ(leave(900), 3u);
  EXPECT_EQ(leave(1000), 1u);
}

TEST_F(Returns, a_full_stack_drops_what_is_gone_and_nothing_else) {
  enter(1000, 1);
  for (uint64_t i = 0; i < 7; ++i) enter(900 - 10 * i, 10 + i);
  // Left by longjmp, and their slots were overwritten or unmapped since.
  slots[900] = 0;
  slots.erase(890);
  EXPECT_TRUE(enter(700, 50));
  EXPECT_EQ(leave(700), 50u);
  EXPECT_EQ(leave(840), 16u);
  EXPECT_EQ(leave(880), 12u);
  EXPECT_EQ(leave(1000), 1u);
}

TEST_F(Returns, of_a_slot_used_twice_the_older_entry_is_dropped_first) {
  for (uint64_t i = 0; i < 4; ++i) enter(900, 10 + i);
  for (uint64_t i = 0; i < 4; ++i) enter(800 - 10 * i, 20 + i);
  EXPECT_TRUE(enter(700, 30));
  EXPECT_EQ(stack.count(), 6u);
  EXPECT_EQ(leave(900), 13u);
}

TEST_F(Returns, a_full_stack_of_live_entries_takes_no_more_and_loses_none) {
  for (uint64_t i = 0; i < 8; ++i) EXPECT_TRUE(enter(1000 - 10 * i, i));
  EXPECT_FALSE(enter(500, 99));
  EXPECT_EQ(slots[500], 99u);
  for (uint64_t i = 8; i-- > 0;) EXPECT_EQ(leave(1000 - 10 * i), i);
}

TEST_F(Returns, an_unwinder_sees_real_addresses_and_survivors_are_replaced_again) {
  enter(1000, 1);
  replace(1000);  // a tail call
  enter(900, 2);
  enter(800, 3);
  stack.reveal(700, kTrampoline, memory);
  EXPECT_EQ(slots[1000], 1u);
  EXPECT_EQ(slots[900], 2u);
  EXPECT_EQ(slots[800], 3u);
  // The exception was caught in the frame above 900.
  stack.hide(950, 1000, kTrampoline, memory);
  EXPECT_EQ(slots[1000], kTrampoline);
  EXPECT_EQ(slots[900], 2u);
  EXPECT_EQ(leave(1000), kTrampoline);
  EXPECT_EQ(leave(1000), 1u);
  EXPECT_EQ(stack.count(), 0u);
}

TEST_F(Returns, calls_made_by_an_unwinder_return_while_others_are_revealed) {
  enter(1000, 1);
  enter(900, 2);
  stack.reveal(850, kTrampoline, memory);
  enter(700, 3);
  enter(600, 4);
  EXPECT_EQ(leave(600), 4u);
  EXPECT_EQ(leave(700), 3u);
  stack.hide(850, 1000, kTrampoline, memory);
  EXPECT_EQ(leave(900), 2u);
  EXPECT_EQ(leave(1000), 1u);
}

// Calls, returns, longjmps and switches at random against a model of what each slot should give.
TEST_F(Returns, random_programs_return_where_they_were_called_from) {
  std::mt19937 random(7);
  for (int program = 0; program < 2000; ++program) {
    slots.clear();
    stack = {};
    std::vector<std::pair<uint64_t, uint64_t>> frames[2];  // slot, real; of two stacks
    uint64_t next = 1;
    for (int step = 0; step < 60; ++step) {
      auto& mine = frames[random() % 2];
      uint64_t top = mine.empty() ? (&mine == &frames[0] ? 1000 : 5000) : mine.back().first;
      switch (random() % 4) {
        case 0:
        case 1: {
          uint64_t slot = top - 8 * (1 + random() % 3);
          uint64_t real = next++;
          if (enter(slot, real)) mine.emplace_back(slot, real);
          break;
        }
        case 2:
          if (!mine.empty()) {
            ASSERT_EQ(leave(mine.back().first), mine.back().second);
            slots[mine.back().first] = 0;
            mine.pop_back();
          }
          break;
        default:
          if (mine.size() > 1) {
            size_t keep = random() % mine.size();
            while (mine.size() > keep) mine.pop_back();
          }
      }
    }
  }
}

}  // namespace
}  // namespace skep::agent
