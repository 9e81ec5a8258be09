/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance: starting isolates and talking to them (rows 5, 6, 21, 37, 46, 54, 65, 88, 90-92,
 * 102, 103 of the table). */
#include "conformance.h"

#include "entries.h"

/* count: the worker's own counter and the numbers of the root must agree at every step, so the
 * reply carries both. */
static void count_worker(isle_value root)
{
    isle_send_port to = isle_as_port(root);
    isle_receive_port *port = isle_port_open();
    int64_t counter = 0;
    bool serving = true;

    isle_send(to, isle_pack("[s,o]", "init", isle_port_value(port)));
    while (serving) {
        ISLE_SCOPE;
        int64_t number = isle_as_int(isle_port_receive(port));

        if (number == -1) {
            isle_send(to, isle_pack("[s,i]", "done", counter));
            serving = false;
        } else {
            counter++;
            isle_send(to, isle_pack("[s,i,i]", "count", 2 * number, counter));
        }
    }
    isle_port_close(port);
}

TEST_ROOT(count)
{
    isle_receive_port *port = isle_port_open();
    const char *word;
    isle_send_port worker;
    int64_t twice, counter;

    spawn(count_worker, isle_port_value(port), NULL);
    isle_unpack(isle_port_receive(port), "[s,p!]", &word, &worker);
    CHECK_STRING(word, "init");
    for (int64_t number = 1; number <= 10; number++) {
        isle_send(worker, isle_int(number));
        isle_unpack(isle_port_receive(port), "[s,i,i!]", &word, &twice, &counter);
        CHECK_STRING(word, "count");
        CHECK_INT(twice, 2 * number);
        CHECK_INT(counter, number);
    }
    isle_send(worker, isle_int(-1));
    isle_unpack(isle_port_receive(port), "[s,i!]", &word, &counter);
    CHECK_STRING(word, "done");
    CHECK_INT(counter, 10);
    isle_port_close(port);
}

/* cross_isolate_message: two children that know each other only through the root. */
static void cross_first(isle_value root)
{
    isle_send_port to = isle_as_port(root);
    isle_receive_port *port = isle_port_open();
    const char *word;
    int64_t number;

    isle_send(to, isle_port_value(port));
    isle_unpack(isle_port_receive(port), "[s,i!]", &word, &number);
    isle_send(to, isle_pack("[s,i,s,i]", "fromIsolate1", 100, word, number));
    isle_port_close(port);
}

static void cross_second(isle_value first)
{
    isle_send(isle_as_port(first), isle_pack("[s,i]", "fromIsolate2", 42));
}

TEST_ROOT(cross_isolate_message)
{
    isle_receive_port *port = isle_port_open();
    isle_value first, message;
    const char *mine, *forwarded;
    int64_t number, forwarded_number;

    spawn(cross_first, isle_port_value(port), NULL);
    first = isle_port_receive(port);
    spawn(cross_second, first, NULL);
    isle_unpack(isle_port_receive(port), "[s,i,s,i!]", &mine, &number, &forwarded,
                &forwarded_number);
    CHECK_STRING(mine, "fromIsolate1");
    CHECK_INT(number, 100);
    CHECK_STRING(forwarded, "fromIsolate2");
    CHECK_INT(forwarded_number, 42);
    isle_port_close(port);
    CHECK_ERR(isle_port_try_receive(port, ISLE_FOREVER, &message), ISLE_ECLOSED);
}

/* exit_at_spawn: an isolate ends when nothing is left for it to do, and says so once. */
static void nothing_to_do(void *context)
{
    (void)context;
}

static void exit_returning(isle_value message)
{
    (void)message;
}

static void exit_after_microtask(isle_value message)
{
    (void)message;
    isle_schedule_microtask(nothing_to_do, NULL);
}

static void exit_after_timer(isle_value message)
{
    (void)message;
    isle_timer_start(0, nothing_to_do, NULL);
}

