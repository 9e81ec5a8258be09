/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance: bytes in bulk (rows 23, 34, 53, 106 of the table, and what a refused send leaves
 * behind). */
#include "conformance.h"

enum { ELEMENTS = 2 * 1024 * 1024, KINDS = 9 };

/* Raw bytes first, then the eight integer kinds. */
static const isle_element elements[KINDS] = {ISLE_U8,  ISLE_U8,  ISLE_I8,  ISLE_U16, ISLE_I16,
                                             ISLE_U32, ISLE_I32, ISLE_U64, ISLE_I64};
static const size_t element_sizes[KINDS] = {1, 1, 1, 2, 2, 4, 4, 8, 8};

/* Elements 0 to 3 get their own index, whatever their size: the lowest byte of each, which on a
 * machine that puts the highest byte first is its last. */
static size_t lowest_byte(size_t index, size_t element_size)
{
    static const uint16_t probe = 1;
    bool lowest_first = *(const uint8_t *)&probe == 1;

    return index * element_size + (lowest_first ? 0 : element_size - 1);
}

static void fill_first_four(uint8_t *data, size_t element_size)
{
    for (size_t i = 0; i < 4; i++)
        data[lowest_byte(i, element_size)] = (uint8_t)i;
}

static void check_first_four(const uint8_t *data, size_t element_size)
{
    for (size_t i = 0; i < 4; i++)
        for (size_t byte = 0; byte < element_size; byte++) {
            bool lowest = i * element_size + byte == lowest_byte(i, element_size);

            CHECK_INT(data[i * element_size + byte], lowest ? i : 0);
        }
}

/* large_byte_data. */
static void large_child(isle_value root)
{
    for (int kind = 0; kind < KINDS; kind++) {
        ISLE_SCOPE;
        isle_value array = isle_array(elements[kind], NULL, ELEMENTS);

        fill_first_four(isle_bytes_data(array), element_sizes[kind]);
        isle_send(isle_as_port(root), array);
    }
}

TEST_ROOT(large_byte_data)
{
    isle_receive_port *port = isle_port_open();

    spawn(large_child, isle_port_value(port), NULL);
    for (int kind = 0; kind < KINDS; kind++) {
        ISLE_SCOPE;
        isle_value array = isle_port_receive(port);
        size_t count, size;

        isle_as_array(array, elements[kind], &count);
        CHECK_INT(count, ELEMENTS);
        check_first_four(isle_as_bytes(array, &size), element_sizes[kind]);
        CHECK_INT(size, ELEMENTS * element_sizes[kind]);
    }
    isle_port_close(port);
}
TEST_MEMORY(large_byte_data, 512);

/* A refused send gives back all that it had gathered on its way to the offender. */
TEST_ROOT(large_byte_data_leak)
{
    isle_receive_port *port = isle_port_open();
    isle_value message = isle_list();
    isle_stats before, after;
    int here = 0;

    isle_list_add(message, isle_bytes(NULL, 1024 * 1024));
    isle_list_add(message, isle_pointer(&here));
    CHECK_ERR(isle_try_send(isle_port_send_port(port), message), ISLE_EUNSENDABLE);
    isle_stats_read(&before);
    for (int i = 0; i < 1000; i++) {
        ISLE_SCOPE;

        CHECK_ERR(isle_try_send(isle_port_send_port(port), message), ISLE_EUNSENDABLE);
    }
    isle_stats_read(&after);
    CHECK(after.memory <= before.memory + 1024 * 1024);
    isle_send(isle_port_send_port(port), isle_int(1));
    CHECK_INT(receive_int(port), 1);
    CHECK(port_is_empty(port));
    isle_port_close(port);
}

/* int32_length_overflow: the child looks at what it got, since only a child's mailbox can be told
 * to take that much. */
enum { HUGE_SIZE = 1 << 30 };

static void huge_child(isle_value root)
{
    isle_receive_port *port = isle_default_port();
    isle_send_port to = isle_as_port(root);

    for (int i = 0; i < 2; i++) {
        ISLE_SCOPE;
        isle_value huge = isle_port_receive(port);
        isle_value facts = isle_list();
        const char *data;
        size_t size = isle_count(huge);

        if (isle_kind_of(huge) == ISLE_STRING)
            data = isle_as_string(huge);
        else
            data = isle_as_bytes(huge, &size);
        isle_list_add(facts, isle_int((int64_t)size));
        for (size_t at = 0; at < 4; at++)
            isle_list_add(facts, isle_int((uint8_t)data[at]));
        for (size_t at = 4; at > 0; at--)
            isle_list_add(facts, isle_int((uint8_t)data[size - at]));
        isle_send(to, facts);
    }
    isle_port_close(port);
}

