#include "smtp/smtp_watch.h"
#include "unit.h"

#define PARTS 24
#define MOST (256 * 1024)

/* What comes, in order: a C or an S (who says it), then the octets. */
#define C(text) SPAN("C" text)
#define S(text) SPAN("S" text)

#define HELLO S("220 mx ESMTP\r\n"), C("EHLO a\r\n")
#define MAIL HELLO, S("250 mx\r\n"), C("MAIL FROM:<x>\r\n"), S("250 ok\r\n"), \
	C("RCPT TO:<y>\r\n"), S("250 ok\r\n"), C("DATA\r\n"), S("354 go\r\n")
#define MAIL_TO_SERVER "EHLO a\r\nMAIL FROM:<x>\r\nRCPT TO:<y>\r\nDATA\r\n"
#define MAIL_TO_CLIENT "220 mx ESMTP\r\n250 mx\r\n250 ok\r\n250 ok\r\n354 go\r\n"

struct row {
	const char *name;
	bool strip;
	struct span parts[PARTS];
	const char *to_client, *to_server; /* what is passed on; our answer to a fault behind it: "!554" */
	const char *found;                 /* the findings that are not MOVED or STILL */
};

struct play {
	struct smtp_watch w;
	struct buf client_in, client_out, server_in, server_out, to_client, to_server;
	char found[64];
	bool over, lost;
};

static void note(struct play *p, enum smtp_watch_found found)
{
	const char *name = found == SMTP_WATCH_TLS ? "tls " : found == SMTP_WATCH_SPOILT ? "spoilt " : "fault ";

	strcat(p->found, name);
	p->over |= found != SMTP_WATCH_SPOILT;
	p->lost |= found == SMTP_WATCH_SPOILT;
	if (found == SMTP_WATCH_FAULT)
		must(buf_printf(&p->to_client, "!%d", p->w.answer->code));
}

static enum smtp_watch_found step(struct play *p, bool client)
{
	const struct smtp_watch_io io = { &p->client_in, &p->client_out, &p->server_in, &p->server_out };
	struct why why = { .fault = FAULT_NONE };
	enum smtp_watch_found found = client ? smtp_watch_client(&p->w, &io, &why) :
					       smtp_watch_server(&p->w, &io, &why);

	must(buf_put(&p->to_client, buf_peek(&p->client_out)));
	must(buf_put(&p->to_server, buf_peek(&p->server_out)));
	buf_free(&p->client_out);
	buf_free(&p->server_out);
	if (found == SMTP_WATCH_FAULT || found == SMTP_WATCH_SPOILT)
		assert_int_equal(why.fault, FAULT_PEER);
	if (found != SMTP_WATCH_STILL && found != SMTP_WATCH_MOVED)
		note(p, found);
	return found;
}

/* As mode_watch does it. */
static void run(struct play *p)
{
	do {
		while (!p->over && step(p, true) != SMTP_WATCH_STILL)
			;
	} while (!p->over && !p->lost && step(p, false) != SMTP_WATCH_STILL);
}

static void begin(struct play *p, bool strip)
{
	*p = (struct play){ 0 };
	smtp_watch_init(&p->w, strip, "6f2a91");
	buf_init(&p->client_in, MOST);
	buf_init(&p->client_out, MOST);
	buf_init(&p->server_in, MOST);
	buf_init(&p->server_out, MOST);
	buf_init(&p->to_client, MOST);
	buf_init(&p->to_server, MOST);
}

static void end(struct play *p)
{
	smtp_watch_free(&p->w);
	buf_free(&p->client_in);
	buf_free(&p->client_out);
	buf_free(&p->server_in);
	buf_free(&p->server_out);
	buf_free(&p->to_client);
	buf_free(&p->to_server);
}

static void say(struct play *p, struct span part, size_t piece)
{
	struct buf *in = part.at[0] == 'C' ? &p->client_in : &p->server_in;
	struct span rest = span_from(part, 1);

	while (rest.len > 0 && !p->over) {
		struct span some = span_first(rest, piece);

		must(buf_put(in, some));
		rest = span_from(rest, some.len);
		run(p);
	}
}

static void play_row(const struct row *row, size_t piece)
{
	struct play p;

	begin(&p, row->strip);
	for (size_t i = 0; i < PARTS && row->parts[i].at != NULL; i++)
		say(&p, row->parts[i], piece);
	want_text(row->name, buf_peek(&p.to_client), span_str(row->to_client));
	want_text(row->name, buf_peek(&p.to_server), span_str(row->to_server));
	want_text(row->name, span_str(p.found), span_str(row->found != NULL ? row->found : ""));
	end(&p);
}

