#include "ctl/ctl_sink.h"

#include "base/log.h"
#include "base/must.h"
#include "ctl/sink_session.h"
#include "io/sock.h"
#include "tls/tls_cert.h"
#include "tls/tls_profile.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#define LISTENERS_MOST 16
#define FILE_MOST (1024 * 1024)

static const char usage[] =
	"usage: sallyport sink --listen ADDR [--listen-tls ADDR] [--cert CHAIN.pem --key KEY.pem]\n"
	"                      --maildir DIR [--hostname NAME] [--no KEYWORD]... [--quiet]\n"
	"\n"
	"An SMTP server that writes each message into a Maildir and prints a line.\n"
	"  --listen ADDR      SMTP; STARTTLS is offered where there is a certificate. 127.0.0.1:0 takes\n"
	"                     any free port. May be given several times, and so may --listen-tls.\n"
	"  --listen-tls ADDR  TLS from the first octet\n"
	"  --cert, --key      PEM files\n"
	"  --maildir DIR      made where it is missing\n"
	"  --hostname NAME    in the greeting; the machine's own by default\n"
	"  --no KEYWORD       leaves a keyword out of the EHLO reply: --no CHUNKING\n"
	"  --quiet            prints no line for each message\n";

struct options {
	struct {
		struct addr at;
		bool implicit;
	} listens[LISTENERS_MOST];
	size_t listen_count;
	const char *cert, *key, *maildir;
	char hostname[256];
	uint32_t without; /* SMTP_CAP_* */
	bool quiet, help;
};

/* A socket that listens, and what its events need. */
struct listener {
	struct sink *sink;
	struct loop_watch *watch;
	int fd;
	int spare; /* a descriptor held back for when there are no more */
	bool implicit;
};

static bool bad_usage(struct why *why, const char *text, const char *value)
{
	why_set(why, FAULT_POLICY, "%s%s", text, value);
	return false;
}

static bool add_listen(struct options *o, const char *text, bool implicit, struct why *why)
{
	if (o->listen_count == LISTENERS_MOST)
		return bad_usage(why, "too many addresses to listen on: ", text);
	if (!addr_read(span_str(text), &o->listens[o->listen_count].at))
		return bad_usage(why, "not an address with a port, as in 127.0.0.1:2526: ", text);
	o->listens[o->listen_count++].implicit = implicit;
	return true;
}

/* The keyword is read as if a server had offered it: there is but one list of them. */
static bool leave_out(struct options *o, const char *keyword, struct why *why)
{
	struct smtp_reply ehlo = { .code = 250, .lines = 2 };
	struct smtp_caps caps = { .have = 0 };

	buf_init(&ehlo.text, 256);
	if (buf_printf(&ehlo.text, "x\n%s\n", keyword))
		smtp_caps_read(&ehlo, &caps);
	buf_free(&ehlo.text);
	/* BINARYMIME without CHUNKING reads as nothing, for it would mean nothing. */
	if (strcasecmp(keyword, "BINARYMIME") == 0)
		caps.have = SMTP_CAP_BINARYMIME;
	if (caps.have == 0)
		return bad_usage(why, "not a keyword that the sink offers: --no ", keyword);
	o->without |= caps.have;
	return true;
}

static bool take_option(struct options *o, int option, struct why *why)
{
	switch (option) {
	case 'l':
		return add_listen(o, optarg, false, why);
	case 't':
		return add_listen(o, optarg, true, why);
	case 'n':
		return leave_out(o, optarg, why);
	case 'H':
		if (*optarg == '\0' || strlen(optarg) >= sizeof(o->hostname) || strchr(optarg, '/'))
			return bad_usage(why, "not a host name: ", optarg);
		snprintf(o->hostname, sizeof(o->hostname), "%s", optarg);
		return true;
	case 'c':
		o->cert = optarg;
		return true;
	case 'k':
		o->key = optarg;
		return true;
	case 'm':
		o->maildir = optarg;
		return true;
	case 'q':
		o->quiet = true;
		return true;
	case 'h':
		o->help = true;
		return true;
	default:
		return false;
	}
}

