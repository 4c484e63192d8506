#pragma once
#include "count.h"
/* How many words were counted. */
long sum_counts(const struct counts *counts);
