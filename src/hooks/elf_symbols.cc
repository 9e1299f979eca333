#include "hooks/elf_symbols.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <memory>

#include "base/fd.h"

namespace skep::hooks {
namespace {

std::optional<uint64_t> parse_number(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  }
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

constexpr std::string_view kForms =
    "write BINARY:FUNCTION, BINARY:FUNCTION+OFFSET or BINARY:0xFILE_OFFSET, as libc.so.6:malloc";

bool is_file(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// Edit distance, given up (as `limit` + 1) once it must exceed `limit`.
size_t distance(std::string_view a, std::string_view b, size_t limit) {
  if (a.size() > b.size()) std::swap(a, b);
  if (b.size() - a.size() > limit) return limit + 1;
  std::vector<size_t> row(a.size() + 1);
  for (size_t i = 0; i <= a.size(); ++i) row[i] = i;
  for (size_t j = 1; j <= b.size(); ++j) {
    size_t diagonal = row[0], best = row[0] = j;
    for (size_t i = 1; i <= a.size(); ++i) {
      size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[i];
      row[i] = std::min({replaced, row[i] + 1, row[i - 1] + 1});
      best = std::min(best, row[i]);
    }
    if (best > limit) return limit + 1;
  }
  return row[a.size()];
}

std::string versioned_name(const Symbol& symbol) {
  if (symbol.version.empty()) return std::string(symbol.name);
  return fmt::format("{}{}{}", symbol.name, symbol.default_version ? "@@" : "@", symbol.version);
}

// The address that the resolver of indirect function `symbol` returns, as a vaddr of the image.
// Only glibc's own libraries: their resolvers are pure functions of the CPU, and ours is the same
// file.
Result<uint64_t> resolve_ifunc(const ElfImage& image, const std::string& path,
                               const Symbol& symbol) {
  auto unresolvable = [&](std::string_view why) {
    return std::unexpected(
        Error(ENOTSUP, fmt::format("{} is an indirect function: its implementation is chosen when "
                                   "{} is loaded, and {}",
                                   symbol.name, path, why))
            .with_hint("name the implementation itself, or its file offset as BINARY:0xOFFSET"));
  };
  void* library = ::dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD | RTLD_LOCAL);
  if (library == nullptr) return unresolvable("this process has not loaded that library to ask it");
  std::string name(symbol.name), version(symbol.version);
  void* address = version.empty() ? ::dlsym(library, name.c_str())
                                  : ::dlvsym(library, name.c_str(), version.c_str());
  link_map* map = nullptr;
  ::dlinfo(library, RTLD_DI_LINKMAP, &map);
  uint64_t base = map != nullptr ? map->l_addr : 0;
  struct stat ours, theirs;
  bool same = map != nullptr && ::stat(map->l_name, &ours) == 0 &&
              ::stat(path.c_str(), &theirs) == 0 && ours.st_dev == theirs.st_dev &&
              ours.st_ino == theirs.st_ino;
  ::dlclose(library);
  if (address == nullptr || !same) return unresolvable("the loaded one does not say");
  uint64_t vaddr = reinterpret_cast<uint64_t>(address) - base;
  if (image.code_segment(vaddr) == nullptr) return unresolvable("it chose code of another file");
  return vaddr;
}

// "ns::Class::method" of "ns::Class::method(int) const"; empty for what is no C++ name.
std::string demangled(std::string_view symbol, bool with_parameters) {
  int status = 0;
  std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(std::string(symbol).c_str(), nullptr, nullptr, &status), std::free);
  if (status != 0 || text == nullptr) return {};
  std::string name(text.get());
  if (with_parameters) return name;
  // The last pair of parentheses; those before it are a part of the name, as in operator().
  int depth = 0;
  for (size_t i = name.rfind(')') + 1; i-- > 0;) {
    if (name[i] == ')') ++depth;
    if (name[i] == '(' && --depth == 0) return name.substr(0, i);
  }
  return name;
}

// Does the C++ symbol mean what the user wrote, with or without its parameters?
bool is_cpp_name(std::string_view symbol, std::string_view name) {
  if (!symbol.starts_with("_Z")) return false;
  bool with_parameters = name.find('(') != std::string_view::npos;
  std::string_view last = name.substr(0, name.find('('));
  if (size_t colons = last.rfind("::"); colons != std::string_view::npos)
    last.remove_prefix(colons + 2);
  // Most symbols are told apart without demangling them.
  bool is_word = !last.empty() && std::ranges::all_of(last, [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
  });
  if (is_word && symbol.find(last) == std::string_view::npos) return false;
  return demangled(symbol, with_parameters) == name;
}

// The one symbol that `name` means, or why there is none.
Result<Symbol> choose_symbol(const ElfImage& image, std::string_view name) {
  std::string_view version;
  if (size_t sign = name.find('@'); sign != std::string_view::npos) {
    version = name.substr(name.find_last_of('@') + 1);
    name = name.substr(0, sign);
  }
  auto rank = [](const Symbol& s) {
    return (s.kind == SymbolKind::untyped ? 0 : 8) + (s.default_version ? 4 : 0) +
           (s.binding == STB_GLOBAL ? 2
            : s.binding == STB_WEAK ? 1
                                    : 0);
  };
  const Symbol* best = nullptr;
  std::vector<uint64_t> rivals;
  auto consider = [&](const Symbol& symbol) {
    if (!version.empty() && symbol.version != version) return;
    if (best != nullptr && rank(symbol) == rank(*best)) {
      if (symbol.vaddr != best->vaddr && std::ranges::find(rivals, symbol.vaddr) == rivals.end())
        rivals.push_back(symbol.vaddr);
      return;
    }
    if (best == nullptr || rank(symbol) > rank(*best)) {
      best = &symbol;
      rivals = {symbol.vaddr};
    }
  };
  for (const Symbol& symbol : image.symbols())
    if (symbol.name == name) consider(symbol);
  if (best == nullptr)
    for (const Symbol& symbol : image.symbols())
      if (is_cpp_name(symbol.name, name)) consider(symbol);
  if (best == nullptr) {
    std::string message =
        fmt::format("no function {}{}{}", name, version.empty() ? "" : "@", version);
    auto similar = similar_symbols(image, name);
    if (image.symbols().empty())
      return std::unexpected(Error(ENOENT, message + ": the file has no symbols")
                                 .with_hint("give a file offset: BINARY:0xOFFSET"));
    if (similar.empty()) return fail(ENOENT, "{}", message);
    return fail(ENOENT, "{}; did you mean {}?", message, fmt::join(similar, ", "));
  }
  if (rivals.size() > 1) {
    std::string places;
    for (uint64_t vaddr : rivals)
      places += fmt::format("{}0x{:x}", places.empty() ? "" : ", ",
                            image.file_offset(vaddr).value_or(vaddr));
    return std::unexpected(
        Error(EEXIST, fmt::format("{} functions are named {}", rivals.size(), name))
            .with_hint("choose one by its file offset: " + places));
  }
  return *best;
}

}  // namespace

