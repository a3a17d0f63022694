# SPDX-License-Identifier: Apache-2.0
# Counts what a meson test log in JSON lines says was tested: the single cmocka tests where a program
# reports them (TAP), else the program as one. Prints "passed P", "failed F" and one "skip NAME: WHY"
# for each test that was skipped.

function field(name,    start, rest)
{
	start = index($0, "\"" name "\": \"")
	if (start == 0)
		return ""
	rest = substr($0, start + length(name) + 5)
	if (!match(rest, /([^"\\]|\\.)*/))
		return ""
	return substr(rest, 1, RLENGTH)
}

function reason(text)
{
	sub(/^(SKIPPED|skipped): */, "", text)
	gsub(/\\"/, "\"", text)
	return text == "" ? "no reason given" : text
}

# Takes a program's output line by line; the text before a skipped test says why.
function count_tap(name, output,    lines, n, i, why)
{
	n = split(output, lines, /\\n/)
	n_ok = n_not_ok = n_skipped = 0
	why = ""
	for (i = 1; i <= n; i++) {
		if (lines[i] == "")
			continue
		if (lines[i] ~ /^(not )?ok [0-9]+.*# *[Ss][Kk][Ii][Pp]/) {
			n_skipped++
			sub(/^(not )?ok [0-9]+[ -]*/, "", lines[i])
			sub(/ *# *[Ss][Kk][Ii][Pp] */, "", lines[i])
			print "skip " name ", " lines[i] ": " reason(why)
		} else if (lines[i] ~ /^ok [0-9]/) {
			n_ok++
		} else if (lines[i] ~ /^not ok [0-9]/) {
			n_not_ok++
		} else if (lines[i] !~ /^#/ && lines[i] !~ /^[0-9]+\.\.[0-9]+/) {
			why = lines[i]
			continue
		}
		why = ""
	}
	last_text = why
}

function last_line(output,    lines, n)
{
	n = split(output, lines, /\\n/)
	while (n > 1 && lines[n] == "")
		n--
	return lines[n]
}

{
	name = field("name")
	sub(/^[^ ]* *\/ */, "", name)
	result = field("result")
	count_tap(name, field("stdout"))
	if (result == "SKIP") {
		print "skip " name ": " reason(last_text == "" ? last_line(field("stderr")) : last_text)
		next
	}
	passed += n_ok
	failed += n_not_ok
	if (result == "OK" || result == "EXPECTEDFAIL") {
		if (n_ok + n_not_ok + n_skipped == 0)
			passed++
	} else if (n_not_ok == 0) {
		failed++ # it crashed, ran out of time or failed outside its tests
	}
}

END {
	print "passed " passed + 0
	print "failed " failed + 0
}
