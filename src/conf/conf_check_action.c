#include "base/must.h"
#include "conf/conf_addr.h"
#include "conf/conf_checks.h"
#include "conf/conf_near.h"

#include <stdlib.h>
#include <string.h>

static const struct conf_authority *find_authority(const struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->authority_count; i++) {
		if (strcmp(c->authorities[i].name, name) == 0)
			return &c->authorities[i];
	}
	return NULL;
}

/* A key without its certificate is a half-finished thought; nobody can tell which half. */
static void check_authority(const struct conf *c, struct conf_report *r, const struct conf_authority *a)
{
	if ((a->untrusted_certificate == NULL) == (a->untrusted_key == NULL))
		return;
	if (a->untrusted_key == NULL)
		conf_error(r, conf_check_place(c, &a->untrusted_certificate, &a->name),
			   "authorities.%s.untrusted_key is missing; untrusted_certificate needs it", a->name);
	else
		conf_error(r, conf_check_place(c, &a->untrusted_key, &a->name),
			   "authorities.%s.untrusted_certificate is missing; untrusted_key needs it",
			   a->name);
}

static void check_authority_name(const struct conf *c, struct conf_report *r, const struct conf_action *a)
{
	struct conf_place at = conf_check_place(c, &a->authority, &a->name);
	struct conf_near near;

	if (a->certificates.count > 0)
		conf_error(r, at, "actions.%s has an authority and certificates; clients can be shown one or "
			   "the other, leave one out", a->name);
	if (find_authority(c, a->authority) != NULL)
		return;
	conf_near_begin(&near, a->authority);
	for (size_t i = 0; i < c->authority_count; i++)
		conf_near_try(&near, c->authorities[i].name);
	if (near.best != NULL)
		conf_error(r, at, "there is no authority %s; did you mean %s?", a->authority, near.best);
	else
		conf_error(r, at, "there is no authority %s; it has to be one of authorities", a->authority);
}

static bool has_untrusted(const struct conf *c, const struct conf_action *a)
{
	const struct conf_authority *authority = a->authority != NULL ? find_authority(c, a->authority) : NULL;

	return authority != NULL && authority->untrusted_certificate != NULL;
}

/* SPEC WG-7: nobody is told that a bad certificate is a good one. Where TLS is demanded anyway, refusing is
 * clearer; where it is not, a client that looks will see, and one that does not has TLS all the same. */
static void decide_untrusted(const struct conf *c, struct conf_report *r, struct conf_action *a)
{
	bool set = conf_check_is_set(c, &a->on_untrusted);
	bool demanded = a->upstream_tls == CONF_NEED_ENCRYPT || a->upstream_tls == CONF_NEED_VERIFY ||
			a->client_tls == CONF_CLIENT_TLS_ENCRYPT;

	if (!set && has_untrusted(c, a) && !demanded)
		a->on_untrusted = CONF_UNTRUSTED_MINT;
	if (!set || a->on_untrusted == CONF_UNTRUSTED_REFUSE)
		return;
	if (a->authority == NULL)
		conf_error(r, conf_check_place(c, &a->on_untrusted, &a->name), "actions.%s.on_untrusted is for "
			   "actions with an authority; add one, or leave it out", a->name);
	else if (!has_untrusted(c, a))
		conf_error(r, conf_check_place(c, &a->on_untrusted, &a->name), "actions.%s.on_untrusted is "
			   "untrusted, and authorities.%s has no untrusted_certificate; add it, or write "
			   "refuse", a->name, a->authority);
}

/* SPEC WG-10 */
static void check_esmtp(const struct conf *c, struct conf_report *r, struct conf_action *a)
{
	struct conf_place at = conf_check_place(c, &a->client_tls, &a->name);

	if (a->esmtp)
		return;
	if (a->client_tls == CONF_CLIENT_TLS_ENCRYPT)
		conf_error(r, at, "actions.%s.client_tls is encrypt and esmtp is off, which takes STARTTLS away; "
			   "leave one out", a->name);
	else if (conf_check_is_set(c, &a->client_tls) && a->client_tls == CONF_CLIENT_TLS_MAY)
		conf_warning(r, at, "actions.%s.client_tls is without effect, because esmtp is off, which takes "
			     "STARTTLS away", a->name);
	a->client_tls = CONF_CLIENT_TLS_NONE;
}

