/* SPDX-License-Identifier: Apache-2.0 */
/* The program: start, the root isolate and its main activity, foreign event loops, stop.
 *
 * The root's events run on the thread that started it. Between isle_start and isle_stop that
 * thread's own code is the root's *main activity*: it is outside the loop, and what suspends there
 * (await, receive, isle_loop, isle_dispatch) lets the loop run on a fresh stack of the same thread
 * until the main activity goes on. So while the main activity runs, the root looks idle to
 * everybody else: what arrives makes its task ready, and raises the descriptor of isle_loop_fd.
 *
 * On a system without stacks the main activity never suspends: isle_loop and isle_dispatch call the
 * loop as a function. */
#include "core/program.h"

#include <stdlib.h>
#include <string.h>

#include "core/activity.h"
#include "core/backend.h"
#include "core/blocking.h"
#include "core/body.h"
#include "core/control.h"
#include "core/gate.h"
#include "core/isolate.h"
#include "core/loop.h"
#include "core/mail.h"
#include "core/monitor.h"
#include "core/name.h"
#include "core/reactor.h"
#include "core/report.h"
#include "core/shelf.h"
#include "core/simulate.h"
#include "core/slot.h"
#include "core/timer.h"
#include "core/uncaught.h"

enum {
    STACK_SIZE = 256 * 1024,
    STOP_NS = 200 * 1000 * 1000,
    STOP_LOOK_NS = 1000 * 1000,
    STOP_AGAIN_NS = 5 * 1000 * 1000
};

static struct {
    struct isle__activity activity;
    isle_program_options options;
    bool loop_over;           /* nothing keeps the root alive */
    bool in_loop;             /* the main activity is in isle_loop */
    _Atomic bool dispatching; /* it is in isle_dispatch: it goes on when the root is idle */
    bool ended;               /* the root has ended, the main activity cleans up */
    bool owns_main;           /* isle_main: there is a boundary below us */
    bool stacks;
    bool faults;
} main_state;

/* --- what others ask */

uint64_t isle__thread_count(void)
{
    uint64_t reactor = isle__platform_has(ISLE__HAS_POLLER) && !isle__alone_on ? 1 : 0;
    return isle__sched_thread_count() + isle__blocking_thread_count() + reactor + 1;
}

void isle__classic_busy(void)
{
    atomic_fetch_add_explicit(&isle__program.classic_busy, 1, memory_order_seq_cst);
}

void isle__classic_idle(void)
{
    if (atomic_fetch_sub_explicit(&isle__program.classic_busy, 1, memory_order_seq_cst) == 1 &&
        !atomic_load_explicit(&isle__program.root_over, memory_order_acquire))
        isle__isolate_wake(isle__program.root);
}

/* --- the root's turn and the main activity */

static void main_over(struct isle__isolate *root)
{
    main_state.loop_over = true;
    isle__activity_wake(&main_state.activity);
    (void)root;
}

static void main_deadlock(void)
{
    char line[256];
    const char *function = main_state.activity.waits_in;
    (void)snprintf(line, sizeof line,
                   "isle: the root isolate waits in %s for what can never come: no port, timer or "
                   "call is left that could end it",
                   function == NULL ? "an activity" : function);
    isle__report(line);
}

bool isle__isolate_may_end(struct isle__isolate *isolate)
{
    if (!isolate->is_root)
        return true;
    if (atomic_load_explicit(&isle__program.classic_busy, memory_order_seq_cst) > 0)
        return false;
    if (main_state.stacks && !main_state.activity.is_suspended)
        return false;
    if (main_state.dispatching)
        return false;
    if (main_state.in_loop || !main_state.stacks) {
        main_over(isolate);
        return false;
    }
    main_deadlock();
    isolate->failed = true;
    return true;
}

static bool root_has_work(const struct isle__isolate *root)
{
    return root->inbox != NULL || root->ready != NULL || root->pending != NULL ||
           root->microtasks != NULL || root->unobserved != NULL || root->deferred != NULL ||
           root->ending || isle__attention_asks(root);
}

