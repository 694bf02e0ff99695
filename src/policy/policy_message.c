#include "policy/policy_message.h"

#include "base/must.h"
#include "base/wire.h"
#include "policy/policy_name.h"

#include <string.h>

/* The longest of all is evidence with every list full. */
#define HOST_OCTETS (2 * (2 + EVIDENCE_NAME_MOST) + 2 + 2 + 1 + EVIDENCE_ADDRS_MOST * 17 + 2 + EVIDENCE_TLSA_MOST * 5 + \
		     EVIDENCE_TLSA_SUM + 4 + 2 + EVIDENCE_TEXT_MOST)
#define EVIDENCE_OCTETS (5 + 2 * (2 + EVIDENCE_NAME_MOST) + 3 + 2 * (2 + EVIDENCE_TEXT_MOST) + 1 + EVIDENCE_HOSTS_MOST * HOST_OCTETS + \
			 1 + 2 + 40 + 8 + 1 + EVIDENCE_MX_MOST * (2 + EVIDENCE_NAME_MOST) + 16)
_Static_assert(EVIDENCE_OCTETS <= POLICY_MESSAGE_MOST, "evidence does not fit into a message");

static bool is_printable(char c)
{
	return c >= 0x20 && c < 0x7f;
}

/* What libraries say about what peers sent is not all ASCII. */
static void put_words(struct buf *b, const char *text)
{
	char words[EVIDENCE_TEXT_MOST];
	size_t len = strnlen(text, sizeof(words) - 1);

	for (size_t i = 0; i < len; i++)
		words[i] = is_printable(text[i]) ? text[i] : '?';
	words[len] = '\0';
	wire_put_text(b, words);
}

static void take_words(struct wire *w, char *to, size_t size)
{
	wire_text(w, to, size);
	for (const char *at = to; *at != '\0'; at++) {
		if (!is_printable(*at))
			w->bad = true;
	}
}

/* A text that is one word: an address, a URL. */
static void take_word(struct wire *w, char *to, size_t size)
{
	take_words(w, to, size);
	if (strchr(to, ' ') != NULL)
		w->bad = true;
}

/* A folded name or address literal. */
static bool name_ok(const char *name)
{
	char folded[POLICY_NAME_MOST];

	return policy_name_fold(span_str(name), folded) && strcmp(folded, name) == 0;
}

static void put_name(struct buf *b, const char *name)
{
	must(name_ok(name));
	wire_put_text(b, name);
}

static void put_name_or_none(struct buf *b, const char *name)
{
	must(name[0] == '\0' || name_ok(name));
	wire_put_text(b, name);
}

static void take_name_or_none(struct wire *w, char name[EVIDENCE_NAME_MOST])
{
	wire_text(w, name, EVIDENCE_NAME_MOST);
	if (name[0] != '\0' && !name_ok(name))
		w->bad = true;
}

static void take_name(struct wire *w, char name[EVIDENCE_NAME_MOST])
{
	take_name_or_none(w, name);
	if (name[0] == '\0')
		w->bad = true;
}

static bool pattern_ok(const char *pattern)
{
	return policy_name_ok(span_str(strncmp(pattern, "*.", 2) == 0 ? pattern + 2 : pattern));
}

static void put_addrs(struct buf *b, const struct evidence_host *h)
{
	must(h->addr_count <= EVIDENCE_ADDRS_MOST);
	wire_put_number(b, h->addr_count, 1);
	for (unsigned i = 0; i < h->addr_count; i++) {
		wire_put_number(b, h->addrs[i].v6, 1);
		wire_put_octets(b, span_of(h->addrs[i].octets, h->addrs[i].v6 ? 16 : 4));
	}
}

static void take_addrs(struct wire *w, struct evidence_host *h)
{
	h->addr_count = (unsigned)wire_most(w, 1, EVIDENCE_ADDRS_MOST);
	for (unsigned i = 0; i < h->addr_count; i++) {
		struct span octets;

		h->addrs[i].v6 = wire_flag(w);
		octets = wire_octets(w, h->addrs[i].v6 ? 16 : 4);
		if (octets.len > 0)
			memcpy(h->addrs[i].octets, octets.at, octets.len);
	}
}

static void put_tlsa(struct buf *b, const struct evidence_host *h)
{
	must(h->tlsa_count <= EVIDENCE_TLSA_MOST);
	must((h->tlsa_count > 0) == (h->tlsa_state == EVIDENCE_TLSA_USABLE));
	wire_put_number(b, h->tlsa_state, 1);
	wire_put_number(b, h->tlsa_count, 1);
	for (unsigned i = 0; i < h->tlsa_count; i++) {
		wire_put_number(b, h->tlsa[i].usage, 1);
		wire_put_number(b, h->tlsa[i].selector, 1);
		wire_put_number(b, h->tlsa[i].matching, 1);
		wire_put_number(b, h->tlsa[i].len, 2);
		wire_put_octets(b, span_of(h->tlsa[i].data, h->tlsa[i].len));
	}
}

