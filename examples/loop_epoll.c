/* SPDX-License-Identifier: Apache-2.0 */
/* A program with its own main and its own event loop; Isle is one descriptor in it. */
#include <inttypes.h>
#include <isle.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

static isle_value crunch(isle_value argument)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < isle_as_int(argument); i++)
        sum += i;
    return isle_int(sum);
}

static void show(isle_value sum, void *context)
{
    bool *done = context;
    printf("sum %" PRId64 "\n", isle_as_int(sum));
    *done = true;
}

static void fail(isle_value error, void *context)
{
    bool *done = context;
    fprintf(stderr, "%s\n", isle_error_text(error));
    *done = true;
}

int main(int argc, char **argv)
{
    isle_err err = isle_start(argc, argv, NULL);
    if (err != ISLE_OK) {
        fprintf(stderr, "isle: %s\n", isle_err_text(err));
        return EXIT_FAILURE;
    }
    bool done = false; /* set by a handler, which isle_dispatch runs on this thread */
    isle_then(isle_run(crunch, isle_int(1000000), NULL), show, fail, &done);

    int loop = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = isle_loop_fd()};
    if (loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, isle_loop_fd(), &event) < 0)
        return EXIT_FAILURE;
    while (!done && epoll_wait(loop, &event, 1, -1) > 0)
        if (event.data.fd == isle_loop_fd() && !isle_dispatch())
            break;

    close(loop);
    isle_stop();
    return EXIT_SUCCESS;
}
