#include "conf/conf_addr.h"

#include <arpa/inet.h>
#include <string.h>

#define NAME_MOST 253
#define LABEL_MOST 63

/* Octets of ::ffff:0:0/96, before those of the IPv4 address. */
#define MAPPED_LEN 12

static bool no(struct why *why, const char *text)
{
	why_set(why, FAULT_POLICY, "%s", text);
	return false;
}

static bool read_ip(struct span text, int family, unsigned char ip[16])
{
	char mem[INET6_ADDRSTRLEN];

	if (text.len >= sizeof(mem))
		return false;
	memcpy(mem, text.at, text.len);
	mem[text.len] = '\0';
	return inet_pton(family, mem, ip) == 1;
}

static bool read_port(struct span text, uint16_t *port, struct why *why)
{
	uint64_t n;

	if (text.len == 0)
		return no(why, "it has no port");
	if (!span_number(text, 65535, &n) || n == 0)
		return no(why, "the port has to be a number from 1 to 65535");
	*port = (uint16_t)n;
	return true;
}

/* "host:port" or "[v6]:port" or without port. Takes the brackets off; `port` is empty where
 * there is none. */
static bool cut_port(struct span text, struct span *host, bool *bracketed, struct span *port,
		     struct why *why)
{
	size_t colon;

	*bracketed = text.len > 0 && text.at[0] == '[';
	if (*bracketed) {
		text = span_from(text, 1);
		if (span_find(text, ']') == text.len)
			return no(why, "the closing bracket is missing");
		*host = span_cut(&text, ']');
		if (text.len > 0 && text.at[0] != ':')
			return no(why, "after the bracket there has to be a colon and the port");
		*port = span_from(text, 1);
		return text.len != 1 || no(why, "it has no port");
	}
	colon = span_find(text, ':');
	*host = span_first(text, colon);
	*port = span_from(text, colon + 1);
	if (span_find(*port, ':') < port->len)
		return no(why, "an IPv6 address needs brackets");
	return colon == text.len || port->len > 0 || no(why, "it has no port");
}

bool conf_addr_listen(struct span text, struct conf_addr *a, struct why *why)
{
	struct span host, port;
	bool bracketed;

	*a = (struct conf_addr){ 0 };
	if (!cut_port(text, &host, &bracketed, &port, why))
		return false;
	a->v6 = bracketed;
	a->both = !bracketed && span_eq(host, SPAN("*"));
	if (bracketed && !read_ip(host, AF_INET6, a->ip))
		return no(why, "in the brackets there is no IPv6 address");
	if (!bracketed && !a->both && !read_ip(host, AF_INET, a->ip))
		return no(why, "it is neither an address nor an asterisk");
	return read_port(port, &a->port, why);
}

static bool is_any(const struct conf_addr *a)
{
	static const unsigned char zero[16];

	return memcmp(a->ip, zero, sizeof(zero)) == 0;
}

