/* SPDX-License-Identifier: Apache-2.0 */
/* The crew: a pool of isolates. The root hands out batches of files, each worker counts them into a
 * table of its own and asks for more; at the end the tables move into one more isolate that merges
 * them. Law: the root only answers, adds up and waits;
 * whatever takes time runs elsewhere. */
#ifndef WORDCOUNT_CREW_H
#define WORDCOUNT_CREW_H

#include <isle.h>

/* What has been done so far. A worker sends one after each batch, and now and then within a big
 * file. */
struct tally {
    int64_t done_size; /* of the files dealt with, as the finder saw them */
    int64_t text_size; /* bytes of text counted */
    int64_t files;     /* counted */
    int64_t skipped;
    int64_t stopped; /* cut short by a stop */
};
extern const isle_type tally_type;

/* The files to count, and how: every step-th of them, all of it `rounds` times. */
struct plan {
    isle_value paths; /* list of bytes */
    const int64_t *sizes;
    size_t count;
    size_t step;
    size_t rounds;
};

struct crew {
    struct plan plan;
    unsigned worker_count;
    size_t top_count;   /* how many of the most frequent words merge returns */
    isle_value skipped; /* kept list that takes [name, reason]; null: nobody wants to know */

    /* The crew's own. */
    size_t next;
    bool stopping;
    isle_value workers; /* kept set of the ports that they listen to; null: none runs */
    isle_value tables;  /* kept list */
    struct tally tally;
    unsigned failed; /* workers that ended with an error; what they had counted is missing */
    isle_value
        result; /* {"total", "different", "top": list of [word, count], "table": bytes}; kept */
    int64_t time_ns;
};

/* Suspends until everything is counted and merged. */
void crew_run(struct crew *crew);
/* Asks every worker to end with what it has; crew_run returns soon. Nothing happens if none runs.
 */
void crew_stop(struct crew *crew);

#endif
