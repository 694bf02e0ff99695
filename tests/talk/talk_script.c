#include "talk_script.h"

#include "base/must.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MOST (1024 * 1024)

struct reader {
	struct talk *talk;
	unsigned line;
	char global[TALK_YAML_MOST / 4], upstream[TALK_YAML_MOST / 4], service[TALK_YAML_MOST / 4];
	char action[TALK_YAML_MOST / 4];
	bool hosts;
	bool pool;
	bool shows; /* the action says what certificate clients see, */
	bool ca;    /* and what is trusted */
	char *why;
	size_t size;
};

static bool read_line(struct reader *r, struct span line);

PRINTF_LIKE(2, 3) static bool fail(struct reader *r, const char *fmt, ...)
{
	va_list args;
	int at = snprintf(r->why, r->size, "%s:%u: ", r->talk->path, r->line);

	va_start(args, fmt);
	vsnprintf(r->why + at, r->size - (size_t)at, fmt, args);
	va_end(args);
	return false;
}

static char *text_of(struct span s)
{
	char *text = mem_new(s.len + 1);

	memcpy(text, s.at, s.len);
	return text;
}

/* A word off the front, and the blanks behind it. */
static struct span take_word(struct span *rest)
{
	struct span word = span_cut(rest, ' ');

	*rest = span_trim(*rest);
	return word;
}

static struct talk_step *add(struct reader *r, enum talk_kind kind, struct talk_who who)
{
	struct talk *t = r->talk;
	struct talk_step *s;

	if (t->count == t->room) {
		t->room = t->room == 0 ? 64 : 2 * t->room;
		t->steps = mem_grow(t->steps, t->room * sizeof(*t->steps));
	}
	s = &t->steps[t->count++];
	*s = (struct talk_step){ .line = r->line, .kind = kind, .who = who };
	return s;
}

bool talk_script_time(struct span s, msec *out)
{
	static const struct {
		const char *unit;
		msec factor;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		struct span unit = span_str(units[i].unit);
		uint64_t n;

		if (!span_ends_nocase(s, unit) ||
		    !span_number(span_first(s, s.len - unit.len), 1000000, &n))
			continue;
		*out = (msec)n * units[i].factor;
		return true;
	}
	return false;
}

/* --- directives --- */

static bool put_setting(struct reader *r, char *to, struct span line, const char *indent)
{
	size_t used = strlen(to);

	if (used + line.len + 16 > TALK_YAML_MOST / 4)
		return fail(r, "too many settings");
	snprintf(to + used, TALK_YAML_MOST / 4 - used, "%s%.*s\n", indent, SPAN_ARG(line));
	return true;
}

static bool put_upstream(struct reader *r, struct span line)
{
	r->hosts |= span_starts_nocase(line, SPAN("hosts:"));
	r->pool |= span_starts_nocase(line, SPAN("pool:"));
	return put_setting(r, r->upstream, line, "    ");
}

static bool put_action(struct reader *r, struct span line)
{
	r->shows |= span_starts_nocase(line, SPAN("authority:")) || span_starts_nocase(line, SPAN("certificates:"));
	r->ca |= span_starts_nocase(line, SPAN("ca:"));
	return put_setting(r, r->action, line, "    ");
}

static bool read_target(struct reader *r, struct span rest)
{
	r->talk->ourselves |= span_eq(rest, SPAN("ourselves"));
	if (!span_eq(rest, SPAN("ourselves")))
		r->talk->target = text_of(rest);
	return true;
}

static bool read_window(struct reader *r, struct span rest)
{
	struct span side = take_word(&rest);
	uint64_t n;

	if (!span_number(rest, WORLD_WINDOW, &n) || n == 0)
		return fail(r, "window in N, or window out N");
	if (span_eq(side, SPAN("in")))
		r->talk->window_in = (size_t)n;
	else
		r->talk->window_out = (size_t)n;
	return true;
}

