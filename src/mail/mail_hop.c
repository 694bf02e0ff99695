#include "mail/mail_hop.h"

#include "mail/mail_date.h"

#include <stdio.h>
#include <string.h>

/* --- tokens --- */

enum token { TOKEN_END, TOKEN_WORD, TOKEN_COMMENT, TOKEN_SEMICOLON };

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Behind the octet at `i`, a quoted pair as one. */
static size_t step(struct span s, size_t i)
{
	return i + (s.at[i] == '\\' && i + 1 < s.len ? 2 : 1);
}

/* Behind the quoted string or domain literal that begins at `i`. Where it is not closed soon it is none: who
 * calls himself "[" must not hide what the server wrote behind it. */
static size_t skip_to(struct span s, size_t i, char end)
{
	const size_t begin = i;

	for (i++; i < s.len && i - begin < MAIL_HOP_TEXT_MOST; i = step(s, i)) {
		if (s.at[i] == end)
			return i + 1;
	}
	return begin + 1;
}

/* Comments nest. */
static struct span take_comment(struct span *rest)
{
	struct span s = *rest;
	size_t depth = 0, i = 0;

	do {
		depth += s.at[i] == '(';
		depth -= s.at[i] == ')';
		i = step(s, i);
	} while (i < s.len && depth > 0);
	*rest = span_from(s, i);
	return span_of(s.at + 1, i - 1 - (depth == 0 && i > 1));
}

static struct span take_word(struct span *rest)
{
	struct span s = *rest;
	size_t i = 0;

	while (i < s.len && !is_blank(s.at[i]) && s.at[i] != '(' && s.at[i] != ';') {
		if (s.at[i] == '"')
			i = skip_to(s, i, '"');
		else if (s.at[i] == '[')
			i = skip_to(s, i, ']');
		else
			i = step(s, i);
	}
	*rest = span_from(s, i);
	return span_first(s, i);
}

static enum token next(struct span *rest, struct span *token)
{
	while (rest->len > 0 && is_blank(rest->at[0]))
		*rest = span_from(*rest, 1);
	if (rest->len == 0)
		return TOKEN_END;
	if (rest->at[0] == '(') {
		*token = take_comment(rest);
		return TOKEN_COMMENT;
	}
	if (rest->at[0] == ';') {
		*rest = span_from(*rest, 1);
		return TOKEN_SEMICOLON;
	}
	*token = take_word(rest);
	return TOKEN_WORD;
}

/* --- texts --- */

/* Behind what is there already, with one blank between. */
static void add(char *to, size_t size, struct span from)
{
	size_t at = strlen(to);
	bool blank = at > 0;

	for (size_t i = 0; i < from.len; i++) {
		char c = from.at[i];

		if (is_blank(c)) {
			blank = at > 0;
			continue;
		}
		if (at + 1 + blank >= size)
			break;
		if (blank)
			to[at++] = ' ';
		blank = false;
		to[at++] = c > 0x20 && c < 0x7f ? c : '?';
	}
	to[at] = '\0';
}

static void set(char *to, size_t size, struct span from)
{
	to[0] = '\0';
	add(to, size, from);
}

static bool starts(struct span s, const char *with)
{
	return span_starts_nocase(s, span_str(with));
}

static bool contains(struct span s, const char *what)
{
	for (; s.len > 0; s = span_from(s, 1)) {
		if (starts(s, what))
			return true;
	}
	return false;
}

/* --- clauses --- */

enum clause { IN_NONE, IN_FROM, IN_BY, IN_VIA, IN_WITH, IN_ID, IN_FOR, IN_TLS, CLAUSES };

struct reading {
	struct mail_hop *hop;
	enum clause clause;
	bool fresh;          /* the clause has no word yet, so whatever comes is none of the keywords */
	bool seen[CLAUSES];  /* of each the first one counts */
	bool local;
	bool dated;
};

static enum clause clause_of(struct span word)
{
	static const char *const names[CLAUSES] = { "", "from", "by", "via", "with", "id", "for", "tls" };

	for (enum clause c = IN_FROM; c < CLAUSES; c++) {
		if (span_eq_nocase(word, span_str(names[c])))
			return c;
	}
	return IN_NONE;
}

