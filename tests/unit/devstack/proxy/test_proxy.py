"""The proxy before a server that answers each request with its correlation id."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import TYPE_CHECKING

import pytest
from streamwarden_devstack.ports import LOOPBACK, free_ports
from streamwarden_devstack.proxy import Proxy, Route
from streamwarden_devstack.proxy.frames import read_frame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PRODUCE, END_TXN = 0, 26
PATIENCE_S = 60


def request(api: int, correlation: int) -> bytes:
    body = struct.pack(">hhih", api, 3, correlation, 1) + b"t"
    return struct.pack(">i", len(body)) + body


def answer(correlation: int) -> bytes:
    return struct.pack(">ii", 4, correlation)


class Broker:
    """Keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.ended = asyncio.Semaphore(0)
        """Released for each connection that the other side has closed."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (frame := await read_frame(reader)) is not None:
            self.asked.append(frame)
            (correlation,) = struct.unpack_from(">i", frame, 8)
            writer.write(answer(correlation))
        self.ended.release()
        writer.close()


class Client:
    """One connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answers(self, count: int) -> list[bytes | None]:
        async with asyncio.timeout(PATIENCE_S):
            return [await read_frame(self.reader) for _ in range(count)]


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
async def route(broker: Broker) -> AsyncIterator[Route]:
    listen, upstream = free_ports(2)
    server = await asyncio.start_server(broker.serve, LOOPBACK, upstream)
    yield Route(listen, upstream)
    server.close()


@pytest.fixture
async def proxy(route: Route) -> AsyncIterator[Proxy]:
    async with Proxy([route]) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(LOOPBACK, int(proxy.bootstrap_servers.rpartition(":")[2]))
    yield Client(reader, writer)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_what_nothing_was_ordered_for_passes_unchanged_both_ways(client: Client, broker: Broker) -> None:
    client.writer.write(request(PRODUCE, 1) + request(END_TXN, 2))

    assert await client.answers(2) == [answer(1), answer(2)]
    assert broker.asked == [request(PRODUCE, 1), request(END_TXN, 2)]


async def test_a_swallowed_answer_is_left_out_and_the_connection_goes_on(
    client: Client, proxy: Proxy, broker: Broker
) -> None:
    swallowed = proxy.swallow(END_TXN)
    client.writer.write(request(END_TXN, 1) + request(PRODUCE, 2) + request(END_TXN, 3))

    assert await client.answers(2) == [answer(2), answer(3)]
    assert broker.asked[0] == request(END_TXN, 1)
    swallowed.wait_answered(0)


async def test_a_cut_connection_ends_in_place_of_the_answer_which_the_broker_has_given(
    client: Client, proxy: Proxy, broker: Broker
) -> None:
    cut = proxy.cut(END_TXN)
    client.writer.write(request(PRODUCE, 1) + request(END_TXN, 2))

    assert await client.answers(2) == [answer(1), None]
    assert broker.asked == [request(PRODUCE, 1), request(END_TXN, 2)]
    cut.wait_answered(0)


@pytest.mark.slow
async def test_a_held_answer_and_those_behind_it_come_in_order_once_it_is_released(
    client: Client, proxy: Proxy
) -> None:
    held = proxy.hold(END_TXN)
    client.writer.write(request(END_TXN, 1) + request(PRODUCE, 2))
    await asyncio.to_thread(held.wait_answered, PATIENCE_S)
    waiting = asyncio.create_task(client.answers(2))
    await asyncio.wait([waiting], timeout=0.05)
    assert not waiting.done()

    held.release()

    assert await waiting == [answer(1), answer(2)]


async def test_only_as_many_answers_are_befallen_as_were_ordered(client: Client, proxy: Proxy) -> None:
    proxy.swallow(END_TXN, count=2)
    client.writer.write(b"".join(request(END_TXN, number) for number in range(4)))

    assert await client.answers(2) == [answer(2), answer(3)]


async def test_waiting_for_an_answer_that_does_not_come_ends(proxy: Proxy) -> None:
    missing = proxy.swallow(END_TXN)

    with pytest.raises(TimeoutError, match=r"^1 answer\(s\) of API 26 are missing after 0 s$"):
        missing.wait_answered(0)


async def test_a_broker_that_is_gone_shows_as_a_closed_connection(route: Route) -> None:
    (nobody,) = free_ports(1)
    async with Proxy([Route(route.listen, nobody)]):
        reader, writer = await asyncio.open_connection(LOOPBACK, route.listen)
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b""
        writer.close()


async def test_what_is_not_kafkas_protocol_is_closed(client: Client, broker: Broker) -> None:
    client.writer.write(b"\xff\xff\xff\xff GET / HTTP/1.1")

    async with asyncio.timeout(PATIENCE_S):
        assert await client.reader.read() == b""
    assert broker.asked == []


async def test_stopping_cuts_what_is_carried(route: Route) -> None:
    async with Proxy([route]):
        reader, writer = await asyncio.open_connection(LOOPBACK, route.listen)
        writer.write(request(PRODUCE, 1))
        assert await read_frame(reader) == answer(1)
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read() == b""
    writer.close()


async def test_however_far_a_connection_has_ended_when_the_proxy_stops_both_its_ways_are_closed(
    route: Route, broker: Broker
) -> None:
    async with asyncio.timeout(PATIENCE_S):
        for rounds in range(12):
            async with Proxy([route]):
                reader, writer = await asyncio.open_connection(LOOPBACK, route.listen)
                writer.write(request(PRODUCE, 1))
                assert await read_frame(reader) == answer(1)
                writer.close()
                for _ in range(rounds):
                    await asyncio.sleep(0)
            await broker.ended.acquire()
