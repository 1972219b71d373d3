"""`kpi mcp`: a real client session over standard input and output, on the published demo company."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import duckdb
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.types import CallToolResult, TextContent, Tool

from pipelines.answers.mcp_server import server_of
from tests.conftest import PROJECT_DIR, Installation

SECRET = "the canary sings"  # in a file and in an environment variable; no answer may contain it
# What each tool needs, for a question that has an answer.
NEEDED: dict[str, dict[str, Any]] = {name: {"kpi": "revenue"} for name in ("show", "explain", "why")}
# Each error names what is possible.
NAMES_WHAT_IS_POSSIBLE = (
    "Published: ", "Published by ", "Write a week like", "like 2025-06 or 2025-Q3", "Checked tables: ",
    "Input should be ", "should have at most",
)  # fmt: skip


@asynccontextmanager
async def session(installation: Installation, **environment: str) -> AsyncIterator[Client]:
    """A session with a server process of its own."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "pipelines", "mcp"],
        env={**installation.variables(), **environment},
        cwd=PROJECT_DIR,
    )
    async with Client(stdio_client(server)) as client:
        yield client


def in_session(installation: Installation, talk: Callable[[Client], Awaitable[Any]], **environment: str) -> Any:
    """What `talk` returns for a client in a session."""

    async def run() -> Any:
        async with session(installation, **environment) as client:
            return await talk(client)

    return anyio.run(run)


def said(result: CallToolResult) -> str:
    """Everything that a client receives."""
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    return "\n".join([*texts, json.dumps(result.structured_content, ensure_ascii=False)])


def answered(result: CallToolResult) -> dict[str, Any]:
    """An answer, which says from which publication it is."""
    assert not result.is_error, said(result)
    answer = result.structured_content
    assert answer is not None
    assert answer["publication_id"]
    assert answer["as_of_date"] == "2026-01-09"
    return answer


async def with_what_is_needed(client: Client) -> dict[str, CallToolResult]:
    return {
        tool.name: await client.call_tool(tool.name, NEEDED.get(tool.name, {}))
        for tool in (await client.list_tools()).tools
    }


def test_every_tool_only_reads_and_answers_with_status_n_and_as_of_date(demo: Installation) -> None:
    tools: list[Tool] = []

    async def talk(client: Client) -> dict[str, CallToolResult]:
        tools.extend((await client.list_tools()).tools)
        return await with_what_is_needed(client)

    results = in_session(demo, talk)
    assert results.keys() == {"list_kpis", "show", "explain", "why", "tree", "checks", "freshness"}
    for tool in tools:
        assert tool.description
        assert tool.annotations
        assert tool.annotations.read_only_hint
        answer = answered(results[tool.name])
        for value in [
            answer,
            *answer.get("rows", []),
            *answer.get("lines", []),
            *(kpi["newest"] for kpi in answer.get("kpis", [])),
        ]:
            assert {"status", "n"} <= value.keys() or {"rows", "kpis", "lines"} & value.keys()


@pytest.mark.nightly
def test_answers_equal_the_scorecard(demo: Installation) -> None:
    async def talk(client: Client) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
        found = {}
        for kpi in answered(await client.call_tool("list_kpis", {}))["kpis"]:
            for number, variant in enumerate(kpi["variants"]):
                for by in variant["by"] if number == 0 else variant["by"][:1]:  # every variant, and every cut of a KPI
                    question = {"kpi": kpi["kpi"], "variant": variant["variant"], "by": by, "last": 2}
                    answer = answered(await client.call_tool("show", {**question, "grain": variant["grains"][0]}))
                    found[kpi["kpi"], variant["variant"], by] = answer["rows"]
        return found

    found = in_session(demo, talk)
    assert len({variant for _, variant, _ in found}) > 40
    assert {by for _, _, by in found} >= {"company", "team", "rep", "channel", "segment", "region"}
    with demo.published() as connection:
        published = {
            row[:5]: row[5:]
            for row in connection.execute(
                "select kpi_id, variant, entity_type, entity_id, period_label, value::double, sample_size, status "
                "from marts.kpi_scorecard inner join marts.dim_period using (grain, period_start)"
            ).fetchall()
        }
    for (kpi, variant, by), rows in found.items():
        assert rows
        for row in rows:
            expected = published[kpi, variant, by, row["entity_id"], row["period"]]
            assert (row["value"], row["n"], row["status"]) == expected


