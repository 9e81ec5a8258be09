/* SPDX-License-Identifier: Apache-2.0 */
/* The wall from inside: a whole program on one thread, whose only user's isolate is the one that
 * the outside asked for, and whose other body is the proxy of all that is outside.
 *
 * The proxy has no turn of its own: what is sent to it goes out in the call that sends, while the
 * ring has room, so that who then computes for long has spoken before. What comes in is looked for
 * at every kill point, between events, and when nothing is left to do.
 *
 * Law: one thread. `pumping` keeps what goes out from going out within itself: who finds it set
 * leaves its mail where it is, and the one that pumps takes it. */
#include <string.h>

#include "backend/wall/wall.h"
#include "core/control.h"
#include "core/isolate.h"
#include "core/loop.h"
#include "core/mail.h"
#include "core/program.h"
#include "core/slot.h"
#include "isle/object.h"
#include "value/type.h"

enum {
    EXIT_BROKEN = 112,
    TOLD_MESSAGES = 32,
    TOLD_BYTES = 64 * 1024,
    START_BLOCKS = 8, /* about what the first moments of an isolate allocate */
    START_BLOCK = 1024
};

static struct {
    struct isle__wall *opened;
    struct isle__wall *wall; /* the same, once it runs */
    bool is_inside, is_prepared;
} inside;

bool isle__wall_is_inside(void)
{
    return inside.is_inside;
}

/* --- how much of its mail the isolate has taken */

static bool user_lives(const struct isle__wall *wall)
{
    return wall->user != NULL && wall->user->id == wall->user_id;
}

/* What waits in its mailbox may be its own mail as well: that is taken to be the outside's, so that
 * never too much is told. */
static uint64_t taken_count(const struct isle__wall *wall)
{
    uint64_t open = wall->delivered - wall->told, waits = 0;
    uint64_t in_line = wall->share == NULL ? 0 : isle__share_count(wall->share);
    if (open > 0 && user_lives(wall)) {
        const struct isle__heap *heap = &wall->user->heap;
        waits = isle__room_count(atomic_load_explicit(&heap->data.in, memory_order_relaxed) -
                                 heap->data_out);
    }
    waits += in_line; /* before a port of it that has bounds */
    return waits < open ? open - waits : 0;
}

/* As often as an isolate shows its senders what it has taken (mail.c): at once where the limits are
 * narrow, else for every few messages, and when nothing is left to do. */
uint64_t isle__wall_taken(struct isle__wall *wall)
{
    if (wall->delivered == wall->told)
        return 0;
    if (wall->idles || !user_lives(wall) || wall->user->shows_all)
        return taken_count(wall);
    uint64_t amount = wall->user->heap.data_out - wall->told_to;
    if (isle__room_count(amount) < TOLD_MESSAGES && isle__room_bytes(amount) < TOLD_BYTES)
        return 0;
    return taken_count(wall);
}

void isle__wall_told(struct isle__wall *wall, uint64_t taken)
{
    wall->told += taken;
    if (user_lives(wall))
        wall->told_to = wall->user->heap.data_out;
}

/* --- pumping */

static void inside_end(struct isle__wall *wall, isle_reason reason, const char *text);

/* Of what the outside has broken it is told nothing more; of a lack of memory it is, in a record if
 * that can be put without any, and by the mark. */
static void inside_die(struct isle__wall *wall)
{
    if (wall->lacks_memory)
        isle__channel_mark(wall->channel, ISLE__WALL_MARK_MEMORY);
    if (wall->lacks_memory && !isle__channel_is_broken(wall->channel)) {
        wall->lacks_memory = false;
        wall->violation = NULL;
        inside_end(wall, ISLE_MEMORY, "Out of Memory");
    }
    isle__exit_now(EXIT_BROKEN);
}

/* Takes what was sent outside and puts it, as far as there is room. */
static void pump_out(struct isle__wall *wall)
{
    struct isle__isolate *proxy = wall->proxy;
    isle__control_run(proxy, false);
    (void)isle__loop_take(proxy);
    while (isle__wall_out(wall, ISLE__WALL_PUT))
        (void)isle__loop_take(proxy);
    if (wall->violation != NULL)
        inside_die(wall);
}

static bool pump_is_idle(const struct isle__wall *wall)
{
    return atomic_load_explicit(&wall->proxy->mailbox, memory_order_relaxed) == ISLE__MAILBOX_IDLE;
}

/* With nothing more to take it is idle: the next mail wakes it again. */
static void pump(struct isle__wall *wall)
{
    if (wall->pumping || wall->channel == NULL)
        return;
    wall->pumping = true;
    do
        pump_out(wall);
    while (!pump_is_idle(wall) && !isle__loop_rest(wall->proxy));
    isle__channel_flush(wall->channel);
    wall->pumping = false;
}

