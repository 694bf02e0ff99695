/* The first octet is the type that is asked for, the rest the packet. Whatever it is: a name that is told is one that
 * policy_name_ok takes, spans lie within the packet, and only a whole answer has records. */
#include "base/must.h"
#include "policy/policy_name.h"
#include "route/route_packet.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char name[EVIDENCE_NAME_MOST])
{
	must(memchr(name, '\0', EVIDENCE_NAME_MOST) != NULL);
	must(name[0] == '\0' || policy_name_ok(span_str(name)));
}

static void check_record(const struct route_dns_record *r, struct span packet)
{
	check_name(r->name);
	must(r->data.at >= packet.at && r->data.at + r->data.len <= packet.at + packet.len);
	must(!r->root || r->name[0] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct route_dns_answer *a = mem_new(sizeof(*a));
	struct span packet;

	if (size > 0) {
		packet = span_of(data + 1, size - 1);
		route_packet_read(packet, "example.net", (enum route_dns_type)data[0], a);
		must((a->end == ROUTE_DNS_FOUND) == (a->count > 0));
		must((a->end == ROUTE_DNS_FAILED) == (a->trouble[0] != '\0'));
		must(a->count <= ROUTE_DNS_RECORDS_MOST);
		check_name(a->name);
		for (unsigned i = 0; i < a->count; i++)
			check_record(&a->records[i], packet);
	}
	free(a);
	return 0;
}
