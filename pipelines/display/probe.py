"""Prints what is known of routes after they were asked for their lists of models."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from transforms.asking.probe import Probe, ProbeState

_SENTENCES = {
    ProbeState.LISTED: "answers; the key was not refused; {model} is listed",
    ProbeState.NOT_LISTED: "answers; the key was not refused; {model} is not listed{near}",
    ProbeState.NO_LIST: "answers; it offers no list of models",
    ProbeState.ERROR: "answers with an error",
    ProbeState.NO_MONEY: "the account's money is used up",
    ProbeState.KEY_REFUSED: "refuses the key",
    ProbeState.KEY_MISSING: "has no key",
    ProbeState.UNREACHABLE: "cannot be reached",
    ProbeState.EMBEDDED: "is in this process: nothing to ask",
    ProbeState.DENIED: "was not asked: the terms refuse it",
}


def print_probes(probes: Sequence[Probe], out: Console) -> None:
    """Prints a line for each route; one that surely cannot be asked in red."""
    if not probes:
        out.print("no route has requests to send, so none was asked for its models")
    for probe in probes:
        plain = probe.state in (ProbeState.LISTED, ProbeState.NO_LIST, ProbeState.EMBEDDED)
        colour = "red" if probe.fails else "green" if plain else "yellow"
        out.print(f"[{colour}]{escape(probe.route)}[/{colour}]  {escape(_sentence(probe))}")


def _sentence(probe: Probe) -> str:
    near = f"; near: {', '.join(probe.near)}" if probe.near else ""
    sentence = _SENTENCES[probe.state].format(model=probe.model, near=near)
    place = f" ({probe.url})" if probe.url else ""
    return f"{sentence}{place}" + (f": {probe.detail}" if probe.detail else "")
