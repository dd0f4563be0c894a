"""The words of massive activations."""

from inspector.detectors.shown import Term

SUN = "Sun et al. 2024, Massive Activations in Large Language Models, arXiv 2402.17762"
LIFE = "Sun, Canziani, LeCun, Zhu 2026, arXiv 2603.05498"

TERMS = {
    "massive activation": Term(
        "Massive activation",
        "A single number of the residual stream that is thousands of times larger than is usual in its layer.",
        "|x| > 100  and  |x| ≥ 1000 × median |x| of the layer",
        SUN,
    ),
    "life cycle": Term(
        "Life cycle",
        "One block writes the spike (step-up), the stream keeps it, a later block cancels it (step-down).",
        "plateau: the layers between, where the dim keeps at least half of its peak",
        LIFE,
    ),
    "direct contributor": Term(
        "Direct contributor",
        "What adds to a dim in the step-up block: attention, the MLP, and of the MLP single neurons, by their direct "
        "contribution. What makes those neurons fire is another question.",
        "neuron j adds  z_j · W_out[j, dim]",
        LIFE,
    ),
}
