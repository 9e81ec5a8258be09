/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: structured cancellation.
 *
 * A group has its members in a list, newest first. Each tells its end in an event of its own: an
 * isolate at a port that is its monitor, a future by a callback, a timer by its drop, a group
 * inside by a call. OPEN it takes members; ENDING, it goes through the list (group_step) each time
 * that somebody has left; KILLING, it has lost its patience. It is over when nobody is left that is
 * waited for, and somebody wants to know or it was to end; who waits is told by a future.
 *
 * The memory of a group is returned by the last who waited for it, or by the end of its scope,
 * whichever comes first; who comes later finds its handle stale. Of members that somebody else will
 * tell of yet (futures, timers) the memory stays until then, without a group.
 *
 * Behind a wall an end may run nothing of this. Then the host kills the members: those that were
 * spawned there because they end with their spawner, those that were added because they are owned.
 *
 * What is done to a member may be refused for want of memory (isle_kill, isle_shutdown): then its
 * turn comes with the kill, or the second one, and nothing is thrown into the code of the program.
 */
#include "isle/group.h"

#include <string.h>

#include "isle/bytes.h"
#include "isle/error.h"
#include "isle/future.h"
#include "isle/monitor.h"
#include "isle/port.h"
#include "isle/scope.h"
#include "isle/timer.h"
#include "isle/value.h"
#include "systems/handle.h"
#include "value/failure.h"

#define GROUP_SHUTDOWN_NS ISLE_SECONDS(5)
#define GROUP_KILL_NS ISLE_SECONDS(1) /* at least, from the kill until it is given up */

enum group_state { GROUP_OPEN, GROUP_ENDING, GROUP_KILLING };
enum group_kind { GROUP_ISOLATE, GROUP_FUTURE, GROUP_TIMER, GROUP_INNER };

struct group_member {
    struct group_member *newer, *older;
    struct group *group; /* NULL: it has left, and its last event is to come */
    enum group_kind kind;
    bool was_asked;
    isle_isolate isolate;
    isle_receive_port *port; /* of an isolate: where its end is told */
    isle_future *future;
    isle_timer *timer;
    struct group *inner;
};

struct group {
    isle_group *handle;
    struct group_member *newest;
    struct group_member *place; /* in the group around it; NULL: in none */
    size_t count;               /* members that are waited for */
    size_t waiters;
    enum group_state state;
    bool is_settling; /* group_settle is on the stack */
    bool is_over;
    bool keeps_going, together;
    bool gave_up; /* some were killed and have not ended */
    int64_t shutdown_ns;
    isle_timer *deadline, *patience;
    isle_err why;      /* the first thing that went wrong */
    isle_value error;  /* a cell: a list of it; null: the code says it */
    isle_future *over; /* kept; of a bool, as gave_up, for who goes on when the group is gone */
};

static void group_end(struct group *group, isle_err why);
static void group_kill(struct group *group);
static void group_settle(struct group *group);
static void group_abandon(struct group *group);

/* --- what must not be thrown into an event */

static void group_do_shutdown(void *argument)
{
    isle_shutdown(((struct group_member *)argument)->isolate);
}

static void group_do_kill(void *isolate)
{
    isle_kill(*(isle_isolate *)isolate, ISLE_IMMEDIATE);
}

static void group_do_cancel(void *argument)
{
    isle_future_cancel(((struct group_member *)argument)->future);
}

static void group_do_complete(void *argument)
{
    struct group *group = argument;
    isle_future_complete(group->over, isle_bool(group->gave_up));
}

/* ISLE_OK, or why it was refused. The end of the running isolate is no refusal: it goes on at the
 * next kill point. */
static isle_err group_try(isle_task *task, void *argument)
{
    return isle_protect(task, argument, NULL);
}

/* The first try may have been the one without memory. */
static void isolate_kill(isle_isolate isolate)
{
    if (group_try(group_do_kill, &isolate) != ISLE_OK)
        (void)group_try(group_do_kill, &isolate);
}

/* --- members */

static bool member_is_waited_for(const struct group_member *member)
{
    return member->kind != GROUP_TIMER;
}

