/* SPDX-License-Identifier: Apache-2.0 */
/* Who of a supervisor's children is started and ended when: the strategies.
 *
 * A walk goes along the children: downwards from the last, each ended before the one before it is
 * asked (ENDING), then, after a pause, upwards, each started when the one before it stands
 * (STARTING). The first start of all, a restart of several and the end of the supervisor are such
 * walks; one at a time: a failure meanwhile turns it round. Without one (one for one) a child's
 * restart concerns nobody else, and each has a timer of its own. */
#include <stdio.h>
#include <string.h>

#include "isle/error.h"
#include "isle/scope.h"
#include "isle/value.h"
#include "systems/supervisor.h"

enum { RESTARTS_MAX = 3 };
#define WINDOW_NS ISLE_SECONDS(5)
#define BACKOFF_MAX_NS ISLE_SECONDS(30)

static void order_go(struct isle__supervisor *supervisor);

/* --- how many restarts, and how soon */

static unsigned restarts_max(const struct isle__supervisor *supervisor)
{
    unsigned most = supervisor->what.restart_max;
    return most == ISLE_NO_RESTARTS ? 0 : most == 0 ? (unsigned)RESTARTS_MAX : most;
}

static int64_t window_ns(const struct isle__supervisor *supervisor)
{
    int64_t window = supervisor->what.restart_window_ns;
    return window > 0 ? window : WINDOW_NS;
}

static void times_forget(struct isle__supervisor *supervisor, int64_t now)
{
    int64_t window = window_ns(supervisor);
    while (supervisor->time_count > 0 && now - supervisor->times[supervisor->time_first] > window) {
        supervisor->time_first++;
        supervisor->time_count--;
    }
}

static void times_add(struct isle__supervisor *supervisor, int64_t now)
{
    size_t first = supervisor->time_first, count = supervisor->time_count;
    if (first + count == supervisor->time_capacity && first > count) {
        memmove(supervisor->times, supervisor->times + first, count * sizeof(int64_t));
        supervisor->time_first = first = 0;
    }
    if (first + count == supervisor->time_capacity) {
        size_t capacity = supervisor->time_capacity == 0 ? 4 : 2 * supervisor->time_capacity;
        supervisor->times = isle_realloc(supervisor->times, capacity * sizeof(int64_t));
        supervisor->time_capacity = capacity;
    }
    supervisor->times[first + count] = now;
    supervisor->time_count++;
}

/* Counts one more. */
static bool restart_is_allowed(struct isle__supervisor *supervisor)
{
    int64_t now = isle_now_ns();
    times_forget(supervisor, now);
    if (supervisor->time_count >= restarts_max(supervisor))
        return false;
    times_add(supervisor, now);
    return true;
}

/* Of a child that has failed. */
static int64_t backoff_ns(struct isle__child *child)
{
    const isle_supervision *what = &child->supervisor->what;
    int64_t most = what->backoff_max_ns > 0 ? what->backoff_max_ns : BACKOFF_MAX_NS;
    int64_t delay = what->backoff_ns;
    if (isle_now_ns() - child->since >= window_ns(child->supervisor))
        child->streak = 0;
    child->streak++;
    if (child->streak < 2 || delay <= 0)
        return 0;
    for (unsigned i = 2; i < child->streak && delay < most; i++)
        delay = delay > most / 2 ? most : 2 * delay;
    return delay < most ? delay : most;
}

/* --- the walk */

/* It concerns this child, which will be started on the way back if it is one of those. */
static bool walk_ends(const struct isle__child *child)
{
    const struct isle__supervisor *supervisor = child->supervisor;
    bool is_down =
        supervisor->sweep == ISLE__SWEEP_ENDING || supervisor->sweep == ISLE__SWEEP_PAUSING;
    return is_down && child->rank >= supervisor->from;
}

static void walk_leave_out(struct isle__child *child)
{
    struct isle__supervisor *supervisor = child->supervisor;
    if (supervisor->at == child)
        supervisor->at = supervisor->sweep == ISLE__SWEEP_ENDING ? child->previous : child->next;
}

/* It has ended for good: nobody waits for it any more, and one that was added goes. */
static void order_rest(struct isle__child *child)
{
    isle__child_rest(child);
    child->begins_anew = false;
    isle__child_become(child, ISLE_CHILD_ENDED);
    isle__child_answer(&child->over, isle_null());
    isle__child_answer(&child->stands,
                       isle_error(ISLE_ESPAWN, "the child was ended before it stood", NULL));
    if (!child->is_added || child->wish != ISLE__WISH_NONE)
        return;
    walk_leave_out(child);
    isle__child_remove(child);
}

/* The walk has passed it on the way down: it has ended. */
static void walk_mark(struct isle__child *child)
{
    isle__child_rest(child);
    if (child->supervisor->is_ending || child->wish != ISLE__WISH_NONE)
        return;
    if (!child->begins_anew)
        child->begins_anew = child->row.restart != ISLE_TEMPORARY && !child->is_dismissed;
    if (child->begins_anew)
        isle__child_become(child, ISLE_CHILD_WAITING);
    else
        order_rest(child);
}

