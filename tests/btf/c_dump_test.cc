#include "btf/c_dump.h"

#include <gtest/gtest.h>

#include "btf/builder.h"
#include "btf/user_engine/user_engine.h"

namespace skep::btf {
namespace {

size_t count(std::string_view text, std::string_view part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

TEST(TypeText, spells_types_as_c_does) {
  BtfBuilder b;
  const TypeId integer = b.add_int("int", 4, true), character = b.add_int("char", 1, true);
  const TypeId constant = b.add_modifier(Kind::Const, character);
  const TypeId text = b.add_pointer(constant);
  const TypeId constant_pointer = b.add_modifier(Kind::Const, text);
  const TypeId array = b.add_array(b.add_pointer(integer), 4, integer);
  const TypeId pointer_to_array = b.add_pointer(b.add_array(integer, 3, integer));
  const TypeId prototype = b.add_prototype(integer, {{"p", text}, {"n", integer}, {"", 0}});
  const TypeId callback = b.add_pointer(prototype);
  const TypeId task = b.add_composite(Kind::Struct, "task", 4, {{"pid", integer, 0, 0}});
  const TypeId task_pointer = b.add_pointer(task);
  const TypeId function = b.add_function("run", prototype, Linkage::Global);
  auto btf = *b.finish();
  EXPECT_EQ(type_text(*btf, text), "const char *");
  EXPECT_EQ(type_text(*btf, text, "name"), "const char *name");
  EXPECT_EQ(type_text(*btf, constant_pointer, "name"), "const char * const name");
  EXPECT_EQ(type_text(*btf, array, "a"), "int *a[4]");
  EXPECT_EQ(type_text(*btf, pointer_to_array, "a"), "int (*a)[3]");
  EXPECT_EQ(type_text(*btf, callback), "int (*)(const char *p, int n, ...)");
  EXPECT_EQ(type_text(*btf, callback, "f"), "int (*f)(const char *p, int n, ...)");
  EXPECT_EQ(type_text(*btf, function), "int run(const char *p, int n, ...)");
  EXPECT_EQ(type_text(*btf, task_pointer), "struct task *");
  EXPECT_EQ(type_text(*btf, 0), "void");
}

TEST(CDump, bitfields_padding_and_packing_keep_the_layout) {
  BtfBuilder b;
  const TypeId integer = b.add_int("int", 4, true), character = b.add_int("char", 1, true),
               number = b.add_int("long", 8, true);
  const TypeId bits =
      b.add_composite(Kind::Struct, "bits", 8,
                      {{"a", integer, 0, 3}, {"b", integer, 5, 4}, {"c", character, 32, 0}});
  const TypeId packed =
      b.add_composite(Kind::Struct, "packed", 9, {{"c", character, 0, 0}, {"n", number, 8, 0}});
  const TypeId gap = b.add_composite(Kind::Struct, "gap", 64, {{"n", number, 128, 0}});
  auto btf = *b.finish();
  EXPECT_EQ(definition_text(*btf, bits),
            "struct bits {\n\tint a: 3;\n\tchar: 2;\n\tint b: 4;\n\tchar: 7;\n\tshort: 16;\n\tchar "
            "c;\n}");
  EXPECT_EQ(definition_text(*btf, packed),
            "struct packed {\n\tchar c;\n\tlong n;\n} __attribute__((packed))");
  EXPECT_EQ(definition_text(*btf, gap),
            "struct gap {\n\tlong: 64;\n\tlong: 64;\n\tlong n;\n\tlong: 64;\n\tlong: 64;\n\tlong: "
            "64;\n\tlong: 64;\n\tlong: 64;\n}");
}

TEST(CDump, what_lies_inside_comes_first_and_what_is_pointed_to_is_declared) {
  BtfBuilder b;  // outer before inner in id order; they point to each other
  const TypeId outer = 1, inner = 2, to_outer = 3;
  b.add_composite(Kind::Struct, "outer", 8, {{"in", inner, 0, 0}});
  b.add_composite(Kind::Struct, "inner", 8, {{"back", to_outer, 0, 0}});
  b.add_pointer(outer);
  b.add_composite(Kind::Struct, "unrelated", 8, {{"p", to_outer, 0, 0}});
  auto btf = *b.finish();
  const std::string all = dump_c(*btf, {.as_vmlinux_h = false});
  EXPECT_LT(all.find("struct outer;"), all.find("struct inner {"));
  EXPECT_LT(all.find("struct inner {"), all.find("struct outer {"));
  const std::string minimal = dump_c(*btf, std::vector<TypeId>{inner}, {.as_vmlinux_h = false});
  EXPECT_EQ(minimal, "struct outer;\n\nstruct inner {\n\tstruct outer *back;\n};\n\n");
}

TEST(CDump, a_typedef_used_by_value_brings_what_it_names) {
  BtfBuilder b;
  const TypeId integer = b.add_int("int", 4, true);
  const TypeId whole = b.add_composite(Kind::Struct, "whole", 4, {{"a", integer, 0, 0}});
  const TypeId alias = b.add_typedef("alias", whole);
  const TypeId first = b.add_composite(Kind::Struct, "first", 8, {{"p", b.next_id() + 1, 0, 0}});
  b.add_pointer(alias);
  const TypeId user = b.add_composite(Kind::Struct, "user", 4, {{"x", alias, 0, 0}});
  auto btf = *b.finish();
  const std::string text = dump_c(*btf, std::vector<TypeId>{first, user}, {.as_vmlinux_h = false});
  EXPECT_LT(text.find("struct whole {"), text.find("struct user {"));
  EXPECT_EQ(count(text, "typedef struct whole alias;"), 1u);
}

TEST(CDump, names_used_twice_are_told_apart) {
  BtfBuilder b;
  const TypeId integer = b.add_int("int", 4, true);
  b.add_composite(Kind::Struct, "s", 4, {{"a", integer, 0, 0}});
  b.add_composite(Kind::Struct, "s", 4, {{"b", integer, 0, 0}});
  b.add_enum(Kind::Enum, "", 4, false, {{"ONE", 1}});
  b.add_enum(Kind::Enum, "e", 4, false, {{"ONE", 1}});
  auto btf = *b.finish();
  const std::string text = dump_c(*btf, {.as_vmlinux_h = false});
  EXPECT_EQ(count(text, "struct s {"), 1u);
  EXPECT_EQ(count(text, "struct s___2 {"), 1u);
  EXPECT_EQ(count(text, "\tONE = 1"), 1u);
  EXPECT_EQ(count(text, "\tONE___2 = 1"), 1u);
}

TEST(CDump, hostile_nests_end) {
  // struct n { struct { …two of the level below… } a, b; }: 2^30 members if written out.
  BtfBuilder b;
  TypeId level = b.add_int("int", 4, true);
  for (int i = 0; i < 30; ++i)
    level = b.add_composite(Kind::Union, "", 4, {{"a", level, 0, 0}, {"b", level, 0, 0}});
  const TypeId top = b.add_composite(Kind::Union, "top", 4, {{"x", level, 0, 0}});
  TypeId prototype = level;
  for (int i = 0; i < 30; ++i)
    prototype = b.add_pointer(b.add_prototype(prototype, {{"a", prototype}, {"b", prototype}}));
  auto btf = *b.finish();
  EXPECT_LT(definition_text(*btf, top).size(), 1u << 24);
  EXPECT_LT(type_text(*btf, prototype).size(), 1u << 24);
  EXPECT_LT(dump_c(*btf).size(), 1u << 24);
}

TEST(UserEngineBtf, is_valid_and_publishes_what_programs_name) {
  auto btf = user_engine_btf();
  ASSERT_TRUE(btf->validate()) << btf->validate().error().text();
  for (std::string_view name :
       {"task_struct", "pt_regs", "trace_event_raw_sys_enter", "trace_event_raw_sys_exit",
        "__sk_buff", "xdp_md", "bpf_sock", "bpf_sock_addr", "ethhdr", "iphdr", "ipv6hdr", "tcphdr",
        "udphdr", "icmphdr", "sockaddr_in", "file", "path", "dentry"})
    EXPECT_TRUE(btf->find(name, Kind::Struct)) << name;
  for (std::string_view name : {"u8", "u64", "__u32", "__be16", "size_t", "pid_t", "bool"})
    EXPECT_TRUE(btf->find(name, Kind::Typedef)) << name;
  EXPECT_TRUE(btf->find("bpf_map_type", Kind::Enum));
  const std::string text = dump_c(*btf);
  for (std::string_view name : {"BPF_ANY = 0", "BPF_F_CURRENT_CPU", "BPF_MAP_TYPE_RINGBUF = 27",
                                "XDP_PASS = 2", "IPPROTO_TCP = 6"})
    EXPECT_NE(text.find(name), std::string::npos) << name;
  EXPECT_EQ(text.find("skep_publish"), std::string::npos);
}

TEST(UserEngineBtf, contexts_have_the_uapi_layout) {
  auto btf = user_engine_btf();
  auto offset = [&](std::string_view type, std::string_view member) -> int {
    const Type found = btf->type(btf->find(type, Kind::Struct).value_or(0));
    for (uint32_t i = 0; i < found.vlen(); ++i)
      if (found.member(i).name == member) return static_cast<int>(found.member(i).bit_offset / 8);
    return -1;
  };
  EXPECT_EQ(offset("trace_event_raw_sys_enter", "id"), 8);
  EXPECT_EQ(offset("trace_event_raw_sys_enter", "args"), 16);
  EXPECT_EQ(offset("trace_event_raw_sys_exit", "ret"), 16);
  EXPECT_EQ(offset("pt_regs", "di"), 112);
  EXPECT_EQ(offset("pt_regs", "ss"), 160);
  EXPECT_EQ(offset("__sk_buff", "data"), 76);
  EXPECT_EQ(offset("__sk_buff", "data_end"), 80);
  EXPECT_EQ(offset("xdp_md", "data_end"), 4);
  EXPECT_EQ(offset("bpf_sock_addr", "user_port"), 24);
}

}  // namespace
}  // namespace skep::btf
