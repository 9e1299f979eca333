// BPF_PROG_LOAD, BPF_PROG_TEST_RUN, BPF_BTF_LOAD, BPF_PROG_BIND_MAP, BPF_ENABLE_STATS.
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "engine/user/memory.h"
#include "engine/user/user_engine.h"

namespace skep::engine {

using namespace user;

namespace {

constexpr uint32_t kMaxInsns = 1'000'000;
constexpr uint32_t BPF_F_STRICT_ALIGNMENT = 1u << 0, BPF_F_ANY_ALIGNMENT = 1u << 1,
                   BPF_F_TEST_RND_HI32 = 1u << 2, BPF_F_TEST_STATE_FREQ = 1u << 3,
                   BPF_F_SLEEPABLE = 1u << 4, BPF_F_XDP_HAS_FRAGS = 1u << 5,
                   BPF_F_XDP_DEV_BOUND_ONLY = 1u << 6, BPF_F_TEST_REG_INVARIANTS = 1u << 7;
constexpr uint32_t kKnownFlags =
    BPF_F_STRICT_ALIGNMENT | BPF_F_ANY_ALIGNMENT | BPF_F_TEST_RND_HI32 | BPF_F_TEST_STATE_FREQ |
    BPF_F_SLEEPABLE | BPF_F_XDP_HAS_FRAGS | BPF_F_XDP_DEV_BOUND_ONLY | BPF_F_TEST_REG_INVARIANTS;

// The log as bpf(2) gives it: as much as fits with a NUL. ENOSPC where it does not fit whole.
Result<> give_log(uint64_t buffer, uint32_t capacity, std::string_view log) {
  if (buffer == 0 || capacity == 0) return {};
  size_t fits = std::min<size_t>(log.size(), capacity - 1);
  std::string text(log.substr(
      log.size() - fits));  // the end is what matters, as the kernel's rotating log has it
  text.push_back('\0');
  SKEP_CHECK(copy_out(buffer, bytes_of(text)));
  if (fits < log.size())
    return fail(ENOSPC, "the log needs {} bytes, {} were given", log.size() + 1, capacity);
  return {};
}

template <class Info>
Result<std::vector<Info>> read_records(uint64_t address, uint32_t count, uint32_t record_size,
                                       uint32_t limit) {
  std::vector<Info> records;
  if (count == 0) return records;
  if (count > limit) return fail(EINVAL, "{} records, at most {} can be", count, limit);
  if (record_size < sizeof(Info) || record_size > 256 || record_size % 4 != 0) {
    return fail(EINVAL, "records of {} bytes, at least {} were expected", record_size,
                sizeof(Info));
  }
  SKEP_TRY(bytes, copy_in(address, size_t{count} * record_size));
  records.reserve(count);
  for (uint32_t i = 0; i < count; ++i)
    records.push_back(load<Info>(bytes.data() + size_t{i} * record_size));
  return records;
}

}  // namespace

Result<int64_t> UserEngine::prog_load(void* raw, uint32_t size) {
  SKEP_TRY(attr, read_attr<ProgLoadAttr>(raw, size));
  if ((attr.prog_flags & ~kKnownFlags) != 0)
    return fail(EINVAL, "prog_flags {:#x}: unknown", attr.prog_flags);
  if (attr.insn_cnt == 0 || attr.insn_cnt > kMaxInsns) {
    return fail(E2BIG, "{} instructions, 1 to {} were expected", attr.insn_cnt, kMaxInsns);
  }
  if (attr.prog_ifindex != 0)
    return fail(EINVAL, "programs offloaded to a network device need a kernel");
  if (attr.core_relo_cnt != 0) return fail(EINVAL, "CO-RE relocations are the loader's");
  runtime::ProgLoad load;
  Program& program = load.program;
  size_t length = 0;
  while (length < sizeof attr.prog_name && attr.prog_name[length] != '\0') ++length;
  if (length == sizeof attr.prog_name) return fail(EINVAL, "prog_name has no NUL in its 16 bytes");
  program.name.assign(attr.prog_name, length);
  program.type = static_cast<ProgType>(attr.prog_type);
  program.expected_attach_type = static_cast<AttachType>(attr.expected_attach_type);
  program.flags = attr.prog_flags;
  program.kern_version = attr.kern_version;
  SKEP_TRY(license, copy_string_in(attr.license, 128));
  program.license = license;
  program.insns.resize(attr.insn_cnt);
  SKEP_CHECK(copy_in(program.insns.data(), attr.insns, program.insns.size() * sizeof(Insn)));
  program.attach_btf_id = attr.attach_btf_id;
  if (attr.attach_btf_id != 0) {
    SKEP_TRY(vmlinux, vmlinux_btf());
    program.attach_btf = vmlinux;
  }
  if (attr.prog_btf_fd != 0) {
    auto btf = descriptors_.get<runtime::BtfObject>(attr.prog_btf_fd);
    if (!btf) return fail(btf, "prog_btf_fd");
    load.btf = *btf;
    SKEP_TRY(functions, read_records<FuncInfo>(attr.func_info, attr.func_info_cnt,
                                               attr.func_info_rec_size, attr.insn_cnt));
    SKEP_TRY(lines, read_records<LineInfo>(attr.line_info, attr.line_info_cnt,
                                           attr.line_info_rec_size, attr.insn_cnt));
    program.func_info = std::move(functions);
    program.line_info = std::move(lines);
  } else if (attr.func_info_cnt != 0 || attr.line_info_cnt != 0) {
    return fail(EINVAL, "func_info and line_info need prog_btf_fd");
  }

  // Descriptors in instructions become indexes; a map named twice is one.
  auto use_map = [&](int32_t fd) -> Result<int32_t> {
    SKEP_TRY(map, descriptors_.get<runtime::MapObject>(fd));
    for (size_t i = 0; i < load.maps.size(); ++i) {
      if (load.maps[i] == map) return static_cast<int32_t>(i);
    }
    if (load.maps.size() == 64) return fail(E2BIG, "more than 64 maps");
    load.maps.push_back(map);
    return static_cast<int32_t>(load.maps.size() - 1);
  };
  for (size_t i = 0; i + 1 < program.insns.size(); ++i) {
    Insn& insn = program.insns[i];
    if (!isa::is_ld_imm64(insn)) continue;
    ++i;
    int32_t fd = insn.imm;
    switch (insn.src) {
      case isa::BPF_PSEUDO_MAP_IDX:
      case isa::BPF_PSEUDO_MAP_IDX_VALUE:
        if (attr.fd_array == 0)
          return fail(EPROTO, "insn {}: fd_idx without fd_array is invalid", i - 1);
        if (fd < 0) return fail(EINVAL, "insn {}: index {} into fd_array", i - 1, fd);
        SKEP_CHECK(copy_in(&fd, attr.fd_array + 4 * static_cast<uint64_t>(fd), sizeof fd));
        break;
      case isa::BPF_PSEUDO_MAP_FD:
      case isa::BPF_PSEUDO_MAP_VALUE: break;
      default: continue;
    }
    auto index = use_map(fd);
    if (!index) return fail(index, "insn {}: fd {} is not pointing to valid bpf_map", i - 1, fd);
    bool value = insn.src == isa::BPF_PSEUDO_MAP_VALUE || insn.src == isa::BPF_PSEUDO_MAP_IDX_VALUE;
    insn.src = value ? isa::BPF_PSEUDO_MAP_IDX_VALUE : isa::BPF_PSEUDO_MAP_IDX;
    insn.imm = *index;
  }

  load.verify.log_level = attr.log_level;
  load.verify.test_state_freq = (attr.prog_flags & BPF_F_TEST_STATE_FREQ) != 0;
  load.verify.strict_alignment = (attr.prog_flags & BPF_F_STRICT_ALIGNMENT) != 0;
  SKEP_TRY(loaded, runtime_->load_program(std::move(load)));
  attr.log_true_size = static_cast<uint32_t>(loaded.report.log.size() + 1);
  SKEP_CHECK(write_attr(raw, size, attr));
  auto logged = give_log(attr.log_buf, attr.log_size, loaded.report.log);
  if (!loaded.program) {
    const verifier::Rejection& why = *loaded.report.rejection;
    return fail(why.error, "program {}: insn {}: {}", std::string_view(attr.prog_name, length),
                why.insn, why.message);
  }
  if (!logged) return fail(logged);
  SKEP_TRY(fd, descriptors_.open(loaded.program));
  return fd;
}

Result<int64_t> UserEngine::prog_test_run(void* raw, uint32_t size) {
  SKEP_TRY(attr, read_attr<TestRunAttr>(raw, size));
  SKEP_TRY(program, descriptors_.get<runtime::ProgObject>(attr.prog_fd));
  if (attr.flags != 0 || attr.cpu != 0 || attr.batch_size != 0) {
    return fail(EINVAL, "program {}: flags {:#x}, cpu {} and batch_size {} must be 0",
                program->header().name, attr.flags, attr.cpu, attr.batch_size);
  }
  if ((attr.ctx_size_in != 0) != (attr.ctx_in != 0) ||
      (attr.ctx_size_out != 0) != (attr.ctx_out != 0)) {
    return fail(EINVAL, "program {}: a context has both an address and a size",
                program->header().name);
  }
  SKEP_TRY(data, copy_in(attr.data_in, attr.data_size_in));
  SKEP_TRY(ctx, copy_in(attr.ctx_in, attr.ctx_size_in));
  runtime::RunInput input;
  input.data = data;
  input.ctx = ctx;
  input.repeat = std::max<uint32_t>(1, attr.repeat);
  SKEP_TRY(output, runtime_->run(*program, input));
  attr.retval = output.retval;
  attr.duration = static_cast<uint32_t>(std::min<uint64_t>(output.mean_ns, UINT32_MAX));
  // As the kernel: what fits is given, the true size is told, ENOSPC where it did not fit.
  bool short_of_room = false;
  auto give = [&](uint64_t address, uint32_t& capacity,
                  const std::vector<std::byte>& bytes) -> Result<> {
    uint32_t room = capacity;
    capacity = static_cast<uint32_t>(bytes.size());
    if (address == 0) return {};
    // A size of 0 with an address means "it is large enough", for callers older than the size.
    size_t fits = room == 0 ? bytes.size() : std::min<size_t>(room, bytes.size());
    short_of_room |= fits < bytes.size();
    return copy_out(address, ByteSpan(bytes).first(fits));
  };
  SKEP_CHECK(give(attr.data_out, attr.data_size_out, output.data));
  SKEP_CHECK(give(attr.ctx_out, attr.ctx_size_out, output.ctx));
  SKEP_CHECK(write_attr(raw, size, attr));
  if (short_of_room)
    return fail(ENOSPC, "program {}: the output is larger than its buffer", program->header().name);
  return 0;
}

Result<int64_t> UserEngine::btf_load(void* raw, uint32_t size) {
  SKEP_TRY(attr, read_attr<BtfLoadAttr>(raw, size));
  constexpr uint32_t kMaxBtf = 16u << 20;
  if (attr.btf_size > kMaxBtf)
    return fail(E2BIG, "BTF of {} bytes, the limit is {}", attr.btf_size, kMaxBtf);
  SKEP_TRY(bytes, copy_in(attr.btf, attr.btf_size));
  auto object = runtime_->load_btf(bytes);
  if (!object) {
    if (attr.btf_log_level != 0) {
      SKEP_CHECK(give_log(attr.btf_log_buf, attr.btf_log_size, object.error().text() + "\n"));
    }
    return fail(object);
  }
  SKEP_TRY(fd, descriptors_.open(*object));
  return fd;
}

Result<int64_t> UserEngine::prog_bind_map(void* raw, uint32_t size) {
  SKEP_TRY(attr, read_attr<ProgBindMapAttr>(raw, size));
  if (attr.flags != 0) return fail(EINVAL, "flags {:#x}: none are known", attr.flags);
  SKEP_TRY(program, descriptors_.get<runtime::ProgObject>(attr.prog_fd));
  SKEP_TRY(map, descriptors_.get<runtime::MapObject>(attr.map_fd));
  program->bind(map);
  return 0;
}

Result<int64_t> UserEngine::enable_stats(void* raw, uint32_t size) {
  SKEP_TRY(attr, read_attr<EnableStatsAttr>(raw, size));
  if (attr.type != 0)
    return fail(EINVAL, "statistics of type {}: only BPF_STATS_RUN_TIME (0) is known", attr.type);
  // Run counts are always kept; holding this descriptor adds run times.
  SKEP_TRY(fd, descriptors_.open(runtime_->enable_run_times()));
  return fd;
}

}  // namespace skep::engine
