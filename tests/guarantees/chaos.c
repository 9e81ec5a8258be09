/* SPDX-License-Identifier: Apache-2.0 */
/* Chaos: hundreds of isolates that spawn, send to, kill, pause, ping, call, throw at and leave each
 * other at random, from a seed. What must hold whatever they do: every end is told exactly once,
 * the program stays whole, and at the end memory, isolates and threads are what they were.
 *
 * Each spawned isolate has a place in a table, taken before its birth and given back when its exit
 * notice comes. It is born paused, so that the listener is there before it can end, and becomes
 * known to the others after that. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "isle.h"
#include "sched/worker.h"
#include "test.h"

enum { PLACES = 300, STEPS = 24, TABLES_MAX = 64 * 1024 };

struct place {
    isle_isolate isolate;
    bool taken, known;
};

static struct {
    pthread_mutex_t lock; /* never held across a call of Isle that may suspend or throw */
    struct place places[PLACES];
    unsigned taken;
    isle_send_port notices;
    _Atomic bool stopping;
    _Atomic uint64_t seed, spawned, ended, steps, helped, helped_done;
} chaos = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct chance {
    uint64_t state;
};
ISLE_LOCAL(struct chance, chance);

static uint64_t chaos_random(uint64_t below)
{
    struct chance *own = chance();
    own->state ^= own->state << 13;
    own->state ^= own->state >> 7;
    own->state ^= own->state << 17;
    return (own->state * UINT64_C(0x2545f4914f6cdd1d) >> 33) % below;
}

static void chaos_seed(void)
{
    uint64_t next = atomic_fetch_add(&chaos.seed, UINT64_C(0x9e3779b97f4a7c15));
    chance()->state = next | 1;
}

/* --- the table */

static int place_take(void)
{
    int found = -1;
    pthread_mutex_lock(&chaos.lock);
    for (int i = 0; i < PLACES && chaos.taken < PLACES && found < 0; i++)
        if (!chaos.places[i].taken)
            found = i;
    if (found >= 0) {
        chaos.places[found] = (struct place){.taken = true};
        chaos.taken++;
    }
    pthread_mutex_unlock(&chaos.lock);
    return found;
}

static void place_give(int index)
{
    pthread_mutex_lock(&chaos.lock);
    CHECK(index >= 0 && index < PLACES);
    CHECK(chaos.places[index].taken); /* else an end was told twice */
    chaos.places[index].taken = chaos.places[index].known = false;
    chaos.taken--;
    pthread_mutex_unlock(&chaos.lock);
}

static void place_publish(int index, isle_isolate isolate)
{
    pthread_mutex_lock(&chaos.lock);
    chaos.places[index].isolate = isolate;
    chaos.places[index].known = true;
    pthread_mutex_unlock(&chaos.lock);
}

static unsigned places_taken(void)
{
    pthread_mutex_lock(&chaos.lock);
    unsigned taken = chaos.taken;
    pthread_mutex_unlock(&chaos.lock);
    return taken;
}

/* Somebody, perhaps one that has ended. */
static isle_isolate somebody(void)
{
    uint64_t start = chaos_random(PLACES);
    isle_isolate found = isle_current();
    pthread_mutex_lock(&chaos.lock);
    for (unsigned i = 0; i < PLACES; i++) {
        struct place *place = &chaos.places[(start + i) % PLACES];
        if (place->isolate.control_port.id != 0) {
            found = place->isolate;
            break;
        }
    }
    pthread_mutex_unlock(&chaos.lock);
    return found;
}

/* --- what they do */

static void chaos_entry(isle_value message);

