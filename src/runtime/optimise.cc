#include "runtime/optimise.h"

#include <signal.h>

#include <algorithm>
#include <atomic>

#include "vm/jit/optimiser.h"

namespace skep::runtime {
namespace {

bool hardened(const jit::JitOptions& options) {
  return options.blinding_seed.has_value() || options.speculation_barriers;
}

}  // namespace

const jit::NativeCode* ProgObject::optimised() const {
  std::lock_guard lock(mutex_);
  return optimised_ ? &*optimised_ : nullptr;
}

uint64_t ProgObject::run_count() const {
  return std::atomic_ref(static_cast<ProgStats*>(stats_)->run_count)
      .load(std::memory_order_relaxed);
}

std::vector<Error> Runtime::take_cache_problems() {
  std::lock_guard lock(mutex_);
  return std::exchange(cache_problems_, {});
}

// The code that a program starts with: from the cache, by the optimising tier where that was asked for, else by the
// fast tier.
Result<jit::NativeCode> Runtime::make_code(ProgObject& object) {
  const VerifiedProgram& program = object.verified_;
  const jit::JitOptions& options = object.jit_options_;
  std::vector<std::byte> identity;
  if (native_cache_ && !hardened(options)) {
    identity = jit::identity(program, options, jit::optimiser_features());
    auto found = native_cache_->find(identity);
    if (!found) {
      std::lock_guard lock(mutex_);
      cache_problems_.push_back(found.error());
    } else if (*found) {
      if (auto code = jit::place(**found, program, options, hive_->code_memory())) {
        object.from_cache_ = true;
        return code;
      }
    }
  }
  if (!optimise_ || hardened(options)) return jit::compile(program, options, hive_->code_memory());
  auto image = jit::compile_image(program, options);
  if (!image) return std::unexpected(image.error());
  if (store_ && native_cache_) {
    SKEP_TRY(path, native_cache_->store(identity, *image));
    static_cast<void>(path);
  }
  return jit::place(*image, program, options, hive_->code_memory());
}

Result<bool> Runtime::optimise(ProgObject& program) {
  {
    std::lock_guard lock(program.mutex_);
    if (program.optimised_) return true;
    if (program.optimising_failed_) return false;
  }
  if (program.from_cache_) return true;
  auto code = jit::compile_optimised(program.verified_, program.jit_options_, hive_->code_memory());
  std::lock_guard lock(program.mutex_);
  if (!code) {
    if (code.error().code() == ENOSYS) return fail(code);
    program.optimising_failed_ = true;
    return false;
  }
  if (program.optimised_) {  // another thread was faster
    hive_->code_memory().free(code->block);
    return true;
  }
  ProgHeader& header = *program.header_;
  header.second_code = code->block.address;
  header.second_fault_table = code->fault_table;
  header.second_fault_count = code->faults.size();
  std::atomic_ref(header.second_code_size).store(code->code_size, std::memory_order_release);
  std::atomic_ref(header.tail_entry).store(code->tail_entry, std::memory_order_release);
  std::atomic_ref(header.entry).store(code->entry, std::memory_order_release);
  program.optimised_ = std::move(*code);
  return true;
}

size_t Runtime::optimise_hot(uint64_t runs) {
  std::vector<std::shared_ptr<ProgObject>> hot;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [id, weak] : programs_)
      if (auto program = weak.lock(); program && program->run_count() >= runs)
        hot.push_back(std::move(program));
  }
  size_t changed = 0;
  for (const auto& program : hot) {
    if (program->from_cache() || program->optimised() != nullptr) continue;
    changed += optimise(*program).value_or(false);
  }
  return changed;
}

BackgroundOptimiser::BackgroundOptimiser(Runtime& runtime, uint64_t runs,
                                         std::chrono::milliseconds every) {
  // Signals are for the threads that expect them.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this, &runtime, runs, every] {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, every, [this] { return ends_; })) {
      lock.unlock();
      runtime.optimise_hot(runs);
      lock.lock();
    }
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

BackgroundOptimiser::~BackgroundOptimiser() {
  {
    std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

}  // namespace skep::runtime
