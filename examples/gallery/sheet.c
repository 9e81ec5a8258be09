/* SPDX-License-Identifier: Apache-2.0 */
/* Drawing, with cairo: text and lines look as they should, and it writes the PNG. It runs in the
 * root, on tiles whose sizes were checked; no byte of a foreign file comes here. */
#include "sheet.h"

#include <cairo.h>
#include <math.h>
#include <string.h>

struct colour {
    double red, green, blue;
};
static const struct colour page_colour = {0.118, 0.129, 0.153}, card_colour = {0.176, 0.192, 0.227},
                           well_colour = {0.098, 0.106, 0.125}, text_colour = {0.93, 0.94, 0.96},
                           dim_colour = {0.60, 0.64, 0.71}, bad_colour = {0.91, 0.36, 0.33},
                           odd_colour = {0.93, 0.68, 0.26}, good_colour = {0.42, 0.76, 0.48};

static void use(cairo_t *cairo, const struct colour *colour)
{
    cairo_set_source_rgb(cairo, colour->red, colour->green, colour->blue);
}

static const struct colour *item_colour(const struct item *item)
{
    if (item->is_shown)
        return &good_colour;
    return item_is_damaged(item) ? &odd_colour : &bad_colour;
}

const char *item_name(const struct item *item)
{
    const char *slash = strrchr(item->path, '/');
    return slash == NULL ? item->path : slash + 1;
}

const char *item_verdict(const struct item *item)
{
    switch ((int)item->reason) {
    case ISLE_RETURNED:
        return "shown";
    case ISLE_FAILED:
        return strncmp(item->text, "wanted ", 7) == 0 ? "attack refused" : "damaged";
    case ISLE_SIGNALED:
        return "crashed";
    case ISLE_VIOLATION:
        return "forbidden call";
    case ISLE_MEMORY:
        return "too much memory";
    case ISLE_CPU:
        return "too much time";
    case ISLE_DEADLINE:
        return "did not end";
    default:
        return isle_reason_text(item->reason);
    }
}

bool item_is_damaged(const struct item *item)
{
    return strcmp(item_verdict(item), "damaged") == 0;
}

static size_t sheet_pages(size_t cards)
{
    return (cards + SHEET_COLUMNS * SHEET_ROWS - 1) / (SHEET_COLUMNS * SHEET_ROWS);
}

/* How many cards a page has, the last one perhaps fewer. */
static size_t sheet_per_page(size_t cards)
{
    size_t pages = sheet_pages(cards), rows = (cards + SHEET_COLUMNS - 1) / SHEET_COLUMNS;
    return pages == 0 ? 0 : (rows + pages - 1) / pages * SHEET_COLUMNS;
}

struct card_place sheet_place(size_t cards, size_t card)
{
    size_t per_page = sheet_per_page(cards), on_page = card % per_page;
    return (struct card_place){
        .page = card / per_page,
        .x = SHEET_MARGIN + (int)(on_page % SHEET_COLUMNS) * (CARD_WIDTH + CARD_GAP),
        .y = SHEET_HEAD + (int)(on_page / SHEET_COLUMNS) * (CARD_HEIGHT + CARD_GAP),
    };
}

static void round_rectangle(cairo_t *cairo, double x, double y, double width, double height,
                            double radius)
{
    cairo_new_sub_path(cairo);
    cairo_arc(cairo, x + width - radius, y + radius, radius, -M_PI / 2, 0);
    cairo_arc(cairo, x + width - radius, y + height - radius, radius, 0, M_PI / 2);
    cairo_arc(cairo, x + radius, y + height - radius, radius, M_PI / 2, M_PI);
    cairo_arc(cairo, x + radius, y + radius, radius, M_PI, 3 * M_PI / 2);
    cairo_close_path(cairo);
}

/* Cut with an ellipsis where there is no room; a byte that is no ASCII becomes '?': a file's name
 * need not be UTF-8. */
static void draw_text(cairo_t *cairo, double x, double y, double width, const char *text)
{
    char line[200];
    cairo_text_extents_t extents;
    size_t size = strlen(text);
    if (size > sizeof line - 4)
        size = sizeof line - 4;
    for (size_t i = 0; i < size; i++)
        line[i] = (text[i] >= ' ' && text[i] < 127) ? text[i] : '?';
    line[size] = '\0';
    cairo_text_extents(cairo, line, &extents);
    while (extents.x_advance > width && size > 1) {
        memcpy(line + --size, "\xe2\x80\xa6", 4);
        cairo_text_extents(cairo, line, &extents);
    }
    cairo_move_to(cairo, x, y);
    cairo_show_text(cairo, line);
}

static double text_width(cairo_t *cairo, const char *text)
{
    cairo_text_extents_t extents;
    cairo_text_extents(cairo, text, &extents);
    return extents.x_advance;
}

static void draw_in_middle(cairo_t *cairo, double x, double y, double width, const char *text)
{
    draw_text(cairo, x + fmax(0, (width - text_width(cairo, text)) / 2), y, width, text);
}

