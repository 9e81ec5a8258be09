/* SPDX-License-Identifier: Apache-2.0 */
/* What the user sees of the counting. */
#ifndef WORDCOUNT_SHOW_H
#define WORDCOUNT_SHOW_H

#include "crew.h"
#include "terminal.h"

/* How far the work has come; call it often, it draws when it is time. `last` draws in any case and
 * ends the bar. */
void show_progress(struct show *show, const struct tally *tally, int64_t total_size, bool last);
/* The list of the most frequent words: [word, count] … */
void show_words(const struct show *show, isle_value top);

#endif
