// Time to verify a program, against the running kernel's BPF_PROG_LOAD of the same one (which also compiles it), log
// off, one after the other in one run: verifier_bench [--quick] [--json] [--write FILE] [OBJECT|DIR…].
//
// The programs: small ones of 4 to 4000 instructions as people load them (map lookups, branches, stack), loops, and those
// of the objects given that both accept. Where bpf(2) is refused only our own times are told.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "isa/assembler.h"
#include "section.h"
#include "spec/helpers.h"
#include "verifier/verifier.h"
#include "verifier_corpus/case.h"
#include "verifier_corpus/kernel_load.h"

namespace {

using namespace skep;

int32_t helper_id(const void*, std::string_view name) {
  const spec::Helper* helper = spec::find_helper(name);
  return helper != nullptr ? static_cast<int32_t>(helper->id) : -1;
}

// 25 instructions a piece: a lookup, its null check, counters, a bounded index, a branch.
std::string pieces(unsigned count) {
  std::string text = ".license \"GPL\"\n.map m, hash, 4, 64, 16\nr6 = r1\n";
  for (unsigned i = 0; i < count; ++i) {
    const std::string n = std::to_string(i);
    text += "r7 = *(u32 *)(r6 +12)\n*(u32 *)(r10 -4) = " + n +
            "\n*(u64 *)(r10 -16) = r7\nr1 = map[m]\nr2 = r10\n" +
            "r2 += -4\ncall bpf_map_lookup_elem\nif r0 == 0 goto skip" + n +
            "\nr3 = *(u64 *)(r0 +8)\nr3 += 1\n" +
            "*(u64 *)(r0 +8) = r3\nr4 = *(u64 *)(r10 -16)\nr4 &= 31\nr5 = r0\nr5 += r4\nw3 = *(u8 "
            "*)(r5 +16)\n" +
            "r3 <<= 2\nif r3 s> 100 goto skip" + n +
            "\nr3 ^= r4\n*(u64 *)(r10 -24) = r3\nlock *(u64 *)(r0 +0) += r3\n" + "skip" + n +
            ":\nr8 = " + n + "\n";
  }
  return text + "r0 = 0\nexit\n";
}
std::string loop(unsigned rounds) {
  return "r6 = *(u32 *)(r1 +12)\nr7 = 0\nr8 = 0\nagain:\nif r6 & 1 goto odd\nr8 += 3\ngoto "
         "next\nodd:\nr8 ^= 5\nnext:\nr6 >>= "
         "1\nr7 += 1\nif r7 < " +
         std::to_string(rounds) + " goto again\nr0 = 0\nexit\n";
}

Program make(const std::string& source) {
  std::string text = source;
  // The assembler knows w3 as a destination of moves only.
  for (size_t at; (at = text.find("w3 = *(u8")) != std::string::npos;) text[at] = 'r';
  isa::AsmOptions asm_options;
  asm_options.helper_id = helper_id;
  auto assembly = isa::assemble(text, asm_options);
  Program program;
  if (!assembly) return program;
  program.insns = assembly->programs[0].insns;
  program.license = "GPL";
  program.type = ProgType::BPF_PROG_TYPE_XDP;
  for (const isa::AsmMap& map : assembly->maps) {
    MapDescriptor made;
    made.name = map.name;
    made.type = MapType::BPF_MAP_TYPE_HASH;
    made.key_size = map.key_size;
    made.value_size = map.value_size;
    made.max_entries = map.max_entries;
    program.maps.push_back(made);
  }
  return program;
}

// A search in 64 steps whose path depends on data, and a checksum of bits: what path enumeration dislikes.
std::string search() {
  return "r6 = *(u32 *)(r1 +12)\nr7 = 0\nr8 = 1024\nr9 = 0\nagain:\nr2 = r7\nr2 += r8\nr2 >>= "
         "1\nif r2 "
         "> r6 goto below\nr7 = r2\ngoto next\nbelow:\nr8 = r2\nnext:\nr9 += 1\nif r9 < 12 goto "
         "again\nr0 = "
         "0\nexit\n";
}

uint64_t thread_time() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

struct Row {
  std::string name;
  size_t insns = 0;
  uint64_t walked = 0, memory = 0;
  double ours = 0, kernel = 0;  // ns; kernel 0: not asked, or refused
};

template <class F>
double median_ns(unsigned rounds, uint64_t budget_ns, F&& run) {
  std::vector<uint64_t> times;
  uint64_t spent = 0;
  for (unsigned i = 0; i < rounds && (i < 3 || spent < budget_ns); ++i) {
    const uint64_t begin = thread_time();
    run();
    times.push_back(thread_time() - begin);
    spent += times.back();
  }
  std::nth_element(times.begin(), times.begin() + static_cast<ptrdiff_t>(times.size() / 2),
                   times.end());
  return static_cast<double>(times[times.size() / 2]);
}

// False: we refuse it, and there is nothing to compare.
bool measure(const corpus::Case& test, bool with_kernel, unsigned rounds, Row& row) {
  verifier::Options options;
  const verifier::Report report = verifier::verify(test.program, options);
  if (!report.accepted()) return false;
  row.name = test.file.empty() ? test.name : test.file + ":" + test.name;
  row.insns = test.program.insns.size();
  row.walked = report.stats.insns_processed;
  row.memory = report.stats.peak_memory;
  constexpr uint64_t kBudget = 300'000'000;
  if (with_kernel) {
    corpus::KernelLoader kernel(test);
    const corpus::KernelVerdict verdict = kernel.load(test.program, 0);
    if (verdict.problem.empty() && verdict.accepted)
      row.kernel = median_ns(rounds, kBudget, [&] { (void)kernel.load(test.program, 0); });
  }
  row.ours = median_ns(rounds, kBudget, [&] { (void)verifier::verify(test.program, options); });
  return true;
}

std::string table_of(const std::vector<Row>& rows, double geomean, double worst) {
  std::string text =
      "| program | insns | walked | skep us | kernel us | ratio | KB of states "
      "|\n|---|---|---|---|---|---|---|\n";
  for (const Row& row : rows) {
    text += fmt::format(
        "| {} | {} | {} | {:.1f} | {} | {} | {} |\n", row.name, row.insns, row.walked,
        row.ours / 1000, row.kernel != 0 ? fmt::format("{:.1f}", row.kernel / 1000) : "-",
        row.kernel != 0 ? fmt::format("{:.2f}", row.ours / row.kernel) : "-", row.memory / 1024);
  }
  return text + fmt::format("\nGeometric mean {:.2f}, worst {:.2f} of the kernel's time.\n",
                            geomean, worst);
}

}  // namespace

