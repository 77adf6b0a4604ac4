# Two commands matter: `make demo` and `make test`. Both bring what they need;
# everything stays inside this folder (.tools, .venv) and uv's own cache.

UV := .tools/bin/uv
# With the Python that .ci/bootstrap found, unless UV_PYTHON names another; none is downloaded.
ENTER = UV_PYTHON="$${UV_PYTHON:-$$(readlink -f .tools/bin/python)}" $(UV) run --frozen
RUN = @$(ENTER) --all-extras

.PHONY: help demo test lint types layers check coverage torture fuzz bench clean

help:
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

$(UV): .ci/bootstrap
	@sh .ci/bootstrap

demo: $(UV)  ## the story of a skill, told on this terminal in under a minute
	@$(ENTER) --quiet --no-dev --extra registry spm demo

test: $(UV)  ## the whole test suite
	@sh .ci/test-packages
	$(RUN) pytest -n auto

lint: $(UV)  ## format and lint, changing nothing
	$(RUN) ruff format --check
	$(RUN) ruff check

types: $(UV)  ## both type checkers, strict
	$(RUN) mypy
	$(RUN) pyright

layers: $(UV)  ## what may import what
	$(RUN) lint-imports

check: lint types layers  ## lint, types and layers

coverage: export COVERAGE_PROCESS_START := $(CURDIR)/pyproject.toml
coverage: export COVERAGE_FILE := $(CURDIR)/.coverage
coverage: $(UV)  ## the test suite with branch coverage, of the programs it starts too
	@rm -f .coverage .coverage.*
	-$(RUN) pytest -n auto  # tests of imports and of other users fail while they are traced
	$(RUN) coverage combine --quiet
	$(RUN) coverage report

MINUTES ?= 1
torture: $(UV)  ## many processes on one store, killed at random, for MINUTES=1
	$(RUN) python -m tests.torture --minutes $(MINUTES)

fuzz: $(UV)  ## hostile bytes for every decoder, for MINUTES=1 each
	@for target in package directory bundle; do \
	  $(ENTER) --all-extras --group fuzz python -m tests.fuzz $$target --seconds $$((60 * $(MINUTES))) || exit 1; \
	done

bench: $(UV)  ## every benchmark, each beside its peer or physical limit
	@for file in $$(grep -l __main__ bench/*.py); do echo "== $$file"; $(ENTER) --all-extras python $$file || exit 1; done

clean:  ## remove what the other commands brought
	rm -rf .tools .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
