/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions as text, in the notation of the kernel's own disassembler (kernel/bpf/disasm.c, as
 * the verifier and bpftool print it), and the graph of control flow. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <linux/bpf.h>

#include "base/cleanup.h"
#include "shell/bpf/bpf.h"
#include "shell/bpf/symbols.h"

static const char *const alu_signs[16] = {
	"+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=", "neg", "%=", "^=", "=", "s>>=", "endian",
};

static const char *const jump_signs[16] = {
	"jmp", "==", ">", ">=", "&", "!=", "s>", "s>=", "call", "exit", "<", "<=", "s<", "s<=",
};

static const char *const sizes[4] = { "u32", "u16", "u8", "u64" }; /* by BPF_SIZE() >> 3 */

#define ADDR_PERCPU (-1) /* offset of a move that the kernel put in: to what this processor has */

#define SAY(ret, ...) (void)snprintf(ret, EBPF_INSN_TEXT, __VA_ARGS__)

static unsigned to_of(const struct ebpf_insn *i)
{
	return i->registers & 15;
}

static unsigned from_of(const struct ebpf_insn *i)
{
	return i->registers >> 4;
}

bool ebpf_insn_is_wide(const struct ebpf_insn *i)
{
	return i->code == (BPF_LD | BPF_IMM | BPF_DW);
}

static void say_alu(const struct ebpf_insn *i, char *ret)
{
	char letter = BPF_CLASS(i->code) == BPF_ALU64 ? 'r' : 'w';
	const char *sign = alu_signs[BPF_OP(i->code) >> 4];

	if (BPF_OP(i->code) == BPF_END)
		SAY(ret, "(%02x) r%u = %s%d r%u", i->code, to_of(i),
		    BPF_SRC(i->code) == BPF_TO_BE ? "be" : "le", i->immediate, to_of(i));
	else if (BPF_OP(i->code) == BPF_NEG)
		SAY(ret, "(%02x) %c%u = -%c%u", i->code, letter, to_of(i), letter, to_of(i));
	else if (i->code == (BPF_ALU64 | BPF_MOV | BPF_X) && i->offset == ADDR_PERCPU)
		SAY(ret, "(%02x) r%u = &(void __percpu *)(r%u)", i->code, to_of(i), from_of(i));
	else if (BPF_SRC(i->code) == BPF_X)
		SAY(ret, "(%02x) %c%u %s %c%u", i->code, letter, to_of(i), sign, letter,
		    from_of(i));
	else
		SAY(ret, "(%02x) %c%u %s %d", i->code, letter, to_of(i), sign, i->immediate);
}

static void say_store(const struct ebpf_insn *i, char *ret)
{
	const char *size = sizes[BPF_SIZE(i->code) >> 3];

	if (BPF_MODE(i->code) == BPF_MEM)
		SAY(ret, "(%02x) *(%s *)(r%u %+d) = r%u", i->code, size, to_of(i), i->offset,
		    from_of(i));
	else if (BPF_MODE(i->code) == BPF_ATOMIC && !(i->immediate & BPF_FETCH))
		SAY(ret, "(%02x) lock *(%s *)(r%u %+d) %s r%u", i->code, size, to_of(i), i->offset,
		    alu_signs[BPF_OP(i->immediate) >> 4], from_of(i));
	else
		SAY(ret, "(%02x) atomic operation 0x%x on *(%s *)(r%u %+d) with r%u", i->code,
		    (unsigned)i->immediate, size, to_of(i), i->offset, from_of(i));
}

static void say_constant(const struct ebpf_insn *i, char *ret)
{
	uint64_t value = (uint32_t)i[0].immediate | (uint64_t)(uint32_t)i[1].immediate << 32;

	if (from_of(i) == BPF_PSEUDO_MAP_FD)
		SAY(ret, "(%02x) r%u = map[id:%u]", i->code, to_of(i), (unsigned)i[0].immediate);
	else if (from_of(i) == BPF_PSEUDO_MAP_VALUE)
		SAY(ret, "(%02x) r%u = map[id:%u][0]+%u", i->code, to_of(i),
		    (unsigned)i[0].immediate, (unsigned)i[1].immediate);
	else
		SAY(ret, "(%02x) r%u = 0x%" PRIx64, i->code, to_of(i), value);
}

