#include "input.h"

#include "text.h"

int input_word(FILE *file, char *word, int size) {
    int c, length = 0;
    while ((c = getc(file)) != EOF && !text_in_word(c)) {}
    for (; c != EOF && text_in_word(c); c = getc(file)) {
        if (length < size - 1) word[length++] = (char)c;
    }
    word[length] = 0;
    text_lower(word);
    return length > 0;
}
