/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of one isolate: scopes, the kept heap, and the way out of both (unwinding). Internal
 * to src/; the public side is isle/scope.h and isle/error.h.
 *
 * How a value lies in memory. A cell (cell.h) lies in a chunk; its header says how far back the
 * chunk begins; the chunk says which region owns it *now*. So a message is adopted by a scope with
 * one store per chunk, whatever its size. There are three kinds of region: scope   bump-allocated,
 * freed whole when the scope closes. Scopes of one activity form a stack (a frame's). kept    the
 * isolate's own heap: one block per value, collected by mark and sweep when it has doubled. Nothing
 * moves in it. frozen  immutable, shared by count by all isolates.
 *
 * The laws:
 *   1. A pointer may lie in a cell only if it leads into the same region, an enclosing scope of the
 * same frame, the kept heap, or a frozen block. isle__store (barrier.c) makes it so: anything else
 * is copied into the container's region and the old cell forwards to the copy.
 *   2. Nothing in the kept heap points into a scope.
 *   3. Whoever puts a pointer to a kept cell where the collector does not look (a scope's cell, a C
 * variable of the program) writes the cell into a scope's list of handles: the program's reads by
 * isle__expose, the barrier by itself. Roots of the collector: kept cells with a keep count, all
 * handles of all open scopes of all frames.
 *   4. Only the isolate's own thread of the moment touches a heap; the two atomic counters are read
 * by senders. */
#ifndef ISLE_HEAP_H
#define ISLE_HEAP_H

#include "isle/error.h"
#include "isle/object.h"
#include "isle/scope.h"
#include "isle/value.h"
#include "platform/platform.h"
#include "value/failure.h"

#if defined(__GNUC__)
/* What is rarely called and must not cost its caller's quick path a register. */
#define ISLE__RARE __attribute__((noinline, cold))
/* What the way of every message goes through, whatever a compiler thinks of its size. */
#define ISLE__INLINE inline __attribute__((always_inline))
#else
#define ISLE__RARE
#define ISLE__INLINE inline
#endif

struct isle__heap;
struct isle__frame;

/* SHOWN: a parcel's content while it is looked at. It is read, and copied out of, never changed or
 * referred to. */
enum isle__region_kind {
    ISLE__REGION_SCOPE = 1,
    ISLE__REGION_KEPT,
    ISLE__REGION_FROZEN,
    ISLE__REGION_SHOWN
};

/* Something with a count of references that lives outside all heaps: a transferable's bytes, a
 * frozen graph, an open descriptor. */
struct isle__shared {
    _Atomic uint32_t references;
    size_t size;                                  /* charged to each heap that holds it */
    void (*destroy)(struct isle__shared *shared); /* NULL: static, never counted */
};
void isle__shared_ref(struct isle__shared *shared);
void isle__shared_unref(struct isle__shared *shared); /* NULL is fine; any thread */

/* One reference of a region or message to such a thing; lies in that region's own memory. All holds
 * of one heap on one thing form a ring, of which one is the leader: it stands in the heap's table
 * (hold.c), so that a heap is charged once however many of its scopes hold the thing. */
struct isle__hold {
    struct isle__hold *next;     /* of the region or message */
    struct isle__shared *shared; /* NULL: taken away */
    struct isle__hold *ring_next, *ring_previous;
    struct isle__hold *chain; /* leader: next in its bucket */
    struct isle__hold *kept;  /* leader: the kept heap's own hold on a frozen block; NULL: none */
    uint64_t exposed;         /* leader: id of the scope that held it last, a filter */
    uint32_t keep_count;      /* of the kept heap's own: isle_keep of frozen values */
    bool leader, marked;
};

struct isle__region {
    enum isle__region_kind kind;
    struct isle__heap *heap; /* NULL: frozen */
};

/* One allocation that holds cells; `size` counts this header too. Cells are 16-byte aligned. */
struct isle__chunk {
    struct isle__region *region; /* NULL in a message on its way */
    struct isle__chunk *next;
    size_t size;
    size_t used;
};

/* A graph on its way from one heap to another: chunks, and what they hold. In the first chunk,
 * `header_size` bytes are the sender's own (isle__parcel_header). */
struct isle__parcel {
    isle_value root;
    struct isle__chunk *chunks; /* first made first */
    struct isle__hold *holds;
    size_t size;               /* bytes of all chunks, and of what is held */
    struct isle__moved *moved; /* transferables taken from their cells, until commit */
    struct isle__scope *donor; /* whose chunks follow the first one, until commit; NULL: none */
};

struct isle__defer {
    struct isle__defer *next;
    isle_task *task;
    void *context;
    /* The runtime's own: it runs nothing of the program's and does not throw, so it needs no
     * boundary; its memory is somebody else's (isle__scope_defer_quietly). */
    bool is_quiet;
};

struct isle__scope {
    struct isle__region region; /* first */
    struct isle__scope *outer;
    struct isle__frame *frame;
    uint64_t id;                /* ascends along the stack; never used again in a heap */
    struct isle__chunk *chunks; /* the one that is bumped first; NULL: nothing was allocated yet */
    struct isle__hold *holds;
    struct isle__defer *defers;  /* last registered first */
    struct isle__cell **handles; /* kept cells that this scope's code may still use */
    uint32_t handle_count, handle_capacity;
    size_t charged; /* to the heap, given back at the close */
    bool opened;    /* by isle_scope_open: its memory goes with it, or is its frame's own */
};

/* A boundary at which unwinding may stop. */
enum isle__catch_kind {
    ISLE__CATCH_TRY,     /* takes errors; kill and exit pass */
    ISLE__CATCH_PROTECT, /* takes all: no unwinding passes */
    ISLE__CATCH_EVENT    /* the end of the event: takes all */
};
enum isle__unwinding {
    ISLE__UNWIND_NONE,
    ISLE__UNWIND_ERROR,
    ISLE__UNWIND_END /* kill or exit: the isolate ends */
};

struct isle__catch {
    struct isle__catch_buffer buffer;
    struct isle__catch *outer;
    struct isle__scope *scope; /* innermost scope when it was set: the error is copied there, all
                                  inner ones are closed */
    enum isle__catch_kind kind;
    enum isle__unwinding caught;
    isle_value error;                  /* of ISLE__UNWIND_ERROR, in `scope` */
    uint32_t uninterrupted, deferring; /* of the frame, as they were */
};

/* The unwinding state of one activity: a stack of scopes and one of boundaries. Whoever runs code
 * of an isolate sets heap->frame to it. */
struct isle__frame {
    struct isle__heap *heap;
    struct isle__frame *next, *previous; /* linked ones of the heap, for the collector */
    struct isle__scope *scope;           /* innermost; NULL: none open */
    struct isle__catch *catcher;
    isle_value last_error; /* isle_last_error; in the scope with id last_error_scope */
    uint64_t last_error_scope;
    uint32_t uninterrupted; /* nesting of ISLE_UNINTERRUPTED */
    uint32_t deferring;     /* inside a deferred task: suspending calls fail */
    bool pending_end;   /* a boundary stopped a kill or exit: it goes on at the next kill point */
    bool linked;        /* the one that runs need not be: the collector finds it by heap->frame */
    isle_err fail_code; /* isle__fail's, newer than last_error; ISLE_OK: none */
    char *fail_text;    /* its text; NULL: there was no memory for it */
    size_t fail_size;
    struct isle__scope spare; /* for the first isle_scope_open that finds its `frame` NULL: it is
                                 not in use, and the rest of it means nothing */
};

/* How much mail of one sort waits: what was let in and what was taken out. A sender adds to `in`
 * once; `out` is written by the receiver alone, so taking out costs no atomic operation. Both count
 * messages in the lower bits and units of 16 bytes above, and wrap; their difference is never below
 * the truth for who reads `out` first, and exact once the receiver has shown what it took. */
struct isle__room {
    _Atomic uint64_t in, out;
};
enum { ISLE__ROOM_COUNT_BITS = 28, ISLE__ROOM_UNIT = 16 };
#define ISLE__ROOM_COUNT_MAX (((uint64_t)1 << (ISLE__ROOM_COUNT_BITS - 1)) - 1)
#define ISLE__ROOM_BYTES_MAX ((uint64_t)1 << 39)
static inline uint64_t isle__room_of(uint64_t count, size_t bytes)
{
    return count | (((uint64_t)bytes + ISLE__ROOM_UNIT - 1) / ISLE__ROOM_UNIT)
                       << ISLE__ROOM_COUNT_BITS;
}
static inline uint64_t isle__room_count(uint64_t difference)
{
    return difference & (((uint64_t)1 << ISLE__ROOM_COUNT_BITS) - 1);
}
static inline size_t isle__room_bytes(uint64_t difference)
{
    return (size_t)(difference >> ISLE__ROOM_COUNT_BITS) * ISLE__ROOM_UNIT;
}
static inline uint64_t isle__room_taken(const struct isle__room *room)
{
    uint64_t out = atomic_load_explicit(&room->out, memory_order_acquire);
    return atomic_load_explicit(&room->in, memory_order_relaxed) - out;
}
/* Returns what waited before. Any thread. */
static inline uint64_t isle__room_enter(struct isle__room *room, uint64_t amount)
{
    uint64_t out = atomic_load_explicit(&room->out, memory_order_acquire);
    return atomic_fetch_add_explicit(&room->in, amount, memory_order_relaxed) - out;
}
/* Lets it in if the room is as `in` says; else tells what it is now. Any thread. */
static inline bool isle__room_enter_from(struct isle__room *room, uint64_t *in, uint64_t amount)
{
    return atomic_compare_exchange_weak_explicit(&room->in, in, *in + amount, memory_order_relaxed,
                                                 memory_order_relaxed);
}
/* For another life of an empty room: who has read `in` before does not get in any more. False: it
 * is not empty, somebody has yet to withdraw. */
static inline bool isle__room_renew(struct isle__room *room, uint64_t *ret_out)
{
    uint64_t out = atomic_load_explicit(&room->out, memory_order_acquire), in = out;
    uint64_t other = out + UINT64_C(0x9e3779b97f4a7c15); /* odd: it comes round after all others */
    /* Release: who reads the new sum finds that the former life is over. */
    if (!atomic_compare_exchange_strong_explicit(&room->in, &in, other, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return false;
    atomic_store_explicit(&room->out, other, memory_order_release);
    *ret_out = other;
    return true;
}
/* What was let in and then refused. Any thread. */
static inline void isle__room_withdraw(struct isle__room *room, uint64_t amount)
{
    atomic_fetch_sub_explicit(&room->in, amount, memory_order_relaxed);
}
/* The receiver's. Release: who reads the sum finds all that was taken out as gone. */
static inline void isle__room_show(struct isle__room *room, uint64_t out)
{
    atomic_store_explicit(&room->out, out, memory_order_release);
}
static inline void isle__room_leave(struct isle__room *room, uint64_t amount)
{
    isle__room_show(room, atomic_load_explicit(&room->out, memory_order_relaxed) + amount);
}

/* The part of a heap that is made when it is needed first. */
struct isle__heap_more {
    struct isle__allocation **allocations; /* isle_alloc's, a hash table of addresses (alloc.c) */
    size_t allocation_count, allocation_capacity;
    struct isle__local_entry *locals; /* by the number of the variable (alloc.c) */
    size_t local_count;
    struct isle__hold **held; /* table of leaders */
    size_t held_count, held_capacity;
    struct isle__hold *kept_holds; /* on frozen blocks that kept values lead to */
};

struct isle__heap {
    /* Mail that waits and counts against the limits of the mailbox: first, because senders write
     * it, and the rest lies where they do not look. */
    struct isle__room data;
    /* A line that every event writes. */
    uint64_t data_out;         /* what was taken out of it, to be shown in its `out` now and then */
    _Atomic size_t used;       /* bytes charged; written by the owner alone */
    _Atomic size_t limit;      /* of used and what waits; SIZE_MAX: none */
    struct isle__frame *frame; /* running now */
    struct isle__frame *frames; /* linked ones: all but, perhaps, the running one */
    uint64_t next_scope_id;
    uint32_t next_identity;
    bool busy;     /* the copier or the collector is at work: no collection may begin */
    bool has_kept; /* or had: what follows is not as it was at first */
    struct isle__heap_more *more; /* what few heaps need; read-only until isle__heap_more */
    /* A line that a heap which keeps nothing, and hears no replies, never touches. */
    struct isle__room reserved; /* replies and notices: they count as memory only */
    struct isle__region kept;   /* the kept heap's region */
    struct isle__kept *kept_blocks;
    size_t kept_size, kept_threshold;
    struct isle__hold *held_single; /* the table of leaders while it has no memory */
};

/* --- the running heap */

/* The heap of the isolate whose code the calling thread runs; NULL outside. */
static inline struct isle__heap *isle__heap_current(void)
{
    return isle__word_get_heap();
}
static inline void isle__heap_set_current(struct isle__heap *heap)
{
    isle__word_set_heap(heap);
}
ISLE_NORETURN void isle__heap_refuse(const char *function); /* says why, and ends the program */
/* For an asking function: ISLE_OK, ISLE_EOUTSIDE or ISLE_EFORK. */
ISLE_MUST_CHECK isle_err isle__heap_ask(struct isle__heap **ret_heap);
void isle__allocations_free(struct isle__heap *heap); /* all of isle_alloc's, the locals included */
extern _Atomic bool isle__forked;                     /* set in a forked child, for good */

/* For an insisting one: outside an isolate (or in a forked child) `function` and the code are
 * reported and the program ends. */
static inline struct isle__heap *isle__heap_need(const char *function)
{
    struct isle__heap *heap = isle__heap_current();
    if (ISLE__UNLIKELY(atomic_load_explicit(&isle__forked, memory_order_relaxed) || heap == NULL ||
                       heap->frame == NULL))
        isle__heap_refuse(function);
    return heap;
}

/* `used` is zero already, and the rooms are balanced: memory that is zeroed once, or a heap that
 * was returned. */
void isle__heap_init(struct isle__heap *heap, size_t limit);
/* Frees everything: open scopes of all frames (deferred tasks not run: the caller has), kept
 * values, isle_alloc's, locals. Charged is 0 after it. */
void isle__heap_fini(struct isle__heap *heap);
/* Charges; throws ISLE_ENOMEM when heap and mailbox would pass the limit. */
void isle__heap_charge(struct isle__heap *heap, size_t size);
bool isle__heap_try_charge(struct isle__heap *heap, size_t size);
void isle__heap_charge_always(struct isle__heap *heap,
                              size_t size); /* adoption: was counted in the mailbox */
void isle__heap_discharge(struct isle__heap *heap, size_t size);
/* The heap's own, to be written to, charged; false: out of memory. */
ISLE_MUST_CHECK bool isle__heap_more(struct isle__heap *heap);
extern struct isle__heap_more isle__heap_none; /* of heaps that have no own: empty, never written */
size_t isle__heap_waiting(const struct isle__heap *heap); /* bytes of mail */
/* Called where an error meets no boundary at all (a program that keeps its own main): core's; must
 * not return. */
extern void (*isle__uncaught_hook)(struct isle__heap *heap, isle_value error);

/* --- frames and scopes (scope.c) */

/* Frees what it has, without running anything, and makes it another, empty scope in its place. It
 * is the outermost of its frame, and no other is open. */
void isle__scope_renew(struct isle__scope *scope);
void isle__frame_init(struct isle__frame *frame,
                      struct isle__heap *heap);   /* links it; no scope is open */
void isle__frame_link(struct isle__frame *frame); /* once is enough */
void isle__frame_fini(struct isle__frame *frame); /* scopes are closed; unlinks */
/* Opens `scope` as the only one of `frame`. Both are at rest: zeroed, or closed by
 * isle__frame_end. The frame is not linked: who leaves it without ending it does that. */
static inline void isle__frame_begin(struct isle__frame *frame, struct isle__scope *scope,
                                     struct isle__heap *heap)
{
    frame->heap = heap;
    frame->scope = scope;
    scope->region.kind = ISLE__REGION_SCOPE;
    scope->region.heap = heap;
    scope->frame = frame;
    scope->id = heap->next_scope_id + 1; /* as isle__scope_init */
    heap->next_scope_id += 2;
}
/* Both are as isle__frame_begin left them, but for what the scope holds. */
static inline bool isle__frame_is_plain(const struct isle__frame *frame,
                                        const struct isle__scope *scope)
{
    return frame->scope == scope && scope->defers == NULL &&
           (frame->uninterrupted | frame->deferring | (uint32_t)frame->fail_code) == 0 &&
           !frame->pending_end;
}
/* The reverse of isle__frame_begin: no boundary stands, nothing is deferred. False: more than the
 * scope has to be closed (isle__frame_fini), and to be set to rest. */
static inline bool isle__frame_end(struct isle__frame *frame, struct isle__scope *scope)
{
    if (ISLE__UNLIKELY(!isle__frame_is_plain(frame, scope) || frame->linked ||
                       frame->last_error_scope != 0))
        return false;
    if (scope->charged != 0 || scope->chunks != NULL || scope->holds != NULL)
        isle__scope_renew(scope);
    frame->scope = NULL;
    return true;
}
/* The scope's memory is the caller's (isle_scope_open takes its own). Never fails. */
void isle__scope_init(struct isle__scope *scope, struct isle__frame *frame);
/* Makes `outer` enclose `scope`, the outermost of its frame. */
void isle__scope_underlay(struct isle__scope *outer, struct isle__scope *scope);
/* Runs the deferred tasks, frees all. A task's throw is recorded: the first goes to *ret_error (may
 * be NULL), copied to the outer scope if there is one (else what needs memory is replaced by
 * isle__error_out_of_memory), and true is returned. Closes inner scopes first. heap->frame must be
 * the scope's frame. */
bool isle__scope_fini(struct isle__scope *scope, isle_value *ret_error);
/* Runs only the deferred tasks of all scopes of a frame that will never be continued, innermost
 * first, then frees the scopes. Called on another stack than the frame's own, which still stands.
 */
void isle__frame_abandon(struct isle__frame *frame);
/* Memory of the current scope or the given one, 16-byte aligned, not zeroed; charged by the chunk;
 * throws ISLE_ENOMEM. */
void *isle__scope_alloc(struct isle__scope *scope, size_t size);
void *isle__scope_try_alloc(struct isle__scope *scope,
                            size_t size); /* NULL: out of memory or over the limit */
bool isle__scope_try_defer(struct isle__scope *scope, isle_task *task,
                           void *context); /* isle_defer; false: out of memory */
/* Has its turn among the deferred tasks, in their order. It lies where its caller likes, for as
 * long as the scope, or until isle__scope_forget. Cannot fail. */
static inline void isle__scope_defer_quietly(struct isle__scope *scope, struct isle__defer *defer,
                                             isle_task *task, void *context)
{
    *defer = (struct isle__defer){scope->defers, task, context, true};
    scope->defers = defer;
}
/* It does not run. It is among the last that were deferred, or few are. */
void isle__scope_forget(struct isle__scope *scope, const struct isle__defer *defer);
struct isle__scope *
isle__scope_current(struct isle__heap *heap); /* throws ISLE_EINVAL if none is open */
/* Takes one reference; on a throw it is released. The maker of a transferable writes the hold into
 * its cell. */
struct isle__hold *isle__scope_hold(struct isle__scope *scope, struct isle__shared *shared);
/* A root of the collector for as long as the scope lasts. False: out of memory. */
ISLE_MUST_CHECK bool isle__scope_handle(struct isle__scope *scope, struct isle__cell *cell);

/* --- unwinding (unwind.c) */

/* Runs fn(argument) under a boundary of this kind. Returns what stopped there; catch->error then
 * has the error. */
enum isle__unwinding isle__catch_do(struct isle__heap *heap, struct isle__catch *catch,
                                    enum isle__catch_kind kind, void (*fn)(void *), void *argument);
/* The same for an event: the only boundary of a frame that has just begun. */
enum isle__unwinding isle__catch_event(struct isle__heap *heap, struct isle__catch *catch,
                                       void (*fn)(void *), void *argument);
/* Closes the scopes inside this one that a function of the program has left open; throws what their
 * deferred tasks do. */
void isle__scopes_close_left(struct isle__frame *frame, const struct isle__scope *scope);
/* Unwinds for the isolate's end: passes isle_try, stops at protect and event boundaries. */
ISLE_NORETURN void isle__unwind_end(struct isle__heap *heap);
isle_value isle__error_out_of_memory(void);  /* immortal */
isle_value isle__error_stack_overflow(void); /* immortal */

/* --- the barrier and the copier */

/* What to write into a cell of `region` in the place of `value`: law 1. May copy; throws
 * ISLE_ENOMEM, ISLE_EUNSENDABLE never (any value may be stored). */
isle_value isle__store(struct isle__heap *heap, struct isle__region *region, isle_value value);
/* What to give to the program that reads `value` out of a container: resolves forwarding, records a
 * handle or a hold in the current scope. */
isle_value isle__expose(struct isle__heap *heap, isle_value value);
/* Moves a graph to another scope of the same heap (an outer one) and returns it there. */
isle_value isle__move_to_scope(struct isle__heap *heap, struct isle__scope *target,
                               isle_value value);
/* isle__store that returns ISLE_ENOMEM (or ISLE_ERANGE, ISLE_EINVAL) instead of throwing. */
ISLE_MUST_CHECK isle_err isle__try_store(struct isle__heap *heap, struct isle__region *region,
                                         isle_value value, isle_value *ret_value);

/* Copies the graph into a parcel, in one pass, keeping identity. ISLE_OK; ISLE_EUNSENDABLE (or
 * ENOMEM, ERANGE) with isle__fail's error set, whose text begins "Illegal argument in isolate
 * message: …" and gives the path from the offender to the root, a step a line; then nothing has
 * changed. On success transferables in it are gone from here: call isle__parcel_commit once
 * delivery is certain, or isle__parcel_undo to give them back and free the parcel. */
ISLE_MUST_CHECK isle_err isle__parcel_copy(struct isle__heap *heap, isle_value value,
                                           size_t header_size, struct isle__parcel *ret_parcel);
/* The same for a struct of the program, without making a value first. */
ISLE_MUST_CHECK isle_err isle__parcel_copy_object(struct isle__heap *heap, const isle_type *type,
                                                  const void *object, size_t header_size,
                                                  struct isle__parcel *ret_parcel);
/* The same for a value whose scope is about to vanish (isle_exit, a run's result): hands over whole
 * chunks when at least half of what they hold is reachable. */
ISLE_MUST_CHECK isle_err isle__parcel_move(struct isle__heap *heap, isle_value value,
                                           size_t header_size, struct isle__parcel *ret_parcel);
/* The same for a graph that nobody will use any more: bytes outside of the heap go along without a
 * copy. */
ISLE_MUST_CHECK isle_err isle__parcel_give(struct isle__heap *heap, isle_value value,
                                           size_t header_size, struct isle__parcel *ret_parcel);
void isle__parcel_commit(struct isle__parcel *parcel);
void isle__parcel_undo(struct isle__parcel *parcel);
/* A parcel with an immediate (or null) root and nothing else: what foreign threads and the runtime
 * itself send. ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__parcel_immediate(isle_value immediate, size_t header_size,
                                                struct isle__parcel *ret_parcel);
void *isle__parcel_header(const struct isle__parcel *parcel);
/* Gives the parcel's memory to a scope and returns the root. Cannot fail. */
isle_value isle__parcel_adopt(struct isle__parcel *parcel, struct isle__scope *scope);
/* Shows a parcel's content without giving it away, as `region`'s (kind SHOWN, the caller's), and
 * takes it back; in between the parcel is not used. */
isle_value isle__parcel_peek(struct isle__parcel *parcel, struct isle__region *region);
void isle__parcel_unpeek(struct isle__parcel *parcel);
void isle__parcel_drop(
    struct isle__parcel *parcel); /* any thread: frees all, closes what it carries */
/* An int that needs no memory, on any thread; false: it would. */
bool isle__small_int(int64_t value, isle_value *ret_value);
/* The next, and it may leave its isolate: not a pointer of the program (cell.h has the tags). */
static inline bool isle__travels_bare(isle_value value)
{
    return value.bits == 0 || ((value.bits & 7) != 0 && (value.bits & 7) != 7);
}
/* A value that needs no memory: may travel without a copy. (Null, or a tag: cell.h.) */
static inline bool isle__is_immediate(isle_value value)
{
    return value.bits == 0 || (value.bits & 7) != 0;
}
/* How many values, from the first on, are copied as they are wherever they go. Eight that are
 * tagged alike, or null, are looked at at once: a list of numbers is done without a branch for
 * each. */
static inline size_t isle__bare_run(const isle_value *values, size_t count)
{
    size_t run = 0;
    for (; count - run >= 8 && isle__travels_bare(values[run]); run += 8) {
        uint64_t first = values[run].bits, differ = 0;
        for (size_t i = 1; i < 8; i++)
            differ |= values[run + i].bits ^ first;
        if ((first == 0 ? differ : differ & 7) != 0)
            break;
    }
    while (run < count && isle__travels_bare(values[run]))
        run++;
    return run;
}

/* Builds outside any isolate (isle_post): a heap with one frame and scope for the time of `build`,
 * then a parcel of what it returned. */
ISLE_MUST_CHECK isle_err isle__parcel_build(isle_value (*build)(void *context), void *context,
                                            size_t header_size, struct isle__parcel *ret_parcel);

/* --- kept values (kept.c) */

/* Collects if what is kept has doubled since the last time. Called before a copy into the kept
 * heap, never while one is made. */
void isle__kept_poll(struct isle__heap *heap);

void isle__kept_collect(struct isle__heap *heap);
size_t isle__kept_count(const struct isle__heap *heap); /* blocks; for tests */
void isle__kept_free_all(struct isle__heap *heap);
/* A block with room for `size` bytes of cell, charged, not yet of the heap; NULL: out of memory. */
struct isle__kept *isle__kept_new(struct isle__heap *heap, size_t size);
void isle__kept_link(struct isle__heap *heap, struct isle__kept *block);
void isle__kept_free(struct isle__heap *heap, struct isle__kept *block);
/* The kept heap's own hold on a frozen block, made if there is none; NULL: out of memory. */
struct isle__hold *isle__kept_hold(struct isle__heap *heap, struct isle__shared *shared);

/* --- holds (hold.c) */

/* Enters a hold whose `shared` carries one reference; the first of a heap charges. Never fails: the
 * caller has asked isle__hold_admit, or adopts. */
void isle__hold_link(struct isle__heap *heap, struct isle__hold *hold);
void isle__hold_unlink(struct isle__heap *heap,
                       struct isle__hold *hold); /* the reference is the caller's again */
/* The new hold has the reference, and the place among the heap's, that the old one had. */
void isle__hold_replace(struct isle__heap *heap, struct isle__hold *old, struct isle__hold *hold);
struct isle__hold *isle__hold_find(const struct isle__heap *heap,
                                   const struct isle__shared *shared); /* leader or NULL */
bool isle__hold_admit(struct isle__heap *heap,
                      const struct isle__shared *shared); /* would linking stay within the limit? */
void isle__holds_drop(
    struct isle__heap *heap,
    struct isle__hold *holds); /* a region's list: unlinks (heap not NULL) and releases */
/* The scope holds a frozen block once however often it is asked. False: out of memory. */
ISLE_MUST_CHECK bool isle__scope_hold_frozen(struct isle__scope *scope,
                                             struct isle__shared *shared);

#endif
