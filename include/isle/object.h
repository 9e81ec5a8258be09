/* SPDX-License-Identifier: Apache-2.0 */
/* Objects: C structs of a registered type, so that any graph of them can be sent, cyclic ones
 * included. A type lists the fields that travel; the kind of a scalar is taken from the struct
 * itself, so it cannot be wrong. Fields not listed arrive zero. */
#ifndef ISLE_OBJECT_H
#define ISLE_OBJECT_H

#include "base.h"

/* What a field is; chosen by the macros below. */
enum isle_field_kind {
    ISLE_FIELD_KIND_BOOL = 1,
    ISLE_FIELD_KIND_INT,
    ISLE_FIELD_KIND_UINT,
    ISLE_FIELD_KIND_FLOAT,
    ISLE_FIELD_KIND_STRING,
    ISLE_FIELD_KIND_VALUE,
    ISLE_FIELD_KIND_PORT,
    ISLE_FIELD_KIND_OBJECT,
    ISLE_FIELD_KIND_STRUCT,
    ISLE_FIELD_KIND_OWNED
};

typedef struct isle_type isle_type;

/* A field of a type; made by the macros below. */
typedef struct isle_field {
    const char *name;
    const isle_type *type; /* of an object or struct */
    size_t offset;
    size_t size;         /* of one element */
    size_t count;        /* of an inline array, else 1 */
    size_t count_offset; /* of the member that counts a pointed-to array; SIZE_MAX: none */
    size_t count_size;
    int kind;
} isle_field;

/* A registered struct; made by ISLE_TYPE. Its identity is its name across walls, its address within
 * a program. */
struct isle_type {
    const char *name;
    size_t size;
    const isle_field *fields;
    size_t field_count;
    uint32_t version; /* of this layout: 1 */
    bool unsendable;  /* refused in messages (Dart: vm:isolate-unsendable) */
    /* Both may be NULL. Called on an object that was built from bytes (CBOR, a wall), inner
     * pointers included, before anybody sees it; false refuses the message with ISLE_EMALFORMED.
     * Plain: it must not throw. */
    bool (*validate)(const void *object);
    /* The text of an object that was thrown, a string (Dart: toString). One that throws gives
     * "Instance of 'T'". */
    isle_value (*describe)(const void *object);
};

