/* SPDX-License-Identifier: Apache-2.0 */
/* The values that need no memory in most cases: null, bool, int, double, ports, capabilities,
 * functions, pointers, and isolate handles, which are a small cell. Also what every kind shares:
 * asking for the kind, and insisting on it.
 *
 * Law: whatever fits in 61 bits lies in the value itself; an int or double that does not is boxed
 * in the current scope. The program cannot tell: isle_identical compares boxes by what they hold.
 */
#include "value/cell.h"

#include <inttypes.h>
#include <string.h>

#define SCALAR_INT_MAX ((INT64_C(1) << 60) - 1)
#define SCALAR_INT_MIN (-(INT64_C(1) << 60))
#define SCALAR_EXACT_MAX (INT64_C(1) << 53) /* every int up to it is a double */

static isle_value scalar_make(uint64_t payload, enum isle__tag tag)
{
    isle_value value = {(payload << 3) | (uint64_t)tag};
    return value;
}

static uint64_t scalar_payload(isle_value value)
{
    return value.bits >> 3;
}

/* The payload with the sign of its 61 bits. */
static int64_t scalar_signed(isle_value value)
{
    return (int64_t)value.bits >> 3;
}

static uint64_t scalar_double_bits(double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof(bits));
    return bits;
}

static double scalar_double_of(uint64_t bits)
{
    double number;

    memcpy(&number, &bits, sizeof(number));
    return number;
}

static struct isle__box *scalar_box(struct isle__heap *heap, isle_kind kind)
{
    struct isle__region *region = &isle__scope_current(heap)->region;

    return isle__cell_new(heap, region, kind, sizeof(struct isle__box));
}

static ISLE__RARE isle_value scalar_boxed_int(struct isle__heap *heap, int64_t value)
{
    struct isle__box *box = scalar_box(heap, ISLE_INT);

    box->as.i = value;
    return isle__value_of(box);
}

static ISLE__RARE int64_t scalar_insist_int(const char *function, isle_value value)
{
    int64_t got;

    if (!isle_get_int(value, &got))
        isle__throw_kind(function, "an int", value);
    return got;
}

const char *isle_err_text(isle_err err)
{
    switch (err) {
#define SCALAR_TEXT(name, number, text)                                                            \
    case ISLE_##name:                                                                              \
        return text;
        ISLE_ERRORS(SCALAR_TEXT)
#undef SCALAR_TEXT
    }
    return "unknown error";
}

const char *isle_err_name(isle_err err)
{
    switch (err) {
#define SCALAR_NAME(name, number, text)                                                            \
    case ISLE_##name:                                                                              \
        return "ISLE_" #name;
        ISLE_ERRORS(SCALAR_NAME)
#undef SCALAR_NAME
    }
    return "ISLE_E?";
}

static const struct {
    const char *name;
    const char *counted; /* as it stands in a sentence */
} scalar_kinds[] = {
    [ISLE_NULL] = {"null", "null"},
    [ISLE_BOOL] = {"bool", "a bool"},
    [ISLE_INT] = {"int", "an int"},
    [ISLE_DOUBLE] = {"double", "a double"},
    [ISLE_STRING] = {"string", "a string"},
    [ISLE_BYTES] = {"bytes", "bytes"},
    [ISLE_LIST] = {"list", "a list"},
    [ISLE_MAP] = {"map", "a map"},
    [ISLE_SET] = {"set", "a set"},
    [ISLE_SEND_PORT] = {"send port", "a send port"},
    [ISLE_CAPABILITY] = {"capability", "a capability"},
    [ISLE_ISOLATE] = {"isolate", "an isolate"},
    [ISLE_ERROR] = {"error", "an error"},
    [ISLE_FUNCTION] = {"function", "a function"},
    [ISLE_OBJECT] = {"object", "an object"},
    [ISLE_TRANSFERABLE] = {"transferable", "a transferable"},
    [ISLE_RESOURCE] = {"resource", "a resource"},
    [ISLE_POINTER] = {"pointer", "a pointer"},
};
#define SCALAR_KIND_COUNT (sizeof(scalar_kinds) / sizeof(scalar_kinds[0]))

const char *isle_kind_name(isle_kind kind)
{
    return (size_t)kind < SCALAR_KIND_COUNT ? scalar_kinds[kind].name : "unknown";
}

const char *isle__kind_counted(isle_kind kind)
{
    return (size_t)kind < SCALAR_KIND_COUNT ? scalar_kinds[kind].counted : "an unknown kind";
}

