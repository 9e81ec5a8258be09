/* SPDX-License-Identifier: Apache-2.0 */
/* A supervisor as an isolate: its birth and its end, the news that come to its port, the requests
 * at its default port, and the functions that ask them.
 *
 * Whoever has the handle may ask, from behind a wall too. So a request is checked for its shape, is
 * answered with an error as a value (thrown, one without a reply port would end the supervisor),
 * and needs the capability to end it if it changes anything. What names code, a table or a row,
 * travels in objects of types that are not registered: no decoder makes one, so none comes from
 * behind a wall. */
#include <stdio.h>
#include <string.h>

#include "isle/bytes.h"
#include "isle/error.h"
#include "isle/object.h"
#include "isle/pack.h"
#include "isle/port.h"
#include "isle/scope.h"
#include "isle/value.h"
#include "systems/supervisor.h"
#include "value/failure.h"

enum request {
    ASKS_CHILDREN = 1,
    ASKS_ADD,
    ASKS_END,
    ASKS_RESTART,
    ASKS_WATCH,
    ASKS_UNWATCH,
    ASKS_START
};

/* --- what names code */

static bool from_bytes_never(const void *object)
{
    (void)object;
    return false;
}

struct birth {
    uint64_t what; /* the address of an isle_supervision */
    uint64_t supervision_size, child_size, options_size;
    isle_send_port parent;
};
ISLE_TYPE_WITH(isle__supervisor_birth, struct birth, (1, false, from_bytes_never, NULL),
               ISLE_FIELD(struct birth, what), ISLE_FIELD(struct birth, supervision_size),
               ISLE_FIELD(struct birth, child_size), ISLE_FIELD(struct birth, options_size),
               ISLE_FIELD(struct birth, parent));

struct addition {
    const char *name, *uri;
    isle_value row, options, message; /* the first two are bytes; no options: null */
};
ISLE_TYPE_WITH(isle__supervisor_addition, struct addition, (1, false, from_bytes_never, NULL),
               ISLE_FIELD(struct addition, name), ISLE_FIELD(struct addition, uri),
               ISLE_FIELD(struct addition, row), ISLE_FIELD(struct addition, options),
               ISLE_FIELD(struct addition, message));

isle_value isle__supervisor_message(const isle_supervision *what,
                                    const struct isle__supervisor_sizes *sizes,
                                    isle_send_port parent)
{
    struct birth *birth = isle_bytes_data(isle_bytes(NULL, sizeof *birth));
    *birth = (struct birth){
        .what = (uintptr_t)what,
        .supervision_size = sizes->supervision,
        .child_size = sizes->child,
        .options_size = sizes->options,
        .parent = parent,
    };
    return isle_object(&isle__supervisor_birth, birth);
}

/* --- its birth and its end */

/* Each row is copied, so that nothing depends on how long a row was in the caller's headers. */
static isle_value supervisor_read_children(isle_value argument)
{
    struct isle__supervisor *supervisor = isle_as_pointer(argument);
    const char *at = (const char *)supervisor->what.children;
    for (; at != NULL; at += supervisor->sizes.child) {
        ISLE_SCOPE;
        const char *name;
        memcpy(&name, at + offsetof(isle_child, name), sizeof name);
        if (name == NULL)
            break;
        isle_child row = {0};
        memcpy(&row, at,
               supervisor->sizes.child < sizeof row ? supervisor->sizes.child : sizeof row);
        (void)isle__child_add(supervisor, &row, &supervisor->sizes, isle_null(), false);
    }
    return isle_null();
}

void isle__supervisor_started(struct isle__supervisor *supervisor)
{
    supervisor->has_started = true;
    isle__child_answer(&supervisor->stands, isle_null());
}

/* Why it did not start, its answer says. */
void isle__supervisor_leave(struct isle__supervisor *supervisor)
{
    supervisor->is_ending = supervisor->is_over = true;
    isle__child_answer(&supervisor->stands, isle_null());
    if (!supervisor->was_told)
        return;
    if (supervisor->has_started && *supervisor->failure != '\0')
        isle_throwf("%s", supervisor->failure);
    isle_exit(isle_send_port_none(), isle_null());
}