/* Two lines where one has no room for it: the first gets as many words as it can. */
static void draw_two_lines(cairo_t *cairo, double x, double y, double width, const char *text)
{
    char first[200] = "";
    const char *rest = text;
    if (strlen(text) < sizeof first && text_width(cairo, text) > width) {
        for (const char *space = text; (space = strchr(space + 1, ' ')) != NULL;) {
            char line[sizeof first];
            (void)snprintf(line, sizeof line, "%.*s", (int)(space - text), text);
            if (text_width(cairo, line) > width)
                break;
            memcpy(first, line, sizeof first);
            rest = space + 1;
        }
    }
    if (rest != text)
        draw_in_middle(cairo, x, y, width, first);
    draw_in_middle(cairo, x, rest != text ? y + 16 : y, width, rest);
}

static void font(cairo_t *cairo, double size, bool bold)
{
    cairo_select_font_face(cairo, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cairo, size);
}

static void draw_dot(cairo_t *cairo, double x, double y, const struct colour *colour)
{
    use(cairo, colour);
    cairo_new_path(cairo);
    cairo_arc(cairo, x, y, 4, 0, 2 * M_PI);
    cairo_fill(cairo);
}

/* Cairo wants native 32-bit words, multiplied by alpha. */
static cairo_surface_t *tile_surface(const struct item *item)
{
    cairo_surface_t *surface = cairo_image_surface_create(
        CAIRO_FORMAT_ARGB32, (int)item->tile_width, (int)item->tile_height);
    unsigned char *data = cairo_image_surface_get_data(surface);
    if (data == NULL)
        return surface;
    size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    const uint8_t *from = item->tile;
    for (uint32_t y = 0; y < item->tile_height; y++) {
        for (uint32_t x = 0; x < item->tile_width; x++, from += 4) {
            uint32_t alpha = from[3], red = from[0] * alpha / 255, green = from[1] * alpha / 255,
                     blue = from[2] * alpha / 255;
            uint32_t word = alpha << 24 | red << 16 | green << 8 | blue;
            memcpy(data + y * stride + (size_t)x * 4, &word, 4);
        }
    }
    cairo_surface_mark_dirty(surface);
    return surface;
}

/* In the middle of its well; what is tiny is shown larger, by whole factors, so that an icon stays
 * sharp. */
static void draw_tile(cairo_t *cairo, const struct item *item, double x, double y)
{
    cairo_surface_t *surface = tile_surface(item);
    int zoom = 1;
    while (zoom < 3 && (int)item->tile_width * (zoom + 1) <= 96 &&
           (int)item->tile_height * (zoom + 1) <= 96)
        zoom++;
    double width = item->tile_width * (double)zoom, height = item->tile_height * (double)zoom;
    cairo_save(cairo);
    cairo_translate(cairo, floor(x + (TILE_WIDTH - width) / 2),
                    floor(y + (TILE_HEIGHT - height) / 2));
    cairo_scale(cairo, zoom, zoom);
    cairo_set_source_surface(cairo, surface, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cairo), CAIRO_FILTER_NEAREST);
    cairo_paint(cairo);
    cairo_restore(cairo);
    cairo_surface_destroy(surface);
}

/* A mark for what gave no picture: a cross in a ring, what happened, and what it said. */
static void draw_failure(cairo_t *cairo, const struct item *item, double x, double y)
{
    double middle = x + TILE_WIDTH / 2.0;
    use(cairo, item_colour(item));
    cairo_set_line_width(cairo, 3);
    cairo_arc(cairo, middle, y + 42, 21, 0, 2 * M_PI);
    cairo_stroke(cairo);
    cairo_move_to(cairo, middle - 8, y + 34);
    cairo_line_to(cairo, middle + 8, y + 50);
    cairo_move_to(cairo, middle + 8, y + 34);
    cairo_line_to(cairo, middle - 8, y + 50);
    cairo_stroke(cairo);
    font(cairo, 15, true);
    draw_in_middle(cairo, x + 4, y + 90, TILE_WIDTH - 8, item_verdict(item));
    use(cairo, &dim_colour);
    font(cairo, 11.5, false);
    draw_two_lines(cairo, x + 4, y + 111, TILE_WIDTH - 8, item->text);
}

static void describe(const struct item *item, char *line, size_t size)
{
    if (item->is_shown)
        (void)snprintf(line, size, "%s  %u x %u  %.1f ms", item->format, item->width, item->height,
                       (double)item->time_ns / 1e6);
    else
        (void)snprintf(line, size, "%lld bytes  %.1f ms", (long long)item->size,
                       (double)item->time_ns / 1e6);
}

