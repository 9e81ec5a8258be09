/* SPDX-License-Identifier: Apache-2.0 */
/* The process: what this system has, time, chance, last words. */
#include "platform/platform.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool isle__platform_has(enum isle__feature feature)
{
    (void)feature; /* one thread, one stack, no descriptor that can be waited for, no shared objects
                    */
    return false;
}

const char *isle__environment(const char *name)
{
    return getenv(name);
}

int64_t isle__clock_now(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        isle__die("isle: no monotonic clock");
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void isle__random_fill(void *memory, size_t size)
{
    unsigned char *at = memory;
    while (size > 0) {
        size_t part = size < 256 ? size : 256; /* getentropy gives no more at once */
        if (getentropy(at, part) != 0)
            isle__die("isle: no random bytes from the host");
        at += part;
        size -= part;
    }
}

/* Nothing forks here. */
void isle__fork_watch(void (*child)(void))
{
    (void)child;
}

static void process_write(const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(STDERR_FILENO, text, size);
        if (written <= 0)
            return;
        text += written;
        size -= (size_t)written;
    }
}

unsigned isle__threads_of_tools(void)
{
    return 0;
}

void isle__report(const char *text)
{
    process_write(text, strlen(text));
    process_write("\n", 1);
}

void isle__die(const char *text)
{
    isle__report(text);
    abort();
}

void isle__exit_now(int status)
{
    _Exit(status);
}
