/* SPDX-License-Identifier: Apache-2.0 */
/* The trials (width.h). */
#include "sched/width.h"

enum {
    WINDOW_NS = 400 * 1000,           /* that a rate is measured in */
    SETTLE_NS = 100 * 1000,           /* after a change, before it is */
    PAUSE_LEAST_NS = 5 * 1000 * 1000, /* between trials */
    PAUSE_MOST_NS = 160 * 1000 * 1000,
    FREQUENT_NS = 5000,   /* an event in so long is often enough for a trial */
    RARE_NS = 20000,      /* and in so long too rare for a narrow width */
    RARE_LOOKS = 4,       /* in a row */
    BETTER_PERCENT = 105, /* of the present rate: worth a change */
    SAME_PERCENT = 97,    /* worth fewer workers */
};

static void width_begin(struct isle__width *width, enum isle__width_phase phase, int64_t since)
{
    width->phase = phase;
    width->window_since = since;
    width->counting = false;
    width->looks = width->waiting = 0;
    width->awake = 0;
}

/* The next trial comes soon after a change, and ever later while none is worth it. */
static void width_settle(struct isle__width *width, int64_t now, bool changed)
{
    int64_t longer = width->pause * 2 < PAUSE_MOST_NS ? width->pause * 2 : PAUSE_MOST_NS;
    width->pause = changed || width->pause == 0 ? PAUSE_LEAST_NS : longer;
    width->next_trial = now + width->pause;
    width->phase = ISLE__WIDTH_SETTLED;
}

/* Back to all workers. */
static void width_release(struct isle__width *width, int64_t now)
{
    width_settle(width, now, width->kept != 0);
    width->kept = 0;
    width->widen_next = false;
    width->rare = 0;
}

static bool width_is_rare(struct isle__width *width, const struct isle__width_view *view)
{
    uint64_t events = view->events - width->looked_events;
    bool rare = (double)events * RARE_NS < (double)(view->now - width->looked);
    width->looked = view->now;
    width->looked_events = view->events;
    width->rare = rare ? width->rare + 1 : 0;
    return width->rare >= RARE_LOOKS;
}

/* Another width to try, 0: there is none. */
static unsigned width_candidate(struct isle__width *width, const struct isle__width_view *view)
{
    unsigned present = width->kept != 0 ? width->kept : view->workers;
    unsigned narrower = width->awake < present ? width->awake / 2 : present / 2;
    unsigned wider = present < view->workers && width->waiting > 0 ? present * 2 : 0;
    if (wider > view->workers)
        wider = view->workers;
    unsigned candidate = width->widen_next && wider != 0 ? wider : narrower;
    if (candidate == 0)
        candidate = wider;
    width->widen_next = candidate != wider;
    return candidate;
}

/* With nothing waiting, workers that are not needed only take cores, and messages with them. */
static bool width_is_better(const struct isle__width *width, const struct isle__width_view *view,
                            double present)
{
    bool narrower = width->tried < (width->kept != 0 ? width->kept : view->workers);
    int percent = narrower && width->trial_idles ? SAME_PERCENT : BETTER_PERCENT;
    return width->trial * 100 > present * percent;
}

/* A window is over, in which `rate` events began in a nanosecond. */
static void width_judge(struct isle__width *width, const struct isle__width_view *view, double rate)
{
    if (width->phase == ISLE__WIDTH_BEFORE) {
        width->before = rate;
        width->tried = rate * FREQUENT_NS < 1 ? 0 : width_candidate(width, view);
        if (width->tried != 0) {
            width_begin(width, ISLE__WIDTH_TRIAL, view->now + SETTLE_NS);
        } else {
            width->phase = ISLE__WIDTH_SETTLED;
            width->next_trial = view->now + PAUSE_LEAST_NS;
        }
    } else if (width->phase == ISLE__WIDTH_TRIAL) {
        width->trial = rate;
        width->trial_idles = width->waiting * 4 <= width->looks;
        width_begin(width, ISLE__WIDTH_AFTER, view->now + SETTLE_NS);
    } else {
        bool better = width_is_better(width, view, (width->before + rate) / 2);
        if (better)
            width->kept = width->tried < view->workers ? width->tried : 0;
        width_settle(width, view->now, better);
    }
}

static void width_count(struct isle__width *width, const struct isle__width_view *view)
{
    if (view->now < width->window_since)
        return;
    width->looks++;
    width->waiting += view->waiting;
    width->awake = view->awake > width->awake ? view->awake : width->awake;
    if (!width->counting) {
        width->counting = true;
        width->window_since = view->now;
        width->window_events = view->events;
        return;
    }
    int64_t passed = view->now - width->window_since;
    if (passed >= WINDOW_NS)
        width_judge(width, view, (double)(view->events - width->window_events) / (double)passed);
}

unsigned isle__width_look(struct isle__width *width, const struct isle__width_view *view)
{
    bool rare = width_is_rare(width, view);
    bool narrow = width->kept != 0 || width->phase == ISLE__WIDTH_TRIAL;
    if (narrow && (view->held || rare || view->workers < 2))
        width_release(width, view->now);
    else if (width->phase != ISLE__WIDTH_SETTLED)
        width_count(width, view);
    else if (view->now >= width->next_trial)
        width_begin(width, ISLE__WIDTH_BEFORE, view->now);
    return width->phase == ISLE__WIDTH_TRIAL ? width->tried : width->kept;
}
