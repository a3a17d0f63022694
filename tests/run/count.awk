# SPDX-License-Identifier: Apache-2.0
# Counts what meson test logs in JSON lines say was tested: the single cmocka tests where a program
# reports them (TAP), else the program as one. Prints "passed P", "failed F", one "skip NAME: WHY" for
# each test that was skipped, one "fail NAME: LAST WORDS" for each program that failed, and one
# "again NAME" for each of those that may be tried a second time: all but where a sanitizer spoke.
# A program that is in a later log too counts as that one says; of a failure before it is printed
# "unsteady NAME: LAST WORDS".

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

# The names of the tests in it that failed; else the first line in which a script says why
# (tests/support/netns.sh); else what a program said last.
function last_words(    text, why, n, lines, i)
{
	n = split(field("stdout"), lines, /\\n/)
	for (i = 1; i <= n; i++)
		if (lines[i] ~ /^not ok [0-9]/)
			text = text (text == "" ? "" : ", ") substr(lines[i], index(lines[i], "- ") + 2)
		else if (why == "" && lines[i] ~ /^FAILED: /)
			why = substr(lines[i], 9)
	if (text == "")
		text = why
	if (text == "")
		text = last_line(field("stderr"))
	if (text == "")
		text = last_line(field("stdout"))
	return substr(text, 1, 300)
}

function count_program()
{
	count_tap(name, field("stdout"))
	if (result == "SKIP") {
		print "skip " name ": " reason(last_text == "" ? last_line(field("stderr")) : last_text)
		return
	}
	passed += n_ok
	failed += n_not_ok
	if (result == "OK" || result == "EXPECTEDFAIL") {
		if (n_ok + n_not_ok + n_skipped == 0)
			passed++
		return
	}
	if (n_not_ok == 0)
		failed++ # it crashed, ran out of time or failed outside its tests
	print "fail " name ": " result ": " last_words()
	if ($0 !~ /Sanitizer|runtime error:/)
		print "again " name
}

{
	name = field("name")
	sub(/^[^ ]* *\/ */, "", name)
	result = field("result")
	if (FILENAME != files[n_files])
		files[++n_files] = FILENAME
	if (name in line_of) {
		if (file_of[name] != n_files && result == "OK") {
			later = $0
			$0 = line_of[name]
			result = field("result")
			print "unsteady " name ": " result ": " last_words()
			$0 = later
		}
	} else {
		order[++n_names] = name
	}
	line_of[name] = $0
	file_of[name] = n_files
}

END {
	for (i_name = 1; i_name <= n_names; i_name++) {
		name = order[i_name]
		$0 = line_of[name]
		result = field("result")
		count_program()
	}
	print "passed " passed + 0
	print "failed " failed + 0
}
