// dedup: equal types become one, different ones stay two, cycles, forward declarations and split BTF included.
#include "btf/dedup.h"

#include <gtest/gtest.h>

#include <set>

#include "base/fd.h"
#include "btf/c_dump.h"
#include "btf/user_engine/user_engine.h"
#include "test_paths.h"

namespace skep::btf {
namespace {

using Shared = std::shared_ptr<const Btf>;

// struct node { struct node *next; struct owner *owner; int value; }; struct owner { struct node *first; }
// `whole_owner`: defined, or only declared.
Shared unit(bool whole_owner, uint32_t value_size = 4) {
  BtfBuilder b;
  const TypeId number = b.add_int("int", value_size, true);
  const TypeId node = b.next_id(), to_node = node + 1, owner = node + 2, to_owner = node + 3;
  b.add_composite(Kind::Struct, "node", 16 + value_size,
                  {{"next", to_node, 0, 0}, {"owner", to_owner, 64, 0}, {"value", number, 128, 0}});
  b.add_pointer(node);
  if (whole_owner)
    b.add_composite(Kind::Struct, "owner", 8, {{"first", to_node, 0, 0}});
  else
    b.add_forward("owner", false);
  b.add_pointer(owner);
  return *b.finish();
}

Shared merged(std::vector<Shared> inputs) {
  auto whole = concatenate(inputs).builder.finish();
  auto deduped = dedup(*whole);
  EXPECT_TRUE(deduped) << deduped.error().text();
  auto result = deduped->builder.finish();
  EXPECT_TRUE(result) << result.error().text();
  return *result;
}

TEST(Dedup, two_copies_of_a_cycle_become_one) {
  const Shared one = unit(true);
  const Shared both = merged({one, one, one});
  EXPECT_EQ(both->type_end(), one->type_end());
  EXPECT_EQ(dump_c(*both), dump_c(*one));
}

TEST(Dedup, a_forward_declaration_becomes_the_definition_of_another_unit) {
  const Shared both = merged({unit(false), unit(true)});
  EXPECT_EQ(both->type_end(), unit(true)->type_end());
  EXPECT_FALSE(both->find("owner", Kind::Fwd));
  EXPECT_EQ(both->find_all("node").size(), 1u);
}

TEST(Dedup, types_of_one_name_that_differ_stay_two) {
  const Shared both = merged({unit(true), unit(true, 8)});
  EXPECT_EQ(both->find_all("node").size(), 2u);
  // owner looks the same in both, but leads to another node.
  EXPECT_EQ(both->find_all("owner").size(), 2u);
}

TEST(Dedup, a_forward_declaration_of_two_different_definitions_stays) {
  BtfBuilder a, b;
  const TypeId small = a.add_int("int", 4, true);
  a.add_composite(Kind::Struct, "owner", 4, {{"x", small, 0, 0}});
  const TypeId large = b.add_int("long", 8, true);
  b.add_composite(Kind::Struct, "owner", 8, {{"y", large, 0, 0}});
  const Shared all = merged({*a.finish(), *b.finish(), unit(false)});
  EXPECT_TRUE(all->find("owner", Kind::Fwd));
  EXPECT_EQ(all->find_all("owner").size(), 3u);
}

TEST(Dedup, variables_and_sections_stay) {
  BtfBuilder b;
  const TypeId number = b.add_int("int", 4, true);
  const TypeId x = b.add_variable("x", number, Linkage::Static);
  b.add_datasec(".bss", 4, {{x, 0, 4}});
  const Shared one = *b.finish(), both = merged({one, one});
  EXPECT_EQ(both->find_all("x").size(), 2u);
  EXPECT_EQ(both->find_all("int").size(), 1u);
}

TEST(Dedup, split_keeps_what_the_base_lacks) {
  const Shared base = unit(true);
  BtfBuilder b;
  const TypeId number = b.add_int("int", 4, true);
  const TypeId to_owner = b.add_pointer(b.next_id() + 1);
  b.add_forward("owner", false);
  b.add_composite(Kind::Struct, "module_state", 16,
                  {{"owner", to_owner, 0, 0}, {"count", number, 64, 0}});
  auto bytes = split(*b.finish(), base);
  ASSERT_TRUE(bytes) << bytes.error().text();
  auto module = Btf::parse(*bytes, base);
  ASSERT_TRUE(module) << module.error().text();
  ASSERT_EQ((*module)->type_end() - (*module)->type_begin(), 1u);
  const Type state = (*module)->type((*module)->type_begin());
  EXPECT_EQ(state.name(), "module_state");
  EXPECT_EQ((*module)->name((*module)->resolve(state.member(0).type).referenced()), "owner");
  EXPECT_EQ(state.member(1).type, *base->find("int", Kind::Int));
}

TEST(Dedup, our_own_published_btf_twice_is_itself) {
  const Shared own = user_engine_btf();
  const Shared once = merged({own}), twice = merged({own, own});
  EXPECT_EQ(once->type_end(), twice->type_end());
  EXPECT_EQ(dump_c(*once), dump_c(*twice));
  auto again = dedup(once);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->builder.next_id(), once->type_end()) << "dedup of what dedup made finds nothing";
}

TEST(Dedup, a_long_chain_ends_in_time_or_says_why) {
  BtfBuilder b;
  const TypeId number = b.add_int("int", 4, true);
  TypeId last = number;
  for (int i = 0; i < 5000; ++i) last = b.add_pointer(last);
  auto done = dedup(*b.finish());
  EXPECT_TRUE(done || done.error().code() == E2BIG);
}

}  // namespace
}  // namespace skep::btf
