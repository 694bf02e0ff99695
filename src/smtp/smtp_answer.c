#include "smtp/smtp_answer.h"

#include "base/must.h"

#include <stdio.h>
#include <string.h>

/* RFC 5321 section 4.5.3.1.5, with the CRLF. */
#define REPLY_LINE_MOST 512

#define SAY(name, number, status, label, words) \
	const struct smtp_answer name = { number, status, label, words }

SAY(SMTP_SAY_OK, 250, "2.0.0", NULL, "OK");
SAY(SMTP_SAY_MAIL_OK, 250, "2.1.0", NULL, "Sender OK");
SAY(SMTP_SAY_RCPT_OK, 250, "2.1.5", NULL, "Recipient OK");
SAY(SMTP_SAY_BYE, 221, "2.0.0", NULL, "Bye");
SAY(SMTP_SAY_HELP, 214, "2.0.0", NULL,
    "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP STARTTLS QUIT, see RFC 5321");
SAY(SMTP_SAY_VRFY, 252, "2.5.0", NULL, "Cannot verify the address, but will try to deliver");
SAY(SMTP_SAY_TLS_READY, 220, "2.0.0", NULL, "Ready to start TLS");
SAY(SMTP_SAY_DATA_GO, 354, NULL, NULL, "End data with <CR><LF>.<CR><LF>");
SAY(SMTP_SAY_CHUNK_OK, 250, "2.0.0", NULL, "Chunk received");

SAY(SMTP_SAY_BARE, 500, "5.5.2", "LINE", "Commands end with CR LF and hold no NUL");
SAY(SMTP_SAY_LONG, 500, "5.5.2", "LINE", "Line too long");
SAY(SMTP_SAY_UNKNOWN, 500, "5.5.1", "CMD", "Command not known");
SAY(SMTP_SAY_NOT_OFFERED, 502, "5.5.1", "CMD", "Command not offered here");
SAY(SMTP_SAY_BAD_DOMAIN, 501, "5.5.2", "SYNTAX",
    "A domain name or an address literal must follow");
SAY(SMTP_SAY_BAD_SYNTAX, 501, "5.5.4", "SYNTAX", "Arguments not as they should be");
SAY(SMTP_SAY_BAD_SENDER, 501, "5.1.7", "SYNTAX", "Should be MAIL FROM:<user@domain>");
SAY(SMTP_SAY_BAD_RECIPIENT, 501, "5.1.3", "SYNTAX", "Should be RCPT TO:<user@domain>");
SAY(SMTP_SAY_SENDER_ROUTE, 553, "5.1.7", "ROUTE", "Source routes are not accepted");
SAY(SMTP_SAY_SOURCE_ROUTE, 553, "5.1.3", "ROUTE", "Source routes are not accepted");
SAY(SMTP_SAY_BAD_PARAM, 501, "5.5.4", "PARAM", "Parameter given twice or with a bad value");
SAY(SMTP_SAY_UNKNOWN_PARAM, 555, "5.5.4", "PARAM", "Parameter not known or not offered");
SAY(SMTP_SAY_NEEDS_UTF8, 553, "5.6.7", "UTF8", "Address needs SMTPUTF8");

SAY(SMTP_SAY_HELLO_FIRST, 503, "5.5.1", "ORDER", "Send EHLO first");
SAY(SMTP_SAY_MAIL_FIRST, 503, "5.5.1", "ORDER", "Send MAIL first");
SAY(SMTP_SAY_RCPT_FIRST, 503, "5.5.1", "ORDER", "Send RCPT first");
SAY(SMTP_SAY_NESTED_MAIL, 503, "5.5.1", "ORDER", "A transaction is already open");
SAY(SMTP_SAY_BDAT_OPEN, 503, "5.5.1", "ORDER", "BDAT LAST or RSET must come first");
SAY(SMTP_SAY_NEEDS_BDAT, 503, "5.5.1", "ORDER", "BODY=BINARYMIME needs BDAT");
SAY(SMTP_SAY_TLS_ON, 503, "5.5.1", "ORDER", "TLS is already on");
SAY(SMTP_SAY_AUTH_NOT_NOW, 503, "5.5.1", "ORDER", "AUTH comes once, and before MAIL");
SAY(SMTP_SAY_NO_RECIPIENTS, 554, "5.5.1", "ORDER", "No recipient was accepted");

SAY(SMTP_SAY_TLS_FIRST, 530, "5.7.0", "TLS-REQ", "Must issue a STARTTLS command first");
SAY(SMTP_SAY_AUTH_CLEAR, 538, "5.7.11", "TLS-REQ", "AUTH needs TLS here");
SAY(SMTP_SAY_TLS_DIRTY, 554, "5.5.1", "TLS-DIRTY", "Data was sent before the TLS handshake");
SAY(SMTP_SAY_TLS_NOT_NOW, 454, "4.7.0", "TLS", "TLS not available at the moment");

SAY(SMTP_SAY_TLS_WEAK, 403, "4.7.0", "TLS-WEAK", "encryption too weak");
SAY(SMTP_SAY_TLS_MISSING, 451, "4.7.0", "TLS-NONE", "TLS is required but was not offered");
SAY(SMTP_SAY_TLS_FAILED, 451, "4.7.0", "TLS-FAILED", "TLS handshake failed");
SAY(SMTP_SAY_TLS_UNVERIFIED, 451, "4.7.5", "TLS-CERT", "certificate not verified");
SAY(SMTP_SAY_TLS_WEAK_FINAL, 503, "5.7.0", "TLS-WEAK", "encryption too weak");
SAY(SMTP_SAY_TLS_MISSING_FINAL, 550, "5.7.10", "TLS-NONE", "TLS is required but was not offered");
SAY(SMTP_SAY_TLS_FAILED_FINAL, 550, "5.7.10", "TLS-FAILED", "TLS handshake failed");
SAY(SMTP_SAY_TLS_UNVERIFIED_FINAL, 550, "5.7.5", "TLS-CERT", "certificate not verified");
SAY(SMTP_SAY_REQUIRETLS, 550, "5.7.30", "REQUIRETLS", "REQUIRETLS support required");
SAY(SMTP_SAY_TLS_UNTRUSTED, 454, "4.7.5", "TLS-CERT", "The server's certificate is not trusted");
SAY(SMTP_SAY_OURSELVES, 421, "4.4.6", "LOOP", "This gateway was called itself, and not a server through it");
SAY(SMTP_SAY_UNREACHABLE, 421, "4.4.1", "UPSTREAM", "The server can't be reached");

