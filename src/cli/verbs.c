/* SPDX-License-Identifier: Apache-2.0 */
/* All verbs, as rows: help, manual page, completions and the options themselves come from here. */
#include <stddef.h>

#include "cli/cli.h"
#include "cli/demo.h"

#define END       \
	{         \
		0 \
	}

const struct cli_option cli_common_options[] = {
	{ "json", 0, NULL, false, "print JSON, errors too" },
	{ "config", 0, "FILE", false, "the configuration file" },
	{ "help", 'h', NULL, false, "print this help" },
	END,
};

static const struct cli_option init_options[] = {
	{ "domain", 'd', "DOMAIN", false, "the trust domain to found, such as example.mesh" },
	{ "name", 'n', "NAME", false, "this node's name (default: the file's, else the host's)" },
	{ "passphrase", 'p', NULL, false, "ask for a passphrase of the authority's keys" },
	{ "passphrase-file", 0, "FILE", false, "the same, from a file (- for standard input)" },
	{ "no-start", 0, NULL, false, "do not start the daemon" },
	END,
};

static const struct cli_option key_options[] = {
	{ "node", 0, NULL, false, "passphrase: of the node's keys, not the authority's" },
	{ "remove", 0, NULL, false, "passphrase: take it away" },
	{ "passphrase-file", 0, "FILE", false, "the passphrase there is (- for standard input)" },
	{ "new-passphrase-file", 0, "FILE", false, "passphrase: the new one" },
	END,
};

static const struct cli_option invite_options[] = {
	{ "name", 'n', "NAME", false, "the name the new node has to take" },
	{ "uses", 'u', "N", false, "how many machines may use it, 1 to 16 (default: 1)" },
	{ "expires", 'x', "TIME", false, "how long it is valid: 30m, 1h, 7d (default: 1d)" },
	{ "endpoint", 'e', "HOST:PORT", true, "an address it can reach us at; may be repeated" },
	{ "qr", 0, NULL, false, "print the QR code wherever the output goes" },
	{ "no-qr", 0, NULL, false, "print no QR code" },
	END,
};

static const struct cli_option join_options[] = {
	{ "name", 'n', "NAME", false, "this node's name (default: the file's, else the host's)" },
	{ "no-start", 0, NULL, false, "do not start the daemon" },
	END,
};

static const struct cli_option leave_options[] = {
	{ "yes", 'y', NULL, false, "do not ask" },
	{ "destroy-authority", 0, NULL, false, "also on the node that holds the authority" },
	END,
};

static const struct cli_option up_options[] = {
	{ "foreground", 'f', NULL, false, "stay in the foreground, log to standard error" },
	END,
};

static const struct cli_option ping_options[] = {
	{ "count", 'c', "N", false, "how many (default: 4; 0: until Ctrl-C)" },
	{ "interval", 'i', "SECONDS", false, "between two (default: 1)" },
	{ "wait", 'W', "SECONDS", false, "for the last answer (default: 2)" },
	END,
};

static const struct cli_option top_options[] = {
	{ "once", 0, NULL, false, "print one look and end" },
	{ "interval", 'i', "SECONDS", false, "from one look to the next (default: 1)" },
	END,
};

static const struct cli_option trace_options[] = {
	{ "max-hops", 'm', "N", false, "go no farther (default: 32)" },
	END,
};

static const struct cli_option svid_options[] = {
	{ "pem", 0, NULL, false, "print both certificate chains as PEM" },
	END,
};

static const struct cli_option tls_options[] = {
	{ "expect", 'e', "NODE", false, "accept this node alone: its name or SPIFFE ID" },
	{ "groups", 'g', "LIST", false, "groups in order of preference, colons between" },
	{ "hybrid-only", 0, NULL, false, "no group without ML-KEM" },
	{ "alpn", 'a', "LIST", false, "application protocols, commas between: h2,http/1.1" },
	{ "timeout", 't', "SECONDS", false, "for a connection and its handshake (default: 5)" },
	{ "passphrase-file", 0, "FILE", false, "of this node's keys (- for standard input)" },
	{ "no-identity", 0, NULL, false, "connect: show no certificate" },
	{ "insecure", 'k', NULL, false, "connect: do NOT verify the peer; implies the former" },
	{ "listen", 'l', "ADDR:PORT", false, "serve: where (default: 127.0.0.1:4433)" },
	{ "anyone", 0, NULL, false, "serve: ask for no certificate, as for browsers" },
	{ "once", 0, NULL, false, "serve: end after one connection, with its exit status" },
	END,
};

