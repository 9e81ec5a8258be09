/* SPDX-License-Identifier: Apache-2.0 */
/* Dart's benchmarks of isolates' lives and of a loop that must stay quick: IsolateBaseOverhead,
 * IsolateFibonacci, IsolateSpawn, IsolateSpawnMemory, IsolateSendExitLatency, EventLoopLatency. */
#include <regex.h>

#include "dart.h"

/* --- IsolateBaseOverhead: a chain, each spawns the next and waits for its end --------------------
 */

enum { CHAIN = 10000 };

/* Downwards: how many are to come, when this one was spawned, and where to tell. */
struct link_order {
    isle_send_port parent;
    int64_t left;
    int64_t spawned_at;
};
ISLE_TYPE(link_order_type, struct link_order, ISLE_FIELD(struct link_order, parent),
          ISLE_FIELD(struct link_order, left), ISLE_FIELD(struct link_order, spawned_at));

/* Upwards: of all below. */
struct link_sum {
    int64_t resident;
    int64_t start_ns;
    int64_t finish_ns;
    int64_t ended_at;
};
ISLE_TYPE(link_sum_type, struct link_sum, ISLE_FIELD(struct link_sum, resident),
          ISLE_FIELD(struct link_sum, start_ns), ISLE_FIELD(struct link_sum, finish_ns),
          ISLE_FIELD(struct link_sum, ended_at));

struct link {
    isle_send_port parent;
    isle_receive_port *port;
    struct link_sum sum;
};

static void link_tell(struct link *link)
{
    link->sum.ended_at = bench_now_ns();
    isle_send_object(link->parent, &link_sum_type, &link->sum);
}

/* First the sums of the one below, then, as null, its end. */
static void link_hear(isle_value message, void *context)
{
    struct link *link = context;
    if (!isle_is_null(message)) {
        const struct link_sum *below = isle_as_object(message, &link_sum_type);
        int64_t own_start = link->sum.start_ns;
        link->sum = *below;
        link->sum.start_ns += own_start;
        return;
    }
    link->sum.finish_ns += bench_now_ns() - link->sum.ended_at;
    link_tell(link);
    isle_port_close(link->port);
}

static void link_main(isle_value message);

static void link_spawn_next(struct link *link, int64_t left)
{
    isle_send_port here = isle_port_send_port(link->port);
    struct link_order order = {here, left, bench_now_ns()};
    isle_options options = {.on_exit = here};
    isle_spawn(link_main, isle_object(&link_order_type, &order), &options);
}

static void link_main(isle_value message)
{
    const struct link_order *order = isle_as_object(message, &link_order_type);
    struct link *link = isle_new(struct link);
    link->parent = order->parent;
    link->sum.start_ns = bench_now_ns() - order->spawned_at;
    if (order->left == 0) {
        link->sum.resident = bench_resident();
        link_tell(link);
        return;
    }
    link->port = isle_port_open();
    isle_port_listen(link->port, link_hear, link);
    link_spawn_next(link, order->left - 1);
}

static isle_value overhead_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(CHAIN, 100);
    struct link first = {.port = isle_port_open()};
    int64_t before = bench_resident();
    link_spawn_next(&first, count - 1);
    struct link_sum sum =
        *(const struct link_sum *)isle_as_object(isle_port_receive(first.port), &link_sum_type);
    bench_require(isle_is_null(isle_port_receive(first.port)), "the end of the first");
    sum.finish_ns += bench_now_ns() - sum.ended_at;
    bench_figure((double)(sum.resident - before) / (double)count);
    bench_figure_part("start", (double)sum.start_ns / (double)count);
    bench_figure_part("finish", (double)sum.finish_ns / (double)count);
    isle_port_close(first.port);
    return isle_null();
}

/* --- IsolateFibonacci: an isolate for each call --------------------------------------------------
 */

static isle_value fibonacci(isle_value n)
{
    if (isle_as_int(n) < 2)
        return isle_int(1);
    isle_future *both[] = {isle_run(fibonacci, isle_int(isle_as_int(n) - 1), NULL),
                           isle_run(fibonacci, isle_int(isle_as_int(n) - 2), NULL)};
    return isle_int(isle_as_int(isle_await(both[0])) + isle_as_int(isle_await(both[1])));
}

static isle_value fibonacci_drive(isle_value parameter)
{
    (void)parameter;
    bool whole = bench_scaled(100, 1) >= 100;
    bench_require(isle_as_int(fibonacci(isle_int(whole ? 17 : 7))) == (whole ? 2584 : 21),
                  "the warm-up's number");
    int64_t before = bench_resident(), start = bench_now_ns();
    int64_t number = isle_as_int(fibonacci(isle_int(whole ? 21 : 10)));
    bench_figure((double)(bench_now_ns() - start));
    bench_require(number == (whole ? 17711 : 89), "the number");
    bench_figure_part("peak", (double)(bench_status_bytes("VmHWM:") - before));
    return isle_null();
}

