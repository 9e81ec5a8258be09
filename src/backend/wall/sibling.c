/* SPDX-License-Identifier: Apache-2.0 */
/* Spawns of an isolate behind a wall, seen from outside: it gets a sibling, an isolate of the same
 * backend, which may do no more than its parent, and ends with it.
 *
 * Law: what is asked for is hostile. A parent has so many living children at most, and an isolate
 * that the host has spawned, its children and theirs share one number of places, so that no tree
 * takes all that the backend has, and one bound of names; each child has at most the parent's
 * memory, mailbox and time, and of the first one's processor time what those that have ended have
 * left; its entry is a function of the program, which is run behind a wall like the parent's own.
 */
#include <string.h>

#include "backend/wall/wall.h"
#include "core/control.h"
#include "core/isolate.h"
#include "core/mail.h"
#include "core/monitor.h"
#include "core/simulate.h"
#include "core/slot.h"
#include "core/uncaught.h"

enum { CHILDREN_MAX = 64, TREE_MAX = 512 };

struct asking {
    struct isle__wall *wall;
    const struct isle__record_head *head;
    struct isle__record_spawn record;
    isle_options options;
    char name[256];
    uint64_t run_reply, standing;
    isle_function *function;
    struct isle__link *link; /* of the parent with its child, if that is born */
};

/* --- its children */

/* One that runs, and its kill: made with it, so that the end of its parent needs no memory. */
struct isle__wall_child {
    uint64_t id;
    struct isle__control *kill;
};

/* An isolate that the host spawned, with all that came of it. Any thread. */
struct isle__wall_tree {
    _Atomic uint32_t walls;        /* that have it: the last one frees it */
    _Atomic uint32_t seated;       /* those that the host has not spawned */
    struct isle__names_pool names; /* of all, of which the host keeps something for each */
    int64_t time_most;    /* that the first one may use of a processor, in ns; 0: no limit */
    _Atomic int64_t time; /* that those used which have ended and were seated */
};

/* No more than the inside has itself. */
static void options_lower(struct isle__wall *wall, isle_options *options)
{
    if (wall->ops->sibling != NULL)
        wall->ops->sibling(wall->context, options);
}

/* Of the first one, who has none until then. */
static void tree_plant(struct isle__wall *wall)
{
    isle_options own = {0};
    struct isle__wall_tree *tree = wall->tree = isle__memory_alloc(sizeof *tree);
    if (tree == NULL)
        return;
    options_lower(wall, &own);
    atomic_init(&tree->walls, 1);
    atomic_init(&tree->seated, 0);
    tree->time_most = own.cpu_time_max_ns;
    atomic_init(&tree->time, 0);
    atomic_init(&tree->names.used, 0);
    tree->names.max = ISLE__WALL_IMPORTS;
    isle__imports_join(&wall->imports, &tree->names);
}

static struct isle__wall_tree *tree_of(struct isle__wall *wall)
{
    if (wall->tree == NULL)
        tree_plant(wall);
    return wall->tree;
}

static bool tree_has_room(struct isle__wall *wall)
{
    struct isle__wall_tree *tree = tree_of(wall);
    if (tree == NULL)
        return false;
    if (atomic_fetch_add_explicit(&tree->seated, 1, memory_order_relaxed) < TREE_MAX)
        return true;
    atomic_fetch_sub_explicit(&tree->seated, 1, memory_order_relaxed);
    return false;
}

/* The seat that was taken is the child's from here on. */
static void tree_inherit(const struct isle__wall *wall, struct isle__wall *child)
{
    child->tree = wall->tree;
    child->is_seated = true;
    isle__imports_join(&child->imports, &wall->tree->names);
    atomic_fetch_add_explicit(&wall->tree->walls, 1, memory_order_relaxed);
}

static void tree_leave(struct isle__wall *wall)
{
    struct isle__wall_tree *tree = wall->tree;
    wall->tree = NULL;
    if (tree == NULL)
        return;
    isle__imports_leave(&wall->imports);
    if (wall->is_seated) {
        atomic_fetch_add_explicit(&tree->time, wall->death.cpu_time_ns, memory_order_relaxed);
        atomic_fetch_sub_explicit(&tree->seated, 1, memory_order_relaxed);
    }
    /* Acquire, release: the last one frees what the others have let go. */
    if (atomic_fetch_sub_explicit(&tree->walls, 1, memory_order_acq_rel) == 1)
        isle__memory_free(tree, sizeof *tree);
}

