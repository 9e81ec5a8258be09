/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance: many isolates at once, some of them blocked (ideas of section 5.3). */
#include "conformance.h"

#include <fcntl.h>
#include <unistd.h>

/* limited_active_mutator: a thousand isolates that each build a tree; none starves. */
enum { TREES = 1000, TREE_HEIGHT = 10, TREE_SUM = 1023 };

static isle_value tree_build(int height)
{
    isle_value left, right;

    if (height == 1)
        return isle_pack("[i,n,n]", 1);
    left = tree_build(height - 1);
    right = tree_build(height - 1);
    return isle_pack("[i,o,o]", 1, left, right);
}

static int64_t tree_sum(isle_value tree)
{
    if (isle_is_null(tree))
        return 0;
    return isle_as_int(isle_list_get(tree, 0)) + tree_sum(isle_list_get(tree, 1)) +
           tree_sum(isle_list_get(tree, 2));
}

static void tree_child(isle_value root)
{
    isle_send(isle_as_port(root), isle_int(tree_sum(tree_build(TREE_HEIGHT))));
}

TEST_ROOT(limited_active_mutator)
{
    isle_receive_port *port = isle_port_open();

    for (int i = 0; i < TREES; i++)
        spawn(tree_child, isle_port_value(port), NULL);
    for (int i = 0; i < TREES; i++)
        CHECK_INT(receive_int(port), TREE_SUM);
    isle_port_close(port);
}

/* many_isolates_blocked: twenty isolates that block their threads stop nobody else. They are told
 * to go on by a byte in a pipe each. */
enum { BLOCKED = 20 };

static void blocked_child(isle_value message)
{
    int fd;
    isle_send_port to;
    char byte = 0;

    isle_unpack(message, "[i,p!]", &fd, &to);
    isle_send(to, isle_string("blocks"));
    if (read(fd, &byte, 1) == 1)
        isle_send(to, isle_int(byte));
}

TEST_ROOT(many_isolates_blocked)
{
    isle_receive_port *port = isle_port_open();
    struct echo target;
    int ends[2];

    needs_shared_program(); /* the descriptor's number means the same on both sides */
    CHECK_INT(pipe(ends), 0);
    for (int i = 0; i < BLOCKED; i++)
        spawn(blocked_child, isle_pack("[i,p]", ends[0], isle_port_send_port(port)), NULL);
    for (int i = 0; i < BLOCKED; i++)
        CHECK_STRING(isle_as_string(isle_port_receive(port)), "blocks");
    target = echo_start(NULL);
    for (int64_t i = 1; i < 1000; i++) {
        ISLE_SCOPE;

        CHECK_INT(isle_as_int(echo_round(&target, isle_int(i))), i);
    }
    echo_stop(&target);
    CHECK(port_is_empty(port));
    for (int i = 0; i < BLOCKED; i++)
        CHECK_INT(write(ends[1], "b", 1), 1);
    for (int i = 0; i < BLOCKED; i++)
        CHECK_INT(receive_int(port), 'b');
    close(ends[0]);
    close(ends[1]);
    isle_port_close(port);
}
TEST_TIMEOUT(many_isolates_blocked, 60);

/* A loop that never asks for anything stops nobody either. It ends when the pipe is closed, which
 * it sees without waiting and without a call of Isle. */
static void busy_child(isle_value message)
{
    int fd;
    isle_send_port to;
    char byte;

    isle_unpack(message, "[i,p!]", &fd, &to);
    isle_send(to, isle_string("computes"));
    while (read(fd, &byte, 1) < 0)
        for (volatile int i = 0; i < 1000; i++)
            continue;
}

TEST_ROOT(many_isolates_busy)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.on_exit = isle_port_send_port(port)};
    struct echo target;
    int ends[2];

    needs_shared_program();
    CHECK_INT(pipe(ends), 0);
    CHECK_INT(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    for (int i = 0; i < 8; i++)
        spawn(busy_child, isle_pack("[i,p]", ends[0], isle_port_send_port(port)), &options);
    for (int i = 0; i < 8; i++)
        CHECK_STRING(isle_as_string(isle_port_receive(port)), "computes");
    target = echo_start(NULL);
    for (int64_t i = 1; i < 20; i++)
        CHECK_INT(isle_as_int(echo_round(&target, isle_int(i))), i);
    echo_stop(&target);
    close(ends[1]);
    for (int i = 0; i < 8; i++)
        CHECK(isle_is_null(isle_port_receive(port)));
    close(ends[0]);
    isle_port_close(port);
}
TEST_TIMEOUT(many_isolates_busy, 60);

