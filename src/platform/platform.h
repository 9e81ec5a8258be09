/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that Isle wants of an operating system. One folder implements this header: linux/,
 * wasi/. Nothing outside src/platform has an #ifdef for a system; what a system lacks is a false
 * from isle__platform_has or an ISLE_EUNSUPPORTED here.
 *
 * Law: this layer knows nothing of values, isolates or tasks; it calls back only through the
 * pointers that it was given. Nothing here throws. */
#ifndef ISLE_PLATFORM_H
#define ISLE_PLATFORM_H

#include <stdatomic.h>
#include <stdarg.h>

#include "isle/base.h"
#include "platform/word.h"

#define ISLE__UNLIKELY(condition) __builtin_expect(!!(condition), 0)
/* Asks for the line of an address, which may be any, to be read and written soon. */
#define isle__prefetch(address) __builtin_prefetch((address), 1)

/* --- what there is */

enum isle__feature {
    ISLE__HAS_THREADS, /* threads, parkers that block */
    ISLE__HAS_STACKS,  /* contexts that can be switched: activities may suspend */
    ISLE__HAS_POLLER,  /* descriptors and signals as events */
    ISLE__HAS_LOADER   /* shared objects */
};
bool isle__platform_has(enum isle__feature feature);

/* --- memory (memory.c) */

/* 16-byte aligned, not zeroed; NULL when the system (or the test's isle__memory_fail_at) refuses.
 * Freed with the size that was asked for, from any thread. Counted: isle__memory_live is the sum of
 * all sizes that are out, exact when no thread is inside. */
void *isle__memory_alloc(size_t size);
void *isle__memory_resize(void *memory, size_t old_size,
                          size_t new_size);        /* NULL: `memory` is as it was */
void isle__memory_free(void *memory, size_t size); /* NULL is fine */
/* Its pages are wanted now, in one call of the system instead of a fault for each. False: they will
 * come one by one. */
bool isle__memory_populate(void *memory, size_t size);
uint64_t isle__memory_live(void);
/* Tests: the nth allocation of the calling thread from now on (1: the next) fails, once; 0: none.
 * Returns how many were made since the last call. */
uint64_t isle__memory_fail_at(uint64_t nth);

/* --- catching (catch.c) */

/* Call-shaped, so that a system without setjmp can do it with its host's exceptions.
 * isle__catch_run runs fn(argument); false: it returned; true: isle__catch_jump(catch) was called
 * inside it, on the same stack or (for a stack overflow) an emergency one. No cleanup of the frames
 * in between. */
#define ISLE__CATCH_SIZE 320
struct isle__catch_buffer {
    _Alignas(16) unsigned char bytes[ISLE__CATCH_SIZE];
};
bool isle__catch_run(struct isle__catch_buffer *buffer, void (*fn)(void *argument), void *argument);
ISLE_NORETURN void isle__catch_jump(struct isle__catch_buffer *buffer);

/* --- time and chance */

int64_t isle__clock_now(void);                     /* monotonic, ns */
void isle__random_fill(void *memory, size_t size); /* from the system, unpredictable */

/* --- threads (thread.c) */

unsigned isle__cpu_count(void); /* that this process may use, at least 1 */

struct isle__thread {
    uintptr_t handle;
};
/* Starts fn(argument) on a thread with all asynchronous signals blocked and an alternate signal
 * stack for stack overflows. `name` is cut to 15 bytes. ISLE_ESYSTEM when refused, ISLE_ENOMEM,
 * ISLE_EUNSUPPORTED without threads. */
ISLE_MUST_CHECK isle_err isle__thread_start(struct isle__thread *thread, const char *name,
                                            void (*fn)(void *argument), void *argument);
void isle__thread_join(struct isle__thread *thread);
void isle__thread_detach(struct isle__thread *thread);
/* The calling thread's waits end when they are to, not when it suits the system (Linux: 50 us
 * later). */
