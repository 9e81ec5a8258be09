/* SPDX-License-Identifier: Apache-2.0 */
/* Simulated programs: virtual time, chance, faults, and the two ways in which a run ends early.
 *
 * Time. The clock moves when something is done: a little at each kill point and each choice, drawn
 * from the seed. When nobody can go on it jumps to the next deadline; now and then it runs to a
 * near one although somebody could, so that a timer comes before a message that is on its way.
 *
 * Faults are drawn from a sequence of their own. An allocation's is armed in the platform layer
 * some number of allocations ahead; what the program does not ask for itself (the trace) disarms it
 * for a while.
 *
 * The watch-dog is the one other thread. It looks ten times a second whether the running isolate
 * has come to a point, and changes nothing but the process's end. It counts its looks, not the
 * time, so that a debugger may stop the program for as long as it likes. */
#include "core/simulate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/activity.h"
#include "core/control.h"
#include "core/reactor.h"
#include "isle/random.h"
#include "isle/simulation.h"

enum {
    POINT_NS = 100,
    READ_NS = 25,     /* of a look at the clock: who waits by looking gets on */
    CHOICE_NS = 1000, /* on average */
    HELP_NS = 100 * 1000,
    NEAR_NS = 1000 * 1000, /* a deadline that may come before what is ready */
    LOOK_NS = 100 * 1000 * 1000
};
#define BEGINNING ISLE_SECONDS(1)
#define SILENCE_NS ISLE_SECONDS(5)

static struct {
    isle_simulation asked;
    const isle_simulation *request; /* of isle_simulate, until the start has read it */
    _Atomic int64_t now;
    uint64_t serial;
    bool faults;
    uint64_t armed;        /* allocations until one fails; 0: none */
    _Atomic uint64_t beat; /* points that were reached */
    _Atomic bool outside;  /* waits for a descriptor: silence is right */
    _Atomic(struct isle__isolate *) running;
    struct isle__thread watchdog;
    struct isle__parker watchdog_parker;
    _Atomic bool watchdog_over;
    bool watched;
} simulate;

/* --- time and chance */

int64_t isle__simulate_clock(void)
{
    return atomic_load_explicit(&simulate.now, memory_order_relaxed);
}

static void clock_advance(int64_t by)
{
    int64_t now = isle__simulate_clock();
    atomic_store_explicit(&simulate.now, now > ISLE_FOREVER - by ? ISLE_FOREVER : now + by,
                          memory_order_relaxed);
}

static bool is_simulated_thread(void)
{
    return isle__simulating() && isle__worker_current() != NULL;
}

static void simulate_beat(void)
{
    uint64_t beat = atomic_load_explicit(&simulate.beat, memory_order_relaxed);
    atomic_store_explicit(&simulate.beat, beat + 1, memory_order_release);
}

int64_t isle_now_ns(void)
{
    if (is_simulated_thread()) {
        clock_advance(READ_NS);
        simulate_beat();
    }
    return isle__now();
}

static void random_bytes(enum isle__chance chance, void *memory, size_t size)
{
    unsigned char *at = memory;
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = isle__chance_draw(chance);
        for (size_t k = 0; k < 8 && i + k < size; k++)
            at[i + k] = (unsigned char)(word >> (8 * k));
    }
}

void isle__random_bytes(void *memory, size_t size)
{
    if (isle__simulating())
        random_bytes(ISLE__CHANCE_TIME, memory, size);
    else
        isle__random_fill(memory, size);
}

void isle_random_fill(void *memory, size_t size)
{
    if (memory == NULL)
        return;
    if (is_simulated_thread())
        random_bytes(ISLE__CHANCE_PROGRAM, memory, size);
    else
        isle__random_fill(memory, size);
}

uint64_t isle_random(void)
{
    uint64_t word = 0;
    if (is_simulated_thread())
        return isle__chance_draw(ISLE__CHANCE_PROGRAM);
    isle__random_fill(&word, sizeof word);
    return word;
}

uint64_t isle__simulate_serial(void)
{
    return ++simulate.serial;
}

bool isle_simulated(void)
{
    return isle__simulating();
}

/* --- faults */

static double fault_probability(enum isle__fault fault)
{
    switch (fault) {
    case ISLE__FAULT_KILL:
        return simulate.asked.kill;
    case ISLE__FAULT_SPAWN:
        return simulate.asked.spawn;
    case ISLE__FAULT_ALLOC:
        return simulate.asked.alloc;
    case ISLE__FAULT_FULL:
        return simulate.asked.full;
    case ISLE__FAULT_LATE:
        return simulate.asked.late;
    case ISLE__FAULT_COUNT:
        break;
    }
    return 0;
}

