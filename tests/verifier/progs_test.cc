// C programs as people write them, compiled with clang: each is accepted, or refused with the message that
// its declaration tag "reject:…" says. Skipped where there is no clang 19.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/fd.h"
#include "object/object.h"
#include "spec/sections.h"
#include "test_paths.h"
#include "verifier/verifier.h"

namespace skep {
namespace {

class CompiledProgram : public testing::TestWithParam<std::string> {};

// Empty: to be accepted.
std::string expected_message(const btf::Btf& btf, std::string_view function) {
  const auto id = btf.find(function, btf::Kind::Func);
  if (!id) return {};
  for (btf::TypeId t = btf.type_begin(); t < btf.type_end(); ++t) {
    const btf::Type tag = btf.type(t);
    if (tag.kind() != btf::Kind::DeclTag || tag.referenced() != *id) continue;
    if (tag.name().starts_with("reject:")) return std::string(tag.name().substr(7));
  }
  return {};
}

TEST_P(CompiledProgram, has_the_verdict_that_it_says) {
  if (std::system("command -v clang-19 >/dev/null 2>&1") != 0) GTEST_SKIP() << "no clang-19";
  const std::string source = SKEP_SOURCE_DIR "/tests/verifier/progs/" + GetParam() + ".bpf.c";
  const std::string output =
      SKEP_BINARY_DIR "/verifier_" + GetParam() + "." + std::to_string(getpid()) + ".o";
  const std::string command =
      "clang-19 -g -O2 -Wall -target bpf -mcpu=v3 -c '" + source + "' -o '" + output + "'";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  const auto bytes = read_file(output);
  std::filesystem::remove(output);
  ASSERT_TRUE(bytes);
  const auto object = object::open_object(bytes_of(*bytes), GetParam());
  ASSERT_TRUE(object) << object.error().text();
  ASSERT_FALSE(object->programs().empty());
  for (uint32_t i = 0; i < object->programs().size(); ++i) {
    const object::ProgramSpec& spec = object->programs()[i];
    SCOPED_TRACE(spec.name);
    auto program = object->program(i);
    ASSERT_TRUE(program) << program.error().text();
    const auto section = spec::parse_section_name(spec.section);
    ASSERT_TRUE(section && section->section != nullptr) << spec.section;
    program->type = section->section->prog_type;
    if (section->section->has_attach_type)
      program->expected_attach_type = section->section->attach_type;
    for (size_t m = 0; m < program->maps.size(); ++m) {
      if (!object->maps()[m].freeze) continue;
      program->maps[m].frozen = true;
      program->maps[m].map_flags |= BPF_F_RDONLY_PROG;
      program->maps[m].constant_value = object->maps()[m].content;
    }
    verifier::Options options;
    options.log_level = 2;
    const verifier::Report report = verifier::verify(*program, options);
    const std::string message = expected_message(*object->btf(), spec.name);
    EXPECT_EQ(report.accepted(), message.empty()) << report.log;
    EXPECT_THAT(report.log, testing::HasSubstr(" @ " + GetParam() + ".bpf.c:"))
        << "no source lines";
    if (report.accepted()) continue;
    EXPECT_THAT(report.rejection->message, testing::HasSubstr(message)) << report.log;
    ASSERT_TRUE(report.rejection->source);
    EXPECT_GT(report.rejection->source->line, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(programs, CompiledProgram,
                         testing::Values("ringbuf", "packet", "maps", "functions"),
                         [](const testing::TestParamInfo<std::string>& c) { return c.param; });

}  // namespace
}  // namespace skep
