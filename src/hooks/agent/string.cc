// The four functions that a compiler may call on its own.
#include <cstddef>
#include <cstdint>

using Word [[gnu::may_alias, gnu::aligned(1)]] = uint64_t;

extern "C" {

// Small sizes are what matters here, and `rep` takes tens of cycles to start. The empty asm keeps the
// compiler from making a call of the function itself out of the loop.
void* memcpy(void* to, const void* from, size_t size) {
  if (size > 512) {
    void* result = to;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    return result;
  }
  auto* d = static_cast<unsigned char*>(to);
  const auto* s = static_cast<const unsigned char*>(from);
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    *reinterpret_cast<Word*>(d + i) = *reinterpret_cast<const Word*>(s + i);
    asm volatile("" : : : "memory");
  }
  for (; i < size; ++i) {
    d[i] = s[i];
    asm volatile("" : : : "memory");
  }
  return to;
}

void* memset(void* to, int value, size_t size) {
  if (size > 512) {
    void* result = to;
    asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
    return result;
  }
  auto* d = static_cast<unsigned char*>(to);
  uint64_t word = static_cast<unsigned char>(value) * 0x0101010101010101u;
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    *reinterpret_cast<Word*>(d + i) = word;
    asm volatile("" : : : "memory");
  }
  for (; i < size; ++i) {
    d[i] = static_cast<unsigned char>(value);
    asm volatile("" : : : "memory");
  }
  return to;
}

void* memmove(void* to, const void* from, size_t size) {
  auto* d = static_cast<unsigned char*>(to);
  const auto* s = static_cast<const unsigned char*>(from);
  if (d <= s || d >= s + size) return memcpy(to, from, size);
  for (size_t i = size; i != 0; --i) {
    d[i - 1] = s[i - 1];
    asm volatile("" : : : "memory");  // or the compiler makes a call of memmove of it
  }
  return to;
}

int memcmp(const void* a, const void* b, size_t size) {
  const auto* x = static_cast<const unsigned char*>(a);
  const auto* y = static_cast<const unsigned char*>(b);
  for (size_t i = 0; i < size; ++i) {
    if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
  }
  return 0;
}
}
