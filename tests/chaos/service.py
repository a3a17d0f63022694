# SPDX-License-Identifier: Apache-2.0
"""When there was service and when not, from what the outside prober sent and got."""
import bisect

LATE_S = 0.05  # of a control: then the machine is judged, and not the mesh
LATE_BESIDES_S = 0.1  # around it
WINDOW_S = 1.0
LOST_SHARE = 0.02  # of a window's probes that may be missing while all is well, but one may always be
ONSET_S = 1.0  # what is lost so soon after the injection is its doing, be it two probes
LATER_SHARE = 0.10  # of a window's probes that must be missing later to be its doing
SLOW_BESIDES_S = 0.1  # an answer that takes so much longer than before the fault is none
QUIET_S = 2.0  # so long it has to be well to be well again


def probes(stream):
    """[(sent, took or None)] in seconds of the monotonic clock."""
    at, out = stream["begin"], []
    for i, took in enumerate(stream["took"]):
        if i > 0:
            at += stream["after"][i - 1] / 1e4
        out.append((at, None if took < 0 else took / 1e4))
    return out


def stalls(controls):
    """[(begin, end)], sorted: when ordinary processes of this machine did not run."""
    found = []
    for stream in controls:
        for at, took in probes(stream):
            if took is None or took > LATE_S:
                begin, end = at - LATE_BESIDES_S, at + (took or 1.0) + LATE_BESIDES_S
                found.append((begin, end))
    out = []
    for begin, end in sorted(found):
        if out and begin <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((begin, end))
    return out


def judged(of, stalls_of):
    """The probes that were sent while the machine ran."""
    begins = [b for b, _ in stalls_of]

    def is_stalled(at):
        i = bisect.bisect_right(begins, at) - 1
        return i >= 0 and at < stalls_of[i][1]
    return [(at, took) for at, took in of if not is_stalled(at)]


def usual_s(of, until):
    """The median of what was answered before; None where nothing was."""
    took = sorted(t for at, t in of if at < until and t is not None)
    return took[len(took) // 2] if took else None


def verdicts(of, injected):
    """[(sent, whether it was answered in time)]"""
    usual = usual_s(of, injected)
    if usual is None:
        return None
    return [(at, t is not None and t <= usual + SLOW_BESIDES_S) for at, t in of]


def lost_share(of, begin, end):
    of = [ok for at, ok in of if begin <= at < end]
    return 1 - sum(of) / len(of) if of else None


def count(times, begin, length_s):
    """Of sorted times, those within."""
    return bisect.bisect_left(times, begin + length_s) - bisect.bisect_left(times, begin)


def is_well(times, bad, at, length_s):
    """Whether of the probes sent in [at, at + length_s) no more than a few were lost."""
    return count(bad, at, length_s) <= max(1, count(times, at, length_s) * LOST_SHARE)


def onset(times, bad, injected, lifted):
    """The first lost probe that is the fault's doing; None: there is none."""
    for at in bad:
        least = 2 if at < injected + ONSET_S else max(3, count(times, at, WINDOW_S) * LATER_SHARE)
        if at + WINDOW_S <= lifted and count(bad, at, WINDOW_S) >= least:
            return at
    return None


def outage(of, injected, lifted):
    """What became of service after a fault: {"is_affected", "mttr_s", "lost", "lost_after"}.

    It is affected where two probes are lost at once after the injection, or later a tenth of those of a second. The time to repair is from the
    injection until the first probe answered in time with which a good QUIET_S begins; None where that does not
    come before the fault is lifted. What is lost after that is told too."""
    of = verdicts(of, injected)
    if of is None:
        return None
    of = [(at, ok) for at, ok in of if injected <= at < lifted]
    times = [at for at, _ in of]
    bad = [at for at, ok in of if not ok]
    lost = len(bad) / len(of) if of else 0
    first = onset(times, bad, injected, lifted)
    if first is None:
        return {"is_affected": False, "mttr_s": 0.0, "lost": lost, "lost_after": lost}
    for at, ok in of:
        if not ok or at < first or at + QUIET_S > lifted:
            continue
        if is_well(times, bad, at, WINDOW_S) and is_well(times, bad, at + WINDOW_S, QUIET_S - WINDOW_S):
            return {"is_affected": True, "mttr_s": at - injected, "lost": lost,
                    "lost_after": lost_share(of, at, lifted)}
    return {"is_affected": True, "mttr_s": None, "lost": lost, "lost_after": None}


def worst(outages):
    """Of several streams of one pair: affected if one is, repaired when the last is."""
    outages = [o for o in outages if o]
    if not outages:
        return None
    mttr = [o["mttr_s"] for o in outages]
    return {"is_affected": any(o["is_affected"] for o in outages),
            "mttr_s": None if None in mttr else max(mttr),
            "lost": max(o["lost"] for o in outages),
            "lost_after": max((o["lost_after"] for o in outages if o["lost_after"] is not None), default=None)}