#ifdef __cplusplus
template <class T> struct isle__field;
#define ISLE__FIELD_OF(T, k)                                                                       \
    template <> struct isle__field<T> {                                                            \
        enum { kind = ISLE_FIELD_KIND_##k };                                                       \
    };
ISLE__FIELD_OF(bool, BOOL)
ISLE__FIELD_OF(char, INT)
ISLE__FIELD_OF(signed char, INT)
ISLE__FIELD_OF(unsigned char, UINT)
ISLE__FIELD_OF(short, INT)
ISLE__FIELD_OF(unsigned short, UINT)
ISLE__FIELD_OF(int, INT)
ISLE__FIELD_OF(unsigned, UINT)
ISLE__FIELD_OF(long, INT)
ISLE__FIELD_OF(unsigned long, UINT)
ISLE__FIELD_OF(long long, INT)
ISLE__FIELD_OF(unsigned long long, UINT)
ISLE__FIELD_OF(float, FLOAT)
ISLE__FIELD_OF(double, FLOAT)
ISLE__FIELD_OF(char *, STRING)
ISLE__FIELD_OF(const char *, STRING)
ISLE__FIELD_OF(isle_value, VALUE)
ISLE__FIELD_OF(isle_send_port, PORT)
#undef ISLE__FIELD_OF
template <class T> T isle__rvalue(const T &);
#define ISLE__KIND(expression) isle__field<decltype(isle__rvalue(expression))>::kind
#else
#define ISLE__KIND(expression)                                                                     \
    _Generic((expression),                                                                         \
        bool: ISLE_FIELD_KIND_BOOL, char: ISLE_FIELD_KIND_INT,                                     \
        signed char: ISLE_FIELD_KIND_INT, unsigned char: ISLE_FIELD_KIND_UINT,                     \
        short: ISLE_FIELD_KIND_INT, unsigned short: ISLE_FIELD_KIND_UINT,                          \
        int: ISLE_FIELD_KIND_INT, unsigned: ISLE_FIELD_KIND_UINT, long: ISLE_FIELD_KIND_INT,       \
        unsigned long: ISLE_FIELD_KIND_UINT, long long: ISLE_FIELD_KIND_INT,                       \
        unsigned long long: ISLE_FIELD_KIND_UINT, float: ISLE_FIELD_KIND_FLOAT,                    \
        double: ISLE_FIELD_KIND_FLOAT, char *: ISLE_FIELD_KIND_STRING,                             \
        const char *: ISLE_FIELD_KIND_STRING, isle_value: ISLE_FIELD_KIND_VALUE,                   \
        isle_send_port: ISLE_FIELD_KIND_PORT)
#endif

#define ISLE__MEMBER(T, field) (((T *)0)->field)
#define ISLE__FIELD(T, field, type, size, count, count_offset, count_size, kind)                   \
    {                                                                                              \
#field, type, offsetof(T, field), size, count, count_offset, count_size, kind              \
    }

/* A number, bool, string (char *, NULL allowed), isle_value or isle_send_port. */
#define ISLE_FIELD(T, field)                                                                       \
    ISLE__FIELD(T, field, NULL, sizeof(ISLE__MEMBER(T, field)), 1, SIZE_MAX, 0,                    \
                ISLE__KIND(ISLE__MEMBER(T, field)))
/* A fixed array of such. */
#define ISLE_FIELD_INLINE(T, field)                                                                \
    ISLE__FIELD(T, field, NULL, sizeof(ISLE__MEMBER(T, field)[0]),                                 \
                sizeof(ISLE__MEMBER(T, field)) / sizeof(ISLE__MEMBER(T, field)[0]), SIZE_MAX, 0,   \
                ISLE__KIND(ISLE__MEMBER(T, field)[0]))
/* A pointer to an array of such, counted by the member `counter`. */
#define ISLE_FIELD_ARRAY(T, field, counter)                                                        \
    ISLE__FIELD(T, field, NULL, sizeof(ISLE__MEMBER(T, field)[0]), 1, offsetof(T, counter),        \
                sizeof(ISLE__MEMBER(T, counter)), ISLE__KIND(ISLE__MEMBER(T, field)[0]))
/* A pointer to an object: NULL, shared and cyclic are fine. */
#define ISLE_FIELD_OBJECT(T, field, type)                                                          \
    ISLE__FIELD(T, field, type, sizeof(ISLE__MEMBER(T, field)[0]), 1, SIZE_MAX, 0,                 \
                ISLE_FIELD_KIND_OBJECT)
/* A pointer to an array of pointers to objects, counted by `counter`. */
#define ISLE_FIELD_OBJECTS(T, field, counter, type)                                                \
    ISLE__FIELD(T, field, type, sizeof(ISLE__MEMBER(T, field)[0][0]), 1, offsetof(T, counter),     \
                sizeof(ISLE__MEMBER(T, counter)), ISLE_FIELD_KIND_OBJECT)
/* A pointer to an object that only this field refers to: a tree, copied without the bookkeeping of
 * identity. If two fields lead to one object, it arrives twice; a cycle of such fields throws
 * ISLE_ERANGE when it has passed 1,000,000 levels. */
#define ISLE_FIELD_OWNED(T, field, type)                                                           \
    ISLE__FIELD(T, field, type, sizeof(ISLE__MEMBER(T, field)[0]), 1, SIZE_MAX, 0,                 \
                ISLE_FIELD_KIND_OWNED)
/* A struct inside this one, and a pointer to an array of structs. */
#define ISLE_FIELD_STRUCT(T, field, type)                                                          \
    ISLE__FIELD(T, field, type, sizeof(ISLE__MEMBER(T, field)), 1, SIZE_MAX, 0,                    \
                ISLE_FIELD_KIND_STRUCT)
#define ISLE_FIELD_STRUCTS(T, field, counter, type)                                                \
    ISLE__FIELD(T, field, type, sizeof(ISLE__MEMBER(T, field)[0]), 1, offsetof(T, counter),        \
                sizeof(ISLE__MEMBER(T, counter)), ISLE_FIELD_KIND_STRUCT)

/* Defines `const isle_type ident`. Types that refer to each other: say `extern const isle_type
 * other;` first. */
#define ISLE_TYPE(ident, T, ...)                                                                   \
    extern const isle_type ident;                                                                  \
    static const isle_field ident##_isle_fields[] = {__VA_ARGS__};                                 \
    const isle_type ident = {#T,                                                                   \
                             sizeof(T),                                                            \
                             ident##_isle_fields,                                                  \
                             sizeof(ident##_isle_fields) / sizeof(isle_field),                     \
                             1,                                                                    \
                             false,                                                                \
                             NULL,                                                                 \
                             NULL}
/* The same with the members from `version` on given by the caller: ISLE_TYPE_WITH(ident, T, (2,
 * false, is_valid, NULL), fields …). */
#define ISLE__TYPE_REST(version, unsendable, validate, describe)                                   \
    version, unsendable, validate, describe
#define ISLE_TYPE_WITH(ident, T, rest, ...)                                                        \
    extern const isle_type ident;                                                                  \
    static const isle_field ident##_isle_fields[] = {__VA_ARGS__};                                 \
    const isle_type ident = {#T, sizeof(T), ident##_isle_fields,                                   \
                             sizeof(ident##_isle_fields) / sizeof(isle_field),                     \
                             ISLE__TYPE_REST rest}

ISLE_BEGIN

/* Of a type and a struct: both not NULL (ISLE_EINVAL). Borrows *pointer, wherever it lies, as long
 * as the value is used; a send, a keep, and the return from isle_try copy the graph. The same
 * pointer is the same object. */
ISLE_API isle_value isle_object(const isle_type *type, void *pointer);
/* The struct, ready to use, inner pointers included; lives as long as the value. Throws ISLE_ETYPE
 * naming both types. */
ISLE_API void *isle_as_object(isle_value value, const isle_type *type);
ISLE_API const isle_type *isle_object_type(isle_value value);
/* isle_send(port, isle_object(type, pointer)), straight from the struct: no value is made in
 * between. Errors as isle_send. */
ISLE_API void isle_send_object(isle_send_port port, const isle_type *type, const void *pointer);
/* Of the layout (names, kinds, offsets, sizes, nested types) and version; equal on both sides of a
 * wall or the message is refused. 0 for NULL. */
ISLE_API ISLE_ANY_THREAD ISLE_PLAIN uint64_t isle_type_hash(const isle_type *type);
/* Lets decoders (CBOR, a wall) make objects of this type from bytes that name it; types that they
 * reach through a field of another need it not. For the rest of the program, so the type must be
 * static. Once more is fine. ISLE_EINVAL: NULL, or another layout has that name; ISLE_ENOMEM. */
ISLE_API ISLE_ANY_THREAD ISLE_PLAIN ISLE_MUST_CHECK isle_err
isle_type_register(const isle_type *type);

ISLE_END

#endif