struct isle__wall *isle__wall_of_inside(void)
{
    return inside.opened;
}

/* The outside drops what waits when its answer's name is gone. It is told with what goes next, or
 * before a rest. */
void isle__wall_forget(struct isle__isolate *isolate, uint64_t reply)
{
    struct isle__wall *wall = isle__wall_of(isolate);
    uint64_t name = isle__export_name_of(&wall->exports, ISLE__NAME_REPLY, reply);
    if (name == 0)
        return;
    isle__export_free(&wall->exports, name);
    isle__wall_release(wall, name);
}

void isle__wall_pump(void)
{
    pump(inside.opened);
}

void isle__wall_wake(struct isle__isolate *isolate)
{
    if (inside.is_inside)
        pump(isle__wall_of(isolate));
    else
        isle__sched_ready(&isolate->task);
}

/* --- what core asks */

static bool inside_stirs(void *context)
{
    struct isle__wall *wall = context;
    return isle__channel_stirs(wall->channel) || isle__wall_taken(wall) > 0;
}

static void inside_attend(void *context)
{
    struct isle__wall *wall = context;
    (void)isle__wall_in(wall, ISLE__WALL_TAKE);
    if (wall->violation != NULL)
        inside_die(wall);
    pump(wall);
}

static void inside_idles(struct isle__wall *wall)
{
    wall->idles = true;
    pump(wall);
    wall->idles = false;
}

static bool inside_looks(void *context)
{
    struct isle__wall *wall = context;
    inside_idles(wall);
    return isle__channel_spin(wall->channel, ISLE_FOREVER);
}

/* A bell that has rung since the last sleep ends the next one at once, in vain, and is cleared
 * then. */
static bool inside_rests(void *context)
{
    struct isle__wall *wall = context;
    inside_idles(wall);
    if (wall->slept)
        isle__channel_bell_clear(wall->channel);
    wall->slept = isle__channel_rest(wall->channel);
    return wall->slept;
}

/* --- the start */

struct starting {
    const struct isle__record_head *head;
    struct isle__record_start record;
    isle_isolate handle;
    bool done;
    void *loaded;
};
static struct starting starting;

static void start_options(const struct isle__wall *wall, isle_options *options, char *name,
                          size_t name_size)
{
    const struct isle__record_start *record = &starting.record;
    bool heap_alone = (record->flags & ISLE__START_HEAP) != 0;
    *options = (isle_options){
        .backend = ISLE_THREAD,
        .paused = (record->flags & ISLE__START_PAUSED) != 0,
        .errors_not_fatal = (record->flags & ISLE__START_NOT_FATAL) != 0,
        .on_error = {wall->errors},
        .memory_max = heap_alone ? 0 : (size_t)record->memory_max,
        .mailbox_max_bytes = (size_t)record->mailbox_bytes,
        .mailbox_max_messages = (size_t)record->mailbox_messages,
    };
    if ((record->flags & ISLE__START_NAMED) != 0 && record->name_size < name_size) {
        memcpy(name, record->name, record->name_size);
        name[record->name_size] = '\0';
        options->debug_name = name;
    }
}

static bool start_entry(struct isle__wall *wall, struct isle__spawn_what *what)
{
    const struct isle__record_start *record = &starting.record;
    isle_function *function = NULL;
    what->kind = (enum isle__entry_kind)record->entry_kind;
    if (record->entry.size != 0) {
        if (wall->wire.function_in(wall->wire.context, &record->entry, &function) != ISLE_OK)
            return false;
    } else if (starting.loaded != NULL) {
        memcpy(&function, &starting.loaded, sizeof function);
    }
    switch (what->kind) {
    case ISLE__ENTRY:
        what->entry.entry = (isle_entry *)function;
        break;
    case ISLE__ENTRY_RUN:
        what->entry.computation = (isle_computation *)function;
        break;
    case ISLE__ENTRY_CLASSIC:
        what->entry.classic = function;
        break;
    case ISLE__ENTRY_URI:
        memcpy(&what->entry.uri, &function, sizeof function);
        break;
    }
    return function != NULL;
}

/* The names of the isolate itself, which the outside has already. */
static bool start_names(struct isle__wall *wall)
{
    const uint64_t ids[ISLE__SELF_COUNT] = {
        [ISLE__SELF_CONTROL] = starting.handle.control_port.id,
        [ISLE__SELF_DEFAULT] = starting.handle.default_port.id,
        [ISLE__SELF_PAUSE] = starting.handle.pause_capability.id,
        [ISLE__SELF_TERMINATE] = starting.handle.terminate_capability.id,
    };
    static const enum isle__name_kind kinds[ISLE__SELF_COUNT] = {
        ISLE__NAME_CONTROL, ISLE__NAME_PORT, ISLE__NAME_CAPABILITY, ISLE__NAME_CAPABILITY};
    for (uint32_t i = 0; i < ISLE__SELF_COUNT; i++) {
        uint64_t name;
        if (isle__export_give(&wall->exports, kinds[i], ids[i], 0, &name) != ISLE_OK ||
            name != isle__name_of(i, 1))
            return false;
    }
    return true;
}

