/*
 * Plays smtpd(8) to one filter: see main.c for what the program is and how it is used.
 *
 * script.c   what smtpd would send, laid out as bytes before any clock starts
 * play.c     the closed loop: send, wait for the answer, compare
 * child.c    the filter's process: start, handshake, CPU time, memory, end
 */
#ifndef DRIVER_H
#define DRIVER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ID_LEN 16	/* a session id or a token: 16 hexadecimal digits */

/* What can be registered; a bit each in `struct child.registered`. */
enum event {
	LINK_CONNECT, LINK_GREETING, LINK_IDENTIFY, LINK_TLS, LINK_AUTH, LINK_DISCONNECT,
	TX_RESET, TX_BEGIN, TX_MAIL, TX_RCPT, TX_ENVELOPE, TX_DATA, TX_COMMIT, TX_ROLLBACK,
	PROTOCOL_CLIENT, PROTOCOL_SERVER, FILTER_REPORT, FILTER_RESPONSE, TIMEOUT,
	ASK_CONNECT, ASK_HELO, ASK_EHLO, ASK_STARTTLS, ASK_AUTH, ASK_MAIL_FROM, ASK_RCPT_TO,
	ASK_DATA, ASK_DATA_LINE, ASK_RSET, ASK_QUIT, ASK_NOOP, ASK_COMMIT, EVENTS
};

struct child {
	pid_t pid;
	int fd;			/* the filter's stdin and stdout: one socket, as under smtpd */
	uint64_t registered;	/* 1 << enum event */
	double ready_ms;	/* from fork to register|ready */
	double ready_cpu_ms;	/* CPU time the filter had used by then */
	long ready_kb;		/* resident memory then */
};

enum step_kind {
	TELL,			/* reports only: nothing comes back */
	ASK,			/* ends in a request: the session waits for the filter-result */
	LINES,			/* a run of data-lines: nothing is waited for */
	DOT			/* ends in the dot: the session waits for the filter's own dot */
};

struct step {
	uint32_t offset, length;	/* into the session's bytes */
	enum step_kind kind;
};

struct session {
	char id[ID_LEN + 1];
	char *bytes;
	struct step *steps;
	uint32_t size, room, count, steps_room;
	uint32_t open_at;	/* start of the step being laid out */
	uint32_t closing;	/* the step that ends the session after a refusal */
	/* play */
	uint32_t next;		/* step to send */
	uint32_t check;		/* offset of the data-line expected back */
	int in_data;
	int in_edit;		/* the line before was a header the filter added */
	double asked_at;	/* microseconds */
};

struct shape {
	uint32_t sessions;	/* how many in all */
	uint32_t first;		/* number of the first: client addresses and names follow from it */
	uint32_t clients;	/* distinct client addresses; 0: as many as sessions */
	uint32_t parallel;	/* how many at a time */
	uint32_t mails;		/* per session */
	uint32_t recipients;	/* per mail */
	uint32_t size;		/* of the message, bytes with CRLF; 0: the client quits after RCPT */
	uint32_t run;		/* data-lines in a row, as smtpd forwards what one read of a client held */
	int stay_open;		/* stop after RCPT and leave the session there */
	const char *protocol;	/* "0.6", "0.7" */
	const char *from;	/* text put before the sender's number: "user" gives user17@example.net */
};

struct samples {
	double *value;		/* microseconds */
	size_t count, room;
};

struct tally {
	uint64_t lines_sent, data_lines_sent, bytes_sent, messages, requests;
	uint64_t proceed, junk, reject, disconnect, rewrite;
	uint64_t added_lines, dropped;
	struct samples asks;	/* request to answer */
	struct samples turns;	/* the dot to the filter's dot */
};

/* script.c */
struct session *script_lay_out(const struct shape *, uint64_t registered);
void script_free(struct session *, uint32_t count);
const char *script_token(enum event);
extern const char *event_names[EVENTS];

/* play.c */
void play(struct child *, struct session *, const struct shape *, const char **added, struct tally *);

/* child.c */
struct child child_start(char *const argv[], const char *protocol, int one_cpu, int quiet);
int child_end(struct child *);
double child_cpu_ms(const struct child *);
long child_descriptors(const struct child *);
long child_status_kb(const struct child *, const char *key);
void child_reset_peak(const struct child *);
double now_us(void);

#define die(...) do { fprintf(stderr, "driver: " __VA_ARGS__); fputc('\n', stderr); exit(2); } while (0)

#endif
