/* SPDX-License-Identifier: Apache-2.0 */
/* Large values through a wall: they are what they were, belong to their receiver alone, count as
 * any message does, and leave nothing behind. As wall.c, over the tests' own backend and, with
 * WALL_OF_PROCESSES, around sandboxed processes. */
#include "wall_help.h"

#include <fcntl.h>

enum { KIB = 1024, MIB = 1024 * 1024 };

static void draw(void *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)(seed + i * 31 + i / 4093);
}

static isle_value drawn(isle_element element, size_t size, unsigned seed)
{
    isle_value value = isle_array(element, NULL, element == ISLE_U8 ? size : size / 4);
    draw(isle_bytes_data(value), size, seed);
    return value;
}

static uint64_t sum(const void *bytes, size_t size)
{
    uint64_t sum = size;
    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + ((const uint8_t *)bytes)[i];
    return sum >> 8;
}

static isle_value pair_of(isle_value one, isle_value other)
{
    isle_value list = isle_list();
    isle_list_add(list, one);
    isle_list_add(list, other);
    return list;
}

/* --- they are what they were */

static void end(isle_isolate other, isle_receive_port *port)
{
    isle_send(other.default_port, isle_null());
    CHECK(isle_is_null(receive(port)));
    isle_port_close(port);
    settle();
}

TEST_ROOT(bytes_of_all_sizes_arrive)
{
    static const size_t sizes[] = {32 * KIB,  64 * KIB - 4, 64 * KIB, 64 * KIB + 4, 65 * KIB,
                                   128 * KIB, 200 * KIB,    MIB,      5 * MIB + 4};
    isle_receive_port *port = isle_port_open();
    isle_isolate other = isle_spawn(echo, isle_port_value(port), &walled);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        ISLE_SCOPE;
        isle_value bytes = drawn(i % 2 == 0 ? ISLE_U8 : ISLE_I32, sizes[i], (unsigned)i);
        isle_send(other.default_port, bytes);
        isle_value got = receive(port);
        CHECK_VALUE(got, bytes);
        CHECK(!isle_is_frozen(got));
        bytes = isle_freeze(bytes);
        isle_send(other.default_port, bytes);
        got = receive(port);
        CHECK_VALUE(got, bytes);
        CHECK(isle_is_frozen(got));
    }
    end(other, port);
}

TEST_ROOT(many_large_bytes_travel_in_one_message)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate other = isle_spawn(echo, isle_port_value(port), &walled);
    isle_value list = isle_list();
    for (unsigned i = 0; i < 12; i++)
        isle_list_add(list, drawn(ISLE_U8, 70 * KIB + i, i));
    isle_list_add(list, drawn(ISLE_I32, 3 * MIB, 99));
    isle_list_add(list, isle_string("and this"));
    isle_list_add(list, isle_freeze(drawn(ISLE_U8, 100 * KIB, 3)));
    isle_value whole = isle_list_get(list, 12);
    isle_list_add(list, isle_bytes_view(whole, 16, 80 * KIB));
    isle_send(other.default_port, list);
    isle_value got = receive(port);
    CHECK_VALUE(got, list);
    uint8_t *part = isle_bytes_data(isle_list_get(got, 15));
    part[0]++;
    CHECK_INT(((const uint8_t *)isle_as_bytes(isle_list_get(got, 12), NULL))[16], part[0]);
    end(other, port);
}

static isle_value keeper_of_data(isle_value value)
{
    return isle_pointer(isle_transferable_data(value));
}

TEST_ROOT(transferables_move_there_and_back)
{
    enum { SIZE = 2 * MIB + 7 };
    isle_receive_port *port = isle_port_open();
    isle_isolate other = isle_spawn(echo, isle_port_value(port), &walled);
    isle_value value = isle_transferable(SIZE), list = isle_list();
    draw(isle_transferable_data(value), SIZE, 5);
    uint64_t wanted = sum(isle_transferable_data(value), SIZE);
    isle_send(other.default_port, value);
    CHECK_ERR(isle_try(keeper_of_data, value, NULL), ISLE_EUSED);
    value = receive(port);
    CHECK_UINT(sum(isle_transferable_data(value), SIZE), wanted);
    isle_list_add(list, value);
    isle_list_add(list, value);
    isle_list_add(list, isle_transferable(64 * KIB));
    isle_send(other.default_port, list);
    CHECK_ERR(isle_try(keeper_of_data, value, NULL), ISLE_EUSED);
    list = receive(port);
    CHECK(isle_identical(isle_list_get(list, 0), isle_list_get(list, 1)));
    isle_value bytes = isle_materialize(isle_list_get(list, 0));
    CHECK_UINT(sum(isle_as_bytes(bytes, NULL), SIZE), wanted);
    ((uint8_t *)isle_bytes_data(bytes))[SIZE - 1] = 1;
    end(other, port);
}

