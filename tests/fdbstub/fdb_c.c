/* A libfdb_c that can be linked, and says so when it is used. */
#include "foundationdb/fdb_c.h"

#include <stdio.h>
#include <stdlib.h>

#define X(result, name, parameters)                                                            \
	result name parameters                                                                 \
	{                                                                                      \
		fputs(#name ": the FoundationDB client library is a stub\n", stderr);          \
		abort();                                                                       \
	}
FDB_STUB_FUNCTIONS
#undef X

/* api_version_not_supported: the binding then compares with the greatest version, and explains. */
fdb_error_t fdb_select_api_version_impl(int runtime, int header)
{
	(void)runtime;
	(void)header;
	return 2203;
}

int fdb_get_max_api_version(void) { return 0; }

const char *fdb_get_error(fdb_error_t code)
{
	(void)code;
	return "the FoundationDB client library is a stub";
}
