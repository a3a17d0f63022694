/* SPDX-License-Identifier: Apache-2.0 */
/* keccak_rounds.h - the rounds of Keccak-f[1600] (FIPS 202 section 3), for any kind of lane.
 *
 * Included once for each kind, after these were defined:
 *
 *	LANE		the type: one lane of one state, or the same lane of several states
 *	ROUNDS_NAME	the name of the function to define
 *	XOR(a, b)	a ^ b
 *	XOR3(a, b, c)	a ^ b ^ c
 *	CHI(a, b, c)	a ^ (~b & c)
 *	ROTATE(a, n)	to the left, n a constant from 1 to 63
 *	CONSTANT(i)	keccak_round_constants[i] in each state
 *
 * It undefines them again. */
#include "pqc/keccak.h"

/* One plane of chi (3.2.4): each lane learns from its two neighbours to the right. */
#define PLANE(e, at, b0, b1, b2, b3, b4)                          \
	do {                                                      \
		LANE p0 = b0, p1 = b1, p2 = b2, p3 = b3, p4 = b4; \
                                                                  \
		(e)[(at)] = CHI(p0, p1, p2);                      \
		(e)[(at) + 1] = CHI(p1, p2, p3);                  \
		(e)[(at) + 2] = CHI(p2, p3, p4);                  \
		(e)[(at) + 3] = CHI(p3, p4, p0);                  \
		(e)[(at) + 4] = CHI(p4, p0, p1);                  \
	} while (0)

#define COLUMN(a, x) XOR3(XOR3((a)[x], (a)[(x) + 5], (a)[(x) + 10]), (a)[(x) + 15], (a)[(x) + 20])

/* Lane (x, y) is a[5 y + x]. Theta (3.2.1), then rho (table 2) and pi (3.2.3) within the
 * arguments of chi, then iota. Every index and every distance is a constant, and there are two
 * arrays, so that no lane is moved about. */
#define ROUND(e, a, i)                                                                 \
	do {                                                                           \
		LANE c0 = COLUMN(a, 0), c1 = COLUMN(a, 1), c2 = COLUMN(a, 2);          \
		LANE c3 = COLUMN(a, 3), c4 = COLUMN(a, 4);                             \
		LANE d0 = XOR(c4, ROTATE(c1, 1)), d1 = XOR(c0, ROTATE(c2, 1));         \
		LANE d2 = XOR(c1, ROTATE(c3, 1)), d3 = XOR(c2, ROTATE(c4, 1));         \
		LANE d4 = XOR(c3, ROTATE(c0, 1));                                      \
                                                                                       \
		PLANE(e, 0, XOR((a)[0], d0), ROTATE(XOR((a)[6], d1), 44),              \
		      ROTATE(XOR((a)[12], d2), 43), ROTATE(XOR((a)[18], d3), 21),      \
		      ROTATE(XOR((a)[24], d4), 14));                                   \
		(e)[0] = XOR((e)[0], CONSTANT(i));                                     \
		PLANE(e, 5, ROTATE(XOR((a)[3], d3), 28), ROTATE(XOR((a)[9], d4), 20),  \
		      ROTATE(XOR((a)[10], d0), 3), ROTATE(XOR((a)[16], d1), 45),       \
		      ROTATE(XOR((a)[22], d2), 61));                                   \
		PLANE(e, 10, ROTATE(XOR((a)[1], d1), 1), ROTATE(XOR((a)[7], d2), 6),   \
		      ROTATE(XOR((a)[13], d3), 25), ROTATE(XOR((a)[19], d4), 8),       \
		      ROTATE(XOR((a)[20], d0), 18));                                   \
		PLANE(e, 15, ROTATE(XOR((a)[4], d4), 27), ROTATE(XOR((a)[5], d0), 36), \
		      ROTATE(XOR((a)[11], d1), 10), ROTATE(XOR((a)[17], d2), 15),      \
		      ROTATE(XOR((a)[23], d3), 56));                                   \
		PLANE(e, 20, ROTATE(XOR((a)[2], d2), 62), ROTATE(XOR((a)[8], d3), 55), \
		      ROTATE(XOR((a)[14], d4), 39), ROTATE(XOR((a)[15], d0), 41),      \
		      ROTATE(XOR((a)[21], d1), 2));                                    \
	} while (0)

static inline __attribute__((always_inline)) void ROUNDS_NAME(LANE a[KECCAK_LANES])
{
	LANE e[KECCAK_LANES];

	for (unsigned i = 0; i < KECCAK_ROUNDS; i += 2) {
		ROUND(e, a, i);
		ROUND(a, e, i + 1);
	}
}

#undef PLANE
#undef COLUMN
#undef ROUND
#undef LANE
#undef ROUNDS_NAME
#undef XOR
#undef XOR3
#undef CHI
#undef ROTATE
#undef CONSTANT
