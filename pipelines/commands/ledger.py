"""The ledger's commands, `stillroom ledger …`, without Beam."""

from __future__ import annotations

import base64
import json
import secrets
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.arguments import AsJson
from pipelines.display.console import console, print_json
from schemas.errors import InputError

if TYPE_CHECKING:
    from collections import Counter

    from transforms.ledger import ReaderLike
    from transforms.limits.totals import TotalsByDay, UsageTotals

_ledger = typer.Typer(
    help="Show, export, verify, compact and migrate a ledger, and retry what is final.",
    no_args_is_help=True,
)

Address = Annotated[str, typer.Argument(metavar="LEDGER", help="The ledger's folder, or gs://….")]


def register(app: typer.Typer) -> None:
    """Adds the ledger's commands to the command line.

    Args:
        app: The whole command line.
    """
    _ledger.command()(stats)
    _ledger.command()(compact)
    _ledger.command()(export)
    _ledger.command()(verify)
    _ledger.command()(migrate)
    _ledger.command()(retry)
    app.add_typer(_ledger, name="ledger")


def stats(address: Address, as_json: AsJson = False) -> None:
    """Show requests, tokens and cost by route, model and day."""
    from transforms.limits.totals import usage_totals

    totals = usage_totals(_open(address))
    if as_json:
        print_json(_as_json(totals))
    else:
        from pipelines.display.ledger import print_totals

        print_totals(totals, _total(totals), console())


def compact(address: Address) -> None:
    """Merge all segments into one. Nothing is dropped. Stop all runs on the ledger first."""
    from transforms.ledger import Ledger
    from transforms.ledger.compact import compact as merge

    _check_exists(address)
    ledger = Ledger(address)
    merged = merge(ledger, f"compact-{secrets.token_hex(3)}")
    sys.stdout.write(f"merged {merged} segments\n" if merged else "there is nothing to merge\n")


def export(
    address: Address,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file to write; stdout by default.")
    ] = None,
) -> None:
    """Write every response with its request, one JSON object per line."""
    from transforms.storage.files import translate_os_errors, write_parts

    lines = _lines(_open(address))
    if to is None:
        sys.stdout.buffer.writelines(lines)
        sys.stdout.buffer.flush()
        return
    with translate_os_errors(
        lambda error: InputError(
            "the export cannot be written", where=str(to), found=error.strerror or str(error)
        )
    ):
        write_parts(to, lines)


def verify(address: Address, as_json: AsJson = False) -> None:
    """Read every entry and compare its checksum. Exits with 1 if anything is damaged or missing."""
    from transforms.ledger import verify_ledger

    _check_exists(address)
    intact, damage = verify_ledger(address)
    if as_json:
        print_json({"ok": not damage, "responses": intact, "damage": damage})
    else:
        sys.stdout.writelines(f"{sentence}\n" for sentence in damage)
        sys.stdout.write(f"{intact} responses are intact\n")
    if damage:
        raise typer.Exit(1)


def migrate(address: Address, as_json: AsJson = False) -> None:
    """Give every response the id that this version looks up. Nothing is lost; safe to repeat.

    Needed once after an update that changes the ids of requests. Stop all runs on the ledger first.
    """
    from transforms.judging.renamed import Judgements
    from transforms.ledger import migrate_ledger

    _check_exists(address)
    done = migrate_ledger(address, f"migrate-{secrets.token_hex(3)}", Judgements())
    if as_json:
        counts = {
            "requests": done.requests,
            "migrated": len(done.new_ids),
            "left": done.left,
            "not_answers": done.not_answers,
        }
        print_json(counts)
        return
    if done.not_answers:
        sys.stdout.write(f"stored as answers, but none, so asked again: {done.not_answers}\n")
    if not done.requests:
        sys.stdout.write("the ledger has the ids of this version: nothing to migrate\n")
        return
    sys.stdout.write(f"migrated {len(done.new_ids)} of {done.requests} requests\n")
    if done.left:
        sys.stdout.write(f"left under their old ids, to be asked again: {len(done.left)}\n")
        sys.stdout.writelines(f"  {name}: {reason}\n" for name, reason in done.left.items())


def retry(
    place: Annotated[
        str, typer.Argument(metavar="LEDGER|RUN", help="The ledger, or a run file that names it.")
    ],
    reason: Annotated[
        str | None,
        typer.Option(metavar="R", help="A reason from the list; without it, the list is shown."),
    ] = None,
    route: Annotated[
        str | None, typer.Option(metavar="ROUTE", help="Only requests to this route.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show how many requests it would be.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Have later runs ask again what was final: refused prompts and answers that cannot be read.

    The answers stay in the ledger. They count until something else has come.
    """
    from transforms.asking import set_aside
    from transforms.clock import Clock
    from transforms.ledger import open_ledger

    address = _ledger_of(place)
    if reason is not None and not dry_run:
        name = f"retry-{secrets.token_hex(3)}"
        _check_exists(address)
        count = set_aside.retry(open_ledger(address), name, reason, route=route, clock=Clock())
    else:
        found = set_aside.find_reasons(_open(address, any_scheme=False), route)
        if reason is None:
            _print_reasons(found.final, as_json)
            return
        set_aside.check_reason(found, reason)
        count = found.final[reason]
    if as_json:
        print_json({"reason": reason, "route": route, "requests": count, "dry_run": dry_run})
    else:
        done = "would be asked again" if dry_run else "will be asked again by the next run"
        console().print(f"{count} requests with {reason} {done}")


def _print_reasons(reasons: Counter[str], as_json: bool) -> None:
    if as_json:
        print_json({"reasons": dict(reasons.most_common())})
        return
    for reason, count in reasons.most_common():
        console().print(f"{count:>9,}  {reason}", markup=False)
    if not reasons:
        console().print("nothing: each request is answered, or asked again by the next run")


def _ledger_of(place: str) -> str:
    """Returns the address of a ledger, or of the one that a run file names."""
    if "://" in place or not Path(place).is_file():
        return place
    from schemas.inputs.run_file import load_run

    return load_run(Path(place))[0].ledger


def _open(address: str, *, any_scheme: bool = True) -> ReaderLike:
    from transforms.ledger import open_ledger

    ledger = open_ledger(address)
    _check_exists(address)
    return ledger.reader(any_scheme=any_scheme)


def _check_exists(address: str) -> None:
    """Raises InputError for a path without a ledger, which would read as an empty one."""
    if "://" not in address and not Path(address).is_dir():
        raise InputError("there is no such ledger", found=address, expected="a ledger's folder")


def _lines(reader: ReaderLike) -> Iterator[bytes]:
    for response in reader.since(0):
        fields: dict[str, Any] = asdict(response)
        body: bytes = fields.pop("body")
        try:
            fields["body"] = body.decode()
        except UnicodeDecodeError:
            fields["body_base64"] = base64.b64encode(body).decode()
        entry = {"request": reader.request(response.request_id), "response": fields}
        # ASCII, since a prompt may hold half a surrogate pair, which UTF-8 cannot.
        yield json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def _as_json(totals: TotalsByDay) -> dict[str, Any]:
    rows = [
        {"route": route, "model": model, "day": day, **account.as_json()}
        for (route, model, day), account in totals.items()
    ]
    return {"rows": rows, "total": _total(totals).as_json()}


def _total(totals: TotalsByDay) -> UsageTotals:
    from transforms.limits.totals import UsageTotals

    total = UsageTotals()
    for account in totals.values():
        total += account
    return total
