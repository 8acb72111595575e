/*
 * A clock that can be stepped while a program runs: LD_PRELOAD this, with SOAK_CLOCK the path of a file of eight
 * bytes, the seconds to add to the time of day (int64_t). Monotonic clocks stay as they are, as when date(1) sets one.
 * Only programs in Python have it: smtpd, which hands its environment to its filters, relays nothing after a step back
 * until the time is again what it was when it last connected.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t zero;
static const volatile int64_t *step = &zero;

__attribute__((constructor)) static void
map_step(void)
{
	const char *path = getenv("SOAK_CLOCK");
	int python = strncmp(program_invocation_short_name, "python", 6) == 0;
	int fd = path && python ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *page;

	if (fd == -1)
		return;
	page = mmap(NULL, sizeof(*step), PROT_READ, MAP_SHARED, fd, 0);
	if (page != MAP_FAILED)
		step = page;
	close(fd);
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int result = (int)syscall(SYS_clock_gettime, id, ts);

	if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ts->tv_sec += *step;
	return result;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	struct timespec ts;

	(void)tz;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *out)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (out != NULL)
		*out = ts.tv_sec;
	return ts.tv_sec;
}
