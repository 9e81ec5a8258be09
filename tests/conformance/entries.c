/* SPDX-License-Identifier: Apache-2.0 */
/* Entries for static_function that are not of its own file. */
#include "entries.h"

void entry_of_other_file(isle_value root)
{
    isle_send(isle_as_port(root), isle_string("other file"));
}

static void entry_hidden(isle_value root)
{
    isle_send(isle_as_port(root), isle_string("table"));
}

static isle_entry *const entry_table[] = {entry_of_other_file, entry_hidden};

isle_entry *entry_from_table(void)
{
    return entry_table[1];
}
