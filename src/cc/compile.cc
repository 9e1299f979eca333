#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/fd.h"
#include "btf/c_dump.h"
#include "cc/cache.h"
#include "cc/cc.h"
#include "cc/clang.h"
#include "cc/hash.h"
#include "cc/headers.h"
#include "cc/source.h"

namespace skep::cc {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kVirtual = "/skep/include";  // where clang sees our headers

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string_view architecture() {
#if defined(__aarch64__)
  return "arm64";
#else
  return "x86";
#endif
}

// The words of the source and of the files of its own that it includes.
class Words {
 public:
  explicit Words(const std::vector<std::string>& flags) {
    for (size_t i = 0; i < flags.size(); ++i) {
      if (flags[i].starts_with("-I") && flags[i].size() > 2)
        directories_.push_back(flags[i].substr(2));
      if (flags[i] == "-I" && i + 1 < flags.size()) directories_.push_back(flags[i + 1]);
    }
  }

  void read(const std::string& path, std::string_view source) {
    for (std::string& word : identifiers(source)) words_.insert(std::move(word));
    const std::string directory = fs::path(path).parent_path();
    for (const Include& include : includes(source)) {
      if (include.name.ends_with("vmlinux.h")) {
        wants_vmlinux_ = true;
        continue;
      }
      if (include.name.starts_with("bpf/")) continue;  // ours
      if (include.quoted && open(directory.empty() ? include.name : directory + "/" + include.name))
        continue;
      for (const std::string& other : directories_)
        if (open(other + "/" + include.name)) break;
    }
  }

  [[nodiscard]] bool wants_vmlinux() const { return wants_vmlinux_; }
  [[nodiscard]] std::vector<std::string> list() const { return {words_.begin(), words_.end()}; }

 private:
  bool open(const std::string& path) {
    if (seen_.size() > 1000) return true;
    auto bytes = read_file(path, 16 << 20);
    if (!bytes) return false;
    if (seen_.insert(path).second) read(path, text_of(*bytes));
    return true;
  }

  std::vector<std::string> directories_;
  std::set<std::string> words_, seen_;
  bool wants_vmlinux_ = false;
};

// "out.o: a.c b.h \\\n c\ d.h" → the files behind the colon, without ours.
std::vector<std::string> included_files(std::string_view depfile) {
  std::vector<std::string> files;
  std::string word;
  const size_t colon = depfile.find(": ");
  if (colon == std::string_view::npos) return files;
  auto finish = [&] {
    if (!word.empty() && !word.starts_with(kVirtual)) files.push_back(word);
    word.clear();
  };
  for (size_t i = colon + 2; i < depfile.size(); ++i) {
    const char c = depfile[i];
    const char next = i + 1 < depfile.size() ? depfile[i + 1] : '\0';
    if (c == '\\' && next == '\n')
      finish(), ++i;
    else if ((c == '\\' && (next == ' ' || next == '#')) || (c == '$' && next == '$'))
      word += next, ++i;
    else if (c == ' ' || c == '\n')
      finish();
    else
      word += c;
  }
  finish();
  return files;
}

std::vector<std::string> clang_arguments(const std::string& path, const Options& options) {
  std::vector<std::string> arguments = {
      "-target",
      "bpf",
      "-O2",
      "-g",
      "-mcpu=" + options.cpu,
      fmt::format("-D__TARGET_ARCH_{}", architecture()),
      options.color ? "-fcolor-diagnostics" : "-fno-color-diagnostics",
      "-Wno-missing-declarations",
      "-Wno-address-of-packed-member",
      "-Wno-compare-distinct-pointer-types"};
  arguments.insert(arguments.end(), options.flags.begin(), options.flags.end());
  // Ours before the distribution's libbpf, but behind the program's own directories; for <asm/…> the host's.
  for (std::string_view text : {std::string_view("-isystem"), kVirtual})
    arguments.emplace_back(text);
#if defined(__aarch64__)
  const std::string host = "/usr/include/aarch64-linux-gnu";
#else
  const std::string host = "/usr/include/x86_64-linux-gnu";
#endif
  arguments.insert(arguments.end(), {"-idirafter", host, "-c", "-x", "c", path});
  return arguments;
}

std::vector<VirtualFile> header_files(const std::string& helper_defs) {
  std::vector<VirtualFile> files;
  for (const Header& header : shipped_headers())
    files.push_back({fmt::format("{}/{}", kVirtual, header.name), std::string(header.text)});
  files.push_back({fmt::format("{}/bpf/bpf_helper_defs.h", kVirtual), helper_defs});
  // glibc's headers take a target that is not x86-64 for i386, whose part is seldom installed. It is empty.
  files.push_back({fmt::format("{}/gnu/stubs-32.h", kVirtual), "\n"});
  return files;
}

// Whether a whole vmlinux.h could help.
bool misses_a_type(std::string_view diagnostics) {
  return std::ranges::any_of(
      std::initializer_list<std::string_view>{"incomplete", "undeclared identifier",
                                              "unknown type name", "no member named",
                                              "use of undeclared"},
      [&](std::string_view text) { return diagnostics.find(text) != std::string_view::npos; });
}

std::string cache_key(const std::string& path, ByteSpan source, const ClangBinary& clang,
                      const std::vector<std::string>& arguments,
                      const std::vector<VirtualFile>& files, const Options& options) {
  Hasher hasher;
  std::error_code ignored;
  hasher.add(SKEP_VERSION)
      .add(SKEP_CC_MAKERS)
      .add(fs::current_path(ignored).native())
      .add(path)
      .add(source)
      .add(clang.identity);
  for (const std::string& argument : arguments) hasher.add(argument);
  // What clang itself takes from the environment.
  for (const char* name : {"CPATH", "C_INCLUDE_PATH", "CCC_OVERRIDE_OPTIONS"}) {
    const char* value = ::getenv(name);
    hasher.add(value != nullptr ? std::string_view(value) : std::string_view());
  }
  for (const VirtualFile& file : files) hasher.add(file.path).add(file.text);
  for (const btf::Btf* btf = options.target.get(); btf != nullptr; btf = btf->base().get())
    hasher.add(btf->bytes());
  return hasher.hex();
}

}  // namespace

