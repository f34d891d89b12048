"""Asking through a provider's batch API: many requests in one job, at a lower price.

    intents ── still open ─▶ job found ───┐
                                          ├─▶ poll ▶ results ▶ ledger ▶ settled
    budget ▶ guard ▶ INTENT ▶ submit ▶ id ┘

An intent is written beside the ledger before a job is submitted, and settled after the job's
results are in the ledger. So after a kill at any moment, the next run knows what may have been
submitted: it finds the job, collects it, and pays for none of its requests twice.

    protocols.py   what the two batch APIs have in common; each has a module of its own
    results.py     one line of a result file
    intents.py     what a job will contain, written before it is submitted
    chunks.py      the requests of one job
    client.py      the calls to the provider
    submit.py      makes a job of a chunk
    search.py      finds the job of an intent whose submission got no answer
    collect.py     stores results in the ledger
    batch_loop.py  asks one route
"""

# The module of each API that has batches.
MODULES = {"openai-chat": "openai_batches", "anthropic-messages": "anthropic_batches"}


def has_batches(api: str) -> bool:
    """Returns whether an API has batches."""
    return api in MODULES
