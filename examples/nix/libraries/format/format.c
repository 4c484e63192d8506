#include "format.h"

#include <stdio.h>

void format_share(char *out, size_t size, long part, long whole) {
    snprintf(out, size, "%ld %%", whole ? part * 100 / whole : 0);
}
