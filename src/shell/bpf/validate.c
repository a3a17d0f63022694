/* SPDX-License-Identifier: Apache-2.0 */
/* An object file is looked at before libbpf and the kernel see it: what is not on a list is
 * refused. */
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include <linux/bpf.h>

#include "base/cleanup.h"
#include "shell/bpf/bpf.h"

#define SECTIONS_MAX 64
#define NAME_MAX_LEN 32

#ifndef EM_BPF
#define EM_BPF 247
#endif

struct object {
	const uint8_t *bytes;
	size_t len;
	uint64_t sections_at;
	unsigned n_sections;
	Elf64_Shdr names;
};

/* Sections that may be there. Programs: only by these names, so that nothing attaches elsewhere. */
static const char *const programs[] = { ".text", "tc", "xdp", "sockops" };
static const char *const others[] = {
	"",
	".strtab",
	".shstrtab",
	".symtab",
	"license",
	".maps",
	".BTF",
	".BTF.ext",
	".rodata",
	".bss",
	".reltc",
	".relxdp",
	".relsockops",
	".rel.text",
	".rel.BTF",
	".rel.BTF.ext",
	".llvm_addrsig",
};

/* What the programs may call: nothing that changes a packet, sends one, or reads memory that is
 * not the program's. */
static const int helpers[] = {
	BPF_FUNC_map_lookup_elem,	  BPF_FUNC_map_update_elem,
	BPF_FUNC_map_delete_elem,	  BPF_FUNC_ktime_get_ns,
	BPF_FUNC_get_smp_processor_id,	  BPF_FUNC_skb_load_bytes,
	BPF_FUNC_skb_load_bytes_relative, BPF_FUNC_sock_ops_cb_flags_set,
	BPF_FUNC_ringbuf_reserve,	  BPF_FUNC_ringbuf_submit,
	BPF_FUNC_ringbuf_discard,	  BPF_FUNC_get_netns_cookie,
	BPF_FUNC_xdp_load_bytes,
};

static const char *const licences[] = { "GPL", "GPL v2", "Dual BSD/GPL" };

static int refuse(int r, char why[EBPF_WHY_SIZE], const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(int r, char why[EBPF_WHY_SIZE], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why, EBPF_WHY_SIZE, format, args);
	va_end(args);
	return r;
}

static bool is_listed(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

static bool is_inside(const struct object *o, uint64_t at, uint64_t len)
{
	return at <= o->len && len <= o->len - at;
}

/* Of the compiler, for debuggers: nobody reads them here. */
static bool is_debug(const char *name)
{
	return strncmp(name, ".debug_", 7) == 0 || strncmp(name, ".rel.debug_", 11) == 0;
}

static int open_object(const uint8_t *bytes, size_t len, struct object *ret,
		       char why[EBPF_WHY_SIZE])
{
	Elf64_Ehdr h;

	*ret = (struct object){ .bytes = bytes, .len = len };
	if (len > EBPF_OBJECT_MAX)
		return refuse(-EBADMSG, why, "the object is longer than %d bytes", EBPF_OBJECT_MAX);
	if (len < sizeof(h))
		return refuse(-EBADMSG, why, "this is no ELF file: it is too short");
	memcpy(&h, bytes, sizeof(h));
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || h.e_ident[EI_CLASS] != ELFCLASS64)
		return refuse(-EBADMSG, why, "this is no ELF file of 64 bits");
	if (h.e_ident[EI_DATA] !=
	    (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB))
		return refuse(-EBADMSG, why, "the object has the other byte order");
	if (h.e_machine != EM_BPF || h.e_type != ET_REL)
		return refuse(-EBADMSG, why, "the object is not compiled for BPF");
	if (h.e_shentsize != sizeof(Elf64_Shdr) || h.e_shnum == 0 || h.e_shnum > SECTIONS_MAX ||
	    h.e_shstrndx >= h.e_shnum ||
	    !is_inside(ret, h.e_shoff, (uint64_t)h.e_shnum * sizeof(Elf64_Shdr)))
		return refuse(-EBADMSG, why, "the table of sections is damaged");
	ret->sections_at = h.e_shoff;
	ret->n_sections = h.e_shnum;
	memcpy(&ret->names, bytes + h.e_shoff + h.e_shstrndx * sizeof(Elf64_Shdr),
	       sizeof(ret->names));
	if (ret->names.sh_type != SHT_STRTAB ||
	    !is_inside(ret, ret->names.sh_offset, ret->names.sh_size))
		return refuse(-EBADMSG, why, "the names of the sections are damaged");
	return 0;
}

