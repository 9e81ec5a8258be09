/* SPDX-License-Identifier: Apache-2.0 */
/* A courier carries descriptors into an isolate's process, beside a channel: a socket whose one end
 * only sends and whose other end only receives (courier.c).
 *
 * Law. One way, from the host. What belongs to one record is one message, sent before the record is
 * shown, so it is there when the record is; the record says how many it has, and that many are
 * fetched, all or none. Nothing blocks. What is on its way and nobody fetches is bounded by the
 * socket's buffer, a few messages.
 *
 * Threads: one at a time sends, one at a time receives. */
#ifndef ISLE_CHANNEL_COURIER_H
#define ISLE_CHANNEL_COURIER_H

#include "platform/platform.h"

enum { ISLE__COURIER_MAX = 32 }; /* descriptors of one message */

/* ret_fds[0] sends, ret_fds[1] receives; both close-on-exec, the caller's. ISLE_ESYSTEM. */
ISLE_MUST_CHECK isle_err isle__courier_make(int ret_fds[2]);
/* Sends duplicates of `count` descriptors, 1 to ISLE__COURIER_MAX; those given stay the caller's.
 * ISLE_EFULL: too many are on their way, later perhaps. ISLE_ECLOSED: nobody will fetch them.
 * ISLE_EINVAL: a count or a descriptor that is none.
 * ISLE_ESYSTEM. */
ISLE_MUST_CHECK isle_err isle__courier_send(int fd, const int *fds, size_t count);
/* Fetches the `count` descriptors of the next message, close-on-exec, the caller's from then on.
 * After an error there are none, and the message is gone. ISLE_EMALFORMED: there is no message, or
 * it has another count, a violation; ISLE_EFULL: this process may not have so many; ISLE_ECLOSED;
 * ISLE_EINVAL; ISLE_ESYSTEM. */
ISLE_MUST_CHECK isle_err isle__courier_receive(int fd, int *ret_fds, size_t count);

#endif
