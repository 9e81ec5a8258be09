/* SPDX-License-Identifier: Apache-2.0 */
/* A supervisor in a page: the child's end comes to a port, with the reason before it, and a child
 * that failed is started again, a few times at most; one that ended well is not. */
#include <isle.h>

enum { RESTARTS_MAX = 3 };

/* Ends well at the third attempt. */
static void child(isle_value attempt)
{
    if (isle_as_int(attempt) < 3)
        isle_throwf("attempt %d failed", (int)isle_as_int(attempt));
    puts("child: done");
}

/* One life of the child; true if it ended well. Last error, then exit: so one port has both. */
static bool live(isle_entry *entry, int64_t attempt)
{
    isle_receive_port *ends = isle_port_open();
    isle_send_port to = isle_port_send_port(ends);
    isle_spawn(entry, isle_int(attempt), &(isle_options){.on_error = to, .on_exit = to});
    isle_value notice = isle_port_receive(ends);
    bool well = isle_is_null(notice);
    if (!well) {
        printf("supervisor: %s\n", isle_as_string(isle_list_get(notice, 0)));
        (void)isle_port_receive(ends); /* now all that it held is returned */
    }
    isle_port_close(ends);
    return well;
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (int64_t attempt = 1; attempt <= 1 + RESTARTS_MAX; attempt++) {
        ISLE_SCOPE;
        if (live(child, attempt))
            return 0;
        isle_sleep(ISLE_MS(1) << attempt); /* the longer, the more often it failed */
    }
    puts("supervisor: given up");
    return 1;
}

ISLE_MAIN(app);