static int section_at(const struct object *o, unsigned i, Elf64_Shdr *ret, char name[NAME_MAX_LEN],
		      char why[EBPF_WHY_SIZE])
{
	const char *text;
	size_t left;

	memcpy(ret, o->bytes + o->sections_at + i * sizeof(*ret), sizeof(*ret));
	if (ret->sh_type != SHT_NOBITS && ret->sh_type != SHT_NULL &&
	    !is_inside(o, ret->sh_offset, ret->sh_size))
		return refuse(-EBADMSG, why, "section %u lies outside of the object", i);
	if (ret->sh_name >= o->names.sh_size)
		return refuse(-EBADMSG, why, "section %u has no name", i);
	text = (const char *)o->bytes + o->names.sh_offset + ret->sh_name;
	left = o->names.sh_size - ret->sh_name;
	if (strnlen(text, left) == left || strlen(text) >= NAME_MAX_LEN)
		return refuse(-EBADMSG, why, "the name of section %u is damaged or too long", i);
	(void)snprintf(name, NAME_MAX_LEN, "%s", text);
	return 0;
}

static int check_licence(const struct object *o, const Elf64_Shdr *s, char why[EBPF_WHY_SIZE])
{
	const char *text = (const char *)o->bytes + s->sh_offset;

	if (s->sh_type != SHT_PROGBITS || s->sh_size == 0 || s->sh_size > 64 ||
	    text[s->sh_size - 1] != '\0')
		return refuse(-EBADMSG, why, "the licence is damaged");
	if (!is_listed(text, licences, N_ELEMENTS(licences)))
		return refuse(-EPROTO, why,
			      "the licence \"%.40s\" is not one that the kernel's helpers ask for",
			      text);
	return 0;
}

static int check_call(const struct bpf_insn *i, const char *section, size_t at,
		      char why[EBPF_WHY_SIZE])
{
	if (i->src_reg == BPF_PSEUDO_CALL)
		return 0;
	if (i->src_reg != 0)
		return refuse(-EPROTO, why,
			      "%s, instruction %zu: calls a kernel function that is no helper",
			      section, at);
	for (size_t k = 0; k < N_ELEMENTS(helpers); k++)
		if (helpers[k] == i->imm)
			return 0;
	return refuse(-EPROTO, why,
		      "%s, instruction %zu: helper %d is not on the list of those allowed", section,
		      at, i->imm);
}

/* A constant of 64 bits takes two slots, the second of which is a number. What libbpf is to put
 * there, a map or a function of the object, has a relocation and is 0 here: all other kinds name
 * something of the kernel's by its number. */
static int check_constant(const struct object *o, const Elf64_Shdr *s, const struct bpf_insn *first,
			  const char *section, size_t at, char why[EBPF_WHY_SIZE])
{
	struct bpf_insn second;

	if ((at + 2) * sizeof(second) > s->sh_size)
		return refuse(-EBADMSG, why, "section %s ends within an instruction", section);
	memcpy(&second, o->bytes + s->sh_offset + (at + 1) * sizeof(second), sizeof(second));
	if (first->src_reg != 0)
		return refuse(
			-EPROTO, why,
			"%s, instruction %zu: a constant of kind %u, which is not the object's",
			section, at, first->src_reg);
	if (second.code != 0 || second.dst_reg != 0 || second.src_reg != 0 || second.off != 0)
		return refuse(-EBADMSG, why, "%s, instruction %zu is damaged", section, at);
	return 0;
}

