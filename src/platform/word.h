/* SPDX-License-Identifier: Apache-2.0 */
/* Words of the calling thread: who the upper layers are on it. Nearly every call of the library
 * begins by reading one, so a read is two instructions where there is assembly for it.
 *
 * Law: a read is never moved over a call nor merged with another. After a suspension the same code
 * may be on another thread, and a compiler that had kept a thread-local's address would read the
 * words of the thread it left. */
#ifndef ISLE_PLATFORM_WORD_H
#define ISLE_PLATFORM_WORD_H

enum isle__word {
    ISLE__WORD_HEAP,   /* whose code runs */
    ISLE__WORD_WORKER, /* what the thread is to the scheduler */
    ISLE__WORD_COUNT
};

#if defined(__x86_64__) && defined(__linux__) && defined(__LP64__)
#define ISLE__WORDS_IN_C 0
/* The words themselves are in linux/word_x86_64.S, where no link-time optimizer moves them. */
static inline __attribute__((always_inline)) void *isle__word_get(enum isle__word word)
{
    void *value;
    __asm__ volatile("movq isle__words@gottpoff(%%rip), %0\n\tmovq %%fs:%c1(%0), %0"
                     : "=&r"(value)
                     : "i"(word * 8));
    return value;
}

static inline __attribute__((always_inline)) void isle__word_set(enum isle__word word, void *value)
{
    void *scratch;
    __asm__ volatile("movq isle__words@gottpoff(%%rip), %0\n\tmovq %1, %%fs:%c2(%0)"
                     : "=&r"(scratch)
                     : "r"(value), "i"(word * 8)
                     : "memory");
}
#else
/* Never inlined (thread.c). */
void *isle__word_get(enum isle__word word);
void isle__word_set(enum isle__word word, void *value);
#define ISLE__WORDS_IN_C 1
#endif

#endif
