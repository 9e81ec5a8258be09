/* SPDX-License-Identifier: Apache-2.0 */
/* Small messages: there and back, many to one, one to many, around a ring, with a timeout. */
#include "bench.h"

enum { WINDOW = 4096 }; /* messages that a producer sends before it waits for the consumer */

struct echo {
    isle_send_port reply_to;
    isle_receive_port *port;
};

static void echo_handle(isle_value message, void *context)
{
    struct echo *echo = context;
    if (isle_is_null(message))
        isle_port_close(echo->port);
    else
        isle_send(echo->reply_to, message);
}

void bench_echo(isle_value reply_to)
{
    struct echo *echo = isle_new(struct echo);
    echo->reply_to = isle_as_port(reply_to);
    echo->port = isle_default_port();
    isle_port_listen(echo->port, echo_handle, echo);
}

static void echo_on_second_core(isle_value reply_to)
{
    bench_pin(1);
    bench_echo(reply_to);
}

static int64_t round_trips(isle_receive_port *port, isle_send_port peer, int64_t count)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_send(peer, isle_int(i));
        sum += isle_as_int(isle_port_receive(port));
    }
    return sum;
}

static double round_trip_time(isle_entry *peer_main, const isle_options *options, int64_t count)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port peer = isle_spawn(peer_main, isle_port_value(port), options).default_port;
    int64_t before = bench_now_ns();
    round_trips(port, peer, bench_warm_up(count));
    int64_t start = bench_now_ns();
    count = bench_fit(count, bench_warm_up(count), start - before);
    int64_t sum = round_trips(port, peer, count);
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count * (count - 1) / 2, "sum of the round trips");
    isle_send(peer, isle_null());
    isle_port_close(port);
    return (double)time / (double)count;
}

static isle_value round_trip_drive(isle_value parameter)
{
    (void)parameter;
    bench_figure(round_trip_time(bench_echo, NULL, bench_scaled(1000000, 1000)));
    return isle_null();
}

static isle_value cores_driver(isle_value parameter)
{
    (void)parameter;
    bench_pin(0);
    bench_figure(round_trip_time(echo_on_second_core, &(isle_options){.thread = ISLE_THREAD_OWN},
                                 bench_scaled(100000, 1000)));
    return isle_null();
}

static isle_value round_trip_cores_drive(isle_value parameter)
{
    isle_await(isle_run(cores_driver, parameter, &(isle_options){.thread = ISLE_THREAD_OWN}));
    return isle_null();
}

/* Both sides in handlers: no stack is ever switched. */
struct volley {
    isle_send_port peer;
    isle_receive_port *port;
    isle_future *over;
    int64_t left;
    int64_t sum;
};

static void volley_handle(isle_value message, void *context)
{
    struct volley *volley = context;
    volley->sum += isle_as_int(message);
    if (--volley->left == 0)
        isle_future_complete(volley->over, isle_null());
    else
        isle_send(volley->peer, isle_int(volley->left));
}

static int64_t volley_play(struct volley *volley, int64_t count)
{
    ISLE_SCOPE;
    volley->left = count;
    volley->sum = 0;
    volley->over = isle_future_new();
    isle_send(volley->peer, isle_int(count));
    isle_await(volley->over);
    return volley->sum;
}

static isle_value round_trip_handlers_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(1000000, 1000);
    struct volley *volley = isle_new(struct volley);
    volley->port = isle_port_open();
    volley->peer = isle_spawn(bench_echo, isle_port_value(volley->port), NULL).default_port;
    isle_port_listen(volley->port, volley_handle, volley);
    int64_t before = bench_now_ns();
    volley_play(volley, bench_warm_up(count));
    int64_t start = bench_now_ns();
    count = bench_fit(count, bench_warm_up(count), start - before);
    int64_t sum = volley_play(volley, count);
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count * (count + 1) / 2, "sum of the volley");
    bench_figure((double)time / (double)count);
    isle_send(volley->peer, isle_null());
    isle_port_close(volley->port);
    return isle_null();
}

