// C programs that call kernel functions, against the BTF of kernel/kernel.c, which stands in for a kernel's: each is
// accepted, or refused with (one of) the messages that its declaration tag "reject:…" says. Skipped where there is no
// clang 19.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/fd.h"
#include "object/attach_target.h"
#include "object/object.h"
#include "spec/sections.h"
#include "test_paths.h"
#include "verifier/verifier.h"

namespace skep {
namespace {

std::vector<std::byte> compile(const std::string& name, const std::string& suffix) {
  const std::string source = SKEP_SOURCE_DIR "/tests/verifier/kernel/" + name + suffix;
  const std::string output =
      SKEP_BINARY_DIR "/verifier_kernel_" + name + "." + std::to_string(getpid()) + ".o";
  const std::string command =
      "clang-19 -g -O2 -Wall -Wno-visibility -Wno-unused -target bpf -mcpu=v3 -c '" + source +
      "' -o '" + output + "'";
  std::vector<std::byte> bytes;
  if (std::system(command.c_str()) == 0) {
    if (auto read = read_file(output)) {
      const ByteSpan span = bytes_of(*read);
      bytes.assign(span.begin(), span.end());
    }
  }
  std::filesystem::remove(output);
  return bytes;
}

std::string expected_message(const btf::Btf& btf, std::string_view function) {
  const auto id = btf.find(function, btf::Kind::Func);
  if (!id) return {};
  for (btf::TypeId t = btf.type_begin(); t < btf.type_end(); ++t) {
    const btf::Type tag = btf.type(t);
    if (tag.kind() == btf::Kind::DeclTag && tag.referenced() == *id &&
        tag.name().starts_with("reject:")) {
      return std::string(tag.name().substr(7));
    }
  }
  return {};
}

bool has_one_of(std::string_view text, std::string_view messages) {
  for (;;) {
    const size_t bar = messages.find('|');
    if (text.find(messages.substr(0, bar)) != std::string_view::npos) return true;
    if (bar == std::string_view::npos) return false;
    messages.remove_prefix(bar + 1);
  }
}

TEST(KernelPrograms, have_the_verdicts_that_they_say) {
  if (std::system("command -v clang-19 >/dev/null 2>&1") != 0) GTEST_SKIP() << "no clang-19";
  const auto kernel_bytes = compile("kernel", ".c");
  ASSERT_FALSE(kernel_bytes.empty());
  const auto kernel = object::open_object(kernel_bytes, "kernel");
  ASSERT_TRUE(kernel) << kernel.error().text();
  const std::vector<std::shared_ptr<const btf::Btf>> btfs{kernel->btf()};
  const auto bytes = compile("kfuncs", ".bpf.c");
  ASSERT_FALSE(bytes.empty());
  const auto object = object::open_object(bytes, "kfuncs");
  ASSERT_TRUE(object) << object.error().text();
  object::Target target;
  target.btfs = btfs;
  for (uint32_t i = 0; i < object->programs().size(); ++i) {
    const object::ProgramSpec& spec = object->programs()[i];
    SCOPED_TRACE(spec.name);
    auto program = object->program(i, target);
    ASSERT_TRUE(program) << program.error().text();
    const auto section = spec::parse_section_name(spec.section);
    ASSERT_TRUE(section && section->section != nullptr) << spec.section;
    const auto attached = object::set_attach_target(*program, *section, btfs);
    ASSERT_TRUE(attached) << attached.error().text();
    verifier::Options options;
    options.log_level = 2;
    options.kernel_btf = btfs[0];
    const verifier::Report report = verifier::verify(*program, options);
    const std::string message = expected_message(*object->btf(), spec.name);
    EXPECT_EQ(report.accepted(), message.empty()) << report.log;
    if (report.accepted() || message.empty()) continue;
    EXPECT_TRUE(has_one_of(report.rejection->message, message)) << "wanted: " << message << "\n"
                                                                << report.log;
  }
}

}  // namespace
}  // namespace skep
