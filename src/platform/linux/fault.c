/* SPDX-License-Identifier: Apache-2.0 */
/* Stack overflows caught on their guards.
 *
 * The handler runs on the thread's alternate stack. A fault in a guard of ours is offered to
 * on_overflow; if that takes it, the interrupted thread is sent, by editing what the kernel will
 * restore, into the given function on the thread's emergency stack. Every other fault goes to
 * whoever had the signal before, as if we were not there: a handler is called with its own mask and
 * flags, the default happens at the faulting instruction.
 *
 * Law: what the handler reads is atomic, or thread-local to its own thread, or written before the
 * handler was installed. fault_lock is for install and remove; the handler never takes it. If
 * somebody has installed a handler over ours, ours cannot be taken out from under it: it stays,
 * chaining all, and the next install revives it. */
#include "platform/linux/linux.h"
#include "platform/linux/machine.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#if ISLE__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

enum { FAULT_EMERGENCY_SIZE = 256 * 1024, FAULT_ALTERNATE_ROOM = 64 * 1024 };

struct fault_chain {
    int signal;
    bool installed;            /* under fault_lock */
    struct sigaction previous; /* written before the handler is installed, then the handler's */
};

static pthread_mutex_t fault_lock = PTHREAD_MUTEX_INITIALIZER;
static struct fault_chain fault_chains[] = {{.signal = SIGSEGV}, {.signal = SIGBUS}};
static _Atomic(isle__overflow_handler *) fault_on_overflow; /* NULL: all is chained */

/* Faults this far below a thread's own stack, and just above its lowest byte (the system may stop
 * its growth a page early), are overflows of it. */
#define FAULT_GAP ((uintptr_t)1 << 20)
#define FAULT_GAP_ABOVE ((uintptr_t)4096 * 4)

/* One mapping: guard page, alternate stack, emergency stack. */
struct fault_thread {
    unsigned char *base; /* NULL: none */
    size_t size;
    stack_t former;
    stack_t alternate;
    uintptr_t own_low; /* of the thread's own stack; 0: unknown */
    /* For the address sanitizer: the stack that was left for the emergency stack. */
    bool diverted;
    const void *left_low;
    size_t left_size;
    void *left_fake_stack;
};
static ISLE__TLS struct fault_thread fault_mine;

#if ISLE__ASAN
static void fault_tell_diverted(void)
{
    if (fault_mine.diverted)
        return;
    fault_mine.diverted = true;
    __sanitizer_start_switch_fiber(&fault_mine.left_fake_stack, fault_mine.base, fault_mine.size);
    __sanitizer_finish_switch_fiber(NULL, &fault_mine.left_low, &fault_mine.left_size);
}

ISLE__OPAQUE void isle__fault_jumped_back(void)
{
    void *none;
    if (!fault_mine.diverted)
        return;
    fault_mine.diverted = false;
    __sanitizer_start_switch_fiber(&none, fault_mine.left_low, fault_mine.left_size);
    __sanitizer_finish_switch_fiber(fault_mine.left_fake_stack, NULL, NULL);
    __asan_unpoison_memory_region(fault_mine.left_low, fault_mine.left_size);
}

ISLE__OPAQUE void isle__fault_switched_away(void)
{
    fault_mine.diverted = false;
}
#else
static void fault_tell_diverted(void)
{
}
#endif

static void fault_reset(int signal)
{
    struct sigaction fallback;
    memset(&fallback, 0, sizeof fallback);
    fallback.sa_handler = SIG_DFL;
    sigaction(signal, &fallback, NULL);
}

/* A fault repeats at its instruction once the handler returns and then meets the default. What was
 * sent by kill or the like is raised again: it is blocked until then. The kernel does not let a
 * fault be ignored. */
static void fault_default(int signal, const siginfo_t *info, bool ignored)
{
    bool sent = info->si_code <= 0;
    if (sent && ignored)
        return;
    fault_reset(signal);
    if (sent)
        raise(signal);
}

