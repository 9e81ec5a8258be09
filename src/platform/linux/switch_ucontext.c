/* SPDX-License-Identifier: Apache-2.0 */
/* The switch between stacks by the C library's ucontext: for processors that have no assembly here,
 * and to test the rest of the layer without it. Every switch costs a system call for the signal
 * mask. A flow's saved place is the address of a ucontext_t on its own stack. */
#include "platform/linux/linux.h"

#include <string.h>
#include <ucontext.h>

struct switch_birth {
    ucontext_t context;
    void (*begin)(void *argument);
    void *argument;
};

/* makecontext passes ints, so the pointer travels in halves. */
static void switch_begin(unsigned high, unsigned low)
{
    struct switch_birth *birth = (void *)(uintptr_t)((uint64_t)high << 32 | low);
    birth->begin(birth->argument);
}

void *isle__switch_make(void *low, size_t size, void (*begin)(void *argument), void *argument)
{
    size_t offset = (size - sizeof(struct switch_birth)) & ~(size_t)63;
    struct switch_birth *birth = (void *)((unsigned char *)low + offset);
    memset(birth, 0, sizeof *birth);
    if (getcontext(&birth->context) != 0)
        isle__die("isle: getcontext failed");
    birth->begin = begin;
    birth->argument = argument;
    birth->context.uc_stack.ss_sp = low;
    birth->context.uc_stack.ss_size = offset;
    uint64_t address = (uintptr_t)birth;
    makecontext(&birth->context, (void (*)(void))switch_begin, 2, (unsigned)(address >> 32),
                (unsigned)address);
    return &birth->context;
}

void isle__switch_swap(void **save_sp, void *to_sp)
{
    ucontext_t here;
    *save_sp = &here;
    if (swapcontext(&here, to_sp) != 0)
        isle__die("isle: swapcontext failed");
}