/* What the program has registered outside is registered here, and known to be known there: under
 * its name an equal one may have been registered here before. What lies in an object that is not
 * loaded here is left out. */
static isle_err types_register(struct isle__wall *wall, const uint8_t *places, size_t size)
{
    struct isle__reader reader = {places, size, false};
    struct isle__wire_function place;
    while (reader.left > 0) {
        if (!isle__read_place(&reader, &place))
            return ISLE_ESPAWN;
        const isle_type *type = isle__wall_data_at(&place);
        isle_err err = type == NULL ? ISLE_OK : isle_type_register(type);
        if (err == ISLE_OK && type != NULL) {
            type = isle__type_find(type->name, strlen(type->name));
            err = isle__index_put(&wall->types, (uintptr_t)type, 1) ? ISLE_OK : ISLE_ENOMEM;
        }
        if (err == ISLE_ENOMEM)
            return err;
    }
    return ISLE_OK;
}

bool isle__wall_in_types(struct isle__wall *wall, const uint8_t *body, size_t size)
{
    isle_err err = types_register(wall, body, size);
    if (err == ISLE_ENOMEM)
        isle__wall_lack(wall);
    return err == ISLE_OK || err == ISLE_ENOMEM;
}

/* The first four names are kept for it, whatever its first message brings. */
static isle_err start_run(struct isle__wall *wall)
{
    isle_options options;
    char name[256];
    struct isle__spawn_what what = {0};
    isle_value message;
    struct isle__import *import;
    if (!start_entry(wall, &what))
        return ISLE_ESPAWN;
    isle_err err = types_register(wall, starting.record.types, starting.record.types_size);
    if (err == ISLE_OK)
        err = isle__wire_decode(isle__heap_current(), starting.record.message,
                                starting.record.message_size, SIZE_MAX / 2, &wall->wire, &message);
    if (err == ISLE_OK && starting.head->reply != 0) {
        err = isle__import_take(&wall->imports, ISLE__NAME_REPLY, starting.head->reply, &import);
        if (err == ISLE_OK)
            what.run_reply = import->id;
    }
    if (err != ISLE_OK)
        return err;
    start_options(wall, &options, name, sizeof name);
    err = isle__spawn_here(&options, &what, message, &starting.handle);
    if (err == ISLE_OK && !start_names(wall))
        err = ISLE_ENOMEM;
    return err;
}

/* The backend's own limit, which is beyond what mailboxes are counted against. */
static void start_limit(struct isle__isolate *user)
{
    const struct isle__record_start *record = &starting.record;
    if (user != NULL && (record->flags & ISLE__START_HEAP) != 0 && record->memory_max != 0)
        atomic_store_explicit(&user->heap.limit, (size_t)record->memory_max, memory_order_relaxed);
}

bool isle__wall_in_start(struct isle__wall *wall, const struct isle__record_head *head,
                         const uint8_t *body)
{
    if (starting.done || !isle__read_start(body, head->length, &starting.record))
        return false;
    starting.head = head;
    starting.done = true;
    isle_err err = start_run(wall);
    starting.head = NULL;
    if (err == ISLE_ENOMEM)
        isle__wall_lack(wall);
    if (err != ISLE_OK) {
        wall->over = true;
        isle__report(isle_err_text(err));
        return true;
    }
    struct isle__slot *slot = isle__slot_find(starting.handle.default_port.id);
    wall->user_id = starting.handle.default_port.id;
    wall->user = slot == NULL ? NULL : atomic_load_explicit(&slot->isolate, memory_order_relaxed);
    start_limit(wall->user);
    return true;
}

/* --- the end */

/* A record that is the inside's own: as long as there is no room, it waits for it. */
static void inside_put(struct isle__wall *wall, struct isle__record_head head)
{
    head.length = (uint32_t)wall->body.size;
    isle__record_head_write(&head, wall->head);
    wall->putting = true;
}

static void inside_drain(struct isle__wall *wall)
{
    for (;;) {
        pump(wall);
        if (!wall->putting && wall->proxy->inbox == NULL && wall->controls == NULL &&
            wall->own == NULL)
            return;
        isle__channel_bell_clear(wall->channel);
        if (isle__channel_rest(wall->channel))
            isle__channel_wait(wall->channel, ISLE_FOREVER);
        (void)isle__wall_in(wall, ISLE__WALL_TAKE);
        if (wall->violation != NULL)
            inside_die(wall);
    }
}

