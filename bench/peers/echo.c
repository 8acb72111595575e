/*
 * The peer: a filter on libopensmtpd (Debian's libopensmtpd-dev) that registers eight reports and seven requests,
 * proceeds and gives every data-line back. It keeps nothing and decides nothing, so it is the least that a filter
 * written in C on that library costs.
 */
#include <stdint.h>

#include <opensmtpd.h>

static void
answer(struct osmtpd_ctx *ctx)
{
	osmtpd_filter_proceed(ctx);
}

static void
answer_text(struct osmtpd_ctx *ctx, const char *text __unused)
{
	osmtpd_filter_proceed(ctx);
}

static void
answer_connect(struct osmtpd_ctx *ctx, const char *rdns __unused, struct sockaddr_storage *src __unused)
{
	osmtpd_filter_proceed(ctx);
}

static void
data_line(struct osmtpd_ctx *ctx, const char *line)
{
	osmtpd_filter_dataline(ctx, "%s", line);
}

static void
saw_connect(struct osmtpd_ctx *ctx __unused, const char *rdns __unused, enum osmtpd_status fcrdns __unused,
    struct sockaddr_storage *src __unused, struct sockaddr_storage *dst __unused)
{
}

static void
saw(struct osmtpd_ctx *ctx __unused)
{
}

static void
saw_text(struct osmtpd_ctx *ctx __unused, const char *text __unused)
{
}

static void
saw_id(struct osmtpd_ctx *ctx __unused, uint32_t msgid __unused)
{
}

static void
saw_address(struct osmtpd_ctx *ctx __unused, uint32_t msgid __unused, const char *address __unused,
    enum osmtpd_status status __unused)
{
}

static void
saw_size(struct osmtpd_ctx *ctx __unused, uint32_t msgid __unused, size_t size __unused)
{
}

int
main(void)
{
	osmtpd_register_report_connect(1, saw_connect);
	osmtpd_register_report_disconnect(1, saw);
	osmtpd_register_report_identify(1, saw_text);
	osmtpd_register_report_begin(1, saw_id);
	osmtpd_register_report_mail(1, saw_address);
	osmtpd_register_report_rcpt(1, saw_address);
	osmtpd_register_report_commit(1, saw_size);
	osmtpd_register_report_rollback(1, saw_id);
	osmtpd_register_filter_connect(answer_connect);
	osmtpd_register_filter_helo(answer_text);
	osmtpd_register_filter_ehlo(answer_text);
	osmtpd_register_filter_mailfrom(answer_text);
	osmtpd_register_filter_rcptto(answer_text);
	osmtpd_register_filter_dataline(data_line);
	osmtpd_register_filter_commit(answer);
	osmtpd_run();
	return 0;
}
