/* SPDX-License-Identifier: Apache-2.0 */
/* Bad input: every public function that takes a pointer, a handle, a kind, a count or a duration is
 * called with a wrong one, and the error must be the one that its header names. A row is a call;
 * all rows are tried, and each that answers otherwise is named. Calls outside an isolate are in
 * program.c. */
#include "guarantees.h"

static isle_receive_port *port, *closed_port;
static isle_future *pending, *over_future;
static isle_timer *over_timer;
static isle_value list, fixed_list, map, set, frozen_list, text, number, bytes;
static isle_send_port none, self;
static int64_t integer;
static size_t size;
static isle_value out;

struct thing {
    int64_t number;
};
struct other {
    double number;
};
ISLE_TYPE(thing_type, struct thing, ISLE_FIELD(struct thing, number));
ISLE_TYPE(other_type, struct other, ISLE_FIELD(struct other, number));
static struct thing thing = {5};

static void entry(isle_value message)
{
    (void)message;
}

static void task(void *context)
{
    (void)context;
}

static void handler(isle_value value, void *context)
{
    (void)value, (void)context;
}

static void release(void *data)
{
    (void)data;
}

static bool matches(isle_value value, void *context)
{
    (void)value, (void)context;
    return true;
}

/* What an asking form answers is thrown, so that a row is one thing. */
static void asked(isle_err err)
{
    if (err != ISLE_OK)
        isle_throw(isle_error(err, "asked", NULL));
}

static void receive_any(isle_receive_port *const *ports, size_t count)
{
    CHECK(isle_port_receive_any(ports, count, 0, &out) == NULL);
}

static void spawn_with(isle_options options)
{
    isle_spawn(entry, isle_null(), &options);
}

#define PORTS(X)                                                                                   \
    X(EINVAL, isle_send(none, number))                                                             \
    X(EINVAL, asked(isle_try_send(none, number)))                                                  \
    X(EINVAL, asked(isle_try_send_sized(none, number, &size)))                                     \
    X(EINVAL, asked(isle_try_send_sized(self, number, NULL)))                                      \
    X(EUNSENDABLE, asked(isle_try_send_sized(self, isle_pointer(&integer), &size)))                \
    X(EINVAL, isle_call(none, number, 1))                                                          \
    X(EINVAL, isle_send_with_reply(none, number, self))                                            \
    X(EUNSENDABLE, isle_send(self, isle_pointer(&integer)))                                        \
    X(EUNSENDABLE, asked(isle_try_send(self, isle_pointer(&integer))))                             \
    X(EUNSENDABLE, isle_send_with_reply(self, isle_pointer(&integer), self))                       \
    X(EINVAL, isle_port_send_port(NULL))                                                           \
    X(EINVAL, isle_port_value(NULL))                                                               \
    X(EINVAL, isle_port_set_keep_alive(NULL, true))                                                \
    X(EINVAL, isle_port_keep_alive(NULL))                                                          \
    X(EINVAL, isle_port_listen(NULL, handler, NULL))                                               \
    X(EINVAL, isle_port_serve(NULL, NULL, NULL))                                                   \
    X(EINVAL, isle_port_on_receive(NULL, NULL))                                                    \
    X(EINVAL, isle_port_receive(NULL))                                                             \
    X(EINVAL, asked(isle_port_try_receive(NULL, 0, &out)))                                         \
    X(EINVAL, isle_port_receive_if(NULL, matches, NULL))                                           \
    X(EINVAL, receive_any(NULL, 1))                                                                \
    X(EINVAL, receive_any(&port, 0))                                                               \
    X(EINVAL, receive_any((isle_receive_port *[]){port, NULL}, 2))                                 \
    X(EINVAL, isle_port_on_drop(NULL, task, NULL))                                                 \
    X(EINVAL, isle_port_on_drop(port, NULL, NULL))                                                 \
    X(OK, isle_port_close(NULL))                                                                   \
    X(OK, isle_port_close(closed_port))                                                            \
    X(ECLOSED, isle_port_listen(closed_port, handler, NULL))                                       \
    X(ECLOSED, isle_port_serve(closed_port, NULL, NULL))                                           \
    X(ECLOSED, isle_port_on_receive(closed_port, NULL))                                            \
    X(ECLOSED, isle_port_receive(closed_port))                                                     \
    X(ECLOSED, asked(isle_port_try_receive(closed_port, 0, &out)))                                 \
    X(ECLOSED, isle_port_receive_if(closed_port, matches, NULL))                                   \
    X(ECLOSED, isle_port_set_keep_alive(closed_port, true))                                        \
    X(ECLOSED, isle_port_keep_alive(closed_port))                                                  \
    X(ECLOSED, isle_port_on_drop(closed_port, task, NULL))                                         \
    X(ETIMEDOUT, asked(isle_port_try_receive(port, -ISLE_SECONDS(5), &out)))

