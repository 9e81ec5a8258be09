/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs of the messaging libraries share: an actor is a thread, its mailbox a socket
 * inside the process. The workloads are written once, on what is declared here; a library's folder
 * has library.h, which defines `struct endpoint`, `struct message` and `struct member`, and
 * library.c with the functions. Whatever fails ends the program.
 *
 * Left out is what a thread each does not do naturally: a million alive, skynet, big and chameneos;
 * trees, for these libraries send bytes; and memory but of the idle, who all wait in a receive. */
#ifndef BENCH_SOCKETS_SOCKETS_H
#define BENCH_SOCKETS_SOCKETS_H

#include "../common.h"

#include "library.h"

enum kind {
    PAIR,        /* two that talk */
    ASKER,       /* waits for an answer to each of its messages */
    ANSWERER,    /* answers each */
    PRODUCER,    /* of a stream, to one consumer */
    CONSUMER,    /* of the streams of many */
    MEMBER,      /* of a crowd: talks to one */
    CROWD,       /* who talks to all of them */
    REPORTER,    /* says one thing and ends */
    REPORT_TAKER /* hears it, from many */
};

/* How much of a stream lies between its ends at most, where the library can be told. */
enum { WINDOW = 4096 };

void library_start(void);

/* Who is dialled to listens already. */
struct endpoint endpoint_open(enum kind kind, bool listens, const char *address);
void endpoint_close(struct endpoint *endpoint);
/* What a receive waits for at most; the program ends where nothing has come by then. */
void endpoint_set_timeout(struct endpoint *endpoint, int milliseconds);

static inline struct endpoint endpoint_named(enum kind kind, bool listens, const char *name,
                                             int64_t number)
{
    char address[64];
    snprintf(address, sizeof address, "inproc://%s-%" PRId64, name, number);
    return endpoint_open(kind, listens, address);
}

static inline struct endpoint endpoint_listen(enum kind kind, const char *name, int64_t number)
{
    return endpoint_named(kind, true, name, number);
}

static inline struct endpoint endpoint_dial(enum kind kind, const char *name, int64_t number)
{
    return endpoint_named(kind, false, name, number);
}

/* A message passes by reference: who sends it has it no longer, and may receive the next one in its
 * place. */
void message_new(struct message *ret, size_t size);
void message_free(struct message *message);
void *message_data(struct message *message);
size_t message_size(struct message *message);
void message_send(struct endpoint *to, struct message *message);
void message_receive(struct endpoint *from, struct message *ret);
/* The same for a thread that has a core of its own: as the library is quickest then. */
void message_receive_on_core(struct endpoint *from, struct message *ret);

/* An int as a message. */
void int_send(struct endpoint *to, int64_t value);
int64_t int_receive(struct endpoint *from);

/* Between a crowd and one of its members, who spoke first. */
int64_t crowd_receive(struct endpoint *crowd, struct member *ret_from);
void crowd_send(struct endpoint *crowd, struct member *to, int64_t value);

/* A reporter's only message: it has arrived, or will, when its endpoint is closed. */
void report_send(struct endpoint *reporter, int64_t value);
int64_t report_receive(struct endpoint *taker);

/* Each ends with an entry without a name. */
extern const struct bench_workload crowd_workloads[], talk_workloads[];

#endif
