// The element of HASH_OF_MAPS, for its readers (object_maps.cc) and its one writer
// (control/object_maps.cc). Freestanding.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/shared.h"
#include "object/map_header.h"

namespace skep::maps {

struct ObjectHashEntry {
  hive::Shared<uint64_t> object;  // hive address; 0 = not there
  hive::Shared<uint64_t> used;    // 1 once the key is written: probing goes on past it for ever
  unsigned char* key() { return reinterpret_cast<unsigned char*>(this + 1); }
};

ObjectHashEntry& object_entry(const MapHeader& map, uint64_t index);
// The entry that has or once had the key; null where there is none.
ObjectHashEntry* find_object_entry(const MapHeader& map, const void* key);

}  // namespace skep::maps
