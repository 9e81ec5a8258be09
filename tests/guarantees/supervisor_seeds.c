/* SPDX-License-Identifier: Apache-2.0 */
/* Supervisors in deterministic mode, under many seeds and with faults. A tree is told to fail here
 * and there, its children are ended, restarted and added, and in the end it is asked to end. What
 * must hold: nobody lives twice, nobody is started while somebody lives whom the strategy ends
 * before, every request is answered, and nothing is left.
 *
 * Who kills a supervisor is told of its end while the children that were killed with it end, and
 * may start it anew before they have: with that fault the first two do not hold (they do not in
 * Erlang/OTP either). */
#include "guarantees.h"
#include "platform/platform.h"

/* --- the tree: top has a, mid, d and those that are added; mid has x, y, z */

enum who { A, X, Y, Z, D, ADDED, WHO_COUNT };
static const char *const names[] = {"a", "x", "y", "z", "d"};

static int living[WHO_COUNT];
static bool is_strict, is_ordered; /* nobody lives twice; the strategies alone say who lives */
static bool may_fail;              /* the supervisor's start */
static unsigned long begun;

/* Those that have ended when it is started. */
static const unsigned ended_before[WHO_COUNT] = {
    [A] = 1u << A | 1u << X | 1u << Y | 1u << Z | 1u << D | 1u << ADDED,
    [X] = 1u << X | 1u << Y | 1u << Z,
    [Y] = 1u << Y | 1u << Z,
    [Z] = 1u << Z,
    [D] = 1u << D,
};

static void is_over(void *who)
{
    living[(uintptr_t)who]--;
}

static void obey(isle_value order, void *context)
{
    (void)context;
    if (isle_as_bool(order))
        isle_throwf("told to fail");
    isle_exit(isle_send_port_none(), isle_null());
}

static void child(isle_value message)
{
    int64_t who = isle_as_int(message);
    isle_receive_port *port = isle_default_port();

    if (is_strict && who != ADDED)
        CHECK_INT(living[who], 0);
    isle_port_on_drop(port, is_over, (void *)(uintptr_t)who);
    living[who]++;
    begun++;
    isle_port_listen(port, obey, NULL);
}

/* Made by the supervisor when it starts the child. */
static isle_value message_of(enum who who)
{
    for (unsigned i = 0; i < WHO_COUNT; i++)
        if (is_ordered && (ended_before[who] >> i & 1) != 0)
            CHECK_INT(living[i], 0);
    return isle_int(who);
}

#define MESSAGE_OF(who, name)                                                                      \
    static isle_value name(void)                                                                   \
    {                                                                                              \
        return message_of(who);                                                                    \
    }
MESSAGE_OF(A, message_a)
MESSAGE_OF(X, message_x)
MESSAGE_OF(Y, message_y)
MESSAGE_OF(Z, message_z)
MESSAGE_OF(D, message_d)

static isle_options quiet; /* whose errors nobody prints */

#define CHILD(child_name, ...)                                                                     \
    {                                                                                              \
        .name = #child_name, .entry = child, .message = message_##child_name, .options = &quiet,   \
        __VA_ARGS__                                                                                \
    }

static const isle_supervision mid = {
    .strategy = ISLE_REST_FOR_ONE,
    .restart_max = 2,
    .restart_window_ns = ISLE_SECONDS(1),
    .backoff_ns = ISLE_US(50),
    .children =
        (const isle_child[]){
            CHILD(x, .restart = ISLE_PERMANENT),
            CHILD(y, .restart = ISLE_TRANSIENT),
            CHILD(z, .restart = ISLE_TEMPORARY, .shutdown_ns = ISLE_SHUTDOWN_KILL),
            {0},
        },
};
static const isle_supervision top = {
    .strategy = ISLE_ONE_FOR_ALL,
    .restart_max = 20,
    .restart_window_ns = ISLE_SECONDS(1),
    .backoff_ns = ISLE_US(100),
    .children =
        (const isle_child[]){
            CHILD(a, .restart = ISLE_PERMANENT),
            {.name = "mid", .supervision = &mid, .options = &quiet},
            CHILD(d, .restart = ISLE_TRANSIENT, .shutdown_ns = ISLE_MS(1)),
            {0},
        },
};
static const isle_child another = {.entry = child, .options = &quiet, .restart = ISLE_TRANSIENT};

