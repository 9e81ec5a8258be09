/* SPDX-License-Identifier: Apache-2.0 */
/* Programs of classic BPF from the table of system calls. See filter.h.
 *
 *     architecture  ─▶ another: kill
 *     number        ─▶ a tree of comparisons over intervals of numbers with one answer
 *     rules         ─▶ tests of arguments
 *     answers
 *
 * Jumps go forward only, so a program is written from its end: every place that an instruction can
 * name is known when the instruction is written. A place is counted from the end (the last
 * instruction is 1), which stays true while more is put in front. A conditional jump reaches 255
 * instructions: an answer that is farther is written once more, to anything else leads a jump of
 * its own (BPF_JA), put within reach.
 *
 * The kernel knows in advance the answer for a number whose path looks at no argument, and then
 * runs no program at all; so what is allowed always must stay a constant here.
 *
 * Law: no allocation, no lock; all state is on the caller's stack, so that a child may make its
 * program after a fork. Any thread. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* names of registers */
#endif
#include "sandbox/filter.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "sandbox/syscalls.h"

/* Of these machines, both of which put the low half first. */
#define FILTER_NUMBER ((uint32_t)offsetof(struct seccomp_data, nr))
#define FILTER_ARCHITECTURE ((uint32_t)offsetof(struct seccomp_data, arch))
#define FILTER_ARGUMENTS ((uint32_t)offsetof(struct seccomp_data, args))
/* x32, and negative numbers. */
#define FILTER_FOREIGN 0x40000000u
/* si_code of a trap, which not every C library names. */
#define FILTER_TRAPPED 1
/* si_errno of one that the process answers itself; 0: it was forbidden. */
#define FILTER_ASKED 1

enum {
    FILTER_REACH = 255,
    FILTER_NUMBERS = 512, /* above the newest call of each machine */
    FILTER_ANSWERS = 24,
    FILTER_RULES = 32
};

/* Counted from the end; 0 is none. */
typedef size_t filter_place;

struct filter_build {
    enum isle__machine machine;
    enum isle__filter_kind kind;
    const struct isle__filter_options *options;
    struct sock_filter *program; /* filled from its end */
    size_t capacity, count;
    /* Where answers and rules were written last. */
    struct {
        uint32_t value;
        filter_place place;
    } answers[FILTER_ANSWERS];
    size_t answer_count;
    filter_place rules[FILTER_RULES];
};
/* From `first` to the next interval's. */
struct filter_interval {
    uint32_t first;
    uint16_t answer;
};

const struct isle__filter_options isle__filter_zygote_options = {.courier = -1};

/* --- instructions */

/* Puts one in front of what there is. */
static filter_place filter_put(struct filter_build *build, uint16_t code, uint32_t value,
                               size_t if_true, size_t if_false)
{
    build->count++;
    if (build->count <= build->capacity)
        build->program[build->capacity - build->count] =
            (struct sock_filter){code, (uint8_t)if_true, (uint8_t)if_false, value};
    return build->count;
}

static filter_place filter_put_plain(struct filter_build *build, uint16_t code, uint32_t value)
{
    return filter_put(build, code, value, 0, 0);
}

/* Instructions between the next one to be put and that place. */
static size_t filter_distance(const struct filter_build *build, filter_place place)
{
    return build->count - place;
}

static bool filter_reaches(const struct filter_build *build, filter_place place)
{
    /* Two jumps of their own may come between. */
    return filter_distance(build, place) + 2 <= FILTER_REACH;
}

static filter_place filter_near(struct filter_build *build, filter_place place)
{
    if (filter_reaches(build, place))
        return place;
    return filter_put_plain(build, BPF_JMP | BPF_JA, (uint32_t)filter_distance(build, place));
}

static filter_place filter_jump(struct filter_build *build, uint16_t test, uint32_t value,
                                filter_place if_true, filter_place if_false)
{
    filter_place near_true = filter_near(build, if_true);
    filter_place near_false = filter_near(build, if_false);
    return filter_put(build, BPF_JMP | test | BPF_K, value, filter_distance(build, near_true),
                      filter_distance(build, near_false));
}

static filter_place filter_load(struct filter_build *build, uint32_t offset)
{
    return filter_put_plain(build, BPF_LD | BPF_W | BPF_ABS, offset);
}

