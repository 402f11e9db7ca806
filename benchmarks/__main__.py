"""`python -m benchmarks [names...] [--quick] [--json FILE] [--text FILE] [--rounds N]`; see README.md."""

from __future__ import annotations

import argparse
import datetime
import pathlib
import sys

import msgspec

from .contestants import available
from .driver import CASES, FULL, QUICK, measure
from .machine import facts
from .report import build, render
from .sandboxes import missing as absent

_RESULTS = pathlib.Path("bench-results")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(CASES)}; all when none is given")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"rounds that count; {FULL.rounds} unless quick")
    parser.add_argument("--json", type=pathlib.Path, default=_RESULTS / "benchmarks.json", metavar="FILE")
    parser.add_argument("--text", type=pathlib.Path, default=_RESULTS / "benchmarks.txt", metavar="FILE")
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(CASES):
        parser.error(f"there is no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    if given.rounds is not None and given.rounds < 1:
        parser.error("--rounds must be at least 1")
    sizes = QUICK if given.quick else FULL
    if given.rounds is not None:
        sizes = msgspec.structs.replace(sizes, rounds=given.rounds)
    machine = facts()
    runs = measure(given.names or CASES, sizes, say=_say)
    document = build(
        runs,
        date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        quick=given.quick,
        rounds=sizes.rounds,
        machine=machine,
        missing=available() | absent(),
    )
    text = render(document)
    data = msgspec.json.format(msgspec.json.encode(document))
    for path, content in ((given.json, data), (given.text, text.encode())):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    print(text, end="")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
