/* SPDX-License-Identifier: Apache-2.0 */
/* JSON for people, on one line: always valid, the same for the same graph (no addresses), for
 * graphs of any depth.
 *
 *   null, bool, int, string, list    themselves
 *   double       with a point or an exponent; {"$double": "NaN"}, "Infinity", "-Infinity"
 *   map          {"key": value} if every key is a string that does not begin with $, else
 *                {"$map": [[key, value]]}
 *   set          {"$set": [element]}
 *   object       {"$object": "type", "field": value}; a struct inside it {"field": value}
 *   bytes        {"$bytes": "00ff", "size": 2}, {"$i16": [1, 2], "count": 2}: the first 64 of them
 *   error        {"$error": "text", "code": "ISLE_ETYPE", "stack": "…"}
 *   handles      {"$port": "1f"}, {"$capability": "1f"}, {"$isolate": "1f"}: ids in hexadecimal;
 *                {"$function": true}, {"$pointer": true}
 *   met again    {"$id": 0, …} at the first place ({"$id": 0, "$list": […]} for a list) and
 *                {"$ref": 0} at the others */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "value/walk.h"

#define JSON_SAMPLE 64

/* How a container is written: what closes it. */
enum json_form { JSON_LIST, JSON_WRAPPED_LIST, JSON_MAP, JSON_PAIRS };

static void json_string(struct isle__buffer *out, const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + size;
    const unsigned char *plain = at;

    isle__buffer_text(out, "\"");
    for (; at < end; at++) {
        bool c1 = *at == 0xc2 && at + 1 < end && at[1] < 0xa0; /* control characters of terminals */
        if (*at >= 0x20 && *at != '"' && *at != '\\' && *at != 0x7f && !c1)
            continue;
        isle__buffer_add(out, plain, (size_t)(at - plain));
        if (*at == '"' || *at == '\\')
            isle__buffer_format(out, "\\%c", *at);
        else if (*at == '\n')
            isle__buffer_text(out, "\\n");
        else if (*at == '\t')
            isle__buffer_text(out, "\\t");
        else
            isle__buffer_format(out, "\\u%04x", (unsigned)(c1 ? *++at : *at));
        plain = at + 1;
    }
    isle__buffer_add(out, plain, (size_t)(end - plain));
    isle__buffer_text(out, "\"");
}

/* The fewest digits that read back the same. The locale's decimal point, whatever it is, becomes a
 * point. */
static void json_double(struct isle__buffer *out, double value)
{
    char text[64];
    char clean[64];
    size_t size = 0;
    bool mark = false;

    if (isnan(value) || isinf(value)) {
        isle__buffer_format(out, "{\"$double\": \"%s\"}",
                            isnan(value) ? "NaN"
                            : value > 0  ? "Infinity"
                                         : "-Infinity");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        double again = strtod(text, NULL);
        if (!(again < value) && !(again > value))
            break;
    }
    for (const char *at = text; *at != '\0'; at++) {
        if (strchr("0123456789+-e", *at) != NULL) {
            mark = mark || *at == 'e';
            clean[size++] = *at;
        } else if (size == 0 || clean[size - 1] != '.') {
            mark = true;
            clean[size++] = '.';
        }
    }
    isle__buffer_add(out, clean, size);
    if (!mark)
        isle__buffer_text(out, ".0");
}

static void json_number(struct isle__buffer *out, const isle_field *field, const void *data)
{
    if (field->kind == ISLE_FIELD_KIND_FLOAT)
        json_double(out, isle__field_float(data, field->size));
    else if (field->kind == ISLE_FIELD_KIND_UINT)
        isle__buffer_format(out, "%" PRIu64, isle__field_uint(data, field->size));
    else
        isle__buffer_format(out, "%" PRId64, isle__field_int(data, field->size));
}

