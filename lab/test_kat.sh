#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What x0-lab kat must not let pass: wrong results, broken files, wrong command lines; and what it
# must skip with a reason. usage: test_kat.sh X0-LAB
lab=$1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n_wrong=0

# expect STATUS TEXT ARGUMENT...: that exit status, and a line with TEXT
expect() {
	status=$1 text=$2
	shift 2
	"$lab" "$@" >"$dir/.out" 2>&1
	got=$?
	if [ "$got" -ne "$status" ] || ! grep -q -- "$text" "$dir/.out"; then
		echo "x0-lab $*: exit $got, wanted $status and \"$text\":"
		cat "$dir/.out"
		n_wrong=$((n_wrong + 1))
	fi
}

# hkdf RESULT OKM: RFC 5869's third test vector, cut to 8 bytes
hkdf() {
	cat <<END
{"algorithm": "HKDF-SHA-256", "testGroups": [{"type": "HkdfTest", "tests": [{"tcId": 1,
"ikm": "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "salt": "", "info": "", "size": 8,
"okm": "$2", "result": "$1"}]}]}
END
}

hkdf valid 8da4e775a563c18f >"$dir/right.json"
hkdf valid 8da4e775a563c190 >"$dir/wrong.json"
hkdf invalid 8da4e775a563c18f >"$dir/accepted.json"
hkdf acceptable 8da4e775a563c190 >"$dir/acceptable-but-wrong.json"
hkdf valid 8da4e775a563c18 >"$dir/odd.json"
hkdf unheard-of 8da4e775a563c18f >"$dir/verdict.json"
printf '{"algorithm": "HKDF-SHA-256",\n "testGroups": [' >"$dir/cut.json"
echo '{"algorithm": "ROT13", "testGroups": [{"type": "RotTest", "tests": [{}, {}]}]}' \
	>"$dir/unknown.json"
echo '{"vectors": [{"name": "Noise_XX_448_ChaChaPoly_SHA256"}]}' >"$dir/noise.json"
echo '[1, 2]' >"$dir/other.json"
# more different reasons than are kept apart (KAT_REASONS_MAX)
{
	printf '{"algorithm": "ROT13", "testGroups": ['
	for i in $(seq 70); do
		printf '{"type": "Rot%d", "tests": [{}]}, ' "$i"
	done
	echo '{"type": "RotLast", "tests": []}]}'
} >"$dir/many.json"
echo 'text' >"$dir/notes.txt"

