/* SPDX-License-Identifier: Apache-2.0 */
/* One child of a supervisor: what is known of it, its start, its end. Knows nothing of the others;
 * what its news mean for them is order.c's.
 *
 * A child is in the table by its control port from the spawn until its end is told. After the spawn
 * nothing may fail without ending the supervisor, so the tables are grown when a child is added. */
#include <stdio.h>
#include <string.h>

#include "isle/error.h"
#include "isle/port.h"
#include "isle/scope.h"
#include "isle/value.h"
#include "systems/supervisor.h"
#include "value/failure.h"

#define SHUTDOWN_NS ISLE_SECONDS(5)

enum { TEXT_MAX = 1024, BUCKETS_FIRST = 8 };

/* --- texts */

void isle__text_trim(char *text)
{
    size_t size = strlen(text), head = size;
    while (head > 0 && ((unsigned char)text[head - 1] & 0xC0) == 0x80)
        head--;
    if (head == 0)
        return;
    unsigned char lead = (unsigned char)text[head - 1];
    size_t whole = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (size - (head - 1) < whole)
        text[head - 1] = '\0';
}

void isle__text_copy(char *to, size_t size, const char *text)
{
    size_t count = strlen(text) < size ? strlen(text) : size - 1;
    memcpy(to, text, count);
    to[count] = '\0';
    isle__text_trim(to);
}

const char *isle__thrown_text(isle_value error)
{
    const char *text;
    if (isle_kind_of(error) == ISLE_ERROR)
        return isle_error_text(error);
    return isle_get_string(error, &text, NULL) ? text : "an error of the program's own";
}

static void child_set_text(struct isle__child *child, const char *text)
{
    size_t size = (strlen(text) < TEXT_MAX ? strlen(text) : TEXT_MAX) + 1;
    child->text = isle_realloc(child->text, size);
    isle__text_copy(child->text, size, text);
    child->info.text = child->text;
}

void isle__child_describe(const struct isle__child *child, char *text, size_t size)
{
    static const char prefix[] = "Unable to spawn isolate: "; /* of who could not, so once */
    const char *why = child->info.text, *reason = isle_reason_text(child->info.reason);
    if (strncmp(why, prefix, sizeof prefix - 1) == 0)
        why += sizeof prefix - 1;
    if (child->info.reason == ISLE_UNSPAWNED)
        snprintf(text, size, "%s", why);
    else
        snprintf(text, size, "%s%s%s", reason, *why == '\0' ? "" : ": ", why);
    isle__text_trim(text);
}

const char *isle_child_state_text(isle_child_state state)
{
    static const char *const texts[] = {
        [ISLE_CHILD_STARTING] = "starting", [ISLE_CHILD_RUNNING] = "running",
        [ISLE_CHILD_WAITING] = "waiting",   [ISLE_CHILD_ENDING] = "ending",
        [ISLE_CHILD_ENDED] = "ended",       [ISLE_CHILD_STUCK] = "stuck",
    };
    size_t index = (size_t)(int)state;
    return index < sizeof texts / sizeof texts[0] ? texts[index] : "unknown state";
}

/* --- the tables */

static uint64_t name_hash(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3U;
    return hash ^ hash >> 32;
}

static struct isle__child **bucket_of_name(const struct isle__supervisor *supervisor,
                                           const char *name)
{
    return &supervisor->by_name[name_hash(name) & (supervisor->bucket_count - 1)];
}

static struct isle__child **bucket_of_port(const struct isle__supervisor *supervisor,
                                           isle_send_port port)
{
    return &supervisor->by_port[isle_send_port_hash(port) & (supervisor->bucket_count - 1)];
}

static void table_put_name(struct isle__child *child)
{
    struct isle__child **bucket = bucket_of_name(child->supervisor, child->row.name);
    child->next_of_name = *bucket;
    *bucket = child;
}

static void table_put_port(struct isle__child *child)
{
    struct isle__child **bucket = bucket_of_port(child->supervisor, child->isolate.control_port);
    child->next_of_port = *bucket;
    *bucket = child;
}

static void table_take_name(struct isle__child *child)
{
    struct isle__child **at = bucket_of_name(child->supervisor, child->row.name);
    while (*at != child)
        at = &(*at)->next_of_name;
    *at = child->next_of_name;
}

