/* SPDX-License-Identifier: Apache-2.0 */
/* How values lie in 64 bits and in memory. Internal to src/value; codec and core use the public
 * functions.
 *
 * The low three bits say what a value is; 0 is null or the address of a cell. Ids have 61 bits, so
 * ports and capabilities are immediates. */
#ifndef ISLE_CELL_H
#define ISLE_CELL_H

#include "isle/bytes.h"
#include "isle/object.h"
#include "value/heap.h"

enum isle__tag {
    ISLE__TAG_CELL = 0,
    ISLE__TAG_INT = 1,      /* 61-bit signed */
    ISLE__TAG_CONSTANT = 2, /* false, true */
    ISLE__TAG_PORT = 3,
    ISLE__TAG_CAPABILITY = 4,
    ISLE__TAG_DOUBLE = 5, /* a double whose low three bits are zero */
    ISLE__TAG_FUNCTION = 6,
    ISLE__TAG_POINTER = 7
};
#define ISLE__TAG_MASK 7u
#define ISLE__ID_BITS 61
#define ISLE__FALSE_BITS ((0u << 3) | ISLE__TAG_CONSTANT)
#define ISLE__TRUE_BITS ((1u << 3) | ISLE__TAG_CONSTANT)

/* Header of every cell: 16-byte aligned, at least 16 bytes long. */
struct isle__cell {
    uint8_t kind; /* isle_kind, or ISLE__KIND_STORE */
    uint8_t flags;
    uint16_t element; /* isle_element of bytes */
    uint32_t offset;  /* of the cell from its chunk's begin, in units of 16 bytes */
};
enum { ISLE__KIND_STORE = 64 };
enum {
    ISLE__CELL_FORWARDED =
        1,                /* the word after the header is the isle_value that this cell became */
    ISLE__CELL_FIXED = 2, /* a list that cannot grow */
    ISLE__CELL_UNMODIFIABLE = 4,
    ISLE__CELL_VISITED = 8,  /* the copier's, never set between two calls */
    ISLE__CELL_NUL = 16,     /* a string with a NUL byte inside; travels with copies */
    ISLE__CELL_IMMORTAL = 32 /* static: anybody may refer to it, nobody holds or copies it */
};

/* The cells. Tables and item arrays lie in the container's region: a scope's are bumped and left,
 * the kept heap's are its block's own and freed when replaced (isle__region_alloc,
 * isle__region_free). */
struct isle__forward {
    struct isle__cell cell;
    isle_value to;
};
struct isle__box { /* an int or double that does not fit */
    struct isle__cell cell;
    union {
        int64_t i;
        double d;
    } as;
};
struct isle__string {
    struct isle__cell cell;
    size_t size;
    uint32_t hash; /* 0: not computed; never written in a frozen block or a message on its way */
    char text[];   /* and a NUL */
};
static inline size_t isle__string_size(size_t size) /* bytes of a cell with that much text */
{
    return offsetof(struct isle__string, text) + size + 1;
}
struct isle__list {
    struct isle__cell cell;
    uint32_t count, capacity;
    isle_value *items;
    uint32_t identity; /* hash as a key; 0: none yet; travels with copies */
};
struct isle__entry {
    isle_value key, value; /* of a removed one: null, and an int for the walk (map.c) */
    uint64_t order; /* ascending along the table and never reused in it: isle_next's place. Copies
                       keep it */
    uint32_t hash;
    bool live; /* false: removed */
};
/* Maps and sets: entries in insertion order, an index of positions (open addressing, UINT32_MAX
 * empty) once there are more than 8. */
