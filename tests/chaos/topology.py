# SPDX-License-Identifier: Apache-2.0
"""The shape of a mesh: small generated graphs, and parts of published ones. The same seed, the same graph.

A graph is a list of names and a sorted list of pairs of them. It has as many nodes as asked for, hangs
together, and no node has more than LINKS_MAX links, so that twenty daemons fit on two processors."""
import json

NODES_MIN = 5
NODES_MAX = 20
LINKS_MAX = 6
NODE_LINES_MAX = 20000  # of a published graph; more is no graph for this bench
GENERATED = ("ring", "grid", "ladder", "tree", "random")


def neighbours(links):
    out = {}
    for a, b in links:
        out.setdefault(a, set()).add(b)
        out.setdefault(b, set()).add(a)
    return out


def distances(links, begin, without=()):
    """Hops from one node to all that it reaches, when some nodes or links are not there."""
    around = neighbours([e for e in links if e not in without])
    found, at = {begin: 0}, [begin]
    while at:
        ahead = []
        for a in at:
            for b in sorted(around.get(a, ())):
                if b not in found and b not in without:
                    found[b] = found[a] + 1
                    ahead.append(b)
        at = ahead
    return found


def on_shortest(links, a, b):
    """The links that are on some shortest path between two nodes."""
    of_a, of_b = distances(links, a), distances(links, b)
    return [(u, v) for u, v in links
            if min(of_a[u] + 1 + of_b[v], of_a[v] + 1 + of_b[u]) == of_a[b]]


def edge(a, b):
    return (a, b) if a < b else (b, a)


def limit(links, order):
    """Takes links away where a node has too many, those first without which all still hangs together."""
    links = sorted(links)
    for e in order.sample(links, len(links)):
        around = neighbours(links)
        if max(len(around[e[0]]), len(around[e[1]])) <= LINKS_MAX:
            continue
        rest = [x for x in links if x != e]
        if e[1] in distances(rest, e[0]):
            links = rest
    return links


def shape(kind, n, rng):
    if kind == "ring":  # with two chords
        links = {edge(i, (i + 1) % n) for i in range(n)}
        links |= {edge(0, n // 2), edge(n // 4, (3 * n) // 4)}
    elif kind == "grid":
        wide = 4 if n >= 12 else 3
        links = {edge(i, i + 1) for i in range(n - 1) if (i + 1) % wide}
        links |= {edge(i, i + wide) for i in range(n - wide)}
    elif kind == "ladder":
        links = {edge(i, i + 2) for i in range(n - 2)} | {edge(i, i + 1) for i in range(0, n - 1, 2)}
    elif kind == "tree":  # with every leaf tied to another branch
        links = {edge(i, (i - 1) // 3) for i in range(1, n)}
        links |= {edge(i, (i * 5 + 2) % n) for i in range(n // 3, n) if (i * 5 + 2) % n != i}
    else:
        links = {edge(i, rng.randrange(i)) for i in range(1, n)}
        while len(links) < n * 3 // 2:
            links.add(edge(*rng.sample(range(n), 2)))
    return links


def read(path):
    """The links of a published graph, as the node/link JSON of meshnet-lab has them."""
    with open(path) as f:
        data = json.load(f)
    links = {edge(str(x["source"]), str(x["target"])) for x in data["links"]}
    if len(data["nodes"]) > NODE_LINES_MAX:
        raise ValueError("%s: more than %d nodes" % (path, NODE_LINES_MAX))
    return {e for e in links if e[0] != e[1]}


def cut_down(links, n, rng):
    """What is around one of its nodes, ends of single lines left out where there are others."""
    around = neighbours(links)
    core = {a for a in around if len(around[a]) > 1}
    begin = rng.choice(sorted(core or around))
    taken, at = {begin}, [begin]
    for only in (core, set(around)):
        while at and len(taken) < n:
            a = at.pop(0)
            for b in sorted(around[a] & only - taken, key=lambda x: (-len(around[x]), x)):
                if len(taken) < n:
                    taken.add(b)
                    at.append(b)
        at = sorted(taken)
    if len(taken) < n:
        raise ValueError("it has no part of %d nodes around %s" % (n, begin))
    return {e for e in links if e[0] in taken and e[1] in taken}


def make(name, n, rng):
    """name: one of GENERATED, or the path of a published graph. Returns (names, links)."""
    if not NODES_MIN <= n <= NODES_MAX:
        raise ValueError("%d nodes; allowed: %d to %d" % (n, NODES_MIN, NODES_MAX))
    raw = shape(name, n, rng) if name in GENERATED else cut_down(read(name), n, rng)
    ids = sorted({a for e in raw for a in e}, key=lambda a: (len(str(a)), str(a)))
    called = {a: "n%d" % i for i, a in enumerate(ids)}
    links = limit([edge(called[a], called[b]) for a, b in raw], rng)
    return [called[a] for a in ids], links


def is_repairable(links, pair, nodes=(), cut=()):
    """Whether two nodes still reach each other without these."""
    return pair[1] in distances(links, pair[0], without=set(nodes) | set(cut))