static void children_prune(struct isle__wall *wall)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < wall->child_count; i++) {
        if (isle__slot_find(wall->children[i].id) != NULL)
            wall->children[count++] = wall->children[i];
        else
            isle__control_free(wall->children[i].kill);
    }
    wall->child_count = count;
}

static bool children_have_room(struct isle__wall *wall)
{
    if (wall->children == NULL)
        wall->children = isle__memory_alloc(CHILDREN_MAX * sizeof *wall->children);
    if (wall->children == NULL)
        return false;
    if (wall->child_count == CHILDREN_MAX)
        children_prune(wall);
    if (wall->child_count == CHILDREN_MAX)
        return false;
    struct isle__control *kill = isle__memory_alloc(sizeof *kill);
    wall->children[wall->child_count] = (struct isle__wall_child){0, kill};
    return kill != NULL;
}

/* One more may be born; its place is the next. False: nothing is left of it. */
static bool children_reserve(struct isle__wall *wall)
{
    if (wall->proxy->ending || !tree_has_room(wall))
        return false;
    if (children_have_room(wall))
        return true;
    atomic_fetch_sub_explicit(&wall->tree->seated, 1, memory_order_relaxed);
    return false;
}

static void children_unreserve(struct isle__wall *wall)
{
    isle__memory_free(wall->children[wall->child_count].kill, sizeof(struct isle__control));
    atomic_fetch_sub_explicit(&wall->tree->seated, 1, memory_order_relaxed);
}

static void children_add(struct isle__wall *wall, struct isle__isolate *isolate)
{
    struct isle__wall_child *child = &wall->children[wall->child_count++];
    child->id = isolate->id;
    *child->kill = (struct isle__control){
        .kind = ISLE__CONTROL_KILL,
        .target = isolate->id | ISLE__ID_CONTROL,
        .capability = isle__isolate_capability(isolate->id, 2).id,
    };
    tree_inherit(wall, isle__wall_of(isolate));
}

/* They end with their parent. */
void isle__wall_children_end(struct isle__wall *wall)
{
    for (uint32_t i = 0; i < wall->child_count; i++)
        if (isle__control_post(wall->children[i].kill) != ISLE_OK)
            continue; /* it has ended before */
    isle__memory_free(wall->children,
                      wall->children == NULL ? 0 : CHILDREN_MAX * sizeof *wall->children);
    wall->children = NULL;
    wall->child_count = 0;
    tree_leave(wall);
}

/* --- what it asks for, and what it gets */

static size_t least(uint64_t asked, uint64_t parents)
{
    if (parents == 0)
        return asked > SIZE_MAX ? SIZE_MAX : (size_t)asked;
    return (size_t)(asked == 0 || asked > parents ? parents : asked);
}

static void asking_limits(struct asking *asking)
{
    const struct isle__record_spawn *record = &asking->record;
    struct isle__isolate *parent = asking->wall->proxy;
    uint64_t limits = atomic_load_explicit(&parent->limits, memory_order_relaxed);
    size_t memory = atomic_load_explicit(&parent->heap.limit, memory_order_relaxed);
    isle_options *options = &asking->options;
    options->memory_max = least(record->start.memory_max, memory == SIZE_MAX ? 0 : memory);
    options->mailbox_max_bytes = least(record->start.mailbox_bytes, isle__room_bytes(limits));
    options->mailbox_max_messages = least(record->start.mailbox_messages, isle__room_count(limits));
    options->deadline_ns = (int64_t)record->deadline_ns;
    options->cpu_time_max_ns = (int64_t)record->cpu_time_max_ns;
    if (parent->has_deadline) { /* it ends with its parent, but for the order of the two */
        int64_t left = isle__isolate_has_cold(parent)->deadline.deadline - isle__now();
        left = left < 1 ? 1 : left;
        if (options->deadline_ns == 0 || options->deadline_ns > left)
            options->deadline_ns = left;
    }
    options->paused = (record->start.flags & ISLE__START_PAUSED) != 0;
    options->errors_not_fatal = (record->start.flags & ISLE__START_NOT_FATAL) != 0;
    if ((record->start.flags & ISLE__START_NAMED) != 0 &&
        record->start.name_size < sizeof asking->name &&
        isle__utf8_valid(record->start.name, record->start.name_size) == record->start.name_size) {
        memcpy(asking->name, record->start.name, record->start.name_size);
        isle__line_tame(asking->name);
        options->debug_name = asking->name;
    }
    options_lower(asking->wall, options);
}

