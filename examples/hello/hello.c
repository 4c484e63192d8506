#include <stdio.h>
#include <stdlib.h>

#ifndef GREETING
#define GREETING "Hello"
#endif

/* Greets every argument, in the name of whoever NAME says. */
int main(int argc, char **argv) {
    const char *name = getenv("NAME");
    if (argc < 2)
        printf("%s from %s\n", GREETING, name ? name : "a program");
    for (int i = 1; i < argc; i++)
        printf("%s, %s, from %s\n", GREETING, argv[i], name ? name : "a program");
    return 0;
}
