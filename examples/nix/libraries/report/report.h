#pragma once
#include "count.h"
/* Prints the most frequent words and their shares. */
void report_counts(struct counts *counts, int rows);
