/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the `isle` command share. Only run.c uses the library, and of it the public
 * headers alone. */
#ifndef ISLE_CLI_H
#define ISLE_CLI_H

#include "isle/base.h"

/* Exit statuses of every subcommand. */
enum cli_status {
    CLI_CLEAN = 0,   /* asked and found nothing */
    CLI_FOUND = 1,   /* asked and found something */
    CLI_TROUBLE = 2, /* could not ask: bad usage, unreadable file */
};

/* argv[0] is the subcommand's own name. */
enum cli_status isle__cli_check(int argc, char **argv);
extern const char isle__cli_check_help[];
enum cli_status isle__cli_explore(int argc, char **argv);
extern const char isle__cli_explore_help[];
/* Its statuses are its own. */
enum cli_status isle__cli_run(int argc, char **argv);
extern const char isle__cli_run_help[];

/* Writes "isle: " and the text to stderr, and a newline. Returns CLI_TROUBLE. */
enum cli_status isle__cli_trouble(const char *format, ...) ISLE_PRINTF(1, 2);

#endif
