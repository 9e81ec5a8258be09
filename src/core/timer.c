/* SPDX-License-Identifier: Apache-2.0 */
/* Timers of one isolate: a binary heap by deadline, then by order of creation. The clock
 * (reactor.c) knows only the earliest of each isolate, and only lazily: it is told when the isolate
 * goes idle and when that moment is earlier than what it knows; a deadline that was cancelled costs
 * one needless wake at most. */
#include "core/timer.h"

#include "core/activity.h"
#include "core/control.h"
#include "core/drop.h"
#include "core/handle.h"
#include "core/isolate.h"
#include "core/loop.h"
#include "core/mail.h"
#include "core/program.h"
#include "core/promise.h"
#include "core/reactor.h"
#include "core/simulate.h"

struct isle_timer_body {
    struct isle__timer_node node; /* first */
    void *handle;
    int64_t period; /* 0: once */
    isle_task *task;
    void *context;
    struct isle__drop *drops;
    struct isle__isolate *isolate;
};

/* --- the heap */

static bool timer_before(const struct isle__timer_node *a, const struct isle__timer_node *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->order < b->order;
}

static struct isle__timer_node **timers_of(const struct isle__isolate *isolate)
{
    return isle__isolate_has_cold(isolate)->timers;
}

static void heap_put(struct isle__isolate *isolate, size_t position, struct isle__timer_node *node)
{
    timers_of(isolate)[position - 1] = node;
    node->position = position;
}

static void heap_rise(struct isle__isolate *isolate, size_t position, struct isle__timer_node *node)
{
    struct isle__timer_node **timers = timers_of(isolate);
    while (position > 1 && timer_before(node, timers[position / 2 - 1])) {
        heap_put(isolate, position, timers[position / 2 - 1]);
        position /= 2;
    }
    heap_put(isolate, position, node);
}

static void heap_sink(struct isle__isolate *isolate, size_t position, struct isle__timer_node *node)
{
    struct isle__timer_node **timers = timers_of(isolate);
    size_t child;
    while ((child = position * 2) <= isolate->timer_count) {
        if (child < isolate->timer_count && timer_before(timers[child], timers[child - 1]))
            child++;
        if (!timer_before(timers[child - 1], node))
            break;
        heap_put(isolate, position, timers[child - 1]);
        position = child;
    }
    heap_put(isolate, position, node);
}

/* Room for one more; false: out of memory. */
static bool timers_reserve(struct isle__isolate *isolate)
{
    struct isle__cold *cold = isle__isolate_cold(isolate);
    if (cold == NULL)
        return false;
    if (isolate->timer_count < cold->timer_capacity)
        return true;
    size_t old = cold->timer_capacity, new = old == 0 ? 2 : old * 2;
    size_t grown = (new - old) * sizeof *cold->timers;
    if (new > UINT32_MAX || !isle__heap_try_charge(&isolate->heap, grown))
        return false;
    void *timers =
        isle__memory_resize(cold->timers, old * sizeof *cold->timers, new * sizeof *cold->timers);
    if (timers == NULL) {
        isle__heap_discharge(&isolate->heap, grown);
        return false;
    }
    cold->timers = timers;
    cold->timer_capacity = (uint32_t) new;
    return true;
}

isle_err isle__timer_add(struct isle__isolate *isolate, struct isle__timer_node *node,
                         int64_t deadline)
{
    if (!timers_reserve(isolate))
        return ISLE_ENOMEM;
    node->deadline = deadline;
    node->order = isolate->arrivals++;
    isolate->timer_count++;
    heap_rise(isolate, isolate->timer_count, node);
    isle__main_made_work(isolate);
    return ISLE_OK;
}

void isle__timer_remove(struct isle__isolate *isolate, struct isle__timer_node *node)
{
    size_t position = node->position;
    if (position == 0)
        return;
    node->position = 0;
    struct isle__timer_node **timers = timers_of(isolate), *last = timers[--isolate->timer_count];
    if (last == node)
        return;
    if (position > 1 && timer_before(last, timers[position / 2 - 1]))
        heap_rise(isolate, position, last);
    else
        heap_sink(isolate, position, last);
}

bool isle__timer_is_due(struct isle__isolate *isolate)
{
    return isolate->timer_count > 0 && timers_of(isolate)[0]->deadline <= isle__now();
}

bool isle__timer_fire_due(struct isle__isolate *isolate)
{
    if (!isle__timer_is_due(isolate))
        return false;
    struct isle__timer_node *node = timers_of(isolate)[0];
    isle__timer_remove(isolate, node);
    if (isle__simulating())
        isle__trace_event("timer", isolate->id);
    node->fire(isolate, node);
    return true;
}

/* A paused isolate looks at no timer but its .deadline_ns: the others would wake it again and
 * again. */
void isle__timer_register(struct isle__isolate *isolate)
{
    if (isolate->is_paused) {
        if (isolate->has_deadline)
            isle__clock_set(isolate, isle__isolate_has_cold(isolate)->deadline.deadline);
    } else if (isolate->timer_count > 0)
        isle__clock_set(isolate, timers_of(isolate)[0]->deadline);
}

int64_t isle__deadline_of(int64_t timeout_ns)
{
    int64_t now = isle__now();
    if (timeout_ns < 0)
        timeout_ns = 0;
    return timeout_ns > INT64_MAX - now ? ISLE_FOREVER : now + timeout_ns;
}

/* --- the program's timers */

static void timer_free(struct isle_timer_body *timer)
{
    isle__handle_close(timer->isolate, timer->handle);
    isle__drops_fire(timer->drops);
    isle__heap_discharge(&timer->isolate->heap, sizeof *timer);
    isle__memory_free(timer, sizeof *timer);
}