static void check_upstream_tls(const struct conf *c, struct conf_report *r, const struct conf_action *a)
{
	conf_check_profile(c, r, &a->upstream_tls_profile);
	conf_check_verify(c, r, &a->upstream_tls_profile, a->upstream_tls, "upstream_tls");
	if (a->upstream_tls == CONF_NEED_NONE && a->min_bits > 0)
		conf_error(r, conf_check_place(c, &a->min_bits, &a->name), "actions.%s.min_bits asks for "
			   "encryption and upstream_tls is none; set that to encrypt, or leave min_bits out",
			   a->name);
}

static void check_terminate(const struct conf *c, struct conf_report *r, struct conf_action *a)
{
	for (size_t i = 0; i < a->certificates.count; i++)
		conf_check_cert(c, r, &a->certificates.at[i]);
	if (a->authority != NULL)
		check_authority_name(c, r, a);
	conf_check_profile(c, r, &a->tls_profile);
	check_upstream_tls(c, r, a);
	check_esmtp(c, r, a);
	decide_untrusted(c, r, a);
}

void conf_check_actions(struct conf *c, struct conf_report *r)
{
	for (size_t i = 0; i < c->authority_count; i++)
		check_authority(c, r, &c->authorities[i]);
	for (size_t i = 0; i < c->action_count; i++) {
		if (c->actions[i].tls == CONF_METHOD_TERMINATE)
			check_terminate(c, r, &c->actions[i]);
		if (c->actions[i].tls == CONF_METHOD_PASSTHROUGH) {
			conf_check_profile(c, r, &c->actions[i].tls_profile);
			conf_check_profile(c, r, &c->actions[i].upstream_tls_profile);
		}
	}
}

static bool same_list(const struct conf_strings *a, const struct conf_strings *b)
{
	bool same = a->count == b->count;

	for (size_t i = 0; same && i < a->count; i++)
		same = strcmp(a->at[i], b->at[i]) == 0;
	return same;
}

/* Two different answers to the same question; the same one twice is what `check -T` prints. */
static bool is_twice(const struct conf *c, struct conf_report *r, const struct conf_service *s,
		     const void *field, const char *name, bool same)
{
	if (!conf_check_is_set(c, field))
		return false;
	if (!same)
		conf_error(r, conf_place_of(c, field), "services.%s.%s is set here and in actions.%s, to something "
			   "else; leave one out", s->name, name, s->action);
	return true;
}

static void copy_list(struct conf_strings *to, const struct conf_strings *from)
{
	to->at = mem_new((from->count + 1) * sizeof(*to->at));
	to->count = from->count;
	for (size_t i = 0; i < from->count; i++)
		to->at[i] = mem_text(from->at[i]);
}

void conf_check_action_apply(struct conf *c, struct conf_report *r, struct conf_service *s)
{
	const struct conf_action *a = conf_action_find(c, s->action);

	if (a == NULL || a->tls != CONF_METHOD_TERMINATE)
		return;
	if (!is_twice(c, r, s, &s->client_tls, "client_tls", s->client_tls == a->client_tls))
		s->client_tls = a->client_tls;
	if (!is_twice(c, r, s, &s->tls_profile, "tls_profile", strcmp(s->tls_profile, a->tls_profile) == 0)) {
		free(s->tls_profile);
		s->tls_profile = mem_text(a->tls_profile);
	}
	if (a->certificates.count > 0 &&
	    !is_twice(c, r, s, &s->certificates, "certificates", same_list(&s->certificates, &a->certificates)))
		copy_list(&s->certificates, &a->certificates);
}

