/* SPDX-License-Identifier: Apache-2.0 */
/* A library's manners: threads that are no isolates, start and stop, forks of the host, the end of
 * the root, stack overflows, and the ABI of options. */
#include "guarantees.h"

#include <sys/syscall.h>

/* --- calls outside of any isolate: what insists ends the program with its own name */

static void task_nothing(void *context)
{
    (void)context;
}

static isle_value compute_nothing(isle_value argument)
{
    return argument;
}

static void entry_nothing(isle_value message)
{
    (void)message;
}

static void entry_void(void)
{
}

static int64_t work_nothing(void *context)
{
    (void)context;
    return 0;
}

static bool predicate_true(isle_value value, void *context)
{
    (void)value, (void)context;
    return true;
}

static isle_local some_local = {8, 0};
static isle_value cell;
static isle_scope some_scope = {1};
static isle_uninterrupted some_section = {1};
static isle_isolate some_isolate = {{1}, {1}, {1}, {1}};
static isle_send_port some_port = {1};
static isle_receive_port *some_receive_port;
static isle_stream *some_stream;
static isle_writer *some_writer;
static isle_future *some_future;

#define INSISTING(X)                                                                               \
    X(isle_send, isle_send(some_port, isle_null()))                                                \
    X(isle_call_deadline, (void)isle_call_deadline())                                              \
    X(isle_call, (void)isle_call(some_port, isle_null(), 1))                                       \
    X(isle_send_with_reply, isle_send_with_reply(some_port, isle_null(), some_port))               \
    X(isle_capability_new, isle_capability_new())                                                  \
    X(isle_default_port, isle_default_port())                                                      \
    X(isle_port_open, isle_port_open())                                                            \
    X(isle_port_close, isle_port_close(some_receive_port))                                         \
    X(isle_port_send_port, isle_port_send_port(some_receive_port))                                 \
    X(isle_port_listen, isle_port_listen(some_receive_port, NULL, NULL))                           \
    X(isle_port_serve, isle_port_serve(some_receive_port, NULL, NULL))                             \
    X(isle_port_on_receive, isle_port_on_receive(some_receive_port, NULL))                         \
    X(isle_port_receive, isle_port_receive(some_receive_port))                                     \
    X(isle_port_receive_if, isle_port_receive_if(some_receive_port, predicate_true, NULL))         \
    X(isle_port_set_keep_alive, isle_port_set_keep_alive(some_receive_port, true))                 \
    X(isle_port_keep_alive, isle_port_keep_alive(some_receive_port))                               \
    X(isle_spawn, isle_spawn(entry_nothing, isle_null(), NULL))                                    \
    X(isle_spawn_uri, isle_spawn_uri("file:x.so", isle_null(), isle_null(), NULL))                 \
    X(isle_spawn_function, isle_spawn_function(entry_void))                                        \
    X(isle_spawn_wait, isle_spawn_wait(some_isolate))                                              \
    X(isle_run, isle_run(compute_nothing, isle_null(), NULL))                                      \
    X(isle_current, isle_current())                                                                \
    X(isle_debug_name, isle_debug_name())                                                          \
    X(isle_exit, isle_exit(isle_send_port_none(), isle_null()))                                    \
    X(isle_kill, isle_kill(some_isolate, ISLE_IMMEDIATE))                                          \
    X(isle_shutdown, isle_shutdown(some_isolate))                                                  \
    X(isle_on_shutdown, isle_on_shutdown(NULL, NULL))                                              \
    X(isle_set_errors_fatal, isle_set_errors_fatal(some_isolate, true))                            \
    X(isle_pause, isle_pause(some_isolate, (isle_capability){0}))                                  \
    X(isle_resume, isle_resume(some_isolate, (isle_capability){1}))                                \
    X(isle_ping, isle_ping(some_isolate, some_port, isle_null(), ISLE_IMMEDIATE))                  \
    X(isle_monitor, isle_monitor(some_isolate, some_port))                                         \
    X(isle_unmonitor, isle_unmonitor(some_isolate, some_port))                                     \
    X(isle_stream_open, isle_stream_open(NULL))                                                    \
    X(isle_stream_sink, isle_stream_sink(some_stream))                                             \
    X(isle_stream_expect, isle_stream_expect(some_stream, some_isolate))                           \
    X(isle_stream_read, isle_stream_read(some_stream, NULL))                                       \
    X(isle_stream_listen, isle_stream_listen(some_stream, NULL, NULL, NULL, NULL))                 \
    X(isle_stream_pause, isle_stream_pause(some_stream))                                           \
    X(isle_stream_resume, isle_stream_resume(some_stream))                                         \
    X(isle_stream_close, isle_stream_close(some_stream))                                           \
    X(isle_stream_writer, isle_stream_writer(isle_null()))                                         \
    X(isle_stream_write, isle_stream_write(some_writer, isle_null()))                              \
    X(isle_stream_ready, isle_stream_ready(some_writer))                                           \
    X(isle_stream_put, isle_stream_put(some_writer, isle_null()))                                  \
    X(isle_stream_flush, isle_stream_flush(some_writer))                                           \
    X(isle_stream_end, isle_stream_end(some_writer))                                               \
    X(isle_stream_fail, isle_stream_fail(some_writer, isle_null()))                                \
    X(isle_link, isle_link(some_isolate))                                                          \
    X(isle_unlink, isle_unlink(some_isolate))                                                      \
    X(isle_trap_links, isle_trap_links(some_port))                                                 \
    X(isle_as_end, isle_as_end(isle_null()))                                                       \
    X(isle_add_exit_listener, isle_add_exit_listener(some_isolate, some_port, isle_null()))        \
    X(isle_remove_exit_listener, isle_remove_exit_listener(some_isolate, some_port))               \
    X(isle_add_error_listener, isle_add_error_listener(some_isolate, some_port))                   \
    X(isle_remove_error_listener, isle_remove_error_listener(some_isolate, some_port))             \
    X(isle_await, isle_await(some_future))                                                         \
    X(isle_then, isle_then(some_future, NULL, NULL, NULL))                                         \
    X(isle_future_all, isle_future_all(NULL, 0))                                                   \
    X(isle_future_any, isle_future_any(NULL, 0))                                                   \
    X(isle_future_timeout, isle_future_timeout(some_future, 1))                                    \
    X(isle_future_cancel, isle_future_cancel(some_future))                                         \
    X(isle_future_new, isle_future_new())                                                          \
    X(isle_future_complete, isle_future_complete(some_future, isle_null()))                        \
    X(isle_future_complete_error, isle_future_complete_error(some_future, isle_null()))            \
    X(isle_future_is_complete, isle_future_is_complete(some_future))                               \
    X(isle_future_keep, isle_future_keep(some_future))                                             \
    X(isle_future_release, isle_future_release(some_future))                                       \
    X(isle_timer_start, isle_timer_start(1, task_nothing, NULL))                                   \
    X(isle_timer_periodic, isle_timer_periodic(1, task_nothing, NULL))                             \
    X(isle_timer_cancel, isle_timer_cancel(NULL))                                                  \
    X(isle_sleep, isle_sleep(1))                                                                   \
    X(isle_schedule_microtask, isle_schedule_microtask(task_nothing, NULL))                        \
    X(isle_checkpoint, isle_checkpoint())                                                          \
    X(isle_throw, isle_throw(isle_null()))                                                         \
    X(isle_throwf, isle_throwf("x"))                                                               \
    X(isle_try, if (isle_try(compute_nothing, isle_null(), NULL)) return )                         \
    X(isle_protect, if (isle_protect(task_nothing, NULL, NULL)) return )                           \
    X(isle_unwind_continue, isle_unwind_continue())                                                \
    X(isle_error, isle_error(ISLE_EINVAL, "x", NULL))                                              \
    X(isle_keep, isle_keep(isle_null()))                                                           \
    X(isle_release, isle_release(isle_null()))                                                     \
    X(isle_cell_set, isle_cell_set(&cell, isle_null()))                                            \
    X(isle_defer, isle_defer(task_nothing, NULL))                                                  \
    X(isle_scope_open, isle_scope_open())                                                          \
    X(isle_scope_close, isle_scope_close(&some_scope))                                             \
    X(isle_escape, isle_escape(isle_null()))                                                       \
    X(isle_alloc, isle_alloc(1))                                                                   \
    X(isle_realloc, isle_realloc(NULL, 1))                                                         \
    X(isle_uninterrupted_begin, isle_uninterrupted_begin())                                        \
    X(isle_uninterrupted_end, isle_uninterrupted_end(&some_section))                               \
    X(isle_string, isle_string("text"))                                                            \
    X(isle_stringf, isle_stringf("%d", 1))                                                         \
    X(isle_list, isle_list())                                                                      \
    X(isle_list_fixed, isle_list_fixed(2))                                                         \
    X(isle_map, isle_map())                                                                        \
    X(isle_set, isle_set())                                                                        \
    X(isle_bytes, isle_bytes(NULL, 3))                                                             \
    X(isle_transferable, isle_transferable(3))                                                     \
    X(isle_isolate_value, isle_isolate_value(some_isolate))                                        \
    X(isle_pack, isle_pack("[i]", 1))                                                              \
    X(isle_memory_used, isle_memory_used())                                                        \
    X(isle_mailbox_count, isle_mailbox_count())                                                    \
    X(isle_fd_wait, isle_fd_wait(0, ISLE_READABLE))                                                \
    X(isle_fd_watch, isle_fd_watch(0, ISLE_READABLE, some_port))                                   \
    X(isle_signal_port, isle_signal_port(SIGUSR1))                                                 \
    X(isle_blocking, isle_blocking(work_nothing, NULL, NULL))                                      \
    X(isle_loop, isle_loop())                                                                      \
    X(isle_stop, isle_stop())                                                                      \
    X(isle_loop_fd, isle_loop_fd())                                                                \
    X(isle_local, isle__local(&some_local))