static void table_take_port(struct isle__child *child)
{
    if (isle_send_port_is_none(child->isolate.control_port))
        return;
    struct isle__child **at = bucket_of_port(child->supervisor, child->isolate.control_port);
    while (*at != child)
        at = &(*at)->next_of_port;
    *at = child->next_of_port;
}

/* Room for one more. Both or none: one block. */
static void tables_grow(struct isle__supervisor *supervisor)
{
    if (supervisor->count < supervisor->bucket_count)
        return;
    size_t count = supervisor->bucket_count == 0 ? BUCKETS_FIRST : 2 * supervisor->bucket_count;
    struct isle__child **tables = isle_alloc(2 * count * sizeof *tables);
    isle_free(supervisor->by_name);
    supervisor->by_name = tables;
    supervisor->by_port = tables + count;
    supervisor->bucket_count = count;
    for (struct isle__child *child = supervisor->first; child != NULL; child = child->next) {
        table_put_name(child);
        if (!isle_send_port_is_none(child->isolate.control_port))
            table_put_port(child);
    }
}

struct isle__child *isle__child_find(const struct isle__supervisor *supervisor, const char *name)
{
    if (supervisor->bucket_count == 0)
        return NULL;
    struct isle__child *child = *bucket_of_name(supervisor, name);
    while (child != NULL && strcmp(child->row.name, name) != 0)
        child = child->next_of_name;
    return child;
}

struct isle__child *isle__child_of_port(const struct isle__supervisor *supervisor,
                                        isle_send_port control_port)
{
    if (supervisor->bucket_count == 0)
        return NULL;
    struct isle__child *child = *bucket_of_port(supervisor, control_port);
    while (child != NULL && !isle_send_port_equal(child->isolate.control_port, control_port))
        child = child->next_of_port;
    return child;
}

/* --- adding and removing */

static void row_check(const isle_child *row, const char *name)
{
    int kinds = (row->entry != NULL) + (row->uri != NULL) + (row->supervision != NULL);
    if (kinds != 1)
        isle__throw(ISLE_EINVAL, "%s: a child is one of .entry, .uri and .supervision, not %s",
                    name, kinds == 0 ? "none" : "several");
    if ((int)row->restart < ISLE_PERMANENT || (int)row->restart > ISLE_TEMPORARY)
        isle__throw(ISLE_EINVAL, "%s: .restart is no isle_restart", name);
}

/* Of a struct of the caller's headers; what they do not know yet is zero. */
static void struct_read(void *to, size_t size, const void *from, size_t from_size)
{
    memset(to, 0, size);
    memcpy(to, from, from_size < size ? from_size : size);
}

struct adding {
    struct isle__supervisor *supervisor;
    isle_child row;
    isle_options options;
    const char *name;
    const struct isle__supervisor_sizes *sizes;
    struct isle__child *child;
};

static void adding_read_options(struct adding *adding)
{
    if (adding->row.options != NULL)
        struct_read(&adding->options, sizeof adding->options, adding->row.options,
                    adding->sizes->options);
    if (adding->row.supervision == NULL)
        return;
    if (adding->options.backend != ISLE_BACKEND_DEFAULT && adding->options.backend != ISLE_THREAD)
        isle__throw(ISLE_EUNSUPPORTED, "%s: a supervisor runs on threads", adding->name);
    adding->options.backend = ISLE_THREAD;
}

/* The child with its strings, in one block. */
static isle_value child_make(isle_value argument)
{
    struct adding *adding = isle_as_pointer(argument);
    size_t name_size = strlen(adding->name) + 1;
    size_t uri_size = adding->row.uri == NULL ? 0 : strlen(adding->row.uri) + 1;
    struct isle__child *child = isle_alloc(sizeof *child + name_size + uri_size);
    char *name = (char *)(child + 1), *uri = name + name_size;
    memcpy(name, adding->name, name_size);
    if (uri_size > 0)
        memcpy(uri, adding->row.uri, uri_size);
    child->supervisor = adding->supervisor;
    child->row = adding->row;
    child->row.name = name;
    child->row.uri = uri_size > 0 ? uri : NULL;
    child->row.options = NULL;
    child->options = adding->options;
    child->info = (isle_child_info){.name = name, .state = ISLE_CHILD_ENDED, .text = ""};
    adding->child = child;
    return isle_null();
}

