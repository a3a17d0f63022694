/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the family "batadv" made by hand, and the settings' values as text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libmnl/libmnl.h>
#include <linux/batman_adv.h>
#include <linux/genetlink.h>

#include "base/cleanup.h"
#include "shell/batman/codec.h"

#define FAMILY 31

static const uint8_t roof[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t cabin[6] = { 2, 0, 0, 0, 0, 2 };

struct message {
	_Alignas(struct nlmsghdr) uint8_t bytes[1024];
	struct nlmsghdr *h;
};

static void begin(struct message *m)
{
	memset(m, 0, sizeof(*m));
	m->h = batman_request(m->bytes, FAMILY, BATADV_CMD_GET_MESH, 0, 0);
}

static void an_answer_of_the_mesh_is_read_whole(void **state)
{
	size_t penalty = (size_t)(batman_setting_find("hop_penalty", false) - batman_settings);
	size_t mark = (size_t)(batman_setting_find("isolation_mark", false) - batman_settings);
	size_t coding = (size_t)(batman_setting_find("network_coding", false) - batman_settings);
	struct batman_mesh mesh;
	struct message m;

	(void)state;
	begin(&m);
	mnl_attr_put_strz(m.h, BATADV_ATTR_VERSION, "2022.3");
	mnl_attr_put_strz(m.h, BATADV_ATTR_ALGO_NAME, "BATMAN_V");
	mnl_attr_put_strz(m.h, BATADV_ATTR_MESH_IFNAME, "bat0");
	mnl_attr_put(m.h, BATADV_ATTR_MESH_ADDRESS, 6, roof);
	mnl_attr_put_strz(m.h, BATADV_ATTR_HARD_IFNAME, "eth1");
	mnl_attr_put(m.h, BATADV_ATTR_HARD_ADDRESS, 6, cabin);
	mnl_attr_put_u8(m.h, BATADV_ATTR_HOP_PENALTY, 30);
	mnl_attr_put_u32(m.h, BATADV_ATTR_ISOLATION_MARK, 0x10);
	mnl_attr_put_u32(m.h, BATADV_ATTR_ISOLATION_MASK, 0xff);
	assert_int_equal(batman_read_mesh(m.h, &mesh), 0);
	assert_string_equal(mesh.name, "bat0");
	assert_string_equal(mesh.version, "2022.3");
	assert_string_equal(mesh.algorithm, "BATMAN_V");
	assert_string_equal(mesh.primary, "eth1");
	assert_memory_equal(mesh.address, roof, 6);
	assert_memory_equal(mesh.originator, cabin, 6);
	assert_true(mesh.values[penalty].is_known);
	assert_int_equal(mesh.values[penalty].number, 30);
	assert_int_equal(mesh.values[mark].number, 0x10);
	assert_int_equal(mesh.values[mark].mask, 0xff);
	assert_false(mesh.values[coding].is_known); /* this kernel is without it */
}

static void an_attribute_that_is_too_short_is_refused(void **state)
{
	struct batman_mesh mesh = { .name = "untouched" };
	struct batman_row row;
	struct message m;

	(void)state;
	begin(&m);
	mnl_attr_put(m.h, BATADV_ATTR_MESH_ADDRESS, 5, roof);
	assert_int_equal(batman_read_mesh(m.h, &mesh), -EBADMSG);
	begin(&m);
	mnl_attr_put(m.h, BATADV_ATTR_MESH_ADDRESS, 6, roof);
	mnl_attr_put_u16(m.h, BATADV_ATTR_ORIG_INTERVAL, 1000); /* has 32 bits */
	assert_int_equal(batman_read_mesh(m.h, &mesh), -EBADMSG);
	assert_string_equal(mesh.name, "untouched");
	begin(&m);
	mnl_attr_put(m.h, BATADV_ATTR_NEIGH_ADDRESS, 6, roof);
	mnl_attr_put_u8(m.h, BATADV_ATTR_THROUGHPUT, 1);
	assert_int_equal(batman_read_row(m.h, BATMAN_NEIGHBOURS, &row), -EBADMSG);
	m.h->nlmsg_len = NLMSG_HDRLEN + 2; /* not even the family's header */
	assert_int_equal(batman_read_mesh(m.h, &mesh), -EBADMSG);
}

static void a_name_is_cut_to_fit_and_ended(void **state)
{
	struct batman_interface i;
	struct message m;

	(void)state;
	begin(&m);
	mnl_attr_put(m.h, BATADV_ATTR_HARD_IFNAME, 40, "0123456789012345678901234567890123456789");
	mnl_attr_put(m.h, BATADV_ATTR_HARD_ADDRESS, 6, roof);
	assert_int_equal(batman_read_interface(m.h, &i), 0);
	assert_string_equal(i.name, "012345678901234");
	assert_false(i.is_active);
	begin(&m);
	mnl_attr_put(m.h, BATADV_ATTR_HARD_ADDRESS, 6, roof);
	assert_int_equal(batman_read_interface(m.h, &i), -EBADMSG); /* without a name */
}

static void rows_of_every_table_are_told_apart(void **state)
{
	struct batman_row row;
	struct message m;

	(void)state;
	begin(&m);
	mnl_attr_put(m.h, BATADV_ATTR_ORIG_ADDRESS, 6, roof);
	mnl_attr_put(m.h, BATADV_ATTR_NEIGH_ADDRESS, 6, cabin);
	mnl_attr_put_u32(m.h, BATADV_ATTR_THROUGHPUT, 10000);
	mnl_attr_put(m.h, BATADV_ATTR_FLAG_BEST, 0, NULL);
	assert_int_equal(batman_read_row(m.h, BATMAN_ORIGINATORS, &row), 0);
	assert_memory_equal(row.address, roof, 6);
	assert_memory_equal(row.via, cabin, 6);
	assert_true(row.is_best && row.has_throughput && !row.has_quality);
	assert_int_equal(row.throughput_kbps, 10000);
	assert_int_equal(batman_read_row(m.h, BATMAN_NEIGHBOURS, &row), 0);
	assert_memory_equal(row.address, cabin, 6);
	assert_int_equal(batman_read_row(m.h, BATMAN_GLOBAL, &row), -EBADMSG);

	begin(&m);
	mnl_attr_put(m.h, BATADV_ATTR_TT_ADDRESS, 6, roof);
	mnl_attr_put_u16(m.h, BATADV_ATTR_TT_VID, 0x8000 | 7);
	mnl_attr_put_u32(m.h, BATADV_ATTR_TT_CRC32, 0xdeadbeef);
	assert_int_equal(batman_read_row(m.h, BATMAN_LOCAL, &row), 0);
	assert_true(row.has_vlan);
	assert_int_equal(row.vlan, 7);
	assert_int_equal(row.crc, 0xdeadbeef);
}

static void a_gateway_tells_hundreds_of_kbit_and_they_do_not_overflow(void **state)
{
	struct batman_row row;
	struct message m;

	(void)state;
	begin(&m);
	mnl_attr_put(m.h, BATADV_ATTR_ORIG_ADDRESS, 6, roof);
	mnl_attr_put_u32(m.h, BATADV_ATTR_BANDWIDTH_DOWN, 100);
	mnl_attr_put_u32(m.h, BATADV_ATTR_BANDWIDTH_UP, UINT32_MAX);
	mnl_attr_put_u32(m.h, BATADV_ATTR_THROUGHPUT, 12);
	assert_int_equal(batman_read_row(m.h, BATMAN_GATEWAYS, &row), 0);
	assert_int_equal(row.down_kbps, 10000);
	assert_true(row.up_kbps == UINT32_MAX);
	assert_int_equal(row.throughput_kbps, 1200);
}

static int keep(const struct nlattr *a, void *arg)
{
	const struct nlattr **of = arg;

	of[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

static void a_setting_goes_out_in_the_size_the_kernel_wants(void **state)
{
	const struct nlattr *of[BATADV_ATTR_MAX + 1] = { NULL };
	const struct batman_value value = { .number = 0x11, .mask = 0xf0 };
	struct message m;

	(void)state;
	begin(&m);
	batman_put_setting(m.h, batman_setting_find("hop_penalty", true), &value);
	batman_put_setting(m.h, batman_setting_find("isolation_mark", false), &value);
	(void)mnl_attr_parse(m.h, sizeof(struct genlmsghdr), keep, of);
	assert_int_equal(mnl_attr_get_payload_len(of[BATADV_ATTR_HOP_PENALTY]), 1);
	assert_int_equal(mnl_attr_get_u8(of[BATADV_ATTR_HOP_PENALTY]), 0x11);
	assert_int_equal(mnl_attr_get_u32(of[BATADV_ATTR_ISOLATION_MARK]), 0x11);
	assert_int_equal(mnl_attr_get_u32(of[BATADV_ATTR_ISOLATION_MASK]), 0xf0);
}

static void the_longest_request_fits_its_buffer(void **state)
{
	const struct batman_value value = { 0 };
	_Alignas(struct nlmsghdr) uint8_t buffer[BATMAN_REQUEST_SIZE];
	struct nlmsghdr *h = batman_request(buffer, FAMILY, BATADV_CMD_SET_HARDIF, NLM_F_ACK, 7);

	(void)state;
	mnl_attr_put_u32(h, BATADV_ATTR_HARD_IFINDEX, 8);
	batman_put_setting(h, batman_setting_find("isolation_mark", false), &value);
	assert_true(h->nlmsg_len <= sizeof(buffer));
}

static void a_value_is_read_back_as_it_was_written(void **state)
{
	static const char *const texts[][2] = {
		{ "orig_interval", "1000" },
		{ "aggregation", "on" },
		{ "gw_mode", "server" },
		{ "isolation_mark", "0x00000010/0x000000ff" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		const struct batman_setting *s = batman_setting_find(texts[i][0], false);
		struct batman_value value;
		char text[BATMAN_VALUE_SIZE];

		assert_int_equal(batman_value_parse(s, texts[i][1], &value), 0);
		batman_value_format(s, &value, text);
		assert_string_equal(text, texts[i][1]);
	}
}

static void values_that_are_none_are_refused(void **state)
{
	const struct batman_setting *interval = batman_setting_find("orig_interval", false);
	const struct batman_setting *penalty = batman_setting_find("hop_penalty", false);
	const struct batman_setting *mode = batman_setting_find("gw_mode", false);
	const struct batman_setting *mark = batman_setting_find("isolation_mark", false);
	const struct batman_setting *is_on = batman_setting_find("aggregation", false);
	struct batman_value v;

	(void)state;
	assert_int_equal(batman_value_parse(interval, "39", &v), -ERANGE);
	assert_int_equal(batman_value_parse(interval, "99999999999999999999", &v), -ERANGE);
	assert_int_equal(batman_value_parse(interval, "-1", &v), -EINVAL);
	assert_int_equal(batman_value_parse(interval, " 50", &v), -EINVAL);
	assert_int_equal(batman_value_parse(interval, "50ms", &v), -EINVAL);
	assert_int_equal(batman_value_parse(interval, "", &v), -EINVAL);
	assert_int_equal(batman_value_parse(penalty, "256", &v), -ERANGE);
	assert_int_equal(batman_value_parse(mode, "yes", &v), -EINVAL);
	assert_int_equal(batman_value_parse(is_on, "2", &v), -EINVAL);
	assert_int_equal(batman_value_parse(mark, "1/", &v), -EINVAL);
	assert_int_equal(batman_value_parse(mark, "1/2/3", &v), -EINVAL);
	assert_int_equal(batman_value_parse(mark, "0x1", &v), 0);
	assert_true(v.mask == UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_of_the_mesh_is_read_whole),
		cmocka_unit_test(an_attribute_that_is_too_short_is_refused),
		cmocka_unit_test(a_name_is_cut_to_fit_and_ended),
		cmocka_unit_test(rows_of_every_table_are_told_apart),
		cmocka_unit_test(a_gateway_tells_hundreds_of_kbit_and_they_do_not_overflow),
		cmocka_unit_test(a_setting_goes_out_in_the_size_the_kernel_wants),
		cmocka_unit_test(the_longest_request_fits_its_buffer),
		cmocka_unit_test(a_value_is_read_back_as_it_was_written),
		cmocka_unit_test(values_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
