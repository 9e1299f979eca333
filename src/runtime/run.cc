// BPF_PROG_TEST_RUN: one program over one input in this process. Contexts are laid out as the kernel's test
// runs have them: a packet of a type that works below layer 2 starts at its network header, one of
// sched_cls, sched_act and xdp at its Ethernet header.
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/fd.h"
#include "base/slots.h"
#include "object/task_view.h"
#include "runtime/fault_guard.h"
#include "runtime/host.h"
#include "runtime/runtime.h"
#include "spec/context.h"
#include "spec/context_layout.h"
#include "spec/prog_types.h"

namespace skep::runtime {
namespace {

constexpr size_t kEthernetHeader = 14;
constexpr size_t kMaxPacket = 256 * 1024;
constexpr size_t kHeadroom = 256;  // XDP_PACKET_HEADROOM; more than a socket buffer's
constexpr size_t kTailroom = 320;  // what bpf_xdp_adjust_tail and skb_change_tail may grow into

enum class Shape { skb_l2, skb_l3, xdp, bytes };

Shape shape_of(ProgType type) {
  switch (type) {
    case ProgType::BPF_PROG_TYPE_SCHED_CLS:
    case ProgType::BPF_PROG_TYPE_SCHED_ACT: return Shape::skb_l2;
    case ProgType::BPF_PROG_TYPE_SOCKET_FILTER:
    case ProgType::BPF_PROG_TYPE_CGROUP_SKB:
    case ProgType::BPF_PROG_TYPE_LWT_IN:
    case ProgType::BPF_PROG_TYPE_LWT_OUT:
    case ProgType::BPF_PROG_TYPE_LWT_XMIT:
    case ProgType::BPF_PROG_TYPE_LWT_SEG6LOCAL:
    case ProgType::BPF_PROG_TYPE_SK_SKB:
    case ProgType::BPF_PROG_TYPE_FLOW_DISSECTOR: return Shape::skb_l3;
    case ProgType::BPF_PROG_TYPE_XDP: return Shape::xdp;
    default: return Shape::bytes;
  }
}

// One run's input in the engine's layout; made again for each run, since programs change it.
class Frame {
 public:
  static Result<Frame> make(const ProgObject& program, const RunInput& input);
  void reset();
  [[nodiscard]] void* ctx() { return ctx_.data(); }
  [[nodiscard]] PacketView* packet() { return shape_ == Shape::bytes ? nullptr : &view_; }
  void take(RunOutput& output) const;

 private:
  void point_at_packet();

