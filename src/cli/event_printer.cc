#include "cli/event_printer.h"

#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/map_contents.h"

namespace skep::cli {

EventPrinter::EventPrinter(Hive& hive, bool json) : hive_(&hive), json_(json) {}
EventPrinter::EventPrinter(bool json) : json_(json) {}
EventPrinter::~EventPrinter() = default;

void EventPrinter::follow(MapHeader& map, std::shared_ptr<const btf::Btf> btf,
                          btf::TypeId value_type) {
  auto source = std::make_unique<Source>();
  source->name = map_name(map);
  source->btf = std::move(btf);
  source->type = value_type;
  if (static_cast<MapType>(map.type) == MapType::BPF_MAP_TYPE_RINGBUF) {
    source->ring = std::make_unique<maps::RingReader>(map);
  } else {
    source->perf = std::make_unique<maps::PerfReader>(*hive_, map);
  }
  sources_.push_back(std::move(source));
}

void EventPrinter::follow(std::string name, std::unique_ptr<engine::kernel::EventReader> reader,
                          std::shared_ptr<const btf::Btf> btf, btf::TypeId value_type) {
  auto source = std::make_unique<Source>();
  source->name = std::move(name);
  source->btf = std::move(btf);
  source->type = value_type;
  source->kernel = std::move(reader);
  sources_.push_back(std::move(source));
}

void EventPrinter::follow_printk(MapHeader& ring) {
  auto source = std::make_unique<Source>();
  source->name = "printk";
  source->ring = std::make_unique<maps::RingReader>(ring);
  source->is_printk = true;
  sources_.push_back(std::move(source));
}

bool EventPrinter::pending() const {
  for (const auto& source : sources_) {
    if (source->kernel) {
      if (source->kernel->pending()) return true;
      continue;
    }
    if (source->ring ? source->ring->pending() : source->perf->pending()) return true;
  }
  return false;
}

size_t EventPrinter::drain() {
  size_t count = 0;
  for (const auto& source : sources_) {
    Source& from = *source;
    if (from.kernel) {
      count += from.kernel->consume([&](ByteSpan record) { print_record(from, record); },
                                    [&](uint64_t records) { lost_ += records; });
    } else if (from.ring) {
      count += from.ring->consume([&](ByteSpan record) {
        print_record(from, record);
        return true;
      });
    } else {
      count += from.perf->consume(
          [&](const maps::PerfReader::Event& event) {
            print_record(from, event.sample);
            return true;
          },
          [&](uint32_t, uint64_t records) { lost_ += records; });
    }
  }
  return count;
}

void EventPrinter::print_record(Source& source, ByteSpan record) {
  if (source.is_printk) {
    std::string_view text(reinterpret_cast<const char*>(record.data()), record.size());
    std::string line = report::format_printk(text);
    print(json_ ? nlohmann::json{{"printk", line}}.dump(-1, ' ', true,
                                                        nlohmann::json::error_handler_t::replace) +
                      "\n"
                : line + "\n");
    return;
  }
  if (!source.format && source.btf) {
    if (source.type == 0) {
      source.type =
          report::guess_event_type(*source.btf, source.name, static_cast<uint32_t>(record.size()))
              .value_or(0);
    }
    if (source.type != 0) {
      if (auto format = report::EventFormat::make(source.btf, source.type)) {
        source.format = std::move(*format);
        source.table.emplace(*source.format);
      }
    }
    if (!source.format) {
      source.btf.reset();  // no type fits: do not try at each record
      warn(fmt::format(
          "{}: the object's BTF has no struct of {} bytes that its records could be; add "
          "\"struct event *unused __attribute__((unused));\" to the source",
          source.name, record.size()));
    }
  }
  if (!source.format) {
    std::string bytes;
    for (std::byte byte : record) bytes += fmt::format("{:02x}", static_cast<uint8_t>(byte));
    print(json_ ? nlohmann::json{{"source", source.name}, {"bytes", bytes}}.dump() + "\n"
                : fmt::format("{}: {}\n", source.name, bytes));
    return;
  }
  if (json_) {
    print(source.format->to_json(record, sources_.size() > 1 ? source.name : "") + "\n");
    return;
  }
  if (last_ != &source) {
    if (last_ != nullptr) print("\n");
    print(source.table->header() + "\n");
    last_ = &source;
  }
  print(source.table->row(record) + "\n");
}

}  // namespace skep::cli
