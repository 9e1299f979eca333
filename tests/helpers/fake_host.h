// A host whose every answer the test chooses. Addresses below 4096 fault; all others are this process's.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "helpers/bindings.h"
#include "spec/helpers.h"

namespace skep::helpers {

struct FakeHost {
  uint64_t now = 1'000'000'000;
  TaskInfo info{
      .pid = 42, .tgid = 40, .uid = 1000, .gid = 100, .ppid = 1, .start_time = 7, .comm = "worker"};
  bool has_task = true;
  uint64_t task_struct = 0;
  std::vector<uint64_t> frames;
  std::vector<std::string> printed;
  std::vector<std::pair<uint32_t, bool>> signals;
  HelperContext run;

  FakeHost() {
    static const HostOps kOps{
        .read_memory = [](HelperContext*, void* to, uint64_t from, uint64_t size) -> int64_t {
          if (from < 4096) return -14;
          std::memcpy(to, reinterpret_cast<const void*>(from), size);
          return 0;
        },
        .read_string = [](HelperContext*, void* to, uint64_t from, uint64_t size) -> int64_t {
          if (from < 4096) return -14;
          const auto* text = reinterpret_cast<const char*>(from);
          const size_t length = ::strnlen(text, size - 1);
          std::memcpy(to, text, length);
          static_cast<char*>(to)[length] = 0;
          return static_cast<int64_t>(length) + 1;
        },
        .write_memory = [](HelperContext*, uint64_t to, const void* from,
                           uint64_t size) -> int64_t {
          if (to < 4096) return -14;
          std::memcpy(reinterpret_cast<void*>(to), from, size);
          return 0;
        },
        .ktime_ns = [](HelperContext* context) { return of(context).now; },
        .boot_ns = [](HelperContext* context) { return of(context).now + 5; },
        .tai_ns = [](HelperContext* context) { return of(context).now + 37; },
        .real_cpu = [](HelperContext*) -> uint64_t { return 3; },
        .task = [](HelperContext* context) -> const TaskInfo* {
          return of(context).has_task ? &of(context).info : nullptr;
        },
        .wake = [](HelperContext*, const void*) {},
        .user_stack = [](HelperContext* context, uint64_t* to, uint32_t limit) -> uint32_t {
          const auto count =
              static_cast<uint32_t>(std::min<size_t>(limit, of(context).frames.size()));
          std::copy_n(of(context).frames.begin(), count, to);
          return count;
        },
        .send_signal = [](HelperContext* context, uint32_t signal, bool thread_only) -> int64_t {
          of(context).signals.emplace_back(signal, thread_only);
          return 0;
        },
        .trace_print = [](HelperContext* context, const char* text,
                          uint32_t size) { of(context).printed.emplace_back(text, size); },
        .task_struct = [](HelperContext* context) { return of(context).task_struct; },
    };
    run.host = &kOps;
    run.host_data = this;
  }
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;
  static FakeHost& of(HelperContext* context) {
    return *static_cast<FakeHost*>(context->host_data);
  }

  // Calls a helper by its BPF_FUNC id, as a program would.
  template <class... Arguments>
  int64_t call(spec::HelperId id, Arguments... arguments) {
    uint64_t r[5] = {};
    size_t i = 0;
    ((r[i++] = to_register(arguments)), ...);
    for (const HelperBinding& row : helper_bindings()) {
      if (row.id == id) return static_cast<int64_t>(row.fn(r[0], r[1], r[2], r[3], r[4], &run));
    }
    ADD_FAILURE() << "helper " << id << " is not bound";
    return -1;
  }
  template <class T>
  static uint64_t to_register(T* address) {
    return reinterpret_cast<uint64_t>(address);
  }
  static uint64_t to_register(uint64_t value) { return value; }
  static uint64_t to_register(int64_t value) { return static_cast<uint64_t>(value); }
  static uint64_t to_register(int value) {
    return static_cast<uint64_t>(static_cast<int64_t>(value));
  }
  static uint64_t to_register(unsigned value) { return value; }
  static uint64_t to_register(std::nullptr_t) { return 0; }
};

}  // namespace skep::helpers