static void group_link(struct group *group, struct group_member *member)
{
    member->group = group;
    member->older = group->newest;
    if (group->newest != NULL)
        group->newest->newer = member;
    group->newest = member;
    group->count += member_is_waited_for(member);
}

static void group_unlink(struct group_member *member)
{
    struct group *group = member->group;
    if (member->newer == NULL)
        group->newest = member->older;
    else
        member->newer->older = member->older;
    if (member->older != NULL)
        member->older->newer = member->newer;
    group->count -= member_is_waited_for(member);
    member->group = NULL;
    member->newer = member->older = NULL;
}

/* It has told its end, or never will. */
static void member_free(struct group_member *member)
{
    if (member->group != NULL)
        group_unlink(member);
    isle_port_close(member->port);
    isle_free(member);
}

static void member_left(struct group_member *member)
{
    struct group *group = member->group;
    member_free(member);
    if (group != NULL)
        group_settle(group);
}

/* --- what goes wrong */

struct group_failure {
    struct group *group;
    isle_value error; /* null: of an end */
    const isle_end *end;
};

static void group_keep_error(void *argument)
{
    struct group_failure *failure = argument;
    isle_value error = failure->error, list = isle_list();
    if (failure->end != NULL)
        error = isle_error(ISLE_EREMOTE,
                           isle_as_string(isle_stringf("%s: %s%s%s", failure->end->debug_name,
                                                       isle_reason_text(failure->end->reason),
                                                       *failure->end->text == '\0' ? "" : ": ",
                                                       failure->end->text)),
                           NULL);
    isle_list_add(list, error);
    isle_cell_set(&failure->group->error, list);
}

static void group_failed(struct group *group, isle_value error, const isle_end *end)
{
    struct group_failure failure = {group, error, end};
    if (group->state != GROUP_OPEN)
        return;
    if (group->why == ISLE_OK) {
        group->why = end != NULL ? ISLE_EREMOTE : isle__failure_code(error);
        (void)group_try(group_keep_error, &failure); /* without memory the code alone is told */
    }
    if (!group->keeps_going)
        group_end(group, group->why);
}

/* --- how members tell */

static void member_isolate_ended(isle_value message, void *context)
{
    struct group_member *member = context;
    isle_end end = isle_as_end(message);
    if (end.reason != ISLE_RETURNED)
        group_failed(member->group, isle_null(), &end);
    member_left(member);
}

static void member_future_done(isle_value value, void *context)
{
    (void)value;
    member_left(context);
}

static void member_future_failed(isle_value error, void *context)
{
    struct group_member *member = context;
    if (member->group != NULL)
        group_failed(member->group, error, NULL);
    member_left(member);
}

static void member_timer_over(void *context)
{
    member_left(context);
}

/* --- the end */

static void group_over(struct group *group)
{
    struct group_member *place = group->place;
    if (group->is_over)
        return;
    group->is_over = true;
    isle_timer_cancel(group->deadline);
    isle_timer_cancel(group->patience);
    (void)group_try(group_do_complete, group);
    group->place = NULL;
    if (place != NULL)
        member_left(place);
}

/* Asks one member to end. */
static void member_ask(struct group_member *member)
{
    if (member->was_asked)
        return;
    member->was_asked = true;
    switch (member->kind) {
    case GROUP_ISOLATE:
        if (group_try(group_do_shutdown, member) != ISLE_OK)
            isolate_kill(member->isolate); /* else an endless patience would have no end */
        break;
    case GROUP_FUTURE:
        (void)group_try(group_do_cancel, member);
        break;
    case GROUP_TIMER:
        group_unlink(member); /* its drop frees it */
        isle_timer_cancel(member->timer);
        break;
    case GROUP_INNER:
        group_end(member->inner, ISLE_ECANCELED);
        break;
    }
}

/* Newest first: each is asked when those that are newer, and could hold something of it, have
 * ended. */
