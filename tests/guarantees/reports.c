/* SPDX-License-Identifier: Apache-2.0 */
/* Crash reports: who gets one, what it says, and that nothing an isolate has or does makes it long,
 * slow, or impossible. The tests look inside the library where an allocation has to fail. */
#include "guarantees.h"
#include "platform/platform.h"

/* Before anything else of the program: an image that was executed to be a zygote stays here. */
__attribute__((constructor)) static void be_a_child(int argc, char **argv)
{
    (void)isle_child_main(argc, argv);
}

/* --- what was told: behind a lock, since any worker tells */

static struct {
    pthread_mutex_t lock;
    int count;
    size_t longest;
    char last[ISLE_REPORT_MAX];
} told = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void tell(const char *text, size_t size, void *context)
{
    (void)isle__memory_fail_at(0);
    CHECK_INT(strlen(text), size);
    CHECK(context == &told);
    pthread_mutex_lock(&told.lock);
    told.count++;
    if (size > told.longest)
        told.longest = size;
    memcpy(told.last, text, size + 1);
    pthread_mutex_unlock(&told.lock);
}

static int told_count(void)
{
    pthread_mutex_lock(&told.lock);
    int count = told.count;
    pthread_mutex_unlock(&told.lock);
    return count;
}

static void told_has(const char *text)
{
    test_count_check();
    if (strstr(told.last, text) == NULL)
        fail("the report does not have \"%s\" but: %s", text, told.last);
}

static void start(void)
{
    told.count = 0;
    told.longest = 0;
    told.last[0] = '\0';
    CHECK_ERR(isle_start(0, NULL, &(isle_program_options){.report = tell, .report_context = &told}),
              ISLE_OK);
}

/* Runs the entry until its monitor tells of it. */
static isle_reason run_to_the_end(isle_entry *entry, isle_value message, isle_options options)
{
    isle_receive_port *port = isle_port_open();

    options.monitor = isle_port_send_port(port);
    isle_spawn(entry, message, &options);
    isle_reason reason = isle_as_end(isle_port_receive(port)).reason;
    isle_port_close(port);
    return reason;
}

/* --- who gets one */

static void throwing(isle_value message)
{
    isle_throw(isle_error(ISLE_ERANGE, isle_as_string(message), "here\nand there"));
}

static void throw_text(isle_value message)
{
    isle_throwf("%s", isle_as_string(message));
}

static void returning(isle_value message)
{
    (void)message;
}

static void waiting(isle_value message)
{
    isle_send(isle_as_port(message), isle_null());
    (void)isle_port_receive(isle_default_port());
}

TEST(an_isolate_that_fails_is_reported_before_its_end_is_told)
{
    start();
    CHECK_INT(run_to_the_end(throwing, isle_string("no such number"),
                             (isle_options){.debug_name = "the counter"}),
              ISLE_FAILED);
    CHECK_INT(told_count(), 1);
    told_has("isolate: the counter (");
    told_has("reason: failed\n");
    told_has("error: no such number\n");
    told_has("stack:\n    here\n    and there\n");
    told_has("age: ");
    told_has("mailbox: 0 messages of 1048576");
    isle_stop();
    CHECK_INT(told_count(), 1);
}

TEST(one_without_options_and_listeners_is_reported_as_well)
{
    start();
    isle_spawn(throw_text, isle_string("alone"), NULL);
    settle();
    CHECK_INT(told_count(), 1);
    told_has("error: alone\n");
    isle_stop();
}

TEST(who_returns_or_is_killed_is_not_reported)
{
    start();
    isle_receive_port *port = isle_port_open();
    CHECK_INT(run_to_the_end(returning, isle_null(), (isle_options){0}), ISLE_RETURNED);
    isle_isolate isolate = isle_spawn(waiting, isle_port_value(port), NULL);
    (void)isle_port_receive(port);
    isle_kill(isolate, ISLE_IMMEDIATE);
    settle();
    isle_spawn(waiting, isle_port_value(port), NULL); /* the end of the program kills it */
    (void)isle_port_receive(port);
    isle_stop();
    CHECK_INT(told_count(), 0);
}

