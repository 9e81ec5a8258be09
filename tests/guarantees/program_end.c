/* SPDX-License-Identifier: Apache-2.0 */
/* How a program ends and what it may choose: the end of the root, stack overflows, its own options,
 * and the ABI of options. */
#include "guarantees.h"

static isle_value compute_nothing(isle_value argument)
{
    return argument;
}

static void entry_nothing(isle_value message)
{
    (void)message;
}

/* --- the end of the root */

static sem_t spinning;
static _Atomic bool spin_on = true;

static void spinner(isle_value message)
{
    (void)message;
    sem_post(&spinning);
    while (atomic_load(&spin_on))
        ;
}

static void checking_spinner(isle_value message)
{
    (void)message;
    sem_post(&spinning);
    for (;;)
        isle_checkpoint();
}

static int leave_spinners(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (int i = 0; i < 2; i++) {
        isle_spawn(spinner, isle_null(), &(isle_options){.debug_name = "the stubborn one"});
        semaphore_wait(&spinning);
    }
    return 7;
}

static int leave_checking(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (int i = 0; i < 2; i++) {
        isle_spawn(checking_spinner, isle_null(), NULL);
        isle_spawn(entry_nothing, isle_null(), &(isle_options){.paused = true});
        semaphore_wait(&spinning);
    }
    return 8;
}

TEST(the_program_leaves_those_that_do_not_stop_and_names_them)
{
    struct child child;
    int64_t start = isle_now_ns();

    if (child_label()) {
        sem_init(&spinning, 0, 0);
        exit(isle_main(0, NULL, leave_spinners));
    }
    child = child_run(__func__ + 6, "child");
    child_exited(&child, 7);
    child_wrote(&child, "the stubborn one");
    child_wrote(&child, "200 ms");
    CHECK(isle_now_ns() - start >= ISLE_MS(200));
}

TEST(the_end_of_the_root_ends_everybody_else)
{
    struct child child;

    if (child_label()) {
        sem_init(&spinning, 0, 0);
        exit(isle_main(0, NULL, leave_checking));
    }
    child = child_run(__func__ + 6, "child");
    child_exited(&child, 8);
    CHECK_STRING(child.output, "");
}

static int wait_for_nothing(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_await(isle_future_new());
    return 0;
}

static int receive_for_nothing(int argc, char **argv)
{
    isle_receive_port *port = isle_port_open();

    (void)argc, (void)argv;
    isle_port_set_keep_alive(port, false);
    (void)isle_port_receive(port);
    return 0;
}

TEST(a_root_that_waits_for_nothing_says_where)
{
    struct child child;

    if (child_label())
        exit(isle_main(0, NULL,
                       strcmp(child_label(), "await") ? receive_for_nothing : wait_for_nothing));
    child = child_run(__func__ + 6, "await");
    child_exited(&child, 255);
    child_wrote(&child, "isle_await");
    child = child_run(__func__ + 6, "receive");
    child_exited(&child, 255);
    child_wrote(&child, "isle_port_receive");
}

static int throw_from_app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_throwf("not taken");
}

TEST(an_uncaught_error_of_the_root_is_printed_and_ends_the_program)
{
    struct child child = child_program(__func__ + 6, throw_from_app, 255);
    child_wrote(&child, "not taken");
}

/* --- stack overflow */

static int deeper(volatile char *above)
{
    volatile char block[4096];

    block[0] = above[0];
    return above[0] == 127 ? 0 : deeper(block) + block[0];
}

static void overflow(isle_value message)
{
    volatile char first[1] = {0};

    (void)message;
    exit(deeper(first));
}

