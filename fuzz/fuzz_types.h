/* SPDX-License-Identifier: Apache-2.0 */
/* A type with every kind of field, so that inputs can name it. With FUZZ_PORTS it has ports in its
 * place, which no plain CBOR takes. */
#ifndef FUZZ_TYPES_H
#define FUZZ_TYPES_H

#include "isle/object.h"

struct part {
    float x;
    int8_t n;
};
static bool part_is_valid(const void *object)
{
    return ((const struct part *)object)->n != 1;
}
ISLE_TYPE_WITH(part_type, struct part, (1, false, part_is_valid, NULL), ISLE_FIELD(struct part, x),
               ISLE_FIELD(struct part, n));
struct whole {
    bool flag;
    uint64_t id;
    char name[4];
    char *text;
    struct whole *next;
    struct whole **all;
    int all_count;
    struct part part;
    struct part *parts;
    uint8_t part_count;
    double *numbers;
    int number_count;
    char **texts;
    short text_count;
    isle_value any;
    struct part *own;
    isle_send_port port;
#ifdef FUZZ_PORTS
    isle_send_port ports[2];
#endif
};
#ifdef FUZZ_PORTS
#define FUZZ_MORE , ISLE_FIELD_INLINE(struct whole, ports)
#else
#define FUZZ_MORE
#endif
extern const isle_type whole_type;
ISLE_TYPE(whole_type, struct whole, ISLE_FIELD(struct whole, flag), ISLE_FIELD(struct whole, id),
          ISLE_FIELD_INLINE(struct whole, name), ISLE_FIELD(struct whole, text),
          ISLE_FIELD_OBJECT(struct whole, next, &whole_type),
          ISLE_FIELD_OBJECTS(struct whole, all, all_count, &whole_type),
          ISLE_FIELD_STRUCT(struct whole, part, &part_type),
          ISLE_FIELD_STRUCTS(struct whole, parts, part_count, &part_type),
          ISLE_FIELD_ARRAY(struct whole, numbers, number_count),
          ISLE_FIELD(struct whole, number_count), ISLE_FIELD_ARRAY(struct whole, texts, text_count),
          ISLE_FIELD(struct whole, any), ISLE_FIELD_OWNED(struct whole, own, &part_type),
          ISLE_FIELD(struct whole, port) FUZZ_MORE);

#endif
