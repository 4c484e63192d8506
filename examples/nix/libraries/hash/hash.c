#include "hash.h"

unsigned long hash_word(const char *word) {
    unsigned long hash = 14695981039346656037UL;
    for (; *word; word++) hash = (hash ^ (unsigned char)*word) * 1099511628211UL;
    return hash;
}