static const struct cli_option policy_options[] = {
	{ "file", 'f', "FILE", false, "explain by this file instead of what is in force" },
	END,
};

static const struct cli_option ledger_options[] = {
	{ "directory", 'd', "DIR", false, "another ledger, a copy say (default: this node's)" },
	{ "since", 0, "N", false, "show: from this entry on" },
	END,
};

static const struct cli_option batman_options[] = {
	{ "mesh", 'm', "NAME", false, "the mesh interface (default: bat0)" },
	{ "interface", 'i', "NAME", false, "set: of this interface, not of the mesh" },
	{ "algorithm", 'a', "NAME", false, "create: BATMAN_V (default) or BATMAN_IV" },
	END,
};

static const struct cli_option ebpf_options[] = {
	{ "seconds", 's', "SECONDS", false, "profile: for how long (default: 5)" },
	{ "dot", 0, NULL, false, "explain: the graph of control flow, for Graphviz" },
	{ "svg", 0, NULL, false, "explain: the same drawn by Graphviz, one function" },
	END,
};

static const struct cli_option demo_options[] = {
	{ "nodes", 0, "N", false, "an even number from 4 to 16 (default: 6)" },
	{ "once", 0, NULL, false, "end by itself; fail unless all of it worked" },
	{ "json", 0, NULL, false, "one JSON object at the end, progress on standard error" },
	{ "keep", 0, NULL, false, "keep configuration, state (keys!) and logs" },
	{ "scenario", 0, "NAME", false, "all (default), transfer, cut, kill or dropper" },
	{ "file", 0, "FILE", false, "what is fetched (default: 64 MiB of random bytes)" },
	{ "help", 'h', NULL, false, "print its help" },
	END,
};

static const struct cli_option heal_options[] = {
	{ "since", 0, "TIME", false, "incidents: opened in the last 30m, 1h, 7d" },
	{ "text", 0, "WORDS", false, "incidents: with these words, or words that begin so" },
	{ "kind", 0, "KIND", false, "incidents: of this kind" },
	{ "limit", 0, "N", false, "incidents: so many at most, 1 to 200 (default: 100)" },
	{ "dot", 0, NULL, false, "explain: the graph of causes, for Graphviz" },
	{ "svg", 0, NULL, false, "explain: the same as a picture" },
	{ "html", 0, NULL, false, "explain: all of it as a page that needs nothing else" },
	END,
};

static const struct cli_option help_options[] = {
	{ "man", 0, NULL, false, "print the manual page (roff)" },
	END,
};

