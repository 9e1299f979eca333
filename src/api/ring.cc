// Readers of event maps: of the hive's memory on the user engine, of mmapped rings on the kernel's.
//
// Kernel ring buffer: page 0 of the map is the consumer's position (ours to write), then a page with the
// producer's, then the data twice over, so that a record never wraps. A record: u32 length with flags
// (bit 31 busy, bit 30 discarded), u32 offset, then its bytes, rounded up to 8.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>

#include "api/state.h"
#include "maps/control/events.h"

namespace skep::v1 {

namespace {

using engine::Cmd;

constexpr uint32_t kBusy = 1u << 31, kDiscarded = 1u << 30, kRecordHeader = 8;
constexpr uint32_t kPerfRecordLost = 2, kPerfRecordSample = 9, kPerfSampleRaw = 1u << 10;
constexpr unsigned long kPerfEventEnable = 0x2400;  // PERF_EVENT_IOC_ENABLE
constexpr size_t kPerfPages = 64;

class UserRing : public RingState {
 public:
  explicit UserRing(const MapHeader& map) : reader_(map) {}
  size_t consume(const std::function<void(std::span<const std::byte>)>& callback) override {
    return reader_.consume([&](ByteSpan sample) {
      callback(sample);
      return true;
    });
  }
  bool pending() override { return reader_.pending(); }
  bool wait(std::chrono::milliseconds limit) override {
    maps::wait_for_events([&] { return reader_.pending(); }, limit);
    return reader_.pending();
  }

 private:
  maps::RingReader reader_;
};

class UserPerf : public RingState {
 public:
  UserPerf(Hive& hive, MapHeader& map) : reader_(hive, map) {}
  size_t consume(const std::function<void(std::span<const std::byte>)>& callback) override {
    return reader_.consume(
        [&](const maps::PerfReader::Event& event) {
          callback(event.sample);
          return true;
        },
        [&](uint32_t, uint64_t count) { lost_ += count; });
  }
  bool pending() override { return reader_.pending(); }
  bool wait(std::chrono::milliseconds limit) override {
    maps::wait_for_events([&] { return reader_.pending(); }, limit);
    return reader_.pending();
  }
  [[nodiscard]] uint64_t lost() const override { return lost_; }

 private:
  maps::PerfReader reader_;
  uint64_t lost_ = 0;
};

class KernelRing : public RingState {
 public:
  static Expected<std::shared_ptr<RingState>> open(int fd, uint32_t size) {
    auto ring = std::make_shared<KernelRing>();
    const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    ring->fd_ = fd;
    ring->page_ = page;
    ring->size_ = size;
    void* consumer = ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (consumer == MAP_FAILED) return refuse(errno, "mmap of a ring buffer: " + errno_text(errno));
    ring->consumer_ = static_cast<std::byte*>(consumer);
    void* producer = ::mmap(nullptr, page + 2 * size_t{size}, PROT_READ, MAP_SHARED, fd,
                            static_cast<off_t>(page));
    if (producer == MAP_FAILED) return refuse(errno, "mmap of a ring buffer: " + errno_text(errno));
    ring->producer_ = static_cast<std::byte*>(producer);
    return ring;
  }
  ~KernelRing() override {
    if (consumer_ != nullptr) ::munmap(consumer_, page_);
    if (producer_ != nullptr) ::munmap(producer_, page_ + 2 * size_t{size_});
  }
  size_t consume(const std::function<void(std::span<const std::byte>)>& callback) override {
    size_t count = 0;
    auto& consumed = *reinterpret_cast<std::atomic<uint64_t>*>(consumer_);
    uint64_t position = consumed.load(std::memory_order_relaxed);
    while (position < produced()) {
      std::byte* record = producer_ + page_ + (position & (size_ - 1));
      const uint32_t length =
          reinterpret_cast<std::atomic<uint32_t>*>(record)->load(std::memory_order_acquire);
      if ((length & kBusy) != 0) break;
      const uint32_t bytes = length & ~(kBusy | kDiscarded);
      if ((length & kDiscarded) == 0) {
        callback({record + kRecordHeader, bytes});
        ++count;
      }
      position += (bytes + kRecordHeader + 7) / 8 * 8;
      consumed.store(position, std::memory_order_release);
    }
    return count;
  }
  bool pending() override {
    return reinterpret_cast<std::atomic<uint64_t>*>(consumer_)->load(std::memory_order_relaxed) <
           produced();
  }
  bool wait(std::chrono::milliseconds limit) override {
    pollfd wanted{fd_, POLLIN, 0};
    return pending() || (::poll(&wanted, 1, static_cast<int>(limit.count())) > 0 && pending());
  }

