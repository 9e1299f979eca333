// jit-PID.dump, parsed back.
#include "vm/jit/jitdump.h"

#include <gtest/gtest.h>

#include <cstring>

#include "btf/builder.h"
#include "isa/assembler.h"
#include "verifier/verifier.h"

namespace skep::jit {
namespace {

class Reader {
 public:
  explicit Reader(ByteSpan bytes) : left_(bytes) {}
  template <class T>
  T number() {
    T value{};
    if (left_.size() < sizeof value) {
      ADD_FAILURE() << "the dump ends early";
      left_ = {};
      return value;
    }
    std::memcpy(&value, left_.data(), sizeof value);
    left_ = left_.subspan(sizeof value);
    return value;
  }
  std::string text() {
    std::string made;
    while (char c = static_cast<char>(number<uint8_t>())) made += c;
    return made;
  }
  ByteSpan bytes(size_t count) {
    EXPECT_LE(count, left_.size());
    ByteSpan found = left_.first(std::min(count, left_.size()));
    left_ = left_.subspan(found.size());
    return found;
  }
  [[nodiscard]] size_t left() const { return left_.size(); }

 private:
  ByteSpan left_;
};

Program two_functions() {
  Program program;
  program.type = ProgType::BPF_PROG_TYPE_SCHED_CLS;
  program.name = "test";
  program.insns = *isa::assemble_insns("call f\n exit\n f: r0 = 3\n exit");
  btf::BtfBuilder btf;
  const uint32_t file = btf.add_string("test.bpf.c");
  program.btf = *btf::Btf::parse(btf.bytes());
  program.line_info = {{.insn_off = 0, .file_name_off = file, .line_off = 0, .line_col = 7 << 10},
                       {.insn_off = 2, .file_name_off = file, .line_off = 0, .line_col = 3 << 10}};
  return program;
}

TEST(JitDump, has_the_code_name_and_lines_of_each_function) {
  auto memory = make_private_code_memory(1 << 16);
  ASSERT_TRUE(memory);
  verifier::Report report = verifier::verify(two_functions(), {});
  ASSERT_TRUE(report.verified) << report.rejection->message;
  const VerifiedProgram& program = *report.verified;
  auto code = compile(program, {}, **memory);
  ASSERT_TRUE(code) << code.error().text();
  JitDump dump(77, 1000);
  dump.add(program, *code, "0123456789abcdef", 88, 2000);
  std::vector<std::byte> bytes = dump.take();
  Reader in(bytes);
  EXPECT_EQ(in.number<uint32_t>(), 0x4a695444u);
  EXPECT_EQ(in.number<uint32_t>(), 1u);
  EXPECT_EQ(in.number<uint32_t>(), 40u);
  in.number<uint32_t>();  // this machine
  EXPECT_EQ(in.number<uint32_t>(), 0u);
  EXPECT_EQ(in.number<uint32_t>(), 77u);
  EXPECT_EQ(in.number<uint64_t>(), 1000u);
  EXPECT_EQ(in.number<uint64_t>(), 0u);
  for (uint32_t f = 0; f < 2; f++) {
    const uint64_t start = code->block.address + code->subprograms[f];
    size_t before = in.left();
    EXPECT_EQ(in.number<uint32_t>(), 2u);  // lines first
    uint32_t size = in.number<uint32_t>();
    EXPECT_EQ(in.number<uint64_t>(), 2000u);
    EXPECT_EQ(in.number<uint64_t>(), start);
    ASSERT_EQ(in.number<uint64_t>(), 1u);
    EXPECT_GE(in.number<uint64_t>(), start);
    EXPECT_EQ(in.number<uint32_t>(), f == 0 ? 7u : 3u);
    EXPECT_EQ(in.number<uint32_t>(), 0u);
    EXPECT_EQ(in.text(), "test.bpf.c");
    EXPECT_EQ(before - in.left(), size);

    before = in.left();
    EXPECT_EQ(in.number<uint32_t>(), 0u);
    size = in.number<uint32_t>();
    EXPECT_EQ(in.number<uint64_t>(), 2000u);
    EXPECT_EQ(in.number<uint32_t>(), 88u);
    EXPECT_EQ(in.number<uint32_t>(), 88u);
    EXPECT_EQ(in.number<uint64_t>(), start);
    EXPECT_EQ(in.number<uint64_t>(), start);
    const auto length = in.number<uint64_t>();
    EXPECT_EQ(length, (f == 0 ? code->subprograms[1] : code->code_size) - code->subprograms[f]);
    EXPECT_EQ(in.number<uint64_t>(), f);
    EXPECT_EQ(in.text(), "bpf_prog_0123456789abcdef_test");
    ByteSpan copy = in.bytes(length);
    EXPECT_EQ(std::memcmp(copy.data(), code->code().data() + code->subprograms[f], length), 0);
    EXPECT_EQ(before - in.left(), size);
  }
  EXPECT_EQ(in.left(), 0u);

  // Another process later: no second header.
  dump.add(program, *code, "0123456789abcdef", 99, 3000);
  bytes = dump.take();
  Reader more(bytes);
  EXPECT_EQ(more.number<uint32_t>(), 2u);
  (*memory)->free(code->block);
}

}  // namespace
}  // namespace skep::jit
