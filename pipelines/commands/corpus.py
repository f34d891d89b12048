"""The commands for a published corpus. They need no Beam, no network and no teacher."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipelines.commands.arguments import AsJson, CorpusPath, MaxAge, On, RegistryPath, day_of
from pipelines.display.console import console, print_json

if TYPE_CHECKING:
    from transforms.auditing.audit import Audit
    from transforms.corpus.read import Corpus

DENIED = 3  # the exit code of a no


def register(app: typer.Typer) -> None:
    """Adds the commands to the command line.

    Args:
        app: The whole command line.
    """
    app.command()(verify)
    app.command()(explain)
    app.command()(audit)
    app.command()(withdraw)
    app.command("release-check")(release_check)
    app.command()(report)
    app.command()(index)
    app.command()(prune)


def verify(corpus: CorpusPath, as_json: AsJson = False) -> None:
    """Check offline that a corpus matches its manifest. Exits with 1 if it does not."""
    from schemas.files import unstructure
    from transforms.auditing.verify import verify as verify_corpus
    from transforms.corpus.bucket import local_corpus

    with local_corpus(corpus) as path:
        verification = verify_corpus(path)
    if as_json:
        print_json(unstructure(verification))
    else:
        from pipelines.display.corpus import print_verification

        print_verification(verification, console())
    if not verification.ok:
        raise typer.Exit(1)


def explain(
    corpus: CorpusPath,
    record_id: Annotated[str, typer.Argument(help="A record's id, or the beginning of it.")],
    as_json: AsJson = False,
) -> None:
    """Show the complete history of one record."""
    from schemas.files import unstructure
    from transforms.auditing.explain import explain as explain_record
    from transforms.corpus.bucket import local_corpus

    with local_corpus(corpus) as path:
        story = explain_record(path, record_id)
    if as_json:
        print_json(unstructure(story))
    else:
        from pipelines.display.corpus import print_explanation

        print_explanation(story, console())


def audit(
    corpus: CorpusPath,
    on: On = None,
    registry: RegistryPath = None,
    max_age_days: MaxAge = None,
    ids: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the ids of denied records to FILE, one per line."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the records that today's terms do not permit, and why. Exits with 3 if there are any."""
    from transforms.corpus.bucket import local_corpus
    from transforms.corpus.read import open_corpus

    with local_corpus(corpus) as path:
        opened = open_corpus(path)
        found = _audit(opened, registry, day_of(on), max_age_days)
        if ids:
            _write_ids(opened, found, ids)
    if as_json:
        print_json(found.as_json())
    else:
        from pipelines.display.corpus import print_audit

        print_audit(found, console())
    if found.denied or found.preferences_denied:
        raise typer.Exit(DENIED)


def withdraw(
    corpus: CorpusPath,
    where: Annotated[
        str,
        typer.Option(
            help="route=ID, document=ID, document=ID@VERSION, source=SOURCE, records=FILE, or"
            " audit: what `stillroom audit` denies."
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            metavar="NEW", help="A new folder, or that of the corpus: it gets a new version."
        ),
    ],
    on: On = None,
    registry: RegistryPath = None,
    max_age_days: MaxAge = None,
    as_json: AsJson = False,
) -> None:
    """Publish a corpus again without some records. No published version changes.

    Use --on, --registry and --max-age-days with `--where audit`.
    """
    from schemas.addresses import join_address
    from schemas.files import unstructure
    from transforms.auditing.select import select
    from transforms.auditing.withdraw import withdraw as withdraw_from
    from transforms.corpus.bucket import local_corpus
    from transforms.corpus.read import open_corpus

    with local_corpus(corpus) as path:
        opened = open_corpus(path)
        day = day_of(on)
        selection = select(opened, where, lambda: _audit(opened, registry, day, max_age_days))
        manifest = withdraw_from(opened, selection, to, datetime.now(UTC))
    summary = {
        "version": manifest.version,
        "folder": join_address(to, manifest.version),
        "parent": manifest.parent,
        "records": manifest.funnel.accepted,
        "removed": unstructure(manifest.removed),
    }
    if as_json:
        print_json(summary)
    else:
        from pipelines.display.corpus import print_withdrawal

        print_withdrawal(manifest, to, console())


