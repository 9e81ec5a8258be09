/* SPDX-License-Identifier: Apache-2.0 */
/* What the user of an example sees: a progress bar, and numbers for people. The root alone draws.
 */
#ifndef EXAMPLES_TERMINAL_H
#define EXAMPLES_TERMINAL_H

#include <isle.h>

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
const char *show_left(double seconds);  /* 1:05 left */

void show_begin(struct show *show, bool quiet);
/* Ask often: true when it is time to draw, and that moment is noted. `last`: in any case, unless
 * quiet. */
bool show_is_time(struct show *show, bool last);
double show_seconds(const struct show *show); /* from the begin to that moment */
/* Draws a bar, `part` of the whole, and numbers beside it; `last` ends the bar. */
void show_part(struct show *show, double part, const char *const *numbers, int count, bool last);
/* A passing remark where the bar stood; NULL removes it. Terminals only. */
void show_remark(struct show *show, const char *text);
/* "Counted    …": a bold title in a column of its own. */
void show_row(const struct show *show, const char *title, const char *format, ...)
    ISLE_PRINTF(3, 4);

/* Parts: an escape sequence if there are colours, `part` of `width` cells to an eighth of a cell
 * where the terminal can, the terminal's width, the cells that a text takes. */
const char *show_style(const struct show *show, const char *sequence);
void show_bar(const struct show *show, double part, int width, bool empty_cells);
int show_width(void);
int show_cells(const char *text);

#endif
