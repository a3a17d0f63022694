/* SPDX-License-Identifier: Apache-2.0 */
/* The rekey model one step deeper than the unit test goes. */
#define MODEL_DEPTH 5
/* NOLINTNEXTLINE(bugprone-suspicious-include): the same model, compiled with this depth */
#include "core/session/test_rekey_model.c"
