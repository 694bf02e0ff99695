#include "proc/master.h"

#include "base/must.h"
#include "io/log_out.h"
#include "proc/crew.h"
#include "proc/notify.h"
#include "proc/sandbox.h"
#include "proc/sockets.h"
#include "proc/state_dir.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* So many deaths within so long: then a pause before each start. */
#define DEATHS 5
#define DEATHS_MS 10000
#define PAUSE_MS 1000
/* An edge ends its sessions at drain_timeout itself; what is still there so long after it is killed. */
#define STOP_GRACE_MS 5000

/* Handlers of events only write down what happened; settle() does all that follows from it. */
struct master {
	struct loop *loop;
	struct loop_timer *timer;
	struct shared *shared;
	struct listeners listeners;
	struct crew crew;
	struct generation *current, *next;
	uint32_t number;      /* of the newest generation tried */
	msec next_by;         /* when `next` must be ready */
	msec rotate_at;
	msec deaths[DEATHS];  /* a ring of times */
	unsigned death_count;
	unsigned hups, terms, stats; /* signals not yet answered; `terms` counts on */
	bool stopping;
	msec kill_at;
	int status;           /* to exit with */
};

static msec earlier(msec a, msec b)
{
	return a < b ? a : b;
}

static void on_child(void *arg)
{
	(void)arg; /* it has woken the loop; settle() reaps */
}

static void on_hup(void *arg)
{
	struct master *m = arg;

	m->hups++;
}

static void on_term(void *arg)
{
	struct master *m = arg;

	m->terms++;
}

static void on_stats(void *arg)
{
	struct master *m = arg;

	m->stats++;
}

static void on_timer(void *arg)
{
	(void)arg;
}

/* Which servers' clients leave because of method strip. */
static void log_stripped(const struct shared *s)
{
	struct tally *all = mem_new(sizeof(*all));
	char target[ADDR_TEXT_MOST];
	struct log_line l;
	struct addr a;
	uint64_t count;

	shared_stripped_sum(s, all);
	for (size_t i = 0; i < TALLY_PLACES; i++) {
		if (!tally_at(all, i, &a, &count))
			continue;
		addr_print(&a, target);
		log_begin(&l, "stripped-left");
		log_text(&l, "target", target);
		log_int(&l, "count", (int64_t)count);
		log_end(&l);
	}
	free(all);
}

static void log_stats(const struct master *m)
{
	struct log_line l;

	log_begin(&l, "stats");
	for (int c = 0; c < COUNT_MOST; c++)
		log_int(&l, shared_count_name(c), (int64_t)shared_sum(m->shared, c));
	log_int(&l, "generation", m->current != NULL ? m->current->number : 0);
	log_int(&l, "processes", m->crew.alive);
	log_end(&l);
	log_stripped(m->shared);
}

static void log_report(const char *event, const struct conf_report *report)
{
	struct span rest = span_of(report->text, report->len);
	struct log_line l;

	while (rest.len > 0) {
		log_begin(&l, event);
		log_span(&l, "text", span_cut(&rest, '\n'));
		log_end(&l);
	}
}

/* Gives a generation back to nobody, unless processes of it are alive: the last of them does it. */
static void let_go(struct master *m, struct generation *g)
{
	if (g != NULL && g != m->current && g != m->next && g->kids == 0)
		generation_free(g);
}

static void tell_ready(const struct master *m)
{
	char text[96];

	snprintf(text, sizeof(text), "generation %u, %u edges", m->current->number, m->current->edges);
	notify_ready(text);
}

static void stop(struct master *m)
{
	msec wait = m->current != NULL ? m->current->plan->conf->drain_timeout : 0;

	m->stopping = true;
	m->kill_at = loop_now(m->loop) + wait + STOP_GRACE_MS;
	log_event("stopping", "%u processes, at most %lld ms", m->crew.alive,
		  (long long)(wait + STOP_GRACE_MS));
	notify_stopping();
	if (m->current != NULL)
		generation_close_map(m->current);
	crew_drain(&m->crew, NULL, true);
	listeners_keep(&m->listeners, NULL);
}

/* The old generation stays; without one there is nothing to stay for. */
static void drop_next(struct master *m, const char *text)
{
	struct generation *g = m->next;

	log_event("generation-failed", "generation %u is given up: %s", g->number, text);
	m->next = NULL;
	generation_close_map(g);
	crew_drain(&m->crew, g, true);
	let_go(m, g);
	if (m->current == NULL) {
		m->status = EX_UNAVAILABLE;
		stop(m);
		return;
	}
	listeners_keep(&m->listeners, m->current->plan);
	tell_ready(m);
}

static void promote(struct master *m)
{
	struct generation *old = m->current;

	m->current = m->next;
	m->next = NULL;
	if (old != NULL) {
		generation_close_map(old);
		crew_drain(&m->crew, old, false);
	}
	listeners_keep(&m->listeners, m->current->plan);
	log_set_format(m->current->plan->conf->log.format);
	m->rotate_at = earlier(m->rotate_at,
			       loop_now(m->loop) + m->current->plan->conf->ticket_rotation);
	log_event("ready", "generation %u, %u edges, %zu addresses", m->current->number,
		  m->current->edges, m->current->plan->listen_count);
	tell_ready(m);
	let_go(m, old);
}