void isle__thread_be_punctual(void);
void isle__thread_yield(void);
void isle__cpu_relax(void);     /* the pause instruction */
uint64_t isle__thread_id(void); /* of the caller; never 0, not reused while it lives */
/* CPU time that a thread has used, ns; -1 unknown. The clock of the calling thread is fetched with
 * isle__thread_clock and may be read by others until that thread ends. */
typedef int isle__thread_clock_id;
isle__thread_clock_id isle__thread_clock(void);
int64_t isle__thread_clock_read(isle__thread_clock_id clock);
/* Whether the thread with that isle__thread_id runs or waits for a core; false: it sleeps in the
 * kernel, or is gone. Slow: some microseconds. */
bool isle__thread_wants_core(uint64_t id);
/* A full barrier in every running thread of the process, between what it did and what it does. True
 * from isle__barrier_start: the system has one. False from isle__barrier_everywhere: it has it no
 * more (a filter of system calls came). Slow: some 10 us where others run. */
ISLE_MUST_CHECK bool isle__barrier_start(void);
ISLE_MUST_CHECK bool isle__barrier_everywhere(void);

struct isle__mutex {
    _Alignas(8) unsigned char bytes[48]; /* aarch64 needs all of it */
};
void isle__mutex_init(struct isle__mutex *mutex);
void isle__mutex_destroy(struct isle__mutex *mutex);
void isle__mutex_lock(struct isle__mutex *mutex);
void isle__mutex_unlock(struct isle__mutex *mutex);

/* One thread parks, any thread unparks. A permit: an unpark before the park makes that park return
 * at once; several count as one. Unpark releases, park acquires. Zero is initialised. */
struct isle__parker {
    _Atomic uint32_t state;
};
void isle__parker_park(struct isle__parker *parker,
                       int64_t timeout_ns); /* ISLE_FOREVER; may return early for no reason */
void isle__parker_unpark(struct isle__parker *parker);

/* --- stacks and switching (stack.c, switch_*.S)
 * --------------------------------------------------------------------------------------------- */

/* Stacks come from slabs with a guard page below each; ISLE_ENOMEM when refused. `size` is the
 * usable size, the same for all calls between two isle__stacks_release. A stack that was returned
 * may keep its first pages. Any thread may call. */
struct isle__stack {
    void *low; /* lowest usable byte */
    size_t size;
};
ISLE_MUST_CHECK isle_err isle__stack_alloc(size_t size, struct isle__stack *ret_stack);
void isle__stack_free(struct isle__stack stack);
void isle__stacks_release(void); /* returns all slabs; no stack is out */
uint64_t isle__stacks_out(void);

/* A suspended flow of control. Sanitizers and Valgrind are told about every switch here. errno
 * travels with the context. */
struct isle__context {
    void *sp;
    void *fiber;      /* the thread sanitizer's */
    void *fake_stack; /* the address sanitizer's */
    const void *low;  /* bounds of its stack */
    size_t size;
    int error_number;
};
/* Describes the calling thread's own stack, so that it can be switched away from. */
void isle__context_init_thread(struct isle__context *context);
/* Prepares a context whose first switch calls entry(argument) on `stack`; entry never returns. */
void isle__context_init(struct isle__context *context, struct isle__stack stack,
                        void (*entry)(void *argument), void *argument);
/* Saves the running flow in `from` and continues `to`. Returns when somebody switches to `from`,
 * perhaps on another thread. */
void isle__context_switch(struct isle__context *from, struct isle__context *to);
/* The same when `from` will never be continued (its stack is to be reused): fake stacks are
 * dropped. */
void isle__context_leave(struct isle__context *from, struct isle__context *to);
/* Ends a context that will never run again, not the running one; its stack is the caller's. */
void isle__context_fini(struct isle__context *context);

/* --- faults (fault.c) */