  Shape shape_{};
  uint32_t uapi_size_ = 0;
  std::vector<std::byte> pristine_ctx_, ctx_;
  ByteSpan data_;
  std::vector<uint8_t> buffer_;
  PacketView view_;
};

Result<Frame> Frame::make(const ProgObject& program, const RunInput& input) {
  Frame frame;
  frame.shape_ = shape_of(program.type());
  const spec::ContextRow* row = spec::find_context(program.type());
  const spec::ProgTypeRow* type = spec::find_prog_type(program.type());
  std::string_view type_name = type != nullptr ? type->short_name : "this";
  uint32_t engine_size = row != nullptr ? row->engine_size : 0;
  frame.uapi_size_ = row != nullptr ? row->size : 0;
  // Tracepoints and their like have no one size: theirs is what is given, at least what the program reads.
  if (frame.shape_ == Shape::bytes && input.ctx.size() > engine_size) {
    frame.uapi_size_ = engine_size = static_cast<uint32_t>(input.ctx.size());
  }
  for (size_t i = frame.uapi_size_; i < input.ctx.size(); ++i) {
    if (input.ctx[i] != std::byte{0})
      return fail(E2BIG, "a context of {} bytes, {} programs have at most {}", input.ctx.size(),
                  type_name, frame.uapi_size_);
  }
  if (frame.shape_ == Shape::bytes && !input.data.empty()) {
    return fail(EINVAL, "{} programs have no packet", type_name);
  }
  if (frame.shape_ != Shape::bytes &&
      (input.data.size() < kEthernetHeader || input.data.size() > kMaxPacket)) {
    return fail(EINVAL, "a packet of {} bytes, {} programs run over {} to {}", input.data.size(),
                type_name, kEthernetHeader, kMaxPacket);
  }
  frame.pristine_ctx_.resize(std::max<size_t>(engine_size, 8));
  ByteSpan given = input.ctx.first(std::min<size_t>(input.ctx.size(), frame.uapi_size_));
  std::copy(given.begin(), given.end(), frame.pristine_ctx_.begin());
  if (frame.shape_ == Shape::skb_l2 || frame.shape_ == Shape::skb_l3) {
    auto* skb = reinterpret_cast<spec::SkBuffContext*>(frame.pristine_ctx_.data());
    if (skb->len != 0 || skb->data32 != 0 || skb->data_end32 != 0 || skb->protocol != 0) {
      return fail(EINVAL,
                  "len, protocol, data and data_end of the context are the engine's to set");
    }
    skb->protocol = load<uint16_t>(input.data.data() + 12);
  }
  frame.data_ = input.data;
  if (frame.shape_ != Shape::bytes) frame.buffer_.resize(kHeadroom + input.data.size() + kTailroom);
  frame.reset();
  return frame;
}

void Frame::reset() {
  ctx_ = pristine_ctx_;
  if (shape_ == Shape::bytes) return;
  std::memcpy(buffer_.data() + kHeadroom, data_.data(), data_.size());
  view_.head = buffer_.data();
  view_.end_of_buffer = buffer_.data() + buffer_.size();
  view_.mac_header = buffer_.data() + kHeadroom;
  view_.network_header = view_.mac_header + kEthernetHeader;
  view_.data = shape_ == Shape::skb_l3 ? view_.network_header : view_.mac_header;
  view_.data_end = view_.mac_header + data_.size();
  view_.data_meta = view_.data;
  point_at_packet();
}

void Frame::point_at_packet() {
  auto address = [](const uint8_t* pointer) { return reinterpret_cast<uint64_t>(pointer); };
  if (shape_ == Shape::xdp) {
    auto* xdp = reinterpret_cast<spec::XdpContext*>(ctx_.data());
    xdp->data = address(view_.data);
    xdp->data_end = address(view_.data_end);
    xdp->data_meta = address(view_.data_meta);
  } else {
    auto* skb = reinterpret_cast<spec::SkBuffContext*>(ctx_.data());
    skb->len = static_cast<uint32_t>(view_.data_end - view_.data);
    skb->data = address(view_.data);
    skb->data_end = address(view_.data_end);
    skb->data_meta = address(view_.data_meta);
  }
}

void Frame::take(RunOutput& output) const {
  auto first = ctx_.begin();
  output.ctx.assign(first, first + uapi_size_);
  if (shape_ == Shape::xdp) {
    const auto& xdp = *reinterpret_cast<const spec::XdpContext*>(ctx_.data());
    output.redirect = {xdp.redirect_map, xdp.redirect_key, xdp.redirect_flags};
  }
  if (shape_ == Shape::bytes) return;
  // The whole frame, from the Ethernet header where that is still in front.
  const uint8_t* begin =
      shape_ == Shape::skb_l3 && view_.data == view_.network_header ? view_.mac_header : view_.data;
  output.data.resize(static_cast<size_t>(view_.data_end - begin));
  std::memcpy(output.data.data(), begin, output.data.size());
}

// Another process, as far as its files in /proc say.
TaskInfo task_of(const CallerTask& caller) {
  TaskInfo task;
  task.pid = task.tgid = static_cast<uint32_t>(caller.pid);
  task.uid = task.gid = caller.uid;
  auto bytes = read_file(fmt::format("/proc/{}/comm", caller.pid), 64);
  if (bytes && !bytes->empty()) {
    size_t length = std::min(bytes->size() - 1, sizeof task.comm - 1);  // without the newline
    std::memcpy(task.comm, bytes->data(), length);
  }
  return task;
}

uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

Result<const vm::Interpreter*> ProgObject::interpreter() const {
  std::lock_guard lock(mutex_);
  if (!interpreter_) {
    const auto& page = *reinterpret_cast<const hive::ProcessPage*>(hive::kProcessPage);
    vm::InterpreterOptions options;
    options.helpers = page.helpers;
    options.kfuncs = page.kfuncs;
    options.tail_call = [](void* data, HelperContext*, uint64_t map,
                           uint32_t index) -> const vm::Interpreter* {
      // The element is any process's to write: it counts only as an address of a program that we know.
      const auto& array = *reinterpret_cast<const MapHeader*>(map);
      if (index >= array.max_entries) return nullptr;
      auto element =
          std::atomic_ref(*reinterpret_cast<uint64_t*>(array.values + 8 * uint64_t{index})).load();
      auto program = static_cast<Runtime*>(data)->find_program_at(element);
      if (!program) return nullptr;
      auto next = program->interpreter();
      return next ? *next : nullptr;  // the prog array holds the program while this runs
    };
    options.tail_call_data = &runtime_;
    auto made = vm::Interpreter::make(verified_, options);
    if (!made) return fail(made, "program {}", header_->name);
    interpreter_.emplace(std::move(*made));
  }
  return &*interpreter_;
}

Result<uint64_t> Runtime::interpret(const ProgObject& program, HelperContext& context) {
  SKEP_TRY(interpreter, program.interpreter());
  return interpreter->run(context.ctx, &context);
}

Result<RunOutput> Runtime::run(const ProgObject& program, const RunInput& input) {
  auto frame = Frame::make(program, input);
  if (!frame) return fail(frame, "running program {}", program.header().name);
  HeldSlot slot;
  if (!slot)
    return fail(EBUSY, "running program {}: every slot of the hive is busy", program.header().name);
  FaultGuard guard(input.via == Via::jit && program.header().fault_count > 0);
  auto& stats = *reinterpret_cast<ProgStats*>(program.header().stats);
  auto entry = reinterpret_cast<ProgEntry>(program.header().entry);

  RunOutput output;
  uint64_t total = 0;
  TaskInfo task;
  if (input.task && input.task->pid != ::getpid()) task = task_of(*input.task);
  TaskView view;
  for (uint32_t i = 0; i < input.repeat; ++i) {
    if (i > 0) frame->reset();
    if (i % 64 == 63 && input.stop && input.stop()) return fail(EINTR, "stopped");
    HelperContext context;
    context.host = &in_process_host();
    context.slot = slot.slot();
    context.program = &program.header();
    context.ctx = frame->ctx();
    context.regs = program.type() == ProgType::BPF_PROG_TYPE_KPROBE ? frame->ctx() : nullptr;
    context.packet = frame->packet();
    context.task = &task;
    context.host_data = &view;
    context.random_state = now_ns();
    uint64_t before = now_ns();
    uint64_t retval = 0;
    if (input.via == Via::jit) {
      retval = entry(frame->ctx(), &context);
    } else {
      context.fuel = program.header().fuel;
      auto interpreted = interpret(program, context);
      if (!interpreted && (context.flags & kRanOutOfFuel) == 0) return fail(interpreted);
      retval = interpreted.value_or(0);
      if (!interpreted) std::atomic_ref(stats.out_of_fuel).fetch_add(1, std::memory_order_relaxed);
    }
    output.out_of_fuel = (context.flags & kRanOutOfFuel) != 0;
    total += now_ns() - before;
    output.retval = static_cast<uint32_t>(retval);
  }
  std::atomic_ref(stats.run_count).fetch_add(input.repeat, std::memory_order_relaxed);
  if ((program.header().flags & kProgRunTimes) != 0) {
    std::atomic_ref(stats.run_ns).fetch_add(total, std::memory_order_relaxed);
  }
  output.mean_ns = total / input.repeat;
  frame->take(output);
  return output;
}

}  // namespace skep::runtime
