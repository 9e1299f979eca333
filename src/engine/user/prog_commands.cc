// BPF_PROG_LOAD, BPF_BTF_LOAD, BPF_PROG_BIND_MAP, BPF_ENABLE_STATS, BPF_PROG_STREAM_READ_BY_FD.
#include <algorithm>

#include "engine/user/user_engine.h"
#include "spec/attach_types.h"
#include "spec/prog_types.h"

namespace skep::engine {

using namespace user;

namespace {

constexpr uint32_t kMaxInsns = 1'000'000;
constexpr uint32_t kMaxMaps = 64;
constexpr uint32_t BPF_F_STRICT_ALIGNMENT = 1u << 0, BPF_F_TEST_STATE_FREQ = 1u << 3,
                   BPF_F_SLEEPABLE = 1u << 4;
// … ANY_ALIGNMENT, TEST_RND_HI32, XDP_HAS_FRAGS, XDP_DEV_BOUND_ONLY, TEST_REG_INVARIANTS. (TOKEN_FD apart.)
constexpr uint32_t kKnownFlags = 0xff;
constexpr uint32_t kLogLevels = 3, kLogMask = 0xf, kLogFixed = 8;

// How the caller wants the log: EINVAL where a buffer, its size and the level don't fit each other.
struct LogRequest {
  uint64_t buffer = 0;
  uint32_t size = 0, level = 0;

  [[nodiscard]] Result<> check() const {
    if ((buffer != 0) != (size != 0))
      return fail(EINVAL, "a log has both a buffer and a size, or neither");
    if (buffer != 0 && level == 0) return fail(EINVAL, "a log buffer needs a log level");
    if ((level & ~kLogMask) != 0) return fail(EINVAL, "log level {:#x}: unknown bits", level);
    if (size > UINT32_MAX >> 2) return fail(EINVAL, "a log of {} bytes", size);
    return {};
  }
  // As much as fits with a NUL, the end of it, or with BPF_LOG_FIXED the beginning. ENOSPC where it is cut.
  [[nodiscard]] Result<> give(const Caller& caller, std::string_view log) const {
    if (buffer == 0) return {};
    size_t fits = std::min<size_t>(log.size(), size - 1);
    std::string text((level & kLogFixed) != 0 ? log.substr(0, fits)
                                              : log.substr(log.size() - fits));
    text.push_back('\0');
    SKEP_CHECK(caller.copy_out(buffer, bytes_of(text)));
    if (fits < log.size())
      return fail(ENOSPC, "the log needs {} bytes, {} were given", log.size() + 1, size);
    return {};
  }
};

// BTF.ext's records: longer ones than ours are taken where the rest is 0.
template <class Info>
Result<std::vector<Info>> read_records(const Caller& caller, uint64_t address, uint32_t count,
                                       uint32_t record_size, uint32_t limit) {
  std::vector<Info> records;
  if (count == 0) return records;
  if (count > limit) return fail(EINVAL, "{} records, at most {} can be", count, limit);
  if (record_size < sizeof(Info) || record_size > 256 || record_size % 4 != 0) {
    return fail(EINVAL, "records of {} bytes, at least {} were expected", record_size,
                sizeof(Info));
  }
  SKEP_TRY(bytes, caller.copy_in(address, size_t{count} * record_size));
  records.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    const std::byte* record = bytes.data() + size_t{i} * record_size;
    for (size_t at = sizeof(Info); at < record_size; ++at) {
      if (record[at] != std::byte{0}) return fail(E2BIG, "record {}: byte {} is set", i, at);
    }
    records.push_back(load<Info>(record));
  }
  return records;
}

// Descriptors of the maps that a program names become indexes into `maps`; a map named twice is one.
class MapReferences {
 public:
  MapReferences(const Caller& caller, const ProgLoadAttr& attr, runtime::ProgLoad& load)
      : caller_(caller), attr_(attr), load_(load) {}

