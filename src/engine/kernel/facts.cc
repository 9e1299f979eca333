#include "engine/kernel/facts.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/fd.h"

namespace skep::engine::kernel {

namespace {

std::string_view text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Calls f(line) until it returns false.
template <class F>
void for_each_line(std::string_view text, F f) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (!f(text.substr(0, end))) return;
    if (end == text.npos) return;
    text.remove_prefix(end + 1);
  }
}

// gzopen reads plain files, too.
std::string read_gzip(const std::string& path) {
  std::string text;
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) return text;
  char buffer[1 << 14];
  for (int count; (count = gzread(file, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(count));
  gzclose(file);
  return text;
}

// The fields of a line of kallsyms: "ffffffff81000000 T _text	[module]".
struct KernelSymbol {
  uint64_t address = 0;
  char kind = 0;
  std::string_view name;
};
std::optional<KernelSymbol> parse_symbol(std::string_view line) {
  if (line.size() < 20 || line[16] != ' ' || line[18] != ' ') return std::nullopt;
  KernelSymbol symbol;
  const std::string_view digits = line.substr(0, 16);
  std::from_chars(digits.begin(), digits.end(), symbol.address, 16);
  symbol.kind = line[17];
  symbol.name = line.substr(19, line.find('\t') - 19);
  return symbol;
}

}  // namespace

uint32_t version_code() {
  utsname name{};
  ::uname(&name);
  unsigned major = 0, minor = 0, patch = 0;
  std::sscanf(name.release, "%u.%u.%u", &major, &minor, &patch);
  // Debian's release says only 6.1.0; the true patch level stands in the version, and bpf(2) wants it.
  if (const char* debian = std::strstr(name.version, "Debian "))
    std::sscanf(debian, "Debian %u.%u.%u", &major, &minor, &patch);
  return major << 16 | minor << 8 | std::min(patch, 255u);
}

std::unordered_map<std::string, std::string> read_config() {
  utsname name{};
  ::uname(&name);
  std::string text = read_gzip("/proc/config.gz");
  if (text.empty()) text = read_gzip(std::string("/boot/config-") + name.release);
  std::unordered_map<std::string, std::string> config;
  for_each_line(text, [&](std::string_view line) {
    const size_t equals = line.find('=');
    if (!line.starts_with("CONFIG_") || equals == line.npos) return true;
    config.emplace(line.substr(0, equals), line.substr(equals + 1));
    return true;
  });
  return config;
}

std::optional<uint64_t> find_symbol(std::string_view name) {
  auto bytes = read_file("/proc/kallsyms");
  if (!bytes) return std::nullopt;
  std::optional<uint64_t> found;
  for_each_line(text_of(*bytes), [&](std::string_view line) {
    auto symbol = parse_symbol(line);
    if (symbol && symbol->name == name) found = symbol->address;
    return !found;
  });
  return found;
}

Result<std::vector<std::string>> traceable_functions(std::string_view pattern) {
  std::vector<std::string> names;
  auto listed = read_file(tracefs() + "/available_filter_functions");
  if (listed) {
    for_each_line(text_of(*listed), [&](std::string_view line) {
      std::string_view name = line.substr(0, line.find_first_of(" \t"));
      if (matches_glob(name, pattern)) names.emplace_back(name);
      return true;
    });
  } else {
    SKEP_TRY(bytes, read_file("/proc/kallsyms"));
    for_each_line(text_of(bytes), [&](std::string_view line) {
      auto symbol = parse_symbol(line);
      if (symbol && (symbol->kind == 't' || symbol->kind == 'T' || symbol->kind == 'W') &&
          matches_glob(symbol->name, pattern))
        names.emplace_back(symbol->name);
      return true;
    });
  }
  std::ranges::sort(names);
  // A name that several functions share can't be told apart: the kernel refuses it.
  std::vector<std::string> unique;
  for (size_t i = 0; i < names.size(); ++i) {
    const bool shared =
        (i > 0 && names[i] == names[i - 1]) || (i + 1 < names.size() && names[i] == names[i + 1]);
    if (!shared) unique.push_back(names[i]);
  }
  return unique;
}

Result<std::shared_ptr<const btf::Btf>> map_btf(const std::string& path) {
  SKEP_TRY(fd, open_file(path, O_RDONLY | O_CLOEXEC));
  struct stat status{};
  if (::fstat(fd.get(), &status) == 0 && status.st_size > 0) {
    const auto size = static_cast<size_t>(status.st_size);
    void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (mapped != MAP_FAILED) {
      std::shared_ptr<const void> keep(
          mapped, [size](const void* address) { ::munmap(const_cast<void*>(address), size); });
      return btf::Btf::parse_in_place(ByteSpan(static_cast<const std::byte*>(mapped), size), keep);
    }
  }
  SKEP_TRY(bytes, read_file(path));
  auto owned = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return btf::Btf::parse_in_place(*owned, owned);
}

std::string tracefs() {
  for (const char* root : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"})
    if (::access((std::string(root) + "/events").c_str(), F_OK) == 0) return root;
  return "";
}

std::string capabilities_text() {
  uint64_t effective = 0;
  if (auto bytes = read_file("/proc/self/status")) {
    for_each_line(text_of(*bytes), [&](std::string_view line) {
      if (!line.starts_with("CapEff:\t")) return true;
      line.remove_prefix(8);
      std::from_chars(line.data(), line.data() + line.size(), effective, 16);
      return false;
    });
  }
  constexpr std::pair<int, const char*> kKnown[] = {{CAP_BPF, "CAP_BPF"},
                                                    {CAP_PERFMON, "CAP_PERFMON"},
                                                    {CAP_NET_ADMIN, "CAP_NET_ADMIN"},
                                                    {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}};
  std::string text;
  for (const auto& [bit, name] : kKnown)
    if ((effective >> bit & 1) != 0) text += (text.empty() ? "" : ", ") + std::string(name);
  return text.empty() ? "none of them" : text;
}

std::string privilege_hint() {
  const std::string has = capabilities_text();
  if (has.find("CAP_SYS_ADMIN") != has.npos) {
    return "you have CAP_SYS_ADMIN, so it is the kernel's policy: lockdown, a security module, or "
           "a sandbox around "
           "this machine";
  }
  return fmt::format(
      "needs CAP_BPF and CAP_PERFMON (CAP_NET_ADMIN for network programs), or CAP_SYS_ADMIN; you "
      "have {}",
      has);
}

bool matches_glob(std::string_view text, std::string_view pattern) {
  size_t t = 0, p = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++t, ++p;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace skep::engine::kernel
