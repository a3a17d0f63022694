/* SPDX-License-Identifier: Apache-2.0 */
/* Finds a file of the dashboard. */
#include "api/dashboard.h"

#include <string.h>

const struct dashboard_file *dashboard_find(const char *name)
{
	for (size_t i = 0; i < dashboard_n_files; i++)
		if (strcmp(dashboard_files[i].name, name) == 0)
			return &dashboard_files[i];
	return NULL;
}

const char *dashboard_why_off(void)
{
	return dashboard_why;
}
