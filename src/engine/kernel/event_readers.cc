#include "engine/kernel/event_readers.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "engine/bpf_attr.h"

namespace skep::engine::kernel {

namespace {

constexpr uint32_t kBusy = 1u << 31, kDiscard = 1u << 30;
constexpr size_t kPerfPages = 64;  // a CPU's buffer

size_t page_size() { return static_cast<size_t>(::sysconf(_SC_PAGESIZE)); }

class Mapping {
 public:
  Mapping() = default;
  static Result<Mapping> make(int fd, size_t size, int protection, off_t offset) {
    Mapping made;
    made.address_ = ::mmap(nullptr, size, protection, MAP_SHARED, fd, offset);
    if (made.address_ == MAP_FAILED) {
      made.address_ = nullptr;
      return fail_errno(errno, "mmap of a buffer");
    }
    made.size_ = size;
    return made;
  }
  Mapping(Mapping&& other) noexcept
      : address_(std::exchange(other.address_, nullptr)), size_(other.size_) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(address_, other.address_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Mapping() {
    if (address_ != nullptr) ::munmap(address_, size_);
  }
  [[nodiscard]] std::byte* at(size_t offset) const {
    return static_cast<std::byte*>(address_) + offset;
  }

 private:
  void* address_ = nullptr;
  size_t size_ = 0;
};

uint64_t load_acquire(const void* at) {
  return std::atomic_ref<uint64_t>(*static_cast<uint64_t*>(const_cast<void*>(at)))
      .load(std::memory_order_acquire);
}
void store_release(void* at, uint64_t value) {
  std::atomic_ref<uint64_t>(*static_cast<uint64_t*>(at)).store(value, std::memory_order_release);
}

// consumer page | producer page | data | data again, so that no record is split.
class Ring final : public EventReader {
 public:
  Ring(int fd, uint32_t size, Mapping consumer, Mapping producer)
      : fd_(fd), mask_(size - 1), consumer_(std::move(consumer)), producer_(std::move(producer)) {}

  size_t consume(const std::function<void(ByteSpan)>& record,
                 const std::function<void(uint64_t)>&) override {
    size_t count = 0;
    uint64_t position = load_acquire(consumer_.at(0));
    const std::byte* data = producer_.at(page_size());
    while (position < load_acquire(producer_.at(0))) {
      const std::byte* header = data + (position & mask_);
      const auto length =
          std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(const_cast<std::byte*>(header)))
              .load(std::memory_order_acquire);
      if ((length & kBusy) != 0) break;
      const uint32_t size = length & ~(kBusy | kDiscard);
      if ((length & kDiscard) == 0) {
        record(ByteSpan(header + 8, size));
        ++count;
      }
      position += (uint64_t{size} + 8 + 7) & ~uint64_t{7};
      store_release(consumer_.at(0), position);
    }
    return count;
  }
  [[nodiscard]] bool pending() const override {
    return load_acquire(consumer_.at(0)) < load_acquire(producer_.at(0));
  }
  [[nodiscard]] std::vector<int> descriptors() const override { return {fd_}; }

 private:
  int fd_;  // the map's
  uint64_t mask_;
  Mapping consumer_, producer_;
};

// A buffer a CPU. Records of several CPUs come CPU by CPU.
class PerfBuffer final : public EventReader {
 public:
  struct Cpu {
    Fd event;
    Mapping memory;
  };
  explicit PerfBuffer(std::vector<Cpu> cpus) : cpus_(std::move(cpus)) {}

