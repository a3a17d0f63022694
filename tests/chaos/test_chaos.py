# SPDX-License-Identifier: Apache-2.0
"""The parts of the fault bench that need no mesh. A test is named by the sentence it proves."""
import random
import unittest

import audit
import episode
import faults
import judge
import report
import service
import topology


def stream(n, lost=(), slow=(), every_s=0.01, begin=100.0):
    """Probes as the prober tells of them: 1 ms each, some of them lost, some slow."""
    return {"begin": begin, "after": [round(1e4 * every_s)] * (n - 1),
            "took": [-1 if i in lost else 5000 if i in slow else 10 for i in range(n)]}


def outage(lost=(), slow=(), injected=101.0, lifted=109.0, n=1000):
    return service.outage(service.probes(stream(n, lost, slow)), injected, lifted)


class Service(unittest.TestCase):
    def test_without_loss_nothing_is_affected(self):
        self.assertEqual(outage(), {"is_affected": False, "mttr_s": 0.0, "lost": 0.0, "lost_after": 0.0})

    def test_an_outage_ends_with_the_first_answer_of_a_good_stretch(self):
        o = outage(lost=range(100, 150))
        self.assertTrue(o["is_affected"])
        self.assertAlmostEqual(o["mttr_s"], 0.5, 2)
        self.assertEqual(o["lost_after"], 0.0)

    def test_two_probes_lost_at_once_are_a_short_outage(self):
        self.assertAlmostEqual(outage(lost=(100, 101))["mttr_s"], 0.02, 2)

    def test_a_few_lost_later_are_not_the_faults_doing(self):
        self.assertFalse(outage(lost=(500, 501, 502))["is_affected"])
        self.assertTrue(outage(lost=range(500, 520))["is_affected"])

    def test_an_answer_that_is_too_slow_is_none(self):
        self.assertAlmostEqual(outage(slow=range(100, 200))["mttr_s"], 1.0, 2)

    def test_a_loss_that_lasts_is_never_repaired(self):
        o = outage(lost=range(100, 1000, 10))
        self.assertIsNone(o["mttr_s"])
        self.assertTrue(o["is_affected"])

    def test_an_outage_that_ends_with_the_fault_is_not_repaired(self):
        self.assertIsNone(outage(lost=range(100, 900))["mttr_s"])

    def test_nothing_answered_before_the_fault_measures_nothing(self):
        self.assertIsNone(outage(lost=range(0, 1000)))

    def test_while_the_machine_stands_still_nothing_is_judged(self):
        control = stream(1000)
        control["took"][300] = 9000  # 0.9 s late, from 103.0
        stalls = service.stalls([control])
        self.assertEqual(len(stalls), 1)
        of = service.judged(service.probes(stream(1000, lost=range(300, 390))), stalls)
        self.assertFalse(service.outage(of, 101.0, 109.0)["is_affected"])

    def test_a_pair_is_repaired_when_its_last_stream_is(self):
        self.assertEqual(service.worst([outage(lost=range(100, 150)), outage(), None])["mttr_s"],
                         outage(lost=range(100, 150))["mttr_s"])
        self.assertIsNone(service.worst([outage(lost=range(100, 900)), outage()])["mttr_s"])
        self.assertIsNone(service.worst([None]))


def incident(node="n1", kind="link_down", subject="n2", opened=10.0, causes=()):
    return {"id": "%s%s%s" % (node, kind, opened), "node": node, "kind": kind, "subject": subject, "about": None,
            "opened": "2026-01-01T00:00:%06.3fZ" % opened, "causes": [{"name": c} for c in causes]}


def node_said(peers=None, host=(0.1, 0.1, 0.1), doubted=0):
    return {"peers": peers or {}, "host": list(host), "counters": {"ways_doubted": doubted}}


