/* SPDX-License-Identifier: Apache-2.0 */
/* What a broken core would get wrong with time, descriptors, signals, helper threads, threads of
 * their own and the program's end: each test here is the one that notices entries of
 * tools/mutations.txt which no other test does. */
#include "guarantees.h"

/* --- timers */

enum { NOTES = 64 };
static int notes[NOTES], note_count;

static void note(void *context)
{
    CHECK(note_count < NOTES);
    notes[note_count++] = (int)(intptr_t)context;
}

static void *number(int n)
{
    return (void *)(intptr_t)n;
}

/* Cancelled from anywhere in the heap, the others go on in the order of their deadlines. These
 * count from each call: a machine that takes longer for all than two differ by is asked again. */
TEST_ROOT(timers_fire_by_deadline_and_cancelled_ones_never)
{
    isle_timer *timers[40] = {NULL};
    int64_t begin;

    do {
        for (int rank = 0; rank < 40; rank++)
            isle_timer_cancel(timers[rank]);
        begin = isle_now_ns();
        for (int i = 0; i < 40; i++) {
            int rank = i * 23 % 40;

            timers[rank] = isle_timer_start(ISLE_MS(20) + rank * ISLE_MS(2), note, number(rank));
        }
    } while (isle_now_ns() - begin >= ISLE_MS(2));
    for (int i = 0; i < 40; i += 3)
        isle_timer_cancel(timers[i]);
    for (int i = 0; i < 40; i += 3)
        isle_timer_cancel(timers[i]);
    isle_loop();
    CHECK_INT(note_count, 26);
    for (int i = 0, rank = 0; rank < 40; rank++)
        if (rank % 3 != 0)
            CHECK_INT(notes[i++], rank);
}

/* A periodic timer keeps its grid: what is late does not shift what follows, what was missed is
 * skipped. Deadlines of one isolate are served in their order, so another timer is the clock. A
 * machine that was too slow to tell, when both begin or up to the event after the first tick, has
 * to tell again. */
struct grid {
    int64_t start, period;
    int ticks, before_mark, first_late;
    isle_timer *timer;
};

static void grid_next_event(void *context)
{
    struct grid *grid = context;

    grid->first_late = isle_now_ns() - grid->start > 19 * grid->period / 4;
}

static void grid_tick(void *context)
{
    struct grid *grid = context;

    if (grid->ticks++ == 0)
        isle_timer_start(0, grid_next_event, grid);
    CHECK(isle_now_ns() - grid->start >= grid->ticks * grid->period);
}

static void grid_mark(void *context)
{
    struct grid *grid = context;

    grid->before_mark = grid->ticks;
    isle_timer_cancel(grid->timer);
}

TEST_ROOT(a_periodic_timer_keeps_its_grid)
{
    struct grid grid;
    bool begun_late;

    do {
        grid = (struct grid){.period = ISLE_MS(20), .start = isle_now_ns()};
        grid.timer = isle_timer_periodic(grid.period, grid_tick, &grid);
        isle_timer_start(21 * grid.period / 4, grid_mark, &grid); /* 5.25 periods */
        begun_late = isle_now_ns() - grid.start > grid.period / 8;
        while (isle_now_ns() - grid.start < 18 * grid.period / 4) /* 4.5: four are missed */
            continue;
        isle_loop();
    } while (grid.first_late || begun_late);
    CHECK_INT(grid.before_mark, 2); /* at 4.5 and at 5 */
    CHECK_INT(grid.ticks, 2);
}

static void microtask_then_more(void *context)
{
    note(context);
    isle_schedule_microtask(note, number(3));
}

TEST_ROOT(microtasks_are_first_come_first_served)
{
    isle_schedule_microtask(microtask_then_more, number(1));
    isle_schedule_microtask(note, number(2));
    isle_loop();
    CHECK_INT(note_count, 3);
    for (int i = 0; i < 3; i++)
        CHECK_INT(notes[i], i + 1);
}

/* --- descriptors */

static isle_value waits_on(isle_value fd)
{
    (void)isle_fd_wait((int)isle_as_int(fd), ISLE_READABLE);
    return isle_null();
}

