/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop. One turn takes events of an isolate, one after the other, each to completion,
 * until nothing is left or its budget is used up. The budget is filled where the turn gives way and
 * nowhere else: a suspension goes on with the turn, and would have it last for ever.
 *
 * Order. Control messages first. Then, after each event, its microtasks; then errors of futures
 * that nobody asked for; then activities that can go on; then timers and mail in turn, so that
 * neither starves the other. While the isolate is paused only control is looked at.
 *
 * isle__isolate_turn keeps nothing in its frame that matters: a handler that suspends leaves this
 * frame behind on its stack, the turn goes on in a new call of it on a fresh stack, and when the
 * handler is resumed and returns, that old frame simply goes on with the turn of that moment. */
#include "core/loop.h"

#include "core/activity.h"
#include "core/backend.h"
#include "core/control.h"
#include "core/isolate.h"
#include "core/mail.h"
#include "core/port.h"
#include "core/program.h"
#include "core/promise.h"
#include "core/reactor.h"
#include "core/report.h"
#include "core/simulate.h"
#include "core/timer.h"
#include "core/uncaught.h"

/* --- one event */

/* Of a request that was being answered the error is the caller's. */
static ISLE__RARE void event_failed(struct isle__isolate *isolate, struct isle__activity *self)
{
    uint64_t reply = self->serving;
    self->serving = 0;
    if (reply != 0)
        isle__reply_send(isolate, reply, self->catch.error, true);
    else
        isle__uncaught(isolate, self->catch.error);
}

void isle__event_run(struct isle__isolate *isolate, void (*fn)(void *argument), void *argument)
{
    struct isle__flow *flow = isle__flow_current();
    struct isle__activity *self = isle__activity_of(flow);
    isle__activity_enter(self, flow, isolate);
    enum isle__unwinding how = isle__catch_event(&isolate->heap, &self->catch, fn, argument);
    if (how == ISLE__UNWIND_END || self->frame.pending_end)
        isolate->ending = true;
    if (how == ISLE__UNWIND_ERROR)
        event_failed(isolate, self);
    if (self->serving != 0)
        isle__reply_closed(self->serving);
    isle__activity_leave(self);
}

/* --- microtasks */

void isle__microtask_add(struct isle__isolate *isolate, struct isle__microtask *microtask)
{
    if (isolate->microtasks != NULL) {
        microtask->next = isolate->microtasks->next;
        isolate->microtasks->next = microtask;
    } else {
        microtask->next = microtask;
    }
    isolate->microtasks = microtask;
    isle__main_made_work(isolate);
}

static struct isle__microtask *microtask_take(struct isle__isolate *isolate)
{
    struct isle__microtask *microtask = isolate->microtasks->next;
    isolate->microtasks->next = microtask->next;
    if (isolate->microtasks == microtask)
        isolate->microtasks = NULL;
    return microtask;
}

void isle__microtasks_drop(struct isle__isolate *isolate)
{
    while (isolate->microtasks != NULL) {
        struct isle__microtask *microtask = microtask_take(isolate);
        if (microtask->drop != NULL)
            microtask->drop(microtask->argument);
    }
}

struct task_microtask {
    struct isle__microtask microtask;
    isle_task *task;
    void *context;
    struct isle__isolate *isolate;
};

static void task_microtask_free(void *argument)
{
    struct task_microtask *scheduled = argument;
    isle__heap_discharge(&scheduled->isolate->heap, sizeof *scheduled);
    isle__memory_free(scheduled, sizeof *scheduled);
}

static void task_microtask_run(void *argument)
{
    struct task_microtask scheduled = *(struct task_microtask *)argument;
    task_microtask_free(argument);
    scheduled.task(scheduled.context);
}

void isle_schedule_microtask(isle_task *task, void *context)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    if (task == NULL)
        isle__throw(ISLE_EINVAL, "isle_schedule_microtask: task is NULL");
    isle__heap_charge(&isolate->heap, sizeof(struct task_microtask));
    struct task_microtask *scheduled = isle__memory_alloc(sizeof *scheduled);
    if (scheduled == NULL) {
        isle__heap_discharge(&isolate->heap, sizeof *scheduled);
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    }
    *scheduled = (struct task_microtask){
        .microtask = {.run = task_microtask_run,
                      .argument = scheduled,
                      .drop = task_microtask_free},
        .task = task,
        .context = context,
        .isolate = isolate,
    };
    isle__microtask_add(isolate, &scheduled->microtask);
}

