// Consumers of the kernel's ring buffers and perf event arrays, through the memory that it shares.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"

namespace skep::engine::kernel {

// Not thread-safe. The record is valid until the callback returns.
class EventReader {
 public:
  virtual ~EventReader() = default;
  // Hands over what is there without waiting; how many records. `lost` is told of records that found no room.
  virtual size_t consume(const std::function<void(ByteSpan)>& record,
                         const std::function<void(uint64_t)>& lost) = 0;
  [[nodiscard]] virtual bool pending() const = 0;
  // Descriptors that become readable when something is there.
  [[nodiscard]] virtual std::vector<int> descriptors() const = 0;
};

// Of a BPF_MAP_TYPE_RINGBUF with `size` bytes.
[[nodiscard]] Result<std::unique_ptr<EventReader>> open_ring(int map_fd, uint32_t size);
// Of a BPF_MAP_TYPE_PERF_EVENT_ARRAY: opens a buffer for each CPU that is there and puts it into the map.
[[nodiscard]] Result<std::unique_ptr<EventReader>> open_perf_buffer(int map_fd, uint32_t cpus);

}  // namespace skep::engine::kernel
