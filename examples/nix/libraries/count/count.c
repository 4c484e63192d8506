#include "count.h"

#include <string.h>

#include "array.h"
#include "hash.h"

void count_word(struct counts *counts, const char *word) {
    unsigned long hash = hash_word(word);
    for (size_t i = 0; i < counts->length; i++) {
        struct count *known = &counts->items[i];
        if (hash_word(known->word) == hash && strcmp(known->word, word) == 0) {
            known->times++;
            return;
        }
    }
    counts->items = array_grow(counts->items, &counts->room, counts->length + 1, sizeof(struct count));
    counts->items[counts->length++] = (struct count){strdup(word), 1};
}
