// skep explain, skep requires, and the report of skep verify: what people and pipes get.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

#include "cli/shell.h"

namespace {

using skep::cli::test::InDirectory;
using skep::cli::test::Outcome;

using testing::HasSubstr;

class Reasons : public InDirectory {};

const std::string kLog =
    "libbpf: prog 'f': -- BEGIN PROG LOAD LOG --\n"
    "0: R1=ctx() R10=fp0\n"
    "; v = bpf_map_lookup_elem(&m, &k); @ a.bpf.c:11\n"
    "0: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=m,ks=4,vs=8)\n"
    "; *v = 1; @ a.bpf.c:12\n"
    "1: (7a) *(u64 *)(r0 +0) = 1\n"
    "R0 invalid mem access 'map_value_or_null'\n"
    "-- END PROG LOAD LOG --\n";

TEST_F(Reasons, explain_reads_a_file_or_standard_input) {
  write("load.log", kLog);
  for (const char* how : {"explain load.log", "explain < load.log", "explain - < load.log"}) {
    const Outcome explained = skep(how);
    EXPECT_EQ(explained.status, 0) << explained.out;
    EXPECT_THAT(explained.out, HasSubstr("program f: rejected"));
    EXPECT_THAT(explained.out, HasSubstr("maybe_null_dereferenced (null_check_missing)"));
    EXPECT_THAT(explained.out, HasSubstr("a.bpf.c:12"));
    EXPECT_THAT(explained.out, HasSubstr("if (!ptr) return 0;"));
    EXPECT_EQ(explained.out.find('\033'), std::string::npos);
  }
  const Outcome json = skep("explain --json load.log");
  const auto parsed = nlohmann::json::parse(json.out);
  EXPECT_EQ(parsed["rejections"][0]["cause"], "null_check_missing");
  EXPECT_EQ(parsed["rejections"][0]["source"]["line"], 12);
}

TEST_F(Reasons, explain_says_where_there_is_nothing_to_explain) {
  write("empty.log", "");
  const Outcome empty = skep("explain empty.log");
  EXPECT_EQ(empty.status, 65);
  EXPECT_THAT(empty.out, HasSubstr("no rejection found"));
  EXPECT_EQ(skep("explain none.log").status, 66);
}

TEST_F(Reasons, verify_prints_the_report_and_all_of_it_as_json) {
  write("packet.bpf.s",
        ".license \"GPL\"\n.section \"xdp\"\nr2 = *(u32 *)(r1 +0)\nr0 = *(u8 *)(r2 +0)\nexit\n");
  const Outcome text = skep("verify packet.bpf.s");
  EXPECT_EQ(text.status, 67) << text.out;
  EXPECT_THAT(text.out, HasSubstr("packet_out_of_bounds (packet_check_missing)"));
  EXPECT_THAT(text.out, HasSubstr("history:"));
  EXPECT_THAT(text.out, HasSubstr("field of the context at offset 0"));
  const auto parsed = nlohmann::json::parse(skep("verify --json packet.bpf.s").out);
  const auto& rejection = parsed["programs"][0]["rejection"];
  for (const char* key : {"rule", "cause", "errno", "insn", "message", "need", "known", "history",
                          "fixes", "state", "path"})
    EXPECT_TRUE(rejection.contains(key)) << key;
}

TEST_F(Reasons, requires_names_the_oldest_kernel_and_what_asks_for_it) {
  write("ring.bpf.s",
        ".license \"GPL\"\n.map rb, ringbuf, 0, 0, 4096\n.section "
        "\"tracepoint/syscalls/sys_enter_openat\"\n"
        "r1 = map[rb]\nr2 = 8\nr3 = 0\ncall bpf_ringbuf_reserve\nif r0 == 0 goto out\nr1 = r0\nr2 "
        "= 0\n"
        "call bpf_ringbuf_discard\nout:\nr0 = 0\nexit\n");
  const Outcome text = skep("requires ring.bpf.s");
  EXPECT_EQ(text.status, 0) << text.out;
  EXPECT_THAT(text.out, HasSubstr("Linux 5.8 or newer"));
  EXPECT_THAT(text.out, HasSubstr("bpf_ringbuf_reserve"));
  EXPECT_THAT(text.out, HasSubstr("BPF_MAP_TYPE_RINGBUF"));
  EXPECT_THAT(text.out, HasSubstr("CAP_PERFMON"));
  EXPECT_THAT(text.out, HasSubstr("CONFIG_FTRACE_SYSCALLS"));
  const Outcome old = skep("requires --kernel 5.4 ring.bpf.s");
  EXPECT_EQ(old.status, 1);
  EXPECT_THAT(old.out, HasSubstr("Linux 5.4: does not load it"));
  EXPECT_EQ(skep("requires --kernel 6.1 ring.bpf.s").status, 0);
  const auto parsed = nlohmann::json::parse(skep("requires --json ring.bpf.s").out);
  EXPECT_EQ(parsed["oldest"], "5.8");
  EXPECT_EQ(skep("requires --kernel x ring.bpf.s").status, 64);
}

TEST_F(Reasons, requires_tells_each_thing_by_its_version) {
  write("loop.bpf.s",
        ".license \"GPL\"\n.section \"xdp\"\nr6 = 0\nr7 = 10\nagain:\nr6 += 1\nif w6 < 10 goto "
        "again\nr0 = 1\nexit\n");
  const Outcome loop = skep("requires loop.bpf.s");
  EXPECT_THAT(loop.out, HasSubstr("Linux 5.3 or newer")) << loop.out;
  EXPECT_THAT(loop.out, HasSubstr("bounded_loops"));
  EXPECT_THAT(loop.out, HasSubstr("jmp32"));
  EXPECT_THAT(loop.out, HasSubstr("CAP_NET_ADMIN"));
  write("plain.bpf.s", ".license \"GPL\"\n.section \"socket\"\nr0 = 0\nexit\n");
  const auto plain = nlohmann::json::parse(skep("requires --json plain.bpf.s").out);
  EXPECT_EQ(plain["oldest"], "3.19") << plain.dump();
}

}  // namespace
