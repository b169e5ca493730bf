/* Preloaded into a process, makes its disk fail for as long as there is a file of a certain name in the folder that
   FAILING_DISK names: `sync`, then nothing can be synced; `full`, then nothing can be written at a position. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

static int fails(const char *what) {
    const char *folder = getenv("FAILING_DISK");
    char flag[4096];
    if (folder == NULL || snprintf(flag, sizeof flag, "%s/%s", folder, what) >= (int)sizeof flag) {
        return 0;
    }
    int before = errno;
    int there = access(flag, F_OK) == 0;
    errno = before;
    return there;
}

#define OR_FAIL(type, name, what, error, declared, given)      \
    type name declared {                                       \
        static type(*real) declared;                           \
        if (fails(what)) {                                     \
            errno = error;                                     \
            return -1;                                         \
        }                                                      \
        if (real == NULL) {                                    \
            real = (type(*) declared)dlsym(RTLD_NEXT, #name);  \
        }                                                      \
        return real given;                                     \
    }

OR_FAIL(int, fsync, "sync", EIO, (int file), (file))
OR_FAIL(int, fdatasync, "sync", EIO, (int file), (file))
OR_FAIL(ssize_t, pwrite, "full", ENOSPC, (int file, const void *data, size_t size, off_t at), (file, data, size, at))
OR_FAIL(ssize_t, pwrite64, "full", ENOSPC, (int file, const void *data, size_t size, off64_t at), (file, data, size, at))
OR_FAIL(ssize_t, pwritev, "full", ENOSPC, (int file, const struct iovec *data, int parts, off_t at), (file, data, parts, at))
OR_FAIL(ssize_t, pwritev64, "full", ENOSPC, (int file, const struct iovec *data, int parts, off64_t at), (file, data, parts, at))