static void take_tlsa(struct wire *w, struct evidence_host *h)
{
	unsigned count;

	h->tlsa_state = (enum evidence_tlsa)wire_most(w, 1, EVIDENCE_TLSA_FAILED);
	count = (unsigned)wire_most(w, 1, EVIDENCE_TLSA_MOST);
	if ((count > 0) != (h->tlsa_state == EVIDENCE_TLSA_USABLE))
		w->bad = true;
	for (unsigned i = 0; i < count && !w->bad; i++) {
		struct tls_tlsa record = { 0 };
		struct span data;

		record.usage = (uint8_t)wire_number(w, 1);
		record.selector = (uint8_t)wire_number(w, 1);
		record.matching = (uint8_t)wire_number(w, 1);
		record.len = (uint16_t)wire_number(w, 2);
		data = wire_octets(w, record.len);
		record.data = (unsigned char *)data.at;
		if (!w->bad && !policy_evidence_add_tlsa(h, &record))
			w->bad = true;
	}
}

static void put_host(struct buf *b, const struct evidence_host *h)
{
	put_name(b, h->name);
	put_name_or_none(b, h->tlsa_base);
	wire_put_number(b, h->preference, 2);
	wire_put_number(b, h->secure, 1);
	wire_put_number(b, h->failed, 1);
	put_addrs(b, h);
	put_tlsa(b, h);
	wire_put_number(b, h->seen_tls, 4);
	put_words(b, h->trouble);
}

static void take_host(struct wire *w, struct evidence_host *h)
{
	take_name(w, h->name);
	take_name_or_none(w, h->tlsa_base);
	h->preference = (uint16_t)wire_number(w, 2);
	h->secure = wire_flag(w);
	h->failed = wire_flag(w);
	take_addrs(w, h);
	take_tlsa(w, h);
	h->seen_tls = (unsigned)wire_number(w, 4);
	take_words(w, h->trouble, sizeof(h->trouble));
}

static void put_evidence(struct buf *b, const struct policy_evidence *e)
{
	must(e->host_count <= EVIDENCE_HOSTS_MOST && e->sts_mx_count <= EVIDENCE_MX_MOST);
	wire_put_number(b, e->host_count, 1);
	wire_put_number(b, e->sts_mx_count, 1);
	put_name(b, e->domain);
	wire_put_number(b, e->dns, 1);
	put_words(b, e->trouble);
	wire_put_number(b, e->mx_secure, 1);
	put_name_or_none(b, e->mx_owner);
	wire_put_number(b, e->no_mx, 1);
	for (unsigned i = 0; i < e->host_count; i++)
		put_host(b, &e->hosts[i]);
	wire_put_number(b, e->sts, 1);
	put_words(b, e->sts_id);
	put_words(b, e->sts_trouble);
	wire_put_number(b, (uint64_t)e->sts_until, 8);
	for (unsigned i = 0; i < e->sts_mx_count; i++) {
		must(pattern_ok(e->sts_mx[i]));
		wire_put_text(b, e->sts_mx[i]);
	}
	wire_put_number(b, (uint64_t)e->found_at, 8);
	wire_put_number(b, (uint64_t)e->good_until, 8);
}

static struct policy_evidence *take_evidence(struct wire *w)
{
	unsigned hosts = (unsigned)wire_most(w, 1, EVIDENCE_HOSTS_MOST);
	unsigned patterns = (unsigned)wire_most(w, 1, EVIDENCE_MX_MOST);
	struct policy_evidence *e = policy_evidence_new(hosts, patterns);

	take_name(w, e->domain);
	e->dns = (enum evidence_dns)wire_most(w, 1, EVIDENCE_DNS_FAILED);
	take_words(w, e->trouble, sizeof(e->trouble));
	e->mx_secure = wire_flag(w);
	take_name_or_none(w, e->mx_owner);
	e->no_mx = wire_flag(w);
	for (unsigned i = 0; i < hosts && !w->bad; i++)
		take_host(w, &e->hosts[i]);
	e->sts = (enum evidence_sts)wire_most(w, 1, EVIDENCE_STS_ENFORCE);
	take_words(w, e->sts_id, sizeof(e->sts_id));
	take_words(w, e->sts_trouble, sizeof(e->sts_trouble));
	e->sts_until = (int64_t)wire_most(w, 8, INT64_MAX);
	for (unsigned i = 0; i < patterns && !w->bad; i++) {
		wire_text(w, e->sts_mx[i], sizeof(e->sts_mx[i]));
		if (!pattern_ok(e->sts_mx[i]))
			w->bad = true;
	}
	e->found_at = (int64_t)wire_most(w, 8, INT64_MAX);
	e->good_until = (int64_t)wire_most(w, 8, INT64_MAX);
	return e;
}

static void put_result(struct buf *b, const struct policy_result *r)
{
	put_name(b, r->domain);
	put_name_or_none(b, r->host);
	wire_put_text(b, r->address);
	wire_put_text(b, r->own_address);
	wire_put_number(b, r->policy, 1);
	wire_put_number(b, r->type, 1);
	wire_put_number(b, r->tls, 1);
	wire_put_number(b, r->delivered, 1);
	put_words(b, r->reason);
}

