/* SPDX-License-Identifier: Apache-2.0 */
/* The helper as a program: standard input and output are its descriptors. */
#include "child.h"

int main(void)
{
    return child_serve(0, 1);
}
