/* SPDX-License-Identifier: Apache-2.0 */
/* The contact sheet: pages of tiles as PNG files, and the report that shows them. */
#ifndef GALLERY_SHEET_H
#define GALLERY_SHEET_H

#include "crew.h"

enum {
    SHEET_COLUMNS = 8,
    SHEET_ROWS = 24,
    CARD_WIDTH = 232,
    CARD_HEIGHT = 214,
    CARD_GAP = 12,
    SHEET_MARGIN = 28,
    SHEET_HEAD = 116
};

/* Where a card of so many lies: pages are filled alike, so that none has a few cards alone. The
 * place on it is in pixels. */
struct card_place {
    size_t page;
    int x, y;
};
struct card_place sheet_place(size_t cards, size_t card);

/* Writes "FOLDER/sheet-N.png", N from 1; the count of pages. Throws ISLE_ESYSTEM. */
size_t sheet_draw(const struct crew *crew, const char *folder, const char *title);
/* Writes FOLDER/index.html, which uses the pages. Throws ISLE_ESYSTEM. */
void report_write(const struct crew *crew, const char *folder, const char *title, size_t pages);

/* "crashed", "too much time": how an item ended, for people, in a word or three. */
const char *item_verdict(const struct item *item);
bool item_is_damaged(const struct item *item);  /* its decoder said so itself */
const char *item_name(const struct item *item); /* the path's last part */

#endif