static isle_value sum_of(isle_value message, void *context)
{
    size_t size;
    const void *data = isle_as_bytes(message, &size);
    (void)context;
    return pair_of(isle_int((int64_t)sum(data, size)), message);
}

static void summing(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), sum_of, NULL);
}

TEST_ROOT(calls_take_and_return_large_values)
{
    isle_isolate other = isle_spawn(summing, isle_null(), &walled);
    for (unsigned i = 0; i < 5; i++) {
        ISLE_SCOPE;
        isle_value bytes = drawn(ISLE_U8, (i + 1) * 300 * KIB, i), answer;
        CHECK_ERR(isle_try_await(isle_call(other.default_port, bytes, ISLE_FOREVER),
                                 ISLE_SECONDS(30), &answer),
                  ISLE_OK);
        size_t size;
        const void *data = isle_as_bytes(bytes, &size);
        CHECK_INT(isle_as_int(isle_list_get(answer, 0)), (int64_t)sum(data, size));
        CHECK_VALUE(isle_list_get(answer, 1), bytes);
    }
    isle_kill(other, ISLE_IMMEDIATE);
    settle();
}

/* --- they belong to the receiver */

/* Writes over all of it, and says what it was. */
static void spoil(isle_value to)
{
    isle_receive_port *port = isle_default_port();
    for (int i = 0; i < 3; i++) {
        ISLE_SCOPE;
        isle_value message = isle_port_receive(port);
        size_t size;
        const void *data = isle_as_bytes(message, &size);
        uint64_t was = sum(data, size);
        if (!isle_is_frozen(message))
            memset(isle_bytes_data(message), 0xee, size);
        isle_send(isle_as_port(to), isle_int((int64_t)was));
    }
    isle_port_close(port);
}

TEST_ROOT(what_a_receiver_writes_nobody_else_sees)
{
    enum { SIZE = 2 * MIB, COUNT = 4 };
    isle_receive_port *port = isle_port_open();
    isle_value bytes = drawn(ISLE_U8, SIZE, 1), frozen = isle_freeze(bytes);
    int64_t wanted = (int64_t)sum(isle_as_bytes(bytes, NULL), SIZE);
    for (int i = 0; i < COUNT; i++) {
        isle_isolate other = isle_spawn(spoil, isle_port_value(port), &walled);
        isle_send(other.default_port, bytes);
        isle_send(other.default_port, frozen);
        isle_send(other.default_port, bytes);
    }
    for (int i = 0; i < 3 * COUNT; i++)
        CHECK_INT(isle_as_int(receive(port)), wanted);
    CHECK_INT((int64_t)sum(isle_as_bytes(bytes, NULL), SIZE), wanted);
    CHECK_INT((int64_t)sum(isle_as_bytes(frozen, NULL), SIZE), wanted);
    isle_port_close(port);
    settle();
}

/* What a sender writes after it has sent is not what arrives, however long the message waits. */
static void late(isle_value to)
{
    isle_receive_port *port = isle_default_port();
    (void)isle_port_receive(port);
    for (int i = 0; i < 8; i++) {
        ISLE_SCOPE;
        size_t size;
        const void *data = isle_as_bytes(isle_port_receive(port), &size);
        isle_send(isle_as_port(to), isle_int((int64_t)sum(data, size)));
    }
    isle_port_close(port);
}

