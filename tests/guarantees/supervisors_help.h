/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of supervisors share: children that say that they began and do what they are told,
 * and a stage on which it is known what happened: from the supervisor's watch, which tells the
 * changes of its children's states in the order in which they took place. */
#ifndef SUPERVISORS_HELP_H
#define SUPERVISORS_HELP_H

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

static inline void on_order(isle_value order, void *context)
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

static inline void child(isle_value message)
{
    isle_receive_port *port = isle_port_open();

    isle_port_listen(port, on_order, NULL);
    isle_send(isle_as_port(message),
              isle_pack("[s,p]", isle_debug_name(), isle_port_send_port(port)));
}

static inline isle_value child_message(void)
{
    return isle_port(births);
}

static inline isle_value no_message(void)
{
    isle_throwf("no paper");
}

/* --- what the tests are given */

enum { PATIENCE_S = 30 };

struct stage {
    isle_receive_port *births, *errors, *watch, *ends;
    isle_isolate supervisor;
};

static inline struct stage stage_new(void)
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

static inline isle_value receive(isle_receive_port *port)
{
    isle_value message;

    if (isle_port_try_receive(port, ISLE_SECONDS(PATIENCE_S), &message) != ISLE_OK)
        fail("nothing came within %d s", PATIENCE_S);
    return message;
}

static inline isle_value awaited(isle_future *future)
{
    isle_value value;

    if (isle_try_await(future, ISLE_SECONDS(PATIENCE_S), &value) != ISLE_OK)
        fail("await: %s", isle_error_text(isle_last_error()));
    return value;
}

/* The next child that began. */
static inline isle_send_port born(const struct stage *stage, const char *name)
{
    isle_send_port port;
    const char *got;

    isle_unpack(receive(stage->births), "[s,p]", &got, &port);
    CHECK_STRING(got, name);
    return port;
}

/* So many children that began, in any order: those at ports[i] have the name names[i]. */
static inline void born_all(const struct stage *stage, const char *const *names,
                            isle_send_port *ports, int count)
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

static inline void begin(struct stage *stage, const isle_supervision *supervision,
                         isle_send_port *ports, int count)
{
    isle_options options = {
        .debug_name = "shop", .on_error = errors, .monitor = isle_port_send_port(stage->ends)};

    stage->supervisor = isle_supervise_with(supervision, &options);
    awaited(isle_supervisor_watch(stage->supervisor, isle_port_send_port(stage->watch)));
    if (ports)
        born_all(stage, abc, ports, count);
}

static inline isle_child_info changed(const struct stage *stage, const char *name,
                                      isle_child_state state)
{
    isle_child_info info = isle_as_child_info(receive(stage->watch));

    if (strcmp(info.name, name) != 0 || info.state != state)
        fail("%s is %s (%s), expected %s to be %s", info.name, isle_child_state_text(info.state),
             info.text, name, isle_child_state_text(state));
    test_count_check();
    return info;
}

static inline isle_child_info info_of(const struct stage *stage, size_t index)
{
    return isle_as_child_info(
        isle_list_get(awaited(isle_supervisor_children(stage->supervisor)), index));
}

static inline isle_end ended(const struct stage *stage)
{
    return isle_as_end(receive(stage->ends));
}

/* Ends the supervisor, and nothing is left. */
static inline void finish(struct stage *stage)
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

static const isle_supervision three = {.restart_max = 1000, .children = THREE};
static const isle_supervision all_of_three = {
    .strategy = ISLE_ONE_FOR_ALL, .restart_max = 1000, .children = THREE};
static const isle_supervision rest_of_three = {
    .strategy = ISLE_REST_FOR_ONE, .restart_max = 1000, .children = THREE};

/* --- what happens again and again */

/* Told to fail, it has ended, and waits for its next start. */
static inline void failed(const struct stage *stage, const char *name, isle_send_port port)
{
    isle_send(port, isle_string("fail"));
    CHECK_INT(changed(stage, name, ISLE_CHILD_ENDED).reason, ISLE_FAILED);
    changed(stage, name, ISLE_CHILD_WAITING);
}

static inline void restarted(const struct stage *stage, const char *name)
{
    changed(stage, name, ISLE_CHILD_STARTING);
    changed(stage, name, ISLE_CHILD_RUNNING);
}

static inline void ended_by_request(const struct stage *stage, const char *name)
{
    changed(stage, name, ISLE_CHILD_ENDING);
    changed(stage, name, ISLE_CHILD_ENDED);
    changed(stage, name, ISLE_CHILD_WAITING);
}

static inline void check_restart(const struct stage *stage, isle_send_port *port, const char *name,
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

static inline isle_value supervise(isle_value supervision)
{
    isle_supervise(isle_as_pointer(supervision), "shop");
    return isle_null();
}

#endif
