/* SPDX-License-Identifier: Apache-2.0 */
/* Looking: one incident, a page of them, rates. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "shell/knowledge/internal.h"

#define SEARCH_STEPS 1000     /* of SQLite's machine between two looks at the bound below */
#define SEARCH_LOOKS_MAX 5000 /* some tenths of a second */
#define Z95 1.959963984540054 /* of the normal distribution, 97.5 % */

static void read_row(sqlite3_stmt *s, struct knowledge_incident *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->id = (uint64_t)sqlite3_column_int64(s, 0);
	sql_copy_text(s, 1, ret->key, sizeof(ret->key));
	sql_copy_text(s, 2, ret->kind, sizeof(ret->kind));
	sql_copy_text(s, 3, ret->subject, sizeof(ret->subject));
	sql_copy_text(s, 4, ret->state, sizeof(ret->state));
	sql_copy_text(s, 5, ret->why, sizeof(ret->why));
	ret->severity = (unsigned)sqlite3_column_int64(s, 6);
	ret->opened_ms = sqlite3_column_int64(s, 7);
	ret->closed_ms = sqlite3_column_int64(s, 8);
}

static void read_evidence(sqlite3_stmt *s, struct knowledge_evidence *ret)
{
	sql_copy_text(s, 0, ret->signal, sizeof(ret->signal));
	sql_copy_text(s, 1, ret->subject, sizeof(ret->subject));
	sql_copy_text(s, 2, ret->source, sizeof(ret->source));
	ret->value = sqlite3_column_type(s, 3) == SQLITE_NULL ? NAN : sqlite3_column_double(s, 3);
	ret->unix_ms = sqlite3_column_int64(s, 4);
}

static void read_cause(sqlite3_stmt *s, struct knowledge_cause *ret)
{
	sql_copy_text(s, 0, ret->kind, sizeof(ret->kind));
	sql_copy_text(s, 1, ret->subject, sizeof(ret->subject));
	ret->confidence = sqlite3_column_double(s, 2);
}

static void read_action(sqlite3_stmt *s, struct knowledge_action *ret)
{
	int64_t outcome = sqlite3_column_int64(s, 5);

	ret->id = (uint64_t)sqlite3_column_int64(s, 0);
	sql_copy_text(s, 1, ret->action, sizeof(ret->action));
	sql_copy_text(s, 2, ret->subject, sizeof(ret->subject));
	sql_copy_text(s, 3, ret->cause_kind, sizeof(ret->cause_kind));
	sql_copy_text(s, 4, ret->result, sizeof(ret->result));
	ret->outcome = outcome >= 0 && outcome < KNOWLEDGE_N_OUTCOMES
			       ? (enum knowledge_outcome)outcome
			       : KNOWLEDGE_FAILED;
	ret->began_ms = sqlite3_column_int64(s, 6);
	ret->ended_ms = sqlite3_column_int64(s, 7);
}

static sqlite3_stmt *sql_of(struct knowledge *k, enum statement which, uint64_t id)
{
	sqlite3_stmt *s = sql(k, which);

	(void)sqlite3_bind_int64(s, 1, (int64_t)id);
	return s;
}

/* The latest actions where there are more, in the order in which they were. */
static int read_actions(struct knowledge *k, struct knowledge_incident *i)
{
	sqlite3_stmt *s = sql_of(k, GET_ACTIONS, i->id);
	int r;

	while ((r = sql_step(k, s)) == 1 && i->n_actions < KNOWLEDGE_ACTIONS_MAX)
		read_action(s, &i->actions[i->n_actions++]);
	(void)sqlite3_reset(s);
	for (size_t a = 0, b = i->n_actions; a + 1 < b; a++) {
		struct knowledge_action swapped = i->actions[a];

		i->actions[a] = i->actions[--b];
		i->actions[b] = swapped;
	}
	return r < 0 ? r : 0;
}

static int read_parts(struct knowledge *k, struct knowledge_incident *i)
{
	sqlite3_stmt *s = sql_of(k, GET_EVIDENCE, i->id);
	int r;

	while ((r = sql_step(k, s)) == 1 && i->n_evidence < KNOWLEDGE_EVIDENCE_MAX)
		read_evidence(s, &i->evidence[i->n_evidence++]);
	(void)sqlite3_reset(s);
	if (r < 0)
		return r;
	s = sql_of(k, GET_CAUSES, i->id);
	while ((r = sql_step(k, s)) == 1 && i->n_causes < KNOWLEDGE_CAUSES_MAX)
		read_cause(s, &i->causes[i->n_causes++]);
	(void)sqlite3_reset(s);
	return r < 0 ? r : read_actions(k, i);
}

int knowledge_get(struct knowledge *k, uint64_t id, struct knowledge_incident *ret)
{
	sqlite3_stmt *s;
	int r;

	if (id == 0 || id > INT64_MAX)
		return -ENOENT;
	(void)pthread_mutex_lock(&k->lock);
	s = sql_of(k, GET_INCIDENT, id);
	r = sql_step(k, s);
	if (r == 1)
		read_row(s, ret);
	(void)sqlite3_reset(s);
	r = r == 1 ? read_parts(k, ret) : r < 0 ? r : -ENOENT;
	(void)pthread_mutex_unlock(&k->lock);
	return r;
}

