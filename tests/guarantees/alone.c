/* SPDX-License-Identifier: Apache-2.0 */
/* A program alone on one thread: what an isolate does there is what it does anywhere, no thread and
 * no descriptor is opened after the start, and what comes from outside reaches an isolate that
 * waits and one that computes. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guarantees.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "core/backend.h"
#include "core/control.h"
#include "core/mail.h"
#include "core/program.h"
#include "sandbox/filter.h"

/* The way to the outside of a test: what it asks for. */
struct outside {
    struct isle__alone way;
    int64_t quiet; /* looks until it stirs; 0: it does not */
    int attended;
    _Atomic int rested;
    isle_isolate kills; /* none: nobody */
    isle_send_port tells;
};

static bool outside_stirs(void *context)
{
    struct outside *outside = context;

    return outside->quiet > 0 && --outside->quiet == 0;
}

static void outside_kill(isle_isolate isolate)
{
    struct isle__control *control = isle__memory_alloc(sizeof *control);

    CHECK(control != NULL);
    *control = (struct isle__control){.kind = ISLE__CONTROL_KILL,
                                      .target = isolate.control_port.id,
                                      .capability = isolate.terminate_capability.id};
    CHECK_ERR(isle__control_post(control), ISLE_OK);
}

static void outside_attend(void *context)
{
    struct outside *outside = context;
    uint64_t rings = 0;

    CHECK(isle__heap_current() == NULL);
    outside->attended++;
    if (outside->way.bell >= 0 && read(outside->way.bell, &rings, sizeof rings) < 0)
        rings = 0;
    if (outside->kills.control_port.id != 0)
        outside_kill(outside->kills);
    for (; rings > 0; rings--)
        CHECK_ERR(isle__mail_send_bare(isle_null(), outside->tells.id, 0, 0), ISLE_OK);
}

static bool outside_rests(void *context)
{
    atomic_fetch_add(&((struct outside *)context)->rested, 1);
    return true;
}

static struct outside outside_of(int bell)
{
    return (struct outside){.way = {.bell = bell,
                                    .stirs = outside_stirs,
                                    .attend = outside_attend,
                                    .rests = outside_rests}};
}

static void alone_start(struct outside *outside)
{
    outside->way.context = outside;
    CHECK_ERR(isle__program_start_alone(&outside->way), ISLE_OK);
}

static isle_isolate alone_spawn(isle_entry *entry, isle_value message, const isle_options *options)
{
    struct isle__spawn_what what = {.kind = ISLE__ENTRY, .entry.entry = entry};
    isle_isolate isolate;

    CHECK_ERR(isle__spawn_here(options, &what, message, &isolate), ISLE_OK);
    return isolate;
}

/* Starts, runs it, stops. */
static isle_reason alone_run(isle_entry *entry, const char *text, const isle_options *options)
{
    struct outside outside = outside_of(-1);
    isle_end end;

    alone_start(&outside);
    int status = isle__program_serve_alone(alone_spawn(entry, isle_null(), options), &end);
    CHECK_INT(status, end.reason == ISLE_RETURNED ? 0 : 255);
    CHECK_STRING(end.text, text);
    isle__program_stop_alone();
    return end.reason;
}

/* --- what isolates do */

static int64_t twice_of(isle_value number)
{
    return 2 * isle_as_int(number);
}

static isle_value twice(isle_value request, void *context)
{
    (void)context;
    return isle_int(twice_of(request));
}

static void doubler(isle_value unused)
{
    (void)unused;
    isle_port_serve(isle_default_port(), twice, NULL);
}

static isle_value doubled(isle_value number)
{
    isle_sleep(ISLE_MS(1));
    return isle_int(twice_of(number));
}

static void count_up(void *context)
{
    ++*(int *)context;
}

static void do_futures(void)
{
    isle_future *future = isle_future_new();
    isle_value ignored;

    isle_future_complete(future, isle_int(3));
    CHECK_INT(isle_as_int(isle_await(future)), 3);
    CHECK_ERR(isle_try_await(isle_future_new(), ISLE_MS(2), &ignored), ISLE_ETIMEDOUT);
    CHECK_INT(isle_as_int(isle_await(isle_run(doubled, isle_int(21), NULL))), 42);
}

static void do_timers(void)
{
    int ticks = 0;
    int64_t began = isle_now_ns();
    isle_timer *timer = isle_timer_periodic(ISLE_MS(1), count_up, &ticks);

    isle_schedule_microtask(count_up, &ticks);
    while (ticks < 4)
        isle_sleep(ISLE_US(300));
    isle_timer_cancel(timer);
    CHECK(isle_now_ns() - began >= ISLE_MS(3));
}

