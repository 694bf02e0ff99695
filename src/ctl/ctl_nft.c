#include "ctl/ctl_nft.h"

#include "base/must.h"
#include "conf/conf_addr.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* Where traffic of one kind is brought to, by family: 0 is IPv4, 1 is IPv6. */
struct target {
	bool there;
	char to[64];   /* ":2525", "192.0.2.1:2525", "[2001:db8::1]:2525" */
	bool any;      /* the first form */
};

struct script {
	const struct conf *conf;
	const struct conf_service *service;
	const struct ctl_nft *options;
	struct buf *out;
	unsigned mark;   /* of connections that we open */
	unsigned brought; /* of packets that are brought here */
	unsigned table;  /* of routes */
	bool tproxy, client_source, strips;
	struct target clear[2], tls[2];
};

static const char *const families[] = { "ip", "ip6" };
static const char *const protocols[] = { "ipv4", "ipv6" };

static void put(const struct script *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void put(const struct script *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	must(buf_vprintf(s->out, fmt, args));
	va_end(args);
}

/* The first of the addresses that has this family. */
static struct target find_target(const struct conf_strings *listen, bool v6)
{
	static const unsigned char zero[16];
	struct target t = { 0 };
	struct conf_addr a;
	struct why why;

	for (size_t i = 0; i < listen->count && !t.there; i++) {
		if (!conf_addr_listen(span_str(listen->at[i]), &a, &why) || (!a.both && a.v6 != v6))
			continue;
		t.there = true;
		t.any = memcmp(a.ip, zero, sizeof(zero)) == 0;
		if (t.any)
			snprintf(t.to, sizeof(t.to), ":%u", a.port);
		else
			snprintf(t.to, sizeof(t.to), "%.63s", listen->at[i]);
	}
	return t;
}

static bool strips(const struct conf *c, const struct conf_service *s)
{
	for (size_t i = 0; i < c->action_count; i++) {
		if (c->actions[i].tls == CONF_METHOD_STRIP && conf_service_uses(s, c->actions[i].name))
			return true;
	}
	return false;
}

static struct script make_script(const struct conf *c, const struct conf_service *service,
				 const struct ctl_nft *o, struct buf *out)
{
	struct script s = {
		.conf = c, .service = service, .options = o, .out = out,
		.mark = c->mark, .brought = c->mark + 1,
		/* The kernel's own tables have numbers up to 255. */
		.table = c->mark + 1 > 255 ? c->mark + 1 : c->mark + 1 + 23000,
		.tproxy = service->intercept == CONF_INTERCEPT_TPROXY,
		.client_source = service->source == CONF_SOURCE_CLIENT,
		.strips = strips(c, service),
	};

	for (int v6 = 0; v6 < 2; v6++) {
		if (conf_service_listens_clear(service))
			s.clear[v6] = find_target(&service->listen, v6);
		if (conf_service_listens_tls(service))
			s.tls[v6] = find_target(&service->listen_tls, v6);
	}
	return s;
}

static bool has_family(const struct script *s, int v6)
{
	return s->clear[v6].there || s->tls[v6].there;
}

/* Marked packets are delivered here, whatever their address: only where packets are marked at all. */
static bool needs_routes(const struct script *s)
{
	return s->tproxy || s->client_source;
}

static void put_ip(const struct script *s, const char *lead, bool add)
{
	for (int v6 = 0; needs_routes(s) && v6 < 2; v6++) {
		const char *family = v6 ? "-6" : "-4";

		if (!has_family(s, v6))
			continue;
		/* A rule can be there twice: first away with an old one. */
		put(s, "%sip %s rule del fwmark 0x%x lookup %u 2>/dev/null || true\n", lead, family, s->brought,
		    s->table);
		if (add) {
			put(s, "%sip %s rule add fwmark 0x%x lookup %u\n", lead, family, s->brought, s->table);
			put(s, "%sip %s route replace local default dev lo table %u\n", lead, family, s->table);
		} else {
			put(s, "%sip %s route flush table %u 2>/dev/null || true\n", lead, family, s->table);
		}
	}
}

static void put_removal(const struct script *s, const char *lead)
{
	put(s, "%snft delete table inet %s\n", lead, s->options->table);
	put_ip(s, lead, false);
}

static void put_head(const struct script *s)
{
	const struct ctl_nft *o = s->options;

	put(s, "# Brings SMTP to services.%s of %s: %s, intercept: %s, source: %s.\n", s->service->name, o->path,
	    o->local ? "what this machine itself sends" : "what this machine routes",
	    s->tproxy ? "tproxy" : "redirect", s->client_source ? "client" : "own");
	put(s, "# Made by `sallyport nft-rules`; connections that exist when it is applied may break.\n");
	if (needs_routes(s)) {
		put(s, "#\n# Beside these rules the machine has to take in what they mark 0x%x. Run, and at each "
		    "start again:\n#\n", s->brought);
		put_ip(s, "#   ", true);
	}
	if (!o->local) {
		put(s, "#\n# A router forwards: sysctl net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1\n");
		if (o->interface == NULL)
			put(s, "# Better name the interface where the clients are: --interface IF\n");
	}
	put(s, "#\n# To take it back:\n#\n");
	put_removal(s, "#   ");
	put(s, "\n");
}

static void put_interface(const struct script *s)
{
	if (s->options->interface != NULL && !s->options->local)
		put(s, "iifname \"%s\" ", s->options->interface);
}

/* One line for each family: from these ports to that target. */
static void put_tproxy(const struct script *s, const struct target targets[2], const char *ports)
{
	for (int v6 = 0; v6 < 2; v6++) {
		if (!targets[v6].there)
			continue;
		put(s, "\t\t");
		put_interface(s);
		if (s->options->local)
			put(s, "iifname \"lo\" meta mark 0x%x ", s->brought);
		put(s, "meta nfproto %s tcp dport %s tproxy %s to %s meta mark set 0x%x accept\n", protocols[v6],
		    ports, families[v6], targets[v6].to, s->brought);
	}
}

/* Where nobody listens `tproxy` is passed over; what then happened would be decided by nobody. */
static void put_closed(const struct script *s, const struct target targets[2], const char *ports)
{
	for (int v6 = 0; v6 < 2; v6++) {
		if (!targets[v6].there)
			continue;
		put(s, "\t\t");
		put_interface(s);
		if (s->options->local)
			put(s, "iifname \"lo\" meta mark 0x%x ", s->brought);
		put(s, "meta nfproto %s tcp dport %s reject with tcp reset\n", protocols[v6], ports);
	}
}

static void put_redirect(const struct script *s, const struct target targets[2], const char *ports)
{
	for (int v6 = 0; v6 < 2; v6++) {
		if (!targets[v6].there)
			continue;
		put(s, "\t\t");
		put_interface(s);
		put(s, "meta nfproto %s tcp dport %s ", protocols[v6], ports);
		if (targets[v6].any)
			put(s, "redirect to %s\n", targets[v6].to);
		else
			put(s, "dnat %s to %s\n", families[v6], targets[v6].to);
	}
}

static const char *clear_ports(const struct script *s)
{
	return s->strips ? "25" : "{ 25, 587 }";
}

static void put_ports(const struct script *s,
		      void (*line)(const struct script *s, const struct target targets[2], const char *ports))
{
	if (s->clear[0].there || s->clear[1].there) {
		put(s, "\t\t# SMTP that begins in clear goes to `listen`%s.\n", s->strips ?
		    "; not port 587, where passwords would go in clear, because an action strips STARTTLS" : "");
		line(s, s->clear, clear_ports(s));
	}
	if (s->tls[0].there || s->tls[1].there) {
		put(s, "\t\t# TLS from the first byte goes to `listen_tls`.\n");
		line(s, s->tls, "465");
	}
}

static void put_exceptions(const struct script *s)
{
	put(s, "\t\t# What Sallyport itself sends on.\n");
	put(s, "\t\tmeta mark 0x%x accept\n", s->mark);
	put(s, "\t\t# What is for this machine itself.\n");
	put(s, "\t\tfib daddr type local accept\n");
}

/* Before the exceptions: the address is that of a client, who may be this machine. */
static void put_answers(const struct script *s)
{
	if (!s->client_source)
		return;
	put(s, "\t\t# Answers to the connections that have a client's address come back here.\n");
	put(s, "\t\ttcp sport { 25, 465, 587 } socket transparent 1 socket wildcard 0 meta mark set 0x%x accept\n",
	    s->brought);
}

static void put_bring(const struct script *s)
{
	put(s, "\tchain bring {\n\t\ttype filter hook prerouting priority mangle; policy accept;\n");
	put_answers(s);
	if (s->tproxy && !s->options->local)
		put_exceptions(s);
	if (s->tproxy) {
		put_ports(s, put_tproxy);
		put(s, "\t\t# While Sallyport does not run, nothing goes past it. Leave these out to let it.\n");
		put_closed(s, s->clear, clear_ports(s));
		put_closed(s, s->tls, "465");
	}
	put(s, "\t}\n");
}

/* The ports of all that is marked on its way out, to come back by the loopback interface. */
static void put_leave(const struct script *s)
{
	bool clear = s->clear[0].there || s->clear[1].there;
	bool tls = s->tls[0].there || s->tls[1].there;

	put(s, "\tchain leave {\n\t\ttype route hook output priority mangle; policy accept;\n");
	put_exceptions(s);
	put(s, "\t\t# The mark sends it back in by the loopback interface, to the chain above.\n");
	for (int v6 = 0; v6 < 2; v6++) {
		if (has_family(s, v6))
			put(s, "\t\tmeta nfproto %s tcp dport { %s%s%s } meta mark set 0x%x\n", protocols[v6],
			    !clear ? "" : s->strips ? "25" : "25, 587", clear && tls ? ", " : "",
			    tls ? "465" : "", s->brought);
	}
	put(s, "\t}\n");
}

static void put_nat(const struct script *s)
{
	put(s, "\tchain %s {\n\t\ttype nat hook %s priority -100; policy accept;\n",
	    s->options->local ? "leave" : "turn", s->options->local ? "output" : "prerouting");
	put_exceptions(s);
	put_ports(s, put_redirect);
	put(s, "\t}\n");
}

static void put_rules(const struct script *s)
{
	put(s, "table inet %s\ndelete table inet %s\ntable inet %s {\n", s->options->table, s->options->table,
	    s->options->table);
	if (s->tproxy || s->client_source)
		put_bring(s);
	if (!s->tproxy)
		put_nat(s);
	else if (s->options->local)
		put_leave(s);
	put(s, "}\n");
}

void ctl_nft_print(const struct conf *c, const struct conf_service *service, const struct ctl_nft *o,
		   struct buf *out)
{
	struct script s = make_script(c, service, o, out);

	if (o->form == CTL_NFT_REMOVE) {
		put(&s, "#!/bin/sh\n");
		put_removal(&s, "");
		return;
	}
	if (o->form == CTL_NFT_SHELL)
		put(&s, "#!/bin/sh\nset -e\nnft -f - <<'END'\n");
	put_head(&s);
	put_rules(&s);
	if (o->form == CTL_NFT_SHELL) {
		put(&s, "END\n");
		put_ip(&s, "", true);
	}
}

/* --- the command --- */

/* NULL with a word on stderr where it can't be told which one is meant. */
static const struct conf_service *choose(const struct conf *c, const char *path, const char *name)
{
	const struct conf_service *found = NULL;
	unsigned count = 0;

	for (size_t i = 0; i < c->service_count; i++) {
		const struct conf_service *s = &c->services[i];

		if (s->mode != CONF_MODE_TRANSPARENT || (name != NULL && strcmp(s->name, name) != 0))
			continue;
		found = s;
		count++;
	}
	if (count == 1)
		return found;
	if (name != NULL)
		fprintf(stderr, "%s: no service %s has mode: transparent\n", path, name);
	else if (count == 0)
		fprintf(stderr, "%s: no service has mode: transparent\n", path);
	else
		fprintf(stderr, "%s: %u services have mode: transparent, and a connection can be brought to one; "
			"choose it with --service NAME\n", path, count);
	return NULL;
}

static int print(const char *path, const char *service, const struct ctl_nft *o, struct conf_report *report)
{
	struct conf_source *source = conf_source_files();
	struct conf *c = conf_load(source, path, report);
	const struct conf_service *s = NULL;
	int status = EX_CONFIG;
	struct buf out;

	if (report->errors > 0)
		fputs(report->text, stderr);
	if (c != NULL)
		s = choose(c, path, service);
	if (s != NULL) {
		buf_init(&out, CTL_NFT_MOST);
		ctl_nft_print(c, s, o, &out);
		fwrite(buf_peek(&out).at, 1, buf_used(&out), stdout);
		buf_free(&out);
		status = fflush(stdout) == 0 ? EX_OK : EX_IOERR;
	}
	conf_free(c);
	conf_source_free(source);
	return status;
}

/* It stands in the rules as it is. */
static bool is_word(const char *text)
{
	for (size_t i = 0; text[i] != '\0'; i++) {
		if (!ascii_is_alnum(text[i]) && strchr("._-@:", text[i]) == NULL)
			return false;
	}
	return text[0] != '\0' && strlen(text) < 64;
}

static bool read_options(int argc, char **argv, struct ctl_nft *o, const char **service)
{
	static const struct option options[] = {
		{ "service", required_argument, NULL, 's' }, { "table", required_argument, NULL, 't' },
		{ "interface", required_argument, NULL, 'i' }, { "local", no_argument, NULL, 'l' },
		{ "shell", no_argument, NULL, 'S' }, { "remove", no_argument, NULL, 'R' }, { 0 },
	};
	int c;

	optind = 1;
	while ((c = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		if (c == 'c')
			o->path = optarg;
		else if (c == 's')
			*service = optarg;
		else if (c == 't')
			o->table = optarg;
		else if (c == 'i')
			o->interface = optarg;
		else if (c == 'l')
			o->local = true;
		else if (c == 'S')
			o->form = CTL_NFT_SHELL;
		else if (c == 'R')
			o->form = CTL_NFT_REMOVE;
		else
			return false;
	}
	return o->path != NULL && optind == argc && is_word(o->table) &&
	       (o->interface == NULL || is_word(o->interface));
}

int ctl_nft(int argc, char **argv)
{
	struct ctl_nft o = { .table = "sallyport" };
	const char *service = NULL;
	struct conf_report report;
	int status;

	if (!read_options(argc, argv, &o, &service)) {
		fputs("usage: sallyport nft-rules -c FILE [--service NAME] [--table NAME] [--interface IF] [--local]\n"
		      "                           [--shell | --remove]\n", stderr);
		return EX_USAGE;
	}
	conf_report_init(&report, o.path);
	status = print(o.path, service, &o, &report);
	conf_report_free(&report);
	return status;
}
