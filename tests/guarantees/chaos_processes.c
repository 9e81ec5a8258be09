/* SPDX-License-Identifier: Apache-2.0 */
/* Chaos among process isolates: they are killed by isle_kill and by SIGKILL from a thread that
 * knows nothing of what they do, their zygote is killed while others are being born, and some
 * scribble over the memory of their channel. Meanwhile numbered messages go in and come back.
 *
 * What must hold: what comes back is 0, 1, 2, ... without a gap or a repetition, until the end of
 * an isolate that died, and all of it of one that was left alone; each end is told to the monitor
 * once and to the exit listener once, after all messages, with a reason that somebody caused; in
 * the end there is no descriptor, memory, process (a zombie is one) or control group more than
 * before, hardly a thread, and once the program has stopped none at all.
 *
 * Dead is who runs no more: his end may take the kernel long. The last process of a namespace of
 * mounts waits there until the processors have passed a point where nobody looks at them any more
 * (a grace period of RCU), and the queue for that is one for the whole machine: 8 seconds were seen
 * with forty programs beside. Killed before a zygote, a guard leaves this to an isolate. So the
 * killer is content when each of those who are to end either has, or cannot but end. He has
 * patience: on that machine a process was seen that had not run for 20 seconds after its fork.
 *
 * Each place of a table has one isolate after the other. Its ports stay open until the next one
 * comes, so that what is told twice is seen. Everything is the root's but the killer's thread,
 * which touches the account of births alone. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <poll.h>

#include "backend/process/host.h"
#include "backend/process/zygote.h"
#include "chaos_inside.h"
#include "guarantees.h"
#include "isle/monitor.h"
#include "isle/program.h"
#include "processes.h"

/* Before anything else of the program: an image that was executed to be a zygote stays here. */
__attribute__((constructor)) static void be_a_child(int argc, char **argv)
{
    (void)isle_child_main(argc, argv);
}

enum { WARM = 4, PLACES = 12, WINDOW = 8, MEMORY_SLACK = 16 * 1024, VICTIMS = 64 };

struct plan {
    uint64_t seed;
    int places, survivors; /* the first ones are never touched; threads if zygotes are killed */
    int hostile_percent;   /* of the others scribble */
    int64_t deaths;        /* until so many have been told */
    int64_t kill_ns;       /* mean time between two blows of the killer's thread; 0: it has none */
    bool kills_zygotes;    /* every fourth blow */
};

struct place {
    int index;
    bool used, survivor, hostile, left, kill_asked;
    isle_receive_port *data, *exits, *ends;
    isle_isolate isolate;
    int64_t sent, got;
    int exits_told, ends_told;
    isle_reason reason;
    char text[160];
};

static struct {
    struct plan plan;
    struct place places[PLACES];
    bool stopping;
    int64_t deaths, echoes;
    int64_t reasons[ISLE_UNSPAWNED + 1];
} chaos;

/* --- chance */

static uint64_t root_chance;

static uint64_t chance(uint64_t below)
{
    return chance_of(&root_chance, below);
}

