#pragma once
#include <stdio.h>
/* Reads the next word in lower case; 0 at the end. */
int input_word(FILE *file, char *word, int size);
