/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused before the kernel is asked, what the kernel refuses, what is attached where and
 * that nothing of it stays, and that we show of a program what the kernel shows. Most of it takes
 * root, and a network namespace of its own. */
#include <elf.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>

#include "host_test.h"

/* ---- validation ---- */

static uint8_t *object_copy(enum ebpf_program p, size_t *ret_len)
{
	const uint8_t *bytes;
	uint8_t *copy;

	ebpf_object_bytes(p, &bytes, ret_len);
	copy = malloc(*ret_len ? *ret_len : 1);
	assert_non_null(copy);
	memcpy(copy, bytes, *ret_len);
	return copy;
}

static void our_own_objects_are_allowed(void **state)
{
	char why[EBPF_WHY_SIZE] = "";

	(void)state;
	for (unsigned p = 0; p < EBPF_N_PROGRAMS; p++) {
		const uint8_t *bytes;
		size_t len;

		ebpf_object_bytes((enum ebpf_program)p, &bytes, &len);
		assert_true(len > 0);
		if (ebpf_validate(bytes, len, why) < 0)
			fail_msg("%s: %s", ebpf_program_name((enum ebpf_program)p), why);
	}
}

static void an_object_cut_short_is_refused_with_a_reason(void **state)
{
	CLEANUP_FREE uint8_t *bytes = NULL;
	size_t len;

	(void)state;
	bytes = object_copy(EBPF_FLOW, &len);
	for (size_t n = 0; n < len; n += n < 100 ? 1 : 97) {
		char why[EBPF_WHY_SIZE] = "";
		CLEANUP_FREE uint8_t *part = malloc(n + 1); /* the sanitizer sees its end */

		memcpy(part, bytes, n);
		assert_true(ebpf_validate(part, n, why) < 0);
		assert_true(why[0] != '\0');
	}
}

static void a_corrupt_object_never_breaks_us(void **state)
{
	CLEANUP_FREE uint8_t *bytes = NULL;
	size_t len;

	(void)state;
	bytes = object_copy(EBPF_METER, &len);
	for (size_t at = 0; at < len; at += at < 64 || at > len - 2048 ? 1 : 31) {
		char why[EBPF_WHY_SIZE] = "";

		bytes[at] ^= 0xff;
		if (ebpf_validate(bytes, len, why) < 0)
			assert_true(why[0] != '\0');
		bytes[at] ^= 0xff;
	}
}

/* A section of no type has no bytes in the file, wherever it says that they are. */
static void a_section_without_a_type_is_not_looked_into(void **state)
{
	CLEANUP_FREE uint8_t *bytes = NULL;
	bool is_licence_refused = false;
	Elf64_Ehdr h;
	size_t len;

	(void)state;
	bytes = object_copy(EBPF_FLOW, &len);
	memcpy(&h, bytes, sizeof(h));
	for (size_t i = 0; i < h.e_shnum; i++) {
		uint8_t *at = bytes + h.e_shoff + i * sizeof(Elf64_Shdr);
		char why[EBPF_WHY_SIZE] = "";
		Elf64_Shdr kept, s;

		memcpy(&kept, at, sizeof(kept));
		s = kept;
		s.sh_type = SHT_NULL;
		s.sh_offset = (uint64_t)1 << 40;
		memcpy(at, &s, sizeof(s));
		if (ebpf_validate(bytes, len, why) == -EBADMSG)
			is_licence_refused |= strstr(why, "licence is damaged") != NULL;
		memcpy(at, &kept, sizeof(kept));
	}
	assert_true(is_licence_refused);
}

static uint8_t *read_object(const char *name, size_t *ret_len)
{
	uint8_t *bytes = malloc(EBPF_OBJECT_MAX);
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s.bpf.o", X0_BAD_OBJECTS, name);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(bytes);
	*ret_len = fread(bytes, 1, EBPF_OBJECT_MAX, f);
	(void)fclose(f);
	return bytes;
}