static void walk_resume(void *context)
{
    struct isle__supervisor *supervisor = context;
    supervisor->timer = NULL;
    supervisor->sweep = ISLE__SWEEP_STARTING;
    supervisor->at = supervisor->first;
    while (supervisor->at != NULL && supervisor->at->rank < supervisor->from)
        supervisor->at = supervisor->at->next;
    order_go(supervisor);
}

static void walk_turn(struct isle__supervisor *supervisor)
{
    supervisor->at = NULL;
    if (supervisor->is_ending) {
        isle__supervisor_leave(supervisor);
        return;
    }
    supervisor->sweep = ISLE__SWEEP_PAUSING;
    supervisor->timer = isle_timer_start(supervisor->pause_ns, walk_resume, supervisor);
}

/* True: the next step may follow. */
static bool walk_step_down(struct isle__supervisor *supervisor)
{
    struct isle__child *child = supervisor->at;
    if (child == NULL || child->rank < supervisor->from) {
        walk_turn(supervisor);
        return false;
    }
    if (isle__child_is_alive(child)) {
        isle__child_end(child);
        return false;
    }
    supervisor->at = child->previous;
    walk_mark(child);
    return true;
}

static bool walk_step_up(struct isle__supervisor *supervisor)
{
    struct isle__child *child = supervisor->at;
    if (child == NULL) {
        supervisor->sweep = ISLE__SWEEP_NONE;
        if (!supervisor->has_started)
            isle__supervisor_started(supervisor);
        return false;
    }
    /* One that was told to end while the walk was below it is started when it is over. */
    if (!child->begins_anew || isle__child_is_alive(child)) {
        supervisor->at = child->next;
        return true;
    }
    isle__child_start(child); /* which may have failed, turned the walk round, and removed it */
    return supervisor->sweep != ISLE__SWEEP_STARTING || supervisor->at != child;
}

/* As far as it comes without waiting. One that is called by what it does itself leaves that to the
 * one that runs. */
static void order_go(struct isle__supervisor *supervisor)
{
    bool more = !supervisor->is_walking;
    if (!more)
        return;
    supervisor->is_walking = true;
    while (more)
        switch (supervisor->sweep) {
        case ISLE__SWEEP_ENDING:
            more = walk_step_down(supervisor);
            break;
        case ISLE__SWEEP_STARTING:
            more = walk_step_up(supervisor);
            break;
        case ISLE__SWEEP_NONE:
        case ISLE__SWEEP_PAUSING:
            more = false;
        }
    supervisor->is_walking = false;
}

/* From the last child down to the one of that rank, and back. What a walk that is under way has not
 * started yet is started by this one. */
static void walk_begin(struct isle__supervisor *supervisor, uint64_t from, int64_t pause_ns)
{
    bool is_down =
        supervisor->sweep == ISLE__SWEEP_ENDING || supervisor->sweep == ISLE__SWEEP_PAUSING;
    supervisor->from = is_down && supervisor->from < from ? supervisor->from : from;
    supervisor->pause_ns =
        is_down && supervisor->pause_ns > pause_ns ? supervisor->pause_ns : pause_ns;
    isle_timer_cancel(supervisor->timer);
    supervisor->timer = NULL;
    supervisor->sweep = ISLE__SWEEP_ENDING;
    supervisor->at = supervisor->last;
    order_go(supervisor);
}

void isle__order_begin(struct isle__supervisor *supervisor)
{
    for (struct isle__child *child = supervisor->first; child != NULL; child = child->next)
        child->begins_anew = true;
    supervisor->sweep = ISLE__SWEEP_STARTING;
    supervisor->at = supervisor->first;
    order_go(supervisor);
}

void isle__order_end(struct isle__supervisor *supervisor, const char *failure)
{
    if (supervisor->is_ending)
        return;
    supervisor->is_ending = true;
    isle__text_copy(supervisor->failure, sizeof supervisor->failure, failure);
    walk_begin(supervisor, 0, 0);
}

/* --- news of a child */

/* Because of what the child's last end was. */
static void order_fail(const struct isle__child *child, const char *besides)
{
    char name[ISLE__SUPERVISOR_NAME], all[ISLE__SUPERVISOR_TEXT], why[ISLE__SUPERVISOR_WHY];
    char text[2 * ISLE__SUPERVISOR_TEXT];
    isle__child_describe(child, all, sizeof all);
    isle__text_copy(name, sizeof name, child->row.name);
    isle__text_copy(why, sizeof why, all);
    snprintf(text, sizeof text, "%s: %s%s", name, why, besides);
    isle__order_end(child->supervisor, text);
}

