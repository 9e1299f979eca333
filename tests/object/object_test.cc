// Objects as clang writes them: sample.bpf.c, compiled here, opened, relocated against BTF of the user engine.
#include "object/object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "btf/c_dump.h"
#include "btf/user_engine/user_engine.h"
#include "test_paths.h"

namespace skep::object {
namespace {

using namespace isa;
using testing::ElementsAre;
using testing::HasSubstr;

// sample.bpf.o and sample-big.bpf.o: sample.bpf.c through cc, for bpfel and bpfeb, without debug sections.
const std::vector<std::byte>& file(const char* name) {
  static std::map<std::string, std::vector<std::byte>> files;
  auto [at, fresh] = files.try_emplace(name);
  if (fresh) {
    auto bytes = read_file(std::string(SKEP_SOURCE_DIR "/tests/object/") + name);
    EXPECT_TRUE(bytes) << (bytes ? "" : bytes.error().text());
    if (bytes) at->second = std::move(*bytes);
  }
  return at->second;
}
Object sample(const char* name = "sample.bpf.o") {
  auto object = open_object(file(name), name);
  EXPECT_TRUE(object) << (object ? "" : object.error().text());
  return object ? std::move(*object) : Object();
}
std::vector<std::shared_ptr<const btf::Btf>> targets() { return {btf::user_engine_btf()}; }

const MapSpec& map(const Object& object, std::string_view name) {
  auto index = object.find_map(name);
  EXPECT_TRUE(index) << name;
  return object.maps()[index.value_or(0)];
}

TEST(Object, map_definitions_are_read_with_all_their_attributes) {
  const Object object = sample();
  const MapSpec& events = map(object, "events");
  EXPECT_EQ(events.type, MapType::BPF_MAP_TYPE_HASH);
  EXPECT_EQ(events.key_size, 4u);
  EXPECT_EQ(events.value_size, 20u);
  EXPECT_EQ(events.max_entries, 10240u);
  EXPECT_EQ(events.map_flags, BPF_F_NO_PREALLOC);
  EXPECT_EQ(events.pinning, Pinning::ByName);
  EXPECT_EQ(btf::type_text(*object.btf(), events.value_type), "struct event");
  EXPECT_EQ(map(object, "ring").max_entries, 65536u);
}

TEST(Object, inner_maps_and_initial_elements) {
  const Object object = sample();
  const MapSpec& outer = map(object, "outer");
  ASSERT_TRUE(outer.inner);
  EXPECT_EQ(outer.inner->type, MapType::BPF_MAP_TYPE_ARRAY);
  EXPECT_EQ(outer.inner->value_size, 8u);
  EXPECT_EQ(outer.value_size, 4u);
  ASSERT_EQ(outer.elements.size(), 2u);
  EXPECT_EQ(outer.elements[0].key, 1u);
  EXPECT_EQ(object.maps()[outer.elements[0].index].name, "first");
  EXPECT_EQ(outer.elements[1].key, 3u);
  EXPECT_EQ(object.maps()[outer.elements[1].index].name, "second");
  const MapSpec& jumps = map(object, "jumps");
  ASSERT_EQ(jumps.elements.size(), 1u);
  EXPECT_TRUE(jumps.elements[0].is_program);
  EXPECT_EQ(object.programs()[jumps.elements[0].index].name, "tail");
}

TEST(Object, globals_are_maps_with_their_first_content) {
  const Object object = sample();
  EXPECT_EQ(load<int>(map(object, ".data").content.data()), 5);
  EXPECT_EQ(load<int>(map(object, ".data.custom").content.data()), 9);
  EXPECT_TRUE(map(object, ".rodata").freeze);
  EXPECT_NE(map(object, ".rodata").map_flags & BPF_F_RDONLY_PROG, 0u);
  EXPECT_EQ(map(object, ".bss").value_size, 36u);
  EXPECT_EQ(object.btf()->type(map(object, ".bss").value_type).kind(), btf::Kind::Datasec);
}

TEST(Object, constants_are_listed_with_type_default_and_comment) {
  const Object object = sample();
  const VariableSpec* filter = object.find_variable("pid_filter");
  ASSERT_NE(filter, nullptr);
  EXPECT_TRUE(filter->is_constant);
  EXPECT_EQ(filter->comment, "only this process");
  EXPECT_EQ(btf::type_text(*object.btf(), filter->type), "const volatile int");
  EXPECT_EQ(object.variable_text(*filter), "-3");
  EXPECT_EQ(object.variable_text(*object.find_variable("verbose")), "true");
  EXPECT_EQ(object.variable_text(*object.find_variable("prefix")), "abc");
  EXPECT_EQ(object.variable_text(*object.find_variable("mode")), "SLOW");
  EXPECT_EQ(object.variable_text(*object.find_variable("small_number")), "200");
  EXPECT_FALSE(object.find_variable("counter")->is_constant);
  EXPECT_TRUE(object.find_variable("hidden_count")->is_static);
}

TEST(Object, variables_are_set_from_text_of_their_type) {
  Object object = sample();
  auto set = [&](std::string_view name, std::string_view text) -> std::string {
    if (auto done = object.set_variable(name, text); !done) return "refused";
    return object.variable_text(*object.find_variable(name));
  };
  EXPECT_EQ(set("pid_filter", "0x10"), "16");
  EXPECT_EQ(set("pid_filter", "-2147483648"), "-2147483648");
  EXPECT_EQ(set("pid_filter", "2147483648"), "refused");
  EXPECT_EQ(set("small_number", "255"), "255");
  EXPECT_EQ(set("small_number", "256"), "refused");
  EXPECT_EQ(set("small_number", "-1"), "refused");
  EXPECT_EQ(set("verbose", "false"), "false");
  EXPECT_EQ(set("verbose", "maybe"), "refused");
  EXPECT_EQ(set("mode", "FAST"), "FAST");
  EXPECT_EQ(set("mode", "FASTER"), "refused");
  EXPECT_EQ(set("prefix", "fifteen letters"), "fifteen letters");
  EXPECT_EQ(set("prefix", "sixteen letters!"), "refused");
  EXPECT_EQ(set("pid_filter", "12x"), "refused");
  EXPECT_EQ(set("pid_filter", ""), "refused");
  EXPECT_FALSE(object.set_variable("no_such", "1"));
}

TEST(Object, programs_are_the_global_functions_outside_of_text) {
  const Object object = sample();
  std::vector<std::string> names, sections;
  for (const ProgramSpec& program : object.programs()) {
    names.push_back(program.name);
    sections.push_back(program.section);
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre("handle", "tail_body", "tail"));
  EXPECT_EQ(object.programs()[*object.find_program("handle")].section,
            "tp/syscalls/sys_enter_openat");
  EXPECT_EQ(object.programs()[*object.find_program("tail_body")].section, "?uprobe");
  EXPECT_EQ(object.license(), "GPL");
  EXPECT_EQ(object.kern_version(), 0x060c00u);
}

TEST(Program, calls_lead_to_the_subprograms_behind_it) {
  const Object object = sample();
  const auto t = targets();
  auto program = object.program(*object.find_program("handle"), {.btfs = t, .symbol = {}});
  ASSERT_TRUE(program) << program.error().text();
  std::vector<std::string> functions;
  std::vector<uint32_t> starts;
  for (const FuncInfo& info : program->func_info) {
    functions.emplace_back(object.btf()->name(info.type_id));
    starts.push_back(info.insn_off);
  }
  EXPECT_THAT(functions, ElementsAre("handle", "deep", "helper", "each"));
  size_t calls = 0, callbacks = 0;
  for (uint32_t i = 0; i < program->insns.size(); ++i) {
    const Insn& insn = program->insns[i];
    const bool call = insn.opcode == (BPF_JMP | BPF_CALL) && insn.src == BPF_PSEUDO_CALL;
    const bool callback = is_ld_imm64(insn) && insn.src == BPF_PSEUDO_FUNC;
    calls += call;
    callbacks += callback;
    if (call || callback) {
      EXPECT_THAT(starts, testing::Contains(i + 1 + static_cast<uint32_t>(insn.imm))) << i;
    }
    if (is_ld_imm64(insn)) ++i;
  }
  EXPECT_EQ(callbacks, 1u);
  EXPECT_GE(calls, 3u);
  for (const LineInfo& line : program->line_info) EXPECT_LT(line.insn_off, program->insns.size());
  EXPECT_TRUE(std::ranges::is_sorted(program->line_info, {}, &LineInfo::insn_off));
  EXPECT_EQ(program->maps.size(), object.maps().size());
}

TEST(Program, maps_and_globals_become_indices) {
  const Object object = sample();
  auto program = object.program(*object.find_program("tail"));
  ASSERT_TRUE(program) << program.error().text();
  std::vector<std::pair<std::string, uint32_t>> values;
  for (uint32_t i = 0; i < program->insns.size(); ++i) {
    if (!is_ld_imm64(program->insns[i])) continue;
    EXPECT_EQ(program->insns[i].src, BPF_PSEUDO_MAP_IDX_VALUE);
    values.emplace_back(object.maps()[static_cast<uint32_t>(program->insns[i].imm)].name,
                        program->insns[i + 1].imm);
    ++i;
  }
  EXPECT_THAT(values,
              testing::UnorderedElementsAre(std::pair(".bss", 32u), std::pair(".data", 0u)));
}

TEST(Program, core_relocations_reach_our_layout_and_failed_ones_are_poisoned_and_told) {
  const Object object = sample();
  const auto t = targets();
  auto program = object.program(*object.find_program("handle"), {.btfs = t, .symbol = {}});
  ASSERT_TRUE(program) << program.error().text();
  // task->real_parent is at 16 in types.h: r1 = 16; r0 += r1 or the like.
  const btf::Type task = t[0]->type(*t[0]->find("task_struct", btf::Kind::Struct));
  uint32_t parent = 0;
  for (uint32_t i = 0; i < task.vlen(); ++i)
    if (task.member(i).name == "real_parent") parent = task.member(i).bit_offset / 8;
  EXPECT_TRUE(std::ranges::any_of(program->insns, [&](const Insn& insn) {
    return insn.cls() == BPF_ALU64 && !insn.uses_src_reg() &&
           insn.imm == static_cast<int32_t>(parent);
  }));
  ASSERT_EQ(program->core_failures.size(), 1u);
  EXPECT_EQ(
      program->core_failures[0].text,
      "byte_off of struct task_struct___missing.pid_that_never_was: the target has no such field");
  const Insn& poisoned = program->insns[program->core_failures[0].insn_off];
  EXPECT_EQ(poisoned.opcode, BPF_JMP | BPF_CALL);
  EXPECT_EQ(poisoned.imm, kPoisonedCore);
}

TEST(Program, core_without_a_target_is_an_error_that_says_where) {
  const Object object = sample();
  auto program = object.program(*object.find_program("handle"));
  ASSERT_FALSE(program);
  EXPECT_THAT(
      program.error().text(),
      HasSubstr("sample.bpf.o: section tp/syscalls/sys_enter_openat: function handle: insn "));
  EXPECT_THAT(program.error().text(), HasSubstr("there is no target BTF"));
}

TEST(Object, kconfig_externs_are_filled_by_name_and_type) {
  Object object = sample();
  ASSERT_TRUE(object.has_kconfig());
  ASSERT_TRUE(object.resolve_kconfig(
      {.kernel_version = 0x061207, .config = [](std::string_view name) {
         return name == "CONFIG_FOO" ? std::optional<std::string>("y") : std::nullopt;
       }}));
  const MapSpec& kconfig = map(object, ".kconfig");
  EXPECT_EQ(load<uint32_t>(kconfig.content.data()), 0x061207u);
  EXPECT_EQ(load<uint8_t>(kconfig.content.data() + 4), 1);
}

TEST(Object, big_endian_objects_open_to_the_same_programs) {
  const Object little = sample(), big = sample("sample-big.bpf.o");
  EXPECT_TRUE(big.was_big_endian());
  ASSERT_EQ(big.programs().size(), little.programs().size());
  ASSERT_EQ(big.maps().size(), little.maps().size());
  for (size_t i = 0; i < big.maps().size(); ++i)
    EXPECT_EQ(big.maps()[i].name, little.maps()[i].name);
  const uint32_t index = *big.find_program("tail");
  auto a = little.program(*little.find_program("tail")), b = big.program(index);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->insns, b->insns);
}

TEST(Object, a_file_truncated_at_any_byte_is_one_clear_error) {
  const std::vector<std::byte>& bytes = file("sample.bpf.o");
  ASSERT_FALSE(bytes.empty());
  for (size_t size = 0; size < bytes.size();
       size += size < 256 || size + 4096 > bytes.size() ? 1 : 37) {
    auto object = open_object(ByteSpan(bytes).first(size), "cut.o");
    ASSERT_FALSE(object) << size;
    ASSERT_THAT(object.error().text(), testing::StartsWith("cut.o: ")) << size;
  }
}

TEST(Object, other_files_are_told_apart) {
  auto message = [](ByteSpan bytes) {
    auto object = open_object(bytes, "x");
    return object ? std::string("opened") : object.error().text();
  };
  EXPECT_EQ(message({}), "x: expected an eBPF object, found no ELF file");
  EXPECT_EQ(message(bytes_of("#!/bin/sh\n")), "x: expected an eBPF object, found no ELF file");
  auto self = read_file("/proc/self/exe");
  ASSERT_TRUE(self);
  EXPECT_THAT(message(*self), HasSubstr("x: expected machine EM_BPF (247), found"));
  std::vector<std::byte> narrow = file("sample.bpf.o");
  narrow[4] = std::byte{1};
  EXPECT_EQ(message(narrow), "x: expected a 64-bit ELF file, found class 1");
}

TEST(Object, every_flipped_byte_is_survived) {
  std::vector<std::byte> bytes = file("sample.bpf.o");
  const auto t = targets();
  size_t opened = 0;
  for (size_t at = 0; at < bytes.size(); at += 11) {
    const std::byte before = bytes[at];
    bytes[at] ^= std::byte{0xff};
    if (auto object = open_object(bytes, "flipped.o")) {
      ++opened;
      for (uint32_t i = 0; i < object->programs().size(); ++i)
        (void)object->program(i, {.btfs = t, .symbol = {}});
    }
    bytes[at] = before;
  }
  EXPECT_GT(opened, 0u) << "names, line texts and debug information may be anything";
}

}  // namespace
}  // namespace skep::object