static void check_exit_at_spawn(isle_entry *entry)
{
    isle_receive_port *exits = isle_port_open();
    isle_options options = {.on_exit = isle_port_send_port(exits)};

    spawn(entry, isle_null(), &options);
    CHECK(isle_is_null(isle_port_receive(exits)));
    spawn(exit_returning, isle_null(), &options);
    CHECK(isle_is_null(isle_port_receive(exits)));
    CHECK(port_is_empty(exits));
    isle_port_close(exits);
}

TEST_ROOT(exit_at_spawn_returning)
{
    check_exit_at_spawn(exit_returning);
}

TEST_ROOT(exit_at_spawn_microtask)
{
    check_exit_at_spawn(exit_after_microtask);
}

TEST_ROOT(exit_at_spawn_timer)
{
    check_exit_at_spawn(exit_after_timer);
}

/* isolate_current: handles are data, and the same isolate is the same handle from every side. */
static bool isolates_equal(isle_isolate a, isle_isolate b)
{
    return isle_send_port_equal(a.control_port, b.control_port) &&
           isle_send_port_equal(a.default_port, b.default_port) &&
           isle_capability_equal(a.pause_capability, b.pause_capability) &&
           isle_capability_equal(a.terminate_capability, b.terminate_capability);
}

TEST_ROOT(isolate_current)
{
    isle_isolate me = isle_current();
    isle_value parts = isle_list();

    CHECK(!isle_send_port_is_none(me.control_port));
    CHECK(me.pause_capability.id != 0);
    CHECK(me.terminate_capability.id != 0);
    CHECK(isolates_equal(me, isle_current()));
    isle_list_add(parts, isle_port(me.control_port));
    isle_list_add(parts, isle_capability_value(me.pause_capability));
    isle_list_add(parts, isle_capability_value(me.terminate_capability));
    parts = echo_once(parts);
    CHECK(isle_send_port_equal(isle_as_port(isle_list_get(parts, 0)), me.control_port));
    CHECK(isle_capability_equal(isle_as_capability(isle_list_get(parts, 1)), me.pause_capability));
    CHECK(isle_capability_equal(isle_as_capability(isle_list_get(parts, 2)),
                                me.terminate_capability));
    CHECK(isolates_equal(isle_as_isolate(echo_once(isle_isolate_value(me))), me));
}

static void current_child(isle_value root)
{
    isle_send_port to = isle_as_port(root);
    isle_receive_port *port = isle_port_open();
    isle_isolate from_root;

    isle_send(to, isle_pack("[o,o]", isle_isolate_value(isle_current()), isle_port_value(port)));
    from_root = isle_as_isolate(isle_port_receive(port));
    isle_send(to, isle_bool(isolates_equal(from_root, isle_current())));
    isle_port_close(port);
}

TEST_ROOT(isolate_current_of_child)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate child = spawn(current_child, isle_port_value(port), NULL);
    isle_value its_own;
    isle_send_port its_port;

    isle_unpack(isle_port_receive(port), "[o,p!]", &its_own, &its_port);
    CHECK(isolates_equal(isle_as_isolate(its_own), child));
    CHECK(!isolates_equal(child, isle_current()));
    isle_send(its_port, isle_isolate_value(child));
    CHECK(isle_as_bool(isle_port_receive(port)));
    isle_port_close(port);
}

/* issue_6610: code that was loaded once serves every generation. */
static void family(isle_value message)
{
    const char *path;
    int64_t depth;
    isle_send_port to;

    isle_unpack(message, "[s,i,p!]", &path, &depth, &to);
    isle_send(to, isle_string(path));
    if (depth < 2)
        spawn(family,
              isle_pack("[o,i,p]", isle_stringf("%s %s", path, depth ? "Leaf" : "Branch"),
                        depth + 1, to),
              NULL);
}

TEST_ROOT(issue_6610)
{
    needs_children_that_live_on();
    static const char *const expected[] = {"Root1", "Root1 Branch", "Root1 Branch Leaf",
                                           "Root2", "Root2 Branch", "Root2 Branch Leaf"};
    isle_receive_port *port = isle_port_open();
    isle_value seen = isle_set();

    spawn(family, isle_pack("[s,i,p]", "Root1", 0, isle_port_send_port(port)), NULL);
    spawn(family, isle_pack("[s,i,p]", "Root2", 0, isle_port_send_port(port)), NULL);
    for (int i = 0; i < 6; i++)
        CHECK(isle_set_add(seen, isle_port_receive(port)));
    for (int i = 0; i < 6; i++)
        CHECK(isle_set_has(seen, isle_string(expected[i])));
    isle_port_close(port);
}