TEST_ROOT(what_a_sender_writes_later_does_not_arrive)
{
    enum { SIZE = MIB };
    isle_receive_port *port = isle_port_open();
    isle_isolate other = isle_spawn(late, isle_port_value(port), &walled);
    isle_value bytes = drawn(ISLE_U8, SIZE, 7);
    int64_t wanted[8];
    isle_send(other.default_port, isle_null());
    for (unsigned i = 0; i < 8; i++) {
        draw(isle_bytes_data(bytes), SIZE, i);
        wanted[i] = (int64_t)sum(isle_as_bytes(bytes, NULL), SIZE);
        isle_send(other.default_port, bytes);
    }
    memset(isle_bytes_data(bytes), 0, SIZE);
    for (int i = 0; i < 8; i++)
        CHECK_INT(isle_as_int(receive(port)), wanted[i]);
    isle_port_close(port);
    settle();
}

/* A frozen value that comes out goes on to others: between two walls nobody copies for them. */
static void tell_all(isle_value ports)
{
    isle_value frozen = isle_freeze(drawn(ISLE_U8, 3 * MIB, 77));
    for (size_t i = 0; i < isle_count(ports); i++)
        isle_send(isle_as_port(isle_list_get(ports, i)), frozen);
}

TEST_ROOT(frozen_values_go_from_one_to_many)
{
    enum { COUNT = 4 };
    isle_receive_port *port = isle_port_open();
    isle_value ports = isle_list();
    isle_isolate others[COUNT];
    for (int i = 0; i < COUNT; i++) {
        others[i] = isle_spawn(echo, isle_port_value(port), &walled);
        isle_list_add(ports, isle_port(others[i].default_port));
    }
    isle_spawn(tell_all, ports, &walled);
    isle_value wanted = drawn(ISLE_U8, 3 * MIB, 77);
    for (int i = 0; i < COUNT; i++) {
        isle_value got = receive(port);
        CHECK_VALUE(got, wanted);
        CHECK(isle_is_frozen(got));
    }
    for (int i = 0; i < COUNT; i++)
        isle_send(others[i].default_port, isle_null());
    for (int i = 0; i < COUNT; i++)
        CHECK(isle_is_null(receive(port)));
    isle_port_close(port);
    settle();
}

/* The first crossing copies, later ones may not: each isolate sees the same, also one that cannot
 * be given a file, for want of descriptors here. */
static void burst(isle_isolate other, isle_receive_port *port, isle_value frozen, int count)
{
    ISLE_SCOPE;
    for (int i = 0; i < count; i++)
        isle_send(other.default_port, isle_freeze(pair_of(isle_int(i), frozen)));
    for (int i = 0; i < count; i++) {
        isle_value got = receive(port);
        CHECK_INT(isle_as_int(isle_list_get(got, 0)), i);
        CHECK_VALUE(isle_list_get(got, 1), frozen);
    }
}

TEST_ROOT(frozen_values_cross_again_and_again)
{
    enum { COUNT = 3 };
    isle_receive_port *port = isle_port_open();
    isle_value frozen = isle_freeze(drawn(ISLE_I32, MIB + 4096, 8));
    isle_isolate others[COUNT];
    for (int i = 0; i < COUNT; i++) {
        others[i] = isle_spawn(echo, isle_port_value(port), &walled);
        burst(others[i], port, frozen, 1);
        burst(others[i], port, frozen, 30); /* more than a courier takes */
    }
    for (int i = 0; i < COUNT; i++)
        isle_send(others[i].default_port, isle_null());
    for (int i = 0; i < COUNT; i++)
        CHECK(isle_is_null(receive(port)));
    isle_port_close(port);
    settle();
}

TEST_ROOT(without_descriptors_frozen_values_are_copied)
{
    struct rlimit limit;
    isle_receive_port *port = isle_port_open();
    isle_value frozen = isle_freeze(drawn(ISLE_U8, 2 * MIB, 8));
    isle_isolate other = isle_spawn(echo, isle_port_value(port), &walled);
    burst(other, port, frozen, 1);
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit least = {3, limit.rlim_max};
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &least), 0);
    burst(other, port, frozen, 4);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    burst(other, port, frozen, 4);
    end(other, port);
}

/* --- limits */

static void never_receives(isle_value to)
{
    isle_receive_port *port = isle_default_port();
    isle_receive_port *other = isle_port_open();
    isle_send(isle_as_port(to), isle_port_value(other));
    (void)isle_port_receive(other);
    isle_port_close(other);
    isle_port_close(port);
}

