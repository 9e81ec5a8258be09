/* SPDX-License-Identifier: Apache-2.0 */
/* The wall: what makes an isolate in another memory look like any isolate. The same code on both
 * sides. Outside, each such isolate is a proxy body, whose mailbox and control stack are put into
 * records (out.c) and whose records become mail and control messages (in.c). Inside, all the world
 * outside is one such body (inside.c).
 *
 * Laws. All that a wall has belongs to who runs its proxy's turn: outside one worker at a time,
 * inside the only thread. What others may call says so. What comes from the other side is hostile
 * on both sides: a violation of the protocol breaks the wall, which is never mended; outside that
 * kills the inside (ISLE_PROTOCOL), inside it ends the process. Nothing here waits.
 *
 * Room. Mail that went out stays counted in the proxy's mailbox until the inside says that its
 * isolate has taken as many (credits: first in, first out), so that limits hold as they do for any
 * isolate. */
#ifndef ISLE_BACKEND_WALL_H
#define ISLE_BACKEND_WALL_H

#include "backend/wall/lines.h"
#include "backend/wall/names.h"
#include "backend/wall/record.h"
#include "channel/channel.h"
#include "channel/courier.h"
#include "core/backend.h"
#include "core/gate.h"
#include "isle/monitor.h"

struct isle__control;
struct isle__mail;
struct isle__wall;
struct isle__wall_child;
struct isle__wall_own;
struct isle__wall_tree;

enum {
    ISLE__WALL_TEXT = 200,
    ISLE__WALL_EXPORTS = 1 << 17,
    /* What is released and what is new may cross: twice as many. */
    ISLE__WALL_IMPORTS = 2 * ISLE__WALL_EXPORTS + ISLE__SELF_COUNT + 8,
    ISLE__WALL_ASIDES = 8,                      /* large bytes beside one message */
    ISLE__WALL_UNREAD = 2 * ISLE__WALL_IMPORTS, /* that it has not taken, and asks for more */
    ISLE__WALL_ERRORS = 16, /* that are told to who listens, however full his mailbox is */
    ISLE__WALL_LINES = 50,  /* on stderr, in a second, of errors that nobody listens to */
    ISLE__WALL_TAKE = 256, /* records of the other side in one turn: a flood costs others nothing */
    ISLE__WALL_PUT = 256,  /* records to it */
    ISLE__WALL_NOTICES = 65536, /* that somebody has not taken, and gets no more by who is inside */
    ISLE__WALL_RESPONSES = 64 << 20, /* bytes for exit listeners of others, in all of its life */
    ISLE__WALL_RESPONSE_SMALL = 256, /* one that does not count among them */
    ISLE__WALL_BYTES_LEAST = 512     /* bytes that are worth a way of their own, by one copy less */
};
/* Last words: the inside had no memory for what came. No number of a system call. */
#define ISLE__WALL_MARK_MEMORY UINT32_C(0xfffffff0)
#define ISLE__WALL_RECORD_MAX (((size_t)256 << 20) + 65536)
/* A message, and what may lie beside it: head, front and padding are the rest. */
#define ISLE__WALL_MESSAGE_MAX (ISLE__WALL_RECORD_MAX - 1024)
#define ISLE__WALL_FILES_MAX ((size_t)256 << 20) /* bytes of memory files that an inside gets */

/* How the other side ended, as its backend knows. */
struct isle__wall_end {
    isle_reason reason;
    char text[ISLE__WALL_TEXT];
    int64_t cpu_time_ns;
    size_t memory_peak;
    bool is_unborn; /* it never came to run anything: the text says why */
};

/* What carries a wall. `context` is the backend's for this isolate. */
struct isle__wall_ops {
    /* In the first turn: asks for the inside. isle__wall_stands or isle__wall_refused follows,
     * perhaps from within. ISLE_ESPAWN and its like with a text: nothing follows. */
    isle_err (*open)(void *context, struct isle__wall *wall, char *text, size_t text_size);
    /* The first record of the inside is its backend's. OK: it was a good one; EMPTY: it has not
     * come; FULL: the inside cannot start, as the text says; BROKEN: it was none. May be NULL. */
    enum isle__channel_state (*greet)(void *context, struct isle__channel *channel, char *text,
                                      size_t text_size);
    /* The inside is to end at once; isle__wall_died comes later. Again and again is fine. */
    void (*kill)(void *context);
    /* The inside runs, or is to end, and there is nothing to do for now. Once, if it gets so far.
     * May be NULL. */
    void (*settled)(void *context);
    /* The options of a sibling that the inside asks for: made no more than its own. May be NULL. */
    void (*sibling)(void *context, isle_options *options);
    /* The descriptors of one record go in, before it does; NULL: none can. They are borrowed. */
    isle_err (*send_fds)(void *context, const int *fds, size_t count);
    /* The last call: the proxy ends. After isle__wall_died or isle__wall_refused, or `open` failed
     * or was not called. */
    void (*close)(void *context);
};