/* --- the turn */

bool isle__isolate_paused(const struct isle__isolate *isolate)
{
    return isolate->is_paused;
}

/* Takes all that was sent, in order. False: nothing new. Who asked for something and then sent mail
 * is seen to have asked once the mail is there: so attention is looked at after this, too, before
 * any of it is acted upon. */
static inline bool loop_take_mail(struct isle__isolate *isolate)
{
    struct isle__mail *head = atomic_load_explicit(&isolate->mailbox, memory_order_relaxed);
    if (head == NULL ||
        head == ISLE__MAILBOX_IDLE) /* idle: the root, while its main activity runs */
        return false;
    /* Acquires what the senders released; nobody but us puts IDLE or CLOSED there while we run. */
    struct isle__mail *newest =
        atomic_exchange_explicit(&isolate->mailbox, NULL, memory_order_acq_rel);
    struct isle__mail *last = newest, *oldest = NULL;
    do {
        struct isle__mail *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    } while (newest != NULL);
    if (isolate->inbox != NULL)
        isolate->inbox_last->next = oldest;
    else
        isolate->inbox = oldest;
    isolate->inbox_last = last;
    isolate->polled = false;
    return true;
}

/* Sees to it that the inbox has mail, if there is any. True: somebody asked for something first. */
static inline bool loop_take_asks(struct isle__isolate *isolate)
{
    return isolate->inbox == NULL && loop_take_mail(isolate) && isle__attention_asks(isolate);
}

/* The first of the inbox, which has one. The next one's line is on its way while this one is
 * served: of many that wait, none is in a near cache. */
static inline struct isle__mail *loop_next_mail(struct isle__isolate *isolate)
{
    struct isle__mail *mail = isolate->inbox;
    isolate->inbox = mail->next;
    isle__prefetch(mail->next);
    return mail;
}

/* The first of the inbox, which has one. */
static inline void loop_run_mail(struct isle__isolate *isolate)
{
    struct isle__mail *mail = loop_next_mail(isolate);
    mail->next = NULL;
    mail->arrival = ++isolate->arrivals;
    if (isle__simulating())
        isle__trace_take(isolate, mail);
    isle__port_dispatch(isolate, mail);
}

/* Mail for a port with a handler, or for a call, must stay in its order behind what is in the
 * inbox: only what leads to quiet ports is sorted in. */
void isle__poll_mail(struct isle__isolate *isolate)
{
    /* Up to here it was looked through: who polls again and again looks at what is new. */
    struct isle__mail *last =
        isolate->polled && isolate->inbox != NULL ? isolate->inbox_last : NULL;
    (void)loop_take_mail(isolate);
    struct isle__mail *mail = last == NULL ? isolate->inbox : last->next;
    if (last == NULL)
        isolate->inbox = NULL;
    else
        last->next = NULL;
    isolate->inbox_last = last;
    isolate->polled = true;
    while (mail != NULL) {
        struct isle__mail *next = mail->next;
        mail->next = NULL;
        mail->arrival =
            ++isolate->arrivals; /* what stays is numbered once more, when it is taken */
        if (!isle__port_accept_quietly(isolate, mail)) {
            if (isolate->inbox != NULL)
                isolate->inbox_last->next = mail;
            else
                isolate->inbox = mail;
            isolate->inbox_last = mail;
        }
        mail = next;
    }
}

/* Timers and mail in turn, so that neither starves the other. */
static bool loop_timer_first(const struct isle__isolate *isolate)
{
    return isle__simulating() ? isle__simulate_timer_first() : !isolate->turn_timer;
}

/* What comes before events, and is rare. */
static inline uintptr_t loop_special(const struct isle__isolate *isolate)
{
    return (uintptr_t)isolate->microtasks | (uintptr_t)isolate->unobserved |
           (uintptr_t)isolate->deferred |
           atomic_load_explicit(&isolate->attention, memory_order_relaxed);
}

static inline bool loop_has_special(const struct isle__isolate *isolate)
{
    return loop_special(isolate) != 0 || isolate->ending || isolate->is_root ||
           isolate->has_deadline;
}

/* Nothing but mail can have its turn, and with none it goes idle: what a step finds nearly always.
 * So all of it is asked for in one. */