static bool read_short_setting(struct reader *r, struct span rest, char *to, const char *key)
{
	char line[128];

	snprintf(line, sizeof(line), "%s: %.*s", key, SPAN_ARG(rest));
	return put_setting(r, to, span_str(line), "    ");
}

/* --- shorthands --- */

PRINTF_LIKE(2, 3) static bool also(struct reader *r, const char *fmt, ...)
{
	char line[512];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	must(len > 0 && (size_t)len < sizeof(line));
	return read_line(r, span_of(line, (size_t)len));
}

/* The two that a shorthand is about: "C2 U3"; 1 where it does not say. */
static void read_pair(struct span rest, unsigned *c, unsigned *u)
{
	*c = *u = 1;
	while (rest.len > 0) {
		struct span word = take_word(&rest);
		uint64_t n;

		if (!span_number(span_from(word, 1), TALK_PEERS, &n))
			continue;
		if (word.at[0] == 'C')
			*c = (unsigned)n;
		else
			*u = (unsigned)n;
	}
}

static bool say_envelope(struct reader *r, unsigned c, unsigned u)
{
	return also(r, "C%u> MAIL FROM:<x@a.example>", c) &&
	       also(r, "U%u< MAIL FROM:<x@a.example>", u) && also(r, "U%u> 250 2.1.0 sender ok", u) &&
	       also(r, "C%u< 250 2.1.0 sender ok", c) && also(r, "C%u> RCPT TO:<y@b.example>", c) &&
	       also(r, "U%u< RCPT TO:<y@b.example>", u) && also(r, "U%u> 250 2.1.5 rcpt ok", u) &&
	       also(r, "C%u< 250 2.1.5 rcpt ok", c);
}

/* In other people's way we are no hop, and there is no field. */
static bool say_data(struct reader *r, unsigned c, unsigned u)
{
	return also(r, "C%u> DATA", c) && also(r, "U%u< DATA", u) && also(r, "U%u> 354 go ahead", u) &&
	       also(r, "C%u< 354 go ahead", c) &&
	       (r->talk->mode == TALK_TRANSPARENT || also(r, "U%u< @received", u));
}

static bool say_body(struct reader *r, unsigned c, unsigned u)
{
	return also(r, "C%u> Subject: hello\\r\\n\\r\\nworld", c) && also(r, "C%u> .", c) &&
	       also(r, "U%u< Subject: hello\\r\\n\\r\\nworld", u) && also(r, "U%u< .", u);
}

static bool say_accepted(struct reader *r, unsigned c, unsigned u)
{
	return also(r, "U%u> 250 2.0.0 queued as 4711", u) &&
	       also(r, "C%u< 250 2.0.0 queued as 4711", c);
}

static bool say_quit(struct reader *r, unsigned c, unsigned u)
{
	return also(r, "C%u> QUIT", c) && also(r, "C%u< 221 2.0.0 Bye", c) && also(r, "U%u< QUIT", u);
}

static bool client_starts_tls(struct reader *r, unsigned c, struct span rest)
{
	return also(r, "C%u> STARTTLS", c) && also(r, "C%u< 220 2.0.0 Ready to start TLS", c) &&
	       also(r, "C%u! tls %.*s", c, SPAN_ARG(rest)) && also(r, "C%u> EHLO a.example", c) &&
	       also(r, "C%u<* 250", c);
}

static bool client_is_ready(struct reader *r, unsigned c, struct span rest)
{
	bool tls = span_eq(take_word(&rest), SPAN("tls"));
	bool put = also(r, "C%u< 220 gw.example ESMTP", c) && also(r, "C%u> EHLO a.example", c) &&
		   also(r, "C%u<* 250", c);

	return put && (!tls || client_starts_tls(r, c, rest));
}

