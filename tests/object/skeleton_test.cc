// Skeletons: the text is as it was agreed (tests/api compiles and runs it).
#include "object/skeleton.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fd.h"
#include "test_paths.h"

namespace skep::object {
namespace {

using testing::HasSubstr;

std::string text_of(const std::string& path) {
  auto bytes = read_file(std::string(SKEP_SOURCE_DIR) + path);
  EXPECT_TRUE(bytes) << path;
  return bytes ? std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()) : "";
}

TEST(Skeleton, is_named_as_bpftool_names_it) {
  EXPECT_EQ(skeleton_name("out/bootstrap.bpf.o"), "bootstrap_bpf");
  EXPECT_EQ(skeleton_name("a-b.o"), "a_b");
  EXPECT_EQ(skeleton_name("9lives.bpf.o"), "_9lives_bpf");
}

TEST(Skeleton, of_counter_is_the_one_that_the_api_tests_use) {
  const std::string elf = text_of("/tests/api/counter.bpf.o");
  for (auto [language, file] : {std::pair(SkeletonLanguage::c, "/tests/api/counter.skel.h"),
                                {SkeletonLanguage::cpp, "/tests/api/counter.skel.hpp"}}) {
    auto made = make_skeleton(bytes_of(elf), "counter.bpf.o", "counter_bpf", language);
    ASSERT_TRUE(made) << made.error().text();
    EXPECT_TRUE(*made == text_of(file))
        << file << " is old: make it anew with build/bin/skep skeleton";
  }
}

TEST(Skeleton, static_variables_are_padding) {
  const std::string elf = text_of("/tests/api/counter.bpf.o");
  auto made = make_skeleton(bytes_of(elf), "counter.bpf.o", "x", SkeletonLanguage::c);
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_THAT(*made, testing::Not(HasSubstr("hidden;\n\t\tint")));
  EXPECT_THAT(*made, HasSubstr("struct x__rodata {\n\t\tint step;\n\t\tbool loud;\n\t} *rodata;"));
}

TEST(Skeleton, refuses_names_that_are_no_identifiers) {
  const std::string elf = text_of("/tests/api/counter.bpf.o");
  for (const char* name : {"", "a b", "9a", "x;"})
    EXPECT_FALSE(make_skeleton(bytes_of(elf), "f", name, SkeletonLanguage::c)) << name;
}

}  // namespace
}  // namespace skep::object
