#include "kernel_load.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "engine/bpf_attr.h"

namespace skep::corpus {

namespace {

using engine::Cmd;

template <class Attr>
int64_t bpf(Cmd cmd, Attr& attr) {
  const long result = ::syscall(SYS_bpf, static_cast<int>(cmd), &attr, sizeof attr);
  return result < 0 ? -errno : result;
}

uint64_t address_of(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

// Externs are the linker's business, and the kernel refuses them: functions become global ones, variables are
// allocated, those of .ksyms as integers, and their sections get a size. Parameters of naked functions have no names,
// which the kernel wants.
std::vector<std::byte> for_kernel(const btf::Btf& btf) {
  std::vector<std::byte> bytes(btf.bytes().begin(), btf.bytes().end());
  const std::byte* old = btf.bytes().data();
  const auto at = [&](const btf::Type& type) {
    return bytes.data() + (type.record().data() - old);
  };
  uint32_t integer = 0;
  for (btf::TypeId id = 1; id < btf.type_end() && integer == 0; ++id) {
    if (btf.type(id).kind() == btf::Kind::Int && btf.type(id).size() == 4) integer = id;
  }
  for (btf::TypeId id = 1; id < btf.type_end(); ++id) {
    const btf::Type type = btf.type(id);
    const uint32_t info = load<uint32_t>(at(type) + 4);
    if (type.kind() == btf::Kind::Func) {
      if (type.linkage() == btf::Linkage::Extern)
        store<uint32_t>(at(type) + 4, (info & ~0xffffu) | 1);
      const btf::Type proto = btf.type(type.referenced());
      for (uint32_t p = 0; p < proto.vlen(); ++p) {
        if (proto.parameter(p).type != 0 && proto.parameter(p).name.empty())
          store<uint32_t>(at(proto) + 12 + 8 * p, type.name_offset());
      }
    } else if (type.kind() == btf::Kind::Var && type.linkage() == btf::Linkage::Extern) {
      store<uint32_t>(at(type) + 12, 1u);
    } else if (type.kind() == btf::Kind::Datasec && (type.name() == ".ksyms" || type.size() == 0)) {
      uint32_t offset = 0;
      for (uint32_t v = 0; v < type.vlen(); ++v) {
        const btf::Type var = btf.type(type.sec_var(v).type);
        uint32_t size = 4;
        if (type.name() != ".ksyms") {
          size = btf.size_of(var.referenced()).value_or(4);
        } else if (var.kind() == btf::Kind::Var) {
          store<uint32_t>(at(var) + 8, integer);
        }
        store<uint32_t>(at(type) + 16 + 12 * v, offset);
        store<uint32_t>(at(type) + 20 + 12 * v, size);
        offset += (size + 7) / 8 * 8;
      }
      // .ksyms names functions, too, which are no variables: a struct can hold either.
      store<uint32_t>(at(type) + 8, offset);
      if (type.name() != ".ksyms") continue;
      store<uint32_t>(at(type), 0u);
      store<uint32_t>(at(type) + 4, (4u << 24) | (info & 0xffff));
      for (uint32_t v = 0; v < type.vlen(); ++v) {
        store<uint32_t>(at(type) + 12 + 12 * v, 0u);
        store<uint32_t>(at(type) + 16 + 12 * v, integer);
        store<uint32_t>(at(type) + 20 + 12 * v, 64 * v);
      }
    }
  }
  return bytes;
}

// Types whose values are the kernel's own.
bool takes_btf(MapType type) {
  switch (type) {
    case MapType::BPF_MAP_TYPE_PERF_EVENT_ARRAY:
    case MapType::BPF_MAP_TYPE_CGROUP_ARRAY:
    case MapType::BPF_MAP_TYPE_STACK_TRACE:
    case MapType::BPF_MAP_TYPE_ARRAY_OF_MAPS:
    case MapType::BPF_MAP_TYPE_HASH_OF_MAPS:
    case MapType::BPF_MAP_TYPE_DEVMAP:
    case MapType::BPF_MAP_TYPE_DEVMAP_HASH:
    case MapType::BPF_MAP_TYPE_CPUMAP:
    case MapType::BPF_MAP_TYPE_XSKMAP:
    case MapType::BPF_MAP_TYPE_SOCKMAP:
    case MapType::BPF_MAP_TYPE_SOCKHASH:
    case MapType::BPF_MAP_TYPE_QUEUE:
    case MapType::BPF_MAP_TYPE_STACK:
    case MapType::BPF_MAP_TYPE_RINGBUF:
    case MapType::BPF_MAP_TYPE_USER_RINGBUF:
    case MapType::BPF_MAP_TYPE_PROG_ARRAY:
    case MapType::BPF_MAP_TYPE_ARENA: return false;
    default: return true;
  }
}

uint32_t default_entries(MapType type) {
  switch (type) {
    case MapType::BPF_MAP_TYPE_RINGBUF:
    case MapType::BPF_MAP_TYPE_USER_RINGBUF: return 4096;
    case MapType::BPF_MAP_TYPE_SK_STORAGE:
    case MapType::BPF_MAP_TYPE_INODE_STORAGE:
    case MapType::BPF_MAP_TYPE_TASK_STORAGE:
    case MapType::BPF_MAP_TYPE_CGRP_STORAGE:
    case MapType::BPF_MAP_TYPE_CGROUP_STORAGE:
    case MapType::BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE: return 0;
    default: return 2;
  }
}

int64_t create_map(const MapDescriptor& map, int btf, int inner) {
  engine::MapCreateAttr attr;
  attr.map_type = static_cast<uint32_t>(map.type);
  attr.key_size = map.key_size;
  attr.value_size = map.value_size;
  attr.max_entries = map.max_entries;
  // What user space sets before it loads.
  if (map.max_entries == 0) attr.max_entries = default_entries(map.type);
  attr.map_flags = map.map_flags;
  attr.map_extra = map.map_extra;
  attr.inner_map_fd = inner >= 0 ? static_cast<uint32_t>(inner) : 0;
  if (btf >= 0 && map.btf_value_type_id != 0 && takes_btf(map.type)) {
    attr.btf_fd = static_cast<uint32_t>(btf);
    attr.btf_key_type_id = map.btf_key_type_id;
    attr.btf_value_type_id = map.btf_value_type_id;
  }
  return bpf(Cmd::BPF_MAP_CREATE, attr);
}

// Kernel 6.18 walks back out of its frames (a page fault, and the loading process dies) where a number that a
// subprogram with LD_ABS returned must be precise.
bool endangers_kernel(const Program& program) {
  uint32_t first_callee = static_cast<uint32_t>(program.insns.size());
  for (uint32_t i = 0; i < program.insns.size(); ++i) {
    const Insn& insn = program.insns[i];
    if (insn.opcode == (isa::BPF_JMP | isa::BPF_CALL) && insn.src == isa::BPF_PSEUDO_CALL)
      first_callee = std::min(first_callee, static_cast<uint32_t>(int64_t{i} + 1 + insn.imm));
  }
  for (uint32_t i = first_callee; i < program.insns.size(); ++i) {
    const Insn& insn = program.insns[i];
    if (insn.cls() == isa::BPF_LD && (insn.mode() == isa::BPF_ABS || insn.mode() == isa::BPF_IND))
      return true;
  }
  return false;
}

// The log's pages are touched once, not once a program.
std::string& log_buffer() {
  static std::string buffer(size_t{16} << 20, '\0');
  return buffer;
}

std::string last_line(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  const size_t newline = text.rfind('\n');
  return std::string(newline == std::string_view::npos ? text : text.substr(newline + 1));
}

}  // namespace

Result<> kernel_available() {
  MapDescriptor map;
  map.type = MapType::BPF_MAP_TYPE_ARRAY;
  map.key_size = map.value_size = 4;
  map.max_entries = 1;
  const int64_t fd = create_map(map, -1, -1);
  if (fd < 0) return fail_errno(static_cast<int>(-fd), "bpf(2) on this kernel");
  ::close(static_cast<int>(fd));
  return {};
}

KernelLoader::KernelLoader(const Case& first) {
  const Program& program = first.program;
  if (program.btf != nullptr) {
    const std::vector<std::byte> bytes = for_kernel(*program.btf);
    engine::BtfLoadAttr attr;
    attr.btf = address_of(bytes.data());
    attr.btf_size = static_cast<uint32_t>(bytes.size());
    const int64_t fd = bpf(Cmd::BPF_BTF_LOAD, attr);
    if (fd >= 0) {
      btf_.reset(static_cast<int>(fd));
    } else {
      std::string& log = log_buffer();
      log[0] = '\0';
      attr.btf_log_buf = address_of(log.data());
      attr.btf_log_size = static_cast<uint32_t>(log.size());
      attr.btf_log_level = 1;
      (void)bpf(Cmd::BPF_BTF_LOAD, attr);
      map_problems_.push_back(fmt::format("BPF_BTF_LOAD: {}: {}", errno_text(static_cast<int>(-fd)),
                                          last_line(log.c_str())));
    }
  }
  for (size_t i = 0; i < program.maps.size(); ++i) {
    const MapDescriptor& map = program.maps[i];
    Fd inner;
    if (map.inner != nullptr) {
      const int64_t fd = create_map(*map.inner, btf_.get(), -1);
      if (fd >= 0) inner.reset(static_cast<int>(fd));
    }
    const int64_t fd = map.type == MapType::BPF_MAP_TYPE_STRUCT_OPS
                           ? -EOPNOTSUPP
                           : create_map(map, btf_.get(), inner.get());
    maps_.emplace_back(fd >= 0 ? static_cast<int>(fd) : -1);
    map_problems_.push_back(
        fd >= 0 ? "" : fmt::format("map {}: {}", map.name, errno_text(static_cast<int>(-fd))));
    if (fd >= 0 && map.type == MapType::BPF_MAP_TYPE_ARENA) {
      // Its address in user space must be chosen before programs use it.
      const size_t bytes = size_t{map.max_entries} * static_cast<size_t>(::getpagesize());
      void* at = ::mmap(reinterpret_cast<void*>(map.map_extra), bytes, PROT_READ | PROT_WRITE,
                        map.map_extra != 0 ? MAP_SHARED | MAP_FIXED_NOREPLACE : MAP_SHARED,
                        static_cast<int>(fd), 0);
      if (at == MAP_FAILED) {
        map_problems_.back() = fmt::format("map {}: not mapped: {}", map.name, errno_text(errno));
        maps_.back().reset();
      } else {
        mappings_.emplace_back(at, bytes);
      }
    }
    const bool frozen = map.frozen && fd >= 0;
    if (!frozen || map.constant_value.empty()) continue;
    uint32_t key = 0;
    engine::MapElemAttr update;
    update.map_fd = static_cast<uint32_t>(fd);
    update.key = address_of(&key);
    update.value = address_of(map.constant_value.data());
    if (bpf(Cmd::BPF_MAP_UPDATE_ELEM, update) < 0) map_problems_.back() = map.name + ": not filled";
    engine::MapElemAttr freeze;
    freeze.map_fd = static_cast<uint32_t>(fd);
    (void)bpf(Cmd::BPF_MAP_FREEZE, freeze);
  }
}

KernelLoader::~KernelLoader() {
  for (const auto& [at, bytes] : mappings_) ::munmap(at, bytes);
}

KernelVerdict KernelLoader::load(const Program& program, uint32_t log_level) {
  KernelVerdict verdict;
  if (endangers_kernel(program)) {
    verdict.problem = "LD_ABS in a subprogram: a page fault in kernel 6.18";
    return verdict;
  }
  std::vector<Insn> insns = program.insns;
  for (size_t i = 0; i < insns.size(); ++i) {
    Insn& insn = insns[i];
    if (!isa::is_ld_imm64(insn)) continue;
    ++i;
    if (insn.src != isa::BPF_PSEUDO_MAP_IDX && insn.src != isa::BPF_PSEUDO_MAP_IDX_VALUE) continue;
    const auto map = static_cast<size_t>(insn.imm);
    if (map >= maps_.size()) continue;
    if (!maps_[map]) {
      verdict.problem = map_problems_[map_problems_.size() - maps_.size() + map];
      return verdict;
    }
    insn.src =
        insn.src == isa::BPF_PSEUDO_MAP_IDX ? isa::BPF_PSEUDO_MAP_FD : isa::BPF_PSEUDO_MAP_VALUE;
    insn.imm = maps_[map].get();
  }
  if (program.btf != nullptr && !btf_ && !program.func_info.empty()) {
    verdict.problem = map_problems_.empty() ? "no BTF" : map_problems_[0];
    return verdict;
  }
  engine::ProgLoadAttr attr;
  attr.prog_type = static_cast<uint32_t>(program.type);
  attr.insn_cnt = static_cast<uint32_t>(insns.size());
  attr.insns = address_of(insns.data());
  attr.license = address_of(program.license.c_str());
  attr.kern_version = program.kern_version;
  attr.prog_flags = program.flags;
  attr.expected_attach_type = static_cast<uint32_t>(program.expected_attach_type);
  attr.attach_btf_id = program.attach_btf_id;
  if (btf_ && !program.func_info.empty()) {
    attr.prog_btf_fd = static_cast<uint32_t>(btf_.get());
    attr.func_info = address_of(program.func_info.data());
    attr.func_info_cnt = static_cast<uint32_t>(program.func_info.size());
    attr.func_info_rec_size = sizeof(FuncInfo);
    attr.line_info = address_of(program.line_info.data());
    attr.line_info_cnt = static_cast<uint32_t>(program.line_info.size());
    attr.line_info_rec_size = sizeof(LineInfo);
  }
  std::string& log = log_buffer();
  log[0] = '\0';
  if (log_level != 0) {
    attr.log_level = log_level;
    attr.log_buf = address_of(log.data());
    attr.log_size = static_cast<uint32_t>(log.size());
  }
  const auto begin = std::chrono::steady_clock::now();
  int64_t fd = bpf(Cmd::BPF_PROG_LOAD, attr);
  for (int tries = 0; fd == -EAGAIN && tries < 5; ++tries) fd = bpf(Cmd::BPF_PROG_LOAD, attr);
  verdict.time_ns = static_cast<uint64_t>((std::chrono::steady_clock::now() - begin).count());
  if (log_level != 0) verdict.log = log.c_str();
  // What this machine's policy forbids (fentry, LSM, freplace) is no verdict.
  if (fd == -EPERM) verdict.problem = "EPERM";
  verdict.accepted = fd >= 0;
  if (fd >= 0) {
    ::close(static_cast<int>(fd));
  } else {
    verdict.error = static_cast<int>(-fd);
  }
  return verdict;
}

}  // namespace skep::corpus
