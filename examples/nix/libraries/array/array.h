#pragma once
#include <stddef.h>
/* Makes room for at least `wanted` items of `size` bytes. */
void *array_grow(void *items, size_t *room, size_t wanted, size_t size);