static int survive_overflows(int argc, char **argv)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port to = isle_port_send_port(port);

    (void)argc, (void)argv;
    for (int i = 0; i < 20; i++) {
        ISLE_SCOPE;
        isle_spawn(overflow, isle_null(), &(isle_options){.on_error = to, .on_exit = to});
        check_notice(isle_port_receive(port), "Stack Overflow");
        check_null(isle_port_receive(port));
        CHECK_INT(isle_as_int(isle_await(isle_run(compute_nothing, isle_int(i), NULL))), i);
    }
    settle();
    isle_port_close(port);
    return 3;
}

TEST(a_stack_overflow_ends_its_isolate_alone)
{
    if (*TEST_SANITIZER)
        skip("a sanitizer has its own idea of stacks");
    child_program(__func__ + 6, survive_overflows, 3);
}

static void write_line(void *context)
{
    fprintf(stderr, "%s\n", (const char *)context);
}

static int overflow_in_app(int argc, char **argv)
{
    volatile char first[1] = {0};

    (void)argc, (void)argv;
    isle_defer(write_line, "unwound");
    return deeper(first);
}

TEST(a_stack_overflow_of_the_main_activity_ends_the_root_by_name)
{
    struct child child;

    if (*TEST_SANITIZER)
        skip("a sanitizer has its own idea of stacks");
    child = child_program(__func__ + 6, overflow_in_app, 255);
    child_wrote(&child, "uncaught error in root: Stack Overflow");
    child_wrote(&child, "unwound");
}

static void fail_with_commands(isle_value message)
{
    (void)message;
    isle_throwf("one\033]52;c;AA\007 two\302\2335m \303\251\nisle: forged\177\tend");
}

static int app_with_commands(int argc, char **argv)
{
    isle_receive_port *ends = isle_port_open();

    (void)argc, (void)argv;
    isle_spawn(fail_with_commands, isle_null(),
               &(isle_options){.debug_name = "na\033me", .monitor = isle_port_send_port(ends)});
    (void)isle_port_receive(ends);
    isle_throwf("root\033[2J");
}

/* Of an isolate, and of the root itself. */
TEST(an_error_that_is_printed_has_no_commands_of_a_terminal)
{
    struct child child;

    if (child_label())
        exit(isle_main(0, NULL, app_with_commands));
    child = child_run(__func__ + 6, "child");
    child_exited(&child, 255);
    child_wrote(&child, "isle: uncaught error in na?me: one?]52;c;AA? two??5m \303\251?isle: "
                        "forged?\tend\n");
    child_wrote(&child, "isle: uncaught error in root: root?[2J\n");
}

/* --- the program's own options */

static int deep_sum(int blocks, volatile const char *above)
{
    volatile char block[4096];

    block[0] = (char)(above[0] + 1);
    return blocks == 0 ? 0 : deep_sum(blocks - 1, block) + (block[0] != above[0]);
}

static isle_value deep_computation(isle_value blocks)
{
    volatile char first = 0;

    return isle_int(deep_sum((int)isle_as_int(blocks), &first));
}

TEST(a_program_says_how_large_stacks_are)
{
    enum { BLOCKS = 300 }; /* of 4 KiB: more than the default */
    isle_program_options options = {.stack_size = 4 << 20};

    CHECK_ERR(isle_start(0, NULL, &(isle_program_options){.stack_size = 16383}), ISLE_ERANGE);
    CHECK_ERR(isle_start(0, NULL, &options), ISLE_OK);
    CHECK_INT(isle_as_int(isle_await(isle_run(deep_computation, isle_int(BLOCKS), NULL))), BLOCKS);
    isle_stop();
    if (*TEST_SANITIZER)
        return; /* it has its own idea of stacks */
    CHECK_ERR(isle_start(0, NULL, NULL), ISLE_OK);
    CHECK_ERR(
        isle_try_await(isle_run(deep_computation, isle_int(BLOCKS), NULL), ISLE_FOREVER, NULL),
        ISLE_ESTACK);
    isle_stop();
}

static void host_handler(int number)
{
    _exit(number);
}

