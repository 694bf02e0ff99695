#include "conf/conf_source.h"

#include "base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MOST 4096
#define SEALED_MOST (256 * 1024 * 1024)
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* What a sealed descriptor begins with. Then, for each file, the lengths of path and
 * bytes in one line, the path, the bytes. */
static const char seal_title[] = "sallyport-conf 1\n";

struct conf_file {
	char *path;
	char *bytes;
	size_t len;
};

struct conf_source {
	enum { FROM_DISK, FROM_MEMORY, FROM_SEAL } kind;
	char *folder; /* of the first file read, with its slash; NULL: none was read yet */
	struct conf_file *files;
	size_t count;
};

static struct conf_source *source_new(int kind)
{
	struct conf_source *s = mem_new(sizeof(*s));

	s->kind = kind;
	return s;
}

struct conf_source *conf_source_files(void)
{
	return source_new(FROM_DISK);
}

struct conf_source *conf_source_memory(void)
{
	return source_new(FROM_MEMORY);
}

/* Keys of certificates are among what we hold (law 8). */
static void clear(char *bytes, size_t len)
{
	if (bytes != NULL)
		explicit_bzero(bytes, len);
	free(bytes);
}

void conf_source_free(struct conf_source *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->count; i++) {
		clear(s->files[i].bytes, s->files[i].len);
		free(s->files[i].path);
	}
	free(s->files);
	free(s->folder);
	free(s);
}

static struct conf_file *find(const struct conf_source *s, const char *path)
{
	for (size_t i = 0; i < s->count; i++) {
		if (strcmp(s->files[i].path, path) == 0)
			return &s->files[i];
	}
	return NULL;
}

/* Takes `path` and `bytes`. */
static struct conf_file *keep_take(struct conf_source *s, char *path, char *bytes, size_t len)
{
	s->files = mem_grow(s->files, (s->count + 1) * sizeof(*s->files));
	s->files[s->count] = (struct conf_file){ path, bytes, len };
	return &s->files[s->count++];
}

static char *copy(const char *at, size_t len)
{
	char *bytes = mem_new(len + 1);

	if (len > 0)
		memcpy(bytes, at, len);
	return bytes;
}

void conf_source_put(struct conf_source *s, const char *path, struct span bytes)
{
	struct conf_file *old = find(s, path);

	if (old != NULL) {
		clear(old->bytes, old->len);
		old->bytes = copy(bytes.at, bytes.len);
		old->len = bytes.len;
		return;
	}
	keep_take(s, mem_text(path), copy(bytes.at, bytes.len), bytes.len);
}

static const char *errno_text(void)
{
	switch (errno) {
	case ENOENT:
		return "no such file";
	case EACCES:
		return "permission denied";
	default:
		return strerror(errno);
	}
}

/* Not realloc: it would leave pieces of keys behind. */
static char *grow(char *bytes, size_t have, size_t *room)
{
	char *more = mem_new(*room * 2);

	memcpy(more, bytes, have);
	clear(bytes, have);
	*room *= 2;
	return more;
}

/* From the start, whatever the offset is: the descriptor may be shared with other processes. */
static char *read_all(int fd, size_t most, size_t *len, struct why *why)
{
	size_t room = 16 * 1024;
	char *bytes = mem_new(room);
	size_t have = 0;
	ssize_t got;

	do {
		if (have == room)
			bytes = grow(bytes, have, &room);
		got = pread(fd, bytes + have, room - have, (off_t)have);
		if (got > 0)
			have += (size_t)got;
	} while (have <= most && (got > 0 || (got < 0 && errno == EINTR)));
	*len = have;
	if (got == 0)
		return bytes;
	if (got < 0)
		why_set(why, FAULT_SYSTEM, "%s", errno_text());
	else
		why_set(why, FAULT_SYSTEM, "above %zu MiB", most >> 20);
	clear(bytes, have);
	return NULL;
}

