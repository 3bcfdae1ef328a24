# One command a job. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
MAKEFLAGS += --no-print-directory

.PHONY: help setup build run test verify fix survive soak chaos chaos-tasks runbooks malformed corruptions fuzz mutants bench bench-quick bench-growth bench-expiry bench-large bench-tasks bench-services micro floor docs chaos-archive clean chaos-services

help: ## lists the jobs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' \
	  | awk -F '\t' '{ printf "  make %-14s %s\n", $$1, $$2 }'

setup: ## installs the system packages that are missing (as root or through sudo)
	@scripts/setup.sh build test

build: ## builds the release binary .build/release/keelson
	@scripts/setup.sh build
	swift build -c release --product keelson

run: ## sets up, builds and starts a cluster of three on this machine (`keelson dev`)
	@scripts/setup.sh build
	swift build -c release --product keelson
	exec .build/release/keelson dev

test: ## sets up, verifies and runs every test against the release build
	@scripts/test.sh

verify: ## checks formatting and house rules; writes nothing
	@scripts/verify.sh

fix: ## formats every Swift file in place
	@scripts/fix.sh

survive: ## the whole chaos run with real processes: 30 leaders killed, 10 total stops
	@scripts/survive.sh

soak: ## ten thousand watchers under kills for five minutes, on Keelson and on etcd
	@scripts/soak.sh

chaos: ## real servers under a nemesis for MINUTES=3, every answer and event checked
	@MINUTES=$(or $(MINUTES),3) scripts/chaos.sh

chaos-tasks: ## real agents and frameworks under a nemesis for MINUTES=3, every task accounted for
	@MINUTES=$(or $(MINUTES),3) scripts/chaos-tasks.sh

chaos-services: ## real services under a nemesis for MINUTES=3, changed all the time, all converge
	@MINUTES=$(or $(MINUTES),3) scripts/chaos-services.sh

runbooks: ## runs every command of docs/runbooks against real servers
	@scripts/setup.sh build test
	@scripts/venv.sh
	swift build -c release --product keelson
	.build/venv/bin/python scripts/runbooks.py

chaos-archive: ## archives a cluster under kills for MINUTES=10, and restores five moments of it
	@MINUTES=$(or $(MINUTES),10) KEYS=$(or $(KEYS),200000) scripts/chaos-archive.sh

malformed: ## a million malformed requests against a live server
	@scripts/malformed.sh

corruptions: ## damages N=10000 blocks over every kind of file: each has to be found, or to change no answer
	@N=$(or $(N),10000) scripts/corruptions.sh

fuzz: ## libFuzzer on every decoder of outside bytes, MINUTES=10 in all; KEEP=1 renews the corpus
	@MINUTES=$(or $(MINUTES),10) scripts/fuzz.sh

mutants: ## plants every bug of Mutant.swift in turn, and sees it found by simulation or test
	@scripts/mutants.sh

bench: ## compares Keelson with etcd: every row of the table, and plots, in 50 minutes; ARGS='--only put-1'
	@scripts/bench.sh table $(ARGS)

bench-quick: ## a few rows of it, in three minutes
	@scripts/bench.sh quick $(ARGS)

bench-growth: ## both with more keys, connections, nodes and larger values, in 50 minutes
	@scripts/bench.sh growth $(ARGS)

bench-expiry: ## 100,000 leases that end at one moment: what writes notice, beside etcd
	@scripts/bench.sh expiry

bench-large: ## a million keys: catching up by snapshot, restart and range beside etcd
	@scripts/bench.sh large

bench-services: ## one service of INSTANCES=1000 on AGENTS=100 without processes: start, update, idle
	@AGENTS=$(or $(AGENTS),100) INSTANCES=$(or $(INSTANCES),1000) scripts/bench.sh services

bench-tasks: ## AGENTS=1000 without processes, TASKS=20 on each, a leader killed meanwhile
	@AGENTS=$(or $(AGENTS),1000) TASKS=$(or $(TASKS),20) scripts/bench.sh tasks

micro: ## measures each piece of the hot path alone: PIECES="raft store-put"; PAGE=1 renews its page
	@scripts/setup.sh build
	swift build -c release --product keelson-micro
	if [[ -n "$(PAGE)" ]]; then
	  .build/release/keelson-micro -o markdown | python3 scripts/performance_page.py
	else
	  .build/release/keelson-micro $(PIECES)
	fi

floor: ## puts beside the least that a replicated one costs on this machine: 1 and 1,000 outstanding
	@scripts/bench.sh table --only floor-1,floor-1000 --report .build/bench/floor.json

docs: ## builds the documentation of the client library into .build/docs
	@scripts/docs.sh

clean: ## removes everything that was built
	rm -rf .build
