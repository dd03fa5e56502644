/* Calls of the C library that fail on request, and a clock that stands elsewhere: loaded by LD_PRELOAD into a fault campaign.

   Python, SQLite, HDF5 and the Rust of polars all end in these calls. Nothing fails before `faults_arm` was called, and
   nothing fails outside the folder it names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { OPENS = 1, CREATES = 2, READS = 4, WRITES = 8, FLUSHES = 16, RENAMES = 32 };

static char below[4096];
static size_t below_length;
static int number, kinds, lasting;
static long fails_at;
static atomic_long calls;
static atomic_long clock_moves_by;
static atomic_int armed;

void faults_arm(const char *folder, int error, int which, long at, int for_good)
{
    atomic_store(&armed, 0);
    snprintf(below, sizeof below, "%s/", folder);
    below_length = strlen(below);
    number = error, kinds = which, fails_at = at, lasting = for_good;
    atomic_store(&calls, 0);
    atomic_store(&armed, 1);
}

long faults_disarm(void)
{
    atomic_store(&armed, 0);
    return atomic_load(&calls);
}

void faults_move_clock(long seconds)
{
    atomic_store(&clock_moves_by, seconds);
}

static int fails(int kind, const char *path)
{
    if (!atomic_load(&armed) || !(kinds & kind) || strncmp(path, below, below_length) != 0)
        return 0;
    long call = atomic_fetch_add(&calls, 1) + 1;
    if (call != fails_at && !(lasting && call > fails_at))
        return 0;
    errno = number;
    return 1;
}

static int fails_on(int kind, int file)
{
    char link[64], path[4096];
    if (!atomic_load(&armed) || !(kinds & kind))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return fails(kind, path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define KIND(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT) ? CREATES : OPENS)
#define MODE(flags)                                      \
    mode_t mode = 0;                                     \
    if ((flags) & (O_CREAT | O_TMPFILE)) {               \
        va_list rest;                                    \
        va_start(rest, flags);                           \
        mode = va_arg(rest, mode_t);                     \
        va_end(rest);                                    \
    }

#define OPEN(name)                                       \
    int name(const char *path, int flags, ...)           \
    {                                                    \
        MODE(flags)                                      \
        return fails(KIND(flags), path) ? -1 : NEXT(name)(path, flags, mode); \
    }
#define OPENAT(name)                                     \
    int name(int folder, const char *path, int flags, ...) \
    {                                                    \
        MODE(flags)                                      \
        return fails(KIND(flags), path) ? -1 : NEXT(name)(folder, path, flags, mode); \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

ssize_t read(int file, void *to, size_t size) { return fails_on(READS, file) ? -1 : NEXT(read)(file, to, size); }
ssize_t pread(int file, void *to, size_t size, off_t at) { return fails_on(READS, file) ? -1 : NEXT(pread)(file, to, size, at); }
ssize_t pread64(int file, void *to, size_t size, off64_t at) { return fails_on(READS, file) ? -1 : NEXT(pread64)(file, to, size, at); }
ssize_t write(int file, const void *of, size_t size) { return fails_on(WRITES, file) ? -1 : NEXT(write)(file, of, size); }
ssize_t pwrite(int file, const void *of, size_t size, off_t at) { return fails_on(WRITES, file) ? -1 : NEXT(pwrite)(file, of, size, at); }
ssize_t pwrite64(int file, const void *of, size_t size, off64_t at) { return fails_on(WRITES, file) ? -1 : NEXT(pwrite64)(file, of, size, at); }
int fsync(int file) { return fails_on(FLUSHES, file) ? -1 : NEXT(fsync)(file); }
int fdatasync(int file) { return fails_on(FLUSHES, file) ? -1 : NEXT(fdatasync)(file); }
int rename(const char *from, const char *to) { return fails(RENAMES, to) ? -1 : NEXT(rename)(from, to); }

int clock_gettime(clockid_t which, struct timespec *at)
{
    int ended = NEXT(clock_gettime)(which, at);
    if (ended == 0 && which == CLOCK_REALTIME)
        at->tv_sec += atomic_load(&clock_moves_by);
    return ended;
}

time_t time(time_t *at)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}
