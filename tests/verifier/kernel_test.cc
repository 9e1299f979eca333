// The same cases, loaded into the running kernel: its verdict is ours. Skipped where bpf(2) is refused or
// the kernel is older than what the cases were written for.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "test_paths.h"
#include "verifier/case_file.h"
#include "verifier/random_program.h"
#include "verifier/soundness.h"

namespace skep {
namespace {

using verifier_cases::Case;

// The heads of bpf(2)'s attributes, as far as these commands use them.
struct MapCreate {
  uint32_t type, key_size, value_size, max_entries, flags, inner_map_fd, numa_node;
  char name[16];
  std::array<uint8_t, 80> rest{};
};
struct ProgLoad {
  uint32_t type, insn_count;
  uint64_t insns, license;
  uint32_t log_level, log_size;
  uint64_t log;
  uint32_t kern_version, flags;
  char name[16];
  uint32_t ifindex, expected_attach_type;
  std::array<uint8_t, 72> rest{};
};

long bpf(int command, void* attributes, size_t size) {
  return syscall(SYS_bpf, command, attributes, size);
}

class KernelCase : public testing::TestWithParam<Case> {};

TEST_P(KernelCase, is_judged_alike_by_the_kernel) {
  const Case& c = GetParam();
  if (c.unprivileged) GTEST_SKIP() << "needs an unprivileged loader";
  if (!c.kernel.empty() && c.kernel != "6.18") GTEST_SKIP() << "is for kernel " << c.kernel;
  if (!c.differs.empty()) GTEST_SKIP() << "differs: " << c.differs;
  utsname host{};
  uname(&host);
  int major = 0, minor = 0;
  if (std::sscanf(host.release, "%d.%d", &major, &minor) != 2 || major * 100 + minor < 618) {
    GTEST_SKIP() << "kernel " << host.release << " is older than 6.18";
  }
  const Result<Program> program = verifier_cases::make_program(c);
  ASSERT_TRUE(program);
  std::vector<int> fds;
  struct Closer {
    std::vector<int>& all;
    ~Closer() {
      for (int fd : all) close(fd);
    }
  } closer{fds};
  for (const MapDescriptor& map : program->maps) {
    MapCreate create{};
    create.type = static_cast<uint32_t>(map.type);
    create.key_size = map.key_size;
    create.value_size = map.value_size;
    create.max_entries = map.max_entries;
    create.flags = map.map_flags;
    std::snprintf(create.name, sizeof create.name, "%s", map.name.c_str());
    const long fd = bpf(0, &create, sizeof create);
    if (fd < 0) GTEST_SKIP() << "BPF_MAP_CREATE: " << std::strerror(errno);
    fds.push_back(static_cast<int>(fd));
  }
  std::vector<Insn> insns = program->insns;
  for (size_t i = 0; i + 1 < insns.size(); ++i) {
    if (!isa::is_ld_imm64(insns[i])) continue;
    if (insns[i].src == isa::BPF_PSEUDO_MAP_IDX || insns[i].src == isa::BPF_PSEUDO_MAP_IDX_VALUE) {
      insns[i].src = insns[i].src == isa::BPF_PSEUDO_MAP_IDX ? isa::BPF_PSEUDO_MAP_FD
                                                             : isa::BPF_PSEUDO_MAP_VALUE;
      insns[i].imm = fds.at(static_cast<size_t>(insns[i].imm));
    }
    ++i;
  }
  std::vector<char> log(1 << 20);
  ProgLoad load{};
  load.type = static_cast<uint32_t>(program->type);
  load.insn_count = static_cast<uint32_t>(insns.size());
  load.insns = reinterpret_cast<uint64_t>(insns.data());
  load.license = reinterpret_cast<uint64_t>(program->license.c_str());
  load.log_level = 2;
  load.log = reinterpret_cast<uint64_t>(log.data());
  load.log_size = static_cast<uint32_t>(log.size());
  load.flags = c.strict ? 1 : 0;
  load.expected_attach_type = static_cast<uint32_t>(program->expected_attach_type);
  const long fd = bpf(5, &load, sizeof load);
  const int error = errno;
  if (fd >= 0) fds.push_back(static_cast<int>(fd));
  if (fd < 0 && log[0] == 0 && (error == EPERM || error == ENOSYS)) {
    GTEST_SKIP() << "BPF_PROG_LOAD: " << std::strerror(error);
  }
  EXPECT_EQ(fd >= 0 ? "accept" : "reject", c.expect) << std::strerror(error) << "\n" << log.data();
  for (const std::string& message : c.messages) {
    EXPECT_NE(std::string_view(log.data()).find(message), std::string_view::npos)
        << "expected: " << message << "\n"
        << log.data();
  }
}

// Random programs: what we accept and the kernel refuses is listed, so that someone looks at it. Being more
// exact than the kernel (division, byte swaps, shifts by unknown amounts) is a reason; others are findings.
TEST(Kernel, judges_random_programs_alike) {
  MapCreate create{};
  create.type = static_cast<uint32_t>(MapType::BPF_MAP_TYPE_ARRAY);
  create.key_size = 4;
  create.value_size = soundness::Universe::kValueSize;
  create.max_entries = 1;
  std::snprintf(create.name, sizeof create.name, "m");
  const long map = bpf(0, &create, sizeof create);
  if (map < 0) GTEST_SKIP() << "BPF_MAP_CREATE: " << std::strerror(errno);
  const char* many = std::getenv("SKEP_RANDOM_PROGRAMS");
  const uint64_t count = many != nullptr ? std::strtoull(many, nullptr, 10) : 400;
  unsigned both = 0, neither = 0, laxer = 0, stricter = 0;
  std::string examples;
  for (uint64_t seed = 1; seed <= count; ++seed) {
    std::vector<Insn> insns = soundness::random_program(seed);
    const bool ours = soundness::judge(insns, seed, 0, {}).accepted;
    for (Insn& insn : insns) {
      if (!isa::is_ld_imm64(insn) || insn.src != isa::BPF_PSEUDO_MAP_IDX_VALUE) continue;
      insn.src = isa::BPF_PSEUDO_MAP_VALUE;
      insn.imm = static_cast<int32_t>(map);
    }
    ProgLoad load{};
    load.type = static_cast<uint32_t>(ProgType::BPF_PROG_TYPE_XDP);
    load.insn_count = static_cast<uint32_t>(insns.size());
    load.insns = reinterpret_cast<uint64_t>(insns.data());
    load.license = reinterpret_cast<uint64_t>("GPL");
    const long fd = bpf(5, &load, sizeof load);
    if (fd >= 0) close(static_cast<int>(fd));
    if (fd < 0 && (errno == EPERM || errno == ENOSYS)) {
      close(static_cast<int>(map));
      GTEST_SKIP() << "BPF_PROG_LOAD: " << std::strerror(errno);
    }
    const bool theirs = fd >= 0;
    ++(ours ? (theirs ? both : laxer) : (theirs ? stricter : neither));
    if (ours == theirs) continue;
    examples += fmt::format(" {}{}", ours ? "+" : "-", seed);
    if (theirs || many == nullptr) continue;
    std::vector<char> log(1 << 20);
    load.log_level = 1;
    load.log = reinterpret_cast<uint64_t>(log.data());
    load.log_size = static_cast<uint32_t>(log.size());
    static_cast<void>(bpf(5, &load, sizeof load));
    const std::string_view text(log.data());
    std::printf("seed %llu:\n%s\n", static_cast<unsigned long long>(seed),
                std::string(text.substr(text.size() > 700 ? text.size() - 700 : 0)).c_str());
  }
  close(static_cast<int>(map));
  std::printf("both %u, neither %u, only we %u, only the kernel %u:%s\n", both, neither, laxer,
              stricter, examples.c_str());
  EXPECT_LE(laxer + stricter, count / 20) << examples;
}

INSTANTIATE_TEST_SUITE_P(
    cases, KernelCase,
    testing::ValuesIn(verifier_cases::load_cases(SKEP_SOURCE_DIR "/tests/verifier/cases")),
    [](const testing::TestParamInfo<Case>& c) {
      std::string name = c.param.file + "_" + c.param.name;
      std::replace_if(name.begin(), name.end(), [](char ch) { return std::isalnum(ch) == 0; }, '_');
      return name;
    });

}  // namespace
}  // namespace skep