/* Two pairs at once must not slow each other: the figure is the slower one's. */
static isle_value pair_run(isle_value count)
{
    return isle_double(round_trip_time(bench_echo, NULL, isle_as_int(count)));
}

static isle_value pairs_drive(isle_value parameter)
{
    (void)parameter;
    isle_value count = isle_int(bench_scaled(1000000, 1000));
    isle_future *both[] = {isle_run(pair_run, count, NULL), isle_run(pair_run, count, NULL)};
    double first = isle_as_double(isle_await(both[0]));
    double second = isle_as_double(isle_await(both[1]));
    bench_figure(first > second ? first : second);
    return isle_null();
}

static isle_value call_answer(isle_value request, void *context)
{
    (void)context;
    if (isle_is_null(request))
        isle_port_close(isle_default_port());
    return request;
}

static void call_server(isle_value unused)
{
    (void)unused;
    isle_port_serve(isle_default_port(), call_answer, NULL);
}

static int64_t calls(isle_send_port server, int64_t count)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        sum += isle_as_int(isle_await(isle_call(server, isle_int(i), ISLE_SECONDS(5))));
    }
    return sum;
}

static isle_value call_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(500000, 1000);
    isle_send_port server = isle_spawn(call_server, isle_null(), NULL).default_port;
    int64_t before = bench_now_ns();
    calls(server, bench_warm_up(count));
    int64_t start = bench_now_ns();
    count = bench_fit(count, bench_warm_up(count), start - before);
    int64_t sum = calls(server, count);
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count * (count - 1) / 2, "sum of the calls");
    bench_figure((double)time / (double)count);
    isle_send(server, isle_null());
    return isle_null();
}

/* Many to one. Mailboxes are bounded, so the last message of each window is a call: its answer says
 * that the consumer has come so far, and a producer is at most two windows ahead. */
struct production {
    isle_send_port consumer;
    int64_t count;
};
ISLE_TYPE(production_type, struct production, ISLE_FIELD(struct production, consumer),
          ISLE_FIELD(struct production, count));

static void produce(isle_value message)
{
    const struct production *mine = isle_as_object(message, &production_type);
    isle_future *former = NULL;
    for (int64_t i = 0; i < mine->count; i++) {
        if (i % WINDOW != WINDOW - 1) {
            isle_send(mine->consumer, isle_int(i));
            continue;
        }
        ISLE_SCOPE;
        isle_future *next = isle_call(mine->consumer, isle_int(i), ISLE_FOREVER);
        isle_future_keep(next);
        if (former != NULL) {
            isle_await(former);
            isle_future_release(former);
        }
        former = next;
    }
    if (former != NULL) {
        isle_await(former);
        isle_future_release(former);
    }
}

struct consumption {
    isle_future *over;
    int64_t left;
    int64_t sum;
};

static isle_value consume(isle_value message, void *context)
{
    struct consumption *mine = context;
    mine->sum += isle_as_int(message);
    if (--mine->left == 0)
        isle_future_complete(mine->over, isle_null());
    return isle_null();
}

static isle_value send_drive(isle_value producers)
{
    int64_t parts = isle_as_int(producers), count = bench_scaled(5000000, 8000) / parts;
    struct consumption *mine = isle_new(struct consumption);
    isle_receive_port *port = isle_port_open();
    mine->over = isle_future_new();
    mine->left = count * parts;
    isle_port_serve(port, consume, mine);
    struct production part = {.consumer = isle_port_send_port(port), .count = count};
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < parts; i++)
        isle_spawn(produce, isle_object(&production_type, &part), NULL);
    isle_await(mine->over);
    int64_t time = bench_now_ns() - start;
    bench_require(mine->sum == parts * (count * (count - 1) / 2), "sum of the sent");
    bench_figure((double)(count * parts) * 1e9 / (double)time);
    isle_port_close(port);
    return isle_null();
}

/* Ten thousand senders: each waits for a word, then sends its hundred. */
enum { FAN_IN_EACH = 100 };

