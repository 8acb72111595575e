/*
 * The filter's process: started as smtpd starts it (one socketpair as stdin and stdout, another for stderr), its
 * registration read, its CPU time and memory asked of the kernel.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "driver.h"

double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

double
child_cpu_ms(const struct child *child)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(child->pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
		return -1;
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* A line of /proc/PID/status in KiB: VmRSS, VmHWM; or Pss, from smaps_rollup. */
long
child_status_kb(const struct child *child, const char *key)
{
	char path[64], line[256];
	long value = -1;
	size_t n = strlen(key);
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", child->pid, strcmp(key, "Pss") == 0 ? "smaps_rollup" : "status");
	if ((f = fopen(path, "r")) == NULL)
		return -1;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, n) == 0 && line[n] == ':')
			value = atol(line + n + 1);
	fclose(f);
	return value;
}

/* How many descriptors the filter has open. */
long
child_descriptors(const struct child *child)
{
	char path[64];
	long count = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fd", child->pid);
	if ((folder = opendir(path)) == NULL)
		return -1;
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

/* From here on VmHWM counts anew. */
void
child_reset_peak(const struct child *child)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/clear_refs", child->pid);
	if ((f = fopen(path, "w")) == NULL)
		return;
	fputs("5", f);
	fclose(f);
}

static void
pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* smtpd reads a filter's stderr; so does this thread, for as long as the filter lives. */
static void *
drain(void *argument)
{
	int fd = (int)((long)argument >> 1), quiet = (int)((long)argument & 1);
	char text[65536];
	ssize_t n;

	while ((n = read(fd, text, sizeof(text))) > 0)
		if (!quiet && write(2, text, (size_t)n) < 0)
			break;
	close(fd);
	return NULL;
}

static void
read_registration(struct child *child)
{
	static char text[65536];
	size_t size = 0;
	ssize_t n;

	while (memmem(text, size, "register|ready\n", 15) == NULL) {
		if ((n = read(child->fd, text + size, sizeof(text) - 1 - size)) <= 0)
			die("the filter ended before register|ready");
		size += (size_t)n;
	}
	text[size] = '\0';
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		int is_filter = strncmp(line, "register|filter|smtp-in|", 24) == 0;
		if (!is_filter && strncmp(line, "register|report|smtp-in|", 24) != 0)
			continue;
		for (int event = is_filter ? ASK_CONNECT : 0; event < (is_filter ? EVENTS : ASK_CONNECT); event++)
			if (strcmp(line + 24, event_names[event]) == 0 || strcmp(line + 24, "*") == 0)
				child->registered |= (uint64_t)1 << event;
	}
}

static void
greet(const struct child *child, const char *protocol)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "config|smtpd-version|7.8.0-portable\nconfig|protocol|%s\n"
	    "config|smtp-session-timeout|300\nconfig|subsystem|smtp-in\nconfig|admd|mx.example.org\nconfig|ready\n", protocol);

	if (write(child->fd, text, (size_t)n) != n)
		die("cannot write to the filter");
}

struct child
child_start(char *const argv[], const char *protocol, int one_cpu, int quiet)
{
	struct child child = { 0 };
	int wire[2], errors[2];
	double started;
	pthread_t thread;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, wire) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, errors) < 0)
		die("socketpair: %s", strerror(errno));
	if (one_cpu)
		pin(0);
	started = now_us();
	if ((child.pid = fork()) == 0) {
		dup2(wire[1], 0);
		dup2(wire[1], 1);
		dup2(errors[1], 2);
		for (int fd = 3; fd < 64; fd++)
			close(fd);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(wire[1]);
	close(errors[1]);
	child.fd = wire[0];
	if (pthread_create(&thread, NULL, drain, (void *)((long)errors[0] << 1 | (quiet != 0))) == 0)
		pthread_detach(thread);
	greet(&child, protocol);
	read_registration(&child);
	child.ready_ms = (now_us() - started) / 1e3;
	child.ready_cpu_ms = child_cpu_ms(&child);
	child.ready_kb = child_status_kb(&child, "VmRSS");
	return child;
}

/* End of file is how smtpd ends a filter. The exit status, or -1 if it had to be killed after five seconds. */
int
child_end(struct child *child)
{
	int status;

	close(child->fd);
	for (int i = 0; i < 500; i++) {
		if (waitpid(child->pid, &status, WNOHANG) == child->pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		usleep(10000);
	}
	kill(child->pid, SIGKILL);
	waitpid(child->pid, &status, 0);
	return -1;
}