  Result<> resolve() {
    // With a count, all of fd_array is the program's, BTF among it.
    for (uint32_t i = 0; attr_.fd_array != 0 && i < attr_.fd_array_cnt; ++i) {
      int32_t fd = 0;
      SKEP_CHECK(caller_.copy_in(&fd, attr_.fd_array + 4 * uint64_t{i}, sizeof fd));
      if (fd == 0) return fail(EINVAL, "fd_array[{}] is empty", i);
      auto map = caller_.get<runtime::MapObject>(fd);
      if (map) {
        SKEP_CHECK(use(*map));
      } else if (!caller_.get<runtime::BtfObject>(fd)) {
        return fail(map.error().code() == EBADF ? EBADF : EINVAL,
                    "fd_array[{}]: fd {} is neither a map's nor BTF's", i, fd);
      }
    }
    auto& insns = load_.program.insns;
    for (size_t i = 0; i + 1 < insns.size(); ++i) {
      if (!isa::is_ld_imm64(insns[i])) continue;
      SKEP_CHECK(resolve(insns[i], i));
      ++i;
    }
    return {};
  }

 private:
  Result<int32_t> use(const std::shared_ptr<runtime::MapObject>& map) {
    for (size_t i = 0; i < load_.maps.size(); ++i) {
      if (load_.maps[i] == map) return static_cast<int32_t>(i);
    }
    if (load_.maps.size() == kMaxMaps) return fail(E2BIG, "more than {} maps", kMaxMaps);
    load_.maps.push_back(map);
    return static_cast<int32_t>(load_.maps.size() - 1);
  }
  Result<> resolve(Insn& insn, size_t at) {
    int32_t fd = insn.imm;
    switch (insn.src) {
      case isa::BPF_PSEUDO_MAP_IDX:
      case isa::BPF_PSEUDO_MAP_IDX_VALUE:
        if (attr_.fd_array == 0)
          return fail(EPROTO, "insn {}: fd_idx without fd_array is invalid", at);
        SKEP_CHECK(caller_.copy_in(
            &fd, attr_.fd_array + 4 * uint64_t{static_cast<uint32_t>(insn.imm)}, sizeof fd));
        break;
      case isa::BPF_PSEUDO_MAP_FD:
      case isa::BPF_PSEUDO_MAP_VALUE: break;
      default: return {};
    }
    auto map = caller_.get<runtime::MapObject>(fd);
    if (!map) return fail(map, "insn {}: fd {} is not pointing to valid bpf_map", at, fd);
    auto index = use(*map);
    if (!index) return fail(index, "insn {}", at);
    bool value = insn.src == isa::BPF_PSEUDO_MAP_VALUE || insn.src == isa::BPF_PSEUDO_MAP_IDX_VALUE;
    insn.src = value ? isa::BPF_PSEUDO_MAP_IDX_VALUE : isa::BPF_PSEUDO_MAP_IDX;
    insn.imm = *index;
    return {};
  }

  const Caller& caller_;
  const ProgLoadAttr& attr_;
  runtime::ProgLoad& load_;
};

// What is said before the verifier is asked: type, attach type, target.
Result<> check_kind(const ProgLoadAttr& attr) {
  auto type = static_cast<ProgType>(attr.prog_type);
  const spec::ProgTypeRow* row = spec::find_prog_type(type);
  if (row == nullptr || type == ProgType::BPF_PROG_TYPE_UNSPEC)
    return fail(EINVAL, "unknown program type {}", attr.prog_type);
  if (attr.attach_btf_id != 0 && !row->needs_attach_btf)
    return fail(EINVAL, "program type {} has no attach_btf_id", row->short_name);
  if (attr.attach_prog_fd != 0 && attr.attach_btf_id == 0)
    return fail(EINVAL, "attach_prog_fd needs attach_btf_id");
  if (!spec::attach_type_allowed(
          type, spec::fixed_attach_type(type, static_cast<AttachType>(attr.expected_attach_type))))
    return fail(EINVAL, "program type {} can't have expected attach type {}", row->short_name,
                attr.expected_attach_type);
  return {};
}

}  // namespace