# gcm CT TAG PASSED: McGrew and Viega's test case 14, as ACVP writes it; then cases 1 and 33 of
# NIST's sample for ACVP-AES-GCM
mkdir "$dir/.acvp" "$dir/.split"
gcm() {
	cat <<END
{"vsId": 0, "algorithm": "ACVP-AES-GCM", "revision": "1.0", "testGroups": [
{"tgId": 1, "direction": "decrypt", "keyLen": 256, "ivLen": 96, "ivGen": "external", "tagLen": 128,
"tests": [{"tcId": 1, "key": "$(printf %064d 0)", "iv": "$(printf %024d 0)", "aad": "",
"pt": "$(printf %032d 0)", "ct": "$1", "tag": "$2", "testPassed": $3}]},
{"tgId": 2, "direction": "encrypt", "keyLen": 128, "ivLen": 96, "ivGen": "external", "tagLen": 128,
"tests": [{"tcId": 2, "key": "4B2CBE2158F5D6A28CC798DF4F99F777", "iv": "3851BAF79831605B75086E79",
"aad": "4607F76F4FDA85DAFDC8CE085E0CE5", "pt": "", "ct": "", "testPassed": true,
"tag": "9E557D92647C1510D4101EBEED0C52DD"},
{"tcId": 3, "key": "886293D80F8E625971AE9436F8F4D50E", "iv": "22CD533018836F78FC884872",
"aad": "", "pt": "", "ct": "", "tag": "D4B42FAEDDB5E9523921C1C29144A449", "testPassed": false}]},
{"tgId": 3, "ivGen": "internal", "tests": [{"tcId": 4}]}]}
END
}
gcm_ct=cea7403d4d606b6e074ec5d3baf39d18 gcm_tag=d0d1c8a799996bf0265b98b5d48ab919
gcm $gcm_ct $gcm_tag true >"$dir/.acvp/right.json"
gcm $gcm_ct d0d1c8a799996bf0265b98b5d48ab918 false >"$dir/.acvp/refused.json"
gcm $gcm_ct d0d1c8a799996bf0265b98b5d48ab918 true >"$dir/.acvp/altered.json"
gcm $gcm_ct $gcm_tag false >"$dir/.acvp/accepted.json"
# prompt and answers apart, sealed and opened
cat >"$dir/.split/prompt.json" <<END
{"vsId": 0, "algorithm": "ACVP-AES-GCM", "testGroups": [
{"tgId": 1, "direction": "encrypt", "tests": [{"tcId": 1, "key": "$(printf %064d 0)",
"iv": "$(printf %024d 0)", "aad": "", "pt": "$(printf %032d 0)"}]},
{"tgId": 2, "direction": "decrypt", "tests": [{"tcId": 2, "key": "$(printf %064d 0)",
"iv": "$(printf %024d 0)", "aad": "00", "ct": "$gcm_ct", "tag": "$gcm_tag"}]}]}
END
cat >"$dir/.split/expectedResults.json" <<END
{"vsId": 0, "algorithm": "ACVP-AES-GCM", "testGroups": [
{"tgId": 1, "tests": [{"tcId": 1, "ct": "$gcm_ct", "tag": "$gcm_tag"}]},
{"tgId": 2, "tests": [{"tcId": 2, "testPassed": false}]}]}
END

expect 0 '1 passed, 0 failed, 0 skipped' kat "$dir/right.json"
expect 1 'FAILED tcId 1' kat "$dir/wrong.json"
expect 1 'FAILED tcId 1' kat "$dir/accepted.json"
expect 1 'FAILED tcId 1' kat "$dir/acceptable-but-wrong.json"
expect 1 'not hexadecimal' kat "$dir/odd.json"
expect 1 'FAILED tcId 1' kat "$dir/verdict.json"
expect 1 'cut.json:2:' kat "$dir/cut.json"
expect 1 'No such file' kat "$dir/missing.json"
expect 0 'skipped 2: Wycheproof ROT13' kat "$dir/unknown.json"
expect 0 'skipped 7: other reasons' kat "$dir/many.json"
expect 0 'skipped 1: Noise: DH other than' kat "$dir/noise.json"
expect 0 'skipped 1: JSON, but neither' kat "$dir/other.json"
expect 0 'skipped 1: not named .json' kat "$dir/notes.txt"
expect 1 'total: 1 passed, 6 failed, 75 skipped' kat "$dir"
expect 1 '"failed": 6' kat --json "$dir"
expect 0 '1 passed, 0 failed, 0 skipped' kat --cpu portable "$dir/right.json"
expect 2 'usage:' kat --cpu mmx "$dir/right.json"
expect 0 '3 passed, 0 failed, 1 skipped' kat "$dir/.acvp/right.json"
expect 0 '3 passed, 0 failed, 1 skipped' kat "$dir/.acvp/refused.json"
expect 1 'FAILED tcId 1' kat "$dir/.acvp/altered.json"
expect 1 'FAILED tcId 1' kat "$dir/.acvp/accepted.json"
expect 0 '2 passed, 0 failed, 0 skipped' kat "$dir/.split/prompt.json"
expect 2 'usage:' kat
expect 2 'usage:' kat --no-such-option
expect 2 'no command' no-such-command
expect 0 'usage:' --help
[ "$n_wrong" -eq 0 ]
