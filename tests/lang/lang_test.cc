// The tracing language: what is refused, and how; what is accepted passes the verifier as it is generated.
#include "lang/lang.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spec/sections.h"
#include "verifier/verifier.h"

namespace skep::lang {
namespace {

using testing::HasSubstr;

// The message and the hint of a script that is refused.
std::string refusal(std::string_view script) {
  auto compiled = compile(script, "t");
  if (compiled) return "accepted";
  return compiled.error().text() + " hint: " + compiled.error().hint();
}

TEST(Lang, an_unknown_name_is_refused_with_its_place_and_a_suggestion) {
  std::string text = refusal("uprobe:libc.so.6:malloc { @[pidd] = count(); }");
  EXPECT_THAT(text, HasSubstr("t:1:29: there is no builtin \"pidd\""));
  EXPECT_THAT(text, HasSubstr("did you mean pid?"));
  EXPECT_THAT(refusal("uprobe:a:b { @ = cuont() }"), HasSubstr("did you mean count?"));
  EXPECT_THAT(refusal("upobe:a:b { @ = count() }"), HasSubstr("did you mean uprobe?"));
}

TEST(Lang, the_place_is_told_in_a_script_of_several_lines) {
  std::string text = refusal("// first\nuprobe:a:b {\n  @x = 1 +;\n}\n");
  EXPECT_THAT(text, HasSubstr("t:3:11: expected an expression, found \";\""));
  EXPECT_THAT(text, HasSubstr("  @x = 1 +;\n"));
}

struct Refused {
  std::string_view script, message;
};
class Refuses : public testing::TestWithParam<Refused> {};
TEST_P(Refuses, with_a_message) {
  EXPECT_THAT(refusal(GetParam().script), HasSubstr(std::string(GetParam().message)));
}
INSTANTIATE_TEST_SUITE_P(
    Scripts, Refuses,
    testing::Values(
        Refused{"", "expected a probe"}, Refused{"uprobe:a:b", "expected \"{\""},
        Refused{"uprobe:a:b { @x = \"abc", "this string has no end"},
        Refused{"uprobe:a:b { @x = \"\\q\"; }", "unknown escape"},
        Refused{"uprobe:a:b { /* }", "has no end"},
        Refused{"uprobe:a:b { @x = 0x; }", "expected digits behind 0x"},
        Refused{"uprobe:a:b { @x = 99999999999999999999; }", "does not fit 64 bits"},
        Refused{"uprobe:a:b { @x = 5min; }", "\"min\" is no unit"},
        Refused{"uprobe:a { @x = 1; }", "expected uprobe:BINARY:FUNCTION"},
        Refused{"uprobe:a:f* { @x = 1; }", "patterns are not taken"},
        Refused{"tracepoint:x { @x = 1; }", "expected tracepoint:CATEGORY:NAME"},
        Refused{"uretprobe:a:b { @x = arg0; }", "arg0 does not exist in uretprobe:a:b"},
        Refused{"uprobe:a:b { @x = retval; }", "retval does not exist"},
        Refused{"uprobe:a:b /comm/ { @x = 1; }", "a predicate is a number"},
        Refused{"uprobe:a:b { @x = 1; @x = comm; }", "@x holds a number, this is a string"},
        Refused{"uprobe:a:b { @x[pid] = 1; @x[comm] = 1; }", "@x has [a number] elsewhere"},
        Refused{"uprobe:a:b { @x = count(); @y = @x; }", "a program can add to it, not read it"},
        Refused{"uprobe:a:b { $a = 1; @x = $b; }", "$b is read before it is assigned"},
        Refused{"uprobe:a:b { delete(@x[1]); }", "@x is never assigned"},
        Refused{"uprobe:a:b { comm + 1; }", "this has no effect"},
        Refused{"uprobe:a:b { @x = comm + comm; }", "strings are compared with == and !="},
        Refused{"uprobe:a:b { printf(\"%d\\n\"); }", "its format takes more"},
        Refused{"uprobe:a:b { printf(\"x\", 1); }", "its format takes 0"},
        Refused{"uprobe:a:b { printf(\"%s\", pid); }", "%s takes a string"},
        Refused{"uprobe:a:b { printf(\"%y\", pid); }", "\"%y\" is no conversion"},
        Refused{"uprobe:a:b { printf(\"%\", pid); }", "is no conversion"},
        Refused{"uprobe:a:b { @x[comm, str(arg0), str(arg1), str(arg2), str(arg3), comm, comm, "
                "comm] = comm == "
                "str(arg4) ? 1 : 2; }",
                "bytes of stack, programs have 512"}));

// Every program of the script, as its object gives it, through the verifier.
void expect_accepted(std::string_view script) {
  auto compiled = compile(script, "t");
  ASSERT_TRUE(compiled) << compiled.error().text();
  for (uint32_t i = 0; i < compiled->object.programs().size(); ++i) {
    auto program = compiled->object.program(i);
    ASSERT_TRUE(program) << program.error().text();
    auto section = spec::parse_section_name(compiled->object.programs()[i].section);
    ASSERT_TRUE(section);
    program->type = section->section->prog_type;
    verifier::Report report = verifier::verify(*program);
    EXPECT_TRUE(report.accepted()) << script << "\n"
                                   << (report.rejection ? report.rejection->message : "");
  }
}

TEST(Lang, what_it_generates_is_accepted_by_the_verifier) {
  expect_accepted("uprobe:libc.so.6:malloc { @[comm] = count(); }");
  expect_accepted(
      "uprobe:a:f /pid == 1 && comm != \"x\" || !(arg0 > 5)/ { @h = hist(arg0); @s = sum(arg1);"
      " @mi = min(arg2); @ma[tid, comm] = max(arg3); @av[uid] = avg(arg4); }");
  expect_accepted(
      "t:syscalls:sys_enter_openat { @at[tid] = nsecs; @name[tid] = str(arg1); }"
      "t:syscalls:sys_exit_openat /@at[tid]/ { printf(\"%-5d %s %llx %p %c%%\\n\", pid,"
      " @name[tid], retval, args.id, 65); @ns = hist(nsecs - @at[tid]); delete(@at[tid]);"
      " if (retval < 0) { @bad++ } else if (retval == 3) { @three -= 1; } else { @ok[probe] *= 2 } "
      "}");
  expect_accepted(
      "ur:a:f, ur:a:g { $x = retval; $y = comm; $x <<= 3; $x = -$x / 7 % 5; $y = $x ? \"a\" : func;"
      " @[$y] = $x ^ ~rand | cpu & gid; }");
  expect_accepted("rt:sys_enter { @ = 10ms + 2us; }");
}

TEST(Lang, parts_of_one_value_are_put_together) {
  auto bytes = [](std::vector<int64_t> words) {
    std::vector<std::byte> out(words.size() * 8);
    std::memcpy(out.data(), words.data(), out.size());
    return out;
  };
  auto merged = [&](Type type, std::vector<std::vector<int64_t>> parts) {
    std::vector<std::vector<std::byte>> raw;
    for (auto& part : parts) raw.push_back(bytes(part));
    int64_t word = 0;
    std::memcpy(&word, merge(type, raw).data(), 8);
    return word;
  };
  EXPECT_EQ(merged(Type::count, {{3}, {0}, {4}}), 7);
  EXPECT_EQ(merged(Type::sum, {{-3}, {1}}), -2);
  EXPECT_EQ(merged(Type::min, {{0, 0}, {5, 1}, {-2, 1}}), -2)
      << "a part without values says nothing";
  EXPECT_EQ(merged(Type::max, {{0, 0}, {-5, 1}, {-7, 1}}), -5);
  EXPECT_EQ(merged(Type::avg, {{10, 3}, {-1, 1}, {0, 0}}), 2);
  EXPECT_EQ(merged(Type::integer, {{42}}), 42);
}

TEST(Lang, any_depth_of_nesting_ends) {
  std::string deep(5000, '('), minus(5000, '-'), blocks;
  EXPECT_THAT(refusal("uprobe:a:b { @x = " + deep), HasSubstr("expected"));
  EXPECT_THAT(refusal("uprobe:a:b { @x = " + minus), HasSubstr("expected"));
  for (int i = 0; i < 5000; ++i) blocks += "if (1) { ";
  EXPECT_THAT(refusal("uprobe:a:b { " + blocks), HasSubstr("expected"));
}

}  // namespace
}  // namespace skep::lang