Result<Target> parse_target(std::string_view text) {
  auto wrong = [&](std::string_view what) {
    return std::unexpected(
        Error(EINVAL, fmt::format("\"{}\": {}", text, what)).with_hint(std::string(kForms)));
  };
  size_t colon = text.rfind(':');
  // C++ names hold "::": the separator is then the first single colon.
  for (size_t at = 0; (at = text.find(':', at)) != std::string_view::npos;) {
    if (at + 1 < text.size() && text[at + 1] == ':') {
      at += 2;
      continue;
    }
    colon = at;
    break;
  }
  if (colon == std::string_view::npos || colon == 0) return wrong("expected BINARY:FUNCTION");
  Target target;
  target.binary = text.substr(0, colon);
  std::string_view place = text.substr(colon + 1);
  if (place.empty()) return wrong("expected a function after the colon");
  if (place.front() >= '0' && place.front() <= '9') {
    auto offset = parse_number(place);
    if (!offset) return wrong("the file offset is not a number");
    target.offset = *offset;
    return target;
  }
  if (size_t plus = place.rfind('+'); plus != std::string_view::npos && plus != 0) {
    if (auto offset = parse_number(place.substr(plus + 1))) {
      target.offset = *offset;
      place = place.substr(0, plus);
    } else if (plus + 1 < place.size() && place[plus + 1] >= '0' && place[plus + 1] <= '9') {
      return wrong("the offset after + is not a number");
    }
  }
  target.function = place;
  return target;
}

std::string find_in_library_cache(ByteSpan bytes, std::string_view soname) {
  // magic and version | u32 entries | u32 string bytes | 20 bytes | entries: i32 flags, u32 key,
  // u32 value, u32 os version, u64 hwcap. key and value are offsets of strings from the file's
  // start.
  constexpr std::string_view kMagic = "glibc-ld.so.cache1.1";
  constexpr int32_t kX86_64Libc6 = 0x0303;
  Reader cache(bytes);
  auto magic = cache.slice(0, kMagic.size());
  if (!magic || std::memcmp(magic->data(), kMagic.data(), kMagic.size()) != 0) return {};
  auto count = cache.at<uint32_t>(20);
  if (!count) return {};
  for (uint64_t i = 0; i < *count; ++i) {
    uint64_t entry = 48 + i * 24;
    auto flags = cache.at<int32_t>(entry);
    auto key = cache.at<uint32_t>(entry + 4), value = cache.at<uint32_t>(entry + 8);
    auto capabilities = cache.at<uint64_t>(entry + 16);
    if (!flags || !key || !value || !capabilities) return {};
    if (*flags != kX86_64Libc6 || *capabilities != 0 || cache.c_string(*key) != soname) continue;
    if (auto path = cache.c_string(*value)) return std::string(*path);
  }
  return {};
}

