/* SPDX-License-Identifier: Apache-2.0 */
/* isle_pack and isle_unpack: a reader of formats and its two users. As in jansson, blanks, commas
 * and colons in a format separate and mean nothing.
 *
 * Law: unpacking writes no variable until the whole value has matched: assignments are noted and
 * carried out at the end. Nesting is limited, so the two may call themselves. */
#include "value/pack.h"

#include <stdarg.h>
#include <string.h>

#include "value/cell.h"

#define PACK_ARGUMENTS_MAX 24
#define PACK_DEPTH_MAX 64
#define PACK_EXACT_MAX (INT64_C(1) << 53) /* every int up to it is a double */

/* What an argument of unpack gets at the end. */
struct pack_assignment {
    const isle_arg *to;
    union {
        bool b;
        int64_t i;
        double d;
        const char *s;
        isle_value v;
        isle_send_port p;
    } as;
};

struct packer {
    const char *function;
    const char *format;
    const char *at;  /* the next character */
    const char *now; /* the one that errors are about */
    const isle_arg *args;
    size_t count, used;
    bool immediate; /* an `o` must be an immediate or frozen */
    unsigned depth;
    struct pack_assignment assignments[PACK_ARGUMENTS_MAX];
    size_t assignment_count;
};

ISLE_NORETURN static void pack_throw(const struct packer *packer, isle_err code, const char *format,
                                     ...) ISLE_PRINTF(3, 4);
static void pack_throw(const struct packer *packer, isle_err code, const char *format, ...)
{
    char what[200];
    va_list list;

    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    isle__throw(code, "%s: at %zu of \"%.80s\"%s: %s", packer->function,
                (size_t)(packer->now - packer->format), packer->format,
                strlen(packer->format) > 80 ? "…" : "", what);
}

/* Steps over separators to the next character; '\0' at the end. */
static char pack_next(struct packer *packer)
{
    while (*packer->at != '\0' && strchr(" \t\r\n,:", *packer->at) != NULL)
        packer->at++;
    packer->now = packer->at;
    return *packer->at != '\0' ? *packer->at++ : '\0';
}

static char pack_peek(struct packer *packer)
{
    char next = pack_next(packer);

    if (next != '\0')
        packer->at--;
    return next;
}

static const char *pack_arg_name(int kind)
{
    static const char *const names[] = {[ISLE_ARG_INT] = "an integer",
                                        [ISLE_ARG_UINT] = "an unsigned integer",
                                        [ISLE_ARG_DOUBLE] = "a number",
                                        [ISLE_ARG_STRING] = "a string",
                                        [ISLE_ARG_VALUE] = "a value",
                                        [ISLE_ARG_PORT] = "a send port",
                                        [ISLE_ARG_TO_BOOL] = "a bool *",
                                        [ISLE_ARG_TO_INT] = "a pointer to an integer",
                                        [ISLE_ARG_TO_UINT] = "a pointer to an unsigned integer",
                                        [ISLE_ARG_TO_DOUBLE] = "a double *",
                                        [ISLE_ARG_TO_STRING] = "a const char **",
                                        [ISLE_ARG_TO_VALUE] = "an isle_value *",
                                        [ISLE_ARG_TO_PORT] = "an isle_send_port *"};

    return kind >= ISLE_ARG_INT && kind <= ISLE_ARG_TO_PORT ? names[kind] : "something else";
}

/* The next argument, which must have one of the two kinds. */
static const isle_arg *pack_argument(struct packer *packer, const char *expected, int kind,
                                     int other)
{
    if (packer->used == packer->count)
        pack_throw(packer, ISLE_EINVAL, "expected %s argument, got none", expected);
    const isle_arg *arg = &packer->args[packer->used++];
    if (arg->kind != kind && arg->kind != other)
        pack_throw(packer, ISLE_ETYPE, "expected %s argument, got %s", expected,
                   pack_arg_name(arg->kind));
    return arg;
}

