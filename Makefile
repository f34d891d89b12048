# `make demo` and `make test` each set up all they need; a fresh machine needs Python 3.11 and make.
PYTHON ?= python3.11
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
INSTALL := $(UV) pip install --quiet --python $(BIN)/python
COMPILE = $(UV) pip compile pyproject.toml --quiet --python-version 3.11 \
	--generate-hashes --no-header --no-annotate

# Some environments forbid bytecode: then each process would compile every module that it imports.
export PYTHONDONTWRITEBYTECODE :=

# Real servers of other projects, each in an environment of its own: nothing of theirs is ours.
SERVERS := .servers

.PHONY: demo test test-servers check format lint types lock schemas clean

demo: $(VENV)/.demo
	@$(BIN)/stillroom run examples/demo/run.yaml
	@$(BIN)/stillroom verify examples/demo/corpora/demo

test: $(VENV)/.dev
	$(BIN)/pytest -n auto --dist loadgroup

# Runs against LiteLLM and llama-cpp-python, which builds llama.cpp from source, and the longer ones
# with the embedded teacher: some five minutes.
test-servers: $(VENV)/.dev $(SERVERS)/litellm/.done $(SERVERS)/llama-cpp-python/.done
	$(BIN)/pytest -m servers

check: test format lint types

format: $(VENV)/.dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.dev
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

# Resolves the dependencies anew. The worker's set is the largest, so the others follow it.
lock: $(UV)
	$(COMPILE) --upgrade --extra gcp --extra embedded --extra redis --extra maths --extra secrets -o requirements-worker.lock
	$(COMPILE) --extra embedded -c requirements-worker.lock -o requirements.lock
	$(COMPILE) --extra embedded --extra redis --group dev -c requirements-worker.lock -o requirements-dev.lock

# What is committed of the models of run files, registries and terms: JSON Schemas and reference pages.
schemas: $(VENV)/.dev
	$(BIN)/python -m schemas.inputs.reference
	$(BIN)/python -m transforms.dialects.page
	$(BIN)/python -m transforms.filters.reference
	$(BIN)/python infra/flex_template.py > infra/flex_template.json

clean:
	rm -rf $(VENV) $(SERVERS) examples/demo/corpora examples/demo/ledger

$(UV):
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)

# Without our configuration: it keeps llama-cpp-python out of our own environment.
$(SERVERS)/%/.done: tests/servers/%.lock $(UV)
	$(UV) --no-config venv --quiet --clear --python $(PYTHON) $(SERVERS)/$*
	CMAKE_ARGS="-DLLAVA_BUILD=OFF -DLLAMA_BUILD_COMMON=OFF -DGGML_LLAMAFILE=OFF" \
		$(UV) --no-config pip install --quiet --python $(SERVERS)/$*/bin/python --require-hashes -r $<
	@touch $@

$(VENV)/.demo: $(UV) requirements.lock pyproject.toml
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(UV) requirements-dev.lock pyproject.toml
	$(INSTALL) --require-hashes -r requirements-dev.lock
	$(INSTALL) --no-deps --editable .
	@touch $@
