"""What dbt says while it runs in this process."""

import pytest
from dbt_common.events.base_types import EventMsg
from dbt_common.events.event_manager_client import get_event_manager
from dbt_common.events.functions import fire_event
from dbt_common.events.types import Note, SystemExecutingCmd

from pipelines.transform.dbt_runner import _without_debug_events


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["build", "--log-level-file", "info"], ["Note"]),
        (["build", "--log-level-file", "none"], ["Note"]),
        (["parse"], ["SystemExecutingCmd", "Note"]),  # its log file has the level `debug`
    ],
)
def test_what_only_a_debug_log_shows_is_dropped_unless_there_is_one(arguments: list[str], expected: list[str]) -> None:
    heard: list[str] = []

    def listen(event: EventMsg) -> None:
        heard.append(event.info.name)

    before = get_event_manager()
    with _without_debug_events(arguments):
        get_event_manager().callbacks.append(listen)
        fire_event(SystemExecutingCmd(cmd=["of level debug"]))
        fire_event(Note(msg="of level info"))
        get_event_manager().callbacks.remove(listen)
    assert heard == expected
    assert get_event_manager() is before
