/* SPDX-License-Identifier: Apache-2.0 */
/* A limit on lines of stderr. What is left out is told before the next line that is written, and at
 * the end. */
#include "backend/wall/lines.h"

#include <stdio.h>

#include "core/simulate.h"

enum { SECOND = 1000 * 1000 * 1000 };

void isle__lines_end(struct isle__lines *lines, const char *of)
{
    char text[160];
    if (lines->left_out == 0)
        return;
    (void)snprintf(text, sizeof text, "isle: %.64s: %llu lines more were left out", of,
                   (unsigned long long)lines->left_out);
    lines->left_out = 0;
    isle__report(text);
}

bool isle__lines_may(struct isle__lines *lines, uint32_t most, const char *of)
{
    int64_t now = isle__now();
    if (now >= lines->until) {
        isle__lines_end(lines, of);
        lines->until = now + SECOND;
        lines->count = 0;
    }
    if (lines->count < most) {
        lines->count++;
        return true;
    }
    lines->left_out++;
    return false;
}

void isle__lines_write(struct isle__lines *lines, uint32_t most, const char *of, const char *line)
{
    if (isle__lines_may(lines, most, of))
        isle__report(line);
}
