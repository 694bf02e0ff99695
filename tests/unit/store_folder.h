/* A temporary folder for the tests of src/store. */
#ifndef STORE_FOLDER_H
#define STORE_FOLDER_H

struct store_folder {
	char path[64];
};

void store_folder_make(struct store_folder *f);
/* A file in it, in the place of what is there and of what SQLite has laid beside it. */
void store_folder_write(const struct store_folder *f, const char *name, const char *text);
void store_folder_remove(const struct store_folder *f); /* with all files in it */

#endif
