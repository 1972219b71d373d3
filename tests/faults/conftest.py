"""What all trials of faults share: that each is counted, and the table of them at the end."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.injection import Fault
from tests.faults.trials import Operation, Trial, bad, try_all

if TYPE_CHECKING:
    from tests.faults.object_store import Proxy, Store

_TRIALS = "trials of faults"


@pytest.fixture
def servers(running_servers: "tuple[Store, Proxy]") -> "tuple[Store, Proxy]":
    """An S3 server whose bucket is empty, and a proxy before it."""
    store, proxy = running_servers
    store.objects = {}
    proxy.arm()
    return store, proxy


@pytest.fixture
def tried(request: pytest.FixtureRequest) -> Callable[[list[Trial]], None]:
    """Count trials for the table, and fail the test for any in which something was wrong."""

    def count(trials: list[Trial]) -> None:
        counts = Counter((trial.operation, str(trial.fault), trial.outcome) for trial in trials)
        request.node.user_properties.append((_TRIALS, [[*which, number] for which, number in counts.items()]))
        wrong = list(bad(trials))
        assert not wrong, "\n".join(wrong[:20])
        assert trials

    return count


@pytest.fixture
def survives(tmp_path: Path, tried: Callable[[list[Trial]], None]) -> Callable[..., list[Trial]]:
    """Assert that an operation survives a fault at each of its steps, or at one of `every` so many."""

    def survive(operation: Operation, fault: Fault, every: int = 1) -> list[Trial]:
        trials = try_all(operation, fault, tmp_path, every)
        tried(trials)
        return trials

    return survive


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how often which fault was injected, and what readers found then."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") != "call":
                continue
            for name, rows in getattr(report, "user_properties", ()):
                if name == _TRIALS:
                    counts.update({(operation, fault, outcome): number for operation, fault, outcome, number in rows})
    if not counts:
        return
    terminalreporter.section("injected faults")
    line = "{:<44} {:<18} {:>10} {:>8} {:>8} {:>8}".format
    terminalreporter.line(line("operation", "fault", "injections", "all-old", "all-new", "damaged"))
    outcomes = ("all-old", "all-new", "damaged")
    for operation, fault in dict.fromkeys((operation, fault) for operation, fault, _ in counts):
        found = [counts[operation, fault, outcome] for outcome in outcomes]
        terminalreporter.line(line(operation, fault, sum(found), *found))
    totals = [sum(number for (*_, kind), number in counts.items() if kind == outcome) for outcome in outcomes]
    terminalreporter.line(line("in all", "", sum(totals), *totals))
