#include "report.h"

#include "format.h"
#include "sort.h"
#include "sum.h"
#include "table.h"

void report_counts(struct counts *counts, int rows) {
    char share[32];
    long whole = sum_counts(counts);
    sort_counts(counts);
    for (int i = 0; i < rows && (size_t)i < counts->length; i++) {
        format_share(share, sizeof share, counts->items[i].times, whole);
        table_row(counts->items[i].word, share);
    }
}
