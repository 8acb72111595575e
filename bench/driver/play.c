/*
 * The closed loop. A session that asked waits for the answer before it sends its next line, as smtpd does; sessions
 * take turns, one step each. Every line that comes back is compared with what was sent.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "driver.h"

#define BATCH_BYTES 65536	/* what is queued for one write */
#define BATCH_STEPS 256
#define INPUT_ROOM (1 << 18)
#define PATIENCE_MS 120000	/* a filter that says nothing for so long has lost an answer */

struct stage {
	struct child *child;
	struct session *all;
	const struct shape *shape;
	const char **added;
	struct tally *tally;
	struct session **ready;	/* ring of those that have something to send */
	uint32_t head, waiting, queued, opened, closed;
	struct iovec batch[BATCH_STEPS];
	int batch_first, batch_count;
	size_t batch_bytes;
	char input[INPUT_ROOM];
	size_t input_size;
};

static void
sample(struct samples *all, double value)
{
	if (all->count == all->room) {
		all->room = all->room * 2 + 1024;
		if ((all->value = realloc(all->value, all->room * sizeof(double))) == NULL)
			die("out of memory");
	}
	all->value[all->count++] = value;
}

static void
make_ready(struct stage *st, struct session *s)
{
	st->ready[(st->head + st->queued++) % st->shape->parallel] = s;
}

static void
open_sessions(struct stage *st)
{
	while (st->opened < st->shape->sessions && st->opened - st->closed < st->shape->parallel)
		make_ready(st, &st->all[st->opened++]);
}

static void
count_lines(struct stage *st, const char *bytes, size_t length, int is_data)
{
	const char *end = bytes + length;

	for (const char *p = bytes; p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++) {
		st->tally->lines_sent++;
		st->tally->data_lines_sent += (uint64_t)is_data;
	}
	st->tally->bytes_sent += length;
}

/* Queues one step of the session whose turn it is. */
static void
take_turn(struct stage *st)
{
	struct session *s = st->ready[st->head];
	const struct step *step = &s->steps[s->next++];

	st->head = (st->head + 1) % st->shape->parallel;
	st->queued--;
	st->batch[st->batch_count++] = (struct iovec){ s->bytes + step->offset, step->length };
	st->batch_bytes += step->length;
	count_lines(st, s->bytes + step->offset, step->length, step->kind == LINES || step->kind == DOT);
	if ((step->kind == LINES || step->kind == DOT) && !s->in_data) {
		s->in_data = 1;
		s->check = step->offset;
	}
	if (step->kind == ASK || step->kind == DOT) {
		s->asked_at = now_us();
		st->waiting++;
	} else if (s->next < s->count)
		make_ready(st, s);
	else
		st->closed++;
}

static void
send_batch(struct stage *st)
{
	struct msghdr msg = { .msg_iov = st->batch + st->batch_first, .msg_iovlen = (size_t)(st->batch_count - st->batch_first) };
	ssize_t n = sendmsg(st->child->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return;
		die("the filter closed its input: %s", strerror(errno));
	}
	st->batch_bytes -= (size_t)n;
	while (n > 0 && (size_t)n >= st->batch[st->batch_first].iov_len)
		n -= (ssize_t)st->batch[st->batch_first++].iov_len;
	if (n > 0) {
		st->batch[st->batch_first].iov_base = (char *)st->batch[st->batch_first].iov_base + n;
		st->batch[st->batch_first].iov_len -= (size_t)n;
	}
	if (st->batch_first == st->batch_count)
		st->batch_first = st->batch_count = 0;
}

static void
answered(struct stage *st, struct session *s, struct samples *into)
{
	sample(into, now_us() - s->asked_at);
	st->waiting--;
	if (s->next < s->count)
		make_ready(st, s);
	else
		st->closed++;
}

/* A header the caller said the filter adds, or its continuation line. */
static int
is_added(struct stage *st, struct session *s, const char *text, size_t length)
{
	if (s->in_edit && length > 0 && (text[0] == ' ' || text[0] == '\t'))
		return 1;
	for (const char **name = st->added; *name != NULL; name++) {
		size_t n = strlen(*name);
		if (length > n && text[n] == ':' && strncasecmp(text, *name, n) == 0)
			return 1;
	}
	return 0;
}

