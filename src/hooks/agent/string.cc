// The four functions that a compiler may call on its own.
#include <cstddef>

extern "C" {

void* memcpy(void* to, const void* from, size_t size) {
  void* result = to;
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
  return result;
}

void* memset(void* to, int value, size_t size) {
  void* result = to;
  asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
  return result;
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
