/* SPDX-License-Identifier: Apache-2.0 */
/* cleanup.h - objects that free themselves when a function leaves early.
 *
 *	CLEANUP(tun_freep) struct tun *tun = calloc(1, sizeof(*tun));
 *	...
 *	*ret = TAKE(tun);	the caller owns it from here on
 */
#pragma once

#include <stdlib.h>

#define CLEANUP(function) __attribute__((cleanup(function)))

#define TAKE(pointer)                                   \
	({                                              \
		__typeof__(pointer) taken_ = (pointer); \
		(pointer) = NULL;                       \
		taken_;                                 \
	})

#define DEFINE_FREEP(type, free_function)                                     \
	static inline __attribute__((unused)) void free_function##p(type **p) \
	{                                                                     \
		free_function(*p);                                            \
	}

static inline void freep(void *p)
{
	free(*(void **)p);
}

#define CLEANUP_FREE CLEANUP(freep)

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))