#define ISOLATES(X)                                                                                \
    X(EINVAL, isle_spawn(NULL, isle_null(), NULL))                                                 \
    X(EINVAL, asked(isle_try_spawn(NULL, isle_null(), NULL, NULL)))                                \
    X(EINVAL, isle_await(isle_run(NULL, isle_null(), NULL)))                                       \
    X(EINVAL, isle_spawn_function(NULL))                                                           \
    X(EINVAL, isle_spawn_uri(NULL, isle_null(), isle_null(), NULL))                                \
    X(EINVAL, isle_spawn_uri("", isle_null(), isle_null(), NULL))                                  \
    X(EUNSENDABLE, isle_spawn(entry, isle_pointer(&integer), NULL))                                \
    X(EUNSUPPORTED, spawn_with((isle_options){.backend = ISLE_WASM}))                              \
    X(EUNSUPPORTED, spawn_with((isle_options){.backend = ISLE_WEB}))                               \
    X(EUNSUPPORTED, spawn_with((isle_options){.backend = ISLE_NODE}))                              \
    X(EUNSUPPORTED, spawn_with((isle_options){.cpu_time_max_ns = 1}))                              \
    X(EUNSUPPORTED, spawn_with((isle_options){.sandbox = &(isle_sandbox){0}}))                     \
    X(ERANGE, spawn_with((isle_options){.cpu_time_max_ns = -1}))                                   \
    X(ERANGE, spawn_with((isle_options){.deadline_ns = -1}))                                       \
    X(EINVAL, spawn_with((isle_options){.thread = (isle_thread)9}))                                \
    X(ECLOSED, isle_await(isle_spawn_wait((isle_isolate){{0}, {0}, {0}, {0}})))                    \
    X(OK, isle_kill((isle_isolate){{0}, {0}, {0}, {0}}, ISLE_IMMEDIATE))                           \
    X(OK, isle_shutdown((isle_isolate){{0}, {0}, {0}, {0}}))                                       \
    X(OK, isle_on_shutdown(NULL, NULL))                                                            \
    X(OK, isle_set_errors_fatal((isle_isolate){{0}, {0}, {0}, {0}}, true))                         \
    X(OK, isle_pause((isle_isolate){{0}, {0}, {0}, {0}}, (isle_capability){0}))                    \
    X(OK, isle_resume((isle_isolate){{0}, {0}, {0}, {0}}, (isle_capability){0}))                   \
    X(OK, isle_remove_exit_listener(isle_current(), none))                                         \
    X(OK, isle_remove_error_listener(isle_current(), none))                                        \
    X(EINVAL, isle_ping(isle_current(), none, number, ISLE_IMMEDIATE))                             \
    X(EUNSENDABLE, isle_ping(isle_current(), self, isle_pointer(&integer), ISLE_IMMEDIATE))        \
    X(EINVAL, isle_add_exit_listener(isle_current(), none, number))                                \
    X(EUNSENDABLE, isle_add_exit_listener(isle_current(), self, isle_pointer(&integer)))           \
    X(OK, isle_add_exit_listener(isle_current(), self, isle_bytes(NULL, 65000)))                   \
    X(ERANGE, isle_add_exit_listener(isle_current(), self, isle_bytes(NULL, 65537)))               \
    X(EINVAL, isle_add_error_listener(isle_current(), none))                                       \
    X(EINVAL, isle_monitor(isle_current(), none))                                                  \
    X(OK, isle_monitor((isle_isolate){{0}, {0}, {0}, {0}}, self))                                  \
    X(OK, isle_unmonitor(isle_current(), none))                                                    \
    X(OK, isle_unmonitor((isle_isolate){{0}, {0}, {0}, {0}}, self))                                \
    X(EINVAL, isle_link((isle_isolate){{0}, {0}, {0}, {0}}))                                       \
    X(OK, isle_link(isle_current()))                                                               \
    X(OK, isle_unlink((isle_isolate){{0}, {0}, {0}, {0}}))                                         \
    X(OK, isle_unlink(isle_current()))                                                             \
    X(OK, isle_trap_links(none))                                                                   \
    X(ETYPE, isle_as_end(isle_null()))                                                             \
    X(ETYPE, isle_as_end(isle_object(&thing_type, &thing)))                                        \
    X(EUNSENDABLE, isle_exit(self, isle_pointer(&integer)))