static const char *const fault_names[] = {"kill", "spawn", "alloc", "full", "late"};

bool isle__fault_strikes(enum isle__fault fault, uint64_t id)
{
    if (!simulate.faults || !isle__chance_is(ISLE__CHANCE_FAULT, fault_probability(fault)))
        return false;
    isle__trace("fault", id, "kind=%s", fault_names[fault]);
    return true;
}

uint64_t isle__fault_pause(void)
{
    if (simulate.armed == 0)
        return 0;
    uint64_t made = isle__memory_fail_at(0);
    return made < simulate.armed ? simulate.armed - made : 0;
}

void isle__fault_continue(uint64_t armed)
{
    if (simulate.armed == 0)
        return;
    simulate.armed = armed;
    (void)isle__memory_fail_at(armed);
}

/* Arms the next allocation that fails, if the last one has. */
static void fault_arm(uint64_t id)
{
    enum { FARTHEST = 1 << 20 };
    if (!simulate.faults || !(simulate.asked.alloc > 0))
        return;
    bool first = simulate.armed == 0;
    uint64_t left = isle__fault_pause();
    if (left == 0) {
        if (!first)
            isle__trace("fault", id, "kind=%s", fault_names[ISLE__FAULT_ALLOC]);
        for (left = 1; left < FARTHEST; left++)
            if (isle__chance_is(ISLE__CHANCE_FAULT, simulate.asked.alloc))
                break;
        simulate.armed = left;
    }
    isle__fault_continue(left);
}

void isle__simulate_refuse(const char *function, const char *why)
{
    if (isle__simulating())
        isle__throw(ISLE_EUNSUPPORTED, "%s leaves the simulation: %s", function, why);
}

/* The program has set a limit of its own, so it is ready for a refusal. */
static bool mailbox_is_limited(const struct isle__isolate *isolate)
{
    uint64_t limits = atomic_load_explicit(&isolate->limits, memory_order_relaxed);
    return isle__room_count(limits) < ISLE__MAILBOX_MESSAGES ||
           isle__room_bytes(limits) < ISLE__MAILBOX_BYTES;
}

bool isle__simulate_admits(const struct isle__mail *mail, const struct isle__slot *slot)
{
    const struct isle__isolate *isolate =
        slot == NULL ? NULL : atomic_load_explicit(&slot->isolate, memory_order_relaxed);
    isle__trace_mail(mail, isolate);
    return isolate == NULL || mail->room == ISLE__MAIL_RESERVED ||
           atomic_load_explicit(&slot->kind, memory_order_relaxed) == ISLE__SLOT_REPLY ||
           !mailbox_is_limited(isolate) || !isle__fault_strikes(ISLE__FAULT_FULL, isolate->id);
}

/* --- what the loop and the scheduler ask */

void isle__simulate_point(struct isle__isolate *isolate)
{
    simulate_beat();
    clock_advance(POINT_NS);
    fault_arm(isolate->id);
    if (!isle__simulation_preempts())
        return;
    isle__trace_event("preempt", isolate->id);
    isle__heap_set_current(NULL);
    (void)isle__simulation_suspend(&isolate->task);
    isle__heap_set_current(&isolate->heap);
}

int16_t isle__simulate_budget(void)
{
    enum { MOST = 4 };
    if (simulate.asked.first_in_first_out)
        return MOST;
    return (int16_t)(1 + isle__chance_below(ISLE__CHANCE_SCHEDULE, MOST));
}

bool isle__simulate_timer_first(void)
{
    return simulate.asked.first_in_first_out || isle__chance_below(ISLE__CHANCE_TIME, 2) == 0;
}

/* Before a task runs or goes on. */
static void simulate_step(struct isle__task *task)
{
    struct isle__isolate *isolate = (struct isle__isolate *)task;
    bool ordered = simulate.asked.first_in_first_out;
    simulate_beat();
    atomic_store_explicit(&simulate.running, isolate, memory_order_release);
    clock_advance(ordered ? CHOICE_NS
                          : (int64_t)isle__chance_below(ISLE__CHANCE_TIME, 2 * CHOICE_NS));
    int64_t wait = isle__reactor_fire();
    if (!ordered && wait < NEAR_NS && isle__chance_below(ISLE__CHANCE_TIME, 8) == 0) {
        clock_advance(wait);
        (void)isle__reactor_fire();
    }
    isle__trace_event("run", isolate->id);
    if (!isolate->is_root && isle__fault_strikes(ISLE__FAULT_KILL, isolate->id))
        atomic_fetch_or_explicit(&isolate->attention, ISLE__ATTEND_STOP, memory_order_seq_cst);
    fault_arm(isolate->id);
}

