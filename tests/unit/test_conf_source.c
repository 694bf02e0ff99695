#include "conf/conf_source.h"
#include "unit.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/sallyport-test-XXXXXX");
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int remove_folder(void **state)
{
	static const char *const names[] = { "gw.yaml", "key.pem", "list.txt", "large", "fifo" };

	(void)state;
	for (size_t i = 0; i < ROWS(names); i++)
		unlink(path_of(names[i]));
	return rmdir(folder);
}

static void write_file(const char *name, struct span bytes, size_t times)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	for (size_t i = 0; i < times; i++)
		assert_int_equal(write(fd, bytes.at, bytes.len), bytes.len);
	close(fd);
}

static void want_file(struct conf_source *s, const char *path, struct span want)
{
	struct span got;
	struct why why;

	if (!conf_source_read(s, path, &got, &why))
		fail_msg("%s: %s", path, why.text);
	want_text(path, got, want);
}

static void want_refusal(struct conf_source *s, const char *path, const char *want)
{
	struct span got;
	struct why why;

	if (conf_source_read(s, path, &got, &why))
		fail_msg("%s was read", path);
	want_text(path, span_str(why.text), span_str(want));
}

static void test_conf_source_files(void **state)
{
	struct conf_source *s = conf_source_files();

	(void)state;
	write_file("gw.yaml", SPAN("a: b\0c\n"), 1);
	write_file("key.pem", SPAN("secret"), 1);
	want_file(s, path_of("gw.yaml"), SPAN("a: b\0c\n"));
	want_file(s, "key.pem", SPAN("secret")); /* beside the first */
	want_refusal(s, "none.pem", "no such file");
	want_refusal(s, folder, "it is a folder");
	want_refusal(s, "/dev/null", "it is not a regular file");
	conf_source_free(s);
}

/* What was checked is what is used: a file that changes meanwhile is not read again. */
static void test_conf_source_remembers(void **state)
{
	struct conf_source *s = conf_source_files();

	(void)state;
	write_file("gw.yaml", SPAN("one"), 1);
	want_file(s, path_of("gw.yaml"), SPAN("one"));
	write_file("gw.yaml", SPAN("two"), 1);
	want_file(s, path_of("gw.yaml"), SPAN("one"));
	conf_source_free(s);
}

static void test_conf_source_ceiling(void **state)
{
	static char block[65536];
	struct conf_source *s = conf_source_files();
	struct span got;
	struct why why;

	(void)state;
	write_file("large", span_of(block, sizeof(block)), CONF_FILE_MOST / sizeof(block));
	assert_true(conf_source_read(s, path_of("large"), &got, &why));
	assert_int_equal(got.len, CONF_FILE_MOST);
	conf_source_free(s);

	s = conf_source_files();
	write_file("large", span_of(block, sizeof(block)), CONF_FILE_MOST / sizeof(block) + 1);
	want_refusal(s, path_of("large"), "above 4 MiB");
	conf_source_free(s);
}

static void test_conf_source_does_not_hang(void **state)
{
	struct conf_source *s = conf_source_files();

	(void)state;
	assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
	want_refusal(s, path_of("fifo"), "it is not a regular file");
	conf_source_free(s);
}

static void test_conf_source_sealed(void **state)
{
	struct conf_source *s = conf_source_files();
	struct why why;
	char octet = 'x';
	int fd;

	(void)state;
	write_file("gw.yaml", SPAN("a: b\n"), 1);
	write_file("key.pem", SPAN(""), 1);
	want_file(s, path_of("gw.yaml"), SPAN("a: b\n"));
	want_file(s, "key.pem", SPAN(""));
	fd = conf_source_seal(s, &why);
	conf_source_free(s);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(pwrite(fd, &octet, 1, 0), -1);
	unlink(path_of("gw.yaml"));

	/* Twice: the offset of the descriptor is shared by all edges. */
	for (int i = 0; i < 2; i++) {
		s = conf_source_sealed(fd, &why);
		assert_non_null(s);
		want_file(s, path_of("gw.yaml"), SPAN("a: b\n"));
		want_file(s, "key.pem", SPAN(""));
		want_refusal(s, "/etc/hostname",
			     "it was not read when the configuration was checked");
		conf_source_free(s);
	}
	close(fd);
}

static const struct {
	const char *name;
	struct span bytes;
	bool good;
} sealed[] = {
	{ "nothing was read",          SPAN("sallyport-conf 1\n"), true },
	{ "one file",                  SPAN("sallyport-conf 1\n1 2\naxy"), true },
	{ "nothing at all",            SPAN(""), false },
	{ "another title",             SPAN("sallyport-conf 2\n1 2\naxy"), false },
	{ "a path without end",        SPAN("sallyport-conf 1\n9 0\na"), false },
	{ "data without end",          SPAN("sallyport-conf 1\n1 3\naxy"), false },
	{ "lengths that overflow",     SPAN("sallyport-conf 1\n1 18446744073709551615\naxy"), false },
	{ "no path",                   SPAN("sallyport-conf 1\n0 2\nxy"), false },
	{ "a NUL in the path",         SPAN("sallyport-conf 1\n2 0\na\0"), false },
	{ "no lengths",                SPAN("sallyport-conf 1\naxy"), false },
};

/* SPEC law 8: a role that needs no key is given none. */
static void test_conf_source_sealed_without_the_keys(void **state)
{
	struct conf_source *s = conf_source_files(), *some;
	const char *paths[] = { NULL, "list.txt", "not-read.txt" };
	char *main_path = mem_text(path_of("gw.yaml"));
	struct why why;
	int fd;

	(void)state;
	paths[0] = main_path;
	write_file("gw.yaml", SPAN("conf"), 1);
	write_file("key.pem", SPAN("secret"), 1);
	write_file("list.txt", SPAN("list"), 1);
	want_file(s, main_path, SPAN("conf"));
	want_file(s, "key.pem", SPAN("secret"));
	want_file(s, "list.txt", SPAN("list"));
	fd = conf_source_seal_only(s, paths, 3, &why);
	assert_true(fd >= 0);
	some = conf_source_sealed(fd, &why);
	assert_non_null(some);
	want_file(some, main_path, SPAN("conf"));
	want_file(some, "list.txt", SPAN("list"));
	want_refusal(some, "key.pem", "it was not read when the configuration was checked");
	assert_int_equal(lseek(fd, 0, SEEK_END), strlen("sallyport-conf 1\n") + 2 * strlen("00 4\n") + strlen(main_path) +
			 strlen(path_of("list.txt")) + 8);
	close(fd);
	conf_source_free(s);
	conf_source_free(some);
	free(main_path);
}

static void test_conf_source_sealed_by_another(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(sealed); i++) {
		int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		struct conf_source *s;
		struct why why;

		assert_int_equal(write(fd, sealed[i].bytes.at, sealed[i].bytes.len),
				 sealed[i].bytes.len);
		s = conf_source_sealed(fd, &why);
		if (s != NULL)
			fail_msg("%s: taken without a seal", sealed[i].name);
		assert_int_equal(fcntl(fd, F_ADD_SEALS,
				       F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
		s = conf_source_sealed(fd, &why);
		want_number(sealed[i].name, "read", s != NULL, sealed[i].good);
		conf_source_free(s);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conf_source_files),
		cmocka_unit_test(test_conf_source_remembers),
		cmocka_unit_test(test_conf_source_ceiling),
		cmocka_unit_test(test_conf_source_does_not_hang),
		cmocka_unit_test(test_conf_source_sealed),
		cmocka_unit_test(test_conf_source_sealed_without_the_keys),
		cmocka_unit_test(test_conf_source_sealed_by_another),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
