// The heap: what a killed bee held comes back; lists whose changer was killed are whole.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/hive.h"
#include "base/slots.h"
#include "fake_host.h"
#include "helpers/kfuncs.h"
#include "object/heap.h"

namespace skep::helpers {
namespace {

struct Item {
  heap::OwnedListNode node;
  uint64_t value;
};

class Heap : public testing::Test {
 protected:
  void SetUp() override {
    auto made = Hive::create({.data_size = 64 << 20, .slots = 4, .publish_session = false});
    ASSERT_TRUE(made) << made.error().text();
    hive_ = std::move(*made);
    layout_ = static_cast<heap::Layout*>(hive_->allocate_object(sizeof(heap::Layout)).value());
    constexpr uint64_t kBytes = 128 << 10;  // one object of the largest class
    layout_->base =
        reinterpret_cast<uint64_t>(hive_->allocate_data(kBytes * heap::kClasses).value());
    layout_->class_bytes = kBytes;
    layout_->hints = reinterpret_cast<uint64_t>(
        hive_->allocate_data(hive::kMaxSlots * heap::kClasses * 4).value());
    hive_->set_root(hive::Root::kHeap, layout_);
    type_ = static_cast<ObjectType*>(hive_->allocate_object(sizeof(ObjectType)).value());
    *type_ = {
        .magic = kObjectTypeMagic, .size = sizeof(Item), .slots = 0, .btf_id = 0, .fields = {}};
    head_ = static_cast<heap::ListNode*>(hive_->allocate_data(64).value());
    claim();
  }
  void claim() {
    host_.run.slot = hive::claim(
        0, hive::owner_word(static_cast<uint32_t>(::getpid()), static_cast<uint32_t>(::gettid())));
  }
  // The bee is gone, and with it whatever it held, as one that is killed.
  void kill_bee() {
    hive::release(host_.run.slot);
    claim();
  }
  heap::Object* make() { return heap::make(*type_, host_.run.slot); }
  static uint64_t node_of(heap::Object* object) {
    return reinterpret_cast<uint64_t>(object->payload());
  }
  uint64_t call(spec::KfuncNumber number, uint64_t r1, uint64_t r2 = 0, uint64_t r3 = 0) {
    return kfunc_bodies()[number](r1, r2, r3, 0, 0, &host_.run);
  }
  [[nodiscard]] uint64_t head() const { return reinterpret_cast<uint64_t>(head_); }

  std::unique_ptr<Hive> hive_;
  heap::Layout* layout_ = nullptr;
  ObjectType* type_ = nullptr;
  heap::ListNode* head_ = nullptr;
  FakeHost host_;
};

TEST_F(Heap, gives_out_each_object_once_and_takes_it_back) {
  std::vector<heap::Object*> all;
  while (heap::Object* one = make()) all.push_back(one);
  EXPECT_EQ(all.size(), layout_->class_bytes / heap::kSmallest);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
  heap::drop(all[3]);
  EXPECT_EQ(make(), all[3]);
  EXPECT_EQ(make(), nullptr);
}

TEST_F(Heap, frees_what_a_killed_bee_held_when_it_is_full) {
  heap::Object* kept = make();
  heap::stored(kept);
  size_t count = 1;
  while (make() != nullptr) ++count;
  kill_bee();
  size_t again = 0;
  while (make() != nullptr) ++again;
  EXPECT_EQ(again, count - 1);  // what is stored stays
  EXPECT_EQ(kept->state.load(), heap::kStored);
}

TEST_F(Heap, counts_references) {
  heap::Object* one = make();
  EXPECT_EQ(call(spec::kKfunc_bpf_refcount_acquire, node_of(one)), node_of(one));
  heap::drop(one);
  EXPECT_NE(one->state.load(), heap::kFree);
  heap::drop(one);
  EXPECT_EQ(one->state.load(), heap::kFree);
  EXPECT_EQ(call(spec::kKfunc_bpf_refcount_acquire, node_of(one)), 0u);
}

// Whoever inserts is killed after the one store that commits, before the next node's `prev` is written.
TEST_F(Heap, lists_are_whole_where_their_changer_was_killed) {
  heap::Object *first = make(), *second = make(), *third = make();
  for (heap::Object* one : {first, second, third})
    EXPECT_EQ(call(spec::kKfunc_bpf_list_push_back, head(), node_of(one)), 0u);
  auto* node = reinterpret_cast<heap::OwnedListNode*>(node_of(second));
  node->prev = head();            // never written
  head_->prev = node_of(second);  // never written
  EXPECT_EQ(call(spec::kKfunc_bpf_list_back, head()), node_of(third));
  EXPECT_EQ(call(spec::kKfunc_bpf_list_pop_back, head()), node_of(third));
  EXPECT_EQ(call(spec::kKfunc_bpf_list_pop_back, head()), node_of(second));
  EXPECT_EQ(call(spec::kKfunc_bpf_list_pop_back, head()), node_of(first));
  EXPECT_EQ(call(spec::kKfunc_bpf_list_pop_back, head()), 0u);
}

TEST_F(Heap, a_node_is_in_one_list_only) {
  heap::Object* one = make();
  EXPECT_EQ(call(spec::kKfunc_bpf_list_push_front, head(), node_of(one)), 0u);
  one->references.store(2);
  EXPECT_EQ(call(spec::kKfunc_bpf_list_push_front, head(), node_of(one)),
            static_cast<uint64_t>(kEinval));
  EXPECT_EQ(one->references.load(), 1u);
}

TEST_F(Heap, a_kptr_that_is_no_object_is_not_given_out) {
  auto* word = static_cast<uint64_t*>(hive_->allocate_data(64).value());
  heap::Object* one = make();
  EXPECT_EQ(host_.call(spec::BPF_FUNC_kptr_xchg, word, node_of(one)), 0);
  EXPECT_EQ(one->state.load(), heap::kStored);
  *word += 8;  // inside it
  EXPECT_EQ(host_.call(spec::BPF_FUNC_kptr_xchg, word, uint64_t{0}), 0);
  *word = reinterpret_cast<uint64_t>(&host_);
  EXPECT_EQ(host_.call(spec::BPF_FUNC_kptr_xchg, word, uint64_t{0}), 0);
  *word = node_of(one);
  EXPECT_EQ(static_cast<uint64_t>(host_.call(spec::BPF_FUNC_kptr_xchg, word, uint64_t{0})),
            node_of(one));
}

}  // namespace
}  // namespace skep::helpers
