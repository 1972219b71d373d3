"""Secrets and control characters in texts."""

import pytest

from pipelines.alerts.masking import Secrets, masked, one_line, sanitize

URL = "https://user%40x:p%2Fss-word@hooks.example.org/services/T0001/TOKEN123token?key=abcd%20efgh&api=1"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"could not reach {URL}", "could not reach ***"),
        ("POST /services/T0001/TOKEN123token?x", "POST ***?x"),
        ("TOKEN123token", "***"),
        ("login user@x with p/ss-word or p%2Fss-word", "login *** with *** or ***"),
        ("key abcd efgh, abcd%20efgh", "key ***, ***"),
        (
            "the host hooks.example.org and the word services stay",
            "the host hooks.example.org and the word services stay",
        ),
        ("unknown ones: mysql://root:toor@db/x", "unknown ones: mysql://***@db/x"),
        ("nothing of it", "nothing of it"),
    ],
)
def test_every_form_of_a_secret_is_masked(text: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", URL)
    assert masked(text, Secrets.of_variables(["HOOK", "NOT_SET"])) == shown


def test_several_urls_in_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKS", "mailto://a:first-pw@x.org, slack://second-token/b")
    assert masked("first-pw second-token", Secrets.of_variables(["HOOKS"])) == "*** second-token"


def test_what_was_masked_shows_in_no_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", URL)
    assert "token" not in repr(Secrets.of_variables(["HOOK"]))


def test_a_text_becomes_one_printable_line() -> None:
    assert one_line("a\r\nBcc: b\t\x1b[31m\u2028c\u202e\x00\ud800") == "a Bcc: b \ufffd[31m c\ufffd\ufffd\ufffd"
    assert one_line("x" * 20, 10) == "x" * 9 + "…"
    assert sanitize(None, Secrets()) == "None"
