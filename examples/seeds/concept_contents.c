/* SPDX-License-Identifier: Apache-2.0 */
/* What a message can hold: null, numbers, booleans, strings, send ports, and lists and maps of any
 * of them, nested. One isolate gets one message of each and says what it got, the send port by
 * answering through it. */
#include <inttypes.h>
#include <isle.h>

static void tell(isle_value value)
{
    const char *kind = isle_kind_name(isle_kind_of(value));
    if (isle_kind_of(value) == ISLE_SEND_PORT) {
        printf("%s: ", kind);
        fflush(stdout);
        isle_send(isle_as_port(value), isle_string("it works"));
        return;
    }
    printf("%s: %s\n", kind, isle_as_string(isle_json(value)));
}

static void teller(isle_value message)
{
    isle_value key, value;
    for (size_t at = 0; isle_next(message, &at, &key, &value);)
        tell(value);
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_receive_port *answers = isle_port_open();
    isle_value contents = isle_list();
    isle_list_add(contents, isle_null());
    isle_list_add(contents, isle_int(-7));
    isle_list_add(contents, isle_int(INT64_MAX));
    isle_list_add(contents, isle_bool(true));
    isle_list_add(contents, isle_double(0.5));
    isle_list_add(contents, isle_string("grüß dich"));
    isle_list_add(contents, isle_pack("[i,s,[b,n]]", 1, "two", false));
    isle_list_add(contents, isle_pack("{s:i,s:{s:[f]}}", "a", 1, "b", "c", 2.5));
    isle_list_add(contents, isle_port_value(answers));

    isle_spawn(teller, contents, NULL);
    puts(isle_as_string(isle_port_receive(answers)));
    isle_port_close(answers);
    return 0;
}

ISLE_MAIN(app);
