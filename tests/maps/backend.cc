#include "maps/backend.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/fd.h"

namespace skep::maps::test {
namespace {

int code_of(const Result<>& result) { return result ? 0 : -result.error().code(); }

class UserBackend final : public Backend {
 public:
  explicit UserBackend(std::unique_ptr<Hive> hive) : hive_(std::move(hive)) {}
  ~UserBackend() override { destroy_map(*hive_, map_); }
  int create(const MapAttributes& attributes) override {
    destroy_map(*hive_, map_);
    map_ = nullptr;
    auto made = create_map(*hive_, attributes);
    if (!made) return -made.error().code();
    map_ = *made;
    return 0;
  }
  int lookup(const Bytes& key, Bytes& value, uint64_t flags) override {
    return code_of(lookup_elem(*map_, key, value, flags));
  }
  int update(const Bytes& key, const Bytes& value, uint64_t flags) override {
    return code_of(update_elem(*map_, key, value, flags));
  }
  int remove(const Bytes& key) override { return code_of(delete_elem(*map_, key)); }
  int next(const Bytes* key, Bytes& next) override {
    return code_of(next_key(*map_, key != nullptr ? ByteSpan(*key) : ByteSpan{}, next));
  }
  int take(const Bytes& key, Bytes& value) override {
    return code_of(lookup_and_delete_elem(*map_, key, value));
  }
  int freeze() override { return code_of(freeze_map(map_)); }
  uint32_t cpus() const override { return hive_->slot_count(); }

 private:
  std::unique_ptr<Hive> hive_;
  MapHeader* map_ = nullptr;
};

// bpf(2)'s attributes, as far as maps go: the test's own, so that nothing here depends on the
// system's headers.
struct CreateAttr {
  uint32_t map_type, key_size, value_size, max_entries, map_flags, inner_map_fd, numa_node;
  char map_name[16];
  uint32_t map_ifindex, btf_fd, btf_key_type_id, btf_value_type_id, btf_vmlinux_value_type_id;
  uint64_t map_extra;
};
struct ElementAttr {
  uint32_t map_fd, pad;
  uint64_t key, value, flags;
};
enum Command {
  kCreate = 0,
  kLookup = 1,
  kUpdate = 2,
  kDelete = 3,
  kNext = 4,
  kTake = 21,
  kFreeze = 22
};

template <class T>
int bpf(Command command, T& attr) {
  long result = ::syscall(SYS_bpf, command, &attr, sizeof attr);
  return result < 0 ? -errno : static_cast<int>(result);
}

class KernelBackend final : public Backend {
 public:
  explicit KernelBackend(uint32_t cpus) : cpus_(cpus) {}
  int create(const MapAttributes& attributes) override {
    CreateAttr attr{};
    attr.map_type = static_cast<uint32_t>(attributes.type);
    attr.key_size = attributes.key_size;
    attr.value_size = attributes.value_size;
    attr.max_entries = attributes.max_entries;
    attr.map_flags = attributes.map_flags;
    attr.map_extra = attributes.map_extra;
    int fd = bpf(kCreate, attr);
    if (fd < 0) return fd;
    map_ = Fd(fd);
    return 0;
  }
  int lookup(const Bytes& key, Bytes& value, uint64_t flags) override {
    return element(kLookup, &key, value.data(), flags);
  }
  int update(const Bytes& key, const Bytes& value, uint64_t flags) override {
    return element(kUpdate, &key, const_cast<std::byte*>(value.data()), flags);
  }
  int remove(const Bytes& key) override { return element(kDelete, &key, nullptr, 0); }
  int next(const Bytes* key, Bytes& next) override { return element(kNext, key, next.data(), 0); }
  int take(const Bytes& key, Bytes& value) override {
    return element(kTake, &key, value.data(), 0);
  }
  int freeze() override {
    uint32_t fd = static_cast<uint32_t>(map_.get());
    return bpf(kFreeze, fd);
  }
  uint32_t cpus() const override { return cpus_; }

 private:
  int element(Command command, const Bytes* key, std::byte* value, uint64_t flags) {
    ElementAttr attr{};
    attr.map_fd = static_cast<uint32_t>(map_.get());
    if (key != nullptr && !key->empty()) attr.key = reinterpret_cast<uint64_t>(key->data());
    attr.value = reinterpret_cast<uint64_t>(value);
    attr.flags = flags;
    return bpf(command, attr);
  }
  Fd map_;
  uint32_t cpus_;
};

// "0-3": the highest possible CPU number counts, not those that are online.
uint32_t possible_cpus() {
  unsigned first = 0, last = 0;
  if (FILE* file = std::fopen("/sys/devices/system/cpu/possible", "re")) {
    int got = std::fscanf(file, "%u-%u", &first, &last);
    std::fclose(file);
    if (got == 2) return last + 1;
  }
  return 1;
}

}  // namespace

std::unique_ptr<Backend> make_user_backend() {
  auto hive = Hive::create({.data_size = 256 << 20, .publish_session = false});
  if (!hive) {
    std::fprintf(stderr, "%s\n", hive.error().text().c_str());
    return nullptr;
  }
  return std::make_unique<UserBackend>(std::move(*hive));
}

std::unique_ptr<Backend> make_kernel_backend(std::string& reason) {
  auto kernel = std::make_unique<KernelBackend>(possible_cpus());
  int result = kernel->create(
      {.type = MapType::BPF_MAP_TYPE_HASH, .key_size = 4, .value_size = 4, .max_entries = 1});
  if (result == 0) return kernel;
  reason = "bpf(2) makes no maps here: " + errno_text(-result);
  return nullptr;
}

}  // namespace skep::maps::test