static void group_step(struct group *group)
{
    struct group_member *older;
    bool in_turn = group->state == GROUP_ENDING && !group->together;
    for (struct group_member *member = group->newest; member != NULL; member = older) {
        const struct group *inner = member->inner;
        bool is_isolate = member->kind == GROUP_ISOLATE;
        older = member->older;
        member_ask(member);
        bool holds_up = is_isolate || (inner != NULL && !inner->is_over);
        if (holds_up && in_turn && group->state == GROUP_ENDING)
            return;
    }
}

static void group_settle(struct group *group)
{
    if (group->is_settling)
        return;
    group->is_settling = true;
    if (group->count == 0 && group->waiters > 0 && group->state == GROUP_OPEN)
        group->state = GROUP_ENDING; /* of timers alone */
    if (group->state != GROUP_OPEN)
        group_step(group);
    group->is_settling = false;
    if (group->state != GROUP_OPEN && (group->count == 0 || group->gave_up))
        group_over(group);
}

static void group_give_up(void *context)
{
    struct group *group = context;
    for (struct group_member *member = group->newest; member != NULL; member = member->older)
        if (member->kind == GROUP_ISOLATE)
            isolate_kill(member->isolate);
    group->gave_up = true;
    group_settle(group);
}

static void group_out_of_patience(void *context)
{
    group_kill(context);
}

struct group_alarm {
    struct group *group;
    int64_t delay_ns;
    isle_task *task;
};

static void group_do_set_patience(void *argument)
{
    struct group_alarm *alarm = argument;
    alarm->group->patience = isle_timer_start(alarm->delay_ns, alarm->task, alarm->group);
}

static void group_set_patience(struct group *group, int64_t delay_ns, isle_task *task)
{
    struct group_alarm alarm = {group, delay_ns, task};
    isle_timer_cancel(group->patience);
    group->patience = NULL;
    if (delay_ns != ISLE_FOREVER && group_try(group_do_set_patience, &alarm) != ISLE_OK &&
        group->patience == NULL && group->state == GROUP_ENDING)
        group_kill(group);
}

static void member_kill(struct group_member *member)
{
    struct group *inner = member->inner;
    if (member->kind == GROUP_ISOLATE) {
        member->was_asked = true;
        isolate_kill(member->isolate);
    } else if (inner != NULL) { /* it loses its patience as well */
        group_end(inner, ISLE_ECANCELED);
        group_kill(inner);
    }
}

static void group_kill(struct group *group)
{
    struct group_member *older;
    bool was_settling = group->is_settling;
    if (group->state == GROUP_KILLING || group->is_over)
        return;
    group->state = GROUP_KILLING;
    group->is_settling = true;
    for (struct group_member *member = group->newest; member != NULL; member = older) {
        older = member->older;
        member_kill(member);
    }
    group->is_settling = was_settling;
    group_set_patience(group,
                       group->shutdown_ns > GROUP_KILL_NS ? group->shutdown_ns : GROUP_KILL_NS,
                       group_give_up);
    group_settle(group);
}

static void group_end(struct group *group, isle_err why)
{
    if (group->state != GROUP_OPEN)
        return;
    if (group->why == ISLE_OK)
        group->why = why;
    group->state = GROUP_ENDING;
    group_set_patience(group, group->shutdown_ns, group_out_of_patience);
    group_settle(group);
}

static void group_deadline(void *context)
{
    group_end(context, ISLE_ETIMEDOUT);
}

/* --- leaving */

/* What the member had is given back first, so there is memory for the kill. */
static void member_abandon_isolate(struct group_member *member)
{
    isle_isolate isolate = member->isolate;
    member_free(member);
    isolate_kill(isolate);
}

/* Nobody waits: all that is left is ended at once and told of by nobody. */
static void member_abandon(struct group_member *member)
{
    struct group *inner = member->inner;
    switch (member->kind) {
    case GROUP_ISOLATE:
        member_abandon_isolate(member);
        break;
    case GROUP_FUTURE:
        group_unlink(member);
        (void)group_try(group_do_cancel, member);
        break;
    case GROUP_TIMER:
        group_unlink(member);
        isle_timer_cancel(member->timer);
        break;
    case GROUP_INNER:
        inner->place = NULL;
        member_free(member);
        group_abandon(inner);
        break;
    }
}

