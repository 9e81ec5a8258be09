/* SPDX-License-Identifier: Apache-2.0 */
/* The orderly end of a program: signals ask its root, a time runs, and whatever is blocked, the
 * program ends. Each is a program of its own, which sends the signals to itself. */
#include <poll.h>

#include "guarantees.h"

/* Before anything else of the program: an image that was executed to be a zygote stays here. */
__attribute__((constructor)) static void be_a_child(int argc, char **argv)
{
    (void)isle_child_main(argc, argv);
}

static void signal_self(int number)
{
    CHECK_INT(kill(getpid(), number), 0);
}

static void say(const char *text)
{
    CHECK(write(1, text, strlen(text)) > 0);
}

static void leave(void *text)
{
    say(text);
    isle_exit(isle_send_port_none(), isle_null());
}

static void say_only(void *text)
{
    say(text);
}

/* --- the root listens */

static int asked(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_on_shutdown(leave, "asked");
    isle_serve_shutdown(ISLE_FOREVER);
    signal_self(strcmp(child_label(), "int") ? SIGTERM : SIGINT);
    (void)isle_port_receive(isle_port_open());
    return 9;
}

static int asked_in_its_loop(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_on_shutdown(leave, "asked");
    isle_serve_shutdown(ISLE_FOREVER);
    isle_port_open();
    signal_self(SIGTERM);
    return 6;
}

static int (*const asked_ways[])(int argc, char **argv) = {asked, asked, asked_in_its_loop};

TEST(a_signal_asks_the_root_to_end)
{
    static const char *const labels[] = {"term", "int", "loop"};
    static const int statuses[] = {0, 0, 6};
    struct child child;

    for (int i = 0; i < 3; i++) {
        if (child_label() && !strcmp(child_label(), labels[i]))
            exit(isle_main(0, NULL, asked_ways[i]));
        if (child_label())
            continue;
        child = child_run(__func__ + 6, labels[i]);
        child_exited(&child, statuses[i]);
        CHECK_STRING(child.output, "asked");
    }
}

static int without_a_task(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_defer(say_only, "left");
    isle_serve_shutdown(ISLE_FOREVER);
    signal_self(SIGTERM);
    (void)isle_port_receive(isle_port_open());
    return 9;
}

TEST(a_root_without_a_task_ends_and_runs_its_deferred_tasks)
{
    struct child child = child_program(__func__ + 6, without_a_task, 0);
    CHECK_STRING(child.output, "left");
}

/* --- what was accepted is finished */

static void answer_later(isle_value request, void *context)
{
    (void)context;
    if (isle_is_null(request))
        isle_port_close(isle_default_port()); /* all that came before it is done */
    else
        say("x");
}

static void no_more(void *context)
{
    (void)context;
    isle_send(isle_current().default_port, isle_null());
}

static void worker(isle_value started)
{
    isle_on_shutdown(no_more, NULL);
    isle_port_listen(isle_default_port(), answer_later, NULL);
    isle_send(isle_as_port(started), isle_null());
}

static void drain(void *group)
{
    CHECK_ERR(isle_group_close(group), ISLE_OK);
    leave(".");
}

static int drained(int argc, char **argv)
{
    isle_group *group = isle_group_open(&(isle_group_options){.shutdown_ns = ISLE_FOREVER});
    isle_receive_port *started = isle_port_open();

    (void)argc, (void)argv;
    isle_on_shutdown(drain, group);
    isle_serve_shutdown(ISLE_FOREVER);
    isle_isolate isolate = isle_group_spawn(group, worker, isle_port_value(started), NULL);
    (void)isle_port_receive(started);
    for (int i = 0; i < 100; i++)
        isle_send(isolate.default_port, isle_int(i));
    signal_self(SIGTERM);
    (void)isle_port_receive(started);
    return 9;
}

TEST(what_was_accepted_is_finished)
{
    struct child child = child_program(__func__ + 6, drained, 0);
    CHECK_INT(strspn(child.output, "x"), 100);
    CHECK_STRING(child.output + 100, ".");
}

