#include "hooks/elf_symbols.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <link.h>

#include "base/fd.h"

namespace skep::hooks {
namespace {

using ::testing::HasSubstr;

TEST(Target, the_three_forms) {
  auto plain = parse_target("libc.so.6:malloc");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->binary, "libc.so.6");
  EXPECT_EQ(plain->function, "malloc");
  auto offset = parse_target("/bin/bash:readline+0x10");
  ASSERT_TRUE(offset);
  EXPECT_EQ(offset->function, "readline");
  EXPECT_EQ(offset->offset, 0x10u);
  auto raw = parse_target("./server:0x12f0");
  ASSERT_TRUE(raw);
  EXPECT_EQ(raw->function, "");
  EXPECT_EQ(raw->offset, 0x12f0u);
  auto cpp = parse_target("libx.so:ns::operator+");
  ASSERT_TRUE(cpp);
  EXPECT_EQ(cpp->binary, "libx.so");
  EXPECT_EQ(cpp->function, "ns::operator+");
}

TEST(Target, what_is_none_says_which_forms_there_are) {
  for (const char* text : {"", "malloc", ":malloc", "libc.so.6:", "libc.so.6:0x", "x:f+0y"}) {
    auto target = parse_target(text);
    ASSERT_FALSE(target) << text;
    EXPECT_EQ(target.error().code(), EINVAL);
    EXPECT_THAT(target.error().hint(), HasSubstr("BINARY:FUNCTION"));
  }
}

TEST(FindBinary, libraries_as_ldso_does_and_programs_along_path) {
  auto libc = find_binary("libc.so.6", "");
  ASSERT_TRUE(libc) << libc.error().text();
  EXPECT_THAT(*libc, ::testing::EndsWith("/libc.so.6"));
  auto shell = find_binary("sh", "/nonexistent:/bin");
  ASSERT_TRUE(shell);
  EXPECT_EQ(*shell, "/bin/sh");
  LibrarySearch no_cache;
  no_cache.cache = "/nonexistent";
  auto searched = find_binary("libc.so.6", "", no_cache);
  ASSERT_TRUE(searched);
  EXPECT_THAT(*searched, ::testing::EndsWith("/libc.so.6"));
  auto missing = find_binary("libnothing.so.9", "/bin");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ENOENT);
  EXPECT_FALSE(find_binary("/nonexistent/x", ""));
}

TEST(LibraryCache, a_truncated_cache_finds_nothing_and_reads_nothing_outside) {
  auto bytes = read_file("/etc/ld.so.cache");
  if (!bytes) GTEST_SKIP() << bytes.error().text();
  EXPECT_THAT(find_in_library_cache(bytes_of(*bytes), "libc.so.6"), HasSubstr("libc.so.6"));
  for (size_t size = 0; size < std::min<size_t>(bytes->size(), 512); ++size)
    EXPECT_EQ(find_in_library_cache(ByteSpan(*bytes).first(size), "libnot.so"), "");
}

class Libc : public ::testing::Test {
 protected:
  void SetUp() override {
    auto found = find_binary("libc.so.6", "");
    ASSERT_TRUE(found);
    path = *found;
    auto opened = ElfImage::open(path);
    ASSERT_TRUE(opened) << opened.error().text();
    image = std::make_unique<ElfImage>(std::move(*opened));
  }
  // Where the dynamic linker of this process has it.
  static uint64_t loaded(const char* name) {
    // By libc's own handle: a sanitizer's runtime comes before it in the default order.
    void* libc = ::dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    void* address = ::dlsym(libc, name);
    Dl_info info;
    link_map* map = nullptr;
    ::dladdr1(address, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP);
    return reinterpret_cast<uint64_t>(address) - map->l_addr;
  }
  std::string path;
  std::unique_ptr<ElfImage> image;
};

TEST_F(Libc, functions_are_found_where_the_dynamic_linker_has_them) {
  for (const char* name : {"fopen", "read", "getenv", "pthread_create", "qsort"}) {
    auto place = find_place(*image, path, {"libc.so.6", name, 0});
    ASSERT_TRUE(place) << place.error().text();
    EXPECT_EQ(place->vaddr, loaded(name)) << name;
    EXPECT_TRUE(place->bounds_exact);
    EXPECT_EQ(place->bounds.begin, place->vaddr);
    EXPECT_FALSE(place->ifunc_resolved);
  }
}

TEST_F(Libc, an_indirect_function_resolves_to_this_machines_implementation) {
  auto place = find_place(*image, path, {"libc.so.6", "strlen", 0});
  ASSERT_TRUE(place) << place.error().text();
  EXPECT_TRUE(place->ifunc_resolved);
  EXPECT_EQ(place->vaddr, loaded("strlen"));
}