int knowledge_last_id(struct knowledge *k, uint64_t *ret)
{
	sqlite3_stmt *s;
	int r;

	(void)pthread_mutex_lock(&k->lock);
	s = sql(k, GET_LAST);
	r = sql_step(k, s);
	if (r == 1)
		*ret = (uint64_t)sqlite3_column_int64(s, 0);
	(void)sqlite3_reset(s);
	(void)pthread_mutex_unlock(&k->lock);
	return r == 1 ? 0 : r < 0 ? r : -EIO;
}

int knowledge_count(struct knowledge *k, size_t *ret_all, size_t *ret_open)
{
	sqlite3_stmt *s;
	int r;

	(void)pthread_mutex_lock(&k->lock);
	s = sql(k, COUNT_INCIDENTS);
	r = sql_step(k, s);
	if (r == 1) {
		*ret_all = (size_t)sqlite3_column_int64(s, 0);
		*ret_open = (size_t)sqlite3_column_int64(s, 1);
	}
	(void)sqlite3_reset(s);
	(void)pthread_mutex_unlock(&k->lock);
	return r == 1 ? 0 : r < 0 ? r : -EIO;
}

/* ---- searches ---- */

static int look_at_bound(void *arg)
{
	unsigned *n_looks = arg;

	return ++*n_looks > SEARCH_LOOKS_MAX;
}

static void bind_search(sqlite3_stmt *s, const struct knowledge_search *search, const char *match)
{
	bool is_first = search->before_id == 0 || search->before_id > INT64_MAX;

	(void)sqlite3_bind_int64(s, 1, is_first ? INT64_MAX : (int64_t)search->before_id);
	(void)sqlite3_bind_int64(s, 2, search->since_ms);
	if (search->kind)
		sql_bind_text(s, 3, search->kind);
	if (search->text)
		sql_bind_text(s, 4, match);
	(void)sqlite3_bind_int64(s, 5, (int64_t)search->n_max);
}

int knowledge_find(struct knowledge *k, const struct knowledge_search *search,
		   struct knowledge_incident *ret, size_t *ret_n)
{
	char match[MATCH_SIZE] = "";
	unsigned n_looks = 0;
	sqlite3_stmt *s;
	size_t n = 0;
	int r = 0;

	if (search->text)
		query_match(search->text, match);
	if (search->n_max > KNOWLEDGE_INCIDENTS_MAX)
		return -EINVAL;
	if (search->text && !match[0]) {
		*ret_n = 0;
		return 0;
	}
	(void)pthread_mutex_lock(&k->lock);
	sqlite3_progress_handler(k->db, SEARCH_STEPS, look_at_bound, &n_looks);
	s = sql(k, FIND);
	bind_search(s, search, match);
	while (n < search->n_max && (r = sql_step(k, s)) == 1)
		read_row(s, &ret[n++]);
	(void)sqlite3_reset(s);
	sqlite3_progress_handler(k->db, 0, NULL, NULL);
	(void)pthread_mutex_unlock(&k->lock);
	if (r < 0)
		return r;
	*ret_n = n;
	return 0;
}

/* ---- rates ---- */

void knowledge_bounds(uint64_t n_worked, uint64_t n_tried, double *ret_low, double *ret_high)
{
	double n = (double)n_tried;
	double share = n_tried ? (double)n_worked / n : 0;
	double middle, half;

	*ret_low = 0;
	*ret_high = 1;
	if (n_tried == 0 || n_worked > n_tried)
		return;
	middle = share + Z95 * Z95 / (2 * n);
	half = Z95 * sqrt(share * (1 - share) / n + Z95 * Z95 / (4 * n * n));
	*ret_low = n_worked == 0 ? 0 : (middle - half) / (1 + Z95 * Z95 / n);
	*ret_high = n_worked == n_tried ? 1 : (middle + half) / (1 + Z95 * Z95 / n);
}

int knowledge_rates(struct knowledge *k, const char *cause_kind, struct knowledge_rate *ret,
		    size_t n_max, size_t *ret_n)
{
	sqlite3_stmt *s;
	size_t n = 0;
	int r = 0;

	(void)pthread_mutex_lock(&k->lock);
	s = sql(k, RATES);
	if (cause_kind)
		sql_bind_text(s, 1, cause_kind);
	(void)sqlite3_bind_int64(
		s, 2, (int64_t)(n_max < KNOWLEDGE_RATES_MAX ? n_max : KNOWLEDGE_RATES_MAX));
	while (n < n_max && (r = sql_step(k, s)) == 1) {
		struct knowledge_rate *to = &ret[n++];

		sql_copy_text(s, 0, to->cause_kind, sizeof(to->cause_kind));
		sql_copy_text(s, 1, to->action, sizeof(to->action));
		to->n_tried = (uint64_t)sqlite3_column_int64(s, 2);
		to->n_worked = (uint64_t)sqlite3_column_int64(s, 3);
		knowledge_bounds(to->n_worked, to->n_tried, &to->low, &to->high);
	}
	(void)sqlite3_reset(s);
	(void)pthread_mutex_unlock(&k->lock);
	if (r < 0)
		return r;
	*ret_n = n;
	return 0;
}
