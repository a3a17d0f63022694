# SPDX-License-Identifier: Apache-2.0
"""What an episode shows: whether the fault was noticed, explained and repaired, what was alarmed about or done
wrongly; and the same of the simplest rule, from the samples of the same file. Labels are the injector's alone."""
import datetime

import service

AFTER_S = 15.0	# after the fault is lifted an incident may still be about it
SHARE_LOST = 0.05
SHARE_CPU, SHARE_MEMORY, SHARE_DISK = 0.90, 0.85, 0.95
HELD = 2  # samples in a row, of the simple rule
US_TO_PPM = 1e6
LINK_KINDS = ("link_down", "link_loss", "link_delay")
HOST_KINDS = {"cpu": "cpu_hog", "memory": "memory_pressure", "disk": "disk_full"}


def unix(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else None


# ---- what a fault is called ----

def true_causes(fault):
    """Names of things, in the words of `x0 heal explain`, that are the cause; any of them is right."""
    label = fault["label"]
    if fault["what"] == "none":
        return set()
    if fault["what"] == "link":
        u, v = label["link"]
        return {"link %s - %s" % (u, v), "link %s - %s" % (v, u)}
    if fault["what"] == "part":
        return {"link %s - %s" % p for e in label["links"] for p in (tuple(e), tuple(e)[::-1])}
    if fault["what"] == "host":
        return {"host of " + label["node"], "node " + label["node"]}
    return {"node " + label["node"]}


def guilty(fault):
    """Nodes that may be acted upon: the one at fault, or the ends of the link."""
    label = fault["label"]
    if fault["what"] == "none":
        return set()
    if fault["what"] == "link":
        return set(label["link"])
    if fault["what"] == "part":
        return {n for e in label["links"] for n in e}
    return {label["node"]}


def causes_of(incident):
    """Ranked names. What the node does not rank is itself: its host, or what the incident is about."""
    named = [c["name"] for c in incident["causes"]]
    if named:
        return named
    if incident["kind"] in HOST_KINDS:
        return ["host of " + incident["node"]]
    if incident["kind"] in LINK_KINDS:
        return ["link %s - %s" % (incident["node"], incident["subject"])]
    if incident["kind"] == "restart":
        return ["node " + incident["subject"]]
    return []


def concerns(incident, fault):
    """Whether an incident is about the fault, be its cause named rightly or not."""
    at = {incident["node"], incident["subject"]}
    if incident["kind"] in HOST_KINDS:
        return fault["what"] == "host" and incident["node"] == fault["label"]["node"]
    if fault["what"] in ("link", "part") and incident["kind"] in LINK_KINDS:
        return any(at == set(c[5:].split(" - ")) for c in true_causes(fault))
    return bool(at & guilty(fault)) or bool(set(causes_of(incident)) & true_causes(fault))


def rank(causes, fault):
    """1 for the first; None where the true cause is not among them."""
    right = true_causes(fault)
    return next((n + 1 for n, c in enumerate(causes) if c in right), None)


# ---- the simplest rule ----

def rule_alarms(samples):
    """[(t, thing)] where a reading is over its threshold twice in a row, once for each thing and node."""
    held, alarms = {}, []
    for row in samples:
        for name, said in row["nodes"].items():
            if not said:
                continue
            now = set()
            for peer, (state, _, loss_ppm) in said["peers"].items():
                if state == "down" or (loss_ppm or 0) / US_TO_PPM >= SHARE_LOST:
                    now.add("link %s - %s" % (name, peer))
            for value, most in zip(said["host"], (SHARE_CPU, SHARE_MEMORY, SHARE_DISK)):
                if value is not None and value >= most:
                    now.add("host of " + name)
            before = held.get(name, {})
            held[name] = {thing: before.get(thing, 0) + 1 for thing in now}
            alarms += [(row["t"], thing) for thing, n in held[name].items() if n == HELD]
    return alarms


def rule_causes(alarms):
    """The things alarmed about, a node where two of its links are, by how often and then by when."""
    score, first = {}, {}
    for t, thing in alarms:
        words = thing.split()
        names = ["link %s - %s" % tuple(sorted((words[1], words[3])))] if words[0] == "link" else [thing]
        for name in names:
            score[name] = score.get(name, 0) + 1
            first.setdefault(name, t)
    links = [n.split()[1::2] for n in score if n.startswith("link")]
    for node in {n for e in links for n in e}:
        n_links = sum(node in e for e in links)
        if n_links >= 2:
            score["node " + node] = n_links + 1
            first["node " + node] = min(first[n] for n in score if n in first and node in n.split())
    return sorted(score, key=lambda n: (-score[n], first[n], n))


def rule_concerns(thing, fault):
    if fault["what"] in ("link", "part", "none"):
        return thing in true_causes(fault)
    return fault["label"]["node"] in thing.split()


# ---- an episode ----

def doubted_s(samples, begin, end):
    """When, by its counters, forwarding first doubted a way during the fault; None: never."""
    before = {}
    for row in samples:
        for name, said in row["nodes"].items():
            n = said["counters"]["ways_doubted"] if said else None
            if n is None:
                continue
            if begin <= row["t"] <= end and n > before.get(name, 0):
                return row["t"] - begin
            before[name] = n
    return None


def stalls_of(episode):
    return service.stalls(episode["probes"]["controls"])


def outages(episode, stalls):
    fault = episode["injector"]["fault"]
    begin, end = fault["injected"]["at"], fault["lifted"]["at"]
    out = []
    for i, pair in enumerate(episode["probes"]["pairs"]):
        o = service.worst([service.outage(service.judged(service.probes(s), stalls), begin, end)
                           for s in pair.values()])
        ends = set(episode["spec"]["pairs"][i])
        is_at = fault["label"].get("node") in ends
        out.append(dict(o or {}, role="control" if not fault["is_through"][i] else "at" if is_at else "through",
                        is_repairable=fault["is_repairable"][i], is_measured=bool(o)))
    return out


def actions(episode):
    """[(when, node, remedy, about whom, result)] from the ledgers: what was intended, and not taken back."""
    out = []
    for node, ledger in episode["ledgers"].items():
        entries = [e["entry"] for e in ledger.get("entries", ())]
        results = {(e.get("action"), e["what"]): e.get("result") for e in entries if e["kind"] == "result"}
        out += [(e["when"] / 1000, node, e["what"], e.get("where"), results.get((e["action"], e["what"])))
                for e in entries if e["kind"] == "intent" and "action" in e
                and not e["what"].endswith(" taken back")]
    return sorted(out)


def judge(episode):
    injector = episode["injector"]
    fault = injector["fault"]
    begin, end = fault["injected"]["unix"], fault["lifted"]["unix"] + AFTER_S
    true, false, late_ids = [], [], []
    for i in sorted(episode["incidents"], key=lambda i: i["opened"]):
        opened = unix(i["opened"])
        if opened < injector["begin_unix"]:
            late_ids.append(i["id"])  # while the mesh was made
        elif begin <= opened <= end and concerns(i, fault):
            true.append(i)
        else:
            false.append(i)
    wrong = [a for a in actions(episode)
             if a[0] >= injector["begin_unix"] and (not begin <= a[0] <= end or a[3] not in guilty(fault))]
    alarms = rule_alarms(episode["samples"])
    t0, t1 = begin - episode["begin_unix"], end - episode["begin_unix"]
    rule_true = [(t, a) for t, a in alarms if t0 <= t <= t1 and rule_concerns(a, fault)]
    rule_in = [(t, a) for t, a in alarms if t0 <= t <= t1]
    stalls = stalls_of(episode)
    length = episode["ended"] - episode["begin"]
    return {
        "kind": fault["kind"], "what": fault["what"], "is_grey": fault["is_grey"],
        "topology": episode["spec"]["topology"], "seed": episode["spec"]["seed"],
        "node_hours": len(injector["nodes"]) * length / 3600,
        "stalled": sum(e - b for b, e in stalls) / length,
        "detected_s": unix(true[0]["opened"]) - begin if true else None,
        "rank": rank(causes_of(true[0]), fault) if true else None,
        "doubted_s": doubted_s(episode["samples"], t0, t1 - AFTER_S),
        "kinds": sorted({i["kind"] for i in true}),
        "n_incidents": len(true) + len(false), "false": [
            {"node": i["node"], "kind": i["kind"], "subject": i["subject"], "opened": i["opened"],
             "causes": causes_of(i)[:3]} for i in false],
        "actions": actions(episode), "wrong": wrong,
        "outages": outages(episode, stalls),
        "rule": {"detected_s": rule_true[0][0] - t0 if rule_true else None,
                 "rank": rank(rule_causes(rule_in), fault) if rule_true else None,
                 "n_false": len(alarms) - len(rule_true)},
        "events": [e["kind"] for e in injector["events"]],
        "events_failed": [e["kind"] for e in injector["events"] if "failed" in e],
    }