static isle_value chaos_graph(void)
{
    isle_value list = isle_list();
    isle_value map = isle_map();
    uint64_t count = chaos_random(20);
    for (uint64_t i = 0; i < count; i++)
        isle_list_add(list, chaos_random(2) ? isle_stringf("entry %d", (int)i) : isle_double(0.5));
    isle_put(map, "list", list);
    isle_put(map, "self", map);
    isle_list_add(list, map);
    if (chaos_random(8) == 0)
        isle_put(map, "bytes", isle_bytes(NULL, chaos_random(20000)));
    if (chaos_random(8) == 0)
        isle_put(map, "frozen", isle_freeze(isle_string("frozen")));
    if (chaos_random(8) == 0)
        isle_put(map, "moved", isle_transferable(chaos_random(9000)));
    return map;
}

static void do_spawn(void)
{
    if (atomic_load(&chaos.stopping))
        return;
    int index = place_take();
    if (index < 0)
        return;
    ISLE_UNINTERRUPTED;
    isle_options options = {.paused = true, .errors_not_fatal = chaos_random(2)};
    isle_isolate child;
    if (chaos_random(4) == 0)
        options.memory_max = 128 << 10;
    if (chaos_random(8) == 0)
        options.mailbox_max_messages = 4;
    if (chaos_random(40) == 0)
        options.thread = ISLE_THREAD_OWN;
    if (isle_try_spawn(chaos_entry, isle_int(index), &options, &child) != ISLE_OK) {
        place_give(index);
        return;
    }
    isle_add_exit_listener(child, chaos.notices, isle_int(index));
    isle_add_error_listener(child, chaos.notices);
    place_publish(index, child); /* before it can end and its place be another's */
    isle_resume(child, child.pause_capability);
    atomic_fetch_add(&chaos.spawned, 1);
}

static isle_value compute(isle_value argument)
{
    chaos_seed();
    if (chaos_random(4) == 0)
        isle_sleep(ISLE_US((int64_t)chaos_random(300)));
    if (chaos_random(6) == 0)
        isle_throwf("computed wrongly");
    isle_value list = isle_list();
    isle_list_add(list, argument);
    return list;
}

static void ignore(isle_value value, void *context)
{
    (void)value, (void)context;
}

static void do_run(void)
{
    isle_options options = {.deadline_ns = chaos_random(3) == 0 ? ISLE_US(200) : 0};
    isle_future *future = isle_run(compute, chaos_graph(), &options);
    isle_value result;
    switch (chaos_random(3)) {
    case 0:
        isle_future_cancel(future);
        isle_then(future, ignore, ignore, NULL);
        break;
    case 1:
        isle_then(future, ignore, ignore, NULL);
        break;
    default:
        if (isle_try_await(future, ISLE_MS(2), &result) == ISLE_ETIMEDOUT)
            isle_then(future, ignore, ignore, NULL);
    }
}

static void do_call(void)
{
    isle_value result;
    isle_future *future = isle_call(somebody().default_port, chaos_graph(), ISLE_MS(1));
    if (chaos_random(2))
        (void)!isle_try_await(future, ISLE_FOREVER, &result);
    else
        isle_then(future, ignore, ignore, NULL);
}

static int64_t helper_work(void *context)
{
    (void)context;
    usleep(100);
    return INT64_MAX;
}

static void helper_done(void *context)
{
    (void)context;
    atomic_fetch_add(&chaos.helped_done, 1);
}

static void do_blocking(void)
{
    isle_future *future = isle_blocking(helper_work, NULL, helper_done);
    atomic_fetch_add(&chaos.helped, 1);
    if (chaos_random(2))
        isle_future_cancel(future);
    isle_then(future, ignore, ignore, NULL);
}

static void close_fd(void *context)
{
    close((int)(intptr_t)context);
}

/* A descriptor may be closed when nobody waits for it any more. */
static void cancel_wait(void *context)
{
    isle_future_cancel(context);
}