struct isle__map {
    struct isle__cell cell;
    uint32_t count;      /* live */
    uint32_t used;       /* entries, removed ones included */
    uint32_t capacity;   /* of entries */
    uint32_t index_size; /* a power of two */
    struct isle__entry *entries;
    uint32_t *index; /* NULL while small */
    uint32_t identity;
    bool rehash; /* some key hashes by an address: the copier calls isle__map_rehash on its copy
                    once all keys are final */
};
struct isle__store { /* ISLE__KIND_STORE: the bytes behind views; data follows the header or belongs
                        to `shared` */
    _Alignas(
        16) struct isle__cell cell; /* so that data right behind it is aligned on every system */
    size_t size;
    uint8_t *data;               /* 16-byte aligned */
    struct isle__shared *shared; /* a materialised transferable's; NULL: inline */
};
struct isle__bytes {
    struct isle__cell cell; /* cell.element */
    struct isle__store *store;
    size_t offset, size; /* in bytes */
    uint32_t identity;
};
struct isle__isolate_cell {
    struct isle__cell cell;
    isle_isolate isolate;
};
struct isle__error_cell {
    struct isle__cell cell;
    int32_t code;
    uint32_t identity;
    isle_value text;  /* string */
    isle_value stack; /* string or null */
};
struct isle__object_cell {
    struct isle__cell cell;
    const isle_type *type;
    void *object; /* the program's (borrowed) or in the same chunks */
};
struct isle__transferable_cell {
    struct isle__cell cell;
    struct isle__transfer *transfer; /* NULL: sent away */
    struct isle__hold *hold; /* what isle__scope_hold returned for it; moves with the transfer */
    uint32_t identity;
};
struct isle__resource_cell {
    struct isle__cell cell;
    struct isle__descriptor *descriptor;
    uint32_t identity;
};

/* Bytes that move: one for the whole program. `data` is taken by an exchange, so that it is
 * materialised once. */
struct isle__transfer {
    struct isle__shared shared; /* first */
    _Atomic(uint8_t *) data;    /* NULL: materialised */
    uint8_t *materialized;      /* the same bytes after that: written once by who took them, read by
                                   destroy */
    size_t size;
    void (*release)(void *data); /* NULL: isle__memory_free, or: */
    struct isle__shared *under; /* what the bytes lie in, one reference; NULL: they are their own */
};
struct isle__descriptor {
    struct isle__shared shared; /* first; destroy closes */
    int fd;
};
/* A frozen graph: chunks whose region is `region`. */
struct isle__frozen {
    struct isle__shared shared; /* first */
    struct isle__region region; /* kind ISLE__REGION_FROZEN */
    struct isle__chunk *chunks;
    struct isle__hold *holds;
    isle_value root;
    _Atomic(struct isle__frozen_file *) files; /* of bytes in it (frozen.c) */
};

/* A kept cell that an object's block keeps alive: what its fields led to when it was kept. */
struct isle__reference {
    struct isle__reference *next;
    struct isle__cell *cell;
};
/* A block of the kept heap: one value with its tables; an object brings its whole graph of structs
 * in further chunks. */
struct isle__kept {
    struct isle__kept *next;
    union {
        uint64_t exposed; /* id of the scope that has it as a handle last: a filter; 0: none */
        struct isle__kept *pending; /* while marked: the collector's list of blocks to look into */
    } as;
    union { /* an object's references, anything else's holds, in the block's own memory */
        struct isle__hold *holds;
        struct isle__reference *references;
    } has;
    uint32_t keep_count;
    bool marked;
    _Alignas(16) struct isle__chunk
        chunk; /* last: the cell follows; its `next` are an object's structs */
};

static inline struct isle__cell *isle__cell_of(isle_value value)
{
    return (struct isle__cell *)(uintptr_t)value.bits;
}
static inline enum isle__tag isle__tag_of(isle_value value)
{
    return (enum isle__tag)(value.bits & ISLE__TAG_MASK);
}
static inline struct isle__chunk *isle__chunk_of(const struct isle__cell *cell)
{
    return (struct isle__chunk *)((uintptr_t)cell - (uintptr_t)cell->offset * 16);
}

/* Follows forwarding. Every read of a cell begins with it. */
static inline isle_value isle__resolve(isle_value value)
{
    while (isle__tag_of(value) == ISLE__TAG_CELL && value.bits != 0 &&
           (isle__cell_of(value)->flags & ISLE__CELL_FORWARDED) != 0)
        value = ((struct isle__forward *)isle__cell_of(value))->to;
    return value;
}
static inline isle_value isle__value_of(const void *cell)
{
    isle_value value = {(uint64_t)(uintptr_t)cell};
    return value;
}
static inline struct isle__cell *isle__chunk_first_cell(struct isle__chunk *chunk)
{
    return (struct isle__cell *)(chunk + 1);
}
static inline struct isle__kept *isle__kept_of(const struct isle__cell *cell)
{
    return (struct isle__kept *)((uintptr_t)isle__chunk_of(cell) -
                                 offsetof(struct isle__kept, chunk));
}
static inline struct isle__frozen *isle__frozen_of(const struct isle__region *region)
{
    return (struct isle__frozen *)((uintptr_t)region - offsetof(struct isle__frozen, region));
}

