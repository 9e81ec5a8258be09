/* SPDX-License-Identifier: Apache-2.0 */
/* gallery-hostile FOLDER: makes the files that the gallery is to survive. Good ones of PNG and JPEG
 * are drawn, then damaged: cut, bits turned over, sums and sizes wrong; beside them those that are
 * well-formed and ruinous (bombs), and those for the decoder with holes (pnm.c). The same files
 * every time. */
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jpeglib.h>
#include <png.h>
#include <zlib.h>

struct bytes {
    uint8_t *data;
    size_t size;
};

static const char *hostile_folder;

static void hostile_die(const char *what, const char *name)
{
    fprintf(stderr, "gallery-hostile: cannot %s %s\n", what, name);
    exit(1);
}

static void bytes_add(struct bytes *bytes, const void *data, size_t size)
{
    uint8_t *grown = realloc(bytes->data, bytes->size + size + 1);
    if (grown == NULL)
        hostile_die("hold", "a file in memory");
    bytes->data = grown;
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

static struct bytes bytes_copy(const struct bytes *bytes)
{
    struct bytes copy = {0};
    bytes_add(&copy, bytes->data, bytes->size);
    return copy;
}

/* Writes it and frees it. */
static void hostile_write(const char *name, struct bytes bytes)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", hostile_folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes.data, 1, bytes.size, file) != bytes.size || fclose(file) != 0)
        hostile_die("write", path);
    free(bytes.data);
}

/* --- drawing: rings over a slope of colours */

static void draw_pixel(uint8_t *pixel, int x, int y, int size)
{
    int dx = x - size / 2, dy = y - size / 2;
    int ring = (dx * dx + dy * dy) / (size * 6) % 2;
    pixel[0] = (uint8_t)(60 + x * 160 / size);
    pixel[1] = (uint8_t)(ring ? 210 - y * 120 / size : 90);
    pixel[2] = (uint8_t)(230 - x * 120 / size);
}

static void png_to_bytes(png_structp png, png_bytep data, size_t size)
{
    bytes_add(png_get_io_ptr(png), data, size);
}

static void png_no_flush(png_structp png)
{
    (void)png;
}

static struct bytes draw_png(int size)
{
    struct bytes out = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png == NULL ? NULL : png_create_info_struct(png);
    uint8_t *row = malloc((size_t)size * 3);
    if (info == NULL || row == NULL)
        hostile_die("draw", "a PNG");
    if (setjmp(png_jmpbuf(png)) != 0)
        hostile_die("write", "a PNG");
    png_set_write_fn(png, &out, png_to_bytes, png_no_flush);
    png_set_IHDR(png, info, (uint32_t)size, (uint32_t)size, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x++)
            draw_pixel(row + x * 3, x, y, size);
        png_write_row(png, row);
    }
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    free(row);
    return out;
}

/* Grey and flat if `flat`; with scans, so that it can be shown while it comes, if `progressive`. */
static struct bytes draw_jpeg(int size, bool flat, bool progressive)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *data = NULL;
    unsigned long data_size = 0;
    uint8_t *row = calloc((size_t)size, 3);
    if (row == NULL)
        hostile_die("draw", "a JPEG");
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &data, &data_size);
    jpeg.image_width = jpeg.image_height = (JDIMENSION)size;
    jpeg.input_components = flat ? 1 : 3;
    jpeg.in_color_space = flat ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&jpeg);
    if (progressive)
        jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < size; y++) {
        for (int x = 0; x < size && !flat; x++)
            draw_pixel(row + x * 3, x, y, size);
        (void)jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    struct bytes out = {0};
    bytes_add(&out, data, data_size);
    free(data);
    free(row);
    return out;
}

/* --- damage */

static void damage_cut(const char *name, const struct bytes *good, size_t size)
{
    struct bytes cut = bytes_copy(good);
    cut.size = size < cut.size ? size : cut.size;
    hostile_write(name, cut);
}

static void damage_bits(const char *name, const struct bytes *good, uint32_t seed, int count)
{
    struct bytes bad = bytes_copy(good);
    for (int i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        size_t at = 24 + seed % (bad.size - 24);
        bad.data[at] ^= (uint8_t)(1u << (seed >> 28 & 7));
    }
    hostile_write(name, bad);
}

static void damage_byte(const char *name, const struct bytes *good, size_t at, uint8_t value)
{
    struct bytes bad = bytes_copy(good);
    bad.data[at] = value;
    hostile_write(name, bad);
}

static void damage_all(void)
{
    struct bytes png = draw_png(160), jpeg = draw_jpeg(160, false, false),
                 progressive = draw_jpeg(160, false, true);
    char name[64];
    hostile_write("good.png", bytes_copy(&png));
    hostile_write("good.jpg", bytes_copy(&jpeg));
    hostile_write("good-progressive.jpg", bytes_copy(&progressive));
    damage_cut("empty.png", &png, 0);
    damage_cut("cut-in-the-head.png", &png, 20);
    damage_cut("cut-in-the-middle.png", &png, png.size / 2);
    damage_cut("cut-in-the-head.jpg", &jpeg, 30);
    damage_cut("cut-in-the-middle.jpg", &jpeg, jpeg.size / 2);
    for (uint32_t i = 1; i <= 4; i++) {
        (void)snprintf(name, sizeof name, "bits-%u.png", i);
        damage_bits(name, &png, i, 8);
        (void)snprintf(name, sizeof name, "bits-%u.jpg", i);
        damage_bits(name, &jpeg, i, 24);
        (void)snprintf(name, sizeof name, "bits-progressive-%u.jpg", i);
        damage_bits(name, &progressive, i, 24);
    }
    damage_byte("no-such-depth.png", &png, 24, 7);
    damage_byte("no-such-colour.png", &png, 25, 5);
    damage_byte("wrong-sum.png", &png, 30, 0x55);
    damage_byte("not-a-picture.png", &png, 1, 'X');
    free(png.data);
    free(jpeg.data);
    free(progressive.data);
}

