"""Environment and rca.yaml to Settings, and what is said when they cannot be used."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.settings import Settings, SettingsError, load


def written(folder: Path, text: str) -> Path:
    file = folder / "rca.yaml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class TestEnvironment:
    def test_nothing_set_is_a_bot_without_tokens_model_and_servers(self) -> None:
        read = load(environ={})
        assert read.model_copy(update={"source": ""}) == Settings(source="")
        assert "environment" in read.source

    def test_slack_store_and_health(self) -> None:
        environ = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "SLACK_API_URL": "http://127.0.0.1:9/api/"}
        read = load(environ={**environ, "RCA_STORE_URL": "postgresql://db/rca", "RCA_HEALTH_PORT": "0"})
        assert read.slack.bot_token is not None
        assert read.slack.bot_token.get_secret_value() == "xoxb-1"
        assert (read.slack.api_url, read.store_url, read.health_port) == (
            "http://127.0.0.1:9/api/",
            "postgresql://db/rca",
            0,
        )

    def test_every_variable_also_as_a_file(self, tmp_path: Path) -> None:
        secret = tmp_path / "token"
        secret.write_text("xoxb-from-file\n")
        read = load(environ={"SLACK_BOT_TOKEN_FILE": str(secret)})
        assert read.slack.bot_token is not None
        assert read.slack.bot_token.get_secret_value() == "xoxb-from-file"

    def test_both_forms_at_once_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="SLACK_BOT_TOKEN and SLACK_BOT_TOKEN_FILE are both set"):
            load(environ={"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_BOT_TOKEN_FILE": str(tmp_path / "x")})

    def test_a_file_that_is_not_there_or_empty(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match=r"OPENAI_API_KEY_FILE: cannot read .*gone"):
            load(environ={"OPENAI_API_KEY_FILE": str(tmp_path / "gone")})
        (tmp_path / "empty").write_text("\n")
        with pytest.raises(SettingsError, match="is empty"):
            load(environ={"OPENAI_API_KEY_FILE": str(tmp_path / "empty")})

    def test_a_port_that_is_none_names_its_variable(self) -> None:
        with pytest.raises(SettingsError, match="RCA_HEALTH_PORT"):
            load(environ={"RCA_HEALTH_PORT": "eighty"})

    def test_secrets_do_not_show(self) -> None:
        read = load(environ={"SLACK_BOT_TOKEN": "xoxb-very-secret", "OPENAI_API_KEY": "key-very-secret"})
        assert "very-secret" not in f"{read!r}{read.model_dump_json()}"


class TestModel:
    def test_openai_azure_and_compatible(self) -> None:
        assert load(environ={"OPENAI_API_KEY": "k"}).model.kind == "openai"
        assert load(environ={"OPENAI_BASE_URL": "http://localhost:8000/v1"}).model.kind == "openai"
        azure = load(
            environ={
                "AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com",
                "AZURE_OPENAI_API_KEY": "a",
                "OPENAI_API_KEY": "o",
            }
        ).model
        assert azure.kind == "azure"
        assert azure.api_key is not None
        assert azure.api_key.get_secret_value() == "a"

    def test_azure_with_an_identity_has_no_key(self) -> None:
        assert (
            load(environ={"AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com", "OPENAI_API_KEY": "o"}).model.api_key
            is None
        )

    def test_an_azure_key_alone_says_what_is_missing(self) -> None:
        with pytest.raises(SettingsError, match="AZURE_OPENAI_ENDPOINT"):
            load(environ={"AZURE_OPENAI_API_KEY": "a"})

    def test_tiers(self) -> None:
        model = load(environ={"RCA_MODEL_STANDARD": "small", "RCA_MODEL_COMPLEX": "large"}).model
        assert (model.standard, model.complex, model.kind) == ("small", "large", None)


class TestTokens:
    @pytest.mark.parametrize(
        ("bot", "app", "said"),
        [
            ("xapp-1", "xoxb-1", "swapped"),
            ("xoxp-1", "", "a user token"),
            ("xapp-1", "", "an app-level token"),
            ("", "xoxb-1", "connections:write"),
            ("abc", "", "starts with xoxb-"),
        ],
    )
    def test_wrong_kinds_are_explained_and_never_shown(self, bot: str, app: str, said: str) -> None:
        with pytest.raises(SettingsError) as error:
            load(environ={"SLACK_BOT_TOKEN": bot and f"{bot}-hidden", "SLACK_APP_TOKEN": app and f"{app}-hidden"})
        assert said in str(error.value)
        assert "hidden" not in str(error.value)


class TestServers:
    def test_a_kubeconfig_gives_one_kubernetes_server_with_its_own_variables_only(self) -> None:
        environ = {
            "KUBECONFIG": "/k",
            "RCA_K8S_NAMESPACES": "shop",
            "RCA_REDACT_EMAIL": "1",
            "SLACK_BOT_TOKEN": "xoxb-1",
            "HOME": "/root",
        }
        (server,) = load(environ=environ).servers
        assert (server.name, server.transport, server.module) == ("kubernetes", "inprocess", "kubernetes")
        assert server.env == {"KUBECONFIG": "/k", "RCA_K8S_NAMESPACES": "shop", "RCA_REDACT_EMAIL": "1"}

    def test_an_empty_list_means_none(self, tmp_path: Path) -> None:
        assert load(written(tmp_path, "servers: []"), {"KUBECONFIG": "/k"}).servers == ()

    def test_named_servers(self, tmp_path: Path) -> None:
        text = """
