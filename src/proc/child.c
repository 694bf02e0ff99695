#include "proc/child.h"

#include "base/must.h"
#include "io/log_out.h"
#include "ipc/ipc_channel.h"
#include "proc/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define START_WAIT_MS 10000

/* Signals that a terminal or a service manager sends to all: the master hears them too, and tells
 * us what to do. */
static void ignore_signals(void)
{
	static const int ignored[] = { SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2 };

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
}

/* While still root: the log's descriptor is opened anew, which needs /proc, and the time zone is
 * read from /etc, once and for all. */
static void begin(const char *title)
{
	ignore_signals();
	log_out_start(STDERR_FILENO);
	tzset();
	(void)prctl(PR_SET_NAME, title, 0, 0, 0);
}

static bool wait_start(struct ipc_message *m, struct why *why)
{
	switch (ipc_channel_wait(CHILD_FD_CHANNEL, START_WAIT_MS, m, why)) {
	case IPC_GOT_MESSAGE:
		if (m->kind == IPC_START)
			return true;
		why_set(why, FAULT_SELF, "the master began with a message of kind %d", m->kind);
		return false;
	case IPC_GOT_BAD:
		return false;
	case IPC_GOT_NOTHING:
	case IPC_GOT_END:
		break;
	}
	why_set(why, FAULT_SYSTEM, "no word from the master");
	return false;
}

/* Whether the way back is shut is not taken on trust. */
static bool drop_user(uint32_t uid, uint32_t gid, struct why *why)
{
	gid_t group = gid;

	if (uid != IPC_SAME_USER &&
	    (setgroups(1, &group) != 0 || setgid(gid) != 0 || setuid(uid) != 0)) {
		why_set(why, FAULT_SYSTEM, "can't become user %u: %s", uid, strerror(errno));
		return false;
	}
	if (uid != IPC_SAME_USER && (setuid(0) == 0 || geteuid() != uid || getegid() != gid)) {
		why_set(why, FAULT_SYSTEM, "could become root again");
		return false;
	}
	/* A change of user has made the memory readable for others of that user. */
	sandbox_hide();
	return sandbox_drop(why);
}

static void log_report(const struct conf_report *report)
{
	struct span rest = span_of(report->text, report->len);
	struct log_line l;

	while (rest.len > 0) {
		log_begin(&l, "child-conf");
		log_span(&l, "text", span_cut(&rest, '\n'));
		log_end(&l);
	}
}

/* The master has checked these very bytes, and warned its operator. */
static void refuse(const struct conf_report *report, struct why *why)
{
	log_report(report);
	why_set(why, FAULT_SELF, "what the master found good is not: %u errors", report->errors);
}

static struct plan *read_plan(struct conf_source *source, const char *path, struct shared *shared,
			      const struct ipc_start *from, struct why *why)
{
	struct conf_report report;
	struct plan *plan = NULL;
	struct conf *conf;

	conf_report_init(&report, path);
	conf = conf_load(source, path, &report);
	if (conf != NULL)
		plan = plan_build(conf, source, shared_tickets(shared), from->checked_at,
				  from->generation, &report);
	if (plan == NULL)
		refuse(&report, why);
	conf_report_free(&report);
	return plan;
}

static struct plan *load_plan(const char *path, struct shared *shared, const struct ipc_start *from,
			      struct why *why)
{
	struct conf_source *source = conf_source_sealed(CHILD_FD_CONF, why);
	struct plan *plan;

	if (source == NULL)
		return NULL;
	plan = read_plan(source, path, shared, from, why);
	conf_source_free(source);
	return plan;
}

static bool take_listens(const struct ipc_start *from, struct edge_start *start, struct why *why)
{
	start->listens = mem_new((from->listen_count + 1) * sizeof(*start->listens));
	start->listen_count = from->listen_count;
	for (uint32_t i = 0; i < from->listen_count; i++) {
		if (from->listens[i].listen >= start->plan->listen_count) {
			why_set(why, FAULT_SELF, "a socket for listen %u of %zu",
				from->listens[i].listen, start->plan->listen_count);
			return false;
		}
		start->listens[i].fd = (int)from->listens[i].fd;
		start->listens[i].listen = from->listens[i].listen;
	}
	return true;
}

static bool prepare(const char *path, const struct ipc_start *from, struct edge_start *start,
		    struct why *why)
{
	if (!drop_user(from->uid, from->gid, why))
		return false;
	start->channel_fd = CHILD_FD_CHANNEL;
	start->slot = (int)from->slot;
	start->index = from->index;
	start->generation = from->generation;
	start->shared = shared_map(CHILD_FD_SHARED, why);
	if (start->shared == NULL)
		return false;
	start->plan = load_plan(path, start->shared, from, why);
	if (start->plan == NULL)
		return false;
	close(CHILD_FD_CONF);
	close(CHILD_FD_SHARED);
	log_set_format(start->plan->conf->log.format);
	home_read(&start->home);
	return take_listens(from, start, why);
}

bool child_enter(const char *path, struct edge_start *start, struct why *why)
{
	struct ipc_message m;

	begin("sallyport-edge");
	return wait_start(&m, why) && prepare(path, &m.start, start, why) && sandbox_edge(why);
}

bool child_enter_resolve(int *channel_fd, struct why *why)
{
	struct ipc_message m;

	begin("sallyport-dns");
	*channel_fd = CHILD_FD_CHANNEL;
	return wait_start(&m, why) && drop_user(m.start.uid, m.start.gid, why) && sandbox_resolve(why);
}

static struct plan *read_rules(struct conf_source *source, const char *path, const struct ipc_start *from,
			       struct why *why)
{
	struct conf_report report;
	struct plan *plan = NULL;
	struct conf *conf;

	conf_report_init(&report, path);
	conf = conf_load(source, path, &report);
	if (conf != NULL)
		plan = plan_build_rules(conf, source, from->checked_at, from->generation, &report);
	if (plan == NULL)
		refuse(&report, why);
	conf_report_free(&report);
	return plan;
}

bool child_enter_route(const char *path, struct route_start *start, struct why *why)
{
	struct conf_source *source;
	struct ipc_message m;

	begin("sallyport-route");
	if (!wait_start(&m, why))
		return false;
	source = conf_source_sealed(CHILD_FD_CONF, why);
	if (source == NULL)
		return false;
	start->plan = read_rules(source, path, &m.start, why);
	conf_source_free(source);
	close(CHILD_FD_CONF);
	if (start->plan == NULL)
		return false;
	start->uid = m.start.uid;
	start->gid = m.start.gid;
	start->channel_fd = CHILD_FD_CHANNEL;
	start->map_fd = m.start.listen_count > 0 ? (int)m.start.listens[0].fd : -1;
	log_set_format(start->plan->conf->log.format);
	return true;
}

bool child_become(const struct route_start *start, struct why *why)
{
	return drop_user(start->uid, start->gid, why);
}
