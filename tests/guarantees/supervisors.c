/* SPDX-License-Identifier: Apache-2.0 */
/* Supervisors: who is started, ended and restarted, in which order, how often, and what is told of
 * it. The children are isolates on threads, or, in supervisors_process, in processes; the
 * supervisors are on threads.
 *
 * What happened is known from the supervisor's watch, which tells the changes of its children's
 * states in the order in which they took place. */
#include "guarantees.h"

#ifdef GUARANTEES_PROCESS
#define BACKEND ISLE_PROCESS
#else
#define BACKEND ISLE_THREAD
#endif

/* --- children, and what they are told to do */

static isle_send_port births; /* gets the default port of each child, with its name */
static isle_send_port errors; /* else each would be written to stderr */
static isle_options there = {.backend = BACKEND}, here;

static void on_order(isle_value order, void *context)
{
    const char *what = isle_as_string(order);

    (void)context;
    if (strcmp(what, "fail") == 0)
        isle_throwf("told to fail");
    if (strcmp(what, "return") == 0)
        isle_exit(isle_send_port_none(), isle_null());
    if (strcmp(what, "crash") == 0)
        raise(SIGSEGV);
    if (strcmp(what, "spin") == 0)
        for (;;)
            isle_checkpoint();
}

static void child(isle_value message)
{
    isle_receive_port *port = isle_port_open();

    isle_port_listen(port, on_order, NULL);
    isle_send(isle_as_port(message),
              isle_pack("[s,p]", isle_debug_name(), isle_port_send_port(port)));
}

static isle_value child_message(void)
{
    return isle_port(births);
}

static isle_value no_message(void)
{
    isle_throwf("no paper");
}

/* --- what the tests are given */

enum { PATIENCE_S = 30 };

struct stage {
    isle_receive_port *births, *errors, *watch, *ends;
    isle_isolate supervisor;
};

static struct stage stage_new(void)
{
    struct stage stage = {isle_port_open(),
                          isle_port_open(),
                          isle_port_open(),
                          isle_port_open(),
                          {.control_port = isle_send_port_none()}};

    births = isle_port_send_port(stage.births);
    errors = isle_port_send_port(stage.errors);
    there.on_error = here.on_error = errors;
    return stage;
}

static isle_value receive(isle_receive_port *port)
{
    isle_value message;

    if (isle_port_try_receive(port, ISLE_SECONDS(PATIENCE_S), &message) != ISLE_OK)
        fail("nothing came within %d s", PATIENCE_S);
    return message;
}

static isle_value awaited(isle_future *future)
{
    isle_value value;

    if (isle_try_await(future, ISLE_SECONDS(PATIENCE_S), &value) != ISLE_OK)
        fail("await: %s", isle_error_text(isle_last_error()));
    return value;
}

/* The next child that began. */
static isle_send_port born(const struct stage *stage, const char *name)
{
    isle_send_port port;
    const char *got;

    isle_unpack(receive(stage->births), "[s,p]", &got, &port);
    CHECK_STRING(got, name);
    return port;
}

/* So many children that began, in any order: those at ports[i] have the name names[i]. */
static void born_all(const struct stage *stage, const char *const *names, isle_send_port *ports,
                     int count)
{
    for (int i = 0; i < count; i++) {
        isle_send_port port;
        const char *got;
        int at = 0;

        isle_unpack(receive(stage->births), "[s,p]", &got, &port);
        while (at < count && strcmp(names[at], got) != 0)
            at++;
        CHECK(at < count);
        ports[at] = port;
    }
}

static const char *const abc[] = {"a", "b", "c"};

static void begin(struct stage *stage, const isle_supervision *supervision, isle_send_port *ports,
                  int count)
{
    isle_options options = {
        .debug_name = "shop", .on_error = errors, .monitor = isle_port_send_port(stage->ends)};

    stage->supervisor = isle_supervise_with(supervision, &options);
    awaited(isle_supervisor_watch(stage->supervisor, isle_port_send_port(stage->watch)));
    if (ports)
        born_all(stage, abc, ports, count);
}

static isle_child_info changed(const struct stage *stage, const char *name, isle_child_state state)
{
    isle_child_info info = isle_as_child_info(receive(stage->watch));

    if (strcmp(info.name, name) != 0 || info.state != state)
        fail("%s is %s (%s), expected %s to be %s", info.name, isle_child_state_text(info.state),
             info.text, name, isle_child_state_text(state));
    test_count_check();
    return info;
}

static isle_child_info info_of(const struct stage *stage, size_t index)
{
    return isle_as_child_info(
        isle_list_get(awaited(isle_supervisor_children(stage->supervisor)), index));
}

static isle_end ended(const struct stage *stage)
{
    return isle_as_end(receive(stage->ends));
}

