/* SPDX-License-Identifier: Apache-2.0 */
/* A program alone on one thread: the inside of a process isolate.
 *
 * The attached worker runs every task, as where there are no threads at all; when none is ready,
 * what would park comes here instead: it looks outside, for a moment, fires timers, and sleeps in
 * ppoll until a descriptor, a deadline or the bell. While isolates run, every kill point
 * and every step of the loop looks outside too (ISLE__ATTEND_ALONE is always set), so that control
 * messages reach an isolate that computes, and descriptors are looked at every now and then, so
 * that they have their turn beside an isolate that always has mail.
 *
 * What the way does is done with no current heap, and never inside itself. One thread comes here,
 * but for isle__alone_wake. */
#include <errno.h>

#include "core/backend.h"
#include "core/body.h"
#include "core/control.h"
#include "core/isolate.h"
#include "core/program.h"
#include "core/reactor.h"
#include "core/shelf.h"
#include "core/simulate.h"

enum {
    LOOK_EVERY = 256, /* looks outside, then at descriptors */
    STOP_NS = 200 * 1000 * 1000,
    STOP_LOOK_NS = 100 * 1000
};

bool isle__alone_on;

static struct {
    struct isle__alone way;
    bool inside; /* the way runs */
    unsigned looks;
    uint64_t bell_key;
} alone;

static void alone_call(void)
{
    struct isle__heap *heap = isle__heap_current();
    int error_number = errno;
    if (alone.inside || alone.way.attend == NULL)
        return;
    alone.inside = true;
    isle__heap_set_current(NULL);
    alone.way.attend(alone.way.context);
    isle__heap_set_current(heap);
    alone.inside = false;
    errno = error_number;
}

static bool alone_stirs(void)
{
    return alone.way.stirs != NULL && !alone.inside && alone.way.stirs(alone.way.context);
}

void isle__alone_attend(struct isle__isolate *isolate)
{
    if (alone_stirs())
        alone_call();
    if (++alone.looks % LOOK_EVERY != 0)
        return;
    struct isle__heap *heap = isle__heap_current();
    isle__heap_set_current(NULL);
    (void)isle__reactor_poll(0);
    isle__heap_set_current(heap);
    (void)isolate;
}

static void alone_rung(void *unused, unsigned events)
{
    (void)unused, (void)events;
    alone_call();
}

/* --- idle */

/* True: something has come. */
static bool alone_looks(void)
{
    return alone.way.looks != NULL && alone.way.looks(alone.way.context);
}

static bool alone_rests(void)
{
    return alone.way.rests == NULL || alone.way.rests(alone.way.context);
}

static bool alone_idle(struct isle__worker *worker)
{
    if (alone_stirs() || alone_looks()) {
        alone_call();
        return true;
    }
    int64_t wait = isle__reactor_fire();
    if (isle__worker_has_ready(worker))
        return true;
    if (alone_rests())
        (void)isle__reactor_poll(wait);
    else
        alone_call();
    return true;
}

void isle__alone_wake(void)
{
    isle__reactor_wake();
}

/* --- start, serve, stop */

static isle_err alone_attend_bell(void)
{
    if (alone.way.bell < 0)
        return ISLE_OK;
    return isle__reactor_attend(alone.way.bell, ISLE_READABLE, alone_rung, NULL, &alone.bell_key);
}

static isle_err alone_begin(const isle_program_options *options)
{
    isle_err err = isle__program_begin(options, sizeof *options);
    if (err != ISLE_OK)
        return err;
    /* The stack to which the main activity gives way is there before any limit of memory is: what
     * is refused later is refused to the isolate. */
    err = isle__flow_reserve();
    if (err == ISLE_OK)
        err = alone_attend_bell();
    if (err != ISLE_OK)
        isle__program_finish(255);
    return err;
}

static void alone_over(void)
{
    isle__sched_idle_hook = NULL;
    isle__sched_outside_hook = NULL;
    isle__stacks_be_lean(false);
    isle__alone_on = false;
}

isle_err isle__program_start_alone(const struct isle__alone *way)
{
    isle_program_options options = {.stack_size = way->stack_size};
    if (atomic_load_explicit(&isle__program.running, memory_order_acquire))
        return ISLE_EUSED;
    alone.way = *way;
    alone.inside = false;
    alone.looks = 0;
    alone.bell_key = 0;
    isle__alone_on = true;
    isle__stacks_be_lean(true);
    isle__sched_idle_hook = alone_idle;
    isle__sched_outside_hook = isle__alone_wake;
    isle_err err = alone_begin(&options);
    if (err != ISLE_OK)
        alone_over();
    return err;
}

isle_err isle__program_go_on_alone(int bell)
{
    isle__program_forked();
    isle__flow_forked();
    isle_err err = isle__reactor_forked();
    alone.way.bell = bell;
    return err == ISLE_OK ? alone_attend_bell() : err;
}

int isle__program_serve_alone(isle_isolate isolate, isle_end *ret_end)
{
    isle_receive_port *port = isle_port_open();
    isle_monitor(isolate, isle_port_send_port(port));
    isle_end end = isle_as_end(isle_port_receive(port));
    isle_port_close(port);
    if (ret_end != NULL)
        *ret_end = end;
    return end.reason == ISLE_RETURNED ? 0 : 255;
}

static void stop_other(struct isle__isolate *isolate, void *unused)
{
    (void)unused;
    if (isolate->is_root)
        return;
    atomic_fetch_or_explicit(&isolate->attention, ISLE__ATTEND_STOP, memory_order_seq_cst);
    isle__isolate_wake(isolate);
}

/* The others end in their own turns: this is the root's main activity, which lets them run. */
void isle__program_stop_alone(void)
{
    int64_t until = isle__now() + STOP_NS;
    while (isle__tally_between(ISLE__TALLY_STARTED, ISLE__TALLY_ENDED) > 1 && isle__now() < until) {
        isle__bodies_each(stop_other, NULL);
        isle_sleep(STOP_LOOK_NS);
    }
    isle__reactor_dismiss(alone.bell_key);
    isle__program_finish(0);
    alone_over();
}
