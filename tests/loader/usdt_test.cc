#include "loader/usdt.h"

#include <gtest/gtest.h>

namespace skep::loader {
namespace {

TEST(Usdt, arguments_are_read_in_the_assemblers_words) {
  auto spec = parse_usdt_arguments("-4@%eax 8@-24(%rbp) 4@$-5 1@16(%rdi,%rsi,8) 8@(%rsp)");
  ASSERT_TRUE(spec) << spec.error().text();
  const UsdtArguments& arguments = *spec;
  ASSERT_EQ(arguments.size(), 5u);
  EXPECT_EQ(arguments[0].location, UsdtLocation::in_register);
  EXPECT_EQ(arguments[0].register_offset, 80);
  EXPECT_TRUE(arguments[0].is_signed);
  EXPECT_EQ(arguments[0].bit_shift, 32);
  EXPECT_EQ(arguments[1].location, UsdtLocation::memory);
  EXPECT_EQ(static_cast<int64_t>(arguments[1].value), -24);
  EXPECT_EQ(arguments[1].register_offset, 32);
  EXPECT_EQ(arguments[2].location, UsdtLocation::constant);
  EXPECT_EQ(static_cast<int64_t>(arguments[2].value), -5);
  EXPECT_EQ(arguments[3].location, UsdtLocation::indexed_memory);
  EXPECT_EQ(arguments[3].index_offset, 104);
  EXPECT_EQ(arguments[3].scale_shift, 3);
  EXPECT_EQ(arguments[3].bit_shift, 56);
  EXPECT_EQ(arguments[4].register_offset, 152);
}

// Where the fields lie is what objects were compiled with: offsets counted by the compiler.
TEST(Usdt, records_have_the_layout_of_the_objects_header) {
  struct Old {
    struct {
      uint64_t value;
      uint32_t location;
      int16_t reg;
      bool is_signed;
      char shift;
    } arguments[12];
    uint64_t cookie;
    int16_t count;
  };
  struct New {
    struct {
      uint64_t value;
      unsigned location : 8;
      uint16_t index : 12;
      uint16_t scale : 4;
      uint8_t reserved : 8;
      int16_t reg;
      bool is_signed;
      char shift;
    } arguments[12];
    uint64_t cookie;
    int16_t count;
  };
  static_assert(sizeof(Old) == 208 && sizeof(New) == 304);
  auto spec = parse_usdt_arguments("-4@8(%rbp) 8@%rdi");
  ASSERT_TRUE(spec);
  auto check = [](const auto& record) {
    EXPECT_EQ(record.arguments[0].value, 8u);
    EXPECT_EQ(record.arguments[0].location, 2u);
    EXPECT_EQ(record.arguments[0].reg, 32);
    EXPECT_TRUE(record.arguments[0].is_signed);
    EXPECT_EQ(record.arguments[0].shift, 32);
    EXPECT_EQ(record.arguments[1].location, 1u);
    EXPECT_EQ(record.arguments[1].reg, 112);
    EXPECT_EQ(record.cookie, 77u);
    EXPECT_EQ(record.count, 2);
  };
  check(load<Old>(encode_usdt_spec(*spec, 77, sizeof(Old))->data()));
  check(load<New>(encode_usdt_spec(*spec, 77, sizeof(New))->data()));
  auto indexed = parse_usdt_arguments("1@16(%rdi,%rsi,8)");
  EXPECT_EQ(encode_usdt_spec(*indexed, 0, sizeof(Old)).error().code(), ENOTSUP);
  const auto record = load<New>(encode_usdt_spec(*indexed, 0, sizeof(New))->data());
  EXPECT_EQ(record.arguments[0].location, 3u);
  EXPECT_EQ(record.arguments[0].index, 104);
  EXPECT_EQ(record.arguments[0].scale, 3);
  EXPECT_EQ(encode_usdt_spec(*spec, 0, 100).error().code(), EINVAL);
}

TEST(Usdt, what_is_not_understood_says_which_argument) {
  for (const char* text :
       {"4@%nonsense", "3@%eax", "4@", "@%eax", "4@5(%rax", "4@5(%rax,%rbx,3)", "4@%eaxx", "4@$"}) {
    auto spec = parse_usdt_arguments(std::string("8@%rdi ") + text);
    ASSERT_FALSE(spec) << text;
    EXPECT_NE(spec.error().text().find("argument 2"), std::string::npos) << spec.error().text();
  }
  std::string many;
  for (int i = 0; i < 13; ++i) many += "4@$1 ";
  EXPECT_EQ(parse_usdt_arguments(many).error().code(), E2BIG);
  EXPECT_TRUE(parse_usdt_arguments("")->empty());
}

TEST(Usdt, a_file_of_another_kind_is_refused) { EXPECT_EQ(read_usdt({}).error().code(), ENOEXEC); }

}  // namespace
}  // namespace skep::loader
