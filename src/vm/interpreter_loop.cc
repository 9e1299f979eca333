// The interpreter's loop: direct threading, one label an operation, each ending in its own indirect jump, which
// is what branch predictors like best. One function by intent: splitting it would put r0 to r10 and the
// dispatch into memory traffic. Compiled twice, plain and instrumented.
#include <fmt/format.h>

#include <optional>

#include "base/bytes.h"
#include "vm/interpreter_ops.h"
#include "vm/packet_load.h"
#include "vm/safe_copy.h"

namespace skep::vm {
namespace {

constexpr uint32_t kMaxFrames = 16;  // the kernel's 8, and room for callbacks on top of each other
constexpr uint32_t kMayGotoPasses = 8'388'608;

template <class T, class S>
inline T divide_signed(T a, T b) {
  if (b == 0) return 0;
  if (b == static_cast<T>(-1))
    return 0 - a;  // also the lowest value, which has no positive counterpart
  return static_cast<T>(static_cast<S>(a) / static_cast<S>(b));
}
template <class T, class S>
inline T remainder_signed(T a, T b) {
  if (b == 0) return a;
  if (b == static_cast<T>(-1)) return 0;
  return static_cast<T>(static_cast<S>(a) % static_cast<S>(b));
}

// To 64 bits, by the type's own sign.
template <class T>
uint64_t extend(T value) {
  if constexpr (std::is_signed_v<T>)
    return static_cast<uint64_t>(int64_t{value});
  else
    return value;
}

template <class T>
T* at(uint64_t address) {
  return reinterpret_cast<T*>(address);
}

}  // namespace

// One run.
struct Machine {
  struct Frame {
    const Op* return_to;
    const Interpreter* program;
    uint64_t saved[4];  // the caller's r6 to r9
    uint32_t may_goto_left;
  };

  const InterpreterOptions& options;
  HelperContext* context;
  bool metered;
  std::optional<Error> error{};
  uint32_t depth = 0;
  Frame frames[kMaxFrames];
  alignas(16) uint8_t stacks[kMaxFrames][isa::kMaxStackBytes];

  Machine(const InterpreterOptions& with, HelperContext* in)
      : options(with), context(in), metered(in->fuel != 0) {}

  template <bool kInstrumented>
  uint64_t loop(const Op* op, uint64_t* r);

  template <bool kInstrumented>
  static uint64_t call_back(HelperContext* context, uint64_t entry, uint64_t r1, uint64_t r2,
                            uint64_t r3, uint64_t r4, uint64_t r5);

  uint64_t stack_end(uint32_t frame) const {
    return reinterpret_cast<uint64_t>(&stacks[frame][0]) + isa::kMaxStackBytes;
  }
  uint32_t insn_of(const Op* op) const {
    return static_cast<uint32_t>(op - frames[depth].program->ops_.get());
  }
  void stop(int code, std::string message) {
    if (!error) error = Error(code, std::move(message));
  }
  bool may_touch(const Op* op, uint64_t address, uint32_t size, bool write);
  bool before(const Op* op, uint64_t* r);
  uint64_t probe(uint64_t address, uint32_t size) const;