static void do_descriptors(void)
{
    int fds[2];
    if (pipe(fds) != 0)
        return;
    isle_defer(close_fd, (void *)(intptr_t)fds[0]);
    isle_defer(close_fd, (void *)(intptr_t)fds[1]);
    isle_future *future = isle_fd_wait(fds[0], ISLE_READABLE);
    isle_defer(cancel_wait, future);
    isle_value events;
    if (chaos_random(2) && write(fds[1], "x", 1) == 1)
        (void)!isle_try_await(future, ISLE_MS(1), &events);
    if (chaos_random(2)) {
        isle_receive_port *port = isle_port_open();
        isle_watch *watch = isle_fd_watch(fds[1], ISLE_WRITABLE, isle_port_send_port(port));
        (void)!isle_port_try_receive(port, ISLE_US(200), &events);
        isle_watch_close(watch);
        isle_port_close(port);
    }
    isle_future_cancel(future);
    isle_then(future, ignore, ignore, NULL);
}

static void do_timer_task(void *context)
{
    (void)context;
    (void)chaos_random(2);
}

static void do_control(void)
{
    isle_isolate target = somebody();
    isle_capability key;
    switch (chaos_random(6)) {
    case 0:
        isle_kill(target, chaos_random(2) ? ISLE_IMMEDIATE : ISLE_BEFORE_NEXT_EVENT);
        break;
    case 1:
        key = isle_pause(target, (isle_capability){0});
        if (chaos_random(2))
            isle_checkpoint();
        isle_resume(target, key);
        break;
    case 2:
        isle_ping(target, isle_current().default_port, isle_string("pong"),
                  chaos_random(2) ? ISLE_IMMEDIATE : ISLE_BEFORE_NEXT_EVENT);
        break;
    case 3:
        isle_set_errors_fatal(target, chaos_random(2));
        break;
    case 4:
        isle_add_exit_listener(target, isle_current().default_port, isle_string("gone"));
        if (chaos_random(2))
            isle_remove_exit_listener(target, isle_current().default_port);
        break;
    default:
        isle_add_error_listener(target, isle_current().default_port);
        if (chaos_random(2))
            isle_remove_error_listener(target, isle_current().default_port);
    }
}

static isle_value chaos_step(isle_value unused)
{
    (void)unused;
    atomic_fetch_add(&chaos.steps, 1);
    switch (chaos_random(18)) {
    case 0:
    case 1:
    case 2:
        do_spawn();
        break;
    case 3:
    case 4:
    case 5:
    case 6:
        (void)!isle_try_send(somebody().default_port, chaos_graph());
        break;
    case 7:
    case 8:
        do_control();
        break;
    case 9:
        do_run();
        break;
    case 10:
        do_call();
        break;
    case 11:
        isle_sleep(ISLE_US((int64_t)chaos_random(500)));
        break;
    case 12:
        (void)isle_timer_start(ISLE_US((int64_t)chaos_random(500)), do_timer_task, NULL);
        isle_schedule_microtask(do_timer_task, NULL);
        break;
    case 13:
        isle_throwf("a step went wrong");
    case 14:
        do_descriptors();
        break;
    case 15:
        if (chaos_random(8) == 0)
            do_blocking();
        break;
    case 16:
        if (chaos_random(30) == 0)
            isle_exit(somebody().default_port, chaos_graph());
        (void)isle_alloc(chaos_random(20000));
        break;
    default:
        isle_sleep(0);
    }
    return isle_null();
}

static isle_value chaos_answer(isle_value request, void *context)
{
    (void)context;
    if (isle_kind_of(request) == ISLE_MAP && chaos_random(2))
        (void)chaos_step(isle_null());
    return request;
}

static void chaos_tick(void *context)
{
    (void)context;
    if (isle_try(chaos_step, isle_null(), NULL) != ISLE_OK && chaos_random(4) == 0)
        isle_throw(isle_last_error());
}

static void chaos_entry(isle_value message)
{
    (void)message;
    chaos_seed();
    if (chaos_random(2))
        (void)isle_timer_periodic(ISLE_US(50 + (int64_t)chaos_random(2000)), chaos_tick, NULL);
    isle_port_serve(isle_default_port(), chaos_answer, NULL);
    uint64_t steps = chaos_random(STEPS);
    for (uint64_t i = 0; i < steps; i++) {
        ISLE_SCOPE;
        if (chaos_random(8) == 0)
            (void)chaos_step(isle_null());
        else
            (void)!isle_try(chaos_step, isle_null(), NULL);
    }
    if (chaos_random(3) == 0)
        isle_port_close(isle_default_port());
}

