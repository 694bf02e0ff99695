#include "proc/state_dir.h"

#include "base/must.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Takes `fd`. */
static bool is_empty_take(int fd)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *entry;
	bool empty = true;

	if (dir == NULL) {
		close(fd);
		return false;
	}
	while (empty && (entry = readdir(dir)) != NULL)
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	closedir(dir);
	return empty;
}

static bool give(int fd, uid_t uid, gid_t gid)
{
	struct stat st;

	if (uid == (uid_t)-1)
		return true;
	if (fstat(fd, &st) != 0)
		return false;
	if (st.st_uid != 0 || !is_empty_take(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)))
		return true;
	return fchmod(fd, 0750) == 0 && fchown(fd, uid, gid) == 0;
}

bool state_dir_make(const char *path, uid_t uid, gid_t gid, struct why *why)
{
	bool good = mkdir(path, 0750) == 0 || errno == EEXIST;
	int fd = -1;

	if (good)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	good = fd >= 0 && give(fd, uid, gid);
	if (!good)
		why_set(why, FAULT_SYSTEM, "the folder %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return good;
}

/* As that user for a moment; what is asked then the kernel answers as it would answer them. */
static bool may_write(const char *path, uid_t uid, gid_t gid)
{
	gid_t own = getegid();
	bool may;

	if (uid == (uid_t)-1)
		return faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) == 0;
	must(setegid(gid) == 0 && seteuid(uid) == 0);
	may = faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) == 0;
	must(seteuid(0) == 0 && setegid(own) == 0);
	return may;
}

bool state_dir_usable(const char *path, const char *name, uid_t uid, gid_t gid, struct why *why)
{
	if (may_write(path, uid, gid))
		return true;
	why_set(why, FAULT_POLICY, "route.state_dir %s is not for user %s to write: give it to that user, or name its owner "
		"as `user`", path, name);
	return false;
}
