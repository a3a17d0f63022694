/* SPDX-License-Identifier: Apache-2.0 */
/* The provider itself: what it offers, and its first words with the core. */
#include <openssl/core_names.h>

#include "shell/openssl/x0pq_hybrid.h"

/* clang-format off */
static const OSSL_ALGORITHM kems[] = {
	{ PQ_NAMES_0, X0PQ_PROPERTIES, pq_kem_functions, NULL },
	{ PQ_NAMES_1, X0PQ_PROPERTIES, pq_kem_functions, NULL },
	{ PQ_NAMES_2, X0PQ_PROPERTIES, pq_kem_functions, NULL },
	{ HYBRID_NAME_0, X0PQ_PROPERTIES, hybrid_kem_functions, NULL },
	{ HYBRID_NAME_1, X0PQ_PROPERTIES, hybrid_kem_functions, NULL },
	{ HYBRID_NAME_2, X0PQ_PROPERTIES, hybrid_kem_functions, NULL },
	{ NULL, NULL, NULL, NULL },
};

static const OSSL_ALGORITHM signatures[] = {
	{ PQ_NAMES_3, X0PQ_PROPERTIES, pq_signature_functions, NULL },
	{ PQ_NAMES_4, X0PQ_PROPERTIES, pq_signature_functions, NULL },
	{ PQ_NAMES_5, X0PQ_PROPERTIES, pq_signature_functions, NULL },
	{ NULL, NULL, NULL, NULL },
};

static const OSSL_ALGORITHM keymgmts[] = {
	{ PQ_NAMES_0, X0PQ_PROPERTIES, pq_keymgmt_functions_0, NULL },
	{ PQ_NAMES_1, X0PQ_PROPERTIES, pq_keymgmt_functions_1, NULL },
	{ PQ_NAMES_2, X0PQ_PROPERTIES, pq_keymgmt_functions_2, NULL },
	{ PQ_NAMES_3, X0PQ_PROPERTIES, pq_keymgmt_functions_3, NULL },
	{ PQ_NAMES_4, X0PQ_PROPERTIES, pq_keymgmt_functions_4, NULL },
	{ PQ_NAMES_5, X0PQ_PROPERTIES, pq_keymgmt_functions_5, NULL },
	{ HYBRID_NAME_0, X0PQ_PROPERTIES, hybrid_keymgmt_functions_0, NULL },
	{ HYBRID_NAME_1, X0PQ_PROPERTIES, hybrid_keymgmt_functions_1, NULL },
	{ HYBRID_NAME_2, X0PQ_PROPERTIES, hybrid_keymgmt_functions_2, NULL },
	{ NULL, NULL, NULL, NULL },
};
/* clang-format on */

static const OSSL_ALGORITHM *query(void *provider, int operation, int *ret_no_cache)
{
	(void)provider;
	*ret_no_cache = 0;
	switch (operation) {
	case OSSL_OP_KEYMGMT:
		return keymgmts;
	case OSSL_OP_KEM:
		return kems;
	case OSSL_OP_SIGNATURE:
		return signatures;
	case OSSL_OP_ENCODER:
		return pq_encoders;
	case OSSL_OP_DECODER:
		return pq_decoders;
	default: /* everything else there is in OpenSSL, now and later */
		return NULL;
	}
}

static void teardown(void *provider)
{
	free(provider);
}

static const OSSL_PARAM *gettable(void *provider)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_NAME, NULL, 0),
		OSSL_PARAM_int(OSSL_PROV_PARAM_STATUS, NULL),
		OSSL_PARAM_END,
	};

	(void)provider;
	return params;
}

static int get_params(void *provider, OSSL_PARAM params[])
{
	OSSL_PARAM *name = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_NAME);
	OSSL_PARAM *status = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);

	(void)provider;
	return (!name || OSSL_PARAM_set_utf8_ptr(name, X0PQ_NAME)) &&
	       (!status || OSSL_PARAM_set_int(status, 1));
}

/* What we need of the core. */
struct upcalls {
	OSSL_FUNC_core_get_libctx_fn *get_libctx;
	OSSL_FUNC_core_obj_create_fn *obj_create;
	OSSL_FUNC_core_obj_add_sigid_fn *add_sigid;
	OSSL_FUNC_BIO_read_ex_fn *bio_read;
	OSSL_FUNC_BIO_write_ex_fn *bio_write;
};

static bool find_upcalls(const OSSL_DISPATCH *in, struct upcalls *ret)
{
	*ret = (struct upcalls){ 0 };
	for (; in->function_id != 0; in++) {
		switch (in->function_id) {
		case OSSL_FUNC_CORE_GET_LIBCTX:
			ret->get_libctx = OSSL_FUNC_core_get_libctx(in);
			break;
		case OSSL_FUNC_CORE_OBJ_CREATE:
			ret->obj_create = OSSL_FUNC_core_obj_create(in);
			break;
		case OSSL_FUNC_CORE_OBJ_ADD_SIGID:
			ret->add_sigid = OSSL_FUNC_core_obj_add_sigid(in);
			break;
		case OSSL_FUNC_BIO_READ_EX:
			ret->bio_read = OSSL_FUNC_BIO_read_ex(in);
			break;
		case OSSL_FUNC_BIO_WRITE_EX:
			ret->bio_write = OSSL_FUNC_BIO_write_ex(in);
			break;
		default: /* many more than we use */
			break;
		}
	}
	return ret->get_libctx && ret->obj_create && ret->add_sigid && ret->bio_read &&
	       ret->bio_write;
}

/* The signature identifier maps to its key with no digest, which is the truth; so above
 * security level 0 OpenSSL 3.0 cannot rate it (README.md says what is done instead). */
static bool register_objects(const OSSL_CORE_HANDLE *core, const struct upcalls *up)
{
	for (unsigned i = 0; i < X0PQ_N_ALGORITHMS; i++) {
		const struct pq_algorithm *a = &pq_algorithms[i];

		if (up->obj_create(core, a->oid, a->short_name, a->name) != 1)
			return false;
		if (!a->is_kem && up->add_sigid(core, a->oid, "", a->oid) != 1)
			return false;
	}
	return true;
}

static const OSSL_DISPATCH provider_functions[] = {
	{ OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))teardown },
	{ OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, (void (*)(void))gettable },
	{ OSSL_FUNC_PROVIDER_GET_PARAMS, (void (*)(void))get_params },
	{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query },
	{ OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))hybrid_tls_groups },
	{ 0, NULL },
};

int x0pq_provider_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in,
		       const OSSL_DISPATCH **out, void **ret)
{
	struct upcalls up;
	struct pq_provider *p;

	if (!find_upcalls(in, &up) || !register_objects(core, &up))
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return 0;
	p->libctx = (OSSL_LIB_CTX *)up.get_libctx(core); /* allowed: we are built in */
	p->bio_read = up.bio_read;
	p->bio_write = up.bio_write;
	*out = provider_functions;
	*ret = p;
	return 1;
}