static void root_go_home(struct isle__isolate *root)
{
    atomic_store_explicit(&root->task.home, isle__program.root_worker, memory_order_release);
}

static bool root_is_home(void)
{
    return isle__worker_current() == isle__program.root_worker;
}

/* A root that floats is anybody's from here on. Release: who reads this and runs the root finds all
 * that the main activity did. */
void isle__main_suspends(struct isle__isolate *root)
{
    isle__heap_set_current(NULL);
    if (isle__program.root_floats)
        atomic_store_explicit(&root->task.home, NULL, memory_order_release);
    /* Nothing keeps the root alive: its turn shall see that what the main activity waits for never
     * comes. */
    if (root->alive == 0)
        isle__isolate_wake(root);
}

/* The main activity goes on, and ends, on its own thread only. */
bool isle__root_hops(struct isle__isolate *root)
{
    if (!isle__program.root_floats || root_is_home() ||
        !(root->ending || main_state.activity.is_ready))
        return false;
    root_go_home(root);
    isle__sched_ready(&root->task);
    return true;
}

/* The loop is left: to everybody else the root is idle now, or ready. */
void isle__main_resumes(struct isle__isolate *root)
{
    isle__heap_set_current(&root->heap);
    root_go_home(root); /* before anybody can make its task ready */
    isle__sched_leave_task();
    struct isle__mail *empty = NULL;
    isle__timer_register(root);
    if (atomic_load_explicit(&root->mailbox, memory_order_relaxed) == ISLE__MAILBOX_IDLE)
        return;
    if (root_has_work(root) ||
        !atomic_compare_exchange_strong_explicit(&root->mailbox, &empty, ISLE__MAILBOX_IDLE,
                                                 memory_order_seq_cst, memory_order_relaxed))
        isle__sched_ready(&root->task);
    else if (isle__attention_asks(root))
        isle__isolate_wake(root);
}

/* Work that the main activity itself has made for the loop. */
void isle__main_made_work(struct isle__isolate *isolate)
{
    if (isolate->running != NULL && isolate->running->is_main) {
        isle__timer_register(isolate);
        isle__isolate_wake(isolate);
    }
}

bool isle__root_dispatched(struct isle__isolate *root)
{
    if (!main_state.dispatching || !main_state.stacks)
        return false;
    if (!root_is_home()) {
        root_go_home(root);
        isle__sched_ready(&root->task);
        return true;
    }
    main_state.dispatching = false;
    isle__activity_continue(&main_state.activity);
    return true;
}

void isle__root_ends(struct isle__isolate *root)
{
    main_state.ended = true;
    if (!main_state.stacks)
        return;
    isle__activities_abandon(root);
    main_state.activity.forced = !main_state.in_loop && !main_state.dispatching;
    main_state.dispatching = false;
    isle__activity_continue(&main_state.activity);
}

/* --- serving */

static struct isle__isolate *main_need(const char *function)
{
    struct isle__isolate *isolate = isle__isolate_need(function);
    if (!isolate->is_root || isolate->running != &main_state.activity)
        isle__throw(ISLE_EINVAL, "%s: only the code between isle_start and isle_stop may call it",
                    function);
    return isolate;
}

/* Without stacks: the loop as a function, on top of the main activity. */
static void serve_inline(struct isle__isolate *root, bool wait)
{
    isle__frame_link(&main_state.activity.frame); /* it stands, and does not run */
    root->running = NULL;
    root->heap.frame = NULL;
    while (!main_state.loop_over && !main_state.ended)
        if (!isle__worker_run_one() && (!wait || !isle__reactor_wait_inline()))
            break;
    isle__heap_set_current(&root->heap);
    root->running = &main_state.activity;
    root->heap.frame = &main_state.activity.frame;
}

static void main_wait(struct isle__isolate *root, const char *function, const char *instead)
{
    isle_err err = isle__activity_wait(root, ISLE_FOREVER, function);
    if (err != ISLE_OK)
        isle__activity_refused(err, function, instead);
}