def made(kind="link_cut", what="link", label=None, incidents=(), samples=(), entries=()):
    """An episode of 60 s, of which second 0 is 2026-01-01: injected at 9, lifted at 40."""
    zero = judge.unix("2026-01-01T00:00:00.000Z")
    return {
        "begin": 100.0, "begin_unix": zero, "ended": 160.0, "samples": list(samples), "incidents": list(incidents),
        "spec": {"topology": "ring", "seed": 1, "pairs": [("n0", "n3")]},
        "injector": {
            "nodes": ["n0", "n1", "n2", "n3"], "links": [["n1", "n2"], ["n0", "n1"]], "events": [], "mandates": {},
            "begin_unix": zero, "ended_unix": zero + 60,
            "fault": {"kind": kind, "what": what, "is_grey": False, "label": label or {"link": ["n1", "n2"]},
                      "injected": {"at": 109.0, "unix": zero + 9}, "lifted": {"at": 140.0, "unix": zero + 40},
                      "is_through": [True], "is_repairable": [True], "ways": [["n0", "n1", "n2", "n3"]]}},
        "ledgers": {"n1": {"entries": [{"entry": e} for e in entries], "is_intact": True, "findings": []}},
        "probes": {"pairs": [{"small": stream(6000, lost=range(900, 950))}], "controls": []},
    }


class Judge(unittest.TestCase):
    def test_an_incident_about_the_cut_link_is_a_detection_and_names_it(self):
        found = judge.judge(made(incidents=[incident(), incident(node="n2", subject="n1", opened=11.0)]))
        self.assertAlmostEqual(found["detected_s"], 1.0, 3)
        self.assertEqual((found["rank"], found["false"]), (1, []))
        self.assertAlmostEqual(found["outages"][0]["mttr_s"], 0.5, 2)
        self.assertEqual(found["outages"][0]["role"], "through")

    def test_an_incident_about_something_else_or_before_the_fault_is_a_false_alarm(self):
        found = judge.judge(made(incidents=[incident(subject="n0"), incident(opened=3.0)]))
        self.assertIsNone(found["detected_s"])
        self.assertEqual(len(found["false"]), 2)

    def test_the_second_cause_is_rank_two(self):
        i = incident(kind="delivery", causes=["node n2", "link n2 - n1"])
        self.assertEqual(judge.judge(made(incidents=[i]))["rank"], 2)

    def test_a_host_in_trouble_is_named_by_its_own_incident(self):
        e = made("cpu_hog", "host", {"node": "n1"}, [incident(kind="cpu", subject="n1")])
        self.assertEqual(judge.judge(e)["rank"], 1)
        e = made("cpu_hog", "host", {"node": "n1"}, [incident(node="n2", kind="cpu", subject="n2")])
        self.assertEqual(len(judge.judge(e)["false"]), 1)

    def test_an_action_about_an_innocent_node_or_without_a_fault_is_wrong(self):
        def intent(second, where):
            return {"kind": "intent", "what": "avoid", "where": where, "action": "7", "who": "x/node/n1",
                    "when": 1000 * (judge.unix("2026-01-01T00:00:00.000Z") + second)}
        self.assertEqual(judge.judge(made(entries=[intent(12, "n2")]))["wrong"], [])
        self.assertEqual(len(judge.judge(made(entries=[intent(12, "n0")]))["wrong"]), 1)
        self.assertEqual(len(judge.judge(made(entries=[intent(2, "n2")]))["wrong"]), 1)

    def test_the_simplest_rule_alarms_after_two_bad_samples_and_names_a_node_with_two_bad_links(self):
        bad = {"n1": node_said({"n2": ["up", 1, 60000]}), "n3": node_said({"n2": ["down", 1, 0]})}
        rows = [{"t": t, "nodes": bad if 10 <= t else {"n1": node_said(), "n3": None}} for t in range(20)]
        alarms = judge.rule_alarms(rows)
        self.assertEqual({t for t, _ in alarms}, {11})
        self.assertEqual(judge.rule_causes(alarms)[0], "node n2")
        found = judge.judge(made("silent_drop", "node", {"node": "n2"}, samples=rows))["rule"]
        self.assertEqual((found["rank"], found["n_false"]), (1, 0))
        self.assertAlmostEqual(found["detected_s"], 2.0, 3)

    def test_a_doubt_of_forwarding_during_the_fault_is_seen(self):
        rows = [{"t": t, "nodes": {"n1": node_said(doubted=t >= 12)}} for t in range(20)]
        self.assertEqual(judge.judge(made(samples=rows))["doubted_s"], 3)


