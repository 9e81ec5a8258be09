/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the limit that is asked for and runs it. */
#include <sys/mman.h>

#include "limit.h"

enum { HUGE_PAGE = 2 << 20 };

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
    const struct bench_workload *const tables[] = {stack_limits, actor_limits, thread_limits,
                                                   bytes_limits, tree_limits,  NULL};
    return bench_main(argc, argv, tables);
}