TEST(a_deadline_is_reported_with_what_the_code_waited_for)
{
    start();
    isle_receive_port *port = isle_port_open();
    CHECK_INT(
        run_to_the_end(waiting, isle_port_value(port), (isle_options){.deadline_ns = ISLE_MS(1)}),
        ISLE_DEADLINE);
    CHECK_INT(told_count(), 1);
    told_has("reason: deadline passed\n");
    isle_stop();
}

static isle_value compute_badly(isle_value argument)
{
    isle_throwf("computed %s", isle_as_string(argument));
}

TEST(a_computation_that_fails_is_reported)
{
    start();
    CHECK_ERR(
        isle_try_await(isle_run(compute_badly, isle_string("nonsense"), NULL), ISLE_FOREVER, NULL),
        ISLE_ETHROWN);
    settle();
    CHECK_INT(told_count(), 1);
    told_has("error: computed nonsense\n");
    isle_stop();
}

static void await_then_fail(isle_value message)
{
    isle_send(isle_as_port(message), isle_null());
    (void)isle_await(isle_future_new());
}

static void fail_now(isle_value message, void *context)
{
    (void)message, (void)context;
    isle_throwf("now");
}

static void never(void *context)
{
    (void)context;
}

static void fail_when_told(isle_value message)
{
    isle_port_listen(isle_default_port(), fail_now, NULL);
    isle_timer_start(ISLE_SECONDS(1000), never, NULL);
    await_then_fail(message);
}

TEST(ports_timers_and_waits_are_counted)
{
    start();
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate = isle_spawn(fail_when_told, isle_port_value(port), NULL);
    (void)isle_port_receive(port);
    isle_send(isolate.default_port, isle_null());
    settle();
    CHECK_INT(told_count(), 1);
    told_has("timers: 1\n");
    told_has("waits in: isle_await\n");
    told_has("ports: 1\n");
    told_has(" (default): listens, 0 waiting\n");
    isle_stop();
}

/* --- the bounds */

enum { LARGE = 10 << 20, MANY = 300000 };

static isle_value large_text(void)
{
    char *text = isle_alloc(LARGE + 1);

    memset(text, 'x', LARGE);
    isle_value value = isle_string_sized(text, LARGE);
    isle_free(text);
    return value;
}

static isle_value deep_list(int depth)
{
    isle_value list = isle_list();

    for (int i = 0; i < depth; i++) {
        isle_value outer = isle_list();
        for (int j = 0; j < 100; j++)
            isle_list_add(outer, list);
        list = outer;
    }
    return list;
}

/* One of each kind that may be sent, the first of them huge. */
static void send_each_kind(isle_send_port port)
{
    ISLE_SCOPE;
    isle_value map = isle_map(), set = isle_set(), cycle = isle_list();

    isle_send(port, large_text());
    isle_map_put(map, isle_string("key"), large_text());
    for (int i = 0; i < 1000; i++) {
        isle_map_put(map, isle_int(i), isle_double(0.5));
        isle_set_add(set, isle_int(INT64_MIN + i));
    }
    isle_list_add(cycle, cycle);
    isle_send(port, map);
    isle_send(port, set);
    isle_send(port, cycle);
    isle_send(port, deep_list(40));
    isle_send(port, isle_bytes(NULL, LARGE));
    isle_send(port, isle_bool(true));
    isle_send(port, isle_error(ISLE_ERANGE, "an error", NULL));
    isle_send(port, isle_freeze(large_text()));
    isle_send(port, isle_isolate_value(isle_current()));
    isle_send(port, isle_string("two\nlines\033[2J\302\233"));
    isle_send(port, isle_double(1.0 / 3));
}

static isle_isolate spawn_paused(isle_entry *entry, isle_value message, isle_send_port monitor)
{
    return isle_spawn(entry, message,
                      &(isle_options){.debug_name = "full",
                                      .paused = true,
                                      .mailbox_max_messages = 2 * MANY,
                                      .mailbox_max_bytes = ISLE_UNLIMITED,
                                      .monitor = monitor});
}

