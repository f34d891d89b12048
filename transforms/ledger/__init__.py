"""The ledger: every response ever received, durable before it is used, and bought once."""

from transforms.ledger.folder import Ledger, LedgerWriter
from transforms.ledger.migrate import DerivedRequests, Migration
from transforms.ledger.protocol import LedgerLike, LostAttempt, ReaderLike, WriterLike
from transforms.ledger.reader import LedgerReader, RequestOutcome

__all__ = [
    "Ledger",
    "LedgerLike",
    "LedgerReader",
    "LedgerWriter",
    "LostAttempt",
    "ReaderLike",
    "RequestOutcome",
    "WriterLike",
    "migrate_ledger",
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


def verify_ledger(address: str) -> tuple[int, list[str]]:
    """Reads every entry of a ledger, and compares its checksum.

    Args:
        address: A folder, or `gs://bucket/folder`.

    Returns:
        How many responses are intact, and every damage in words.

    Raises:
        InputError: It is no ledger, or cannot be read.
        StillroomError: The bucket cannot be reached.
    """
    if not address.startswith("gs://"):
        from transforms.ledger.damage import verify_folder

        return verify_folder(Ledger(address))
    from transforms.ledger.gcs import GcsLedger

    return GcsLedger(address).reader(any_scheme=True).verify()


def accept_loss(address: str, run_id: str) -> list[str]:
    """Marks all damage of a ledger as accepted, and returns it in words; see `damage.accept_loss`.

    In a bucket there is nothing to accept: its listing names every entry, and one that cannot be
    read is an error with the object's name.
    """
    if address.startswith("gs://"):
        return []
    from transforms.ledger.damage import accept_loss as accept

    return accept(Ledger(address), run_id)


def migrate_ledger(address: str, run_id: str, derived: DerivedRequests) -> Migration:
    """Gives every response of a ledger the id of today's scheme; see `migrate.py`.

    Args:
        address: A folder, or `gs://bucket/folder`.
        run_id: The name of this migration, for those who find the ledger locked.
        derived: Finds the new text of requests that name others.

    Raises:
        LedgerBusy: A run is writing to the ledger.
        InputError: It is no ledger, cannot be written, or waits for batches.
        StillroomError: An entry is damaged, or the bucket cannot be reached.
    """
    if not address.startswith("gs://"):
        from transforms.ledger.migrate_folder import migrate_folder

        return migrate_folder(Ledger(address), run_id, derived)
    from transforms.ledger.gcs import GcsLedger
    from transforms.ledger.migrate_gcs import migrate_bucket

    return migrate_bucket(GcsLedger(address), run_id, derived)
