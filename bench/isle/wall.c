/* SPDX-License-Identifier: Apache-2.0 */
/* Isolates behind a wall: what a birth, a death, a message and an idle one cost, with all layers of
 * the sandbox that the machine gives. Births, deaths and first messages are medians: one that waits
 * for a core that sleeps says nothing of the other ones. */
#include "../processes.h"
#include "bench.h"

static const isle_options walled = {.backend = ISLE_PROCESS};

isle_send_port wall_spawn(isle_entry *entry, isle_value message, isle_receive_port *ends)
{
    isle_isolate child;
    isle_options options = walled;
    if (ends != NULL)
        options.monitor = isle_port_send_port(ends);
    isle_err err = isle_try_spawn(entry, message, &options, &child);
    bench_require(err == ISLE_OK, err == ISLE_OK ? "" : isle_error_text(isle_last_error()));
    return child.default_port;
}

void wall_require_returned(isle_receive_port *ends)
{
    bench_require(isle_as_end(isle_port_receive(ends)).reason == ISLE_RETURNED,
                  "an isolate that returned");
    isle_port_close(ends);
}

/* --- births and deaths */

static void ignore(isle_value message, void *context)
{
    (void)message;
    (void)context;
}

/* Says that it is there, and waits for its end. */
static void child_main(isle_value reply_to)
{
    isle_port_listen(isle_default_port(), ignore, NULL);
    isle_send(isle_as_port(reply_to), isle_int(1));
}

static void require_killed(isle_value message)
{
    bench_require(isle_as_end(message).reason == ISLE_KILLED, "an isolate that was killed");
}

/* One life. What it took from the spawn to the first message, and from the kill to the end's. */
static void live(isle_receive_port *port, isle_receive_port *ends, int64_t *born, int64_t *died)
{
    ISLE_SCOPE;
    isle_options options = walled;
    options.monitor = isle_port_send_port(ends);
    int64_t start = bench_now_ns();
    isle_isolate child = isle_spawn(child_main, isle_port_value(port), &options);
    bench_require(isle_as_int(isle_port_receive(port)) == 1, "the first message");
    *born = bench_now_ns() - start;
    start = bench_now_ns();
    isle_kill(child, ISLE_IMMEDIATE);
    isle_value end = isle_port_receive(ends);
    *died = bench_now_ns() - start;
    require_killed(end);
}

enum { LIFE_DEATH = 1, LIFE_PAUSE = 2 }; /* the death counts, not the birth; the pool may fill */

/* What the host does in between, for as long as the pool needs. */
static void busy_for(int64_t time_ns)
{
    for (int64_t until = bench_now_ns() + time_ns; bench_now_ns() < until;)
        isle_sleep(0);
}

static isle_value life_drive(isle_value parameter)
{
    int64_t how = isle_as_int(parameter);
    int64_t count = bench_scaled(400, 5), warm = count / 20 + 1, born, died;
    int64_t *samples = bench_alloc((size_t)count * sizeof *samples);
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    wall_spawn(child_main, isle_port_value(port), NULL);
    isle_port_receive(port);
    for (int64_t i = -warm; i < count; i++) {
        if (how & LIFE_PAUSE)
            busy_for(ISLE_MS(3));
        live(port, ends, &born, &died);
        if (i >= 0)
            samples[i] = how & LIFE_DEATH ? died : born;
    }
    bench_figure(bench_median(samples, count));
    bench_leave();
}

/* Eight at once, as a server has them: each says its first message, is killed, and the next one
 * takes its place when its end was told. */
static isle_value churn_drive(isle_value parameter)
{
    (void)parameter;
    enum { AT_ONCE = 8 };
    int64_t count = bench_scaled(4000, 16), begun = 0, answered = 0, ended = 0;
    isle_receive_port *port = isle_port_open();
    isle_options options = walled;
    options.monitor = isle_port_send_port(port);
    struct {
        isle_receive_port *port;
        isle_isolate isolate;
    } places[AT_ONCE];
    wall_spawn(child_main, isle_port_value(port), NULL);
    isle_port_receive(port);
    for (int i = 0; i < AT_ONCE; i++)
        places[i].port = isle_port_open();
    int64_t start = bench_now_ns();
    for (; begun < AT_ONCE; begun++)
        places[begun].isolate =
            isle_spawn(child_main, isle_port_value(places[begun].port), &options);
    for (int64_t i = 0; ended < count; i++) {
        ISLE_SCOPE;
        int place = (int)(i % AT_ONCE);
        answered += isle_as_int(isle_port_receive(places[place].port));
        isle_kill(places[place].isolate, ISLE_IMMEDIATE);
        require_killed(isle_port_receive(port));
        ended++;
        if (begun < count) {
            places[place].isolate =
                isle_spawn(child_main, isle_port_value(places[place].port), &options);
            begun++;
        }
    }
    int64_t time = bench_now_ns() - start;
    bench_require(answered == count && ended == count, "answers of the spawned");
    bench_figure((double)count * 1e9 / (double)time);
    bench_leave();
}

