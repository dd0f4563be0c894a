"""Draw the README's and the pages' pictures: python -m docs.picture RUN STUDY FOLDER (needs kaleido and Chromium)."""

import sys
from pathlib import Path

from plotly.subplots import make_subplots

from inspector.figures import FONT, life_cycle, sink_map
from inspector.run.report import open_run


def draw(run: str, file: str) -> None:
    """Life cycle and sink map of one run, side by side."""
    report = open_run(run)
    left = life_cycle(report.frame("massive.layers"), report.frame("massive.plateaus"))
    right = sink_map(report.frame("sinks.heads"))
    titles = [f"<b>{figure.layout.title.text.replace('<br>', ' ')}</b>" for figure in (left, right)]
    both = make_subplots(rows=1, cols=2, column_widths=[0.58, 0.42], horizontal_spacing=0.09, subplot_titles=titles)
    for column, figure in enumerate((left, right), start=1):
        for trace in figure.data:
            both.add_trace(trace, row=1, col=column)
        both.update_xaxes(title=figure.layout.xaxis.title.text, row=1, col=column)
        both.update_yaxes(title=figure.layout.yaxis.title.text, row=1, col=column)
    for shape in left.layout.shapes:
        both.add_shape(shape.update(yref="y domain"), row=1, col=1)
    for note in left.layout.annotations:
        if note.yref != "paper":
            both.add_annotation(note, row=1, col=1)
    both.update_yaxes(type="log", dtick=1, row=1, col=1)
    both.update_xaxes(range=left.layout.xaxis.range, row=1, col=1)
    both.update_xaxes(dtick=1, row=1, col=2)
    both.update_annotations(font_size=14, selector={"yref": "paper"})
    both.update_layout(template="plotly_white", font={"family": FONT, "size": 13}, margin={"t": 60, "b": 50, "r": 20})
    both.write_image(file, width=1300, height=430, scale=1.5)


def draw_single(run: str, study: str, folder: Path) -> None:
    """The figures of the page on phenomena."""
    folder.mkdir(exist_ok=True)
    scanned, asked = open_run(run), open_run(study)
    drawn = {
        "life_cycle": scanned.figure("massive.life_cycle"),
        "sink_map": scanned.figure("sinks.map"),
        "scores": asked.figure("hneurons.predictors"),
    }
    for name, figure in drawn.items():
        figure.update_layout(template="plotly_white", font={"family": FONT, "size": 14})
        figure.write_image(folder / f"{name}.png", width=1000, height=430, scale=1.5)


if __name__ == "__main__":
    draw(sys.argv[1], str(Path(sys.argv[3]) / "demo.png"))
    draw_single(sys.argv[1], sys.argv[2], Path(sys.argv[3]) / "pictures")
