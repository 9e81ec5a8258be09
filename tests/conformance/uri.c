/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance: code from a URI (rows 18, 20, 22, 24, 41, 42, 44, 94-100 of the table). In Isle that
 * is a shared object with an entry, and an isolate of it on threads is trusted like the program:
 * one address space, so functions and objects may cross, which Dart refuses between programs. In a
 * process it is code beside a copy of the program: functions of the program are there, types of
 * either that are not registered do not cross. */
#include "conformance.h"

/* The folder of the plug-ins: ISLE_TEST_PLUGINS, else where the build has put them. */
static isle_value plugin_uri(const char *plugin, const char *entry)
{
    const char *folder = getenv("ISLE_TEST_PLUGINS");

    return isle_stringf("file:%s/%s.so%s%s", folder ? folder : CONFORMANCE_PLUGINS, plugin,
                        entry ? "#" : "", entry ? entry : "");
}

static isle_isolate spawn_plugin(const char *entry, isle_value args, isle_value message,
                                 const isle_options *options)
{
    isle_options filled = options_under_test(options);

    return isle_spawn_uri(isle_as_string(plugin_uri("basics", entry)), args, message, &filled);
}

/* spawn_uri: the debug name is asked of the isolate itself, as in spawn_function. */
TEST_ROOT(spawn_uri)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.debug_name = "spawnedIsolate", .paused = true};
    isle_isolate child =
        spawn_plugin("reply", isle_pack("[s]", "hi"), isle_port_value(port), &options);

    ping_rounds(child, 3);
    CHECK(port_is_empty(port));
    isle_resume(child, child.pause_capability);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "re: hi from spawnedIsolate");
    isle_port_close(port);
}

/* A path without "file:" is the same. */
TEST_ROOT(spawn_uri_path)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = options_under_test(NULL);
    const char *uri = isle_as_string(plugin_uri("basics", "send_fifty"));

    isle_spawn_uri(uri + strlen("file:"), isle_null(), isle_port_value(port), &options);
    CHECK_INT(receive_int(port), 50);
    isle_port_close(port);
}

/* Without a "#" the entry is isle_main; without arguments it gets null. */
TEST_ROOT(spawn_uri_default_entry)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = options_under_test(NULL);
    const char *uri = isle_as_string(plugin_uri("default_entry", NULL));

    isle_spawn_uri(uri, isle_null(), isle_port_value(port), &options);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "no arguments");
    isle_spawn_uri(uri, isle_pack("[s,s]", "one", "two"), isle_port_value(port), &options);
    CHECK_VALUE(isle_port_receive(port), isle_pack("[s,s]", "one", "two"));
    isle_port_close(port);
}

static isle_value try_spawn_missing(isle_value uri)
{
    isle_options options = options_under_test(NULL);

    return isle_isolate_value(
        isle_spawn_uri(isle_as_string(uri), isle_null(), isle_null(), &options));
}

/* Code at a URI runs in a process unless the program trusts it: only of a process it is known what
 * it cost. */
TEST_ROOT(spawn_uri_default_backend)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    isle_options options = {.monitor = isle_port_send_port(ends)};
    const char *uri = isle_as_string(plugin_uri("basics", "send_fifty"));

    isle_spawn_uri(uri, isle_null(), isle_port_value(port), &options);
    CHECK_INT(receive_int(port), 50);
    CHECK(isle_as_end(isle_port_receive(ends)).cpu_time_ns > 0);
    isle_port_close(port);
    isle_port_close(ends);
}

/* spawn_uri_missing. */
static void check_cannot_spawn(isle_value uri)
{
    CHECK_ERR(isle_try(try_spawn_missing, uri, NULL), ISLE_ESPAWN);
    CHECK(!strncmp(isle_error_text(isle_last_error()), "Unable to spawn isolate: ", 25));
}

TEST_ROOT(spawn_uri_missing)
{
    check_cannot_spawn(plugin_uri("no_such_plugin", "reply"));
}

static void missing_child(isle_value message)
{
    isle_err err = isle_try(try_spawn_missing, isle_list_get(message, 0), NULL);
    isle_value text = isle_string(err ? isle_error_text(isle_last_error()) : "");

    isle_send(isle_as_port(isle_list_get(message, 1)), isle_pack("[i,o]", err, text));
}

