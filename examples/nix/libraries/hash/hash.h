#pragma once
/* FNV-1a of a word. */
unsigned long hash_word(const char *word);