/* --- answers */

static uint32_t filter_value(const struct filter_build *build, uint16_t answer)
{
    bool traps = build->kind == ISLE__FILTER_ZYGOTE || build->options->audit;
    if (answer == ISLE__ALLOW)
        return SECCOMP_RET_ALLOW;
    if (answer == ISLE__INSIDE)
        return SECCOMP_RET_TRAP | FILTER_ASKED;
    if (answer == ISLE__KILL)
        return traps ? SECCOMP_RET_TRAP : SECCOMP_RET_KILL_PROCESS;
    return SECCOMP_RET_ERRNO | (answer & ISLE__ERRNO);
}

/* A place within reach where that answer is given. */
static filter_place filter_answer(struct filter_build *build, uint16_t answer)
{
    uint32_t value = filter_value(build, answer);
    size_t at = 0;
    while (at < build->answer_count && build->answers[at].value != value)
        at++;
    if (at < build->answer_count && filter_reaches(build, build->answers[at].place))
        return build->answers[at].place;
    filter_place place = filter_put_plain(build, BPF_RET | BPF_K, value);
    if (at < FILTER_ANSWERS) {
        build->answers[at].value = value;
        build->answers[at].place = place;
        build->answer_count += at == build->answer_count;
    }
    return place;
}

/* --- rules */

static filter_place filter_equal64(struct filter_build *build, uint32_t offset, uint64_t value,
                                   filter_place yes, filter_place no)
{
    filter_jump(build, BPF_JEQ, (uint32_t)value, yes, no);
    filter_place low = filter_load(build, offset);
    filter_jump(build, BPF_JEQ, (uint32_t)(value >> 32), low, no);
    return filter_load(build, offset + 4);
}

static filter_place filter_within64(struct filter_build *build, uint32_t offset, uint64_t value,
                                    filter_place yes, filter_place no)
{
    filter_jump(build, BPF_JSET, (uint32_t)~value, no, yes);
    filter_place low = filter_load(build, offset);
    filter_jump(build, BPF_JSET, (uint32_t)(~value >> 32), no, low);
    return filter_load(build, offset + 4);
}

/* One shift finds the bit of the set, after it is known to stay inside. */
static filter_place filter_among32(struct filter_build *build, uint32_t offset, uint32_t ignored,
                                   uint32_t set, filter_place yes, filter_place no)
{
    filter_jump(build, BPF_JSET, set, yes, no);
    filter_put_plain(build, BPF_ALU | BPF_LSH | BPF_X, 0);
    filter_put_plain(build, BPF_LD | BPF_IMM, 1);
    filter_place shift = filter_put_plain(build, BPF_MISC | BPF_TAX, 0);
    filter_jump(build, BPF_JGT, 31, no, shift);
    if (ignored != 0)
        filter_put_plain(build, BPF_ALU | BPF_AND | BPF_K, ~ignored);
    return filter_load(build, offset);
}

static filter_place filter_test32(struct filter_build *build, uint32_t offset, uint16_t test,
                                  uint32_t value, filter_place yes, filter_place no)
{
    filter_jump(build, test, value, yes, no);
    return filter_load(build, offset);
}

static filter_place filter_check(struct filter_build *build, const struct isle__check *check,
                                 filter_place yes, filter_place no)
{
    uint32_t at = FILTER_ARGUMENTS + 8u * check->argument;
    uint64_t value = isle__check_value(check, build->machine, build->options);
    uint32_t low = (uint32_t)value;
    switch ((enum isle__check_test)check->test) {
    case ISLE__TEST_EQUAL32:
        return filter_test32(build, at, BPF_JEQ, low, yes, no);
    case ISLE__TEST_AT_MOST32:
        return filter_test32(build, at, BPF_JGT, low, no, yes);
    case ISLE__TEST_ANY32:
        return filter_test32(build, at, BPF_JSET, low, yes, no);
    case ISLE__TEST_WITHIN32:
        return filter_test32(build, at, BPF_JSET, ~low, no, yes);
    case ISLE__TEST_AMONG32:
        return filter_among32(build, at, check->ignored, low, yes, no);
    case ISLE__TEST_EQUAL64:
        return filter_equal64(build, at, value, yes, no);
    case ISLE__TEST_WITHIN64:
        return filter_within64(build, at, value, yes, no);
    case ISLE__TEST_NONE:
        break;
    }
    return yes;
}

