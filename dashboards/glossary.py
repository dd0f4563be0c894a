"""The field's words, in plain ones: what each means, its formula, and where it comes from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A word, what it means, its formula where it has one, and the paper that brought it."""

    name: str
    plain: str
    formula: str
    paper: str


SUN = "Sun et al. 2024, Massive Activations in Large Language Models, arXiv 2402.17762"
LIFE = "Sun, Canziani, LeCun, Zhu 2026, arXiv 2603.05498"
GU = "Gu et al. 2024, When Attention Sink Emerges in Language Models, arXiv 2410.10781"
XIAO = "Xiao et al. 2023, Efficient Streaming Language Models with Attention Sinks, arXiv 2309.17453"
GAO = "Gao et al. 2025, H-Neurons, arXiv 2512.01797"

TERMS = {
    "residual stream": Term(
        "Residual stream",
        "The list of numbers, one list a token, that every block of the model reads and adds to. Each number is a "
        "dim. x is its value after a block.",
        "",
        "Elhage et al. 2021, A Mathematical Framework for Transformer Circuits",
    ),
    "massive activation": Term(
        "Massive activation",
        "A single number of the residual stream that is thousands of times larger than is usual in its layer.",
        "|x| > 100  and  |x| ≥ 1000 × median |x| of the layer",
        SUN,
    ),
    "life cycle": Term(
        "Life cycle",
        "One block writes the spike (step-up), the stream carries it, a later block takes it back (step-down).",
        "plateau: the layers between, where the dim keeps at least half of its peak",
        LIFE,
    ),
    "writer": Term(
        "Writer",
        "What adds to a dim in the step-up block: attention, the MLP, and of the MLP single neurons, by their direct "
        "contribution. What makes those neurons fire is another question.",
        "neuron j adds  z_j · W_out[j, dim]",
        LIFE,
    ),
    "received attention": Term(
        "Received attention",
        "The share of attention that the queries from a token on give to it, on average.",
        "α_k = 1/(T−k) · Σ_{q ≥ k} A[q, k]",
        GU,
    ),
    "attention sink": Term(
        "Attention sink",
        "A token, mostly the first, where a head parks its attention when it has nothing to look for.",
        "α_k > ε, with ε = 0.3 over the first 64 tokens",
        XIAO,
    ),
    "sink rate": Term(
        "Sink rate",
        "The share of texts, layers and heads in which a key is a sink.",
        "mean of 1[α_k > ε]",
        GU,
    ),
    "attention entropy": Term(
        "Entropy of attention",
        "How widely a head spreads its attention. Low, with the mass on one early key, is a sink; high is not.",
        "−Σ_k A[q, k] · ln A[q, k]",
        GU,
    ),
    "CETT": Term(
        "CETT",
        "A neuron's share of what its MLP writes at a token.",
        "|z_j| · ‖W_out[j]‖ / ‖z · W_out‖",
        GAO,
    ),
    "candidate": Term(
        "Candidate hallucination neuron",
        "A neuron whose CETT raises the risk that an answer is made up, in most bootstraps and on held-out answers. It "
        "predicts; whether it causes anything, only an intervention can tell.",
        "weight > 0, stability ≥ 0.5, q < 0.05",
        GAO,
    ),
    "AUROC": Term(
        "AUROC",
        "How often a score ranks a made-up answer above a right one: 0.5 is chance, 1 is perfect.",
        "P(score of a made-up answer > score of a right one)",
        "Hanley, McNeil 1982",
    ),
    "risk": Term(
        "Risk",
        "The probe's probability that an answer is made up, where made-up and right ones are equally many.",
        "1 / (1 + exp(−log-odds))",
        GAO,
    ),
    "twin": Term(
        "Random twin",
        "The same change done to another of its kind, as near in size as there is, that nobody suspects. A change "
        "means something only if it does more than its twins do.",
        "p = (1 + twins that change as much) / (1 + twins)",
        "the project's own design",
    ),
    "loss": Term(
        "Loss",
        "How surprised the model is by the next token, in nats: lower is better; 1 more is 2.7 times as surprised.",
        "−ln p(next token), mean over tokens",
        "",
    ),
    "KL": Term(
        "Divergence (KL)",
        "How far the changed model's predictions are from the untouched model's, in nats; 0 is no difference.",
        "Σ p · ln(p / p′)",
        "Kullback, Leibler 1951",
    ),
}