static void group_abandon(struct group *group)
{
    struct group_member *place = group->place;
    group->is_settling = true;
    isle_timer_cancel(group->deadline);
    isle_timer_cancel(group->patience);
    while (group->newest != NULL)
        member_abandon(group->newest);
    if (!group->is_over)
        (void)group_try(group_do_complete, group);
    isle_future_release(group->over);
    isle_cell_set(&group->error, isle_null());
    isle__system_close(ISLE__SYSTEM_GROUP, group->handle);
    isle_free(group);
    if (place != NULL)
        member_left(place);
}

/* --- opening and adding */

static struct group *group_need(const isle_group *handle, const char *function)
{
    return isle__system_need(ISLE__SYSTEM_GROUP, handle, function);
}

static struct group *group_need_open(const isle_group *handle, const char *function)
{
    struct group *group = group_need(handle, function);
    if (group->state != GROUP_OPEN)
        isle__throw(ISLE_ECLOSED, "%s: the group ends", function);
    return group;
}

/* A member in the making: what was made of it is taken back if the making is not completed. */
struct group_making {
    struct group_member *member;
};

static void making_undo(void *context)
{
    struct group_member *member = ((struct group_making *)context)->member;
    if (member == NULL)
        return;
    isle_timer_cancel(member->timer);
    isle_port_close(member->port);
    isle_free(member);
}

static struct group_member *making_begin(struct group_making *making, enum group_kind kind)
{
    making->member = NULL;
    isle_defer(making_undo, making);
    making->member = isle_new(struct group_member);
    making->member->kind = kind;
    return making->member;
}

static void making_complete(struct group_making *making, struct group *group)
{
    group_link(group, making->member);
    making->member = NULL;
}

/* Its end is told at a port of its own. */
static isle_send_port member_listen(struct group_member *member)
{
    member->port = isle_port_open();
    isle_port_listen(member->port, member_isolate_ended, member);
    return isle_port_send_port(member->port);
}

static void group_read_options(isle_group_options *options, const isle_group_options *given,
                               size_t size)
{
    size_t known = size < sizeof *options ? size : sizeof *options;
    memset(options, 0, sizeof *options);
    if (given == NULL)
        return;
    memcpy(options, given, known);
    for (size_t at = known; at < size; at++)
        if (((const unsigned char *)given)[at] != 0)
            isle__throw(ISLE_EUNSUPPORTED, "isle_group_open: an option that is not known here");
    if (options->deadline_ns < 0 || options->shutdown_ns < 0)
        isle__throw(ISLE_ERANGE, "isle_group_open: a negative duration");
}

/* What the scope has of a group: it goes with the scope, after its deferred tasks. */
struct group_hold {
    struct group *making; /* not complete yet */
    isle_group *handle;
};

static void group_undo(struct group *group)
{
    isle_timer_cancel(group->deadline);
    if (group->over != NULL)
        isle_future_release(group->over);
    isle__system_close(ISLE__SYSTEM_GROUP, group->handle);
    isle_free(group);
}

/* The scope is left. */
static void group_leave(void *context)
{
    const struct group_hold *hold = context;
    struct group *group = isle__system_find(ISLE__SYSTEM_GROUP, hold->handle);
    if (hold->making != NULL)
        group_undo(hold->making);
    else if (group != NULL)
        group_abandon(group);
}

static struct group_hold *group_hold(void)
{
    struct group_hold *hold = isle_bytes_data(isle_bytes(NULL, sizeof *hold));
    isle_defer(group_leave, hold);
    return hold;
}

/* Who asked for what is done here waits no longer, so neither does the group. */
static int64_t group_time(int64_t own)
{
    int64_t due = isle_call_deadline();
    if (own == 0)
        own = ISLE_FOREVER;
    if (due == ISLE_FOREVER)
        return own;
    int64_t left = due - isle_now_ns();
    if (left < 0)
        left = 0;
    return left < own ? left : own;
}