static filter_place filter_clause(struct filter_build *build, const struct isle__clause *clause,
                                  filter_place otherwise)
{
    filter_place place = filter_answer(build, isle__answer_under(clause->answer, build->options));
    for (size_t i = ISLE__CHECKS; i-- > 0;)
        if (clause->checks[i].test != ISLE__TEST_NONE)
            place = filter_check(build, &clause->checks[i], place, otherwise);
    return place;
}

/* The clauses of it that these options leave; *ret_otherwise: what is answered where none holds. */
static size_t filter_clauses(const struct isle__rule *rule,
                             const struct isle__filter_options *options,
                             const struct isle__clause *ret_clauses[static ISLE__CLAUSES],
                             uint16_t *ret_otherwise)
{
    size_t count = 0;
    *ret_otherwise = rule->otherwise;
    for (size_t i = 0; i < ISLE__CLAUSES && rule->clauses[i].answer != 0; i++) {
        const struct isle__clause *clause = &rule->clauses[i];
        if (!isle__clause_applies(clause, options))
            continue;
        if (clause->checks[0].test == ISLE__TEST_NONE) {
            *ret_otherwise = clause->answer;
            break;
        }
        ret_clauses[count++] = clause;
    }
    *ret_otherwise = isle__answer_under(*ret_otherwise, options);
    return count;
}

/* A rule that no clause is left of is a constant; how a refusal came to be is forgotten. */
static uint16_t filter_simplify(const struct isle__filter_options *options, uint16_t answer)
{
    const struct isle__clause *clauses[ISLE__CLAUSES];
    uint16_t otherwise;
    if ((answer & ISLE__CHECK) == 0)
        return answer & (uint16_t)~ISLE__SOFT;
    const struct isle__rule *rule = &isle__rules[answer & (uint16_t)~ISLE__CHECK];
    size_t count = filter_clauses(rule, options, clauses, &otherwise);
    return count == 0 ? otherwise & (uint16_t)~ISLE__SOFT : answer;
}

/* Do the clauses of a rule say the same under other options? */
static bool filter_rule_is_alike(const struct filter_build *build, uint16_t index,
                                 const struct isle__filter_options *others)
{
    const struct isle__clause *clauses[ISLE__CLAUSES], *other_clauses[ISLE__CLAUSES];
    uint16_t otherwise, other;
    const struct isle__filter_options *options = build->options;
    size_t count = filter_clauses(&isle__rules[index], options, clauses, &otherwise);
    if (filter_clauses(&isle__rules[index], others, other_clauses, &other) != count ||
        otherwise != other)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (clauses[i] != other_clauses[i] || isle__answer_under(clauses[i]->answer, options) !=
                                                  isle__answer_under(clauses[i]->answer, others))
            return false;
        for (size_t k = 0; k < ISLE__CHECKS; k++)
            if (isle__check_value(&clauses[i]->checks[k], build->machine, options) !=
                isle__check_value(&clauses[i]->checks[k], build->machine, others))
                return false;
    }
    return true;
}

/* Can a rule's answer be a kill? */
static bool filter_rule_kills(const struct filter_build *build, uint16_t index)
{
    const struct isle__clause *clauses[ISLE__CLAUSES];
    uint16_t otherwise;
    size_t count = filter_clauses(&isle__rules[index], build->options, clauses, &otherwise);
    bool kills = otherwise == ISLE__KILL;
    while (count-- > 0)
        kills |= isle__answer_under(clauses[count]->answer, build->options) == ISLE__KILL;
    return kills;
}

/* What the zygote's program below answers in the same way may be allowed here: the kernel takes the
 * strictest of the two. Its kills are traps, so the same only where ours are. */
static uint16_t filter_above(const struct filter_build *build, uint16_t answer, uint16_t below)
{
    uint16_t index = answer & (uint16_t)~ISLE__CHECK;
    if (answer != below)
        return answer;
    if (index == answer)
        return answer == ISLE__KILL && !build->options->audit ? answer : ISLE__ALLOW;
    bool same = filter_rule_is_alike(build, index, &isle__filter_zygote_options) &&
                (build->options->audit || !filter_rule_kills(build, index));
    return same ? ISLE__ALLOW : answer;
}