static const char *pack_text(struct packer *packer, const char *expected)
{
    const char *text = pack_argument(packer, expected, ISLE_ARG_STRING, ISLE_ARG_STRING)->as.s;

    if (text == NULL)
        pack_throw(packer, ISLE_EINVAL, "expected %s argument, got NULL", expected);
    return text;
}

static void pack_enter(struct packer *packer)
{
    if (++packer->depth > PACK_DEPTH_MAX)
        pack_throw(packer, ISLE_EINVAL, "nested more than %d deep", PACK_DEPTH_MAX);
}

ISLE_NORETURN static void pack_bad(const struct packer *packer, char got)
{
    if (got == '\0')
        pack_throw(packer, ISLE_EINVAL, "the format ends too early");
    pack_throw(packer, ISLE_EINVAL, "unexpected character '%c'",
               got >= 0x20 && got < 0x7f ? got : '?');
}

static void pack_end(struct packer *packer)
{
    char next = pack_next(packer);

    if (next != '\0')
        pack_bad(packer, next);
    if (packer->used != packer->count)
        pack_throw(packer, ISLE_EINVAL, "the format takes %zu arguments, got %zu", packer->used,
                   packer->count);
}

static void pack_init(struct packer *packer, const char *function, const isle_arg *args,
                      size_t count, size_t skip)
{
    memset(packer, 0, sizeof *packer);
    packer->function = function;
    if (args == NULL || count <= skip || count > PACK_ARGUMENTS_MAX)
        isle__throw(ISLE_EINVAL, "%s: expected a format and at most %d arguments in all", function,
                    PACK_ARGUMENTS_MAX);
    if (args[skip].kind != ISLE_ARG_STRING)
        isle__throw(ISLE_ETYPE, "%s: expected a format, got %s", function,
                    pack_arg_name(args[skip].kind));
    if (args[skip].as.s == NULL)
        isle__throw(ISLE_EINVAL, "%s: format is NULL", function);
    packer->format = packer->at = packer->now = args[skip].as.s;
    packer->args = args + skip + 1;
    packer->count = count - skip - 1;
}

/* --- pack ---------------------------------------------------------------------------------------
 */

static isle_value pack_value(struct packer *packer, char what);

static isle_value pack_int(struct packer *packer)
{
    const isle_arg *arg = pack_argument(packer, "an integer", ISLE_ARG_INT, ISLE_ARG_UINT);

    if (arg->kind == ISLE_ARG_INT)
        return isle_int(arg->as.i);
    if (arg->as.u > INT64_MAX)
        pack_throw(packer, ISLE_ERANGE, "%llu does not fit in 64 bits with a sign", arg->as.u);
    return isle_int((int64_t)arg->as.u);
}

static isle_value pack_number(struct packer *packer)
{
    if (packer->used < packer->count && packer->args[packer->used].kind == ISLE_ARG_DOUBLE)
        return isle_double(packer->args[packer->used++].as.d);
    const isle_arg *arg = pack_argument(packer, "a number", ISLE_ARG_INT, ISLE_ARG_UINT);
    bool exact = arg->kind == ISLE_ARG_UINT
                     ? arg->as.u <= PACK_EXACT_MAX
                     : arg->as.i >= -PACK_EXACT_MAX && arg->as.i <= PACK_EXACT_MAX;
    if (!exact)
        pack_throw(packer, ISLE_ERANGE, "the integer is not exact as a double");
    return isle_double(arg->kind == ISLE_ARG_UINT ? (double)arg->as.u : (double)arg->as.i);
}

static isle_value pack_any(struct packer *packer)
{
    isle_value value = pack_argument(packer, "a value", ISLE_ARG_VALUE, ISLE_ARG_VALUE)->as.v;

    if (packer->immediate && !isle__is_immediate(value) && !isle_is_frozen(value))
        pack_throw(packer, ISLE_EINVAL, "%s is neither immediate nor frozen",
                   isle__kind_counted(isle_kind_of(value)));
    return value;
}

static isle_value pack_list(struct packer *packer)
{
    isle_value list = isle_list();
    char what;

    pack_enter(packer);
    while ((what = pack_next(packer)) != ']')
        isle_list_add(list, pack_value(packer, what));
    packer->depth--;
    return list;
}

