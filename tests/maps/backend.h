// A bpf(2)-like view of maps for tests, so that the same case files run on the user engine and on
// this machine's kernel.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/hive.h"
#include "maps/control/maps.h"

namespace skep::maps::test {

using Bytes = std::vector<std::byte>;

class Backend {
 public:
  virtual ~Backend() = default;
  // All give 0 or a negative errno. A new map replaces the one before.
  virtual int create(const MapAttributes& attributes) = 0;
  virtual int lookup(const Bytes& key, Bytes& value, uint64_t flags = 0) = 0;
  virtual int update(const Bytes& key, const Bytes& value, uint64_t flags) = 0;
  virtual int remove(const Bytes& key) = 0;
  virtual int next(const Bytes* key, Bytes& next) = 0;
  virtual int take(const Bytes& key, Bytes& value) = 0;
  virtual int freeze() = 0;
  virtual uint32_t cpus() const = 0;
};

std::unique_ptr<Backend> make_user_backend();
// Null with the reason where bpf(2) is refused.
std::unique_ptr<Backend> make_kernel_backend(std::string& reason);

}  // namespace skep::maps::test
