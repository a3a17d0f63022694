/* SPDX-License-Identifier: Apache-2.0 */
/* Noise vectors in the forms of cacophony, snow and noise-c, and of the XXhfs set with ML-KEM. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kat.h"
#include "noise.h"

/* Room for one message and for its payload once read. */
struct buffers {
	uint8_t message[NOISE_MESSAGE_MAX];
	uint8_t payload[NOISE_MESSAGE_MAX];
};

static struct span field(struct kat *k, const json_t *vector, const char *side, const char *name)
{
	char full[64];

	(void)snprintf(full, sizeof(full), "%s_%s", side, name);
	return kat_hex(k, vector, full);
}

/* A key where the vector has one; a public key where it is the other's. */
static bool load_key(struct noise_key *key, const char *curve, struct span secret)
{
	return !secret.at || noise_key_set(key, curve, secret) == 0;
}

static bool load_psks(struct kat *k, const json_t *vector, const char *side, struct noise_party *p)
{
	char name[32];
	size_t i;
	const json_t *psks;

	(void)snprintf(name, sizeof(name), "%s_psks", side);
	psks = json_object_get(vector, name);
	if (json_array_size(psks) > NOISE_PSKS_MAX)
		return false;
	for (i = 0; i < json_array_size(psks); i++) {
		const char *hex = json_string_value(json_array_get(psks, i));
		uint8_t *room = kat_room(k, 32);

		if (!hex || !room || bytes_from_hex(hex, room, 32) < 0)
			return false;
		p->psks[p->n_psks++] = SPAN(room, 32);
	}
	return true;
}

static bool load_party(struct kat *k, const json_t *vector, const char *side, struct noise_party *p)
{
	struct span remote = field(k, vector, side, "remote_static");

	if (remote.at) {
		if (remote.len != 32)
			return false;
		memcpy(p->rs.public, remote.at, 32);
		p->rs.present = true;
	}
	return load_key(&p->s, "X25519", field(k, vector, side, "static")) &&
	       load_key(&p->e, "X25519", field(k, vector, side, "ephemeral")) &&
	       load_key(&p->f, "X448", field(k, vector, side, "hybrid_ephemeral")) &&
	       load_psks(k, vector, side, p) &&
	       noise_party_start(p, field(k, vector, side, "prologue")) == 0;
}

/* One handshake message: what from writes is the vector's, and to reads its payload. */
static bool handshake_message(struct noise_party *from, struct noise_party *to, unsigned index,
			      struct span payload, struct span expected, struct buffers *b)
{
	size_t len, payload_len;

	return noise_write(from, index, payload, b->message, &len) == 0 &&
	       kat_equal(SPAN(b->message, len), expected) &&
	       noise_read(to, index, expected, b->payload, &payload_len) == 0 &&
	       kat_equal(SPAN(b->payload, payload_len), payload);
}

static bool transport_message(struct noise_party *from, struct noise_party *to, struct span payload,
			      struct span expected, struct buffers *b)
{
	struct span none = { 0 };

	return payload.len + 16 <= NOISE_MESSAGE_MAX &&
	       noise_seal(from->protocol, &from->send, none, payload, b->message) == 0 &&
	       kat_equal(SPAN(b->message, payload.len + 16), expected) &&
	       noise_open(to->protocol, &to->receive, none, expected, b->payload) == 0 &&
	       kat_equal(SPAN(b->payload, payload.len), payload);
}

static bool ends_agree(const struct noise_party *a, const struct noise_party *b,
		       struct span expected_hash)
{
	size_t len = a->protocol->hash_len;

	return memcmp(a->h, b->h, len) == 0 &&
	       (!expected_hash.at || kat_equal(SPAN(a->h, len), expected_hash));
}

/* Initiator and responder take turns, in the transport phase too. */
static const char *run_messages(struct kat *k, const json_t *vector, struct noise_party *init,
				struct noise_party *resp, struct buffers *b)
{
	struct span expected_hash = kat_hex(k, vector, "handshake_hash");
	unsigned n_handshake = init->protocol->n_messages;
	unsigned kept = k->n_fields;
	size_t i;
	json_t *message;

	if (json_array_size(json_object_get(vector, "messages")) < n_handshake)
		return "fewer messages than the pattern has";
	json_array_foreach(json_object_get(vector, "messages"), i, message)
	{
		struct noise_party *from = i % 2 == 0 ? init : resp;
		struct noise_party *to = i % 2 == 0 ? resp : init;
		struct span payload = kat_hex(k, message, "payload");
		struct span expected = kat_hex(k, message, "ciphertext");

		if (i < n_handshake) {
			if (!handshake_message(from, to, (unsigned)i, payload, expected, b))
				return "a handshake message differs or is refused";
		} else if (!transport_message(from, to, payload, expected, b)) {
			return "a transport message differs or is refused";
		}
		if (i + 1 == n_handshake && (noise_split(init) < 0 || noise_split(resp) < 0 ||
					     !ends_agree(init, resp, expected_hash)))
			return "another handshake hash";
		while (k->n_fields > kept)
			free(k->fields[--k->n_fields]);
	}
	return NULL;
}

