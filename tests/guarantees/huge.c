/* SPDX-License-Identifier: Apache-2.0 */
/* Messages over 2 GiB, each with a small one behind it: both arrive in order, whole, or the large
 * one is refused and the small one is not. On threads a transferable moves: of its pages those are
 * touched that are looked at. */
#include <sys/mman.h>

#include "guarantees.h"

static size_t huge_size = ((size_t)2 << 30) + 4096;

/* What takes it all, and asks the root before the first and tells of each. */
static void take(isle_value told)
{
    isle_send_port root = isle_as_port(told);
    isle_receive_port *go = isle_port_open();
    isle_receive_port *port = isle_port_open_with(&(isle_port_options){.max_messages = 1});

    isle_send(root, isle_pack("[o,o]", isle_port_value(port), isle_port_value(go)));
    check_null(isle_port_receive(go));
    for (bool is_over = false; !is_over;) {
        ISLE_SCOPE;
        isle_value value = isle_port_receive(port);
        size_t size;

        if (isle_kind_of(value) == ISLE_TRANSFERABLE)
            value = isle_materialize(value);
        if ((is_over = isle_is_null(value)))
            break;
        const uint8_t *bytes = isle_as_bytes(value, &size);
        isle_send(root, isle_pack("[i,i,i]", (int64_t)size, bytes[0], bytes[size - 1]));
    }
    isle_port_close(port);
    isle_port_close(go);
}

struct taker {
    isle_receive_port *told;
    isle_send_port to, go;
};

static struct taker spawn_taker(size_t mailbox)
{
    struct taker taker = {.told = scoped_port()};
    isle_options options = {.mailbox_max_bytes = mailbox, .memory_max = (size_t)5 << 30};

    isle_spawn(take, isle_port_value(taker.told), &options);
    isle_unpack(isle_port_receive(taker.told), "[p,p!]", &taker.to, &taker.go);
    return taker;
}

static void check_told(const struct taker *taker, size_t size, int first, int last)
{
    int64_t got[3];

    isle_unpack(isle_port_receive(taker->told), "[i,i,i!]", &got[0], &got[1], &got[2]);
    CHECK_INT(got[0], size);
    CHECK_INT(got[1], first);
    CHECK_INT(got[2], last);
}

static void unmap(void *bytes)
{
    CHECK_INT(munmap(bytes, huge_size), 0);
}

/* Pages that nobody touches are the system's one page of zeros. */
static isle_value huge_transferable(void)
{
    uint8_t *bytes = mmap(NULL, huge_size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    CHECK(bytes != MAP_FAILED);
    bytes[0] = 'a';
    bytes[huge_size - 1] = 'z';
    return isle_transferable_adopt(bytes, huge_size, unmap);
}

#ifndef GUARANTEES_PROCESS
/* The port has one place: what is behind the large message waits in line, and does not pass. */
static void check_in_line(isle_value huge)
{
    struct taker taker = spawn_taker((size_t)3 << 30);
    isle_future *sent[4];

    sent[0] = isle_send_wait(taker.to, isle_bytes("1", 1), ISLE_FOREVER);
    sent[1] = isle_send_wait(taker.to, huge, ISLE_FOREVER);
    sent[2] = isle_send_wait(taker.to, isle_bytes("2", 1), ISLE_FOREVER);
    sent[3] = isle_send_wait(taker.to, isle_null(), ISLE_FOREVER);
    isle_send(taker.go, isle_null());
    check_told(&taker, 1, '1', '1');
    check_told(&taker, huge_size, 'a', 'z');
    check_told(&taker, 1, '2', '2');
    for (int i = 0; i < 4; i++)
        check_null(isle_await(sent[i]));
    CHECK_UINT(stats_now().waiting, 0);
}

TEST_ROOT(a_small_message_waits_behind_two_gibibytes_that_move)
{
    check_in_line(huge_transferable());
    settle();
}

/* Both copies are touched. */
TEST_ROOT(a_small_message_waits_behind_two_gibibytes_that_are_copied)
{
    check_in_line(isle_materialize(huge_transferable()));
    settle();
}
TEST_TIMEOUT(a_small_message_waits_behind_two_gibibytes_that_are_copied, 240);
TEST_MEMORY(a_small_message_waits_behind_two_gibibytes_that_are_copied, 5120);
TEST_ALONE(a_small_message_waits_behind_two_gibibytes_that_are_copied);
TEST_TIER(a_small_message_waits_behind_two_gibibytes_that_are_copied, TEST_SOAK);
#else
/* A message that crosses a wall has 256 MiB at most: a larger one is dropped, counted, and told who
 * calls; what is behind it comes. */
static void check_dropped_alone(size_t size)
{
    struct taker taker = spawn_taker((size_t)3 << 30);
    uint64_t dropped = stats_now().dropped_closed;
    isle_future *call;

    huge_size = size;
    isle_send(taker.go, isle_null());
    call = isle_call(taker.to, huge_transferable(), ISLE_FOREVER);
    check_null(isle_await(isle_send_wait(taker.to, isle_bytes("1", 1), ISLE_FOREVER)));
    CHECK_ERR(isle_try_await(call, ISLE_FOREVER, NULL), ISLE_ERANGE);
    CHECK_UINT(stats_now().dropped_closed, dropped + 1);
    check_told(&taker, 1, '1', '1');
    check_null(isle_await(isle_send_wait(taker.to, isle_null(), ISLE_FOREVER)));
    settle();
}

TEST_ROOT(what_is_too_large_for_a_wall_is_dropped_alone)
{
    check_dropped_alone((size_t)257 << 20);
}
TEST_TIMEOUT(what_is_too_large_for_a_wall_is_dropped_alone, 120);
TEST_MEMORY(what_is_too_large_for_a_wall_is_dropped_alone, 1024);

TEST_ROOT(two_gibibytes_are_too_large_for_a_wall)
{
    check_dropped_alone(huge_size);
}
TEST_TIMEOUT(two_gibibytes_are_too_large_for_a_wall, 240);
TEST_MEMORY(two_gibibytes_are_too_large_for_a_wall, 5120);
TEST_ALONE(two_gibibytes_are_too_large_for_a_wall);
TEST_TIER(two_gibibytes_are_too_large_for_a_wall, TEST_SOAK);
#endif

/* A mailbox of 2 GiB has no room for it, however it is sent, and has for what comes next. */
TEST_ROOT(a_message_over_a_mailbox_of_two_gibibytes_is_refused_alone)
{
    struct taker taker = spawn_taker((size_t)2 << 30);
    isle_value huge = huge_transferable();

    CHECK_ERR(isle_try_send(taker.to, huge), ISLE_EFULL);
    CHECK_INT(*(uint8_t *)isle_transferable_data(huge), 'a');
    isle_send(taker.go, isle_null());
    check_null(isle_await(isle_send_wait(taker.to, isle_bytes("1", 1), ISLE_FOREVER)));
    check_null(isle_await(isle_send_wait(taker.to, isle_null(), ISLE_FOREVER)));
    check_told(&taker, 1, '1', '1');
    settle();
}

TEST_MAIN()
