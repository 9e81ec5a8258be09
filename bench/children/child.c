/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a helper process; both sides' messages. */
#include "child.h"

enum { PART = 1 << 16 }; /* at most so much at once: a packet has a bound */

bool child_send(int fd, const void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        size_t next = size - done < PART ? size - done : PART;
        ssize_t part = write(fd, (const char *)bytes + done, next);
        if (part <= 0)
            return false;
        done += (size_t)part;
    }
    return true;
}

bool child_receive(int fd, void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t part = read(fd, (char *)bytes + done, size - done);
        if (part <= 0)
            return false;
        done += (size_t)part;
    }
    return true;
}

void child_stamp(unsigned char *bytes, size_t size, int64_t number)
{
    memcpy(bytes, &number, sizeof number);
    memcpy(bytes + size - sizeof number, &number, sizeof number);
}

bool child_is_stamped(const unsigned char *bytes, size_t size, int64_t number)
{
    return memcmp(bytes, &number, sizeof number) == 0 &&
           memcmp(bytes + size - sizeof number, &number, sizeof number) == 0;
}

static bool request_serve(const struct child_request *request, int in, int out)
{
    static unsigned char bytes[CHILD_LARGEST];
    size_t size = (size_t)request->size;
    bool good = true;
    for (int64_t i = 0; good && i < request->count; i++) {
        if (request->order == CHILD_MAKE)
            child_stamp(bytes, size, i);
        else
            good = child_receive(in, bytes, size) && child_is_stamped(bytes, size, i);
        if (good && request->order != CHILD_TAKE)
            good = child_send(out, bytes, size);
    }
    /* Who took them says so at the end. */
    return good && (request->order != CHILD_TAKE ||
                    child_send(out, &request->count, sizeof request->count));
}

int child_serve(int in, int out)
{
    int64_t hello = 1;
    struct child_request request;
    bool good = child_send(out, &hello, sizeof hello);
    while (good && child_receive(in, &request, sizeof request))
        good = request_serve(&request, in, out);
    return good ? 0 : 1;
}
