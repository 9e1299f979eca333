// Compiling: the real clang 19, and scripts in its place where its misbehaviour is the point.
#include "cc/cc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/fd.h"
#include "btf/user_engine/user_engine.h"
#include "object/object.h"
#include "test_paths.h"

namespace skep::cc {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// A directory of its own for each test, gone at its end.
class Cc : public testing::Test {
 protected:
  Cc() {
    std::string pattern = (fs::temp_directory_path() / "skep-cc-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    options_.target = btf::user_engine_btf();
    options_.cache_dir = path("cache");
  }
  ~Cc() override { fs::remove_all(directory_); }

  std::string path(std::string_view name) const { return directory_ + "/" + std::string(name); }
  std::string write(std::string_view name, std::string_view text, mode_t mode = 0644) const {
    EXPECT_TRUE(write_file(path(name), bytes_of(text), mode));
    return path(name);
  }
  Compiled compile_text(std::string_view text) {
    auto compiled = compile(write("program.bpf.c", text), options_);
    EXPECT_TRUE(compiled) << (compiled ? "" : compiled.error().text());
    return compiled ? std::move(*compiled) : Compiled{};
  }
  // Compiled and opened.
  std::optional<object::Object> object_of(std::string_view text) {
    Compiled compiled = compile_text(text);
    EXPECT_TRUE(compiled.ok) << compiled.diagnostics;
    auto object = object::open_object(compiled.object, "program.bpf.c");
    EXPECT_TRUE(object) << (object ? "" : object.error().text());
    if (!object) return std::nullopt;
    return std::move(*object);
  }
  size_t cache_entries() const {
    std::error_code error;
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(path("cache/cc"), error))
      ++count;
    return count;
  }

