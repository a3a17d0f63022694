# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034,SC2154 # variables shared with all.sh
# What the stages of the test run share: builds, counting, skipping aloud. Sourced by all.sh.

n_passed=0
n_failed=0
tests_dir=$top/build-test
skips=$tests_dir/skipped
failures=$tests_dir/failures
unsteady=$tests_dir/unsteady
times=$tests_dir/times
second_tries_max=4 # programs of one stage; where more fail it is not for want of time
second_tries_starved_max=16 # where it may be: the host of this machine keeps its processors
starved_percent=10

passed() # how many
{
	n_passed=$((n_passed + $1))
}

failed() # how many, what
{
	n_failed=$((n_failed + $1))
	[ $# -lt 2 ] || printf 'FAILED: %s\n' "$2" | tee -a "$failures"
}

skipped() # what, why
{
	printf 'SKIPPED: %s: %s\n' "$1" "$2" | tee -a "$skips"
}

# Of a virtual machine's processors its host may give a part to others (steal, proc(5)): which part,
# in percent, since the stage began.
stolen_percent()
{
	awk -v began="$_began_stolen" -v hz="$(getconf CLK_TCK)" '
		FILENAME == "/proc/uptime" { up = $1 }
		$1 == "cpu" { stolen = $9 }
		/^cpu[0-9]/ { n++ }
		END {
			split(began, was)
			printf "%d\n", 100 * (stolen - was[2]) / hz / (n ? n : 1) / (up - was[1] + 1)
		}' /proc/uptime /proc/stat
}

is_starved()
{
	[ "$(stolen_percent)" -ge "$starved_percent" ]
}

# One heading, one function, and how long it took.
stage() # heading function...
{
	_heading=$1
	shift
	printf '\n== %s\n' "$_heading"
	_began=$(date +%s)
	_began_stolen=$(awk 'NR == 1 { up = $1 } $1 == "cpu" { print up, $9; exit }' /proc/uptime /proc/stat)
	"$@"
	_took=$(($(date +%s) - _began))
	_stolen=$(stolen_percent)
	[ "$_stolen" -lt "$starved_percent" ] ||
		printf 'The host of this machine kept %d %% of its processors meanwhile.\n' "$_stolen"
	printf '== %s: %d s; so far %d passed, %d failed\n' "$_heading" "$_took" "$n_passed" "$n_failed"
	printf '%6d s  %s\n' "$_took" "$_heading" >>"$times"
}

# A command that is one test: it passes or it fails, and shows its output when it fails.
check() # what command...
{
	_check=$1
	shift
	if with_progress "$_check" "$tests_dir/check.log" "$@"; then
		passed 1
	else
		failed 1 "$_check"
	fi
}

# Configures and builds build-test/NAME. It is made anew when compiler, place or options changed.
build_in() # name compiler target... -- meson option...
{
	_dir=$tests_dir/$1 _cc=$2
	shift 2
	_targets=
	while [ "$1" != -- ]; do
		_targets="$_targets $1"
		shift
	done
	shift
	_identity="$top $("$_cc" --version | head -n 1) $*"
	if [ "$(cat "$_dir/x0-identity" 2>/dev/null)" != "$_identity" ]; then
		rm -rf "$_dir"
		mkdir -p "$_dir"
		CC=$_cc with_progress "configuring $_dir" "$tests_dir/setup.log" \
			meson setup --wrap-mode=nodownload "$@" "$_dir" "$top" || return 1
		printf '%s\n' "$_identity" >"$_dir/x0-identity"
	fi
	# shellcheck disable=SC2086 # a list of words
	with_progress "building $_dir" "$_dir/x0-build.log" ninja -C "$_dir" $_targets
}

# Builds as above; a build that fails is one failed test, and its stage ends.
must_build()
{
	build_in "$@" && return
	failed 1 "the build in build-test/$1"
	return 1
}

# Whether a build has tests that these arguments select.
has_tests() # name argument...
{
	_dir=$tests_dir/$1
	shift
	meson test -C "$_dir" --no-rebuild --list "$@" 2>/dev/null | grep -qv '^No suitable tests\|^ninja'
}

# Runs tests of build-test/NAME and adds up what they report.
run_tests() # name argument...
{
	_name=$1
	shift
	if ! has_tests "$_name" "$@"; then
		skipped "$_name $*" "there are no such tests in this tree"
		return
	fi
	_log=$tests_dir/$_name/meson-logs/x0-tests
	rm -f "$_log.json" "$_log-again.json"
	meson_test x0-tests "$@"
	_status=$?
	if [ ! -s "$_log.json" ]; then
		failed 1 "meson test left no log"
		return
	fi
	try_again
	count_results "$_status"
}

meson_test() # name of the log, argument...
{
	_base=$1
	shift
	# shellcheck disable=SC2086 # $run_under is a command with its words
	CMOCKA_MESSAGE_OUTPUT=TAP UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
		${run_under:-} meson test -C "$tests_dir/$_name" --no-rebuild --print-errorlogs \
		--logbase "$_base" "$@" </dev/null
}

# What failed is tried once more, alone: many tests measure time, and the machine may have been busy
# with others. One that passes then counts as passed and is listed as unsteady at the end, so that it
# gets mended; what a sanitizer found is not tried again, nor where many fail that had their time.
try_again()
{
	_again=$(awk -f "$top/tests/run/count.awk" "$_log.json" | sed -n 's/^again //p')
	[ -n "$_again" ] || return
	_tries_max=$second_tries_max
	! is_starved || _tries_max=$second_tries_starved_max
	[ "$(printf '%s\n' "$_again" | wc -l)" -le "$_tries_max" ] || return
	printf 'x0: a second try, alone: %s\n' "$(printf '%s' "$_again" | tr '\n' ' ')"
	# shellcheck disable=SC2086 # a list of words
	meson_test x0-tests-again --num-processes 1 $_again && _status=0
}

count_results() # exit-status
{
	_before=$n_failed
	set -- "$1" "$_log.json"
	[ ! -s "$_log-again.json" ] || set -- "$@" "$_log-again.json"
	_test_status=$1
	shift
	awk -f "$top/tests/run/count.awk" "$@" >"$tests_dir/counts"
	passed "$(sed -n 's/^passed //p' "$tests_dir/counts")"
	failed "$(sed -n 's/^failed //p' "$tests_dir/counts")"
	sed -n "s/^skip /SKIPPED: $_name, /p" "$tests_dir/counts" | tee -a "$skips"
	sed -n "s/^fail /FAILED: $_name, /p" "$tests_dir/counts" | tee -a "$failures"
	sed -n "s/^unsteady /UNSTEADY: $_name, /p" "$tests_dir/counts" | tee -a "$unsteady"
	if [ "$_test_status" -ne 0 ] && [ "$n_failed" -eq "$_before" ]; then
		failed 1 "meson test of $_name ended with status $_test_status"
	fi
}

# The sanitizers' shadow memory does not fit where some kernels put a program. Sets run_under to
# what makes a sanitized program start, or fails with the reason in sanitizer_trouble.
can_sanitize() # compiler sanitizers
{
	_probe=$tests_dir/probe
	run_under=
	echo 'int main(void) { return 0; }' >"$_probe.c"
	if ! "$1" "-fsanitize=$2" "$_probe.c" -o "$_probe" 2>"$_probe.log"; then
		sanitizer_trouble="$1 cannot link -fsanitize=$2: $(head -n 1 "$_probe.log")"
		return 1
	fi
	"$_probe" 2>"$_probe.log" && return
	run_under='setarch -R'
	setarch -R "$_probe" 2>>"$_probe.log" && return
	sanitizer_trouble="a program built with -fsanitize=$2 does not start: $(head -n 1 "$_probe.log")"
	run_under=
	return 1
}
