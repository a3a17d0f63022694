/* SPDX-License-Identifier: Apache-2.0 */
/* Where the kernel has no links for tc (before 6.6) filters are at a qdisc that everybody shares:
 * ours stay while we run and go when we end or were killed, others' and their qdisc are left alone.
 * Takes root, and a network namespace of its own; the kernel may be any. */
#include <sched.h>

#include "host_test.h"

#define OURS "tc filter show dev va ingress | grep -q x0_"
#define QDISC "tc qdisc show dev va | grep -q clsact"
/* A filter of somebody else, which matches nothing. */
#define OTHERS_ADD "tc filter add dev va ingress prio 5 protocol all bpf bytecode '1,6 0 0 0'"
#define OTHERS "tc filter show dev va ingress | grep -q 'pref 5 bpf'"

static bool is_so(const char *command)
{
	return run(command) == 0;
}

static void fresh_veth(void **state)
{
	(void)state;
	need_root();
	make_veth();
}

static struct ebpf_host *numbered(uint32_t number)
{
	struct ebpf_host *h;

	options.number = number;
	h = attached(EBPF_WHERE_CLSACT);
	options.number = 0;
	return h;
}

static void the_guard_runs_before_the_meter(void **state)
{
	struct ebpf_host *h;

	fresh_veth(state);
	h = numbered(0);
	assert_true(is_so("tc filter show dev va ingress | grep -o 'x0_[a-z_]*:' | tr '\\n' ' ' | "
			  "grep -q '^x0_guard_tc: x0_meter_in:'"));
	ebpf_host_free(h);
}

static void a_qdisc_that_we_made_goes_with_the_last_filter(void **state)
{
	struct ebpf_host *h;

	fresh_veth(state);
	h = numbered(0);
	assert_true(is_so(OURS) && is_so(QDISC));
	ebpf_host_free(h);
	assert_false(is_so(QDISC));
}

static void a_qdisc_that_we_made_stays_while_others_use_it(void **state)
{
	struct ebpf_host *h;

	fresh_veth(state);
	h = numbered(0);
	assert_true(is_so(OTHERS_ADD));
	ebpf_host_free(h);
	assert_false(is_so(OURS));
	assert_true(is_so(OTHERS));
}

static void a_qdisc_that_somebody_else_made_stays(void **state)
{
	struct ebpf_host *h;

	fresh_veth(state);
	assert_true(is_so("tc qdisc add dev va clsact"));
	h = numbered(0);
	assert_true(is_so(OURS));
	ebpf_host_free(h);
	assert_false(is_so(OURS));
	assert_true(is_so(QDISC));
}

static void what_a_killed_keeper_left_goes_and_its_qdisc_too(void **state)
{
	uint32_t id;

	fresh_veth(state);
	id = attach_and_be_killed(EBPF_WHERE_CLSACT);
	assert_true(is_so(OURS));
	assert_int_equal(ebpf_clean(1), 0); /* another's */
	assert_true(is_so(OURS));
	assert_int_equal(ebpf_clean(0), 6); /* of two ends: guard, and meter both ways */
	assert_true(is_gone(id));
	assert_false(is_so(QDISC));
	assert_int_equal(ebpf_clean(0), 0);
}

static void what_others_have_stays_when_a_killed_keepers_goes(void **state)
{
	fresh_veth(state);
	(void)attach_and_be_killed(EBPF_WHERE_CLSACT);
	assert_true(is_so(OTHERS_ADD));
	assert_int_equal(ebpf_clean(0), 6);
	assert_false(is_so(OURS));
	assert_true(is_so(OTHERS));
}

/* Two keepers in one namespace, and either end first. */
static void two_keepers_do_not_touch_each_others(void **state)
{
	for (unsigned first = 0; first < 2; first++) {
		struct ebpf_host *h[2];

		fresh_veth(state);
		h[0] = numbered(7);
		h[1] = numbered(8);
		assert_true(is_so("test $(tc filter show dev va ingress | grep -c x0_) = 4"));
		ebpf_host_refresh(h[0]);
		ebpf_host_free(h[first]);
		assert_true(is_so("test $(tc filter show dev va ingress | grep -c x0_) = 2"));
		assert_true(is_so("test $(tc filter show dev va egress | grep -c x0_) = 1"));
		ebpf_host_free(h[!first]);
		assert_false(is_so(QDISC));
	}
}