def test_an_explanation_is_made_of_delivered_rows_that_add_up_to_the_published_value(demo: Installation) -> None:
    async def talk(client: Client) -> CallToolResult:
        return await client.call_tool("explain", {"kpi": "revenue", "period": "2025-12", "by": "channel=web"})

    answer = answered(in_session(demo, talk))
    assert (answer["kpi"], answer["variant"], answer["period"], answer["entity_id"]) == (
        *("revenue", "net", "2025-12", "web"),
    )
    assert answer["recomputed"]["value"] == pytest.approx(answer["value"])
    rows = [row for part in answer["parts"] for term in part["terms"] for row in term["first_rows"]]
    assert rows
    assert all((demo.data_dir / "landing" / row["source_file"]).exists() for row in rows)
    assert answer["files"]


def attempts(canary: Path) -> list[str]:
    """Texts that would read the canary if any of them were executed, opened or expanded."""
    read = f"select content from read_text('{canary}')"
    return [
        read,
        f"' union all {read} --",
        f"revenue' or exists ({read}) --",
        "revenue'; select getenv('CANARY'); --",
        f"company' and (select getenv('CANARY')) is not null; attach '{canary}' as x; --",
        f"month') union all ({read}",
        str(canary),
        f"file://{canary}",
        "$CANARY",
        "${CANARY}",
        "{{ env_var('CANARY') }}",
        "%(CANARY)s",
        "\x00\u202e\x1b[2J",
        "x" * 100_000,
    ]


def string_arguments(tool: Tool) -> list[str]:
    """The arguments of a tool that accept any text."""

    def accepts_text(schema: dict[str, Any]) -> bool:
        return any("enum" not in kind and kind.get("type") == "string" for kind in schema.get("anyOf", [schema]))

    return [name for name, schema in tool.input_schema["properties"].items() if accepts_text(schema)]


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.nightly)])
def test_nothing_but_the_published_answers_can_be_read(demo: Installation, tmp_path: Path, every: int) -> None:
    """By day each argument is tried with one of `every` so many texts, each time with others."""
    canary = tmp_path / "canary.txt"
    canary.write_text(SECRET)
    assert duckdb.sql(attempts(canary)[0]).fetchall() == [(SECRET,)]  # where nothing forbids it

    async def talk(client: Client) -> list[tuple[str, str, CallToolResult]]:
        arguments = [(tool.name, name) for tool in (await client.list_tools()).tools for name in string_arguments(tool)]
        return [
            (tool, name, await client.call_tool(tool, {**NEEDED.get(tool, {}), name: attempt}))
            for place, (tool, name) in enumerate(arguments)
            for attempt in attempts(canary)[place % every :: every]
        ]

    tried = in_session(demo, talk, CANARY=SECRET)
    assert {(tool, argument) for tool, argument, _ in tried} == {
        *(("show", argument) for argument in ("kpi", "by", "period", "since", "variant")),
        *(("explain", argument) for argument in ("kpi", "by", "period", "variant")),
        *(("why", argument) for argument in ("kpi", "period", "against", "by", "variant")),
        ("tree", "period"),
        ("checks", "table"),
    }
    for tool, argument, result in tried:
        assert result.is_error, (tool, argument, said(result)[:500])
        assert SECRET not in said(result)
        assert any(words in said(result) for words in NAMES_WHAT_IS_POSSIBLE), (tool, argument, said(result)[:500])


def test_other_kinds_of_requests_find_nothing(demo: Installation, tmp_path: Path) -> None:
    canary = tmp_path / "canary.txt"
    canary.write_text(SECRET)

    async def talk(client: Client) -> list[Any]:
        assert (await client.list_resources()).resources == []
        assert (await client.list_prompts()).prompts == []
        with pytest.raises(Exception, match=r"not found|[Uu]nknown resource"):
            await client.read_resource(canary.as_uri())
        return [
            await client.call_tool("sql", {"query": "select 1"}),
            await client.call_tool("show", {"kpi": "revenue", "sql": "select 1"}),
            await client.call_tool("show", {"kpi": ["revenue"]}),
            await client.call_tool("show", {}),
            await client.call_tool("list_kpis", {"published_dir": str(tmp_path)}),
        ]

    results = in_session(demo, talk, CANARY=SECRET)
    assert all(result.is_error for result in results)
    assert said(results[1]).startswith("'sql' is not an argument of show. Its arguments are: kpi, by, grain, period, ")
    assert said(results[2]).startswith("kpi: Input should be a valid string.")
    assert said(results[3]).startswith("kpi: missing. Add it.")
    assert said(results[4]).startswith("'published_dir' is not an argument of list_kpis. It takes none.")


