"""Damage runs at random and see what comes of it: `python -m tests.fuzz --count 5000 --seed 1`."""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))


def main() -> None:
    from fuzz.runs import every
    from fuzz.trial import Outcome, trial

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="How many damaged runs.")
    parser.add_argument("--seed", type=int, default=0, help="Of the first; the others count up from it.")
    parser.add_argument("--run", type=Path, action="append", help="Damage this run instead; may be repeated.")
    parser.add_argument("--kept", type=Path, help="Where the whole runs are kept, to start sooner the next time.")
    parser.add_argument("--trace", action="store_true", help="Print a traceback of each kind of fault.")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="Stop after so long.")
    parser.add_argument("--used", type=float, default=1.0, help="Share of the runs that open which is used and drawn.")
    given = parser.parse_args()
    scratch = Path(tempfile.mkdtemp())
    runs = given.run or _kept(given.kept or scratch / "whole", every)
    found: dict[str, list[Outcome]] = defaultdict(list)
    started = time.monotonic()
    (scratch / "one").mkdir()
    for seed in range(given.seed, given.seed + given.count):
        if time.monotonic() - started > given.seconds:
            break
        one = trial(runs, seed, scratch / "one", given.used)
        found[one.how].append(one)
    shutil.rmtree(scratch)
    done = sum(map(len, found.values()))
    print(f"{done} damaged runs, seeds {given.seed} to {given.seed + done - 1}, {time.monotonic() - started:.0f} s")
    for how, ones in sorted(found.items(), key=lambda item: -len(item[1])):
        slowest = max(one.seconds for one in ones)
        seeds = ", ".join(str(one.seed) for one in ones[:8])
        first = "" if ones[0].good else f"; seeds {seeds}; the first: {ones[0].run}, {ones[0].damage}"
        print(f"{len(ones):6d}  {how} (slowest {slowest:.1f} s){first}")
        if given.trace and not ones[0].good:
            print(ones[0].detail)
    said = Counter(one.detail.split("': ", 1)[-1][:60] for one in found.get("refused", []))
    for words, count in said.most_common(8):
        print(f"        {count:6d}  {words}")
    raise SystemExit(any(not ones[0].good for ones in found.values()))


def _kept(folder: Path, make) -> list[Path]:  # type: ignore[no-untyped-def]
    if folder.is_dir():
        return sorted(path for path in folder.iterdir() if path.is_dir())
    folder.mkdir(parents=True)
    return make(folder)  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
