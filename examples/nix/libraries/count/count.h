#pragma once
#include <stddef.h>
struct count { char *word; long times; };
struct counts { struct count *items; size_t length, room; };
/* Counts a word. */
void count_word(struct counts *counts, const char *word);