static void a_filter_that_somebody_took_away_comes_back(void **state)
{
	struct ebpf_host *h;

	fresh_veth(state);
	h = numbered(0);
	assert_true(is_so("tc filter del dev va ingress") && !is_so(OURS));
	ebpf_host_refresh(h);
	assert_true(is_so(OURS));
	assert_true(is_so("tc qdisc del dev va clsact") && !is_so(OURS));
	ebpf_host_refresh(h);
	assert_true(is_so(OURS));
	ebpf_host_free(h);
	assert_false(is_so(QDISC));
}

/* A host of containers: more interfaces than there is room for, and than are listed (256), all made
 * before the tunnel. */
static void with_many_interfaces_the_tunnel_comes_first_and_stays(void **state)
{
	struct ebpf_host *h;

	fresh_veth(state);
	assert_true(is_so("for i in $(seq 130); do echo link add m$i up type veth peer name n$i; "
			  "echo link set n$i up; done | ip -batch -"));
	make_tunnel();
	h = numbered(0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(count_mode(h, EBPF_ENFORCE, EBPF_MODE_CLSACT), 2);
		assert_true(is_so("tc filter show dev x0test ingress | grep -q x0_enforce_in"));
		assert_true(is_so("tc filter show dev x0test egress | grep -q x0_enforce_out"));
		assert_true(is_so(OURS));
		assert_non_null(strstr(ebpf_host_table(h)->states[EBPF_GUARD].why, "clsact on va"));
		ebpf_host_refresh(h);
	}
	/* it may come back when all the rest is taken */
	assert_true(is_so("ip link del x0test"));
	ebpf_host_refresh(h);
	assert_false(ebpf_host_table(h)->states[EBPF_ENFORCE].is_on);
	make_tunnel();
	ebpf_host_refresh(h);
	assert_true(ebpf_host_table(h)->states[EBPF_ENFORCE].is_on);
	ebpf_host_free(h);
}

static void a_child_that_forgets_detaches_nothing(void **state)
{
	struct ebpf_host *h;
	struct ebpf_image i;
	char why[EBPF_WHY_SIZE];
	int status;
	pid_t pid;

	(void)state;
	need_root();
	make_veth();
	h = attached(EBPF_WHERE_CLSACT);
	pid = fork();
	if (pid == 0) {
		ebpf_host_forget(h);
		_exit(0);
	}
	(void)waitpid(pid, &status, 0);
	assert_int_equal(ebpf_image_counts(id_of(h, EBPF_METER), &i, why), 0);
	assert_int_equal(run("tc filter show dev va ingress | grep -q x0_guard_tc"), 0);
	ebpf_host_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_guard_runs_before_the_meter),
		cmocka_unit_test(a_qdisc_that_we_made_goes_with_the_last_filter),
		cmocka_unit_test(a_qdisc_that_we_made_stays_while_others_use_it),
		cmocka_unit_test(a_qdisc_that_somebody_else_made_stays),
		cmocka_unit_test(what_a_killed_keeper_left_goes_and_its_qdisc_too),
		cmocka_unit_test(what_others_have_stays_when_a_killed_keepers_goes),
		cmocka_unit_test(two_keepers_do_not_touch_each_others),
		cmocka_unit_test(a_filter_that_somebody_took_away_comes_back),
		cmocka_unit_test(a_child_that_forgets_detaches_nothing),
		/* last, for its interfaces stay until the namespace ends */
		cmocka_unit_test(with_many_interfaces_the_tunnel_comes_first_and_stays),
	};

	options.listen[0].port = 26969;
	options.n_listen = 1;
	(void)snprintf(options.tun_name, sizeof(options.tun_name), "x0test");
	(void)unshare(CLONE_NEWNET); /* where it is refused so is all that needs it */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