  std::string directory_;
  Options options_;
};

constexpr std::string_view kProgram =
    "#include \"vmlinux.h\"\n#include <bpf/bpf_helpers.h>\n"
    "char LICENSE[] SEC(\"license\") = \"GPL\";\n"
    "SEC(\"xdp\") int pass(struct xdp_md *ctx) { return XDP_PASS; }\n";

TEST_F(Cc, a_program_becomes_an_object) {
  auto object = object_of(kProgram);
  ASSERT_TRUE(object);
  ASSERT_EQ(object->programs().size(), 1u);
  EXPECT_EQ(object->programs()[0].section, "xdp");
  auto program = object->program(0);
  ASSERT_TRUE(program);
  EXPECT_EQ(program->insns.size(), 2u);
  EXPECT_FALSE(program->line_info.empty());
}

TEST_F(Cc, the_sample_of_the_object_tests_compiles_without_a_word) {
  auto compiled = compile(SKEP_SOURCE_DIR "/tests/object/sample.bpf.c", options_);
  ASSERT_TRUE(compiled) << compiled.error().text();
  EXPECT_TRUE(compiled->ok);
  EXPECT_EQ(compiled->diagnostics, "");
  auto object = object::open_object(compiled->object, "sample");
  ASSERT_TRUE(object) << object.error().text();
  EXPECT_EQ(object->programs().size(), 3u);
}

TEST_F(Cc, a_refusal_is_clang_s_own_words) {
  Compiled compiled = compile_text("int main( { return nonsense; }\n");
  EXPECT_FALSE(compiled.ok);
  EXPECT_TRUE(compiled.object.empty());
  EXPECT_THAT(compiled.diagnostics, HasSubstr("program.bpf.c:1:11: error: "));
  EXPECT_THAT(compiled.diagnostics, HasSubstr("int main( { return nonsense; }"));
  EXPECT_EQ(cache_entries(), 0u);
}

TEST_F(Cc, what_can_not_be_tried_is_an_error) {
  auto missing = compile(path("no-such.bpf.c"), options_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ENOENT);
  write("program.bpf.c", kProgram);
  options_.clang = path("no-clang");
  auto no_clang = compile(path("program.bpf.c"), options_);
  ASSERT_FALSE(no_clang);
  EXPECT_EQ(no_clang.error().code(), ENOENT);
  EXPECT_THAT(no_clang.error().text(), HasSubstr("there is no compiler"));
  EXPECT_THAT(no_clang.error().hint(), HasSubstr("clang-19"));
}

TEST_F(Cc, the_second_time_comes_from_the_cache) {
  Compiled first = compile_text(kProgram), second = compile_text(kProgram);
  EXPECT_FALSE(first.from_cache);
  EXPECT_TRUE(second.from_cache);
  EXPECT_EQ(first.object, second.object);
  // Another target, another flag, another text: another object.
  options_.flags = {"-DX=1"};
  EXPECT_FALSE(compile_text(kProgram).from_cache);
  options_.flags.clear();
  EXPECT_FALSE(compile_text(std::string(kProgram) + "\n").from_cache);
}

TEST_F(Cc, a_changed_include_is_noticed) {
  write("mine.h", "#define RESULT 1\n");
  const std::string text =
      std::string(kProgram) +
      "#include \"mine.h\"\nSEC(\"tc\") int other(void *c) { return RESULT; }\n";
  EXPECT_FALSE(compile_text(text).from_cache);
  EXPECT_TRUE(compile_text(text).from_cache);
  write("mine.h", "#define RESULT 2\n");
  EXPECT_FALSE(compile_text(text).from_cache);
}

TEST_F(Cc, a_damaged_cache_entry_is_compiled_anew) {
  const Compiled first = compile_text(kProgram);
  ASSERT_EQ(cache_entries(), 1u);
  const fs::path entry = fs::directory_iterator(path("cache/cc"))->path();
  auto bytes = *read_file(entry);
  for (size_t at : {size_t{0}, size_t{9}, bytes.size() / 2, bytes.size() - 1}) {
    auto damaged = bytes;
    damaged[at] ^= std::byte{1};
    ASSERT_TRUE(write_file(entry, damaged));
    const Compiled again = compile_text(kProgram);
    EXPECT_FALSE(again.from_cache) << at;
    EXPECT_EQ(again.object, first.object);
  }
  ASSERT_TRUE(write_file(entry, ByteSpan(bytes).first(bytes.size() / 3)));
  EXPECT_FALSE(compile_text(kProgram).from_cache);
  EXPECT_TRUE(compile_text(kProgram).from_cache);
}

TEST_F(Cc, a_cache_that_can_not_be_written_only_costs_time) {
  options_.cache_dir = "/dev/null/cache";
  EXPECT_TRUE(compile_text(kProgram).ok);
  EXPECT_FALSE(compile_text(kProgram).from_cache);
}

TEST_F(Cc, a_compiler_that_hangs_is_ended_after_the_timeout) {
  options_.clang =
      write("hang", "#!/bin/sh\necho $$ > " + path("pid") + "\nexec sleep 1000\n", 0755);
  options_.timeout = std::chrono::milliseconds(300);
  write("program.bpf.c", kProgram);
  auto compiled = compile(path("program.bpf.c"), options_);
  ASSERT_FALSE(compiled);
  EXPECT_EQ(compiled.error().code(), ETIMEDOUT);
  if (auto pid = read_file(path("pid")); pid && !pid->empty()) {
    EXPECT_NE(::kill(std::atoi(reinterpret_cast<const char*>(pid->data())), 0), 0);
  }
}

TEST_F(Cc, a_compiler_that_dies_of_a_signal_is_told) {
  options_.clang = write("die", "#!/bin/sh\nkill -INT $$\n", 0755);
  write("program.bpf.c", kProgram);
  auto compiled = compile(path("program.bpf.c"), options_);
  ASSERT_FALSE(compiled);
  EXPECT_EQ(compiled.error().code(), ECANCELED);
}

TEST_F(Cc, the_compiler_dies_with_its_parent_and_leaves_no_file) {
  options_.clang = write("hang",
                         "#!/bin/sh\necho $$ > " + path("pid.new") + "\nmv " + path("pid.new") +
                             " " + path("pid") + "\nexec sleep 1000\n",
                         0755);
  write("program.bpf.c", kProgram);
  const pid_t parent = ::fork();
  if (parent == 0) {
    (void)compile(path("program.bpf.c"), options_);
    ::_exit(0);
  }
  while (::access(path("pid").c_str(), F_OK) != 0) ::usleep(1000);
  const pid_t compiler = std::atoi(reinterpret_cast<const char*>(read_file(path("pid"))->data()));
  ::kill(parent, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(parent, &status, 0), parent);
  // An orphan's end can only be waited for by asking: it is gone, or a zombie of init's.
  for (;;) {
    auto stat = read_file(fmt::format("/proc/{}/stat", compiler));
    if (!stat) break;
    const std::string text(reinterpret_cast<const char*>(stat->data()), stat->size());
    if (text.find(") Z") != std::string::npos || text.find("(sleep)") == std::string::npos) break;
    ::usleep(1000);
  }
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(directory_))
    left.push_back(entry.path().filename());
  EXPECT_THAT(left, testing::UnorderedElementsAre("hang", "program.bpf.c", "pid"));
}

