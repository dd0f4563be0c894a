"""The words of attention sinks."""

from inspector.detectors.shown import Term

GU = "Gu et al. 2024, When Attention Sink Emerges in Language Models, arXiv 2410.10781"
XIAO = "Xiao et al. 2023, Efficient Streaming Language Models with Attention Sinks, arXiv 2309.17453"

TERMS = {
    "received attention": Term(
        "Received attention",
        "The share of attention that the queries from a token on give to it, on average.",
        "α_k = 1/(T−k) · Σ_{q ≥ k} A[q, k]",
        GU,
    ),
    "attention sink": Term(
        "Attention sink",
        "A token, mostly the first, that a head attends to when it has nothing to look for.",
        "α_k > ε, with ε = 0.3 over the first 64 tokens",
        XIAO,
    ),
    "dormant sink": Term(
        "Dormant sink",
        "A head that is a sink in some texts and not in most: active there, dormant elsewhere.",
        "mean α_k ≤ ε, and α_k > ε in at least two texts and one in twenty",
        "Guo et al. 2024, Active-Dormant Attention Heads, arXiv 2410.13835",
    ),
    "learned sink": Term(
        "Learned sink",
        "A logit of a head that takes part in its softmax and is no token: attention on it goes nowhere.",
        "1 − Σ_k A[q, k]",
        "OpenAI 2025, gpt-oss-120b & gpt-oss-20b Model Card, arXiv 2508.10925",
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
}