static bool put_ehlo_reply(struct reader *r, unsigned u, struct span caps)
{
	while (caps.len > 0) {
		struct span cap = span_trim(span_cut(&caps, ','));

		if (cap.len > 0 && !also(r, "U%u> 250-%.*s", u, SPAN_ARG(cap)))
			return false;
	}
	return also(r, "U%u> 250 HELP", u);
}

/* "ready [tls[=CERT], ]CAP, CAP": the upstream greets, and offers. */
static bool upstream_is_ready(struct reader *r, unsigned u, struct span rest)
{
	struct span after = rest;
	struct span first = span_trim(span_cut(&after, ','));
	struct span cert = first;
	bool put = also(r, "U%u> 220 mx.example ESMTP", u) && also(r, "U%u< EHLO gw.example", u) &&
		   also(r, "U%u> 250-mx.example", u);

	if (!span_eq(span_cut(&cert, '='), SPAN("tls")))
		return put && put_ehlo_reply(r, u, rest);
	return put && also(r, "U%u> 250 STARTTLS", u) && also(r, "U%u< STARTTLS", u) &&
	       also(r, "U%u> 220 go ahead", u) && also(r, "U%u! tls %.*s", u, SPAN_ARG(cert)) &&
	       also(r, "U%u< EHLO gw.example", u) && also(r, "U%u> 250-mx.example", u) &&
	       put_ehlo_reply(r, u, span_trim(after));
}

/* Transparent: client n and upstream n, from the greeting to the reply to EHLO, which is the upstream's own. */
static bool say_through(struct reader *r, unsigned n, struct span rest)
{
	struct span after = rest;
	struct span first = span_trim(span_cut(&after, ','));
	struct span cert = first;
	bool tls = span_eq(span_cut(&cert, '='), SPAN("tls"));
	bool put = also(r, "U%u> 220 mx.example ESMTP", n) && also(r, "C%u< 220 mx.example ESMTP", n) &&
		   also(r, "C%u> EHLO a.example", n) && also(r, "U%u< EHLO a.example", n);

	if (tls)
		put = put && also(r, "U%u> 250-mx.example", n) && also(r, "U%u> 250 STARTTLS", n) &&
		      also(r, "U%u< STARTTLS", n) && also(r, "U%u> 220 go ahead", n) &&
		      also(r, "U%u! tls %.*s", n, SPAN_ARG(cert)) && also(r, "U%u< EHLO a.example", n);
	return put && also(r, "U%u> 250-mx.example", n) && put_ehlo_reply(r, n, tls ? span_trim(after) : rest) &&
	       also(r, "C%u<* 250", n);
}

/* --- steps --- */

static bool read_act(struct reader *r, struct talk_who who, struct span rest)
{
	struct span args = rest;
	struct span word = take_word(&args);
	struct talk *t = r->talk;

	if (span_eq(word, SPAN("ready")))
		return who.client ? client_is_ready(r, who.number, args) :
				    upstream_is_ready(r, who.number, args);
	if (span_eq(word, SPAN("through")) && who.client)
		return say_through(r, who.number, args);
	if (span_eq(word, SPAN("secure")) && who.client)
		return client_starts_tls(r, who.number, args);
	if (span_eq(word, SPAN("implicit")) && who.client)
		t->implicit[who.number] = true;
	else if (span_eq(word, SPAN("refuse")) && !who.client)
		t->fates[who.number] = WORLD_REFUSED;
	else if (span_eq(word, SPAN("hang")) && !who.client)
		t->fates[who.number] = WORLD_HANGING;
	else if (span_eq(word, SPAN("implicit")) && t->sealed[who.number] == NULL)
		t->sealed[who.number] = text_of(args);
	else
		add(r, TALK_ACT, who)->arg = text_of(rest);
	return true;
}

static bool read_text(struct reader *r, struct talk_step *s, struct span text, bool globs)
{
	char why[128];

	if (s->text_count == TALK_ALTERNATIVES)
		return fail(r, "too many alternatives");
	if (!talk_text_read(text, globs, &s->texts[s->text_count++], why, sizeof(why)))
		return fail(r, "%s", why);
	return true;
}

