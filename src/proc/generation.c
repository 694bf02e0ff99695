#include "proc/generation.h"

#include "base/must.h"
#include "proc/map_socket.h"
#include "proc/resolve.h"
#include "proc/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

_Static_assert(IPC_ADDRS_MOST == PLAN_HOST_ADDRS, "a message carries all addresses of a host");

static unsigned processors(void)
{
	cpu_set_t set;
	int count = 1;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		count = CPU_COUNT(&set);
	return count < 1 ? 1 : (unsigned)count;
}

static unsigned edges_of(const struct conf *c)
{
	unsigned edges = c->edges != 0 ? c->edges : processors();

	return edges < GENERATION_EDGES_MOST ? edges : GENERATION_EDGES_MOST;
}

static const char *user_name(const struct conf *c)
{
	if (c->user != NULL)
		return c->user;
	return getpwnam("sallyport") != NULL ? "sallyport" : "nobody";
}

const char *generation_user(const struct generation *g)
{
	return user_name(g->plan->conf);
}

/* Names are looked up here, so that the children need not read /etc/passwd. */
static void find_user(struct generation *g, const struct conf *c, struct conf_report *report)
{
	struct conf_place at = conf_place_of(c, &c->user);
	const char *name = user_name(c);
	const struct passwd *user;

	g->uid = g->gid = IPC_SAME_USER;
	if (geteuid() != 0)
		return;
	user = getpwnam(name);
	if (user == NULL) {
		conf_error(report, at, "user is \"%s\", which does not exist on this machine", name);
		return;
	}
	if (user->pw_uid == 0) {
		conf_error(report, at, "user is \"%s\", which is root; it must be one without privileges", name);
		return;
	}
	g->uid = user->pw_uid;
	g->gid = user->pw_gid;
}

static void list_name(struct generation *g, uint32_t upstream, size_t host)
{
	g->known = mem_grow(g->known, (g->known_count + 1) * sizeof(*g->known));
	memset(&g->known[g->known_count], 0, sizeof(*g->known));
	g->known[g->known_count].upstream = upstream;
	g->known[g->known_count].host = (uint32_t)host;
	g->known_count++;
}

static void list_names(struct generation *g)
{
	for (size_t u = 0; u < g->plan->upstream_count; u++) {
		for (size_t h = 0; h < g->plan->upstreams[u].host_count; h++) {
			if (!g->plan->upstreams[u].hosts[h].literal)
				list_name(g, (uint32_t)u, h);
		}
	}
	for (size_t n = 0; n < g->plan->name_count; n++)
		list_name(g, PLAN_NAMES, n);
}

static void check_bounds(const struct generation *g, struct conf_report *report)
{
	const struct plan *p = g->plan;
	struct conf_place nowhere = { 0, 0 };

	if (p->service_count > SHARED_SERVICES)
		conf_error(report, nowhere, "%zu services; at most %d", p->service_count, SHARED_SERVICES);
	if (p->listen_count == 0)
		conf_error(report, nowhere, "no service listens anywhere");
	if (g->known_count > RESOLVE_NAMES_MOST)
		conf_error(report, nowhere, "%zu host names to look up; at most %d", g->known_count,
			   RESOLVE_NAMES_MOST);
}

/* The configuration itself and the lists of partners: all that `route` reads of it. */
static int seal_for_route(const struct conf_source *source, const struct conf *conf, struct why *why)
{
	const char **paths = mem_new((conf->list_count + 1) * sizeof(*paths));
	int fd;

	for (size_t i = 0; i < conf->list_count; i++)
		paths[i] = conf->lists[i].file;
	paths[conf->list_count] = conf->path;
	fd = conf_source_seal_only(source, paths, conf->list_count + 1, why);
	free(paths);
	return fd;
}

static bool seal(struct generation *g, const struct conf_source *source, struct why *why)
{
	g->conf_fd = conf_source_seal(source, why);
	if (g->conf_fd < 0 || !conf_needs_route(g->plan->conf))
		return g->conf_fd >= 0;
	g->route_fd = seal_for_route(source, g->plan->conf, why);
	return g->route_fd >= 0;
}

static void fill(struct generation *g, struct conf *conf, struct conf_source *source,
		 struct conf_report *report)
{
	struct conf_place nowhere = { 0, 0 };
	struct why why;