/* --- IsolateSpawn and IsolateSpawnMemory: a worker that has much to do ---------------------------
 */

enum { HEAVY_JSON = 350000, SPAWN_ROUNDS = 50, KEPT_WORKERS = 5 };

/* Tells when it began and when it was done, then ends. */
static void heavy_main(isle_value message)
{
    isle_send_port port = isle_as_port(isle_list_get(message, 0));
    isle_send(port, isle_int(bench_now_ns()));
    bench_require(isle_count(dart_decode(isle_list_get(message, 1))) > 0, "decoded entries");
    isle_send(port, isle_int(bench_now_ns()));
}

static isle_value heavy_message(isle_receive_port *port)
{
    isle_value message = isle_list();
    isle_list_add(message, isle_port_value(port));
    isle_list_add(message, isle_cbor_encode(dart_json(HEAVY_JSON)));
    return message;
}

static isle_value heavy_drive(isle_value parameter)
{
    (void)parameter;
    int64_t rounds = bench_scaled(SPAWN_ROUNDS, 2), sums[4] = {0};
    isle_receive_port *port = isle_port_open();
    isle_value message = heavy_message(port);
    isle_options options = {.on_exit = isle_port_send_port(port)};
    for (int64_t i = 0; i < rounds; i++) {
        ISLE_SCOPE;
        int64_t start = bench_now_ns();
        isle_spawn(heavy_main, message, &options);
        sums[0] += bench_now_ns() - start;
        sums[1] += isle_as_int(isle_port_receive(port)) - start;
        sums[2] += isle_as_int(isle_port_receive(port)) - start;
        bench_require(isle_is_null(isle_port_receive(port)), "the worker's end");
        sums[3] += bench_now_ns() - start;
    }
    bench_figure((double)sums[0] / (double)rounds);
    bench_figure_part("start", (double)sums[1] / (double)rounds);
    bench_figure_part("finish", (double)sums[2] / (double)rounds);
    bench_figure_part("exit", (double)sums[3] / (double)rounds);
    isle_port_close(port);
    return isle_null();
}

/* Keeps what it has decoded until a message comes. */
static void keeper_main(isle_value message)
{
    isle_value decoded = dart_decode(isle_list_get(message, 1));
    isle_send(isle_as_port(isle_list_get(message, 0)), isle_int((int64_t)isle_count(decoded)));
    isle_port_receive(isle_default_port());
}

static isle_value keepers_drive(isle_value parameter)
{
    (void)parameter;
    isle_receive_port *port = isle_port_open();
    isle_value message = heavy_message(port);
    isle_send_port workers[KEPT_WORKERS];
    int64_t before = bench_resident();
    for (int i = 0; i < KEPT_WORKERS; i++) {
        workers[i] = isle_spawn(keeper_main, message, NULL).default_port;
        bench_require(bench_receive_ints(port, 1) > 0, "decoded entries");
    }
    bench_figure((double)(bench_resident() - before) / KEPT_WORKERS);
    for (int i = 0; i < KEPT_WORKERS; i++)
        isle_send(workers[i], isle_null());
    isle_port_close(port);
    return isle_null();
}

/* --- Latency of a loop that ticks each millisecond -----------------------------------------------
 */

enum { TICK_NS = 1000000, TICKS_MAX = 100000 };

/* How late each tick came; one that was skipped counts as late as it would have been. */
struct ticker {
    isle_timer *timer;
    isle_future *full;
    int64_t next;
    int64_t wanted;
    int64_t count;
    bool allocates;
    int64_t late[TICKS_MAX];
};

static void ticker_tick(void *context)
{
    struct ticker *ticker = context;
    enum { LISTS = 32, LIST_SIZE = 32 << 10 };
    int64_t now = bench_now_ns();
    for (; ticker->next <= now && ticker->count < TICKS_MAX; ticker->next += TICK_NS)
        ticker->late[ticker->count++] = now - ticker->next;
    for (int i = 0; i < LISTS && ticker->allocates; i++)
        isle_list_fixed(LIST_SIZE / sizeof(isle_value));
    if (ticker->count >= ticker->wanted && !isle_future_is_complete(ticker->full))
        isle_future_complete(ticker->full, isle_null());
}

