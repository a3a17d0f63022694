/* SPDX-License-Identifier: Apache-2.0 */
/* demo.h - `x0 demo`: a mesh of real nodes in network namespaces on this one machine. */
#pragma once

#include <stdio.h>

/* argv[0] is the verb. Reads its own options and returns the exit status of the process. What is
 * wrong with them, and the help, goes to out or err; all else to standard output and error. */
int demo_main(int argc, char **argv, FILE *out, FILE *err);
