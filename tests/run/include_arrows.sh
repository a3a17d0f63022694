#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fails when an include in src/ goes against the arrows, or a core touches the world.
#
# - base knows nobody; pqc, aesgcm, api and trace know base; core knows base; shell knows base, core and trace
#   (shell/openssl also pqc and aesgcm: it puts the provider and the table on top of them); daemon
#   and cli know all but pqc and aesgcm.
# - Another room's header is included only if it is public: it has the room's name
#   (core/link/link.h), or the room's README.md names it. All of base is public.
# - Includes of ours are written from src/ ("core/link/hello.h").
# - No source of src/core includes a header of, or calls, what sockets, files, threads, clocks and
#   the kernel's random numbers are made of. Its tests may read files.
set -u
cd "$(dirname "$0")/../.." || exit 1

# What each room, taken as core/link, shell/udp, base ..., makes public beyond its own name.
public=$(find src -name README.md | while read -r readme; do
	room=${readme#src/}
	grep -o '[a-z0-9_]*\.h\b' "$readme" | sed "s|^|${room%/README.md}/|"
done)

# shellcheck disable=SC2016 # an awk program
find src -name '*.[ch]' | sort | PUBLIC=$public xargs awk '
function room_of(path,    part, n)
{
	n = split(path, part, "/")
	return (part[1] == "core" || part[1] == "shell") && n > 2 ? part[1] "/" part[2] : part[1]
}

function complain(what)
{
	printf "%s:%d: %s\n    %s\n", FILENAME, FNR, what, $0
	n_wrong++
}

BEGIN {
	knows["base"] = " base "
	knows["pqc"] = " pqc base "
	knows["aesgcm"] = " aesgcm base "
	knows["core"] = " core base "
	knows["api"] = " api base "
	knows["trace"] = " trace base "
	knows["shell"] = " shell trace core base "
	knows["daemon"] = knows["cli"] = " cli daemon shell api trace core base "
	n = split(ENVIRON["PUBLIC"], list, "\n")
	for (i = 1; i <= n; i++)
		is_public[list[i]] = 1
	worldly_header = "<(sys/(socket|random|time|timerfd|epoll|select|stat|ioctl|wait|uio|un)|time|unistd|fcntl|poll|threads|pthread|signal|uv|openssl/[a-z0-9_]*|netdb|dirent)[.]h>"
	worldly_call = "(^|[^a-zA-Z0-9_.>])(socket|bind|connect|sendto|sendmsg|recvfrom|recvmsg|fopen|fread|fwrite|getrandom|getentropy|rand|random|srand|time|clock|clock_gettime|gettimeofday|nanosleep|usleep|sleep|pthread_[a-z_]+|thrd_[a-z_]+|mtx_[a-z_]+|fork|printf|getenv|system)[ ]?[(]"
}

FNR == 1 {
	file = FILENAME
	sub(/^src\//, "", file)
	room = room_of(file)
	layer = room
	sub(/\/.*/, "", layer)
	is_test = file ~ /\/(test|fuzz)_[^\/]*$/
	in_comment = 0
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, quoted, "\"")
	target = quoted[2]
	if (target !~ /\//) {
		complain("write it from src/: \"" room "/" target "\"")
		next
	}
	to_room = room_of(target)
	to_layer = to_room
	sub(/\/.*/, "", to_layer)
	name = target
	sub(/.*\//, "", name)
	own_name = to_room
	sub(/.*\//, "", own_name)
	if (index(knows[layer], " " to_layer " ") == 0 && !(room == "shell/openssl" && (to_layer == "pqc" || to_layer == "aesgcm")))
		complain(layer " does not know " to_layer)
	else if (to_room != room && to_layer != "base" && name != own_name ".h" && !(target in is_public))
		complain(target " is not public: neither named like its room nor in its README.md")
	next
}

layer == "core" && !is_test {
	if ($0 ~ /^[ \t]*#[ \t]*include[ \t]*</) {
		if ($0 ~ worldly_header)
			complain("a core does not touch the world")
		next
	}
	code = $0
	gsub(/"([^"\\]|\\.)*"/, "\"\"", code)
	if (in_comment) {
		if (!sub(/^.*\*\//, "", code))
			next
		in_comment = 0
	}
	gsub(/\/\*([^*]|\*[^\/])*\*\//, "", code)
	if (sub(/\/\*.*/, "", code))
		in_comment = 1
	if (code ~ worldly_call && code !~ /^[a-z].*[*a-z] [a-z_]+\(.*\)$/)
		complain("a core does not touch the world")
}

END {
	exit n_wrong > 0
}'
