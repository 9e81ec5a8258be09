/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that Isle does not know posts into a port. It needs nothing but the send port. */
#include <isle.h>
#include <pthread.h>

struct sensor {
    isle_send_port readings;
    int count;
};

static void *sensor_thread(void *argument)
{
    const struct sensor *sensor = argument;
    for (int i = 0; i < sensor->count; i++)
        if (isle_post(sensor->readings, "{s:i, s:f}", "index", i, "degrees", 20.0 + i) != ISLE_OK)
            break;
    if (isle_post(sensor->readings, "n") != ISLE_OK)
        fputs("sensor: its end was not told\n", stderr);
    return NULL;
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_receive_port *readings = isle_port_open();
    struct sensor sensor = {isle_port_send_port(readings), 3};
    pthread_t thread;
    if (pthread_create(&thread, NULL, sensor_thread, &sensor) != 0)
        return 1;

    for (;;) {
        ISLE_SCOPE;
        isle_value reading = isle_port_receive(readings);
        if (isle_is_null(reading))
            break;
        isle_value_print(reading, stdout);
    }
    isle_port_close(readings);
    pthread_join(thread, NULL);
    return 0;
}

ISLE_MAIN(app);
