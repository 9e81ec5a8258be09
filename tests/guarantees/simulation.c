/* SPDX-License-Identifier: Apache-2.0 */
/* Deterministic mode: the same seed is the same run, seeds differ, time is virtual, everything that
 * would leave the simulation is refused, faults come when they are asked for. */
#include <fcntl.h>
#include <time.h>

#include "guarantees.h"
#include "platform/platform.h"

/* Long enough for a slow machine, short enough for a test. */
#define SILENCE ISLE_MS(300)

static uint64_t digest_of(int (*app)(int argc, char **argv), uint64_t seed)
{
    uint64_t digest = 0;

    CHECK_INT(isle_simulate(app, &(isle_simulation){.seed = seed, .trace_digest = &digest}), 0);
    CHECK(digest != 0);
    return digest;
}

static int64_t real_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* --- a program that uses a little of everything, and whose events may come in many orders */

enum { MIXERS = 4, MIXER_ROUNDS = 6 };

static isle_value mixer_answer(isle_value request, void *context)
{
    (void)context;
    if (isle_as_int(request) % 3 == 0)
        isle_sleep(ISLE_US(5));
    return isle_pack("[o,s,f]", request, "answer", 0.5);
}

static void mixer_server(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), mixer_answer, NULL);
}

static void mixer_tick(void *context)
{
    isle_send(*(isle_send_port *)context, isle_string("tick"));
}

static isle_value mixer_run(isle_value argument)
{
    isle_send_port server, out;
    int64_t number;
    isle_future *calls[MIXER_ROUNDS];

    isle_unpack(argument, "[p,p,i]", &server, &out, &number);
    isle_timer *timer = isle_timer_periodic(ISLE_US(7), mixer_tick, &out);
    for (int64_t i = 0; i < MIXER_ROUNDS; i++) {
        calls[i] = isle_call(server, isle_int(number + i), ISLE_SECONDS(60));
        isle_send(out, isle_pack("{s:i,s:[i,b]}", "mixer", number, "round", i, i % 2 == 0));
    }
    isle_value answers = isle_await(isle_future_all(calls, MIXER_ROUNDS));
    isle_timer_cancel(timer);
    return isle_int((int64_t)isle_count(answers));
}

static int mix(int argc, char **argv)
{
    isle_future *mixers[MIXERS];
    isle_receive_port *port = isle_port_open();
    isle_isolate server =
        isle_spawn(mixer_server, isle_null(), &(isle_options){.thread = ISLE_THREAD_OWN});

    (void)argc, (void)argv;
    for (int64_t i = 0; i < MIXERS; i++)
        mixers[i] = isle_run(
            mixer_run,
            isle_pack("[p,p,i]", server.default_port, isle_port_send_port(port), i * 100), NULL);
    isle_value sums = isle_await(isle_future_all(mixers, MIXERS));
    for (size_t i = 0; i < MIXERS; i++)
        CHECK_INT(isle_as_int(isle_list_get(sums, i)), MIXER_ROUNDS);
    isle_port_close(port);
    isle_kill(server, ISLE_IMMEDIATE);
    return 0;
}

TEST(the_same_seed_is_the_same_run)
{
    for (uint64_t seed = 0; seed < 50; seed++)
        CHECK_UINT(digest_of(mix, seed), digest_of(mix, seed));
}

static int digests_compare(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;

    return *left < *right ? -1 : *left > *right;
}

TEST(a_thousand_seeds_are_nine_hundred_traces)
{
    enum { SEEDS = 1000 };
    static uint64_t digests[SEEDS];
    int distinct = 1;

    for (uint64_t seed = 0; seed < SEEDS; seed++)
        digests[seed] = digest_of(mix, seed);
    qsort(digests, SEEDS, sizeof digests[0], digests_compare);
    for (int i = 1; i < SEEDS; i++)
        distinct += digests[i] != digests[i - 1];
    printf("measured: %d distinct traces of %d seeds\n", distinct, SEEDS);
    CHECK(distinct >= 900);
}
TEST_TIMEOUT(a_thousand_seeds_are_nine_hundred_traces, 120);

TEST(first_in_first_out_is_one_schedule)
{
    uint64_t first = 0, digest = 0;

    for (uint64_t seed = 0; seed < 20; seed++) {
        isle_simulation fifo = {
            .seed = seed, .first_in_first_out = true, .trace_digest = seed == 0 ? &first : &digest};
        CHECK_INT(isle_simulate(mix, &fifo), 0);
        if (seed > 0)
            CHECK_UINT(digest, first);
    }
}