 private:
  [[nodiscard]] uint64_t produced() const {
    return reinterpret_cast<std::atomic<uint64_t>*>(producer_)->load(std::memory_order_acquire);
  }
  int fd_ = -1;
  size_t page_ = 0;
  uint32_t size_ = 0;
  std::byte *consumer_ = nullptr, *producer_ = nullptr;
};

// One perf ring for each CPU: a page of positions, then the data, in which records may wrap.
class KernelPerf : public RingState {
 public:
  static Expected<std::shared_ptr<RingState>> open(engine::Engine& engine, int map_fd,
                                                   uint32_t cpus) {
    auto all = std::make_shared<KernelPerf>();
    all->page_ = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    for (uint32_t cpu = 0; cpu < cpus; ++cpu) {
      engine::PerfEventAttr attr;
      attr.type = engine::PERF_TYPE_SOFTWARE;
      attr.config = engine::PERF_COUNT_SW_BPF_OUTPUT;
      attr.sample_period = 1;
      attr.sample_type = kPerfSampleRaw;
      attr.wakeup_events = 1;
      const int64_t fd = engine.perf_event_open(attr, -1, static_cast<int>(cpu), -1, 8);
      if (fd == -ENODEV) continue;  // possible, but not there
      if (fd < 0) return refuse_call(engine, fd, "perf_event_open");
      Ring& ring = all->rings_.emplace_back();
      ring.fd = static_cast<int>(fd);
      void* memory = ::mmap(nullptr, all->page_ * (kPerfPages + 1), PROT_READ | PROT_WRITE,
                            MAP_SHARED, ring.fd, 0);
      if (memory == MAP_FAILED) return refuse(errno, "mmap of a perf ring: " + errno_text(errno));
      ring.memory = static_cast<std::byte*>(memory);
      engine::MapElemAttr update;
      update.map_fd = static_cast<uint32_t>(map_fd);
      update.key = address_of(&cpu);
      update.value = address_of(&ring.fd);
      if (int64_t done = engine.call(Cmd::BPF_MAP_UPDATE_ELEM, update); done < 0)
        return refuse_call(engine, done, "a perf event array's element");
      if (::ioctl(ring.fd, kPerfEventEnable, 0) < 0)
        return refuse(errno, "PERF_EVENT_IOC_ENABLE: " + errno_text(errno));
    }
    return all;
  }
  ~KernelPerf() override {
    for (const Ring& ring : rings_) {
      if (ring.memory != nullptr) ::munmap(ring.memory, page_ * (kPerfPages + 1));
      ::close(ring.fd);
    }
  }
  size_t consume(const std::function<void(std::span<const std::byte>)>& callback) override {
    size_t count = 0;
    for (Ring& ring : rings_) {
      uint64_t tail = position(ring, kTail).load(std::memory_order_relaxed);
      const uint64_t head = position(ring, kHead).load(std::memory_order_acquire);
      while (head - tail >= 8) {
        std::byte header[8];
        copy(ring, tail, header, sizeof header);
        const auto type = load<uint32_t>(header);
        const auto size = load<uint16_t>(header + 6);
        if (size < 8 || size > head - tail) break;
        record_.resize(size);
        copy(ring, tail, record_.data(), size);
        if (type == kPerfRecordSample && size >= 12) {
          const uint32_t raw = std::min<uint32_t>(load<uint32_t>(record_.data() + 8), size - 12u);
          callback({record_.data() + 12, raw});
          ++count;
        } else if (type == kPerfRecordLost && size >= 24) {
          lost_ += load<uint64_t>(record_.data() + 16);
        }
        tail += size;
      }
      position(ring, kTail).store(tail, std::memory_order_release);
    }
    return count;
  }
  bool pending() override {
    for (const Ring& ring : rings_)
      if (position(ring, kHead).load(std::memory_order_acquire) !=
          position(ring, kTail).load(std::memory_order_relaxed))
        return true;
    return false;
  }
  bool wait(std::chrono::milliseconds limit) override {
    if (pending()) return true;
    std::vector<pollfd> wanted;
    for (const Ring& ring : rings_) wanted.push_back({ring.fd, POLLIN, 0});
    return ::poll(wanted.data(), wanted.size(), static_cast<int>(limit.count())) > 0 && pending();
  }
  [[nodiscard]] uint64_t lost() const override { return lost_; }