def test_each_question_reads_the_publication_that_is_current_then(demo: Installation, tmp_path: Path) -> None:
    publications = {name: tmp_path / name for name in ("first", "second")}
    for name, folder in publications.items():
        folder.mkdir()
        shutil.copyfile(demo.data_dir / "published" / "kpi.duckdb", folder / "kpi.duckdb")
        with duckdb.connect(str(folder / "kpi.duckdb")) as connection:
            connection.execute(f"update meta.publication set publication_id = '{name}'")
    link = tmp_path / "published"
    link.symlink_to(publications["first"])

    async def talk() -> list[str]:
        async with Client(server_of(link)) as client:
            before = answered(await client.call_tool("freshness", {}))
            link.unlink()
            link.symlink_to(publications["second"])
            after = answered(await client.call_tool("freshness", {}))
            return [before["publication_id"], after["publication_id"]]

    assert anyio.run(talk) == ["first", "second"]


def test_before_the_first_publication_every_tool_says_what_to_do(tmp_path: Path) -> None:
    async def talk() -> dict[str, CallToolResult]:
        async with Client(server_of(tmp_path / "published")) as client:
            return await with_what_is_needed(client)

    results = anyio.run(talk)
    assert results
    for result in results.values():
        assert result.is_error
        assert said(result).startswith("Nothing is published that can be read. Run `kpi run`, then ask again.")
        assert str(tmp_path) not in said(result)


def test_an_answer_is_short_unless_more_is_asked_for(demo: Installation) -> None:
    async def talk(client: Client) -> list[CallToolResult]:
        return [
            await client.call_tool("show", {"kpi": "revenue", **more})
            for more in ({}, {"by": "team"}, {"last": 20}, {"by": "rep", "grain": "week", "last": 1000}, {"last": 0})
        ]

    *short, too_long, nothing = in_session(demo, talk)
    periods = [len({row["period"] for row in answered(result)["rows"]}) for result in short]
    assert periods == [12, 3, 20]
    assert "an answer has at most 500. Ask for fewer periods" in said(too_long)
    assert said(nothing).startswith("last: Input should be greater than or equal to 1.")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_while_it_waits_for_a_question(tmp_path: Path, number: signal.Signals) -> None:
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
    }
    with subprocess.Popen(
        [sys.executable, "-m", "pipelines", "mcp"],
        cwd=PROJECT_DIR,
        env=Installation(tmp_path).variables(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin
        assert server.stdout
        server.stdin.write(f"{json.dumps(hello)}\n")
        server.stdin.flush()
        assert json.loads(server.stdout.readline())["result"]["serverInfo"]["name"] == "kpi"
        server.send_signal(number)
        try:
            assert server.wait(timeout=60) == 130  # if the signal is ignored, the server never ends
        finally:
            server.kill()


def test_why_and_the_tree_have_the_values_of_the_scorecard(demo: Installation) -> None:
    async def talk(client: Client) -> list[dict[str, Any]]:
        period = {"period": "2025-12"}
        return [
            answered(await client.call_tool("show", {"kpi": "revenue", "last": 1000, **period})),
            answered(await client.call_tool("why", {"kpi": "revenue", **period})),
            answered(await client.call_tool("tree", period)),
        ]

    shown, why, tree = in_session(demo, talk)
    [row] = shown["rows"]
    assert (why["value"], why["status"], why["n"]) == (row["value"], row["status"], row["n"])
    assert (why["before"], why["change"]) == pytest.approx((row["prior_value"], row["delta"]))
    assert sum(one["contribution"] for one in why["factors"]) == pytest.approx(why["change"])
    lines = [line for line in tree["lines"] if (line["kpi"], line["variant"]) == ("revenue", "net")]
    assert lines
    for line in lines:
        assert (line["value"], line["before"]) == pytest.approx((row["value"], row["prior_value"]))
        assert (line["status"], line["n"]) == (row["status"], row["n"])
