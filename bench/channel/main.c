/* SPDX-License-Identifier: Apache-2.0 */
/* What carries messages between two processes: the channel of src/channel, and a pipe pair and a
 * seqpacket socket as one would use them without it. The figures of the transport alone, below
 * everything that isolates behind a wall add (the wall-* lines of bench-isle); so it sees
 * internals.
 *
 * A workload is TRANSPORT-WHAT. rtt: a round trip of 64 bytes in ns, the two processes on one core;
 * -cores: on two, where a channel spins; -4k: of 4 KiB. flow-SIZE: messages a second, one way, the
 * last one answered. made: what making, attaching and closing a channel costs, in ns. */
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../common.h"
#include "channel/channel.h"

enum { RING = 256 << 10, LARGEST = 128 << 10, WINDOW = 32 };

/* One end. Send and receive move one whole message; they wait as long as it takes. */
struct end {
    struct isle__channel *channel;
    int in, out;
    unsigned untold; /* messages that were taken and not yet shown as taken */
};

struct transport {
    void (*open)(struct end ends[2]);
    void (*send)(struct end *end, const void *bytes, size_t size);
    void (*receive)(struct end *end, void *bytes, size_t size);
};

/* --- the channel */

static void channel_open(struct end ends[2])
{
    struct isle__channel_fds fds;
    bench_require(isle__channel_make(RING, RING, LARGEST, &ends[0].channel, &fds) == ISLE_OK &&
                      isle__channel_attach(&fds, RING, RING, LARGEST, &ends[1].channel) == ISLE_OK,
                  "a channel");
}

static void channel_send(struct end *end, const void *bytes, size_t size)
{
    while (isle__channel_put(end->channel, bytes, size, NULL, 0) != ISLE__CHANNEL_OK)
        isle__channel_wait(end->channel, ISLE_SECONDS(10));
    isle__channel_flush(end->channel);
}

static void channel_receive(struct end *end, void *bytes, size_t size)
{
    size_t came;
    while (isle__channel_next(end->channel, &came) != ISLE__CHANNEL_OK) {
        isle__channel_taken(end->channel);
        isle__channel_wait(end->channel, ISLE_SECONDS(10));
    }
    bench_require(came == size, "a message's size");
    isle__channel_take(end->channel, bytes, size, NULL);
    if (++end->untold % WINDOW == 0)
        isle__channel_taken(end->channel);
}

/* --- descriptors */

static void pipe_open(struct end ends[2])
{
    int there[2], back[2];
    bench_require(pipe(there) == 0 && pipe(back) == 0, "pipes");
    ends[0].out = there[1];
    ends[0].in = back[0];
    ends[1].out = back[1];
    ends[1].in = there[0];
}

static void socket_open(struct end ends[2])
{
    int fds[2];
    bench_require(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) == 0, "a socket pair");
    for (int i = 0; i < 2; i++)
        ends[i].in = ends[i].out = fds[i];
}

static void descriptor_send(struct end *end, const void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t part = write(end->out, (const char *)bytes + done, size - done);
        bench_require(part > 0, "a write");
        done += (size_t)part;
    }
}

static void descriptor_receive(struct end *end, void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t part = read(end->in, (char *)bytes + done, size - done);
        bench_require(part > 0, "a read");
        done += (size_t)part;
    }
}

static const struct transport transports[] = {
    {channel_open, channel_send, channel_receive},
    {pipe_open, descriptor_send, descriptor_receive},
    {socket_open, descriptor_send, descriptor_receive},
};
enum { CHANNEL, PIPE, SOCKET };

/* --- what is measured */

/* A parameter: the transport, how many cores, the size. */
#define PARAMETER(transport, cores, size)                                                          \
    ((int64_t)(transport) << 48 | (int64_t)(cores) << 32 | (size))

struct setting {
    const struct transport *transport;
    struct end ends[2];
    unsigned char *bytes;
    size_t size;
    pid_t peer;
};

/* Forks the peer, which runs `body` and ends. */
static void setting_open(struct setting *setting, int64_t parameter,
                         void (*body)(struct setting *setting, struct end *end, int64_t count),
                         int64_t count)
{
    int cores = (int)(parameter >> 32 & 0xffff);
    *setting = (struct setting){.transport = &transports[parameter >> 48],
                                .bytes = bench_alloc(LARGEST),
                                .size = (size_t)(parameter & 0xffffffff)};
    setting->transport->open(setting->ends);
    fflush(stdout);
    setting->peer = fork();
    bench_require(setting->peer >= 0, "a process");
    bench_pin(setting->peer == 0 && cores == 2 ? 1 : 0);
    if (setting->peer == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        body(setting, &setting->ends[1], count);
        _exit(0);
    }
}