/* After its place is reserved. False: all of it is used. */
static bool asking_has_time(struct asking *asking)
{
    struct isle__wall_tree *tree = asking->wall->tree;
    isle_options *options = &asking->options;
    int64_t left = tree->time_most - atomic_load_explicit(&tree->time, memory_order_relaxed);
    if (tree->time_most == 0)
        return true;
    if (options->cpu_time_max_ns == 0 || options->cpu_time_max_ns > left)
        options->cpu_time_max_ns = left;
    return left > 0;
}

static isle_err asking_reply(struct asking *asking, uint64_t name, uint64_t *ret_id)
{
    struct isle__import *import;
    if (name == 0)
        return ISLE_OK;
    isle_err err = isle__import_take(&asking->wall->imports, ISLE__NAME_REPLY, name, &import);
    if (err == ISLE_OK)
        *ret_id = import->id;
    return err == ISLE_EFULL ? ISLE_EMALFORMED : err;
}

/* Who has taken none of too many notices is told nothing. */
static isle_err asking_port(struct asking *asking, const struct isle__ref *ref, uint64_t *ret_id)
{
    isle_err err = isle__wall_port_of_name(asking->wall, ref, ret_id);
    if (err == ISLE_OK && !isle__wall_may_tell(asking->wall, *ret_id))
        *ret_id = 0;
    return err;
}

static isle_err asking_names(struct asking *asking)
{
    const struct isle__record_spawn *record = &asking->record;
    isle_err err = asking_port(asking, &record->on_exit, &asking->options.on_exit.id);
    if (err == ISLE_OK)
        err = asking_port(asking, &record->on_error, &asking->options.on_error.id);
    if (err == ISLE_OK)
        err = asking_port(asking, &record->monitor, &asking->options.monitor.id);
    if (err == ISLE_OK)
        err = asking_reply(asking, asking->head->reply, &asking->run_reply);
    if (err == ISLE_OK)
        err = asking_reply(asking, record->standing, &asking->standing);
    if (err == ISLE_OK && (record->start.entry_kind == ISLE__ENTRY_RUN) != (asking->run_reply != 0))
        err = ISLE_EMALFORMED;
    return err;
}

/* Only functions of this program, by their place; it is never called here. */
static isle_err asking_entry(struct asking *asking)
{
    if (asking->record.start.entry_kind == ISLE__ENTRY_URI)
        return ISLE_EMALFORMED;
    isle_err err = isle__wall_function_at(&asking->record.start.entry, &asking->function);
    return err;
}

/* --- the body */

static isle_err sibling_first(struct asking *asking, struct isle__isolate *isolate)
{
    struct isle__parcel parcel;
    const struct isle__record_start *start = &asking->record.start;
    size_t room = atomic_load_explicit(&isolate->heap.limit, memory_order_relaxed);
    isle_err err = isle__wall_decode(asking->wall, start->message, start->message_size,
                                     start->message_size, room, &parcel);
    if (err == ISLE_EFULL)
        return ISLE_ENOMEM;
    if (err != ISLE_OK)
        return err;
    if (isle__travels_bare(parcel.root)) {
        isolate->first = parcel.root.bits;
        isle__parcel_drop(&parcel);
        return ISLE_OK;
    }
    if (parcel.size > room) {
        isle__parcel_drop(&parcel);
        return ISLE_ENOMEM;
    }
    (void)isle__room_enter(&isolate->heap.reserved, isle__room_of(0, parcel.size));
    isolate->first = (uintptr_t)isle__mail_of(&parcel, ISLE__MAIL_DATA, 0);
    return ISLE_OK;
}

