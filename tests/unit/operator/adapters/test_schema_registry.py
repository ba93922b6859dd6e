"""What the registry's answers mean, without a registry."""

from __future__ import annotations

import httpx
import pytest
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.adapters.schema_registry import ConfluentRegistry
from streamwarden_operator.errors import InvalidSpecError, OperatorError, RegistryUnavailableError
from streamwarden_operator.ports import SubjectSchema

FOUND = {"id": 7, "version": 2, "schema": "{}", "subject": "risk.urls-value"}


def registry(answers: dict[str, httpx.Response]) -> ConfluentRegistry:
    """Make a registry that answers by method and path, 404 where nothing is said."""

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        return answers.get(f"{request.method} {path}", httpx.Response(404, json={"error_code": 40401}))

    return ConfluentRegistry("http://registry/api", transport=httpx.MockTransport(answer))


async def test_the_path_of_the_url_is_kept_and_the_subject_is_escaped() -> None:
    answers = {
        "GET /api/subjects/a%2Fb/versions/latest": httpx.Response(200, json=FOUND),
        "GET /api/config/a%2Fb": httpx.Response(200, json={"compatibilityLevel": "FULL"}),
    }
    async with registry(answers) as found:
        assert await found.observe("a/b") == SubjectSchema("a/b", 7, 2, "{}", "FULL")


async def test_a_schema_that_no_version_has_is_none_and_one_that_an_older_version_has_is_found() -> None:
    answers = {"POST /api/subjects/s": httpx.Response(200, json=FOUND)}
    async with registry(answers) as found:
        assert await found.find("s", "{}") == SubjectSchema("s", 7, 2, "{}", None)
        assert await found.find("t", "{}") is None


async def test_an_outage_is_no_absent_schema() -> None:
    async with registry({"POST /api/subjects/s": httpx.Response(503)}) as found:
        with pytest.raises(RegistryUnavailableError):
            await found.find("s", "{}")


@pytest.mark.parametrize(
    ("response", "kind", "reason"),
    [
        pytest.param(
            httpx.Response(409, json={"message": "narrowed"}), InvalidSpecError, "InvalidSchema", id="F40-409"
        ),
        pytest.param(httpx.Response(422, json={"message": "bad"}), InvalidSpecError, "InvalidSchema", id="F40-422"),
        pytest.param(httpx.Response(429), RegistryUnavailableError, "RegistryUnavailable", id="F40-429-is-temporary"),
        pytest.param(httpx.Response(503, text="<html>"), RegistryUnavailableError, "RegistryUnavailable", id="F39-503"),
        pytest.param(httpx.Response(401), RegistryUnavailableError, "RegistryUnavailable", id="a-missing-right"),
        pytest.param(httpx.Response(404), RegistryUnavailableError, "RegistryUnavailable", id="no-such-api"),
    ],
)
async def test_a_refusal_is_the_users_or_an_outage(
    response: httpx.Response, kind: type[OperatorError], reason: str
) -> None:
    async with registry({"POST /api/subjects/s/versions": response}) as asked:
        with pytest.raises(OperatorError) as caught:
            await asked.register("s", "{}")
    assert type(caught.value) is kind
    assert caught.value.reason is ConditionReason(reason)


async def test_a_long_refusal_is_cut() -> None:
    response = httpx.Response(409, json={"message": "x" * 9000})
    async with registry({"POST /api/subjects/s/versions": response}) as asked:
        with pytest.raises(InvalidSpecError) as caught:
            await asked.register("s", "{}")
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(httpx.Response(200, text="<html>"), id="no-json"),
        pytest.param(httpx.Response(200, content=b"\xff\xfe{"), id="no-text"),
        pytest.param(httpx.Response(200, content=b"[" * 200_000), id="nested-too-deep"),
        pytest.param(
            httpx.Response(502, content=b"<h1>indisponible \xe9</h1>"), id="a-proxy-s-page-in-another-encoding"
        ),
        pytest.param(httpx.Response(200, json=[1]), id="no-object"),
        pytest.param(httpx.Response(200, json={"id": "x"}), id="no-schema"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_an_outage(response: httpx.Response) -> None:
    async with registry({"GET /api/subjects/s/versions/latest": response}) as asked:
        with pytest.raises(RegistryUnavailableError):
            await asked.observe("s")


async def test_f39_a_broken_connection_is_an_outage_and_names_no_credentials() -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("too slow", request=request)

    async with ConfluentRegistry("http://user:pass@registry", transport=httpx.MockTransport(broken)) as asked:
        with pytest.raises(RegistryUnavailableError, match=r"at registry does not answer \(ReadTimeout\)") as caught:
            await asked.observe("s")
    assert "pass" not in repr(caught.value)


async def test_a_registry_that_hangs_is_not_waited_for_by_everybody_and_is_asked_again_a_little_later() -> None:
    asked, now_s, hangs = list[str](), [0.0], True

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if hangs:
            raise httpx.ReadTimeout("too slow", request=request)
        return httpx.Response(404, json={"error_code": 40401})

    transport = httpx.MockTransport(answer)
    async with ConfluentRegistry("http://registry", transport=transport, clock_s=lambda: now_s[0]) as found:
        for _ in range(5):
            with pytest.raises(RegistryUnavailableError) as caught:
                await found.observe("s")
        assert (len(asked), caught.value.retry_after_s) == (3, 10.0)
        now_s[0] = 10.0
        with pytest.raises(RegistryUnavailableError):
            await found.observe("s")
        assert len(asked) == 4
        now_s[0], hangs = 20.0, False
        assert await found.observe("s") is None
        hangs = True
        with pytest.raises(RegistryUnavailableError, match="ReadTimeout"):
            await found.observe("s")
        assert len(asked) == 6  # one slow answer stops nobody
        with pytest.raises(RegistryUnavailableError, match="ReadTimeout"):
            await found.observe("s")
