/* SPDX-License-Identifier: Apache-2.0 */
/* 16 MiB move there and back; no byte is copied on the way. */
#include <inttypes.h>
#include <isle.h>

enum { SIZE = 16 * 1024 * 1024 };

static isle_value invert(isle_value image)
{
    isle_value bytes = isle_materialize(image);
    uint8_t *pixels = isle_bytes_data(bytes);
    for (size_t i = 0; i < isle_count(bytes); i++)
        pixels[i] = (uint8_t)~pixels[i];
    return bytes; /* isle_run moves its result */
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_value image = isle_transferable(SIZE);
    uint8_t *pixels = isle_transferable_data(image);
    for (size_t i = 0; i < SIZE; i++)
        pixels[i] = (uint8_t)i;

    isle_future *inverted =
        isle_run(invert, image, NULL); /* image and pixels are dead from here on */
    size_t size;
    const uint8_t *result = isle_as_bytes(isle_await(inverted), &size);
    printf("%zu bytes, the last is %" PRIu8 "\n", size, result[size - 1]);
    return 0;
}

ISLE_MAIN(app);
