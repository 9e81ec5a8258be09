/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance: functions in messages, what is refused, and what the refusal says (rows 7, 25, 32,
 * 41, 43, 57, 63 of the table and send_unsupported_objects). Isle takes the newer rule: any C
 * function may be sent within the program. C has no closures; the nearest thing, a bare pointer to
 * captured state, is what is refused. */
#include "conformance.h"

typedef int64_t number_function(void);

static int64_t seventeen(void)
{
    return 17;
}

static int64_t eighteen(void)
{
    return 18;
}

static isle_value function_of(number_function *function)
{
    return isle_function_value((isle_function *)function);
}

static int64_t call(isle_value function)
{
    return ((number_function *)isle_as_function(function))();
}

/* function_send: a child calls the functions that it gets, and sends them back. */
static void calling_child(isle_value message)
{
    isle_receive_port *port = isle_default_port();
    isle_value function;
    isle_send_port to;

    isle_unpack(message, "[o,p!]", &function, &to);
    while (isle_kind_of(function) == ISLE_FUNCTION) {
        isle_send(to, isle_pack("[i,o]", call(function), function));
        function = isle_port_receive(port);
    }
    isle_send(to, function);
    isle_port_close(port);
}

static void check_called(isle_value answer, number_function *function, int64_t result)
{
    isle_value returned;
    int64_t called;

    isle_unpack(answer, "[i,o!]", &called, &returned);
    CHECK_INT(called, result);
    CHECK(isle_as_function(returned) == (isle_function *)function);
    CHECK_VALUE(returned, function_of(function));
}

TEST_ROOT(function_send)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate child;

    needs_shared_program();
    child = spawn(calling_child,
                  isle_pack("[o,p]", function_of(seventeen), isle_port_send_port(port)), NULL);
    check_called(isle_port_receive(port), seventeen, 17);
    isle_send(child.default_port, function_of(eighteen));
    check_called(isle_port_receive(port), eighteen, 18);
    isle_send(child.default_port, isle_int(0));
    CHECK_INT(receive_int(port), 0);
    isle_port_close(port);
}

TEST_ROOT(function_send_to_self)
{
    isle_value received = self_send(isle_pack("[o]", function_of(seventeen)));

    CHECK(isle_as_function(isle_list_get(received, 0)) == (isle_function *)seventeen);
    CHECK_INT(call(isle_list_get(received, 0)), 17);
}

static isle_value spawn_with(isle_value message)
{
    return isle_isolate_value(spawn(calling_child, message, NULL));
}

/* What is refused is refused everywhere, bare or wrapped, and the port serves on. */
TEST_ROOT(function_send_refused)
{
    struct echo target = echo_start(NULL);
    int captured = 17;
    isle_value closure = isle_pointer(&captured), wrapped = isle_pack("[o]", closure);

    CHECK_ERR(isle_try(spawn_with, closure, NULL), ISLE_EUNSENDABLE);
    CHECK_ERR(isle_try(spawn_with, wrapped, NULL), ISLE_EUNSENDABLE);
    CHECK_ERR(isle_try_send(target.port, closure), ISLE_EUNSENDABLE);
    CHECK_ERR(isle_try_send(target.port, wrapped), ISLE_EUNSENDABLE);
    echo_stop(&target);
}

/* illegal_msg_function: the insisting form throws in the sender. */
static isle_value send_to_first(isle_value port_and_message)
{
    isle_send(isle_as_port(isle_list_get(port_and_message, 0)), isle_list_get(port_and_message, 1));
    return isle_null();
}

TEST_ROOT(illegal_msg_function)
{
    isle_receive_port *port = isle_port_open();
    int captured = 17;
    isle_value message = isle_pack("[p,o]", isle_port_send_port(port), isle_pointer(&captured));

    CHECK_ERR(isle_try(send_to_first, message, NULL), ISLE_EUNSENDABLE);
    CHECK_ERR(isle_error_code(isle_last_error()), ISLE_EUNSENDABLE);
    CHECK(strstr(isle_error_text(isle_last_error()), "Illegal argument in isolate message") ==
          isle_error_text(isle_last_error()));
    CHECK(port_is_empty(port));
    isle_port_close(port);
}