TEST_ROOT(a_wait_is_over_when_it_completes_or_is_cancelled)
{
    int ends[2];
    char byte;
    isle_future *wait;

    CHECK_INT(pipe(ends), 0);
    for (int i = 0; i < 20; i++) {
        wait = isle_fd_wait(ends[0], ISLE_READABLE);
        CHECK_ERR(isle_try(waits_on, isle_int(ends[0]), NULL), ISLE_EUSED);
        CHECK_ERR(isle_try_await(wait, 0, NULL), ISLE_ETIMEDOUT);
        if (i % 2 == 0) {
            isle_future_cancel(wait);
            CHECK_ERR(isle_try_await(wait, 0, NULL), ISLE_ECANCELED);
        } else {
            CHECK_INT(write(ends[1], "b", 1), 1);
            CHECK_INT(isle_as_int(isle_await(wait)), ISLE_READABLE);
            CHECK_INT(read(ends[0], &byte, 1), 1);
        }
    }
    close(ends[0]);
    close(ends[1]);
}

TEST_ROOT(a_watch_tells_until_it_is_closed)
{
    isle_receive_port *port = isle_port_open();
    isle_watch *watch;
    int ends[2], fd;
    int64_t events;
    char byte;

    CHECK_INT(pipe(ends), 0);
    watch = isle_fd_watch(ends[0], ISLE_READABLE, isle_port_send_port(port));
    for (int i = 0; i < 10; i++) {
        CHECK_INT(write(ends[1], "b", 1), 1);
        isle_unpack(isle_port_receive(port), "[i,i!]", &fd, &events);
        CHECK_INT(fd, ends[0]);
        CHECK_INT(events, ISLE_READABLE);
        CHECK_INT(read(ends[0], &byte, 1), 1);
    }
    isle_watch_close(watch);
    isle_watch_close(watch);
    CHECK_INT(write(ends[1], "b", 1), 1);
    CHECK_INT(isle_as_int(isle_await(isle_fd_wait(ends[0], ISLE_READABLE))), ISLE_READABLE);
    CHECK(port_is_empty(port));
    isle_port_close(port);
    close(ends[0]);
    close(ends[1]);
}

static void close_later(void *fd)
{
    close((int)(intptr_t)fd);
}

/* Of many watches some are closed, the first, the last and others, in no order; the rest tells, and
 * goes with the isolate. */
static void watches_many(isle_value message)
{
    enum { WATCHES = 60 };
    isle_receive_port *port = isle_port_open();
    isle_watch *watch[WATCHES];
    int fds[WATCHES], end, fd;
    int64_t events;
    bool closed[WATCHES] = {false};

    isle_unpack(message, "i", &end);
    for (int i = 0; i < WATCHES; i++) {
        fds[i] = dup(end);
        watch[i] = isle_fd_watch(fds[i], ISLE_READABLE, isle_port_send_port(port));
        isle_unpack(isle_port_receive(port), "[i,i!]", &fd, &events); /* it can be read already */
        CHECK_INT(fd, fds[i]);
    }
    for (int i = 0; i < WATCHES * 2 / 3; i++) {
        int at = i == 0 ? 0 : i == 1 ? WATCHES - 1 : i * 37 % WATCHES;

        closed[at] = true;
        isle_watch_close(watch[at]);
    }
    for (int i = 0; i < WATCHES; i++) { /* what is closed may be watched anew, the rest may not */
        CHECK_ERR(isle_try(waits_on, isle_int(fds[i]), NULL), closed[i] ? ISLE_OK : ISLE_EUSED);
        if (!closed[i] && i % 2 == 0)
            isle_watch_close(watch[i]);
    }
    isle_port_close(port);
    for (int i = 0; i < WATCHES; i++)
        isle_defer(close_later, (void *)(intptr_t)fds[i]);
    isle_exit((isle_send_port){0}, isle_null());
}

TEST_ROOT(watches_are_closed_in_any_order)
{
    int ends[2], descriptors = open_descriptors();
    uint64_t memory = 0;

    CHECK_INT(pipe(ends), 0);
    CHECK_INT(write(ends[1], "b", 1), 1);
    for (int i = 0; i < 3; i++) {
        isle_spawn(watches_many, isle_int(ends[0]), NULL);
        settle();
        if (i == 0) /* the poller's table has grown */
            memory = memory_held();
    }
    CHECK(memory_returns_to(memory));
    close(ends[0]);
    close(ends[1]);
    CHECK_INT(open_descriptors(), descriptors);
}

