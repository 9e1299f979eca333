// Printing and parsing. The C library's printf is the oracle where it has the same conversion.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <random>

#include "fake_host.h"
#include "helpers/format.h"

namespace skep::helpers {
namespace {

using namespace spec;

std::string print(std::string fmt, std::vector<uint64_t> arguments, int64_t* error = nullptr) {
  FakeHost host;
  char text[300];
  const int64_t length = format_text(&host.run, text, sizeof text, fmt.c_str(), fmt.size() + 1,
                                     arguments.data(), static_cast<uint32_t>(arguments.size()));
  if (error != nullptr) *error = length;
  if (length < 0) return "error " + std::to_string(length);
  EXPECT_EQ(static_cast<int64_t>(std::strlen(text)), std::min<int64_t>(length, 299));
  return text;
}
uint64_t at(const void* address) { return reinterpret_cast<uint64_t>(address); }

TEST(Format, integers_of_both_widths) {
  EXPECT_EQ(print("%d %u %x", {static_cast<uint64_t>(-1), 7, 255}), "-1 7 ff");
  EXPECT_EQ(print("%ld %lu %lx %lX", {static_cast<uint64_t>(-1), ~0ull, ~0ull, 0xabcull}),
            "-1 18446744073709551615 ffffffffffffffff ABC");
  EXPECT_EQ(print("%lld|%llu|%llx|%i", {1ull << 63, 0, 16, 0xffff'ffff}),
            "-9223372036854775808|0|10|-1");
  EXPECT_EQ(print("%u", {0x1'0000'0005}), "5");
}
TEST(Format, agrees_with_the_c_library_on_flags_and_widths) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 20000; round++) {
    std::string fmt = "%";
    for (int i = static_cast<int>(random() % 3); i > 0; i--) fmt += "-+ 0"[random() % 4];
    if (random() % 2) fmt += std::to_string(1 + random() % 20);
    const char conversion = "dixXuc"[random() % 6];
    if (conversion != 'c') fmt += std::string(random() % 3, 'l');
    fmt += conversion;
    uint64_t value = random() % 2 ? random() : random() % 100;
    if (conversion == 'c') value = 'a' + value % 26;
    // '+' and ' ' mean nothing to unsigned conversions, '0' nothing to %c: undefined there, so left out.
    if (conversion != 'd' && conversion != 'i' && fmt.find_first_of("+ ") != std::string::npos)
      continue;
    if (conversion == 'c' && fmt.find('0') == 1) continue;
    char expected[64];
    const bool wide = fmt.find('l') != std::string::npos;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (wide) {
      std::snprintf(expected, sizeof expected, fmt.c_str(), value);
    } else {
      std::snprintf(expected, sizeof expected, fmt.c_str(), static_cast<unsigned>(value));
    }
#pragma GCC diagnostic pop
    if (conversion == 'c' && fmt.find('0') != std::string::npos &&
        fmt.find('-') == std::string::npos)
      continue;
    ASSERT_EQ(print(fmt, {value}), expected) << fmt << " of " << value;
  }
}
TEST(Format, strings_addresses_and_characters) {
  EXPECT_EQ(print("<%s> <%6s> <%-6s> %c%c", {at("abc"), at("abc"), at("abc"), 'o', 'k'}),
            "<abc> <   abc> <abc   > ok");
  EXPECT_EQ(print("%p %px", {0xdeadbeef, 1}), "00000000deadbeef 0000000000000001");
  EXPECT_EQ(print("%pS+%pB", {0x1000, 0}), "0x1000+0x0");
  EXPECT_EQ(print("%pks,%pus.", {at("kernel"), at("user")}), "kernel,user.");
  EXPECT_EQ(print("[%s]", {16}), "[]");  // an unreadable string is empty
  EXPECT_EQ(print("100%% of %d%%", {5}), "100% of 5%");
}
TEST(Format, addresses_of_the_internet) {
  const uint8_t v4[] = {127, 0, 0, 1};
  const uint8_t v6[] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  EXPECT_EQ(print("%pI4 %pi4", {at(v4), at(v4)}), "127.0.0.1 127.000.000.001");
  EXPECT_EQ(print("%pI6", {at(v6)}), "2001:0db8:0000:0000:0000:0000:0000:0001");
  EXPECT_EQ(print("%pi6", {at(v6)}), "20010db8000000000000000000000001");
  EXPECT_EQ(print("%pI4", {16}), "0.0.0.0");
}
TEST(Format, refuses_what_the_kernel_refuses) {
  int64_t error = 0;
  for (const char* fmt : {"%", "%f", "%n", "%pI5", "%hd", "%lc", "%ld%d", "%.5s", "%*d", "bell\a",
                          "%sx", "%pz", "%lld%", "%q"}) {
    print(fmt, {1}, &error);
    EXPECT_EQ(error, -22) << fmt;
  }
  print("%d %d", {1}, &error);
  EXPECT_EQ(error, -22) << "more conversions than arguments";
  FakeHost host;
  EXPECT_EQ(format_text(&host.run, nullptr, 0, "no nul", 4, nullptr, 0), -22);
}
TEST(Format, keeps_text_beyond_ascii_and_white_space) {
  EXPECT_EQ(print("größe\t%d\n", {3}), "größe\t3\n");
}
TEST(Format, measures_what_does_not_fit) {
  FakeHost host;
  char text[5];
  EXPECT_EQ(format_text(&host.run, text, sizeof text, "1234567", 8, nullptr, 0), 7);
  EXPECT_STREQ(text, "1234");
  EXPECT_EQ(format_text(&host.run, nullptr, 0, "1234567", 8, nullptr, 0), 7);
}

TEST(TracePrintk, hands_the_line_to_the_host) {
  FakeHost host;
  EXPECT_EQ(host.call(BPF_FUNC_trace_printk, "pid %d of %s", 13, 7, "seven", 0), 14);
  const uint64_t data[] = {1, 2, 3, 4};
  EXPECT_EQ(host.call(BPF_FUNC_trace_vprintk, "%d%d%d%d", 9, data, 32), 4);
  const std::vector<std::string> expected{"pid 7 of seven", "1234"};
  EXPECT_EQ(host.printed, expected);
  EXPECT_EQ(host.call(BPF_FUNC_trace_vprintk, "%d", 3, data, 7), -22);
  EXPECT_EQ(host.call(BPF_FUNC_trace_vprintk, "%d", 3, data, 104), -22);
  EXPECT_EQ(host.call(BPF_FUNC_trace_vprintk, "%d", 3, nullptr, 8), -22);
  EXPECT_EQ(host.printed.size(), 2u);
}
TEST(TracePrintk, cuts_a_line_that_is_too_long) {
  FakeHost host;
  const uint64_t width_1000[] = {1, 2};
  EXPECT_EQ(host.call(BPF_FUNC_trace_vprintk, "%1000d%1000d", 13, width_1000, 16), 2000);
  ASSERT_EQ(host.printed.size(), 1u);
  EXPECT_EQ(host.printed[0].size(), 1023u);
}
TEST(Snprintf, returns_the_length_with_the_nul) {
  FakeHost host;
  char text[16];
  const uint64_t data[] = {17};
  EXPECT_EQ(host.call(BPF_FUNC_snprintf, text, 16, "n=%d", data, 8), 5);
  EXPECT_STREQ(text, "n=17");
  EXPECT_EQ(host.call(BPF_FUNC_snprintf, text, 3, "n=%d", data, 8), 5);
  EXPECT_STREQ(text, "n=");
  EXPECT_EQ(host.call(BPF_FUNC_snprintf, nullptr, 0, "n=%d", data, 8), 5);
  EXPECT_EQ(host.call(BPF_FUNC_snprintf, text, 16, "%d%d", data, 8), -22);
}

// text, flags -> characters or error, value
struct Parsed {
  const char* text;
  uint64_t flags;
  int64_t consumed;
  int64_t value;
};
TEST(Strtol, reads_what_the_kernel_reads) {
  FakeHost host;
  for (const Parsed& c : {Parsed{"123", 0, 3, 123},
                          {"-123x", 0, 4, -123},
                          {"  42 ", 10, 4, 42},
                          {"0x1f", 0, 4, 31},
                          {"0x1f", 16, 4, 31},
                          {"1f", 16, 2, 31},
                          {"017", 0, 3, 15},
                          {"17", 8, 2, 15},
                          {"0", 0, 1, 0},
                          {"-9223372036854775808", 0, 20, INT64_MIN},
                          {"9223372036854775807", 0, 19, INT64_MAX},
                          {"9223372036854775808", 0, -34, 0},
                          {"99999999999999999999", 0, -34, 0},
                          {"", 0, -22, 0},
                          {"abc", 10, -22, 0},
                          {"-", 0, -22, 0},
                          {"   ", 0, -22, 0},
                          {"1", 7, -22, 0},
                          {"1", 64, -22, 0},
                          {"0x", 0, 1, 0},
                          {"0xg", 16, 1, 0},
                          {"+5", 0, -22, 0},
                          {"8", 8, -22, 0}}) {
    int64_t value = 77;
    EXPECT_EQ(host.call(BPF_FUNC_strtol, c.text, uint64_t{std::strlen(c.text)}, c.flags, &value),
              c.consumed)
        << c.text;
    EXPECT_EQ(value, c.value) << c.text;
  }
}
TEST(Strtoul, has_no_sign) {
  FakeHost host;
  uint64_t value = 0;
  EXPECT_EQ(host.call(BPF_FUNC_strtoul, "18446744073709551615", 20, 0, &value), 20);
  EXPECT_EQ(value, UINT64_MAX);
  EXPECT_EQ(host.call(BPF_FUNC_strtoul, "-1", 2, 0, &value), -22);
  EXPECT_EQ(host.call(BPF_FUNC_strtoul, "18446744073709551616", 20, 0, &value), -34);
  EXPECT_EQ(host.call(BPF_FUNC_strtoul, "123456", 3, 0, &value), 3)
      << "reads no further than the size";
  EXPECT_EQ(value, 123u);
}
TEST(Strncmp, compares_as_c_does) {
  FakeHost host;
  EXPECT_EQ(host.call(BPF_FUNC_strncmp, "abc", 4, "abc"), 0);
  EXPECT_LT(host.call(BPF_FUNC_strncmp, "abb", 4, "abc"), 0);
  EXPECT_GT(host.call(BPF_FUNC_strncmp, "abcd", 5, "abc"), 0);
  EXPECT_EQ(host.call(BPF_FUNC_strncmp, "abX", 2, "abc"), 0);
  EXPECT_GT(host.call(BPF_FUNC_strncmp, "\xff", 2, "a"), 0);
}

}  // namespace
}  // namespace skep::helpers
