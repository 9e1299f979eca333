#include "btf/diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "btf/builder.h"
#include "btf/minimal.h"

namespace skep::btf {
namespace {

using testing::ElementsAre;

TEST(Diff, tells_added_removed_and_changed_types_by_name) {
  BtfBuilder a;
  TypeId integer = a.add_int("int", 4, true);
  a.add_composite(Kind::Struct, "same", 4, {{"x", integer, 0, 0}});
  a.add_composite(Kind::Struct, "gone", 4, {{"x", integer, 0, 0}});
  a.add_composite(Kind::Struct, "changed", 12,
                  {{"old", integer, 0, 0}, {"moved", integer, 32, 0}, {"bits", integer, 64, 3}});
  a.add_enum(Kind::Enum, "state", 4, false, {{"A", 0}, {"B", 1}});
  BtfBuilder b;
  const TypeId number = b.add_int("long", 8, true);
  integer = b.add_int("int", 4, true);
  b.add_composite(Kind::Struct, "changed", 24,
                  {{"moved", integer, 0, 0}, {"bits", integer, 64, 4}, {"fresh", number, 128, 0}});
  b.add_composite(Kind::Struct, "same", 4, {{"x", integer, 0, 0}});
  b.add_enum(Kind::Enum, "state", 4, false, {{"A", 0}, {"B", 2}});
  b.add_typedef("fresh_t", integer);
  const auto before = *a.finish(), after = *b.finish();
  const std::vector<Difference> found = diff(*before, *after);
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0].name, "changed");
  EXPECT_THAT(found[0].details, ElementsAre("size 12 → 24", "- int bits: 3; /* at 8 */",
                                            "+ int bits: 4; /* at 8 */", "  moved: at 4 → at 0",
                                            "- int old; /* at 0 */", "+ long fresh; /* at 16 */"));
  EXPECT_EQ(found[1].name, "gone");
  EXPECT_EQ(found[1].what, Difference::What::Removed);
  EXPECT_THAT(found[2].details, ElementsAre("  B: 1 → 2"));
  EXPECT_EQ(found[3].name, "fresh_t");
  EXPECT_EQ(found[3].what, Difference::What::Added);
  EXPECT_TRUE(diff(*before, *before).empty());
}

TEST(MinimalBtf, holds_the_members_used_and_gives_the_same_relocations) {
  BtfBuilder t;
  const TypeId integer = t.add_int("int", 4, true), number = t.add_int("long", 8, true);
  const TypeId inner =
      t.add_composite(Kind::Union, "", 16, {{"a", number, 0, 0}, {"b", integer, 32, 0}});
  const TypeId unused = t.add_composite(Kind::Struct, "unused", 4, {{"x", integer, 0, 0}});
  const TypeId pointer = t.add_pointer(unused);
  t.add_composite(
      Kind::Struct, "task", 64,
      {{"pid", integer, 0, 0}, {"p", pointer, 64, 0}, {"", inner, 128, 0}, {"u", unused, 256, 0}});
  t.add_enum(Kind::Enum, "state", 4, false, {{"A", 5}});
  const auto target = *t.finish();
  BtfBuilder l;
  const TypeId mine = l.add_int("int", 4, true), to_void = l.add_pointer(0);
  const TypeId task =
      l.add_composite(Kind::Struct, "task", 16, {{"b", mine, 0, 0}, {"p", to_void, 64, 0}});
  const TypeId state = l.add_enum(Kind::Enum, "state", 4, false, {{"A", 0}});
  const auto local = *l.finish();

  const std::vector<CoreRelocation> relocations = {{task, "0:0", CoreKind::FieldByteOffset},
                                                   {task, "0:1", CoreKind::FieldByteSize},
                                                   {task, "0", CoreKind::TypeSize},
                                                   {state, "0", CoreKind::EnumvalValue}};
  const std::vector<std::shared_ptr<const Btf>> whole = {target};
  MinimalBtf minimal(*target);
  CoreResolver resolver(*local, whole);
  for (const CoreRelocation& relocation : relocations)
    ASSERT_TRUE(minimal.add(resolver, relocation));
  auto small = Btf::parse(minimal.bytes());
  ASSERT_TRUE(small) << small.error().text();
  EXPECT_TRUE((*small)->validate());
  EXPECT_FALSE((*small)->find("unused", Kind::Struct));
  const Type kept = (*small)->type(*(*small)->find("task", Kind::Struct));
  EXPECT_EQ(kept.size(), 64u);
  ASSERT_EQ(kept.vlen(), 2u);
  EXPECT_EQ(kept.member(0).name, "p");
  const std::vector<std::shared_ptr<const Btf>> reduced = {*small};
  for (const CoreRelocation& relocation : relocations) {
    auto a = core_resolve(*local, relocation, whole), b = core_resolve(*local, relocation, reduced);
    ASSERT_TRUE(a && b);
    EXPECT_EQ(a->target, b->target);
    EXPECT_EQ(a->poison, b->poison);
  }
}

}  // namespace
}  // namespace skep::btf
