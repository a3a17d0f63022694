/* SPDX-License-Identifier: Apache-2.0 */
/* batman.h - the kernel's batman-adv of this network namespace: its mesh interfaces, what they
 * know, and their settings, by generic netlink (family "batadv") and rtnetlink.
 *
 * Every call waits for the kernel's answer and returns its error: -EPERM without CAP_NET_ADMIN,
 * -ENODEV where there is no such interface, -EOPNOTSUPP where it is not batman-adv's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BATMAN_NAME_SIZE 16	 /* of an interface, as IFNAMSIZ */
#define BATMAN_ALGORITHM_SIZE 20 /* a name of the kernel's, and a NUL */
#define BATMAN_VERSION_SIZE 32
#define BATMAN_INTERFACES_MAX 64 /* of one mesh interface */
#define BATMAN_ROWS_MAX 65536	 /* of one table: a mesh of this size is far beyond batman-adv's */
#define BATMAN_WAIT_MS 2000
#define BATMAN_HEADER_BYTES                                                    \
	32 /* what batman-adv puts before a frame: an interface below it needs \
	    * 1532 bytes of MTU, else frames are fragmented */

struct batman;

/* -ENOENT: the kernel has no batman-adv, and could not load it. */
int batman_new(struct batman **ret);
void batman_free(struct batman *b);

/* ---- interfaces, by rtnetlink ---- */

/* Makes a mesh interface and sets it up; algorithm is "BATMAN_IV" or "BATMAN_V". -EEXIST, and
 * -EINVAL for an algorithm that the kernel has not. */
int batman_create(struct batman *b, const char *mesh, const char *algorithm);
int batman_destroy(struct batman *b, const char *mesh);
/* Puts an interface into the mesh and sets it up. -EBUSY where it belongs to another. */
int batman_add(struct batman *b, const char *mesh, const char *interface);
/* -ENOENT where it is not in this mesh. */
int batman_remove(struct batman *b, const char *mesh, const char *interface);
/* MTU of an interface; what of it is batman-adv's does not matter here. */
int batman_mtu(struct batman *b, const char *interface, unsigned *ret_bytes);

/* ---- settings ---- */

enum batman_kind {
	BATMAN_BOOL,
	BATMAN_NUMBER,
	BATMAN_CHOICE, /* one of the words in choices, counted from 0 */
	BATMAN_MARK,   /* MARK/MASK, both 32 bits */
};

/* A setting that the kernel has, of the mesh or of one interface in it. */
struct batman_setting {
	const char *name;
	const char *help;
	const char *unit; /* "" where there is none */
	enum batman_kind kind;
	bool is_of_interface;
	const char *const *choices; /* NULL ends them; of BATMAN_CHOICE */
	uint32_t min, max;	    /* of BATMAN_NUMBER */
	uint16_t attribute; /* BATADV_ATTR_...; of BATMAN_MARK the mark's, the mask's follows */
	uint8_t size;	    /* of the value in bytes: 1 or 4 */
};

struct batman_value {
	bool is_known; /* the kernel told it */
	uint32_t number;
	uint32_t mask; /* of BATMAN_MARK */
};

/* All of them; the last one's name is NULL. */
extern const struct batman_setting batman_settings[];
#define BATMAN_SETTINGS_MAX 24

const struct batman_setting *batman_setting_find(const char *name, bool is_of_interface);
/* As batman_value_format() writes it; bools are 0, 1, on, off, true or false. -EINVAL, -ERANGE. */
int batman_value_parse(const struct batman_setting *s, const char *text, struct batman_value *ret);
#define BATMAN_VALUE_SIZE 40
void batman_value_format(const struct batman_setting *s, const struct batman_value *value,
			 char ret[BATMAN_VALUE_SIZE]);

struct batman_mesh {
	char name[BATMAN_NAME_SIZE];
	char version[BATMAN_VERSION_SIZE];
	char algorithm[BATMAN_ALGORITHM_SIZE];
	char primary[BATMAN_NAME_SIZE]; /* the interface that gives the originator address; or "" */
	uint8_t address[6];
	uint8_t originator[6];				 /* where there is a primary */
	struct batman_value values[BATMAN_SETTINGS_MAX]; /* in the order of batman_settings */
};

struct batman_interface {
	char name[BATMAN_NAME_SIZE];
	uint8_t address[6];
	bool is_active;
	struct batman_value values[BATMAN_SETTINGS_MAX];
};

int batman_mesh(struct batman *b, const char *mesh, struct batman_mesh *ret);
/* At most BATMAN_INTERFACES_MAX of them, -ENOBUFS beyond. */
int batman_interfaces(struct batman *b, const char *mesh,
		      struct batman_interface ret[BATMAN_INTERFACES_MAX], size_t *ret_n);
/* Sets one; interface is NULL for those of the mesh. -EOPNOTSUPP where the kernel took the request
 * and the setting is not what was asked for: it does not know it. */
int batman_set(struct batman *b, const char *mesh, const char *interface,
	       const struct batman_setting *s, const struct batman_value *value);

/* ---- tables ---- */

enum batman_table {
	BATMAN_NEIGHBOURS,
	BATMAN_ORIGINATORS,
	BATMAN_GATEWAYS,
	BATMAN_LOCAL,	  /* translation table: clients announced by this node */
	BATMAN_GLOBAL,	  /* translation table: clients of the others */
	BATMAN_CLAIMS,	  /* bridge loop avoidance */
	BATMAN_BACKBONES, /* bridge loop avoidance */
	BATMAN_N_TABLES,
};

/* A row of any of them; what a table does not have is 0. */
struct batman_row {
	uint8_t address[6]; /* of the neighbour, originator, gateway, client, claim or backbone */
	uint8_t via[6];	    /* next hop; of a client its originator, of a claim its backbone */
	char interface[BATMAN_NAME_SIZE];
	bool has_last_seen, has_quality, has_throughput, has_vlan;
	bool is_best;		  /* of several rows of one address */
	bool is_own;		  /* claim or backbone of this node */
	uint8_t quality;	  /* BATMAN_IV: 0 to 255 */
	uint32_t throughput_kbps; /* BATMAN_V */
	uint32_t last_seen_ms;
	uint32_t down_kbps, up_kbps; /* of a gateway, as it announces them */
	uint16_t vlan;		     /* without its flag bit; only with has_vlan */
	uint8_t version;	     /* of the translation table */
	uint32_t flags;		     /* BATADV_TT_CLIENT_... */
	uint32_t crc;
};

/* The rows, to be freed with free(). -ENOBUFS beyond BATMAN_ROWS_MAX. */
int batman_table(struct batman *b, const char *mesh, enum batman_table table,
		 struct batman_row **ret, size_t *ret_n);
