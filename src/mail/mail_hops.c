#include "mail/mail_hops.h"

#include <string.h>

/* --- the header section --- */

struct field {
	struct span name, value;
};

static bool is_folded(struct span line)
{
	return line.len > 0 && (line.at[0] == ' ' || line.at[0] == '\t');
}

static struct span chomp(struct span line)
{
	return line.len > 0 && line.at[line.len - 1] == '\r' ? span_first(line, line.len - 1) : line;
}

/* Takes a field with its folded lines; false at the empty line, which is taken too, and at the end. A line that is no field comes
 * without a name. */
static bool next_field(struct span *rest, struct field *f)
{
	struct span line = chomp(span_cut(rest, '\n'));
	size_t colon = span_find(line, ':');

	if (line.len == 0)
		return false;
	f->name = colon < line.len ? span_trim(span_first(line, colon)) : SPAN("");
	f->value = span_from(line, colon + 1);
	while (is_folded(*rest)) {
		line = chomp(span_cut(rest, '\n'));
		f->value.len = (size_t)(line.at + line.len - f->value.at);
	}
	return true;
}

/* What the sender's own program writes; all that servers add stands above it. */
static bool is_own(struct span name)
{
	static const char *const own[] = {
		"From", "To", "Cc", "Subject", "Message-ID", "Reply-To", "MIME-Version", "Content-Type",
	};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (span_eq_nocase(name, span_str(own[i])))
			return true;
	}
	return false;
}

static bool is_received(const struct field *f)
{
	return span_eq_nocase(f->name, SPAN("Received"));
}

static void take_hop(struct mail_hops *h, const struct field *f, bool below)
{
	struct mail_hop *hop = &h->hops[h->count];

	if (h->count == MAIL_HOPS_MOST) {
		h->more = true;
		return;
	}
	h->count++;
	mail_hop_read(f->value, hop);
	if (below)
		hop->warnings |= MAIL_HOP_BELOW;
	if (!hop->has_time)
		hop->warnings |= MAIL_HOP_NO_TIME;
}

/* --- what fits together --- */

/* The last two labels; the whole where there are no more. Two domains below "co.uk" are taken for one: there is no warning
 * then, and that is all it costs. */
static struct span domain_of(const char *name)
{
	struct span s = span_str(name);
	unsigned dots = 0;

	for (size_t i = s.len; i-- > 0;) {
		dots += s.at[i] == '.';
		if (dots == 2)
			return span_from(s, i + 1);
	}
	return s;
}

/* Hosts call themselves by one name and are called by another: one of the same domain is enough. */
static bool is_near(const char *a, const char *b)
{
	return span_eq_nocase(domain_of(a), domain_of(b));
}

/* An address, or a name without a domain, tells nothing. */
static bool tells(const char *name)
{
	size_t len = strlen(name);

	return strchr(name, '.') != NULL && strchr(name, ':') == NULL && name[0] != '[' &&
	       !ascii_is_digit(name[len - 1]);
}

static bool has_gap(const struct mail_hop *hop, const struct mail_hop *before)
{
	bool any = tells(hop->from);

	if (hop->from[0] == '\0' || !tells(before->by))
		return false;
	if (is_near(hop->from, before->by))
		return false;
	for (unsigned i = 0; i < hop->name_count; i++) {
		any |= tells(hop->names[i]);
		if (is_near(hop->names[i], before->by))
			return false;
	}
	/* What comes over loopback comes from the host itself. */
	if (hop->kind == MAIL_HOP_LOCAL)
		return tells(hop->by) && !is_near(hop->by, before->by);
	return any;
}

bool mail_hops_delay(const struct mail_hops *h, unsigned i, int64_t *seconds)
{
	if (i + 1 >= h->count || !h->hops[i].has_time || !h->hops[i + 1].has_time)
		return false;
	*seconds = h->hops[i].time - h->hops[i + 1].time;
	return true;
}

static void compare(struct mail_hops *h)
{
	for (unsigned i = 0; i + 1 < h->count; i++) {
		int64_t delay;

		if (has_gap(&h->hops[i], &h->hops[i + 1]))
			h->hops[i].warnings |= MAIL_HOP_GAP;
		if (mail_hops_delay(h, i, &delay) && delay < -MAIL_HOPS_SKEW)
			h->hops[i].warnings |= MAIL_HOP_BACK;
	}
}

void mail_hops_read(struct span message, struct mail_hops *h)
{
	struct span rest = span_first(message, MAIL_HOPS_HEADER_MOST);
	struct field f;
	bool below = false;

	memset(h, 0, sizeof(*h));
	while (next_field(&rest, &f)) {
		if (is_received(&f))
			take_hop(h, &f, below);
		below |= is_own(f.name);
	}
	h->cut = rest.len == 0 && message.len > MAIL_HOPS_HEADER_MOST;
	h->in_body = next_field(&rest, &f) && is_received(&f);
	compare(h);
}

const char *mail_hops_warning_text(enum mail_hop_warning w)
{
	switch (w) {
	case MAIL_HOP_GAP:
		return "comes from another host than the one that had the message before";
	case MAIL_HOP_BACK:
		return "its time is before that of the hop before it";
	case MAIL_HOP_BELOW:
		return "stands below fields of the message itself, where no server puts it";
	case MAIL_HOP_NO_TIME:
		break;
	}
	return "has no time that could be read";
}

const char *mail_hops_warning_name(enum mail_hop_warning w)
{
	switch (w) {
	case MAIL_HOP_GAP:
		return "gap";
	case MAIL_HOP_BACK:
		return "back";
	case MAIL_HOP_BELOW:
		return "below";
	case MAIL_HOP_NO_TIME:
		break;
	}
	return "no-time";
}
