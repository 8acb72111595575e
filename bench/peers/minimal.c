/*
 * The floor, not a peer: what the bytes alone cost. One read, memchr, one write per chunk, no session kept, nothing
 * checked. Registers what echo.c registers.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM 65536

static const char registration[] =
    "register|report|smtp-in|link-connect\nregister|report|smtp-in|link-disconnect\n"
    "register|report|smtp-in|link-identify\nregister|report|smtp-in|tx-begin\nregister|report|smtp-in|tx-mail\n"
    "register|report|smtp-in|tx-rcpt\nregister|report|smtp-in|tx-commit\nregister|report|smtp-in|tx-rollback\n"
    "register|filter|smtp-in|connect\nregister|filter|smtp-in|helo\nregister|filter|smtp-in|ehlo\n"
    "register|filter|smtp-in|mail-from\nregister|filter|smtp-in|rcpt-to\nregister|filter|smtp-in|data-line\n"
    "register|filter|smtp-in|commit\nregister|ready\n";

static char *
put(char *out, const void *bytes, size_t length)
{
	memcpy(out, bytes, length);
	return out + length;
}

/* filter|VERSION|TIME|smtp-in|PHASE|SESSION|TOKEN|argument; the answer is never longer than the question. */
static char *
answer(char *out, const char *line, size_t length)
{
	const char *field = line;

	if (length < 7 || memcmp(line, "filter|", 7) != 0)
		return out;
	for (int i = 0; i < 4; i++)
		field = (const char *)memchr(field, '|', length - (size_t)(field - line)) + 1;
	if (memcmp(field, "data-line|", 10) == 0) {
		out = put(out, "filter-dataline|", 16);
		out = put(out, field + 10, length - (size_t)(field + 10 - line));
	} else {
		field = (const char *)memchr(field, '|', length - (size_t)(field - line)) + 1;
		out = put(out, "filter-result|", 14);
		out = put(out, field, 34);
		out = put(out, "proceed", 7);
	}
	*out++ = '\n';
	return out;
}

static void
write_all(const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = write(1, bytes, length);
		if (n <= 0)
			exit(1);
		bytes += n;
		length -= (size_t)n;
	}
}

int
main(void)
{
	static char in[2 * ROOM], out[4 * ROOM];
	size_t kept = 0;
	ssize_t n;

	write_all(registration, sizeof(registration) - 1);
	while ((n = read(0, in + kept, ROOM)) > 0) {
		char *line = in, *end = in + kept + n, *newline, *to = out;
		for (; (newline = memchr(line, '\n', (size_t)(end - line))) != NULL; line = newline + 1)
			to = answer(to, line, (size_t)(newline - line));
		kept = (size_t)(end - line);
		memmove(in, line, kept);
		if (to > out)
			write_all(out, (size_t)(to - out));
	}
	return 0;
}