/* --- it does not listen */

static int deaf_root(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_on_shutdown(say_only, "asked ");
    isle_defer(say_only, "left ");
    isle_serve_shutdown(ISLE_FOREVER);
    isle_serve_shutdown(ISLE_SECONDS(2)); /* it is asked in time, however busy the machine is */
    signal_self(SIGTERM);
    (void)isle_port_receive(isle_port_open());
    return 9;
}

TEST(the_root_is_killed_when_its_time_is_over)
{
    struct child child = child_program(__func__ + 6, deaf_root, 255);
    CHECK_STRING(child.output, "asked left isle: isolate terminated by isle_kill\n");
}
TEST_WAITS(the_root_is_killed_when_its_time_is_over);

static void interrupt(void *context)
{
    (void)context;
    signal_self(SIGINT);
}

/* Not in the breath of the first, which was counted before anybody was asked. */
static void interrupt_later(void *context)
{
    (void)context;
    say("asked ");
    isle_timer_start(ISLE_MS(200), interrupt, NULL);
}

static int impatient(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_on_shutdown(interrupt_later, NULL);
    isle_serve_shutdown(ISLE_FOREVER);
    signal_self(SIGTERM);
    (void)isle_port_receive(isle_port_open());
    return 9;
}

TEST(the_second_signal_ends_the_root_at_once)
{
    struct child child = child_program(__func__ + 6, impatient, 255);
    CHECK_STRING(child.output, "asked isle: isolate terminated by isle_kill\n");
}

/* --- a process is told, and then its group */

static void leave_later(void *context)
{
    (void)context;
    isle_timer_start(ISLE_MS(20), leave, "finished");
}

static int told_twice(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_on_shutdown(leave_later, NULL);
    isle_serve_shutdown(ISLE_FOREVER);
    signal_self(SIGTERM);
    signal_self(SIGINT);
    signal_self(SIGTERM);
    (void)isle_port_receive(isle_port_open());
    return 9;
}

TEST(signals_in_one_breath_are_one)
{
    struct child child = child_program(__func__ + 6, told_twice, 0);
    CHECK_STRING(child.output, "finished");
}

/* --- who is blocked */

static void blocked(isle_value started)
{
    isle_send(isle_as_port(started), isle_null());
    for (;;)
        pause();
}

static void deaf(isle_value started)
{
    isle_on_shutdown(say_only, "");
    isle_send(isle_as_port(started), isle_null());
    for (;;)
        (void)isle_port_receive(isle_default_port());
}

/* More than there are cores; a group has some, nobody the others. */
static void spawn_blocked(isle_group *group, isle_backend backend, int count)
{
    isle_receive_port *started = isle_port_open();
    isle_options options = {.debug_name = "the blocked one", .backend = backend};

    for (int i = 0; i < count; i++) {
        if (i % 2 == 0)
            isle_group_spawn(group, blocked, isle_port_value(started), &options);
        else
            isle_spawn(i % 4 == 1 ? blocked : deaf, isle_port_value(started), &options);
        (void)isle_port_receive(started);
    }
    isle_port_close(started);
}

static void close_and_leave(void *group)
{
    isle_err err = isle_group_close(group);

    say(isle_err_name(err));
    leave(" ");
}

/* The kernel ends processes, in its own time: as long as they were asked, once they are killed. */
static int all_blocked(int argc, char **argv)
{
    bool in_processes = !strcmp(child_label(), "process");
    int64_t time = in_processes ? ISLE_SECONDS(3) : ISLE_MS(1);
    isle_group *group = isle_group_open(&(isle_group_options){.shutdown_ns = time});

    (void)argc, (void)argv;
    isle_on_shutdown(close_and_leave, group);
    isle_serve_shutdown(ISLE_FOREVER);
    spawn_blocked(group, in_processes ? ISLE_PROCESS : ISLE_THREAD, in_processes ? 4 : 16);
    signal_self(SIGTERM);
    (void)isle_port_receive(isle_port_open());
    return 9;
}

