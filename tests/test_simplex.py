"""The decoding family: each member maximises what it says it does, and draws from exactly that distribution."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import Tensor

from inspector.errors import InputError
from inspector.hallucination.answers.samplers import GREEDY, SOFTMAX, SPARSEMAX, Member

MEMBERS = [
    SOFTMAX,
    Member("cool", 0.3),
    Member("top-k", 1.0, top_k=3),
    Member("top-p", 0.7, top_p=0.8),
    Member("both", 1.5, top_k=4, top_p=0.6),
    SPARSEMAX,
    Member("sparse and cool", 0.4, "square"),
    Member("sparse and wide", 5.0, "square"),
    Member("sparse on three", 3.0, "square", top_k=3),
]
MEMBER = st.sampled_from(MEMBERS)
LOGITS = st.lists(st.integers(-512, 512).map(lambda i: i / 64), min_size=2, max_size=7, unique=True)
"""Apart by more than rounding: which of two equal logits is among the top k is anybody's choice."""


def support(member: Member, logits: np.ndarray) -> np.ndarray:
    """S by its definition."""
    order = np.argsort(-logits)
    kept = order[: member.top_k]
    if member.top_p == 1:
        return np.sort(kept)
    shares = np.exp((logits[kept] - logits.max()) / member.strength)
    reached = np.cumsum(shares / shares.sum())
    count = 1 + int((reached < member.top_p - 1e-12).sum())
    return np.sort(kept[:count])


@settings(deadline=None, max_examples=150)
@given(MEMBER, LOGITS, st.integers(0, 2**31))
def test_no_distribution_on_the_support_does_better(member: Member, values: list[float], seed: int) -> None:
    logits = torch.tensor([values], dtype=torch.float64)
    q = member.distribution(logits)
    allowed = support(member, logits[0].numpy())
    assert float(q.sum()) == pytest.approx(1) and float(q.min()) >= 0
    assert set(q[0].nonzero().squeeze(1).tolist()) <= set(allowed.tolist())
    rng = np.random.default_rng(seed)
    others = np.zeros((200, len(values)))
    others[:, allowed] = rng.dirichlet(np.full(len(allowed), rng.choice([0.1, 1.0])), size=200)
    near = 0.9 * q.numpy() + 0.1 * others
    best = float(member.objective(q, logits)[0])
    for rival in (others, near):
        found = member.objective(torch.from_numpy(rival), logits.expand(200, -1))
        assert float(found.max()) <= best + 1e-9


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
def test_an_optimiser_finds_the_same_distribution(member: Member) -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        logits = rng.normal(size=6) * 2
        allowed = support(member, logits)

        def loss(x: np.ndarray, logits: np.ndarray = logits, allowed: np.ndarray = allowed) -> float:
            q = np.zeros(6)
            q[allowed] = np.maximum(x, 1e-15)
            return -float(member.objective(torch.from_numpy(q[None]), torch.from_numpy(logits[None]))[0])

        start = np.full(len(allowed), 1 / len(allowed))
        one = {"type": "eq", "fun": lambda x: x.sum() - 1}
        found = minimize(loss, start, bounds=[(0, 1)] * len(start), constraints=[one], options={"ftol": 1e-14})
        q = member.distribution(torch.from_numpy(logits[None]))[0].numpy()
        assert q[allowed] == pytest.approx(found.x, abs=2e-4)


@settings(deadline=None, max_examples=150)
@given(LOGITS, st.floats(0.05, 20))
def test_sparsemax_is_the_projection_onto_the_simplex(values: list[float], strength: float) -> None:
    s = np.array(values) / strength
    low, high = s.min() - 1, s.max()
    for _ in range(200):  # the cut-off by bisection
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(s - middle, 0).sum() > 1 else (low, middle)
    q = Member("sparse", strength, "square").distribution(torch.tensor([values], dtype=torch.float64))
    assert q[0].numpy() == pytest.approx(np.maximum(s - high, 0), abs=1e-9)


@settings(deadline=None, max_examples=100)
@given(LOGITS, st.integers(-(10**4), 10**4))
def test_softmax_is_softmax_and_no_member_sees_a_constant(values: list[float], constant: int) -> None:
    logits = torch.tensor([values], dtype=torch.float64)
    assert torch.allclose(SOFTMAX.distribution(logits), logits.softmax(dim=-1), atol=1e-12)
    for member in MEMBERS:
        assert torch.allclose(member.distribution(logits), member.distribution(logits + constant), atol=1e-9)


def test_without_a_regulariser_the_largest_logit_has_all() -> None:
    logits = torch.randn(50, 30, generator=torch.Generator().manual_seed(0))
    q = GREEDY.distribution(logits)
    assert torch.equal(q.argmax(dim=-1), logits.argmax(dim=-1)) and float(q.amax(dim=-1).min()) == 1
    assert torch.equal(GREEDY.draw(logits, torch.rand(50)), logits.argmax(dim=-1))
    for omega in ("entropy", "square"):  # the limit of both
        assert torch.allclose(Member("cold", 1e-3, omega).distribution(logits), q, atol=1e-3)


@pytest.mark.parametrize("member", [GREEDY, *MEMBERS], ids=lambda member: member.name)
def test_over_a_grid_of_draws_each_token_comes_as_often_as_its_share_says(member: Member) -> None:
    grid = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    for row in 2 * torch.randn(4, 12, generator=torch.Generator().manual_seed(2)):
        counts = torch.bincount(member.draw(row.expand(4000, -1), grid), minlength=12)
        expected = 4000 * member.distribution(row.unsqueeze(0))[0]
        assert float((counts - expected).abs().max()) <= 1.001


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
def test_a_row_is_drawn_alone_as_it_is_among_others(member: Member) -> None:
    generator = torch.Generator().manual_seed(3)
    spreads = torch.tensor([[0.01], [0.1], [1.0], [10.0]]).repeat(5, 1)
    logits, draws = spreads * torch.randn(20, 40, generator=generator), torch.rand(20, generator=generator)
    together: Tensor = member.draw(logits, draws)
    alone = [int(member.draw(logits[i : i + 1], draws[i : i + 1])[0]) for i in range(20)]
    assert together.tolist() == alone


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"strength": -1.0}, "strength"),
        ({"strength": float("inf")}, "strength"),
        ({"strength": float("nan")}, "strength"),
        ({"strength": 1.0, "top_k": 0}, "top_k"),
        ({"strength": 1.0, "top_p": 0.0}, "top_p"),
        ({"strength": 1.0, "top_p": 0.5, "omega": "square"}, "top_p"),
    ],
)
def test_a_member_out_of_range_is_refused_by_name(options: dict, name: str) -> None:
    with pytest.raises(InputError, match=f"{name} is .* out of range for 'mine'"):
        Member("mine", **options)


def test_a_support_is_said_in_words() -> None:
    assert [m.support for m in MEMBERS[:5]] == ["all", "all", "top 3", "p 0.8", "top 4, p 0.6"]