static void take_result(struct wire *w, struct policy_result *r)
{
	take_name(w, r->domain);
	take_name_or_none(w, r->host);
	take_word(w, r->address, sizeof(r->address));
	take_word(w, r->own_address, sizeof(r->own_address));
	r->policy = (enum policy_result_policy)wire_most(w, 1, POLICY_RESULT_POLICY_MOST - 1);
	r->type = (enum policy_result_type)wire_most(w, 1, POLICY_RESULT_MOST - 1);
	r->tls = wire_flag(w);
	r->delivered = wire_flag(w);
	take_words(w, r->reason, sizeof(r->reason));
}

/* It comes out of a stranger's certificate; a scheme has no case (RFC 3986 section 3.1). */
static bool url_ok(const char *url)
{
	return span_starts_nocase(span_str(url), SPAN("http://")) && url[7] != '\0' && strchr(url, ' ') == NULL;
}

/* Its length is what is left: nothing follows. */
static void take_der(struct wire *w, struct span *der, size_t least)
{
	*der = wire_octets(w, w->rest.len);
	if (der->len < least || der->len > POLICY_OCSP_MOST)
		w->bad = true;
}

static void put_ocsp_ask(struct buf *b, const struct policy_message *m)
{
	must(url_ok(m->url) && m->der.len > 0 && m->der.len <= POLICY_OCSP_MOST);
	wire_put_text(b, m->url);
	wire_put_octets(b, m->der);
}

static void take_ocsp_ask(struct wire *w, struct policy_message *m)
{
	take_word(w, m->url, sizeof(m->url));
	if (!url_ok(m->url))
		w->bad = true;
	take_der(w, &m->der, 1);
}

void policy_message_encode(const struct policy_message *m, struct buf *out)
{
	wire_put_number(out, m->kind, 1);
	wire_put_number(out, m->id, 4);
	switch (m->kind) {
	case POLICY_ASK:
		put_name(out, m->domain);
		break;
	case POLICY_EVIDENCE:
		put_evidence(out, m->evidence);
		break;
	case POLICY_RESULT:
		must(m->id == 0);
		put_result(out, &m->result);
		break;
	case POLICY_OCSP_ASK:
		put_ocsp_ask(out, m);
		break;
	case POLICY_OCSP_ANSWER:
		must(m->der.len <= POLICY_OCSP_MOST);
		wire_put_octets(out, m->der);
		break;
	case POLICY_TABLE:
		must(m->id == 0);
		wire_put_number(out, m->table_generation, 8);
		break;
	}
}

static void take_message(struct wire *w, struct policy_message *m)
{
	switch (m->kind) {
	case POLICY_ASK:
		take_name(w, m->domain);
		return;
	case POLICY_EVIDENCE:
		m->evidence = take_evidence(w);
		return;
	case POLICY_RESULT:
		take_result(w, &m->result);
		break;
	case POLICY_OCSP_ASK:
		take_ocsp_ask(w, m);
		return;
	case POLICY_OCSP_ANSWER:
		take_der(w, &m->der, 0);
		return;
	case POLICY_TABLE:
		m->table_generation = wire_number(w, 8);
		break;
	default:
		w->bad = true;
	}
	/* Nobody waits for an answer to these. */
	if (m->id != 0)
		w->bad = true;
}

bool policy_message_decode(struct span octets, struct policy_message *m, struct why *why)
{
	struct wire w = { .rest = octets };
	unsigned kind = (unsigned)wire_number(&w, 1);

	*m = (struct policy_message){ .kind = kind, .id = (uint32_t)wire_number(&w, 4), .der = SPAN("") };
	take_message(&w, m);
	if (!w.bad && w.rest.len == 0)
		return true;
	policy_evidence_free(m->evidence);
	m->evidence = NULL;
	why_set(why, FAULT_PEER, "malformed message of kind %u, %zu octets", kind, octets.len);
	return false;
}

const char *policy_result_name(enum policy_result_type t)
{
	static const char *const names[] = {
		[POLICY_RESULT_SUCCESS] = "success",
		[POLICY_RESULT_STARTTLS_NOT_SUPPORTED] = "starttls-not-supported",
		[POLICY_RESULT_CERTIFICATE_HOST_MISMATCH] = "certificate-host-mismatch",
		[POLICY_RESULT_CERTIFICATE_EXPIRED] = "certificate-expired",
		[POLICY_RESULT_CERTIFICATE_NOT_TRUSTED] = "certificate-not-trusted",
		[POLICY_RESULT_VALIDATION_FAILURE] = "validation-failure",
		[POLICY_RESULT_TLSA_INVALID] = "tlsa-invalid",
		[POLICY_RESULT_DNSSEC_INVALID] = "dnssec-invalid",
		[POLICY_RESULT_DANE_REQUIRED] = "dane-required",
		[POLICY_RESULT_STS_POLICY_FETCH_ERROR] = "sts-policy-fetch-error",
		[POLICY_RESULT_STS_POLICY_INVALID] = "sts-policy-invalid",
		[POLICY_RESULT_STS_WEBPKI_INVALID] = "sts-webpki-invalid",
	};

	return names[t];
}