static void see_address(struct reading *r, struct span word)
{
	struct mail_hop *h = r->hop;

	word = span_first(word, span_find(word, ']'));
	if (starts(word, "IPv6:"))
		word = span_from(word, 5);
	if (h->address[0] == '\0')
		set(h->address, sizeof(h->address), word);
	r->local |= starts(word, "127.") || span_eq(word, SPAN("::1")) || contains(word, "unix socket");
}

static bool is_address(struct span word)
{
	size_t dots = 0, colons = 0;

	for (size_t i = 0; i < word.len; i++) {
		char c = ascii_lower(word.at[i]);

		dots += c == '.';
		colons += c == ':';
		if (!ascii_is_digit(c) && c != '.' && c != ':' && !(c >= 'a' && c <= 'f'))
			return false;
	}
	for (size_t i = 0; i < word.len && colons == 0; i++) {
		if (!ascii_is_digit(word.at[i]) && word.at[i] != '.')
			return false;
	}
	return colons >= 2 || dots == 3;
}

static void see_name(struct reading *r, struct span word)
{
	struct mail_hop *h = r->hop;

	if (starts(word, "helo="))
		word = span_from(word, 5);
	if (h->name_count == MAIL_HOP_NAMES_MOST || span_find(word, '.') == word.len || span_find(word, '=') < word.len)
		return;
	set(h->names[h->name_count++], MAIL_HOP_TEXT_MOST, word);
}

/* "b.example [192.0.2.1]", "HELO a.example", "192.0.2.1", "[192.0.2.1]:25 helo=a.example" */
static void see_peer(struct reading *r, struct span comment)
{
	struct span word;
	enum token t;

	while ((t = next(&comment, &word)) != TOKEN_END) {
		if (t != TOKEN_WORD)
			continue;
		if (word.at[0] == '[')
			see_address(r, span_from(word, 1));
		else if (is_address(word))
			see_address(r, word);
		else
			see_name(r, word);
	}
}

/* Behind `from` stands what the client has said of itself too, so no more than Postfix's own words count there. */
static bool is_note(enum clause clause, struct span comment)
{
	if (starts(comment, "using TLS") || starts(comment, "using SSL"))
		return true;
	if (clause == IN_FROM || clause == IN_NONE)
		return false;
	return starts(comment, "version=TLS") || starts(comment, "version=SSL") || starts(comment, "TLS") ||
	       starts(comment, "SSLv") || (clause == IN_WITH && contains(comment, " encrypted"));
}

static void see_comment(struct reading *r, struct span comment)
{
	struct mail_hop *h = r->hop;

	if (r->dated)
		return;
	if (is_note(r->clause, comment)) {
		if (h->tls[0] == '\0')
			set(h->tls, sizeof(h->tls), comment);
		return;
	}
	if (r->clause == IN_FROM)
		see_peer(r, comment);
	else if (r->clause == IN_NONE)
		r->local |= contains(comment, " invoked ") || starts(comment, "from ");
	else if (r->clause == IN_BY)
		r->local |= contains(comment, "from userid") || contains(comment, "/Submit");
}

static void see_value(struct reading *r, struct span word)
{
	struct mail_hop *h = r->hop;

	if (r->clause == IN_FROM && r->fresh)
		set(h->from, sizeof(h->from), word);
	if (r->clause == IN_FROM && word.at[0] == '[')
		see_address(r, span_from(word, 1));
	if (r->clause == IN_BY && r->fresh)
		set(h->by, sizeof(h->by), word);
	if (r->clause == IN_WITH)
		add(h->with, sizeof(h->with), word);
	if (r->clause == IN_TLS && r->fresh)
		add(h->tls, sizeof(h->tls), word);
	r->fresh = false;
}

static void see_word(struct reading *r, struct span word)
{
	enum clause c = r->fresh ? IN_NONE : clause_of(word);

	if (r->dated)
		return;
	if (c == IN_NONE || r->seen[c]) {
		see_value(r, word);
		return;
	}
	r->seen[c] = true;
	r->clause = c;
	r->fresh = true;
}

/* --- the verdict --- */

