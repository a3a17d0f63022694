/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab sim --scenario falsedown: a day of every link of a topology. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim.h"
#include "sim/falsedown.h"

#define CLASSES 5
#define DAY_S 86400.0

/* Links by what they lose on average, in the worse direction. */
static const struct {
	uint32_t below_ppm;
	const char *name;
} classes[CLASSES] = {
	{ 1, "no loss" },	 { 1000, "below 0.1 %" },      { 10000, "0.1 to 1 %" },
	{ 100000, "1 to 10 %" }, { UINT32_MAX, "10 to 30 %" },
};

struct sums {
	size_t n;
	uint64_t downs, suspects, suspect_us, packets;
	size_t unnoticed;
	struct samples suspected_us, down_us;
};

static unsigned class_of(const struct falsedown_link *l)
{
	uint32_t loss = l->loss_ppm[0] > l->loss_ppm[1] ? l->loss_ppm[0] : l->loss_ppm[1];
	unsigned i = 0;

	while (i + 1 < CLASSES && loss >= classes[i].below_ppm)
		i++;
	return i;
}

static void add(struct sums *s, const struct falsedown_link *l)
{
	s->n++;
	s->downs += l->downs;
	s->suspects += l->suspects;
	s->suspect_us += l->suspect_us;
	s->packets += l->packets;
	s->unnoticed += l->down_after_us == 0;
	samples_add(&s->suspected_us, l->suspected_after_us);
	samples_add(&s->down_us, l->down_after_us);
}

static double ms(struct samples *s, unsigned percent)
{
	return (double)samples_percentile(s, percent) / 1e3;
}

static void print(const char *name, struct sums *s, double days)
{
	if (s->n == 0)
		return;
	(void)printf("%-12s %6zu links: %llu downs, %.3f a link and day; suspect %.4f %% of the "
		     "time; a cut is suspected after %.0f, %.0f, %.0f ms, known after %.0f, %.0f, "
		     "%.0f ms\n",
		     name, s->n, (unsigned long long)s->downs,
		     (double)s->downs / (double)s->n / days,
		     (double)s->suspect_us / 2e4 / DAY_S / days / (double)s->n,
		     ms(&s->suspected_us, 50), ms(&s->suspected_us, 95), ms(&s->suspected_us, 100),
		     ms(&s->down_us, 50), ms(&s->down_us, 95), ms(&s->down_us, 100));
}

static json_t *sums_json(const char *name, struct sums *s, double days)
{
	return json_pack(
		"{s:s, s:I, s:I, s:f, s:I, s:f, s:I, s:I, s:[f,f,f], s:[f,f,f]}", "loss", name,
		"links", (json_int_t)s->n, "false_downs", (json_int_t)s->downs,
		"false_downs_per_link_day", s->n ? (double)s->downs / (double)s->n / days : 0.0,
		"suspicions", (json_int_t)s->suspects, "suspect_share",
		s->n ? (double)s->suspect_us / 2e6 / DAY_S / days / (double)s->n : 0.0, "packets",
		(json_int_t)s->packets, "unnoticed_cuts", (json_int_t)s->unnoticed,
		"suspected_ms_median_p95_max", ms(&s->suspected_us, 50), ms(&s->suspected_us, 95),
		ms(&s->suspected_us, 100), "down_ms_median_p95_max", ms(&s->down_us, 50),
		ms(&s->down_us, 95), ms(&s->down_us, 100));
}

static void tell_progress(const struct topology *t, size_t link, const struct sums *all)
{
	if (isatty(STDERR_FILENO))
		(void)fprintf(stderr, "\r%zu of %zu links, %llu downs ", link + 1, t->n_links,
			      (unsigned long long)all->downs);
	if (isatty(STDERR_FILENO) && link + 1 == t->n_links)
		(void)fprintf(stderr, "\n");
}

static void done(struct sums *s)
{
	samples_done(&s->suspected_us);
	samples_done(&s->down_us);
}

int sim_falsedown(const struct sim_options *o, const struct topology *t)
{
	struct falsedown_options options = { .topology = t,
					     .seed = o->first_seed,
					     .duration_us = o->mesh.duration_us };
	double days = options.duration_us ? (double)options.duration_us / 1e6 / DAY_S : 1;
	struct sums all = { 0 }, of[CLASSES] = { 0 };
	json_t *list = json_array();
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->n_links; i++) {
		struct falsedown_link l;

		r = falsedown_run(&options, i, &l);
		if (r < 0)
			break;
		add(&all, &l);
		add(&of[class_of(&l)], &l);
		tell_progress(t, i, &all);
	}
	for (unsigned i = 0; r == 0 && i < CLASSES; i++) {
		if (!o->is_json)
			print(classes[i].name, &of[i], days);
		else if (of[i].n)
			(void)json_array_append_new(list, sums_json(classes[i].name, &of[i], days));
	}
	if (r == 0 && o->is_json) {
		json_t *whole = json_pack("{s:s, s:i, s:f, s:o, s:O}", "topology", t->name, "seed",
					  (int)o->first_seed, "days_per_link", days, "all",
					  sums_json("all", &all, days), "by_loss", list);

		(void)json_dumpf(whole, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
		(void)printf("\n");
		json_decref(whole);
	} else if (r == 0) {
		print("all", &all, days);
	}
	for (unsigned i = 0; i < CLASSES; i++)
		done(&of[i]);
	done(&all);
	json_decref(list);
	if (r < 0)
		(void)fprintf(stderr, "x0-lab sim: %s\n", strerror(-r));
	return r == 0 && all.downs == 0 && all.unnoticed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
