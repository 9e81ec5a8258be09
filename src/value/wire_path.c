/* SPDX-License-Identifier: Apache-2.0 */
/* The text of what a wall alone refuses: the offender, then each step from it to the root, in the
 * words of copy_path.c, so that nobody has to know who refused. The frames of the walk are the
 * path. */
#include <string.h>

#include "value/cell.h"
#include "value/wire_encode.h"

#define PATH_STEPS_MAX 64 /* nearest to the offender; the rest is counted */
#define PATH_KEY_MAX 64

/* A struct inside another, not behind a pointer, is a part of it: the step is the outer one's. */
static bool path_is_inner(const struct isle__frame_of_walk *frame)
{
    if (frame->node.kind != ISLE__NODE_STRUCT)
        return false;
    const struct isle__frame_of_walk *outer = frame - 1;
    return outer->node.kind != ISLE__NODE_ARRAY || outer->node.field->count_offset == SIZE_MAX;
}

static void path_entry(struct isle__buffer *text, isle_value key)
{
    int64_t number;

    if (isle_kind_of(key) == ISLE_STRING) {
        const struct isle__string *string = (const struct isle__string *)isle__cell_of(key);
        size_t size = string->size < PATH_KEY_MAX ? string->size : PATH_KEY_MAX;
        isle__buffer_format(text, "\n <- value of key \"%.*s\" of a map", (int)size, string->text);
    } else if (isle_get_int(key, &number)) {
        isle__buffer_format(text, "\n <- value of key %lld of a map", (long long)number);
    } else {
        isle__buffer_format(text, "\n <- value of a key (%s) of a map",
                            isle_kind_name(isle_kind_of(key)));
    }
}

static void path_field(struct isle__buffer *text, const struct isle__frame_of_walk *frame)
{
    const isle_type *type = frame->node.type;

    isle__buffer_text(text, "\n <- field ");
    isle__buffer_text(text, type->fields[frame->at - 1].name);
    isle__buffer_text(text, " of ");
    isle__buffer_text(text, type->name);
}

/* False: no step of its own. */
static bool path_step(struct isle__buffer *text, const struct isle__frame_of_walk *frame)
{
    if (frame->node.kind == ISLE__NODE_ARRAY || path_is_inner(frame))
        return false;
    switch (frame->role) {
    case ISLE__ROLE_FIELD:
        path_field(text, frame);
        break;
    case ISLE__ROLE_KEY:
        isle__buffer_text(text, "\n <- a key of a map");
        break;
    case ISLE__ROLE_ENTRY_VALUE:
        path_entry(text, frame->key);
        break;
    case ISLE__ROLE_ELEMENT:
    default:
        if (frame->node.value_kind == ISLE_SET)
            isle__buffer_text(text, "\n <- an element of a set");
        else
            isle__buffer_format(text, "\n <- element %zu of a list", frame->index - 1);
        break;
    }
    return true;
}

void isle__wire_path(struct isle__wire_encoder *encoder, struct isle__buffer *text)
{
    const struct isle__frame_of_walk *frames =
        (const struct isle__frame_of_walk *)(const void *)encoder->walk.frames.data;
    struct isle__buffer rest; /* steps that are only counted */
    size_t steps = 0;

    isle__buffer_init(&rest, NULL);
    isle__buffer_text(text, "Illegal argument in isolate message: ");
    isle__buffer_text(text, encoder->what);
    if (encoder->what_type != NULL)
        isle__buffer_text(text, encoder->what_type);
    for (size_t at = encoder->walk.frames.size / sizeof *frames; at > 0; at--) {
        rest.size = 0;
        steps += path_step(steps < PATH_STEPS_MAX ? text : &rest, &frames[at - 1]);
    }
    isle__buffer_fini(&rest);
    if (steps > PATH_STEPS_MAX)
        isle__buffer_format(text, "\n <- … %zu steps more", steps - PATH_STEPS_MAX);
    isle__buffer_text(text, "\n <- the message");
    isle__buffer_add(text, "", 1);
}