TEST_F(Cc, a_type_whose_name_no_word_spells_is_found_in_the_whole_header) {
  auto object =
      object_of(std::string(kProgram) +
                "#define PASTE(a, b) struct a##b\n"
                "SEC(\"tc\") int other(void *c) { PASTE(ip, hdr) *h = c; return sizeof *h; }\n");
  EXPECT_TRUE(object);
}

TEST_F(Cc, a_vmlinux_h_beside_the_source_comes_first) {
  write("vmlinux.h",
        "#define MINE 1\ntypedef unsigned int __u32; typedef unsigned long long __u64; typedef int "
        "__s32; typedef short __s16; "
        "typedef unsigned short __u16, __be16, __sum16; typedef unsigned int __be32, __wsum; "
        "typedef long long __s64; typedef unsigned char __u8;\n"
        "struct xdp_md { __u32 data; };\n");
  auto object = object_of(
      "#include \"vmlinux.h\"\n#include <bpf/bpf_helpers.h>\nSEC(\"xdp\") int pass(struct xdp_md "
      "*ctx) { return MINE; }\n");
  EXPECT_TRUE(object);
}

TEST_F(Cc, programs_written_for_libbpf_compile_without_a_warning) {
  Compiled compiled = compile_text(R"(
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
char _license[] SEC("license") = "Dual MIT/GPL";
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); } counts SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, sizeof(u32)); __uint(value_size, sizeof(u32)); } events SEC(".maps");
struct bits { int a : 3; unsigned b : 9; } __attribute__((preserve_access_index));
enum color { RED, GREEN };
SEC("kprobe/do_sys_open") int BPF_KPROBE(entry, int dfd, const char *name) {
  bpf_printk("plain");
  bpf_printk("%d %s %d", dfd, name, 3);
  bpf_printk("%d %d %d %d %s", 1, 2, 3, dfd, name);
  return 0;
}
SEC("kretprobe/do_sys_open") int BPF_KRETPROBE(leave, long result) {
  struct task_struct *task = (struct task_struct *)bpf_get_current_task();
  int tgid = BPF_CORE_READ(task, real_parent, group_leader, tgid);
  const char *comm = (void *)BPF_CORE_READ(task, comm);
  char copy[16];
  BPF_CORE_READ_STR_INTO(&copy, task, real_parent, comm);
  bpf_core_read(&tgid, sizeof tgid, &task->tgid);
  return result + tgid + copy[0] + (comm != 0);
}
SEC("fentry/x") int BPF_PROG(fentry, struct task_struct *task, int n) { return n + task->pid; }
SEC("fexit/x") int BPF_PROG(fexit, int n, long ret) { return ret + n; }
SEC("raw_tp/sys_enter") int BPF_PROG(raw, struct pt_regs *regs, long id) { return id + PT_REGS_PARM1_CORE(regs); }
SEC("ksyscall/openat") int BPF_KSYSCALL(syscall, int dfd, const char *path, int flags) { return dfd + flags; }
SEC("uprobe/libc.so.6:malloc") int BPF_UPROBE(uprobe, unsigned long size) { return size; }
SEC("uretprobe/libc.so.6:malloc") int BPF_URETPROBE(uretprobe, void *p) { return p != NULL; }
SEC("tc") int classify(struct __sk_buff *skb) {
  void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
  struct ethhdr *eth = data;
  if ((void *)(eth + 1) > end) return 0;
  struct iphdr *ip = (void *)(eth + 1);
  if ((void *)(ip + 1) > end) return 0;
  return eth->h_proto == bpf_htons(0x0800) && ip->protocol == IPPROTO_TCP && ip->saddr != bpf_htonl(0x7f000001);
}
SEC("tp/sched/sched_switch") int loops(void *ctx) {
  struct bits *bits = ctx;
  int i, sum = 0;
  bpf_for(i, 0, 10) sum += i;
  bpf_repeat(3) sum++;
  sum += BPF_CORE_READ_BITFIELD_PROBED(bits, b) + bpf_core_field_size(bits->b) + bpf_core_type_size(struct bits);
  sum += bpf_core_enum_value(enum color, GREEN) + bpf_core_enum_value_exists(enum color, RED) + bpf_core_type_exists(struct bits);
  sum += bpf_core_field_exists(struct bits, a) + bpf_core_field_offset(struct task_struct, pid) + bpf_core_type_matches(struct bits);
  bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &sum, sizeof sum);
  return sum + KERNEL_VERSION(5, 4, 300);
}
SEC("iter/task") int iter(struct bpf_raw_tracepoint_args *ctx) {
  BPF_SEQ_PRINTF((struct seq_file *)ctx, "%d %s\n", 1, "x");
  char out[32];
  BPF_SNPRINTF(out, sizeof out, "%d", 5);
  return container_of(ctx, struct bpf_raw_tracepoint_args, args) == ctx && out[0];
}
)");
  EXPECT_TRUE(compiled.ok);
  EXPECT_EQ(compiled.diagnostics, "");
  auto object = object::open_object(compiled.object, "x");
  ASSERT_TRUE(object) << object.error().text();
  EXPECT_EQ(object->programs().size(), 11u);
  const std::vector<std::shared_ptr<const btf::Btf>> targets = {btf::user_engine_btf()};
  for (uint32_t i = 0; i < object->programs().size(); ++i) {
    auto program = object->program(i, {.btfs = targets, .symbol = {}});
    EXPECT_TRUE(program) << program.error().text();
  }
}