bool conf_addr_clash(const struct conf_addr *a, const struct conf_addr *b)
{
	if (a->port != b->port)
		return false;
	if (a->both || b->both)
		return is_any(a) && is_any(b);
	return a->v6 == b->v6 && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

/* `wide`: letters beyond ASCII are taken as well. */
static bool good_label(struct span label, bool wide)
{
	if (label.len == 0 || label.len > LABEL_MOST)
		return false;
	if (label.at[0] == '-' || label.at[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		char c = label.at[i];

		if (!ascii_is_alnum(c) && c != '-' && c != '_' && !(wide && ((unsigned char)c & 0x80)))
			return false;
	}
	return true;
}

static bool good_name(struct span text, bool wide, struct why *why)
{
	struct span rest = text;
	struct span label = { 0 };
	uint64_t number;

	if (text.len == 0)
		return no(why, "it is empty");
	if (text.len > NAME_MOST)
		return no(why, "a name has at most 253 characters");
	if (text.at[text.len - 1] == '.')
		return no(why, "it ends with a dot");
	while (rest.len > 0) {
		label = span_cut(&rest, '.');
		if (!good_label(label, wide))
			return no(why, "it is no host name: between its dots there have to be 1 to 63 "
				  "letters, digits and hyphens");
	}
	/* No top level domain is a number: this is an address with a mistake in it. */
	if (span_number(label, UINT64_MAX, &number))
		return no(why, "it is neither an address nor a name");
	return true;
}

bool conf_addr_name(struct span text, struct why *why)
{
	return good_name(text, false, why);
}

bool conf_addr_server(struct span text, struct why *why)
{
	struct span host, port;
	bool bracketed;
	unsigned char ip[16];
	uint16_t number;

	if (!cut_port(text, &host, &bracketed, &port, why))
		return false;
	if (!read_ip(host, bracketed ? AF_INET6 : AF_INET, ip))
		return no(why, bracketed ? "in the brackets there is no IPv6 address" : "it is no address");
	return read_port(port, &number, why);
}

bool conf_addr_host(struct span text, struct why *why)
{
	struct span host, port;
	bool bracketed;
	unsigned char ip[16];
	uint16_t number;

	if (!cut_port(text, &host, &bracketed, &port, why))
		return false;
	if (port.len > 0 && !read_port(port, &number, why))
		return false;
	if (bracketed)
		return read_ip(host, AF_INET6, ip) ||
		       no(why, "in the brackets there is no IPv6 address");
	return read_ip(host, AF_INET, ip) || conf_addr_name(host, why);
}

static bool has_rest(const struct conf_net *net)
{
	for (unsigned bit = net->bits; bit < 128; bit++) {
		if (net->ip[bit / 8] & (0x80 >> bit % 8))
			return true;
	}
	return false;
}

/* A client that comes by IPv4 is never seen otherwise (addr_unmap), so this would match nobody. */
static void unmap(struct conf_net *net)
{
	static const unsigned char mapped[MAPPED_LEN] = { [10] = 0xff, [11] = 0xff };

	if (!net->v6 || net->bits < 8 * MAPPED_LEN || memcmp(net->ip, mapped, MAPPED_LEN) != 0)
		return;
	memmove(net->ip, net->ip + MAPPED_LEN, sizeof(net->ip) - MAPPED_LEN);
	memset(net->ip + sizeof(net->ip) - MAPPED_LEN, 0, MAPPED_LEN);
	net->v6 = false;
	net->bits -= 8 * MAPPED_LEN;
}

bool conf_addr_net(struct span text, struct conf_net *net, struct why *why)
{
	struct span bits = text;
	struct span host = span_cut(&bits, '/');
	bool cut = host.len < text.len;
	uint64_t n;

	*net = (struct conf_net){ 0 };
	net->v6 = !read_ip(host, AF_INET, net->ip);
	if (net->v6 && !read_ip(host, AF_INET6, net->ip))
		return no(why, "it is neither an address nor a network");
	net->bits = net->v6 ? 128 : 32;
	if (cut && !span_number(bits, net->bits, &n))
		return no(why, net->v6 ? "behind the slash there has to be a number from 0 to 128"
				       : "behind the slash there has to be a number from 0 to 32");
	net->bits = cut ? (unsigned)n : net->bits;
	if (has_rest(net))
		return no(why, "it has bits behind those that count");
	unmap(net);
	return true;
}

bool conf_addr_place(struct span text, struct why *why)
{
	struct conf_net net;

	if (span_find(text, '/') < text.len || span_find(text, ':') < text.len)
		return conf_addr_net(text, &net, why);
	return conf_addr_net(text, &net, why) || conf_addr_name(text, why);
}

bool conf_addr_pattern(struct span text, struct why *why)
{
	bool wild = text.len > 2 && text.at[0] == '*' && text.at[1] == '.';

	return conf_addr_name(wild ? span_from(text, 2) : text, why);
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 section 4.1.3) */
static bool is_literal(struct span text)
{
	const struct span v6 = SPAN("IPv6:");
	unsigned char ip[16];

	if (text.len < 2 || text.at[0] != '[' || text.at[text.len - 1] != ']')
		return false;
	text = span_first(span_from(text, 1), text.len - 2);
	if (span_starts_nocase(text, v6))
		return read_ip(span_from(text, v6.len), AF_INET6, ip);
	return read_ip(text, AF_INET, ip);
}

bool conf_addr_partner(struct span text, struct why *why)
{
	struct span domain = text;
	struct span user = span_cut(&domain, '@');
	size_t lead = span_starts_nocase(text, SPAN("*.")) ? 2 : span_starts_nocase(text, SPAN(".")) ? 1 : 0;

	if (span_eq(text, SPAN("*")))
		return true;
	if (user.len < text.len) {
		if (user.len == 0)
			return no(why, "before the at sign there is nothing");
	} else {
		domain = span_from(text, lead);
	}
	if (domain.len > 1 && domain.at[domain.len - 1] == '.')
		domain.len--;
	/* Nothing is below a literal. */
	return (lead == 0 && is_literal(domain)) || good_name(domain, true, why);
}

bool conf_addr_mailbox(struct span text, struct why *why)
{
	struct span domain = text;
	struct span user = span_cut(&domain, '@');

	for (size_t i = 0; i < user.len; i++) {
		if (user.at[i] <= ' ' || user.at[i] == 0x7f || strchr("<>()\\\",:;", user.at[i]) != NULL)
			return no(why, "before the at sign there is a character that needs quotes");
	}
	if (user.len == 0 || user.len == text.len)
		return no(why, "it is no mail address");
	return conf_addr_name(domain, why);
}
