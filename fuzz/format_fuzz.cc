// The printf of programs (helpers/format.h) and bpf_strtol on any text: nothing outside the buffers is touched,
// the result is terminated and its length is what was written.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "helpers/bodies.h"
#include "helpers/format.h"

using namespace skep;

namespace {

// Memory of the "traced process": 64 bytes at address 0x1000; all else faults.
constexpr uint64_t kBase = 0x1000, kSize = 64;
const char* g_memory;

int64_t read_memory(HelperContext*, void* to, uint64_t from, uint64_t size) {
  if (from < kBase || from - kBase > kSize || kSize - (from - kBase) < size) return -14;
  std::memcpy(to, g_memory + (from - kBase), size);
  return 0;
}
int64_t read_string(HelperContext*, void* to, uint64_t from, uint64_t size) {
  if (from < kBase || from - kBase >= kSize || size == 0) return -14;
  const uint64_t there = std::min(size - 1, kSize - (from - kBase));
  const uint64_t length = ::strnlen(g_memory + (from - kBase), there);
  std::memcpy(to, g_memory + (from - kBase), length);
  static_cast<char*>(to)[length] = 0;
  return static_cast<int64_t>(length) + 1;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 + 24 + kSize) return 0;
  const size_t room = data[0];
  const uint32_t count = data[1] % 4;
  uint64_t arguments[3];
  std::memcpy(arguments, data + 2, 24);
  for (uint64_t& argument : arguments) {
    if (argument % 3 == 0) argument = kBase + argument % kSize;
  }
  g_memory = reinterpret_cast<const char*>(data + 26);
  const std::vector<char> fmt(data + 26 + kSize, data + size);
  HostOps host{};
  host.read_memory = read_memory;
  host.read_string = read_string;
  HelperContext run;
  run.host = &host;
  std::vector<char> out(room);
  const int64_t length =
      helpers::format_text(&run, out.data(), room, fmt.data(), fmt.size(), arguments, count);
  if (length >= 0 && room > 0) {
    const size_t written = ::strnlen(out.data(), room);
    if (written == room) std::abort();
  }
  int64_t value = 0;
  const auto taken =
      static_cast<int64_t>(helpers::strtol(reinterpret_cast<uint64_t>(fmt.data()), fmt.size(),
                                           data[0], reinterpret_cast<uint64_t>(&value), 0, &run));
  if (taken > static_cast<int64_t>(fmt.size())) std::abort();
  return 0;
}
