"""Makes dbt keep what it makes of a text for as long as the process lives: most texts are the same in all projects.

Without this, dbt reads its own macros again for each project, and compiles a model from Jinja to Python when it parses
it and whenever it builds it. What it says at level `debug`, a tenth of a small build, is not composed.
"""

from types import CodeType
from typing import Any

from dbt_common.clients.jinja import MacroFuzzEnvironment
from dbt_common.events.base_types import BaseEvent, DebugLevel
from dbt_common.tests import enable_test_caching

_COMPILED: dict[tuple[type, str], CodeType] = {}
_compile = MacroFuzzEnvironment.compile
_compose = BaseEvent.__init__


def enable() -> None:
    """Enable dbt's own caches for tests, and one for compiled texts, which dbt lacks."""
    enable_test_caching()
    MacroFuzzEnvironment.compile = _compile_or_recall
    BaseEvent.__init__ = _compose_or_leave


def _compile_or_recall(self: MacroFuzzEnvironment, source: str) -> Any:
    """Jinja's `compile` as dbt calls it. What comes of a text depends on the class of the environment alone."""
    key = type(self), source
    if key not in _COMPILED:
        _COMPILED[key] = _compile(self, source)
    return _COMPILED[key]


def _compose_or_leave(self: BaseEvent, *args: Any, **kwargs: Any) -> None:
    """Make an event; what is for debugging only has no content."""
    _compose(self, *args, **({} if isinstance(self, DebugLevel) else kwargs))