/* --- what is done to it */

static isle_isolate supervisor;

static uint64_t chance(uint64_t count)
{
    return isle_random() % count;
}

/* Whatever the answer is, it comes. */
static isle_err answered(isle_future *future, isle_value *ret_value)
{
    isle_err err = isle_try_await(future, ISLE_SECONDS(600), ret_value);

    CHECK(err != ISLE_ETIMEDOUT);
    return err;
}

/* Some child of top, or of mid, is told to fail or to return. */
static void tell(isle_isolate of)
{
    isle_value list;

    if (answered(isle_supervisor_children(of), &list) != ISLE_OK || isle_count(list) == 0)
        return;
    isle_child_info info =
        isle_as_child_info(isle_list_get(list, (size_t)chance(isle_count(list))));
    if (isle_send_port_is_none(info.isolate.default_port))
        return;
    if (strcmp(info.name, "mid") == 0)
        tell(info.isolate);
    else if (isle_try_send(info.isolate.default_port, isle_bool(chance(3) > 0)) != ISLE_OK)
        return;
}

static void play(void)
{
    const char *name = chance(2) == 0 ? names[A] : names[D];

    switch (is_ordered ? 2 + chance(4) : chance(6)) {
    case 0:
        (void)answered(isle_supervisor_end(supervisor, name), NULL);
        break;
    case 1:
        (void)answered(isle_supervisor_restart(supervisor, chance(3) == 0 ? "mid" : name), NULL);
        break;
    case 2:
        (void)answered(isle_supervisor_add(supervisor, &another, isle_int(ADDED)), NULL);
        break;
    case 3:
        isle_sleep((int64_t)chance(200000));
        break;
    default:
        tell(supervisor);
    }
}

static isle_value plays(isle_value count)
{
    supervisor = isle_supervise(&top, "top");
    isle_add_error_listener(supervisor, quiet.on_error);
    for (int64_t i = isle_as_int(count); i > 0; i--) {
        ISLE_SCOPE;
        play();
    }
    return isle_null();
}

static void end_it(void)
{
    if (chance(4) > 0)
        isle_shutdown(supervisor);
    else
        isle_kill(supervisor, ISLE_IMMEDIATE);
}

/* Virtual seconds: if nobody moved, the simulation would say so. */
static void check_that_nothing_is_left(void)
{
    int64_t until = isle_now_ns() + ISLE_SECONDS(3600);

    while (stats_now().isolates > 1 && isle_now_ns() < until)
        isle_sleep(ISLE_MS(1));
    CHECK_UINT(stats_now().isolates, 1);
    for (int i = 0; i < WHO_COUNT; i++)
        CHECK_INT(living[i], 0);
}

static int app(int argc, char **argv)
{
    isle_receive_port *errors = isle_port_open();

    (void)argc, (void)argv;
    memset(living, 0, sizeof living);
    is_ordered = is_strict && chance(2) == 0;
    supervisor = (isle_isolate){.control_port = isle_send_port_none()};
    quiet = (isle_options){.on_error = isle_port_send_port(errors)};
    isle_err err = isle_try(plays, isle_int(30), NULL);
    if (err != ISLE_OK && !may_fail)
        fail("%s", isle_error_text(isle_last_error()));
    end_it();
    check_that_nothing_is_left();
    isle_port_close(errors);
    return 0;
}

/* --- seeds */

