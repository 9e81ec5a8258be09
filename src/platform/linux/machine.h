/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a signal's ucontext that the fault handler reads and edits, per processor. */
#ifndef ISLE_PLATFORM_MACHINE_H
#define ISLE_PLATFORM_MACHINE_H

#include <stdint.h>
#include <ucontext.h>

#if defined(__x86_64__)
#define ISLE__CAN_DIVERT 1

static inline uintptr_t isle__machine_pc(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
}

/* The interrupted thread goes on as if `fn` had been called with an empty stack below `top`, which
 * is 16-byte aligned. */
static inline void isle__machine_divert(ucontext_t *context, unsigned char *top, void (*fn)(void))
{
    uintptr_t *return_address = (uintptr_t *)(void *)(top - sizeof(uintptr_t));
    *return_address = 0;
    context->uc_mcontext.gregs[REG_RSP] = (greg_t)(uintptr_t)return_address;
    context->uc_mcontext.gregs[REG_RBP] = 0;
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)fn;
    context->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)0x400; /* the direction flag */
}

#elif defined(__aarch64__)
#define ISLE__CAN_DIVERT 1

static inline uintptr_t isle__machine_pc(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.pc;
}

static inline void isle__machine_divert(ucontext_t *context, unsigned char *top, void (*fn)(void))
{
    context->uc_mcontext.sp = (uintptr_t)top;
    context->uc_mcontext.regs[29] = 0;
    context->uc_mcontext.regs[30] = 0;
    context->uc_mcontext.pc = (uintptr_t)fn;
}

#else
#define ISLE__CAN_DIVERT 0

static inline uintptr_t isle__machine_pc(const ucontext_t *context)
{
    (void)context;
    return 0;
}

static inline void isle__machine_divert(ucontext_t *context, unsigned char *top, void (*fn)(void))
{
    (void)context;
    (void)top;
    (void)fn;
}
#endif

#endif
