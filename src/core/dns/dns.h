/* SPDX-License-Identifier: Apache-2.0 */
/* dns.h - DNS messages, and what this node answers about the names of the mesh.
 *
 * An authoritative responder for two kinds of names, those under the zone ("roof.x0.internal")
 * and those of the overlay's addresses ("....d.f.ip6.arpa"), and nothing else: what is foreign is
 * refused, or passed on by whoever calls. Follows RFC 1035, 2308 (negative answers), 4343 (case),
 * 6891 (EDNS0), 8020, 8482 (ANY). Pure: bytes in, bytes out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/rng.h"

#define DNS_NAME_MAX 255  /* bytes of a name on the wire, the root's 0 included */
#define DNS_TEXT_SIZE 254 /* a name as text without the last dot, and NUL */
#define DNS_HEADER_LEN 12
#define DNS_UDP_MIN 512	 /* an asker without EDNS takes this much (RFC 1035 4.2.1) */
#define DNS_UDP_MAX 1232 /* never more over UDP: fits any IPv6 path whole */
#define DNS_MESSAGE_MAX 65535
#define DNS_ANSWER_MAX 1232 /* room that is enough for every answer of ours */

enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_HINFO = 13,
	DNS_AAAA = 28,
	DNS_OPT = 41,
	DNS_IXFR = 251,
	DNS_AXFR = 252,
	DNS_ANY = 255,
};

enum dns_class {
	DNS_CLASS_IN = 1,
	DNS_CLASS_ANY = 255
};

enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
	DNS_BADVERS = 16, /* four bits of it lie in the OPT record */
};

/* ---- names, in name.c ---- */

/* Uncompressed labels, each with its length before it, and the root's 0 at the end. */
struct dns_name {
	size_t len;
	uint8_t wire[DNS_NAME_MAX];
};

/* Reads a name at *at, which moves behind it. Pointers lead strictly backwards. -EBADMSG. */
int dns_name_read(struct span message, size_t *at, struct dns_name *ret);
/* "a.b.internal", with or without the last dot; "" and "." are the root. Any byte but a dot may
 * stand in a label. -EINVAL for an empty or too long label, or too long a name. */
int dns_name_parse(const char *text, struct dns_name *ret);
/* -EINVAL where a label holds a dot, a NUL or what is not printable: it has no text here. */
int dns_name_format(const struct dns_name *n, char ret[DNS_TEXT_SIZE]);
bool dns_name_equal(const struct dns_name *a, const struct dns_name *b); /* case aside */
/* Whether n is parent or below it; then the length of what stands before. */
bool dns_name_is_under(const struct dns_name *n, const struct dns_name *parent, size_t *ret_before);
unsigned dns_name_labels(const struct dns_name *n); /* the root has none */

/* ---- queries, in query.c ---- */

struct dns_query {
	uint16_t id;
	uint8_t opcode;
	bool is_recursion_desired, is_checking_disabled;
	bool has_question;
	struct dns_name name;
	uint16_t type, class;
	size_t question_len; /* bytes from DNS_HEADER_LEN on */
	bool has_edns;
	uint16_t payload_bytes; /* the asker takes this much over UDP; at least DNS_UDP_MIN */
	enum dns_rcode rcode;	/* why it gets no other answer; DNS_NOERROR for a good one */
};

/* -EBADMSG: no query, or no header: no answer either. -EPROTO: it is answered with ret->rcode. */
int dns_query_parse(struct span message, struct dns_query *ret);

/* ---- what there is, in zone.c ---- */

struct dns_host {
	bool has_ipv6, has_ipv4;
	uint8_t ipv6[16];
	uint8_t ipv4[4];
};

enum dns_found {
	DNS_FOUND_NOTHING,
	DNS_FOUND_ABOVE, /* no such host, but hosts whose names end so: "b" where there is "a.b" */
	DNS_FOUND_HOST,
};

struct dns_directory {
	/* name: below the zone, in lower case, "roof" for "roof.x0.internal". */
	enum dns_found (*host)(void *arg, const char *name, struct dns_host *ret);
	/* The name, below the zone, of an address; IPv4 as IPv4-mapped. */
	bool (*name)(void *arg, const uint8_t address[16], char ret[DNS_TEXT_SIZE]);
	void *arg;
};

struct dns_prefix {
	uint8_t ip[16];
	unsigned bits; /* 0: none */
};

