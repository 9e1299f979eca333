// The static linker: link/a.bpf.o and link/b.bpf.o need each other.
#include "object/static_linker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fd.h"
#include "btf/user_engine/user_engine.h"
#include "isa/insn.h"
#include "object/elf_writer.h"
#include "object/object.h"
#include "test_paths.h"

namespace skep::object {
namespace {

using testing::HasSubstr;

std::vector<std::byte> file(const std::string& name) {
  auto bytes = read_file(std::string(SKEP_SOURCE_DIR "/tests/object/") + name);
  EXPECT_TRUE(bytes) << name;
  return bytes ? *bytes : std::vector<std::byte>();
}

struct Linked {
  std::vector<std::byte> a = file("link/a.bpf.o"), b = file("link/b.bpf.o"), bytes;
  Object object;
  explicit Linked(bool reversed = false) {
    const LinkInput inputs[] = {{"a.bpf.o", reversed ? b : a}, {"b.bpf.o", reversed ? a : b}};
    auto linked = link_objects(inputs);
    EXPECT_TRUE(linked) << (linked ? "" : linked.error().text());
    if (!linked) return;
    bytes = std::move(*linked);
    auto opened = open_object(bytes, "ab.bpf.o");
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().text());
    if (opened) object = std::move(*opened);
  }
};

TEST(StaticLinker, externs_become_the_other_files_definitions) {
  for (bool reversed : {false, true}) {
    Linked linked(reversed);
    const Object& object = linked.object;
    ASSERT_TRUE(object.find_map("table") && object.find_map("counts"));
    EXPECT_EQ(object.maps()[*object.find_map("counts")].type, MapType::BPF_MAP_TYPE_HASH);
    EXPECT_EQ(object.programs().size(), 3u);
    const VariableSpec* a = object.find_variable("a_value");
    const VariableSpec* b = object.find_variable("b_value");
    ASSERT_TRUE(a != nullptr && b != nullptr);
    EXPECT_EQ(object.variable_text(*a), "11");
    EXPECT_EQ(object.variable_text(*b), "22");
    EXPECT_NE(a->offset, b->offset);
    const std::shared_ptr<const btf::Btf> targets[] = {btf::user_engine_btf()};
    for (uint32_t i = 0; i < object.programs().size(); ++i) {
      auto program = object.program(i, {.btfs = targets, .symbol = {}});
      EXPECT_TRUE(program) << (program ? "" : program.error().text());
    }
  }
}

TEST(StaticLinker, types_functions_and_sections_are_there_once) {
  Linked linked;
  const btf::Btf& btf = *linked.object.btf();
  for (const char* name : {"shared", "only_in_b", "int", "helper", "choose", "table", "counts",
                           ".data", ".maps", ".kconfig", "license", "LINUX_KERNEL_VERSION"})
    EXPECT_EQ(btf.find_all(name).size(), 1u) << name;
  // a.bpf.c only declares it.
  EXPECT_TRUE(btf.find("only_in_b", btf::Kind::Struct));
  EXPECT_EQ(btf.find_all("twice").size(), 1u) << "static, but the same type";
  EXPECT_EQ(linked.object.license(), "GPL");
}

TEST(StaticLinker, static_variables_of_one_name_stay_apart) {
  Linked linked;
  std::vector<std::string> values;
  for (const VariableSpec& variable : linked.object.variables())
    if (variable.name == "local_count") values.push_back(linked.object.variable_text(variable));
  EXPECT_THAT(values, testing::UnorderedElementsAre("1", "2"));
}

// choose() adds 1000 where it is weak, 2000 where it is not.
TEST(StaticLinker, a_strong_definition_wins_over_a_weak_one) {
  for (bool reversed : {false, true}) {
    Linked linked(reversed);
    for (const char* name : {"on_enter", "on_exit"}) {
      const std::shared_ptr<const btf::Btf> targets[] = {btf::user_engine_btf()};
      auto program =
          linked.object.program(*linked.object.find_program(name), {.btfs = targets, .symbol = {}});
      ASSERT_TRUE(program) << program.error().text();
      std::vector<int> added;
      for (const Insn& insn : program->insns)
        if (insn.imm == 1000 || insn.imm == 2000) added.push_back(insn.imm);
      EXPECT_THAT(added, testing::Each(2000)) << name;
      EXPECT_FALSE(added.empty());
    }
  }
}

TEST(StaticLinker, line_and_function_information_moves_with_the_code) {
  Linked linked;
  const std::shared_ptr<const btf::Btf> targets[] = {btf::user_engine_btf()};
  auto program = linked.object.program(*linked.object.find_program("on_enter_too"),
                                       {.btfs = targets, .symbol = {}});
  ASSERT_TRUE(program) << program.error().text();
  const btf::Btf& btf = *linked.object.btf();
  std::vector<std::string> names;
  for (const FuncInfo& info : program->func_info) names.emplace_back(btf.name(info.type_id));
  EXPECT_THAT(names, testing::ElementsAre("on_enter_too", "only_a", "twice", "twice"));
  ASSERT_FALSE(program->line_info.empty());
  EXPECT_THAT(std::string(btf.string(program->line_info.front().line_off)),
              HasSubstr("on_enter_too"));
}

TEST(StaticLinker, what_it_makes_can_be_linked_again) {
  Linked linked;
  const LinkInput again[] = {{"ab.bpf.o", linked.bytes}};
  auto twice = link_objects(again);
  ASSERT_TRUE(twice) << twice.error().text();
  auto object = open_object(*twice, "again");
  ASSERT_TRUE(object) << object.error().text();
  EXPECT_EQ(object->programs().size(), 3u);
  EXPECT_EQ(object->btf()->type_end(), linked.object.btf()->type_end());
  const LinkInput partial[] = {{"a.bpf.o", linked.a}};
  auto alone = link_objects(partial);
  ASSERT_TRUE(alone) << alone.error().text();
  const LinkInput rest[] = {{"a-linked", *alone}, {"b.bpf.o", linked.b}};
  auto whole = link_objects(rest);
  ASSERT_TRUE(whole) << whole.error().text();
  auto opened = open_object(*whole, "whole");
  EXPECT_TRUE(opened) << opened.error().text();
}

TEST(StaticLinker, two_strong_definitions_are_refused_by_name) {
  auto a = file("link/a.bpf.o");
  const LinkInput inputs[] = {{"first.o", a}, {"second.o", a}};
  auto linked = link_objects(inputs);
  ASSERT_FALSE(linked);
  EXPECT_EQ(linked.error().code(), EEXIST);
  EXPECT_THAT(linked.error().text(), testing::AllOf(HasSubstr("second.o"), HasSubstr("first.o")));
}

TEST(StaticLinker, byte_orders_do_not_mix_but_big_endian_links) {
  auto big = file("sample-big.bpf.o"), little = file("sample.bpf.o");
  const LinkInput mixed[] = {{"big", big}, {"little", little}};
  auto refused = link_objects(mixed);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text(), HasSubstr("endian"));
  const LinkInput inputs[] = {{"big", big}};
  auto linked = link_objects(inputs);
  ASSERT_TRUE(linked) << linked.error().text();
  auto before = open_object(big, "big"), after = open_object(*linked, "linked");
  ASSERT_TRUE(before && after) << (after ? "" : after.error().text());
  EXPECT_TRUE(after->was_big_endian());
  EXPECT_EQ(before->maps().size(), after->maps().size());
  ASSERT_EQ(before->programs().size(), after->programs().size());
  for (uint32_t i = 0; i < before->programs().size(); ++i) {
    const std::shared_ptr<const btf::Btf> targets[] = {btf::user_engine_btf()};
    auto x = before->program(i, {.btfs = targets, .symbol = {}});
    auto y = after->program(*after->find_program(before->programs()[i].name),
                            {.btfs = targets, .symbol = {}});
    ASSERT_TRUE(x && y);
    EXPECT_EQ(x->insns.size(), y->insns.size());
    EXPECT_EQ(x->line_info.size(), y->line_info.size());
  }
}

}  // namespace
}  // namespace skep::object
