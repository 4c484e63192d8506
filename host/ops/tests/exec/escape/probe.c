/* Tries one thing from inside a container and says what the kernel answered: "ok", "ok N" or the name of the error.
 *
 *   call NUMBER ARG...   a system call; an argument is a number, s:TEXT, z:N (N bytes of zeros), v:N (an iovec
 *                        of N bytes), m:N (a page that starts with the number N) or f:PATH (a descriptor)
 *   open PATH r|w|rw     opens a file
 *   write PATH TEXT      writes to a file that is there
 *   read PATH            reads up to 64 KiB and says how many bytes that were
 *   fds                  lists the open descriptors
 *   socket FAMILY TYPE PROTOCOL
 *
 * Knows nothing of containers.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int answer(long result) {
    if (result < 0)
        puts(strerrorname_np(errno) ? strerrorname_np(errno) : "unknown");
    else if (result > 0)
        printf("ok %ld\n", result);
    else
        puts("ok");
    fflush(stdout);
    return 0;
}

static long argument(const char *text) {
    if (!strncmp(text, "s:", 2))
        return (long)(text + 2);
    if (!strncmp(text, "z:", 2))
        return (long)calloc(1, atol(text + 2));
    if (!strncmp(text, "m:", 2)) {
        int *page = calloc(1, 4096);
        *page = (int)strtol(text + 2, 0, 0);
        return (long)page;
    }
    if (!strncmp(text, "v:", 2)) {
        struct iovec *vector = calloc(1, sizeof *vector);
        vector->iov_len = atol(text + 2);
        vector->iov_base = calloc(1, vector->iov_len);
        return (long)vector;
    }
    if (!strncmp(text, "f:", 2)) {
        long fd = open(text + 2, O_RDONLY);
        if (fd < 0) {
            printf("cannot open %s\n", text + 2);
            exit(3);
        }
        return fd;
    }
    return strtol(text, 0, 0);
}

static int descriptors(void) {
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir))
            puts(entry->d_name);
    return 0;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "fds"))
        return descriptors();
    if (!strcmp(what, "call") && argc > 2) {
        long a[6] = {0};
        for (int i = 3; i < argc && i < 9; i++)
            a[i - 3] = argument(argv[i]);
        errno = 0;
        return answer(syscall(atol(argv[2]), a[0], a[1], a[2], a[3], a[4], a[5]));
    }
    if (!strcmp(what, "open") && argc > 3) {
        int flags = !strcmp(argv[3], "r") ? O_RDONLY : !strcmp(argv[3], "w") ? O_WRONLY : O_RDWR;
        return answer(open(argv[2], flags) < 0 ? -1 : 0);
    }
    if (!strcmp(what, "write") && argc > 3) {
        int fd = open(argv[2], O_WRONLY);
        return answer(fd < 0 || write(fd, argv[3], strlen(argv[3])) < 0 ? -1 : 0);
    }
    if (!strcmp(what, "read") && argc > 2) {
        static char buffer[65536];
        int fd = open(argv[2], O_RDONLY);
        return answer(fd < 0 ? -1 : read(fd, buffer, sizeof buffer));
    }
    if (!strcmp(what, "socket") && argc > 4)
        return answer(socket(atoi(argv[2]), atoi(argv[3]), atoi(argv[4])) < 0 ? -1 : 0);
    return 2;
}