static bool host_has_faults(void)
{
    struct sigaction segv, bus;

    CHECK_INT(sigaction(SIGSEGV, NULL, &segv), 0);
    CHECK_INT(sigaction(SIGBUS, NULL, &bus), 0);
    return segv.sa_handler == host_handler && bus.sa_handler == host_handler;
}

TEST(a_program_may_keep_its_signal_handlers)
{
    struct sigaction action = {.sa_handler = host_handler};

    CHECK_INT(sigaction(SIGSEGV, &action, NULL), 0);
    CHECK_INT(sigaction(SIGBUS, &action, NULL), 0);
    CHECK_ERR(isle_start(0, NULL, &(isle_program_options){.no_signal_handler = true}), ISLE_OK);
    CHECK(host_has_faults());
    isle_stop();
    CHECK(host_has_faults());
    CHECK_ERR(isle_start(0, NULL, NULL), ISLE_OK);
    CHECK(!host_has_faults());
    isle_stop();
    CHECK(host_has_faults());
}

/* --- options of an older and of a newer program */

struct newer_options {
    isle_options known;
    uint64_t added[4];
};

static isle_value spawn_newer(isle_value added)
{
    struct newer_options options = {.known = {.debug_name = "newer"}};

    options.added[3] = (uint64_t)isle_as_int(added);
    isle__spawn(entry_nothing, isle_null(), &options.known, sizeof options);
    return isle_null();
}

static isle_value run_newer(isle_value added)
{
    struct newer_options options = {.known = {.debug_name = "newer"}};

    options.added[0] = (uint64_t)isle_as_int(added);
    return isle_await(isle__run(compute_nothing, isle_int(5), &options.known, sizeof options));
}

TEST_ROOT(options_of_another_version_are_understood_or_refused)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.debug_name = "older",
                            .on_exit = isle_port_send_port(port),
                            .thread = (isle_thread)77,
                            .deadline_ns = -1};
    isle_isolate isolate;
    isle_stats stats;

    /* What an older program did not know lies beyond its struct: it is not looked at. */
    isle__spawn(entry_nothing, isle_null(), &options, offsetof(isle_options, memory_max));
    check_null(isle_port_receive(port));
    CHECK_ERR(isle__try_spawn(entry_nothing, isle_null(), &options,
                              offsetof(isle_options, memory_max), &isolate),
              ISLE_OK);
    check_null(isle_port_receive(port));
    CHECK_ERR(isle__try_spawn(entry_nothing, isle_null(), &options, sizeof options, &isolate),
              ISLE_EINVAL);
    CHECK_ERR(isle_try(spawn_newer, isle_int(0), NULL), ISLE_OK);
    CHECK_ERR(isle_try(spawn_newer, isle_int(1), NULL), ISLE_EUNSUPPORTED);
    CHECK_ERR(isle_try(run_newer, isle_int(0), NULL), ISLE_OK);
    CHECK_ERR(isle_try(run_newer, isle_int(1), NULL), ISLE_EUNSUPPORTED);
    memset(&stats, 0x5a, sizeof stats);
    isle__stats_read(&stats, sizeof stats.isolates);
    CHECK(stats.isolates >= 1 && stats.isolates < 100);
    CHECK_UINT(stats.isolates_ever, UINT64_C(0x5a5a5a5a5a5a5a5a));
    isle_port_close(port);
}

TEST(program_options_of_another_version_are_understood_or_refused)
{
    struct {
        isle_program_options known;
        uint64_t added;
    } options = {.known = {.worker_count = 1}};

    CHECK_ERR(isle__start(0, NULL, &options.known, sizeof options), ISLE_OK);
    isle_stop();
    CHECK_ERR(isle__start(0, NULL, &options.known, sizeof(unsigned)), ISLE_OK);
    isle_stop();
    options.added = 1;
    CHECK_ERR(isle__start(0, NULL, &options.known, sizeof options), ISLE_EUNSUPPORTED);
}

TEST_MAIN()