TEST(a_simulation_leaves_nothing_behind)
{
    CHECK_INT(isle_simulate(mix, NULL), 0);
    uint64_t before = isle__memory_live();
    int descriptors = open_descriptors();

    for (uint64_t seed = 0; seed < 100; seed++)
        CHECK_INT(isle_simulate(mix, &(isle_simulation){.seed = seed}), 0);
    CHECK_UINT(isle__memory_live(), before);
    CHECK_INT(open_descriptors(), descriptors);
}

/* --- time */

static int sleep_an_hour(int argc, char **argv)
{
    int64_t began = isle_now_ns();

    (void)argc, (void)argv;
    CHECK(isle_simulated());
    isle_sleep(ISLE_SECONDS(3600));
    CHECK(isle_now_ns() - began >= ISLE_SECONDS(3600));
    CHECK(isle_now_ns() - began < ISLE_SECONDS(3601));
    return 0;
}

TEST(time_is_virtual)
{
    int64_t began = real_now();

    CHECK(!isle_simulated());
    for (uint64_t seed = 0; seed < 20; seed++)
        CHECK_INT(isle_simulate(sleep_an_hour, &(isle_simulation){.seed = seed}), 0);
    CHECK(real_now() - began < ISLE_SECONDS(20));
    CHECK(!isle_simulated());
}

static int wait_by_looking(int argc, char **argv)
{
    int64_t until = isle_now_ns() + ISLE_MS(2);

    (void)argc, (void)argv;
    while (isle_now_ns() < until)
        ;
    return 0;
}

TEST(the_clock_moves_for_who_looks_at_it)
{
    CHECK_INT(isle_simulate(wait_by_looking, NULL), 0);
}

static char order_text[8];

static void order_note(const char *what)
{
    strncat(order_text, what, sizeof order_text - strlen(order_text) - 1);
}

static void order_timer(void *unused)
{
    (void)unused;
    order_note("t");
}

static void order_message(isle_value message, void *context)
{
    (void)message;
    order_note("m");
    isle_port_close(context);
}

static void order_sender(isle_value port)
{
    isle_sleep(ISLE_US(20));
    isle_send(isle_as_port(port), isle_null());
}

static int race_of_timer_and_message(int argc, char **argv)
{
    isle_receive_port *port = isle_port_open();

    (void)argc, (void)argv;
    order_text[0] = '\0';
    isle_port_listen(port, order_message, port);
    isle_spawn(order_sender, isle_port_value(port), NULL);
    isle_timer_start(ISLE_US(22), order_timer, NULL);
    return 0;
}

TEST(a_timer_comes_before_a_message_and_after_it)
{
    int before = 0, after = 0;

    for (uint64_t seed = 0; seed < 200; seed++) {
        CHECK_INT(isle_simulate(race_of_timer_and_message, &(isle_simulation){.seed = seed}), 0);
        before += strcmp(order_text, "tm") == 0;
        after += strcmp(order_text, "mt") == 0;
    }
    CHECK_INT(before + after, 200);
    CHECK(before >= 10);
    CHECK(after >= 10);
}
TEST_TIMEOUT(a_timer_comes_before_a_message_and_after_it, 120);

/* --- preemption: what a sender does between two sends may be seen by the receiver of the first */

static atomic_int between;

static isle_value look_between(isle_value request, void *context)
{
    (void)context;
    isle_send(isle_as_port(request), isle_int(atomic_load(&between)));
    return isle_null();
}

static void look_server(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), look_between, NULL);
}

static int64_t between_seen;

static int send_and_go_on(int argc, char **argv)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate server = isle_spawn(look_server, isle_null(), NULL);

    (void)argc, (void)argv;
    atomic_store(&between, 0);
    isle_send(server.default_port, isle_port_value(port));
    atomic_store(&between, 1);
    between_seen = receive_int(port);
    isle_port_close(port);
    return 0;
}

TEST(a_sender_is_preempted_after_a_send_or_not)
{
    int early = 0;

    for (uint64_t seed = 0; seed < 200; seed++) {
        CHECK_INT(isle_simulate(send_and_go_on, &(isle_simulation){.seed = seed}), 0);
        early += between_seen == 0;
    }
    CHECK(early >= 10);
    CHECK(early <= 190);
    CHECK_INT(isle_simulate(send_and_go_on, &(isle_simulation){.first_in_first_out = true}), 0);
    CHECK_INT(between_seen, 1);
}
TEST_TIMEOUT(a_sender_is_preempted_after_a_send_or_not, 120);