struct dns_zone {
	struct dns_name name;
	struct dns_name self; /* this node in it: the zone's server, as SOA and NS say */
	/* The overlay's addresses, and the zone of their names. Bits are a multiple of 4. */
	struct dns_prefix ipv6;
	struct dns_name ipv6_zone;
	struct dns_prefix ipv4; /* the IPv4 addresses inside, as IPv4-mapped; bits from 96 on */
	uint32_t ttl_s, negative_ttl_s;
	bool is_recursive; /* foreign questions are passed on by the caller: answers say so */
};

/* zone: at least one label, letters, digits, - and _ only, and none of the names that belong to
 * others ("localhost", "local", "arpa", "onion", "invalid", "test", or one label alone). */
bool dns_zone_is_valid(const char *zone);
/* -EINVAL: not a zone, self too long for it, or bits not 4 to 124 in fours. */
int dns_zone_init(struct dns_zone *z, const char *zone, const char *self, const uint8_t prefix[16],
		  unsigned prefix_bits);
/* Names of this IPv4 prefix are ours too. bits 1 to 32; 0 for none. */
void dns_zone_set_ipv4(struct dns_zone *z, const uint8_t prefix[4], unsigned bits);

enum dns_owner {
	DNS_IS_FOREIGN,
	DNS_IS_APEX,	/* of the zone, or of the reverse zone */
	DNS_IS_NAME,	/* ret_text: below the zone, lower case; "" where it can be no host */
	DNS_IS_ADDRESS, /* ret_address */
	DNS_IS_INNER,	/* part of a reverse name: there, and empty */
	DNS_IS_NOTHING, /* below ours, but no such name can be */
};

struct dns_place {
	enum dns_owner owner;
	char text[DNS_TEXT_SIZE];
	uint8_t address[16];
	size_t apex_at; /* bytes of the name before the apex of its zone */
	bool is_reverse;
};

void dns_zone_find(const struct dns_zone *z, const struct dns_name *name, struct dns_place *ret);

/* ---- answers, in answer.c ---- */

enum dns_verdict {
	DNS_DROP,    /* no answer */
	DNS_ANSWER,  /* ret holds it */
	DNS_FOREIGN, /* ret holds the refusal; the question may be passed on instead */
};

/* limit: DNS_UDP_MAX, or DNS_MESSAGE_MAX over TCP; over UDP the asker's own limit counts too. What
 * does not fit is cut off and marked (TC). ret_size at least DNS_ANSWER_MAX. */
enum dns_verdict dns_answer(const struct dns_zone *z, const struct dns_directory *d,
			    struct span message, size_t limit, uint8_t *ret, size_t ret_size,
			    size_t *ret_len);
/* An answer to a query that could not be passed on: SERVFAIL or REFUSED. -EBADMSG. */
int dns_failure(struct span message, enum dns_rcode rcode, uint8_t *ret, size_t ret_size,
		size_t *ret_len);

/* ---- passing on, in relay.c ---- */

/* Gives a query an id by chance, and with has_case each letter of its question a case: a reply has
 * to repeat both, which one who forges replies cannot know. The chance is that of keys: whose
 * names are asked about sees the cases, and from those of a struct rng could reckon all that
 * follow. -EBADMSG. */
int dns_relay_disguise(uint8_t *message, size_t len, bool has_case, const struct entropy *entropy);
/* Whether a reply belongs to what was sent: id, opcode and question, case included. */
bool dns_relay_matches(struct span sent, struct span reply);
/* Gives a reply that matches the id and question of the query that was asked. */
void dns_relay_restore(struct span asked, uint8_t *reply, size_t len);
/* A header and question that say "ask again by TCP", for a reply that is longer than the asker
 * takes. */
int dns_relay_truncate(struct span reply, uint8_t *ret, size_t ret_size, size_t *ret_len);

/* ---- how often, in rate.c ---- */

#define DNS_SOURCES_MAX 256 /* buckets, shared by hash */

/* All zeros but for the key is nothing used. */
struct dns_rates {
	uint8_t hash_key[16];
	struct {
		uint64_t since_us;
		uint32_t used;
	} of[DNS_SOURCES_MAX];
};

/* Uses one of limit a second for this address; false where they are used up. */
bool dns_rates_take(struct dns_rates *r, const uint8_t source[16], uint32_t limit, uint64_t now_us);