TEST_ROOT(spawn_uri_missing_from_isolate)
{
    isle_receive_port *port = isle_port_open();
    const char *text;
    int code;

    needs_code_of_a_child();
    spawn(missing_child,
          isle_pack("[o,p]", plugin_uri("no_such_plugin", "reply"), isle_port_send_port(port)),
          NULL);
    isle_unpack(isle_port_receive(port), "[i,s!]", &code, &text);
    CHECK_ERR(code, ISLE_ESPAWN);
    CHECK(!strncmp(text, "Unable to spawn isolate: ", 25));
    isle_port_close(port);
}

/* What is known once the code is loaded, which the host does for threads and never for processes:
 * then it is an end. */
static void check_cannot_load(isle_value uri)
{
    isle_receive_port *errors = isle_port_open(), *exits = isle_port_open();
    isle_receive_port *ends = isle_port_open();
    isle_options options = {.on_error = isle_port_send_port(errors),
                            .on_exit = isle_port_send_port(exits),
                            .monitor = isle_port_send_port(ends)};
    const char *text;
    isle_value stack;

    if (backend_under_test() == ISLE_THREAD) {
        check_cannot_spawn(uri);
    } else {
        options = options_under_test(&options);
        isle_spawn_uri(isle_as_string(uri), isle_null(), isle_null(), &options);
        isle_unpack(isle_port_receive(errors), "[s,o!]", &text, &stack);
        CHECK(!strncmp(text, "Unable to spawn isolate: ", 25));
        CHECK(isle_is_null(isle_port_receive(exits)));
        isle_end end = isle_as_end(isle_port_receive(ends));
        CHECK_INT(end.reason, ISLE_UNSPAWNED);
        CHECK_STRING(end.text, text);
    }
    isle_port_close(errors);
    isle_port_close(exits);
    isle_port_close(ends);
}

/* What is there and no shared object fails the spawn; an object without that entry is loaded first.
 */
TEST_ROOT(spawn_uri_missing_not_an_object)
{
    check_cannot_spawn(isle_string("file:/dev/null#reply"));
    check_cannot_spawn(isle_string("file:/etc/passwd#reply"));
    check_cannot_spawn(isle_string("http://127.0.0.1/plugin.so#reply"));
    check_cannot_load(plugin_uri("basics", "no_such_entry"));
}

/* spawn_uri_exported_main: Dart re-exports main from another file; here any exported function is
 * named after the "#". */
TEST_ROOT(spawn_uri_exported_main)
{
    isle_receive_port *port = isle_port_open();

    spawn_plugin("send_fifty", isle_null(), isle_port_value(port), NULL);
    CHECK_INT(receive_int(port), 50);
    isle_port_close(port);
}

/* spawn_uri_multi and its negative twin. */
TEST_ROOT(spawn_uri_multi)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.debug_name = "multi"};

    spawn_plugin("reply", isle_pack("[s]", "hi"), isle_port_value(port), &options);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "re: hi from multi");
    isle_port_close(port);
}

TEST_ROOT(spawn_uri_multi_negative)
{
    check_cannot_load(plugin_uri("basics", "no_such_entry"));
}

/* Each isolate gets a copy of the object, so the plug-in's globals are its own. */
TEST_ROOT(spawn_uri_globals_are_own)
{
    isle_receive_port *port = isle_port_open();

    for (int i = 0; i < 5; i++) {
        spawn_plugin("count_up", isle_null(), isle_port_value(port), NULL);
        CHECK_INT(receive_int(port), 1);
    }
    isle_port_close(port);
}

/* spawn_uri_nested_vm. */
TEST_ROOT(spawn_uri_nested_vm)
{
    isle_receive_port *port = isle_port_open(), *exits = isle_port_open();
    isle_options options = {.on_exit = isle_port_send_port(exits)};
    isle_value args = isle_list(), message;

    needs_code_of_a_child();
    isle_list_add(args, plugin_uri("basics", "echo_once"));
    message = isle_pack("[[i,i],p]", 1, 2, isle_port_send_port(port));
    options = options_under_test(&options);
    isle_spawn_uri(isle_as_string(plugin_uri("nested", "spawn_nested")), args, message, &options);
    CHECK_VALUE(isle_port_receive(port), isle_pack("[s,[i,i]]", "nested", 1, 2));
    CHECK(isle_is_null(isle_port_receive(exits)));
    isle_port_close(port);
    isle_port_close(exits);
}