static isle_value pack_key(const char *text)
{
    struct isle__heap *heap = isle__heap_current();
    return isle__key_string(heap, &isle__scope_current(heap)->region, "isle_string", text);
}

static isle_value pack_map(struct packer *packer)
{
    isle_value map = isle_map();
    char what;

    pack_enter(packer);
    while ((what = pack_next(packer)) != '}') {
        if (what != 's')
            pack_bad(packer, what);
        isle_value key = pack_key(pack_text(packer, "a key"));
        if (isle_map_has(map, key))
            pack_throw(packer, ISLE_EINVAL, "the key \"%.40s\" a second time", isle_as_string(key));
        isle_map_put(map, key, pack_value(packer, pack_next(packer)));
    }
    packer->depth--;
    return map;
}

static isle_value pack_value(struct packer *packer, char what)
{
    const isle_arg *arg;

    switch (what) {
    case 'n':
        return isle_null();
    case 'b':
        arg = pack_argument(packer, "a bool", ISLE_ARG_INT, ISLE_ARG_UINT);
        return isle_bool(arg->kind == ISLE_ARG_INT ? arg->as.i != 0 : arg->as.u != 0);
    case 'i':
        return pack_int(packer);
    case 'f':
        return pack_number(packer);
    case 's':
        return isle_string(pack_text(packer, "a string"));
    case 'p':
        return isle_port(pack_argument(packer, "a send port", ISLE_ARG_PORT, ISLE_ARG_PORT)->as.p);
    case 'o':
        return pack_any(packer);
    case '[':
        return pack_list(packer);
    case '{':
        return pack_map(packer);
    default:
        pack_bad(packer, what);
    }
}

isle_value isle__pack_parse(const isle_arg *args, size_t count, size_t skip)
{
    struct packer packer;

    pack_init(&packer, skip == 0 ? "isle_pack" : "isle_post", args, count, skip);
    packer.immediate = skip > 0;
    isle_value value = pack_value(&packer, pack_next(&packer));
    pack_end(&packer);
    return value;
}

isle_value isle__pack(const isle_arg *args, size_t count)
{
    (void)isle__heap_need("isle_pack");
    return isle__pack_parse(args, count, 0);
}

/* --- unpack -------------------------------------------------------------------------------------
 */

static void unpack_value(struct packer *packer, char what, isle_value value, bool skip);

/* The assignment to the next argument, whose variable must have one of the two kinds. */
static struct pack_assignment *unpack_to(struct packer *packer, const char *expected, int kind,
                                         int other)
{
    const isle_arg *arg = pack_argument(packer, expected, kind, other);

    if (arg->as.to == NULL)
        pack_throw(packer, ISLE_EINVAL, "expected %s argument, got NULL", expected);
    struct pack_assignment *assignment = &packer->assignments[packer->assignment_count++];
    assignment->to = arg;
    return assignment;
}

static void unpack_need(struct packer *packer, bool matches, isle_kind expected, isle_value value)
{
    if (!matches)
        pack_throw(packer, ISLE_ETYPE, "expected %s, got %s", isle__kind_counted(expected),
                   isle__kind_counted(isle_kind_of(value)));
}

static void unpack_int(struct packer *packer, isle_value value, bool skip)
{
    struct pack_assignment *assignment =
        unpack_to(packer, "a pointer to an integer", ISLE_ARG_TO_INT, ISLE_ARG_TO_UINT);
    unsigned bits = assignment->to->size * 8;

    if (skip)
        return;
    unpack_need(packer, isle_get_int(value, &assignment->as.i), ISLE_INT, value);
    int64_t got = assignment->as.i;
    bool fits;
    if (assignment->to->kind == ISLE_ARG_TO_UINT)
        fits = got >= 0 && (bits >= 64 || (uint64_t)got >> bits == 0);
    else
        fits = got >= INT64_MIN >> (64 - bits) && got <= INT64_MAX >> (64 - bits);
    if (!fits)
        pack_throw(packer, ISLE_ERANGE, "%lld does not fit in %s%u bits", (long long)got,
                   assignment->to->kind == ISLE_ARG_TO_UINT ? "unsigned " : "", bits);
}