static void inside_end(struct isle__wall *wall, isle_reason reason, const char *text)
{
    inside_drain(wall);
    size_t size = strlen(text);
    isle__write_number(&wall->body, size, 4);
    isle__buffer_add(&wall->body, text, size);
    inside_put(wall,
               (struct isle__record_head){.kind = ISLE__RECORD_END, .flags = (uint8_t)reason});
    inside_drain(wall);
}

/* --- all of it */

static bool inside_open(struct isle__wall **ret_wall, struct isle__channel *channel,
                        isle_backend kind)
{
    struct isle__isolate *proxy;
    struct isle__import *import;
    isle_options options = {.debug_name = "outside", .backend = kind};
    if (isle__isolate_create(&options, &proxy) != ISLE_OK)
        return false;
    struct isle__wall *wall = isle__wall_of(proxy);
    wall->channel = channel;
    wall->exports.fixed = ISLE__SELF_COUNT;
    isle__wall_wire_init(wall);
    isle__isolate_start(proxy);
    /* No slot that the outside gives has this number. */
    uint64_t name =
        isle__name_of(((uint32_t)1 << ISLE__NAME_SLOT_BITS) - 1, ISLE__NAME_GENERATION_MAX);
    if (isle__import_take(&wall->imports, ISLE__NAME_PORT, name, &import) != ISLE_OK)
        return false;
    wall->errors = import->id;
    atomic_fetch_or_explicit(&proxy->admission, ISLE__ADMIT_ELSEWHERE, memory_order_relaxed);
    *ret_wall = wall;
    return true;
}

/* Who is born ahead has time: what a start needs of memory is there when it comes. */
static void inside_ready(const struct isle__wall *wall)
{
    void *blocks[START_BLOCKS];
    isle__channel_ready(wall->channel);
    for (int i = 0; i < START_BLOCKS; i++) {
        blocks[i] = isle__memory_alloc(START_BLOCK);
        if (blocks[i] != NULL)
            memset(blocks[i], 0, START_BLOCK);
    }
    for (int i = START_BLOCKS; i-- > 0;)
        isle__memory_free(blocks[i], START_BLOCK);
    (void)isle__clock_now();
}

/* Nobody looks for it: who is born for somebody finds it there, others wait for long. */
static bool inside_await_start(struct isle__wall *wall)
{
    if (!isle__channel_stirs(wall->channel))
        inside_ready(wall);
    while (!starting.done) {
        if (isle__channel_stirs(wall->channel))
            isle__channel_runs(wall->channel);
        (void)isle__wall_in(wall, 1);
        if (wall->violation != NULL)
            inside_die(wall);
        if (!starting.done && isle__channel_rest(wall->channel))
            isle__channel_sleep(wall->channel);
    }
    return !wall->over;
}

/* The way outside stands before there is a wall: core asks through this. */
static bool alone_stirs(void *context)
{
    (void)context;
    return inside.wall != NULL && inside_stirs(inside.wall);
}

static void alone_attend(void *context)
{
    (void)context;
    if (inside.wall != NULL)
        inside_attend(inside.wall);
}

static bool alone_looks(void *context)
{
    (void)context;
    return inside.wall != NULL && inside_looks(inside.wall);
}

static bool alone_rests(void *context)
{
    (void)context;
    return inside.wall == NULL || inside_rests(inside.wall);
}

static isle_err inside_start(int bell)
{
    const struct isle__alone way = {.bell = bell,
                                    .stirs = alone_stirs,
                                    .attend = alone_attend,
                                    .looks = alone_looks,
                                    .rests = alone_rests};
    inside.is_inside = true;
    return isle__program_start_alone(&way);
}

bool isle__wall_inside_prepare(void)
{
    inside.is_prepared = inside_start(-1) == ISLE_OK;
    return inside.is_prepared;
}

bool isle__wall_inside_begin(struct isle__channel *channel, isle_backend kind)
{
    int bell = isle__channel_bell(channel);
    isle_err err = inside.is_prepared ? isle__program_go_on_alone(bell) : inside_start(bell);
    return err == ISLE_OK && inside_open(&inside.opened, channel, kind);
}

int isle__wall_inside_run(int courier, void *loaded)
{
    struct isle__wall *wall = inside.opened;
    isle_end end;
    wall->courier = courier;
    starting.loaded = loaded;
    if (!inside_await_start(wall)) {
        inside_end(wall, ISLE_FAILED, "Unable to spawn isolate: it could not be started");
        return EXIT_BROKEN;
    }
    inside_put(wall, (struct isle__record_head){.kind = ISLE__RECORD_STARTED});
    pump(wall); /* what runs now may never come back */
    inside.wall = wall;
    isle__spawn_elsewhere = isle__wall_spawn;
    isle__link_elsewhere = isle__wall_link;
    int status = isle__program_serve_alone(starting.handle, &end);
    inside_end(wall, end.reason, end.text);
    return status;
}
