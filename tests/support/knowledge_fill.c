/* SPDX-License-Identifier: Apache-2.0 */
/* knowledge_fill DIRECTORY N: a database of N closed incidents, as months of trouble leave it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/knowledge/knowledge.h"

static void fill(struct knowledge_incident *i, uint64_t id)
{
	*i = (struct knowledge_incident){
		.id = id,
		.kind = "delivery",
		.state = "closed",
		.severity = 1,
		.opened_ms = (int64_t)id * 1000,
		.closed_ms = (int64_t)id * 1000 + 500,
		.n_evidence = KNOWLEDGE_EVIDENCE_MAX,
	};
	(void)snprintf(i->subject, sizeof(i->subject), "node-%llu", (unsigned long long)id);
	memset(i->why, 'w', sizeof(i->why) - 1);
	for (size_t n = 0; n < i->n_evidence; n++) {
		struct knowledge_evidence *e = &i->evidence[n];

		(void)snprintf(e->signal, sizeof(e->signal), "delivery");
		memset(e->subject, 's', sizeof(e->subject) - 1);
		memset(e->source, 'p', sizeof(e->source) - 1);
	}
}

int main(int argc, char **argv)
{
	static struct knowledge_incident i;
	struct knowledge_notice notice;
	struct knowledge *k;
	uint64_t n = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
	int r = n > 0 ? knowledge_open(argv[1], &k, &notice) : -1;

	for (uint64_t id = 1; r == 0 && id <= n; id++) {
		fill(&i, id);
		r = knowledge_put_incident(k, &i);
	}
	if (n > 0 && r == 0)
		knowledge_close(k);
	else
		(void)fprintf(stderr, "knowledge_fill DIRECTORY N: it failed (%d)\n", r);
	return r == 0 ? 0 : 1;
}
