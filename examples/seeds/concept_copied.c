/* SPDX-License-Identifier: Apache-2.0 */
/* Each message is copied when it is sent: neither side sees what the other does with its own
 * afterwards. */
#include <isle.h>

static void print_list(const char *who, isle_value list)
{
    printf("%s: %s\n", who, isle_as_string(isle_json(list)));
}

static isle_value change(isle_value list, void *context)
{
    (void)context;
    print_list("arrived", list); /* as it was at the send, not as it has become since */
    isle_list_add(list, isle_int(3));
    print_list("changed there", list);
    return isle_null();
}

static void changer(isle_value unused)
{
    (void)unused;
    isle_port_serve(isle_default_port(), change, NULL);
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_isolate isolate = isle_spawn(changer, isle_null(), &(isle_options){.paused = true});
    isle_value list = isle_pack("[i,i]", 1, 2);
    isle_future *done = isle_call(isolate.default_port, list, ISLE_SECONDS(10));
    isle_list_set(list, 0, isle_int(100)); /* after the send, before the receiver has run at all */
    isle_resume(isolate, isolate.pause_capability);
    isle_await(done);
    print_list("still here", list);
    return 0;
}

ISLE_MAIN(app);
