/* SPDX-License-Identifier: Apache-2.0 */
/* spoken.h - which features an incident of a rule already speaks of. */
#pragma once

#include "core/healing/healing.h"
#include "core/unusual/unusual.h"

struct unusual_spoken {
	enum unusual_group group;
	unsigned features; /* a mask; 0: of none */
};

/* Only of its own features: a long incident must not stop the learning of all else. */
struct unusual_spoken unusual_spoken_of(enum healing_kind kind);