#define FUTURES(X)                                                                                 \
    X(EINVAL, isle_await(NULL))                                                                    \
    X(EINVAL, asked(isle_try_await(NULL, 0, &out)))                                                \
    X(ETIMEDOUT, asked(isle_try_await(pending, -1, &out)))                                         \
    X(EINVAL, isle_then(NULL, handler, handler, NULL))                                             \
    X(EINVAL, isle_future_all(NULL, 1))                                                            \
    X(EINVAL, isle_future_all((isle_future *[]){pending, NULL}, 2))                                \
    X(EINVAL, isle_future_any(NULL, 0))                                                            \
    X(EINVAL, isle_future_any((isle_future *[]){NULL}, 1))                                         \
    X(EINVAL, isle_future_timeout(NULL, 1))                                                        \
    X(EINVAL, isle_future_cancel(NULL))                                                            \
    X(EINVAL, isle_future_complete(NULL, number))                                                  \
    X(EINVAL, isle_future_complete_error(NULL, number))                                            \
    X(EINVAL, isle_future_is_complete(NULL))                                                       \
    X(EINVAL, isle_future_keep(NULL))                                                              \
    X(EINVAL, isle_future_release(NULL))                                                           \
    X(EINVAL, isle_future_on_drop(NULL, task, NULL))                                               \
    X(EINVAL, isle_future_on_cancel(NULL, task, NULL))                                             \
    X(EINVAL, isle_future_on_cancel(pending, NULL, NULL))                                          \
    X(EINVAL, isle_future_on_drop(pending, NULL, NULL))                                            \
    X(ESTALE, isle_await(over_future))                                                             \
    X(ESTALE, isle_then(over_future, handler, handler, NULL))                                      \
    X(ESTALE, isle_future_complete(over_future, number))                                           \
    X(ESTALE, isle_future_all(&over_future, 1))                                                    \
    X(ESTALE, isle_future_keep(over_future))                                                       \
    X(OK, isle_future_cancel(over_future))

#define TIME_AND_IO(X)                                                                             \
    X(EINVAL, isle_timer_start(1, NULL, NULL))                                                     \
    X(EINVAL, isle_timer_periodic(1, NULL, NULL))                                                  \
    X(ERANGE, isle_timer_periodic(0, task, NULL))                                                  \
    X(OK, isle_timer_cancel(NULL))                                                                 \
    X(OK, isle_timer_cancel(over_timer))                                                           \
    X(EINVAL, isle_timer_on_drop(NULL, task, NULL))                                                \
    X(ESTALE, isle_timer_on_drop(over_timer, task, NULL))                                          \
    X(EINVAL, isle_schedule_microtask(NULL, NULL))                                                 \
    X(EINVAL, isle_fd_wait(-1, ISLE_READABLE))                                                     \
    X(EINVAL, isle_fd_wait(0, 0))                                                                  \
    X(EINVAL, isle_fd_wait(0, 64))                                                                 \
    X(EINVAL, isle_fd_watch(-1, ISLE_READABLE, self))                                              \
    X(EINVAL, isle_fd_watch(0, 0, self))                                                           \
    X(EINVAL, isle_fd_watch(0, ISLE_READABLE, none))                                               \
    X(OK, isle_watch_close(NULL))                                                                  \
    X(EINVAL, isle_signal_port(SIGKILL))                                                           \
    X(EINVAL, isle_blocking(NULL, NULL, NULL))

