#include <stdio.h>
#include <stdlib.h>

int main(void) {
    const char *greeting = getenv("GREETING");
    char name[64] = "harbour";
    FILE *file = fopen("/etc/hello/name", "r");
    if (file) {
        if (fscanf(file, "%63s", name) != 1) name[0] = '\0';
        fclose(file);
    }
    printf("%s, %s\n", greeting ? greeting : "Hello", name);
    return 0;
}
