/* SPDX-License-Identifier: Apache-2.0 */
/* Supervisors: who is started, ended and restarted, in which order, how often, and what is told of
 * it. The children are isolates on threads, or, in supervisors_process, in processes; the
 * supervisors are on threads. */
#include "supervisors_help.h"

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
TEST_ROOT(one_for_all_ends_the_others_in_reverse_and_starts_all_in_order)
{
    struct stage stage = stage_new();
    isle_send_port ports[3];

    begin(&stage, &all_of_three, ports, 3);
    for (int round = 0; round < 10; round++) {
        ISLE_SCOPE;
        failed(&stage, "b", ports[1]);
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
TEST_ROOT(rest_for_one_restarts_those_after_it)
{
    static const char *const bc[] = {"b", "c"};
    struct stage stage = stage_new();
    isle_send_port ports[3];

    begin(&stage, &rest_of_three, ports, 3);
    for (int round = 0; round < 10; round++) {
        ISLE_SCOPE;
        failed(&stage, "b", ports[1]);
        ended_by_request(&stage, "c");
        restarted(&stage, "b");
        restarted(&stage, "c");
        born_all(&stage, bc, ports + 1, 2);
    }
    failed(&stage, "c", ports[2]);
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

static void over_at_once(isle_value how)
{
    if (isle_as_bool(how))
        isle_throwf("at once");
}

static isle_value fails(void)
{
    return isle_bool(true);
}

static isle_value returns(void)
{
    return isle_bool(false);
}

static const isle_supervision hopeless = {
    .restart_max = 1,
    .children =
        (const isle_child[]){
            {.name = "a", .entry = over_at_once, .message = fails, .options = &there},
            {0},
        },
};

/* Though it may be over before it could be asked whether it stands. */
TEST_ROOT(a_child_that_fails_at_once_has_been_started)
{
    for (int i = 0; i < 10; i++) {
        struct stage stage = stage_new();
        isle_options options = {
            .debug_name = "shop", .on_error = errors, .monitor = isle_port_send_port(stage.ends)};

        stage.supervisor = isle_supervise_with(&hopeless, &options);
        isle_end end = isle_as_end(receive(stage.ends));
        CHECK_INT(end.reason, ISLE_FAILED);
        CHECK_STRING(end.text, "a: failed: at once; more than 1 restarts within 5 s");
        settle();
        finish(&stage);
    }
}

static const isle_supervision contented = {
    .restart_max = ISLE_NO_RESTARTS,
    .children =
        (const isle_child[]){
            {.name = "a",
             .entry = over_at_once,
             .message = returns,
             .options = &there,
             .restart = ISLE_TRANSIENT},
            {.name = "b",
             .entry = over_at_once,
             .message = returns,
             .options = &there,
             .restart = ISLE_TEMPORARY},
            {0},
        },
};

TEST_ROOT(a_transient_child_that_returns_at_once_is_not_restarted)
{
    for (int i = 0; i < 10; i++) {
        struct stage stage = stage_new();
        isle_options options = {
            .debug_name = "shop", .on_error = errors, .monitor = isle_port_send_port(stage.ends)};

        stage.supervisor = isle_supervise_with(&contented, &options);
        awaited(isle_supervisor_watch(stage.supervisor, isle_port_send_port(stage.watch)));
        while (info_of(&stage, 0).state != ISLE_CHILD_ENDED ||
               info_of(&stage, 1).state != ISLE_CHILD_ENDED)
            receive(stage.watch);
        CHECK_UINT(info_of(&stage, 0).restarts, 0);
        CHECK_INT(info_of(&stage, 0).reason, ISLE_RETURNED);
        isle_shutdown(stage.supervisor);
        CHECK_INT(isle_as_end(receive(stage.ends)).reason, ISLE_RETURNED);
        settle();
        finish(&stage);
    }
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

static const isle_options no_room = {.mailbox_max_bytes = 1};
static const isle_supervision deaf_below = {
    .children =
        (const isle_child[]){
            CHILD(.name = "a"),
            {.name = "inner", .supervision = &broken, .options = &no_room},
            {0},
        },
};

TEST_ROOT(a_supervisor_that_cannot_be_asked_is_a_failed_start)
{
    check_refused(&deaf_below, "Unable to spawn isolate: shop: inner: isle_call: the receiver's "
                               "mailbox is full");
}

static const isle_supervision *to_be_started;

static isle_value supervise_and_end(isle_value unused)
{
    (void)unused;
    isle_shutdown(isle_supervise(to_be_started, "shop"));
    return isle_null();
}

/* In an isolate whose mailbox has no room left. Returns the text of what the start throws. */
static isle_value supervise_without_room(isle_value unused)
{
    isle_receive_port *unread = isle_port_open();

    while (isle_try_send(isle_port_send_port(unread), isle_null()) == ISLE_OK)
        continue;
    isle_err err = isle_try(supervise_and_end, unused, NULL);
    return isle_string(err == ISLE_OK ? "started" : isle_error_text(isle_last_error()));
}

static void check_without_room(const isle_supervision *supervision, const char *text)
{
    struct stage stage = stage_new();
    isle_options options = {.mailbox_max_messages = 2};

    to_be_started = supervision;
    isle_future *told = (isle_run)(supervise_without_room, isle_null(), &options);
    CHECK_STRING(isle_as_string(awaited(told)), text);
    settle();
    finish(&stage);
}

static const isle_supervision tied_below = {
    .children = (const isle_child[]){{.name = "inner", .supervision = &three}, {0}}};

TEST_ROOT(a_start_is_told_to_who_has_no_room_in_its_mailbox)
{
    check_without_room(&three, "started");
    check_without_room(&tied_below, "started");
    check_without_room(&broken, "Unable to spawn isolate: shop: b: no paper");
    check_without_room(&broken_below, "Unable to spawn isolate: shop: inner: b: no paper");
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

/* A text has 160 bytes of a name and 256 of a reason. */
#define TEXT_15 "a long text of "
#define TEXT_255                                                                                   \
    TEXT_15 TEXT_15 TEXT_15 TEXT_15 TEXT_15 TEXT_15 TEXT_15 TEXT_15 TEXT_15 TEXT_15 TEXT_15        \
        TEXT_15 TEXT_15 TEXT_15 TEXT_15 TEXT_15 TEXT_15
#define NAME_159                                                                                   \
    TEXT_15 TEXT_15 TEXT_15 TEXT_15 TEXT_15 TEXT_15 TEXT_15 TEXT_15 TEXT_15 TEXT_15 "has a nib"

static isle_value no_short_message(void)
{
    isle_throwf(TEXT_255 "\xc3\xbc.");
}

static const isle_supervision wordy = {
    .children =
        (const isle_child[]){
            {.name = NAME_159 "\xc3\xbc", .entry = child, .message = no_short_message},
            {0},
        },
};

static void own_and_fail_at_length(isle_value ends)
{
    isle_options options = {.debug_name = "shop", .on_error = errors, .link = true};

    options.monitor = isle_as_port(ends);
    isle_supervise_with(&three, &options);
    isle_port_receive(isle_default_port());
    isle_throwf(TEXT_255 "\xc3\xbc.");
}

TEST_ROOT(a_long_text_of_why_is_cut_between_two_characters)
{
    struct stage stage = stage_new();
    isle_send_port ports[3];
    isle_options options = {.debug_name = "owner", .on_error = errors};

    isle_isolate owner =
        (isle_spawn)(own_and_fail_at_length, isle_port_value(stage.ends), &options);
    born_all(&stage, abc, ports, 3);
    isle_send(owner.default_port, isle_null());
    CHECK_STRING(ended(&stage).text, "owner: failed: " TEXT_255);
    finish(&stage);
    check_refused(&wordy, "Unable to spawn isolate: shop: " NAME_159 ": " TEXT_255);
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