#define SCOPES(X)                                                                                  \
    X(EINVAL, asked(isle_try(NULL, number, NULL)))                                                 \
    X(EINVAL, asked(isle_protect(NULL, NULL, NULL)))                                               \
    X(EINVAL, isle_error(ISLE_OK, "x", NULL))                                                      \
    X(EINVAL, isle_error((isle_err)-99, "x", NULL))                                                \
    X(EINVAL, isle_error(ISLE_EINVAL, NULL, NULL))                                                 \
    X(ETYPE, isle_error_code(number))                                                              \
    X(ETYPE, isle_error_text(number))                                                              \
    X(ETYPE, isle_error_stack(number))                                                             \
    X(EINVAL, isle_cell_set(NULL, number))                                                         \
    X(EINVAL, isle_defer(NULL, NULL))                                                              \
    X(EINVAL, isle_release(isle_list()))                                                           \
    X(EINVAL, isle_free(&integer))                                                                 \
    X(EINVAL, isle_realloc(&integer, 5))                                                           \
    X(OK, isle_free(NULL))                                                                         \
    X(ENOMEM, isle_alloc(SIZE_MAX))                                                                \
    X(EINVAL, isle_unwind_continue())                                                              \
    X(EINVAL, isle_stop())

#define VALUES(X)                                                                                  \
    X(ETYPE, isle_as_bool(text))                                                                   \
    X(ETYPE, isle_as_int(text))                                                                    \
    X(ETYPE, isle_as_double(text))                                                                 \
    X(ERANGE, isle_as_double(isle_int((INT64_C(1) << 53) + 1)))                                    \
    X(ETYPE, isle_as_string(number))                                                               \
    X(EINVAL, isle_as_string(isle_string_sized("a\0b", 3)))                                        \
    X(ETYPE, isle_as_port(number))                                                                 \
    X(ETYPE, isle_as_capability(number))                                                           \
    X(ETYPE, isle_as_isolate(number))                                                              \
    X(ETYPE, isle_as_function(number))                                                             \
    X(ETYPE, isle_as_pointer(number))                                                              \
    X(EINVAL, isle_string(NULL))                                                                   \
    X(EINVAL, isle_string_sized(NULL, 1))                                                          \
    X(EMALFORMED, isle_string("\xff"))                                                             \
    X(EINVAL, isle_function_value(NULL))                                                           \
    X(ETYPE, isle_count(number))                                                                   \
    X(ERANGE, isle_list_fixed(SIZE_MAX))                                                           \
    X(ETYPE, isle_list_add(map, number))                                                           \
    X(EUNSUPPORTED, isle_list_add(fixed_list, number))                                             \
    X(EUNSUPPORTED, isle_list_add(frozen_list, number))                                            \
    X(EINVAL, isle_list_of(NULL, 1))                                                               \
    X(EINVAL, isle_list_read(list, 0, 1, NULL))                                                    \
    X(ERANGE, isle_list_read(list, 1, 0, &out))                                                    \
    X(ERANGE, isle_list_read(fixed_list, 1, SIZE_MAX, &out))                                       \
    X(ETYPE, isle_list_read(map, 0, 0, &out))                                                      \
    X(EINVAL, isle_list_write(fixed_list, 0, 1, NULL))                                             \
    X(ERANGE, isle_list_write(list, 1, 0, &number))                                                \
    X(ERANGE, isle_list_write(fixed_list, 1, SIZE_MAX, &number))                                   \
    X(ETYPE, isle_list_write(map, 0, 0, &number))                                                  \
    X(EUNSUPPORTED, isle_list_write(frozen_list, 0, 0, &number))                                   \
    X(EUNSUPPORTED, isle_list_add(isle_list_of(&number, 1), number))                               \
    X(ERANGE, isle_list_get(list, 0))                                                              \
    X(ERANGE, isle_list_set(fixed_list, 2, number))                                                \
    X(ERANGE, isle_list_remove_last(list))                                                         \
    X(ETYPE, isle_list_get(map, 0))                                                                \
    X(ETYPE, isle_map_put(list, number, number))                                                   \
    X(ETYPE, isle_map_get(set, number))                                                            \
    X(ETYPE, isle_map_has(list, number))                                                           \
    X(ETYPE, isle_map_remove(list, number))                                                        \
    X(ETYPE, isle_put(list, "key", number))                                                        \
    X(EINVAL, isle_put(map, NULL, number))                                                         \
    X(EINVAL, isle_get(map, NULL))                                                                 \
    X(ETYPE, isle_get(number, "key"))                                                              \
    X(ETYPE, isle_set_add(map, number))                                                            \
    X(ETYPE, isle_set_has(list, number))                                                           \
    X(ETYPE, isle_set_remove(list, number))                                                        \
    X(ETYPE, isle_next(number, &(size_t){0}, &out, &out))                                          \
    X(EINVAL, isle_next(list, NULL, &out, &out))                                                   \
    X(EINVAL, isle_value_print(number, NULL))