/* --- chance */

static uint64_t drawn[3];

static int draw(int argc, char **argv)
{
    (void)argc, (void)argv;
    drawn[0] = isle_random();
    isle_random_fill(&drawn[1], 2 * sizeof drawn[0]);
    return 0;
}

TEST(chance_comes_from_the_seed)
{
    uint64_t first[3];

    CHECK_INT(isle_simulate(draw, &(isle_simulation){.seed = 1}), 0);
    memcpy(first, drawn, sizeof first);
    CHECK_INT(isle_simulate(draw, &(isle_simulation){.seed = 1}), 0);
    CHECK_BYTES(drawn, sizeof drawn, first, sizeof first);
    CHECK_INT(isle_simulate(draw, &(isle_simulation){.seed = 2}), 0);
    CHECK(memcmp(drawn, first, sizeof first) != 0);
    CHECK(isle_random() != isle_random());
    isle_random_fill(NULL, 8);
}

/* --- what is outside */

static pthread_t own_thread;

static isle_value ask_thread(isle_value argument)
{
    CHECK(pthread_equal(pthread_self(), own_thread));
    return argument;
}

static int own_threads_are_one(int argc, char **argv)
{
    (void)argc, (void)argv;
    own_thread = pthread_self();
    isle_options options = {.thread = ISLE_THREAD_OWN};
    CHECK_INT(isle_as_int(isle_await(isle_run(ask_thread, isle_int(5), &options))), 5);
    return 0;
}

TEST(isolates_with_threads_of_their_own_share_the_one)
{
    CHECK_INT(isle_simulate(own_threads_are_one, NULL), 0);
}

static int64_t no_work(void *context)
{
    (void)context;
    return 0;
}

static isle_value call_blocking(isle_value argument)
{
    return isle_await(isle_blocking(no_work, NULL, NULL)), argument;
}

static isle_value call_loop_fd(isle_value argument)
{
    return (void)isle_loop_fd(), argument;
}

static isle_value call_dispatch(isle_value argument)
{
    return isle_bool(isle_dispatch()), argument;
}

static void check_refused(isle_computation *call, const char *text)
{
    CHECK_ERR(isle_try(call, isle_null(), NULL), ISLE_EUNSUPPORTED);
    CHECK_STRING(isle_error_text(isle_last_error()), text);
}

static isle_send_port post_port;

static void *post_from_outside(void *unused)
{
    (void)unused;
    CHECK_ERR(isle_post(post_port, "i", 1), ISLE_EUNSUPPORTED);
    return NULL;
}