class Report(unittest.TestCase):
    def test_percentiles_are_the_nearest_rank_and_never_is_the_longest(self):
        self.assertEqual(report.percentile([3, 1, 2, None], 50), 2)
        self.assertIsNone(report.percentile([3, 1, 2, None], 95))
        self.assertEqual(report.percentile(list(range(1, 101)), 95), 95)
        self.assertIsNone(report.percentile([], 95))

    def test_figures_are_of_each_kind_and_of_all(self):
        rows = [judge.judge(made(incidents=[incident()])), judge.judge(made()),
                judge.judge(made("carrier_loss", incidents=[incident(subject="n0")]))]
        f = report.figures(rows)
        self.assertEqual(sorted(f["kinds"]), ["carrier_loss", "link_cut"])
        cut = f["kinds"]["link_cut"]
        self.assertEqual((cut["episodes"], cut["healing"]["detected"], cut["healing"]["ac1"]), (2, 1, 0.5))
        self.assertEqual((cut["mttr"]["n"], cut["mttr"]["never"]), (2, 0))
        self.assertAlmostEqual(f["all"]["false_per_node_hour"], 1 / (3 * 4 * 60 / 3600))
        self.assertIn("carrier_loss", report.text(f))

    def test_what_was_never_repaired_is_said(self):
        e = made()
        e["probes"]["pairs"][0]["small"] = stream(6000, lost=range(900, 6000))
        f = report.figures([judge.judge(e)])
        self.assertEqual(f["kinds"]["link_cut"]["mttr"]["never"], 1)
        self.assertIn("never", report.text(f))

    def test_no_episodes_are_said_to_be_none(self):
        self.assertEqual(report.text(report.figures([])), "no episodes")


class Audit(unittest.TestCase):
    def look(self, *entries, mandates=None, fault=None):
        injector = made()["injector"]
        injector["mandates"] = {"n1": mandates} if mandates is not None else {}
        injector["fault"].update(fault or {})
        injector["nodes"] = ["n1"]
        return [f for f in audit.check(injector, {"n1": {
            "entries": [{"entry": e} for e in entries], "is_intact": True, "findings": []}}) if f["is_violation"]]

    def entry(self, kind, what="avoid", action="7", second=12, where="n2", who="spiffe://test.mesh/node/n1"):
        return {"kind": kind, "what": what, "action": action, "where": where, "who": who,
                "when": 1000 * (judge.unix("2026-01-01T00:00:00.000Z") + second)}

    def test_intent_then_result_within_the_mandate_is_right(self):
        self.assertEqual(self.look(self.entry("intent"), self.entry("result", second=13)), [])
        self.assertEqual(self.look({"kind": "notice", "what": "node admitted", "when": 1}), [])

    def test_a_result_without_intent_and_an_intent_without_result_are_found(self):
        self.assertEqual(len(self.look(self.entry("result"))), 1)
        self.assertEqual(len(self.look(self.entry("intent"))), 1)
        self.assertEqual(self.look(self.entry("intent", second=55)), [])  # it was under way at the end

    def test_an_intent_that_the_injector_cut_off_is_no_violation(self):
        cut = {"kind": "daemon_killed", "label": {"node": "n1"}}
        self.assertEqual(self.look(self.entry("intent"), fault=cut), [])
        self.assertEqual(len(self.look(self.entry("intent"), fault=dict(cut, label={"node": "n9"}))), 1)

    def test_what_no_mandate_allows_is_found(self):
        pair = self.entry("intent"), self.entry("result", second=13)
        self.assertEqual(len(self.look(*pair, mandates="# nothing\n")), 1)
        self.assertEqual(len(self.look(*pair, mandates="allow rehandshake\n")), 1)
        self.assertEqual(self.look(*pair, mandates="allow avoid rate 2\n"), [])

    def test_more_than_the_rate_is_found(self):
        of = [self.entry(k, action=str(n), second=10 + n) for n in range(3) for k in ("intent", "result")]
        self.assertEqual(self.look(*of), [])
        self.assertEqual(len(self.look(*of, mandates="allow avoid rate 2\n")), 1)

    def test_an_action_about_no_neighbour_or_in_another_name_is_found(self):
        self.assertEqual(len(self.look(self.entry("intent", where="n3"), self.entry("result"))), 1)
        self.assertEqual(len(self.look(self.entry("intent", who="x/node/n2"), self.entry("result"))), 1)

    def test_taking_back_needs_what_was_done_and_no_mandate(self):
        done = self.entry("intent"), self.entry("result")
        back = self.entry("intent", "avoid taken back", second=14), self.entry("result", "avoid taken back")
        self.assertEqual(self.look(*done, *back), [])
        self.assertEqual(len(self.look(*back)), 1)

    def test_a_ledger_that_cannot_be_read_or_is_not_intact_is_found(self):
        injector = dict(made()["injector"], nodes=["n1"])
        self.assertTrue(audit.check(injector, {})[0]["is_violation"])
        self.assertTrue(audit.check(injector, {"n1": {"entries": [], "is_intact": False, "findings": ["x"]}})[0]
                        ["is_violation"])


