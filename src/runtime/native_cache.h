// Native code that was made ahead of time (skep compile --native), kept in files.
//
//   DIRECTORY/key            32 random bytes, mode 0600: made by the first store
//   DIRECTORY/<id>.skn       "skepnat1" | HMAC-SHA256 of what follows | id | image (vm/jit/image.h)
//
// An entry's id is the SHA-256 of all that decides what code a program becomes: its instructions, what the verifier
// proved of them, its maps' geometry, the options, the CPU's features and skep's version. So an entry can't be used for
// another program, for other facts or on another CPU; and without the key, which only its user can read, nobody makes one.
//
// Thread-safe: an entry appears by one rename.
#pragma once

#include <optional>
#include <string>

#include "base/sha256.h"
#include "vm/jit/image.h"

namespace skep::runtime {

// $XDG_CACHE_HOME/skep/native or ~/.cache/skep/native; empty where neither is known.
[[nodiscard]] std::string default_native_cache();

class NativeCache {
 public:
  explicit NativeCache(std::string directory) : directory_(std::move(directory)) {}

  // None where there is no such entry (or no key: nothing was ever stored). EBADMSG where it was not made with this
  // user's key or was changed since, EPERM where others may read the key.
  [[nodiscard]] Result<std::optional<jit::Image>> find(ByteSpan identity) const;
  // Where it was written.
  [[nodiscard]] Result<std::string> store(ByteSpan identity, const jit::Image& image) const;

 private:
  [[nodiscard]] Result<std::optional<Digest256>> key(bool make) const;
  [[nodiscard]] std::string path_of(const Digest256& id) const;

  std::string directory_;
};

}  // namespace skep::runtime
