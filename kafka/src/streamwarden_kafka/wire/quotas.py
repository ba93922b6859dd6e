"""Client quotas of users: no client that we have offers them."""

from collections.abc import Mapping

from aiokafka.errors import for_code
from aiokafka.protocol.admin import DescribeClientQuotasRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Float64, Int16, Int32, Schema, String
from typing_extensions import override

from streamwarden_kafka.errors import KafkaClientError, RequestRefusedError
from streamwarden_kafka.wire.connections import NO_ERROR, Wire, refusal

_USER = "user"
_ANY_NAME = 2
"""The kind of match, in the protocol."""

_ENTITY = Array(("entity_type", String()), ("entity_name", String()))


class AlterClientQuotasResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    """Version 0 of Kafka's message."""

    API_KEY = 49
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("entries", Array(("error_code", Int16), ("error_message", String()), ("entity", _ENTITY))),
    )


class AlterClientQuotasStruct(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    """Version 0 of Kafka's message: the last one without tagged fields, and the first of two."""

    API_KEY = 49
    API_VERSION = 0
    RESPONSE_TYPE = AlterClientQuotasResponse
    SCHEMA = Schema(
        (
            "entries",
            Array(("entity", _ENTITY), ("ops", Array(("key", String()), ("value", Float64), ("remove", Boolean)))),
        ),
        ("validate_only", Boolean),
    )


class AlterClientQuotasRequest(Request[AlterClientQuotasStruct]):  # type: ignore[misc]  # aiokafka has no types
    """Changes quotas of one user; what is not named stays."""

    API_KEY = 49

    def __init__(self, user: str, changes: Mapping[str, float | None]) -> None:
        self._entity = [(_USER, user)]
        self._operations = [(name, value or 0.0, value is None) for name, value in sorted(changes.items())]

    @override
    def build(self, request_struct_class: type[AlterClientQuotasStruct]) -> AlterClientQuotasStruct:
        """Return the message."""
        return request_struct_class([(self._entity, self._operations)], False)


async def describe_user_quotas(wire: Wire) -> dict[str, dict[str, float]]:
    """Return by name the quotas of every user that has some of its own; those of a client id of it are left out.

    Raises:
        RequestRefusedError: a broker will not say.
        BrokerUnavailableError: no answer, or not now.
    """
    request = DescribeClientQuotasRequest([(_USER, _ANY_NAME, None)], strict=True)
    answer = await (await wire.any_broker()).ask(request)
    if answer.error_code != NO_ERROR:
        raise _refused(answer.error_code, answer.error_message, "list the quotas of users")
    # A user without a name is Kafka's default for all of them.
    return {name: dict(values) for [(_, name)], values in answer.entries or () if name is not None}


async def alter_user_quotas(wire: Wire, user: str, changes: Mapping[str, float | None]) -> None:
    """Set quotas of a user, and take away those that are None; any broker passes it on to the controller.

    Raises:
        RequestRefusedError: a broker will not do it.
        BrokerUnavailableError: no answer, or not now.
    """
    answer = await (await wire.any_broker()).ask(AlterClientQuotasRequest(user, changes))
    for code, message, _entity in answer.entries:
        if code != NO_ERROR:
            raise _refused(code, message, f"change the quotas of user {user!r}")


def _refused(code: int, message: str | None, doing: str) -> KafkaClientError:
    outage = refusal(code, doing)
    if for_code(code).retriable:
        return outage
    return RequestRefusedError(f"{outage} ({message})" if message else str(outage))
