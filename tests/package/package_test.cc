#include "package/package.h"

#include <gtest/gtest.h>

#include "base/fd.h"
#include "object/assembled.h"
#include "package/base64.h"
#include "test_paths.h"

namespace skep::package {
namespace {

constexpr std::string_view kAssembly =
    ".license \"GPL\"\n.map counts, array, 4, 8, 1\n.section \"xdp\"\nr0 = 2\nexit\n";

Package assembled() {
  auto object = object::open_assembly(kAssembly, "dir/pass.bpf.s");
  EXPECT_TRUE(object);
  auto package = make(*object, bytes_of(kAssembly), Format::assembly);
  EXPECT_TRUE(package);
  return *package;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

void expect_error(const std::string& text, std::string_view message, int code = EINVAL) {
  auto package = read(text);
  ASSERT_FALSE(package) << message;
  EXPECT_EQ(package.error().code(), code);
  EXPECT_NE(package.error().text().find(message), std::string::npos) << package.error().text();
}

TEST(Base64, round_trips_every_length) {
  std::vector<std::byte> bytes;
  for (int size = 0; size < 70; ++size) {
    auto back = from_base64(to_base64(bytes));
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, bytes);
    bytes.push_back(static_cast<std::byte>(size * 37 + 5));
  }
  EXPECT_EQ(to_base64(bytes_of("foob")), "Zm9vYg==");
}

TEST(Base64, is_strict) {
  for (const char* text : {"Zg=", "Z===", "Zh==", "Z g=", "=m9v", "Zm9v\n"})
    EXPECT_FALSE(from_base64(text)) << text;
}

TEST(Package, says_what_the_object_needs) {
  const Package package = assembled();
  EXPECT_EQ(package.name, "pass");
  EXPECT_EQ(package.license, "GPL");
  EXPECT_EQ(package.program_types, std::vector<std::string>{"xdp"});
  EXPECT_EQ(package.map_types, std::vector<std::string>{"array"});
}

TEST(Package, comes_back_as_it_was_written) {
  Package package = assembled();
  package.description = "lets all pass \xff";  // no UTF-8: replaced
  const std::string text = write(package);
  auto back = read(text);
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->object, package.object);
  EXPECT_EQ(write(*back), text);
  auto object = open(*back, "pass.skep.json");
  ASSERT_TRUE(object) << object.error().text();
  EXPECT_EQ(object->programs().size(), 1u);
}

TEST(Package, of_an_elf_object_opens_to_the_same_programs_and_maps) {
  const std::string path = SKEP_SOURCE_DIR "/tests/api/counter.bpf.o";
  auto bytes = read_file(path);
  ASSERT_TRUE(bytes);
  auto object = object::open_object(*bytes, path);
  ASSERT_TRUE(object) << object.error().text();
  auto package = make(*object, *bytes, Format::elf);
  ASSERT_TRUE(package) << package.error().text();
  auto back = read(write(*package));
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->object, *bytes);
}

TEST(Package, truncated_at_any_byte_is_one_error) {
  const std::string text = write(assembled());
  for (size_t size = 0; size + 2 < text.size(); ++size) {  // the last two: "}\n"
    auto package = read(std::string_view(text).substr(0, size));
    ASSERT_FALSE(package) << size;
    EXPECT_EQ(package.error().code(), EINVAL);
  }
}

TEST(Package, what_is_wrong_is_named) {
  const std::string text = write(assembled());
  expect_error("", "not JSON");
  expect_error("[]", "expected an object, found array");
  expect_error("{}", "not a package");
  expect_error(replaced(text, "\"skep_package\": 1", "\"skep_package\": 2"),
               "a package of version 2; this skep reads version 1");
  expect_error(replaced(text, "\"skep_package\": 1", "\"skep_package\": \"1\""), "skep_package");
  expect_error(replaced(text, "\"format\": \"assembly\"", "\"format\": \"wasm\""), "\"wasm\"");
  expect_error(replaced(text, "zlib+base64", "none"), "\"none\"");
  expect_error(replaced(text, "\"sha256\": \"", "\"sha256\": \"0"), "sha256");
  expect_error(replaced(text, "\"data\": \"", "\"data\": \"!"), "base64");
  expect_error(replaced(text, "\"data\": \"", "\"data\": \"AAAA"), "damaged");
  expect_error(replaced(text, "\"options\": []", "\"options\": [3]"), "options[0]");
  expect_error(replaced(text, "\"samples\": []",
                        R"("samples": [{"map": "counts", "interval": 1000, "type": "pie"}])"),
               "samples[0]: @sample: there is no type \"pie\"");
}

TEST(Package, a_size_that_is_not_the_datas_is_refused_before_memory_is_taken) {
  const std::string text = write(assembled());
  const std::string size = fmt::format("\"size\": {}", kAssembly.size());
  expect_error(replaced(text, size, "\"size\": 60000000"), "can't be an object of 60000000");
  expect_error(replaced(text, size, "\"size\": 68719476736"), "a number from 0 to");
  expect_error(replaced(text, size, "\"size\": 10"), "more than the 10 bytes");
  expect_error(replaced(text, size, fmt::format("\"size\": {}", kAssembly.size() + 1)),
               "unpacks to");
}

TEST(Package, deep_nesting_is_refused) {
  std::string text = "{\"a\":";
  for (int i = 0; i < 200'000; ++i) text += '[';
  expect_error(text, "nested deeper");
}

TEST(Package, options_and_maps_that_the_object_lacks_are_named) {
  Package package = assembled();
  package.options.push_back(
      {.variable = "gone", .type = "int", .default_text = "1", .argument = {}, .help = ""});
  auto object = open(package, "x");
  ASSERT_FALSE(object);
  EXPECT_NE(object.error().text().find("no variable gone"), std::string::npos);
  package.options.clear();
  package.samples.push_back({"nowhere", {}});
  object = open(package, "x");
  ASSERT_FALSE(object);
  EXPECT_NE(object.error().text().find("no map nowhere"), std::string::npos);
}

TEST(Package, a_sample_reaches_the_map) {
  Package package = assembled();
  package.samples.push_back({"counts", {.interval_ms = 50, .kind = SampleKind::log2_hist}});
  auto object = open(package, "x");
  ASSERT_TRUE(object);
  auto said = parse_annotations(object->maps()[0].comment);
  ASSERT_TRUE(said && said->sample);
  EXPECT_EQ(said->sample->interval_ms, 50u);
}

TEST(Package, names_come_from_the_file) {
  EXPECT_EQ(default_name("a/b/opensnoop.bpf.c"), "opensnoop");
  EXPECT_EQ(default_name("x.skep.json"), "x");
  EXPECT_EQ(default_name("plain"), "plain");
  EXPECT_EQ(option_name("targ_failed", {}), "targ-failed");
}

}  // namespace
}  // namespace skep::package