/* --- bombs: well-formed, small, and more than anybody can decode */

static void chunk_add(struct bytes *png, const char *type, const uint8_t *data, size_t size)
{
    uint8_t word[4];
    uint32_t sum = (uint32_t)crc32(crc32(0, (const Bytef *)type, 4), data, (uInt)size);
    for (int i = 0; i < 4; i++)
        word[i] = (uint8_t)(size >> (24 - 8 * i));
    bytes_add(png, word, 4);
    bytes_add(png, type, 4);
    bytes_add(png, data, size);
    for (int i = 0; i < 4; i++)
        word[i] = (uint8_t)(sum >> (24 - 8 * i));
    bytes_add(png, word, 4);
}

static void bomb_png(const char *name, uint32_t size, uint8_t interlace)
{
    static uint8_t zeros[65536];
    struct bytes png = {0}, packed = {0};
    uint8_t head[13] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, interlace}; /* grey, one bit */
    for (int i = 0; i < 4; i++)
        head[i] = head[4 + i] = (uint8_t)(size >> (24 - 8 * i));
    uint64_t left = (uint64_t)(size / 8 + 1) * size * (interlace ? 2 : 1);
    z_stream stream = {0};
    if (deflateInit(&stream, 9) != Z_OK)
        hostile_die("pack", name);
    uint8_t out[65536];
    for (int status = Z_OK; status == Z_OK;) {
        stream.next_in = zeros;
        stream.avail_in = (uInt)(left < sizeof zeros ? left : sizeof zeros);
        left -= stream.avail_in;
        do {
            stream.next_out = out;
            stream.avail_out = sizeof out;
            status = deflate(&stream, left == 0 ? Z_FINISH : Z_NO_FLUSH);
            bytes_add(&packed, out, sizeof out - stream.avail_out);
        } while (stream.avail_out == 0);
    }
    deflateEnd(&stream);
    bytes_add(&png, "\x89PNG\r\n\x1a\n", 8);
    chunk_add(&png, "IHDR", head, sizeof head);
    chunk_add(&png, "IDAT", packed.data, packed.size);
    chunk_add(&png, "IEND", head, 0);
    free(packed.data);
    hostile_write(name, png);
}

static size_t marker_find(const struct bytes *jpeg, uint8_t marker, size_t from)
{
    for (size_t at = from; at + 1 < jpeg->size; at++)
        if (jpeg->data[at] == 0xff && jpeg->data[at + 1] == marker)
            return at;
    hostile_die("find a marker in", "a JPEG");
    return 0;
}

/* The last scan of a flat picture is a few dozen bytes, and costs a walk over all of its blocks:
 * again, and again. */
static void bomb_scans(const char *name, int size, int count)
{
    struct bytes flat = draw_jpeg(size, true, true), bomb = {0};
    size_t end = marker_find(&flat, 0xd9, flat.size - 2), scan = 0;
    for (size_t at = 0; at < end; at++)
        if (flat.data[at] == 0xff && flat.data[at + 1] == 0xda)
            scan = at;
    bytes_add(&bomb, flat.data, end);
    for (int i = 0; i < count; i++)
        bytes_add(&bomb, flat.data + scan, end - scan);
    bytes_add(&bomb, flat.data + end, 2);
    free(flat.data);
    hostile_write(name, bomb);
}

static void bombs_all(void)
{
    bomb_png("bomb-of-time.png", 40000, 0);
    bomb_png("bomb-of-memory.png", 20000, 1);
    bomb_scans("bomb-of-scans.jpg", 4000, 4000);
}

/* --- for the decoder with holes */

static void pnm_write(const char *name, const char *head)
{
    struct bytes pnm = {0};
    uint8_t pixel[3];
    bytes_add(&pnm, head, strlen(head));
    for (int i = 0; i < 96 * 96; i++) {
        draw_pixel(pixel, i % 96, i / 96, 96);
        bytes_add(&pnm, pixel, 3);
    }
    hostile_write(name, pnm);
}

static void holes_all(void)
{
    pnm_write("good.ppm", "P6 96 96 255\n");
    pnm_write("overflow.ppm", "P6 65536 65536 255\n");
    pnm_write("reads-a-file.ppm", "P6\n# do: read a file\n96 96 255\n");
    pnm_write("opens-a-socket.ppm", "P6\n# do: open a socket\n96 96 255\n");
    pnm_write("runs-a-shell.ppm", "P6\n# do: run a shell\n96 96 255\n");
    pnm_write("looks-at-the-host.ppm", "P6\n# do: look at the host\n96 96 255\n");
    pnm_write("takes-all-memory.ppm", "P6\n# do: take all memory\n96 96 255\n");
    pnm_write("floods.ppm", "P6\n# do: flood\n96 96 255\n");
    pnm_write("spins.ppm", "P6\n# do: spin\n96 96 255\n");
    pnm_write("sleeps.ppm", "P6\n# do: sleep\n96 96 255\n");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: gallery-hostile FOLDER\n", stderr);
        return 2;
    }
    hostile_folder = argv[1];
    (void)mkdir(hostile_folder, 0777);
    damage_all();
    bombs_all();
    holes_all();
    return 0;
}
