/* SPDX-License-Identifier: Apache-2.0 */
/* Structured requests: packed here, checked there; a malformed request is an error reply, never
 * undefined behaviour. */
#include <isle.h>

static isle_value area(isle_value request, void *context)
{
    (void)context;
    const char *shape;
    double width, height = 1.0;

    isle_unpack(request, "{s:s, s:f, s?:f}", "shape", &shape, "width", &width, "height", &height);
    return isle_pack("{s:s, s:f, s:[f,f]}", "shape", shape, "area", width * height, "size", width,
                     height);
}

static void geometry(isle_value unused)
{
    (void)unused;
    isle_port_serve(isle_default_port(), area, NULL);
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_send_port geometer = isle_spawn(geometry, isle_null(), NULL).default_port;

    isle_value request =
        isle_pack("{s:s, s:i, s:f}", "shape", "rectangle", "width", 6, "height", 7.0);
    isle_value_print(isle_await(isle_call(geometer, request, ISLE_SECONDS(9))), stdout);

    isle_value bad = isle_pack("{s:s}", "shape", "circle"), reply; /* lacks its width */
    if (isle_try_await(isle_call(geometer, bad, ISLE_SECONDS(9)), ISLE_FOREVER, &reply) != ISLE_OK)
        printf("refused: %s\n", isle_error_text(isle_last_error()));
    return 0;
}

ISLE_MAIN(app);