  size_t consume(const std::function<void(ByteSpan)>& record,
                 const std::function<void(uint64_t)>& lost) override {
    size_t count = 0;
    for (Cpu& cpu : cpus_) {
      auto* control = reinterpret_cast<perf_event_mmap_page*>(cpu.memory.at(0));
      const std::byte* data = cpu.memory.at(page_size());
      const size_t size = kPerfPages * page_size();
      const uint64_t head = load_acquire(&control->data_head);
      uint64_t tail = control->data_tail;
      while (tail < head) {
        perf_event_header header{};
        copy(data, size, tail, &header, sizeof header);
        if (header.size < sizeof header) break;
        record_.resize(header.size);
        copy(data, size, tail, record_.data(), header.size);
        count += take(header.type, record, lost);
        tail += header.size;
      }
      store_release(&control->data_tail, tail);
    }
    return count;
  }
  [[nodiscard]] bool pending() const override {
    return std::ranges::any_of(cpus_, [](const Cpu& cpu) {
      const auto* control = reinterpret_cast<const perf_event_mmap_page*>(cpu.memory.at(0));
      return load_acquire(&control->data_head) != control->data_tail;
    });
  }
  [[nodiscard]] std::vector<int> descriptors() const override {
    std::vector<int> all;
    for (const Cpu& cpu : cpus_) all.push_back(cpu.event.get());
    return all;
  }

 private:
  static void copy(const std::byte* data, size_t size, uint64_t position, void* to, size_t count) {
    const size_t at = position % size, first = std::min(count, size - at);
    std::memcpy(to, data + at, first);
    std::memcpy(static_cast<std::byte*>(to) + first, data, count - first);
  }
  size_t take(uint32_t type, const std::function<void(ByteSpan)>& record,
              const std::function<void(uint64_t)>& lost) {
    const ByteSpan bytes(record_);
    if (type == PERF_RECORD_LOST && bytes.size() >= 24) {
      lost(load<uint64_t>(bytes.data() + 16));
    } else if (type == PERF_RECORD_SAMPLE && bytes.size() >= 12) {
      const auto size = load<uint32_t>(bytes.data() + 8);
      if (size <= bytes.size() - 12) {
        record(bytes.subspan(12, size));
        return 1;
      }
    }
    return 0;
  }
  std::vector<Cpu> cpus_;
  std::vector<std::byte> record_;
};

}  // namespace

Result<std::unique_ptr<EventReader>> open_ring(int map_fd, uint32_t size) {
  const size_t page = page_size();
  SKEP_TRY(consumer, Mapping::make(map_fd, page, PROT_READ | PROT_WRITE, 0));
  SKEP_TRY(producer,
           Mapping::make(map_fd, page + 2 * size_t{size}, PROT_READ, static_cast<off_t>(page)));
  return std::make_unique<Ring>(map_fd, size, std::move(consumer), std::move(producer));
}

Result<std::unique_ptr<EventReader>> open_perf_buffer(int map_fd, uint32_t cpus) {
  std::vector<PerfBuffer::Cpu> opened;
  for (uint32_t cpu = 0; cpu < cpus; ++cpu) {
    perf_event_attr attr{};
    attr.size = sizeof attr;
    attr.type = PERF_TYPE_SOFTWARE;
    attr.config = PERF_COUNT_SW_BPF_OUTPUT;
    attr.sample_period = 1;
    attr.sample_type = PERF_SAMPLE_RAW;
    attr.wakeup_events = 1;
    Fd event(static_cast<int>(::syscall(SYS_perf_event_open, &attr, -1, static_cast<int>(cpu), -1,
                                        PERF_FLAG_FD_CLOEXEC)));
    if (!event && errno == ENODEV) continue;  // possible, but not there
    if (!event) return fail_errno(errno, "perf_event_open of CPU {}", cpu);
    SKEP_TRY(memory,
             Mapping::make(event.get(), (kPerfPages + 1) * page_size(), PROT_READ | PROT_WRITE, 0));
    MapElemAttr update;
    update.map_fd = static_cast<uint32_t>(map_fd);
    update.key = reinterpret_cast<uint64_t>(&cpu);
    const int fd = event.get();
    update.value = reinterpret_cast<uint64_t>(&fd);
    if (::syscall(SYS_bpf, static_cast<int>(Cmd::BPF_MAP_UPDATE_ELEM), &update, sizeof update) !=
            0 ||
        ::ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) != 0)
      return fail_errno(errno, "the perf buffer of CPU {}", cpu);
    opened.push_back({std::move(event), std::move(memory)});
  }
  return std::make_unique<PerfBuffer>(std::move(opened));
}

}  // namespace skep::engine::kernel