static void watches(isle_value message)
{
    int fd;
    isle_send_port to;

    isle_unpack(message, "[i,p!]", &fd, &to);
    isle_fd_watch(fd, ISLE_READABLE, to);
}

/* A watch keeps its isolate alive, and ends with it. */
TEST_ROOT(a_watch_lives_as_long_as_its_isolate)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate;
    int ends[2];

    CHECK_INT(pipe(ends), 0);
    isolate = isle_spawn(watches, isle_pack("[i,p]", ends[0], isle_port_send_port(port)), NULL);
    CHECK_INT(write(ends[1], "b", 1), 1);
    CHECK_INT(isle_count(isle_port_receive(port)), 2);
    isle_ping(isolate, isle_port_send_port(port), isle_int(1), ISLE_BEFORE_NEXT_EVENT);
    CHECK_INT(receive_int(port), 1);
    isle_ping(isolate, isle_port_send_port(port), isle_int(2), ISLE_BEFORE_NEXT_EVENT);
    CHECK_INT(receive_int(port), 2);
    isle_kill(isolate, ISLE_IMMEDIATE);
    settle();
    CHECK_INT(isle_as_int(isle_await(isle_fd_wait(ends[0], ISLE_READABLE))), ISLE_READABLE);
    isle_port_close(port);
    close(ends[0]);
    close(ends[1]);
}

/* --- signals */

static volatile sig_atomic_t former_seen;

static void former_handler(int signal)
{
    (void)signal;
    former_seen++;
}

TEST_ROOT(signals_are_told_to_every_port_and_the_former_disposition_returns)
{
    isle_receive_port *first, *second;

    CHECK(signal(SIGUSR1, former_handler) != SIG_ERR);
    first = isle_signal_port(SIGUSR1);
    second = isle_signal_port(SIGUSR1);
    isle_port_set_keep_alive(second, true);
    CHECK_INT(raise(SIGUSR1), 0);
    CHECK_INT(receive_int(first), SIGUSR1);
    CHECK_INT(receive_int(second), SIGUSR1);
    isle_port_close(first);
    CHECK_INT(raise(SIGUSR1), 0);
    CHECK_INT(receive_int(second), SIGUSR1);
    CHECK_INT(former_seen, 0);
    isle_port_close(second);
    CHECK_INT(raise(SIGUSR1), 0);
    CHECK_INT(former_seen, 1);
}

/* --- helper threads */

static _Atomic int done_count;
static sem_t work_may_end, work_began, work_is_done;

static int64_t computes(void *context)
{
    return *(int64_t *)context;
}

static int64_t blocks(void *context)
{
    (void)context;
    sem_post(&work_began);
    semaphore_wait(&work_may_end);
    return 1;
}

static void done(void *context)
{
    (void)context;
    atomic_fetch_add(&done_count, 1);
    sem_post(&work_is_done);
}

TEST_ROOT(blocking_work_returns_its_int_and_is_done_once)
{
    int64_t numbers[] = {0, -1, 42, INT64_MAX, INT64_MIN};
    isle_future *futures[20], *slow;

    for (int i = 0; i < 5; i++)
        CHECK_INT(isle_as_int(isle_await(isle_blocking(computes, &numbers[i], done))), numbers[i]);
    CHECK_INT(atomic_load(&done_count), 5);
    /* One that blocks holds up nobody; what queues is served. */
    slow = isle_blocking(blocks, NULL, NULL);
    for (int i = 0; i < 20; i++)
        futures[i] = isle_blocking(computes, &numbers[2], NULL);
    CHECK_INT(isle_count(isle_await(isle_future_all(futures, 20))), 20);
    CHECK(!isle_future_is_complete(slow));
    sem_post(&work_may_end);
    CHECK_INT(isle_as_int(isle_await(slow)), 1);
}

static void starts_work(isle_value message)
{
    (void)message;
    isle_await(isle_blocking(blocks, NULL, done));
}

TEST_ROOT(blocking_work_is_done_although_its_isolate_has_ended)
{
    isle_isolate isolate;

    sem_init(&work_may_end, 0, 0);
    sem_init(&work_began, 0, 0);
    sem_init(&work_is_done, 0, 0);
    isolate = isle_spawn(starts_work, isle_null(), NULL);
    semaphore_wait(&work_began);
    isle_kill(isolate, ISLE_IMMEDIATE);
    settle();
    CHECK_INT(atomic_load(&done_count), 0);
    sem_post(&work_may_end);
    semaphore_wait(&work_is_done);
    CHECK_INT(atomic_load(&done_count), 1);
}

