/* SPDX-License-Identifier: Apache-2.0 */
/* Ends that nobody wanted: each has its name, leaves no core file and takes nobody with it. These
 * are no attacks that a layer stops; the sandbox must leave them what they are. */
#include "attack.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int crashes_null(void)
{
    volatile int *volatile nowhere = NULL;

    *nowhere = 1; /* NOLINT */
    return ATTACK_WORKS;
}

static volatile bool crashes_stop; /* never: the compiler shall not know */

static int __attribute__((noinline)) crashes_deeper(volatile char *above)
{
    volatile char here[256];

    if (!above)
        return 0;
    here[0] = *above;
    return crashes_deeper(crashes_stop ? NULL : here) + here[0];
}

static int crashes_stack(void)
{
    volatile char first = 0;

    return crashes_deeper(&first);
}

static void *crashes_on_thread(void *unused)
{
    crashes_stack();
    return unused;
}

static int crashes_thread_stack(void)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, crashes_on_thread, NULL);

    if (!error)
        pthread_join(thread, NULL);
    return error;
}

static int crashes_double_free(void)
{
    void *volatile memory = malloc(100000);

    free(memory);
    memory = malloc(16);
    free(memory);
    free(memory); /* NOLINT */
    return ATTACK_WORKS;
}

static int crashes_abort(void)
{
    abort();
}

static int crashes_illegal(void)
{
    __builtin_trap();
}

static int crashes_divide(void)
{
    return raise(SIGFPE) ? errno : ATTACK_WORKS;
}

static int crashes_constant(void)
{
    static const char text[] = "constant";
    uintptr_t address = (uintptr_t)text;

    *(volatile char *)address = 'C'; /* NOLINT */
    return ATTACK_WORKS;
}

static int crashes_bus(void)
{
    char *beyond = mmap(NULL, 1 << 20, PROT_READ, MAP_SHARED, attack_world->file, 0);

    if (beyond == MAP_FAILED)
        return errno;
    return beyond[(1 << 20) - 1] ? ATTACK_NOTHING : ATTACK_WORKS;
}

static int crashes_exit(void)
{
    _exit(7);
}

static void *crashes_exit_here(void *unused)
{
    (void)unused;
    _exit(8);
}

static int crashes_thread_exit(void)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, crashes_exit_here, NULL);

    if (!error)
        pthread_join(thread, NULL);
    return error;
}

static int crashes_terminate(void)
{
    signal(SIGTERM, SIG_DFL);
    return raise(SIGTERM) ? errno : ATTACK_WORKS;
}

#define CRASHES_AS(end) .all = (end), .without = (end), .harmless = true

static const struct attack_row attack_crashes_rows[] = {
    ATTACK_ROW("97a", crashes, null, "write to address 0", CRASHES_AS("SIGSEGV")),
    ATTACK_ROW("97b", crashes, stack, "recursion without end", CRASHES_AS("SIGSEGV")),
    ATTACK_ROW("97c", crashes, thread_stack, "the same on a thread", CRASHES_AS("SIGSEGV"),
               .threads = 1),
    ATTACK_ROW("97d", crashes, double_free, "`free` twice", CRASHES_AS("SIGABRT")),
    ATTACK_ROW("97e", crashes, abort, "`abort`", CRASHES_AS("SIGABRT")),
    ATTACK_ROW("97f", crashes, illegal, "an illegal instruction", CRASHES_AS("SIGILL|SIGTRAP")),
    ATTACK_ROW("97g", crashes, divide, "`SIGFPE`", CRASHES_AS("SIGFPE")),
    ATTACK_ROW("97h", crashes, constant, "write to a constant", CRASHES_AS("SIGSEGV")),
    ATTACK_ROW("97i", crashes, bus, "read behind the end of a mapped file", CRASHES_AS("SIGBUS")),
    ATTACK_ROW("97j", crashes, exit, "`exit(7)`", CRASHES_AS("exit 7")),
    ATTACK_ROW("97k", crashes, thread_exit, "`_exit(8)` in a thread", CRASHES_AS("exit 8"),
               .threads = 1),
    ATTACK_ROW("97l", crashes, terminate, "`raise(SIGTERM)`", CRASHES_AS("SIGTERM")),
};
ATTACK_GROUP(attack_crashes, "Crashes");
