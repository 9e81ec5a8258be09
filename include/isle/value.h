/* SPDX-License-Identifier: Apache-2.0 */
/* Values. Making one never fails for the caller: out of memory ends the event. isle_as_X insists
 * (throws ISLE_ETYPE with both kinds named); isle_kind asks. A value made or received in an event
 * vanishes with its scope unless kept (scope.h). Containers hold references: cycles and sharing are
 * fine. A change of a frozen or unmodifiable one throws. */
#ifndef ISLE_VALUE_H
#define ISLE_VALUE_H

#include <stdio.h>

#include "base.h"

/* What a value is. */
typedef enum isle_kind {
    ISLE_NULL,
    ISLE_BOOL,
    ISLE_INT,
    ISLE_DOUBLE,
    ISLE_STRING,
    ISLE_BYTES, /* bytes and typed arrays */
    ISLE_LIST,
    ISLE_MAP,
    ISLE_SET,
    ISLE_SEND_PORT,
    ISLE_CAPABILITY,
    ISLE_ISOLATE,
    ISLE_ERROR,
    ISLE_FUNCTION,
    ISLE_OBJECT,
    ISLE_TRANSFERABLE,
    ISLE_RESOURCE,
    ISLE_POINTER /* never sendable */
} isle_kind;

typedef void isle_function(void); /* any function of the program, cast back by who calls it */

ISLE_BEGIN

/* What kind a value is, and a kind's name as error texts have it, static; "unknown" for a number
 * that is no kind. Neither throws. */
ISLE_API ISLE_ANY_THREAD isle_kind isle_kind_of(isle_value value);
ISLE_API ISLE_ANY_THREAD const char *isle_kind_name(isle_kind kind);

/* Make a value of the kind that the name says, in the current scope. A port or capability that is
 * none is a value like any other. */
static inline isle_value isle_null(void)
{
    isle_value null = {0};
    return null;
}
static inline bool isle_is_null(isle_value value)
{
    return value.bits == 0;
}
/* Whether it needs no memory: then it is nobody's, in every isolate, and may lie anywhere for as
 * long as the program likes. Null, bools, ports, capabilities, functions, ints of 61 bits, doubles
 * that allow it; a pointer, which cannot be sent, is not counted in. */
ISLE_API ISLE_ANY_THREAD ISLE_PLAIN bool isle_is_immediate(isle_value value);
ISLE_API ISLE_ANY_THREAD isle_value isle_bool(bool value);
ISLE_API isle_value isle_int(int64_t value);
ISLE_API isle_value isle_double(double value);
ISLE_API ISLE_ANY_THREAD isle_value isle_port(isle_send_port port);
ISLE_API ISLE_ANY_THREAD isle_value isle_capability_value(isle_capability capability);
ISLE_API isle_value isle_isolate_value(isle_isolate isolate);
ISLE_API isle_value
isle_function_value(isle_function *function); /* sendable within one program; NULL: ISLE_EINVAL */
ISLE_API isle_value
isle_pointer(void *pointer); /* for containers of this isolate, NULL included; a receive port or
                                future fits too. ISLE_ERANGE: an address of more than 61 bits */

/* Strings are UTF-8 by RFC 3629 (throws ISLE_EMALFORMED with the byte's number otherwise),
 * immutable, copied in; NUL bytes are allowed in the sized form, where NULL with size 0 is the
 * empty string. ISLE_ERANGE: more than SIZE_MAX / 4 bytes. The format is printf's; it is code,
 * never input. */
ISLE_API isle_value isle_string(const char *text);
ISLE_API isle_value isle_string_sized(const char *text, size_t size);
ISLE_API isle_value isle_stringf(const char *format, ...) ISLE_PRINTF(1, 2);

/* Insist: what the value holds; ISLE_ETYPE if it is of another kind. Pointers in it are borrowed
 * and live as long as the value. */
ISLE_API bool isle_as_bool(isle_value value);
ISLE_API int64_t isle_as_int(isle_value value);
ISLE_API double
isle_as_double(isle_value value); /* takes an int too, up to 2^53 either way; ISLE_ERANGE beyond */
ISLE_API const char *
isle_as_string(isle_value value); /* NUL-terminated, lives as long as the value; ISLE_EINVAL if it
                                     has a NUL inside */
ISLE_API isle_send_port isle_as_port(isle_value value);
ISLE_API isle_capability isle_as_capability(isle_value value);
ISLE_API isle_isolate isle_as_isolate(isle_value value);
ISLE_API isle_function *isle_as_function(isle_value value);
ISLE_API void *isle_as_pointer(isle_value value);