/* --- the root */

static void notice_take(isle_receive_port *port, int64_t timeout)
{
    ISLE_SCOPE;
    isle_value notice;
    int64_t index;
    if (isle_port_try_receive(port, timeout, &notice) != ISLE_OK || !isle_get_int(notice, &index))
        return; /* an error notice is a list */
    place_give((int)index);
    atomic_fetch_add(&chaos.ended, 1);
}

static void kill_all(void)
{
    for (int i = 0; i < PLACES; i++) {
        pthread_mutex_lock(&chaos.lock);
        struct place place = chaos.places[i];
        pthread_mutex_unlock(&chaos.lock);
        if (place.taken && place.known)
            isle_kill(place.isolate, ISLE_IMMEDIATE);
    }
}

static void chaos_round(uint64_t seed, int64_t duration)
{
    ISLE_SCOPE;
    isle_receive_port *port = isle_port_open();
    int64_t until = isle_now_ns() + duration, next_kill = 0;
    chaos.notices = isle_port_send_port(port);
    atomic_store(&chaos.seed, seed);
    atomic_store(&chaos.stopping, false);
    chaos_seed();
    while (isle_now_ns() < until) {
        if (places_taken() < PLACES / 4)
            do_spawn();
        notice_take(port, places_taken() < PLACES / 4 ? 0 : ISLE_MS(1));
    }
    atomic_store(&chaos.stopping, true);
    until = isle_now_ns() + ISLE_SECONDS(20);
    while (places_taken() > 0) {
        if (isle_now_ns() > until)
            fail("seed %" PRIu64 ": %u isolates did not end, or their end was not told", seed,
                 places_taken());
        if (isle_now_ns() > next_kill) {
            kill_all();
            next_kill = isle_now_ns() + ISLE_MS(100);
        }
        notice_take(port, ISLE_MS(1));
    }
    isle_port_close(port);
    memset(chaos.places, 0, sizeof chaos.places);
}

/* Until those of isle_run have ended too, and the helpers' last work is done. */
static isle_stats chaos_settle(uint64_t memory)
{
    isle_stats stats;
    int64_t until = isle_now_ns() + ISLE_SECONDS(20);
    do {
        isle_sleep(ISLE_MS(5));
        isle_stats_read(&stats);
    } while ((stats.isolates > 1 || stats.memory > memory ||
              atomic_load(&chaos.helped) > atomic_load(&chaos.helped_done)) &&
             isle_now_ns() < until);
    return stats;
}

/* Workers are sent to rest and called back all the time, also when that is no good. */
static bool shaken;
static _Atomic bool shaking_over;

static void *shake(void *unused)
{
    for (unsigned i = 0; !atomic_load(&shaking_over); i++) {
        isle__sched_set_width(i % 3 == 0 ? ISLE__WIDTH_ALL : 1);
        isle__thread_yield();
    }
    return unused;
}