void isle_loop(void)
{
    struct isle__isolate *root = main_need(__func__);
    main_state.loop_over = false;
    isle__isolate_wake(root);
    if (!main_state.stacks) {
        serve_inline(root, true);
        return;
    }
    main_state.in_loop = true;
    while (!main_state.loop_over && !main_state.ended)
        main_wait(root, "isle_loop", "isle_dispatch");
    main_state.in_loop = false;
}

bool isle_dispatch(void)
{
    struct isle__isolate *root = main_need(__func__);
    isle__simulate_refuse(__func__, "a foreign loop keeps its own time");
    if (isle__program.notifier >= 0)
        isle__notifier_clear(isle__program.notifier);
    if (root->ending || main_state.ended)
        return false;
    if (!isle__worker_has_ready(isle__program.root_worker))
        return true;
    if (!main_state.stacks) {
        serve_inline(root, false);
    } else {
        main_state.dispatching = true;
        main_wait(root, "isle_dispatch", "isle_loop");
    }
    return !main_state.ended;
}

int isle_loop_fd(void)
{
    (void)main_need(__func__);
    isle__simulate_refuse(__func__, "a foreign loop keeps its own time");
    if (isle__program.notifier < 0) {
        int fd = isle__notifier_open();
        if (fd < 0)
            isle__throw(ISLE_ESYSTEM, "isle_loop_fd: the system refuses a descriptor");
        isle__program.notifier = fd;
        isle__worker_set_notifier(isle__program.root_worker, fd);
        if (isle__worker_has_ready(isle__program.root_worker))
            isle__notifier_raise(fd);
    }
    return isle__program.notifier;
}

/* --- errors that reach the bottom */

/* A throw or an end in a program that keeps its own main, with nothing below: its deferred tasks
 * have run. */
static void program_uncaught(struct isle__heap *heap, isle_value error)
{
    struct isle__isolate *root = (void *)((char *)heap - offsetof(struct isle__isolate, heap));
    if (!isle_is_null(error) || !root->ending)
        isle__uncaught(root, error);
    isle__program_finish(root->failed || root->killed ? 255 : EXIT_SUCCESS);
    exit(root->failed || root->killed ? 255 : EXIT_SUCCESS);
}

static void program_forked(void)
{
    atomic_store_explicit(&isle__forked, true, memory_order_relaxed);
}

/* --- stack overflows */

static void overflow_resume(void)
{
    struct isle__heap *heap = isle__heap_current();
    struct isle__isolate *isolate = (void *)((char *)heap - offsetof(struct isle__isolate, heap));
    isle__uncaught(isolate, isle__error_stack_overflow());
    isolate->ending = isolate->failed = true;
    isle__unwind_end(heap);
}

static bool overflow_seen(void *address, bool in_system_code, void (**ret_resume)(void))
{
    char line[256] = "isle: stack overflow in ";
    struct isle__heap *heap = isle__heap_current();
    (void)address;
    if (heap == NULL || heap->frame == NULL)
        return false;
    struct isle__isolate *isolate = (void *)((char *)heap - offsetof(struct isle__isolate, heap));
    if (!in_system_code && heap->frame->deferring == 0 && heap->frame->uninterrupted == 0 &&
        !heap->busy) {
        *ret_resume = overflow_resume;
        return true;
    }
    const char *name = isle__isolate_given_name(isolate);
    strncat(line, name == NULL ? "an isolate" : name, 100);
    strncat(line, ", where it cannot be unwound safely: the program ends", 80);
    isle__report(line);
    return false;
}

/* --- start */

static isle_err program_read_options(const isle_program_options *given, size_t size)
{
    isle_program_options *options = &main_state.options;
    memset(options, 0, sizeof *options);
    if (given == NULL)
        return ISLE_OK;
    size_t known = size < sizeof *options ? size : sizeof *options;
    memcpy(options, given, known);
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)given)[i] != 0)
            return ISLE_EUNSUPPORTED;
    if (options->stack_size != 0 && options->stack_size < 16 * 1024)
        return ISLE_ERANGE;
    return ISLE_OK;
}

