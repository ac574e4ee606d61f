SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup up down test lint unit molecule bench docs
# ansible-* and molecule find each other through PATH.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## everything that a run needs: .venv, Docker Engine, base image
	@scripts/bootstrap.sh

up: setup ## set up and deploy the whole stack on this machine; ends with the addresses
	@ansible-playbook site.yml -e env=local

down: ## remove all that `make up` made; CONFIRM=yes does not ask, volumes included
	@scripts/bootstrap.sh python docker
	@ansible-playbook playbooks/down.yml -e env=local $(if $(CONFIRM),-e confirm=$(CONFIRM))
	@scripts/bootstrap.sh drop_base_image

test: setup ## run all tests on an instance of their own, beside a running one
	@scripts/test.sh

lint: ## run the static checks
	@scripts/bootstrap.sh python
	@scripts/test.sh lint

unit: ## run the tests that need no Docker
	@scripts/bootstrap.sh python
	@scripts/test.sh unit

molecule: setup ## run the scenario of every role, or of those in SCENARIO="fly_app ..."
	@scripts/test.sh molecule

bench: setup ## measure the figures of the README, or those in BENCH="noop first"
	@python benchmarks/run.py $(BENCH)

docs: ## regenerate the tables of the roles' READMEs and of docs/edge.md
	@scripts/bootstrap.sh python
	@python scripts/role_docs.py
	@python scripts/edge_docs.py
