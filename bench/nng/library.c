/* SPDX-License-Identifier: Apache-2.0 */
/* nng, inside the process. A message passes by its pointer; each endpoint keeps the nng_aio that
 * the plain calls would make anew for every message.
 *
 * Streams run over pair sockets, of which the consumer's is polyamorous: they keep messages on
 * both sides, where a push socket hands over one at a time and takes ten times as long. A
 * socket that is closed forgets what was not taken from it, so a reporter is answered first. */
#include "sockets.h"

#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pair1/pair.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

static int (*const opens[])(nng_socket *) = {
    [PAIR] = nng_pair0_open,       [ASKER] = nng_req0_open,          [ANSWERER] = nng_rep0_open,
    [PRODUCER] = nng_pair1_open,   [CONSUMER] = nng_pair1_open_poly, [MEMBER] = nng_pair1_open,
    [CROWD] = nng_pair1_open_poly, [REPORTER] = nng_req0_open,       [REPORT_TAKER] = nng_rep0_open,
};

static void check(int err, const char *what)
{
    if (err == 0)
        return;
    fprintf(stderr, "%s: %s\n", what, nng_strerror(err));
    _exit(1);
}

void library_start(void)
{
}

static void buffer_set(nng_socket socket, const char *option, int count)
{
    check(nng_socket_set_int(socket, option, count), option);
}

struct endpoint endpoint_open(enum kind kind, bool listens, const char *address)
{
    struct endpoint made;
    check(opens[kind](&made.socket), "nng_open");
    check(nng_aio_alloc(&made.aio, NULL, NULL), "nng_aio_alloc");
    nng_aio_set_timeout(made.aio, NNG_DURATION_INFINITE);
    if (kind == PRODUCER || kind == MEMBER)
        buffer_set(made.socket, NNG_OPT_SENDBUF, kind == MEMBER ? FAN_IN_EACH : WINDOW);
    if (kind == CONSUMER || kind == CROWD)
        buffer_set(made.socket, NNG_OPT_RECVBUF, WINDOW);
    if (listens)
        check(nng_listen(made.socket, address, NULL, 0), "nng_listen");
    else
        check(nng_dial(made.socket, address, NULL, 0), "nng_dial");
    return made;
}

void endpoint_close(struct endpoint *endpoint)
{
    nng_aio_free(endpoint->aio);
    check(nng_close(endpoint->socket), "nng_close");
}

void endpoint_set_timeout(struct endpoint *endpoint, int milliseconds)
{
    nng_aio_set_timeout(endpoint->aio, milliseconds);
}

void message_new(struct message *ret, size_t size)
{
    check(nng_msg_alloc(&ret->body, size), "nng_msg_alloc");
}

void message_free(struct message *message)
{
    nng_msg_free(message->body);
}

void *message_data(struct message *message)
{
    return nng_msg_body(message->body);
}

size_t message_size(struct message *message)
{
    return nng_msg_len(message->body);
}

void message_send(struct endpoint *to, struct message *message)
{
    nng_aio_set_msg(to->aio, message->body);
    nng_send_aio(to->socket, to->aio);
    nng_aio_wait(to->aio);
    check(nng_aio_result(to->aio), "nng_send_aio");
}

void message_receive(struct endpoint *from, struct message *ret)
{
    nng_recv_aio(from->socket, from->aio);
    nng_aio_wait(from->aio);
    check(nng_aio_result(from->aio), "nng_recv_aio");
    ret->body = nng_aio_get_msg(from->aio);
}

/* Polling would keep nng's own threads off the core. */
void message_receive_on_core(struct endpoint *from, struct message *ret)
{
    message_receive(from, ret);
}

static void int_message(struct message *ret, int64_t value)
{
    message_new(ret, sizeof value);
    memcpy(message_data(ret), &value, sizeof value);
}

static int64_t int_taken(struct message *message)
{
    int64_t value;
    bench_require(message_size(message) == sizeof value, "the size of an int");
    memcpy(&value, message_data(message), sizeof value);
    message_free(message);
    return value;
}

void int_send(struct endpoint *to, int64_t value)
{
    struct message message;
    int_message(&message, value);
    message_send(to, &message);
}

int64_t int_receive(struct endpoint *from)
{
    struct message came;
    message_receive(from, &came);
    return int_taken(&came);
}

int64_t crowd_receive(struct endpoint *crowd, struct member *ret_from)
{
    struct message came;
    message_receive(crowd, &came);
    ret_from->pipe = nng_msg_get_pipe(came.body);
    return int_taken(&came);
}

void crowd_send(struct endpoint *crowd, struct member *to, int64_t value)
{
    struct message message;
    int_message(&message, value);
    nng_msg_set_pipe(message.body, to->pipe);
    message_send(crowd, &message);
}

void report_send(struct endpoint *reporter, int64_t value)
{
    int_send(reporter, value);
    int_receive(reporter);
}

int64_t report_receive(struct endpoint *taker)
{
    int64_t value = int_receive(taker);
    int_send(taker, 0);
    return value;
}
