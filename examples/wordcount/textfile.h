/* SPDX-License-Identifier: Apache-2.0 */
/* One file: is it text, and which words has it? Knows nothing of workers: they and --check read
 * files through the same door. */
#ifndef WORDCOUNT_TEXTFILE_H
#define WORDCOUNT_TEXTFILE_H

#include "words.h"

/* What became of a file. */
enum file_end { FILE_COUNTED, FILE_BINARY, FILE_UNREADABLE, FILE_STOPPED };

/* Asked now and then while a big file is read, with the bytes read since it was asked last; false
 * stops the reading. May be NULL. */
typedef bool file_progress(int64_t bytes, void *context);

struct file_reader {
    struct table *table;
    file_progress *progress;
    void *context;
    struct splitter splitter;
    int64_t text_size; /* of the last file that was counted, or of the part that was */
    int error;         /* errno of the last file that was unreadable */
    unsigned char buffer[512 * 1024];
};

/* Counts the words of the file into the table. A file is binary if it has a NUL byte, or is not
 * valid UTF-8 and has a control byte that text has no use for; nothing of it is counted.
 * FILE_STOPPED: the words read so far are counted. */
enum file_end file_count(struct file_reader *reader, const char *path);

#endif
