/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the workload and runs it. */
#include "thread.h"

int main(int argc, char **argv)
{
    const struct bench_workload *const tables[] = {message_workloads, actor_workloads, NULL};
    return bench_main(argc, argv, tables);
}
