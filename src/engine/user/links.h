// The engine's links by id. They live by reference: this only finds them.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "engine/user/objects.h"

namespace skep::engine::user {

class Links {
 public:
  [[nodiscard]] uint32_t take_id() {
    std::lock_guard lock(mutex_);
    return next_id_++;
  }
  void publish(const std::shared_ptr<LinkObject>& link) {
    std::lock_guard lock(mutex_);
    std::erase_if(links_, [](const auto& row) { return row.second.expired(); });
    links_.emplace(link->id, link);
  }
  [[nodiscard]] std::shared_ptr<LinkObject> find(uint32_t id) const {
    std::lock_guard lock(mutex_);
    auto found = links_.find(id);
    return found == links_.end() ? nullptr : found->second.lock();
  }
  [[nodiscard]] std::optional<uint32_t> next_id(uint32_t id) const {
    std::lock_guard lock(mutex_);
    for (auto at = links_.upper_bound(id); at != links_.end(); ++at) {
      if (!at->second.expired()) return at->first;
    }
    return std::nullopt;
  }
  // The link that attaches a program to this event.
  [[nodiscard]] std::shared_ptr<LinkObject> of_event(const EventObject* event) const {
    std::lock_guard lock(mutex_);
    for (const auto& [id, weak] : links_) {
      auto link = weak.lock();
      if (link && link->event.get() == event) return link;
    }
    return nullptr;
  }

 private:
  mutable std::mutex mutex_;
  std::map<uint32_t, std::weak_ptr<LinkObject>> links_;
  uint32_t next_id_ = 1;
};

}  // namespace skep::engine::user
