/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over a graph of values and structs in the order in which a writer (CBOR, JSON) puts it
 * down, with an explicit stack: depth costs memory, never C stack.
 *
 * The walk runs twice. The first round meets every node that has an identity and marks those that
 * are met again; the second calls the visitor, who learns of a marked node by its number (in the
 * order of first meetings) and of every later meeting as a reference to that number. Law: nothing
 * here allocates in the heap, throws or runs code of the program, so cells and structs may be read
 * directly while it lasts. */
#ifndef ISLE_WALK_H
#define ISLE_WALK_H

#include "value/cell.h"

/* Bytes that grow, charged to a heap. A refusal sticks: additions after it do nothing. */
struct isle__buffer {
    struct isle__heap *heap; /* NULL: nobody is charged */
    uint8_t *data;           /* 16-byte aligned */
    size_t size, capacity;
    bool failed;
};
void isle__buffer_init(struct isle__buffer *buffer, struct isle__heap *heap);
void isle__buffer_fini(struct isle__buffer *buffer);
/* Room for `size` bytes more, counted as added, not zeroed; NULL when refused. Valid until the next
 * addition. */
void *isle__buffer_room(struct isle__buffer *buffer, size_t size);
void isle__buffer_add(struct isle__buffer *buffer, const void *data, size_t size);
void isle__buffer_text(struct isle__buffer *buffer, const char *text);
void isle__buffer_format(struct isle__buffer *buffer, const char *format, ...) ISLE_PRINTF(2, 3);

enum isle__node_kind {
    ISLE__NODE_VALUE,  /* `value`, resolved; lists, maps and sets are containers, the rest leaves */
    ISLE__NODE_OBJECT, /* a struct with an identity: `type`, `data` */
    ISLE__NODE_STRUCT, /* a struct inside another: the same without */
    ISLE__NODE_ARRAY,  /* elements of a field: `field`, `data`, `count` */
    ISLE__NODE_NUMBERS, /* a leaf: the same where the elements are integers or floats */
    ISLE__NODE_SCALAR   /* a leaf: one element of `field` at `data` */
};
struct isle__node {
    enum isle__node_kind kind;
    isle_kind value_kind; /* of ISLE__NODE_VALUE */
    isle_value value;
    const isle_type *type;
    const isle_field *field;
    const void *data;
    size_t count; /* of entries, elements or fields */
    int form;     /* the visitor's own, from begin to end */
    bool owned;   /* met through an OWNED field or in a counted array of structs: no identity */
};
/* Where a child stands in its container. */
enum isle__role { ISLE__ROLE_ELEMENT, ISLE__ROLE_KEY, ISLE__ROLE_ENTRY_VALUE, ISLE__ROLE_FIELD };

struct isle__frame_of_walk {
    struct isle__node node;
    size_t at;    /* of the container's items */
    size_t index; /* of children given so far; the entries of a map count once */
    enum isle__role role;
    isle_value key; /* of the entry that is open */
};

struct isle__walk;
struct isle__visitor {
    bool share_leaves; /* bytes, errors and long strings have an identity too */
    bool share_moved;  /* and transferables and resources */
    /* In the first round, once for each leaf that is not known to have been met. May be NULL. */
    isle_err (*meet)(struct isle__walk *walk, const struct isle__node *node);
    /* The child is about to come: separators, names. May be NULL. */
    void (*place)(struct isle__walk *walk, const struct isle__frame_of_walk *frame);
    /* `number` is -1 or what references will say. ISLE_OK, or what ends the walk. */
    isle_err (*leaf)(struct isle__walk *walk, const struct isle__node *node, int64_t number);
    isle_err (*begin)(struct isle__walk *walk, struct isle__node *node, int64_t number);
    void (*end)(struct isle__walk *walk, const struct isle__frame_of_walk *frame); /* may be NULL */
    void (*reference)(struct isle__walk *walk, int64_t number);
};
struct isle__walk {
    const struct isle__visitor *visitor;
    struct isle__buffer out;        /* the visitor's */
    struct isle__buffer frames;     /* struct isle__frame_of_walk */
    struct isle__buffer identities; /* one map for cells, one for the structs of each type */
    bool counting;
    int64_t numbers;
    size_t owned_depth;
    const isle_type *hashed; /* the visitor's: the last type whose hash it asked for */
    uint64_t hash;
    struct isle__node node; /* the last that was met: the offender when the walk stopped */
};
void isle__walk_init(struct isle__walk *walk, struct isle__heap *heap,
                     const struct isle__visitor *visitor);
void isle__walk_fini(struct isle__walk *walk);
/* Both rounds. ISLE_ENOMEM, ISLE_ERANGE (a cycle of OWNED fields or arrays of structs, a count that
 * cannot be one), or what a leaf said: then the frames still tell the path. */
ISLE_MUST_CHECK isle_err isle__walk_run(struct isle__walk *walk, isle_value root);
/* Names the offender and the path from it to the root, a step a line, in `text`. */
void isle__walk_path(const struct isle__walk *walk, char *text, size_t text_size);

/* An integer field of a struct, or the counter of an array. */
int64_t isle__field_int(const void *data, size_t size);
uint64_t isle__field_uint(const void *data, size_t size);
double isle__field_float(const void *data, size_t size);
/* Bytes between two elements of a field. */
size_t isle__field_stride(const isle_field *field);
bool isle__field_is_number(const isle_field *field);
bool isle__field_is_array(const isle_field *field);
/* The element that says what numbers of a field are; for 1-, 2-, 4- and 8-byte integers, float and
 * double. */
isle_element isle__field_element(const isle_field *field);
size_t isle__element_width(isle_element element);

#endif
