/* SPDX-License-Identifier: Apache-2.0 */
/* Groups and the deadlines of calls, under many seeds and with faults (seeds.h). A group with a
 * deadline or without gets members that return, throw, wait, listen to requests to end or do not,
 * calls and timers, and another group; then it is waited for, closed, cancelled, or its scope left.
 * What must hold: no member lives and no timer ticks when it is over; members are asked newest
 * first, each when the newer have ended; it is over by its deadline and the time to end; it tells
 * of a failure if a member failed, and of none if none did; and who serves a call knows until when
 * the caller waits. */
#include "seeds.h"

enum { MEMBERS = 6 };
enum kind { RETURNS, THROWS, WAITS, LISTENS, DEAF, CALLS, KINDS };

static int living[MEMBERS];       /* of the group, and one of it is its newest last */
static bool has_failed, may_fail; /* a member; or a call */
static bool is_together;          /* asked all at once */
static bool is_open;              /* the group */
static bool is_left;              /* its scope: all that is there is killed at once */
static bool has_ticked_late;
static int64_t ends_by; /* virtual; ISLE_FOREVER: nobody knows */
static isle_isolate server;
static isle_options quiet;

/* --- who serves: it knows the deadline, and what it waits for ends by then */

static isle_value serve(isle_value until, void *context)
{
    int64_t deadline = isle_call_deadline();
    isle_err err;

    (void)context;
    CHECK(deadline != ISLE_FOREVER);
    CHECK(deadline >= isle_as_int(until) - ISLE_MS(1));
    switch (chance(4)) {
    case 0:
        isle_sleep((int64_t)chance(300000));
        break;
    case 1:
        may_fail = true;
        isle_throwf("asked for nothing");
    case 2:
        err = isle_try_await(isle_future_new(), ISLE_FOREVER, NULL);
        if (err == ISLE_ENOMEM && faults.alloc > 0)
            break;
        CHECK_ERR(err, ISLE_ETIMEDOUT);
        CHECK(isle_now_ns() >= deadline && isle_now_ns() <= deadline + ISLE_SECONDS(3));
        break;
    default:
        break;
    }
    return until;
}

static void server_entry(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), serve, NULL);
}

static void ignore(isle_value value, void *context)
{
    (void)value, (void)context;
}

/* A group that has begun to end does not take it. */
static isle_future *call_server(void)
{
    int64_t most = (int64_t)(100000 + chance(500000));
    isle_future *call = isle_call(server.default_port, isle_int(isle_now_ns() + most), most);

    isle_then(call, ignore, ignore, NULL);
    return call;
}

/* --- members */

static void is_over(void *number)
{
    living[(uintptr_t)number]--;
}

static void check_that_newer_are_over(uintptr_t number)
{
    for (uintptr_t i = number + 1; i < MEMBERS && !is_together && !is_left; i++)
        CHECK_INT(living[i], 0);
}

static void listens(void *number)
{
    check_that_newer_are_over((uintptr_t)number);
    if (chance(2) == 0)
        isle_sleep((int64_t)chance(100000));
    isle_exit(isle_send_port_none(), isle_null());
}

static void is_deaf(void *number)
{
    check_that_newer_are_over((uintptr_t)number);
}

static void member(isle_value message)
{
    int64_t number, kind;
    void *context;

    isle_unpack(message, "[i,i!]", &number, &kind);
    context = (void *)(intptr_t)number;
    isle_port_on_drop(isle_default_port(), is_over, context);
    living[number]++;
    if (kind == LISTENS)
        isle_on_shutdown(listens, context);
    if (kind == DEAF)
        isle_on_shutdown(is_deaf, context);
    if (kind == THROWS || kind == RETURNS)
        isle_sleep((int64_t)chance(200000));
    if (kind == THROWS) {
        has_failed = may_fail = true;
        isle_throwf("member");
    }
    if (kind != RETURNS)
        (void)isle_port_receive(isle_default_port());
}

static void tick(void *context)
{
    (void)context;
    has_ticked_late |= !is_open;
}

static void add_member(isle_group *group, int number)
{
    int64_t kind = (int64_t)chance(KINDS);

    if (kind == CALLS)
        (void)isle_group_own(group, call_server());
    else
        isle_group_spawn(group, member, isle_pack("[i,i]", (int64_t)number, kind), &quiet);
    if (chance(3) == 0)
        isle_group_periodic(group, (int64_t)(1 + chance(50000)), tick, NULL);
}

