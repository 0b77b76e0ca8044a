# The targets with a line each: make
# Settings, such as `make serve PORT=9000`:
#   PYTHON=python3.12   the Python that .venv is made with (default: the newest of 3.11 to 3.13)
#   HOST, PORT          where `make serve` listens
#   BENCH=--quick       options of `make bench`; BENCH=--help lists them
#   TORCH_INDEX=        where PyTorch comes from, see docker/install.py (empty: with CUDA)

# Not from the environment, where conda and csh have a HOST of their own.
HOST := 127.0.0.1
PORT := 8000

VENV := .venv
BIN := $(VENV)/bin
# A stamp is newer than what was installed from: nothing to do, and pip is not even started.
SERVICE := $(VENV)/.installed-service
DEV := $(VENV)/.installed-dev
SAGEMAKER := $(VENV)/.installed-sagemaker
TOOLKIT := $(VENV)/toolkit
LOCKED := pyproject.toml constraints.txt

SLOW := slow or browser or s3 or aws
# Each process loads torch: more of them than this would cost more memory than they save time.
SIDE_BY_SIDE := --numprocesses logical --maxprocesses 4

SAMPLE := tests/samples/ankle-boot.png

.DEFAULT_GOAL := help
# All install into the same .venv.
.NOTPARALLEL:
.PHONY: help serve test test-slow test-docker test-all bench lint format lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Settings, such as PORT=9000 or PYTHON=python3.12, are listed on top of the Makefile."

serve: $(SERVICE) ## Start the service on http://127.0.0.1:8000 (PORT=, HOST= for others)
	@echo
	@echo 'Starting the service. Once it logs "ready", try one of these (Ctrl-C stops it):'
	@echo "  the page     http://$(HOST):$(PORT)/"
	@echo "  one image    curl -F file=@$(SAMPLE) http://$(HOST):$(PORT)/predict"
	@echo
	@GARMENT_HOST=$(HOST) GARMENT_PORT=$(PORT) exec $(BIN)/python -m app

test: $(DEV) ## Run the fast tests
	$(BIN)/pytest $(SIDE_BY_SIDE) --dist worksteal

# By file, whose tests share servers; those that measure speed, each alone.
test-slow: $(SAGEMAKER) ## Run the slow tests, those with Chromium, a real S3 server, and SageMaker
	$(BIN)/pytest $(SIDE_BY_SIDE) --dist loadfile -m '$(SLOW)' --ignore tests/benchmarks
	$(BIN)/pytest -m '$(SLOW)' tests/benchmarks

# By file as well, and in the order of their names: by default those of few tests come last, of which
# some take minutes.
test-docker: $(DEV) ## Build the images and run them (needs a Docker engine)
	$(BIN)/pytest $(SIDE_BY_SIDE) --dist loadfile --no-loadscope-reorder -m docker

test-all: test test-slow test-docker ## Run all tests

bench: $(DEV) ## Compare the speed with LitServe's and FastAPI's, about 10 minutes (BENCH=--quick)
	$(BIN)/python tests/benchmarks/serving $(BENCH)

lint: $(DEV) ## Check style, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(DEV) ## Format the code and fix what can be fixed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# CUDA's packages are left out: PyTorch itself pins those that it needs.
lock: $(BIN)/python ## Renew constraints.txt: the newest versions that pyproject.toml allows
	$(BIN)/python -m pip install --quiet uv
	@{ \
		echo '# Made by `make lock` from pyproject.toml: every extra, Python 3.11 to 3.13,'; \
		echo '# Linux and macOS. Used as: pip install --constraint constraints.txt ...'; \
		$(BIN)/uv pip compile pyproject.toml --quiet --upgrade --all-extras \
			--universal --fork-strategy fewest --python-version 3.11 \
			--no-header --no-annotate --no-emit-index-url > $(VENV)/lock.txt \
		&& grep -vE '^(nvidia|cuda|triton)' $(VENV)/lock.txt; \
	} > $(VENV)/constraints.txt
	mv $(VENV)/constraints.txt constraints.txt

clean: ## Delete .venv and what the tools left behind
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find app training tests docker -name __pycache__ -type d -prune -exec rm -rf {} +

$(SERVICE): $(LOCKED) $(BIN)/python
	$(BIN)/python docker/install.py --editable .
	@touch $@

# The tests' packages include the service's, so its stamp is renewed too.
$(DEV): $(LOCKED) $(BIN)/python
	$(BIN)/python docker/install.py --editable '.[dev]'
	@touch $(SERVICE) $@

# SageMaker's SDK, and in a venv of its own what AWS's containers run a tuning's trials with: it
# pins versions of others' packages. It sees the packages of the first for all else.
$(SAGEMAKER): $(DEV)
	$(BIN)/python docker/install.py --editable '.[dev,sagemaker]'
	$(BIN)/python -m venv --clear $(TOOLKIT)
	$(TOOLKIT)/bin/python docker/install.py sagemaker-training==5.1.4
	$(TOOLKIT)/bin/python docker/install.py --no-deps sagemaker-pytorch-training==3.0.0
	folder='import sysconfig; print(sysconfig.get_path("purelib"))'; \
		$(BIN)/python -c "$$folder" > "$$($(TOOLKIT)/bin/python -c "$$folder")/project.pth"
	@touch $@

$(BIN)/python:
	@for python in $(or $(PYTHON),python3.13 python3.12 python3.11 python3); do \
		if $$python -c 'import ensurepip, sys, venv; \
			sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2> /dev/null; then \
			echo "Making $(VENV) with $$($$python --version) ($$python)"; \
			$$python -m venv --clear $(VENV); \
			exit; \
		fi; \
	done; \
	echo "$(or $(PYTHON),No python3.13, python3.12, python3.11): not found, or without venv." >&2; \
	echo "Install Python 3.11 to 3.13 with venv (Debian, Ubuntu: apt install python3-venv)," >&2; \
	echo "or name another: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; \
	exit 1