/* Without memory the root itself may fail, which is 255 and the end of all. */
static void simulate(isle_simulation simulation, int64_t seeds)
{
    unsigned long failed = 0;

    begun = 0;
    is_strict = simulation.kill == 0 && simulation.alloc == 0;
    may_fail = !is_strict || simulation.spawn > 0;
    for (int64_t seed = 1; seed <= seeds; seed++) {
        simulation.seed = (uint64_t)seed;
        int status = isle_simulate(app, &simulation);
        if (status != 0 && !(status == 255 && simulation.alloc > 0))
            fail("seed %" PRId64 ": status %d", seed, status);
        failed += status != 0;
    }
    CHECK_UINT(isle__memory_live(), 0);
    printf("measured: %" PRId64 " seeds, %lu children, %lu roots without memory\n", seeds, begun,
           failed);
}

TEST(trees_of_supervisors_under_many_schedules)
{
    simulate((isle_simulation){.late = 0.01, .full = 0.05}, rounds(1000, 3000, 100000));
}
TEST_TIMEOUT(trees_of_supervisors_under_many_schedules, 120);

TEST(trees_of_supervisors_when_spawns_are_refused)
{
    simulate((isle_simulation){.late = 0.01, .spawn = 0.05}, rounds(1000, 3000, 100000));
}
TEST_TIMEOUT(trees_of_supervisors_when_spawns_are_refused, 120);

TEST(trees_of_supervisors_when_isolates_are_killed)
{
    simulate((isle_simulation){.late = 0.01, .kill = 0.005}, rounds(1000, 3000, 100000));
}
TEST_TIMEOUT(trees_of_supervisors_when_isolates_are_killed, 120);

TEST(trees_of_supervisors_without_memory)
{
    simulate((isle_simulation){.late = 0.01, .alloc = 0.0005}, rounds(1000, 3000, 100000));
}
TEST_TIMEOUT(trees_of_supervisors_without_memory, 120);

TEST(trees_of_supervisors_under_all_faults)
{
    simulate(
        (isle_simulation){
            .late = 0.01, .full = 0.05, .kill = 0.002, .spawn = 0.02, .alloc = 0.0002},
        rounds(1000, 3000, 100000));
}
TEST_TIMEOUT(trees_of_supervisors_under_all_faults, 120);

/* --- flat memory: kept heaps grow and are compacted, so the least of several looks is compared */

static void fail_often(int count)
{
    for (int i = 0; i < count; i++) {
        ISLE_SCOPE;
        (void)answered(isle_supervisor_add(supervisor, &another, isle_int(ADDED)), NULL);
        tell(supervisor);
        isle_sleep(ISLE_SECONDS(2)); /* so the window is empty, the back-off over */
        isle_value list;
        CHECK_ERR(answered(isle_supervisor_children(supervisor), &list), ISLE_OK);
        for (size_t k = 3; k < isle_count(list); k++) {
            isle_child_info info = isle_as_child_info(isle_list_get(list, k));
            CHECK_ERR(answered(isle_supervisor_end(supervisor, info.name), NULL), ISLE_OK);
        }
    }
}

static void drain(isle_receive_port *port)
{
    ISLE_SCOPE;
    while (isle_port_try_receive(port, 0, NULL) == ISLE_OK)
        continue;
}

static int fail_and_look(int argc, char **argv)
{
    isle_receive_port *errors = isle_port_open();
    uint64_t least[2] = {UINT64_MAX, UINT64_MAX};

    (void)argc, (void)argv;
    memset(living, 0, sizeof living);
    quiet = (isle_options){.on_error = isle_port_send_port(errors)};
    supervisor = isle_supervise(&top, "top");
    for (int i = 0; i < 8; i++) {
        fail_often(300);
        drain(errors);
        isle_sleep(ISLE_SECONDS(2));
        uint64_t held = stats_now().memory;
        least[i / 4] = held < least[i / 4] ? held : least[i / 4];
    }
    CHECK(least[1] <= least[0] + 48 * 1024); /* 40 bytes a round would be that */
    isle_shutdown(supervisor);
    check_that_nothing_is_left();
    isle_port_close(errors);
    return 0;
}

TEST(restarts_and_additions_run_at_flat_memory)
{
    is_strict = is_ordered = may_fail = false;
    CHECK_INT(isle_simulate(fail_and_look, &(isle_simulation){.seed = 1}), 0);
}

TEST_MAIN()
