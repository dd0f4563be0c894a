"""Run apart, as a process that can be ended: a tokenizer's own patterns on a probe text.

Takes a tokenizer.json on standard input, without its vocabulary. Knows nothing of the rest of the package, so that it
starts in a tenth of a second.
"""

import sys

from tokenizers import Tokenizer

PROBE = [
    "The old bridge crosses the river twice a day, said Ada, and nobody asked why (it has 2 ends). " * 20,
    "Straße, naïve façade; Ещё один текст. 春が来た。 नमस्ते دنیا 🙂\r\n\tdef f(x): return x ** 2  # done\n",
    *(character * 300 for character in "ae 0-.,_\n\t/é春"),
]
MEMORY = 2 << 30
"""Bytes that it may take."""


def main() -> None:
    """Normalise, split and decode the probe; what fails ends the process with an error."""
    try:
        import resource
    except ImportError:  # Windows
        pass
    else:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        tokenizer = Tokenizer.from_str(sys.stdin.buffer.read().decode())
    except Exception:
        return  # loading it says what is wrong
    for text in PROBE:
        if tokenizer.normalizer is not None:
            text = tokenizer.normalizer.normalize_str(text)
        parts = [text]
        if tokenizer.pre_tokenizer is not None:
            parts = [part for part, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]
        if tokenizer.decoder is not None:
            tokenizer.decoder.decode(parts)


if __name__ == "__main__":
    main()
