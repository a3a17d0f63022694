/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP/1.1 server of one file (RFC 9110, RFC 9112): what curl fetches through the mesh. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "cli/demo_internal.h"

#define REQUEST_MAX 8192 /* of the lines and fields together; more is refused (431) */
#define WAIT_S 10	 /* for a client that neither sends nor reads */

/* Reads until the empty line. False where it does not come. */
static bool read_request(int fd, char ret[REQUEST_MAX + 1], const char **ret_status)
{
	size_t len = 0;

	while (len < REQUEST_MAX) {
		ssize_t n = recv(fd, ret + len, REQUEST_MAX - len, 0);

		if (n <= 0)
			return false;
		len += (size_t)n;
		ret[len] = '\0';
		if (strstr(ret, "\r\n\r\n"))
			return true;
	}
	*ret_status = "431 Request Header Fields Too Large";
	return true;
}

static void answer_status(int fd, const char *status, const char *more)
{
	(void)dprintf(fd, "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n%s\r\n", status,
		      more);
}

static void send_file(int fd, int file, off_t size)
{
	off_t at = 0;

	while (at < size) {
		ssize_t n = sendfile(fd, file, &at, (size_t)(size - at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* the client sees that bytes are missing */
	}
}

static void answer_file(int fd, const char *path, bool has_body)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (file < 0 || fstat(file, &st) < 0) {
		answer_status(fd, "404 Not Found", "");
	} else {
		(void)dprintf(fd,
			      "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
			      "Content-Length: %lld\r\nConnection: close\r\n\r\n",
			      (long long)st.st_size);
		if (has_body)
			send_file(fd, file, st.st_size);
	}
	if (file >= 0)
		(void)close(file);
}

void http_serve(int fd, const char *path)
{
	const struct timeval wait = { .tv_sec = WAIT_S };
	const char *status = NULL;
	char request[REQUEST_MAX + 1];
	char method[8], target[16], version[12];

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (!read_request(fd, request, &status))
		return;
	if (status)
		answer_status(fd, status, "");
	else if (sscanf(request, "%7s %15s %11[^\r\n]", method, target, version) != 3 ||
		 strncmp(version, "HTTP/1.", 7) != 0)
		answer_status(fd, "400 Bad Request", "");
	else if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		answer_status(fd, "405 Method Not Allowed", "Allow: GET, HEAD\r\n");
	else if (strcmp(target, "/file") != 0)
		answer_status(fd, "404 Not Found", "");
	else
		answer_file(fd, path, method[0] == 'G');
	(void)shutdown(fd, SHUT_WR);
}
