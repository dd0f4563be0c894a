"""Fixtures: planted and tiny models, and the real embedded one."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import fixtures_types  # noqa: F401  # before the package
import pytest
import torch
from fixtures_tiny import loaded
from hypothesis import settings

from inspector.detectors.sinks import detector as sinks
from inspector.hallucination.probe import k_curve
from inspector.models import Model, embedded, load_model
from inspector.testing import PlantedSink, PlantedSpike, planted_model

pytest_plugins = ("fixtures_cli", "fixtures_runs", "fixtures_study", "fixtures_browser")
"""The files whose fixtures any test may ask for by name."""

os.environ["HF_HUB_OFFLINE"] = "1"
settings.register_profile("ci", derandomize=True)
if os.environ.get("INSPECTOR_CI"):
    settings.load_profile("ci")  # what was right yesterday and wasn't touched is right today
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)  # a worker a core; more threads would wait for each other

k_curve.DRAWS = 3  # of 20: they are most of a small study's time; test_selection tries all
sinks.CONTROL_TEXTS = 4  # of 16: they are most of a small scan's time; test_real_model reads all

TOGETHER = {
    "the real model": (
        "tests/test_study.py",
        "tests/test_own_answers.py",
        "tests/test_real_model.py",
        "tests/test_long_answers.py",
        "tests/test_generation.py",
        "tests/test_docs.py",
    ),
    "a verified scan": ("tests/test_verifying.py", "tests/ui/", "tests/e2e/"),
    "a comparison of decoders": ("tests/test_family.py",),
    "a scan in shards": ("tests/test_merging.py",),
    "a long corpus": ("tests/test_corpora.py",),
    "plugins on the path": ("tests/test_plugin_package.py",),
}
"""Files whose tests share what takes seconds to make."""

SPIKES = (PlantedSpike(layer=2, dim=5), PlantedSpike(layer=4, dim=9, value=-3000.0))
SINKS = (PlantedSink(layer=1, head=2), PlantedSink(layer=3, head=0))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """What takes seconds to make is made by one worker, and it begins with that; other tests go to whoever is free."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((group for group, files in TOGETHER.items() if nodeid.startswith(files)), nodeid)

    return Scheduling(config, log)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test passes without a network: connecting anywhere but to this machine is an error."""
    connect = socket.socket.connect

    def local_only(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "localhost"
        if host not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"the network is off in tests (wanted {address})")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", local_only)


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip installed the plugins: a whole detector, and those that are broken in one part each."""
    folder, here = tmp_path_factory.mktemp("plugins"), Path(__file__).parent
    sources = tmp_path_factory.mktemp("sources")
    for name in ("plugin_package", "plugin_package_broken"):
        shutil.copytree(here / name, sources / name)  # building leaves files behind
    packages = [str(one) for one in sorted(sources.iterdir())]
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *packages]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode and not os.environ.get("INSPECTOR_CI"):
        pytest.skip(f"pip can't install the plugins here: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def planted() -> Model:
    """A model with `SPIKES` and `SINKS` written into its weights."""
    return planted_model(SPIKES, SINKS)


@pytest.fixture(scope="session")
def unplanted() -> Model:
    """The same model with nothing written into it."""
    return planted_model()


@pytest.fixture(scope="session")
def llama() -> Model:
    """A tiny random Llama."""
    return loaded("LlamaForCausalLM")


@pytest.fixture(scope="session")
def smollm2() -> Model:
    """The real embedded model."""
    if embedded.gguf_path() is None:
        if os.environ.get("CI"):
            pytest.fail(f"CI lacks the embedded model. {embedded.INSTALL}")
        pytest.skip(f"the embedded model is not installed: {embedded.INSTALL}")
    return load_model()