static void unpack_number(struct packer *packer, isle_value value, bool skip)
{
    struct pack_assignment *assignment =
        unpack_to(packer, "a double *", ISLE_ARG_TO_DOUBLE, ISLE_ARG_TO_DOUBLE);

    if (skip || isle_get_double(value, &assignment->as.d))
        return;
    if (isle_kind_of(value) == ISLE_INT)
        pack_throw(packer, ISLE_ERANGE, "the int is not exact as a double");
    unpack_need(packer, false, ISLE_DOUBLE, value);
}

static void unpack_string(struct packer *packer, isle_value value, bool skip)
{
    struct pack_assignment *assignment =
        unpack_to(packer, "a const char **", ISLE_ARG_TO_STRING, ISLE_ARG_TO_STRING);
    size_t size;

    if (skip)
        return;
    unpack_need(packer, isle_get_string(value, &assignment->as.s, &size), ISLE_STRING, value);
    if (memchr(assignment->as.s, '\0', size) != NULL)
        pack_throw(packer, ISLE_ETYPE, "expected a string without a NUL, got one with it");
}

static void unpack_list(struct packer *packer, isle_value list, bool skip)
{
    size_t count = 0;
    size_t at = 0;
    char what;

    if (!skip) {
        unpack_need(packer, isle_kind_of(list) == ISLE_LIST, ISLE_LIST, list);
        count = isle_count(list);
    }
    pack_enter(packer);
    while ((what = pack_next(packer)) != ']') {
        if (what == '!') {
            if (!skip && at != count)
                pack_throw(packer, ISLE_ETYPE, "expected a list of %zu, got one of %zu", at, count);
            what = pack_next(packer);
            if (what != ']')
                pack_bad(packer, what);
            break;
        }
        if (!skip && at >= count)
            pack_throw(packer, ISLE_ETYPE, "expected a list of more than %zu", count);
        unpack_value(packer, what, skip ? isle_null() : isle_list_get(list, at), skip);
        at++;
    }
    packer->depth--;
}

/* One `s:x` or `s?:x`; how many entries of the map it matched. */
static size_t unpack_entry(struct packer *packer, isle_value map, bool skip)
{
    const char *name = pack_text(packer, "a key");
    const char *now = packer->now;
    bool optional = pack_peek(packer) == '?';

    if (optional)
        (void)pack_next(packer);
    isle_value key = pack_key(name);
    bool there = !skip && isle_map_has(map, key);
    if (!there && !optional && !skip) {
        packer->now = now;
        pack_throw(packer, ISLE_ETYPE, "expected the key \"%s\", which is not there", name);
    }
    char what = pack_next(packer);
    unpack_value(packer, what, there ? isle_map_get(map, key) : isle_null(), !there);
    return there ? 1 : 0;
}

static void unpack_map(struct packer *packer, isle_value map, bool skip)
{
    size_t matched = 0;
    char what;

    if (!skip)
        unpack_need(packer, isle_kind_of(map) == ISLE_MAP, ISLE_MAP, map);
    pack_enter(packer);
    while ((what = pack_next(packer)) != '}') {
        if (what == '!') {
            if (!skip && matched != isle_count(map))
                pack_throw(packer, ISLE_ETYPE, "expected a map of %zu, got one of %zu", matched,
                           isle_count(map));
            what = pack_next(packer);
            if (what != '}')
                pack_bad(packer, what);
            break;
        }
        if (what != 's')
            pack_bad(packer, what);
        matched += unpack_entry(packer, map, skip);
    }
    packer->depth--;
}

/* With `skip` the format is read and its arguments are checked, but there is no value: an optional
 * entry that is absent. */
