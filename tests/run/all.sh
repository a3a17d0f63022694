#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The whole test run, stage by stage; ./x0 test starts it. Its last line is "N passed, N failed".
#
# Counted are single cmocka tests where a program reports them, else test programs; and each check
# below that is no program (format, includes, coverage ...) as one.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
# shellcheck source=scripts/progress.sh
. "$top/scripts/progress.sh"
# shellcheck source=tests/run/lib.sh
. "$top/tests/run/lib.sh"
cd "$top" || exit 1

X0_PACKAGES=$top/build-test/packages # of the dashboard, once for all builds
export X0_PACKAGES
coverage_min_percent=75
tidy_max_s=150
quick_to_compile='-Doptimization=1 -Dc_args=-g1' # lines in reports; half the time where checks are compiled in
formatter_version=14 # another clang-format formats otherwise, another clang-tidy knows other checks

usage()
{
	echo "usage: ./x0 test [--quick | --long | --long-only]"
	echo "  --quick  unit and fuzz-corpus tests with the default compiler, nothing else"
	echo "  --long   all tests, then 1,000 simulator seeds, all variants of the handshake,"
	echo "          and ten minutes of fuzzing per target"
	echo "  --long-only  of these, only what --long adds"
}

# ---- stages ----

# The interop tests ask $X0_NODE and $X0_NODE_26 for the programs to test against, and skip without.
# Each is found or fetched as tests/interop/node.sh says, whose last line is the program or why not.
find_nodes()
{
	for _version in 24 26; do
		# shellcheck disable=SC2016 # for the inner shell
		if with_progress "finding Node.js $_version" "$tests_dir/node.log" sh -c '
			. tests/interop/node.sh
			skip() { echo "$*"; exit 1; }
			find_node "$1" "$2" && echo "$node"' sh "$_version" "$tests_dir/interop"; then
			_node=$(tail -n 1 "$tests_dir/node.log")
			[ "$_version" != 24 ] || X0_NODE=$_node
			[ "$_version" != 26 ] || X0_NODE_26=$_node
			echo "Node.js $("$_node" --version), OpenSSL $("$_node" -p process.versions.openssl)"
		else
			skipped "interoperation with Node.js $_version" "$(tail -n 1 "$tests_dir/node.log")"
		fi
	done
	[ -z "${X0_NODE:-}" ] || export X0_NODE
	[ -z "${X0_NODE_26:-}" ] || export X0_NODE_26
}

# Names of tests, or what is to be built for them; all builds have the same ones.
tests_of() # names|targets word...
{
	python3 tests/run/choose.py "$tests_dir/gcc" "$@"
}

tests_quick()
{
	must_build gcc "${CC:-cc}" -- -Dwerror=true || return
	run_tests gcc --suite unit --suite fuzz
}

# End-to-end tests at a time: they wait more than they work, where there is a machine to work.
waiting_tests()
{
	if is_starved; then
		nproc
	else
		echo $(($(nproc) + 2))
	fi
}

tests_all()
{
	must_build gcc "${CC:-cc}" -- -Dwerror=true || return
	run_tests gcc --no-suite e2e
	run_tests gcc --suite e2e --num-processes "$(waiting_tests)"
}

tests_with_clang()
{
	must_build clang clang -- -Dwerror=true || return
	run_tests clang --suite unit --suite fuzz --suite ct --suite wipe
	check "one seed gives one trace with gcc and clang" same_trace
}

same_trace()
{
	for _compiler in gcc clang; do
		"$tests_dir/$_compiler/lab/x0-lab" sim --nodes 12 --seed 5 --json \
			>"$tests_dir/trace.$_compiler" || return
	done
	grep trace "$tests_dir/trace.gcc"
	cmp "$tests_dir/trace.gcc" "$tests_dir/trace.clang"
}

tests_with_address_sanitizer()
{
	if ! can_sanitize "${CC:-cc}" address,undefined; then
		skipped "address and undefined sanitizers" "$sanitizer_trouble"
		return
	fi
	# shellcheck disable=SC2046,SC2086 # lists of words
	must_build asan "${CC:-cc}" $(tests_of targets unit fuzz) -- \
		-Db_sanitize=address,undefined -Db_lundef=false $quick_to_compile &&
		run_tests asan --suite unit --suite fuzz
	run_under=
}

