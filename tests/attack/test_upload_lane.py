"""Many uploads at once: bounded for each address and in all; who comes too many waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import httpx
import pytest

from explainer.ui.doors import Refused
from explainer.ui.upload_lane import UploadLane, UploadLimits
from explainer.web import texts
from tests.attack.test_uploads import photo


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Uploads:
    """Uploads that are under way until they are told to end."""

    def __init__(self, lane: UploadLane) -> None:
        self.lane, self.begun = lane, []
        self.ends: dict[str, asyncio.Event] = {}
        self.tasks: list[asyncio.Task] = []

    async def begin(self, name: str, address: str, nbytes: int = 1) -> None:
        self.ends[name] = asyncio.Event()
        self.tasks.append(asyncio.ensure_future(self._upload(name, address, nbytes)))
        await settle()

    async def _upload(self, name: str, address: str, nbytes: int) -> None:
        async with self.lane.room(address, nbytes):
            self.begun.append(name)
            await self.ends[name].wait()

    async def end(self, *names: str) -> None:
        for name in names:
            self.ends[name].set()
        await settle()


def test_uploads_of_one_address_and_of_all_are_bounded():
    async def act() -> None:
        at = Uploads(UploadLane(UploadLimits(at_once=3, of_address=2)))
        for name in ("a1", "a2", "a3", "b1", "c1"):
            await at.begin(name, name[0])
        assert at.begun == ["a1", "a2", "b1"]
        await at.end("b1")
        assert at.begun == ["a1", "a2", "b1", "c1"], "a third of one address still waits"
        await at.end("a1")
        assert at.begun[-1] == "a3"
        await at.end("a2", "a3", "c1")
        await asyncio.gather(*at.tasks)
        assert (at.lane._count, at.lane._nbytes, at.lane._waiting) == ({}, {}, 0)

    asyncio.run(act())


def test_bytes_under_way_are_bounded_and_a_large_upload_comes_alone():
    async def act() -> None:
        at = Uploads(UploadLane(UploadLimits(nbytes=10)))
        await at.begin("small", "a", 4)
        await at.begin("large", "b", 30)
        await at.begin("fits", "c", 6)
        assert at.begun == ["small", "fits"]
        await at.end("small", "fits")
        assert at.begun == ["small", "fits", "large"]
        await at.end("large")
        await asyncio.gather(*at.tasks)

    asyncio.run(act())


def test_bytes_of_one_address_leave_room_for_others():
    async def act() -> None:
        at = Uploads(UploadLane(UploadLimits(nbytes=20, nbytes_of_address=10)))
        for name, size in (("a1", 8), ("a2", 8), ("b1", 12)):
            await at.begin(name, name[0], size)
        assert at.begun == ["a1", "b1"]
        await at.end("a1", "b1", "a2")
        assert at.begun == ["a1", "b1", "a2"]
        await asyncio.gather(*at.tasks)

    asyncio.run(act())


def test_those_who_wait_are_bounded_and_may_leave():
    async def act() -> None:
        at = Uploads(UploadLane(UploadLimits(at_once=1, waiting=1)))
        for name in ("a", "b", "c"):
            await at.begin(name, name)
        assert at.begun == ["a"]
        with pytest.raises(Refused, match="Too many"):
            await at.tasks[2]
        at.tasks[1].cancel()
        await settle()
        await at.begin("d", "d")
        await at.end("a", "d")
        assert at.begun == ["a", "d"]
        await asyncio.gather(at.tasks[0], at.tasks[3])

    asyncio.run(act())


def test_a_client_that_sends_nothing_is_cut_off():
    async def never() -> dict:
        await asyncio.Event().wait()
        return {}

    async def act() -> None:
        lane = UploadLane(UploadLimits(silence=0.01))
        with pytest.raises(Refused) as refused:
            await lane.impatient(never)()
        assert str(refused.value) == texts.SLOW_UPLOAD

    asyncio.run(act())


def test_an_address_that_uploads_without_end_holds_up_no_other(server):
    """Uploads that never end take all room of their address, and a visitor of another uploads."""
    ends, begun = threading.Event(), threading.Semaphore(0)
    address = f"{server.url}gradio_api/upload"
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    file = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'

    def pieces() -> Iterator[bytes]:
        yield file
        begun.release()
        ends.wait(60)
        yield b"\r\n--x--\r\n"

    def upload(told: list[int]) -> None:
        told.append(httpx.post(address, content=pieces(), headers=kind, timeout=60).status_code)

    answers: list[int] = []
    threads = [threading.Thread(target=upload, args=(answers,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert begun.acquire(timeout=30)
    other = httpx.HTTPTransport(local_address="127.0.0.2")
    with httpx.Client(transport=other, timeout=30) as client:
        answer = client.post(address, files={"files": ("b.png", photo(50))})
    ends.set()
    for thread in threads:
        thread.join(60)
    assert answer.status_code == 200
    assert answers == [200] * 3, "who waited was let in"
