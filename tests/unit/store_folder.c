#include "store_folder.h"

#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void store_folder_make(struct store_folder *f)
{
	snprintf(f->path, sizeof(f->path), "/tmp/sallyport-store-XXXXXX");
	assert_non_null(mkdtemp(f->path));
}

static void empty(const struct store_folder *f)
{
	DIR *dir = opendir(f->path);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			assert_int_equal(unlinkat(dirfd(dir), entry->d_name, 0), 0);
	}
	closedir(dir);
}

void store_folder_write(const struct store_folder *f, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	empty(f);
	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	file = fopen(path, "w");
	assert_non_null(file);
	for (int i = 0; i < 100; i++)
		fputs(text, file);
	fclose(file);
}

void store_folder_remove(const struct store_folder *f)
{
	empty(f);
	assert_int_equal(rmdir(f->path), 0);
}