void conf_check_action_without_tls(struct conf *c, const struct conf_service *s)
{
	/* A transparent service that uses it too can't go without: that is an error, found later. */
	for (size_t i = 0; i < c->service_count; i++) {
		if (s->action == NULL || (c->services[i].mode == CONF_MODE_TRANSPARENT &&
					  conf_service_uses(&c->services[i], s->action)))
			return;
	}
	for (size_t i = 0; i < c->action_count; i++) {
		if (strcmp(c->actions[i].name, s->action) == 0)
			c->actions[i].client_tls = CONF_CLIENT_TLS_NONE;
	}
}

/* --- who uses it --- */

/* "net (tls_support disabled), out (tls_support enabled)" */
static bool list_users(const struct conf *c, const char *action, char names[CONF_CHECK_NAMES])
{
	names[0] = '\0';
	for (size_t i = 0; i < c->service_count; i++) {
		if (conf_service_uses(&c->services[i], action))
			conf_check_add_name(names, "%s (tls_support %s)", c->services[i].name,
					    conf_support_name(c->services[i].tls_support));
	}
	return names[0] != '\0';
}

/* SPEC WG-3: TLS that comes to `listen_tls` is to be looked into, and the service does not listen there. */
static void check_inspects(const struct conf *c, struct conf_report *r, const struct conf_action *a,
			   const struct conf_service *s, const char *users)
{
	if (s->listen_tls.count > 0 && s->tls_support == CONF_TLS_SUPPORT_DISABLED)
		conf_error(r, conf_check_place(c, &s->tls_support, &s->name), "services.%s can't do what "
			   "actions.%s is for: its tls_support is disabled, so listen_tls is not listened on; set "
			   "it to enabled, or leave listen_tls out (the action is used by %s)", s->name,
			   a->name, users);
}

/* SPEC WG-5: whose certificate a client is shown in place of the one it expects has to be said. */
static void check_shows(const struct conf *c, struct conf_report *r, const struct conf_action *a,
			const struct conf_service *s)
{
	bool offers = a->client_tls != CONF_CLIENT_TLS_NONE || conf_service_listens_tls(s);

	if (s->mode == CONF_MODE_TRANSPARENT && offers && a->authority == NULL && a->certificates.count == 0)
		conf_error(r, conf_place_of(c, &a->name), "actions.%s has neither an authority nor certificates, "
			   "and services.%s needs one of them to offer TLS", a->name, s->name);
}

/* TLS from the first byte is for both sides. */
static void check_upstream_has_tls(const struct conf *c, struct conf_report *r, const struct conf_action *a,
				   const struct conf_service *s)
{
	if (s->mode == CONF_MODE_TRANSPARENT && conf_service_listens_tls(s) && a->upstream_tls == CONF_NEED_NONE)
		conf_error(r, conf_check_place(c, &a->upstream_tls, &a->name), "actions.%s.upstream_tls is none, and "
			   "services.%s has listen_tls, where the upstream has TLS from the first byte too; set it "
			   "to may, or use an action of its own", a->name, s->name);
}

static bool verifies(const struct conf *c, const struct conf_action *a)
{
	return a->upstream_tls == CONF_NEED_VERIFY ||
	       (a->upstream_tls == CONF_NEED_ENCRYPT && conf_profile_verifies(c, a->upstream_tls_profile));
}

static bool has_network(const struct conf_strings *destinations)
{
	struct conf_net net;
	struct why why;

	for (size_t i = 0; i < destinations->count; i++) {
		if (conf_addr_net(span_str(destinations->at[i]), &net, &why))
			return true;
	}
	return false;
}

/* Whether each rule that leads to the action says by name whom it is for. */
static bool knows_names(const struct conf_service *s, const char *action)
{
	if (s->action != NULL && strcmp(s->action, action) == 0)
		return false;
	for (size_t i = 0; i < s->rule_count; i++) {
		const struct conf_rule *rule = &s->rules[i];

		if (rule->action != NULL && strcmp(rule->action, action) == 0 &&
		    (rule->destination.count == 0 || has_network(&rule->destination)))
			return false;
	}
	return true;
}

