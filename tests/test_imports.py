"""What is imported when: a saved run opens without torch, and `import inspector` is cheap."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "transformers", "transformer_lens", "streamlit")


def loaded_after(code: str) -> set[str]:
    """Which heavy modules this code leaves imported."""
    script = f"{code}\nimport sys; print(*[m for m in {HEAVY!r} + ('pandas', 'numpy', 'typer') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split("\n")[-2].split())


def test_importing_inspector_imports_next_to_nothing() -> None:
    assert loaded_after("import inspector") == set()


def test_modules_for_saved_runs_never_import_torch() -> None:
    modules = ("sites", "stats", "records", "run.disk", "run.tables", "figures", "run.report", "show.html")
    code = "; ".join(f"import inspector.{module}" for module in (*modules, "show.sentences"))
    assert not loaded_after(code) & set(HEAVY)


def test_a_saved_run_is_opened_judged_and_drawn_without_torch(tmp_path: Path) -> None:
    from inspector import examine
    from inspector.testing import planted_model, random_texts

    examine(planted_model(), random_texts(4, 64, 80)).save(tmp_path / "run")
    code = (
        f"import inspector; r = inspector.open_run({str(tmp_path / 'run')!r}); r.judge(massive={{'ratio': 5}});"
        "[r.frame(n) for n in r.frames()]; from inspector.show.figures import figures; figures(r)"
    )
    assert not loaded_after(code) & set(HEAVY)


def test_every_public_name_can_be_had() -> None:
    import inspector

    for name in inspector.__all__:
        assert getattr(inspector, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'detectr'"):
        inspector.detectr  # noqa: B018


def test_commands_that_need_no_model_import_no_torch() -> None:
    # One process for all: what one of them imported would still be there after the last.
    code = (
        "import sys\nfrom inspector.cli.main import main\n"
        "for words in (['--help'], ['runs', '--help'], ['detectors'], ['models']):\n"
        "    sys.argv = ['inspector', *words]\n"
        "    try: main()\n    except SystemExit: pass"
    )
    assert not loaded_after(code) & set(HEAVY)