static isle_err root_create(void)
{
    isle_options options = {.debug_name = "root"};
    struct isle__isolate *root;
    isle_err err = isle__isolate_create(&options, &root);
    if (err != ISLE_OK)
        return err;
    root->is_root = root->entered = true;
    atomic_store_explicit(&root->task.home, isle__program.root_worker, memory_order_release);
    isle__program.root = root;
    if (isle__reports_wanted())
        root->born = isle__now();
    isle__tally_add(ISLE__TALLY_STARTED);
    atomic_store_explicit(&root->mailbox, ISLE__MAILBOX_IDLE, memory_order_release);
    isle__heap_set_current(&root->heap);
    isle__activity_enter(&main_state.activity, isle__worker_own_flow(isle__program.root_worker),
                         root);
    main_state.activity.is_main = true;
    return ISLE_OK;
}

static isle_err program_start(void)
{
    const isle_program_options *options = &main_state.options;
    unsigned workers = options->worker_count == 0 ? isle__cpu_count() : options->worker_count;
    if (!isle__platform_has(ISLE__HAS_THREADS) || isle__simulating() || isle__alone_on)
        workers = 0;
    size_t stack_size = options->stack_size == 0 ? STACK_SIZE : options->stack_size;
    isle_err err = isle__sched_start(workers, (stack_size + 4095) & ~(size_t)4095);
    if (err != ISLE_OK)
        return err;
    err = isle__reactor_start();
    if (err == ISLE_OK) {
        isle__blocking_start();
        err = isle__worker_attach(&isle__program.root_worker);
        if (err == ISLE_OK) {
            err = root_create();
            if (err == ISLE_OK)
                return ISLE_OK;
            isle__worker_detach(isle__program.root_worker);
        }
        if (!isle__blocking_stop(ISLE_FOREVER))
            isle__die("isle: helpers did not stop");
        isle__reactor_stop();
    }
    isle__sched_stop();
    return err;
}

isle_err isle__start(int argc, char **argv, const isle_program_options *options,
                     size_t options_size)
{
    (void)isle_child_main(argc, argv);
    return isle__program_begin(options, options_size);
}

/* What nobody else may know, or be able to guess from what he has. */
static void program_draw_keys(void)
{
    isle__random_bytes(isle__program.capability_key, sizeof isle__program.capability_key);
    isle__random_bytes(&isle__program.handle_key, sizeof isle__program.handle_key);
}

void isle__program_forked(void)
{
    atomic_store_explicit(&isle__forked, false, memory_order_relaxed);
    program_draw_keys();
}

isle_err isle__program_begin(const isle_program_options *options, size_t options_size)
{
    static bool watched;
    if (atomic_load_explicit(&isle__forked, memory_order_relaxed))
        return ISLE_EFORK;
    if (atomic_load_explicit(&isle__program.running, memory_order_acquire))
        return ISLE_EUSED;
    memset(&main_state, 0, sizeof main_state);
    isle_err err = program_read_options(options, options_size);
    if (err != ISLE_OK)
        return err;
    if (!watched)
        isle__fork_watch(program_forked);
    watched = true;
    isle__monitors_start();
    err = isle__alone_on ? ISLE_OK : isle__simulate_start();
    if (err != ISLE_OK)
        return err;
    memset(&isle__program, 0, offsetof(struct isle__program, running));
    isle__program.baseline = (size_t)isle__memory_live();
    isle__mutex_init(&isle__program.lock);
    isle__program.notifier = -1;
    isle__program.root_floats = main_state.options.root_floats;
    isle__program.warm_process_count = main_state.options.warm_process_count;
    err = isle__alone_on ? ISLE_OK : isle__reports_start(&main_state.options);
    if (err != ISLE_OK) {
        isle__mutex_destroy(&isle__program.lock);
        isle__simulate_stop();
        return err;
    }
    program_draw_keys();
    isle__names_start();
    isle__uncaught_hook = program_uncaught;
    main_state.stacks = isle__platform_has(ISLE__HAS_STACKS);
    isle__slots_init();
    isle__gates_init();
    isle__bodies_init();
    isle__shelves_init();
    isle__fault_thread_init();
    main_state.faults =
        !main_state.options.no_signal_handler && isle__fault_install(overflow_seen) == ISLE_OK;
    err = program_start();
    if (err != ISLE_OK) {
        if (main_state.faults)
            isle__fault_remove();
        isle__fault_thread_fini();
        isle__shelves_fini();
        isle__bodies_fini();
        isle__gates_fini();
        isle__slots_fini();
        isle__reports_stop();
        isle__names_stop();
        isle__mutex_destroy(&isle__program.lock);
        isle__simulate_stop();
        return err;
    }
    isle__simulate_running();
    atomic_store_explicit(&isle__program.running, true, memory_order_release);
    return ISLE_OK;
}