TEST(isolates_that_are_blocked_do_not_hold_the_end_up)
{
    struct child child;

    if (child_label())
        exit(isle_main(0, NULL, all_blocked));
    child = child_run(__func__ + 6, "thread");
    child_exited(&child, 0);
    child_wrote(&child, "ISLE_ETIMEDOUT ");
    child_wrote(&child, "the blocked one");
}

TEST(processes_that_are_blocked_do_not_hold_the_end_up)
{
    struct child child;

    if (child_label())
        exit(isle_main(0, NULL, all_blocked));
    child = child_run(__func__ + 6, "process");
    if (strstr(child.output, "Unable to spawn") != NULL)
        skip("no processes here");
    child_exited(&child, 0);
    CHECK_STRING(child.output, "ISLE_OK ");
}
TEST_WAITS(processes_that_are_blocked_do_not_hold_the_end_up);

/* Some process with that parent; 0: there is none. */
static pid_t child_of(pid_t parent)
{
    DIR *folder = opendir("/proc");
    pid_t found = 0;

    CHECK(folder != NULL);
    for (struct dirent *entry; found == 0 && (entry = readdir(folder)) != NULL;) {
        char path[300], text[512];
        FILE *file;
        int its_parent;

        snprintf(path, sizeof path, "/proc/%.20s/stat", entry->d_name);
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || (file = fopen(path, "re")) == NULL)
            continue;
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
        const char *end = strrchr(text, ')');
        if (end != NULL && sscanf(end + 1, " %*c %d", &its_parent) == 1 && its_parent == parent)
            found = atoi(entry->d_name);
    }
    closedir(folder);
    return found;
}

/* The parent of the isolates' processes gets no core for three times as long as who does not stop
 * is waited for. */
static void zygote_rests(void)
{
    pid_t zygote = getpid();

    for (pid_t child; (child = child_of(zygote)) != 0 && child_of(child) != 0;)
        zygote = child;
    CHECK(zygote != getpid());
    CHECK_INT(kill(zygote, SIGSTOP), 0);
    pid_t waker = fork();
    if (waker == 0) {
        (void)poll(NULL, 0, 600);
        (void)kill(zygote, SIGCONT);
        _exit(0);
    }
    CHECK(waker > 0);
}

static int left_while_its_zygote_rests(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_receive_port *started = isle_port_open();
    isle_spawn(blocked, isle_port_value(started), &(isle_options){.backend = ISLE_PROCESS});
    (void)isle_port_receive(started);
    zygote_rests();
    isle_exit(isle_send_port_none(), isle_null());
}

/* Who was killed is gone, though nobody has said so yet. */
TEST(a_killed_process_whose_end_is_told_late_is_not_named)
{
    struct child child;

    if (child_label())
        exit(isle_main(0, NULL, left_while_its_zygote_rests));
    child = child_run(__func__ + 6, "process");
    if (strstr(child.output, "Unable to spawn") != NULL)
        skip("no processes here");
    child_exited(&child, 0);
    CHECK_STRING(child.output, "");
}
TEST_WAITS(a_killed_process_whose_end_is_told_late_is_not_named);

/* In native code each of them, sleeping or spinning, several for each core: others work, the counts
 * name them, and the program ends when the time of its root is over. */
static void spins(isle_value started)
{
    isle_send(isle_as_port(started), isle_null());
    for (volatile unsigned turn = 0;; turn++)
        continue;
}

static isle_value next_of(isle_value number)
{
    return isle_int(isle_as_int(number) + 1);
}

static void check_that_others_work(isle_backend backend, int blocked_count)
{
    isle_options options = {.backend = backend};

    for (int i = 0; i < 20; i++) {
        ISLE_SCOPE;
        CHECK_INT(isle_as_int(isle_await(isle_run(next_of, isle_int(i), &options))), i + 1);
    }
    CHECK(stats_now().isolates >= (uint64_t)blocked_count + 1);
    if (backend == ISLE_THREAD)
        CHECK(stats_now().threads >= (uint64_t)blocked_count);
    else
        CHECK(stats_now().processes >= (uint64_t)blocked_count);
}