static void json_bytes(struct isle__buffer *out, const struct isle__bytes *bytes)
{
    static const char *const names[] = {
        [ISLE_U8] = "u8",   [ISLE_I8] = "i8",   [ISLE_U16] = "u16", [ISLE_I16] = "i16",
        [ISLE_U32] = "u32", [ISLE_I32] = "i32", [ISLE_U64] = "u64", [ISLE_I64] = "i64",
        [ISLE_F32] = "f32", [ISLE_F64] = "f64"};
    const struct isle__store *store =
        (struct isle__store *)isle__cell_of(isle__resolve(isle__value_of(bytes->store)));
    isle_element element = (isle_element)bytes->cell.element;
    size_t width = isle__element_width(element);
    size_t count = bytes->size / width;
    isle_field field = {.size = width, .kind = ISLE_FIELD_KIND_FLOAT};

    if (element != ISLE_F32 && element != ISLE_F64)
        field.kind = element % 2 == 1 ? ISLE_FIELD_KIND_INT : ISLE_FIELD_KIND_UINT;
    isle__buffer_format(out, element == ISLE_U8 ? "{\"$bytes\": \"" : "{\"$%s\": [",
                        names[element]);
    for (size_t i = 0; i < count && i < JSON_SAMPLE; i++) {
        const uint8_t *data = store->data + bytes->offset + i * width;
        if (element == ISLE_U8) {
            isle__buffer_format(out, "%02x", *data);
            continue;
        }
        if (i > 0)
            isle__buffer_text(out, ", ");
        json_number(out, &field, data);
    }
    if (element == ISLE_U8)
        isle__buffer_format(out, "%s\", \"size\": %zu}", count > JSON_SAMPLE ? "…" : "", count);
    else
        isle__buffer_format(out, "], \"count\": %zu}", count);
}

static void json_text_or_null(struct isle__buffer *out, isle_value value)
{
    const char *text;
    size_t size;

    if (isle_get_string(value, &text, &size))
        json_string(out, text, size);
    else
        isle__buffer_text(out, "null");
}

static void json_error(struct isle__buffer *out, const struct isle__error_cell *error)
{
    isle__buffer_text(out, "{\"$error\": ");
    json_text_or_null(out, error->text);
    isle__buffer_format(out, ", \"code\": \"%s\"", isle_err_name((isle_err)error->code));
    if (!isle_is_null(error->stack)) {
        isle__buffer_text(out, ", \"stack\": ");
        json_text_or_null(out, error->stack);
    }
    isle__buffer_text(out, "}");
}

static void json_id(struct isle__buffer *out, const char *name, uint64_t id)
{
    isle__buffer_format(out, "{\"$%s\": \"%" PRIx64 "\"}", name, id);
}

static void json_handle(struct isle__buffer *out, isle_kind kind, isle_value value)
{
    isle_send_port port = {0};
    const struct isle__cell *cell;

    switch ((int)kind) {
    case ISLE_SEND_PORT:
        (void)!isle_get_port(value, &port);
        json_id(out, "port", port.id);
        break;
    case ISLE_CAPABILITY:
        json_id(out, "capability", value.bits >> 3);
        break;
    case ISLE_ISOLATE:
        cell = isle__cell_of(value);
        json_id(out, "isolate", ((const struct isle__isolate_cell *)cell)->isolate.control_port.id);
        break;
    case ISLE_TRANSFERABLE: {
        cell = isle__cell_of(value);
        const struct isle__transfer *transfer =
            ((const struct isle__transferable_cell *)cell)->transfer;
        if (transfer == NULL)
            isle__buffer_text(out, "{\"$transferable\": null}");
        else
            isle__buffer_format(out, "{\"$transferable\": %zu}", transfer->size);
        break;
    }
    default:
        isle__buffer_format(out, "{\"$%s\": true}", isle_kind_name(kind));
        break;
    }
}