/* Its answer is with who started it. */
static void supervisor_told(void *context)
{
    struct isle__supervisor *supervisor = context;
    supervisor->was_told = true;
    if (supervisor->is_over)
        isle__supervisor_leave(supervisor);
}

/* The supervisor ends, in whatever way, before its links are told: the last child is killed first.
 * A supervisor below ends its own in order. Whoever is not reached for want of memory is linked. */
static void supervisor_dropped(void *context)
{
    const struct isle__supervisor *supervisor = context;
    for (struct isle__child *child = supervisor->last; child != NULL; child = child->previous)
        if (!isle__child_is_alive(child))
            continue;
        else if (child->row.supervision != NULL)
            isle_shutdown(child->isolate);
        else
            isle__child_kill(child);
}

static void supervisor_asked(void *context)
{
    isle__order_end(context, "");
}

/* --- news */

static void news_wishes(struct isle__supervisor *supervisor)
{
    struct isle__child *child;
    while ((child = supervisor->wish_first) != NULL) {
        supervisor->wish_first = child->next_wish;
        if (supervisor->wish_first == NULL)
            supervisor->wish_last = NULL;
        isle__order_wish(child);
    }
}

/* Who is no child is one that it is linked to. Without the supervisor above it ends, in order;
 * without another one it fails, so that who else is linked to it is told. */
static void news_of_end(struct isle__supervisor *supervisor, isle_value news)
{
    char name[ISLE__SUPERVISOR_NAME], why[ISLE__SUPERVISOR_WHY], text[ISLE__SUPERVISOR_TEXT];
    isle_end end = isle_as_end(news);
    struct isle__child *child = isle__child_of_port(supervisor, end.isolate.control_port);
    if (child != NULL) {
        isle__child_over(child, end.reason, end.text);
        return;
    }
    if (end.reason == ISLE_RETURNED)
        return;
    isle__text_copy(name, sizeof name, end.debug_name);
    isle__text_copy(why, sizeof why, end.text);
    snprintf(text, sizeof text, "%s: %s%s%s", name, isle_reason_text(end.reason),
             *why == '\0' ? "" : ": ", why);
    bool is_parent = isle_send_port_equal(end.isolate.control_port, supervisor->parent);
    isle__order_end(supervisor, is_parent ? "" : text);
    if (is_parent)
        supervisor_told(supervisor); /* it may not have come to its question */
}

static void supervisor_news(isle_value news, void *context)
{
    if (isle_is_null(news))
        news_wishes(context);
    else
        news_of_end(context, news);
}

/* --- requests */

static void wish_make(struct isle__child *child, enum isle__wish wish)
{
    struct isle__supervisor *supervisor = child->supervisor;
    bool is_listed = child->wish != ISLE__WISH_NONE;
    child->wish = wish;
    if (is_listed)
        return;
    child->next_wish = NULL;
    *(supervisor->wish_last == NULL ? &supervisor->wish_first : &supervisor->wish_last->next_wish) =
        child;
    supervisor->wish_last = child;
}

/* So that wishes that will be made now are done. Before them: it may fail. */
static void wish_call(const struct isle__supervisor *supervisor)
{
    if (supervisor->is_ending)
        isle__throw(ISLE_ECLOSED, "the supervisor ends");
    isle_send(isle_port_send_port(supervisor->port), isle_null());
}

static isle_future *wish_future(isle_future **future)
{
    if (*future == NULL)
        *future = isle_future_keep(isle_future_new());
    return *future;
}

static isle_value request_children(const struct isle__supervisor *supervisor)
{
    isle_value list = isle_list();
    for (const struct isle__child *child = supervisor->first; child != NULL; child = child->next)
        isle_list_add(list, isle__child_map(child));
    return list;
}

