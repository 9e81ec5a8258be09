/* SPDX-License-Identifier: Apache-2.0 */
/* Processes of a program, and the memory that each has for itself, from /proc. */
#ifndef BENCH_PROCESSES_H
#define BENCH_PROCESSES_H

#include <dirent.h>
#include <sys/stat.h>

#include "common.h"

enum { BENCH_PROCESSES = 16384 };

struct bench_processes {
    size_t count;
    int64_t ids[BENCH_PROCESSES];
};

/* The parent; 0: it has none, or is gone. */
static inline int bench_process_parent(int id)
{
    char path[64], line[256];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/status", id);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "PPid:", 5) == 0)
            parent = atoi(line + 5);
    if (file != NULL)
        fclose(file);
    return parent;
}

static inline bool bench_process_is_mine(int id)
{
    while (id > 1 && id != getpid())
        id = bench_process_parent(id);
    return id == getpid();
}

/* Those that this process began, they or theirs, that run that program and may be asked; a link to
 * it will do. */
static inline struct bench_processes *bench_processes_of(const char *program)
{
    struct bench_processes *found = bench_alloc(sizeof *found);
    struct stat wanted, run;
    DIR *folder = opendir("/proc");
    bench_require(folder != NULL && stat(program, &wanted) == 0, "/proc, or the program");
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char link[64];
        int id = atoi(entry->d_name);
        snprintf(link, sizeof link, "/proc/%d/exe", id);
        if (id > 0 && stat(link, &run) == 0 && run.st_dev == wanted.st_dev &&
            run.st_ino == wanted.st_ino && bench_process_is_mine(id) &&
            found->count < BENCH_PROCESSES)
            found->ids[found->count++] = id;
    }
    closedir(folder);
    return found;
}

/* The sum of the lines of /proc/ID/FILE that begin so, in bytes. */
static inline int64_t bench_process_bytes(int64_t id, const char *file, const char *field)
{
    char path[64], line[256];
    int64_t bytes = -1;
    snprintf(path, sizeof path, "/proc/%" PRId64 "/%s", id, file);
    FILE *opened = fopen(path, "r");
    while (opened != NULL && fgets(line, sizeof line, opened) != NULL) {
        const char *number = strchr(line, ':');
        if (strncmp(line, field, strlen(field)) == 0 && number != NULL)
            bytes = (bytes < 0 ? 0 : bytes) + strtoll(number + 1, NULL, 10) * 1024;
    }
    if (opened != NULL)
        fclose(opened);
    bench_require(bytes >= 0, "a process whose memory may be read");
    return bytes;
}

/* Prints the means of the `count` processes that were not there before: bytes in pages that nobody
 * else has mapped, clean or written to; and, as NAME-tables, those and the page tables. */
static inline void bench_processes_memory(const char *name, const struct bench_processes *before,
                                          const char *program, int64_t count)
{
    struct bench_processes *now = bench_processes_of(program);
    int64_t pages = 0, tables = 0, seen = 0;
    for (size_t i = 0; i < now->count; i++) {
        bool is_old = false;
        for (size_t k = 0; k < before->count; k++)
            is_old = is_old || before->ids[k] == now->ids[i];
        if (is_old)
            continue;
        seen++;
        pages += bench_process_bytes(now->ids[i], "smaps_rollup", "Private_");
        tables += bench_process_bytes(now->ids[i], "status", "VmPTE:");
    }
    bench_require(seen == count, "processes that may be looked at");
    free(now);
    char second[64];
    snprintf(second, sizeof second, "%s-tables", name);
    bench_print(name, (double)pages / (double)count);
    bench_print(second, (double)(pages + tables) / (double)count);
}

#endif