/* --- stop */

static void stop_one(struct isle__isolate *isolate, void *unused)
{
    (void)unused;
    atomic_fetch_or_explicit(&isolate->attention, ISLE__ATTEND_STOP, memory_order_seq_cst);
    isle__isolate_wake(isolate);
}

/* One that is born meanwhile may be missed: who waits for the end calls this again and again. */
static void program_stop_all(void)
{
    atomic_store_explicit(&isle__program.stopping, true, memory_order_seq_cst);
    isle__bodies_each(stop_one, NULL);
}

/* Time without progress, as far as the machine let the program run in it. That of a process that
 * was stopped, or whose threads had no core, does not count in full, nor that in which the system
 * has yet to tell the end of what was killed: up to ten times of it are waited. */
struct stop_wait {
    int64_t since, looked, waited, given;
};

static void stop_wait_begin(struct stop_wait *wait, int64_t now)
{
    *wait = (struct stop_wait){.since = now, .looked = now};
}

static bool stop_wait_is_over(struct stop_wait *wait, int64_t now)
{
    int64_t elapsed = now - wait->looked;
    if (isle__simulating())
        return now - wait->since >= STOP_NS;
    if (elapsed >= STOP_LOOK_NS) {
        if (elapsed > 2 * STOP_LOOK_NS) /* this thread had no core itself */
            elapsed = 2 * STOP_LOOK_NS;
        wait->waited += elapsed;
        int64_t given = isle__sched_time_given(elapsed);
        wait->given += isle__backends_await() ? 0 : given;
        wait->looked = now;
    }
    return wait->given >= STOP_NS || wait->waited >= INT64_C(10) * STOP_NS;
}

/* Waits while the number goes down; 200 ms without progress are enough. */
static bool program_wait_all(void)
{
    uint64_t last = UINT64_MAX, count;
    int64_t again = 0;
    struct stop_wait wait = {0};
    struct isle__parker nap = {0};
    while ((count = isle__tally_between(ISLE__TALLY_STARTED, ISLE__TALLY_ENDED)) > 0) {
        int64_t now = isle__now();
        if (count < last) {
            stop_wait_begin(&wait, now);
            again = now + STOP_AGAIN_NS;
        } else if (now >= again) {
            program_stop_all();
            again = isle__now() + STOP_AGAIN_NS;
        }
        last = count;
        if (stop_wait_is_over(&wait, now))
            return false;
        if (isle__simulating())
            isle__simulate_help();
        else if (isle__alone_on || !isle__worker_run_one())
            isle__parker_park(&nap, 100 * 1000);
    }
    return true;
}

struct name_rest {
    char line[512];
    size_t named;
};

static void name_one(struct isle__isolate *isolate, void *argument)
{
    struct name_rest *rest = argument;
    size_t length = strlen(rest->line);
    char name[64];
    if (rest->named == 8)
        return;
    isle__isolate_name(isolate, name, sizeof name);
    (void)snprintf(rest->line + length, sizeof rest->line - length, "%s %s",
                   rest->named == 0 ? "" : ",", name);
    rest->named++;
}

static void program_name_rest(void)
{
    struct name_rest rest = {
        "isle: the program ends without waiting for isolates that did not stop within 200 ms:", 0};
    isle__mutex_lock(&isle__program.lock);
    isle__bodies_each(name_one, &rest);
    isle__mutex_unlock(&isle__program.lock);
    isle__report(rest.line);
}