static void child_append(struct isle__child *child)
{
    struct isle__supervisor *supervisor = child->supervisor;
    child->rank = supervisor->next_rank++;
    child->previous = supervisor->last;
    *(supervisor->last == NULL ? &supervisor->first : &supervisor->last->next) = child;
    supervisor->last = child;
    supervisor->count++;
    table_put_name(child);
}

struct isle__child *isle__child_add(struct isle__supervisor *supervisor, const isle_child *row,
                                    const struct isle__supervisor_sizes *sizes, isle_value message,
                                    bool is_added)
{
    char made_up[32];
    struct adding adding = {.supervisor = supervisor, .sizes = sizes};
    struct_read(&adding.row, sizeof adding.row, row, sizes->child);
    snprintf(made_up, sizeof made_up, "child-%llu", (unsigned long long)supervisor->next_rank);
    adding.name = adding.row.name == NULL ? made_up : adding.row.name;
    row_check(&adding.row, adding.name);
    (void)isle_string(adding.name); /* ISLE_EMALFORMED */
    if (isle__child_find(supervisor, adding.name) != NULL)
        isle__throw(ISLE_EUSED, "%s: there is a child of that name", adding.name);
    tables_grow(supervisor);
    adding_read_options(&adding);
    bool is_borrowed = adding.row.restart == ISLE_TEMPORARY;
    isle_value kept = is_borrowed ? message : isle_keep(message);
    if (isle_try(child_make, isle_pointer(&adding), NULL) != ISLE_OK) {
        if (!is_borrowed)
            isle_release(kept);
        isle_throw(isle_last_error());
    }
    adding.child->message = kept;
    adding.child->is_added = is_added;
    child_append(adding.child);
    return adding.child;
}

static void child_let_message_go(struct isle__child *child)
{
    if (child->row.restart == ISLE_TEMPORARY)
        child->message = isle_null();
    else
        isle_cell_set(&child->message, isle_null());
}

void isle__child_remove(struct isle__child *child)
{
    struct isle__supervisor *supervisor = child->supervisor;
    table_take_name(child);
    *(child->previous == NULL ? &supervisor->first : &child->previous->next) = child->next;
    *(child->next == NULL ? &supervisor->last : &child->next->previous) = child->previous;
    supervisor->count--;
    isle_timer_cancel(child->timer);
    child_let_message_go(child);
    isle_free(child->text);
    isle_free(child);
}

/* --- what is seen of it */

bool isle__child_is_alive(const struct isle__child *child)
{
    return child->info.state == ISLE_CHILD_STARTING || child->info.state == ISLE_CHILD_RUNNING ||
           child->info.state == ISLE_CHILD_ENDING;
}

isle_value isle__child_map(const struct isle__child *child)
{
    const isle_child_info *info = &child->info;
    isle_value map = isle_map();
    isle_put(map, "name", isle_string(info->name));
    isle_put(map, "state", isle_string(isle_child_state_text(info->state)));
    isle_put(map, "isolate",
             isle_send_port_is_none(info->isolate.control_port)
                 ? isle_null()
                 : isle_isolate_value(info->isolate));
    isle_put(map, "restarts", isle_int((int64_t)info->restarts));
    isle_put(map, "reason",
             info->has_ended ? isle_string(isle_reason_text(info->reason)) : isle_null());
    isle_put(map, "text", isle_string(info->text));
    return map;
}

struct telling {
    isle_send_port watcher;
    isle_value map;
};

/* Throws ISLE_ECLOSED: nobody has that port any more. What finds no room is left out. */
static isle_value watcher_tell(isle_value pointer)
{
    const struct telling *telling = isle_as_pointer(pointer);
    isle_future *told = isle_send_wait(telling->watcher, telling->map, ISLE_FOREVER);
    if (isle_future_is_complete(told))
        return isle_await(told);
    isle_future_cancel(told);
    return isle_null();
}

void isle__child_become(struct isle__child *child, isle_child_state state)
{
    struct isle__supervisor *supervisor = child->supervisor;
    if (child->info.state == state)
        return;
    child->info.state = state;
    if (supervisor->watcher_count == 0)
        return;
    ISLE_SCOPE;
    isle_value map = isle__child_map(child);
    for (size_t i = supervisor->watcher_count; i-- > 0;) {
        struct telling telling = {supervisor->watchers[i], map};
        if (isle_try(watcher_tell, isle_pointer(&telling), NULL) == ISLE_ECLOSED)
            supervisor->watchers[i] = supervisor->watchers[--supervisor->watcher_count];
    }
}

