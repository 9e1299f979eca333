// Runs tests/maps/cases/*.txt on the user engine and, where it may, on the kernel: one corpus,
// every engine. Case lines: `command arguments = expected`; numbers are little-endian keys and
// values of the map's sizes, a.b.c.d/n an LPM key. Per-CPU values are written to and expected from
// all CPUs alike.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "maps/backend.h"
#include "test_paths.h"

namespace skep::maps::test {
namespace {

const std::map<std::string, MapType> kTypes = {
    {"HASH", MapType::BPF_MAP_TYPE_HASH},
    {"ARRAY", MapType::BPF_MAP_TYPE_ARRAY},
    {"PERCPU_HASH", MapType::BPF_MAP_TYPE_PERCPU_HASH},
    {"PERCPU_ARRAY", MapType::BPF_MAP_TYPE_PERCPU_ARRAY},
    {"LRU_HASH", MapType::BPF_MAP_TYPE_LRU_HASH},
    {"LRU_PERCPU_HASH", MapType::BPF_MAP_TYPE_LRU_PERCPU_HASH},
    {"QUEUE", MapType::BPF_MAP_TYPE_QUEUE},
    {"STACK", MapType::BPF_MAP_TYPE_STACK},
    {"BLOOM_FILTER", MapType::BPF_MAP_TYPE_BLOOM_FILTER},
    {"LPM_TRIE", MapType::BPF_MAP_TYPE_LPM_TRIE},
    {"RINGBUF", MapType::BPF_MAP_TYPE_RINGBUF},
    {"PERF_EVENT_ARRAY", MapType::BPF_MAP_TYPE_PERF_EVENT_ARRAY},
    {"STACK_TRACE", MapType::BPF_MAP_TYPE_STACK_TRACE},
    {"PROG_ARRAY", MapType::BPF_MAP_TYPE_PROG_ARRAY},
    {"ARRAY_OF_MAPS", MapType::BPF_MAP_TYPE_ARRAY_OF_MAPS},
};

std::string errno_word(int result) {
  if (result == 0) return "ok";
  return result == -524 ? "ENOTSUPP" : std::string(errno_name(-result));
}

bool is_per_cpu(MapType type) {
  return type == MapType::BPF_MAP_TYPE_PERCPU_HASH || type == MapType::BPF_MAP_TYPE_PERCPU_ARRAY ||
         type == MapType::BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

class Runner {
 public:
  explicit Runner(Backend& backend) : backend_(backend) {}

  // What the line gave, in the words of its right side.
  std::string run(const std::vector<std::string>& words) {
    const std::string& command = words[0];
    auto word = [&](size_t i) { return i < words.size() ? words[i] : std::string(); };
    Bytes value(value_bytes());
    if (command == "create") return create(words);
    if (command == "update")
      return errno_word(backend_.update(key(word(1)), values(word(2)), flags(word(3))));
    if (command == "push") return errno_word(backend_.update({}, values(word(1)), flags(word(2))));
    if (command == "delete") return errno_word(backend_.remove(key(word(1))));
    if (command == "freeze") return errno_word(backend_.freeze());
    if (command == "lookup") return shown(backend_.lookup(key(word(1)), value), value);
    if (command == "peek") return shown(backend_.lookup({}, value), value);
    if (command == "take") return shown(backend_.take(key(word(1)), value), value);
    if (command == "pop") return shown(backend_.take({}, value), value);
    if (command == "contains") {
      value = values(word(1));
      return errno_word(backend_.lookup({}, value));
    }
    if (command == "next") {
      Bytes from = key(word(1)), next(attributes_.key_size);
      int result = backend_.next(word(1) == "first" ? nullptr : &from, next);
      return result != 0 ? errno_word(result) : key_word(next);
    }
    if (command == "keys" || command == "keys_in_order") return keys(command == "keys");
    return "unknown command " + command;
  }

 private:
  std::string create(const std::vector<std::string>& words) {
    attributes_ = {};
    attributes_.type = kTypes.at(words.at(1));
    for (size_t i = 2; i < words.size(); ++i) {
      size_t equals = words[i].find('=');
      std::string name = words[i].substr(0, equals);
      uint64_t number = std::stoull(words[i].substr(equals + 1), nullptr, 0);
      if (name == "key") attributes_.key_size = static_cast<uint32_t>(number);
      if (name == "value") attributes_.value_size = static_cast<uint32_t>(number);
      if (name == "max") attributes_.max_entries = static_cast<uint32_t>(number);
      if (name == "flags") attributes_.map_flags = static_cast<uint32_t>(number);
      if (name == "extra") attributes_.map_extra = number;
    }
    return errno_word(backend_.create(attributes_));
  }
  static uint64_t flags(const std::string& word) {
    if (word == "noexist") return 1;
    if (word == "exist") return 2;
    if (word.starts_with("flags=")) return std::stoull(word.substr(6), nullptr, 0);
    return 0;
  }
  static void put(std::span<std::byte> to, uint64_t number) {
    for (size_t i = 0; i < to.size(); ++i)
      to[i] = static_cast<std::byte>(i < 8 ? number >> (8 * i) : 0);
  }
  static uint64_t number(std::span<const std::byte> from) {
    uint64_t result = 0;
    for (size_t i = 0; i < std::min<size_t>(8, from.size()); ++i)
      result |= uint64_t{static_cast<unsigned char>(from[i])} << (8 * i);
    return result;
  }
  Bytes key(const std::string& word) const {
    Bytes bytes(attributes_.key_size);
    unsigned a, b, c, d, n;
    if (std::sscanf(word.c_str(), "%u.%u.%u.%u/%u", &a, &b, &c, &d, &n) == 5) {
      put(std::span(bytes).first(4), n);
      put(std::span(bytes).subspan(4, 4), a | b << 8 | c << 16 | d << 24);
    } else if (!word.empty() && word != "first") {
      put(bytes, std::stoull(word));
    }
    return bytes;
  }
  std::string key_word(const Bytes& key) const {
    if (attributes_.type != MapType::BPF_MAP_TYPE_LPM_TRIE) return std::to_string(number(key));
    auto part = [&](size_t i) { return static_cast<unsigned>(key[4 + i]); };
    return fmt::format("{}.{}.{}.{}/{}", part(0), part(1), part(2), part(3),
                       number(std::span(key).first(4)));
  }
  size_t one_value() const {
    return is_per_cpu(attributes_.type) ? (attributes_.value_size + 7) / 8 * 8
                                        : attributes_.value_size;
  }
  size_t value_bytes() const {
    return one_value() * (is_per_cpu(attributes_.type) ? backend_.cpus() : 1);
  }
  Bytes values(const std::string& word) const {
    Bytes bytes(value_bytes());
    for (size_t at = 0; at < bytes.size(); at += one_value())
      put(std::span(bytes).subspan(at, attributes_.value_size), std::stoull(word));
    return bytes;
  }
  std::string shown(int result, const Bytes& value) const {
    if (result != 0) return errno_word(result);
    uint64_t first = number(std::span(value).first(attributes_.value_size));
    for (size_t at = 0; at < value.size(); at += one_value())
      if (number(std::span(value).subspan(at, attributes_.value_size)) != first)
        return "CPUs differ";
    return std::to_string(first);
  }
  std::string keys(bool sorted) {
    std::vector<std::string> found;
    Bytes at(attributes_.key_size), next(attributes_.key_size);
    int result = backend_.next(nullptr, next);
    while (result == 0 && found.size() < 100) {
      found.push_back(key_word(next));
      at = next;
      result = backend_.next(&at, next);
    }
    if (result != -ENOENT) return errno_word(result);
    if (sorted)
      std::sort(found.begin(), found.end(), [](const std::string& a, const std::string& b) {
        return std::stoull(a) < std::stoull(b);
      });
    std::string text;
    for (const auto& one : found) text += (text.empty() ? "" : " ") + one;
    return text;
  }

  Backend& backend_;
  MapAttributes attributes_;
};

void run_file(Backend& backend, const std::filesystem::path& path) {
  Runner runner(backend);
  std::ifstream file(path);
  ASSERT_TRUE(file.is_open());
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    // The last '=' that stands alone: `key=4` has one too.
    size_t equals = line.rfind(" =");
    ASSERT_NE(equals, std::string::npos) << path << ":" << number;
    std::string expected = line.substr(std::min(line.size(), equals + 3));
    std::istringstream left(line.substr(0, equals));
    std::vector<std::string> words{std::istream_iterator<std::string>(left), {}};
    EXPECT_EQ(runner.run(words), expected)
        << path.filename().string() << ":" << number << ": " << line;
  }
}

std::vector<std::filesystem::path> case_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(SKEP_SOURCE_DIR "/tests/maps/cases"))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

TEST(map_cases, the_user_engine_answers_as_the_kernel_does) {
  auto backend = make_user_backend();
  ASSERT_NE(backend, nullptr);
  auto files = case_files();
  ASSERT_GE(files.size(), 6u);
  for (const auto& file : files) run_file(*backend, file);
}

TEST(map_cases, the_kernel_of_this_machine_agrees) {
  std::string reason;
  auto backend = make_kernel_backend(reason);
  if (!backend) GTEST_SKIP() << reason;
  for (const auto& file : case_files()) run_file(*backend, file);
}

}  // namespace
}  // namespace skep::maps::test