static void judge_next(struct master *m)
{
	if (m->next == NULL)
		return;
	if (crew_is_ready(&m->crew, m->next))
		promote(m);
	else if (loop_now(m->loop) >= m->next_by)
		drop_next(m, "its processes are not ready in time");
}

/* When the process that has just died may be started again. */
static msec restart_at(struct master *m, msec now)
{
	msec oldest;

	m->deaths[m->death_count++ % DEATHS] = now;
	oldest = m->deaths[m->death_count % DEATHS];
	return m->death_count >= DEATHS && now - oldest < DEATHS_MS ? now + PAUSE_MS : now;
}

static void log_end_of(const struct crew_end *end)
{
	static const char *const events[][2] = {
		[POST_EDGE] = { "edge-died", "edge-ended" },
		[POST_RESOLVER] = { "resolver-died", "resolver-ended" },
		[POST_ROUTE] = { "route-died", "route-ended" },
	};
	enum post post = generation_post(end->gen, end->post);
	struct log_line l;

	log_begin(&l, events[post][end->draining]);
	log_int(&l, "pid", end->pid);
	log_int(&l, "generation", end->gen->number);
	if (post == POST_EDGE)
		log_int(&l, "index", end->post);
	if (WIFSIGNALED(end->status))
		log_int(&l, "signal", WTERMSIG(end->status));
	else
		log_int(&l, "status", WEXITSTATUS(end->status));
	log_end(&l);
}

static void take_deaths(struct master *m)
{
	msec now = loop_now(m->loop);
	struct crew_end end;

	while (crew_reap(&m->crew, &end)) {
		log_end_of(&end);
		if (end.gen == m->current && !m->stopping)
			end.gen->due[end.post] = restart_at(m, now);
		else if (end.gen == m->next && !m->stopping)
			drop_next(m, "one of its processes died");
		else
			let_go(m, end.gen);
	}
}

static void start_due(struct master *m, struct generation *g)
{
	struct why why;

	for (unsigned i = 0; g != NULL && i < generation_posts(g); i++) {
		if (g->due[i] > loop_now(m->loop))
			continue;
		if (crew_start(&m->crew, g, i, &why)) {
			g->due[i] = MSEC_NEVER;
			continue;
		}
		log_event("start-failed", "%s", why.text);
		if (g == m->next) {
			drop_next(m, why.text);
			return;
		}
		g->due[i] = loop_now(m->loop) + PAUSE_MS;
	}
}

/* What can't be remembered stops no mail (FAULTS 27), but rules that nobody could read would stop all of it (SPEC GC-8):
 * better said now. */
static bool make_state_dir(const struct generation *g, struct why *why)
{
	const char *path = g->plan->conf->route.state_dir;

	if (g->route_fd < 0)
		return true;
	if (state_dir_make(path, g->uid, g->gid, why) &&
	    state_dir_usable(path, generation_user(g), g->uid, g->gid, why))
		return true;
	if (conf_has_database(g->plan->conf))
		return false;
	log_event("state-dir", "%s", why->text);
	return true;
}

static bool open_all(struct master *m, struct generation *g, struct why *why)
{
	return sockets_check(g->plan, why) && generation_open_map(g, m->current, why) &&
	       listeners_open(&m->listeners, g->plan, g->edges, why);
}

/* Takes `g`. The processes are started by settle(). */
static bool begin(struct master *m, struct generation *g, struct why *why)
{
	unsigned have = shared_slots_free(m->shared);

	if (have < g->edges) {
		why_set(why, FAULT_POLICY, "%u places for edges are left, %u are needed: too many "
			"earlier generations are still at work", have, g->edges);
		generation_free(g);
		return false;
	}
	if (!make_state_dir(g, why) || !open_all(m, g, why)) {
		generation_free(g);
		return false;
	}
	if (m->current != NULL)
		generation_inherit(g, m->current);
	m->next = g;
	m->next_by = loop_now(m->loop) + CREW_READY_MS;
	return true;
}

static void reload(struct master *m)
{
	struct conf_report report;
	struct generation *g;
	struct why why;

	m->hups = 0;
	notify_reloading();
	log_event("reload", "%s", m->crew.path);
	conf_report_init(&report, m->crew.path);
	g = generation_load(m->crew.path, m->number + 1, &report);
	log_report(g != NULL ? "reload-note" : "reload-error", &report);
	conf_report_free(&report);
	if (g != NULL)
		m->number++;
	if (g != NULL && begin(m, g, &why))
		return;
	log_event("reload-refused", "generation %u stays: %s", m->current->number,
		  g != NULL ? why.text : "the new configuration has errors");
	tell_ready(m);
}

static void take_signals(struct master *m)
{
	if (m->stats > 0)
		log_stats(m);
	m->stats = 0;
	if (m->terms > 0 && !m->stopping) {
		m->terms = 1;
		stop(m);
	}
	/* One at a time: a reload that is asked for meanwhile follows when this one is decided. */
	if (m->hups > 0 && m->next == NULL && !m->stopping)
		reload(m);
}