/* --- threads */

struct thread_seen {
    pthread_t thread;
    bool same;
};

static isle_value same_thread(isle_value request, void *context)
{
    struct thread_seen *seen = context;

    isle_await(isle_call(isle_as_port(request), isle_null(), ISLE_FOREVER));
    seen->same = seen->same && pthread_equal(pthread_self(), seen->thread);
    return isle_bool(seen->same);
}

static void owns_thread(isle_value message)
{
    static struct thread_seen seen;

    (void)message;
    seen = (struct thread_seen){pthread_self(), true};
    isle_port_serve(isle_default_port(), same_thread, &seen);
}

static isle_value nothing(isle_value request, void *context)
{
    (void)context;
    return request;
}

static void serves_nothing(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), nothing, NULL);
}

TEST_ROOT(an_isolate_with_a_thread_of_its_own_stays_on_it)
{
    uint64_t threads = stats_now().threads;
    isle_isolate helper = isle_spawn(serves_nothing, isle_null(), NULL);
    isle_isolate own =
        isle_spawn(owns_thread, isle_null(), &(isle_options){.thread = ISLE_THREAD_OWN});
    isle_value to = isle_port(helper.default_port);

    for (int i = 0; i < 500; i++) {
        ISLE_SCOPE;
        CHECK(isle_as_bool(isle_await(isle_call(own.default_port, to, ISLE_FOREVER))));
    }
    CHECK(stats_now().threads > threads);
    isle_kill(own, ISLE_IMMEDIATE);
    isle_kill(helper, ISLE_IMMEDIATE);
    settle();
}

static void suspends(isle_value root)
{
    isle_send(isle_as_port(root), isle_null());
    isle_sleep(ISLE_SECONDS(1000));
}

TEST_ROOT(the_counts_are_exact_when_nothing_runs)
{
    enum { COUNT = 20 };
    isle_receive_port *port = isle_port_open();
    isle_stats before = stats_now(), after;
    isle_isolate isolates[COUNT];

    CHECK_UINT(before.isolates, 1);
    for (int i = 0; i < COUNT; i++)
        isolates[i] = isle_spawn(suspends, isle_port_value(port), NULL);
    for (int i = 0; i < COUNT; i++)
        check_null(isle_port_receive(port));
    do
        after = stats_now();
    while (after.stacks < before.stacks + COUNT); /* the last ones are about to sleep */
    CHECK_UINT(after.isolates, 1 + COUNT);
    CHECK_UINT(after.isolates_ever, before.isolates_ever + COUNT);
    CHECK_UINT(after.stacks, before.stacks + COUNT);
    for (int i = 0; i < COUNT; i++)
        isle_kill(isolates[i], ISLE_IMMEDIATE);
    settle();
    after = stats_now();
    CHECK_UINT(after.isolates, 1);
    CHECK_UINT(after.isolates_ever, before.isolates_ever + COUNT);
    CHECK_UINT(after.stacks, before.stacks);
    isle_port_close(port);
}

/* --- workers */

/* Their events never end, yet no thread is stuck: they take turns on the one worker. */
static void again(void *context)
{
    (void)context;
    isle_timer_start(0, again, NULL);
}

static void keeps_busy(isle_value root)
{
    isle_timer_start(0, again, NULL);
    isle_send(isle_as_port(root), isle_null());
}

static void posts(isle_value root)
{
    isle_send(isle_as_port(root), isle_int(1));
}

TEST(busy_isolates_give_way)
{
    enum { BUSY = 40 };
    isle_receive_port *port;
    isle_isolate busy[BUSY];
    uint64_t threads;

    CHECK_ERR(isle_start(0, NULL, &(isle_program_options){.worker_count = 1}), ISLE_OK);
    port = isle_port_open();
    threads = stats_now().threads;
    for (int i = 0; i < BUSY; i++)
        busy[i] = isle_spawn(keeps_busy, isle_port_value(port), NULL);
    for (int i = 0; i < BUSY; i++)
        check_null(isle_port_receive(port));
    /* The monitor may add a few on a slow machine, but they share what there is. */
    CHECK(stats_now().threads < threads + BUSY / 2);
    for (int i = 0; i < BUSY; i++)
        isle_kill(busy[i], ISLE_IMMEDIATE);
    settle();
    isle_stop();
}

