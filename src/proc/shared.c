#include "proc/shared.h"

#include "base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* A client's place is looked for in so many entries behind its home and nowhere else: the
 * cost of a connection stays bounded however full the table is. Up to two thirds full all find one. */
#define PROBES 128

/* An entry: the upper 44 bits tell the client, the lower 20 count its connections. One word, so that
 * a reader never sees the count of one client under the name of another. 0: never used. */
#define COUNT_BITS 20
#define COUNT_TOP ((UINT64_C(1) << COUNT_BITS) - 1)

struct slot {
	_Alignas(64) _Atomic uint64_t counts[COUNT_MOST];
	_Atomic uint32_t services[SHARED_SERVICES];
	_Atomic uint64_t addrs[SHARED_ADDRS];
	struct tally stripped;
};

struct shared {
	uint64_t seed;
	struct tls_ticket_ring tickets;
	_Atomic uint64_t in_use[SHARED_SLOTS / 64]; /* a bit a slot */
	struct slot slots[SHARED_SLOTS];
};

/* Where a client's entry may be, and what it looks like. */
struct place {
	size_t home;
	uint64_t tag; /* in the upper bits, never 0 */
};

const char *shared_count_name(enum shared_count c)
{
	static const char *const names[] = {
		[COUNT_CONNECTIONS] = "connections",
		[COUNT_REFUSED] = "refused",
		[COUNT_MESSAGES] = "messages",
		[COUNT_REFUSALS_4XX] = "refusals_4xx",
		[COUNT_REFUSALS_5XX] = "refusals_5xx",
		[COUNT_CLIENT_TLS] = "client_tls",
		[COUNT_CLIENT_TLS_RESUMED] = "client_tls_resumed",
		[COUNT_CLIENT_TLS_OLD] = "client_tls_old",
		[COUNT_CLIENT_TLS_FAILED] = "client_tls_failed",
		[COUNT_UPSTREAM_CONNECTS] = "upstream_connects",
		[COUNT_UPSTREAM_FAILED] = "upstream_failed",
		[COUNT_UPSTREAM_TLS] = "upstream_tls",
		[COUNT_UPSTREAM_TLS_RESUMED] = "upstream_tls_resumed",
		[COUNT_UPSTREAM_TLS_FAILED] = "upstream_tls_failed",
		[COUNT_UPSTREAM_REUSED] = "upstream_reused",
		[COUNT_UPSTREAM_CLEAR] = "upstream_clear",
		[COUNT_IN_DOUBT] = "in_doubt",
		[COUNT_STRIPPED_LEFT] = "stripped_left",
		[COUNT_EHLO_UNKNOWN] = "ehlo_unknown",
		[COUNT_NOT_TLS] = "not_tls",
		[COUNT_POLICY_REPORTS] = "policy_reports",
		[COUNT_DOWNGRADES] = "downgrades",
		[COUNT_SPLITS] = "splits",
		[COUNT_FALLBACKS] = "fallbacks",
		[COUNT_BYTES_IN] = "bytes_in",
		[COUNT_BYTES_OUT] = "bytes_out",
	};

	must(c < COUNT_MOST);
	return names[c];
}

static struct shared *map(int flags, int fd)
{
	void *at = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
			flags | MAP_NORESERVE, fd, 0);

	return at != MAP_FAILED ? at : NULL;
}

static bool begin(struct shared *s)
{
	atomic_store(&s->in_use[0], 1); /* slot 0: the master */
	return getrandom(&s->seed, sizeof(s->seed), 0) == sizeof(s->seed);
}