static bool is_own_call(const struct ebpf_insn *i)
{
	return i->code == (BPF_JMP | BPF_CALL) && from_of(i) == BPF_PSEUDO_CALL;
}

static void say_call(const struct ebpf_image *image, const struct ebpf_insn *i, char *ret)
{
	const char *name;

	if (is_own_call(i)) {
		name = symbols_function(image->names, (uint32_t)i->immediate);
		SAY(ret, "(%02x) call pc%+d%s%s", i->code, name ? i->offset : i->immediate,
		    name ? "#" : "", name ? name : "");
		return;
	}
	name = symbols_helper(image->names, i->immediate);
	SAY(ret, "(%02x) call %s#%d", i->code, name ? name : "unknown", i->immediate);
}

static void say_jump(const struct ebpf_image *image, const struct ebpf_insn *i, char *ret)
{
	char letter = BPF_CLASS(i->code) == BPF_JMP ? 'r' : 'w';
	const char *sign = jump_signs[BPF_OP(i->code) >> 4];

	if (BPF_OP(i->code) == BPF_CALL)
		say_call(image, i, ret);
	else if (BPF_OP(i->code) == BPF_EXIT)
		SAY(ret, "(%02x) exit", i->code);
	else if (BPF_OP(i->code) == BPF_JA)
		SAY(ret, "(%02x) goto pc%+d", i->code, i->offset);
	else if (BPF_SRC(i->code) == BPF_X)
		SAY(ret, "(%02x) if %c%u %s %c%u goto pc%+d", i->code, letter, to_of(i), sign,
		    letter, from_of(i), i->offset);
	else
		SAY(ret, "(%02x) if %c%u %s 0x%x goto pc%+d", i->code, letter, to_of(i), sign,
		    (unsigned)i->immediate, i->offset);
}

void ebpf_image_text(const struct ebpf_image *image, size_t at, char ret[EBPF_INSN_TEXT])
{
	const struct ebpf_insn *i = &image->insns[at];

	switch (BPF_CLASS(i->code)) {
	case BPF_ALU:
	case BPF_ALU64:
		say_alu(i, ret);
		break;
	case BPF_STX:
		say_store(i, ret);
		break;
	case BPF_ST:
		SAY(ret, "(%02x) *(%s *)(r%u %+d) = %d", i->code, sizes[BPF_SIZE(i->code) >> 3],
		    to_of(i), i->offset, i->immediate);
		break;
	case BPF_LDX:
		SAY(ret, "(%02x) r%u = *(%s *)(r%u %+d)", i->code, to_of(i),
		    sizes[BPF_SIZE(i->code) >> 3], from_of(i), i->offset);
		break;
	case BPF_LD:
		if (ebpf_insn_is_wide(i) && at + 1 < image->n_insns)
			say_constant(i, ret);
		else
			SAY(ret, "(%02x) unknown", i->code);
		break;
	default:
		say_jump(image, i, ret);
		break;
	}
}

const char *ebpf_image_helper(const struct ebpf_image *image, size_t at, char ret[64])
{
	const struct ebpf_insn *i = &image->insns[at];
	const char *name;

	if (i->code != (BPF_JMP | BPF_CALL) || is_own_call(i))
		return NULL;
	name = symbols_helper(image->names, i->immediate);
	if (name)
		(void)snprintf(ret, 64, "%s", name);
	else
		(void)snprintf(ret, 64, "unknown#%d", i->immediate);
	return ret;
}

/* ---- control flow ---- */

static bool is_jump(const struct ebpf_insn *i)
{
	unsigned class = BPF_CLASS(i->code);

	return (class == BPF_JMP || class == BPF_JMP32) && BPF_OP(i->code) != BPF_CALL;
}

