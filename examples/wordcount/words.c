/* SPDX-License-Identifier: Apache-2.0 */
/* The word table and the splitter. All memory is isle_alloc's: counted in the isolate's limit and
 * returned with the isolate, so no path here has to clean up. */
#include "words.h"

#include <string.h>

/* The head of a packed table; the words follow it, then their text. */
struct packed_head {
    uint64_t used;
    uint64_t total;
};

static struct word *table_slot(const struct table *table, const char *word, size_t size,
                               uint32_t hash)
{
    size_t mask = table->capacity - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct word *slot = &table->slots[i];
        if (slot->count == 0)
            return slot;
        if (slot->hash == hash && slot->size == size &&
            memcmp(table->text + slot->at, word, size) == 0)
            return slot;
    }
}

void table_init(struct table *table, size_t expected)
{
    size_t capacity = 1024;
    while (capacity < expected * 2)
        capacity *= 2;
    *table = (struct table){.capacity = capacity, .text_capacity = capacity * 8};
    table->slots = isle_alloc(capacity * sizeof(struct word));
    table->text = isle_alloc(table->text_capacity);
}

void table_fini(struct table *table)
{
    isle_free(table->slots);
    isle_free(table->text);
    *table = (struct table){0};
}

static void table_grow(struct table *table)
{
    struct word *old = table->slots;
    size_t old_capacity = table->capacity;
    table->slots = isle_alloc(2 * old_capacity * sizeof(struct word));
    table->capacity = 2 * old_capacity;
    size_t mask = table->capacity - 1;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].count == 0)
            continue;
        size_t to = old[i].hash & mask;
        while (table->slots[to].count != 0)
            to = (to + 1) & mask;
        table->slots[to] = old[i];
    }
    isle_free(old);
}

static uint64_t table_store_text(struct table *table, const char *word, size_t size)
{
    while (table->text_capacity - table->text_size < size) {
        table->text = isle_realloc(table->text, 2 * table->text_capacity);
        table->text_capacity *= 2;
    }
    size_t at = table->text_size;
    memcpy(table->text + at, word, size);
    table->text_size += size;
    return at;
}

void table_add(struct table *table, const char *word, size_t size, uint32_t hash, uint64_t count)
{
    struct word *slot = table_slot(table, word, size, hash);
    table->words += count;
    if (slot->count != 0) {
        slot->count += count;
        return;
    }
    slot->at = table_store_text(table, word, size);
    slot->size = (uint32_t)size;
    slot->hash = hash;
    slot->count = count;
    if (++table->used > table->capacity / 2)
        table_grow(table);
}

uint64_t table_count(const struct table *table, const char *word, size_t size, uint32_t hash)
{
    return table_slot(table, word, size, hash)->count;
}

isle_value table_pack(const struct table *table)
{
    size_t words_size = table->used * sizeof(struct word);
    isle_value block =
        isle_transferable(sizeof(struct packed_head) + words_size + table->text_size);
    unsigned char *data = isle_transferable_data(block);
    struct packed_head head = {table->used, table->words};
    memcpy(data, &head, sizeof head);
    data += sizeof head;
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i].count == 0)
            continue;
        memcpy(data, &table->slots[i], sizeof(struct word));
        data += sizeof(struct word);
    }
    memcpy(data, table->text, table->text_size);
    return block;
}

struct packed table_unpack(isle_value bytes)
{
    size_t size;
    const struct packed_head *head = isle_as_bytes(bytes, &size);
    const struct word *words = (const struct word *)(head + 1);
    return (struct packed){
        .words = words,
        .text = (const char *)(words + head->used),
        .used = (size_t)head->used,
        .total = head->total,
    };
}

size_t utf8_sequence(const unsigned char *text, size_t size)
{
    unsigned char lead = text[0];
    size_t need = lead < 0x80   ? 1
                  : lead < 0xC2 ? 0
                  : lead < 0xE0 ? 2
                  : lead < 0xF0 ? 3
                  : lead < 0xF5 ? 4
                                : 0;
    if (need == 0 || need > size)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    if ((lead == 0xE0 && text[1] < 0xA0) || (lead == 0xED && text[1] > 0x9F))
        return 0; /* too long a form, or half of a surrogate pair */
    if ((lead == 0xF0 && text[1] < 0x90) || (lead == 0xF4 && text[1] > 0x8F))
        return 0; /* too long a form, or beyond U+10FFFF */
    return need;
}

size_t utf8_whole(const unsigned char *text, size_t size)
{
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        unsigned char byte = text[size - back];
        if (byte < 0x80)
            return size;
        if (byte >= 0xC0) {
            size_t need = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
            return need > back ? size - back : size;
        }
    }
    return size;
}

/* Whether the character of the sequence, which is not ASCII, belongs to words. */
static bool splitter_is_letter(const unsigned char *text, size_t size)
{
    uint32_t c = size == 2   ? (uint32_t)(text[0] & 0x1F) << 6 | (text[1] & 0x3F)
                 : size == 3 ? (uint32_t)(text[0] & 0x0F) << 12 | (uint32_t)(text[1] & 0x3F) << 6 |
                                   (text[2] & 0x3F)
                             : 0x10000; /* which plane it is in makes no difference here */
    if (c < 0xC0)
        return c == 0xAA || c == 0xB5 || c == 0xBA; /* ª µ º */
    if (c == 0xD7 || c == 0xF7 || c == 0xFEFF || c == 0xFFFD)
        return false;                        /* × ÷, byte order mark, replacement character */
    return !(c >= 0x2000 && c <= 0x206F)     /* dashes, quotes, spaces */
           && !(c >= 0x20A0 && c <= 0x20CF)  /* currencies */
           && !(c >= 0x2190 && c <= 0x2BFF)  /* arrows, operators, boxes, symbols */
           && !(c >= 0x3000 && c <= 0x3004)  /* CJK spaces, commas and stops */
           && !(c >= 0x3008 && c <= 0x3020); /* CJK brackets */
}

static void splitter_close_word(struct splitter *splitter)
{
    if (splitter->size > 0)
        table_add(splitter->table, splitter->word, splitter->size,
                  splitter->hash ^ splitter->hash >> 15, 1);
    splitter->size = 0;
    splitter->hash = 2166136261u;
}

static inline void splitter_push(struct splitter *splitter, unsigned char byte)
{
    splitter->hash = (splitter->hash ^ byte) * 16777619u;
    splitter->word[splitter->size++] = (char)byte;
}

void splitter_begin(struct splitter *splitter, struct table *table, bool utf8)
{
    splitter->table = table;
    splitter->utf8 = utf8;
    splitter->size = 0;
    splitter_close_word(splitter);
}

void splitter_feed(struct splitter *splitter, const unsigned char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        unsigned char folded = text[i] | 0x20;
        size_t step = 1;
        if (splitter->size > WORD_MAX - 4)
            splitter_close_word(splitter);
        if (folded >= 'a' && folded <= 'z') {
            splitter_push(splitter, folded);
        } else if (text[i] < 0x80 || !splitter->utf8 ||
                   (step = utf8_sequence(text + i, size - i)) == 0 ||
                   !splitter_is_letter(text + i, step)) {
            splitter_close_word(splitter);
        } else {
            for (size_t k = 0; k < step; k++)
                splitter_push(splitter, text[i + k]);
        }
        i += step == 0 ? 1 : step;
    }
}

void splitter_end(struct splitter *splitter)
{
    splitter_close_word(splitter);
}