/* A child that was taken over must not be able to shrink the memory under the others. */
static bool fill(int fd)
{
	struct shared *s;
	bool good;

	if (ftruncate(fd, sizeof(struct shared)) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		return false;
	s = map(MAP_SHARED, fd);
	if (s == NULL)
		return false;
	good = begin(s);
	shared_unmap(s);
	return good;
}

int shared_make(struct why *why)
{
	int fd = memfd_create("sallyport-shared", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || !fill(fd)) {
		why_set(why, FAULT_SYSTEM, "shared memory: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

struct shared *shared_map(int fd, struct why *why)
{
	struct shared *s = NULL;
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_size == (off_t)sizeof(struct shared))
		s = map(MAP_SHARED, fd);
	if (s == NULL)
		why_set(why, FAULT_SYSTEM, "shared memory can't be mapped: %s", strerror(errno));
	return s;
}

struct shared *shared_private(void)
{
	struct shared *s = map(MAP_PRIVATE | MAP_ANONYMOUS, -1);

	must(s != NULL && begin(s));
	return s;
}

void shared_unmap(struct shared *s)
{
	if (s != NULL)
		munmap(s, sizeof(*s));
}

struct tls_ticket_ring *shared_tickets(struct shared *s)
{
	return &s->tickets;
}

uint64_t shared_seed(const struct shared *s)
{
	return s->seed;
}

/* The next slot in use from `from` on, -1 behind the last. */
static int next_slot(const struct shared *s, int from)
{
	for (int word = from / 64; word < SHARED_SLOTS / 64; word++) {
		uint64_t bits = atomic_load(&s->in_use[word]);

		if (word == from / 64)
			bits &= ~UINT64_C(0) << (from % 64);
		if (bits != 0)
			return word * 64 + __builtin_ctzll(bits);
	}
	return -1;
}

unsigned shared_slots_free(const struct shared *s)
{
	unsigned used = 0;

	for (size_t word = 0; word < SHARED_SLOTS / 64; word++)
		used += (unsigned)__builtin_popcountll(atomic_load(&s->in_use[word]));
	return SHARED_SLOTS - used;
}

int shared_slot_take(struct shared *s)
{
	for (int word = 0; word < SHARED_SLOTS / 64; word++) {
		uint64_t bits = atomic_load(&s->in_use[word]);

		if (bits == ~UINT64_C(0))
			continue;
		atomic_store(&s->in_use[word], bits | (bits + 1));
		return word * 64 + __builtin_ctzll(~bits);
	}
	return -1;
}

void shared_slot_clear(struct shared *s, int slot)
{
	struct slot *dead = &s->slots[slot];
	uint64_t bit = UINT64_C(1) << (slot % 64);

	must(slot > 0 && slot < SHARED_SLOTS);
	must((atomic_load(&s->in_use[slot / 64]) & bit) != 0);
	for (size_t i = 0; i < COUNT_MOST; i++) {
		shared_add(s, 0, (enum shared_count)i, atomic_load(&dead->counts[i]));
		atomic_store(&dead->counts[i], 0);
	}
	tally_fold(&s->slots[0].stripped, &dead->stripped);
	tally_clear(&dead->stripped);
	for (size_t i = 0; i < SHARED_SERVICES; i++)
		atomic_store(&dead->services[i], 0);
	for (size_t i = 0; i < SHARED_ADDRS; i++) {
		if (atomic_load_explicit(&dead->addrs[i], memory_order_relaxed) != 0)
			atomic_store(&dead->addrs[i], 0);
	}
	atomic_fetch_and(&s->in_use[slot / 64], ~bit);
}

void shared_add(struct shared *s, int slot, enum shared_count c, uint64_t n)
{
	_Atomic uint64_t *count = &s->slots[slot].counts[c];

	/* One writer: no need for the bus lock of fetch_add. */
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

uint64_t shared_sum(const struct shared *s, enum shared_count c)
{
	uint64_t sum = 0;

	for (int i = next_slot(s, 0); i >= 0; i = next_slot(s, i + 1))
		sum += atomic_load_explicit(&s->slots[i].counts[c], memory_order_relaxed);
	return sum;
}

void shared_stripped(struct shared *s, int slot, const struct addr *target, msec now)
{
	shared_add(s, slot, COUNT_STRIPPED_LEFT, 1);
	tally_add(&s->slots[slot].stripped, target, 1, now);
}

void shared_stripped_sum(const struct shared *s, struct tally *all)
{
	for (int i = next_slot(s, 0); i >= 0; i = next_slot(s, i + 1))
		tally_fold(all, &s->slots[i].stripped);
}

/* Spreads the bits (the finalizer of splitmix64), so that a service's clients lie apart
 * from another's and any key will do. */
static struct place place_of(size_t service, uint64_t key)
{
	uint64_t x = key + (uint64_t)service * UINT64_C(0x9e3779b97f4a7c15);
	struct place p;

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	x ^= x >> 31;
	p.home = (size_t)(x % SHARED_ADDRS);
	p.tag = x & ~COUNT_TOP;
	if (p.tag == 0)
		p.tag = COUNT_TOP + 1;
	return p;
}

static size_t entry_at(struct place p, size_t probe)
{
	return (p.home + probe) % SHARED_ADDRS;
}

/* The entry of `p` in that slot, SHARED_ADDRS where it has none. */
static size_t find(const struct slot *slot, struct place p)
{
	for (size_t i = 0; i < PROBES; i++) {
		uint64_t e = atomic_load(&slot->addrs[entry_at(p, i)]);

		if (e == 0)
			break;
		if ((e & ~COUNT_TOP) == p.tag)
			return entry_at(p, i);
	}
	return SHARED_ADDRS;
}

/* An entry that counts nothing may be taken over: all that lie behind it stay reachable. */
static size_t find_free(const struct slot *slot, struct place p)
{
	for (size_t i = 0; i < PROBES; i++) {
		if ((atomic_load(&slot->addrs[entry_at(p, i)]) & COUNT_TOP) == 0)
			return entry_at(p, i);
	}
	return SHARED_ADDRS;
}

static bool addr_add(struct slot *slot, struct place p)
{
	size_t at = find(slot, p);
	uint64_t e;

	if (at == SHARED_ADDRS) {
		at = find_free(slot, p);
		if (at == SHARED_ADDRS)
			return false;
		atomic_store(&slot->addrs[at], p.tag | 1);
		return true;
	}
	e = atomic_load(&slot->addrs[at]);
	if ((e & COUNT_TOP) == COUNT_TOP)
		return false;
	atomic_store(&slot->addrs[at], e + 1);
	return true;
}

/* Entries that count nothing are emptied where no other lies behind them: else a table
 * that has seen many clients would have every search go to its end. */
static void sweep(struct slot *slot, size_t at)
{
	for (size_t i = 0; i < PROBES; i++) {
		uint64_t e = atomic_load(&slot->addrs[at]);
		uint64_t behind = atomic_load(&slot->addrs[(at + 1) % SHARED_ADDRS]);

		if (e == 0 || (e & COUNT_TOP) != 0 || behind != 0)
			return;
		atomic_store(&slot->addrs[at], 0);
		at = (at + SHARED_ADDRS - 1) % SHARED_ADDRS;
	}
}

static void addr_sub(struct slot *slot, struct place p)
{
	size_t at = find(slot, p);
	uint64_t e;

	if (at == SHARED_ADDRS)
		return; /* was never counted: the table was full */
	e = atomic_load(&slot->addrs[at]);
	if ((e & COUNT_TOP) == 0)
		return;
	atomic_store(&slot->addrs[at], e - 1);
	sweep(slot, at);
}

static uint64_t addr_sum(const struct shared *s, struct place p)
{
	uint64_t sum = 0;

	for (int i = next_slot(s, 0); i >= 0; i = next_slot(s, i + 1)) {
		const struct slot *slot = &s->slots[i];
		size_t at = find(slot, p);

		if (at < SHARED_ADDRS)
			sum += atomic_load(&slot->addrs[at]) & COUNT_TOP;
	}
	return sum;
}

static uint64_t service_sum(const struct shared *s, size_t service)
{
	uint64_t sum = 0;

	for (int i = next_slot(s, 0); i >= 0; i = next_slot(s, i + 1))
		sum += atomic_load(&s->slots[i].services[service]);
	return sum;
}

/* First counted, then compared: of two processes that take the last place at the same moment both may
 * be refused, never both let in. */
bool shared_enter(struct shared *s, int slot, size_t service, unsigned most, uint64_t key,
		  unsigned most_per_addr, bool *by_addr)
{
	struct slot *own = &s->slots[slot];
	struct place p = place_of(service, key);
	bool counted, full, busy;

	must(service < SHARED_SERVICES);
	counted = addr_add(own, p);
	atomic_store(&own->services[service], atomic_load(&own->services[service]) + 1);
	full = most > 0 && service_sum(s, service) > most;
	busy = most_per_addr > 0 && addr_sum(s, p) + !counted > most_per_addr;
	*by_addr = busy && !full;
	if (!full && !busy)
		return true;
	atomic_store(&own->services[service], atomic_load(&own->services[service]) - 1);
	if (counted)
		addr_sub(own, p);
	return false;
}

void shared_leave(struct shared *s, int slot, size_t service, uint64_t key)
{
	struct slot *own = &s->slots[slot];
	uint32_t before = atomic_load(&own->services[service]);

	must(service < SHARED_SERVICES && before > 0);
	atomic_store(&own->services[service], before - 1);
	addr_sub(own, place_of(service, key));
}

/* Beside the services' clients, under a service number that none has. */
static struct place own_place(uint64_t key)
{
	return place_of(SHARED_SERVICES, key);
}

void shared_own_add(struct shared *s, int slot, uint64_t key)
{
	/* Where the table is full a loop through this connection is not seen; the mark on it still
	 * keeps the kernel's rules from bringing it back. */
	(void)addr_add(&s->slots[slot], own_place(key));
}

void shared_own_remove(struct shared *s, int slot, uint64_t key)
{
	addr_sub(&s->slots[slot], own_place(key));
}

bool shared_own_has(const struct shared *s, uint64_t key)
{
	return addr_sum(s, own_place(key)) > 0;
}
