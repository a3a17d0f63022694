/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a query, and as the reply of an upstream server to one. */
#include <assert.h>

#include "core/dns/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum dns_found host(void *arg, const char *name, struct dns_host *ret)
{
	(void)arg;
	assert(strlen(name) < DNS_TEXT_SIZE);
	if (strcmp(name, "roof") != 0)
		return strcmp(name, "b") == 0 ? DNS_FOUND_ABOVE : DNS_FOUND_NOTHING;
	*ret = (struct dns_host){ .has_ipv6 = true, .ipv6 = { 0xfd, 1, 2, 3, 4, 5 } };
	return DNS_FOUND_HOST;
}

static bool name(void *arg, const uint8_t address[16], char ret[DNS_TEXT_SIZE])
{
	(void)arg;
	strcpy(ret, "roof"); /* NOLINT: it fits */
	return address[15] & 1;
}

static void fill(void *arg, uint8_t *ret, size_t len)
{
	(void)arg;
	memset(ret, 0x5a, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t prefix[16] = { 0xfd, 1, 2, 3, 4, 5 };
	const struct dns_directory d = { .host = host, .name = name };
	const struct entropy entropy = { .fill = fill };
	uint8_t answer[DNS_ANSWER_MAX];
	uint8_t copy[512];
	struct dns_zone z;
	size_t len;

	assert(dns_zone_init(&z, "x0.internal", "roof", prefix, 48) == 0);
	dns_zone_set_ipv4(&z, (const uint8_t[]){ 100, 64, 0, 0 }, 10);
	if (dns_answer(&z, &d, SPAN(data, size), DNS_UDP_MAX, answer, sizeof(answer), &len) !=
	    DNS_DROP) {
		assert(len >= DNS_HEADER_LEN && len <= DNS_UDP_MAX);
		assert(answer[2] & 0x80 && memcmp(answer, data, 2) == 0);
	}
	if (size <= sizeof(copy)) {
		memcpy(copy, data, size);
		if (dns_relay_disguise(copy, size, true, &entropy) == 0) {
			(void)dns_relay_matches(SPAN(data, size), SPAN(copy, size));
			dns_relay_restore(SPAN(data, size), copy, size);
			assert(memcmp(copy, data, size) == 0);
			(void)dns_relay_truncate(SPAN(data, size), answer, sizeof(answer), &len);
		}
	}
	return 0;
}
