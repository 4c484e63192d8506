#pragma once
#include <stddef.h>
/* Writes a share as a percentage. */
void format_share(char *out, size_t size, long part, long whole);
