// The disassembler against the running kernel's own: the verifier's log at level 2 shows each instruction as it
// walks it.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <regex>
#include <sstream>

#include "isa/assembler.h"
#include "isa/disassembler.h"

namespace skep::isa {
namespace {

struct LoadAttr {
  uint32_t type;
  uint32_t insn_count;
  uint64_t insns, license;
  uint32_t log_level, log_size;
  uint64_t log;
  uint32_t kern_version, flags;
};

// One of each that a program may hold without maps, on a path that all of it lies on.
constexpr const char* kAll = R"(
    r0 = 5
    w1 = -1
    r2 = r10
    w1 = (s8)w0
    r1 = (s32)r0
    r1 = -r1
    w1 = -w1
    r1 s/= r0
    w1 s/= 7
    r1 s%= 7
    r1 s>>= 3
    w1 <<= 3
    r1 >>= r0
    r1 *= r0
    r1 ^= 77
    r0 = be16 r0
    r0 = le64 r0
    r1 = bswap32 r1
    *(u64 *)(r10 -8) = 255
    *(u64 *)(r10 -16) = r0
    *(u8 *)(r10 -1) = -1
    r1 = *(u32 *)(r10 -8)
    r1 = *(s16 *)(r10 -2)
    lock *(u64 *)(r10 -8) += r0
    lock *(u32 *)(r10 -8) ^= r0
    r0 = atomic64_fetch_add((u64 *)(r10 -8), r0)
    r1 = atomic_fetch_and((u32 *)(r10 -8), r1)
    r1 = atomic64_xchg((u64 *)(r10 -8), r1)
    r0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r1)
    r1 = load_acquire((u8 *)(r10 -8))
    store_release((u64 *)(r10 -8), r0)
    r0 = 0
    r1 = 0
    if r0 == 0x5 goto pc+1
    goto pc+0
    gotol pc+0
    may_goto pc+0
    if w0 s> w1 goto pc+0
    if w0 s> 0xfffffffd goto pc+0
    if r1 & 0xffffffff goto pc+0
    call 5
    call pc+2
    r0 = 0
    exit
    r0 = 0
    exit
)";

TEST(Disassembler, writes_what_the_running_kernel_logs) {
  auto insns = assemble_insns(kAll);
  ASSERT_TRUE(insns) << insns.error().text();
  std::string log(1 << 20, '\0');
  LoadAttr attr{.type = 1,  // BPF_PROG_TYPE_SOCKET_FILTER
                .insn_count = static_cast<uint32_t>(insns->size()),
                .insns = reinterpret_cast<uint64_t>(insns->data()),
                .license = reinterpret_cast<uint64_t>("GPL"),
                .log_level = 2,
                .log_size = static_cast<uint32_t>(log.size()),
                .log = reinterpret_cast<uint64_t>(log.data()),
                .kern_version = 0,
                .flags = 0};
  const long fd = syscall(SYS_bpf, 5, &attr, sizeof attr);
  if (fd < 0)
    GTEST_SKIP() << "the kernel does not load the program: " << errno_text(errno) << "\n"
                 << log.c_str();
  close(static_cast<int>(fd));

  std::map<size_t, std::string> logged;
  const std::regex instruction(R"((\d+): (\([0-9a-f]{2}\) .*?)\s*(;.*)?)");
  std::istringstream lines(log.c_str());
  for (std::string line; std::getline(lines, line);) {
    std::smatch found;
    if (std::regex_match(line, found, instruction)) logged.emplace(std::stoul(found[1]), found[2]);
  }
  ASSERT_EQ(logged.size(), insns->size()) << log.c_str();
  const DisassemblyOptions options{
      .helper_name = [](const void*, int32_t) { return std::string_view("bpf_ktime_get_ns"); },
      .opcodes = true};
  for (const auto& [index, text] : logged) EXPECT_EQ(disassemble(*insns, index, options), text);
}

}  // namespace
}  // namespace skep::isa
