#include "ctl/ctl_authority.h"

#include "base/buf.h"
#include "tls/tls_mint.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define PEM_MOST (64 * 1024)
#define DAYS_USUAL 3650
#define UNTRUSTED_NAME "NOT TRUSTED, and not to be: certificate of the server was bad"

struct options {
	const char *dir;
	const char *name;
	unsigned days;
};

/* In the order in which they are written: a certificate without its key is of no use to anybody. */
enum { AUTHORITY_KEY, AUTHORITY_PEM, UNTRUSTED_KEY, UNTRUSTED_PEM, FILES };

static const struct {
	const char *name;
	mode_t mode;
} files[FILES] = {
	[AUTHORITY_KEY] = { "authority.key", 0600 },
	[AUTHORITY_PEM] = { "authority.pem", 0644 },
	[UNTRUSTED_KEY] = { "untrusted.key", 0600 },
	[UNTRUSTED_PEM] = { "untrusted.pem", 0644 },
};

static int usage(void)
{
	fputs("usage: sallyport authority init DIR [--name TEXT] [--days N]\n", stderr);
	return EX_USAGE;
}

static bool read_options(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "days", required_argument, NULL, 'd' },
		{ 0 },
	};
	uint64_t days = DAYS_USUAL;
	int c;

	optind = 1;
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'n')
			o->name = optarg;
		else if (c != 'd' || !span_number(span_str(optarg), TLS_AUTHORITY_DAYS_MOST, &days))
			return false;
	}
	if (optind + 2 != argc || strcmp(argv[optind], "init") != 0)
		return false;
	o->dir = argv[optind + 1];
	o->days = (unsigned)days;
	return true;
}

/* Clients show it: it says whose it is. A host name may be longer than a common name. */
static const char *usual_name(char name[65])
{
	char host[256] = "";

	if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0')
		snprintf(host, sizeof(host), "this network");
	snprintf(name, 65, "Sallyport authority of %.40s", host);
	return name;
}

static int open_dir(const char *path)
{
	int fd;

	if (mkdir(path, 0755) != 0 && errno != EEXIST) {
		fprintf(stderr, "%s: can't be made: %s\n", path, strerror(errno));
		return -1;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fprintf(stderr, "%s: can't be opened: %s\n", path, strerror(errno));
	return fd;
}

static bool none_exists(int dir, const char *path)
{
	struct stat found;

	for (size_t i = 0; i < FILES; i++) {
		if (fstatat(dir, files[i].name, &found, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		fprintf(stderr, "%s/%s exists: an authority is never overwritten, as clients may "
			"trust it; choose another directory, or move it away yourself\n", path,
			files[i].name);
		return false;
	}
	return true;
}

static bool write_all(int fd, struct span text)
{
	while (text.len > 0) {
		ssize_t done = write(fd, text.at, text.len);

		if (done < 0 && errno != EINTR)
			return false;
		text = span_from(text, done > 0 ? (size_t)done : 0);
	}
	return fsync(fd) == 0;
}

/* O_EXCL: what came into being since we looked is not overwritten either. */
static bool write_file(int dir, size_t i, const struct buf *pem, const char *path)
{
	int fd = openat(dir, files[i].name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			files[i].mode);
	bool done = fd >= 0 && fchmod(fd, files[i].mode) == 0 && write_all(fd, buf_peek(pem));
	int error = errno;

	if (fd >= 0) {
		close(fd);
		if (!done)
			unlinkat(dir, files[i].name, 0);
	}
	if (!done)
		fprintf(stderr, "%s/%s: can't be written: %s\n", path, files[i].name,
			strerror(error));
	return done;
}

/* All or none: half of them would stand in the way of the next try. */
static bool write_files(int dir, const struct buf pem[FILES], const char *path)
{
	size_t done = 0;

	while (done < FILES && write_file(dir, done, &pem[done], path))
		done++;
	if (done == FILES)
		return true;
	while (done > 0)
		unlinkat(dir, files[--done].name, 0);
	return false;
}

static bool make(const struct options *o, struct buf pem[FILES])
{
	char name[65];
	int64_t now = (int64_t)time(NULL);
	struct why why;

	if (tls_authority_make(o->name != NULL ? o->name : usual_name(name), o->days, now,
			       &pem[AUTHORITY_PEM], &pem[AUTHORITY_KEY], &why) &&
	    tls_authority_make(UNTRUSTED_NAME, o->days, now, &pem[UNTRUSTED_PEM],
			       &pem[UNTRUSTED_KEY], &why))
		return true;
	fprintf(stderr, "no authority can be made: %s\n", why.text);
	return false;
}

static int print_next(const char *dir)
{
	printf("Made in %s:\n"
	       "  authority.pem, authority.key  sign what clients see in place of a server's certificate\n"
	       "  untrusted.pem, untrusted.key  the same, where the server's certificate is bad\n"
	       "\n"
	       "What to do next:\n"
	       "  1. Have your clients trust %s/authority.pem, all those whose connections are\n"
	       "     intercepted. Never give them untrusted.pem: that they refuse it is its use.\n"
	       "  2. Name both pairs in the configuration.\n"
	       "  3. Keep authority.key as you keep the key of a house: who has it can stand in\n"
	       "     for any server towards these clients.\n",
	       dir, dir);
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static int init(const struct options *o)
{
	struct buf pem[FILES];
	int status = EX_CANTCREAT, dir;

	for (size_t i = 0; i < FILES; i++)
		buf_init(&pem[i], PEM_MOST);
	if (!make(o, pem)) {
		status = EX_USAGE;
	} else if ((dir = open_dir(o->dir)) >= 0) {
		if (none_exists(dir, o->dir) && write_files(dir, pem, o->dir))
			status = print_next(o->dir);
		close(dir);
	}
	for (size_t i = 0; i < FILES; i++)
		buf_free(&pem[i]);
	return status;
}

int ctl_authority(int argc, char **argv)
{
	struct options o = { 0 };

	return read_options(argc, argv, &o) ? init(&o) : usage();
}