static bool check_options(const struct options *o, struct why *why)
{
	if (o->listen_count == 0)
		return bad_usage(why, "where to listen is missing: --listen 127.0.0.1:2526", "");
	if (o->maildir == NULL)
		return bad_usage(why, "where to write is missing: --maildir DIR", "");
	if ((o->cert == NULL) != (o->key == NULL))
		return bad_usage(why, "--cert and --key belong together", "");
	for (size_t i = 0; i < o->listen_count; i++) {
		if (o->listens[i].implicit && o->cert == NULL)
			return bad_usage(why, "--listen-tls needs --cert and --key", "");
	}
	return true;
}

static bool read_options(struct options *o, int argc, char **argv, struct why *why)
{
	static const struct option options[] = {
		{ "listen", required_argument, NULL, 'l' },
		{ "listen-tls", required_argument, NULL, 't' },
		{ "cert", required_argument, NULL, 'c' },
		{ "key", required_argument, NULL, 'k' },
		{ "maildir", required_argument, NULL, 'm' },
		{ "hostname", required_argument, NULL, 'H' },
		{ "no", required_argument, NULL, 'n' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	if (gethostname(o->hostname, sizeof(o->hostname) - 1) != 0 || o->hostname[0] == '\0')
		snprintf(o->hostname, sizeof(o->hostname), "localhost");
	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option == ':')
			return bad_usage(why, "a value is missing behind ", argv[optind - 1]);
		if (option == '?')
			return bad_usage(why, "unknown option ", argv[optind - 1]);
		if (!take_option(o, option, why))
			return false;
	}
	if (optind < argc)
		return bad_usage(why, "what is this for: ", argv[optind]);
	return o->help || check_options(o, why);
}

static bool read_file(const char *path, struct buf *text, struct why *why)
{
	FILE *f = fopen(path, "re");
	size_t room, len = 1;

	while (f != NULL && len > 0 && buf_space(text) > 0) {
		char *at = buf_reserve(text, 16384, &room);

		len = fread(at, 1, room, f);
		buf_commit(text, len);
	}
	if (f == NULL || ferror(f) || buf_space(text) == 0) {
		why_set(why, FAULT_SYSTEM, "%s: %s", path,
			f != NULL && !ferror(f) ? "too big for a PEM file" : strerror(errno));
		if (f != NULL)
			fclose(f);
		return false;
	}
	fclose(f);
	return true;
}

static struct tls_cert *read_cert(const struct options *o, struct why *why)
{
	struct tls_cert *cert = NULL;
	struct buf chain, key;

	buf_init(&chain, FILE_MOST);
	buf_init(&key, FILE_MOST);
	if (read_file(o->cert, &chain, why) && read_file(o->key, &key, why))
		cert = tls_cert_read(buf_peek(&chain), buf_peek(&key), why);
	buf_free(&chain);
	buf_free(&key);
	return cert;
}

static bool make_tls(struct sink *k, const struct options *o, struct why *why)
{
	/* Tickets, so that resumption can be seen from the other side. */
	static struct tls_ticket_ring tickets;
	struct tls_cert *cert;
	struct tls_server_conf conf = {
		.profile = tls_profile_builtin("intermediate"),
		.certs = &cert,
		.cert_count = 1,
		.label = "sink",
		.tickets = &tickets,
	};

	if (o->cert == NULL)
		return true;
	cert = read_cert(o, why);
	if (cert == NULL)
		return false;
	tls_ticket_rotate(&tickets);
	k->tls = tls_server_new(&conf, why);
	tls_cert_free(cert);
	k->offer_tls = (o->without & SMTP_CAP_STARTTLS) == 0;
	return k->tls != NULL;
}

