/* SPDX-License-Identifier: Apache-2.0 */
/* Code at a path for zygote.c. Its constructor may do what a stranger's might. */
#include <stdlib.h>
#include <unistd.h>

int zygote_plugin_entry(void);

#if defined(ZYGOTE_PLUGIN_ABORTS)
__attribute__((constructor)) static void plugin_begins(void)
{
    abort();
}
#elif defined(ZYGOTE_PLUGIN_HANGS)
__attribute__((constructor)) static void plugin_begins(void)
{
    for (;;)
        pause();
}
#elif defined(ZYGOTE_PLUGIN_ATTACKS)
#include <fcntl.h>
#include <sys/syscall.h>
static int plugin_opened = -1;
__attribute__((constructor)) static void plugin_begins(void)
{
    plugin_opened = open("/etc/passwd", O_RDONLY);
    if (plugin_opened < 0)
        plugin_opened = open("/proc/self/mem", O_RDWR);
}
#endif

static int plugin_answer = 42;

int zygote_plugin_entry(void)
{
#if defined(ZYGOTE_PLUGIN_ATTACKS)
    if (plugin_opened >= 0)
        return plugin_opened;
#endif
    return plugin_answer++;
}
