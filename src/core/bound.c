/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds of ports, the owner's side: how they are set, the dropping of the oldest, and the tide.
 * What stands between senders and a bounded port is in gate.c.
 *
 * What drops its oldest mail lets in all that the mailbox has room for; whenever its owner is about
 * to take mail, and when mail comes into its queue, the oldest go until no more waits than may,
 * what has not come to the queue yet included. So a handler or a receive gets the newest that there
 * are at that moment, and mail of one sender keeps its order, across ports too.
 *
 * The tide is told as a microtask, an event of its own: on_high when it has risen, on_low when it
 * has fallen after that. It rises and falls in gate.c, by any thread's doing; it is told here, on
 * the owner's. */
#include "core/gate.h"

#include <string.h>

#include "core/handle.h"
#include "core/loop.h"
#include "core/port.h"

/* --- the tide */

struct isle__tide {
    struct isle__isolate *isolate;
    struct isle__microtask microtask;
    isle_task *on_high, *on_low;
    void *context;
    bool is_queued, is_over;
    bool is_high;   /* as it was told */
    bool has_risen; /* since, and that is to be told */
    bool falls;     /* it is low now */
};

static void tide_free(struct isle__tide *tide)
{
    isle__heap_discharge(&tide->isolate->heap, sizeof *tide);
    isle__memory_free(tide, sizeof *tide);
}

static void tide_drop(void *argument)
{
    struct isle__tide *tide = argument;
    tide->is_queued = false;
    if (tide->is_over)
        tide_free(tide);
}

static void tide_queue(struct isle__tide *tide)
{
    bool tells = tide->is_high ? tide->falls : tide->has_risen;
    if (tide->is_queued || tide->is_over || !tells)
        return;
    tide->is_queued = true;
    isle__microtask_add(tide->isolate, &tide->microtask);
}

/* One call an event; a second has another. */
static void tide_run(void *argument)
{
    struct isle__tide *tide = argument;
    isle_task *task = tide->is_high ? tide->on_low : tide->on_high;
    void *context = tide->context;
    tide->is_queued = false;
    if (tide->is_over) {
        tide_free(tide);
        return;
    }
    tide->is_high = !tide->is_high;
    if (tide->is_high)
        tide->has_risen = false;
    tide_queue(tide);
    if (task != NULL)
        task(context);
}

struct isle__tide *isle__tide_make(struct isle__isolate *isolate, const struct isle__bounds *bounds)
{
    if (!isle__heap_try_charge(&isolate->heap, sizeof(struct isle__tide)))
        return NULL;
    struct isle__tide *tide = isle__memory_alloc(sizeof *tide);
    if (tide == NULL) {
        isle__heap_discharge(&isolate->heap, sizeof *tide);
        return NULL;
    }
    *tide = (struct isle__tide){
        .isolate = isolate,
        .microtask = {.run = tide_run, .drop = tide_drop},
        .on_high = bounds->on_high,
        .on_low = bounds->on_low,
        .context = bounds->context,
    };
    tide->microtask.argument = tide;
    return tide;
}

void isle__tide_turn(struct isle__tide *tide, bool is_high)
{
    if (is_high && (!tide->is_high || tide->is_queued)) /* else it fell and rose unnoticed */
        tide->has_risen = true;
    tide->falls = !is_high;
    tide_queue(tide);
}

void isle__tide_end(struct isle__tide *tide)
{
    if (tide == NULL)
        return;
    tide->is_over = true;
    if (!tide->is_queued)
        tide_free(tide);
}

/* --- the oldest */

void isle__port_trim(struct isle__port *port)
{
    while (port->queue != NULL && isle__gate_drops_oldest(port->isolate, port->id)) {
        struct isle__mail *mail = isle__port_take(port);
        isle__mail_received(port->isolate, mail);
        isle__mail_refuse_as(mail, ISLE_EFULL);
    }
}

/* --- setting */

enum { BOUND_SIZE = 256 }; /* charged to the owner for a gate */

static size_t amount_within(size_t amount, uint64_t most)
{
    return amount < most ? amount : (size_t)most;
}

static uint64_t amount_most(size_t messages, size_t bytes)
{
    messages = messages == 0 ? SIZE_MAX : messages;
    bytes = bytes == 0 ? SIZE_MAX : bytes;
    bytes = amount_within(bytes, ISLE__ROOM_BYTES_MAX);
    /* Downwards: what waits is rounded up. */
    return isle__room_of(amount_within(messages, ISLE__ROOM_COUNT_MAX),
                         bytes / ISLE__ROOM_UNIT * ISLE__ROOM_UNIT);
}

