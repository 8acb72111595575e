/*
 * scanners: clamd and spamd that find nothing, after a while or at once, so that in a benchmark only filters cost.
 *
 *	scanners clamd-port spamd-port seconds
 *
 * One question a connection, one connection after the other on each port: filters send a question in one go. clamd: a
 * stream of chunks, each with its length before it; spamd: the client shuts its side down behind a message.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HAM "SPAMD/1.1 0 EX_OK\r\nContent-length: 9\r\nSpam: False ; 1.0 / 5.0\r\n\r\nALL_TESTS"
#define BLOCK 65536

struct scanner {
	int listener;
	void (*talk)(int);
};

static struct timespec pause_of;

static int
whole(int fd, void *data, size_t size)
{
	return recv(fd, data, size, MSG_WAITALL) == (ssize_t)size;
}

static void
say(int fd, const char *text, size_t size)
{
	if (send(fd, text, size, MSG_NOSIGNAL) == -1)
		perror("send");
}

static void
clamd(int fd)
{
	char command[10], block[BLOCK];
	uint32_t size;

	if (!whole(fd, command, 6))
		return;
	if (memcmp(command, "zINSTR", 6) != 0) {
		if (memcmp(command, "zPING", 5) == 0)
			say(fd, "PONG", 5);
		else if (whole(fd, command, 3))		/* of zVERSION, which goes on */
			say(fd, "ClamAV 1.0.0/27000/Sat Nov 28 00:00:00 2026", 44);
		return;
	}
	if (!whole(fd, command, 4))		/* the rest of the word, with its NUL */
		return;
	while (whole(fd, &size, 4) && (size = ntohl(size)) > 0)
		for (; size > 0; size -= size < BLOCK ? size : BLOCK)
			if (!whole(fd, block, size < BLOCK ? size : BLOCK))
				return;
	nanosleep(&pause_of, NULL);
	say(fd, "stream: OK", 11);
}

static void
spamd(int fd)
{
	char block[BLOCK];
	ssize_t got = recv(fd, block, sizeof block, 0);

	if (got >= 4 && memcmp(block, "PING", 4) == 0) {
		say(fd, "SPAMD/1.5 0 PONG\r\n", 18);
		return;
	}
	while (got > 0)
		got = recv(fd, block, sizeof block, 0);
	nanosleep(&pause_of, NULL);
	say(fd, HAM, sizeof HAM - 1);
}

static void *
serve(void *argument)
{
	struct scanner *scanner = argument;
	int fd;

	for (;;) {
		if ((fd = accept(scanner->listener, NULL, NULL)) == -1) {
			perror("scanners");
			exit(2);
		}
		scanner->talk(fd);
		close(fd);
	}
	return NULL;
}

static int
listening(const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == -1 ||
	    bind(fd, (struct sockaddr *)&at, sizeof at) == -1 || listen(fd, 128) == -1) {
		perror(port);
		exit(2);
	}
	return fd;
}

int
main(int argc, char **argv)
{
	static struct scanner first = { .talk = clamd }, second = { .talk = spamd };
	pthread_t thread;
	double seconds;

	if (argc != 4) {
		fprintf(stderr, "usage: scanners clamd-port spamd-port seconds\n");
		return 2;
	}
	seconds = atof(argv[3]);
	pause_of.tv_sec = (time_t)seconds;
	pause_of.tv_nsec = (long)((seconds - (double)pause_of.tv_sec) * 1e9);
	first.listener = listening(argv[1]);
	second.listener = listening(argv[2]);
	if (pthread_create(&thread, NULL, serve, &first) != 0)
		return 2;
	serve(&second);
}
