"""Group commit: no append waits for a disk that failed."""

from __future__ import annotations

import asyncio
import threading

from schemas.errors import StillroomError
from transforms.ledger.commit import Committer
from transforms.ledger.segments import OpenSegment


def test_no_append_waits_for_a_disk_that_failed() -> None:
    reached, released = threading.Event(), threading.Event()

    def begin() -> OpenSegment:
        reached.set()
        released.wait()
        raise OSError("the disk is gone")

    committer = Committer(
        begin=begin,
        sealed=lambda _: None,
        failed=lambda error: StillroomError(str(error)),
        segment_entries=10,
    )

    async def append_three() -> list[BaseException | None]:
        first = asyncio.create_task(committer.append(bytes(32), 0, [b"{}"]))
        await asyncio.to_thread(reached.wait)
        second = asyncio.create_task(committer.append(bytes(32), 0, [b"{}"]))
        await asyncio.sleep(0)  # it waits by now, behind the batch that is about to fail
        released.set()
        await asyncio.wait([first, second])
        third = committer.append(bytes(32), 0, [b"{}"])
        return [*await asyncio.gather(first, second, third, return_exceptions=True)]

    errors = asyncio.run(append_three())
    committer.close()
    assert [(type(error), str(error)) for error in errors] == [
        (StillroomError, "the disk is gone")
    ] * 3