static void check_bounds(void)
{
    CHECK_INT(told_count(), 1);
    CHECK(told.longest < ISLE_REPORT_MAX);
    CHECK(told.longest < 32 * 1024);
}

TEST(a_report_of_a_huge_mailbox_stays_small)
{
    int many = *TEST_SANITIZER || isle_simulated() ? MANY / 100 : MANY;
    char count[64];

    start();
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate =
        spawn_paused(throw_text, isle_string("drowned"), isle_port_send_port(port));
    send_each_kind(isolate.default_port);
    for (int i = 0; i < many; i++)
        isle_send(isolate.default_port, isle_int(i));
    isle_resume(isolate, isolate.pause_capability);
    CHECK_INT(isle_as_end(isle_port_receive(port)).reason, ISLE_FAILED);
    check_bounds();
    snprintf(count, sizeof count, "mailbox: %d messages of %d", many + 12, 2 * MANY);
    told_has(count);
    isle_stop();
}

TEST(messages_of_each_kind_are_cut_short)
{
    start();
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate =
        spawn_paused(throw_text, isle_string("drowned"), isle_port_send_port(port));
    send_each_kind(isolate.default_port);
    isle_resume(isolate, isolate.pause_capability);
    CHECK_INT(isle_as_end(isle_port_receive(port)).reason, ISLE_FAILED);
    check_bounds();
    told_has("bytes: \"xxxxxxxx");
    told_has("x…\" (10485760 bytes)\n");
    told_has("bytes: {\"key\": \"xxx");
    told_has(", 0: 0.5, 1: 0.5, 2: 0.5… (1001 elements)}\n");
    told_has("bytes: {-9223372036854775808, ");
    told_has("bytes: [[[… (1 elements)]]]\n");
    told_has("10485760 bytes: 00000000000000000000000000000000…\n");
    told_has("bytes: true\n");
    told_has("bytes: ISLE_ERANGE \"an error\"\n");
    told_has("bytes: isolate\n");
    told_has("bytes: \"two?lines?[2J?\"\n");
    told_has("bytes: 0.333333\n");
    isle_stop();
}

static void throw_large(isle_value message)
{
    isle_value text = large_text();

    (void)message;
    isle_throw(isle_error(ISLE_ETHROWN, isle_as_string(text), isle_as_string(text)));
}

TEST(a_huge_error_is_cut)
{
    start();
    CHECK_INT(run_to_the_end(throw_large, isle_null(), (isle_options){0}), ISLE_FAILED);
    check_bounds();
    told_has("error: xxxx");
    told_has("x…\n");
    isle_spawn(throw_large, isle_null(), NULL);
    settle();
    CHECK_INT(told_count(), 2);
    CHECK(told.longest < 32 * 1024);
    isle_stop();
}

static void open_ports_and_fail(isle_value message)
{
    for (int i = 0; i < 10000; i++)
        (void)isle_port_open();
    isle_throw(message);
}

TEST(one_with_many_ports_is_reported_in_short)
{
    start();
    CHECK_INT(run_to_the_end(open_ports_and_fail, isle_string("many"), (isle_options){0}),
              ISLE_FAILED);
    check_bounds();
    told_has("ports: 4096 or more\n");
    isle_stop();
}

TEST(nobody_forges_the_lines_of_a_report)
{
    start();
    CHECK_INT(run_to_the_end(throw_text, isle_string("x\nreason: returned\n\033[2J"),
                             (isle_options){.debug_name = "a\nreason: returned"}),
              ISLE_FAILED);
    CHECK(strstr(told.last, "\nreason: returned") == NULL);
    CHECK(strstr(told.last, "\033") == NULL);
    told_has("isolate: a?reason: returned (");
    told_has("error: x?reason: returned??[2J\n");
    isle_stop();
}

/* --- without memory */

static void throw_without_memory(isle_value message)
{
    uint64_t nth = (uint64_t)isle_as_int(message);
    isle_value error = isle_error(ISLE_ERANGE, "in need", "there");

    (void)isle__memory_fail_at(nth);
    isle_throw(error);
}

