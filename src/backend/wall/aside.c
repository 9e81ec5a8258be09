/* SPDX-License-Identifier: Apache-2.0 */
/* Large bytes beside a message, not in it (ISLE__RECORD_ASIDE). Going out they lie where the sender
 * has them until they are in the ring; coming in they stay where the record was put together, which
 * becomes their own memory. So bytes cross by two copies, into the ring and out of it.
 *
 * The record: its head, then `u32` size of the message and `u32` 0, the message, and each of the
 * bytes from the next multiple of 16 on, counted from the record's begin. The last ends it.
 *
 * Frozen bytes that cross more than once go into an isolate as memory files instead, which it maps:
 * memory that it does not have yet costs more than the mapping. Never out of one, since what it
 * could still write to would have to be copied, and what it could seal would be memory that its
 * limit does not count. What a file keeps in memory is not counted for an isolate either, so those
 * that it gets in all are no more than its limit; and it may lack a descriptor for one, so who has
 * been given others gets none.
 *
 * Law: a record's memory is kept as a whole, so what keeps it is at least half of it; the rest is
 * copied out. Each of the bytes is given to one value alone, in their order. */
#include <string.h>

#include "backend/wall/wall.h"
#include "core/mail.h"

enum { FRONT = ISLE__RECORD_FRONT, FILE_MIN = 1 << 20 };

static size_t aside_round(size_t at)
{
    return (at + 15) & ~(size_t)15;
}

/* --- out */

/* At most one a record. */
static bool aside_file(struct isle__wall *wall, const void *data, size_t size,
                       struct isle__frozen *frozen, struct isle__wire_aside *ret_aside)
{
    if (frozen == NULL || size < FILE_MIN || size > wall->files_left || wall->asides.no_file ||
        wall->gave_descriptors || wall->descriptor_count != 0)
        return false;
    int fd = isle__frozen_file(frozen, data, size), copy = -1;
    if (fd >= 0)
        copy = isle__fd_duplicate(fd);
    if (copy < 0)
        return false;
    wall->descriptors[wall->descriptor_count++] = copy;
    wall->asides.file_size = size;
    *ret_aside = (struct isle__wire_aside){.is_file = true};
    return true;
}

static isle_err aside_out(void *context, const void *data, size_t size, struct isle__frozen *frozen,
                          struct isle__wire_aside *ret_aside)
{
    struct isle__wall_asides *asides = &((struct isle__wall *)context)->asides;
    if (aside_file(context, data, size, frozen, ret_aside))
        return ISLE_OK;
    if (asides->count == ISLE__WALL_ASIDES || size > ISLE__WALL_RECORD_MAX - asides->size)
        return ISLE_EFULL;
    asides->bytes[asides->count] = (struct isle__channel_part){data, size};
    *ret_aside = (struct isle__wire_aside){.index = (uint32_t)asides->count++};
    asides->size += size;
    return ISLE_OK;
}

void isle__wall_asides_open(struct isle__wall *wall)
{
    wall->wire.aside_out = aside_out;
}

bool isle__wall_asides_close(struct isle__wall *wall)
{
    wall->wire.aside_out = NULL;
    return isle__wall_has_asides(wall);
}

void isle__wall_asides_clear(struct isle__wall *wall)
{
    struct isle__mail *mail = wall->asides.mail;
    wall->asides.count = wall->asides.size = 0;
    wall->asides.file_size = 0;
    wall->asides.rest = (struct isle__channel_part){NULL, 0};
    wall->asides.mail = NULL;
    if (mail != NULL)
        isle__mail_drop(mail);
}

size_t isle__wall_asides_layout(struct isle__wall *wall)
{
    static const uint8_t zeros[16];
    struct isle__wall_asides *asides = &wall->asides;
    struct isle__channel_part *part = asides->parts;
    size_t at = ISLE__RECORD_HEAD + FRONT + wall->body.size;
    isle__record_front_write(wall->body.size, asides->front);
    *part++ = (struct isle__channel_part){wall->head, ISLE__RECORD_HEAD};
    *part++ = (struct isle__channel_part){asides->front, FRONT};
    *part++ = (struct isle__channel_part){wall->body.data, wall->body.size};
    for (size_t i = 0; i < asides->count; i++) {
        *part++ = (struct isle__channel_part){zeros, aside_round(at) - at};
        *part++ = asides->bytes[i];
        at = aside_round(at) + asides->bytes[i].size;
    }
    return at - ISLE__RECORD_HEAD;
}

enum isle__channel_state isle__wall_asides_put(struct isle__wall *wall)
{
    return isle__channel_put_parts(wall->channel, wall->asides.parts, 3 + 2 * wall->asides.count);
}

/* --- in */

/* The memory of a record, which its bytes keep. */
struct aside_memory {
    struct isle__shared shared; /* first */
    void *memory;
    size_t capacity;
};

