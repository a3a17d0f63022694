#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Pictures of the dashboard, of a real mesh of six nodes with a link that was cut and healed.
# Arguments: x0, e2e_tool, the source tree, a directory for packages, where the pictures go.
# shellcheck source=tests/dashboard/mesh.sh
. "$(dirname "$0")/mesh.sh"
find_programs
mkdir -p "$5"
pictures=$(realpath "$5")
set -- "$1" "$2" "$3" "$4" "$pictures"
LINKEM=
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

six_nodes
load_start out n1 n6 "$ADDRESS_n6" 2000
load_start back n3 n1 "$ADDRESS_n1" 500
drive pictures "$pictures" || fail "the pictures"