void isle__child_answer(isle_future **future, isle_value value)
{
    isle_future *waiting = *future;
    *future = NULL;
    if (waiting == NULL)
        return;
    isle_future_complete(waiting, value);
    isle_future_release(waiting);
}

/* --- waiting for a start */

static void child_due(void *context)
{
    struct isle__child *child = context;
    child->timer = NULL;
    isle__order_due(child);
}

void isle__child_rest(struct isle__child *child)
{
    isle_timer_cancel(child->timer);
    child->timer = NULL;
}

void isle__child_wait(struct isle__child *child, int64_t delay_ns)
{
    isle__child_rest(child);
    child->timer = isle_timer_start(delay_ns, child_due, child);
    isle__child_become(child, ISLE_CHILD_WAITING);
}

/* --- the start */

/* Until the answer to isle_spawn_wait, or of a supervisor, is there, which may be later than the
 * end, and than another start. */
struct isle__start {
    struct isle__child *child; /* NULL: nobody wants to know any more */
};

static struct isle__child *start_over(struct isle__start *start)
{
    struct isle__child *child = start->child;
    if (child != NULL)
        child->start = NULL;
    isle_free(start);
    return child;
}

static void start_stands(isle_value handle, void *context)
{
    struct isle__child *child = start_over(context);
    (void)handle;
    if (child != NULL)
        isle__child_stood(child);
}

/* What a supervisor says itself. One that is refused ends by itself. */
static void start_answered(isle_value failure, void *context)
{
    struct isle__child *child = start_over(context);
    if (child == NULL)
        return;
    if (isle_is_null(failure))
        isle__child_stood(child);
    else if (isle_kind_of(failure) == ISLE_STRING)
        isle__child_refused(child, isle_as_string(failure));
    else
        isle__child_kill(child);
}

/* It has ended, or its answer was lost. */
static void start_unanswered(isle_value error, void *context)
{
    struct isle__child *child = start_over(context);
    (void)error;
    if (child != NULL)
        isle__child_kill(child);
}

/* ISLE_ESPAWN, ISLE_ECLOSED: it has ended, and that is told by itself. */
static void start_failed(isle_value error, void *context)
{
    struct isle__child *child = start_over(context);
    isle_err code = isle_kind_of(error) == ISLE_ERROR ? isle_error_code(error) : ISLE_ETHROWN;
    if (child != NULL && code != ISLE_ESPAWN && code != ISLE_ECLOSED)
        isle__child_kill(child);
}

static isle_value child_message(const struct isle__child *child)
{
    const struct isle__supervisor *supervisor = child->supervisor;
    if (child->row.supervision != NULL)
        return isle__supervisor_message(child->row.supervision, &supervisor->sizes,
                                        isle_current().control_port);
    return child->row.message != NULL ? child->row.message() : child->message;
}

static isle_value child_spawn(isle_value argument)
{
    struct isle__child *child = isle_as_pointer(argument);
    isle_options options = child->options;
    options.debug_name = child->row.name;
    options.link = true; /* the supervisor traps: its port is told of the end */
    isle_value message = child_message(child);
    if (child->row.uri != NULL) {
        child->isolate = isle_spawn_uri(child->row.uri, isle_null(), message, &options);
    } else if (child->row.entry != NULL) {
        child->isolate = isle_spawn(child->row.entry, message, &options);
    } else {
        child->isolate = isle_spawn(isle__supervisor_main, message, &options);
    }
    return isle_null();
}

static isle_value child_await_start(isle_value argument)
{
    struct isle__child *child = isle_as_pointer(argument);
    struct isle__start *start = isle_new(struct isle__start);
    start->child = child;
    child->start = start;
    if (child->row.supervision != NULL)
        isle_then(isle__supervisor_ask_start(child->isolate), start_answered, start_unanswered,
                  start);
    else
        isle_then(isle_spawn_wait(child->isolate), start_stands, start_failed, start);
    return isle_null();
}

