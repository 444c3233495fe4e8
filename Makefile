# Each target is a small script in scripts/; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help run build test chaos check sqlx openapi bench eval clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

run: ## Set up, build and run everything with the simulator; Ctrl-C stops it
	@scripts/run

build: ## Build the dashboard and target/release/govconnect
	@scripts/build

test: ## Run every check and test (does its own set-up)
	@scripts/test

chaos: ## Break nodes, servers and links under load with random seeds, until stopped or for CHAOS_MINUTES
	@scripts/chaos

check: ## Run the quick checks: format, lints, licences, stale files
	@scripts/check

sqlx: ## Renew .sqlx after a change of a query or a migration
	@scripts/sqlx

openapi: ## Renew docs/openapi and the dashboard's client after a change of a handler
	@scripts/openapi

bench: ## Measure, into target/bench/results.json
	@scripts/bench

eval: ## Judge understanding and answers, into target/eval/results.json
	@scripts/eval

clean: ## Remove what was built and downloaded, keep the data
	@scripts/clean