#define BULK(X)                                                                                    \
    X(ERANGE, isle_bytes(NULL, SIZE_MAX / 2))                                                      \
    X(ERANGE, isle_array(ISLE_U64, NULL, SIZE_MAX / 8))                                            \
    X(EINVAL, isle_array((isle_element)77, NULL, 1))                                               \
    X(ERANGE, isle_bytes_view(bytes, 4, 5))                                                        \
    X(ERANGE, isle_bytes_view(bytes, 9, 0))                                                        \
    X(ERANGE, isle_bytes_view(bytes, 4, SIZE_MAX))                                                 \
    X(ETYPE, isle_bytes_view(number, 0, 0))                                                        \
    X(ETYPE, isle_as_bytes(number, NULL))                                                          \
    X(ETYPE, isle_as_array(bytes, ISLE_F64, NULL))                                                 \
    X(ETYPE, isle_bytes_data(text))                                                                \
    X(EUNSUPPORTED, isle_bytes_data(isle_freeze(bytes)))                                           \
    X(ERANGE, isle_transferable(SIZE_MAX / 2))                                                     \
    X(ETYPE, isle_transferable_data(bytes))                                                        \
    X(EINVAL, isle_transferable_adopt(NULL, 1, release))                                           \
    X(EINVAL, isle_transferable_adopt(&integer, 1, NULL))                                          \
    X(ETYPE, isle_materialize(bytes))                                                              \
    X(EUNSENDABLE, isle_freeze(isle_pack("[o]", isle_pointer(&integer))))                          \
    X(EINVAL, isle_resource(-1))                                                                   \
    X(ETYPE, isle_as_fd(number))                                                                   \
    X(EUNSENDABLE, isle_cbor_encode(isle_port(self)))                                              \
    X(EINVAL, asked(isle_cbor_try_decode(NULL, 1, 100, &out)))                                     \
    X(EINVAL, asked(isle_cbor_try_decode("\1", 1, 100, NULL)))                                     \
    X(EMALFORMED, asked(isle_cbor_try_decode("", 0, 100, &out)))                                   \
    X(EMALFORMED, asked(isle_cbor_try_decode("\1\1", 2, 100, &out)))                               \
    X(EINVAL, isle_object(NULL, &thing))                                                           \
    X(EINVAL, isle_object(&thing_type, NULL))                                                      \
    X(ETYPE, isle_as_object(number, &thing_type))                                                  \
    X(ETYPE, isle_as_object(isle_object(&thing_type, &thing), &other_type))                        \
    X(EINVAL, isle_as_object(isle_object(&thing_type, &thing), NULL))                              \
    X(ETYPE, isle_object_type(number))                                                             \
    X(EINVAL, isle_send_object(none, &thing_type, &thing))                                         \
    X(EINVAL, isle_send_object(self, NULL, &thing))                                                \
    X(EINVAL, isle_send_object(self, &thing_type, NULL))                                           \
    X(EINVAL, asked(isle_type_register(NULL)))                                                     \
    X(EINVAL, isle_pack((const char *)NULL))                                                       \
    X(EINVAL, isle_pack("[i"))                                                                     \
    X(ETYPE, isle_pack("i", 1.5))                                                                  \
    X(EINVAL, isle_unpack(number, (const char *)NULL))                                             \
    X(ETYPE, isle_unpack(text, "i", &integer))                                                     \
    X(EINVAL, isle_unpack(number, "i", (int64_t *)NULL))                                           \
    X(ERANGE, isle_unpack(isle_int(INT64_C(1) << 40), "i", &(int){0}))                             \
    X(ETYPE, asked(isle_try_unpack(text, "i", &integer)))                                          \
    X(EINVAL, asked(isle_post(none, "i", 1)))                                                      \
    X(EINVAL, asked(isle_post(self, (const char *)NULL)))