static uint64_t amount_level(size_t messages, size_t bytes)
{
    return isle__room_of(amount_within(messages, ISLE__ROOM_COUNT_MAX),
                         amount_within(bytes, ISLE__ROOM_BYTES_MAX));
}

static struct isle__bounds bounds_of(const isle_port_options *options)
{
    bool asks = options->on_high != NULL || options->on_low != NULL;
    size_t low = options->low_messages != 0 ? options->low_messages : options->high_messages / 2;
    size_t low_bytes = options->low_bytes != 0 ? options->low_bytes : options->high_bytes / 2;
    return (struct isle__bounds){
        .most = amount_most(options->max_messages, options->max_bytes),
        .high = asks ? amount_level(options->high_messages, options->high_bytes) : 0,
        .low = amount_level(low, low_bytes),
        .overflow = options->overflow,
        .on_high = options->on_high,
        .on_low = options->on_low,
        .context = options->context,
    };
}

/* Options of another version are filled with zeros, or refused if they ask for what is not known.
 */
static isle_port_options options_read(const char *function, const isle_port_options *options,
                                      size_t size)
{
    isle_port_options read = {0};
    const unsigned char *bytes = (const unsigned char *)options;
    for (size_t i = sizeof read; options != NULL && i < size; i++)
        if (bytes[i] != 0)
            isle__throw(ISLE_EUNSUPPORTED, "%s: an option that this library does not know",
                        function);
    if (options != NULL)
        memcpy(&read, options, size < sizeof read ? size : sizeof read);
    if ((int)read.overflow < ISLE_OVERFLOW_REFUSE || (int)read.overflow > ISLE_OVERFLOW_END)
        isle__throw(ISLE_EINVAL, "%s: no such overflow: %d", function, (int)read.overflow);
    return read;
}

/* ISLE_ENOMEM: nothing has changed. */
static isle_err port_bind(struct isle__port *port, const isle_port_options *options)
{
    struct isle__heap *heap = &port->isolate->heap;
    struct isle__bounds bounds = bounds_of(options);
    if (!port->is_bound && !isle__heap_try_charge(heap, BOUND_SIZE))
        return ISLE_ENOMEM;
    isle_err err = isle__gate_bind(port->isolate, port->id, &bounds);
    if (err != ISLE_OK) {
        if (!port->is_bound)
            isle__heap_discharge(heap, BOUND_SIZE);
        return err;
    }
    port->is_bound = true;
    port->trims = bounds.overflow == ISLE_OVERFLOW_DROP_OLDEST;
    isle__port_set_direct(port);
    return ISLE_OK;
}

void isle__port_unbind(struct isle__port *port)
{
    if (port->is_bound || isle__gates_have(port->isolate))
        isle__gate_close(port->isolate, port->id);
    if (port->is_bound)
        isle__heap_discharge(&port->isolate->heap, BOUND_SIZE);
    port->is_bound = port->trims = false;
}

void isle__port_set_bounds(isle_receive_port *handle, const isle_port_options *options, size_t size)
{
    const char *function = "isle_port_set_bounds";
    struct isle__port *port = isle__port_need(isle__isolate_need(function), function, handle);
    isle_port_options read = options_read(function, options, size);
    if (options == NULL && !port->is_bound)
        return;
    if (port_bind(port, &read) != ISLE_OK)
        isle__throw(ISLE_ENOMEM, "Out of Memory");
}

isle_receive_port *isle__port_open_with(const isle_port_options *options, size_t size)
{
    const char *function = "isle_port_open_with";
    struct isle__isolate *isolate = isle__isolate_need(function);
    isle_port_options read = options_read(function, options, size);
    struct isle__port *port = isle__port_open(isolate);
    if (options == NULL || port_bind(port, &read) == ISLE_OK)
        return port->handle;
    isle_port_close(port->handle);
    isle__throw(ISLE_ENOMEM, "Out of Memory");
}

void isle__port_stats_read(const isle_receive_port *handle, isle_port_stats *ret_stats, size_t size)
{
    const char *function = "isle_port_stats_read";
    struct isle__isolate *isolate = isle__isolate_need(function);
    const struct isle__port *port = isle__port_need(isolate, function, handle);
    isle_port_stats stats = {0};
    if (ret_stats == NULL)
        return;
    if (port->is_bound)
        isle__gate_read(isolate, port->id, &stats);
    memset(ret_stats, 0, size);
    memcpy(ret_stats, &stats, size < sizeof stats ? size : sizeof stats);
}