static void verdict(struct kat *k, const char *name, const char *wrong)
{
	if (k->malformed)
		wrong = "a field is not hexadecimal";
	if (wrong)
		kat_fail(k, "%s: %s", name, wrong);
	else
		k->file.passed++;
}

static void run_vector(struct kat *k, const json_t *vector, struct buffers *b)
{
	const char *name = kat_text(vector, "protocol_name");
	struct noise_party init, resp;
	struct noise_protocol protocol;
	const char *why;

	if (!*name)
		name = kat_text(vector, "name");
	if (noise_protocol_parse(name, &protocol, &why) < 0) {
		kat_skip(k, 1, "Noise: %s", why);
		return;
	}
	noise_party_init(&init, &protocol, true);
	noise_party_init(&resp, &protocol, false);
	if (!load_party(k, vector, "init", &init) || !load_party(k, vector, "resp", &resp))
		verdict(k, name, "keys of a wrong length");
	else
		verdict(k, name, run_messages(k, vector, &init, &resp, b));
}

/* ---- the XXhfs set: other field names, and the split keys instead of transport messages ---- */

static bool load_hybrid(struct kat *k, const json_t *vector, struct noise_party *init,
			struct noise_party *resp)
{
	struct span dz = kat_hex(k, vector, "kem_keygen_seed_d_z");
	struct span m = kat_hex(k, vector, "encap_seed_hex");
	struct span prologue = kat_hex(k, vector, "prologue");

	if (dz.len != sizeof(init->kem_dz) || m.len != sizeof(resp->kem_m))
		return false;
	memcpy(init->kem_dz, dz.at, dz.len);
	memcpy(resp->kem_m, m.at, m.len);
	return load_key(&init->s, "X25519", kat_hex(k, vector, "static_i_private")) &&
	       load_key(&resp->s, "X25519", kat_hex(k, vector, "static_r_private")) &&
	       load_key(&init->e, "X25519", kat_hex(k, vector, "ephemeral_dh_i_private")) &&
	       load_key(&resp->e, "X25519", kat_hex(k, vector, "ephemeral_dh_r_private")) &&
	       noise_party_start(init, prologue) == 0 && noise_party_start(resp, prologue) == 0;
}

static const char *run_hybrid(struct kat *k, const json_t *vector, struct noise_party *init,
			      struct noise_party *resp, struct buffers *b)
{
	static const char *const names[][2] = {
		{ "payload_a", "msg_a" },
		{ "payload_b", "msg_b" },
		{ "payload_c", "msg_c" },
	};

	for (unsigned i = 0; i < N_ELEMENTS(names); i++) {
		struct noise_party *from = i % 2 == 0 ? init : resp;
		struct noise_party *to = i % 2 == 0 ? resp : init;

		if (!handshake_message(from, to, i, kat_hex(k, vector, names[i][0]),
				       kat_hex(k, vector, names[i][1]), b))
			return "a handshake message differs or is refused";
	}
	if (noise_split(init) < 0 || noise_split(resp) < 0 ||
	    !ends_agree(init, resp, kat_hex(k, vector, "handshake_hash")))
		return "another handshake hash";
	if (!kat_equal(SPAN_OF(init->send.key), kat_hex(k, vector, "cs1_k")) ||
	    !kat_equal(SPAN_OF(resp->send.key), kat_hex(k, vector, "cs2_k")))
		return "other transport keys";
	return NULL;
}

static void run_hybrid_vector(struct kat *k, const char *name, const json_t *vector,
			      struct buffers *b)
{
	struct noise_party init, resp;
	struct noise_protocol protocol;
	const char *why;

	if (noise_protocol_parse(name, &protocol, &why) < 0) {
		kat_skip(k, 1, "Noise: %s", why);
		return;
	}
	noise_party_init(&init, &protocol, true);
	noise_party_init(&resp, &protocol, false);
	if (protocol.n_messages != 3 || protocol.hybrid != NOISE_HYBRID_MLKEM768 ||
	    !load_hybrid(k, vector, &init, &resp))
		verdict(k, name, "keys of a wrong length");
	else
		verdict(k, name, run_hybrid(k, vector, &init, &resp, b));
}

void kat_noise(struct kat *k, const json_t *root)
{
	const char *protocol = kat_text(root, "protocol");
	CLEANUP_FREE struct buffers *b = malloc(sizeof(*b));
	size_t i;
	json_t *vector;

	if (!b) {
		kat_fail(k, "out of memory");
		return;
	}
	json_array_foreach(json_object_get(root, "vectors"), i, vector)
	{
		if (*protocol)
			run_hybrid_vector(k, protocol, vector, b);
		else
			run_vector(k, vector, b);
		kat_case_done(k);
	}
}
