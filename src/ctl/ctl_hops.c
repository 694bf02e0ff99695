#include "ctl/ctl_hops.h"

#include "base/buf.h"
#include "base/must.h"
#include "ctl/ctl_json.h"
#include "mail/mail_hops.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* One octet more tells that there is more. */
#define READ_MOST (MAIL_HOPS_HEADER_MOST + 1)

enum { EXIT_ENCRYPTED, EXIT_CLEAR, EXIT_UNKNOWN };

static const enum mail_hop_warning all_warnings[] = { MAIL_HOP_GAP, MAIL_HOP_BACK, MAIL_HOP_BELOW, MAIL_HOP_NO_TIME };

#define WARNINGS (sizeof(all_warnings) / sizeof(all_warnings[0]))

struct counts {
	unsigned of[MAIL_HOP_LOCAL + 1];
};

static struct counts count(const struct mail_hops *h)
{
	struct counts c = { 0 };

	for (unsigned i = 0; i < h->count; i++)
		c.of[h->hops[i].kind]++;
	return c;
}

static int verdict(const struct mail_hops *h)
{
	struct counts c = count(h);

	if (c.of[MAIL_HOP_CLEAR] > 0)
		return EXIT_CLEAR;
	return c.of[MAIL_HOP_UNKNOWN] > 0 || h->count == 0 || h->more || h->cut ? EXIT_UNKNOWN : EXIT_ENCRYPTED;
}

static const char *or_dash(const char *text)
{
	return text[0] != '\0' ? text : "-";
}

/* --- the table --- */

static void print_delay(const struct mail_hops *h, unsigned i)
{
	int64_t s;

	if (!mail_hops_delay(h, i, &s))
		printf(" %9s", "-");
	else if (s > -3600 && s < 3600)
		printf(" %8llds", (long long)s);
	else
		printf(" %8lldh", (long long)(s / 3600));
}

static void print_hop(const struct mail_hops *h, unsigned i, unsigned number)
{
	const struct mail_hop *hop = &h->hops[i];
	char date[CTL_JSON_DATE_MOST];

	printf("%3u  %-9s  %-30s  %-30s  %-12s  %-20s", number, mail_hop_kind_name(hop->kind), or_dash(hop->from), or_dash(hop->by),
	       or_dash(hop->with), hop->has_time ? ctl_json_date(hop->time, date) : "-");
	print_delay(h, i);
	printf("  %s\n", or_dash(hop->tls));
}

static void print_warnings(const struct mail_hops *h)
{
	for (unsigned i = h->count; i-- > 0;) {
		for (size_t w = 0; w < WARNINGS; w++) {
			if ((h->hops[i].warnings & all_warnings[w]) != 0)
				printf("warning: hop %u %s\n", h->count - i, mail_hops_warning_text(all_warnings[w]));
		}
	}
	if (h->in_body)
		puts("warning: a Received field stands behind an empty line, where the body begins");
	if (h->more)
		printf("warning: more than %d Received fields; the oldest are not shown\n", MAIL_HOPS_MOST);
	if (h->cut)
		puts("warning: the header section is longer than what was read of it");
}

static bool print_table(const struct mail_hops *h)
{
	struct counts c = count(h);

	printf("%3s  %-9s  %-30s  %-30s  %-12s  %-20s %9s  %s\n", "hop", "was", "from", "by", "with", "time", "delay", "TLS");
	for (unsigned i = h->count; i-- > 0;)
		print_hop(h, i, h->count - i);
	print_warnings(h);
	printf("%u encrypted, %u in clear, %u unknown, %u local\n", c.of[MAIL_HOP_ENCRYPTED], c.of[MAIL_HOP_CLEAR],
	       c.of[MAIL_HOP_UNKNOWN], c.of[MAIL_HOP_LOCAL]);
	return fflush(stdout) == 0;
}

/* --- JSON --- */

static json_t *json_of_warnings(unsigned warnings)
{
	json_t *list = ctl_json_made(json_array());

	for (size_t w = 0; w < WARNINGS; w++) {
		if ((warnings & all_warnings[w]) != 0)
			ctl_json_add(list, json_string(mail_hops_warning_name(all_warnings[w])));
	}
	return list;
}

static json_t *json_of_hop(const struct mail_hops *h, unsigned i)
{
	const struct mail_hop *hop = &h->hops[i];
	json_t *o = ctl_json_made(json_object());
	int64_t delay;

	ctl_json_set(o, "was", json_string(mail_hop_kind_name(hop->kind)));
	ctl_json_set(o, "from", ctl_json_text(hop->from));
	ctl_json_set(o, "address", ctl_json_text(hop->address));
	ctl_json_set(o, "by", ctl_json_text(hop->by));
	ctl_json_set(o, "with", ctl_json_text(hop->with));
	ctl_json_set(o, "tls", ctl_json_text(hop->tls));
	ctl_json_set(o, "time", hop->has_time ? ctl_json_time(hop->time) : json_null());
	ctl_json_set(o, "delay", mail_hops_delay(h, i, &delay) ? json_integer(delay) : json_null());
	ctl_json_set(o, "warnings", json_of_warnings(hop->warnings));
	return o;
}

static bool print_json(const struct mail_hops *h)
{
	json_t *o = ctl_json_made(json_object()), *list = ctl_json_made(json_array());
	struct counts c = count(h);

	for (unsigned i = h->count; i-- > 0;)
		ctl_json_add(list, json_of_hop(h, i));
	ctl_json_set(o, "hops", list);
	for (enum mail_hop_kind k = MAIL_HOP_UNKNOWN; k <= MAIL_HOP_LOCAL; k++)
		ctl_json_set(o, mail_hop_kind_name(k), json_integer(c.of[k]));
	ctl_json_set(o, "received_in_body", json_boolean(h->in_body));
	ctl_json_set(o, "complete", json_boolean(!h->more && !h->cut));
	return ctl_json_print(o);
}

/* --- the message --- */

static bool read_all(FILE *from, struct buf *to)
{
	size_t room, got;
	char *at;

	do {
		at = buf_reserve(to, READ_MOST, &room);
		got = room > 0 ? fread(at, 1, room, from) : 0;
		buf_commit(to, got);
	} while (got > 0);
	return ferror(from) == 0;
}

static int look(FILE *from, const char *name, bool json)
{
	struct mail_hops *h = mem_new(sizeof(*h));
	struct buf message;
	int status = EX_NOINPUT;

	buf_init(&message, READ_MOST);
	if (!read_all(from, &message)) {
		fprintf(stderr, "sallyport hops: %s can't be read\n", name);
	} else {
		mail_hops_read(buf_peek(&message), h);
		status = (json ? print_json(h) : print_table(h)) ? verdict(h) : EX_IOERR;
	}
	buf_free(&message);
	free(h);
	return status;
}

int ctl_hops(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
	bool json = false, good = true;
	const char *path;
	FILE *from;
	int o, status;

	optind = 1;
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'j')
			json = true;
		else
			good = false;
	}
	if (!good || argc - optind > 1) {
		fputs("usage: sallyport hops [--json] [FILE]\n", stderr);
		return EX_USAGE;
	}
	path = optind < argc ? argv[optind] : "-";
	if (strcmp(path, "-") == 0)
		return look(stdin, "stdin", json);
	from = fopen(path, "rb");
	if (from == NULL) {
		fprintf(stderr, "sallyport hops: %s can't be read\n", path);
		return EX_NOINPUT;
	}
	status = look(from, path, json);
	fclose(from);
	return status;
}