static struct group *group_make(struct group_hold *hold, const isle_group_options *options)
{
    struct group *group = hold->making = isle_new(struct group);
    group->keeps_going = options->keep_going;
    group->together = options->together;
    group->shutdown_ns = options->shutdown_ns == 0 ? GROUP_SHUTDOWN_NS : options->shutdown_ns;
    group->over = isle_future_keep(isle_future_new());
    group->handle = isle__system_open(ISLE__SYSTEM_GROUP, group);
    int64_t time = group_time(options->deadline_ns);
    if (time != ISLE_FOREVER)
        group->deadline = isle_timer_start(time, group_deadline, group);
    return group;
}

static void group_place(struct group *group, struct group *parent)
{
    struct group_making making;
    isle_scope scope = isle_scope_open();
    group->place = making_begin(&making, GROUP_INNER);
    group->place->inner = group;
    making_complete(&making, parent);
    isle_scope_close(&scope);
}

isle_group *isle__group_open(const isle_group_options *given, size_t size)
{
    isle_group_options options;
    struct group *parent = NULL;
    isle__inside_need("isle_group_open");
    group_read_options(&options, given, size);
    if (options.parent != NULL)
        parent = group_need_open(options.parent, "isle_group_open");
    struct group_hold *hold = group_hold();
    struct group *group = group_make(hold, &options);
    if (parent != NULL)
        group_place(group, parent);
    hold->handle = group->handle;
    hold->making = NULL;
    return hold->handle;
}

struct group_spawn_options {
    isle_options known;
    unsigned char later[256]; /* of a program that is newer */
};

/* As the caller has them, with the group's monitor. Returns their size. */
static size_t group_spawn_options(struct group_spawn_options *ret, const isle_options *given,
                                  size_t size)
{
    memset(ret, 0, sizeof *ret);
    if (given == NULL)
        return sizeof ret->known;
    if (size > sizeof *ret)
        isle__throw(ISLE_EUNSUPPORTED, "isle_group_spawn: an option that is not known here");
    memcpy(ret, given, size);
    if (!isle_send_port_is_none(ret->known.monitor))
        isle__throw(ISLE_EINVAL, "isle_group_spawn: the monitor is the group's");
    return size < sizeof ret->known ? sizeof ret->known : size;
}

isle_isolate isle__group_spawn(isle_group *handle, isle_entry *entry, isle_value message,
                               const isle_options *options, size_t options_size)
{
    struct group *group = group_need_open(handle, "isle_group_spawn");
    struct group_spawn_options with;
    struct group_making making;
    size_t size = group_spawn_options(&with, options, options_size);
    isle_scope scope = isle_scope_open();
    struct group_member *member = making_begin(&making, GROUP_ISOLATE);
    with.known.monitor = member_listen(member);
    isle_isolate isolate = member->isolate = isle__spawn(entry, message, &with.known, size);
    making_complete(&making, group);
    isle_scope_close(&scope);
    return isolate;
}

void isle_group_add(isle_group *handle, isle_isolate isolate)
{
    struct group *group = group_need_open(handle, __func__);
    struct group_making making;
    isle_scope scope = isle_scope_open();
    struct group_member *member = making_begin(&making, GROUP_ISOLATE);
    member->isolate = isolate;
    isle_monitor(isolate, member_listen(member));
    isle__own(isolate); /* what was spawned here ends with its spawner anyhow */
    making_complete(&making, group);
    isle_scope_close(&scope);
}

isle_future *isle_group_own(isle_group *handle, isle_future *future)
{
    struct group *group = group_need_open(handle, __func__);
    struct group_making making;
    isle_scope scope = isle_scope_open();
    struct group_member *member = making_begin(&making, GROUP_FUTURE);
    member->future = future;
    isle_then(future, member_future_done, member_future_failed, member);
    making_complete(&making, group);
    isle_scope_close(&scope);
    return future;
}

static void group_run_undo(void *context)
{
    isle_future *future = *(isle_future **)context;
    if (future != NULL)
        isle_future_cancel(future);
}

isle_future *isle__group_run(isle_group *handle, isle_computation *computation, isle_value argument,
                             const isle_options *options, size_t options_size)
{
    (void)group_need_open(handle, "isle_group_run");
    isle_future *future = isle__run(computation, argument, options, options_size), *made = future;
    isle_scope scope = isle_scope_open();
    isle_defer(group_run_undo, &made);
    (void)isle_group_own(handle, future);
    made = NULL;
    isle_scope_close(&scope);
    return future;
}