/* Where it may go on, besides to the next; -1: nowhere else. */
static long target_of(const struct ebpf_insn *i, size_t at)
{
	if (is_own_call(i))
		return (long)at + 1 + (i->offset ? i->offset : i->immediate);
	if (!is_jump(i) || BPF_OP(i->code) == BPF_EXIT)
		return -1;
	return (long)at + 1 + i->offset;
}

static bool goes_on(const struct ebpf_insn *i)
{
	return !is_jump(i) || (BPF_OP(i->code) != BPF_EXIT && BPF_OP(i->code) != BPF_JA);
}

static void mark(const struct ebpf_image *image, uint8_t *is_leader)
{
	is_leader[0] = 1;
	for (size_t at = 0; at < image->n_insns; at++) {
		const struct ebpf_insn *i = &image->insns[at];
		long target = target_of(i, at);

		if (target >= 0 && (size_t)target < image->n_insns)
			is_leader[target] = 1;
		if (is_jump(i) && at + 1 < image->n_insns)
			is_leader[at + 1] = 1;
		at += ebpf_insn_is_wide(i);
	}
}

size_t ebpf_image_blocks(const struct ebpf_image *image, size_t *ret)
{
	CLEANUP_FREE uint8_t *is_leader = calloc(image->n_insns + 1, 1);
	size_t n = 0;

	if (!is_leader || image->n_insns == 0)
		return 0;
	mark(image, is_leader);
	for (size_t at = 0; at < image->n_insns; at++)
		if (is_leader[at])
			ret[n++] = at;
	return n;
}

static void print_escaped(const char *text, FILE *to)
{
	for (; *text; text++) {
		if (strchr("\"\\<>{}|", *text))
			(void)fputc('\\', to);
		(void)fputc(*text, to);
	}
}

static void print_block(const struct ebpf_image *image, size_t from, size_t end, FILE *to)
{
	(void)fprintf(to, "  b%zu [label=\"", from);
	for (size_t at = from; at < end; at++) {
		char text[EBPF_INSN_TEXT];

		if (image->source && image->source[at] && image->source[at][0]) {
			(void)fputs("; ", to);
			print_escaped(image->source[at], to);
			(void)fputs("\\l", to);
		}
		ebpf_image_text(image, at, text);
		(void)fprintf(to, "%zu: ", at);
		print_escaped(text, to);
		(void)fputs("\\l", to);
		at += ebpf_insn_is_wide(&image->insns[at]);
	}
	(void)fputs("\"];\n", to);
}

static void print_edges(const struct ebpf_image *image, size_t from, size_t end, FILE *to)
{
	size_t last = from;

	for (size_t at = from; at < end; at++) {
		const struct ebpf_insn *i = &image->insns[at];

		last = at;
		if (is_own_call(i) && target_of(i, at) >= 0)
			(void)fprintf(to, "  b%zu -> b%ld [style=dashed, label=\"call\"];\n", from,
				      target_of(i, at));
		at += ebpf_insn_is_wide(i);
	}
	if (is_jump(&image->insns[last]) && target_of(&image->insns[last], last) >= 0)
		(void)fprintf(to, "  b%zu -> b%ld%s;\n", from, target_of(&image->insns[last], last),
			      goes_on(&image->insns[last]) ? " [label=\"yes\"]" : "");
	if (goes_on(&image->insns[last]) && end < image->n_insns)
		(void)fprintf(to, "  b%zu -> b%zu%s;\n", from, end,
			      is_jump(&image->insns[last]) ? " [label=\"no\"]" : "");
}

void ebpf_image_dot(const struct ebpf_image *image, FILE *to)
{
	CLEANUP_FREE size_t *blocks = calloc(image->n_insns + 1, sizeof(*blocks));
	size_t n = blocks ? ebpf_image_blocks(image, blocks) : 0;

	(void)fprintf(to,
		      "digraph \"%s\" {\n  node [shape=box, fontname=\"monospace\", fontsize=9];\n",
		      image->name);
	for (size_t b = 0; b < n; b++) {
		size_t end = b + 1 < n ? blocks[b + 1] : image->n_insns;

		print_block(image, blocks[b], end, to);
		print_edges(image, blocks[b], end, to);
	}
	(void)fputs("}\n", to);
}
