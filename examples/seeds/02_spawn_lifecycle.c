/* SPDX-License-Identifier: Apache-2.0 */
/* What the first document says of spawn beyond its listing: messages both ways, error handling, and
 * an end that the spawner is responsible for. A doubling isolate is asked twice, fed with something
 * that it cannot double, asked again, and killed. */
#include <inttypes.h>
#include <isle.h>

static isle_value twice(isle_value number, void *context)
{
    (void)context;
    return isle_int(2 * isle_as_int(number));
}

static void doubler(isle_value unused)
{
    (void)unused;
    isle_port_serve(isle_default_port(), twice, NULL);
}

static void ask(isle_send_port port, isle_value question)
{
    isle_value answer;
    if (isle_try_await(isle_call(port, question, ISLE_SECONDS(10)), ISLE_FOREVER, &answer) ==
        ISLE_OK)
        printf("Result: %" PRId64 "\n", isle_as_int(answer));
    else
        printf("Error: %s\n", isle_err_name(isle_error_code(isle_last_error())));
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_receive_port *exits = isle_port_open();
    isle_options options = {.debug_name = "doubler", .on_exit = isle_port_send_port(exits)};
    isle_isolate isolate = isle_spawn(doubler, isle_null(), &options);

    ask(isolate.default_port, isle_int(21));
    ask(isolate.default_port, isle_string("twenty-one"));
    ask(isolate.default_port, isle_int(4));

    isle_kill(isolate, ISLE_IMMEDIATE);
    isle_port_receive(exits);
    puts("The isolate has ended.");
    isle_port_close(exits);
    return 0;
}

ISLE_MAIN(app);
