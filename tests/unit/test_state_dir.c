#include "proc/state_dir.h"

#include "store_folder.h"
#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOMEBODY 12345

static const char *below(const struct store_folder *f, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	return path;
}

static void want_dir(const char *path, uid_t uid, mode_t mode)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void test_made_and_given_away(void **state)
{
	bool root = geteuid() == 0;
	uid_t uid = root ? SOMEBODY : (uid_t)-1;
	struct store_folder f;
	struct why why;

	(void)state;
	store_folder_make(&f);
	assert_true(state_dir_make(below(&f, "state"), uid, root ? SOMEBODY : (gid_t)-1, &why));
	want_dir(below(&f, "state"), root ? SOMEBODY : geteuid(), 0750);
	/* Again, as after a restart. */
	assert_true(state_dir_make(below(&f, "state"), uid, root ? SOMEBODY : (gid_t)-1, &why));
	want_dir(below(&f, "state"), root ? SOMEBODY : geteuid(), 0750);
	assert_int_equal(rmdir(below(&f, "state")), 0);
	store_folder_remove(&f);
}

/* "state_dir: /etc" must not give /etc away. */
static void test_what_others_have_there_stays_theirs(void **state)
{
	struct store_folder f;
	struct why why;

	(void)state;
	store_folder_make(&f);
	store_folder_write(&f, "passwd", "x");
	assert_int_equal(chmod(f.path, 0711), 0);
	assert_true(state_dir_make(f.path, SOMEBODY, SOMEBODY, &why));
	want_dir(f.path, geteuid(), 0711);
	store_folder_remove(&f);
}

static void test_FAULTS_27_what_can_not_be_made(void **state)
{
	struct store_folder f;
	struct why why;

	(void)state;
	store_folder_make(&f);
	store_folder_write(&f, "file", "x");
	assert_false(state_dir_make(below(&f, "file"), (uid_t)-1, (gid_t)-1, &why));
	assert_false(state_dir_make(below(&f, "none/state"), (uid_t)-1, (gid_t)-1, &why));
	assert_int_equal(why.fault, FAULT_SYSTEM);
	assert_int_equal(symlink("/etc", below(&f, "link")), 0);
	assert_false(state_dir_make(below(&f, "link"), (uid_t)-1, (gid_t)-1, &why));
	store_folder_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_and_given_away),
		cmocka_unit_test(test_what_others_have_there_stays_theirs),
		cmocka_unit_test(test_FAULTS_27_what_can_not_be_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