static uint16_t filter_below(const struct isle__syscall *call)
{
    const struct isle__filter_options *zygote = &isle__filter_zygote_options;
    return filter_simplify(zygote, isle__syscall_answer(call, ISLE__FILTER_ZYGOTE, zygote));
}

static filter_place filter_rule(struct filter_build *build, uint16_t index)
{
    const struct isle__clause *clauses[ISLE__CLAUSES];
    uint16_t otherwise;
    size_t count = filter_clauses(&isle__rules[index], build->options, clauses, &otherwise);
    filter_place place = filter_answer(build, otherwise);
    while (count-- > 0)
        place = filter_clause(build, clauses[count], place);
    return place;
}

/* A place, perhaps a far one, that decides. */
static filter_place filter_decision(struct filter_build *build, uint16_t answer)
{
    if ((answer & ISLE__CHECK) == 0)
        return filter_answer(build, answer);
    return build->rules[answer & (uint16_t)~ISLE__CHECK];
}

/* --- the tree */

/* What answers each number below FILTER_NUMBERS. What the table does not know is ENOSYS, even under
 * a strict policy: a newer library asks a newer kernel, and has a fallback. */
static void filter_number(const struct filter_build *build, uint16_t answers[static FILTER_NUMBERS])
{
    const struct isle__filter_options *options = build->options;
    for (size_t i = 0; i < FILTER_NUMBERS; i++)
        answers[i] = options->above ? ISLE__ALLOW : ENOSYS;
    for (size_t i = 0; i < isle__syscall_count; i++) {
        const struct isle__syscall *call = &isle__syscalls[i];
        int number = call->numbers[build->machine];
        if (number < 0 || number >= FILTER_NUMBERS)
            continue;
        uint16_t answer =
            filter_simplify(options, isle__syscall_answer(call, build->kind, options));
        answers[number] = options->above ? filter_above(build, answer, filter_below(call)) : answer;
    }
}

/* Neighbours with one answer are one interval; how many there are. */
static size_t filter_divide(const struct filter_build *build,
                            struct filter_interval intervals[static FILTER_NUMBERS + 1])
{
    uint16_t answers[FILTER_NUMBERS];
    size_t count = 0;
    filter_number(build, answers);
    for (uint32_t i = 0; i < FILTER_NUMBERS; i++)
        if (count == 0 || intervals[count - 1].answer != answers[i])
            intervals[count++] = (struct filter_interval){i, answers[i]};
    intervals[count++] = (struct filter_interval){FILTER_FOREIGN, ISLE__KILL};
    return count;
}

static filter_place filter_tree(struct filter_build *build, const struct filter_interval *intervals,
                                size_t count)
{
    if (count == 1)
        return filter_decision(build, intervals->answer);
    /* One number amid others that all have one answer. */
    if (count == 3 && intervals[0].answer == intervals[2].answer &&
        intervals[1].first + 1 == intervals[2].first) {
        filter_place it = filter_decision(build, intervals[1].answer);
        filter_place others = filter_decision(build, intervals[0].answer);
        return filter_jump(build, BPF_JEQ, intervals[1].first, it, others);
    }
    size_t half = count / 2;
    filter_place above = filter_tree(build, intervals + half, count - half);
    filter_place below = filter_tree(build, intervals, half);
    return filter_jump(build, BPF_JGE, intervals[half].first, above, below);
}

static void filter_build_program(struct filter_build *build)
{
    struct filter_interval intervals[FILTER_NUMBERS + 1];
    size_t count = filter_divide(build, intervals);
    for (size_t i = 0; i < count; i++) {
        uint16_t index = intervals[i].answer & (uint16_t)~ISLE__CHECK;
        if (index != intervals[i].answer && build->rules[index] == 0)
            build->rules[index] = filter_rule(build, index);
    }
    filter_tree(build, intervals, count);
    filter_load(build, FILTER_NUMBER);
    filter_put_plain(build, BPF_RET | BPF_K, filter_value(build, ISLE__KILL));
    filter_put(build, BPF_JMP | BPF_JEQ | BPF_K, isle__machine_audit_arch(build->machine), 1, 0);
    filter_load(build, FILTER_ARCHITECTURE);
}

