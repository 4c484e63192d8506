#pragma once
/* Whether a character is part of a word. */
int text_in_word(int c);
/* Makes a word lower case, in place. */
void text_lower(char *word);
