/* Preloaded into the store: makes fsync slow and moves the clock, as a shared page of two numbers says. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *page; /* [0] microseconds that fsync takes longer, [1] microseconds that the clock is ahead */
static int (*real_fsync)(int), (*real_fdatasync)(int);
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_gettimeofday)(struct timeval *, void *);

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("CHAOS_PAGE");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    real_gettimeofday = dlsym(RTLD_NEXT, "gettimeofday");
    int fd = path ? open(path, O_RDONLY) : -1;
    if (fd < 0) return;
    void *found = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (found != MAP_FAILED) page = found;
    close(fd);
}

static void linger(void) {
    if (page && page[0] > 0) {
        struct timespec wait = {page[0] / 1000000, (page[0] % 1000000) * 1000};
        nanosleep(&wait, NULL);
    }
}

int fsync(int fd) { linger(); return real_fsync(fd); }
int fdatasync(int fd) { linger(); return real_fdatasync(fd); }

int clock_gettime(clockid_t clock, struct timespec *at) {
    int result = real_clock_gettime(clock, at);
    if (page && result == 0 && clock == CLOCK_REALTIME) {
        int64_t total = (int64_t)at->tv_nsec + (page[1] % 1000000) * 1000;
        at->tv_sec += page[1] / 1000000;
        while (total >= 1000000000) { total -= 1000000000; at->tv_sec++; }
        while (total < 0) { total += 1000000000; at->tv_sec--; }
        at->tv_nsec = total;
    }
    return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    int result = real_gettimeofday(at, zone);
    if (page && result == 0) {
        int64_t total = (int64_t)at->tv_usec + page[1] % 1000000;
        at->tv_sec += page[1] / 1000000;
        while (total >= 1000000) { total -= 1000000; at->tv_sec++; }
        while (total < 0) { total += 1000000; at->tv_sec--; }
        at->tv_usec = total;
    }
    return result;
}

time_t time(time_t *out) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (out) *out = at.tv_sec;
    return at.tv_sec;
}