static int check_program(const struct object *o, const Elf64_Shdr *s, const char *name,
			 char why[EBPF_WHY_SIZE])
{
	size_t n = s->sh_size / sizeof(struct bpf_insn);

	if (s->sh_type != SHT_PROGBITS || s->sh_size % sizeof(struct bpf_insn) != 0)
		return refuse(-EBADMSG, why, "section %s is damaged", name);
	for (size_t i = 0; i < n; i++) {
		struct bpf_insn insn;
		int r = 0;

		memcpy(&insn, o->bytes + s->sh_offset + i * sizeof(insn), sizeof(insn));
		if (insn.code == (BPF_JMP | BPF_CALL))
			r = check_call(&insn, name, i, why);
		else if (insn.code == (BPF_JMP | BPF_CALL | BPF_X))
			r = refuse(-EPROTO, why, "%s, instruction %zu: an indirect call", name, i);
		else if (insn.code == (BPF_LD | BPF_IMM | BPF_DW))
			r = check_constant(o, s, &insn, name, i++, why);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The name of a symbol, for people. */
static void name_at(const struct object *o, uint64_t at, char ret[NAME_MAX_LEN])
{
	uint64_t left = at < o->names.sh_size ? o->names.sh_size - at : 0;

	(void)snprintf(ret, NAME_MAX_LEN, "%.*s", left < NAME_MAX_LEN ? (int)left : NAME_MAX_LEN,
		       left ? (const char *)o->bytes + o->names.sh_offset + at : "");
}

/* What an object asks of others libbpf finds in the kernel: a call of such a function is compiled
 * like one of the object's own. */
static int check_symbols(const struct object *o, const Elf64_Shdr *s, char why[EBPF_WHY_SIZE])
{
	size_t n = s->sh_size / sizeof(Elf64_Sym);

	if (s->sh_size % sizeof(Elf64_Sym) != 0)
		return refuse(-EBADMSG, why, "the table of symbols is damaged");
	for (size_t i = 1; i < n; i++) { /* the first is of no symbol */
		char name[NAME_MAX_LEN];
		Elf64_Sym symbol;

		memcpy(&symbol, o->bytes + s->sh_offset + i * sizeof(symbol), sizeof(symbol));
		if (symbol.st_shndx != SHN_UNDEF)
			continue;
		name_at(o, symbol.st_name, name);
		return refuse(-EPROTO, why, "it asks the kernel for \"%s\", which is no helper",
			      name);
	}
	return 0;
}

int ebpf_validate(const uint8_t *bytes, size_t len, char why[EBPF_WHY_SIZE])
{
	bool has_licence = false, has_btf = false, has_program = false;
	struct object o;
	int r = open_object(bytes, len, &o, why);

	for (unsigned i = 0; r == 0 && i < o.n_sections; i++) {
		char name[NAME_MAX_LEN];
		Elf64_Shdr s;

		r = section_at(&o, i, &s, name, why);
		if (r < 0)
			return r;
		has_licence |= strcmp(name, "license") == 0;
		has_btf |= strcmp(name, ".BTF") == 0;
		if (strcmp(name, "license") == 0) {
			r = check_licence(&o, &s, why);
		} else if (is_listed(name, programs, N_ELEMENTS(programs))) {
			has_program |= s.sh_size > 0;
			r = check_program(&o, &s, name, why);
		} else if (s.sh_flags & SHF_EXECINSTR ||
			   (!is_debug(name) && !is_listed(name, others, N_ELEMENTS(others)))) {
			r = refuse(-EPROTO, why,
				   "section \"%s\" is not on the list of those allowed", name);
		} else if (s.sh_type == SHT_SYMTAB || s.sh_type == SHT_DYNSYM) {
			r = check_symbols(&o, &s, why); /* whatever its name */
		}
	}
	if (r < 0)
		return r;
	if (!has_licence || !has_btf || !has_program)
		return refuse(-EPROTO, why, "the object has no %s",
			      !has_program   ? "program"
			      : !has_licence ? "licence"
					     : "BTF, which tells what its maps hold");
	return 0;
}
