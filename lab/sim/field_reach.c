/* SPDX-License-Identifier: Apache-2.0 */
/* Cold starts of meshes of more than one zone: sampled pairs that are looked for, and how long
 * that took against the way that was found. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "sim/mesh_field.h"
#include "sim/mesh_world.h"

#define LOOK_AFTER_US SECONDS(1) /* of the last boot: tables and tree have been made */
#define LOOK_EACH_US MS(20)

static bool is_asked_by_now(const struct field *f, uint64_t start_us)
{
	uint64_t for_us = mesh_now_us(f->mesh) - start_us;

	return for_us >= LOOK_AFTER_US && (for_us - LOOK_AFTER_US) / LOOK_EACH_US >= f->n_asked;
}

void field_look(struct field *f, uint64_t start_us)
{
	while (f->n_asked < f->report->sampled && is_asked_by_now(f, start_us)) {
		const struct field_pair *p = &f->sampled[f->n_asked++];

		if (mesh_walk(f->mesh, p->from, p->to, NULL) > 0)
			continue;
		f->report->looked_for++;
		(void)mesh_want(f->mesh, p->from, p->to);
	}
}

static void note_way(struct field *f, const struct mesh_found *found)
{
	struct mesh_report *r = f->report;
	unsigned n = mesh_walk(f->mesh, found->from, found->to, f->path);
	uint64_t rtt_us;

	if (n == 0)
		return;
	rtt_us = 2 * mesh_path_cost(f->mesh, f->path, n, true);
	samples_add(&r->setup_rtt, rtt_us);
	samples_add(&r->setup_beyond, found->took_us > rtt_us ? found->took_us - rtt_us : 0);
	if (mesh_distances(f->mesh, found->to, true, f->costs) == 0 && f->costs[found->from])
		samples_add(&r->reach_stretch, rtt_us * 500 / f->costs[found->from]);
}

void field_note_found(struct field *f)
{
	struct mesh_found found;

	while (mesh_next_found(f->mesh, &found)) {
		if (!found.took_us) {
			f->report->looked_in_vain++;
			continue;
		}
		samples_add(&f->report->setup, found.took_us);
		note_way(f, &found);
	}
}

void field_describe_tree(struct field *f)
{
	size_t n = mesh_n_nodes(f->mesh);
	CLEANUP_FREE bool *is_root = calloc(n, sizeof(*is_root));

	for (size_t i = 0; is_root && i < n; i++) {
		struct reach_view v;

		if (!mesh_is_running(f->mesh, i))
			continue;
		reach_view(mesh_reach(f->mesh, i), &v);
		f->report->n_zoned += v.is_zoned;
		f->report->tree_roots += !is_root[mesh_node(v.root)];
		is_root[mesh_node(v.root)] = true;
		samples_add(&f->report->known, routes_count_reachable(mesh_routes(f->mesh, i)));
	}
}

void field_use_sampled(struct field *f)
{
	for (size_t i = 0; f->report->n_zoned && i < f->report->sampled; i++)
		(void)mesh_want(f->mesh, f->sampled[i].from, f->sampled[i].to);
}

bool field_routed_pair(struct field *f, struct field_pair *ret)
{
	const struct field_pair *p;

	if (!f->report->n_zoned)
		return field_random_pair(f, ret);
	p = &f->sampled[rng_below(&f->rng, f->report->sampled)];
	*ret = *p;
	return true;
}

bool field_look_again(struct field *f)
{
	if (!f->report->n_zoned)
		return true;
	for (size_t i = 0; i < f->report->sampled; i++) {
		const struct field_pair *p = &f->sampled[i];

		if (mesh_walk(f->mesh, p->from, p->to, NULL) > 0)
			continue;
		(void)mesh_want(f->mesh, p->from, p->to);
		if (!mesh_run(f->mesh, mesh_now_us(f->mesh) + LOOK_EACH_US))
			return false;
	}
	if (!mesh_run(f->mesh, mesh_now_us(f->mesh) + LOOK_AFTER_US))
		return false;
	f->report->routed = field_count_routed(f);
	return true;
}