static struct span first_word(const char *text)
{
	struct span s = span_str(text);

	return span_cut(&s, ' ');
}

static enum mail_hop_kind kind_of_keyword(const char *with)
{
	static const struct {
		const char *name;
		enum mail_hop_kind kind;
	} keywords[] = {
		{ "SMTP", MAIL_HOP_CLEAR },            { "ESMTP", MAIL_HOP_CLEAR },
		{ "ESMTPA", MAIL_HOP_CLEAR },          { "ASMTP", MAIL_HOP_CLEAR },
		{ "SMTPA", MAIL_HOP_CLEAR },           { "LMTP", MAIL_HOP_CLEAR },
		{ "LMTPA", MAIL_HOP_CLEAR },           { "UTF8SMTP", MAIL_HOP_CLEAR },
		{ "UTF8SMTPA", MAIL_HOP_CLEAR },       { "UTF8LMTP", MAIL_HOP_CLEAR },
		{ "UTF8LMTPA", MAIL_HOP_CLEAR },       { "HTTP", MAIL_HOP_CLEAR },
		{ "ESMTPS", MAIL_HOP_ENCRYPTED },      { "ESMTPSA", MAIL_HOP_ENCRYPTED },
		{ "SMTPS", MAIL_HOP_ENCRYPTED },       { "SMTPSA", MAIL_HOP_ENCRYPTED },
		{ "ASMTPS", MAIL_HOP_ENCRYPTED },      { "LMTPS", MAIL_HOP_ENCRYPTED },
		{ "LMTPSA", MAIL_HOP_ENCRYPTED },      { "UTF8SMTPS", MAIL_HOP_ENCRYPTED },
		{ "UTF8SMTPSA", MAIL_HOP_ENCRYPTED },  { "UTF8LMTPS", MAIL_HOP_ENCRYPTED },
		{ "UTF8LMTPSA", MAIL_HOP_ENCRYPTED },  { "HTTPS", MAIL_HOP_ENCRYPTED },
		{ "local", MAIL_HOP_LOCAL },           { "mapi", MAIL_HOP_LOCAL },
	};

	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
		if (span_eq_nocase(first_word(with), span_str(keywords[i].name)))
			return keywords[i].kind;
	}
	return MAIL_HOP_UNKNOWN;
}

static enum mail_hop_kind judge(const struct reading *r)
{
	const struct mail_hop *h = r->hop;

	if (r->local)
		return MAIL_HOP_LOCAL;
	/* What Gmail hands on inside comes from nobody. */
	if (h->from[0] == '\0')
		return h->by[0] != '\0' ? MAIL_HOP_LOCAL : MAIL_HOP_UNKNOWN;
	if (h->tls[0] != '\0')
		return contains(span_str(h->tls), "NULL") ? MAIL_HOP_CLEAR : MAIL_HOP_ENCRYPTED;
	/* Dovecot's LMTP; who only calls himself by our name has an address. */
	if (h->address[0] == '\0' && h->name_count == 0 && span_eq_nocase(span_str(h->from), span_str(h->by)))
		return MAIL_HOP_LOCAL;
	return kind_of_keyword(h->with);
}

void mail_hop_read(struct span value, struct mail_hop *hop)
{
	struct reading r = { .hop = hop };
	struct span word, date = SPAN("");
	enum token t;

	*hop = (struct mail_hop){ .kind = MAIL_HOP_UNKNOWN };
	while ((t = next(&value, &word)) != TOKEN_END) {
		if (t == TOKEN_COMMENT)
			see_comment(&r, word);
		else if (t == TOKEN_WORD)
			see_word(&r, word);
		else
			date = value, r.dated = true;
	}
	hop->has_time = mail_date_read(date, &hop->time);
	hop->kind = judge(&r);
}

const char *mail_hop_kind_name(enum mail_hop_kind kind)
{
	static const char *const names[] = {
		[MAIL_HOP_UNKNOWN] = "unknown",
		[MAIL_HOP_CLEAR] = "clear",
		[MAIL_HOP_ENCRYPTED] = "encrypted",
		[MAIL_HOP_LOCAL] = "local",
	};

	return names[kind];
}
