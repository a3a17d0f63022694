#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether what is in deploy/monitoring/ fits the daemon: every metric that an alert or a dashboard
names is one that the daemon exports, every value that it asks of a label with fixed values is one that
there is, every alert has a test that it fires and one that it stays
silent, and every expression parses (by promtool, where it is installed). With an exposition, that
docs/api.md has each metric in it.

Arguments: the root of the sources, and an exposition that a daemon gave, if there is one; else the
names are those in src/api/metrics.c and metrics_ebpf.c. --expressions prints the expressions of the dashboards as rules,
for promtool."""

import json
import pathlib
import re
import sys

# Of Prometheus itself.
OWN = {"up", "ALERTS"}
SUFFIXES = ("_bucket", "_sum", "_count")
WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
# Words of PromQL that are followed by labels in parentheses.
WITH_LABELS = ("by", "on", "without", "ignoring", "group_left", "group_right")
WORDS = set(WITH_LABELS) | {"and", "or", "unless", "bool", "offset", "vector", "time"}


def names_of(expression):
    """The metrics that an expression names: words that are neither functions, labels nor texts."""
    text = re.sub(r'"(\\.|[^"\\])*"', '""', expression)
    text = re.sub(r"\{[^}]*\}", "", text)  # matchers
    text = re.sub(r"\[[^\]]*\]", "", text)  # ranges
    text = re.sub(r"\b(%s)\s*\([^)]*\)" % "|".join(WITH_LABELS), "", text)
    found = set()
    for word in WORD.finditer(text):
        after = text[word.end():].lstrip()
        before = text[: word.start()]
        if word.group() in WORDS or after.startswith("(") or re.search(r"[0-9.]$", before):
            continue
        found.add(word.group())
    return found


def exported_by_source(root):
    text = "".join((root / "src/api" / name).read_text() for name in ("metrics.c", "metrics_ebpf.c"))
    return set(re.findall(r'"([a-z][a-z0-9]*(?:_[a-z0-9]+)+)"', text))


def conditional(root):
    """Exported only where the kernel allows eBPF."""
    return set(re.findall(r'"(ebpf_[a-z_]+)",', (root / "src/api/metrics_ebpf.c").read_text()))


def values_by_source(root):
    """What the labels with fixed values may have: {(metric, label): values}, of the table of counters and
    the classes of links."""
    text = (root / "src/api/metrics.c").read_text()
    found = {}
    for metric, label, value in re.findall(r'\{ "(\w+)",\s*"(\w+)",\s*"(\w+)",\s*"', text):
        found.setdefault((metric, label), set()).add(value)
    classes = re.search(r"link_class_name[^}]*names\[\] = \{([^}]*)\}", (root / "src/core/link/link.c").read_text())
    found["mesh_link_class", "class"] = set(re.findall(r'"(\w+)"', classes.group(1)))
    return found


def wrong_values(expression, values):
    """What is asked of a label and is never there, each alternative of =~ by itself."""
    for metric, matchers in re.findall(r"(\w+)\{([^}]*)\}", expression):
        for label, how, asked in re.findall(r'(\w+)\s*(=~?)\s*"([^"]*)"', matchers):
            there = values.get((metric, label))
            for one in (asked.split("|") if how == "=~" else [asked]) if there else []:
                if not any(re.fullmatch(one if how == "=~" else re.escape(one), value) for value in there):
                    yield f'{metric}{{{label}="{one}"}}'


def exported_by_scrape(path):
    return set(re.findall(r"^# TYPE (\S+) ", pathlib.Path(path).read_text(), re.M))


def documented(root):
    """What stands between backticks in tables of the API's page."""
    rows = [line for line in (root / "docs/api.md").read_text().splitlines() if line.startswith("| `")]
    return set(re.findall(r"`([a-z_]+)`", "\n".join(rows)))