/* error_at_spawnuri, error_exit_at_spawnuri, exit_at_spawnuri: as without a URI. */
TEST_ROOT(error_at_spawnuri)
{
    isle_receive_port *errors = isle_port_open(), *exits = isle_port_open();
    isle_options options = {.errors_not_fatal = true,
                            .on_error = isle_port_send_port(errors),
                            .on_exit = isle_port_send_port(exits)};

    spawn_plugin("fail_at_once", isle_pack("[s]", "T"), isle_null(), &options);
    check_error_notice(isle_port_receive(errors), "T");
    CHECK(isle_is_null(isle_port_receive(exits)));
    CHECK(port_is_empty(errors));
    isle_port_close(errors);
    isle_port_close(exits);
}

TEST_ROOT(error_exit_at_spawnuri)
{
    isle_receive_port *replies = isle_port_open(), *errors = isle_port_open();
    isle_receive_port *exits = isle_port_open();
    isle_options options = {.errors_not_fatal = true,
                            .on_error = isle_port_send_port(errors),
                            .on_exit = isle_port_send_port(exits)};
    isle_isolate worker =
        spawn_plugin("obey_commands", isle_null(), isle_port_value(replies), &options);

    for (int64_t command = 0; command < 3; command++)
        isle_send(worker.default_port, isle_int(command));
    CHECK_INT(receive_int(replies), 42);
    check_error_notice(isle_port_receive(errors), "whoops");
    check_error_notice(isle_port_receive(errors), "37 is out of range");
    isle_send(worker.default_port, isle_int(0));
    CHECK_INT(receive_int(replies), 42);
    CHECK(port_is_empty(exits));
    isle_send(worker.default_port, isle_int(3));
    CHECK(isle_is_null(isle_port_receive(exits)));
    CHECK(port_is_empty(errors));
    isle_port_close(replies);
    isle_port_close(errors);
    isle_port_close(exits);
}

static void check_exit_at_spawnuri(const char *entry)
{
    isle_receive_port *exits = isle_port_open();
    isle_options options = {.on_exit = isle_port_send_port(exits)};

    spawn_plugin(entry, isle_null(), isle_null(), &options);
    CHECK(isle_is_null(isle_port_receive(exits)));
    spawn_plugin("return_at_once", isle_null(), isle_null(), &options);
    CHECK(isle_is_null(isle_port_receive(exits)));
    CHECK(port_is_empty(exits));
    isle_port_close(exits);
}

TEST_ROOT(exit_at_spawnuri_returning)
{
    check_exit_at_spawnuri("return_at_once");
}

TEST_ROOT(exit_at_spawnuri_microtask)
{
    check_exit_at_spawnuri("schedule_microtask");
}

TEST_ROOT(exit_at_spawnuri_timer)
{
    check_exit_at_spawnuri("start_timer");
}

/* function_send1: Dart refuses functions to other code. A plug-in runs in the program or beside a
 * copy of it, and may call a function of the program that it gets. What is refused everywhere is a
 * bare pointer. */
static int64_t seventeen(void)
{
    return 17;
}

static isle_value try_call_function(isle_value message)
{
    return isle_isolate_value(spawn_plugin("call_function", isle_null(), message, NULL));
}

TEST_ROOT(function_send1)
{
    isle_receive_port *port = isle_port_open();
    isle_value function = isle_function_value((isle_function *)seventeen);
    isle_value message = isle_pack("[o,p]", function, isle_port_send_port(port));

    CHECK_ERR(isle_try(try_call_function, message, NULL), ISLE_OK);
    CHECK_INT(receive_int(port), 17);
    CHECK(port_is_empty(port));
    isle_port_close(port);
}

TEST_ROOT(function_send1_refused)
{
    int here = 0;
    isle_value pointer = isle_pointer(&here);

    CHECK_ERR(isle_try(try_call_function, pointer, NULL), ISLE_EUNSENDABLE);
    CHECK_ERR(isle_try(try_call_function, isle_pack("[o]", pointer), NULL), ISLE_EUNSENDABLE);
}