/* --- round trips */

static void child_echo(isle_value reply_to)
{
    isle_receive_port *port = isle_default_port();
    isle_send_port peer = isle_as_port(reply_to);
    for (bool over = false; !over;) {
        ISLE_SCOPE;
        isle_value message = isle_port_receive(port);
        over = isle_is_null(message);
        isle_send(peer, message);
    }
    isle_port_close(port);
}

static void round_trips(isle_receive_port *port, isle_send_port peer, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_send(peer, isle_int(i));
        bench_require(isle_as_int(isle_port_receive(port)) == i, "the same message back");
    }
}

/* Where the zygote stands, its children do. Everybody else goes to the first core. */
static void host_moves_to_first_core(void)
{
    DIR *tasks = opendir("/proc/self/task");
    bench_require(tasks != NULL, "/proc/self/task");
    for (struct dirent *task; (task = readdir(tasks)) != NULL;)
        if (task->d_name[0] != '.')
            bench_pin_task((pid_t)atoi(task->d_name), 0);
    closedir(tasks);
}

static isle_value round_trip_drive(isle_value parameter)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    isle_send_port peer = wall_spawn(child_echo, isle_port_value(port), ends);
    if (isle_as_int(parameter) == 2)
        host_moves_to_first_core();
    int64_t count = bench_scaled(200000, 200), warm = bench_warm_up(count);
    int64_t before = bench_now_ns();
    round_trips(port, peer, warm);
    int64_t start = bench_now_ns();
    count = bench_fit(count, warm, start - before);
    round_trips(port, peer, count);
    bench_figure((double)(bench_now_ns() - start) / (double)count);
    isle_send(peer, isle_null());
    bench_require(isle_is_null(isle_port_receive(port)), "the last message");
    isle_port_close(port);
    wall_require_returned(ends);
    return isle_null();
}

/* --- one way */

/* A flow of ints, or of bytes that have their number at both ends. The consumer says how far it is
 * after each window, and at the end; the producer is at most two windows ahead. */
struct flow {
    isle_send_port peer;
    int64_t size; /* 0: ints */
    int64_t is_out;
};
ISLE_TYPE(flow_type, struct flow, ISLE_FIELD(struct flow, peer), ISLE_FIELD(struct flow, size),
          ISLE_FIELD(struct flow, is_out));

static int64_t flow_window(const struct flow *flow)
{
    return flow->size > 0 ? 64 : 4096;
}

static void flow_send(const struct flow *flow, isle_value bytes, int64_t number)
{
    if (flow->size == 0) {
        isle_send(flow->peer, isle_int(number));
        return;
    }
    char *data = isle_bytes_data(bytes);
    memcpy(data, &number, sizeof number);
    memcpy(data + flow->size - sizeof number, &number, sizeof number);
    isle_send(flow->peer, bytes);
}

static bool flow_is_good(const struct flow *flow, isle_value message, int64_t number)
{
    if (flow->size == 0)
        return isle_as_int(message) == number;
    size_t size;
    const char *data = isle_as_bytes(message, &size);
    return size == (size_t)flow->size && memcmp(data, &number, sizeof number) == 0 &&
           memcmp(data + size - sizeof number, &number, sizeof number) == 0;
}

static void flow_produce(const struct flow *flow, isle_receive_port *port, int64_t count)
{
    ISLE_SCOPE;
    isle_value bytes = flow->size > 0 ? isle_bytes(NULL, (size_t)flow->size) : isle_null();
    if (flow->size > 0)
        memset(isle_bytes_data(bytes), 0x5a, (size_t)flow->size);
    for (int64_t sent = 0, taken = 0; taken < count;) {
        ISLE_SCOPE;
        if (sent < count && sent - taken < 2 * flow_window(flow))
            flow_send(flow, bytes, sent++);
        else
            taken = isle_as_int(isle_port_receive(port));
    }
}

static void flow_consume(const struct flow *flow, isle_receive_port *port, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        bool good = flow_is_good(flow, isle_port_receive(port), i);
        bench_require(good, "the order");
        if ((i + 1) % flow_window(flow) == 0 || i + 1 == count)
            isle_send(flow->peer, isle_int(good ? i + 1 : -1));
    }
}

