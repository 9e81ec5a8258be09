/* SPDX-License-Identifier: Apache-2.0 */
/* Reads strictly: digits and nothing else. */
#include "number.h"

#include <stdio.h>
#include <stdlib.h>

unsigned number_read(const char *program, const char *text, unsigned max)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (*text >= '0' && *text <= '9' && *end == '\0' && number >= 1 && number <= max)
        return (unsigned)number;
    fprintf(stderr, "%s: '%s' is no number from 1 to %u\n", program, text, max);
    return 0;
}
