"""Asking through a provider's batch API: many requests in one job, at a lower price.

    intents ── still open ─▶ found again ─┐
                                          ├─▶ poll ▶ results ▶ ledger ▶ settled
    budget ▶ guard ▶ INTENT ▶ submit ▶ id ┘

An intent is noted beside the ledger before a job is submitted, and settled after its results are
in the ledger. So whenever a run is killed, the next one knows what may have been ordered: it finds
the job again, collects it, and orders nothing of it a second time.

    protocols.py   the two APIs, each in a module of its own
    results.py     one line of a result file
    intents.py     what was ordered, and how that is kept
    chunks.py      requests on their way into one job
    provider.py    the calls
    submit.py      a chunk becomes a job
    search.py      the job of an intent whose submission was not seen to end
    collect.py     results into the ledger
    batch_loop.py  asks one route
"""

# The module of each API that has batches.
MODULES = {"openai-chat": "openai_batches", "anthropic-messages": "anthropic_batches"}


def has_batches(api: str) -> bool:
    """Tells whether a route's API has batches."""
    return api in MODULES