#define INSISTING_FUNCTION(name, call)                                                             \
    static void outside_##name(void)                                                               \
    {                                                                                              \
        call;                                                                                      \
    }
INSISTING(INSISTING_FUNCTION)

static const struct {
    const char *name;
    void (*call)(void);
} insisting[] = {
#define INSISTING_ROW(name, call) {#name, outside_##name},
    INSISTING(INSISTING_ROW)};
enum { INSISTING_COUNT = sizeof insisting / sizeof *insisting };

static void insist(const char *name)
{
    for (size_t i = 0; i < INSISTING_COUNT; i++)
        if (!strcmp(insisting[i].name, name))
            insisting[i].call();
}

/* One that is missed is named; all are tried. */
static void check_insisting(const char *test, const char *code, int step)
{
    int missed = 0;

    for (int i = 0; i < INSISTING_COUNT; i += step) {
        struct child child = child_run(test, insisting[i].name);

        if (WIFEXITED(child.status) && WEXITSTATUS(child.status) == 42)
            fprintf(stderr, "%s returned\n", insisting[i].name);
        else if (!strstr(child.output, code) || !strstr(child.output, insisting[i].name))
            fprintf(stderr, "%s wrote: %s\n", insisting[i].name, child.output);
        else
            continue;
        missed++;
    }
    CHECK_INT(missed, 0);
}