struct isle__wall_credits { /* a ring of amounts (isle__room_of) */
    uint64_t *amounts;
    size_t first, count, capacity;
};

/* Large bytes beside the message that is written. */
struct isle__wall_asides {
    struct isle__channel_part bytes[ISLE__WALL_ASIDES];
    size_t count, size;
    size_t file_size;        /* of a file besides those, a descriptor of the record; 0: none */
    bool no_file;            /* none is to be */
    struct isle__mail *mail; /* whose they are, until all is in the ring */
    struct isle__channel_part
        rest; /* no aside: of a message that is bytes alone, all but its head */
    /* Head, front and message; then padding and bytes of each. */
    struct isle__channel_part parts[3 + 2 * ISLE__WALL_ASIDES];
    uint8_t front[ISLE__RECORD_FRONT];
};
/* The same of the one that is read. */
struct isle__wall_record {
    uint8_t *bytes;
    size_t size, at; /* of the record; where the next ones are */
    uint32_t next;
    void *owned; /* the memory that may be kept, or NULL */
    size_t capacity;
    struct isle__shared *kept; /* it has been: who owns it then */
};

/* The kills of what it owns, newest first (owned.c); begins as zero. */
struct isle__wall_owned {
    struct isle__control *kills;
    struct isle__index places; /* of each by its target */
    size_t most;               /* before those that have ended are looked for */
};

/* What a DUE that went out is of: nothing, as mail has followed; of the first mail that waits to
 * go; of one that did not go as mail. */
enum isle__due_told { ISLE__DUE_TOLD_NONE, ISLE__DUE_TOLD, ISLE__DUE_TOLD_IN_VAIN };

struct isle__wall {
    struct isle__isolate *proxy;
    const struct isle__wall_ops *ops; /* NULL: we are inside */
    void *context;
    struct isle__channel *channel; /* NULL: not open yet */
    uint64_t bell;                 /* the reactor's key; 0 */
    struct isle__exports exports;
    struct isle__imports imports;
    struct isle__wire wire;
    const char *violation; /* static; NULL: none */
    bool lacks_memory;     /* it is no violation: what came could not be kept here */
    struct isle__lines lines;
    /* Out. */
    uint8_t head[ISLE__RECORD_HEAD];
    struct isle__buffer body;
    uint32_t types_told;          /* outside: isle__types_count as the inside knows it */
    const isle_type *type_passes; /* outside: the last one that could be told of */
    struct isle__index types;     /* inside: those that the outside knows, by address */
    uint8_t due_told;             /* isle__due_told */
    bool putting;                 /* the record of both is on its way */
    struct isle__control *controls, *controls_last;
    uint64_t *releases;
    size_t release_count, release_capacity;
    struct isle__wall_own *own, *own_last;     /* records of its own */
    uint64_t last_control;                     /* the isolate whose handle is being written */
    int descriptors[ISLE__RECORD_DESCRIPTORS]; /* of the record that is written, or read; -1: used
                                                */
    uint32_t descriptor_count;
    struct isle__wall_asides asides;
    size_t files_left;     /* bytes of memory files that may yet go in */
    bool gave_descriptors; /* which the inside may still have */
    bool awaits_courier;   /* the mail's descriptors find no room until others were fetched */
    /* In. */
    struct isle__share *share; /* mail that waits; NULL: none yet */
    uint32_t due;              /* of the next mail (core/due.h); 0 */
    bool met;                  /* something came that somebody may have waited for */
    size_t responses;          /* bytes for exit listeners, which came in */
    struct isle__buffer record;
    struct isle__wall_record taken_record;
    /* Outside alone. */
    bool paused, opened, greeted, start_put, killed, stands, settled, has_end;
    int64_t start_until; /* it looks for the first mail till then instead of resting; 0: never */
    uint8_t end_reason;
    char end_text[ISLE__WALL_TEXT];
    uint64_t mail_refused; /* mails of the inside that found a full mailbox: it is told of them */
    uint32_t errors_told;  /* ISLE__WALL_ERRORS at most */
    uint32_t asked;        /* pings that it has not answered */
    int64_t grace_until;   /* a kill waits for their answers till then; 0: none waits */
    struct isle__timer_node grace;
    uint64_t run_name; /* the name of the run's reply; 0: none, or it has come */
    struct isle__wall_credits credits;
    struct isle__wall_child *children; /* isolates that the inside has spawned (sibling.c) */
    uint32_t child_count;
    struct isle__wall_owned owned;
    struct isle__wall_tree *tree;          /* that it belongs to; NULL: it alone */
    bool is_seated;                        /* it takes a place of its tree */
    struct isle__control *waiting;         /* isle_spawn_wait: until it stands */
    struct isle__wall_end death;           /* written before `dead` or `refused` */
    _Atomic(struct isle__channel *) given; /* until the turn takes it */
    _Atomic bool dead, refused;
    /* Inside alone. */
    bool pumping, over;
    bool idles;       /* nothing is left to do: all that was taken is told */
    bool slept;       /* the bell may have rung */
    uint64_t told_to; /* the isolate's data_out when that was last told */
    struct isle__isolate *user;
    uint64_t user_id;
    int courier;
    uint64_t errors;  /* the port of error notices, an import that the other side does not know */
    uint64_t spawned; /* how many siblings it has asked for */
    uint64_t delivered, told; /* mail that came in; as far as its taking was told */
};

