/* SPDX-License-Identifier: Apache-2.0 */
/* svg.h - a topology drawn: what failed in red, a flow's path before it in blue, after in green. */
#pragma once

#include <stdio.h>

#include "sim/mesh_run.h"

/* Places are the topology's own, or computed from the graph alone: the same for the same graph.
 * -ENOMEM, -EIO. */
int svg_write(FILE *to, const struct topology *t, const struct mesh_picture *picture);
/* x and y from 0 to 1 for each node. -ENOMEM. */
int svg_layout(const struct topology *t, double *ret_x, double *ret_y);
