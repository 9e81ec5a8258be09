/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 21, Facility Location: 100,000 customers appear one by one at random places of a square of
 * side 500, and facilities are opened where they pay. An actor has a square, at first all, and the
 * facilities it knows; a customer costs the distance to the nearest. When a square's customers cost
 * more than 2 · sqrt(2) · 500, a facility is opened in its middle and the square is divided among
 * four new actors. Its parent is told of it, tells the child at the opposite corner, with all below
 * it, and its own parent. The next customer comes when the first square has taken the last one in.
 * Operation: a customer.
 *
 * In the original the four get lists of objects that all share. Here a divided square freezes two
 * arrays, of its facilities and its customers, which the four share as long as they look for their
 * own part in them. The original's cut-off depth is not used by its actors.
 *
 * News of a facility race with customers, so costs differ from run to run. Checked are that the
 * squares which are left cover the first, that each has the customers in it, that the others had
 * cause to be divided, and that costs lie between two bounds: as if a square knew of all facilities
 * at once, and as if it knew only of those around it. */
#include "savina.h"

#include <math.h>
#include <string.h>

enum { CHILDREN = 4, SEED = 123456 };
static const double GRID_SIZE = 500, THRESHOLD = 2 * 1.4142135623730951 * 500;

struct point {
    double x, y;
};
ISLE_TYPE(point_type, struct point, ISLE_FIELD(struct point, x), ISLE_FIELD(struct point, y));

/* The lower left corner belongs to a square, its right and upper sides do not. */
struct square {
    double x, y, side;
};
ISLE_TYPE(square_type, struct square, ISLE_FIELD(struct square, x), ISLE_FIELD(struct square, y),
          ISLE_FIELD(struct square, side));

static bool square_has(struct square square, struct point point)
{
    return square.x <= point.x && point.x < square.x + square.side && square.y <= point.y &&
           point.y < square.y + square.side;
}

static struct point square_middle(struct square square)
{
    return (struct point){square.x + square.side / 2, square.y + square.side / 2};
}

/* Bit 0 of a quarter's number is its half from left to right, bit 1 from below to above; so the
 * numbers of opposite quarters add up to 3. */
static struct square square_quarter(struct square square, int64_t number)
{
    double half = square.side / 2;
    return (struct square){square.x + (number & 1 ? half : 0), square.y + (number & 2 ? half : 0),
                           half};
}

static int64_t square_quarter_of(struct square square, struct point point)
{
    struct point middle = square_middle(square);
    return (point.x >= middle.x) + 2 * (point.y >= middle.y);
}

static double squared_distance(struct point a, struct point b)
{
    return (a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y);
}

/* To the nearest of count > 0 points. */
static double nearest(const struct point *points, size_t count, struct point from)
{
    double least = INFINITY;
    for (size_t i = 0; i < count; i++) {
        double distance = squared_distance(points[i], from);
        least = distance < least ? distance : least;
    }
    return sqrt(least);
}

/* A list of points that grows. */
struct points {
    struct point *at;
    size_t count, capacity;
};

static void points_add(struct points *points, struct point point)
{
    if (points->count == points->capacity) {
        points->capacity = points->capacity == 0 ? 64 : 2 * points->capacity;
        points->at = isle_realloc(points->at, points->capacity * sizeof(*points->at));
    }
    points->at[points->count++] = point;
}

static isle_value points_freeze(const struct points *points)
{
    return isle_freeze(isle_bytes(points->at, points->count * sizeof(*points->at)));
}

/* What a quadrant is born with. */
struct birth {
    isle_send_port parent; /* none: the first */
    isle_send_port reports;
    int64_t number; /* among its parent's quarters */
    struct square square;
    isle_value facilities, customers; /* frozen bytes, of struct point */
};
ISLE_TYPE(birth_type, struct birth, ISLE_FIELD(struct birth, parent),
          ISLE_FIELD(struct birth, reports), ISLE_FIELD(struct birth, number),
          ISLE_FIELD_STRUCT(struct birth, square, &square_type),
          ISLE_FIELD(struct birth, facilities), ISLE_FIELD(struct birth, customers));

/* News of a facility. */
struct news {
    struct point facility;
    int64_t child; /* the quarter that tells; -1: the parent tells */
};
ISLE_TYPE(news_type, struct news, ISLE_FIELD_STRUCT(struct news, facility, &point_type),
          ISLE_FIELD(struct news, child));

/* A quadrant's last words, or what it was when it was divided. */
struct report {
    struct square square;
    bool divided;
    int64_t customers;
    uint64_t digest; /* of the customers, whatever their order */
    double cost;
};
ISLE_TYPE(report_type, struct report, ISLE_FIELD_STRUCT(struct report, square, &square_type),
          ISLE_FIELD(struct report, divided), ISLE_FIELD(struct report, customers),
          ISLE_FIELD(struct report, digest), ISLE_FIELD(struct report, cost));