static void play_rows(const struct row *rows, size_t count)
{
	static const size_t pieces[] = { SIZE_MAX, 1, 2, 3, 7 };

	for (size_t i = 0; i < count; i++) {
		for (size_t n = 0; n < ROWS(pieces); n++)
			play_row(&rows[i], pieces[n]);
	}
}

/* --- MC-2 --- */

static const struct row strips[] = {
	{ "the last keyword", true, { HELLO, S("250-mx\r\n250-SIZE 1\r\n250 STARTTLS\r\n") },
	  "220 mx ESMTP\r\n250-mx\r\n250 SIZE 1\r\n", "EHLO a\r\n", NULL },
	{ "the first keyword", true, { HELLO, S("250-mx\r\n250-STARTTLS\r\n250 SIZE 1\r\n") },
	  "220 mx ESMTP\r\n250-mx\r\n250 SIZE 1\r\n", "EHLO a\r\n", NULL },
	{ "in the middle", true, { HELLO, S("250-mx\r\n250-DSN\r\n250-STARTTLS\r\n250 HELP\r\n") },
	  "220 mx ESMTP\r\n250-mx\r\n250-DSN\r\n250 HELP\r\n", "EHLO a\r\n", NULL },
	{ "the only keyword", true, { HELLO, S("250-mx\r\n250 STARTTLS\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n", "EHLO a\r\n", NULL },
	{ "four times, the last ones too", true,
	  { HELLO, S("250-mx\r\n250-STARTTLS\r\n250-StartTLS\r\n250-X\r\n250-STARTTLS\r\n250 starttls\r\n") },
	  "220 mx ESMTP\r\n250-mx\r\n250 X\r\n", "EHLO a\r\n", NULL },
	{ "another case", true, { HELLO, S("250-mx\r\n250-sTaRtTlS\r\n250 X\r\n") },
	  "220 mx ESMTP\r\n250-mx\r\n250 X\r\n", "EHLO a\r\n", NULL },
	{ "with a parameter, or blanks", true,
	  { HELLO, S("250-mx\r\n250-STARTTLS REQUIRED\r\n250- STARTTLS\r\n250-STARTTLS \r\n250-STARTTLS\tx\r\n250 X\r\n") },
	  "220 mx ESMTP\r\n250-mx\r\n250 X\r\n", "EHLO a\r\n", NULL },
	{ "a longer word is another", true,
	  { HELLO, S("250-mx\r\n250-STARTTLSX\r\n250-XSTARTTLS\r\n250 STARTTL\r\n") },
	  "220 mx ESMTP\r\n250-mx\r\n250-STARTTLSX\r\n250-XSTARTTLS\r\n250 STARTTL\r\n", "EHLO a\r\n", NULL },
	{ "line 1 is the greeting", true, { HELLO, S("250-STARTTLS\r\n250 SIZE 1\r\n") },
	  "220 mx ESMTP\r\n250-STARTTLS\r\n250 SIZE 1\r\n", "EHLO a\r\n", NULL },
	{ "line 1 is the greeting, and the only one", true, { HELLO, S("250 STARTTLS\r\n") },
	  "220 mx ESMTP\r\n250 STARTTLS\r\n", "EHLO a\r\n", NULL },
	{ "line 1 is the greeting, line 2 is not", true, { HELLO, S("250-STARTTLS\r\n250 STARTTLS\r\n") },
	  "220 mx ESMTP\r\n250 STARTTLS\r\n", "EHLO a\r\n", NULL },
	{ "the server's greeting", true, { S("220-mx\r\n220 STARTTLS\r\n"), C("EHLO a\r\n"), S("250 mx\r\n") },
	  "220-mx\r\n220 STARTTLS\r\n250 mx\r\n", "EHLO a\r\n", NULL },
	{ "in other replies", true, { HELLO, S("250 mx\r\n"), C("HELP\r\n"), S("250-see\r\n250 STARTTLS\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n250-see\r\n250 STARTTLS\r\n", "EHLO a\r\nHELP\r\n", NULL },
	{ "in a refusal of EHLO", true, { HELLO, S("550-no\r\n550 STARTTLS\r\n") },
	  "220 mx ESMTP\r\n550-no\r\n550 STARTTLS\r\n", "EHLO a\r\n", NULL },
	{ "nothing else is touched", true,
	  { HELLO, S("250-mx\r\n250-AUTH SCRAM-SHA-256-PLUS PLAIN\r\n250-STARTTLS\r\n250-\r\n250- x\r\n250-XSTRANGE\r\n250\r\n") },
	  "220 mx ESMTP\r\n250-mx\r\n250-AUTH SCRAM-SHA-256-PLUS PLAIN\r\n250-\r\n250- x\r\n250-XSTRANGE\r\n250\r\n",
	  "EHLO a\r\n", NULL },
	{ "EHLO twice", true,
	  { HELLO, S("250-mx\r\n250 STARTTLS\r\n"), C("ehlo a\r\n"), S("250-mx\r\n250 STARTTLS\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n250 mx\r\n", "EHLO a\r\nehlo a\r\n", NULL },
	{ "EHLO as some servers read it", true, { S("220 mx\r\n"), C(" \tEHLO\ta\r\n"), S("250-mx\r\n250 STARTTLS\r\n") },
	  "220 mx\r\n250 mx\r\n", " \tEHLO\ta\r\n", NULL },
	{ "EHLO before the greeting", true, { C("EHLO a\r\n"), S("220 mx\r\n250-mx\r\n250 STARTTLS\r\n") },
	  "220 mx\r\n250 mx\r\n", "EHLO a\r\n", NULL },
	{ "asked blindly", true,
	  { HELLO, S("250 mx\r\n"), C("STARTTLS\r\n"), C("NOOP\r\n"), S("250 ok\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n502 5.5.1 Command not offered here [CMD] 6f2a91\r\n250 ok\r\n",
	  "EHLO a\r\nNOOP\r\n", NULL },
	{ "asked blindly, in any form", true,
	  { HELLO, S("250 mx\r\n"), C("starttls\r\n STARTTLS\r\nSTARTTLS\t\r\nSTARTTLS now\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n502 5.5.1 Command not offered here [CMD] 6f2a91\r\n"
	  "502 5.5.1 Command not offered here [CMD] 6f2a91\r\n502 5.5.1 Command not offered here [CMD] 6f2a91\r\n"
	  "502 5.5.1 Command not offered here [CMD] 6f2a91\r\n", "EHLO a\r\n", NULL },
	{ "the refusal waits for its turn", true,
	  { S("220 mx\r\n"), C("EHLO a\r\nNOOP\r\nSTARTTLS\r\nRSET\r\n"), S("250-mx\r\n250 STARTTLS\r\n"),
	    S("250 noop\r\n"), S("250 rset\r\n") },
	  "220 mx\r\n250 mx\r\n250 noop\r\n502 5.5.1 Command not offered here [CMD] 6f2a91\r\n250 rset\r\n",
	  "EHLO a\r\nNOOP\r\nRSET\r\n", NULL },
	{ "in a message it is text", true, { MAIL, C("STARTTLS\r\n.\r\n"), S("250 ok\r\n") },
	  MAIL_TO_CLIENT "250 ok\r\n", MAIL_TO_SERVER "STARTTLS\r\n.\r\n", NULL },
	{ "in a chunk it is text", true,
	  { HELLO, S("250 mx\r\n"), C("BDAT 10 LAST\r\nSTARTTLS\r\n"), S("250 ok\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n250 ok\r\n", "EHLO a\r\nBDAT 10 LAST\r\nSTARTTLS\r\n", NULL },
};

static void test_MC_2_strip(void **state)
{
	(void)state;
	play_rows(strips, ROWS(strips));
}

/* --- MC-6 --- */

static const struct row passes[] = {
	{ "nothing is touched", false, { HELLO, S("250-mx\r\n250-AUTH X-PLUS\r\n250-XODD\r\n250 STARTTLS\r\n") },
	  "220 mx ESMTP\r\n250-mx\r\n250-AUTH X-PLUS\r\n250-XODD\r\n250 STARTTLS\r\n", "EHLO a\r\n", NULL },
	{ "TLS begins", false, { HELLO, S("250-mx\r\n250 STARTTLS\r\n"), C("STARTTLS\r\n"), S("220 go\r\n") },
	  "220 mx ESMTP\r\n250-mx\r\n250 STARTTLS\r\n220 go\r\n", "EHLO a\r\nSTARTTLS\r\n", "tls " },
	{ "TLS begins, in a group", false,
	  { S("220 mx\r\n"), C("EHLO a\r\nSTARTTLS\r\n"), S("250-mx\r\n250 STARTTLS\r\n220 go\r\n") },
	  "220 mx\r\n250-mx\r\n250 STARTTLS\r\n220 go\r\n", "EHLO a\r\nSTARTTLS\r\n", "tls " },
	{ "as some servers read it", false, { HELLO, S("250 mx\r\n"), C(" starttls\t\r\n"), S("220 go\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n220 go\r\n", "EHLO a\r\n starttls\t\r\n", "tls " },
	{ "in two lines", false, { HELLO, S("250 mx\r\n"), C("STARTTLS\r\n"), S("220-go\r\n220 on\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n220-go\r\n220 on\r\n", "EHLO a\r\nSTARTTLS\r\n", "tls " },
	{ "refused for now", false,
	  { HELLO, S("250 mx\r\n"), C("STARTTLS\r\n"), S("454 later\r\n"), C("NOOP\r\n"), S("250 ok\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n454 later\r\n250 ok\r\n", "EHLO a\r\nSTARTTLS\r\nNOOP\r\n", NULL },
	{ "refused for good", false,
	  { HELLO, S("250 mx\r\n"), C("STARTTLS\r\n"), S("502 no\r\n"), C("NOOP\r\n"), S("250 ok\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n502 no\r\n250 ok\r\n", "EHLO a\r\nSTARTTLS\r\nNOOP\r\n", NULL },
	{ "refused, then granted", false,
	  { HELLO, S("250 mx\r\n"), C("STARTTLS\r\n"), S("454 later\r\n"), C("STARTTLS\r\n"), S("220 go\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n454 later\r\n220 go\r\n", "EHLO a\r\nSTARTTLS\r\nSTARTTLS\r\n", "tls " },
	{ "220 to another command", false, { HELLO, S("220 mx\r\n"), C("NOOP\r\n"), S("220 ok\r\n") },
	  "220 mx ESMTP\r\n220 mx\r\n220 ok\r\n", "EHLO a\r\nNOOP\r\n", NULL },
	{ "another yes than 220", false, { HELLO, S("250 mx\r\n"), C("STARTTLS\r\n"), S("250 go\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n250 go\r\n", "EHLO a\r\nSTARTTLS\r\n", NULL },
};

static void test_MC_6_passthrough(void **state)
{
	(void)state;
	play_rows(passes, ROWS(passes));
}

/* --- FAULTS 20: octets at the edge of TLS; where they come in pieces the outcome is not quite the same --- */

static const struct row glued[] = {
	{ "a command behind STARTTLS", false, { HELLO, S("250 mx\r\n"), C("STARTTLS\r\nRSET\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n!554", "EHLO a\r\n", "fault " },
	{ "an octet behind STARTTLS", false, { HELLO, S("250 mx\r\n"), C("STARTTLS\r\n\026") },
	  "220 mx ESMTP\r\n250 mx\r\n!554", "EHLO a\r\n", "fault " },
	{ "our answer waits for its turn", false,
	  { S("220 mx\r\n"), C("EHLO a\r\nSTARTTLS\r\nRSET\r\n"), S("250 mx\r\n") },
	  "220 mx\r\n250 mx\r\n!554", "EHLO a\r\n", "fault " },
	{ "a command before the 220", false, { HELLO, S("250 mx\r\n"), C("STARTTLS\r\n"), C("R"), S("220 go\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n!554", "EHLO a\r\nSTARTTLS\r\n", "fault " },
	{ "a command before the 220, in a group", false,
	  { S("220 mx\r\n"), C("EHLO a\r\nSTARTTLS\r\n"), C("R"), S("250 mx\r\n"), S("220 go\r\n") },
	  "220 mx\r\n250 mx\r\n!554", "EHLO a\r\nSTARTTLS\r\n", "fault " },
	{ "a reply behind the 220", false, { HELLO, S("250 mx\r\n"), C("STARTTLS\r\n"), S("220 go\r\n250 evil\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n!554", "EHLO a\r\nSTARTTLS\r\n", "fault " },
	{ "an octet behind the 220", false, { HELLO, S("250 mx\r\n"), C("STARTTLS\r\n"), S("220 go\r\n2") },
	  "220 mx ESMTP\r\n250 mx\r\n!554", "EHLO a\r\nSTARTTLS\r\n", "fault " },
};

static void test_FAULTS_20_glued(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(glued); i++)
		play_row(&glued[i], SIZE_MAX);
}

/* Octet by octet TLS may begin before what is glued to the 220 is seen, but that is never passed on here. */
static void test_FAULTS_20_glued_in_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(glued); i++) {
		struct play p;

		begin(&p, false);
		for (size_t n = 0; n < PARTS && glued[i].parts[n].at != NULL; n++)
			say(&p, glued[i].parts[n], 1);
		if (!p.over)
			fail_msg("%s: it goes on", glued[i].name);
		if (memmem(buf_peek(&p.to_server).at, buf_used(&p.to_server), "RSET", 4) != NULL ||
		    memmem(buf_peek(&p.to_client).at, buf_used(&p.to_client), "evil", 4) != NULL)
			fail_msg("%s: it was passed on", glued[i].name);
		end(&p);
	}
}

/* --- FAULTS 22 --- */

static const struct row strict[] = {
	{ "a bare LF in a command", false, { HELLO, S("250 mx\r\n"), C("NOOP\nRSET\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n!500", "EHLO a\r\n", "fault " },
	{ "a bare CR in a command", false, { HELLO, S("250 mx\r\n"), C("NOOP\rRSET\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n!500", "EHLO a\r\n", "fault " },
	{ "a NUL in a command", true, { HELLO, S("250 mx\r\n"), C("NO\0OP\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n!500", "EHLO a\r\n", "fault " },
	{ "the refusal waits for its turn", false,
	  { S("220 mx\r\n"), C("EHLO a\r\nNOOP\r\nX\nY\r\n"), S("250 mx\r\n"), S("250 ok\r\n") },
	  "220 mx\r\n250 mx\r\n250 ok\r\n!500", "EHLO a\r\nNOOP\r\n", "fault " },
	{ "8-bit is the server's to judge", false, { HELLO, S("250 mx\r\n"), C("MAIL FROM:<\xe9>\r\n"), S("500 no\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n500 no\r\n", "EHLO a\r\nMAIL FROM:<\xe9>\r\n", NULL },
	{ "BDAT without a size", false, { HELLO, S("250 mx\r\n"), C("BDAT x LAST\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n!501", "EHLO a\r\n", "fault " },
	{ "a message", false, { MAIL, C("a\r\n..b\r\n.\r\n"), S("250 ok\r\n"), C("QUIT\r\n"), S("221 bye\r\n") },
	  MAIL_TO_CLIENT "250 ok\r\n221 bye\r\n", MAIL_TO_SERVER "a\r\n..b\r\n.\r\nQUIT\r\n", NULL },
	{ "an empty message", false, { MAIL, C(".\r\n"), S("250 ok\r\n") },
	  MAIL_TO_CLIENT "250 ok\r\n", MAIL_TO_SERVER ".\r\n", NULL },
	{ "DATA refused", false, { HELLO, S("250 mx\r\n"), C("DATA\r\n"), S("503 no\r\n"), C("QUIT\r\n"), S("221 bye\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n503 no\r\n221 bye\r\n", "EHLO a\r\nDATA\r\nQUIT\r\n", NULL },
	{ "a body before 354 waits", false, { HELLO, S("250 mx\r\n"), C("DATA\r\na\nb\r\n"), S("503 no\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n503 no\r\n!500", "EHLO a\r\nDATA\r\n", "fault " },
	{ "the server refuses early", false, { MAIL, C("a\r\n"), S("552 big\r\n"), C("b\r\n.\r\n"), C("NOOP\r\n"), S("250 ok\r\n") },
	  MAIL_TO_CLIENT "552 big\r\n250 ok\r\n", MAIL_TO_SERVER "a\r\nb\r\n.\r\nNOOP\r\n", NULL },
	{ "a chunk is counted", false,
	  { HELLO, S("250 mx\r\n"), C("BDAT 12\r\na\r\n.\r\nQUIT\r\nBDAT 0 LAST\r\nNOOP\r\n"), S("250 a\r\n250 b\r\n250 c\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n250 a\r\n250 b\r\n250 c\r\n",
	  "EHLO a\r\nBDAT 12\r\na\r\n.\r\nQUIT\r\nBDAT 0 LAST\r\nNOOP\r\n", NULL },
	{ "a chunk may hold anything", false, { HELLO, S("250 mx\r\n"), C("BDAT 3\r\na\nb\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n!500", "EHLO a\r\nBDAT 3\r\na\nb", NULL },
};

static void test_FAULTS_22_strict(void **state)
{
	(void)state;
	for (size_t i = 0; i + 1 < ROWS(strict); i++)
		play_row(&strict[i], SIZE_MAX);
	play_rows(strict, ROWS(strict) - 1);
}

/* No dot reaches the server, and no octet behind the bad one; the client hears of it at its own end. */
static void test_NEW_13_smuggling(void **state)
{
	static const struct {
		const char *name;
		struct span bad;
	} rows[] = {
		{ "LF dot CRLF", SPAN("\n.\r\n") }, { "LF dot LF", SPAN("\n.\n") },
		{ "CR dot CRLF", SPAN("\r.\r\n") }, { "CR dot CR", SPAN("\r.\r") },
		{ "CRLF dot LF", SPAN("\r\n.\n") }, { "CRLF dot CR", SPAN("\r\n.\r") },
		{ "CRLF NUL dot CRLF", SPAN("\r\n\0.\r\n") }, { "CRLF dot NUL CRLF", SPAN("\r\n.\0\r\n") },
		{ "CRCRLF dot CRLF", SPAN("\r\r\n.\r\n") }, { "LF", SPAN("\n") }, { "CR", SPAN("\r") }, { "NUL", SPAN("\0") },
	};
	static const struct span mail[] = { MAIL };

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		for (size_t piece = 1; piece < 9; piece++) {
			char text[64] = "Ca\r\nb";
			struct span to_server;
			struct play p;

			begin(&p, true);
			for (size_t n = 0; n < ROWS(mail); n++)
				say(&p, mail[n], SIZE_MAX);
			memcpy(text + 5, rows[i].bad.at, rows[i].bad.len);
			memcpy(text + 5 + rows[i].bad.len, "MAIL FROM:<evil>\r\n", 18);
			say(&p, span_of(text, 5 + rows[i].bad.len + 18), piece);
			/* Behind "CR CRLF . CRLF" it ends, the others go on. */
			want_text(rows[i].name, span_first(span_str(p.found), 7), SPAN("spoilt "));
			say(&p, SPAN("C.\r\n"), piece);
			want_text(rows[i].name, span_str(p.found), SPAN("spoilt fault "));
			assert_ptr_equal(p.w.answer, &SMTP_SAY_BAD_BODY);
			to_server = span_from(buf_peek(&p.to_server), strlen(MAIL_TO_SERVER));
			if (!span_starts_nocase(SPAN("a\r\nb\r\n"), to_server))
				fail_msg("%s: the server got %zu octets", rows[i].name, to_server.len);
			end(&p);
		}
	}
}

/* --- MC-9: AUTH is passed on as it is --- */

static const struct row auths[] = {
	{ "two steps", false,
	  { HELLO, S("250 mx\r\n"), C("AUTH LOGIN\r\n"), S("334 VXNlcg==\r\n"), C("YQ==\r\n"), S("334 UGFzcw==\r\n"),
	    C("QUIT\r\n"), S("535 no\r\n"), C("QUIT\r\n"), S("221 bye\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n334 VXNlcg==\r\n334 UGFzcw==\r\n535 no\r\n221 bye\r\n",
	  "EHLO a\r\nAUTH LOGIN\r\nYQ==\r\nQUIT\r\nQUIT\r\n", NULL },
	{ "at once", true, { HELLO, S("250 mx\r\n"), C("auth plain AGEAYg==\r\n"), S("235 ok\r\n"), C("STARTTLS\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n235 ok\r\n502 5.5.1 Command not offered here [CMD] 6f2a91\r\n",
	  "EHLO a\r\nauth plain AGEAYg==\r\n", NULL },
	{ "STARTTLS for an answer", true,
	  { HELLO, S("250 mx\r\n"), C("AUTH LOGIN\r\n"), S("334 x\r\n"), C("STARTTLS\r\n"), S("535 no\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n334 x\r\n535 no\r\n", "EHLO a\r\nAUTH LOGIN\r\nSTARTTLS\r\n", NULL },
	{ "by another name", true,
	  { HELLO, S("250 mx\r\n"), C("X-EXPS NTLM\r\n"), S("334 x\r\n"), C("STARTTLS\r\n"), S("535 no\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n334 x\r\n535 no\r\n", "EHLO a\r\nX-EXPS NTLM\r\nSTARTTLS\r\n", NULL },
	{ "a bare LF", false, { HELLO, S("250 mx\r\n"), C("AUTH LOGIN\r\n"), S("334 x\r\n"), C("a\nb\r\n") },
	  "220 mx ESMTP\r\n250 mx\r\n334 x\r\n!500", "EHLO a\r\nAUTH LOGIN\r\n", "fault " },
};

static void test_MC_9_auth(void **state)
{
	(void)state;
	play_rows(auths, ROWS(auths));
}

/* --- FAULTS 10: the server's octets --- */

static const struct row garbage[] = {
	{ "no SMTP at all", false, { S("SSH-2.0-x\r\n") }, "!421", "", "fault " },
	{ "a bare LF", false, { S("220 mx\n") }, "!421", "", "fault " },
	{ "a NUL", false, { HELLO, S("250 m\0x\r\n") }, "220 mx ESMTP\r\n!421", "EHLO a\r\n", "fault " },
	{ "codes that differ", true, { HELLO, S("250-mx\r\n251 STARTTLS\r\n") },
	  "220 mx ESMTP\r\n!421", "EHLO a\r\n", "fault " },
	{ "1xx", false, { S("150 mx\r\n") }, "!421", "", "fault " },
	{ "unasked", false, { S("220 mx\r\n"), S("421 bye\r\n") }, "220 mx\r\n421 bye\r\n", "", NULL },
	{ "bare codes", false, { S("220\r\n"), C("NOOP\r\n"), S("250-a\r\n250\r\n") }, "220\r\n250-a\r\n250\r\n", "NOOP\r\n", NULL },
};

static void test_FAULTS_10_garbage(void **state)
{
	(void)state;
	play_rows(garbage, ROWS(garbage));
}

/* --- limits --- */

static const struct {
	const char *name, *head;
	size_t len;   /* of the line of `head` and x's, with its CRLF */
	bool server, good;
} lengths[] = {
	{ "the longest command", "NOOP ", SMTP_LINE_MOST, false, true },
	{ "a command too long", "NOOP ", SMTP_LINE_MOST + 1, false, false },
	{ "the longest AUTH", "AUTH ", SMTP_WATCH_AUTH_MOST, false, true },
	{ "an AUTH too long", "AUTH ", SMTP_WATCH_AUTH_MOST + 1, false, false },
	{ "the longest reply line", "220 ", SMTP_LINE_MOST, true, true },
	{ "a reply line too long", "220 ", SMTP_LINE_MOST + 1, true, false },
	{ "an endless command", "NOOP ", 60000, false, false },
};

static void test_limits_of_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(lengths); i++) {
		static char text[70000];
		size_t head = strlen(lengths[i].head);
		struct play p;

		begin(&p, false);
		if (!lengths[i].server)
			say(&p, S("220 mx\r\n"), SIZE_MAX);
		text[0] = lengths[i].server ? 'S' : 'C';
		memcpy(text + 1, lengths[i].head, head);
		memset(text + 1 + head, 'x', lengths[i].len - head - 2);
		memcpy(text + 1 + lengths[i].len - 2, "\r\n", 2);
		say(&p, span_of(text, 1 + lengths[i].len), 1000);
		want_number(lengths[i].name, "good", p.found[0] == '\0', lengths[i].good);
		want_number(lengths[i].name, "passed on",
			    buf_used(lengths[i].server ? &p.to_client : &p.to_server),
			    lengths[i].good ? lengths[i].len : lengths[i].server ? strlen("!421") : 0);
		end(&p);
	}
}

/* As many lines as a reply may have, and one more. */
static void test_limits_of_replies(void **state)
{
	(void)state;
	for (unsigned extra = 0; extra < 2; extra++) {
		struct play p;

		begin(&p, true);
		for (unsigned i = 1; i < SMTP_REPLY_LINES + extra; i++)
			say(&p, S("220-mx\r\n"), SIZE_MAX);
		say(&p, S("220 mx\r\n"), SIZE_MAX);
		want_text("lines", span_str(p.found), extra > 0 ? SPAN("fault ") : SPAN(""));
		end(&p);
	}
}

/* More commands than replies may be owed: the client waits, and nothing is lost. */
static void test_limits_of_a_group(void **state)
{
	const unsigned many = 3 * SMTP_WATCH_AWAITS;
	struct play p;

	(void)state;
	begin(&p, true);
	for (unsigned i = 0; i < many; i++)
		say(&p, C("NOOP\r\n"), SIZE_MAX);
	assert_int_equal(buf_used(&p.to_server), 6 * (SMTP_WATCH_AWAITS - 1));
	say(&p, S("220 mx\r\n"), SIZE_MAX);
	for (unsigned i = 0; i < many; i++)
		say(&p, S("250 ok\r\n"), SIZE_MAX);
	assert_int_equal(buf_used(&p.to_server), 6 * many);
	assert_int_equal(buf_used(&p.to_client), 8 + 8 * many);
	assert_true(smtp_watch_idle(&p.w));
	end(&p);
}

/* Queues that are full stop what fills them, and nothing is lost. */
static void test_back_pressure(void **state)
{
	static const struct span mail[] = { MAIL };
	const struct span body = C("line\r\n..dot\r\n.\r\nNOOP\r\n");
	struct play p;

	(void)state;
	begin(&p, false);
	for (size_t n = 0; n < ROWS(mail); n++)
		say(&p, mail[n], SIZE_MAX);
	p.server_out.most = 6; /* a line of NOOP, and much less than the body */
	say(&p, body, SIZE_MAX);
	p.server_out.most = MOST;
	run(&p);
	want_text("body", span_from(buf_peek(&p.to_server), strlen(MAIL_TO_SERVER)), span_from(body, 1));
	buf_free(&p.to_client);
	p.client_out.most = SMTP_WATCH_ROOM - 1;
	say(&p, S("250 ok\r\n"), SIZE_MAX);
	assert_int_equal(buf_used(&p.to_client), 0);
	p.client_out.most = SMTP_WATCH_ROOM;
	run(&p);
	want_text("reply", buf_peek(&p.to_client), SPAN("250 ok\r\n"));
	end(&p);
}

/* --- MC-3: what is remembered --- */

static const struct {
	const char *name;
	struct span parts[PARTS];
	bool missed, quit, idle;
	unsigned messages;
} facts[] = {
	{ "stripped, and no more", { HELLO, S("250-mx\r\n250 STARTTLS\r\n") }, true, false, true, 0 },
	{ "stripped, asked, quit", { HELLO, S("250-mx\r\n250 STARTTLS\r\n"), C("STARTTLS\r\nQUIT\r\n"), S("221 bye\r\n") },
	  true, true, true, 0 },
	{ "stripped, then mail", { HELLO, S("250-mx\r\n250 STARTTLS\r\n"), C("MAIL FROM:<>\r\n"), S("250 ok\r\n") },
	  false, false, false, 0 },
	{ "stripped, then AUTH", { HELLO, S("250-mx\r\n250 STARTTLS\r\n"), C("AUTH X\r\n"), S("500 no\r\n") },
	  false, false, true, 0 },
	{ "nothing to strip", { HELLO, S("250 mx\r\n") }, false, false, true, 0 },
	{ "not greeted", { C("") }, false, false, false, 0 },
	{ "a command without reply", { HELLO }, false, false, false, 0 },
	{ "half a reply", { HELLO, S("250-mx\r\n") }, false, false, false, 0 },
	{ "in a message", { MAIL, C("a\r\n") }, false, false, false, 0 },
	{ "a message", { MAIL, C("a\r\n.\r\n"), S("250 ok\r\n") }, false, false, true, 1 },
	{ "a message refused", { MAIL, C("a\r\n.\r\n"), S("550 no\r\n") }, false, false, true, 0 },
	{ "a message in chunks", { HELLO, S("250 mx\r\n"), C("BDAT 1\r\na"), S("250 ok\r\n"), C("BDAT 0 LAST\r\n"), S("250 ok\r\n") },
	  false, false, true, 1 },
	{ "reset", { HELLO, S("250 mx\r\n"), C("MAIL FROM:<>\r\nRSET\r\n"), S("250 ok\r\n250 ok\r\n") }, false, false, true, 0 },
};

static void test_MC_3_remembered(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(facts); i++) {
		struct play p;

		begin(&p, true);
		for (size_t n = 0; n < PARTS && facts[i].parts[n].at != NULL; n++)
			say(&p, facts[i].parts[n], SIZE_MAX);
		want_number(facts[i].name, "missed", smtp_watch_missed_tls(&p.w), facts[i].missed);
		want_number(facts[i].name, "quit", p.w.quit, facts[i].quit);
		want_number(facts[i].name, "idle", smtp_watch_idle(&p.w), facts[i].idle);
		want_number(facts[i].name, "messages", p.w.messages, facts[i].messages);
		end(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_MC_2_strip),
		cmocka_unit_test(test_MC_3_remembered),
		cmocka_unit_test(test_MC_6_passthrough),
		cmocka_unit_test(test_MC_9_auth),
		cmocka_unit_test(test_FAULTS_10_garbage),
		cmocka_unit_test(test_FAULTS_20_glued),
		cmocka_unit_test(test_FAULTS_20_glued_in_pieces),
		cmocka_unit_test(test_FAULTS_22_strict),
		cmocka_unit_test(test_NEW_13_smuggling),
		cmocka_unit_test(test_limits_of_lines),
		cmocka_unit_test(test_limits_of_replies),
		cmocka_unit_test(test_limits_of_a_group),
		cmocka_unit_test(test_back_pressure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
