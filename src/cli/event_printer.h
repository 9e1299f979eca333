// What a running session sends, as it comes: ring buffers, perf buffers and bpf_printk, decoded by BTF.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/hive.h"
#include "btf/btf.h"
#include "engine/kernel/event_readers.h"
#include "maps/control/events.h"
#include "object/map_header.h"
#include "report/event.h"

namespace skep::cli {

class EventPrinter {
 public:
  EventPrinter(Hive& hive, bool json);
  explicit EventPrinter(bool json);  // of the kernel's readers only
  ~EventPrinter();

  // Follows a ring or perf buffer. `value_type`: its records' type where the map says it; 0: guessed.
  void follow(MapHeader& map, std::shared_ptr<const btf::Btf> btf, btf::TypeId value_type);
  void follow(std::string name, std::unique_ptr<engine::kernel::EventReader> reader,
              std::shared_ptr<const btf::Btf> btf, btf::TypeId value_type);
  // Lines of bpf_printk come through this ring.
  void follow_printk(MapHeader& ring);

  [[nodiscard]] bool pending() const;
  // Prints all that is there; how many records that were.
  size_t drain();
  // Records that producers could not place.
  [[nodiscard]] uint64_t lost() const { return lost_; }

 private:
  struct Source {
    std::string name;
    std::shared_ptr<const btf::Btf> btf;
    btf::TypeId type = 0;  // 0: not known yet
    std::optional<report::EventFormat> format;
    std::optional<report::EventTable> table;
    std::unique_ptr<maps::RingReader> ring;
    std::unique_ptr<maps::PerfReader> perf;
    std::unique_ptr<engine::kernel::EventReader> kernel;
    bool is_printk = false;
  };
  void print_record(Source& source, ByteSpan record);

  Hive* hive_ = nullptr;
  bool json_;
  std::vector<std::unique_ptr<Source>> sources_;
  const Source* last_ = nullptr;  // whose header is above
  uint64_t lost_ = 0;
};

}  // namespace skep::cli
