/*
 * What smtpd sends in a session, as bytes: reports and requests in the order of a real session (only those the
 * filter registered, as smtpd does), and the data-lines of its messages in runs. Every message has its own text, so
 * that a line given back to the wrong session is noticed.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

#define LINE_TEXT 76	/* longest line of the body; with its CRLF 75 bytes on average */

const char *event_names[EVENTS] = {
	"link-connect", "link-greeting", "link-identify", "link-tls", "link-auth", "link-disconnect",
	"tx-reset", "tx-begin", "tx-mail", "tx-rcpt", "tx-envelope", "tx-data", "tx-commit", "tx-rollback",
	"protocol-client", "protocol-server", "filter-report", "filter-response", "timeout",
	"connect", "helo", "ehlo", "starttls", "auth", "mail-from", "rcpt-to",
	"data", "data-line", "rset", "quit", "noop", "commit"
};

/* A token names the filter and the phase, not the request, and stays the same as long as smtpd runs. */
const char *
script_token(enum event phase)
{
	static char tokens[EVENTS][ID_LEN + 1];

	if (tokens[phase][0] == '\0')
		snprintf(tokens[phase], sizeof(tokens[phase]), "80bb07f5d532c2%02x", (unsigned)phase);
	return tokens[phase];
}

static void
append(struct session *s, const char *format, ...)
{
	va_list ap;
	int n;

	if (s->room - s->size < 1024) {
		s->room = s->room * 2 + 4096;
		if ((s->bytes = realloc(s->bytes, s->room)) == NULL)
			die("out of memory");
	}
	va_start(ap, format);
	n = vsnprintf(s->bytes + s->size, s->room - s->size, format, ap);
	va_end(ap);
	s->size += (uint32_t)n;
}

static void
end_step(struct session *s, enum step_kind kind)
{
	if (s->size == s->open_at)
		return;
	if (s->count == s->steps_room) {
		s->steps_room = s->steps_room * 2 + 8;
		if ((s->steps = realloc(s->steps, s->steps_room * sizeof(*s->steps))) == NULL)
			die("out of memory");
	}
	s->steps[s->count++] = (struct step){ s->open_at, s->size - s->open_at, kind };
	s->open_at = s->size;
}

struct pen {
	struct session *s;
	const struct shape *shape;
	uint64_t registered;
	uint32_t number;
	uint32_t random;
};

#define WANTS(pen, event) (((pen)->registered >> (event)) & 1)
#define TELL_LINE(pen, event, format, ...) do { \
	if (WANTS(pen, event)) \
		append((pen)->s, "report|%s|1795162006.591524|smtp-in|%s|%s" format "\n", (pen)->shape->protocol, \
		    event_names[event], (pen)->s->id __VA_OPT__(,) __VA_ARGS__); \
} while (0)
#define ASK_LINE(pen, event, format, ...) do { \
	if (WANTS(pen, event)) { \
		append((pen)->s, "filter|%s|1795162006.591524|smtp-in|%s|%s|%s|" format "\n", (pen)->shape->protocol, \
		    event_names[event], (pen)->s->id, script_token(event) __VA_OPT__(,) __VA_ARGS__); \
		end_step((pen)->s, ASK); \
	} \
} while (0)

static uint32_t
draw(struct pen *p)
{
	p->random = p->random * 1664525u + 1013904223u;
	return p->random >> 16;
}

/* Words of one to nine letters; one line in a hundred begins with a dot, stuffed as on the wire. */
static uint32_t
body_line(struct pen *p, char *out)
{
	uint32_t want = LINE_TEXT - draw(p) % 7, n = 0, stuffed = draw(p) % 100 == 0;

	if (stuffed)
		out[n++] = '.', out[n++] = '.';
	while (n < want) {
		for (uint32_t word = 1 + draw(p) % 9; word > 0 && n < want; word--)
			out[n++] = (char)('a' + draw(p) % 26);
		if (n < want)
			out[n++] = ' ';
	}
	out[n] = '\0';
	return n - (stuffed != 0) + 2;
}

static void
data_line(struct pen *p, const char *text, uint32_t *in_run)
{
	append(p->s, "filter|%s|1795162006.591524|smtp-in|data-line|%s|%s|%s\n", p->shape->protocol, p->s->id,
	    script_token(ASK_DATA_LINE), text);
	if (++*in_run == p->shape->run) {
		end_step(p->s, LINES);
		*in_run = 0;
	}
}

