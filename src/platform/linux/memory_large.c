/* SPDX-License-Identifier: Apache-2.0 */
/* Large blocks: mappings of their own, some of which are kept when they are freed.
 *
 * Fresh pages cost more than copying into them (a fault for each, and the kernel's zeroes), so a
 * program that sends large messages one after the other is given the same mappings again. Blocks
 * from LARGE_HUGE on are aligned to, and asked for in, huge pages.
 *
 * Law: large_lock guards the table of kept mappings, oldest first; the system is called without it.
 * At most LARGE_KEPT mappings of LARGE_KEPT_BYTES together are kept. */
#include "platform/linux/linux.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#define LARGE_KEPT 64u
#define LARGE_KEPT_BYTES ((size_t)64 * 1024 * 1024)
#define LARGE_HUGE ((size_t)2 * 1024 * 1024)

struct large_block {
    void *memory;
    size_t size;
};

static pthread_mutex_t large_lock = PTHREAD_MUTEX_INITIALIZER;
static struct large_block large_kept[LARGE_KEPT];
static unsigned large_count;
static size_t large_bytes;

/* Rounded up to eight sizes a doubling, whole pages each. */
static size_t large_size(size_t size)
{
    unsigned high = 63u - (unsigned)__builtin_clzll((unsigned long long)size);
    size_t step = (size_t)1 << (high - 3);
    if (step < ISLE__PAGE)
        step = ISLE__PAGE;
    return (size + step - 1) & ~(step - 1);
}

static void large_remove(unsigned at)
{
    large_bytes -= large_kept[at].size;
    large_count--;
    memmove(&large_kept[at], &large_kept[at + 1], (large_count - at) * sizeof large_kept[0]);
}

/* NULL: none of that size is kept. */
static void *large_take(size_t size)
{
    void *memory = NULL;
    pthread_mutex_lock(&large_lock);
    for (unsigned i = large_count; i-- > 0 && memory == NULL;) {
        if (large_kept[i].size != size)
            continue;
        memory = large_kept[i].memory;
        large_remove(i);
    }
    pthread_mutex_unlock(&large_lock);
    return memory;
}

static void *large_map(size_t size)
{
    size_t slack = size >= LARGE_HUGE ? LARGE_HUGE : 0;
    unsigned char *memory =
        mmap(NULL, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED && slack > 0) { /* near a limit: as it comes */
        slack = 0;
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (memory == MAP_FAILED)
        return NULL;
    if (slack == 0)
        return memory;
    size_t before = (LARGE_HUGE - ((uintptr_t)memory & (LARGE_HUGE - 1))) & (LARGE_HUGE - 1);
    if (before != 0)
        munmap(memory, before);
    if (slack != before)
        munmap(memory + before + size, slack - before);
    (void)madvise(memory + before, size, MADV_HUGEPAGE); /* where refused, small pages do */
    return memory + before;
}

/* Gives back all that is kept; false: nothing was. */
static bool large_give_back(void)
{
    struct large_block gone[LARGE_KEPT];
    pthread_mutex_lock(&large_lock);
    unsigned count = large_count;
    memcpy(gone, large_kept, count * sizeof gone[0]);
    large_count = 0;
    large_bytes = 0;
    pthread_mutex_unlock(&large_lock);
    for (unsigned i = 0; i < count; i++)
        munmap(gone[i].memory, gone[i].size);
    return count > 0;
}

void *isle__memory_large_alloc(size_t size)
{
    if (size > PTRDIFF_MAX / 2)
        return NULL;
    size = large_size(size);
    void *memory = large_take(size);
    if (memory == NULL)
        memory = large_map(size);
    /* What is kept counts against the limit of a process. */
    if (memory == NULL && large_give_back())
        memory = large_map(size);
    return memory;
}

void *isle__memory_large_kept(size_t size)
{
    return size <= PTRDIFF_MAX / 2 ? large_take(large_size(size)) : NULL;
}

void isle__memory_large_free(void *memory, size_t size)
{
    struct large_block gone[LARGE_KEPT];
    unsigned count = 0;
    size = large_size(size);
    pthread_mutex_lock(&large_lock);
    if (size > LARGE_KEPT_BYTES) {
        gone[count++] = (struct large_block){memory, size};
    } else {
        while (large_count == LARGE_KEPT || large_bytes > LARGE_KEPT_BYTES - size) {
            gone[count++] = large_kept[0];
            large_remove(0);
        }
        large_kept[large_count++] = (struct large_block){memory, size};
        large_bytes += size;
    }
    pthread_mutex_unlock(&large_lock);
    while (count > 0) {
        count--;
        munmap(gone[count].memory, gone[count].size);
    }
}

bool isle__memory_populate(void *memory, size_t size)
{
#ifdef MADV_POPULATE_WRITE
    uintptr_t begin = ((uintptr_t)memory + ISLE__PAGE - 1) & ~(ISLE__PAGE - 1);
    uintptr_t end = ((uintptr_t)memory + size) & ~(ISLE__PAGE - 1);
    if (begin < end) /* older kernels refuse */
        return madvise((char *)memory + (begin - (uintptr_t)memory), end - begin,
                       MADV_POPULATE_WRITE) == 0;
#endif
    (void)memory;
    (void)size;
    return false;
}

void isle__memory_large_lock(void)
{
    pthread_mutex_lock(&large_lock);
}

void isle__memory_large_unlock(void)
{
    pthread_mutex_unlock(&large_lock);
}