static int64_t clock_lateness(void)
{
    if (!isle__fault_strikes(ISLE__FAULT_LATE, 0))
        return 0;
    uint64_t scale = UINT64_C(1000000) << isle__chance_below(ISLE__CHANCE_FAULT, 11);
    return (int64_t)isle__chance_below(ISLE__CHANCE_FAULT, scale);
}

ISLE_NORETURN static void simulate_deadlock(void)
{
    char line[256];
    const struct isle__isolate *root = isle__program.root;
    const struct isle__activity *main = root->suspended;
    while (main != NULL && !main->is_main)
        main = main->next;
    (void)snprintf(line, sizeof line,
                   "isle: simulation: nobody can ever go on: no message, timer or descriptor is "
                   "left; the root waits in %s (seed %llu)",
                   main == NULL || main->waits_in == NULL ? "its loop" : main->waits_in,
                   (unsigned long long)simulate.asked.seed);
    isle__trace_event("deadlock", root->id);
    isle__report(line);
    (void)fflush(NULL);
    isle__exit_now(ISLE_SIMULATION_STATUS);
}

/* Nobody is ready. Descriptors first: what can be read now was there before the clock jumps. */
static bool simulate_idle(struct isle__worker *worker)
{
    (void)worker;
    atomic_store_explicit(&simulate.running, NULL, memory_order_release);
    bool watched = isle__reactor_is_watched();
    if (watched && isle__reactor_poll(0) > 0)
        return true;
    int64_t wait = isle__reactor_fire();
    if (isle__simulation_has_ready())
        return true;
    int64_t held = isle__simulation_wakes();
    if (wait == ISLE_FOREVER && held == ISLE_FOREVER && !watched)
        simulate_deadlock();
    if (held != ISLE_FOREVER && held - isle__simulate_clock() < wait) {
        clock_advance(held - isle__simulate_clock());
        return true;
    }
    if (wait != ISLE_FOREVER) {
        clock_advance(wait);
        clock_advance(clock_lateness());
        isle__trace_event("clock", 0);
        (void)isle__reactor_fire();
        return true;
    }
    atomic_store_explicit(&simulate.outside, true, memory_order_release);
    (void)isle__reactor_poll(ISLE_FOREVER);
    atomic_store_explicit(&simulate.outside, false, memory_order_release);
    return true;
}

void isle__simulate_help(void)
{
    if (isle__simulation_suspend(&isle__program.root->task))
        return;
    clock_advance(HELP_NS);
    (void)isle__reactor_fire();
}

/* --- the watch-dog */

ISLE_NORETURN static void watchdog_bites(const struct isle__isolate *isolate)
{
    char line[256], name[64];
    isle__isolate_name(isolate, name, sizeof name);
    (void)snprintf(line, sizeof line,
                   "isle: simulation: %s has called nothing of Isle's for %lld ms: it is blocked "
                   "outside Isle, or computes without isle_checkpoint (seed %llu)",
                   name, (long long)(simulate.asked.silence_ns / 1000000),
                   (unsigned long long)simulate.asked.seed);
    isle__report(line);
    isle__exit_now(ISLE_SIMULATION_STATUS);
}

static void watchdog_main(void *unused)
{
    (void)unused;
    uint64_t seen = 0;
    int64_t looks = 0, most = (simulate.asked.silence_ns + LOOK_NS - 1) / LOOK_NS;
    while (!atomic_load_explicit(&simulate.watchdog_over, memory_order_acquire)) {
        int64_t until = isle__clock_now() + LOOK_NS;
        isle__parker_park(&simulate.watchdog_parker, LOOK_NS);
        if (isle__clock_now() < until)
            continue;
        uint64_t beat = atomic_load_explicit(&simulate.beat, memory_order_acquire);
        const struct isle__isolate *isolate =
            atomic_load_explicit(&simulate.running, memory_order_acquire);
        bool silent = beat == seen && isolate != NULL &&
                      !atomic_load_explicit(&simulate.outside, memory_order_acquire);
        looks = silent ? looks + 1 : 0;
        seen = beat;
        if (looks >= most)
            watchdog_bites(isolate);
    }
}

static void watchdog_start(void)
{
    if (simulate.asked.silence_ns == ISLE_FOREVER)
        return;
    simulate.watched =
        isle__thread_start(&simulate.watchdog, "isle-watchdog", watchdog_main, NULL) == ISLE_OK;
    if (!simulate.watched)
        isle__report("isle: simulation: the system refuses a thread; a silent isolate will not be "
                     "noticed");
}

