/* ctl/ctl_schema.h
 * sallyport schema [-m]: the JSON Schema of the configuration, for editors; with -m the reference
 * in Markdown. argv[0] is "schema". Returns the exit status. */
#ifndef CTL_SCHEMA_H
#define CTL_SCHEMA_H

int ctl_schema(int argc, char **argv);

#endif