void isle__program_finish(int status)
{
    struct isle__isolate *root = isle__program.root;
    isle__simulate_ending();
    isle__activity_leave(&main_state.activity);
    atomic_store_explicit(&isle__program.root_over, true, memory_order_release);
    isle__isolate_finish(root);
    isle__worker_forget_ready(isle__program.root_worker);
    program_stop_all();
    bool stopped = program_wait_all();
    atomic_store_explicit(&isle__program.running, false, memory_order_seq_cst);
    for (unsigned rounds = 0;
         stopped && atomic_load_explicit(&isle__program.posters, memory_order_seq_cst) > 0;)
        isle__thread_give_way(&rounds);
    bool helped = stopped && isle__blocking_stop(STOP_NS);
    if (!stopped)
        program_name_rest();
    else if (!helped)
        isle__report(
            "isle: the program ends without waiting for isle_blocking work that still runs");
    if (!helped) {
        (void)fflush(NULL);
        isle__exit_now(status);
    }
    isle__backends_stop();
    isle__reactor_stop();
    isle__sched_stop();
    isle__worker_detach(isle__program.root_worker);
    if (isle__program.notifier >= 0)
        isle__fd_close(isle__program.notifier);
    if (main_state.faults)
        isle__fault_remove();
    isle__fault_thread_fini();
    isle__body_give(root);
    isle__shelves_fini();
    isle__bodies_fini();
    isle__gates_fini();
    isle__slots_fini();
    isle__names_stop();
    isle__stacks_release();
    isle__reports_stop();
    isle__mutex_destroy(&isle__program.lock);
    isle__simulate_stop();
}

unsigned isle_cpu_count(void)
{
    return isle__simulating() ? 4 : isle__cpu_count();
}

void isle_stop(void)
{
    (void)main_need(__func__);
    if (main_state.owns_main)
        isle__throw(ISLE_EINVAL, "isle_stop: this program is run by isle_main: return instead");
    isle__program_finish(EXIT_FAILURE);
}

/* --- isle_main */

struct main_call {
    int argc;
    char **argv;
    int (*app)(int argc, char **argv);
    int status;
};

static void main_call_app(void *argument)
{
    struct main_call *call = argument;
    isle_scope scope =
        isle_scope_open(); /* app is the first event: what it made vanishes when it returns */
    call->status = call->app(call->argc, call->argv);
    isle_scope_close(&scope);
}

static void main_call_loop(void *argument)
{
    (void)argument;
    isle_loop();
}

static void main_event(struct isle__isolate *root, void (*fn)(void *), void *argument)
{
    struct isle__activity *self = &main_state.activity;
    enum isle__unwinding how =
        isle__catch_do(&root->heap, &self->catch, ISLE__CATCH_EVENT, fn, argument);
    if (how == ISLE__UNWIND_ERROR)
        isle__uncaught(root, self->catch.error);
    if (how == ISLE__UNWIND_END || self->frame.pending_end)
        root->ending = true;
}

int isle_main(int argc, char **argv, int (*app)(int argc, char **argv))
{
    struct main_call call = {argc, argv, app, 0};
    if (app == NULL) {
        isle__report("isle: isle_main: the app is NULL");
        return 255;
    }
    isle_err err = isle_start(argc, argv, NULL);
    if (err != ISLE_OK) {
        char line[128];
        (void)snprintf(line, sizeof line, "isle: cannot start: %s", isle_err_text(err));
        isle__report(line);
        return 255;
    }
    struct isle__isolate *root = isle__program.root;
    main_state.owns_main = true;
    main_event(root, main_call_app, &call);
    if (!root->ending && !main_state.ended)
        main_event(root, main_call_loop, NULL);
    if (root->killed)
        isle__report("isle: isolate terminated by isle_kill");
    int status = root->failed || root->killed ? 255 : call.status;
    isle__program_finish(status);
    return status;
}
