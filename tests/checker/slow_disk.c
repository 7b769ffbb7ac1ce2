// A disk as gateways have it, an SD card: the first write after a sync waits 15 ms for what went
// before. Loaded in front of the C library (LD_PRELOAD), so that what lies between an
// acknowledgement and its commit, or between one commit and the next, is long enough to be hit by a
// kill. (kill -9 leaves what was written and not synced: a slow sync alone would show little.) And
// the first read after a pause waits as long: what is loaded for a client that is back comes late.
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

static void wait_for_read(void) {
    static __thread struct timespec last;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec > last.tv_sec + 1 ||
        (now.tv_sec - last.tv_sec) * 1000000000L + now.tv_nsec - last.tv_nsec > 20 * 1000 * 1000) {
        const struct timespec time = {0, 15 * 1000 * 1000};
        nanosleep(&time, 0);
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    last = now;
}

ssize_t pread64(int file, void* bytes, size_t size, off64_t at) {
    wait_for_read();
    return ((ssize_t(*)(int, void*, size_t, off64_t))dlsym(RTLD_NEXT, "pread64"))(file, bytes, size,
                                                                                  at);
}

ssize_t pread(int file, void* bytes, size_t size, off_t at) {
    wait_for_read();
    return ((ssize_t(*)(int, void*, size_t, off_t))dlsym(RTLD_NEXT, "pread"))(file, bytes, size,
                                                                              at);
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
