/*
 * driver: plays smtpd(8) to one filter and says what that cost the filter.
 *
 *	driver [options] filter [arguments]
 *
 *	-s n	sessions to measure (1000)	-w n	sessions to play first, unmeasured (50)
 *	-k n	sessions at a time (1)		-m n	mails per session (1)
 *	-b n	bytes per message; 0: the client quits after RCPT (5120)
 *	-r n	data-lines in a row (50)	-R n	recipients per mail (1)
 *	-c n	distinct client addresses	-f text	start of the senders' local parts
 *	-p v	protocol version (0.7)		-1	driver and filter on one CPU
 *	-a name	a header the filter may add	-o	leave the sessions open after RCPT
 *	-S n	only start the filter, n times	-v	show what the filter writes on stderr
 *	-W n	bytes per message of those played first (as -b)
 *
 * Prints one JSON object. CPU time is the filter's alone (clock_getcpuclockid), memory as the kernel counts it (KiB).
 * Ends with status 2 and a message if an answer is missing, comes twice, is malformed, or if a data-line differs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver.h"

struct plan {
	struct shape shape;
	uint32_t warm, warm_size, starts;
	int one_cpu, quiet;
	const char *added[16];
	int added_count;
	char **argv;
};

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
percentile(struct samples *all, double share)
{
	return all->count ? all->value[(size_t)(share * (double)(all->count - 1) + 0.5)] : 0;
}

static void
print_samples(const char *name, struct samples *all)
{
	qsort(all->value, all->count, sizeof(double), ascending);
	printf(", \"%s_min_us\": %.2f, \"%s_p50_us\": %.2f, \"%s_p99_us\": %.2f, \"%s_max_us\": %.2f", name,
	    percentile(all, 0.0), name, percentile(all, 0.5), name, percentile(all, 0.99), name, percentile(all, 1.0));
}

static struct plan
read_arguments(int argc, char **argv)
{
	struct plan plan = { .shape = { .sessions = 1000, .parallel = 1, .mails = 1, .recipients = 1, .size = 5120, .run = 50,
	    .protocol = "0.7", .from = "user" }, .warm = 50, .warm_size = UINT32_MAX, .quiet = 1 };
	int letter;

	while ((letter = getopt(argc, argv, "+s:w:W:k:m:b:r:R:c:f:p:1a:oS:v")) != -1) {
		switch (letter) {
		case 's': plan.shape.sessions = (uint32_t)atoi(optarg); break;
		case 'w': plan.warm = (uint32_t)atoi(optarg); break;
		case 'W': plan.warm_size = (uint32_t)atoi(optarg); break;
		case 'k': plan.shape.parallel = (uint32_t)atoi(optarg); break;
		case 'm': plan.shape.mails = (uint32_t)atoi(optarg); break;
		case 'b': plan.shape.size = (uint32_t)atoi(optarg); break;
		case 'r': plan.shape.run = (uint32_t)atoi(optarg); break;
		case 'R': plan.shape.recipients = (uint32_t)atoi(optarg); break;
		case 'c': plan.shape.clients = (uint32_t)atoi(optarg); break;
		case 'f': plan.shape.from = optarg; break;
		case 'p': plan.shape.protocol = optarg; break;
		case '1': plan.one_cpu = 1; break;
		case 'a':
			if (plan.added_count < 15)
				plan.added[plan.added_count++] = optarg;
			break;
		case 'o': plan.shape.stay_open = 1; break;
		case 'S': plan.starts = (uint32_t)atoi(optarg); break;
		case 'v': plan.quiet = 0; break;
		default: die("unknown option, see the first lines of main.c");
		}
	}
	plan.argv = argv + optind;
	if (*plan.argv == NULL || plan.shape.parallel == 0 || plan.shape.run == 0)
		die("usage: driver [options] filter [arguments]");
	return plan;
}

static void
measure_starts(struct plan *plan)
{
	struct samples ready = { 0 }, cpu = { 0 };
	struct child child = { 0 };
	int status = 0;

	ready.value = calloc(plan->starts, sizeof(double));
	cpu.value = calloc(plan->starts, sizeof(double));
	for (uint32_t i = 0; i < plan->starts; i++) {
		child = child_start(plan->argv, plan->shape.protocol, plan->one_cpu, plan->quiet);
		ready.value[ready.count++] = child.ready_ms * 1e3;
		cpu.value[cpu.count++] = child.ready_cpu_ms * 1e3;
		status |= child_end(&child);
	}
	printf("{\"exit_status\": %d, \"ready_rss_kb\": %ld", status, child.ready_kb);
	print_samples("ready", &ready);
	print_samples("ready_cpu", &cpu);
	printf("}\n");
}

static void
warm_up(struct plan *plan, struct child *child)
{
	struct shape shape = plan->shape;
	struct tally tally = { 0 };
	struct session *all;

	shape.sessions = plan->warm;
	shape.first = 1u << 30;
	shape.stay_open = 0;
	if (plan->warm_size != UINT32_MAX)
		shape.size = plan->warm_size;
	all = script_lay_out(&shape, child->registered);
	play(child, all, &shape, plan->added, &tally);
	script_free(all, shape.sessions);
}

static void
print_result(const struct child *child, struct tally *t, double cpu_ms, double wall_us, long before_kb, int status)
{
	printf("{\"exit_status\": %d, \"registered\": [", status);
	for (int event = 0, first = 1; event < EVENTS; event++)
		if (child->registered >> event & 1) {
			printf("%s\"%s%s\"", first ? "" : ", ", event < ASK_CONNECT ? "" : "ask:", event_names[event]);
			first = 0;
		}
	printf("], \"cpu_ms\": %.3f, \"wall_ms\": %.3f, \"ready_ms\": %.2f", cpu_ms, wall_us / 1e3, child->ready_ms);
	printf(", \"lines\": %lu, \"data_lines\": %lu, \"bytes\": %lu, \"messages\": %lu, \"requests\": %lu, \"added_lines\": %lu, \"dropped\": %lu",
	    t->lines_sent, t->data_lines_sent, t->bytes_sent, t->messages, t->requests, t->added_lines,
	    t->dropped);
	printf(", \"proceed\": %lu, \"junk\": %lu, \"reject\": %lu, \"disconnect\": %lu, \"rewrite\": %lu", t->proceed, t->junk,
	    t->reject, t->disconnect, t->rewrite);
	printf(", \"rss_ready_kb\": %ld, \"rss_before_kb\": %ld", child->ready_kb, before_kb);
	print_samples("ask", &t->asks);
	print_samples("turn", &t->turns);
}

int
main(int argc, char **argv)
{
	struct plan plan = read_arguments(argc, argv);
	struct tally tally = { 0 };
	struct session *all;
	struct child child;
	double cpu, wall;
	long before, after, peak, pss, descriptors;

	if (plan.starts > 0) {
		measure_starts(&plan);
		return 0;
	}
	child = child_start(plan.argv, plan.shape.protocol, plan.one_cpu, plan.quiet);
	if (plan.warm > 0)
		warm_up(&plan, &child);
	all = script_lay_out(&plan.shape, child.registered);
	before = child_status_kb(&child, "VmRSS");
	descriptors = child_descriptors(&child);
	child_reset_peak(&child);
	cpu = child_cpu_ms(&child);
	wall = now_us();
	play(&child, all, &plan.shape, plan.added, &tally);
	wall = now_us() - wall;
	cpu = child_cpu_ms(&child) - cpu;
	after = child_status_kb(&child, "VmRSS");
	peak = child_status_kb(&child, "VmHWM");
	pss = child_status_kb(&child, "Pss");
	descriptors = child_descriptors(&child) - descriptors;
	print_result(&child, &tally, cpu, wall, before, child_end(&child));
	printf(", \"rss_after_kb\": %ld, \"rss_peak_kb\": %ld, \"pss_kb\": %ld, \"more_descriptors\": %ld}\n",
	    after, peak, pss, descriptors);
	script_free(all, plan.shape.sessions);
	return 0;
}
