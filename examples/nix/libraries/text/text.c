#include "text.h"

#include <ctype.h>

int text_in_word(int c) { return isalpha((unsigned char)c) || c == '\''; }

void text_lower(char *word) {
    for (; *word; word++) *word = (char)tolower((unsigned char)*word);
}
