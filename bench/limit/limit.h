/* SPDX-License-Identifier: Apache-2.0 */
/* The limits: the least work that any library could do for a line, by one who knows beforehand what
 * will come. No isolation, no limits, no errors, no ends. Nobody is expected to reach them all;
 * they say how far away the floor is. */
#ifndef BENCH_LIMIT_H
#define BENCH_LIMIT_H

#include "../common.h"

/* Each ends with an entry without a name. */
extern const struct bench_workload actor_limits[], bytes_limits[], stack_limits[], thread_limits[],
    tree_limits[];

/* Memory that nobody has used yet, in huge pages where the system has them. */
void *limit_memory(size_t size);

#endif
