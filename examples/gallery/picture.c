/* SPDX-License-Identifier: Apache-2.0 */
/* The job, and the two decoders that are libraries'. Their errors become errors of the job:
 * the library jumps out of its own frames first, then we throw. What it had allocated goes with the
 * process. */
#include "picture.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

#include "shrink.h"

ISLE_TYPE(picture_type, struct picture, ISLE_FIELD(struct picture, width),
          ISLE_FIELD(struct picture, height), ISLE_FIELD(struct picture, tile_width),
          ISLE_FIELD(struct picture, tile_height), ISLE_FIELD(struct picture, format),
          ISLE_FIELD(struct picture, tile));

/* --- PNG */

struct png_reading {
    const uint8_t *data;
    size_t size, at;
    char text[128];
};

static void png_fails(png_structp png, png_const_charp text)
{
    struct png_reading *reading = png_get_error_ptr(png);
    snprintf(reading->text, sizeof reading->text, "%s", text);
    longjmp(png_jmpbuf(png), 1);
}

static void png_warns(png_structp png, png_const_charp text)
{
    (void)png, (void)text; /* the picture is shown as far as it goes */
}

static void png_read_bytes(png_structp png, png_bytep to, size_t size)
{
    struct png_reading *reading = png_get_io_ptr(png);
    if (size > reading->size - reading->at)
        png_error(png, "the file ends too early");
    memcpy(to, reading->data + reading->at, size);
    reading->at += size;
}

/* Whatever it was, RGBA of 8 bits from here on. */
static void png_normalize(png_structp png)
{
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_gray_to_rgb(png);
    png_set_add_alpha(png, 0xff, PNG_FILLER_AFTER);
}

static void png_shrink_rows(png_structp png, png_infop info, struct shrink *shrink)
{
    size_t row_size = png_get_rowbytes(png, info);
    uint32_t height = png_get_image_height(png, info);
    if (png_get_interlace_type(png, info) == PNG_INTERLACE_NONE) {
        png_bytep row = isle_alloc(row_size);
        for (uint32_t y = 0; y < height; y++) {
            png_read_row(png, row, NULL);
            shrink_row(shrink, row, 4);
        }
        return;
    }
    png_bytep all = isle_alloc(row_size * height);
    png_bytepp rows = isle_alloc(height * sizeof *rows);
    for (uint32_t y = 0; y < height; y++)
        rows[y] = all + y * row_size;
    png_read_image(png, rows);
    for (uint32_t y = 0; y < height; y++)
        shrink_row(shrink, rows[y], 4);
}

static void png_decode(png_structp png, png_infop info, struct png_reading *reading,
                       struct shrink *shrink)
{
    png_set_read_fn(png, reading, png_read_bytes);
    png_read_info(png, info);
    png_normalize(png);
    (void)png_set_interlace_handling(png);
    png_read_update_info(png, info);
    shrink_begin(shrink, png_get_image_width(png, info), png_get_image_height(png, info));
    png_shrink_rows(png, info, shrink);
}

void picture_read_png(const uint8_t *data, size_t size, struct shrink *shrink)
{
    struct png_reading reading = {.data = data, .size = size};
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reading, png_fails, png_warns);
    png_infop info = png == NULL ? NULL : png_create_info_struct(png);
    if (info == NULL)
        isle_throwf("libpng cannot begin");
    if (setjmp(png_jmpbuf(png)) == 0)
        png_decode(png, info, &reading, shrink);
    else
        isle_throwf("%s", reading.text);
}

/* --- JPEG */

struct jpeg_reading {
    struct jpeg_error_mgr errors; /* first */
    jmp_buf jump;
    char text[JMSG_LENGTH_MAX];
};

static void jpeg_fail(j_common_ptr jpeg)
{
    struct jpeg_reading *reading = (struct jpeg_reading *)(void *)jpeg->err;
    jpeg->err->format_message(jpeg, reading->text);
    longjmp(reading->jump, 1);
}

static void jpeg_warn(j_common_ptr jpeg, int level)
{
    (void)jpeg, (void)level;
}

/* Four inks become three lights in their place; Adobe's programs, which write nearly all of these,
 * store how much ink is missing. */
static void jpeg_row_from_inks(uint8_t *row, uint32_t width)
{
    uint8_t *to = row;
    for (uint32_t x = 0; x < width; x++, row += 4, to += 3) {
        unsigned black = row[3];
        for (int ink = 0; ink < 3; ink++)
            to[ink] = (uint8_t)(row[ink] * black / 255);
    }
}

static J_COLOR_SPACE jpeg_colours(const struct jpeg_decompress_struct *jpeg)
{
    if (jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK)
        return JCS_CMYK;
    return jpeg->num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
}

static void jpeg_decode(struct jpeg_decompress_struct *jpeg, const uint8_t *data, size_t size,
                        struct shrink *shrink)
{
    jpeg_create_decompress(jpeg);
    jpeg_mem_src(jpeg, data, size);
    (void)jpeg_read_header(jpeg, TRUE);
    jpeg->out_color_space = jpeg_colours(jpeg);
    (void)jpeg_start_decompress(jpeg);
    shrink_begin(shrink, jpeg->output_width, jpeg->output_height);
    unsigned channels = (unsigned)jpeg->output_components;
    uint8_t *row = isle_alloc((size_t)jpeg->output_width * channels);
    while (jpeg->output_scanline < jpeg->output_height) {
        (void)jpeg_read_scanlines(jpeg, &row, 1);
        if (channels == 4)
            jpeg_row_from_inks(row, jpeg->output_width);
        shrink_row(shrink, row, channels == 4 ? 3 : channels);
    }
}

void picture_read_jpeg(const uint8_t *data, size_t size, struct shrink *shrink)
{
    struct jpeg_reading reading;
    struct jpeg_decompress_struct jpeg;
    jpeg.err = jpeg_std_error(&reading.errors);
    reading.errors.error_exit = jpeg_fail;
    reading.errors.emit_message = jpeg_warn;
    if (setjmp(reading.jump) == 0)
        jpeg_decode(&jpeg, data, size, shrink);
    else
        isle_throwf("%s", reading.text);
}

/* --- the job */

static const char *picture_read(const uint8_t *data, size_t size, struct shrink *shrink)
{
    if (size >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0) {
        picture_read_png(data, size, shrink);
        return "PNG";
    }
    if (size >= 3 && memcmp(data, "\xff\xd8\xff", 3) == 0) {
        picture_read_jpeg(data, size, shrink);
        return "JPEG";
    }
    if (size >= 2 && data[0] == 'P' && data[1] == '6') {
        picture_read_pnm(data, size, shrink);
        return "PPM";
    }
    isle_throwf("neither PNG nor JPEG");
}

isle_value picture_decode(isle_value file)
{
    struct picture *picture = isle_new(struct picture);
    struct shrink shrink = {0};
    size_t size;
    const uint8_t *data = isle_as_bytes(isle_materialize(file), &size);
    picture->format = picture_read(data, size, &shrink);
    picture->width = shrink.width;
    picture->height = shrink.height;
    picture->tile_width = shrink.tile_width;
    picture->tile_height = shrink.tile_height;
    picture->tile = shrink.transferable;
    return isle_object(&picture_type, picture);
}
