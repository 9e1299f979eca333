#include "support/conformance.h"

#include <fmt/format.h>

#include <array>

#include "isa/assembler.h"
#include "isa/legality.h"
#include "support/unsafe_program.h"

namespace skep::conformance {
namespace {

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> out;
  size_t at = 0;
  while ((at = text.find_first_not_of(" \t\r\n", at)) != std::string_view::npos) {
    const size_t end = text.find_first_of(" \t\r\n", at);
    out.push_back(text.substr(at, end - at));
    at = end;
    if (end == std::string_view::npos) break;
  }
  return out;
}

std::optional<uint64_t> number(std::string_view text, unsigned base = 10) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.starts_with("0x")) {
    base = 16;
    text.remove_prefix(2);
  }
  if (text.empty()) return {};
  uint64_t value = 0;
  for (char c : text) {
    unsigned digit = 99;
    if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') digit = static_cast<unsigned>(c - 'A' + 10);
    if (digit >= base) return {};
    value = value * base + digit;
  }
  return negative ? 0 - value : value;
}

Result<> add_bytes(std::string_view line, std::vector<uint8_t>& out) {
  for (std::string_view word : words(line)) {
    const auto byte = number(word, 16);
    if (!byte || *byte > 0xff)
      return fail(EINVAL, "expected a byte in hexadecimal, found '{}'", word);
    out.push_back(static_cast<uint8_t>(*byte));
  }
  return {};
}

// 64-bit numbers (with 0x), or pairs of hex digits in memory order.
Result<std::vector<Insn>> raw_insns(std::string_view text) {
  std::vector<uint8_t> bytes;
  for (std::string_view word : words(text)) {
    const bool whole = word.starts_with("0x") || word.size() > 2;
    const auto value = number(word, whole ? 10 : 16);
    if (!value) return fail(EINVAL, "expected a number, found '{}'", word);
    for (unsigned i = 0; i < (whole ? 8u : 1u); ++i)
      bytes.push_back(static_cast<uint8_t>(*value >> (8 * i)));
  }
  if (bytes.size() % sizeof(Insn) != 0)
    return fail(EINVAL, "{} bytes are not a whole number of instructions", bytes.size());
  std::vector<Insn> insns(bytes.size() / sizeof(Insn));
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<uint8_t*>(insns.data()));
  return insns;
}

Result<std::vector<Insn>> program_of(const Case& test, Dialect dialect) {
  Result<std::vector<Insn>> insns = std::vector<Insn>{};
  if (!test.raw_text.empty())
    insns = raw_insns(test.raw_text);
  else if (dialect == Dialect::ubpf)
    insns = isa::assemble_ubpf(test.asm_text);
  else
    insns = isa::assemble_insns(test.asm_text, {.callx = true});
  if (!insns) return fail(insns);
  if (insns->empty()) return fail(EINVAL, "the case has no instructions");
  SKEP_CHECK(isa::check_insns(*insns, {.newest = isa::IsaVersion::kNone}));
  return insns;
}

uint64_t helper_5(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, HelperContext*) { return 5; }
uint64_t helper_6(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, HelperContext*) {
  return r1 + 2 * r2 + 3 * r3 + 4 * r4 + 5 * r5;
}
uint64_t helper_7(uint64_t entry, uint64_t times, uint64_t argument, uint64_t, uint64_t,
                  HelperContext* context) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < times; ++i)
    sum += context->call_bpf(context, entry, i, argument, 0, 0, 0);
  return sum;
}

const std::array<uint64_t, 1024>& helpers() {
  static const std::array<uint64_t, 1024> table = [] {
    std::array<uint64_t, 1024> made{};
    made[5] = reinterpret_cast<uint64_t>(&helper_5);
    made[6] = reinterpret_cast<uint64_t>(&helper_6);
    made[7] = reinterpret_cast<uint64_t>(&helper_7);
    return made;
  }();
  return table;
}

// What the program's own r1 points to; the two loads in front unpack it.
struct Context {
  uint64_t memory;
  uint64_t size;
};
constexpr Insn kPrologue[] = {
    {.opcode = isa::BPF_LDX | isa::BPF_MEM | isa::BPF_DW, .dst = 2, .src = 1, .off = 8},
    {.opcode = isa::BPF_LDX | isa::BPF_MEM | isa::BPF_DW, .dst = 1, .src = 1, .off = 0},
};

std::string shown(std::span<const uint8_t> bytes) {
  std::string text;
  for (uint8_t byte : bytes) text += fmt::format("{}{:02x}", text.empty() ? "" : " ", byte);
  return text;
}