/* mandel_isolate: 100 rows over 20 workers; each job brings a reply port of its own. */
enum { MANDEL_ROWS = 100, MANDEL_WORKERS = 20, MANDEL_COLUMNS = 64, MANDEL_STEPS = 50 };

static int64_t mandel_row(int64_t row)
{
    int64_t inside = 0;

    for (int column = 0; column < MANDEL_COLUMNS; column++) {
        double cx = -2.0 + 3.0 * column / MANDEL_COLUMNS, x = 0.0;
        double cy = -1.0 + 2.0 * (double)row / MANDEL_ROWS, y = 0.0;
        int step = 0;

        while (step < MANDEL_STEPS && x * x + y * y <= 4.0) {
            double next = x * x - y * y + cx;

            y = 2.0 * x * y + cy;
            x = next;
            step++;
        }
        inside += step == MANDEL_STEPS;
    }
    return inside;
}

static void mandel_worker(isle_value message)
{
    isle_receive_port *port = isle_default_port();
    bool serving = true;

    (void)message;
    while (serving) {
        ISLE_SCOPE;
        isle_value job = isle_port_receive(port);
        int64_t row;

        if (isle_get_int(job, &row)) {
            serving = row != -1;
        } else {
            isle_send_port reply;

            isle_unpack(job, "[i,p!]", &row, &reply);
            isle_send(reply, isle_pack("[i,i]", row, mandel_row(row)));
        }
    }
    isle_port_close(port);
}

static isle_receive_port *mandel_job(isle_isolate worker, int64_t row)
{
    isle_receive_port *reply = isle_port_open();

    isle_send(worker.default_port, isle_pack("[i,p]", row, isle_port_send_port(reply)));
    return reply;
}

/* Stores the answer that came to `reply` and returns the position of the worker it came from. */
static size_t mandel_take(isle_receive_port **replies, size_t count, int64_t *answers)
{
    isle_value answer;
    isle_receive_port *from = isle_port_receive_any(replies, count, ISLE_FOREVER, &answer);
    int64_t row, inside;
    size_t at = 0;

    isle_unpack(answer, "[i,i!]", &row, &inside);
    CHECK_INT(answers[row], -1);
    answers[row] = inside;
    while (at < count && replies[at] != from)
        at++;
    CHECK(at < count);
    isle_port_close(from);
    return at;
}

TEST_ROOT(mandel_isolate)
{
    isle_isolate workers[MANDEL_WORKERS];
    isle_receive_port *replies[MANDEL_WORKERS], *exits = isle_port_open();
    isle_options options = {.on_exit = isle_port_send_port(exits)};
    int64_t answers[MANDEL_ROWS], given = 0;
    size_t busy = MANDEL_WORKERS;

    for (int row = 0; row < MANDEL_ROWS; row++)
        answers[row] = -1;
    for (int i = 0; i < MANDEL_WORKERS; i++) {
        workers[i] = spawn(mandel_worker, isle_null(), &options);
        replies[i] = mandel_job(workers[i], given++);
    }
    while (busy) {
        ISLE_SCOPE;
        size_t at = mandel_take(replies, busy, answers);

        if (given < MANDEL_ROWS) {
            replies[at] = mandel_job(workers[at], given++);
        } else {
            isle_send(workers[at].default_port, isle_int(-1));
            busy--;
            replies[at] = replies[busy];
            workers[at] = workers[busy];
        }
    }
    for (int64_t row = 0; row < MANDEL_ROWS; row++)
        CHECK_INT(answers[row], mandel_row(row));
    for (int i = 0; i < MANDEL_WORKERS; i++)
        CHECK(isle_is_null(isle_port_receive(exits)));
    isle_port_close(exits);
}

