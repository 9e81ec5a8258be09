/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 22, Trapezoid: the integral of a curve from 1 to 5 by 10,000,000 trapezoids, in 100 equal
 * shares. A share is a computation of its own, so the program is a map and a sum: nobody waits but
 * run, for all. Operation: a trapezoid. Nothing is shared in the original.
 *
 * Checked against Simpson's rule, which needs far fewer points for more digits. */
#include "savina.h"

#include <math.h>

enum { SHARES = 100, SIMPSON_PIECES = 100000 };
static const double FROM = 1, TO = 5;

static double curve(double x)
{
    return sin(x * x * x - 1) / (x + 1) * sqrt(1 + exp(sqrt(2 * x)));
}

/* [from, width of a piece, pieces] → the sum of the pieces' areas */
static isle_value integrate(isle_value share)
{
    double from, width, sum = 0;
    int64_t pieces;
    isle_unpack(share, "[f,f,i]", &from, &width, &pieces);
    for (int64_t i = 0; i < pieces; i++) {
        double x = from + (double)i * width;
        sum += (curve(x) + curve(x + width)) / 2 * width;
    }
    return isle_double(sum);
}

static int64_t share_pieces(void)
{
    return savina_size(10000000, SHARES) / SHARES;
}

static isle_value run(void)
{
    int64_t pieces = share_pieces();
    double width = (TO - FROM) / (double)(pieces * SHARES);
    isle_future *shares[SHARES];
    for (int i = 0; i < SHARES; i++) {
        double from = FROM + (double)(i * pieces) * width;
        shares[i] = isle_run(integrate, isle_pack("[f,f,i]", from, width, pieces), NULL);
    }
    double sum = 0;
    for (int i = 0; i < SHARES; i++)
        sum += isle_as_double(isle_await(shares[i]));
    return isle_double(sum);
}

static double simpson(void)
{
    double half = (TO - FROM) / SIMPSON_PIECES / 2, sum = 0;
    for (int i = 0; i < SIMPSON_PIECES; i++) {
        double x = FROM + 2 * i * half;
        sum += (curve(x) + 4 * curve(x + half) + curve(x + 2 * half)) / 6;
    }
    return sum * 2 * half;
}

/* A trapezoid's error is its width cubed by the curve's bend, which is below 5,000 here, by 1/12.
 */
static int64_t verify(isle_value outcome)
{
    int64_t pieces = share_pieces() * SHARES;
    double width = (TO - FROM) / (double)pieces;
    double error = fabs(isle_as_double(outcome) - simpson());
    savina_expect(error < 1e-9 + (TO - FROM) * width * width * 5000 / 12,
                  "the integral is wrong by %g", error);
    return pieces;
}

SAVINA_PROGRAM(.name = "trapezoid", .run = run, .verify = verify);
