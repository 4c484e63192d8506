/* Counts the words of a text and prints which are the most frequent. */
#include <stdio.h>

#include "count.h"
#include "input.h"
#include "report.h"

int main(int count, char **arguments) {
    char word[64];
    struct counts counts = {0};
    FILE *file = count > 1 ? fopen(arguments[1], "r") : stdin;
    if (!file) {
        perror(arguments[1]);
        return 1;
    }
    while (input_word(file, word, sizeof word)) count_word(&counts, word);
    report_counts(&counts, 3);
    return 0;
}
