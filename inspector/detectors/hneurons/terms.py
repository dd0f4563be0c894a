"""The words of hallucination neurons."""

from inspector.detectors.shown import Term

GAO = "Gao et al. 2025, H-Neurons, arXiv 2512.01797"

TERMS = {
    "CETT": Term(
        "CETT",
        "A neuron's share of what its MLP writes at a token.",
        "|z_j| · ‖W_out[j]‖ / ‖z · W_out‖",
        GAO,
    ),
    "candidate": Term(
        "Candidate hallucination neuron",
        "A neuron whose CETT raises the risk that an answer is incorrect, in most bootstraps and on held-out answers. "
        "It predicts; whether it causes anything, only an intervention can tell.",
        "weight > 0, stability ≥ 0.5, q < 0.05",
        GAO,
    ),
    "AUROC": Term(
        "AUROC",
        "How often a score ranks an incorrect answer above a correct one: 0.5 is chance, 1 is perfect.",
        "P(score of an incorrect answer > score of a correct one)",
        "Hanley, McNeil 1982",
    ),
    "risk": Term(
        "Risk",
        "The probe's probability that an answer is incorrect, where incorrect and correct ones are equally many.",
        "1 / (1 + exp(−log-odds))",
        GAO,
    ),
}