def release_check(
    corpus: CorpusPath,
    student_name: Annotated[str, typer.Option(help="The name it is released under.")],
    student_license: Annotated[str, typer.Option(help="Its licence, an SPDX expression.")],
    card: Annotated[Path, typer.Option(metavar="FILE", help="Its model card.")],
    as_json: AsJson = False,
) -> None:
    """Check that a student's release meets the duties of its records. Exits with 1 if not."""
    from schemas.files import unstructure
    from transforms.auditing.release import release_check as check_release
    from transforms.corpus.bucket import local_corpus
    from transforms.corpus.read import open_corpus, read_bytes

    text = read_bytes(card).decode("utf-8", "replace")
    with local_corpus(corpus) as path:
        checks = check_release(open_corpus(path), student_name, student_license, text)
    met = all(check.met for check in checks)
    if as_json:
        duties = [
            {**unstructure(check.duty), **_without_duty(unstructure(check))} for check in checks
        ]
        print_json({"ok": met, "duties": duties})
    else:
        from pipelines.display.corpus import print_release

        print_release(checks, console())
    if not met:
        raise typer.Exit(1)


def report(corpus: CorpusPath) -> None:
    """Print the path of the HTML report of a corpus's newest version."""
    from schemas.addresses import is_address, join_address
    from schemas.errors import InputError
    from transforms.corpus.bucket import newest_in_bucket
    from transforms.corpus.read import REPORT, open_corpus

    if is_address(corpus):
        sys.stdout.write(f"{join_address(newest_in_bucket(corpus), REPORT)}\n")
        return
    path = open_corpus(Path(corpus)).folder / REPORT
    if not path.is_file():
        raise InputError(
            "the report is missing", where=str(path), remedy="publish the corpus again"
        )
    sys.stdout.write(f"{path}\n")


def index(
    corpus: CorpusPath,
    unit: Annotated[
        Literal["prompt", "completion", "pair"],
        typer.Option(help="The text that later runs compare."),
    ] = "completion",
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Replace an existing index.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the index that later runs compare their records with (`dedupe.against`)."""
    from schemas.addresses import is_address
    from schemas.errors import InputError
    from transforms.corpus.read import open_corpus
    from transforms.dedupe.index import index_folder, make_index, open_index

    if is_address(corpus):
        raise InputError(
            "an index can only be made beside a corpus on a disk",
            where=corpus,
            remedy="copy the corpus to a folder, as `gcloud storage cp -r` does",
        )
    opened = open_corpus(Path(corpus))
    made = rebuild or open_index(opened, unit) is None
    if made:
        make_index(opened, unit)
    summary = {
        "version": opened.manifest.version,
        "unit": unit,
        "folder": str(index_folder(opened, unit)),
        "records": opened.manifest.funnel.accepted,
        "made": made,
    }
    if as_json:
        print_json(summary)
    else:
        from pipelines.display.corpus import print_index

        print_index(summary, console())


def prune(
    corpus: CorpusPath,
    keep: Annotated[int, typer.Option(min=1, metavar="N", help="How many versions stay.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove old versions of a corpus. The newest N stay, the current one always."""
    from transforms.corpus.prune import prune as remove_old

    removed = remove_old(corpus, keep, dry=dry_run)
    if as_json:
        print_json({"removed": removed, "dry_run": dry_run})
        return
    verb = "would be removed" if dry_run else "removed"
    sys.stdout.writelines(f"{version} {verb}\n" for version in removed)
    if not removed:
        sys.stdout.write("there is nothing to remove\n")


def _without_duty(check: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in check.items() if key != "duty"}


def _audit(corpus: Corpus, registry: str | None, on: date, max_age_days: int | None) -> Audit:
    """Audits a corpus with today's catalogue and its run file's setting for unapproved readings."""
    from transforms.auditing.audit import audit as audit_corpus
    from transforms.guard.catalogue import load_catalogue, load_registry
    from transforms.guard.evaluate import Guard

    catalogue = load_catalogue()
    guard = Guard(
        catalogue,
        load_registry(registry, catalogue) if registry else None,
        unapproved=corpus.manifest.unapproved,
        max_age_days=max_age_days,
    )
    return audit_corpus(corpus, guard, on)


def _write_ids(corpus: Corpus, found: Audit, path: Path) -> None:
    from transforms.auditing.audit import denied_ids

    with path.open("w", encoding="ascii") as file:
        file.writelines(f"{record_id}\n" for record_id in denied_ids(corpus, found))