static void sibling_entry(const struct asking *asking, struct isle__isolate *isolate)
{
    isolate->entry_kind = asking->record.start.entry_kind;
    switch ((enum isle__entry_kind)isolate->entry_kind) {
    case ISLE__ENTRY:
        isolate->entry.entry = (isle_entry *)asking->function;
        break;
    case ISLE__ENTRY_RUN:
        isolate->entry.computation = (isle_computation *)asking->function;
        break;
    case ISLE__ENTRY_CLASSIC:
    case ISLE__ENTRY_URI:
        isolate->entry.classic = asking->function;
        break;
    }
}

static isle_err sibling_run(struct asking *asking, struct isle__isolate *isolate)
{
    if (asking->run_reply == 0)
        return ISLE_OK;
    isolate->run_mail = isle__mail_make(isle_null(), ISLE__MAIL_REPLY_ERROR, asking->run_reply);
    if (isolate->run_mail == NULL)
        return ISLE_ENOMEM;
    isolate->run_mail->code = ISLE_ENORESULT;
    return ISLE_OK;
}

/* The names by which the parent has it already, and those by which it will meet it. */
static isle_err sibling_names(struct asking *asking, const struct isle__isolate *isolate)
{
    struct isle__wall *wall = asking->wall;
    isle_isolate handle = isle__isolate_handle(isolate);
    const struct {
        enum isle__name_kind kind;
        uint64_t id;
    } names[ISLE__SELF_COUNT] = {
        [ISLE__SELF_CONTROL] = {ISLE__NAME_CONTROL, handle.control_port.id},
        [ISLE__SELF_DEFAULT] = {ISLE__NAME_PORT, handle.default_port.id},
        [ISLE__SELF_PAUSE] = {ISLE__NAME_CAPABILITY, handle.pause_capability.id},
        [ISLE__SELF_TERMINATE] = {ISLE__NAME_CAPABILITY, handle.terminate_capability.id},
    };
    struct isle__record_head head = {.kind = ISLE__RECORD_NAMED, .to = asking->head->to};
    struct isle__buffer body;
    isle_err err = ISLE_OK;
    isle__buffer_init(&body, NULL);
    for (uint32_t i = 0; i < ISLE__SELF_COUNT && err == ISLE_OK; i++) {
        uint64_t name = 0, alias = isle__name_of(i, ISLE__NAME_ALIAS | asking->head->to);
        err = isle__export_give(&wall->exports, names[i].kind, names[i].id, isolate->id, &name);
        if (err == ISLE_OK)
            err = isle__export_alias(&wall->exports, name, alias);
        isle__write_number(&body, name, 8);
    }
    if (err == ISLE_OK)
        return isle__wall_own_add(wall, &head, &body);
    isle__buffer_fini(&body);
    return err;
}

static isle_err sibling_make(struct asking *asking, struct isle__isolate **ret_isolate)
{
    struct isle__isolate *isolate;
    asking->options.backend = (isle_backend)asking->wall->proxy->backend;
    isle_err err = isle__isolate_create(&asking->options, &isolate);
    if (err != ISLE_OK)
        return err;
    sibling_entry(asking, isolate);
    err = sibling_run(asking, isolate);
    if (err == ISLE_OK && asking->record.link != 0)
        err = isle__link_birth(asking->wall->proxy, isolate, &asking->link);
    if (err == ISLE_OK)
        err = sibling_first(asking, isolate);
    if (err == ISLE_OK)
        err = sibling_names(asking, isolate);
    if (err != ISLE_OK) {
        isle__link_free(asking->link);
        isle__backend_of(isolate)->ended(isolate);
        isle__isolate_destroy(isolate);
        return err;
    }
    *ret_isolate = isolate;
    return ISLE_OK;
}

/* --- telling */

static void tell_port(uint64_t port, struct isle__mail *mail)
{
    if (port == 0)
        isle__mail_drop(mail);
    else
        isle__mail_post_reserved(mail);
}

