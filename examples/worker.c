/* SPDX-License-Identifier: Apache-2.0 */
/* A long-lived worker: its state is its own, requests change it, a timer ages it, kept values
 * outlive their message. */
#include <inttypes.h>
#include <isle.h>
#include <string.h>

struct cache {
    isle_value entries; /* a cell: set by isle_cell_set alone */
    int64_t hits;
};
ISLE_LOCAL(struct cache, cache); /* every isolate has its own; zeroed */

static void forget_all(void *context)
{
    (void)context;
    isle_cell_set(&cache()->entries, isle_map()); /* keeps the new map and releases the old one */
}

static isle_value serve(isle_value request, void *context)
{
    (void)context;
    const char *verb, *key;
    isle_value value = isle_null();
    isle_unpack(request, "{s:s, s:s, s?:o}", "verb", &verb, "key", &key, "value", &value);

    if (strcmp(verb, "put") == 0) {
        isle_put(cache()->entries, key, value); /* the map is kept, so what goes into it is too */
        return isle_null();
    }
    if (strcmp(verb, "get") == 0) {
        cache()->hits++;
        return isle_get(cache()->entries, key);
    }
    isle_throwf("no such verb: %s", verb); /* becomes the reply's error; the worker goes on */
}

static void cache_main(isle_value unused)
{
    (void)unused;
    isle_cell_set(&cache()->entries, isle_map());
    isle_timer_periodic(ISLE_SECONDS(60), forget_all, NULL);
    isle_port_serve(isle_default_port(), serve, NULL);
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_isolate worker =
        isle_spawn(cache_main, isle_null(), &(isle_options){.debug_name = "cache"});
    isle_send_port port = worker.default_port;

    isle_value put = isle_pack("{s:s, s:s, s:[i,i]}", "verb", "put", "key", "a", "value", 1, 2);
    isle_value get = isle_pack("{s:s, s:s}", "verb", "get", "key", "a");
    isle_await(isle_call(port, put, ISLE_SECONDS(9)));
    isle_value_print(isle_await(isle_call(port, get, ISLE_SECONDS(9))), stdout);

    isle_value wrong = isle_pack("{s:s, s:s}", "verb", "burn", "key", "a"), reply;
    if (isle_try_await(isle_call(port, wrong, ISLE_SECONDS(9)), ISLE_FOREVER, &reply) != ISLE_OK)
        printf("refused: %s\n", isle_error_text(isle_last_error()));
    isle_kill(worker, ISLE_BEFORE_NEXT_EVENT);
    return 0;
}

ISLE_MAIN(app);