/* memory.c: a cell in a region (the current scope's, the kept heap's), header filled in, rest not
 * zeroed. Throws ISLE_ENOMEM. */
void *isle__cell_new(struct isle__heap *heap, struct isle__region *region, isle_kind kind,
                     size_t size);
/* The same; NULL: out of memory or over the limit. */
void *isle__cell_try_new(struct isle__heap *heap, struct isle__region *region, isle_kind kind,
                         size_t size);
/* A table of a container that lies in `owner`'s region. */
void *isle__region_alloc(struct isle__heap *heap, const struct isle__cell *owner, size_t size);
void isle__region_free(struct isle__heap *heap, const struct isle__cell *owner, void *table,
                       size_t size);
static inline struct isle__region *isle__region_of(const struct isle__cell *cell)
{
    return isle__chunk_of(cell)->region;
}

/* Nearly every access to a list is to one that lies where the value says, and of what is no cell:
 * then nothing is followed, exposed or stored. NULL: to be looked at in full. */
static inline struct isle__list *isle__list_here(isle_value value)
{
    struct isle__cell *cell = isle__cell_of(value);
    bool is_here = !isle__is_immediate(value) && cell->kind == ISLE_LIST &&
                   (cell->flags & ISLE__CELL_FORWARDED) == 0;
    return is_here ? (struct isle__list *)(void *)cell : NULL;
}

/* A kind as it stands in a sentence: "an int", "null". */
const char *isle__kind_counted(isle_kind kind);
/* Throws ISLE_ETYPE "function: expected <expected>, got <kind of got>". */
ISLE_NORETURN void isle__throw_kind(const char *function, const char *expected, isle_value got);
/* Reads that insist: resolved cell of that kind, or throws ISLE_ETYPE "isle_as_string: expected a
 * string, got an int". */
void *isle__need_kind(const char *function, isle_value value, isle_kind kind);
/* The same for a change: throws ISLE_EUNSUPPORTED if frozen or unmodifiable. */
void *isle__need_mutable(const char *function, isle_value value, isle_kind kind);

/* Reads and writes of containers: what needs no memory needs no barrier. `cell` is the container
 * that is written into. */
static inline isle_value isle__read(struct isle__heap *heap, isle_value value)
{
    if (isle__tag_of(value) != ISLE__TAG_CELL || value.bits == 0)
        return value;
    return isle__expose(heap, value);
}
static inline isle_value isle__written(struct isle__heap *heap, const struct isle__cell *cell,
                                       isle_value value)
{
    if (isle__tag_of(value) != ISLE__TAG_CELL || value.bits == 0)
        return value;
    return isle__store(heap, isle__region_of(cell), value);
}
static inline bool isle__is_frozen_cell(const struct isle__cell *cell)
{
    const struct isle__region *region = isle__region_of(cell);
    return region != NULL && region->kind == ISLE__REGION_FROZEN;
}
/* The store behind bytes; another view may have moved it. */
static inline struct isle__store *isle__bytes_store(const struct isle__bytes *bytes)
{
    return (struct isle__store *)isle__cell_of(isle__resolve(isle__value_of(bytes->store)));
}

/* copy.c: an immutable copy of the graph with one reference, the caller's. Errors as
 * isle__parcel_copy. */
ISLE_MUST_CHECK isle_err isle__frozen_make(struct isle__heap *heap, isle_value value,
                                           struct isle__frozen **ret_frozen);
/* The same for a graph that nobody has seen yet: bytes outside of the heap go along without a copy,
 * and are frozen in the original too. */
ISLE_MUST_CHECK isle_err isle__frozen_give(struct isle__heap *heap, isle_value value,
                                           struct isle__frozen **ret_frozen);
/* frozen.c: a sealed memory file of the block's bytes, which lives as long as the block; -1: there
 * is none (yet). Any thread that holds the block. */
int isle__frozen_file(struct isle__frozen *frozen, const void *data, size_t size);
void isle__frozen_files_drop(struct isle__frozen *frozen);
/* map.c: the live entry of a key with that hash (an entry's), or NULL. */
struct isle__entry *isle__map_find(const struct isle__map *map, isle_value key, uint32_t hash);
/* map.c: computes all hashes and the index of a map or set again, in place; allocates nothing. */
void isle__map_rehash(struct isle__map *map);