/* The asking forms: true and *ret set if the value has that kind (a double takes an int of up to
 * 2^53 too), else false and nothing changed; false as well if ret is NULL. They never throw, so
 * that they may be used inside callbacks of other libraries. */
ISLE_API ISLE_PLAIN ISLE_MUST_CHECK bool isle_get_bool(isle_value value, bool *ret);
ISLE_API ISLE_PLAIN ISLE_MUST_CHECK bool isle_get_int(isle_value value, int64_t *ret);
ISLE_API ISLE_PLAIN ISLE_MUST_CHECK bool isle_get_double(isle_value value, double *ret);
ISLE_API ISLE_PLAIN ISLE_MUST_CHECK bool
isle_get_string(isle_value value, const char **ret,
                size_t *ret_size); /* ret_size may be NULL: then false if a NUL is inside */
ISLE_API ISLE_PLAIN ISLE_MUST_CHECK bool isle_get_port(isle_value value, isle_send_port *ret);

/* Bytes of a string or of bytes, entries of a list, map or set; ISLE_ETYPE for the other kinds. */
ISLE_API size_t isle_count(isle_value value);

/* Lists. An index out of range, a count above SIZE_MAX / 32, the last of an empty list:
 * ISLE_ERANGE. A throw leaves the list as it was. */
ISLE_API isle_value isle_list(void);
ISLE_API isle_value isle_list_fixed(size_t count); /* nulls; cannot grow */
ISLE_API void isle_list_add(isle_value list,
                            isle_value value); /* ISLE_EUNSUPPORTED on a fixed one */
/* Many at once: a list of fixed length with these values; and `count` entries from `index` on,
 * which are there, read or replaced. What isle_list_write throws of a value leaves those before it
 * written. */
ISLE_API isle_value isle_list_of(const isle_value *values, size_t count);
ISLE_API void isle_list_read(isle_value list, size_t index, size_t count, isle_value *ret_values);
ISLE_API void isle_list_write(isle_value list, size_t index, size_t count,
                              const isle_value *values);
ISLE_API isle_value isle_list_get(isle_value list, size_t index);
ISLE_API void isle_list_set(isle_value list, size_t index, isle_value value);
ISLE_API isle_value isle_list_remove_last(isle_value list);

/* Maps and sets keep insertion order; any value is a key: scalars, strings and isolates by content
 * (1 and 1.0 are one key, NaN is one key), objects by their struct's address, the others by
 * identity. */
ISLE_API isle_value isle_map(void);
ISLE_API void isle_map_put(isle_value map, isle_value key, isle_value value);
ISLE_API isle_value isle_map_get(isle_value map, isle_value key); /* null when absent, as in Dart */
ISLE_API bool isle_map_has(isle_value map, isle_value key);
ISLE_API bool isle_map_remove(isle_value map, isle_value key);
ISLE_API void isle_put(isle_value map, const char *key,
                       isle_value value); /* string keys, the common case */
ISLE_API isle_value isle_get(isle_value map, const char *key);

/* Sets: a map's keys without values, in the order of insertion. */
ISLE_API isle_value isle_set(void);
ISLE_API bool isle_set_add(isle_value set, isle_value value); /* false: was there */
ISLE_API bool isle_set_has(isle_value set, isle_value value);
ISLE_API bool isle_set_remove(isle_value set, isle_value value);

/* Walks a list, map or set in order: `size_t at = 0; while (isle_next(map, &at, &key, &value))`.
 * The key of a list entry is its index, the value of a set entry is null; ret_key and ret_value may
 * be NULL. Entries added on the way are seen, removed ones are not. *at is the library's: begin
 * with 0. */
ISLE_API bool isle_next(isle_value container, size_t *at, isle_value *ret_key,
                        isle_value *ret_value);

/* Same content, cycles included (bisimulation): lists by element, maps and sets by entries whatever
 * their order, objects by fields, doubles as Dart's == (NaN differs from itself, 0.0 equals -0.0, 1
 * equals 1.0). ISLE_ERANGE: keys that nest without end, a struct whose count cannot be one. */
ISLE_API bool isle_equal(isle_value a, isle_value b);
/* The same value: same bits, or one is where the other was moved to. Numbers and strings, which
 * never change, are what they hold. */
ISLE_API ISLE_PLAIN bool isle_identical(isle_value a, isle_value b);

/* JSON for people, as a string, or as a line in a file: what JSON lacks is written as {"$port": …},
 * cycles as {"$ref": …}; not an exchange format. */
ISLE_API isle_value isle_json(isle_value value);
ISLE_API void isle_value_print(isle_value value, FILE *file);

ISLE_END

#endif
