/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"
const struct workload scaling_workloads[] = {{NULL, NULL, 0, false}};
