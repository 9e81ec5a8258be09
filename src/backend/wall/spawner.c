/* SPDX-License-Identifier: Apache-2.0 */
/* Spawns of an isolate behind a wall, from inside: the outside is asked for a sibling. The handle
 * is valid at once: its names are ours (aliases), and what is sent to them follows the request
 * through the same ring.
 *
 * A request is written whole when it is made, so that what it says is what was so then, and waits
 * its turn in a list of its own, which goes before mail and control. */
#include <string.h>

#include "backend/wall/wall.h"
#include "core/isolate.h"
#include "core/mail.h"

struct isle__wall_own { /* a record of the wall's own */
    struct isle__wall_own *next;
    struct isle__record_head head;
    struct isle__buffer body;
};

/* --- records of its own */

isle_err isle__wall_own_add(struct isle__wall *wall, const struct isle__record_head *head,
                            struct isle__buffer *body)
{
    struct isle__wall_own *own = isle__memory_alloc(sizeof *own);
    if (own == NULL || body->failed) {
        isle__memory_free(own, sizeof *own);
        isle__buffer_fini(body);
        return ISLE_ENOMEM;
    }
    *own = (struct isle__wall_own){NULL, *head, *body};
    if (wall->own_last != NULL)
        wall->own_last->next = own;
    else
        wall->own = own;
    wall->own_last = own;
    return ISLE_OK;
}

/* The oldest becomes the wall's body; there is one. */
struct isle__record_head isle__wall_own_take(struct isle__wall *wall)
{
    struct isle__wall_own *own = wall->own;
    struct isle__record_head head = own->head;
    wall->own = own->next;
    if (wall->own == NULL)
        wall->own_last = NULL;
    isle__buffer_fini(&wall->body);
    wall->body = own->body;
    isle__memory_free(own, sizeof *own);
    return head;
}

void isle__wall_own_fini(struct isle__wall *wall)
{
    while (wall->own != NULL) {
        struct isle__wall_own *next = wall->own->next;
        isle__buffer_fini(&wall->own->body);
        isle__memory_free(wall->own, sizeof *wall->own);
        wall->own = next;
    }
    wall->own_last = NULL;
}

/* --- asking */

static isle_err spawn_refs(struct isle__wall *wall, const isle_options *options, uint64_t standing,
                           struct isle__record_spawn *spawn)
{
    struct isle__ref ref = {0};
    isle_err err = isle__wall_name_of_port(wall, options->on_exit.id, &spawn->on_exit);
    if (err == ISLE_OK)
        err = isle__wall_name_of_port(wall, options->on_error.id, &spawn->on_error);
    if (err == ISLE_OK)
        err = isle__wall_name_of_port(wall, options->monitor.id, &spawn->monitor);
    if (err == ISLE_OK)
        err = isle__wall_name_of_port(wall, standing, &ref);
    spawn->standing = ref.name;
    return err;
}

static isle_err spawn_options(const isle_options *options, struct isle__record_start *start)
{
    if (options->thread != ISLE_THREAD_POOL || options->sandbox != NULL)
        return isle__fail(ISLE_EUNSUPPORTED, "inside a process isolate a spawn has the parent's "
                                             "sandbox, and no thread of its own");
    start->memory_max = options->memory_max;
    start->mailbox_bytes = options->mailbox_max_bytes;
    start->mailbox_messages = options->mailbox_max_messages;
    start->flags = (uint8_t)((options->paused ? ISLE__START_PAUSED : 0) |
                             (options->errors_not_fatal ? ISLE__START_NOT_FATAL : 0));
    if (options->debug_name != NULL) {
        start->flags |= ISLE__START_NAMED;
        start->name = options->debug_name;
        start->name_size = (uint32_t)strlen(options->debug_name);
    }
    return ISLE_OK;
}

static isle_err spawn_entry(const struct isle__spawn_what *what, struct isle__record_start *start)
{
    isle_function *function = NULL;
    start->entry_kind = (uint8_t)what->kind;
    switch (what->kind) {
    case ISLE__ENTRY:
        function = (isle_function *)what->entry.entry;
        break;
    case ISLE__ENTRY_RUN:
        function = (isle_function *)what->entry.computation;
        break;
    case ISLE__ENTRY_CLASSIC:
        function = what->entry.classic;
        break;
    case ISLE__ENTRY_URI:
        return isle__fail(ISLE_EUNSUPPORTED,
                          "inside a process isolate only functions of the program are spawned");
    }
    if (isle__wall_place_of(function, &start->entry) != ISLE_OK)
        return isle__fail(ISLE_EUNSUPPORTED, "the entry is no function of the program");
    return ISLE_OK;
}

