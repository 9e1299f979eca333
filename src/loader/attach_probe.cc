// Attaching to functions: of the kernel (kprobes), of binaries (uprobes), and to their USDT probes.
#include <bit>
#include <cstdlib>
#include <map>

#include "base/fd.h"
#include "engine/kernel/facts.h"
#include "engine/kernel/tracefs.h"
#include "hooks/elf_symbols.h"
#include "loader/attach.h"
#include "loader/usdt.h"
#include "spec/lookup.h"

namespace skep::loader {

using engine::Cmd;
using engine::LinkCreateAttr;
using engine::PerfEventAttr;
namespace kernel = engine::kernel;

namespace {

constexpr uint32_t kMultiReturn = 1;  // BPF_F_KPROBE_MULTI_RETURN, BPF_F_UPROBE_MULTI_RETURN
constexpr unsigned kReferenceCounterShift = 32;  // of perf_event_attr::config of a uprobe
constexpr size_t kMaxMulti = 1u << 20;

bool is_pattern(std::string_view text) { return text.find_first_of("*?") != text.npos; }

// "vfs_read+0x10"
Result<std::pair<std::string, uint64_t>> split_offset(const std::string& target) {
  const size_t plus = target.find('+');
  if (plus == target.npos) return std::pair(target, uint64_t{0});
  char* end = nullptr;
  const uint64_t offset = std::strtoull(target.c_str() + plus + 1, &end, 0);
  if (end == target.c_str() + plus + 1 || *end != '\0')
    return fail(EINVAL, "\"{}\": expected FUNCTION or FUNCTION+OFFSET", target);
  return std::pair(target.substr(0, plus), offset);
}

Error no_such_function(const std::string& function) {
  Error error(ENOENT,
              fmt::format("the kernel has no function \"{}\" that can be probed", function));
  // A compiler may have inlined it, or renamed what it kept.
  auto similar = kernel::traceable_functions(function + ".*");
  if (similar && !similar->empty())
    return std::move(error).with_hint(fmt::format("the compiler made {} of it", similar->front()));
  struct Row {
    std::string_view name;
  };
  auto all = kernel::traceable_functions("*");
  if (!all) return error;
  std::vector<Row> rows(all->begin(), all->end());
  const std::string_view close = spec::closest_name<Row>(function, rows, &Row::name);
  return close.empty() ? error
                       : std::move(error).with_hint(fmt::format("did you mean \"{}\"?", close));
}

Result<> attach_legacy(const Attaching& at, Link& link, bool user, const std::string& where,
                       int pid) {
  auto event = kernel::add_legacy_event(user, at.section.is_return, where);
  if (!event) return fail(event, "{}", link.where);
  link.undo = Undo([event = *event] { kernel::remove_legacy_event(event); });
  PerfEventAttr attr;
  attr.type = engine::PERF_TYPE_TRACEPOINT;
  attr.config = event->id;
  return at.attach_event(link, attr, pid, pid > 0 ? -1 : 0, at.options.cookie);
}

// --- Binaries ---

// Paths as the process with that pid sees them.
std::string in_process(const AttachOptions& options, const std::string& path) {
  return options.pid > 0 ? fmt::format("/proc/{}/root{}", options.pid, path) : path;
}

Result<std::string> find_path(const Attaching& at, const std::string& binary) {
  if (binary.empty()) return at.options.command;
  if (binary.starts_with('/')) return in_process(at.options, binary);
  SKEP_TRY(path, hooks::find_binary(binary, at.options.path));
  return in_process(at.options, path);
}

Result<std::string> probe_target(const Attaching& at) {
  std::string target = at.kind.target.empty() ? at.options.function : at.kind.target;
  if (target.empty()) {
    return std::unexpected(
        Error(is_kernel(at.engine) ? EDESTADDRREQ : EINVAL,
              fmt::format("SEC(\"{}\") names no function", at.program.spec->section))
            .with_hint(
                "name one with --function BINARY:FUNCTION, as in --function libc.so.6:malloc"));
  }
  return target;
}

Result<> open_uprobe(const Attaching& at, Link& link, const std::string& path, uint64_t offset,
                     bool is_return, uint64_t reference_counter, uint64_t cookie) {
  const int pid = at.options.pid > 0 ? at.options.pid : -1;
  auto type = at.engine.perf_type("uprobe");
  if (!type) {
    if (!is_kernel(at.engine)) return fail(type);
    return attach_legacy(at, link, true, fmt::format("{}:{:#x}", path, offset), pid);
  }
  PerfEventAttr attr;
  attr.type = *type;
  attr.config = (is_return ? 1 : 0) | reference_counter << kReferenceCounterShift;
  attr.config1 = address_of(path.c_str());
  attr.config2 = offset;
  return at.attach_event(link, attr, pid, pid > 0 ? -1 : 0, cookie);
}

// The places of all functions of `path` that match.
Result<std::vector<uint64_t>> matching_offsets(const std::string& path, std::string_view pattern) {
  SKEP_TRY(image, hooks::ElfImage::open(path));
  std::vector<uint64_t> offsets;
  for (const hooks::Symbol& symbol : image.symbols()) {
    if (symbol.kind != hooks::SymbolKind::function || !kernel::matches_glob(symbol.name, pattern))
      continue;
    if (auto offset = image.file_offset(symbol.vaddr)) offsets.push_back(*offset);
  }
  std::ranges::sort(offsets);
  offsets.erase(std::ranges::unique(offsets).begin(), offsets.end());
  if (offsets.empty()) return fail(ENOENT, "{}: no function matches \"{}\"", path, pattern);
  return offsets;
}

}  // namespace

Result<Link> attach_kprobe(const Attaching& at, std::string target) {
  if (target.empty()) target = at.options.function;
  if (target.empty()) return nowhere("no function is named", "--function NAME");
  SKEP_TRY(place, split_offset(target));
  const auto& [function, offset] = place;
  Link link =
      at.new_link(fmt::format("{} {}", at.section.is_return ? "kretprobe" : "kprobe", target));
  auto type = at.engine.perf_type("kprobe");
  if (!type) {
    SKEP_CHECK(attach_legacy(
        at, link, false, offset == 0 ? function : fmt::format("{}+{:#x}", function, offset), -1));
    return link;
  }
  PerfEventAttr attr;
  attr.type = *type;
  attr.config = at.section.is_return ? 1 : 0;
  attr.config1 = address_of(function.c_str());
  attr.config2 = offset;
  auto attached = at.attach_event(link, attr, -1, 0, at.options.cookie);
  if (attached) return link;
  if (!is_kernel(at.engine)) return fail(attached);
  if (attached.error().code() == ENOENT || attached.error().code() == EINVAL)
    return std::unexpected(no_such_function(function));
  if (attached.error().code() == EADDRNOTAVAIL)
    return fail(attached, "several functions are called \"{}\"", function);
  return fail(attached);
}

Result<Link> attach_kprobe_multi(const Attaching& at) {
  std::string pattern = at.kind.target.empty() ? at.options.function : at.kind.target;
  if (pattern.empty()) return nowhere("no function is named", "--function PATTERN");
  std::vector<std::string> names{pattern};
  if (is_pattern(pattern)) {
    SKEP_TRY(found, kernel::traceable_functions(pattern));
    names = std::move(found);
    if (names.empty()) return fail(ENOENT, "no function of the kernel matches \"{}\"", pattern);
  }
  std::vector<const char*> symbols;
  for (const std::string& name : names) symbols.push_back(name.c_str());
  std::vector<uint64_t> cookies(names.size(), at.options.cookie);
  Link link = at.new_link(fmt::format("{} functions, {}", names.size(), pattern));
  LinkCreateAttr create;
  create.prog_fd = at.prog_fd();
  create.attach_type = static_cast<uint32_t>(at.kind.expected_attach_type);
  create.kprobe_multi.flags = at.section.is_return ? kMultiReturn : 0;
  create.kprobe_multi.cnt = static_cast<uint32_t>(symbols.size());
  create.kprobe_multi.syms = address_of(symbols.data());
  if (at.options.cookie != 0) create.kprobe_multi.cookies = address_of(cookies.data());
  auto made = at.create(link, create);
  if (made) return link;
  if (made.error().code() == ESRCH && names.size() == 1)
    return std::unexpected(no_such_function(names.front()));
  if (made.error().code() == EOPNOTSUPP)
    return std::unexpected(Error(made.error())
                               .with_hint("this kernel is built without kprobe.multi "
                                          "(CONFIG_FPROBE); SEC(\"kprobe\") takes one function"));
  return fail(made);
}

Result<Link> attach_uprobe(const Attaching& at) {
  SKEP_TRY(target, probe_target(at));
  SKEP_TRY(parsed, hooks::parse_target(target));
  SKEP_TRY(path, find_path(at, parsed.binary));
  const char* kind = at.section.is_return ? "uretprobe" : "uprobe";
  if (is_kernel(at.engine) && is_pattern(parsed.function)) {
    SKEP_TRY(offsets, matching_offsets(path, parsed.function));
    Link link = at.new_link(fmt::format("{} {} functions of {}", kind, offsets.size(), path));
    for (uint64_t offset : offsets) {
      Link one = at.new_link(fmt::format("{} {}:{:#x}", kind, path, offset));
      SKEP_CHECK(open_uprobe(at, one, path, offset, at.section.is_return, 0, at.options.cookie));
      link.more.push_back(std::move(one));
    }
    return link;
  }
  SKEP_TRY(image, hooks::ElfImage::open(path));
  SKEP_TRY(place, hooks::find_place(image, path, parsed));
  Link link = at.new_link(fmt::format(
      "{} {}:{}", kind, path,
      place.function.empty() ? fmt::format("{:#x}", place.file_offset) : place.function));
  SKEP_CHECK(
      open_uprobe(at, link, path, place.file_offset, at.section.is_return, 0, at.options.cookie));
  return link;
}

Result<Link> attach_uprobe_multi(const Attaching& at) {
  SKEP_TRY(target, probe_target(at));
  const size_t colon = target.rfind(':');
  if (colon == target.npos) return fail(EINVAL, "\"{}\": expected BINARY:PATTERN", target);
  SKEP_TRY(path, find_path(at, target.substr(0, colon)));
  const std::string pattern = target.substr(colon + 1);
  std::vector<uint64_t> offsets;
  if (is_pattern(pattern)) {
    SKEP_TRY(found, matching_offsets(path, pattern));
    offsets = std::move(found);
  } else {
    SKEP_TRY(parsed, hooks::parse_target(target));
    SKEP_TRY(image, hooks::ElfImage::open(path));
    SKEP_TRY(place, hooks::find_place(image, path, parsed));
    offsets.push_back(place.file_offset);
  }
  if (offsets.size() > kMaxMulti)
    return fail(E2BIG, "{}: {} functions match \"{}\"; at most {} can be attached", path,
                offsets.size(), pattern, kMaxMulti);
  Link link = at.new_link(fmt::format("{} functions of {}, {}", offsets.size(), path, pattern));
  std::vector<uint64_t> cookies(offsets.size(), at.options.cookie);
  LinkCreateAttr create;
  create.prog_fd = at.prog_fd();
  create.attach_type = static_cast<uint32_t>(at.kind.expected_attach_type);
  create.uprobe_multi.path = address_of(path.c_str());
  create.uprobe_multi.offsets = address_of(offsets.data());
  create.uprobe_multi.cnt = static_cast<uint32_t>(offsets.size());
  create.uprobe_multi.flags = at.section.is_return ? kMultiReturn : 0;
  create.uprobe_multi.pid = static_cast<uint32_t>(at.options.pid);
  if (at.options.cookie != 0) create.uprobe_multi.cookies = address_of(cookies.data());
  SKEP_CHECK(at.create(link, create));
  return link;
}

Result<Link> attach_usdt(const Attaching& at) {
  // PATH:PROVIDER:NAME
  const std::string& target = at.kind.target.empty() ? at.options.function : at.kind.target;
  if (target.empty()) return nowhere("no USDT probe is named", "--function PATH:PROVIDER:NAME");
  const size_t second = target.rfind(':');
  const size_t first =
      second == target.npos || second == 0 ? target.npos : target.rfind(':', second - 1);
  if (first == target.npos) return fail(EINVAL, "\"{}\": expected PATH:PROVIDER:NAME", target);
  SKEP_TRY(path, find_path(at, target.substr(0, first)));
  const std::string provider = target.substr(first + 1, second - first - 1),
                    name = target.substr(second + 1);
  SKEP_TRY(bytes, read_file(path));
  auto read = read_usdt(bytes);
  if (!read) return fail(read, "{}", path);
  const LoadedMap* specs = at.find_map("__bpf_usdt_specs");
  if (specs == nullptr)
    return std::unexpected(Error(EINVAL, "the object has no map __bpf_usdt_specs")
                               .with_hint("include <bpf/usdt.bpf.h>"));
  Link link = at.new_link(fmt::format("USDT {}:{}:{}", path, provider, name));
  // Sites with the same arguments share a record. Programs of one object share the map: each takes records of its own.
  std::map<std::string, uint32_t> records;
  for (const UsdtSite& site : *read) {
    if (site.provider != provider || site.name != name) continue;
    auto [record, is_new] = records.try_emplace(site.arguments, 0);
    if (is_new) {
      auto arguments = parse_usdt_arguments(site.arguments);
      if (!arguments) return fail(arguments, "{}", link.where);
      auto spec = encode_usdt_spec(*arguments, at.options.cookie, specs->spec->value_size);
      if (!spec) return fail(spec, "{}", link.where);
      uint32_t key = specs->next_usdt_record++;
      record->second = key;
      engine::MapElemAttr update;
      update.map_fd = static_cast<uint32_t>(specs->fd.get());
      update.key = address_of(&key);
      update.value = address_of(spec->data());
      int64_t result = at.engine.call(Cmd::BPF_MAP_UPDATE_ELEM, update);
      if (result < 0)
        return std::unexpected(engine_error(at.engine, result, "map __bpf_usdt_specs"));
    }
    Link one = at.new_link(fmt::format("{} at {:#x}", link.where, site.address));
    SKEP_CHECK(
        open_uprobe(at, one, path, site.file_offset, false, site.semaphore_offset, record->second));
    link.more.push_back(std::move(one));
  }
  if (link.more.empty()) {
    std::string known;
    for (const UsdtSite& site : *read) {
      std::string text = fmt::format(" {}:{}", site.provider, site.name);
      if (known.find(text) == known.npos && known.size() < 400) known += text;
    }
    return std::unexpected(
        Error(ENOENT, fmt::format("{} has no USDT probe {}:{}", path, provider, name))
            .with_hint(known.empty() ? "it has none at all" : "it has:" + known));
  }
  return link;
}

}  // namespace skep::loader
