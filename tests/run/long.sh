# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# The long stages of the test run, sourced by all.sh: many simulator seeds, the handshake with every
# bit flipped and every crossing, and real fuzzing.
#
# All write down how far they are under build-test/long/, each for the very program it ran (by its
# hash), so that a run that was stopped goes on where it was; a changed program starts anew.
# shellcheck disable=SC2154 # $top and $tests_dir come from all.sh

long_seeds=${X0_LONG_SEEDS:-1000}
long_seeds_per_step=10
long_fuzz_s=${X0_LONG_FUZZ_S:-600}
long_jobs=${X0_LONG_JOBS:-$(nproc)} # seeds and targets at a time
long_record=$top/docs/long-test-record.md
long_dir=$tests_dir/long
mkdir -p "$long_dir/corpus" # found by fuzzing, and kept from one version to the next

# What a run has done counts for the very program that did it.
long_program() # file
{
	sha256sum "$1" | cut -c 1-16
}

# Seeds FIRST ... FIRST + COUNT - 1; what is printed stays in a log when it fails.
long_seeds_step() # directory first count
{
	"$tests_dir/gcc/lab/x0-lab" sim --nodes 50 --seed "$2" --seeds "$3" \
		>"$1/$2-$3.log" 2>&1 </dev/null && mv "$1/$2-$3.log" "$1/$2-$3.ok"
}

# The mixed scenario on 50 nodes, a step of seeds per job.
long_simulation()
{
	must_build gcc "${CC:-cc}" -- -Dwerror=true || return
	long_sim_dir=$long_dir/seeds-$(long_program "$tests_dir/gcc/lab/x0-lab")
	mkdir -p "$long_sim_dir"
	_first=1 _running=0 _steps=
	while [ "$_first" -le "$long_seeds" ]; do
		_count=$((long_seeds - _first + 1))
		[ "$_count" -le "$long_seeds_per_step" ] || _count=$long_seeds_per_step
		_steps="$_steps $long_sim_dir/$_first-$_count.ok"
		if [ ! -f "$long_sim_dir/$_first-$_count.ok" ]; then
			echo "seeds $_first to $((_first + _count - 1)) of $long_seeds"
			long_seeds_step "$long_sim_dir" "$_first" "$_count" &
			_running=$((_running + 1))
			[ $((_running % long_jobs)) -ne 0 ] || wait
		fi
		_first=$((_first + _count))
	done
	wait
	# shellcheck disable=SC2086 # a list of words
	long_seeds_ok=$(cat $_steps 2>/dev/null | grep -c '^seed [0-9]*: ok')
	passed "$long_seeds_ok"
	[ "$long_seeds_ok" -eq "$long_seeds" ] ||
		failed $((long_seeds - long_seeds_ok)) "seeds; what they say is in $long_sim_dir/*.log"
}

# What X0_LONG=1 makes exhaustive: the source that asks for it names the test.
long_handshake_tests()
{
	grep -l 'getenv("X0_LONG")' "$top"/src/core/handshake/test_*.c |
		sed 's|.*/test_\(.*\)\.c$|test_handshake_\1|'
}

# One program to its end; how many of its tests passed is noted.
long_handshake_one() # test
{
	_done=$long_dir/$1-$(long_program "$tests_dir/gcc/$1").ok
	[ -f "$_done" ] && return
	echo "$1, all variants"
	X0_LONG=1 CMOCKA_MESSAGE_OUTPUT=TAP nice "$tests_dir/gcc/$1" \
		>"$long_dir/$1.log" 2>&1 </dev/null || return 1
	grep -c '^ok ' "$long_dir/$1.log" >"$_done"
}

long_handshakes()
{
	must_build gcc "${CC:-cc}" -- -Dwerror=true || return
	_running=0
	for _test in $(long_handshake_tests); do
		long_handshake_one "$_test" &
		_running=$((_running + 1))
		[ $((_running % $(nproc))) -ne 0 ] || wait
	done
	wait
	long_handshakes_ok=0
	for _test in $(long_handshake_tests); do
		_done=$long_dir/$_test-$(long_program "$tests_dir/gcc/$_test").ok
		if [ -f "$_done" ]; then
			passed "$(cat "$_done")"
			long_handshakes_ok=$((long_handshakes_ok + $(cat "$_done")))
		else
			failed 1 "$_test with X0_LONG=1"
			tail -n 30 "$long_dir/$_test.log"
		fi
	done
}