static void do_ports(void)
{
    isle_receive_port *port = isle_port_open();
    isle_value message;

    CHECK_ERR(isle_port_try_receive(port, ISLE_MS(1), &message), ISLE_ETIMEDOUT);
    for (int i = 0; i < 100; i++)
        isle_send(isle_port_send_port(port), isle_pack("[i,s]", i, "text"));
    for (int i = 0; i < 100; i++) {
        ISLE_SCOPE;
        CHECK_INT(isle_as_int(isle_list_get(isle_port_receive(port), 0)), i);
    }
    isle_port_close(port);
}

static void do_calls(void)
{
    isle_isolate other = isle_spawn(doubler, isle_null(), NULL);

    for (int i = 0; i < 200; i++) {
        ISLE_SCOPE;
        CHECK_INT(
            isle_as_int(isle_await(isle_call(other.default_port, isle_int(i), ISLE_SECONDS(10)))),
            2 * i);
    }
    isle_kill(other, ISLE_IMMEDIATE);
}

static int64_t work(void *context)
{
    CHECK(isle__heap_current() == NULL);
    return *(int *)context;
}

static void do_blocking(void)
{
    int number = 17, done = 0;

    CHECK_INT(isle_as_int(isle_await(isle_blocking(work, &number, NULL))), 17);
    (void)isle_await(isle_blocking(work, &done, count_up));
    CHECK_INT(done, 1);
}

/* Deep enough for pages that nothing has touched yet. */
static int64_t deep(int level)
{
    volatile char block[1024] = {(char)level};

    return level == 0 ? 0 : 1 + deep(level - 1) + (block[0] - (char)level);
}

static void do_memory(void)
{
    isle_value list = isle_list();

    for (int i = 0; i < 200; i++)
        isle_list_add(list, isle_bytes(NULL, 100000));
    CHECK_INT(isle_count(list), 200);
    CHECK_INT(deep(100), 100);
}

static void do_it_all(isle_value unused)
{
    (void)unused;
    do_futures();
    do_timers();
    do_ports();
    do_calls();
    do_blocking();
    do_memory();
    CHECK_UINT(stats_now().threads, 1);
}

