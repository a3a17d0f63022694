// SPDX-License-Identifier: Apache-2.0
// The logic of the dashboard that needs no page.
import "./format.test";
import "./healing.test";
import "./layout.test";
import "./live.test";
import "./mesh.test";
import "./story.test";
