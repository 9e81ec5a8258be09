/* SPDX-License-Identifier: Apache-2.0 */
/* A supervision tree that reads like a specification. The clerk fails twice and then ends well, so
 * it is started three times; the archive below it never notices. At the end all are asked to end,
 * the last one first. */
#include <isle.h>

static isle_options watched; /* .on_error: the root prints what failed */

/* --- the clerk: fails at the first two attempts */

ISLE_LOCAL(int64_t, attempts); /* the supervisor's, which makes the message of each start */

static isle_value next_attempt(void)
{
    return isle_int(++*attempts());
}

static void clerk(isle_value attempt)
{
    if (isle_as_int(attempt) < 3)
        isle_throwf("attempt %d failed", (int)isle_as_int(attempt));
}

/* --- the archive: adds up what it is given */

ISLE_LOCAL(int64_t, sum);

static isle_value add(isle_value number, void *context)
{
    (void)context;
    return isle_int(*sum() += isle_as_int(number));
}

static void ledger(isle_value unused)
{
    (void)unused;
    isle_port_serve(isle_default_port(), add, NULL);
}

/* --- the specification */

static const isle_supervision archive = {
    .strategy = ISLE_ONE_FOR_ALL,
    .children =
        (const isle_child[]){
            {.name = "ledger", .entry = ledger, .restart = ISLE_PERMANENT},
            {0},
        },
};

static const isle_supervision shop = {
    .strategy = ISLE_ONE_FOR_ONE,
    .restart_max = 3,
    .restart_window_ns = ISLE_SECONDS(10),
    .backoff_ns = ISLE_MS(5),
    .children =
        (const isle_child[]){
            {.name = "archive", .supervision = &archive},
            {.name = "clerk",
             .entry = clerk,
             .message = next_attempt,
             .restart = ISLE_TRANSIENT,
             .shutdown_ns = ISLE_SECONDS(1),
             .options = &watched},
            {0},
        },
};

/* --- */

static isle_child_info child(isle_isolate supervisor, size_t index)
{
    return isle_as_child_info(
        isle_list_get(isle_await(isle_supervisor_children(supervisor)), index));
}

static void on_error(isle_value notice, void *context)
{
    (void)context;
    printf("clerk: %s\n", isle_as_string(isle_list_get(notice, 0)));
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_receive_port *errors = isle_port_open(), *changes = isle_port_open(),
                      *ends = isle_port_open();
    isle_port_listen(errors, on_error, NULL);
    watched.on_error = isle_port_send_port(errors);

    isle_isolate supervisor = isle_supervise(&shop, "shop");
    isle_monitor(supervisor, isle_port_send_port(ends));
    isle_await(isle_supervisor_watch(supervisor, isle_port_send_port(changes)));
    while (child(supervisor, 1).state != ISLE_CHILD_ENDED ||
           child(supervisor, 1).reason != ISLE_RETURNED)
        (void)isle_port_receive(changes);
    printf("clerk: %s after %d restarts\n", isle_reason_text(child(supervisor, 1).reason),
           (int)child(supervisor, 1).restarts);

    isle_isolate below = child(supervisor, 0).isolate; /* it may be asked, and no more */
    isle_send_port to = child(below, 0).isolate.default_port;
    for (int64_t i = 1; i <= 3; i++) {
        isle_value total = isle_await(isle_call(to, isle_int(i), ISLE_SECONDS(10)));
        printf("ledger: %d\n", (int)isle_as_int(total));
    }

    isle_shutdown(supervisor);
    printf("shop: %s\n", isle_reason_text(isle_as_end(isle_port_receive(ends)).reason));
    isle_port_close(errors);
    isle_port_close(changes);
    isle_port_close(ends);
    return 0;
}

ISLE_MAIN(app);
