/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs that are drawn from seeds, for tests of what copies them: the numbers, the texts, what was
 * made before and is met again, and what structs are made of. What else there is to draw, and the
 * struct itself, is each test's own. */
#ifndef DRAW_HELP_H
#define DRAW_HELP_H

#include <string.h>

#include "isle/bytes.h"
#include "isle/object.h"
#include "test.h"

enum { NODES = 12, MADE_MAX = 400 }; /* more than ISLE__QUICK_STRUCTS */

struct leaf {
    int64_t number;
    char *name;
};
extern const isle_type leaf_type;
ISLE_TYPE(leaf_type, struct leaf, ISLE_FIELD(struct leaf, number), ISLE_FIELD(struct leaf, name));

/* What a graph is drawn from, and what has been made of it so far: shared, and led back to. */
struct node;
struct draw {
    uint64_t state;
    bool plain;    /* nothing that the quick way cannot do */
    bool hostile;  /* things that no message may have */
    bool moved;    /* transferables and resources, which are equal to themselves alone */
    bool has_nuls; /* in texts, now and then */
    isle_value made[MADE_MAX];
    size_t made_count;
    struct node *nodes; /* NODES of the test's own */
    struct node *others[NODES];
    struct leaf leaves[NODES];
    double numbers[NODES];
    char text[10 * NODES + 40];
};

static inline void draw_begin(struct draw *draw, uint64_t seed)
{
    memset(draw, 0, sizeof *draw);
    memset(draw->text, 'n', sizeof draw->text - 1);
    draw->state = seed;
}

static inline uint64_t draw_below(struct draw *draw, uint64_t bound)
{
    uint64_t mixed = draw->state += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return (mixed ^ mixed >> 31) % bound;
}

static inline isle_value draw_text(struct draw *draw, size_t most)
{
    size_t size = draw_below(draw, most);
    char text[200];

    for (size_t i = 0; i < size; i++)
        text[i] =
            draw->has_nuls && draw_below(draw, 40) == 0 ? '\0' : (char)('a' + draw_below(draw, 26));
    return isle_string_sized(text, size);
}

static inline isle_value draw_made(struct draw *draw, isle_value value)
{
    if (draw->made_count < MADE_MAX)
        draw->made[draw->made_count++] = value;
    return value;
}

#endif
