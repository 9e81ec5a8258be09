/* SPDX-License-Identifier: Apache-2.0 */
/* How a backend plugs into the core: one table of operations. To a sender all isolates look alike;
 * an isolate behind a wall is a body here, its proxy, whose mailbox and control stack a transport
 * drains.
 *
 * A proxy. Its task runs `turn` instead of the event loop, on any worker, one at a time. A turn
 *   - does control: isle__control_run(isolate, false). What asks for something that only the other
 *     side can do goes to `control`; kills, listeners and monitors are the core's;
 *   - looks at isolate->ending (a kill, a deadline, a stop of the program): it ends the other side;
 *     once that has ended, and all that it sent is delivered, it says how (isle__isolate_end_as)
 *     and calls isle__isolate_finish, which tells listeners and monitors;
 *   - takes mail: isle__loop_take, then isolate->inbox, oldest first, each with its full target.
 *     Mail that it took is counted off by isle__mail_received (mail.h) and is its own;
 *   - ends with isle__loop_rest, unless that says that there is more to do.
 * Until it is `entered` it also has an entry (isolate->entry, entry_kind) and a first message
 * (isle__first_take). It has no event, no scope and no activity: isle__heap_current
 * is NULL in a turn, and nothing there throws.
 *
 * Other ids that lead to a proxy. Slots may be opened for its body (isle__slot_open): PORT and
 * REPLY for what mail goes to, REMOTE for a control port on the other side: their mail lies in the
 * proxy's mailbox, and their control messages go to `control`. */
#ifndef ISLE_BACKEND_H
#define ISLE_BACKEND_H

#include "core/isolate.h"
#include "isle/stats.h"

struct isle__control;

/* Which of the isle_options a backend enforces; set ones that it does not are refused. */
enum isle__enforced {
    ISLE__ENFORCES_CPU_TIME = 1, /* .cpu_time_max_ns */
    ISLE__ENFORCES_SANDBOX = 2   /* .sandbox */
};

/* What is to be run, as the caller of a spawn said it; borrowed for the call. */
struct isle__spawn_what {
    enum isle__entry_kind kind;
    union isle__entry_point entry; /* of a URI: filled where the code is loaded here */
    const char *path, *symbol;     /* of a URI */
    void *library;                 /* of a URI that is loaded here */
    uint64_t run_reply;            /* of a run: where its result goes; 0 */
};

struct isle__backend_ops {
    const char *name;
    unsigned enforces; /* isle__enforced */
    /* Bytes of one message that may cross, no less than ISLE__MAIL_LARGE, and of its frozen bytes
     * those that may go to the other side beside it; 0: whatever a mailbox takes. */
    size_t message_max, message_file_max;
    /* Checks what the backend cannot do (ISLE_EUNSUPPORTED, ISLE_ESPAWN through isle__fail) and
     * gets ready whatever the isolate needs before its first turn. */
    isle_err (*prepare)(struct isle__isolate *isolate, const isle_options *options);
    /* Something waits in the mailbox or the control stack of an isolate that was idle. Any thread.
     */
    void (*wake)(struct isle__isolate *isolate);
    /* The isolate has ended; what prepare got is returned. On a worker. */
    void (*ended)(struct isle__isolate *isolate);

    /* --- of those behind a wall; else NULL */

    /* Of a proxy's task. */
    void (*turn)(struct isle__task *task);
    /* In a turn, from isle__control_run: a control message that the other side is to do: pause,
     * resume, ping, errors_fatal, started, shutdown, and kills before the next event, of this
     * isolate, and all of a REMOTE slot's. True: it is the backend's (isle__control_free; one that
     * asks for an answer is answered, or refused by isle__control_refuse). False: it is refused. */
    bool (*control)(struct isle__isolate *isolate, struct isle__control *control);
    /* In the spawner's call, after prepare and before the message is copied: refuses what cannot
     * run there or cannot be sent there (isle__fail). Takes what it needs of `what`: path and
     * symbol, which are code that the host does not load. May be NULL. */
    isle_err (*admit)(struct isle__isolate *isolate, const struct isle__spawn_what *what,
                      isle_value message);
    /* From inside: nobody waits any more for the answer to a send that waits outside. May be NULL.
     */
    void (*forget)(struct isle__isolate *isolate, uint64_t reply);
    /* First thing of a program: an image that was executed for this backend never returns. */
    void (*image)(int argc, char **argv);
    /* Writes its own counts into *stats. Any thread, while the program runs. May be NULL. */
    void (*count)(isle_stats *stats);
    /* Whether the system has yet to tell an end that was brought about. Any thread, while the
     * program ends. May be NULL. */
    bool (*awaits)(void);
    /* The program ends, all isolates have ended. On the root's thread. */
    void (*stop)(void);
};

extern const struct isle__backend_ops isle__backend_thread;
/* The backends of this build, by kind, NULL where there is none: a table for each system
 * (src/backend). Written only by isle__backend_register. */
extern const struct isle__backend_ops *isle__backends[ISLE_NODE + 1];
static inline const struct isle__backend_ops *isle__backend_of(const struct isle__isolate *isolate)
{
    return isle__backends[atomic_load_explicit(&isolate->backend, memory_order_relaxed)];
}
/* The table of a kind, or NULL if this build has none. */
const struct isle__backend_ops *isle__backend_find(isle_backend kind);
/* While no program runs; NULL takes it away. */
void isle__backend_register(isle_backend kind, const struct isle__backend_ops *ops);
void isle__backends_count(isle_stats *stats);
bool isle__backends_await(void); /* one of them an end that the system has yet to tell */
void isle__backends_stop(void);  /* the program ends */

/* Inside a process isolate every spawn asks the host: if set (before the program starts, or by the
 * root before others run), isle_spawn and its kin make no body here but call this, with options
 * that are read and hold no contradiction (never NULL). It returns a handle that is valid at once,
 * or refuses by isle__fail. The result of a run goes to what->run_reply, and so does the notice
 * that there is none. `standing` is where isle_try_spawn waits for the news that it stands, a reply
 * of null or of an error; 0: nobody waits. */
typedef isle_err isle__spawner(const isle_options *options, const struct isle__spawn_what *what,
                               isle_value message, uint64_t standing, isle_isolate *ret_isolate);
extern isle__spawner *isle__spawn_elsewhere;
/* The same for links: the lists that say who is linked to whom are of the bodies outside. ISLE_OK,
 * or the code. */
enum isle__link_act { ISLE__LINK_JOIN = 1, ISLE__LINK_PART, ISLE__LINK_TRAP, ISLE__LINK_OWN };
typedef isle_err isle__linker(enum isle__link_act act, isle_isolate isolate, isle_send_port port);
extern isle__linker *isle__link_elsewhere;
/* A spawn with a body here, whatever isle__spawn_elsewhere is. On a worker, in an event or the
 * main activity. Options may be NULL. */
ISLE_MUST_CHECK isle_err isle__spawn_here(const isle_options *options,
                                          const struct isle__spawn_what *what, isle_value message,
                                          isle_isolate *ret_isolate);

#endif
