/* SPDX-License-Identifier: Apache-2.0 */
/* Catching by the host's exceptions: WebAssembly has no setjmp, but the host, which sits between
 * the caller and the called, can throw through our frames.
 *
 * The host calls back through the exported function table. A buffer's address is the identity of a
 * catch: a jump to an outer buffer passes the inner catches. The host sets __stack_pointer, which
 * it must be able to see, to what it was when the catch began. See host.mjs. */
#include "platform/platform.h"

struct catch_call {
    void (*fn)(void *argument);
    void *argument;
};

/* Calls fn(argument); 1: a jump to `argument`, which is the buffer, ended it. */
__attribute__((import_module("isle_host"), import_name("catch"))) int32_t
isle__host_catch(void (*fn)(void *argument), void *argument);
__attribute__((import_module("isle_host"), import_name("jump"), noreturn)) void
isle__host_jump(void *buffer);

static void catch_call(void *argument)
{
    const struct catch_call *call = argument;
    call->fn(call->argument);
}

bool isle__catch_run(struct isle__catch_buffer *buffer, void (*fn)(void *argument), void *argument)
{
    struct catch_call *call = (struct catch_call *)(void *)buffer->bytes;
    *call = (struct catch_call){fn, argument};
    return isle__host_catch(catch_call, buffer) != 0;
}

void isle__catch_jump(struct isle__catch_buffer *buffer)
{
    isle__host_jump(buffer);
}
