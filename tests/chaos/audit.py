# SPDX-License-Identifier: Apache-2.0
"""Whether anything was done without a mandate, an intent or a result, from the ledgers and the injector's log
alone. Where the injector itself ended or stopped the daemon between intent and result, or filled its disk,
that is told and is no violation."""

REMEDIES = ("avoid", "rehandshake")
DEFAULT_RATE = 10
HOUR_S = 3600
UNDER_WAY_S = 20  # before the end: the result may not have been written yet
BACK = " taken back"
CUTS = ("daemon_killed", "daemon_hung", "disk_full", "memory_pressure", "cpu_hog")


def mandates(text):
    """{remedy: actions an hour} of a file in the words of docs/healing.md; None is no file."""
    if text is None:
        return {r: DEFAULT_RATE for r in REMEDIES}
    out = {}
    for row in text.splitlines():
        words = row.split("#")[0].split()
        if words:
            options = dict(zip(words[2::2], words[3::2]))
            out[words[1]] = int(options.get("rate", DEFAULT_RATE))
    return out


def is_cut(injector, node, when):
    """Whether the injector was at this node then."""
    fault = injector["fault"]
    at_fault = (fault.get("kind") in CUTS and fault["label"].get("node") == node
                and when >= fault["injected"]["unix"] - UNDER_WAY_S)
    restarted = any(e["kind"] == "restart" and e["label"].get("node") == node and "began" in e
                    and -UNDER_WAY_S < e["began"]["unix"] - when < UNDER_WAY_S for e in injector["events"])
    return at_fault or restarted


def check_node(injector, node, entries):
    found = []
    allowed = mandates(injector["mandates"].get(node))
    around = {a for e in injector["links"] for a in e if node in e} - {node}
    open_, taken, confirmed = {}, {}, set()

    def tell(what, is_violation=True):
        found.append({"node": node, "what": what, "is_violation": is_violation})

    for e in entries:
        if e["kind"] == "notice" or "action" not in e:
            continue
        key, when, what = (e["action"], e["what"]), e["when"] / 1000, e["what"]
        remedy = what[:-len(BACK)] if what.endswith(BACK) else what
        if not e.get("who", "").endswith("/node/" + node):
            tell("%s %s is in the name of %s" % (e["kind"], key, e.get("who")))
        if e["kind"] == "result":
            if key not in open_:
                tell("a result without an intent before it: %s %s" % (what, e["action"]))
            open_.pop(key, None)
            confirmed.add(e["action"])
            continue
        if key in open_:
            tell("two intents of one action: %s %s" % key)
        open_[key] = when
        if e.get("where") not in around:
            tell("%s is about %s, which is no neighbour" % (what, e.get("where")))
        if what.endswith(BACK):
            if e["action"] not in confirmed:
                tell("%s, which was never done: %s" % (what, e["action"]))
            continue
        times = [t for t in taken.get(remedy, []) if when - t < HOUR_S] + [when]
        taken[remedy] = times
        if remedy not in allowed:
            tell("no mandate allows %s (action %s)" % (remedy, e["action"]))
        elif len(times) > allowed[remedy]:
            tell("%d times %s within an hour; the mandate says %d" % (len(times), remedy, allowed[remedy]))
    for (action, what), when in open_.items():
        if injector["ended_unix"] - when < UNDER_WAY_S:
            tell("%s %s was under way at the end" % (what, action), False)
        else:
            tell("no result of %s %s" % (what, action), not is_cut(injector, node, when))
    return found


def check(injector, ledgers):
    """[{"node", "what", "is_violation"}]; a ledger that cannot be read is one, unless the disk was filled."""
    found = []
    for node in injector["nodes"]:
        ledger = ledgers.get(node) or {"error": "there is none"}
        if "error" in ledger:
            found.append({"node": node, "what": "its ledger cannot be read: " + ledger["error"],
                          "is_violation": not is_cut(injector, node, injector["ended_unix"])})
            continue
        # The simulator keeps entries as such: whether a log of them is whole is not its question.
        if not ledger.get("is_simulated") and not ledger["is_intact"]:
            found.append({"node": node, "what": "its ledger is not intact: %s" % ledger["findings"],
                          "is_violation": True})
        found += check_node(injector, node, [e["entry"] for e in ledger["entries"]])
    return found