static void order_give_up(const struct isle__child *child)
{
    char besides[80];
    snprintf(besides, sizeof besides, "; more than %u restarts within %g s",
             restarts_max(child->supervisor), (double)window_ns(child->supervisor) / 1e9);
    order_fail(child, besides);
}

static void order_restart(struct isle__child *child)
{
    struct isle__supervisor *supervisor = child->supervisor;
    if (!restart_is_allowed(supervisor)) {
        order_give_up(child);
        return;
    }
    child->info.restarts++;
    int64_t pause = backoff_ns(child);
    if (supervisor->what.strategy == ISLE_ONE_FOR_ONE) {
        isle__child_wait(child, pause);
        return;
    }
    child->begins_anew = true;
    isle__child_become(child, ISLE_CHILD_WAITING);
    walk_begin(supervisor, supervisor->what.strategy == ISLE_ONE_FOR_ALL ? 0 : child->rank, pause);
}

/* It had never stood. */
static void order_first_failed(struct isle__child *child)
{
    if (child->is_added)
        order_rest(child);
    else
        order_fail(child, "");
}

static void order_dismissed(struct isle__child *child)
{
    if (!child->begins_anew) {
        order_rest(child);
        return;
    }
    child->is_dismissed = false;
    isle__child_wait(child, 0);
}

static bool order_restarts(const struct isle__child *child, isle_child_state was)
{
    if (child->row.restart == ISLE_TRANSIENT)
        return child->info.reason != ISLE_RETURNED || was == ISLE_CHILD_STARTING;
    return child->row.restart == ISLE_PERMANENT;
}

static void order_decide(struct isle__child *child, isle_child_state was)
{
    bool is_first = was == ISLE_CHILD_STARTING && !child->has_stood &&
                    (child->is_added || !child->supervisor->has_started);
    if (child->is_dismissed)
        order_dismissed(child);
    else if (walk_ends(child))
        walk_mark(child);
    else if (is_first)
        order_first_failed(child);
    else if (order_restarts(child, was))
        order_restart(child);
    else
        order_rest(child);
}

void isle__order_over(struct isle__child *child, isle_child_state was)
{
    struct isle__supervisor *supervisor = child->supervisor;
    bool is_awaited = supervisor->at == child;
    if (is_awaited)
        walk_leave_out(child);
    if (!supervisor->is_ending && was != ISLE_CHILD_STUCK)
        order_decide(child, was);
    if (is_awaited)
        order_go(supervisor);
}

void isle__order_stood(struct isle__child *child)
{
    struct isle__supervisor *supervisor = child->supervisor;
    if (supervisor->sweep != ISLE__SWEEP_STARTING || supervisor->at != child)
        return;
    supervisor->at = child->next;
    order_go(supervisor);
}

/* Its back-off is over. */
void isle__order_due(struct isle__child *child)
{
    if (child->supervisor->is_ending)
        return;
    if (walk_ends(child))
        child->begins_anew = true;
    else
        isle__child_start(child);
}

void isle__order_stuck(struct isle__child *child)
{
    char name[ISLE__SUPERVISOR_NAME], text[ISLE__SUPERVISOR_TEXT];
    struct isle__supervisor *supervisor = child->supervisor;
    isle__text_copy(name, sizeof name, child->row.name);
    snprintf(text, sizeof text, "%s: was killed and does not end", name);
    if (supervisor->is_ending && supervisor->failure[0] == '\0')
        isle__text_copy(supervisor->failure, sizeof supervisor->failure, text);
    if (!supervisor->is_ending)
        isle__order_end(supervisor, text);
    else
        order_go(supervisor); /* which does not wait for it */
}

/* --- what was asked for */

static void wish_end(struct isle__child *child)
{
    child->is_dismissed = true;
    child->begins_anew = false;
    if (isle__child_is_alive(child))
        isle__child_end(child);
    else
        order_rest(child);
}

static void wish_restart(struct isle__child *child)
{
    child->is_dismissed = true;
    child->begins_anew = true;
    if (isle__child_is_alive(child))
        isle__child_end(child);
    else
        order_dismissed(child);
}

static void wish_start(struct isle__child *child)
{
    if (child->supervisor->sweep == ISLE__SWEEP_NONE) {
        isle__child_start(child);
        return;
    }
    child->begins_anew = true; /* by the walk, which comes to the last child last */
    isle__child_become(child, ISLE_CHILD_WAITING);
}

void isle__order_wish(struct isle__child *child)
{
    enum isle__wish wish = child->wish;
    child->wish = ISLE__WISH_NONE;
    if (child->supervisor->is_ending)
        return; /* who asked is told so by the end */
    switch (wish) {
    case ISLE__WISH_START:
        wish_start(child);
        break;
    case ISLE__WISH_END:
        wish_end(child);
        break;
    case ISLE__WISH_RESTART:
        wish_restart(child);
        break;
    case ISLE__WISH_NONE:
        break;
    }
}
