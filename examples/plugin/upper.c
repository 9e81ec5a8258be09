/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in, to be copied: lines in, the same in capitals out.
 *
 *     cc -shared -fPIC upper.c -o upper.so $(pkg-config --cflags isle)
 *     isle run ./upper.so -- "Dear reader:" < lines
 *
 * It runs in an isolate of its own. The global below is that isolate's, not the program's. */
#include <ctype.h>
#include <isle_plugin.h>
#include <string.h>

static int64_t line_count;

static isle_value upper(isle_value line)
{
    const char *text = isle_as_string(line);
    size_t size = strlen(text);
    char *copy = isle_alloc(size + 1);
    for (size_t i = 0; i < size; i++)
        copy[i] = (char)toupper((unsigned char)text[i]);
    isle_value result = isle_string_sized(copy, size);
    isle_free(copy);
    return result;
}

ISLE_PLUGIN(args, output)
{
    isle_send_port to = isle_as_port(output);
    for (size_t i = 0; !isle_is_null(args) && i < isle_count(args); i++)
        isle_send(to, isle_list_get(args, i));
    for (;;) {
        ISLE_SCOPE;
        isle_value line = isle_port_receive(isle_default_port());
        if (isle_is_null(line)) /* the last one was before */
            break;
        line_count++;
        isle_send(to, upper(line));
    }
    isle_send(to, isle_stringf("%d lines", (int)line_count));
    isle_port_close(isle_default_port()); /* nothing keeps it alive now */
    return isle_null();
}