static void
message(struct pen *p)
{
	char line[256];
	uint32_t size = 0, in_run = 0;
	const char *fixed[] = {
		"\tby mx.example.org (OpenSMTPD) with ESMTP id 37a25ba5", "\tfor <bob@example.org>;",
		"\tFri, 20 Nov 2026 08:06:46 +0000 (UTC)", "From: Alice <alice@example.net>", "To: Bob <bob@example.org>",
		"Subject: a message of the benchmark", "Date: Fri, 20 Nov 2026 08:00:00 +0000",
		"Message-ID: <benchmark@example.net>", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "", NULL
	};

	end_step(p->s, TELL);
	snprintf(line, sizeof(line), "Received: from client%u.example.net (mx%u.example.net [192.0.2.1])", p->number, p->number);
	data_line(p, line, &in_run);
	for (const char **text = fixed; *text != NULL; text++) {
		data_line(p, *text, &in_run);
		size += (uint32_t)strlen(*text) + 2;
	}
	while (size < p->shape->size) {
		size += body_line(p, line);
		data_line(p, line, &in_run);
	}
	data_line(p, ".", &in_run);
	if (in_run == 0)
		p->s->steps[p->s->count - 1].kind = DOT;
	else
		end_step(p->s, DOT);
}

static void
mail(struct pen *p, uint32_t nth)
{
	const char *msgid = "37a25ba5", *from = p->shape->from;

	TELL_LINE(p, PROTOCOL_CLIENT, "|MAIL FROM:<%s%u@example.net>", from, p->number);
	ASK_LINE(p, ASK_MAIL_FROM, "%s%u@example.net", from, p->number);
	TELL_LINE(p, TX_BEGIN, "|%s", msgid);
	TELL_LINE(p, TX_MAIL, "|%s|ok|%s%u@example.net", msgid, from, p->number);
	for (uint32_t i = 0; i < p->shape->recipients; i++) {
		ASK_LINE(p, ASK_RCPT_TO, "rcpt%u.%u@example.org", nth, i);
		TELL_LINE(p, TX_ENVELOPE, "|%s|37a25ba5819f354b", msgid);
		TELL_LINE(p, TX_RCPT, "|%s|ok|rcpt%u.%u@example.org", msgid, nth, i);
	}
	if (p->shape->stay_open)
		return;
	if (p->shape->size == 0) {
		TELL_LINE(p, TX_ROLLBACK, "|%s", msgid);
		TELL_LINE(p, TX_RESET, "|%s", msgid);
		return;
	}
	ASK_LINE(p, ASK_DATA, "");
	TELL_LINE(p, TX_DATA, "|%s|ok", msgid);
	if (WANTS(p, ASK_DATA_LINE))
		message(p);
	ASK_LINE(p, ASK_COMMIT, "");
	TELL_LINE(p, TX_COMMIT, "|%s|%u", msgid, p->shape->size);
	TELL_LINE(p, TX_RESET, "|%s", msgid);
}

static void
one_session(struct pen *p)
{
	uint32_t client = p->shape->clients ? p->number % p->shape->clients : p->number;
	unsigned a = 1 + client / 64516 % 250, b = 1 + client / 254 % 254, c = 1 + client % 254;

	TELL_LINE(p, LINK_CONNECT, "|mx%u.example.net|pass|10.%u.%u.%u:40312|192.0.2.1:25", client, a, b, c);
	ASK_LINE(p, ASK_CONNECT, "mx%u.example.net|10.%u.%u.%u", client, a, b, c);
	TELL_LINE(p, LINK_GREETING, "|mx.example.org");
	ASK_LINE(p, ASK_EHLO, "mx%u.example.net", client);
	TELL_LINE(p, LINK_IDENTIFY, "|EHLO|mx%u.example.net", client);
	for (uint32_t i = 0; i < p->shape->mails; i++)
		mail(p, i);
	if (p->shape->stay_open) {
		end_step(p->s, TELL);
		return;
	}
	end_step(p->s, TELL);
	p->s->closing = p->s->count;
	TELL_LINE(p, LINK_DISCONNECT, "");
	end_step(p->s, TELL);
}

struct session *
script_lay_out(const struct shape *shape, uint64_t registered)
{
	struct session *all = calloc(shape->sessions, sizeof(*all));

	if (all == NULL)
		die("out of memory");
	for (uint32_t i = 0; i < shape->sessions; i++) {
		struct pen p = { &all[i], shape, registered, shape->first + i, (shape->first + i) * 2654435761u + 1 };
		/* smtpd draws ids at random; the low half is the number here, so that an answer finds its session */
		snprintf(all[i].id, sizeof(all[i].id), "%08x%08x", (draw(&p) << 16 | draw(&p)) | 0x10000000u, i);
		one_session(&p);
	}
	return all;
}

void
script_free(struct session *all, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		free(all[i].bytes);
		free(all[i].steps);
	}
	free(all);
}
