/* SPDX-License-Identifier: Apache-2.0 */
/* Crash reports (report.c). */
#ifndef ISLE_CORE_REPORT_H
#define ISLE_CORE_REPORT_H

#include "core/isolate.h"

/* Longest texts of an error that are kept for a report alone. */
enum { ISLE__REPORT_TEXT = 8192 };

static inline bool isle__reports_wanted(void)
{
    return ISLE__UNLIKELY(isle__program.report != NULL);
}
/* Where reports go: to whom the options say, or the environment. ISLE_ESYSTEM: a file that cannot
 * be opened. Stop: nobody ends any more. */
ISLE_MUST_CHECK isle_err isle__reports_start(const isle_program_options *options);
void isle__reports_stop(void);
/* The isolate ends, and all that it had is still there. Nothing if nobody wants to know, or its end
 * is none to report. Its owner's. */
void isle__report_end(struct isle__isolate *isolate);
/* The same while its activities still stand, which the report then has; if that can be noted, so
 * that it is told once. */
void isle__report_waits(struct isle__isolate *isolate);

#endif
