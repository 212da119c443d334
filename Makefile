# Needs make and Python >= 3.11, nothing else: each target makes what it needs.
PYTHON ?= python3
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ROOMS := agents common envs representations runs
# Tests whose results come from torch's kernels.
NUMERIC := $(wildcard tests/representations/test_*.py)

TOOLS := .tools

.PHONY: help demo test test-all test-lowest test-cluster test-portable check format types bench reliability docs dist sbom newcomer axe picture clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else \
	  "anysense needs Python >= 3.11, got %d.%d: choose another with make PYTHON=python3.11" % v[:2])'
	@echo "Installing into $(VENV) (once; torch is a large download)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $(STAMP)

demo: $(STAMP) ## collect, pretrain, train and evaluate: an agent that acts on sound alone
	$(BIN)/anysense demo $(ARGS)

test: $(STAMP) ## run every test, in two processes
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --ignore tests/cluster $(ARGS)

test-all: $(STAMP) ## the tests with every Python from 3.11 to 3.14 that is there; says which are absent
	$(BIN)/python -m bench.release interpreters $(ARGS)

test-lowest: $(STAMP) ## some tests with the lowest versions that pyproject.toml allows (needs uv)
	$(BIN)/python -m bench.release lowest $(ARGS)

test-cluster: $(STAMP) ## jobs on Ray and by SLURM, trainings in two processes, on this machine; installs Ray (240 MB)
	@$(BIN)/python -c 'import ray' 2>/dev/null || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[ray]" || \
	  echo "Ray could not be installed; the tests on a Ray cluster are skipped." >&2
	$(BIN)/python -m pytest -rs tests/cluster $(ARGS)

test-portable: $(STAMP) ## the numeric tests once more, with the code that torch has for older processors
	for level in default avx2; do ATEN_CPU_CAPABILITY=$$level $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder \
	  -p no:cacheprovider --durations=3 --quiet $(NUMERIC) $(ARGS) || exit 1; done

check: $(STAMP) types ## formatting, lint and strict types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	MYPYPATH=.types $(BIN)/mypy -p anysense

format: $(STAMP) ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Type checkers do not follow the import hook of an editable install: show them the package as a folder of links.
types:
	@mkdir -p .types/anysense
	@for room in $(ROOMS); do ln -sfn ../../$$room .types/anysense/$$room; done
	@for file in __init__.py __main__.py py.typed; do ln -sfn ../../anysense/$$file .types/anysense/$$file; done

bench: $(STAMP) ## measure speed: help, environment, encoding, pretraining, training, DCA, retrieval
	for part in help env encode pretrain train mhd mosei dca retrieval kernels; do $(BIN)/python -m bench $$part $(ARGS) || exit 1; done

reliability: $(STAMP) ## kills, full disks, hostile files, wrong calls, long use: writes docs/reliability.md (an hour)
	$(BIN)/python -m bench.reliability $(ARGS)

docs: $(STAMP) types ## build the site of the docs into out/site; a broken link is an error
	@$(BIN)/python -c 'import mkdocs, mkdocstrings' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# What builds and checks a release, apart from what the package needs.
$(TOOLS)/.installed: bench/release/tools.txt
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check -r bench/release/tools.txt
	@touch $@

dist: $(STAMP) $(TOOLS)/.installed ## build sdist and wheel, check both, and use the wheel from an empty environment and folder
	rm -rf dist build *.egg-info
	$(TOOLS)/bin/python -m build --outdir dist . >/dev/null
	$(TOOLS)/bin/twine check --strict dist/*
	$(TOOLS)/bin/check-wheel-contents dist/*.whl
	$(BIN)/python -m bench.release wheel dist $(ARGS)

sbom: $(TOOLS)/.installed ## list what constraints.txt pins as a CycloneDX bill of materials, dist/sbom.json
	@mkdir -p dist
	$(TOOLS)/bin/cyclonedx-py requirements --pyproject pyproject.toml --mc-type library --output-reproducible --output-format JSON --output-file dist/sbom.json constraints.txt

newcomer: dist ## seconds from pip install to a video of an agent that acts on sound
	$(BIN)/python -m bench.release newcomer dist $(ARGS)

axe: ## fetch axe-core, with which the tests look at the page of a report as a browser shows it (needs npm)
	rm -rf .axe && mkdir .axe
	npm pack --silent --pack-destination .axe axe-core@4.14.1 >/dev/null
	tar -xzf .axe/axe-core-*.tgz -C .axe package/axe.min.js package/LICENSE

picture: $(STAMP) ## draw the pictures of the README and the guides
	$(BIN)/python -m bench.acting docs/img/in-the-dark.gif
	$(BIN)/python -m bench.picture docs/img/episode.png
	$(BIN)/python -m bench.volume_picture docs/img/gram-volume.png

clean: ## remove the environment and all caches, but never out/
	rm -rf $(VENV) $(TOOLS) .types .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