Result<> UserEngine::read_program(Call& call, const ProgLoadAttr& attr, runtime::ProgLoad& load) {
  const Caller& caller = call.caller();
  Program& program = load.program;
  program.type = static_cast<ProgType>(attr.prog_type);
  program.expected_attach_type =
      spec::fixed_attach_type(program.type, static_cast<AttachType>(attr.expected_attach_type));
  program.flags = attr.prog_flags;
  program.kern_version = attr.kern_version;
  program.insns.resize(attr.insn_cnt);
  SKEP_CHECK(caller.copy_in(program.insns.data(), attr.insns, program.insns.size() * sizeof(Insn)));
  SKEP_TRY(name, object_name(attr.prog_name));
  program.name = name;
  program.attach_btf_id = attr.attach_btf_id;
  if (attr.attach_btf_id != 0) {
    if (attr.attach_prog_fd != 0) {  // or attach_btf_obj_fd
      auto btf = caller.get<runtime::BtfObject>(static_cast<int32_t>(attr.attach_prog_fd));
      if (!btf) return fail(EINVAL, "the user engine attaches to no other program's functions");
      if (!(*btf)->is_kernel())
        return fail(EOPNOTSUPP, "attach_btf_obj_fd is not the engine's own");
    }
    program.attach_btf = runtime_->kernel_btf();
  }
  if (attr.prog_btf_fd != 0 || attr.func_info_cnt != 0 || attr.line_info_cnt != 0) {
    auto btf = caller.get<runtime::BtfObject>(static_cast<int32_t>(attr.prog_btf_fd));
    if (!btf) return fail(btf, "prog_btf_fd");
    if ((*btf)->is_kernel()) return fail(EACCES, "a program's own BTF is not the engine's");
    load.btf = *btf;
    SKEP_TRY(functions, read_records<FuncInfo>(caller, attr.func_info, attr.func_info_cnt,
                                               attr.func_info_rec_size, attr.insn_cnt));
    SKEP_TRY(lines, read_records<LineInfo>(caller, attr.line_info, attr.line_info_cnt,
                                           attr.line_info_rec_size, attr.insn_cnt));
    program.func_info = std::move(functions);
    program.line_info = std::move(lines);
  }
  load.tag = runtime::program_tag(program.insns);
  return MapReferences(caller, attr, load).resolve();
}

Result<int64_t> UserEngine::prog_load(Call& call) {
  SKEP_TRY(attr, call.read<ProgLoadAttr>(SKEP_ATTR_END(ProgLoadAttr, keyring_id)));
  if ((attr.prog_flags & ~kKnownFlags) != 0)
    return fail(EINVAL, "prog_flags {:#x}: unknown", attr.prog_flags);
  if (attr.insn_cnt == 0 || attr.insn_cnt > kMaxInsns)
    return fail(E2BIG, "{} instructions, 1 to {} were expected", attr.insn_cnt, kMaxInsns);
  runtime::ProgLoad load;
  // A license without a NUL is cut, as the kernel does.
  auto license = call.caller().copy_string_in(attr.license, 128);
  if (!license) return fail(EFAULT, "license: {}", license.error().message());
  load.program.license = *license;
  if (attr.prog_ifindex != 0)
    return fail(EINVAL, "programs offloaded to a network device need a kernel");
  if (attr.signature != 0) return fail(EINVAL, "signed programs need a kernel's keyring");
  SKEP_CHECK(check_kind(attr));
  const LogRequest log{attr.log_buf, attr.log_size, attr.log_level};
  // The map references are the verifier's business: a wrong one is told in the log.
  auto read = read_program(call, attr, load);
  SKEP_CHECK(log.check());
  if (!read) {
    if ((attr.log_level & kLogLevels) != 0)
      SKEP_CHECK(log.give(call.caller(), read.error().text() + "\n"));
    return fail(read);
  }
  if (attr.core_relo_cnt != 0 && attr.prog_btf_fd != 0)
    return fail(EINVAL, "CO-RE relocations are the loader's");

  load.verify.log_level = attr.log_level;
  load.verify.test_state_freq = (attr.prog_flags & BPF_F_TEST_STATE_FREQ) != 0;
  load.verify.strict_alignment = (attr.prog_flags & BPF_F_STRICT_ALIGNMENT) != 0;
  load.uid = call.caller().uid();
  SKEP_TRY(loaded, runtime_->load_program(std::move(load)));
  const std::string& text = loaded.report.log;
  attr.log_true_size = attr.log_level != 0 ? static_cast<uint32_t>(text.size() + 1) : 0;
  if (call.size() >= SKEP_ATTR_END(ProgLoadAttr, log_true_size))
    SKEP_CHECK(call.give(attr, attr.log_true_size));
  auto logged = log.give(call.caller(), text);
  if (!logged) return fail(logged);
  if (!loaded.program) {
    const verifier::Rejection& why = *loaded.report.rejection;
    return fail(why.error, "program {}: insn {}: {}", loaded.name, why.insn, why.message);
  }
  return call.open(Handle(loaded.program));
}

