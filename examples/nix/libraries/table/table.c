#include "table.h"

#include <stdio.h>

void table_row(const char *name, const char *value) { printf("%-12s%8s\n", name, value); }
