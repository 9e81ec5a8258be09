/* SPDX-License-Identifier: Apache-2.0 */
/* The zygote: a clean image of the program that forks sandboxed children on demand.
 *
 * The host executes itself again (launch.c: a clone that shares memory until the exec, with no exit
 * signal, so that nobody's SIGCHLD or waitpid sees it) with nothing but a control socket. The new
 * image finds, by an inherited sealed descriptor, that it is a zygote (zygote.c), locks itself in
 * and serves. Its children are the isolates' processes: each maps its channel, closes everything
 * else, enters its sandbox, loads code if that is asked, says hello in its ring and runs
 * (child.c). The host keeps account of them (host.c) and some children ready (warm.c).
 *
 * Laws. The zygote has one thread, reads nothing that a child wrote, and opens nothing of a
 * request's choosing. An isolate's death is told once: by the zygote's report (how), by the pidfd
 * (that) where no report comes. A process is killed by its pidfd, never by a number. */
#ifndef ISLE_BACKEND_ZYGOTE_H
#define ISLE_BACKEND_ZYGOTE_H

#include "channel/channel.h"
#include "isle/stats.h"
#include "sandbox/sandbox.h"

/* --- the host's side (host.c) */

/* The exit status of a child that could not begin: its hello says why, if it got as far as a ring.
 */
enum { ISLE__CHILD_FAILED = 113 };

/* How a process ended: as waitid tells. */
struct isle__death {
    bool is_known; /* false: the zygote has gone, nobody knows */
    bool is_late;  /* not known, since the zygote has not said it in time */
    bool ran_out;  /* its control group killed somebody in it for want of memory */
    int code;      /* CLD_EXITED, CLD_KILLED, CLD_DUMPED */
    int status;    /* exit status or signal */
    int64_t cpu_ns;
    size_t memory_peak;
};

enum isle__birth_state {
    ISLE__BIRTH_NONE,
    ISLE__BIRTH_WAITS, /* for its turn to be asked */
    ISLE__BIRTH_ASKED,
    ISLE__BIRTH_BORN,
    ISLE__BIRTH_LOST /* born, and its zygote has gone: nobody will report */
};
struct isle__parcel_out; /* what is sent to the zygote (birth.c) */

/* One child, from the request to its death. Zeroed by its owner first, who sets the first group. */
struct isle__birth {
    struct isle__policy policy;
    bool wants_log;
    size_t ring_out, ring_in; /* bytes, powers of two: to the child, from it; 0: ISLE__BIRTH_RING */
    size_t record_max;        /* of a record from it; 0: ISLE__BIRTH_RECORD_MAX */
    /* On the reactor's thread, `told` perhaps inside isle__birth_ask; no lock is held. */
    void (*told)(struct isle__birth *birth, void *context); /* born: pidfd >= 0; or refused: `error`
                                                               says why, and nothing follows */
    void (*died)(struct isle__birth *birth, const struct isle__death *death,
                 void *context); /* once, the last; the birth is its owner's again */
    void *context;

    /* From told on. Who takes channel, courier or log sets it to NULL or -1; what is still here is
     * closed before died is called, and before a refusal is told. */
    struct isle__channel *channel; /* the host's side */
    int courier;      /* the host's end of the seqpacket socket by which descriptors go in */
    int log;          /* the reading end of the child's stdout and stderr; -1: not wanted */
    int pidfd;        /* host.c's to close; -1: not born, or dead */
    int group;        /* its control group; host.c's too; -1: none */
    bool is_prompt;   /* no other birth is under way: it answers soon */
    uint32_t reached; /* layers, from isle__birth_greet on */
    char error[ISLE__SANDBOX_TEXT];