static void unpack_value(struct packer *packer, char what, isle_value value, bool skip)
{
    size_t assignments = packer->assignment_count;
    struct pack_assignment *assignment;

    switch (what) {
    case 'n':
        unpack_need(packer, skip || isle_is_null(value), ISLE_NULL, value);
        break;
    case 'b':
        assignment = unpack_to(packer, "a bool *", ISLE_ARG_TO_BOOL, ISLE_ARG_TO_BOOL);
        unpack_need(packer, skip || isle_get_bool(value, &assignment->as.b), ISLE_BOOL, value);
        break;
    case 'i':
        unpack_int(packer, value, skip);
        break;
    case 'f':
        unpack_number(packer, value, skip);
        break;
    case 's':
        unpack_string(packer, value, skip);
        break;
    case 'p':
        assignment = unpack_to(packer, "an isle_send_port *", ISLE_ARG_TO_PORT, ISLE_ARG_TO_PORT);
        unpack_need(packer, skip || isle_get_port(value, &assignment->as.p), ISLE_SEND_PORT, value);
        break;
    case 'o':
        assignment = unpack_to(packer, "an isle_value *", ISLE_ARG_TO_VALUE, ISLE_ARG_TO_VALUE);
        assignment->as.v = value;
        break;
    case '[':
        unpack_list(packer, value, skip);
        break;
    case '{':
        unpack_map(packer, value, skip);
        break;
    default:
        pack_bad(packer, what);
    }
    if (skip)
        packer->assignment_count = assignments;
}

static void unpack_assign_int(const struct pack_assignment *assignment)
{
    void *to = assignment->to->as.to;
    int i = (int)assignment->as.i;
    unsigned u = (unsigned)assignment->as.i;

    if (assignment->to->size == sizeof assignment->as.i)
        memcpy(to, &assignment->as.i, sizeof assignment->as.i);
    else if (assignment->to->kind == ISLE_ARG_TO_INT)
        memcpy(to, &i, sizeof i);
    else
        memcpy(to, &u, sizeof u);
}

static void unpack_assign(const struct pack_assignment *assignment)
{
    void *to = assignment->to->as.to;

    switch (assignment->to->kind) {
    case ISLE_ARG_TO_BOOL:
        *(bool *)to = assignment->as.b;
        break;
    case ISLE_ARG_TO_DOUBLE:
        *(double *)to = assignment->as.d;
        break;
    case ISLE_ARG_TO_STRING:
        *(const char **)to = assignment->as.s;
        break;
    case ISLE_ARG_TO_VALUE:
        *(isle_value *)to = assignment->as.v;
        break;
    case ISLE_ARG_TO_PORT:
        *(isle_send_port *)to = assignment->as.p;
        break;
    default:
        unpack_assign_int(assignment);
        break;
    }
}

struct unpack_call {
    const char *function;
    const isle_arg *args;
    size_t count;
};

static void unpack_run(void *argument)
{
    const struct unpack_call *call = argument;
    struct packer packer;

    pack_init(&packer, call->function, call->args, call->count, 1);
    if (call->args[0].kind != ISLE_ARG_VALUE)
        isle__throw(ISLE_ETYPE, "%s: expected a value, got %s", call->function,
                    pack_arg_name(call->args[0].kind));
    unpack_value(&packer, pack_next(&packer), call->args[0].as.v, false);
    pack_end(&packer);
    for (size_t i = 0; i < packer.assignment_count; i++)
        unpack_assign(&packer.assignments[i]);
}

void isle__unpack(const isle_arg *args, size_t count)
{
    struct unpack_call call = {"isle_unpack", args, count};

    (void)isle__heap_need(call.function);
    unpack_run(&call);
}

isle_err isle__try_unpack(const isle_arg *args, size_t count)
{
    struct unpack_call call = {"isle_try_unpack", args, count};
    struct isle__heap *heap;
    struct isle__catch catch;

    isle_err err = isle__heap_ask(&heap);
    if (err != ISLE_OK)
        return err;
    if (isle__catch_do(heap, &catch, ISLE__CATCH_TRY, unpack_run, &call) == ISLE__UNWIND_NONE)
        return ISLE_OK;
    return isle__fail_with(catch.error);
}