static void chaos_run(uint64_t first_seed, unsigned rounds, int64_t duration)
{
    uint64_t idle = (uint64_t)isle__memory_live(), first = UINT64_MAX;
    isle_stats after = {0};
    pthread_t shaker;
    CHECK_ERR(isle_start(0, NULL, NULL), ISLE_OK);
    (void)chance(); /* the root's own, before the count */
    if (shaken)
        CHECK_INT(pthread_create(&shaker, NULL, shake, NULL), 0);
    for (unsigned i = 0; i < rounds; i++) {
        chaos_round(first_seed + i * 7919, duration);
        after = chaos_settle(first);
        CHECK_UINT(after.isolates, 1);
        CHECK_UINT(after.stacks, 0);
        CHECK_UINT(atomic_load(&chaos.ended), atomic_load(&chaos.spawned));
        CHECK_UINT(atomic_load(&chaos.helped_done), atomic_load(&chaos.helped));
        /* The runtime's own tables have their size after the first round, nearly. */
        if (first == UINT64_MAX)
            first = after.memory + TABLES_MAX;
        CHECK(after.memory <= first);
    }
    if (shaken) {
        atomic_store(&shaking_over, true);
        CHECK_INT(pthread_join(shaker, NULL), 0);
    }
    isle_stop();
    CHECK_UINT(isle__memory_live(), idle);
    printf("measured: %" PRIu64 " steps, %" PRIu64 " isolates, %" PRIu64 " bytes, %" PRIu64
           " threads after the last\n",
           atomic_load(&chaos.steps), after.isolates_ever, after.memory, after.threads);
}

TEST(chaos_short)
{
    chaos_run(1, 3, ISLE_MS(1500));
}
TEST_TIMEOUT(chaos_short, 60);

/* Every ready task goes to a queue that all workers share: activities change threads at nearly
 * every suspension. */
TEST(chaos_with_migration)
{
    atomic_store(&isle__sched_scatter, true);
    chaos_run(4242, 2, ISLE_MS(1500));
}
TEST_TIMEOUT(chaos_with_migration, 60);

TEST(chaos_while_workers_rest)
{
    shaken = true;
    chaos_run(77, 2, ISLE_MS(1500));
}
TEST_TIMEOUT(chaos_while_workers_rest, 60);

/* Where the system has no barrier for others (membarrier). */
TEST(chaos_where_owners_pay_for_barriers)
{
    atomic_store(&isle__handoff_fences, true);
    chaos_run(78, 2, ISLE_MS(1500));
}
TEST_TIMEOUT(chaos_where_owners_pay_for_barriers, 60);

/* --- what chaos found */

static _Atomic int waits;
static isle_receive_port *closed_late;
static void close_late(void *context)
{
    (void)context;
    isle_port_close(closed_late);
}

static void abandoned_handler(isle_value message, void *context)
{
    atomic_fetch_add(&waits, 1);
    if (isle_as_int(message) == 0) {
        isle_defer(close_late, NULL);
        isle_sleep(ISLE_FOREVER);
    }
    if (isle_as_int(message) % 2)
        (void)isle_await(context);
    else
        (void)isle_port_receive(closed_late);
}
static void abandoned_entry(isle_value message)
{
    (void)message;
    closed_late = isle_port_open();
    isle_future *never = isle_future_keep(isle_future_new());
    isle_port_listen(isle_default_port(), abandoned_handler, never);
    for (int i = 0; i < 40; i++)
        isle_send(isle_current().default_port, isle_int(i));
}
/* Ports and futures outlive the stacks of those who waited for them when their isolate is killed.
 */
TEST_ROOT(killed_while_many_wait)
{
    for (int round = 0; round < 20; round++) {
        ISLE_SCOPE;
        isle_receive_port *exits = isle_port_open();
        isle_options options = {.on_exit = isle_port_send_port(exits)};
        atomic_store(&waits, 0);
        isle_isolate other = isle_spawn(abandoned_entry, isle_null(), &options);
        while (atomic_load(&waits) < 40)
            isle_sleep(ISLE_MS(1));
        isle_kill(other, ISLE_IMMEDIATE);
        (void)isle_port_receive(exits);
        isle_port_close(exits);
    }
}

TEST(chaos_for_minutes)
{
    const char *seconds = getenv("ISLE_SOAK_SECONDS");
    int64_t total = seconds ? atoll(seconds) : 600;
    chaos_run(99, (unsigned)(total / 5 + 1), ISLE_SECONDS(5));
}
TEST_TIER(chaos_for_minutes, TEST_SOAK);
TEST_TIMEOUT(chaos_for_minutes, 7200);

TEST_MAIN()