servers:
  kubernetes:
    env: {RCA_K8S_LOGS: 0}
  docs:
    transport: http
    url: https://mcp.example/mcp
    token: ${DOCS_TOKEN}
    allow: [search_*]
  local:
    transport: stdio
    command: my-mcp
"""
        kubernetes, docs, local = load(
            written(tmp_path, text), {"KUBECONFIG": "/k", "DOCS_TOKEN": "t", "RCA_K8S_LOGS": "1"}
        ).servers
        assert kubernetes.env == {"KUBECONFIG": "/k", "RCA_K8S_LOGS": "0"}
        assert docs.token is not None
        assert docs.token.get_secret_value() == "t"
        assert (local.command, local.env) == ("my-mcp", {})

    @pytest.mark.parametrize(
        ("text", "line", "said"),
        [
            ("servers:\n  - {name: a, transport: stdio}", 2, "needs a command"),
            ("servers:\n  - name: a\n    transport: http", 2, "needs a url"),
            ("servers:\n  - name: a\n    transport: http\n    url: http://mcp.example.com/x", 4, "in the clear"),
            ("servers:\n  - name: a\n  - name: a", 3, "second server named a"),
            ("servers:\n  - name: A B", 2, "servers[0].name"),
            ("servers:\n  docs:\n    transport: http\n    urll: x", 4, "did you mean url?"),
        ],
    )
    def test_what_a_server_lacks_is_said_with_its_line(self, tmp_path: Path, text: str, line: int, said: str) -> None:
        with pytest.raises(SettingsError) as error:
            load(written(tmp_path, text), {})
        assert f"rca.yaml:{line}: servers" in str(error.value)
        assert said in str(error.value)


class TestFile:
    def test_the_environment_is_on_top(self, tmp_path: Path) -> None:
        file = written(tmp_path, "store_url: sqlite:///a\nslack:\n  bot_token: xoxb-file\n  connections: 3\n")
        read = load(file, {"RCA_STORE_URL": "sqlite:///b", "SLACK_BOT_TOKEN": "xoxb-env"})
        assert read.slack.bot_token is not None
        assert (read.store_url, read.slack.bot_token.get_secret_value(), read.slack.connections) == (
            "sqlite:///b",
            "xoxb-env",
            3,
        )
        assert read.source == str(file)

    def test_found_by_variable_and_in_the_working_folder(self, tmp_path: Path) -> None:
        written(tmp_path, "health_port: 9001")
        assert load(environ={}).health_port == 9001
        other = tmp_path / "other.yaml"
        other.write_text("health_port: 9002")
        assert load(environ={"RCA_CONFIG": str(other)}).health_port == 9002

    def test_variables_in_strings(self, tmp_path: Path) -> None:
        text = "store_url: ${STORE:-sqlite:///d}\nslack:\n  channels:\n    - channel: '${CHANNEL}'\n      senders: ['$$5']\n"
        read = load(written(tmp_path, text), {"CHANNEL": "#alerts"})
        assert (read.store_url, read.slack.channels[0].channel, read.slack.channels[0].senders) == (
            "sqlite:///d",
            "#alerts",
            ("$5",),
        )

    def test_folders_are_relative_to_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "conf" / "books").mkdir(parents=True)
        read = load(written(tmp_path / "conf", "playbook_dirs: [books]"), {})
        assert read.playbook_dirs == (tmp_path / "conf" / "books",)

    @pytest.mark.parametrize(
        ("text", "line", "said"),
        [
            ("slack:\n  chanels: []", 2, "slack.chanels: unknown field; did you mean channels?"),
            ("slak: {}", 1, "did you mean slack?"),
            ("\nslack:\n  channels:\n    - channel: a\n      max_per_hour: often", 5, "slack.channels[0].max_per_hour"),
            ("store_url: ${NOT_SET}", 1, "the variable NOT_SET is not set"),
            ("store_url: ${oh no}", 1, "is no variable"),
            ("health_port: 1\nhealth_port: 2", 2, "stands twice, first in line 1"),
            ("a: &x 1\nb: *x", 1, "anchors"),
            ("a: !!python/object:os.system x", 1, "tags"),
            ("slack: [", 1, "not YAML"),
            ("- a", 1, "must hold fields"),
            ("slack: x", 1, "slack"),
            ("health_port: 70000", 1, "0 to 65535"),
            ("playbook_dirs: [nowhere]", 1, "is no folder"),
            ("model: {kind: azure}", 1, "AZURE_OPENAI_ENDPOINT"),
            ("slack: {api_url: 'ftp://x'}", 1, "not an address"),
        ],
    )
    def test_errors_name_file_line_field_and_mend(self, tmp_path: Path, text: str, line: int, said: str) -> None:
        with pytest.raises(SettingsError) as error:
            load(written(tmp_path, text), {})
        assert f"rca.yaml:{line}:" in str(error.value)
        assert said in str(error.value)

    def test_several_problems_are_told_at_once(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError) as error:
            load(written(tmp_path, "slak: 1\nmodle: 2\n"), {})
        assert len(str(error.value).splitlines()) == 2

    def test_a_wrong_secret_is_not_shown(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError) as error:
            load(written(tmp_path, "slack: {bot_token: [xoxb-hidden]}"), {})
        assert "hidden" not in str(error.value)

    def test_a_file_that_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="cannot read the configuration"):
            load(tmp_path / "gone.yaml", {})
        (tmp_path / "latin.yaml").write_bytes(b"store_url: \xff")
        with pytest.raises(SettingsError, match="not UTF-8"):
            load(tmp_path / "latin.yaml", {})


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.sampled_from("slackmodelservers:-[]{}${}\n 'x\"&*!?#|>1.0"), max_size=60))
def test_any_file_loads_or_says_why(tmp_path: Path, text: str) -> None:
    file = written(tmp_path, text)
    said = ""
    try:
        load(file, {})
    except SettingsError as error:
        said = str(error)
    assert not said or str(file) in said


def test_servers_follow_from_the_variables_of_their_backends():
    found = load(
        environ={"RCA_CH_URL": "http://ch:8123", "RCA_CH_PASSWORD": "x", "RCA_MONGO_URI": "mongodb://m", "HOME": "/"}
    )
    assert [(s.name, s.module) for s in found.servers] == [("clickhouse", "clickhouse"), ("mongodb", "mongodb")]
    assert set(found.servers[0].env) == {"RCA_CH_URL", "RCA_CH_PASSWORD"}
    assert set(found.servers[1].env) == {"RCA_MONGO_URI"}
