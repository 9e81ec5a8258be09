/* SPDX-License-Identifier: Apache-2.0 */
/* Words and their counts: a hash table in the memory of the isolate that fills it, and the packed
 * form in which it travels. Law: a table never leaves its isolate; table_pack makes the one block
 * (a transferable) that does. */
#ifndef WORDCOUNT_WORDS_H
#define WORDCOUNT_WORDS_H

#include <isle.h>

/* A word and how often it came. `at` and `size` say where its bytes lie in the text. */
struct word {
    uint64_t count;
    uint64_t at;
    uint32_t size;
    uint32_t hash;
};

struct table {
    struct word *slots; /* open addressing, free where count is 0 */
    size_t capacity;    /* a power of two */
    size_t used;
    char *text; /* the words, one behind the other */
    size_t text_size;
    size_t text_capacity;
    uint64_t words; /* sum of all counts */
};

/* A packed table, read in place: `words` in no order, their bytes in `text`. */
struct packed {
    const struct word *words;
    const char *text;
    size_t used;
    uint64_t total;
};

enum { WORD_MAX = 64 * 1024 }; /* a longer run of letters is cut there into several words */

/* Cuts text into words: a word is a maximal run of letters. ASCII letters are folded to lower case.
 * In a file that is valid UTF-8 any other character is a letter too, unless it is punctuation or a
 * symbol; in any other file bytes from 0x80 on are none. */
struct splitter {
    struct table *table;
    bool utf8;
    uint32_t hash;
    size_t size;
    char word[WORD_MAX];
};

void table_init(struct table *table, size_t expected);
void table_fini(struct table *table);
void table_add(struct table *table, const char *word, size_t size, uint32_t hash, uint64_t count);
uint64_t table_count(const struct table *table, const char *word, size_t size, uint32_t hash);
isle_value table_pack(const struct table *table); /* a transferable */
struct packed
table_unpack(isle_value bytes); /* of the materialised transferable; lives as long as it */

/* `text` ends between two characters. splitter_end closes the last word. */
void splitter_begin(struct splitter *splitter, struct table *table, bool utf8);
void splitter_feed(struct splitter *splitter, const unsigned char *text, size_t size);
void splitter_end(struct splitter *splitter);

/* The size of the UTF-8 sequence at `text`, 0 if there is no valid one within `size` bytes. */
size_t utf8_sequence(const unsigned char *text, size_t size);
/* How many bytes of `text` lie before a sequence that its end cuts off. */
size_t utf8_whole(const unsigned char *text, size_t size);

#endif
