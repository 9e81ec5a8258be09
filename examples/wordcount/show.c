/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers beside the bar, and the list of words. */
#include "show.h"

#include <inttypes.h>

void show_progress(struct show *show, const struct tally *tally, int64_t total_size, bool last)
{
    if (!show_is_time(show, last))
        return;
    double seconds = show_seconds(show);
    double part = total_size > 0 ? (double)tally->done_size / (double)total_size : 1;
    double rate = seconds > 0 ? (double)tally->done_size / seconds : 0;
    double files = seconds > 0 ? (double)(tally->files + tally->skipped) / seconds : 0;
    char done[64], speed[64], left[64];
    const char *to_come =
        part < 1 && rate > 0 ? show_left((1 - part) * (double)total_size / rate) : "";
    snprintf(done, sizeof done, "  %8s of %s", show_size((double)tally->done_size),
             show_size((double)total_size));
    snprintf(speed, sizeof speed, "  %8s/s  %6s files/s", show_size(rate),
             show_count((uint64_t)files));
    /* Of one width, so that the bar keeps its own. */
    snprintf(left, sizeof left, "  %-*s", show->terminal ? 10 : 0, to_come);
    const char *numbers[] = {done, speed, left};
    show_part(show, part, numbers, 3, last);
}

void show_words(const struct show *show, isle_value top)
{
    size_t count = isle_count(top);
    int widest = 0;
    int64_t most = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t times;
        const char *text;
        isle_unpack(isle_list_get(top, i), "[s,i]", &text, &times);
        widest = show_cells(text) > widest ? show_cells(text) : widest;
        most = times > most ? times : most;
    }
    int width = (show->terminal ? show_width() : 80) - widest - 24;
    for (size_t i = 0; i < count; i++) {
        int64_t times;
        const char *text;
        isle_unpack(isle_list_get(top, i), "[s,i]", &text, &times);
        printf("  %3zu  %s%s%s%*s  %12s  ", i + 1, show_style(show, "\033[1m"), text,
               show_style(show, "\033[0m"), widest - show_cells(text), "",
               show_count((uint64_t)times));
        show_bar(show, (double)times / (double)most, width < 32 ? width : 32, false);
        putchar('\n');
    }
}
