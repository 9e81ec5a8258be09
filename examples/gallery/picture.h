/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures are decoded here: an isolate's job, and its result. Whatever stands in a file
 * that nobody knows is read by this code alone, behind the wall.
 *
 * Law: the isolate gets bytes and gives a small tile back. It opens nothing, and the root looks at
 * no byte of the file but its size. */
#ifndef GALLERY_PICTURE_H
#define GALLERY_PICTURE_H

#include <isle.h>

/* Pixels of a tile: at most this, with the picture's proportions. RGBA, 8 bits each, not multiplied
 * by alpha. */
enum { TILE_WIDTH = 208, TILE_HEIGHT = 144 };

/* What came of a file that could be decoded. */
struct picture {
    uint32_t width, height; /* of the picture */
    uint32_t tile_width, tile_height;
    const char *format; /* "PNG" */
    isle_value tile;    /* transferable of tile_width * tile_height * 4 bytes */
};
extern const isle_type picture_type;

/* The transferable of a file → a struct picture. Throws what is wrong with the file. */
isle_value picture_decode(isle_value file);

/* A decoder reads `data` and calls shrink_begin, then shrink_row for each row from above. Throws.
 */
struct shrink;
void picture_read_png(const uint8_t *data, size_t size, struct shrink *shrink);
void picture_read_jpeg(const uint8_t *data, size_t size, struct shrink *shrink);
void picture_read_pnm(const uint8_t *data, size_t size, struct shrink *shrink);

#endif