static void watchdog_stop(void)
{
    if (!simulate.watched)
        return;
    atomic_store_explicit(&simulate.watchdog_over, true, memory_order_release);
    isle__parker_unpark(&simulate.watchdog_parker);
    isle__thread_join(&simulate.watchdog);
    simulate.watched = false;
}

/* --- what was asked for */

static isle_err asked_wrong(const char *what, const char *text)
{
    char line[256];
    (void)snprintf(line, sizeof line, "isle: %s: %.160s", what, text);
    isle__report(line);
    return ISLE_EINVAL;
}

static isle_err asked_seed(const char *text)
{
    char *end;
    if (strcmp(text, "fifo") == 0) {
        simulate.asked.first_in_first_out = true;
        return ISLE_OK;
    }
    errno = 0;
    simulate.asked.seed = strtoull(text, &end, 0);
    if (errno != 0 || *end != '\0' || *text < '0' || *text > '9')
        return asked_wrong("ISLE_SEED is a number from 0 to 2^64 - 1, or fifo, not", text);
    return ISLE_OK;
}

static double *asked_fault(const char *name, size_t size)
{
    double *places[] = {&simulate.asked.kill, &simulate.asked.spawn, &simulate.asked.alloc,
                        &simulate.asked.full, &simulate.asked.late};
    for (size_t i = 0; i < ISLE__FAULT_COUNT; i++)
        if (strlen(fault_names[i]) == size && memcmp(fault_names[i], name, size) == 0)
            return places[i];
    return NULL;
}

/* kill:0.01,alloc:0.001 */
static isle_err asked_faults(const char *text)
{
    const char *at = text;
    while (*at != '\0') {
        size_t size = strcspn(at, ":,");
        double *place = asked_fault(at, size);
        char *end;
        if (place == NULL || at[size] != ':')
            return asked_wrong("ISLE_FAULTS is a list of kill, spawn, alloc, full, late, each with "
                               ":PROBABILITY, not",
                               text);
        *place = strtod(at + size + 1, &end);
        if (end == at + size + 1 || (*end != ',' && *end != '\0'))
            return asked_wrong("ISLE_FAULTS: no probability", at);
        at = *end == ',' ? end + 1 : end;
    }
    return ISLE_OK;
}

/* ISLE_SILENCE: whole seconds, 0 for no end. */
static isle_err asked_silence(const char *text)
{
    char *end;
    unsigned long seconds = strtoul(text, &end, 10);
    if (*end != '\0' || *text < '0' || *text > '9' || seconds > 1000000)
        return asked_wrong("ISLE_SILENCE is a number of seconds, 0 for no end, not", text);
    simulate.asked.silence_ns = seconds == 0 ? ISLE_FOREVER : ISLE_SECONDS((int64_t)seconds);
    return ISLE_OK;
}

static const char *asked_variable(const char *name)
{
    const char *text = isle__environment(name);
    return text == NULL || *text == '\0' ? NULL : text;
}

/* Once a process, however often the library is started. */
static void asked_without_seed(const char *faults, const char *trace)
{
    static _Atomic bool said;
    char line[160];
    if ((faults == NULL && trace == NULL) ||
        atomic_exchange_explicit(&said, true, memory_order_relaxed))
        return;
    (void)snprintf(line, sizeof line,
                   "isle: %s%s%s: ignored without ISLE_SEED; set it too, to a number or to fifo",
                   faults == NULL ? "" : "ISLE_FAULTS",
                   faults == NULL || trace == NULL ? "" : " and ",
                   trace == NULL ? "" : "ISLE_TRACE");
    isle__report(line);
}

static bool asked_simulation(isle_err *ret_err)
{
    const char *seed = asked_variable("ISLE_SEED"), *faults = asked_variable("ISLE_FAULTS");
    const char *silence = asked_variable("ISLE_SILENCE");
    *ret_err = ISLE_OK;
    if (simulate.request != NULL) {
        simulate.asked = *simulate.request;
    } else {
        if (seed == NULL) {
            asked_without_seed(faults, asked_variable("ISLE_TRACE"));
            return false;
        }
        *ret_err = asked_seed(seed);
        if (*ret_err == ISLE_OK && faults != NULL)
            *ret_err = asked_faults(faults);
    }
    if (*ret_err == ISLE_OK && silence != NULL && simulate.asked.silence_ns == 0)
        *ret_err = asked_silence(silence);
    if (simulate.asked.silence_ns == 0)
        simulate.asked.silence_ns = SILENCE_NS;
    if (simulate.asked.trace == NULL)
        simulate.asked.trace = asked_variable("ISLE_TRACE");
    return true;
}

