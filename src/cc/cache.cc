#include "cc/cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/fd.h"
#include "cc/hash.h"

namespace skep::cc {

namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMagic = 0x0001'6363'7065'6b73;  // "skepcc", version 1
constexpr size_t kHeader = 24;
constexpr size_t kMaxEntries = 512;

class Writer {
 public:
  void number(uint64_t value) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), bytes, bytes + sizeof value);
  }
  void bytes(ByteSpan data) {
    number(data.size());
    bytes_.insert(bytes_.end(), data.begin(), data.end());
  }
  void text(std::string_view data) { bytes(bytes_of(data)); }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

class Unpacker {
 public:
  explicit Unpacker(ByteSpan bytes) : reader_(bytes) {}
  std::optional<uint64_t> number() {
    auto value = reader_.at<uint64_t>(at_);
    at_ += 8;
    return value;
  }
  std::optional<ByteSpan> bytes() {
    auto size = number();
    if (!size) return std::nullopt;
    auto part = reader_.slice(at_, *size);
    at_ += *size;
    return part;
  }
  std::optional<std::string> text() {
    auto part = bytes();
    if (!part) return std::nullopt;
    return std::string(reinterpret_cast<const char*>(part->data()), part->size());
  }

 private:
  Reader reader_;
  size_t at_ = 0;
};

std::optional<std::string> file_hash(const std::string& path) {
  auto bytes = read_file(path);
  if (!bytes) return std::nullopt;
  return Hasher().add(ByteSpan(*bytes)).hex();
}

std::optional<Compiled> unpack(ByteSpan bytes) {
  Reader reader(bytes);
  if (bytes.size() < kHeader || *reader.at<uint64_t>(0) != kMagic) return std::nullopt;
  const ByteSpan body = bytes.subspan(kHeader);
  const auto sum = Hasher().add(body).value();
  if (*reader.at<uint64_t>(8) != sum[0] || *reader.at<uint64_t>(16) != sum[1]) return std::nullopt;
  Unpacker in(body);
  const auto files = in.number();
  for (uint64_t i = 0; files && i < *files; ++i) {
    auto path = in.text(), hash = in.text();
    if (!path || !hash || file_hash(*path) != *hash) return std::nullopt;
  }
  Compiled compiled{
      .ok = true, .object = {}, .diagnostics = {}, .comments = {}, .from_cache = true};
  const auto comments = in.number();
  for (uint64_t i = 0; comments && i < *comments; ++i) {
    auto name = in.text(), text = in.text();
    if (!name || !text) return std::nullopt;
    compiled.comments.emplace_back(std::move(*name), std::move(*text));
  }
  auto diagnostics = in.text();
  auto object = in.bytes();
  if (!diagnostics || !object) return std::nullopt;
  compiled.diagnostics = std::move(*diagnostics);
  compiled.object.assign(object->begin(), object->end());
  return compiled;
}

}  // namespace

std::optional<Compiled> Cache::find(const std::string& key) const {
  if (directory_.empty()) return std::nullopt;
  const std::string path = fmt::format("{}/cc/{}", directory_, key);
  auto bytes = read_file(path);
  if (!bytes) return std::nullopt;
  auto compiled = unpack(*bytes);
  if (compiled) ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);  // young: trim() keeps it
  return compiled;
}

void Cache::store(const std::string& key, const Compiled& compiled,
                  const std::vector<std::string>& included) const {
  if (directory_.empty()) return;
  Writer body;
  std::vector<std::pair<std::string, std::string>> files;
  for (const std::string& path : included) {
    auto hash = file_hash(path);
    if (!hash) return;  // gone already: nothing to keep
    files.emplace_back(path, std::move(*hash));
  }
  body.number(files.size());
  for (const auto& [path, hash] : files) {
    body.text(path);
    body.text(hash);
  }
  body.number(compiled.comments.size());
  for (const auto& [name, text] : compiled.comments) {
    body.text(name);
    body.text(text);
  }
  body.text(compiled.diagnostics);
  body.bytes(compiled.object);
  const std::vector<std::byte> bytes = body.take();
  const auto sum = Hasher().add(ByteSpan(bytes)).value();
  std::vector<std::byte> whole(kHeader);
  skep::store(whole.data(), kMagic);
  skep::store(whole.data() + 8, sum[0]);
  skep::store(whole.data() + 16, sum[1]);
  whole.insert(whole.end(), bytes.begin(), bytes.end());

  std::error_code ignored;
  fs::create_directories(directory_ + "/cc", ignored);
  (void)::chmod(directory_.c_str(), 0700);
  if (auto written = write_file(fmt::format("{}/cc/{}", directory_, key), whole, 0600); written)
    trim();
}

void Cache::trim() const {
  std::error_code error;
  std::vector<std::pair<fs::file_time_type, fs::path>> entries;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory_ + "/cc", error)) {
    auto time = entry.last_write_time(error);
    if (!error) entries.emplace_back(time, entry.path());
  }
  if (entries.size() <= kMaxEntries) return;
  std::ranges::sort(entries);
  for (size_t i = 0; i + kMaxEntries < entries.size(); ++i) fs::remove(entries[i].second, error);
}

std::string default_cache_directory() {
  const char* cache = ::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && cache[0] == '/') return fmt::format("{}/skep", cache);
  const char* home = ::getenv("HOME");
  if (home != nullptr && home[0] == '/') return fmt::format("{}/.cache/skep", home);
  return {};
}

}  // namespace skep::cc
