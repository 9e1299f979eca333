// spec_docs DIR: writes docs/reference from the tables of src/spec. spec_docs --check DIR: says which of the
// pages there differ from what the tables say now, and fails if one does (a test).
//
// A page is a function from nothing to text; to add one, write it and name it in kPages.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "spec/attach_types.h"
#include "spec/commands.h"
#include "spec/context.h"
#include "spec/features.h"
#include "spec/helpers.h"
#include "spec/kfuncs.h"
#include "spec/map_types.h"
#include "spec/prog_types.h"
#include "spec/sections.h"

namespace skep::spec {
namespace {

template <class... Arguments>
void line(std::string& page, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(page), format, std::forward<Arguments>(arguments)...);
  page += '\n';
}
std::string heading(std::string_view title, std::string_view about) {
  return fmt::format("# {}\n\n{}\n\nMade from src/spec by `./dev docs`; do not edit.\n\n", title,
                     about);
}
std::string version(KernelVersion since) { return fmt::format("{}.{}", since >> 8, since & 0xff); }
std::string status(UserStatus user, std::string_view reason) {
  return user == UserStatus::works ? "works" : fmt::format("refused: {}", reason);
}

// Sets as names; `all` names that hold every row are "all", and nearly all are "all but …".
template <class Row>
std::string names_of(uint64_t set, std::span<const Row> rows, size_t first = 0) {
  std::vector<std::string_view> in, out;
  for (size_t i = first; i < rows.size(); i++)
    ((set >> i & 1) != 0 ? in : out).push_back(rows[i].short_name);
  if (in.empty()) return "none";
  if (out.empty()) return "all";
  if (out.size() < 6 && in.size() > 10) return fmt::format("all but {}", fmt::join(out, ", "));
  return fmt::format("{}", fmt::join(in, ", "));
}

// ---- helpers ----

std::string_view kind_text(ArgKind kind) {
  switch (kind) {
    case ArgKind::none: return "";
    case ArgKind::const_map_ptr: return "map";
    case ArgKind::map_key: return "key";
    case ArgKind::map_value: return "value";
    case ArgKind::mem: return "memory";
    case ArgKind::arena: return "arena pointer";
    case ArgKind::mem_size: return "size > 0";
    case ArgKind::mem_size_or_zero: return "size";
    case ArgKind::ctx: return "context";
    case ArgKind::anything: return "any";
    case ArgKind::scalar: return "number";
    case ArgKind::spin_lock: return "bpf_spin_lock";
    case ArgKind::sock_common: return "socket (any)";
    case ArgKind::socket: return "socket (full)";
    case ArgKind::btf_id: return "kernel pointer";
    case ArgKind::ringbuf_mem: return "ring buffer record";
    case ArgKind::alloc_size_or_zero: return "constant size";
    case ArgKind::btf_id_sock_common: return "socket or sock_common";
    case ArgKind::percpu_btf_id: return "per-CPU kernel variable";
    case ArgKind::func: return "callback";
    case ArgKind::stack: return "stack pointer";
    case ArgKind::const_str: return "constant string";
    case ArgKind::timer: return "bpf_timer";
    case ArgKind::kptr_xchg_dest: return "kptr field";
    case ArgKind::dynptr: return "dynptr";
  }
  return "?";
}
std::string argument_text(const Argument& argument) {
  std::string text(kind_text(argument.kind));
  if (!argument.btf_type.empty()) text = fmt::format("struct {} *", argument.btf_type);
  if (argument.has(kFixedSize)) text += fmt::format(" of {} bytes", argument.size);
  if (argument.has(kUninit))
    text += ", filled";
  else if (argument.has(kWrite))
    text += ", written";
  else if (argument.has(kReadOnly))
    text += ", read";
  if (argument.has(kMaybeNull)) text += ", or NULL";
  if (argument.has(kRelease)) text += ", released";
  return text;
}
std::string_view return_text(ReturnKind kind) {
  switch (kind) {
    case ReturnKind::integer: return "integer";
    case ReturnKind::nothing: return "nothing";
    case ReturnKind::map_value: return "pointer to a map value";
    case ReturnKind::socket: return "pointer to a full socket";
    case ReturnKind::tcp_sock: return "pointer to a bpf_tcp_sock";
    case ReturnKind::sock_common: return "pointer to a socket";
    case ReturnKind::mem: return "pointer to memory";
    case ReturnKind::mem_or_btf_id: return "pointer to a variable";
    case ReturnKind::btf_id: return "kernel pointer";
  }
  return "?";
}
void describe(std::string& page, const Helper& row) {
  std::vector<std::string> arguments;
  for (unsigned i = 0; i < row.argument_count(); i++)
    arguments.push_back(argument_text(row.arguments[i]));
  line(page, "- Arguments: {}. Returns: {}{}{}.",
       arguments.empty() ? "none" : fmt::format("{}", fmt::join(arguments, " · ")),
       return_text(row.returns),
       row.return_btf_type.empty() ? "" : fmt::format(" (struct {})", row.return_btf_type),
       (row.return_flags & kMaybeNull) != 0 ? " or NULL" : "");
  line(page, "- Programs: {}.", names_of(row.prog_types, prog_types(), 1));
  if (row.attach_types != 0)
    line(page, "- Only with expected attach type: {}.", names_of(row.attach_types, attach_types()));
}
std::string helpers_page() {
  std::string page = heading("Helpers",
                             "Every `BPF_FUNC_*` of Linux 7.3: prototype, first kernel, what the "
                             "verifier asks of the arguments, the "
                             "programs that may call it, and what the user engine does with it.");
  size_t works = 0, ids = 0;
  for (uint32_t id = 1; id < kHelperIds; id++, ids++)
    works += find_helper(id)->user == UserStatus::works ? 1 : 0;
  line(page, "{} helpers; {} work on the user engine.", ids, works);
  uint32_t last = 0;
  for (const Helper& row : helpers()) {
    if (row.id == last) {
      line(page, "\nIn other programs:\n");
      describe(page, row);
      continue;
    }
    last = row.id;
    line(page, "\n## {} `bpf_{}`\n", row.id, row.name);
    line(page, "```c\n{};\n```\n", row.prototype);
    std::vector<std::string_view> properties;
    if (row.gpl_only) properties.push_back("GPL programs only");
    if (row.might_sleep) properties.push_back("sleepable programs only");
    if (row.packet_access) properties.push_back("takes packet memory");
    if (row.changes_packet) properties.push_back("ends the validity of packet pointers");
    if (row.acquires) properties.push_back("the result must be released");
    line(page, "- Since Linux {}{}{}.", version(row.since), properties.empty() ? "" : "; ",
         fmt::join(properties, "; "));
    line(page, "- User engine: {}.", status(row.user, row.user_reason));
    if (row.map_types != 0) line(page, "- Maps: {}.", names_of(row.map_types, map_types(), 1));
    describe(page, row);
  }
  return page;
}

// ---- maps, programs, attach types, sections ----

std::string size_text(const SizeRule& rule) {
  if (rule.max == 0) return "none";
  if (rule.min == rule.max) return fmt::format("{}", rule.min);
  const std::string most = rule.max == 0x7fffffff ? "" : fmt::format(" to {}", rule.max);
  return fmt::format("{}{}{}", rule.min, most.empty() ? " and up" : most,
                     rule.multiple > 1 ? fmt::format(", multiple of {}", rule.multiple) : "");
}
std::string flags_text(uint32_t flags) {
  static constexpr std::string_view kNames[] = {
      "NO_PREALLOC",      "NO_COMMON_LRU",  "NUMA_NODE",     "RDONLY",       "WRONLY",
      "STACK_BUILD_ID",   "ZERO_SEED",      "RDONLY_PROG",   "WRONLY_PROG",  "CLONE",
      "MMAPABLE",         "PRESERVE_ELEMS", "INNER_MAP",     "LINK",         "PATH_FD",
      "VTYPE_BTF_OBJ_FD", "TOKEN_FD",       "SEGV_ON_FAULT", "NO_USER_CONV", "RB_OVERWRITE"};
  std::vector<std::string_view> names;
  for (unsigned i = 0; i < std::size(kNames); i++) {
    if ((flags >> i & 1) != 0) names.push_back(kNames[i]);
  }
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}
std::string maps_page() {
  std::string page = heading(
      "Map types", "Sizes in bytes, as BPF_MAP_CREATE takes them; flags without their `BPF_F_`.");
  line(page, "| Type | Since | Key | Value | Flags | User engine |\n|---|---|---|---|---|---|");
  for (const MapTypeRow& row : map_types().subspan(1)) {
    line(page, "| `{}` | {} | {} | {} | {}{} | {} |", row.short_name, version(row.since),
         size_text(row.key), size_text(row.value), flags_text(row.flags),
         row.required_flags != 0 ? fmt::format(" (needs {})", flags_text(row.required_flags)) : "",
         status(row.user, row.user_reason));
  }
  page += "\n## Helpers of each map type\n\n";
  for (const MapTypeRow& row : map_types().subspan(1)) {
    std::vector<std::string_view> names;
    for (uint32_t id = 1; id < kHelperIds; id++) {
      if (map_helper_allowed(row.type, id)) names.push_back(find_helper(id)->name);
    }
    line(page, "- `{}`: {}", row.short_name,
         names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
  }
  return page;
}

std::string returns_text(const ReturnRange& range) {
  if (!range.limited) return "any";
  return range.min == range.max ? fmt::format("{}", range.min)
                                : fmt::format("{} to {}", range.min, range.max);
}
std::string yes(bool value) { return value ? "yes" : ""; }

std::string programs_page() {
  std::string page = heading("Program types",
                             "What each runs on, what it may return, and whether it can be run by "
                             "BPF_PROG_TEST_RUN and sleep.");
  line(page,
       "| Type | Since | Context | Returns | Packet bytes | Sleeps | Test run | User engine "
       "|\n|---|---|---|---|---|---|---|---|");
  for (const ProgTypeRow& row : prog_types().subspan(1)) {
    line(page, "| `{}` | {} | `{}` | {} | {} | {} | {} | {} |", row.short_name, version(row.since),
         row.context, returns_text(row.returns),
         row.can_write_packet       ? "read, write"
         : row.direct_packet_access ? "read"
                                    : "",
         yes(row.can_sleep), yes(row.test_run), status(row.user, row.user_reason));
  }
  return page;
}
std::string attach_page() {
  std::string page =
      heading("Attach types",
              "`expected_attach_type` of BPF_PROG_LOAD and `attach_type` of BPF_LINK_CREATE.");
  line(page,
       "| Type | Number | Since | Programs | Returns | User engine |\n|---|---|---|---|---|---|");
  for (const AttachTypeRow& row : attach_types()) {
    line(page, "| `{}` | {} | {} | {} | {} | {} |", row.short_name, static_cast<uint32_t>(row.type),
         version(row.since), names_of(row.prog_types, prog_types()),
         row.overrides_return ? returns_text(row.returns) : "as the program type",
         status(row.user, row.user_reason));
  }
  return page;
}
std::string sections_page() {
  std::string page = heading("Section names",
                             "What `SEC(\"…\")` makes of a function. `/…` may follow where it is "
                             "shown; `?` in front of any keeps it from being loaded by itself.");
  line(page, "| Section | Program | Attach type | | User engine |\n|---|---|---|---|---|");
  for (const Section& row : sections()) {
    std::vector<std::string_view> notes;
    if (row.sleepable) notes.push_back("sleepable");
    if (row.attach_btf) notes.push_back("target by BTF");
    if (row.xdp_frags) notes.push_back("several buffers");
    if (row.is_return) notes.push_back("at return");
    if (row.attach_type_optional) notes.push_back("attach type only where the kernel knows it");
    line(page, "| `{}{}` | {} | {} | {} | {} |", row.prefix,
         row.match == SectionMatch::exact ? "" : "/…", find_prog_type(row.prog_type)->short_name,
         row.has_attach_type ? find_attach_type(row.attach_type)->short_name : "",
         fmt::join(notes, ", "), row.user == UserStatus::works ? "works" : "");
  }
  return page;
}

// ---- contexts, commands ----

std::string_view pointer_text(PointerKind kind) {
  switch (kind) {
    case PointerKind::none: return "";
    case PointerKind::packet: return "packet";
    case PointerKind::packet_end: return "packet end";
    case PointerKind::packet_meta: return "packet metadata";
    case PointerKind::flow_keys: return "bpf_flow_keys";
    case PointerKind::socket: return "bpf_sock";
    case PointerKind::socket_or_null: return "bpf_sock or NULL";
    case PointerKind::sock_common_or_null: return "bpf_sock (any) or NULL";
    case PointerKind::tp_buffer: return "buffer";
    case PointerKind::btf_id: return "kernel pointer";
  }
  return "?";
}
std::string contexts_page() {
  std::string page =
      heading("Contexts",
              "What r1 points to: the fields of each context struct. \"Narrow\" is the smallest "
              "aligned read. A pointer with a hidden offset is loaded "
              "from there, as 64 bits, by a verified program (src/spec/context_layout.h).");
  std::vector<const ContextField*> done;
  for (const ContextRow& context : contexts()) {
    if (context.rule != ContextRule::fields ||
        (!done.empty() && std::find(done.begin(), done.end(), context.fields.data()) != done.end()))
      continue;
    done.push_back(context.fields.data());
    uint64_t types = 0;
    for (const ContextRow& other : contexts()) {
      if (other.fields.data() == context.fields.data()) types |= set_of(other.type);
    }
    line(page, "## {}\n\nPrograms: {}. {} bytes.\n", context.name, names_of(types, prog_types(), 1),
         context.size);
    line(page,
         "| Field | Offset | Size | Narrow | Read by | Written by | Attach types | Pointer to | "
         "Hidden |\n|---|---|---|---|---|---|---|---|---|");
    for (const ContextField& field : context.fields) {
      line(page, "| `{}` | {} | {} | {} | {} | {} | {} | {} | {} |", field.name, field.offset,
           field.size, field.min_read < field.size ? fmt::format("{}", field.min_read) : "",
           (field.readers & types) == types ? "all"
                                            : names_of(field.readers & types, prog_types(), 1),
           field.writers == 0                 ? ""
           : (field.writers & types) == types ? "all"
                                              : names_of(field.writers & types, prog_types(), 1),
           field.attach_types == 0 ? "" : names_of(field.attach_types, attach_types()),
           pointer_text(field.pointer), field.hidden != 0 ? fmt::format("{}", field.hidden) : "");
    }
    page += '\n';
  }
  return page;
}
std::string commands_page() {
  std::string page = heading("Commands, links, verifier features, BTF kinds, kfuncs",
                             "The rest of the UAPI that the tables know.");
  line(page, "## bpf(2) commands\n\n| Number | Command | Since | |\n|---|---|---|---|");
  for (const CommandRow& row : commands())
    line(page, "| {} | `{}` | {} | {} |", static_cast<uint32_t>(row.command), row.name,
         version(row.since), row.summary);
  line(page, "\n## Link types\n\n| Number | Type | Since |\n|---|---|---|");
  for (const LinkTypeRow& row : link_types())
    line(page, "| {} | `{}` | {} |", static_cast<uint32_t>(row.type), row.short_name,
         version(row.since));
  line(page, "\n## What the verifier learnt\n\n| Feature | Since | |\n|---|---|---|");
  for (const FeatureRow& row : features())
    line(page, "| `{}` | {} | {} |", row.name, version(row.since), row.summary);
  line(page, "\n## BTF kinds\n\n| Number | Kind | Since |\n|---|---|---|");
  for (const BtfKindRow& row : btf_kinds())
    line(page, "| {} | `{}` | {} |", row.kind, row.name, version(row.since));
  line(page, "\n## kfuncs\n\n| Since | Prototype |\n|---|---|");
  for (const Kfunc& row : kfuncs()) line(page, "| {} | `{}` |", version(row.since), row.prototype);
  return page;
}

struct Page {
  std::string_view file;
  std::string (*text)();
};
constexpr Page kPages[] = {
    {"helpers.md", helpers_page},   {"maps.md", maps_page},         {"programs.md", programs_page},
    {"attach.md", attach_page},     {"sections.md", sections_page}, {"contexts.md", contexts_page},
    {"commands.md", commands_page},
};

int write_pages(const std::string& directory) {
  for (const Page& page : kPages) {
    const std::string path = fmt::format("{}/{}", directory, page.file);
    if (auto written = write_file(path, bytes_of(page.text())); !written) {
      fmt::print(stderr, "spec_docs: {}\n", written.error().text());
      return 1;
    }
  }
  return 0;
}
int check_pages(const std::string& directory) {
  int stale = 0;
  for (const Page& page : kPages) {
    const std::string path = fmt::format("{}/{}", directory, page.file);
    const std::string fresh = page.text();
    auto committed = read_file(path);
    const bool same = committed && committed->size() == fresh.size() &&
                      std::equal(committed->begin(), committed->end(), bytes_of(fresh).begin());
    if (same) continue;
    fmt::print(stderr, "spec_docs: {} differs from the tables; run ./dev docs and commit it\n",
               path);
    stale++;
  }
  return stale == 0 ? 0 : 1;
}

}  // namespace
}  // namespace skep::spec

int main(int argc, char** argv) {
  const bool check = argc == 3 && std::string_view(argv[1]) == "--check";
  if (argc != 2 && !check) {
    fmt::print(stderr, "usage: spec_docs [--check] DIRECTORY\n");
    return 2;
  }
  return check ? skep::spec::check_pages(argv[2]) : skep::spec::write_pages(argv[1]);
}
