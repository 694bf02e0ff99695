#include "edge/next_hop.h"

#include "base/must.h"

#include <stdlib.h>
#include <string.h>

/* Names, needs and TLSA records of EVIDENCE_HOSTS_MOST hosts. */
#define KEY_MOST (512 * 1024)

struct evidence_held *evidence_held_new(struct policy_evidence *e)
{
	struct evidence_held *h = mem_new(sizeof(*h));

	h->refs = 1;
	h->all = e;
	return h;
}

struct evidence_held *evidence_held_hold(struct evidence_held *h)
{
	h->refs++;
	return h;
}

void evidence_held_release(struct evidence_held *h)
{
	if (h == NULL || --h->refs > 0)
		return;
	policy_evidence_free(h->all);
	free(h);
}

static bool find_client(const struct plan_service *service, struct next_hop *h, struct why *why)
{
	const struct policy_rule *rule = h->decision.rule;

	h->tls = plan_next_hop_client(service, rule != NULL ? rule->certificate : NULL, why);
	return h->tls != NULL;
}

struct next_hop *next_hop_new(const struct plan_service *service, struct evidence_held *found,
			      struct policy_table *rules, struct policy_question q, struct why *why)
{
	struct next_hop *h = mem_new(sizeof(*h));

	h->refs = 1;
	h->found = evidence_held_hold(found);
	h->rules = policy_table_hold(rules);
	h->requiretls = q.requiretls;
	buf_init(&h->key, KEY_MOST);
	q.evidence = found->all;
	policy_decide(&q, &h->decision);
	must(policy_decide_key(&h->decision, found->all, &h->key));
	must(buf_put(&h->key, h->requiretls ? SPAN(" requiretls") : SPAN("")));
	if (h->decision.refusal != POLICY_DELIVER || find_client(service, h, why))
		return h;
	next_hop_release(h);
	return NULL;
}

struct next_hop *next_hop_hold(struct next_hop *h)
{
	h->refs++;
	return h;
}

void next_hop_release(struct next_hop *h)
{
	if (h == NULL || --h->refs > 0)
		return;
	evidence_held_release(h->found);
	policy_table_release(h->rules);
	buf_free(&h->key);
	free(h);
}

const struct evidence_host *next_hop_host(const struct next_hop *h, unsigned i)
{
	must(i < h->decision.host_count);
	return &h->found->all->hosts[h->decision.hosts[i].index];
}

static void make_addr(const struct evidence_addr *from, uint16_t port, struct addr *to)
{
	*to = (struct addr){ 0 };
	if (from->v6) {
		to->len = sizeof(to->in6);
		to->in6.sin6_family = AF_INET6;
		to->in6.sin6_port = htons(port);
		memcpy(&to->in6.sin6_addr, from->octets, 16);
	} else {
		to->len = sizeof(to->in);
		to->in.sin_family = AF_INET;
		to->in.sin_port = htons(port);
		memcpy(&to->in.sin_addr, from->octets, 4);
	}
}

/* The next one of that family, from `*at` on; NULL: there is none left. */
static const struct evidence_addr *next_of(const struct evidence_host *host, bool v6, unsigned *at)
{
	for (; *at < host->addr_count; (*at)++) {
		if (host->addrs[*at].v6 == v6)
			return &host->addrs[(*at)++];
	}
	return NULL;
}

static unsigned add_host(const struct next_hop *h, unsigned i, uint16_t port, struct upstream_try *tries, unsigned n,
			 unsigned most)
{
	const struct evidence_host *host = next_hop_host(h, i);
	unsigned at4 = 0, at6 = 0;
	bool v6 = true;

	for (unsigned left = host->addr_count; left > 0 && n < most; left--) {
		const struct evidence_addr *a = next_of(host, v6, v6 ? &at6 : &at4);

		if (a == NULL)
			a = next_of(host, !v6, v6 ? &at4 : &at6);
		tries[n].host = NULL;
		tries[n].hop_host = i;
		make_addr(a, port, &tries[n++].addr);
		v6 = !a->v6;
	}
	return n;
}

unsigned next_hop_tries(const struct next_hop *h, uint16_t port, struct upstream_try *tries, unsigned most)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->decision.host_count; i++)
		n = add_host(h, i, port, tries, n, most);
	return n;
}

unsigned next_hop_leave_own(const struct next_hop *h, const struct plan *p, const struct home *home,
			    struct upstream_try *tries, unsigned n, struct why *why)
{
	char text[ADDR_TEXT_MOST];
	unsigned own = 0, left = 0;

	while (own < n && !plan_listens_at(p, home, &tries[own].addr))
		own++;
	if (own == n)
		return n;
	addr_print(&tries[own].addr, text);
	why_set(why, FAULT_POLICY, "%.120s at %s is this gateway itself", next_hop_host(h, tries[own].hop_host)->name, text);
	/* They stand in the order of their preference. */
	while (next_hop_host(h, tries[left].hop_host)->preference < next_hop_host(h, tries[own].hop_host)->preference)
		left++;
	return left;
}

bool next_hop_is_same(const struct next_hop *a, const struct next_hop *b)
{
	return a->tls == b->tls && span_eq(buf_peek(&a->key), buf_peek(&b->key));
}
