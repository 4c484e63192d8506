#include "sort.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b) {
    const struct count *x = a, *y = b;
    if (x->times != y->times) return x->times < y->times ? 1 : -1;
    return strcmp(x->word, y->word);
}

void sort_counts(struct counts *counts) { qsort(counts->items, counts->length, sizeof(struct count), compare); }