TEST_F(Cc, the_uapi_s_and_the_c_library_s_headers_can_be_included) {
  auto object = object_of(
      "#include <stdbool.h>\n#include <stdint.h>\n#include <linux/types.h>\n#include "
      "<linux/if_ether.h>\n#include <linux/in.h>\n"
      "#include <bpf/bpf_helpers.h>\n#include <bpf/bpf_tracing.h>\n#include <bpf/bpf_endian.h>\n"
      "const volatile uint32_t wanted = ETH_P_IP;\n"
      "SEC(\"tc\") int run(void *ctx) { return bpf_htons(wanted) == IPPROTO_TCP; }\n");
  EXPECT_TRUE(object);
}

TEST_F(Cc, usdt_programs_have_the_two_maps_that_loaders_fill) {
  auto object = object_of(
      "#include \"vmlinux.h\"\n#include <bpf/usdt.bpf.h>\nchar LICENSE[] SEC(\"license\") = "
      "\"GPL\";\n"
      "long sum;\n"
      "SEC(\"usdt/libc.so.6:libc:setjmp\") int BPF_USDT(jump, void *a, int b, long c) {\n"
      "  sum += b + c + bpf_usdt_arg_cnt(ctx) + bpf_usdt_cookie(ctx) + bpf_usdt_arg_size(ctx, "
      "1);\n  return a != NULL;\n}\n");
  ASSERT_TRUE(object);
  const object::MapSpec& specs = object->maps()[object->find_map("__bpf_usdt_specs").value()];
  EXPECT_EQ(specs.value_size, 12 * 24 + 16u);
  EXPECT_EQ(specs.max_entries, 256u);
  EXPECT_EQ(object->maps()[object->find_map("__bpf_usdt_ip_to_spec_id").value()].key_size, 8u);
  EXPECT_TRUE(object->has_kconfig());
  const std::vector<std::shared_ptr<const btf::Btf>> targets = {btf::user_engine_btf()};
  auto program = object->program(0, {.btfs = targets, .symbol = {}});
  EXPECT_TRUE(program) << program.error().text();
}

TEST_F(Cc, functions_without_a_size_reach_to_the_next) {
  auto object = object_of(
      "#include \"vmlinux.h\"\n"
      "asm(\".section \\\"xdp\\\",\\\"ax\\\"\\n.globl first\\n.type first,@function\\nfirst:\\nr0 "
      "= 1\\nexit\\n\"\n"
      "    \".globl second\\n.type second,@function\\nsecond:\\nr0 = 2\\nr0 = 3\\nexit\\n\");\n");
  ASSERT_TRUE(object);
  ASSERT_EQ(object->programs().size(), 2u);
  EXPECT_EQ(object->programs()[0].insn_count, 2u);
  EXPECT_EQ(object->programs()[1].insn_count, 3u);
}