static int leave(int argc, char **argv)
{
    isle_receive_port *port = isle_port_open();
    pthread_t thread;

    (void)argc, (void)argv;
    check_refused(call_blocking, "isle_blocking leaves the simulation: its work would run on "
                                 "another thread");
    check_refused(call_loop_fd,
                  "isle_loop_fd leaves the simulation: a foreign loop keeps its own time");
    check_refused(call_dispatch,
                  "isle_dispatch leaves the simulation: a foreign loop keeps its own time");
    post_port = isle_port_send_port(port);
    CHECK_INT(pthread_create(&thread, NULL, post_from_outside, NULL), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_ERR(isle_post(post_port, "i", 7), ISLE_OK);
    CHECK_INT(receive_int(port), 7);
    isle_port_close(port);
    return 0;
}

TEST(calls_that_leave_the_simulation_are_refused)
{
    CHECK_INT(isle_simulate(leave, NULL), 0);
}

static int pipe_ends[2];

static void pipe_writer(isle_value message)
{
    (void)message;
    isle_sleep(ISLE_MS(1));
    CHECK_INT(write(pipe_ends[1], "x", 1), 1);
}

static int wait_for_pipe(int argc, char **argv)
{
    char byte;

    (void)argc, (void)argv;
    CHECK_INT(pipe(pipe_ends), 0);
    isle_spawn(pipe_writer, isle_null(), NULL);
    int64_t events = isle_as_int(isle_await(isle_fd_wait(pipe_ends[0], ISLE_READABLE)));
    CHECK((events & ISLE_READABLE) != 0);
    CHECK_INT(read(pipe_ends[0], &byte, 1), 1);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    return 0;
}

TEST(a_pipe_inside_the_program_replays)
{
    for (uint64_t seed = 0; seed < 50; seed++)
        CHECK_UINT(digest_of(wait_for_pipe, seed), digest_of(wait_for_pipe, seed));
}

/* --- ends before the end */

static void be_silent(isle_value message)
{
    sem_t never;

    (void)message;
    CHECK_INT(sem_init(&never, 0, 0), 0);
    semaphore_wait(&never);
}

static int wait_for_silent(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_spawn(be_silent, isle_null(), &(isle_options){.debug_name = "sphinx"});
    isle_sleep(ISLE_SECONDS(1));
    return 0;
}

TEST(who_is_blocked_outside_isle_is_named)
{
    if (child_label() != NULL)
        exit(isle_simulate(wait_for_silent, &(isle_simulation){.seed = 5, .silence_ns = SILENCE}));
    struct child child = child_run("who_is_blocked_outside_isle_is_named", "child");
    child_exited(&child, ISLE_SIMULATION_STATUS);
    child_wrote(&child, "isle: simulation: sphinx has called nothing of Isle's for 300 ms: it is "
                        "blocked outside Isle, or computes without isle_checkpoint (seed 5)");
}

static void hear_nothing(isle_value message)
{
    (void)message;
    (void)isle_port_receive(isle_default_port());
}

static int wait_for_nobody(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_spawn(hear_nothing, isle_null(), NULL);
    (void)isle_port_receive(isle_port_open());
    return 0;
}

TEST(a_program_in_which_nobody_can_go_on_ends)
{
    if (child_label() != NULL)
        exit(isle_simulate(wait_for_nobody, &(isle_simulation){.seed = 3}));
    struct child child = child_run("a_program_in_which_nobody_can_go_on_ends", "child");
    child_exited(&child, ISLE_SIMULATION_STATUS);
    child_wrote(&child, "isle: simulation: nobody can ever go on: no message, timer or descriptor "
                        "is left; the root waits in isle_port_receive (seed 3)");
}

/* --- faults */

static int64_t faults_seen;

static void idle_server(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), mixer_answer, NULL);
}

/* A call to an isolate that was killed completes with ISLE_ECLOSED. */
static int meet_kills(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (int i = 0; i < 20; i++) {
        ISLE_SCOPE;
        isle_isolate server = isle_spawn(idle_server, isle_null(), NULL);
        isle_value answer;
        isle_err err = isle_try_await(isle_call(server.default_port, isle_int(1), ISLE_SECONDS(60)),
                                      ISLE_FOREVER, &answer);
        CHECK(err == ISLE_OK || err == ISLE_ECLOSED);
        faults_seen += err != ISLE_OK;
        isle_kill(server, ISLE_IMMEDIATE);
    }
    return 0;
}

static int meet_spawns(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (int i = 0; i < 20; i++) {
        ISLE_SCOPE;
        isle_isolate server;
        isle_err err = isle_try_spawn(idle_server, isle_null(), NULL, &server);
        CHECK(err == ISLE_OK || err == ISLE_ESPAWN);
        faults_seen += err != ISLE_OK;
        if (err == ISLE_OK)
            isle_kill(server, ISLE_IMMEDIATE);
    }
    return 0;
}

static isle_value build_list(isle_value argument)
{
    isle_value list = isle_list();

    for (int i = 0; i < 1000; i++)
        isle_list_add(list, isle_string("a string that needs memory of its own, and some more"));
    return argument;
}

static int meet_allocs(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (int i = 0; i < 20; i++) {
        ISLE_SCOPE;
        isle_checkpoint();
        isle_err err = isle_try(build_list, isle_null(), NULL);
        CHECK(err == ISLE_OK || err == ISLE_ENOMEM);
        faults_seen += err != ISLE_OK;
    }
    return 0;
}

static int meet_full(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_isolate limited =
        isle_spawn(idle_server, isle_null(), &(isle_options){.mailbox_max_messages = 1000});
    isle_isolate ordinary = isle_spawn(idle_server, isle_null(), NULL);
    for (int i = 0; i < 50; i++) {
        isle_err err = isle_try_send(limited.default_port, isle_int(1));
        CHECK(err == ISLE_OK || err == ISLE_EFULL);
        faults_seen += err != ISLE_OK;
        CHECK_ERR(isle_try_send(ordinary.default_port, isle_int(1)), ISLE_OK);
    }
    isle_kill(limited, ISLE_IMMEDIATE);
    isle_kill(ordinary, ISLE_IMMEDIATE);
    return 0;
}