/* What an isolate makes ready and then never returns: the monitor finds somebody else for it. */
static sem_t spawned_ran;

static void runs(isle_value message)
{
    (void)message;
    sem_post(&spawned_ran);
}

static void spawns_and_blocks(isle_value count)
{
    for (int64_t i = 0; i < isle_as_int(count); i++)
        isle_spawn(runs, isle_null(), NULL);
    for (int64_t i = 0; i < isle_as_int(count); i++)
        semaphore_wait(&spawned_ran);
}

TEST(what_was_made_ready_does_not_wait_for_its_maker)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        CHECK_ERR(isle_start(0, NULL, &(isle_program_options){.worker_count = workers}), ISLE_OK);
        sem_init(&spawned_ran, 0, 0);
        for (int i = 0; i <= 7; i++) {
            isle_spawn(spawns_and_blocks, isle_int(1 << i), NULL);
            settle();
        }
        isle_stop();
    }
}

/* A parked pool hears of what the root's thread makes ready. */
TEST_ROOT(parked_workers_are_woken)
{
    isle_receive_port *port = isle_port_open();

    for (int i = 0; i < 20; i++) {
        isle_sleep(ISLE_MS(5)); /* so that they park; nothing depends on it */
        isle_spawn(posts, isle_port_value(port), NULL);
        CHECK_INT(receive_int(port), 1);
    }
    isle_port_close(port);
}

TEST_ROOT(an_earlier_timer_is_not_late)
{
    isle_timer *late = isle_timer_start(ISLE_SECONDS(100), note, number(2));
    int64_t start = isle_now_ns();

    isle_sleep(0);
    isle_timer_start(ISLE_MS(1), note, number(1));
    isle_sleep(ISLE_MS(2));
    CHECK_INT(note_count, 1);
    CHECK(isle_now_ns() - start < ISLE_SECONDS(20));
    isle_timer_cancel(late);
}

/* --- the program's end */

static _Atomic int ended_count;

static void ended(void *context)
{
    (void)context;
    atomic_fetch_add(&ended_count, 1);
}

static void defers(isle_value root)
{
    isle_defer(ended, NULL);
    isle_send(isle_as_port(root), isle_null());
    isle_sleep(ISLE_SECONDS(1000));
}

static void never_runs(isle_value message)
{
    (void)message;
    isle_port_open();
}

TEST(stop_ends_everybody_and_the_program_may_start_again)
{
    isle_receive_port *port;

    for (int life = 1; life <= 5; life++) {
        CHECK_ERR(isle_start(0, NULL, NULL), ISLE_OK);
        CHECK_ERR(isle_start(0, NULL, NULL), ISLE_EUSED);
        port = isle_port_open();
        for (int i = 0; i < 10; i++) {
            isle_spawn(defers, isle_port_value(port), NULL);
            isle_spawn(never_runs, isle_null(), &(isle_options){.paused = true});
        }
        for (int i = 0; i < 10; i++)
            (void)isle_port_receive(port);
        isle_stop();
        CHECK_INT(atomic_load(&ended_count), 10 * life);
        CHECK_UINT(stats_now().isolates, 0);
    }
}

/* A foreign loop sees what comes for the root: its descriptor is readable, a dispatch serves it. */
static void heard(isle_value message, void *context)
{
    (void)message;
    note(context);
}

static void sends(isle_value root)
{
    isle_send(isle_as_port(root), isle_int(1));
}

TEST(a_foreign_loop_is_woken)
{
    isle_receive_port *port;
    fd_set set;
    int fd;

    CHECK_ERR(isle_start(0, NULL, NULL), ISLE_OK);
    fd = isle_loop_fd();
    port = isle_port_open();
    isle_port_listen(port, heard, number(1));
    for (int i = 1; i <= 10; i++) {
        isle_spawn(sends, isle_port_value(port), NULL);
        while (note_count < i) {
            FD_ZERO(&set);
            FD_SET(fd, &set);
            CHECK(select(fd + 1, &set, NULL, NULL, &(struct timeval){.tv_sec = 20}) == 1);
            CHECK(isle_dispatch());
        }
    }
    isle_stop();
}

TEST_MAIN()