static void send_huge_bytes(isle_send_port port)
{
    ISLE_SCOPE;
    isle_value huge = isle_bytes(NULL, HUGE_SIZE);
    uint8_t *data = isle_bytes_data(huge);

    for (uint8_t i = 0; i < 4; i++) {
        data[i] = i;
        data[HUGE_SIZE - 1 - i] = (uint8_t)(i + 1);
    }
    isle_send(port, huge);
}

static void send_huge_string(isle_send_port port)
{
    ISLE_SCOPE;
    char *text = malloc(HUGE_SIZE);
    isle_value huge;

    CHECK(text != NULL);
    memset(text, 'a', HUGE_SIZE);
    text[HUGE_SIZE - 1] = 'z';
    huge = isle_string_sized(text, HUGE_SIZE);
    free(text);
    isle_send(port, huge);
}

TEST_ROOT(int32_length_overflow)
{
    needs_messages_of_any_size();
    isle_receive_port *port = isle_port_open();
    isle_options options = {.mailbox_max_bytes = ISLE_UNLIMITED};
    isle_isolate child = spawn(huge_child, isle_port_value(port), &options);

    send_huge_bytes(child.default_port);
    CHECK_VALUE(isle_port_receive(port),
                isle_pack("[i,i,i,i,i,i,i,i,i]", HUGE_SIZE, 0, 1, 2, 3, 4, 3, 2, 1));
    send_huge_string(child.default_port);
    CHECK_VALUE(isle_port_receive(port), isle_pack("[i,i,i,i,i,i,i,i,i]", HUGE_SIZE, 'a', 'a', 'a',
                                                   'a', 'a', 'a', 'a', 'z'));
    isle_port_close(port);
}
TEST_MEMORY(int32_length_overflow, 4096);
TEST_TIMEOUT(int32_length_overflow, 240);

/* fast_copy_during_initial_message: strings are copied in Isle, so what may be the very same on
 * return is what was frozen: one store, however often it crosses, and from the first message on. */
TEST_ROOT(fast_copy_during_initial_message)
{
    isle_receive_port *port = isle_port_open();
    isle_value text = isle_stringf("built at run time, %d times", 1), frozen, message, received;

    needs_shared_program();
    frozen = isle_freeze(isle_bytes(isle_as_string(text), isle_count(text)));
    message = isle_pack("[i,p,o,o]", 0, isle_port_send_port(port), text, frozen);
    received = self_send(message);
    CHECK_VALUE(isle_list_get(received, 2), text);
    CHECK(isle_as_bytes(isle_list_get(received, 3), NULL) == isle_as_bytes(frozen, NULL));
    isle_port_close(port);
}

static void initial_echo(isle_value message)
{
    isle_send(isle_as_port(isle_list_get(message, 0)), isle_list_get(message, 1));
}

TEST_ROOT(fast_copy_during_initial_message_to_child)
{
    isle_receive_port *port = isle_port_open();
    isle_value frozen, received;

    needs_shared_program();
    frozen = isle_freeze(isle_stringf("built at run time, %d times, and long enough to be stored "
                                      "apart from the value that refers to it",
                                      1));
    spawn(initial_echo, isle_pack("[p,o]", isle_port_send_port(port), frozen), NULL);
    received = isle_port_receive(port);
    CHECK_VALUE(received, frozen);
    CHECK(isle_as_string(received) == isle_as_string(frozen));
    isle_port_close(port);
}

/* transferable. */
static isle_value transferable_of(const void *data, size_t size)
{
    isle_value transferable = isle_transferable(size);

    if (size)
        memcpy(isle_transferable_data(transferable), data, size);
    return transferable;
}

static void transferable_child(isle_value root)
{
    for (int kind = 0; kind < KINDS; kind++) {
        ISLE_SCOPE;
        isle_value transferable = isle_transferable(ELEMENTS * element_sizes[kind]);

        fill_first_four(isle_transferable_data(transferable), element_sizes[kind]);
        isle_send(isle_as_port(root), transferable);
    }
    isle_send(isle_as_port(root), transferable_of("\1\2", 2));
}

TEST_ROOT(transferable)
{
    isle_receive_port *port = isle_port_open();
    const uint8_t *data;
    size_t size;

    spawn(transferable_child, isle_port_value(port), NULL);
    for (int kind = 0; kind < KINDS; kind++) {
        ISLE_SCOPE;
        isle_value transferable = isle_port_receive(port);

        CHECK_INT(isle_kind_of(transferable), ISLE_TRANSFERABLE);
        check_first_four(isle_as_bytes(isle_materialize(transferable), &size), element_sizes[kind]);
        CHECK_INT(size, ELEMENTS * element_sizes[kind]);
    }
    data = isle_as_bytes(isle_materialize(isle_port_receive(port)), &size);
    CHECK_BYTES(data, size, "\1\2", 2);
    isle_port_close(port);
}
TEST_MEMORY(transferable, 512);

static isle_value try_materialize(isle_value transferable)
{
    return isle_materialize(transferable);
}