static void refused(const char *name, int r_expected, const char *reason)
{
	CLEANUP_FREE uint8_t *bytes = NULL;
	char why[EBPF_WHY_SIZE] = "";
	CLEANUP_FREE char *log = NULL;
	size_t len;

	bytes = read_object(name, &len);
	assert_int_equal(ebpf_check(bytes, len, why, &log), r_expected);
	if (!strstr(why, reason))
		fail_msg("%s: \"%s\" does not say \"%s\"", name, why, reason);
}

static void a_forbidden_helper_section_or_licence_is_refused(void **state)
{
	(void)state;
	refused("bad_helper", -EPROTO, "helper 9 is not on the list");
	refused("bad_section", -EPROTO, "section \"kprobe/do_exit\" is not on the list");
	refused("bad_licence", -EPROTO, "licence \"Proprietary\"");
}

static void a_map_that_is_too_large_is_refused(void **state)
{
	(void)state;
	refused("bad_map", -EPROTO, "map large would take 128 MiB");
}

static void what_the_kernel_has_besides_helpers_is_refused(void **state)
{
	(void)state;
	refused("bad_ksym", -EPROTO, "asks the kernel for \"bpf_rcu_read_lock\"");
}

static void a_map_that_is_to_be_pinned_is_refused(void **state)
{
	(void)state;
	refused("bad_pin", -EPROTO, "map x0_bad_pin is to be pinned");
	assert_int_not_equal(access("/sys/fs/bpf/x0_bad_pin", F_OK), 0);
}

static void a_map_whose_size_overflows_is_refused(void **state)
{
	(void)state;
	refused("bad_size", -EPROTO, "map x0_bad_size would take");
}

/* Where in the object the first constant of 64 bits of a program is. */
static size_t constant_at(const uint8_t *bytes)
{
	Elf64_Ehdr h;

	memcpy(&h, bytes, sizeof(h));
	for (size_t i = 0; i < h.e_shnum; i++) {
		Elf64_Shdr s;

		memcpy(&s, bytes + h.e_shoff + i * sizeof(s), sizeof(s));
		if (!(s.sh_flags & SHF_EXECINSTR))
			continue;
		for (size_t at = s.sh_offset; at < s.sh_offset + s.sh_size; at += 8)
			if (bytes[at] == 0x18)
				return at;
	}
	fail_msg("there is no constant");
	return 0;
}

static void a_constant_that_names_something_of_the_kernel_is_refused(void **state)
{
	CLEANUP_FREE uint8_t *bytes = NULL;
	char why[EBPF_WHY_SIZE] = "";
	size_t len, at;

	(void)state;
	bytes = object_copy(EBPF_METER, &len);
	at = constant_at(bytes);
	for (unsigned kind = 1; kind < 16; kind++) {
		bytes[at + 1] = (uint8_t)((bytes[at + 1] & 0x0f) | kind << 4);
		assert_int_equal(ebpf_validate(bytes, len, why), -EPROTO);
		assert_non_null(strstr(why, "a constant of kind"));
	}
	bytes[at + 1] &= 0x0f;
	assert_int_equal(ebpf_validate(bytes, len, why), 0);
	bytes[at + 8] = 0x85; /* a call in its second half */
	assert_int_equal(ebpf_validate(bytes, len, why), -EBADMSG);
}

static void what_the_verifier_refuses_comes_with_all_that_it_says(void **state)
{
	CLEANUP_FREE uint8_t *bytes = NULL;
	CLEANUP_FREE char *log = NULL;
	char why[EBPF_WHY_SIZE] = "";
	size_t len;

	(void)state;
	need_root();
	bytes = read_object("bad_verifier", &len);
	assert_true(ebpf_check(bytes, len, why, &log) < 0);
	assert_non_null(strstr(why, "verifier refuses it"));
	assert_non_null(strstr(why, "memory")); /* "R1 unbounded memory access, ..." */
	assert_non_null(log);
	assert_non_null(strstr(log, "bad_verifier.bpf.c")); /* from its first line ... */
	assert_non_null(strstr(log, "processed "));	    /* ... to its last */
}