struct quadrant {
    isle_send_port parent, reports;
    int64_t number;
    struct square square;
    struct points facilities; /* known ones, and its own, which is not open yet */
    struct points customers;
    double cost;
    bool divided;
    isle_send_port children[CHILDREN];
};

static uint64_t point_digest(struct point point)
{
    uint64_t bits[2];
    memcpy(bits, &point, sizeof(bits));
    return (bits[0] * 0x9e3779b97f4a7c15 + bits[1]) * 0xbf58476d1ce4e5b9;
}

static void quadrant_report(const struct quadrant *quadrant)
{
    struct report report = {quadrant->square, quadrant->divided, (int64_t)quadrant->customers.count,
                            0, quadrant->cost};
    for (size_t i = 0; i < quadrant->customers.count; i++)
        report.digest += point_digest(quadrant->customers.at[i]);
    isle_send_object(quadrant->reports, &report_type, &report);
}

static void quadrant_main(isle_value message);

/* Tells of a facility upwards; the first quadrant has nobody to tell. */
static void quadrant_tell_parent(const struct quadrant *quadrant, struct point facility)
{
    struct news news = {facility, quadrant->number};
    if (!isle_send_port_is_none(quadrant->parent))
        isle_send_object(quadrant->parent, &news_type, &news);
}

static void quadrant_divide(struct quadrant *quadrant)
{
    quadrant->divided = true;
    quadrant_report(quadrant);
    quadrant_tell_parent(quadrant, square_middle(quadrant->square));
    struct birth birth = {.parent = isle_port_send_port(isle_default_port()),
                          .reports = quadrant->reports,
                          .facilities = points_freeze(&quadrant->facilities),
                          .customers = points_freeze(&quadrant->customers)};
    for (birth.number = 0; birth.number < CHILDREN; birth.number++) {
        birth.square = square_quarter(quadrant->square, birth.number);
        isle_value start = isle_object(&birth_type, &birth);
        quadrant->children[birth.number] = isle_spawn(quadrant_main, start, NULL).default_port;
    }
    isle_free(quadrant->customers.at);
    quadrant->customers = (struct points){0};
}

static void quadrant_add(struct quadrant *quadrant, struct point customer)
{
    const struct points *facilities = &quadrant->facilities;
    points_add(&quadrant->customers, customer);
    quadrant->cost += nearest(facilities->at, facilities->count, customer);
}

static void quadrant_take_customer(struct quadrant *quadrant, isle_value message)
{
    struct point customer = *(const struct point *)isle_as_object(message, &point_type);
    if (quadrant->divided) {
        isle_send(quadrant->children[square_quarter_of(quadrant->square, customer)], message);
        return;
    }
    quadrant_add(quadrant, customer);
    if (quadrant->cost > THRESHOLD)
        quadrant_divide(quadrant);
}

static void quadrant_take_news(struct quadrant *quadrant, const struct news *news)
{
    struct news below = {news->facility, -1};
    points_add(&quadrant->facilities, news->facility);
    if (news->child >= 0) {
        quadrant_tell_parent(quadrant, news->facility);
        isle_send_object(quadrant->children[3 - news->child], &news_type, &below);
        return;
    }
    for (int i = 0; quadrant->divided && i < CHILDREN; i++)
        isle_send_object(quadrant->children[i], &news_type, &below);
}

static void quadrant_end(struct quadrant *quadrant)
{
    for (int i = 0; quadrant->divided && i < CHILDREN; i++)
        isle_send(quadrant->children[i], isle_null());
    if (!quadrant->divided)
        quadrant_report(quadrant);
    isle_port_close(isle_default_port());
}

/* A customer, news or null, the end. The first quadrant is called with customers; a reply tells
 * that the customer is in. To the others they are sent, and nobody waits for what is returned. */
static isle_value quadrant_take(isle_value message, void *context)
{
    if (isle_is_null(message))
        quadrant_end(context);
    else if (isle_object_type(message) == &point_type)
        quadrant_take_customer(context, message);
    else
        quadrant_take_news(context, isle_as_object(message, &news_type));
    return isle_null();
}

static void quadrant_adopt(struct quadrant *quadrant, const struct birth *birth)
{
    size_t size;
    const struct point *points = isle_as_bytes(birth->facilities, &size);
    for (size_t i = 0; i < size / sizeof(*points); i++)
        points_add(&quadrant->facilities, points[i]);
    points_add(&quadrant->facilities, square_middle(quadrant->square));
    points = isle_as_bytes(birth->customers, &size);
    for (size_t i = 0; i < size / sizeof(*points); i++)
        if (square_has(quadrant->square, points[i]))
            quadrant_add(quadrant, points[i]);
}

