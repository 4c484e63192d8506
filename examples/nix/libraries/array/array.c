#include "array.h"

#include <stdlib.h>

void *array_grow(void *items, size_t *room, size_t wanted, size_t size) {
    if (wanted <= *room) return items;
    while (*room < wanted) *room = *room ? *room * 2 : 16;
    items = realloc(items, *room * size);
    if (!items) abort();
    return items;
}