/* "this || that |cut| that only where octets come late" */
static bool read_texts(struct reader *r, struct talk_step *s, struct span rest)
{
	static const struct span either = SPAN(" || "), late = SPAN(" |cut| ");
	size_t i = 0;

	while (i < rest.len) {
		bool cut = span_starts_nocase(span_from(rest, i), late);

		if (!cut && !span_starts_nocase(span_from(rest, i), either)) {
			i++;
			continue;
		}
		if (!read_text(r, s, span_first(rest, i), true))
			return false;
		if (cut)
			s->whole_count = s->text_count;
		rest = span_from(rest, i + (cut ? late.len : either.len));
		i = 0;
	}
	if (!read_text(r, s, rest, true))
		return false;
	if (s->whole_count == 0)
		s->whole_count = s->text_count;
	return true;
}

static bool read_see_bdat(struct reader *r, struct talk_who who, struct span rest)
{
	struct talk_step *s = add(r, TALK_SEE_BDAT, who);

	s->last = span_starts_nocase(rest, SPAN("LAST "));
	if (s->last)
		rest = span_from(rest, 5);
	return read_text(r, s, rest, false);
}

static bool read_see(struct reader *r, struct talk_who who, struct span rest)
{
	if (span_starts_nocase(rest, SPAN("@bdat ")))
		return read_see_bdat(r, who, span_from(rest, 6));
	if (span_eq(rest, SPAN("@received")))
		add(r, TALK_SEE_RECEIVED, who);
	else if (span_eq(rest, SPAN("...")))
		add(r, TALK_SEE_ANY, who);
	else if (rest.len > 0 && rest.at[0] == '!')
		add(r, TALK_SEE_END, who)->arg = text_of(span_from(rest, 1));
	else
		return read_texts(r, add(r, TALK_SEE, who), rest);
	return true;
}

/* "C> ", "U2< ", "C<* ", "U! " */
static bool read_spoken(struct reader *r, struct span line)
{
	struct talk_who who = { .client = line.at[0] == 'C', .number = 1 };
	size_t i = 1;
	uint64_t n;
	char mark;

	while (i < line.len && ascii_is_digit(line.at[i]))
		i++;
	if (i > 1) {
		if (!span_number(span_of(line.at + 1, i - 1), TALK_PEERS, &n) || n == 0)
			return fail(r, "no such peer");
		who.number = (unsigned)n;
	}
	mark = i < line.len ? line.at[i] : '\0';
	if (mark == '<' && i + 1 < line.len && line.at[i + 1] == '*') {
		add(r, TALK_SEE_REPLY, who)->arg = text_of(span_trim(span_from(line, i + 2)));
		return true;
	}
	line = span_from(line, i + 1);
	if (line.len > 0 && line.at[0] == ' ')
		line = span_from(line, 1);
	if (mark == '>')
		return read_text(r, add(r, TALK_SAY, who), line, false);
	if (mark == '<')
		return read_see(r, who, line);
	if (mark == '!')
		return read_act(r, who, line);
	return fail(r, "after C or U comes one of > < <* !");
}

static bool read_wait(struct reader *r, struct span rest)
{
	struct talk_step *s = add(r, TALK_WAIT, (struct talk_who){ 0 });

	return talk_script_time(rest, &s->wait) || fail(r, "wait 30s, wait 5m");
}

static bool read_domain(struct reader *r, struct span rest)
{
	struct talk *t = r->talk;
	struct span name = take_word(&rest);

	if (t->domain_count == TALK_DOMAINS)
		return fail(r, "too many domains");
	t->domains[t->domain_count++] = (struct talk_domain){ text_of(name), text_of(rest) };
	return true;
}

