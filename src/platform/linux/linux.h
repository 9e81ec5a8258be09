/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of platform/linux share with each other and with nobody else. Included first, so
 * that the system's headers show what is Linux's own. */
#ifndef ISLE_PLATFORM_LINUX_H
#define ISLE_PLATFORM_LINUX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "platform/platform.h"

#if defined(__has_feature)
#define ISLE__HAS_FEATURE(name) __has_feature(name)
#else
#define ISLE__HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || ISLE__HAS_FEATURE(address_sanitizer)
#define ISLE__ASAN 1
#else
#define ISLE__ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || ISLE__HAS_FEATURE(thread_sanitizer)
#define ISLE__TSAN 1
#else
#define ISLE__TSAN 0
#endif

/* A function that the compiler may look neither into nor past: it reads thread-locals, which a
 * caller that was switched to another thread would otherwise hold in a register. */
#if defined(__clang__)
#define ISLE__OPAQUE __attribute__((noinline))
#else
#define ISLE__OPAQUE __attribute__((noinline, noipa))
#endif
/* Thread-locals that the fast path or a signal handler reads: no call, no lazy allocation. */
#define ISLE__TLS _Thread_local __attribute__((tls_model("initial-exec")))

#if ISLE__TSAN
extern _Atomic unsigned
    isle__context_fibers; /* context.c: that there are; the sanitizer's threads */
#endif

/* memory.c: counts an allocation of this thread; true: it is the one that a test wants to fail. */
bool isle__memory_refuses(void);

/* A block that nobody has. */
struct isle__memory_block {
    struct isle__memory_block *next;
    struct isle__memory_block *next_batch; /* of the first of a batch (memory.c) */
};
_Static_assert(sizeof(struct isle__memory_block) <= 16,
               "a free block fits into the smallest class");

#define ISLE__PAGE ((size_t)4096)

/* memory_small.c: uncounted blocks of ISLE__SMALL_SIZES sizes for memory.c. Up to *count of them,
 * and how many; NULL: refused. The locks are taken around a fork. */
#define ISLE__SMALL_SIZES 64u
struct isle__memory_block *isle__memory_small_take(unsigned at, size_t size, uint32_t *count);
void isle__memory_small_put(unsigned at, struct isle__memory_block *blocks);
void isle__memory_small_start(void);
void isle__memory_small_lock(void);
void isle__memory_small_unlock(void);

/* memory_large.c: uncounted blocks for memory.c; freed with the size that was asked for. The lock
 * is taken around a fork. */
void *isle__memory_large_alloc(size_t size); /* NULL: refused */
void *isle__memory_large_kept(size_t size);  /* NULL: none of that size was kept */
void isle__memory_large_free(void *memory, size_t size);
void isle__memory_large_lock(void);
void isle__memory_large_unlock(void);

#if ISLE__ASAN
/* fault.c: the thread leaves its emergency stack, by a jump back or by a switch to a context. The
 * address sanitizer is told where it is now. */
void isle__fault_jumped_back(void);
void isle__fault_switched_away(void);
#endif

/* stack.c: is the address in the guard below a stack? Async-signal-safe. */
bool isle__stack_guard_contains(const void *address);

/* poller_plain.c: a poller by ppoll, of one thread. `wake` is the caller's: readable, it ends a
 * wait. */
struct isle__plain_poller;
isle_err isle__plain_poller_open(int wake, struct isle__plain_poller **ret_poller);
void isle__plain_poller_set_wake(struct isle__plain_poller *poller, int wake);
void isle__plain_poller_close(struct isle__plain_poller *poller); /* NULL is fine */
isle_err isle__plain_poller_add(struct isle__plain_poller *poller, int fd, unsigned events,
                                enum isle__poll_mode mode, uint64_t key);
void isle__plain_poller_remove(struct isle__plain_poller *poller, int fd);
unsigned isle__plain_poller_wait(struct isle__plain_poller *poller, int64_t timeout_ns,
                                 struct isle__poll_event *events, unsigned max);

/* code.c: which code is the program's own, its executable and what it loaded, and which the
 * system's. Look is called before the first question; changed, on any thread, after an object was
 * loaded or unloaded. The question is async-signal-safe; where there is no answer it is false. */
void isle__code_look(void);
void isle__code_changed(void);
bool isle__code_is_programs(uintptr_t pc);

/* switch_*.S or switch_ucontext.c: the bare switch. Make lays out a stack so that the first swap to
 * the returned place calls begin(argument), which never returns. Swap writes the place of the
 * running flow to *save_sp and continues at to_sp. */
void *isle__switch_make(void *low, size_t size, void (*begin)(void *argument), void *argument);
void isle__switch_swap(void **save_sp, void *to_sp);

#endif