/* `rest` is what follows "filter-dataline|": SESSION|TOKEN|text. */
static void
check_data_line(struct stage *st, struct session *s, const char *rest, size_t length)
{
	const size_t ids = 2 * (ID_LEN + 1);
	const char *sent = s->bytes + s->check, *newline;
	size_t sent_length, header;

	if (!s->in_data)
		die("a data-line for %s, which is not in DATA", s->id);
	newline = memchr(sent, '\n', s->size - s->check);
	sent_length = (size_t)(newline - sent);
	header = (size_t)(strstr(sent, "|data-line|") - sent) + 11;
	if (sent_length - header == length && memcmp(sent + header, rest, length) == 0) {
		s->check += (uint32_t)sent_length + 1;
		s->in_edit = 0;
		if (length == ids + 1 && rest[ids] == '.') {
			s->in_data = 0;
			st->tally->messages++;
			answered(st, s, &st->tally->turns);
		}
		return;
	}
	if (length == ids + 1 && rest[ids] == '.') {	/* a message that will be refused need not come back */
		s->in_data = 0;
		st->tally->dropped++;
		answered(st, s, &st->tally->turns);
		return;
	}
	if (length < ids || !is_added(st, s, rest + ids, length - ids))
		die("sent     %.*s\nreturned %.*s", (int)sent_length, sent, (int)length, rest);
	s->in_edit = 1;
	st->tally->added_lines++;
}

static void
check_result(struct stage *st, struct session *s, const char *rest, size_t length)
{
	struct tally *t = st->tally;
	const char *decision = rest + 2 * (ID_LEN + 1);
	size_t n = length - 2 * (ID_LEN + 1);
	const struct step *asked = &s->steps[s->next - 1];

	if (s->next == 0 || asked->kind != ASK || s->asked_at == 0)
		die("an answer nobody asked for: %.*s", (int)length, rest);
	if (memmem(s->bytes + asked->offset, asked->length, rest, 2 * (ID_LEN + 1)) == NULL)
		die("an answer with the wrong token: %.*s", (int)length, rest);
	t->requests++;
	if (n == 7 && memcmp(decision, "proceed", n) == 0)
		t->proceed++;
	else if (n == 4 && memcmp(decision, "junk", n) == 0)
		t->junk++;
	else if (n > 8 && memcmp(decision, "rewrite|", 8) == 0)
		t->rewrite++;
	else {
		if (n > 7 && memcmp(decision, "reject|", 7) == 0)
			t->reject++;
		else if (n > 11 && memcmp(decision, "disconnect|", 11) == 0)
			t->disconnect++;
		else
			die("not an answer: %.*s", (int)length, rest);
		s->next = s->closing;
	}
	answered(st, s, &t->asks);
	s->asked_at = 0;
}

static void
take_line(struct stage *st, const char *line, size_t length)
{
	const char *rest = memchr(line, '|', length);
	char number[9] = "";
	unsigned long index;

	if (rest == NULL || length - (size_t)(++rest - line) < 2 * (ID_LEN + 1))
		die("not an answer: %.*s", (int)length, line);
	memcpy(number, rest + 8, 8);
	index = strtoul(number, NULL, 16);
	if (index >= st->opened || memcmp(st->all[index].id, rest, ID_LEN) != 0)
		die("an answer for an unknown session: %.*s", (int)length, line);
	length -= (size_t)(rest - line);
	if (rest - line == 16 && memcmp(line, "filter-dataline|", 16) == 0)
		check_data_line(st, &st->all[index], rest, length);
	else if (rest - line == 14 && memcmp(line, "filter-result|", 14) == 0)
		check_result(st, &st->all[index], rest, length);
	else
		die("not an answer: %.*s", (int)length, line);
}

static void
receive(struct stage *st)
{
	ssize_t n = recv(st->child->fd, st->input + st->input_size, INPUT_ROOM - st->input_size, MSG_DONTWAIT);
	char *line = st->input, *end, *newline;

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		die("the filter closed its output");
	if (n < 0)
		return;
	end = st->input + st->input_size + n;
	while ((newline = memchr(line, '\n', (size_t)(end - line))) != NULL) {
		take_line(st, line, (size_t)(newline - line));
		line = newline + 1;
	}
	st->input_size = (size_t)(end - line);
	memmove(st->input, line, st->input_size);
}

void
play(struct child *child, struct session *all, const struct shape *shape, const char **added, struct tally *tally)
{
	static struct stage st;
	struct pollfd pfd = { .fd = child->fd };
	int more;

	st = (struct stage){ .child = child, .all = all, .shape = shape, .added = added, .tally = tally };
	if ((st.ready = calloc(shape->parallel, sizeof(*st.ready))) == NULL)
		die("out of memory");
	while (st.closed < shape->sessions || st.batch_count > 0) {
		open_sessions(&st);
		while (st.queued > 0 && st.batch_bytes < BATCH_BYTES && st.batch_count < BATCH_STEPS) {
			take_turn(&st);
			open_sessions(&st);
		}
		if (st.batch_count > 0)
			send_batch(&st);
		pfd.events = (short)(POLLIN | (st.batch_count > 0 ? POLLOUT : 0));
		more = st.batch_count == 0 && (st.queued > 0 || st.waiting == 0);
		if (poll(&pfd, 1, more ? 0 : PATIENCE_MS) == 0 && !more)
			die("no answer for %d s with %u sessions waiting", PATIENCE_MS / 1000, st.waiting);
		if (pfd.revents & (POLLIN | POLLHUP | POLLERR))
			receive(&st);
	}
	free(st.ready);
}
