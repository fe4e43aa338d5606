// malloc and its relatives, counting: they serve the library, too. Needs glibc.

#ifndef COUNTING_MALLOC_H
#define COUNTING_MALLOC_H

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

// glibc's own functions behind them.
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *pointer);

// Calls that gave memory, and bytes that are in use; of all threads.
static long allocation_count, live_bytes;

static inline long n_allocations(void)
{
    return __atomic_load_n(&allocation_count, __ATOMIC_SEQ_CST);
}

static inline long n_live_bytes(void)
{
    return __atomic_load_n(&live_bytes, __ATOMIC_SEQ_CST);
}

static void *counted(void *pointer)
{
    __atomic_add_fetch(&allocation_count, 1, __ATOMIC_SEQ_CST);
    if (pointer)
        __atomic_add_fetch(&live_bytes, (long)malloc_usable_size(pointer), __ATOMIC_SEQ_CST);
    return pointer;
}

static void uncount(void *pointer)
{
    if (pointer)
        __atomic_sub_fetch(&live_bytes, (long)malloc_usable_size(pointer), __ATOMIC_SEQ_CST);
}

void *malloc(size_t size)
{
    return counted(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    return counted(__libc_calloc(n, size));
}

void *realloc(void *old, size_t size)
{
    uncount(old);
    return counted(__libc_realloc(old, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return counted(__libc_memalign(alignment, size));
}

void *memalign(size_t alignment, size_t size)
{
    return counted(__libc_memalign(alignment, size));
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    *out = counted(__libc_memalign(alignment, size));
    return *out ? 0 : ENOMEM;
}

void free(void *pointer)
{
    uncount(pointer);
    __libc_free(pointer);
}

#endif
