/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of a command line. */
#ifndef EXAMPLES_NUMBER_H
#define EXAMPLES_NUMBER_H

/* A number from 1 to max, or 0 after a complaint in the program's name. */
unsigned number_read(const char *program, const char *text, unsigned max);

#endif