static void json_value(struct isle__buffer *out, isle_kind kind, isle_value value)
{
    bool truth = false;
    int64_t integer = 0;
    double number = 0;

    switch ((int)kind) {
    case ISLE_NULL:
    case ISLE_STRING:
        json_text_or_null(out, value);
        break;
    case ISLE_BOOL:
        (void)!isle_get_bool(value, &truth);
        isle__buffer_text(out, truth ? "true" : "false");
        break;
    case ISLE_INT:
        (void)!isle_get_int(value, &integer);
        isle__buffer_format(out, "%" PRId64, integer);
        break;
    case ISLE_DOUBLE:
        (void)!isle_get_double(value, &number);
        json_double(out, number);
        break;
    case ISLE_BYTES:
        json_bytes(out, (struct isle__bytes *)isle__cell_of(value));
        break;
    case ISLE_ERROR:
        json_error(out, (struct isle__error_cell *)isle__cell_of(value));
        break;
    default:
        json_handle(out, kind, value);
        break;
    }
}

/* The program's text may be anything; what is not UTF-8 must not make the JSON invalid. */
static void json_field_text(struct isle__buffer *out, const char *text)
{
    size_t size = text != NULL ? strlen(text) : 0;

    if (text == NULL)
        isle__buffer_text(out, "null");
    else if (isle__utf8_valid(text, size) == size)
        json_string(out, text, size);
    else
        isle__buffer_format(out, "{\"$malformed\": %zu}", size);
}

static void json_field(struct isle__buffer *out, const isle_field *field, const void *data)
{
    const char *text;
    isle_send_port port;

    switch (field->kind) {
    case ISLE_FIELD_KIND_BOOL:
        isle__buffer_text(out, isle__field_uint(data, field->size) != 0 ? "true" : "false");
        break;
    case ISLE_FIELD_KIND_STRING:
        memcpy(&text, data, sizeof text);
        json_field_text(out, text);
        break;
    case ISLE_FIELD_KIND_PORT:
        memcpy(&port, data, sizeof port);
        json_id(out, "port", port.id);
        break;
    default:
        json_number(out, field, data);
        break;
    }
}

static isle_err json_leaf(struct isle__walk *walk, const struct isle__node *node, int64_t number)
{
    (void)number;
    if (node->kind == ISLE__NODE_VALUE) {
        json_value(&walk->out, node->value_kind, node->value);
    } else if (node->kind == ISLE__NODE_SCALAR) {
        json_field(&walk->out, node->field, node->data);
    } else {
        isle__buffer_text(&walk->out, "[");
        for (size_t i = 0; i < node->count; i++) {
            if (i > 0)
                isle__buffer_text(&walk->out, ", ");
            json_number(&walk->out, node->field,
                        (const uint8_t *)node->data + i * node->field->size);
        }
        isle__buffer_text(&walk->out, "]");
    }
    return ISLE_OK;
}

static bool json_keys_are_names(isle_value value)
{
    const struct isle__map *map = (struct isle__map *)isle__cell_of(value);
    const char *text;

    for (size_t i = 0; i < map->used; i++) {
        if (map->entries[i].live &&
            (!isle_get_string(map->entries[i].key, &text, NULL) || text[0] == '$'))
            return false;
    }
    return true;
}

/* Opens a container under a name, inside an object that may have its number already. */
static void json_wrap(struct isle__buffer *out, int64_t number, const char *text)
{
    isle__buffer_text(out, "{");
    if (number >= 0)
        isle__buffer_format(out, "\"$id\": %" PRId64 ", ", number);
    isle__buffer_text(out, text);
}

static void json_begin_map(struct isle__walk *walk, struct isle__node *node, int64_t number)
{
    if (!json_keys_are_names(node->value)) {
        node->form = JSON_PAIRS;
        json_wrap(&walk->out, number, "\"$map\": [");
        return;
    }
    node->form = JSON_MAP;
    isle__buffer_text(&walk->out, "{");
    if (number >= 0)
        isle__buffer_format(&walk->out, "\"$id\": %" PRId64 "%s", number,
                            node->count > 0 ? ", " : "");
}

static void json_begin_struct(struct isle__walk *walk, struct isle__node *node, int64_t number)
{
    node->form = JSON_MAP;
    if (node->kind == ISLE__NODE_STRUCT) {
        isle__buffer_text(&walk->out, "{");
        return;
    }
    json_wrap(&walk->out, number, "\"$object\": ");
    json_field_text(&walk->out, node->type->name);
    if (node->count > 0)
        isle__buffer_text(&walk->out, ", ");
}