static char *read_file(const char *path, size_t *len, struct why *why)
{
	/* Non-blocking: a FIFO by this name must not hang the master. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char *bytes = NULL;
	struct stat st;

	if (fd < 0) {
		why_set(why, FAULT_SYSTEM, "%s", errno_text());
		return NULL;
	}
	if (fstat(fd, &st) < 0)
		why_set(why, FAULT_SYSTEM, "%s", errno_text());
	else if (S_ISDIR(st.st_mode))
		why_set(why, FAULT_SYSTEM, "it is a folder");
	else if (!S_ISREG(st.st_mode))
		why_set(why, FAULT_SYSTEM, "it is not a regular file");
	else
		bytes = read_all(fd, CONF_FILE_MOST, len, why);
	close(fd);
	return bytes;
}

static void set_folder(struct conf_source *s, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (s->folder == NULL)
		s->folder = copy(path, slash != NULL ? (size_t)(slash + 1 - path) : 0);
}

static char *full_path(const struct conf_source *s, const char *path)
{
	size_t folder = s->folder != NULL && path[0] != '/' ? strlen(s->folder) : 0;
	size_t len = strlen(path);
	char *full = mem_new(folder + len + 1);

	if (folder > 0)
		memcpy(full, s->folder, folder);
	memcpy(full + folder, path, len);
	return full;
}

bool conf_source_read(struct conf_source *s, const char *path, struct span *bytes, struct why *why)
{
	char *full = full_path(s, path);
	struct conf_file *file = find(s, full);
	char *fresh = NULL;
	size_t len = 0;

	set_folder(s, path);
	if (file == NULL && s->kind == FROM_MEMORY) {
		why_set(why, FAULT_SYSTEM, "no such file");
	} else if (file == NULL && s->kind == FROM_SEAL) {
		why_set(why, FAULT_SYSTEM, "it was not read when the configuration was checked");
	} else if (file == NULL && s->count >= FILES_MOST) {
		why_set(why, FAULT_SYSTEM, "more than %d files", FILES_MOST);
	} else if (file == NULL) {
		fresh = read_file(full, &len, why);
		if (fresh != NULL)
			file = keep_take(s, mem_text(full), fresh, len);
	}
	free(full);
	if (file == NULL)
		return false;
	*bytes = span_of(file->bytes, file->len);
	return true;
}

static bool write_all(int fd, const char *at, size_t len)
{
	while (len > 0) {
		ssize_t put = write(fd, at, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		at += put;
		len -= (size_t)put;
	}
	return true;
}

static bool write_file(const struct conf_file *f, int fd)
{
	char head[64];
	int len = snprintf(head, sizeof(head), "%zu %zu\n", strlen(f->path), f->len);

	return write_all(fd, head, (size_t)len) && write_all(fd, f->path, strlen(f->path)) &&
	       write_all(fd, f->bytes, f->len);
}

/* `paths` NULL: all. The first file of all has no folder before it. */
static bool is_wanted(const struct conf_source *s, const struct conf_file *f, const char *const *paths, size_t count)
{
	bool wanted = paths == NULL;

	for (size_t i = 0; !wanted && i < count; i++) {
		char *full = full_path(s, paths[i]);

		wanted = strcmp(f->path, paths[i]) == 0 || strcmp(f->path, full) == 0;
		free(full);
	}
	return wanted;
}

static bool write_sealed(const struct conf_source *s, int fd, const char *const *paths, size_t count)
{
	bool good = write_all(fd, seal_title, strlen(seal_title));

	for (size_t i = 0; good && i < s->count; i++) {
		if (is_wanted(s, &s->files[i], paths, count))
			good = write_file(&s->files[i], fd);
	}
	return good && fcntl(fd, F_ADD_SEALS, SEALS) == 0;
}

int conf_source_seal(const struct conf_source *s, struct why *why)
{
	return conf_source_seal_only(s, NULL, 0, why);
}

int conf_source_seal_only(const struct conf_source *s, const char *const *paths, size_t count, struct why *why)
{
	int fd = memfd_create("sallyport-conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && write_sealed(s, fd, paths, count))
		return fd;
	why_set(why, FAULT_SYSTEM, "can't seal the configuration: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Takes the next file off the front of `rest`. */
static bool read_record(struct conf_source *s, struct span *rest)
{
	struct span data = span_cut(rest, '\n');
	struct span path = span_cut(&data, ' ');
	uint64_t path_len, data_len;

	if (!span_number(path, rest->len, &path_len) ||
	    !span_number(data, rest->len - path_len, &data_len))
		return false;
	path = span_first(*rest, path_len);
	data = span_first(span_from(*rest, path_len), data_len);
	*rest = span_from(*rest, path_len + data_len);
	if (path.len == 0 || span_find(path, '\0') != path.len || s->count >= FILES_MOST)
		return false;
	keep_take(s, copy(path.at, path.len), copy(data.at, data.len), data.len);
	return true;
}

static bool read_sealed(struct conf_source *s, struct span all)
{
	struct span title = span_str(seal_title);

	if (!span_eq(span_first(all, title.len), title))
		return false;
	all = span_from(all, title.len);
	while (all.len > 0) {
		if (!read_record(s, &all))
			return false;
	}
	return true;
}

struct conf_source *conf_source_sealed(int fd, struct why *why)
{
	struct conf_source *s;
	int seals = fcntl(fd, F_GET_SEALS);
	size_t len;
	char *all;

	if (seals < 0 || (seals & SEALS) != SEALS) {
		why_set(why, FAULT_SELF, "the configuration's descriptor is not sealed");
		return NULL;
	}
	all = read_all(fd, SEALED_MOST, &len, why);
	if (all == NULL)
		return NULL;
	s = source_new(FROM_SEAL);
	if (!read_sealed(s, span_of(all, len))) {
		why_set(why, FAULT_SELF, "the configuration's descriptor holds something else");
		conf_source_free(s);
		s = NULL;
	}
	clear(all, len);
	return s;
}