Result<std::string> find_binary(std::string_view name, std::string_view path_variable,
                                const LibrarySearch& search) {
  if (name.empty()) return fail(EINVAL, "no binary is named");
  if (name.find('/') != std::string_view::npos) {
    std::string path(name);
    if (is_file(path)) return path;
    return fail_errno(ENOENT, "{}", path);
  }
  auto library = [&]() -> std::string {
    if (auto bytes = read_file(search.cache, size_t{64} << 20))
      if (auto path = find_in_library_cache(bytes_of(*bytes), name); is_file(path)) return path;
    for (const std::string& directory : search.directories)
      if (std::string path = fmt::format("{}/{}", directory, name); is_file(path)) return path;
    return {};
  };
  auto program = [&]() -> std::string {
    for (std::string_view directory : split(path_variable, ':')) {
      if (directory.empty()) directory = ".";
      std::string path = fmt::format("{}/{}", directory, name);
      if (is_file(path) && ::access(path.c_str(), X_OK) == 0) return path;
    }
    return {};
  };
  bool looks_like_library = name.find(".so") != std::string_view::npos;
  std::string path = looks_like_library ? library() : program();
  if (path.empty()) path = looks_like_library ? program() : library();
  // "c" and "libc" are what other tools take for libc.so.6.
  if (!path.empty()) return path;
  return std::unexpected(
      Error(ENOENT,
            fmt::format("{}: neither a program in PATH nor a library that ld.so would find", name))
          .with_hint("give its path, or a library's full name as in libc.so.6"));
}

std::string debug_file_of(ByteSpan build_id) {
  if (build_id.size() < 2 || build_id.size() > 64) return {};
  std::string path = "/usr/lib/debug/.build-id/";
  for (size_t i = 0; i < build_id.size(); ++i)
    path += fmt::format("{:02x}{}", std::to_integer<unsigned>(build_id[i]), i == 0 ? "/" : "");
  path += ".debug";
  return is_file(path) ? path : std::string();
}

std::vector<std::string> similar_symbols(const ElfImage& image, std::string_view name,
                                         size_t limit) {
  size_t worst = std::max<size_t>(1, name.size() / 3);
  std::vector<std::pair<size_t, std::string_view>> found;
  for (const Symbol& symbol : image.symbols()) {
    size_t cost = distance(name, symbol.name, worst);
    // Leading underscores are what people leave out most.
    std::string_view bare =
        symbol.name.substr(std::min(symbol.name.find_first_not_of('_'), symbol.name.size()));
    if (bare == name) cost = 1;
    if (cost > worst && name.size() >= 4 && symbol.name.find(name) != std::string_view::npos)
      cost = worst + symbol.name.size() - name.size();
    else if (cost > worst)
      continue;
    found.emplace_back(cost, symbol.name);
  }
  std::ranges::sort(found);
  std::vector<std::string> names;
  for (auto& [cost, symbol] : found) {
    if (names.size() == limit) break;
    if (names.empty() || std::ranges::find(names, symbol) == names.end())
      names.emplace_back(symbol);
  }
  return names;
}

Result<Place> find_place(const ElfImage& image, const std::string& path, const Target& target) {
  Place place;
  if (target.function.empty()) {
    auto vaddr = image.vaddr_of(target.offset);
    if (!vaddr || image.code_segment(*vaddr) == nullptr)
      return fail(EINVAL, "{}: file offset 0x{:x} lies in no executable segment", path,
                  target.offset);
    place.vaddr = *vaddr;
  } else {
    auto symbol = choose_symbol(image, target.function);
    if (!symbol) return fail(symbol, "{}", path);
    uint64_t start = symbol->vaddr;
    if (symbol->kind == SymbolKind::ifunc) {
      auto implementation = resolve_ifunc(image, path, *symbol);
      if (!implementation) return fail(implementation);
      start = *implementation;
      place.ifunc_resolved = true;
    }
    place.function = versioned_name(*symbol);
    place.vaddr = start + target.offset;
    if (!place.ifunc_resolved && symbol->size != 0 && target.offset >= symbol->size)
      return fail(EINVAL, "{}: {}+0x{:x} lies past the function's end (it has {} bytes)", path,
                  place.function, target.offset, symbol->size);
  }
  auto offset = image.file_offset(place.vaddr);
  if (!offset || image.code_segment(place.vaddr) == nullptr)
    return fail(EINVAL, "{}: 0x{:x} lies in no executable segment", path, place.vaddr);
  place.file_offset = *offset;
  auto bounds = image.function_bounds(place.vaddr);
  place.bounds = bounds.range;
  place.bounds_exact = bounds.exact;
  return place;
}

}  // namespace skep::hooks
