/* SPDX-License-Identifier: Apache-2.0 */
/* Finds files: a computation for isle_run. */
#ifndef EXAMPLES_FIND_H
#define EXAMPLES_FIND_H

#include <isle.h>

/* Takes a list of directories and files. Gives {"paths": list, "sizes": int64 array, "failed": list
 * of [name, reason]}: every regular file below them, once, biggest first, then by name. Symbolic
 * links are followed only where they were named in the list. A path travels as bytes with its NUL,
 * since a file's name need not be UTF-8. */
isle_value find_files(isle_value places);

#endif