static isle_err asked_check(void)
{
    for (unsigned i = 0; i < ISLE__FAULT_COUNT; i++) {
        double probability = fault_probability((enum isle__fault)i);
        if (!(probability >= 0 && probability <= 1))
            return asked_wrong("simulation: not a probability from 0 to 1", fault_names[i]);
    }
    if (simulate.asked.silence_ns < 0)
        return asked_wrong("simulation: .silence_ns is negative", "");
    if (!isle__platform_has(ISLE__HAS_STACKS) || !isle__platform_has(ISLE__HAS_THREADS)) {
        isle__report("isle: simulation: this system has no stacks to switch");
        return ISLE_EUNSUPPORTED;
    }
    return ISLE_OK;
}

/* What replays this run. */
static void trace_asked(void)
{
    const isle_simulation *asked = &simulate.asked;
    char line[200];
    (void)snprintf(
        line, sizeof line, "ISLE_SEED=%llu ISLE_FAULTS=kill:%g,spawn:%g,alloc:%g,full:%g,late:%g%s",
        (unsigned long long)asked->seed, asked->kill, asked->spawn, asked->alloc, asked->full,
        asked->late, asked->first_in_first_out ? " first in first out" : "");
    isle__trace_note(line);
}

/* --- start and stop */

isle_err isle__simulate_start(void)
{
    const isle_simulation *request = simulate.request;
    isle_err err;
    memset(&simulate, 0, sizeof simulate);
    simulate.request = request;
    bool asked = asked_simulation(&err);
    simulate.request = NULL;
    if (!asked)
        return ISLE_OK;
    if (err == ISLE_OK)
        err = asked_check();
    if (err != ISLE_OK)
        return err;
    err = isle__trace_open(simulate.asked.trace, simulate.asked.trace_digest != NULL);
    if (err != ISLE_OK) {
        (void)asked_wrong("simulation: the trace cannot be written", simulate.asked.trace);
        return err;
    }
    atomic_store_explicit(&simulate.now, BEGINNING, memory_order_relaxed);
    struct isle__simulation_rules rules = {
        .seed = simulate.asked.seed,
        .first_in_first_out = simulate.asked.first_in_first_out,
        .now = isle__simulate_clock,
        .step = simulate_step,
    };
    err = isle__simulation_begin(&rules);
    if (err != ISLE_OK) {
        (void)isle__trace_close();
        return err;
    }
    isle__sched_idle_hook = simulate_idle;
    trace_asked();
    return ISLE_OK;
}

void isle__simulate_running(void)
{
    if (!isle__simulating())
        return;
    atomic_store_explicit(&simulate.running, isle__program.root, memory_order_release);
    watchdog_start();
    simulate.faults = true;
    fault_arm(isle__program.root->id);
}

void isle__simulate_ending(void)
{
    if (!isle__simulating())
        return;
    isle__simulation_calm(); /* the end waits 200 ms for who does not stop */
    if (simulate.armed != 0)
        (void)isle__memory_fail_at(0);
    simulate.armed = 0;
    simulate.faults = false;
}

void isle__simulate_stop(void)
{
    if (!isle__simulating())
        return;
    watchdog_stop();
    isle__trace_event("stop", 0);
    uint64_t digest = isle__trace_close();
    if (simulate.asked.trace_digest != NULL)
        *simulate.asked.trace_digest = digest;
    isle__sched_idle_hook = NULL;
    isle__simulation_end();
}

int isle__simulate(int (*app)(int argc, char **argv), const isle_simulation *simulation,
                   size_t simulation_size)
{
    isle_simulation asked = {0};
    size_t known = simulation_size < sizeof asked ? simulation_size : sizeof asked;
    if (simulation != NULL)
        memcpy(&asked, simulation, known);
    for (size_t i = known; simulation != NULL && i < simulation_size; i++)
        if (((const unsigned char *)simulation)[i] != 0) {
            isle__report("isle: isle_simulate: an option is set that this version of Isle does not "
                         "know");
            return 255;
        }
    if (atomic_load_explicit(&isle__program.running, memory_order_acquire)) {
        isle__report("isle: isle_simulate: Isle runs already");
        return 255;
    }
    simulate.request = &asked;
    int status = isle_main(asked.argc, asked.argv, app);
    simulate.request = NULL;
    return status;
}
