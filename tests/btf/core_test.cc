// CO-RE: a local BTF as a compiler writes it, targets that differ from it, and what each relocation becomes.
#include "btf/core.h"

#include <gtest/gtest.h>

#include "btf/builder.h"

namespace skep::btf {
namespace {

using Shared = std::shared_ptr<const Btf>;

CoreValue resolve(const Shared& local, CoreRelocation relocation,
                  const std::vector<Shared>& targets) {
  auto value = core_resolve(*local, relocation, targets);
  EXPECT_TRUE(value) << (value ? "" : value.error().text());
  return value ? *value : CoreValue{};
}

// struct task { int pid; struct { long start; char comm[16]; }; enum state state; unsigned flags:3, mode:5; }
struct Local {
  TypeId integer, task, state;
  Shared btf;
  Local() {
    BtfBuilder b;
    integer = b.add_int("int", 4, true);
    const TypeId number = b.add_int("long", 8, true), character = b.add_int("char", 1, true),
                 word = b.add_int("unsigned int", 4, false);
    const TypeId comm = b.add_array(character, 16, integer);
    const TypeId inner =
        b.add_composite(Kind::Struct, "", 24, {{"start", number, 0, 0}, {"comm", comm, 64, 0}});
    state = b.add_enum(Kind::Enum, "state", 4, false, {{"RUNNING", 0}, {"STOPPED", 4}});
    task = b.add_composite(Kind::Struct, "task___mine", 40,
                           {{"pid", integer, 0, 0},
                            {"", inner, 64, 0},
                            {"state", state, 256, 0},
                            {"flags", word, 288, 3},
                            {"mode", word, 291, 5}});
    btf = *b.finish();
  }
};

// The same fields elsewhere: comm one level deeper, longer; enumerators renumbered; the bitfield moved.
struct Target {
  TypeId task, state;
  Shared btf;
  explicit Target(std::string_view name = "task") {
    BtfBuilder b;
    const TypeId integer = b.add_int("int", 4, true), number = b.add_int("long", 8, true),
                 character = b.add_int("char", 1, true), word = b.add_int("unsigned int", 4, false);
    const TypeId comm = b.add_array(character, 32, integer);
    const TypeId inner = b.add_composite(Kind::Union, "", 32, {{"comm", comm, 0, 0}});
    state =
        b.add_enum(Kind::Enum64, "state", 8, false, {{"RUNNING", 1}, {"STOPPED___v2", 1ull << 40}});
    task = b.add_composite(Kind::Struct, name, 72,
                           {{"start", number, 0, 0},
                            {"pid", integer, 96, 0},
                            {"", inner, 128, 0},
                            {"state", state, 384, 0},
                            {"mode", word, 453, 5}});
    btf = *b.finish();
  }
};

TEST(Core, a_field_is_found_by_name_through_anonymous_members) {
  Local local;
  Target target;
  const CoreValue pid =
      resolve(local.btf, {local.task, "0:0", CoreKind::FieldByteOffset}, {target.btf});
  EXPECT_EQ(pid.local, 0u);
  EXPECT_EQ(pid.target, 12u);
  EXPECT_EQ(pid.target_type, target.task);
  EXPECT_EQ(
      resolve(local.btf, {local.task, "0:1:1", CoreKind::FieldByteOffset}, {target.btf}).target,
      16u);
  EXPECT_EQ(
      resolve(local.btf, {local.task, "0:1:1:5", CoreKind::FieldByteOffset}, {target.btf}).target,
      21u);
  EXPECT_EQ(resolve(local.btf, {local.task, "0:1:1", CoreKind::FieldByteSize}, {target.btf}).target,
            32u);
  EXPECT_EQ(resolve(local.btf, {local.task, "2:0", CoreKind::FieldByteOffset}, {target.btf}).target,
            2 * 72u + 12);
}

TEST(Core, a_missing_field_does_not_exist_and_poisons_its_offset) {
  Local local;
  Target target;
  EXPECT_EQ(resolve(local.btf, {local.task, "0:3", CoreKind::FieldExists}, {target.btf}).target,
            0u);
  EXPECT_EQ(resolve(local.btf, {local.task, "0:0", CoreKind::FieldExists}, {target.btf}).target,
            1u);
  EXPECT_TRUE(
      resolve(local.btf, {local.task, "0:3", CoreKind::FieldByteOffset}, {target.btf}).poison);
  EXPECT_FALSE(resolve(local.btf, {local.task, "0:3", CoreKind::FieldExists}, {target.btf}).poison);
}

TEST(Core, bitfields_are_read_through_the_smallest_aligned_integer) {
  Local local;
  Target target;
  auto value = [&](CoreKind kind) {
    return resolve(local.btf, {local.task, "0:4", kind}, {target.btf});
  };
  // mode: bits 453 to 457 of the target: bytes 56 to 59 hold them.
  EXPECT_EQ(value(CoreKind::FieldByteOffset).target, 56u);
  EXPECT_EQ(value(CoreKind::FieldByteSize).target, 4u);
  EXPECT_EQ(value(CoreKind::FieldSigned).target, 0u);
  EXPECT_EQ(value(CoreKind::FieldLshiftU64).target, 64u - (453 + 5 - 448));
  EXPECT_EQ(value(CoreKind::FieldRshiftU64).target, 59u);
  EXPECT_FALSE(value(CoreKind::FieldByteOffset).check_local)
      << "compilers differ in which integer they choose";
  EXPECT_TRUE(value(CoreKind::FieldRshiftU64).check_local);
}

TEST(Core, enumerators_match_by_name_across_enum_and_enum64_and_flavours) {
  Local local;
  Target target;
  EXPECT_EQ(resolve(local.btf, {local.state, "1", CoreKind::EnumvalValue}, {target.btf}).target,
            1ull << 40);
  EXPECT_EQ(resolve(local.btf, {local.state, "1", CoreKind::EnumvalValue}, {target.btf}).local, 4u);
  EXPECT_EQ(resolve(local.btf, {local.state, "0", CoreKind::EnumvalExists}, {target.btf}).target,
            1u);
  BtfBuilder other;
  other.add_enum(Kind::Enum, "state", 4, false, {{"RUNNING", 0}});
  auto lacking = *other.finish();
  EXPECT_TRUE(resolve(local.btf, {local.state, "1", CoreKind::EnumvalValue}, {lacking}).poison);
  EXPECT_EQ(resolve(local.btf, {local.state, "1", CoreKind::EnumvalExists}, {lacking}).target, 0u);
}

TEST(Core, types_exist_have_size_and_ids) {
  Local local;
  Target target;
  EXPECT_EQ(resolve(local.btf, {local.task, "0", CoreKind::TypeExists}, {target.btf}).target, 1u);
  EXPECT_EQ(resolve(local.btf, {local.task, "0", CoreKind::TypeSize}, {target.btf}).target, 72u);
  EXPECT_EQ(resolve(local.btf, {local.task, "0", CoreKind::TypeSize}, {target.btf}).local, 40u);
  EXPECT_EQ(resolve(local.btf, {local.task, "0", CoreKind::TypeIdTarget}, {target.btf}).target,
            target.task);
  EXPECT_EQ(resolve(local.btf, {local.task, "0", CoreKind::TypeIdLocal}, {target.btf}).target,
            local.task);
  Target other("another");
  EXPECT_EQ(resolve(local.btf, {local.task, "0", CoreKind::TypeExists}, {other.btf}).target, 0u);
  const CoreValue size = resolve(local.btf, {local.task, "0", CoreKind::TypeSize}, {other.btf});
  EXPECT_EQ(size.target, 0u);
  EXPECT_FALSE(size.poison) << "a type that is not there has size 0";
}

TEST(Core, type_matches_compares_members_names_and_integer_widths) {
  auto make = [](uint32_t size, std::string_view member) {
    BtfBuilder b;
    const TypeId integer = b.add_int(size == 4 ? "int" : "long", size, true);
    b.add_composite(Kind::Struct, "s", size, {{member, integer, 0, 0}});
    return *b.finish();
  };
  auto matches = [](const Shared& local, const Shared& target) {
    return resolve(local, {2, "0", CoreKind::TypeMatches}, {target}).target;
  };
  EXPECT_EQ(matches(make(4, "a"), make(4, "a")), 1u);
  EXPECT_EQ(matches(make(4, "a"), make(8, "a")), 0u);
  EXPECT_EQ(matches(make(4, "a"), make(4, "b")), 0u);
}

TEST(Core, an_access_changes_size_only_for_pointers_and_unsigned_integers) {
  auto make = [](uint32_t size, bool is_signed) {
    BtfBuilder b;
    const TypeId integer = b.add_int("n", size, is_signed);
    b.add_composite(Kind::Struct, "s", size, {{"a", integer, 0, 0}});
    return *b.finish();
  };
  const CoreRelocation a{2, "0:0", CoreKind::FieldByteOffset};
  const CoreValue wider = resolve(make(4, false), a, {make(8, false)});
  EXPECT_TRUE(wider.adjust_size);
  EXPECT_EQ(wider.target_size, 8u);
  const CoreValue is_signed = resolve(make(4, true), a, {make(8, true)});
  EXPECT_FALSE(is_signed.adjust_size);
  EXPECT_TRUE(is_signed.cannot_adjust_size);
  const CoreValue same = resolve(make(4, true), a, {make(4, true)});
  EXPECT_FALSE(same.adjust_size || same.cannot_adjust_size);
}

TEST(Core, candidates_that_disagree_are_an_error) {
  BtfBuilder b;
  const TypeId integer = b.add_int("int", 4, true);
  b.add_composite(Kind::Struct, "s", 8, {{"a", integer, 0, 0}});
  b.add_composite(Kind::Struct, "s___2", 8, {{"a", integer, 32, 0}});
  auto target = *b.finish();
  auto value =
      core_resolve(*target, {2, "0:0", CoreKind::FieldByteOffset}, std::vector<Shared>{target});
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().text(),
            "byte_off of struct s.a is ambiguous: types 2 and 3 of the target differ in it");
}

TEST(Core, what_an_earlier_relocation_ruled_out_stays_out) {
  BtfBuilder b;
  const TypeId integer = b.add_int("int", 4, true);
  b.add_composite(Kind::Struct, "s", 8, {{"a", integer, 0, 0}, {"b", integer, 32, 0}});
  auto local = *b.finish();
  BtfBuilder t;
  const TypeId number = t.add_int("int", 4, true);
  t.add_composite(Kind::Struct, "s", 8, {{"b", number, 0, 0}});
  t.add_composite(Kind::Struct, "s", 8, {{"a", number, 0, 0}, {"b", number, 32, 0}});
  const std::vector<Shared> targets = {*t.finish()};
  EXPECT_FALSE(core_resolve(*local, {2, "0:1", CoreKind::FieldByteOffset}, targets))
      << "b alone is ambiguous";
  CoreResolver resolver(*local, targets);
  EXPECT_EQ(resolver.resolve({2, "0:0", CoreKind::FieldByteOffset})->target_type, 3u);
  EXPECT_EQ(resolver.resolve({2, "0:1", CoreKind::FieldByteOffset})->target, 4u);
}

TEST(Core, modules_are_looked_at_only_where_the_first_target_has_nothing) {
  Local local;
  Target first, second;
  BtfBuilder nothing;
  EXPECT_EQ(resolve(local.btf, {local.task, "0", CoreKind::TypeExists}, {first.btf, second.btf})
                .target_index,
            0u);
  const CoreValue value = resolve(local.btf, {local.task, "0", CoreKind::TypeIdTarget},
                                  {*nothing.finish(), second.btf});
  EXPECT_EQ(value.target_index, 1u);
  EXPECT_EQ(value.target, second.task);
}

TEST(Core, malformed_accessors_are_refused) {
  Local local;
  Target target;
  for (std::string_view accessor :
       {"", ":", "0:", "x", "0:99", "0:0:0", "-1", "0:1:1:99999999999", "99999999999"})
    EXPECT_FALSE(core_resolve(*local.btf, {local.task, accessor, CoreKind::FieldByteOffset},
                              std::vector<Shared>{target.btf}))
        << accessor;
  EXPECT_FALSE(core_resolve(*local.btf, {local.task, "0:1:1:16", CoreKind::FieldByteOffset},
                            std::vector<Shared>{target.btf}))
      << "past the array";
  EXPECT_FALSE(core_resolve(*local.btf, {local.task, "0:0", static_cast<CoreKind>(13)},
                            std::vector<Shared>{target.btf}));
  EXPECT_FALSE(core_resolve(*local.btf, {999, "0:0", CoreKind::FieldByteOffset},
                            std::vector<Shared>{target.btf}));
}

}  // namespace
}  // namespace skep::btf