TEST(insisting_calls_before_the_start_end_the_program_by_name)
{
    if (child_label()) {
        insist(child_label());
        _Exit(42);
    }
    check_insisting(__func__ + 6, "ISLE_EOUTSIDE", test_tier() == TEST_QUICK ? 3 : 1);
}
TEST_TIMEOUT(insisting_calls_before_the_start_end_the_program_by_name, 120);

static void *insist_thread(void *name)
{
    insist(name);
    _Exit(42);
}

static int insist_app(int argc, char **argv)
{
    pthread_t thread;
    char name[64];

    (void)argc, (void)argv;
    snprintf(name, sizeof name, "%s", child_label());
    CHECK_INT(pthread_create(&thread, NULL, insist_thread, name), 0);
    pthread_join(thread, NULL);
    return 0;
}

TEST(insisting_calls_on_foreign_threads_end_the_program_by_name)
{
    if (child_label())
        _Exit(isle_main(0, NULL, insist_app));
    check_insisting(__func__ + 6, "ISLE_EOUTSIDE", test_tier() == TEST_QUICK ? 3 : 1);
}
TEST_TIMEOUT(insisting_calls_on_foreign_threads_end_the_program_by_name, 120);

static void check_asking(isle_err expected)
{
    isle_value value = isle_null();
    isle_isolate isolate;
    int64_t number;
    size_t size;

    CHECK_ERR(isle_try_send(some_port, isle_null()), expected);
    CHECK_ERR(isle_try_send_sized(some_port, isle_null(), &size), expected);
    CHECK_ERR(isle_stream_try_read(some_stream, 0, &value), expected);
    CHECK_ERR(isle_stream_try_write(some_writer, isle_null()), expected);
    CHECK_ERR(isle_try_spawn(entry_nothing, isle_null(), NULL, &isolate), expected);
    CHECK_ERR(isle_try_await(some_future, 0, &value), expected);
    CHECK_ERR(isle_port_try_receive(some_receive_port, 0, &value), expected);
    CHECK_ERR(isle_cbor_try_decode("\x01", 1, 100, &value), expected);
    CHECK_ERR(isle_try_unpack(isle_null(), "[i]", &number), expected);
}

