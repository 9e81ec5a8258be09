/* SPDX-License-Identifier: Apache-2.0 */
/* Where the variables of an object file were declared: file, line and, for a function's static, the
 * function. */
#ifndef ISLE_CLI_LINES_H
#define ISLE_CLI_LINES_H

#include "cli/globals.h"

/* Fills source, line and function of those that the file's debugging information tells about.
 * Without such information, or when it makes no sense, the globals stay as they are. */
void isle__lines_find(const char *path, struct isle__globals *globals);

#endif