static isle_value request_add(struct isle__supervisor *supervisor, isle_value what)
{
    const struct addition *addition = isle_as_object(what, &isle__supervisor_addition);
    struct isle__supervisor_sizes sizes = {0};
    isle_child row = {0};
    memcpy(&row, isle_as_bytes(addition->row, &sizes.child), sizeof row);
    row.name = addition->name;
    row.uri = addition->uri;
    row.options = NULL;
    if (!isle_is_null(addition->options))
        row.options = isle_as_bytes(addition->options, &sizes.options);
    isle_future *stands = isle_future_new();
    wish_call(supervisor);
    struct isle__child *child = isle__child_add(supervisor, &row, &sizes, addition->message, true);
    child->stands = isle_future_keep(stands);
    wish_make(child, ISLE__WISH_START);
    return isle_await(stands);
}

static struct isle__child *request_child(const struct isle__supervisor *supervisor, isle_value name)
{
    const char *text = isle_as_string(name);
    struct isle__child *child = isle__child_find(supervisor, text);
    if (child == NULL)
        isle__throw(ISLE_EINVAL, "there is no child \"%.200s\"", text);
    return child;
}

static isle_value request_end(struct isle__supervisor *supervisor, isle_value name)
{
    struct isle__child *child = request_child(supervisor, name);
    isle_future *over = wish_future(&child->over);
    wish_call(supervisor);
    wish_make(child, ISLE__WISH_END);
    return isle_await(over);
}

static isle_value request_restart(struct isle__supervisor *supervisor, isle_value name)
{
    struct isle__child *child = request_child(supervisor, name);
    if (child->is_added && child->row.restart == ISLE_TEMPORARY)
        isle__throw(ISLE_EUNSUPPORTED, "%s: it was added and is temporary: its message is gone",
                    child->row.name);
    isle_future *stands = wish_future(&child->stands);
    wish_call(supervisor);
    wish_make(child, ISLE__WISH_RESTART);
    return isle_await(stands);
}

static size_t watcher_find(const struct isle__supervisor *supervisor, isle_send_port port)
{
    size_t i = 0;
    while (i < supervisor->watcher_count && !isle_send_port_equal(supervisor->watchers[i], port))
        i++;
    return i;
}

static isle_value request_watch(struct isle__supervisor *supervisor, isle_value port)
{
    isle_send_port watcher = isle_as_port(port);
    if (isle_send_port_is_none(watcher))
        isle__throw(ISLE_EINVAL, "the port is none");
    size_t at = watcher_find(supervisor, watcher);
    if (at == ISLE__SUPERVISOR_WATCHERS)
        isle__throw(ISLE_ERANGE, "a supervisor has %d watchers at most", ISLE__SUPERVISOR_WATCHERS);
    supervisor->watchers[at] = watcher;
    supervisor->watcher_count += at == supervisor->watcher_count;
    return isle_null();
}

static isle_value request_unwatch(struct isle__supervisor *supervisor, isle_value port)
{
    size_t at = watcher_find(supervisor, isle_as_port(port));
    if (at < supervisor->watcher_count)
        supervisor->watchers[at] = supervisor->watchers[--supervisor->watcher_count];
    return isle_null();
}

/* Null, or why it did not start. Who started it asks, so the answer has room, however full its
 * mailbox is, and comes before the end: the timer's event is behind it. */
static isle_value request_start(struct isle__supervisor *supervisor)
{
    if (!supervisor->has_started && !supervisor->is_over)
        (void)isle_await(wish_future(&supervisor->stands));
    (void)isle_timer_start(0, supervisor_told, supervisor);
    if (supervisor->has_started)
        return isle_null();
    return isle_string(*supervisor->failure == '\0' ? "it was asked to end" : supervisor->failure);
}

