// Memory of a component without a C library: it grows and is never freed, as an instance lives for one call. So constants and
// shared pointers may be in what the host is given, which the generated code "frees" afterwards.

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 65536
#define ALIGN 16

extern unsigned char __heap_base;

static uintptr_t next, end;

void *malloc(size_t size) {
  if (next == 0) {
    next = ((uintptr_t)&__heap_base + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1);
    end = __builtin_wasm_memory_size(0) * PAGE;
  }
  // The size stands before each piece, for `realloc`.
  size_t whole = ((size + ALIGN - 1) & ~(size_t)(ALIGN - 1)) + ALIGN;
  if (whole < size) abort();
  if (end - next < whole) {
    size_t pages = (whole - (end - next) + PAGE - 1) / PAGE;
    // More than is asked for, so that many small pieces cost few calls.
    size_t more = pages > 64 ? pages : 64;
    if (__builtin_wasm_memory_grow(0, more) == SIZE_MAX) abort();
    end += more * PAGE;
  }
  *(size_t *)next = size;
  void *piece = (void *)(next + ALIGN);
  next += whole;
  return piece;
}

void *calloc(size_t count, size_t size) {
  if (size != 0 && count > SIZE_MAX / size) abort();
  return memset(malloc(count * size), 0, count * size);
}

void *realloc(void *old, size_t size) {
  if (old == NULL) return malloc(size);
  size_t known = *(size_t *)((uintptr_t)old - ALIGN);
  if (size <= known) return old;
  return memcpy(malloc(size), old, known);
}

void free(void *memory) { (void)memory; }

_Noreturn void abort(void) { __builtin_trap(); }

void *memcpy(void *to, const void *from, size_t size) {
  unsigned char *out = to;
  const unsigned char *in = from;
  for (size_t i = 0; i < size; i++) out[i] = in[i];
  return to;
}

void *memmove(void *to, const void *from, size_t size) {
  unsigned char *out = to;
  const unsigned char *in = from;
  if (out <= in) return memcpy(to, from, size);
  while (size-- > 0) out[size] = in[size];
  return to;
}

void *memset(void *to, int byte, size_t size) {
  unsigned char *out = to;
  for (size_t i = 0; i < size; i++) out[i] = (unsigned char)byte;
  return to;
}

int memcmp(const void *a, const void *b, size_t size) {
  const unsigned char *left = a, *right = b;
  for (size_t i = 0; i < size; i++) {
    if (left[i] != right[i]) return left[i] < right[i] ? -1 : 1;
  }
  return 0;
}

size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length] != 0) length++;
  return length;
}
