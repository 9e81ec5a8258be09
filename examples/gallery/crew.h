/* SPDX-License-Identifier: Apache-2.0 */
/* The crew: a pool in which each file is a job with a process isolate of its own, so many at once.
 * What comes of one file touches no other.
 *
 * Law: what an isolate sends is checked before it is used (item_take_picture); how it ended is told
 * by the pool, not by itself. */
#ifndef GALLERY_CREW_H
#define GALLERY_CREW_H

#include "picture.h"

struct item {
    const char *path;
    int64_t size;    /* of the file */
    bool is_hostile; /* of the set that was made to do harm */

    /* What came of it. */
    bool is_shown; /* there is a tile */
    isle_reason reason;
    char text[160]; /* of an end that was none of its own: "SIGSEGV"; of an error: what it
                       says; of a limit: which */
    uint32_t width, height, tile_width, tile_height;
    char format[8];
    uint8_t *tile; /* RGBA; the crew's isolate's memory */
    int64_t time_ns;
    size_t memory_peak;

    /* The crew's own. */
    struct crew *crew;
    isle_future *job; /* NULL: it has none now */
    int64_t since_ns;
};

struct crew {
    struct item *items;
    size_t count;
    unsigned at_once;
    isle_options limits;                                /* what each may use */
    void (*progress)(struct crew *crew, void *context); /* after each end, and ten times a second */
    void *context;
    bool is_stopping; /* set by anybody in the isolate: no more are begun */

    size_t begun, done, failed;
    int64_t done_size;
    int64_t time_ns;

    /* The crew's own. */
    isle_pool *pool;
    unsigned running;
    isle_future *all_done;
};

/* Suspends until every item has come to something, or all that were begun when it was stopped.
 * Throws ISLE_ESPAWN where this system has no process isolates. */
void crew_run(struct crew *crew);

#endif