TEST_F(Cc, struct_ops_and_arena_globals_are_maps_with_content) {
  auto object = object_of(R"(
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
struct { __uint(type, BPF_MAP_TYPE_ARENA); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, 10); __ulong(map_extra, 1ull << 44); } arena SEC(".maps");
struct ops___mine { int flags; int (*start)(void); void (*stop)(void); };
SEC("struct_ops/start") int start(void) { return 1; }
SEC("struct_ops/stop") void stop(void) {}
SEC(".struct_ops.link") struct ops___mine table = { .flags = 7, .start = (void *)start, .stop = (void *)stop };
int __attribute__((address_space(1))) in_arena = 42;
SEC("syscall") int touch(void *ctx) { return in_arena++; }
)");
  ASSERT_TRUE(object);
  const object::MapSpec& table = object->maps()[object->find_map("table").value()];
  EXPECT_EQ(table.type, MapType::BPF_MAP_TYPE_STRUCT_OPS);
  EXPECT_EQ(table.struct_ops_type, "ops");
  EXPECT_TRUE(table.struct_ops_link);
  EXPECT_EQ(load<int>(table.content.data()), 7);
  ASSERT_EQ(table.elements.size(), 2u);
  EXPECT_EQ(table.elements[0].key, 8u);
  EXPECT_EQ(object->programs()[table.elements[0].index].name, "start");
  EXPECT_EQ(table.elements[1].key, 16u);
  const object::MapSpec& arena = object->maps()[object->find_map("arena").value()];
  EXPECT_EQ(arena.map_extra, 1ull << 44);
  ASSERT_EQ(arena.content.size(), 4u);
  EXPECT_EQ(load<int>(arena.content.data()), 42);
  EXPECT_TRUE(object->program(*object->find_program("touch")));
}

TEST_F(Cc, source_comments_become_the_help_of_constants) {
  Compiled compiled = compile_text(
      std::string(kProgram) +
      "/// Only calls slower than this,\n/// in microseconds\nconst volatile __u64 min_us = 5;\n"
      "const volatile bool failed_only = false; ///< Only calls that failed\n"
      "// an ordinary comment\nconst volatile int plain = 1;\n");
  ASSERT_TRUE(compiled.ok) << compiled.diagnostics;
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"min_us", "Only calls slower than this, in microseconds"},
      {"failed_only", "Only calls that failed"}};
  EXPECT_EQ(compiled.comments, expected);
  EXPECT_EQ(compile_text(*[&] {
              static std::string text;
              auto bytes = read_file(path("program.bpf.c"));
              text.assign(reinterpret_cast<const char*>(bytes->data()), bytes->size());
              return &text;
            }())
                .comments,
            expected)
      << "also out of the cache";
}

TEST(Source, words_are_taken_from_code_only) {
  EXPECT_EQ(identifiers("int a_1 = b; // c\n/* d */ \"e \\\" f\" 'g' 0x1fL h"),
            (std::vector<std::string>{"a_1", "b", "h", "int"}));
  EXPECT_EQ(identifiers("\"unterminated\nx"), (std::vector<std::string>{"unterminated", "x"}));
  EXPECT_TRUE(identifiers("/* never closed").empty());
}

TEST(HelperDefs, declare_each_helper_at_its_number) {
  const std::string text = helper_defs_h();
  EXPECT_THAT(text, HasSubstr("static void *(* const bpf_map_lookup_elem)(void *map, const void "
                              "*key) = (void *) 1;\n"));
  EXPECT_THAT(text, HasSubstr("(* const bpf_ringbuf_reserve)("));
  EXPECT_THAT(text, HasSubstr(" = (void *) 211;\n"));
  EXPECT_THAT(text, HasSubstr("bpf_get_socket_cookie)(void *ctx)")) << "taken by several contexts";
}

TEST(MinimalHeader, follows_members_that_the_source_names) {
  auto btf = btf::user_engine_btf();
  const std::string text = minimal_vmlinux_h(*btf, {"file", "f_path", "dentry", "d_name"});
  EXPECT_THAT(text, HasSubstr("struct file {"));
  EXPECT_THAT(text, HasSubstr("struct dentry {"));
  EXPECT_THAT(text, testing::Not(HasSubstr("struct super_block {")))
      << "only pointed to, by members not named";
  EXPECT_THAT(text, testing::Not(HasSubstr("struct tcphdr {")));
  EXPECT_LT(text.size(), 8000u);
}

}  // namespace
}  // namespace skep::cc
