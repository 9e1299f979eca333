#include "btf/btf.h"

#include <gtest/gtest.h>

#include "btf/builder.h"
#include "btf/ext.h"

namespace skep::btf {
namespace {

// struct list { int value; struct list *next; }; typedef struct list list_t; and a few around it.
struct Sample {
  BtfBuilder builder;
  TypeId integer, list, pointer, alias, constant, array, color;
  Sample() {
    integer = builder.add_int("int", 4, true);
    list = integer + 1;
    pointer = integer + 2;
    builder.add_composite(Kind::Struct, "list", 16,
                          {{"value", integer, 0, 0}, {"next", pointer, 64, 0}});
    builder.add_pointer(list);
    alias = builder.add_typedef("list_t", list);
    constant = builder.add_modifier(Kind::Const, alias);
    array = builder.add_array(constant, 3, integer);
    color = builder.add_enum(Kind::Enum, "color", 4, true,
                             {{"RED", static_cast<uint64_t>(-1)}, {"GREEN", 7}});
  }
};

std::vector<std::byte> swapped(std::vector<std::byte> bytes, size_t strings_size) {
  std::swap(bytes[0], bytes[1]);
  for (size_t at = 4; at + 4 <= bytes.size() - strings_size; at += 4)
    store(bytes.data() + at, std::byteswap(load<uint32_t>(bytes.data() + at)));
  return bytes;
}

TEST(Btf, reads_back_what_a_builder_wrote) {
  Sample sample;
  auto btf = sample.builder.finish();
  ASSERT_TRUE(btf) << btf.error().text();
  ASSERT_TRUE((*btf)->validate()) << (*btf)->validate().error().text();
  const Type list = (*btf)->type(sample.list);
  EXPECT_EQ(list.name(), "list");
  ASSERT_EQ(list.vlen(), 2u);
  EXPECT_EQ(list.member(1).name, "next");
  EXPECT_EQ(list.member(1).bit_offset, 64u);
  EXPECT_EQ((*btf)->type(list.member(1).type).referenced(), sample.list);
  const Type color = (*btf)->type(sample.color);
  EXPECT_EQ(static_cast<int64_t>(color.enumerator(0).value), -1);
  EXPECT_EQ(color.enumerator(1).value, 7u);
  EXPECT_EQ((*btf)->type((*btf)->type_end()).kind(), Kind::Void);
  EXPECT_EQ(list.member(2).name, "");
}

TEST(Btf, sizes_go_through_typedefs_modifiers_and_arrays) {
  Sample sample;
  auto btf = *sample.builder.finish();
  EXPECT_EQ(btf->size_of(sample.array), 48u);
  EXPECT_EQ(btf->align_of(sample.array), 8u);
  EXPECT_EQ(btf->resolve(sample.constant).id(), sample.list);
  EXPECT_FALSE(btf->size_of(0));
}

TEST(Btf, finds_by_name_and_kind_and_by_flavour) {
  BtfBuilder builder;
  const TypeId integer = builder.add_int("int", 4, true);
  const TypeId plain = builder.add_composite(Kind::Struct, "task", 4, {{"pid", integer, 0, 0}});
  const TypeId old = builder.add_composite(Kind::Struct, "task___v1", 4, {{"pid", integer, 0, 0}});
  const TypeId alias = builder.add_typedef("task", plain);
  auto btf = *builder.finish();
  EXPECT_EQ(btf->find("task", Kind::Struct), plain);
  EXPECT_EQ(btf->find("task", Kind::Typedef), alias);
  EXPECT_FALSE(btf->find("task", Kind::Union));
  EXPECT_FALSE(btf->find("tas", Kind::Struct));
  EXPECT_EQ(btf->find_all("task"), (std::vector<TypeId>{plain, alias}));
  EXPECT_EQ(btf->find_essential("task"), (std::vector<TypeId>{plain, old, alias}));
}

TEST(Btf, essential_names_are_cut_at_three_underscores_between_characters) {
  EXPECT_EQ(essential_name("task_struct___old"), "task_struct");
  EXPECT_EQ(essential_name("a___b___c"), "a___b");
  EXPECT_EQ(essential_name("task_struct"), "task_struct");
  EXPECT_EQ(essential_name("___x"), "___x");
  EXPECT_EQ(essential_name("x___"), "x___");
  EXPECT_EQ(essential_name("x____y"), "x____y");
  EXPECT_EQ(essential_name(""), "");
}

TEST(Btf, the_other_byte_order_reads_the_same) {
  Sample sample;
  const auto bytes = sample.builder.bytes();
  const size_t strings = load<uint32_t>(bytes.data() + 20);
  auto btf = Btf::parse(swapped(bytes, strings));
  ASSERT_TRUE(btf) << btf.error().text();
  EXPECT_TRUE((*btf)->was_swapped());
  EXPECT_EQ((*btf)->type(sample.list).member(1).name, "next");
  // And what it hands on is of this machine's order.
  EXPECT_TRUE(std::ranges::equal((*btf)->bytes(), bytes));
}

TEST(Btf, split_btf_goes_on_where_its_base_ends) {
  Sample sample;
  auto base = *sample.builder.finish();
  BtfBuilder builder(base);
  EXPECT_EQ(builder.next_id(), base->type_end());
  const TypeId wrapper =
      builder.add_composite(Kind::Struct, "wrapper", 16, {{"inner", sample.list, 0, 0}});
  auto split = builder.finish();
  ASSERT_TRUE(split) << split.error().text();
  EXPECT_EQ((*split)->name(wrapper), "wrapper");
  EXPECT_EQ((*split)->name(sample.list), "list");
  EXPECT_EQ((*split)->type(wrapper).member(0).name, "inner");
  EXPECT_EQ((*split)->find("list", Kind::Struct), sample.list);
  EXPECT_EQ((*split)->find("wrapper", Kind::Struct), wrapper);
  EXPECT_TRUE((*split)->validate());
}

TEST(Btf, a_blob_truncated_anywhere_is_an_error_and_never_a_crash) {
  Sample sample;
  const auto bytes = sample.builder.bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    auto btf = Btf::parse(ByteSpan(bytes).first(size));
    EXPECT_FALSE(btf) << size;
  }
}

TEST(Btf, errors_say_what_and_where) {
  Sample sample;
  auto bytes = sample.builder.bytes();
  store<uint32_t>(bytes.data() + 24 + 4, 31u << 24);
  auto btf = Btf::parse(bytes);
  ASSERT_FALSE(btf);
  EXPECT_EQ(btf.error().text(), "BTF: type 1 at offset 0 has the unknown kind 31");
  BtfBuilder dangling;
  dangling.add_pointer(99);
  EXPECT_EQ(dangling.finish().error().text(),
            "BTF: type 1 refers to type 99, but the last one is 1");
}

TEST(Btf, circles_are_walked_boundedly_and_found_by_validate) {
  BtfBuilder builder;  // typedef a b; typedef b a;
  builder.add_typedef("a", 2);
  builder.add_typedef("b", 1);
  auto btf = *builder.finish();
  EXPECT_EQ(btf->resolve(1).kind(), Kind::Void);
  EXPECT_FALSE(btf->size_of(1));
  EXPECT_EQ(btf->validate().error().text(), "BTF: type 1 (TYPEDEF 'a') contains itself");

  BtfBuilder by_value;  // struct s { struct s inner; }
  by_value.add_composite(Kind::Struct, "s", 4, {{"inner", 1, 0, 0}});
  auto itself = *by_value.finish();
  EXPECT_FALSE(itself->align_of(1));
  EXPECT_FALSE(itself->validate());
}

TEST(Btf, validate_refuses_what_the_kernel_would) {
  auto refused = [](auto build) {
    BtfBuilder builder;
    const TypeId integer = builder.add_int("int", 4, true);
    build(builder, integer);
    auto btf = builder.finish();
    return btf && !(*btf)->validate();
  };
  EXPECT_TRUE(refused([](BtfBuilder& b, TypeId i) {
    b.add_composite(Kind::Struct, "s", 4, {{"m", i, 16, 0}});
  })) << "member past the end";
  EXPECT_TRUE(refused([](BtfBuilder& b, TypeId i) {
    b.add_composite(Kind::Struct, "s", 4, {{"m", i, 0, 33}});
  })) << "bitfield too wide";
  EXPECT_TRUE(refused([](BtfBuilder& b, TypeId) { b.add_array(0, 3, 1); })) << "array of void";
  EXPECT_TRUE(refused([](BtfBuilder& b, TypeId i) {
    b.add_array(b.add_array(i, 1u << 31, i), 1u << 31, i);
  })) << "array too large";
  EXPECT_TRUE(refused([](BtfBuilder& b, TypeId i) { b.add_function("f", i, Linkage::Global); }))
      << "FUNC without FUNC_PROTO";
  EXPECT_TRUE(refused([](BtfBuilder& b, TypeId i) { b.add_datasec(".data", 4, {{i, 0, 4}}); }))
      << "DATASEC of an INT";
  EXPECT_TRUE(refused([](BtfBuilder& b, TypeId i) { b.add_decl_tag("t", i, 2); }))
      << "tag of a component that is not there";
  EXPECT_TRUE(refused([](BtfBuilder& b, TypeId i) { b.add_typedef("", i); }))
      << "typedef without a name";
  EXPECT_TRUE(refused([](BtfBuilder& b, TypeId i) {
    b.add_composite(Kind::Struct, "a\nb", 4, {{"m", i, 0, 0}});
  })) << "control character";
}

TEST(BtfExt, reads_records_by_section_and_refuses_truncation) {
  BtfBuilder builder;
  const uint32_t section = builder.add_string("xdp"), line = builder.add_string("return 0;"),
                 access = builder.add_string("0:1");
  auto btf = *builder.finish();
  const std::vector<uint32_t> words = {
      0x0001eb9f, 32,      0, 20, 20,      28,     48,
      28,                                                        // header
      8,          section, 1, 0,  3,                             // func_info
      16,         section, 1, 8,  section, line,   5 << 10 | 2,  // line_info
      16,         section, 1, 16, 4,       access, 2};           // core_relo
  auto ext = parse_btf_ext(bytes_of(words), *btf);
  ASSERT_TRUE(ext) << ext.error().text();
  ASSERT_EQ(ext->size(), 1u);
  const ExtSection& xdp = ext->front();
  EXPECT_EQ(xdp.name, "xdp");
  EXPECT_EQ(xdp.functions.at(0).type, 3u);
  EXPECT_EQ(xdp.lines.at(0).line_col >> 10, 5u);
  EXPECT_EQ(xdp.relocations.at(0).offset, 16u);
  EXPECT_EQ(xdp.relocations.at(0).kind, 2u);
  for (size_t size = 1; size < words.size() * 4; ++size)
    EXPECT_FALSE(parse_btf_ext(bytes_of(words).first(size), *btf)) << size;
}

}  // namespace
}  // namespace skep::btf
