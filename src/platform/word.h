/* SPDX-License-Identifier: Apache-2.0 */
/* Words of the calling thread: who the upper layers are on it. Nearly every call of the library
 * begins by reading one, so a read is two instructions where there is assembly for it.
 *
 * Law: a read is never moved over a call nor merged with another. After a suspension the same code
 * may be on another thread, and a compiler that had kept a thread-local's address would read the
 * words of the thread it left.
 *
 * The heap's word says whose code runs, the worker's what the thread is to the scheduler. */
#ifndef ISLE_PLATFORM_WORD_H
#define ISLE_PLATFORM_WORD_H

#if defined(__x86_64__) && defined(__linux__) && defined(__LP64__)
#define ISLE__WORDS_IN_C 0
/* The words themselves are in linux/word_x86_64.S, where no link-time optimizer moves them. */
#define ISLE__WORD_ACCESS(word, offset)                                                            \
    static inline void *isle__word_get_##word(void)                                                \
    {                                                                                              \
        void *value;                                                                               \
        __asm__ volatile("movq isle__words@gottpoff(%%rip), %0\n\tmovq %%fs:" #offset "(%0), %0"   \
                         : "=&r"(value));                                                          \
        return value;                                                                              \
    }                                                                                              \
    static inline void isle__word_set_##word(void *value)                                          \
    {                                                                                              \
        void *scratch;                                                                             \
        __asm__ volatile("movq isle__words@gottpoff(%%rip), %0\n\tmovq %1, %%fs:" #offset "(%0)"   \
                         : "=&r"(scratch)                                                          \
                         : "r"(value)                                                              \
                         : "memory");                                                              \
    }
ISLE__WORD_ACCESS(heap, 0)
ISLE__WORD_ACCESS(worker, 8)
#else
/* Never inlined (thread.c). */
void *isle__word_get_heap(void);
void isle__word_set_heap(void *value);
void *isle__word_get_worker(void);
void isle__word_set_worker(void *value);
#define ISLE__WORDS_IN_C 1
#endif

#endif