static inline bool loop_is_plain(const struct isle__isolate *isolate)
{
    uintptr_t waits = loop_special(isolate) | (uintptr_t)isolate->ready |
                      (uintptr_t)isolate->pending | isolate->timer_count | isolate->is_paused;
    bool is_special = isolate->ending || isolate->is_root || isolate->has_deadline;
    return waits == 0 && !is_special && isolate->entered && isolate->alive > 0 &&
           isolate->budget > 0;
}

/* Who waited for the mail that was just sorted in goes on at once, as the next step would have it.
 */
static inline void loop_go_on(struct isle__isolate *isolate)
{
    if (loop_has_special(isolate) || isle__isolate_paused(isolate))
        return;
    isolate->budget--;
    isle__activity_continue(isle__activity_take_ready(isolate));
}

/* One event, or a resumption (which does not return). False: nothing to do. */
static bool loop_run_event(struct isle__isolate *isolate)
{
    if (!isolate->entered) {
        isolate->entered = true;
        isle__isolate_enter(isolate);
        return true;
    }
    struct isle__activity *activity = isle__activity_take_ready(isolate);
    if (activity != NULL) {
        isle__activity_continue(activity);
        return true;
    }
    if (isolate->timer_count > 0) {
        isolate->turn_timer = loop_timer_first(isolate);
        if (isolate->turn_timer && isle__timer_fire_due(isolate))
            return true;
    }
    /* Now: timers that are always due would leave no later moment. */
    if (loop_take_asks(isolate))
        return true;
    if (isolate->pending != NULL && isle__port_run_pending(isolate))
        return true;
    if (isolate->inbox == NULL)
        return isolate->timer_count > 0 && isle__timer_fire_due(isolate);
    loop_run_mail(isolate);
    return true;
}

static bool isolate_lives(const struct isle__isolate *isolate)
{
    uint32_t timers = isolate->timer_count - (isolate->has_deadline ? 1 : 0);
    return isolate->alive > 0 || timers > 0 || isle__isolate_paused(isolate);
}

/* An activity that suspended inside ISLE_UNINTERRUPTED is waited for, as long as something can
 * still come. */
static bool loop_postpones_end(const struct isle__isolate *isolate)
{
    const struct isle__activity *activity = isolate->suspended;
    while (activity != NULL && activity->frame.uninterrupted == 0)
        activity = activity->next;
    return activity != NULL && isolate_lives(isolate) && !isle__isolate_paused(isolate);
}

/* Nothing is left to do now. True: it is idle, and may be run by somebody else already, or have
 * ended. */
static bool loop_go_idle(struct isle__isolate *isolate)
{
    if (isolate->timer_count > 0)
        isle__timer_register(isolate);
    bool classic = isle__isolate_is_classic(isolate);
    struct isle__mail *empty = NULL;
    isle__mail_show(isolate);
    if (!atomic_compare_exchange_strong_explicit(&isolate->mailbox, &empty, ISLE__MAILBOX_IDLE,
                                                 memory_order_seq_cst, memory_order_relaxed))
        return false;
    /* seq_cst: whoever sets attention does so before it tries to wake; one of us sees the other. By
     * now the body may have been run by another, have ended, and be in its next life: so it is
     * woken like anybody's, not taken back. */
    if (isle__attention_asks(isolate))
        isle__isolate_wake(isolate);
    if (classic)
        isle__classic_idle();
    return true;
}

bool isle__loop_take(struct isle__isolate *isolate)
{
    return loop_take_mail(isolate);
}

bool isle__loop_rest(struct isle__isolate *isolate)
{
    return loop_go_idle(isolate);
}

enum step { STEP_ON, STEP_OVER, STEP_EVENT };

static ISLE__RARE void loop_attend(struct isle__isolate *isolate)
{
    if (isle__alone_on)
        isle__alone_attend(isolate);
    if (isle__attention_asks(isolate) || isolate->deferred != NULL)
        isle__control_run(isolate, false);
}

/* ON: it did something. OVER: the turn is over, and the isolate perhaps no longer ours. EVENT:
 * events have their turn. */