/* --- for backends (wall.c) */

/* In prepare: the wall of a body that is being born. ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__wall_open(struct isle__isolate *proxy,
                                         const struct isle__wall_ops *ops, void *context,
                                         bool paused);
/* The inside is there, or is about to be, at the other end of this channel, which is the wall's
 * from here on; `is_prompt`: it will have answered its start in a moment. Once. Any thread. */
void isle__wall_stands(struct isle__wall *wall, struct isle__channel *channel, bool is_prompt);
/* There will be no inside; the text is copied. Once, the last. Any thread. */
void isle__wall_refused(struct isle__wall *wall, const char *text);
/* The other side has ended; once, after that nothing more of the wall is touched. Any thread. */
void isle__wall_died(struct isle__wall *wall, const struct isle__wall_end *end);
/* The operations of a backend with a wall. */
void isle__wall_turn(struct isle__task *task);
void isle__wall_wake(struct isle__isolate *isolate);
void isle__wall_ended(struct isle__isolate *isolate);
bool isle__wall_control(struct isle__isolate *isolate, struct isle__control *control);
void isle__wall_forget(struct isle__isolate *isolate, uint64_t reply);
isle_err isle__wall_admit(struct isle__isolate *isolate, const struct isle__spawn_what *what,
                          isle_value message);
/* The process inside, in steps: what all have alike, which may happen in the process that they are
 * forks of, or else does in the next one; what needs system calls that are refused later; then the
 * isolate, as the outside says, until it ends; returns the status to exit with. `kind`: under which
 * this backend is registered. `loaded`: the entry of code at a URI; NULL. The only thread. */
ISLE_MUST_CHECK bool isle__wall_inside_prepare(void);
ISLE_MUST_CHECK bool isle__wall_inside_begin(struct isle__channel *channel, isle_backend kind);
int isle__wall_inside_run(int courier, void *loaded);
bool isle__wall_is_inside(void);

/* --- the wall's own */

static inline struct isle__wall *isle__wall_of(const struct isle__isolate *isolate)
{
    return isle__isolate_has_cold(isolate)->wall;
}
void isle__wall_violate(struct isle__wall *wall, const char *what);
void isle__wall_lack(struct isle__wall *wall); /* of memory, without which the wall cannot go on */
void isle__wall_release(void *wall, uint64_t name); /* tells the other side */
isle_err isle__wall_name_of_port(struct isle__wall *wall, uint64_t id, struct isle__ref *ret_ref);
/* Where a mail's answer goes: a call keeps its kind when it is over. */
isle_err isle__wall_name_of_reply(struct isle__wall *wall, const struct isle__mail *mail,
                                  struct isle__ref *ret_ref);
isle_err isle__wall_name_of_capability(struct isle__wall *wall, uint64_t id,
                                       struct isle__ref *ret_ref);
/* The other way; a stale name gives what is nobody's. ISLE_EMALFORMED, ISLE_ENOMEM. */
isle_err isle__wall_port_of_name(struct isle__wall *wall, const struct isle__ref *ref,
                                 uint64_t *ret_id);
isle_err isle__wall_control_of_name(struct isle__wall *wall, const struct isle__ref *ref,
                                    uint64_t *ret_id);
isle_err isle__wall_capability_of_name(struct isle__wall *wall, const struct isle__ref *ref,
                                       uint64_t *ret_id);
void isle__wall_wire_init(struct isle__wall *wall); /* translate.c's hooks */
void isle__wall_descriptors_close(struct isle__wall *wall);
isle_err isle__wall_descriptors_send(struct isle__wall *wall); /* closes none */
bool isle__wall_descriptors_take(struct isle__wall *wall, uint32_t count);
static inline bool isle__wall_has_asides(const struct isle__wall *wall)
{
    return wall->asides.count > 0 || wall->asides.file_size != 0;
}
/* aside.c, out: from open to close large bytes may stay beside the message; true: some do. Then the
 * record is laid out once its message stands (returned: the length of its body), put, and cleared,
 * which drops the mail that has the bytes. */