static int meet_lateness(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (int i = 0; i < 20; i++) {
        int64_t began = isle_now_ns();
        isle_sleep(ISLE_SECONDS(10));
        int64_t late = isle_now_ns() - began - ISLE_SECONDS(10);
        CHECK(late >= 0);
        CHECK(late < ISLE_SECONDS(2));
        faults_seen += late > ISLE_MS(200); /* more than a preemption holds anybody up */
    }
    return 0;
}

/* Some in a hundred seeds with the fault, none without, and the same ones again. `status` is what
 * the program may end with instead of 0, when the fault meets its root. */
static void check_fault(int (*app)(int argc, char **argv), isle_simulation simulation, int status)
{
    int64_t first = 0;

    for (int again = 0; again < 2; again++) {
        faults_seen = 0;
        for (simulation.seed = 0; simulation.seed < 100; simulation.seed++) {
            int ended = isle_simulate(app, &simulation);
            CHECK(ended == 0 || ended == status);
            faults_seen += ended != 0;
        }
        CHECK(faults_seen > 10);
        if (again == 0)
            first = faults_seen;
        else
            CHECK_INT(faults_seen, first);
    }
    faults_seen = 0;
    for (uint64_t seed = 0; seed < 100; seed++)
        CHECK_INT(isle_simulate(app, &(isle_simulation){.seed = seed}), 0);
    CHECK_INT(faults_seen, 0);
}

TEST(isolates_are_killed)
{
    check_fault(meet_kills, (isle_simulation){.kill = 0.05}, 0);
}

TEST(spawns_are_refused)
{
    check_fault(meet_spawns, (isle_simulation){.spawn = 0.1}, 0);
}

TEST(allocations_fail)
{
    check_fault(meet_allocs, (isle_simulation){.alloc = 0.05}, 255);
}
TEST_TIMEOUT(allocations_fail, 120);

TEST(messages_of_limited_mailboxes_are_refused)
{
    check_fault(meet_full, (isle_simulation){.full = 0.1}, 0);
}

TEST(timers_are_late)
{
    check_fault(meet_lateness, (isle_simulation){.late = 0.5}, 0);
}

/* --- what is asked for */

static int nothing(int argc, char **argv)
{
    (void)argv;
    return argc;
}

static int simulate_inside(int argc, char **argv)
{
    (void)argc, (void)argv;
    CHECK_INT(isle_simulate(nothing, NULL), 255);
    return 0;
}

TEST(bad_simulations_are_refused)
{
    struct {
        isle_simulation known;
        int64_t unknown;
    } larger = {.unknown = 1};

    CHECK_INT(isle_simulate(nothing, &(isle_simulation){.argc = 3}), 3);
    CHECK_INT(isle_simulate(nothing, &(isle_simulation){.kill = 1.5}), 255);
    CHECK_INT(isle_simulate(nothing, &(isle_simulation){.alloc = -0.5}), 255);
    CHECK_INT(isle_simulate(nothing, &(isle_simulation){.late = __builtin_nan("")}), 255);
    CHECK_INT(isle_simulate(nothing, &(isle_simulation){.silence_ns = -1}), 255);
    CHECK_INT(isle_simulate(nothing, &(isle_simulation){.trace = "/nowhere/at/all"}), 255);
    CHECK_INT(isle__simulate(nothing, &larger.known, sizeof larger), 255);
    CHECK_INT(isle_simulate(NULL, NULL), 255);
    CHECK_INT(isle_simulate(simulate_inside, NULL), 0);
    CHECK_INT(isle_simulate(nothing, NULL), 0);
}

static isle_err start_with(const char *variable, const char *text)
{
    CHECK_INT(setenv(variable, text, 1), 0);
    isle_err err = isle_start(0, NULL, NULL);
    CHECK(err != ISLE_OK || isle_simulated() == (getenv("ISLE_SEED")[0] != '\0'));
    if (err == ISLE_OK)
        isle_stop();
    CHECK_INT(unsetenv(variable), 0);
    return err;
}