/* Ends the supervisor, and nothing is left. */
static void finish(struct stage *stage)
{
    isle_kill(stage->supervisor, ISLE_IMMEDIATE);
    settle();
    isle_port_close(stage->births);
    isle_port_close(stage->errors);
    isle_port_close(stage->watch);
    isle_port_close(stage->ends);
}

#define CHILD(...)                                                                                 \
    {                                                                                              \
        .entry = child, .message = child_message, .options = &there, __VA_ARGS__                   \
    }
#define THREE                                                                                      \
    (const isle_child[])                                                                           \
    {                                                                                              \
        CHILD(.name = "a"), CHILD(.name = "b"), CHILD(.name = "c"),                                \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/* --- the list */

static const isle_supervision three = {.restart_max = 1000, .children = THREE};

TEST_ROOT(children_are_listed_in_the_order_of_the_table)
{
    struct stage stage = stage_new();
    isle_send_port ports[3];

    begin(&stage, &three, ports, 3);
    isle_value children = awaited(isle_supervisor_children(stage.supervisor));
    CHECK_UINT(isle_count(children), 3);
    for (size_t i = 0; i < 3; i++) {
        isle_child_info info = isle_as_child_info(isle_list_get(children, i));

        CHECK_STRING(info.name, abc[i]);
        CHECK_INT(info.state, ISLE_CHILD_RUNNING);
        CHECK(!isle_send_port_is_none(info.isolate.control_port));
        CHECK(isle_capability_equal(info.isolate.terminate_capability, (isle_capability){0}));
        CHECK_UINT(info.restarts, 0);
        CHECK(!info.has_ended);
        CHECK_STRING(info.text, "");
    }
    finish(&stage);
}

/* --- strategies */

TEST_ROOT(one_for_one_restarts_who_failed_and_nobody_else)
{
    struct stage stage = stage_new();
    isle_send_port ports[3];

    begin(&stage, &three, ports, 3);
    for (uint64_t round = 1; round <= 20; round++) {
        ISLE_SCOPE;
        isle_send(ports[1], isle_string("fail"));
        isle_child_info info = changed(&stage, "b", ISLE_CHILD_ENDED);
        CHECK_INT(info.reason, ISLE_FAILED);
        CHECK_STRING(info.text, "told to fail");
        CHECK(isle_send_port_is_none(info.isolate.control_port));
        changed(&stage, "b", ISLE_CHILD_WAITING);
        changed(&stage, "b", ISLE_CHILD_STARTING);
        info = changed(&stage, "b", ISLE_CHILD_RUNNING);
        CHECK_UINT(info.restarts, round);
        CHECK(info.has_ended);
        ports[1] = born(&stage, "b");
    }
    CHECK_UINT(info_of(&stage, 0).restarts, 0);
    CHECK_UINT(info_of(&stage, 2).restarts, 0);
    finish(&stage);
}

static void restarted(const struct stage *stage, const char *name)
{
    changed(stage, name, ISLE_CHILD_STARTING);
    changed(stage, name, ISLE_CHILD_RUNNING);
}

static void ended_by_request(const struct stage *stage, const char *name)
{
    changed(stage, name, ISLE_CHILD_ENDING);
    changed(stage, name, ISLE_CHILD_ENDED);
    changed(stage, name, ISLE_CHILD_WAITING);
}

static const isle_supervision all_of_three = {
    .strategy = ISLE_ONE_FOR_ALL, .restart_max = 1000, .children = THREE};

TEST_ROOT(one_for_all_ends_the_others_in_reverse_and_starts_all_in_order)
{
    struct stage stage = stage_new();
    isle_send_port ports[3];

    begin(&stage, &all_of_three, ports, 3);
    for (int round = 0; round < 10; round++) {
        ISLE_SCOPE;
        isle_send(ports[1], isle_string("fail"));
        changed(&stage, "b", ISLE_CHILD_ENDED);
        changed(&stage, "b", ISLE_CHILD_WAITING);
        ended_by_request(&stage, "c");
        ended_by_request(&stage, "a");
        for (int i = 0; i < 3; i++)
            restarted(&stage, abc[i]);
        born_all(&stage, abc, ports, 3);
    }
    CHECK_UINT(info_of(&stage, 0).restarts, 0); /* it was b that failed */
    CHECK_UINT(info_of(&stage, 1).restarts, 10);
    finish(&stage);
}

static const isle_supervision rest_of_three = {
    .strategy = ISLE_REST_FOR_ONE, .restart_max = 1000, .children = THREE};

TEST_ROOT(rest_for_one_restarts_those_after_it)
{
    static const char *const bc[] = {"b", "c"};
    struct stage stage = stage_new();
    isle_send_port ports[3];

    begin(&stage, &rest_of_three, ports, 3);
    for (int round = 0; round < 10; round++) {
        ISLE_SCOPE;
        isle_send(ports[1], isle_string("fail"));
        changed(&stage, "b", ISLE_CHILD_ENDED);
        changed(&stage, "b", ISLE_CHILD_WAITING);
        ended_by_request(&stage, "c");
        restarted(&stage, "b");
        restarted(&stage, "c");
        born_all(&stage, bc, ports + 1, 2);
    }
    isle_send(ports[2], isle_string("fail"));
    changed(&stage, "c", ISLE_CHILD_ENDED);
    changed(&stage, "c", ISLE_CHILD_WAITING);
    restarted(&stage, "c");
    finish(&stage);
}

/* --- permanent, transient, temporary */

static const isle_supervision kinds = {
    .restart_max = 1000,
    .children =
        (const isle_child[]){
            CHILD(.name = "a", .restart = ISLE_PERMANENT),
            CHILD(.name = "b", .restart = ISLE_TRANSIENT),
            CHILD(.name = "c", .restart = ISLE_TEMPORARY),
            {0},
        },
};

static void check_restart(const struct stage *stage, isle_send_port *port, const char *name,
                          const char *order, bool restarts)
{
    isle_send(*port, isle_string(order));
    CHECK_INT(changed(stage, name, ISLE_CHILD_ENDED).reason,
              strcmp(order, "fail") == 0 ? ISLE_FAILED : ISLE_RETURNED);
    if (!restarts)
        return;
    changed(stage, name, ISLE_CHILD_WAITING);
    restarted(stage, name);
    *port = born(stage, name);
}

TEST_ROOT(a_reason_decides_who_is_started_again)
{
    struct stage stage = stage_new();
    isle_send_port ports[3];

    begin(&stage, &kinds, ports, 3);
    check_restart(&stage, &ports[0], "a", "fail", true);
    check_restart(&stage, &ports[0], "a", "return", true);
    check_restart(&stage, &ports[1], "b", "fail", true);
    check_restart(&stage, &ports[1], "b", "return", false);
    check_restart(&stage, &ports[2], "c", "fail", false);
    CHECK_UINT(isle_count(awaited(isle_supervisor_children(stage.supervisor))), 3);
    CHECK_INT(info_of(&stage, 1).state, ISLE_CHILD_ENDED);
    CHECK_INT(info_of(&stage, 1).reason, ISLE_RETURNED);
    CHECK_INT(info_of(&stage, 2).state, ISLE_CHILD_ENDED);
    finish(&stage);
}

/* --- how often */

static const isle_supervision few = {
    .restart_max = 3, .restart_window_ns = ISLE_SECONDS(1000), .children = THREE};

TEST_ROOT(too_many_restarts_end_the_children_and_then_the_supervisor)
{
    struct stage stage = stage_new();
    isle_send_port ports[3];

    begin(&stage, &few, ports, 3);
    for (int i = 0; i < 3; i++)
        check_restart(&stage, &ports[i], abc[i], "fail", true);
    isle_send(ports[1], isle_string("fail"));
    changed(&stage, "b", ISLE_CHILD_ENDED);
    changed(&stage, "c", ISLE_CHILD_ENDING);
    changed(&stage, "c", ISLE_CHILD_ENDED);
    changed(&stage, "a", ISLE_CHILD_ENDING);
    changed(&stage, "a", ISLE_CHILD_ENDED);
    isle_end end = ended(&stage);
    CHECK_INT(end.reason, ISLE_FAILED);
    CHECK_STRING(end.text, "b: failed: told to fail; more than 3 restarts within 1000 s");
    CHECK_STRING(end.debug_name, "shop");
    finish(&stage);
}

static const isle_supervision never = {.restart_max = ISLE_NO_RESTARTS, .children = THREE};

TEST_ROOT(a_supervisor_may_allow_no_restart_at_all)
{
    struct stage stage = stage_new();
    isle_send_port ports[3];

    begin(&stage, &never, ports, 3);
    isle_send(ports[0], isle_string("return"));
    CHECK_STRING(ended(&stage).text, "a: returned; more than 0 restarts within 5 s");
    finish(&stage);
}

static const isle_supervision patient = {
    .restart_max = 1000,
    .backoff_ns = ISLE_MS(8),
    .backoff_max_ns = ISLE_MS(20),
    .children = (const isle_child[]){CHILD(.name = "a"), {0}},
};

TEST_ROOT(the_back_off_is_doubled_up_to_its_cap)
{
    static const int at_least_ms[] = {0, 8, 16, 20, 20, 20};
    struct stage stage = stage_new();
    isle_send_port port;

    begin(&stage, &patient, &port, 1);
    for (size_t i = 0; i < sizeof at_least_ms / sizeof at_least_ms[0]; i++) {
        ISLE_SCOPE;
        int64_t began = isle_now_ns();

        check_restart(&stage, &port, "a", "fail", true);
        CHECK(isle_now_ns() - began >= ISLE_MS(at_least_ms[i]));
    }
    finish(&stage);
}

/* --- a start that fails */

static const isle_supervision broken = {
    .children =
        (const isle_child[]){
            CHILD(.name = "a"),
            {.name = "b", .entry = child, .message = no_message},
            CHILD(.name = "c"),
            {0},
        },
};

static isle_value supervise(isle_value supervision)
{
    isle_supervise(isle_as_pointer(supervision), "shop");
    return isle_null();
}

/* With that text, and nothing is left. */
static void check_refused(const isle_supervision *supervision, const char *text)
{
    struct stage stage = stage_new();

    CHECK_ERR(isle_try(supervise, isle_pointer((void *)(uintptr_t)supervision), NULL), ISLE_ESPAWN);
    CHECK_STRING(isle_error_text(isle_last_error()), text);
    settle();
    finish(&stage);
}

TEST_ROOT(a_failed_start_is_told_and_the_earlier_children_end)
{
    check_refused(&broken, "Unable to spawn isolate: shop: b: no paper");
}

static const isle_supervision no_file = {
    .children =
        (const isle_child[]){
            CHILD(.name = "a"),
            {.name = "b", .uri = "/there/is/no/such.so", .options = &there},
            {0},
        },
};

TEST_ROOT(a_file_that_is_missing_is_told)
{
    struct stage stage = stage_new();

    CHECK_ERR(isle_try(supervise, isle_pointer((void *)(uintptr_t)&no_file), NULL), ISLE_ESPAWN);
    const char *text = isle_error_text(isle_last_error()),
               *head = "Unable to spawn isolate: shop: b: ";
    CHECK(strncmp(text, head, strlen(head)) == 0);
    CHECK(strstr(text, "/there/is/no/such.so") != NULL);
    finish(&stage);
}

static const isle_supervision broken_below = {
    .children =
        (const isle_child[]){
            CHILD(.name = "a"),
            {.name = "inner", .supervision = &broken},
            CHILD(.name = "c"),
            {0},
        },
};

TEST_ROOT(a_failed_start_below_is_told_with_the_way_to_it)
{
    check_refused(&broken_below, "Unable to spawn isolate: shop: inner: b: no paper");
}

static const isle_supervision twice = {
    .children = (const isle_child[]){CHILD(.name = "a"), CHILD(.name = "a"), {0}}};
static const isle_supervision nothing = {.children = (const isle_child[]){{.name = "a"}, {0}}};
static const isle_supervision both = {
    .children = (const isle_child[]){CHILD(.name = "a", .uri = "x.so"), {0}}};
static const isle_options walled = {.backend = ISLE_PROCESS};
static const isle_supervision outside = {
    .children =
        (const isle_child[]){{.name = "a", .supervision = &three, .options = &walled}, {0}}};

TEST_ROOT(a_table_that_is_none_is_refused)
{
    check_refused(&twice, "Unable to spawn isolate: shop: a: there is a child of that name");
    check_refused(&nothing, "Unable to spawn isolate: shop: a: a child is one of .entry, .uri and "
                            ".supervision, not none");
    check_refused(&both, "Unable to spawn isolate: shop: a: a child is one of .entry, .uri and "
                         ".supervision, not several");
    check_refused(&outside, "Unable to spawn isolate: shop: a: a supervisor runs on threads");
    CHECK_ERR(isle_try(supervise, isle_pointer(NULL), NULL), ISLE_EINVAL);
}

/* --- trees */

static const isle_supervision pair = {
    .strategy = ISLE_ONE_FOR_ALL,
    .restart_max = 1,
    .restart_window_ns = ISLE_SECONDS(1000),
    .children = (const isle_child[]){CHILD(.name = "b1"), CHILD(.name = "b2"), {0}},
};
static const isle_supervision tree = {
    .restart_max = 1000,
    .children =
        (const isle_child[]){
            CHILD(.name = "a"),
            {.name = "b", .supervision = &pair, .options = &here},
            CHILD(.name = "c"),
            {0},
        },
};
static const char *const leaves[] = {"a", "b1", "b2", "c"};

TEST_ROOT(a_supervisor_below_that_gives_up_is_restarted_with_its_children)
{
    static const char *const below[] = {"b1", "b2"};
    struct stage stage = stage_new();
    isle_send_port ports[4];

    begin(&stage, &tree, NULL, 0);
    born_all(&stage, leaves, ports, 4);
    for (uint64_t round = 1; round <= 5; round++) {
        ISLE_SCOPE;
        isle_send(ports[1], isle_string("fail"));
        born_all(&stage, below, ports + 1, 2);
        CHECK(port_is_empty(stage.watch));
        isle_send(ports[2], isle_string("fail"));
        isle_child_info info = changed(&stage, "b", ISLE_CHILD_ENDED);
        CHECK_INT(info.reason, ISLE_FAILED);
        CHECK_STRING(info.text, "b2: failed: told to fail; more than 1 restarts within 1000 s");
        changed(&stage, "b", ISLE_CHILD_WAITING);
        restarted(&stage, "b");
        born_all(&stage, below, ports + 1, 2);
        CHECK_UINT(info_of(&stage, 1).restarts, round);
    }
    finish(&stage);
}

TEST_ROOT(a_request_to_end_ends_the_tree_in_the_reverse_order)
{
    struct stage stage = stage_new();
    isle_send_port ports[4];

    begin(&stage, &tree, NULL, 0);
    born_all(&stage, leaves, ports, 4);
    isle_shutdown(stage.supervisor);
    for (int i = 2; i >= 0; i--) {
        changed(&stage, abc[i], ISLE_CHILD_ENDING);
        CHECK_INT(changed(&stage, abc[i], ISLE_CHILD_ENDED).reason, ISLE_RETURNED);
    }
    CHECK_INT(ended(&stage).reason, ISLE_RETURNED);
    finish(&stage);
}

TEST_ROOT(a_killed_supervisor_leaves_nobody_behind)
{
    for (int64_t round = rounds(20, 200, 2000); round > 0; round--) {
        ISLE_SCOPE;
        struct stage stage = stage_new();
        isle_send_port ports[4];

        begin(&stage, &tree, NULL, 0);
        if (round % 2 == 0)
            born_all(&stage, leaves, ports, 4);
        isle_kill(stage.supervisor, round % 4 < 2 ? ISLE_IMMEDIATE : ISLE_BEFORE_NEXT_EVENT);
        CHECK_INT(ended(&stage).reason, ISLE_KILLED);
        finish(&stage); /* waits until the root is alone */
    }
}

static void supervise_and_kill(isle_value unused)
{
    (void)unused;
    isle_kill(isle_supervise(&tree, "shop"), ISLE_IMMEDIATE);
}

TEST_ROOT(who_is_killed_while_it_waits_for_a_supervisor_leaves_nobody_behind)
{
    for (int64_t round = rounds(20, 200, 2000); round > 0; round--) {
        ISLE_SCOPE;
        struct stage stage = stage_new();
        isle_isolate who = (isle_spawn)(supervise_and_kill, isle_null(), NULL);

        for (int64_t i = 0; i < round % 5; i++)
            isle_sleep(0);
        isle_kill(who, ISLE_IMMEDIATE);
        finish(&stage);
    }
}

static void own_and_fail(isle_value ends)
{
    isle_options options = {.debug_name = "shop", .on_error = errors, .link = true};

    options.monitor = isle_as_port(ends);
    isle_supervise_with(&tree, &options);
    isle_port_receive(isle_default_port());
    isle_throwf("the owner failed");
}

TEST_ROOT(a_supervisor_that_is_linked_ends_its_children_and_fails_with_the_other)
{
    struct stage stage = stage_new();
    isle_send_port ports[4];
    isle_options options = {.debug_name = "owner", .on_error = errors};

    isle_isolate owner = (isle_spawn)(own_and_fail, isle_port_value(stage.ends), &options);
    born_all(&stage, leaves, ports, 4);
    isle_send(owner.default_port, isle_null());
    isle_end end = ended(&stage);
    CHECK_INT(end.reason, ISLE_FAILED);
    CHECK_STRING(end.text, "owner: failed: the owner failed");
    finish(&stage);
}

/* --- who does not end when asked */

static const isle_supervision stubborn = {
    .restart_max = 1000,
    .children =
        (const isle_child[]){
            CHILD(.name = "a", .shutdown_ns = ISLE_MS(1)),
            CHILD(.name = "b", .shutdown_ns = ISLE_SHUTDOWN_KILL),
            CHILD(.name = "c", .shutdown_ns = ISLE_FOREVER),
            {0},
        },
};

TEST_ROOT(who_does_not_end_in_time_is_killed)
{
    struct stage stage = stage_new();
    isle_send_port ports[3];

    begin(&stage, &stubborn, ports, 3);
    isle_send(ports[0], isle_string("spin"));
    isle_send(ports[1], isle_string("spin"));
    isle_shutdown(stage.supervisor);
    changed(&stage, "c", ISLE_CHILD_ENDING);
    CHECK_INT(changed(&stage, "c", ISLE_CHILD_ENDED).reason, ISLE_RETURNED);
    changed(&stage, "b", ISLE_CHILD_ENDING);
    CHECK_INT(changed(&stage, "b", ISLE_CHILD_ENDED).reason, ISLE_KILLED);
    changed(&stage, "a", ISLE_CHILD_ENDING);
    changed(&stage, "a", ISLE_CHILD_ENDED); /* it may have been asked before it spun */
    CHECK_INT(ended(&stage).reason, ISLE_RETURNED);
    finish(&stage);
}

static sem_t blocked, released;

static void block(isle_value unused)
{
    (void)unused;
    sem_post(&blocked);
    semaphore_wait(&released);
}

static const isle_supervision blocking = {
    .children =
        (const isle_child[]){
            CHILD(.name = "a"),
            {.name = "b", .entry = block, .shutdown_ns = ISLE_SHUTDOWN_KILL},
            {0},
        },
};

TEST_ROOT(who_does_not_even_end_when_killed_is_given_up_and_named)
{
    struct stage stage = stage_new();

    needs_shared_program();
    sem_init(&blocked, 0, 0);
    sem_init(&released, 0, 0);
    begin(&stage, &blocking, NULL, 0);
    semaphore_wait(&blocked);
    isle_shutdown(stage.supervisor);
    changed(&stage, "b", ISLE_CHILD_ENDING);
    changed(&stage, "b", ISLE_CHILD_STUCK);
    changed(&stage, "a", ISLE_CHILD_ENDING);
    changed(&stage, "a", ISLE_CHILD_ENDED);
    isle_end end = ended(&stage);
    CHECK_INT(end.reason, ISLE_FAILED);
    CHECK_STRING(end.text, "b: was killed and does not end");
    sem_post(&released);
    finish(&stage);
}
TEST_WAITS(who_does_not_even_end_when_killed_is_given_up_and_named);

/* --- children that come and go */

static const isle_supervision empty = {.restart_max = 1000};

static isle_isolate added(const struct stage *stage, const isle_child *row)
{
    return isle_as_isolate(awaited(isle_supervisor_add(stage->supervisor, row, isle_port(births))));
}

TEST_ROOT(a_child_that_is_added_is_the_last_and_goes_when_it_is_over)
{
    const isle_child row = {
        .name = "d", .entry = child, .options = &there, .restart = ISLE_TRANSIENT};
    struct stage stage = stage_new();
    isle_send_port ports[3], port;

    begin(&stage, &rest_of_three, ports, 3);
    isle_isolate isolate = added(&stage, &row);
    changed(&stage, "d", ISLE_CHILD_STARTING);
    changed(&stage, "d", ISLE_CHILD_RUNNING);
    port = born(&stage, "d");
    CHECK(isle_send_port_equal(info_of(&stage, 3).isolate.control_port, isolate.control_port));
    check_restart(&stage, &port, "d", "fail", true);
    isle_send(ports[2], isle_string("fail")); /* d was started after it */
    changed(&stage, "c", ISLE_CHILD_ENDED);
    changed(&stage, "c", ISLE_CHILD_WAITING);
    ended_by_request(&stage, "d");
    restarted(&stage, "c");
    restarted(&stage, "d");
    static const char *const cd[] = {"c", "d"};
    born_all(&stage, cd, ports + 1, 2);
    isle_send(ports[2], isle_string("return"));
    changed(&stage, "d", ISLE_CHILD_ENDED);
    CHECK_UINT(isle_count(awaited(isle_supervisor_children(stage.supervisor))), 3);
    finish(&stage);
}

static void check_fails(isle_future *future, isle_err code, const char *text)
{
    isle_value value;

    CHECK_ERR(isle_try_await(future, ISLE_SECONDS(PATIENCE_S), &value), code);
    CHECK_STRING(isle_error_text(isle_last_error()), text);
}

/* It keeps what it is given until it ends. */
static void holder(isle_value message)
{
    isle_receive_port *port = isle_port_open();

    isle_keep(isle_list_get(message, 1));
    isle_port_listen(port, on_order, NULL);
    isle_send(isle_as_port(isle_list_get(message, 0)),
              isle_pack("[s,p]", isle_debug_name(), isle_port_send_port(port)));
}

TEST_ROOT(what_a_temporary_child_is_given_is_its_own)
{
    const isle_child row = {
        .name = "d", .entry = holder, .options = &there, .restart = ISLE_TEMPORARY};
    struct stage stage = stage_new();
    char byte;
    int ends[2];

    CHECK_INT(pipe(ends), 0);
    begin(&stage, &empty, NULL, 0);
    {
        ISLE_SCOPE;
        isle_value message = isle_pack("[p,o]", births, isle_resource(ends[1]));
        awaited(isle_supervisor_add(stage.supervisor, &row, message));
    }
    isle_send(born(&stage, "d"), isle_string("return"));
    awaited(isle_fd_wait(ends[0], ISLE_READABLE)); /* nobody has the other end any more */
    CHECK_INT(read(ends[0], &byte, 1), 0);
    close(ends[0]);
    finish(&stage);
}

TEST_ROOT(what_cannot_be_added_is_told)
{
    const isle_child a = {.name = "a", .entry = child},
                     no = {.name = "d", .entry = child, .message = no_message},
                     none = {.name = "e"};
    struct stage stage = stage_new();
    isle_send_port ports[3];

    begin(&stage, &three, ports, 3);
    check_fails(isle_supervisor_add(stage.supervisor, &a, isle_null()), ISLE_EUSED,
                "a: there is a child of that name");
    check_fails(isle_supervisor_add(stage.supervisor, &no, isle_null()), ISLE_ESPAWN, "no paper");
    check_fails(isle_supervisor_add(stage.supervisor, &none, isle_null()), ISLE_EINVAL,
                "e: a child is one of .entry, .uri and .supervision, not none");
    CHECK_UINT(isle_count(awaited(isle_supervisor_children(stage.supervisor))), 3);
    isle_shutdown(stage.supervisor);
    CHECK_INT(ended(&stage).reason, ISLE_RETURNED);
    check_fails(isle_supervisor_add(stage.supervisor, &no, isle_null()), ISLE_ECLOSED, "closed");
    finish(&stage);
}

TEST_ROOT(children_are_ended_and_started_again_by_name)
{
    struct stage stage = stage_new();
    isle_send_port ports[3];

    begin(&stage, &all_of_three, ports, 3);
    check_null(awaited(isle_supervisor_end(stage.supervisor, "b")));
    changed(&stage, "b", ISLE_CHILD_ENDING);
    changed(&stage, "b", ISLE_CHILD_ENDED);
    check_null(awaited(isle_supervisor_end(stage.supervisor, "b")));
    CHECK_INT(info_of(&stage, 1).state, ISLE_CHILD_ENDED);
    isle_send(ports[0], isle_string("fail")); /* all but b */
    changed(&stage, "a", ISLE_CHILD_ENDED);
    changed(&stage, "a", ISLE_CHILD_WAITING);
    ended_by_request(&stage, "c");
    restarted(&stage, "a");
    restarted(&stage, "c");
    (void)isle_as_isolate(awaited(isle_supervisor_restart(stage.supervisor, "b")));
    changed(&stage, "b", ISLE_CHILD_WAITING);
    restarted(&stage, "b");
    (void)isle_as_isolate(awaited(isle_supervisor_restart(stage.supervisor, "b")));
    changed(&stage, "b", ISLE_CHILD_ENDING);
    changed(&stage, "b", ISLE_CHILD_ENDED);
    changed(&stage, "b", ISLE_CHILD_WAITING);
    restarted(&stage, "b");
    CHECK_UINT(info_of(&stage, 1).restarts, 0);
    check_fails(isle_supervisor_end(stage.supervisor, "z"), ISLE_EINVAL, "there is no child \"z\"");
    finish(&stage);
}

TEST_ROOT(thousands_of_children_come_and_go)
{
    int64_t many = rounds(BACKEND == ISLE_THREAD ? 2000 : 20, BACKEND == ISLE_THREAD ? 10000 : 40,
                          BACKEND == ISLE_THREAD ? 50000 : 60);
    const isle_child row = {.entry = child, .options = &there, .restart = ISLE_TEMPORARY};
    struct stage stage = stage_new();

    stage.supervisor = isle_supervise(&empty, "shop");
    for (int64_t i = 0; i < many; i++) {
        ISLE_SCOPE;
        added(&stage, &row);
    }
    CHECK_INT(isle_count(awaited(isle_supervisor_children(stage.supervisor))), many);
    for (int64_t i = 0; i < many; i++) {
        ISLE_SCOPE;
        isle_value told = receive(stage.births);
        isle_send_port port = isle_as_port(isle_list_get(told, 1));

        CHECK(strncmp(isle_as_string(isle_list_get(told, 0)), "child-", 6) == 0);
        if (i % 2 == 0)
            isle_send(port, isle_string("return"));
    }
    while ((int64_t)isle_count(isle_await(isle_supervisor_children(stage.supervisor))) > many / 2) {
        ISLE_SCOPE;
        isle_sleep(ISLE_MS(1));
    }
    isle_shutdown(stage.supervisor);
    finish(&stage);
}
TEST_TIMEOUT(thousands_of_children_come_and_go, 120);

/* --- who may ask for what */

TEST_ROOT(a_handle_without_the_capability_lists_and_no_more)
{
    static const char text[] = "the handle of the supervisor lacks its terminate_capability";
    const isle_child row = {.name = "d", .entry = child, .options = &there};
    struct stage stage = stage_new();
    isle_send_port ports[3];

    begin(&stage, &three, ports, 3);
    isle_isolate weak = stage.supervisor;
    weak.terminate_capability = (isle_capability){0};
    CHECK_UINT(isle_count(awaited(isle_supervisor_children(weak))), 3);
    check_fails(isle_supervisor_add(weak, &row, isle_null()), ISLE_EINVAL, text);
    check_fails(isle_supervisor_end(weak, "a"), ISLE_EINVAL, text);
    check_fails(isle_supervisor_restart(weak, "a"), ISLE_EINVAL, text);
    check_fails(isle_supervisor_watch(weak, births), ISLE_EINVAL, text);
    CHECK_INT(info_of(&stage, 0).state, ISLE_CHILD_RUNNING);
    CHECK(port_is_empty(stage.watch));
    finish(&stage);
}

#ifdef GUARANTEES_PROCESS
static isle_value add_from_inside(isle_value supervisor)
{
    const isle_child row = {.name = "d", .entry = child};

    return isle_await(isle_supervisor_add(isle_as_isolate(supervisor), &row, isle_null()));
}
#endif

/* With the whole handle: it may do all but name code, and what is no request harms nobody. */
static void pester(isle_value message)
{
    isle_value handle, out, value;

    isle_unpack(message, "[o,o!]", &handle, &out);
    isle_isolate supervisor = isle_as_isolate(handle);
    isle_value shapes[] = {isle_null(),
                           isle_int(3),
                           isle_list(),
                           isle_map(),
                           isle_string("end"),
                           isle_pack("[i,o,o]", 2, isle_string("x"),
                                     isle_capability_value(supervisor.terminate_capability)),
                           isle_pack("[i,o,o]", 77, isle_null(),
                                     isle_capability_value(supervisor.terminate_capability)),
                           isle_pack("[i,o,o]", 3, isle_int(1),
                                     isle_capability_value(supervisor.terminate_capability))};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        isle_send(supervisor.default_port, shapes[i]);
        value = isle_await(isle_call(supervisor.default_port, shapes[i], ISLE_FOREVER));
        CHECK_INT(isle_kind_of(value), ISLE_ERROR);
    }
    CHECK_UINT(isle_count(isle_await(isle_supervisor_children(supervisor))), 3);
    check_null(isle_await(isle_supervisor_end(supervisor, "a")));
#ifdef GUARANTEES_PROCESS
    CHECK_ERR(isle_try(add_from_inside, handle, NULL), ISLE_EUNSENDABLE);
    CHECK_ERR(isle_try(supervise, isle_pointer((void *)(uintptr_t)&three), NULL),
              ISLE_EUNSUPPORTED);
#endif
    isle_send(isle_as_port(out), isle_string("well"));
}

