// A disk as gateways have it, an SD card: the first write after a sync waits 15 ms for what went
// before. Loaded in front of the C library (LD_PRELOAD), so that what lies between an
// acknowledgement and its commit, or between one commit and the next, is long enough to be hit by a
// kill. (kill -9 leaves what was written and not synced: a slow sync alone would show little.)
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/types.h>
#include <time.h>

static __thread int has_synced = 1;

static void wait_for_disk(void) {
    if (has_synced) {
        const struct timespec time = {0, 15 * 1000 * 1000};
        has_synced = 0;
        nanosleep(&time, 0);
    }
}

ssize_t pwrite64(int file, const void* bytes, size_t size, off64_t at) {
    wait_for_disk();
    return ((ssize_t(*)(int, const void*, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64"))(
        file, bytes, size, at);
}

ssize_t pwrite(int file, const void* bytes, size_t size, off_t at) {
    wait_for_disk();
    return ((ssize_t(*)(int, const void*, size_t, off_t))dlsym(RTLD_NEXT, "pwrite"))(file, bytes,
                                                                                     size, at);
}

int fdatasync(int file) {
    has_synced = 1;
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(file);
}

int fsync(int file) {
    has_synced = 1;
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file);
}
