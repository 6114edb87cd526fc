/* The world of a process as a test wants it, loaded before the C library (LD_PRELOAD):
   WORLD_CLOCK=FILE     the wall clock is so many seconds off as stand in the file, which may change at any time
   WORLD_FULL_AT=N      from the N-th write to an SQLite file on, its disk is full */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static long seconds_off(void) {
  const char *path = getenv("WORLD_CLOCK");
  char text[32] = {0};
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return 0;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  return length > 0 ? atol(text) : 0;
}

int clock_gettime(clockid_t which, struct timespec *at) {
  int (*real)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(which, at);
  if (result == 0 && which == CLOCK_REALTIME) at->tv_sec += seconds_off();
  return result;
}

static int is_full(int file) {
  static atomic_long writes;
  const char *at = getenv("WORLD_FULL_AT");
  char link[64], path[4096];
  if (!at) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return strstr(path, ".sqlite") && atomic_fetch_add(&writes, 1) + 1 >= atol(at);
}

ssize_t write(int file, const void *bytes, size_t count) {
  ssize_t (*real)(int, const void *, size_t) = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
  if (is_full(file)) {
    errno = ENOSPC;
    return -1;
  }
  return real(file, bytes, count);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
  ssize_t (*real)(int, const void *, size_t, off64_t) =
      (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
  if (is_full(file)) {
    errno = ENOSPC;
    return -1;
  }
  return real(file, bytes, count, at);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
  return pwrite64(file, bytes, count, at);
}
