"""The code that recreates a view in a notebook."""

from collections.abc import Mapping

from dashboards.state import View
from inspector.figures.drawing import Drawing


def code(view: View, *lines: str) -> str:
    """A notebook cell: open the run (or repeat the live scan), judge it as here, and draw."""
    return "\n".join(["import inspector", "", *opened(view), "", *lines])


def drawn(view: View, drawing: Drawing) -> str:
    """A notebook cell that ends in a figure."""
    return code(view, drawing.imports, "", drawing.code)


def drawn_of_two(views: Mapping[str, View], drawing: Drawing) -> str:
    """A notebook cell that ends in a figure of several runs, each under its name."""
    lines = [line for name, view in views.items() for line in opened(view, name)]
    return "\n".join(["import inspector", drawing.imports, "", *lines, "", drawing.code])


def opened(view: View, name: str = "report") -> list[str]:
    """Lines that end with the run under this name, under the thresholds in force."""
    judged = view.report.settings.get("thresholds", {})
    again = ", ".join(f"{detector}={dict(values)!r}" for detector, values in judged.items() if values)
    lines = [f"{name} = inspector.open_run({view.key[0]!r})"] if view.saved else _scan(view, name)
    return [*lines, *([f"{name} = {name}.judge({again})"] if again else [])]


def model(view: View) -> str:
    """A line that loads the run's model from where the visitor said it is, else by its name."""
    card = view.report.card
    revision = f", revision={card['revision']!r}" if card.get("revision") else ""
    return f"model = inspector.load_model({view.place or card['name']!r}, dtype={card['dtype']!r}{revision})"


def fed(view: View, text: int) -> list[str]:
    """Lines that load the model, unless the live scan did, and take the tokens of one text."""
    of_text = f'fed = report.frame("tokens").query("text == {text}").sort_values("position")'
    return [*([model(view)] if view.saved else []), of_text]


def _scan(view: View, name: str) -> list[str]:
    """A live scan once more, on exactly the same input tokens."""
    tokens = view.report.tokens
    texts: dict[int, list[int]] = {}
    for text, token in zip(tokens["text"].tolist(), tokens["id"].tolist(), strict=True):
        texts.setdefault(text, []).append(token)
    detectors = list(view.report.settings["detectors"])
    return [
        model(view),
        f"texts = {list(texts.values())!r}  # token ids, exactly as the model received them",
        f"{name} = inspector.examine(model, texts, {detectors!r})",
    ]
