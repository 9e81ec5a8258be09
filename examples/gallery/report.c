/* SPDX-License-Identifier: Apache-2.0 */
/* The report: one page of HTML, no script. Its tiles are cut out of the sheets' pages, so that it
 * has no picture of its own. */
#include "sheet.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char report_style[] =
    "body{margin:0;background:#1e2127;color:#edf0f5;font:15px/1.45 'DejaVu "
    "Sans',Verdana,sans-serif}\n"
    "header,main{max-width:1208px;margin:0 auto;padding:24px}\n" /* five tiles */
    "h1{margin:0 0 6px;font-size:28px}h2{margin:36px 0 12px;font-size:19px}\n"
    "p{margin:4px 0;color:#9aa3b5}\n"
    "table{border-collapse:collapse;width:100%}\n"
    "th{text-align:left;color:#9aa3b5;font-weight:normal;padding:6px 12px 6px 0}\n"
    "td{border-top:1px solid #343a46;padding:8px 12px 8px 0;vertical-align:top}\n"
    "td.n,th.n{text-align:right;white-space:nowrap}\n"
    ".bad{color:#e85c54;font-weight:bold;white-space:nowrap}.odd{color:#edae42;font-weight:bold}\n"
    ".good{color:#6bc27a;font-weight:bold}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fill,232px);gap:12px}\n"
    ".tile{width:232px;height:214px;background-repeat:no-repeat;border-radius:8px}\n"
    "footer{max-width:1208px;margin:0 auto;padding:12px 24px 40px;color:#9aa3b5}\n";

/* Text of a file's name or of somebody's error: nothing of it may be markup. */
static void report_text(FILE *page, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<' || *text == '>' || *text == '&' || *text == '"' || *text == '\'')
            fprintf(page, "&#%d;", *text);
        else
            fputc(*text >= ' ' && *text < 127 ? *text : '?', page);
    }
}

static const char *report_class(const struct item *item)
{
    if (item->is_shown)
        return "good";
    return item_is_damaged(item) ? "odd" : "bad";
}

static void report_row(FILE *page, const struct item *item)
{
    fputs("<tr><td>", page);
    report_text(page, item_name(item));
    fprintf(page, "<td class=\"%s\">", report_class(item));
    report_text(page, item_verdict(item));
    fputs("<td>", page);
    report_text(page, item->text);
    fprintf(page, "<td class=n>%" PRId64 "<td class=n>%.1f ms<td class=n>%.1f MiB\n", item->size,
            (double)item->time_ns / 1e6, (double)item->memory_peak / (1 << 20));
}

static void report_table(FILE *page, const struct crew *crew)
{
    fputs("<h2>What was stopped or refused</h2>\n<table><tr><th>file<th>outcome<th>what was seen"
          "<th class=n>bytes<th class=n>time<th class=n>memory, at most\n",
          page);
    for (size_t i = 0; i < crew->count; i++)
        if (!crew->items[i].is_shown)
            report_row(page, &crew->items[i]);
    fputs("</table>\n", page);
}

static void report_tiles(FILE *page, const struct crew *crew)
{
    fputs("<h2>All files</h2>\n<div class=tiles>\n", page);
    for (size_t i = 0; i < crew->count; i++) {
        struct card_place place = sheet_place(crew->count, i);
        fprintf(page,
                "<div class=tile role=img style=\"background-image:url(sheet-%zu.png);"
                "background-position:-%dpx -%dpx\" title=\"",
                place.page + 1, place.x, place.y);
        report_text(page, crew->items[i].path);
        fprintf(page, ": %s\"></div>\n", item_verdict(&crew->items[i]));
    }
    fputs("</div>\n", page);
}

static void report_body(FILE *page, const struct crew *crew, const char *title, size_t pages)
{
    fprintf(page, "<!doctype html>\n<html lang=en><meta charset=utf-8>"
                  "<meta name=viewport content=\"width=device-width\">\n<title>");
    report_text(page, title);
    fprintf(page, "</title>\n<style>\n%s</style>\n<header><h1>", report_style);
    report_text(page, title);
    fprintf(page,
            "</h1>\n<p>%zu files, each decoded in a sandboxed process of its own: %zu shown, %zu "
            "stopped or refused. "
            "%.2f s with %u at once, %.0f files a second.</p>\n",
            crew->done, crew->done - crew->failed, crew->failed, (double)crew->time_ns / 1e9,
            crew->at_once, (double)crew->done / ((double)crew->time_ns / 1e9));
    fprintf(page,
            "<p>Each might use %zu MiB of memory, %g s of a processor and %g s in all, and open "
            "nothing: no file, no socket, no other program.</p></header>\n<main>\n",
            crew->limits.memory_max >> 20, (double)crew->limits.cpu_time_max_ns / 1e9,
            (double)crew->limits.deadline_ns / 1e9);
    if (crew->failed > 0)
        report_table(page, crew);
    report_tiles(page, crew);
    fprintf(page, "</main>\n<footer>Made by Isle's gallery. The tiles are parts of ");
    for (size_t i = 1; i <= pages; i++)
        fprintf(page, "%ssheet-%zu.png", i > 1 ? ", " : "", i);
    fputs(". A dot marks files that were made to do harm: "
          "green where there was a picture in one, amber where its decoder refused it, red where "
          "it was stopped.</footer>\n</html>\n",
          page);
}

void report_write(const struct crew *crew, const char *folder, const char *title, size_t pages)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/index.html", folder);
    FILE *page = fopen(path, "w");
    if (page == NULL)
        isle_throwf("cannot write %s: %s", path, strerror(errno));
    report_body(page, crew, title, pages);
    bool is_whole = ferror(page) == 0;
    if (fclose(page) != 0 || !is_whole)
        isle_throwf("cannot write %s", path);
}