static struct ticker *ticker_start(int64_t wanted, bool allocates)
{
    struct ticker *ticker = isle_new(struct ticker);
    ticker->full = isle_future_keep(isle_future_new());
    ticker->wanted = wanted;
    ticker->allocates = allocates;
    ticker->next = bench_now_ns() + TICK_NS;
    ticker->timer = isle_timer_periodic(TICK_NS, ticker_tick, ticker);
    return ticker;
}

static int late_order(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void ticker_report(struct ticker *ticker)
{
    static const struct {
        const char *name;
        int percent;
    } parts[] = {{"p50", 50}, {"p90", 90}, {"p95", 95}, {"p99", 99}, {"max", 100}};
    int64_t sum = 0;
    isle_timer_cancel(ticker->timer);
    bench_require(ticker->count > 0, "ticks");
    qsort(ticker->late, (size_t)ticker->count, sizeof *ticker->late, late_order);
    for (int64_t i = 0; i < ticker->count; i++)
        sum += ticker->late[i];
    bench_figure((double)sum / (double)ticker->count);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        bench_figure_part(parts[i].name,
                          (double)ticker->late[(ticker->count - 1) * parts[i].percent / 100]);
    bench_figure_part("rss", (double)bench_status_bytes("VmHWM:"));
    isle_future_release(ticker->full);
    isle_free(ticker);
}

/* IsolateSendExitLatency: small objects by the million arrive by exit while the loop ticks. */
static void many_objects(isle_value message)
{
    int64_t count = isle_as_int(isle_list_get(message, 1));
    isle_value list = isle_list();
    for (int64_t i = 0; i < count; i++) {
        isle_value one = isle_list_fixed(1);
        isle_list_set(one, 0, isle_int(i));
        isle_list_add(list, one);
    }
    isle_exit(isle_as_port(isle_list_get(message, 0)), list);
}

static isle_value exit_latency_drive(isle_value parameter)
{
    (void)parameter;
    int64_t objects = bench_scaled(10000000, 10000);
    isle_receive_port *port = isle_port_open();
    isle_value message = isle_list();
    isle_list_add(message, isle_port_value(port));
    isle_list_add(message, isle_int(objects));
    struct ticker *ticker = ticker_start(bench_scaled(4000, 50), true);
    isle_spawn(many_objects, message, NULL);
    {
        ISLE_SCOPE;
        bench_require((int64_t)isle_count(isle_port_receive(port)) == objects, "objects");
    }
    isle_await(ticker->full);
    ticker_report(ticker);
    isle_port_close(port);
    return isle_null();
}

/* EventLoopLatency: another isolate works as long as the loop ticks. */
static void decode_until_told(isle_value bytes)
{
    isle_value end;
    while (isle_port_try_receive(isle_default_port(), 0, &end) == ISLE_ETIMEDOUT) {
        ISLE_SCOPE;
        dart_decode(bytes);
    }
}

static void expression_free(void *expression)
{
    regfree(expression);
}

static void match_until_told(isle_value text)
{
    isle_value end;
    regex_t *expression = isle_new(regex_t);
    bench_require(regcomp(expression, "(x+x+)+y|(a|aa)+$", REG_EXTENDED) == 0, "the expression");
    isle_defer(expression_free, expression); /* the root's end kills who still matches */
    while (isle_port_try_receive(isle_default_port(), 0, &end) == ISLE_ETIMEDOUT)
        regexec(expression, isle_as_string(text), 0, NULL, 0);
}

static isle_value loop_latency(isle_entry *work, isle_value message)
{
    struct ticker *ticker = ticker_start(bench_scaled(2000, 50), false);
    isle_send_port worker = isle_spawn(work, message, NULL).default_port;
    isle_await(ticker->full);
    isle_send(worker, isle_null());
    ticker_report(ticker);
    return isle_null();
}

static isle_value loop_decode_drive(isle_value json_size)
{
    return loop_latency(decode_until_told, isle_cbor_encode(dart_json(isle_as_int(json_size))));
}

static isle_value loop_match_drive(isle_value size)
{
    size_t count = (size_t)isle_as_int(size);
    char *text = isle_alloc(count + 1);
    memset(text, 'a', count);
    return loop_latency(match_until_told, isle_string(text));
}

const struct workload dart_life_workloads[] = {
    {"dart-overhead", overhead_drive, 0, false},
    {"dart-fibonacci", fibonacci_drive, 0, false},
    {"dart-spawn", heavy_drive, 0, true},
    {"dart-spawn-memory", keepers_drive, 0, false},
    {"dart-exit-latency", exit_latency_drive, 0, true},
    {"dart-loop-json", loop_decode_drive, 50000, true},
    {"dart-loop-json-350k", loop_decode_drive, 350000, true},
    {"dart-loop-regexp", loop_match_drive, 1000, true},
    {NULL, NULL, 0, false},
};