static void *ask_thread(void *unused)
{
    check_asking(ISLE_EOUTSIDE);
    return unused;
}

TEST_ROOT(asking_calls_on_foreign_threads_say_so)
{
    pthread_t thread;

    CHECK_INT(pthread_create(&thread, NULL, ask_thread, NULL), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
}

TEST(asking_calls_before_and_after_the_program_say_so)
{
    check_asking(ISLE_EOUTSIDE);
    CHECK_ERR(isle_post(some_port, "i", 1), ISLE_ECLOSED);
    CHECK_ERR(isle_start(0, NULL, NULL), ISLE_OK);
    CHECK_ERR(isle_start(0, NULL, NULL), ISLE_EUSED);
    isle_stop();
    check_asking(ISLE_EOUTSIDE);
    CHECK_ERR(isle_post(some_port, "i", 1), ISLE_ECLOSED);
    CHECK_UINT(stats_now().isolates, 0);
}

/* --- foreign threads post */

enum { POSTERS = 4, POSTS = 3000 };

static void *poster(void *port_and_id)
{
    const uint64_t *given = port_and_id;
    isle_send_port port = {given[0]};

    for (int i = 0; i < POSTS; i++)
        CHECK_ERR(isle_post(port, "[i,i,s]", (int64_t)given[1], i, "text"), ISLE_OK);
    return NULL;
}

TEST_ROOT(foreign_threads_post_in_order)
{
    isle_receive_port *port = isle_port_open();
    pthread_t threads[POSTERS];
    uint64_t given[POSTERS][2];
    int next[POSTERS] = {0};

    for (int i = 0; i < POSTERS; i++) {
        given[i][0] = isle_port_send_port(port).id;
        given[i][1] = (uint64_t)i;
        CHECK_INT(pthread_create(&threads[i], NULL, poster, given[i]), 0);
    }
    for (int left = POSTERS * POSTS; left > 0; left--) {
        ISLE_SCOPE;
        int64_t id, number;

        isle_unpack(isle_port_receive(port), "[i,i,s]", &id, &number, &(const char *){NULL});
        CHECK_INT(number, next[id]);
        next[id]++;
    }
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    isle_port_close(port);
}

static isle_send_port full_port;

static void *post_badly(void *unused)
{
    (void)unused;
    CHECK_ERR(isle_post(isle_send_port_none(), "i", 1), ISLE_EINVAL);
    CHECK_ERR(isle_post(full_port, "[i", 1), ISLE_EINVAL);
    CHECK_ERR(isle_post(full_port, "i", 1), ISLE_OK);
    CHECK_ERR(isle_post(full_port, "i", 2), ISLE_EFULL);
    return NULL;
}

TEST_ROOT(a_foreign_thread_is_told_what_is_wrong)
{
    isle_isolate isolate = isle_spawn(entry_nothing, isle_null(),
                                      &(isle_options){.paused = true, .mailbox_max_messages = 1});
    pthread_t thread;

    full_port = isolate.default_port;
    CHECK_INT(pthread_create(&thread, NULL, post_badly, NULL), 0);
    pthread_join(thread, NULL);
    isle_kill(isolate, ISLE_IMMEDIATE);
    settle();
}

/* --- the thread of the root, and a thread of one's own */

static pid_t thread_id(void)
{
    return (pid_t)syscall(SYS_gettid);
}

static pid_t home;
static int visits;

static void visit(void *context)
{
    (void)context;
    CHECK_INT(thread_id(), home);
    visits++;
}

static void visit_message(isle_value message, void *context)
{
    (void)message;
    visit(context);
    isle_sleep(ISLE_US(10));
    visit(context);
}

TEST_ROOT(the_roots_events_run_on_the_thread_of_main)
{
    isle_receive_port *port = isle_port_open();

    home = getpid();
    visit(NULL);
    isle_port_listen(port, visit_message, NULL);
    for (int i = 0; i < 10; i++) {
        isle_send(isle_port_send_port(port), isle_null());
        isle_timer_start(ISLE_US(i), visit, NULL);
        isle_schedule_microtask(visit, NULL);
        isle_then(isle_run(compute_nothing, isle_null(), NULL), visit_message, NULL, NULL);
        (void)isle_await(isle_run(compute_nothing, isle_null(), NULL));
        visit(NULL);
    }
    while (visits < 1 + 70)
        isle_sleep(ISLE_US(10));
    isle_port_close(port);
}

static void own_thread(isle_value root)
{
    pid_t mine = thread_id();
    isle_receive_port *port = isle_port_open();

    CHECK(mine != getpid());
    isle_send(isle_as_port(root), isle_port_value(port));
    for (int i = 0; i < 200; i++) {
        ISLE_SCOPE;
        (void)isle_port_receive(port);
        CHECK_INT(thread_id(), mine);
        isle_sleep(i % 10 == 0 ? ISLE_US(1) : 0);
        CHECK_INT(thread_id(), mine);
        isle_send(isle_as_port(root), isle_int(mine));
    }
    isle_port_close(port);
}

TEST_ROOT(an_isolate_with_its_own_thread_keeps_it_for_life)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port to[3];

    for (int i = 0; i < 3; i++) {
        isle_spawn(own_thread, isle_port_value(port), &(isle_options){.thread = ISLE_THREAD_OWN});
        to[i] = isle_as_port(isle_port_receive(port));
    }
    for (int round = 0; round < 200; round++) {
        ISLE_SCOPE;
        for (int i = 0; i < 3; i++)
            isle_send(to[i], isle_null());
        for (int i = 0; i < 3; i++)
            CHECK(receive_int(port) != home);
    }
    settle();
    isle_port_close(port);
}