#define CHAOS_CHECK(condition, place)                                                              \
    do {                                                                                           \
        test_count_check();                                                                        \
        if (!(condition))                                                                          \
            chaos_fail(TEST__AT, #condition, place);                                               \
    } while (0)

ISLE_NORETURN static void chaos_fail(const char *at, const char *what, const struct place *place)
{
    fail("%s: seed %" PRIu64 ", death %" PRId64 ", place %d%s: not %s; sent %" PRId64
         ", back %" PRId64 ", ends told %d (%s \"%s\"), exits told %d",
         at, chaos.plan.seed, chaos.deaths, place->index, place->hostile ? " (hostile)" : "", what,
         place->sent, place->got, place->ends_told,
         place->ends_told ? isle_reason_text(place->reason) : "-", place->text, place->exits_told);
}

/* --- what comes to the root */

static void send_next(struct place *place)
{
    isle_err err = isle_try_send(place->isolate.default_port, numbered(place->sent));
    CHAOS_CHECK(err == ISLE_OK || !place->survivor, place);
    place->sent++;
}

static void on_data(isle_value message, void *context)
{
    struct place *place = context;
    CHAOS_CHECK(place->ends_told == 0 && place->exits_told == 0, place);
    if (place->hostile)
        return;
    CHAOS_CHECK(number_of(message) == place->got, place);
    place->got++;
    chaos.echoes++;
    CHAOS_CHECK(place->got <= place->sent, place);
    if (!place->left)
        send_next(place);
}

static void on_exit_told(isle_value message, void *context)
{
    struct place *place = context;
    CHAOS_CHECK(isle_is_null(message), place);
    place->exits_told++;
    CHAOS_CHECK(place->exits_told == 1, place);
}

/* Whether somebody has done what would end it so. */
static bool reason_is_caused(const struct place *place)
{
    bool blows = chaos.plan.kill_ns > 0 && !place->survivor;
    switch (place->reason) {
    case ISLE_RETURNED:
        return place->left && place->got == place->sent;
    case ISLE_KILLED:
        return place->kill_asked;
    case ISLE_SIGNALED:
        return blows && !strcmp(place->text, "SIGKILL");
    case ISLE_UNSPAWNED:
        return blows && chaos.plan.kills_zygotes &&
               !strncmp(place->text, "Unable to spawn isolate: ", 25);
    case ISLE_LOST:
        return blows && chaos.plan.kills_zygotes;
    case ISLE_FAILED:
    case ISLE_VIOLATION:
    case ISLE_MEMORY:
    case ISLE_CPU:
    case ISLE_DEADLINE:
    case ISLE_PROTOCOL:
    case ISLE_LINKED:
    case ISLE_OVERFLOWED:
        break;
    }
    return false;
}

static void on_end(isle_value message, void *context)
{
    struct place *place = context;
    isle_end end = isle_as_end(message);
    place->ends_told++;
    place->reason = end.reason;
    snprintf(place->text, sizeof place->text, "%s", end.text);
    CHAOS_CHECK(place->ends_told == 1, place);
    CHAOS_CHECK(isle_send_port_equal(end.isolate.control_port, place->isolate.control_port), place);
    CHAOS_CHECK(end.reason >= ISLE_RETURNED && end.reason <= ISLE_UNSPAWNED, place);
    CHAOS_CHECK(place->hostile || reason_is_caused(place), place);
    chaos.reasons[end.reason]++;
}

/* --- places */

static isle_receive_port *listened(isle_handler *handler, struct place *place)
{
    isle_receive_port *port = isle_port_open();
    isle_port_listen(port, handler, place);
    return port;
}

static void place_spawn(struct place *place)
{
    ISLE_SCOPE;
    *place = (struct place){.index = place->index, .used = true};
    place->survivor = place->index < chaos.plan.survivors;
    place->hostile = !place->survivor && (int)chance(100) < chaos.plan.hostile_percent;
    place->data = listened(on_data, place);
    place->exits = listened(on_exit_told, place);
    place->ends = listened(on_end, place);
    isle_options options = {
        .backend = place->survivor && chaos.plan.kills_zygotes ? ISLE_THREAD : ISLE_PROCESS,
        .on_exit = isle_port_send_port(place->exits),
        .monitor = isle_port_send_port(place->ends),
        .deadline_ns = place->hostile ? ISLE_MS(100) : 0,
    };
    isle_value to = isle_port_value(place->data);
    if (place->hostile) {
        isle_value request = isle_pack("[i,o]", (int64_t)chance(UINT64_C(1) << 31), to);
        place->isolate = isle_spawn(scribbler, request, &options);
        return;
    }
    place->isolate = isle_spawn(echo, to, &options);
    for (int i = 0; i < WINDOW; i++)
        send_next(place);
}

static void place_leaves(struct place *place)
{
    if (place->left || place->hostile)
        return;
    (void)!isle_try_send(place->isolate.default_port, numbered(LEAVE));
    place->left = true;
}

static void place_kill(struct place *place, bool at_once)
{
    place->kill_asked = true;
    isle_kill(place->isolate, at_once ? ISLE_IMMEDIATE : ISLE_BEFORE_NEXT_EVENT);
}

static bool place_is_over(const struct place *place)
{
    return place->ends_told > 0 && place->exits_told > 0;
}

static void place_bury(struct place *place)
{
    CHAOS_CHECK(place->ends_told == 1 && place->exits_told == 1, place);
    isle_port_close(place->data);
    isle_port_close(place->exits);
    isle_port_close(place->ends);
    place->used = false;
    chaos.deaths++;
}

static void place_pause(struct place *place)
{
    isle_capability key = isle_pause(place->isolate, (isle_capability){0});
    isle_sleep(ISLE_US((int64_t)chance(300)));
    isle_resume(place->isolate, key);
}

static void place_step(struct place *place)
{
    if (!place->used)
        place_spawn(place);
    else if (place->survivor)
        return;
    else if (place_is_over(place))
        place_bury(place);
    else if (chance(20) == 0)
        place_kill(place, chance(4) != 0);
    else if (chance(40) == 0)
        place_leaves(place);
    else if (chance(20) == 0)
        place_pause(place);
}

/* --- the killer */

/* Prints the process, its parent and so on; false: it is not there. */
static bool describe(pid_t pid, int generations)
{
    char id[16], text[1024], where[128], stack[1024];
    struct stat_of of;
    snprintf(id, sizeof id, "%d", (int)pid);
    if (!stat_read(id, &of))
        return false;
    proc_read(id, "stat", text, sizeof text);
    proc_read(id, "wchan", where, sizeof where);
    proc_read(id, "stack", stack, sizeof stack);
    fprintf(stderr, "%sin %s\n%s\n", text, where, stack);
    return generations <= 1 || describe(of.parent, generations - 1);
}

ISLE_NORETURN static void lives_on(int pidfd)
{
    (void)describe(pid_of(pidfd), 3);
    fail("seed %" PRIu64 ": a process lives on without its zygote", chaos.plan.seed);
}

static struct {
    pthread_t thread;
    _Atomic bool over;
    uint64_t state, blows, zygotes;
    const struct isle__birth *spared[PLACES]; /* of survivors: they stay where they are */
    int spared_count;
} killer;

/* Duplicates of the pidfds of all who may be killed. */
static int killer_victims(int victims[VICTIMS])
{
    int count = 0;
    pthread_mutex_lock(&isle__host.lock);
    for (uint32_t i = 0; i < isle__host.used && count < VICTIMS; i++) {
        const struct isle__birth *birth = isle__host.births[i];
        bool spared = birth == NULL || birth->pidfd < 0;
        for (int k = 0; k < killer.spared_count && !spared; k++)
            spared = birth == killer.spared[k];
        if (!spared && (victims[count] = isle__fd_duplicate(birth->pidfd)) >= 0)
            count++;
    }
    pthread_mutex_unlock(&isle__host.lock);
    return count;
}

static void pidfd_kill(int pidfd)
{
    if (pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}

/* The zygote, or the guard over it: all its children die with it. */
static void kill_zygote(const int *victims, int count)
{
    pthread_mutex_lock(&isle__host.lock);
    int guard = isle__fd_duplicate(isle__host.process.pidfd);
    pthread_mutex_unlock(&isle__host.lock);
    if (guard < 0)
        return; /* none runs */
    pid_t pid = pid_of(guard);
    int zygote = chance_of(&killer.state, 2) && is_guard(pid) ? child_open(pid) : -1;
    pidfd_kill(zygote >= 0 ? zygote : guard);
    int64_t until = isle_now_ns() + ISLE_SECONDS(100);
    for (int i = 0; i < count; i++) {
        struct pollfd gone = {.fd = victims[i], .events = POLLIN};
        while (poll(&gone, 1, 50) != 1 && !is_doomed(victims[i]))
            if (isle_now_ns() > until)
                lives_on(victims[i]);
    }
    isle__fd_close(zygote);
    isle__fd_close(guard);
    killer.zygotes++;
}

static void killer_strikes(void)
{
    int victims[VICTIMS], count = killer_victims(victims);
    killer.blows++;
    if (chaos.plan.kills_zygotes && chance_of(&killer.state, 4) == 0)
        kill_zygote(victims, count);
    else if (count > 0)
        pidfd_kill(victims[chance_of(&killer.state, (uint64_t)count)]);
    for (int i = 0; i < count; i++)
        close(victims[i]);
}

static void *killer_run(void *unused)
{
    while (!atomic_load(&killer.over)) {
        uint64_t pause_us = chance_of(&killer.state, (uint64_t)chaos.plan.kill_ns / 500);
        usleep((useconds_t)pause_us); /* chance, not synchronisation */
        killer_strikes();
    }
    return unused;
}

static void killer_spares_survivors(void)
{
    killer.spared_count = 0;
    if (chaos.plan.kills_zygotes)
        return;
    pthread_mutex_lock(&isle__host.lock);
    for (uint32_t i = 0; i < isle__host.used; i++) {
        const struct isle__birth *birth = isle__host.births[i];
        bool is_used = birth != NULL && birth->pidfd >= 0 && birth->context != NULL;
        if (is_used && killer.spared_count < PLACES) /* the pool's have no context */
            killer.spared[killer.spared_count++] = birth;
    }
    pthread_mutex_unlock(&isle__host.lock);
    CHECK_INT(killer.spared_count, chaos.plan.survivors);
}

static void killer_start(void)
{
    killer.state = chaos.plan.seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    atomic_store(&killer.over, false);
    killer_spares_survivors();
    if (chaos.plan.kill_ns > 0)
        CHECK_INT(pthread_create(&killer.thread, NULL, killer_run, NULL), 0);
}

static void killer_stop(void)
{
    atomic_store(&killer.over, true);
    if (chaos.plan.kill_ns > 0)
        CHECK_INT(pthread_join(killer.thread, NULL), 0);
}

/* --- what is held */

struct held {
    int descriptors, processes, groups;
};

/* What varies: bounded where the build has no runtime of its own. */
struct grown {
    int threads;
    int64_t host_kib, zygote_kib; /* resident */
};
enum { THREADS_SLACK = 4, HOST_SLACK_KIB = 8 * 1024, ZYGOTE_SLACK_KIB = 1024 };

static struct held held_now(void)
{
    return (struct held){held_descriptors(), processes_below(getpid()), groups_count()};
}

/* A zygote runs. */
static struct grown grown_now(void)
{
    pthread_mutex_lock(&isle__host.lock);
    pid_t guard = pid_of(isle__host.process.pidfd);
    pthread_mutex_unlock(&isle__host.lock);
    int zygote = is_guard(guard) ? child_open(guard) : -1;
    struct grown grown = {.threads = threads_count(),
                          .host_kib = resident_kib(getpid()),
                          .zygote_kib = resident_kib(zygote >= 0 ? pid_of(zygote) : guard)};
    isle__fd_close(zygote);
    return grown;
}

static void grown_is_little(const struct grown *before, const struct grown *now)
{
    if (now->threads > before->threads + THREADS_SLACK ||
        (!*TEST_SANITIZER && (now->host_kib > before->host_kib + HOST_SLACK_KIB ||
                              now->zygote_kib > before->zygote_kib + ZYGOTE_SLACK_KIB)))
        fail("seed %" PRIu64 ": %d threads, %" PRId64 " KiB in the host, %" PRId64
             " in the zygote; before: %d, %" PRId64 ", %" PRId64,
             chaos.plan.seed, now->threads, now->host_kib, now->zygote_kib, before->threads,
             before->host_kib, before->zygote_kib);
    test_count_check();
}

/* One more that comes and goes; it takes one from the pool, which is then filled. */
static void pool_asks(void)
{
    ISLE_SCOPE;
    isle_receive_port *exits = isle_port_open();
    isle_value told;
    isle_options options = {.backend = ISLE_PROCESS, .on_exit = isle_port_send_port(exits)};
    isle_isolate other = isle_spawn(echo, isle_port_value(exits), &options);
    (void)!isle_try_send(other.default_port, numbered(LEAVE));
    CHECK_ERR(isle_port_try_receive(exits, ISLE_SECONDS(60), &told), ISLE_OK);
    CHECK(isle_is_null(told));
    isle_port_close(exits);
    settle();
}

/* All that are born, when only those of the pool are. A dead one's end may be news yet: then it
 * counts in the pool, and its process is no more. */
static bool pool_lives(void)
{
    bool lives = true;
    pthread_mutex_lock(&isle__host.lock);
    for (uint32_t i = 0; i < isle__host.used; i++) {
        const struct isle__birth *birth = isle__host.births[i];
        struct pollfd gone = {.fd = birth != NULL ? birth->pidfd : -1, .events = POLLIN};
        lives &= birth == NULL || (poll(&gone, 1, 0) == 0 && !is_doomed(gone.fd));
    }
    pthread_mutex_unlock(&isle__host.lock);
    return lives;
}

static bool pool_is_full(void)
{
    return isle__warm_count() == WARM && pool_lives();
}

/* A zygote runs, its pool is full. What died last may be told last: a zygote whose end is news yet
 * bears nobody, and one of the pool that is dead is replaced when somebody asks. */
static void pool_fills(void)
{
    int64_t until = isle_now_ns() + ISLE_SECONDS(60);
    do {
        pool_asks();
        for (int i = 0; i < 200 && !pool_is_full(); i++)
            isle_sleep(ISLE_MS(1));
    } while (!pool_is_full() && isle_now_ns() < until);
    CHECK(pool_is_full());
}

static void held_returns_to(struct held before)
{
    int64_t until = isle_now_ns() + ISLE_SECONDS(60);
    struct held now = held_now();
    while (memcmp(&now, &before, sizeof now) != 0 && isle_now_ns() < until) {
        isle_sleep(ISLE_MS(5));
        now = held_now();
    }
    if (memcmp(&now, &before, sizeof now) != 0)
        fail("seed %" PRIu64
             ": %d descriptors, %d processes, %d control groups; before: %d, %d, %d",
             chaos.plan.seed, now.descriptors, now.processes, now.groups, before.descriptors,
             before.processes, before.groups);
    test_count_check();
}

/* --- a play */

static void survivors_start(void)
{
    for (int i = 0; i < chaos.plan.survivors; i++)
        place_spawn(&chaos.places[i]);
    for (int i = 0; i < chaos.plan.survivors; i++) {
        isle_value unused;
        CHECK_ERR(
            isle_try_await(isle_spawn_wait(chaos.places[i].isolate), ISLE_SECONDS(60), &unused),
            ISLE_OK);
    }
}

/* Those that survive leave when they have answered all; the others as chance has it. */
static void everybody_ends(void)
{
    int64_t until = isle_now_ns() + ISLE_SECONDS(120);
    for (int i = 0; i < chaos.plan.places; i++) {
        struct place *place = &chaos.places[i];
        if (!place->used)
            continue;
        if (place->survivor || chance(2))
            place_leaves(place);
        else
            place_kill(place, true);
    }
    for (int i = 0; i < chaos.plan.places; i++) {
        struct place *place = &chaos.places[i];
        while (place->used && !place_is_over(place)) {
            CHAOS_CHECK(isle_now_ns() < until, place);
            isle_sleep(ISLE_MS(1));
        }
    }
    settle();
    for (int i = 0; i < chaos.plan.places; i++) {
        struct place *place = &chaos.places[i];
        if (!place->used)
            continue;
        if (place->survivor) {
            CHAOS_CHECK(place->reason == ISLE_RETURNED && place->got > 0, place);
            CHAOS_CHECK(place->got == place->sent, place);
        }
        place_bury(place);
    }
}

static void play(const struct plan *plan)
{
    ISLE_SCOPE;
    int64_t last = 0, moved = isle_now_ns();
    chaos.plan = *plan;
    chaos.deaths = 0;
    root_chance = plan->seed * UINT64_C(0xbf58476d1ce4e5b9) | 1;
    for (int i = 0; i < PLACES; i++)
        chaos.places[i] = (struct place){.index = i};
    survivors_start();
    killer_start();
    while (chaos.deaths < plan->deaths) {
        ISLE_SCOPE;
        struct place *place = &chaos.places[chance((uint64_t)plan->places)];
        place_step(place);
        isle_sleep(ISLE_US((int64_t)chance(200)));
        if (chaos.deaths != last) {
            last = chaos.deaths;
            moved = isle_now_ns();
        }
        CHAOS_CHECK(isle_now_ns() - moved < ISLE_SECONDS(120), place);
    }
    killer_stop();
    everybody_ends();
}

static void measured(int64_t deaths, const struct grown *before, const struct grown *now,
                     int64_t bytes)
{
    printf("measured: %" PRId64 " deaths", deaths);
    for (int i = 0; i <= ISLE_UNSPAWNED; i++)
        if (chaos.reasons[i] > 0)
            printf(", %" PRId64 " %s", chaos.reasons[i], isle_reason_text((isle_reason)i));
    printf("; %" PRId64 " messages in and back, %" PRIu64 " blows, %" PRIu64 " zygotes; %" PRId64
           " bytes more; before and after: threads %d and %d, host %" PRId64 " and %" PRId64
           " KiB, zygote %" PRId64 " and %" PRId64
           " KiB; no descriptor, process, control group more\n",
           chaos.echoes, killer.blows, killer.zygotes, bytes, before->threads, now->threads,
           before->host_kib, now->host_kib, before->zygote_kib, now->zygote_kib);
}

static void nothing_is_left(int descriptors, uint64_t memory)
{
    CHECK_INT(open_descriptors(), descriptors);
    CHECK_UINT(isle__memory_live(), memory);
    CHECK_INT(processes_below(getpid()), 0);
    CHECK_INT(groups_count(), 0);
    CHECK_INT(waitpid(-1, NULL, WNOHANG | __WALL), -1);
    CHECK_INT(errno, ECHILD);
}

/* Once to have what stays, then until the time is over, at least once: no play leaves anything. */
static void plays(struct plan plan, int64_t seconds)
{
    int before = open_descriptors();
    uint64_t memory, memory_now, idle = (uint64_t)isle__memory_live();
    int64_t deaths = 0;
    struct plan first = plan;
    printf("seed %" PRIu64 "\n", plan.seed);
    CHECK_ERR(isle_start(0, NULL, &(isle_program_options){.warm_process_count = WARM}), ISLE_OK);
    first.deaths = plan.deaths < 50 ? plan.deaths : 50;
    play(&first);
    pool_fills();
    memory = memory_now = memory_held();
    struct held held = held_now();
    struct grown grown = grown_now(), grown_after = grown;
    memset(chaos.reasons, 0, sizeof chaos.reasons);
    chaos.echoes = 0;
    for (int64_t until = isle_now_ns() + ISLE_SECONDS(seconds), more = 1; more != 0;
         plan.seed += 7919, more = isle_now_ns() < until) {
        play(&plan);
        deaths += chaos.deaths;
        pool_fills();
        held_returns_to(held);
        memory_now = memory_held();
        CHECK(memory_now <= memory + MEMORY_SLACK);
        grown_after = grown_now();
        grown_is_little(&grown, &grown_after);
    }
    measured(deaths, &grown, &grown_after, (int64_t)(memory_now - memory));
    isle_stop();
    nothing_is_left(before, idle);
}

/* --- the tests */

TEST(spawns_and_kills)
{
    plays(
        (struct plan){.seed = 11, .places = 8, .survivors = 2, .deaths = rounds(300, 2000, 10000)},
        0);
}
TEST_TIMEOUT(spawns_and_kills, 1200);

TEST(processes_are_killed_under_load)
{
    plays((struct plan){.seed = 22,
                        .places = 10,
                        .survivors = 3,
                        .deaths = rounds(300, 2000, 10000),
                        .kill_ns = ISLE_MS(2)},
          0);
}
TEST_TIMEOUT(processes_are_killed_under_load, 1200);

TEST(zygotes_are_killed_under_load)
{
    plays((struct plan){.seed = 33,
                        .places = 8,
                        .survivors = 2,
                        .deaths = rounds(200, 1500, 3000),
                        .kill_ns = ISLE_MS(8),
                        .kills_zygotes = true},
          0);
    CHECK(killer.zygotes > 0);
}
TEST_TIMEOUT(zygotes_are_killed_under_load, 1200);

TEST(rings_are_scribbled_over)
{
    plays((struct plan){.seed = 44,
                        .places = 8,
                        .survivors = 2,
                        .hostile_percent = 60,
                        .deaths = rounds(150, 1000, 3000)},
          0);
    CHECK(chaos.reasons[ISLE_PROTOCOL] > 0);
}
TEST_TIMEOUT(rings_are_scribbled_over, 1200);

TEST(everything_at_once)
{
    plays((struct plan){.seed = 55,
                        .places = PLACES,
                        .survivors = 2,
                        .hostile_percent = 25,
                        .deaths = rounds(200, 1500, 3000),
                        .kill_ns = ISLE_MS(6),
                        .kills_zygotes = true},
          0);
}
TEST_TIMEOUT(everything_at_once, 1200);

TEST(everything_for_minutes)
{
    const char *seconds = getenv("ISLE_SOAK_SECONDS");
    plays((struct plan){.seed = 66,
                        .places = PLACES,
                        .survivors = 2,
                        .hostile_percent = 20,
                        .deaths = 1000,
                        .kill_ns = ISLE_MS(6),
                        .kills_zygotes = true},
          seconds != NULL ? atoll(seconds) : 600);
}
TEST_TIER(everything_for_minutes, TEST_SOAK);
TEST_TIMEOUT(everything_for_minutes, 7200);

TEST_MAIN()