static int threads_of_process(void)
{
    DIR *folder = opendir("/proc/self/task");
    int count = 0;

    CHECK(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static int threads_before;

static void count_threads(isle_value unused)
{
    do_it_all(unused);
    CHECK_INT(threads_of_process(), threads_before);
}

TEST(an_isolate_does_alone_what_it_does_anywhere)
{
    threads_before = threads_of_process();
    CHECK_INT(alone_run(count_threads, "", NULL), ISLE_RETURNED);
}

TEST(it_starts_and_stops_again_and_leaves_nothing)
{
    int descriptors;
    uint64_t memory;

    CHECK_INT(alone_run(do_it_all, "", NULL), ISLE_RETURNED);
    descriptors = open_descriptors();
    memory = isle__memory_live();
    for (int64_t i = rounds(20, 100, 1000); i > 0; i--)
        CHECK_INT(alone_run(do_it_all, "", NULL), ISLE_RETURNED);
    CHECK_INT(open_descriptors(), descriptors);
    CHECK_UINT(isle__memory_live(), memory);
}

/* --- descriptors */

static int pipe_ends[2];

static void read_pipe(isle_value unused)
{
    isle_receive_port *port = isle_port_open();
    char bytes[8];

    (void)unused;
    for (int i = 0; i < 3; i++) {
        isle_future *future = isle_fd_wait(pipe_ends[0], ISLE_READABLE);
        CHECK_INT(write(pipe_ends[1], "a", 1), 1);
        CHECK_INT(isle_as_int(isle_await(future)), ISLE_READABLE);
        CHECK_INT(read(pipe_ends[0], bytes, sizeof bytes), 1);
    }
    isle_watch *watch = isle_fd_watch(pipe_ends[0], ISLE_READABLE, isle_port_send_port(port));
    for (int i = 0; i < 20; i++) {
        CHECK_INT(write(pipe_ends[1], "bc", 2), 2);
        do
            CHECK_INT(isle_as_int(isle_list_get(isle_port_receive(port), 0)), pipe_ends[0]);
        while (read(pipe_ends[0], bytes, sizeof bytes) < 0);
    }
    isle_watch_close(watch);
    isle_port_close(port);
}

TEST(descriptors_are_waited_for_and_watched)
{
    CHECK_INT(pipe2(pipe_ends, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_INT(alone_run(read_pipe, "", NULL), ISLE_RETURNED);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

/* An edge that nobody reads away, of a descriptor that can always be written to, does not keep the
 * thread from sleeping. */
static void leave_edge(isle_value unused)
{
    isle_receive_port *port = isle_port_open();
    int64_t notices = 0, until;
    isle_value message;

    (void)unused;
    isle_watch *watch = isle_fd_watch(pipe_ends[1], ISLE_WRITABLE, isle_port_send_port(port));
    until = isle_now_ns() + ISLE_MS(200);
    while (isle_port_try_receive(port, until - isle_now_ns(), &message) == ISLE_OK)
        notices++;
    CHECK(notices >= 1);
    CHECK(notices <= 20);
    isle_watch_close(watch);
    isle_port_close(port);
}

TEST(an_edge_that_nobody_reads_is_told_seldom)
{
    CHECK_INT(pipe2(pipe_ends, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_INT(alone_run(leave_edge, "", NULL), ISLE_RETURNED);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

/* One that always has something to do looks at descriptors too. */
static void never_idle(isle_value unused)
{
    isle_receive_port *port = isle_port_open();
    isle_future *future = isle_fd_wait(pipe_ends[0], ISLE_READABLE);
    isle_value message;

    (void)unused;
    CHECK_INT(write(pipe_ends[1], "a", 1), 1);
    while (!isle_future_is_complete(future)) {
        ISLE_SCOPE;
        isle_send(isle_port_send_port(port), isle_int(1));
        CHECK_ERR(isle_port_try_receive(port, ISLE_FOREVER, &message), ISLE_OK);
        isle_sleep(0);
    }
    isle_port_close(port);
}

TEST(who_is_never_idle_hears_of_descriptors)
{
    CHECK_INT(pipe2(pipe_ends, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_INT(alone_run(never_idle, "", NULL), ISLE_RETURNED);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static isle_value open_signal_port(isle_value unused)
{
    (void)unused;
    isle_signal_port(SIGUSR1);
    return isle_null();
}

static void refuse_signals(isle_value unused)
{
    isle_value value;

    (void)unused;
    CHECK_ERR(isle_try(open_signal_port, isle_null(), &value), ISLE_EUNSUPPORTED);
}

TEST(signals_are_refused)
{
    CHECK_INT(alone_run(refuse_signals, "", NULL), ISLE_RETURNED);
}

/* --- ends */

static void fail_at_once(isle_value unused)
{
    (void)unused;
    isle_throwf("wrong");
}

static void take_too_much(isle_value unused)
{
    isle_value list = isle_list();

    (void)unused;
    for (;;)
        isle_list_add(list, isle_bytes(NULL, 4096));
}

static void spin(isle_value unused)
{
    (void)unused;
    for (;;)
        isle_checkpoint();
}

TEST(errors_limits_and_deadlines_end_it)
{
    CHECK_INT(alone_run(fail_at_once, "wrong", NULL), ISLE_FAILED);
    CHECK_INT(alone_run(take_too_much, "Out of Memory", &(isle_options){.memory_max = 4 << 20}),
              ISLE_MEMORY);
    CHECK_INT(alone_run(spin, "", &(isle_options){.deadline_ns = ISLE_MS(5)}), ISLE_DEADLINE);
}

static int deeper(volatile char *above)
{
    volatile char block[4096];

    block[0] = above[0];
    return above[0] == 127 ? 0 : deeper(block) + block[0];
}

static void overflow(isle_value unused)
{
    volatile char first[1] = {0};

    (void)unused;
    exit(deeper(first));
}

TEST(a_stack_overflow_is_an_error)
{
    if (*TEST_SANITIZER)
        skip("the sanitizer has the handler");
    CHECK_INT(alone_run(overflow, "Stack Overflow", NULL), ISLE_FAILED);
}

/* --- the outside */

TEST(a_kill_from_outside_reaches_who_computes)
{
    struct outside outside = outside_of(-1);
    isle_end end;

    alone_start(&outside);
    outside.kills = alone_spawn(spin, isle_null(), NULL);
    outside.quiet = 1000;
    CHECK_INT(isle__program_serve_alone(outside.kills, &end), 255);
    CHECK_INT(end.reason, ISLE_KILLED);
    CHECK_INT(outside.attended, 1);
    outside.kills = (isle_isolate){.control_port = {0}};
    isle__program_stop_alone();
}

static void take_three(isle_value unused)
{
    (void)unused;
    for (int i = 0; i < 3; i++)
        isle_port_receive(isle_default_port());
    isle_port_close(isle_default_port());
}

static void take_three_of_own(isle_value unused)
{
    for (int i = 0; i < 3; i++)
        isle_send(isle_current().default_port, isle_int(i));
    take_three(unused);
}

static void *ring_three(void *bell)
{
    uint64_t one = 1;

    for (int i = 0; i < 3; i++)
        CHECK_INT(write(*(int *)bell, &one, sizeof one), sizeof one);
    return NULL;
}

TEST(the_bell_wakes_who_sleeps)
{
    int bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct outside outside = outside_of(bell);
    isle_isolate isolate;
    pthread_t thread;

    CHECK(bell >= 0);
    alone_start(&outside);
    isolate = alone_spawn(take_three, isle_null(), NULL);
    outside.tells = isolate.default_port;
    CHECK_INT(pthread_create(&thread, NULL, ring_three, &bell), 0);
    CHECK_INT(isle__program_serve_alone(isolate, NULL), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK(outside.attended >= 1);
    isle__program_stop_alone();
    close(bell);
}

/* From when it is about to sleep on: whether it does so before or after, it is woken. */
static void *post_three(void *context)
{
    struct outside *outside = context;

    while (atomic_load(&outside->rested) == 0)
        isle__thread_yield();
    for (int i = 0; i < 3; i++)
        CHECK_ERR(isle_post(outside->tells, "i", i), ISLE_OK);
    return NULL;
}

TEST(a_foreign_thread_wakes_who_sleeps)
{
    struct outside outside = outside_of(-1);
    isle_isolate isolate;
    pthread_t thread;

    alone_start(&outside);
    isolate = alone_spawn(take_three, isle_null(), NULL);
    outside.tells = isolate.default_port;
    CHECK_INT(pthread_create(&thread, NULL, post_three, &outside), 0);
    CHECK_INT(isle__program_serve_alone(isolate, NULL), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    isle__program_stop_alone();
}

/* Those that the program's isolate leaves behind are ended by the stop. */
static void wait_for_ever(isle_value unused)
{
    (void)unused;
    isle_port_receive(isle_default_port());
}

static void leave_others(isle_value unused)
{
    (void)unused;
    for (int i = 0; i < 10; i++)
        isle_spawn(wait_for_ever, isle_null(), NULL);
}

TEST(what_is_left_is_ended_by_the_stop)
{
    CHECK_INT(alone_run(leave_others, "", NULL), ISLE_RETURNED);
    CHECK_INT(alone_run(do_it_all, "", NULL), ISLE_RETURNED);
}

/* Where every spawn asks elsewhere, nothing is born here. */
static int asked;

static isle_err ask_elsewhere(const isle_options *options, const struct isle__spawn_what *what,
                              isle_value message, uint64_t standing, isle_isolate *ret_isolate)
{
    asked++;
    CHECK(options != NULL);
    CHECK_INT(isle_as_int(message), 5);
    if (what->kind == ISLE__ENTRY_RUN)
        CHECK_ERR(isle__mail_send_bare(isle_int(7), what->run_reply, 0, 0), ISLE_OK);
    if (standing != 0)
        isle__mail_post_reserved(isle__mail_make(isle_null(), ISLE__MAIL_REPLY, standing));
    if (options->memory_max == 1)
        return isle__fail(ISLE_ESPAWN, "Unable to spawn isolate: one byte");
    *ret_isolate = isle_current();
    return ISLE_OK;
}

static void spawn_elsewhere(isle_value unused)
{
    isle_isolate isolate;
    uint64_t ever = stats_now().isolates_ever;

    (void)unused;
    isle_spawn(doubler, isle_int(5), NULL);
    CHECK_ERR(isle_try_spawn(doubler, isle_int(5), NULL, &isolate), ISLE_OK);
    CHECK(isle_send_port_equal(isolate.control_port, isle_current().control_port));
    CHECK_ERR(isle_try_spawn(doubler, isle_int(5), &(isle_options){.memory_max = 1}, &isolate),
              ISLE_ESPAWN);
    CHECK_INT(isle_as_int(isle_await(isle_run(
                  doubled, isle_int(5),
                  &(isle_options){.backend = ISLE_PROCESS, .cpu_time_max_ns = ISLE_SECONDS(1)}))),
              7);
    CHECK_INT(asked, 4);
    CHECK_UINT(stats_now().isolates_ever, ever);
}

TEST(spawns_may_be_made_elsewhere)
{
    isle__spawn_elsewhere = ask_elsewhere;
    CHECK_INT(alone_run(spawn_elsewhere, "", NULL), ISLE_RETURNED);
    isle__spawn_elsewhere = NULL;
}

/* --- under a filter that kills for what only the start may ask for */

static const int killed_calls[] = {
    SYS_epoll_create1,  SYS_epoll_ctl, SYS_epoll_pwait, SYS_eventfd2,       SYS_pipe2,
    SYS_timerfd_create, SYS_signalfd4, SYS_clone,       SYS_clone3,         SYS_membarrier,
    SYS_memfd_create,   SYS_openat,    SYS_socket,      SYS_io_uring_setup, SYS_execve,
};
enum { KILLED = sizeof killed_calls / sizeof killed_calls[0] };

static void kill_for_calls(void)
{
    struct sock_filter program[KILLED + 3];
    size_t count = 0;

    program[count++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < KILLED; i++)
        program[count++] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)killed_calls[i], (uint8_t)(KILLED - i), 0);
    program[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    struct sock_fprog whole = {.len = (unsigned short)count, .filter = program};
    CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &whole) != 0)
        skip("the system refuses a filter of system calls");
}

static void do_all_filtered(isle_value unused)
{
    do_it_all(unused);
    read_pipe(unused);
}

/* The one that isolates behind a wall have. */
static void be_an_isolate(void)
{
    struct isle__filter_options options = {.courier = -1, .own_pid = (uint32_t)getpid()};

    CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    isle_err err = isle__filter_install(ISLE__FILTER_RUNS, &options);
    if (err == ISLE_EUNSUPPORTED || err == ISLE_ESYSTEM)
        skip("the system refuses a filter of system calls");
    CHECK_ERR(err, ISLE_OK);
}

/* --- under a limit of the memory that could be written to */

static void suspend_and_fill(isle_value unused)
{
    isle_value list = isle_list();

    do_futures();
    do_ports();
    do_calls();
    for (int i = 0; i < 4; i++) { /* what is given back is given again */
        ISLE_SCOPE;
        CHECK_INT(isle_count(isle_bytes(NULL, 3 << 20)), 3 << 20);
    }
    (void)unused;
    for (;;)
        isle_list_add(list, isle_bytes(NULL, 4096));
}

static int run_limited(void)
{
    struct outside outside = outside_of(-1);
    struct rlimit limit = {16 << 20, 16 << 20};
    isle_end end;

    alone_start(&outside);
    CHECK_INT(setrlimit(RLIMIT_DATA, &limit), 0);
    CHECK_INT(isle__program_serve_alone(alone_spawn(suspend_and_fill, isle_null(), NULL), &end),
              255);
    CHECK_INT(end.reason, ISLE_MEMORY);
    CHECK_STRING(end.text, "Out of Memory");
    CHECK_INT(isle__program_serve_alone(alone_spawn(take_three_of_own, isle_null(), NULL), &end),
              0);
    isle__program_stop_alone();
    return 5;
}

TEST(sixteen_mebibytes_are_enough_and_more_is_an_error)
{
    const char *name = "sixteen_mebibytes_are_enough_and_more_is_an_error";

    if (*TEST_SANITIZER)
        skip("the sanitizer needs more");
    if (child_label() != NULL)
        _exit(run_limited());
    struct child child = child_run(name, "limited");
    child_exited(&child, 5);
}

static int run_filtered(const char *label)
{
    struct outside outside = outside_of(-1);

    CHECK_INT(pipe2(pipe_ends, O_NONBLOCK | O_CLOEXEC), 0);
    alone_start(&outside);
    if (strcmp(label, "isolate") == 0)
        be_an_isolate();
    else
        kill_for_calls();
    if (isle__program_serve_alone(alone_spawn(do_all_filtered, isle_null(), NULL), NULL) != 0)
        return 1;
    if (!*TEST_SANITIZER &&
        isle__program_serve_alone(alone_spawn(overflow, isle_null(), NULL), NULL) != 255)
        return 2;
    isle__program_stop_alone();
    return 5;
}

static void check_filtered(const char *name, const char *label)
{
    if (child_label() != NULL)
        _exit(run_filtered(child_label()));
    struct child child = child_run(name, label);
    if (WIFEXITED(child.status) && WEXITSTATUS(child.status) == 77)
        skip("the system refuses a filter of system calls");
    child_exited(&child, 5);
}

TEST(nothing_is_opened_after_the_start)
{
    check_filtered(__func__ + 6, "calls");
}

TEST(it_runs_under_the_filter_of_isolates)
{
    if (*TEST_SANITIZER)
        skip("the sanitizer asks for more");
    check_filtered(__func__ + 6, "isolate");
}

TEST_MAIN()