/* issue_22778. */
TEST_ROOT(issue_22778)
{
    isle_value function = function_of(seventeen), received;

    needs_shared_program();
    received = echo_once(isle_pack("[o,o]", function, function));
    CHECK_INT(isle_count(received), 2);
    CHECK_VALUE(isle_list_get(received, 0), isle_list_get(received, 1));
    CHECK(isle_as_function(isle_list_get(received, 0)) == (isle_function *)seventeen);
    CHECK(isle_as_function(isle_list_get(received, 1)) == (isle_function *)seventeen);
}

/* message4: functions that the program did not write itself. */
TEST_ROOT(message4)
{
    static isle_function *const functions[] = {(isle_function *)strlen,
                                               (isle_function *)isle_checkpoint, abort};
    isle_value list = isle_pack("[s]", "abc"), received;

    needs_shared_program();
    for (int i = 0; i < 3; i++)
        isle_list_add(list, isle_function_value(functions[i]));
    received = echo_once(list);
    CHECK_INT(isle_count(received), 4);
    CHECK_STRING(isle_as_string(isle_list_get(received, 0)), "abc");
    for (size_t i = 0; i < 3; i++)
        CHECK(isle_as_function(isle_list_get(received, i + 1)) == functions[i]);
    CHECK_INT(((size_t(*)(const char *))isle_as_function(isle_list_get(received, 1)))("abc"), 3);
}

/* native_wrapper_message and the marked class: an object whose type says that it cannot be sent,
 * an object that holds one, and one that holds a bare pointer. */
struct native {
    int64_t handle;
};
ISLE_TYPE_WITH(native_type, struct native, (1, true, NULL, NULL),
               ISLE_FIELD(struct native, handle));
REGISTERED(native_type);

struct wrapper {
    struct native *inner;
    isle_value value;
};
ISLE_TYPE(wrapper_type, struct wrapper, ISLE_FIELD_OBJECT(struct wrapper, inner, &native_type),
          ISLE_FIELD(struct wrapper, value));
REGISTERED(wrapper_type);

static void check_refused(isle_value message, const char *const *words)
{
    isle_receive_port *port = isle_port_open();
    const char *text;

    CHECK_ERR(isle_try_send(isle_port_send_port(port), message), ISLE_EUNSENDABLE);
    text = isle_error_text(isle_last_error());
    CHECK(!strncmp(text, "Illegal argument in isolate message", 35));
    for (; *words; words++)
        if (!strstr(text, *words))
            fail("the text lacks \"%s\":\n%s", *words, text);
    CHECK(port_is_empty(port));
    isle_send(isle_port_send_port(port), isle_int(1));
    CHECK_INT(receive_int(port), 1);
    isle_port_close(port);
}

TEST_ROOT(native_wrapper_message)
{
    struct native native = {.handle = 1};

    check_refused(isle_object(&native_type, &native), (const char *[]){"struct native", NULL});
}

TEST_ROOT(send_unsupported_objects)
{
    struct native native = {.handle = 1};
    struct wrapper wrapper = {.inner = &native}, empty = {.inner = NULL};

    check_refused(isle_object(&wrapper_type, &wrapper),
                  (const char *[]){"struct native", "struct wrapper", NULL});
    CHECK(((const struct wrapper *)isle_as_object(self_send(isle_object(&wrapper_type, &empty)),
                                                  &wrapper_type))
              ->inner == NULL);
}

TEST_ROOT(send_unsupported_objects_pointer_field)
{
    int here = 0;
    struct wrapper wrapper = {.value = isle_pack("[i,o]", 1, isle_pointer(&here))};

    check_refused(isle_object(&wrapper_type, &wrapper),
                  (const char *[]){isle_kind_name(ISLE_POINTER), "struct wrapper", NULL});
}

/* Deep in a message: the path leads from the offender to the root, a step a line. */
TEST_ROOT(send_unsupported_objects_deep)
{
    struct native native = {.handle = 1};
    isle_value map = isle_map(), list;

    isle_put(map, "bad one", isle_object(&native_type, &native));
    list = isle_pack("[i,o]", 1, map);
    check_refused(list, (const char *[]){"struct native", "bad one", "\n", NULL});
}

/* The same at spawn, at run and at exit. */
static isle_value spawn_with_native(isle_value unused)
{
    struct native native = {.handle = 1};

    (void)unused;
    return spawn_with(isle_pack("[o,p]", isle_object(&native_type, &native),
                                isle_port_send_port(isle_default_port())));
}

