/* SPDX-License-Identifier: Apache-2.0 */
/* Catching by setjmp. The jump may come from an emergency stack, whose addresses say nothing about
 * nesting, so the checked longjmp of a fortified build, which compares them, must not be used here.
 * The signal mask is not saved: nothing between run and jump changes it. */
#undef _FORTIFY_SOURCE
#include "platform/linux/linux.h"

#include <setjmp.h>

_Static_assert(sizeof(jmp_buf) <= ISLE__CATCH_SIZE, "ISLE__CATCH_SIZE holds a jmp_buf");

ISLE__OPAQUE bool isle__catch_run(struct isle__catch_buffer *buffer, void (*fn)(void *argument),
                                  void *argument)
{
    if (_setjmp(*(jmp_buf *)(void *)buffer->bytes) != 0) {
#if ISLE__ASAN
        isle__fault_jumped_back();
#endif
        return true;
    }
    fn(argument);
    return false;
}

void isle__catch_jump(struct isle__catch_buffer *buffer)
{
    longjmp(*(jmp_buf *)(void *)buffer->bytes, 1);
}
