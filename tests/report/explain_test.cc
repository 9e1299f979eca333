// What a verifier's log is understood as: each rule's message, each way in which loaders print logs, root causes and
// where values came from.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <set>

#include "isa/assembler.h"
#include "report/diagnosis.h"
#include "report/verifier_messages.h"
#include "test_paths.h"
#include "verifier/case_file.h"
#include "verifier/verifier.h"

namespace skep::report {
namespace {

using testing::HasSubstr;

Diagnosis explain(std::string_view text) {
  static ParsedLog log;  // views of the diagnosis' making only
  log = parse_verifier_log(text);
  for (const LogSegment& segment : log.segments)
    if (segment.failed()) return diagnose(log, segment, nullptr);
  ADD_FAILURE() << "no rejection found in:\n" << text;
  return {};
}
std::string cause(const Diagnosis& diagnosis) {
  return std::string(cause_row(diagnosis.cause).name);
}
std::string history(const Diagnosis& diagnosis) {
  std::string text;
  for (const HistoryEvent& event : diagnosis.history)
    text += fmt::format("{} {}: {}\n", history_kind_name(event.kind), event.insn, event.what);
  return text;
}

std::vector<verifier_cases::Case> rejected_cases() {
  auto cases = verifier_cases::load_cases(SKEP_SOURCE_DIR "/tests/verifier/cases");
  // A log of a million instructions says no more than its last line.
  std::erase_if(cases, [](const auto& c) {
    return c.expect != "reject" || c.rule == "too_complex" || c.rule == "out_of_memory";
  });
  return cases;
}

verifier::Report verify(const Program& program, const verifier_cases::Case& c) {
  verifier::Options options;
  options.log_level = verifier::kLogErrors;
  options.privileged = !c.unprivileged;
  options.strict_alignment = c.strict;
  if (!c.kernel.empty()) options.profile = verifier::find_kernel_profile(c.kernel);
  return verifier::verify(program, options);
}

// The verifier names the rule that it broke; the log's words alone must lead to the same one.
TEST(Explain, a_log_leads_to_the_rule_that_the_verifier_broke) {
  // Where one message serves two rules, or the log can't know: "unknown opcode" of an opcode that came later.
  const std::set<std::pair<std::string_view, std::string_view>> same = {
      {"feature_not_in_kernel", "bad_opcode"},
      {"feature_not_in_kernel", "bad_ld_imm64"},
      {"feature_not_in_kernel", "bad_atomic"},
      {"packet_out_of_bounds", "negative_offset"},
      {"packet_out_of_bounds", "map_value_out_of_bounds"}};
  size_t tried = 0;
  for (const auto& c : rejected_cases()) {
    const Result<Program> program = verifier_cases::make_program(c);
    ASSERT_TRUE(program) << c.name;
    const verifier::Report report = verify(*program, c);
    ASSERT_TRUE(report.rejection) << c.name;
    const Diagnosis found = explain(report.log);
    const std::string_view expected = verifier::rule_name(report.rejection->rule),
                           got = verifier::rule_name(found.rule);
    if (expected != got && !same.contains({expected, got}))
      ADD_FAILURE() << c.file << "/" << c.name << ": rule " << expected << ", explained as " << got
                    << "\n"
                    << report.log;
    if (!found.message.empty() && found.insn != kNoIndex && !report.rejection->message.empty()) {
      EXPECT_NE(found.cause, Cause::unknown) << c.name << "\n" << report.log;
    }
    ++tried;
  }
  EXPECT_GT(tried, 70u);
}

TEST(Explain, a_rejection_says_where_need_known_and_what_to_do) {
  std::set<verifier::Rule> rules;
  for (const auto& c : rejected_cases()) {
    const Result<Program> program = verifier_cases::make_program(c);
    ASSERT_TRUE(program) << c.name;
    const verifier::Report report = verify(*program, c);
    ASSERT_TRUE(report.rejection) << c.name;
    const Diagnosis d = diagnose(*report.rejection, report.log, *program);
    EXPECT_EQ(d.rule, report.rejection->rule);
    EXPECT_EQ(d.insn, report.rejection->insn);
    EXPECT_FALSE(d.need.empty()) << c.name;
    EXPECT_THAT(diagnosis_text(d, false), HasSubstr(std::string(verifier::rule_name(d.rule))));
    EXPECT_EQ(diagnosis_text(d, false).find('\033'), std::string::npos);
    const nlohmann::json json = diagnosis_json(d);
    EXPECT_EQ(json["rule"], verifier::rule_name(d.rule));
    EXPECT_FALSE(json.dump().empty());
    rules.insert(d.rule);
  }
  EXPECT_GE(rules.size(), 40u);
}

TEST(Explain, each_row_of_the_table_is_reached_by_its_own_message) {
  // A row that an earlier one hides is dead.
  for (const MessageRow& row : verifier_messages()) {
    std::string message;
    for (char c : row.pattern) message += c == '#' ? "7" : c == '*' ? "\x01" : std::string(1, c);
    for (size_t at; (at = message.find('\x01')) != std::string::npos;) message.replace(at, 1, "zz");
    const auto found = match_verifier_message(message);
    ASSERT_TRUE(found) << row.pattern;
    EXPECT_EQ(found->row->rule, row.rule) << row.pattern << " is hidden by " << found->row->pattern;
  }
}

struct Wrapped {
  const char* name;
  const char* text;
  const char* program = "";
};
// One rejection as loaders print it.
const Wrapped kWrapped[] = {
    {"kernel_7",
     "0: R1=ctx() R10=fp0\n; v = lookup(&m, &k); @ a.bpf.c:11\n0: (85) call bpf_map_lookup_elem#1  "
     "  ; R0=map_value_or_null(id=1,map=m,ks=4,vs=8)\n; *v = 1; @ a.bpf.c:12\n1: (7a) *(u64 *)(r0 "
     "+0) = 1\nR0 invalid mem access 'map_value_or_null'\nprocessed 2 insns (limit 1000000) "
     "max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n"},
    {"kernel_4_19",
     "; v = lookup(&m, &k);\n0: (85) call bpf_map_lookup_elem#1\n "
     "R0=map_value_or_null(id=1,off=0,ks=4,vs=8,imm=0) R10=fp0,call_-1\n; *v = 1;\n1: (7a) *(u64 "
     "*)(r0 +0) = 1\n R0=map_value_or_null(id=1,off=0,ks=4,vs=8,imm=0) R10=fp0,call_-1\nR0 invalid "
     "mem access 'map_value_or_null'\n"},
    {"kernel_5_10",
     "Unrecognized arg#0 type PTR\n; v = lookup(&m, &k);\n0: (85) call bpf_map_lookup_elem#1\n; *v "
     "= 1;\n1: (7a) *(u64 *)(r0 +0) = 1\n R0_w=map_value_or_null(id=1,off=0,ks=4,vs=8,imm=0) "
     "R10=fp0\nR0 invalid mem access 'map_value_or_null'\nprocessed 2 insns (limit 1000000) "
     "max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n"},
    {"libbpf",
     "libbpf: prog 'f': BPF program load failed: Permission denied\nlibbpf: prog 'f': -- BEGIN "
     "PROG LOAD LOG --\n0: R1=ctx(off=0,imm=0) R10=fp0\n; v = lookup(&m, &k);\n0: (85) call "
     "bpf_map_lookup_elem#1    ; R0_w=map_value_or_null(id=1,off=0,ks=4,vs=8,imm=0)\n; *v = 1;\n1: "
     "(7a) *(u64 *)(r0 +0) = 1\nR0 invalid mem access 'map_value_or_null'\nprocessed 2 insns "
     "(limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n-- END PROG "
     "LOAD LOG --\nlibbpf: prog 'f': failed to load: -13\nlibbpf: failed to load object "
     "'a.bpf.o'\n",
     "f"},
    {"cilium_ebpf",
     "2026/01/02 10:00:00 loading objects: field F: program f: load program: permission "
     "denied:\n\t0: R1=ctx() R10=fp0\n\t; v = lookup(&m, &k); @ a.bpf.c:11\n\t0: (85) call "
     "bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=m,ks=4,vs=8)\n\t; *v = 1; @ "
     "a.bpf.c:12\n\t1: (7a) *(u64 *)(r0 +0) = 1\n\tR0 invalid mem access "
     "'map_value_or_null'\n\tprocessed 2 insns (limit 1000000) max_states_per_insn 0 total_states "
     "0 peak_states 0 mark_read 0\n"},
    {"aya_escaped",
     "Error: the BPF_PROG_LOAD syscall failed. Verifier output: \"0: R1=ctx() R10=fp0\\n; v = "
     "lookup(&m, &k); @ a.bpf.c:11\\n0: (85) call bpf_map_lookup_elem#1    ; "
     "R0=map_value_or_null(id=1,map=m,ks=4,vs=8)\\n; *v = 1; @ a.bpf.c:12\\n1: (7a) *(u64 *)(r0 "
     "+0) = 1\\nR0 invalid mem access 'map_value_or_null'\\nprocessed 2 insns (limit 1000000) "
     "max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\\n\"\n"},
    {"bcc",
     "bpf: Failed to load program: Permission denied\n; v = lookup(&m, &k);\n0: (85) call "
     "bpf_map_lookup_elem#1\n1: (7a) *(u64 *)(r0 +0) = 1\n "
     "R0=map_value_or_null(id=1,off=0,ks=4,vs=8,imm=0) R10=fp0\nR0 invalid mem access "
     "'map_value_or_null'\nprocessed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 "
     "peak_states 0 mark_read 0\n\nHINT: The 'map_value_or_null' means …\n"},
    {"bpftrace",
     "ERROR: Error loading BPF program for kprobe:f.\nKernel error log:\n0: (85) call "
     "bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=m,ks=4,vs=8)\n1: (7a) *(u64 *)(r0 "
     "+0) = 1\nR0 invalid mem access 'map_value_or_null'\nprocessed 2 insns (limit 1000000) "
     "max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n"},
    {"journal_and_colours",
     "Nov 28 10:00:01 host agent[12]: \033[31m0: (85) call bpf_map_lookup_elem#1    ; "
     "R0=map_value_or_null(id=1,map=m,ks=4,vs=8)\033[0m\r\nNov 28 10:00:01 host agent[12]: 1: (7a) "
     "*(u64 *)(r0 +0) = 1\r\nNov 28 10:00:02 host agent[12]: R0 invalid mem access "
     "'map_value_or_null'\r\n"},
};

TEST(Explain, the_same_rejection_is_found_in_what_every_loader_prints) {
  for (const Wrapped& w : kWrapped) {
    SCOPED_TRACE(w.name);
    const Diagnosis d = explain(w.text);
    EXPECT_EQ(d.rule, verifier::Rule::maybe_null_dereferenced);
    EXPECT_EQ(cause(d), "null_check_missing");
    EXPECT_EQ(d.insn, 1u);
    EXPECT_EQ(d.insn_text, "*(u64 *)(r0 +0) = 1");
    EXPECT_EQ(d.subject, "R0");
    EXPECT_EQ(d.program, w.program);
    EXPECT_THAT(history(d), HasSubstr("returned by bpf_map_lookup_elem"));
    EXPECT_THAT(d.known, HasSubstr("map_value_or_null"));
  }
}

TEST(Explain, source_lines_come_with_their_place_where_the_kernel_says_it) {
  const Diagnosis d = explain(kWrapped[0].text);
  EXPECT_EQ(d.file, "a.bpf.c");
  EXPECT_EQ(d.line, 12u);
  EXPECT_EQ(d.source_text, "*v = 1;");
  EXPECT_EQ(explain(kWrapped[1].text).source_text, "*v = 1;");
}

// Programs of this verifier; causes beyond the rule.
Diagnosis of(std::string_view type, std::string_view assembly) {
  verifier_cases::Case c;
  c.type = type;
  c.text = assembly;
  const Result<Program> program = verifier_cases::make_program(c);
  EXPECT_TRUE(program) << (program ? "" : program.error().text());
  if (!program) return {};
  verifier::Options options;
  options.log_level = verifier::kLogErrors;
  const verifier::Report report = verifier::verify(*program, options);
  EXPECT_TRUE(report.rejection) << report.log;
  return report.rejection ? diagnose(*report.rejection, report.log, *program) : Diagnosis{};
}

TEST(Explain, a_packet_pointer_is_stale_after_a_call_that_moves_the_packet) {
  const Diagnosis d = of("xdp", R"(
r6 = r1
r7 = *(u32 *)(r1 +0)
r8 = *(u32 *)(r1 +4)
r2 = r7
r2 += 14
if r2 > r8 goto out
r1 = r6
r2 = 0
call bpf_xdp_adjust_head
r0 = *(u8 *)(r7 +0)
out:
r0 = 1
exit
)");
  EXPECT_EQ(cause(d), "packet_pointer_stale");
  EXPECT_THAT(history(d), HasSubstr("bpf_xdp_adjust_head may change"));
}

TEST(Explain, a_check_of_the_packet_may_be_short_or_missing) {
  const std::string start = "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\n";
  EXPECT_EQ(cause(of("xdp", start + "r0 = *(u8 *)(r2 +0)\nexit\n")), "packet_check_missing");
  const Diagnosis d = of(
      "xdp",
      start + "r4 = r2\nr4 += 14\nif r4 > r3 goto out\nr0 = *(u8 *)(r2 +14)\nout:\nr0 = 1\nexit\n");
  EXPECT_EQ(cause(d), "packet_check_short");
  EXPECT_THAT(d.known, HasSubstr("bytes 14 to 14 are accessed; 14 bytes are known to exist"));
}

TEST(Explain, registers_are_unset_for_different_reasons) {
  EXPECT_EQ(cause(of("xdp", "r0 = r2\nexit\n")), "argument_not_passed");
  EXPECT_EQ(cause(of("xdp", "r0 = r7\nexit\n")), "register_never_set");
  EXPECT_EQ(cause(of("xdp", "exit\n")), "return_value_not_set");
  EXPECT_EQ(cause(of("xdp", "call bpf_ktime_get_ns\nr0 = r1\nexit\n")), "register_lost_by_call");
}

TEST(Explain, a_number_is_no_address_whatever_it_came_from) {
  EXPECT_EQ(cause(of("tracepoint", "r2 = *(u64 *)(r1 +16)\nr0 = *(u64 *)(r2 +0)\nexit\n")),
            "kernel_pointer_dereferenced");
  EXPECT_EQ(cause(of("xdp", "r2 = 0\nr0 = *(u64 *)(r2 +0)\nexit\n")), "null_on_this_path");
  EXPECT_EQ(cause(of("xdp", "r2 = *(u32 *)(r1 +0)\nw2 = w2\nr0 = *(u8 *)(r2 +0)\nexit\n")),
            "pointer_truncated");
}

TEST(Explain, a_value_is_followed_through_the_stack) {
  const Diagnosis d = of("tracepoint",
                         "r2 = *(u64 *)(r1 +16)\n*(u64 *)(r10 -8) = r2\nr3 = *(u64 *)(r10 -8)\nr4 "
                         "= r3\nr0 = *(u64 *)(r4 +0)\nexit\n");
  const std::string text = history(d);
  EXPECT_THAT(text, HasSubstr("r4: copied from r3"));
  EXPECT_THAT(text, HasSubstr("r3: loaded from the stack at fp-8"));
  EXPECT_THAT(text, HasSubstr("r2 saved to the stack at fp-8"));
  EXPECT_THAT(text, HasSubstr("field of the context at offset 16"));
}

TEST(Explain, numbers_of_old_and_new_logs_mean_the_same) {
  const LogValue now = parse_log_value(
      "R1", "scalar(id=3,smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))");
  const LogValue then = parse_log_value("R1", "inv(id=3,umax_value=255,var_off=(0x0; 0xff))");
  for (const LogValue& value : {now, then}) {
    EXPECT_TRUE(value.is_scalar());
    EXPECT_EQ(value.id, 3);
    EXPECT_EQ(value.umax, 255u);
    EXPECT_EQ(value.smin, 0);
    EXPECT_EQ(value.smax, 255);
  }
  EXPECT_TRUE(parse_log_value("R1", "invP7").is_constant);
  EXPECT_EQ(parse_log_value("R1", "-22").constant, -22);
  EXPECT_EQ(parse_log_value("R2", "fp-16").off, -16);
  EXPECT_EQ(parse_log_value("R2", "pkt(id=2,off=14,r=34,umax=65535)").range, 34);
}

TEST(Explain, a_path_is_followed_back_over_where_it_branched_off) {
  const Diagnosis d = explain(R"(0: R1=ctx() R10=fp0
0: (85) call bpf_get_prandom_u32#7    ; R0=scalar()
1: (bf) r6 = r0                       ; R0=scalar(id=1) R6=scalar(id=1)
2: (15) if r0 == 0x0 goto pc+2        ; R0=scalar(id=1)
3: (b7) r0 = 0                        ; R0=0
4: (95) exit

from 2 to 5: R0=0 R6=0 R10=fp0
5: (71) r0 = *(u8 *)(r6 +0)
R6 invalid mem access 'scalar'
)");
  EXPECT_THAT(history(d), HasSubstr("returned by bpf_get_prandom_u32"));
  EXPECT_THAT(history(d), testing::Not(HasSubstr("constant")));
}

TEST(Explain, any_bytes_are_no_more_than_unknown) {
  for (const std::string& text :
       {std::string("0: ("), std::string("from 1 to 2"), std::string("1: (zz) x\n"),
        std::string(100000, ':'), std::string(100000, '('), std::string(50000, '*'),
        std::string("0: (bf) r1 = r99\nR99 !read_ok\n"),
        std::string("R1=(((((((\n0: (95) exit\nx\n"), std::string("\0\xff\xfe 1: (95) exit\n", 17),
        std::string("0: (95) exit\nR4294967295999999999999 !read_ok\n")}) {
    const ParsedLog log = parse_verifier_log(text);
    for (const LogSegment& segment : log.segments) {
      const Diagnosis d = diagnose(log, segment, nullptr);
      EXPECT_FALSE(diagnosis_json(d).dump().empty());
      EXPECT_EQ(diagnosis_text(d, false).find('\033'), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace skep::report
