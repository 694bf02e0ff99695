#include "base/why.h"

#include <stdarg.h>
#include <stdio.h>

void why_set(struct why *why, enum fault fault, const char *fmt, ...)
{
	va_list args;

	why->fault = fault;
	va_start(args, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, args);
	va_end(args);
}

const char *fault_name(enum fault fault)
{
	static const char *const names[] = {
		[FAULT_NONE] = "none",
		[FAULT_PEER] = "peer",
		[FAULT_POLICY] = "policy",
		[FAULT_SYSTEM] = "system",
		[FAULT_SELF] = "self",
	};

	return names[fault];
}
