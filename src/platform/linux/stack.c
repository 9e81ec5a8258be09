/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks for activities, many and lazily backed.
 *
 * A slab is a naturally aligned reservation of a power of two of bytes:
 *
 *     | page: slab pointer | guard | stack | guard | stack | ...
 *
 * so a stack's slab is found by masking its address. In a lean slab nothing can be written to but
 * the first page and the stacks that were given out. Else the guard of a stack is made when the
 * stack is first given out: by MADV_GUARD_INSTALL where the kernel has it, which costs no mapping,
 * else by mprotect, which costs two of the 65,530 that a process may have. Below each stack lie 64
 * KiB of guard, so that a frame with a large local array does not step over it into the neighbour.
 *
 * Law: stack_lock guards the free lists and the slabs. The list of slab descriptors only ever
 * grows, and its links and ranges are atomic: the fault handler walks it at any moment. A stack
 * that is free keeps all that it has touched while few such are free, else its first pages while
 * not too many do, else nothing; the fullest is given out first. */
#include "platform/linux/linux.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(low, high) 0u
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif
#if ISLE__ASAN
#include <sanitizer/asan_interface.h>
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum {
    STACK_GUARD_SIZE = 65536,
    STACKS_IN_SLAB = 64, /* at least */
    STACKS_IN_LEAN_SLAB = 8,
    STACKS_WHOLE = 256,
    STACKS_TRIMMED = 4096,
    STACK_KEPT_SIZE = 8192
};

enum stack_level { STACK_WHOLE, STACK_TRIMMED, STACK_EMPTY, STACK_LEVELS };

struct stack_slot {
    struct stack_slot *next; /* free list */
    unsigned char *low;
    unsigned valgrind_id;
};

struct stack_slab {
    struct stack_slab *next;  /* set before it is published */
    _Atomic uintptr_t base;   /* 0: nothing is mapped */
    struct stack_slot *slots; /* of all stacks that fit */
    size_t used;              /* slots that have been given out at least once */
};

static pthread_mutex_t stack_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    struct stack_slot *first;
    size_t count, most;
} stack_free_lists[STACK_LEVELS] = {
    {.most = STACKS_WHOLE}, {.most = STACKS_TRIMMED}, {.most = SIZE_MAX}};
static _Atomic(struct stack_slab *) stack_slabs;
static struct stack_slab *stack_fresh; /* has unused slots; NULL: none */
static _Atomic size_t stack_size;      /* 0: no slab yet */
static _Atomic size_t stack_slab_size;
static size_t stack_count_in_slab;
static bool stack_lean; /* under stack_lock */
static _Atomic uint64_t stack_out;

static size_t stack_page(void)
{
    static _Atomic size_t page;
    size_t size = atomic_load_explicit(&page, memory_order_relaxed);
    if (size == 0) {
        size = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&page, size, memory_order_relaxed);
    }
    return size;
}

/* Fixes the layout for all slabs until the next release. */
static void stack_plan(size_t size)
{
    size_t stride = size + STACK_GUARD_SIZE;
    size_t slab_size = stack_page();
    size_t least = stack_lean ? STACKS_IN_LEAN_SLAB : STACKS_IN_SLAB;
    while ((slab_size - stack_page()) / stride < least)
        slab_size *= 2;
    stack_count_in_slab = (slab_size - stack_page()) / stride;
    atomic_store_explicit(&stack_slab_size, slab_size, memory_order_relaxed);
    atomic_store_explicit(&stack_size, size, memory_order_relaxed);
}

