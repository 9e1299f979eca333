// run_probed [--breakpoint] [--empty] [--report FILE] (--entry | --return | --both | --session TARGET)… -- COMMAND…: COMMAND
// with native "programs" that count on each TARGET (BINARY:FUNCTION). One line a target goes to FILE
// or stderr:
//   TARGET entry=N return=N arguments=N results=N installed=N removed=N mismatched=N unreachable=N missed=N jump|breakpoint
// arguments adds up rdi of the entries, results rax of the returns.
// --empty: the programs do nothing. --detach-after MS: detaches then, and compares every executable mapping of
// COMMAND's process with its file: one more line, "text differs in N bytes". The exit status is COMMAND's.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/fd.h"
#include "hooks/uprobe_table.h"
#include "hooks_fixture.h"

using namespace skep;
using namespace skep::hooks;

namespace {

// counter[0] += 1; counter[1] += *(u64 *)(ctx + field); return 0
Result<tests::NativeProgram> adding_program(Hive& hive, uint8_t field) {
  SKEP_TRY(data, hive.allocate_data(4096));
  std::vector<uint8_t> code = {0x48, 0xb8};
  tests::append64(code, reinterpret_cast<uint64_t>(data));
  for (uint8_t byte : {0xf0, 0x48, 0xff, 0x00}) code.push_back(byte);        // lock inc [rax]
  for (uint8_t byte : {0x48, 0x8b, 0x4f, int{field}}) code.push_back(byte);  // mov rcx, [rdi+f]
  for (uint8_t byte : {0xf0, 0x48, 0x01, 0x48, 0x08})
    code.push_back(byte);  // lock add [rax+8], rcx
  for (uint8_t byte : {0x31, 0xc0, 0xc3}) code.push_back(byte);
  return tests::native_program(hive, code, data);
}
constexpr uint8_t kRdi = 112, kRax = 80;

// counter[0] += 1; return *(u64 *)(ctx + 112) & 1
Result<tests::NativeProgram> odd_arguments_program(Hive& hive) {
  SKEP_TRY(data, hive.allocate_data(4096));
  std::vector<uint8_t> code = {0x48, 0xb8};
  tests::append64(code, reinterpret_cast<uint64_t>(data));
  for (uint8_t byte : {0xf0, 0x48, 0xff, 0x00, 0x8b, 0x47, int{kRdi}, 0x83, 0xe0, 0x01, 0xc3})
    code.push_back(byte);
  return tests::native_program(hive, code, data);
}

// Bytes in which the executable mappings of `pid` differ from their files; how many were compared, too.
std::pair<size_t, size_t> compare_text(pid_t pid) {
  size_t differ = 0, compared = 0;
  std::FILE* maps = std::fopen(fmt::format("/proc/{}/maps", pid).c_str(), "r");
  auto memory = open_file(fmt::format("/proc/{}/mem", pid), O_RDONLY);
  if (maps == nullptr || !memory) return {~size_t{0}, 0};
  char line[4096];
  while (std::fgets(line, sizeof line, maps) != nullptr) {
    unsigned long long begin, end, offset;
    char permissions[8], path[4000] = {};
    if (std::sscanf(line, "%llx-%llx %7s %llx %*s %*s %3999s", &begin, &end, permissions, &offset,
                    path) < 5)
      continue;
    if (permissions[2] != 'x' || path[0] != '/' || std::strstr(path, "skep-agent") != nullptr ||
        std::strstr(path, "memfd") != nullptr)
      continue;
    auto file = read_file(path);
    if (!file) continue;
    std::vector<std::byte> found(end - begin);
    if (::pread(memory->get(), found.data(), found.size(), static_cast<off_t>(begin)) !=
        static_cast<ssize_t>(found.size()))
      continue;
    for (size_t i = 0; i < found.size() && offset + i < file->size(); ++i, ++compared)
      differ += found[i] != (*file)[offset + i] ? 1 : 0;
  }
  std::fclose(maps);
  return {differ, compared};
}

struct Probe {
  std::string target;
  uint32_t when;
  std::vector<uint32_t> handles;
  tests::NativeProgram entry, exit;
};

int refuse(const char* what, const Error& error) {
  std::fprintf(stderr, "run_probed: %s: %s\n", what, error.text().c_str());
  return 125;
}

}  // namespace

