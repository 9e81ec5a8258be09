/* SPDX-License-Identifier: Apache-2.0 */
/* What messages bring through a wall: objects of registered types, functions, descriptors. Over a
 * backend of the tests and, with WALL_OF_PROCESSES, around sandboxed processes (wall_help.h). */
#include "wall_help.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* --- what messages bring */

struct pair {
    int first;
    char *second;
};
ISLE_TYPE(pair_type, struct pair, ISLE_FIELD(struct pair, first), ISLE_FIELD(struct pair, second));

static void swap_pair(isle_value to)
{
    isle_value message = isle_port_receive(isle_default_port());
    struct pair *pair = isle_as_object(message, &pair_type);
    struct pair answer = {pair->first + 1, pair->second};
    isle_send_object(isle_as_port(to), &pair_type, &answer);
    isle_port_close(isle_default_port());
}

TEST_ROOT(structs_of_registered_types_cross)
{
    CHECK_ERR(isle_type_register(&pair_type), ISLE_OK);
    isle_receive_port *port = isle_port_open();
    isle_isolate other = isle_spawn(swap_pair, isle_port_value(port), &walled);
    struct pair pair = {41, (char *)"the same"};
    isle_send_object(other.default_port, &pair_type, &pair);
    const struct pair *answer = isle_as_object(receive(port), &pair_type);
    CHECK_INT(answer->first, 42);
    CHECK_STRING(answer->second, "the same");
    isle_port_close(port);
    settle();
}

/* Registered after the spawn: it is told before it is used, to all who stand. */
struct late {
    int number;
};
ISLE_TYPE(late_type, struct late, ISLE_FIELD(struct late, number));

static void pass_late(isle_value next)
{
    isle_receive_port *port = isle_default_port();
    isle_send_port to = isle_as_port(isle_port_receive(port));
    isle_send(to, isle_string("stands"));
    isle_value message = isle_port_receive(port);
    struct late late = *(struct late *)isle_as_object(message, &late_type);
    late.number++;
    if (!isle_is_null(next))
        to = isle_as_port(next);
    isle_send_object(to, &late_type, &late);
    isle_port_close(port);
}

TEST_ROOT(a_type_may_be_registered_after_the_spawn)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate last = isle_spawn(pass_late, isle_null(), &walled);
    isle_isolate first = isle_spawn(pass_late, isle_port(last.default_port), &walled);
    isle_send(first.default_port, isle_port_value(port));
    isle_send(last.default_port, isle_port_value(port));
    for (int i = 0; i < 2; i++)
        CHECK_STRING(isle_as_string(receive(port)), "stands");
    CHECK_ERR(isle_type_register(&late_type), ISLE_OK);
    struct late late = {5};
    isle_send_object(first.default_port, &late_type, &late);
    CHECK_INT(((const struct late *)isle_as_object(receive(port), &late_type))->number, 7);
    isle_port_close(port);
    settle();
}

/* One that the program outside does not know is not sent there, which is told. */
struct unknown {
    int number;
};
ISLE_TYPE(unknown_type, struct unknown, ISLE_FIELD(struct unknown, number));

static void send_unknown(isle_value to)
{
    struct unknown unknown = {5};
    if (isle_type_register(&unknown_type) != ISLE_OK)
        abort();
    isle_send_object(isle_as_port(to), &unknown_type, &unknown);
    isle_send(isle_as_port(to), isle_string("lives on"));
}

TEST_ROOT(an_object_of_a_type_that_is_unknown_outside_is_named)
{
    isle_receive_port *port = isle_port_open(), *errors = isle_port_open();
    isle_options options = walled;
    options.on_error = isle_port_send_port(errors);
    isle_spawn(send_unknown, isle_port_value(port), &options);
    CHECK_STRING(isle_as_string(receive(port)), "lives on");
    const char *text = isle_as_string(isle_list_get(receive(errors), 0));
    CHECK(strstr(text, unknown_type.name) != NULL);
    CHECK(strstr(text, "isle_type_register") != NULL);
    isle_port_close(port);
    isle_port_close(errors);
    settle();
}