/* nested_spawn: one list on its way through three isolates. */
static void nested_inner(isle_value list)
{
    isle_list_add(list, isle_string("isolateB"));
    isle_send(isle_as_port(isle_list_get(list, 0)), list);
}

static void nested_outer(isle_value list)
{
    isle_list_add(list, isle_string("isolateA"));
    spawn(nested_inner, list, NULL);
}

TEST_ROOT(nested_spawn)
{
    needs_children_that_live_on();
    isle_receive_port *port = isle_port_open();
    isle_value list = isle_pack("[p,s]", isle_port_send_port(port), "main");

    spawn(nested_outer, list, NULL);
    CHECK_VALUE(isle_port_receive(port),
                isle_pack("[p,s,s,s]", isle_port_send_port(port), "main", "isolateA", "isolateB"));
    CHECK_INT(isle_count(list), 2);
    isle_port_close(port);
}

/* request_reply: by hand, and with isle_call. */
static void request_worker(isle_value message)
{
    isle_receive_port *port = isle_default_port();
    int64_t number;
    isle_send_port reply;

    (void)message;
    isle_unpack(isle_port_receive(port), "[i,p!]", &number, &reply);
    isle_send(reply, isle_int(number + 87));
    isle_port_close(port);
}

TEST_ROOT(request_reply)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate worker = spawn(request_worker, isle_null(), NULL);

    isle_send(worker.default_port, isle_pack("[i,p]", 99, isle_port_send_port(port)));
    CHECK_INT(receive_int(port), 186);
    isle_port_close(port);
}

static isle_value request_answer(isle_value request, void *context)
{
    (void)context;
    isle_port_close(isle_default_port());
    return isle_int(isle_as_int(isle_list_get(request, 0)) + 87);
}

static void request_server(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), request_answer, NULL);
}

TEST_ROOT(request_reply_by_call)
{
    isle_isolate server = spawn(request_server, isle_null(), NULL);
    isle_future *reply = isle_call(server.default_port, isle_pack("[i]", 99), ISLE_SECONDS(20));

    CHECK_INT(isle_as_int(isle_await(reply)), 186);
}

static void simple_child(isle_value root)
{
    isle_send(isle_as_port(root), isle_string("foo"));
}

TEST_ROOT(simple_message)
{
    isle_receive_port *port = isle_port_open();

    spawn(simple_child, isle_port_value(port), NULL);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "foo");
    isle_port_close(port);
}

/* spawn_function: Dart reads the debug name on the handle of the paused isolate. Isle's handle is
 * plain data without a name, so the isolate reports its own, and that it was paused until then is
 * shown by the order of the two messages. */
static void spawn_function_child(isle_value message)
{
    const char *greeting;
    isle_send_port to;

    isle_unpack(message, "[s,p!]", &greeting, &to);
    isle_send(to, isle_stringf("re: %s from %s", greeting, isle_debug_name()));
}

TEST_ROOT(spawn_function)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.debug_name = "spawnedIsolate", .paused = true};
    isle_value message = isle_pack("[s,p]", "hi", isle_port_send_port(port));
    isle_isolate child = spawn(spawn_function_child, message, &options);

    ping_rounds(child, 3);
    CHECK(port_is_empty(port));
    isle_resume(child, child.pause_capability);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "re: hi from spawnedIsolate");
    isle_port_close(port);
}

/* spawn_function_custom_class: the child answers with an object of its own making. */
struct greeting {
    const char *text;
    isle_send_port reply;
};
ISLE_TYPE(greeting_type, struct greeting, ISLE_FIELD(struct greeting, text),
          ISLE_FIELD(struct greeting, reply));
REGISTERED(greeting_type);

static void custom_class_child(isle_value message)
{
    const struct greeting *asked = isle_as_object(message, &greeting_type);
    isle_value text = isle_stringf("re: %s there", asked->text);
    struct greeting answer = {.text = isle_as_string(text)};

    isle_send_object(asked->reply, &greeting_type, &answer);
}