static void fan_in_send(isle_value consumer)
{
    isle_send_port port = isle_as_port(consumer);
    isle_port_receive(isle_default_port());
    for (int64_t i = 0; i < FAN_IN_EACH; i++)
        isle_send(port, isle_int(i));
}

static void fan_in_count(isle_value message, void *context)
{
    consume(message, context);
}

static isle_value fan_in_drive(isle_value parameter)
{
    (void)parameter;
    int64_t senders = bench_scaled(10000, 100);
    struct consumption *mine = isle_new(struct consumption);
    isle_receive_port *port = isle_port_open();
    isle_send_port *ports = isle_alloc((size_t)senders * sizeof *ports);
    mine->over = isle_future_new();
    mine->left = senders * FAN_IN_EACH;
    isle_port_listen(port, fan_in_count, mine);
    for (int64_t i = 0; i < senders; i++)
        ports[i] = isle_spawn(fan_in_send, isle_port_value(port), NULL).default_port;
    isle_sleep(0);
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < senders; i++)
        isle_send(ports[i], isle_null());
    isle_await(mine->over);
    int64_t time = bench_now_ns() - start;
    bench_require(mine->sum == senders * (FAN_IN_EACH * (FAN_IN_EACH - 1) / 2), "sum of all");
    bench_figure((double)(senders * FAN_IN_EACH) * 1e9 / (double)time);
    isle_port_close(port);
    return isle_null();
}

/* One to many: sixty receivers, 10,000 messages for each, in turn. */
enum { RECEIVERS = 60 };

struct receiver {
    isle_receive_port *port;
    isle_send_port done;
    int64_t left;
    int64_t sum;
};
struct receiver_order {
    isle_send_port done;
    int64_t count;
};
ISLE_TYPE(receiver_order_type, struct receiver_order, ISLE_FIELD(struct receiver_order, done),
          ISLE_FIELD(struct receiver_order, count));

static void receiver_handle(isle_value message, void *context)
{
    struct receiver *mine = context;
    mine->sum += isle_as_int(message);
    if (--mine->left > 0)
        return;
    isle_send(mine->done, isle_int(mine->sum));
    isle_port_close(mine->port);
}

static void receiver_main(isle_value message)
{
    const struct receiver_order *order = isle_as_object(message, &receiver_order_type);
    struct receiver *mine = isle_new(struct receiver);
    mine->port = isle_default_port();
    mine->done = order->done;
    mine->left = order->count;
    isle_port_listen(mine->port, receiver_handle, mine);
}

static isle_value fork_join_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(10000, 100);
    isle_receive_port *port = isle_port_open();
    isle_send_port receivers[RECEIVERS];
    struct receiver_order order = {.done = isle_port_send_port(port), .count = count};
    int64_t start = bench_now_ns();
    for (int k = 0; k < RECEIVERS; k++)
        receivers[k] =
            isle_spawn(receiver_main, isle_object(&receiver_order_type, &order), NULL).default_port;
    for (int64_t i = 0; i < count; i++)
        for (int k = 0; k < RECEIVERS; k++)
            isle_send(receivers[k], isle_int(i));
    int64_t sum = bench_receive_ints(port, RECEIVERS);
    int64_t time = bench_now_ns() - start;
    bench_require(sum == RECEIVERS * (count * (count - 1) / 2), "sum of the receivers");
    bench_figure((double)(count * RECEIVERS) * 1e9 / (double)time);
    isle_port_close(port);
    return isle_null();
}

const struct workload messages_workloads[] = {
    {"round-trip", round_trip_drive, 0, true},
    {"round-trip-handlers", round_trip_handlers_drive, 0, true},
    {"round-trip-cores", round_trip_cores_drive, 0, false},
    {"pairs", pairs_drive, 0, false},
    {"call-timeout", call_drive, 0, true},
    {"send-2-1", send_drive, 2, true},
    {"send-8-1", send_drive, 8, true},
    {"fan-in", fan_in_drive, 0, true},
    {"fork-join", fork_join_drive, 0, true},
    {NULL, NULL, 0, false},
};
