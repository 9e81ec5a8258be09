/* SPDX-License-Identifier: Apache-2.0 */
/* A worker that fails is told, and started again, three times at most. */
#include <isle.h>

static isle_value parse(isle_value text)
{
    return isle_int(isle_as_int(text)); /* a string is no int: throws ISLE_ETYPE */
}

static void fragile(isle_value attempt)
{
    isle_value number;
    if (isle_try(parse, isle_string("7"), &number) ==
        ISLE_ETYPE) /* taken here, the isolate goes on … */
        printf("%s\n", isle_error_text(isle_last_error()));
    /* … but nobody takes this one */
    isle_throwf("attempt %lld failed", (long long)isle_as_int(attempt));
}

static void start(isle_receive_port *errors, isle_receive_port *exits, int attempt)
{
    isle_options options = {
        .debug_name = "fragile",
        .on_error = isle_port_send_port(errors),
        .on_exit = isle_port_send_port(exits),
    };
    isle_isolate isolate;
    if (isle_try_spawn(fragile, isle_int(attempt), &options, &isolate) != ISLE_OK)
        fprintf(stderr, "cannot start: %s\n", isle_error_text(isle_last_error()));
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_receive_port *errors = isle_port_open();
    isle_receive_port *exits = isle_port_open();

    for (int attempt = 1; attempt <= 3; attempt++) {
        ISLE_SCOPE;
        isle_value error;
        start(errors, exits, attempt);
        if (isle_port_try_receive(exits, ISLE_SECONDS(5), &error) != ISLE_OK)
            isle_throwf("neither alive nor dead");
        if (isle_port_try_receive(errors, 0, &error) ==
            ISLE_OK) /* an error comes before its exit */
            printf("fragile: %s\n", isle_as_string(isle_list_get(error, 0)));
    }
    isle_port_close(errors);
    isle_port_close(exits);
    return 0;
}

ISLE_MAIN(app);
