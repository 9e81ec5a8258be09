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
/* The same as isle__memory_alloc, of memory that this process has already and nobody uses: it costs
 * the system nothing. NULL: there is none of that size, above all if it is small. */
void *isle__memory_kept(size_t size);
/* Of a process with one thread that has allocated nothing yet and will have little: memory that is
 * not used costs it few pages. */
void isle__memory_be_lean(void);
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

/* --- the environment */

/* What the user says there; NULL: nothing, or he is not the one whose rights the program has (it
 * sets a user id, or has capabilities of its own). */
const char *isle__environment(const char *name);

/* --- threads (thread.c) */

unsigned isle__cpu_count(void); /* that this process may use, at least 1 */
/* The one that the caller runs on, counted from 1: by now perhaps another. 0: unknown. No look at
 * the system. */
unsigned isle__cpu_here(void);

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
/* For who waits, in a loop, until another thread has done a few instructions; *rounds is 0 first.
 * Pauses, gives way now and then, and sleeps for moments where that is in vain: a thread of a
 * real-time class gives way to its equals alone, and the other may be less and on the same core. */
void isle__thread_give_way(unsigned *rounds);
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
/* Before the first stack, and after a release: from now on a slab is address space alone, and each
 * stack becomes memory when it is first given out: for processes whose limit counts what could be
 * written to. Else a whole slab may be written to, which needs fewer mappings. */
void isle__stacks_be_lean(bool lean);
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
/* In a forked child, of a context that was prepared before: it may begin here. */
void isle__context_forked(struct isle__context *context);
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
enum isle__poll_mode {
    ISLE__POLL_EDGE, /* an event a change */
    ISLE__POLL_ONCE, /* disarmed after the first event, until armed again by another add */
    ISLE__POLL_LEVEL /* at each wait, as long as it holds */
};
ISLE_MUST_CHECK isle_err isle__poller_open(struct isle__poller **ret_poller);
/* The same for few descriptors, and for one thread (any may wake): it waits by ppoll and asks the
 * system for nothing that a strict filter of system calls would refuse later. An edge that nobody
 * has read away yet is told again now and then. */
ISLE_MUST_CHECK isle_err isle__poller_open_plain(struct isle__poller **ret_poller);
/* In a fork of a process that has one of that kind, where it waits for nothing: what wakes it is
 * this process's own from now on. The descriptor that it had is the caller's to close. */
ISLE_MUST_CHECK isle_err isle__poller_forked(struct isle__poller *poller);
void isle__poller_close(struct isle__poller *poller);
/* ISLE_ESYSTEM with errno set; ISLE_ENOMEM; ISLE_EINVAL for the key UINT64_MAX, which is the
 * poller's own. */
ISLE_MUST_CHECK isle_err isle__poller_add(struct isle__poller *poller, int fd, unsigned events,
                                          enum isle__poll_mode mode, uint64_t key);
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
/* Waits until it is readable (true), or for the time (ISLE_FOREVER: no end); false may come early.
 */
bool isle__notifier_wait(int fd, int64_t timeout_ns);
void isle__fd_close(int fd);
/* All that are open from `first` to `last`: at once, or one by one where the kernel has no call for
 * that or somebody refuses it. Async-signal-safe. */
void isle__fd_close_between(int first, int last);
int isle__fd_duplicate(int fd); /* close-on-exec; -1 when refused */

/* Signals: while watched, each arrival of `signal` writes its number, one byte, to `fd` (a pipe's
 * non-blocking end). The former disposition returns with unwatch. One watcher a signal: the caller
 * multiplexes. */
ISLE_MUST_CHECK isle_err isle__signal_watch(int signal, int fd);
void isle__signal_unwatch(int signal);
ISLE_MUST_CHECK isle_err
isle__pipe_open(int ret_fds[2]); /* both ends non-blocking, close-on-exec */
size_t isle__pipe_read(int fd, void *memory, size_t size); /* 0: nothing there */

/* --- memory that two processes share (shared.c) */

/* Zeroed memory of `size` bytes, a multiple of 4096, and its descriptor, close-on-exec: nobody can
 * shrink or grow it. `peer_writes`: it is mapped here for reading, by others for writing; else it
 * is mapped here for writing, and nobody can map it so from then on. ISLE_ENOMEM, ISLE_ESYSTEM with
 * errno. */
ISLE_MUST_CHECK isle_err isle__shared_make(size_t size, bool peer_writes, void **ret_memory,
                                           int *ret_fd);
/* Maps what another process has made so; the descriptor stays the caller's. ISLE_EINVAL: it has
 * another size, or could get one. ISLE_ESYSTEM with errno. */
ISLE_MUST_CHECK isle_err isle__shared_map(int fd, size_t size, bool writable, void **ret_memory);
void isle__shared_unmap(void *memory, size_t size); /* NULL is fine */
/* A file that holds these bytes and nobody can write any more, close-on-exec, the caller's.
 * ISLE_ENOMEM, ISLE_ESYSTEM. */
ISLE_MUST_CHECK isle_err isle__shared_fill(const void *bytes, size_t size, int *ret_fd);
/* Maps one for reading, whose size and seals the caller trusts; isle__shared_unmap. ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__shared_read(int fd, size_t size, void **ret_memory);

/* --- the process */

/* Calls child() in the child after every fork of the process; once set, stays. */
void isle__fork_watch(void (*child)(void));
/* Before a fork whose child goes on with what this process has made. The thread sanitizer counts
 * contexts as threads; after a fork of several it looks away from the one that forked, and would
 * take what that and the others do for races. */
void isle__forks_go_on(void);
/* Threads that this build's tools (a sanitizer) have in every process. */
unsigned isle__threads_of_tools(void);
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
/* Whether it is a shared object for this machine, as far as the file's head says: else an error and
 * a sentence. Nothing of it is loaded. Any thread. */
ISLE_MUST_CHECK isle_err isle__library_check(const char *path, char *ret_text, size_t text_size);

/* --- where code is (image.c) */

/* A place in the code of this program, the same in every process that runs the same files: the
 * build-id of the object, and the distance from its base. Plain data, no padding. */
enum { ISLE__CODE_ID_MAX = 32 };
struct isle__code_place {
    unsigned char id[ISLE__CODE_ID_MAX]; /* zeroes behind id_size */
    uint64_t id_size;
    uint64_t offset;
};
typedef void isle__code(void);
/* This process will fork often: what it has read of the program's files, and all of the object that
 * this function is in where that is small, is in place in each child from the start. A process of
 * one thread. What the system refuses only makes children slower. */
void isle__image_settle(void);
/* False: it lies in no loaded object. Any thread; allocates nothing, takes some microseconds. */
bool isle__code_place(isle__code *code, struct isle__code_place *ret_place);
/* NULL unless an object with that id is loaded here and the place is in executable memory of it. */
isle__code *isle__code_at(const struct isle__code_place *place);
/* The same of what an object has in readable memory of its own: its constants and variables. */
bool isle__data_place(const void *data, struct isle__code_place *ret_place);
const void *isle__data_at(const struct isle__code_place *place);

#endif
