#include "sum.h"

long sum_counts(const struct counts *counts) {
    long sum = 0;
    for (size_t i = 0; i < counts->length; i++) sum += counts->items[i].times;
    return sum;
}
