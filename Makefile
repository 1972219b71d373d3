# Everything a fresh machine needs: Python >= 3.11, make and PyPI. `make help` lists the targets.
PYTHON ?= python3
BIN := .venv/bin
PRODUCTION := .venv/.requirements
DEVELOPERS := .venv/.requirements-dev
# uv from the PATH, or else from a folder that goes away again: 55 MB, with the pip that gets it, that nothing else needs.
GET_UV := tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && PATH="$$PATH:$$tools/bin" && { command -v uv >/dev/null || \
    { $(PYTHON) -m venv "$$tools" && "$$tools/bin/python" -m pip install --quiet --disable-pip-version-check uv; }; }
# Python keeps what it has compiled of the packages. Without that, every command costs twice as much.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run pages dev test test-nightly test-spark bench lint lint-python lint-types lint-sql lint-definitions \
    format translations screenshots docs lock audit clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(firstword $(wildcard $(DEVELOPERS)) $(PRODUCTION)) ## make .venv and install what the pipeline needs, pinned

setup-dev: $(DEVELOPERS) ## the same, with what tests, linters and benchmarks need; it stays until `make clean`

# All bytecode is 200 MB and used by tests; production compiles what it imports, half of that, when it is first imported.
.venv/.%: %.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 setup")'
	@test -x $(BIN)/python || $(PYTHON) -m venv --without-pip .venv
	@echo "Installing $< into .venv"
	@$(GET_UV) && \
	uv pip sync --quiet --python $(BIN)/python --require-hashes $(if $(findstring dev,$*),--compile-bytecode) $< && \
	uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

run: setup ## make the demo company's deliveries, run the whole pipeline on them, print the scorecard
	$(BIN)/python -m demo_company
	$(BIN)/python -m pipelines run

pages: setup ## the pages for people who read KPIs, on http://127.0.0.1:3003
	$(BIN)/python -m pipelines pages

dev: setup ## the Dagster UI on http://127.0.0.1:3000, with schedule and sensors
	$(BIN)/python -m pipelines dev

# Tests wait for the disk as often as for the processor, unless their folders are in memory.
IN_MEMORY := $(if $(TMPDIR),,$(shell free=$$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1); \
    [ "$${free:-0}" -gt 8000000 ] && echo TMPDIR=/dev/shm))

# In the order of the files: long tests come first, and short ones keep both workers busy to the end.
test: setup-dev ## all tests
	$(IN_MEMORY) $(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder

test-nightly: setup-dev ## a million rows; faults at each step; docs/tour.md; a daemon that alerts; hundreds of generated histories of deliveries
	$(BIN)/python -m pytest -m nightly
	$(BIN)/python -m pytest --hypothesis-profile nightly tests/integration/test_incremental_equals_full_refresh.py \
	    tests/integration/test_nothing_rejected_is_published.py

# An environment of its own: where PySpark is installed, processes that tests fork end when they import Great Expectations.
test-spark: .venv-spark/.requirements ## the same numbers on Spark as on DuckDB, on a cluster of this machine; needs Java 17
	$(IN_MEMORY) .venv-spark/bin/python -m pytest -m spark tests/spark
	$(IN_MEMORY) TEST_ENGINE=spark .venv-spark/bin/python -m pytest tests/integration/test_broken_deliveries.py \
	    $(addprefix tests/realdata/test_,olist_orders.py olist_funnel.py cdnow.py nps_airlines.py nps_dedup.py)

.venv-spark/.requirements: requirements-spark.lock pyproject.toml
	@test -x .venv-spark/bin/python || $(PYTHON) -m venv --without-pip .venv-spark
	@$(GET_UV) && \
	uv pip sync --quiet --python .venv-spark/bin/python --require-hashes --compile-bytecode $< && \
	uv pip install --quiet --python .venv-spark/bin/python --no-deps --editable .
	@touch $@

bench: setup-dev ## what a day costs beside others, dbt over plain SQL, grains, checks, answers, how many drafts are right, growth (SCALE=1: a tenth)
	$(BIN)/python -m benchmarks.dbt_overhead
	$(BIN)/python -m benchmarks.quality
	$(foreach scale,$(or $(SCALE),1 10),SCALE=$(scale) $(BIN)/python -m benchmarks.answers &&) true
	$(foreach scale,$(or $(SCALE),1 10),SCALE=$(scale) $(BIN)/python -m benchmarks.pages &&) true
	$(BIN)/python -m pytest --quiet --capture=no -m "nightly or not nightly" tests/unit/onboarding/test_corpus.py
	SCALE=$(or $(SCALE),10) $(BIN)/python -m benchmarks.peers
	$(foreach scale,$(or $(SCALE),1 10),SCALE=$(scale) $(BIN)/python -m benchmarks.growth &&) true

lint: setup-dev ## ruff, mypy, sqlfluff, and that Dagster can load every definition
	@$(MAKE) --no-print-directory --keep-going --jobs 2 lint-python lint-types lint-sql lint-definitions

# mypy uses one core, and takes as long as the others together.
lint-python:
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

lint-types:
	$(BIN)/python -m mypy

lint-sql:
	$(BIN)/python -m sqlfluff lint dbt_project/models dbt_project/tests tests/realdata

lint-definitions:
	$(BIN)/python -m pipelines validate

format: setup-dev ## rewrite Python and SQL in the house style
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .
	$(BIN)/python -m sqlfluff fix dbt_project/models dbt_project/tests tests/realdata

translations: setup-dev ## the words of the pages: new ones are added to the catalogues, untranslated, and old ones removed
	cd pipelines/pages && \
	../../$(BIN)/pybabel -q extract --no-location --sort-output --mapping translations/babel.cfg -k N_ -k text -k counted:1,2 \
	    --output translations/messages.pot . && \
	../../$(BIN)/pybabel -q update --ignore-obsolete --no-fuzzy-matching --omit-header -w 110 -l pl -i translations/messages.pot \
	    --output-file translations/pl.po && rm translations/messages.pot

screenshots: setup-dev ## pictures of the pages for the documentation, from the demo company in `data/`
	$(BIN)/python docs/screenshots.py

docs: setup-dev ## the documentation as a site with search, site/index.html, which needs no network
	rm -rf site
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --conf-dir docs . site

lock: ## pin the newest versions that pyproject.toml allows
	@$(GET_UV) && compile="uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 --upgrade" && \
	$$compile --custom-compile-command 'make lock' pyproject.toml --output-file requirements.lock && \
	$$compile --custom-compile-command 'make lock' pyproject.toml --output-file requirements-dev.lock \
	    --group dev --constraints requirements.lock && \
	$$compile --custom-compile-command 'make lock' pyproject.toml --output-file requirements-spark.lock \
	    --extra spark --group dev --constraints requirements-dev.lock

audit: setup-dev ## dependencies: pinned by hash, licences, whether they fit together, known vulnerabilities (asks pypi.org)
	$(BIN)/python -m pytest --quiet tests/unit/test_dependencies.py
	@$(GET_UV) && uv pip check --quiet --python $(BIN)/python && \
	uv tool run pip-audit --strict --disable-pip --require-hashes --requirement requirements-dev.lock

clean: ## remove what was made: environment, data, build output
	rm -rf .venv .venv-spark data site dbt_project/target dbt_project/logs .mypy_cache .pytest_cache .ruff_cache