static isle_err json_begin(struct isle__walk *walk, struct isle__node *node, int64_t number)
{
    if (node->kind == ISLE__NODE_OBJECT || node->kind == ISLE__NODE_STRUCT) {
        json_begin_struct(walk, node, number);
    } else if (node->kind == ISLE__NODE_VALUE && node->value_kind == ISLE_MAP) {
        json_begin_map(walk, node, number);
    } else if (node->kind == ISLE__NODE_VALUE && node->value_kind == ISLE_SET) {
        node->form = JSON_WRAPPED_LIST;
        json_wrap(&walk->out, number, "\"$set\": [");
    } else if (number >= 0) {
        node->form = JSON_WRAPPED_LIST;
        json_wrap(&walk->out, number, "\"$list\": [");
    } else {
        node->form = JSON_LIST;
        isle__buffer_text(&walk->out, "[");
    }
    return ISLE_OK;
}

static void json_place(struct isle__walk *walk, const struct isle__frame_of_walk *frame)
{
    bool pairs = frame->node.form == JSON_PAIRS;

    if (frame->role == ISLE__ROLE_ENTRY_VALUE) {
        isle__buffer_text(&walk->out, pairs ? ", " : ": ");
        return;
    }
    if (frame->index > 1)
        isle__buffer_text(&walk->out, pairs ? "], [" : ", ");
    else if (pairs)
        isle__buffer_text(&walk->out, "[");
    if (frame->role == ISLE__ROLE_FIELD) {
        json_field_text(&walk->out, frame->node.type->fields[frame->at - 1].name);
        isle__buffer_text(&walk->out, ": ");
    }
}

static void json_end(struct isle__walk *walk, const struct isle__frame_of_walk *frame)
{
    static const char *const ends[] = {
        [JSON_LIST] = "]", [JSON_WRAPPED_LIST] = "]}", [JSON_MAP] = "}", [JSON_PAIRS] = "]}"};

    if (frame->node.form == JSON_PAIRS && frame->index > 0)
        isle__buffer_text(&walk->out, "]");
    isle__buffer_text(&walk->out, ends[frame->node.form]);
}

static void json_reference(struct isle__walk *walk, int64_t number)
{
    isle__buffer_format(&walk->out, "{\"$ref\": %" PRId64 "}", number);
}

static const struct isle__visitor json_visitor = {
    .place = json_place,
    .leaf = json_leaf,
    .begin = json_begin,
    .end = json_end,
    .reference = json_reference,
};

/* Writes the value to walk->out; throws, with nothing left behind, if that cannot be done. */
static void json_write(const char *function, struct isle__walk *walk, isle_value value)
{
    isle__walk_init(walk, isle__heap_need(function), &json_visitor);
    isle_err err = isle__walk_run(walk, value);
    if (err == ISLE_OK)
        return;
    isle__walk_fini(walk);
    isle__throw(err, "%s: %s", function,
                err == ISLE_ERANGE ? "a field that has no end or no count" : isle_err_text(err));
}

struct json_result {
    const struct isle__buffer *out;
    isle_value string;
};

static void json_make_string(void *argument)
{
    struct json_result *result = argument;

    result->string = isle_string_sized((const char *)result->out->data, result->out->size);
}

isle_value isle_json(isle_value value)
{
    struct isle__walk walk;
    struct isle__catch catch;
    struct json_result result = {&walk.out, {0}};

    json_write(__func__, &walk, value);
    enum isle__unwinding stopped =
        isle__catch_do(walk.out.heap, &catch, ISLE__CATCH_TRY, json_make_string, &result);
    isle__walk_fini(&walk);
    if (stopped != ISLE__UNWIND_NONE)
        isle_throw(catch.error);
    return result.string;
}

void isle_value_print(isle_value value, FILE *file)
{
    struct isle__walk walk;

    if (file == NULL)
        isle__throw(ISLE_EINVAL, "%s: file is NULL", __func__);
    json_write(__func__, &walk, value);
    fwrite(walk.out.data, 1, walk.out.size, file);
    fputc('\n', file);
    isle__walk_fini(&walk);
}
