// PERF_EVENT_ARRAY's layout: a ring for each slot, as perf_event_open(2)'s mmap shows it: a page
// with data_head at 1024 and data_tail at 1032, then a power of two of data; records are
// PERF_RECORD_SAMPLE with PERF_SAMPLE_TIME | PERF_SAMPLE_RAW:
//
//   type u32 = 9 | misc u16 | size u16 | time u64 | raw size u32 | raw bytes, zeroes to a multiple
//   of 8
//
// A record may wrap. Only the slot's bee produces, so there is no lock: `head` moves by one store
// once the record is written; killed before that, it never was. What finds no room is counted in
// `lost`.
//
// Freestanding.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/shared.h"
#include "object/map_header.h"

namespace skep::maps {

inline constexpr uint64_t kPerfPage = 4096;
inline constexpr uint32_t kPerfRecordSample = 9;
inline constexpr uint64_t kPerfSampleHeader = 8 + 8 + 4;  // up to the raw bytes

struct PerfPage {
  unsigned char reserved[1024];
  hive::Shared<uint64_t> head;
  hive::Shared<uint64_t> tail;
  uint64_t data_offset, data_size;
  unsigned char more[2048 - 1024 - 32];
  hive::Shared<uint64_t> lost;  // ours
};
static_assert(offsetof(PerfPage, head) == 1024 && offsetof(PerfPage, lost) == 2048 &&
              sizeof(PerfPage) <= kPerfPage);

// MapHeader::extra.
struct PerfGeometry {
  uint64_t ring_size;              // bytes of data; a power of two
  hive::Shared<uint64_t> readers;  // 0: output is -ENOENT, as with no event in the array
};

inline const PerfGeometry& perf_geometry(const MapHeader& map) {
  return *reinterpret_cast<const PerfGeometry*>(map.extra);
}
inline PerfPage& perf_page(const MapHeader& map, uint32_t slot) {
  return *reinterpret_cast<PerfPage*>(map.values + uint64_t{slot} * map.slot_stride);
}
inline unsigned char* perf_data(const MapHeader& map, uint32_t slot) {
  return reinterpret_cast<unsigned char*>(&perf_page(map, slot)) + kPerfPage;
}

}  // namespace skep::maps
