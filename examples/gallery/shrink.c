/* SPDX-License-Identifier: Apache-2.0 */
/* The box filter. It keeps one row of sums, so a picture of any height needs no more memory than a
 * row. */
#include "shrink.h"

#include <string.h>

enum { SUMS = 5 };

/* Largest size with these proportions that fits; never larger than the picture. */
static void shrink_fit(struct shrink *shrink)
{
    double scale = 1;
    if (shrink->width > TILE_WIDTH)
        scale = (double)TILE_WIDTH / shrink->width;
    if (shrink->height * scale > TILE_HEIGHT)
        scale = (double)TILE_HEIGHT / shrink->height;
    shrink->tile_width = (uint32_t)(shrink->width * scale + 0.5);
    shrink->tile_height = (uint32_t)(shrink->height * scale + 0.5);
    if (shrink->tile_width == 0)
        shrink->tile_width = 1;
    if (shrink->tile_height == 0)
        shrink->tile_height = 1;
}

void shrink_begin(struct shrink *shrink, uint32_t width, uint32_t height)
{
    if (width == 0 || height == 0)
        isle_throwf("a picture of %u x %u pixels", width, height);
    shrink->width = width;
    shrink->height = height;
    shrink->row = 0;
    shrink_fit(shrink);
    shrink->sums = isle_alloc(shrink->tile_width * SUMS * sizeof(uint64_t));
    shrink->transferable = isle_transferable((size_t)shrink->tile_width * shrink->tile_height * 4);
    shrink->tile = isle_transferable_data(shrink->transferable);
}

static void shrink_add(uint64_t *sum, const uint8_t *pixel, unsigned channels)
{
    uint64_t alpha = channels == 4 ? pixel[3] : 255;
    sum[0] += pixel[0] * alpha;
    sum[1] += pixel[channels == 1 ? 0 : 1] * alpha;
    sum[2] += pixel[channels == 1 ? 0 : 2] * alpha;
    sum[3] += alpha;
    sum[4]++;
}

static void shrink_finish_row(struct shrink *shrink, uint32_t to)
{
    uint8_t *pixel = shrink->tile + (size_t)to * shrink->tile_width * 4;
    for (uint32_t x = 0; x < shrink->tile_width; x++, pixel += 4) {
        const uint64_t *sum = shrink->sums + (size_t)x * SUMS;
        for (int channel = 0; channel < 3; channel++)
            pixel[channel] = sum[3] == 0 ? 0 : (uint8_t)((sum[channel] + sum[3] / 2) / sum[3]);
        pixel[3] = sum[4] == 0 ? 0 : (uint8_t)((sum[3] + sum[4] / 2) / sum[4]);
    }
    memset(shrink->sums, 0, shrink->tile_width * SUMS * sizeof(uint64_t));
}

void shrink_row(struct shrink *shrink, const uint8_t *row, unsigned channels)
{
    if (shrink->row >= shrink->height)
        return;
    uint64_t tile_width = shrink->tile_width, at = 0;
    for (uint32_t x = 0; x < shrink->width; x++, row += channels, at += tile_width)
        shrink_add(shrink->sums + at / shrink->width * SUMS, row, channels);
    uint32_t to = (uint32_t)((uint64_t)shrink->row * shrink->tile_height / shrink->height);
    shrink->row++;
    uint32_t next = (uint32_t)((uint64_t)shrink->row * shrink->tile_height / shrink->height);
    if (next != to)
        shrink_finish_row(shrink, to);
}