TEST_F(Libc, a_version_chooses_among_functions_of_one_name) {
  auto newer = find_place(*image, path, {"libc.so.6", "memcpy@GLIBC_2.14", 0});
  auto older = find_place(*image, path, {"libc.so.6", "memcpy@GLIBC_2.2.5", 0});
  ASSERT_TRUE(newer) << newer.error().text();
  ASSERT_TRUE(older) << older.error().text();
  auto cond_old = find_place(*image, path, {"libc.so.6", "pthread_cond_wait@GLIBC_2.2.5", 0});
  auto cond = find_place(*image, path, {"libc.so.6", "pthread_cond_wait", 0});
  ASSERT_TRUE(cond_old);
  ASSERT_TRUE(cond);
  EXPECT_NE(cond_old->vaddr, cond->vaddr);
  EXPECT_EQ(cond->function, "pthread_cond_wait@@GLIBC_2.3.2");
}

TEST_F(Libc, a_misspelt_name_is_answered_with_close_ones) {
  auto place = find_place(*image, path, {"libc.so.6", "maloc", 0});
  ASSERT_FALSE(place);
  EXPECT_EQ(place.error().code(), ENOENT);
  EXPECT_THAT(place.error().text(), HasSubstr("did you mean malloc"));
}

TEST_F(Libc, offsets_are_checked_against_the_function_and_the_segments) {
  EXPECT_TRUE(find_place(*image, path, {"libc.so.6", "qsort", 1}));
  auto past = find_place(*image, path, {"libc.so.6", "qsort", 1 << 20});
  ASSERT_FALSE(past);
  EXPECT_THAT(past.error().text(), HasSubstr("past the function's end"));
  auto data = find_place(*image, path, {"libc.so.6", "", 0x10});
  ASSERT_FALSE(data);
  EXPECT_THAT(data.error().text(), HasSubstr("no executable segment"));
}

TEST_F(Libc, a_bare_file_offset_gets_its_bounds_from_the_unwind_table) {
  auto named = find_place(*image, path, {"libc.so.6", "qsort", 0});
  ASSERT_TRUE(named);
  auto entry = image->unwind_entry(named->vaddr);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->range.begin, named->vaddr);
  auto bare = find_place(*image, path, {"libc.so.6", "", named->file_offset});
  ASSERT_TRUE(bare);
  EXPECT_EQ(bare->vaddr, named->vaddr);
  EXPECT_EQ(bare->bounds, named->bounds);
}

TEST(CppNames, are_found_as_they_are_written_in_the_source) {
  auto path = find_binary("libstdc++.so.6", "");
  if (!path) GTEST_SKIP() << path.error().text();
  auto image = ElfImage::open(*path);
  ASSERT_TRUE(image);
  auto mangled = find_place(*image, *path, {"", "_ZSt9terminatev", 0});
  ASSERT_TRUE(mangled);
  auto target = parse_target("libstdc++.so.6:std::terminate");
  ASSERT_TRUE(target);
  auto plain = find_place(*image, *path, *target);
  ASSERT_TRUE(plain) << plain.error().text();
  EXPECT_EQ(plain->vaddr, mangled->vaddr);
  auto with_parameters = find_place(*image, *path, {"", "std::terminate()", 0});
  ASSERT_TRUE(with_parameters);
  EXPECT_EQ(with_parameters->vaddr, mangled->vaddr);
  auto several = find_place(*image, *path, {"", "std::ostream::operator<<", 0});
  ASSERT_FALSE(several);
  EXPECT_EQ(several.error().code(), EEXIST);
  EXPECT_THAT(several.error().hint(), HasSubstr("file offset"));
}

TEST(Landing, pads_of_a_function_that_catches_lie_in_it) {
  auto path = find_binary("libstdc++.so.6", "");
  if (!path) GTEST_SKIP() << path.error().text();
  auto image = ElfImage::open(*path);
  ASSERT_TRUE(image);
  size_t with_pads = 0, outside = 0;
  for (const Symbol& symbol : image->symbols()) {
    auto entry = image->unwind_entry(symbol.vaddr);
    if (!entry) continue;
    auto pads = image->landing_pads(*entry);
    with_pads += pads.empty() ? 0 : 1;
    for (uint64_t pad : pads) outside += image->code_segment(pad) == nullptr ? 1 : 0;
  }
  EXPECT_GT(with_pads, 100u);
  EXPECT_EQ(outside, 0u);
}

TEST(HostileElf, truncated_at_any_byte_it_is_an_error_or_a_smaller_image) {
  auto bytes = read_file("/bin/true");
  ASSERT_TRUE(bytes);
  for (size_t size = 0; size < bytes->size(); size += size < 4096 ? 1 : 509) {
    auto image = ElfImage::parse({bytes->begin(), bytes->begin() + static_cast<long>(size)});
    if (!image) {
      EXPECT_EQ(image.error().code(), ENOEXEC);
      continue;
    }
    EXPECT_LE(image->function_bounds(0x2000).range.begin, 0x2000u);
    for (const Symbol& symbol : image->symbols()) EXPECT_FALSE(symbol.name.empty());
  }
}

TEST(HostileElf, what_is_no_program_of_this_machine_says_what_it_is) {
  auto text = ElfImage::open("/etc/passwd");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code(), ENOEXEC);
  auto bytes = read_file("/bin/true");
  ASSERT_TRUE(bytes);
  (*bytes)[18] = std::byte{183};  // e_machine: aarch64
  auto other = ElfImage::parse(*bytes);
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().text(), HasSubstr("found machine 183"));
}

}  // namespace
}  // namespace skep::hooks
