"""The field's words, in plain ones: those that every screen uses, and those that detectors bring."""

from inspector.detectors.base import load_judges
from inspector.detectors.shown import Term

OURS = {
    "residual stream": Term(
        "Residual stream",
        "The list of numbers, one list for each token, that every block of the model reads and adds to. Each number is "
        "a dim. x is its value after a block.",
        paper="Elhage et al. 2021, A Mathematical Framework for Transformer Circuits",
    ),
    "matched random control": Term(
        "Matched random control",
        "The same change done to another of its kind, chosen at random among those nearest in size. A change "
        "means something only if it does more than its controls do.",
        "p = (1 + controls that change as much) / (1 + controls)",
        "the project's own design",
    ),
    "loss": Term(
        "Loss",
        "How surprised the model is by the next token, in nats: lower is better; 1 more is 2.7 times as surprised.",
        "−ln p(next token), mean over tokens",
    ),
    "KL": Term(
        "Divergence (KL)",
        "How far the changed model's predictions are from the unmodified model's, in nats; 0 is no difference.",
        "Σ p · ln(p / p′)",
        "Kullback, Leibler 1951",
    ),
}


def terms() -> dict[str, Term]:
    """Every word by its name."""
    brought = [getattr(judge, "terms", {}) for judge in load_judges()[0]]
    return OURS | {name: term for one in brought for name, term in one.items()}