/* SPEC PP-8: a certificate that is valid for somebody is no proof. On `listen` the upstream's is looked at before the
 * client has said a name; a client with a minted leaf looks itself, one in clear can't. */
static void check_verifies_names(const struct conf *c, struct conf_report *r, const struct conf_action *a,
				 const struct conf_service *s)
{
	bool client_looks = a->authority != NULL && a->client_tls == CONF_CLIENT_TLS_ENCRYPT;

	if (s->mode != CONF_MODE_TRANSPARENT || !conf_service_listens_clear(s) || !verifies(c, a) || client_looks ||
	    knows_names(s, a->name))
		return;
	conf_error(r, conf_check_place(c, &a->upstream_tls, &a->name), "actions.%s verifies upstreams, and services.%s "
		   "does not know what name to look for; use it in rules whose destinations are all host names%s",
		   a->name, s->name, a->authority == NULL ? "" : ", or set client_tls to encrypt, so that clients look");
}

/* The demand of a partner, in services of this direction, that mail in clear can't meet; NULL: there is none. */
static const char *demand(const struct conf_partner *p, enum conf_direction direction)
{
	bool out = direction == CONF_DIRECTION_OUTBOUND;

	if (p->direction != CONF_DIRECTION_BOTH && p->direction != direction)
		return NULL;
	if (p->client == CONF_PARTNER_CLIENT_REQUIRED)
		return "client is required";
	if (p->upstream == CONF_PARTNER_UPSTREAM_REQUIRED)
		return "upstream is required";
	if (out && p->outbound >= CONF_LEVEL_ENCRYPT && p->outbound <= CONF_LEVEL_DANE)
		return "outbound demands TLS";
	if (out && p->min_bits > 0)
		return "min_bits demands TLS";
	return !out && p->inbound == CONF_LEVEL_ENCRYPT ? "inbound demands TLS" : NULL;
}

static bool is_submission(const char *listen)
{
	const char *port = strrchr(listen, ':');

	return port != NULL && (strcmp(port, ":587") == 0 || strcmp(port, ":465") == 0);
}

/* SPEC MC-3 */
static void check_strips(const struct conf *c, struct conf_report *r, const struct conf_action *a,
			 const struct conf_service *s)
{
	struct conf_place at = conf_check_place(c, &a->tls, &a->name);
	const struct conf_partner *p;
	const char *section;

	for (size_t i = 0; i < s->listen.count; i++) {
		if (is_submission(s->listen.at[i]))
			conf_error(r, conf_check_place(c, &s->listen.at[i], &s->name), "services.%s.listen has "
				   "%s, a port for submission, and uses actions.%s, which strips STARTTLS: "
				   "passwords would go in clear", s->name, s->listen.at[i], a->name);
	}
	if (conf_service_listens_tls(s))
		conf_error(r, conf_check_place(c, &s->listen_tls, &s->name), "services.%s has listen_tls and uses "
			   "actions.%s, which strips STARTTLS; TLS from the first byte can't be stripped, use "
			   "a service of its own", s->name, a->name);
	for (size_t i = 0; (p = conf_check_partner_at(c, i, &section)) != NULL; i++) {
		const char *what = demand(p, s->direction);

		if (what == NULL)
			continue;
		conf_error(r, at, "actions.%s strips STARTTLS for services.%s, and %s.%s.%s; one of them has to go",
			   a->name, s->name, section, p->name, what);
		return;
	}
}