# Where the progress of a target is: beside that of the same target in other versions.
long_fuzz_state() # target
{
	echo "$long_dir/fuzz/$1-$(long_program "$tests_dir/fuzz/$1")"
}

# Fuzzes one target until it has had its seconds, in slices after each of which they are noted.
long_fuzz_one() # target
{
	_state=$(long_fuzz_state "$1")
	mkdir -p "$long_dir/corpus/$1" "$_state/findings"
	_seconds=$(cat "$_state/seconds" 2>/dev/null || echo 0)
	[ "$_seconds" -ge "$long_fuzz_s" ] || echo "fuzzing $1: $_seconds of $long_fuzz_s s done"
	while [ "$_seconds" -lt "$long_fuzz_s" ]; do
		_slice=$((long_fuzz_s - _seconds))
		[ "$_slice" -le 60 ] || _slice=60
		"$tests_dir/fuzz/$1" -max_total_time="$_slice" -print_final_stats=1 -timeout=10 \
			-rss_limit_mb=2048 -artifact_prefix="$_state/findings/" \
			"$long_dir/corpus/$1" "$top/tests/corpus/$1" >"$_state/log" 2>&1 </dev/null ||
			return 1
		_seconds=$((_seconds + _slice))
		_runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$_state/log")
		echo $(($(cat "$_state/runs" 2>/dev/null || echo 0) + _runs)) >"$_state/runs"
		echo "$_seconds" >"$_state/seconds"
	done
}

long_fuzz_targets()
{
	find "$top/src" "$top/lab" -name 'fuzz_*.c' -exec basename {} .c \; | sort
}

long_fuzzing()
{
	if ! can_sanitize clang fuzzer-no-link,address,undefined; then
		skipped "fuzzing" "$sanitizer_trouble"
		return
	fi
	must_build fuzz clang -- -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false || return
	rm -f "$long_dir"/*.finding
	_running=0
	for _target in $(long_fuzz_targets); do
		(long_fuzz_one "$_target" || touch "$long_dir/$_target.finding") &
		_running=$((_running + 1))
		[ $((_running % long_jobs)) -ne 0 ] || wait
	done
	wait
	for _target in $(long_fuzz_targets); do
		if [ -f "$long_dir/$_target.finding" ]; then
			failed 1 "$_target; what it found is in $(long_fuzz_state "$_target")/findings"
			tail -n 30 "$(long_fuzz_state "$_target")/log"
		else
			passed 1
		fi
	done
}

# Adds a section to the record: what the programs of this tree have had, now or in earlier runs.
long_write_record()
{
	{
		printf '\n## %s, version %s\n\n' "$(date -u +%Y-%m-%d)" \
			"$(git -C "$top" describe --always --dirty 2>/dev/null || echo unknown)"
		printf -- '- compilers: %s; %s\n' "$("${CC:-cc}" --version | head -n 1)" \
			"$(clang --version | head -n 1)"
		printf -- '- simulator seeds without a violation: %d of %d\n' \
			"${long_seeds_ok:-0}" "$long_seeds"
		printf -- '- tests of the handshake with all variants (%s): %d passed\n' \
			"$(long_handshake_tests | sed 's/test_handshake_//' | paste -sd ' ')" \
			"${long_handshakes_ok:-0}"
		printf -- '- this run: %d passed, %d failed\n\n' "$n_passed" "$n_failed"
		printf 'Fuzzed %d at a time on %d processors; seconds are of the clock.\n\n' \
			"$long_jobs" "$(nproc)"
		echo '| fuzz target | seconds | inputs tried | found |'
		echo '|---|---|---|---|'
		for _target in $(long_fuzz_targets); do
			_found=nothing
			[ ! -f "$long_dir/$_target.finding" ] || _found=see findings
			_state=$(long_fuzz_state "$_target")
			printf '| %s | %s | %s | %s |\n' "$_target" \
				"$(cat "$_state/seconds" 2>/dev/null || echo 0)" \
				"$(cat "$_state/runs" 2>/dev/null || echo 0)" "$_found"
		done
	} >>"$long_record"
	echo "the record is in $long_record"
}