TEST(the_environment_asks_for_a_simulation)
{
    CHECK_ERR(start_with("ISLE_SEED", ""), ISLE_OK);
    CHECK_ERR(start_with("ISLE_SEED", "18446744073709551615"), ISLE_OK);
    CHECK_ERR(start_with("ISLE_SEED", "0x10"), ISLE_OK);
    CHECK_ERR(start_with("ISLE_SEED", "fifo"), ISLE_OK);
    CHECK_ERR(start_with("ISLE_SEED", "18446744073709551616"), ISLE_EINVAL);
    CHECK_ERR(start_with("ISLE_SEED", "-1"), ISLE_EINVAL);
    CHECK_ERR(start_with("ISLE_SEED", "7 "), ISLE_EINVAL);
    CHECK_INT(setenv("ISLE_SEED", "7", 1), 0);
    CHECK_ERR(start_with("ISLE_FAULTS", "kill:0.5,late:1,full:0,spawn:0.1,alloc:0"), ISLE_OK);
    CHECK_ERR(start_with("ISLE_FAULTS", "kill"), ISLE_EINVAL);
    CHECK_ERR(start_with("ISLE_FAULTS", "kill:2"), ISLE_EINVAL);
    CHECK_ERR(start_with("ISLE_FAULTS", "kill:0.5;late:1"), ISLE_EINVAL);
    CHECK_ERR(start_with("ISLE_FAULTS", "murder:0.5"), ISLE_EINVAL);
    CHECK_ERR(start_with("ISLE_SILENCE", "0"), ISLE_OK);
    CHECK_ERR(start_with("ISLE_SILENCE", "3"), ISLE_OK);
    CHECK_ERR(start_with("ISLE_SILENCE", "soon"), ISLE_EINVAL);
    CHECK_ERR(start_with("ISLE_TRACE", "/nowhere/at/all"), ISLE_ESYSTEM);
    CHECK_INT(unsetenv("ISLE_SEED"), 0);
}

static void child_is_told(const char *faults, const char *trace, const char *line)
{
    CHECK_INT(setenv("ISLE_FAULTS", faults, 1), 0);
    CHECK_INT(setenv("ISLE_TRACE", trace, 1), 0);
    struct child child = child_run("what_needs_a_seed_says_so", "plain");
    child_exited(&child, 0);
    CHECK_STRING(child.output, line);
}

TEST(what_needs_a_seed_says_so)
{
    if (child_label() != NULL) {
        for (int i = 0; i < 3; i++) { /* and says it once */
            CHECK_ERR(isle_start(0, NULL, NULL), ISLE_OK);
            CHECK(!isle_simulated());
            isle_stop();
        }
        return;
    }
    CHECK_INT(unsetenv("ISLE_SEED"), 0);
    child_is_told("", "", "");
    child_is_told("kill:0.5", "",
                  "isle: ISLE_FAULTS: ignored without ISLE_SEED; set it too, to a number or to "
                  "fifo\n");
    child_is_told("", "/nowhere/at/all",
                  "isle: ISLE_TRACE: ignored without ISLE_SEED; set it too, to a number or to "
                  "fifo\n");
    child_is_told("murder", "/nowhere/at/all",
                  "isle: ISLE_FAULTS and ISLE_TRACE: ignored without ISLE_SEED; set it too, to a "
                  "number or to fifo\n");
}

/* --- the trace's text */

static int one_message(int argc, char **argv)
{
    isle_receive_port *port = isle_port_open();

    (void)argc, (void)argv;
    isle_send(isle_port_send_port(port), isle_string("hello"));
    (void)isle_port_receive(port);
    isle_port_close(port);
    return 0;
}

TEST(the_trace_tells_what_happened)
{
    char name[] = "/tmp/isle-trace-XXXXXX", text[4096] = "";
    int fd = mkstemp(name), sends = 0;

    CHECK(fd >= 0);
    CHECK_INT(isle_simulate(one_message, &(isle_simulation){.seed = 9, .trace = name}), 0);
    CHECK(read(fd, text, sizeof text - 1) > 0);
    CHECK(strncmp(text, "# ISLE_SEED=9 ", 14) == 0);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        unsigned long long number, time, content;
        char kind[32], id[32];
        size_t size;
        if (*line == '#')
            continue;
        CHECK_INT(sscanf(line, "%llu %llu %31s %31s", &number, &time, kind, id), 4);
        CHECK(time >= 1000000000);
        if (strcmp(kind, "send") != 0)
            continue;
        sends++;
        CHECK_STRING(id, "0.1");
        CHECK_INT(sscanf(strstr(line, "size="), "size=%zu content=%llx", &size, &content), 2);
        CHECK(size > 5);
        CHECK(content != 0);
    }
    CHECK_INT(sends, 1);
    close(fd);
    unlink(name);
}

TEST_MAIN()