static bool read_mode(struct talk *t, struct span line)
{
	static const char *const modes[] = {
		[TALK_TERMINATE] = "mode terminate", [TALK_WATCH] = "mode watch",
		[TALK_STRIP] = "mode strip", [TALK_TUNNEL] = "mode tunnel",
		[TALK_TRANSPARENT] = "mode transparent", [TALK_OUTBOUND] = "mode outbound",
	};

	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (span_eq(line, span_str(modes[i]))) {
			t->mode = (enum talk_mode)i;
			return true;
		}
	}
	return false;
}

static bool read_word(struct reader *r, struct span line)
{
	struct span rest = line;
	struct span word = take_word(&rest);
	unsigned c, u;

	read_pair(rest, &c, &u);
	if (span_eq(word, SPAN("envelope")))
		return say_envelope(r, c, u);
	if (span_eq(word, SPAN("data")))
		return say_data(r, c, u);
	if (span_eq(word, SPAN("body")))
		return say_body(r, c, u);
	if (span_eq(word, SPAN("accepted")))
		return say_accepted(r, c, u);
	if (span_eq(word, SPAN("quit")))
		return say_quit(r, c, u);
	if (span_eq(word, SPAN("wait")))
		return read_wait(r, rest);
	if (span_eq(word, SPAN("window")))
		return read_window(r, rest);
	if (span_eq(word, SPAN("client_tls")))
		return read_short_setting(r, rest, r->service, "client_tls");
	if (span_eq(word, SPAN("upstream_tls")))
		return read_short_setting(r, rest, r->upstream, "tls");
	if (span_eq(word, SPAN("service:")))
		return put_setting(r, r->service, rest, "    ");
	if (span_eq(word, SPAN("upstream:")))
		return put_upstream(r, rest);
	if (span_eq(word, SPAN("action:")))
		return put_action(r, rest);
	if (span_eq(word, SPAN("domain")))
		return read_domain(r, rest);
	if (span_eq(word, SPAN("target")))
		return read_target(r, rest);
	if (span_eq(word, SPAN("global:")))
		return put_setting(r, r->global, rest, "");
	if (span_eq(line, SPAN("cut: sparse")))
		r->talk->sparse = true;
	else if (span_eq(line, SPAN("pause")))
		add(r, TALK_PAUSE, (struct talk_who){ 0 });
	else if (span_eq(line, SPAN("drain")))
		add(r, TALK_DRAIN, (struct talk_who){ 0 });
	else if (!read_mode(r->talk, line))
		return fail(r, "what is \"%.*s\"?", SPAN_ARG(line));
	return true;
}

static bool read_line(struct reader *r, struct span line)
{
	if (line.len == 0 || line.at[0] == '#')
		return true;
	if (line.at[0] == 'C' || line.at[0] == 'U')
		return read_spoken(r, line);
	if (line.at[0] == '=') {
		add(r, TALK_FACT, (struct talk_who){ 0 })->arg = text_of(span_trim(span_from(line, 1)));
		return true;
	}
	return read_word(r, line);
}

#define CERTIFICATES \
	"hostname: gw.example\n" \
	"certificates:\n" \
	"  gw: { chain: gw.pem, key: gw.key }\n" \
	"  two: { chain: two.pem, key: two.key }\n"

static void write_transparent(const struct reader *r, char yaml[TALK_YAML_MOST])
{
	snprintf(yaml, TALK_YAML_MOST,
		 CERTIFICATES
		 "authorities:\n"
		 "  one: { certificate: authority.pem, key: authority.key }\n"
		 "  both: { certificate: authority.pem, key: authority.key, "
		 "untrusted_certificate: untrusted.pem, untrusted_key: untrusted.key }\n"
		 "%s"
		 "actions:\n"
		 "  watch: { tls: passthrough }\n"
		 "  open:\n"
		 "    tls: terminate\n"
		 "%s%s%s"
		 "services:\n"
		 "  net:\n"
		 "    mode: transparent\n"
		 "    listen: 192.0.2.250:25\n"
		 "    listen_tls: 192.0.2.250:465\n"
		 "    action: open\n"
		 "%s",
		 r->global, r->shows ? "" : "    authority: one\n", r->ca ? "" : "    ca: ca.pem\n",
		 r->action, r->service);
}