static void quadrant_main(isle_value message)
{
    const struct birth *birth = isle_as_object(message, &birth_type);
    struct quadrant *quadrant = isle_new(struct quadrant);
    quadrant->parent = birth->parent;
    quadrant->reports = birth->reports;
    quadrant->number = birth->number;
    quadrant->square = birth->square;
    quadrant_adopt(quadrant, birth);
    isle_port_serve(isle_default_port(), quadrant_take, quadrant);
}

static int64_t customer_count(void)
{
    return savina_size(100000, 1);
}

static struct point next_customer(savina_random *random)
{
    double x = savina_random_unit(random) * GRID_SIZE;
    return (struct point){x, savina_random_unit(random) * GRID_SIZE};
}

/* The reports of all squares: of those that are left, until they cover the first, and of those that
 * were divided, one for each three that are left but one. */
static isle_value gather(isle_receive_port *port)
{
    isle_value reports = isle_list();
    double covered = 0;
    int64_t left = 0, divided = 0;
    while (covered < GRID_SIZE * GRID_SIZE || 3 * divided < left - 1) {
        ISLE_SCOPE;
        isle_value message = isle_port_receive(port);
        const struct report *report = isle_as_object(message, &report_type);
        divided += report->divided;
        left += !report->divided;
        covered += report->divided ? 0 : report->square.side * report->square.side;
        isle_list_add(reports, message);
    }
    return reports;
}

static isle_value run(void)
{
    isle_receive_port *reports = isle_port_open();
    isle_value none = isle_freeze(isle_bytes(NULL, 0));
    struct birth birth = {.reports = isle_port_send_port(reports),
                          .square = {0, 0, GRID_SIZE},
                          .facilities = none,
                          .customers = none};
    isle_value start = isle_object(&birth_type, &birth);
    isle_send_port first = isle_spawn(quadrant_main, start, NULL).default_port;
    savina_random random = {SEED};
    for (int64_t i = 0, count = customer_count(); i < count; i++) {
        ISLE_SCOPE;
        struct point customer = next_customer(&random);
        isle_await(isle_call(first, isle_object(&point_type, &customer), ISLE_FOREVER));
    }
    isle_send(first, isle_null());
    isle_value outcome = gather(reports);
    isle_port_close(reports);
    return outcome;
}

/* The customers, and the open facilities: those in the middle of a divided square. */
struct facts {
    struct points customers, facilities;
};

/* The middles of all squares that a square is part of, its own included. */
static struct points middles_around(struct square part)
{
    struct points points = {0};
    struct square square = {0, 0, GRID_SIZE};
    points_add(&points, square_middle(square));
    while (square.side > part.side) {
        square = square_quarter(square, square_quarter_of(square, square_middle(part)));
        points_add(&points, square_middle(square));
    }
    return points;
}

/* What a square that is left reports of its customers. */
static void verify_left(const struct facts *facts, const struct report *report)
{
    struct points around = middles_around(report->square);
    struct point own = square_middle(report->square);
    struct report seen = {report->square, false, 0, 0, 0};
    double most = 0, least = 0;
    for (size_t i = 0; i < facts->customers.count; i++) {
        struct point customer = facts->customers.at[i];
        if (!square_has(report->square, customer))
            continue;
        seen.customers++;
        seen.digest += point_digest(customer);
        most += nearest(around.at, around.count, customer);
        least += fmin(nearest(facts->facilities.at, facts->facilities.count, customer),
                      sqrt(squared_distance(own, customer)));
    }
    isle_free(around.at);
    savina_expect(report->customers == seen.customers && report->digest == seen.digest,
                  "a square has %" PRId64 " customers, not the %" PRId64 " in it",
                  report->customers, seen.customers);
    savina_expect(least * (1 - 1e-12) <= report->cost && report->cost <= most * (1 + 1e-12),
                  "costs of %g are not between %g and %g", report->cost, least, most);
}

static const struct report *report_at(isle_value reports, size_t index)
{
    return isle_as_object(isle_list_get(reports, index), &report_type);
}

static int64_t verify(isle_value reports)
{
    struct facts facts = {0};
    savina_random random = {SEED};
    for (int64_t i = 0; i < customer_count(); i++)
        points_add(&facts.customers, next_customer(&random));
    for (size_t i = 0; i < isle_count(reports); i++) {
        const struct report *report = report_at(reports, i);
        if (!report->divided)
            continue;
        points_add(&facts.facilities, square_middle(report->square));
        savina_expect(report->cost > THRESHOLD, "a square was divided for %g", report->cost);
    }
    for (size_t i = 0; i < isle_count(reports); i++)
        if (!report_at(reports, i)->divided)
            verify_left(&facts, report_at(reports, i));
    return customer_count();
}

SAVINA_PROGRAM(.name = "facloc", .run = run, .verify = verify);
