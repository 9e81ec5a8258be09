/* SPDX-License-Identifier: Apache-2.0 */
/* The orderly end of a service, under many seeds and with faults (seeds.h). A service hands
 * requests to workers of a group and acknowledges them; clients ask; in the middle it is asked to
 * end: it takes nothing more and closes its group, which lets workers finish what they have, unless
 * one of them does not listen and the time is over. What must hold: all that was acknowledged was
 * done where all listen and nobody is killed; the service ends, in its time, and nobody is left. */
#include "seeds.h"

enum { CLIENTS = 3, REQUESTS = 8, WORKERS = 3, ALL = CLIENTS * REQUESTS };

static bool acknowledged[ALL], done[ALL];
static bool is_patient, is_one_deaf; /* the service waits for all; a worker does not listen */
static uint64_t acknowledged_count;
static int64_t asked_at, grace;
static isle_options quiet;

/* --- a worker finishes what came before the request to end */

struct hands {
    int running; /* handlers that wait, while others run */
    bool is_last;
};
ISLE_LOCAL(struct hands, hands);

static void do_one(isle_value number, void *context)
{
    (void)context;
    hands()->is_last |= isle_is_null(number);
    if (!isle_is_null(number)) {
        hands()->running++;
        if (chance(2) == 0)
            isle_sleep((int64_t)chance(100000));
        done[isle_as_int(number)] = true;
        hands()->running--;
    }
    if (hands()->is_last && hands()->running == 0)
        isle_exit(isle_send_port_none(), isle_null());
}

static void finish(void *context)
{
    (void)context;
    isle_send(isle_current().default_port, isle_null());
}

static void stay(void *context)
{
    (void)context;
}

static void worker(isle_value message)
{
    bool is_deaf = isle_as_bool(isle_list_get(message, 0));

    isle_on_shutdown(is_deaf ? stay : finish, NULL);
    isle_port_listen(isle_default_port(), do_one, NULL);
    isle_send(isle_as_port(isle_list_get(message, 1)), isle_null());
}

/* --- the service */

struct service {
    isle_group *group;
    isle_send_port workers[WORKERS];
    bool is_ending;
};

static isle_value take(isle_value number, void *context)
{
    struct service *service = context;
    uint64_t to = chance(WORKERS);

    look_at_memory(4 << 20);
    if (service->is_ending)
        isle_throwf("no more");
    isle_send(service->workers[to], number);
    acknowledged[isle_as_int(number)] = true;
    acknowledged_count++;
    return number;
}

static void drain(void *context)
{
    struct service *service = context;
    isle_err err;

    service->is_ending = true;
    err = isle_group_close(service->group);
    CHECK(err == ISLE_OK || faults.alloc > 0);
    CHECK(is_patient || isle_now_ns() - asked_at <= grace + ISLE_SECONDS(8));
    isle_exit(isle_send_port_none(), isle_null());
}

/* Who is asked to end before it begins never begins: so it is waited for. */
static void spawn_workers(struct service *service)
{
    isle_receive_port *ready = isle_port_open();

    for (int i = 0; i < WORKERS; i++) {
        isle_value message = isle_pack("[b,o]", is_one_deaf && i == 0, isle_port_value(ready));

        service->workers[i] =
            isle_group_spawn(service->group, worker, message, &quiet).default_port;
        (void)!isle_port_try_receive(ready, ISLE_SECONDS(1), NULL);
    }
    isle_port_close(ready);
}

static void service_entry(isle_value message)
{
    struct service *service = isle_alloc(sizeof *service);

    (void)message;
    *service = (struct service){.group = isle_group_open(&(isle_group_options){
                                    .shutdown_ns = is_patient ? ISLE_FOREVER : grace})};
    spawn_workers(service);
    isle_on_shutdown(drain, service);
    isle_port_serve(isle_default_port(), take, service);
    (void)isle_port_receive(isle_port_open()); /* the group is of this scope */
}

/* --- clients, and the root */

static void client(isle_value message)
{
    int64_t who = isle_as_int(isle_list_get(message, 0));
    isle_send_port to = isle_as_port(isle_list_get(message, 1));

    for (int64_t i = 0; i < REQUESTS; i++) {
        ISLE_SCOPE;
        isle_future *reply = isle_call(to, isle_int(who * REQUESTS + i), ISLE_FOREVER);

        (void)!isle_try_await(reply, ISLE_FOREVER, NULL);
        isle_sleep((int64_t)chance(50000));
    }
}

static void play(isle_isolate service)
{
    for (int64_t i = 0; i < CLIENTS; i++) {
        isle_value message = isle_pack("[i,p]", i, service.default_port);

        (void)!isle_try_spawn(client, message, &quiet, NULL);
    }
    for (uint64_t i = 0, enough = chance(ALL); i < 1000 && acknowledged_count < enough; i++)
        isle_sleep(ISLE_US(5));
    asked_at = isle_now_ns();
    isle_shutdown(service);
}

static int app(int argc, char **argv)
{
    isle_receive_port *errors = isle_port_open();
    isle_isolate service;
    bool is_sure = faults.kill == 0 && faults.alloc == 0 && faults.full == 0;

    (void)argc, (void)argv;
    memset(acknowledged, 0, sizeof acknowledged);
    memset(done, 0, sizeof done);
    acknowledged_count = 0;
    is_one_deaf = chance(3) == 0;
    is_patient = !is_one_deaf && chance(2) == 0;
    grace = is_one_deaf ? (int64_t)chance(1000000) : ISLE_SECONDS(30);
    quiet = (isle_options){.on_error = isle_port_send_port(errors), .mailbox_max_messages = 60};
    if (isle_try_spawn(service_entry, isle_null(), &quiet, &service) == ISLE_OK)
        play(service);
    end_of_all();
    for (int i = 0; i < ALL && is_sure && !is_one_deaf; i++)
        CHECK(done[i] || !acknowledged[i]);
    whole++;
    isle_port_close(errors);
    return 0;
}

TEST(services_that_are_asked_to_end)
{
    under_seeds(app);
}
TEST_TIMEOUT(services_that_are_asked_to_end, 120);

TEST_MAIN()
