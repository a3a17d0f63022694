# SPDX-License-Identifier: Apache-2.0
"""Figures over episodes, of each kind of fault, healing beside the simplest rule."""


def percentile(values, p):
    """The nearest rank; None is never and counts as the longest."""
    if not values:
        return None
    values = sorted(values, key=lambda v: float("inf") if v is None else v)
    return values[min(len(values) - 1, max(0, -(-len(values) * p // 100) - 1))]


def share(part, whole):
    return part / whole if whole else None


def mttr(rows, role):
    """Of pairs of this role that were affected and that another way joins; None in it is never repaired."""
    return [o["mttr_s"] for r in rows for o in r["outages"]
            if o["role"] == role and o["is_measured"] and o["is_repairable"] and o["is_affected"]]


def side(rows, get):
    """Detection and causes, of healing or of the rule."""
    found = [get(r) for r in rows if r["what"] != "none"]
    delays = [f["detected_s"] for f in found if f["detected_s"] is not None]
    return {"detected": len(delays), "delay_p50_s": percentile(delays, 50), "delay_max_s": max(delays, default=None),
            "ac1": share(sum(f["rank"] == 1 for f in found), len(found)),
            "ac3": share(sum(f["rank"] is not None and f["rank"] <= 3 for f in found), len(found))}


def of_kind(rows):
    through, at = mttr(rows, "through"), mttr(rows, "at")
    hours = sum(r["node_hours"] for r in rows)
    n_false = sum(len(r["false"]) for r in rows)
    pairs = [o for r in rows for o in r["outages"] if o["role"] == "through" and o["is_measured"] and o["is_repairable"]]
    return {
        "episodes": len(rows), "topologies": len({r["topology"] for r in rows}), "node_hours": hours,
        "stalled": share(sum(r["stalled"] for r in rows), len(rows)),
        "healing": side(rows, lambda r: r), "rule": side(rows, lambda r: r["rule"]),
        "doubted": sum(r["doubted_s"] is not None for r in rows),
        "incidents": sum(r["n_incidents"] for r in rows), "false": n_false,
        "false_per_node_hour": share(n_false, hours),
        "rule_false_per_node_hour": share(sum(r["rule"]["n_false"] for r in rows), hours),
        "actions": sum(len(r["actions"]) for r in rows), "wrong": sum(len(r["wrong"]) for r in rows),
        "pairs_through": len(pairs), "pairs_unaffected": sum(not o["is_affected"] for o in pairs),
        "mttr": {"n": len(through), "never": through.count(None), "p50_s": percentile(through, 50),
                 "p95_s": percentile(through, 95), "max_s": percentile(through, 100)},
        "mttr_at": {"n": len(at), "never": at.count(None), "p50_s": percentile(at, 50),
                    "p95_s": percentile(at, 95), "max_s": percentile(at, 100)},
    }


def figures(rows):
    by_kind = {}
    every = []
    for r in rows:
        by_kind.setdefault(r["kind"], []).append(r)
        every.append(r)
    return {"all": of_kind(every), "kinds": {k: of_kind(v) for k, v in sorted(by_kind.items())},
            "false": [dict(f, kind_of_fault=r["kind"], seed=r["seed"]) for r in every for f in r["false"]],
            "wrong": [{"kind": r["kind"], "seed": r["seed"], "node": a[1], "what": a[2], "where": a[3], "result": a[4]}
                      for r in every for a in r["wrong"]]}


def cell(v, digits=2):
    return "-" if v is None else "%.*f" % (digits, v) if isinstance(v, float) else str(v)


def times(m, key):
    return "never" if m["n"] and m[key] is None else cell(m[key])


HEAD = ("%-16s %3s | %5s %6s %5s %5s | %5s %6s %5s %5s | %5s %5s %5s | %4s %6s %6s %6s | %4s %6s"
        % ("", "n", "found", "delay", "AC@1", "AC@3", "found", "delay", "AC@1", "AC@3", "false", "acts", "wrong",
           "n", "p50", "p95", "max", "n", "p95"))
TOP = "%20s | %24s | %24s | %17s | %25s | %11s" % (
    "", "healing", "simplest rule", "", "MTTR s, pairs through", "pairs at it")


def line(name, f):
    h, r, m, at = f["healing"], f["rule"], f["mttr"], f["mttr_at"]
    return "%-16s %3d | %5d %6s %5s %5s | %5d %6s %5s %5s | %5d %5d %5d | %4d %6s %6s %6s | %4d %6s" % (
        name, f["episodes"], h["detected"], cell(h["delay_p50_s"]), cell(h["ac1"]), cell(h["ac3"]),
        r["detected"], cell(r["delay_p50_s"]), cell(r["ac1"]), cell(r["ac3"]), f["false"], f["actions"], f["wrong"],
        m["n"], times(m, "p50_s"), times(m, "p95_s"), times(m, "max_s"), at["n"], times(at, "p95_s"))


def text(figures_of):
    f = figures_of["all"]
    if f["episodes"] == 0:
        return "no episodes"
    rows = [TOP, HEAD] + [line(k, v) for k, v in figures_of["kinds"].items()] + [line("all", f)]
    rows += ["", "%d episodes on %d topologies, %.2f node-hours; false alarms per node-hour: healing %s, rule %s" % (
        f["episodes"], f["topologies"], f["node_hours"], cell(f["false_per_node_hour"]),
        cell(f["rule_false_per_node_hour"])),
        "%s %% of the time is not judged: this machine stood still" % cell(100 * f["stalled"], 1)]
    return "\n".join(rows)