def rules_of(root):
    """[(alert, expression)], read without a YAML library: one key a line, or folded lines."""
    rules, alert, folded = [], None, None
    for line in (root / "deploy/monitoring/x0.rules.yml").read_text().splitlines():
        key = re.match(r"\s*(?:- )?(\w+):\s*(.*)$", line)
        if folded is not None and (not key or line.startswith(" " * 10)):
            folded.append(line.strip())
            continue
        if folded is not None:
            rules.append((alert, " ".join(folded)))
            folded = None
        if not key:
            continue
        if key.group(1) == "alert":
            alert = key.group(2)
        elif key.group(1) == "expr" and key.group(2).startswith(">"):
            folded = []
        elif key.group(1) == "expr":
            rules.append((alert, key.group(2)))
    return rules


def walk(value, where):
    """Every expression in a dashboard: of panels, annotations and variables."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("expr", "definition") and isinstance(inner, str):
                yield where, inner
            else:
                yield from walk(inner, value.get("title") or value.get("name") or where)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner, where)


def dashboards_of(root):
    found = []
    for path in sorted((root / "deploy/monitoring/grafana").glob("*.json")):
        dashboard = json.loads(path.read_text())
        for where, expression in walk(dashboard, path.name):
            values = re.match(r"label_values\((.*),\s*\w+\)$", expression)
            text = values.group(1) if values else expression
            for variable, stands_for in (("$__rate_interval", "5m"), ("$job", "x0"), ("$instance", ".*")):
                text = text.replace(variable, stands_for)
            found.append((f"{path.name}: {where}", text))
        ids = [p["id"] for p in dashboard["panels"]]
        if len(set(ids)) != len(ids):
            sys.exit(f"{path.name}: two panels have one id")
    return found


def check_tests(root, alerts):
    """Each alert is said to fire at least once, and to stay silent at least once."""
    problems = []
    lines = (root / "deploy/monitoring/x0.rules.test.yml").read_text().splitlines()
    for alert in alerts:
        mine = [line for line in lines if f'alertname="{alert}"' in line]
        if not any("value: 1" in line and "firing" in line for line in mine):
            problems.append(f"no test says that {alert} fires")
        if not any("exp_samples: []" in line for line in mine):
            problems.append(f"no test says that {alert} stays silent")
    for name in set(re.findall(r'alertname="(\w+)"', "\n".join(lines))) - set(alerts):
        problems.append(f"a test is of {name}, which is no alert")
    return problems


def main():
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    root = pathlib.Path(arguments[0])
    rules, dashboards = rules_of(root), dashboards_of(root)

    if "--expressions" in sys.argv:
        print("groups:\n- name: dashboards\n  rules:")
        for i, (_, expression) in enumerate(dashboards):
            print(f"  - record: dashboard:{i}\n    expr: {json.dumps(expression)}")
        return
    exported = exported_by_scrape(arguments[1]) if len(arguments) > 1 else exported_by_source(root)
    unsaid = sorted((exported | conditional(root)) - documented(root)) if len(arguments) > 1 else []
    exported |= conditional(root)
    exported |= {name + suffix for name in exported for suffix in SUFFIXES} | OWN
    values = values_by_source(root)
    problems = [] if len(values) > 8 else ["the values of labels were not read"]
    problems += [] if len(rules) > 10 and len(dashboards) > 30 else ["rules or dashboards were not read"]
    problems += [f"docs/api.md does not have {name}" for name in unsaid]
    for where, expression in rules + dashboards:
        names = names_of(expression)
        if not names and expression != "ALERTS":
            problems.append(f"{where}: no metric in {expression}")
        problems += [f"{where}: {n} is not exported by the daemon" for n in sorted(names - exported)]
        problems += [f"{where}: there is no {one}" for one in wrong_values(expression, values)]
    problems += check_tests(root, [alert for alert, _ in rules])
    if problems:
        sys.exit("\n".join(problems))
    print(f"{len(rules)} alerts and {len(dashboards)} expressions of dashboards name metrics that are exported")


if __name__ == "__main__":
    main()