Result<Compiled> compile(const std::string& path, const Options& options) {
  SKEP_TRY(source, read_file(path, 64 << 20));
  SKEP_TRY(clang, find_clang(options.clang));
  const std::vector<std::string> arguments = clang_arguments(path, options);
  std::vector<VirtualFile> files = header_files(helper_defs_h());
  const Cache cache(!options.use_cache          ? std::string()
                    : options.cache_dir.empty() ? default_cache_directory()
                                                : options.cache_dir);
  const std::string key =
      options.use_cache ? cache_key(path, source, clang, arguments, files, options) : std::string();
  if (auto found = cache.find(key)) return std::move(*found);

  const std::string text = text_of(source);
  Words words(options.flags);
  words.read(path, text);
  const bool own_vmlinux = options.target && words.wants_vmlinux();
  if (own_vmlinux)
    files.push_back(
        {fmt::format("{}/vmlinux.h", kVirtual), minimal_vmlinux_h(*options.target, words.list())});
  auto run = run_clang(clang, arguments, files, options.timeout);
  if (!run) return fail(run, "{}", path);
  std::vector<std::string> again = arguments;
  if (run->status != 0 && own_vmlinux &&
      run->diagnostics.find("conflicting types") != std::string::npos) {
    // The program declares a kfunc in its own way.
    again.insert(again.begin(), "-DBPF_NO_KFUNC_PROTOTYPES");
    run = run_clang(clang, again, files, options.timeout);
    if (!run) return fail(run, "{}", path);
  }
  if (run->status != 0 && own_vmlinux && misses_a_type(run->diagnostics)) {
    files.back().text = btf::dump_c(*options.target);
    run = run_clang(clang, again, files, options.timeout);
    if (!run) return fail(run, "{}", path);
  }
  Compiled compiled;
  compiled.ok = run->status == 0;
  compiled.diagnostics = std::move(run->diagnostics);
  if (!compiled.ok) return compiled;
  compiled.object = std::move(run->object);
  compiled.comments = variable_comments(text);
  if (options.use_cache) cache.store(key, compiled, included_files(run->depfile));
  return compiled;
}

}  // namespace skep::cc
