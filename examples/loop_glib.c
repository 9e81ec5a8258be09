/* SPDX-License-Identifier: Apache-2.0 */
/* Isle in GLib's loop, and so in every GTK program: the runtime's descriptor is a watch of the main
 * context. A GLib timeout ticks first, then an isolate crunches. */
#include <glib-unix.h>
#include <inttypes.h>
#include <isle.h>
#include <stdlib.h>

static isle_value crunch(isle_value argument)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < isle_as_int(argument); i++)
        sum += i;
    return isle_int(sum);
}

static void show(isle_value sum, void *context)
{
    printf("sum %" PRId64 "\n", isle_as_int(sum));
    g_main_loop_quit(context);
}

static void fail(isle_value error, void *context)
{
    printf("%s\n", isle_error_text(error));
    g_main_loop_quit(context);
}

static gboolean on_timeout(gpointer loop)
{
    puts("a tick of GLib");
    isle_then(isle_run(crunch, isle_int(1000000), NULL), show, fail, loop);
    return G_SOURCE_REMOVE;
}

static gboolean on_isle(gint fd, GIOCondition condition, gpointer loop)
{
    (void)fd, (void)condition;
    if (isle_dispatch())
        return G_SOURCE_CONTINUE;
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

int main(int argc, char **argv)
{
    isle_err err = isle_start(argc, argv, NULL);
    if (err != ISLE_OK) {
        fprintf(stderr, "isle: %s\n", isle_err_text(err));
        return EXIT_FAILURE;
    }
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    guint watch = g_unix_fd_add(isle_loop_fd(), G_IO_IN, on_isle, loop);
    g_timeout_add(1, on_timeout, loop);

    g_main_loop_run(loop);
    g_source_remove(watch);
    g_main_loop_unref(loop);
    isle_stop();
    return EXIT_SUCCESS;
}