TEST_ROOT(what_is_no_request_harms_no_supervisor)
{
    struct stage stage = stage_new();
    isle_send_port ports[3];
    isle_receive_port *out = isle_port_open();

    begin(&stage, &three, ports, 3);
    isle_spawn(pester,
               isle_pack("[o,o]", isle_isolate_value(stage.supervisor), isle_port_value(out)),
               &(isle_options){.on_error = isle_port_send_port(out)});
    CHECK_STRING(isle_as_string(receive(out)), "well");
    changed(&stage, "a", ISLE_CHILD_ENDING);
    changed(&stage, "a", ISLE_CHILD_ENDED);
    CHECK_INT(info_of(&stage, 1).state, ISLE_CHILD_RUNNING);
    isle_port_close(out);
    finish(&stage);
}

/* --- a wall's ends */

TEST_ROOT(a_crash_is_a_reason_like_any)
{
#ifndef GUARANTEES_PROCESS
    skip("a crash on threads is the whole program's");
#else
    struct stage stage = stage_new();
    isle_send_port ports[3];

    begin(&stage, &three, ports, 3);
    for (int round = 0; round < 3; round++) {
        ISLE_SCOPE;
        isle_send(ports[1], isle_string("crash"));
        isle_child_info info = changed(&stage, "b", ISLE_CHILD_ENDED);
        CHECK_INT(info.reason, ISLE_SIGNALED);
        CHECK_STRING(info.text, "SIGSEGV");
        changed(&stage, "b", ISLE_CHILD_WAITING);
        restarted(&stage, "b");
        ports[1] = born(&stage, "b");
    }
    finish(&stage);
#endif
}

TEST_MAIN()
