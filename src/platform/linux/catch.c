/* SPDX-License-Identifier: Apache-2.0 */
/* Catching: by assembly where there is some (catch_*.S), else by setjmp. The jump may come from an
 * emergency stack, whose addresses say nothing about nesting, so the checked longjmp of a fortified
 * build, which compares them, must not be used here. The signal mask is not saved: nothing between
 * run and jump changes it. The sanitizers must see the jump, so they get setjmp. */
#undef _FORTIFY_SOURCE
#include "platform/linux/linux.h"

#if defined(__x86_64__) && !ISLE__ASAN && !ISLE__TSAN

bool isle__catch_enter(void **ret_place, void (*fn)(void *argument), void *argument);
ISLE_NORETURN void isle__catch_land(void *place);

bool isle__catch_run(struct isle__catch_buffer *buffer, void (*fn)(void *argument), void *argument)
{
    return isle__catch_enter((void **)(void *)buffer->bytes, fn, argument);
}

void isle__catch_jump(struct isle__catch_buffer *buffer)
{
    isle__catch_land(*(void **)(void *)buffer->bytes);
}

#else

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

#endif
