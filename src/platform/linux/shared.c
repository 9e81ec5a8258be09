/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that two processes share: a memfd that its maker sizes and seals before anybody else has
 * it. Sealed against shrinking, so that no access ends in SIGBUS; against growing; and, where only
 * the maker writes, against every later mapping that could. */
#include "platform/linux/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u /* since Linux 6.3 */
#endif

enum { SHARED_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

static int shared_create(void)
{
    int fd = memfd_create("isle", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("isle", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd;
}

static void *shared_place(int fd, size_t size, bool writable)
{
    void *memory =
        mmap(NULL, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    return memory != MAP_FAILED ? memory : NULL;
}

isle_err isle__shared_make(size_t size, bool peer_writes, void **ret_memory, int *ret_fd)
{
    if (isle__memory_refuses())
        return ISLE_ENOMEM;
    int fd = shared_create();
    if (fd < 0)
        return ISLE_ESYSTEM;
    void *memory = ftruncate(fd, (off_t)size) == 0 ? shared_place(fd, size, !peer_writes) : NULL;
    int seals = SHARED_SEALS | (peer_writes ? 0 : F_SEAL_FUTURE_WRITE);
    if (memory != NULL && fcntl(fd, F_ADD_SEALS, seals) == 0) {
        *ret_memory = memory;
        *ret_fd = fd;
        return ISLE_OK;
    }
    isle__shared_unmap(memory, size);
    isle__fd_close(fd);
    return ISLE_ESYSTEM;
}

isle_err isle__shared_map(int fd, size_t size, bool writable, void **ret_memory)
{
    struct stat status;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SHARED_SEALS) != SHARED_SEALS || fstat(fd, &status) != 0 ||
        status.st_size != (off_t)size)
        return ISLE_EINVAL;
    *ret_memory = shared_place(fd, size, writable);
    return *ret_memory != NULL ? ISLE_OK : ISLE_ESYSTEM;
}

static bool shared_write(int fd, const unsigned char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t done = write(fd, bytes, size);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        bytes += done;
        size -= (size_t)done;
    }
    return true;
}

/* Written, not mapped: memory that is mapped for writing cannot be sealed against it. */
isle_err isle__shared_fill(const void *bytes, size_t size, int *ret_fd)
{
    if (isle__memory_refuses())
        return ISLE_ENOMEM;
    int fd = shared_create();
    if (fd < 0)
        return ISLE_ESYSTEM;
    if (shared_write(fd, bytes, size) && fcntl(fd, F_ADD_SEALS, SHARED_SEALS | F_SEAL_WRITE) == 0) {
        *ret_fd = fd;
        return ISLE_OK;
    }
    isle__fd_close(fd);
    return ISLE_ESYSTEM;
}

isle_err isle__shared_read(int fd, size_t size, void **ret_memory)
{
    if (isle__memory_refuses())
        return ISLE_ENOMEM;
    void *memory = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (memory == MAP_FAILED)
        return ISLE_ENOMEM;
    *ret_memory = memory;
    return ISLE_OK;
}

void isle__shared_unmap(void *memory, size_t size)
{
    int error_number = errno;
    if (memory != NULL)
        munmap(memory, size);
    errno = error_number;
}