/* ring_gc: messages round a ring, each round growing a list and dropping it. */
enum { RING = 64, ROUNDS = 50 };

static void ring_member(isle_value root)
{
    isle_receive_port *port = isle_default_port();
    isle_send_port next = isle_as_port(isle_port_receive(port));
    bool serving = true;

    while (serving) {
        ISLE_SCOPE;
        isle_value message = isle_port_receive(port);

        serving = !isle_is_null(message);
        if (serving)
            isle_list_add(message, isle_string("passed on"));
        isle_send(next, message);
    }
    isle_send(isle_as_port(root), isle_string("left"));
    isle_port_close(port);
}

TEST_ROOT(ring_gc)
{
    isle_receive_port *port = isle_port_open(), *left = isle_port_open();
    isle_send_port first = isle_port_send_port(port);

    for (int i = 0; i < RING; i++) {
        isle_isolate member = spawn(ring_member, isle_port_value(left), NULL);

        isle_send(member.default_port, isle_port(first));
        first = member.default_port;
    }
    for (int round = 0; round < ROUNDS; round++) {
        ISLE_SCOPE;

        isle_send(first, isle_list());
        CHECK_INT(isle_count(isle_port_receive(port)), RING);
    }
    isle_send(first, isle_null());
    for (int i = 0; i < RING; i++)
        CHECK_STRING(isle_as_string(isle_port_receive(left)), "left");
    CHECK(isle_is_null(isle_port_receive(port)));
    isle_port_close(port);
    isle_port_close(left);
}

/* ring_gc_sendAndExit: each member hands its whole list over as it ends, and the root starts the
 * next one with it. */
static void exiting_member(isle_value message)
{
    isle_value list = isle_list_get(message, 1);

    isle_list_add(list, isle_bytes(NULL, 1000));
    isle_exit(isle_as_port(isle_list_get(message, 0)), list);
}

TEST_ROOT(ring_gc_sendAndExit)
{
    isle_receive_port *port = isle_port_open();
    isle_value list = isle_list();

    for (int i = 0; i < 100; i++) {
        spawn(exiting_member, isle_pack("[p,o]", isle_port_send_port(port), list), NULL);
        list = isle_port_receive(port);
        CHECK_INT(isle_count(list), i + 1);
    }
    isle_port_close(port);
}

/* concurrency_stress_sanity: every isolate talks to every other. */
enum { PEERS = 16 };

static bool is_list(isle_value message, void *context)
{
    (void)context;
    return isle_kind_of(message) == ISLE_LIST;
}

/* Order is promised per sender: numbers of a peer that has its list may come before ours. */
static void peer(isle_value root)
{
    isle_receive_port *port = isle_default_port();
    isle_value peers = isle_port_receive_if(port, is_list, NULL);
    int64_t sum = 0;

    for (size_t i = 0; i < PEERS; i++)
        for (int64_t number = 1; number <= 100; number++)
            isle_send(isle_as_port(isle_list_get(peers, i)), isle_int(number));
    for (int i = 0; i < PEERS * 100; i++) {
        ISLE_SCOPE;

        sum += receive_int(port);
    }
    isle_send(isle_as_port(root), isle_int(sum));
    isle_port_close(port);
}

TEST_ROOT(concurrency_stress_sanity)
{
    isle_receive_port *port = isle_port_open();
    isle_value peers = isle_list();
    isle_isolate isolates[PEERS];

    for (int i = 0; i < PEERS; i++) {
        isolates[i] = spawn(peer, isle_port_value(port), NULL);
        isle_list_add(peers, isle_port(isolates[i].default_port));
    }
    for (int i = 0; i < PEERS; i++)
        isle_send(isolates[i].default_port, peers);
    for (int i = 0; i < PEERS; i++)
        CHECK_INT(receive_int(port), PEERS * 5050);
    isle_port_close(port);
}

/* many_debug_name. */
static void name_child(isle_value root)
{
    isle_send(isle_as_port(root), isle_string(isle_debug_name()));
}

TEST_ROOT(many_debug_name)
{
    isle_receive_port *port = isle_port_open();
    isle_value names = isle_set();

    for (int i = 0; i < 200; i++) {
        isle_value name = isle_stringf("isolate number %d", i);
        isle_options options = {.debug_name = isle_as_string(name)};

        spawn(name_child, isle_port_value(port), &options);
    }
    for (int i = 0; i < 200; i++)
        CHECK(isle_set_add(names, isle_port_receive(port)));
    for (int i = 0; i < 200; i++)
        CHECK(isle_set_has(names, isle_stringf("isolate number %d", i)));
    isle_port_close(port);
}

TEST_MAIN()