int main(int argc, char** argv) {
  bool breakpoint = false, empty = false;
  int detach_after = -1;  // ms
  std::pair<size_t, size_t> text{0, 0};
  const char* report = nullptr;
  std::vector<Probe> probes;
  int first = 1;
  for (; first < argc && argv[first][0] == '-'; ++first) {
    std::string_view option = argv[first];
    if (option == "--") {
      ++first;
      break;
    }
    if (option == "--breakpoint") breakpoint = true;
    if (option == "--empty") empty = true;
    if (option == "--detach-after") detach_after = std::atoi(argv[++first]);
    if (option == "--report") report = argv[++first];
    if (option == "--entry") probes.push_back({argv[++first], kOnEntry, {}, {}, {}});
    if (option == "--return") probes.push_back({argv[++first], kOnReturn, {}, {}, {}});
    if (option == "--session")
      probes.push_back({argv[++first], kOnEntry | kOnReturn | kSession, {}, {}, {}});
    if (option == "--both") probes.push_back({argv[++first], kOnEntry | kOnReturn, {}, {}, {}});
  }
  auto hive = Hive::create(
      {.name = "run_probed", .data_size = uint64_t{64} << 20, .publish_session = false});
  if (!hive) return refuse("hive", hive.error());
  auto session = Session::create(**hive, {});
  if (!session) return refuse("session", session.error());
  auto table = UprobeTable::create(**hive);
  if (!table) return refuse("table", table.error());
  const char* path_variable = std::getenv("PATH");
  for (Probe& probe : probes) {
    auto target = parse_target(probe.target);
    if (!target) return refuse(probe.target.c_str(), target.error());
    auto path = find_binary(target->binary, path_variable != nullptr ? path_variable : "");
    if (!path) return refuse(probe.target.c_str(), path.error());
    auto image = ElfImage::open(*path);
    if (!image) return refuse(probe.target.c_str(), image.error());
    auto place = find_place(*image, *path, *target);
    if (!place) return refuse(probe.target.c_str(), place.error());
    UprobeSpec spec;
    spec.path = *path;
    spec.file_offset = place->file_offset;
    spec.breakpoint_only = breakpoint;
    if ((probe.when & kSession) !=
        0) {  // one program for both; it declines the return of odd arguments
      auto made = odd_arguments_program(**hive);
      if (!made) return refuse("program", made.error());
      probe.entry = *made;
      spec.when = probe.when;
      spec.program = made->header;
      auto handle = (*table)->attach(spec);
      if (!handle) return refuse(probe.target.c_str(), handle.error());
      probe.handles.push_back(*handle);
      continue;
    }
    for (uint32_t when : {kOnEntry, kOnReturn}) {
      if ((probe.when & when) == 0) continue;
      auto made = empty ? tests::native_program(**hive, {0x31, 0xc0, 0xc3}, nullptr)
                        : adding_program(**hive, when == kOnEntry ? kRdi : kRax);
      if (!made) return refuse("program", made.error());
      (when == kOnEntry ? probe.entry : probe.exit) = *made;
      spec.when = when;
      spec.program = made->header;
      auto handle = (*table)->attach(spec);
      if (!handle) return refuse(probe.target.c_str(), handle.error());
      probe.handles.push_back(*handle);
    }
  }
  auto pid = (*session)->launch({.argv = {argv + first, argv + argc}, .env = std::nullopt});
  if (!pid) return refuse("launch", pid.error());
  if (detach_after >= 0) {
    ::usleep(static_cast<useconds_t>(detach_after) * 1000);
    auto left = (*session)->detach_all(std::chrono::seconds(5));
    if (!left) return refuse("detach", left.error());
    text = compare_text(*pid);
    if (!left->empty()) text.first = ~size_t{0};
  }
  while (!(*session)->exit_status()) {
    (*session)->wait(std::chrono::milliseconds(1000));
    for (const auto& event : (*session)->step())
      if (!event.text.empty()) std::fprintf(stderr, "run_probed: %s\n", event.text.c_str());
  }
  std::FILE* out = report != nullptr ? std::fopen(report, "w") : stderr;
  if (out == nullptr) return 125;
  for (const Probe& probe : probes) {
    UprobeInfo info = (*table)->info(probe.handles[0]);
    auto value = [](const tests::NativeProgram& program, int index) {
      return static_cast<unsigned long long>(program.counter == nullptr ? 0
                                                                        : program.counter[index]);
    };
    std::fprintf(out,
                 "%s entry=%llu return=%llu arguments=%llu results=%llu installed=%u removed=%u "
                 "mismatched=%u unreachable=%u missed=%llu %s\n",
                 probe.target.c_str(), value(probe.entry, 0), value(probe.exit, 0),
                 value(probe.entry, 1), value(probe.exit, 1), info.status.installed,
                 info.status.removed, info.status.mismatched, info.status.unreachable,
                 static_cast<unsigned long long>(info.status.missed_returns),
                 info.by_jump ? "jump" : "breakpoint");
  }
  if (detach_after >= 0)
    std::fprintf(out, "text differs in %zd of %zu bytes\n", text.first, text.second);
  if (out != stderr) std::fclose(out);
  return *(*session)->exit_status();
}