/* SPEC MC-6: the recipients are not seen there. */
static void check_passes(const struct conf *c, struct conf_report *r, const struct conf_action *a,
			 const char *users)
{
	char names[CONF_CHECK_NAMES] = "";
	const struct conf_partner *p;
	const char *section;

	for (size_t i = 0; (p = conf_check_partner_at(c, i, &section)) != NULL; i++) {
		if (demand(p, CONF_DIRECTION_INBOUND) != NULL || demand(p, CONF_DIRECTION_OUTBOUND) != NULL ||
		    p->client == CONF_PARTNER_CLIENT_NONE ||
		    p->upstream == CONF_PARTNER_UPSTREAM_NONE)
			conf_check_add_name(names, "%s", p->name);
	}
	if (names[0] != '\0')
		conf_warning(r, conf_check_place(c, &a->tls, &a->name), "actions.%s passes TLS through, so partners "
			     "(%s) can't be held to what they must have there; used by %s", a->name, names, users);
}

static void check_idle(const struct conf *c, struct conf_report *r, const struct conf_action *a,
		       const struct conf_service *s)
{
	const struct { const void *field; const char *name; } idle[] = {
		{ &a->upstream_tls, "upstream_tls" }, { &a->upstream_tls_profile, "upstream_tls_profile" },
		{ &a->min_bits, "min_bits" }, { &a->ca, "ca" }, { &a->crl, "crl" },
	};

	for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++) {
		if (conf_check_is_set(c, idle[i].field))
			conf_warning(r, conf_place_of(c, idle[i].field), "actions.%s.%s is without effect for "
				     "services.%s, whose upstream has settings of its own", a->name, idle[i].name,
				     s->name);
	}
}

static void check_relay(const struct conf *c, struct conf_report *r, const struct conf_action *a,
			const struct conf_service *s)
{
	struct conf_place at = conf_check_place(c, &s->action, &s->name);

	if (a->tls != CONF_METHOD_TERMINATE)
		conf_error(r, at, "services.%s has mode relay, and actions.%s has tls: %s; a relay's action can only "
			   "terminate", s->name, a->name, conf_method_name(a->tls));
	else if (a->authority != NULL)
		conf_error(r, at, "services.%s has mode relay, and actions.%s has an authority, which is for mode "
			   "transparent; a relay shows certificates of its own", s->name, a->name);
	else
		check_idle(c, r, a, s);
}

static void check_use(const struct conf *c, struct conf_report *r, const struct conf_action *a,
		      const struct conf_service *s, const char *users)
{
	if (s->mode == CONF_MODE_RELAY)
		check_relay(c, r, a, s);
	if (a->tls == CONF_METHOD_TERMINATE) {
		check_inspects(c, r, a, s, users);
		check_shows(c, r, a, s);
		check_upstream_has_tls(c, r, a, s);
		check_verifies_names(c, r, a, s);
	} else if (a->tls == CONF_METHOD_STRIP) {
		check_strips(c, r, a, s);
	}
}

static bool is_inherited(const struct conf *c, const struct conf_action *a)
{
	for (size_t i = 0; i < c->action_count; i++) {
		if (c->actions[i].inherit != NULL && strcmp(c->actions[i].inherit, a->name) == 0)
			return true;
	}
	return false;
}

void conf_check_action_uses(const struct conf *c, struct conf_report *r)
{
	for (size_t i = 0; i < c->action_count; i++) {
		const struct conf_action *a = &c->actions[i];
		char users[CONF_CHECK_NAMES];

		if (!list_users(c, a->name, users)) {
			if (is_inherited(c, a))
				continue;
			conf_warning(r, conf_place_of(c, &a->name), "actions.%s is used by no service", a->name);
			continue;
		}
		for (size_t j = 0; j < c->service_count; j++) {
			if (conf_service_uses(&c->services[j], a->name))
				check_use(c, r, a, &c->services[j], users);
		}
		if (a->tls == CONF_METHOD_PASSTHROUGH)
			check_passes(c, r, a, users);
		if (a->tls == CONF_METHOD_STRIP)
			conf_warning(r, conf_check_place(c, &a->tls, &a->name), "actions.%s strips STARTTLS: mail that "
				     "would have been encrypted goes in clear, for everybody on the way to read; "
				     "used by %s", a->name, users);
	}
}