/* issue_21398_parent_isolate2: an object of ours is opaque to code that does not know its type,
 * and comes back as it was. */
struct ten {
    int64_t field;
};
ISLE_TYPE(ten_type, struct ten, ISLE_FIELD(struct ten, field));

static void check_ten_returns(isle_value answer)
{
    isle_value object;
    int code;

    isle_unpack(answer, "[i,o!]", &code, &object);
    CHECK_ERR(code, ISLE_ETYPE);
    CHECK_INT(((const struct ten *)isle_as_object(object, &ten_type))->field, 10);
}

TEST_ROOT(issue_21398_parent_isolate2)
{
    isle_receive_port *port = isle_port_open();
    struct ten ten = {.field = 10};

    needs_shared_program();
    spawn_plugin("echo_object", isle_null(),
                 isle_pack("[o,p]", isle_object(&ten_type, &ten), isle_port_send_port(port)), NULL);
    check_ten_returns(isle_port_receive(port));
    isle_port_close(port);
}

/* issue_21398_parent_isolate: the other way round. An object of the plug-in's type cannot be read
 * as one of ours; it is looked at while the plug-in, where its type lives, is there. */
static isle_value read_as_ten(isle_value object)
{
    isle_as_object(object, &ten_type);
    return isle_null();
}

TEST_ROOT(issue_21398_parent_isolate)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate child;

    needs_shared_program();
    child = spawn_plugin("send_object", isle_null(), isle_port_value(port), NULL);
    {
        ISLE_SCOPE;
        isle_value object = isle_port_receive(port);

        CHECK_INT(isle_kind_of(object), ISLE_OBJECT);
        CHECK_STRING(isle_object_type(object)->name, "struct eleven");
        CHECK_ERR(isle_try(read_as_ten, object, NULL), ISLE_ETYPE);
    }
    isle_send(child.default_port, isle_null());
    isle_port_close(port);
}

/* issue_24243_parent_isolate: content from foreign code, without Dart's element types. */
TEST_ROOT(issue_24243_parent_isolate)
{
    isle_receive_port *port = isle_port_open();
    isle_value rows, outer, inner;

    spawn_plugin("send_content", isle_null(), isle_port_value(port), NULL);
    isle_unpack(isle_port_receive(port), "[o,o!]", &rows, &outer);
    CHECK_VALUE(rows, isle_pack("[[i,i,i],[i,i,i],[i,i,i]]", 1, 2, 3, 4, 5, 6, 7, 8, 9));
    CHECK_INT(isle_count(outer), 3);
    for (int i = 0; i < 3; i++) {
        inner = isle_map_get(outer, isle_int(i));
        CHECK_INT(isle_count(inner), 3);
        for (int j = 0; j < 3; j++)
            CHECK_VALUE(isle_map_get(inner, isle_int(j)), isle_stringf("%d-%d", i, j));
    }
    isle_port_close(port);
}

/* send_list_typed_data_spawn_uri. */
TEST_ROOT(send_list_typed_data_spawn_uri)
{
    static const int16_t shorts[] = {-1, 0, 1};
    static const double doubles[] = {0.5, -0.5};
    isle_receive_port *port = isle_port_open();
    isle_value list = isle_list(), received;
    const void *data;
    size_t count;

    isle_list_add(list, isle_array(ISLE_I16, shorts, 3));
    isle_list_add(list, isle_array(ISLE_F64, doubles, 2));
    spawn_plugin("echo_once", isle_null(), isle_pack("[o,p]", list, isle_port_send_port(port)),
                 NULL);
    received = isle_port_receive(port);
    data = isle_as_array(isle_list_get(received, 0), ISLE_I16, &count);
    CHECK_BYTES(data, count * sizeof(shorts[0]), shorts, sizeof(shorts));
    data = isle_as_array(isle_list_get(received, 1), ISLE_F64, &count);
    CHECK_BYTES(data, count * sizeof(doubles[0]), doubles, sizeof(doubles));
    isle_port_close(port);
}

TEST_MAIN()
