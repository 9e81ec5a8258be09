/* SPDX-License-Identifier: Apache-2.0 */
/* A picture made small while its rows come: each pixel of the tile is the mean of those that it
 * covers. */
#ifndef GALLERY_SHRINK_H
#define GALLERY_SHRINK_H

#include "picture.h"

struct shrink {
    uint32_t width, height;
    uint32_t tile_width, tile_height;
    uint32_t row; /* that comes next */
    uint64_t
        *sums; /* of the tile's present row: red, green, blue (each times alpha), alpha, count */
    uint8_t *tile; /* the transferable's */
    isle_value transferable;
};

/* Throws ISLE_EMALFORMED for a picture without pixels. */
void shrink_begin(struct shrink *shrink, uint32_t width, uint32_t height);
/* The next row, `channels` bytes a pixel: 1 grey, 3 RGB, 4 RGBA. A row too many is not looked at.
 */
void shrink_row(struct shrink *shrink, const uint8_t *row, unsigned channels);

#endif
