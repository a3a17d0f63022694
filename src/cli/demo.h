/* SPDX-License-Identifier: Apache-2.0 */
/* demo.h - `x0 demo`: a mesh of real nodes in network namespaces on this one machine. */
#pragma once

/* argv[0] is the verb. Reads its own options and returns the exit status of the process. */
int demo_main(int argc, char **argv);