class Topology(unittest.TestCase):
    def test_the_same_seed_gives_the_same_graph_that_hangs_together(self):
        for name in topology.GENERATED:
            for n in range(topology.NODES_MIN, topology.NODES_MAX + 1, 3):
                names, links = topology.make(name, n, random.Random(n))
                self.assertEqual((names, links), topology.make(name, n, random.Random(n)))
                self.assertEqual(len(names), n, (name, n))
                self.assertEqual(len(topology.distances(links, "n0")), n, (name, n))
                if name != "random":  # where a node may have no link that could be spared
                    most = max(len(v) for v in topology.neighbours(links).values())
                    self.assertLessEqual(most, topology.LINKS_MAX, (name, n))

    def test_too_few_and_too_many_nodes_are_refused(self):
        for n in (4, 21):
            self.assertRaises(ValueError, topology.make, "ring", n, random.Random(1))

    def test_a_part_of_a_published_graph_hangs_together(self):
        links = {topology.edge(str(a), str(a + 1)) for a in range(40)} | {("0", "20"), ("10", "30")}
        cut = topology.cut_down(links, 12, random.Random(3))
        ids = {a for e in cut for a in e}
        self.assertEqual(len(ids), 12)
        self.assertEqual(len(topology.distances(cut, min(ids))), 12)

    def test_what_is_repairable_has_another_way(self):
        ring = [("n0", "n1"), ("n1", "n2"), ("n0", "n2")]
        self.assertTrue(topology.is_repairable(ring, ("n0", "n2"), cut=[("n0", "n2")]))
        self.assertFalse(topology.is_repairable(ring[:2], ("n0", "n2"), nodes=["n1"]))
        self.assertEqual(topology.on_shortest(ring, "n0", "n2"), [("n0", "n2")])


class Plan(unittest.TestCase):
    def test_the_same_arguments_give_the_same_plan_with_harmless_events(self):
        for kind in faults.KINDS:
            row = {"seed": 5, "kind": kind, "topology": "random", "nodes": 12, "seconds": 90}
            spec = episode.plan(row)
            self.assertEqual(spec, episode.plan(row))
            self.assertGreaterEqual(len(spec["events"]), 3)
            self.assertLess(spec["inject_at"], spec["lift_at"])
            self.assertEqual(bool(spec["emulated"]), faults.KINDS[kind].needs_emulated)

    def test_a_short_episode_takes_no_node_away(self):
        spec = episode.plan({"seed": 5, "kind": "link_cut", "topology": "ring", "nodes": 6, "seconds": 24})
        self.assertEqual([e for _, e in spec["events"]], ["rekey", "surge"])


if __name__ == "__main__":
    unittest.main()
