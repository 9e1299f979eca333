// The cache of compiled objects: a file each in DIR/cc, named by its key.
//
//   | magic 8 | checksum of all behind it 16 | u32 count, then (path, hash)* of included files | comments | diagnostics | object |
//
// Written to a temporary file and renamed. Anything that does not check out is a miss.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cc/cc.h"

namespace skep::cc {

class Cache {
 public:
  // "": none (nothing is found, nothing kept).
  explicit Cache(std::string directory) : directory_(std::move(directory)) {}

  [[nodiscard]] std::optional<Compiled> find(const std::string& key) const;
  // Failing to store is no error: a full disk, a read-only home.
  void store(const std::string& key, const Compiled& compiled,
             const std::vector<std::string>& included) const;

 private:
  void trim() const;
  std::string directory_;
};

// $XDG_CACHE_HOME/skep, ~/.cache/skep; "" where neither is known.
[[nodiscard]] std::string default_cache_directory();

}  // namespace skep::cc