static void make_inputs(void)
{
    port = isle_port_open();
    closed_port = isle_port_open();
    isle_port_close(closed_port);
    self = isle_port_send_port(port);
    pending = isle_future_keep(isle_future_new());
    {
        ISLE_SCOPE;
        over_future = isle_future_new();
        isle_future_complete(over_future, isle_null());
    }
    over_timer = isle_timer_start(0, task, NULL);
    isle_timer_cancel(over_timer);
    isle_sleep(0);
    list = isle_list();
    fixed_list = isle_list_fixed(2);
    map = isle_map();
    set = isle_set();
    frozen_list = isle_freeze(isle_pack("[i]", 1));
    text = isle_string("text");
    number = isle_int(5);
    bytes = isle_bytes("12345678", 8);
}

struct row {
    const char *call;
    isle_err expected;
};

/* Tries every row of a group; `body` runs the one whose number it is given. */
static void check_rows(const struct row *rows, size_t count, isle_computation *body)
{
    int wrong = 0;

    make_inputs();
    for (size_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_err got = isle_try(body, isle_int((int64_t)i), NULL);

        test_count_check();
        if (got == rows[i].expected)
            continue;
        fprintf(stderr, "%s: %s, expected %s\n", rows[i].call, isle_err_name(got),
                isle_err_name(rows[i].expected));
        wrong++;
    }
    CHECK_INT(wrong, 0);
    isle_future_release(pending);
    isle_port_close(port);
}

#define ROW(err, ...) {#__VA_ARGS__, ISLE_##err},
#define CALL(err, ...)                                                                             \
    if (row-- == 0) {                                                                              \
        __VA_ARGS__;                                                                               \
        return isle_null();                                                                        \
    }
#define GROUP(name, ROWS)                                                                          \
    static isle_value call_##name(isle_value argument)                                             \
    {                                                                                              \
        int64_t row = isle_as_int(argument);                                                       \
        ROWS(CALL)                                                                                 \
        fail("no such row");                                                                       \
    }                                                                                              \
    TEST_ROOT(bad_input_of_##name##_is_answered_as_documented)                                     \
    {                                                                                              \
        static const struct row rows[] = {ROWS(ROW)};                                              \
        check_rows(rows, sizeof rows / sizeof *rows, call_##name);                                 \
    }

GROUP(ports, PORTS)
GROUP(isolates, ISOLATES)
GROUP(futures, FUTURES)
GROUP(time_and_io, TIME_AND_IO)
GROUP(scopes, SCOPES)
GROUP(values, VALUES)
GROUP(bulk, BULK)

TEST_MAIN()
