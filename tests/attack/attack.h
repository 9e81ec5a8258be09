/* SPDX-License-Identifier: Apache-2.0 */
/* The attack suite: what hostile code tries from inside of a sandbox, a row an attempt.
 *
 * A row is run in several settings (run.c): with nothing, where it must succeed, for an attempt
 * that fails anyway says nothing; with all layers, where it must be refused as the row says; and
 * with each layer alone that claims to stop it. The limits, the empty capabilities and the rest of
 * what is no layer are on in every setting but the first, and are a setting of their own.
 *
 * Laws. Attempts never run as root: a suite that root started becomes an ordinary user first. Each
 * runs in a process of its own, against a world of its own (world.c): a victim that plays the
 * host, a sibling in the same sandbox, files, sockets. An attempt is bounded by itself, for it also
 * runs where nothing bounds it, and it harms nobody but its world. */
#ifndef ATTACK_H
#define ATTACK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* every file includes this first */
#endif
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum attack_setting {
    ATTACK_WITHOUT, /* no sandbox at all */
    ATTACK_ALL,     /* every layer that the machine gives */
    ATTACK_SECCOMP, /* this layer alone, besides the limits */
    ATTACK_LANDLOCK,
    ATTACK_NAMESPACES, /* users, mounts, network, processes, System V and queues */
    ATTACK_LIMITS,     /* no layer at all: rlimits, no capabilities, not dumpable */
    ATTACK_SETTINGS
};

/* What an attempt returns: 0 it did what it wanted, an errno, or one of these. */
enum {
    ATTACK_WORKS = 0,
    ATTACK_NOTHING = 5000, /* allowed, and there was nothing to be had */
    ATTACK_LACKS           /* this machine has no such thing: the row says nothing here */
};
/* How an attempt's process ends when what it tried was to become another program. */
enum { ATTACK_EXEC_STATUS = 42 };

/* What the policy grants besides: the world's folder, to be read or as the place of code. */
enum attack_grants {
    ATTACK_GRANTS_NOTHING = 0,
    ATTACK_GRANTS_READS,
    ATTACK_GRANTS_LOADS /* the attempt is a constructor's: before the last filter */
};

/* An expectation names outcomes, parted by '|': "EACCES", "ENOENT|nothing", "kill" (by the filter:
 * SIGSYS), "SIGSEGV", "exit 7", "works"; "refused" is whatever is not success. */
struct attack_row {
    const char *number; /* of the list of attacks, with a letter: "7c" */
    const char *name;   /* the test's */
    const char *text;   /* what is tried, for the page */
    int (*attempt)(void);
    const char *all;     /* with all layers */
    const char *seccomp; /* with that layer alone; NULL: it makes no claim */
    const char *landlock;
    const char *namespaces;
    const char *limits;
    const char *without; /* NULL: "works" */
    const char *why;     /* why it need not succeed without the sandbox on every machine */
    int landlock_abi;    /* what Landlock's claim needs; 0: any */
    const char *measure; /* of what the attempt counts, or "s" for processor time */
    unsigned threads;    /* that the policy grants */
    unsigned memory;     /* MiB that the policy grants; 0: no limit */
    unsigned cpu;        /* seconds that the policy grants; 0: no limit */
    enum attack_grants grants;
    bool harmless; /* it may succeed with all layers: the text says what it gets */
};

#define ATTACK_ROW(number, module, name, text, ...)                                                \
    {                                                                                              \
        number, #name, text, module##_##name, __VA_ARGS__                                          \
    }
/* Nothing that runs in a sandbox has a use for it: the filter ends the process. */
#define ATTACK_KILLS .all = "kill", .seccomp = "kill"
/* What opens files is refused by each layer in its own words. */
#define ATTACK_NO_FILE                                                                             \
    .all = "EACCES", .seccomp = "EACCES", .landlock = "EACCES", .namespaces = "ENOENT"

