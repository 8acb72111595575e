/*
 * load: sends mail to an SMTP server over many connections at once and says how fast it went.
 *
 *	load [-a address] [-p port] [-c connections] [-n messages] [-m mails per connection] [-b bytes] [-s source] [-f from]
 *	     [-t to]
 *
 * A connection says EHLO, then MAIL, RCPT, DATA and a message, each after the reply to the one before, and is opened
 * anew after -m mails (smtpd takes 100 of a connection). Connections are opened one after the other, as smtpd listens
 * with a short backlog. -s binds all of them to one address. Prints one JSON object; latency is from MAIL to the reply
 * after the dot.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define die(...) do { fprintf(stderr, "load: " __VA_ARGS__); fputc('\n', stderr); exit(2); } while (0)

enum state { CLOSED, GREETING, EHLO, MAIL, RCPT, DATA, BODY, QUIT };

struct connection {
	int fd;
	enum state state;
	unsigned mails;
	double started;
	char input[4096];
	size_t have;
};

static struct {
	const char *address, *port, *source, *from, *to;
	unsigned connections, messages, mails, bytes;
} plan = { "127.0.0.1", "25", NULL, "alice@example.net", "bob@example.org", 20, 800, 90, 5120 };

static char *body;
static size_t body_size;
static double *latency;
static unsigned begun, done, refused, opening;
static char last_refusal[256];

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
make_body(void)
{
	const char *header = "From: Alice <alice@example.net>\r\nTo: Bob <bob@example.org>\r\nSubject: load\r\n"
	    "Date: Fri, 20 Nov 2026 08:00:00 +0000\r\nMessage-ID: <load@example.net>\r\n\r\n";
	uint32_t random = 1;

	if ((body = malloc(plan.bytes + 1024)) == NULL)
		die("out of memory");
	body_size = (size_t)sprintf(body, "%s", header);
	while (body_size < plan.bytes) {
		for (int i = 0; i < 73; i++) {
			random = random * 1664525u + 1013904223u;
			body[body_size++] = (random >> 16) % 6 == 0 && i > 0 && i < 72 ? ' ' : (char)('a' + (random >> 20) % 26);
		}
		body[body_size++] = '\r';
		body[body_size++] = '\n';
	}
	body_size += (size_t)sprintf(body + body_size, ".\r\n");
}

static void
open_connection(struct connection *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(plan.port)) }, from = to;
	int on = 1;

	inet_pton(AF_INET, plan.address, &to.sin_addr);
	if ((c->fd = socket(AF_INET, SOCK_STREAM, 0)) < 0)
		die("socket");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (plan.source != NULL) {
		inet_pton(AF_INET, plan.source, &from.sin_addr);
		from.sin_port = 0;
		if (bind(c->fd, (struct sockaddr *)&from, sizeof(from)) < 0)
			die("cannot bind to %s", plan.source);
	}
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("cannot connect to %s port %s", plan.address, plan.port);
	c->state = GREETING;
	c->mails = 0;
	c->have = 0;
	opening = 1;
}

static void
say(struct connection *c, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = write(c->fd, text, size);
		if (n <= 0)
			die("the server closed a connection");
		text += n;
		size -= (size_t)n;
	}
}

static void
say_line(struct connection *c, const char *format, const char *argument)
{
	char line[512];

	say(c, line, (size_t)snprintf(line, sizeof(line), format, argument));
}

static void
next_mail(struct connection *c)
{
	if (begun >= plan.messages || c->mails >= plan.mails) {
		say_line(c, "QUIT%s\r\n", "");
		c->state = QUIT;
		return;
	}
	begun++;
	c->mails++;
	c->started = now_ms();
	say_line(c, "MAIL FROM:<%s>\r\n", plan.from);
	c->state = MAIL;
}

static void
refuse(struct connection *c, const char *reply)
{
	snprintf(last_refusal, sizeof(last_refusal), "%.*s", (int)strcspn(reply, "\r\n"), reply);
	refused++;
	if (c->state == GREETING || c->state == EHLO)
		die("refused: %s", last_refusal);
	c->state = EHLO;
	say_line(c, "RSET%s\r\n", "");
}

static void
take_reply(struct connection *c, const char *reply)
{
	if (c->state == QUIT) {
		close(c->fd);
		c->state = CLOSED;
		return;
	}
	if (c->state == GREETING)
		opening = 0;
	if (reply[0] >= '4') {
		refuse(c, reply);
		return;
	}
	switch (c->state) {
	case GREETING: say_line(c, "EHLO %s\r\n", "client.example.net"); c->state = EHLO; break;
	case EHLO: next_mail(c); break;
	case MAIL: say_line(c, "RCPT TO:<%s>\r\n", plan.to); c->state = RCPT; break;
	case RCPT: say_line(c, "DATA%s\r\n", ""); c->state = DATA; break;
	case DATA: say(c, body, body_size); c->state = BODY; break;
	case BODY: latency[done++] = now_ms() - c->started; next_mail(c); break;
	default: break;
	}
}

static void
receive(struct connection *c)
{
	ssize_t n = read(c->fd, c->input + c->have, sizeof(c->input) - 1 - c->have);
	char *line = c->input, *newline;

	if (n <= 0)
		die("the server closed a connection in state %d", c->state);
	c->have += (size_t)n;
	c->input[c->have] = '\0';
	while ((newline = strchr(line, '\n')) != NULL) {
		if (newline - line > 3 && line[3] != '-')
			take_reply(c, line);
		line = newline + 1;
	}
	c->have -= (size_t)(line - c->input);
	memmove(c->input, line, c->have);
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
run(void)
{
	struct connection *all = calloc(plan.connections, sizeof(*all));
	struct pollfd *fds = calloc(plan.connections, sizeof(*fds));

	if (all == NULL || fds == NULL)
		die("out of memory");
	while (done + refused < plan.messages) {
		for (unsigned i = 0; i < plan.connections; i++) {
			if (all[i].state == CLOSED && !opening && begun < plan.messages)
				open_connection(&all[i]);
			fds[i] = (struct pollfd){ .fd = all[i].state == CLOSED ? -1 : all[i].fd, .events = POLLIN };
		}
		if (poll(fds, plan.connections, 60000) == 0)
			die("no reply for 60 s, %u of %u messages sent", done, plan.messages);
		for (unsigned i = 0; i < plan.connections; i++)
			if (fds[i].revents)
				receive(&all[i]);
	}
	free(all);
	free(fds);
}

int
main(int argc, char **argv)
{
	double started;
	int letter;

	while ((letter = getopt(argc, argv, "a:p:c:n:m:b:s:f:t:")) != -1) {
		switch (letter) {
		case 'a': plan.address = optarg; break;
		case 'p': plan.port = optarg; break;
		case 'c': plan.connections = (unsigned)atoi(optarg); break;
		case 'n': plan.messages = (unsigned)atoi(optarg); break;
		case 'm': plan.mails = (unsigned)atoi(optarg); break;
		case 'b': plan.bytes = (unsigned)atoi(optarg); break;
		case 's': plan.source = optarg; break;
		case 'f': plan.from = optarg; break;
		case 't': plan.to = optarg; break;
		default: die("unknown option, see the first lines of load.c");
		}
	}
	make_body();
	if ((latency = calloc(plan.messages, sizeof(*latency))) == NULL)
		die("out of memory");
	started = now_ms();
	run();
	started = now_ms() - started;
	qsort(latency, done, sizeof(*latency), ascending);
	printf("{\"messages\": %u, \"refused\": %u, \"wall_ms\": %.1f, \"per_second\": %.1f, \"p50_ms\": %.2f, \"p99_ms\": %.2f, "
	    "\"refusal\": \"%s\"}\n", done, refused, started, done * 1e3 / started, done ? latency[done / 2] : 0,
	    done ? latency[(size_t)(0.99 * (done - 1))] : 0, last_refusal);
	return 0;
}
