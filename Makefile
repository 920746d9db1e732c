# The two commands: `make demo` and `make test`. Everything happens inside $(VENV).

PYTHON ?= python3
VENV ?= .venv
PIP = $(VENV)/bin/python -m pip install --quiet --constraint constraints.txt
RUN = $(VENV)/bin/python -m

.PHONY: demo test claims bench docs lint format wheel-test clean

demo: $(VENV)/.installed
	$(RUN) tesserec demo

test: $(VENV)/.test lint
	TESSEREC_SCREENSHOTS=$(CURDIR)/screenshots $(RUN) pytest tests -n 2 --dist loadfile
	$(MAKE) wheel-test

# Slow checks of what papers claim, on real data (TESSEREC_DATA says where); they renew docs/methods.
claims: $(VENV)/.test
	$(RUN) pytest tests/claims -m claims -p no:xdist --durations=0 $(ARGS)

# Ratios against peers that are installed here; see benchmarks/README.md.
bench: $(VENV)/.test
	$(RUN) benchmarks.run $(ARGS)

docs: $(VENV)/.test
	$(VENV)/bin/python scripts/make_docs.py

lint: $(VENV)/.test
	$(VENV)/bin/ruff check src tests benchmarks scripts
	$(VENV)/bin/ruff format --check src tests benchmarks scripts
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/.test
	$(VENV)/bin/ruff check --fix src tests benchmarks scripts
	$(VENV)/bin/ruff format src tests benchmarks scripts

# A wheel, installed into an empty environment, runs the demo outside of the source tree.
wheel-test: $(VENV)/.test
	rm -rf dist build
	$(RUN) build --wheel --outdir dist .
	$(VENV)/bin/python scripts/try_wheel.py dist

# Torch comes first, pinned, so that no resolver brings another build of it. For the CPU build where
# the default index has the one for GPUs: make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	$(PIP) --editable .
	touch $@

$(VENV)/.test: $(VENV)/.installed
	$(PIP) --editable ".[test,all]"
	touch $@

clean:
	rm -rf $(VENV) dist build runs .mypy_cache .ruff_cache .pytest_cache .hypothesis
