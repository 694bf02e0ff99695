#include "route/route_partners.h"

#include "base/log.h"
#include "base/must.h"
#include "store/store_partners.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct route_partners {
	struct loop *loop;
	const struct plan *plan;
	struct loop_timer *timer;
	struct store_partners *store; /* NULL: could not be opened */
	struct policy_table *table;
	int octets;                   /* -1 */
	uint64_t generation;
	bool fresh;
	bool stale;                   /* it has changed, and could not be read */
	bool failed;                  /* that was logged */
};

static void note_failed(struct route_partners *p, const struct why *why)
{
	if (!p->failed)
		log_event("partners-failed", "%s", why->text);
	p->failed = true;
}

/* -1 with `why`. */
static int seal(struct span octets, struct why *why)
{
	int fd = memfd_create("sallyport-partners", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	while (fd >= 0 && octets.len > 0) {
		ssize_t put = write(fd, octets.at, octets.len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			break;
		octets = span_from(octets, (size_t)put);
	}
	if (fd >= 0 && octets.len == 0 && fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	why_set(why, FAULT_SYSTEM, "%s can't be handed on: %s", STORE_PARTNERS_FILE, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Takes `fd`. False with `why`: not all of them can be used, and some alone will not do (law 6). */
static bool use(struct route_partners *p, int fd, struct span octets, uint64_t generation, struct why *why)
{
	struct policy_table *table = plan_rules_with(p->plan, octets, generation, why);

	if (why->fault != FAULT_NONE) {
		policy_table_release(table);
		close(fd);
		return false;
	}
	if (p->octets >= 0)
		close(p->octets);
	p->octets = fd;
	p->generation = generation;
	policy_table_release(p->table);
	p->table = table;
	p->fresh = true;
	return true;
}

static bool read_all(struct route_partners *p, struct why *why)
{
	struct buf octets;
	uint64_t generation;
	bool good = false;
	int fd = -1;

	buf_init(&octets, ROUTE_PARTNERS_OCTETS_MOST);
	if (store_partners_octets(p->store, &octets, &generation, why))
		fd = seal(buf_peek(&octets), why);
	if (fd >= 0)
		good = use(p, fd, buf_peek(&octets), generation, why);
	buf_free(&octets);
	return good;
}

static bool open_store(struct route_partners *p, struct why *why)
{
	if (p->store == NULL)
		p->store = store_partners_open(p->plan->conf->route.state_dir, why);
	return p->store != NULL;
}

/* Where there is no database nobody can have put a rule there. One that is there and can't be read is another
 * matter: the edges are told nothing then, and take no mail (SPEC GC-8). */
static bool is_there(const struct route_partners *p)
{
	char path[PATH_MAX];
	struct stat st;
	int len = snprintf(path, sizeof(path), "%s/%s", p->plan->conf->route.state_dir, STORE_PARTNERS_FILE);

	return len >= (int)sizeof(path) || stat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

static void use_none(struct route_partners *p)
{
	struct why why;
	int fd = seal(SPAN(""), &why);

	if (fd < 0 || !use(p, fd, SPAN(""), 1, &why))
		note_failed(p, &why);
}

static void look(struct route_partners *p)
{
	struct why why;

	if (!open_store(p, &why)) {
		note_failed(p, &why);
		if (p->octets < 0 && !is_there(p))
			use_none(p);
		loop_timer_set(p->timer, loop_now(p->loop) + ROUTE_PARTNERS_AGAIN);
		return;
	}
	p->stale |= store_partners_changed(p->store);
	if (p->stale) {
		p->stale = !read_all(p, &why);
		if (p->stale)
			note_failed(p, &why);
		else
			p->failed = false;
	}
	loop_timer_set(p->timer, loop_now(p->loop) + ROUTE_PARTNERS_EACH);
}

static void on_timer(void *arg)
{
	look(arg);
}

struct route_partners *route_partners_new(struct loop *loop, const struct plan *plan)
{
	struct route_partners *p = mem_new(sizeof(*p));
	struct why why;

	*p = (struct route_partners){ .loop = loop, .plan = plan, .octets = -1 };
	p->table = plan_rules_with(plan, SPAN(""), 0, &why);
	p->timer = loop_timer_new(loop, on_timer, p);
	look(p);
	p->fresh = false;
	return p;
}

void route_partners_free(struct route_partners *p)
{
	if (p == NULL)
		return;
	loop_timer_free(p->timer);
	store_partners_free(p->store);
	policy_table_release(p->table);
	if (p->octets >= 0)
		close(p->octets);
	free(p);
}

struct policy_table *route_partners_table(const struct route_partners *p)
{
	return p->octets >= 0 ? p->table : NULL;
}

int route_partners_octets(const struct route_partners *p, uint64_t *generation)
{
	*generation = p->generation;
	return p->octets;
}

bool route_partners_fresh(struct route_partners *p)
{
	bool fresh = p->fresh;

	p->fresh = false;
	return fresh;
}
