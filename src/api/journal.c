/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of texts. */
#include "api/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct event {
	enum journal_topic topic;
	uint16_t len;
	uint8_t text[JOURNAL_TEXT_MAX];
};

struct journal {
	uint64_t oldest, next;
	struct event events[JOURNAL_EVENTS_MAX];
};

static const char *const names[N_TOPICS] = {
	[TOPIC_PEERS] = "peers",       [TOPIC_LINKS] = "links",
	[TOPIC_ROUTES] = "routes",     [TOPIC_SESSIONS] = "sessions",
	[TOPIC_SECURITY] = "security", [TOPIC_NETWORKS] = "networks",
	[TOPIC_TOPOLOGY] = "topology", [TOPIC_INCIDENTS] = "incidents",
};

const char *journal_topic_name(enum journal_topic t)
{
	return t < N_TOPICS ? names[t] : "";
}

int journal_topics_parse(const char *list, unsigned *ret)
{
	unsigned topics = 0;

	for (;;) {
		size_t len = strcspn(list, ",");
		unsigned t = 0;

		while (t < N_TOPICS &&
		       (strlen(names[t]) != len || strncmp(names[t], list, len) != 0))
			t++;
		if (t == N_TOPICS)
			return -EINVAL;
		topics |= 1u << t;
		if (list[len] == '\0')
			break;
		list += len + 1;
	}
	*ret = topics;
	return 0;
}

int journal_new(uint64_t first, struct journal **ret)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->oldest = j->next = first;
	*ret = j;
	return 0;
}

void journal_free(struct journal *j)
{
	free(j);
}

int journal_add(struct journal *j, enum journal_topic topic, struct span text)
{
	struct event *e = &j->events[j->next % JOURNAL_EVENTS_MAX];

	if (text.len > JOURNAL_TEXT_MAX)
		return -EMSGSIZE;
	e->topic = topic;
	e->len = (uint16_t)text.len;
	memcpy(e->text, text.at, text.len);
	j->next++;
	if (j->next - j->oldest > JOURNAL_EVENTS_MAX)
		j->oldest = j->next - JOURNAL_EVENTS_MAX;
	return 0;
}

uint64_t journal_oldest(const struct journal *j)
{
	return j->oldest;
}

uint64_t journal_next(const struct journal *j)
{
	return j->next;
}

bool journal_find(const struct journal *j, unsigned topics, uint64_t *seq, struct span *ret)
{
	uint64_t at = *seq < j->oldest ? j->oldest : *seq;

	for (; at < j->next; at++) {
		const struct event *e = &j->events[at % JOURNAL_EVENTS_MAX];

		if (!(topics & 1u << e->topic))
			continue;
		*seq = at;
		*ret = SPAN(e->text, e->len);
		return true;
	}
	*seq = j->next;
	return false;
}
