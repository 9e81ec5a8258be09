/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the limit that is asked for and runs it. */
#include <sys/mman.h>
#include <unistd.h>

#include "limit.h"

static const struct limit_workload *const tables[] = {stack_limits, actor_limits, thread_limits,
                                                      bytes_limits, tree_limits};
enum { TABLE_COUNT = sizeof tables / sizeof *tables, HUGE_PAGE = 2 << 20 };

void *limit_memory(size_t size)
{
    size = (size + 2 * HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bench_require(memory != MAP_FAILED, "memory");
    memory += (HUGE_PAGE - (uintptr_t)memory % HUGE_PAGE) % HUGE_PAGE;
    madvise(memory, size - HUGE_PAGE, MADV_HUGEPAGE);
    return memory;
}

int main(int argc, char **argv)
{
    bool listing = argc == 2 && strcmp(argv[1], "list") == 0;
    for (size_t i = 0; i < TABLE_COUNT && argc == 2; i++)
        for (const struct limit_workload *one = tables[i]; one->name != NULL; one++) {
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
