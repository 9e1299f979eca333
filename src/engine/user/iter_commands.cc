// Iterators: BPF_LINK_CREATE of BPF_TRACE_ITER programs, BPF_ITER_CREATE. Targets: task, task_file, bpf_map,
// bpf_map_elem, bpf_prog, bpf_link.
//
// ITER_CREATE's descriptor is a file that holds all that the program wrote over what there was at that time: read(2)
// needs no engine then, in any process that the descriptor is handed to. (The kernel's runs the program as it is
// read.)
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <map>

#include "base/fd.h"
#include "engine/user/user_engine.h"
#include "object/task_view.h"

namespace skep::engine {

using namespace user;

namespace {

constexpr std::string_view kPrefix = "bpf_iter_";

template <class T>
uint64_t address(const T* object) {
  return reinterpret_cast<uint64_t>(object);
}

template <size_t N>
void copy_name(char (&to)[N], std::string_view from) {
  size_t length = std::min(from.size(), N - 1);
  std::copy_n(from.begin(), length, to);
  std::fill(to + length, to + N, '\0');
}

// The numbered entries of a directory, ascending.
std::vector<int> numbers_in(const std::string& path) {
  std::vector<int> numbers;
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return numbers;
  while (dirent* entry = ::readdir(directory)) {
    std::string_view name = entry->d_name;
    int number = 0;
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc{} && end == name.data() + name.size()) numbers.push_back(number);
  }
  ::closedir(directory);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

// A process or thread, from /proc: false where it is gone.
bool read_task(int tgid, int tid, TaskView& view) {
  auto status = read_file(fmt::format("/proc/{}/task/{}/status", tgid, tid), 1 << 16);
  if (!status) return false;
  std::string_view text(reinterpret_cast<const char*>(status->data()), status->size());
  TaskInfo info;
  info.pid = static_cast<uint32_t>(tid);
  info.tgid = static_cast<uint32_t>(tgid);
  auto number_after = [&](std::string_view key) -> uint32_t {
    size_t at = text.find(key);
    uint32_t number = 0;
    if (at != text.npos) {
      at = text.find_first_of("0123456789", at + key.size());
      if (at != text.npos) std::from_chars(text.data() + at, text.data() + text.size(), number);
    }
    return number;
  };
  info.ppid = number_after("\nPPid:");
  info.uid = number_after("\nUid:");
  info.gid = number_after("\nGid:");
  if (text.starts_with("Name:\t")) copy_name(info.comm, text.substr(6, text.find('\n') - 6));
  info.start_time =
      process_start_time(tgid) * (1'000'000'000 / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK)));
  fill_task_view(view, info);
  return true;
}

// The items of one iterator: what `next` of Runtime::iterate walks. Addresses stay good while it lives.
class Items {
 public:
  virtual ~Items() = default;
  virtual bool next(std::span<uint64_t> arguments) = 0;
};

class Tasks : public Items {
 public:
  bool next(std::span<uint64_t> arguments) override {
    while (next_thread()) {
      if (!read_task(tgid_, threads_[at_++], view_)) continue;
      arguments[0] = address(&view_.task);
      return true;
    }
    return false;
  }

 protected:
  // Makes threads_[at_] the next thread.
  bool next_thread() {
    while (at_ == threads_.size()) {
      if (process_ == processes_.size()) return false;
      tgid_ = processes_[process_++];
      threads_ = numbers_in(fmt::format("/proc/{}/task", tgid_));
      at_ = 0;
    }
    return true;
  }
  std::vector<int> processes_ = numbers_in("/proc");
  std::vector<int> threads_;
  size_t process_ = 0, at_ = 0;
  int tgid_ = 0;
  TaskView view_;
};

class TaskFiles : public Tasks {
 public:
  bool next(std::span<uint64_t> arguments) override {
    for (;;) {
      while (fd_ < fds_.size()) {
        int fd = fds_[fd_++];
        if (!read_fd(fd)) continue;
        arguments[0] = address(&view_.task);
        arguments[1] = static_cast<uint64_t>(fd);
        arguments[2] = address(&file_);
        return true;
      }
      if (!next_thread()) return false;
      int tid = threads_[at_++];
      fds_.clear();
      fd_ = 0;
      // Threads share their process's files: the leader stands for all.
      if (tid != tgid_ || !read_task(tgid_, tid, view_)) continue;
      fds_ = numbers_in(fmt::format("/proc/{}/fd", tgid_));
    }
  }

 private:
  bool read_fd(int fd) {
    std::string path = fmt::format("/proc/{}/fd/{}", tgid_, fd);
    char target[4096];
    ssize_t length = ::readlink(path.c_str(), target, sizeof target);
    struct stat status{};
    if (length < 0 || ::stat(path.c_str(), &status) != 0) return false;
    std::string_view name(target, static_cast<size_t>(length));
    name_ = name.substr(name.rfind('/') == name.npos ? 0 : name.rfind('/') + 1);
    super_.s_dev = static_cast<uint32_t>(status.st_dev);
    inode_ = {};
    inode_.i_mode = static_cast<uint16_t>(status.st_mode);
    inode_.i_uid.val = status.st_uid;
    inode_.i_gid.val = status.st_gid;
    inode_.i_sb = &super_;
    inode_.i_ino = status.st_ino;
    inode_.i_size = status.st_size;
    dentry_ = {};
    dentry_.d_parent = &dentry_;
    dentry_.d_name.len = static_cast<uint32_t>(name_.size());
    dentry_.d_name.name = reinterpret_cast<const unsigned char*>(name_.c_str());
    dentry_.d_inode = &inode_;
    mount_ = {.mnt_root = &dentry_, .mnt_sb = &super_};
    file_ = {};
    file_.f_inode = &inode_;
    file_.f_path = {.mnt = &mount_, .dentry = &dentry_};
    return true;
  }

  std::vector<int> fds_;
  size_t fd_ = 0;
  std::string name_;
  published::super_block super_{};
  published::inode inode_{};
  published::dentry dentry_{};
  published::vfsmount mount_{};
  published::file file_{};
};

void describe(const runtime::MapObject& map, published::bpf_map& out) {
  const MapHeader& header = map.header();
  out.map_type = static_cast<published::bpf_map_type>(header.type);
  out.key_size = header.key_size;
  out.value_size = header.value_size;
  out.max_entries = header.max_entries;
  out.map_extra = map.creation().attributes.map_extra;
  out.map_flags = header.map_flags;
  out.id = header.id;
  copy_name(out.name, header.name);
}

void describe(const runtime::ProgObject& program, published::bpf_prog& out,
              published::bpf_prog_aux& aux) {
  const ProgHeader& header = program.header();
  const Program& source = program.verified().program();
  out.type = static_cast<published::bpf_prog_type>(header.type);
  out.expected_attach_type = static_cast<published::bpf_attach_type>(header.expected_attach_type);
  out.len = static_cast<uint32_t>(program.verified().insns().size());
  out.jited_len = program.native().code_size;
  std::copy(std::begin(header.tag), std::end(header.tag), out.tag);
  out.aux = &aux;
  aux.id = header.id;
  aux.used_map_cnt = static_cast<uint32_t>(program.maps().size());
  aux.load_time = program.load_time_ns();
  aux.verified_insns = static_cast<uint32_t>(program.verified().insns_processed());
  aux.attach_btf_id = source.attach_btf_id;
  copy_name(aux.name, header.name);
}

class Maps : public Items {
 public:
  explicit Maps(const runtime::Runtime& runtime) : runtime_(runtime) {}
  bool next(std::span<uint64_t> arguments) override {
    while (auto id = runtime_.next_id(runtime::Runtime::Kind::map, last_)) {
      last_ = *id;
      held_ = runtime_.find_map(*id);
      if (!held_) continue;
      describe(*held_, map_);
      arguments[0] = address(&map_);
      return true;
    }
    return false;
  }

 private:
  const runtime::Runtime& runtime_;
  uint32_t last_ = 0;
  std::shared_ptr<runtime::MapObject> held_;
  published::bpf_map map_{};
};

class Programs : public Items {
 public:
  explicit Programs(const runtime::Runtime& runtime) : runtime_(runtime) {}
  bool next(std::span<uint64_t> arguments) override {
    while (auto id = runtime_.next_id(runtime::Runtime::Kind::prog, last_)) {
      last_ = *id;
      auto program = runtime_.find_program(*id);
      if (!program) continue;
      describe(*program, program_, aux_);
      arguments[0] = address(&program_);
      return true;
    }
    return false;
  }

 private:
  const runtime::Runtime& runtime_;
  uint32_t last_ = 0;
  published::bpf_prog program_{};
  published::bpf_prog_aux aux_{};
};

class LinkItems : public Items {
 public:
  explicit LinkItems(const Links& links) : links_(links) {}
  bool next(std::span<uint64_t> arguments) override {
    while (auto id = links_.next_id(last_)) {
      last_ = *id;
      auto link = links_.find(*id);
      if (!link) continue;
      describe(*link->prog(), program_, aux_);
      link_ = {.id = link->id, .type = link->kind, .prog = &program_};
      arguments[0] = address(&link_);
      return true;
    }
    return false;
  }

 private:
  const Links& links_;
  uint32_t last_ = 0;
  published::bpf_link link_{};
  published::bpf_prog program_{};
  published::bpf_prog_aux aux_{};
};

// Programs change values in place: the element is written back where it changed.
class Elements : public Items {
 public:
  Elements(std::shared_ptr<runtime::MapObject> map, const AccessBounds& bounds)
      : map_(std::move(map)) {
    const MapHeader& header = map_->header();
    describe(*map_, described_);
    value_size_ = maps::user_value_size(header);
    keys_.resize(std::max<size_t>(header.key_size, bounds.rdonly_buffer));
    values_.resize(std::max<size_t>(value_size_, bounds.rdwr_buffer));
  }
  bool next(std::span<uint64_t> arguments) override {
    write_back();
    const MapHeader& header = map_->header();
    arguments[0] = address(&described_);  // also at the end, as the kernel
    std::vector<std::byte> key(header.key_size);
    while (maps::next_key(header, key_, key)) {
      key_ = key;
      before_.resize(value_size_);
      if (!maps::lookup_elem(header, key_, before_)) continue;  // it went meanwhile
      std::copy(key_.begin(), key_.end(), keys_.begin());
      std::copy(before_.begin(), before_.end(), values_.begin());
      arguments[1] = address(keys_.data());
      arguments[2] = address(values_.data());
      given_ = true;
      return true;
    }
    return false;
  }

 private:
  void write_back() {
    if (!std::exchange(given_, false)) return;
    ByteSpan now = ByteSpan(values_).first(value_size_);
    constexpr uint64_t kExist = 2;
    // One that went meanwhile stays gone.
    if (!std::equal(now.begin(), now.end(), before_.begin()))
      (void)maps::update_elem(map_->header(), key_, now, kExist);
  }

  std::shared_ptr<runtime::MapObject> map_;
  published::bpf_map described_{};
  size_t value_size_ = 0;
  std::vector<std::byte> key_, keys_, values_, before_;
  bool given_ = false;
};

struct Target {
  std::string_view name;
  size_t arguments;  // beside bpf_iter_meta
};
constexpr Target kTargets[] = {{"task", 1},         {"task_file", 3}, {"bpf_map", 1},
                               {"bpf_map_elem", 3}, {"bpf_prog", 1},  {"bpf_link", 1}};

bool can_walk(const MapHeader& map) {
  switch (static_cast<MapType>(map.type)) {
    case MapType::BPF_MAP_TYPE_HASH:
    case MapType::BPF_MAP_TYPE_LRU_HASH:
    case MapType::BPF_MAP_TYPE_ARRAY:
    case MapType::BPF_MAP_TYPE_PERCPU_HASH:
    case MapType::BPF_MAP_TYPE_LRU_PERCPU_HASH:
    case MapType::BPF_MAP_TYPE_PERCPU_ARRAY: return true;
    default: return false;
  }
}

// Read-only, at its start, and no one can change it.
Result<Fd> sealed_file(std::string_view text) {
  Fd file(::memfd_create("bpf_iter", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) return fail_errno(errno, "memfd_create");
  while (!text.empty()) {
    ssize_t written = ::write(file.get(), text.data(), text.size());
    if (written <= 0) return fail_errno(errno, "writing the iterator's output");
    text.remove_prefix(static_cast<size_t>(written));
  }
  ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  return open_file(fmt::format("/proc/self/fd/{}", file.get()), O_RDONLY | O_CLOEXEC);
}

}  // namespace

Result<int64_t> UserEngine::link_create_iter(Call& call, const LinkCreateAttr& attr,
                                             std::shared_ptr<runtime::ProgObject> program) {
  if (attr.target_fd != 0 || attr.flags != 0)
    return fail(EINVAL, "iterators have no target_fd and no flags");
  const Program& source = program->verified().program();
  std::string name(source.attach_btf->name(source.attach_btf_id));
  if (name.starts_with(kPrefix)) name.erase(0, kPrefix.size());
  auto target = std::find_if(std::begin(kTargets), std::end(kTargets),
                             [&](const Target& row) { return row.name == name; });
  if (target == std::end(kTargets))
    return fail(ENOENT, "the user engine has no iterator \"{}\"", name);
  auto link = std::make_shared<LinkObject>(links_.take_id(), program, AttachType::BPF_TRACE_ITER);
  // union bpf_iter_link_info: for map elements, the map's descriptor.
  if ((attr.iter.iter_info == 0) != (attr.iter.iter_info_len == 0))
    return fail(EINVAL, "iter_info has both an address and a size, or neither");
  constexpr uint32_t kInfo = 16;
  uint32_t map_fd = 0;
  if (attr.iter.iter_info_len != 0) {
    SKEP_TRY(info, call.caller().copy_in(attr.iter.iter_info, attr.iter.iter_info_len));
    for (size_t at = kInfo; at < info.size(); ++at) {
      if (info[at] != std::byte{0}) return fail(E2BIG, "iter_info: byte {} is set", at);
    }
    if (info.size() >= sizeof map_fd) map_fd = load<uint32_t>(info.data());
  }
  if (name == "bpf_map_elem") {
    if (map_fd == 0) return fail(EBADF, "an iterator over a map's elements needs map_fd");
    SKEP_TRY(handle, call.caller().find(static_cast<int32_t>(map_fd)));
    auto* map = std::get_if<std::shared_ptr<runtime::MapObject>>(&handle.object);
    if (map == nullptr) return fail(EINVAL, "descriptor {} is not of a map", map_fd);
    const MapHeader& header = (*map)->header();
    const AccessBounds& bounds = program->verified().accesses();
    if (!can_walk(header)) return fail(EINVAL, "map {}: its type has no iterator", header.name);
    if (bounds.rdonly_buffer > header.key_size ||
        bounds.rdwr_buffer > maps::user_value_size(header))
      return fail(EACCES,
                  "program {} reads {} bytes of a key and {} of a value, map {} has {} and {}",
                  source.name, bounds.rdonly_buffer, bounds.rdwr_buffer, header.name,
                  header.key_size, maps::user_value_size(header));
    link->map = *map;
  }
  link->kind = static_cast<uint32_t>(spec::LinkType::BPF_LINK_TYPE_ITER);
  link->name = name;
  return publish_link(call, std::move(link));
}

Result<int64_t> UserEngine::iter_create(Call& call) {
  SKEP_TRY(attr, call.read<IterCreateAttr>(SKEP_ATTR_END(IterCreateAttr, flags)));
  if (attr.flags != 0) return fail(EINVAL, "flags {:#x}: none are known", attr.flags);
  SKEP_TRY(link, call.get<LinkObject>(static_cast<int32_t>(attr.link_fd)));
  if (static_cast<spec::LinkType>(link->kind) != spec::LinkType::BPF_LINK_TYPE_ITER)
    return fail(EINVAL, "link {} is not an iterator's", link->id);
  auto program = link->prog();
  std::unique_ptr<Items> items;
  if (link->name == "task") items = std::make_unique<Tasks>();
  if (link->name == "task_file") items = std::make_unique<TaskFiles>();
  if (link->name == "bpf_map") items = std::make_unique<Maps>(*runtime_);
  if (link->name == "bpf_map_elem")
    items = std::make_unique<Elements>(link->map, program->verified().accesses());
  if (link->name == "bpf_prog") items = std::make_unique<Programs>(*runtime_);
  if (link->name == "bpf_link") items = std::make_unique<LinkItems>(links_);
  auto target = std::find_if(std::begin(kTargets), std::end(kTargets),
                             [&](const Target& row) { return row.name == link->name; });
  SKEP_TRY(text, runtime_->iterate(*program, target->arguments, [&](std::span<uint64_t> arguments) {
    return items->next(arguments);
  }));
  SKEP_TRY(file, sealed_file(text));
  SKEP_TRY(fd, call.caller().give_file(file.get()));
  return fd;
}

}  // namespace skep::engine