static void fault_call(struct sigaction *previous, int signal, siginfo_t *info, void *context)
{
    sigset_t mask = previous->sa_mask, before;
    int flags = previous->sa_flags;
    void (*plain)(int) = previous->sa_handler;
    void (*full)(int, siginfo_t *, void *) = previous->sa_sigaction;
    if (((unsigned)flags & (unsigned)SA_RESETHAND) != 0) {
        previous->sa_handler = SIG_DFL;
        previous->sa_flags = 0;
    }
    pthread_sigmask(SIG_BLOCK, &mask, &before);
    if ((flags & SA_NODEFER) != 0 && sigismember(&mask, signal) == 0) {
        sigset_t own;
        sigemptyset(&own);
        sigaddset(&own, signal);
        pthread_sigmask(SIG_UNBLOCK, &own, NULL);
    }
    if ((flags & SA_SIGINFO) != 0)
        full(signal, info, context);
    else
        plain(signal);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void fault_pass_on(int signal, siginfo_t *info, void *context)
{
    struct fault_chain *chain = &fault_chains[signal == SIGSEGV ? 0 : 1];
    struct sigaction *previous = &chain->previous;
    bool full = (previous->sa_flags & SA_SIGINFO) != 0;
    if (!full && (previous->sa_handler == SIG_DFL || previous->sa_handler == SIG_IGN))
        fault_default(signal, info, previous->sa_handler == SIG_IGN);
    else
        fault_call(previous, signal, info, context);
}

/* The thread's own stack has the system's gap below it, not a guard of ours. */
static bool fault_below_own_stack(const void *address)
{
    uintptr_t at = (uintptr_t)address, low = fault_mine.own_low;
    return low > FAULT_GAP && at >= low - FAULT_GAP && at < low + FAULT_GAP_ABOVE;
}

static bool fault_take(const siginfo_t *info, ucontext_t *context)
{
    isle__overflow_handler *on_overflow =
        atomic_load_explicit(&fault_on_overflow, memory_order_acquire);
    void (*resume)(void) = NULL;
    if (on_overflow == NULL || info->si_code <= 0 || fault_mine.base == NULL ||
        (!isle__stack_guard_contains(info->si_addr) && !fault_below_own_stack(info->si_addr)))
        return false;
    bool in_system_code = !isle__code_is_programs(isle__machine_pc(context));
    if (!on_overflow(info->si_addr, in_system_code, &resume))
        return false;
    fault_tell_diverted();
    isle__machine_divert(context, fault_mine.base + fault_mine.size, resume);
    return true;
}

static void fault_handle(int signal, siginfo_t *info, void *context)
{
    int error_number = errno;
    bool taken = fault_take(info, context);
    errno = error_number;
    if (!taken)
        fault_pass_on(signal, info, context);
}

static bool fault_is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) != 0 && action->sa_sigaction == fault_handle;
}

static bool fault_chain_install(struct fault_chain *chain)
{
    struct sigaction ours;
    if (chain->installed)
        return true;
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = fault_handle;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&ours.sa_mask);
    if (sigaction(chain->signal, NULL, &chain->previous) != 0 ||
        sigaction(chain->signal, &ours, NULL) != 0)
        return false;
    chain->installed = true;
    return true;
}

static void fault_chain_remove(struct fault_chain *chain)
{
    struct sigaction now;
    if (!chain->installed || sigaction(chain->signal, NULL, &now) != 0 || !fault_is_ours(&now))
        return;
    sigaction(chain->signal, &chain->previous, NULL);
    chain->installed = false;
}

static void fault_remove_all(void)
{
    atomic_store_explicit(&fault_on_overflow, NULL, memory_order_release);
    for (size_t i = 0; i < sizeof fault_chains / sizeof fault_chains[0]; i++)
        fault_chain_remove(&fault_chains[i]);
}

isle_err isle__fault_install(isle__overflow_handler *on_overflow)
{
    if (!ISLE__CAN_DIVERT)
        return ISLE_EUNSUPPORTED;
    pthread_mutex_lock(&fault_lock);
    isle_err err = ISLE_OK;
    isle__code_look();
    for (size_t i = 0; i < sizeof fault_chains / sizeof fault_chains[0]; i++)
        if (!fault_chain_install(&fault_chains[i]))
            err = ISLE_ESYSTEM;
    if (err == ISLE_OK)
        atomic_store_explicit(&fault_on_overflow, on_overflow, memory_order_release);
    else
        fault_remove_all();
    pthread_mutex_unlock(&fault_lock);
    return err;
}

void isle__fault_remove(void)
{
    pthread_mutex_lock(&fault_lock);
    fault_remove_all();
    pthread_mutex_unlock(&fault_lock);
}

/* A thread that gets no memory here goes on: its overflows are then chained like any other fault.
 */
static uintptr_t fault_own_low(void)
{
    pthread_attr_t attributes;
    void *low = NULL;
    size_t size;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return 0;
    if (pthread_attr_getstack(&attributes, &low, &size) != 0)
        low = NULL;
    pthread_attr_destroy(&attributes);
    return (uintptr_t)low;
}

void isle__fault_thread_init(void)
{
    size_t page = 4096 * 16; /* of any kernel */
    size_t alternate =
        ((size_t)getauxval(AT_MINSIGSTKSZ) + FAULT_ALTERNATE_ROOM + page - 1) & ~(page - 1);
    size_t size = page + alternate + FAULT_EMERGENCY_SIZE;
    if (fault_mine.base != NULL)
        return;
    unsigned char *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (base == MAP_FAILED)
        return;
    mprotect(base, page, PROT_NONE);
    fault_mine.alternate = (stack_t){.ss_sp = base + page, .ss_size = alternate};
    if (sigaltstack(&fault_mine.alternate, &fault_mine.former) != 0) {
        munmap(base, size);
        return;
    }
    fault_mine.size = size;
    fault_mine.own_low = fault_own_low();
    atomic_signal_fence(memory_order_release); /* the handler on this thread looks at `base` */
    fault_mine.base = base;
}

void isle__fault_thread_fini(void)
{
    stack_t now;
    unsigned char *base = fault_mine.base;
    if (base == NULL)
        return;
    fault_mine.base = NULL;
    atomic_signal_fence(memory_order_release);
    /* Somebody else's alternate stack, set over ours, stays. */
    if (sigaltstack(NULL, &now) == 0 && now.ss_sp == fault_mine.alternate.ss_sp)
        sigaltstack(&fault_mine.former, NULL);
    munmap(base, fault_mine.size);
}
