"""Time and peak memory of a scan, beside a bare forward and TransformerLens' cache of the same sites.

Each contender runs in a process of its own, so that its peak resident memory is its own, and the
contenders take turns, so that a slow minute of the machine hits all of them. The forward under
test is run once to warm up on a short text. What counts is the ratio to the bare forward, the
median over rounds.

    python -m benchmarks.scan [--rounds N]
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

SHAPES = ((8, 1024), (1, 4096), (1, 8192))
CONTENDERS = ("bare forward", "scan", "run_with_cache")
TARGETS = {(8, 1024): (1.2, 1.3), (1, 4096): (1.7, 1.5), (1, 8192): (2.0, 1.5)}


def texts(batch: int, length: int) -> list[list[int]]:
    """Real tokens: the built-in texts one after another, cut to this shape."""
    from transformers import AutoTokenizer

    from inspector.texts import built_in

    tokenizer = AutoTokenizer.from_pretrained(weights())
    ids = [i for text in built_in() for i in tokenizer(text)["input_ids"]]
    while len(ids) < batch * length:
        ids += ids
    return [ids[row * length : (row + 1) * length] for row in range(batch)]


def weights() -> str:
    """The embedded model's folder of dequantised weights."""
    from inspector.models import embedded

    gguf = embedded.gguf_path()
    if gguf is None:
        raise SystemExit(f"The benchmark needs the embedded model: {embedded.INSTALL}")
    return str(embedded.dequantised(gguf, embedded.SHA256))


def bare_forward() -> Callable[[list[list[int]]], Any]:
    """Plain transformers: scaled-dot-product attention, no unembedding, no cache, one batch."""
    import torch
    from transformers import AutoModelForCausalLM

    hf = AutoModelForCausalLM.from_pretrained(weights(), dtype=torch.float32, attn_implementation="sdpa").model.eval()

    def run(ids: list[list[int]]) -> None:
        with torch.no_grad():
            hf(input_ids=torch.tensor(ids), use_cache=False)

    return run


def scan() -> Callable[[list[list[int]]], Any]:
    """Both detectors on the same tokens, evidence included; the control inputs are other tokens."""
    from inspector import load_model
    from inspector.batches import batches, tokenise
    from inspector.detectors.base import load_detectors
    from inspector.models.observe import forecast, observe

    model = load_model(device="cpu")

    def run(ids: list[list[int]]) -> None:
        rows = tokenise(None, ids, bos=None, window=model.shape.context)
        reducers = [detector.reducer(model) for detector in load_detectors(["massive", "sinks"])]
        observe(model, batches(rows, forecast(model, rows).tokens_per_batch), reducers)
        for reducer in reducers:
            reducer.evidence()

    return run


def run_with_cache() -> Callable[[list[list[int]]], Any]:
    """TransformerLens' cache of the sites that the scan reads."""
    import torch

    from inspector import load_model

    bridge = load_model(device="cpu").bridge
    wanted = ("hook_resid_post", "hook_attn_out", "hook_mlp_out", "mlp.hook_post", "attn.hook_pattern", "ln1.hook_out")

    def run(ids: list[list[int]]) -> None:
        with torch.no_grad():
            bridge.run_with_cache(torch.tensor(ids), names_filter=lambda name: name.endswith(wanted), return_type=None)

    return run


MAKE = dict(zip(CONTENDERS, (bare_forward, scan, run_with_cache), strict=True))


def child(contender: str, batch: int, length: int) -> None:
    """Measure one contender and print its seconds and its peak resident bytes."""
    ids = texts(batch, length)
    run = MAKE[contender]()
    run([ids[0][:64]])
    start = time.perf_counter()
    run(ids)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "bytes": peak}))


def measured(contender: str, batch: int, length: int) -> dict[str, float]:
    """One process's measurement, or its failure as infinities."""
    command = [sys.executable, "-m", "benchmarks.scan", "--child", contender, str(batch), str(length)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"  {contender} failed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return {"seconds": float("inf"), "bytes": float("inf")}
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=3, metavar=("CONTENDER", "BATCH", "LENGTH"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.child[0], int(args.child[1]), int(args.child[2]))
        return
    for batch, length in SHAPES:
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
        for number in range(args.rounds):
            for name in CONTENDERS[: 3 if number == 0 else 2]:  # the cache takes minutes, and one round tells
                rounds[name].append(measured(name, batch, length))
        limit_time, limit_memory = TARGETS[(batch, length)]
        print(
            f"\n{batch} x {length} tokens, {args.rounds} rounds; targets for the scan: "
            f"{limit_time} x time, {limit_memory} x memory"
        )
        print(f"  {'':<16}{'seconds':>9}{'x bare':>8}{'peak GB':>10}{'x bare':>8}")
        for name in CONTENDERS:
            cells = []
            for key, scale in (("seconds", 1.0), ("bytes", 1e9)):
                mine = [r[key] for r in rounds[name]]
                ratios = [r[key] / b[key] for r, b in zip(rounds[name], rounds[CONTENDERS[0]], strict=False)]
                cells += [statistics.median(mine) / scale, statistics.median(ratios)]
            print(f"  {name:<16}{cells[0]:>9.1f}{cells[1]:>8.2f}{cells[2]:>10.2f}{cells[3]:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