isle_kind isle_kind_of(isle_value value)
{
    switch (isle__tag_of(value)) {
    case ISLE__TAG_INT:
        return ISLE_INT;
    case ISLE__TAG_CONSTANT:
        return ISLE_BOOL;
    case ISLE__TAG_PORT:
        return ISLE_SEND_PORT;
    case ISLE__TAG_CAPABILITY:
        return ISLE_CAPABILITY;
    case ISLE__TAG_DOUBLE:
        return ISLE_DOUBLE;
    case ISLE__TAG_FUNCTION:
        return ISLE_FUNCTION;
    case ISLE__TAG_POINTER:
        return ISLE_POINTER;
    case ISLE__TAG_CELL:
        break;
    }
    if (value.bits == 0)
        return ISLE_NULL;
    return (isle_kind)isle__cell_of(isle__resolve(value))->kind;
}

void isle__throw_kind(const char *function, const char *expected, isle_value got)
{
    isle__throw(ISLE_ETYPE, "%s: expected %s, got %s", function, expected,
                isle__kind_counted(isle_kind_of(got)));
}

void *isle__need_kind(const char *function, isle_value value, isle_kind kind)
{
    isle_value resolved = isle__resolve(value);

    if (isle__is_immediate(resolved) || isle__cell_of(resolved)->kind != kind)
        isle__throw_kind(function, isle__kind_counted(kind), resolved);
    return isle__cell_of(resolved);
}

void *isle__need_mutable(const char *function, isle_value value, isle_kind kind)
{
    struct isle__cell *cell = isle__need_kind(function, value, kind);
    const char *state = NULL;

    if (isle__is_frozen_cell(cell))
        state = "frozen";
    else if (isle__region_of(cell) != NULL && isle__region_of(cell)->kind == ISLE__REGION_SHOWN)
        state = "only looked at";
    else if ((cell->flags & ISLE__CELL_UNMODIFIABLE) != 0)
        state = "unmodifiable";
    if (state != NULL)
        isle__throw(ISLE_EUNSUPPORTED, "%s: the %s %s %s", function, isle_kind_name(kind),
                    kind == ISLE_BYTES ? "are" : "is", state);
    return cell;
}

bool isle_is_immediate(isle_value value)
{
    return isle__travels_bare(value);
}

isle_value isle_bool(bool value)
{
    isle_value made = {value ? ISLE__TRUE_BITS : ISLE__FALSE_BITS};
    return made;
}

bool isle__small_int(int64_t value, isle_value *ret_value)
{
    if (value < SCALAR_INT_MIN || value > SCALAR_INT_MAX)
        return false;
    *ret_value = scalar_make((uint64_t)value, ISLE__TAG_INT);
    return true;
}

isle_value isle_int(int64_t value)
{
    struct isle__heap *heap = isle__heap_need(__func__);

    if (value >= SCALAR_INT_MIN && value <= SCALAR_INT_MAX)
        return scalar_make((uint64_t)value, ISLE__TAG_INT);
    return scalar_boxed_int(heap, value);
}

isle_value isle_double(double value)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    uint64_t bits = scalar_double_bits(value);
    isle_value made = {bits | (uint64_t)ISLE__TAG_DOUBLE};
    struct isle__box *box;

    if ((bits & ISLE__TAG_MASK) == 0)
        return made;
    box = scalar_box(heap, ISLE_DOUBLE);
    box->as.d = value;
    return isle__value_of(box);
}

isle_value isle_port(isle_send_port port)
{
    return scalar_make(port.id, ISLE__TAG_PORT);
}

isle_value isle_capability_value(isle_capability capability)
{
    return scalar_make(capability.id, ISLE__TAG_CAPABILITY);
}

isle_value isle_isolate_value(isle_isolate isolate)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__region *region = &isle__scope_current(heap)->region;
    struct isle__isolate_cell *cell = isle__cell_new(heap, region, ISLE_ISOLATE, sizeof(*cell));

    cell->isolate = isolate;
    return isle__value_of(cell);
}

/* Addresses of today's systems fit in 61 signed bits; one with a tag in its top byte does not. */
static isle_value scalar_address(const char *function, uintptr_t address, enum isle__tag tag)
{
    int64_t signed_address = (int64_t)(intptr_t)address;

    if (signed_address < SCALAR_INT_MIN || signed_address > SCALAR_INT_MAX)
        isle__throw(ISLE_ERANGE, "%s: the address has more than 61 bits", function);
    return scalar_make((uint64_t)signed_address, tag);
}

