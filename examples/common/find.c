/* SPDX-License-Identifier: Apache-2.0 */
/* The finder. It runs in an isolate of its own, so that a slow disk delays nobody; what it
 * allocates goes with that isolate. */
#define _XOPEN_SOURCE 700 /* realpath and lstat */
#include "find.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct found {
    char *path;
    int64_t size;
};

struct finder {
    struct found *files;
    size_t count;
    size_t capacity;
    char **directories; /* a stack of those still to read */
    size_t directory_count;
    size_t directory_capacity;
    isle_value failed;
};

static char *find_join(const char *directory, const char *name)
{
    size_t length = strlen(directory);
    size_t size = length + strlen(name) + 2;
    char *path = isle_alloc(size);
    bool slash = length > 0 && directory[length - 1] == '/';
    snprintf(path, size, "%s%s%s", directory, slash ? "" : "/", name);
    return path;
}

static char *find_copy(const char *text)
{
    char *copy = isle_alloc(strlen(text) + 1);
    strcpy(copy, text);
    return copy;
}

static void find_fail(struct finder *finder, const char *path, int error)
{
    char *name = find_copy(path); /* a file's name need not be UTF-8, a string must be */
    for (char *c = name; *c != '\0'; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    isle_list_add(finder->failed, isle_pack("[s,s]", name, strerror(error)));
    isle_free(name);
}

static void find_add(struct finder *finder, char *path, int64_t size)
{
    if (finder->count == finder->capacity) {
        size_t capacity = finder->capacity == 0 ? 1024 : 2 * finder->capacity;
        finder->files = isle_realloc(finder->files, capacity * sizeof(struct found));
        finder->capacity = capacity;
    }
    finder->files[finder->count++] = (struct found){path, size};
}

static void find_push(struct finder *finder, char *directory)
{
    if (finder->directory_count == finder->directory_capacity) {
        size_t capacity = finder->directory_capacity == 0 ? 256 : 2 * finder->directory_capacity;
        finder->directories = isle_realloc(finder->directories, capacity * sizeof(char *));
        finder->directory_capacity = capacity;
    }
    finder->directories[finder->directory_count++] = directory;
}

static void find_take(struct finder *finder, char *path, const struct stat *status)
{
    if (S_ISDIR(status->st_mode))
        find_push(finder, path);
    else if (S_ISREG(status->st_mode))
        find_add(finder, path, status->st_size);
    else
        isle_free(path);
}

static void find_close(void *directory)
{
    closedir(directory);
}

static void find_read_directory(struct finder *finder, const char *path)
{
    ISLE_SCOPE;
    DIR *directory = opendir(path);
    if (directory == NULL) {
        find_fail(finder, path, errno);
        return;
    }
    isle_defer(find_close, directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *file = find_join(path, entry->d_name);
        struct stat status;
        if (lstat(file, &status) < 0)
            find_fail(finder, file, errno);
        else
            find_take(finder, file, &status);
        isle_checkpoint();
    }
}

static bool find_is_below(const char *path, const char *place)
{
    size_t length = strlen(place);
    return strncmp(path, place, length) == 0 &&
           (path[length] == '\0' || path[length] == '/' || strcmp(place, "/") == 0);
}

/* A place that lies in one of the others is left out, so that no file counts twice. */
static bool find_is_covered(char *const *places, size_t count, size_t index)
{
    for (size_t i = 0; i < count; i++) {
        if (i == index || places[i] == NULL)
            continue;
        bool same = strcmp(places[i], places[index]) == 0;
        if (same ? i < index : find_is_below(places[index], places[i]))
            return true;
    }
    return false;
}

static void find_places(struct finder *finder, isle_value list)
{
    size_t count = isle_count(list);
    char **places = isle_alloc((count + 1) * sizeof(char *));
    char resolved[PATH_MAX];
    for (size_t i = 0; i < count; i++) {
        const char *place = isle_as_bytes(isle_list_get(list, i), NULL);
        if (realpath(place, resolved) == NULL)
            find_fail(finder, place, errno);
        else
            places[i] = find_copy(resolved);
    }
    for (size_t i = 0; i < count; i++) {
        struct stat status;
        if (places[i] == NULL || find_is_covered(places, count, i))
            continue;
        if (stat(places[i], &status) < 0)
            find_fail(finder, places[i], errno);
        else
            find_take(finder, find_copy(places[i]), &status);
    }
}

static int find_compare(const void *a, const void *b)
{
    const struct found *left = a, *right = b;
    if (left->size != right->size)
        return left->size < right->size ? 1 : -1;
    return strcmp(left->path, right->path);
}

isle_value find_files(isle_value places)
{
    struct finder finder = {.failed = isle_list()};
    find_places(&finder, places);
    while (finder.directory_count > 0) {
        char *directory = finder.directories[--finder.directory_count];
        find_read_directory(&finder, directory);
        isle_free(directory);
    }
    if (finder.count > 0)
        qsort(finder.files, finder.count, sizeof(struct found), find_compare);

    isle_value paths = isle_list_fixed(finder.count);
    isle_value sizes = isle_array(ISLE_I64, NULL, finder.count);
    int64_t *size = isle_bytes_data(sizes);
    for (size_t i = 0; i < finder.count; i++) {
        const char *path = finder.files[i].path;
        isle_list_set(paths, i, isle_bytes(path, strlen(path) + 1));
        size[i] = finder.files[i].size;
    }
    return isle_pack("{s:o,s:o,s:o}", "paths", paths, "sizes", sizes, "failed", finder.failed);
}
