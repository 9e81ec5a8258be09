/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that were taken out of a port in a way that leaves nobody to answer (taken.c). */
#ifndef ISLE_CORE_TAKEN_H
#define ISLE_CORE_TAKEN_H

#include "core/isolate.h"
#include "core/mail.h"

/* The isolate's end completes the call that waits for this reply. Its owner's. */
void isle__taken_add(struct isle__isolate *isolate, uint64_t reply);
/* Its end: each that still waits completes with ISLE_ECLOSED, in the order in which they came. */
void isle__taken_close(struct isle__isolate *isolate);

/* As isle__mail_open, for who is not told where the answer goes. */
static inline isle_value isle__mail_open_raw(struct isle__isolate *isolate, struct isle__mail *mail,
                                             struct isle__scope *scope)
{
    if (ISLE__UNLIKELY(mail->is_call))
        isle__taken_add(isolate, mail->reply);
    return isle__mail_open(isolate, mail, scope);
}

#endif