	find_user(g, conf, report);
	g->plan = plan_build(conf, source, NULL, g->checked_at, g->number, report);
	if (g->plan == NULL)
		return;
	list_names(g);
	check_bounds(g, report);
	if (report->errors > 0)
		return;
	if (!seal(g, source, &why)) {
		conf_error(report, nowhere, "%s", why.text);
		return;
	}
	g->edges = edges_of(g->plan->conf);
	g->due = mem_new(generation_posts(g) * sizeof(*g->due));
}

struct generation *generation_load(const char *path, uint32_t number, struct conf_report *report)
{
	struct conf_source *source = conf_source_files();
	struct generation *g = mem_new(sizeof(*g));
	/* In part too: then what the files hold and the user are checked in the same go. */
	struct conf *conf = conf_load_partly(source, path, report);

	g->number = number;
	g->conf_fd = g->route_fd = g->map_fd = -1;
	g->checked_at = time(NULL);
	if (conf != NULL)
		fill(g, conf, source, report);
	conf_source_free(source);
	if (conf != NULL && report->errors == 0) {
		must(g->plan != NULL && g->conf_fd >= 0);
		return g;
	}
	generation_free(g);
	return NULL;
}

void generation_free(struct generation *g)
{
	if (g == NULL)
		return;
	must(g->kids == 0);
	if (g->plan != NULL)
		plan_release(g->plan);
	if (g->conf_fd >= 0)
		close(g->conf_fd);
	if (g->route_fd >= 0)
		close(g->route_fd);
	generation_close_map(g);
	free(g->known);
	free(g->due);
	free(g);
}

unsigned generation_posts(const struct generation *g)
{
	return g->edges + (g->known_count > 0) + (g->route_fd >= 0);
}

enum post generation_post(const struct generation *g, unsigned post)
{
	if (post < g->edges)
		return POST_EDGE;
	return g->known_count > 0 && post == g->edges ? POST_RESOLVER : POST_ROUTE;
}

bool generation_open_map(struct generation *g, const struct generation *old, struct why *why)
{
	const char *at = g->plan->conf->route.socketmap;
	const char *old_at = old != NULL && old->map_fd >= 0 ? old->plan->conf->route.socketmap : NULL;

	if (at == NULL)
		return true;
	if (old_at == NULL || strcmp(at, old_at) != 0) {
		g->map_fd = map_socket_open(at, why);
		return g->map_fd >= 0;
	}
	g->map_fd = fcntl(old->map_fd, F_DUPFD_CLOEXEC, 0);
	if (g->map_fd < 0)
		why_set(why, FAULT_SYSTEM, "socketmap on %s: %s", at, strerror(errno));
	return g->map_fd >= 0;
}

void generation_close_map(struct generation *g)
{
	if (g->map_fd >= 0)
		close(g->map_fd);
	g->map_fd = -1;
}

const struct plan_host *generation_host(const struct generation *g, const struct ipc_addrs *known)
{
	if (known->upstream == PLAN_NAMES)
		return &g->plan->names[known->host];
	return &g->plan->upstreams[known->upstream].hosts[known->host];
}

static const struct ipc_addrs *known_by_name(const struct generation *g, const struct plan_host *host)
{
	for (size_t i = 0; i < g->known_count; i++) {
		const struct plan_host *other = generation_host(g, &g->known[i]);

		if (other->port == host->port && strcasecmp(other->name, host->name) == 0 &&
		    g->known[i].count > 0)
			return &g->known[i];
	}
	return NULL;
}

void generation_inherit(struct generation *g, const struct generation *old)
{
	for (size_t i = 0; i < g->known_count; i++) {
		struct ipc_addrs *mine = &g->known[i];
		const struct ipc_addrs *his = known_by_name(old, generation_host(g, mine));

		if (his == NULL || mine->count > 0)
			continue;
		mine->count = his->count;
		memcpy(mine->addrs, his->addrs, sizeof(mine->addrs));
	}
}

const struct ipc_addrs *generation_learn(struct generation *g, const struct ipc_addrs *said)
{
	for (size_t i = 0; i < g->known_count; i++) {
		struct ipc_addrs *known = &g->known[i];

		if (known->upstream != said->upstream || known->host != said->host)
			continue;
		for (uint32_t a = 0; a < said->count; a++) {
			if (addr_port(&said->addrs[a]) != generation_host(g, known)->port)
				return NULL;
		}
		*known = *said;
		return known;
	}
	return NULL;
}
