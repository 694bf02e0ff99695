#include "ctl/sink_maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

static bool fail(struct why *why, const char *what, const char *path)
{
	why_set(why, FAULT_SYSTEM, "%s %s: %s", what, path, strerror(errno));
	return false;
}

static bool make_folder(const char *path, struct why *why)
{
	return mkdir(path, 0700) == 0 || errno == EEXIST || fail(why, "make folder", path);
}

bool sink_maildir_open(struct sink_maildir *m, const char *path, const char *hostname,
		       struct why *why)
{
	static const char *const folders[] = { "tmp", "new", "cur" };
	char folder[PATH_MAX];

	*m = (struct sink_maildir){ .path = path, .hostname = hostname };
	/* Room for the names of files, so that no path below is ever cut. */
	if (strlen(path) + strlen(hostname) + 100 > PATH_MAX) {
		why_set(why, FAULT_POLICY, "the path of the Maildir is too long");
		return false;
	}
	if (!make_folder(path, why))
		return false;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(folder, sizeof(folder), "%s/%s", path, folders[i]);
		if (!make_folder(folder, why))
			return false;
	}
	return true;
}

bool sink_maildir_begin(struct sink_maildir *m, struct sink_file *file, struct why *why)
{
	struct timeval now;
	char name[PATH_MAX / 2];
	int fd;

	gettimeofday(&now, NULL);
	snprintf(name, sizeof(name), "%lld.M%06ldP%ldQ%lu.%s", (long long)now.tv_sec,
		 (long)now.tv_usec, (long)getpid(), ++m->count, m->hostname);
	*file = (struct sink_file){ .f = NULL };
	snprintf(file->tmp, sizeof(file->tmp), "%.2000s/tmp/%s", m->path, name);
	snprintf(file->path, sizeof(file->path), "%.2000s/new/%s", m->path, name);
	fd = open(file->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(why, "open", file->tmp);
	file->f = fdopen(fd, "w");
	if (file->f == NULL) {
		close(fd);
		unlink(file->tmp);
		return fail(why, "open", file->tmp);
	}
	return true;
}

void sink_maildir_put(struct sink_file *file, struct span content)
{
	file->size += content.len;
	if (file->f != NULL && fwrite(content.at, 1, content.len, file->f) != content.len)
		file->failed = true;
}

/* The name must be on disk as well as the octets. */
static bool sync_new(const struct sink_maildir *m)
{
	char folder[PATH_MAX];
	bool done;
	int fd;

	snprintf(folder, sizeof(folder), "%.2000s/new", m->path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = fsync(fd) == 0;
	close(fd);
	return done;
}

bool sink_maildir_end(struct sink_maildir *m, struct sink_file *file, struct why *why)
{
	bool whole = file->f != NULL && !file->failed && fflush(file->f) == 0 &&
		     fsync(fileno(file->f)) == 0 && rename(file->tmp, file->path) == 0 &&
		     sync_new(m);

	if (!whole) {
		fail(why, "write", file->tmp);
		unlink(file->path);
		sink_maildir_drop(file);
		return false;
	}
	fclose(file->f);
	file->f = NULL;
	return true;
}

void sink_maildir_drop(struct sink_file *file)
{
	if (file->f == NULL)
		return;
	fclose(file->f);
	unlink(file->tmp);
	file->f = NULL;
}
