/* SPDX-License-Identifier: Apache-2.0 */
/* pki.h - the simulation's own look at its certificates. */
#pragma once

#include "sim/sim.h"

const struct crypto_ops *sim_pki_ops(const struct sim_pki *p);
uint64_t sim_pki_id(const struct sim_pki *p, size_t i);
void sim_pki_address(const struct sim_pki *p, size_t i, uint8_t ret[16]);
/* Identity and trust of node i. */
void sim_pki_fill(const struct sim_pki *p, size_t i, struct node_config *ret);
