/* talk [-v] [-w] FILE|FOLDER...: plays talks, and says in TAP how each went in each way: whole, octet by
 * octet, with peers that take an octet at a time, and cut at every place. -v prints what is said when it is
 * played whole, -w plays no other way. */
#include "talk_play.h"

#include "base/must.h"
#include "harness/world_tls.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TALKS_MOST 1024
/* Under TLS an octet is like the next one; handshakes take their time. */
#define CUTS_IN_TLS 24
#define CUTS_WHEN_SPARSE 60
#define SPARSE_PIECE 89

/* A conversation that comes to no end shall not hold up the others. */
#define SECONDS_MOST 300

static bool verbose, whole_only;

struct run {
	const struct talk *talk;
	struct shared *shared; /* of the plan */
	struct plan *plan;
	struct talk_played played;
	bool used_tls;
};

/* Tickets and sessions of TLS live in the plan: a play must not know of the one before. */
static bool fresh_plan(struct run *r)
{
	if (r->plan != NULL && !r->used_tls)
		return true;
	plan_release(r->plan);
	r->plan = world_plan(r->talk->yaml, r->shared, r->played.wrong, sizeof(r->played.wrong));
	return r->plan != NULL;
}

static bool play(struct run *r, const struct talk_way *way, struct buf *tape)
{
	r->played = (struct talk_played){ .tape = tape };
	if (!fresh_plan(r))
		return false;
	talk_play(r->talk, r->plan, way, &r->played);
	r->used_tls |= r->played.used_tls;
	return r->played.wrong[0] == '\0';
}

static bool report(const struct run *r, bool good, const char *how)
{
	printf("%s - %s %s\n", good ? "ok" : "not ok", r->talk->name, how);
	if (!good)
		printf("# %s: %s\n", how, r->played.wrong);
	return good;
}

static bool is_cut_here(const struct talk *t, struct span tape, size_t at, size_t sealed)
{
	size_t clear = tape.len - sealed;

	if (t->sparse && at % (clear / CUTS_WHEN_SPARSE + 1) != 0)
		return false;
	return tape.at[at - 1] == 'c' || at % (sealed / CUTS_IN_TLS + 1) == 0;
}

static bool play_cut(struct run *r, struct span tape)
{
	struct talk_way way = { .piece = WORLD_WHOLE };
	size_t sealed = 0, places = 0;
	bool good = true;
	char how[64];

	for (size_t i = 0; i < tape.len; i++)
		sealed += tape.at[i] == 't';
	for (size_t at = 1; at < tape.len && good; at++) {
		if (!is_cut_here(r->talk, tape, at, sealed))
			continue;
		way.cut_at = at;
		places++;
		good = play(r, &way, NULL);
	}
	if (good)
		snprintf(how, sizeof(how), "cut at each of %zu places", places);
	else
		snprintf(how, sizeof(how), "cut behind octet %llu", (unsigned long long)way.cut_at);
	return report(r, good, how);
}

static int play_talk(const struct talk *t)
{
	struct talk_way whole = { .piece = WORLD_WHOLE, .cut_at = UINT64_MAX,
				  .whole = true, .print = verbose };
	struct talk_way drops = { .piece = t->sparse ? SPARSE_PIECE : 1, .cut_at = UINT64_MAX };
	struct talk_way narrow = { .piece = WORLD_WHOLE, .cut_at = UINT64_MAX,
				   .window_out = t->sparse ? SPARSE_PIECE : 1 };
	struct run r = { .talk = t, .shared = shared_private() };
	struct buf tape;
	bool good;

	tls_ticket_rotate(shared_tickets(r.shared));
	buf_init(&tape, WORLD_GOT_MOST);
	good = report(&r, play(&r, &whole, &tape), "whole");
	if (good && !whole_only) {
		good &= report(&r, play(&r, &drops, NULL), "octet by octet");
		good &= report(&r, play(&r, &narrow, NULL), "with slow readers");
		good &= play_cut(&r, buf_peek(&tape));
	}
	plan_release(r.plan);
	shared_unmap(r.shared);
	buf_free(&tape);
	return good ? 0 : 1;
}

static int read_and_play(const char *path)
{
	char why[512];
	struct talk *t = talk_script_read(path, why, sizeof(why));
	int failed = 1;

	alarm(SECONDS_MOST);
	if (t == NULL) {
		printf("not ok - %s\n# %s\n", path, why);
		return failed;
	}
	failed = play_talk(t);
	talk_script_free(t);
	return failed;
}

/* In a process of its own: a must() that fails, or a sanitizer that finds something, ends one talk. */
static bool play_apart(const char *path)
{
	int status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	must(child >= 0);
	if (child == 0)
		exit(read_and_play(path));
	while (waitpid(child, &status, 0) < 0)
		must(errno == EINTR);
	if (WIFEXITED(status) && WEXITSTATUS(status) <= 1)
		return WEXITSTATUS(status) == 0;
	printf("not ok - %s\n# the process that played it died: %s %d\n", path,
	       WIFSIGNALED(status) ? "signal" : "exit code",
	       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return false;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_folder(const char *folder, char **paths, size_t *count)
{
	DIR *dir = opendir(folder);
	size_t first = *count;
	struct dirent *entry;

	must(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		char path[1024];

		if (!span_ends_nocase(span_str(entry->d_name), SPAN(".talk")))
			continue;
		must(*count < TALKS_MOST);
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		paths[(*count)++] = mem_text(path);
	}
	closedir(dir);
	qsort(paths + first, *count - first, sizeof(*paths), by_name);
}

static size_t list(char **args, int count, char **paths)
{
	size_t n = 0;

	for (int i = 0; i < count; i++) {
		struct stat st;

		if (stat(args[i], &st) == 0 && S_ISDIR(st.st_mode)) {
			add_folder(args[i], paths, &n);
			continue;
		}
		must(n < TALKS_MOST);
		paths[n++] = mem_text(args[i]);
	}
	return n;
}

int main(int argc, char **argv)
{
	static char *paths[TALKS_MOST];
	size_t count, bad = 0;
	int c;

	while ((c = getopt(argc, argv, "vw")) != -1) {
		verbose |= c == 'v';
		whole_only |= c == 'w';
		if (c == '?')
			return 2;
	}
	world_tls_prepare();
	count = list(argv + optind, argc - optind, paths);
	for (size_t i = 0; i < count; i++) {
		bad += !play_apart(paths[i]);
		free(paths[i]);
	}
	printf("# %zu talks, %zu not as told\n", count, bad);
	return bad > 0 || count == 0 ? 1 : 0;
}
