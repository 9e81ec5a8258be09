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
/* A message that crosses a wall has 256 MiB at most. */
static isle_value call_it(isle_value both)
{
    return isle_await(
        isle_call(isle_as_port(isle_list_get(both, 0)), isle_list_get(both, 1), ISLE_FOREVER));
}

static isle_value send_it_and_wait(isle_value both)
{
    return isle_await(
        isle_send_wait(isle_as_port(isle_list_get(both, 0)), isle_list_get(both, 1), ISLE_FOREVER));
}

/* However it is sent, nothing is taken from its sender. */
static isle_err refusal_of(isle_send_port to, isle_value huge)
{
    isle_value both = isle_list();
    const uint8_t *bytes = isle_transferable_data(huge);

    isle_list_add(both, isle_port(to));
    isle_list_add(both, huge);
    isle_err err = isle_try_send(to, huge);
    if (isle_try(call_it, both, NULL) != err || isle_try(send_it_and_wait, both, NULL) != err ||
        isle_try_send(to, both) != err || isle_transferable_data(huge) != bytes)
        return ISLE_OK;
    return err;
}

static uint64_t dropped_in_all(void)
{
    isle_stats stats = stats_now();

    return stats.dropped_closed + stats.dropped_dead + stats.dropped_late + stats.dropped_waiting +
           stats.dropped_crossing;
}

static void check_refused_alone(size_t size)
{
    struct taker taker = spawn_taker((size_t)3 << 30);
    uint64_t dropped = dropped_in_all();

    huge_size = size;
    CHECK_ERR(refusal_of(taker.to, huge_transferable()), ISLE_ERANGE);
    isle_send(taker.go, isle_null());
    check_null(isle_await(isle_send_wait(taker.to, isle_bytes("1", 1), ISLE_FOREVER)));
    check_told(&taker, 1, '1', '1');
    CHECK_UINT(dropped_in_all(), dropped);
    check_null(isle_await(isle_send_wait(taker.to, isle_null(), ISLE_FOREVER)));
    settle();
}

TEST_ROOT(what_is_too_large_for_a_wall_is_refused_alone)
{
    check_refused_alone((size_t)257 << 20);
}

TEST_ROOT(two_gibibytes_are_too_large_for_a_wall)
{
    check_refused_alone(huge_size);
}

/* The same from inside: pages that nobody has touched. */
static void send_too_large(isle_value to)
{
    size_t size = (size_t)257 << 20;
    isle_value huge = isle_transferable_adopt(malloc(size), size, free);
    isle_send_port root = isle_as_port(to);

    isle_send(root, isle_int(refusal_of(root, huge)));
    isle_send(root, isle_string("a small one"));
}

TEST_ROOT(what_is_too_large_for_a_wall_is_refused_inside)
{
    isle_receive_port *port = scoped_port();
    uint64_t dropped = dropped_in_all();

    isle_spawn(send_too_large, isle_port_value(port),
               &(isle_options){.memory_max = (size_t)1 << 30});
    CHECK_INT(isle_as_int(isle_port_receive(port)), ISLE_ERANGE);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "a small one");
    CHECK_UINT(dropped_in_all(), dropped);
    settle();
}

/* Short texts are written at each place where they stand: that it is too large is found when it is
 * written, so it is dropped and counted by that cause, and who calls is told. */
TEST_ROOT(what_is_found_too_large_for_a_wall_as_it_is_written_is_dropped_alone)
{
    enum { PLACES = 5 << 20 };
    struct taker taker = spawn_taker((size_t)1 << 30);
    isle_value list = isle_list();
    isle_value text = isle_string("a text that is short enough to be written once for each place");
    uint64_t dropped = dropped_in_all(), crossing = stats_now().dropped_crossing;

    for (int i = 0; i < PLACES; i++)
        isle_list_add(list, text);
    isle_send(taker.go, isle_null());
    isle_future *call = isle_call(taker.to, list, ISLE_FOREVER);
    check_null(isle_await(isle_send_wait(taker.to, isle_bytes("1", 1), ISLE_FOREVER)));
    CHECK_ERR(isle_try_await(call, ISLE_FOREVER, NULL), ISLE_ERANGE);
    CHECK_UINT(stats_now().dropped_crossing, crossing + 1);
    CHECK_UINT(dropped_in_all(), dropped + 1);
    check_told(&taker, 1, '1', '1');
    check_null(isle_await(isle_send_wait(taker.to, isle_null(), ISLE_FOREVER)));
    settle();
}
TEST_TIMEOUT(what_is_found_too_large_for_a_wall_as_it_is_written_is_dropped_alone, 120);
TEST_MEMORY(what_is_found_too_large_for_a_wall_as_it_is_written_is_dropped_alone, 1024);
#endif

/* A mailbox of 2 GiB has no room for it, however it is sent, and has for what comes next. */
TEST_ROOT(a_message_over_a_mailbox_of_two_gibibytes_is_refused_alone)
{
    struct taker taker = spawn_taker((size_t)2 << 30);
    isle_value huge = huge_transferable();

#ifdef GUARANTEES_PROCESS
    CHECK_ERR(isle_try_send(taker.to, huge), ISLE_ERANGE); /* by the wall before it */
#else
    CHECK_ERR(isle_try_send(taker.to, huge), ISLE_EFULL);
#endif
    CHECK_INT(*(uint8_t *)isle_transferable_data(huge), 'a');
    isle_send(taker.go, isle_null());
    check_null(isle_await(isle_send_wait(taker.to, isle_bytes("1", 1), ISLE_FOREVER)));
    check_null(isle_await(isle_send_wait(taker.to, isle_null(), ISLE_FOREVER)));
    check_told(&taker, 1, '1', '1');
    settle();
}

TEST_MAIN()
