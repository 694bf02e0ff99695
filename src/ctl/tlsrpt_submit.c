#include "ctl/tlsrpt_submit.h"

#include "base/must.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE_MS 60000
#define URL_MOST 1024

static size_t on_read(char *to, size_t size, size_t count, void *arg)
{
	struct span *left = arg;
	struct span part = span_first(*left, size * count);

	if (part.len > 0)
		memcpy(to, part.at, part.len);
	*left = span_from(*left, part.len);
	return part.len;
}

/* "<a@b.example>": libcurl sends what stands in brackets as it is. */
static bool print_path(const char *mailbox, char *path, size_t size)
{
	int len = snprintf(path, size, "<%s>", mailbox);

	return len > 0 && (size_t)len < size;
}

static bool set_up(CURL *c, const struct tlsrpt_submit *s, struct span *left, struct curl_slist **to)
{
	char url[URL_MOST], from[URL_MOST], rcpt[URL_MOST];
	int len = snprintf(url, sizeof(url), "smtp://%s/%s", s->server, s->hostname);

	if (len < 0 || (size_t)len >= sizeof(url) || !print_path(s->from, from, sizeof(from)) ||
	    !print_path(s->to, rcpt, sizeof(rcpt)))
		return false;
	*to = curl_slist_append(NULL, rcpt);
	must(*to != NULL);
	return curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_MAIL_FROM, from) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_MAIL_RCPT, *to) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_USE_SSL, (long)CURLUSESSL_TRY) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)PATIENCE_MS) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)s->message.len) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_READDATA, left) == CURLE_OK;
}

static void say(struct why *why, const char *server, const char *text, long code)
{
	why_set(why, FAULT_PEER, "%.100s: %.120s", server, text);
	if (code >= 400)
		why_set(why, FAULT_PEER, "%.100s: %.100s (%ld)", server, text, code);
	for (char *at = why->text; *at != '\0'; at++) {
		if (*at < ' ' || *at > '~')
			*at = '?';
	}
}

bool tlsrpt_submit(const struct tlsrpt_submit *s, struct why *why)
{
	struct span left = s->message;
	struct curl_slist *to = NULL;
	char error[CURL_ERROR_SIZE] = "";
	CURL *c = curl_easy_init();
	CURLcode result = CURLE_FAILED_INIT;
	long code = 0;

	must(c != NULL);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error);
	if (set_up(c, s, &left, &to))
		result = curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &code);
	if (result != CURLE_OK)
		say(why, s->server, error[0] != '\0' ? error : curl_easy_strerror(result), code);
	curl_slist_free_all(to);
	curl_easy_cleanup(c);
	return result == CURLE_OK;
}