struct timer_call {
    isle_task *task;
    void *context;
};

static void timer_event(void *argument)
{
    struct timer_call call = *(struct timer_call *)argument;
    call.task(call.context);
}

static void timer_fire(struct isle__isolate *isolate, struct isle__timer_node *node)
{
    struct isle_timer_body *timer = (struct isle_timer_body *)node;
    struct timer_call call = {timer->task, timer->context};
    if (timer->period == 0) {
        timer_free(timer);
    } else {
        /* Missed ticks are skipped: the next one is the first on the grid that lies ahead. There is
         * room: it was just taken off. */
        int64_t now = isle__now();
        int64_t missed = (now - timer->node.deadline) / timer->period;
        if (isle__timer_add(isolate, node, timer->node.deadline + (missed + 1) * timer->period) !=
            ISLE_OK)
            isle__die("isle: a timer lost its place");
    }
    isle__event_run(isolate, timer_event, &call);
}

static isle_timer *timer_start(struct isle__isolate *isolate, int64_t delay, int64_t period,
                               isle_task *task, void *context)
{
    isle__heap_charge(&isolate->heap, sizeof(struct isle_timer_body));
    struct isle_timer_body *timer = isle__memory_alloc(sizeof *timer);
    if (timer == NULL) {
        isle__heap_discharge(&isolate->heap, sizeof *timer);
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    }
    *timer = (struct isle_timer_body){.period = period, .task = task, .context = context};
    timer->isolate = isolate;
    timer->node.fire = timer_fire;
    timer->handle = isle__handle_open(isolate, ISLE__HANDLE_TIMER, timer);
    if (timer->handle == NULL ||
        isle__timer_add(isolate, &timer->node, isle__deadline_of(delay)) != ISLE_OK) {
        timer_free(timer);
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    }
    return timer->handle;
}

isle_timer *isle_timer_start(int64_t delay_ns, isle_task *task, void *context)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    if (task == NULL)
        isle__throw(ISLE_EINVAL, "isle_timer_start: task is NULL");
    return timer_start(isolate, delay_ns, 0, task, context);
}

isle_timer *isle_timer_periodic(int64_t period_ns, isle_task *task, void *context)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    if (task == NULL)
        isle__throw(ISLE_EINVAL, "isle_timer_periodic: task is NULL");
    if (period_ns <= 0)
        isle__throw(ISLE_ERANGE, "isle_timer_periodic: the period must be at least 1 ns");
    return timer_start(isolate, period_ns, period_ns, task, context);
}

void isle_timer_cancel(isle_timer *handle)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    struct isle_timer_body *timer =
        isle__handle_find(&isolate->handles, ISLE__HANDLE_TIMER, handle);
    if (timer == NULL)
        return;
    isle__timer_remove(isolate, &timer->node);
    timer_free(timer);
}

struct isle__drop **isle__timer_drops(struct isle__isolate *isolate, const char *function,
                                      const isle_timer *handle)
{
    if (handle == NULL)
        isle__throw(ISLE_EINVAL, "%s: the timer is NULL", function);
    struct isle_timer_body *timer =
        isle__handle_find(&isolate->handles, ISLE__HANDLE_TIMER, handle);
    if (timer == NULL)
        isle__throw(ISLE_ESTALE, "%s: the timer is over, or another isolate's", function);
    return &timer->drops;
}

/* All timers of an isolate that ends; other nodes lie in what is freed elsewhere. */
void isle__timers_fini(struct isle__isolate *isolate)
{
    while (isolate->timer_count > 0) {
        struct isle__timer_node *node = timers_of(isolate)[0];
        isle__timer_remove(isolate, node);
        if (node->fire == timer_fire)
            timer_free((struct isle_timer_body *)node);
    }
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    isolate->has_deadline = false;
    if (cold == NULL)
        return;
    size_t size = cold->timer_capacity * sizeof *cold->timers;
    isle__memory_free(cold->timers, size);
    isle__heap_discharge(&isolate->heap, size);
    cold->timers = NULL;
    cold->timer_capacity = 0;
}

/* The rest of this turn's events first: a reply to oneself comes after all that is there now. */
static void sleep_turn(struct isle__isolate *isolate)
{
    isle_err err = isle__activity_can_wait(isolate);
    if (err == ISLE_ENOSUSPEND)
        isle__throw(err, "isle_sleep cannot suspend here; use the callback form: isle_timer_start");
    isle_scope scope = isle_scope_open(); /* of the promise: who sleeps in a loop gathers none */
    struct isle__promise *promise = isle__promise_new(isolate);
    isle__promise_expect(promise);
    struct isle__mail *mail =
        isle__mail_make(isle_null(), ISLE__MAIL_REPLY,
                        atomic_load_explicit(&promise->slot->id, memory_order_relaxed));
    if (mail == NULL) {
        isle__promise_discard(promise);
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    }
    isle__mail_post_reserved(mail);
    (void)isle_await(isle__promise_future(promise));
    isle_scope_close(&scope);
}

void isle_sleep(int64_t duration_ns)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    if (duration_ns <= 0) {
        isle__attend(isolate);
        sleep_turn(isolate);
        return;
    }
    int64_t deadline = isle__deadline_of(duration_ns);
    do {
        isle__attend(isolate);
        isle_err err = isle__activity_wait(isolate, deadline, "isle_sleep");
        if (err != ISLE_OK && err != ISLE_ETIMEDOUT)
            isle__activity_refused(err, "isle_sleep", "isle_timer_start");
        if (isolate->running->forced)
            isle__unwind_end(&isolate->heap);
    } while (isle__now() < deadline);
}