  static const Op* start_of(const Interpreter& program) { return program.ops_.get(); }
};

bool Machine::may_touch(const Op* op, uint64_t address, uint32_t size, bool write) {
  const auto inside = [&](uint64_t begin, uint64_t end) {
    return address >= begin && address <= end && end - address >= size;
  };
  for (uint32_t frame = 0; frame <= depth; ++frame)
    if (inside(stack_end(frame) - isa::kMaxStackBytes, stack_end(frame))) return true;
  for (const MemoryRegion& region : options.regions)
    if (inside(region.begin, region.end) && (region.writable || !write)) return true;
  if (options.is_allowed != nullptr &&
      options.is_allowed(options.is_allowed_data, address, size, write))
    return true;
  stop(EFAULT, fmt::format("insn {}: {} of {} bytes at {:#x}, which the program may not touch",
                           insn_of(op), write ? "a write" : "a read", size, address));
  return false;
}

// Fuel and the trace hook; false where the run is over.
bool Machine::before(const Op* op, uint64_t* r) {
  if (metered) {
    const uint32_t cost = frames[depth].program->costs_[insn_of(op)];
    if (context->fuel < cost) {
      context->fuel = 0;
      context->flags |= kRanOutOfFuel;
      stop(ETIME, fmt::format("insn {}: no fuel left", insn_of(op)));
      return false;
    }
    context->fuel -= cost;
  }
  if (options.trace != nullptr)
    options.trace(options.trace_data,
                  {.program = &frames[depth].program->program(),
                   .insn = insn_of(op),
                   .frame = depth,
                   .registers = std::span<uint64_t, isa::kRegisters>(r, isa::kRegisters),
                   .stack = stack_end(depth) - isa::kMaxStackBytes});
  return true;
}

// A load that may fault, zero-extended; 0 where it does.
uint64_t Machine::probe(uint64_t address, uint32_t size) const {
  uint64_t value = 0;
  if (options.faults_are_handled)
    return safe_copy(&value, at<void>(address), size) == 0 ? value : 0;
  if (context->host == nullptr || context->host->read_memory == nullptr) return 0;
  return context->host->read_memory(context, &value, address, size) == 0 ? value : 0;
}

// clang-format off
#define NEXT do { ++op; DISPATCH; } while (false)
#define DISPATCH do { if constexpr (kInstrumented) goto instrumented; else goto *kLabels[std::to_underlying(op->code)]; } while (false)
#define DST r[op->dst]
#define SRC r[op->src]

// a and b: the operands, of type T (S signed).
#define ALU(name, expression) \
  L_##name##64K: { using T = uint64_t; using S [[maybe_unused]] = int64_t; const T a [[maybe_unused]] = DST, b = op->imm; DST = static_cast<T>(expression); } NEXT; \
  L_##name##64X: { using T = uint64_t; using S [[maybe_unused]] = int64_t; const T a [[maybe_unused]] = DST, b = SRC; DST = static_cast<T>(expression); } NEXT; \
  L_##name##32K: { using T = uint32_t; using S [[maybe_unused]] = int32_t; const T a [[maybe_unused]] = static_cast<T>(DST), b = static_cast<T>(op->imm); DST = static_cast<T>(expression); } NEXT; \
  L_##name##32X: { using T = uint32_t; using S [[maybe_unused]] = int32_t; const T a [[maybe_unused]] = static_cast<T>(DST), b = static_cast<T>(SRC); DST = static_cast<T>(expression); } NEXT;

#define JUMP_IF(condition) if (condition) { op += op->off; DISPATCH; } NEXT
#define JUMP(name, condition) \
  L_##name##64K: { using T = uint64_t; using S [[maybe_unused]] = int64_t; const T a = DST, b = op->imm; JUMP_IF(condition); } \
  L_##name##64X: { using T = uint64_t; using S [[maybe_unused]] = int64_t; const T a = DST, b = SRC; JUMP_IF(condition); } \
  L_##name##32K: { using T = uint32_t; using S [[maybe_unused]] = int32_t; const T a = static_cast<T>(DST), b = static_cast<T>(op->imm); JUMP_IF(condition); } \
  L_##name##32X: { using T = uint32_t; using S [[maybe_unused]] = int32_t; const T a = static_cast<T>(DST), b = static_cast<T>(SRC); JUMP_IF(condition); }

#define CHECK(address, size, write) \
  if constexpr (kInstrumented) { if (options.check_memory && !may_touch(op, address, size, write)) return 0; }
#define PLACE(base, size, write) \
  const uint64_t place = (base) + static_cast<uint64_t>(int64_t{op->off}); CHECK(place, size, write)
#define LOAD(name, type) \
  L_##name: { PLACE(SRC, sizeof(type), false) DST = extend(load<type>(at<void>(place))); } NEXT;
#define PROBE(name, type) \
  L_##name: { DST = extend(static_cast<type>(probe(SRC + static_cast<uint64_t>(int64_t{op->off}), sizeof(type)))); } NEXT;
#define STORE(bits) \
  L_ST##bits:  { PLACE(DST, sizeof(uint##bits##_t), true) store(at<void>(place), static_cast<uint##bits##_t>(op->imm)); } NEXT; \
  L_STX##bits: { PLACE(DST, sizeof(uint##bits##_t), true) store(at<void>(place), static_cast<uint##bits##_t>(SRC)); } NEXT; \
  L_LOAD_ACQ##bits:  { PLACE(SRC, sizeof(uint##bits##_t), false) DST = __atomic_load_n(at<uint##bits##_t>(place), __ATOMIC_ACQUIRE); } NEXT; \
  L_STORE_REL##bits: { PLACE(DST, sizeof(uint##bits##_t), true) __atomic_store_n(at<uint##bits##_t>(place), static_cast<uint##bits##_t>(SRC), __ATOMIC_RELEASE); } NEXT;
#define ATOMIC(name, function, bits) \
  L_ATOMIC_##name##bits: { PLACE(DST, bits / 8, true) function(at<uint##bits##_t>(place), static_cast<uint##bits##_t>(SRC), __ATOMIC_SEQ_CST); } NEXT; \
  L_FETCH_##name##bits:  { PLACE(DST, bits / 8, true) SRC = function(at<uint##bits##_t>(place), static_cast<uint##bits##_t>(SRC), __ATOMIC_SEQ_CST); } NEXT;
#define EXCHANGE(bits) \
  L_XCHG##bits: { PLACE(DST, bits / 8, true) SRC = __atomic_exchange_n(at<uint##bits##_t>(place), static_cast<uint##bits##_t>(SRC), __ATOMIC_SEQ_CST); } NEXT; \
  L_CMPXCHG##bits: { \
    PLACE(DST, bits / 8, true) \
    auto expected = static_cast<uint##bits##_t>(r[0]); \
    __atomic_compare_exchange_n(at<uint##bits##_t>(place), &expected, static_cast<uint##bits##_t>(SRC), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
    r[0] = expected; \
  } NEXT;

// Starts in a frame that the caller has set up at `depth`; returns r0 when that frame exits.
template <bool kInstrumented>
uint64_t Machine::loop(const Op* op, uint64_t* r) {
  static const void* const kLabels[] = {
#define SKEP_VM_LABEL(name) &&L_##name,
      SKEP_VM_OPS(SKEP_VM_LABEL)
#undef SKEP_VM_LABEL
  };
  const uint32_t base = depth;
  DISPATCH;

[[maybe_unused]] instrumented:
  if constexpr (kInstrumented) {
    if (!before(op, r)) return 0;
    goto *kLabels[std::to_underlying(op->code)];
  }

L_TRAP:
  stop(EINVAL, fmt::format("insn {}: reached, though the verifier found no path to it", insn_of(op)));
  return 0;

  ALU(ADD, a + b)
  ALU(SUB, a - b)
  ALU(MUL, a * b)
  ALU(DIV, b == 0 ? 0 : a / b)
  ALU(SDIV, (divide_signed<T, S>(a, b)))
  ALU(OR, a | b)
  ALU(AND, a & b)
  ALU(LSH, a << (b & (sizeof(T) * 8 - 1)))
  ALU(RSH, a >> (b & (sizeof(T) * 8 - 1)))
  ALU(MOD, b == 0 ? a : a % b)
  ALU(SMOD, (remainder_signed<T, S>(a, b)))
  ALU(XOR, a ^ b)
  ALU(MOV, b)
  ALU(ARSH, static_cast<S>(a) >> (b & (sizeof(T) * 8 - 1)))
L_NEG64: DST = 0 - DST; NEXT;
L_NEG32: DST = static_cast<uint32_t>(0 - static_cast<uint32_t>(DST)); NEXT;
L_MOVSX8_64: DST = static_cast<uint64_t>(int64_t{static_cast<int8_t>(SRC)}); NEXT;
L_MOVSX16_64: DST = static_cast<uint64_t>(int64_t{static_cast<int16_t>(SRC)}); NEXT;
L_MOVSX32_64: DST = static_cast<uint64_t>(int64_t{static_cast<int32_t>(SRC)}); NEXT;
L_MOVSX8_32: DST = static_cast<uint32_t>(int32_t{static_cast<int8_t>(SRC)}); NEXT;
L_MOVSX16_32: DST = static_cast<uint32_t>(int32_t{static_cast<int16_t>(SRC)}); NEXT;
L_LE16: DST = static_cast<uint16_t>(DST); NEXT;
L_LE32: DST = static_cast<uint32_t>(DST); NEXT;
L_LE64: NEXT;
L_SWAP16: DST = __builtin_bswap16(static_cast<uint16_t>(DST)); NEXT;
L_SWAP32: DST = __builtin_bswap32(static_cast<uint32_t>(DST)); NEXT;
L_SWAP64: DST = __builtin_bswap64(DST); NEXT;
L_LD_IMM64: DST = op->imm; op += 2; DISPATCH;

  JUMP(JEQ, a == b)
  JUMP(JNE, a != b)
  JUMP(JGT, a > b)
  JUMP(JGE, a >= b)
  JUMP(JLT, a < b)
  JUMP(JLE, a <= b)
  JUMP(JSGT, static_cast<S>(a) > static_cast<S>(b))
  JUMP(JSGE, static_cast<S>(a) >= static_cast<S>(b))
  JUMP(JSLT, static_cast<S>(a) < static_cast<S>(b))
  JUMP(JSLE, static_cast<S>(a) <= static_cast<S>(b))
  JUMP(JSET, (a & b) != 0)
L_GOTO: op += op->off; DISPATCH;
L_MAY_GOTO:
  if (frames[depth].may_goto_left == 0) {
    op += op->off;
    DISPATCH;
  }
  --frames[depth].may_goto_left;
  NEXT;

  LOAD(LDX8, uint8_t)
  LOAD(LDX16, uint16_t)
  LOAD(LDX32, uint32_t)
  LOAD(LDX64, uint64_t)
  LOAD(LDXS8, int8_t)
  LOAD(LDXS16, int16_t)
  LOAD(LDXS32, int32_t)
  PROBE(PROBE8, uint8_t)
  PROBE(PROBE16, uint16_t)
  PROBE(PROBE32, uint32_t)
  PROBE(PROBE64, uint64_t)
  PROBE(PROBES8, int8_t)
  PROBE(PROBES16, int16_t)
  PROBE(PROBES32, int32_t)
  STORE(8)
  STORE(16)
  STORE(32)
  STORE(64)
  ATOMIC(ADD, __atomic_fetch_add, 32)
  ATOMIC(ADD, __atomic_fetch_add, 64)
  ATOMIC(OR, __atomic_fetch_or, 32)
  ATOMIC(OR, __atomic_fetch_or, 64)
  ATOMIC(AND, __atomic_fetch_and, 32)
  ATOMIC(AND, __atomic_fetch_and, 64)
  ATOMIC(XOR, __atomic_fetch_xor, 32)
  ATOMIC(XOR, __atomic_fetch_xor, 64)
  EXCHANGE(32)
  EXCHANGE(64)
L_PACKET_ABS:
  if (!load_packet(context->packet, static_cast<int32_t>(op->imm), static_cast<unsigned>(op->off), r[0])) {
    r[0] = 0;
    goto L_EXIT;
  }
  NEXT;
L_PACKET_IND:
  if (!load_packet(context->packet, static_cast<int32_t>(static_cast<uint32_t>(SRC) + static_cast<uint32_t>(op->imm)),
                   static_cast<unsigned>(op->off), r[0])) {
    r[0] = 0;
    goto L_EXIT;
  }
  NEXT;

L_CALL_HELPER:
  r[0] = reinterpret_cast<HelperFn>(op->imm)(r[1], r[2], r[3], r[4], r[5], context);
  if (error) [[unlikely]] return 0;  // of a callback
  NEXT;
L_CALL_HELPER_BY_REGISTER: {
  const uint64_t id = DST;
  if (id >= options.helpers.size() || options.helpers[id] == 0) {
    stop(ENOSYS, fmt::format("insn {}: helper {} is not bound", insn_of(op), id));
    return 0;
  }
  r[0] = reinterpret_cast<HelperFn>(options.helpers[id])(r[1], r[2], r[3], r[4], r[5], context);
  if (error) [[unlikely]] return 0;
} NEXT;
L_CALL_BPF: {
  if (depth + 1 >= kMaxFrames) {
    stop(ELOOP, fmt::format("insn {}: more than {} frames", insn_of(op), kMaxFrames));
    return 0;
  }
  Frame& frame = frames[depth + 1];
  frame.return_to = op + 1;
  frame.program = frames[depth].program;
  for (int i = 0; i < 4; ++i) frame.saved[i] = r[6 + i];
  frame.may_goto_left = kMayGotoPasses;
  r[10] = stack_end(++depth);
  op += op->off;
} DISPATCH;
L_TAIL_CALL: {
  if (options.tail_call != nullptr && context->tail_calls < isa::kMaxTailCalls) {
    const Interpreter* next = options.tail_call(options.tail_call_data, context, r[2], static_cast<uint32_t>(r[3]));
    if (next != nullptr) {
      ++context->tail_calls;
      frames[depth].program = next;
      frames[depth].may_goto_left = kMayGotoPasses;
      op = start_of(*next);
      DISPATCH;
    }
  }
} NEXT;
L_EXIT: {
  if (depth == base) return r[0];
  const Frame& frame = frames[depth];
  op = frame.return_to;
  for (int i = 0; i < 4; ++i) r[6 + i] = frame.saved[i];
  r[10] = stack_end(--depth);
} DISPATCH;
}
// clang-format on

template <bool kInstrumented>
uint64_t Machine::call_back(HelperContext* context, uint64_t entry, uint64_t r1, uint64_t r2,
                            uint64_t r3, uint64_t r4, uint64_t r5) {
  Machine& machine = *static_cast<Machine*>(context->engine_data);
  if (machine.error) return 1;  // no more: what bpf_loop and its like stop at
  if (machine.depth + 1 >= kMaxFrames) {
    machine.stop(ELOOP, fmt::format("a callback: more than {} frames", kMaxFrames));
    return 1;
  }
  const uint32_t outer = machine.depth++;
  Frame& frame = machine.frames[machine.depth];
  frame.program = machine.frames[outer].program;
  frame.may_goto_left = kMayGotoPasses;
  uint64_t r[isa::kRegisters] = {
      0, r1, r2, r3, r4, r5, 0, 0, 0, 0, machine.stack_end(machine.depth)};
  const uint64_t result = machine.loop<kInstrumented>(reinterpret_cast<const Op*>(entry), r);
  machine.depth = outer;
  return machine.error ? 1 : result;
}

Result<uint64_t> Interpreter::run(void* ctx, HelperContext* context) const {
  return enter(0, {reinterpret_cast<uint64_t>(ctx), 0, 0, 0, 0}, context);
}
Result<uint64_t> Interpreter::call(uint32_t insn, const uint64_t (&arguments)[5],
                                   HelperContext* context) const {
  return enter(insn, arguments, context);
}
std::optional<uint32_t> Interpreter::insn_of(uint64_t entry) const {
  const auto begin = reinterpret_cast<uint64_t>(ops_.get());
  if (entry < begin || (entry - begin) % sizeof(Op) != 0) return std::nullopt;
  const uint64_t index = (entry - begin) / sizeof(Op);
  return index < program_->insns().size() ? std::optional(static_cast<uint32_t>(index))
                                          : std::nullopt;
}

Result<uint64_t> Interpreter::enter(uint32_t insn, const uint64_t (&arguments)[5],
                                    HelperContext* context) const {
  Machine machine(options_, context);
  machine.frames[0].program = this;
  machine.frames[0].may_goto_left = kMayGotoPasses;
  const bool instrumented = options_.trace != nullptr || options_.check_memory || machine.metered;
  auto* outer_call = context->call_bpf;
  void* outer_data = context->engine_data;
  context->call_bpf = instrumented ? &Machine::call_back<true> : &Machine::call_back<false>;
  context->engine_data = &machine;
  uint64_t r[isa::kRegisters] = {};
  for (unsigned i = 0; i < 5; ++i) r[1 + i] = arguments[i];
  r[10] = machine.stack_end(0);
  const uint64_t result = instrumented ? machine.loop<true>(ops_.get() + insn, r)
                                       : machine.loop<false>(ops_.get() + insn, r);
  context->call_bpf = outer_call;
  context->engine_data = outer_data;
  if (machine.error) return std::unexpected<Error>(std::move(*machine.error));
  return result;
}

}  // namespace skep::vm
