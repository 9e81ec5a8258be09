/* SPDX-License-Identifier: Apache-2.0 */
/* Text of bounded length and cost, for reports (brief.c). Any thread that may read the values. */
#ifndef ISLE_VALUE_BRIEF_H
#define ISLE_VALUE_BRIEF_H

#include <stddef.h>

#include "isle/value.h"

/* Text that is cut where its memory ends, always with a NUL behind it. */
struct isle__brief {
    char *text;
    size_t size; /* of the memory, at least 1 */
    size_t used; /* without the NUL */
};
void isle__brief_begin(struct isle__brief *brief, char *text, size_t size);
void isle__brief_format(struct isle__brief *brief, const char *format, ...) ISLE_PRINTF(2, 3);
/* At most `most` bytes of a text of `size` bytes, cut between two characters, and an ellipsis then;
 * what a terminal would obey, new lines included, is a question mark. */
void isle__brief_text(struct isle__brief *brief, const char *text, size_t size, size_t most);
/* What a value is, and of what it holds the first few, in a few hundred bytes at most. It is looked
 * at, not walked: the cost does not depend on how large it is. */
void isle__brief_value(struct isle__brief *brief, isle_value value);
/* Takes off a character that was cut in its middle. */
void isle__brief_end(struct isle__brief *brief);

#endif