isle_value isle_function_value(isle_function *function)
{
    (void)isle__heap_need(__func__);
    if (function == NULL)
        isle__throw(ISLE_EINVAL, "%s: function is NULL", __func__);
    return scalar_address(__func__, (uintptr_t)function, ISLE__TAG_FUNCTION);
}

isle_value isle_pointer(void *pointer)
{
    (void)isle__heap_need(__func__);
    return scalar_address(__func__, (uintptr_t)pointer, ISLE__TAG_POINTER);
}

bool isle_get_bool(isle_value value, bool *ret)
{
    if (isle__tag_of(value) != ISLE__TAG_CONSTANT || ret == NULL)
        return false;
    *ret = value.bits == ISLE__TRUE_BITS;
    return true;
}

bool isle_get_int(isle_value value, int64_t *ret)
{
    if (isle_kind_of(value) != ISLE_INT || ret == NULL)
        return false;
    if (isle__tag_of(value) == ISLE__TAG_INT)
        *ret = scalar_signed(value);
    else
        *ret = ((struct isle__box *)isle__cell_of(isle__resolve(value)))->as.i;
    return true;
}

bool isle_get_double(isle_value value, double *ret)
{
    isle_kind kind = isle_kind_of(value);
    int64_t number;

    if (ret == NULL)
        return false;
    if (kind == ISLE_INT) {
        if (!isle_get_int(value, &number) || number < -SCALAR_EXACT_MAX ||
            number > SCALAR_EXACT_MAX)
            return false;
        *ret = (double)number;
        return true;
    }
    if (kind != ISLE_DOUBLE)
        return false;
    if (isle__tag_of(value) == ISLE__TAG_DOUBLE)
        *ret = scalar_double_of(value.bits & ~(uint64_t)ISLE__TAG_MASK);
    else
        *ret = ((struct isle__box *)isle__cell_of(isle__resolve(value)))->as.d;
    return true;
}

bool isle_get_port(isle_value value, isle_send_port *ret)
{
    if (isle__tag_of(value) != ISLE__TAG_PORT || ret == NULL)
        return false;
    ret->id = scalar_payload(value);
    return true;
}

bool isle_as_bool(isle_value value)
{
    bool got;

    (void)isle__heap_need(__func__);
    if (!isle_get_bool(value, &got))
        isle__throw_kind(__func__, "a bool", value);
    return got;
}

int64_t isle_as_int(isle_value value)
{
    (void)isle__heap_need(__func__);
    if (isle__tag_of(value) == ISLE__TAG_INT)
        return scalar_signed(value);
    return scalar_insist_int(__func__, value);
}

double isle_as_double(isle_value value)
{
    double got;
    int64_t number;

    (void)isle__heap_need(__func__);
    if (isle_get_double(value, &got))
        return got;
    if (isle_get_int(value, &number))
        isle__throw(ISLE_ERANGE, "%s: the int %" PRId64 " is not exact as a double", __func__,
                    number);
    isle__throw_kind(__func__, "a double", value);
}

isle_send_port isle_as_port(isle_value value)
{
    isle_send_port port;

    (void)isle__heap_need(__func__);
    if (!isle_get_port(value, &port))
        isle__throw_kind(__func__, "a send port", value);
    return port;
}

isle_capability isle_as_capability(isle_value value)
{
    isle_capability capability;

    (void)isle__heap_need(__func__);
    if (isle__tag_of(value) != ISLE__TAG_CAPABILITY)
        isle__throw_kind(__func__, "a capability", value);
    capability.id = scalar_payload(value);
    return capability;
}

isle_isolate isle_as_isolate(isle_value value)
{
    (void)isle__heap_need(__func__);
    return ((struct isle__isolate_cell *)isle__need_kind(__func__, value, ISLE_ISOLATE))->isolate;
}

isle_function *isle_as_function(isle_value value)
{
    (void)isle__heap_need(__func__);
    if (isle__tag_of(value) != ISLE__TAG_FUNCTION)
        isle__throw_kind(__func__, "a function", value);
    return (isle_function *)(uintptr_t)scalar_signed(value);
}

void *isle_as_pointer(isle_value value)
{
    (void)isle__heap_need(__func__);
    if (isle__tag_of(value) != ISLE__TAG_POINTER)
        isle__throw_kind(__func__, "a pointer", value);
    return (void *)(uintptr_t)scalar_signed(value);
}
