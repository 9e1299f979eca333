// Events by BTF: one record (of a ring buffer, a perf buffer) as aligned columns or as a line of JSON.
//
//   SKEP_TRY(format, EventFormat::make(btf, type));
//   EventTable table(format);
//   print(table.header());
//   on each record: print(json ? format.to_json(record) : table.row(record));
//
//      PID COMM              RET LATENCY_NS FILENAME
//     4711 ls                  3       2104 /etc/ld.so.cache
//
// A column is a member of the struct; structs in it are flattened ("ADDR.PORT"), padding is left out. Numbers are
// aligned on the right. Records are hostile data: text is escaped, and any length of record gives some line ("?" for what
// is not there).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "btf/btf.h"

namespace skep::report {

struct EventColumn {
  std::string name;  // the member's path, "addr.port"
  btf::TypeId type = 0;
  uint32_t bit_offset = 0;
  uint32_t bitfield_size = 0;
  bool right = false;  // aligned on the right
  size_t width = 0;    // to begin with
};

// Immutable; may be shared between threads.
class EventFormat {
 public:
  // `type` is a struct or a typedef of one; EINVAL otherwise.
  [[nodiscard]] static Result<EventFormat> make(std::shared_ptr<const btf::Btf> btf,
                                                btf::TypeId type);

  [[nodiscard]] std::string_view type_name() const;      // "event", of struct event
  [[nodiscard]] uint32_t size() const { return size_; }  // bytes
  [[nodiscard]] const std::vector<EventColumn>& columns() const { return columns_; }
  // Each column's text, not padded.
  [[nodiscard]] std::vector<std::string> cells(ByteSpan record) const;
  // One line without its newline: {"pid":4711,…}, ASCII only. `source` (a map's name), where given, comes first.
  [[nodiscard]] std::string to_json(ByteSpan record, std::string_view source = {}) const;

 private:
  EventFormat() = default;
  std::shared_ptr<const btf::Btf> btf_;
  btf::TypeId type_ = 0;
  uint32_t size_ = 0;
  std::vector<EventColumn> columns_;
};

// Rows under each other. A cell too wide for its column widens it from then on.
class EventTable {
 public:
  explicit EventTable(const EventFormat& format);
  [[nodiscard]] std::string header() const;
  [[nodiscard]] std::string row(ByteSpan record);

 private:
  [[nodiscard]] std::string line(const std::vector<std::string>& cells) const;
  EventFormat format_;
  std::vector<size_t> widths_;
};

// The struct that a ring or perf buffer's records most likely are, where the map does not say: of the structs of
// `record_size` bytes (0: any), the one named after the map ("events" → event), else named event or ending so, else
// the only one. None where that leaves a doubt.
[[nodiscard]] std::optional<btf::TypeId> guess_event_type(const btf::Btf& btf,
                                                          std::string_view map_name,
                                                          uint32_t record_size);

// A line of bpf_printk, escaped, without its newline.
[[nodiscard]] std::string format_printk(std::string_view text);

}  // namespace skep::report
