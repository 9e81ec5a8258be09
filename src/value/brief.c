/* SPDX-License-Identifier: Apache-2.0 */
/* Values in a few words, for reports of what may be as large as it likes.
 *
 * Law: nothing is allocated, nothing is thrown, and no more is looked at than is written: the first
 * FEW elements of a container down to DEPTH levels, the first bytes of texts and bytes. So cycles
 * need no bookkeeping. The cells are read as they lie: the caller owns them, whatever heap they are
 * of, or is to them what a receiver is to its mail. */
#include "value/brief.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "value/cell.h"

enum { FEW = 4, DEPTH = 2, TEXT_MOST = 48, BYTES_MOST = 16, NAME_MOST = 64 };

void isle__brief_begin(struct isle__brief *brief, char *text, size_t size)
{
    *brief = (struct isle__brief){text, size, 0};
    text[0] = '\0';
}

static void brief_add(struct isle__brief *brief, const char *text, size_t size)
{
    size_t left = brief->size - 1 - brief->used;
    if (size > left)
        size = left;
    memcpy(brief->text + brief->used, text, size);
    brief->used += size;
    brief->text[brief->used] = '\0';
}

void isle__brief_format(struct isle__brief *brief, const char *format, ...)
{
    size_t left = brief->size - brief->used;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(brief->text + brief->used, left, format, arguments);
    va_end(arguments);
    if (length > 0)
        brief->used += (size_t)length < left ? (size_t)length : left - 1;
}

/* The end of the last whole character of the first `most` bytes. */
static size_t brief_cut(const char *text, size_t size, size_t most)
{
    if (size <= most)
        return size;
    while (most > 0 && ((unsigned char)text[most] & 0xc0) == 0x80)
        most--;
    return most;
}

void isle__brief_text(struct isle__brief *brief, const char *text, size_t size, size_t most)
{
    size_t shown = brief_cut(text, size, most);
    for (size_t at = 0; at < shown; at++) {
        unsigned char byte = (unsigned char)text[at];
        bool is_wide = byte == 0xc2 && at + 1 < shown && (text[at + 1] & 0xe0) == 0x80;
        bool is_control = byte == 0x7f || (byte < ' ' && byte != '\t');
        brief_add(brief, is_wide || is_control ? "?" : text + at, 1);
        at += is_wide;
    }
    if (shown < size)
        isle__brief_format(brief, "…");
}

