/* SPDX-License-Identifier: Apache-2.0 */
/* What the peers differ in: how a helper process is made. Each has a file way.c for it. */
#ifndef BENCH_CHILDREN_WAY_H
#define BENCH_CHILDREN_WAY_H

#include <stdbool.h>
#include <sys/types.h>

struct child {
    pid_t id; /* who is killed and waited for */
    int in, out;
};

/* The helper is a copy of this process, not a program that is executed. */
extern const bool way_forks;

/* Fills it; `program` is the path of the helper as a program. Both descriptors are the caller's. */
void way_start(struct child *child, const char *program);

#endif