TEST_ROOT(send_unsupported_objects_at_spawn)
{
    CHECK_ERR(isle_try(spawn_with_native, isle_null(), NULL), ISLE_EUNSENDABLE);
    CHECK(strstr(isle_error_text(isle_last_error()), "struct native"));
}

static isle_value exit_with_pointer(isle_value to)
{
    int here = 0;

    isle_exit(isle_as_port(to), isle_pointer(&here));
}

static void exiting_child(isle_value root)
{
    isle_err err = isle_try(exit_with_pointer, root, NULL);

    isle_exit(isle_as_port(root), isle_pack("[s,i]", "lives on", err));
}

TEST_ROOT(send_unsupported_objects_at_exit)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.on_exit = isle_port_send_port(port)};

    spawn(exiting_child, isle_port_value(port), &options);
    CHECK_VALUE(isle_port_receive(port), isle_pack("[s,i]", "lives on", ISLE_EUNSENDABLE));
    CHECK(isle_is_null(isle_port_receive(port)));
    isle_port_close(port);
}

/* deeply_immutable: Dart's rules are the compiler's; Isle's are kept when a graph is frozen. What
 * is made of numbers, texts, functions and other such graphs freezes whatever was mutable in it, as
 * a copy; a pointer to captured state is refused and the text says so; changing what is frozen
 * throws. */
TEST_ROOT(deeply_immutable)
{
    isle_value inner = isle_pack("{s:i,s:s}", "number", 1, "text", "two"), graph, frozen;

    graph = isle_pack("[i,f,s,b,o]", 1, 2.5, "three", true, inner);
    isle_list_add(graph, function_of(seventeen));
    frozen = isle_freeze(graph);
    CHECK(isle_is_frozen(frozen));
    CHECK(!isle_is_frozen(graph));
    CHECK_VALUE(frozen, graph);
    CHECK(isle_identical(isle_freeze(frozen), frozen));
    CHECK(!allows(try_write, frozen));
    CHECK(!allows(try_grow, frozen));
    CHECK(!allows(try_put, isle_list_get(frozen, 4)));
    isle_put(inner, "number", isle_int(2));
    CHECK_INT(isle_as_int(isle_get(isle_list_get(frozen, 4), "number")), 1);
    CHECK_INT(call(isle_list_get(frozen, 5)), 17);
}

static isle_value try_freeze(isle_value value)
{
    return isle_freeze(value);
}

TEST_ROOT(deeply_immutable_refused)
{
    int captured = 0;
    isle_value graph = isle_pack("[i,o]", 1, isle_pointer(&captured));

    CHECK_ERR(isle_try(try_freeze, graph, NULL), ISLE_EUNSENDABLE);
    CHECK(strstr(isle_error_text(isle_last_error()), isle_kind_name(ISLE_POINTER)));
    CHECK(!isle_is_frozen(graph));
    CHECK(allows(try_grow, graph));
}

TEST_ROOT(deeply_immutable_cycle)
{
    isle_value list = isle_list(), frozen, received;

    isle_list_add(list, list);
    frozen = isle_freeze(list);
    CHECK(isle_is_frozen(frozen));
    CHECK(isle_identical(isle_list_get(frozen, 0), frozen));
    received = echo_once(frozen);
    CHECK(isle_is_frozen(received));
    CHECK(isle_identical(isle_list_get(received, 0), received));
}

/* issue_21398_parent_isolate1: objects between isolates of one program, both ways. */
struct ten {
    int64_t field;
};
ISLE_TYPE(ten_type, struct ten, ISLE_FIELD(struct ten, field));
REGISTERED(ten_type);

static void ten_child(isle_value message)
{
    isle_send_port to;
    isle_value object;
    struct ten own = {.field = 10};

    isle_unpack(message, "[o,p!]", &object, &to);
    isle_send(to, isle_int(((const struct ten *)isle_as_object(object, &ten_type))->field));
    isle_send(to, isle_object(&ten_type, &own));
}

TEST_ROOT(issue_21398_parent_isolate1)
{
    isle_receive_port *port = isle_port_open();
    struct ten ten = {.field = 10};

    spawn(ten_child, isle_pack("[o,p]", isle_object(&ten_type, &ten), isle_port_send_port(port)),
          NULL);
    CHECK_INT(receive_int(port), 10);
    CHECK_INT(((const struct ten *)isle_as_object(isle_port_receive(port), &ten_type))->field, 10);
    isle_port_close(port);
}

TEST_MAIN()