static void setting_close(const struct setting *setting)
{
    int status = 1;
    bench_require(waitpid(setting->peer, &status, 0) == setting->peer && status == 0, "the peer");
}

static void echo(struct setting *setting, struct end *end, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        setting->transport->receive(end, setting->bytes, setting->size);
        setting->transport->send(end, setting->bytes, setting->size);
    }
}

static void round_trips(struct setting *setting, int64_t first, int64_t count)
{
    struct end *end = &setting->ends[0];
    for (int64_t i = first; i < first + count; i++) {
        memcpy(setting->bytes, &i, sizeof i);
        setting->transport->send(end, setting->bytes, setting->size);
        memset(setting->bytes, 0, sizeof i);
        setting->transport->receive(end, setting->bytes, setting->size);
        bench_require(memcmp(setting->bytes, &i, sizeof i) == 0, "the same message back");
    }
}

static void rtt_run(const char *name, int64_t parameter)
{
    int64_t count = bench_scaled(200000, 1000), warm = bench_warm_up(count);
    struct setting setting;
    setting_open(&setting, parameter, echo, warm + count);
    round_trips(&setting, 0, warm);
    int64_t start = bench_now_ns();
    round_trips(&setting, warm, count);
    bench_print(name, (double)(bench_now_ns() - start) / (double)count);
    setting_close(&setting);
}

/* Takes all and answers the last one. */
static void sink(struct setting *setting, struct end *end, int64_t count)
{
    int64_t number = 0;
    for (int64_t i = 0; i < count; i++) {
        setting->transport->receive(end, setting->bytes, setting->size);
        memcpy(&number, setting->bytes, sizeof number);
        bench_require(number == i, "the order");
    }
    setting->transport->send(end, &number, sizeof number);
}

static void flow_run(const char *name, int64_t parameter)
{
    int64_t size = parameter & 0xffffffff, answer = 0;
    int64_t count = bench_scaled(size < 1024 ? 5000000 : (int64_t)(4e9 / (double)size), 100);
    struct setting setting;
    setting_open(&setting, parameter, sink, count);
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < count; i++) {
        memcpy(setting.bytes, &i, sizeof i);
        setting.transport->send(&setting.ends[0], setting.bytes, setting.size);
    }
    setting.transport->receive(&setting.ends[0], &answer, sizeof answer);
    bench_print(name, (double)count * 1e9 / (double)(bench_now_ns() - start));
    bench_require(answer == count - 1, "the last message");
    setting_close(&setting);
}

static void made_run(const char *name, int64_t parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(10000, 100);
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < count; i++) {
        struct end ends[2];
        channel_open(ends);
        isle__channel_close(ends[0].channel);
        isle__channel_close(ends[1].channel);
    }
    bench_print(name, (double)(bench_now_ns() - start) / (double)count);
}

#define WORKLOADS(name, which)                                                                     \
    {name "-rtt", rtt_run, PARAMETER(which, 1, 64)},                                               \
        {name "-rtt-4k", rtt_run, PARAMETER(which, 1, 4096)},                                      \
        {name "-rtt-cores", rtt_run, PARAMETER(which, 2, 64)},                                     \
        {name "-rtt-cores-4k", rtt_run, PARAMETER(which, 2, 4096)},                                \
        {name "-flow-64", flow_run, PARAMETER(which, 2, 64)},                                      \
        {name "-flow-64-one", flow_run, PARAMETER(which, 1, 64)},                                  \
        {name "-flow-1k", flow_run, PARAMETER(which, 2, 1024)},                                    \
        {name "-flow-16k", flow_run, PARAMETER(which, 2, 16384)},                                  \
        {name "-flow-16k-one", flow_run, PARAMETER(which, 1, 16384)},                              \
        {name "-flow-128k", flow_run, PARAMETER(which, 2, 131072)},                                \
    {                                                                                              \
        name "-flow-128k-one", flow_run, PARAMETER(which, 1, 131072)                               \
    }

static const struct bench_workload channel_workloads[] = {WORKLOADS("channel", CHANNEL),
                                                          {"channel-made", made_run, 0},
                                                          WORKLOADS("pipe", PIPE),
                                                          WORKLOADS("seqpacket", SOCKET),
                                                          {0}};

int main(int argc, char **argv)
{
    const struct bench_workload *const tables[] = {channel_workloads, NULL};
    return bench_main(argc, argv, tables);
}