    /* host.c's, under its lock. */
    uint64_t serial;
    enum isle__birth_state state;
    bool killed;     /* asked for, perhaps before it was born */
    bool is_young;   /* it is counted as under way */
    bool telling;    /* a told outside the reactor's thread runs */
    bool has_died;   /* meanwhile: `death` is to be told after it */
    int64_t gone_at; /* the pidfd says that it is dead, since then; 0: it does not */
    uint64_t watch;  /* of the pidfd; 0: none */
    struct isle__death death;
    struct isle__parcel_out *parcel; /* NULL: it has been sent */
    struct isle__birth *next;        /* of a queue */
};
#define ISLE__BIRTH_RING ((size_t)128 * 1024)
#define ISLE__BIRTH_RECORD_MAX ((size_t)64 * 1024 * 1024)

/* Code that a child loads before its last filter. May be read: the object itself, what lies
 * beneath the system's folders of libraries, and beneath these. */
struct isle__birth_code {
    const char *object;         /* absolute path of the shared object */
    const char *entry;          /* symbol */
    const char *const *folders; /* NULL-terminated; NULL: none */
};

/* Starts the zygote unless it runs. ISLE_ESPAWN with `text`: this process has not called
 * isle_child_main, the program cannot be executed again, what was executed did not answer.
 * Any worker; blocks for some milliseconds the first time. */
ISLE_MUST_CHECK isle_err isle__zygote_need(char *text, size_t text_size);
/* Births that are not over, and those of them that wait in the pool, into *stats. Any thread. */
void isle__births_count(isle_stats *stats);
/* Whether somebody was killed whose end is not told yet. Any thread. */
bool isle__births_are_awaited(void);
/* All births are over (those that are not are killed, and told); its process is reaped. The reactor
 * still runs. */
void isle__zygote_stop(void);
uint32_t isle__zygote_reached(void); /* layers; 0: there is no zygote */
/* Asks for a child; the zygote runs. The birth stays until died was called, or told with a refusal.
 * An error: nothing will be called, birth->error has a text. `read_paths`: O_PATH descriptors of
 * what may be read, borrowed. ISLE_ESPAWN, ISLE_ENOMEM, ISLE_ESYSTEM, ISLE_ERANGE. Any worker. */
ISLE_MUST_CHECK isle_err isle__birth_ask(struct isle__birth *birth,
                                         const struct isle__birth_code *code, const int *read_paths,
                                         uint32_t read_path_count);
/* SIGKILL by pidfd; of one that is not born yet, once it is. Never somebody else. Any thread,
 * before died is called. */
void isle__birth_kill(struct isle__birth *birth);
/* Takes the child's first record, its hello. OK: `reached` is set, what follows is whatever the
 * child runs; FULL: it could not lock itself in, or load its code: `error` says why, its end
 * follows; EMPTY: not yet here; BROKEN: it is none. */
enum isle__channel_state isle__birth_greet(struct isle__birth *birth,
                                           struct isle__channel *channel);
/* It runs and has said what it had to say: now the pool is filled again, for which a prompt birth
 * had no time. Any thread. */
void isle__birth_settled(struct isle__birth *birth);
/* The forbidden call that ended it, by its own word; -1: it is silent. */
int isle__death_call(const struct isle__death *death, const struct isle__channel *channel);

/* --- the image's side (zygote.c, child.c) */

/* isle_child_main's: returns at once in the host; in a zygote or child it never returns. */
void isle__zygote_image(int argc, char **argv);
/* The zygote has entered its sandbox, all but the filter: makes what its children have alike.
 * False: it cannot serve. NULL: there is nothing; set like the next ones. */
extern bool (*isle__zygote_prepares)(void);
/* A child has its channel and is not locked in yet: opens what no filter allows later. NULL: there
 * is nothing; false: it is to end. Set like the next one. */
extern bool (*isle__child_begins)(struct isle__channel *channel);
/* A child stands: locked in, channel attached, hello said. Runs the isolate's program; its result
 * is the exit status. Set by who uses this, before main. `entry`: of the code it loaded; NULL. */
extern int (*isle__child_runs)(struct isle__channel *channel, int courier, void *entry);

#endif