static void our_own_objects_pass_the_verifier(void **state)
{
	(void)state;
	need_root();
	for (unsigned p = 0; p < EBPF_N_PROGRAMS; p++) {
		CLEANUP_FREE char *log = NULL;
		char why[EBPF_WHY_SIZE] = "";
		const uint8_t *bytes;
		size_t len;

		ebpf_object_bytes((enum ebpf_program)p, &bytes, &len);
		if (ebpf_check(bytes, len, why, &log) < 0)
			fail_msg("%s: %s\n%s", ebpf_program_name((enum ebpf_program)p), why,
				 log ? log : "");
	}
}

/* ---- attaching ---- */

static void on_veth_the_guard_takes_tc_and_leaves_nothing(void **state)
{
	struct ebpf_host *h;
	uint32_t id;

	(void)state;
	need_root();
	make_veth();
	h = attached(EBPF_WHERE_AUTO);
	assert_int_equal(count_mode(h, EBPF_GUARD, EBPF_MODE_XDP_NATIVE), 0);
	assert_int_equal(count_mode(h, EBPF_GUARD, EBPF_MODE_TCX) +
				 count_mode(h, EBPF_GUARD, EBPF_MODE_CLSACT),
			 2);
	assert_int_equal(count_mode(h, EBPF_METER, EBPF_MODE_TCX) +
				 count_mode(h, EBPF_METER, EBPF_MODE_CLSACT),
			 4);
	assert_true(ebpf_host_table(h)->states[EBPF_GUARD].is_on);
	id = id_of(h, EBPF_METER);
	ebpf_host_free(h);
	assert_true(is_gone(id));
	assert_int_not_equal(run("tc qdisc show | grep -q clsact"), 0);
}

static void asked_for_xdp_it_is_xdp(void **state)
{
	struct ebpf_host *h;

	(void)state;
	need_root();
	make_veth();
	h = attached(EBPF_WHERE_XDP);
	assert_int_equal(count_mode(h, EBPF_GUARD, EBPF_MODE_XDP_NATIVE), 2);
	assert_int_equal(run("ip link show va | grep -q xdp"), 0);
	ebpf_host_free(h);
	assert_int_not_equal(run("ip link show va | grep -q xdp"), 0);
}

static void interfaces_come_and_go(void **state)
{
	struct ebpf_host *h;

	(void)state;
	need_root();
	(void)run("ip link del va 2>/dev/null");
	h = attached(EBPF_WHERE_TCX);
	assert_int_equal(count_mode(h, EBPF_GUARD, EBPF_MODE_TCX), 0);
	assert_false(ebpf_host_table(h)->states[EBPF_GUARD].is_on);
	make_veth();
	ebpf_host_refresh(h);
	assert_true(ebpf_host_table(h)->states[EBPF_GUARD].is_on);
	assert_int_equal(run("ip link del va"), 0);
	ebpf_host_refresh(h);
	assert_false(ebpf_host_table(h)->states[EBPF_GUARD].is_on);
	assert_non_null(strstr(ebpf_host_table(h)->states[EBPF_GUARD].why, "no Ethernet"));
	ebpf_host_free(h);
}

static void runs_are_told_once_the_kernel_counts_them(void **state)
{
	const uint8_t frame[64] = { 0 };
	const struct ebpf_runs *guard;
	struct ebpf_host *h;
	uint64_t before;
	unsigned ns;
	int fd, verdict;

	(void)state;
	need_root();
	h = attached(EBPF_WHERE_TCX);
	guard = &ebpf_host_table(h)->runs[EBPF_GUARD];
	before = guard->n; /* not 0 where something else has the kernel count */
	fd = ebpf_stats_open();
	assert_true(fd >= 0);
	assert_int_equal(ebpf_host_try(h, "x0_guard_tc", frame, sizeof(frame), 50, &verdict, &ns),
			 0);
	assert_true(guard->n == before); /* until they are looked at */
	ebpf_host_refresh(h);
	assert_true(guard->n >= before + 50);
	assert_true(guard->ns > 0);
	(void)close(fd);
	ebpf_host_free(h);
}

