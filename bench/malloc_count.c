/* Preloaded into a server under test (LD_PRELOAD): counts its heap allocations in a file of eight
 * bytes, named by TCPKIT_MALLOC_COUNT, that run.py reads while the server runs. Needs glibc. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* glibc's own entry points: no dlsym, which would allocate itself. */
extern void* __libc_malloc(size_t size);
extern void* __libc_calloc(size_t count, size_t size);
extern void* __libc_realloc(void* old, size_t size);
extern void* __libc_memalign(size_t alignment, size_t size);

static uint64_t unshared_count;
static uint64_t* allocation_count = &unshared_count;

__attribute__((constructor)) static void share_count(void) {
  const char* path = getenv("TCPKIT_MALLOC_COUNT");
  if (path == NULL) return;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void* shared = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (shared != MAP_FAILED) __atomic_store_n(&allocation_count, shared, __ATOMIC_RELEASE);
}

static void count_one(void) {
  uint64_t* count = __atomic_load_n(&allocation_count, __ATOMIC_ACQUIRE);
  __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
}

void* malloc(size_t size) {
  count_one();
  return __libc_malloc(size);
}

void* calloc(size_t count, size_t size) {
  count_one();
  return __libc_calloc(count, size);
}

void* realloc(void* old, size_t size) {
  count_one();
  return __libc_realloc(old, size);
}

void* memalign(size_t alignment, size_t size) {
  count_one();
  return __libc_memalign(alignment, size);
}

void* aligned_alloc(size_t alignment, size_t size) {
  count_one();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void** out_block, size_t alignment, size_t size) {
  count_one();
  void* block = __libc_memalign(alignment, size);
  if (block == NULL) return ENOMEM;
  *out_block = block;
  return 0;
}