static void check_materializes(isle_value transferable, const char *text)
{
    size_t size;
    const void *data = isle_as_bytes(isle_materialize(transferable), &size);

    CHECK_BYTES(data, size, text, strlen(text));
    CHECK_ERR(isle_try(try_materialize, transferable, NULL), ISLE_EUSED);
}

TEST_ROOT(transferable_two_in_one_list)
{
    isle_value received =
        echo_once(isle_pack("[o,o]", transferable_of("first", 5), transferable_of("second", 6)));

    check_materializes(isle_list_get(received, 1), "second");
    check_materializes(isle_list_get(received, 0), "first");
}

/* One of them twice in a list: materialised through either reference, then used up for both. */
static void check_twice_in_list(size_t first)
{
    isle_value transferable = transferable_of("once", 4);
    isle_value received = echo_once(isle_pack("[o,o]", transferable, transferable));

    check_materializes(isle_list_get(received, first), "once");
    CHECK_ERR(isle_try(try_materialize, isle_list_get(received, 1 - first), NULL), ISLE_EUSED);
}

TEST_ROOT(transferable_twice_in_list_first)
{
    check_twice_in_list(0);
}

TEST_ROOT(transferable_twice_in_list_second)
{
    check_twice_in_list(1);
}

TEST_ROOT(transferable_in_same_isolate)
{
    check_materializes(transferable_of("here", 4), "here");
}

/* Dart concatenates chunks; Isle's is filled in place, so the chunks are written one after the
 * other and no copy is made in between. */
TEST_ROOT(transferable_of_chunks)
{
    isle_value transferable = isle_transferable(30);
    uint8_t *data = isle_transferable_data(transferable);
    const uint8_t *received;
    size_t size;

    for (uint8_t i = 0; i < 10; i++)
        data[i] = i;
    for (uint8_t i = 10; i < 30; i++)
        data[i] = i;
    received = isle_as_bytes(isle_materialize(echo_once(transferable)), &size);
    CHECK_INT(size, 30);
    for (size_t i = 0; i < 30; i++)
        CHECK_INT(received[i], i);
}

/* A user's own memory is accepted, and released by the runtime. */
TEST_ROOT(transferable_of_users_memory)
{
    char *memory = malloc(5);

    CHECK(memory != NULL);
    memcpy(memory, "users", 5);
    check_materializes(echo_once(isle_transferable_adopt(memory, 5, free)), "users");
}

/* External arrays ten times in a row. */
TEST_ROOT(transferable_external_ten_times)
{
    struct echo target = echo_start(NULL);

    for (int round = 0; round < 10; round++) {
        ISLE_SCOPE;
        enum { SIZE = 100 * 1024 };
        uint8_t *memory = malloc(SIZE);
        const uint8_t *received;
        size_t size;

        CHECK(memory != NULL);
        memset(memory, round, SIZE);
        received = isle_as_bytes(
            isle_materialize(echo_round(&target, isle_transferable_adopt(memory, SIZE, free))),
            &size);
        CHECK_INT(size, SIZE);
        CHECK_INT(received[0], round);
        CHECK_INT(received[SIZE - 1], round);
    }
    echo_stop(&target);
}

/* After a send that succeeded the sender's is dead; after one that was refused it is as before. */
static isle_value try_transferable_data(isle_value transferable)
{
    isle_transferable_data(transferable);
    return isle_null();
}

TEST_ROOT(transferable_after_send)
{
    isle_receive_port *port = isle_port_open();
    isle_value transferable = transferable_of("gone", 4);

    isle_send(isle_port_send_port(port), transferable);
    CHECK_ERR(isle_try(try_materialize, transferable, NULL), ISLE_EUSED);
    CHECK_ERR(isle_try(try_transferable_data, transferable, NULL), ISLE_EUSED);
    check_materializes(isle_port_receive(port), "gone");
    isle_port_close(port);
}

static void check_transferable_survives(bool offender_first)
{
    isle_receive_port *port = isle_port_open();
    isle_value transferable = transferable_of("still here", 10), offender;
    int here = 0;

    offender = isle_pointer(&here);
    CHECK_ERR(isle_try_send(isle_port_send_port(port),
                            offender_first ? isle_pack("[o,o]", offender, transferable)
                                           : isle_pack("[o,o]", transferable, offender)),
              ISLE_EUNSENDABLE);
    CHECK_BYTES(isle_transferable_data(transferable), 10, "still here", 10);
    isle_send(isle_port_send_port(port), transferable);
    check_materializes(isle_port_receive(port), "still here");
    CHECK(port_is_empty(port));
    isle_port_close(port);
}

TEST_ROOT(transferable_failed_to_send)
{
    check_transferable_survives(false);
}

TEST_ROOT(transferable_failed_to_send_offender_first)
{
    check_transferable_survives(true);
}

TEST_MAIN()