static void note_that_it_is_left(void *context)
{
    (void)context;
    is_left = true;
}

static isle_group *open_inside(isle_group *group)
{
    isle_group_options options = {
        .parent = group, .together = is_together, .shutdown_ns = ISLE_SECONDS(20)};

    group = isle_group_open(&options);
    isle_defer(note_that_it_is_left, NULL);
    return group;
}

/* Those of a group inside are newer than what is older in the group around it. */
static void add_members(isle_group *group)
{
    int count = 1 + (int)chance(MEMBERS - 1);

    for (int i = 0; i < count; i++) {
        if (i == 3 && chance(2) == 0)
            group = open_inside(group);
        add_member(group, i);
        if (chance(4) == 0)
            isle_sleep((int64_t)chance(100000));
    }
}

/* --- one group */

static isle_group *open_group(void)
{
    isle_group_options options = {
        .keep_going = chance(3) == 0,
        .together = is_together,
        .deadline_ns = chance(2) == 0 ? (int64_t)(1 + chance(1000000)) : 0,
        .shutdown_ns = ISLE_MS(1 + (int64_t)chance(20)),
    };
    int64_t now = isle_now_ns();

    ends_by =
        options.deadline_ns > 0 ? now + options.deadline_ns + options.shutdown_ns : ISLE_FOREVER;
    is_open = true;
    return isle_group_open(&options);
}

/* Nobody is told to end but by the group, so those that wait are there until it ends. */
static void check_result(isle_err err)
{
    if (nothing_fails() && (err == ISLE_EREMOTE || err == ISLE_ETHROWN))
        CHECK(may_fail);
    if (err == ISLE_OK && faults.kill == 0)
        CHECK(!has_failed);
}

static int living_members(void)
{
    int count = 0;

    for (int i = 0; i < MEMBERS; i++)
        count += living[i];
    return count;
}

static void end_group(isle_group *group)
{
    isle_err err;

    switch (ends_by == ISLE_FOREVER ? 1 + chance(3) : chance(4)) {
    case 0:
        check_result(isle_group_wait(group));
        break;
    case 1:
        err = isle_group_close(group);
        if (err != ISLE_OK && faults.alloc > 0)
            return;
        CHECK_ERR(err, ISLE_OK);
        break;
    case 2:
        isle_group_cancel(group);
        CHECK(isle_group_wait(group) != ISLE_OK);
        break;
    default:
        return; /* its scope is left */
    }
    /* As late as the clock is, some times. */
    CHECK(isle_now_ns() <= ends_by || isle_now_ns() - ends_by <= ISLE_SECONDS(8));
    CHECK_INT(living_members(), 0);
    whole++;
}

static isle_value play(isle_value unused)
{
    isle_group *group = open_group();

    (void)unused;
    isle_defer(note_that_it_is_left, NULL);
    add_members(group);
    look_at_memory(4 << 20);
    end_group(group);
    return isle_null();
}

/* What was killed with its scope ends on its own. */
static void check_that_members_end(void)
{
    int64_t until = isle_now_ns() + ISLE_SECONDS(3600);

    is_open = false;
    while (living_members() > 0 && isle_now_ns() < until)
        isle_sleep(ISLE_MS(1));
    CHECK_INT(living_members(), 0);
    CHECK(!has_ticked_late);
}

static void round_of(void)
{
    isle_err err;

    has_failed = may_fail = is_left = false;
    is_together = chance(4) == 0;
    err = isle_try(play, isle_null(), NULL);
    if (nothing_fails() && err != ISLE_ECLOSED) /* a group that ends takes no member */
        CHECK_ERR(err, ISLE_OK);
    check_that_members_end();
}

static int app(int argc, char **argv)
{
    isle_receive_port *errors = isle_port_open();

    (void)argc, (void)argv;
    memset(living, 0, sizeof living);
    has_ticked_late = false;
    quiet = (isle_options){.on_error = isle_port_send_port(errors), .mailbox_max_messages = 50};
    if (isle_try_spawn(server_entry, isle_null(), &quiet, &server) == ISLE_OK) {
        for (int i = 0; i < 3; i++)
            round_of();
        isle_kill(server, ISLE_IMMEDIATE);
    }
    end_of_all();
    isle_port_close(errors);
    return 0;
}

TEST(groups_and_deadlines)
{
    under_seeds(app);
}
TEST_TIMEOUT(groups_and_deadlines, 120);

TEST_MAIN()
