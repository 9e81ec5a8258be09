/* SPDX-License-Identifier: Apache-2.0 */
/* A fork of the program itself and a pair of seqpacket sockets; no sandbox. */
#include <sys/socket.h>

#include "child.h"
#include "way.h"

const bool way_forks = true;

void way_start(struct child *child, const char *program)
{
    (void)program;
    int fds[2];
    bench_require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0, "sockets");
    child->id = fork();
    bench_require(child->id >= 0, "a process");
    if (child->id == 0) {
        close(fds[0]);
        _exit(child_serve(fds[1], fds[1]));
    }
    close(fds[1]);
    child->in = child->out = fds[0];
}
