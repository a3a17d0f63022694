/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 batman`: the kernel's batman-adv, shown and set. It asks the kernel and no daemon, but for
 * `x0 batman gateway`. */
#include "shell/batman/batman.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/gateway.h"
#include "cli/table.h"
#include "cli/text.h"

#define MAC_SIZE 18
#define MTU_WANTED (1500 + BATMAN_HEADER_BYTES)

DEFINE_FREEP(struct batman, batman_free)
DEFINE_FREEP(struct table, table_free)

static const char *mesh_of(const struct cli *c)
{
	const char *name = cli_value(c, "mesh");

	return name ? name : "bat0";
}

/* ---- what went wrong ---- */

static int open_kernel(struct cli *c, struct batman **ret)
{
	int r = batman_new(ret);

	if (r == -ENOENT)
		return cli_fail(
			c, CLI_FAILED, "no_batman_adv",
			"this kernel has no batman-adv, or may not load it. As root: modprobe "
			"batman-adv; where that finds none, Debian has it in: apt-get install "
			"linux-image-%s (its cloud kernels have none)",
			sizeof(void *) == 8 ? "amd64" : "686");
	if (r < 0)
		return cli_fail(c, CLI_FAILED, "netlink", "generic netlink does not answer: %s",
				strerror(-r));
	return 0;
}

static int denied(struct cli *c, const char *what)
{
	return cli_fail(c, CLI_DENIED, "denied",
			"%s: that takes CAP_NET_ADMIN; as root: sudo x0 batman %s%s%s", what,
			c->n_args > 0 ? c->args[0] : "show", c->n_args > 1 ? " " : "",
			c->n_args > 1 ? c->args[1] : "");
}

/* A failure that concerns the mesh interface. */
static int mesh_failed(struct cli *c, int r)
{
	const char *mesh = mesh_of(c);

	if (r == -ENODEV)
		return cli_fail(c, CLI_FAILED, "no_mesh",
				"there is no interface %s; to make it: x0 batman create%s%s", mesh,
				strcmp(mesh, "bat0") == 0 ? "" : " --mesh ",
				strcmp(mesh, "bat0") == 0 ? "" : mesh);
	if (r == -EOPNOTSUPP)
		return cli_fail(c, CLI_FAILED, "no_mesh",
				"%s is not batman-adv's; name its mesh interface with --mesh",
				mesh);
	if (r == -EPERM || r == -EACCES)
		return denied(c, mesh);
	return cli_fail(c, CLI_FAILED, "netlink", "%s: the kernel says: %s", mesh, strerror(-r));
}

/* One that concerns an interface below it. */
static int interface_failed(struct cli *c, const char *interface, int r)
{
	if (r == -ENODEV)
		return cli_fail(
			c, CLI_FAILED, "no_interface",
			"there is no interface %s or no mesh interface %s; to see them: ip link",
			interface, mesh_of(c));
	if (r == -EBUSY)
		return cli_fail(
			c, CLI_FAILED, "busy",
			"%s belongs to a bridge, a bond or another mesh interface; as root: ip "
			"link set dev %s nomaster",
			interface, interface);
	if (r == -ENOENT)
		return cli_fail(c, CLI_FAILED, "not_in_mesh",
				"%s is not in %s; to see what is: x0 batman show", interface,
				mesh_of(c));
	if (r == -EPERM || r == -EACCES)
		return denied(c, interface);
	return mesh_failed(c, r);
}

/* ---- small things to write ---- */

static const char *mac_text(const uint8_t mac[6], char ret[MAC_SIZE])
{
	(void)snprintf(ret, MAC_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		       mac[3], mac[4], mac[5]);
	return ret;
}

static bool is_zero(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return memcmp(mac, zero, sizeof(zero)) == 0;
}

/* "10.0 Mbit/s" */
static void rate_cell(struct table *t, bool has_rate, uint32_t kbps)
{
	if (has_rate)
		(void)table_cellf(t, "%u.%u Mbit/s", kbps / 1000, kbps % 1000 / 100);
	else
		(void)table_cell(t, "", CLI_PLAIN);
}

static void age_cell(struct table *t, const struct batman_row *row)
{
	if (row->has_last_seen)
		(void)table_cellf(t, "%u.%03u s", row->last_seen_ms / 1000,
				  row->last_seen_ms % 1000);
	else
		(void)table_cell(t, "", CLI_PLAIN);
}

static void mac_cell(struct table *t, const uint8_t mac[6])
{
	char text[MAC_SIZE];

	(void)table_cell(t, is_zero(mac) ? "" : mac_text(mac, text), CLI_PLAIN);
}

/* ---- show ---- */

/* As JSON a number, a boolean or a text, as the setting is. */
static json_t *value_json(const struct batman_setting *s, const struct batman_value *value)
{
	char text[BATMAN_VALUE_SIZE];

	if (s->kind == BATMAN_BOOL)
		return json_boolean(value->number != 0);
	if (s->kind == BATMAN_NUMBER)
		return json_integer(value->number);
	batman_value_format(s, value, text);
	return json_string(text);
}

static json_t *values_json(const struct batman_value *values, bool is_of_interface)
{
	json_t *object = json_object();

	for (size_t i = 0; batman_settings[i].name; i++) {
		const struct batman_setting *s = &batman_settings[i];

		if (s->is_of_interface == is_of_interface && values[i].is_known)
			(void)json_object_set_new(object, s->name, value_json(s, &values[i]));
	}
	return object;
}

/* "1000 ms", but "100 x 100 kbit/s". */
static const char *unit_before(const struct batman_setting *s)
{
	if (!s->unit[0])
		return "";
	return s->unit[0] >= '0' && s->unit[0] <= '9' ? " x " : " ";
}

static void say_values(struct cli *c, const struct batman_value *values, bool is_of_interface)
{
	char text[BATMAN_VALUE_SIZE];

	for (size_t i = 0; batman_settings[i].name; i++) {
		const struct batman_setting *s = &batman_settings[i];

		if (s->is_of_interface != is_of_interface || !values[i].is_known)
			continue;
		batman_value_format(s, &values[i], text);
		cli_say(c, "  %-22s %s%s%s", s->name, text, unit_before(s), s->unit);
	}
}

static json_t *interface_json(const struct batman_interface *i)
{
	char mac[MAC_SIZE];

	return json_pack("{s:s, s:s, s:b, s:o}", "name", i->name, "address",
			 mac_text(i->address, mac), "is_active", i->is_active, "settings",
			 values_json(i->values, true));
}

static void show_json(struct cli *c, const struct batman_mesh *mesh,
		      const struct batman_interface *interfaces, size_t n)
{
	char address[MAC_SIZE], originator[MAC_SIZE];
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, interface_json(&interfaces[i]));
	cli_json(c, json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s?, s:o, s:o}", "mesh", mesh->name,
			      "version", mesh->version, "algorithm", mesh->algorithm, "address",
			      mac_text(mesh->address, address), "primary",
			      mesh->primary[0] ? mesh->primary : NULL, "originator",
			      mesh->primary[0] ? mac_text(mesh->originator, originator) : NULL,
			      "settings", values_json(mesh->values, false), "interfaces", list));
}

static void say_mesh(struct cli *c, const struct batman_mesh *mesh)
{
	char mac[MAC_SIZE];

	cli_say(c, "%s%s%s: batman-adv %s, %s, address %s", cli_colour(c, CLI_BOLD), mesh->name,
		cli_colour(c, CLI_PLAIN), mesh->version, mesh->algorithm,
		mac_text(mesh->address, mac));
	if (mesh->primary[0])
		cli_say(c, "  %-22s %s (%s)", "originator", mac_text(mesh->originator, mac),
			mesh->primary);
	say_values(c, mesh->values, false);
}

static void say_interface(struct cli *c, const struct batman_interface *i)
{
	char mac[MAC_SIZE];

	cli_say(c, "%s%s%s: %s, address %s", cli_colour(c, CLI_BOLD), i->name,
		cli_colour(c, CLI_PLAIN), i->is_active ? "active" : "not active",
		mac_text(i->address, mac));
	say_values(c, i->values, true);
}

static int show(struct cli *c, struct batman *b)
{
	struct batman_interface interfaces[BATMAN_INTERFACES_MAX];
	struct batman_mesh mesh;
	size_t n = 0;
	int r = batman_mesh(b, mesh_of(c), &mesh);

	if (r == 0)
		r = batman_interfaces(b, mesh_of(c), interfaces, &n);
	if (r < 0)
		return mesh_failed(c, r);
	say_mesh(c, &mesh);
	for (size_t i = 0; i < n; i++)
		say_interface(c, &interfaces[i]);
	if (n == 0)
		cli_say(c, "No interface is in it yet: x0 batman add INTERFACE");
	show_json(c, &mesh, interfaces, n);
	return 0;
}

/* ---- tables ---- */

/* What a table's rows are called in JSON, and which columns people see. */
static const struct view {
	const char *action;
	enum batman_table table;
	const char *address, *via; /* via may be NULL */
	bool has_interface, has_rate, has_age, has_best, has_vlan, has_bandwidth, has_own;
	const char *none;
} views[] = {
	{ .action = "neighbours",
	  .table = BATMAN_NEIGHBOURS,
	  .address = "neighbour",
	  .has_interface = true,
	  .has_rate = true,
	  .has_age = true,
	  .none = "No neighbours. They have to use the same algorithm, on a link in common" },
	{ .action = "originators",
	  .table = BATMAN_ORIGINATORS,
	  .address = "originator",
	  .via = "next_hop",
	  .has_interface = true,
	  .has_rate = true,
	  .has_age = true,
	  .has_best = true,
	  .none = "No other node is known. To see the neighbours: x0 batman neighbours" },
	{ .action = "gateways",
	  .table = BATMAN_GATEWAYS,
	  .address = "gateway",
	  .via = "next_hop",
	  .has_interface = true,
	  .has_rate = true,
	  .has_best = true,
	  .has_bandwidth = true,
	  .none = "No gateways. A node becomes one with: x0 batman set gw_mode server" },
	{ .action = "local",
	  .table = BATMAN_LOCAL,
	  .address = "client",
	  .has_age = true,
	  .has_vlan = true,
	  .none = "This node announces no clients" },
	{ .action = "global",
	  .table = BATMAN_GLOBAL,
	  .address = "client",
	  .via = "originator",
	  .has_best = true,
	  .has_vlan = true,
	  .none = "Other nodes announce no clients" },
	{ .action = "claims",
	  .table = BATMAN_CLAIMS,
	  .address = "client",
	  .via = "backbone",
	  .has_vlan = true,
	  .has_own = true,
	  .none = "No claims. They are made where the mesh interface is bridged" },
	{ .action = "backbones",
	  .table = BATMAN_BACKBONES,
	  .address = "backbone",
	  .has_vlan = true,
	  .has_own = true,
	  .has_age = true,
	  .none = "No backbones. They are seen where the mesh interface is bridged" },
};

static const struct view *view_of(const char *action)
{
	for (size_t i = 0; i < N_ELEMENTS(views); i++)
		if (strcmp(views[i].action, action) == 0)
			return &views[i];
	return NULL;
}

static void put(json_t *object, const char *key, json_t *value)
{
	(void)json_object_set_new(object, key, value);
}

static json_t *row_json(const struct view *v, const struct batman_row *row)
{
	json_t *o = json_object();
	char mac[MAC_SIZE];

	put(o, v->address, json_string(mac_text(row->address, mac)));
	if (v->via)
		put(o, v->via,
		    is_zero(row->via) ? json_null() : json_string(mac_text(row->via, mac)));
	if (v->has_interface)
		put(o, "interface", json_string(row->interface));
	if (row->has_throughput)
		put(o, "throughput_kbps", json_integer(row->throughput_kbps));
	if (row->has_quality)
		put(o, "quality", json_integer(row->quality));
	if (row->has_last_seen)
		put(o, "last_seen_ms", json_integer(row->last_seen_ms));
	if (v->has_best)
		put(o, "is_best", json_boolean(row->is_best));
	if (v->has_bandwidth) {
		put(o, "down_kbps", json_integer(row->down_kbps));
		put(o, "up_kbps", json_integer(row->up_kbps));
	}
	if (v->has_vlan) {
		put(o, "vlan", row->has_vlan ? json_integer(row->vlan) : json_null());
		put(o, "crc", json_integer(row->crc));
	}
	if (v->table == BATMAN_LOCAL || v->table == BATMAN_GLOBAL)
		put(o, "flags", json_integer(row->flags));
	if (v->table == BATMAN_GLOBAL)
		put(o, "version", json_integer(row->version));
	if (v->has_own)
		put(o, "is_own", json_boolean(row->is_own));
	return o;
}

static size_t columns_of(const struct view *v, bool is_quality, struct table_column *ret)
{
	static const struct {
		const char *word, *heading;
	} headings[] = {
		{ "neighbour", "NEIGHBOUR" }, { "originator", "ORIGINATOR" },
		{ "gateway", "GATEWAY" },     { "client", "CLIENT" },
		{ "backbone", "BACKBONE" },   { "next_hop", "NEXT HOP" },
	};
	const char *words[] = { v->address, v->via };
	size_t n = 0;

	for (size_t w = 0; w < N_ELEMENTS(words) && words[w]; w++)
		for (size_t i = 0; i < N_ELEMENTS(headings); i++)
			if (strcmp(headings[i].word, words[w]) == 0)
				ret[n++] = (struct table_column){ headings[i].heading, false, 0 };
	if (v->has_interface)
		ret[n++] = (struct table_column){ "INTERFACE", false, 1 };
	if (v->has_vlan)
		ret[n++] = (struct table_column){ "VLAN", true, 1 };
	if (v->has_rate)
		ret[n++] = (struct table_column){ is_quality ? "QUALITY" : "THROUGHPUT", true, 0 };
	if (v->has_bandwidth) {
		ret[n++] = (struct table_column){ "DOWN", true, 2 };
		ret[n++] = (struct table_column){ "UP", true, 2 };
	}
	if (v->has_age)
		ret[n++] = (struct table_column){ "LAST SEEN", true, 3 };
	if (v->has_best)
		ret[n++] = (struct table_column){ "USED", false, 0 };
	if (v->has_own)
		ret[n++] = (struct table_column){ "OWN", false, 0 };
	return n;
}

static void row_cells(struct table *t, const struct view *v, const struct batman_row *row)
{
	mac_cell(t, row->address);
	if (v->via)
		mac_cell(t, row->via);
	if (v->has_interface)
		(void)table_cell(t, row->interface, CLI_PLAIN);
	if (v->has_vlan && row->has_vlan)
		(void)table_cellf(t, "%u", row->vlan);
	else if (v->has_vlan)
		(void)table_cell(t, "", CLI_PLAIN);
	if (v->has_rate && row->has_quality)
		(void)table_cellf(t, "%u/255", row->quality);
	else if (v->has_rate)
		rate_cell(t, row->has_throughput, row->throughput_kbps);
	if (v->has_bandwidth) {
		rate_cell(t, true, row->down_kbps);
		rate_cell(t, true, row->up_kbps);
	}
	if (v->has_age)
		age_cell(t, row);
	if (v->has_best)
		(void)table_cell(t, row->is_best ? "yes" : "", CLI_PLAIN);
	if (v->has_own)
		(void)table_cell(t, row->is_own ? "yes" : "", CLI_PLAIN);
}

static void print_rows(struct cli *c, const struct view *v, const struct batman_row *rows, size_t n)
{
	struct table_column columns[TABLE_COLUMNS_MAX];
	CLEANUP(table_freep) struct table *t = NULL;

	if (n == 0) {
		cli_say(c, "%s", v->none);
		return;
	}
	if (table_new(columns, columns_of(v, rows[0].has_quality, columns), &t) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		row_cells(t, v, &rows[i]);
	table_print(t, c);
}

static int show_table(struct cli *c, struct batman *b, const struct view *v)
{
	CLEANUP_FREE struct batman_row *rows = NULL;
	json_t *list;
	size_t n = 0;
	int r = batman_table(b, mesh_of(c), v->table, &rows, &n);

	if (r < 0)
		return mesh_failed(c, r);
	if (!c->is_json) {
		print_rows(c, v, rows, n);
		return 0;
	}
	list = json_array();
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, row_json(v, &rows[i]));
	cli_json(c, list);
	return 0;
}

/* ---- changes ---- */

static int add_one(struct cli *c, struct batman *b, const char *interface)
{
	unsigned mtu_bytes;
	int r = batman_add(b, mesh_of(c), interface);

	if (r < 0)
		return interface_failed(c, interface, r);
	if (batman_mtu(b, interface, &mtu_bytes) == 0 && mtu_bytes < MTU_WANTED)
		cli_note(c,
			 "The MTU of %s is %u: full frames will be sent in two. Where the hardware "
			 "can: ip link set dev %s mtu %u",
			 interface, mtu_bytes, interface, MTU_WANTED);
	cli_say(c, "%s is in %s.", interface, mesh_of(c));
	return 0;
}

static void changed_json(struct cli *c)
{
	json_t *list = json_array();

	for (int i = 1; i < c->n_args; i++)
		(void)json_array_append_new(list, json_string(c->args[i]));
	cli_json(c, json_pack("{s:s, s:s, s:o}", "mesh", mesh_of(c), "done", c->args[0],
			      "interfaces", list));
}

static int create(struct cli *c, struct batman *b)
{
	const char *algorithm = cli_value(c, "algorithm");
	int r;

	if (!algorithm)
		algorithm = "BATMAN_V";
	r = batman_create(b, mesh_of(c), algorithm);
	if (r == -EEXIST)
		return cli_fail(c, CLI_FAILED, "exists",
				"there is an interface %s already; to see it: x0 batman show",
				mesh_of(c));
	if (r == -EINVAL)
		return cli_fail(c, CLI_USAGE, "usage",
				"the kernel does not take this name with this algorithm: "
				"%s, %s (BATMAN_V or BATMAN_IV)",
				mesh_of(c), algorithm);
	if (r < 0)
		return mesh_failed(c, r);
	cli_say(c, "%s is there, with %s. It has no address yet: ip addr add ADDRESS dev %s",
		mesh_of(c), algorithm, mesh_of(c));
	for (int i = 1; r == 0 && i < c->n_args; i++)
		r = add_one(c, b, c->args[i]);
	if (r == 0)
		changed_json(c);
	return r;
}

static int destroy(struct cli *c, struct batman *b)
{
	int r = batman_destroy(b, mesh_of(c));

	if (r < 0)
		return mesh_failed(c, r);
	cli_say(c, "%s is gone.", mesh_of(c));
	changed_json(c);
	return 0;
}

static int add(struct cli *c, struct batman *b)
{
	int r = 0;

	for (int i = 1; r == 0 && i < c->n_args; i++)
		r = add_one(c, b, c->args[i]);
	if (r == 0)
		changed_json(c);
	return r;
}

static int take_away(struct cli *c, struct batman *b)
{
	for (int i = 1; i < c->n_args; i++) {
		int r = batman_remove(b, mesh_of(c), c->args[i]);

		if (r < 0)
			return interface_failed(c, c->args[i], r);
		cli_say(c, "%s is in no mesh any more.", c->args[i]);
	}
	changed_json(c);
	return 0;
}

static void names_of(bool is_of_interface, char *ret, size_t size)
{
	size_t len = 0;

	ret[0] = '\0';
	for (const struct batman_setting *s = batman_settings; s->name && len < size; s++)
		if (s->is_of_interface == is_of_interface)
			len += (size_t)snprintf(ret + len, size - len, "%s%s", len > 0 ? ", " : "",
						s->name);
}

static int unknown_setting(struct cli *c, bool is_of_interface)
{
	bool is_other = batman_setting_find(c->args[1], !is_of_interface) != NULL;
	char names[CLI_TEXT_SIZE / 2];

	if (is_other && is_of_interface)
		return cli_usage(c, "%s is a setting of the mesh: leave --interface out",
				 c->args[1]);
	if (is_other)
		return cli_usage(c, "%s is a setting of one interface: add --interface NAME",
				 c->args[1]);
	names_of(is_of_interface, names, sizeof(names));
	return cli_usage(c, "there is no setting \"%.64s\"; there are %s", c->args[1], names);
}

static int wrong_value(struct cli *c, const struct batman_setting *s, int r)
{
	if (r == -ERANGE)
		return cli_usage(c, "%s goes from %u to %u%s%s, not %.64s", s->name, s->min, s->max,
				 s->unit[0] ? ", in " : "", s->unit, c->args[2]);
	switch (s->kind) {
	case BATMAN_BOOL:
		return cli_usage(c, "%s is on or off, not \"%.64s\"", s->name, c->args[2]);
	case BATMAN_CHOICE:
		return cli_usage(c, "%s is off, client or server, not \"%.64s\"", s->name,
				 c->args[2]);
	case BATMAN_MARK:
		return cli_usage(c, "%s is MARK/MASK, such as 0x1/0x1, not \"%.64s\"", s->name,
				 c->args[2]);
	case BATMAN_NUMBER:
		break;
	}
	return cli_usage(c, "%s is a number%s%s, not \"%.64s\"", s->name, s->unit[0] ? " in " : "",
			 s->unit, c->args[2]);
}

static int set(struct cli *c, struct batman *b)
{
	const char *interface = cli_value(c, "interface");
	const struct batman_setting *s = batman_setting_find(c->args[1], interface != NULL);
	struct batman_value value = { 0 };
	char text[BATMAN_VALUE_SIZE];
	int r = batman_value_parse(s, c->args[2], &value); /* checked before: check_words() */

	if (r == 0)
		r = batman_set(b, mesh_of(c), interface, s, &value);
	if (r == -EOPNOTSUPP)
		return cli_fail(
			c, CLI_FAILED, "unsupported",
			"%s did not take %s: this kernel's batman-adv is without it, or %s is "
			"not batman-adv's; what there is: x0 batman show",
			mesh_of(c), s->name, mesh_of(c));
	if (r < 0)
		return interface ? interface_failed(c, interface, r) : mesh_failed(c, r);
	batman_value_format(s, &value, text);
	cli_say(c, "%s of %s is %s%s%s.", s->name, interface ? interface : mesh_of(c), text,
		unit_before(s), s->unit);
	cli_json(c, json_pack("{s:s, s:s?, s:s, s:o}", "mesh", mesh_of(c), "interface", interface,
			      "setting", s->name, "value", value_json(s, &value)));
	return 0;
}

static int check_setting(struct cli *c)
{
	bool is_of_interface = cli_given(c, "interface") > 0;
	const struct batman_setting *s = batman_setting_find(c->args[1], is_of_interface);
	struct batman_value value;
	int r;

	if (!s)
		return unknown_setting(c, is_of_interface);
	r = batman_value_parse(s, c->args[2], &value);
	return r < 0 ? wrong_value(c, s, r) : 0;
}

/* Before the kernel is asked anything: what is wrong with the words. 0 or an exit status. */
static int check_words(struct cli *c, const char *action)
{
	bool takes_interfaces = strcmp(action, "add") == 0 || strcmp(action, "remove") == 0 ||
				strcmp(action, "create") == 0;

	if (strcmp(action, "set") == 0) {
		if (c->n_args != 3)
			return cli_usage(c, "what, and to what: x0 batman set KEY VALUE");
		return check_setting(c);
	}
	if (cli_given(c, "interface"))
		return cli_usage(c, "--interface belongs to set");
	if (cli_given(c, "algorithm") && strcmp(action, "create") != 0)
		return cli_usage(c, "--algorithm belongs to create: it cannot be changed later");
	if (takes_interfaces && strcmp(action, "create") != 0 && c->n_args < 2)
		return cli_usage(c, "which? x0 batman %s INTERFACE...", action);
	if (!takes_interfaces && c->n_args > 1)
		return cli_usage(c, "what is \"%.64s\"? %s takes no more words", c->args[1],
				 action);
	return 0;
}

int verb_batman(struct cli *c)
{
	static const struct {
		const char *name;
		int (*run)(struct cli *c, struct batman *b);
	} actions[] = {
		{ "show", show }, { "create", create },	   { "destroy", destroy },
		{ "add", add },	  { "remove", take_away }, { "set", set },
	};
	const char *action = c->n_args > 0 ? c->args[0] : "show";
	CLEANUP(batman_freep) struct batman *b = NULL;
	const struct view *view = view_of(action);
	bool is_gateway = strcmp(action, "gateway") == 0;
	size_t at = 0;
	int r;

	while (at < N_ELEMENTS(actions) && strcmp(actions[at].name, action) != 0)
		at++;
	if (!view && !is_gateway && at == N_ELEMENTS(actions))
		return cli_usage(c, "there is no \"%.64s\"", action);
	r = check_words(c, action);
	if (r == 0 && is_gateway)
		return gateway_show(c);
	if (r == 0)
		r = open_kernel(c, &b);
	if (r != 0)
		return r;
	return view ? show_table(c, b, view) : actions[at].run(c, b);
}
