/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the place of the dashboard's files where the build was asked for none, or has no Python. */
#include "api/dashboard.h"

const struct dashboard_file dashboard_files[1];
const size_t dashboard_n_files = 0;
const char *const dashboard_why =
	"this program was built without the dashboard (meson option dashboard)";
