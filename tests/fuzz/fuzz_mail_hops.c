/* Whatever stands in a header section: bounded, printable, and the same read by CRLF as by LF alone. */
#include "base/must.h"
#include "mail/mail_hops.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t most)
{
	size_t len = strnlen(text, most);

	must(len < most);
	must(len == 0 || (text[0] != ' ' && text[len - 1] != ' '));
	for (; *text != '\0'; text++)
		must(*text >= 0x20 && *text < 0x7f);
}

static void check_hop(const struct mail_hop *h)
{
	check_text(h->from, sizeof(h->from));
	check_text(h->address, sizeof(h->address));
	check_text(h->by, sizeof(h->by));
	check_text(h->with, sizeof(h->with));
	check_text(h->tls, sizeof(h->tls));
	must(h->name_count <= MAIL_HOP_NAMES_MOST);
	for (unsigned i = 0; i < h->name_count; i++)
		check_text(h->names[i], sizeof(h->names[i]));
	must(mail_hop_kind_name(h->kind) != NULL);
	must(h->has_time == ((h->warnings & MAIL_HOP_NO_TIME) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mail_hops h;
	int64_t delay;

	mail_hops_read(span_of(data, size), &h);
	must(h.count <= MAIL_HOPS_MOST && (!h.more || h.count == MAIL_HOPS_MOST));
	for (unsigned i = 0; i < h.count; i++) {
		check_hop(&h.hops[i]);
		must(!mail_hops_delay(&h, i, &delay) || i + 1 < h.count);
	}
	return 0;
}
