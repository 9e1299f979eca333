#include "hooks/uprobe_table.h"

#include <algorithm>
#include <array>

#include "object/prog_header.h"

namespace skep::hooks {
namespace {

constexpr std::array<std::string_view, 5> kUnwinders = {
    "_Unwind_RaiseException", "_Unwind_ForcedUnwind", "_Unwind_Resume", "_Unwind_Resume_or_Rethrow",
    "_Unwind_Backtrace"};

// Functions that return more than once, or that keep their return address: it may not be replaced.
constexpr std::array<std::string_view, 15> kReturnsAreTheirs = {
    "setjmp",     "_setjmp",     "sigsetjmp",  "__sigsetjmp",  "__setjmp",
    "vfork",      "__vfork",     "getcontext", "__getcontext", "swapcontext",
    "setcontext", "makecontext", "clone",      "__clone",      "__libc_vfork"};

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

template <class Fn>
void for_each_symbol_at(const ElfImage& image, uint64_t vaddr, Fn fn) {
  const auto& symbols = image.symbols();
  for (auto symbol = std::ranges::lower_bound(symbols, vaddr, {}, &Symbol::vaddr);
       symbol != symbols.end() && symbol->vaddr == vaddr; ++symbol)
    fn(*symbol);
}

std::string describe(const ElfImage& image, const Place& place) {
  if (!place.function.empty()) return place.function;
  std::string name;
  for_each_symbol_at(image, place.bounds.begin, [&](const Symbol& symbol) {
    if (name.empty() || symbol.name.size() < name.size()) name = symbol.name;
  });
  if (name.empty()) return fmt::format("0x{:x}", place.file_offset);
  if (place.vaddr == place.bounds.begin) return name;
  return fmt::format("{}+0x{:x}", name, place.vaddr - place.bounds.begin);
}

template <class T>
void publish(T& to, T value) {
  __atomic_store_n(&to, value, __ATOMIC_RELEASE);
}

}  // namespace

Result<std::unique_ptr<UprobeTable>> UprobeTable::create(Hive& hive) {
  std::unique_ptr<UprobeTable> made(new UprobeTable(hive));
  auto memory = hive.allocate_object(sizeof(ProbeTable));
  if (!memory) return fail(memory, "the table of probes");
  auto status = hive.allocate_data(sizeof(ProbeStatus) * kMaxProbeSites);
  if (!status) {
    hive.free_object(*memory);
    return fail(status, "the table of probes");
  }
  made->table_ = static_cast<ProbeTable*>(*memory);
  made->status_ = *status;
  made->table_->status = reinterpret_cast<uint64_t>(*status);
  hive.set_root(hive::Root::kUprobes, *memory);
  return made;
}

UprobeTable::~UprobeTable() {
  // Traced processes may outlive us and hold addresses of sites: the memory goes with the hive.
  if (table_ == nullptr) return;
  for (uint32_t i = 0; i < table_->count; ++i)
    for (ProbeAttachment& attachment : table_->sites[i].attachments)
      publish(attachment.program, uint64_t{0});
}

Result<const UprobeTable::File*> UprobeTable::open(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return fail_errno(errno, "{}", path);
  auto& cached = files_[path];
  if (cached == nullptr || cached->status.st_ino != status.st_ino ||
      cached->status.st_dev != status.st_dev || cached->status.st_size != status.st_size ||
      cached->status.st_mtim.tv_sec != status.st_mtim.tv_sec ||
      cached->status.st_mtim.tv_nsec != status.st_mtim.tv_nsec) {
    auto image = ElfImage::open(path);
    if (!image) {
      files_.erase(path);
      return fail(image);
    }
    cached = std::make_unique<File>(File{std::move(*image), status});
  }
  return cached.get();
}

Result<uint32_t> UprobeTable::find_or_make(const std::string& path, const File& file,
                                           const Place& place, ProbeRole role,
                                           bool breakpoint_only) {
  for (uint32_t i = 0; i < table_->count; ++i) {
    const ProbeSite& site = table_->sites[i];
    if (site.device == file.status.st_dev && site.inode == file.status.st_ino &&
        site.file_offset == place.file_offset)
      return i;
    // Two jumps over the same bytes can't both be: the second one waits in vain for its instruction.
    const uint64_t begin = site.file_offset, end = begin + site.code.displaced;
    if (site.device == file.status.st_dev && site.inode == file.status.st_ino &&
        site.code.kind != ProbeKind::breakpoint && place.file_offset > begin &&
        place.file_offset < end)
      return fail(EBUSY, "{}: {} lies in the {} bytes that the probe on {} replaces", path,
                  describe(file.image, place), end - begin, sites_[i].function);
  }
  if (table_->count == kMaxProbeSites)
    return fail(ENOSPC, "there are {} probed places already, the most there can be",
                kMaxProbeSites);
  std::vector<CodeRange> taken;
  for (uint32_t i = 0; i < table_->count; ++i) {
    const ProbeSite& other = table_->sites[i];
    if (other.code.kind != ProbeKind::short_jump || other.device != file.status.st_dev ||
        other.inode != file.status.st_ino)
      continue;
    uint64_t cave = other.vaddr + static_cast<uint64_t>(int64_t{other.code.cave});
    taken.push_back({cave, cave + sizeof other.code.cave_original});
  }
  auto plan = plan_probe(file.image, place, breakpoint_only, taken);
  if (!plan) return fail(plan, "{}: {}", path, describe(file.image, place));
  // A jump must not reach into an instruction that is probed on its own: then both are breakpoints.
  for (uint32_t i = 0; i < table_->count; ++i) {
    const ProbeSite& other = table_->sites[i];
    if (plan->code.kind != ProbeKind::breakpoint && other.device == file.status.st_dev &&
        other.inode == file.status.st_ino && other.file_offset > place.file_offset &&
        other.file_offset < place.file_offset + plan->code.displaced) {
      plan = plan_probe(file.image, place, true);
      if (!plan) return fail(plan, "{}: {}", path, describe(file.image, place));
      plan->why_breakpoint = fmt::format("{} is probed too", sites_[i].function);
    }
  }
  uint32_t index = table_->count;
  ProbeSite& site = table_->sites[index];
  site.role = role;
  site.device = file.status.st_dev;
  site.inode = file.status.st_ino;
  site.file_offset = place.file_offset;
  site.vaddr = place.vaddr;
  site.code = plan->code;
  if (plan->code.kind != ProbeKind::breakpoint) plan->why_breakpoint.clear();
  sites_.push_back({path, describe(file.image, place), plan->why_breakpoint});
  publish(site.state, kSiteReady);
  publish(table_->count, index + 1);
  return index;
}

void UprobeTable::watch_unwinders(const std::string& path, const File& file) {
  if (std::ranges::find(watched_, path) != watched_.end()) return;
  watched_.push_back(path);
  for (const Symbol& symbol : file.image.symbols()) {
    if (!is_one_of(symbol.name, kUnwinders)) continue;
    auto offset = file.image.file_offset(symbol.vaddr);
    const Segment* segment = file.image.code_segment(symbol.vaddr);
    if (!offset || segment == nullptr) continue;
    auto bounds = file.image.function_bounds(symbol.vaddr);
    Place place{{}, symbol.vaddr, *offset, bounds.range, bounds.exact, false};
    // What can't be had is a return that is not seen after an exception, never a crash: no error.
    auto made = find_or_make(path, file, place, ProbeRole::unwinder_enter, false);
    if (!made) continue;
    table_->sites[*made].role = ProbeRole::unwinder_enter;
    CodeView code{file.image.bytes_of_segment(*segment), segment->vaddr};
    for (const UnwinderExit& exit : unwinder_exits(code, bounds.range)) {
      Place leave = place;
      leave.vaddr = exit.vaddr;
      leave.file_offset = *offset + (exit.vaddr - symbol.vaddr);
      (void)find_or_make(path, file, leave, exit.role, false);
    }
  }
}

void UprobeTable::watch_unwinders_of(const std::string& path) {
  if (auto file = open(path)) watch_unwinders(path, **file);
}

// Stays for the table's life: processes have counted it up, and a probe that comes back finds it so.
Result<> UprobeTable::add_semaphore(const File& file, const std::string& path, uint64_t offset) {
  const auto size = static_cast<uint64_t>(file.status.st_size);
  if (size < sizeof(uint16_t) || offset > size - sizeof(uint16_t))
    return fail(EINVAL, "{}: a semaphore at {:#x} lies beyond the file's end", path, offset);
  const ProbeSemaphore wanted{file.status.st_dev, file.status.st_ino, offset};
  for (uint32_t i = 0; i < table_->semaphore_count; ++i) {
    const ProbeSemaphore& one = table_->semaphores[i];
    if (one.device == wanted.device && one.inode == wanted.inode && one.file_offset == offset)
      return {};
  }
  if (table_->semaphore_count == kMaxProbeSemaphores)
    return fail(ENOSPC, "there are {} semaphores already, the most there can be",
                kMaxProbeSemaphores);
  table_->semaphores[table_->semaphore_count] = wanted;
  publish(table_->semaphore_count, table_->semaphore_count + 1);
  return {};
}

Result<uint32_t> UprobeTable::attach(const UprobeSpec& spec) {
  auto opened = open(spec.path);
  if (!opened) return fail(opened);
  const File& file = **opened;
  if (spec.semaphore_offset != 0) SKEP_CHECK(add_semaphore(file, spec.path, spec.semaphore_offset));
  auto place = find_place(file.image, spec.path, {spec.path, {}, spec.file_offset});
  if (!place) return fail(place);
  if ((spec.when & kOnReturn) != 0) {
    std::string name = describe(file.image, *place);
    if (place->bounds_exact && place->vaddr != place->bounds.begin)
      return fail(EINVAL, "{}: {} is not a function's start: its return can't be probed there",
                  spec.path, name);
    std::string_view reason;
    for_each_symbol_at(file.image, place->vaddr, [&](const Symbol& symbol) {
      if (is_one_of(symbol.name, kReturnsAreTheirs)) reason = "returns more than once";
      if (is_one_of(symbol.name, kUnwinders)) reason = "reads its own return address";
    });
    if (!reason.empty())
      return fail(ENOTSUP, "{}: {} {}: its return can't be probed", spec.path, name, reason);
    watch_unwinders(spec.path, file);
    if (auto library = find_binary("libgcc_s.so.1", "")) watch_unwinders_of(*library);
  }
  auto index = find_or_make(spec.path, file, *place, ProbeRole::programs, spec.breakpoint_only);
  if (!index) return fail(index);
  ProbeSite& site = table_->sites[*index];
  if (site.role != ProbeRole::programs && (spec.when & kOnReturn) != 0)
    return fail(ENOTSUP, "{}: {} belongs to an unwinder: its return can't be probed", spec.path,
                sites_[*index].function);
  auto* free = std::ranges::find(site.attachments, uint64_t{0}, &ProbeAttachment::program);
  if (free == std::end(site.attachments))
    return fail(ENOSPC, "{}: {} has {} programs already, the most there can be", spec.path,
                sites_[*index].function, kMaxAttachments);
  free->cookie = spec.cookie;
  free->when = spec.when;
  free->link = spec.link;
  publish(free->program, reinterpret_cast<uint64_t>(spec.program));
  auto position = static_cast<uint32_t>(free - site.attachments);
  if (position + 1 > site.attachment_limit) publish(site.attachment_limit, position + 1);
  publish(site.when, site.when | (spec.when & (kOnEntry | kOnReturn)));
  handles_[next_handle_] = {*index, position};
  return next_handle_++;
}

void UprobeTable::detach(uint32_t handle) {
  auto found = handles_.find(handle);
  if (found == handles_.end()) return;
  ProbeSite& site = table_->sites[found->second.site];
  publish(site.attachments[found->second.attachment].program, uint64_t{0});
  uint32_t when = 0;
  for (const ProbeAttachment& attachment : site.attachments)
    if (attachment.program != 0) when |= attachment.when & (kOnEntry | kOnReturn);
  publish(site.when, when);
  handles_.erase(found);
}

UprobeInfo UprobeTable::info(uint32_t handle) const {
  UprobeInfo info;
  auto found = handles_.find(handle);
  if (found == handles_.end()) return info;
  uint32_t index = found->second.site;
  const ProbeSite& site = table_->sites[index];
  info.path = sites_[index].path;
  info.function = sites_[index].function;
  info.file_offset = site.file_offset;
  info.by_jump = site.code.kind != ProbeKind::breakpoint;
  info.why_breakpoint = sites_[index].why_breakpoint;
  info.status = static_cast<const ProbeStatus*>(status_)[index];
  return info;
}

}  // namespace skep::hooks