TEST_ROOT(large_messages_count_in_the_mailbox)
{
    isle_options options = walled;
    options.mailbox_max_bytes = 4 * MIB;
    isle_receive_port *port = isle_port_open();
    isle_isolate other = isle_spawn(never_receives, isle_port_value(port), &options);
    isle_send_port ends = isle_as_port(receive(port));
    int sent = 0;
    while (sent < 100) {
        ISLE_SCOPE;
        isle_err err = isle_try_send(other.default_port, drawn(ISLE_U8, MIB, 0));
        if (err != ISLE_OK) {
            CHECK_ERR(err, ISLE_EFULL);
            break;
        }
        sent++;
    }
    CHECK(sent >= 3 && sent <= 4);
    isle_send(ends, isle_null());
    isle_port_close(port);
    settle();
}

/* --- nothing stays behind */

static size_t maps(void)
{
    FILE *file = fopen("/proc/self/maps", "re");
    size_t count = 0;
    CHECK(file != NULL);
    for (int c; (c = getc(file)) != EOF;)
        count += c == '\n';
    fclose(file);
    return count;
}

static void cross(isle_isolate other, isle_receive_port *port, int64_t count)
{
    ISLE_SCOPE;
    isle_value frozen = isle_freeze(drawn(ISLE_U8, 2 * MIB, 4));
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_value moved = isle_transferable(80 * KIB);
        isle_send(other.default_port, moved);
        isle_send(other.default_port, pair_of(frozen, drawn(ISLE_U8, 66 * KIB, 1)));
        (void)receive(port);
        CHECK_VALUE(isle_list_get(receive(port), 0), frozen);
    }
}

TEST_ROOT(thousands_of_crossings_leave_nothing_behind)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate other = isle_spawn(echo, isle_port_value(port), &walled);
    cross(other, port, 20);
    wall_rests(1);
    uint64_t memory = memory_held();
    size_t mapped = maps();
    int open = descriptors_held();
    cross(other, port, rounds(1000, 5000, 20000));
    CHECK(memory_returns_to(memory));
    CHECK(descriptors_return_to(open));
    if (!*TEST_SANITIZER)
        CHECK(maps() < mapped + 50);
    end(other, port);
}
TEST_TIMEOUT(thousands_of_crossings_leave_nothing_behind, 120);

/* The isolate dies while large messages are on their way in and out. */
static void babble(isle_value to)
{
    for (;;) {
        ISLE_SCOPE;
        isle_value message;
        isle_value moved = isle_transferable(3 * MIB);
        isle_send(isle_as_port(to), moved);
        (void)!isle_port_try_receive(isle_default_port(), 0, &message);
    }
}

static void kill_one(isle_value frozen)
{
    ISLE_SCOPE;
    isle_receive_port *port = isle_port_open();
    isle_isolate other = isle_spawn(babble, isle_port_value(port), &walled);
    (void)receive(port);
    for (int i = 0; i < 4; i++) {
        isle_send(other.default_port, isle_transferable(MIB));
        isle_send(other.default_port, frozen);
    }
    isle_kill(other, ISLE_IMMEDIATE);
    isle_port_close(port);
    settle();
}

/* Whoever is killed may never be given it; from its second crossing on it has a file, which it
 * keeps (frozen.c). */
static void cross_twice(isle_value frozen)
{
    ISLE_SCOPE;
    isle_receive_port *port = isle_port_open();
    isle_isolate other = isle_spawn(echo, isle_port_value(port), &walled);
    for (int i = 0; i < 2; i++) {
        isle_send(other.default_port, frozen);
        CHECK_VALUE(receive(port), frozen);
    }
    end(other, port);
}

TEST_ROOT(a_kill_in_the_middle_leaves_nothing_behind)
{
    int64_t count = rounds(15, 100, 500);
    isle_value frozen = isle_freeze(drawn(ISLE_U8, 2 * MIB, 4));
    cross_twice(frozen);
    for (int64_t i = 0; i < count; i++)
        kill_one(frozen);
    wall_rests(0);
    uint64_t memory = memory_held();
    int open = descriptors_held();
    for (int64_t i = 0; i < count; i++)
        kill_one(frozen);
    wall_rests(0);
    CHECK(memory_returns_to(memory));
    CHECK(descriptors_return_to(open));
}
TEST_TIMEOUT(a_kill_in_the_middle_leaves_nothing_behind, 120);

TEST_MAIN()