/* --- start, stop, fork */

static void start_and_stop(void)
{
    isle_value value;

    CHECK_ERR(isle_start(0, NULL, NULL), ISLE_OK);
    isle_spawn(entry_nothing, isle_null(), NULL);
    isle_spawn(entry_nothing, isle_null(), &(isle_options){.paused = true});
    value = isle_await(isle_run(compute_nothing, isle_string("value"), NULL));
    CHECK_STRING(isle_as_string(value), "value");
    isle_timer_start(ISLE_SECONDS(1000), task_nothing, NULL);
    isle_stop();
}

TEST(a_program_starts_and_stops_a_thousand_times)
{
    int descriptors;

    start_and_stop();
    descriptors = open_descriptors();
    for (int64_t i = rounds(100, 1000, 10000); i > 0; i--)
        start_and_stop();
    CHECK_INT(open_descriptors(), descriptors);
}
TEST_TIMEOUT(a_program_starts_and_stops_a_thousand_times, 300);

static void forked(void (*in_child)(void))
{
    pid_t child = fork();
    int status;

    CHECK(child >= 0);
    if (child == 0) {
        in_child();
        _exit(0);
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
}

static void all_say_fork(void)
{
    check_asking(ISLE_EFORK);
    CHECK_ERR(isle_post(some_port, "i", 1), ISLE_EFORK);
    CHECK_ERR(isle_start(0, NULL, NULL), ISLE_EFORK);
}

TEST(every_call_in_a_forked_child_says_so)
{
    if (!strcmp(TEST_SANITIZER, "thread"))
        skip("the thread sanitizer does not let a program with threads fork");
    CHECK_ERR(isle_start(0, NULL, NULL), ISLE_OK);
    isle_spawn(entry_nothing, isle_null(), &(isle_options){.paused = true});
    forked(all_say_fork);
    CHECK_INT(isle_as_int(isle_await(isle_run(compute_nothing, isle_int(5), NULL))), 5);
    isle_stop();
}

static void insist_forked(void)
{
    insist(child_label());
    _exit(42);
}

TEST(insisting_calls_in_a_forked_child_end_it_by_name)
{
    if (!strcmp(TEST_SANITIZER, "thread"))
        skip("the thread sanitizer does not let a program with threads fork");
    if (child_label()) {
        CHECK_ERR(isle_start(0, NULL, NULL), ISLE_OK);
        if (fork() == 0)
            insist_forked();
        while (wait(NULL) < 0)
            ;
        isle_stop();
        _Exit(0);
    }
    check_insisting(__func__ + 6, "ISLE_EFORK", test_tier() == TEST_QUICK ? 9 : 1);
}
TEST_TIMEOUT(insisting_calls_in_a_forked_child_end_it_by_name, 120);

TEST_MAIN()