# Only shells have threads, and what of the cores they share (tests/threads).
tests_with_thread_sanitizer()
{
	meson test -C "$tests_dir/gcc" --no-rebuild --list >"$tests_dir/list" 2>/dev/null
	_found=$(find src/shell src/daemon tests/threads -name 'test_*.c' -exec basename {} .c \; |
		grep -wo -F -f - "$tests_dir/list" | sort -u)
	if [ -z "$_found" ]; then
		skipped "thread sanitizer" "there are no shell tests in this tree"
		return
	elif ! can_sanitize "${CC:-cc}" thread; then
		skipped "thread sanitizer" "$sanitizer_trouble"
		return
	fi
	# shellcheck disable=SC2086 # a list of words
	must_build tsan "${CC:-cc}" $_found -- -Db_sanitize=thread -Db_lundef=false &&
		run_tests tsan $_found
	run_under=
}

is_formatter_version() # program
{
	"$1" --version | grep -q "version $formatter_version\."
}

# The room that has code for some processors, on others: without AVX, with AVX2 only, AArch64.
check_processors()
{
	_program=$tests_dir/gcc/tests/cross/pqc_check
	if [ "$(uname -m)" != x86_64 ]; then
		skipped "older x86-64" "this is $(uname -m)"
	elif ! command -v qemu-x86_64 >/dev/null; then
		skipped "older x86-64" "there is no qemu: apt-get install qemu-user"
	else
		check "post-quantum cryptography on older x86-64" tests/cross/x86.sh "$_program"
	fi
	if ! command -v aarch64-linux-gnu-gcc >/dev/null || ! command -v qemu-aarch64 >/dev/null; then
		skipped "AArch64" "no cross compiler or no qemu: apt-get install gcc-aarch64-linux-gnu qemu-user"
	else
		check "post-quantum cryptography on AArch64" tests/cross/aarch64.sh "$_program" \
			"$tests_dir/aarch64"
	fi
}

check_format()
{
	if ! is_formatter_version clang-format; then
		skipped "format" "judged with clang-format $formatter_version only; here is $(clang-format --version)"
		return
	fi
	check "clang-format" sh -c "find src lab tests -name '*.[ch]' -exec \
		clang-format --dry-run -Werror {} +"
}

check_tidy()
{
	if ! is_formatter_version clang-tidy; then
		skipped "static analysis" "judged with clang-tidy $formatter_version only"
		return
	fi
	tests/run/tidy.sh "$tests_dir/clang" "$1" "$tests_dir/tidy"
	case $? in
	0) passed 1 ;;
	77) skipped "static analysis of some files" "out of time after $1 s; the next run goes on" ;;
	*) failed 1 "clang-tidy" ;;
	esac
}

check_shell_scripts()
{
	_scripts=$(find x0 .ci scripts packaging tests -type f \( -name x0 -o -name run -o -name '*.sh' \))
	if ! command -v shellcheck >/dev/null; then
		skipped "shellcheck" "it is not installed"
	else
		printf '%s\n' "$_scripts" >"$tests_dir/scripts"
		check "shellcheck" xargs -a "$tests_dir/scripts" -n 8 -P "$(nproc)" shellcheck -x
	fi
}

build_counting() # name, how counters are raised, word for tests_of...
{
	_name=$1 _counters=$2
	shift 2
	# shellcheck disable=SC2046 # a list of words
	must_build "$_name" gcc $(tests_of targets "$@") -- -Db_coverage=true \
		-Doptimization=1 -Ddebug=false "-Dc_args=-fprofile-update=$_counters" || return
	find "$tests_dir/$_name" -name '*.gcda' -delete
}