SAY(SMTP_SAY_TOO_MANY_RCPT, 452, "4.5.3", "RCPT-MAX", "Too many recipients");
SAY(SMTP_SAY_TOO_BIG, 552, "5.3.4", "SIZE", "Message too big");
SAY(SMTP_SAY_TOO_MANY_ERRORS, 421, "4.7.0", "ERRORS", "Too many errors, closing");
SAY(SMTP_SAY_TOO_MANY_CONN, 421, "4.3.2", "CONN-MAX", "Too many connections, try again later");
SAY(SMTP_SAY_TOO_MANY_FROM, 421, "4.7.0", "CONN-ADDR", "Too many connections from your address");
SAY(SMTP_SAY_ACCESS, 554, "5.7.1", "ACCESS", "Your address may not connect here");
SAY(SMTP_SAY_SLOW, 421, "4.4.2", "TIMEOUT", "Waited too long, closing");
SAY(SMTP_SAY_DRAIN, 421, "4.3.2", "DRAIN", "Service is being restarted, try again at once");

SAY(SMTP_SAY_BAD_BODY, 550, "5.6.11", "BARE", "Message holds a bare CR or LF, or a NUL");
SAY(SMTP_SAY_NO_ROOM, 452, "4.3.1", "ROOM", "No room for the message at the moment");
SAY(SMTP_SAY_LOOP, 554, "5.4.6", "LOOP", "Too many Received fields, mail is looping");

SAY(SMTP_SAY_NO_UPSTREAM, 451, "4.4.1", "UPSTREAM", "Next hop not reachable, try again later");
SAY(SMTP_SAY_NO_SERVICE, 421, "4.3.2", "UPSTREAM", "Next hop not reachable, try again later");
SAY(SMTP_SAY_LOST_UPSTREAM, 451, "4.4.2", "UPSTREAM-LOST", "Next hop lost, try again later");
SAY(SMTP_SAY_SPLIT, 452, "4.5.3", "SPLIT", "This recipient goes another way, send it in a transaction of its own");
SAY(SMTP_SAY_NO_DOMAIN, 550, "5.1.2", "NO-DOMAIN", "The domain does not exist or takes no mail");
SAY(SMTP_SAY_NULL_MX, 556, "5.1.10", "NULL-MX", "The domain takes no mail (null MX)");
SAY(SMTP_SAY_DNS, 451, "4.4.3", "DNS", "The domain can't be looked up, try again later");
SAY(SMTP_SAY_NO_HOST, 550, "5.4.4", "NO-HOST", "No mail host of the domain has an address");
SAY(SMTP_SAY_STS, 451, "4.7.5", "MTA-STS", "No mail host of the domain is in its MTA-STS policy");
SAY(SMTP_SAY_NEXT_HOP_8BIT, 554, "5.6.3", "CAPS", "The next hop does not take 8-bit messages");
SAY(SMTP_SAY_NEXT_HOP_UTF8, 550, "5.6.7", "CAPS", "The next hop does not take SMTPUTF8");
SAY(SMTP_SAY_LOST_SESSION, 421, "4.4.2", "UPSTREAM-LOST", "Next hop lost, try again later");
SAY(SMTP_SAY_CAPS_LOST, 451, "4.6.3", "CAPS", "Next hop no longer offers what was used");
SAY(SMTP_SAY_POLICY, 451, "4.3.0", "POLICY", "The rules for partners can't be read, try again later");
SAY(SMTP_SAY_SELF, 451, "4.3.0", "SELF", "Local error, try again later");

static bool is_printable(char c)
{
	return c >= 0x20 && c < 0x7f;
}

bool smtp_answer_say(struct buf *out, const struct smtp_answer *a, const char *sid,
		     const char *text)
{
	char line[REPLY_LINE_MOST - 2 + 1], tail[128] = "";
	size_t len;
	int begin, end = 0;

	if (a->tag != NULL && sid != NULL)
		end = snprintf(tail, sizeof(tail), " [%s] %s", a->tag, sid);
	else if (a->tag != NULL)
		end = snprintf(tail, sizeof(tail), " [%s]", a->tag);
	must(end >= 0 && (size_t)end < sizeof(tail));

	begin = snprintf(line, sizeof(line), "%d %s%s%s", a->code,
			 a->enhanced != NULL ? a->enhanced : "",
			 a->enhanced != NULL ? " " : "", text);
	must(begin >= 0);
	len = (size_t)begin < sizeof(line) ? (size_t)begin : sizeof(line) - 1;
	if (len > sizeof(line) - 1 - (size_t)end)
		len = sizeof(line) - 1 - (size_t)end;
	for (size_t i = 0; i < len; i++)
		line[i] = is_printable(line[i]) ? line[i] : '?';
	return buf_printf(out, "%.*s%s\r\n", (int)len, line, tail);
}

bool smtp_answer_put(struct buf *out, const struct smtp_answer *a, const char *sid)
{
	return smtp_answer_say(out, a, sid, a->text);
}
