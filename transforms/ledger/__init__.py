"""The ledger: every response ever received, durable before anyone looks at it, and bought once."""

from transforms.ledger.folder import Ledger, LedgerWriter
from transforms.ledger.protocol import LedgerLike, ReaderLike, WriterLike
from transforms.ledger.reader import LedgerReader, RequestOutcome

__all__ = [
    "Ledger",
    "LedgerLike",
    "LedgerReader",
    "LedgerWriter",
    "ReaderLike",
    "RequestOutcome",
    "WriterLike",
    "open_ledger",
]


def open_ledger(address: str) -> LedgerLike:
    """Returns the ledger at an address; nothing is opened before it is used.

    Args:
        address: A folder, or `gs://bucket/folder`.

    Raises:
        InputError: The address is neither.
    """
    if not address.startswith("gs://"):
        return Ledger(address)
    # Here, since the client library takes a second to import, and a folder does without it.
    from transforms.ledger.gcs import GcsLedger

    return GcsLedger(address)