static void call_it(isle_value message)
{
    isle_value function = isle_list_get(message, 0);
    isle_value result = ((isle_computation *)isle_as_function(function))(isle_int(4));
    isle_send(isle_as_port(isle_list_get(message, 1)), result);
}

TEST_ROOT(functions_of_the_program_go_in)
{
    isle_receive_port *port = isle_port_open();
    isle_value function = isle_function_value((isle_function *)twice);
    isle_spawn(call_it, isle_pack("[o,o]", function, isle_port_value(port)), &walled);
    CHECK_INT(isle_as_int(receive(port)), 8);
    isle_port_close(port);
    settle();
}
#ifdef WALL_OF_PROCESSES
/* --- descriptors */

static void read_it(isle_value message)
{
    char text[32] = "";
    ssize_t size = read(isle_as_fd(isle_list_get(message, 0)), text, sizeof text - 1);
    isle_send(isle_as_port(isle_list_get(message, 1)),
              isle_string(size > 0 ? text : "nothing to read"));
}

TEST_ROOT(descriptors_go_in)
{
    int ends[2];
    isle_receive_port *port = isle_port_open();
    CHECK_INT(pipe(ends), 0);
    CHECK_INT(write(ends[1], "through a pipe", 14), 14);
    close(ends[1]);
    isle_spawn(read_it, isle_pack("[o,o]", isle_resource(ends[0]), isle_port_value(port)), &walled);
    CHECK_STRING(isle_as_string(receive(port)), "through a pipe");
    isle_port_close(port);
    settle();
}

enum { DESCRIPTORS = 16, BURST = 48 }; /* the most of one message; messages, which fit inside */

/* Each has a letter in it: the word that they make. */
static isle_value spell(isle_value message, void *context)
{
    char word[DESCRIPTORS + 1] = "";
    (void)context;
    for (size_t i = 0; i < isle_count(message); i++)
        if (read(isle_as_fd(isle_list_get(message, i)), word + i, 1) != 1)
            word[i] = '?';
    return isle_string(word);
}

static void spell_all(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), spell, NULL);
}

static isle_value letters(size_t count)
{
    isle_value list = isle_list();
    for (size_t i = 0; i < count; i++) {
        int ends[2];
        CHECK_INT(pipe(ends), 0);
        CHECK_INT(write(ends[1], &"abcdefghijklmnopq"[i], 1), 1);
        close(ends[1]);
        isle_list_add(list, isle_resource(ends[0]));
    }
    return list;
}

TEST_ROOT(a_message_takes_several_descriptors_in)
{
    isle_isolate other = isle_spawn(spell_all, isle_null(), &walled);
    for (size_t count = 0; count <= DESCRIPTORS; count++) {
        ISLE_SCOPE;
        char word[DESCRIPTORS + 1] = "";
        memcpy(word, "abcdefghijklmnop", count);
        isle_value said = awaited(isle_call(other.default_port, letters(count), ISLE_FOREVER));
        CHECK_STRING(isle_as_string(said), word);
    }
    isle_future *call = isle_call(other.default_port, letters(DESCRIPTORS + 1), ISLE_FOREVER);
    CHECK_ERR(isle_try_await(call, ISLE_SECONDS(20), NULL), ISLE_EFULL);
    isle_kill(other, ISLE_IMMEDIATE);
    settle();
}

/* Only a few are on their way at a time: the others wait for them, in their order. */
TEST_ROOT(descriptors_that_are_sent_at_once_all_go_in)
{
    isle_isolate other = isle_spawn(spell_all, isle_null(), &walled);
    uint64_t dropped = stats_now().dropped_crossing;
    isle_future *calls[BURST];
    for (size_t i = 0; i < BURST; i++)
        calls[i] = isle_call(other.default_port, i % 3 == 2 ? isle_list() : letters(1 + i % 3),
                             ISLE_FOREVER);
    for (size_t i = 0; i < BURST; i++)
        CHECK_STRING(isle_as_string(awaited(calls[i])), i % 3 == 2 ? "" : i % 3 == 1 ? "ab" : "a");
    CHECK_UINT(stats_now().dropped_crossing, dropped);
    isle_kill(other, ISLE_IMMEDIATE);
    settle();
}

