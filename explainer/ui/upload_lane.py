"""How many uploads the server takes at once: few of each address, a bounded number and size in all.

Who comes when there is no room waits, and begins as others end. A client that sends nothing for a
while is cut off, so that it does not keep a place.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from explainer.ui.doors import Refused
from explainer.web import texts

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


@dataclass(frozen=True)
class UploadLimits:
    """Bounds on uploads under way.

    Attributes:
        at_once: how many in all.
        of_address: how many of one network address; a hall shares one address.
        nbytes: how many bytes in all, as their requests state them.
        nbytes_of_address: how many of one address.
        waiting: how many may wait.
        silence: seconds without a piece of the file after which an upload is cut off.
    """

    at_once: int = 64
    of_address: int = 16
    nbytes: int = 1_000_000_000
    nbytes_of_address: int = 256_000_000
    waiting: int = 500
    silence: float = 30.0


class UploadLane:
    """Lets uploads begin as there is room. Used in the event loop of the server alone."""

    def __init__(self, limits: UploadLimits | None = None) -> None:
        self.limits = limits or UploadLimits()
        self._count: Counter[str] = Counter()  # by address, as the bytes
        self._nbytes: Counter[str] = Counter()
        self._waiting = 0
        self._change = asyncio.Condition()

    @asynccontextmanager
    async def room(self, address: str, nbytes: int) -> AsyncIterator[None]:
        """Wait until there is room for an upload of so many bytes, and hold it within this.

        Raises `Refused` if too many wait already.
        """
        if self._waiting >= self.limits.waiting:
            raise Refused(texts.MANY_UPLOADS)
        async with self._change:
            self._waiting += 1
            try:
                await self._change.wait_for(lambda: self._fits(address, nbytes))
            finally:
                self._waiting -= 1
            self._add(address, 1, nbytes)
        try:
            yield
        finally:
            async with self._change:
                self._add(address, -1, -nbytes)
                self._change.notify_all()

    def _add(self, address: str, count: int, nbytes: int) -> None:
        self._count[address] += count
        self._nbytes[address] += nbytes
        if not self._count[address]:
            del self._count[address], self._nbytes[address]

    def _fits(self, address: str, nbytes: int) -> bool:
        """Return whether an upload may begin; one alone may, whatever its size."""
        limits, total = self.limits, self._count.total()
        if total >= limits.at_once or self._count[address] >= limits.of_address:
            return False
        in_all = self._nbytes.total() + nbytes <= limits.nbytes or not total
        of_address = self._nbytes[address] + nbytes <= limits.nbytes_of_address
        return in_all and (of_address or not self._count[address])

    def impatient(self, receive: Receive) -> Receive:
        """Return a function that receives pieces of a request; `Refused` after a long silence."""

        async def received() -> MutableMapping[str, Any]:
            try:
                return await asyncio.wait_for(receive(), self.limits.silence)
            except TimeoutError:
                raise Refused(texts.SLOW_UPLOAD) from None

        return received