static isle_value refusal_build(void *text)
{
    isle_value notice = isle_list_fixed(2);
    isle_list_set(notice, 0, isle_string(text));
    return notice;
}

static void tell_reply(uint64_t reply, isle_err err)
{
    struct isle__mail *mail =
        reply == 0 ? NULL : isle__mail_make(isle_null(), ISLE__MAIL_REPLY_ERROR, reply);
    if (mail == NULL)
        return;
    mail->code = err;
    isle__mail_post_reserved(mail);
}

/* Nobody knows its handle here. */
static void tell_monitor(uint64_t port, const char *text)
{
    struct isle__listener *listener = port == 0 ? NULL : isle__monitor_make(0, port);
    if (listener == NULL)
        return;
    isle_end end = {.reason = ISLE_UNSPAWNED, .text = text, .debug_name = ""};
    isle__end_tell(&listener->mail, &end);
    isle__mail_post_reserved(listener->mail);
    listener->mail = NULL;
    isle__listener_free(listener);
}

/* An end: error listeners first, then exit listeners and monitors, as of any spawn that fails late.
 */
static void asking_refused(struct asking *asking, isle_err err)
{
    char text[] = "Unable to spawn isolate: the outside refuses it";
    struct isle__parcel parcel;
    const isle_options *options = &asking->options;
    tell_reply(asking->run_reply, err);
    tell_reply(asking->standing, ISLE_ESPAWN);
    if (options->on_error.id != 0 &&
        isle__parcel_build(refusal_build, text, sizeof(struct isle__mail), &parcel) == ISLE_OK)
        tell_port(options->on_error.id,
                  isle__mail_of(&parcel, ISLE__MAIL_DATA, options->on_error.id));
    struct isle__mail *exit =
        options->on_exit.id == 0
            ? NULL
            : isle__mail_make(isle_null(), ISLE__MAIL_DATA, options->on_exit.id);
    if (exit != NULL)
        tell_port(options->on_exit.id, exit);
    tell_monitor(options->monitor.id, text);
    if (asking->record.link != 0)
        isle__link_lost(asking->wall->proxy, 0);
}

static void asking_stands(const struct asking *asking, const struct isle__isolate *isolate)
{
    struct isle__control *control =
        asking->standing == 0 ? NULL : isle__memory_alloc(sizeof *control);
    if (control == NULL)
        return;
    *control = (struct isle__control){
        .kind = ISLE__CONTROL_STARTED,
        .target = isolate->id | ISLE__ID_CONTROL,
        .mail = isle__mail_make(isle_null(), ISLE__MAIL_REPLY, asking->standing),
    };
    if (control->mail == NULL) {
        isle__control_free(control);
        return;
    }
    if (isle__control_post(control) != ISLE_OK)
        return; /* it has answered itself */
}

bool isle__wall_in_spawn(struct isle__wall *wall, const struct isle__record_head *head,
                         const uint8_t *body)
{
    struct asking asking = {.wall = wall, .head = head};
    struct isle__isolate *isolate;
    if (head->to != wall->exports.spawned + 1 || (head->to & ISLE__NAME_ALIAS) != 0 ||
        !isle__read_spawn(body, head->length, &asking.record))
        return false;
    wall->exports.spawned = head->to;
    asking_limits(&asking);
    isle_err err = asking_names(&asking);
    if (err == ISLE_OK)
        err = asking_entry(&asking);
    if (err == ISLE_EMALFORMED)
        return false;
    if (err == ISLE_OK)
        err = children_reserve(wall) ? ISLE_OK : ISLE_ESPAWN;
    if (err == ISLE_OK) {
        err = asking_has_time(&asking) ? sibling_make(&asking, &isolate) : ISLE_ESPAWN;
        if (err != ISLE_OK)
            children_unreserve(wall);
    }
    if (err == ISLE_EMALFORMED || err == ISLE_ERANGE)
        return false;
    if (err != ISLE_OK) {
        asking_refused(&asking, err);
        return true;
    }
    children_add(wall, isolate);
    if (asking.link != NULL)
        isle__link_put(wall->proxy, asking.link);
    asking_stands(&asking, isolate);
    isle__isolate_start(isolate);
    return true;
}