/* The names of the new isolate, given by us. */
static isle_err spawn_names(struct isle__wall *wall, uint64_t number, isle_isolate *ret_handle)
{
    static const enum isle__name_kind kinds[ISLE__SELF_COUNT] = {
        ISLE__NAME_CONTROL, ISLE__NAME_PORT, ISLE__NAME_CAPABILITY, ISLE__NAME_CAPABILITY};
    uint64_t ids[ISLE__SELF_COUNT];
    for (uint32_t i = 0; i < ISLE__SELF_COUNT; i++) {
        struct isle__import *import;
        uint64_t name = isle__name_of(i, ISLE__NAME_ALIAS | number);
        isle_err err = isle__import_take(&wall->imports, kinds[i], name, &import);
        if (err != ISLE_OK)
            return isle__fail(err == ISLE_EFULL ? ISLE_ENOMEM : err, "too many names are in use");
        ids[i] = import->id;
    }
    *ret_handle = (isle_isolate){
        .control_port = {ids[ISLE__SELF_CONTROL]},
        .default_port = {ids[ISLE__SELF_DEFAULT]},
        .pause_capability = {ids[ISLE__SELF_PAUSE]},
        .terminate_capability = {ids[ISLE__SELF_TERMINATE]},
    };
    return ISLE_OK;
}

static isle_err spawn_write(struct isle__wall *wall, const isle_options *options,
                            const struct isle__spawn_what *what, isle_value message,
                            uint64_t standing, struct isle__record_head *head,
                            struct isle__buffer *body)
{
    struct isle__record_spawn spawn = {.deadline_ns = (uint64_t)options->deadline_ns,
                                       .cpu_time_max_ns = (uint64_t)options->cpu_time_max_ns,
                                       .link = options->link};
    struct isle__ref reply = {0};
    isle_err err = spawn_options(options, &spawn.start);
    if (err == ISLE_OK)
        err = spawn_entry(what, &spawn.start);
    if (err == ISLE_OK)
        err = spawn_refs(wall, options, standing, &spawn);
    if (err == ISLE_OK)
        err = isle__wall_name_of_port(wall, what->run_reply, &reply);
    if (err != ISLE_OK)
        return err;
    head->reply = reply.name;
    isle__write_spawn(body, &spawn);
    return isle__wire_encode(isle__heap_current(), message, &wall->wire, body, NULL);
}

isle_err isle__wall_spawn(const isle_options *options, const struct isle__spawn_what *what,
                          isle_value message, uint64_t standing, isle_isolate *ret_isolate)
{
    struct isle__wall *wall = isle__wall_of_inside();
    struct isle__record_head head = {.kind = ISLE__RECORD_SPAWN, .to = wall->spawned + 1};
    struct isle__buffer body;
    isle_isolate handle;
    isle_err err = spawn_names(wall, wall->spawned + 1, &handle);
    if (err != ISLE_OK)
        return err;
    isle__buffer_init(&body, NULL);
    err = spawn_write(wall, options, what, message, standing, &head, &body);
    if (err == ISLE_OK)
        err = isle__wall_own_add(wall, &head, &body);
    else
        isle__buffer_fini(&body);
    if (err != ISLE_OK)
        return err == ISLE_ENOMEM ? isle__fail(err, "Out of Memory") : err;
    wall->spawned++;
    *ret_isolate = handle;
    isle__wall_pump();
    return ISLE_OK;
}

/* --- the outside's own names for it */

bool isle__wall_in_named(struct isle__wall *wall, const struct isle__record_head *head,
                         const uint8_t *body)
{
    struct isle__reader reader = {body, head->length, false};
    if (head->to == 0 || head->to > wall->spawned)
        return false;
    for (uint32_t i = 0; i < ISLE__SELF_COUNT; i++) {
        uint64_t name = isle__read_number(&reader, 8);
        struct isle__import *import =
            isle__import_of_name(&wall->imports, isle__name_of(i, ISLE__NAME_ALIAS | head->to));
        if (import == NULL || name == 0)
            return false;
        if (isle__import_also(&wall->imports, import, name) == ISLE_EFULL)
            return false;
    }
    return !reader.malformed && reader.left == 0;
}
