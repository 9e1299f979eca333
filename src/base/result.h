// Result<T>: a value or an Error. The only way that a failure leaves a room (docs/decisions/0001).
//
//   Result<Object> open(span<const byte> elf) {
//     auto header = read_header(elf);
//     if (!header) return fail(header, "reading the ELF header");       // adds context, keeps
//     errno if (header->machine != EM_BPF)
//       return fail(EINVAL, "expected machine EM_BPF (247), found {}", header->machine);
//     ...
//   }
//
// An Error is an errno-compatible code, a message, and the context that each room it crossed added;
// text() reads outermost first: "xdp.bpf.o: section xdp: insn 12: unknown opcode 0x8f".
#pragma once

#include <fmt/format.h>

#include <cerrno>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace skep {

class Error {
 public:
  // `code` is a positive errno value.
  Error(int code, std::string message) : code_(code), message_(std::move(message)) {}

  [[nodiscard]] int code() const { return code_; }
  [[nodiscard]] const std::string& message() const { return message_; }
  // What to do about it; empty where there is nothing to add.
  [[nodiscard]] const std::string& hint() const { return hint_; }

  Error& within(std::string context) & {
    context_.push_back(std::move(context));
    return *this;
  }
  Error&& within(std::string context) && {
    context_.push_back(std::move(context));
    return std::move(*this);
  }
  Error&& with_hint(std::string hint) && {
    hint_ = std::move(hint);
    return std::move(*this);
  }
  // Contexts, outermost first, then the message; without the hint.
  [[nodiscard]] std::string text() const;

 private:
  int code_;
  std::string message_;
  std::string hint_;
  std::vector<std::string> context_;  // innermost first
};

// GCC 12's std::expected is not [[nodiscard]]; a dropped Result is a bug.
template <class T = void>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
  Result(std::unexpected<Error> error) : std::expected<T, Error>(std::move(error)) {}
};

template <class... Args>
[[nodiscard]] std::unexpected<Error> fail(int code, fmt::format_string<Args...> format,
                                          Args&&... args) {
  return std::unexpected<Error>(Error(code, fmt::format(format, std::forward<Args>(args)...)));
}

// Hands a failed Result on, with one more context in front of it.
template <class T, class... Args>
[[nodiscard]] std::unexpected<Error> fail(const Result<T>& failed,
                                          fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected<Error>(
      Error(failed.error()).within(fmt::format(format, std::forward<Args>(args)...)));
}
template <class T>
[[nodiscard]] std::unexpected<Error> fail(const Result<T>& failed) {
  return std::unexpected<Error>(failed.error());
}

// errno of a failed system call, as "open /x: No such file or directory".
template <class... Args>
[[nodiscard]] std::unexpected<Error> fail_errno(int code, fmt::format_string<Args...> format,
                                                Args&&... args);

[[nodiscard]] std::string errno_text(int code);  // "No such file or directory (ENOENT)"
[[nodiscard]] std::string_view errno_name(int code);

template <class... Args>
std::unexpected<Error> fail_errno(int code, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected<Error>(
      Error(code, fmt::format(format, std::forward<Args>(args)...) + ": " + errno_text(code)));
}

}  // namespace skep

// Binds `variable` to the value of `expression`, or returns its error from the enclosing function.
#define SKEP_TRY(variable, expression)                            \
  auto variable##_result = (expression);                          \
  if (!variable##_result) return ::skep::fail(variable##_result); \
  auto& variable = *variable##_result
// The same for a Result<void>.
#define SKEP_CHECK(expression)                                                              \
  do {                                                                                      \
    if (auto check_result = (expression); !check_result) return ::skep::fail(check_result); \
  } while (false)
