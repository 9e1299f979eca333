#include "kernel_program.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace skep::bench {

namespace {

// The parts of bpf_attr that are used here.
struct MapCreate {
  uint32_t map_type, key_size, value_size, max_entries, map_flags;
};
struct MapUpdate {
  uint32_t map_fd, pad;
  uint64_t key, value, flags;
};
struct ProgLoad {
  uint32_t prog_type, insn_cnt;
  uint64_t insns, license;
  uint32_t log_level, log_size;
  uint64_t log_buf;
  uint32_t kern_version, prog_flags;
  char name[16];
  uint32_t prog_ifindex, expected_attach_type;
};
struct TestRun {
  uint32_t prog_fd, retval, data_size_in, data_size_out;
  uint64_t data_in, data_out;
  uint32_t repeat, duration, ctx_size_in, ctx_size_out;
  uint64_t ctx_in, ctx_out;
  uint32_t flags, cpu, batch_size, pad;
};
enum : int { kMapCreate = 0, kMapUpdate = 2, kProgLoad = 5, kProgTestRun = 10 };

template <class T>
long bpf(int command, T& attributes) {
  return syscall(SYS_bpf, command, &attributes, sizeof attributes);
}
uint64_t address(const void* of) { return reinterpret_cast<uint64_t>(of); }

}  // namespace

Result<KernelProgram> KernelProgram::load(const Program& program,
                                          const std::vector<std::vector<std::byte>>& contents) {
  KernelProgram made;
  for (size_t i = 0; i < program.maps.size(); i++) {
    const MapDescriptor& map = program.maps[i];
    MapCreate create{static_cast<uint32_t>(map.type), map.key_size, map.value_size, map.max_entries,
                     0};
    Fd fd(static_cast<int>(bpf(kMapCreate, create)));
    if (!fd) return fail_errno(errno, "BPF_MAP_CREATE");
    if (!contents[i].empty()) {
      uint32_t key = 0;
      MapUpdate update{static_cast<uint32_t>(fd.get()), 0, address(&key),
                       address(contents[i].data()), 0};
      if (bpf(kMapUpdate, update) != 0) return fail_errno(errno, "BPF_MAP_UPDATE_ELEM");
    }
    made.maps_.push_back(std::move(fd));
  }
  std::vector<Insn> insns = program.insns;
  for (size_t i = 0; i < insns.size(); i++) {
    if (!isa::is_ld_imm64(insns[i])) continue;
    bool value = insns[i].src == isa::BPF_PSEUDO_MAP_IDX_VALUE;
    if (value || insns[i].src == isa::BPF_PSEUDO_MAP_IDX) {
      insns[i].src = value ? isa::BPF_PSEUDO_MAP_VALUE : isa::BPF_PSEUDO_MAP_FD;
      insns[i].imm = made.maps_[static_cast<size_t>(insns[i].imm)].get();
    }
    i++;
  }
  ProgLoad load{};
  load.prog_type = static_cast<uint32_t>(ProgType::BPF_PROG_TYPE_SCHED_CLS);
  load.insn_cnt = static_cast<uint32_t>(insns.size());
  load.insns = address(insns.data());
  load.license = address("GPL");
  made.program_ = Fd(static_cast<int>(bpf(kProgLoad, load)));
  if (!made.program_) {
    int code = errno;
    std::vector<char> log(1 << 20);
    load.log_level = 1;
    load.log_size = static_cast<uint32_t>(log.size());
    load.log_buf = address(log.data());
    (void)bpf(kProgLoad, load);
    std::string text(log.data());
    return fail_errno(code, "BPF_PROG_LOAD: {}",
                      text.substr(text.size() > 400 ? text.size() - 400 : 0));
  }
  return made;
}

Result<KernelRun> KernelProgram::run(uint32_t repeat) {
  std::array<char, 64> packet{};
  TestRun test{};
  test.prog_fd = static_cast<uint32_t>(program_.get());
  test.data_size_in = packet.size();
  test.data_in = address(packet.data());
  test.repeat = repeat;
  while (bpf(kProgTestRun, test) != 0)
    if (errno != EINTR && errno != EAGAIN) return fail_errno(errno, "BPF_PROG_TEST_RUN");
  return KernelRun{.result = test.retval, .ns = static_cast<double>(test.duration)};
}

}  // namespace skep::bench
