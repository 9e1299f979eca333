// Shared<T>: an atomic in memory that several processes map, each of which may be killed at any instruction. In an
// ordinary build it is std::atomic<T>. In a fault-injection build (SKEP_FAULTS) every store to it is a kill point:
// the test says at which one the process is to die, and docs/kill-points.md lists them all (tools/kill_points.py).
// Stores to shared memory by other means (values, keys) have a kill_point() of their own before them.
//
// Freestanding: the agent compiles this.
#pragma once

#include <atomic>

#ifdef SKEP_FAULTS
#include <cstdint>
#include <source_location>

#include "base/raw_syscall.h"
#endif

namespace skep::hive {

#ifndef SKEP_FAULTS

template <class T>
using Shared = std::atomic<T>;
inline void kill_point() {}

#else

// What the test has in mind for this process.
struct FaultPlan {
  uint64_t die_at = ~uint64_t{0};  // the kill point that is not passed, counted from 0
  uint64_t passed = 0;
  void (*see)(const char* file, uint32_t line) = nullptr;
};
inline FaultPlan* fault_plan = nullptr;

inline void kill_point(std::source_location where = std::source_location::current()) {
  FaultPlan* plan = fault_plan;
  if (plan == nullptr) return;
  if (plan->see != nullptr) plan->see(where.file_name(), where.line());
  if (plan->passed++ != plan->die_at) return;
  for (;;) raw::syscall(raw::kTgkill, raw::syscall(raw::kGetpid), raw::syscall(raw::kGettid), 9);
}

template <class T>
class Shared : public std::atomic<T> {
  using Base = std::atomic<T>;
  using Where = std::source_location;
  using Order = std::memory_order;

 public:
  using Base::Base;
  T operator=(T value) {
    kill_point();
    return Base::operator=(value);
  }
  void store(T value, Order order = Order::seq_cst, Where where = Where::current()) {
    kill_point(where);
    Base::store(value, order);
  }
  T exchange(T value, Order order = Order::seq_cst, Where where = Where::current()) {
    kill_point(where);
    return Base::exchange(value, order);
  }
  T fetch_add(T value, Order order = Order::seq_cst, Where where = Where::current()) {
    kill_point(where);
    return Base::fetch_add(value, order);
  }
  T fetch_sub(T value, Order order = Order::seq_cst, Where where = Where::current()) {
    kill_point(where);
    return Base::fetch_sub(value, order);
  }
  T fetch_or(T value, Order order = Order::seq_cst, Where where = Where::current()) {
    kill_point(where);
    return Base::fetch_or(value, order);
  }
  T fetch_and(T value, Order order = Order::seq_cst, Where where = Where::current()) {
    kill_point(where);
    return Base::fetch_and(value, order);
  }
  bool compare_exchange_strong(T& expected, T desired, Order order = Order::seq_cst,
                               Where where = Where::current()) {
    kill_point(where);
    return Base::compare_exchange_strong(expected, desired, order);
  }
};

#endif

}  // namespace skep::hive