Result<int64_t> UserEngine::btf_load(Call& call) {
  SKEP_TRY(attr, call.read<BtfLoadAttr>(SKEP_ATTR_END(BtfLoadAttr, btf_token_fd)));
  if (attr.btf_flags != 0) return fail(EINVAL, "btf_flags {:#x}: unknown", attr.btf_flags);
  constexpr uint32_t kMaxBtf = 16u << 20;
  if (attr.btf_size > kMaxBtf)
    return fail(E2BIG, "BTF of {} bytes, the limit is {}", attr.btf_size, kMaxBtf);
  const LogRequest log{attr.btf_log_buf, attr.btf_log_size, attr.btf_log_level};
  SKEP_CHECK(log.check());
  SKEP_TRY(bytes, call.caller().copy_in(attr.btf, attr.btf_size));
  auto object = runtime_->load_btf(bytes);
  std::string text = object ? "" : object.error().text() + "\n";
  attr.btf_log_true_size = attr.btf_log_level != 0 ? static_cast<uint32_t>(text.size() + 1) : 0;
  if (call.size() >= SKEP_ATTR_END(BtfLoadAttr, btf_log_true_size))
    SKEP_CHECK(call.give(attr, attr.btf_log_true_size));
  SKEP_CHECK(log.give(call.caller(), text));
  if (!object) return fail(object);
  return call.open(Handle(*object));
}

Result<int64_t> UserEngine::prog_bind_map(Call& call) {
  SKEP_TRY(attr, call.read<ProgBindMapAttr>(SKEP_ATTR_END(ProgBindMapAttr, flags)));
  if (attr.flags != 0) return fail(EINVAL, "flags {:#x}: none are known", attr.flags);
  SKEP_TRY(program, call.get<runtime::ProgObject>(static_cast<int32_t>(attr.prog_fd)));
  SKEP_TRY(map, call.get<runtime::MapObject>(static_cast<int32_t>(attr.map_fd)));
  program->bind(map);
  return 0;
}

Result<int64_t> UserEngine::enable_stats(Call& call) {
  SKEP_TRY(attr, call.read<EnableStatsAttr>(SKEP_ATTR_END(EnableStatsAttr, type)));
  if (attr.type != 0)
    return fail(EINVAL, "statistics of type {}: only BPF_STATS_RUN_TIME (0) is known", attr.type);
  // Run counts are always kept; holding this descriptor adds run times.
  return call.open(Handle(runtime_->enable_run_times()));
}

Result<int64_t> UserEngine::stream_read(Call& call) {
  SKEP_TRY(attr, call.read<StreamReadAttr>(SKEP_ATTR_END(StreamReadAttr, prog_fd)));
  SKEP_CHECK(call.get<runtime::ProgObject>(static_cast<int32_t>(attr.prog_fd)));
  // BPF_STDOUT, BPF_STDERR: what bpf_stream_vprintk() and faults of an arena wrote. The user engine has neither
  // yet, so they are empty.
  if (attr.stream_id != 1 && attr.stream_id != 2)
    return fail(ENOENT, "stream {}: 1 and 2 exist", attr.stream_id);
  return 0;
}

Result<int64_t> UserEngine::token_create(Call& call) {
  SKEP_TRY(attr, call.read<TokenCreateAttr>(SKEP_ATTR_END(TokenCreateAttr, bpffs_fd)));
  if (attr.flags != 0) return fail(EINVAL, "flags {:#x}: none are known", attr.flags);
  auto file = call.caller().find(static_cast<int32_t>(attr.bpffs_fd));
  if (!file && file.error().code() == EBADF) return fail(file);
  // No file system of the user engine delegates rights, and none of its users lacks any.
  return fail(EINVAL, "descriptor {} is not the root of a BPF file system", attr.bpffs_fd);
}

}  // namespace skep::engine
