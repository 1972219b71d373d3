"""What tests ask the services of a host, from inside it: python -m tests.hosts.asking launch DAY | runs | answers PORT

`launch` has the UI start a run, as a person does. `runs` prints the status and host of all runs, the newest first.
`answers` fails unless something listens on a port.
"""

import json
import socket
import sys
import urllib.request

from pipelines.runs.history import DagsterHistory
from pipelines.settings import load_settings

_LAUNCH = """
mutation($run: ExecutionParams!) {
  launchRun(executionParams: $run) { __typename ... on LaunchRunSuccess { run { runId } } }
}
"""


def launch(day: str) -> None:
    of = {"repositoryLocationName": "pipelines.definitions", "repositoryName": "__repository__", "jobName": "daily"}
    tags = [{"key": "dagster/partition", "value": day}]
    run = {"selector": of, "executionMetadata": {"tags": tags}, "runConfigData": {}}
    body = json.dumps({"query": _LAUNCH, "variables": {"run": run}}).encode()
    request = urllib.request.Request("http://127.0.0.1:3000/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        print(json.load(response)["data"]["launchRun"]["run"]["runId"])


def runs() -> None:
    settings = load_settings()
    found = DagsterHistory(settings.dagster_home, settings.database_url).runs()
    print(json.dumps([[run.run_id, run.status, [str(day) for day in run.days]] for run in found]))


def answers(port: str) -> None:
    socket.create_connection(("127.0.0.1", int(port)), timeout=5).close()


if __name__ == "__main__":
    {"launch": launch, "runs": runs, "answers": answers}[sys.argv[1]](*sys.argv[2:])
