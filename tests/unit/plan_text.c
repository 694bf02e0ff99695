#include "plan_text.h"

#include "test_pki.h"
#include "unit.h"

#include <time.h>

#define PEM_MOST 16384

static void put_authority(struct conf_source *s, const char *name, const char *cert_path, const char *key_path)
{
	struct buf cert, key;
	struct why why;

	buf_init(&cert, PEM_MOST);
	buf_init(&key, PEM_MOST);
	if (!tls_authority_make(name, 10, time(NULL), &cert, &key, &why))
		fail_msg("%s", why.text);
	conf_source_put(s, cert_path, buf_peek(&cert));
	conf_source_put(s, key_path, buf_peek(&key));
	buf_free(&cert);
	buf_free(&key);
}

static void put_leaf(struct conf_source *s)
{
	const struct test_pki_spec spec = { .cn = "gw", .names = "DNS:gw.example.net" };
	struct test_pki *gw = test_pki_make(&spec, NULL);

	conf_source_put(s, "gw.pem", span_str(gw->cert_pem));
	conf_source_put(s, "gw.key", span_str(gw->key_pem));
	test_pki_free(gw);
}

struct plan *plan_text(const char *text, struct conf_report *report)
{
	return plan_text_with(text, NULL, report);
}

struct plan *plan_text_with(const char *text, const char *list, struct conf_report *report)
{
	struct conf_source *s = conf_source_memory();
	struct plan *p = NULL;
	struct conf *c;

	conf_source_put(s, "gw", span_str(text));
	put_authority(s, "Trusted", "a.pem", "a.key");
	put_authority(s, "Untrusted", "u.pem", "u.key");
	put_leaf(s);
	conf_source_put(s, "empty", SPAN(""));
	if (list != NULL)
		conf_source_put(s, "list", span_str(list));
	conf_report_init(report, "gw");
	c = conf_load_partly(s, "gw", report);
	if (c != NULL)
		p = plan_build(c, s, NULL, time(NULL), 7, report);
	conf_source_free(s);
	return p;
}

struct plan *plan_text_good(const char *row, const char *text)
{
	struct conf_report report;
	struct plan *p = plan_text(text, &report);

	if (p == NULL)
		fail_msg("%s: %s", row, report.text);
	conf_report_free(&report);
	return p;
}
