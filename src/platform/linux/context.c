/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts: the bare switch, with errno carried along and the sanitizers told.
 *
 * Law: a flow may come back on another thread than it left, so nothing here holds the address of a
 * thread-local over a switch; errno is read and written by opaque functions. What runs between an
 * announcement and its switch must not be instrumented. */
#include "platform/linux/linux.h"

#include <errno.h>
#include <pthread.h>

#if ISLE__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if ISLE__TSAN
#include <sanitizer/tsan_interface.h>
#define CONTEXT_UNSEEN __attribute__((no_sanitize("thread")))
#else
#define CONTEXT_UNSEEN
#endif

/* Lies at the top of a new stack until its first switch. */
struct context_birth {
    void (*entry)(void *argument);
    void *argument;
};

#if ISLE__TSAN
_Atomic unsigned isle__context_fibers;
#endif

/* The lowest bit of `fiber` says that it is a thread's own, not to be destroyed. */
#define CONTEXT_THREAD_FIBER ((uintptr_t)1)

ISLE__OPAQUE static int context_errno(void)
{
    return errno;
}

ISLE__OPAQUE static void context_set_errno(int error_number)
{
    errno = error_number;
}

void isle__context_init_thread(struct isle__context *context)
{
    *context = (struct isle__context){0};
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        void *low;
        if (pthread_attr_getstack(&attributes, &low, &context->size) == 0)
            context->low = low;
        pthread_attr_destroy(&attributes);
    }
#if ISLE__TSAN
    context->fiber = (void *)((uintptr_t)__tsan_get_current_fiber() | CONTEXT_THREAD_FIBER);
#endif
}

CONTEXT_UNSEEN static void context_begin(void *argument)
{
    struct context_birth birth = *(struct context_birth *)argument;
#if ISLE__ASAN
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
    birth.entry(birth.argument);
    isle__die("isle: the entry of a context returned");
}

void isle__context_init(struct isle__context *context, struct isle__stack stack,
                        void (*entry)(void *argument), void *argument)
{
    size_t size = (stack.size - sizeof(struct context_birth)) & ~(size_t)15;
    struct context_birth *birth = (void *)((unsigned char *)stack.low + size);
#if ISLE__ASAN
    __asan_unpoison_memory_region(stack.low,
                                  stack.size); /* frames of its last use, never returned from */
#endif
    birth->entry = entry;
    birth->argument = argument;
    *context = (struct isle__context){.low = stack.low, .size = stack.size};
    context->sp = isle__switch_make(stack.low, size, context_begin, birth);
#if ISLE__TSAN
    context->fiber = __tsan_create_fiber(0);
    isle__context_fibers++;
#endif
}

CONTEXT_UNSEEN static void context_swap(struct isle__context *from, struct isle__context *to,
                                        void **ret_fake_stack)
{
    from->error_number = context_errno();
#if ISLE__ASAN
    isle__fault_switched_away();
    __sanitizer_start_switch_fiber(ret_fake_stack, to->low, to->size);
#else
    (void)ret_fake_stack;
#endif
#if ISLE__TSAN
    __tsan_switch_to_fiber((void *)((uintptr_t)to->fiber & ~CONTEXT_THREAD_FIBER), 0);
#endif
    isle__switch_swap(&from->sp, to->sp);
#if ISLE__ASAN
    __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
    context_set_errno(from->error_number);
}

CONTEXT_UNSEEN void isle__context_switch(struct isle__context *from, struct isle__context *to)
{
    context_swap(from, to, &from->fake_stack);
}

CONTEXT_UNSEEN void isle__context_leave(struct isle__context *from, struct isle__context *to)
{
    context_swap(from, to, NULL);
}

void isle__context_forked(struct isle__context *context)
{
#if ISLE__TSAN
    context->fiber = __tsan_create_fiber(0); /* of the former it says that its thread has ended */
    isle__context_fibers = 1;
#else
    (void)context;
#endif
}

void isle__context_fini(struct isle__context *context)
{
#if ISLE__TSAN
    if (context->fiber != NULL && ((uintptr_t)context->fiber & CONTEXT_THREAD_FIBER) == 0) {
        __tsan_destroy_fiber(context->fiber);
        isle__context_fibers--;
    }
#endif
    *context = (struct isle__context){0};
}