static isle_value request_do(struct isle__supervisor *supervisor, int kind, isle_value what)
{
    switch ((enum request)kind) {
    case ASKS_CHILDREN:
        return request_children(supervisor);
    case ASKS_ADD:
        return request_add(supervisor, what);
    case ASKS_END:
        return request_end(supervisor, what);
    case ASKS_RESTART:
        return request_restart(supervisor, what);
    case ASKS_WATCH:
        return request_watch(supervisor, what);
    case ASKS_UNWATCH:
        return request_unwatch(supervisor, what);
    case ASKS_START:
        return request_start(supervisor);
    }
    isle__throw(ISLE_EINVAL, "a supervisor knows no such request");
}

struct asked {
    struct isle__supervisor *supervisor;
    isle_value request;
};

/* [kind, of what, the capability to end the supervisor] */
static isle_value request_read(isle_value argument)
{
    const struct asked *asked = isle_as_pointer(argument);
    isle_value what, capability;
    int kind;
    isle_unpack(asked->request, "[i,o,o!]", &kind, &what, &capability);
    if (kind != ASKS_CHILDREN &&
        !isle_capability_equal(isle_as_capability(capability), isle_current().terminate_capability))
        isle__throw(ISLE_EINVAL, "the handle of the supervisor lacks its terminate_capability");
    return request_do(asked->supervisor, kind, what);
}

static isle_value supervisor_answer(isle_value request, void *context)
{
    struct asked asked = {context, request};
    isle_value answer;
    if (isle_try(request_read, isle_pointer(&asked), &answer) == ISLE_OK)
        return answer;
    isle_value error = isle_last_error();
    return isle_kind_of(error) == ISLE_ERROR
               ? error
               : isle_error(ISLE_ETHROWN, isle__thrown_text(error), NULL);
}

/* --- the isolate */

void isle__supervisor_main(isle_value message)
{
    const struct birth *birth = isle_as_object(message, &isle__supervisor_birth);
    struct isle__supervisor *supervisor = isle_new(struct isle__supervisor);
    supervisor->sizes = (struct isle__supervisor_sizes){
        (size_t)birth->supervision_size, (size_t)birth->child_size, (size_t)birth->options_size};
    supervisor->parent = birth->parent;
    memcpy(&supervisor->what, (const void *)(uintptr_t)birth->what,
           supervisor->sizes.supervision < sizeof supervisor->what ? supervisor->sizes.supervision
                                                                   : sizeof supervisor->what);
    supervisor->port = isle_port_open();
    isle_port_on_drop(supervisor->port, supervisor_dropped, supervisor);
    isle_trap_links(isle_port_send_port(supervisor->port));
    isle_on_shutdown(supervisor_asked, supervisor);
    isle_port_listen(supervisor->port, supervisor_news, supervisor);
    isle_port_serve(isle_default_port(), supervisor_answer, supervisor);
    if (isle_try(supervisor_read_children, isle_pointer(supervisor), NULL) != ISLE_OK) {
        isle__text_copy(supervisor->failure, sizeof supervisor->failure,
                        isle__thrown_text(isle_last_error()));
        isle__supervisor_leave(supervisor);
        return;
    }
    isle__order_begin(supervisor);
}

/* --- the callers' side: isle_supervise */

isle_future *isle__supervisor_ask_start(isle_isolate supervisor)
{
    isle_value request = isle_pack("[i,o,o]", (int)ASKS_START, isle_null(),
                                   isle_capability_value(supervisor.terminate_capability));
    return isle__call_apart(supervisor.default_port, request);
}

struct supervising {
    const isle_supervision *what;
    isle_options options; /* of the supervisor */
    struct isle__supervisor_sizes sizes;
    isle_receive_port *port;
    isle_isolate isolate;
    bool is_over;
};

/* Also if the caller is killed while it waits. */
static void supervising_end(void *context)
{
    const struct supervising *supervising = context;
    isle_port_close(supervising->port);
    if (!supervising->is_over)
        isle_kill(supervising->isolate, ISLE_IMMEDIATE);
}

ISLE_NORETURN static void supervising_fail(struct supervising *supervising, const char *why)
{
    const char *name = supervising->options.debug_name;
    supervising->is_over = true;
    isle__throw(ISLE_ESPAWN, "Unable to spawn isolate: %s%s%s", name == NULL ? "" : name,
                name == NULL ? "" : ": ", why);
}