TEST(a_report_is_made_without_memory)
{
    start();
    for (int nth = 1; nth < 40; nth++) {
        isle_spawn(throw_without_memory, isle_int(nth), NULL);
        settle();
        CHECK_INT(told_count(), nth);
        told_has("isle: crash report\n");
        told_has("mailbox: ");
    }
    told_has("error: in need\n");
    isle_stop();
}

static void use_up_memory(isle_value message)
{
    (void)message;
    for (;;)
        isle_keep(large_text());
}

TEST(one_that_ran_out_of_memory_is_reported)
{
    start();
    CHECK_INT(run_to_the_end(use_up_memory, isle_null(), (isle_options){.memory_max = 64 << 20}),
              ISLE_MEMORY);
    CHECK_INT(told_count(), 1);
    told_has("reason: out of memory\n");
    told_has(", 67108864 allowed with the mailbox\n");
    isle_stop();
}

TEST(reports_leave_nothing_behind)
{
    start();
    settle();
    uint64_t held = memory_held();
    for (int i = 0; i < 100; i++) {
        ISLE_SCOPE;
        isle_spawn(throwing, isle_string("again"), NULL);
        settle();
    }
    CHECK_INT(told_count(), 100);
    CHECK(memory_returns_to(held));
    isle_stop();
}

/* --- the environment, and another backend */

static int crash_aside(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_spawn(throwing, isle_string("told by the environment"),
               &(isle_options){.debug_name = "aside"});
    settle();
    return 4;
}

TEST(the_environment_asks_for_reports)
{
    char path[] = "/tmp/isle-reports-XXXXXX", text[ISLE_REPORT_MAX];
    struct child child;

    if (child_label()) {
        CHECK_INT(setenv("ISLE_REPORT", child_label(), 1), 0);
        exit(isle_main(0, NULL, crash_aside));
    }
    child = child_run(__func__ + 6, "-");
    child_exited(&child, 4);
    child_wrote(&child, "isolate: aside (");
    child_wrote(&child, "error: told by the environment\n");
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    for (int i = 0; i < 2; i++) {
        child = child_run(__func__ + 6, path);
        child_exited(&child, 4);
        CHECK(strstr(child.output, "crash report") == NULL);
    }
    ssize_t size = read(fd, text, sizeof text - 1);
    CHECK(size > 0);
    text[size] = '\0';
    char *first = strstr(text, "isle: crash report\n");
    CHECK(first == text && strstr(first + 1, "isle: crash report\n") != NULL);
    CHECK_INT(close(fd), 0);
    CHECK_INT(unlink(path), 0);
    child = child_run(__func__ + 6, "/nowhere/at/all");
    child_exited(&child, 255);
    child_wrote(&child, "cannot start");
}

static void crash(isle_value message)
{
    isle_send(isle_as_port(message), isle_null());
    (void)isle_port_receive(isle_default_port());
    raise(SIGSEGV);
}

TEST(a_crash_behind_the_wall_is_reported)
{
    start();
    isle_receive_port *port = isle_port_open();
    isle_receive_port *end = isle_port_open();
    isle_isolate isolate;
    isle_err err = isle_try_spawn(crash, isle_port_value(port),
                                  &(isle_options){.debug_name = "far away",
                                                  .backend = ISLE_PROCESS,
                                                  .monitor = isle_port_send_port(end)},
                                  &isolate);
    if (err == ISLE_EUNSUPPORTED || err == ISLE_ESPAWN)
        skip("no processes here");
    CHECK_ERR(err, ISLE_OK);
    (void)isle_port_receive(port);
    isle_send(isolate.default_port, isle_null());
    CHECK_INT(isle_as_end(isle_port_receive(end)).reason, ISLE_SIGNALED);
    CHECK_INT(told_count(), 1);
    told_has("isolate: far away (");
    told_has("in a process)\n");
    told_has("reason: crashed\nerror: SIGSEGV");
    isle_stop();
}

TEST_MAIN()
