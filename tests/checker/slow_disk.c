// A disk as gateways have it, an SD card: each sync takes 15 ms longer. Loaded in front of the C
// library (LD_PRELOAD), so that what lies between a commit and the next is long enough to be hit by
// a kill.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static void wait_for_disk(void) {
    const struct timespec time = {0, 15 * 1000 * 1000};
    nanosleep(&time, 0);
}

int fdatasync(int file) {
    wait_for_disk();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(file);
}

int fsync(int file) {
    wait_for_disk();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file);
}
