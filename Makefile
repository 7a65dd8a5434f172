# Every target works on a machine that has only make and Python 3.11+: the first call makes a private .venv, later calls
# find its stamp and start at once. `make PYTHON=/path/to/python3.12 test` picks the interpreter.

PYTHON ?= $(shell .ci/find-python)
ARGS ?=
RUN := .venv/.ready-to-run
DEV := .venv/.ready-to-develop
HOUSE := tests/unit/test_import_direction.py tests/unit/test_tidy.py tests/unit/test_reachability.py

.DELETE_ON_ERROR:
.PHONY: help demo test lint bench metrics clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

demo: $(RUN) ## watch the slot grid trade on the built-in market; ARGS="--seconds 20 --json" are handed on
	@.venv/bin/millrace demo $(ARGS)

test: $(DEV) ## run the tests, the same examples every time; ARGS="-k ledger" are handed to pytest
	@.venv/bin/pytest --hypothesis-profile=ci $(ARGS)

lint: $(DEV) ## ruff, its formatter, mypy --strict, and the rules of the house
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/pytest $(HOUSE)

bench: $(DEV) ## measure; ratios to a calibration kernel of the same run, details in .benchmarks/
	@mkdir -p .benchmarks
	@.venv/bin/pytest tests/bench --benchmark-enable --benchmark-only --benchmark-json=.benchmarks/latest.json $(ARGS)

metrics: $(DEV) ## ask a real Prometheus every query of the dashboard (needs the Debian package prometheus)
	@.venv/bin/python .ci/check_metrics.py

clean: ## remove .venv, caches and measurements
	rm -rf .venv .benchmarks .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN): pyproject.toml uv.lock .ci/bootstrap.py
	@"$(PYTHON)" .ci/bootstrap.py run $@

$(DEV): pyproject.toml uv.lock .ci/bootstrap.py
	@"$(PYTHON)" .ci/bootstrap.py develop $@
