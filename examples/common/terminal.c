/* SPDX-License-Identifier: Apache-2.0 */
/* Drawing. On a terminal the bar is redrawn ten times a second with colours unless NO_COLOR is set;
 * elsewhere a plain line comes every two seconds. Without a UTF-8 locale everything is ASCII. */
#define _GNU_SOURCE
#include "terminal.h"

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_MAX = 40 };

static char *show_buffer(void)
{
    static char ring[16][32]; /* the root alone draws */
    static unsigned next;
    return ring[next++ % 16];
}

const char *show_count(uint64_t count)
{
    char digits[24], *buffer = show_buffer(), *to = buffer;
    int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return buffer;
}

const char *show_size(double bytes)
{
    char *buffer = show_buffer();
    if (bytes < 1e3)
        snprintf(buffer, 32, "%.0f bytes", bytes);
    else if (bytes < 1e6)
        snprintf(buffer, 32, "%.1f kB", bytes / 1e3);
    else if (bytes < 1e9)
        snprintf(buffer, 32, "%.1f MB", bytes / 1e6);
    else
        snprintf(buffer, 32, "%.2f GB", bytes / 1e9);
    return buffer;
}

const char *show_left(double seconds)
{
    char *buffer = show_buffer();
    long whole = (long)(seconds + 0.999);
    if (whole < 3600)
        snprintf(buffer, 32, "%ld:%02ld left", whole / 60, whole % 60);
    else
        snprintf(buffer, 32, "%ld:%02ld h left", whole / 3600, whole / 60 % 60);
    return buffer;
}

int show_width(void)
{
    struct winsize window;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0)
        return window.ws_col;
    return 80;
}

const char *show_style(const struct show *show, const char *sequence)
{
    return show->colour ? sequence : "";
}

void show_bar(const struct show *show, double part, int width, bool empty_cells)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int eighth = (int)(part * width * 8 + 0.5);
    fputs(show_style(show, "\033[36m"), stdout);
    int cell = 0;
    for (; cell < eighth / 8; cell++)
        fputs(show->utf8 ? "█" : "#", stdout);
    if (show->utf8 && eighth % 8 != 0 && ++cell)
        fputs(eighths[eighth % 8], stdout);
    fputs(show_style(show, "\033[0;2m"), stdout);
    for (; empty_cells && cell < width; cell++)
        fputs(show->utf8 ? "░" : ".", stdout);
    fputs(show_style(show, "\033[0m"), stdout);
}

void show_begin(struct show *show, bool quiet)
{
    setlocale(LC_CTYPE, "");
    show->quiet = quiet;
    show->terminal = isatty(STDOUT_FILENO) == 1;
    show->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    const char *kind = getenv("TERM");
    show->colour =
        show->terminal && getenv("NO_COLOR") == NULL && kind != NULL && strcmp(kind, "dumb") != 0;
    show->start_ns = show->last_ns = isle_now_ns();
}

/* What finds no room on a narrow terminal is left out, from the right. */
static void show_draw(const struct show *show, double part, const char *const *numbers, int count)
{
    /* margins, "100 %" and a terminal's ^C */
    int room = (show->terminal ? show_width() : 200) - 12;
    int shown = 0, used = 0;
    while (shown < count && used + (int)strlen(numbers[shown]) + (show->terminal ? 12 : 0) <= room)
        used += (int)strlen(numbers[shown++]);
    if (show->terminal) {
        int width = room - used;
        fputs("\r  ", stdout);
        show_bar(show, part, width < BAR_MAX ? width : BAR_MAX, true);
    }
    printf(" %s%3d %%%s", show_style(show, "\033[1m"), (int)(part * 100),
           show_style(show, "\033[0m"));
    for (int i = 0; i < shown; i++)
        fputs(numbers[i], stdout);
    fputs(show->terminal ? show_style(show, "\033[K") : "\n", stdout);
    fflush(stdout);
}

bool show_is_time(struct show *show, bool last)
{
    int64_t now = isle_now_ns();
    int64_t period = show->terminal ? ISLE_MS(100) : ISLE_SECONDS(2);
    if (show->quiet || (!last && now - show->last_ns < period))
        return false;
    show->last_ns = now;
    return true;
}

double show_seconds(const struct show *show)
{
    return (double)(show->last_ns - show->start_ns) / 1e9;
}

void show_part(struct show *show, double part, const char *const *numbers, int count, bool last)
{
    show_draw(show, part, numbers, count);
    show->drawn = show->terminal && !last;
    if (show->terminal && last)
        putchar('\n');
}

void show_remark(struct show *show, const char *text)
{
    if (show->quiet || !show->terminal)
        return;
    printf("\r%*s\r", show_width() - 1, "");
    if (text != NULL)
        printf("  %s%s%s", show_style(show, "\033[2m"), text, show_style(show, "\033[0m"));
    fflush(stdout);
}

int show_cells(const char *text)
{
    int cells = 0;
    for (; *text != '\0'; text++)
        cells += ((unsigned char)*text & 0xC0) != 0x80;
    return cells;
}

void show_row(const struct show *show, const char *title, const char *format, ...)
{
    va_list args;
    printf("%s%-10s%s ", show_style(show, "\033[1m"), title, show_style(show, "\033[0m"));
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}