static void write_outbound(const struct reader *r, char yaml[TALK_YAML_MOST])
{
	snprintf(yaml, TALK_YAML_MOST,
		 CERTIFICATES
		 "%s"
		 "upstreams:\n"
		 "  up:\n"
		 "%s%s%s"
		 "services:\n"
		 "  out:\n"
		 "    mode: outbound\n"
		 "    listen: 192.0.2.250:25\n"
		 "    listen_tls: 192.0.2.250:465\n"
		 "    ca: ca.pem\n"
		 "%s",
		 r->global, r->hosts ? "" : "    hosts: \"192.0.2.9:25\"\n",
		 r->pool ? "" : "    pool: 0\n", r->upstream, r->service);
}

static void write_yaml(struct reader *r)
{
	char *yaml = mem_new(TALK_YAML_MOST);

	r->talk->yaml = yaml;
	if (r->talk->mode == TALK_TRANSPARENT) {
		write_transparent(r, yaml);
		return;
	}
	if (r->talk->mode == TALK_OUTBOUND) {
		write_outbound(r, yaml);
		return;
	}
	snprintf(yaml, TALK_YAML_MOST,
		 CERTIFICATES
		 "%s"
		 "upstreams:\n"
		 "  up:\n"
		 "%s%s%s"
		 "services:\n"
		 "  mx:\n"
		 "    listen: 192.0.2.250:25\n"
		 "    listen_tls: 192.0.2.250:465\n"
		 "    upstream: up\n"
		 "%s",
		 r->global, r->hosts ? "" : "    hosts: \"192.0.2.1:25\"\n",
		 r->pool ? "" : "    pool: 0\n", r->upstream, r->service);
}

static bool read_all(struct reader *r, FILE *f)
{
	char *line = NULL;
	size_t room = 0;
	bool good = true;

	while (good) {
		ssize_t len = getline(&line, &room, f);

		if (len < 0)
			break;
		r->line++;
		if (len > 0 && line[len - 1] == '\n')
			len--;
		good = read_line(r, span_of(line, (size_t)len));
	}
	free(line);
	return good;
}

static char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct span name = span_str(slash != NULL ? slash + 1 : path);

	if (span_ends_nocase(name, SPAN(".talk")))
		name.len -= 5;
	return text_of(name);
}

struct talk *talk_script_read(const char *path, char *why, size_t size)
{
	struct talk *t = mem_new(sizeof(*t));
	struct reader r = { .talk = t, .why = why, .size = size };
	FILE *f = fopen(path, "r");
	bool good;

	t->path = mem_text(path);
	t->name = name_of(path);
	t->window_in = t->window_out = WORLD_WINDOW;
	if (f == NULL) {
		snprintf(why, size, "%s: can't be opened", path);
		talk_script_free(t);
		return NULL;
	}
	good = read_all(&r, f);
	fclose(f);
	write_yaml(&r);
	if (good && t->count == 0)
		good = fail(&r, "there is no step in it");
	if (good)
		return t;
	talk_script_free(t);
	return NULL;
}

void talk_script_free(struct talk *t)
{
	for (unsigned i = 0; i < t->count; i++) {
		for (unsigned j = 0; j < t->steps[i].text_count; j++)
			talk_text_free(&t->steps[i].texts[j]);
		free(t->steps[i].arg);
	}
	for (unsigned n = 0; n <= TALK_PEERS; n++)
		free(t->sealed[n]);
	for (unsigned n = 0; n < t->domain_count; n++) {
		free(t->domains[n].name);
		free(t->domains[n].said);
	}
	free(t->steps);
	free(t->target);
	free(t->yaml);
	free(t->name);
	free(t->path);
	free(t);
}
