# Two commands for a newcomer: `make demo`, `make test`. `make` alone lists the rest.
#
#   PROFILE  docker: `make up` and `make down` by infra/compose
#   PYTHON   interpreter, 3.11 or 3.12           TORCH   cpu | auto | cu130 ...  which build of torch to install
#
# TORCH defaults to `auto` (the driver decides) where nvidia-smi answers, else to `cpu`: nobody downloads CUDA unasked.
# A folder of local wheels in PIP_FIND_LINKS is searched first, and then decides about torch too.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
TORCH ?= $(shell nvidia-smi >/dev/null 2>&1 && echo auto || echo cpu)
WHEELS := $(if $(UV_FIND_LINKS),$(UV_FIND_LINKS),$(PIP_FIND_LINKS))
TORCH_BUILD := $(if $(WHEELS),,$(if $(filter Linux,$(shell uname -s)),--torch-backend=$(TORCH)))
INSTALLED := $(VENV)/.installed
WORKERS ?= 2
RUN ?= demo

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(INSTALLED) ## a virtual environment in .venv with everything, pinned by constraints.txt

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if v in ((3, 11), (3, 12)) else \
		f"error: Python 3.11 or 3.12 is needed, $(PYTHON) is {v[0]}.{v[1]} (make PYTHON=python3.11 ...)")'
	@echo "installing into $(VENV) ($(if $(WHEELS),torch from local wheels if there,torch build: $(TORCH))) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.8
	@VIRTUAL_ENV=$(abspath $(VENV)) UV_FIND_LINKS="$(WHEELS)" $(BIN)/uv pip install --quiet $(TORCH_BUILD) \
		-c constraints.txt -e '.[airflow,containers,tracking,diffusion,scoring,report,test]'
	@touch $@

demo: install ## fine-tune the tiny policy with DDPO through the real DAG, and write the report
	@$(BIN)/ddpo run demo --run-id demo
	@page=$$($(BIN)/ddpo report demo --out demo-report.html) && echo "report: $$page"

test: install lint ## lint, types, import contracts, every test that needs no server
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not system" --durations=15

test-system: install ## whole campaigns, and real servers: Airflow, Ceph, PostgreSQL, an engine (DOCKER_HOST) with `make images`
	@$(BIN)/python -m pytest -m system --timeout=1800 --durations=10

lint: install ## ruff, mypy, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

images: ## the container images, from the last commit, with their sizes: make images BASE=... TORCH=cpu
	@images/build.sh

proofs: install ## measure every number that the README claims, into docs/proofs/ (hours)
	@$(BIN)/python -m benchmarks.proofs

ifeq ($(PROFILE),docker)
up:
	@infra/compose/up.sh

down:
	@infra/compose/up.sh down
else
up: install ## Airflow and MLflow on this machine, with the runs made so far; as containers: make up PROFILE=docker
	@$(BIN)/ddpo up

down: ## end what `make up` started; as containers: make down PROFILE=docker
	@$(BIN)/ddpo down
endif

report: install ## the report of a run: make report RUN=demo
	@$(BIN)/ddpo report $(RUN) --out $(RUN)-report.html

clean: ## remove the environment; runs in .ddpo/ stay
	@rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache

.PHONY: help install demo test test-system lint images proofs up down report clean