static isle_timer *group_timer(struct group *group, bool is_periodic, int64_t time_ns,
                               isle_task *task, void *context)
{
    struct group_making making;
    isle_scope scope = isle_scope_open();
    struct group_member *member = making_begin(&making, GROUP_TIMER);
    isle_timer *timer = member->timer = is_periodic ? isle_timer_periodic(time_ns, task, context)
                                                    : isle_timer_start(time_ns, task, context);
    isle_timer_on_drop(timer, member_timer_over, member);
    making_complete(&making, group);
    isle_scope_close(&scope);
    return timer;
}

isle_timer *isle_group_timer(isle_group *handle, int64_t delay_ns, isle_task *task, void *context)
{
    return group_timer(group_need_open(handle, __func__), false, delay_ns, task, context);
}

isle_timer *isle_group_periodic(isle_group *handle, int64_t period_ns, isle_task *task,
                                void *context)
{
    return group_timer(group_need_open(handle, __func__), true, period_ns, task, context);
}

size_t isle_group_count(const isle_group *handle)
{
    return group_need(handle, __func__)->count;
}

/* --- waiting */

void isle_group_cancel(isle_group *handle)
{
    group_end(group_need(handle, __func__), ISLE_ECANCELED);
}

static isle_value group_wait_over(isle_value future)
{
    return isle_await(isle_as_pointer(future));
}

/* Until it is over, whatever a request that is served here still has of time: nothing that belongs
 * to a group outlives it. ISLE_ESTALE: somebody has left its scope. Else, if it is not over, what
 * prevented the waiting. */
static isle_err group_await(struct group *group, bool *gave_up)
{
    isle_group *handle = group->handle;
    isle_value told = isle_null();
    isle_err err = ISLE_OK;
    group->waiters++;
    group_settle(group);
    if (group->is_over)
        told = isle_bool(group->gave_up);
    else
        err = isle_try(group_wait_over, isle_pointer(group->over), &told);
    *gave_up = !isle_is_null(told) && isle_as_bool(told);
    group = isle__system_find(ISLE__SYSTEM_GROUP, handle);
    if (group == NULL)
        return ISLE_ESTALE;
    group->waiters--;
    return group->is_over ? ISLE_OK : err;
}

static isle_err group_tell(const struct group *group)
{
    if (group->why == ISLE_OK)
        return ISLE_OK;
    if (!isle_is_null(group->error))
        return isle__fail_with(isle_list_get(group->error, 0));
    return isle__fail(group->why, "isle_group_wait: %s",
                      group->why == ISLE_ETIMEDOUT   ? "the deadline of the group has passed"
                      : group->why == ISLE_ECANCELED ? "the group was canceled"
                                                     : isle_err_text(group->why));
}

static void group_done_with(struct group *group)
{
    if (group->waiters == 0)
        group_abandon(group);
}

isle_err isle_group_wait(isle_group *handle)
{
    struct group *group = group_need(handle, __func__);
    bool gave_up;
    isle_err err = group_await(group, &gave_up);
    if (err == ISLE_ESTALE)
        return isle__fail(ISLE_ECANCELED, "isle_group_wait: the group's scope was left");
    if (err != ISLE_OK)
        return err;
    err = group_tell(group);
    group_done_with(group);
    return err;
}

isle_err isle_group_close(isle_group *handle)
{
    isle__inside_need(__func__);
    struct group *group = isle__system_find(ISLE__SYSTEM_GROUP, handle);
    if (group == NULL)
        return ISLE_OK;
    group_end(group, ISLE_ECANCELED);
    bool gave_up;
    isle_err err = group_await(group, &gave_up);
    if (err == ISLE_OK)
        group_done_with(group);
    else if (err != ISLE_ESTALE)
        group_abandon(group);
    if (gave_up)
        return isle__fail(ISLE_ETIMEDOUT,
                          "isle_group_close: isolates that were killed did not stop");
    return ISLE_OK;
}