static int blocked_among_others(int argc, char **argv)
{
    bool in_processes = !strcmp(child_label(), "process");
    isle_backend backend = in_processes ? ISLE_PROCESS : ISLE_THREAD;
    isle_receive_port *port = isle_port_open();
    isle_options options = {.debug_name = "in native code", .backend = backend};
    int count = in_processes ? 4 : (int)isle_cpu_count() * 4;

    (void)argc, (void)argv;
    for (int i = 0; i < count; i++) {
        isle_spawn(i % 4 == 0 ? spins : blocked, isle_port_value(port), &options);
        (void)isle_port_receive(port);
    }
    check_that_others_work(backend, count);
    isle_on_shutdown(say_only, "asked ");
    isle_serve_shutdown(ISLE_MS(10));
    signal_self(SIGTERM);
    (void)isle_port_receive(port);
    return 9;
}

TEST(others_work_where_all_are_in_native_code_and_the_end_comes_in_time)
{
    struct child child;

    if (child_label())
        exit(isle_main(0, NULL, blocked_among_others));
    child = child_run(__func__ + 6, "thread");
    child_exited(&child, 255);
    child_wrote(&child, "asked ");
    child_wrote(&child, "in native code");
}
TEST_TIMEOUT(others_work_where_all_are_in_native_code_and_the_end_comes_in_time, 60);

TEST(others_work_where_all_processes_are_in_native_code_and_the_end_comes_in_time)
{
    struct child child;

    if (child_label())
        exit(isle_main(0, NULL, blocked_among_others));
    child = child_run(__func__ + 6, "process");
    if (strstr(child.output, "Unable to spawn") != NULL)
        skip("no processes here");
    child_exited(&child, 255);
    child_wrote(&child, "asked ");
}
TEST_TIMEOUT(others_work_where_all_processes_are_in_native_code_and_the_end_comes_in_time, 60);

static int blocked_root(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_serve_shutdown(ISLE_MS(1));
    spawn_blocked(isle_group_open(NULL), ISLE_THREAD, 8);
    signal_self(SIGTERM);
    for (;;)
        pause();
    return 9;
}

TEST(a_root_that_is_blocked_does_not_hold_the_end_up)
{
    struct child child = child_program(__func__ + 6, blocked_root, 128 + SIGTERM);
    child_wrote(&child, "did not stop");
}

static void shut_down_here(void *context)
{
    (void)context;
    signal_self(SIGTERM);
}

static void own_loop(void)
{
    struct pollfd fd = {.events = POLLIN};

    CHECK_ERR(isle_start(0, NULL, NULL), ISLE_OK);
    isle_serve_shutdown(ISLE_MS(1));
    isle_timer_start(0, shut_down_here, NULL);
    fd.fd = isle_loop_fd();
    while (isle_dispatch())
        (void)poll(&fd, 1, -1);
    isle_stop();
    say("stopped");
    exit(3);
}

TEST(a_program_with_a_loop_of_its_own_learns_of_the_end)
{
    struct child child;

    if (child_label())
        own_loop();
    child = child_run(__func__ + 6, "child");
    child_exited(&child, 3);
    child_wrote(&child, "stopped");
}

static isle_value serve_for(isle_value grace)
{
    isle_serve_shutdown(isle_as_int(grace));
    return isle_null();
}

TEST_ROOT(bad_input_is_refused)
{
    struct sigaction before, after;

    CHECK_INT(sigaction(SIGTERM, NULL, &before), 0);
    CHECK_ERR(isle_try(serve_for, isle_int(-1), NULL), ISLE_ERANGE);
    CHECK_INT(sigaction(SIGTERM, NULL, &after), 0);
    CHECK(before.sa_handler == after.sa_handler);
    CHECK_ERR(isle_try(serve_for, isle_int(0), NULL), ISLE_OK);
}

TEST_MAIN()