TEST_ROOT(spawn_function_custom_class)
{
    isle_receive_port *port = isle_port_open(), *exits = isle_port_open();
    isle_options options = {.on_exit = isle_port_send_port(exits)};
    struct greeting asked = {.text = "hi", .reply = isle_port_send_port(port)};
    const struct greeting *answer;

    spawn(custom_class_child, isle_object(&greeting_type, &asked), &options);
    answer = isle_as_object(isle_port_receive(port), &greeting_type);
    CHECK_STRING(answer->text, "re: hi there");
    CHECK(isle_send_port_is_none(answer->reply));
    CHECK(isle_is_null(isle_port_receive(exits)));
    isle_port_close(port);
    isle_port_close(exits);
}

/* start_paused. */
static void say_done(isle_value root)
{
    isle_send(isle_as_port(root), isle_string("DONE"));
}

TEST_ROOT(start_paused)
{
    isle_receive_port *port = isle_port_open(), *other = isle_port_open();
    isle_options options = {.paused = true};
    isle_isolate child = spawn(say_done, isle_port_value(port), &options);

    spawn(say_done, isle_port_value(other), NULL);
    CHECK_STRING(isle_as_string(isle_port_receive(other)), "DONE");
    ping_rounds(child, 3);
    CHECK(port_is_empty(port));
    isle_resume(child, child.pause_capability);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "DONE");
    isle_port_close(port);
    isle_port_close(other);
}

TEST_ROOT(start_paused_with_second_key)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.paused = true};
    isle_isolate child = spawn(say_done, isle_port_value(port), &options);
    isle_capability key = isle_pause(child, (isle_capability){0});

    CHECK(key.id != 0);
    CHECK(!isle_capability_equal(key, child.pause_capability));
    isle_resume(child, child.pause_capability);
    ping_rounds(child, 3);
    CHECK(port_is_empty(port));
    isle_resume(child, key);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "DONE");
    isle_port_close(port);
}

TEST_ROOT(start_paused_same_key_twice_is_one_pause)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.paused = true};
    isle_isolate child = spawn(say_done, isle_port_value(port), &options);
    isle_capability key = isle_capability_new();

    CHECK(isle_capability_equal(isle_pause(child, key), key));
    CHECK(isle_capability_equal(isle_pause(child, key), key));
    isle_resume(child, isle_capability_new());
    isle_resume(child, key);
    ping_rounds(child, 3);
    CHECK(port_is_empty(port));
    isle_resume(child, child.pause_capability);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "DONE");
    isle_port_close(port);
}

/* static_function: the entry may be any function of the program, however it is named: of this
 * file, of another one, inline, through a variable, an array, a struct, an expression. */
static void entry_static(isle_value root)
{
    isle_send(isle_as_port(root), isle_string("static"));
}

static inline void entry_inline(isle_value root)
{
    isle_send(isle_as_port(root), isle_string("inline"));
}

static isle_entry *entry_chosen(bool first)
{
    return first ? entry_static : entry_inline;
}

TEST_ROOT(static_function)
{
    isle_receive_port *port = isle_port_open();
    isle_entry *variable = entry_static;
    isle_entry *const array[] = {entry_inline, entry_of_other_file};
    const struct {
        isle_entry *entry;
    } member = {entry_of_other_file};
    const struct {
        isle_entry *entry;
        const char *text;
    } cases[] = {
        {entry_static, "static"},
        {&entry_static, "static"},
        {entry_inline, "inline"},
        {entry_of_other_file, "other file"},
        {variable, "static"},
        {*variable, "static"},
        {array[0], "inline"},
        {array[1], "other file"},
        {member.entry, "other file"},
        {entry_chosen(true), "static"},
        {entry_chosen(false), "inline"},
        {entry_from_table(), "table"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        spawn(cases[i].entry, isle_port_value(port), NULL);
        CHECK_STRING(isle_as_string(isle_port_receive(port)), cases[i].text);
    }
    isle_port_close(port);
}

static isle_value spawn_nothing(isle_value unused)
{
    isle_isolate child = spawn(NULL, unused, NULL);

    return isle_isolate_value(child);
}

TEST_ROOT(static_function_null_is_refused)
{
    CHECK_ERR(isle_try(spawn_nothing, isle_null(), NULL), ISLE_EINVAL);
}

TEST_MAIN()
