/* SPDX-License-Identifier: Apache-2.0 */
/* The table of system calls (syscalls.c): every call that Linux has, its number on each machine,
 * and what is answered when a zygote or an isolate makes it.
 *
 * Law: data alone. filter.c makes programs of it; a test reads it by itself, slowly, and compares.
 * A check looks at exactly the bits that the kernel looks at: a parameter that the kernel declares
 * as int has 32 of them, and what the caller leaves in the rest of the register means nothing. No
 * check depends on memory that a pointer names: another thread could change it. Any thread. */
#ifndef ISLE_SANDBOX_SYSCALLS_H
#define ISLE_SANDBOX_SYSCALLS_H

#include "sandbox/filter.h"

enum isle__machine { ISLE__X86_64, ISLE__AARCH64, ISLE__MACHINE_COUNT };

/* An answer: an errno value is a refusal; with ISLE__SOFT one that not even a strict policy kills
 * for, as the C library and Isle's core ask by themselves and cope; with ISLE__CHECK the index of a
 * rule, which decides by the arguments. */
enum {
    ISLE__ERRNO = 0x0fff,
    ISLE__SOFT = 0x1000,
    ISLE__ALLOW = 0x2000,
    ISLE__KILL = 0x4000,
    ISLE__INSIDE = 0x4001, /* the process answers itself (isle__filter_answer): of who audits alone,
                              since it traps */
    ISLE__CHECK = 0x8000
};

enum isle__check_test {
    ISLE__TEST_NONE,      /* ends the list */
    ISLE__TEST_EQUAL32,   /* the low half is the value */
    ISLE__TEST_AT_MOST32, /* the low half, unsigned, is at most the value */
    ISLE__TEST_ANY32,     /* the low half has one of the value's bits */
    ISLE__TEST_WITHIN32,  /* the low half has no bit that the value has not */
    ISLE__TEST_AMONG32,   /* the low half without the bits of `ignored` is below 32, and the number
                             of one of the value's bits */
    ISLE__TEST_EQUAL64,   /* all of it is the value */
    ISLE__TEST_WITHIN64   /* all of it has no bit that the value has not */
};
/* Where the value comes from. */
enum isle__check_source {
    ISLE__FROM_TABLE,
    ISLE__FROM_OWN_PID, /* of the options */
    ISLE__FROM_COURIER, /* of the options */
    ISLE__FROM_MACHINE  /* `value` is an enum isle__machine_value */
};
enum isle__machine_value {
    ISLE__PROT_DATA,  /* protections of memory without code */
    ISLE__PROT_CODE,  /* of code */
    ISLE__OPEN_READS, /* flags of openat that neither write nor create */
    ISLE__MACHINE_VALUES
};

struct isle__check {
    uint8_t argument; /* 0 to 5 */
    uint8_t test, source;
    uint32_t ignored;
    uint64_t value;
};
/* What a clause depends on: of the options. */
enum isle__clause_when {
    ISLE__WHEN_ALWAYS,
    ISLE__WHEN_THREADS,
    ISLE__WHEN_COURIER,
    ISLE__WHEN_AUDIT
};
enum { ISLE__CHECKS = 2, ISLE__CLAUSES = 8 };
/* Holds where all of its checks do. */
struct isle__clause {
    uint16_t answer; /* 0 ends the list; never ISLE__CHECK */
    uint8_t when;
    struct isle__check checks[ISLE__CHECKS];
};
/* The first clause that holds answers. */
struct isle__rule {
    uint16_t otherwise;
    struct isle__clause clauses[ISLE__CLAUSES];
};

/* One call. A column that is 0 says what the one before says: so each kind gets at least what the
 * one before has; in the first, 0 kills. */
struct isle__syscall {
    const char *name;
    int16_t numbers[ISLE__MACHINE_COUNT]; /* -1: the machine has no such call */
    uint16_t runs;
    uint16_t reads; /* runs, with the option */
    uint16_t loads;
    uint16_t zygote;
};

/* By their numbers on x86_64. */
extern const struct isle__syscall isle__syscalls[];
extern const size_t isle__syscall_count;
extern const struct isle__rule isle__rules[];
extern const size_t isle__rule_count;

/* The kernel's name for the machine (AUDIT_ARCH_...). */
uint32_t isle__machine_audit_arch(enum isle__machine machine);
/* The newest call that the table knows. Above it, and in gaps below, ENOSYS. */
uint32_t isle__machine_newest(enum isle__machine machine);
/* ISLE__MACHINE_COUNT: the machine that this is compiled for has no numbers here. */
enum isle__machine isle__machine_here(void);
/* The value that a check compares with. */
uint64_t isle__check_value(const struct isle__check *check, enum isle__machine machine,
                           const struct isle__filter_options *options);
bool isle__clause_applies(const struct isle__clause *clause,
                          const struct isle__filter_options *options);
/* What the table answers; a strict policy's kills are in it. */
uint16_t isle__syscall_answer(const struct isle__syscall *call, enum isle__filter_kind kind,
                              const struct isle__filter_options *options);
/* An answer of the table under these options: a strict policy kills for a refusal. */
uint16_t isle__answer_under(uint16_t answer, const struct isle__filter_options *options);
/* The name of a call of this machine, static; NULL: unknown. */
const char *isle__syscall_name(int number);

#endif
