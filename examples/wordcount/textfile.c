/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a file at most twice: once to learn whether it is text, and a second time for its words
 * unless it fitted the buffer. */
#include "textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* What has been seen of a file so far. */
struct nature {
    bool has_nul;
    bool has_control;
    bool is_utf8;
};

/* Up to `size` bytes; less only at the end of the file; -1 on an error. */
static ssize_t file_read(int fd, unsigned char *data, size_t size)
{
    size_t got = 0;
    while (got < size) {
        ssize_t n = read(fd, data + got, size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

static bool file_is_control(unsigned char byte)
{
    return byte < 0x20 && !(byte >= '\t' && byte <= '\r') && byte != 0x1B;
}

static void file_look(struct nature *nature, const unsigned char *text, size_t size)
{
    bool ascii = true;
    for (size_t i = 0; i < size; i++) {
        nature->has_nul |= text[i] == 0;
        nature->has_control |= file_is_control(text[i]);
        ascii &= text[i] < 0x80;
    }
    for (size_t i = 0, step; !ascii && nature->is_utf8 && i < size; i += step)
        if ((step = utf8_sequence(text + i, size - i)) == 0)
            nature->is_utf8 = false;
}

static bool file_is_binary(const struct nature *nature)
{
    return nature->has_nul || (nature->has_control && !nature->is_utf8);
}

/* Whether the file goes on; `at_end` says whether all of it has been read. */
static bool file_tell(const struct file_reader *reader, size_t bytes, bool at_end)
{
    return at_end || reader->progress == NULL || reader->progress((int64_t)bytes, reader->context);
}

/* Hands the file to look or feed in pieces that end between two characters. FILE_COUNTED: read to
 * the end. */
static enum file_end file_pass(struct file_reader *reader, int fd, struct nature *nature)
{
    size_t left = 0; /* bytes of a cut-off character at the front of the buffer */
    for (;;) {
        ssize_t got = file_read(fd, reader->buffer + left, sizeof reader->buffer - left);
        if (got < 0)
            return FILE_UNREADABLE;
        size_t size = left + (size_t)got;
        bool at_end = size < sizeof reader->buffer;
        size_t whole = at_end ? size : utf8_whole(reader->buffer, size);
        if (nature != NULL) {
            file_look(nature, reader->buffer, whole);
            if (file_is_binary(nature))
                return FILE_BINARY;
        } else {
            splitter_feed(&reader->splitter, reader->buffer, whole);
            reader->text_size += (int64_t)whole;
        }
        if (at_end)
            return FILE_COUNTED;
        if (!file_tell(reader, nature != NULL ? 0 : whole, at_end))
            return FILE_STOPPED;
        left = size - whole;
        for (size_t i = 0; i < left; i++)
            reader->buffer[i] = reader->buffer[whole + i];
    }
}

static enum file_end file_count_small(struct file_reader *reader, size_t size)
{
    struct nature nature = {.is_utf8 = true};
    file_look(&nature, reader->buffer, size);
    if (file_is_binary(&nature))
        return FILE_BINARY;
    splitter_begin(&reader->splitter, reader->table, nature.is_utf8);
    splitter_feed(&reader->splitter, reader->buffer, size);
    splitter_end(&reader->splitter);
    reader->text_size = (int64_t)size;
    return FILE_COUNTED;
}

static enum file_end file_count_big(struct file_reader *reader, int fd)
{
    struct nature nature = {.is_utf8 = true};
    if (lseek(fd, 0, SEEK_SET) < 0)
        return FILE_UNREADABLE;
    enum file_end end = file_pass(reader, fd, &nature);
    if (end != FILE_COUNTED)
        return end;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return FILE_UNREADABLE;
    splitter_begin(&reader->splitter, reader->table, nature.is_utf8);
    end = file_pass(reader, fd, NULL);
    splitter_end(&reader->splitter);
    return end;
}

static enum file_end file_count_open(struct file_reader *reader, int fd)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return FILE_UNREADABLE;
    if (!S_ISREG(status.st_mode)) {
        errno = EINVAL;
        return FILE_UNREADABLE;
    }
    ssize_t size = file_read(fd, reader->buffer, sizeof reader->buffer);
    if (size < 0)
        return FILE_UNREADABLE;
    return (size_t)size < sizeof reader->buffer ? file_count_small(reader, (size_t)size)
                                                : file_count_big(reader, fd);
}

enum file_end file_count(struct file_reader *reader, const char *path)
{
    reader->text_size = 0;
    /* Without O_NONBLOCK a file that has become a pipe would hold the worker. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        reader->error = errno;
        return FILE_UNREADABLE;
    }
    enum file_end end = file_count_open(reader, fd);
    reader->error = errno;
    close(fd);
    return end;
}