isle_err isle__filter_make_for(int machine, enum isle__filter_kind kind,
                               const struct isle__filter_options *options,
                               struct sock_filter *program, size_t capacity, size_t *ret_count)
{
    struct filter_build build = {.machine = (enum isle__machine)machine,
                                 .kind = kind,
                                 .options = options,
                                 .program = program,
                                 .capacity = capacity};
    if (machine < 0 || machine >= ISLE__MACHINE_COUNT)
        return ISLE_EUNSUPPORTED;
    filter_build_program(&build);
    if (build.count > capacity || build.count > ISLE__FILTER_MAX)
        return ISLE_ERANGE;
    memmove(program, program + (capacity - build.count), build.count * sizeof *program);
    *ret_count = build.count;
    return ISLE_OK;
}

isle_err isle__filter_make(enum isle__filter_kind kind, const struct isle__filter_options *options,
                           struct sock_filter *program, size_t capacity, size_t *ret_count)
{
    return isle__filter_make_for((int)isle__machine_here(), kind, options, program, capacity,
                                 ret_count);
}

/* --- the kernel's side */

isle_err isle__filter_install(enum isle__filter_kind kind,
                              const struct isle__filter_options *options)
{
    struct sock_filter program[ISLE__FILTER_ROOM];
    size_t count;
    isle_err err = isle__filter_make(kind, options, program, ISLE__FILTER_ROOM, &count);
    if (err != ISLE_OK)
        return err;
    struct sock_fprog installed = {(unsigned short)count, program};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &installed) == 0 ? ISLE_OK
                                                                             : ISLE_ESYSTEM;
}

/* A call that trapped, as its process sees it: the first arguments, and where its result goes. */
struct filter_call {
    uint64_t arguments[3];
    void *result; /* a register of the context */
};

static struct filter_call filter_call_of(void *context)
{
    mcontext_t *machine = &((ucontext_t *)context)->uc_mcontext;
#if defined(__x86_64__)
    greg_t *at = machine->gregs;
    return (struct filter_call){
        {(uint64_t)at[REG_RDI], (uint64_t)at[REG_RSI], (uint64_t)at[REG_RDX]}, &at[REG_RAX]};
#elif defined(__aarch64__)
    return (struct filter_call){{machine->regs[0], machine->regs[1], machine->regs[2]},
                                &machine->regs[0]};
#else
    (void)machine;
    return (struct filter_call){.result = NULL}; /* no table, no filter */
#endif
}

/* fstat of the descriptor, if the name is empty; the name itself never reaches the kernel. */
static long filter_fstatat(const struct filter_call *call)
{
    const char *name = (const char *)(uintptr_t)call->arguments[1];
    if (name != NULL && *name != '\0')
        return -EACCES;
    int before = errno;
    long result =
        syscall(SYS_fstat, (long)call->arguments[0], (void *)(uintptr_t)call->arguments[2]);
    result = result < 0 ? -errno : result;
    errno = before;
    return result;
}

bool isle__filter_answer(const siginfo_t *info, void *context)
{
    if (info->si_code != FILTER_TRAPPED || info->si_errno != FILTER_ASKED)
        return false;
    struct filter_call call = filter_call_of(context);
    if (call.result == NULL)
        return false;
    long result = filter_fstatat(&call);
    memcpy(call.result, &result, sizeof result);
    return true;
}

/* Written before the handler is there, then the handler's. */
static _Atomic int32_t *filter_told;

/* SIGSYS is blocked while its handler runs, and what traps while that is blocked ends the process
 * of SIGSYS. ptrace traps whatever its arguments; unless no filter is there yet, when somebody has
 * raised the signal. */
static void filter_trapped(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    if (isle__filter_answer(info, context))
        return;
    bool is_ours = info->si_code == FILTER_TRAPPED;
    atomic_store_explicit(filter_told, is_ours ? info->si_syscall : -1, memory_order_relaxed);
    (void)syscall(SYS_ptrace, 0L, 0L, 0L, 0L);
    _exit(128 + SIGSYS);
}

isle_err isle__filter_tell(_Atomic int32_t *place)
{
    struct sigaction action = {.sa_sigaction = filter_trapped, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    filter_told = place;
    return sigaction(SIGSYS, &action, NULL) == 0 ? ISLE_OK : ISLE_ESYSTEM;
}