/* Installs a handler for SIGSEGV and SIGBUS that chains every fault which is not ours.
 * `on_overflow(address)` is called in the signal handler when a fault lies in a guard page of
 * isle__stack_alloc's, or below the own stack of a thread that called isle__fault_thread_init:
 * async-signal-safe code only. If it returns true, the thread continues in isle__fault_resume's
 * function on an emergency stack of that thread instead of in the faulting instruction; if false,
 * the fault is chained. `in_system_code` says whether the faulting instruction lies outside the
 * program's own executable and loaded plug-ins (libc, ld.so, Isle itself when it is a shared
 * library). */
typedef bool isle__overflow_handler(void *fault_address, bool in_system_code,
                                    void (**ret_resume)(void));
ISLE_MUST_CHECK isle_err isle__fault_install(isle__overflow_handler *on_overflow);
void isle__fault_remove(void);
void isle__fault_thread_init(void); /* alternate and emergency stack of the calling thread
                                       (isle__thread_start does it itself) */
void isle__fault_thread_fini(void);

/* --- poller (poller.c) */

struct isle__poller;
struct isle__poll_event {
    uint64_t key;
    unsigned events; /* ISLE_READABLE | ISLE_WRITABLE | ISLE_HANGUP */
};
ISLE_MUST_CHECK isle_err isle__poller_open(struct isle__poller **ret_poller);
void isle__poller_close(struct isle__poller *poller);
/* `once`: disarmed after the first event, until armed again by another add of the same descriptor;
 * else edge-triggered. ISLE_ESYSTEM with errno set; ISLE_EINVAL for the key UINT64_MAX, which is
 * the poller's own. */
ISLE_MUST_CHECK isle_err isle__poller_add(struct isle__poller *poller, int fd, unsigned events,
                                          bool once, uint64_t key);
void isle__poller_remove(struct isle__poller *poller, int fd);
/* Waits until something is ready, isle__poller_wake, or the time (ISLE_FOREVER: no end). Returns
 * the count of events; never waits longer than asked by more than the clock's grain, and may return
 * 0 early. One thread waits at a time; any thread adds, removes, wakes. */
unsigned isle__poller_wait(struct isle__poller *poller, int64_t timeout_ns,
                           struct isle__poll_event *events, unsigned max);
void isle__poller_wake(struct isle__poller *poller);
/* A descriptor that is readable between raise and clear (an eventfd). -1 when refused. */
int isle__notifier_open(void);
void isle__notifier_raise(int fd);
void isle__notifier_clear(int fd);
void isle__fd_close(int fd);
int isle__fd_duplicate(int fd); /* close-on-exec; -1 when refused */

/* Signals: while watched, each arrival of `signal` writes its number, one byte, to `fd` (a pipe's
 * non-blocking end). The former disposition returns with unwatch. One watcher a signal: the caller
 * multiplexes. */
ISLE_MUST_CHECK isle_err isle__signal_watch(int signal, int fd);
void isle__signal_unwatch(int signal);
ISLE_MUST_CHECK isle_err
isle__pipe_open(int ret_fds[2]); /* both ends non-blocking, close-on-exec */
size_t isle__pipe_read(int fd, void *memory, size_t size); /* 0: nothing there */

/* --- the process */

/* Calls child() in the child after every fork of the process; once set, stays. */
void isle__fork_watch(void (*child)(void));
/* Writes one line to stderr, nothing else; safe in a signal handler. */
void isle__report(const char *text);
ISLE_NORETURN void isle__die(const char *text); /* reports and aborts: a broken invariant */
ISLE_NORETURN void isle__exit_now(int status);  /* _exit */

/* --- shared objects (loader.c) */

/* Loads a private copy of the object at `path`, with globals of its own, and finds `symbol`. On
 * failure an error and a sentence for people in `ret_text` (at least 256 bytes): no such file,
 * wrong architecture, no such entry, a constructor that failed. */
ISLE_MUST_CHECK isle_err isle__library_open(const char *path, const char *symbol,
                                            void **ret_library, void **ret_symbol, char *ret_text,
                                            size_t text_size);
void isle__library_close(void *library);

#endif