int main(int argc, char** argv) {
  bool quick = false, json = false;
  std::string page;
  std::vector<std::string> paths;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--quick") {
      quick = true;
    } else if (arg == "--json") {
      json = true;
    } else if (arg == "--write" && i + 1 < argc) {
      page = argv[++i];
    } else if (std::filesystem::is_directory(arg)) {
      for (const auto& entry : std::filesystem::directory_iterator(arg)) {
        if (entry.path().extension() == ".o") paths.push_back(entry.path());
      }
    } else if (std::filesystem::exists(arg)) {
      paths.push_back(arg);
    } else {
      fmt::print(stderr, "verifier_bench: {} does not exist\n", arg);
      return 2;
    }
  }
  std::ranges::sort(paths);
  const auto available = corpus::kernel_available();
  if (!available && !json) fmt::print("without the kernel: {}\n", available.error().text());
  std::vector<Row> rows;
  const unsigned rounds = quick ? 7 : 51;
  const auto add = [&](const corpus::Case& test) {
    Row row;
    if (measure(test, available.has_value(), rounds, row)) rows.push_back(row);
  };
  const std::pair<const char*, std::string> kPrograms[] = {
      {"insns_4", "r1 = 0\nr2 = 1\nr0 = 0\nexit\n"},
      {"insns_100", pieces(4)},
      {"insns_1000", pieces(40)},
      {"insns_4000", pieces(160)},
      {"loop_100", loop(100)},
      {"search_12", search()},
  };
  for (const auto& [name, text] : kPrograms) {
    corpus::Case test;
    test.name = name;
    test.program = make(text);
    add(test);
  }
  std::vector<std::shared_ptr<const btf::Btf>> btfs;
  if (auto bytes = read_file("/sys/kernel/btf/vmlinux"); bytes) {
    if (auto parsed = btf::Btf::parse(*bytes); parsed) btfs.push_back(*parsed);
  }
  for (const std::string& path : paths) {
    auto cases = corpus::read_object_cases(path, btfs);
    if (!cases) continue;
    for (const corpus::Case& test : *cases) {
      if (test.not_linked.empty()) add(test);
    }
  }
  double sum = 0, worst = 0;
  int compared = 0;
  for (const Row& row : rows) {
    if (row.kernel == 0) continue;
    sum += std::log(row.ours / row.kernel);
    worst = std::max(worst, row.ours / row.kernel);
    ++compared;
  }
  const double geomean = compared != 0 ? std::exp(sum / compared) : 0;
  const std::string table = table_of(rows, geomean, worst);
  if (!json) fmt::print("{}", table);
  if (!page.empty()) bench::write_section(page, "verifier", "Verifier", table);
  const auto small = std::ranges::find(rows, std::string("insns_100"), &Row::name);
  fmt::print(
      "{{\"programs\":{},\"compared\":{},\"geomean\":{:.3f},\"worst\":{:.3f},\"us_per_100_insns\":{"
      ":.1f}}}\n",
      rows.size(), compared, geomean, worst, small != rows.end() ? small->ours / 1000 : 0.0);
}
