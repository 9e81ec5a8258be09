/* SPDX-License-Identifier: Apache-2.0 */
/* What this system lacks, by the refusals that platform.h defines for it. What nobody can reach who
 * has asked isle__platform_has ends the program. */
#include "platform/platform.h"

#include <stdio.h>
#include <unistd.h>

isle_err isle__stack_alloc(size_t size, struct isle__stack *ret_stack)
{
    (void)size;
    (void)ret_stack;
    return ISLE_EUNSUPPORTED;
}

void isle__stack_free(struct isle__stack stack)
{
    (void)stack;
}

void isle__stacks_release(void)
{
}

void isle__stacks_be_lean(bool lean)
{
    (void)lean;
}

uint64_t isle__stacks_out(void)
{
    return 0;
}

void isle__context_init_thread(struct isle__context *context)
{
    *context = (struct isle__context){0};
}

void isle__context_init(struct isle__context *context, struct isle__stack stack,
                        void (*entry)(void *argument), void *argument)
{
    (void)context;
    (void)stack;
    (void)entry;
    (void)argument;
    isle__die("isle: a context was made where there are no stacks");
}

void isle__context_switch(struct isle__context *from, struct isle__context *to)
{
    (void)from;
    (void)to;
    isle__die("isle: a switch where there are no stacks");
}

void isle__context_leave(struct isle__context *from, struct isle__context *to)
{
    isle__context_switch(from, to);
}

void isle__context_forked(struct isle__context *context)
{
    (void)context;
}

void isle__context_fini(struct isle__context *context)
{
    *context = (struct isle__context){0};
}

isle_err isle__fault_install(isle__overflow_handler *on_overflow)
{
    (void)on_overflow;
    return ISLE_EUNSUPPORTED;
}

void isle__fault_remove(void)
{
}

void isle__fault_thread_init(void)
{
}

void isle__fault_thread_fini(void)
{
}

isle_err isle__poller_open(struct isle__poller **ret_poller)
{
    (void)ret_poller;
    return ISLE_EUNSUPPORTED;
}

isle_err isle__poller_open_plain(struct isle__poller **ret_poller)
{
    (void)ret_poller;
    return ISLE_EUNSUPPORTED;
}

isle_err isle__poller_forked(struct isle__poller *poller)
{
    (void)poller;
    return ISLE_EUNSUPPORTED;
}

void isle__poller_close(struct isle__poller *poller)
{
    (void)poller;
}

isle_err isle__poller_add(struct isle__poller *poller, int fd, unsigned events,
                          enum isle__poll_mode mode, uint64_t key)
{
    (void)poller;
    (void)fd;
    (void)events;
    (void)mode;
    (void)key;
    return ISLE_EUNSUPPORTED;
}

void isle__poller_remove(struct isle__poller *poller, int fd)
{
    (void)poller;
    (void)fd;
}

unsigned isle__poller_wait(struct isle__poller *poller, int64_t timeout_ns,
                           struct isle__poll_event *events, unsigned max)
{
    (void)poller;
    (void)timeout_ns;
    (void)events;
    (void)max;
    return 0;
}

void isle__poller_wake(struct isle__poller *poller)
{
    (void)poller;
}

int isle__notifier_open(void)
{
    return -1;
}

void isle__notifier_raise(int fd)
{
    (void)fd;
}

void isle__notifier_clear(int fd)
{
    (void)fd;
}

bool isle__notifier_wait(int fd, int64_t timeout_ns)
{
    (void)fd;
    (void)timeout_ns;
    return false;
}

isle_err isle__shared_make(size_t size, bool peer_writes, void **ret_memory, int *ret_fd)
{
    (void)size;
    (void)peer_writes;
    (void)ret_memory;
    (void)ret_fd;
    return ISLE_EUNSUPPORTED;
}

isle_err isle__shared_map(int fd, size_t size, bool writable, void **ret_memory)
{
    (void)fd;
    (void)size;
    (void)writable;
    (void)ret_memory;
    return ISLE_EUNSUPPORTED;
}

void isle__shared_unmap(void *memory, size_t size)
{
    (void)memory;
    (void)size;
}

void isle__fd_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

int isle__fd_duplicate(int fd)
{
    (void)fd;
    return -1;
}

isle_err isle__signal_watch(int signal, int fd)
{
    (void)signal;
    (void)fd;
    return ISLE_EUNSUPPORTED;
}

void isle__signal_unwatch(int signal)
{
    (void)signal;
}

isle_err isle__pipe_open(int ret_fds[2])
{
    (void)ret_fds;
    return ISLE_EUNSUPPORTED;
}

size_t isle__pipe_read(int fd, void *memory, size_t size)
{
    (void)fd;
    (void)memory;
    (void)size;
    return 0;
}

isle_err isle__library_open(const char *path, const char *symbol, void **ret_library,
                            void **ret_symbol, char *ret_text, size_t text_size)
{
    (void)symbol;
    (void)ret_library;
    (void)ret_symbol;
    snprintf(ret_text, text_size, "%s: shared objects cannot be loaded on this system", path);
    return ISLE_EUNSUPPORTED;
}

isle_err isle__library_check(const char *path, char *ret_text, size_t text_size)
{
    snprintf(ret_text, text_size, "%s: shared objects cannot be loaded on this system", path);
    return ISLE_EUNSUPPORTED;
}

void isle__library_close(void *library)
{
    (void)library;
}

void isle__image_settle(void)
{
}

bool isle__code_place(isle__code *code, struct isle__code_place *ret_place)
{
    (void)code;
    (void)ret_place;
    return false;
}

isle__code *isle__code_at(const struct isle__code_place *place)
{
    (void)place;
    return NULL;
}

bool isle__data_place(const void *data, struct isle__code_place *ret_place)
{
    (void)data, (void)ret_place;
    return false;
}

const void *isle__data_at(const struct isle__code_place *place)
{
    (void)place;
    return NULL;
}
