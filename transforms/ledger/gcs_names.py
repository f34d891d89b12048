"""The names of the objects of a ledger in a bucket: a listing shows all but the text.

    FORMAT.json                                          see `format.py`
    locks/<digit>.json                                   see `storage/leases.py`
    batches/…                                            what was sent in batches, see `notes.py`
    intents/…                                            what is in flight, see `intents.py`
    retries/…                                            what is to be asked again, see `retries.py`
    decisions/<digest of the id>.json                    a verdict that responses name
    responses/<2 hex>/<request id>/answer.json           the first answer, never changed
    responses/<2 hex>/<request id>/<attempt>.json        any other attempt

where an attempt is `try-<sent at>-<number>-<final or open>-<digest>`: those of a request sort in
the order in which they were sent, and the same bytes have the same name however often they are
uploaded. An object is one entry of a ledger, as `entries.py` has it, the request always with it.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from schemas.responses import Response
from transforms.ledger.index import decision_key
from transforms.storage.gcs import Listed

RESPONSES = "responses/"
SENT_AT = "sent_at"  # in an object's metadata: milliseconds since 1970 UTC
RANGE_DIGITS = 2  # a listing covers the ids that begin with two hex digits: 256 in all

_DIGEST_DIGITS = 16
_ALWAYS = 2**63 - 1  # an object that lost its metadata is read to find out


class Stored(NamedTuple):
    """A response as a listing shows it.

    Attributes:
        request_id: The request.
        name: The object's name, after the request's.
        sent_at: When it was sent, milliseconds since 1970 UTC.
    """

    request_id: str
    name: str
    sent_at: int

    @property
    def is_answer(self) -> bool:
        """Whether it is the answer that counts."""
        return self.name == "answer.json"

    @property
    def is_final(self) -> bool:
        """Whether it ended the request in its run."""
        return self.is_answer or self.name.split("-")[3] == "final"


def range_name(digits: str) -> str:
    """Returns the common beginning of the names of all responses to a range of ids."""
    return f"{RESPONSES}{digits}/"


def answer_name(request_id: str) -> str:
    """Returns the name of the first answer to a request."""
    return response_name(request_id, "answer.json")


def attempt_name(response: Response, data: bytes) -> str:
    """Returns the name of an attempt that is not the first answer.

    Args:
        response: The attempt.
        data: The object's bytes.
    """
    digest = hashlib.sha256(data).hexdigest()[:_DIGEST_DIGITS]
    final = "final" if response.final else "open"
    name = f"try-{response.sent_at:014d}-{response.attempt:04d}-{final}-{digest}.json"
    return response_name(response.request_id, name)


def response_name(request_id: str, name: str) -> str:
    """Returns the whole name of a response."""
    return f"{range_name(request_id[:RANGE_DIGITS])}{request_id}/{name}"


def decision_name(decision_id: str) -> str:
    """Returns the name of a verdict."""
    return f"decisions/{decision_key(decision_id).hex()}.json"


def read_listed(listed: Listed) -> Stored:
    """Returns the response that a listing shows."""
    _, _, request_id, name = listed.name.split("/")
    return Stored(request_id, name, int(listed.metadata.get(SENT_AT, _ALWAYS)))