/* Each count that comes is a flow; null is the end. */
static void child_flow(isle_value message)
{
    const struct flow *flow = isle_as_object(message, &flow_type);
    isle_receive_port *port = isle_default_port();
    for (;;) {
        ISLE_SCOPE;
        isle_value count = isle_port_receive(port);
        if (isle_is_null(count))
            break;
        (flow->is_out ? flow_produce : flow_consume)(flow, port, isle_as_int(count));
    }
    isle_port_close(port);
}

static int64_t flow_time(const struct flow *ours, isle_receive_port *port, int64_t count)
{
    int64_t start = bench_now_ns();
    isle_send(ours->peer, isle_int(count));
    (ours->is_out ? flow_consume : flow_produce)(ours, port, count);
    return bench_now_ns() - start;
}

#define FLOW_OUT (1 << 30) /* of a parameter, which is the size of the bytes otherwise */

static isle_value flow_drive(isle_value parameter)
{
    int64_t how = isle_as_int(parameter);
    bench_require(isle_type_register(&flow_type) == ISLE_OK, "a registered type");
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    struct flow theirs = {.peer = isle_port_send_port(port),
                          .size = how & ~FLOW_OUT,
                          .is_out = (how & FLOW_OUT) != 0};
    struct flow ours = theirs;
    ours.peer = wall_spawn(child_flow, isle_object(&flow_type, &theirs), ends);
    int64_t count = bench_scaled(theirs.size > 0 ? 200000 : 5000000, 1000), warm = count / 20 + 1;
    int64_t time = flow_time(&ours, port, warm);
    count = bench_fit(count, warm, time);
    time = flow_time(&ours, port, count);
    isle_send(ours.peer, isle_null());
    isle_port_close(port);
    wall_require_returned(ends);
    bench_figure((double)count * (theirs.size > 0 ? (double)theirs.size : 1) * 1e9 / (double)time);
    return isle_null();
}

/* --- memory */

static void child_answer(isle_value reply_to, void *context)
{
    (void)context;
    isle_send(isle_as_port(reply_to), isle_int(1));
}

static void child_idle(isle_value unused)
{
    (void)unused;
    isle_port_listen(isle_default_port(), child_answer, NULL);
}

/* All are alive and idle: processes of this program that were not there before. */
static isle_value memory_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(200, 3);
    isle_receive_port *port = isle_port_open();
    isle_send_port first = wall_spawn(child_idle, isle_null(), NULL);
    isle_send(first, isle_port_value(port));
    bench_require(bench_receive_ints(port, 1) == 1, "the first one's answer");
    struct bench_processes *before = bench_processes_of("/proc/self/exe");
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_send(wall_spawn(child_idle, isle_null(), NULL), isle_port_value(port));
    }
    bench_require(bench_receive_ints(port, count) == count, "answers of the idle");
    bench_processes_memory("wall-memory", before, "/proc/self/exe", count);
    bench_leave();
}

/* --- the table */

bool wall_may_be_measured(const struct workload *workload)
{
    return workload->drive != memory_drive || geteuid() == 0;
}

void wall_prepare(const struct workload *workload, isle_program_options *options)
{
    bool is_cold = workload->drive == memory_drive ||
                   (workload->drive == life_drive && (workload->parameter & LIFE_PAUSE) == 0);
    if (is_cold)
        options->warm_process_count = ISLE_NO_WARM_PROCESSES;
    /* What begins here, the zygote too, has this thread's core. */
    if (workload->drive == round_trip_drive)
        bench_pin(workload->parameter == 2 ? 1 : 0);
}

const struct workload wall_workloads[] = {
    {"wall-spawn-cold", life_drive, 0, false},
    {"wall-spawn", life_drive, LIFE_PAUSE, false},
    {"wall-kill", life_drive, LIFE_DEATH, false},
    {"wall-churn", churn_drive, 0, false},
    {"wall-round-trip", round_trip_drive, 1, false},
    {"wall-round-trip-cores", round_trip_drive, 2, false},
    {"wall-send-in", flow_drive, 0, false},
    {"wall-send-out", flow_drive, FLOW_OUT, false},
    {"wall-bytes-in", flow_drive, 16384, false},
    {"wall-bytes-out", flow_drive, 16384 | FLOW_OUT, false},
    {"wall-memory", memory_drive, 0, false},
    {NULL, NULL, 0, false},
};
