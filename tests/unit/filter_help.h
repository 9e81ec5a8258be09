/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of filters of system calls: options by bits, programs, and an evaluator of classic
 * BPF that also counts its steps. */
#ifndef TESTS_UNIT_FILTER_HELP_H
#define TESTS_UNIT_FILTER_HELP_H

#include "test.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>

#include "sandbox/filter.h"
#include "sandbox/syscalls.h"

enum { OWN_PID = 4711, COURIER = 5, KINDS = 3 };

enum { THREADS = 1, STRICT = 2, AUDIT = 4, READS = 8, GETS = 16, OPTIONS = 32, ABOVE = 32 };

static inline struct isle__filter_options options_of(unsigned bits)
{
    return (struct isle__filter_options){.threads = (bits & THREADS) != 0,
                                         .strict = (bits & STRICT) != 0,
                                         .audit = (bits & AUDIT) != 0,
                                         .reads = (bits & READS) != 0,
                                         .above = (bits & ABOVE) != 0,
                                         .courier = (bits & GETS) != 0 ? COURIER : -1,
                                         .own_pid = OWN_PID};
}

static inline const char *kind_name(unsigned kind)
{
    static const char *const names[] = {[ISLE__FILTER_ZYGOTE] = "zygote",
                                        [ISLE__FILTER_LOADS] = "loads",
                                        [ISLE__FILTER_RUNS] = "runs"};
    return names[kind];
}

/* --- the evaluator */

struct program {
    struct sock_filter code[ISLE__FILTER_ROOM];
    size_t count;
};
struct walk {
    uint32_t verdict;
    unsigned steps;
    bool looked; /* at an argument */
};

/* What the kernel demands of a program, and that nothing else is used. */
static inline void program_check(const struct program *program)
{
    CHECK(program->count > 0 && program->count <= ISLE__FILTER_ROOM);
    for (size_t i = 0; i < program->count; i++) {
        const struct sock_filter *at = &program->code[i];
        size_t left = program->count - i - 1;
        switch (at->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            CHECK(at->k % 4 == 0 && at->k < sizeof(struct seccomp_data));
            CHECK(left > 0);
            break;
        case BPF_LD | BPF_IMM:
        case BPF_MISC | BPF_TAX:
        case BPF_ALU | BPF_AND | BPF_K:
        case BPF_ALU | BPF_LSH | BPF_X:
            CHECK(left > 0);
            break;
        case BPF_JMP | BPF_JA:
            CHECK(at->k < left);
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
        case BPF_JMP | BPF_JGE | BPF_K:
        case BPF_JMP | BPF_JGT | BPF_K:
        case BPF_JMP | BPF_JSET | BPF_K:
            CHECK(at->jt < left && at->jf < left);
            break;
        case BPF_RET | BPF_K:
            break;
        default:
            fail("instruction %zu has the code 0x%x", i, at->code);
        }
    }
}

static inline uint32_t data_word(const struct seccomp_data *data, uint32_t offset)
{
    uint32_t word;
    memcpy(&word, (const unsigned char *)data + offset, sizeof word);
    return word;
}

static inline bool jump_holds(const struct sock_filter *at, uint32_t a)
{
    switch (BPF_OP(at->code)) {
    case BPF_JEQ:
        return a == at->k;
    case BPF_JGE:
        return a >= at->k;
    case BPF_JGT:
        return a > at->k;
    default:
        return (a & at->k) != 0;
    }
}

static inline struct walk program_run(const struct program *program,
                                      const struct seccomp_data *data)
{
    struct walk walk = {0};
    uint32_t a = 0, x = 0;
    for (size_t i = 0;; i++) {
        const struct sock_filter *at = &program->code[i];
        walk.steps++;
        switch (BPF_CLASS(at->code)) {
        case BPF_LD:
            walk.looked |= BPF_MODE(at->code) == BPF_ABS &&
                           at->k >= offsetof(struct seccomp_data, instruction_pointer);
            a = BPF_MODE(at->code) == BPF_ABS ? data_word(data, at->k) : at->k;
            break;
        case BPF_MISC:
            x = a;
            break;
        case BPF_ALU:
            if (BPF_OP(at->code) == BPF_LSH)
                CHECK(x < 32);
            a = BPF_OP(at->code) == BPF_LSH ? a << x : a & at->k;
            break;
        case BPF_JMP:
            if (BPF_OP(at->code) == BPF_JA)
                i += at->k;
            else
                i += jump_holds(at, a) ? at->jt : at->jf;
            break;
        default:
            walk.verdict = at->k;
            return walk;
        }
    }
}

static inline void program_make(struct program *program, int machine, unsigned kind, unsigned bits)
{
    struct isle__filter_options options = options_of(bits);
    CHECK_ERR(isle__filter_make_for(machine, (enum isle__filter_kind)kind, &options, program->code,
                                    ISLE__FILTER_ROOM, &program->count),
              ISLE_OK);
    program_check(program);
}

static inline const struct isle__syscall *call_named(const char *name)
{
    for (size_t i = 0; i < isle__syscall_count; i++)
        if (strcmp(isle__syscalls[i].name, name) == 0)
            return &isle__syscalls[i];
    fail("the table has no call %s", name);
}

#endif
