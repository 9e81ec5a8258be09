/* SPDX-License-Identifier: Apache-2.0 */
/* Starts the library, finds the workload and runs it. */
#include <sys/resource.h>

#include "sockets.h"

/* A socket may have a file or two. */
static void allow_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    const struct bench_workload *const tables[] = {talk_workloads, crowd_workloads, NULL};
    allow_files();
    library_start();
    return bench_main(argc, argv, tables);
}
