"""A typo in a setting stops the process."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from streamwarden_kafka.connection import Connection
from streamwarden_operator.errors import InvalidSpecError
from streamwarden_operator.main import app
from streamwarden_operator.settings import OperatorSettings, find_principal, load_settings, read_connection
from support.commands import CliRunner


@pytest.fixture(autouse=True)
def _no_setting_of_this_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("STREAMWARDEN_")]:
        monkeypatch.delenv(name)


def test_a_variable_that_is_no_setting_is_refused() -> None:
    with pytest.raises(InvalidSpecError, match=r"^STREAMWARDEN_WORKER: no such setting; .*STREAMWARDEN_WORKERS"):
        load_settings({"STREAMWARDEN_WORKER": "2", "PATH": "/bin"})


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMWARDEN_WORKERS", "2")
    assert load_settings({"STREAMWARDEN_WORKERS": "2"}).workers == 2


def test_a_value_out_of_bounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMWARDEN_WORKERS", "0")
    with pytest.raises(ValidationError, match="workers"):
        load_settings({})


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("PT0.3S", id="one-that-ends-the-process"),
        pytest.param("PT1.999S", id="just-below-the-bound"),
        pytest.param("PT0S", id="none"),
        pytest.param("-PT10S", id="a-negative-one"),
    ],
)
def test_a_time_out_that_kafkas_client_does_not_bear_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("STREAMWARDEN_ADMIN_TIMEOUT", value)
    with pytest.raises(ValidationError, match=r"admin_timeout\n.*or equal to 2 seconds .*input_value=.*timedelta"):
        load_settings({})


def test_the_shortest_time_out_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMWARDEN_ADMIN_TIMEOUT", "0:00:02")
    assert load_settings({}).admin_timeout == timedelta(seconds=2)


@pytest.mark.parametrize("value", [pytest.param("PT0S", id="none"), pytest.param("-PT5M", id="a-negative-one")])
@pytest.mark.parametrize(
    "name", ["kubernetes_timeout", "longest_stall", "resync_interval", "first_retry", "longest_retry"]
)
def test_a_time_without_which_the_operator_never_rests_or_waits_for_ever_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"STREAMWARDEN_{name.upper()}", value)
    with pytest.raises(ValidationError, match=rf"{name}\n.*greater than or equal to"):
        load_settings({})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        pytest.param("RESYNC_INTERVAL", "5m", "write a duration as in 'PT90S', '00:01:30' or 'P90D'", id="a-duration"),
        pytest.param("WORKERS", "0", "Input should be greater than or equal to 1", id="a-bound"),
        pytest.param(
            "REGISTRY_URL",
            "reader:hunter2@registry:8080",
            r"String should match pattern '^(https?://\S+)?$'",
            id="a-url-with-a-password",
        ),
    ],
)
def test_a_refused_setting_is_named_as_it_is_set_and_its_value_is_not_quoted(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"STREAMWARDEN_{name}", value)
    answer = CliRunner().invoke(app, ["run"])
    assert (answer.exit_code, answer.output) == (2, f"STREAMWARDEN_{name}: {said}\n")


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://registry:port/apis", id="a-port-that-is-no-number"),
        pytest.param("http://registry:99999", id="a-port-out-of-range"),
        pytest.param("http://[::1", id="half-an-address"),
        pytest.param("http://:8081", id="no-host"),
        pytest.param("http://reader:hunter2/x@registry", id="a-password-that-would-have-to-be-escaped"),
    ],
)
def test_a_url_that_cannot_be_asked_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("STREAMWARDEN_REGISTRY_URL", url)
    answer = CliRunner().invoke(app, ["run"])
    said = "STREAMWARDEN_REGISTRY_URL: Value error, must have a host, and a number as port where it has one\n"
    assert (answer.exit_code, answer.output) == (2, said)


@pytest.mark.parametrize("url", ["", "http://registry:8080/apis/ccompat/v7", "https://reader:hunter2@[::1]:8081"])
def test_a_registry_s_url_is_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("STREAMWARDEN_REGISTRY_URL", url)
    assert load_settings({}).registry_url == url


def test_the_login_of_a_registry_is_not_in_what_settings_show() -> None:
    settings = OperatorSettings(registry_url="https://reader:hunter2@registry:8081")
    assert settings.registry_url.startswith("https://reader:hunter2@")
    assert "hunter2" not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", (), id="none-means-all"),
        pytest.param("risk", ("risk", "streamwarden"), id="the-operator-s-own-is-among-them"),
        pytest.param(" b, a,,a ", ("a", "b", "streamwarden"), id="each-once"),
    ],
)
def test_namespaces_are_a_comma_list(monkeypatch: pytest.MonkeyPatch, text: str, expected: tuple[str, ...]) -> None:
    monkeypatch.setenv("STREAMWARDEN_WATCH_NAMESPACES", text)
    assert load_settings({}).namespaces == expected


def test_properties_are_lines(tmp_path: Path) -> None:
    file = tmp_path / "librdkafka.properties"
    file.write_text("# ours\n\nbootstrap.servers = a:1,b:2\nsasl.password=x=y \n")
    assert read_connection(file) == Connection("a:1,b:2", password="x=y")


def test_a_broken_line_is_named_and_not_quoted(tmp_path: Path) -> None:
    file = tmp_path / "librdkafka.properties"
    file.write_text("bootstrap.servers=a:1\nhunter2\n")
    with pytest.raises(InvalidSpecError, match="line 2: write name=value") as refused:
        read_connection(file)
    assert "hunter2" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpecError, match=r"none\.properties cannot be read"):
        read_connection(tmp_path / "none.properties")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("sasl.jaas.config=x", "sasl.jaas.config: Java JAAS configuration is not supported", id="javas"),
        pytest.param("no.such.setting=x", 'No such configuration property: "no.such.setting"', id="an-unknown-one"),
        pytest.param(
            "request.timeout.ms=soon", 'Invalid value for configuration property "request.timeout.ms"', id="a-bad-value"
        ),
    ],
)
def test_x40_a_setting_that_kafkas_client_does_not_take_is_named_before_the_start(
    tmp_path: Path, line: str, said: str
) -> None:
    file = tmp_path / "librdkafka.properties"
    login = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-512\nsasl.username=u\nsasl.password=hunter22"
    file.write_text(f"bootstrap.servers=127.0.0.1:9\n{login}\n{line}\n")
    with pytest.raises(InvalidSpecError) as refused:
        read_connection(file)
    assert str(refused.value).startswith(f"{file}: {said}")
    assert "hunter22" not in str(refused.value)


def test_the_installation_is_named_by_a_dns_label(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings({}).installation == "streamwarden"
    monkeypatch.setenv("STREAMWARDEN_INSTALLATION", "other")
    assert load_settings({}).installation == "other"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("a.b", id="a-dot-would-reach-the-names-of-installation-a"),
        pytest.param("Other", id="capitals"),
        pytest.param("a_b", id="an-underscore-is-no-topic-s"),
        pytest.param("", id="empty"),
        pytest.param("a" * 64, id="too-long"),
        pytest.param("other\n", id="a-line-break-at-the-end"),
    ],
)
def test_a_name_of_an_installation_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("STREAMWARDEN_INSTALLATION", name)
    with pytest.raises(ValidationError, match="installation"):
        load_settings({})


def test_x08_agents_have_no_quotas_unless_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings({}).agent_quotas == {}
    monkeypatch.setenv("STREAMWARDEN_AGENT_PRODUCER_BYTE_RATE", "1048576")
    monkeypatch.setenv("STREAMWARDEN_AGENT_CONSUMER_BYTE_RATE", "0")
    monkeypatch.setenv("STREAMWARDEN_AGENT_REQUEST_PERCENTAGE", "12.5")
    assert load_settings({}).agent_quotas == {
        "producer_byte_rate": 1_048_576.0,
        "consumer_byte_rate": 0.0,
        "request_percentage": 12.5,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("AGENT_PRODUCER_BYTE_RATE", "65535", id="less-than-one-decision-a-second"),
        pytest.param("AGENT_CONSUMER_BYTE_RATE", "-1", id="a-negative-rate"),
        pytest.param("AGENT_REQUEST_PERCENTAGE", "inf", id="an-infinite-percentage"),
        pytest.param("GATE_MAX_RATE", "9", id="a-rate-that-gates-refuse"),
        pytest.param("GATE_MAX_BATCH", "5001", id="a-batch-that-gates-refuse"),
    ],
)
def test_a_limit_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"STREAMWARDEN_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        load_settings({})


def test_gates_are_told_of_limits_that_are_not_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings({}).gate_environment == {}
    monkeypatch.setenv("STREAMWARDEN_GATE_MAX_RATE", "100000")
    monkeypatch.setenv("STREAMWARDEN_GATE_MAX_BATCH", "1")
    assert load_settings({}).gate_environment == {
        "STREAMWARDEN_GATE_MAX_RATE": "100000",
        "STREAMWARDEN_GATE_MAX_BATCH": "1",
    }


@pytest.mark.parametrize(
    ("user", "said", "expected"),
    [
        pytest.param("", "", "User:streamwarden.operator", id="X90-nothing-is-said"),
        pytest.param("ops", "", "User:ops", id="X90-who-logs-in-is-asked"),
        pytest.param("ops", "User:CN=ops,O=acme", "User:CN=ops,O=acme", id="X90-a-setting-goes-first"),
        pytest.param(
            "acme.operator", "User:acme.operator", "User:acme.operator", id="X90-another-installation-s-is-meant"
        ),
    ],
)
def test_the_operators_principal_is_asked_for_or_configured(user: str, said: str, expected: str) -> None:
    kafka = Connection.scram("a:1", user, "hunter2") if user else Connection("a:1")
    assert find_principal(OperatorSettings(principal=said), kafka).operator_principal == expected


def test_principals_are_trusted_that_settings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMWARDEN_TRUSTED_PRINCIPALS", "User:admin; User:CN=mirror,O=acme ;")
    found = load_settings({}).trusted
    assert found == {"User:admin", "User:CN=mirror,O=acme", "User:streamwarden.operator"}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param("User:*", "not everybody", id="everybody"),
        pytest.param("User:ANONYMOUS", "not ANONYMOUS", id="nobody"),
        pytest.param("admin", "as in 'User:admin'", id="without-a-type"),
        pytest.param("User:admin;User:risk.guard.agent", "name of an agent", id="an-agent"),
    ],
)
def test_principals_that_nobody_may_trust_are_refused(monkeypatch: pytest.MonkeyPatch, value: str, said: str) -> None:
    monkeypatch.setenv("STREAMWARDEN_TRUSTED_PRINCIPALS", value)
    with pytest.raises(ValidationError, match=said):
        load_settings({})
