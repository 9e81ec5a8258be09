/* SPDX-License-Identifier: Apache-2.0 */
/* Entries that another file of the same program defines. */
#ifndef CONFORMANCE_ENTRIES_H
#define CONFORMANCE_ENTRIES_H

#include "isle.h"

void entry_of_other_file(isle_value root);
isle_entry *entry_from_table(void);

#endif
