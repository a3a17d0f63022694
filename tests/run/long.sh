# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# The long stages of the test run, sourced by all.sh: many simulator seeds, and real fuzzing.
#
# Both write down how far they are under build-test/long/, for the very sources they ran on, so that
# a run that was stopped goes on where it was; changed sources start from nothing.
# shellcheck disable=SC2154 # $top and $tests_dir come from all.sh

long_seeds=${X0_LONG_SEEDS:-1000}
long_seeds_per_step=20
long_fuzz_s=${X0_LONG_FUZZ_S:-600}
long_record=$top/docs/long-test-record.md

# One hash over all that is compiled, with or without git.
long_sources=$(cd "$top" && find meson.build src lab tests -type f ! -path 'tests/corpus/*' \
	! -path 'tests/run/*' | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c 1-16)
long_dir=$tests_dir/long/$long_sources
long_corpus=$tests_dir/long/corpus # kept from one version to the next
mkdir -p "$long_dir" "$long_corpus"

# The simulator tests run the seeds X0_SIM_FIRST_SEED ... + X0_SIM_SEEDS - 1.
long_simulation()
{
	if ! has_tests gcc --suite sim; then
		skipped "simulator, $long_seeds seeds" "there are no such tests in this tree"
		return
	fi
	_next=$(cat "$long_dir/next-seed" 2>/dev/null || echo 1)
	[ "$_next" -eq 1 ] || echo "seeds below $_next passed in an earlier run"
	while [ "$_next" -le "$long_seeds" ]; do
		_failed_before=$n_failed
		X0_SIM_FIRST_SEED=$_next X0_SIM_SEEDS=$long_seeds_per_step
		export X0_SIM_FIRST_SEED X0_SIM_SEEDS
		echo "seeds from $_next on"
		run_tests gcc --suite sim
		if [ "$n_failed" -ne "$_failed_before" ]; then
			echo "$_next" >>"$long_dir/failed-seeds"
			break # it stays the next one, so that the next run shows it again
		fi
		_next=$((_next + long_seeds_per_step))
		echo "$_next" >"$long_dir/next-seed"
	done
	unset X0_SIM_FIRST_SEED X0_SIM_SEEDS
}

# Fuzzes one target until it has had its seconds, in slices after each of which they are noted.
long_fuzz_one() # target
{
	_seconds=$(cat "$long_dir/$1.seconds" 2>/dev/null || echo 0)
	mkdir -p "$long_corpus/$1" "$long_dir/findings"
	while [ "$_seconds" -lt "$long_fuzz_s" ]; do
		_slice=$((long_fuzz_s - _seconds))
		[ "$_slice" -le 60 ] || _slice=60
		"$tests_dir/fuzz/$1" -max_total_time="$_slice" -print_final_stats=1 -timeout=10 \
			-rss_limit_mb=2048 -artifact_prefix="$long_dir/findings/$1-" \
			"$long_corpus/$1" "$top/tests/corpus/$1" >"$long_dir/$1.log" 2>&1 </dev/null ||
			return 1
		_seconds=$((_seconds + _slice))
		_runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$long_dir/$1.log")
		echo "$_seconds" >"$long_dir/$1.seconds"
		echo $(($(cat "$long_dir/$1.runs" 2>/dev/null || echo 0) + _runs)) >"$long_dir/$1.runs"
	done
}

long_fuzz_targets()
{
	find "$top/src" "$top/lab" -name 'fuzz_*.c' -exec basename {} .c \; | sort
}

# One target per processor at a time.
long_fuzzing()
{
	if [ -z "$(long_fuzz_targets)" ]; then
		skipped "fuzzing" "there are no fuzz targets in this tree"
		return
	elif ! can_sanitize clang fuzzer-no-link,address,undefined; then
		skipped "fuzzing" "$sanitizer_trouble"
		return
	fi
	must_build fuzz clang -- -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false || return
	_running=0
	for _target in $(long_fuzz_targets); do
		rm -f "$long_dir/$_target.finding"
		echo "fuzzing $_target: $(cat "$long_dir/$_target.seconds" 2>/dev/null || echo 0) of $long_fuzz_s s done"
		(long_fuzz_one "$_target" || touch "$long_dir/$_target.finding") &
		_running=$((_running + 1))
		[ $((_running % $(nproc))) -ne 0 ] || wait
	done
	wait
	for _target in $(long_fuzz_targets); do
		if [ -f "$long_dir/$_target.finding" ]; then
			failed 1 "$_target; what it found is in $long_dir/findings"
			tail -n 30 "$long_dir/$_target.log"
		else
			passed 1
		fi
	done
}

# Adds a section to the record, unless it has one for these very sources already.
long_record()
{
	grep -q "sources $long_sources" "$long_record" 2>/dev/null && return
	{
		printf '\n## %s, sources %s\n\n' "$(date -u +%Y-%m-%d)" "$long_sources"
		printf -- '- compilers: %s; %s\n' "$("${CC:-cc}" --version | head -n 1)" \
			"$(clang --version | head -n 1)"
		printf -- '- simulator seeds without a violation: %d of %d\n' \
			$(($(cat "$long_dir/next-seed" 2>/dev/null || echo 1) - 1)) "$long_seeds"
		printf -- '- whole run: %d passed, %d failed\n\n' "$n_passed" "$n_failed"
		echo '| fuzz target | seconds | inputs tried | found |'
		echo '|---|---|---|---|'
		for _target in $(long_fuzz_targets); do
			_found=nothing
			[ ! -f "$long_dir/$_target.finding" ] || _found=see findings
			printf '| %s | %s | %s | %s |\n' "$_target" \
				"$(cat "$long_dir/$_target.seconds" 2>/dev/null || echo 0)" \
				"$(cat "$long_dir/$_target.runs" 2>/dev/null || echo 0)" "$_found"
		done
	} >>"$long_record"
	echo "the record is in $long_record"
}