static isle_value supervising_answer(isle_value argument)
{
    const struct supervising *supervising = isle_as_pointer(argument);
    return isle_await(isle__supervisor_ask_start(supervising->isolate));
}

/* It has ended by itself, or, if only its answer was lost, by this kill. */
ISLE_NORETURN static void supervising_ended(struct supervising *supervising)
{
    isle_kill(supervising->isolate, ISLE_IMMEDIATE);
    isle_end end = isle_as_end(isle_port_receive(supervising->port));
    supervising_fail(supervising, *end.text == '\0' ? isle_reason_text(end.reason) : end.text);
}

static isle_value supervising_wait(struct supervising *supervising)
{
    isle_value failure;
    isle_err err = isle_try(supervising_answer, isle_pointer(supervising), &failure);
    if (err == ISLE_ECLOSED)
        supervising_ended(supervising);
    if (err != ISLE_OK)
        isle_throw(isle_last_error());
    if (isle_kind_of(failure) == ISLE_ERROR)
        isle_throw(failure);
    if (!isle_is_null(failure))
        supervising_fail(supervising, isle_as_string(failure));
    supervising->is_over = true;
    return isle_null();
}

static isle_value supervising_do(isle_value argument)
{
    struct supervising *supervising = isle_as_pointer(argument);
    supervising->port = isle_port_open();
    isle_defer(supervising_end, supervising);
    isle_send_port port = isle_port_send_port(supervising->port);
    isle_options options = supervising->options;
    bool is_monitored = !isle_send_port_is_none(options.monitor);
    if (!is_monitored)
        options.monitor = port;
    supervising->isolate = isle_spawn(
        isle__supervisor_main,
        isle__supervisor_message(supervising->what, &supervising->sizes, isle_send_port_none()),
        &options);
    if (is_monitored)
        isle_monitor(supervising->isolate, port);
    return supervising_wait(supervising);
}

isle_isolate isle__supervise(const isle_supervision *supervision, const char *debug_name,
                             const isle_options *options, size_t supervision_size,
                             size_t child_size, size_t options_size)
{
    struct supervising supervising = {
        .what = supervision,
        .sizes = {supervision_size, child_size, options_size},
    };
    isle__inside_need("isle_supervise");
    if (supervision == NULL)
        isle__throw(ISLE_EINVAL, "isle_supervise: the supervision is NULL");
    if (options != NULL)
        memcpy(&supervising.options, options,
               options_size < sizeof *options ? options_size : sizeof *options);
    supervising.options.debug_name = debug_name;
    if (supervising.options.backend == ISLE_BACKEND_DEFAULT)
        supervising.options.backend = ISLE_THREAD;
    if (supervising.options.backend != ISLE_THREAD)
        isle__throw(ISLE_EUNSUPPORTED, "isle_supervise: a supervisor runs on threads");
    isle_err err = isle_try(supervising_do, isle_pointer(&supervising), NULL);
    if (err == ISLE_EUNSENDABLE)
        isle__throw(ISLE_EUNSUPPORTED,
                    "isle_supervise: a supervisor runs in the program itself, not behind a wall");
    if (err != ISLE_OK)
        isle_throw(isle_last_error());
    return supervising.isolate;
}

/* --- the callers' side: requests */

static void ask_answered(isle_value answer, void *context)
{
    if (isle_kind_of(answer) == ISLE_ERROR)
        isle_future_complete_error(context, answer);
    else
        isle_future_complete(context, answer);
    isle_future_release(context);
}

static void ask_failed(isle_value error, void *context)
{
    isle_future_complete_error(context, error);
    isle_future_release(context);
}

struct asking {
    isle_future *call, *answer;
};

static isle_value ask_chain(isle_value argument)
{
    const struct asking *asking = isle_as_pointer(argument);
    isle_then(asking->call, ask_answered, ask_failed, asking->answer);
    return isle_null();
}