static size_t brief_character(unsigned char lead)
{
    return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

void isle__brief_end(struct isle__brief *brief)
{
    size_t back = 1;
    while (back < 4 && back < brief->used &&
           ((unsigned char)brief->text[brief->used - back] & 0xc0) == 0x80)
        back++;
    if (brief->used == 0 || brief_character((unsigned char)brief->text[brief->used - back]) <= back)
        return;
    brief->used -= back;
    brief->text[brief->used] = '\0';
}

static void brief_value(struct isle__brief *brief, isle_value value, unsigned depth);

static void brief_string(struct isle__brief *brief, const struct isle__string *string)
{
    isle__brief_format(brief, "\"");
    isle__brief_text(brief, string->text, string->size, TEXT_MOST);
    isle__brief_format(brief, "\"");
    if (string->size > TEXT_MOST)
        isle__brief_format(brief, " (%zu bytes)", string->size);
}

static void brief_bytes(struct isle__brief *brief, const struct isle__bytes *bytes)
{
    const struct isle__store *store = isle__bytes_store(bytes);
    size_t shown = bytes->size < BYTES_MOST ? bytes->size : BYTES_MOST;
    isle__brief_format(brief, "%zu bytes", bytes->size);
    for (size_t at = 0; at < shown; at++)
        isle__brief_format(brief, "%s%02x", at == 0 ? ": " : "", store->data[bytes->offset + at]);
    if (shown < bytes->size)
        isle__brief_format(brief, "…");
}

static void brief_list(struct isle__brief *brief, const struct isle__list *list, unsigned depth)
{
    isle__brief_format(brief, "[");
    for (uint32_t at = 0; at < list->count && at < FEW && depth > 0; at++) {
        isle__brief_format(brief, "%s", at == 0 ? "" : ", ");
        brief_value(brief, list->items[at], depth - 1);
    }
    if (list->count > FEW || (list->count > 0 && depth == 0))
        isle__brief_format(brief, "… (%" PRIu32 " elements)", list->count);
    isle__brief_format(brief, "]");
}

/* Of removed entries few are passed over. */
static void brief_map(struct isle__brief *brief, const struct isle__map *map, unsigned depth,
                      bool is_set)
{
    uint32_t shown = 0;
    isle__brief_format(brief, "{");
    for (uint32_t at = 0; at < map->used && at < 4 * FEW && shown < FEW && depth > 0; at++) {
        const struct isle__entry *entry = &map->entries[at];
        if (!entry->live)
            continue;
        isle__brief_format(brief, "%s", shown++ == 0 ? "" : ", ");
        brief_value(brief, entry->key, depth - 1);
        if (is_set)
            continue;
        isle__brief_format(brief, ": ");
        brief_value(brief, entry->value, depth - 1);
    }
    if (shown < map->count)
        isle__brief_format(brief, "… (%" PRIu32 " elements)", map->count);
    isle__brief_format(brief, "}");
}

static void brief_error(struct isle__brief *brief, const struct isle__error_cell *error)
{
    isle__brief_format(brief, "%s ", isle_err_name((isle_err)error->code));
    if (!isle_is_null(error->text))
        brief_string(brief, (const struct isle__string *)isle__cell_of(isle__resolve(error->text)));
}

static void brief_object(struct isle__brief *brief, const struct isle__object_cell *object)
{
    isle__brief_format(brief, "%.*s of %zu bytes", NAME_MOST, object->type->name,
                       object->type->size);
}

static void brief_cell(struct isle__brief *brief, const struct isle__cell *cell, unsigned depth)
{
    switch (cell->kind) {
    case ISLE_INT:
        isle__brief_format(brief, "%" PRId64, ((const struct isle__box *)cell)->as.i);
        break;
    case ISLE_DOUBLE:
        isle__brief_format(brief, "%g", ((const struct isle__box *)cell)->as.d);
        break;
    case ISLE_STRING:
        brief_string(brief, (const struct isle__string *)cell);
        break;
    case ISLE_BYTES:
        brief_bytes(brief, (const struct isle__bytes *)cell);
        break;
    case ISLE_LIST:
        brief_list(brief, (const struct isle__list *)cell, depth);
        break;
    case ISLE_MAP:
    case ISLE_SET:
        brief_map(brief, (const struct isle__map *)cell, depth, cell->kind == ISLE_SET);
        break;
    case ISLE_ERROR:
        brief_error(brief, (const struct isle__error_cell *)cell);
        break;
    case ISLE_OBJECT:
        brief_object(brief, (const struct isle__object_cell *)(const void *)cell);
        break;
    default:
        isle__brief_format(brief, "%s", isle_kind_name((isle_kind)cell->kind));
        break;
    }
}

static void brief_immediate(struct isle__brief *brief, isle_value value)
{
    isle_kind kind = isle_kind_of(value);
    uint64_t bits = value.bits & ~(uint64_t)ISLE__TAG_MASK;
    double number;
    if (kind == ISLE_BOOL) {
        isle__brief_format(brief, "%s", value.bits == ISLE__TRUE_BITS ? "true" : "false");
    } else if (kind == ISLE_INT) {
        isle__brief_format(brief, "%" PRId64, (int64_t)value.bits >> 3);
    } else if (kind == ISLE_DOUBLE) {
        memcpy(&number, &bits, sizeof number);
        isle__brief_format(brief, "%g", number);
    } else {
        isle__brief_format(brief, "%s", isle_kind_name(kind));
    }
}

static void brief_value(struct isle__brief *brief, isle_value value, unsigned depth)
{
    value = isle__resolve(value);
    if (value.bits == 0 || isle__tag_of(value) != ISLE__TAG_CELL)
        brief_immediate(brief, value);
    else
        brief_cell(brief, isle__cell_of(value), depth);
}

void isle__brief_value(struct isle__brief *brief, isle_value value)
{
    brief_value(brief, value, DEPTH);
}
