/* SPDX-License-Identifier: Apache-2.0 */
/* A decoder as one finds them: it reads PPM, and it believes its input. It is here because the two
 * libraries beside it are too good: they have no hole that we know of, and a wall that nobody runs
 * against shows nothing.
 *
 * Two holes, planted and left open. The size of the pixels is computed in 32 bits, so that a header
 * can say a number that wraps to little memory for many rows; and a comment "# do: WHAT" does what
 * somebody would do who has taken this code over. Never use this elsewhere. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <unistd.h>

#include "picture.h"
#include "shrink.h"

struct pnm_text {
    const uint8_t *at, *end;
};

/* --- what a taken-over decoder tries */

static void pnm_take_file(void)
{
    char buffer[256];
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, buffer, sizeof buffer) <= 0)
        isle_throwf("wanted to read /etc/passwd: %s", strerror(errno));
    isle_throwf("HAS READ /etc/passwd");
}

static void pnm_take_network(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        isle_throwf("wanted a network socket: %s", strerror(errno));
    isle_throwf("HAS A NETWORK SOCKET");
}

static void pnm_take_over(const char *what)
{
    char *const arguments[] = {"sh", "-c", "id", NULL};
    char *const environment[] = {NULL};
    if (strcmp(what, "read a file") == 0)
        pnm_take_file();
    if (strcmp(what, "open a socket") == 0)
        pnm_take_network();
    if (strcmp(what, "run a shell") == 0 && execve("/bin/sh", arguments, environment) < 0)
        isle_throwf("wanted a shell: %s", strerror(errno));
    if (strcmp(what, "look at the host") == 0 && ptrace(PTRACE_SEIZE, getppid(), NULL, NULL) < 0)
        isle_throwf("wanted to trace the host: %s", strerror(errno));
    if (strcmp(what, "take all memory") == 0)
        for (size_t size = (size_t)1 << 24;; size += (size_t)1 << 24)
            memset(isle_alloc(size), 1, size);
    for (isle_err err; strcmp(what, "flood") == 0;) /* whom? it has no port but its own */
        if ((err = isle_try_send(isle_current().default_port, isle_null())) != ISLE_OK)
            isle_throwf("wanted to flood: %s", isle_err_text(err));
    while (strcmp(what, "spin") == 0)
        continue;
    while (strcmp(what, "sleep") == 0)
        (void)usleep(1000);
}

/* --- PPM */

static void pnm_comment(struct pnm_text *text)
{
    char line[64];
    size_t size = 0;
    for (; text->at < text->end && *text->at != '\n'; text->at++)
        if (size < sizeof line - 1)
            line[size++] = (char)*text->at;
    line[size] = '\0';
    if (strncmp(line, "# do: ", 6) == 0)
        pnm_take_over(line + 6);
}

static uint32_t pnm_number(struct pnm_text *text)
{
    uint32_t number = 0;
    while (text->at < text->end && !isdigit(*text->at))
        if (*text->at == '#')
            pnm_comment(text);
        else
            text->at++;
    while (text->at < text->end && isdigit(*text->at))
        number = number * 10 + (uint32_t)(*text->at++ - '0');
    return number;
}

void picture_read_pnm(const uint8_t *data, size_t size, struct shrink *shrink)
{
    struct pnm_text text = {data + 2, data + size};
    uint32_t width = pnm_number(&text), height = pnm_number(&text);
    if (pnm_number(&text) != 255)
        isle_throwf("not 255 levels");
    text.at++;
    shrink_begin(shrink, width, height);
    uint32_t pixel_size = width * height * 3; /* the first hole: it wraps */
    uint8_t *pixels = malloc(pixel_size);
    for (uint32_t y = 0; y < height; y++) { /* and so does nobody look whether this fits */
        size_t left = (size_t)(text.end - text.at), row_size = (size_t)width * 3;
        memset(pixels + y * row_size, 0, row_size);
        memcpy(pixels + y * row_size, text.at, left < row_size ? left : row_size);
        text.at += left < row_size ? left : row_size;
    }
    for (uint32_t y = 0; y < height; y++)
        shrink_row(shrink, pixels + (size_t)y * width * 3, 3);
    free(pixels);
}
