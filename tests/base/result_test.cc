#include "base/result.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/fd.h"

namespace skep {
namespace {

Result<int> inner() { return fail(EINVAL, "expected {}, found {}", 1, 2); }
Result<int> outer() {
  auto value = inner();
  if (!value) return fail(value, "insn {}", 12);
  return *value;
}

TEST(Result, context_reads_outermost_first_and_keeps_the_code) {
  auto value = outer();
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code(), EINVAL);
  EXPECT_EQ(Error(value.error()).within("x.o").text(), "x.o: insn 12: expected 1, found 2");
}

TEST(Reader, refuses_what_does_not_lie_wholly_inside) {
  Reader reader(bytes_of("\x01\x02\x03"));
  EXPECT_EQ(reader.at<uint16_t>(1), 0x0302);
  EXPECT_FALSE(reader.at<uint16_t>(2));
  EXPECT_FALSE(reader.at<uint8_t>(SIZE_MAX));
  EXPECT_FALSE(reader.slice(2, SIZE_MAX));
  EXPECT_FALSE(reader.c_string(0));
  EXPECT_EQ(Reader(bytes_of("\x01\x02"), true).at<uint16_t>(0), 0x0102);
}

TEST(Files, a_missing_file_is_an_error_with_its_name) {
  auto bytes = read_file("/nonexistent/x");
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code(), ENOENT);
  EXPECT_EQ(bytes.error().text(), "/nonexistent/x: No such file or directory (ENOENT)");
}

}  // namespace
}  // namespace skep