static ISLE__RARE enum step loop_run_special(struct isle__isolate *isolate)
{
    if (isle__attention_is_set(isolate) || isolate->deferred != NULL)
        loop_attend(isolate);
    if (isolate->is_root && isle__root_hops(isolate))
        return STEP_OVER;
    isle__deadline_check(isolate);
    if (isolate->ending && !loop_postpones_end(isolate)) {
        if (isle__isolate_finish_bare(isolate))
            return STEP_OVER;
        isle__report_waits(isolate);
        isle__io_stop(isolate);
        isle__activities_unwind(isolate);
        if (isolate->is_root)
            isle__root_ends(isolate);
        else
            isle__isolate_finish(isolate);
        return STEP_OVER;
    }
    if (isolate->microtasks != NULL) {
        struct isle__microtask *microtask = microtask_take(isolate);
        isle__event_run(isolate, microtask->run, microtask->argument);
        if (isle__simulating())
            isle__simulate_point(isolate);
        return STEP_ON;
    }
    if (isolate->unobserved != NULL) {
        isle__promises_check_unobserved(isolate);
        return STEP_ON;
    }
    return STEP_EVENT;
}

static void loop_yield(struct isle__isolate *isolate)
{
    isolate->budget = isle__simulating() ? isle__simulate_budget() : ISLE__TURN_BUDGET;
    if (!isolate->is_root || !isle__root_dispatched(isolate)) /* enough for this time */
        isle__sched_yielded(&isolate->task);
}

/* As loop_has_special. A program alone on one thread looks outside; that it always does is nothing
 * special then. */
static ISLE__RARE bool loop_is_asked(struct isle__isolate *isolate)
{
    uintptr_t asks = ISLE__ATTEND_ALONE; /* no pointer is this bit alone */
    if (!isle__alone_on)
        return true;
    isle__alone_attend(isolate);
    return (loop_special(isolate) & ~asks) != 0 || isolate->ending || isolate->is_root ||
           isolate->has_deadline;
}

/* Something has its turn before the next mail. */
static ISLE__RARE bool loop_has_other(struct isle__isolate *isolate)
{
    return isolate->budget <= 0 || isolate->ready != NULL || isolate->pending != NULL ||
           (loop_has_special(isolate) && loop_is_asked(isolate)) || isle__isolate_paused(isolate) ||
           isle__timer_is_due(isolate);
}

/* Each counts as an event of the turn, so that who always has mail gives way like anybody. */
struct isle__mail *isle__loop_take_next(struct isle__isolate *isolate, uint64_t target)
{
    if (!loop_is_plain(isolate) && loop_has_other(isolate))
        return NULL;
    if (loop_take_asks(isolate))
        return NULL;
    struct isle__mail *mail = isolate->inbox;
    if (mail == NULL || mail->target != target)
        return NULL;
    (void)loop_next_mail(isolate);
    isolate->budget--;
    isle__sched_beat();
    return mail;
}

/* A step of an isolate for which only mail can have its turn. */
static inline bool loop_step_plainly(struct isle__isolate *isolate)
{
    if (isle__loop_sees_no_mail(isolate))
        return !loop_go_idle(isolate);
    isolate->budget--;
    isle__sched_beat();
    if (loop_take_asks(isolate))
        return true;
    loop_run_mail(isolate);
    if (isolate->ready != NULL)
        loop_go_on(isolate);
    return true;
}

/* False: the turn is over, and the isolate perhaps no longer ours. */
static ISLE__RARE bool loop_step(struct isle__isolate *isolate)
{
    if (loop_has_special(isolate)) {
        enum step step = loop_run_special(isolate);
        if (step != STEP_EVENT)
            return step == STEP_ON;
    }
    if (ISLE__UNLIKELY(isolate->budget-- <= 0)) {
        loop_yield(isolate);
        return false;
    }
    isle__sched_beat();
    /* One that is paused takes its mail and leaves it: to go idle it must have looked at all. */
    if (isle__isolate_paused(isolate) ? loop_take_mail(isolate) : loop_run_event(isolate))
        return true;
    if (ISLE__UNLIKELY(!isolate_lives(isolate))) {
        if (!loop_has_special(isolate) && isle__isolate_finish_bare(isolate))
            return false;
        if (isle__isolate_may_end(isolate))
            isolate->ending = true;
        if (isolate->ending || isolate->ready != NULL)
            return true;
    }
    if (isolate->is_root && isle__root_dispatched(isolate))
        return false;
    return !loop_go_idle(isolate);
}

void isle__isolate_turn(struct isle__task *task)
{
    struct isle__isolate *isolate = (struct isle__isolate *)task;
    isle__heap_set_current(&isolate->heap);
    while (loop_is_plain(isolate) ? loop_step_plainly(isolate) : loop_step(isolate))
        ;
    isle__heap_set_current(NULL);
}
