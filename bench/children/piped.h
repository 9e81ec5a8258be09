/* SPDX-License-Identifier: Apache-2.0 */
/* posix_spawn of a command whose standard input and output are pipes, and descriptor 3 what it is
 * given, if that is not -1. */
#ifndef BENCH_CHILDREN_PIPED_H
#define BENCH_CHILDREN_PIPED_H

#include <fcntl.h>
#include <spawn.h>

#include "../common.h"
#include "way.h"

static inline void spawn_with_pipes(struct child *child, char *const *command, int third)
{
    static char *const empty[] = {NULL};
    int there[2], back[2];
    posix_spawn_file_actions_t actions;
    bench_require(pipe2(there, O_CLOEXEC) == 0 && pipe2(back, O_CLOEXEC) == 0, "pipes");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, there[0], 0);
    posix_spawn_file_actions_adddup2(&actions, back[1], 1);
    if (third >= 0)
        posix_spawn_file_actions_adddup2(&actions, third, 3);
    bench_require(posix_spawn(&child->id, command[0], &actions, NULL, command, empty) == 0,
                  "a process");
    posix_spawn_file_actions_destroy(&actions);
    close(there[0]);
    close(back[1]);
    child->in = back[0];
    child->out = there[1];
}

#endif