/* A reservation aligned to its size, or NULL. */
static unsigned char *stack_reserve(size_t size)
{
    int rights = stack_lean ? PROT_NONE : PROT_READ | PROT_WRITE;
    unsigned char *raw = mmap(NULL, size * 2, rights,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (raw == MAP_FAILED)
        return NULL;
    size_t before = (size - ((uintptr_t)raw & (size - 1))) & (size - 1);
    if (before != 0)
        munmap(raw, before);
    if (before != size)
        munmap(raw + before + size, size - before);
    /* A huge page would back eight stacks where one page of one is wanted. */
    madvise(raw + before, size, MADV_NOHUGEPAGE);
    return raw + before;
}

/* A descriptor that stands for no memory now: one that a release left, or a new one. */
static struct stack_slab *stack_slab_blank(void)
{
    struct stack_slab *slab = atomic_load_explicit(&stack_slabs, memory_order_relaxed);
    while (slab != NULL && atomic_load_explicit(&slab->base, memory_order_relaxed) != 0)
        slab = slab->next;
    if (slab != NULL)
        return slab;
    slab = calloc(1, sizeof *slab);
    if (slab != NULL) {
        slab->next = atomic_load_explicit(&stack_slabs, memory_order_relaxed);
        /* Releases `next` to the fault handler's walk. */
        atomic_store_explicit(&stack_slabs, slab, memory_order_release);
    }
    return slab;
}

static struct stack_slab *stack_slab_open(void)
{
    struct stack_slab *slab = stack_slab_blank();
    if (slab == NULL)
        return NULL;
    slab->slots = calloc(stack_count_in_slab, sizeof *slab->slots);
    if (slab->slots == NULL)
        return NULL;
    unsigned char *base =
        stack_reserve(atomic_load_explicit(&stack_slab_size, memory_order_relaxed));
    if (base == NULL) {
        free(slab->slots);
        return NULL;
    }
    if (stack_lean && mprotect(base, stack_page(), PROT_READ | PROT_WRITE) != 0) {
        munmap(base, atomic_load_explicit(&stack_slab_size, memory_order_relaxed));
        free(slab->slots);
        slab->slots = NULL;
        return NULL;
    }
    *(struct stack_slab **)(void *)base = slab;
    slab->used = 0;
    atomic_store_explicit(&slab->base, (uintptr_t)base, memory_order_release);
    return slab;
}

/* The stack above it is memory after this, the guard is none. */
static bool stack_guard(unsigned char *guard, size_t size)
{
    if (stack_lean)
        return mprotect(guard + STACK_GUARD_SIZE, size, PROT_READ | PROT_WRITE) == 0;
    return madvise(guard, STACK_GUARD_SIZE, MADV_GUARD_INSTALL) == 0 ||
           mprotect(guard, STACK_GUARD_SIZE, PROT_NONE) == 0;
}

/* Takes a stack that was never out. Under stack_lock. */
static struct stack_slot *stack_take_fresh(size_t size)
{
    if (stack_fresh == NULL || stack_fresh->used == stack_count_in_slab) {
        stack_fresh = stack_slab_open();
        if (stack_fresh == NULL)
            return NULL;
    }
    uintptr_t base = atomic_load_explicit(&stack_fresh->base, memory_order_relaxed);
    struct stack_slot *slot = &stack_fresh->slots[stack_fresh->used];
    unsigned char *guard =
        (unsigned char *)base + stack_page() + stack_fresh->used * (size + STACK_GUARD_SIZE);
    if (!stack_guard(guard, size))
        return NULL;
    slot->low = guard + STACK_GUARD_SIZE;
    slot->valgrind_id = VALGRIND_STACK_REGISTER(slot->low, slot->low + size);
    stack_fresh->used++;
    return slot;
}

static struct stack_slot *stack_take_free(void)
{
    for (size_t level = 0; level < STACK_LEVELS; level++) {
        struct stack_slot *slot = stack_free_lists[level].first;
        if (slot != NULL) {
            stack_free_lists[level].first = slot->next;
            stack_free_lists[level].count--;
            return slot;
        }
    }
    return NULL;
}

static isle_err stack_take(size_t size, struct stack_slot **ret_slot)
{
    size_t planned = atomic_load_explicit(&stack_size, memory_order_relaxed);
    if (planned == 0)
        stack_plan(size);
    else if (planned != size)
        return ISLE_EINVAL;
    struct stack_slot *slot = stack_take_free();
    if (slot == NULL)
        slot = stack_take_fresh(size);
    *ret_slot = slot;
    return slot != NULL ? ISLE_OK : ISLE_ENOMEM;
}

isle_err isle__stack_alloc(size_t size, struct isle__stack *ret_stack)
{
    if (size == 0 || size > SIZE_MAX / 1024)
        return ISLE_EINVAL;
    size_t rounded = (size + stack_page() - 1) & ~(stack_page() - 1);
    struct stack_slot *slot;
    pthread_mutex_lock(&stack_lock);
    isle_err err = stack_take(rounded, &slot);
    pthread_mutex_unlock(&stack_lock);
    if (err != ISLE_OK)
        return err;
    atomic_fetch_add_explicit(&stack_out, 1, memory_order_relaxed);
#if ISLE__ASAN
    __asan_unpoison_memory_region(slot->low, rounded); /* frames that were left by a jump */
#endif
    *ret_stack = (struct isle__stack){.low = slot->low, .size = rounded};
    return ISLE_OK;
}

static struct stack_slot *stack_slot_of(unsigned char *low, size_t size)
{
    size_t slab_size = atomic_load_explicit(&stack_slab_size, memory_order_relaxed);
    uintptr_t base = (uintptr_t)low & ~(slab_size - 1);
    const struct stack_slab *slab = *(struct stack_slab **)base;
    size_t index = ((uintptr_t)low - base - stack_page()) / (size + STACK_GUARD_SIZE);
    if (atomic_load_explicit(&slab->base, memory_order_relaxed) != base ||
        slab->slots[index].low != low)
        isle__die("isle: a stack was freed that is none");
    return &slab->slots[index];
}

/* Gives the system back what a stack of that level does not keep. */
static void stack_trim(struct isle__stack stack, enum stack_level level)
{
    size_t kept = level == STACK_TRIMMED ? STACK_KEPT_SIZE : 0;
    if (level != STACK_WHOLE && stack.size > kept)
        madvise(stack.low, stack.size - kept, MADV_DONTNEED);
}

void isle__stack_free(struct isle__stack stack)
{
    struct stack_slot *slot = stack_slot_of(stack.low, stack.size);
    enum stack_level level = STACK_WHOLE;
    pthread_mutex_lock(&stack_lock);
    while (stack_free_lists[level].count >= stack_free_lists[level].most)
        level++;
    stack_free_lists[level].count++; /* its place is taken before it is on the list */
    pthread_mutex_unlock(&stack_lock);
    stack_trim(stack, level);
#if ISLE__ASAN
    __asan_poison_memory_region(stack.low, stack.size); /* nobody may look at it any more */
#endif
    pthread_mutex_lock(&stack_lock);
    slot->next = stack_free_lists[level].first;
    stack_free_lists[level].first = slot;
    pthread_mutex_unlock(&stack_lock);
    atomic_fetch_sub_explicit(&stack_out, 1, memory_order_relaxed);
}

static void stack_slab_close(struct stack_slab *slab)
{
    void *base = (void *)atomic_exchange_explicit(&slab->base, 0, memory_order_relaxed);
    for (size_t i = 0; i < slab->used; i++)
        VALGRIND_STACK_DEREGISTER(slab->slots[i].valgrind_id);
    free(slab->slots);
    slab->slots = NULL;
#if ISLE__ASAN
    __asan_unpoison_memory_region(base,
                                  atomic_load_explicit(&stack_slab_size, memory_order_relaxed));
#endif
    munmap(base, atomic_load_explicit(&stack_slab_size, memory_order_relaxed));
}

void isle__stacks_release(void)
{
    pthread_mutex_lock(&stack_lock);
    if (isle__stacks_out() != 0)
        isle__die("isle: stacks are released while some are out");
    struct stack_slab *slab = atomic_load_explicit(&stack_slabs, memory_order_relaxed);
    for (; slab != NULL; slab = slab->next)
        if (atomic_load_explicit(&slab->base, memory_order_relaxed) != 0)
            stack_slab_close(slab);
    stack_fresh = NULL;
    for (size_t level = 0; level < STACK_LEVELS; level++) {
        stack_free_lists[level].first = NULL;
        stack_free_lists[level].count = 0;
    }
    atomic_store_explicit(&stack_size, 0, memory_order_relaxed);
    pthread_mutex_unlock(&stack_lock);
}

void isle__stacks_be_lean(bool lean)
{
    pthread_mutex_lock(&stack_lock);
    stack_lean = lean;
    pthread_mutex_unlock(&stack_lock);
}

uint64_t isle__stacks_out(void)
{
    return atomic_load_explicit(&stack_out, memory_order_relaxed);
}

/* A release that runs meanwhile may change the layout under the walk; then a fault that is not ours
 * may be taken for ours, which the caller's handler finds out, as no stack of its has that guard.
 */
bool isle__stack_guard_contains(const void *address)
{
    size_t slab_size = atomic_load_explicit(&stack_slab_size, memory_order_relaxed);
    size_t size = atomic_load_explicit(&stack_size, memory_order_relaxed);
    size_t page = stack_page();
    const struct stack_slab *slab = atomic_load_explicit(&stack_slabs, memory_order_acquire);
    for (; slab != NULL && size != 0; slab = slab->next) {
        uintptr_t base = atomic_load_explicit(&slab->base, memory_order_acquire);
        uintptr_t offset = (uintptr_t)address - base;
        if (base == 0 || offset >= slab_size)
            continue;
        return offset >= page && (offset - page) % (size + STACK_GUARD_SIZE) < STACK_GUARD_SIZE;
    }
    return false;
}
