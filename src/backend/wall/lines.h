/* SPDX-License-Identifier: Apache-2.0 */
/* Lines on stderr that an isolate behind a wall causes: so many a second, the rest is counted, and
 * the count is a line (lines.c). The owner's alone. */
#ifndef ISLE_BACKEND_LINES_H
#define ISLE_BACKEND_LINES_H

#include "platform/platform.h"

struct isle__lines {   /* begins as zero */
    int64_t until;     /* of the second that is counted */
    uint32_t count;    /* in it */
    uint64_t left_out; /* since the last line that was written */
};

/* Writes the line, or leaves it out. `of`: whose it is. */
void isle__lines_write(struct isle__lines *lines, uint32_t most, const char *of, const char *line);
/* May one more be written now? False: it is counted as left out. For who writes it himself. */
bool isle__lines_may(struct isle__lines *lines, uint32_t most, const char *of);
/* Nothing more comes: tells what was left out. */
void isle__lines_end(struct isle__lines *lines, const char *of);

#endif