static void aside_memory_destroy(struct isle__shared *shared)
{
    struct aside_memory *kept = (struct aside_memory *)shared;
    isle__memory_free(kept->memory, kept->capacity);
    isle__memory_free(kept, sizeof *kept);
}

/* NULL: out of memory. */
static struct isle__shared *aside_keep(struct isle__wall_record *record)
{
    struct aside_memory *kept = isle__memory_alloc(sizeof *kept);
    if (kept == NULL)
        return NULL;
    *kept = (struct aside_memory){.memory = record->owned, .capacity = record->capacity};
    atomic_init(&kept->shared.references, 1);
    kept->shared.size = record->capacity;
    kept->shared.destroy = aside_memory_destroy;
    return &kept->shared;
}

/* A file that is mapped. */
struct aside_map {
    struct isle__shared shared; /* first */
    void *memory;
    size_t size;
};

static void aside_map_destroy(struct isle__shared *shared)
{
    struct aside_map *map = (struct aside_map *)shared;
    isle__shared_unmap(map->memory, map->size);
    isle__memory_free(map, sizeof *map);
}

/* The outside has made and sealed it. */
static isle_err aside_map(struct isle__wall *wall, uint32_t index, size_t size, uint8_t **ret_data,
                          struct isle__shared **ret_under)
{
    if (wall->ops != NULL || index >= wall->descriptor_count)
        return ISLE_EMALFORMED;
    int fd = wall->descriptors[index];
    if (fd < 0)
        return ISLE_ESYSTEM;
    struct aside_map *map = isle__memory_alloc(sizeof *map);
    if (map == NULL || isle__shared_read(fd, size, &map->memory) != ISLE_OK) {
        isle__memory_free(map, sizeof *map);
        return ISLE_ENOMEM;
    }
    isle__fd_close(fd);
    wall->descriptors[index] = -1;
    atomic_init(&map->shared.references, 1);
    map->shared.size = map->size = size;
    map->shared.destroy = aside_map_destroy;
    *ret_data = map->memory;
    *ret_under = &map->shared;
    return ISLE_OK;
}

/* In the record's own memory, if they are most of it. */
static isle_err aside_stay(struct isle__wall_record *record, uint8_t *data, uint8_t **ret_data,
                           struct isle__shared **ret_under)
{
    if (record->kept == NULL)
        record->kept = aside_keep(record);
    if (record->kept == NULL)
        return ISLE_ENOMEM;
    isle__shared_ref(record->kept);
    *ret_under = record->kept;
    *ret_data = data;
    return ISLE_OK;
}

static isle_err aside_copy(const uint8_t *data, size_t size, uint8_t **ret_data,
                           struct isle__shared **ret_under)
{
    uint8_t *copy = isle__memory_alloc(size);
    if (copy == NULL)
        return ISLE_ENOMEM;
    memcpy(copy, data, size);
    *ret_data = copy;
    *ret_under = NULL;
    return ISLE_OK;
}

static isle_err aside_in(void *context, const struct isle__wire_aside *aside, size_t size,
                         uint8_t **ret_data, struct isle__shared **ret_under)
{
    struct isle__wall_record *record = &((struct isle__wall *)context)->taken_record;
    size_t at = aside_round(record->at);
    if (aside->is_file)
        return aside_map(context, aside->index, size, ret_data, ret_under);
    if (aside->index != record->next || at > record->size || size > record->size - at)
        return ISLE_EMALFORMED;
    record->next++;
    record->at = at + size;
    uint8_t *data = record->bytes + at;
    return record->owned != NULL && size >= record->size / 2
               ? aside_stay(record, data, ret_data, ret_under)
               : aside_copy(data, size, ret_data, ret_under);
}

bool isle__wall_aside_begin(struct isle__wall *wall, struct isle__record_head *head, uint8_t *bytes,
                            void *owned, size_t capacity)
{
    struct isle__wall_record *record = &wall->taken_record;
    struct isle__reader reader = {bytes + ISLE__RECORD_HEAD, head->length, false};
    size_t message = (size_t)isle__read_number(&reader, 4);
    if (isle__read_number(&reader, 4) != 0 || reader.malformed || message > reader.left)
        return false;
    *record = (struct isle__wall_record){
        .bytes = bytes,
        .size = ISLE__RECORD_HEAD + (size_t)head->length,
        .at = ISLE__RECORD_HEAD + FRONT + message,
        .owned = owned,
        .capacity = capacity,
    };
    head->length = (uint32_t)message;
    wall->wire.aside_in = aside_in;
    return true;
}

size_t isle__wall_aside_size(const struct isle__wall *wall)
{
    return wall->taken_record.size;
}

bool isle__wall_aside_is_used_up(const struct isle__wall *wall)
{
    return wall->taken_record.at == wall->taken_record.size;
}

bool isle__wall_aside_end(struct isle__wall *wall)
{
    struct isle__shared *kept = wall->taken_record.kept;
    wall->taken_record = (struct isle__wall_record){0};
    wall->wire.aside_in = NULL;
    isle__shared_unref(kept);
    return kept != NULL;
}