static void close_a_port(isle_value message)
{
    isle_receive_port *gone = isle_port_open(), *port = isle_port_open();
    isle_send(isle_as_port(message),
              isle_pack("[o,o]", isle_port_value(gone), isle_port_value(port)));
    isle_port_receive(port);
    isle_port_close(gone);
    isle_send(isle_as_port(message), isle_int(7));
    while (!isle_is_null(isle_port_receive(port)))
        isle_send(isle_as_port(message), isle_int(7));
    isle_port_close(port);
}

/* The refusal goes out while the record is still being read, with what it brought. */
TEST_ROOT(what_takes_descriptors_to_a_closed_port_is_refused_and_no_more)
{
    isle_receive_port *port = isle_port_open();
    isle_value large = isle_bytes(NULL, 2 << 20), failed;
    memset(isle_bytes_data(large), 3, 2 << 20);
    large = isle_freeze(large);
    isle_spawn(close_a_port, isle_port_value(port), &walled);
    isle_value ports = receive(port);
    isle_send_port gone = isle_as_port(isle_list_get(ports, 0));
    isle_send_port stands = isle_as_port(isle_list_get(ports, 1));
    isle_send(stands, isle_int(0));
    CHECK_INT(isle_as_int(receive(port)), 7); /* it is closed now */
    for (int i = 0; i < 4; i++) {             /* from its second time the large one is a file */
        isle_value message =
            i == 0 ? isle_resource(open("/dev/null", O_RDONLY | O_CLOEXEC)) : large;
        isle_future *call = isle_call(gone, message, ISLE_SECONDS(20));
        CHECK_INT(isle_try_await(call, ISLE_SECONDS(20), &failed), ISLE_ECLOSED);
        isle_send(stands, isle_int(i));
        CHECK_INT(isle_as_int(receive(port)), 7);
    }
    isle_send(stands, isle_null());
    isle_port_close(port);
    settle();
}

/* Its size by the C library's fstat, its content mapped and by stdio; what a name finds. */
static void look_at_it(isle_value message)
{
    int fd = isle_as_fd(isle_list_get(message, 0));
    struct stat status = {0}, other;
    char line[32] = "";
    isle_value said = isle_list();
    int got = fstat(fd, &status);
    isle_list_add(said, isle_int(got == 0 ? status.st_size : -errno));
    char *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    isle_list_add(said, bytes == MAP_FAILED ? isle_int(-errno)
                                            : isle_string_sized(bytes, (size_t)status.st_size));
    FILE *file = fdopen(fd, "r");
    isle_list_add(
        said,
        isle_string(file != NULL && fgets(line, sizeof line, file) != NULL ? line : "no line"));
    int folder = isle_as_fd(isle_list_get(message, 2));
    static const char *const names[] = {".", "..", "../etc/passwd", "/etc/passwd"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        got = (int)syscall(SYS_newfstatat, folder, names[i], &other, AT_EMPTY_PATH);
        isle_list_add(said, isle_int(got == 0 ? 0 : errno));
    }
    isle_send(isle_as_port(isle_list_get(message, 1)), said);
}

TEST_ROOT(a_given_file_tells_its_size_and_no_name_is_looked_up)
{
    FILE *file = tmpfile();
    int folder = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    isle_receive_port *port = isle_port_open();
    CHECK(file != NULL && folder >= 0);
    CHECK(fputs("a given file\n", file) >= 0 && fflush(file) == 0);
    CHECK_INT(lseek(fileno(file), 0, SEEK_SET), 0);
    isle_spawn(look_at_it,
               isle_pack("[o,o,o]", isle_resource(dup(fileno(file))), isle_port_value(port),
                         isle_resource(folder)),
               &walled);
    fclose(file);
    isle_value said = receive(port);
    CHECK_INT(isle_as_int(isle_list_get(said, 0)), 13);
    CHECK_STRING(isle_as_string(isle_list_get(said, 1)), "a given file\n");
    CHECK_STRING(isle_as_string(isle_list_get(said, 2)), "a given file\n");
    for (size_t i = 3; i < 7; i++)
        CHECK_INT(isle_as_int(isle_list_get(said, i)), EACCES);
    isle_port_close(port);
    settle();
}
#endif

TEST_MAIN()
