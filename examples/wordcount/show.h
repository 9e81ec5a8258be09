/* SPDX-License-Identifier: Apache-2.0 */
/* What the user sees: the progress bar, and numbers for people. */
#ifndef WORDCOUNT_SHOW_H
#define WORDCOUNT_SHOW_H

#include "crew.h"

struct show {
    bool quiet;    /* no progress */
    bool terminal; /* stdout is one: a bar that is redrawn; otherwise a line now and then */
    bool utf8;
    bool colour;
    bool drawn; /* a bar stands on the present line */
    int64_t start_ns;
    int64_t last_ns; /* of the last bar or line */
};

/* A number for people; from a small ring of buffers, so that one printf may use several. */
const char *show_count(uint64_t count); /* 12,345 */
const char *show_size(double bytes);    /* 1.2 MB */

void show_begin(struct show *show, bool quiet);
/* How far the work has come; call it often, it draws when it is time. `last` draws in any case and
 * ends the bar. */
void show_progress(struct show *show, const struct tally *tally, int64_t total_size, bool last);
/* A passing remark where the bar stood; NULL removes it. Terminals only. */
void show_remark(struct show *show, const char *text);
/* The list of the most frequent words: [word, count] … */
void show_words(const struct show *show, isle_value top);
/* "Counted    …": a bold title in a column of its own. */
void show_row(const struct show *show, const char *title, const char *format, ...)
    ISLE_PRINTF(3, 4);

#endif
