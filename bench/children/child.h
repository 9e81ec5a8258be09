/* SPDX-License-Identifier: Apache-2.0 */
/* A helper process as programs have them without isolates: it answers what it is asked over a pair
 * of descriptors. */
#ifndef BENCH_CHILDREN_CHILD_H
#define BENCH_CHILDREN_CHILD_H

#include "../common.h"

enum { CHILD_LARGE = 16384, CHILD_LARGEST = 16 << 20 };

/* What it is asked: to send `count` messages back as they come, to take them, or to make them. */
enum child_order { CHILD_ECHO, CHILD_TAKE, CHILD_MAKE };

struct child_request {
    int64_t order, count, size;
};

/* One whole message; false: the other side is gone. */
bool child_send(int fd, const void *bytes, size_t size);
bool child_receive(int fd, void *bytes, size_t size);
/* Messages have their number at both ends; from 8 bytes on. */
void child_stamp(unsigned char *bytes, size_t size, int64_t number);
bool child_is_stamped(const unsigned char *bytes, size_t size, int64_t number);

/* Says that it is there, then serves until the other side is gone. Returns the exit status. */
int child_serve(int in, int out);

#endif
