#include "ctl/ctl_schema.h"

#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

int ctl_schema(int argc, char **argv)
{
	bool manual = argc == 2 && strcmp(argv[1], "-m") == 0;
	bool written;
	char *text;

	if (argc > 1 && !manual) {
		fputs("usage: sallyport schema [-m]\n", stderr);
		return EX_USAGE;
	}
	text = manual ? conf_reference() : conf_schema_json();
	written = fputs(text, stdout) >= 0 && fflush(stdout) == 0;
	free(text);
	return written ? EX_OK : EX_IOERR;
}