void isle__wall_asides_open(struct isle__wall *wall);
bool isle__wall_asides_close(struct isle__wall *wall);
size_t isle__wall_asides_layout(struct isle__wall *wall);
enum isle__channel_state isle__wall_asides_put(struct isle__wall *wall);
void isle__wall_asides_clear(struct isle__wall *wall);
/* In: the record has some; the head's length becomes the message's, which comes behind the front.
 * False: a violation. `owned`: the bytes' own memory of that capacity, or NULL. At the end, true:
 * it has been kept. */
bool isle__wall_aside_begin(struct isle__wall *wall, struct isle__record_head *head, uint8_t *bytes,
                            void *owned, size_t capacity);
size_t isle__wall_aside_size(const struct isle__wall *wall); /* of the record; 0: there are none */
bool isle__wall_aside_is_used_up(const struct isle__wall *wall);
bool isle__wall_aside_end(struct isle__wall *wall);
/* Puts what waits to go out, so many records at most. True: there is more, and room for it. */
bool isle__wall_out(struct isle__wall *wall, unsigned most);
/* The oldest of those that wait to go out; there is one. */
struct isle__control *isle__wall_control_take(struct isle__wall *wall);
/* A mail that ends here, by a cause that has been counted: its call learns why. */
void isle__wall_mail_end(struct isle__mail *mail, isle_err code);
/* A mail that cannot cross: its call learns why, anybody else is out of reach. */
void isle__wall_mail_fail(struct isle__wall *wall, struct isle__mail *mail, isle_err code,
                          const char *why);
/* Takes records, so many at most. True: there are more. */
bool isle__wall_in(struct isle__wall *wall, unsigned most);
/* Outside: may the inside have notices sent to that port? Of a dead isolate they come at once. */
bool isle__wall_may_tell(const struct isle__wall *wall, uint64_t port);
/* Records of one side alone: false, a violation. */
bool isle__wall_in_start(struct isle__wall *wall, const struct isle__record_head *head,
                         const uint8_t *body);
void isle__wall_tell_waiting(struct isle__wall *wall, isle_err err, const char *text);
size_t isle__wall_budget(size_t size, size_t room);
/* A message into a parcel for a mail, for one who has room for so many bytes; `all`: of the record,
 * or of the message. ISLE_EFULL: it needs more than that. ISLE_EMALFORMED, ISLE_ERANGE: it is none;
 * ISLE_ENOMEM, ISLE_ESYSTEM: ours. */
ISLE_MUST_CHECK isle_err isle__wall_decode(struct isle__wall *wall, const uint8_t *message,
                                           size_t size, size_t all, size_t room,
                                           struct isle__parcel *ret_parcel);
isle_err isle__wall_place_of(isle_function *function, struct isle__wire_function *ret_place);
isle_err isle__wall_place_of_data(const void *data, struct isle__wire_function *ret_place);
const void *isle__wall_data_at(const struct isle__wire_function *place); /* NULL: there is none */
isle_err isle__wall_function_at(const struct isle__wire_function *place,
                                isle_function **ret_function);
/* spawner.c */
isle_err isle__wall_own_add(struct isle__wall *wall, const struct isle__record_head *head,
                            struct isle__buffer *body); /* takes the body */
struct isle__record_head isle__wall_own_take(struct isle__wall *wall);
void isle__wall_own_fini(struct isle__wall *wall);
bool isle__wall_in_named(struct isle__wall *wall, const struct isle__record_head *head,
                         const uint8_t *body);
isle__spawner isle__wall_spawn;
/* link.c */
isle__linker isle__wall_link;
bool isle__wall_in_link(struct isle__wall *wall, const uint8_t *body, size_t size);
/* sibling.c */
bool isle__wall_in_spawn(struct isle__wall *wall, const struct isle__record_head *head,
                         const uint8_t *body);
void isle__wall_children_end(struct isle__wall *wall);
/* owned.c. Outside: the other is killed when this wall ends. False: no memory. */
ISLE_MUST_CHECK bool isle__wall_owned_add(struct isle__wall_owned *owned, isle_isolate other);
void isle__wall_owned_end(struct isle__wall_owned *owned);
/* outside.c */
void isle__wall_write_types(struct isle__wall *wall); /* all, to wall->body */
isle_err isle__wall_write_start(struct isle__wall *wall, struct isle__record_head *head);
bool isle__wall_credits_add(struct isle__wall_credits *credits, uint64_t amount);
/* inside.c */
bool isle__wall_in_types(struct isle__wall *wall, const uint8_t *body, size_t size);
uint64_t isle__wall_taken(struct isle__wall *wall); /* and is to be told now */
void isle__wall_told(struct isle__wall *wall, uint64_t taken);
struct isle__wall *isle__wall_of_inside(void);
void isle__wall_pump(void);

#endif
