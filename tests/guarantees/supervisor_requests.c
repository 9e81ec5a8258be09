/* SPDX-License-Identifier: Apache-2.0 */
/* What supervisors are asked for: their children, to add, end or restart one, by who may. On
 * threads and in processes, as supervisors.c. */
#include "supervisors_help.h"

/* --- the list */
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
    failed(&stage, "c", ports[2]); /* d was started after it */
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
    failed(&stage, "a", ports[0]); /* all but b */
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

/* There are 64 places. */
TEST_ROOT(a_watcher_that_is_gone_leaves_its_place)
{
    enum { PLACES = 64 };
    struct stage stage = stage_new();
    isle_send_port ports[3];

    begin(&stage, &three, ports, 3);
    for (int round = 0; round < 3; round++) {
        isle_receive_port *watchers[PLACES];
        for (int i = 1; i < PLACES; i++) {
            watchers[i] = isle_port_open();
            awaited(isle_supervisor_watch(stage.supervisor, isle_port_send_port(watchers[i])));
        }
        check_fails(isle_supervisor_watch(stage.supervisor, births), ISLE_ERANGE,
                    "a supervisor has 64 watchers at most");
        for (int i = 2; i < PLACES; i++)
            isle_port_close(watchers[i]);
        awaited(isle_supervisor_end(stage.supervisor, "a"));
        awaited(isle_supervisor_restart(stage.supervisor, "a"));
        CHECK_STRING(isle_as_child_info(receive(watchers[1])).name, "a");
        awaited(isle_supervisor_unwatch(stage.supervisor, isle_port_send_port(watchers[1])));
        isle_port_close(watchers[1]);
        (void)born(&stage, "a");
    }
    while (!port_is_empty(stage.watch))
        ;
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
TEST_MAIN()
