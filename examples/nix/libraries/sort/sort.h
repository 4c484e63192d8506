#pragma once
#include "count.h"
/* The most frequent words first; of equally frequent ones the first in the alphabet. */
void sort_counts(struct counts *counts);