/* No descriptor left: one client is let in and out again, or the loop would turn without end. */
static void turn_away(struct listener *l)
{
	struct addr peer;

	close(l->spare);
	l->spare = -1;
	close(sock_accept(l->fd, &peer, NULL));
	l->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_client(void *arg, unsigned what)
{
	struct listener *l = arg;
	struct addr peer;
	int fd;

	(void)what;
	while ((fd = sock_accept(l->fd, &peer, NULL)) >= 0)
		sink_session_start_take(l->sink, fd, &peer, l->implicit);
	if ((errno == EMFILE || errno == ENFILE) && l->spare >= 0)
		turn_away(l);
}

static void print_line(struct span line)
{
	static const char event[] = "event=";

	/* The lines of a sink are its output, not a log. */
	if (line.len > sizeof(event) - 1 && memcmp(line.at, event, sizeof(event) - 1) == 0)
		line = span_from(line, sizeof(event) - 1);
	fwrite(line.at, 1, line.len, stdout);
	fflush(stdout);
}

static bool listen_all(struct sink *k, const struct options *o, struct listener *listeners,
		       struct why *why)
{
	for (size_t i = 0; i < o->listen_count; i++) {
		struct listener *l = &listeners[i];
		const char *how = k->offer_tls ? "starttls" : "clear";
		char text[ADDR_TEXT_MOST];
		struct addr at;

		l->sink = k;
		l->implicit = o->listens[i].implicit;
		l->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
		l->fd = sock_listen(&o->listens[i].at, why);
		if (l->fd < 0 || !sock_local(l->fd, &at))
			return false;
		l->watch = loop_watch_read(k->loop, l->fd, on_client, l);
		addr_print(&at, text);
		printf("listening %s %s\n", text, l->implicit ? "tls" : how);
	}
	fflush(stdout);
	return true;
}

static void on_signal(void *arg)
{
	loop_stop(arg);
}

static void after_batch(void *arg)
{
	sink_session_run_waiting(arg);
}

static void run(struct sink *k)
{
	struct loop_signal *term = loop_signal_new(k->loop, SIGTERM, on_signal, k->loop);
	struct loop_signal *interrupt = loop_signal_new(k->loop, SIGINT, on_signal, k->loop);

	loop_run(k->loop, after_batch, k);
	loop_signal_free(term);
	loop_signal_free(interrupt);
	sink_session_end_all(k);
}

/* A thousand clients are a test, and the usual limit is 1024. */
static void raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

static bool serve(struct sink *k, const struct options *o, struct why *why)
{
	struct listener listeners[LISTENERS_MOST];
	bool done;

	for (size_t i = 0; i < LISTENERS_MOST; i++)
		listeners[i] = (struct listener){ .fd = -1, .spare = -1 };
	done = sink_maildir_open(&k->maildir, o->maildir, o->hostname, why) &&
	       make_tls(k, o, why) && listen_all(k, o, listeners, why);
	if (done)
		run(k);
	for (size_t i = 0; i < o->listen_count; i++) {
		if (listeners[i].watch != NULL)
			loop_unwatch(listeners[i].watch);
		if (listeners[i].fd >= 0)
			close(listeners[i].fd);
		if (listeners[i].spare >= 0)
			close(listeners[i].spare);
	}
	if (k->tls != NULL)
		tls_server_free(k->tls);
	return done;
}

int ctl_sink(int argc, char **argv)
{
	struct options options = { .quiet = false };
	struct sink sink = { .quiet = false };
	struct why why;
	bool done;

	if (!read_options(&options, argc, argv, &why)) {
		fprintf(stderr, "sallyport sink: %s\n\n%s", why.text, usage);
		return EX_USAGE;
	}
	if (options.help) {
		fputs(usage, stdout);
		return EX_OK;
	}
	signal(SIGPIPE, SIG_IGN);
	raise_limits();
	log_set_sink(print_line);
	LIST_INIT(&sink.sessions);
	sink.loop = loop_new();
	sink.quiet = options.quiet;
	sink.hostname = options.hostname;
	sink.offer.have = (SMTP_CAP_PIPELINING | SMTP_CAP_SIZE | SMTP_CAP_8BITMIME |
			   SMTP_CAP_SMTPUTF8 | SMTP_CAP_DSN | SMTP_CAP_ENHANCED |
			   SMTP_CAP_CHUNKING | SMTP_CAP_BINARYMIME) & ~options.without;
	done = serve(&sink, &options, &why);
	loop_free(sink.loop);
	if (!done)
		fprintf(stderr, "sallyport sink: %s\n", why.text);
	return done ? EX_OK : EX_UNAVAILABLE;
}