/* It cannot be asked: there is no memory, or its mailbox has no room for a question. */
static void child_start_unheard(struct isle__child *child)
{
    isle_free(child->start);
    child->start = NULL;
    isle__child_refused(child, isle__thrown_text(isle_last_error()));
    isle__child_kill(child);
}

void isle__child_start(struct isle__child *child)
{
    isle__child_rest(child);
    child->begins_anew = false;
    child->since = isle_now_ns();
    isle__child_become(child, ISLE_CHILD_STARTING);
    ISLE_SCOPE;
    if (isle_try(child_spawn, isle_pointer(child), NULL) != ISLE_OK) {
        isle__child_over(child, ISLE_UNSPAWNED, isle__thrown_text(isle_last_error()));
        return;
    }
    table_put_port(child);
    child->info.isolate = (isle_isolate){.control_port = child->isolate.control_port,
                                         .default_port = child->isolate.default_port};
    if (child->row.restart == ISLE_TEMPORARY)
        child_let_message_go(child); /* a kept one would hold its descriptors for a while */
    if (isle_try(child_await_start, isle_pointer(child), NULL) != ISLE_OK)
        child_start_unheard(child);
}

void isle__child_stood(struct isle__child *child)
{
    if (child->info.state != ISLE_CHILD_STARTING)
        return;
    child->has_stood = true;
    isle__child_become(child, ISLE_CHILD_RUNNING);
    isle__child_answer(&child->stands, isle_isolate_value(child->isolate));
    isle__order_stood(child);
}

/* --- the end */

static int64_t child_patience(const struct isle__child *child)
{
    if (child->row.shutdown_ns != 0)
        return child->row.shutdown_ns;
    return child->row.supervision != NULL ? ISLE_FOREVER : SHUTDOWN_NS;
}

static void child_is_stuck(void *context)
{
    struct isle__child *child = context;
    child->timer = NULL;
    isle__child_become(child, ISLE_CHILD_STUCK);
    isle__child_answer(&child->over,
                       isle_error(ISLE_ETIMEDOUT, "the child was killed and does not end", NULL));
    isle__order_stuck(child);
}

void isle__child_kill(const struct isle__child *child)
{
    isle_kill(child->isolate, ISLE_IMMEDIATE);
}

static void child_is_late(void *context)
{
    struct isle__child *child = context;
    int64_t patience = child_patience(child);
    isle__child_kill(child);
    if (patience < SHUTDOWN_NS)
        patience = SHUTDOWN_NS;
    child->timer = isle_timer_start(patience, child_is_stuck, child);
}

void isle__child_end(struct isle__child *child)
{
    int64_t patience = child_patience(child);
    if (child->info.state == ISLE_CHILD_ENDING)
        return;
    isle__child_become(child, ISLE_CHILD_ENDING);
    if (patience < 0) {
        child_is_late(child);
        return;
    }
    isle_shutdown(child->isolate);
    if (patience != ISLE_FOREVER)
        child->timer = isle_timer_start(patience, child_is_late, child);
}

void isle__child_refused(struct isle__child *child, const char *text)
{
    child_set_text(child, text);
    child->was_refused = true;
}

/* It may have ended before it could be asked whether it stands, and did, if anything of it ran. A
 * supervisor says itself that it stands, before it ends. */
static void child_stood_unasked(struct isle__child *child, isle_reason reason)
{
    if (child->row.supervision == NULL && reason != ISLE_UNSPAWNED)
        isle__child_stood(child);
}

void isle__child_over(struct isle__child *child, isle_reason reason, const char *text)
{
    child_stood_unasked(child, reason);
    isle_child_state was = child->info.state;
    isle__child_rest(child);
    if (child->start != NULL)
        child->start->child = NULL;
    child->start = NULL;
    table_take_port(child);
    memset(&child->isolate, 0, sizeof child->isolate);
    memset(&child->info.isolate, 0, sizeof child->info.isolate);
    child->info.has_ended = true;
    child->info.reason = child->was_refused ? ISLE_UNSPAWNED : reason;
    if (!child->was_refused)
        child_set_text(child, text);
    child->was_refused = false;
    isle__child_become(child, ISLE_CHILD_ENDED);
    isle__child_answer(&child->over, isle_null());
    if (was == ISLE_CHILD_STARTING)
        isle__child_answer(&child->stands, isle_error(ISLE_ESPAWN, child->info.text, NULL));
    isle__order_over(child, was);
}