 private:
  struct Ring {
    int fd = -1;
    std::byte* memory = nullptr;
  };
  static constexpr size_t kHead = 1024, kTail = 1032;  // in struct perf_event_mmap_page
  static std::atomic<uint64_t>& position(const Ring& ring, size_t at) {
    return *reinterpret_cast<std::atomic<uint64_t>*>(ring.memory + at);
  }
  void copy(const Ring& ring, uint64_t from, std::byte* to, size_t size) const {
    const size_t capacity = page_ * kPerfPages, at = from & (capacity - 1);
    const size_t first = std::min(size, capacity - at);
    std::memcpy(to, ring.memory + page_ + at, first);
    std::memcpy(to + first, ring.memory + page_, size - first);
  }

  size_t page_ = 0;
  std::vector<Ring> rings_;
  std::vector<std::byte> record_;
  uint64_t lost_ = 0;
};

}  // namespace

Expected<std::shared_ptr<RingState>> open_ring(const std::shared_ptr<EngineState>& engine,
                                               int map_fd) {
  engine::MapInfo info;
  engine::ObjInfoAttr ask;
  ask.bpf_fd = static_cast<uint32_t>(map_fd);
  ask.info = address_of(&info);
  ask.info_len = sizeof info;
  if (int64_t done = engine->engine->call(Cmd::BPF_OBJ_GET_INFO_BY_FD, ask); done < 0)
    return refuse_call(*engine->engine, done, "a map's information");
  const auto type = static_cast<MapType>(info.type);
  const bool ring = type == MapType::BPF_MAP_TYPE_RINGBUF;
  if (!ring && type != MapType::BPF_MAP_TYPE_PERF_EVENT_ARRAY)
    return refuse(EINVAL, fmt::format("map {}: it is no ring buffer and no perf event array",
                                      std::string_view(info.name)));
  if (engine->user == nullptr)
    return ring ? KernelRing::open(map_fd, info.max_entries)
                : KernelPerf::open(*engine->engine, map_fd,
                                   std::min(info.max_entries, engine->engine->possible_cpus()));
  auto map = engine->user->map_of(map_fd);
  if (!map) return refuse(map);
  if (ring) return std::make_shared<UserRing>((*map)->header());
  return std::make_shared<UserPerf>(engine->user->runtime().hive(), (*map)->header());
}

Expected<RawRing> RawRing::open(const RawMap& map) {
  if (map.fd() < 0) return refuse(EINVAL, map.info().name + ": its object is not loaded");
  auto state = open_ring(map.state->engine, map.fd());
  if (!state) return std::unexpected(state.error());
  RawRing ring;
  ring.state = std::move(*state);
  return ring;
}
bool RawRing::poll(std::chrono::milliseconds limit) {
  return state->pending() || state->wait(limit);
}
size_t RawRing::consume(const std::function<void(std::span<const std::byte>)>& callback) {
  return state->consume(callback);
}
uint64_t RawRing::lost() const { return state->lost(); }

}  // namespace skep::v1