static void rotate_tickets(struct master *m)
{
	if (loop_now(m->loop) < m->rotate_at || m->current == NULL)
		return;
	tls_ticket_rotate(shared_tickets(m->shared));
	m->rotate_at = loop_now(m->loop) + m->current->plan->conf->ticket_rotation;
}

static void finish(struct master *m)
{
	if (m->terms > 1 || loop_now(m->loop) >= m->kill_at) {
		crew_kill(&m->crew);
		m->kill_at = MSEC_NEVER;
		m->terms = 1;
	}
	if (m->crew.alive == 0)
		loop_stop(m->loop);
}

static msec next_start(const struct generation *g)
{
	msec at = MSEC_NEVER;

	for (unsigned i = 0; g != NULL && i < generation_posts(g); i++)
		at = earlier(at, g->due[i]);
	return at;
}

static void settle(void *arg)
{
	struct master *m = arg;
	msec at;

	take_deaths(m);
	judge_next(m);
	take_signals(m);
	if (m->stopping) {
		finish(m);
		at = m->kill_at;
	} else {
		start_due(m, m->current);
		start_due(m, m->next);
		rotate_tickets(m);
		at = earlier(next_start(m->current), next_start(m->next));
		at = earlier(at, m->current != NULL ? m->rotate_at : MSEC_NEVER);
		at = earlier(at, m->next != NULL ? m->next_by : MSEC_NEVER);
	}
	at = earlier(at, crew_kill_late(&m->crew, loop_now(m->loop)));
	loop_timer_set(m->timer, at);
}

static const struct {
	int signo;
	void (*on)(void *arg);
} signals[] = {
	{ SIGCHLD, on_child }, { SIGHUP, on_hup }, { SIGTERM, on_term }, { SIGINT, on_term },
	{ SIGUSR1, on_stats },
};

#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

static void run(struct master *m)
{
	struct loop_signal *watched[SIGNALS];

	for (size_t i = 0; i < SIGNALS; i++)
		watched[i] = loop_signal_new(m->loop, signals[i].signo, signals[i].on, m);
	m->timer = loop_timer_new(m->loop, on_timer, m);
	loop_timer_set(m->timer, loop_now(m->loop));
	loop_run(m->loop, settle, m);
	loop_timer_free(m->timer);
	for (size_t i = 0; i < SIGNALS; i++)
		loop_signal_free(watched[i]);
}

/* The first generation: what is wrong goes to the operator's screen, and there is nothing to fall back to. */
static int first(struct master *m)
{
	struct conf_report report;
	struct generation *g;
	struct why why;

	conf_report_init(&report, m->crew.path);
	g = generation_load(m->crew.path, ++m->number, &report);
	if (report.len > 0)
		fwrite(report.text, 1, report.len, stderr);
	conf_report_free(&report);
	if (g == NULL)
		return EX_CONFIG;
	log_set_format(g->plan->conf->log.format);
	m->rotate_at = MSEC_NEVER;
	if (!begin(m, g, &why)) {
		fprintf(stderr, "sallyport: %s\n", why.text);
		return EX_UNAVAILABLE;
	}
	return EX_OK;
}

static bool make_shared(struct master *m, struct why *why)
{
	m->crew.shared_fd = shared_make(why);
	if (m->crew.shared_fd < 0)
		return false;
	m->shared = m->crew.shared = shared_map(m->crew.shared_fd, why);
	if (m->shared == NULL)
		return false;
	tls_ticket_rotate(shared_tickets(m->shared));
	return true;
}

/* No core dump of keys (law 8), and as many descriptors as we may have. Children inherit both. */
static void set_limits(void)
{
	struct rlimit none = { 0, 0 }, files;

	sandbox_hide();
	(void)setrlimit(RLIMIT_CORE, &none);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int serve(const char *path)
{
	struct master *m = mem_new(sizeof(*m));
	struct why why;
	int status;

	m->loop = loop_new();
	m->crew.loop = m->loop;
	m->crew.path = path;
	m->crew.listeners = &m->listeners;
	if (!make_shared(m, &why)) {
		fprintf(stderr, "sallyport: %s\n", why.text);
		return EX_OSERR;
	}
	status = first(m);
	if (status == EX_OK) {
		run(m);
		status = m->status;
		log_stats(m);
		log_event("stopped", "status %d", status);
	}
	generation_free(m->current);
	generation_free(m->next);
	shared_unmap(m->shared);
	close(m->crew.shared_fd);
	loop_free(m->loop);
	free(m);
	return status;
}

int master_run(int argc, char **argv)
{
	const char *path = NULL;
	int option;

	while ((option = getopt(argc, argv, "c:")) != -1) {
		if (option != 'c')
			return EX_USAGE;
		path = optarg;
	}
	if (path == NULL || optind != argc) {
		fputs("usage: sallyport run -c FILE\n", stderr);
		return EX_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	set_limits();
	notify_start();
	log_out_start(STDERR_FILENO);
	return serve(path);
}