static isle_future *ask(isle_isolate supervisor, enum request kind, isle_value what)
{
    struct asking asking = {.answer = isle_future_new()};
    isle_value request = isle_pack("[i,o,o]", (int)kind, what,
                                   isle_capability_value(supervisor.terminate_capability));
    asking.call = isle_call(supervisor.default_port, request, ISLE_FOREVER);
    (void)isle_future_keep(asking.answer);
    if (isle_try(ask_chain, isle_pointer(&asking), NULL) != ISLE_OK) {
        isle_future_cancel(asking.call);
        isle_future_release(asking.answer);
        isle_throw(isle_last_error());
    }
    return asking.answer;
}

isle_future *isle__supervisor_add(isle_isolate supervisor, const isle_child *child,
                                  isle_value message, size_t child_size, size_t options_size)
{
    isle__inside_need("isle_supervisor_add");
    if (child == NULL)
        isle__throw(ISLE_EINVAL, "isle_supervisor_add: the child is NULL");
    isle_child row = {0};
    memcpy(&row, child, child_size < sizeof row ? child_size : sizeof row);
    struct addition *addition = isle_bytes_data(isle_bytes(NULL, sizeof *addition));
    *addition = (struct addition){
        .name = row.name,
        .uri = row.uri,
        .row = isle_bytes(&row, sizeof row),
        .options = row.options == NULL ? isle_null() : isle_bytes(row.options, options_size),
        .message = message,
    };
    return ask(supervisor, ASKS_ADD, isle_object(&isle__supervisor_addition, addition));
}

isle_future *isle_supervisor_end(isle_isolate supervisor, const char *name)
{
    isle__inside_need(__func__);
    return ask(supervisor, ASKS_END, isle_string(name));
}

isle_future *isle_supervisor_restart(isle_isolate supervisor, const char *name)
{
    isle__inside_need(__func__);
    return ask(supervisor, ASKS_RESTART, isle_string(name));
}

isle_future *isle_supervisor_children(isle_isolate supervisor)
{
    isle__inside_need(__func__);
    return ask(supervisor, ASKS_CHILDREN, isle_null());
}

isle_future *isle_supervisor_watch(isle_isolate supervisor, isle_send_port port)
{
    isle__inside_need(__func__);
    return ask(supervisor, ASKS_WATCH, isle_port(port));
}

isle_future *isle_supervisor_unwatch(isle_isolate supervisor, isle_send_port port)
{
    isle__inside_need(__func__);
    return ask(supervisor, ASKS_UNWATCH, isle_port(port));
}

/* --- reading */

static isle_child_state info_state(const char *text)
{
    for (int state = ISLE_CHILD_STARTING; state <= ISLE_CHILD_STUCK; state++)
        if (strcmp(text, isle_child_state_text((isle_child_state)state)) == 0)
            return (isle_child_state)state;
    isle__throw(ISLE_EINVAL, "isle_as_child_info: no child is \"%.80s\"", text);
}

static isle_reason info_reason(const char *text)
{
    enum { MORE_THAN_THERE_ARE = 64 };
    for (int reason = 0; reason < MORE_THAN_THERE_ARE; reason++)
        if (strcmp(text, isle_reason_text((isle_reason)reason)) == 0)
            return (isle_reason)reason;
    isle__throw(ISLE_EINVAL, "isle_as_child_info: no end is \"%.80s\"", text);
}

isle_child_info isle_as_child_info(isle_value child)
{
    isle_child_info info = {0};
    const char *state;
    isle_value isolate, reason;
    isle__inside_need(__func__);
    isle_unpack(child, "{s:s,s:s,s:o,s:i,s:o,s:s}", "name", &info.name, "state", &state, "isolate",
                &isolate, "restarts", &info.restarts, "reason", &reason, "text", &info.text);
    info.state = info_state(state);
    if (!isle_is_null(isolate))
        info.isolate = isle_as_isolate(isolate);
    info.has_ended = !isle_is_null(reason);
    if (info.has_ended)
        info.reason = info_reason(isle_as_string(reason));
    return info;
}