Outcome wrong(std::string why) { return {Outcome::Kind::wrong, std::move(why)}; }

Outcome refused(const Case& test, const Error& error) {
  if (!test.error) return wrong(error.text());
  if (error.text().find(*test.error) != std::string::npos) return {Outcome::Kind::refused};
  return wrong(fmt::format("expected an error with '{}', found '{}'", *test.error, error.text()));
}

}  // namespace

Result<std::vector<Case>> parse(std::string_view text, std::string_view file_name) {
  std::vector<Case> cases;
  std::string section;
  uint32_t line_number = 0;
  const auto current = [&]() -> Case& {
    if (cases.empty()) cases.push_back({std::string(file_name), line_number});
    return cases.back();
  };
  while (!text.empty()) {
    const size_t newline = text.find('\n');
    std::string_view line = text.substr(0, newline);
    text = newline == std::string_view::npos ? std::string_view{} : text.substr(newline + 1);
    ++line_number;
    line = trim(line.substr(0, line.find('#')));
    if (line.starts_with("--")) {
      section = std::string(trim(line.substr(2)));
      if (section.starts_with("case ")) {
        cases.push_back({section.substr(5), line_number});
      } else if (section == "error") {
        current().error = "";
      } else if (section != "asm" && section != "raw" && section != "mem" && section != "result" &&
                 section != "packet" && section != "memory after" && section != "c" &&
                 section != "no register offset") {
        return fail(EINVAL, "{}:{}: unknown directive '-- {}'", file_name, line_number, section);
      }
      continue;
    }
    if (line.empty() && section != "asm") continue;
    Case& test = current();
    Result<> done;
    if (section == "asm") {
      test.asm_text += std::string(line) + "\n";
    } else if (section == "raw") {
      test.raw_text += std::string(line) + "\n";
    } else if (section == "mem") {
      done = add_bytes(line, test.memory);
    } else if (section == "memory after") {
      if (!test.memory_after) test.memory_after.emplace();
      done = add_bytes(line, *test.memory_after);
    } else if (section == "packet") {
      if (!test.packet) test.packet.emplace();
      done = add_bytes(line, *test.packet);
    } else if (section == "result") {
      test.result = number(line);
      if (!test.result) done = fail(EINVAL, "expected a number, found '{}'", line);
    } else if (section == "error") {
      test.error = std::string(line);
    }
    if (!done) return fail(done, "{}:{}", file_name, line_number);
  }
  for (const Case& test : cases)
    if (!test.result && !test.error)
      return fail(EINVAL, "{}:{}: case {} has neither a result nor an error", file_name, test.line,
                  test.name);
  return cases;
}

Outcome run(const Case& test, Dialect dialect, vm::Engine& engine) {
  auto insns = program_of(test, dialect);
  if (!insns) return refused(test, insns.error());
  insns->insert(insns->begin(), std::begin(kPrologue), std::end(kPrologue));
  const VerifiedProgram program = VerifiedProgramMaker::unverified(std::move(*insns));
  auto runnable = engine.prepare(program, helpers());
  if (!runnable && runnable.error().code() == EOPNOTSUPP) return {Outcome::Kind::skipped};
  if (!runnable) return refused(test, runnable.error());

  std::vector<uint8_t> memory = test.memory;
  std::vector<uint8_t> bytes = test.packet.value_or(std::vector<uint8_t>{});
  PacketView packet{.head = bytes.data(),
                    .end_of_buffer = bytes.data() + bytes.size(),
                    .data = bytes.data(),
                    .data_end = bytes.data() + bytes.size(),
                    .data_meta = bytes.data(),
                    .mac_header = nullptr,
                    .network_header = nullptr};
  if (bytes.size() >= 14) {  // Ethernet
    packet.mac_header = packet.data;
    packet.network_header = packet.data + 14;
  }
  Context ctx{reinterpret_cast<uint64_t>(memory.data()), memory.size()};
  HelperContext context;
  context.ctx = &ctx;
  if (test.packet) context.packet = &packet;
  auto result = (*runnable)->run(&ctx, &context);
  if (!result && result.error().code() == EOPNOTSUPP) return {Outcome::Kind::skipped};
  if (!result) return refused(test, result.error());
  if (test.error)
    return wrong(
        fmt::format("expected an error with '{}', it ran and gave {:#x}", *test.error, *result));
  if (*result != *test.result)
    return wrong(fmt::format("expected {:#x}, found {:#x}", *test.result, *result));
  if (test.memory_after && memory != *test.memory_after)
    return wrong(
        fmt::format("expected memory {}, found {}", shown(*test.memory_after), shown(memory)));
  return {};
}

}  // namespace skep::conformance