const struct cli_verb cli_verbs[] = {
	{
		.name = "init",
		.run = verb_init,
		.line = "found a mesh: a trust domain, its authority, this node",
		.arguments = "",
		.options = init_options,
		.text = "Makes the directories, writes the configuration unless there is one, "
			"makes the domain's two roots (ML-DSA-65 and ECDSA P-256) and this node's "
			"certificates, and starts the daemon. It says which files are the "
			"authority and how to keep a copy of them: without them nobody can join. "
			"With a passphrase the authority's keys lie encrypted on the disk, and the "
			"authority works only while it is unlocked: see x0 help key.",
		.examples = "x0 init --domain example.mesh\n"
			    "x0 init --domain example.mesh --passphrase\n"
			    "x0 init --domain example.mesh --name roof --no-start",
	},
	{
		.name = "invite",
		.run = verb_invite,
		.line = "let another machine join",
		.arguments = "",
		.options = invite_options,
		.text = "Prints an invitation and, on a terminal, its QR code. Runs on the node "
			"that holds the authority. The invitation is a secret: whoever has it can "
			"join until it is used up or has expired. It names every address of this "
			"machine; behind a router give the one that is reachable with --endpoint.",
		.examples = "x0 invite\n"
			    "x0 invite --expires 1h --name laptop\n"
			    "x0 invite --uses 5 --endpoint mesh.example.org:26969",
	},
	{
		.name = "join",
		.run = verb_join,
		.line = "join a mesh with an invitation",
		.arguments = "[x0://...]",
		.args_max = 1,
		.options = join_options,
		.text = "Takes the invitation as argument, from standard input, or asks for it "
			"(better: arguments are seen by other users of this machine). Tries all "
			"its addresses at once for at most 10 seconds, keeps what the authority "
			"answers, writes the configuration, and starts the daemon. When it fails "
			"it says for each address what happened.",
		.examples = "x0 join\n"
			    "x0 join --name cabin 'x0://join/example.mesh?e=...'\n"
			    "x0 join <invitation.txt",
	},
	{
		.name = "leave",
		.run = verb_leave,
		.line = "leave the mesh: delete this node's keys",
		.arguments = "",
		.options = leave_options,
		.text = "Stops the daemon and deletes the membership, keys, peers and ledger; the "
			"configuration is renamed. To come back the machine needs a new "
			"invitation and another name, unless the old one was revoked.",
		.examples = "x0 leave\n"
			    "x0 leave --yes",
	},
	{
		.name = "up",
		.run = verb_up,
		.line = "start the daemon",
		.arguments = "",
		.options = up_options,
		.text = "By systemd where its unit x0.service is installed and we are root, so "
			"that it comes back after a reboot; else in the background, logging to "
			"x0.log in the state directory.",
		.examples = "x0 up\n"
			    "x0 up --foreground",
	},
	{
		.name = "down",
		.run = verb_down,
		.line = "stop the daemon",
		.arguments = "",
		.text = "Peers are told, so that they route around this node at once. What a "
			"daemon "
			"that was killed left on this host (routing rules, /etc/resolv.conf, "
			"forwarding, tables of nftables) is removed, as root.",
		.examples = "x0 down",
	},
	{
		.name = "status",
		.run = verb_status,
		.line = "what this node is and how it is doing",
		.arguments = "",
		.text = "Also lists what is off and why, and what was dropped.",
		.examples = "x0 status\n"
			    "x0 status --json | jq .counters",
	},
	{
		.name = "peers",
		.run = verb_peers,
		.line = "neighbours and sessions: link, round trip, loss, cipher",
		.arguments = "",
		.text = "Neighbours come first. On a narrow terminal columns are left out; --json "
			"has them all.",
		.examples = "x0 peers\n"
			    "x0 peers --json | jq '.[] | select(.is_neighbour)'",
	},
	{
		.name = "top",
		.run = verb_top,
		.line = "live: peers, links and traffic",
		.arguments = "",
		.options = top_options,
		.text = "Asks the daemon once a second and shows what changed: traffic to and from "
			"each peer, the link to it, its round trip and loss. Who has most traffic "
			"comes first. Keys: q quits, p pauses, j and k or the arrows move. With "
			"--json one object a line; with --once one look, over one interval.",
		.examples = "x0 top\n"
			    "x0 top --once --json | jq .traffic",
	},
	{
		.name = "routes",
		.run = verb_routes,
		.line = "how every node is reached",
		.arguments = "[offered|paths]",
		.args_max = 1,
		.actions = "offered paths",
		.text = "Next hop, hops, metric, and the loop-free alternates that are used at "
			"once when the next hop fails. offered: the networks that nodes offer "
			"(routes.offer, routes.exit), which of them are in use, and why others "
			"are not. paths: the ways to nodes that are sent to by more than one, what "
			"goes by each, how fast it is, and why it is taken or not.",
		.examples = "x0 routes\n"
			    "x0 routes offered\n"
			    "x0 routes paths",
	},
	{
		.name = "topology",
		.run = verb_topology,
		.line = "the nodes and links of the mesh",
		.arguments = "",
		.text = "Each link as both its ends see it, by asking every node that is reached "
			"for "
			"its links; for up to two seconds, until all have answered. Their policy "
			"has "
			"to allow it (survey). With --json: all that is known, as GET "
			"/api/v1/topology.",
		.examples = "x0 topology\n"
			    "x0 topology --json | jq '.links[] | select(.ab.state == \"down\")'",
	},
	{
		.name = "heal",
		.run = verb_heal,
		.line = "incidents, their causes, and what may be done about them",
		.arguments =
			"[incidents | explain ID | rates | detectors | mandates | simulate KIND "
			"SUBJECT]",
		.args_max = 3,
		.actions = "incidents explain rates detectors mandates simulate",
		.options = heal_options,
		.text = "incidents: what this node has found wrong that forwarding does not repair "
			"by itself, the newest first, those from before a restart as well. "
			"explain: one of them, with its evidence, its causes in order, and what "
			"was done. rates: how often each remedy has helped against each kind of "
			"cause. detectors: how unusual this host and its links are by their own "
			"past, and how much of that is known; they hint and never act. "
			"mandates: what may be done unasked, from the file mandates "
			"beside the configuration (x0 config reload reads it again). simulate: "
			"what would be done now about an incident of that kind (delivery, "
			"link_loss, link_down, cpu, memory, disk, service) at that neighbour, or "
			"at this node; nothing is done.",
		.examples = "x0 heal incidents --since 1h\n"
			    "x0 heal incidents --text 'berlin delivery' --limit 5\n"
			    "x0 heal explain 100000001\n"
			    "x0 heal explain 100000001 --html >incident.html\n"
			    "x0 heal simulate delivery berlin-1",
	},
	{
		.name = "exit",
		.run = verb_exit,
		.line = "which node leads to the internet",
		.arguments = "[use NAME | off]",
		.args_max = 2,
		.actions = "use off",
		.text = "Without arguments: the exit in use, and those there are. use leads all "
			"that "
			"has no nearer route to the node NAME, or to the nearest exit (any), until "
			"off; also after a restart. The policy has to accept it (prefix). "
			"routes.exit_only lets nothing leave by another way, routes.exit_lan keeps "
			"the networks this machine is in reachable.",
		.examples = "x0 exit\n"
			    "x0 exit use berlin-1\n"
			    "x0 exit off",
	},
	{
		.name = "ping",
		.run = verb_ping,
		.line = "is a node there, over which path, how fast",
		.arguments = "NAME",
		.args_min = 1,
		.args_max = 1,
		.options = ping_options,
		.text = "Asks the node's daemon, end to end. Fails when nothing comes back. With "
			"--json: one object a line, the last one the summary.",
		.examples = "x0 ping roof\n"
			    "x0 ping roof -c 0 -i 0.2",
	},
	{
		.name = "trace",
		.run = verb_trace,
		.line = "every hop on the way to a node",
		.arguments = "NAME",
		.args_min = 1,
		.args_max = 1,
		.options = trace_options,
		.text = "Gives up after five hops in a row that do not answer.",
		.examples = "x0 trace roof",
	},
	{
		.name = "resolve",
		.run = verb_resolve,
		.line = "a node's name to its address, or an address to its name",
		.arguments = "NAME|ADDRESS",
		.args_min = 1,
		.args_max = 1,
		.text = "Asks the daemon, not this machine's resolver: with ssh, ping and browsers "
			"names end in the zone (roof.x0.internal), and x0 doctor says whether "
			"those "
			"work. Fails where no such node is known.",
		.examples = "x0 resolve roof\n"
			    "x0 resolve roof.x0.internal --json\n"
			    "x0 resolve fd12:3456:789a:0:1:2:3:4",
	},
	{
		.name = "node",
		.run = verb_node,
		.line = "whom the authority admitted; revoke one",
		.arguments = "list | revoke NAME | rotate-key",
		.args_min = 1,
		.args_max = 2,
		.actions = "list revoke rotate-key",
		.text = "Run it on the node that holds the authority. revoke closes the node's "
			"sessions everywhere and starts a new network key; rotate-key only the "
			"latter. Either makes earlier invitations void.",
		.examples = "x0 node list\n"
			    "x0 node revoke laptop",
	},
	{
		.name = "key",
		.run = verb_key,
		.line = "private keys: their passphrase; unlock the authority",
		.arguments = "[show | passphrase | unlock | lock]",
		.args_max = 1,
		.actions = "show passphrase unlock lock",
		.options = key_options,
		.text = "passphrase sets, changes or (--remove) takes away the passphrase of the "
			"authority's keys on the disk, or of the node's (--node); the daemon must "
			"not run meanwhile. Keys with one are encrypted: PKCS#8 with scrypt and "
			"AES-256. An authority with a passphrase is locked after each start: the "
			"mesh works, but nobody is admitted, renewed or revoked until unlock, on "
			"the node that holds it. To start a node whose own keys have one, see "
			"keys.passphrase_file in x0 config help.",
		.examples = "x0 key\n"
			    "x0 down && x0 key passphrase && x0 up\n"
			    "x0 key unlock\n"
			    "x0 key unlock --passphrase-file - <secret.txt",
	},
	{
		.name = "svid",
		.run = verb_svid,
		.line = "this node's identity and certificates",
		.arguments = "[show]",
		.args_max = 1,
		.actions = "show",
		.options = svid_options,
		.text = "With --pem the chains are read from the state directory, which takes "
			"root, and need no daemon.",
		.examples = "x0 svid\n"
			    "x0 svid --pem >chain.pem",
	},
	{
		.name = "bundle",
		.run = verb_bundle,
		.line = "the trust domain's roots, as PEM",
		.arguments = "",
		.text = "What others need to verify this domain's certificates: one root for "
			"ML-DSA-65 and one for ECDSA P-256. Read from the state directory.",
		.examples = "x0 bundle >roots.pem",
	},
	{
		.name = "tls",
		.run = verb_tls,
		.line = "try a TLS connection: which group, which suite, who is there",
		.arguments = "serve | connect HOST:PORT",
		.args_min = 1,
		.args_max = 2,
		.actions = "serve connect",
		.options = tls_options,
		.text = "TLS 1.3 as this program speaks it: X25519MLKEM768 first, this node's "
			"P-256 certificate, and the peer verified by its SPIFFE ID against the "
			"trust bundle. Both are a diagnostic: connect ends once the handshake is "
			"done, serve answers an HTTP GET with what was negotiated, as JSON. Keys "
			"and certificates are read from the state directory, which takes root. "
			"Groups: X25519MLKEM768, SecP256r1MLKEM768, SecP384r1MLKEM1024, X25519, "
			"secp256r1.",
		.examples =
			"x0 tls serve --listen [::]:4433\n"
			"x0 tls connect roof.example:4433 --expect roof\n"
			"x0 tls serve --anyone          # then a browser: https://127.0.0.1:4433/\n"
			"x0 tls connect example.org:443 --insecure --alpn http/1.1",
	},
	{
		.name = "policy",
		.run = verb_policy,
		.line = "check a policy; explain a decision",
		.arguments = "check [FILE] | explain NODE ACTION [RESOURCE]",
		.args_min = 1,
		.args_max = 4,
		.actions = "check explain",
		.options = policy_options,
		.text = "Actions are session, prefix, connect, ping, api, invite, issue, heal, "
			"relay. NODE is a node's name, a SPIFFE ID, or uid:N for a user of this "
			"machine. A rule that forbids wins over all that allow.",
		.examples = "x0 policy check new.yaml\n"
			    "x0 policy explain laptop connect tcp:22\n"
			    "x0 policy explain laptop connect tcp:22 --file new.yaml",
	},
	{
		.name = "ledger",
		.run = verb_ledger,
		.line = "the tamper-evident ledger: read it, prove an entry, verify all",
		.arguments = "[show | prove N | verify | checkpoint | keys | witnesses]",
		.args_max = 2,
		.actions = "show prove verify checkpoint keys witnesses",
		.options = ledger_options,
		.text = "Reads the files of the ledger and changes none; no daemon has to run. "
			"prove prints a file (c2sp.org/tlog-proof) that anybody checks who has the "
			"lines of keys. verify computes each hash and signature again and names "
			"the position of what was changed. witnesses says which neighbours have "
			"cosigned how many entries, and when.",
		.examples = "x0 ledger show --since 100\n"
			    "x0 ledger prove 17 > 17.tlog-proof\n"
			    "x0 ledger verify --directory /mnt/copy/ledger",
	},
	{
		.name = "batman",
		.run = verb_batman,
		.line = "the kernel's batman-adv: show it, set it, make a mesh interface",
		.arguments =
			"[show | neighbours | originators | gateways | local | global | claims "
			"| backbones | gateway | create [INTERFACE...] | add INTERFACE... | remove "
			"INTERFACE... | set KEY VALUE | destroy]",
		.args_max = 17,
		.actions = "show neighbours originators gateways local global claims backbones "
			   "gateway create add "
			   "remove set destroy",
		.options = batman_options,
		.text = "Asks the kernel, and needs no daemon; gateway alone asks the daemon: it "
			"shows "
			"who is in the mesh that the daemon itself is in (batman.interfaces in the "
			"configuration). show lists all settings by the "
			"names that "
			"set takes. local and global are the translation tables, claims and "
			"backbones "
			"belong to bridge loop avoidance. Tables and changes take root. A mesh "
			"interface "
			"with an address carries x0 as any other does: where peers are reached "
			"over it, "
			"name them by that address.",
		.examples = "sudo x0 batman create eth1 wlan0\n"
			    "sudo x0 batman set orig_interval 500\n"
			    "sudo x0 batman set throughput_override 1000 --interface eth1\n"
			    "sudo x0 batman originators --json",
	},
	{
		.name = "config",
		.run = verb_config,
		.line = "show, check or reload the configuration",
		.arguments = "show | check [FILE] | help | default | markdown | reload",
		.args_min = 1,
		.args_max = 2,
		.actions = "show check help default markdown reload",
		.text = "show prints what is in force by the file, help every key with its range "
			"and default, default a new file, markdown the reference page. reload has "
			"the daemon read the file again and says what needs a restart.",
		.examples = "x0 config help\n"
			    "x0 config check new.yaml\n"
			    "x0 config reload",
	},
	{
		.name = "ebpf",
		.run = verb_ebpf,
		.line = "our programs in the kernel: what they are, do, count and cost",
		.arguments = "list | explain PROGRAM | profile PROGRAM | check FILE",
		.args_min = 1,
		.args_max = 2,
		.actions = "list explain profile check",
		.options = ebpf_options,
		.text = "PROGRAM is guard, meter, flow or enforce, one of their functions "
			"(x0_...), "
			"or an id. list says where each is attached, or why it is off, and what it "
			"counted; explain what the kernel really runs: each instruction with the "
			"line it came from, the maps it touches, the helpers it calls, and in "
			"words "
			"what it can and cannot do; profile counts runs and nanoseconds for a "
			"time. "
			"check tries an object file of your own against our lists and the kernel's "
			"verifier, and shows all that this says. All but list need root.",
		.examples = "x0 ebpf list\n"
			    "sudo x0 ebpf explain guard\n"
			    "sudo x0 ebpf explain x0_meter_in --svg >meter.svg\n"
			    "sudo x0 ebpf profile meter --seconds 10",
	},
	{
		.name = "doctor",
		.run = verb_doctor,
		.line = "check everything a node needs",
		.arguments = "",
		.text = "One line for each thing, and for what is wrong the command that mends "
			"it. Fails when there is a failure; warnings do not count.",
		.examples = "x0 doctor\n"
			    "sudo x0 doctor --json",
	},
	{
		.name = "version",
		.run = verb_version,
		.line = "version of the program and its cryptography",
		.arguments = "",
		.text = "",
		.examples = "x0 version",
	},
	{
		.name = "demo",
		.run_raw = demo_main,
		.line = "a whole mesh on this one machine, broken and repaired",
		.arguments = "",
		.options = demo_options,
		.text = "Runs real nodes, each in a network namespace of its own, and shows them "
			"at "
			"work: identities, links, a file from the far corner, a link cut silently, "
			"a relay killed. Nothing outside is touched. Root is not needed where user "
			"namespaces are allowed.",
		.examples = "x0 demo\n"
			    "x0 demo --once --json\n"
			    "x0 demo --file holiday.mp4",
	},
	{
		.name = "completion",
		.run = verb_completion,
		.line = "completions for bash, zsh or fish",
		.arguments = "bash | zsh | fish",
		.args_min = 1,
		.args_max = 1,
		.actions = "bash zsh fish",
		.text = "Installed, they are found by themselves; else load what this prints.",
		.examples = "eval \"$(x0 completion bash)\"\n"
			    "x0 completion fish >~/.config/fish/completions/x0.fish",
	},
	{
		.name = "help",
		.run = verb_help,
		.line = "help on a verb",
		.arguments = "[VERB]",
		.args_max = 1,
		.options = help_options,
		.text = "",
		.examples = "x0 help join",
	},
	{ .name = NULL },
};
