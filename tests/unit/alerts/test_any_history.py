"""Whatever happens in whatever order, people receive neither too many nor too few notices."""

import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pipelines.alerts.incidents import RANK
from pipelines.checks.suites import Severity
from tests.unit.alerts.conftest import World, finding

CHECKS = ("a", "b")
LOUD = ("new", "worse", "reminder", "flapping", "mute_over")


class History(RuleBasedStateMachine):
    """Two checks of one asset fail, pass, are acknowledged and muted, and time passes."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.failing: dict[str, Severity] = {}
        self.muted_until = dict.fromkeys(CHECKS, self.world.now)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    @rule(hours=st.sampled_from([1, 12, 23, 24, 72, 24 * 8]))
    def time_passes(self, hours: int) -> None:
        self.world.later(hours=hours)
        self.world.tick()

    @rule(
        states=st.fixed_dictionaries({c: st.sampled_from(["absent", "passed", "warning", "critical"]) for c in CHECKS}),
        retry=st.booleans(),
    )
    def report(self, states: dict[str, str], retry: bool) -> None:
        findings = []
        for check, state in states.items():
            if state == "passed":
                findings.append(finding(check=check, passed=True))
                self.failing.pop(check, None)
            elif state in ("warning", "critical"):
                findings.append(finding(check=check, severity=state))
                self.failing[check] = "critical" if state == "critical" else "warning"
        before = len(self.world.notices())
        self.world.report(*findings, attempt_of="an earlier run" if retry else None)
        new = self.world.notices()[before:]
        assert len({notice["kind"] for notice in new}) == len(new), "more than one message of a kind"
        told = {part["check"] for notice in new for part in notice["incidents"]}
        assert not {check for check in told if self.muted_until[check] > self.world.now}, "told although muted"
        self.world.later(minutes=1)

    @rule(check=st.sampled_from(CHECKS))
    def somebody_acknowledges(self, check: str) -> None:
        chosen = [
            one for one in self.world.incidents() if one.check == check and one.state not in ("resolved", "muted")
        ]
        self.world.service.acknowledge(chosen, "kim", "", self.world.now)

    @rule(check=st.sampled_from(CHECKS), hours=st.sampled_from([2, 48]))
    def somebody_mutes(self, check: str, hours: int) -> None:
        chosen = [one for one in self.world.incidents() if one.check == check and one.state != "resolved"]
        until = self.world.now + timedelta(hours=hours)
        self.world.service.mute(chosen, until, "kim", "known", self.world.now)
        if chosen:
            self.muted_until[check] = until

    @invariant()
    def what_fails_is_on_record(self) -> None:
        if hasattr(self, "world"):
            open_ones = {one.check: one.severity for one in self.world.incidents() if one.state != "resolved"}
            assert open_ones == self.failing

    @invariant()
    def people_hear_neither_too_much_nor_too_little(self) -> None:
        if not hasattr(self, "world"):
            return
        threads: dict[str, list[tuple[str, str, str]]] = {}
        for notice in self.world.notices():
            for part in notice["incidents"]:
                threads.setdefault(part["thread"], []).append((part["because"], part["severity"], notice["at"]))
        for told in threads.values():
            reasons = [because for because, _, _ in told]
            assert reasons[0] in LOUD
            assert reasons[0] != "reminder"
            assert reasons.count("resolved") <= 1
            assert "resolved" not in reasons[:-1], "something was told of what had ended"
            assert reasons.count("new") + reasons.count("flapping") <= 1
            worse = [RANK[severity] for because, severity, _ in told if because in ("new", "flapping", "worse")]  # type: ignore[index]
            assert worse == sorted(set(worse))
        # Every incident must be notified, muted, or part of something that flaps.
        for one in self.world.incidents():
            if one.state == "open":
                raise AssertionError(f"{one.check} fails and nobody was told")


History.TestCase.settings = settings(max_examples=8, stateful_step_count=25)
test_any_history = History.TestCase
