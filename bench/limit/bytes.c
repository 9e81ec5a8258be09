/* SPDX-License-Identifier: Apache-2.0 */
/* The limit of an echo by copy: two memcpys into memory that is used again. */
#include "limit.h"

static void echo_run(const char *name, int64_t parameter)
{
    size_t size = (size_t)parameter;
    int64_t count = bench_scaled(size <= 1024 ? 5000000 : 500000000000 / (parameter * 100), 20);
    unsigned char *mine = bench_alloc(size), *there = bench_alloc(size), *back = bench_alloc(size);
    memset(mine, 0x5a, size);
    memset(there, 1, size);
    memset(back, 2, size);
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < count; i++) {
        memcpy(mine, &i, sizeof i);
        memcpy(there, mine, size);
        __asm__ volatile("" : : "r"(there) : "memory");
        memcpy(back, there, size);
        __asm__ volatile("" : : "r"(back) : "memory");
        bench_require(memcmp(back, &i, sizeof i) == 0 && back[size - 1] == 0x5a, "bytes");
    }
    int64_t time = bench_now_ns() - start;
    bench_print(name, (double)time / (double)count);
}

const struct bench_workload bytes_limits[] = {
    {"echo-copy-1k", echo_run, 1024},
    {"echo-copy-64k", echo_run, 65536},
    {"echo-copy-1m", echo_run, 1 << 20},
    {"echo-copy-16m", echo_run, 16 << 20},
    {NULL, NULL, 0},
};
