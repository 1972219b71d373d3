"""Other web sites get nothing from the web servers of this machine, and change nothing through them."""

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from pipelines.operations.webserver import GuardedWebserver
from pipelines.settings import get_settings
from pipelines.web_guard import Guard
from tests.unit.dagster_state import webserver

HERE = "127.0.0.1:3000"
SOCKET = f"ws://{HERE}/graphql"
EVIL = "http://evil.example"
WIPE = 'mutation { wipeAssets(assetPartitionRanges: [{assetKey: {path: ["orders"]}}]) { __typename } }'


@pytest.fixture(scope="module")
def instance(new_dagster_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """An instance in which the asset `orders` has been materialized."""
    home = shutil.copytree(new_dagster_home, tmp_path_factory.mktemp("guarded") / "dagster")
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("orders"))
        yield instance


@contextmanager
def guarded(instance: dg.DagsterInstance, read_only: bool = False) -> Iterator[TestClient]:
    """A client of the UI, which a proxy serves at https://ui.example.com, too."""
    settings = get_settings().model_copy(update={"ui_url": "https://ui.example.com"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.operations.webserver.get_settings", lambda: settings)
        with webserver(GuardedWebserver, instance, read_only) as application:
            yield TestClient(application, base_url=f"http://{HERE}")


@pytest.fixture(scope="module")
def ui(instance: dg.DagsterInstance) -> Iterator[TestClient]:
    with guarded(instance) as client:
        yield client


def is_materialized(instance: dg.DagsterInstance) -> bool:
    return instance.get_latest_materialization_event(dg.AssetKey("orders")) is not None


FROM_OTHER_SITES = {
    "another host name": {"host": "evil.example:3000"},
    "a host name that begins like ours": {"host": "127.0.0.1.evil.example"},
    "no host name": {"host": ""},
    "a host name with a user": {"host": "127.0.0.1@evil.example"},
    "another origin": {"origin": EVIL},
    "another port of this machine": {"origin": "http://127.0.0.1:8000"},
    "an origin that begins like ours": {"origin": f"http://{HERE}.evil.example"},
    "an origin that is hidden": {"origin": "null"},
    "an included script": {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"},
    "a frame": {"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
}


@pytest.mark.parametrize("headers", FROM_OTHER_SITES.values(), ids=FROM_OTHER_SITES)
def test_other_sites_read_and_change_nothing(
    ui: TestClient, instance: dg.DagsterInstance, headers: dict[str, str]
) -> None:
    for response in (
        ui.get("/server_info", headers=headers),
        ui.get("/graphql", params={"query": "{ version }"}, headers=headers),
        ui.post("/graphql", json={"query": WIPE}, headers=headers),
        ui.post("/report_asset_materialization/orders", json={}, headers=headers),
    ):
        assert response.status_code == 403
        assert dg.__version__ not in response.text
    with pytest.raises(WebSocketDisconnect), ui.websocket_connect(SOCKET, ["graphql-ws"], headers=headers):
        pass
    assert is_materialized(instance)


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/graphql", "application/x-www-form-urlencoded"),
        ("/graphql", "multipart/form-data; boundary=x"),
        ("/graphql", "text/plain"),
        ("/graphql", "text/plain; application/json"),  # for Dagster, this is JSON
        ("/graphql", "application/graphql"),
        ("/graphql", ""),
        ("/report_asset_materialization/orders", ""),
        ("/report_asset_check/orders", ""),
        ("/report_asset_observation/orders", ""),
    ],
)
def test_what_a_form_can_send_changes_nothing(
    ui: TestClient, instance: dg.DagsterInstance, path: str, content_type: str
) -> None:
    response = ui.post(path, params={"query": WIPE}, content=f'{{"query": "{WIPE}"}}', headers=_type(content_type))
    assert response.status_code == 415
    assert "application/json" in response.text
    assert is_materialized(instance)


def _type(content_type: str) -> dict[str, str]:
    return {"content-type": content_type} if content_type else {}


@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "/%67raphql"])
def test_an_address_runs_no_graphql(ui: TestClient, instance: dg.DagsterInstance, path: str) -> None:
    response = ui.get(path, params={"query": WIPE}, follow_redirects=False)
    assert response.status_code == 405
    assert "by POST" in response.text
    assert is_materialized(instance)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_no_other_method_is_taken(ui: TestClient, method: str) -> None:
    response = ui.request(method, "/graphql", headers={"origin": f"http://{HERE}"})
    assert response.status_code == 405
    assert "access-control-allow-origin" not in response.headers


def test_the_ui_itself_works(ui: TestClient) -> None:
    own = {"origin": f"http://{HERE}", "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
    assert ui.get("/", headers={"sec-fetch-site": "none"}).status_code == 200
    assert ui.get("/graphql", headers={"accept": "text/html"}).status_code == 200  # the playground
    answer = ui.post("/graphql", json={"query": "{ version }"}, headers=own)
    assert answer.json() == {"data": {"version": ""}}  # of no server process
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    with ui.websocket_connect(SOCKET, ["graphql-ws"], headers=own) as socket:
        socket.send_json({"type": "connection_init"})
        assert socket.receive_json() == {"type": "connection_ack"}


def test_links_and_programs_reach_the_ui(ui: TestClient) -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert ui.get("/runs/1", headers=link).status_code == 200
    assert ui.post("/graphql", json={"query": "{ version }"}).status_code == 200
    behind_proxy = {"host": "ui.example.com", "origin": "https://ui.example.com"}
    assert ui.post("/graphql", json={"query": "{ version }"}, headers=behind_proxy).status_code == 200


def test_a_read_only_ui_changes_nothing(instance: dg.DagsterInstance) -> None:
    with guarded(instance, read_only=True) as ui:
        answer = ui.post("/graphql", json={"query": WIPE}).json()
        assert answer["data"]["wipeAssets"] == {"__typename": "UnauthorizedError"}
        assert ui.post("/report_asset_materialization/orders", json={}).status_code == 401
    assert is_materialized(instance)


def test_the_password_is_asked_for(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPI_PASSWORD", "zażółć")
    with guarded(instance) as ui:
        refused = ui.get("/server_info")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Basic realm="kpi"')
        for wrong in (b"kpi:", b"kpi:other", "zażółć:zażółć ".encode(), b"no password"):
            assert ui.get("/server_info", headers=_basic(wrong)).status_code == 401
        for odd in (b"Basic !", b"Basic \xe9", b"Bearer a2Y6", b""):
            assert ui.get("/server_info", headers={"authorization": odd}).status_code == 401  # type: ignore[dict-item]
        with pytest.raises(WebSocketDisconnect), ui.websocket_connect(SOCKET, ["graphql-ws"]):
            pass
        assert ui.get("/server_info", headers=_basic("anybody:zażółć".encode())).status_code == 200


def _basic(credentials: bytes) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(credentials).decode()}"}


def test_the_password_is_in_no_refusal() -> None:
    guard = Guard(password="s3cret")
    refusal = guard.refusal("GET", "/", "", {"host": HERE})
    assert refusal
    assert "s3cret" not in repr((refusal, guard))