struct attack_group {
    const char *title; /* of the page's section */
    const struct attack_row *rows;
    size_t count;
};
#define ATTACK_GROUP(variable, title)                                                              \
    const struct attack_group variable = {title, variable##_rows,                                  \
                                          sizeof(variable##_rows) / sizeof(variable##_rows[0])}
extern const struct attack_group attack_files, attack_sockets, attack_code, attack_processes,
    attack_others, attack_kernel, attack_entries, attack_descriptors, attack_resources,
    attack_crashes, attack_grants;

/* How a run of a row went. */
struct attack_result {
    char outcome[40]; /* as expectations name it; "" if the sandbox did not stand */
    char call[32];    /* the system call that the filter killed for; "" unknown */
    char broken[200]; /* why the attempt did not run: what the sandbox said */
    uint32_t reached; /* ISLE_LAYER_* */
    int landlock_abi;
    int64_t value;  /* what the attempt measured, if it did */
    int64_t cpu_ns; /* processor time that its process had */
    bool core;      /* it left a core file, or would have */
};
void attack_run(const struct attack_row *row, enum attack_setting setting,
                struct attack_result *ret_result);
/* Where the filter killed, runs it again to learn the call's name; a filter that tells must kill as
 * well, else the outcome says so. */
void attack_name_call(const struct attack_row *row, enum attack_setting setting,
                      struct attack_result *result);
bool attack_outcome_is(const char *outcome, const char *expectation);
/* NULL, or why the setting cannot be had here. */
const char *attack_missing(const struct attack_row *row, enum attack_setting setting,
                           const struct attack_result *result, int landlock_abi);
/* Whether this machine filters system calls already, as containers do: then some attempts fail
 * without our sandbox too. */
bool attack_machine_filters(void);
const char *attack_setting_name(enum attack_setting setting);
const char *attack_claim(const struct attack_row *row, enum attack_setting setting);
/* If root started this, becomes an ordinary user; ends the process where it cannot. */
void attack_become_ordinary(void);

/* The world of one run: shared by all of its processes, written by who is named. */
struct attack_world {
    char folder[64];   /* of the world's own files: "file", "socket", "datagrams" */
    char abstract[32]; /* name of the victim's abstract socket, without its zero */
    pid_t victim;      /* plays the host */
    int victim_secret; /* its descriptor of a file that holds the secret */
    uint16_t tcp_port, udp_port;
    int shm_key;     /* of the victim's System V segment */
    char queue[32];  /* of its message queue */
    char shared[32]; /* of its POSIX shared memory */
    /* Descriptors that every process of the run inherits, as a careless host would leak them. */
    int tty, file, pipe_reads, pipe_writes, socket, code, script;
    int granted;      /* names the folder */
    int master, peer; /* the other ends of the terminal and the socket */
    /* As the attempt numbers them: each writes its own before the attempt begins. */
    volatile pid_t sibling, zygote;
    /* Of the attempt. */
    volatile int stage;
    volatile int result;
    volatile int64_t value;
    _Atomic int32_t violation; /* number of the call, where the filter traps; -1 */
    /* Of the process that waits for the attempt. */
    volatile int wait_code, wait_status;
    volatile bool is_waited;
    volatile int64_t cpu_ns;
    volatile uint32_t reached;
    volatile int landlock_abi;
    char broken[200];
};
enum { ATTACK_STAGE_BORN, ATTACK_STAGE_LOCKED, ATTACK_STAGE_DONE };

/* This run's world, set before the attempt begins; an attempt reads it and writes `value`. */
extern struct attack_world *attack_world;
#define ATTACK_SECRET "the host's secret: 7f3c91"
/* Where the secret lies, at the same address in the victim, the sibling and the attempt. */
extern char attack_secret[64];

struct attack_world *
world_open(void); /* makes all of it, the victim too; ends the process where it cannot */
void world_close(struct attack_world *world);

/* errno if `result` says failure, else ATTACK_WORKS. */
static inline int attack_verdict(long result)
{
    return result < 0 ? errno : ATTACK_WORKS;
}
int64_t attack_now_ns(void);
/* A path in the world's folder, in a static buffer each. */
const char *attack_path(const char *name);
/* The secret is at `path`, or in what descriptor `fd` reads. Closes it. */
int attack_read_secret(int fd);
/* Becomes root of a user namespace of its own, as attackers do to reach more of the kernel. */
int attack_own_namespaces(int flags);

#endif
