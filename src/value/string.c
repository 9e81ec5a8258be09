/* SPDX-License-Identifier: Apache-2.0 */
/* Strings: immutable UTF-8 in one cell, NUL-terminated, with a flag if a NUL lies inside.
 *
 * Law: what is in a string cell is valid UTF-8 by RFC 3629 (no surrogates, no overlong forms,
 * nothing above U+10FFFF). Who makes string cells in another way checks first with
 * isle__utf8_valid. */
#include "value/cell.h"

#include <stdio.h>
#include <string.h>

#define STRING_PRINT_LOCAL 256
#define STRING_SIZE_MAX (SIZE_MAX / 4)

/* Bytes of the valid sequence that begins at `text`, which has at least one byte; 0: none. */
static size_t string_sequence(const unsigned char *text, size_t size)
{
    unsigned char first = text[0], low = 0x80, high = 0xbf;
    size_t length;

    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (size < length)
        return 0;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    if (text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

/* 32 bytes of it, all below 128. */
static inline bool string_block_is_ascii(const unsigned char *text)
{
    uint64_t words[4];

    memcpy(words, text, sizeof(words));
    return ((words[0] | words[1] | words[2] | words[3]) & UINT64_C(0x8080808080808080)) == 0;
}

size_t isle__utf8_valid(const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t at = 0;

    while (at < size) {
        uint64_t word;
        size_t length;

        if (size - at >= 32 && string_block_is_ascii(bytes + at)) {
            at += 32;
            continue;
        }
        if (size - at >= sizeof(word)) {
            memcpy(&word, bytes + at, sizeof(word));
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof(word);
                continue;
            }
        }
        length = string_sequence(bytes + at, size - at);
        if (length == 0)
            return at;
        at += length;
    }
    return at;
}

/* Of eight bytes: STRING_ODD has a bit in it if one of them is 0 or above 127. */
#define STRING_ODD UINT64_C(0x8080808080808080)
static inline uint64_t string_oddity(const char *text)
{
    uint64_t word;

    memcpy(&word, text, sizeof(word));
    return (word - UINT64_C(0x0101010101010101)) | word;
}

/* All bytes are from 1 to 127, as in most texts: it is valid, without a NUL. */
static bool string_is_plain(const char *text, size_t size)
{
    const char *end = text + size;
    uint64_t odd = 0;

    if (size < 8) {
        while (text != end && *text != '\0' && (*text & 0x80) == 0)
            text++;
        return text == end;
    }
    for (; end - text >= 32; text += 32) {
        odd = string_oddity(text) | string_oddity(text + 8) | string_oddity(text + 16) |
              string_oddity(text + 24);
        if ((odd & STRING_ODD) != 0)
            return false;
    }
    for (; end - text >= 8; text += 8)
        odd |= string_oddity(text);
    if (text != end)
        odd |= string_oddity(end - 8);
    return (odd & STRING_ODD) == 0;
}

static void string_need_size(const char *function, size_t size)
{
    if (size > STRING_SIZE_MAX)
        isle__throw(ISLE_ERANGE, "%s: %zu bytes are too many", function, size);
}

static void string_need_utf8(const char *function, const char *text, size_t size)
{
    size_t valid = isle__utf8_valid(text, size);

    if (valid != size)
        isle__throw(ISLE_EMALFORMED, "%s: not UTF-8 at byte %zu", function, valid);
}

/* A cell for `size` bytes in a region; the text is the caller's to fill in. */
static struct isle__string *string_new(struct isle__heap *heap, struct isle__region *region,
                                       size_t size)
{
    struct isle__string *string =
        isle__cell_new(heap, region, ISLE_STRING, isle__string_size(size));

    string->size = size;
    string->hash = 0;
    string->text[size] = '\0';
    return string;
}

isle_value isle__string_in(struct isle__heap *heap, struct isle__region *region,
                           const char *function, const char *text, size_t size)
{
    string_need_size(function, size);
    if (size == 0 || string_is_plain(text, size)) {
        struct isle__string *string = string_new(heap, region, size);
        if (size != 0)
            memcpy(string->text, text, size);
        return isle__value_of(string);
    }
    string_need_utf8(function, text, size);
    return isle__string_of_utf8(heap, region, text, size);
}

isle_value isle__string_of_utf8(struct isle__heap *heap, struct isle__region *region,
                                const char *text, size_t size)
{
    struct isle__string *string = string_new(heap, region, size);

    if (size != 0) {
        memcpy(string->text, text, size);
        if (memchr(text, '\0', size) != NULL)
            string->cell.flags |= ISLE__CELL_NUL;
    }
    return isle__value_of(string);
}

isle_value isle_string(const char *text)
{
    struct isle__heap *heap = isle__heap_need(__func__);

    if (text == NULL)
        isle__throw(ISLE_EINVAL, "%s: text is NULL", __func__);
    return isle__string_in(heap, &isle__scope_current(heap)->region, __func__, text, strlen(text));
}

isle_value isle_string_sized(const char *text, size_t size)
{
    struct isle__heap *heap = isle__heap_need(__func__);

    if (text == NULL && size != 0)
        isle__throw(ISLE_EINVAL, "%s: text is NULL", __func__);
    return isle__string_in(heap, &isle__scope_current(heap)->region, __func__, text, size);
}

/* The text in a cell of its own: what did not fit in isle_stringf's buffer. */
static ISLE_PRINTF(4, 0) isle_value string_print(struct isle__heap *heap, const char *function,
                                                 size_t size, const char *format, va_list arguments)
{
    struct isle__region *region = &isle__scope_current(heap)->region;
    struct isle__string *string = string_new(heap, region, size);

    vsnprintf(string->text, size + 1, format, arguments);
    string_need_utf8(function, string->text, size);
    if (memchr(string->text, '\0', size) != NULL)
        string->cell.flags |= ISLE__CELL_NUL;
    return isle__value_of(string);
}

isle_value isle_stringf(const char *format, ...)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    char local[STRING_PRINT_LOCAL];
    va_list arguments;
    isle_value value;
    int size;

    if (format == NULL)
        isle__throw(ISLE_EINVAL, "%s: format is NULL", __func__);
    va_start(arguments, format);
    size = vsnprintf(local, sizeof(local), format, arguments);
    va_end(arguments);
    if (size < 0)
        isle__throw(ISLE_ERANGE, "%s: the format failed or its text is too long", __func__);
    if ((size_t)size < sizeof(local))
        return isle__string_in(heap, &isle__scope_current(heap)->region, __func__, local,
                               (size_t)size);
    va_start(arguments, format);
    value = string_print(heap, __func__, (size_t)size, format, arguments);
    va_end(arguments);
    return value;
}

const char *isle_as_string(isle_value value)
{
    struct isle__string *string;

    (void)isle__heap_need(__func__);
    string = isle__need_kind(__func__, value, ISLE_STRING);
    if ((string->cell.flags & ISLE__CELL_NUL) != 0)
        isle__throw(ISLE_EINVAL, "%s: the string has a NUL inside", __func__);
    return string->text;
}

/* Without a size to tell how far it goes, a text with a NUL inside would be cut in silence. */
bool isle_get_string(isle_value value, const char **ret, size_t *ret_size)
{
    struct isle__string *string;

    if (isle_kind_of(value) != ISLE_STRING || ret == NULL)
        return false;
    string = (struct isle__string *)isle__cell_of(isle__resolve(value));
    if (ret_size == NULL && (string->cell.flags & ISLE__CELL_NUL) != 0)
        return false;
    *ret = string->text;
    if (ret_size != NULL)
        *ret_size = string->size;
    return true;
}