static void draw_card(cairo_t *cairo, const struct item *item, double x, double y)
{
    char line[96];
    double inner = (CARD_WIDTH - TILE_WIDTH) / 2.0;
    use(cairo, &card_colour);
    round_rectangle(cairo, x, y, CARD_WIDTH, CARD_HEIGHT, 8);
    cairo_fill(cairo);
    use(cairo, &well_colour);
    round_rectangle(cairo, x + inner, y + inner, TILE_WIDTH, TILE_HEIGHT, 4);
    cairo_fill(cairo);
    if (item->is_shown)
        draw_tile(cairo, item, x + inner, y + inner);
    else
        draw_failure(cairo, item, x + inner, y + inner);
    double below = y + inner + TILE_HEIGHT;
    use(cairo, &text_colour);
    font(cairo, 13.5, false);
    draw_text(cairo, x + inner, below + 22, TILE_WIDTH, item_name(item));
    describe(item, line, sizeof line);
    use(cairo, &dim_colour);
    font(cairo, 11.5, false);
    draw_text(cairo, x + inner, below + 40, TILE_WIDTH, line);
    if (item->is_hostile)
        draw_dot(cairo, x + CARD_WIDTH - inner - 5, below + 36, item_colour(item));
}

/* What the dots mean, to the left of `right`. */
static void draw_legend(cairo_t *cairo, double right, double y)
{
    static const struct {
        const char *text;
        const struct colour *colour;
    } entries[] = {{"stopped", &bad_colour}, {"damaged", &odd_colour}, {"shown", &good_colour}};
    static const char made_to_harm[] = "made to do harm:";
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        right -= text_width(cairo, entries[i].text);
        use(cairo, &dim_colour);
        draw_text(cairo, right, y, CARD_WIDTH, entries[i].text);
        draw_dot(cairo, right - 10, y - 5, entries[i].colour);
        right -= 34;
    }
    use(cairo, &dim_colour);
    draw_text(cairo, right + 10 - text_width(cairo, made_to_harm), y, CARD_WIDTH, made_to_harm);
}

static bool crew_has_hostile(const struct crew *crew)
{
    for (size_t i = 0; i < crew->count; i++)
        if (crew->items[i].is_hostile)
            return true;
    return false;
}

static void draw_head(cairo_t *cairo, const struct crew *crew, const char *title, size_t page,
                      size_t pages)
{
    char line[256];
    double width = SHEET_COLUMNS * (CARD_WIDTH + CARD_GAP) - CARD_GAP;
    use(cairo, &text_colour);
    font(cairo, 30, true);
    draw_text(cairo, SHEET_MARGIN, 54, width, title);
    (void)snprintf(line, sizeof line,
                   "%zu files, each decoded in a sandboxed process of its own: %zu shown, %zu "
                   "stopped or refused, in %.2f s with %u at once",
                   crew->done, crew->done - crew->failed, crew->failed, (double)crew->time_ns / 1e9,
                   crew->at_once);
    use(cairo, &dim_colour);
    font(cairo, 15, false);
    draw_text(cairo, SHEET_MARGIN, 84, width - 460, line);
    if (crew_has_hostile(crew))
        draw_legend(cairo, SHEET_MARGIN + width, 84);
    if (pages > 1) {
        (void)snprintf(line, sizeof line, "page %zu of %zu", page + 1, pages);
        use(cairo, &dim_colour);
        draw_text(cairo, SHEET_MARGIN + width - text_width(cairo, line), 54, width, line);
    }
}

static void page_draw(const struct crew *crew, const char *folder, const char *title, size_t page,
                      size_t pages)
{
    char path[4096];
    size_t per_page = sheet_per_page(crew->count), first = page * per_page;
    size_t count = crew->count - first < per_page ? crew->count - first : per_page;
    int rows = (int)((count + SHEET_COLUMNS - 1) / SHEET_COLUMNS);
    int width = 2 * SHEET_MARGIN + SHEET_COLUMNS * (CARD_WIDTH + CARD_GAP) - CARD_GAP;
    int height = SHEET_HEAD + rows * (CARD_HEIGHT + CARD_GAP) - CARD_GAP + SHEET_MARGIN;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    cairo_t *cairo = cairo_create(surface);
    use(cairo, &page_colour);
    cairo_paint(cairo);
    draw_head(cairo, crew, title, page, pages);
    for (size_t i = first; i < first + count; i++) {
        struct card_place place = sheet_place(crew->count, i);
        draw_card(cairo, &crew->items[i], place.x, place.y);
        isle_checkpoint();
    }
    (void)snprintf(path, sizeof path, "%s/sheet-%zu.png", folder, page + 1);
    cairo_status_t status = cairo_surface_write_to_png(surface, path);
    cairo_destroy(cairo);
    cairo_surface_destroy(surface);
    if (status != CAIRO_STATUS_SUCCESS)
        isle_throwf("cannot write %s: %s", path, cairo_status_to_string(status));
}

size_t sheet_draw(const struct crew *crew, const char *folder, const char *title)
{
    size_t pages = sheet_pages(crew->count);
    for (size_t page = 0; page < pages; page++)
        page_draw(crew, folder, title, page, pages);
    return pages;
}
