/* SPDX-License-Identifier: Apache-2.0 */
/* What only the outside does: it tells the inside what to run, and keeps count of what waits
 * there. */
#include <string.h>

#include "backend/wall/wall.h"
#include "core/isolate.h"
#include "core/loop.h"
#include "core/mail.h"
#include "value/type.h"

/* --- credits */

bool isle__wall_credits_add(struct isle__wall_credits *credits, uint64_t amount)
{
    if (credits->count == credits->capacity) {
        size_t old = credits->capacity, new = old == 0 ? 64 : old * 2;
        uint64_t *amounts = isle__memory_alloc(new * sizeof *amounts);
        if (amounts == NULL)
            return false;
        for (size_t i = 0; i < credits->count; i++)
            amounts[i] = credits->amounts[(credits->first + i) & (old - 1)];
        isle__memory_free(credits->amounts, old * sizeof *amounts);
        *credits = (struct isle__wall_credits){amounts, 0, credits->count, new};
    }
    credits->amounts[(credits->first + credits->count++) & (credits->capacity - 1)] = amount;
    return true;
}

/* --- the start */

static isle_err start_entry(struct isle__wall *wall, struct isle__record_start *start)
{
    const struct isle__isolate *proxy = wall->proxy;
    isle_function *function = NULL;
    switch ((enum isle__entry_kind)proxy->entry_kind) {
    case ISLE__ENTRY:
        function = (isle_function *)proxy->entry.entry;
        break;
    case ISLE__ENTRY_RUN:
        function = (isle_function *)proxy->entry.computation;
        break;
    case ISLE__ENTRY_CLASSIC:
        function = (isle_function *)proxy->entry.classic;
        break;
    case ISLE__ENTRY_URI: /* the backend has loaded it */
        return ISLE_OK;
    }
    return wall->wire.function_out(wall->wire.context, function, &start->entry);
}

static uint64_t start_limit(uint64_t limits, bool of_messages)
{
    return of_messages ? isle__room_count(limits) : isle__room_bytes(limits);
}

static void start_options(const struct isle__wall *wall, struct isle__record_start *start,
                          char *name, size_t name_size)
{
    struct isle__isolate *proxy = wall->proxy;
    uint64_t limits = atomic_load_explicit(&proxy->limits, memory_order_relaxed);
    size_t memory = atomic_load_explicit(&proxy->heap.limit, memory_order_relaxed);
    start->entry_kind = proxy->entry_kind;
    start->memory_max = memory == SIZE_MAX ? 0 : memory;
    if ((atomic_load_explicit(&proxy->admission, memory_order_relaxed) & ISLE__ADMIT_BY_MEMORY) ==
        0)
        start->flags |= ISLE__START_HEAP;
    start->mailbox_messages = start_limit(limits, true);
    start->mailbox_bytes = start_limit(limits, false);
    if (wall->paused)
        start->flags |= ISLE__START_PAUSED;
    if (!proxy->errors_fatal)
        start->flags |= ISLE__START_NOT_FATAL;
    isle__isolate_name(proxy, name, name_size);
    start->flags |= ISLE__START_NAMED;
    start->name = name;
    start->name_size = (uint32_t)strlen(name);
}

/* The types that are registered here, for who has not run the program's main. One that lies in no
 * object (made at run time) is left out: its messages are refused here. */
struct listing {
    struct isle__buffer *out;
    uint32_t count;
};

static bool start_type(void *context, const isle_type *type)
{
    struct listing *listing = context;
    struct isle__wire_function place = {0};
    if (isle__wall_place_of_data(type, &place) == ISLE_OK) {
        isle__write_place(listing->out, &place);
        listing->count++;
    }
    return !listing->out->failed;
}

/* A registry has no order: when there are more than were told, all are told. */
static uint32_t start_types(struct isle__wall *wall, struct isle__buffer *out)
{
    struct listing listing = {out, 0};
    wall->types_told = isle__types_count(); /* before: of what comes meanwhile is told again */
    isle__types_each(start_type, &listing);
    return listing.count;
}

void isle__wall_write_types(struct isle__wall *wall)
{
    (void)start_types(wall, &wall->body);
}

/* The entry's message is counted beside the mailbox until it goes. */
static isle_err start_message(struct isle__wall *wall, uint64_t bits, struct isle__mail *mail)
{
    isle_value root = mail == NULL ? (isle_value){bits} : mail->root;
    return isle__wire_encode(NULL, root, &wall->wire, &wall->body, NULL);
}

static isle_err start_reply(struct isle__wall *wall, struct isle__record_head *head)
{
    struct isle__ref ref = {0};
    if (wall->proxy->run_mail == NULL)
        return ISLE_OK;
    isle_err err = isle__wall_name_of_port(wall, wall->proxy->run_mail->target, &ref);
    /* Of another inside, which spawned through us, it is a name of theirs there, ours here. */
    wall->run_name = head->reply = ref.name;
    return err;
}

isle_err isle__wall_write_start(struct isle__wall *wall, struct isle__record_head *head)
{
    struct isle__isolate *proxy = wall->proxy;
    struct isle__record_start start = {0};
    char name[256];
    struct isle__mail *mail = isle__first_mail(proxy);
    uint64_t bits = proxy->first;
    isle_err err = start_entry(wall, &start);
    if (err == ISLE_OK)
        err = start_reply(wall, head);
    if (err == ISLE_OK) {
        struct isle__buffer types;
        isle__buffer_init(&types, NULL);
        start.type_count = start_types(wall, &types);
        start.types = types.data;
        start.types_size = types.size;
        start_options(wall, &start, name, sizeof name);
        isle__write_start(&wall->body, &start);
        err = types.failed ? ISLE_ENOMEM : start_message(wall, bits, mail);
        isle__buffer_fini(&types);
    }
    if (err == ISLE_OK && wall->body.failed)
        err = ISLE_ENOMEM;
    head->descriptors = (uint16_t)wall->descriptor_count;
    if (err == ISLE_OK && wall->descriptor_count > 0) {
        err = isle__wall_descriptors_send(wall);
        isle__wall_descriptors_close(wall);
    }
    if (err != ISLE_OK)
        return err;
    if (mail != NULL)
        isle__room_leave(&proxy->heap.reserved, isle__room_of(0, isle__mail_size(mail)));
    isle__isolate_entering(proxy);
    isle__mail_drop(mail);
    return ISLE_OK;
}

/* What cannot run there is refused where it is said. */
isle_err isle__wall_admit(struct isle__isolate *isolate, const struct isle__spawn_what *what,
                          isle_value message)
{
    struct isle__wire_function place;
    isle_function *function = NULL;
    (void)isolate, (void)message;
    if (what->kind == ISLE__ENTRY_URI)
        return ISLE_OK;
    if (what->kind == ISLE__ENTRY)
        function = (isle_function *)what->entry.entry;
    else if (what->kind == ISLE__ENTRY_RUN)
        function = (isle_function *)what->entry.computation;
    else
        function = what->entry.classic;
    if (isle__wall_place_of(function, &place) == ISLE_OK)
        return ISLE_OK;
    return isle__fail(ISLE_ESPAWN, "Unable to spawn isolate: the entry lies in no file that "
                                   "another process could load");
}
