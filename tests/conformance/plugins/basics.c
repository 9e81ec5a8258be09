/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in of the conformance suite: entries that the tests of uri.c name after the "#". The entry
 * takes the arguments of the spawn and its message; what it returns nobody reads. */
#include <signal.h>
#include <string.h>

#include "isle.h"

isle_value reply(isle_value args, isle_value message);
isle_value send_fifty(isle_value args, isle_value message);
isle_value fail_at_once(isle_value args, isle_value message);
isle_value obey_commands(isle_value args, isle_value message);
isle_value return_at_once(isle_value args, isle_value message);
isle_value schedule_microtask(isle_value args, isle_value message);
isle_value start_timer(isle_value args, isle_value message);
isle_value call_function(isle_value args, isle_value message);
isle_value echo_object(isle_value args, isle_value message);
isle_value send_object(isle_value args, isle_value message);
isle_value send_content(isle_value args, isle_value message);
isle_value echo_once(isle_value args, isle_value message);
isle_value count_up(isle_value args, isle_value message);
isle_value count_requests(isle_value args, isle_value message);
isle_value descend(isle_value args, isle_value message);
isle_value double_numbers(isle_value args, isle_value message);

isle_value reply(isle_value args, isle_value message)
{
    const char *greeting = isle_as_string(isle_list_get(args, 0));

    isle_send(isle_as_port(message), isle_stringf("re: %s from %s", greeting, isle_debug_name()));
    return isle_null();
}

isle_value send_fifty(isle_value args, isle_value message)
{
    (void)args;
    isle_send(isle_as_port(message), isle_int(50));
    return isle_null();
}

isle_value fail_at_once(isle_value args, isle_value message)
{
    (void)message;
    isle_throwf("%s", isle_as_string(isle_list_get(args, 0)));
}

/* 0 answers 42; 1 throws "whoops"; 2 throws a range error; anything else closes the port. */
static void command_handler(isle_value command, void *context)
{
    const isle_send_port *to = context;

    switch (isle_as_int(command)) {
    case 0:
        isle_send(*to, isle_int(42));
        break;
    case 1:
        isle_throwf("whoops");
    case 2:
        isle_throw(isle_error(ISLE_ERANGE, "37 is out of range", NULL));
    default:
        isle_port_close(isle_default_port());
    }
}

isle_value obey_commands(isle_value args, isle_value message)
{
    isle_send_port *to = isle_new(isle_send_port);

    (void)args;
    *to = isle_as_port(message);
    isle_port_listen(isle_default_port(), command_handler, to);
    return isle_null();
}

static void nothing_to_do(void *context)
{
    (void)context;
}

isle_value return_at_once(isle_value args, isle_value message)
{
    (void)args;
    return message;
}

isle_value schedule_microtask(isle_value args, isle_value message)
{
    (void)args;
    isle_schedule_microtask(nothing_to_do, NULL);
    return message;
}

isle_value start_timer(isle_value args, isle_value message)
{
    (void)args;
    isle_timer_start(0, nothing_to_do, NULL);
    return message;
}

/* The message is [function, port]; its result goes to the port. */
isle_value call_function(isle_value args, isle_value message)
{
    isle_function *function = isle_as_function(isle_list_get(message, 0));
    isle_send_port to = isle_as_port(isle_list_get(message, 1));

    (void)args;
    isle_send(to, isle_int(((int64_t(*)(void))function)()));
    return isle_null();
}

/* A type of this plug-in's own. */
struct eleven {
    int64_t field;
};
ISLE_TYPE(eleven_type, struct eleven, ISLE_FIELD(struct eleven, field));

static isle_value read_as_eleven(isle_value object)
{
    isle_as_object(object, &eleven_type);
    return isle_null();
}

/* The message is [object, port]; answers [code of reading it as this plug-in's type, object]. */
isle_value echo_object(isle_value args, isle_value message)
{
    isle_value object = isle_list_get(message, 0);
    isle_err err = isle_try(read_as_eleven, object, NULL);

    (void)args;
    isle_send(isle_as_port(isle_list_get(message, 1)), isle_pack("[i,o]", err, object));
    return isle_null();
}

/* Sends an object of its own and waits to be told that it was looked at. */
isle_value send_object(isle_value args, isle_value message)
{
    struct eleven eleven = {.field = 11};

    (void)args;
    isle_send_object(isle_as_port(message), &eleven_type, &eleven);
    isle_port_receive(isle_default_port());
    isle_port_close(isle_default_port());
    return isle_null();
}

/* Nested lists and maps, made here. */
isle_value send_content(isle_value args, isle_value message)
{
    isle_value rows = isle_pack("[[i,i,i],[i,i,i],[i,i,i]]", 1, 2, 3, 4, 5, 6, 7, 8, 9);
    isle_value outer = isle_map(), inner;

    (void)args;
    for (int i = 0; i < 3; i++) {
        inner = isle_map();
        for (int j = 0; j < 3; j++)
            isle_map_put(inner, isle_int(j), isle_stringf("%d-%d", i, j));
        isle_map_put(outer, isle_int(i), inner);
    }
    isle_send(isle_as_port(message), isle_pack("[o,o]", rows, outer));
    return isle_null();
}

/* The message is [value, port]; the value goes back. */
isle_value echo_once(isle_value args, isle_value message)
{
    (void)args;
    isle_send(isle_as_port(isle_list_get(message, 1)), isle_list_get(message, 0));
    return isle_null();
}

/* A global of the plug-in: every isolate has its own. */
static int64_t counter;

isle_value count_up(isle_value args, isle_value message)
{
    (void)args;
    counter++;
    isle_send(isle_as_port(message), isle_int(counter));
    return isle_null();
}

static isle_value counter_answer(isle_value request, void *context)
{
    (void)context;
    counter += isle_as_int(request);
    return isle_int(counter);
}

/* Adds up what it is asked, until null comes. */
isle_value count_requests(isle_value args, isle_value message)
{
    (void)args, (void)message;
    isle_port_serve(isle_default_port(), counter_answer, NULL);
    return isle_null();
}

static int descend_below(volatile char *above)
{
    volatile char block[4096];

    block[0] = above[0];
    return above[0] == 127 ? 0 : descend_below(block) + block[0];
}

/* Never returns: its stack ends first. */
isle_value descend(isle_value args, isle_value message)
{
    volatile char first[1] = {0};

    (void)args, (void)message;
    return isle_int(descend_below(first));
}

/* What a pool of guarantees/pools has for its work. */
static isle_value double_number(isle_value number, void *context)
{
    const char *what;

    (void)context;
    if (isle_get_string(number, &what, NULL) && strcmp(what, "crash") == 0)
        (void)raise(SIGSEGV);
    return isle_int(2 * isle_as_int(number));
}

isle_value double_numbers(isle_value args, isle_value message)
{
    (void)args, (void)message;
    isle_port_serve(isle_default_port(), double_number, NULL);
    return isle_null();
}