/* Bytes of one element. */
size_t isle__element_size(isle_element element);
/* UTF-8 by RFC 3629: the count of leading bytes that are valid; `size` when all are. */
size_t isle__utf8_valid(const char *text, size_t size);

/* bytes.c: a store in the current scope, with that data (NULL: zeros), and a window on one that may
 * lie in any region that the program may point into. Throw ISLE_ENOMEM. */
struct isle__store *isle__store_new(struct isle__heap *heap, const void *data, size_t size);
struct isle__bytes *isle__bytes_window(struct isle__heap *heap, isle_element element,
                                       struct isle__store *store, size_t offset, size_t size);
/* transfer.c: what a transferable of this heap leads to has left it: used up here. */
void isle__transferable_leave(struct isle__heap *heap, struct isle__transferable_cell *cell);
/* transfer.c: a resource in the current scope whose descriptor is none yet (-1). Throws ISLE_ENOMEM
 * in the name of `function`. */
struct isle__resource_cell *isle__resource_new(struct isle__heap *heap, const char *function);
/* transfer.c: bytes that are there already, with one reference, the caller's. They lie in `under`,
 * whose reference is taken, or (NULL) are memory of isle__memory_alloc. NULL: out of memory; then
 * both are gone. */
struct isle__transfer *isle__transfer_within(uint8_t *data, size_t size,
                                             struct isle__shared *under);
/* transfer.c: its transferable in the current scope; takes the reference, also on a throw of
 * ISLE_ENOMEM. */
isle_value isle__transferable_of(struct isle__heap *heap, struct isle__transfer *transfer);
/* bytes.c: takes the bytes of a transfer into the current scope; null: somebody else has taken
 * them. Throws ISLE_ENOMEM. */
isle_value isle__bytes_of_transfer(struct isle__heap *heap, struct isle__transfer *transfer);
/* A string cell in a region; throws ISLE_EMALFORMED in the name of `function`. */
isle_value isle__string_in(struct isle__heap *heap, struct isle__region *region,
                           const char *function, const char *text, size_t size);
/* The same of text that was found to be UTF-8, and not too long. */
isle_value isle__string_of_utf8(struct isle__heap *heap, struct isle__region *region,
                                const char *text, size_t size);

/* intern.c: immortal strings for keys. Quick finds only a text that was looked for at this address
 * before; both return NULL if there is none. */
struct isle__string *isle__intern_quick(const char *text);
struct isle__string *isle__intern(const char *text, size_t size, uint32_t hash, bool may_add);
/* A key's string: an immortal one, or a new cell in the region as isle__string_in makes it. */
isle_value isle__key_string(struct isle__heap *heap, struct isle__region *region,
                            const char *function, const char *text);

/* SipHash-1-3 of bytes under a key drawn once per process: keys may be hostile. */
uint64_t isle__hash_bytes(const void *data, size_t size);
/* Of a string's text; the lower 32 bits, which tables use, are never all 0. */
uint64_t isle__hash_string(const char *text, size_t size);
/* The same function under a key of one's own, the same everywhere and always. */
uint64_t isle__siphash(uint64_t key0, uint64_t key1, const void *data, size_t size);
bool isle__key_by_address(isle_value key); /* such a key sets `rehash` */
bool isle__int_equals_double(int64_t integer, double number);
bool isle__isolates_equal(const isle_isolate *a, const isle_isolate *b);
/* Hash and equality of keys: scalars, isolates and strings by content (1 and 1.0 are one key, NaN
 * is one key), objects by the address of the struct, the rest by identity. The hash gives an
 * identity to a cell that has none; frozen cells, which never move, hash by address then. `heap`
 * may be NULL for keys that have an identity. */
uint64_t isle__key_hash(struct isle__heap *heap, isle_value key);
bool isle__key_equal(isle_value a, isle_value b);

/* idmap.c: pointer -> pointer or index, insertion-only, for identity during one walk. Grows by the
 * platform's memory; never throws. */
struct isle__idmap {
    struct isle__idmap_slot {
        const void *key;
        uintptr_t value;
    } * slots;
    size_t count, capacity;
};
void isle__idmap_init(struct isle__idmap *map);
void isle__idmap_fini(struct isle__idmap *map);
/* The place of key's value, made (0) if it is new; NULL: out of memory. Valid until the next call.
 */
uintptr_t *isle__idmap_at(struct isle__idmap *map, const void *key, bool *ret_is_new);

#endif