static void links_end_with_a_keeper_that_is_killed(void **state)
{
	(void)state;
	need_root();
	make_veth();
	assert_true(is_gone(attach_and_be_killed(EBPF_WHERE_TCX)));
}

static void a_process_without_the_capabilities_is_told_so(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	need_root();
	pid = fork();
	if (pid == 0) {
		struct ebpf_host *h;
		char why[EBPF_WHY_SIZE] = "";

		if (setresuid(65534, 65534, 65534) < 0)
			_exit(2);
		if (ebpf_host_new(&options, &h, why) != -EPERM || !strstr(why, "CAP_BPF"))
			_exit(1);
		_exit(0);
	}
	(void)waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- what we show is what the kernel shows ---- */

/* bpftool before 7.5 takes the address of what each processor has for a plain move. */
static bool is_older_listing(const char *text, const char *listed)
{
	const char *to_ends = strstr(text, " = &(void __percpu *)(");
	const char *from = strrchr(text, '(');
	char older[EBPF_INSN_TEXT];

	if (!to_ends)
		return false;
	(void)snprintf(older, sizeof(older), "%.*s = %.*s", (int)(to_ends - text), text,
		       (int)strcspn(from + 1, ")"), from + 1);
	return strcmp(older, listed) == 0;
}

/* The instructions of bpftool's listing, compared line by line. */
static size_t compare_listing(const struct ebpf_image *i, FILE *listing)
{
	char line[1024];
	size_t n = 0;

	while (fgets(line, sizeof(line), listing)) {
		char text[EBPF_INSN_TEXT];
		unsigned long at;
		char *end;

		line[strcspn(line, "\n")] = '\0';
		at = strtoul(line, &end, 10);
		if (end == line || strncmp(end, ": (", 3) != 0)
			continue; /* a line of source, or the name of a function */
		assert_true(at < i->n_insns);
		ebpf_image_text(i, at, text);
		if (!is_older_listing(text, end + 2))
			assert_string_equal(text, end + 2);
		n++;
	}
	return n;
}

static void explain_like_bpftool(uint32_t id)
{
	struct ebpf_image *i;
	char why[EBPF_WHY_SIZE], command[64];
	size_t n = 0, n_lines;
	FILE *listing;

	assert_int_equal(ebpf_image_new(id, &i, why), 0);
	for (size_t at = 0; at < i->n_insns; at++, n++)
		at += ebpf_insn_is_wide(&i->insns[at]);
	(void)snprintf(command, sizeof(command), "bpftool prog dump xlated id %u", id);
	listing = popen(command, "re"); /* NOLINT(cert-env33-c): a command of this file */
	assert_non_null(listing);
	n_lines = compare_listing(i, listing);
	(void)pclose(listing);
	assert_int_equal(n_lines, n);
	assert_true(n > 20);
	ebpf_image_free(i);
}

/* Of those that can be had here, all of what is attached; bits by program. */
static unsigned explain_attached(const struct ebpf_host *h)
{
	const struct ebpf_table *t = ebpf_host_table(h);
	unsigned seen = 0;

	for (unsigned i = 0; i < EBPF_ATTACHMENTS_MAX; i++) {
		if (t->attachments[i].mode == EBPF_MODE_NONE)
			continue;
		explain_like_bpftool(t->attachments[i].id);
		seen |= 1U << t->attachments[i].program;
	}
	return seen;
}

static void each_program_is_explained_as_the_kernel_has_it(void **state)
{
	struct ebpf_host *h;
	unsigned seen;

	(void)state;
	need_root();
	if (run("bpftool version >/dev/null 2>&1") != 0) {
		print_message("NOT tested: there is no bpftool to compare with\n");
		skip();
	}
	make_veth();
	make_tunnel();
	h = attached(EBPF_WHERE_XDP);
	seen = explain_attached(h);
	for (unsigned p = 0; p < EBPF_N_PROGRAMS; p++) {
		const char *why = ebpf_host_table(h)->states[p].why;

		if (p == EBPF_FLOW && strstr(why, "cgroup2 is not mounted"))
			print_message("NOT tested: flow: %s\n", why);
		else if (!(seen & 1U << p))
			fail_msg("%s is not attached: %s", ebpf_program_name((enum ebpf_program)p),
				 why);
	}
	ebpf_host_free(h);
	h = attached(EBPF_WHERE_TCX);
	explain_like_bpftool(id_of(h, EBPF_GUARD)); /* at tc it is another function */
	ebpf_host_free(h);
}

static void blocks_begin_where_jumps_lead(void **state)
{
	struct ebpf_host *h;
	struct ebpf_image *i;
	char why[EBPF_WHY_SIZE];
	CLEANUP_FREE size_t *blocks = NULL;
	CLEANUP_FREE char *dot = NULL;
	size_t n, len;
	FILE *to;

	(void)state;
	need_root();
	make_veth();
	h = attached(EBPF_WHERE_TCX);
	assert_int_equal(ebpf_image_new(id_of(h, EBPF_METER), &i, why), 0);
	blocks = calloc(i->n_insns, sizeof(*blocks));
	n = ebpf_image_blocks(i, blocks);
	assert_true(n > 10 && n < i->n_insns);
	assert_int_equal(blocks[0], 0);
	for (size_t k = 1; k < n; k++)
		assert_true(blocks[k] > blocks[k - 1]);
	to = open_memstream(&dot, &len);
	ebpf_image_dot(i, to);
	(void)fclose(to);
	assert_non_null(strstr(dot, "digraph"));
	for (size_t k = 0; k < n; k++) { /* each edge leads to a block */
		char edge[32];

		(void)snprintf(edge, sizeof(edge), "\n  b%zu [", blocks[k]);
		assert_non_null(strstr(dot, edge));
	}
	ebpf_image_free(i);
	ebpf_host_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_own_objects_are_allowed),
		cmocka_unit_test(an_object_cut_short_is_refused_with_a_reason),
		cmocka_unit_test(a_corrupt_object_never_breaks_us),
		cmocka_unit_test(a_section_without_a_type_is_not_looked_into),
		cmocka_unit_test(a_forbidden_helper_section_or_licence_is_refused),
		cmocka_unit_test(a_map_that_is_too_large_is_refused),
		cmocka_unit_test(what_the_kernel_has_besides_helpers_is_refused),
		cmocka_unit_test(a_map_that_is_to_be_pinned_is_refused),
		cmocka_unit_test(a_map_whose_size_overflows_is_refused),
		cmocka_unit_test(a_constant_that_names_something_of_the_kernel_is_refused),
		cmocka_unit_test(what_the_verifier_refuses_comes_with_all_that_it_says),
		cmocka_unit_test(our_own_objects_pass_the_verifier),
		cmocka_unit_test(on_veth_the_guard_takes_tc_and_leaves_nothing),
		cmocka_unit_test(asked_for_xdp_it_is_xdp),
		cmocka_unit_test(interfaces_come_and_go),
		cmocka_unit_test(runs_are_told_once_the_kernel_counts_them),
		cmocka_unit_test(links_end_with_a_keeper_that_is_killed),
		cmocka_unit_test(a_process_without_the_capabilities_is_told_so),
		cmocka_unit_test(each_program_is_explained_as_the_kernel_has_it),
		cmocka_unit_test(blocks_begin_where_jumps_lead),
	};

	options.listen[0].port = 26969;
	options.n_listen = 1;
	options.where = EBPF_WHERE_TCX;
	(void)snprintf(options.tun_name, sizeof(options.tun_name), "x0test");
	(void)unshare(CLONE_NEWNET); /* where it is refused so is all that needs it */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
