/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the workload and runs it. */
#include <unistd.h>

#include "thread.h"

static const struct thread_workload *const tables[] = {message_workloads, actor_workloads};
enum { TABLE_COUNT = sizeof tables / sizeof *tables };

int main(int argc, char **argv)
{
    bool listing = argc == 2 && strcmp(argv[1], "list") == 0;
    for (size_t i = 0; i < TABLE_COUNT && argc == 2; i++)
        for (const struct thread_workload *one = tables[i]; one->name != NULL; one++) {
            if (listing)
                puts(one->name);
            else if (strcmp(one->name, argv[1]) == 0) {
                one->run(one->name, one->parameter);
                /* One measurement a process: what it took goes with the process. */
                fflush(stdout);
                _exit(0);
            }
        }
    if (!listing)
        fprintf(stderr, "usage: %s list | WORKLOAD\n", argv[0]);
    return listing ? 0 : 2;
}
