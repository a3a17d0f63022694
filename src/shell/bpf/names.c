/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs are called and what they do, in words; the same in every build. */
#include <string.h>

#include "base/cleanup.h"
#include "shell/bpf/bpf.h"

static const char *const names[EBPF_N_PROGRAMS] = {
	[EBPF_GUARD] = "guard",
	[EBPF_METER] = "meter",
	[EBPF_FLOW] = "flow",
	[EBPF_ENFORCE] = "enforce",
};

static const char *const modes[EBPF_N_MODES] = {
	[EBPF_MODE_NONE] = "none",
	[EBPF_MODE_XDP_NATIVE] = "xdp",
	[EBPF_MODE_XDP_GENERIC] = "xdp-generic",
	[EBPF_MODE_TCX] = "tcx",
	[EBPF_MODE_CLSACT] = "clsact",
	[EBPF_MODE_CGROUP] = "cgroup",
};

static const char *const summaries[EBPF_N_PROGRAMS] = {
	[EBPF_GUARD] =
		"Looks at UDP datagrams to where this node listens as they arrive. Drops those "
		"from blocked prefixes, those of no known type, packets for sessions that there "
		"are not, handshake datagrams beyond the rate of a network or prefix, and those "
		"whose mac1 was made without the network key. It sees no plaintext: what it reads "
		"are the 16 clear bytes of a packet, and handshake datagrams whole for their mac1. "
		"It cannot change or send a packet, and drops nothing that is not addressed to "
		"where this node listens.",
	[EBPF_METER] =
		"Counts this node's UDP datagrams in both directions: packets and bytes, by hashed "
		"MAC address and by peer, how large they are and how much time lies between them. "
		"It reads headers and the 16 clear bytes, keeps no address but as a hash under a "
		"key of this start, and cannot drop, change or send a packet.",
	[EBPF_FLOW] =
		"Is called by the kernel's TCP at events of connections. For those whose local "
		"address is this node's in the mesh it notes round trip time, retransmissions and "
		"state. It sees no data, and the only thing it sets is which of these events it is "
		"told of.",
	[EBPF_ENFORCE] =
		"Looks at packets out of the tunnel before this machine's programs get them, and "
		"drops what a member of the mesh may not begin here by the policy's connect and "
		"ping rules, whatever the daemon lets through. Notes which flows this machine "
		"began, "
		"so that answers pass. Reads IPv6, TCP, UDP and ICMPv6 headers; cannot change or "
		"send a packet. IPv4 and packets for other addresses are left to the daemon.",
};

const char *ebpf_program_name(enum ebpf_program p)
{
	return (unsigned)p < EBPF_N_PROGRAMS ? names[p] : NULL;
}

enum ebpf_program ebpf_program_find(const char *name)
{
	for (unsigned p = 0; p < EBPF_N_PROGRAMS; p++)
		if (strcmp(names[p], name) == 0)
			return (enum ebpf_program)p;
	return EBPF_N_PROGRAMS;
}

const char *ebpf_mode_name(enum ebpf_mode m)
{
	return (unsigned)m < EBPF_N_MODES ? modes[m] : "none";
}

const char *ebpf_program_summary(enum ebpf_program p)
{
	return (unsigned)p < EBPF_N_PROGRAMS ? summaries[p] : "";
}
