/* SPDX-License-Identifier: Apache-2.0 */
/* ZeroMQ, inside the process: one context without I/O threads, which only networks need. A small
 * message lies in its zmq_msg_t, of a large one the reference is passed on; so zmq_msg_init_data
 * would save nothing, for no message is made of bytes that lie elsewhere.
 *
 * A thread that waits sleeps. Where each has a core of its own it polls for a while before that:
 * waking costs ten times what a message costs. */
#include "sockets.h"

enum { POLLS = 1000 };

static void *context;

static const int types[] = {
    [PAIR] = ZMQ_PAIR,     [ASKER] = ZMQ_REQ,     [ANSWERER] = ZMQ_REP,
    [PRODUCER] = ZMQ_PUSH, [CONSUMER] = ZMQ_PULL, [MEMBER] = ZMQ_DEALER,
    [CROWD] = ZMQ_ROUTER,  [REPORTER] = ZMQ_PUSH, [REPORT_TAKER] = ZMQ_PULL,
};

static int checked(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, zmq_strerror(zmq_errno()));
        _exit(1);
    }
    return result;
}

void library_start(void)
{
    context = zmq_ctx_new();
    bench_require(context != NULL, "a context");
    checked(zmq_ctx_set(context, ZMQ_IO_THREADS, 0), "ZMQ_IO_THREADS");
    checked(zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 65000), "ZMQ_MAX_SOCKETS");
}

static void option_set(void *socket, int option, int value)
{
    checked(zmq_setsockopt(socket, option, &value, sizeof value), "zmq_setsockopt");
}

struct endpoint endpoint_open(enum kind kind, bool listens, const char *address)
{
    void *socket = zmq_socket(context, types[kind]);
    checked(socket != NULL ? 0 : -1, "zmq_socket");
    if (kind == PRODUCER)
        option_set(socket, ZMQ_SNDHWM, WINDOW / 2);
    if (kind == CONSUMER)
        option_set(socket, ZMQ_RCVHWM, WINDOW / 2);
    if (kind == CROWD)
        option_set(socket, ZMQ_ROUTER_MANDATORY, 1);
    if (listens)
        checked(zmq_bind(socket, address), "zmq_bind");
    else
        checked(zmq_connect(socket, address), "zmq_connect");
    return (struct endpoint){socket};
}

void endpoint_close(struct endpoint *endpoint)
{
    checked(zmq_close(endpoint->socket), "zmq_close");
}

void endpoint_set_timeout(struct endpoint *endpoint, int milliseconds)
{
    option_set(endpoint->socket, ZMQ_RCVTIMEO, milliseconds);
}

void message_new(struct message *ret, size_t size)
{
    checked(zmq_msg_init_size(&ret->body, size), "zmq_msg_init_size");
}

void message_free(struct message *message)
{
    zmq_msg_close(&message->body);
}

void *message_data(struct message *message)
{
    return zmq_msg_data(&message->body);
}

size_t message_size(struct message *message)
{
    return zmq_msg_size(&message->body);
}

void message_send(struct endpoint *to, struct message *message)
{
    checked(zmq_msg_send(&message->body, to->socket, 0), "zmq_msg_send");
}

void message_receive(struct endpoint *from, struct message *ret)
{
    zmq_msg_init(&ret->body);
    checked(zmq_msg_recv(&ret->body, from->socket, 0), "zmq_msg_recv");
}

void message_receive_on_core(struct endpoint *from, struct message *ret)
{
    zmq_msg_init(&ret->body);
    for (int tries = 0; tries < POLLS; tries++) {
        if (zmq_msg_recv(&ret->body, from->socket, ZMQ_DONTWAIT) >= 0)
            return;
        checked(zmq_errno() == EAGAIN ? 0 : -1, "zmq_msg_recv");
    }
    message_receive(from, ret);
}

void int_send(struct endpoint *to, int64_t value)
{
    checked(zmq_send(to->socket, &value, sizeof value, 0), "zmq_send");
}

int64_t int_receive(struct endpoint *from)
{
    int64_t value;
    int size = checked(zmq_recv(from->socket, &value, sizeof value, 0), "zmq_recv");
    bench_require(size == sizeof value, "the size of an int");
    return value;
}

/* A router puts the sender's name before what it said. */
int64_t crowd_receive(struct endpoint *crowd, struct member *ret_from)
{
    int size = zmq_recv(crowd->socket, ret_from->id, sizeof ret_from->id, 0);
    ret_from->size = (size_t)checked(size, "zmq_recv");
    return int_receive(crowd);
}

void crowd_send(struct endpoint *crowd, struct member *to, int64_t value)
{
    checked(zmq_send(crowd->socket, to->id, to->size, ZMQ_SNDMORE), "zmq_send");
    int_send(crowd, value);
}

/* A socket that is closed still delivers. */
void report_send(struct endpoint *reporter, int64_t value)
{
    int_send(reporter, value);
}

int64_t report_receive(struct endpoint *taker)
{
    return int_receive(taker);
}