# Two builds, of which each test runs in one. Where threads count side by side some counts would end
# below zero but for atomic counters; these make a simulation many times slower, and what has no
# threads (the cores, tests/run/include_arrows.sh) needs none.
coverage()
{
	_cores="sim src/core/"
	_others="all -sim -src/core/ -kat -ct -wipe -qemu -interop -load"
	# shellcheck disable=SC2086
	build_counting coverage-cores single $_cores && build_counting coverage atomic $_others || return
	# The daemon counts its lines too, as the unprivileged user that it becomes, who may have no
	# way into this tree: all count in a place of their own.
	_umask=$(umask)
	umask 000
	GCOV_PREFIX=$(mktemp -d) || return
	(cd / && find "${tests_dir#/}/coverage" -type d -exec mkdir -p "$GCOV_PREFIX/{}" \;)
	chmod -R a+rwX "$GCOV_PREFIX"
	X0_SIM_SEEDS=3 # more of them reach the same lines
	export X0_SIM_SEEDS GCOV_PREFIX
	# shellcheck disable=SC2046,SC2086
	run_tests coverage-cores $(tests_of names $_cores)
	# shellcheck disable=SC2046,SC2086
	run_tests coverage $(tests_of names $_others -e2e)
	# shellcheck disable=SC2046
	run_tests coverage $(tests_of names e2e -interop -load) --num-processes "$(waiting_tests)"
	for _build in coverage-cores coverage; do
		cp -R "$GCOV_PREFIX$tests_dir/$_build/." "$tests_dir/$_build/"
	done
	rm -rf "$GCOV_PREFIX"
	unset X0_SIM_SEEDS GCOV_PREFIX
	umask "$_umask"
	check "line coverage of src/ at least $coverage_min_percent %" \
		gcovr -j "$(nproc)" --root "$top" "$tests_dir/coverage-cores" "$tests_dir/coverage" --filter src/ \
		--exclude '.*/test_[^/]*' --exclude '.*/fuzz_[^/]*' \
		--exclude-unreachable-branches --print-summary --txt "$tests_dir/coverage.txt" \
		--fail-under-line "$coverage_min_percent"
	grep '^lines:' "$tests_dir/check.log"
}

check_install()
{
	if ! meson introspect --targets "$tests_dir/gcc" | grep -q '"name": "x0"'; then
		skipped "installing" "there is no program x0 in this tree"
		return
	fi
	check "install and uninstall" tests/run/install.sh
}

long_stages()
{
	# shellcheck source=tests/run/long.sh
	. "$top/tests/run/long.sh"
	stage "simulator, $long_seeds seeds" long_simulation
	stage "handshake, all variants" long_handshakes
	stage "fuzzing, $long_fuzz_s s a target" long_fuzzing
	long_write_record
}

finish()
{
	printf '\nWhat took how long:\n'
	cat "$times"
	if [ -s "$skips" ]; then
		printf '\nWhat was skipped, and why:\n'
		awk '!seen[$0]++ { sub(/^SKIPPED: /, "  "); print }' "$skips"
	fi
	if [ -s "$unsteady" ]; then
		printf '\nWhat failed first and passed alone, and its last words (to be mended):\n'
		sed 's/^UNSTEADY: /  /' "$unsteady"
	fi
	if [ -s "$failures" ]; then
		printf '\nWhat failed, and its last words:\n'
		sed 's/^FAILED: /  /' "$failures"
	fi
	printf '\n%d passed, %d failed\n' "$n_passed" "$n_failed"
	[ "$n_failed" -eq 0 ] && [ "$n_passed" -gt 0 ]
}

# ---- the run ----

case ${1:-} in
'' | --quick | --long | --long-only) ;;
-h | --help)
	usage
	exit 0
	;;
*)
	usage >&2
	exit 2
	;;
esac
mkdir -p "$tests_dir" || exit 1
: >"$skips"
: >"$failures"
: >"$unsteady"
: >"$times"

if [ "${1:-}" = --quick ]; then
	stage "unit and fuzz-corpus tests" tests_quick
	finish
	exit
fi
if [ "${1:-}" = --long-only ]; then
	long_stages
	finish
	exit
fi
stage "include arrows" check "include arrows" tests/run/include_arrows.sh
stage "format" check_format
stage "shell scripts" check_shell_scripts
stage "counting" check "counting" tests/run/count_check.sh
stage "Node.js to test against" find_nodes
stage "all tests, warnings are errors" tests_all
stage "clang, warnings are errors" tests_with_clang
stage "other processors" check_processors
stage "address and undefined sanitizers" tests_with_address_sanitizer
stage "thread sanitizer" tests_with_thread_sanitizer
stage "coverage" coverage
stage "installing" check_install
stage "static analysis" check_tidy "$tidy_max_s"
[ "${1:-}" != --long ] || long_stages
finish
